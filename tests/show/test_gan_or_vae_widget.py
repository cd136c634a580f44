"""The contestants side by side without a browser: what is drawn, what is said, how fast."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from computation import median_seconds

from course_lib import models, show
from course_lib.errors import CourseError
from course_lib.gan.dcgan import slerp
from course_lib.gan.stable_training import R3GAN
from course_lib.show import gan_or_vae as panel_of
from course_lib.vae.autoencoders_to_vae import Autoencoder
from course_lib.vae.training_a_vae import VAE

VIEW = "application/vnd.jupyter.widget-view+json"


class Judge:
    """Reads how bright an image is: class 0 for black, 2 for white; half sure of what lies between."""

    def __init__(self):
        self.config, self.seen = {"size": 8}, []

    def read(self, images):
        self.seen.append(images)
        ink = (images.mean(dim=(1, 2, 3)) + 1) / 2
        return torch.stack([1 - ink, 0 * ink, ink], dim=1)


class Flat:
    """Draws grey images; the first number of the noise says how bright."""

    latent = 3

    def __init__(self, channels=1, size=8):
        self.channels, self.size, self.seen = channels, size, []

    def draw(self, noise):
        self.seen.append(noise)
        return noise[:, :1, None, None].sign().expand(-1, self.channels, self.size, self.size)


def trio() -> dict:
    torch.manual_seed(0)
    return {"GAN": R3GAN(), "VAE": VAE(), "autoencoder": Autoencoder()}


@pytest.fixture(scope="module")
def judge():
    return models.pretrained("classifier")


def test_each_slider_changes_picture_and_words(judge):
    panel = show.widgets.side_by_side(trio(), judge)
    for control, value in (("seed", 5), ("walk", 0.5), ("seed", 99), ("walk", 1.0)):
        before, frame, words = panel.png, panel.picture.frame, panel.words
        panel.controls[control].value = value
        assert panel.png != before
        assert panel.picture.frame["key"] != frame["key"]
        assert panel.words != words
        assert panel.picture.words == panel.words


def test_a_change_is_fast_enough_to_drag(judge):
    panel = show.widgets.side_by_side(trio(), judge)
    assert median_seconds(panel.controls["walk"], (0.1, 0.3, 0.5, 0.7, 0.9)) <= 0.15


def test_one_output_holds_the_widget_and_its_still_picture(judge):
    bundle = show.widgets.side_by_side(trio(), judge)._repr_mimebundle_()
    assert {VIEW, "image/png", "text/html", "text/plain"} <= bundle.keys()


def test_the_words_name_what_the_judge_reads():
    model, judge = Flat(), Judge()
    panel = show.widgets.side_by_side({"flat": model}, judge, ["black", "grey", "white"], count=4, seed=2)
    read = ["white" if bright else "black" for bright in model.seen[-1][:, 0] > 0]
    assert f"flat: {', '.join(read)} (100% sure on average)." in panel.words
    assert "4 images of each at seed 2, as the judge" in panel.words
    panel.set(walk=0.4)
    assert "seed 2, 40% of the way to seed 3" in panel.words


def test_a_reading_that_is_not_sure_is_a_question_mark():
    class Pale(Flat):
        def draw(self, noise):
            return super().draw(noise) * 0.0

    class Unsure(Judge):
        def read(self, images):
            return torch.tensor([[0.4, 0.3, 0.3]]).expand(len(images), -1)

    panel = show.widgets.side_by_side({"pale": Pale()}, Unsure(), count=3)
    assert "pale: ?, ?, ? (40% sure on average)" in panel.words


def test_the_walk_leads_to_the_noises_of_the_next_seed():
    model = Flat()
    panel = show.widgets.side_by_side({"flat": model}, Judge(), count=5, seed=7)
    start = model.seen[-1]
    panel.set(walk=1.0)
    end = model.seen[-1]
    panel.set(walk=0.0, seed=8)
    torch.testing.assert_close(model.seen[-1], end)
    panel.set(walk=0.5, seed=7)
    torch.testing.assert_close(model.seen[-1], slerp(start, end, torch.full((5,), 0.5)))


def test_the_browser_is_given_each_models_images_and_readings():
    model, judge = Flat(), Judge()
    panel = show.widgets.side_by_side({"flat": model, "again": model}, judge, count=4, seed=2)
    panel.set(walk=0.25)
    frame = panel.picture.frame
    assert (frame["key"], frame["shapes"], frame["sizes"]) == ([2, 5], [[1, 8, 8]] * 2, [4, 3])
    bright = model.seen[-1][:, 0] > 0
    images = np.frombuffer(frame["images1"], np.uint8).reshape(4, 8, 8)
    assert (images[:, 3, 3] == np.where(bright, 255, 0)).all()
    chances = np.frombuffer(frame["chances"], np.float32).reshape(2, 4, 3)
    assert (chances[1].argmax(axis=1) == np.where(bright, 2, 0)).all()


def test_a_stop_that_was_asked_for_ahead_is_not_drawn_again(monkeypatch):
    model = Flat()
    panel = show.widgets.side_by_side({"flat": model}, Judge())
    sent = []
    monkeypatch.setattr(panel.picture, "send", lambda content, buffers: sent.append(content["frame"]["key"]))
    for want in ([0, 8], [0, 21], [100, 0], [-1, 0], [0], [0, 0.5]):
        panel.picture._handle_custom_msg({"want": want}, [])
    assert sent == [[0, 8]]
    drawings = len(model.seen)
    panel.set(walk=0.4)
    assert panel.picture.frame["key"] == [0, 8]
    assert len(model.seen) == drawings


def test_every_model_draws_as_its_sample_does():
    contestants = trio()
    coder = contestants["autoencoder"]
    coder.fit_codes(torch.rand(60, 1, 28, 28) * 2 - 1)
    assert float(coder.code_mean.abs().max()) > 0
    for model in contestants.values():
        noise = torch.randn(6, model.latent, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(panel_of.drawn(model, noise), model.sample(6, seed=0))


@pytest.mark.parametrize(("channels", "size"), [(3, 8), (1, 12), (3, 32)])
def test_colour_and_other_sizes(channels, size):
    judge = Judge()
    panel = show.widgets.side_by_side({"flat": Flat(channels, size)}, judge)
    assert judge.seen[-1].shape == (9, channels, 8, 8)  # what the judge is used to
    before = panel.png
    panel.set(seed=3)
    assert panel.png != before


def test_what_cannot_draw_is_refused():
    with pytest.raises(CourseError, match=r"models: 'wall' is a Linear, expected one with \.latent and \.draw"):
        show.widgets.side_by_side({"wall": torch.nn.Linear(2, 2)}, Judge())
    with pytest.raises(CourseError, match="models: got none"):
        show.widgets.side_by_side({}, Judge())


def test_modes_and_the_global_random_state_stay(judge):
    contestants = {label: model.train() for label, model in trio().items()}
    state = torch.get_rng_state()
    show.widgets.side_by_side(contestants, judge).set(seed=4, walk=0.3)
    assert all(model.training for model in contestants.values())
    assert torch.equal(state, torch.get_rng_state())
