"""Chapter 1's exercises: solutions pass, each misconception gets its own diagnosis, other styles pass, stubs do not."""

import math
from itertools import pairwise

import pytest
import torch
from bank import Bank, BankTests
from torch.nn import functional as F

from course_lib.data import drawing_images as library

HEADS = {
    "de_casteljau": "def de_casteljau(points, t):",
    "bernstein": "def bernstein(degree, t):",
    "bezier_surface": "def bezier_surface(patch, u, v):",
    "ink": "def ink(corners, size, radius):",
}


# ---------------------------------------------------------------------------------------------------- wrong answers


def swapped_weights(points, t):
    while len(points) > 1:
        points = t * points[:-1] + (1 - t) * points[1:]
    return points[0]


def one_round(points, t):
    return (1 - t) * points[:-1] + t * points[1:]


def one_round_short(points, t):
    for _ in range(len(points) - 2):
        points = (1 - t) * points[:-1] + t * points[1:]
    return points


def keeps_the_axis(points, t):
    while len(points) > 1:
        points = (1 - t) * points[:-1] + t * points[1:]
    return points


def along_the_polygon(points, t):
    place = t * (len(points) - 1)
    k = math.floor(place)
    return points[k] + (place - k) * (points[k + 1] - points[k])


def along_the_chord(points, t):
    return points[0] + t * (points[-1] - points[0])


def always_the_middle(points, t):
    while len(points) > 1:
        points = (points[:-1] + points[1:]) / 2
    return points[0]


def mean_of_points(points, t):
    return points.mean(dim=0)


def in_place(points, t):
    for count in range(len(points) - 1, 0, -1):
        for k in range(count):
            points[k] = (1 - t) * points[k] + t * points[k + 1]
    return points[0]


def four_points_by_name(points, t):
    a, b, c, d = points
    s = 1 - t
    return s**3 * a + 3 * s**2 * t * b + 3 * s * t**2 * c + t**3 * d


def three_rounds(points, t):
    for _ in range(3):
        points = (1 - t) * points[:-1] + t * points[1:]
    return points[0] if len(points) == 1 else points


def curve_in_float32(points, t):
    return library.bezier(points, torch.tensor([t], dtype=torch.float64))[0].float()


def no_binomials(degree, t):
    return torch.stack([t**k * (1 - t) ** (degree - k) for k in range(degree + 1)], 1)


def normalised(degree, t):
    rows = no_binomials(degree, t)
    return rows / rows.sum(1, keepdim=True)


def swapped_powers(degree, t):
    return torch.stack([math.comb(degree, k) * (1 - t) ** k * t ** (degree - k) for k in range(degree + 1)], 1)


def bare_powers(degree, t):
    return t[:, None] ** torch.arange(degree + 1)


def a_column_short(degree, t):
    return torch.stack([math.comb(degree, k) * t**k * (1 - t) ** (degree - k) for k in range(degree)], 1)


def degree_is_points(degree, t):
    n = degree - 1
    return torch.stack([math.comb(n, k) * t**k * (1 - t) ** (n - k) for k in range(n + 1)], 1)


def one_row_per_k(degree, t):
    return torch.stack([math.comb(degree, k) * t**k * (1 - t) ** (degree - k) for k in range(degree + 1)])


def by_logarithms(degree, t):
    k = torch.arange(degree + 1)
    binomials = torch.tensor([math.comb(degree, int(i)) for i in k])
    return binomials * torch.exp(k * t[:, None].log() + (degree - k) * (1 - t[:, None]).log())


def weights_in_float32(degree, t):
    return library.bernstein(degree, t).float()


def basis(points, t):
    n = points - 1
    return torch.stack([math.comb(n, k) * t**k * (1 - t) ** (n - k) for k in range(points)], 1)


def net_transposed(patch, u, v):
    return torch.einsum("un,vm,mnd->uvd", basis(patch.shape[0], u), basis(patch.shape[1], v), patch)


def axes_swapped(patch, u, v):
    return torch.einsum("um,vn,mnd->vud", basis(patch.shape[0], u), basis(patch.shape[1], v), patch)


def paired(patch, u, v):
    return torch.einsum("um,un,mnd->ud", basis(patch.shape[0], u), basis(patch.shape[1], v), patch)


