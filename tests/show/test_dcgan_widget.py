"""The latent explorer without a browser: what it draws, what it says, how fast."""

from __future__ import annotations

import re

import pytest
import torch
from computation import median_seconds

from course_lib import show
from course_lib.errors import CourseError
from course_lib.gan.dcgan import DCGAN
from course_lib.show import dcgan as explorer

VIEW = "application/vnd.jupyter.widget-view+json"


class Plain:
    """A model whose images say which noise they came from."""

    def __init__(self, latent: int = 3, size: int = 12):
        self.latent, self.size, self.seen = latent, size, []

    def draw(self, noise: torch.Tensor) -> torch.Tensor:
        self.seen.append(noise)
        return noise.mean(dim=1).tanh()[:, None, None, None].expand(-1, 1, self.size, self.size)


class Tilted(Plain):
    """Only the second number of the noise matters, then the fourth."""

    def draw(self, noise: torch.Tensor) -> torch.Tensor:
        images = torch.zeros(len(noise), 1, 4, 4)
        images[:, 0, 0], images[:, 0, 1] = 0.1 * noise[:, 1:2], 0.02 * noise[:, 3:4]
        return images


def untrained() -> DCGAN:
    """Without training, but its batch norm knows its own statistics, so that the images are not flat grey."""
    torch.manual_seed(0)
    model = DCGAN()
    with torch.no_grad():
        for _ in range(20):
            model.generate(model.noise(16))
    return model.eval()


def test_moving_a_slider_changes_picture_and_words():
    panel = show.widgets.latent_explorer(untrained())
    moves = (
        ("mix", 0.9),
        ("start", 5),
        ("end", 7),
        ("length", 0.5),
        ("push1", 2.0),
        ("push3", -2.0),
        ("way", "straight"),
    )
    for control, value in moves:
        before, html, words = panel.png, panel.picture.value, panel.words
        panel.controls[control].value = value
        assert panel.png != before
        assert panel.picture.value != html
        assert 'alt="' in panel.picture.value
        assert len(panel.words) >= 15
        if control in ("mix", "start", "end", "length", "way"):
            assert panel.words != words


def test_a_change_takes_at_most_fifty_milliseconds_of_computation():
    panel = show.widgets.latent_explorer(untrained())
    assert median_seconds(panel.controls["mix"], [0.1, 0.2, 0.3, 0.4, 0.6, 0.7, 0.8, 0.9]) <= 0.05


def test_one_output_holds_the_widget_and_its_still_picture():
    bundle = show.widgets.latent_explorer(untrained())._repr_mimebundle_()
    assert {VIEW, "image/png", "text/html", "text/plain"} <= bundle.keys()


def test_the_walk_begins_and_ends_at_the_two_noises():
    model = Plain(latent=5)
    panel = show.widgets.latent_explorer(model, seed=3)
    assert panel.values["start"] == 3
    for mix, seed in ((0.0, 3), (1.0, 4)):
        panel.set(mix=mix)
        torch.testing.assert_close(model.seen[-1][:1], explorer.noise_of(model, seed))
    first, last = model.seen[-1][1], model.seen[-1][explorer.NEIGHBOURS]
    torch.testing.assert_close(torch.stack([first, last]), torch.cat([explorer.noise_of(model, s) for s in (3, 4)]))


def test_a_push_keeps_the_length_and_length_scales_it():
    model = Plain(latent=6)
    panel = show.widgets.latent_explorer(model)
    before = model.seen[-1]
    panel.set(push1=3.0, push2=-1.0)
    assert not torch.allclose(model.seen[-1], before)
    torch.testing.assert_close(model.seen[-1].norm(dim=1), before.norm(dim=1))
    panel.set(length=0.5)
    torch.testing.assert_close(model.seen[-1].norm(dim=1), before.norm(dim=1) / 2)
    assert f"has length {float(before[0].norm()) / 2:.2f}" in panel.words


def test_the_arc_is_longer_in_the_middle_than_the_straight_way():
    panel = show.widgets.latent_explorer(untrained(), seed=1)
    lengths = []
    for way in ("arc", "straight"):
        panel.set(way=way)
        lengths.append(float(re.search(r"has length (\d+\.\d+)", panel.words)[1]))
    assert lengths[0] > 1.15 * lengths[1]


def test_directions_are_those_along_which_the_images_change_most():
    found = explorer.strongest_directions(Tilted(latent=7))
    torch.testing.assert_close(found[:2], torch.eye(7)[[1, 3]], atol=1e-3, rtol=0)
    torch.testing.assert_close(found @ found.T, torch.eye(3), atol=1e-5, rtol=0)
    assert torch.equal(found, explorer.strongest_directions(Tilted(latent=7)))


@pytest.mark.parametrize(("latent", "directions"), [(2, 2), (1, 1), (40, 3)])
def test_any_number_of_latent_dimensions(latent, directions):
    panel = show.widgets.latent_explorer(Plain(latent))
    assert sum(name.startswith("push") for name in panel.controls) == directions
    panel.set(mix=0.3, **{f"push{i + 1}": 1.0 for i in range(directions)})
    assert "mix 0.30" in panel.words


def test_colour_and_other_sizes():
    torch.manual_seed(0)
    panel = show.widgets.latent_explorer(DCGAN(channels=3, size=64, latent=8, width=2))
    before = panel.png
    panel.controls["mix"].value = 0.1
    assert panel.png != before


def test_a_model_without_latent_or_draw_is_refused():
    with pytest.raises(CourseError, match=r"model: got Linear, expected one with \.latent and \.draw\(noise\)"):
        show.widgets.latent_explorer(torch.nn.Linear(2, 2))


def test_the_models_mode_and_the_global_random_state_stay():
    model = untrained().train()
    state, buffers = torch.get_rng_state(), [b.clone() for b in model.buffers()]
    show.widgets.latent_explorer(model).set(mix=0.2, push1=1.0)
    assert model.training
    assert all(map(torch.equal, buffers, model.buffers()))
    assert torch.equal(state, torch.get_rng_state())


def test_each_strip_is_a_slider():
    panel = show.widgets.latent_explorer(Plain(latent=5))
    assert len(panel.picture.areas) == 4
    for row, name, share, value in ((0, "mix", 0.25, 0.25), (2, "push2", 0.75, 2.0)):
        panel.picture.spot = [row, share, 0.3, 1]
        assert panel.values[name] == pytest.approx(value, abs=0.051)
        assert panel.picture.now[row][0] == pytest.approx(share, abs=0.01)


def test_the_rows_of_directions_push_one_direction_and_keep_the_length():
    model = Plain(latent=5)
    panel = show.widgets.latent_explorer(model)
    panel.set(push1=1.0)
    here, rows = model.seen[-1][0], model.seen[-1][1 + explorer.NEIGHBOURS :].unflatten(0, (3, explorer.STOPS))
    assert torch.allclose(rows.norm(dim=2), here.norm().expand(3, explorer.STOPS), atol=1e-4)
    assert torch.allclose(rows[1, explorer.STOPS // 2], here, atol=1e-4), "not pushed along the second: what is shown"
