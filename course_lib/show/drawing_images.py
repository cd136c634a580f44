"""The pictures of chapter 1, and its stroke editor: drag a digit's skeleton, move the habits, and the pixels follow."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import anywidget
import ipywidgets
import torch
import traitlets
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from course_lib.data import drawing_images as library
from course_lib.data.glyphs import skeleton
from course_lib.data.strokes import draw_strokes
from course_lib.errors import CourseError
from course_lib.show import paint
from course_lib.show.figures import grey
from course_lib.show.panel import Panel, choice, slider

PULLS, FOLLOWS = "0.6", "C0"  # the colours of control points and of the curve
QUARTER_TURN = [[0.0, 1.0, 0.0], [-1.0, 0.0, 0.0], [0.0, 0.0, 1.0]]

# ------------------------------------------------------------------------------------------------------------- pictures


def rounds(points: Tensor, values: Sequence[float]) -> Figure:
    """De Casteljau's rounds for control points [K, 2], one panel for each value of t."""
    fig, axes = plt.subplots(1, len(values), figsize=(7.4, 2.9), sharey=True)
    path = library.de_casteljau(points, torch.linspace(0, 1, 61))
    for axis, t in zip(axes, values, strict=True):
        axis.plot(*path.T, color="black", linewidth=3, zorder=1)
        axis.plot(*points.T, "s-", color=PULLS, label="control points")
        left = points
        for number in range(len(points) - 1):
            left = (1 - t) * left[:-1] + t * left[1:]
            last = number == len(points) - 2
            name = f"round {number + 1}" + (": on the curve" if last else "")
            axis.plot(*left.T, "o-", color=f"C{number}", markersize=11 if last else 6, label=name, zorder=3 + number)
        axis.set_title(f"t = {t}", fontsize=10)
        axis.set(xlabel="x", aspect="equal", xlim=(-0.45, 2.45), ylim=(-0.5, 2.5), xticks=(0, 1, 2), yticks=(0, 1, 2))
        for k, point in enumerate(points):
            up = 9 if point[1] > 1 else -15
            axis.annotate(f"P{'₀₁₂₃'[k]}", point.tolist(), (0, up), textcoords="offset points", ha="center")
    axes[0].set_ylabel("y")
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncol=len(points))
    return fig


def curves_of(stroke: Tensor, steps: int = 30) -> Tensor:
    """Corners along a stroke of cubics end to end, control points [3n + 1, 2]."""
    pieces = [stroke[start : start + 4] for start in range(0, len(stroke) - 1, 3)]
    return torch.cat([library.bezier(piece, torch.linspace(0, 1, steps)) for piece in pieces])


def on_paper(axis: Axes, title: str) -> None:
    """The frame of an image, y pointing down, without its axes."""
    axis.set(aspect="equal", xlim=(0.05, 0.95), ylim=(0.95, 0.05))
    axis.set_axis_off()
    axis.set_title(title, fontsize=9)


def sheared(stroke: Tensor, shear: Tensor) -> Figure:
    """A stroke [3n + 1, 2], and the curve of its sheared control points with dots of the sheared curve on it."""
    fig, axes = plt.subplots(1, 2, figsize=(5.8, 3))
    moved = (stroke - 0.5) @ shear.T + 0.5
    for axis, points, name in ((axes[0], stroke, "as designed"), (axes[1], moved, "control points sheared")):
        axis.plot(*points.T, "s--", color=PULLS, markersize=5)
        axis.plot(*curves_of(points).T, color=FOLLOWS, linewidth=4)
        on_paper(axis, name)
    axes[1].plot(*((curves_of(stroke, 8) - 0.5) @ shear.T + 0.5).T, "o", color="C1", markersize=5)
    return fig