def only_u(patch, u, v):
    return torch.tensordot(basis(patch.shape[0], u), patch, dims=1)


def only_v(patch, u, v):
    return basis(patch.shape[1], v) @ patch


def only_corners(patch, u, v):
    s, t = u[:, None, None], v[None, :, None]
    top = (1 - t) * patch[0, 0] + t * patch[0, -1]
    return (1 - s) * top + s * ((1 - t) * patch[-1, 0] + t * patch[-1, -1])


def flattened(patch, u, v):
    points = [
        (basis(len(patch), a[None]).T[:, :, None] * patch * basis(patch.shape[1], b[None])[0][None, :, None])
        for a in u
        for b in v
    ]
    return torch.stack([p.sum((0, 1)) for p in points])


def always_cubic(patch, u, v):
    return torch.einsum("um,vn,mnd->uvd", basis(4, u), basis(4, v), patch)


def same_length_only(patch, u, v):
    rows = basis(patch.shape[0], u)
    columns = basis(patch.shape[1], v)
    result = torch.zeros(len(u), len(v), 3, dtype=patch.dtype)
    for i in range(len(u)):
        for j in range(len(u)):  # len(u) twice
            result[i, j] = torch.einsum("m,n,mnd->d", rows[i], columns[j], patch)
    return result


def surface_in_float32(patch, u, v):
    return axes_swapped(patch, u, v).transpose(0, 1).float()


def draw(
    corners, size, radius, *, offset=0.5, centres=None, clamp=True, join="min", safe=True, to_ink=None, flip=False
):
    """A correct answer with switches to spoil it."""
    axis = (torch.arange(size, dtype=corners.dtype) + offset) / size if centres is None else centres
    x, y = axis.repeat(size, 1), axis.repeat(size, 1).T
    if flip:
        x, y = y, x
    gaps = []
    for (ax, ay), (bx, by) in pairwise(corners):
        length = (bx - ax) ** 2 + (by - ay) ** 2
        t = ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / (length.clamp(min=1e-12) if safe else length)
        if clamp:
            t = t.clamp(0, 1)
        gaps.append(torch.hypot(x - ax - t * (bx - ax), y - ay - t * (by - ay)))
    gaps = torch.stack(gaps)
    to_ink = to_ink or (lambda d: ((radius - d) * size + 0.5).clamp(0, 1))
    if join == "sum of ink":
        return to_ink(gaps).sum(0)
    return to_ink(
        {"min": lambda: gaps.amin(0), "mean": lambda: gaps.mean(0), "last": lambda: gaps[-1], "first": lambda: gaps[0]}[
            join
        ]()
    )


def spoiled(**switches):
    return lambda corners, size, radius: draw(corners, size, radius, **switches)


def stretched(corners, size, radius):
    return draw(corners, size, radius, centres=torch.linspace(0, 1, size, dtype=corners.dtype))


def dots(corners, size, radius):
    axis = (torch.arange(size, dtype=corners.dtype) + 0.5) / size
    pixels = torch.cartesian_prod(axis, axis).flip(1)
    return ((radius - torch.cdist(pixels, corners).amin(1)) * size + 0.5).clamp(0, 1).reshape(size, size)


def upside_down(corners, size, radius):
    return draw(corners, size, radius).flipud()


def hard(corners, size, radius):
    return draw(corners, size, radius, to_ink=lambda d: (d < radius).double())


def wide_edge(corners, size, radius):
    return draw(corners, size, radius, to_ink=lambda d: (radius - d + 0.5).clamp(0, 1))


def no_half(corners, size, radius):
    return draw(corners, size, radius, to_ink=lambda d: ((radius - d) * size).clamp(0, 1))


def half_width(corners, size, radius):
    return draw(corners, size, radius / 2)


def inverted(corners, size, radius):
    return draw(corners, size, radius, to_ink=lambda d: ((d - radius) * size + 0.5).clamp(0, 1))


def squared(corners, size, radius):
    return draw(corners, size, radius, to_ink=lambda d: ((radius - d * d) * size + 0.5).clamp(0, 1))


def not_clamped(corners, size, radius):
    return draw(corners, size, radius, to_ink=lambda d: (radius - d) * size + 0.5)


