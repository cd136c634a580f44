"""Chapter 11's figures show what they are given, each with its words."""

from __future__ import annotations

import pytest
import torch

from course_lib.show import gan_or_vae

ALT = "a sentence that says what is seen"


@pytest.fixture
def shown(shown_by):
    return shown_by(gan_or_vae)


def test_clouds_lie_over_the_same_real_points_with_equal_axes(shown):
    real, fakes = torch.randn(50, 2), {"a": torch.zeros(9, 2), "b": torch.ones(8, 2)}
    gan_or_vae.clouds(real, fakes, {"a": "first", "b": "second"}, ALT)
    ((fig, alt),) = shown
    assert alt == ALT
    assert [axis.get_title() for axis in fig.axes] == ["first", "second"]
    for axis, count in zip(fig.axes, (9, 8), strict=True):
        assert [len(dots.get_offsets()) for dots in axis.collections] == [50, count]


def test_bells_have_a_panel_for_each_loss(shown):
    x = torch.linspace(-9, 9, 19)
    gan_or_vae.bells(x, x * 0, {"KL": [("one", x), ("two", -x)], "JS": [("one", x), ("two", x)]}, ALT)
    axes = shown[0][0].axes
    assert [axis.get_title() for axis in axes] == ["KL", "JS"]
    assert axes[0].lines[1].get_ydata().tolist() == (-x).tolist()


def test_separations_mark_where_one_overtakes_the_other(shown):
    gan_or_vae.separations([1.0, 2.0], {"wide": [0.1, 0.3], "narrow": [0.2, 0.2]}, 1.5, ALT)
    lines = shown[0][0].axes[0].lines
    assert [list(line.get_ydata()) for line in lines[:2]] == [[0.1, 0.3], [0.2, 0.2]]
    assert list(lines[2].get_xdata()) == [1.5, 1.5]


def test_piles_are_shares_of_their_own_images(shown):
    gan_or_vae.piles({"near": torch.full((40,), 0.1), "far": torch.linspace(0.5, 1.0, 20)}, ALT)
    near, far = shown[0][0].axes[0].lines
    assert max(near.get_ydata()) == 1.0
    assert sum(far.get_ydata()) == pytest.approx(1.0, abs=0.1)  # the last 2 % lie beyond the edge


def test_seeds_are_one_dot_each_and_real_images_a_line(shown):
    models = {"r3gan": {"coverage": [0.8, 0.7, 0.9]}, "vae": {"coverage": [0.5, 0.4, 0.6]}}
    record = {"contestants": models, "real": {"grey": {"coverage": 0.95}}}
    gan_or_vae.seeds({"mnist": record}, {"coverage": "coverage"}, {"r3gan": "GAN", "vae": "VAE"}, ALT)
    (axis,) = shown[0][0].axes
    assert axis.get_title() == "mnist: coverage"
    assert [list(line.get_ydata()) for line in axis.lines] == [[0.8, 0.7, 0.9], [0.5, 0.4, 0.6], [0.95, 0.95]]
