"""Threads beside other programs: how many, how they wait, and that a user's own choice stays."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch

from course_lib import openmp
from course_lib.training import threads


@pytest.mark.parametrize(
    ("busy", "have", "cores", "wanted"),
    [(0.0, 2, 2, 2), (0.3, 2, 2, 2), (1.0, 2, 2, 1), (2.0, 2, 2, 1), (1.0, 4, 8, 4), (6.2, 4, 8, 2), (0.0, 1, 2, 1)],
)
def test_a_core_that_others_use_is_left_to_them(busy, have, cores, wanted):
    assert threads.threads_beside(busy, have, cores) == wanted


def test_a_busy_neighbour_is_seen():
    program = "while True: pass"
    neighbour = subprocess.Popen([sys.executable, "-c", program])
    try:
        assert threads.busy_cores(0.5) > 0.4
    finally:
        neighbour.kill()
        neighbour.wait()


def test_only_the_cores_that_this_process_may_use_count(monkeypatch):
    monkeypatch.setattr(threads.os, "sched_getaffinity", lambda process: {0, 2}, raising=False)
    monkeypatch.setattr(threads.psutil, "cpu_percent", lambda interval, percpu: [50.0, 100.0, 25.0, 100.0])
    assert threads.own_cores() == [0, 2]
    assert threads.busy_cores() == pytest.approx(0.75)


@pytest.fixture
def two_threads(monkeypatch):
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


def test_fewer_threads_for_the_block_only_and_said_in_a_line(two_threads, monkeypatch, capsys):
    monkeypatch.setattr(threads, "busy_cores", lambda: 63.0)
    with threads.beside_others(torch.device("cpu")) as now:
        assert now == torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
    assert "training on 1 of 2 threads" in capsys.readouterr().err


def test_alone_nothing_changes_and_nothing_is_said(two_threads, monkeypatch, capsys):
    monkeypatch.setattr(threads, "busy_cores", lambda: 0.0)
    with threads.beside_others(torch.device("cpu")) as now:
        assert now == torch.get_num_threads() == min(2, len(__import__("os").sched_getaffinity(0)))
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(("device", "variable"), [("cuda", None), ("cpu", "OMP_NUM_THREADS")])
def test_a_gpu_and_a_chosen_number_are_left_alone(two_threads, monkeypatch, device, variable):
    monkeypatch.setattr(threads, "busy_cores", lambda: pytest.fail("nobody has to look"))
    if variable:
        monkeypatch.setenv(variable, "2")
    with threads.beside_others(torch.device(device)) as now:
        assert now == 2


def test_threads_spin_for_a_short_while_unless_the_user_chose():
    for chosen, wanted in (
        ({}, {"GOMP_SPINCOUNT": "1000"}),
        ({"GOMP_SPINCOUNT": "7"}, {"GOMP_SPINCOUNT": "7"}),
        ({"OMP_WAIT_POLICY": "active"}, {"OMP_WAIT_POLICY": "active"}),
    ):
        environment = dict(chosen)
        openmp.limit_spinning(environment)
        assert environment == wanted


def test_the_course_sets_it_before_torch_is_loaded():
    program = (
        "import os, sys; import course_lib; assert 'torch' not in sys.modules; "
        "print(os.environ['GOMP_SPINCOUNT'], course_lib.openmp.IN_TIME)"
    )
    late = "import torch, course_lib; print(course_lib.openmp.IN_TIME)"
    environment = {"PATH": "/usr/bin:/bin"}
    for words, wanted in ((program, "1000 True"), (late, "False")):
        done = subprocess.run(
            [sys.executable, "-c", words], env=environment, capture_output=True, text=True, check=True
        )
        assert done.stdout.strip() == wanted
