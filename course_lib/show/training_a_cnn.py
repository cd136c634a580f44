"""Chapter 4's reader, where you draw a digit and the CNN you trained says what it sees; and the chapter's figures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import anywidget
import ipywidgets
import numpy as np
import torch
import traitlets
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from PIL import Image
from torch import Tensor

from course_lib.cnn.training_a_cnn import Classifier
from course_lib.data import glyphs, hand
from course_lib.data.drawing_images import bezier, render
from course_lib.show import paint
from course_lib.show.figures import figure, legible, number_panels
from course_lib.show.panel import Panel, slider
from course_lib.show.training_view import smooth

PIECES = 160  # straight pieces a drawing is cut into


class Pad(anywidget.AnyWidget):
    """A square to draw on: `strokes` is a list of strokes of [x, y] in [0, 1], `value` the same for `Panel`."""

    _esm = Path(__file__).with_name("pad.js")
    strokes = traitlets.List().tag(sync=True)
    width = traitlets.Float(0.07).tag(sync=True)
    value = traitlets.List()

    @traitlets.observe("strokes")
    def _follow(self, change) -> None:
        self.value = change["new"]


def image_of(strokes: list[list[list[float]]], thickness: float = 2.8, size: int = 28) -> Tensor:
    """What the network is shown: the drawing framed like MNIST, float32 [1, 1, size, size] in [-1, 1].

    The hand's strokes, polylines of [x, y] with y pointing down, are cut into even pieces, scaled so that the ink
    fits the 20/28 box, centred by mass and inked by chapter 1's renderer.
    """
    strokes = [np.asarray(s if len(s) > 1 else s + [[s[0][0] + 0.02, s[0][1]]], dtype=float) for s in strokes if s]
    if not strokes:
        return torch.full((1, 1, size, size), -1.0)
    lengths = [np.linalg.norm(np.diff(s, axis=0), axis=1).cumsum() for s in strokes]
    total = sum(walked[-1] for walked in lengths)
    points, pen = [], []
    for stroke, walked in zip(strokes, lengths, strict=True):
        walked = np.insert(walked, 0, 0.0)
        at = np.linspace(0, walked[-1], max(2, round(PIECES * walked[-1] / max(total, 1e-9)) + 1))
        points.append(np.stack([np.interp(at, walked, stroke[:, axis]) for axis in (0, 1)], axis=1))
        pen += [1.0] * (len(at) - 1) + [0.0]
    points = torch.from_numpy(np.concatenate(points)).float()[None]
    pen, thickness = torch.tensor([pen[:-1]]), torch.tensor([thickness])
    ink = render(hand.frame(points, pen, thickness / 28), pen, thickness / 56, size, blur=torch.tensor([1.2]))
    return 2 * ink[:, None] - 1


def example(digit: int) -> list[list[list[float]]]:
    """A digit of the program's own as a drawing, for those without a mouse."""
    t = torch.linspace(0, 1, 12)
    return [
        torch.cat([bezier(stroke[i : i + 4], t) for i in range(0, len(stroke) - 1, 3)]).tolist()
        for stroke in glyphs.skeleton(digit)
    ]


