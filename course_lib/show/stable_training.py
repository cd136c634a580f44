"""The distance explorer of chapter 7: two heaps on a line, three distances, and what each game tells the generator."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import ipywidgets
import torch
import traitlets
from PIL import Image, ImageDraw
from torch import Tensor

from course_lib.gan.games import OBJECTIVES
from course_lib.gan.the_gan_game import optimal_discriminator
from course_lib.show import paint
from course_lib.show.panel import Drawn, Panel, Picture, choice, slider

GAUSSIANS, BOXES = "two Gaussians", "two boxes"
GAMES = [name for name in OBJECTIVES if name != "relativistic"]  # whose best player says nothing of one place alone
FARTHEST, STEP = 8.0, 0.1  # of the slider
LINE = torch.linspace(-4, 12, 1601, dtype=torch.float64)  # where densities are evaluated, 0.01 apart
FINE, ARROW = 2, 60  # painted so many times as large; pixels of the arrow for a gradient of 1
COLOURS = {"total variation": paint.SOFT, "Jensen-Shannon": paint.ORANGE, "Wasserstein": paint.BLUE}


def densities(kind: str, distance: float) -> tuple[Tensor, Tensor]:
    """Real around 0 and fake around `distance`, on LINE: Gaussians of deviation 1, or boxes two wide."""
    if kind == GAUSSIANS:
        return tuple((-(LINE - centre).square() / 2).exp() / math.sqrt(2 * math.pi) for centre in (0.0, distance))
    return tuple(((LINE - centre).abs() <= 1).double() / 2 for centre in (0.0, distance))


def distances(kind: str, distance: float) -> dict[str, float]:
    """Total variation in [0, 1], Jensen-Shannon in [0, ln 2], Wasserstein, which is the shift itself."""
    if kind == BOXES:
        apart = min(distance / 2, 1.0)  # the share of each box that lies outside the other
        return {"total variation": apart, "Jensen-Shannon": apart * math.log(2), "Wasserstein": distance}
    real, fake = densities(kind, distance)
    middle = (real + fake) / 2
    tiny = torch.finfo(torch.float64).tiny
    parts = [torch.special.xlogy(p, p / middle.clamp_min(tiny)) for p in (real, fake)]
    return {
        "total variation": math.erf(distance / math.sqrt(8)),
        "Jensen-Shannon": float(torch.trapezoid(sum(parts) / 2, LINE)),
        "Wasserstein": distance,
    }


def gradient(kind: str, game: str, distance: float) -> float:
    """d (generator's loss) / d x at the middle of the fakes, against the best discriminator or critic of that game.

    The best logit for two Gaussians is log p(x) - log q(x) = distance * (distance / 2 - x), a straight line. For boxes
    the best verdict is a staircase, flat wherever it has a slope at all.
    """
    if distance == 0:
        return 0.0  # nothing to tell apart
    if game == "Wasserstein":
        return 1.0
    if kind == BOXES or game == "linear pay-off":
        return 0.0
    logit = -(distance**2) / 2
    sure = logit if game == "minimax" else -logit
    return distance / (1 + math.exp(-sure))


def verdicts(kind: str, game: str, distance: float) -> Tensor:
    """What the best player says along LINE, as heights in [0, 1]; a critic's line is drawn about the middle."""
    real, fake = densities(kind, distance)
    if game == "Wasserstein":
        slope = 0.0 if distance == 0 else 1.0
        return 0.5 + slope * (distance / 2 - LINE) / (3 * FARTHEST)
    best = optimal_discriminator(real, fake)
    if game == "linear pay-off":
        return torch.where(best > 0.5, 1.0, torch.where(best < 0.5, 0.0, 0.5)).double()
    return best


class Heaps(Drawn):
    """The heaps, the best player and the three distances, drawn by the browser from `numbers` for every distance."""

    _esm = Path(__file__).with_name("distances.js")
    look = traitlets.Dict({"farthest": FARTHEST, "step": STEP}).tag(sync=True)
    numbers = traitlets.Dict().tag(sync=True)
    distance = traitlets.Float().tag(sync=True)


@cache
def numbers(kind: str, game: str) -> dict[str, Any]:
    """What the browser draws: the real heap, and for every distance of the slider what the best player says of the
    line, the three distances and the gradient.
    """
    shifts = [STEP * i for i in range(round(FARTHEST / STEP) + 1)]
    said = torch.stack([verdicts(kind, game, shift)[::4] for shift in shifts])
    table = [distances(kind, shift) for shift in shifts]
    return {
        "game": game,
        "critic": game == "Wasserstein",
        "density": bytes(densities(kind, 0.0)[0][::2].float().numpy()),
        "verdicts": bytes((said * 65535).round().numpy().astype("uint16")),
        "tables": {name: [row[name] for row in table] for name in table[0]},
        "pulls": [gradient(kind, game, shift) for shift in shifts],
    }


def distance_explorer() -> Panel:
    """Panel: move the fakes away from the real ones, and see which game still tells the generator where to go."""
    controls = {
        "distance": slider("distance", 3.0, 0.0, FARTHEST, STEP),
        "kind": choice("heaps", [GAUSSIANS, BOXES]),
        "game": choice("objective", GAMES),
    }
    heaps = Heaps(distance=3.0, numbers=numbers(GAUSSIANS, GAMES[0]))
    ipywidgets.jslink((controls["distance"], "value"), (heaps, "distance"))

    def draw(distance: float, kind: str, game: str) -> tuple[Picture, str]:
        measured, pull = distances(kind, distance), gradient(kind, game, distance)
        heaps.numbers = numbers(kind, game)
        words = (
            f"{kind[0].upper()}{kind[1:]} {distance:.1f} apart: "
            f"total variation {measured['total variation']:.3f} of 1, "
            f"Jensen-Shannon {measured['Jensen-Shannon']:.3f} of {math.log(2):.3f}, "
            f"Wasserstein {measured['Wasserstein']:.2f}. "
            f"In the {game} game the gradient at the middle of the fakes is {pull:.4f}."
        )
        return lambda: paint.beside(stage(kind, game, distance, pull), meters(kind, distance)), words

    left = ipywidgets.HBox([controls["kind"], controls["game"]])
    return Panel(controls, draw, [controls["distance"], left], heaps)


# ---------------------------------------------------------------------------------------------------------------------
# Painting
# ---------------------------------------------------------------------------------------------------------------------


class Axes:
    """A frame on white paper that maps data to pixels; painted FINE times as large, so that lines are smooth."""

    def __init__(self, width: int, height: int, x: tuple[float, float], y: tuple[float, float], title: str):
        self.canvas = Image.new("RGB", (FINE * width, FINE * height), paint.PAPER)
        self.pen = ImageDraw.Draw(self.canvas)
        self.box, self.x, self.y = [FINE * side for side in (10, 30, width - 10, height - 34)], x, y
        self.write((FINE * 10, FINE * 4), title, paint.INK, 15, "la")
        left, _, right, bottom = self.box
        self.pen.line((left, bottom, right, bottom), fill=paint.SOFT, width=FINE)

    @property
    def image(self) -> Image.Image:
        return self.canvas.reduce(FINE)

    def at(self, x: float, y: float) -> tuple[float, float]:
        left, top, right, bottom = self.box
        (x0, x1), (y0, y1) = self.x, self.y
        return left + (x - x0) / (x1 - x0) * (right - left), bottom - (y - y0) / (y1 - y0) * (bottom - top)

    def write(
        self, place: tuple[float, float], words: str, colour: tuple[int, int, int], size: int, anchor: str
    ) -> None:
        self.pen.text(place, words, fill=colour, font=paint.font(FINE * size), anchor=anchor)

    def curve(self, xs: Sequence[float], ys: Sequence[float], colour: tuple[int, int, int], width: int = 3) -> None:
        points = [self.at(x, y) for x, y in zip(xs, ys, strict=True)]
        self.pen.line(points, fill=colour, width=FINE * width, joint="curve")

    def dot(self, place: tuple[float, float], radius: int, colour: tuple[int, int, int]) -> None:
        x, y = place
        self.pen.ellipse((x - FINE * radius, y - FINE * radius, x + FINE * radius, y + FINE * radius), fill=colour)

    def ticks(self, values: Sequence[float]) -> None:
        for value in values:
            x, y = self.at(value, self.y[0])
            self.pen.line((x, y, x, y + 4 * FINE), fill=paint.SOFT, width=FINE)
            self.write((x, y + 5 * FINE), f"{value:g}", paint.SOFT, 12, "ma")

    def word(self, x: float, y: float, words: str, colour: tuple[int, int, int], anchor: str = "lm") -> None:
        self.write(self.at(x, y), words, colour, 13, anchor)


def stage(kind: str, game: str, distance: float, pull: float) -> Image.Image:
    """The two heaps, what the best discriminator says of every place, and the way the generator is sent."""
    axes = Axes(470, 280, (-4, 12), (0, 1.16), f"the heaps, and the best player of the {game} game")
    some = slice(None, None, 4)
    xs = LINE[some].tolist()
    for density, colour in zip(densities(kind, distance), (paint.BLUE, paint.ORANGE), strict=True):
        axes.curve(xs, density[some].tolist(), colour)
    axes.curve(xs, verdicts(kind, game, distance)[some].tolist(), paint.INK, 2)
    axes.ticks([-4, 0, 4, 8, 12])
    axes.word(-3.8, 1.1, "real", paint.BLUE)
    axes.word(-2.5, 1.1, "fake", paint.ORANGE)
    name = "best critic" if game == "Wasserstein" else "best verdict D(x)"
    axes.word(-1.1, 1.1, name, paint.INK)
    tail, height = axes.at(distance, 0.66)
    axes.dot((tail, height), 5, paint.ORANGE)
    long = FINE * ARROW * min(pull, 2.5)  # to where the point of the head is
    head = min(FINE * 14.0, long)  # a short arrow has a small head
    if long >= FINE:
        axes.pen.line((tail, height, tail - long + head, height), fill=paint.ORANGE, width=FINE * 5)
        corners = [(tail - long, height), *((tail - long + head, height + side * head * 0.7) for side in (-1, 1))]
        axes.pen.polygon(corners, paint.ORANGE)
    axes.write((tail, height - 16 * FINE), f"gradient {pull:.4f}", paint.ORANGE, 13, "mb")
    return axes.image


@cache
def meter_curves(kind: str) -> tuple[list[float], dict[str, list[float]]]:
    """The three distances from 0 to FARTHEST, each as a share of what it is at FARTHEST."""
    shifts = [FARTHEST * i / 60 for i in range(61)]
    table = [distances(kind, shift) for shift in shifts]
    return shifts, {name: [row[name] / table[-1][name] for row in table] for name in table[0]}


def meters(kind: str, distance: float) -> Image.Image:
    """All three distances against the shift, with the present one marked."""
    axes = Axes(330, 280, (0, FARTHEST), (0, 1.16), "three distances, each as a share of its end")
    shifts, curves = meter_curves(kind)
    mark = axes.at(distance, 0)[0]
    axes.pen.line((mark, axes.box[1], mark, axes.box[3]), fill=paint.GREY, width=2 * FINE)
    here = distances(kind, distance)
    for row, (name, values) in enumerate(curves.items()):
        axes.curve(shifts, values, COLOURS[name], 7 if name == "total variation" else 3)  # wide: it may lie below
        far = distances(kind, FARTHEST)[name]
        axes.dot(axes.at(distance, here[name] / far), 5, COLOURS[name])
        axes.word(FARTHEST, 0.42 - 0.12 * row, f"{name} {here[name]:.3f}", COLOURS[name], "rm")
    axes.ticks([0, 2, 4, 6, 8])
    return axes.image
