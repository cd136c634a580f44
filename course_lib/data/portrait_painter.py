"""What paints a portrait's parts: its shapes at one size, head coordinates, and coverage within a box."""

from __future__ import annotations

import math
from functools import cache

import torch
from torch import Tensor

from course_lib.data import portrait_shapes as shapes
from course_lib.data.new_worlds import Canvas, coverage, ellipse, outline
from course_lib.data.portrait_colours import (
    BACKGROUNDS,
    CLOTHES_COLOURS,
    CREAM,
    EYE_COLOURS,
    FRAMES,
    HAIR_COLOURS,
    HONEY,
    LIPS,
    fields,
    mix,
    skin_tone,
)
from course_lib.data.portrait_hair import HAIR, HATS
from course_lib.data.portrait_outlines import polylines

PARTS = (
    "background", "clothes", "skin", "hair", "eyes", "brows", "nose", "mouth", "beard", "glasses", "hat", "earrings",
)  # fmt: skip
MIDDLE, HALF = (0.5, 0.502), (0.262, 0.298)  # of the face: centre, half width and half height in units of the image
NECK = 1.05 * HALF[1]  # the head turns about this point below its centre

# Boxes of the image (left, top, right, bottom) outside of which nothing of a part is ever painted.
EVERYWHERE, HEAD, FEATURES = (0, 0, 1, 1), (0.10, 0.15, 0.90, 0.95), (0.13, 0.30, 0.87, 0.84)
JAW, BUST = (0.13, 0.36, 0.87, 0.96), (0.06, 0.60, 0.94, 1)


@cache
def atlas(size: int, device: torch.device) -> dict[str, Tensor]:
    """Every shape's allographs, as polylines [A, K, 2] fine enough for this size, and every palette [A, 3]."""
    hair, hats, clothes = (list(zip(*table.values())) for table in (HAIR, HATS, shapes.CLOTHES))
    step = 1.4 / size
    outlines = {
        "face": (shapes.FACES.values(), HALF[1]),
        "hair behind": (hair[0], HALF[1]),
        "hair": (hair[1], HALF[1]),
        "crown": (hats[0], HALF[1]),
        "brim": (hats[1], HALF[1]),
        "beard": (shapes.BEARD.values(), HALF[1]),
        "nose": (shapes.NOSES.values(), HALF[1]),
        "eyes": (shapes.EYES.values(), HALF[0]),
        "lashes": (map(shapes.lashes, shapes.EYES.values()), HALF[0]),
        "glasses": (shapes.GLASSES.values(), HALF[0]),
        "arm": ([shapes.rect(-0.14, -0.04, 0.14, 0.04)], HALF[0]),
        "bridge": ([shapes.rect(-0.10, -0.045, 0.10, 0.045)], HALF[0]),
        "circle": ([ellipse(torch.zeros(2), torch.ones(2))], 0.15 * HALF[0]),
        "dot": ([ellipse(torch.zeros(2), torch.ones(2))], 0),
        "under": (clothes[0], 1),
        "neckline": (clothes[1], 1),
        "over": (clothes[2], 1),
        "body": ([shapes.BODY], 1),
    }
    colours = {
        "hair colours": HAIR_COLOURS,
        "eye colours": EYE_COLOURS,
        "clothes colours": CLOTHES_COLOURS,
        "background colours": BACKGROUNDS,
        "lip colours": LIPS,
        "frame colours": FRAMES,
    }
    found = {name: polylines(lines, step / max(scale, 0.01)) for name, (lines, scale) in outlines.items()}
    found |= {name: torch.tensor(list(palette.values())) for name, palette in colours.items()}
    return {name: values.to(device) for name, values in found.items()}


def wide(values: Tensor) -> Tensor:
    """[N] -> [N, 1, 1], to go with pixels or points."""
    return values[:, None, None]


