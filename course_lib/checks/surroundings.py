"""What an answer may not change for everybody else: settings of torch, and the libraries themselves."""

from __future__ import annotations

import builtins
import contextlib
import math
import os
import random
import sys
import sysconfig
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch

from course_lib.checks.verdict import WrongAnswer

SETTINGS: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {  # what it is -> how to read it, how to set it
    "the default dtype": (torch.get_default_dtype, torch.set_default_dtype),
    "the default device": (
        torch.get_default_device,
        lambda old: torch.set_default_device(None if old.type == "cpu" else old),
    ),
    "the gradient mode": (torch.is_grad_enabled, torch.set_grad_enabled),
    "anomaly detection": (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    "deterministic algorithms": (torch.are_deterministic_algorithms_enabled, torch.use_deterministic_algorithms),
    "the number of threads": (torch.get_num_threads, torch.set_num_threads),
    "the working folder": (os.getcwd, os.chdir),
    "sys.stdout": (lambda: sys.stdout, lambda old: setattr(sys, "stdout", old)),
    "sys.stderr": (lambda: sys.stderr, lambda old: setattr(sys, "stderr", old)),
}
MODES = {  # the gradient mode after the call -> the name of the mistake, what to say
    False: (
        "gradients stay off",
        "after your function gradients are off for everybody: use `with torch.no_grad():`, which ends by itself",
    ),
    True: (
        "gradients switched on",
        "gradients were off before your function and are on after it: use `with torch.no_grad():`, which puts back the "
        "mode there was",
    ),
}
LIBRARIES = (
    *(builtins, math, np, torch, torch.Tensor, torch.linalg, torch.autograd, torch.special, torch.testing),
    *(torch.nn, torch.nn.Module, torch.nn.functional, torch.nn.init, torch.optim),
)
"""Places whose functions an answer might replace."""
BY_THE_KERNEL = ("input",)  # a notebook puts its own function in while a cell runs
ORIGINAL: list[tuple[Any, str, Any]] = []
INSTALLED = tuple(sysconfig.get_paths()[kind] for kind in ("purelib", "platlib"))


def remember(*places: Any) -> None:
    """Note the functions of the libraries and of `places` as they are now, before any learner's code runs."""
    ORIGINAL.extend(
        (place, name, value)
        for place in (*LIBRARIES, *places)
        for name, value in vars(place).items()
        if callable(value) and name not in BY_THE_KERNEL
    )


@contextlib.contextmanager
def unchanged() -> Iterator[list[str]]:
    """Settings that differ after the block are put back and named; the list holds them, should the block raise."""
    before, left = {what: read() for what, (read, _) in SETTINGS.items()}, []
    filters = list(warnings.filters)
    try:
        yield left
    finally:
        mode = torch.is_grad_enabled()
        left += [what for what, (read, _) in SETTINGS.items() if read() != before[what]]
        for what in left:
            SETTINGS[what][1](before[what])
        warnings.filters[:] = filters  # in silence: a library that is imported late brings filters of its own
    if left == ["the gradient mode"]:
        raise WrongAnswer(*MODES[mode])
    if left:
        raise WrongAnswer("changes a setting", f"your function changes {left[0]} for everybody, and leaves it so")


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """The learner's random numbers go on as if no check had run; functions of a library that were replaced are put
    back and named.
    """
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002 (the learner may use it)
    refuse_replaced()
    with torch.random.fork_rng(devices=[]):
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)  # noqa: NPY002
            refuse_replaced()


def from_a_library(function: Any) -> bool:
    code = getattr(function, "__code__", None)
    return code is not None and code.co_filename.startswith(INSTALLED)


def refuse_replaced() -> None:
    """A library that is imported late may put its own function over another's, as Lightning does with torch.compile."""
    now = [(place, name, value, vars(place).get(name)) for place, name, value in ORIGINAL]
    replaced = [(place, name, value) for place, name, value, new in now if new is not value and not from_a_library(new)]
    for place, name, value in replaced:
        setattr(place, name, value)
    if replaced:
        place, name, _ = replaced[0]
        raise WrongAnswer("patched", f"{place.__name__}.{name} was replaced by another function; it is put back now")
