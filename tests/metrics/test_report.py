"""The judge and its report: what real images, missing classes, noise and blur look like in figures."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from importlib import import_module, resources

import pytest
import torch
from PIL import Image
from torch.nn import functional as F

from course_lib import data, metrics, models, training
from course_lib.cnn.training_a_cnn import Classifier
from course_lib.data.imageset import ImageSet
from course_lib.data.strokes import draw
from course_lib.errors import CourseError
from course_lib.metrics.judge import fitted
from course_lib.training.progress import Bar

report_of = import_module("course_lib.metrics.report")  # the package has a function of that name


@pytest.fixture(scope="module")
def few(tmp_path_factory):
    """1,500 drawn test digits and others that no one has seen; the cache stays out of the way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield data.load("strokes", split="test", count=1500), draw(1500, seed=77)


def test_unseen_digits_stand_at_the_floor(few):
    test, fresh = few
    report = metrics.report(fresh.images, test, fresh.labels)
    assert report.frechet_distance < 1.5 * report.floor
    assert report.precision > 0.8
    assert report.recall > 0.8
    assert report.as_ordered > 0.97
    assert report.kl_to_uniform < 0.01
    assert sum(report.class_shares) == pytest.approx(1)
    assert report.images == 1500


def test_a_dropped_class_shows_in_coverage_and_recall(few):
    test, fresh = few
    kept = fresh.images[(fresh.labels != 3) & (fresh.labels != 7)]
    whole, part = metrics.report(fresh.images[: len(kept)], test), metrics.report(kept, test)
    assert part.class_shares[3] < 0.02
    assert part.kl_to_uniform > 0.15
    assert part.recall < whole.recall - 0.08
    assert part.precision > 0.8
    assert part.frechet_distance > 5 * whole.frechet_distance


def test_noise_and_blur_are_noticed(few):
    test, fresh = few
    noise = torch.rand(1500, 1, 28, 28, generator=torch.Generator().manual_seed(0)) * 2 - 1
    report = metrics.report(noise, test)
    assert report.precision < 0.02
    assert report.recall < 0.02
    assert report.frechet_distance > 100 * report.floor
    blurred = F.avg_pool2d(fresh.images, 5, stride=1, padding=2, count_include_pad=False)
    assert metrics.report(blurred, test).frechet_distance > 3 * report.floor


def test_orders_that_are_ignored_are_noticed(few):
    test, fresh = few
    report = metrics.report(fresh.images, test, (fresh.labels + 1) % 10)
    assert report.as_ordered < 0.05
    assert "as_ordered" not in metrics.report(fresh.images[:100], test).figures()


def test_features_are_the_judges_own_in_float64(few):
    test, _ = few
    network = metrics.judge(test)
    found = metrics.features(network, test.images[:7], batch_size=3)
    with torch.no_grad():
        wanted = network.eval().features(test.images[:7])
    assert found.dtype == torch.float64
    torch.testing.assert_close(found.float(), wanted)


def test_other_sizes_are_fitted_to_the_judge(few):
    test, _ = few
    assert fitted(test.images[:2], 28) is not None
    assert torch.equal(fitted(test.images[:2], 28), test.images[:2])
    assert fitted(torch.zeros(2, 1, 40, 40), 28).shape == (2, 1, 28, 28)


def test_the_judge_of_mnist_and_of_drawn_digits_differ(few):
    test, _ = few
    mine = metrics.judge(test)
    other = metrics.judge(replace(test[:4], name="mnist"))
    assert not torch.equal(mine.to_logits.weight, other.to_logits.weight)
    assert torch.equal(mine.to_logits.weight, models.pretrained("classifier").to_logits.weight)


