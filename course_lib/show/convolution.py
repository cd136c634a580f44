"""The convolution explorer of chapter 2: a kernel slides over real pixels, every product and the sum written out."""

from __future__ import annotations

import ipywidgets
import torch
from PIL import Image
from torch import Tensor

from course_lib.cnn.convolution import conv2d, output_size
from course_lib.errors import CourseError
from course_lib.show import paint
from course_lib.show.panel import Panel, choice, player, steps

KERNELS = {
    "vertical edge": [[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]],
    "horizontal edge": [[-1, -2, -1], [0, 0, 0], [1, 2, 1]],
    "blur": [[1 / 9] * 3] * 3,
    "sharpen": [[0, -1, 0], [-1, 5, -1], [0, -1, 0]],
    "identity": [[0, 0, 0], [0, 1, 0], [0, 0, 0]],
}


def convolution_explorer(pixels: Tensor) -> Panel:
    """Panel over a small grey image [H, W] with values in [0, 1], at most 14 by 14, and a 3x3 kernel you can edit."""
    if pixels.ndim != 2 or max(pixels.shape) > 14 or min(pixels.shape) < 3:
        raise CourseError(f"pixels: got shape {list(pixels.shape)}, expected [H, W] between 3 and 14 on a side")
    height, width = pixels.shape
    cells = [
        ipywidgets.FloatText(value=v, step=0.1, layout={"width": "62px"})
        for row in KERNELS["vertical edge"]
        for v in row
    ]
    controls = {
        "preset": choice("kernel", list(KERNELS)),
        "stride": steps("stride", 1, 1, 3),
        "padding": steps("padding", 0, 0, 2),
        "step": steps("position", 0, 0, (height - 2) * (width - 2) - 1),
    } | {f"k{i}": cell for i, cell in enumerate(cells)}

    def draw(preset: str, stride: int, padding: int, step: int, **kernel: float) -> tuple[Image.Image, str]:
        weight = torch.tensor([kernel[f"k{i}"] for i in range(9)], dtype=torch.float64).reshape(3, 3)
        rows, columns = (output_size(n, 3, stride, padding) for n in (height, width))
        controls["step"].max = rows * columns - 1
        step = min(step, rows * columns - 1)
        row, column = divmod(step, columns)
        padded = torch.nn.functional.pad(pixels.double(), [padding] * 4)
        window = padded[row * stride : row * stride + 3, column * stride : column * stride + 3]
        result = conv2d(pixels.double()[None, None], weight[None, None], stride=stride, padding=padding)[0, 0]
        sum_ = float((window * weight).sum())
        largest = max(float(result.abs().max()), 1e-9)
        left = paint.number_grid(
            padded, cell=34, boxes=[(row * stride, column * stride, 3, 3)], title="input, with the kernel's window"
        )
        middle = paint.above(
            paint.number_grid(weight, cell=50, low=-2, high=2, decimals=2, title="kernel"),
            paint.number_grid(window * weight, cell=50, low=-2, high=2, decimals=2, title="window times kernel"),
            paint.text_line(f"sum of the nine: {sum_:.2f}", 17, paint.ORANGE),
        )
        done = (torch.arange(rows * columns) <= step).reshape(rows, columns)
        right = paint.number_grid(
            result, cell=34, low=-largest, high=largest, known=done, boxes=[(row, column, 1, 1)], title="output so far"
        )
        words = (
            f"A 3x3 kernel over a {height} by {width} image, stride {stride}, padding {padding}: at output row {row}, "
            f"column {column} the nine products add up to {sum_:.2f}. The output is {rows} by {columns}."
        )
        return paint.beside(left, middle, right), words

    grid = ipywidgets.GridBox(cells, layout={"grid_template_columns": "repeat(3, 66px)"})
    top = [ipywidgets.HBox([controls["step"], player(controls["step"])]), controls["stride"], controls["padding"]]
    panel = Panel(controls, draw, [ipywidgets.HBox([ipywidgets.VBox([*top, controls["preset"]]), grid])])

    def use_preset(change) -> None:
        values = [value for row in KERNELS[change["new"]] for value in row]
        panel.set(**{f"k{i}": float(value) for i, value in enumerate(values)})

    controls["preset"].observe(use_preset, "value")
    return panel
