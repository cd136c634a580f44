"""Figures of chapter 3, and its explorer: what survives a pooling, what a shift changes, where the gradient goes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import lru_cache

import ipywidgets
import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from course_lib.cnn.pooling import avg_pool2d, avg_pool2d_backward, max_pool2d, max_pool2d_backward
from course_lib.show import paint
from course_lib.show.figures import grey, number_panels
from course_lib.show.panel import Panel, Picture, choice, player, steps
from course_lib.show.windows import Windows, positions, small_image

Box = tuple[int, int, int, int]  # row, column, height, width
DASHES = {"no pooling": "k-", "max 2x2": "C0--", "average 2x2": "C1--", "max 4x4": "C0-", "average 4x4": "C1-"}


def number_row(
    *parts: tuple[str, Tensor | Sequence[Sequence[float]], Sequence[Box]], high: float | None = None, width: float = 8.0
) -> Figure:
    """Matrices side by side, each (title, values, boxes), with cells of one size and one scale of greys."""
    columns = [len(values[0]) for _, values, _ in parts]
    rows = max(len(values) for _, values, _ in parts)
    return number_panels(parts, (width, width * rows / sum(columns) + 0.3), high)


def size_of(image: Tensor) -> str:
    return f"{image.shape[-2]} x {image.shape[-1]}"


def grey_rows(
    rows: dict[str, Sequence[Tensor]], title: Callable[[Tensor], str] = size_of, width: float = 8.0
) -> Figure:
    """Grey images in [0, 1], square and all drawn at one size: rows of them with their names, and a title over each."""
    columns = max(len(images) for images in rows.values())
    height = ((width - 0.8) / columns + 0.2) * len(rows)
    fig, axes = plt.subplots(len(rows), columns, figsize=(width, height), squeeze=False)
    for line, (name, images) in zip(axes, rows.items(), strict=True):
        for axis, image in zip(line, images, strict=True):
            grey(axis, image, title(image))
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
    return fig


def change_curves(axis: Axes, measured: dict[str, Sequence[float]], title: str = "") -> None:
    """Change against the pixels moved, a curve for each kind of pooling."""
    for name, values in measured.items():
        axis.plot(range(len(values)), values, DASHES.get(name, "C2-"), marker="o", label=name)
    axis.axhline(1, color="gray", lw=1, ls=":")
    axis.set(xlabel="pixels moved to the right", xticks=range(len(values)), ylim=(-0.05, 1.15), title=title)


def pooling_explorer(pixels: Tensor) -> Panel:
    """Panel over a small grey image [H, W] with values in [0, 1], at most 14 by 14."""
    height, width = small_image(pixels, 4)
    position, view = positions((height // 2) * (width // 2)), Windows()
    view.follow(position)
    controls = {
        "kind": choice("pooling", ["max", "average"]),
        "kernel": steps("window", 2, 2, 4),
        "stride": steps("stride", 2, 1, 4),
        "shift": steps("shift right", 0, 0, 3),
        "step": position,
    }

    @lru_cache(1)  # while only the window moves, nothing is computed or sent again
    def shown(kind: str, kernel: int, stride: int, shift: int) -> tuple[Tensor, Tensor, Tensor]:
        """The shifted input, the pooled image and the gradient of each of its numbers, given to the browser."""
        moved = torch.zeros_like(pixels, dtype=torch.float64)
        moved[:, shift:] = pixels[:, : width - shift].double()
        pooled, gradients = pooled_with_gradients(moved, kind, kernel, stride)
        columns = pooled.shape[1]
        corners = [divmod(i, columns) for i in range(pooled.numel())]
        shares = [
            gradient[r * stride : r * stride + kernel, c * stride : c * stride + kernel].flatten().tolist()
            for gradient, (r, c) in zip(gradients, corners, strict=True)
        ]
        view.show(moved, pooled, size=kernel, stride=stride, kind=kind, shares=shares)
        return moved, pooled, gradients

    def draw(kind: str, kernel: int, stride: int, shift: int, step: int) -> tuple[Picture, str]:
        moved, pooled, gradients = shown(kind, kernel, stride, shift)
        rows, columns = pooled.shape
        position.max = rows * columns - 1
        step = min(step, position.max)
        row, column = divmod(step, columns)
        window = (row * stride, column * stride, kernel, kernel)
        inside = torch.zeros_like(moved, dtype=torch.bool)  # elsewhere the gradient is 0, which needs no number
        inside[row * stride : row * stride + kernel, column * stride : column * stride + kernel] = True
        value, gradient = float(pooled[row, column]), gradients[step]

        def still() -> Image.Image:
            return paint.beside(
                paint.number_grid(moved, boxes=[window], title="input"),
                paint.number_grid(pooled, boxes=[(row, column, 1, 1)], title=f"{kind} of each window"),
                paint.number_grid(
                    gradient, decimals=2, known=inside, boxes=[window], title="gradient of that one output"
                ),
            )

        words = (
            f"{kind} pooling with a {kernel}x{kernel} window and stride {stride}, input shifted by {shift}: "
            f"output row {row}, column {column} is {value:.2f}; "
            f"its gradient reaches {int((gradient != 0).sum())} of {kernel * kernel} inputs."
        )
        return still, words

    top = ipywidgets.HBox([position, player(position)])
    left = ipywidgets.VBox([controls["kind"], controls["kernel"], controls["stride"]])
    return Panel(controls, draw, [ipywidgets.HBox([left, ipywidgets.VBox([top, controls["shift"]])])], view)


def pooled_with_gradients(pixels: Tensor, kind: str, kernel: int, stride: int) -> tuple[Tensor, Tensor]:
    """The pooled image [rows, columns], and for each of its numbers in turn the gradient [rows * columns, H, W]."""
    if kind == "max":
        pooled, indices = max_pool2d(pixels[None, None], kernel, stride)
    else:
        pooled = avg_pool2d(pixels[None, None], kernel, stride)
    rows, columns = pooled.shape[-2:]
    count = rows * columns
    each = torch.eye(count, dtype=pixels.dtype).reshape(count, 1, rows, columns)  # ask for one output at a time
    if kind == "max":
        gradients = max_pool2d_backward(each, indices.expand(count, -1, -1, -1), pixels.shape)
    else:
        gradients = avg_pool2d_backward(each, pixels.shape, kernel, stride)
    return pooled[0, 0], gradients[:, 0]
