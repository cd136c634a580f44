"""JupyterLab as `make lab` starts it, over a copy of the course, and headless Chromium to look at it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

ROOT = Path(__file__).parents[2]
COURSE = ("course_lib", "exercises", "notebooks", "solutions")
TOKEN = "course"
CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome", "chrome") if (found := shutil.which(name))),
    None,
)
FOR_TESTS = f"--no-browser --allow-root --IdentityProvider.token={TOKEN} --LabApp.expose_app_in_browser=True"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    reason = "needs Chromium: apt-get install chromium (Debian), brew install chromium (macOS)"
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.browser)
            item.add_marker(pytest.mark.slow)
            item.add_marker(pytest.mark.skipif(CHROMIUM is None, reason=reason))


class Lab(NamedTuple):
    """A running JupyterLab: the folder it serves and its address."""

    place: Path
    address: str

    def url(self, notebook: str, alone: bool = True) -> str:
        """Where to look at a notebook: `alone` on the page, or beside the file browser and other tabs."""
        return f"{self.address}/{'doc' if alone else 'lab'}/tree/{notebook}?token={TOKEN}&reset"


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """`make lab`, in a copy of the course with a work/ and a board of its own, so that nothing tracked is written."""
    place = tmp_path_factory.mktemp("lab") / "course"
    for name in COURSE:
        shutil.copytree(ROOT / name, place / name, ignore=shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints"))
    shutil.copyfile(ROOT / "Makefile", place / "Makefile")
    (place / ".venv").symlink_to(sys.prefix, target_is_directory=True)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "COURSE_BUDGET": "smoke",
        "COURSE_DATASET": "strokes",
        "COURSE_PROGRESS": str(place / "work" / "progress.json"),
        "OMP_NUM_THREADS": "1",
        "PYTHONPATH": str(place),
        "JUPYTER_CONFIG_DIR": str(place.parent / "config"),
        "JUPYTER_RUNTIME_DIR": str(place.parent / "runtime"),
        "JUPYTERLAB_SETTINGS_DIR": str(place.parent / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(place.parent / "workspaces"),
    }
    command = ["make", "--old-file=.venv/installed", "lab", f"LAB_ARGS={FOR_TESTS} --port={port}"]
    log = place.parent / "log"
    with open(log, "w") as writing:
        server = subprocess.Popen(
            command, cwd=place, env=environment, stdout=writing, stderr=writing, start_new_session=True
        )
    try:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 240
        while not answers(f"{address}/api?token={TOKEN}"):
            if server.poll() is not None or time.monotonic() > deadline:
                pytest.fail("JupyterLab did not start: " + log.read_text()[-2000:])
            time.sleep(0.25)
        yield Lab(place, address)
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait(20)


def answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=60_000)  # milliseconds: the machine may be busy with other tests
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


READY = Path(__file__).with_name("ready.js").read_text()


class Screen:
    """One page in the browser, with a notebook open in it."""

    def __init__(self, browser: Any, lab: Lab):
        self.lab = lab
        self.page = browser.new_page(viewport={"width": 1300, "height": 1000})

    def open(self, notebook: str, alone: bool = True) -> None:
        self.page.goto(self.lab.url(notebook, alone), wait_until="domcontentloaded")
        self.wait()

    def wait(self) -> None:
        """Until the notebook in front has its kernel."""
        assert self.page.evaluate(READY, 400), "the notebook's kernel did not start"

    def run_all(self) -> None:
        """Begin to run every cell of the notebook in front."""
        self.page.evaluate("() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }")

    def run_to(self, cell: int) -> None:
        """Begin to run the cells of the notebook in front, up to and including this one."""
        self.page.evaluate(
            """(cell) => {
              const { commands, shell } = window.jupyterapp;
              shell.currentWidget.content.activeCellIndex = cell;
              commands.execute('notebook:run-all-above').then(() => commands.execute('notebook:run-cell'));
            }""",
            cell,
        )

    def run_all_to_the_end(self) -> None:
        self.page.evaluate("() => window.jupyterapp.commands.execute('notebook:run-all-cells')")

    def save(self) -> None:
        self.page.evaluate("() => window.jupyterapp.commands.execute('docmanager:save')")

    def shut_down(self) -> None:
        """End the kernel of the notebook in front."""
        self.page.evaluate("() => window.jupyterapp?.shell.currentWidget?.sessionContext?.shutdown()")


@pytest.fixture
def screen(browser: Any, lab: Lab, request: pytest.FixtureRequest) -> Iterator[Screen]:
    """A fresh page; what it shows at the end goes to the folder COURSE_SCREENSHOTS, where it is set."""
    screen = Screen(browser, lab)
    yield screen
    folder = os.environ.get("COURSE_SCREENSHOTS")
    if folder:
        screen.page.screenshot(path=f"{folder}/{re.sub(r'[^a-zA-Z0-9_]+', '_', request.node.name)}.png")
    screen.shut_down()
    screen.page.close()
