"""The points in the plane: where they lie, how they are drawn, and that the small pair learns."""

from __future__ import annotations

import math

import pytest
import torch

from course_lib.data.strokes import draw
from course_lib.errors import CourseError
from course_lib.gan.points import PointGAN, Points, grid, ring
from course_lib.gan.stable_training import PointR3GAN
from course_lib.gan.the_gan_game import Linear, NonSaturating


@pytest.mark.parametrize(("modes", "radius"), [(8, 1.0), (5, 2.5)])
def test_ring_lies_on_a_circle_in_equal_steps(modes, radius):
    centres = ring(modes, radius).centres
    assert centres.shape == (modes, 2)
    torch.testing.assert_close(centres.norm(dim=1), torch.full((modes,), radius))
    torch.testing.assert_close(centres[0], torch.tensor([radius, 0.0]))
    steps = (centres - centres.roll(1, dims=0)).norm(dim=1)
    torch.testing.assert_close(steps, torch.full((modes,), 2 * radius * math.sin(math.pi / modes)))


def test_grid_fills_the_square_evenly():
    points = grid(4, spread=0.1)
    assert points.spread == 0.1
    assert points.centres.shape == (16, 2)
    line = torch.linspace(-1, 1, 4)
    wanted = {(round(float(x), 4), round(float(y), 4)) for x in line for y in line}
    assert {tuple(round(c, 4) for c in centre) for centre in points.centres.tolist()} == wanted


def test_samples_come_equally_from_all_modes_with_the_spread_given():
    points = ring(6, 3.0, spread=0.2)
    drawn = points.sample(30_000, torch.Generator().manual_seed(0))
    assert drawn.shape == (30_000, 2)
    assert drawn.dtype == torch.float32
    nearest = torch.cdist(drawn, points.centres).argmin(dim=1)
    shares = nearest.bincount(minlength=6) / len(drawn)
    assert (shares - 1 / 6).abs().max() < 0.01  # 0.0022 is one standard deviation
    offsets = drawn - points.centres[nearest]
    assert offsets.mean(dim=0).abs().max() < 0.01
    torch.testing.assert_close(offsets.std(dim=0), torch.full((2,), 0.2), atol=0.005, rtol=0)
    assert abs(float((offsets[:, 0] * offsets[:, 1]).mean())) < 0.002  # round, not slanted


def test_samples_follow_their_generator():
    one, two = (ring().sample(5, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one, two)
    assert not torch.equal(one, ring().sample(5, torch.Generator().manual_seed(4)))


def test_shapes_and_configuration():
    gan = PointGAN(latent=3, width=16)
    points = gan.sample(7, seed=1)
    assert points.shape == (7, 2)
    assert gan.verdict(points).shape == (7,)
    assert {"latent": 3, "width": 16}.items() <= gan.config.items()
    rebuilt = PointGAN(**gan.config)
    assert {n: w.shape for n, w in rebuilt.state_dict().items()} == {n: w.shape for n, w in gan.state_dict().items()}


def test_a_step_counts_moves_both_and_keeps_adams_memory():
    torch.manual_seed(0)
    gan = PointGAN(width=16)
    before = {name: weights.clone() for name, weights in gan.named_parameters()}
    losses = gan.step(ring().sample(32))
    assert set(losses) == {"discriminator", "generator"}
    assert gan.steps_done == 1
    assert all(not torch.equal(weights, before[name]) for name, weights in gan.named_parameters())
    optimizers = dict(gan.optimizers)
    gan.step(ring().sample(32))
    assert gan.optimizers == optimizers
    assert gan.steps_done == 2


def test_the_objective_given_is_the_one_played():
    reported = {}
    for objective in (NonSaturating, Linear):
        torch.manual_seed(0)
        gan = PointGAN(objective, width=16)
        real = ring().sample(64)
        reported[objective] = gan.step(real)
    assert reported[NonSaturating]["discriminator"] > 1  # about ln 4
    assert abs(reported[Linear]["discriminator"]) < 0.2  # about 0: verdicts near 1/2 on both
    assert reported[Linear]["generator"] < 0


def test_it_learns_a_single_gaussian():
    """Roughly: the plain game circles around the truth, as chapter 5 shows."""
    torch.manual_seed(0)
    cloud = Points(torch.tensor([[1.5, -1.0]]), 1.0)
    gan = PointGAN(width=64)
    start = gan.sample(2000)
    for _ in range(300):
        gan.step(cloud.sample(128))
    end = gan.sample(2000)
    truth = cloud.centres[0]
    assert (start.mean(dim=0) - truth).norm() > 1.2
    assert start.std(dim=0).max() < 0.4
    assert (end.mean(dim=0) - truth).norm() < 0.5
    assert end.std(dim=0).min() > 0.4
    assert end.std(dim=0).max() < 1.7


@pytest.mark.parametrize("kind", [PointGAN, PointR3GAN])
def test_points_are_not_fitted_to_images(kind):
    with pytest.raises(CourseError, match="plays for points in the plane; there are no images to fit it to"):
        kind.for_data(draw(2))