def digit_reader(model: Classifier, names: tuple[str, ...] = tuple("0123456789")) -> Panel:
    """Panel with a drawing pad, the image the network sees, and one bar per class."""
    pad = Pad(strokes=example(3))
    controls = {"strokes": pad, "thickness": slider("pen width", 2.8, 1.5, 5.0, 0.1)}

    def read(strokes: list, thickness: float) -> tuple[Image.Image, str]:
        pad.width = thickness / 40
        image = image_of(strokes, thickness)
        if strokes:
            chances = model.read(image)[0].tolist()
            best = max(range(len(chances)), key=chances.__getitem__)
            words = f"The drawing is read as {names[best]} with probability {chances[best]:.0%}."
        else:  # a picture of the same height, so that the page stays where it is
            chances, words = [0.0] * len(names), "An empty drawing pad, waiting for a digit: draw on the black square."
        seen = paint.above(paint.text_line("what the network sees"), paint.enlarged(image[0], 196))
        reads = paint.text_line("what it reads" if strokes else "draw a digit on the black square")
        return paint.beside(seen, paint.above(reads, paint.bars(chances, names))), words

    buttons = []
    for digit in range(10):
        button = ipywidgets.Button(
            description=str(digit), layout={"width": "34px"}, tooltip=f"put a {digit} on the pad"
        )
        button.on_click(lambda _, digit=digit: setattr(pad, "strokes", example(digit)))
        buttons.append(button)
    side = ipywidgets.VBox(
        [
            controls["thickness"],
            ipywidgets.Label("or let the program write one:"),
            ipywidgets.HBox(buttons[:5]),
            ipywidgets.HBox(buttons[5:]),
        ]
    )
    return Panel(controls, read, [ipywidgets.HBox([pad, side])])


# ---------------------------------------------------------------------------------------------------------------------
# Figures: descent
# ---------------------------------------------------------------------------------------------------------------------

Surface = Callable[[Tensor, Tensor], Tensor]  # heights over two coordinates


def heights(surface: Surface, box: tuple[float, float], points: int = 81) -> tuple[Tensor, Tensor, Tensor]:
    """Coordinates a, b and heights, [points, points] each, over -box[0] .. box[0] and -box[1] .. box[1]."""
    rows, columns = torch.linspace(-box[1], box[1], points), torch.linspace(-box[0], box[0], points)
    b, a = torch.meshgrid(rows, columns, indexing="ij")
    return a, b, surface(a, b)


def from_above(axis: Axes, surface: Surface, path: Tensor, box: tuple[float, float]) -> None:
    """Lines of equal height, and a path [steps + 1, 2] whose dots are the steps; it may leave the picture."""
    a, b, z = heights(surface, box)
    axis.contour(a, b, z, levels=float(z.max()) * torch.linspace(0.02, 1, 12) ** 2, colors="0.7", linewidths=0.8)
    axis.plot(*path.T, "o-", color="C1", ms=4, lw=1.4, clip_on=True)
    axis.plot(*path[0], "o", color="C0", ms=8)
    axis.plot(0, 0, "k+", ms=11, mew=2)
    axis.set(xlim=(-box[0], box[0]), ylim=(-box[1], box[1]), xlabel="a", ylabel="b")


def landscape(surface: Surface, path: Tensor, box: tuple[float, float] = (2.2, 1.1)) -> None:
    """One descent twice: on the surface, and on its map."""
    fig = plt.figure(figsize=(9, 3.6))
    a, b, z = heights(surface, box)
    hill = fig.add_subplot(1, 2, 1, projection="3d")
    hill.plot_surface(a, b, z, color="0.96", edgecolor="0.75", lw=0.5, rcount=16, ccount=16, shade=False)
    hill.plot(path[:, 0], path[:, 1], surface(*path.T), "o-", color="C1", ms=4, zorder=10)
    hill.set(xlabel="a", ylabel="b", title="the loss as a surface")
    hill.view_init(elev=38, azim=-62)
    chart = fig.add_subplot(1, 2, 2)
    from_above(chart, surface, path, box)
    chart.set_title("the same walk on its map")
    figure(
        fig,
        "Left, a bowl that is steeper in one direction, with a walk of dots from its rim to its bottom; right, the "
        "same walk seen from above, on lines of equal height.",
    )


def descents(surface: Surface, paths: dict[str, Tensor], alt: str, box: tuple[float, float] = (2.2, 1.1)) -> None:
    """Several descents on one surface, each under its name."""
    fig, axes = plt.subplots(1, len(paths), figsize=(3.2 * len(paths), 2.9), sharey=True, squeeze=False)
    for axis, (name, path) in zip(axes[0], paths.items(), strict=True):
        from_above(axis, surface, path, box)
        axis.set_title(name, fontsize=10)
        axis.label_outer()
    figure(fig, alt)


