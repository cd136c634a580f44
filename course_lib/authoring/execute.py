"""Execute a notebook and keep only what a reader needs: outputs, stable ids, and a stamp of the code that made them."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbformat import NotebookNode

from course_lib.authoring.exercises import text_of
from course_lib.authoring.saved_form import to_saved_form

CELL_SECONDS = 600
SETTINGS = {"COURSE_BUDGET": "laptop", "COURSE_DATASET": "strokes", "COURSE_PROGRESS": "off"}


def stamp(notebook: NotebookNode) -> str:
    """Digest of all code cells, in order: what the outputs were made by."""
    code = [[cell.id, cell.source] for cell in notebook.cells if cell.cell_type == "code"]
    return hashlib.sha256(json.dumps(code).encode()).hexdigest()[:16]


def is_current(notebook: NotebookNode) -> bool:
    """Whether the outputs were made by the code that stands there now."""
    return notebook.metadata.get("course", {}).get("stamp") == stamp(notebook)


def tidy(notebook: NotebookNode) -> NotebookNode:
    """Drop everything that changes from run to run or from machine to machine; widgets leave a still picture."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            output.get("metadata", {}).clear()
    to_saved_form(notebook)
    return nbformat.from_dict(notebook)


def execute(path: Path, out: Path | None = None, settings: dict[str, str] | None = None) -> NotebookNode:
    """Run every cell of the notebook in its own folder, tidy it, stamp it and write it to `out` (default: in place)."""
    notebook = nbformat.read(path, as_version=4)
    notebook.metadata.pop("widgets", None)
    before = dict(os.environ)
    os.environ.update({**SETTINGS, **(settings or {})})
    try:
        client = NotebookClient(
            notebook, timeout=CELL_SECONDS, kernel_name="python3", resources={"metadata": {"path": str(path.parent)}}
        )
        client.execute()
    finally:
        os.environ.clear()
        os.environ.update(before)
    notebook = tidy(notebook)
    notebook.metadata["course"] = {"stamp": stamp(notebook)}
    (out or path).write_text(text_of(notebook))
    return notebook


def pictures(notebook: NotebookNode, folder: Path) -> int:
    """Write every picture of a notebook as a PNG named after its cell; returns how many."""
    folder.mkdir(parents=True, exist_ok=True)
    count = 0
    for position, cell in enumerate(notebook.cells):
        for number, output in enumerate(cell.get("outputs", [])):
            if "image/png" in output.get("data", {}):
                name = f"{position:03d}_{number}_{re.sub(r'[^a-zA-Z0-9_-]', '_', cell.id)}.png"
                (folder / name).write_bytes(base64.b64decode(output.data["image/png"]))
                count += 1
    return count


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
