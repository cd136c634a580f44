"""The machine check: a table on a good machine, a remedy and status 1 on a bad one."""

from __future__ import annotations

import builtins
import os
import pwd
import re
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest

from course_lib import doctor
from course_lib.data import sources

ROOT = Path(__file__).parents[1]


def test_a_good_machine(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    assert doctor.report() == 0
    out = capsys.readouterr().out
    for word in (
        "Python",
        "torch pair",
        "accelerator",
        "memory",
        "disk",
        "data",
        "Jupyter kernel",
        "widgets",
        "your work",
    ):
        assert word in out
    assert "This machine runs the course." in out


def test_it_takes_under_ten_seconds():
    begun = time.monotonic()
    done = subprocess.run([sys.executable, "-m", "course_lib", "doctor"], capture_output=True, text=True, check=False)
    spent = time.monotonic() - begun
    assert done.returncode == 0, done.stdout
    assert spent < 20, "ten seconds on a quiet machine; the tests of this suite run beside it"


def without(monkeypatch, *names):
    real = builtins.__import__

    def refuse(name, *rest):
        if name.split(".")[0] in names:
            raise ModuleNotFoundError(f"No module named {name!r}")
        return real(name, *rest)

    monkeypatch.setattr(builtins, "__import__", refuse)


def test_a_missing_torchvision_is_said_with_its_remedy(monkeypatch):
    without(monkeypatch, "torchvision")
    finding = doctor.torch_pair()
    assert not finding.good
    assert "No module named 'torchvision'" in finding.found
    assert "torch torchvision" in finding.remedy


def run_without(package, *words):
    """The command line in a process of its own where a package is missing."""
    code = (
        "import sys\n"
        f"sys.modules[{package!r}] = None\n"
        "from course_lib.cli import main\n"
        f"sys.exit(main({list(words)!r}))\n"
    )
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)


PACKAGES = ["torch", "torchvision", "safetensors", "filelock", "tqdm", "torchmetrics"]


@pytest.mark.parametrize("package", PACKAGES)
def test_it_runs_where_a_package_is_missing_and_names_it(package):
    done = run_without(package, "doctor")
    assert done.returncode == 1, done.stderr
    assert done.stderr == ""
    assert re.search(rf"^MISSING .*{package}", done.stdout, re.MULTILINE)
    assert "-> " in done.stdout
    assert "would not run yet" in done.stdout


def test_it_runs_where_torch_is_broken(tmp_path):
    (tmp_path / "torch").mkdir()
    (tmp_path / "torch" / "__init__.py").write_text("raise OSError('libtorch_cpu.so: cannot open shared object file')")
    path = os.pathsep.join([str(tmp_path), str(ROOT)])
    done = subprocess.run(
        [sys.executable, "-m", "course_lib", "doctor"],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": path},
    )
    assert done.returncode == 1
    assert done.stderr == ""
    assert "MISSING  torch pair      OSError: libtorch_cpu.so: cannot open shared object file" in done.stdout
    assert "first mend torch" in done.stdout


def test_other_commands_point_to_it_in_one_line(tmp_path):
    done = run_without("tqdm", "train", "vae", "--steps", "1", "--out", str(tmp_path / "run"))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("course_lib train: ")
    assert "tqdm" in line
    assert "`python -m course_lib doctor` says what to do" in line


def test_help_and_the_work_folder_need_no_torch():
    done = run_without("torch", "train", "--help")
    assert done.returncode == 0, done.stderr
    assert "NAME is one of: classifier, mlp_gan" in done.stdout
    code = "import sys; sys.modules['torch'] = None; import course_lib.learner.workspace, course_lib.learner.progress"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_package_the_course_asks_for_is_looked_for():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    named = {"pillow": "PIL", "scikit-image": "skimage"}
    asked = {re.match(r"[\w-]+", line)[0] for line in project["dependencies"]}
    modules = {named.get(name, name.replace("-", "_")) for name in asked}
    assert modules == {*doctor.NEEDED, "torch", "torchvision"}


