"""The pictures of chapter 2."""

from __future__ import annotations

import pytest
import torch

from course_lib.cnn.convolution import conv2d
from course_lib.errors import CourseError
from course_lib.show import convolution as pictures


def cell_of(axis) -> float:
    """The width of one cell on the page."""
    return axis.get_window_extent().width / axis.images[0].get_array().shape[1]


def test_number_grids_have_cells_of_one_size_and_a_style_that_can_be_asked_for():
    image, kernel = torch.arange(20.0).view(4, 5), torch.tensor([[1.0, 0], [0, -2], [3, 0]])
    fig = pictures.number_grids([("x", image, [(0, 1, 3, 2)]), ("k", kernel), ("x", image)], signed=(2,))
    fig.draw_without_rendering()
    first, second, third = fig.axes
    assert [cell_of(axis) for axis in fig.axes] == pytest.approx([cell_of(first)] * 3, rel=0.06)
    assert [axis.get_title() for axis in fig.axes] == ["x", "k", "x"]
    assert len(first.patches) == 1
    assert [axis.images[0].get_clim() for axis in (first, second, third)] == [(0, 19), (-3, 3), (-19, 19)]


def test_a_matrix_shows_no_minus_zero():
    fig = pictures.number_grids([("k", torch.tensor([[-0.0, 1.0]]))])
    assert [text.get_text() for text in fig.axes[0].texts] == ["0", "1"]


@pytest.mark.parametrize("panels", [[], [("x", torch.zeros(1, 2, 2))]])
def test_number_grids_want_matrices(panels):
    with pytest.raises(CourseError, match="panels: got shapes"):
        pictures.number_grids(panels)


def test_every_position_of_the_kernel_is_a_bar_and_padding_is_grey():
    fig = pictures.kernel_positions([(7, 3, 2, 1), (8, 3, 2, 0)])
    padded, plain = fig.axes
    assert [len(axis.lines) for axis in (padded, plain)] == [4, 3]
    assert [len(axis.patches) for axis in (padded, plain)] == [9, 8]
    assert [patch.get_facecolor()[0] == 0.75 for patch in padded.patches] == [True, *[False] * 7, True]
    assert padded.get_title() == "n = 7, k = 3, s = 2, p = 1: 4 positions"
    with pytest.raises(CourseError, match="cases: got 1"):
        pictures.kernel_positions([(7, 3, 1, 0)])


def test_the_maps_of_the_channels_add_up_to_the_map_of_the_kernel():
    image, kernel = torch.randn(3, 6, 8), torch.randn(3, 3, 3)
    fig = pictures.channels_into_one_map(image, kernel, ["red", "green", "blue"])
    arrays = [torch.tensor(axis.images[0].get_array().data) for axis in fig.axes]
    wanted = conv2d(image[None], kernel[None], padding=1)[0, 0]
    torch.testing.assert_close(arrays[-1], wanted)
    torch.testing.assert_close(arrays[2] + arrays[5] + arrays[8], wanted)
    assert [axis.get_ylabel() for axis in fig.axes[:9:3]] == ["red", "green", "blue"]
    with pytest.raises(CourseError, match=r"expected .C, H, W., .C, kh, kw. and C names"):
        pictures.channels_into_one_map(image, kernel[:2], ["red", "green"])


def test_each_stack_of_slices_makes_one_map():
    image, weight = torch.randn(2, 6, 8), torch.randn(4, 2, 3, 3)
    fig = pictures.stacks_into_maps(image, weight, list("abcd"), ["left", "right"])
    maps = [torch.tensor(axis.images[0].get_array().data) for axis in fig.axes[2::3]]
    torch.testing.assert_close(torch.stack(maps), conv2d(image[None], weight, padding=1)[0])
    assert [axis.get_title() for axis in fig.axes[:3]] == ["slice for left", "slice for right", "output map"]
    with pytest.raises(CourseError, match="O and C names"):
        pictures.stacks_into_maps(image, weight, ["a"], ["left", "right"])


def test_stamps_overlapping_shows_a_matrix_over_each_image():
    fig = pictures.stamps_overlapping({"a": torch.ones(3, 3), "b": torch.ones(4, 4)}, [torch.rand(5, 5)] * 2)
    assert [axis.get_title() for axis in fig.axes] == ["a", "b", *["a digit, enlarged twice: 5x5"] * 2]
    with pytest.raises(CourseError, match="images: got 1, expected 2"):
        pictures.stamps_overlapping({"a": torch.ones(3, 3), "b": torch.ones(4, 4)}, [torch.rand(5, 5)])
