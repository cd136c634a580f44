"""The curtain without a browser: what it shows on each side, what it says, how fast."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from computation import median_seconds
from PIL import Image

from course_lib import show
from course_lib.errors import CourseError
from course_lib.show import paint
from course_lib.show.cyclegan import SIDE, Way, under

VIEW = "application/vnd.jupyter.widget-view+json"


def flat(*values: float, channels: int = 3, size: int = 8) -> torch.Tensor:
    return torch.tensor(values)[:, None, None, None].expand(-1, channels, size, size).contiguous()


def panel(truths: bool = True):
    there = Way(flat(-1, -0.5), flat(0.5, 0.4), flat(1, 0.9) if truths else None)
    return show.widgets.curtain({"summer to winter": there, "winter to summer": Way(flat(0, 0.1), flat(0.2, 0.3))})


@pytest.mark.parametrize(
    ("control", "value"), [("curtain", 0.2), ("place", 1), ("way", "winter to summer"), ("truth", True)]
)
def test_every_control_changes_picture_and_words(control, value):
    made = panel()
    before, words = made.png, made.words
    made.controls[control].value = value
    assert made.png != before
    assert made.words != words
    assert made.picture.words == made.words


def test_what_hangs_where():
    made = panel()
    names = [look["name"] for look in made.picture.pictures]
    assert names == ["real: summer", "generated: winter"]
    assert [look["colour"] for look in made.picture.pictures] == [paint.hex_code(c) for c in (paint.BLUE, paint.ORANGE)]
    assert all(look["url"].startswith("data:image/png;base64,") for look in made.picture.pictures)
    made.set(truth=True, curtain=0.25)
    assert made.picture.pictures[1]["name"] == "true winter"
    assert "The left 25% is the real picture, the rest is its true counterpart." in made.words
    made.set(truth=False)
    assert "Generated and truth differ by 63.8 grey levels a pixel, the picture itself by 255.0." in made.words


def test_where_the_truth_is_not_known_it_says_so():
    made = panel(truths=False)
    assert "grey levels" not in made.words
    made.set(truth=True)
    assert "Nobody knows the truth of these worlds." in made.words
    assert made.picture.pictures[1]["name"] == "generated: winter"


def test_a_moved_curtain_sends_no_pictures_again():
    made = panel()
    sent = []
    made.picture.observe(sent.append, "pictures")
    made.controls["curtain"].value = 0.9
    assert not sent
    made.controls["place"].value = 1
    assert len(sent) == 1


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_the_still_has_the_seam_where_the_curtain_hangs(share):
    black, white = (flat(value)[0] for value in (-1.0, 1.0))
    picture = np.asarray(under((black, "a", paint.BLUE), (white, "b", paint.ORANGE), share))[40:, :, 0]
    seam = round(share * SIDE)
    assert (picture[:, : max(0, seam - 4)] == 0).all()
    assert (picture[:, seam + 4 :] == 255).all()


def test_a_change_takes_at_most_fifty_milliseconds_of_computation():
    assert median_seconds(panel().controls["curtain"], [0.1, 0.3, 0.5, 0.7] * 2) <= 0.05


def test_one_output_holds_the_widget_and_its_still_picture():
    made = panel()
    assert {VIEW, "image/png", "text/html", "text/plain"} <= made._repr_mimebundle_().keys()
    assert isinstance(made.painted(), Image.Image)


@pytest.mark.parametrize(
    ("ways", "words"),
    [
        ({}, "ways: got none"),
        ({"summer": Way(flat(0), flat(0))}, "ways: got the name 'summer'"),
        ({"a to b": Way(flat(0), flat(0, 1))}, "ways: 'a to b' has images"),
    ],
)
def test_bad_input_is_one_line(ways, words):
    with pytest.raises(CourseError, match=words):
        show.widgets.curtain(ways)
