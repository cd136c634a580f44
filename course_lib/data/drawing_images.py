"""Chapter 1: images as geometry. Bezier curves, Bezier surfaces with light on them, and strokes turned into pixels."""

from __future__ import annotations

from math import comb

import torch
from torch import Tensor

# ------------------------------------------------------------------------------------------------------ curves


def de_casteljau(points: Tensor, t: Tensor) -> Tensor:
    """Points of a Bezier curve by repeated interpolation between neighbours (de Casteljau, 1959).

    points  control points [..., K, D], any degree K - 1
    t       positions [T]; 0 is the first control point, 1 the last
    Returns [..., T, D].
    """
    points = points.unsqueeze(-3)  # [..., 1, K, D]
    t = t[:, None, None]  # [T, 1, 1]
    while points.shape[-2] > 1:
        points = (1 - t) * points[..., :-1, :] + t * points[..., 1:, :]  # one control point fewer
    return points.squeeze(-2)


def bernstein(degree: int, t: Tensor) -> Tensor:
    """The Bernstein polynomials C(n, k) t^k (1 - t)^(n - k) of degree n: [T, n + 1], every row summing to 1."""
    return torch.stack([comb(degree, k) * t**k * (1 - t) ** (degree - k) for k in range(degree + 1)], dim=-1)


def bernstein_slope(degree: int, t: Tensor) -> Tensor:
    """Derivative of `bernstein` with respect to t, [T, n + 1]: n (b[n-1, k-1] - b[n-1, k])."""
    below = bernstein(degree - 1, t)
    nothing = torch.zeros_like(below[..., :1])
    return degree * (torch.cat([nothing, below], -1) - torch.cat([below, nothing], -1))


def bezier(points: Tensor, t: Tensor) -> Tensor:
    """Points of a Bezier curve as one matrix product: Bernstein polynomials [T, K] times control points [..., K, D]."""
    return bernstein(points.shape[-2] - 1, t) @ points


# ---------------------------------------------------------------------------------------------------- surfaces


def bezier_surface(patch: Tensor, u: Tensor, v: Tensor) -> tuple[Tensor, Tensor]:
    """Points and unit normals of a Bezier surface: a curve in u whose control points move along curves in v.

    patch  control points [M, N, 3] (bicubic: [4, 4, 3])
    u, v   positions [U] and [V] in [0, 1]
    Returns points [U, V, 3] and normals [U, V, 3], the normalised cross product of the two partial derivatives.
    """
    along_u, along_v = bernstein(len(patch) - 1, u), bernstein(patch.shape[1] - 1, v)
    slope_u, slope_v = bernstein_slope(len(patch) - 1, u), bernstein_slope(patch.shape[1] - 1, v)

    def combine(row: Tensor, column: Tensor) -> Tensor:
        return torch.einsum("um,vn,mnd->uvd", row, column, patch)

    normals = torch.linalg.cross(combine(slope_u, along_v), combine(along_u, slope_v))
    return combine(along_u, along_v), torch.nn.functional.normalize(normals, dim=-1)


def shade(normals: Tensor, light: Tensor, ambient: float = 0.1) -> Tensor:
    """Brightness of a matt surface (Lambert, 1760): [...], from `ambient` to 1.

    It grows with the cosine of the angle between the unit normals [..., 3] and the direction of the light [3].
    """
    cosine = normals @ torch.nn.functional.normalize(light, dim=-1)
    return ambient + (1 - ambient) * cosine.clamp(min=0)


# ----------------------------------------------------------------------------------------------------- strokes


