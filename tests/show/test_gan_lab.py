"""The lab of chapter 5 without a browser: what it computes, that it can be turned, reset and watched, how fast."""

from __future__ import annotations

import math
import statistics
import time

import numpy as np
import pytest
import torch

from course_lib import show
from course_lib.errors import CourseError
from course_lib.gan import the_gan_game
from course_lib.show import plane
from course_lib.show.paint import as_png
from course_lib.show.the_gan_game import DATA, EXAMPLE, GAMES, JUDGED, LOOK, OWN, PACES, Lab, drawn

VIEW = "application/vnd.jupyter.widget-view+json"


@pytest.fixture(autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def weights(lab: Lab) -> torch.Tensor:
    return torch.cat([weight.detach().flatten() for weight in lab.model.parameters()])


def begun(steps: int = 5, **arguments):
    """The panel with its game some steps on."""
    panel = show.widgets.gan_lab(steps=5, **arguments)
    panel.lab.step(steps)
    panel.refresh()
    return panel


def playing(**arguments):
    panel = begun(**arguments)
    panel.play.playing = True
    return panel


def ask(panel) -> None:
    """What the browser does for every picture, while the game is played."""
    panel.picture._handle_custom_msg({"tick": panel.picture.asked + 1}, [])


# ---------------------------------------------------------------------------------------------------------------------
# The engine
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("data", "game"), [*((d, "non-saturating") for d in [*DATA, OWN]), *(("ring of 8", g) for g in GAMES)]
)
def test_every_data_set_and_game_runs_finite(data, game):
    lab = Lab(data, game)
    assert lab.step(200) == 200
    assert not lab.diverged
    seen = lab.planes()
    assert all(part.isfinite().all() for part in (seen.opinion, seen.fakes, seen.pulls, seen.warp))
    assert 0 <= float(seen.opinion.min()) < float(seen.opinion.max()) <= 1
    _, words = lab.picture()
    assert f"After 200 steps of the {game} game (data: {data})" in words
    assert f"of {len(lab.points.centres)} modes" in words


@pytest.mark.parametrize("game", GAMES)
def test_the_rows_of_the_table_are_the_games_they_name(game):
    lab = Lab(game=game)
    assert lab.model.objective is lab.objective
    assert lab.model.critic_steps == (5 if "WGAN" in game else 1)


def test_reset_reproduces_the_game_bit_for_bit_however_it_was_stepped():
    lab = Lab(game="WGAN-GP")
    start = weights(lab)
    lab.step(7)
    first, losses, png = weights(lab), lab.losses, as_png(lab.picture()[0])
    lab.reset()
    assert torch.equal(weights(lab), start)
    torch.manual_seed(77)  # what the notebook does with the global seed is of no matter
    for count in (1, 2, 4):
        lab.picture()
        lab.step(count)
    assert torch.equal(weights(lab), first)
    assert lab.losses == losses
    assert as_png(lab.picture()[0]) == png
    assert not torch.equal(weights(Lab(game="WGAN-GP", seed=1)), start)


def test_the_lab_leaves_the_readers_random_state_alone():
    torch.manual_seed(5)
    wanted = torch.rand(3)
    torch.manual_seed(5)
    lab = Lab()
    lab.step(2)
    lab.picture()
    assert torch.equal(torch.rand(3), wanted)


def test_rates_take_effect_at_once_and_without_a_restart():
    lab = Lab()
    lab.step(3)
    for still, moving in (("generator", "discriminator"), ("discriminator", "generator")):
        lab.set_rates(**{still: 0.0, moving: 1e-3})
        before = {name: [w.clone() for w in getattr(lab.model, name).parameters()] for name in (still, moving)}
        lab.step(1)
        same = {name: all(map(torch.equal, before[name], getattr(lab.model, name).parameters())) for name in before}
        assert same == {still: True, moving: False}
    assert len(lab.losses["generator"]) == 5


def test_a_time_limit_ends_the_steps_early_but_never_before_the_first():
    lab = Lab()
    assert lab.step(10_000, seconds=0.0) == 1
    assert lab.step(10_000, seconds=0.02) < 10_000


