"""Chapter 13's figures: each shows one picture with words, of what it was given."""

from __future__ import annotations

import pytest
import torch

from course_lib import training
from course_lib.data.imageset import ImageSet
from course_lib.gan.progressive_gan import ProgressiveGAN
from course_lib.show import progressive_gan_figures as figures

RUN = {"step": [0, 5], "alpha": [0.1, 1.0], "detail": [0.0, 0.2]}


@pytest.fixture
def drawn(shown_by):
    return shown_by(figures)


@pytest.mark.parametrize(
    ("draw", "panels"),
    [
        (figures.growing_networks, 2),
        (lambda: figures.schedule(4, 4, [4, 8, 16], 25), 2),
        (lambda: figures.contest({"one": [3.0, 4.0], "other": [5.0]}, 1.0), 1),
        (lambda: figures.lines({"a": [1.0, 2.0], "b": [2.0, 8.0]}, "x", "y", "two rising curves", log=True), 1),
        (lambda: figures.variety([(5, 0.2), (30, 0.3)], {4: 0.3, 8: 0.4, 16: 0.5}, 4, 4), 1),
        (lambda: figures.logs({"A": RUN, "B": RUN}, ["alpha", "detail"]), 4),
    ],
)
def test_a_figure_has_its_panels_and_words(draw, panels, shows_panels):
    shows_panels(draw, panels)


def test_the_schedule_shows_sides_and_alpha_of_every_step(drawn):
    figures.schedule(2, 1, [4, 8], 5)
    top, below = drawn[0][0].axes
    assert top.lines[0].get_ydata().tolist() == [4, 8, 8, 8, 8]
    assert list(below.lines[0].get_ydata()) == [1.0, 0.5, 1.0, 1.0, 1.0]


def test_every_seed_of_the_contest_is_a_dot(drawn):
    figures.contest({"one": [3.0, 4.0, 8.0], "other": [5.0]}, 1.0)
    axis = drawn[0][0].axes[0]
    assert list(axis.lines[0].get_xdata()) == [3.0, 4.0, 8.0]
    assert list(axis.lines[1].get_xdata()) == [5.0, 5.0]  # the mean
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ["one", "other"]


def test_the_film_keeps_the_end_of_every_level_and_the_middle_of_every_fade(capsys):
    torch.manual_seed(0)
    images = ImageSet(torch.rand(40, 3, 8, 8), torch.zeros(40, dtype=torch.int64), name="test")
    model = ProgressiveGAN(size=8, latent=4, width=1, fade=50, hold=25)
    view = figures.GrowthView(count=3)
    training.fit(model, images, steps=100, batch_size=4, view=view, device="cpu")
    strip, names = view.strip()
    assert names == ["4 × 4", "to 8, α 0.50", "8 × 8"]
    assert strip.shape == (9, 3, 8, 8)
    assert [step for step, _ in view.variety] == [25, 50, 75, 100, 100]
    assert all(value > 0 for _, value in view.variety)


def test_rows_of_the_record_by_hand():
    row = {"frechet_distance": [1.0, 3.0], "precision": [0.5, 0.7], "coverage": [0.2, 0.4], "steps": [1000, 2000]}
    row |= {"images_seen": [32_000, 64_000], "seconds": [30.0, 31.0]}
    worse = row | {"frechet_distance": [4.0, 4.0]}
    settings = {"rate": 0.02, "parameters": 1234}
    record = {"contest": {"a": row}, "ablation": {"a": row, "b": worse}, "settings": {"a": settings, "b": settings}}
    assert figures.contest_rows(record, {"a": "A"}) == [
        ["A", "1.0, 3.0", "2.0", "0.60", "0.30", "1,500", "48,000", "30", "1,234"]
    ]
    assert figures.ablation_rows(record, {"b": "B"}) == [["B", "0.02", "4.0, 4.0", "2.00", "0.30", "1,500", "30"]]
    assert figures.ablation_rows({"contest": {}}, {"b": "B"}) == []
    assert len(figures.CONTEST_HEADER) == 9
    assert len(figures.ABLATION_HEADER) == 7
