"""How long a training may take: one word, chosen once, for every chapter."""

from __future__ import annotations

import os
from typing import TypeVar

import torch

from course_lib.errors import CourseError

BUDGETS = ("smoke", "laptop", "gpu")
T = TypeVar("T")


def budget_name() -> str:
    """ "smoke" (every cell runs, nothing is learned), "laptop" or "gpu".

    COURSE_BUDGET decides; without it, "gpu" where CUDA is available and "laptop" elsewhere.
    Raises CourseError when COURSE_BUDGET is another word.
    """
    name = os.environ.get("COURSE_BUDGET") or ("gpu" if torch.cuda.is_available() else "laptop")
    if name not in BUDGETS:
        raise CourseError(f"COURSE_BUDGET: got {name!r}, expected one of {', '.join(BUDGETS)}")
    return name


def budget(*, smoke: T, laptop: T, gpu: T | None = None) -> T:
    """The value for the budget in force; `gpu` falls back to `laptop` when a chapter gives none.

    >>> steps = budget(smoke=5, laptop=1500, gpu=6000)
    """
    chosen = {"smoke": smoke, "laptop": laptop, "gpu": laptop if gpu is None else gpu}
    return chosen[budget_name()]
