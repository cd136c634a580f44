"""Curves, surfaces and the stroke renderer, against scipy, autograd and the exact distance."""

import pytest
import torch
from scipy.interpolate import BPoly

from course_lib.data import drawing_images as di

POSITIONS = torch.linspace(0, 1, 11, dtype=torch.float64)


def random(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("degree", [1, 2, 3, 5])
@pytest.mark.parametrize("dimensions", [1, 2, 3])
def test_three_ways_to_draw_one_curve(degree, dimensions):
    points = random(degree + 1, dimensions, seed=degree)
    expected = BPoly(points.numpy()[:, None], [0, 1])(POSITIONS.numpy())
    torch.testing.assert_close(di.bezier(points, POSITIONS), torch.from_numpy(expected))
    torch.testing.assert_close(di.de_casteljau(points, POSITIONS), torch.from_numpy(expected))


def test_curves_come_in_batches_and_pass_gradients():
    points = random(2, 5, 4, 2).requires_grad_()
    curves = di.de_casteljau(points, POSITIONS)
    assert curves.shape == (2, 5, 11, 2)
    torch.testing.assert_close(curves, di.bezier(points, POSITIONS))
    torch.testing.assert_close(curves[1, 3], di.bezier(points[1, 3], POSITIONS))
    weight = random(2, 5, 11, 2, seed=1)
    by_steps = torch.autograd.grad((curves * weight).sum(), points)[0]
    by_matrix = torch.autograd.grad((di.bezier(points, POSITIONS) * weight).sum(), points)[0]
    torch.testing.assert_close(by_steps, by_matrix)


@pytest.mark.parametrize("degree", [1, 3, 4])
def test_bernstein_polynomials(degree):
    basis = di.bernstein(degree, POSITIONS)
    torch.testing.assert_close(basis.sum(1), torch.ones_like(POSITIONS))
    assert (basis >= 0).all()
    t = POSITIONS.clone().requires_grad_()
    slopes = torch.stack([torch.autograd.grad(di.bernstein(degree, t)[:, k].sum(), t)[0] for k in range(degree + 1)], 1)
    torch.testing.assert_close(di.bernstein_slope(degree, POSITIONS), slopes)


@pytest.mark.parametrize("shape", [(4, 4, 3), (3, 5, 3)])
def test_surface_normals_agree_with_autograd(shape):
    patch = random(*shape, seed=4)
    u, v = torch.tensor([0.1, 0.45, 0.9]).double(), torch.tensor([0.0, 0.3, 0.6, 0.8]).double()
    points, normals = di.bezier_surface(patch, u, v)
    assert points.shape == normals.shape == (3, 4, 3)
    corner = di.bezier_surface(patch, torch.zeros(1).double(), torch.ones(1).double())[0][0, 0]
    torch.testing.assert_close(corner, patch[0, -1])
    for i in range(3):
        for j in range(4):

            def surface(where):
                return di.bezier_surface(patch, where[:1], where[1:])[0][0, 0]

            along_u, along_v = torch.autograd.functional.jacobian(surface, torch.stack([u[i], v[j]])).T
            normal = torch.linalg.cross(along_u, along_v)
            torch.testing.assert_close(normals[i, j], normal / normal.norm())


def test_shading_is_the_cosine_of_the_angle():
    light = torch.tensor([0.0, 0.0, 2.0])
    angles = torch.tensor([0.0, 60.0, 90.0, 180.0]).deg2rad()
    normals = torch.stack([angles.sin(), torch.zeros(4), angles.cos()], -1)
    torch.testing.assert_close(di.shade(normals, light, ambient=0.0), torch.tensor([1, 0.5, 0, 0]), atol=1e-6, rtol=0)
    torch.testing.assert_close(di.shade(normals, light, ambient=0.2), torch.tensor([1, 0.6, 0.2, 0.2]))


def line(start, end, pieces=40):
    t = torch.linspace(0, 1, pieces + 1)[:, None]
    return (torch.tensor([start]) * (1 - t) + torch.tensor([end]) * t)[None], torch.ones(1, pieces)


@pytest.mark.parametrize("size", [8, 33, 64])
def test_smooth_distance_of_a_straight_stroke_is_exact(size):
    points, pen = line((-1.0, -0.6), (2.0, 1.2), pieces=120)  # its ends lie far outside
    exact = di.exact_distance(points, pen, size)
    smooth = di.smooth_distance(points, pen, size, torch.tensor([0.04]))
    near = exact < 0.2
    torch.testing.assert_close(smooth[near], exact[near], atol=1e-3, rtol=0)


def test_smooth_distance_of_a_curve_is_close():
    curve = di.bezier(torch.tensor([[[0.1, 0.8], [0.1, 0.0], [0.9, 0.0], [0.9, 0.8]]]), torch.linspace(0, 1, 80))
    pen = torch.ones(1, 79)
    exact = di.exact_distance(curve, pen, 32)
    smooth = di.smooth_distance(curve, pen, 32, torch.tensor([0.02]))
    inner = (exact > 0.02) & (exact < 0.1)
    inner[:, 22:] = False  # near the two ends a half line leaves half the ink
    torch.testing.assert_close(smooth[inner], exact[inner], atol=4e-3, rtol=0)


def test_exact_distance_by_hand():
    points = torch.tensor([[[0.25, 0.5], [0.75, 0.5], [0.75, 1.5]]])
    distance = di.exact_distance(points, torch.tensor([[1.0, 0.0]]), 2)  # centres at 1/4 and 3/4; second piece pen up
    torch.testing.assert_close(distance, torch.full((1, 2, 2), 0.25))
    distance = di.exact_distance(points, torch.tensor([[1.0, 1.0]]), 2)
    torch.testing.assert_close(distance, torch.tensor([[[0.25, 0.25], [0.25, 0.0]]]))


@pytest.mark.parametrize("size", [16, 28, 33])
@pytest.mark.parametrize("radius", [0.06, 0.01])
def test_ink_is_the_covered_share_of_a_pixel(size, radius):
    height = 0.41
    points, pen = line((-1.0, height), (2.0, height), pieces=120)
    ink = di.render(points, pen, torch.tensor([radius]), size)[0]
    edges = torch.arange(size + 1) / size
    covered = (edges[1:].clamp(max=height + radius) - edges[:-1].clamp(min=height - radius)).clamp(min=0) * size
    torch.testing.assert_close(ink, covered[:, None].expand(size, size), atol=0.02, rtol=0)


def test_render_agrees_with_the_exact_distance():
    points, pen = line((0.2, 0.15), (0.7, 0.85))
    ink = di.render(points, pen, torch.tensor([0.05]), 40)
    exact = ((0.05 - di.exact_distance(points, pen, 40)) * 40 + 0.5).clamp(0, 1)
    assert (ink - exact).abs().mean() < 0.005
    assert ((ink > 0.5) != (exact > 0.5)).sum() <= 4


def test_a_lifted_pen_leaves_no_ink_and_a_pressing_pen_more():
    points, pen = line((0.1, 0.5), (0.9, 0.5))
    lifted = pen.clone()
    lifted[:, 16:24] = 0
    radius = torch.tensor([0.04])
    full, gap, hard = (di.render(points, p, radius, 40)[0] for p in (pen, lifted, pen * 1.5))
    assert full[20, 20] > 0.9
    assert gap[20, 20] == 0
    torch.testing.assert_close(hard[:, 20].sum(), 1.5 * full[:, 20].sum(), atol=0.1, rtol=0.03)
    torch.testing.assert_close(gap[:, :10], full[:, :10])


def test_far_ink_underflows_to_nothing_and_stays_finite():
    points, pen = line((0.05, 0.05), (0.06, 0.05), pieces=10)
    points.requires_grad_()
    ink = di.render(points, pen, torch.tensor([0.01]), 128)
    assert ink.isfinite().all()
    assert ink[0, 64:].max() == 0
    assert ink.max() > 0.5
    ink.sum().backward()
    assert points.grad.isfinite().all()
