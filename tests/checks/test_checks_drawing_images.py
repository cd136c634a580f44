"""Chapter 1's exercises: solutions and other styles pass, misconceptions in a second style get their own diagnosis."""

import math
from itertools import pairwise

import numpy as np
import pytest
import scipy.stats
import torch
from bank import Bank, BankTests, changed
from torch.nn import functional as F

from course_lib.data import drawing_images as library
from course_lib.data import strokes

HEADS = {
    "de_casteljau": "def de_casteljau(points, t):",
    "bernstein": "def bernstein(degree, t):",
    "bezier_surface": "def bezier_surface(patch, u, v):",
    "ink": "def ink(corners, size, radius):",
    "slant_of": "def slant_of(images):",
}

ROUNDS = """
points = points.clone()
for count in range(len(points) - 1, 0, -1):
    for k in range(count):
        points[k] = (1 - t) * points[k] + t * points[k + 1]
return points[0]
"""
TABLE = """
table = torch.empty(len(t), degree + 1, dtype=t.dtype)
for i, s in enumerate(t.tolist()):
    for k in range(degree + 1):
        table[i, k] = math.comb(degree, k) * s**k * (1 - s) ** (degree - k)
return table
"""
LOGARITHMS = """
k = torch.arange(degree + 1)
binomials = torch.tensor([math.comb(degree, int(i)) for i in k])
return binomials * torch.exp(k * t[:, None].log() + (degree - k) * (1 - t[:, None]).log())
"""
GRID = """
rows, columns = library.bernstein(patch.shape[0] - 1, u), library.bernstein(patch.shape[1] - 1, v)
points = torch.zeros(len(u), len(v), 3, dtype=patch.dtype)
for i in range(len(u)):
    for j in range(len(v)):
        points[i, j] = (rows[i][:, None, None] * columns[j][None, :, None] * patch).sum(dim=(0, 1))
return points
"""
INK = """
axis = (torch.arange(size, dtype=corners.dtype) + 0.5) / size
x, y = axis.repeat(size, 1), axis.repeat(size, 1).T
gaps = []
for (ax, ay), (bx, by) in pairwise(corners):
    length = (bx - ax) ** 2 + (by - ay) ** 2
    t = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length.clamp(min=1e-12)
    t = t.clamp(0, 1)
    gaps.append(torch.hypot(x - ax - t * (bx - ax), y - ay - t * (by - ay)))
d = torch.stack(gaps).amin(0)
ink = (radius - d) * size + 0.5
return ink.clamp(0, 1)
"""
SLANT = """
ink = (images[:, 0] + 1) / 2
ink = ink / ink.sum((1, 2), keepdim=True)
place = torch.arange(images.shape[-1]) + 0.5
x = place - (ink.sum(1) * place).sum(1, keepdim=True)
y = place - (ink.sum(2) * place).sum(1, keepdim=True)
return -torch.einsum("nhw,nh,nw->n", ink, y, x) / (ink.sum(2) * y**2).sum(1)
"""


# -------------------------------------------------------------------------------------------- right in another style


def recursive(points, t):
    if len(points) == 1:
        return points[0]
    return (1 - t) * recursive(points[:-1], t) + t * recursive(points[1:], t)


def on_a_copy(points, t):
    points = points.clone()
    for count in range(len(points) - 1, 0, -1):
        points[:count] = torch.lerp(points[:count], points[1 : count + 1].clone(), t)
    return points[0].clone()


def by_weights(points, t):
    n = len(points) - 1
    return sum(math.comb(n, k) * t**k * (1 - t) ** (n - k) * p for k, p in enumerate(points))


def by_recurrence(degree, t):
    """b[n, k] = (1 - t) b[n - 1, k] + t b[n - 1, k - 1]."""
    table = torch.ones(len(t), 1, dtype=t.dtype)
    for _ in range(degree):
        table = (1 - t[:, None]) * F.pad(table, (0, 1)) + t[:, None] * F.pad(table, (1, 0))
    return table


def three_products(patch, u, v):
    rows, columns = library.bernstein(patch.shape[0] - 1, u), library.bernstein(patch.shape[1] - 1, v)
    return torch.stack([rows @ patch[..., d] @ columns.T for d in range(3)], dim=-1)


