"""Chapter 17's finder: you write a number on a canvas, and boxes with digits and scores follow the pen."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets
import numpy as np
import torch
import traitlets
from matplotlib import colormaps
from PIL import Image, ImageDraw, ImageFilter
from torch import Tensor

from course_lib.cnn.detection import STRIDE, Detector, Found, found_on, read_number
from course_lib.errors import CourseError
from course_lib.show import paint
from course_lib.show.panel import Panel, slider
from course_lib.show.training_a_cnn import Pad, example

HEIGHT, WIDTH = 64, 160  # pixels of the canvas
GUIDES = (20, 42)  # rows between which a digit is as tall as the detector's own
FINE = 4  # the pen draws so many times as large
LARGE = 3  # pixels of the picture for each of the canvas
MOST = 10  # digits of a number that the program writes

Strokes = list[list[list[float]]]


class Page(Pad):
    """A wide pad with two guide lines, and boxes drawn over the writing."""

    side = traitlets.Int(LARGE * HEIGHT).tag(sync=True)
    aspect = traitlets.Float(WIDTH / HEIGHT).tag(sync=True)
    guides = traitlets.List([row / HEIGHT for row in GUIDES]).tag(sync=True)
    marks = traitlets.List().tag(sync=True)


def written(number: str, spacing: float = 28) -> Strokes:
    """A number in the program's own hand, `spacing` pixels from digit to digit, between the guides."""
    if not (number.isdecimal() and number.isascii() and len(number) <= MOST):
        raise CourseError(f"number: got {number!r}, expected 1 to {MOST} digits, such as '2026'")
    spacing = min(spacing, (WIDTH - 24) / len(number))
    first = WIDTH / 2 - spacing * (len(number) - 1) / 2
    strokes = []
    for k, digit in enumerate(number):
        drawn = example(int(digit))
        corners = np.concatenate([np.asarray(stroke) for stroke in drawn])
        low, high = corners.min(0), corners.max(0)
        scale = (GUIDES[1] - GUIDES[0] - 3) / max(high - low)
        middle = np.array([first + k * spacing, sum(GUIDES) / 2])
        for stroke in drawn:
            spots = (np.asarray(stroke) - (low + high) / 2) * scale + middle
            strokes.append((spots / (WIDTH, HEIGHT)).tolist())
    return strokes


def canvas_of(strokes: Strokes, thickness: float = 2.8) -> Tensor:
    """What the detector is shown, float32 [1, 1, 64, 160] in [-1, 1]: the strokes as they stand, with soft edges."""
    image = Image.new("L", (WIDTH * FINE, HEIGHT * FINE))
    pen, wide = ImageDraw.Draw(image), thickness * FINE
    for stroke in strokes:
        spots = [(x * WIDTH * FINE, y * HEIGHT * FINE) for x, y in stroke]
        pen.line(spots, fill=255, width=round(wide), joint="curve")
        for x, y in (spots[0], spots[-1]) if spots else ():
            pen.ellipse((x - wide / 2, y - wide / 2, x + wide / 2, y + wide / 2), fill=255)
    small = image.resize((WIDTH, HEIGHT), Image.Resampling.BOX).filter(ImageFilter.GaussianBlur(0.4))
    return torch.from_numpy(np.asarray(small, dtype=np.float32) / 127.5 - 1)[None, None]


def boxed(canvas: Tensor, found: Found, names: Sequence[str]) -> Image.Image:
    """A canvas [1, H, W] enlarged, with the boxes on it."""
    picture = paint.enlarged(canvas, LARGE * max(canvas.shape[1:]))
    pen = ImageDraw.Draw(picture)
    for box, label, score in zip(found.boxes.tolist(), found.labels.tolist(), found.scores.tolist(), strict=True):
        left, top, right, bottom = (LARGE * edge for edge in box)
        pen.rectangle((left - 2, top - 2, right + 1, bottom + 1), outline=(255, 169, 14), width=2)
        words = f"{names[label]} {score:.0%}"
        pen.text((left - 1, max(0, top - 17)), words, fill=(255, 169, 14), font=paint.font(13))
    return picture


def warmth(heat: Tensor, threshold: float) -> Image.Image:
    """How sure the detector is of something [h, w], a square for each answer; below the threshold it is dark."""
    seen = torch.where(heat > threshold, heat, 0.25 * heat).cpu().numpy()
    colours = (colormaps["viridis"](seen)[..., :3] * 255).astype(np.uint8)
    side = LARGE * STRIDE
    return Image.fromarray(colours).resize((heat.shape[1] * side, heat.shape[0] * side), Image.Resampling.NEAREST)


def digit_finder(detector: Detector, number: str = "2026", names: Sequence[str] = tuple("0123456789")) -> Panel:
    """Panel: write digits on the canvas; boxes, the heat map, and the number as it is read."""
    if not isinstance(detector, Detector):
        raise CourseError(f"detector: got a {type(detector).__name__}, expected a Detector")
    page = Page(strokes=written(number))
    page.value = page.strokes
    controls = {
        "strokes": page,
        "threshold": slider("threshold", 0.5, 0.02, 0.98, 0.02),
        "thickness": slider("pen width", 2.8, 1.5, 4.5, 0.1),
    }

    def find(strokes: Strokes, threshold: float, thickness: float) -> tuple[Image.Image, str]:
        page.width = thickness / HEIGHT
        canvas = canvas_of(strokes, thickness)
        heat = detector.heat(canvas)[0].cpu()
        found = found_on(canvas[0, 0], heat, threshold)
        parts = sorted(
            (box, f"{names[label]} {score:.0%}")
            for box, label, score in zip(
                found.boxes.tolist(), found.labels.tolist(), found.scores.tolist(), strict=True
            )
        )
        page.marks = [[l / WIDTH, t / HEIGHT, r / WIDTH, b / HEIGHT, words] for (l, t, r, b), words in parts]
        if found.labels.numel():
            read = read_number(found) if all(len(name) == 1 for name in names) else "these"
            listed = ", ".join(words for _, words in parts[:MOST]) + (" ..." if len(parts) > MOST else "")
            words = f"Found from left to right: {listed}. Read as {read}."
        else:
            words = "Nothing is found: write digits between the two lines, or lower the threshold."
        title = paint.text_line(f"{len(parts)} found above a threshold of {threshold:.2f}")
        below = paint.text_line("heat map: how sure it is of something, every 4 pixels")
        return paint.above(title, boxed(canvas[0], found, names), below, warmth(1 - heat[-1], threshold)), words

    buttons = []
    for example_number in ("2026", "1117", "31415"):
        button = ipywidgets.Button(
            description=example_number, layout={"width": "64px"}, tooltip=f"write {example_number}"
        )
        button.on_click(lambda _, text=example_number: setattr(page, "strokes", written(text)))
        buttons.append(button)
    hand = ipywidgets.HBox([ipywidgets.Label("or let the program write:"), *buttons])
    return Panel(controls, find, [page, ipywidgets.HBox([controls["threshold"], controls["thickness"]]), hand])
