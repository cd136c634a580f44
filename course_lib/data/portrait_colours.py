"""The palettes of a portrait and the patterns of its background and clothes. Colours are RGB in [0, 1]."""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

from course_lib.data.new_worlds import pixel_grid


def rgb(code: str) -> tuple[float, ...]:
    return tuple(int(code[i : i + 2], 16) / 255 for i in (0, 2, 4))


def palette(**codes: str) -> dict[str, tuple[float, ...]]:
    return {name.replace("_", " "): rgb(code) for name, code in codes.items()}


SKIN = [rgb(code) for code in ("fbdfcb", "f3c5a2", "e3a87c", "c58457", "985e3e", "70432d", "523023")]  # light to dark
HAIR_COLOURS = palette(
    black="2b2429", dark_brown="4b3028", brown="7c4c30", auburn="96402b", red="cc5a2e", blond="e6b566", grey="a9a4a2",
    white="ece7de", pink="e88ca4", blue="4f7fb0",
)  # fmt: skip
EYE_COLOURS = palette(brown="6b4226", hazel="94702f", green="4f8f5f", blue="4a8cc4", grey="7d8b96")
CLOTHES_COLOURS = palette(
    orange="cb6441", yellow="e3ab40", green="41705a", navy="31466a", cream="f2e8d6", plum="7d4262", teal="2f8d8e",
    pink="e39393", charcoal="40404c", blue="5f87b5",
)  # fmt: skip
BACKGROUNDS = palette(
    sand="f1dcb6", peach="f8cba8", coral="f0937d", honey="f3c361", sage="b9cfa8", mint="a8dac7", sky="a5d2e8",
    lilac="cbbfe6", rose="f2bcc6", cream="f7efdf", teal="64aca6", dusk="6d7cab",
)  # fmt: skip
LIPS = palette(natural="c0625a", rose="d9647a", red="c92c3a", plum="7e2b4d")
FRAMES = palette(no="3b2a2a", round="5a3326", square="2c2b33", cat_eye="a33b3b", sun="241f26")  # of the glasses
INK, WHITE, GOLD = rgb("3a2622"), rgb("fdfaf5"), rgb("f0b93f")
CREAM, HONEY = (1.0, 0.97, 0.90), (1.0, 0.92, 0.79)  # what light adds


def mix(a: Tensor, b: Tensor | tuple[float, ...], share: float | Tensor) -> Tensor:
    """Colours [N, 3] a little way from a to b."""
    return torch.lerp(a, torch.as_tensor(b, dtype=a.dtype, device=a.device).expand_as(a), share)


def skin_tone(tone: Tensor) -> Tensor:
    """Colour [N, 3] of the skin at each tone [N] in [0, 1], on straight lines between the colours of SKIN."""
    colours = torch.tensor(SKIN, device=tone.device)
    place = tone * (len(SKIN) - 1)
    low = place.long().clamp(max=len(SKIN) - 2)
    return torch.lerp(colours[low], colours[low + 1], (place - low)[:, None])


@cache
def fields(size: int, device: torch.device) -> dict[str, Tensor]:
    """Patterns [kinds, size, size] in [0, 1] of backgrounds and clothes, and the grid [size, size, 2] they lie on."""
    grid = pixel_grid(size, device=device)
    x, y = grid.unbind(-1)
    pixel = 1 / size

    def stripes(phase: Tensor, edge: Tensor | float) -> Tensor:
        """1 in half of each period, 0 in the other half; edge: how much of a period a pixel is long."""
        return (0.5 + ((phase.frac() - 0.5).abs() - 0.25) / edge).clamp(0, 1)

    def dots(period: float, radius: float) -> Tensor:
        odd = (y / period).floor() % 2
        u, v = (x / period + 0.5 * odd).frac() - 0.5, (y / period).frac() - 0.5
        return (0.5 + (radius - (u.square() + v.square()).sqrt()) * period / pixel).clamp(0, 1)

    dx, dy = x - 0.5, y - 0.48
    distance = (dx.square() + dy.square()).sqrt()
    disc = (0.5 + (0.41 - distance) / pixel).clamp(0, 1)
    rays = 12 * torch.atan2(dy, dx) / (2 * math.pi) + 20.25
    rays = stripes(rays, (12 * pixel / (2 * math.pi * distance)).clamp(max=1))
    nothing = torch.zeros_like(x)
    return {
        "grid": grid,
        "background": torch.stack([nothing, disc, rays, stripes((x + y) * 5, 7 * pixel), dots(0.16, 0.26)]),
        "clothes": torch.stack([nothing, stripes(y / 0.125 + 0.1, 8 * pixel), dots(0.125, 0.28)]),
    }
