"""The widgets without a browser: what they compute, what they say, how fast."""

from __future__ import annotations

import pytest
import torch
from computation import median_seconds

from course_lib import models, show
from course_lib.cnn.training_a_cnn import Classifier
from course_lib.data.strokes import draw
from course_lib.errors import CourseError
from course_lib.show.panel import inside
from course_lib.show.training_a_cnn import example, image_of

VIEW = "application/vnd.jupyter.widget-view+json"


def small_digit() -> torch.Tensor:
    return (draw([3], size=12, seed=1).images[0, 0] + 1) / 2


def panels():
    return {
        "stroke_editor": show.widgets.stroke_editor(2),
        "convolution_explorer": show.widgets.convolution_explorer(small_digit()),
        "pooling_explorer": show.widgets.pooling_explorer(small_digit()),
        "digit_reader": show.widgets.digit_reader(Classifier()),
    }


MOVES = {  # the slider each widget is played with
    "stroke_editor": ("slant", [0.1, 0.2, 0.3, 0.4, 0.5]),
    "convolution_explorer": ("step", [5, 12, 33, 47, 60]),
    "pooling_explorer": ("step", [5, 12, 20, 25, 30]),
    "digit_reader": ("thickness", [2.0, 2.5, 3.0, 3.5, 4.0]),
}


@pytest.mark.parametrize("name", MOVES)
def test_moving_a_slider_changes_picture_and_words(name):
    panel = panels()[name]
    before = panel._repr_mimebundle_()["text/html"]
    control, values = MOVES[name]
    panel.controls[control].value = values[-1]
    after = panel._repr_mimebundle_()["text/html"]
    assert after != before
    assert f'alt="{panel.words}"' in after
    assert len(panel.words) >= 15


@pytest.mark.parametrize("name", MOVES)
def test_a_change_takes_at_most_fifty_milliseconds_of_computation(name):
    panel = panels()[name]
    control, values = MOVES[name]
    assert median_seconds(panel.controls[control], values * 2) <= 0.05


@pytest.mark.parametrize("name", MOVES)
def test_one_output_holds_the_widget_and_its_still_picture(name):
    bundle = panels()[name]._repr_mimebundle_()
    assert {VIEW, "image/png", "text/html", "text/plain"} <= bundle.keys()


@pytest.mark.parametrize("name", MOVES)
def test_no_control_says_null_under_the_pointer(name):
    """ipywidgets writes the tooltip None on a label as "null"."""
    controls = [widget for widget in inside(panels()[name].box) if hasattr(widget, "description")]
    assert len(controls) >= 4
    assert all(widget.tooltip is not None for widget in controls)


def test_the_convolution_explorer_shows_the_sum_of_the_products():
    pixels = torch.zeros(5, 6)
    pixels[1:4, 2:5] = torch.arange(9.0).reshape(3, 3) / 10
    panel = show.widgets.convolution_explorer(pixels)
    panel.set(step=6, weights=[float(i) for i in range(9)])  # output row 1, column 2: exactly those nine pixels
    wanted = sum(i / 10 * i for i in range(9))
    assert f"row 1, column 2 the nine products add up to {wanted:.2f}" in panel.words
    panel.set(stride=2, padding=1)
    assert "stride 2, padding 1" in panel.words
    assert "The output is 3 by 3" in panel.words
    assert panel.controls["step"].max == 8


def test_the_kernel_presets_fill_the_nine_cells():
    panel = show.widgets.convolution_explorer(small_digit())
    panel.controls["preset"].value = "sharpen"
    assert panel.controls["weights"].value == [0, -1, 0, -1, 5, -1, 0, -1, 0]


def test_the_pooling_explorer_routes_the_gradient():
    panel = show.widgets.pooling_explorer(small_digit())
    panel.set(kind="max", kernel=3, stride=2, step=7)
    assert "reaches 1 of 9 inputs" in panel.words
    panel.set(kind="average")
    assert "reaches 9 of 9 inputs" in panel.words


@pytest.mark.parametrize("name", ["convolution_explorer", "pooling_explorer"])
def test_while_only_the_window_moves_no_grid_is_computed_or_sent_again(name):
    panel = panels()[name]
    grid, output, shares = panel.picture.grid, panel.picture.output, panel.picture.shares
    for step in (3, 11):
        panel.controls["step"].value = step
        assert panel.picture.grid is grid
        assert panel.picture.output is output
        assert panel.picture.shares is shares
    panel.controls["stride"].value = 3
    assert panel.picture.output is not output
    panel.set(stride=1 if name.startswith("convolution") else 2, step=3)
    assert panel.picture.output == output


def test_dragging_a_control_point_redraws():
    panel = show.widgets.stroke_editor(1)
    before = panel.png
    strokes = [[list(point) for point in stroke] for stroke in panel.controls["points"].strokes]
    strokes[0][0][0] += 0.2
    panel.controls["points"].strokes = strokes
    assert panel.png != before


def test_another_digit_brings_its_skeleton():
    panel = show.widgets.stroke_editor(1)
    panel.digit.value = 8
    assert "The digit 8 drawn" in panel.words


def test_slant_leans_to_the_right():
    from course_lib.show.drawing_images import lean

    top, bottom = lean(torch.tensor([[0.5, 0.1], [0.5, 0.9]]), slant=0.5, width=1.0, rotation=0.0)
    assert top[0] > 0.5 > bottom[0]
    top, bottom = lean(torch.tensor([[0.5, 0.1], [0.5, 0.9]]), slant=0.0, width=1.0, rotation=10.0)
    assert top[0] > 0.5 > bottom[0], "clockwise"


def test_what_is_drawn_is_framed_like_the_training_data():
    tiny = [[[0.1 + 0.02 * i, 0.8 + 0.01 * j] for i, j in [(0, 0), (1, 4), (2, 0)]]]
    image = image_of(tiny)[0, 0]
    rows, columns = (image > 0).any(1).nonzero().flatten(), (image > 0).any(0).nonzero().flatten()
    assert 17 <= max(rows.max() - rows.min(), columns.max() - columns.min()) + 1 <= 22
    assert image_of([]).eq(-1).all()
    assert image_of([[[0.5, 0.5]]]).isfinite().all(), "a single dot"


def test_the_reader_reads_the_programs_own_examples():
    model = models.pretrained("classifier")
    panel = show.widgets.digit_reader(model)
    read = []
    for digit in range(10):
        panel.controls["strokes"].strokes = example(digit)
        read.append(f"read as {digit} " in panel.words)
    assert sum(read) >= 9
    panel.controls["strokes"].strokes = []
    assert "empty drawing pad" in panel.words


@pytest.mark.parametrize("shape", [(2, 9), (9, 20), (1, 9, 9)])
def test_pictures_that_do_not_fit_are_refused(shape):
    for widget in (show.widgets.convolution_explorer, show.widgets.pooling_explorer):
        with pytest.raises(CourseError, match="pixels: got shape"):
            widget(torch.zeros(shape))
    with pytest.raises(CourseError, match="digit: got 11"):
        show.widgets.stroke_editor(11)
