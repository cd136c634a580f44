"""What `fit` and the checkpoints take, looked at before anything is trained, made or written."""

from __future__ import annotations

import math
import os
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from course_lib.errors import CourseError

SEEDS = 1_000_000_000  # as many as `data.load` takes


def whole(name: str, value: Any, least: int, most: int | None = None) -> int:
    """`value` as an int. Raises CourseError unless it is a whole number from `least` to `most`."""
    if isinstance(value, Integral) and not isinstance(value, bool) and least <= value and (not most or value <= most):
        return int(value)
    bounds = f"{least} or more" if most is None else f"{least} to {most:,}"
    raise CourseError(f"{name}: got {shown(value)}, expected a whole number, {bounds}")


def real(name: str, value: Any, expected: str, least: float = 0.0) -> float:
    """`value` as a float, `least` or more and not NaN. Raises CourseError otherwise."""
    if isinstance(value, Real) and not isinstance(value, bool) and value >= least:
        return float(value)
    raise CourseError(f"{name}: got {shown(value)}, expected {expected}")


def shown(value: Any) -> str:
    """A value in a message: short, and in one line."""
    text = " ".join(repr(value).split())
    return text if len(text) <= 60 else f"{text[:40]} ... ({len(text)} characters)"


def limits(steps: int | None, seconds: float | None) -> tuple[int | None, float | None]:
    """Both limits of a training, if they can end it."""
    if steps is None and seconds is None:
        raise CourseError("steps: got neither steps nor seconds, expected at least one, or the training never ends")
    if steps is not None:
        steps = whole("steps", steps, 0)
    if seconds is not None:
        seconds = real("seconds", seconds, "a positive number", least=math.ulp(0.0))
        if math.isinf(seconds):
            raise CourseError("seconds: got inf, expected a positive number that ends")
    return steps, seconds


def as_path(name: str, path: str | Path) -> Path:
    """A path with ~ replaced by the home folder. Raises CourseError for what can be none."""
    if not isinstance(path, str | os.PathLike) or "\0" in str(path):
        raise CourseError(f"{name}: got {shown(path)}, expected a path without null bytes")
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise CourseError(f"{name}: got {str(path)!r}, but there is no such home folder; write the path out") from None
