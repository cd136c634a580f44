"""Filled shapes against matplotlib's paths, closed forms, autograd and the alpha formula; the canvas and its masks."""

import math

import numpy as np
import pytest
import torch
from matplotlib.path import Path
from scipy.interpolate import CubicHermiteSpline

from course_lib.data import drawn_world as dw
from course_lib.data import new_worlds as nw
from course_lib.errors import CourseError

SQUARE = torch.tensor([(0.2, 0.2), (0.8, 0.2), (0.8, 0.8), (0.2, 0.8)], dtype=torch.float64)  # clockwise on the screen


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def regular(corners: int, radius: float, centre=(0.5, 0.5), turns: int = 1) -> torch.Tensor:
    angle = torch.arange(corners, dtype=torch.float64) * (2 * math.pi * turns / corners)
    return torch.stack([angle.cos(), angle.sin()], -1) * radius + torch.tensor(centre, dtype=torch.float64)


def area(polygon: torch.Tensor) -> float:
    """The shoelace formula."""
    x, y = polygon.unbind(-1)
    return ((x * y.roll(-1) - x.roll(-1) * y).sum() / 2).item()


# ----------------------------------------------------------------------------------------------- inside and outside


def test_winding_number_by_hand():
    points = torch.tensor([(0.5, 0.5), (0.1, 0.5), (0.9, 0.5), (0.5, 0.9), (0.21, 0.79)], dtype=torch.float64)
    assert nw.winding_number(SQUARE, points).tolist() == [1, 0, 0, 0, 1]
    assert nw.winding_number(SQUARE.flip(0), points).tolist() == [-1, 0, 0, 0, -1]
    twice = torch.cat([SQUARE, SQUARE])
    assert nw.winding_number(twice, points).tolist() == [2, 0, 0, 0, 2]
    star = regular(5, 0.4, turns=2)
    assert nw.winding_number(star, torch.tensor([(0.5, 0.5), (0.85, 0.5), (0.5, 0.99)]).double()).tolist() == [2, 1, 0]


@pytest.mark.parametrize("seed", range(6))
def test_winding_number_agrees_with_the_sum_of_angles(seed):
    polygon, points = random(9, 2, seed=seed), random(300, 2, seed=seed + 50)
    arms = (polygon - points[:, None]).numpy()
    angle = np.arctan2(arms[..., 1], arms[..., 0])
    step = (np.roll(angle, -1, 1) - angle + np.pi) % (2 * np.pi) - np.pi
    expected = np.rint(step.sum(1) / (2 * np.pi)).astype(int)
    assert nw.winding_number(polygon, points).tolist() == expected.tolist()
    assert len(set(expected.tolist())) > 1


def test_odd_winding_agrees_with_matplotlib_on_a_curved_outline():
    polygon = nw.outline(nw.smooth_outline(random(7, 2, seed=0)), 40)
    points = nw.pixel_grid(33, 47, dtype=torch.float64).reshape(-1, 2)
    expected = Path(torch.cat([polygon, polygon[:1]]).numpy()).contains_points(points.numpy())
    assert (nw.winding_number(polygon, points) % 2 != 0).tolist() == expected.tolist()
    assert 50 < expected.sum() < 1000


def test_polygons_come_in_batches():
    polygons, points = random(3, 5, 2), random(3, 20, 2, seed=1)
    together = nw.winding_number(polygons, points)
    assert together.shape == (3, 20)
    for one, polygon, some in zip(together, polygons, points):
        assert torch.equal(one, nw.winding_number(polygon, some))


def test_signed_distance_of_a_square_and_a_circle():
    points = random(500, 2) * 1.4 - 0.2
    away = (points - 0.5).abs() - 0.3
    outside, inside = away.clamp(min=0).norm(dim=-1), away.amax(-1).clamp(max=0)
    torch.testing.assert_close(nw.signed_distance(SQUARE, points), outside + inside)
    circle = nw.signed_distance(regular(2000, 0.3), points)
    torch.testing.assert_close(circle, (points - 0.5).norm(dim=-1) - 0.3, atol=1e-6, rtol=0)


def test_the_slope_of_a_distance_is_one():
    points = random(200, 2, seed=3).requires_grad_()
    slope = torch.autograd.grad(nw.signed_distance(random(6, 2, seed=4), points).sum(), points)[0].norm(dim=-1)
    torch.testing.assert_close(slope, torch.ones_like(slope))


