"""The style mixer without a browser: what it draws, what it says, how fast."""

from __future__ import annotations

import pytest
import torch
from computation import median_seconds

from course_lib import show
from course_lib.errors import CourseError
from course_lib.gan.dcgan import DCGAN
from course_lib.gan.stylegan import StyleGAN, groups_of, truncate
from course_lib.show import stylegan as mixer

VIEW = "application/vnd.jupyter.widget-view+json"


def untrained(size: int = 16, width: int = 4) -> StyleGAN:
    torch.manual_seed(0)
    return StyleGAN(size=size, latent=6, style=5, width=width).eval()


def a_direction() -> dict[str, torch.Tensor]:
    return {"smile": torch.tensor([1.0, 0.0, 0.0, 0.0, 0.0]), "hat": torch.tensor([0.0, 1.0, 0.0, 0.0, 0.0])}


def watched(model: StyleGAN) -> list[torch.Tensor]:
    """The styles of each call of `paint`."""
    seen, paint = [], model.paint
    model.paint = lambda styles: seen.append(styles) or paint(styles)
    return seen


def test_every_control_changes_picture_and_words():
    panel = show.widgets.style_mixer(untrained(), a_direction())
    moves = (("a", 5), ("b", 7), ("coarse", "B"), ("middle", "B"), ("fine", "A"), ("psi", 0.9), ("push", 2.0))
    for control, value in (*moves, ("direction", "hat")):
        before, words = panel.png, panel.words
        panel.controls[control].value = value
        assert panel.png != before, control
        assert panel.words != words, control
        assert 'alt="' in panel.picture.value


def test_switches_take_the_styles_of_their_layers_and_truncation_comes_after():
    model = untrained()
    seen = watched(model)
    panel = show.widgets.style_mixer(model)
    panel.set(a=3, b=4, coarse="A", middle="B", fine="A", psi=0.6)
    first, second = (truncate(model.styles(mixer.code(model, seed)), model.centre(), 0.6)[0] for seed in (3, 4))
    a, b, mixed = seen[-1][:3]
    torch.testing.assert_close(a, first)
    torch.testing.assert_close(b, second)
    middle = groups_of(16)["middle"]
    for layer in range(model.layers):
        torch.testing.assert_close(mixed[layer], (second if layer in middle else first)[layer])


def test_a_push_is_added_in_every_layer_to_the_mixed_face_alone():
    model = untrained()
    seen = watched(model)
    panel = show.widgets.style_mixer(model, a_direction())
    panel.set(direction="smile", push=0.0)
    before = seen[-1]
    panel.set(push=2.0)
    torch.testing.assert_close(seen[-1][:2], before[:2])
    torch.testing.assert_close(seen[-1][2] - before[2], 2 * a_direction()["smile"].expand(model.layers, -1))


def test_both_strips_can_be_dragged():
    panel = show.widgets.style_mixer(untrained(), a_direction())
    assert len(panel.picture.areas) == 2
    panel.picture.spot = [0, 0.5, 0.5, 1]
    assert panel.values["psi"] == pytest.approx(0.6)
    panel.picture.spot = [1, 1.0, 0.5, 2]
    assert panel.values["push"] == pytest.approx(mixer.PUSH)
    panel.set(direction=mixer.NOTHING)
    assert len(panel.picture.areas) == 1


def test_one_output_holds_the_widget_and_its_still_picture():
    bundle = show.widgets.style_mixer(untrained())._repr_mimebundle_()
    assert {VIEW, "image/png", "text/html", "text/plain"} <= bundle.keys()


def test_a_change_takes_at_most_fifty_milliseconds_of_computation():
    panel = show.widgets.style_mixer(untrained(32, 16), a_direction())
    assert median_seconds(panel.controls["psi"], [0.1, 0.2, 0.3, 0.4, 0.6, 0.8, 0.9]) <= 0.05


def test_bad_input_is_one_line():
    with pytest.raises(CourseError, match=r"^model: got DCGAN, expected a StyleGAN"):
        show.widgets.style_mixer(DCGAN())
    with pytest.raises(CourseError, match=r"^directions: got \[3\] for 'smile', expected \[5\]"):
        show.widgets.style_mixer(untrained(), {"smile": torch.zeros(3)})
