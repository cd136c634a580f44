"""The picture of chapter 0: three machines of the same few parts."""

from __future__ import annotations

import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from torch import Tensor

from course_lib.errors import CourseError
from course_lib.show.figures import to_pixels

CNN, GAN, VAE = 3.7, 2.2, 0.0  # heights of the rows
ARROW = {"arrowstyle": "-|>", "color": "0.3"}
SEES, DRAWS = "C0", "C1"  # the colours of networks that go from image to numbers, and from numbers to image


def how_they_relate(images: Tensor) -> Figure:
    """CNN, GAN and VAE in three rows, from left to right; `images` [2 or more, C, H, W] in [-1, 1] are the examples."""
    if images.ndim != 4 or len(images) < 2:
        raise CourseError(f"images: got shape {list(images.shape)}, expected [2 or more, C, H, W]")
    fig, axis = plt.subplots(figsize=(9, 4.9))
    axis.set_axis_off()
    names = {CNN: "CNN: it reads", GAN: "GAN: one draws, one checks", VAE: "VAE: it describes, and draws"}
    for height, name in names.items():
        axis.text(0, height + 0.52, name, fontsize=11, weight="bold")
    generator = torch.Generator().manual_seed(0)
    noise = 2 * torch.rand(1, 1, 5, 5, generator=generator) - 1

    picture(axis, images[:1], 0.5, CNN)
    box(axis, "CNN\n(classifier)", 3.4, CNN, SEES)
    axis.text(6.2, CNN, 'ten scores,\nthe highest for "7"', ha="center", va="center", fontsize=9)
    arrows(axis, CNN, (1, 2.6), (4.2, 5.1))

    picture(axis, noise, 0.5, GAN)
    box(axis, "generator", 2.6, GAN, DRAWS)
    picture(axis, images[1:2], 4.9, GAN)
    picture(axis, images[:1], 4.9, GAN - 0.95)
    box(axis, "discriminator\n(a CNN)", 7.0, GAN, SEES)
    axis.text(9.3, GAN, "real or\nfake?", ha="center", va="center", fontsize=9)
    arrows(axis, GAN, (1, 1.8), (3.4, 4.4), (5.4, 6.2), (7.8, 8.7))
    axis.annotate("", (6.3, GAN - 0.4), (5.4, GAN - 0.85), arrowprops=ARROW)
    for words, x, y in (("noise", 0.5, GAN - 0.55), ("a real one", 3.9, GAN - 0.95)):
        axis.text(x, y, words, ha="center", va="center", fontsize=8, color="0.35")

    picture(axis, images[:1], 0.5, VAE)
    box(axis, "encoder\n(a CNN)", 2.6, VAE, SEES)
    cloud = 0.13 * torch.randn(120, 2, generator=generator)
    axis.scatter(4.9 + cloud[:, 0], VAE + cloud[:, 1], s=4, color="0.45")
    box(axis, "decoder", 7.0, VAE, DRAWS)
    picture(axis, images[:1], 9.3, VAE)
    arrows(axis, VAE, (1, 1.8), (3.4, 4.4), (5.4, 6.2), (7.8, 8.8))
    axis.text(4.9, VAE - 0.56, "a cloud of codes", ha="center", va="center", fontsize=8, color="0.35")
    axis.set(xlim=(-0.2, 10.2), ylim=(-0.75, 4.5), aspect="equal")  # after the images, which set limits of their own
    return fig


def picture(axis: Axes, image: Tensor, x: float, y: float) -> None:
    """An image [1, C, H, W], a little under one unit wide, around (x, y)."""
    axis.imshow(to_pixels(image)[0], extent=(x - 0.4, x + 0.4, y - 0.4, y + 0.4), zorder=2)


def box(axis: Axes, words: str, x: float, y: float, colour: str) -> None:
    style = "round,pad=0.02,rounding_size=0.1"
    axis.add_patch(FancyBboxPatch((x - 0.75, y - 0.3), 1.5, 0.6, boxstyle=style, color=colour, alpha=0.25, lw=0))
    axis.text(x, y, words, ha="center", va="center", fontsize=9)


def arrows(axis: Axes, y: float, *spans: tuple[float, float]) -> None:
    for begin, end in spans:
        axis.annotate("", (end, y), (begin, y), arrowprops=ARROW)
