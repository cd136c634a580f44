"""The finder: what is written is boxed and read, in the browser's numbers, in words, and without a kernel."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib import models
from course_lib.cnn.training_a_cnn import Classifier
from course_lib.errors import CourseError
from course_lib.show.detection import GUIDES, HEIGHT, WIDTH, canvas_of, digit_finder, warmth, written


@pytest.fixture(scope="module")
def detector():
    return models.pretrained("detector")


def test_the_number_that_stands_there_is_read(detector):
    panel = digit_finder(detector)
    assert panel.words.endswith("Read as 2026.")
    marks = panel.controls["strokes"].marks
    assert [words[0] for *_, words in marks] == list("2026")
    for left, top, right, bottom, words in marks:
        assert 0 <= left < right <= 1
        assert GUIDES[0] - 4 <= top * HEIGHT < bottom * HEIGHT <= GUIDES[1] + 4
        assert words.endswith("%")
    assert [left for left, *_ in marks] == sorted(left for left, *_ in marks)


def test_boxes_follow_the_pen(detector):
    panel = digit_finder(detector, "20")
    page = panel.controls["strokes"]
    assert len(page.marks) == 2
    page.strokes = written("207")
    assert panel.words.endswith("Read as 207.")
    assert len(page.marks) == 3
    page.strokes = []
    assert page.marks == []
    assert "Nothing is found" in panel.words


def test_the_threshold_decides_what_counts(detector):
    panel = digit_finder(detector)
    panel.controls["strokes"].strokes = written("2026")[:1]  # two of one digit, or a part of it
    counts = []
    for threshold in (0.02, 0.5, 0.98):
        panel.set(threshold=threshold)
        counts.append(len(panel.controls["strokes"].marks))
        assert f"{counts[-1]}" in panel.words or panel.words.startswith(("Found", "Nothing"))
    assert counts == sorted(counts, reverse=True)
    before = panel.png
    panel.set(threshold=0.7)
    assert panel.png != before


def test_the_canvas_is_what_was_drawn():
    assert canvas_of([]).shape == (1, 1, HEIGHT, WIDTH)
    assert canvas_of([]).max() == -1
    across = canvas_of([[[0.25, 0.5], [0.75, 0.5]]], thickness=3.0)[0, 0]
    rows, columns = (across > 0).any(1).nonzero().flatten(), (across > 0).any(0).nonzero().flatten()
    assert (rows.min() + rows.max()) / 2 == pytest.approx(HEIGHT / 2, abs=1)
    assert len(rows) in (3, 4)
    assert columns.tolist() == list(range(int(columns.min()), int(columns.max()) + 1))
    assert abs(int(columns.min()) - WIDTH / 4) <= 2
    assert abs(int(columns.max()) - 3 * WIDTH / 4) <= 2
    assert (canvas_of([[[0.5, 0.5]]]) > 0).any(), "a single dot"


def test_what_is_below_the_threshold_is_dark():
    heat = torch.tensor([[0.9, 0.4], [0.1, 0.6]])
    shown = np.asarray(warmth(heat, 0.5)).astype(int).sum(-1)
    bright = shown[6, 6], shown[18, 18]
    assert min(bright) > max(shown[6, 18], shown[18, 6])


def test_without_a_kernel_there_is_a_still_picture(detector):
    panel = digit_finder(detector)
    bundle = panel._repr_mimebundle_()
    assert "Read as 2026" in bundle["text/plain"]
    assert any("widget-view" in kind for kind in bundle)
    assert Image.open(io.BytesIO(panel.png)).size[0] == 3 * WIDTH


def test_a_change_is_computed_while_the_pen_moves(detector):
    panel = digit_finder(detector)
    seconds = []
    for number in ("20", "202", "2026"):
        panel.controls["strokes"].strokes = written(number)
        seconds.append(panel.seconds)
    assert min(seconds) < 0.1


def test_bad_input_is_one_line(detector):
    with pytest.raises(CourseError, match="detector: got a Classifier, expected a Detector"):
        digit_finder(Classifier())
    for number in ("", "20x6", "12345678901"):
        with pytest.raises(CourseError, match="number: got"):
            digit_finder(detector, number)
