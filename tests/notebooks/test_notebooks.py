"""The notebooks as files: current outputs, no errors, pictures with words, exercises made from their solutions."""

from __future__ import annotations

import copy
import json
import re
from pathlib import Path

import nbformat
import pytest

from course_lib.authoring.execute import is_current, stamp, tidy
from course_lib.authoring.exercises import cleared, exercise_from, text_of
from course_lib.authoring.saved_form import FOLDED, LIVE, STILL, before_saving, to_saved_form

ROOT = Path(__file__).parents[2]
CHAPTERS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SOLUTIONS = sorted((ROOT / "solutions").glob("*.ipynb"))
EXERCISES = sorted((ROOT / "exercises").glob("*.ipynb"))
MEGABYTE = 1_000_000


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(path, as_version=4)


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def name(path: Path) -> str:
    return f"{path.parent.name}/{path.name}"


def test_every_chapter_from_one_on_has_an_exercise_and_a_solution():
    chapters = {path.name for path in CHAPTERS} - {"00_start_here.ipynb"}
    assert chapters
    assert chapters == {path.name for path in SOLUTIONS} == {path.name for path in EXERCISES}


@pytest.mark.parametrize("path", CHAPTERS + SOLUTIONS, ids=name)
def test_executed_in_order_with_current_outputs_and_no_errors(path):
    notebook = read(path)
    cells = [cell for cell in code_cells(notebook) if cell.source.strip()]
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert is_current(notebook), "a cell changed since its outputs were made: make notebooks"
    for cell in cells:
        for output in cell.outputs:
            assert output.output_type != "error", cell.id
            if "shows-stderr" not in cell.metadata.get("tags", []):  # a message the chapter is about
                assert output.get("name") != "stderr", f"{cell.id} writes to stderr: {output.get('text')}"


@pytest.mark.parametrize("path", CHAPTERS + SOLUTIONS + EXERCISES, ids=name)
def test_hygiene(path):
    notebook = read(path)
    nbformat.validate(notebook)
    text = path.read_text()
    assert len(text) < 2 * MEGABYTE
    to_saved_form(notebook)
    assert text == text_of(notebook), "not in the form that JupyterLab saves: make notebooks"
    assert len({cell.id for cell in notebook.cells}) == len(notebook.cells)
    for cell in notebook.cells:
        assert "execution" not in cell.metadata
        assert len(cell.source.splitlines()) <= 30 or cell.cell_type == "markdown", cell.id
        folded = cell.metadata.get("jupyter", {}).get("source_hidden", False)
        assert folded == (FOLDED in cell.metadata.get("tags", [])), f"{cell.id} is folded in one viewer only"
    for word in ("/work/", "/root/", "/home/", "/tmp/"):
        assert word not in text.replace("../work/", ""), f"a path of one machine: {word}"


@pytest.mark.parametrize("path", CHAPTERS + SOLUTIONS, ids=name)
def test_every_picture_has_words(path):
    for cell in code_cells(read(path)):
        for output in cell.outputs:
            bundle = output.get("data", {})
            if "image/png" in bundle:
                assert re.search(r'alt="[^"]{15,}"', bundle.get("text/html", "")), cell.id


@pytest.mark.parametrize("path", CHAPTERS[1:], ids=name)
def test_every_chapter_has_its_widget_with_a_still_picture(path):
    outputs = [output.get("data", {}) for cell in code_cells(read(path)) for output in cell.outputs]
    assert any(STILL in data and "image/png" in data for data in outputs)
    assert not any(LIVE in data for data in outputs), "a view without its kernel is an error on the screen"


@pytest.mark.parametrize("path", SOLUTIONS, ids=name)
def test_exercises_follow_from_their_solutions(path):
    exercise = ROOT / "exercises" / path.name
    assert exercise.read_text() == text_of(exercise_from(read(path))), "make notebooks"


@pytest.mark.parametrize("path", EXERCISES, ids=name)
def test_exercises_leak_nothing_and_stubs_do_raise(path):
    """The tag raises-exception allows an error and does not ask for one: so ask here."""
    notebook = read(path)
    assert "SOLUTION" not in path.read_text()
    stubs = [cell for cell in code_cells(notebook) if cell.metadata.get("nbgrader", {}).get("solution")]
    assert len(stubs) >= 3
    for cell in stubs:
        assert "raise NotImplementedError()" in cell.source, cell.id
    for cell in code_cells(notebook):
        assert not cell.outputs
        assert cell.execution_count is None


