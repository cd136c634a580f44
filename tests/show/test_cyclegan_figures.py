"""Chapter 15's figures: each shows one picture with words, of what it was given."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from course_lib.errors import CourseError
from course_lib.show import cyclegan_figures as figures
from course_lib.show import paint

ALT = "A sentence that says what is seen"
IMAGES = torch.rand(3, 3, 32, 32) * 2 - 1
IMAGE, LOGITS = IMAGES[0], torch.rand(8, 8)


@pytest.fixture
def drawn(shown_by):
    return shown_by(figures)


@pytest.mark.parametrize(
    ("draw", "panels"),
    [
        (lambda: figures.puzzle(IMAGES, IMAGES, ALT), 1),
        (lambda: figures.two_pixel_pictures({"x": [[0.2, 0.6]], "y": [[0.1, -0.4]]}, ALT), 2),
        (lambda: figures.fields(IMAGE, {"first": 4, "second": 10}, ALT), 2),
        (lambda: figures.verdicts({"real": IMAGE, "generated": IMAGE}, {"real": LOGITS, "generated": LOGITS}, ALT), 5),
        (lambda: figures.pulls(ALT), 2),
        (lambda: figures.ages({"none": torch.zeros(9, dtype=torch.int64), "50": torch.arange(9)}, ALT), 1),
        (lambda: figures.shaken([0, 1], {"from generated": [0, 3.0], "from real": [0, 1.0]}, ALT), 1),
        (
            lambda: figures.ladder({"there": {"copy": [40.0], "CycleGAN": [12.0, 13.0]}, "back": {"copy": [3.0]}}, ALT),
            2,
        ),
    ],
)
def test_a_figure_has_its_panels_and_words(draw, panels, shows_panels):
    shows_panels(draw, panels)


def test_rows_are_whole_squares_under_labels_of_their_colour(monkeypatch):
    assert [figures.colour_of(name) for name in ("real: a", "generated: b", "true winter", "noise")] == [
        figures.REAL,
        figures.FAKE,
        figures.REAL,
        "black",
    ]
    sheet = np.asarray(figures.sheet_of({"real: a": IMAGES, "generated: b,\nand more": -IMAGES}))
    side = 160  # 80 pixels of the page, five for each of an image
    assert sheet.shape[0] == 2 * side + 6
    last = sheet[:side, -side:].reshape(32, 5, 32, 5, 3)
    assert (last == last[:, :1, :, :1]).all()
    wanted = ((IMAGES[2] + 1) * 127.5).round().byte().permute(1, 2, 0).numpy()
    assert (last[:, 0, :, 0] == wanted).all()
    labels = sheet[:, : -3 * side - 20].reshape(-1, 3)
    for colour in (paint.BLUE, paint.ORANGE):
        assert (np.abs(labels.astype(int) - colour).sum(axis=1) < 12).any()
    with pytest.raises(CourseError, match="expected equally many"):
        figures.sheet_of({"a": IMAGES, "b": IMAGES[:2]})


def test_rows_are_shown_once_in_all_forms(monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda bundle, raw: shown.append(bundle))
    figures.rows({"real: a": IMAGES}, ALT)
    ((picture),) = shown
    assert picture.keys() == {"text/html", "image/png", "text/plain"}
    assert ALT in picture["text/html"]