def test_a_torch_pair_that_does_not_fit(monkeypatch):
    import torchvision.ops

    def broken(*_):
        raise RuntimeError("operator torchvision::nms does not exist")

    monkeypatch.setattr(torchvision.ops, "nms", broken)
    finding = doctor.torch_pair()
    assert not finding.good
    assert "nms does not exist" in finding.found


def test_a_missing_package_fails_the_report(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "NEEDED", ("numpy", "surely_not_installed"))
    assert doctor.report() == 1
    out = capsys.readouterr().out
    assert "missing: surely_not_installed" in out
    assert "-> python -m pip install" in out
    assert "would not run yet" in out


def test_a_folder_that_cannot_be_written(tmp_path, monkeypatch):
    file = tmp_path / "file"
    file.write_text("")
    finding = doctor.writable("your work", file / "work", "remedy")
    assert not finding.good
    assert "Not a directory" in finding.found


def test_an_old_python(monkeypatch):
    monkeypatch.setattr(doctor.sys, "version_info", (3, 10, 2))
    assert not doctor.python().good


def test_a_check_that_breaks_becomes_a_line(monkeypatch):
    def broken():
        raise OSError("no such luck")

    monkeypatch.setattr(doctor, "CHECKS", (broken,))
    assert doctor.examine()[0].found == "OSError: no such luck"


@pytest.mark.parametrize(
    ("chosen", "found"),
    [
        ("mnst", "COURSE_DATASET: got 'mnst', expected one of strokes, portraits"),
        ("folder:", "COURSE_DATASET: got 'folder:'"),
        ("mnist:x", "COURSE_DATASET: got 'mnist:x'"),
        ("folder:/no/such/folder", "folder: got '/no/such/folder', expected a folder"),
    ],
)
def test_a_data_set_there_is_not(monkeypatch, chosen, found):
    monkeypatch.setenv("COURSE_DATASET", chosen)
    finding = doctor.data()
    assert (finding.good, finding.needed) == (False, True)
    assert finding.found.startswith(found)
    assert "set COURSE_DATASET to one of strokes, portraits" in finding.remedy


def test_a_real_set_that_has_to_be_fetched_first(monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path))
    monkeypatch.setenv("COURSE_DATASET", "mnist")
    finding = doctor.data()
    assert (finding.good, finding.needed) == (False, False)
    assert "is not in" in finding.found
    assert "python -m course_lib data mnist" in finding.remedy
    files = sources.files("mnist")
    for file in files[:-1]:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"")
    assert not doctor.data().good  # one is still missing
    files[-1].write_bytes(b"")
    assert doctor.data().good


def test_a_folder_of_pictures_is_counted(monkeypatch, tmp_path):
    for i in range(10):
        (tmp_path / f"{i}.png").write_bytes(b"")
    monkeypatch.setenv("COURSE_DATASET", f"folder:{tmp_path}")
    assert "8 images to train, 2 to test" in doctor.data().found


def test_without_a_home_folder_the_report_is_complete(monkeypatch, capsys):
    def unknown(key):
        raise KeyError(key)

    for name in ("HOME", "XDG_CACHE_HOME", "COURSE_CACHE", "COURSE_DATA"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", unknown)
    monkeypatch.setattr(doctor, "CHECKS", (doctor.python, doctor.disk, doctor.cache, doctor.data))
    assert doctor.report() == 0
    out = capsys.readouterr().out
    assert out.count("this user has no home folder") == 2
    assert "-> set COURSE_CACHE" in out


@pytest.mark.parametrize("free", [0.1, 50.0])
def test_disk(monkeypatch, tmp_path, free):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "not" / "there" / "yet"))
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: type("Usage", (), {"free": free * 2**30}))
    assert doctor.disk().good == (free > 1)