@pytest.mark.slow
@pytest.mark.parametrize("path", EXERCISES, ids=name)
def test_every_check_in_an_exercise_says_not_solved_yet(path):
    """Runs the whole exercise; every graded cell must end in NotSolvedYet, which is a NotImplementedError."""
    from nbclient import NotebookClient

    notebook = read(path)
    NotebookClient(
        notebook, timeout=120, allow_errors=True, resources={"metadata": {"path": str(path.parent)}}
    ).execute()
    graded = [cell for cell in code_cells(notebook) if cell.metadata.get("nbgrader", {}).get("grade")]
    assert len(graded) >= 3
    for cell in graded:
        errors = [output for output in cell.outputs if output.output_type == "error"]
        assert [error.ename for error in errors] == ["NotSolvedYet"], cell.id
        assert "not solved yet" in errors[0].evalue
    for cell in code_cells(notebook):
        if "raises-exception" not in cell.metadata.get("tags", []):
            assert all(output.output_type != "error" for output in cell.outputs), cell.id


# --- the tools themselves ---------------------------------------------------------------------------------------------


def notebook_of(*sources: str) -> nbformat.NotebookNode:
    return nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in sources])


def test_a_changed_cell_makes_the_stamp_stale():
    notebook = notebook_of("1 + 1", "2 + 2")
    notebook.metadata["course"] = {"stamp": stamp(notebook)}
    assert is_current(notebook)
    changed = copy.deepcopy(notebook)
    changed.cells[1].source = "2 + 3"
    assert not is_current(changed)
    swapped = copy.deepcopy(notebook)
    swapped.cells.reverse()
    assert not is_current(swapped)


def test_clearing_keeps_indentation_and_everything_around():
    source = "def f(x):\n    y = 1\n    ### BEGIN SOLUTION\n    return x + y\n    ### END SOLUTION\n\nprint(3)"
    assert cleared(source) == "def f(x):\n    y = 1\n    # YOUR CODE HERE\n    raise NotImplementedError()\n\nprint(3)"
    assert cleared("x = 1") == "x = 1"


def widget_notebook() -> nbformat.NotebookNode:
    """As nbclient leaves it: a panel and its picture in one output, the models' state in the metadata."""
    notebook = notebook_of("panel")
    notebook.cells[0].metadata["execution"] = {"iopub.status.busy": "2026"}
    data = {LIVE: {"model_id": "3f2a0c"}, "image/png": "AAAA", "text/html": '<img alt="x">', "text/plain": "x"}
    notebook.cells[0].outputs = [nbformat.v4.new_output("display_data", data)]
    notebook.metadata["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": {"3f2a0c": {}}}}
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3 (ipykernel)", "language": "python"}
    notebook.metadata["language_info"] = {"name": "python", "version": "3.12.1"}
    return notebook


def test_tidy_leaves_a_still_picture_that_says_so_and_nothing_of_this_run_or_machine():
    notebook = tidy(widget_notebook())
    data = notebook.cells[0].outputs[0].data
    assert data.keys() == {STILL, "image/png", "text/html", "text/plain"}
    assert data["text/html"].startswith('<img alt="x">')
    assert "A still picture" in data["text/html"]
    for word in ("3f2a0c", "widget-state", "2026", "3.12.1", "ipykernel"):
        assert word not in json.dumps(notebook)


def test_what_is_saved_once_more_does_not_change():
    once = tidy(widget_notebook())
    twice = tidy(copy.deepcopy(once))
    assert twice == once


def test_a_cell_tagged_hide_input_is_folded_in_jupyterlab_too():
    notebook = notebook_of("plot()", "1 + 1")
    notebook.cells[0].metadata = {"tags": ["hide-input", "core"], "jupyter": {"outputs_hidden": False}}
    notebook.cells[1].metadata = {"jupyter": {"source_hidden": True}}  # a learner's own fold stays
    tidied = tidy(notebook)
    assert tidied.cells[0].metadata["jupyter"] == {"outputs_hidden": False, "source_hidden": True}
    assert tidied.cells[1].metadata["jupyter"] == {"source_hidden": True}


def test_saving_takes_no_view_without_a_picture_and_no_kernel_of_another_language():
    """JupyterLab calls the hook for the learner's own notebooks as well."""
    notebook = widget_notebook()
    del notebook.cells[0].outputs[0].data["image/png"]
    notebook.metadata["kernelspec"] = {"name": "ir", "display_name": "R", "language": "R"}
    before = copy.deepcopy(notebook)
    before_saving(model={"type": "notebook", "content": notebook}, path="own.ipynb", contents_manager=None)
    assert notebook == before
    before_saving(model={"type": "file", "content": "text"}, path="own.txt", contents_manager=None)
    before_saving(model={"type": "notebook", "content": None}, path="own.ipynb", contents_manager=None)