def test_a_judge_of_ones_own(few, monkeypatch, tmp_path):
    test, _ = few
    train = draw(200, seed=1)
    training.fit(Classifier.for_data(train), train, steps=1, device="cpu", folder=tmp_path)
    monkeypatch.setenv("COURSE_JUDGE", str(tmp_path))
    assert metrics.judge(test).config == Classifier.for_data(train).config
    coloured = replace(test, images=test.images.repeat(1, 3, 1, 1))
    with pytest.raises(CourseError, match="COURSE_JUDGE: got a judge of 1 channels and 10 classes, expected 3 and 10"):
        metrics.judge(coloured)


def test_a_judge_that_cannot_be_one_is_named_by_where_it_came_from(few, monkeypatch, tmp_path):
    test, _ = few
    two = ImageSet(test.images[:4], test.labels[:4] % 2, class_names=("even", "odd"), name="strokes")
    with pytest.raises(CourseError, match="the judge for strokes: got a judge of 1 channels and 10 classes, expected"):
        metrics.judge(two)
    folder = resources.files("course_lib") / "checkpoints"
    monkeypatch.setenv("COURSE_JUDGE", str(folder / "conditional_gan.safetensors"))
    with pytest.raises(CourseError, match="COURSE_JUDGE: got a model 'conditional_gan', expected a 'classifier'"):
        metrics.judge(test)


@pytest.fixture
def coloured(monkeypatch, tmp_path):
    """300 training and 100 test digits in colour, for which no judge ships; the cache is empty."""
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    monkeypatch.setenv("COURSE_BUDGET", "smoke")
    monkeypatch.setattr(data, "DRAWN", {"train": 300, "test": 100})
    return data.load("strokes", split="test", colour=True)


def kept_judges(cache):
    return sorted((cache / "judges").glob("*.safetensors"))


def test_where_no_judge_ships_one_is_trained_once(coloured, tmp_path, capsys):
    first = metrics.judge(coloured)
    assert "no judge ships for strokes, 3 channels" in capsys.readouterr().err
    again = metrics.judge(coloured)
    assert "no judge" not in capsys.readouterr().err
    assert torch.equal(first.to_logits.weight, again.to_logits.weight)
    assert first.config["channels"] == 3
    assert len(kept_judges(tmp_path)) == 1


def interrupted_in_step(number, monkeypatch, send):
    original = Classifier.training_step

    def step(self, batch):
        if self.steps_done == number:
            send()
        return original(self, batch)

    monkeypatch.setattr(Classifier, "training_step", step)
    return lambda: monkeypatch.setattr(Classifier, "training_step", original)


@pytest.mark.parametrize(
    ("number", "ends"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)], ids=["ctrl-c", "sigterm"]
)
def test_half_a_judge_is_not_kept(coloured, monkeypatch, tmp_path, capsys, number, ends):
    mend = interrupted_in_step(2, monkeypatch, lambda: os.kill(os.getpid(), number))
    with pytest.raises(ends):
        metrics.judge(coloured)
    assert not kept_judges(tmp_path)
    mend()
    capsys.readouterr()
    whole = metrics.judge(coloured)
    assert "training one, once" in capsys.readouterr().err
    assert torch.equal(whole.to_logits.weight, metrics.judge(coloured).to_logits.weight)


def test_a_judge_that_diverges_is_one_line_and_not_kept(coloured, monkeypatch, tmp_path):
    def step(self, batch):
        return {"loss": torch.tensor(torch.nan)}

    monkeypatch.setattr(Classifier, "training_step", step)
    with pytest.raises(CourseError, match="judge: its training on strokes diverged; name one of your own"):
        metrics.judge(coloured)
    assert not kept_judges(tmp_path)


def test_a_damaged_judge_is_made_again(coloured, tmp_path, capsys):
    first = metrics.judge(coloured)
    (file,) = kept_judges(tmp_path)
    file.write_bytes(file.read_bytes()[:-3])
    again = metrics.judge(coloured)
    assert "is damaged" in capsys.readouterr().err
    assert torch.equal(first.to_logits.weight, again.to_logits.weight)


