"""Feedback on exercises: `checks.conv2d(conv2d)` under your cell says solved, not solved yet, or what went wrong.

The checks live in modules named like their chapters; each is here under the name of its exercise.
"""

from importlib import import_module

from course_lib.chapters import CHAPTERS
from course_lib.checks import compare, core, formula, guard, surroundings, verdict
from course_lib.checks.progress_board import board
from course_lib.checks.verdict import NotSolvedYet, WrongAnswer

for _chapter in CHAPTERS:
    if _chapter.has_exercises:
        import_module(f"course_lib.checks.{_chapter.stem}")
for _exercises in core.REGISTRY.values():
    for _exercise in _exercises:
        if _exercise.name in globals():
            raise ImportError(f"checks: two exercises or more are called {_exercise.name!r}")
        globals()[_exercise.name] = _exercise

surroundings.remember(compare, core, formula, guard, surroundings, verdict)
