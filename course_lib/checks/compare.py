"""Whether two results are the same, and what to say of one that is not what was expected."""

from __future__ import annotations

import math
from numbers import Integral
from typing import Any

import torch
from torch import Tensor

from course_lib.checks.verdict import WrongAnswer

TOLERANCE = 1e-9  # of the largest number: what another order of float64 operations may cost
SINGLE = 1e-5  # of the largest number: what float32 on the way costs


def same(got: Any, wanted: Any, tolerance: float = TOLERANCE) -> bool:
    """Equal types, shapes and, within `tolerance` of the largest finite number wanted, numbers; NaN equals NaN."""
    if isinstance(wanted, tuple | list):
        alike = isinstance(got, tuple | list) and len(got) == len(wanted)
        return alike and all(same(one, other, tolerance) for one, other in zip(got, wanted, strict=True))
    if isinstance(wanted, Tensor):
        return isinstance(got, Tensor) and got.shape == wanted.shape and near(got, wanted, tolerance)
    if isinstance(wanted, float) and isinstance(got, int | float):
        return math.isclose(got, wanted, rel_tol=tolerance, abs_tol=1e-12) or (got != got and wanted != wanted)
    if type(wanted) is int:
        return is_int(got) and bool(got == wanted)
    return not isinstance(got, Tensor) and bool(got == wanted)


def is_int(value: Any) -> bool:
    """Python's or NumPy's; True and False do not count."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def near(got: Tensor, wanted: Tensor, tolerance: float) -> bool:
    got, wanted = got.detach().double(), wanted.detach().double()
    finite = wanted.isfinite() & got.isfinite()
    if not torch.equal(got[~finite].nan_to_num(), wanted[~finite].nan_to_num()):
        return False
    if not torch.equal(got.isnan(), wanted.isnan()):
        return False
    if not finite.any():
        return True
    scale = max(float(wanted[finite].abs().max()), 1e-12)
    return bool((got[finite] - wanted[finite]).abs().max() <= tolerance * scale)


def expect_tensor(got: Any, wanted: Tensor, what: str) -> None:
    """The right type and shape, before anybody compares numbers."""
    if not isinstance(got, Tensor):
        raise WrongAnswer("type", f"{what} is a {type(got).__name__}, expected a tensor")
    if got.shape != wanted.shape:
        raise WrongAnswer("shape", f"{what} has shape {list(got.shape)}, expected {list(wanted.shape)}")
    if not got.isfinite().all():
        raise WrongAnswer("nan", f"{what} holds NaN or infinite values")


def expect_dtype(got: Any, wanted: Any, what: str) -> None:
    """Tensors of the kind that is wanted, part by part."""
    if isinstance(wanted, tuple | list):
        for one, other in zip(got, wanted, strict=True):
            expect_dtype(one, other, what)
    if isinstance(got, Tensor) and isinstance(wanted, Tensor) and got.dtype != wanted.dtype:
        as_the_input = (
            "make new tensors with the dtype of the input, as x.new_zeros or torch.zeros(..., dtype=x.dtype) do"
        )
        whole = "it holds whole numbers, which torch.zeros(..., dtype=torch.int64) and .long() make"
        how = as_the_input if wanted.is_floating_point() else whole
        raise WrongAnswer("dtype", f"{what} is {got.dtype}, expected {wanted.dtype}: {how}")


def explain(got: Any, wanted: Any, what: str) -> None:
    """Raise WrongAnswer for a result that no named mistake explains."""
    if isinstance(wanted, tuple | list):
        if not isinstance(got, tuple | list) or len(got) != len(wanted):
            came = f"{len(got)} values" if isinstance(got, tuple | list) else f"a {type(got).__name__}"
            raise WrongAnswer("type", f"{what} is {came}, expected {len(wanted)} values")
        for place, (one, other) in enumerate(zip(got, wanted, strict=True)):
            if not same(one, other, TOLERANCE):
                explain(one, other, f"{what}[{place}]")
    if isinstance(wanted, Tensor):
        expect_tensor(got, wanted, what)
        expect_dtype(got, wanted, what)
        if near(got, wanted, SINGLE):
            raise WrongAnswer(
                "float32",
                f"{what} is right to about six digits only, from inputs in float64: somewhere the numbers went through "
                "float32, or small differences of large numbers were taken",
            )
        off = float((got.detach().double() - wanted.detach().double()).abs().max())
        raise WrongAnswer(
            "wrong", f"{what} has the right shape, but differs from the expected values by up to {off:.3g}"
        )
    if type(wanted) is int and not is_int(got):
        raise WrongAnswer("type", f"{what} is a {type(got).__name__}, expected an int")
    raise WrongAnswer("wrong", f"{what} is {got!r:.80}, expected {wanted!r:.80}")


def compare(
    got: Any, wanted: Any, what: str, mistakes: dict[str, tuple[Any, str]], tolerance: float = TOLERANCE
) -> None:
    """Pass when `got` is right; otherwise name the mistake it comes from.

    mistakes  name -> (what that misconception would have given, what to tell the learner)
    Compare on inputs where every mistake gives another result than the right answer: a mistake whose result happens to
    be right on this input is skipped.
    """
    if same(got, wanted, tolerance):
        return
    for name, (result, message) in mistakes.items():
        if not same(result, wanted, tolerance) and same(got, result, tolerance):
            raise WrongAnswer(name, message)
    explain(got, wanted, what)
