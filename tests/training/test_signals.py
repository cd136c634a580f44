"""Signals: what was learned is saved before a run ends, however many come and however close together."""

from __future__ import annotations

import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from tiny import Tiny, assert_same, images, steps_until, train, weights

from course_lib.training import checkpoint, fit, guards, read_card
from course_lib.training.progress import Bar

HERE = Path(__file__).parent
INT, TERM, HUP = signal.SIGINT, signal.SIGTERM, signal.SIGHUP


def send(*numbers, gap=0.1):
    for number in numbers:
        os.kill(os.getpid(), number)
        time.sleep(gap)


class Bothered(Tiny):
    """Gets signals in the middle of its step 23."""

    signals: tuple = ()

    def training_step(self, batch):
        losses = super().training_step(batch)
        if self.steps_done == 22:
            send(*self.signals)
        return losses


def bothered(folder, *signals):
    model = Bothered()
    model.signals = signals
    return fit(model, images(), steps=60, folder=folder, device="cpu", view=Bar(silent=True))


@pytest.mark.parametrize(("number", "status"), [(TERM, 143), (HUP, 129)])
def test_a_clusters_sigterm_and_a_closed_terminal_save_and_end_the_program(tmp_path, number, status):
    with pytest.raises(SystemExit) as ended:
        fit(steps_until(Tiny(), 23, number), images(), steps=60, folder=tmp_path, device="cpu", view=Bar(silent=True))
    assert ended.value.code == status
    assert read_card(tmp_path)["steps"] == 23
    _, raw = train(60)
    _, model = train(60, tmp_path)
    assert_same(weights(raw), weights(model))


@pytest.mark.parametrize(
    ("signals", "status"),
    [((TERM, INT), 143), ((TERM, TERM), 143), ((HUP, TERM, INT), 129), ((INT, TERM), 143), ((INT, HUP), 129)],
)
def test_signals_one_after_another_lose_nothing_of_a_young_run(tmp_path, signals, status):
    with pytest.raises(SystemExit) as ended:
        bothered(tmp_path, *signals)
    assert ended.value.code == status
    assert read_card(tmp_path)["steps"] == 23


def test_ctrl_c_twice_in_a_moment_is_one_ctrl_c(tmp_path):
    run = bothered(tmp_path, INT, INT)
    assert (run.stopped, run.steps) == ("interrupted", 23)
    assert read_card(tmp_path)["steps"] == 23


def test_ctrl_c_again_after_a_while_stops_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(guards, "PATIENCE", 0.05)
    with pytest.raises(KeyboardInterrupt):
        bothered(tmp_path, INT, INT)
    assert not (tmp_path / checkpoint.FILE).exists()


def test_no_ctrl_c_after_a_sigterm_stops_before_the_save(tmp_path, monkeypatch):
    monkeypatch.setattr(guards, "PATIENCE", 0.05)
    with pytest.raises(SystemExit):
        bothered(tmp_path, TERM, INT, INT)
    assert read_card(tmp_path)["steps"] == 23


def test_nothing_cuts_a_save_short(tmp_path, monkeypatch):
    monkeypatch.setattr(guards, "PATIENCE", 0.05)
    original = checkpoint.write

    def slow(path, content):
        send(INT, INT)
        original(path, content)

    monkeypatch.setattr(checkpoint, "write", slow)
    run, _ = train(10, tmp_path)
    assert run.checkpoint
    assert read_card(tmp_path)["steps"] == 10


def test_under_nohup_a_closed_terminal_changes_nothing(tmp_path):
    before = signal.signal(HUP, signal.SIG_IGN)
    try:
        assert bothered(tmp_path, HUP).stopped == "finished"
        assert signal.getsignal(HUP) is signal.SIG_IGN
    finally:
        signal.signal(HUP, before)


IN_A_TERMINAL = """
import fcntl, os, sys, termios, time
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
sys.path.insert(0, {here!r})
from tiny import Tiny, images

from course_lib.training import fit
class Slow(Tiny):
    def training_step(self, batch):
        if self.steps_done == 3:
            os.write(1, b"three steps")
        time.sleep(0.02)
        return super().training_step(batch)
fit(Slow(), images(), steps=3000, folder={folder!r}, device="cpu")
"""


@pytest.mark.slow
def test_a_terminal_that_is_closed_while_the_bar_is_drawn_in_it(tmp_path):
    master, slave = pty.openpty()
    program = IN_A_TERMINAL.format(here=str(HERE), folder=str(tmp_path))
    process = subprocess.Popen(
        [sys.executable, "-c", program], stdin=slave, stdout=slave, stderr=slave, start_new_session=True
    )
    os.close(slave)
    seen = b""
    while b"three steps" not in seen:
        seen += os.read(master, 1000)
    os.close(master)
    assert process.wait(timeout=60) == 129
    assert 3 < read_card(tmp_path)["steps"] < 3000


def test_the_handlers_are_given_back():
    before = [signal.getsignal(number) for number in (INT, TERM, HUP)]
    train(3)
    assert [signal.getsignal(number) for number in (INT, TERM, HUP)] == before
