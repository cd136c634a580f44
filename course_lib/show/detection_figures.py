"""Chapter 17's figures: a dense layer that slides, what an answer sees, heat maps, boxes, curves of the exam."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from torch import Tensor

from course_lib.cnn.detection import RECEPTIVE, STRIDE, Found, pairwise_iou, suppress
from course_lib.show.figures import figure, legible

GUESS = "C1"  # what a network says
TALL = 8  # pixels of a canvas that words take


def frame(axis: Axes, box: Sequence[float], colour: str = GUESS, words: str = "", **options) -> None:
    """A box (left, top, right, bottom) with words above it."""
    left, top, right, bottom = box
    style = {"lw": 2, "fill": False, "ec": colour} | options
    axis.add_patch(Rectangle((left, top), right - left, bottom - top, **style))
    if words:
        over = top >= TALL  # there is room above the box
        place = (left, top - 1) if over else (left, bottom + 1)
        axis.text(*place, words, color=colour, fontsize=9, va="bottom" if over else "top", clip_on=True)


def paper(axis: Axes, canvas: Tensor, title: str = "") -> None:
    """A canvas [1, H, W], a unit for a pixel."""
    high, wide = canvas.shape[-2:]
    axis.imshow(canvas[0].numpy(), vmin=-1, vmax=1, extent=(0, wide, high, 0))
    axis.set(xticks=[], yticks=[], xlim=(0, wide), ylim=(high, 0))
    axis.spines[:].set_visible(False)
    axis.set_title(title, fontsize=10)


def boxes_on(
    canvases: Tensor,
    found: Sequence[Found],
    alt: str,
    columns: int = 4,
    names: Sequence[str] = "0123456789",
    scores: bool = True,
) -> None:
    """Canvases [N, 1, H, W] with the boxes, labels and, if wished, scores found on each."""
    rows = -(-len(canvases) // columns)
    high, wide = canvases.shape[-2:]
    side = 10.4 / columns
    fig, axes = plt.subplots(rows, columns, figsize=(10.4, side * high / wide * rows + 0.1), squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, canvas, one in zip(axes.flat, canvases, found, strict=False):
        paper(axis, canvas)
        for box, label, score in zip(one.boxes.tolist(), one.labels.tolist(), one.scores.tolist(), strict=True):
            frame(axis, box, words=f"{names[label]} {score:.0%}" if scores else names[label])
    figure(fig, alt)


def dense_layer_slides() -> None:
    """The same 7 x 7 kernel on the map of a digit, where it fits once, and on that of a canvas."""
    fig, axes = plt.subplots(1, 2, figsize=(9.6, 3.9), width_ratios=(1, 1.5))
    for axis, side, title in (
        (axes[0], 7, "a digit: 32 maps of 7 × 7, one answer"),
        (axes[1], 24, "a canvas: 32 maps of 24 × 24, an answer at every place"),
    ):
        for line in range(side + 1):
            axis.plot([0, side], [line, line], color="0.8", lw=0.7)
            axis.plot([line, line], [0, side], color="0.8", lw=0.7)
        axis.set(xlim=(-0.3, side + 0.3), ylim=(side + 0.3, -0.3), aspect="equal")
        axis.set_axis_off()
        axis.set_title(title, fontsize=10)
    places = ((0, 0, "C1"),), ((2, 3, "C1"), (6, 3, "C0"), (14, 12, "C2"))
    for axis, spots in zip(axes, places, strict=True):
        for x, y, colour in spots:
            frame(axis, (x, y, x + 7, y + 7), colour, lw=2.5)
            axis.add_patch(Rectangle((x + 3, y + 3), 1, 1, color=colour))
    axes[0].text(3.5, 5.6, "7 · 7 · 32 = 1,568 products", ha="center", fontsize=9)
    figure(
        fig,
        "Left, a grid of 7 by 7 that one kernel covers whole; right, a grid of 24 by 24 with the same kernel in three "
        "places, two of which overlap.",
    )


def what_an_answer_sees(canvas: Tensor, answer: tuple[int, int], neighbour: tuple[int, int]) -> None:
    """A canvas [1, 96, 96] with a dot for every answer, and the squares that two of them see."""
    fig, axis = plt.subplots(figsize=(5.2, 5.2))
    paper(axis, canvas, "a dot for each answer, every 4 pixels")
    rows, columns = (torch.arange(side // STRIDE) * STRIDE + STRIDE / 2 for side in canvas.shape[1:])
    y, x = torch.meshgrid(rows, columns, indexing="ij")
    axis.plot(x.flatten(), y.flatten(), ".", color="0.55", ms=3)
    for (i, j), colour in ((answer, "C1"), (neighbour, "C0")):
        top, left = STRIDE * i - 18, STRIDE * j - 18
        frame(axis, (left, top, left + RECEPTIVE, top + RECEPTIVE), colour)
        axis.plot(STRIDE * j + 2, STRIDE * i + 2, "o", color=colour, ms=7)
    figure(
        fig,
        "A canvas with digits under a grid of dots; the squares of 40 pixels that two neighbouring answers see overlap "
        "in all but a strip of 4 pixels.",
    )


def heat_maps(canvases: Tensor, heats: Mapping[str, Tensor], alt: str) -> None:
    """Canvases [N, 1, H, W] in a row, and below them one row of maps [N, h, w] in [0, 1] for each name."""
    rows, count = 1 + len(heats), len(canvases)
    high, wide = canvases.shape[-2:]
    fig, axes = plt.subplots(rows, count, figsize=(2.2 * count + 1.6, 2.2 * high / wide * rows + 0.2), squeeze=False)
    for axis, canvas in zip(axes[0], canvases, strict=True):
        paper(axis, canvas)
    for line, maps in zip(axes[1:], heats.values(), strict=True):
        for axis, heat in zip(line, maps, strict=True):
            shown = axis.imshow(heat.numpy(), cmap="viridis", vmin=0, vmax=1, extent=(0, wide, high, 0))
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
    for line, name in zip(axes, ["canvas", *heats], strict=True):
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=9)
    fig.colorbar(shown, ax=axes[1:], shrink=0.8, aspect=30)
    fig.get_layout_engine().set(rect=(0.02, 0, 0.98, 1))  # room for the names
    figure(fig, alt)


def two_boxes(one: Sequence[float], other: Sequence[float]) -> None:
    """Two boxes on squared paper, with what they share."""
    fig, axis = plt.subplots(figsize=(5.4, 3.6))
    wide, high = max(one[2], other[2]) + 1, max(one[3], other[3]) + 1
    for x in range(int(wide) + 1):
        axis.plot([x, x], [0, high], color="0.88", lw=0.7)
    for y in range(int(high) + 1):
        axis.plot([0, wide], [y, y], color="0.88", lw=0.7)
    shared = (max(one[0], other[0]), max(one[1], other[1]), min(one[2], other[2]), min(one[3], other[3]))
    frame(axis, shared, "none", fill=True, fc="0.75", alpha=0.8)
    frame(axis, one, "C0")
    frame(axis, other, "C1")
    middle = (shared[0] + shared[2]) / 2, (shared[1] + shared[3]) / 2
    area = (shared[2] - shared[0]) * (shared[3] - shared[1])
    axis.text(*middle, f"shared\n{area:g}", ha="center", va="center", fontsize=11)
    for box, colour, y in ((one, legible("C0"), one[1] + 0.5), (other, legible("C1"), other[3] - 0.5)):
        size = (box[2] - box[0]) * (box[3] - box[1])
        axis.text(box[0] + 0.2, y, f"area {size:g}", color=colour, fontsize=11, va="center")
    axis.set(xlim=(-0.1, wide + 0.1), ylim=(high + 0.1, -0.1), aspect="equal")
    axis.set_axis_off()
    figure(fig, f"Two boxes on squared paper, a blue one and an orange one, that share {area:g} squares, shaded grey.")


def suppression(canvas: Tensor, boxes: Tensor, scores: Tensor, threshold: float) -> None:
    """All candidates; what the most certain one of all drops; what is left in the end."""
    best = int(scores.argmax())
    dropped = pairwise_iou(boxes[best, None], boxes)[0] > threshold
    dropped[best] = False
    kept = suppress(boxes, scores, threshold)
    fig, axes = plt.subplots(1, 3, figsize=(10.2, 3.6))
    for axis, title in zip(
        axes, (f"{len(boxes)} candidates", "the most certain drops its heap", f"{len(kept)} are kept"), strict=True
    ):
        paper(axis, canvas, title)
    for box in boxes.tolist():
        frame(axes[0], box, "C1", lw=1)
    for box, gone in zip(boxes.tolist(), dropped.tolist(), strict=True):
        frame(axes[1], box, "0.6" if gone else "C1", lw=1, ls=":" if gone else "-")
    frame(axes[1], boxes[best].tolist(), "C2", lw=3)
    for i in kept.tolist():
        frame(axes[2], boxes[i].tolist(), "C2", words=f"{float(scores[i]):.0%}")
    figure(
        fig,
        f"Three copies of a canvas: heaps of {len(boxes)} windows on its digits, one heap dropped by its most certain "
        f"window, and {len(kept)} windows left, one on each digit.",
    )


def falling_curve(precision: Tensor, recall: Tensor, title: str = "") -> None:
    """Precision over recall as it is, and as it is counted: the best precision at that recall or farther right."""
    falling = precision.flip(0).cummax(0).values.flip(0)
    fig, axis = plt.subplots(figsize=(6.6, 3.4))
    steps = torch.cat([recall.new_zeros(1), recall])
    axis.fill_between(steps, torch.cat([falling[:1], falling]), step="pre", color="0.9")
    axis.plot(recall, precision, "o-", color="C0", ms=4 if len(recall) < 40 else 0, lw=1.2, label="as it comes")
    axis.step(steps, torch.cat([falling[:1], falling]), where="pre", color="C1", lw=2, label="as it is counted")
    low = max(0.0, min(0.95, float(precision.min()) - 0.02)) if len(recall) > 40 else 0.0
    axis.set(xlabel="recall", ylabel="precision", xlim=(0, 1.01), ylim=(low, 1.01))
    axis.set_title(title, fontsize=10)
    axis.legend(frameon=False, loc="lower left")
    figure(fig, "A curve of precision over recall that goes up and down, and above it the falling steps that count.")


def thresholds(asked: Sequence[float], recall: Sequence[float], precision: Sequence[float]) -> None:
    """Recall and precision against the threshold."""
    fig, axis = plt.subplots(figsize=(6.6, 3.2))
    axis.plot(asked, recall, "o-", color="C0", label="recall: digits that are found")
    axis.plot(asked, precision, "s--", color="C1", label="precision: boxes that are right")
    axis.set(xlabel="threshold", ylabel="share", xlim=(0, 1))
    axis.legend(frameon=False)
    figure(fig, "Recall and precision against the threshold: precision climbs at the left, recall falls at the right.")


def spacings(asked: Sequence[float], read: Sequence[float], foretold: float) -> None:
    """Of numbers whose digits stand so far apart, how many are read without a mistake."""
    fig, axis = plt.subplots(figsize=(6.6, 3.2))
    axis.plot(asked, read, "o-", color="C1")
    axis.axhline(foretold, color="0.5", ls="--", lw=1)
    words = {"va": "bottom", "ha": "left", "fontsize": 9, "color": "0.35"}
    axis.text(min(asked), foretold + 0.01, "recall to the power of four", **words)
    axis.set(xticks=list(asked), xlabel="pixels from digit to digit", ylabel="numbers read", ylim=(-0.03, 1.09))
    figure(fig, "The share of four-digit numbers that are read, which climbs as the digits move apart.")


def detectors(canvas: Tensor, found: Mapping[str, Found]) -> None:
    """What several detectors find on one canvas, a panel each, under a letter."""
    columns = 3
    rows = -(-len(found) // columns)
    fig, axes = plt.subplots(rows, columns, figsize=(9, 3.25 * rows), squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    for axis, (letter, one) in zip(axes.flat, found.items(), strict=False):
        paper(axis, canvas, f"{letter}: {len(one.labels)} boxes")
        for box, label in zip(one.boxes.tolist(), one.labels.tolist(), strict=True):
            frame(axis, box, words=str(label), lw=1.5)
    figure(fig, f"One canvas {len(found)} times, with the boxes that each of {len(found)} detectors reports on it.")
