"""The learner's own files: progress is kept, work is never overwritten."""

from __future__ import annotations

import json
import multiprocessing
import resource
import shutil
import subprocess
from pathlib import Path

import pytest

from course_lib import checks, cli
from course_lib.checks import core
from course_lib.checks.compare import compare
from course_lib.checks.core import exercise
from course_lib.checks.verdict import NotSolvedYet, WrongAnswer
from course_lib.errors import CourseError
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


DAMAGED = ["{broken", "", "[]", "null", "3", '{"99_test": "double"}', '{"99_test": [3]}', "[" * 100_000, "\0\0"]


@pytest.mark.parametrize("content", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_progress_file_is_said_and_kept_aside(double, board_file, capsys, content):
    board_file.parent.mkdir()
    board_file.write_text(content)
    (board_file.parent / "progress_damaged.json").write_text("of last week")
    assert progress.solved() == {}
    assert board_file.read_text() == content  # looking changes nothing
    double(lambda x: 2 * x)
    shown, said = capsys.readouterr().err.splitlines()
    assert "shows nothing as solved" in shown
    assert said.startswith(f"course_lib: progress: {board_file} is ")
    assert "kept as progress_damaged_2.json" in said
    assert (board_file.parent / "progress_damaged_2.json").read_text() == content
    assert (board_file.parent / "progress_damaged.json").read_text() == "of last week"
    assert json.loads(board_file.read_text()) == {"99_test": ["double"]}


def test_a_folder_in_place_of_the_progress_file_is_kept_aside(double, board_file, capsys):
    (board_file / "inside").mkdir(parents=True)
    double(lambda x: 2 * x)
    assert "kept as progress_damaged.json" in capsys.readouterr().err
    assert (board_file.parent / "progress_damaged.json" / "inside").is_dir()
    assert progress.solved() == {"99_test": ["double"]}


@pytest.mark.parametrize("place", ["~no_such_user/progress.json", "/" + "a" * 5000, "/dev/null/progress.json"])
def test_a_place_there_is_not_costs_the_note_not_the_lesson(double, monkeypatch, capsys, place):
    monkeypatch.setenv("COURSE_PROGRESS", place)
    double(lambda x: 2 * x)
    assert progress.solved() == {}
    captured = capsys.readouterr()
    assert captured.out == "✓ double: solved\n"
    assert captured.err.startswith("course_lib: progress: double is solved, but could not be noted (")


def test_a_place_that_cannot_be_written_costs_the_note_not_the_lesson(double, monkeypatch, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("COURSE_PROGRESS", str(tmp_path / "file" / "progress.json"))
    double(lambda x: 2 * x)
    captured = capsys.readouterr()
    assert "solved" in captured.out
    assert "could not be noted" in captured.err


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


@pytest.fixture
def no_room():
    """Writing past 100 bytes in any file fails with a real OSError, as on a full disk; undone at the end."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    yield lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_keeps_the_old_board(double, board_file, no_room, capsys):
    board_file.parent.mkdir()
    board_file.write_text(json.dumps({"01_a": ["conv2d"], "02_b": ["x" * 60]}))
    before = board_file.read_text()
    no_room()
    double(lambda x: 2 * x)
    captured = capsys.readouterr()
    assert captured.out == "✓ double: solved\n"
    assert "could not be noted" in captured.err
    assert board_file.read_text() == before
    assert {path.name for path in board_file.parent.iterdir()} <= {"progress.json", "progress.json.lock"}


def everything(folder):
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


def test_a_full_disk_leaves_whole_copies_only_and_the_next_time_goes_on(places, no_room):
    exercises, work = places
    (exercises / "02_a.ipynb").write_text("exercise 2, long" * 10)
    soft = resource.getrlimit(resource.RLIMIT_FSIZE)
    no_room()
    with pytest.raises(
        CourseError, match=r"cannot bring 02_a.ipynb to .* \(File too large\); nothing of yours"
    ) as caught:
        workspace.update(*places)
    resource.setrlimit(resource.RLIMIT_FSIZE, soft)
    assert "\n" not in str(caught.value)
    assert set(everything(work)) == {"01_a.ipynb", workspace.ORIGINS}
    assert workspace.update(*places) == {"01_a.ipynb": "kept", "02_a.ipynb": "new"}
    (exercises / "01_a.ipynb").write_text("version 2")
    assert workspace.update(*places)["01_a.ipynb"] == "updated"  # that it was untouched had been noted


def test_a_full_disk_during_an_update_keeps_the_old_copy(places, no_room):
    exercises, work = places
    workspace.update(*places)
    before = everything(work)
    (exercises / "01_a.ipynb").write_text("version 2, long" * 10)
    no_room()
    with pytest.raises(CourseError, match="nothing of yours was changed"):
        workspace.update(*places)
    assert everything(work) == before


@pytest.mark.parametrize("content", ["[]", "null", "3", "{broken", "[" * 100_000, None])
def test_damaged_notes_are_said_and_every_copy_counts_as_the_learners(places, content, capfd):
    exercises, work = places
    workspace.update(*places)
    (work / workspace.ORIGINS).unlink()
    if content is None:
        (work / workspace.ORIGINS / "inside").mkdir(parents=True)
    else:
        (work / workspace.ORIGINS).write_text(content)
    (exercises / "01_a.ipynb").write_text("version 2")
    assert workspace.update(*places) == {"01_a.ipynb": "beside: 01_a_new.ipynb", "02_a.ipynb": "kept"}
    lines = capfd.readouterr().err.splitlines()
    assert "cannot be used" in lines[0]
    assert "counts as yours" in lines[0]
    if content is None:
        assert "cannot write" in lines[1]
        assert (work / workspace.ORIGINS / "inside").is_dir()
        assert workspace.update(*places)["01_a.ipynb"] == "kept"  # it is there; not one more copy each time
    else:
        assert workspace.update(*places)["01_a.ipynb"] == "kept"
        assert len(lines) == 1


@pytest.mark.parametrize("kind", ["file", "link to nowhere", "link to a file"])
def test_work_that_is_no_folder_is_named(places, kind):
    _, work = places
    target = work.parent / "elsewhere"
    if kind == "file":
        work.write_text("the learner's")
    else:
        work.symlink_to(target)
    if kind == "link to a file":
        target.write_text("the learner's")
    with pytest.raises(CourseError, match=f"work: got {work}, expected a folder for your copies"):
        workspace.update(*places)
    assert kind == "link to nowhere" or work.read_text() == "the learner's"
    assert kind != "link to nowhere" or not target.exists()


def test_work_may_be_a_link_to_a_folder(places):
    _, work = places
    (work.parent / "larger disk").mkdir()
    work.symlink_to(work.parent / "larger disk")
    assert set(workspace.update(*places).values()) == {"new"}
    assert (work.parent / "larger disk" / "01_a.ipynb").is_file()


def test_a_folder_under_an_exercises_name_stays(places):
    _, work = places
    (work / "01_a.ipynb" / "inside").mkdir(parents=True)
    assert workspace.update(*places) == {"01_a.ipynb": "beside: 01_a_new.ipynb", "02_a.ipynb": "new"}
    assert (work / "01_a.ipynb" / "inside").is_dir()
    assert workspace.update(*places) == {"01_a.ipynb": "kept", "02_a.ipynb": "kept"}


def test_nothing_is_written_through_a_link(places):
    """Neither through one that leads nowhere, nor to a file elsewhere that was an untouched copy."""
    exercises, work = places
    workspace.update(*places)
    outside, nowhere = work.parent / "outside.ipynb", work.parent / "nowhere.ipynb"
    (work / "01_a.ipynb").rename(outside)
    (work / "01_a.ipynb").symlink_to(outside)
    (work / "02_a.ipynb").unlink()
    (work / "02_a.ipynb").symlink_to(nowhere)
    (work / "02_a_new.ipynb").symlink_to(nowhere)
    for name in ("01_a.ipynb", "02_a.ipynb"):
        (exercises / name).write_text("version 2")
    assert workspace.update(*places) == {
        "01_a.ipynb": "beside: 01_a_new.ipynb",
        "02_a.ipynb": "beside: 02_a_new_2.ipynb",
    }
    assert outside.read_text() == "exercise 1, version 1"
    assert not nowhere.exists()
    assert (work / "01_a.ipynb").is_symlink()


def test_the_command_line_says_it_in_one_line(places, monkeypatch, capsys):
    _, work = places
    work.write_text("a file")
    monkeypatch.setattr(workspace.update, "__defaults__", places)
    assert cli.main(["work"]) == 2
    assert capsys.readouterr().err.splitlines() == [
        f"course_lib work: work: got {work}, expected a folder for your copies (File exists)"
    ]


def test_git_ignores_work_and_progress():
    if not (ROOT / ".git").exists() or not shutil.which("git"):
        pytest.skip("needs a git checkout")
    paths = ["work/01_drawing_images.ipynb", "work/progress.json"]
    done = subprocess.run(["git", "check-ignore", *paths], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.stdout.split() == paths
