"""The digit press without a browser: what it draws, what it says, how fast."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from computation import median_seconds

from course_lib import show
from course_lib.cnn.training_a_cnn import Classifier
from course_lib.errors import CourseError
from course_lib.gan.conditional_gan import ConditionalGAN
from course_lib.gan.dcgan import DCGAN
from course_lib.show import conditional_gan as press

VIEW = "application/vnd.jupyter.widget-view+json"


class Obvious(ConditionalGAN):
    """Paints a flat image: its brightness is the class, plus a little of the noise. `between` mixes two of them."""

    def draw(self, noise, labels=None, batch_size=1000):
        return self.flat(noise, labels.float())

    def between(self, noise, start, end, share):
        return self.flat(noise, (1 - share) * start + share * end)

    def flat(self, noise, value):
        pixels = value / 10 + 0.01 * noise.mean(dim=1)
        return pixels.clamp(-1, 1)[:, None, None, None].expand(-1, 1, 28, 28)


class Echo(Classifier):
    """Reads the class off the brightness."""

    def read(self, images, batch_size=1000):
        read = (10 * images.mean(dim=(1, 2, 3))).round().long().clamp(0, 9)
        return torch.nn.functional.one_hot(read, 10).float()


def panel(**options):
    torch.manual_seed(0)
    return show.widgets.digit_press(ConditionalGAN(), Classifier(), **options)


@pytest.mark.parametrize(
    ("control", "value"),
    [("order", 7), ("morph", 0.5), ("hand", 12), ("number", "314"), ("hands", 5)],
)
def test_every_control_changes_picture_and_words(control, value):
    made = panel()
    before, words = made.png, made.words
    made.controls[control].value = value
    assert made.png != before
    assert made.words != words
    assert made.picture.words == made.words


def test_the_second_class_shows_in_the_strip():
    made = panel()
    before = made.png
    made.controls["towards"].value = 1
    assert made.png != before


@pytest.mark.parametrize(("control", "limit"), [("morph", 0.01), ("hand", 0.1)])
def test_a_change_takes_little_computation(control, limit):
    made = panel()
    made.set(number="20262026", hands=5)
    places = [0.1, 0.3, 0.5, 0.7, 0.9] if control == "morph" else range(10, 15)
    assert median_seconds(made.controls[control], places) <= limit


def test_the_browser_is_given_the_whole_way_and_only_when_it_changes():
    made = show.widgets.digit_press(Obvious(), Echo())
    made.set(order=2, towards=8, hand=4)
    frame = made.picture.frame
    assert frame["key"] == [2, 8, 4]
    images = np.frombuffer(frame["images"], np.uint8).reshape(press.STOPS, 28, 28)
    middle = 0.5 + 0.01 * float(press.hand_of(Obvious(), 4).mean())
    assert images[10, 0, 0] == round((middle + 1) * 127.5)
    assert (np.diff(images[:, 0, 0].astype(int)) > 0).all()
    read = np.frombuffer(frame["chances"], np.float32).reshape(press.STOPS, 10).argmax(axis=1)
    assert list(read[[0, 10, 20]]) == [2, 5, 8]
    made.set(morph=0.35)
    assert made.picture.frame is frame


def test_what_the_browser_asks_for_ahead_is_sent_and_nonsense_is_not(monkeypatch):
    made = show.widgets.digit_press(Obvious(), Echo())
    sent = []
    monkeypatch.setattr(made.picture, "send", lambda content, buffers: sent.append((content, buffers)))
    for want in ([2, 8, 5], [2, 8, 100], [2, 10, 0], [2, 8, "5"], None):
        made.picture._handle_custom_msg({"want": want}, [])
    ((content, buffers),) = sent
    assert content == {"frame": {"key": [2, 8, 5]}, "names": ["images", "chances"]}
    made.set(order=2, towards=8, hand=5)
    assert [made.picture.frame["images"], made.picture.frame["chances"]] == buffers


def test_one_output_holds_the_widget_and_its_still_picture():
    assert {VIEW, "image/png", "text/html", "text/plain"} <= panel()._repr_mimebundle_().keys()


def test_what_is_ordered_is_drawn_and_read():
    made = show.widgets.digit_press(Obvious(), Echo())
    for order in range(10):
        made.set(order=order, morph=0.0)
        assert f"Ordered is {order}, by hand 0. The judge reads {order} with probability 100%" in made.words
    made.set(order=2, towards=8, morph=1.0)
    assert "Ordered is 2, 100% of the way to 8, by hand 0. The judge reads 8" in made.words
    made.set(morph=0.5)
    assert "The judge reads 5" in made.words


def test_without_a_judge_nobody_reads():
    assert "judge" not in show.widgets.digit_press(ConditionalGAN()).words


def test_a_number_is_written_left_to_right_once_by_each_hand(monkeypatch):
    seen = []
    monkeypatch.setattr(
        press.paint, "enlarged", lambda image, side: seen.append(image) or press.Image.new("RGB", (9, 9))
    )
    model = Obvious()
    noise = torch.cat([press.hand_of(model, 4), press.hand_of(model, 5)])
    press.sheet(press.written(model, noise, [3, 0, 9]), 3)
    rows = seen[0][0].unflatten(0, (2, 28)).unflatten(2, (3, 28))[:, 0, :, 0]  # one pixel of each image
    torch.testing.assert_close(rows, torch.tensor([0.3, 0.0, 0.9]) + 0.01 * noise.mean(dim=1)[:, None])


def test_what_is_no_digit_is_left_out():
    made = show.widgets.digit_press(ConditionalGAN(classes=4), names="abcd")
    made.set(number=" 1x9²3-0 ")
    assert "Beside it stands b d a, written by 3 hands." in made.words
    made.set(number="")
    assert "Beside it" not in made.words
    made.set(number="0" * 50)
    assert made.words.count("a a") == 4, "no more than eight"


def test_the_same_hand_draws_the_same():
    made = panel()
    first = made.png
    made.controls["hand"].value = 50
    made.controls["hand"].value = 0
    assert made.png == first


def test_models_that_take_no_orders_are_refused():
    with pytest.raises(CourseError, match="model: got DCGAN, expected a ConditionalGAN"):
        show.widgets.digit_press(DCGAN())
    with pytest.raises(CourseError, match="names: got 10, expected 4"):
        show.widgets.digit_press(ConditionalGAN(classes=4))
