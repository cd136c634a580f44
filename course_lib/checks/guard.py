"""One call of the learner's function: limited in time, without ready-made functions, leaving everything as it was."""

from __future__ import annotations

import contextlib
import ctypes
import importlib.util
import inspect
import random
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from course_lib.checks import surroundings
from course_lib.checks.verdict import WrongAnswer, told

SECONDS = 10.0  # for one call of the learner's function
SEEDING = (torch.manual_seed, torch.seed, torch.random.set_rng_state, random.Random.seed)
PLAIN = (Tensor, torch.nn.Parameter)
REFUSED_BY_TORCH = "leaf Variable that requires grad is being used in an in-place operation"


class TooSlow(BaseException):
    """Not an Exception, so that `except Exception` in an endless loop does not catch it."""


@dataclass(frozen=True)
class Forbidden:
    """What an exercise does not lend, under whatever name it is called.

    says        what the learner reads
    operations  patterns of torch's own names for what finally runs (aten), such as "*convolution*". They are seen by a
                dispatch mode, so aliases, `torch.ops`, `torch._C` and autograd's backward operations are seen too
    functions   Python functions, of this course or of any library; a copy of their code counts as the function
    packages    libraries, or folders of them ("scipy.stats"), none of whose functions may be called; not imported
    autograd    whether torch may not compute gradients for the learner
    """

    says: str = "your code calls the ready-made function it is meant to replace; write it out"
    operations: tuple[str, ...] = ()
    functions: tuple[Callable, ...] = ()
    packages: tuple[str, ...] = ()
    autograd: bool = False
    codes: frozenset[tuple] = field(init=False, repr=False)
    folders: tuple[str, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "codes", frozenset(identity(inspect.unwrap(f).__code__) for f in self.functions))
        folders = tuple(str(Path(importlib.util.find_spec(name).origin).parent) + "/" for name in self.packages)
        object.__setattr__(self, "folders", folders)


def identity(code: CodeType) -> tuple[str, int, int]:
    """The place where a function was written: its copies share it."""
    return code.co_filename, code.co_firstlineno, len(code.co_code)


SEEDS = frozenset(identity(inspect.unwrap(function).__code__) for function in SEEDING)


def forking(frame: FrameType) -> bool:
    """Whether torch's own fork_rng puts a state back."""
    return frame.f_back is not None and frame.f_back.f_code.co_name == "fork_rng"


class Watch(TorchDispatchMode):
    """Sees every operation of torch and every call in Python, and refuses what is forbidden.

    `found` keeps what was seen, for an answer that catches the refusal.
    """

    def __init__(self, forbidden: Forbidden):
        super().__init__()
        self.forbidden, self.found = forbidden, []

    def refuse(self, name: str, message: str) -> None:
        self.found.append(WrongAnswer(name, message))
        raise self.found[-1]

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        name = operation._schema.name.split("::")[-1]
        if any(fnmatch(name, pattern) for pattern in self.forbidden.operations):
            self.refuse("borrowed", self.forbidden.says)
        return operation(*args, **(kwargs or {}))

    def profile(self, frame: FrameType, event: str, argument: Any) -> None:
        if event == "call":
            code = frame.f_code
            if identity(code) in SEEDS and not forking(frame):
                self.refuse("sets the seed", "your function sets the seed for everybody: leave the seed alone")
            if identity(code) in self.forbidden.codes or code.co_filename.startswith(self.forbidden.folders or ("\0",)):
                self.refuse("borrowed", self.forbidden.says)
        elif event == "c_call":
            name = getattr(argument, "__name__", "")
            if name == "run_backward" and self.forbidden.autograd:
                self.refuse("borrowed", self.forbidden.says)
            if name in ("start_new_thread", "start_joinable_thread"):
                self.refuse("starts a thread", "your function starts a thread: nothing here needs one")

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        before = sys.getprofile()
        with self if self.forbidden.operations else contextlib.nullcontext():
            sys.setprofile(self.profile)
            try:
                yield
            finally:
                sys.setprofile(before)
        if self.found:
            raise self.found[0]