class Painter:
    """N portraits on their way from factors to a canvas: colours, head coordinates, coverage within a box."""

    def __init__(self, factors: dict[str, Tensor], size: int):
        self.f, self.size, self.count, self.device = factors, size, len(factors["face"]), factors["face"].device
        self.shapes, self.fields = atlas(size, self.device), fields(size, self.device)
        self.half = torch.stack([HALF[0] * factors["width"], torch.full_like(factors["width"], HALF[1])], -1)[:, None]
        self.cos, self.sin = (f(torch.deg2rad(factors["tilt"]))[:, None] for f in (torch.cos, torch.sin))
        self.side = 1.0 - 2.0 * wide(factors["parting"])
        self.flip = torch.tensor([-1.0, 1.0], device=self.device)

        self.skin = skin_tone(factors["skin"])
        self.shade, self.glow = self.skin * self.vector(0.80, 0.66, 0.62), mix(self.skin, HONEY, 0.45)
        hair = self.shapes["hair colours"][factors["hair_colour"]]
        bright = factors["hair_shade"][:, None]
        self.hair = mix(hair * (1 + 0.18 * bright.clamp(max=0)), HONEY, 0.16 * bright.clamp(min=0))
        self.hair_dark = self.hair * self.vector(0.76, 0.72, 0.76)

        dx, dy = self.fields["grid"].sub(self.vector(*MIDDLE) + self.vector(0, NECK)).unbind(-1)
        cos, sin = self.cos[..., None], self.sin[..., None]
        x, y = (cos * dx + sin * dy) / self.half[..., :1], (cos * dy - sin * dx + NECK) / HALF[1]
        self.everywhere = x, y  # of every pixel, in head coordinates
        back = self.shapes["background colours"][factors["background_colour"]]
        top, foot = (colour[..., None, None] for colour in (mix(back, CREAM, 0.28), back * 0.93))
        self.canvas = Canvas(torch.lerp(top, foot, self.fields["grid"][..., 1]), PARTS)
        self.within(EVERYWHERE)

    def vector(self, *values: float) -> Tensor:
        return torch.tensor(values, dtype=torch.float32, device=self.device)

    def within(self, box: tuple[float, float, float, float]) -> None:
        """From now on everything is computed and painted in this part of the image only."""
        left, top = (math.floor(edge * self.size) for edge in box[:2])
        right, bottom = (math.ceil(edge * self.size) for edge in box[2:])
        self.corner, self.rows, self.columns = (top, left), slice(top, bottom), slice(left, right)
        self.u, self.v = (values[:, self.rows, self.columns] for values in self.everywhere)

    def paint(self, alpha: Tensor, colour: Tensor | tuple[float, ...], part: str | None = None) -> None:
        if isinstance(colour, tuple):
            colour = self.vector(*colour)[None]
        self.canvas.paint(alpha, colour, part, self.corner)

    def pick(self, shape: str, factor: str | None = None, turned: bool = False) -> Tensor:
        """Each image's allograph of a shape: [N, 3n, 2]; turned: mirrored where the parting is on the right."""
        control = (
            self.shapes[shape].expand(self.count, -1, -1) if factor is None else self.shapes[shape][self.f[factor]]
        )
        return torch.cat([control[..., :1] * self.side, control[..., 1:]], -1) if turned else control

    def on_head(self, control: Tensor, at: tuple[float, float] | None = None) -> Tensor:
        """Head coordinates [N, K, 2] -> the image; with `at`, half widths of the face around that point."""
        control = control * self.half if at is None else control * HALF[0] + self.vector(*at) * self.half
        x, y = control[..., 0], control[..., 1] - NECK
        turned = self.cos * x - self.sin * y + MIDDLE[0], self.sin * x + self.cos * y + (NECK + MIDDLE[1])
        return torch.stack(turned, -1)

    def fill(self, lines: Tensor | list[Tensor], blur: float = 0.0) -> Tensor:
        """Coverage [N, h, w] of one polyline [N, K, 2] in the image, or of several that do not overlap.

        blur  width of the soft edge in units of the image; never less than a pixel
        """
        if isinstance(lines, list):  # one polygon: the way to a loop and back along the same line adds nothing
            home = lines[0][:, :1]
            lines = torch.cat([part for line in lines for part in (line, line[:, :1], home)], 1)
        points = lines - self.vector(self.corner[1], self.corner[0]) / self.size
        height, width = self.rows.stop - self.rows.start, self.columns.stop - self.columns.start
        return coverage(points * (self.size / height), height, width, blur=max(1.0, blur * self.size))

    def both(self, line: Tensor, at: tuple[float, float], shift: Tensor | float = 0.0) -> list[Tensor]:
        """A part of the face's right side and its mirror image on the left; shift moves both the same way."""
        left = (line * self.flip).flip(1)  # backwards, so that it too runs clockwise
        return [self.on_head(line + shift, at), self.on_head(left + shift, (-at[0], at[1]))]

    def curve(self, rows: list[tuple[Tensor | float, Tensor | float]], length: float) -> Tensor:
        """A polyline [N, K, 2] of control points that are computed, (x, y) with numbers [N]; its cubics' length."""
        like = self.f["width"]
        control = torch.stack([torch.stack([z + 0 * like for z in row], -1) for row in rows], 1)
        return outline(control, max(3, math.ceil(length * self.size / 1.4)))
