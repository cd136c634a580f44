"""The caption writer without a browser: what it draws, what it says of words, how fast."""

from __future__ import annotations

import pytest
import torch
from computation import median_seconds

from course_lib import data, show
from course_lib.errors import CourseError
from course_lib.gan.dcgan import DCGAN
from course_lib.gan.stackgan import SketchGAN, StackGAN

VIEW = "application/vnd.jupyter.widget-view+json"


def untrained(world: str = "strokes", size: int = 32, width: int = 4) -> StackGAN:
    torch.manual_seed(0)
    first = SketchGAN(world, latent=8, width=4, text=6, code=4)
    images = data.load(world, size=size, count=4, colour=True, masks=False)
    return StackGAN.for_data(images, first=first, width=width, blocks=1).eval()


def test_every_control_changes_picture_and_words():
    panel = show.widgets.caption_writer({"digits": untrained(), "faces": untrained("portraits")})
    for control, value in (("caption", "a thin blue four upright"), ("others", 3), ("world", "faces")):
        before, words = panel.png, panel.words
        panel.controls[control].value = value
        assert panel.png != before, control
        assert panel.words != words, control
        assert 'alt="' in panel.picture.value
    assert panel.values["caption"].startswith("a face with")
    assert [one.description for one in panel.lists.children] == ["hair", "colour", "glasses", "beard", "mouth"]


def test_a_word_is_swapped_for_another_of_its_kind():
    panel = show.widgets.caption_writer(untrained(), "a thick blue seven upright")
    lists = {one.description: one for one in panel.lists.children}
    assert [one.label for one in lists.values()] == ["thick", "blue", "seven", "upright"]
    lists["colour"].value = 3
    assert panel.values["caption"] == "a thick green seven upright"
    lists["thickness"].value = 1
    assert panel.values["caption"] == "a green seven upright"
    panel.set(caption="a pink nine leaning left")
    assert [one.label for one in lists.values()] == ["(nothing)", "pink", "nine", "leaning left"]


def test_the_same_caption_and_number_draw_the_same_pictures():
    panel = show.widgets.caption_writer(untrained(), "a thick blue seven upright")
    before = panel.png
    panel.set(others=4)
    assert panel.png != before
    panel.set(others=0)
    assert panel.png == before


def test_an_unknown_word_is_one_line_and_the_pictures_stay():
    panel = show.widgets.caption_writer(untrained(), "a thick blue seven upright")
    high = panel.painted.height
    panel.set(caption="a thick bleu seven upright")
    assert panel.words.startswith("caption: got the unknown word 'bleu', expected blue")
    assert "\n" not in panel.words
    assert panel.painted.height > 0.9 * high
    panel.set(caption="a thick blue seven upright")
    assert panel.words.startswith("Eight pictures")


def test_it_says_when_training_never_showed_a_combination():
    panel = show.widgets.caption_writer(untrained(), "a red zero upright")
    assert "never showed" in panel.words
    panel.set(caption="a red one upright")
    assert "never showed" not in panel.words


def test_words_in_any_order_are_drawn():
    panel = show.widgets.caption_writer(untrained(), "seven blue")
    assert panel.words.startswith("Eight pictures")


def test_one_output_holds_the_widget_and_its_still_picture():
    bundle = show.widgets.caption_writer(untrained())._repr_mimebundle_()
    assert {VIEW, "image/png", "text/html", "text/plain"} <= bundle.keys()


def test_a_change_takes_at_most_a_tenth_of_a_second_of_computation():
    panel = show.widgets.caption_writer(untrained(size=64, width=16))
    assert median_seconds(panel.controls["others"], [1, 2, 3, 4, 5]) <= 0.1


def test_bad_input_is_one_line():
    with pytest.raises(CourseError, match=r"^model: got DCGAN, expected a StackGAN"):
        show.widgets.caption_writer(DCGAN())
