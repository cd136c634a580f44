"""Checks of chapter 1: a curve, its weights, a surface, the ink along a polyline, and a slant read from pixels."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from math import comb
from typing import Any

import torch
from torch import Tensor

from course_lib.checks.compare import expect_tensor, near
from course_lib.checks.core import exercise
from course_lib.checks.formula import Case, Formula, normal
from course_lib.checks.guard import Forbidden
from course_lib.checks.verdict import WrongAnswer
from course_lib.data import drawing_images as library
from course_lib.data import strokes
from course_lib.data.imageset import ImageSet

CHAPTER = "01_drawing_images"
LIBRARIES = Forbidden(
    "your code calls a function of course_lib or another library's curves: write it out yourself",
    packages=("course_lib.data", "scipy.interpolate", "scipy.stats", "torch.distributions"),
)


def uniform(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 1: de_casteljau
# ---------------------------------------------------------------------------------------------------------------------

CURVES = [  # points, dimensions, t, size of the coordinates; first other numbers of points, then other dimensions
    (4, 2, 0.3, 1),
    (4, 2, 0.85, 1),
    (6, 2, 0.2, 1),
    (3, 2, 0.6, 1),
    (2, 2, 0.4, 1),
    (4, 3, 0.7, 1),
    (5, 1, 0.55, 1),
    (4, 2, 0.0, 1),
    (4, 2, 1.0, 1),
    (9, 4, 0.35, 1e200),
]


def control_points(generator: torch.Generator) -> Iterator[Case]:
    for count, dimensions, t, size in CURVES:
        yield {"points": size * normal(generator, count, dimensions), "t": t}


def after(rounds: int, points: Tensor, t: float) -> Tensor:
    """The points that are left after so many rounds, [K - rounds, D]."""
    for _ in range(rounds):
        points = (1 - t) * points[:-1] + t * points[1:]
    return points


def point(points: Tensor, t: float) -> Tensor:
    return after(len(points) - 1, points, t)[0]


def three_rounds(points: Tensor, t: float) -> Tensor:
    left = after(3, points, t)
    return left[0] if len(left) == 1 else left


def on_the_polygon(points: Tensor, t: float) -> Tensor:
    place = t * (len(points) - 1)
    piece = min(int(place), len(points) - 2)
    return torch.lerp(points[piece], points[piece + 1], place - piece)


de_casteljau = exercise(CHAPTER, "de_casteljau", LIBRARIES)(
    Formula(
        point,
        control_points,
        what="the point",
        wrong={
            "weights swapped": (
                lambda points, t: point(points, 1 - t),
                "the curve runs backwards: the left neighbour gets the weight 1 - t, the right one t",
            ),
            "one round only": (
                partial(after, 1),
                "you interpolated once; repeat with the new points until a single one is left",
            ),
            "one round short": (
                lambda points, t: after(len(points) - 2, points, t),
                "two points are left: interpolate once more between them",
            ),
            "extra axis": (
                lambda points, t: point(points, t)[None],
                "the right point, but as a row of [1, D]: return points[0], shape [D]",
            ),
            "polygon": (
                on_the_polygon,
                "this point lies on the straight lines between control points; the curve needs more rounds",
            ),
            "chord": (
                lambda points, t: torch.lerp(points[0], points[-1], t),
                "this point lies on the line from the first to the last control point; those between pull, too",
            ),
            "t ignored": (lambda points, t: point(points, 0.5), "you always take the middle: use t = {t}, not 1/2"),
            "mean": (
                lambda points, t: points.mean(0),
                "this is the mean of the control points; their weights depend on t",
            ),
            "cubic only": (
                three_rounds,
                "three rounds are right for 4 control points; here are {points.shape[0]}: repeat until one is left",
            ),
            "first four only": (
                lambda points, t: point(points[:4], t),
                "you use four of {points.shape[0]} control points: all of them shape the curve",
            ),
            "plane only": (
                lambda points, t: point(points[:, :2], t),
                "you keep two coordinates, but a point has {points.shape[1]} here: interpolate whole rows",
            ),
        },
        stops={
            "cubic only": (
                lambda case: len(case["points"]) != 4,
                "it works for 4 control points but stops with {points.shape[0]}: repeat until one point is left",
            ),
            "plane only": (
                lambda case: case["points"].shape[1] != 2,
                "it works in the plane but stops where a point has {points.shape[1]} coordinates: interpolate whole "
                "rows, without taking them apart",
            ),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 2: bernstein
# ---------------------------------------------------------------------------------------------------------------------

TABLES = [  # degree, positions between the ends, whether 0 and 1 occur; 20! is the last factorial in 64 bits
    (3, 7, False),
    (5, 6, False),
    (2, 2, True),
    (1, 3, True),
    (4, 1, False),
    (20, 4, True),
    (40, 5, False),
]


def positions(generator: torch.Generator) -> Iterator[Case]:
    for degree, count, ends in TABLES:
        t = uniform(generator, count)
        yield {"degree": degree, "t": torch.cat([t.new_zeros(1), t, t.new_ones(1)]) if ends else t}


def weights(degree: int, t: Tensor, binomial: Callable[[int, int], int] = comb) -> Tensor:
    return torch.stack([binomial(degree, k) * t**k * (1 - t) ** (degree - k) for k in range(degree + 1)], dim=1)


def without_binomials(degree: int, t: Tensor) -> Tensor:
    return weights(degree, t, lambda n, k: 1)


def by_logarithms(degree: int, t: Tensor) -> Tensor:
    k, t = torch.arange(degree + 1), t[:, None]
    return weights(degree, torch.ones(1) / 2) * 2**degree * (k * t.log() + (degree - k) * (1 - t).log()).exp()


def by_factorials(n: int, k: int) -> int:
    """In 64 bits, where they wrap around."""
    factorial = torch.arange(n + 1).clamp(min=1).cumprod(0)
    return int(factorial[n] // (factorial[k] * factorial[n - k]))


bernstein = exercise(CHAPTER, "bernstein", LIBRARIES)(
    Formula(
        weights,
        positions,
        what="the table",
        wrong={
            "no binomials": (
                without_binomials,
                "the rows do not sum to 1: every term needs the binomial coefficient C(n, k), math.comb(degree, k)",
            ),
            "normalised": (
                lambda degree, t: torch.nn.functional.normalize(without_binomials(degree, t), p=1),
                "dividing by the sum hides the missing binomial coefficient: multiply by math.comb(degree, k) instead",
            ),
            "powers swapped": (
                lambda degree, t: weights(degree, t).flip(1),
                "the columns are in reverse order: column k has t^k and (1 - t)^(degree - k)",
            ),
            "powers of t": (
                lambda degree, t: t[:, None] ** torch.arange(degree + 1),
                "these are the powers 1, t, t^2, ...: the factors (1 - t)^(degree - k) and C(n, k) are missing",
            ),
            "one column short": (
                lambda degree, t: weights(degree, t)[:, :-1],
                "degree n has n + 1 polynomials, k = 0 ... n: the last column is missing",
            ),
            "degree counts points": (
                lambda degree, t: weights(degree - 1, t),
                "this is one degree too low: degree {degree} belongs to one control point more",
            ),
            "transposed": (
                lambda degree, t: weights(degree, t).T,
                "right numbers, but one row per k: return one row per position, [T, degree + 1]",
            ),
            "nan": (
                by_logarithms,
                "at t = 0 and t = 1 your weights are NaN: the logarithm of 0 is infinite; take powers, 0 ** 0 is 1",
            ),
            "factorials overflow": (
                lambda degree, t: weights(degree, t, by_factorials),
                "right for small degrees; the factorial of {degree} does not fit into 64 bits: use math.comb",
            ),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 3: bezier_surface
# ---------------------------------------------------------------------------------------------------------------------

NETS = [  # M, N, U, V, size of the coordinates; first other numbers of positions, then other nets
    (4, 4, 5, 5, 1),
    (4, 4, 5, 3, 1),
    (3, 3, 4, 6, 1),
    (3, 5, 4, 6, 1),
    (2, 4, 1, 7, 1),
    (5, 2, 3, 1, 1e200),
]


def nets(generator: torch.Generator) -> Iterator[Case]:
    for rows, columns, steps_u, steps_v, size in NETS:
        patch = size * normal(generator, rows, columns, 3)
        yield {"patch": patch, "u": uniform(generator, steps_u), "v": uniform(generator, steps_v)}


def surface(patch: Tensor, u: Tensor, v: Tensor, equation: str = "um,vn,mnd->uvd") -> Tensor:
    along_u, along_v = library.bernstein(patch.shape[0] - 1, u), library.bernstein(patch.shape[1] - 1, v)
    return torch.einsum(equation, along_u, along_v, patch)


def paired(patch: Tensor, u: Tensor, v: Tensor) -> Tensor:
    along_u, along_v = library.bernstein(patch.shape[0] - 1, u), library.bernstein(patch.shape[1] - 1, v)
    return torch.einsum("um,un,mnd->ud", along_u, along_v, patch)


bezier_surface = exercise(
    CHAPTER,
    "bezier_surface",
    Forbidden("your code calls library.bezier_surface: write out the double sum", functions=(library.bezier_surface,)),
)(
    Formula(
        surface,
        nets,
        what="the surface",
        wrong={
            "net transposed": (
                lambda patch, u, v: surface(patch.transpose(0, 1), u, v),
                "u and v are exchanged: u weighs the rows of the net (its first axis), v the columns",
            ),
            "positions swapped": (
                lambda patch, u, v: surface(patch, v, u),
                "the positions are exchanged: the first axis of the net gets the weights at u, the second those at v",
            ),
            "axes swapped": (
                partial(surface, equation="um,vn,mnd->vud"),
                "right points, but the first axis runs along v: return [U, V, 3]",
            ),
            "coordinates first": (
                partial(surface, equation="um,vn,mnd->duv"),
                "right points, but the coordinates are the first axis: return [U, V, 3]",
            ),
            "flattened": (
                lambda patch, u, v: surface(patch, u, v).flatten(0, 1),
                "right points in one long list: keep them as a grid, [U, V, 3]",
            ),
            "paired": (paired, "you paired u[i] with v[i] and got a curve: take every u with every v"),
            "u only": (
                lambda patch, u, v: torch.tensordot(library.bernstein(len(patch) - 1, u), patch, 1),
                "these are the N control points that move with u: a second sum, over n with the weights of v, is "
                "missing",
            ),
            "v only": (
                lambda patch, u, v: library.bernstein(patch.shape[1] - 1, v) @ patch,
                "these are the M control points that move with v: a second sum, over m with the weights of u, is "
                "missing",
            ),
            "corners only": (
                lambda patch, u, v: surface(patch[[0, -1]][:, [0, -1]], u, v),
                "this is the flat sheet between the four corners: the control points inside the net have weights, too",
            ),
        },
        stops={
            "cubic only": (
                lambda case: case["patch"].shape[0] == case["patch"].shape[1] != 4,
                "it stops for a net of {patch.shape[0]} x {patch.shape[1]}: the degrees are M - 1 and N - 1, not "
                "always 3",
            ),
            "square net only": (
                lambda case: case["patch"].shape[0] != case["patch"].shape[1],
                "it stops for a net of {patch.shape[0]} x {patch.shape[1]}: the degree along u is M - 1, the one "
                "along v is N - 1",
            ),
            "square only": (
                lambda case: len(case["u"]) != len(case["v"]),
                "it stops when u and v have different lengths: do not pair u[i] with v[i], take all pairs",
            ),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 4: ink
# ---------------------------------------------------------------------------------------------------------------------


def polylines(generator: torch.Generator) -> Iterator[Case]:
    for count, size, radius in [(3, 9, 0.14), (4, 12, 0.11), (2, 7, 0.2), (5, 1, 0.0)]:
        yield {"corners": uniform(generator, count, 2), "size": size, "radius": radius}
    thin = torch.tensor([[2.5, 4.5], [7.2, 0.4]], dtype=torch.float64) / 8  # from the centre of a pixel
    thin[1] += uniform(generator, 2) / 500
    yield {"corners": thin, "size": 8, "radius": 0.03}
    upright = uniform(generator, 3, 2)
    upright[1, 0] = upright[0, 0]
    yield {"corners": upright, "size": 6, "radius": 0.16}
    yield {"corners": uniform(generator, 2, 2)[[0, 0, 1]], "size": 8, "radius": 0.15}  # the first piece has no length
    yield {"corners": uniform(generator, 1, 2)[[0, 0]], "size": 7, "radius": 0.23}


def soft_edge(gap: Tensor, size: int, radius: float) -> Tensor:
    return ((radius - gap) * size + 0.5).clamp(0, 1)


def distances(corners: Tensor, axis: Tensor, ends: bool = True, shortest: float = 1e-12) -> Tensor:
    """From the points (axis[c], axis[r]) to every piece, or to its endless line: [K - 1, size, size]."""
    pixels = torch.stack(torch.meshgrid(axis, axis, indexing="xy"), -1)[None]
    start, along = corners[:-1, None, None], corners.diff(dim=0)[:, None, None]
    t = ((pixels - start) * along).sum(-1) / along.square().sum(-1).clamp(min=shortest)
    return (pixels - start - (t.clamp(0, 1) if ends else t)[..., None] * along).norm(dim=-1)


def centres(size: int) -> Tensor:
    return (torch.arange(size, dtype=torch.float64) + 0.5) / size


def drawn(
    corners: Tensor,
    size: int,
    radius: float,
    *,
    axis: Callable[[int], Tensor] = centres,
    join: Callable[[Tensor], Tensor] = lambda gaps: gaps.amin(0),
    edge: Callable[[Tensor, int, float], Tensor] = soft_edge,
    **pieces: Any,
) -> Tensor:
    """The ink; the options are what the mistakes change."""
    return edge(join(distances(corners, axis(size), **pieces)), size, radius)


def but(**change: Any) -> Callable:
    return partial(drawn, **change)


def dots(corners: Tensor, size: int, radius: float) -> Tensor:
    return drawn(corners.repeat_interleave(2, dim=0), size, radius, join=lambda gaps: gaps[::2].amin(0))


def skipping(corners: Tensor, size: int, radius: float) -> Tensor:
    moves = corners.diff(dim=0).norm(dim=1) > 0
    if not moves.any():
        return corners.new_zeros(size, size)
    return drawn(corners, size, radius, join=lambda gaps: gaps[moves].amin(0))


def each_piece(corners: Tensor, size: int, radius: float) -> Tensor:
    return drawn(corners, size, radius, join=lambda gaps: gaps)


ink = exercise(CHAPTER, "ink", LIBRARIES)(
    Formula(
        drawn,
        polylines,
        what="the ink",
        wrong={
            "no ends": (
                but(ends=False),
                "the strokes run on past their ends: clamp the position along a piece to [0, 1]",
            ),
            "zero length": (
                but(shortest=0),
                "a piece of length 0 gives 0 / 0: keep the squared length above a tiny number, clamp(min=1e-12)",
            ),
            "zero length skipped": (
                skipping,
                "where two corners coincide you draw nothing: a piece of length 0 leaves a dot",
            ),
            "distance never 0": (
                but(join=lambda gaps: (gaps.amin(0).square() + 1e-12).sqrt()),
                "a tiny number under the root keeps your distance away from 0: leave it out, the root of 0 is 0",
            ),
            "x and y swapped": (
                lambda corners, size, radius: drawn(corners, size, radius).T,
                "the picture is mirrored at its diagonal: the row of a pixel is its y, the column its x",
            ),
            "y upwards": (
                lambda corners, size, radius: drawn(corners, size, radius).flip(0),
                "the picture is upside down: y points down, row 0 has the smallest y",
            ),
            "pixel corners": (
                but(axis=lambda size: torch.arange(size, dtype=torch.float64) / size),
                "everything is shifted by half a pixel: the centre of pixel i is (i + 0.5) / size, not i / size",
            ),
            "stretched": (
                but(axis=lambda size: torch.linspace(0, 1, size, dtype=torch.float64)),
                "the outer pixels are centred on 0 and 1: the centres are (i + 0.5) / size, not linspace(0, 1, size)",
            ),
            "corners only": (dots, "you drew dots at the corners: measure the distance to the pieces between them"),
            "last piece only": (
                but(join=lambda gaps: gaps[-1]),
                "only the last piece is there: keep the smallest distance over all pieces",
            ),
            "first piece only": (
                but(join=lambda gaps: gaps[0]),
                "only the first piece is there: keep the smallest distance over all pieces",
            ),
            "every second piece": (
                but(join=lambda gaps: gaps[::2].amin(0)),
                "every second piece is missing: a piece begins at every corner but the last",
            ),
            "closed": (
                lambda corners, size, radius: drawn(torch.cat([corners, corners[:1]]), size, radius),
                "the last corner is joined to the first one: a polyline ends at its last corner",
            ),
            "mean": (
                but(join=lambda gaps: gaps.mean(0)),
                "you took the mean distance over the pieces: the nearest one counts, take the minimum",
            ),
            "ink added": (
                lambda corners, size, radius: each_piece(corners, size, radius).sum(0),
                "ink adds up where pieces meet: take the smallest distance first, then turn it into ink once",
            ),
            "ink added and clamped": (
                lambda corners, size, radius: each_piece(corners, size, radius).sum(0).clamp(max=1),
                "at the soft edges ink adds up where pieces meet: take the smallest distance, then turn it into ink",
            ),
            "ink blended": (
                lambda corners, size, radius: 1 - (1 - each_piece(corners, size, radius)).prod(0),
                "where pieces meet, paper is multiplied: take the smallest distance, then turn it into ink once",
            ),
            "hard edge": (
                but(edge=lambda gap, size, radius: (gap < radius).double()),
                "right shape, but without a soft edge: ink falls from 1 to 0 over one pixel, (radius - d) * size + 0.5",
            ),
            "edge in frames": (
                but(edge=lambda gap, size, radius: (radius - gap + 0.5).clamp(0, 1)),
                "the edge is as wide as the whole frame: multiply radius - d by size, so that it is measured in pixels",
            ),
            "half a pixel thin": (
                but(edge=lambda gap, size, radius: ((radius - gap) * size).clamp(0, 1)),
                "the stroke is half a pixel too thin on each side: at d = radius the ink is 1/2, so add 0.5",
            ),
            "width for radius": (
                lambda corners, size, radius: drawn(corners, size, radius / 2),
                "the stroke is half as wide as asked: radius is half its width",
            ),
            "radius for width": (
                lambda corners, size, radius: drawn(corners, size, 2 * radius),
                "the stroke is twice as wide as asked: radius is half its width",
            ),
            "inverted": (
                lambda corners, size, radius: 1 - drawn(corners, size, radius),
                "ink and paper are exchanged: 1 is full ink",
            ),
            "squared": (
                but(join=lambda gaps: gaps.amin(0).square()),
                "you compared the squared distance: take its square root",
            ),
            "not clamped": (
                but(edge=lambda gap, size, radius: (radius - gap) * size + 0.5),
                "ink leaves [0, 1]: clamp it at both ends",
            ),
            "background -1": (
                lambda corners, size, radius: 2 * drawn(corners, size, radius) - 1,
                "right picture in [-1, 1]: here ink runs from 0 (none) to 1 (full)",
            ),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 5: slant_of. Any method will do; what counts is how near it comes to what the program knows
# ---------------------------------------------------------------------------------------------------------------------

SHEETS = ((101, 28), (102, 28), (101, 28), (103, 56))  # seeds and sizes of sheets of ones
STRAIGHT = {"allograph": 0, "rotation": 0.0, "taper": 0.0, "balance": 0.0}
TARGET = 0.1  # mean distance from the truth


def ones(seed: int, size: int, count: int = 200) -> ImageSet:
    """Plain ones that differ in slant, width, thickness and unsteadiness."""
    return strokes.draw([1] * count, size=size, seed=seed, **STRAIGHT)


def moments(images: Tensor, *, centred: bool = True, paper: float = 1, along: str = "y") -> Tensor:
    """Minus the slope of the best line x = slope y through the ink; the options are what the mistakes change."""
    weight = (images[:, 0] + paper) / 2
    place = torch.arange(images.shape[-1], dtype=images.dtype)
    mass = weight.sum((1, 2))[:, None]
    x = place - centred * (weight.sum(1) * place).sum(1, keepdim=True) / mass  # [N, W]
    y = place - centred * (weight.sum(2) * place).sum(1, keepdim=True) / mass  # [N, H]
    together = (weight * y[:, :, None] * x[:, None, :]).sum((1, 2))
    spread = (weight.sum(2) * y.square()).sum(1) if along == "y" else (weight.sum(1) * x.square()).sum(1)
    return -together / spread


MISREAD = {
    "not centred": (
        partial(moments, centred=False),
        "x and y are measured from the corner of the image: measure them from the centre of the ink",
    ),
    "paper has weight": (
        partial(moments, paper=0),
        "black paper is -1 and pulls, too: turn the image into ink from 0 to 1, (images + 1) / 2",
    ),
    "x and y exchanged": (
        partial(moments, along="x"),
        "you divide by the spread of x: slant says how far x moves when y moves by 1, so divide by the spread of y",
    ),
}


def off(got: Tensor, truth: Tensor) -> float:
    """Mean distance from the truth."""
    return (got - truth).abs().mean().item()


def call_it_misread(got: Tensor, sheet: ImageSet) -> None:
    """Name what made these numbers miss the target."""
    truth = sheet.factors["slant"].double()
    for name, (program, words) in MISREAD.items():
        if near(got, program(sheet.images.double()), 1e-3):
            raise WrongAnswer(name, words)
    if off(-got, truth) < TARGET:
        raise WrongAnswer("leans the other way", "the sign is wrong: positive leans right, and y points down in images")
    if off(got.deg2rad().tan(), truth) < TARGET:
        raise WrongAnswer("degrees", "these are angles in degrees: the slant is their tangent")
    if len(got) > 1 and got.std() < 1e-3:
        words = f"you answer {got.mean():.2f} for every image; that is off by {off(got, truth):.3f} in the mean"
        raise WrongAnswer("one answer for all", f"{words}, and the target is {TARGET}: look at the pixels")
    times = (torch.cov(torch.stack([got, truth]))[0, 1] / truth.var()).item()
    if torch.corrcoef(torch.stack([got, truth]))[0, 1].abs() > 0.9 and not 0.8 < times < 1.25:
        words = f"your numbers follow the slant, but they are {times:.3g} times as large"
        raise WrongAnswer("scale", f"{words}: x and y must be measured in the same unit, and the ratio has none")
    raise WrongAnswer("target missed", f"off by {off(got, truth):.3f} in the mean, the target is {TARGET}")


@exercise(CHAPTER)
def slant_of(answer: Callable) -> None:
    first = None
    for turn, (seed, size) in enumerate(SHEETS):
        sheet = ones(seed, size)
        truth = sheet.factors["slant"].double()
        got = answer(sheet.images)
        expect_tensor(got, truth, "your result")
        got = got.detach().double()
        if off(got, truth) < TARGET:
            first = got if first is None else first
            continue
        if turn and size == SHEETS[0][1]:
            words = "right at first, but wrong when called again with other images"
            raise WrongAnswer("remembers", f"{words}: does it keep something from the call before?")
        if turn:
            words = f"right at 28 pixels; at {size} it is off by {off(got, truth):.3f} in the mean"
            raise WrongAnswer("one size only", f"{words}: take the size from images.shape")
        call_it_misread(got, sheet)
    seed, size = SHEETS[0]
    alone = answer(ones(seed, size).images[:1])
    if not (isinstance(alone, Tensor) and near(alone, first[:1], 1e-3)):
        raise WrongAnswer("neighbours", "an image alone gets another slant than among others: treat each by itself")
