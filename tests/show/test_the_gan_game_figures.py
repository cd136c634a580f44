"""Chapter 5's figures show what they are given, each with its words."""

from __future__ import annotations

import pytest
import torch

from course_lib.gan.points import PointGAN, ring
from course_lib.show import the_gan_game_figures as pictures

ALT = "a sentence that says what is seen"


@pytest.fixture
def shown(shown_by):
    return shown_by(pictures)


def test_players_are_named_and_both_gradients_are_drawn(shown):
    pictures.players()
    ((fig, alt),) = shown
    said = [text.get_text() for text in fig.axes[0].texts]
    assert {"generator G", "discriminator D", "D's loss", "G's loss", "teaches D"} <= set(said)
    assert "generator" in alt


def test_paths_begin_at_their_dot_and_end_with_their_distances(shown):
    walk = torch.tensor([[1.0, 0.0], [0.0, 2.0], [-3.0, 0.0]])
    pictures.paths({"one\nway": walk, "other": walk / 3}, ("x", "y"), ALT)
    axes = shown[0][0].axes
    assert [axis.get_title() for axis in axes] == ["one\nway", "other", "distance from the middle"]
    assert [list(line) for line in axes[0].lines[1].get_data()] == [[1.0], [0.0]]
    assert axes[2].lines[0].get_ydata().tolist() == [1, 2, 3]
    assert axes[0].get_xlim() == axes[1].get_xlim()


def test_a_look_at_a_game_and_its_picture(shown):
    torch.manual_seed(0)
    gan = PointGAN()
    stage = pictures.look(gan, ring().sample(30), "at the start")
    assert stage.opinion.shape == (80, 80)
    corner = gan.verdict(torch.tensor([[-1.7, 1.7]])).sigmoid()
    torch.testing.assert_close(stage.opinion[-1, 0], corner[0].detach())  # rows are y, from the bottom
    torch.testing.assert_close(stage.warp[0, 0], gan.draw(torch.tensor([[-2.0, -2.0]]))[0])
    pictures.stages([stage] * 6, ALT)
    axes = shown[0][0].axes
    assert [axis.get_title() for axis in axes[:6]] == ["at the start"] * 6
    assert len(axes) == 7  # and what the colours mean


def test_losses_stand_beside_what_a_blind_discriminator_makes_of_them(shown):
    pictures.losses({"discriminator": [1.4, 1.0], "generator": [0.7, 0.9]}, ALT)
    lines = shown[0][0].axes[0].lines
    assert [round(float(lines[k].get_ydata()[0]), 3) for k in range(4)] == [1.4, 1.386, 0.7, 0.693]


def test_hills_have_their_tops_at_the_share_of_real_images(shown):
    pictures.hills([(3, 1), (1, 4)])
    lines = shown[0][0].axes[0].lines
    assert [lines[k].get_xdata()[0] for k in (1, 3)] == [0.75, 0.2]


def test_what_was_found_stands_on_the_formula(shown):
    x = torch.linspace(-1, 1, 5)
    pictures.found(x, x + 1, 1 - x, x * 0.5, x * 0.4)
    left, right = shown[0][0].axes
    assert [line.get_ydata().tolist() for line in right.lines] == [(x * 0.5).tolist(), (x * 0.4).tolist()]
    assert [text.get_text() for text in left.get_legend().texts] == ["p, real", "q, fake"]


def test_groups_of_curves_have_a_panel_each(shown):
    x = torch.linspace(0, 1, 3)
    pictures.side_by_side(x, {"a": {"one": x}, "b": {"one": x, "two": -x}}, "m", ALT)
    assert [axis.get_title() for axis in shown[0][0].axes] == ["a", "b"]
    assert [len(axis.get_legend().texts) for axis in shown[0][0].axes] == [1, 2]


def test_a_story_is_a_verdict_and_a_gradient(shown):
    pictures.after_head_start({"minimax": torch.tensor([[0.1, 0.0], [0.2, 3.0]])})
    verdict, gradient = shown[0][0].axes
    assert verdict.lines[0].get_ydata().tolist() == pytest.approx([0.1, 0.2])
    assert gradient.lines[0].get_ydata().tolist() == pytest.approx([1e-12, 3.0])


def test_verdicts_are_counted_apart(shown):
    pictures.verdicts({"sure": (torch.full((9,), 0.99), torch.full((4,), 0.01))})
    (axis,) = shown[0][0].axes
    heights = [bar.get_height() for bar in axis.patches]
    assert heights[39] == 9
    assert heights[40] == 4


def test_the_museum_has_a_column_for_each_room_and_says_when_samples_are_out_of_sight(shown):
    curves, near = torch.rand(100, 3), torch.zeros(5, 2)
    rooms = {"A": (curves, near + 9, near), "B": (curves[:3], near, near)}
    pictures.museum(rooms, ALT)
    axes = shown[0][0].axes
    assert len(axes) == 6
    assert [axis.get_title() for axis in axes[:2]] == ["A", "B"]
    assert [len(axis.texts) for axis in axes[4:]] == [1, 0]
    assert float(axes[0].lines[1].get_ydata()[0]) == pytest.approx(
        float(curves[0, 0])
    )  # the dot: the first step, not averaged