def test_two_projects_that_name_their_data_alike_do_not_share_a_judge(monkeypatch, tmp_path, capsys):
    """`folder:images` twice, in two working directories; then a class is added to one of them."""
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("COURSE_BUDGET", "smoke")
    judges = []
    for project, level in (("one", 60), ("two", 200)):
        for name in ("dark", "light"):
            folder = tmp_path / project / "images" / name
            folder.mkdir(parents=True)
            for i in range(80):
                Image.new("L", (16, 16), level + (i if name == "light" else -i // 2)).save(folder / f"{i:02d}.png")
        monkeypatch.chdir(tmp_path / project)
        judges.append(metrics.judge(data.load("folder:images", split="test", size=16)))
    assert not torch.equal(judges[0].to_logits.weight, judges[1].to_logits.weight)
    assert len(kept_judges(tmp_path / "cache")) == 2
    third = tmp_path / "two" / "images" / "striped"
    third.mkdir()
    for i in range(40):
        Image.new("L", (16, 16), 3 * i).save(third / f"{i:02d}.png")
    assert metrics.judge(data.load("folder:images", split="test", size=16)).config["classes"] == 3
    monkeypatch.chdir(tmp_path)
    capsys.readouterr()
    metrics.judge(data.load(f"folder:{tmp_path}/one/images", split="test", size=16))
    assert "training one" not in capsys.readouterr().err
    assert len(kept_judges(tmp_path / "cache")) == 3


def counted(monkeypatch) -> list[int]:
    """How many images the judge looked at, call by call."""
    seen: list[int] = []

    def features(network, images, batch_size=500):
        seen.append(len(images))
        return metrics.features(network, images, batch_size)

    monkeypatch.setattr(report_of, "features", features)
    monkeypatch.setattr(report_of, "KNOWN", {})
    return seen


def test_the_real_side_of_a_report_is_computed_once(few, monkeypatch):
    test, fresh = few
    seen = counted(monkeypatch)
    first = metrics.report(fresh.images[:50], test)
    assert seen == [50, 50, 50]  # test, training and generated images
    assert metrics.report(fresh.images[:50], test) == first
    assert seen == [50, 50, 50, 50]
    report_of.KNOWN.clear()
    assert metrics.report(fresh.images[:50], test) == first


def test_what_has_changed_is_computed_again(few, monkeypatch, tmp_path):
    """Other test images, another number of them, other training images and another judge, all under the same name."""
    test, fresh = few
    seen = counted(monkeypatch)
    before = metrics.report(fresh.images[:50], test)
    metrics.report(fresh.images[:40], test)
    assert seen[3:] == [40, 40, 40]
    lighter = ImageSet(test.images.clone(), test.labels, name=test.name)
    lighter.images[7, 0, 5, 6] += 0.01
    assert metrics.report(fresh.images[:50], lighter).floor != before.floor
    test.images[3, 0, 4, 4] += 0.5  # the same tensor, changed in place
    changed = metrics.report(fresh.images[:50], test)
    test.images[3, 0, 4, 4] -= 0.5
    assert changed.floor != before.floor
    monkeypatch.setattr(data, "load", lambda *_, **options: draw(options["count"], seed=5))  # another data root
    assert metrics.report(fresh.images[:50], test).floor != before.floor
    train = draw(128, seed=1)
    training.fit(Classifier.for_data(train), train, steps=1, device="cpu", folder=tmp_path, view=Bar(silent=True))
    monkeypatch.setenv("COURSE_JUDGE", str(tmp_path))
    assert metrics.report(fresh.images[:50], test).frechet_distance != before.frechet_distance
    assert seen[6:] == [50, 50, 50] * 4
    assert len(report_of.KNOWN) == report_of.KEPT


def test_more_fakes_than_real_images_are_refused(few):
    test, fresh = few
    with pytest.raises(CourseError, match="fakes: got 20, expected at most 10, the number of test images"):
        metrics.report(fresh.images[:20], test[:10])
