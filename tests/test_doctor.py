"""The machine check: a table on a good machine, a remedy and status 1 on a bad one."""

from __future__ import annotations

import builtins
import subprocess
import sys
import time

import pytest

from course_lib import doctor


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


@pytest.mark.parametrize("free", [0.1, 50.0])
def test_disk(monkeypatch, tmp_path, free):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "not" / "there" / "yet"))
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda _: type("Usage", (), {"free": free * 2**30}))
    assert doctor.disk().good == (free > 1)