def curve_of_curves(patch, u, v):
    moving = torch.stack([library.de_casteljau(row, v) for row in patch])  # [M, V, 3]
    return torch.stack([library.de_casteljau(moving[:, j], u) for j in range(len(v))], dim=1)


def pixel_by_pixel(corners, size, radius):
    picture = torch.zeros(size, size, dtype=corners.dtype)
    for row in range(size):
        for column in range(size):
            x, y = (column + 0.5) / size, (row + 0.5) / size
            nearest = math.inf
            for (ax, ay), (bx, by) in pairwise(corners.tolist()):
                length = (bx - ax) ** 2 + (by - ay) ** 2
                t = 0.0 if length == 0 else ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / length
                t = min(1.0, max(0.0, t))
                nearest = min(nearest, math.dist((x, y), (ax + t * (bx - ax), ay + t * (by - ay))))
            picture[row, column] = min(1.0, max(0.0, (radius - nearest) * size + 0.5))
    return picture


def line_through_rows(images):
    """The middle of the ink in each row, and the best line through these, by numpy."""
    slants = []
    for image in images[:, 0].numpy():
        ink = (image + 1) / 2
        rows = np.flatnonzero(ink.sum(1) > 0.5)
        middles = [np.average(np.arange(ink.shape[1]), weights=ink[row]) for row in rows]
        slants.append(-np.polyfit(rows, middles, 1, w=np.sqrt(ink[rows].sum(1)))[0])
    return torch.tensor(np.array(slants))


