"""A window that slides over a grid of numbers, drawn in the browser: what chapters 2 and 3 explore with."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import ipywidgets
import traitlets
from torch import Tensor

from course_lib.errors import CourseError
from course_lib.show.panel import Drawn, steps

LARGEST = 14  # pixels on a side: more would be too small to read


class Windows(Drawn):
    """The grid, the window on it, what becomes of the window, and the output, linked; `windows.js` draws them.

    spot  which output cell is shown, row by row; the pointer, the arrow keys and a slider move it
    """

    _esm = Path(__file__).with_name("windows.js")
    kind = traitlets.Unicode().tag(sync=True)
    grid = traitlets.List().tag(sync=True)
    output = traitlets.List().tag(sync=True)
    weights = traitlets.List().tag(sync=True)
    shares = traitlets.List().tag(sync=True)
    padding = traitlets.Int().tag(sync=True)
    size = traitlets.Int(3).tag(sync=True)
    stride = traitlets.Int(1).tag(sync=True)
    spot = traitlets.Int().tag(sync=True)

    def follow(self, position: ipywidgets.IntSlider) -> None:
        """Tie `spot` to a slider, in the browser."""
        ipywidgets.jslink((position, "value"), (self, "spot"))

    def show(
        self,
        grid: Tensor,
        output: Tensor,
        *,
        size: int,
        stride: int,
        kind: str,
        padding: int = 0,
        shares: Sequence[Sequence[float]] = (),
    ) -> None:
        """Give the browser its numbers, all at once.

        grid    [H, W], padding included
        output  [rows, columns]
        shares  for pooling: of each output's gradient, what each number of its window gets, [rows * columns][size ** 2]
        """
        with self.hold_sync():
            self.grid, self.output, self.shares = grid.tolist(), output.tolist(), [list(one) for one in shares]
            self.size, self.stride, self.kind, self.padding = size, stride, kind, padding


def small_image(pixels: Tensor, least: int) -> tuple[int, int]:
    """Height and width of an image [H, W] that fits the explorers; one clear line for any other."""
    if pixels.ndim != 2 or max(pixels.shape) > LARGEST or min(pixels.shape) < least:
        raise CourseError(
            f"pixels: got shape {list(pixels.shape)}, expected [H, W] between {least} and {LARGEST} on a side"
        )
    return pixels.shape[0], pixels.shape[1]


def positions(count: int) -> ipywidgets.IntSlider:
    """The slider over `count` positions of the window."""
    return steps("position", 0, 0, count - 1)