def test_soft_coverage_falls_over_one_edge():
    distance = torch.tensor([-1.0, -0.05, 0.0, 0.025, 0.05, 1.0])
    torch.testing.assert_close(nw.soft_coverage(distance, 0.1), torch.tensor([1, 1, 0.5, 0.25, 0, 0]))


# ------------------------------------------------------------------------------------------------------- coverage


def test_pixel_grid():
    grid = nw.pixel_grid(2, 3)
    assert grid.shape == (2, 3, 2)
    assert grid[0, 0].tolist() == [0.25, 0.25]
    assert grid[1, 2].tolist() == [1.25, 0.75]


@pytest.mark.parametrize(("height", "width"), [(17, 17), (32, 45), (51, 40)])
def test_coverage_of_a_box_is_exact(height, width):
    left, top, right, bottom = 0.131, 0.22, 0.617, 0.83
    box = torch.tensor([(left, top), (right, top), (right, bottom), (left, bottom)], dtype=torch.float64)[None]

    def shared(low, high, n):  # of each pixel with [low, high]
        edges = torch.arange(n + 1, dtype=torch.float64) / height
        return ((edges[1:].clamp(max=high) - edges[:-1].clamp(min=low)).clamp(min=0)) * height

    expected = shared(top, bottom, height)[:, None] * shared(left, right, width)
    torch.testing.assert_close(nw.coverage(box, height, width)[0], expected)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (33, 47)])
def test_coverage_is_the_average_over_many_points_of_the_pixel(height, width):
    polygon = nw.outline(nw.smooth_outline(regular(7, 0.3) + 0.1 * random(7, 2, seed=2)), 3 * height)
    fine = 12
    points = nw.pixel_grid(fine * height, fine * width, dtype=torch.float64).reshape(-1, 2)
    inside = (nw.winding_number(polygon, points) != 0).double().reshape(1, 1, fine * height, fine * width)
    expected = torch.nn.functional.avg_pool2d(inside, fine)[0, 0]
    assert (nw.coverage(polygon[None], height, width)[0] - expected).abs().max() < 0.05


def test_coverage_adds_up_to_the_area_whichever_way_it_winds():
    polygons = torch.stack([nw.outline(nw.smooth_outline(regular(8, r)), 40) for r in (0.1, 0.25, 0.4)])
    found = nw.coverage(polygons, 31).sum((1, 2)) / 31**2
    torch.testing.assert_close(found, torch.tensor([area(p) for p in polygons]).double(), atol=1e-5, rtol=0)
    torch.testing.assert_close(nw.coverage(polygons.flip(1), 31), nw.coverage(polygons, 31))


def test_coverage_outside_of_the_picture_and_of_no_shape():
    shifts = torch.tensor([(2.0, 0), (-2.0, 0), (0, 2.0), (0, -2.0)]).double()
    assert (nw.coverage(SQUARE + shifts[:, None], 20) == 0).all()
    half = nw.coverage((SQUARE - torch.tensor([0.5, 0]).double())[None], 20)
    torch.testing.assert_close(half.sum() / 400, torch.tensor(0.3 * 0.6).double())
    assert (nw.coverage(torch.full((1, 9, 2), 0.3), 20) == 0).all()


def test_coverage_agrees_with_the_signed_distance():
    circle = regular(400, 0.3)
    distance = nw.signed_distance(circle, nw.pixel_grid(40, 50, dtype=torch.float64).reshape(-1, 2)).reshape(40, 50)
    for blur in (1.0, 3.0):
        difference = nw.coverage(circle[None], 40, 50, blur=blur)[0] - nw.soft_coverage(distance, blur / 40)
        assert difference.abs().max() < 0.1  # a window that is a box against one that is a disc
        assert difference.mean().abs() < 2e-3


# ------------------------------------------------------------------------------------------------------- outlines


def test_an_outline_passes_through_its_anchors_and_has_no_corner():
    anchors = random(2, 6, 2)
    curve = nw.outline(nw.smooth_outline(anchors), 50)
    assert curve.shape == (2, 300, 2)
    torch.testing.assert_close(curve[:, ::50], anchors)
    around = torch.cat([anchors[0, -1:], anchors[0], anchors[0, :2]]).numpy()
    slopes = (around[2:] - around[:-2]) / 2  # of Catmull and Rom: half the way between the neighbours
    expected = CubicHermiteSpline(np.arange(7), around[1:-1], slopes)(np.arange(300) / 50)
    torch.testing.assert_close(curve[0], torch.from_numpy(expected))
    sharp = nw.outline(nw.smooth_outline(anchors, tension=0), 50)
    torch.testing.assert_close(sharp[:, 25], (anchors[:, 0] + anchors[:, 1]) / 2)


