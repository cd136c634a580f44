"""The figures of chapter 12: what they write, count and colour."""

from __future__ import annotations

import pytest
import torch

from course_lib.data import new_worlds, portraits
from course_lib.show import new_worlds_figures as figures


@pytest.fixture
def shown(shown_by):
    return shown_by(figures)


def texts(fig) -> list[str]:
    return [text.get_text() for axis in fig.axes for text in axis.texts]


def test_a_sheet_is_one_picture_with_a_title(shown):
    figures.sheet(torch.zeros(6, 3, 4, 4), 3, "six", "six grey squares side by side")
    ((fig, _),) = shown
    assert fig.axes[0].images[0].get_array().shape == (8, 12, 3)
    assert fig.axes[0].get_title(loc="left") == "six"


def test_rays_write_what_they_meet_and_the_sum(shown):
    notched = torch.tensor([[0.0, 0], [4, 0], [4, 4], [2, 2], [0, 4]])
    figures.rays(notched, {"A": (1, 1), "B": (2, 3)}, high=4)
    written = texts(shown[0][0])
    assert written.count("+1") == 2
    assert written.count("-1") == 1
    assert {"1: inside", "0: outside"} <= set(written)


def test_winding_numbers_stand_in_their_regions(shown):
    star = torch.arange(5) * (4 * torch.pi / 5)
    star = 0.5 + 0.4 * torch.stack([star.cos(), star.sin()], -1)
    figures.windings({"star": star}, size=60)
    fig, words = shown[0]
    _, numbers, nonzero, odd = fig.axes
    assert sorted(text.get_text() for text in numbers.texts) == ["0", "1", "2"]
    for text in numbers.texts:
        x, y = text.get_position()
        found = new_worlds.winding_number(star, torch.tensor([[(x + 0.5) / 60, (y + 0.5) / 60]]))
        assert int(found) == int(text.get_text())
    assert nonzero.images[0].get_array().sum() < odd.images[0].get_array().sum()  # which leaves the middle white
    assert "star" in words


def test_the_deepest_place_is_in_the_middle():
    region = torch.zeros(9, 12, dtype=torch.bool)
    region[2:7, 3:8] = True
    assert figures.deepest(region) == (4, 5)


def test_the_outline_is_where_the_distance_is_nothing(shown):
    square = torch.tensor([[0.25, 0.25], [0.75, 0.25], [0.75, 0.75], [0.25, 0.75]])
    figures.distance_map({"square": square}, size=30)
    edge = shown[0][0].axes[0].collections[-1]
    assert edge.levels == [0]
    corners = torch.tensor(edge.get_paths()[0].vertices)
    assert corners.min() > 0.24
    assert corners.max() < 0.76


def test_numbers_and_greys_have_their_titles(shown):
    figures.three_grids({"a": torch.eye(2), "b": -torch.eye(2)})
    figures.greys({"edge\noff by 0.1": torch.eye(3)})
    (grids, words), (greys, _) = shown
    assert [axis.get_title() for axis in grids.axes] == ["a", "b"]
    assert "a; b" in words
    assert greys.axes[0].images[0].get_array()[0, 0] == 0  # covered is black


def test_an_outline_shows_its_anchors_and_handles(shown):
    anchors = torch.tensor([[0.2, 0.2], [0.8, 0.3], [0.5, 0.8]])
    figures.outline_made({"three": (anchors, new_worlds.smooth_outline(anchors))})
    axis = shown[0][0].axes[0]
    assert sum(line.get_marker() == "o" for line in axis.lines) == 6
    assert sum(line.get_marker() == "s" for line in axis.lines) == 1


def test_part_maps_name_the_parts_that_are_seen(shown):
    drawn = portraits.draw(3, size=24, hat="no", glasses="no", earrings="no", beard="no")
    figures.part_maps(drawn, columns=3)
    fig, words = shown[0]
    named = [text.get_text() for text in fig.legends[0].get_texts()]
    assert {"background", "skin", "clothes"} <= set(named)
    assert not {"hat", "glasses", "earrings"} & set(named)
    assert "hat" not in words
    assert tuple(figures.PART_COLOURS) == portraits.PARTS


def test_scores_of_two_readers_are_sorted_and_lie_at_their_names(shown):
    table = {name: portraits.FACTORS[name] for name in ("hair", "hat", "smile")}
    figures.two_readers({"hair": 0.2, "hat": 0.8, "smile": -0.1}, {"hair": 0.9, "hat": 1.0, "smile": 0.7}, table)
    left, right = shown[0][0].axes
    assert [label.get_text() for label in left.get_yticklabels()] == ["hat", "hair"]
    assert [bar.get_width() for bar in left.patches] == [0.8, 0.2]
    assert list(left.lines[0].get_xdata()) == [1.0, 0.9]
    assert right.patches[0].get_width() == 0  # a negative R² is nothing known


def test_what_is_read_has_a_dot_and_a_ring_for_each_factor(shown):
    scores = {
        "hair": {"kind": "category", "visible": [1.0, 0.98], "everywhere": [0.5, 0.5]},
        "smile": {"kind": "number", "visible": [0.9], "everywhere": [0.9]},
    }
    figures.what_is_read({"portraits": scores, "landscapes": scores})
    fig, _ = shown[0]
    titles = {axis.get_title() for axis in fig.axes}
    assert titles == {f"{w}: {k}" for w in ("portraits", "landscapes") for k in ("accuracy", "R²")}
    axis = next(axis for axis in fig.axes if axis.get_title() == "portraits: accuracy")
    assert [list(line.get_xdata()) for line in axis.lines if line.get_marker() == "o"] == [[0.5], [0.99]]
