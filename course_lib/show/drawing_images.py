"""The stroke editor of chapter 1: drag the skeleton of a digit, move the hand's habits, and the pixels follow."""

from __future__ import annotations

from pathlib import Path

import anywidget
import ipywidgets
import torch
import traitlets
from PIL import Image

from course_lib.data.glyphs import skeleton
from course_lib.data.strokes import draw_strokes
from course_lib.errors import CourseError
from course_lib.show import paint
from course_lib.show.panel import Panel, choice, slider


class Skeleton(anywidget.AnyWidget):
    """Control points to drag: `strokes` is a list of strokes of [x, y] in [0, 1], `value` the same for `Panel`."""

    _esm = Path(__file__).with_name("skeleton.js")
    strokes = traitlets.List().tag(sync=True)
    value = traitlets.List()

    @traitlets.observe("strokes")
    def _follow(self, change) -> None:
        self.value = change["new"]


def lean(points: torch.Tensor, slant: float, width: float, rotation: float) -> torch.Tensor:
    """Control points [K, 2] stretched, sheared (positive leans right), turned (degrees, clockwise) about the centre."""
    angle = torch.deg2rad(torch.tensor(rotation))
    turn = torch.stack([torch.stack([angle.cos(), -angle.sin()]), torch.stack([angle.sin(), angle.cos()])])
    shear = torch.tensor([[width, -slant], [0.0, 1.0]])
    return (points - 0.5) @ (turn @ shear).T + 0.5


def stroke_editor(digit: int = 2, allograph: int = 0) -> Panel:
    """Panel with a draggable skeleton, sliders for the hand, and the digit at 28 and at 112 pixels."""
    if digit not in range(10):
        raise CourseError(f"digit: got {digit!r}, expected 0 to 9")

    def points_of(number: int, way: int) -> list[list[list[float]]]:
        return [[[round(x, 4), round(y, 4)] for x, y in stroke.tolist()] for stroke in skeleton(number, way)]

    board = Skeleton(strokes=points_of(digit, allograph))
    numbers = choice("digit", list(range(10)), digit)
    controls = {
        "points": board,
        "slant": slider("slant", 0.0, -0.6, 0.6, 0.05),
        "width": slider("width", 1.0, 0.5, 1.4, 0.05),
        "rotation": slider("rotation", 0.0, -30.0, 30.0, 1.0),
        "thickness": slider("thickness", 2.8, 1.0, 6.0, 0.1),
    }

    def draw(points: list, slant: float, width: float, rotation: float, thickness: float) -> tuple[Image.Image, str]:
        strokes = [lean(torch.tensor(stroke, dtype=torch.float32), slant, width, rotation) for stroke in points]
        pictures = [2 * draw_strokes(strokes, size=size, thickness=thickness)[None] - 1 for size in (28, 112)]
        words = (
            f"The digit {numbers.value} drawn from {sum(map(len, points))} control points, at 28 and at 112 pixels: "
            f"slant {slant:.2f}, width {width:.2f}, rotation {rotation:.0f} degrees, thickness {thickness:.1f}."
        )
        framed = [paint.above(paint.enlarged(p, 224), paint.text_line(f"{p.shape[-1]} pixels")) for p in pictures]
        return paint.beside(*framed), words

    sliders = [controls[name] for name in ("slant", "width", "rotation", "thickness")]
    panel = Panel(controls, draw, [ipywidgets.HBox([board, ipywidgets.VBox([numbers, *sliders])])])

    def another(change) -> None:
        board.strokes = points_of(change["new"], 0)

    numbers.observe(another, "value")
    panel.digit = numbers
    return panel
