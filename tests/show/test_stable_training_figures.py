"""Chapter 7's figures: each shows one picture with words, of what it was given."""

from __future__ import annotations

import pytest
import torch

from course_lib.gan import games
from course_lib.gan.points import grid, ring
from course_lib.show import stable_training_figures as figures

ALT = "A sentence that says what is seen"
POINTS = torch.randn(40, 2)
MYSTERY = {"step": [5], "slope": [1.0], "points": POINTS}
RUN = {"slope": [0.1, 1.0, 10.0], "score": [0.0, -0.5, 20.0]}


@pytest.fixture
def drawn(shown_by):
    return shown_by(figures)


@pytest.mark.parametrize(
    ("draw", "panels"),
    [
        (lambda: figures.clouds({"a": (ring(), {"x": POINTS, "y": POINTS}), "b": (grid(), {"x": POINTS})}, ALT), 4),
        (lambda: figures.favourite(torch.randn(9, 9), POINTS[0], ring(), {"a": POINTS, "b": POINTS}), 3),
        (lambda: figures.floor([125, 250], [9.0, 4.0]), 1),
        (lambda: figures.balls(POINTS[:9], POINTS[9:20]), 2),
        (lambda: figures.sand([0, 1, 3], [4, 5, 9]), 2),
        (lambda: figures.stretch(torch.tensor([[3.0, 0], [0, 1]]), [torch.tensor([0.6, 0.8])]), 2),
        (lambda: figures.between(POINTS, POINTS + 1, {"a": torch.rand(40, 1), "b": torch.rand(1, 1)}), 2),
        (lambda: figures.leashes({"a": RUN, "b": RUN}, ALT), 2),
        (lambda: figures.orbits({"a": POINTS, "b": POINTS}, ALT), 2),
        (lambda: figures.histogram(torch.linspace(-1, 1, 50), 1.0), 1),
        (lambda: figures.exam({"a": [0.7, 0.6], "b": [0.7, 0.1]}), 1),
        (lambda: figures.mysteries(dict.fromkeys("AB", MYSTERY), ring()), 4),
    ],
)
def test_a_figure_has_its_panels_and_words(draw, panels, shows_panels):
    shows_panels(draw, panels)


def test_the_area_between_the_shares_is_the_mean_trip(drawn):
    figures.sand([0, 1, 3], [4, 5, 9])
    top, below = drawn[0][0].axes
    assert {text.get_text() for text in top.texts} >= {"4", "6"}
    assert top.get_title() != below.get_title()


def test_all_orbits_have_one_scale(drawn):
    figures.orbits({"near": 0.1 * POINTS, "far": 3 * POINTS}, ALT)
    assert len({axis.get_xlim() + axis.get_ylim() for axis in drawn[0][0].axes}) == 1


def test_columns_of_classes_are_blank_where_a_class_is_missing():
    images, labels = torch.arange(5.0).view(5, 1, 1, 1) / 10, torch.tensor([1, 1, 0, 1, 1])
    made = figures.by_class(images, labels, classes=3, rows=2).flatten()
    assert made.tolist() == pytest.approx([0.2, 0.0, -1, -1, 0.1, -1])


def test_both_counts_in_a_title():
    draw = torch.Generator().manual_seed(0)
    assert figures.counted(ring().sample(4000, draw), ring()) == "reached 8, covered 8"
    assert figures.counted(2.4 * torch.rand(4000, 2, generator=draw) - 1.2, grid()) == "reached 25, covered 0"


@pytest.mark.parametrize(
    ("name", "held"),
    [
        ("plain", "nothing"),
        ("slow_discriminator", "1/10 of the rate"),
        ("wgan", "clip 0.3"),
        ("wgan_gp", "λ 0.1"),
        ("r3gan", "γ 1, every 4"),
    ],
)
def test_what_holds_a_discriminator_in_words(name, held):
    rate, betas, steps, words = figures.in_columns(games.settings(games.point_game(name)))
    assert words == held
    assert float(rate) == 1e-3
    assert len(betas.split(", ")) == 2
    assert steps == ("5" if name.startswith("wgan") else "1")


def test_a_range_is_said_once_where_there_is_none():
    assert figures.spread([8, 8]) == "8"
    assert figures.spread([3, 8, 5]) == "3 to 8"


def test_the_scoreboard_says_settings_counts_and_who_covers_everything():
    own = {"rate": 3e-4, "betas": [0.5, 0.999], "critic_steps": 1}
    good = {"modes": [25, 25], "lenient_modes": [25, 25], "near": [0.9, 0.95], "seconds": [10.0, 20.0]}
    bad = {"modes": [0, 8], "lenient_modes": [3, 8], "near": [0.5, 0.8], "seconds": [30.0, 30.0]}
    record = {
        "settings": {"plain": own, "wgan": own | {"limit": 0.1}},
        "ring": {"carpet": bad, "plain": bad, "wgan": good | {"modes": [8, 8]}},
        "grid": {"carpet": bad, "plain": good, "wgan": bad},
    }
    rows, everything = figures.scoreboard(record)
    assert all(len(row) == len(figures.SCOREBOARD) for row in rows)
    assert rows[0] == ["a carpet", *[""] * 4, "0, 8", "3 to 8", "50%", "0, 8", "3 to 8", "50%", ""]
    assert rows[1][:5] == ["plain", "0.0003", "0.5, 0.999", "1", "nothing"]
    assert rows[2][4:] == ["clip 0.1", "8, 8", "25", "90%", "0, 8", "3 to 8", "50%", "45"]
    assert everything == {"ring": ["clipped WGAN"], "grid": ["plain"]}
