"""A training you can watch: curves and samples in one picture that is redrawn while the model learns."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from torch import Tensor

from course_lib.show.figures import bundle, figure, png, sharpness, to_pixels
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


STAYS = 1.5  # pixels for each of the page, in the picture that stays there: a notebook with four of them must not swell
SHARES = ("accuracy",)  # what is no loss but a share, from 0 to 1, and has an axis of its own


class TrainingView:
    """Pass it to `fit(view=...)`. Draws before the first step and then every `every` seconds, in place.

    Without a notebook it is a plain bar.

    `samples(model) -> images [N, C, H, W]` draws what the model makes, or looks at, beside the curves.
    """

    def __init__(self, samples: Callable[[Any], Tensor] | None = None, every: float = 3.0, what: str = "The training"):
        self.samples, self.every, self.what = samples, every, what
        self.updates = 0

    def start(self, model: Any, run: Any, steps: int | None, seconds: float | None) -> None:
        self.limit = f"{steps} steps" if steps is not None else f"{seconds:g} s"
        self.most = (steps, seconds)
        self.handle, self.bar = None, None
        if in_notebook():
            self.show(model, run, "begun")
        else:
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

        sharp = 1 if state == "running" else sharpness(STAYS)
        content = bundle(png(self.picture(model, run, state), sharp), self.words(run, state), sharp)
        if self.handle is None:
            self.handle = display(content, raw=True, display_id=True)
        else:
            self.handle.update(content, raw=True)
        self.drawn = time.monotonic()
        self.updates += 1

    def words(self, run: Any, state: str) -> str:
        now = ", ".join(f"{name} {value:.3f}" for name, value in recent(run.losses).items())
        return f"{self.what}, {state} after {run.steps} steps: {now or 'no steps yet'}."

    def done(self, run: Any) -> float:
        """How much of the training is behind, in [0, 1]."""
        steps, seconds = self.most
        return min(1.0, run.steps / steps if steps else run.seconds / seconds)

    def picture(self, model: Any, run: Any, state: str) -> Figure:
        """The curves, shares below the losses, and beside them what `samples` draws; a bar over all says how far."""
        losses = {name: values for name, values in run.losses.items() if name not in SHARES}
        shares = {name: values for name, values in run.losses.items() if name in SHARES}
        rows = ["bar", "losses", *(["shares"] if shares else [])]
        mosaic = [[row, row if row == "bar" else "samples"] if self.samples else [row] for row in rows]
        heights = [0.05, *[1.0] * (len(rows) - 1)]
        size = (8.4, 3.7) if self.samples else (6, 3.4)
        fig, axes = plt.subplot_mosaic(mosaic, figsize=size, height_ratios=heights)
        axes["bar"].barh(0, self.done(run), color="C1")
        axes["bar"].set(xlim=(0, 1), xticks=[], yticks=[], facecolor="0.9")
        axes["bar"].spines[:].set_visible(False)
        words = f"{state}: step {run.steps}, {run.seconds:.0f} s of {self.limit}"
        axes["bar"].set_title(words, fontsize=10, loc="left")
        draw_curves(axes["losses"], losses)
        if shares:
            draw_curves(axes["shares"], shares)
            axes["shares"].set(ylim=(0, 1.02))
            axes["losses"].set(xlabel="")
        if self.samples:
            axes["samples"].imshow(tile(to_pixels(self.samples(model))))
            axes["samples"].set_axis_off()
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
