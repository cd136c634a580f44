"""A real nbgrader run over every assignment: right, wrong and missing answers get their points."""

from __future__ import annotations

import os
import re
import shutil
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
SOLUTIONS = sorted((ROOT / "solutions").glob("*.ipynb"))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One course with one gradebook for all assignments."""
    return tmp_path_factory.mktemp("course")


@pytest.fixture
def grader(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """nbgrader in the course's folder, in this process; its own warnings are not ours."""
    pytest.importorskip("nbgrader", reason="needs nbgrader: pip install -e '.[test]'")
    monkeypatch.setenv("COURSE_BUDGET", "smoke")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PATH", str(Path(sys.executable).parent), prepend=os.pathsep)  # it calls alembic by name
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from nbgrader.apps.api import NbGraderAPI
        from traitlets.config import Config

        config = Config()
        config.CourseDirectory.root = str(folder)
        config.CourseDirectory.course_id = "images"
        config.IncludeHeaderFooter.header = ""
        config.ClearSolutions.enforce_metadata = False
        config.ExecutePreprocessor.timeout = 120
        yield NbGraderAPI(config=config)


def assert_done(result: dict[str, Any]) -> None:
    assert result["success"], (result.get("log", "") + result["error"])[-3000:]


def submit(folder: Path, student: str, assignment: str, notebook: nbformat.NotebookNode) -> None:
    place = folder / "submitted" / student / assignment
    place.mkdir(parents=True)
    nbformat.write(notebook, place / f"{assignment}.ipynb")


def points_of(folder: Path, assignment: str) -> dict[str, dict[str, float]]:
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{folder}/gradebook.db") as book:
        return {
            submission.student.id: {
                grade.name: grade.auto_score for notebook in submission.notebooks for grade in notebook.grades
            }
            for submission in book.assignment_submissions(assignment)
        }


def what_counts(cells: list[nbformat.NotebookNode]) -> list[nbformat.NotebookNode]:
    """The cells before the first answer, and the answers and checks: demonstrations in between get no points, and nbval
    runs them.
    """
    marks = [cell.metadata.get("nbgrader", {}) for cell in cells]
    first = next(place for place, mark in enumerate(marks) if mark.get("solution"))
    return [cell for place, cell in enumerate(cells) if place < first or marks[place]]


@pytest.mark.slow
@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.name)
def test_points(path, grader, folder):
    assignment = path.stem
    source = folder / "source" / assignment
    source.mkdir(parents=True)
    shutil.copy(path, source)
    assert_done(grader.generate_assignment(assignment, create=True))
    release = nbformat.read(folder / "release" / assignment / path.name, as_version=4)
    solution = nbformat.read(path, as_version=4)
    ours = nbformat.read(ROOT / "exercises" / path.name, as_version=4)
    assert [cell.source for cell in release.cells] == [cell.source for cell in ours.cells], (
        "our exercise is nbgrader's release"
    )

    answers = {
        c.metadata.nbgrader.grade_id: c.source for c in solution.cells if c.metadata.get("nbgrader", {}).get("solution")
    }

    def filled(chosen):
        notebook = nbformat.reads(nbformat.writes(nbformat.from_dict(release)), as_version=4)
        notebook.cells = what_counts(notebook.cells)
        for cell in notebook.cells:
            marks = cell.metadata.get("nbgrader", {})
            if marks.get("solution") and marks["grade_id"] in chosen:
                cell.source = chosen[marks["grade_id"]]
        return notebook

    stubs = {
        c.metadata.nbgrader.grade_id: c.source for c in release.cells if c.metadata.get("nbgrader", {}).get("solution")
    }
    stub = re.compile(r"^( *)raise NotImplementedError\(\)", re.MULTILINE)
    wrong = {name: stub.sub(r"\1return None", source) for name, source in stubs.items()}
    names = list(answers)
    half = {names[0]: answers[names[0]], names[1]: wrong[names[1]]}  # one right, one wrong, the rest not begun
    for student, chosen in (("right", answers), ("half_right", half)):
        submit(folder, student, assignment, filled(chosen))
        assert_done(grader.autograde(assignment, student, create=True))

    worth = {
        c.metadata.nbgrader.grade_id: c.metadata.nbgrader.points
        for c in solution.cells
        if c.metadata.get("nbgrader", {}).get("grade")
    }
    nothing = dict.fromkeys(worth, 0)
    scores = points_of(folder, assignment)
    assert sum(worth.values()) >= 3
    assert scores["right"] == worth
    assert scores["half_right"] == nothing | {f"check_{names[0]}": worth[f"check_{names[0]}"]}