def test_an_ellipse_is_round_to_three_parts_in_ten_thousand():
    radii = torch.tensor([0.4, 0.2], dtype=torch.float64)
    curve = nw.outline(nw.ellipse(torch.tensor([0.1, 0.7], dtype=torch.float64), radii), 30)
    radius = ((curve - torch.tensor([0.1, 0.7]).double()) / radii).norm(dim=-1)
    assert (radius - 1).abs().max() < 3e-4
    torch.testing.assert_close(area(curve), math.pi * 0.08, rtol=1e-3, atol=0)


# ---------------------------------------------------------------------------------------------------- compositing


def test_over_and_composite_follow_the_alpha_formula():
    front, back = random(2, 4, 5, 3), random(2, 4, 5, 3, seed=1)
    result = nw.composite(front, back)
    for n, i, j in np.ndindex(2, 5, 3):
        a, b = front[n, 3, i, j].item(), back[n, 3, i, j].item()
        alpha = a + b * (1 - a)
        assert result[n, 3, i, j].item() == pytest.approx(alpha)
        for c in range(3):
            expected = (a * front[n, c, i, j].item() + b * (1 - a) * back[n, c, i, j].item()) / alpha
            assert result[n, c, i, j].item() == pytest.approx(expected)
    back[:, 3] = 1
    opaque = nw.over(front[:, :3], front[:, 3:], back[:, :3])
    torch.testing.assert_close(nw.composite(front, back)[:, :3], opaque)
    torch.testing.assert_close(opaque, front[:, 3:] * front[:, :3] + (1 - front[:, 3:]) * back[:, :3])


def test_compositing_is_associative_and_nothing_over_nothing_is_nothing():
    a, b, c = (random(1, 4, 3, 4, seed=s) for s in range(3))
    torch.testing.assert_close(nw.composite(nw.composite(a, b), c), nw.composite(a, nw.composite(b, c)))
    assert not torch.allclose(nw.composite(a, b), nw.composite(b, a))
    a[:, 3], b[:, 3] = 0, 0
    assert (nw.composite(a, b) == 0).all()


def test_gradients_of_colour():
    grid = nw.pixel_grid(10, 15, dtype=torch.float64)
    start, end = torch.tensor([[0.25, 0.0]]).double(), torch.tensor([[1.25, 0.0]]).double()
    expected = (grid[..., 0] - 0.25).clamp(0, 1)[None]
    torch.testing.assert_close(nw.linear_gradient(grid, start, end), expected)
    round_ = nw.radial_gradient(grid, torch.tensor([[0.5, 0.5]]).double(), torch.tensor([[0.4, 0.2]]).double())
    x, y = 3, 6
    expected = math.hypot((0.35 - 0.5) / 0.4, (0.65 - 0.5) / 0.2)
    assert round_[0, y, x].item() == pytest.approx(expected)
    assert round_.max() == 1


# ------------------------------------------------------------------------------------------------------- the canvas


def test_a_canvas_paints_back_to_front_and_knows_what_is_seen():
    canvas = nw.Canvas(torch.zeros(1, 3, 4, 6, dtype=torch.float64), ("wall", "ball", "dog"))
    alphas = random(4, 1, 4, 6)
    small = alphas[3][:, 1:3, 2:5]
    red, blue, grey = (torch.tensor([c], dtype=torch.float64) for c in ((1, 0, 0), (0, 0, 1), (0.5, 0.5, 0.5)))
    canvas.paint(alphas[0], red, "ball")
    canvas.paint(alphas[1], grey)
    canvas.paint(alphas[2], blue, "dog")
    canvas.paint(small, red, "ball", at=(1, 2))
    last = torch.zeros_like(alphas[3])
    last[:, 1:3, 2:5] = small
    expected = torch.zeros(1, 3, 4, 6, dtype=torch.float64)
    seen = torch.tensor([1.0, 0, 0]).double()[None, :, None, None].repeat(1, 1, 4, 6)
    for alpha, colour, part in zip([*alphas[:3], last], (red, grey, blue, red), (1, None, 2, 1)):
        expected = alpha * colour[:, :, None, None] + (1 - alpha) * expected
        if part is not None:
            seen = (1 - alpha) * seen
            seen[:, part] += alpha
    torch.testing.assert_close(canvas.colours, expected)
    torch.testing.assert_close(canvas.shares(), seen)
    torch.testing.assert_close(canvas.shares().sum(1), torch.ones(1, 4, 6, dtype=torch.float64))