class Guarded:
    """The learner's function, as the checks call it. What it raises comes out as it is.

    `left` holds the settings that the last call did not put back, `raised` the last error of the learner's own.
    """

    def __init__(self, answer: Callable, forbidden: Forbidden):
        self.answer, self.forbidden = answer, forbidden
        self.left: list[str] = []
        self.raised: BaseException | None = None

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        given = [*zip(self.names(), arguments), *options.items()]
        before = [(name, each, each.detach().clone()) for name, value in given for each in tensors(value)]
        held = [(name, value, tree_leaves(value)) for name, value in given]
        with surroundings.unchanged() as self.left, time_limit(SECONDS), Watch(self.forbidden).watching():
            try:
                got = self.answer(*arguments, **options)
            except BaseException as error:
                self.raised = error
                if REFUSED_BY_TORCH in told(error) and any(each.requires_grad for _, each, _ in before):
                    words = "your function changes an input in place, which torch refuses here; work on a copy"
                    raise WrongAnswer("changes its input", words) from error
                raise
        for name, now, then in before:
            if now.shape != then.shape or not equal(now.detach(), then):
                raise WrongAnswer("changes its input", f"{name} was changed in place; work on a copy")
        for name, value, then in held:
            if [id(each) for each in tree_leaves(value)] != [id(each) for each in then]:
                raise WrongAnswer("changes its input", f"the {type(value).__name__} {name} was changed; work on a copy")
        for value in tree_leaves(got):
            expect_plain(value)
        return got

    def names(self) -> Iterator[str]:
        """What the learner calls the arguments; then "an argument", for as many as are asked for."""
        with contextlib.suppress(TypeError, ValueError):
            yield from inspect.signature(self.answer).parameters
        while True:
            yield "an argument"


def tensors(value: Any) -> list[Tensor]:
    return [each for each in tree_leaves(value) if isinstance(each, Tensor)]


def equal(one: Tensor, other: Tensor) -> bool:
    """Equal numbers, where NaN equals NaN."""
    return bool(((one == other) | ((one != one) & (other != other))).all())


def expect_plain(value: Any) -> None:
    """No object that decides for itself what it is equal to."""
    if isinstance(value, Tensor) and type(value) not in PLAIN:
        raise WrongAnswer("type", f"you return a {type(value).__name__}, expected a plain tensor")
    if isinstance(value, int | float) and not isinstance(value, np.generic) and type(value) not in (bool, int, float):
        raise WrongAnswer("type", f"you return a {type(value).__name__}, expected a plain number")


@contextlib.contextmanager
def time_limit(seconds: float) -> Iterator[None]:
    """TooSlow is raised inside the block after so long, and again each second, should it be caught there."""
    words = f"your function was still running after {seconds:.0f} s and was stopped: does a loop never end?"
    here, over = threading.get_ident(), threading.Event()
    by_signal = threading.current_thread() is threading.main_thread() and hasattr(signal, "pthread_kill")

    def stop(*_: Any) -> None:
        if not over.is_set():
            raise TooSlow(words)

    def wait() -> None:
        pause = seconds
        while not over.wait(pause):
            pause = 1.0
            if by_signal:  # wakes a function that sleeps or waits, too
                signal.pthread_kill(here, signal.SIGUSR2)
            else:
                ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(here), ctypes.py_object(TooSlow))

    before = signal.signal(signal.SIGUSR2, stop) if by_signal else None
    clock = threading.Thread(target=wait, daemon=True)
    clock.start()
    try:
        yield
    except TooSlow:
        raise TooSlow(words) from None
    finally:
        over.set()
        clock.join()
        if by_signal:
            signal.signal(signal.SIGUSR2, before)
