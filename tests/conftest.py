"""What all tests share: settings that spare the learner's files, real MNIST where there is one, the GPU marker."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch


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


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a GPU; let files with slow tests begin first, so that no worker waits for one at the end."""
    slow = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in slow)
    for item in items:
        if item.get_closest_marker("gpu") and not torch.cuda.is_available():
            item.add_marker(pytest.mark.skip(reason="needs a CUDA device, and torch finds none"))
