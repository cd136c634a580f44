"""Chapter 15's figures. Real is blue and generated is orange, here as everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle
from PIL import Image, ImageDraw
from torch import Tensor
from torch.nn import functional as F

from course_lib.errors import CourseError
from course_lib.show import paint
from course_lib.show.figures import SHARP, bundle, figure, numbers, to_pixels
from course_lib.show.paint import as_png

REAL, FAKE = "C0", "C1"
COLOURS = {REAL: paint.BLUE, FAKE: paint.ORANGE, "black": paint.INK}
TILE = 80  # pixels of the page for an image in a row, or a little less


def colour_of(name: str) -> str:
    """Of a row's label: blue for what is real, orange for what a network made, black for the rest."""
    first = name.split()[0].rstrip(":,")
    return {"real": REAL, "true": REAL, "generated": FAKE}.get(first, "black")


def rows(pictures: Mapping[str, Tensor], alt: str) -> None:
    """A row of images for each name, which begins with "real", "true" or "generated"; equally many in each."""
    from IPython.display import display

    sheet = as_png(sheet_of(pictures).quantize(256, dither=Image.Dither.NONE).convert("RGB"), exact=True)
    display(bundle(sheet, alt, SHARP), raw=True)


def sheet_of(pictures: Mapping[str, Tensor]) -> Image.Image:
    """The rows painted: every pixel of an image a square of whole pixels, so that the file stays small."""
    counts = {len(images) for images in pictures.values()}
    if len(counts) != 1:
        raise CourseError(f"pictures: got rows of {sorted(counts)} images, expected equally many")
    letters = paint.font(13 * SHARP)
    left = 8 * SHARP + round(max(letters.getlength(line) for name in pictures for line in name.splitlines()))
    painted = []
    for name, images in pictures.items():
        zoom = max(1, TILE * SHARP // images.shape[-1])
        tiles = [paint.enlarged(image, zoom * images.shape[-1]) for image in images]
        label = Image.new("RGB", (left, tiles[0].height), paint.PAPER)
        place, colour = (left - 4 * SHARP, tiles[0].height / 2), COLOURS[colour_of(name)]
        ImageDraw.Draw(label).multiline_text(place, name, colour, letters, "rm", align="right")
        painted.append(paint.beside(label, *tiles, gap=3 * SHARP))
    return paint.above(*painted, gap=3 * SHARP)


def puzzle(first: Tensor, second: Tensor, alt: str) -> None:
    """Places of two worlds in two columns, and lines from each to each: which belongs to which?"""
    count = len(first)
    fig, axis = plt.subplots(figsize=(5.2, 1.25 * count))
    for place in range(count):
        for other in range(count):
            axis.plot([1.1, 2.9], [-place, -other], color="0.75", lw=1, zorder=0)
    for x, images in ((0.55, first), (3.45, second)):
        for place, pixels in enumerate(to_pixels(images)):
            axis.imshow(pixels, extent=(x - 0.45, x + 0.45, -place - 0.45, -place + 0.45))
    axis.text(2, 0.2 - count / 2, "?", ha="center", fontsize=22, backgroundcolor="white")
    axis.set(xlim=(0, 4), ylim=(0.55 - count, 0.55), aspect="equal")
    axis.set_axis_off()
    figure(fig, alt)


def two_pixel_pictures(panels: Mapping[str, Sequence[Sequence[float]]], alt: str) -> None:
    """Small matrices side by side, each under its name, all on the scale from -1 to 1."""
    fig, axes = plt.subplots(1, len(panels), figsize=(2.1 * len(panels), 1.6), squeeze=False)
    for axis, (name, values) in zip(axes[0], panels.items(), strict=True):
        numbers(axis, values, name, high=1, signed=True)
    figure(fig, alt)


def fields(image: Tensor, sides: Mapping[str, int], alt: str) -> None:
    """An image [C, H, W] under the square that one number of each layer is made from."""
    fig, axes = plt.subplots(1, len(sides), figsize=(2.5 * len(sides), 2.8), squeeze=False)
    middle = image.shape[-1] / 2 - 0.5
    for axis, (name, side) in zip(axes[0], sides.items(), strict=True):
        axis.imshow(to_pixels(image[None])[0])
        corner = (middle - side / 2, middle - side / 2)
        axis.add_patch(Rectangle(corner, side, side, fill=False, ec="white", lw=4))
        axis.add_patch(Rectangle(corner, side, side, fill=False, ec="black", lw=1.5))
        axis.set_title(f"{name}: {side} x {side}", fontsize=10)
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    figure(fig, alt)


def verdicts(images: Mapping[str, Tensor], logits: Mapping[str, Tensor], alt: str) -> None:
    """Each image [C, H, W] over the logits [h, w] of its patches: 0 is fake, 1 is real, one scale for all."""
    fig, axes = plt.subplots(2, len(images), figsize=(1.75 * len(images), 3.9), squeeze=False)
    for upper, lower, (name, image) in zip(*axes, images.items(), strict=True):
        upper.imshow(to_pixels(image[None])[0])
        upper.set_title(name, fontsize=9, color=paint.hex_code(COLOURS[colour_of(name)]))  # words are darker
        shade = lower.imshow(logits[name].numpy(), cmap="cividis", vmin=0, vmax=1)
        lower.set_title(f"mean {float(logits[name].mean()):.2f}", fontsize=9)
        for axis in (upper, lower):
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set_visible(False)
    fig.colorbar(shade, ax=axes[1], shrink=0.8, label="logit: fake 0, real 1")
    figure(fig, alt)


def pulls(alt: str) -> None:
    """The generator's loss against the logit of a fake, softplus and least squares, and the slope of both."""
    logit = torch.linspace(-4, 6, 201, requires_grad=True)
    fig, axes = plt.subplots(1, 2, figsize=(9, 2.9))
    for name, loss in (("softplus(-logit)", F.softplus(-logit)), ("(logit - 1)²", (logit - 1).square())):
        (slope,) = torch.autograd.grad(loss.sum(), logit)
        axes[0].plot(logit.detach(), loss.detach(), label=name)
        axes[1].plot(logit.detach(), slope, label=name)
    axes[0].set(xlabel="logit of a fake", title="loss", ylim=(0, 10))
    axes[1].set(xlabel="logit of a fake", title="slope", ylim=(-8, 8))
    axes[1].axhline(0, color="0.6", lw=1)
    axes[0].legend(frameon=False)
    figure(fig, alt)


def ages(found: Mapping[str, Tensor], alt: str) -> None:
    """How old, in steps, the fakes are that a discriminator is shown: a histogram for each buffer."""
    fig, axis = plt.subplots(figsize=(7.5, 2.8))
    longest = max(1, *(int(steps.max()) for steps in found.values()))
    for (name, steps), style in zip(found.items(), ("-", "--", ":"), strict=False):
        share = torch.bincount(steps, minlength=longest + 1).double() / len(steps)
        axis.plot(1 - share.cumsum(0) + share, style, label=name, lw=2)
    axis.set(xlabel="age in steps", ylabel="share at least so old", xlim=(0, min(longest, 40)), ylim=(0, 1.02))
    axis.legend(frameon=False)
    figure(fig, alt)


def shaken(levels: Sequence[float], moved: Mapping[str, Sequence[float]], alt: str) -> None:
    """How far the reconstruction moves when noise of so many grey levels is added to what it starts from."""
    fig, axis = plt.subplots(figsize=(6.6, 3))
    for (name, values), style in zip(moved.items(), ("-", "--", ":"), strict=False):
        axis.plot(levels, values, style, marker="o", color=colour_of(name.removeprefix("from ")), label=name)
    axis.set(xlabel="noise added, in grey levels", ylabel="reconstruction moves by")
    axis.set(xlim=(0, None), ylim=(0, None))
    axis.legend(frameon=False)
    figure(fig, alt)


def ladder(panels: Mapping[str, Mapping[str, Sequence[float]]], alt: str, xlabel: str = "") -> None:
    """For each panel a row of dots per method, one a seed, with their mean; those of a GAN are orange."""
    lines = max(len(methods) for methods in panels.values())
    fig, axes = plt.subplots(1, len(panels), figsize=(5.4 * len(panels), 0.42 * lines + 1.1), squeeze=False)
    for axis, (title, methods) in zip(axes[0], panels.items(), strict=True):
        for place, (name, values) in enumerate(methods.items()):
            axis.plot(values, [-place] * len(values), "o", ms=7, alpha=0.8, color=FAKE if "GAN" in name else "0.5")
            axis.text(max(values), -place, f"  {sum(values) / len(values):.1f}", va="center", fontsize=9)
        axis.set_yticks([-place for place in range(len(methods))], list(methods), fontsize=9)
        axis.set(xlim=(0, 1.18 * max(max(v) for v in methods.values())), title=title, xlabel=xlabel)
        axis.set_ylim(0.5 - len(methods), 0.5)
    figure(fig, alt)
