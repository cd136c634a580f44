"""Exercises are made from solutions: one source, so that the two cannot drift apart."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode

STUB = "# YOUR CODE HERE\nraise NotImplementedError()"  # nbgrader's own stub: its release equals our exercise
REGION = re.compile(r"^([ \t]*)### BEGIN SOLUTION\n.*?^[ \t]*### END SOLUTION[ \t]*$", re.MULTILINE | re.DOTALL)


def cleared(source: str) -> str:
    """A solution cell with its answer taken out."""
    return REGION.sub(lambda found: "\n".join(found[1] + line for line in STUB.split("\n")), source)


def exercise_from(solution: NotebookNode) -> NotebookNode:
    """The learner's notebook: answers become stubs, outputs go, and cells that need an answer may raise.

    Cells that need an answer are the graded ones and those tagged "needs-answer".
    """
    made = copy.deepcopy(solution)
    made.metadata.pop("course", None)
    made.metadata.pop("widgets", None)
    for cell in made.cells:
        if cell.cell_type != "code":
            continue
        cell.source, cell.outputs, cell.execution_count = cleared(cell.source), [], None
        tags = cell.metadata.get("tags", [])
        if cell.metadata.get("nbgrader", {}).get("grade") or "needs-answer" in tags:
            kept = [tag for tag in tags if tag not in ("needs-answer", "nbval-check-output")]
            cell.metadata["tags"] = [*kept, "raises-exception"]
    return made


def text_of(notebook: NotebookNode) -> str:
    """A notebook as the text of its file."""
    return nbformat.writes(notebook, indent=1) + "\n"


def generate(solutions: Path, exercises: Path) -> list[str]:
    """Write the exercise of every solution; returns the names of those that changed."""
    changed = []
    for path in sorted(solutions.glob("*.ipynb")):
        text = text_of(exercise_from(nbformat.read(path, as_version=4)))
        target = exercises / path.name
        if not target.exists() or target.read_text() != text:
            target.write_text(text)
            changed.append(path.name)
    return changed