# ---------------------------------------------------------------------------------------------------------------------
# Figures: the graph of three numbers
# ---------------------------------------------------------------------------------------------------------------------

NODES = (("\u00d7", 1.0), ("+", 2.4), ("ReLU", 3.8), ("\u00d7", 5.2), ("\u2212 t", 6.6), ("square", 8.0))
WIRES = "uahyeL"  # what leaves each node
LEAVES = {"w1": 1.0, "b": 2.4, "w2": 5.2}


def graph_of_three(values: dict[str, float], slopes: dict[str, float]) -> None:
    """The network L = (w2 ReLU(w1 x + b) - t)²: forward values above every wire, slopes of L below it."""
    fig, axis = plt.subplots(figsize=(9, 3.0))

    def label(x: float, y: float, name: str, side: str = "center") -> None:
        axis.text(x, y + 0.1, f"{name} = {values[name]:g}", color=legible("C0"), ha=side, va="bottom", fontsize=10)
        if name in slopes:
            axis.text(
                x, y - 0.12, f"{slopes[name]:g}", color=legible("C1"), ha=side, va="top", fontsize=11, weight="bold"
            )

    arrow = {"arrowstyle": "->", "color": "0.45", "lw": 1.2, "shrinkA": 0, "shrinkB": 0}
    ends = [place for _, place in NODES[1:]] + [9.4]
    axis.annotate("", (0.72, 0), (-0.5, 0), arrowprops=arrow)
    label(0.1, 0, "x")
    for (word, place), end, name in zip(NODES, ends, WIRES, strict=True):
        axis.add_patch(plt.Circle((place, 0), 0.28, fc="0.95", ec="0.3", lw=1.2))
        axis.text(place, 0, word, ha="center", va="center", fontsize=8 if len(word) > 3 else 11)
        axis.annotate("", (end - 0.3 if end < 9 else end, 0), (place + 0.28, 0), arrowprops=arrow)
        label((place + end) / 2, 0, name)
    for name, place in LEAVES.items():
        axis.annotate("", (place, -0.3), (place, -0.95), arrowprops=arrow)
        label(place, -1.35, name)
    axis.text(-0.5, 0.95, "forward: values, left to right", color=legible("C0"), fontsize=11)
    axis.text(
        9.4, 0.95, "backward: slopes of L, right to left", color=legible("C1"), fontsize=11, ha="right", weight="bold"
    )
    axis.set(xlim=(-0.6, 9.6), ylim=(-1.85, 1.25), aspect="equal")
    axis.set_axis_off()
    figure(
        fig,
        "A chain of six nodes: times, plus, ReLU, times, minus t, square. Above each wire stands its value in blue, "
        f"up to the loss {values['L']:g}; below it the slope of the loss in orange: {slopes['w1']:g} for w1, "
        f"{slopes['b']:g} for b and {slopes['w2']:g} for w2.",
    )


def two_are_one(first: Tensor, second: Tensor, both: Tensor) -> None:
    """Two kernels, and the one that does the work of both, as numbers."""
    kernels = {"first kernel": first, "second kernel": second, "one kernel for both": both}
    fig = number_panels([(title, kernel.squeeze()) for title, kernel in kernels.items()], (8.4, 3.1))
    figure(fig, "Two kernels of three by three numbers, and the one kernel of five by five that does the work of both.")


# ---------------------------------------------------------------------------------------------------------------------
# Figures: loss and curves
# ---------------------------------------------------------------------------------------------------------------------


