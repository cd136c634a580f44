"""Chapter 17's figures: each shows one picture with words, of what it was given."""

from __future__ import annotations

import pytest
import torch
from matplotlib.patches import Rectangle

from course_lib.cnn.detection import Found
from course_lib.show import detection_figures as figures

CANVASES = torch.full((2, 1, 48, 64), -1.0)
BOXES = torch.tensor([[8.0, 2, 20, 22], [30, 20, 44, 40]])
FOUND = Found(BOXES, torch.tensor([4, 7]), torch.tensor([0.98, 0.6]))
ALT = "A sentence that says what is seen"
HITS = torch.tensor([1.0, 0.5, 2 / 3], dtype=torch.float64), torch.tensor([1, 1, 2], dtype=torch.float64) / 3


@pytest.fixture
def drawn(shown_by):
    return shown_by(figures)


def frames(axis) -> list[Rectangle]:
    return [patch for patch in axis.patches if isinstance(patch, Rectangle)]


@pytest.mark.parametrize(
    ("draw", "panels"),
    [
        (lambda: figures.boxes_on(CANVASES, [FOUND, FOUND], ALT), 4),
        (figures.dense_layer_slides, 2),
        (lambda: figures.what_an_answer_sees(CANVASES[0], (6, 7), (6, 8)), 1),
        (lambda: figures.heat_maps(CANVASES, {"one": torch.rand(2, 12, 16), "two": torch.rand(2, 12, 16)}, ALT), 7),
        (lambda: figures.two_boxes((0, 0, 6, 4), (2, 1, 8, 5)), 1),
        (lambda: figures.suppression(CANVASES[0], torch.cat([BOXES, BOXES + 2]), torch.rand(4), 0.2), 3),
        (lambda: figures.falling_curve(*HITS, "by hand"), 1),
        (lambda: figures.thresholds([0.1, 0.9], [0.99, 0.9], [0.7, 0.99]), 1),
        (lambda: figures.spacings([10, 20], [0.1, 0.9], 0.92), 1),
        (lambda: figures.detectors(CANVASES[0], dict.fromkeys("ABCDEF", FOUND)), 6),
    ],
)
def test_a_figure_has_its_panels_and_words(draw, panels, shows_panels):
    shows_panels(draw, panels)


def test_boxes_stand_where_they_were_found_under_their_names(drawn):
    figures.boxes_on(CANVASES[:1], [FOUND], ALT, columns=1)
    axis = drawn[0][0].axes[0]
    assert [(f.get_x(), f.get_y(), f.get_width(), f.get_height()) for f in frames(axis)] == [
        (8, 2, 12, 20),
        (30, 20, 14, 20),
    ]
    assert [text.get_text() for text in axis.texts] == ["4 98%", "7 60%"]
    low, high = (text.get_position()[1] for text in axis.texts)
    assert low > 22  # no room above the first box, so its words stand below it
    assert high < 20


def test_an_answer_sees_forty_pixels_around_its_dot(drawn):
    figures.what_an_answer_sees(CANVASES[0], (6, 7), (6, 8))
    axis = drawn[0][0].axes[0]
    one, other = frames(axis)
    assert (one.get_x(), one.get_y(), one.get_width(), one.get_height()) == (10, 6, 40, 40)
    assert other.get_x() - one.get_x() == 4
    assert axis.lines[1].get_xydata().tolist() == [[30, 26]]


def test_the_curve_that_counts_falls(drawn):
    figures.falling_curve(*HITS)
    came, counted = drawn[0][0].axes[0].lines
    assert came.get_ydata().tolist() == pytest.approx([1, 0.5, 2 / 3])
    assert counted.get_ydata().tolist() == pytest.approx([1, 1, 2 / 3, 2 / 3])


def test_words_of_two_boxes_say_what_they_share(drawn):
    figures.two_boxes((0, 0, 6, 4), (2, 1, 8, 5))
    ((fig, alt),) = drawn
    assert "share 12 squares" in alt
    assert "shared\n12" in [text.get_text() for text in fig.axes[0].texts]
