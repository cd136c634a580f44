"""The pooling explorer of chapter 3: what survives a pooling, what a shift changes, and where the gradient goes."""

from __future__ import annotations

import ipywidgets
import torch
from PIL import Image
from torch import Tensor

from course_lib.cnn.pooling import avg_pool2d, avg_pool2d_backward, max_pool2d, max_pool2d_backward
from course_lib.errors import CourseError
from course_lib.show import paint
from course_lib.show.panel import Panel, choice, player, steps


def pooling_explorer(pixels: Tensor) -> Panel:
    """Panel over a small grey image [H, W] with values in [0, 1], at most 14 by 14."""
    if pixels.ndim != 2 or max(pixels.shape) > 14 or min(pixels.shape) < 4:
        raise CourseError(f"pixels: got shape {list(pixels.shape)}, expected [H, W] between 4 and 14 on a side")
    controls = {
        "kind": choice("pooling", ["max", "average"]),
        "kernel": steps("window", 2, 2, 4),
        "stride": steps("stride", 2, 1, 4),
        "shift": steps("shift right", 0, 0, 3),
        "step": steps("position", 0, 0, (pixels.shape[0] // 2) * (pixels.shape[1] // 2) - 1),
    }

    def draw(kind: str, kernel: int, stride: int, shift: int, step: int) -> tuple[Image.Image, str]:
        moved = torch.zeros_like(pixels, dtype=torch.float64)
        moved[:, shift:] = pixels[:, : pixels.shape[1] - shift].double()
        if kind == "max":
            pooled, indices = max_pool2d(moved[None, None], kernel, stride)
        else:
            pooled = avg_pool2d(moved[None, None], kernel, stride)
        pooled = pooled[0, 0]
        rows, columns = pooled.shape
        controls["step"].max = rows * columns - 1
        step = min(step, rows * columns - 1)
        row, column = divmod(step, columns)
        one = torch.zeros(1, 1, rows, columns, dtype=torch.float64)
        one[0, 0, row, column] = 1.0  # ask for the gradient of this one output
        if kind == "max":
            gradient = max_pool2d_backward(one, indices, moved.shape)[0, 0]
        else:
            gradient = avg_pool2d_backward(one, moved.shape, kernel, stride)[0, 0]
        value = float(pooled[row, column])
        picture = paint.beside(
            paint.number_grid(moved, boxes=[(row * stride, column * stride, kernel, kernel)], title="input"),
            paint.number_grid(pooled, boxes=[(row, column, 1, 1)], title=f"{kind} of each window"),
            paint.number_grid(gradient, decimals=2, title="gradient of that one output"),
        )
        words = (
            f"{kind} pooling with a {kernel}x{kernel} window and stride {stride}, input shifted by {shift}: "
            f"output row {row}, column {column} is {value:.2f}; "
            f"its gradient reaches {int((gradient != 0).sum())} of {kernel * kernel} inputs."
        )
        return picture, words

    top = ipywidgets.HBox([controls["step"], player(controls["step"])])
    left = ipywidgets.VBox([controls["kind"], controls["kernel"], controls["stride"]])
    return Panel(controls, draw, [ipywidgets.HBox([left, ipywidgets.VBox([top, controls["shift"]])])])