def minus_log(probabilities: Sequence[float]) -> None:
    """The curve of -ln p, with some points on it."""
    fig, axis = plt.subplots(figsize=(6, 3.2))
    p = np.linspace(0.005, 1, 400)
    axis.plot(p, -np.log(p), lw=2)
    for value in probabilities:
        axis.plot(value, -np.log(value), "o", color="C1", ms=7)
        axis.annotate(
            f"p = {value:g} costs {-np.log(value):.3f}",
            (value, -np.log(value)),
            (8, 6),
            textcoords="offset points",
            fontsize=10,
        )
    axis.set(xlabel="probability p given to the right class", ylabel="-ln p", ylim=(0, 5), xlim=(0, 1.25))
    axis.set_xticks([0, 0.2, 0.4, 0.6, 0.8, 1])
    figure(
        fig,
        "The curve of minus the logarithm of p: far up near p = 0, falling steeply, then gently, to 0 at p = 1; some "
        "points on it are marked with what they cost.",
    )


def stairs_and_slope(moved: Tensor, accuracies: Sequence[float], losses: Sequence[float]) -> None:
    """Accuracy and loss of the same network on the same images, while one weight is moved."""
    fig, axes = plt.subplots(1, 2, figsize=(8.5, 2.8))
    for axis, values, name, style in (
        (axes[0], accuracies, "accuracy", "steps-mid"),
        (axes[1], losses, "cross-entropy", "default"),
    ):
        axis.plot(moved, values, drawstyle=style, lw=2, color="C1" if name == "accuracy" else "C0")
        axis.set(xlabel="change of one parameter", title=name)
        axis.ticklabel_format(useOffset=False)
    figure(
        fig,
        "Left, the accuracy over the change of one parameter: flat steps with jumps between them. Right, the loss over "
        "the same change: a smooth line with a slope.",
    )


def curves_apart(curves: dict[str, Sequence[float]], alt: str, line: float | None = None, top: float = 5.0) -> None:
    """One panel a curve, on common axes; `line` is drawn dotted in each."""
    fig, axes = plt.subplots(1, len(curves), figsize=(2.3 * len(curves), 2.6), sharey=True, squeeze=False)
    for number, (axis, (name, values)) in enumerate(zip(axes[0], curves.items(), strict=True)):
        axis.plot(np.clip(np.nan_to_num(smooth(values, 3), nan=top, posinf=top), None, top), lw=2, color=f"C{number}")
        if line is not None:
            axis.axhline(line, color="gray", ls=":", lw=1)
        axis.set(title=name, xlabel="step", ylim=(0, top))
    axes[0, 0].set_ylabel("loss")
    figure(fig, alt)


