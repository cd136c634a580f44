"""Chapter 6's figures: what they measure is right, and they can be drawn."""

from __future__ import annotations

import pytest
import torch
from PIL import Image
from torch import nn

from course_lib.show import dcgan as pictures


@pytest.fixture
def said(monkeypatch):
    shown = []
    monkeypatch.setattr(pictures, "figure", lambda fig, alt: shown.append(alt))
    monkeypatch.setattr(pictures, "table", lambda rows, header, caption="": shown.append(rows))
    return shown


def test_the_stamps_add_up_to_a_transposed_convolution(said):
    pictures.stamps([1, 3, 2], [1, 2, 2, 1], 2)
    assert "sum: 1 2 5 7 8 7 4 2." in said[0]


def test_the_table_of_layers_counts_parameters_and_shapes(said):
    pictures.layer_table([nn.Linear(4, 6), nn.Unflatten(1, (6, 1, 1)), nn.Tanh()], torch.zeros(2, 4), "three layers")
    assert said[0] == [
        ["input", "4", 0],
        ["Linear", "6", 30],
        ["Unflatten", "6 x 1 x 1", 0],
        ["Tanh", "6 x 1 x 1", 0],
        ["total", "", 30],
    ]


def test_a_grid_is_found_with_its_period_and_noise_has_none():
    noise = 40 + torch.randn(3, 96, 96, generator=torch.Generator().manual_seed(0))
    pattern = torch.randn(3, 4, 4, generator=torch.Generator().manual_seed(1)).repeat(1, 24, 24)
    for period, low, high in ((4, 0.3, 0.7), (8, 0.3, 0.7), (3, 0.0, 0.02), (5, 0.0, 0.02)):
        share, chance = pictures.repeating(noise + pattern, period, 96)
        assert low < share < high, period
        assert chance < 0.01
    share, chance = pictures.repeating(noise, 4, 96)
    assert share < 3 * chance


def test_a_grid_survives_that_every_fourth_row_is_left_out():
    pattern = 60 + torch.randn(3, 2, 2, generator=torch.Generator().manual_seed(1)).repeat(1, 64, 64)
    kept = ((torch.arange(96) + 0.5) * 128 / 96).long()
    smaller = pattern[:, kept][:, :, kept]
    assert pictures.repeating(smaller, 2, 128)[0] > 0.9
    assert pictures.repeating(smaller, 2, 96)[0] < 0.5


def test_a_sheet_is_cut_along_its_white_lines_and_shown(said):
    sheet = Image.new("RGB", (2 + 3 * 42, 2 + 2 * 44), "white")
    for row in range(2):
        for column in range(3):
            sheet.paste((30 * column, 50, 90 * row), (2 + 42 * column, 2 + 44 * row, 42 * column + 42, 44 * row + 44))
    cut = pictures.tiles(sheet)
    assert [tuple(tile.shape) for tile in cut] == [(3, 42, 40)] * 6
    assert cut[4].mean(dim=(1, 2)).tolist() == [30.0, 50.0, 90.0]
    noisy = [tile + torch.rand(tile.shape) for tile in cut]
    assert list(pictures.hidden_grid(noisy, 40, (2, 3))) == [2, 3]
    assert len(said) == 1


def test_the_other_figures_can_be_drawn(said):
    drawn = 2 * torch.rand(3, 4, 28, 28) - 1
    pictures.untrained({"kernel 3": drawn, "kernel 4": drawn})
    pictures.lengths({"noises": torch.randn(100, 8), "halfway": torch.randn(100, 8) / 2})
    assert all(len(alt) > 30 for alt in said)
