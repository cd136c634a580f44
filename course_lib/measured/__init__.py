"""Figures that chapters quote: each written by the benchmark, on the machine and from the code that it names."""

from __future__ import annotations

import ast
import hashlib
import json
import platform
import shlex
import sys
from importlib import resources
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]  # of the repository
FOLDER = Path(str(resources.files(__package__)))
SILENT = ("course_lib/show/", "course_lib/measured/", "course_lib/chapters.py")  # they draw, write, list: no figure


def measured(name: str) -> dict[str, Any] | None:
    """What `benchmarks/` measured under that name, with `command` and `machine`; None where nobody has yet."""
    file = FOLDER / f"{name}.json"
    return json.loads(file.read_text()) if file.is_file() else None


def record(name: str, command: str, **figures: Any) -> Path:
    """Write a benchmark's figures where the chapters find them, with the machine and the digests of the code."""
    path = FOLDER / f"{name}.json"
    content = {"command": command, "machine": machine(), **figures, "code": code()}
    path.write_text(json.dumps(content, indent=1) + "\n")
    return path


def arguments() -> str:
    """The words this program was called with, without `--pictures FOLDER`, which changes no figure; paths as ROOT."""
    words = sys.argv[1:]
    if "--pictures" in words:
        at = words.index("--pictures")
        words = words[:at] + words[at + 2 :]
    return shlex.join("ROOT" if Path(word).is_absolute() else word for word in words)


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


# ---------------------------------------------------------------------------------------------------------------------
# What a record rests on
# ---------------------------------------------------------------------------------------------------------------------


def code() -> dict[str, str]:
    """Path in the repository -> digest, for every file of the course and of its benchmarks that this program loaded.

    The two classifiers that judge images belong to it wherever models can be loaded: other weights, other figures.
    """
    loaded = {getattr(module, "__file__", None) for module in list(sys.modules.values())}
    files = {Path(file).resolve() for file in loaded if file}
    if "course_lib.models" in sys.modules:
        files |= set((ROOT / "course_lib" / "checkpoints").glob("classifier*.safetensors"))
    names = {file.relative_to(ROOT).as_posix(): file for file in files if file.is_relative_to(ROOT)}
    ours = [name for name in sorted(names) if name.startswith(("course_lib/", "benchmarks/"))]
    return {name: digest(names[name]) for name in ours if not name.startswith(SILENT)}


def digest(path: Path) -> str:
    """A name for what a file does: of Python its statements, so that comments, docstrings and layout change nothing."""
    content = path.read_bytes()
    if path.suffix == ".py":
        tree = ast.parse(content)
        for node in ast.walk(tree):
            if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef)) and ast.get_docstring(node) is not None:
                node.body[0] = ast.Pass()
        content = ast.unparse(tree).encode()
    return hashlib.sha256(content).hexdigest()[:16]


def changed_since(record: dict[str, Any]) -> list[str] | None:
    """The files under a record that are others now, or gone; None for one made before records named their files."""
    if "code" not in record:
        return None
    paths = {name: ROOT / name for name in record["code"] if not name.startswith(SILENT)}
    return [name for name, path in paths.items() if not path.is_file() or digest(path) != record["code"][name]]
