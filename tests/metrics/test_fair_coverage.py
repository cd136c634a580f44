"""The strict count of modes: every set whose fault is known fails it, a perfect sample does not."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from course_lib import metrics
from course_lib.errors import CourseError
from course_lib.gan.points import Points, grid, ring

WORLDS = {"ring": ring(), "grid": grid()}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def fair(points: Tensor, world: Points) -> int:
    return metrics.fair_coverage(points, world.centres, world.spread).modes


def carpet(count: int, half: float = 1.2) -> Tensor:
    return (2 * torch.rand(count, 2, generator=seeded()) - 1) * half


def circle(count: int) -> Tensor:
    angle = 2 * math.pi * torch.rand(count, generator=seeded())
    return torch.stack([angle.cos(), angle.sin()], dim=1)


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("count", [2000, 10_000])
def test_a_perfect_sample_gets_every_mode(world, seed, count):
    assert fair(world.sample(count, seeded(seed)), world) == len(world.centres)


@pytest.mark.parametrize("half", [0.5, 1.0, 1.2])
@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_a_carpet_gets_none_though_the_lenient_count_praises_it(world, half):
    assert fair(carpet(10_000, half), world) == 0
    lenient = metrics.mode_coverage(carpet(10_000, 1.2), WORLDS["grid"].centres, 0.05)
    assert lenient.modes == 25


def test_a_bare_circle_gets_none_though_the_lenient_count_praises_it():
    world = WORLDS["ring"]
    assert fair(circle(10_000), world) == 0
    assert metrics.mode_coverage(circle(10_000), world.centres, world.spread).modes == 8


@pytest.mark.parametrize("world", WORLDS.values(), ids=WORLDS)
def test_dots_on_the_centres_get_none(world):
    assert fair(world.centres.repeat(200, 1), world) == 0


def clump(at: tuple[float, float], count: int, wide: float = 0.1) -> Tensor:
    """`count` points, a multiple of 4, whose root mean squared distance from `at`, over sqrt(2), is `wide`."""
    cross = torch.tensor([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]]) * wide * math.sqrt(2)
    return torch.tensor(at) + cross.repeat(count // 4, 1)


CENTRES = torch.tensor([[0.0, 0.0], [10.0, 0.0]])


def of_two(*clumps: Tensor) -> tuple[int, list[int]]:
    coverage = metrics.fair_coverage(torch.cat(clumps), CENTRES, spread=0.1)
    return coverage.modes, coverage.counts.tolist()


@pytest.mark.parametrize(("second", "modes"), [(400, 2), (136, 2), (128, 1)])
def test_half_of_the_fair_share_is_enough_and_less_is_not(second, modes):
    """Of 400 + n points the fair share is (400 + n) / 2, so n passes from 400 / 3 on; 400 is less than double."""
    assert of_two(clump((0, 0), 400), clump((10, 0), second)) == (modes, [400, second])


def test_more_than_double_is_too_much():
    three = torch.cat([CENTRES, torch.tensor([[20.0, 0.0]])])
    points = torch.cat([clump((0, 0), 404), clump((10, 0), 100), clump((20, 0), 100)])  # shares 2.007, 0.497, 0.497
    assert metrics.fair_coverage(points, three, 0.1).modes == 0
    points = torch.cat([clump((0, 0), 396), clump((10, 0), 100), clump((20, 0), 100)])  # shares 1.993, 0.503, 0.503
    assert metrics.fair_coverage(points, three, 0.1).modes == 3


@pytest.mark.parametrize(("stray", "modes"), [(44, 2), (48, 1)])
def test_a_mode_loses_its_place_by_the_strays_next_to_it_and_by_no_others(stray, modes):
    """400 near points may have 44 strays among those closest to the same centre: 400 / 444 is 90.1 %."""
    astray = torch.tensor([[2.0, 2.0]]).repeat(stray, 1)
    coverage = metrics.fair_coverage(torch.cat([clump((0, 0), 400), clump((10, 0), 400), astray]), CENTRES, 0.1)
    assert coverage.modes == modes
    assert coverage.near == pytest.approx(800 / (800 + stray))


@pytest.mark.parametrize(("wide", "modes"), [(0.049, 1), (0.051, 2), (0.199, 2), (0.201, 1)])
def test_a_mode_is_neither_a_dot_nor_a_blot(wide, modes):
    assert of_two(clump((0, 0), 400), clump((10, 0), 400, wide))[0] == modes


def test_empty_modes_are_not_covered_and_bad_input_is_one_line():
    assert of_two(clump((0, 0), 400)) == (1, [400, 0])  # exactly double its share
    with pytest.raises(CourseError, match=r"points: got shape \[4, 3\], expected \[N, 2\]"):
        metrics.fair_coverage(torch.zeros(4, 3), CENTRES, 0.1)
    with pytest.raises(CourseError, match="spread: got 0, expected a positive"):
        metrics.fair_coverage(torch.zeros(4, 2), CENTRES, 0)
