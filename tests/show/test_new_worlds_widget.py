"""The portrait editor: a control for every factor, what it tells of the parts, its speed."""

from __future__ import annotations

import pytest
import torch
from computation import median_seconds

from course_lib.data import portraits
from course_lib.errors import CourseError
from course_lib.show import new_worlds, paint
from course_lib.show.panel import inside


@pytest.fixture(scope="module")
def panel():
    return new_worlds.portrait_editor(3, size=32)


@pytest.fixture(autouse=True)
def begun(panel):
    panel.number.value = 0
    panel.number.value = 3


def test_it_begins_with_a_portrait_of_the_sheet(panel):
    wanted = portraits.draw(4, size=32)[3:4]
    assert wanted.captions[0] in panel.words
    got = portraits.draw(1, size=32, **{k: v for k, v in panel.values.items() if k != "size"})
    assert (got.images - wanted.images).abs().mean() < 0.01  # numbers are rounded to two decimals
    assert torch.equal(got.factors["hair"], wanted.factors["hair"])


def test_every_factor_is_a_control_on_the_page_and_changes_the_picture(panel):
    assert panel.values.keys() == portraits.FACTORS.keys() | {"size"}
    assert {*panel.controls.values()} <= {*inside(panel.box)}
    panel.set(hat=2, glasses=1, beard=4, earrings=1, open=0.6, freckles=0, pattern=1, background=2, blush=0.5)
    for name, factor in portraits.FACTORS.items():
        before, control = panel.picture.picture, panel.controls[name]
        control.value = (control.value + 1) % len(factor.values) if factor.values else factor.low
        assert panel.picture.picture != before, name


def test_the_picture_is_there_once_and_nothing_says_null_under_the_pointer(panel):
    widgets = list(inside(panel.box))
    assert widgets.count(panel.picture) == 1
    assert all(widget.tooltip is not None for widget in widgets if hasattr(widget, "tooltip"))


def test_labels_are_the_parts_of_the_pixels(panel):
    drawn = portraits.draw(1, size=32, **{k: v for k, v in panel.values.items() if k != "size"})
    view = panel.picture
    assert len(view.labels) == view.side**2 == 32**2
    assert [ord(one) - 65 for one in view.labels] == drawn.masks[0].argmax(0).flatten().tolist()
    assert len(view.lines) == len(view.parts) == len(portraits.PARTS)
    share = float(drawn.mask("hair")[0].mean())
    assert view.lines[list(view.parts).index("hair")].startswith(f"hair: {share:.0%} of the picture. Changed by face, ")
    panel.set(hat=0)
    assert view.lines[list(view.parts).index("hat")].startswith("hat: not seen. ")


def test_words_tell_what_was_moved(panel):
    assert ";" not in panel.words
    panel.set(smile=-0.4, glasses=1)
    assert panel.words.endswith("; smile -0.40, glasses round.")
    assert "round glasses" in panel.words


def test_the_still_picture_outlines_a_part(panel):
    painted = panel.painted()
    assert painted.width == new_worlds.SIDE < painted.height
    colours = {colour for _, colour in painted.getcolors(100_000)}
    assert {paint.ORANGE, paint.PAPER} <= colours
    assert {"text/html", "image/png"} <= panel._repr_mimebundle_().keys()


def test_a_change_takes_at_most_fifty_milliseconds():
    big = new_worlds.portrait_editor(size=128)
    assert median_seconds(big.controls["smile"], [0.1, 0.2, 0.3, 0.4, 0.5] * 2) <= 0.05


@pytest.mark.parametrize(("settings", "words"), [({"number": 100}, "number: got 100"), ({"size": 33}, "size: got 33")])
def test_bad_input_is_one_line(settings, words):
    with pytest.raises(CourseError, match=words):
        new_worlds.portrait_editor(**settings)
