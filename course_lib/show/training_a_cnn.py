"""The reader of chapter 4: you draw a digit, the CNN you trained says what it sees."""

from __future__ import annotations

from pathlib import Path

import anywidget
import ipywidgets
import numpy as np
import torch
import traitlets
from PIL import Image
from torch import Tensor

from course_lib.cnn.training_a_cnn import Classifier
from course_lib.data import glyphs, hand
from course_lib.data.drawing_images import bezier, render
from course_lib.show import paint
from course_lib.show.panel import Panel, slider

PIECES = 160  # straight pieces a drawing is cut into


class Pad(anywidget.AnyWidget):
    """A square to draw on: `strokes` is a list of strokes of [x, y] in [0, 1], `value` the same for `Panel`."""

    _esm = Path(__file__).with_name("pad.js")
    strokes = traitlets.List().tag(sync=True)
    width = traitlets.Float(0.07).tag(sync=True)
    value = traitlets.List()

    @traitlets.observe("strokes")
    def _follow(self, change) -> None:
        self.value = change["new"]


def image_of(strokes: list[list[list[float]]], thickness: float = 2.8, size: int = 28) -> Tensor:
    """What the network is shown: the drawing framed like MNIST, float32 [1, 1, size, size] in [-1, 1].

    The hand's strokes, polylines of [x, y] with y pointing down, are cut into even pieces, scaled so that the ink
    fits the 20/28 box, centred by mass and inked by chapter 1's renderer.
    """
    strokes = [np.asarray(s if len(s) > 1 else s + [[s[0][0] + 0.02, s[0][1]]], dtype=float) for s in strokes if s]
    if not strokes:
        return torch.full((1, 1, size, size), -1.0)
    lengths = [np.linalg.norm(np.diff(s, axis=0), axis=1).cumsum() for s in strokes]
    total = sum(walked[-1] for walked in lengths)
    points, pen = [], []
    for stroke, walked in zip(strokes, lengths, strict=True):
        walked = np.insert(walked, 0, 0.0)
        at = np.linspace(0, walked[-1], max(2, round(PIECES * walked[-1] / max(total, 1e-9)) + 1))
        points.append(np.stack([np.interp(at, walked, stroke[:, axis]) for axis in (0, 1)], axis=1))
        pen += [1.0] * (len(at) - 1) + [0.0]
    points = torch.from_numpy(np.concatenate(points)).float()[None]
    pen, thickness = torch.tensor([pen[:-1]]), torch.tensor([thickness])
    ink = render(hand.frame(points, pen, thickness / 28), pen, thickness / 56, size, blur=torch.tensor([1.2]))
    return 2 * ink[:, None] - 1


def example(digit: int) -> list[list[list[float]]]:
    """A digit of the program's own as a drawing, for those without a mouse."""
    t = torch.linspace(0, 1, 12)
    return [
        torch.cat([bezier(stroke[i : i + 4], t) for i in range(0, len(stroke) - 1, 3)]).tolist()
        for stroke in glyphs.skeleton(digit)
    ]


def digit_reader(model: Classifier, names: tuple[str, ...] = tuple("0123456789")) -> Panel:
    """Panel with a drawing pad, the image the network sees, and one bar per class."""
    pad = Pad(strokes=example(3))
    controls = {"strokes": pad, "thickness": slider("pen width", 2.8, 1.5, 5.0, 0.1)}

    def read(strokes: list, thickness: float) -> tuple[Image.Image, str]:
        pad.width = thickness / 40
        image = image_of(strokes, thickness)
        if not strokes:
            return paint.text_line(
                "Draw a digit on the black square.", 17
            ), "An empty drawing pad, waiting for a digit."
        chances = model.read(image)[0].tolist()
        best = max(range(len(chances)), key=chances.__getitem__)
        words = f"The drawing is read as {names[best]} with probability {chances[best]:.0%}."
        seen = paint.above(paint.text_line("what the network sees"), paint.enlarged(image[0], 196))
        return paint.beside(seen, paint.above(paint.text_line("what it reads"), paint.bars(chances, names))), words

    buttons = []
    for digit in range(10):
        button = ipywidgets.Button(
            description=str(digit), layout={"width": "34px"}, tooltip=f"put a {digit} on the pad"
        )
        button.on_click(lambda _, digit=digit: setattr(pad, "strokes", example(digit)))
        buttons.append(button)
    side = ipywidgets.VBox(
        [
            controls["thickness"],
            ipywidgets.Label("or let the program write one:"),
            ipywidgets.HBox(buttons[:5]),
            ipywidgets.HBox(buttons[5:]),
        ]
    )
    return Panel(controls, read, [ipywidgets.HBox([pad, side])])
