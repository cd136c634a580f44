"""Chapter 14's figures are drawn, and say what they show."""

from __future__ import annotations

import torch

from course_lib.data.wording import PORTRAITS, STROKES
from course_lib.show import stackgan_figures as figures


def said(monkeypatch) -> list[str]:
    words = []
    monkeypatch.setattr(figures, "figure", lambda fig, alt: words.append(alt) or fig.canvas.draw())
    return words


def test_every_figure_is_drawn_with_words(monkeypatch):
    words = said(monkeypatch)
    figures.stages()
    for wording in (STROKES, PORTRAITS):
        figures.held_out(wording, wording.everything[~wording.held_out])
    figures.clouds(torch.randn(5, 6), torch.rand(5, 6), list("abcde"))
    shares = dict.fromkeys(STROKES.kinds, 0.9)
    figures.words_true({"seen": shares, "never seen": shares}, shares, {"digit": 0.95})
    assert len(words) == 5
    assert all(len(alt) > 30 for alt in words)


def test_rows_are_named_by_caption_and_by_who_made_them(monkeypatch):
    seen = {}
    monkeypatch.setattr(figures, "rows", lambda pictures, alt: seen.update(pictures))
    images = torch.zeros(3, 3, 8, 8)
    figures.captioned({"a thick blue seven leaning right": images}, "alt", width=20)
    figures.finer(images, images, images, "alt")
    assert next(iter(seen)).startswith("generated: a thick\nblue seven")
    assert len(seen) == 4
    assert figures.enlarged(images, 16).shape == (3, 3, 16, 16)


def test_rows_of_what_was_taken_away_by_hand():
    shares = [dict.fromkeys(figures.WITHOUT_KINDS, value) for value in (0.5, 0.7)]
    row = {
        "title": "whole",
        "seen": shares,
        "unseen": shares[:1],
        "frechet_distance": [1.0, 3.0],
        "seconds": [9.0, 9.0],
    }
    floors = {"seen": shares[1], "unseen": shares[1], "frechet_distance": 0.5}
    table = figures.without_rows({"rows": {"whole": row}, "floors": floors})
    assert table[0] == ["whole", "seen", *["0.600 (0.500 to 0.700)"] * 4, "2.0 (1.0 to 3.0)", "9 (9 to 9)"]
    assert table[1] == ["", "never seen", *["0.500"] * 4, "", ""]
    assert table[2][0] == "real drawings"
    assert all(len(line) == len(figures.WITHOUT_HEADER) for line in table)
