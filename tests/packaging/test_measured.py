"""Figures in the README come from the files the benchmarks wrote, and those name commands that exist."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from course_lib.authoring.readme_table import with_table

ROOT = Path(__file__).parents[2]
RECORDS = sorted((ROOT / "course_lib" / "measured").glob("*.json"))


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
