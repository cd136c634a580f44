"""The course on a GPU: a pretended one on every machine, a real one where torch finds it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import gpu_rules
import pytest
import torch
from gpu_paths import NOT_FOLLOWED, PATHS, take
from planted_bugs import BUGS

from course_lib import models

HERE = Path(__file__).parent
PINNED = re.search(r"^torch==(\d+\.\d+)\.", (HERE.parents[1] / "constraints.txt").read_text(), re.MULTILINE)[1]

on_pretended_gpu = pytest.mark.skipif(
    not torch.__version__.startswith(f"{PINNED}."),
    reason=f"the pretended GPU stands on private interfaces of torch {PINNED}; this is torch {torch.__version__}",
)
CUDA = torch.device("cuda")


def results(what: str, folder: Path) -> dict[str, str]:
    """Name -> what was raised, of the paths, the rules or the planted bugs, from a process of its own."""
    file = folder / "results.json"
    settings = {"COURSE_CACHE": str(folder), "OMP_NUM_THREADS": "1", "MPLBACKEND": "Agg"}
    settings["PYTHONPATH"] = os.pathsep.join(sys.path)  # the library that is tested here
    program = [sys.executable, "-W", "error", str(HERE / "on_pretend_gpu.py"), what, str(file)]
    ended = subprocess.run(program, env=os.environ | settings, capture_output=True, text=True, timeout=500)
    assert ended.returncode == 0, ended.stderr
    return json.loads(file.read_text())


def is_about_devices(error: str) -> bool:
    return "device" in error.strip().splitlines()[-1]


@pytest.mark.slow
@on_pretended_gpu
def test_every_path_runs_on_a_pretended_gpu(tmp_path):
    errors = results("paths", tmp_path)
    assert errors.keys() == PATHS.keys()
    failed = {name: error for name, error in errors.items() if error}
    assert not failed, "\n\n".join(f"{name}\n{error}" for name, error in failed.items())


def test_every_model_has_a_path():
    assert {name.split(",")[0] for name in PATHS} >= set(models.MODELS) - NOT_FOLLOWED


@on_pretended_gpu
def test_the_pretended_gpu_keeps_the_rules(tmp_path):
    errors = results("rules", tmp_path)
    for name in gpu_rules.REFUSED:
        assert is_about_devices(errors[name] or "nothing was raised"), f"{name}: {errors[name] or 'not refused'}"
    assert {name: errors[name] for name in gpu_rules.ALLOWED if errors[name]} == {}


@on_pretended_gpu
def test_planted_bugs_are_found(tmp_path):
    errors = results("bugs", tmp_path)
    assert errors.keys() == BUGS.keys()
    for name, error in errors.items():
        assert is_about_devices(error or "nothing was raised"), f"{name}: {error or 'not found'}"


@pytest.mark.gpu
@pytest.mark.parametrize("name", PATHS)
def test_gpu_runs_every_path(name, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    take(name, CUDA)


@pytest.mark.gpu
@pytest.mark.parametrize("name", gpu_rules.REFUSED)
def test_gpu_refuses_what_the_pretended_one_refuses(name):
    with pytest.raises((RuntimeError, TypeError), match=r"device|cuda"):
        gpu_rules.check(gpu_rules.REFUSED[name], CUDA)


@pytest.mark.gpu
@pytest.mark.parametrize("name", gpu_rules.ALLOWED)
def test_gpu_allows_what_the_pretended_one_allows(name):
    gpu_rules.check(gpu_rules.ALLOWED[name], CUDA)
