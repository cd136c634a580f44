"""What a portrait is painted of: its layers, back to front, so that chapter 12 can paint it again in front of you."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.data.portrait_paint import paint
from course_lib.data.portrait_painter import Painter


class Layer(NamedTuple):
    """One coat of paint on N portraits.

    alpha   [N, H, W] in [0, 1], how much of what is behind it hides
    colour  [N, 3, H, W] in [0, 1], or [N, 3, 1, 1] where it is the same everywhere
    part    the part it belongs to
    tint    it colours what is there (a shadow, a blush, a pattern) and adds nothing new
    """

    alpha: Tensor
    colour: Tensor
    part: str
    tint: bool


class Recorder(Painter):
    """A painter that keeps its layers."""

    def __init__(self, factors: dict[str, Tensor], size: int):
        super().__init__(factors, size)
        self.backdrop, self.layers, self.part = self.canvas.colours.clone(), [], self.canvas.parts[0]

    def paint(self, alpha: Tensor, colour: Tensor | tuple[float, ...], part: str | None = None) -> None:
        super().paint(alpha, colour, part)
        if isinstance(colour, tuple):
            colour = self.vector(*colour)[None]
        self.part = part or self.part
        everywhere = alpha.new_zeros(self.count, self.size, self.size)
        everywhere[:, self.rows, self.columns] = alpha
        self.layers.append(Layer(everywhere, colour.expand(self.count, 3)[..., None, None], self.part, part is None))


def layers(factors: dict[str, Tensor], size: int = 32) -> tuple[Tensor, list[Layer]]:
    """The backdrop [N, 3, size, size] in [0, 1] and every layer, back to front, of the portraits with these factors.

    factors  as in the `factors` of a set that `portraits.draw` made. Each layer, painted over what is there by
             `new_worlds.over`, adds up to its images, up to their rounding to 8 bits
    """
    recorder: list[Recorder] = []

    def painter(*given) -> Recorder:
        recorder.append(Recorder(*given))
        return recorder[0]

    with torch.no_grad():
        paint(factors, size, painter)
    return recorder[0].backdrop, recorder[0].layers
