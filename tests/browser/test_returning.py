"""A chapter without its kernel: opened for the first time, or again the next day, or only looked at."""

from __future__ import annotations

import json

import pytest
from playwright.sync_api import expect

STILL = "application/vnd.course.widget-view+json"
LIVE = "application/vnd.jupyter.widget-view+json"
CHAPTER = "notebooks/10_training_a_vae.ipynb"  # it has three widgets


def panels(path) -> list[dict]:
    """What each widget left in the file, a mime bundle each."""
    outputs = [output for cell in json.loads(path.read_text())["cells"] for output in cell.get("outputs", [])]
    return [data for data in (output.get("data", {}) for output in outputs) if STILL in data or LIVE in data]


def assert_all_stills_are_seen(page, count: int) -> None:
    stills = page.locator(".jp-OutputArea-output", has_text="A still picture")
    expect(stills).to_have_count(count)
    for still in stills.all():
        picture = still.locator("img")
        picture.scroll_into_view_if_needed()
        assert picture.is_visible()
        assert picture.evaluate("image => image.complete && image.naturalWidth > 100 && image.clientWidth > 100")
    assert page.locator(".jp-OutputArea-output", has_text="model not found").count() == 0


@pytest.mark.parametrize("name", [CHAPTER, "work/02_convolution.ipynb"])
def test_a_notebook_that_is_only_opened_and_saved_stays_as_it_is(name, screen):
    path = screen.lab.place / name
    before = path.read_bytes()
    screen.open(name)
    screen.page.wait_for_function("() => window.jupyterapp.shell.currentWidget.context.model.dirty")
    if panels(path):
        assert_all_stills_are_seen(screen.page, len(panels(path)))
    modified = path.stat().st_mtime_ns
    screen.save()
    assert path.stat().st_mtime_ns > modified, "nothing was saved"
    assert path.read_bytes() == before


def test_pictures_remain_when_the_kernel_is_gone(screen):
    name = CHAPTER.replace("10_", "copy_of_10_")
    path = screen.lab.place / name
    path.write_bytes((screen.lab.place / CHAPTER).read_bytes())
    screen.open(name)
    screen.run_all_to_the_end()
    live = screen.page.locator(".course-panel")
    count = len(panels(path))
    expect(live).to_have_count(count)
    screen.save()
    expect(live).to_have_count(count)
    for panel, still in zip(live.all(), panels(path), strict=True):
        picture = f"data:image/png;base64,{still['image/png'].strip()}"
        assert panel.locator("img").first.get_attribute("src") == picture, "nobody touched it, and it changed"
    screen.shut_down()
    screen.open(name)
    expect(live).to_have_count(0)
    assert_all_stills_are_seen(screen.page, count)