def overfitting(histories: dict[str, dict[str, Sequence[float]]], alt: str, top: float | None = None) -> None:
    """Training and validation loss over the steps, a panel a run; a ring where the validation loss was lowest."""
    columns = min(len(histories), 4)
    fig, axes = plt.subplots(
        -(-len(histories) // columns), columns, figsize=(max(2.5 * columns, 6), 2.9), sharey=True, squeeze=False
    )
    for axis, (name, history) in zip(axes.flat, histories.items(), strict=True):
        for kind, style in (("training", "C0-"), ("validation", "C1-")):
            axis.plot(history["step"], history[kind], style, lw=2, label=kind)
        lowest = int(np.argmin(history["validation"]))
        axis.plot(history["step"][lowest], history["validation"][lowest], "o", ms=10, mfc="none", mec="k", mew=1.6)
        axis.set(title=name, xlabel="step", ylim=(0, top))
        axis.title.set_size(10)
    axes[0, 0].set_ylabel("loss")
    axes[0, 0].legend(frameon=False, fontsize=9)
    figure(fig, alt)


# ---------------------------------------------------------------------------------------------------------------------
# Figures: what a network learned, and what it still gets wrong
# ---------------------------------------------------------------------------------------------------------------------


def confusion(counts: Tensor, names: Sequence[str]) -> None:
    """Rows are true classes, columns answers; the diagonal is grey, so that the mistakes are seen."""
    mistakes = counts.float().fill_diagonal_(float("nan"))
    fig, axis = plt.subplots(figsize=(6.2, 5))
    picture = axis.imshow(mistakes.numpy(), cmap=plt.get_cmap("viridis").with_extremes(bad="0.85"))
    for (i, j), count in np.ndenumerate(counts.numpy()):
        if not count:
            continue
        pale = i == j or mistakes[i, j] > 0.6 * mistakes.nan_to_num().max()
        axis.text(j, i, int(count), ha="center", va="center", fontsize=8, color="black" if pale else "white")
    axis.set_xticks(range(len(names)), names, rotation=0 if len(names[0]) == 1 else 90)
    axis.set_yticks(range(len(names)), names)
    axis.set(xlabel="read as", ylabel="true class")
    axis.spines[:].set_visible(False)
    fig.colorbar(picture, label="mistakes", shrink=0.8)
    figure(
        fig,
        "Confusion matrix: counts on the grey diagonal, mistakes elsewhere, the most frequent ones bright.",
    )


def kernels(groups: dict[str, Tensor], alt: str, columns: int = 8) -> None:
    """Small kernels [K, h, w] in rows of `columns`, a group under the other; red positive, blue negative, white 0.

    Each group has its own scale.
    """
    each = [-(-len(patches) // columns) for patches in groups.values()]
    fig, axes = plt.subplots(sum(each), columns, figsize=(7.4, 0.82 * sum(each) + 0.1), squeeze=False)
    fig.get_layout_engine().set(w_pad=0.02, h_pad=0.02, wspace=0.02, hspace=0.02)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    first = 0
    for (name, patches), rows in zip(groups.items(), each, strict=True):
        limit = float(patches.abs().max()) or 1.0
        for axis, patch in zip(axes[first : first + rows].flat, patches, strict=False):
            axis.imshow(patch.numpy(), vmin=-limit, vmax=limit, cmap="RdBu_r")
        for row in range(first, first + rows):
            axes[row, 0].set_ylabel(name if row == first else "", rotation=0, ha="right", va="center", fontsize=10)
        first += rows
    figure(fig, alt)


def strongest_patches(images: Tensor, maps: Tensor, channels: Sequence[int], count: int = 10) -> Tensor:
    """[len(channels) * count, C, 14, 14]: the parts of images [N, C, H, W] to which channels of the second convolution
    of chapter 4's network answer most strongly, at most one part of an image; `maps` [N, K, H/2, W/2] are its answers.

    One answer at row r, column c depends on the 14 rows from 2r - 6 on and the 14 columns from 2c - 6 on.
    """
    padded = torch.nn.functional.pad(images, (6, 8, 6, 8), value=-1.0)
    patches = []
    for channel in channels:
        for i in maps[:, channel].amax(dim=(1, 2)).topk(count).indices.tolist():
            row, column = divmod(int(maps[i, channel].argmax()), maps.shape[-1])
            patches.append(padded[i, :, 2 * row : 2 * row + 14, 2 * column : 2 * column + 14])
    return torch.stack(patches)


def mysteries(runs: dict[str, dict[str, Sequence[float]]]) -> None:
    """Six trainings, a panel each, under a letter: training and validation loss, and what is known of each."""
    fig, axes = plt.subplots(2, 3, figsize=(9, 5.4), sharex=True)
    for axis, (letter, run) in zip(axes.flat, runs.items(), strict=True):
        for kind, style in (("training", "C0-"), ("validation", "C1--")):
            axis.plot(run["step"], np.clip(run[kind], None, 6), style, lw=2, label=f"{kind} loss")
        axis.set_title(f"{letter}: {run['images']} images, accuracy {run['accuracy']:.0%}", fontsize=10)
        axis.set_ylim(0, max(2.5, 1.1 * min(6, max(*run["training"], *run["validation"]))))
        axis.set_xlabel("step")
        axis.label_outer()
        axis.tick_params(labelleft=True)
    axes[0, 0].legend(frameon=False, fontsize=9)
    figure(
        fig,
        "Six panels, A to F, each with the training loss and the validation loss of one training over its steps.",
    )
