"""How many threads a training uses beside other programs, and how they wait for one another.

Threads of libgomp that wait spin: they keep their core busy until the others are done. Alone on a machine that is the
fastest way; beside another busy program the spinning takes what the others need, and two threads become slower than
one. `benchmarks/threads.py` measures it. Two remedies: spin for a short while only (`course_lib.openmp`, before torch
is loaded), and one thread fewer for each core that others keep busy when a training begins (`beside_others`).
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator

import psutil
import torch

LOOK = 0.2  # seconds


def own_cores() -> list[int]:
    """The cores that this process may use, by number."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(psutil.cpu_count() or 1))


def busy_cores(seconds: float = LOOK) -> float:
    """How many of the cores this process may use are kept busy by others; call it while this process does nothing."""
    shares = psutil.cpu_percent(interval=seconds, percpu=True)
    return sum(shares[core] for core in own_cores() if core < len(shares)) / 100


def threads_beside(busy: float, threads: int, cores: int) -> int:
    """The threads to use out of `threads` when others keep `busy` of `cores` cores busy: at least one."""
    return max(1, min(threads, round(cores - busy)))


@contextlib.contextmanager
def beside_others(device: torch.device) -> Iterator[int]:
    """On the CPU, use as many threads as there are idle cores now; the number there was comes back after the block.

    A number that the user chose (OMP_NUM_THREADS) stays. A smaller number is said in one line.
    """
    before = torch.get_num_threads()
    if device.type != "cpu" or before == 1 or "OMP_NUM_THREADS" in os.environ:
        yield before
        return
    cores, busy = len(own_cores()), busy_cores()
    now = threads_beside(busy, before, cores)
    if now < before:
        words = f"other programs keep {busy:.1f} of {cores} cores busy: training on {now} of {before} threads"
        print(f"{words} (OMP_NUM_THREADS={before} keeps them)", file=sys.stderr, flush=True)
    torch.set_num_threads(now)
    try:
        yield now
    finally:
        torch.set_num_threads(before)
