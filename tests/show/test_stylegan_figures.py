"""Chapter 16's figures show what they are given, each with its words."""

from __future__ import annotations

import pytest
import torch

from course_lib.gan.stylegan import StyleGAN, groups_of
from course_lib.show import stylegan_figures as figures


@pytest.fixture
def shown(shown_by):
    return shown_by(figures)


@pytest.fixture
def sheets(monkeypatch):
    """What is shown as a sheet of images: (images, alt, options)."""
    kept = []
    monkeypatch.setattr(figures, "images", lambda images, alt, **options: kept.append((images, alt, options)))
    return kept


@pytest.fixture
def model():
    torch.manual_seed(0)
    return StyleGAN(size=16, latent=6, style=5, width=4).eval()


def test_chosen_layers_are_those_of_the_groups(model):
    groups = groups_of(16)
    assert figures.chosen(model, "fine").nonzero().flatten().tolist() == groups["fine"]
    assert figures.chosen(model, *groups).all()
    assert not figures.chosen(model).any()


def test_the_mixing_sheet_has_its_faces_at_the_edges_and_pairs_inside(model, sheets):
    w = model.w(model.noise(5, torch.Generator().manual_seed(0)))
    figures.mixing_sheet(model, w[:2], w[2:], ["coarse", "middle", "fine"], "a sheet of mixed faces")
    ((images, _, options),) = sheets
    grid = images.unflatten(0, (3, 4))
    assert options["columns"] == 4
    assert options["heads"][1] == "coarse and middle and fine from B1"
    assert (grid[0, 0] == 1).all()
    torch.testing.assert_close(grid[1:, 0], model.paint(w[:2]))
    torch.testing.assert_close(grid[0, 1:], model.paint(w[2:]))
    for row in (1, 2):  # with all layers from B, only B is left
        torch.testing.assert_close(grid[row, 1:], grid[0, 1:], atol=1e-5, rtol=0)


def test_the_noise_sheet_says_whose_noise_moves_pixels(model, sheets):
    w = model.w(model.noise(1))[0]
    still = figures.noise_sheet(model, w, draws=4)
    assert all(level < 1e-3 for level in still.values())
    torch.nn.init.constant_(model.generator["synthesis"].layers[-1].strength, 0.5)
    moving = figures.noise_sheet(model, w, draws=4)
    assert moving["fine"] == pytest.approx(moving["all"], rel=1e-3)
    assert moving["fine"] > 1 > moving["coarse"]
    assert len(sheets[-1][0]) == len(sheets[-1][2]["titles"]) == 3 + len(moving)


def test_owners_write_every_share_and_set_groups_apart(shown):
    table = torch.tensor([[0.1, 0.2, 0.9], [0.0, 1.0, 0.25]])
    figures.owners(table, ["hair", "skin"], {"coarse": [0], "middle": [1], "fine": [2]})
    ((fig, _),) = shown
    axis = fig.axes[0]
    assert [text.get_text() for text in axis.texts] == ["0.10", "0.20", "0.90", "0.00", "1.00", "0.25"]
    assert [label.get_text() for label in axis.get_xticklabels()] == ["1\ncoarse", "2\nmiddle", "3\nfine"]
    assert sorted(line.get_xdata()[0] for line in axis.lines) == [0.5, 1.5]


def test_the_other_figures_show_their_curves(shown):
    figures.loudness({"with": [1.0, 1.1], "without": [2.0, 8.0]})
    figures.reach({"ours": torch.eye(3), "leaky": torch.ones(3, 3)})
    figures.told_by({"hair": (0.1, 0.5), "skin": (0.2, 0.3)}, ["Z", "W"])
    figures.trade([0.0, 1.0], {"precision": [1.0, 0.5], "coverage": [0.1, 0.9]}, {"precision": 0.8, "coverage": 0.95})
    z = torch.randn(20, 2)
    figures.cut_square(z, z.tanh(), [(z[:5], z[:5].tanh())])
    assert [len(fig.axes) for fig, _ in shown] == [1, 2, 1, 1, 2]
    assert all(len(alt) > 40 for _, alt in shown)
    assert shown[0][0].axes[0].lines[1].get_ydata().tolist() == [2.0, 8.0]
    assert [axis.get_title() for axis in shown[1][0].axes] == ["ours", "leaky"]
