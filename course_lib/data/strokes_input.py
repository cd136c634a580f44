"""What `strokes` accepts: every bad input becomes one line that names the argument, what came and what was expected."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

from course_lib.data import glyphs
from course_lib.data.arguments import check_split, check_whole
from course_lib.data.captions import PALETTE
from course_lib.errors import CourseError

SMALLEST, LARGEST = 8, 128

RANGES = {
    "slant": (-2, 2),
    "rotation": (-180, 180),
    "width": (0.1, 10),
    "taper": (-1, 1),
    "balance": (-1, 1),
    "thickness": (0.3, 14),
    "contrast": (0, 1),
    "blur": (0.1, 10),
    "ink": (0, 1),
    "background": (0, 1),
}


def check_labels(labels: Any) -> tuple[Tensor | None, int]:
    """The digits, int64 [N] on the CPU, or None where only their number was given; and the number."""
    if isinstance(labels, Integral) and not isinstance(labels, bool):
        if labels < 1:
            raise CourseError(f"labels: got the count {labels}, expected at least 1")
        return None, int(labels)
    try:
        digits = torch.as_tensor(labels).cpu()
    except (TypeError, ValueError, RuntimeError):
        raise CourseError(f"labels: got {type(labels).__name__}, expected a count or a list of digits") from None
    if digits.ndim == 1 and len(digits) == 0:
        raise CourseError("labels: got an empty list, expected at least one digit")
    if digits.ndim != 1 or digits.is_floating_point() or digits.is_complex() or digits.dtype == torch.bool:
        came = f"{digits.dtype} of shape {list(digits.shape)}"
        raise CourseError(f"labels: got {came}, expected a count or a list of integers, one digit per image")
    last = len(glyphs.SYMBOLS) - 1
    wrong = digits[(digits < 0) | (digits > last)]
    if len(wrong):
        raise CourseError(f"labels: got the digit {int(wrong[0])}, expected 0 to {last}")
    return digits.long(), len(digits)


def check_settings(size: int, seed: int = 0, split: str = "train") -> None:
    check_whole("size", size, SMALLEST, LARGEST)
    check_whole("seed", seed, 0, 2**40 - 1)
    check_split(split)


def check_override(name: str, value: Any, factors: dict[str, Tensor], digits: Tensor) -> Tensor:
    """An overridden factor for every image, in the shape ([N] or [N, 3]) and type of the drawn one."""
    if name not in factors:
        hint = ", which needs colour=True" if name in ("ink", "background") else ""
        raise CourseError(f"overrides: got the factor {name!r}{hint}; expected {', '.join(factors)}")
    shape = factors[name].shape
    if isinstance(value, str) and value in PALETTE and len(shape) == 2:
        value = PALETTE[value]
    try:
        values = torch.as_tensor(value, dtype=torch.float32).cpu().expand(shape).clone()
    except (TypeError, ValueError, RuntimeError):
        came = (
            repr(value)
            if isinstance(value, str)
            else f"shape {list(torch.as_tensor(value).shape)}"
            if isinstance(value, Tensor | list | tuple)
            else type(value).__name__
        )
        raise CourseError(f"{name}: got {came}, expected a number or {list(shape)} numbers") from None
    if not values.isfinite().all():
        raise CourseError(f"{name}: got {values[~values.isfinite()][0]}, expected finite numbers")
    if name == "allograph":
        return check_allograph(values, digits)
    low, high = RANGES[name]
    wrong = values[(values < low) | (values > high)]
    if len(wrong):
        raise CourseError(f"{name}: got {wrong[0]:g}, expected {low} to {high}")
    return values


def check_allograph(values: Tensor, digits: Tensor) -> Tensor:
    known = torch.tensor([len(glyphs.GLYPHS[digit]) for digit in glyphs.SYMBOLS])[digits]
    wrong = ((values < 0) | (values >= known) | (values != values.round())).nonzero().flatten()
    if len(wrong):
        i = int(wrong[0])
        expected = f"an integer from 0 to {int(known[i]) - 1} for the digit {int(digits[i])}"
        raise CourseError(f"allograph: got {values[i]:g}, expected {expected}")
    return values.long()


def check_strokes(control_points: Sequence[Tensor]) -> list[Tensor]:
    """Strokes as float32 [3n + 1, 2] tensors on the CPU."""
    strokes = [torch.as_tensor(stroke, dtype=torch.float32).cpu() for stroke in control_points]
    if not strokes:
        raise CourseError("control_points: got no stroke, expected at least one")
    for number, stroke in enumerate(strokes):
        if stroke.ndim != 2 or stroke.shape[1] != 2 or len(stroke) < 4 or len(stroke) % 3 != 1:
            raise CourseError(
                f"control_points: got stroke {number} of shape {list(stroke.shape)}, expected [3n + 1, 2], n >= 1"
            )
        if not stroke.isfinite().all():
            raise CourseError(f"control_points: got NaN or infinity in stroke {number}, expected finite numbers")
    return strokes
