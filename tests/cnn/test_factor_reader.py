"""The reader of the drawn worlds: shapes, its loss, what its scores mean, and the checkpoints that ship."""

from __future__ import annotations

import math

import pytest
import torch

from course_lib import chapters, data, metrics, models, training
from course_lib.cnn.factor_reader import FactorReader, place, reading
from course_lib.data import Batch, batches, worlds
from course_lib.errors import CourseError
from course_lib.training.progress import Bar

SMALL = {"width": 4}


def fresh(world="portraits", **config) -> FactorReader:
    torch.manual_seed(0)
    return FactorReader(world, classes=18 if world == "portraits" else 4, **SMALL | config)


@pytest.fixture(scope="module")
def faces():
    return data.load("portraits", count=40, split="test", masks=False)


@pytest.mark.parametrize(("world", "size"), [("portraits", 16), ("landscapes", 40)])
def test_shapes(world, size):
    model = fresh(world, size=size)
    images = torch.rand(5, 3, size, size) * 2 - 1
    assert model.features(images).shape == (5, 256)
    for name, scores in model(images).items():
        values = model.table[name].values
        assert scores.shape == ((5, len(values)) if values else (5,))


def test_for_data_is_for_drawn_worlds(faces):
    assert FactorReader.for_data(faces, width=4).config["classes"] == len(faces.class_names)
    with pytest.raises(CourseError, match="world: got 'strokes', expected one of portraits, landscapes, whose fac"):
        FactorReader.for_data(data.load("strokes", count=4, size=32, colour=True))
    with pytest.raises(CourseError, match="size: got 20, expected a multiple of 8, 16 or more"):
        FactorReader(size=20)


def test_the_loss_by_hand(faces):
    model = fresh()
    model.configure()
    torch.manual_seed(5)
    batch = batches(faces, 8, seed=1).at(0)
    state = model.state_dict()
    torch.manual_seed(5)
    twin = fresh().train()
    twin.load_state_dict(state)
    torch.manual_seed(7)
    scores = twin(batch.images)
    losses = []
    hats = batch.factors["hat"] > 0
    assert 0 < hats.sum() < 8
    for name, factor in model.table.items():
        truth = batch.factors[name]
        if factor.values:
            p = scores[name].double().softmax(1)[torch.arange(8), truth]
            loss = -p.log() / math.log(len(factor.values))
        else:
            middle, half = (factor.low + factor.high) / 2, (factor.high - factor.low) / 2
            loss = ((scores[name] - (truth - middle) / half) ** 2).double() * 3
        losses.append(loss[hats].mean() if name == "hat_colour" else loss.mean())
    torch.manual_seed(7)
    found = model.train().training_step(batch)["loss"]
    assert float(found) == pytest.approx((sum(losses) / len(losses)).item(), rel=1e-5)
    moved = [not torch.equal(a, b) for a, b in zip(model.parameters(), twin.parameters(), strict=True)]
    assert all(moved), "every layer learns"


def test_images_without_factors_are_refused(faces):
    model = fresh()
    model.configure()
    with pytest.raises(CourseError, match="images: got images without factors, expected drawn portraits"):
        model.training_step(Batch(faces.images[:4], faces.labels[:4]))


def test_reading_against_closed_forms(faces):
    class Says(FactorReader):
        def factors(self, images, batch_size=500):
            return self.answer

    model = Says(classes=18, **SMALL)
    model.answer = dict(faces.factors)
    assert set(reading(model, faces).values()) == {1.0}
    model.answer |= {"smile": faces.factors["smile"].mean().expand(40), "hair": (faces.factors["hair"] + 1) % 18}
    model.answer["tilt"] = faces.factors["tilt"] + 3.0
    found = reading(model, faces)
    assert found["smile"] == pytest.approx(0, abs=1e-6)
    assert found["hair"] == 0
    assert found["tilt"] == pytest.approx(1 - 9 / float(faces.factors["tilt"].double().var(correction=0)), rel=1e-5)
    wrong = (torch.arange(40) % 4 == 0).long()
    model.answer["hair"] = (faces.factors["hair"] + wrong) % 18
    seen = {name: torch.ones(40, dtype=torch.bool) for name in model.table}
    assert reading(model, faces, seen)["hair"] == 0.75
    assert reading(model, faces, seen | {"hair": wrong == 0})["hair"] == 1.0
    assert math.isnan(reading(model, faces, seen | {"hair": torch.arange(40) == 3})["hair"])


def test_numbers_come_back_in_their_own_unit(faces):
    model = fresh().eval()
    factor = model.table["tilt"]
    places = place(torch.tensor([factor.low, 0.0, factor.high]), factor.low, factor.high)
    assert places.tolist() == [-1, 0, 1]
    score, read = model.scores(faces.images)["tilt"], model.factors(faces.images)["tilt"]
    assert torch.allclose(read, 9 * score.clamp(-1, 1))
    names = model.factors(faces.images)
    assert names["hair"].equal(model(faces.images)["hair"].argmax(1))


def test_labels_are_hair_or_season_and_time(faces):
    model = fresh().eval()
    assert torch.allclose(model.read(faces.images).sum(1), torch.ones(40))
    places = fresh("landscapes").eval()
    read, scores = places.read(faces.images), places.scores(faces.images)
    night = scores["time"].softmax(1)[:, 1]
    assert torch.allclose(read[:, 1] + read[:, 3], night)
    assert torch.allclose(read[:, 2] + read[:, 3], scores["season"].softmax(1)[:, 1])


def test_it_learns_and_the_training_is_like_any_other(faces):
    torch.manual_seed(0)
    run = training.fit(fresh(width=8), faces, steps=25, batch_size=20, view=Bar(silent=True))
    assert training.recent(run.losses)["loss"] < 0.9


def test_visible_is_what_changes_the_picture():
    found = worlds.visible("portraits", 30, seed=3)
    faces = data.load("portraits", count=30, seed=3, split="test")
    no_hat = faces.factors["hat"] == 0
    assert not found["hat_colour"][no_hat].any()
    assert found["hat"].float().mean() > 0.9
    assert found["background_colour"].all()
    dark = faces.factors["glasses"] == 4
    assert not found["eye_colour"][dark].any()
    strict = worlds.visible("portraits", 30, seed=3, least=100.0)
    assert all((found[name] | ~strict[name]).all() for name in found)
    assert not strict["hair_colour"].all()
    other = data.load("portraits", count=30, seed=3, split="test", hat_colour="teal").images
    pixels = (other - faces.images).abs().sum((1, 2, 3)) / 6
    assert (pixels[found["hat_colour"] & (faces.factors["hat_colour"] != 0)] >= 1).any()


@pytest.mark.parametrize(("world", "name"), [("portraits", "portrait_reader"), ("landscapes", "landscape_reader")])
def test_what_ships_reads_and_judges(world, name):
    reader = models.pretrained(name)
    images = data.load(world, count=500, split="test", masks=False)
    found = reading(reader, images)
    assert chapters.SHIPPED[name].data == world
    easy = (
        ("glasses", "background", "background_colour", "hat")
        if world == "portraits"
        else ("season", "time", "sky", "water")
    )
    assert min(found[factor] for factor in easy) > 0.9
    assert type(metrics.judge(images)) is FactorReader
    report = metrics.report(images.images[:200], images)
    assert report.frechet_distance < 1e-6
    assert report.frechet_distance < report.floor
