"""The skeletons of the ten digits: several allographs (ways of writing a digit) each, as strokes of cubic Beziers.

Every allograph is a line of SVG path data in a box about 100 high, y pointing down: M lifts the pen and puts it down,
L draws a straight line, C a cubic Bezier (two control points and the end point). Any SVG viewer shows it.
The number in front says how often people write the digit in this way; only the ratios within a digit matter.
"""

from __future__ import annotations

import re
from functools import cache

import torch
from torch import Tensor

from course_lib.data.imageset import DIGIT_NAMES
from course_lib.errors import CourseError, quoted

GLYPHS: dict[int, tuple[tuple[float, str], ...]] = {
    0: (
        (4, "M50 2 C18 4 10 35 10 55 C10 80 26 98 48 98 C74 98 90 75 90 48 C90 22 72 0 48 3"),
        (2, "M55 0 C35 5 30 40 30 60 C30 85 38 100 50 100 C66 100 74 72 74 46 C74 20 64 0 52 1"),
        (2, "M66 12 C44 -4 18 20 15 52 C12 80 30 100 52 98 C76 96 88 72 86 45 C84 14 62 0 36 14"),
        (1, "M58 2 C30 4 14 40 16 62 C18 86 34 100 54 96 C78 92 88 62 84 40 C81 24 74 14 64 10"),
        (1, "M70 -6 C40 6 12 28 12 60 C12 86 34 100 54 98 C80 94 92 70 88 46 C82 20 58 4 36 12"),
        (1, "M38 14 C16 24 8 44 12 64 C18 92 48 104 70 90 C92 74 92 34 76 14 C64 0 48 0 34 6"),
    ),
    1: (
        (6, "M50 0 C50 33 50 66 50 100"),
        (3, "M54 0 C49 30 46 65 46 100"),
        (1, "M30 20 C40 16 47 8 50 0 L50 100"),
        (0.6, "M24 22 C38 14 47 6 50 0 L50 100 M18 100 L84 100"),
        (0.3, "M20 26 C34 18 46 8 52 0 C52 30 50 60 50 98 M20 98 L84 96"),
    ),
    2: (
        (3, "M14 22 C20 -2 82 -10 80 26 C79 50 40 75 12 98 C36 96 60 96 88 96"),
        (2, "M14 24 C20 -4 78 -8 78 26 C78 55 42 82 26 94 C14 102 4 92 14 85 C32 74 56 98 92 92"),
        (3, "M10 26 C18 -6 76 -8 76 26 C76 54 52 86 26 97 C6 104 -4 76 18 68 C42 60 62 88 98 88"),
        (2, "M16 20 C28 -4 76 -2 74 30 C72 56 40 80 14 94 C40 84 62 94 92 98"),
        (1, "M26 30 C4 14 54 -14 74 12 C90 42 40 70 10 98 C36 88 66 92 90 100"),
        (1, "M28 14 C46 -6 76 8 68 34 C60 58 36 80 28 95 C42 93 58 96 70 88"),
        (1, "M14 30 C24 8 76 -8 82 22 C84 44 56 60 34 76 C12 92 -4 88 8 76 C24 66 66 74 104 82"),
        (1, "M30 16 C50 -8 84 8 76 46 C68 80 40 104 20 92 C6 80 26 58 50 74 C62 82 74 92 92 90"),
    ),
    3: (
        (4, "M14 14 C30 -6 82 -4 78 24 C75 42 52 48 38 48 C60 46 88 54 86 74 C83 104 24 106 10 86"),
        (1, "M14 4 L80 4 L42 40 C70 38 90 54 86 74 C82 104 24 104 10 86"),
        (1.5, "M16 12 C34 -6 80 -2 76 22 C72 42 48 52 40 50 C34 46 46 42 56 46 C78 50 90 62 84 80 C76 104 28 102 8 90"),
        (2, "M16 8 C40 -4 74 2 72 24 C70 40 56 46 48 48 C70 50 82 62 78 78 C72 98 34 102 12 96"),
        (1, "M12 12 C38 2 66 0 82 4 C72 24 54 38 42 48 C60 44 80 58 70 78 C62 96 44 102 28 98"),
        (1, "M10 20 C24 -8 96 0 82 26 C74 40 52 46 34 50 C70 42 96 58 86 78 C74 104 20 100 4 76"),
        (1, "M24 10 C40 -6 70 2 64 20 C60 34 46 40 36 44 C60 42 92 52 86 76 C78 100 36 104 6 94"),
    ),
    4: (
        (3, "M22 2 C20 20 16 38 14 54 C40 54 66 52 90 50 M74 6 C72 40 68 70 66 100"),
        (3, "M18 4 C12 30 10 54 30 56 C50 58 68 52 80 44 M78 2 C76 40 74 70 72 100"),
        (1, "M70 0 L10 62 L92 62 M70 0 L68 100"),
        (2, "M20 4 C14 34 14 50 34 52 C56 52 74 32 80 6 C76 40 72 70 68 100"),
        (1, "M66 4 C48 24 28 44 10 62 C38 62 66 60 92 56 M72 8 C70 40 66 70 62 100"),
        (1, "M26 4 C24 24 18 44 12 62 C40 64 74 60 104 56 M60 30 C60 52 56 76 54 100"),
        (1, "M62 2 C46 18 32 30 28 42 C44 46 62 44 80 38 M66 4 C64 40 60 70 58 100"),
    ),
    5: (
        (3, "M30 4 C28 18 24 32 22 44 C50 32 86 46 82 72 C78 102 30 106 12 88 M30 4 L86 2"),
        (2, "M84 4 L32 6 C28 20 26 32 22 46 C48 32 84 44 80 72 C76 102 28 104 10 90"),
        (2, "M86 6 C66 2 40 4 34 12 C28 22 26 36 34 42 C54 46 80 52 78 74 C74 100 30 102 10 92"),
        (1, "M36 12 C34 22 28 36 26 46 C60 44 74 56 70 74 C64 98 30 100 8 92 M34 10 C52 10 74 8 96 2"),
        (1, "M84 4 C62 4 48 6 38 8 C34 22 28 36 26 46 C50 34 84 48 78 74 C72 104 18 104 12 82 C10 72 20 68 30 72"),
        (2, "M32 20 C28 34 24 42 22 52 C50 40 72 56 64 76 C56 100 22 102 4 92 M32 20 C54 18 80 10 106 2"),
        (1, "M44 4 C36 18 28 34 26 44 C56 44 72 58 64 78 C58 92 44 98 30 98 M46 4 C56 6 66 4 76 2"),
        (1, "M30 6 C28 20 26 30 22 42 C60 26 98 50 84 80 C66 106 12 102 8 80 M28 8 C44 8 56 6 70 4"),
    ),
    6: (
        (3, "M66 2 C40 10 14 44 14 72 C14 98 44 104 64 94 C84 82 80 56 58 52 C38 50 20 62 16 78"),
        (3, "M60 0 C44 24 22 50 16 72 C14 100 50 104 70 92 C88 78 78 54 54 58 C36 60 22 70 18 80"),
        (1, "M78 10 C56 -4 22 20 14 60 C10 98 48 104 66 94 C86 80 78 52 54 54 C34 56 22 68 16 80"),
        (2, "M40 0 C24 28 18 50 20 76 C22 100 56 106 64 82 C66 60 36 60 22 80"),
        (2, "M24 0 C10 28 2 66 18 86 C38 106 92 98 90 68 C86 42 52 42 38 62 C32 74 34 82 42 90"),
        (1, "M52 0 C36 26 20 56 20 84 C22 102 44 100 52 84 C56 70 42 64 24 84"),
        (1, "M64 2 C24 4 8 40 14 70 C20 104 84 104 86 72 C86 46 46 46 34 70 C30 80 34 86 42 84"),
    ),
    7: (
        (3, "M12 8 C38 6 62 6 86 4 C70 36 52 64 44 100"),
        (2, "M14 24 C14 16 14 10 16 4 C40 8 66 6 86 4 C70 36 54 66 46 100"),
        (1.5, "M12 8 L86 6 C70 36 54 66 44 100 M34 54 L84 50"),
        (2, "M10 14 C30 2 66 2 84 6 C84 30 60 60 58 100"),
        (1, "M18 12 C34 4 70 -4 78 10 C82 24 60 50 48 100"),
        (1.5, "M8 34 C10 10 26 4 42 10 C58 16 74 12 86 2 C74 36 52 64 46 100"),
        (1, "M14 36 C16 22 20 12 24 6 C44 10 64 8 82 6 C78 36 70 66 68 100"),
        (0.7, "M12 22 C16 6 30 6 44 10 C60 12 72 10 84 4 C70 36 54 66 44 100 M30 56 L88 46"),
        (0.7, "M16 16 C40 -4 84 -6 82 24 C80 56 60 80 36 100"),
        (0.7, "M22 30 C24 16 26 8 30 4 C48 8 62 6 76 4 C66 36 52 66 40 100 M28 52 L82 50"),
    ),
    8: (
        (4, "M78 14 C62 -6 20 0 22 24 C24 46 80 50 80 76 C78 104 20 104 20 78 C20 54 74 44 80 16"),
        (1, "M50 48 C14 46 18 0 50 0 C82 0 84 46 50 48 C10 50 10 100 50 100 C90 100 90 50 50 48"),
        (2, "M70 8 C50 -6 20 4 24 24 C28 44 72 52 72 78 C70 102 26 104 26 80 C26 58 72 46 84 12"),
        (2, "M66 6 C40 -4 20 14 30 30 C42 48 66 60 62 84 C58 104 24 102 26 82 C30 62 72 46 74 22 C74 10 70 4 60 4"),
        (2, "M88 2 C56 -6 16 6 26 26 C34 44 66 56 62 82 C58 104 36 104 36 84 C36 62 62 46 82 22 C88 12 86 4 72 0"),
        (1, "M18 10 C30 34 72 56 72 80 C70 104 26 102 28 80 C32 58 64 44 76 18 C78 4 52 -6 34 0 C22 4 16 8 20 16"),
        (1, "M84 12 C60 -8 6 4 12 28 C20 48 64 48 64 76 C62 104 18 102 24 78 C32 56 66 40 90 18"),
    ),
    9: (
        (3, "M78 20 C66 -6 16 0 14 30 C14 58 64 56 76 24 C77 20 78 14 78 10 C78 40 74 70 72 100"),
        (2, "M80 22 C70 -4 18 -2 16 30 C16 56 68 56 80 20 C82 56 78 88 56 98 C44 102 30 98 22 92"),
        (3, "M72 12 C48 -8 12 16 16 38 C22 58 64 44 76 8 C72 38 60 70 48 100"),
        (1, "M74 14 C50 -10 20 6 20 26 C20 46 56 44 74 24 C72 50 70 76 70 100"),
        (1, "M76 6 C40 -6 14 10 14 32 C14 54 44 54 62 40 C72 30 74 18 76 4 C74 40 74 70 76 100"),
        (1, "M70 6 C56 6 28 14 22 28 C20 44 54 44 72 26 C66 50 56 74 50 100"),
        (1, "M80 8 C60 -8 22 6 24 24 C26 40 60 42 76 18 C76 52 70 86 40 96 C28 100 18 94 14 84"),
        (1, "M66 2 C48 4 36 16 36 26 C38 38 56 34 68 18 C64 46 58 74 52 100"),
        (1, "M72 16 C58 -8 6 4 12 46 C16 76 66 62 76 16 C74 46 74 72 84 100"),
    ),
}