def head_to_foot(images):
    """From the middle of the upper third to that of the lower third."""
    ink, ends = (images[:, 0] + 1) / 2, []
    size = images.shape[-1]
    place = torch.arange(size)
    for part in (slice(0, size // 2), slice(size // 2, size)):
        mass = ink[:, part].sum((1, 2))
        ends.append([(ink[:, part].sum(1) * place).sum(1) / mass, (ink[:, part].sum(2) * place[part]).sum(1) / mass])
    return (ends[0][0] - ends[1][0]) / (ends[1][1] - ends[0][1])


def by_drawing(images):
    """Draw ones of many slants, and take the one that looks most like each image."""
    tries = torch.linspace(-0.8, 1, 46)
    factors = {"allograph": 0, "rotation": 0.0, "taper": 0.0, "balance": 0.0, "thickness": 2.8}
    drawn = [strokes.draw([1] * 8, size=images.shape[-1], slant=s, **factors).images.mean(0) for s in tries.tolist()]
    likeness = (images + 1).flatten(1) @ (torch.stack(drawn) + 1).flatten(1).T
    weight = (torch.stack(drawn) + 1).flatten(1).norm(dim=1)
    return tries[(likeness / weight).argmax(1)]


RIGHT = {
    "de_casteljau": [ROUNDS, recursive, on_a_copy, by_weights],
    "bernstein": [TABLE, by_recurrence],
    "bezier_surface": [GRID, three_products, curve_of_curves],
    "ink": [
        INK,
        changed(INK, "length.clamp(min=1e-12)", "(length + 1e-12)"),
        changed(INK, "torch.stack(gaps).amin(0)", "torch.stack(gaps)", "ink.clamp(0, 1)", "ink.clamp(0, 1).amax(0)"),
        pixel_by_pixel,
    ],
    "slant_of": [SLANT, line_through_rows, head_to_foot, by_drawing],
}


# ---------------------------------------------------------------------------------- wrong answers in a second style


def four_points_by_name(points, t):
    a, b, c, d = points
    s = 1 - t
    return s**3 * a + 3 * s**2 * t * b + 3 * s * t**2 * c + t**3 * d


def x_and_y_by_name(points, t):
    x, y = points.T
    while len(x) > 1:
        x, y = (1 - t) * x[:-1] + t * x[1:], (1 - t) * y[:-1] + t * y[1:]
    return torch.stack([x[0], y[0]])


def first_table(degree, t, tables={}):  # noqa: B006 (that is the mistake)
    return tables.setdefault(degree, by_recurrence(degree, t))


def by_scipy(degree, t):
    return torch.tensor(scipy.stats.binom.pmf(range(degree + 1), degree, t[:, None].numpy()))


def bilinear(patch, u, v):
    s, t = u[:, None, None], v[None, :, None]
    top = (1 - t) * patch[0, 0] + t * patch[0, -1]
    return (1 - s) * top + s * ((1 - t) * patch[-1, 0] + t * patch[-1, -1])


def always_cubic(patch, u, v):
    return torch.einsum("um,vn,mnd->uvd", library.bernstein(3, u), library.bernstein(3, v), patch)


def first_slants(images, slants={}):  # noqa: B006 (that is the mistake)
    return slants.setdefault(images.shape, head_to_foot(images))


WRONG = [
    ("de_casteljau", "cubic only", four_points_by_name),
    ("de_casteljau", "plane only", x_and_y_by_name),
    ("de_casteljau", "changes its input", changed(ROUNDS, "points.clone()", "points")),
    ("de_casteljau", "dtype", changed(ROUNDS, "points[0]", "points[0].float()")),
    ("de_casteljau", "float32", changed(ROUNDS, "clone()", "float()", "points[0]", "points[0].double()")),
    ("de_casteljau", "borrowed", "return library.de_casteljau(points, torch.tensor([t]).double())[0]"),
    ("bernstein", "nan", LOGARITHMS),
    ("bernstein", "dtype", changed(TABLE, "dtype=t.dtype", "dtype=torch.float32")),
    ("bernstein", "remembers", first_table),
    ("bernstein", "borrowed", "return library.bernstein(degree, t)"),
    ("bernstein", "borrowed", by_scipy),
    ("bezier_surface", "cubic only", always_cubic),
    ("bezier_surface", "square net only", changed(GRID, "patch.shape[1]", "len(patch)")),
    ("bezier_surface", "square only", changed(GRID, "range(len(v))", "range(len(u))")),
    ("bezier_surface", "dtype", changed(GRID, "dtype=patch.dtype", "dtype=torch.float32")),
    ("bezier_surface", "borrowed", "return library.bezier_surface(patch, u, v)[0]"),
    ("ink", "changes its input", "corners *= size\ncorners = corners / size\n" + INK),
    ("ink", "dtype", changed(INK, "return ink", "return ink.float()")),
    ("ink", "borrowed", "return library.render(corners[None], torch.ones(1, len(corners) - 1), radius, size)[0]"),
    ("slant_of", "leans the other way", changed(SLANT, "return -", "return ")),
    ("slant_of", "degrees", changed(SLANT, "return ", "slope = ") + "return slope.atan().rad2deg()"),
    (
        "slant_of",
        "not centred",
        changed(SLANT, "x = place - (", "x = place - 0.5 - 0 * (", "y = place - (", "y = place - 0.5 - 0 * ("),
    ),
    ("slant_of", "paper has weight", changed(SLANT, "(images[:, 0] + 1) / 2", "images[:, 0]")),
    ("slant_of", "x and y exchanged", changed(SLANT, "(ink.sum(2) * y**2)", "(ink.sum(1) * x**2)")),
    ("slant_of", "one answer for all", "return torch.full((len(images),), 0.15)"),
    ("slant_of", "scale", changed(SLANT, "return ", "slope = ") + "return slope * 28"),
    ("slant_of", "target missed", "return torch.linspace(-0.3, 0.6, len(images))"),
    (
        "slant_of",
        "one size only",
        changed(SLANT, "return ", "slope = ") + "return slope + (images.shape[-1] - 28) / 100",
    ),
    ("slant_of", "neighbours", changed(SLANT, "return ", "slope = ") + "return slope + 0.1 / len(images)"),
    ("slant_of", "remembers", first_slants),
    ("slant_of", "changes its input", "images += 1\nimages -= 1\nimages *= 1.01\n" + SLANT),
    ("slant_of", "shape", changed(SLANT, "return ", "slope = ") + "return slope[:, None]"),
    ("slant_of", "nan", changed(SLANT, "return ", "slope = ") + "return slope / 0 - slope / 0"),
]


class TestBank(BankTests):
    bank = Bank("01_drawing_images", HEADS, RIGHT, WRONG, space={"library": library, "pairwise": pairwise})

    @pytest.mark.parametrize("result", [None, 3.0, "curve"])
    def test_no_tensor_is_told(self, name: str, result: object) -> None:
        rejection = self.bank.rejection(name, lambda *arguments: result)
        assert rejection.name == "type"
        assert "expected a tensor" in str(rejection)