@pytest.mark.parametrize("game", ["non-saturating", "WGAN-GP", "relativistic + R1 + R2"])
def test_a_game_that_diverges_says_so_and_stops(game):
    lab = Lab(game=game)
    lab.set_rates(1.0, 1.0)
    assert lab.step(300) < 300
    assert lab.diverged
    assert lab.step(5) == 0
    assert "diverged at step" in lab.picture()[1]
    assert "press reset" in lab.picture()[1]
    lab.set_rates(1e-3, 1e-3)
    lab.reset()
    assert lab.step(5) == 5
    assert not lab.diverged


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_not_numbers_give_a_picture_and_not_an_error(value):
    lab = Lab()
    with torch.no_grad():
        for weight in lab.model.parameters():
            weight.fill_(value)
    lab.step(1)
    assert lab.diverged
    image, words = lab.picture()
    assert "diverged at step 1" in words
    assert len(as_png(image)) > 1000


def test_the_opinion_is_the_discriminators_verdict_and_lies_where_it_belongs():
    lab = Lab()
    lab.step(50)
    seen, at = lab.planes(), torch.tensor([[-plane.REACH, plane.REACH], [plane.REACH, plane.REACH]])
    with torch.no_grad():
        corners = lab.model.verdict(at).sigmoid()
        believed = lab.model.verdict(seen.fakes).sigmoid().mean()
    assert torch.allclose(seen.opinion[0, [0, -1]], corners, atol=1e-6), "row 0 is the top, column 0 the left"
    assert seen.believed[1] == pytest.approx(float(believed), abs=1e-5)
    assert seen.fakes.shape == (JUDGED, 2)


def test_the_critics_white_is_halfway_between_real_and_generated():
    lab = Lab(game="WGAN-GP")
    lab.step(30)
    seen = lab.planes()
    real, fake = seen.believed
    with torch.no_grad():
        score = lab.model.verdict(plane.lattice(56)).reshape(56, 56)
    assert torch.equal(seen.opinion > 0.5, score > (real + fake) / 2)
    assert max(float(seen.opinion.max()), 1 - float(seen.opinion.min())) == pytest.approx(1.0)


def test_the_arrows_point_where_the_generators_loss_falls_and_vanish_when_minimax_saturates():
    lab = Lab()
    lab.step(50)
    for game, objective in (("non-saturating", the_gan_game.NonSaturating), ("minimax", the_gan_game.Minimax)):
        lab.objective = objective
        seen = lab.planes()
        start = seen.fakes[: len(seen.pulls)]
        with torch.no_grad():
            loss = [objective.generator(None, lab.model.verdict(p)) for p in (start, start + 1e-2 * seen.pulls)]
        assert loss[1] < loss[0], game
    with torch.no_grad():
        lab.model.discriminator[-2].bias -= 30.0  # sure that everything is generated
    assert float(lab.planes().pulls.norm(dim=1).max()) < 1e-8
    lab.objective = the_gan_game.NonSaturating
    assert float(lab.planes().pulls.norm(dim=1).mean()) > 1e-2


def test_the_warp_is_the_generator_applied_to_lines_of_noise():
    lab = Lab()
    warp = lab.planes().warp
    cross = lab.model.draw(torch.tensor([[0.0, 0.0], [-2.0, 2.5], [2.5, -2.0]]))
    assert torch.allclose(warp[0, 5, 20], cross[0], atol=1e-5)
    assert torch.allclose(warp[1, 5, 20], cross[0], atol=1e-5)
    assert torch.allclose(warp[0, 0, -1], cross[1], atol=1e-5), "first number of the noise fixed, the second runs"
    assert torch.allclose(warp[1, 0, -1], cross[2], atol=1e-5)


@pytest.mark.parametrize("strokes", [[], [[]], [[[0.5, 0.5]]], [[[0.1, 0.9], [0.1, 0.9]]]])
def test_an_empty_pad_and_a_dot_are_data_too(strokes):
    assert drawn(strokes).centres.isfinite().all()
    assert len(drawn(strokes).centres) == 1


