"""Figures with words, on white; a training view that redraws in place."""

from __future__ import annotations

import base64
import io
import re

import numpy as np
import pytest
import torch
from IPython.display import Code
from matplotlib import pyplot as plt
from PIL import Image

from course_lib import show
from course_lib.errors import CourseError
from course_lib.show import figures, paint, training_view
from course_lib.training.run import Run


@pytest.fixture
def shown(monkeypatch):
    """Everything that was displayed, in order."""
    seen = []
    monkeypatch.setattr("IPython.display.display", lambda *things, **options: seen.append((things, options)))
    return seen


def picture(bundle) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(bundle["image/png"]))).convert("RGBA"))


def test_a_figure_has_alt_text_in_html_and_a_bare_png(shown):
    fig, axis = plt.subplots()
    axis.plot([0, 1])
    show.figure(fig, 'A rising line, "quoted" & <tagged>')
    (bundle,), options = shown[0]
    assert options == {"raw": True}
    assert 'alt="A rising line, &quot;quoted&quot; &amp; &lt;tagged&gt;"' in bundle["text/html"]
    assert bundle["image/png"] in bundle["text/html"]
    assert bundle["text/plain"].startswith("A rising line")
    assert not plt.get_fignums(), "a figure left open is shown twice"


def test_figures_are_opaque_and_white_for_dark_pages(shown):
    fig, axis = plt.subplots()
    axis.plot([0, 1])
    show.figure(fig, "A rising line on white paper")
    pixels = picture(shown[0][0][0])
    assert (pixels[..., 3] == 255).all()
    assert (pixels[0, 0] == 255).all()


@pytest.mark.parametrize("alt", ["", "a plot"])
def test_a_picture_without_words_is_refused(alt):
    fig, _ = plt.subplots()
    with pytest.raises(CourseError, match="alt: got"):
        show.figure(fig, alt)


def test_pixels_are_not_rescaled_by_their_own_range():
    grey = figures.to_pixels(torch.tensor([-1.0, 0.0, 1.0, 3.0]).view(1, 1, 2, 2))
    assert grey[0, :, :, 0].tolist() == [[0, 128], [255, 255]]
    dim = figures.to_pixels(torch.full((1, 1, 2, 2), -0.5))
    assert (dim == 64).all()


def test_images_show_one_title_each_and_refuse_other_counts(shown):
    show.images(torch.zeros(3, 1, 5, 4), "Three grey rectangles in a row", titles=["a", "b", "c"], columns=2)
    assert "Three grey" in shown[0][0][0]["text/plain"]
    with pytest.raises(CourseError, match="titles: got 2, expected 3"):
        show.images(torch.zeros(3, 1, 5, 4), "Three grey rectangles in a row", titles=["a", "b"])
    with pytest.raises(CourseError, match=r"images: got shape \[3, 2, 5, 4\]"):
        show.images(torch.zeros(3, 2, 5, 4), "Three strange rectangles in a row")


def test_a_sharp_figure_has_two_pixels_for_each_of_the_page(shown, monkeypatch):
    monkeypatch.setattr(figures, "SHARP", 2)
    for budget, pixels in (("laptop", 2), ("smoke", 1)):
        monkeypatch.setenv("COURSE_BUDGET", budget)
        fig, axis = plt.subplots(figsize=(4, 1.003))
        axis.plot([0, 1])
        show.figure(fig, "A rising line in a wide picture")
        (bundle,), _ = shown[-1]
        assert picture(bundle).shape[:2] == (pixels * 90, pixels * 4 * 90)
        assert ('width="360"' in bundle["text/html"]) == (pixels > 1)


def test_rows_and_columns_of_images_carry_their_names():
    labels = figures.image_grid(torch.zeros(4, 1, 3, 3), 2, rows=["real", "fake"], heads=["at 0", "at 1"])
    drawn = {text.get_text() for axis in labels.axes for text in (axis.yaxis.label, axis.title) if text.get_text()}
    assert drawn == {"real", "fake", "at 0", "at 1"}
    labels.draw_without_rendering()
    boxes = [axis.yaxis.label.get_window_extent() for axis in labels.axes if axis.yaxis.label.get_text()]
    assert all(box.x0 >= 0 and box.x1 <= labels.axes[1].get_window_extent().x0 for box in boxes), "a name is cut off"
    plain = figures.image_grid(torch.zeros(4, 1, 3, 3), 2)
    plain.draw_without_rendering()
    widths = [fig.axes[0].get_window_extent().width for fig in (labels, plain)]
    assert widths[0] == pytest.approx(widths[1], rel=0.1), "the names take their room from the images"
    plt.close(labels)
    plt.close(plain)


def test_a_matrix_shows_every_number_and_zero_is_white_where_some_are_negative():
    fig, (left, right) = plt.subplots(1, 2)
    show.numbers(left, [[1, 2.5], [2, 3]], "four", boxes=[(0, 0, 1, 2)], high=9)
    show.numbers(right, torch.tensor([[-1.0, 0.0, 4.0]]))
    assert [text.get_text() for text in left.texts] == ["1", "2.5", "2", "3"]
    assert [text.get_text() for text in right.texts] == ["-1", "0", "4"]
    assert (left.images[0].get_clim(), right.images[0].get_clim()) == ((0, 9), (-4, 4))
    assert len(left.patches) == 1
    white = right.images[0].cmap(right.images[0].norm(0.0))
    assert min(white[:3]) > 0.95
    plt.close(fig)


def test_a_grey_image_is_not_rescaled():
    fig, axis = plt.subplots()
    show.grey(axis, torch.full((1, 1, 3, 2), 0.5), "half grey")
    assert axis.images[0].get_clim() == (0, 1)
    assert axis.images[0].get_array().shape == (3, 2)
    plt.close(fig)


