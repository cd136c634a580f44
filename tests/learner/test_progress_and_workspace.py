"""The learner's own files: progress is kept, work is never overwritten."""

from __future__ import annotations

import json
import multiprocessing
import shutil
import subprocess
from pathlib import Path

import pytest

from course_lib import checks
from course_lib.checks import core
from course_lib.checks.core import NotSolvedYet, WrongAnswer, compare, exercise
from course_lib.learner import progress, workspace

ROOT = Path(__file__).parents[2]


@pytest.fixture
def board_file(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "deep" / "progress.json"))
    return tmp_path / "deep" / "progress.json"


@pytest.fixture
def double(monkeypatch):
    monkeypatch.setattr(core, "REGISTRY", {})

    @exercise("99_test")
    def double(answer):
        compare(answer(3), 6, "double(3)", {"adds": (5, "you added two instead of doubling")})

    return double


def test_solved_is_said_and_remembered_once(double, board_file, capsys):
    double(lambda x: 2 * x)
    double(lambda x: x + x)
    assert capsys.readouterr().out == "✓ double: solved\n" * 2
    assert json.loads(board_file.read_text()) == {"99_test": ["double"]}


def test_wrong_answers_are_not_remembered(double, board_file):
    with pytest.raises(WrongAnswer, match="✗ double: you added two instead of doubling") as caught:
        double(lambda x: x + 2)
    assert caught.value.name == "adds"
    with pytest.raises(WrongAnswer, match=r"double\(3\) is 7, expected 6"):
        double(lambda x: 7)
    assert not board_file.exists()


def test_a_stub_is_not_solved_yet(double):
    def stub(x):
        raise NotImplementedError()

    with pytest.raises(NotSolvedYet, match="… double: not solved yet") as caught:
        double(stub)
    assert isinstance(caught.value, NotImplementedError)
    assert caught.value._render_traceback_() == ["… double: not solved yet"]


def test_code_that_stops_is_one_line_with_the_learners_own_line(double):
    def answer(x):
        return x / 0

    with pytest.raises(
        WrongAnswer, match=r"your code stopped. ZeroDivisionError in line \d+, `return x / 0`: division by zero"
    ) as caught:
        double(answer)
    assert "\n" not in str(caught.value)


def test_progress_can_be_switched_off(double, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_PROGRESS", "off")
    double(lambda x: 2 * x)
    assert progress.solved() == {}


def test_a_damaged_progress_file_is_said_and_replaced(double, board_file, capsys):
    board_file.parent.mkdir()
    board_file.write_text("{broken")
    double(lambda x: 2 * x)
    assert "cannot be read" in capsys.readouterr().err
    assert json.loads(board_file.read_text()) == {"99_test": ["double"]}


def test_a_place_that_cannot_be_written_costs_the_note_not_the_lesson(double, monkeypatch, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "file" / "progress.json"))
    double(lambda x: 2 * x)
    captured = capsys.readouterr()
    assert "solved" in captured.out
    assert "progress: could not write" in captured.err


def write_many(names):
    for name in names:
        progress.record("00_race", name)


def test_two_notebooks_at_once_lose_nothing(board_file):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=write_many, args=([f"{who}{i}" for i in range(30)],)) for who in "ab"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(progress.solved()["00_race"]) == 60


def test_the_board_lists_every_exercise_of_the_course(board_file, monkeypatch):
    shown = []
    monkeypatch.setattr("IPython.display.display", lambda data, **_: shown.append(data))
    chapter, exercises = next(iter(sorted(core.REGISTRY.items())))
    progress.record(chapter, exercises[0].name)
    checks.board()
    lines = shown[0]["text/plain"].splitlines()
    assert len(lines) == len(core.REGISTRY) == len(list((ROOT / "solutions").glob("*.ipynb")))
    assert lines[0].startswith(f"{chapter}: 1 of {len(exercises)}: ✓ {exercises[0].name}")
    assert "✓" not in "".join(lines[1:])


def test_every_exercise_in_the_notebooks_has_its_check_and_the_other_way_round():
    import nbformat

    for path in (ROOT / "solutions").glob("*.ipynb"):
        cells = nbformat.read(path, as_version=4).cells
        graded = [c.source.strip() for c in cells if c.metadata.get("nbgrader", {}).get("grade")]
        names = [e.name for e in core.REGISTRY[path.stem]]
        assert graded == [f"checks.{name}({name})" for name in names], path.name
        assert len(set(names)) == len(names) >= 3


# --- work/ ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def places(tmp_path):
    exercises, work = tmp_path / "exercises", tmp_path / "work"
    exercises.mkdir()
    for number in (1, 2):
        (exercises / f"0{number}_a.ipynb").write_text(f"exercise {number}, version 1")
    return exercises, work


def test_first_copy(places):
    _, work = places
    assert workspace.update(*places) == {"01_a.ipynb": "new", "02_a.ipynb": "new"}
    assert (work / "01_a.ipynb").read_text() == "exercise 1, version 1"
    assert workspace.update(*places) == {"01_a.ipynb": "kept", "02_a.ipynb": "kept"}


def test_an_update_arrives_beside_half_solved_work(places):
    exercises, work = places
    workspace.update(*places)
    (work / "01_a.ipynb").write_text("half solved")
    for name in ("01_a.ipynb", "02_a.ipynb"):
        (exercises / name).write_text("version 2")
    assert workspace.update(*places) == {"01_a.ipynb": "beside: 01_a_new.ipynb", "02_a.ipynb": "updated"}
    assert (work / "01_a.ipynb").read_text() == "half solved"
    assert (work / "01_a_new.ipynb").read_text() == "version 2"
    assert workspace.update(*places)["01_a.ipynb"] == "kept"
    (work / "01_a_new.ipynb").write_text("half solved again")
    (exercises / "01_a.ipynb").write_text("version 3")
    assert workspace.update(*places)["01_a.ipynb"] == "beside: 01_a_new_2.ipynb"
    assert (work / "01_a_new.ipynb").read_text() == "half solved again"
    assert (work / "01_a.ipynb").read_text() == "half solved"


def test_without_its_notes_every_copy_counts_as_the_learners(places):
    exercises, work = places
    workspace.update(*places)
    (work / workspace.ORIGINS).unlink()
    (exercises / "01_a.ipynb").write_text("version 2")
    assert workspace.update(*places)["01_a.ipynb"].startswith("beside")
    assert (work / "01_a.ipynb").read_text() == "exercise 1, version 1"


def test_git_ignores_work_and_progress():
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("needs a git checkout")
    paths = ["work/01_drawing_images.ipynb", "work/progress.json"]
    done = subprocess.run(["git", "check-ignore", *paths], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.split() == paths