def vase(net: Tensor, light: Tensor, steps: int = 20) -> Figure:
    """A net [4, 4, 3] of a quarter of a vase, its four turned copies, and the surface in steps x steps facets each."""
    fig, axes = plt.subplots(1, 2, figsize=(6, 3.1), subplot_kw={"projection": "3d"})
    edges = torch.linspace(0, 1, steps + 1, dtype=net.dtype)
    middles = (edges[1:] + edges[:-1]) / 2
    for number in range(4):
        axes[0].plot_wireframe(*net.movedim(-1, 0).numpy(), color=f"C{number}", linewidth=1.2)
        corners, _ = library.bezier_surface(net, edges, edges)
        _, facing = library.bezier_surface(net, middles, middles)
        greys = plt.cm.gray(library.shade(facing, light).numpy())
        axes[1].plot_surface(*corners.movedim(-1, 0).numpy(), facecolors=greys, rcount=99, ccount=99, shade=False)
        net = net @ torch.tensor(QUARTER_TURN, dtype=net.dtype)
    for axis, title, width in ((axes[0], "4 nets of 16 control points", 1.25), (axes[1], "the surface, lit", 0.9)):
        axis.set_title(title, fontsize=10)
        axis.set(xlim=(-width, width), ylim=(-width, width), zlim=(1.1 - 1.22 * width, 1.1 + 1.22 * width))
        axis.set_box_aspect((1, 1, 1.22), zoom=1.25)
        axis.set_axis_off()
        axis.view_init(20, -60)
    return fig


def bells(row: Tensor, column: Tensor, ridge: Tensor) -> Figure:
    """A bell in x, a bell in y, their product in the plane, and a sum of many such products."""
    fig, axes = plt.subplots(1, 4, figsize=(7.6, 2.3))
    names = ("a bell in x ...", "... times a bell in y ...", "... is a round bell", "the sum of 72")
    shown = (row.expand(len(column), -1), column[:, None].expand(-1, len(row)), column[:, None] * row, ridge)
    for axis, values, name in zip(axes, shown, names, strict=True):
        grey(axis, values / values.max(), name)
    return fig


def skeletons(drawings: Sequence[tuple[str, list[Tensor]]], columns: int = 5) -> Figure:
    """Titles and strokes of digits: curves in a colour a stroke, squares where the pen passes, dots that only pull."""
    count = -(-len(drawings) // columns)
    fig, axes = plt.subplots(count, columns, figsize=(1.4 * columns, 1.6 * count), squeeze=False)
    for axis, (title, strokes) in zip(axes.flat, drawings, strict=True):
        for number, stroke in enumerate(strokes):
            axis.plot(*curves_of(stroke).T, color=f"C{number}", linewidth=2.5)
            for start in range(0, len(stroke) - 1, 3):
                axis.plot(*stroke[start : start + 2].T, color=PULLS, linewidth=0.8)
                axis.plot(*stroke[start + 2 : start + 4].T, color=PULLS, linewidth=0.8)
            pulling = torch.arange(len(stroke)) % 3 > 0
            axis.plot(*stroke[pulling].T, "o", color="0.5", markersize=3)
            axis.plot(*stroke[~pulling].T, "s", color="black", markersize=4)
        on_paper(axis, title)
    return fig


def stages(lines: Sequence[tuple[str, Tensor]], pen: Tensor, ink: Tensor) -> Figure:
    """The same digit as a polyline [K, 2] after each step, before it in grey, and the ink [H, W] at the end.

    Each polyline is centred and as large as the others are; pen [K - 1] is 0 where it is lifted.
    """
    fig, axes = plt.subplots(1, len(lines) + 1, figsize=(1.55 * (len(lines) + 1), 1.85))
    before = None
    for axis, (title, points) in zip(axes, lines, strict=False):
        for corners, colour, width in ((before, "0.75", 2), (points, FOLLOWS, 3)):
            if corners is not None:
                shown = torch.where((pen > 0)[:, None], corners[1:], torch.nan)
                axis.plot(*torch.cat([corners[:1], shown]).T, color=colour, linewidth=width)
        axis.set_title(title, fontsize=9)
        axis.set(aspect="equal", xlim=(-0.6, 0.6), ylim=(0.6, -0.6), xticks=[], yticks=[])
        axis.spines[:].set_visible(True)
        before = points
    grey(axes[-1], ink, "ink")
    return fig


def generator(chance: Tensor, factors: Sequence[str], images: Tensor) -> Figure:
    """Random numbers [N, K], what they were turned into, in words, and the images [N, 1, H, W]: a row each."""
    fig, axes = plt.subplots(len(images), 3, figsize=(7, 1.6 * len(images)), width_ratios=(1.6, 1.3, 1))
    heads = ("random numbers", "factors", "image")
    for row, (numbers, words, image) in enumerate(zip(chance, factors, images, strict=True)):
        left, middle, right = axes[row]
        left.bar(range(len(numbers)), numbers.tolist(), color="0.45")
        left.axhline(0, color="0.45", linewidth=0.8)
        left.set(ylim=(-3, 3), xticks=[], yticks=[])
        middle.text(0.5, 0.5, words, ha="center", va="center", fontsize=10, linespacing=1.5)
        middle.set(xticks=[], yticks=[])
        grey(right, (image + 1) / 2, "")
        for here, there in ((left, middle), (middle, right)):
            here.spines[:].set(visible=True, color="0.6")
            ends = {"xy": (0, 0.5), "xycoords": there.transAxes, "xytext": (1, 0.5), "textcoords": here.transAxes}
            look = {"arrowstyle": "-|>", "color": "0.3", "shrinkA": 3, "shrinkB": 3}
            here.annotate("", **ends, arrowprops=look, annotation_clip=False).set_in_layout(False)
    for axis, head in zip(axes[0], heads, strict=True):
        axis.set_title(head, fontsize=10, weight="bold")
    fig.get_layout_engine().set(wspace=0.12)
    return fig


# --------------------------------------------------------------------------------------------------- the stroke editor


class Skeleton(anywidget.AnyWidget):
    """Control points to drag: `strokes` is a list of strokes of [x, y] in [0, 1], `value` the same for `Panel`."""

    _esm = Path(__file__).with_name("skeleton.js")
    strokes = traitlets.List().tag(sync=True)
    value = traitlets.List()

    @traitlets.observe("strokes")
    def _follow(self, change) -> None:
        self.value = change["new"]


def lean(points: torch.Tensor, slant: float, width: float, rotation: float) -> torch.Tensor:
    """Control points [K, 2] stretched, sheared (positive leans right), turned (degrees, clockwise) about the centre."""
    angle = torch.deg2rad(torch.tensor(rotation))
    turn = torch.stack([torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])])
    shear = torch.tensor([[width, -slant], [0.0, 1.0]])
    return (points - 0.5) @ (turn @ shear).T + 0.5


