"""Chapter 2's pictures, and its explorer: a kernel slides over real pixels, every product and the sum written out."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import ipywidgets
import torch
import traitlets
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from PIL import Image
from torch import Tensor

from course_lib.cnn.convolution import conv2d, output_size
from course_lib.errors import CourseError
from course_lib.show import paint
from course_lib.show.figures import number_panels, numbers
from course_lib.show.panel import Held, Panel, Picture, choice, player, steps
from course_lib.show.windows import Windows, positions, small_image

Boxes = Sequence[tuple[int, int, int, int]]  # (row, column, height, width) of what is framed, each in the next colour

# ---------------------------------------------------------------------------------------------------------------------
# Pictures
# ---------------------------------------------------------------------------------------------------------------------


def number_grids(
    panels: Sequence[tuple[str, Tensor] | tuple[str, Tensor, Boxes]], cell: float = 0.5, signed: Sequence[int] = ()
) -> Figure:
    """Matrices side by side with all cells of one size, `cell` inches; a panel is a title, a matrix, perhaps boxes.

    signed  the panels that are red and blue even where nothing is negative
    """
    shapes = [tuple(panel[1].shape) for panel in panels]
    if not shapes or any(len(shape) != 2 for shape in shapes):
        raise CourseError(f"panels: got shapes {[list(shape) for shape in shapes]}, expected matrices [H, W]")
    widths = [shape[1] for shape in shapes]
    size = (cell * sum(widths) + 0.3 * len(panels), cell * max(shape[0] for shape in shapes) + 0.4)
    return number_panels([(title, matrix.detach(), *boxes) for title, matrix, *boxes in panels], size, signed=signed)


def kernel_positions(cases: Sequence[tuple[int, int, int, int]]) -> Figure:
    """For each (n, kernel, stride, padding): a row of pixels, padding in grey, and a bar for each kernel position."""
    if len(cases) % 2:
        raise CourseError(f"cases: got {len(cases)}, expected an even number, two a row")
    fig, axes = plt.subplots(len(cases) // 2, 2, figsize=(8.6, 0.95 * len(cases)))
    for axis, (n, kernel, stride, padding) in zip(axes.flat, cases, strict=True):
        starts = range(0, n + 2 * padding - kernel + 1, stride)
        for pixel in range(n + 2 * padding):
            colour = "C0" if padding <= pixel < n + padding else "0.75"
            axis.add_patch(Rectangle((pixel, 0), 0.92, 0.92, color=colour))
        for place, start in enumerate(starts):
            height = -0.5 - 0.45 * place
            axis.plot([start + 0.1, start + kernel - 0.18], [height, height], lw=5, color="C1", solid_capstyle="butt")
        words = f"n = {n}, k = {kernel}, s = {stride}, p = {padding}: {len(starts)} positions"
        axis.set_title(words, fontsize=10)
        axis.set(xlim=(-0.1, 12.1), ylim=(-3.5, 1), aspect="equal")
        axis.axis("off")
    return fig


def channels_into_one_map(image: Tensor, kernel: Tensor, names: Sequence[str]) -> Figure:
    """Each channel of an image [C, H, W] in [-1, 1] under its own slice of a kernel [C, kh, kw]; the maps add up."""
    if image.ndim != 3 or kernel.ndim != 3 or not len(image) == len(kernel) == len(names):
        got = f"{list(image.shape)}, {list(kernel.shape)} and {len(names)} names"
        raise CourseError(f"image, kernel, names: got {got}, expected [C, H, W], [C, kh, kw] and C names")
    maps = conv2d(image[None], kernel[:, None], padding=kernel.shape[1] // 2, groups=len(image))[0]
    fig = plt.figure(figsize=(9, 1.95 * len(image)))
    grid = fig.add_gridspec(len(image), 4, width_ratios=[1, 1, 1, 1.9])
    heads = ["channel", "its slice of the kernel", "its own map"]
    for row, name in enumerate(names):
        axes = [fig.add_subplot(grid[row, column]) for column in range(3)]
        grey_around_zero(axes[0], image[row])
        numbers(axes[1], kernel[row], high=float(kernel.abs().max()), signed=True)
        grey_around_zero(axes[2], maps[row])
        axes[0].set_ylabel(name, fontsize=10)
        axes[2].set_ylabel("=", rotation=0, fontsize=18, ha="right", va="center")
        if row < len(names) - 1:
            axes[2].set_xlabel("+", fontsize=18)
        if row == 0:
            for axis, head in zip(axes, heads, strict=True):
                axis.set_title(head, fontsize=10)
    sum_axis = fig.add_subplot(grid[:, 3])
    grey_around_zero(sum_axis, maps.sum(0))
    sum_axis.set_title("the sum of the maps: one output channel", fontsize=10)
    sum_axis.set_ylabel("=", rotation=0, fontsize=18, ha="right", va="center")
    return fig


def stacks_into_maps(image: Tensor, weight: Tensor, names: Sequence[str], channels: Sequence[str]) -> Figure:
    """The O kernels of a weight [O, C, kh, kw], one a row with its C slices, and the O maps they make of an image."""
    if image.ndim != 3 or weight.ndim != 4 or len(names) != len(weight) or len(channels) != len(image):
        got = f"{list(image.shape)}, {list(weight.shape)}, {len(names)} and {len(channels)} names"
        raise CourseError(f"image, weight, names: got {got}, expected [C, H, W], [O, C, kh, kw], O and C names")
    maps = conv2d(image[None], weight, padding=weight.shape[2] // 2)[0]
    high = float(weight.abs().max())
    fig, axes = plt.subplots(len(weight), len(image) + 1, figsize=(2 * len(image) + 2, 1.85 * len(weight)))
    for row, kernel, name, one_map in zip(axes, weight, names, maps, strict=True):
        for axis, matrix in zip(row, kernel, strict=False):
            numbers(axis, (100 * matrix).round() / 100, high=high, signed=True)
        grey_around_zero(row[-1], one_map)
        row[0].set_ylabel(name, fontsize=10)
    for axis, head in zip(axes[0], [*(f"slice for {name}" for name in channels), "output map"], strict=True):
        axis.set_title(head, fontsize=10)
    return fig


def stamps_overlapping(counts: dict[str, Tensor], images: Sequence[Tensor]) -> Figure:
    """Upper row: what each kernel makes of a picture of ones; below, an image [H, W] in [0, 1] that it enlarged."""
    if len(counts) != len(images):
        raise CourseError(f"images: got {len(images)}, expected {len(counts)}, one for each kernel")
    fig, axes = plt.subplots(2, len(counts), figsize=(3.2 * len(counts), 6.5))
    for (title, matrix), image, upper, lower in zip(counts.items(), images, *axes, strict=True):
        numbers(upper, matrix, title, high=16)
        lower.imshow(image.numpy(), vmin=0)
        lower.set(xticks=[], yticks=[])
        lower.set_title(f"a digit, enlarged twice: {image.shape[0]}x{image.shape[1]}", fontsize=10)
        lower.spines[:].set_visible(False)
    return fig


def grey_around_zero(axis: Axes, image: Tensor) -> None:
    """A map [H, W] whose 0 is middle grey, -1 black and 1 white."""
    axis.imshow(image.numpy(), vmin=-1, vmax=1)
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set_visible(False)


# ---------------------------------------------------------------------------------------------------------------------
# The explorer
# ---------------------------------------------------------------------------------------------------------------------

KERNELS = {  # row by row
    "vertical edge": [-1, 0, 1, -2, 0, 2, -1, 0, 1],
    "horizontal edge": [-1, -2, -1, 0, 0, 0, 1, 2, 1],
    "blur": [1 / 9] * 9,
    "sharpen": [0, -1, 0, -1, 5, -1, 0, -1, 0],
    "identity": [0, 0, 0, 0, 1, 0, 0, 0, 0],
}
CUSTOM = "custom"  # what the list says of any other


def convolution_explorer(pixels: Tensor) -> Panel:
    """Panel over a small grey image [H, W] with values in [0, 1], at most 14 by 14, and a 3x3 kernel you can edit."""
    height, width = small_image(pixels, 3)
    position, view = positions((height - 2) * (width - 2)), Windows()
    weights = Held(value=KERNELS["vertical edge"])
    traitlets.link((weights, "value"), (view, "weights"))
    view.follow(position)
    controls = {
        "preset": choice("kernel", [*KERNELS, CUSTOM]),
        "stride": steps("stride", 1, 1, 3),
        "padding": steps("padding", 0, 0, 2),
        "step": position,
        "weights": weights,
    }

    @lru_cache(1)  # while only the window moves, nothing is computed or sent again
    def shown(stride: int, padding: int, *weights: float) -> tuple[Tensor, Tensor, Tensor]:
        """The kernel, the padded input and the output, given to the browser."""
        weight = torch.tensor(weights, dtype=torch.float64).reshape(3, 3)
        padded = torch.nn.functional.pad(pixels.double(), [padding] * 4)
        result = conv2d(pixels.double()[None, None], weight[None, None], stride=stride, padding=padding)[0, 0]
        view.show(padded, result, size=3, stride=stride, kind="sum", padding=padding)
        return weight, padded, result

    def draw(preset: str, stride: int, padding: int, step: int, weights: list[float]) -> tuple[Picture, str]:
        rows, columns = (output_size(n, 3, stride, padding) for n in (height, width))
        position.max = rows * columns - 1
        step = min(step, position.max)
        row, column = divmod(step, columns)
        weight, padded, result = shown(stride, padding, *weights)
        window = padded[row * stride : row * stride + 3, column * stride : column * stride + 3]
        sum_ = float((window * weight).sum())

        def still() -> Image.Image:
            largest = max(float(result.abs().max()), 1e-9)
            left = paint.number_grid(
                padded, cell=34, boxes=[(row * stride, column * stride, 3, 3)], title="input, with the kernel's window"
            )
            middle = paint.above(
                paint.number_grid(weight, cell=50, low=-2, high=2, decimals=2, title="kernel"),
                paint.number_grid(window * weight, cell=50, low=-2, high=2, decimals=2, title="window times kernel"),
                paint.text_line(f"sum of the nine: {sum_:.2f}", 17, paint.ORANGE),
            )
            right = paint.number_grid(
                result, cell=34, low=-largest, high=largest, boxes=[(row, column, 1, 1)], title="output"
            )
            return paint.beside(left, middle, right)

        words = (
            f"A 3x3 kernel over a {height} by {width} image, stride {stride}, padding {padding}: at output row {row}, "
            f"column {column} the nine products add up to {sum_:.2f}. The output is {rows} by {columns}."
        )
        return still, words

    player_row = ipywidgets.HBox([position, player(position)])
    panel = Panel(
        controls,
        draw,
        [
            ipywidgets.HBox([controls["preset"], player_row]),
            ipywidgets.HBox([controls["stride"], controls["padding"]]),
        ],
        view,
    )

    def use_preset(change) -> None:
        if change["new"] != CUSTOM:
            weights.value = KERNELS[change["new"]]

    def name_it(change) -> None:
        controls["preset"].value = next((name for name, nine in KERNELS.items() if nine == change["new"]), CUSTOM)

    controls["preset"].observe(use_preset, "value")
    weights.observe(name_it, "value")
    return panel
