"""Figures that chapters quote: each was written by the benchmark it names, on the machine it names."""

from __future__ import annotations

import json
import platform
import sys
from importlib import resources
from pathlib import Path
from typing import Any


def measured(name: str) -> dict[str, Any] | None:
    """What `benchmarks/` measured under that name, with `command` and `machine`; None where nobody has yet."""
    file = resources.files(__package__) / f"{name}.json"
    return json.loads(file.read_text()) if file.is_file() else None


def record(name: str, command: str, **figures: Any) -> Path:
    """Write a benchmark's figures where the chapters find them."""
    path = Path(str(resources.files(__package__))) / f"{name}.json"
    path.write_text(json.dumps({"command": command, "machine": machine(), **figures}, indent=1) + "\n")
    return path


def arguments() -> str:
    """The words this program was called with, without `--pictures FOLDER`: that changes no figure."""
    words = sys.argv[1:]
    if "--pictures" in words:
        at = words.index("--pictures")
        words = words[:at] + words[at + 2 :]
    return " ".join(words)


def machine() -> str:
    """This machine in a line: processor, cores, torch."""
    import torch

    return f"{processor()}, {torch.get_num_threads()} threads, torch {torch.__version__.split('+')[0]}"


def processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.split(":", 1)[1].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()
