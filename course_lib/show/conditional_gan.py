"""Chapter 8: the digit press (order a digit, morph it, change the hand, write a number), and the figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import ipywidgets
import numpy as np
import torch
import traitlets
from matplotlib import pyplot as plt
from PIL import Image
from torch import Tensor

from course_lib.cnn.training_a_cnn import Classifier
from course_lib.errors import CourseError
from course_lib.gan.conditional_gan import ConditionalGAN
from course_lib.show import paint
from course_lib.show.figures import figure, legible
from course_lib.show.panel import Ahead, Panel, Picture, choice, slider, steps

HANDS = 100  # noises to choose from
LONGEST = 8  # digits of a number
STRIP = 7  # images on the way from one class to the other
STOPS = 21  # places of the morph
KEPT = 64  # ways from class to class that are not drawn again
BIG, SMALL = 196, 56  # pixels on the screen


class Press(Ahead):
    """The ordered digit, the way to another class, other hands and a number, drawn by the browser.

    A key is (order, towards, hand); its frame has the images at all places of the morph, and what the judge reads.
    """

    _esm = Ahead.script("press.js")
    order = traitlets.Int().tag(sync=True)
    towards = traitlets.Int().tag(sync=True)
    morph = traitlets.Float().tag(sync=True)
    hand = traitlets.Int().tag(sync=True)
    sheet = traitlets.Dict().tag(sync=True)


def digit_press(
    model: ConditionalGAN, reader: Classifier | None = None, names: Sequence[str] = tuple("0123456789")
) -> Panel:
    """Panel that draws to order with a conditional GAN.

    reader  a classifier, the judge: its reading of the large image stands beside it as bars
    names   the name of each class

    "order" and "towards" choose two classes and "morph" a place between their rows of the table; "hand" chooses the
    noise. "number" is written with one digit per image, by as many hands as "hands" says, from "hand" on.
    Raises CourseError for a model that takes no orders, or for names that do not fit its classes.
    """
    if not isinstance(model, ConditionalGAN):
        raise CourseError(f"model: got {type(model).__name__}, expected a ConditionalGAN, which takes orders")
    if len(names) != model.classes:
        raise CourseError(f"names: got {len(names)}, expected {model.classes}, one per class")
    kinds = [(name, k) for k, name in enumerate(names)]
    controls = {
        "order": choice("order", kinds, min(3, model.classes - 1)),
        "towards": choice("towards", kinds, min(8, model.classes - 1)),
        "morph": slider("morph", 0.0, 0.0, 1.0, 0.05),
        "hand": steps("hand", 0, 0, HANDS - 1),
        "number": ipywidgets.Text(value="2026", description="number", style={"description_width": "90px"}),
        "hands": steps("hands", 3, 1, 5),
    }

    @lru_cache(KEPT)
    def way(order: int, towards: int, hand: int) -> tuple[Tensor, Tensor | None]:
        """Images [STOPS, C, H, W] from class to class, and the judge's chances [STOPS, classes]."""
        noise = hand_of(model, hand).expand(STOPS, -1)
        images = model.between(noise, order, towards, torch.linspace(0, 1, STOPS)).cpu()
        return images, None if reader is None else reader.read(images).cpu()

    def frame(order: int, towards: int, hand: int) -> dict[str, Any]:
        images, chances = way(order, towards, hand)
        said = {} if chances is None else {"chances": chances.float().contiguous().numpy().tobytes()}
        return {"key": [order, towards, hand], "images": paint.raw(images), **said}

    def known(order: int, towards: int, hand: int) -> bool:
        return 0 <= order < model.classes and 0 <= towards < model.classes and 0 <= hand < HANDS

    @lru_cache(1)
    def number_of(number: str, hand: int, hands: int) -> tuple[list[int], list[int], Tensor | None]:
        """The digits, the hands that write them, and the images [hands * digits, C, H, W]."""
        digits = [int(c) for c in number if c in "0123456789" and int(c) < model.classes][:LONGEST]
        writers = [(hand + i) % HANDS for i in range(hands)]
        noise = torch.cat([hand_of(model, one) for one in writers])
        return digits, writers, written(model, noise, digits) if digits else None

    def draw(order: int, towards: int, morph: float, hand: int, number: str, hands: int) -> tuple[Picture, str]:
        images, chances = way(order, towards, hand)
        place = round(morph * (STOPS - 1))
        digits, writers, lines = number_of(number, hand, hands)
        with board.hold_sync():
            if board.frame.get("key") != [order, towards, hand]:
                board.frame = frame(order, towards, hand)
            pixels = b"" if lines is None else paint.raw(lines)
            board.sheet = {"digits": digits, "writers": writers, "images": pixels}
        said = f"{names[order]}, {morph:.0%} of the way to {names[towards]}" if morph else f"{names[order]}"
        words = f"Ordered is {said}, by hand {hand}."
        if chances is not None:
            best = int(chances[place].argmax())
            words += f" The judge reads {names[best]} with probability {float(chances[place, best]):.0%}."
        if digits:
            words += f" Beside it stands {' '.join(names[k] for k in digits)}, written by {hands} hands."

        def still() -> Image.Image:
            large = [paint.enlarged(images[place], BIG)]
            if chances is not None:
                large.append(paint.bars(chances[place].tolist(), names, width=110, height=19))
            some = torch.linspace(0, STOPS - 1, STRIP).round().long()
            parts = [paint.above(paint.beside(*large), paint.filmstrip(images[some], morph, SMALL))]
            if lines is not None:
                parts.append(paint.above(paint.text_line("the number"), sheet(lines, len(digits))))
            return paint.beside(*parts)

        return still, words

    channels, high, wide = way(0, 0, 0)[0].shape[1:]
    look = {"names": list(names), "stops": STOPS, "high": high, "wide": wide, "channels": channels, "hands": HANDS}
    board = Press(look=look, order=controls["order"].value, towards=controls["towards"].value)
    board.answer(frame, known)
    for name in ("order", "towards", "morph", "hand"):
        ipywidgets.jslink((controls[name], "index" if name in ("order", "towards") else "value"), (board, name))
    left = ipywidgets.VBox([controls["order"], controls["towards"], controls["morph"]])
    right = ipywidgets.VBox([controls["hand"], controls["number"], controls["hands"]])
    return Panel(controls, draw, [ipywidgets.HBox([left, right])], board)