@pytest.mark.parametrize(("given", "expected"), [("rows", "row"), ("heads", "column")])
def test_a_name_for_every_row_and_column(given, expected):
    with pytest.raises(CourseError, match=f"{given}: got 1, expected 2, one per {expected}"):
        figures.image_grid(torch.zeros(4, 1, 3, 3), 2, **{given: ["alone"]})


def test_a_table_is_escaped_and_has_a_plain_form(shown):
    show.table([["<b>", 3], ["c", 4.5]], ["name", "value"], caption="a & b")
    (bundle,), _ = shown[0]
    assert "&lt;b&gt;" in bundle["text/html"]
    assert "a &amp; b" in bundle["text/html"]
    assert bundle["text/plain"].splitlines() == ["name  value", "<b>  3", "c  4.5"]


def test_source_shows_the_librarys_own_lines(shown):
    from course_lib.cnn.convolution import output_size

    show.source(output_size)
    (place, code), _ = shown[0]
    assert re.match(r"`course_lib/cnn/convolution.py`, line \d+", place.data)
    assert isinstance(code, Code)
    assert code.data.startswith("def output_size(")


def test_the_running_mean():
    assert training_view.smooth([1, 2, 3, 4], 2).tolist() == [1.0, 1.5, 2.5, 3.5]
    assert training_view.smooth([1, 2, 3], 1).tolist() == [1, 2, 3]


def test_the_training_view_draws_once_and_then_in_place(monkeypatch):
    updates = []

    class Handle:
        def update(self, content, raw):
            updates.append(content)

    first = []

    def display(content, raw, display_id):
        first.append(content)
        return Handle()

    monkeypatch.setattr("IPython.display.display", display)
    monkeypatch.setattr(training_view, "in_notebook", lambda: True)
    view = show.TrainingView(samples=lambda model: torch.zeros(5, 1, 6, 6), every=0.0, what="A test training")
    run = Run(None, {"loss": [3.0, 2.0, 1.0]}, steps=3, seconds=1.0)
    view.start(None, run, 10, None)
    view.update(None, run)
    run.steps = 10
    view.finish(None, run)
    assert first[0]["text/plain"] == "A test training, begun after 3 steps: loss 2.000."
    assert [content["text/plain"].split(":")[0] for content in updates] == [
        "A test training, running after 3 steps",
        "A test training, finished after 10 steps",
    ]


def test_the_training_view_gives_accuracy_its_own_axis_and_says_how_far_it_is():
    view = show.TrainingView()
    view.limit, view.most = "10 steps", (10, None)
    run = Run(None, {"loss": [3.0, 2.0], "accuracy": [0.1, 0.2]}, steps=2, seconds=1.0)
    fig = view.picture(None, run, "running")
    bar, losses, shares = fig.axes
    assert bar.patches[0].get_width() == pytest.approx(0.2)
    assert "step 2, 1 s of 10 steps" in bar.get_title(loc="left")
    assert [[line.get_label() for line in axis.lines] for axis in (losses, shares)] == [["loss"], ["accuracy"]]
    assert shares.get_ylim()[1] < 1.1
    view.most = (None, 4.0)
    assert view.done(run) == pytest.approx(0.25)


def test_tiles_are_in_reading_order():
    pixels = np.arange(5, dtype=np.uint8).reshape(5, 1, 1, 1) * np.ones((5, 2, 3, 3), np.uint8)
    grid = training_view.tile(pixels, columns=2)
    assert grid.shape == (8, 7, 3)
    assert [grid[row, column, 0] for row, column in [(0, 0), (0, 4), (3, 0), (3, 4), (6, 0)]] == [0, 1, 2, 3, 4]


def test_numbers_are_written_as_a_person_would():
    assert paint.written(-0.04, 1) == "0.0"
    assert paint.written(-0.06, 1) == "-0.1"
    assert paint.written(2.0, 0) == "2"


@pytest.mark.parametrize(
    ("place", "colour", "said"),
    [((0.5, 0.5), "C1", "'slope' is C1 on white"), ((0.97, 0.5), "black", "'slope' is cut off")],
)
def test_words_that_are_pale_or_cut_off_are_found(readable, capsys, place, colour, said):
    fig, axis = plt.subplots(figsize=(3, 2), layout="none")
    fig.text(*place, "slope", color=colour)
    axis.set_axis_off()
    show.figure(fig, "One word that is hard to read.")
    assert readable == [said]
    readable.clear()


def test_legible_colours_are_the_given_ones_only_darker():
    assert figures.legible("black") == "#000000"
    assert figures.legible("#1863aa") == "#1863aa"  # read as it is
    for name in ("C0", "C1", "C3", "#ffff00"):
        assert figures.contrast(figures.legible(name)) >= 4.5
    red, green, blue = (int(figures.legible("C1")[i : i + 2], 16) for i in (1, 3, 5))
    assert red > green > blue, "orange is still orange"


def test_dollar_signs_are_text_and_powers_are_still_raised():
    """Class names come from folders; matplotlib would read $\\frac$ as mathematics and fail."""
    fig, (log, named) = plt.subplots(1, 2)
    log.loglog([1, 1000], [1e-3, 10])
    log.set_title(r"the class $\frac$")
    named.set_xticks(range(2), [r"$\frac$", "$a_b$"])
    named.plot([0, 1], [1, 2], label="$")
    named.legend()
    assert figures.png(fig).startswith(b"\x89PNG")
    assert [t.get_text() for t in log.get_yticklabels()][1:3] == ["10⁻³", "10⁻²"]
    assert [t.get_text() for t in named.get_xticklabels()] == [r"$\frac$", "$a_b$"]
    assert log.title.get_parse_math() is False
