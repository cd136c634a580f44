"""The pictures of chapter 1."""

from __future__ import annotations

import pytest
import torch

from course_lib.data import drawing_images as library
from course_lib.data.glyphs import skeleton
from course_lib.show import drawing_images as pictures

ARCH = torch.tensor([[0.0, 0.0], [0.0, 2.0], [2.0, 2.0], [2.0, 0.0]])


def test_every_control_point_has_its_name_and_the_last_round_lies_on_the_curve():
    fig = pictures.rounds(ARCH, (0.25, 0.5))
    for axis, t in zip(fig.axes, (0.25, 0.5), strict=True):
        assert [text.get_text() for text in axis.texts] == ["P₀", "P₁", "P₂", "P₃"]
        ((x, y),) = axis.lines[-1].get_xydata().tolist()
        assert (x, y) == pytest.approx(library.de_casteljau(ARCH, torch.tensor([t]))[0].tolist())


def test_dots_of_the_sheared_curve_lie_on_the_curve_of_the_sheared_points():
    fig = pictures.sheared(skeleton(5, 1)[0], torch.tensor([[1.0, -0.35], [0.0, 1.0]]))
    _, curve, dots = (torch.from_numpy(line.get_xydata()) for line in fig.axes[1].lines)
    assert len(dots) > 8
    assert torch.cdist(dots, curve).amin(1).max() < 0.02


def test_a_panel_for_each_skeleton_with_squares_where_the_pen_passes():
    drawings = [("four", skeleton(4)), ("one", skeleton(1))]
    fig = pictures.skeletons(drawings, columns=2)
    assert [axis.get_title() for axis in fig.axes] == ["four", "one"]
    for axis, (_, strokes) in zip(fig.axes, drawings, strict=True):
        squares = [line for line in axis.lines if line.get_marker() == "s"]
        assert sum(len(line.get_xydata()) for line in squares) == sum(len(stroke) // 3 + 1 for stroke in strokes)


def test_stages_show_the_one_before_and_lift_the_pen():
    lines, pen = [("a", torch.rand(5, 2)), ("b", torch.rand(5, 2))], torch.tensor([1.0, 0.0, 1.0, 1.0])
    fig = pictures.stages(lines, pen, torch.zeros(8, 8))
    assert [axis.get_title() for axis in fig.axes] == ["a", "b", "ink"]
    assert [len(axis.lines) for axis in fig.axes[:2]] == [1, 2]
    assert torch.from_numpy(fig.axes[0].lines[0].get_xydata()).isnan().any(1).tolist() == [
        False,
        False,
        True,
        False,
        False,
    ]


def test_a_generator_has_three_columns_and_an_arrow_between_neighbours():
    fig = pictures.generator(torch.zeros(2, 8), ["digit 4", "digit 7"], torch.zeros(2, 1, 28, 28))
    assert [axis.get_title() for axis in fig.axes] == ["random numbers", "factors", "image", "", "", ""]
    assert sum(getattr(text, "arrow_patch", None) is not None for axis in fig.axes for text in axis.texts) == 4


def test_a_bell_in_the_plane_is_a_product_and_the_vase_has_two_panels():
    row, column = torch.rand(6) + 0.1, torch.rand(5) + 0.1
    fig = pictures.bells(row, column, torch.ones(5, 6))
    product = torch.from_numpy(fig.axes[2].images[0].get_array().data)
    torch.testing.assert_close(product, column[:, None] * row / (column.max() * row.max()))
    net = torch.rand(4, 4, 3, dtype=torch.float64)
    assert len(pictures.vase(net, torch.ones(3, dtype=torch.float64), steps=3).axes) == 2
