"""Every chapter's first widget in a real JupyterLab in headless Chromium, offline.

Open the notebook, run its cells as far as the widget, move a slider, see the picture change; no console error, no
request to the outside. Screenshots go to the folder COURSE_SCREENSHOTS, where it is set.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from urllib.parse import urlparse

import nbformat
import pytest
from playwright.sync_api import expect

from course_lib.chapters import CHAPTERS

ROOT = Path(__file__).parents[2]
HARMLESS = ("favicon", "ResizeObserver loop")

CASES = {c.name: next(iter(c.widgets.items())) for c in CHAPTERS if c.widgets}  # and the label of the slider that moves


def seen(picture) -> str:
    """What a picture shows: its pixels, or what it says of itself where the browser draws it."""
    return picture.get_attribute("src") or picture.get_attribute("aria-label")


@pytest.mark.parametrize("name", CASES)
def test_the_widget_lives(name, screen):
    page = screen.page
    widget, control = CASES[name]
    cells = nbformat.read(ROOT / "notebooks" / f"{name}.ipynb", as_version=4).cells
    place = next(i for i, cell in enumerate(cells) if f"widgets.{widget}(" in cell.source)
    outside, errors = [], []
    page.on(
        "request",
        lambda r: outside.append(r.url) if urlparse(r.url).hostname not in ("127.0.0.1", "localhost", None) else None,
    )
    page.on(
        "console",
        lambda m: errors.append(m.text) if m.type == "error" and not any(h in m.text for h in HARMLESS) else None,
    )
    page.on("pageerror", lambda error: errors.append(str(error)))
    try:
        screen.open(f"notebooks/{name}.ipynb")
        screen.run_to(place)
        label = page.locator(f".widget-label:text-is('{control}')").first
        label.wait_for(timeout=150_000)
        slider = page.locator(f".widget-slider:has(.widget-label:text-is('{control}'))").first
        panel = page.locator(".course-panel", has=slider).first
        picture = panel.locator("img[alt], .course-drawn").first
        slider.scroll_into_view_if_needed()
        before = seen(picture)
        expect(panel.get_by_role("slider", name=control, exact=True).first).to_be_attached()
        assert panel.locator("[title=null]").count() == 0, "a tooltip without words"
        slider.locator(".noUi-handle").focus()
        deadline = time.monotonic() + 60
        while seen(picture) == before and time.monotonic() < deadline:
            page.keyboard.press("ArrowRight")
            page.wait_for_timeout(250)
        assert seen(picture) != before, "the slider moved, the picture did not"
        assert len(picture.get_attribute("alt") or picture.get_attribute("aria-label")) >= 15
        assert (
            page.locator(".jp-RenderedText[data-mime-type='application/vnd.jupyter.stderr'] >> text=Traceback").count()
            == 0
        )
    finally:
        folder = os.environ.get("COURSE_SCREENSHOTS")
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            page.locator(".course-panel").first.scroll_into_view_if_needed()
            page.screenshot(path=str(Path(folder) / f"{name}.png"))
    assert not outside, f"requests to the outside: {outside}"
    assert not errors, f"console errors: {errors}"
