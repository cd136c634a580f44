"""Augmentation of a whole batch at once, on the device that holds it.

Every function takes images [N, C, H, W] in [-1, 1] and a CPU generator, and returns images of the same shape. The
random numbers are drawn on the CPU, so that every device augments alike. What moves in from outside is background, -1.
Bind options with functools.partial: `augment=partial(shift, pixels=3)`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from course_lib.errors import CourseError

Augmentation = Callable[[Tensor, Generator], Tensor]


def shift(images: Tensor, generator: Generator, pixels: int = 2) -> Tensor:
    """Move each image by a whole number of pixels, uniform in -pixels .. pixels, in each direction."""
    if not isinstance(pixels, int) or pixels < 0:
        raise CourseError(f"pixels: got {pixels!r}, expected a whole number, 0 or more")
    count, _, height, width = images.shape
    padded = F.pad(images, (pixels,) * 4, value=-1.0)
    windows = padded.unfold(2, height, 1).unfold(3, width, 1)  # [N, C, 2p+1, 2p+1, H, W], a view: nothing is copied
    down, right = torch.randint(0, 2 * pixels + 1, (2, count), generator=generator).to(images.device)
    return windows[torch.arange(count, device=images.device), :, down, right]


def affine(
    images: Tensor,
    generator: Generator,
    degrees: float = 10.0,
    scale: float = 0.1,
    shear: float = 0.1,
    shift: float = 2.0,
) -> Tensor:
    """Turn, stretch, slant and move each image, each amount uniform in plus or minus the bound given; bilinear.

    degrees  rotation
    scale    relative change of width and of height, separately (0.1: from 90 % to 110 %); less than 1
    shear    slope of a vertical line (0.1: one pixel sideways for ten up)
    shift    pixels, fractions included
    """
    for name, bound in (("degrees", degrees), ("scale", scale), ("shear", shear), ("shift", shift)):
        if not 0 <= bound < (1 if name == "scale" else math.inf):
            raise CourseError(f"{name}: got {bound!r}, expected 0 or more{', and less than 1' * (name == 'scale')}")
    count, _, height, width = images.shape
    amount = torch.rand(6, count, generator=generator, dtype=torch.float64) * 2 - 1
    turn = amount[0] * math.radians(degrees)
    stretch = 1 / (1 + amount[1:3] * scale)  # the matrix maps output to input, so it shrinks where the image grows
    slope = amount[3] * shear
    # In pixels: input = R(turn) @ [[1, slope], [0, 1]] @ diag(stretch) @ output + move.
    cos, sin = turn.cos(), turn.sin()
    matrix = torch.stack(
        [
            torch.stack([cos * stretch[0], (cos * slope - sin) * stretch[1], amount[4] * shift], dim=1),
            torch.stack([sin * stretch[0], (sin * slope + cos) * stretch[1], amount[5] * shift], dim=1),
        ],
        dim=1,
    )  # [N, 2, 3]
    # affine_grid counts from -1 to 1 in both directions, so half a width and half a height are its units.
    matrix[:, 0, 1] *= height / width
    matrix[:, 1, 0] *= width / height
    matrix[:, 0, 2] *= 2 / width
    matrix[:, 1, 2] *= 2 / height
    grid = F.affine_grid(matrix.to(images.device, images.dtype), list(images.shape), align_corners=False)
    # grid_sample pads with 0; one added before and taken off after makes that the background.
    return F.grid_sample(images + 1, grid, mode="bilinear", padding_mode="zeros", align_corners=False) - 1


def flip(images: Tensor, generator: Generator, probability: float = 0.5) -> Tensor:
    """Mirror each image left to right with the given probability. Not for digits: a mirrored 2 is no digit."""
    if not 0 <= probability <= 1:
        raise CourseError(f"probability: got {probability!r}, expected a number from 0 to 1")
    chosen = (torch.rand(len(images), generator=generator) < probability).to(images.device)
    return torch.where(chosen[:, None, None, None], images.flip(3), images)


def compose(*augmentations: Augmentation) -> Augmentation:
    """One augmentation that applies several, first to last."""

    def composed(images: Tensor, generator: Generator) -> Tensor:
        for augmentation in augmentations:
            images = augmentation(images, generator)
        return images

    return composed
