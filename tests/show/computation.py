"""How long a widget computes for a change."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable
from typing import Any

import torch


def median_seconds(widget: Any, values: Iterable[Any]) -> float:
    """Set the control to each value in turn; the median of the processor's seconds.

    On one thread: a thread that waits for another counts as computing.
    """
    threads, spent = torch.get_num_threads(), []
    torch.set_num_threads(1)
    try:
        for value in values:
            begun = time.process_time()
            widget.value = value
            spent.append(time.process_time() - begun)
    finally:
        torch.set_num_threads(threads)
    return statistics.median(spent)
