"""All the skeletons of `glyphs` as tensors, so that a batch of different digits is drawn by the same few operations."""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.data import glyphs
from course_lib.data.drawing_images import bernstein

PIECES = 72  # straight pieces per digit, pen-up moves included
FINE = 64  # steps per curve when its length is measured


class Atlas:
    """The G glyphs (every allograph of every digit, in order), padded to P control points and cut into PIECES pieces.

    first   int64 [S + 1], number of the first glyph of each of the S symbols; the last entry is G
    share   [G], running share of each allograph within its digit
    points  [G, P, 2], control points in heights of the digit, y pointing down
    anchor  int64 [G, P], number of the anchor that each control point moves with
    side    int64 [G, P], -1 for the handle before an anchor, 0 for the anchor itself, 1 for the handle after it
    flick   [G, P, 2], direction of the pen at the ends of strokes, zero elsewhere
    basis   [G, PIECES + 1, P], turns control points into the corners of a polyline
    pen     [G, PIECES], 1 where the pen is down
    """

    def __init__(self):
        drawn = [strokes for symbol in glyphs.SYMBOLS for strokes in glyphs.allographs(symbol)]
        width = max(sum(map(len, strokes)) for strokes in drawn)
        self.first = torch.tensor([0, *(len(glyphs.GLYPHS[symbol]) for symbol in glyphs.SYMBOLS)]).cumsum(0)
        self.share = torch.cat([glyphs.frequencies(symbol).cumsum(0) for symbol in glyphs.SYMBOLS])
        self.points, self.flick = torch.zeros(2, len(drawn), width, 2)
        self.anchor, self.side = torch.zeros(2, len(drawn), width, dtype=torch.int64)
        for g, strokes in enumerate(drawn):
            start = anchors = 0
            for stroke in strokes:
                order = torch.arange(len(stroke))  # anchor, handle, handle, anchor, ...
                stop = start + len(stroke)
                self.points[g, start:stop] = stroke
                self.anchor[g, start:stop] = anchors + (order + 1) // 3
                self.side[g, start:stop] = (order + 1) % 3 - 1
                ends = torch.stack([stroke[0] - stroke[1], stroke[-1] - stroke[-2]])
                self.flick[g, [start, stop - 1]] = torch.nn.functional.normalize(ends, dim=-1)
                start, anchors = stop, anchors + len(stroke) // 3 + 1
        cut = [polyline(strokes, width) for strokes in drawn]
        self.basis, self.pen = torch.stack([basis for basis, _ in cut]), torch.stack([pen for _, pen in cut])
        self.anchors = int(self.anchor.max()) + 1

    def to(self, device: torch.device | str) -> Atlas:
        """A copy with its tensors on `device`."""
        copy = object.__new__(Atlas)
        vars(copy).update({k: v.to(device) if isinstance(v, Tensor) else v for k, v in vars(self).items()})
        return copy


def polyline(strokes: tuple[Tensor, ...], width: int, pieces: int = PIECES) -> tuple[Tensor, Tensor]:
    """How to cut strokes into a polyline of equally long pieces.

    strokes  control points [3n + 1, 2] of each stroke; width is at least the number of all of them, the rest is padding
    Returns basis [pieces + 1, width], whose product with the control points are the corners, and pen [pieces]: 1, or 0
    on the one piece that moves the lifted pen to the next stroke.
    """
    walks = [walk(stroke) for stroke in strokes]
    lengths = torch.stack([walked[-1] for walked in walks])
    spare = pieces + 1 - 2 * len(strokes)  # every stroke has one piece, and one move leads to the next stroke
    ends = (lengths.cumsum(0) / lengths.sum().clamp(min=1e-9) * spare).round().long()
    counts = 1 + ends.diff(prepend=torch.zeros(1, dtype=torch.int64))
    rows, pen, start = [], [], 0
    for stroke, walked, count in zip(strokes, walks, counts.tolist(), strict=True):
        wanted = torch.linspace(0, float(walked[-1]), count + 1)
        step = torch.searchsorted(walked, wanted).clamp(1, len(walked) - 1)
        part = (wanted - walked[step - 1]) / (walked[step] - walked[step - 1]).clamp(min=1e-9)
        t = (step - 1 + part.clamp(0, 1)) / FINE  # position along the stroke, one unit per curve
        curve = t.long().clamp(max=len(stroke) // 3 - 1)
        row = torch.zeros(count + 1, width)
        rows.append(row.scatter_(1, start + 3 * curve[:, None] + torch.arange(4), bernstein(3, t - curve)))
        pen += [1.0] * count + [0.0]
        start += len(stroke)
    return torch.cat(rows), torch.tensor(pen[:-1])


def walk(stroke: Tensor) -> Tensor:
    """Length walked along a stroke after each of FINE steps per curve: [FINE n + 1], starting at 0."""
    curves = stroke[torch.arange(0, len(stroke) - 1, 3)[:, None] + torch.arange(4)]  # [n, 4, 2]
    corners = bernstein(3, torch.linspace(0, 1, FINE + 1)) @ curves
    return torch.cat([torch.zeros(1), corners.diff(dim=1).norm(dim=-1).flatten().cumsum(0)])
