"""Signs that several exercises share: what gives away a loss that goes wrong only where numbers are very large."""

from __future__ import annotations

from torch import Tensor

from course_lib.checks.compare import TOLERANCE, same
from course_lib.checks.formula import Case, Sight

SMALL = 300  # a case with a logit of this size shows a chance of e^-300: float64 holds it, an epsilon hides it
LARGE = 200  # from this size on float32 holds no chance; ordinary cases stay far below


def size(case: Case) -> float:
    """Of the largest logit."""
    return max(float(value.abs().max()) for value in case.values() if isinstance(value, Tensor))


def is_number(value: object) -> bool:
    return isinstance(value, Tensor) and value.numel() == 1


def infinite(case: Case, got: Sight, right: Sight) -> bool:
    """A single number that is infinite or NaN, where none should be."""
    return is_number(got.value) and not bool(got.value.isfinite())


def cut_off(case: Case, got: Sight, right: Sight) -> bool:
    """A chance of e^-300 that costs less than e^-120 would, or a first wrong number where logits are large."""
    if not is_number(got.value) or same(got.value, right.value, TOLERANCE):
        return False
    if size(case) == SMALL:
        return 0 <= float(got.value.detach()) < 0.4 * float(right.value.detach())
    return size(case) >= LARGE


def saturated(case: Case, got: Sight, right: Sight) -> bool:
    """The right number with a wrong gradient, where logits are large."""
    arrives = all(gradient is not None for gradient in got.gradients)
    return arrives and size(case) >= LARGE and same(got.value, right.value, TOLERANCE)
