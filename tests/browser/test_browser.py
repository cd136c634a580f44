"""Every chapter's widgets in a real JupyterLab in headless Chromium, offline.

Open the notebook, run all cells, move a slider, see the picture change; no console error, no request to the outside.
Screenshots go to the folder COURSE_SCREENSHOTS, where it is set.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlparse

import pytest

from course_lib.chapters import CHAPTERS

ROOT = Path(__file__).parents[2]
TOKEN = "course"
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome", "chrome") if (found := shutil.which(name))),
    None,
)
HARMLESS = ("favicon", "ResizeObserver loop")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.skipif(
        CHROMIUM is None, reason="needs Chromium: apt-get install chromium (Debian), brew install chromium (macOS)"
    ),
]

CASES = {c.name: next(iter(c.widgets.values())) for c in CHAPTERS if c.widgets}  # the label of the slider that is moved


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab on a loopback port, over a copy of the notebooks, so that nothing tracked is written."""
    place = tmp_path_factory.mktemp("lab")
    shutil.copytree(ROOT / "notebooks", place / "notebooks")
    port = free_port()
    environment = os.environ | {
        "COURSE_BUDGET": "smoke",
        "COURSE_PROGRESS": "off",
        "COURSE_DATASET": "strokes",
        "OMP_NUM_THREADS": "1",
        "JUPYTER_CONFIG_DIR": str(place / "config"),
        "JUPYTER_RUNTIME_DIR": str(place / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(place / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(place / "workspaces"),
    }
    command = [
        sys.executable,
        "-m",
        "jupyterlab",
        "--no-browser",
        f"--port={port}",
        f"--IdentityProvider.token={TOKEN}",
    ]
    command += [
        "--LabApp.expose_app_in_browser=True",
        "--allow-root",
        f"--ServerApp.root_dir={place}",
        "--LabApp.news_url=",
    ]
    with open(place / "log", "w") as log:
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
    try:
        for _ in range(240):
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{port}/api?token={TOKEN}", timeout=2):
                    break
            except OSError:
                time.sleep(0.25)
        else:
            pytest.fail("JupyterLab did not start: " + (place / "log").read_text()[-2000:])
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(20)


@pytest.fixture(scope="module")
def browser():
    from playwright.sync_api import sync_playwright

    arguments = [
        "--no-sandbox",
        "--disable-gpu",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-sync",
    ]
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield chromium
        chromium.close()


READY = """async () => {
  for (let i = 0; i < 400; i++) {
    const panel = window.jupyterapp?.shell.currentWidget;
    if (panel?.context && panel.sessionContext) {
      await panel.context.ready;
      await panel.sessionContext.ready;
      await panel.sessionContext.session.kernel.info;
      return true;
    }
    await new Promise((done) => setTimeout(done, 100));
  }
  return false;
}"""


@pytest.mark.parametrize("name", CASES)
def test_the_widget_lives(name, lab, browser):
    page = browser.new_page(viewport={"width": 1300, "height": 1000})
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
        page.goto(f"{lab}/doc/tree/notebooks/{name}.ipynb?token={TOKEN}&reset", wait_until="domcontentloaded")
        assert page.evaluate(READY), "the notebook's kernel did not start"
        page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")
        label = page.locator(f".widget-label:text-is('{CASES[name]}')").first
        label.wait_for(timeout=150_000)
        slider = page.locator(f".widget-slider:has(.widget-label:text-is('{CASES[name]}'))").first
        panel = page.locator(".course-panel", has=slider).first
        picture = panel.locator("img[alt]").first
        slider.scroll_into_view_if_needed()
        before = picture.get_attribute("src")
        slider.locator(".noUi-handle").focus()
        deadline = time.monotonic() + 60
        while picture.get_attribute("src") == before and time.monotonic() < deadline:
            page.keyboard.press("ArrowRight")
            page.wait_for_timeout(250)
        assert picture.get_attribute("src") != before, "the slider moved, the picture did not"
        assert len(picture.get_attribute("alt")) >= 15
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
        page.evaluate("() => window.jupyterapp?.shell.currentWidget?.sessionContext.shutdown()")
        page.close()
    assert not outside, f"requests to the outside: {outside}"
    assert not errors, f"console errors: {errors}"
