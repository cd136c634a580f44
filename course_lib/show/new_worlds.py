"""The portrait editor of chapter 12: every factor a control, and the parts told where the pointer is."""

from __future__ import annotations

from base64 import b64encode
from functools import cache
from pathlib import Path
from typing import Any

import ipywidgets
import torch
import traitlets
from PIL import Image, ImageDraw

from course_lib.data import portraits
from course_lib.data.drawn_world import DrawnSet
from course_lib.errors import CourseError
from course_lib.show import paint
from course_lib.show.panel import Drawn, Panel, choice, slider, steps

SHEET = 100  # portraits that the slider chooses from
SIDE = 384  # of the picture on the page
COLUMNS = (  # the controls, as they stand below each other
    "face width tilt skin light blush freckles nose eyes eye_colour gaze brows brow_weight smile open lips",
    "hair hair_colour hair_shade parting beard glasses earrings hat hat_colour clothes clothes_colour pattern "
    "background background_colour",
)


class Portrait(Drawn):
    """A portrait and what is seen where, drawn by `portrait.js`; `spot` is the part that is outlined, -1 for none."""

    _esm = Path(__file__).with_name("portrait.js")
    picture = traitlets.Unicode().tag(sync=True)
    side = traitlets.Int(1).tag(sync=True)
    parts = traitlets.List(list(portraits.PARTS)).tag(sync=True)
    labels = traitlets.Unicode().tag(sync=True)
    lines = traitlets.List().tag(sync=True)
    spot = traitlets.Int(-1).tag(sync=True)


def in_words(name: str) -> str:
    return name.replace("_", " ")


def step_of(name: str) -> float:
    """Of a number's slider: a fiftieth of the range."""
    return (portraits.FACTORS[name].high - portraits.FACTORS[name].low) / 50


def moved(name: str, value: Any, before: Any) -> bool:
    return value != before if portraits.FACTORS[name].values else abs(value - before) > step_of(name) / 2


def control_of(name: str, value: Any) -> Any:
    """A drop-down list for a category, a slider for a number."""
    factor = portraits.FACTORS[name]
    if factor.values:
        made = choice(in_words(name), [(word, k) for k, word in enumerate(factor.values)], int(value))
    else:
        step = step_of(name)  # the browser moves a value to the nearest step, so begin on one
        snapped = factor.low + step * round((float(value) - factor.low) / step)
        made = slider(in_words(name), round(snapped, 4), factor.low, factor.high, step)
    made.style.description_width, made.layout.width = "125px", "305px"
    made.tooltip = factor.what
    return made


@cache
def changers(part: str) -> str:
    """The factors that change a part, in words."""
    return ", ".join(in_words(name) for name, factor in portraits.FACTORS.items() if part in factor.parts)


def labels_of(drawn: DrawnSet) -> torch.Tensor:
    """The part that most of each pixel belongs to, int64 [H, W], of the first portrait."""
    return drawn.masks[0].argmax(0)


def line_of(drawn: DrawnSet, part: str) -> str:
    share = float(drawn.mask(part)[0].mean())
    said = f"{part}: {share:.0%} of the picture" if share else f"{part}: not seen"
    return f"{said}. Changed by {changers(part)}."


def outlined(drawn: DrawnSet, part: str, side: int = SIDE) -> Image.Image:
    """The first portrait with the outline of a part, as the browser draws it: for the still picture."""
    picture = paint.enlarged(drawn.images[0], side)
    inside = torch.nn.functional.pad(labels_of(drawn) == drawn.parts.index(part), (1, 1, 1, 1))
    cell, pen = side / drawn.images.shape[-1], ImageDraw.Draw(picture)
    for colour, width in ((paint.PAPER, 5), (paint.ORANGE, 3)):
        for dy, dx in ((1, 0), (0, 1)):
            border = inside[dy:, dx:] != inside[: len(inside) - dy, : len(inside) - dx]
            for row, column in border.nonzero().tolist():  # between this pixel (with its margin) and the next
                x, y = (column + dx - 1) * cell, (row + dy - 1) * cell
                pen.line((x, y, x + (cell if dy else 0), y + (cell if dx else 0)), fill=colour, width=width)
    return picture


def portrait_editor(number: int = 0, size: int = 64) -> Panel:
    """Panel with a control for every factor, over a portrait of the sheet; a part under the pointer is outlined.

    number  which of the sheet's portraits to begin with, 0 to 99
    size    pixels along its side
    """
    if number not in range(SHEET):
        raise CourseError(f"number: got {number!r}, expected 0 to {SHEET - 1}")
    sizes = (16, 32, 64, 128)
    if size not in sizes:
        raise CourseError(f"size: got {size!r}, expected one of {', '.join(map(str, sizes))}")
    sheet, view = portraits.draw(SHEET, size=16).factors, Portrait()
    which, resolution = steps("portrait", number, 0, SHEET - 1), choice("pixels", list(sizes), size)
    for one in (which, resolution):
        one.style.description_width, one.layout.width = "125px", "305px"
    controls = {name: control_of(name, sheet[name][number]) for name in portraits.FACTORS} | {"size": resolution}
    begun = {name: control.value for name, control in controls.items()}

    def draw(size: int, **factors: Any) -> tuple[Any, str]:
        drawn = portraits.draw(1, size=size, **factors)
        with view.hold_sync():
            view.side, view.lines = size, [line_of(drawn, part) for part in drawn.parts]
            view.labels = "".join(chr(65 + part) for part in labels_of(drawn).flatten().tolist())
            code = b64encode(paint.as_png(paint.enlarged(drawn.images[0], size))).decode()
            view.picture = f"data:image/png;base64,{code}"
        by_hand = [f"{in_words(k)} {told(k, value)}" for k, value in factors.items() if moved(k, value, begun[k])]
        words = "; ".join(
            [f"A portrait at {size} pixels: {drawn.captions[0]}", *([", ".join(by_hand)] if by_hand else [])]
        )

        def still() -> Image.Image:
            part = "hair" if drawn.mask("hair").any() else "skin"
            return paint.above(outlined(drawn, part), paint.text_line(line_of(drawn, part).split(".")[0]))

        return still, f"{words}."

    columns = [ipywidgets.VBox([controls[name] for name in names.split()]) for names in COLUMNS]
    columns[1].children = (which, resolution, *columns[1].children)
    beside = ipywidgets.HBox([view, *columns], layout=ipywidgets.Layout(flex_flow="row wrap"))
    panel = Panel(controls, draw, [beside], view)
    panel.box.children = tuple(child for child in panel.box.children if child is not view)  # it stands in `beside`

    def another(change: Any) -> None:
        values = {name: control_of(name, sheet[name][change["new"]]).value for name in portraits.FACTORS}
        begun.update(values)
        panel.set(**values)

    which.observe(another, "value")
    panel.number = which
    return panel


def told(name: str, value: Any) -> str:
    values = portraits.FACTORS[name].values
    return values[value] if values else f"{value:.2f}"
