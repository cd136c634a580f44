"""Figures in the README come from the files the benchmarks wrote, and those name commands that exist."""

from __future__ import annotations

import importlib
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from course_lib import measured
from course_lib.authoring import stale
from course_lib.authoring.readme_table import with_table

ROOT = Path(__file__).parents[2]
RECORDS = sorted((ROOT / "course_lib" / "measured").glob("*.json"))
MADE_BEFORE = {  # records named the code under them; each leaves this list when it is measured again
    "batches",
    "classifier",
    "conditional_gan_mnist",
    "conditional_gan_strokes",
    "convolution",
    "drawing",
    "gan_speed_cpu",
    "realism",
    "vae_mnist",
}


def test_the_readme_shows_what_was_measured():
    text = (ROOT / "README.md").read_text()
    assert text == with_table(text), "python -m course_lib.authoring.readme_table"


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: path.name)
def test_every_record_names_its_command_and_machine(path):
    record = json.loads(path.read_text())
    script = re.search(r"benchmarks/\w+\.py", record["command"])
    assert script
    assert (ROOT / script[0]).exists()
    assert "threads" in record["machine"]
    assert len(record) > 2


def test_three_seeds_behind_every_accuracy():
    for path in RECORDS:
        for name in ("accuracy", "recall", "precision"):
            assert len(json.loads(path.read_text()).get(name, [1, 2, 3])) >= 3, path.name


def test_links_of_the_readme_lead_somewhere():
    for target in re.findall(r"\]\((?!http)([^)#]+)\)", (ROOT / "README.md").read_text()):
        assert (ROOT / target).exists(), target


# ---------------------------------------------------------------------------------------------------------------------
# What a record rests on
# ---------------------------------------------------------------------------------------------------------------------


def test_every_record_names_its_code_or_was_made_before():
    assert {path.stem for path in RECORDS if "code" not in json.loads(path.read_text())} == MADE_BEFORE


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A repository of its own, with a library file and room for records."""
    (tmp_path / "course_lib").mkdir()
    (tmp_path / "course_lib" / "game.py").write_text(PROGRAM)
    (tmp_path / "records").mkdir()
    monkeypatch.setattr(measured, "ROOT", tmp_path)
    for module in (measured, stale):
        monkeypatch.setattr(module, "FOLDER", tmp_path / "records")
    return tmp_path


PROGRAM = '''"""A game."""


def rate(step: int) -> float:
    """Of Adam."""
    return 0.1 / step  # falls
'''


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [
        ("# falls", "# never rises", True),
        ("A game.", "Another word for it.", True),
        ("Of Adam.", "Of another.", True),
        ("    return", "\n    return", True),
        ("0.1", "0.2", False),
        ("/ step", "* step", False),
        ("-> float", "-> int", False),
    ],
)
def test_a_digest_sees_statements_and_no_words(place, old, new, same):
    path = place / "course_lib" / "game.py"
    before = measured.digest(path)
    assert old in PROGRAM
    path.write_text(PROGRAM.replace(old, new))
    assert (measured.digest(path) == before) == same


def test_weights_are_digested_byte_by_byte(tmp_path):
    path = tmp_path / "weights.safetensors"
    path.write_bytes(b"\x00\xff# one")
    before = measured.digest(path)
    path.write_bytes(b"\x00\xff# two")
    assert measured.digest(path) != before


def test_a_record_names_what_was_loaded_and_nothing_that_only_draws():
    for name in ("course_lib.models", "course_lib.show.figures"):
        importlib.import_module(name)
    found = measured.code()
    assert {"course_lib/models.py", "course_lib/training/fit.py"} <= set(found)
    assert {f"course_lib/checkpoints/classifier{kind}.safetensors" for kind in ("", "_mnist")} <= set(found)
    assert found["course_lib/models.py"] == measured.digest(ROOT / "course_lib" / "models.py")
    assert not [name for name in found if name.startswith(("tests/", "course_lib/show/", "course_lib/measured/"))]
    assert all((ROOT / name).is_file() for name in found)


def test_a_stale_record_is_listed_with_the_files_that_changed(place):
    path = place / "course_lib" / "game.py"
    record = {"command": "python benchmarks/game.py", "code": {"course_lib/game.py": measured.digest(path)}}
    (place / "records" / "game.json").write_text(json.dumps(record))
    (place / "records" / "old.json").write_text(json.dumps({"command": "python benchmarks/old.py"}))
    old = "old: made before records named their code; python benchmarks/old.py"
    assert stale.report() == [old]
    path.write_text(PROGRAM.replace("0.1", "0.2"))
    changed = "game: course_lib/game.py changed since; python benchmarks/game.py"
    assert stale.report() == [changed, old]
    path.unlink()
    assert stale.report() == [changed, old]


def test_the_table_of_chapters_changes_no_figure(place):
    """Records made before it was left out name it, too."""
    record = {"code": {"course_lib/chapters.py": "0", "course_lib/show/figures.py": "0", "course_lib/game.py": "0"}}
    assert measured.changed_since(record) == ["course_lib/game.py"]


def test_a_new_record_is_current(place):
    path = measured.record("game", "python benchmarks/game.py", steps=3)
    record = json.loads(path.read_text())
    assert (record["steps"], record["code"]) == (3, {})  # nothing of this little repository is loaded
    assert measured.changed_since(record) == []


def test_the_command_lists_the_records_of_the_repository():
    command = [sys.executable, "-m", "course_lib.authoring.stale"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert {line.split(":")[0] for line in listed.splitlines()} >= MADE_BEFORE
