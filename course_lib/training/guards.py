"""What protects a training from its surroundings, and the surroundings from the training."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Iterator
from typing import Any

import torch

PATIENCE = 1.0  # seconds after a Ctrl-C in which another one is taken for the same: keys bounce, launchers repeat


@contextlib.contextmanager
def own_randomness(device: torch.device) -> Iterator[None]:
    """Leave the caller's random state as it was."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        yield


class Stop:
    """What the signals that have come ask of a training."""

    def __init__(self):
        self.received: list[int] = []
        self.interrupted = 0.0  # when Ctrl-C came first
        self.saving = False

    def is_set(self) -> bool:
        return bool(self.received)

    def ask(self, number: int, frame: Any) -> None:
        """The handler. Only somebody who presses Ctrl-C again after a while stops a step at once, and no save ever."""
        first = not self.received
        self.received.append(number)
        if first:
            self.interrupted = time.monotonic()
        late = time.monotonic() - self.interrupted > PATIENCE
        if late and not self.saving and set(self.received) == {signal.SIGINT}:
            raise KeyboardInterrupt

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Nothing cuts short what is done inside."""
        self.saving = True
        try:
            yield
        finally:
            self.saving = False


@contextlib.contextmanager
def one_more_step() -> Iterator[Stop]:
    """A `Stop` that Ctrl-C sets, so that a step is never cut in half.

    A cluster's SIGTERM and a closed terminal's SIGHUP set it too, and end the program with status 143 or 129 once the
    block is left: by then all is saved. Under nohup SIGHUP is ignored, and stays so.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return
    numbers = [signal.SIGINT, signal.SIGTERM]
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # Windows has none
        numbers.append(signal.SIGHUP)
    before = {number: signal.signal(number, stop.ask) for number in numbers}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    for number in stop.received:
        if number != signal.SIGINT:
            raise SystemExit(128 + number)
