"""The distance explorer: its numbers against integrals and autograd, its words, its speed."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from computation import median_seconds
from torch.nn import functional as F

from course_lib import show
from course_lib.gan.the_gan_game import Minimax, NonSaturating
from course_lib.show import paint
from course_lib.show.stable_training import (
    BOXES,
    FARTHEST,
    GAMES,
    GAUSSIANS,
    LINE,
    STEP,
    densities,
    distances,
    gradient,
    numbers,
    stage,
    verdicts,
)


@pytest.mark.parametrize("kind", [GAUSSIANS, BOXES])
@pytest.mark.parametrize("distance", [0.0, 0.7, 1.9, 4.0, 8.0])
def test_the_distances_equal_their_integrals(kind, distance):
    real, fake = densities(kind, distance)
    found = distances(kind, distance)
    step = float(LINE[1] - LINE[0])
    assert found["total variation"] == pytest.approx(float((real - fake).abs().sum() * step / 2), abs=0.011)
    middle = ((real + fake) / 2).clamp_min(1e-300)
    js = sum(torch.special.xlogy(p, p / middle).sum() * step / 2 for p in (real, fake))
    assert found["Jensen-Shannon"] == pytest.approx(float(js), abs=0.011)
    between = ((real.cumsum(0) - fake.cumsum(0)) * step).abs().sum() * step  # W1 on a line: area between the two CDFs
    assert found["Wasserstein"] == distance == pytest.approx(float(between), abs=0.07)
    assert found["Jensen-Shannon"] <= math.log(2) + 1e-9


@pytest.mark.parametrize("distance", [0.3, 1.0, 2.5, 5.0])
def test_the_pull_on_gaussians_is_autograds(distance):
    x = torch.tensor([distance], dtype=torch.float64, requires_grad=True)
    logit = -(x**2) / 2 + (x - distance) ** 2 / 2
    for game, objective in (("minimax", Minimax), ("non-saturating", NonSaturating)):
        (wanted,) = torch.autograd.grad(objective.generator(None, logit), x, retain_graph=True)
        assert gradient(GAUSSIANS, game, distance) == pytest.approx(float(wanted), rel=1e-9)
    assert gradient(GAUSSIANS, "Wasserstein", distance) == gradient(BOXES, "Wasserstein", distance) == 1.0


@pytest.mark.parametrize("game", GAMES[:3])
def test_the_pull_on_boxes_is_nothing_wherever_they_lie(game):
    assert all(gradient(BOXES, game, distance) == 0 for distance in (0.5, 1.5, 3.0, 8.0))


def test_the_drawn_verdict_is_the_optimal_one():
    at = LINE.sub(1.0).abs().argmin()
    assert float(verdicts(GAUSSIANS, "minimax", 3.0)[at]) == pytest.approx(
        float(F.sigmoid(torch.tensor(1.5))), abs=1e-6
    )
    assert verdicts(BOXES, "minimax", 5.0).unique().tolist() == [0.0, 0.5, 1.0]
    line = verdicts(GAUSSIANS, "Wasserstein", 3.0)
    assert line[0] > line[-1]
    assert torch.allclose(line.diff(), line.diff()[:1])


@pytest.mark.parametrize("kind", [GAUSSIANS, BOXES])
@pytest.mark.parametrize("game", GAMES)
def test_every_choice_draws_and_says_what_it_shows(kind, game):
    panel = show.widgets.distance_explorer()
    panel.set(kind=kind, game=game, distance=4.0)
    assert kind[0].upper() + kind[1:] in panel.words
    assert f"In the {game} game the gradient at the middle of the fakes is" in panel.words
    assert "Wasserstein 4.00" in panel.words
    before = panel.png
    panel.controls["distance"].value = 6.0
    assert panel.png != before
    for distance in (0.0, 8.0):
        panel.set(distance=distance)
        assert f"{distance:.1f} apart" in panel.words


@pytest.mark.parametrize("kind", [GAUSSIANS, BOXES])
@pytest.mark.parametrize("game", GAMES)
def test_the_browser_is_given_what_was_computed_for_every_place_of_the_slider(kind, game):
    given, places = numbers(kind, game), round(FARTHEST / STEP) + 1
    said = np.frombuffer(given["verdicts"], np.uint16).reshape(places, -1) / 65535
    assert np.allclose(np.frombuffer(given["density"], np.float32), densities(kind, 0.0)[0][::2])
    for i in (0, 13, 40, places - 1):
        assert np.allclose(said[i], verdicts(kind, game, STEP * i)[::4], atol=1e-5)
        assert {name: row[i] for name, row in given["tables"].items()} == distances(kind, STEP * i)
        assert given["pulls"][i] == gradient(kind, game, STEP * i)


def test_the_choices_change_the_browsers_numbers_and_the_slider_does_not():
    panel = show.widgets.distance_explorer()
    before = panel.picture.numbers
    panel.controls["distance"].value = 5.0
    assert panel.picture.numbers is before
    panel.controls["game"].value = "Wasserstein"
    assert panel.picture.numbers["critic"]
    assert set(panel.picture.numbers["pulls"][1:]) == {1.0}


def test_a_change_takes_at_most_fifty_milliseconds_of_computation():
    panel = show.widgets.distance_explorer()
    assert median_seconds(panel.controls["distance"], (0.5, 2.0, 3.5, 5.0, 7.0, 1.0)) <= 0.05


def test_one_output_holds_the_widget_and_its_still_picture():
    bundle = show.widgets.distance_explorer()._repr_mimebundle_()
    assert {"application/vnd.jupyter.widget-view+json", "image/png", "text/html", "text/plain"} <= bundle.keys()


def test_the_arrow_grows_with_the_gradient_and_is_gone_without_one():
    def orange(pull: float) -> int:
        picture = np.asarray(stage(GAUSSIANS, "minimax", 3.0, pull)).astype(int)[105:135, 30:195]
        return int((((picture - paint.ORANGE) ** 2).sum(axis=2) < 900).sum())

    without, short, long = orange(0.0), orange(0.3), orange(2.0)
    assert without < short < long
