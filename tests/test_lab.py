"""How `python -m course_lib lab` starts JupyterLab, without starting it; tests/browser does."""

from __future__ import annotations

import json
import os

import pytest

from course_lib import cli
from course_lib.places import ROOT


@pytest.fixture
def started(monkeypatch):
    """What would have been run: the arguments and the environment."""
    calls = []
    monkeypatch.setattr(os, "execve", lambda path, arguments, environment: calls.append((arguments, environment)))
    monkeypatch.chdir(ROOT)
    return calls


def test_the_whole_course_is_the_root_and_further_arguments_go_to_jupyterlab(started):
    assert cli.main(["lab", "--no-browser", "--port", "8899"]) == 0
    ((arguments, _),) = started
    assert arguments[1:3] == ["-m", "jupyterlab"]
    assert f"--ServerApp.root_dir={ROOT}" in arguments
    assert arguments[-4:] == ["--no-browser", "--port", "8899", "notebooks/00_start_here.ipynb"]


def test_the_courses_settings_are_read_beside_the_users_own(started, monkeypatch):
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "/mine")
    cli.main(["lab"])
    ((_, environment),) = started
    ours, theirs = environment["JUPYTER_CONFIG_PATH"].split(os.pathsep)
    assert theirs == "/mine"
    assert json.loads((ROOT / "course_lib/lab_settings/jupyter_server_config.json").read_text())["ContentsManager"]
    assert ours == str(ROOT / "course_lib/lab_settings")


def test_other_commands_still_refuse_what_they_do_not_know(capsys):
    with pytest.raises(SystemExit):
        cli.main(["work", "--no-browser"])
    assert "unrecognized arguments: --no-browser" in capsys.readouterr().err