SYMBOLS = tuple(GLYPHS)  # a label is a position in it; for digits both are the same number
NAMES = DIGIT_NAMES  # of the symbols, for captions and as class names


def parse(path: str) -> list[Tensor]:
    """Control points of each stroke of an SVG path, divided by 100: float32 [3n + 1, 2] for n cubic Beziers."""
    strokes: list[list[tuple[float, float]]] = []
    for command, text in re.findall(r"([MLC])([^MLC]*)", path):
        numbers = [float(word) for word in text.split()]
        points = list(zip(numbers[::2], numbers[1::2], strict=True))
        if command == "M":
            strokes.append(points)
        elif command == "L":  # a straight line is the Bezier whose control points lie on it at the thirds
            (ax, ay), (bx, by) = strokes[-1][-1], points[0]
            strokes[-1] += [(ax + (bx - ax) * t, ay + (by - ay) * t) for t in (1 / 3, 2 / 3, 1)]
        else:
            strokes[-1] += points
    return [torch.tensor(stroke) / 100 for stroke in strokes]


@cache
def allographs(digit: int) -> tuple[tuple[Tensor, ...], ...]:
    """Every way of writing a digit, each a tuple of strokes [3n + 1, 2] in a box of height 1, y pointing down."""
    return tuple(tuple(parse(path)) for _, path in GLYPHS[digit])


def frequencies(digit: int) -> Tensor:
    """Share of each allograph of a digit, float32 [A], summing to 1."""
    weights = torch.tensor([weight for weight, _ in GLYPHS[digit]])
    return weights / weights.sum()


def skeleton(digit: int, allograph: int = 0) -> list[Tensor]:
    """The undisturbed strokes of one digit, centred in an image frame: x and y in [0, 1], y pointing down.

    Returns a fresh list of control points, float32 [3n + 1, 2] per stroke, ready for `strokes.draw_strokes`.
    Raises CourseError when there is no such digit or allograph.
    """
    if digit not in SYMBOLS:
        raise CourseError(f"digit: got {quoted(digit)}, expected one of {', '.join(map(str, SYMBOLS))}")
    ways = len(GLYPHS[digit])
    if allograph not in range(ways):
        raise CourseError(f"allograph: got {quoted(allograph)}, expected 0 to {ways - 1} for the digit {digit}")
    strokes = allographs(digit)[allograph]
    every = torch.cat(strokes)
    low, high = every.amin(0), every.amax(0)
    scale = 18 / 28 / (high - low).max()
    return [(stroke - (low + high) / 2) * scale + 0.5 for stroke in strokes]