def hand_of(model: ConditionalGAN, number: int) -> Tensor:
    """The noise [1, latent] of a hand; the same number is the same hand."""
    return model.noise(1, torch.Generator().manual_seed(number))


def written(model: ConditionalGAN, noise: Tensor, digits: list[int]) -> Tensor:
    """Images [H * digits, C, H, W] of the digits in a row, once per row of noise [H, latent]."""
    labels = torch.tensor(digits).repeat(len(noise))
    return model.draw(noise.repeat_interleave(len(digits), dim=0), labels).cpu()


def sheet(images: Tensor, columns: int) -> Image.Image:
    """Written digits under each other, `columns` in a row."""
    height, width = images.shape[2:]
    return paint.enlarged(paint.tiled(images, columns), 2 * max(len(images) // columns * height, columns * width))


# ---------------------------------------------------------------------------------------------------------------------
# Figures
# ---------------------------------------------------------------------------------------------------------------------


def rings(panels: Mapping[str, tuple[Tensor, Tensor]], centres: Tensor, alt: str, shown: int = 1200) -> None:
    """Points [N, 2] beside each other, coloured by their labels [N]; outside each centre stands its number."""
    far = max(1.0, *(float(points[:shown].norm(dim=1).quantile(0.995)) for points, _ in panels.values()))
    fig, axes = plt.subplots(1, len(panels), figsize=(2.3 * len(panels), 2.8), squeeze=False)
    for axis, (title, (points, labels)) in zip(axes[0], panels.items(), strict=True):
        axis.scatter(*points[:shown].T.numpy(), s=3, c=[f"C{k}" for k in labels[:shown].tolist()])
        for k, (right, up) in enumerate((1.12 * far * centres).tolist()):
            axis.text(right, up, str(k), ha="center", va="center", fontsize=9, color=legible(f"C{k}"), weight="bold")
        axis.set_title(title, fontsize=9)
        axis.set(xlim=(-1.25 * far, 1.25 * far), ylim=(-1.25 * far, 1.25 * far), aspect="equal")
        axis.set_axis_off()
    figure(fig, alt)


def order_counts(counts: Tensor, names: Sequence[str], alt: str) -> None:
    """Rows are what was ordered, columns what was read; the diagonal is grey, so that the mistakes are seen."""
    mistakes = counts.float().fill_diagonal_(float("nan"))
    highest = max(float(mistakes.nan_to_num().max()), 1.0)
    fig, axis = plt.subplots(figsize=(5.6, 4.6))
    colours = plt.get_cmap("viridis").with_extremes(bad="0.85")
    picture = axis.imshow(mistakes.numpy(), cmap=colours, vmin=0, vmax=highest)
    for (i, j), count in np.ndenumerate(counts.numpy()):
        pale = i == j or mistakes[i, j] > 0.6 * highest
        if count:
            axis.text(j, i, int(count), ha="center", va="center", fontsize=8, color="black" if pale else "white")
    axis.set_xticks(range(len(names)), names, rotation=0 if len(names[0]) == 1 else 90)
    axis.set_yticks(range(len(names)), names)
    axis.set(xlabel="read as", ylabel="ordered")
    axis.spines[:].set_visible(False)
    fig.colorbar(picture, label="mistakes", shrink=0.8)
    figure(fig, alt)


def hands(measures: Mapping[str, Tensor], first: int, second: int, names: Sequence[str], alt: str) -> None:
    """A panel for each measure [hands, classes]: of one class against another, by the same hand and by the next one."""
    fig, axes = plt.subplots(1, len(measures), figsize=(8.4, 3.2), squeeze=False)
    for axis, (name, by_hand) in zip(axes[0], measures.items(), strict=True):
        one, other = by_hand[:, first], by_hand[:, second]
        axis.scatter(one, other.roll(1), s=14, marker="x", color="0.6", label="different hands")
        axis.scatter(one, other, s=12, color="C1", label="same hand")
        axis.set(xlabel=f"{name} of the {names[first]}", ylabel=f"{name} of the {names[second]}")
    axes[0, -1].legend(frameon=False, loc="upper left", bbox_to_anchor=(1, 1))
    figure(fig, alt)


def way(share: Tensor, reading: Tensor, plane: Tensor, start: tuple[int, str], end: tuple[int, str], alt: str) -> None:
    """The judge's mean reading [steps, classes] along the way between two classes, beside a plane of images.

    start, end  the two classes, each with its name
    plane       [rows, columns, C, H, W] in [-1, 1]: from class to class across, from hand to hand down
    """
    fig, (axis, picture) = plt.subplots(1, 2, figsize=(9.6, 3.8), width_ratios=(1.35, 1))
    for (k, name), marker in ((start, "o"), (end, "s")):
        axis.plot(share, reading[:, k], marker=marker, label=f"read as {name}")
    axis.plot(share, 1 - reading[:, start[0]] - reading[:, end[0]], color="0.5", marker="^", label="as something else")
    axis.set(xlabel=f"share of the way from {start[1]} to {end[1]}", ylabel="mean probability", ylim=(-0.03, 1.03))
    axis.legend(frameon=False, fontsize=9)
    rows, columns, _, height, width = plane.shape
    tiles = plane.permute(0, 3, 1, 4, 2).reshape(rows * height, columns * width, -1)
    picture.imshow(((tiles + 1) / 2).clamp(0, 1).numpy(), vmin=0, vmax=1)
    picture.set(xticks=[width / 2, (columns - 0.5) * width], yticks=[height / 2, (rows - 0.5) * height])
    picture.set_xticklabels([start[1], end[1]])
    picture.set_yticklabels(["hand a", "hand b"])
    picture.tick_params(length=0)
    picture.spines[:].set_visible(False)
    figure(fig, alt)


def wrong_labels(wrong: Sequence[float], found: Sequence[float], classes: int, alt: str) -> None:
    """The share drawn as ordered against the share of labels replaced at random, and the line 1 - s + s / classes."""
    fig, axis = plt.subplots(figsize=(6.4, 3))
    axis.plot([0, 1], [1, 1 / classes], color="0.5", label=f"1 - s + s / {classes}")
    axis.plot(wrong, found, "o", color="C1", ms=8, label="generated points")
    axis.set(xlabel="s, share of labels replaced at random", ylabel="drawn as ordered", ylim=(0, 1.05))
    axis.legend(frameon=False)
    figure(fig, alt)


def tables(counts: Mapping[str, Tensor], alt: str) -> None:
    """Tables of orders and readings under their letters, six at most in two rows: the darker, the more of its row."""
    fig, axes = plt.subplots(2, 3, figsize=(9, 6.2), sharex=True, sharey=True)
    for axis, (letter, table) in zip(axes.flat, counts.items(), strict=True):
        axis.imshow((table.double() / table.sum(dim=1, keepdim=True)).numpy(), vmin=0, vmax=1, cmap="Greys")
        for (i, j), count in np.ndenumerate(table.numpy()):
            if count:
                dark = count > 0.5 * table[i].sum()
                axis.text(j, i, int(count), ha="center", va="center", fontsize=6, color="white" if dark else "black")
        axis.set_title(letter, fontsize=11)
        axis.set(xticks=range(len(table)), yticks=range(len(table)))
        axis.tick_params(length=0, labelsize=8)
        axis.spines[:].set(visible=True, color="gray", lw=0.5)
    for axis in axes[1]:
        axis.set_xlabel("read as")
    for axis in axes[:, 0]:
        axis.set_ylabel("ordered")
    figure(fig, alt)
