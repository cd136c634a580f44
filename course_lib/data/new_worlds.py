"""Chapter 12: from strokes to filled shapes. Inside or outside, signed distance, coverage, painter's order, gradients.

Points are (x, y), y pointing down, in units of the image's height: y runs from 0 to 1, x from 0 to width / height.
A polygon is closed: its last corner is joined to its first. Colours are RGB in [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from course_lib.data.drawing_images import bernstein

KAPPA = 4 * (2**0.5 - 1) / 3  # handle of the cubic that is nearest to a quarter of the unit circle

# ----------------------------------------------------------------------------------------------- inside and outside


def winding_number(polygon: Tensor, points: Tensor) -> Tensor:
    """How often a closed polygon runs around each point: int64 [..., P]; 0 is outside.

    A ray goes from the point to the right. Every edge that crosses it counts: +1 where it runs down (as y is seen on
    the screen), -1 where it runs up. On the screen, one turn clockwise is +1. (Sunday, 2001.)

    polygon [..., K, 2], points [..., P, 2]
    """
    start, end = polygon[..., None, :, :], polygon.roll(-1, -2)[..., None, :, :]  # [..., 1, K, 2]
    x, y = points[..., None, 0], points[..., None, 1]  # [..., P, 1]
    down = (start[..., 1] <= y) & (y < end[..., 1])
    up = (end[..., 1] <= y) & (y < start[..., 1])
    along, to_point = end - start, (x - start[..., 0], y - start[..., 1])
    side = along[..., 0] * to_point[1] - along[..., 1] * to_point[0]  # of the edge on which the point lies
    return (down & (side > 0)).sum(-1) - (up & (side < 0)).sum(-1)


def signed_distance(polygon: Tensor, points: Tensor) -> Tensor:
    """Distance of each point to the nearest edge of a closed polygon, negative inside: [..., P]. Exact, and slow.

    polygon [..., K, 2], points [..., P, 2]. Inside is where the winding number is not 0.
    """
    start = polygon[..., None, :, :]
    along = polygon.roll(-1, -2)[..., None, :, :] - start
    to_point = points[..., None, :] - start  # [..., P, K, 2]
    t = (to_point * along).sum(-1) / along.square().sum(-1).clamp(min=torch.finfo(along.dtype).tiny)
    distance = (to_point - t.clamp(0, 1)[..., None] * along).norm(dim=-1).amin(-1)
    return torch.where(winding_number(polygon, points) != 0, -distance, distance)


def soft_coverage(distance: Tensor, edge: float | Tensor) -> Tensor:
    """Share of a pixel that a shape covers, in [0, 1], from the signed distance of the pixel's centre.

    edge  width of the soft edge, in the unit of the distance: one pixel's side is one pixel's worth of anti-aliasing
    """
    return (0.5 - distance / edge).clamp(0, 1)


def pixel_grid(height: int, width: int | None = None, device: torch.device | str = "cpu", dtype=None) -> Tensor:
    """Centres of the pixels of an image, (x, y) in units of its height: [height, width, 2]; width None is square."""
    width = height if width is None else width
    x = (torch.arange(width, device=device, dtype=dtype or torch.float32) + 0.5) / height
    y = (torch.arange(height, device=device, dtype=dtype or torch.float32) + 0.5) / height
    return torch.stack(torch.meshgrid(x, y, indexing="xy"), -1)


def coverage(polygon: Tensor, height: int, width: int | None = None, blur: float = 1.0) -> Tensor:
    """Share of every pixel inside a closed polygon, from one batched matrix product: [N, height, width] in [0, 1].

    By Green's theorem, the area of a shape in a pixel is a sum over its edges: how far the edge runs down through the
    pixel's row, times the share of the pixel to the right of it. The first number knows only rows, the second only
    columns, so that the sum over edges is the matrix product [height, K] @ [K, width]. Rows are exact; the share is
    taken at the middle of the edge, so that edges should not be much longer than a pixel (`outline` sees to it).

    polygon  [N, K, 2]; where it winds twice, or the other way round, is inside too
    blur     side of a pixel's window in pixels; 1 is the pixel itself, more makes the shape's edge softer
    """
    width = height if width is None else width
    closed = torch.cat([polygon, polygon[:, :1]], 1)
    x, y = closed[..., 0] * (height / blur), closed[..., 1] * (height / blur)
    middle = ((x[:, 1:] + x[:, :-1]) / 2)[..., None]  # [N, K, 1]
    rows, columns = ((torch.arange(n, device=x.device, dtype=x.dtype) + 0.5) / blur - 0.5 for n in (height, width))
    below = (y[:, None] - rows[:, None]).clamp_(0, 1)  # [N, height, K + 1]
    right = (columns + 1 - middle).clamp_(0, 1)  # [N, K, width]
    return torch.bmm(below[..., 1:] - below[..., :-1], right).abs_().clamp_(max=1)


# ------------------------------------------------------------------------------------------------------ outlines


def outline(control: Tensor, pieces: int) -> Tensor:
    """Corners [..., n * pieces, 2] along n cubic Beziers end to end, the last of which ends where the first begins.

    control  [..., 3n, 2]: anchor, handle, handle, anchor, ...
    """
    t = torch.arange(pieces, device=control.device, dtype=control.dtype) / pieces
    anchors = torch.cat([control, control[..., :1, :]], -2)
    cubics = torch.stack([anchors[..., k : anchors.shape[-2] - 3 + k : 3, :] for k in range(4)], -2)  # [..., n, 4, 2]
    return (bernstein(3, t) @ cubics).flatten(-3, -2)


def smooth_outline(anchors: Tensor, tension: float = 1.0) -> Tensor:
    """Control points [..., 3n, 2] of the smooth closed curve through n anchors [..., n, 2] (Catmull and Rom, 1974).

    The handles of an anchor lie along the line between its two neighbours, at tension / 6 of its length.
    """
    slope = (anchors.roll(-1, -2) - anchors.roll(1, -2)) * (tension / 6)
    after, before = anchors + slope, (anchors - slope).roll(-1, -2)
    return torch.stack([anchors, after, before], -2).flatten(-3, -2)


def ellipse(centre: Tensor, radii: Tensor, power: float = 1.0) -> Tensor:
    """Control points [..., 12, 2] of an ellipse in four cubics; centre, radii [..., 2]. power > 1 makes it boxier."""
    k = KAPPA * power
    unit = [(1, 0), (1, k), (k, 1), (0, 1), (-k, 1), (-1, k), (-1, 0), (-1, -k), (-k, -1), (0, -1), (k, -1), (1, -k)]
    circle = torch.tensor(unit, dtype=radii.dtype, device=radii.device)
    return centre[..., None, :] + circle * radii[..., None, :]


# ----------------------------------------------------------------------------------------------------- compositing


def over(front: Tensor, alpha: Tensor, back: Tensor) -> Tensor:
    """Paint `front` with opacity `alpha` on an opaque `back`: alpha * front + (1 - alpha) * back. They broadcast."""
    return torch.lerp(back, front, alpha)


def composite(front: Tensor, back: Tensor) -> Tensor:
    """One transparent layer over another, RGBA [..., 4, H, W] in [0, 1], colours not premultiplied (Porter, Duff 1984).

    Where both are fully transparent, the colour is 0.
    """
    a, b = front[..., 3:, :, :], back[..., 3:, :, :] * (1 - front[..., 3:, :, :])
    alpha = a + b
    colour = (front[..., :3, :, :] * a + back[..., :3, :, :] * b) / alpha.clamp(min=torch.finfo(alpha.dtype).tiny)
    return torch.cat([colour, alpha], -3)


def linear_gradient(grid: Tensor, start: Tensor, end: Tensor) -> Tensor:
    """0 at `start`, 1 at `end`, straight in between and constant beyond: [N, H, W].

    grid  [H, W, 2] or [N, H, W, 2]; start, end [N, 2] or [2]
    """
    start, along = start[..., None, None, :], (end - start)[..., None, None, :]
    return (((grid - start) * along).sum(-1) / along.square().sum(-1)).clamp(0, 1)


def radial_gradient(grid: Tensor, centre: Tensor, radii: Tensor) -> Tensor:
    """0 at the centre, 1 on the ellipse with these radii and outside of it: [N, H, W]. centre, radii [N, 2] or [2]."""
    return ((grid - centre[..., None, None, :]) / radii[..., None, None, :]).norm(dim=-1).clamp(max=1)


class Canvas:
    """N pictures painted back to front, which remember what was painted where.

    colours  [N, 3, H, W] in [0, 1]: the pictures as painted so far
    """

    def __init__(self, colours: Tensor, parts: Sequence[str]):
        """Begin with a picture whose every pixel belongs to parts[0]; later layers belong to any of the parts."""
        self.colours, self.parts = colours.clone(), tuple(parts)
        self.layers: list[tuple[Tensor, int, tuple[int, int]]] = []

    def paint(self, alpha: Tensor, colour: Tensor, part: str | None = None, at: tuple[int, int] = (0, 0)) -> None:
        """Paint a colour [N, 3] (or one for each pixel, [N, 3, h, w]) where alpha [N, h, w] says.

        part  what is seen there from now on; None tints what is there (a shadow, a blush) and leaves it what it is
        at    row and column of alpha's first pixel in the picture, where alpha is smaller than the picture
        """
        colour = colour if colour.ndim == 4 else colour[:, :, None, None]
        below = _window(self.colours, alpha, at)
        below.lerp_(colour.expand_as(below), alpha[:, None])
        if part is not None:
            self.layers.append((alpha, self.parts.index(part), at))

    def shares(self) -> Tensor:
        """The share of every pixel in which each part is seen: [N, parts, H, W], which sum to 1 in every pixel.

        Front to back: of what the layers in front let through, a layer shows alpha and lets 1 - alpha through.
        """
        count, _, height, width = self.colours.shape
        shares = self.colours.new_zeros(count, len(self.parts), height, width)
        through = self.colours.new_ones(count, height, width)
        for alpha, part, at in reversed(self.layers):
            light = _window(through, alpha, at)
            seen = light * alpha
            _window(shares[:, part], alpha, at).add_(seen)
            light.sub_(seen)
        shares[:, 0] += through
        return shares


def _window(pictures: Tensor, alpha: Tensor, at: tuple[int, int]) -> Tensor:
    """The part of pictures [N, ..., H, W] that alpha [N, h, w] lies on, not copied."""
    return pictures[..., at[0] : at[0] + alpha.shape[-2], at[1] : at[1] + alpha.shape[-1]]
