"""What `fit` and the checkpoints take, looked at before anything is trained, made or written."""

from __future__ import annotations

import math
import os
from numbers import Real
from pathlib import Path
from typing import Any

from course_lib.data.arguments import check_whole
from course_lib.errors import CourseError, quoted
from course_lib.places import at_home


def real(name: str, value: Any, expected: str, least: float = 0.0) -> float:
    """`value` as a float, `least` or more and not NaN. Raises CourseError otherwise."""
    if isinstance(value, Real) and not isinstance(value, bool) and value >= least:
        return float(value)
    raise CourseError(f"{name}: got {quoted(value)}, expected {expected}")


def limits(steps: int | None, seconds: float | None) -> tuple[int | None, float | None]:
    """Both limits of a training, if they can end it."""
    if steps is None and seconds is None:
        raise CourseError("steps: got neither steps nor seconds, expected at least one, or the training never ends")
    if steps is not None:
        steps = check_whole("steps", steps, 0)
    if seconds is not None:
        seconds = real("seconds", seconds, "a positive number", least=math.ulp(0.0))
        if math.isinf(seconds):
            raise CourseError("seconds: got inf, expected a positive number that ends")
    return steps, seconds


def as_path(name: str, path: str | Path) -> Path:
    """A path with ~ replaced by the home folder. Raises CourseError for what can be none."""
    if not isinstance(path, str | os.PathLike) or "\0" in str(path):
        raise CourseError(f"{name}: got {quoted(path)}, expected a path without null bytes")
    return at_home(path, name, "but there is no such home folder; write the path out")
