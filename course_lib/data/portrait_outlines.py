"""How the outlines of a portrait are written down: anchors with corners, mirror images, lobes, holes.

Head coordinates: (0, 0) is the middle of the face, x = 1 its side, y = -1 the top of the skull and y = 1 the chin.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch import Tensor

from course_lib.data.drawing_images import bezier
from course_lib.data.new_worlds import smooth_outline


def closed(anchors: list[tuple]) -> Tensor:
    """Control points [3n, 2] through anchors (x, y), smooth, or with a corner where an anchor is (x, y, "corner")."""
    points = torch.tensor([anchor[:2] for anchor in anchors for _ in range(len(anchor) - 1)])  # a corner is two anchors
    cubics = smooth_outline(points).unflatten(0, (-1, 3))
    return cubics[(points != points.roll(-1, 0)).any(-1)].flatten(0, 1)  # without the cubic between the two


def mirrored(half: list[tuple]) -> Tensor:
    """A symmetric outline from its right half, which begins above and ends below (or behind) on the axis x = 0."""
    left = [(-anchor[0], *anchor[1:]) for anchor in half[::-1] if anchor[0] != 0]
    return closed(half + left)


def lobed(anchors: list[tuple[float, float]], bump: float, smooth: int = 0) -> Tensor:
    """An outline of round lobes, one from each anchor to the next; the last `smooth` of them are straight."""
    points = torch.tensor(anchors)
    to_next = points.roll(-1, 0) - points
    outward = torch.stack([to_next[:, 1], -to_next[:, 0]], -1) * bump  # anchors run clockwise on the screen
    outward[len(points) - smooth :] = 0
    return torch.stack([points, points + 0.1 * to_next + outward, points + 0.9 * to_next + outward], 1).flatten(0, 1)


def ring(lobes: int, radius: tuple[float, float], centre: tuple[float, float], start: float = 0, end: float = 360):
    """Anchors clockwise on an ellipse, from one angle to another; 0 is up, in degrees."""
    turns = end - start
    angles = [math.radians(start + turns * k / (lobes if turns == 360 else lobes - 1)) for k in range(lobes)]
    return [(centre[0] + radius[0] * math.sin(a), centre[1] - radius[1] * math.cos(a)) for a in angles]


def holed(outer: Tensor, inner: Tensor) -> Tensor:
    """An outline with a hole: around it, along a line to the hole, around that the other way, and back."""
    way = torch.lerp(outer[:1], inner[:1], torch.tensor([0, 1 / 3, 2 / 3, 1])[:, None])
    return torch.cat([outer, way[:3], torch.cat([inner, inner[:1]]).flip(0)[:-1], way.flip(0)[:3]])


def polylines(outlines: Iterable[Tensor], step: float) -> Tensor:
    """Corners [A, K, 2] of A outlines, cubics in pieces no longer than `step`; short outlines end in one point."""
    lines = []
    for control in outlines:
        cubics = torch.cat([control, control[:1]]).unfold(0, 4, 3).transpose(1, 2)  # [n, 4, 2]
        lengths = (bezier(cubics, torch.linspace(0, 1, 17)).diff(dim=1)).norm(dim=-1).sum(1)
        pieces = (lengths / step).ceil().clamp(min=3).int().tolist()
        lines.append(torch.cat([bezier(cubic, torch.arange(n) / n) for cubic, n in zip(cubics, pieces)]))
    longest = max(map(len, lines))
    return torch.stack([torch.cat([line, line[:1].expand(longest - len(line), 2)]) for line in lines])


C = "corner"
NOTHING = torch.full((3, 2), -9.0)  # an outline of no area
