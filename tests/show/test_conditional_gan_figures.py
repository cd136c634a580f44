"""Chapter 8's figures show what they are given, each with its words."""

from __future__ import annotations

import pytest
import torch

from course_lib.gan.points import ring
from course_lib.show import conditional_gan

ALT = "a sentence that says what is seen"


@pytest.fixture
def shown(shown_by):
    return shown_by(conditional_gan)


def test_rings_have_the_numbers_outside_all_points(shown):
    centres = ring(8).centres
    near, far = centres.repeat(5, 1), 3 * centres.repeat(5, 1)
    conditional_gan.rings({"near": (near, torch.arange(40) % 8), "far": (far, torch.arange(40) % 8)}, centres, ALT)
    ((fig, alt),) = shown
    assert alt == ALT
    assert [axis.get_title() for axis in fig.axes] == ["near", "far"]
    for axis in fig.axes:
        assert [text.get_text() for text in axis.texts] == [str(k) for k in range(8)]
        assert all(torch.tensor(text.get_position()).norm() > 3 for text in axis.texts)
        colours = axis.collections[0].get_facecolors()
        assert (colours[0] == colours[8]).all()
        assert (colours[0] != colours[1]).any()


def test_order_counts_write_what_is_not_zero_and_hide_the_diagonal(shown):
    conditional_gan.order_counts(torch.tensor([[9, 0], [2, 7]]), ["a", "b"], ALT)
    axis = shown[0][0].axes[0]
    assert sorted(text.get_text() for text in axis.texts) == ["2", "7", "9"]
    assert axis.images[0].get_array().mask.tolist() == [[True, False], [False, True]]
    assert (axis.get_xlabel(), axis.get_ylabel()) == ("read as", "ordered")


def test_a_table_without_mistakes_is_dark(shown):
    conditional_gan.order_counts(torch.eye(3, dtype=torch.int64), ["a", "b", "c"], ALT)
    assert shown[0][0].axes[0].images[0].get_clim() == (0, 1)


def test_hands_compare_each_hand_with_itself_and_with_the_next(shown):
    values = torch.tensor([[1.0, 10.0], [2.0, 20.0], [3.0, 30.0]])
    conditional_gan.hands({"ink": values, "slant": -values}, 0, 1, ["a", "b"], ALT)
    ink, slant = shown[0][0].axes
    different, same = ink.collections
    assert same.get_offsets().tolist() == values.tolist()
    assert different.get_offsets().tolist() == [[1.0, 30.0], [2.0, 10.0], [3.0, 20.0]]
    assert slant.get_xlabel() == "slant of the a"


def test_the_way_shows_three_readings_beside_the_plane(shown):
    reading = torch.tensor([[0.9, 0.1, 0.0], [0.2, 0.1, 0.7]])
    plane = torch.zeros(2, 3, 1, 4, 5)
    plane[1, 2] = 1.0
    conditional_gan.way(torch.tensor([0.0, 1.0]), reading, plane, (0, "a"), (2, "c"), ALT)
    axis, picture = shown[0][0].axes
    assert [line.get_label() for line in axis.lines] == ["read as a", "read as c", "as something else"]
    assert torch.allclose(torch.tensor(axis.lines[2].get_ydata()), torch.tensor([0.1, 0.1]))
    pixels = picture.images[0].get_array()
    assert pixels.shape[:2] == (8, 15)
    assert pixels[4:, 10:].min() == 1
    assert pixels[:4].max() == 0.5


def test_wrong_labels_lie_over_the_formula(shown):
    conditional_gan.wrong_labels([0.0, 0.5], [1.0, 0.6], 4, ALT)
    line, dots = shown[0][0].axes[0].lines
    assert list(line.get_ydata()) == [1, 0.25]
    assert list(dots.get_ydata()) == [1.0, 0.6]


def test_tables_stand_under_their_letters(shown):
    conditional_gan.tables({letter: torch.tensor([[9, 0], [2, 7]]) for letter in "ABCDEF"}, ALT)
    axes = shown[0][0].axes
    assert [axis.get_title() for axis in axes] == list("ABCDEF")
    assert sorted(text.get_text() for text in axes[0].texts) == ["2", "7", "9"]
