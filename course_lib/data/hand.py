"""The random hand: from random numbers to factors (slant, width, ...), and from factors to a digit's polyline."""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.data.atlas import Atlas
from course_lib.data.drawing_images import pixel_centres, render
from course_lib.data.glyphs import SYMBOLS


class Habit(NamedTuple):
    """How a factor varies from hand to hand: normal, cut to [low, high]; `log` means that its logarithm is normal."""

    mean: float
    spread: float
    low: float
    high: float
    log: bool = False


HABITS = {
    "slant": Habit(0.15, 0.27, -0.8, 1.0),  # tangent of the shear; positive leans right
    "rotation": Habit(0.0, 4.0, -15, 15),  # degrees; positive turns clockwise, which leans right
    "width": Habit(-0.05, 0.22, 0.4, 2.5, log=True),  # stretch in x before framing
    "taper": Habit(0.0, 0.2, -0.6, 0.6),  # positive: the foot is wider than the head
    "balance": Habit(0.0, 0.2, -0.6, 0.6),  # positive: the middle sits higher
    "thickness": Habit(0.9, 0.3, 1.2, 8.0, log=True),  # width of the stroke in 28ths of the frame
    "contrast": Habit(1.0, 0.03, 0.5, 1.0),  # brightness of full ink
    "blur": Habit(1.15, 0.15, 0.6, 2.5),  # width of the soft edge in pixels
}
ANCHOR_JITTER = 0.05  # anchors move, with their handles; in heights of the digit like all lengths below
HANDLE_JITTER = 0.04  # the two handles of an anchor move opposite to each other, so that joins stay smooth
FLICK = 0.05  # strokes end early or late
WARP = 0.05  # amplitude of the smooth warp
PRESSURE = 0.1  # relative change of the stroke's width along the stroke
SCALES = 16  # pixels along a side of the small picture on which ink is weighed
EACH = 50  # of every digit in a block
BLOCK = EACH * len(SYMBOLS)  # images that share one random stream: 500
ATLAS = Atlas()


@cache
def atlas(device: torch.device) -> Atlas:
    """The skeletons on a device."""
    return ATLAS.to(device)


# ---------------------------------------------------------------------------------------------- from chance to factors


