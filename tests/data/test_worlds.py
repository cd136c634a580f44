"""Portraits and landscapes by name: the same bits from disk, factors that can be fixed, masks that can be left out."""

from __future__ import annotations

import pytest
import torch

from course_lib import data
from course_lib.data import cache, landscapes, portraits, worlds
from course_lib.errors import CourseError

MODULES = {"portraits": portraits, "landscapes": landscapes}


@pytest.fixture(autouse=True)
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def same(a, b) -> bool:
    return (
        torch.equal(a.images, b.images)
        and torch.equal(a.labels, b.labels)
        and torch.equal(a.masks, b.masks)
        and list(a.factors) == list(b.factors)
        and all(torch.equal(a.factors[name], b.factors[name]) for name in a.factors)
        and list(a.captions) == list(b.captions)
        and (a.name, a.parts, a.class_names) == (b.name, b.parts, b.class_names)
    )


@pytest.mark.parametrize("name", data.WORLDS)
@pytest.mark.parametrize("masks", [True, False])
def test_what_is_loaded_is_what_is_drawn_and_the_second_time_it_is_read(name, masks, monkeypatch, capfd):
    module = MODULES[name]
    expected = module.draw(7, 20, 5, split="test", masks=masks)
    settings = dict(size=20, count=7, seed=5, split="test", masks=masks)
    assert same(data.load(name, **settings), expected)
    monkeypatch.setattr(module, "draw", None)  # nothing is drawn now
    assert same(data.load(name, **settings), expected)
    assert capfd.readouterr().err == ""
    assert (expected.masks.shape[1] > 0) == masks


def test_fixed_factors_have_a_file_of_their_own_and_leave_the_rest_of_the_picture():
    free = data.load("landscapes", count=9, seed=1)
    summer, winter = (data.load("landscapes", count=9, seed=1, season=season) for season in ("summer", "winter"))
    for place in (summer, winter):
        assert torch.equal(place.factors["trees"], free.factors["trees"])
    assert not torch.equal(summer.images, winter.images)
    each = data.load("portraits", count=3, smile=[-0.4, 0.3, 1.0])
    assert each.factors["smile"].tolist() == pytest.approx([-0.4, 0.3, 1.0])
    again = data.load("portraits", count=3, smile=torch.tensor([-0.4, 0.3, 1.0]))
    assert same(each, again)


def test_the_sets_have_their_sizes():
    assert data.load("portraits", count=2).images.shape == (2, 3, 32, 32)
    assert data.load("portraits", count=2, size=16).masks.shape == (2, len(portraits.PARTS), 16, 16)
    assert worlds.COUNTS == {"train": 20_000, "test": 5_000}


def test_bad_arguments_are_one_line():
    with pytest.raises(CourseError, match=r"^size: got 129, expected a whole number, 16 to 128$"):
        data.load("portraits", size=129)
    with pytest.raises(CourseError, match=r"^overrides: got the factor 'smell', expected one of face, width"):
        data.load("portraits", count=2, smell=1.0)
    with pytest.raises(CourseError, match=r"^season: got 'autumn', expected summer, winter$"):
        data.load("landscapes", count=2, season="autumn")
    with pytest.raises(CourseError, match=r"^smile: a factor can be fixed in portraits and landscapes only, and this"):
        data.load("strokes", count=2, smile=1.0)
    with pytest.raises(
        CourseError, match=r"^name: got 'portrait', expected one of strokes, portraits, landscapes, mni"
    ):
        data.load("portrait")


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (lambda t: t.pop("masks"), "it lacks masks"),
        (lambda t: t.update(images=t["images"].float()), "it has images of torch.float32"),
        (lambda t: t.update({"factor smile": t["factor smile"].long()}), "it has factor smile of torch.int64"),
        (lambda t: t.update(labels=t["labels"][1:]), "it has labels of torch.int64"),
    ],
)
def test_a_file_of_something_else_is_drawn_again(broken, told, root, capfd):
    first = data.load("portraits", count=4)
    (path,) = (root / "portraits").glob("*.safetensors")
    tensors = worlds._pack(first)
    broken(tensors)
    cache._write(path, path.name, tensors)
    assert same(data.load("portraits", count=4), first)
    error = capfd.readouterr().err
    assert told in error
    assert error.count("\n") == 1


def test_the_key_follows_the_drawing_program(monkeypatch, tmp_path):
    before = {name: worlds._sources(name) for name in data.WORLDS}
    assert before["portraits"] != before["landscapes"]
    strokes = cache._sources()
    folder = tmp_path / "data"
    folder.mkdir()
    for path in worlds.Path(worlds.__file__).parent.glob("*.py"):
        (folder / path.name).write_bytes(path.read_bytes())
    with (folder / "portrait_hair.py").open("a") as file:
        file.write("# other hair\n")
    monkeypatch.setattr(worlds, "__file__", str(folder / "worlds.py"))
    monkeypatch.setattr(cache, "__file__", str(folder / "cache.py"))
    assert worlds._sources("portraits") != before["portraits"]
    assert worlds._sources("landscapes") == before["landscapes"]
    assert cache._sources() == strokes


@pytest.mark.parametrize(("name", "factor"), [(name, factor) for name in data.WORLDS for factor in worlds.NEEDS[name]])
def test_where_a_factor_is_not_painted_it_changes_nothing(name, factor):
    kind = {"portraits": portraits, "landscapes": landscapes}[name]
    drawn = kind.draw(80, seed=3, masks=False)
    table = kind.FACTORS[factor]
    values = range(len(table.values)) if table.values else (table.low, table.high)
    changed = torch.zeros(80, dtype=torch.bool)
    for value in values:
        changed |= (kind.draw(80, seed=3, masks=False, **{factor: value}).images != drawn.images).flatten(1).any(1)
    painted = worlds.painted(name, drawn.factors)[factor]
    assert not changed[~painted].any()
    assert changed[painted].float().mean() > 0.5
    everything_else = set(kind.FACTORS) - set(worlds.NEEDS[name])
    assert all(worlds.painted(name, drawn.factors)[other].all() for other in everything_else)
