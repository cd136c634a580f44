"""Sentences that say what was drawn: "a thick red seven leaning left". Made from the factors when asked for."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from course_lib.data.glyphs import NAMES

THIN, THICK = 2.0, 3.0  # stroke width in pixels of a 28-pixel image
LEAN = 0.15  # tangent of the angle to the vertical

PALETTE = {
    "red": (0.90, 0.15, 0.15),
    "orange": (1.00, 0.55, 0.10),
    "yellow": (0.95, 0.90, 0.20),
    "green": (0.20, 0.75, 0.25),
    "cyan": (0.20, 0.85, 0.90),
    "blue": (0.20, 0.35, 0.95),
    "purple": (0.60, 0.25, 0.85),
    "pink": (1.00, 0.55, 0.75),
    "white": (0.97, 0.97, 0.97),
}


def colour_names(ink: Tensor) -> Tensor:
    """Position in PALETTE of the colour nearest to each ink colour: [N, 3] -> int64 [N]."""
    palette = torch.tensor(list(PALETTE.values()), device=ink.device, dtype=ink.dtype)
    return torch.cdist(ink, palette).argmin(-1)


class Captions(Sequence):
    """A list of N sentences that keeps a few numbers per image and writes the sentence when it is read."""

    def __init__(self, labels: Tensor, factors: dict[str, Tensor]):
        thickness = factors["thickness"].cpu()
        lean = (factors["slant"] + torch.deg2rad(factors["rotation"]).tan()).cpu()
        self.digit = labels.cpu()
        self.weight = (thickness > THIN).int() + (thickness > THICK).int()
        self.leaning = (lean > -LEAN).int() + (lean > LEAN).int()
        self.colour = colour_names(factors["ink"]).cpu() if "ink" in factors else None

    def __len__(self) -> int:
        return len(self.digit)

    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        colour = "" if self.colour is None else list(PALETTE)[self.colour[index]]
        words = (
            ("thin", "", "thick")[self.weight[index]],
            colour,
            NAMES[self.digit[index]],
            ("leaning left", "upright", "leaning right")[self.leaning[index]],
        )
        sentence = " ".join(word for word in words if word)
        return f"{'an' if sentence[0] in 'aeiou' else 'a'} {sentence}"