def from_minus_one(corners, size, radius):
    return 2 * draw(corners, size, radius) - 1


def moves_the_corners(corners, size, radius):
    corners *= size
    return draw(corners / size, size, radius)


def ink_in_float32(corners, size, radius):
    return draw(corners, size, radius).float()


WRONG = {
    "de_casteljau": {
        "weights swapped": swapped_weights,
        "one round only": one_round,
        "one round short": one_round_short,
        "extra axis": keeps_the_axis,
        "polygon": along_the_polygon,
        "chord": along_the_chord,
        "t ignored": always_the_middle,
        "mean": mean_of_points,
        "changes its input": in_place,
        "cubic only": four_points_by_name,
        "dtype": curve_in_float32,
    },
    "bernstein": {
        "no binomials": no_binomials,
        "normalised": normalised,
        "powers swapped": swapped_powers,
        "powers of t": bare_powers,
        "one column short": a_column_short,
        "degree counts points": degree_is_points,
        "transposed": one_row_per_k,
        "nan": by_logarithms,
        "dtype": weights_in_float32,
    },
    "bezier_surface": {
        "net transposed": net_transposed,
        "axes swapped": axes_swapped,
        "paired": paired,
        "u only": only_u,
        "v only": only_v,
        "corners only": only_corners,
        "flattened": flattened,
        "cubic only": always_cubic,
        "square only": same_length_only,
        "dtype": surface_in_float32,
    },
    "ink": {
        "no ends": spoiled(clamp=False),
        "x and y swapped": spoiled(flip=True),
        "y upwards": upside_down,
        "pixel corners": spoiled(offset=0),
        "stretched": stretched,
        "corners only": dots,
        "last piece only": spoiled(join="last"),
        "first piece only": spoiled(join="first"),
        "mean": spoiled(join="mean"),
        "ink added": spoiled(join="sum of ink"),
        "hard edge": hard,
        "edge in frames": wide_edge,
        "half a pixel thin": no_half,
        "width for radius": half_width,
        "inverted": inverted,
        "squared": squared,
        "not clamped": not_clamped,
        "background -1": from_minus_one,
        "zero length": spoiled(safe=False),
        "changes its input": moves_the_corners,
        "dtype": ink_in_float32,
    },
}


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


def filled_table(degree, t):
    table = torch.empty(len(t), degree + 1, dtype=t.dtype)
    for i, s in enumerate(t.tolist()):
        for k in range(degree + 1):
            table[i, k] = math.comb(degree, k) * s**k * (1 - s) ** (degree - k)
    return table


def by_recurrence(degree, t):
    """b[n, k] = (1 - t) b[n - 1, k] + t b[n - 1, k - 1]."""
    table = torch.ones(len(t), 1, dtype=t.dtype)
    for _ in range(degree):
        table = (1 - t[:, None]) * F.pad(table, (0, 1)) + t[:, None] * F.pad(table, (1, 0))
    return table


def three_products(patch, u, v):
    rows, columns = basis(patch.shape[0], u), basis(patch.shape[1], v)
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


def ink_of_each_piece(corners, size, radius):
    """The darkest ink of all pieces: the same as the ink of the smallest distance."""
    return torch.stack([draw(piece, size, radius) for piece in corners.unfold(0, 2, 1).transpose(1, 2)]).amax(0)


RIGHT = {
    "de_casteljau": [recursive, on_a_copy, by_weights],
    "bernstein": [filled_table, by_recurrence],
    "bezier_surface": [three_products, curve_of_curves],
    "ink": [draw, pixel_by_pixel, ink_of_each_piece],
}


class TestBank(BankTests):
    bank = Bank(
        "01_drawing_images",
        HEADS,
        RIGHT,
        [(name, mistake, answer) for name, answers in WRONG.items() for mistake, answer in answers.items()],
        space={"library": library},
    )

    @pytest.mark.parametrize("result", [None, 3.0, "curve"])
    def test_no_tensor_is_told(self, name: str, result: object) -> None:
        rejection = self.bank.rejection(name, lambda *arguments: result)
        assert rejection.name == "type"
        assert "expected a tensor" in str(rejection)

    def test_three_fixed_rounds_are_cubic_only(self) -> None:
        assert self.bank.rejection("de_casteljau", three_rounds).name == "cubic only"
