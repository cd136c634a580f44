"""What all tests share: settings that spare the learner's files, real MNIST where it is, the GPU marker, kernels."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
import torch

KERNELS = pytest.StashKey[Path]()


def pytest_configure(config: pytest.Config) -> None:
    """The kernels that notebooks ask for are of this Python; on Linux, copies of one process: see kernels/parent.py."""
    if "COURSE_TEST_KERNELS" in os.environ:  # a worker of pytest-xdist has it from the process that started it
        return
    folder = config.stash[KERNELS] = Path(tempfile.mkdtemp(prefix="kernels"))
    begin = ["-m", "ipykernel_launcher"]
    if sys.platform == "linux":
        begin = ["-I", "-S", str(Path(__file__).parent / "kernels" / "start.py"), str(folder), str(os.getpid())]
    described = {
        "argv": [sys.executable, *begin, "-f", "{connection_file}"],
        "display_name": "Python 3 (ipykernel)",
        "language": "python",
    }
    place = folder / "kernels" / "python3"
    place.mkdir(parents=True)
    (place / "kernel.json").write_text(json.dumps(described))
    os.environ["COURSE_TEST_KERNELS"] = str(folder)
    os.environ["JUPYTER_PATH"] = os.pathsep.join(filter(None, [str(folder), os.environ.get("JUPYTER_PATH")]))


def pytest_unconfigure(config: pytest.Config) -> None:
    if KERNELS in config.stash:
        shutil.rmtree(config.stash[KERNELS], ignore_errors=True)


@pytest.fixture(autouse=True)
def _settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests never touch the learner's progress, and choose their own data set."""
    monkeypatch.setenv("COURSE_PROGRESS", "off")
    monkeypatch.delenv("COURSE_DATASET", raising=False)


@pytest.fixture
def mnist_root(monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data root with the real MNIST in it; the test is skipped, by name, where there is none."""
    root = Path(os.environ.get("COURSE_DATA", "/nonexistent"))
    if not (root / "MNIST" / "raw" / "train-images-idx3-ubyte").exists():
        pytest.skip("needs MNIST: set COURSE_DATA to a folder with MNIST/raw in it")
    return root


def turn(item: pytest.Item) -> int:
    """When a file's turn comes: the longest first, so that no worker waits for one at the end."""
    if item.get_closest_marker("browser"):
        return 0
    return 2 if item.path.suffix == ".ipynb" else 3


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a GPU; put the files in order: browser, other slow ones, notebooks, the rest."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: min(turn(item), 1 if item.path in slow else 3))
    for item in items:
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device, and torch finds none"))


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """A file goes to one worker; all that look at a browser go to the same one, which has JupyterLab and Chromium."""
    from xdist.scheduler import LoadFileScheduling

    class OneBrowser(LoadFileScheduling):
        def _split_scope(self, nodeid: str) -> str:
            return "tests/browser" if nodeid.startswith("tests/browser/") else super()._split_scope(nodeid)

    return OneBrowser(config, log) if config.getvalue("dist") == "loadfile" else None
