"""What a check can say besides "solved"."""

from __future__ import annotations


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


def told(error: BaseException) -> str:
    """Its own words in one line, even of an error that cannot be printed."""
    try:
        return " ".join(str(error).split())[:200]
    except Exception:
        return "an error whose own text cannot be read"
