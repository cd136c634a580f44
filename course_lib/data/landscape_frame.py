"""What the painters of a landscape share: its parts, chance, canvas, coordinates, light and soft shapes.

Everything lives in the unit square, y pointing down. A ridge is a height for every x; what lies below it is covered
softly, over about a pixel.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from course_lib.data.landscape_colours import GROUND, rgb, sky_table
from course_lib.data.new_worlds import Canvas

# "cast" is what things throw around them: shadows at their feet, and by night the light of windows
PARTS = ("sky", "sun", "clouds", "mountains", "hills", "meadow", "water", "trees", "house", "boat", "cast")
PLACES = 6  # of trees: five on the meadow, one in front
STARS, FLOWERS, CLOUDS, PUFFS = 32, 60, 3, 5
SHAPES = {  # what chance draws for a place, uniform in [0, 1): the form of what no factor names
    "wave": (5, 5, 2),
    "peak": (6, 3),
    "wood": (40,),
    "tree": (PLACES, 3),
    "star": (STARS, 3),
    "cloud": (CLOUDS, 2 + 3 * PUFFS),
    "flower": (FLOWERS, 3),
    "river": (3,),
}
WAVE = {"mountains": 0, "hills": 1, "wood": 2, "meadow": 3, "rise": 4}


def plane(values: Tensor) -> Tensor:
    """[n] -> [n, 1, 1], one number for each picture; a line [n, W] -> [n, 1, W]."""
    return values[:, None, None] if values.ndim == 1 else values[:, None]


def dye(colour: Tensor) -> Tensor:
    """[n, 3] -> [n, 3, 1, 1]"""
    return colour[:, :, None, None]


def mix(a: Tensor, b: Tensor, share: Tensor | float) -> Tensor:
    """a where share is 0, b where it is 1. Shares of a plane [n, H, W] mix colours [n, 3, 1, 1] or [n, 3, H, W]."""
    if isinstance(share, Tensor) and share.ndim == 3 and a.ndim == 4:
        share = share[:, None]
    return a + (b - a) * share


def smooth(x: Tensor) -> Tensor:
    """0 below 0, 1 above 1, without a corner in between."""
    x = x.clamp(0, 1)
    return x * x * (3 - 2 * x)


class RowCanvas(Canvas):
    """A canvas on which a layer may belong to some of the pictures only."""

    def paint(self, alpha: Tensor, colour: Tensor, part: str, rows: Tensor | None = None) -> None:
        """As `Canvas.paint`. rows: the numbers [n] of the pictures that alpha [n, H, W] and colour are for."""
        colour = dye(colour) if colour.ndim == 2 else colour
        if rows is None:
            self.colours.lerp_(colour.expand_as(self.colours), alpha[:, None])
        else:
            some = self.colours[rows]
            self.colours[rows] = some.lerp_(colour.expand_as(some), alpha[:, None])
        self.layers.append((alpha, self.parts.index(part), slice(None) if rows is None else rows))

    def shares(self) -> Tensor:
        """As `Canvas.shares`."""
        count, _, height, width = self.colours.shape
        through = self.colours.new_ones(count, height, width)
        shares = self.colours.new_zeros(count, len(self.parts), height, width)
        for alpha, part, rows in reversed(self.layers):
            seen = alpha * through[rows]
            shares[rows, part] += seen
            through[rows] -= seen
        shares[:, 0] += through
        return shares


class Frame:
    """What all painters share: factors [n], chance, pixels' coordinates, colours in the light of the hour."""

    def __init__(self, factors: dict[str, Tensor], chance: dict[str, Tensor], size: int):
        self.f, self.chance, self.size = factors, chance, size
        self.count, self.device = len(factors["time"]), factors["time"].device
        self.flat = ((torch.arange(size, device=self.device) + 0.5) / size)[None]  # [1, W]
        self.x, self.y = self.flat[:, None, :], self.flat[:, :, None]
        self.night, self.winter = factors["time"].float()[:, None], factors["season"].float()[:, None]  # [n, 1]
        table = sky_table(self.device)[factors["time"], factors["sky"]]
        self.zenith, self.middle, self.low, self.light, self.orb = table.unbind(1)  # [n, 3] each
        self.right = factors["front_side"].float() * 2 - 1
        self.front_x = torch.where(self.right > 0, 1 - factors["front_edge"], factors["front_edge"])
        self.canvas = RowCanvas(torch.zeros(self.count, 3, size, size, device=self.device), PARTS)

    def paint(self, part: str, alpha: Tensor, colour: Tensor, rows: Tensor | None = None) -> None:
        self.canvas.paint(alpha, colour, part, rows)

    # ---------------------------------------------------------------------------------------------------- colours

    def ground(self, name: str, rows: Tensor | slice = slice(None)) -> Tensor:
        """The colour of the season, [n, 3]."""
        summer, winter = rgb(*GROUND[name], device=self.device)
        return mix(summer, winter, self.winter[rows])

    def lit(self, colour: Tensor, rows: Tensor | slice = slice(None)) -> Tensor:
        """A colour [n, 3] in the light of the hour; by night colours fade, and snow keeps what light there is."""
        night = self.night[rows]
        snow = night * self.winter[rows]
        colour = mix(colour, colour.mean(1, keepdim=True), 0.3 * night) * self.light[rows] * (1 + 0.16 * snow)
        return mix(colour, self.middle[rows], 0.12 * night - 0.08 * snow)

    def away(self, name: str, share: float) -> Tensor:
        """Aerial perspective: the further away, the more a colour turns to that of the horizon."""
        return mix(self.lit(self.ground(name)), self.low, share * self.f["haze"][:, None])

    def green(self, name: str) -> Tensor:
        """The meadow between lush and dry; snow hides which."""
        colour = mix(self.ground(name), self.ground("dry"), 0.6 * self.f["dry"][:, None] * (1 - self.winter))
        return self.lit(colour)

    # ----------------------------------------------------------------------------------------------------- shapes

    def waves(self, name: str, start: float, decay: float, x: Tensor | None = None) -> Tensor:
        """A wavy line, about -1 to 1, at places x [1, K] or in every column: five sines, the first with `start` periods
        across the picture. Returns [n, K]."""
        height, phase = self.chance["wave"][:, WAVE[name]].unbind(-1)  # [n, 5] each
        order = torch.arange(height.shape[1], device=self.device)
        height = 0.62 * (0.5 + height) / 1.9 ** (order * decay)
        turns = start * 1.9 ** order[:, None] * (self.flat if x is None else x)  # [5, K]
        return (height[..., None] * (math.tau * (turns + phase[..., None])).sin()).sum(1)

    def edge(self, depth: Tensor) -> Tensor:
        """Coverage from a depth below the edge (positive inside) in units of the picture."""
        return (depth * self.size + 0.5).clamp(0, 1)

    def below(self, line: Tensor) -> Tensor:
        """Coverage [n, H, W] of what lies below a line y(x), [n, W]; where it is steep, the distance is less."""
        slope = torch.gradient(line, dim=1)[0] * self.size
        return self.edge((self.y - plane(line)) / plane((1 + slope.square()).sqrt()))

    def dots(self, x: Tensor, y: Tensor, radius: Tensor, strength: Tensor) -> Tensor:
        """Coverage [n, H, W] of many small discs: x, y, radius (in pixels) and strength [n, D]."""
        reach, size = math.ceil(2 * float(radius.max())) + 2, self.size
        left, top = ((place * size - reach / 2).round().long() for place in (x, y))
        covered = torch.zeros(len(x), size * size, device=self.device)
        for i in range(reach):
            for j in range(reach):
                column, row = left + i, top + j
                away = torch.hypot(column + 0.5 - x * size, row + 0.5 - y * size)
                inside = (column >= 0) & (column < size) & (row >= 0) & (row < size)
                share = (radius + 0.5 - away).clamp(0, 1) * strength * inside
                covered.scatter_add_(1, (row * size + column).clamp(0, size * size - 1), share)
        return covered.view(-1, size, size).clamp_(max=1)