# ------------------------------------------------------------------------------------------- what the worlds share

TABLE = {
    "kind": dw.Factor("kind", ("a",), ("cat", "dog", "eel"), (1, 2, 1)),
    "length": dw.Factor("length", ("a", "b"), low=-2, high=3),
}


def test_random_numbers_do_not_depend_on_the_count_and_differ_between_streams():
    many = dw.uniform_numbers(1203, 4, seed=3, split="train", world=1)
    for count in (1, 499, 500, 501):
        assert torch.equal(dw.uniform_numbers(count, 4, 3, "train", 1), many[:count])
    firsts = [many[0], many[500], many[1000]]
    for seed, split, world in ((3, "test", 1), (3, "train", 2), (4, "train", 1)):
        firsts.append(dw.uniform_numbers(1, 4, seed, split, world)[0])
    assert len({tuple(first.tolist()) for first in firsts}) == len(firsts)


def test_factors_have_the_chances_and_ranges_of_the_table():
    factors = dw.random_factors(TABLE, dw.uniform_numbers(20_000, 2, 0, "train", 0))
    shares = factors["kind"].bincount() / 20_000
    torch.testing.assert_close(shares, torch.tensor([0.25, 0.5, 0.25]), atol=0.015, rtol=0)
    assert factors["kind"].dtype == torch.int64
    assert -2 <= factors["length"].min() < -1.99
    assert 2.99 < factors["length"].max() <= 3


def test_overrides_take_names_positions_and_one_for_each():
    assert dw.check_override(TABLE, "kind", "dog", 2).tolist() == [1, 1]
    assert dw.check_override(TABLE, "kind", ["eel", "cat"], 2).tolist() == [2, 0]
    assert dw.check_override(TABLE, "kind", torch.tensor([2, 1]), 2).tolist() == [2, 1]
    assert dw.check_override(TABLE, "length", 1.5, 3).tolist() == [1.5] * 3
    assert dw.check_override(TABLE, "length", np.array([0.0, 3.0]), 2).tolist() == [0, 3]


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("colour", 1, "overrides: got the factor 'colour', expected one of kind, length"),
        ("kind", "cow", "kind: got 'cow', expected cat, dog, eel"),
        ("kind", ["cat", "cow"], "kind: got 'cow', expected cat, dog, eel"),
        ("kind", 3, "kind: got 3, expected cat, dog, eel or 0 to 2"),
        ("kind", 0.5, "kind: got 0.5, expected cat, dog, eel or 0 to 2"),
        ("kind", None, "kind: got None, expected one value or 2, cat, dog, eel"),
        ("length", 3.5, "length: got 3.5, expected -2 to 3"),
        ("length", float("nan"), "length: got nan, expected -2 to 3"),
        ("length", "long", "length: got 'long', expected -2 to 3"),
        ("length", [0, 1, 2], "length: got 3 values, expected one value or 2, -2 to 3"),
    ],
)
def test_bad_overrides(name, value, message):
    with pytest.raises(CourseError) as caught:
        dw.check_override(TABLE, name, value, 2)
    assert str(caught.value) == message


def test_masks_follow_when_some_images_are_taken():
    masks = torch.arange(4 * 2 * 9, dtype=torch.uint8).reshape(4, 2, 3, 3)
    whole = dw.DrawnSet(torch.zeros(4, 3, 3, 3), torch.zeros(4).long(), parts=("a", "b"), masks=masks)
    torch.testing.assert_close(whole.mask("b"), masks[:, 1].float() / 255)
    assert torch.equal(whole[1:3].masks, masks[1:3])
    assert torch.equal(whole[torch.tensor([3, 0])].masks, masks[[3, 0]])
    assert torch.equal(whole[torch.tensor([True, False, False, True])].masks, masks[[0, 3]])
    assert isinstance(whole[:2].to("cpu"), dw.DrawnSet)
    with pytest.raises(CourseError, match=r"^part: got 'c', expected one of a, b$"):
        whole.mask("c")
