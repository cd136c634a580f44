"""The checkpoints that a workshop uses instead of training: they draw digits, all of them, and to order."""

from __future__ import annotations

import pytest
import torch

from course_lib import chapters, data, metrics, models
from course_lib.data import landscapes
from course_lib.data.strokes import draw
from course_lib.gan.counterparts import colour_transfer, grey_levels

COUNT = 1000
GANS = [
    name
    for name, how in chapters.SHIPPED.items()
    if chapters.MODELS[how.model].startswith("gan.") and how.data == "strokes" and not how.colour
]


@pytest.fixture(scope="module")
def test_digits(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(data, "DRAWN", {"train": COUNT, "test": COUNT})
        yield data.load("strokes", split="test")


def test_digits_to_order(test_digits):
    labels = torch.arange(COUNT) % 10
    images = models.pretrained("conditional_gan").sample(COUNT, seed=3, labels=labels)
    report = metrics.report(images, test_digits, labels)
    assert report.as_ordered >= 0.97
    assert report.recall > 0.3, "not one perfect digit per class"


def test_the_default_draws_all_classes_and_beats_the_plain_gan(test_digits):
    reports = {
        name: metrics.report(models.pretrained(name).sample(COUNT, seed=3), test_digits)
        for name in GANS
        if name != "conditional_gan"
    }
    best = reports["r3gan"]
    assert all(0.05 <= share <= 0.15 for share in best.class_shares)
    for name in reports.keys() - {"r3gan"}:
        assert best.frechet_distance < reports[name].frechet_distance, name


def test_every_checkpoint_paints_in_range_and_the_same_for_the_same_seed():
    for name in GANS:
        model = models.pretrained(name)
        images = model.sample(20, seed=1)
        assert images.shape == draw(20).images.shape
        assert float(images.abs().max()) <= 1
        assert torch.equal(images, model.sample(20, seed=1))
        assert not torch.equal(images, model.sample(20, seed=2))


def test_the_shipped_translators_come_close_to_the_truth():
    """Half as far as a transfer of colours, which needs no network; and back home closer than from the true winter."""
    seasons = [
        landscapes.draw(60, split="test", season=season, time="day", masks=False) for season in ("summer", "winter")
    ]
    elsewhere = [
        landscapes.draw(300, seed=7, season=season, time="day", masks=False) for season in ("summer", "winter")
    ]
    model, (summer, winter) = models.pretrained("cyclegan"), (world.images for world in seasons)
    first, second = (world.images for world in elsewhere)
    made = model.translate(summer)
    assert grey_levels(made, winter) < grey_levels(colour_transfer(summer, first, second), winter) / 2
    made_summer = model.translate(winter, to="first")
    assert grey_levels(made_summer, summer) < grey_levels(colour_transfer(winter, second, first), summer) / 1.5
    assert grey_levels(model.translate(made, to="first"), summer) < grey_levels(made_summer, summer)
