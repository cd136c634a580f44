"""Figures that tests draw are closed after each; those that a module shows can be kept and looked at."""

from __future__ import annotations

import pytest
from matplotlib import pyplot as plt


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


@pytest.fixture
def shown_by(monkeypatch):
    """shown_by(module) -> a list that fills with (figure, words) as the module shows figures."""

    def watch(module):
        kept = []
        monkeypatch.setattr(module, "figure", lambda fig, alt: kept.append((fig, alt)))
        return kept

    return watch
