"""Figures that tests draw are closed after each; those that a module shows can be kept and looked at. Of every figure
that is shown, the words must lie within the picture and be read on its white paper, on dark pages and light ones.
"""

from __future__ import annotations

import pytest
from matplotlib import pyplot as plt
from matplotlib.axis import Tick
from matplotlib.figure import Figure
from matplotlib.text import Text

from course_lib.show import figures

LARGE = 3.0  # contrast enough for bold or large words


def unread(fig: Figure) -> list[str]:
    """The words of a figure that are cut off at its edge, or too pale for its white paper."""
    with figures.literally(fig):
        for _ in range(2):  # as `figures.png` does: the second layout has measured every title
            fig.draw_without_rendering()
    paper, found = fig.bbox.padded(1), []
    ticks = {label for tick in fig.findobj(Tick) for label in (tick.label1, tick.label2)}
    for text in set(fig.findobj(Text)) - ticks:  # of ticks outside the frame there are labels that are never drawn
        if not text.get_visible() or not text.get_text().strip():
            continue
        box = text.get_window_extent()
        inside = text.axes and text.axes.images and text.axes.bbox.contains(*box.min)  # on a picture, not on paper
        if not (paper.contains(*box.min) and paper.contains(*box.max)):
            found.append(f"{text.get_text()!r} is cut off")
        elif not inside and figures.contrast(text.get_color()) < LARGE:
            found.append(f"{text.get_text()!r} is {text.get_color()} on white")
    return found


@pytest.fixture(autouse=True)
def readable(monkeypatch):
    plain, found = figures.png, []

    def png(fig, *given, **named):
        found.extend(unread(fig))
        return plain(fig, *given, **named)

    monkeypatch.setattr(figures, "png", png)
    yield found
    assert not found, found


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture
def shown_by(monkeypatch, readable):
    """shown_by(module) -> a list that fills with (figure, words) as the module shows figures."""

    def watch(module):
        kept = []

        def keep(fig, alt):
            readable.extend(unread(fig))
            kept.append((fig, alt))

        monkeypatch.setattr(module, "figure", keep)
        return kept

    return watch


@pytest.fixture
def shows_panels(drawn):
    """shows_panels(draw, n): `draw` shows one figure of n panels, with words for who does not see it."""

    def check(draw, panels):
        draw()
        ((fig, alt),) = drawn
        assert len(fig.axes) == panels
        assert len(alt) > 15
        with figures.literally(fig):
            fig.draw_without_rendering()

    return check
