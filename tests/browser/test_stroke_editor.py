"""The stroke editor by keyboard: the focus is a ring around its knob and hides nothing."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def dark(svg) -> float:
    """The share of the drawing that is nearly black."""
    return float((np.asarray(Image.open(io.BytesIO(svg.screenshot())).convert("L")) < 60).mean())


def test_the_focus_is_a_ring_around_its_knob(screen):
    page = screen.page
    screen.open("notebooks/01_drawing_images.ipynb")
    screen.run_all_to_the_end()
    svg = page.get_by_role("group", name="The skeleton of the digit")
    knobs = svg.get_by_role("button")
    knobs.nth(1).focus()
    assert 0.002 < dark(svg) < 0.02, "a disc, or no ring"
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Tab")
    rings = svg.locator("circle:not([role])")
    assert rings.count() == 1
    assert rings.get_attribute("cx") == knobs.nth(2).get_attribute("cx")
    knobs.nth(2).blur()
    assert dark(svg) < 0.001
