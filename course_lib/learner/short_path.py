"""The short path through a chapter: its cells tagged `core`, as a notebook of its own that runs alone.

For whom a whole chapter is too long today: checkpoints stand in place of trainings, and the main line is all there.
"""

from __future__ import annotations

import copy
import os
import re
import tempfile
from pathlib import Path

import nbformat
from nbformat import NotebookNode

from course_lib.learner import workspace
from course_lib.places import ROOT

CORE = "core"  # the tag
FOLDER = Path("work", "short")
LINK = re.compile(r"(\]\(|src=\")(?![a-z]+:|#|/)([^)\"]+)")  # to a place beside the notebook


def shortened(chapter: NotebookNode, folder: Path = FOLDER) -> NotebookNode:
    """The cells tagged `core`, without outputs; links lead from `folder` to where they led from `notebooks/`."""
    made = copy.deepcopy(chapter)
    made.metadata.pop("course", None)
    made.cells = [cell for cell in made.cells if CORE in cell.metadata.get("tags", [])]
    for cell in made.cells:
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        else:
            cell.source = LINK.sub(
                lambda found: found[1] + os.path.relpath(f"notebooks/{found[2]}", folder), cell.source
            )
    return made


def write_all(notebooks: Path, folder: Path) -> list[str]:
    """Write the short path of every chapter that has one into `folder`; returns their names."""
    names = []
    for path in sorted(notebooks.glob("*.ipynb")):
        short = shortened(nbformat.read(path, as_version=4))
        if short.cells:
            nbformat.write(short, folder / path.name)
            names.append(path.name)
    return names


def update(root: Path = ROOT) -> dict[str, str]:
    """Bring the short paths into `work/short`, as exercises into `work`: nothing of the learner's is lost.

    Returns "short/FILE" -> what was done, in the words of `workspace.update`.
    """
    with tempfile.TemporaryDirectory() as made:
        write_all(root / "notebooks", Path(made))
        done = workspace.update(Path(made), root / FOLDER)
    return {f"{FOLDER.name}/{name}": what for name, what in done.items()}
