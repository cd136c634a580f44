"""The figures of chapter 3, and what its explorer paints of a gradient."""

from __future__ import annotations

import torch
from matplotlib import pyplot as plt

from course_lib.show import paint, pooling


def test_matrices_side_by_side_have_cells_of_one_size_and_one_scale_of_greys():
    fig = pooling.number_row(("image", [[0, 1, 2], [3, 4, 9]], [(0, 0, 2, 2)]), ("mean", torch.ones(1, 1), []), high=9)
    fig.draw_without_rendering()
    left, right = fig.axes
    assert [axis.get_title() for axis in fig.axes] == ["image", "mean"]
    assert [len(axis.patches) for axis in fig.axes] == [1, 0]
    cells = [axis.get_window_extent().width / columns for axis, columns in ((left, 3), (right, 1))]
    assert abs(cells[0] - cells[1]) < 0.1 * cells[0]
    assert left.images[0].get_clim() == right.images[0].get_clim() == (0, 9)


def test_rows_of_greys_say_their_names_and_sizes():
    fig = pooling.grey_rows({"max": [torch.ones(1, 1, 4, 4), torch.ones(1, 1, 2, 2)], "mean": [torch.ones(3, 3)] * 2})
    fig.draw_without_rendering()
    assert [axis.get_title() for axis in fig.axes] == ["4 x 4", "2 x 2", "3 x 3", "3 x 3"]
    assert [axis.get_ylabel() for axis in fig.axes] == ["max", "", "mean", ""]
    boxes = [axis.title.get_window_extent() for axis in fig.axes]
    assert not any(a.overlaps(b) for k, a in enumerate(boxes) for b in boxes[k + 1 :])
    assert len({round(axis.get_window_extent().width) for axis in fig.axes}) == 1


def test_one_curve_for_each_kind_of_pooling():
    _, axis = plt.subplots()
    pooling.change_curves(axis, {"no pooling": [0, 0.5, 1], "a new kind": [0, 0.1, 0.2]}, "pixels")
    assert [line.get_label() for line in axis.lines[:2]] == ["no pooling", "a new kind"]
    assert axis.lines[0].get_color() != axis.lines[1].get_color()


def test_the_explorer_writes_the_gradient_of_its_window_only(monkeypatch):
    asked = []
    real = paint.number_grid
    monkeypatch.setattr(
        paint, "number_grid", lambda values, **how: (asked.append((values, how)), real(values, **how))[1]
    )
    panel = pooling.pooling_explorer(torch.rand(6, 6, generator=torch.Generator().manual_seed(0)))
    panel.set(kind="average", kernel=2, stride=2, step=4)
    assert not asked, "nobody looks at the still picture"
    assert panel.png
    gradient, how = asked[-1]
    assert how["boxes"] == [(2, 2, 2, 2)]
    assert how["known"].sum() == 4
    assert (gradient[how["known"]] == 0.25).all()
    assert gradient.sum() == 1