def test_drawn_strokes_lie_in_the_plane_as_on_the_pad():
    centres = drawn([[[0.0, 0.0], [1.0, 0.0]], [[0.5, 1.0]]]).centres
    assert torch.allclose(centres[0], torch.tensor([-1.4, 1.4])), "top left"
    assert torch.allclose(centres[-1], torch.tensor([0.0, -1.4])), "bottom"
    assert torch.allclose(centres[:-1, 0].diff(), centres[:-1, 0].diff()[:1], atol=1e-5), "evenly along the stroke"


def test_unknown_names_are_refused_in_one_line():
    with pytest.raises(CourseError, match=r"data: got 'moons', expected one of ring of 8, .*, your own drawing"):
        Lab("moons")
    with pytest.raises(CourseError, match="game: got 'hinge', expected one of minimax"):
        show.widgets.gan_lab(game="hinge")


# ---------------------------------------------------------------------------------------------------------------------
# Pictures
# ---------------------------------------------------------------------------------------------------------------------


def test_blue_is_real_orange_is_generated_and_half_is_white():
    field = np.asarray(plane.field(torch.tensor([[0.0, 0.5, 1.0]]), 90))
    left, middle, right = field[45, 2], field[45, 45], field[45, 87]
    assert left[0] > left[2] + 60, "orange: more red than blue"
    assert right[2] > right[0] + 60, "blue"
    assert (middle == 255).all()


def test_up_is_up_and_far_points_do_not_break_the_painter():
    assert plane.pixels(torch.tensor([[-plane.REACH, plane.REACH], [0.0, 0.0]]), 100) == [(0, 0), (50, 50)]
    far = torch.tensor([[math.inf, 0.0], [math.nan, -1e30]])
    assert all(abs(number) < 1e6 for place in plane.pixels(far, 50) for number in place)
    plane.dots(plane.field(torch.zeros(2, 2), 50), far, real=True)
    plane.warped(far.expand(2, 3, 2, 2), far, 50)


def test_curves_leave_out_what_is_not_finite():
    clean, dirty = (
        np.asarray(plane.curves({"discriminator": values, "generator": []}, 0, 200, 200))[
            :160
        ]  # above the step numbers
        for values in ([1.0, 0.5], [1.0, math.nan, 0.5, math.inf])
    )
    assert (clean != dirty).sum() == 0


# ---------------------------------------------------------------------------------------------------------------------
# The panel
# ---------------------------------------------------------------------------------------------------------------------


def test_ticks_train_and_change_picture_and_words():
    panel = playing()
    before, words = panel.png, panel.words
    ask(panel)
    assert len(panel.lab.losses["generator"]) > 5
    assert panel.png != before
    assert panel.words != words
    assert panel.picture.words == panel.words
    assert panel.picture.frame["step"] == len(panel.lab.losses["generator"])


def test_a_picture_that_is_asked_for_late_is_not_drawn():
    panel = playing()
    ask(panel)
    after_one = len(panel.lab.losses["generator"])
    assert after_one <= 5 + PACES["normal"][0]
    panel.play.playing = False
    ask(panel)  # arrives after "pause"
    panel.picture._handle_custom_msg({"tick": "next"}, [])
    panel.picture._handle_custom_msg(None, [])
    assert len(panel.lab.losses["generator"]) == after_one


def test_a_picture_carries_the_number_it_was_asked_for_by_and_is_one_message(monkeypatch):
    panel = playing()
    sent = []
    monkeypatch.setattr(panel.picture, "send_state", lambda names: sent.append(set(names)))
    for number in (1, 2):
        ask(panel)
        assert panel.picture.frame["tick"] == number
    assert sent == [{"frame", "words"}] * 2


def test_step_takes_one_step_and_reset_begins_again_with_the_knobs_as_they_are():
    panel = show.widgets.gan_lab()
    first = panel.png
    panel.set(generator=1e-2)
    panel.step.click()
    assert panel.words.startswith("After 1 steps")
    panel.reset.click()
    assert panel.words.startswith("After 0 steps")
    assert panel.lab.rates[0] == pytest.approx(1e-2)
    panel.set(generator=1e-3)
    assert panel.png == first


def test_rate_sliders_reach_the_optimisers_without_a_restart():
    panel = begun()
    before = panel.png
    panel.controls["discriminator"].value = 0.1
    assert panel.lab.model.optimizers["discriminator"].param_groups[0]["lr"] == pytest.approx(0.1)
    assert len(panel.lab.losses["generator"]) == 5
    assert panel.png != before, "the picture names the rates"
    assert "learning rates: G 0.001, D 0.1" in panel.picture.words


