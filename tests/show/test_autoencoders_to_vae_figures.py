"""Chapter 9's figures show what they are given, each with its words."""

from __future__ import annotations

import math

import pytest
import torch

from course_lib.checks.autoencoders_to_vae import LATENT, patient
from course_lib.show import autoencoders_to_vae_figures as pictures
from course_lib.vae.autoencoders_to_vae import principal_components

NAMES = list("abcdefghij")


@pytest.fixture
def shown(shown_by):
    return shown_by(pictures)


class Plain:
    """Its codes are the first two pixels, three times as large; it decodes every point as a grey image."""

    def codes(self, images):
        return 3 * images[:, 0, 0, :2]

    def decode(self, codes):
        return codes[:, :1, None, None].tanh().expand(-1, 1, 4, 6)

    def reconstruct(self, images):
        return -images


def some(count=60):
    return torch.rand(count, 1, 4, 6, generator=torch.Generator().manual_seed(0)) * 2 - 1


def test_projections_name_what_is_lost(shown):
    points = torch.tensor([[1.0, 0.0], [-1.0, 0.0]])
    curve = ([0, 180], [0.0, 0.0], [0.0, 0.0])
    pictures.projections(points, {0: (points, 0.0), 45: (points / 2, 0.25)}, curve)
    ((fig, alt),) = shown
    assert [axis.get_title() for axis in fig.axes] == ["direction 0°: 0 lost", "direction 45°: 0 lost", ""]
    assert len(alt) > 15


def test_the_arc_computes_what_is_lost(shown):
    points = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    pictures.arc(points, {"all": points, "nothing": 0 * points})
    assert [axis.get_title() for axis in shown[0][0].axes] == ["all: 0.000 lost", "nothing: 1.000 lost"]


def test_the_plane_holds_codes_and_circle_and_counts_its_holes(shown):
    images = some()
    images[:, 0, 0, 0] = images[:, 0, 0, 0].abs()
    share = pictures.plane(Plain(), images, torch.arange(60) % 10, NAMES, side=6)
    left, right = shown[0][0].axes
    assert left.get_xlim()[0] < -2.45
    assert left.get_ylim()[1] > 2.45
    assert sum(len(line.get_xdata()) for line in left.lines) == 60
    assert 0 < share < 1
    assert len(right.patches) == round(36 * share)


def test_holes_lie_where_no_code_is(shown):
    images = some()
    images[:, 0, 0, 0] = images[:, 0, 0, 0].abs()  # every code in the right half
    pictures.plane(Plain(), images, torch.arange(60) % 10, NAMES, side=4)
    right = shown[0][0].axes[1]
    middles = [patch.get_x() + patch.get_width() / 2 for patch in right.patches]
    assert sum(middle < -1 for middle in middles) == 4  # the whole left column of the grid


def test_clouds_say_the_density_at_the_cross(shown):
    pictures.clouds(
        torch.zeros(1, 2), torch.zeros(1, dtype=torch.int64), {"one": (1.0, 1.0), "two": (1.0, 2.0)}, place=(0.0, 1.0)
    )
    axis = shown[0][0].axes[0]
    assert f"{math.exp(-0.5) / (2 * math.pi):.3f}" in axis.get_title()


def test_the_road_blocks_on_the_left_only(shown):
    pictures.road()
    left, right = shown[0][0].axes
    words = [[text.get_text() for text in axis.texts] for axis in (left, right)]
    assert ["✕ zero" in some for some in words] == [True, False]
    assert ["draw ε" in some for some in words] == [False, True]


def test_estimators_mean_groups_of_draws(shown):
    pictures.estimators({"a": torch.full((1000,), 4.0)}, 4.0, groups=(1, 10))
    assert [axis.get_title() for axis in shown[0][0].axes] == ["one draw for each estimate", "the mean of 10 draws"]
    assert [sum(patch.get_height() for patch in axis.patches) for axis in shown[0][0].axes] == [1000, 100]


def test_mixtures_draw_each_cloud_their_mean_and_the_prior(shown):
    x = torch.linspace(-3, 3, 7)
    pictures.mixtures(x, {"one": ((x * 0, x * 0 + 1), x * 0 + 0.5), "two": ((x, x), x)})
    for axis in shown[0][0].axes:
        assert len(axis.collections) == 2
        assert axis.lines[1].get_ydata()[3] == pytest.approx(1 / math.sqrt(2 * math.pi))


def test_two_latents_are_those_that_vary_most(shown):
    codes = torch.randn(40, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([0.1, 5.0, 1.0])
    pictures.two_latents({"one": codes, "two": codes}, torch.zeros(40, dtype=torch.int64), NAMES)
    line = shown[0][0].axes[0].lines[0]
    assert torch.equal(torch.as_tensor(line.get_xdata()), codes[:, 1])
    assert torch.equal(torch.as_tensor(line.get_ydata()), codes[:, 2])


def test_eigen_images_carry_their_variances(monkeypatch):
    kept = []
    monkeypatch.setattr(pictures, "show_images", lambda *given, **options: kept.append((given, options)))
    components = principal_components(torch.randn(30, 24, dtype=torch.float64), 5)
    pictures.eigen_images(components, (1, 4, 6), count=3)
    (((images, _), options),) = kept
    assert images.shape == (4, 1, 4, 6)
    assert options["titles"][0] == "mean"
    assert options["titles"][3] == f"3: {components.variances[2]:.1f}"
    assert images[1:].abs().amax(dim=(1, 2, 3)).tolist() == pytest.approx([1, 1, 1])


def test_pairs_alternate():
    images = some(3)
    both = pictures.pairs(Plain(), images)
    assert torch.equal(both[::2], images)
    assert torch.equal(both[1::2], -images)


def test_mysteries_have_a_row_for_each_run(shown):
    images = some(20)
    run = patient(images, "shared epsilon", 2)
    assert run["invented"].shape == (12, 1, 4, 6)
    assert LATENT >= 2
    pictures.mysteries({"A": run, "B": run}, images)
    fig = shown[0][0]
    assert len(fig.axes) == 8
    dots = fig.axes[3].lines[0]
    slope = dots.get_ydata() / dots.get_xdata()
    assert slope == pytest.approx(slope[0] * torch.ones(300).numpy(), rel=1e-2)  # in sigmas, on the diagonal
