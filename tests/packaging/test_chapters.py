"""The table of chapters agrees with what stands elsewhere: files, lists, links, models, checkpoints, widgets."""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path

import nbformat
import pytest

from course_lib import chapters, checks, models, show
from course_lib.authoring import listings
from course_lib.chapters import CHAPTERS

ROOT = Path(__file__).parents[2]
TAUGHT = [chapter for chapter in CHAPTERS if chapter.has_exercises]


def stems(folder: str, pattern: str) -> set[str]:
    return {path.name.split(".")[0] for path in (ROOT / folder).glob(pattern)}


TO_COME: set[int] = set()  # chapters between others that are still to be written


def test_numbers_run_from_zero():
    numbers = [chapter.number for chapter in CHAPTERS]
    assert numbers == sorted({*range(numbers[-1] + 1)} - TO_COME)
    assert len({chapter.stem for chapter in CHAPTERS}) == len(CHAPTERS)


def test_there_is_a_notebook_for_each_chapter_and_no_other():
    assert stems("notebooks", "*.ipynb") == {chapter.name for chapter in CHAPTERS}
    assert stems("exercises", "*.ipynb") == stems("solutions", "*.ipynb") == {chapter.name for chapter in TAUGHT}


@pytest.mark.parametrize("chapter", TAUGHT, ids=lambda c: c.name)
def test_a_chapter_has_one_name_on_every_level(chapter):
    package, module = chapter.modules[0].split(".")
    assert module == chapter.stem
    for file in (
        f"course_lib/{package}/{module}.py",
        f"course_lib/checks/{module}.py",
        f"course_lib/show/{module}.py",
        f"tests/{package}/test_{module}.py",
        f"tests/checks/test_checks_{module}.py",
    ):
        assert (ROOT / file).exists(), file
    assert all((ROOT / "course_lib" / f"{m.replace('.', '/')}.py").exists() for m in chapter.modules)
    assert chapter.name in checks.core.REGISTRY


def test_exercises_are_registered_under_chapters_only_and_called_by_their_names():
    assert list(checks.core.REGISTRY) == [chapter.name for chapter in TAUGHT]
    for exercises in checks.core.REGISTRY.values():
        for exercise in exercises:
            assert getattr(checks, exercise.name) is exercise


def test_listings_are_as_the_table_gives_them(tmp_path):
    """README's chapters and checkpoints, chapter 0's map, titles, minutes and links: python -m course_lib.authoring."""
    text = (ROOT / "README.md").read_text()
    assert text == listings.with_listings(text)
    assert (ROOT / "notebooks" / "glossary.md").read_text() == listings.glossary()
    for chapter in CHAPTERS:
        for folder, form in (("notebooks", listings.in_form), ("solutions", listings.exercise_in_form)):
            path = ROOT / folder / f"{chapter.name}.ipynb"
            if path.exists():
                sources = [cell.source for cell in nbformat.read(path, as_version=4).cells]
                formed = form(nbformat.read(path, as_version=4), chapter)
                assert [cell.source for cell in formed.cells] == sources, f"{folder}/{chapter.name}"


@pytest.mark.parametrize("chapter", CHAPTERS, ids=lambda c: c.name)
def test_the_minutes_are_those_of_its_words_code_and_pictures(chapter):
    notebook = nbformat.read(ROOT / "notebooks" / f"{chapter.name}.ipynb", as_version=4)
    assert listings.minutes(notebook) == chapter.minutes, "change `minutes` in course_lib/chapters.py"
    assert any(f"about {chapter.minutes} minutes of reading" in cell.source for cell in notebook.cells[:4])


def test_minutes_by_hand():
    cells = [
        nbformat.v4.new_markdown_cell("word " * 1300),  # 10 minutes
        nbformat.v4.new_code_cell("1\n" * 30),  # 4 minutes
        nbformat.v4.new_code_cell("2\n" * 300, metadata={"jupyter": {"source_hidden": True}}),  # folded
    ]
    cells[2].outputs = [nbformat.v4.new_output("display_data", {"image/png": ""})]  # 1 minute
    assert listings.minutes(nbformat.v4.new_notebook(cells=cells)) == 15


def test_every_chapter_links_to_its_neighbours():
    first, second, last = CHAPTERS[0], CHAPTERS[1], CHAPTERS[-1]
    assert listings.navigation(first) == f"[{second.heading}]({second.name}.ipynb) →"
    assert (
        f"← [{first.heading}]({first.name}.ipynb) · [exercises](../work/{second.name}.ipynb) · ["
        in listings.navigation(second)
    )
    assert "→" not in listings.navigation(last)


@pytest.mark.parametrize("name", chapters.MODELS)
def test_every_model_is_a_class_that_knows_its_name(name):
    assert models.model_class(name).name == name


def test_the_checkpoints_that_ship_are_those_of_the_table_made_as_it_says():
    assert {path.stem for path in (ROOT / "course_lib/checkpoints").glob("*.safetensors")} == chapters.SHIPPED.keys()
    for name, how in chapters.SHIPPED.items():
        card = json.loads((ROOT / f"course_lib/checkpoints/{name}.json").read_text())
        assert (card["model"], card["steps"], card["seed"]) == (how.model, how.steps, how.seed), name
        assert {key: card["config"][key] for key in how.settings} == how.settings, name


def test_every_widget_lives_in_the_module_of_its_chapter():
    assert set(show.widgets.__all__) == {widget for chapter in CHAPTERS for widget in chapter.widgets}
    for chapter in CHAPTERS:
        for widget in chapter.widgets:
            module = import_module(f"course_lib.show.{chapter.stem}")
            assert getattr(show.widgets, widget) is getattr(module, widget)
            source = (ROOT / "notebooks" / f"{chapter.name}.ipynb").read_text()
            assert f"widgets.{widget}(" in source, f"{widget} is in no cell of {chapter.name}"


def test_the_board_that_chapter_0_was_committed_with_holds_every_exercise():
    notebook = nbformat.read(ROOT / "notebooks" / f"{CHAPTERS[0].name}.ipynb", as_version=4)
    (cell,) = [cell for cell in notebook.cells if cell.source == "checks.board()"]
    shown = cell.outputs[0]["data"]["text/plain"]
    for chapter, exercises in checks.core.REGISTRY.items():
        assert chapter in shown
        assert all(exercise.name in shown for exercise in exercises), "execute chapter 0 again"
