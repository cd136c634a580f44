"""What several functions of this package ask of their arguments, each said in one line."""

from __future__ import annotations

from numbers import Integral

import torch

from course_lib.errors import CourseError, quoted

SEEDS = 1_000_000_000  # the numbers below it can be one


def check_whole(name: str, value: object, least: int, most: int | None = None) -> int:
    """A whole number (NumPy's too, but no bool) from `least` to `most`, both included."""
    whole = isinstance(value, Integral) and not isinstance(value, bool)
    if not whole or value < least or (most is not None and value > most):
        bounds = f"{least} to {most:,}" if most is not None else f"{least} or more"
        raise CourseError(f"{name}: got {quoted(value)}, expected a whole number, {bounds}")
    return int(value)


def check_split(split: str) -> None:
    if split not in ("train", "test"):
        raise CourseError(f"split: got {quoted(split)}, expected 'train' or 'test'")


def check_device(device: str | torch.device) -> torch.device:
    """The device, once a tensor could be made there."""
    try:
        return torch.empty(1, device=device).device
    except (RuntimeError, AssertionError, TypeError, NotImplementedError) as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise CourseError(f"device: got {quoted(device)}, expected one that torch can use here ({reason})") from None
