"""Chapter 15's curtain: drag it between a real picture and its translation, with the truth a click away."""

from __future__ import annotations

import io
from base64 import b64encode
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import ipywidgets
import numpy as np
import traitlets
from PIL import Image, ImageDraw
from torch import Tensor

from course_lib.errors import CourseError
from course_lib.gan.counterparts import grey_levels
from course_lib.show import paint
from course_lib.show.panel import Drawn, Panel, choice, slider, steps

SIDE, TILE = 384, 106  # pixels on the screen: of the picture under the curtain, of one beside it


class Way(NamedTuple):
    """One direction: images [N, C, H, W], what a translator made of them, and their true counterparts, where known."""

    sources: Tensor
    translations: Tensor
    truths: Tensor | None = None


class Curtain(Drawn):
    """The two pictures and the curtain over them; `curtain.js` draws them.

    share  where the curtain hangs, from the left; the pointer, the arrow keys and a slider move it
    """

    _esm = Path(__file__).with_name("curtain.js")
    pictures = traitlets.List().tag(sync=True)
    share = traitlets.Float(0.5).tag(sync=True)


def curtain(ways: Mapping[str, Way]) -> Panel:
    """Panel: a real picture left of the curtain, its translation right of it; "truth" puts the counterpart there.

    ways  such as {"summer to winter": Way(summer, made, winter)}: names of two words with "to" between them
    Raises CourseError for none, for a name without "to", and for lists of different length.
    """
    if not ways:
        raise CourseError("ways: got none, expected at least one")
    for name, way in ways.items():
        if name.count(" to ") != 1:
            raise CourseError(f"ways: got the name {name!r}, expected one such as 'summer to winter'")
        shapes = {tuple(images.shape) for images in way if images is not None}
        if len(shapes) != 1:
            raise CourseError(f"ways: {name!r} has images {sorted(shapes)}, expected one shape for all")
    names = list(ways)
    place = steps("place", 0, 0, min(len(way.sources) for way in ways.values()) - 1)
    view, hung = Curtain(), slider("curtain", 0.5, 0.0, 1.0, 0.01)
    truth = ipywidgets.Checkbox(False, description="truth instead", indent=False)
    controls = {"curtain": hung, "place": place, "way": choice("way", names), "truth": truth}
    ipywidgets.jslink((hung, "value"), (view, "share"))

    def draw(curtain: float, place: int, way: str, truth: bool):
        here, there = way.split(" to ")
        source, made, true = (None if images is None else images[place] for images in ways[way])
        known = true is not None
        shown = true if truth and known else made
        looks = [
            (source, f"real: {here}", paint.BLUE),
            (shown, f"true {there}", paint.BLUE) if shown is true else (shown, f"generated: {there}", paint.ORANGE),
        ]
        pictures = [
            {"url": url_of(image), "name": name, "colour": paint.hex_code(colour)} for image, name, colour in looks
        ]
        if pictures != view.pictures:
            view.pictures = pictures
        words = f"Place {place}, {way}. The left {curtain:.0%} is the real picture, the rest is "
        words += f"{'its true counterpart' if truth and known else 'generated'}."
        if known:
            off, copy = grey_levels(made[None], true[None]), grey_levels(source[None], true[None])
            words += f" Generated and truth differ by {off:.1f} grey levels a pixel, the picture itself by {copy:.1f}."
        elif truth:
            words += " Nobody knows the truth of these worlds."

        def still() -> Image.Image:
            tiles = [(source, f"real: {here}", paint.BLUE), (made, f"generated: {there}", paint.ORANGE)]
            tiles += [(true, f"true {there}", paint.BLUE)] if known else []
            return paint.beside(
                under(looks[0], looks[1], curtain),
                paint.above(*(paint.beside(titled(*tile, TILE)) for tile in tiles), gap=4),
            )

        return still, words

    row = ipywidgets.Layout(flex_flow="row wrap")
    rows = [[controls["way"], place], [hung, truth]]
    return Panel(controls, draw, [ipywidgets.HBox(knobs, layout=row) for knobs in rows], view)


def url_of(image: Tensor) -> str:
    """One image [C, H, W] as a small PNG that a browser takes as an address."""
    buffer = io.BytesIO()
    paint.enlarged(image, max(image.shape[1:])).save(buffer, "PNG")
    return f"data:image/png;base64,{b64encode(buffer.getvalue()).decode()}"


def titled(image: Tensor, name: str, colour: tuple[int, int, int], side: int) -> Image.Image:
    return paint.above(paint.text_line(name, 14, colour), paint.enlarged(image, side), gap=1)


Look = tuple[Tensor, str, tuple[int, int, int]]  # an image [C, H, W], its name and the name's colour


def under(left: Look, right: Look, share: float) -> Image.Image:
    """Both pictures under the curtain, each with its name above."""
    pixels = [np.asarray(paint.enlarged(image, SIDE)) for image, _, _ in (left, right)]
    seam = round(share * SIDE)
    picture = Image.fromarray(np.concatenate([pixels[0][:, :seam], pixels[1][:, seam:]], axis=1))
    pen = ImageDraw.Draw(picture)
    pen.rectangle((seam - 3, -1, seam + 2, SIDE), fill=paint.PAPER, outline=paint.INK)
    names = Image.new("RGB", (SIDE, 22), paint.PAPER)
    pen = ImageDraw.Draw(names)
    for (_, name, colour), x, anchor in ((left, 2, "lm"), (right, SIDE - 2, "rm")):
        pen.text((x, 11), name, fill=colour, font=paint.font(14), anchor=anchor)
    return paint.above(names, picture, gap=1)
