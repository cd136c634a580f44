"""Fréchet distance, precision and recall, class coverage: each against a second implementation or a known answer."""

from __future__ import annotations

import math

import numpy as np
import pytest
import scipy.linalg
import scipy.spatial
import torch

from course_lib import metrics
from course_lib.errors import CourseError


def cloud(count: int, size: int, seed: int, scale: float = 1.0, shift: float = 0.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    mix = torch.randn(size, size, generator=generator, dtype=torch.float64)
    points = torch.randn(count, size, generator=generator, dtype=torch.float64) @ mix
    return scale * points + shift * torch.arange(size)


# --- Fréchet distance -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "m", "size"), [(300, 211, 7), (60, 500, 3)])
def test_frechet_distance_equals_the_matrix_formula(n, m, size):
    a, b = cloud(n, size, 0), cloud(m, size, 1, scale=1.4, shift=0.3)
    s, t = (np.cov(x.numpy().T) for x in (a, b))
    root = scipy.linalg.sqrtm(s @ t).real
    gap = (a.mean(0) - b.mean(0)).numpy()
    wanted = gap @ gap + np.trace(s + t - 2 * root)
    assert metrics.frechet_distance(a, b) == pytest.approx(wanted, rel=1e-9)


def test_frechet_distance_by_hand_on_a_line():
    a, b = torch.tensor([[-1.0], [1.0]]), torch.tensor([[2.0], [8.0]])  # means 0 and 5, deviations √2 and √18
    assert metrics.frechet_distance(a, b) == pytest.approx(25 + (math.sqrt(18) - math.sqrt(2)) ** 2)


def test_frechet_distance_of_a_cloud_to_itself_is_nothing_and_it_is_symmetric():
    a, b = cloud(200, 5, 0), cloud(300, 5, 1)
    assert metrics.frechet_distance(a, a) == pytest.approx(0, abs=1e-8)
    assert metrics.frechet_distance(a, b) == pytest.approx(metrics.frechet_distance(b, a))


def test_frechet_distance_keeps_float64():
    far = cloud(100, 4, 0) + 1e6  # in float32 the covariances would drown
    near = cloud(100, 4, 0) * 1.1 + 1e6
    s = np.cov(far.numpy().T)
    gap = (far.mean(0) - near.mean(0)).numpy()
    assert metrics.frechet_distance(far, near) == pytest.approx(gap @ gap + 0.01 * np.trace(s), rel=1e-3)


# --- precision and recall ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "m", "size", "k"), [(150, 97, 2, 3), (80, 120, 9, 1), (2300, 1700, 3, 5)])
def test_precision_and_recall_equal_a_tree_search(n, m, size, k):
    real, fake = cloud(n, size, 0), cloud(m, size, 0, scale=0.8, shift=0.4)

    def covered(cloud, points):
        reach = scipy.spatial.cKDTree(cloud).query(cloud, k + 1)[0][:, k]
        hits = [(np.linalg.norm(cloud - p, axis=1) <= reach).any() for p in points]
        return float(np.mean(hits))

    wanted = covered(real.numpy(), fake.numpy()), covered(fake.numpy(), real.numpy())
    assert metrics.precision_recall(real, fake, k) == pytest.approx(wanted, abs=1.01 / min(n, m))
    assert 0 < wanted[0] < 1


def test_precision_and_recall_by_hand():
    real = torch.tensor([[0.0], [1.0], [10.0], [11.0]])  # each reaches its nearest neighbour, 1 away
    fake = torch.tensor([[0.5], [1.5], [20.0]])  # reach 1, 1 and 18.5
    precision, recall = metrics.precision_recall(real, fake, neighbours=1)
    assert precision == pytest.approx(2 / 3)
    assert recall == pytest.approx(1.0)  # the last fake's ball reaches from 1.5 to 38.5, the first from -0.5 to 1.5


def test_the_same_cloud_has_full_precision_and_recall_and_noise_has_none():
    real = cloud(400, 6, 0)
    assert metrics.precision_recall(real, real) == (1.0, 1.0)
    assert metrics.precision_recall(real, real + 1000) == (0.0, 0.0)


def test_one_repeated_fake_is_precise_and_recalls_nothing():
    real = cloud(300, 4, 0)
    precision, recall = metrics.precision_recall(real, real[:1].repeat(200, 1))
    assert precision == 1.0
    assert recall < 0.01


# --- classes ----------------------------------------------------------------------------------------------------------


def test_class_shares_and_their_divergence():
    probabilities = torch.eye(4)[[0, 0, 0, 1, 2, 2]]
    shares = metrics.class_shares(probabilities)
    assert shares.tolist() == pytest.approx([3 / 6, 1 / 6, 2 / 6, 0])
    wanted = sum(p * math.log(4 * p) for p in (3 / 6, 1 / 6, 2 / 6))
    assert metrics.kl_to_uniform(shares) == pytest.approx(wanted)
    assert metrics.kl_to_uniform(torch.full((10,), 0.1)) == pytest.approx(0, abs=1e-7)
    assert metrics.kl_to_uniform(torch.eye(10)[3]) == pytest.approx(math.log(10))


# --- modes in the plane -----------------------------------------------------------------------------------------------


def test_mode_coverage_by_hand():
    centres = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    points = torch.tensor([[0.0, 0.3], [0.1, 0.0], [0.2, 0.2], [1.0, 0.39], [5.0, 5.0], [0.9, 0.0]])
    coverage = metrics.mode_coverage(points, centres, spread=0.1)
    assert coverage.counts.tolist() == [3, 2, 0]
    assert (coverage.modes, coverage.near) == (2, pytest.approx(5 / 6))


def test_a_mode_with_a_stray_sample_is_not_covered():
    centres = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
    points = torch.zeros(1000, 2)
    points[:90] = centres[1]
    assert metrics.mode_coverage(points, centres, 0.05).modes == 1  # 90 of its fair 500 are under a fifth
    points[:110] = centres[1]
    assert metrics.mode_coverage(points, centres, 0.05).modes == 2


def test_perfect_samples_are_near():
    generator = torch.Generator().manual_seed(0)
    centres = torch.cartesian_prod(torch.arange(3.0), torch.arange(3.0))
    points = centres.repeat(2000, 1) + 0.1 * torch.randn(18000, 2, generator=generator)
    coverage = metrics.mode_coverage(points, centres, 0.1)
    assert coverage.modes == 9
    assert coverage.near == pytest.approx(1 - math.exp(-8), abs=5e-4)  # P(|x| <= 4 σ) in two dimensions


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: metrics.frechet_distance(x, x[:, :2]), r"fake: got shape \[20, 2\], expected \[N, 3\]"),
        (lambda x: metrics.frechet_distance(x[:1], x), r"real: got shape \[1, 3\]"),
        (lambda x: metrics.frechet_distance(x, x / 0), "fake: got NaN or infinite"),
        (lambda x: metrics.precision_recall(x, x[:3]), "neighbours: got 3, expected fewer than the points, 20 and 3"),
        (lambda x: metrics.mode_coverage(x, x[:, :2], 0.1), r"points: got shape \[20, 3\], expected \[N, 2\]"),
        (lambda x: metrics.mode_coverage(x, x, 0.0), "spread: got 0.0, expected a positive"),
    ],
)
def test_bad_input_is_one_line(call, message):
    with pytest.raises(CourseError, match=message) as error:
        call(torch.arange(60.0).reshape(20, 3))
    assert "\n" not in str(error.value)
