"""Checks of chapter 1: a curve, its weights, a surface, and the ink along a polyline."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.checks.core import WrongAnswer, compare, exercise, expect_tensor, untouched
from course_lib.data import drawing_images as library

CHAPTER = "01_drawing_images"


def random(*shape: int, seed: int) -> Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def in_double(got: Tensor, what: str) -> None:
    """Float64 in, float64 out."""
    if isinstance(got, Tensor) and got.dtype != torch.float64:
        raise WrongAnswer(
            "dtype",
            f"{what} is {got.dtype} although the input is torch.float64; make new tensors with the input's dtype",
        )


# ------------------------------------------------------------------------------------------------------ exercise 1


@exercise(CHAPTER)
def de_casteljau(answer: Callable[[Tensor, float], Tensor]) -> None:
    """points [K, D], t -> one point [D]."""
    for seed, (count, dimensions, t) in enumerate([(4, 2, 0.3), (4, 2, 0.85), (3, 2, 0.6), (6, 3, 0.2), (2, 2, 0.4)]):
        points = random(count, dimensions, seed=seed)
        given = points.clone()
        try:
            got = answer(given, t)
        except NotImplementedError:
            raise
        except Exception:
            if seed < 2:
                raise
            raise WrongAnswer(
                "cubic only", f"it works for 4 control points but stops with {count}: repeat until one point is left"
            ) from None
        untouched(points, given, "points")
        wanted = one_point(points, t)
        if seed >= 2 and isinstance(got, Tensor) and got.shape == (count - 3, dimensions):
            raise WrongAnswer(
                "cubic only", f"three rounds are right for 4 control points; with {count} you need {count - 1} rounds"
            )
        compare(got, wanted, f"the point at t = {t}", curve_mistakes(points, t))
        in_double(got, "the point")


def one_point(points: Tensor, t: float) -> Tensor:
    return library.de_casteljau(points, torch.tensor([t], dtype=points.dtype))[0]


def curve_mistakes(points: Tensor, t: float) -> dict[str, tuple[Tensor, str]]:
    once = (1 - t) * points[:-1] + t * points[1:]
    early = points
    while len(early) > 2:
        early = (1 - t) * early[:-1] + t * early[1:]
    place = t * (len(points) - 1)
    piece = min(int(place), len(points) - 2)
    polygon = (1 - (place - piece)) * points[piece] + (place - piece) * points[piece + 1]
    return {
        "weights swapped": (
            one_point(points, 1 - t),
            "the curve runs backwards: the left neighbour gets the weight 1 - t, the right one t",
        ),
        "one round only": (once, "you interpolated once; repeat with the new points until a single one is left"),
        "one round short": (early, "two points are left: interpolate once more between them"),
        "extra axis": (
            one_point(points, t)[None],
            "the right point, but as a row of [1, D]: return points[0], shape [D]",
        ),
        "polygon": (
            polygon,
            "this point lies on the straight lines between control points; the curve needs more rounds",
        ),
        "chord": (
            (1 - t) * points[0] + t * points[-1],
            "this point lies on the line from the first to the last control point; those between pull, too",
        ),
        "t ignored": (one_point(points, 0.5), "you always take the middle: use t, not 1/2"),
        "mean": (points.mean(0), "this is the mean of the control points; their weights depend on t"),
    }


# ------------------------------------------------------------------------------------------------------ exercise 2


@exercise(CHAPTER)
def bernstein(answer: Callable[[int, Tensor], Tensor]) -> None:
    """degree, t [T] -> [T, degree + 1]."""
    inner, with_ends = random(7, seed=11), torch.tensor([0.0, 0.25, 0.7, 1.0], dtype=torch.float64)
    for degree, t in [(3, inner), (5, inner), (2, with_ends), (1, with_ends), (4, with_ends)]:
        given = t.clone()
        got = answer(degree, given)
        untouched(t, given, "t")
        compare(got, library.bernstein(degree, t), f"bernstein({degree}, t)", weight_mistakes(degree, t))
        in_double(got, "the table of weights")


def weight_mistakes(degree: int, t: Tensor) -> dict[str, tuple[Tensor, str]]:
    right = library.bernstein(degree, t)
    powers = torch.stack([t**k for k in range(degree + 1)], 1)
    bare = powers * torch.stack([(1 - t) ** (degree - k) for k in range(degree + 1)], 1)
    return {
        "no binomials": (
            bare,
            "the rows do not sum to 1: every term needs the binomial coefficient C(n, k), math.comb(degree, k)",
        ),
        "normalised": (
            bare / bare.sum(1, keepdim=True),
            "dividing by the sum hides the missing binomial coefficient: multiply by math.comb(degree, k) instead",
        ),
        "powers swapped": (
            right.flip(1),
            "the columns are in reverse order: column k has t^k and (1 - t)^(degree - k)",
        ),
        "powers of t": (
            powers,
            "these are the powers 1, t, t^2, ...: the factors (1 - t)^(degree - k) and C(n, k) are missing",
        ),
        "one column short": (right[:, :-1], "degree n has n + 1 polynomials, k = 0 ... n: the last column is missing"),
        "degree counts points": (
            library.bernstein(degree - 1, t),
            "this is one degree too low: degree 3 belongs to four control points",
        ),
        "transposed": (right.T, "right numbers, but one row per k: return one row per position, [T, degree + 1]"),
    }


# ------------------------------------------------------------------------------------------------------ exercise 3


@exercise(CHAPTER)
def bezier_surface(answer: Callable[[Tensor, Tensor, Tensor], Tensor]) -> None:
    """patch [M, N, 3], u [U], v [V] -> points [U, V, 3]."""
    for rows, columns, steps_u, steps_v in [(4, 4, 5, 5), (4, 4, 5, 3), (3, 5, 4, 6), (2, 4, 1, 7)]:
        patch = random(rows, columns, 3, seed=rows + 10 * columns)
        u, v = random(steps_u, seed=21), random(steps_v, seed=22)
        given = patch.clone()
        try:
            got = answer(given, u.clone(), v.clone())
        except NotImplementedError:
            raise
        except Exception:
            if (rows, columns, steps_u, steps_v) == (4, 4, 5, 5):
                raise
            if (rows, columns) == (4, 4):
                raise WrongAnswer(
                    "square only",
                    "it stops when u and v have different lengths: do not pair u[i] with v[i], take all pairs",
                ) from None
            raise WrongAnswer(
                "cubic only", f"it stops for a net of {rows} x {columns}: the degrees are M - 1 and N - 1, not always 3"
            ) from None
        untouched(patch, given, "patch")
        wanted = library.bezier_surface(patch, u, v)[0]
        compare(got, wanted, "the surface", surface_mistakes(patch, u, v, wanted))
        in_double(got, "the surface")


def surface_mistakes(patch: Tensor, u: Tensor, v: Tensor, right: Tensor) -> dict[str, tuple[Tensor, str]]:
    in_u, in_v = library.bernstein(len(patch) - 1, u), library.bernstein(patch.shape[1] - 1, v)
    corners = patch[[0, -1]][:, [0, -1]]
    mistakes = {
        "axes swapped": (right.transpose(0, 1), "right points, but the first axis runs along v: return [U, V, 3]"),
        "flattened": (right.flatten(0, 1), "right points in one long list: keep them as a grid, [U, V, 3]"),
        "u only": (
            torch.einsum("um,mnd->und", in_u, patch),
            "these are the N control points that move with u: a second sum, over n with the weights of v, is missing",
        ),
        "v only": (
            torch.einsum("vn,mnd->mvd", in_v, patch),
            "these are the M control points that move with v: a second sum, over m with the weights of u, is missing",
        ),
        "corners only": (
            library.bezier_surface(corners, u, v)[0],
            "this is the flat sheet between the four corners: the control points inside the net have weights, too",
        ),
    }
    if patch.shape[0] == patch.shape[1]:
        mistakes["net transposed"] = (
            library.bezier_surface(patch.transpose(0, 1), u, v)[0],
            "u and v are exchanged: u weighs the rows of the net (its first axis), v the columns",
        )
    if len(u) == len(v):
        diagonal = right.diagonal().T
        mistakes["paired"] = (diagonal, "you paired u[i] with v[i] and got a curve: take every u with every v")
    return mistakes


# ------------------------------------------------------------------------------------------------------ exercise 4


@exercise(CHAPTER)
def ink(answer: Callable[[Tensor, int, float], Tensor]) -> None:
    """corners [K, 2] of a polyline, size, radius -> ink [size, size]."""
    bend = torch.tensor([[0.22, 0.31], [0.61, 0.38], [0.53, 0.83]], dtype=torch.float64)
    still = torch.tensor(
        [[0.30, 0.70], [0.30, 0.70], [0.72, 0.24]], dtype=torch.float64
    )  # the first piece has no length
    zigzag = torch.tensor([[0.1, 0.2], [0.8, 0.3], [0.2, 0.6], [0.7, 0.95]], dtype=torch.float64)
    for corners, size, radius in [(bend, 9, 0.14), (zigzag, 12, 0.11), (still, 8, 0.15), (bend[:2], 7, 0.2)]:
        given = corners.clone()
        got = answer(given, size, radius)
        untouched(corners, given, "corners")
        if corners is still and isinstance(got, Tensor) and not got.isfinite().all():
            raise WrongAnswer(
                "zero length",
                "a piece of length 0 gives 0 / 0: keep the squared length above a tiny number, clamp(min=1e-12)",
            )
        compare(got, ramp(distance(corners, size), size, radius), "the ink", ink_mistakes(corners, size, radius))
        in_double(got, "the ink")
    expect_tensor(got, torch.empty(7, 7), "the ink")


def distance(corners: Tensor, size: int) -> Tensor:
    return library.exact_distance(corners[None], torch.ones(1, len(corners) - 1, dtype=corners.dtype), size)[0]


def ramp(gap: Tensor, size: int, radius: float) -> Tensor:
    return ((radius - gap) * size + 0.5).clamp(0, 1)


def gaps_at(corners: Tensor, axis: Tensor, clamp: bool = True) -> Tensor:
    """Distance of the points (axis[c], axis[r]) to every piece (or its endless line), [K - 1, size, size]."""
    pixels = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1)[None]
    start, along = corners[:-1, None, None], corners.diff(dim=0)[:, None, None]
    t = ((pixels - start) * along).sum(-1) / along.square().sum(-1).clamp(min=1e-12)
    return (pixels - start - (t.clamp(0, 1) if clamp else t)[..., None] * along).norm(dim=-1)


def ink_mistakes(corners: Tensor, size: int, radius: float) -> dict[str, tuple[Tensor, str]]:
    whole = torch.arange(size, dtype=corners.dtype)
    gaps = gaps_at(corners, (whole + 0.5) / size)
    nearest = gaps.amin(0)
    right = ramp(nearest, size, radius)

    def drawn(gap: Tensor) -> Tensor:
        return ramp(gap, size, radius)

    points = torch.stack(torch.meshgrid((whole + 0.5) / size, (whole + 0.5) / size, indexing="xy"), -1)
    return {
        "no ends": (
            drawn(gaps_at(corners, (whole + 0.5) / size, clamp=False).amin(0)),
            "the strokes run on past their ends: clamp the position along a piece to [0, 1]",
        ),
        "x and y swapped": (
            right.T,
            "the picture is mirrored at its diagonal: the row of a pixel is its y, the column its x",
        ),
        "y upwards": (right.flip(0), "the picture is upside down: y points down, row 0 has the smallest y"),
        "pixel corners": (
            drawn(gaps_at(corners, whole / size).amin(0)),
            "everything is shifted by half a pixel: the centre of pixel i is (i + 0.5) / size, not i / size",
        ),
        "stretched": (
            drawn(gaps_at(corners, torch.linspace(0, 1, size, dtype=corners.dtype)).amin(0)),
            "the outer pixels are centred on 0 and 1: the centres are (i + 0.5) / size, not linspace(0, 1, size)",
        ),
        "corners only": (
            drawn(torch.cdist(points.reshape(-1, 2), corners).amin(1).reshape(size, size)),
            "you drew dots at the corners: measure the distance to the pieces between them",
        ),
        "last piece only": (
            drawn(gaps[-1]),
            "only the last piece is there: keep the smallest distance over all pieces",
        ),
        "first piece only": (
            drawn(gaps[0]),
            "only the first piece is there: keep the smallest distance over all pieces",
        ),
        "mean": (
            drawn(gaps.mean(0)),
            "you took the mean distance over the pieces: the nearest one counts, take the minimum",
        ),
        "ink added": (
            drawn(gaps).sum(0),
            "ink adds up where pieces meet: take the smallest distance first, then turn it into ink once",
        ),
        "hard edge": (
            (nearest < radius).to(corners.dtype),
            "right shape, but without a soft edge: ink falls from 1 to 0 over one pixel, (radius - d) * size + 0.5",
        ),
        "edge in frames": (
            (radius - nearest + 0.5).clamp(0, 1),
            "the edge is as wide as the whole frame: multiply radius - d by size, so that it is measured in pixels",
        ),
        "half a pixel thin": (
            ((radius - nearest) * size).clamp(0, 1),
            "the stroke is half a pixel too thin on each side: at d = radius the ink is 1/2, so add 0.5",
        ),
        "width for radius": (
            ramp(nearest, size, radius / 2),
            "the stroke is half as wide as asked: radius is half its width",
        ),
        "inverted": (1 - right, "ink and paper are exchanged: 1 is full ink"),
        "squared": (drawn(nearest.square()), "you compared the squared distance: take its square root"),
        "not clamped": ((radius - nearest) * size + 0.5, "ink leaves [0, 1]: clamp it at both ends"),
        "background -1": (2 * right - 1, "right picture in [-1, 1]: here ink runs from 0 (none) to 1 (full)"),
    }
