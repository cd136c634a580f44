"""`python -m course_lib lab`: JupyterLab over the whole course, with the course's settings beside the user's."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from course_lib.places import ROOT

SETTINGS = Path(__file__).with_name("lab_settings")
FIRST = "notebooks/00_start_here.ipynb"


def command(arguments: list[str]) -> list[str]:
    """The whole course is the server's root, so that links lead from chapters to exercises and back."""
    return [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={ROOT}", *arguments, FIRST]


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """The course's settings are read beside the user's own, which stay as they are."""
    paths = [str(SETTINGS), *filter(None, [given.get("JUPYTER_CONFIG_PATH")])]
    return {**given, "JUPYTER_CONFIG_PATH": os.pathsep.join(paths)}


def start(arguments: list[str]) -> None:
    """Become JupyterLab; `arguments` go to it. Does not return."""
    os.chdir(ROOT)
    os.execve(sys.executable, command(arguments), environment(os.environ))
