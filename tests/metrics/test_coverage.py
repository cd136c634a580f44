"""Coverage of Naeem et al. (2020), against a tree search, by hand, and where recall is fooled."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.spatial
import torch

from course_lib import metrics
from course_lib.errors import CourseError


def cloud(count: int, size: int, seed: int, scale: float = 1.0, shift: float = 0.0) -> torch.Tensor:
    points = torch.randn(count, size, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return scale * points + shift


@pytest.mark.parametrize(("n", "m", "size", "k"), [(150, 97, 2, 5), (80, 120, 9, 1), (2300, 1700, 3, 3)])
def test_coverage_equals_a_tree_search(n, m, size, k):
    real, fake = cloud(n, size, 0), cloud(m, size, 1, scale=0.7, shift=0.4)
    reach = scipy.spatial.cKDTree(real.numpy()).query(real.numpy(), k + 1)[0][:, k]
    nearest = scipy.spatial.cKDTree(fake.numpy()).query(real.numpy(), 1)[0]
    wanted = float(np.mean(nearest <= reach))
    assert metrics.coverage(real, fake, k) == pytest.approx(wanted, abs=1.01 / n)
    assert 0 < wanted < 1


def test_coverage_by_hand():
    real = torch.tensor([[0.0], [1.0], [10.0], [13.0]])  # their nearest neighbours are 1, 1, 3 and 3 away
    assert metrics.coverage(real, torch.tensor([[1.5], [1.6]]), neighbours=1) == 0.25  # 0 is 1.5 away, 1 only 0.5
    assert metrics.coverage(real, torch.tensor([[11.5], [50.0]]), neighbours=1) == 0.5
    assert metrics.coverage(real, torch.tensor([[0.5], [11.5], [99.0]]), neighbours=1) == 1.0


def test_the_edge_of_a_ball_belongs_to_it():
    real = torch.tensor([[0.0], [1.0], [10.0]])
    assert metrics.coverage(real, torch.tensor([[-1.0], [-1.0]]), neighbours=1) == pytest.approx(1 / 3)


@pytest.mark.parametrize("k", [1, 3, 5])
def test_perfect_samples_cover_what_the_docstring_says(k):
    found = metrics.coverage(cloud(3000, 3, 0), cloud(3000, 3, 1), k)
    assert found == pytest.approx(1 - 0.5**k, abs=0.03)


def test_fakes_far_out_win_recall_and_no_coverage():
    real, fake = cloud(500, 4, 0), cloud(500, 4, 1, scale=6.0)
    assert metrics.precision_recall(real, fake)[1] > 0.95
    assert metrics.coverage(real, fake) < 0.5


def test_a_copied_point_covers_its_neighbourhood_only():
    real = cloud(300, 4, 0)
    assert metrics.coverage(real, real) == 1.0
    assert metrics.coverage(real, real[:1].repeat(300, 1)) < 0.1


def test_bad_input_is_one_line():
    x = torch.arange(60.0).reshape(20, 3)
    with pytest.raises(CourseError, match="neighbours: got 5, expected fewer than the real points, 4"):
        metrics.coverage(x[:4], x)
    with pytest.raises(CourseError, match=r"fake: got shape \[20, 2\], expected \[N, 3\]"):
        metrics.coverage(x, x[:, :2])