def stroke_editor(digit: int = 2, allograph: int = 0) -> Panel:
    """Panel with a draggable skeleton, sliders for the hand, and the digit at 28 and at 112 pixels."""
    if digit not in range(10):
        raise CourseError(f"digit: got {digit!r}, expected 0 to 9")

    def points_of(number: int, way: int) -> list[list[list[float]]]:
        return [[[round(x, 4), round(y, 4)] for x, y in stroke.tolist()] for stroke in skeleton(number, way)]

    board = Skeleton(strokes=points_of(digit, allograph))
    numbers = choice("digit", list(range(10)), digit)
    controls = {
        "points": board,
        "slant": slider("slant", 0.0, -0.6, 0.6, 0.05),
        "width": slider("width", 1.0, 0.5, 1.4, 0.05),
        "rotation": slider("rotation", 0.0, -30.0, 30.0, 1.0),
        "thickness": slider("thickness", 2.8, 1.0, 6.0, 0.1),
    }

    def draw(points: list, slant: float, width: float, rotation: float, thickness: float) -> tuple[Image.Image, str]:
        strokes = [lean(torch.tensor(stroke, dtype=torch.float32), slant, width, rotation) for stroke in points]
        pictures = [2 * draw_strokes(strokes, size=size, thickness=thickness)[None] - 1 for size in (28, 112)]
        words = (
            f"The digit {numbers.value} drawn from {sum(map(len, points))} control points, at 28 and at 112 pixels: "
            f"slant {slant:.2f}, width {width:.2f}, rotation {rotation:.0f} degrees, thickness {thickness:.1f}."
        )
        framed = [paint.above(paint.enlarged(p, 224), paint.text_line(f"{p.shape[-1]} pixels")) for p in pictures]
        return paint.beside(*framed), words

    sliders = [controls[name] for name in ("slant", "width", "rotation", "thickness")]
    panel = Panel(controls, draw, [ipywidgets.HBox([board, ipywidgets.VBox([numbers, *sliders])])])

    def another(change) -> None:
        board.strokes = points_of(change["new"], 0)

    numbers.observe(another, "value")
    panel.digit = numbers
    return panel
