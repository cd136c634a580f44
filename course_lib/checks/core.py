"""How a check speaks: solved, not solved yet, or what went wrong, by name, in one line."""

from __future__ import annotations

import functools
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FunctionType
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from course_lib.checks import progress

REGISTRY: dict[str, list[Exercise]] = {}  # chapter -> its exercises, in the order of the notebook


class NotSolvedYet(NotImplementedError):
    """The stub is still there. Shown as one line, without a traceback; a grader counts it as no points."""

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class WrongAnswer(AssertionError):
    """The answer was recognised as wrong. `name` is the misconception, or "wrong" when it has none."""

    def __init__(self, name: str, message: str):
        super().__init__(message)
        self.name = name

    def _render_traceback_(self) -> list[str]:
        return [str(self)]


class Exercise:
    """A check with its place in the course. Call it with the learner's answer."""

    def __init__(self, chapter: str, body: Callable[..., None]):
        self.chapter, self.name, self.body = chapter, body.__name__, body
        functools.update_wrapper(self, body)

    def __call__(self, *answer: Any) -> None:
        """Print "solved", or raise NotSolvedYet or WrongAnswer with one line."""
        try:
            self.body(*answer)
        except WrongAnswer as wrong:
            raise WrongAnswer(wrong.name, f"✗ {self.name}: {wrong}") from None
        except NotImplementedError:
            raise NotSolvedYet(f"… {self.name}: not solved yet") from None
        except Exception as error:
            raise WrongAnswer("stopped", f"✗ {self.name}: your code stopped. {where(error)}") from error
        progress.record(self.chapter, self.name)
        print(f"✓ {self.name}: solved")


def exercise(chapter: str) -> Callable[[Callable[..., None]], Exercise]:
    """Decorator: turns a function that raises WrongAnswer into the check of an exercise of `chapter`."""

    def wrap(body: Callable[..., None]) -> Exercise:
        made = Exercise(chapter, body)
        REGISTRY.setdefault(chapter, []).append(made)
        return made

    return wrap


def where(error: Exception) -> str:
    """The error in one line, with the last line of the learner's own code that led to it."""
    own = [
        f
        for f in traceback.extract_tb(error.__traceback__)
        if "course_lib" not in f.filename and "site-packages" not in f.filename
    ]
    place = f" in line {own[-1].lineno}, `{own[-1].line}`" if own and own[-1].line else ""
    words = " ".join(str(error).split())
    return f"{type(error).__name__}{place}: {words[:200]}"


def expect_tensor(got: Any, wanted: Tensor, what: str) -> None:
    """The right type and shape, before anybody compares numbers."""
    if not isinstance(got, Tensor):
        raise WrongAnswer("type", f"{what} is a {type(got).__name__}, expected a tensor")
    if got.shape != wanted.shape:
        raise WrongAnswer("shape", f"{what} has shape {list(got.shape)}, expected {list(wanted.shape)}")
    if not got.isfinite().all():
        raise WrongAnswer("nan", f"{what} holds NaN or infinite values")


def same(got: Any, wanted: Any, tolerance: float = 1e-6) -> bool:
    """Equal shape and, within `tolerance` relative to the largest value wanted, equal numbers."""
    if isinstance(wanted, tuple):
        return isinstance(got, tuple | list) and len(got) == len(wanted) and all(map(same, got, wanted))
    if not isinstance(wanted, Tensor):
        return not isinstance(got, Tensor) and got == wanted
    if not isinstance(got, Tensor) or got.shape != wanted.shape:
        return False
    if torch.equal(got, wanted):
        return True  # equal infinities too
    scale = max(float(wanted.detach().abs().max()), 1e-12) if wanted.numel() else 1.0
    return (
        bool((got.detach().double() - wanted.detach().double()).abs().max() <= tolerance * scale)
        if wanted.numel()
        else True
    )


def compare(got: Any, wanted: Any, what: str, mistakes: dict[str, tuple[Any, str]], tolerance: float = 1e-6) -> None:
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
    if isinstance(wanted, Tensor):
        expect_tensor(got, wanted, what)
        off = float((got.detach().double() - wanted.detach().double()).abs().max())
        raise WrongAnswer(
            "wrong", f"{what} has the right shape, but differs from the expected values by up to {off:.3g}"
        )
    raise WrongAnswer("wrong", f"{what} is {got!r}, expected {wanted!r}")


def untouched(before: Tensor, after: Tensor, what: str) -> None:
    """An answer may not change what it was given."""
    if not torch.equal(before, after):
        raise WrongAnswer("changes its input", f"{what} was changed in place; work on a copy")


@contextmanager
def withheld(message: str, *places: str) -> Iterator[None]:
    """Whoever calls a function named here, such as "torch.conv2d", has not written the exercise."""

    def refuse(*arguments: object, **options: object) -> None:
        raise WrongAnswer("borrowed", message)

    with ExitStack() as stack:
        for place in places:
            stack.enter_context(mock.patch(place, refuse))
        yield


@contextmanager
def closed(message: str, *functions: FunctionType) -> Iterator[None]:
    """The library's own solutions refuse to work meanwhile, under whatever name the learner imported them.

    `{}` in the message stands for the function's name.
    """
    before = [(function.__code__, function.__kwdefaults__) for function in functions]
    try:
        for function in functions:
            function.__code__ = refuse.__code__
            function.__kwdefaults__ = {"message": message.format(function.__name__)}
        yield
    finally:
        for function, (code, defaults) in zip(functions, before, strict=True):
            function.__code__, function.__kwdefaults__ = code, defaults


def refuse(*arguments: object, message: str, **options: object) -> None:
    """The code of a closed function. It runs among the names of that function's module, so it brings its own."""
    from course_lib.checks.core import WrongAnswer

    raise WrongAnswer("borrowed", message)
