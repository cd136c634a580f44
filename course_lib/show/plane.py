"""Small pictures of the game in the plane: a field of opinion, points, arrows, the warped grid, two loss curves."""

from __future__ import annotations

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from course_lib.show.paint import BLUE, GREY, INK, ORANGE, PAPER, SOFT, font
from course_lib.show.training_view import smooth

REACH = 1.6  # the plane is shown from -REACH to REACH
LEVELS = 41  # colours of the field, few enough to see where it bends
REAL_DOT, FAKE_DOT = (10, 50, 100), (150, 55, 0)  # darker than the field, so that both are seen on it


def colours() -> np.ndarray:
    """uint8 [1025, 3] from orange (0) over white (1/2) to blue (1): told apart by colour-blind readers."""
    steps = np.round(np.linspace(-1, 1, 1025)[:, None] * (LEVELS // 2)) / (LEVELS // 2)
    end = np.where(steps > 0, BLUE, ORANGE)
    strength = 0.8 * np.abs(steps) ** 0.6  # more contrast around 1/2, where the game should end
    return (255 + strength * (end - 255)).round().astype(np.uint8)


COLOURS = colours()


def lattice(side: int) -> Tensor:
    """Points of the plane, row by row from the top left as pixels are: float32 [side * side, 2]."""
    line = torch.linspace(-REACH, REACH, side)
    y, x = torch.meshgrid(line.flip(0), line, indexing="ij")
    return torch.stack([x, y], dim=2).reshape(-1, 2)


def field(values: Tensor, side: int) -> Image.Image:
    """Values [H, W] in [0, 1] as a coloured square of `side` pixels."""
    small = Image.fromarray(values.nan_to_num(0.5).clamp(0, 1).float().numpy())
    smooth_values = np.asarray(small.resize((side, side), Image.Resampling.BILINEAR))
    return Image.fromarray(COLOURS[(smooth_values * (len(COLOURS) - 1)).round().astype(int)])


def pixels(points: Tensor, side: int) -> list[tuple[float, float]]:
    """Points [N, 2] -> pixel positions; those far outside stay outside, but within what Pillow can take."""
    x, y = points.nan_to_num(1e3).clamp(-1e3, 1e3).unbind(dim=1)
    scale = side / (2 * REACH)
    return list(zip(((x + REACH) * scale).tolist(), ((REACH - y) * scale).tolist(), strict=True))


def dots(image: Image.Image, points: Tensor, real: bool) -> None:
    """Real points are round, generated ones square and orange; a white rim keeps both readable on any colour."""
    pen = ImageDraw.Draw(image)
    shape, colour = (pen.ellipse, REAL_DOT) if real else (pen.rectangle, FAKE_DOT)
    for x, y in pixels(points, image.width):
        shape((x - 2.5, y - 2.5, x + 2.5, y + 2.5), fill=colour, outline=PAPER)


def arrows(image: Image.Image, points: Tensor, pulls: Tensor) -> None:
    """A dart from each point [N, 2] along its pull [N, 2]; a pull of length 1 is 17 pixels long, none exceeds 22."""
    pen = ImageDraw.Draw(image)
    size = pulls.norm(dim=1, keepdim=True).clamp_min(1e-12)
    along = (pulls / size * size.tanh() * 22 * torch.tensor([1.0, -1.0])).tolist()
    for (x, y), (dx, dy) in zip(pixels(points, image.width), along, strict=True):
        pen.polygon((x - dy / 8, y + dx / 8, x + dx, y + dy, x + dy / 8, y - dx / 8), fill=INK)


def warped(lines: Tensor, real: Tensor, side: int) -> Image.Image:
    """The images [2, L, K, 2] of L straight lines of noise per axis, over real points [N, 2] in pale blue."""
    image = Image.new("RGB", (side, side), PAPER)
    pen = ImageDraw.Draw(image)
    for x, y in pixels(real, side):
        pen.ellipse((x - 2, y - 2, x + 2, y + 2), fill=(140, 180, 215))
    for axis, colour in zip(lines, (INK, ORANGE), strict=True):
        for i, line in enumerate(axis):
            pen.line(pixels(line, side), fill=colour, width=3 if i == len(axis) // 2 else 1)
    return image


def thinned(values: list[float], most: int) -> np.ndarray:
    """A loss without what is not finite, smoothed, at `most` places at most; empty where there are no two steps yet."""
    known = np.asarray(values)[np.isfinite(values)] if values else np.empty(0)
    if len(known) < 2:
        return np.empty(0)
    line = smooth(known, max(len(known) // 50, 1))
    return line[np.linspace(0, len(line) - 1, min(len(line), most)).round().astype(int)]


def curves(losses: dict[str, list[float]], first: int, width: int, height: int) -> Image.Image:
    """Two losses, each smoothed, over the steps that begin after step `first`; what is not finite is left out."""
    image = Image.new("RGB", (width, height), PAPER)
    pen = ImageDraw.Draw(image)
    left, top, right, bottom = 40, 40, width - 6, height - 18
    pen.rectangle((left, top, right, bottom), outline=GREY)
    lines = {name: line for name, values in losses.items() if len(line := thinned(values, width))}
    low = min((line.min() for line in lines.values()), default=0.0)
    high = max(max((line.max() for line in lines.values()), default=1.0), low + 1e-6)
    for i, (name, colour) in enumerate(zip(losses, (BLUE, ORANGE), strict=True)):
        pen.text((left, 2 + 18 * i), f"{name}'s loss", fill=colour, font=font(13))
        if name not in lines:
            continue
        line = lines[name]
        x = np.linspace(left, right, len(line))
        y = bottom - (bottom - top) * (line - low) / (high - low)
        pen.line(list(zip(x.tolist(), y.tolist(), strict=True)), fill=colour, width=2)
        pen.text((right, 2 + 18 * i), f"{line[-1]:.3g}", fill=colour, font=font(13), anchor="ra")
    for y, value, anchor in ((top, high, "ra"), (bottom, low, "rs")):
        pen.text((left - 4, y), f"{value:.2g}", fill=SOFT, font=font(12), anchor=anchor)
    pen.text((left, bottom + 3), f"step {first + 1}", fill=SOFT, font=font(12))
    pen.text((right, bottom + 3), f"{first + max(map(len, losses.values()))}", fill=SOFT, font=font(12), anchor="ra")
    return image
