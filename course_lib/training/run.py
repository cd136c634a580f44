"""What comes out of a training."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from course_lib.training.model import Trainable


@dataclass
class Run:
    """What came out of a training.

    model       the one to use: the moving average where there is one, in eval mode
    losses      name -> one number per step
    steps       steps taken in all, resumed ones included
    seconds     time spent in all, resumed ones included
    stopped     "finished", "interrupted" (Ctrl-C) or "diverged" (a loss or a weight became NaN or infinite)
    checkpoint  the file that holds all this; None without a folder, after divergence, or where it could not be written
    """

    model: Trainable
    losses: dict[str, list[float]] = field(default_factory=dict)
    steps: int = 0
    seconds: float = 0.0
    stopped: str = "finished"
    checkpoint: Path | None = None