def pixel_centres(size: int, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> Tensor:
    """Centres of the pixels along one side of the frame [0, 1]: float [size]."""
    return (torch.arange(size, device=device, dtype=dtype) + 0.5) / size


def exact_distance(points: Tensor, pen: Tensor, size: int) -> Tensor:
    """Distance of every pixel centre to the nearest drawn piece of a polyline: [N, size, size]. Exact, and slow.

    points  corners [N, K, 2] as (x, y) in the frame [0, 1], y pointing down
    pen     [N, K - 1]; the piece from corner k to k + 1 is drawn where pen > 0
    """
    axis = pixel_centres(size, points.device, points.dtype)
    pixels = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1).reshape(1, -1, 1, 2)  # [1, pixels, 1, 2]
    start, along = points[:, None, :-1], (points[:, 1:] - points[:, :-1])[:, None]  # [N, 1, K - 1, 2]
    t = ((pixels - start) * along).sum(-1) / along.square().sum(-1).clamp(min=1e-12)
    gaps = (pixels - start - t.clamp(0, 1)[..., None] * along).norm(dim=-1)  # [N, pixels, K - 1]
    return gaps.masked_fill(pen[:, None] <= 0, torch.inf).amin(-1).reshape(-1, size, size)


def smooth_distance(points: Tensor, weight: Tensor, size: int, sigma: Tensor) -> Tensor:
    """A smooth distance of every pixel centre to a polyline, from one batched matrix product: [N, size, size].

    Every piece, of length l and middle c, leaves a bell l exp(-|p - c|^2 / 2 sigma^2) at pixel p. Along a straight
    stroke the bells add up to sqrt(2 pi) sigma exp(-d^2 / 2 sigma^2), where d is the distance to the stroke; solving
    for d gives the distance back, exact for straight strokes and a soft minimum elsewhere. A bell is a bell in x times
    a bell in y, so that the sum over pieces is the matrix product [size, K] @ [K, size].

    points  corners [N, K, 2] as in `exact_distance`
    weight  [N, K - 1] of each piece: 1 draws, 0 lifts the pen, exp(m) lowers the squared distance by 2 sigma^2 m
    sigma   [N], at least half the length of a piece, or the pieces show as beads
    """
    middle, length = (points[:, 1:] + points[:, :-1]) / 2, (points[:, 1:] - points[:, :-1]).norm(dim=-1)
    axis = pixel_centres(size, points.device, points.dtype)[:, None]  # [size, 1]
    narrow = 0.5**0.5 / sigma[:, None, None]

    def bells(centre: Tensor) -> Tensor:  # [N, K - 1] -> [N, size, K - 1]; never so small that float32 loses it
        return ((axis - centre[:, None]) * narrow).square_().clamp_(max=40).neg_().exp_()

    weight = weight * length / (sigma[:, None] * (2 * torch.pi) ** 0.5)
    field = (bells(middle[..., 1]) * weight[:, None]) @ bells(middle[..., 0]).transpose(1, 2)  # [N, size (y), size (x)]
    squared = field.clamp_(min=1e-36).log_() * (-2 * sigma.square())[:, None, None]
    return squared.clamp_(min=1e-12).sqrt_()


def render(points: Tensor, pen: Tensor, radius: Tensor, size: int, blur: Tensor | float = 1.0) -> Tensor:
    """Ink in [0, 1] that a round pen leaves along polylines: [N, size, size].

    points  corners [N, K, 2] as (x, y) in the frame [0, 1], y pointing down
    pen     [N, K - 1], how hard the pen presses on each piece: the stroke is pen * radius wide there; 0 lifts the pen
    radius  half the width of the stroke [N], in units of the frame
    blur    width of the soft edge in pixels, a number or [N]; 1 is one pixel's worth of anti-aliasing
    """
    longest = ((points[:, 1:] - points[:, :-1]).norm(dim=-1) * (pen > 0)).amax(-1)
    sigma = torch.maximum(0.5 * longest, 0.3 * radius).clamp(min=1e-3)
    # distance < pen * radius is the same as distance^2 - (pen^2 - 1) radius^2 < radius^2: pressure becomes a weight
    weight = ((pen.square() - 1) * (radius / sigma).square()[:, None] / 2).clamp(max=40).exp() * (pen > 0)
    distance = smooth_distance(points, weight, size, sigma)
    edge = torch.as_tensor(blur / size, dtype=points.dtype, device=points.device).reshape(-1, 1, 1)
    radius = radius[:, None, None]
    # the stroke covers [-radius, radius], the pixel [distance - edge / 2, distance + edge / 2]: how much do they share?
    share = torch.minimum(distance + edge / 2, radius) - torch.maximum(distance - edge / 2, -radius)
    return (share / edge).clamp_(0, 1)
