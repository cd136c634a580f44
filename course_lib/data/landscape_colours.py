"""The colours of the landscapes: what light the sky gives by day and by night, and what it falls on in each season."""

from __future__ import annotations

from functools import cache

import torch
from torch import Tensor

# by day, then by night: zenith, middle and horizon of the sky, the light that falls on things, the sun or the moon
SKY = {
    "blue": (
        ("3a8bd0", "86c4ec", "dff1ef", "fffdf4", "fff6c8"),
        ("0b1740", "1d3a75", "5179a8", "6d84b4", "f4f1dc"),
    ),
    "pink": (
        ("79a9d8", "f3bfc0", "ffe7c4", "fff1e6", "fff3d2"),
        ("1a1746", "413478", "8d6a9f", "7083c2", "fbeadf"),
    ),
    "golden": (
        ("5d92bd", "f5b978", "ffe19c", "fff4e6", "fff7d0"),
        ("101c3f", "303e6b", "947176", "6287c0", "fde6c3"),
    ),
    "teal": (
        ("4aa3ab", "a3d8cd", "f3f2d6", "fafbf2", "fffbe0"),
        ("06232f", "124a5b", "4f9097", "6a99a4", "eef5e4"),
    ),
    "violet": (
        ("6a6dbb", "e391b2", "ffcfa6", "ffece6", "ffefc0"),
        ("1b1036", "472a70", "a2608c", "6c82ca", "f7e3ea"),
    ),
}
NIGHT_SKIES = ("blue", "indigo", "dusky", "teal", "purple")  # what the same skies are called by night
GROUND = {  # in summer and in winter
    "rock": ("7482a0", "77849f"),
    "shadow": ("4c6089", "8fa5c9"),  # the side of a mountain that is turned away from the light
    "snow": ("fbfcff", "fbfcff"),
    "snow in shadow": ("a9bce0", "a9bce0"),
    "far": ("6f9aa0", "b9cbe0"),  # hills in the distance
    "forest": ("2f6a55", "54707f"),
    "middle": ("5d9a5f", "d3e0ee"),
    "near": ("8dbb54", "f6f9fe"),
    "bank": ("4f8f45", "c9d8f0"),
    "dry": ("c9b458", "f6f9fe"),
    "water": ("2f7fa8", "a9c8e4"),  # and ice
    "pine": ("24604a", "2d5a55"),
    "pine in light": ("4d8456", "ffffff"),
    "frost": ("8fa3cb", "8fa3cb"),
    "frost in light": ("f6f9ff", "f6f9ff"),
    "glass": ("51657a", "51657a"),
    "sail": ("fdf8ec", "fdf8ec"),
}
LEAVES = {"oak": "4f9a3f", "birch": "77b54c", "poplar": "3f8a54"}
BARK = {"oak": "6a4a38", "birch": "ece6da", "poplar": "6a5040"}
PETALS = {"white": "fdfbf2", "yellow": "ffd94a", "red": "ee5a45", "purple": "b678d8", "pink": "ff9ec0"}
WALLS = {"red": "b8402f", "white": "f3ead8", "yellow": "e0a13c", "blue": "5b86a8"}
ROOFS = ("5a4a4c", "8c4a3a", "6b4a3c", "4a4f5e")
HULL, LAMP = "a8452f", "ffd36b"


@cache
def rgb(*codes: str, device: torch.device | str = "cpu") -> Tensor:
    """Colours "rrggbb" as rows of red, green, blue in [0, 1]: [len(codes), 3]. Not to be written into."""
    rows = [[int(code[i : i + 2], 16) / 255 for i in (0, 2, 4)] for code in codes]
    return torch.tensor(rows, device=device)


@cache
def sky_table(device: torch.device | str = "cpu") -> Tensor:
    """[2 times of day, skies, 5 colours, 3]. Not to be written into."""
    return torch.stack([torch.stack([rgb(*times[k], device=device) for times in SKY.values()]) for k in (0, 1)])
