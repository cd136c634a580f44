"""How a check speaks: solved, not solved yet, or what went wrong, by name, in one line."""

from __future__ import annotations

import dis
import functools
import sysconfig
import traceback
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from course_lib.checks import surroundings
from course_lib.checks.guard import Forbidden, Guarded, TooSlow
from course_lib.checks.verdict import NotSolvedYet, WrongAnswer, told
from course_lib.learner import progress

REGISTRY: dict[str, list[Exercise]] = {}  # chapter -> its exercises, in the order of the notebook
NOTHING = Forbidden()
FOREIGN = tuple({str(Path(__file__).parents[1]), *sysconfig.get_paths().values()})  # code that is not the learner's


class Exercise:
    """A check with its place in the course. Call it with the learner's answer."""

    def __init__(self, chapter: str, name: str, body: Callable[..., None], forbidden: Forbidden):
        self.chapter, self.name, self.body, self.forbidden = chapter, name, body, forbidden
        functools.update_wrapper(self, body, updated=())

    def __call__(self, *answer: Any) -> None:
        """Print "solved", or raise NotSolvedYet or WrongAnswer with one line."""
        guarded = [Guarded(one, self.forbidden) if callable(one) else one for one in answer]
        try:
            with surroundings.kept():
                self.body(*guarded)
        except WrongAnswer as wrong:
            raise WrongAnswer(wrong.name, f"✗ {self.name}: {wrong}") from None
        except TooSlow as slow:
            raise WrongAnswer("never ends", f"✗ {self.name}: {slow}") from None
        except (Exception, SystemExit) as error:
            if is_stub(error):
                raise NotSolvedYet(f"… {self.name}: not solved yet") from None
            if all(one.raised is not error for one in guarded if isinstance(one, Guarded)):
                words = "what your function returned cannot be compared with what was expected"
                raise WrongAnswer("type", f"✗ {self.name}: {words}. {where(error)}") from error
            raise WrongAnswer("stopped", f"✗ {self.name}: your code stopped. {where(error)}") from error
        progress.record(self.chapter, self.name)
        print(f"✓ {self.name}: solved")


def exercise(chapter: str, name: str = "", forbidden: Forbidden = NOTHING) -> Callable[[Callable], Exercise]:
    """Makes a check of an exercise of `chapter`: from a `Formula`, which needs a name, or as a decorator of a function
    that raises WrongAnswer.
    """

    def wrap(body: Callable[..., None]) -> Exercise:
        made = Exercise(chapter, name or body.__name__, body, forbidden)
        REGISTRY.setdefault(chapter, []).append(made)
        return made

    return wrap


def is_stub(error: BaseException) -> bool:
    """Whether the learner's own `raise NotImplementedError` speaks. Torch raises this error too, for ordinary slips."""
    if not isinstance(error, NotImplementedError):
        return False
    last = last_step(error.__traceback__)
    if last is None or is_foreign(last.tb_frame.f_code.co_filename):
        return False
    return dis.opname[last.tb_frame.f_code.co_code[last.tb_lasti]] == "RAISE_VARARGS"


def last_step(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    return trace


def is_foreign(filename: str) -> bool:
    return filename.startswith(FOREIGN)


def where(error: BaseException) -> str:
    """The error in one line, with the last line of the learner's own code that led to it."""
    own = [f for f in traceback.extract_tb(error.__traceback__) if not is_foreign(f.filename)]
    place = f" in line {own[-1].lineno}, `{own[-1].line}`" if own and own[-1].line else ""
    return f"{type(error).__name__}{place}: {told(error)}"
