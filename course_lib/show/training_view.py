"""A training you can watch: curves and samples in one picture that is redrawn while the model learns."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor

from course_lib.show.figures import bundle, figure, png, to_pixels
from course_lib.training.progress import Bar, recent


def smooth(values: Sequence[float], window: int) -> np.ndarray:
    """Running mean over `window` steps; the first ones average what there is."""
    total = np.cumsum(np.insert(np.asarray(values, dtype=float), 0, 0.0))
    last = np.arange(1, len(values) + 1)
    first = np.maximum(last - window, 0)
    return (total[last] - total[first]) / (last - first)


def draw_curves(axis: Any, losses: dict[str, list[float]]) -> None:
    for name, values in losses.items():
        window = max(len(values) // 50, 1)
        axis.plot(smooth(values, window), label=name, lw=1.8)
    axis.set_xlabel("step")
    if losses:
        axis.legend(frameon=False)


def curves(losses: dict[str, list[float]], alt: str, title: str = "") -> None:
    """Show one smoothed curve per loss."""
    fig, axis = plt.subplots(figsize=(6, 3))
    draw_curves(axis, losses)
    axis.set_title(title)
    figure(fig, alt)


class TrainingView:
    """Pass it to `fit(view=...)`. Redraws every `every` seconds, in place; without a notebook it is a plain bar.

    `samples(model) -> images [N, C, H, W]` draws what the model makes, or looks at, beside the curves.
    """

    def __init__(self, samples: Callable[[Any], Tensor] | None = None, every: float = 3.0, what: str = "The training"):
        self.samples, self.every, self.what = samples, every, what
        self.updates = 0

    def start(self, model: Any, run: Any, steps: int | None, seconds: float | None) -> None:
        self.limit = f"{steps} steps" if steps is not None else f"{seconds:g} s"
        self.handle, self.bar, self.drawn = None, None, time.monotonic()
        if not in_notebook():
            self.bar = Bar()
            self.bar.start(model, run, steps, seconds)

    def update(self, model: Any, run: Any) -> None:
        if self.bar:
            self.bar.update(model, run)
        elif time.monotonic() - self.drawn > self.every:
            self.show(model, run, "running")

    def finish(self, model: Any, run: Any) -> None:
        if self.bar:
            self.bar.finish(model, run)
        else:
            self.show(model, run, run.stopped)

    def show(self, model: Any, run: Any, state: str) -> None:
        from IPython.display import display

        content = bundle(png(self.picture(model, run, state)), self.words(run, state))
        if self.handle is None:
            self.handle = display(content, raw=True, display_id=True)
        else:
            self.handle.update(content, raw=True)
        self.drawn = time.monotonic()
        self.updates += 1

    def words(self, run: Any, state: str) -> str:
        now = ", ".join(f"{name} {value:.3f}" for name, value in recent(run.losses).items())
        return f"{self.what}, {state} after {run.steps} steps: {now or 'no steps yet'}."

    def picture(self, model: Any, run: Any, state: str) -> Figure:
        drawn = to_pixels(self.samples(model)) if self.samples else None
        fig, axes = plt.subplots(1, 2 if self.samples else 1, figsize=(9 if self.samples else 6, 3), squeeze=False)
        draw_curves(axes[0, 0], run.losses)
        axes[0, 0].set_title(f"{state}: step {run.steps}, {run.seconds:.0f} s of {self.limit}", fontsize=10, loc="left")
        if drawn is not None:
            axes[0, 1].imshow(tile(drawn))
            axes[0, 1].set_axis_off()
        return fig


def tile(pixels: np.ndarray, columns: int | None = None) -> np.ndarray:
    """uint8 [N, H, W, 3] -> one image, in rows of `columns` (default: about square)."""
    count, height, width, _ = pixels.shape
    columns = columns or int(np.ceil(np.sqrt(count)))
    rows = -(-count // columns)
    padded = np.zeros((rows * columns, height + 1, width + 1, 3), np.uint8)
    padded[:count, :height, :width] = pixels
    grid = padded.reshape(rows, columns, height + 1, width + 1, 3).swapaxes(1, 2)
    return grid.reshape(rows * (height + 1), columns * (width + 1), 3)[:-1, :-1]


def in_notebook() -> bool:
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    shell = get_ipython()
    return shell is not None and shell.has_trait("kernel")
