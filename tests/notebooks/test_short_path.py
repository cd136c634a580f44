"""The short path of every chapter runs alone, in order, and its links lead where they led."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat
import pytest

from course_lib.cli import main
from course_lib.learner import short_path, workspace
from course_lib.learner.short_path import CORE, shortened

ROOT = Path(__file__).parents[2]


def has_core(path: Path) -> bool:
    return any(CORE in cell.metadata.get("tags", []) for cell in nbformat.read(path, as_version=4).cells)


SHORT = [path for path in sorted((ROOT / "notebooks").glob("*.ipynb")) if has_core(path)]


@pytest.mark.slow
@pytest.mark.parametrize("path", SHORT, ids=lambda path: path.stem)
def test_it_runs_alone(path, monkeypatch):
    from nbclient import NotebookClient

    monkeypatch.setenv("COURSE_BUDGET", os.environ.get("COURSE_BUDGET", "smoke"))
    notebook = shortened(nbformat.read(path, as_version=4))
    NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(ROOT / "notebooks")}}).execute()


def a_chapter() -> nbformat.NotebookNode:
    new = nbformat.v4
    cells = [
        new.new_markdown_cell("[next](02_b.ipynb) [paper](https://x.org) [here](#part) ![p](pictures/a.png)"),
        new.new_code_cell("a = 1", execution_count=1, outputs=[new.new_output("stream", text="1")]),
        new.new_code_cell("b = 2"),
    ]
    cells[0].metadata["tags"] = cells[1].metadata["tags"] = [CORE]
    return new.new_notebook(cells=cells, metadata={"course": {"stamp": "x"}})


def test_only_core_cells_without_outputs():
    made = shortened(a_chapter())
    assert [cell.cell_type for cell in made.cells] == ["markdown", "code"]
    assert made.cells[1].source == "a = 1"
    assert not made.cells[1].outputs
    assert made.cells[1].execution_count is None
    assert "course" not in made.metadata


def test_links_lead_to_where_they_led():
    source = shortened(a_chapter()).cells[0].source
    assert "](../../notebooks/02_b.ipynb)" in source
    assert "](../../notebooks/pictures/a.png)" in source
    assert "](https://x.org)" in source
    assert "](#part)" in source


def test_the_chapter_itself_stays_as_it_is():
    chapter = a_chapter()
    shortened(chapter)
    assert len(chapter.cells) == 3
    assert chapter.cells[1].outputs


def test_they_arrive_in_work_and_a_learner_s_copy_is_not_overwritten(tmp_path):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "work").mkdir()
    nbformat.write(a_chapter(), tmp_path / "notebooks" / "01_a.ipynb")
    nbformat.write(nbformat.v4.new_notebook(), tmp_path / "notebooks" / "00_without.ipynb")
    assert short_path.update(tmp_path) == {"short/01_a.ipynb": "new"}
    mine = tmp_path / "work" / "short" / "01_a.ipynb"
    mine.write_text("mine")
    changed = a_chapter()
    changed.cells[1].source = "a = 3"
    nbformat.write(changed, tmp_path / "notebooks" / "01_a.ipynb")
    assert short_path.update(tmp_path) == {"short/01_a.ipynb": "beside: 01_a_new.ipynb"}
    assert mine.read_text() == "mine"


def test_the_command_says_which_is_which(monkeypatch, capsys):
    brought = {"short/01_a.ipynb": "new", "short/02_b.ipynb": "beside: 02_b_new.ipynb"}
    monkeypatch.setattr(workspace, "update", lambda: {"01_a.ipynb": "new"})
    monkeypatch.setattr(short_path, "update", lambda: brought)
    assert main(["work"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "work/01_a.ipynb: your copy of the exercise"
    assert lines[1] == "work/short/01_a.ipynb: the short path"
    assert lines[2] == "work/short/02_b.ipynb: yours, untouched; the new version is work/short/02_b_new.ipynb"