def test_another_game_or_data_set_begins_anew_and_a_stroke_on_the_board_is_data():
    panel = begun()
    pad = panel.controls["strokes"]
    assert not pad.drawing
    panel.controls["game"].value = "WGAN-GP"
    assert panel.words.startswith("After 0 steps of the WGAN-GP game")
    pad.strokes = [[[0.2, 0.3], [0.8, 0.3]]]
    assert panel.controls["data"].value == OWN
    assert pad.drawing
    drawing = panel.lab.points.centres
    assert torch.allclose(drawing[0], torch.tensor([-0.84, 0.56]))
    panel.step.click()
    pad.strokes = [*EXAMPLE, [[0.1, 0.1], [0.4, 0.1]]]
    assert panel.words.startswith("After 0 steps")
    assert not torch.equal(panel.lab.points.centres, drawing)
    pad.strokes = []
    assert "of 1 modes" in panel.words


def test_pace_changes_steps_and_interval():
    panel = playing(steps=0)
    for name in ("slow", "fast"):
        panel.pace.value = name
        assert panel.picture.interval == PACES[name][1]
    panel.pace.value = "slow"
    ask(panel)
    assert panel.words.startswith("After 1 steps")


def test_a_diverged_game_stops_the_player():
    panel = playing(steps=0)
    panel.set(generator=1.0, discriminator=1.0)
    for _ in range(100):
        if not panel.play.playing:
            break
        ask(panel)
    assert not panel.play.playing
    assert "diverged" in panel.words
    assert "press reset" in panel.picture.frame["state"]


def test_one_output_holds_the_widget_and_its_still_picture():
    panel = show.widgets.gan_lab(steps=20)
    assert panel.words.startswith("After 0 steps")
    bundle = panel._repr_mimebundle_()
    assert "After 20 steps" in bundle["text/plain"]
    assert {VIEW, "image/png", "text/html", "text/plain"} <= bundle.keys()
    assert "generated points cover" in bundle["text/plain"]
    assert len(bundle["image/png"]) < 60_000


def test_the_browser_is_given_what_the_kernel_computed():
    lab = Lab()
    lab.step(30)
    seen = lab.planes()
    frame = lab.frame(seen)
    for name, wanted in (
        ("real", lab.real[:250]),
        ("fakes", seen.fakes[:250]),
        ("pulls", seen.pulls),
        ("warp", seen.warp),
    ):
        assert np.array_equal(np.frombuffer(frame[name], np.float32), wanted.flatten().numpy()), name
    assert np.allclose(np.frombuffer(frame["opinion"], np.uint8) / 255, seen.opinion.flatten(), atol=0.5 / 255 + 1e-6)
    assert [len(line) for _, line in frame["losses"]] == [30, 30]
    assert frame["step"] == 30
    assert not lab.frame(seen, arrows=False)["pulls"]


def test_the_browser_colours_the_field_as_the_still_picture_does():
    values = torch.linspace(0, 1, 256).round(decimals=6)
    palette = np.frombuffer(LOOK["palette"], np.uint8).reshape(256, 3)
    assert tuple(palette[0]) == tuple(plane.COLOURS[0])
    assert tuple(palette[-1]) == tuple(plane.COLOURS[-1])
    still = plane.COLOURS[(values.numpy() * 1024).round().astype(int)]
    assert (np.abs(palette.astype(int) - still).max(axis=1) == 0).mean() > 0.9
    assert LOOK["real"] == "#0a3264"


def test_the_picture_fits_a_page_of_a_thousand_pixels():
    assert Lab().picture()[0].width <= 960


@pytest.mark.parametrize("game", GAMES)
@pytest.mark.parametrize("pace", ["normal", "fast"])
def test_fifteen_pictures_a_second(game, pace):
    panel = playing(game=game)
    panel.pace.value = pace
    seconds = []
    for _ in range(9):
        begun = time.process_time()
        ask(panel)
        seconds.append(time.process_time() - begun)
    assert statistics.median(seconds) <= 1 / 15
