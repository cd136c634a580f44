"""The plain view of a training: one bar with the losses. Chapters use `show.TrainingView`, which draws."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm


def recent(losses: dict[str, list[float]], window: int = 50) -> dict[str, float]:
    """The mean of each loss over its last `window` steps: a single step is mostly noise."""
    return {name: sum(values[-window:]) / len(values[-window:]) for name, values in losses.items() if values}


class Bar:
    """A progress bar on stderr; `silent` for all processes but the first."""

    def __init__(self, silent: bool = False):
        self.silent = silent

    def start(self, model: Any, run: Any, steps: int | None, seconds: float | None) -> None:
        self.by_steps = steps is not None
        total = steps if self.by_steps else round(seconds)
        self.bar = tqdm(total=total, unit="step" if self.by_steps else "s", disable=self.silent, file=sys.stderr)
        self.move(run)

    def move(self, run: Any) -> None:
        done = run.steps if self.by_steps else min(round(run.seconds), self.bar.total)
        self.bar.update(done - self.bar.n)

    def update(self, model: Any, run: Any) -> None:
        self.bar.set_postfix({name: f"{value:.3f}" for name, value in recent(run.losses).items()}, refresh=False)
        self.move(run)

    def finish(self, model: Any, run: Any) -> None:
        self.move(run)
        self.bar.close()
