"""The code plane of chapter 9: where an autoencoder with two numbers puts its images, and what it draws in between."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from course_lib.data.imageset import ImageSet
from course_lib.errors import CourseError
from course_lib.show import paint
from course_lib.show.panel import Panel, Touch, choice, slider

SIDE, BIG = 340, 200  # pixels on the screen: the plane, one image
CODES = 1500  # dots in the plane
TILES = 15  # images along one side of the decoded plane


def code_plane(model: Any, images: ImageSet) -> Panel:
    """Panel for a model of two code numbers with `codes(images)` and `decode(codes)`.

    Press or drag in the plane, or move two sliders, and the point moves; the decoder's image of it is shown beside the
    image whose code is nearest.
    The plane shows the codes of `images`, one colour per class, or a grid of decoded points. The dashed circle holds
    95 % of the draws from a standard normal.
    """
    if getattr(model, "latent", None) != 2:
        raise CourseError(f"model: got a code of {getattr(model, 'latent', 'no')} numbers, expected one of 2")
    shown = images.images[:CODES]
    codes, labels = model.codes(shown).cpu(), images.labels[:CODES]
    low, high = frame(codes)
    start = codes.median(dim=0).values
    steps = ((high - low) / 100).tolist()
    controls = {
        "across": slider("across", float(start[0]), float(low[0]), float(high[0]), steps[0]),
        "up": slider("up", float(start[1]), float(low[1]), float(high[1]), steps[1]),
        "show": choice("show", ["codes", "decoded"]),
    }
    planes = {"codes": scatter(codes, labels, low, high), "decoded": decoded(model, low, high)}
    key = legend(images.class_names)
    spread = float(nearest_distances(codes).median())

    def draw(across: float, up: float, show: str) -> tuple[Image.Image, str]:
        point = torch.tensor([[across, up]])
        distances = (codes - point).norm(dim=1)
        near = int(distances.argmin())
        away = float(distances[near])
        plane = planes[show].copy()
        cross(plane, pixel(point, low, high)[0])
        name = images.class_names[int(labels[near])]
        lines = [
            f"code ({across:.2f}, {up:.2f})",
            f"nearest code: {away:.2f} away, class {name}",
            f"two neighbouring codes: about {spread:.2f}",
        ]
        tiles = paint.beside(
            paint.above(paint.text_line("decoded here", 13), paint.enlarged(model.decode(point)[0], BIG), gap=2),
            paint.above(paint.text_line("the nearest image", 13), paint.enlarged(shown[near], BIG // 2), gap=2),
        )
        picture = paint.beside(paint.above(plane, key), paint.above(tiles, *map(paint.text_line, lines)))
        x, y = ((point[0] - low) / (high - low)).tolist()
        board.lay(picture, [(0, 0, SIDE, SIDE)], [(x, 1 - y)])
        words = (
            f"The plane of codes with a cross at ({across:.2f}, {up:.2f}), and what is decoded there. The nearest of "
            f"{len(codes)} codes is {away:.2f} away, of class {name}."
        )
        return picture, words

    board = Touch()
    panel = Panel(controls, draw, [*controls.values()], board)

    def follow(_: int, x: float, y: float) -> None:
        across, up = (low + torch.tensor([x, 1 - y]) * (high - low)).tolist()
        panel.set(across=across, up=up)

    board.when_touched(follow)
    return panel


def frame(codes: Tensor) -> tuple[Tensor, Tensor]:
    """Corners [2] of a square around the codes [N, 2] and the standard normal draws, with a little margin."""
    low, high = codes.amin(dim=0).clamp(max=-2.6), codes.amax(dim=0).clamp(min=2.6)
    middle, half = (low + high) / 2, 0.53 * (high - low).max()
    return middle - half, middle + half


def nearest_distances(codes: Tensor) -> Tensor:
    """From each code [N, 2] to its nearest neighbour, [N]; 0 for a single code."""
    distances = torch.cdist(codes, codes)
    distances.fill_diagonal_(float("inf"))
    return distances.amin(dim=1).nan_to_num(posinf=0.0)


def pixel(points: Tensor, low: Tensor, high: Tensor) -> list[tuple[float, float]]:
    """Points [N, 2] -> places in the plane's picture; up is up."""
    share = (points - low) / (high - low)
    return [(x * SIDE, (1 - y) * SIDE) for x, y in share.tolist()]


def scatter(codes: Tensor, labels: Tensor, low: Tensor, high: Tensor) -> Image.Image:
    """The codes as dots, one colour per class, and the dashed circle."""
    image = Image.new("RGB", (SIDE, SIDE), paint.PAPER)
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, SIDE - 1, SIDE - 1), outline=paint.GREY)
    for (x, y), label in zip(pixel(codes, low, high), labels.tolist(), strict=True):
        paint.dot(pen, x, y, paint.class_colour(label))
    angle = torch.linspace(0, 2 * torch.pi, 61)
    circle = 2.448 * torch.stack([angle.cos(), angle.sin()], dim=1)  # the root of -2 ln 0.05
    ring = pixel(circle, low, high)
    for i in range(0, 60, 2):
        pen.line([ring[i], ring[i + 1]], fill=paint.INK, width=2)
    return image


def legend(names: Sequence[str]) -> Image.Image:
    """The first ten classes with their colours, five in a row."""
    image = Image.new("RGB", (SIDE, 40), paint.PAPER)
    pen = ImageDraw.Draw(image)
    for i, name in enumerate(names[: len(paint.CLASSES)]):
        x, y = SIDE // 5 * (i % 5), 20 * (i // 5)
        pen.rectangle((x + 2, y + 4, x + 12, y + 14), fill=paint.class_colour(i))
        pen.text((x + 17, y + 9), name[:7], fill=paint.INK, font=paint.font(12), anchor="lm")
    return image


def decoded(model: Any, low: Tensor, high: Tensor) -> Image.Image:
    """What the decoder makes of a grid of points: each tile is the image at its own middle."""
    middles = (torch.arange(TILES) + 0.5) / TILES
    y, x = torch.meshgrid(middles.flip(0), middles, indexing="ij")
    points = low + torch.stack([x, y], dim=2).reshape(-1, 2) * (high - low)
    images = model.decode(points).cpu()
    return paint.enlarged(paint.tiled(images, TILES), SIDE)


def cross(plane: Image.Image, place: tuple[float, float]) -> None:
    pen = ImageDraw.Draw(plane)
    x, y = place
    for width, shade in ((6, paint.PAPER), (3, paint.ORANGE)):
        pen.line((x - 9, y, x + 9, y), fill=shade, width=width)
        pen.line((x, y - 9, x, y + 9), fill=shade, width=width)
