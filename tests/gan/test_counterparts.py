"""Chapter 15's yardsticks against closed forms: colours moved, pairs told, noise added."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from course_lib.data.imageset import ImageSet
from course_lib.errors import CourseError
from course_lib.gan.counterparts import (
    PairedRegressor,
    colour_transfer,
    grey_levels,
    hidden,
    pairs,
    with_noise,
)
from course_lib.gan.cyclegan import CycleGAN
from course_lib.training import fit
from course_lib.training.progress import Bar


def pictures(*shape: int, seed: int = 0, scale: float = 1.0) -> torch.Tensor:
    return scale * (2 * torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) - 1)


def test_a_difference_is_in_grey_levels():
    assert grey_levels(torch.zeros(2, 1, 3, 3), torch.full((2, 1, 3, 3), 2 / 255)) == pytest.approx(1)
    with pytest.raises(CourseError, match="others: got"):
        grey_levels(torch.zeros(2, 1, 3, 3), torch.zeros(3, 1, 3, 3))


def test_colours_are_moved_channel_by_channel():
    first, second = pictures(30, 3, 5, 7, scale=0.4), pictures(40, 3, 5, 7, seed=1, scale=0.2) + 0.3
    made = colour_transfer(first, first, second)
    torch.testing.assert_close(made.mean(dim=(0, 2, 3)), second.mean(dim=(0, 2, 3)), atol=1e-5, rtol=0)
    torch.testing.assert_close(made.std(dim=(0, 2, 3)), second.std(dim=(0, 2, 3)), atol=1e-5, rtol=0)
    red = (first[:, 0] - first[:, 0].mean()) / first[:, 0].std() * second[:, 0].std() + second[:, 0].mean()
    torch.testing.assert_close(made[:, 0], red, atol=1e-5, rtol=0)
    torch.testing.assert_close(colour_transfer(first, first, first), first, atol=1e-6, rtol=0)
    flat = torch.zeros(4, 3, 2, 2)
    assert colour_transfer(flat, flat, second).isfinite().all()


def test_the_regressor_learns_from_pairs_alone():
    here = ImageSet(
        pictures(40, 1, 1, 1, scale=0.8).expand(-1, -1, 8, 8).contiguous(), torch.zeros(40, dtype=torch.int64)
    )
    there = ImageSet(-here.images, here.labels)
    both = pairs(here, there)
    assert torch.equal(both.images[:, 1:], there.images)
    torch.manual_seed(0)
    model = PairedRegressor.for_data(both, width=4, blocks=1)
    before = grey_levels(model.translate(here.images), there.images)
    run = fit(model, both, steps=60, device="cpu", view=Bar(silent=True))
    assert grey_levels(run.model.translate(here.images), there.images) < before / 2
    with pytest.raises(CourseError, match="channels: got 3, expected an even number"):
        PairedRegressor(channels=3)
    with pytest.raises(CourseError, match="second: got"):
        pairs(here, there[:3])


def test_noise_has_the_size_that_is_asked_for():
    grey = torch.zeros(50, 1, 8, 8)
    assert float(with_noise(grey, 3.0).std() * 127.5) == pytest.approx(3, rel=0.05)
    assert torch.equal(with_noise(grey, 3.0), with_noise(grey, 3.0))
    assert torch.equal(with_noise(grey, 0.0), grey)
    assert with_noise(grey + 1, 9.0).max() <= 1


class Halved(nn.Module):
    def forward(self, images):
        return images / 2


class Doubled(nn.Module):
    def forward(self, images):
        return images * 2


def test_what_is_hidden_is_told_by_noise():
    """Halved there, doubled back: nothing is lost, and noise comes back twice as large, from real pictures too."""
    torch.manual_seed(0)
    model = CycleGAN(channels=1, size=8, width=2, blocks=1)
    model.forth, model.back = Halved(), Doubled()
    images, others = pictures(60, 1, 8, 8, scale=0.6), pictures(60, 1, 8, 8, seed=1, scale=0.3)
    found = hidden(model, images, others, 1.0)
    assert found["clean"] < 1e-4
    expected = 2 * (2 / torch.pi) ** 0.5  # mean |noise| of deviation 2
    for name in ("noisy", "moved", "fair"):
        assert found[name] == pytest.approx(expected, rel=0.05)
    model.forth = Doubled()
    model.back = Halved()
    assert hidden(model, images * 0.5, others, 1.0)["moved"] == pytest.approx(expected / 4, rel=0.05)
    swapped = hidden(model, others * 0.5, images * 0.5, 1.0, to="first")
    assert swapped["clean"] < 1e-4
