"""What every bank of answers needs: the cells of the notebooks, and small changes to a right program."""

from __future__ import annotations

from pathlib import Path

import nbformat

ROOT = Path(__file__).resolve().parents[2]


def cell_source(folder: str, chapter: str, name: str) -> str:
    """The source of the cell graded as `name`, from solutions/ or exercises/."""
    notebook = nbformat.read(ROOT / folder / f"{chapter}.ipynb", as_version=4)
    (source,) = [c.source for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == name]
    return source


def changed(program: str, *pairs: str) -> str:
    """The program with each old piece replaced by the new one after it."""
    for old, new in zip(pairs[::2], pairs[1::2], strict=True):
        assert old in program, old
        program = program.replace(old, new)
    return program