def random_numbers(count: int, seed: int, split: str = "train") -> dict[str, Tensor]:
    """All the chance in `count` images: tensors of `count` rows on the CPU. Row i does not depend on `count`.

    `label` (int64, EACH of every digit per block); uniform: `choice` (allograph), `phase` (of the warp), `colour`;
    normal: one column of `habits` per entry of HABITS, `jitter` of every anchor and its handles, `flick`, `warp`,
    `pressure`.
    """
    blocks = []
    for block in range(-(-count // BLOCK)):
        generator = torch.Generator().manual_seed((seed * 1_000_003 + block) * 2 + (split == "test"))

        def uniform(*shape: int, generator: torch.Generator = generator) -> Tensor:
            return torch.rand(BLOCK, *shape, generator=generator)

        def normal(*shape: int, generator: torch.Generator = generator) -> Tensor:
            return torch.randn(BLOCK, *shape, generator=generator)

        blocks.append(
            {
                "label": torch.randperm(BLOCK, generator=generator) % len(SYMBOLS),
                "choice": uniform(),
                "colour": uniform(7),
                "phase": uniform(2, 2),
                "habits": normal(len(HABITS)),
                "jitter": normal(2, ATLAS.anchors, 2),
                "flick": normal(ATLAS.points.shape[1], 1),
                "warp": normal(2, 2),
                "pressure": normal(4),
            }
        )
    return {name: torch.cat([block[name] for block in blocks])[:count] for name in blocks[0]}


def habits(normal: Tensor) -> dict[str, Tensor]:
    """The factors of one hand per image, each float32 [N], from normal numbers [N, len(HABITS)]."""
    factors = {}
    for (name, habit), column in zip(HABITS.items(), normal.T, strict=True):
        value = habit.mean + habit.spread * column
        factors[name] = (value.exp() if habit.log else value).clamp(habit.low, habit.high)
    return factors


def choose(labels: Tensor, uniform: Tensor) -> Tensor:
    """Number of the allograph of each image, int64 [N], as often as people write it, from uniform numbers [N]."""
    number = torch.zeros_like(labels)
    for label in range(len(SYMBOLS)):
        share = ATLAS.share[ATLAS.first[label] : ATLAS.first[label + 1]]
        here = labels == label
        number[here] = torch.searchsorted(share, uniform[here]).clamp(max=len(share) - 1)
    return number


# -------------------------------------------------------------------------------------------- from factors to polylines


def write(labels: Tensor, factors: dict[str, Tensor], chance: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    """One digit per image: corners [N, K, 2] in the frame [0, 1] and pen pressure [N, K - 1], for `render`."""
    book = atlas(labels.device)
    glyph = book.first[labels] + factors["allograph"]
    points = book.basis[glyph] @ shake(book, glyph, chance)  # [N, K, 2], in heights of the digit
    points = points - points.mean(1, keepdim=True)
    points = points + warp(points, chance)
    points = pose(points, {name: value[:, None] for name, value in factors.items() if value.ndim == 1})
    pen = book.pen[glyph]
    pen = pen * (PRESSURE * slow_waves(chance["pressure"], pen.shape[1])).exp()
    return frame(points, pen, factors["thickness"] / 28), pen


def shake(book: Atlas, glyph: Tensor, chance: dict[str, Tensor]) -> Tensor:
    """The control points [N, P, 2] of each glyph, set down by an unsteady hand."""
    anchor = book.anchor[glyph][..., None].expand(-1, -1, 2)
    move, turn = (chance["jitter"][:, i].gather(1, anchor) for i in range(2))
    moved = ANCHOR_JITTER * move + HANDLE_JITTER * turn * book.side[glyph][..., None]
    return book.points[glyph] + moved + FLICK * chance["flick"] * book.flick[glyph]


def warp(points: Tensor, chance: dict[str, Tensor]) -> Tensor:
    """A smooth displacement [N, K, 2] of the plane: two long waves of random direction and phase."""
    direction, phase = (2 * torch.pi * chance["phase"]).unbind(-1)  # [N, 2] each
    along = points @ torch.stack([direction.cos(), direction.sin()], 1)  # [N, K, 2], one column per wave
    slow, fast = (along * along.new_tensor([4, 8]) + phase[:, None]).sin().unbind(-1)  # radians per height
    return WARP * torch.stack([slow, fast / 2], -1) @ chance["warp"]


def pose(points: Tensor, factors: dict[str, Tensor]) -> Tensor:
    """Apply balance, taper, width, slant and rotation ([N, 1] each) to points [N, K, 2] around 0."""
    x, y = points.unbind(-1)
    y = y + factors["balance"] * (y.square() - 0.25)
    x = x * (1 + factors["taper"] * 2 * y) * factors["width"] - y * factors["slant"]
    angle = factors["rotation"].deg2rad()
    return torch.stack([x * angle.cos() - y * angle.sin(), x * angle.sin() + y * angle.cos()], -1)


def slow_waves(normal: Tensor, pieces: int) -> Tensor:
    """A sum of slow cosines along the pen's way, [N, pieces], with normal coefficients [N, W]."""
    along = torch.linspace(0, torch.pi, pieces, device=normal.device)
    order = torch.arange(1, normal.shape[1] + 1, device=normal.device)
    return normal @ (order[:, None] * along).cos()


def frame(points: Tensor, pen: Tensor, thickness: Tensor) -> Tensor:
    """Scale and shift like MNIST: the ink's box is 20/28 of the frame on its longer side, its mass is centred.

    points [N, K, 2], pen [N, K - 1]; thickness [N] is the width of the stroke in units of the frame. The box of the ink
    is taken as the box of the points plus 0.9 of the thickness, since the ends of strokes are rounded. The mass is
    weighed on a small picture, where strokes that cross count once.
    """
    low, high = points.amin(1, keepdim=True), points.amax(1, keepdim=True)
    scale = (20 / 28 - 0.9 * thickness).clamp(min=0.1) / (high - low).amax((1, 2)).clamp(min=1e-6)
    points = (points - (low + high) / 2) * scale[:, None, None] + 0.5
    ink = render(points, pen, thickness / 2, SCALES)
    axis = pixel_centres(SCALES, ink.device)
    centre = torch.stack([ink.sum(1) @ axis, ink.sum(2) @ axis], -1) / ink.sum((1, 2)).clamp(min=1e-6)[:, None]
    return points + 0.5 - centre[:, None]
