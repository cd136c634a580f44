"""A bank of answers to the exercises of one chapter, and the tests that every bank has to pass.

A chapter's test file holds its answers and what is tested in no other chapter:

    HEADS = {"double": "def double(x):", "halve": "def halve(x):"}       # each exercise of the chapter, in its order
    TWICE = '''
    y = x + x
    return y
    '''
    RIGHT = {"double": [TWICE, "return 2 * x"], "halve": ["return x / 2"]}  # right, in several styles
    WRONG = [("double", "squared", "return x * x"), ("double", "no gradient", changed(TWICE, "x + x", "2 * x.data"))]

    class TestBank(BankTests):
        bank = Bank("12_arithmetic", HEADS, RIGHT, WRONG, space={"training": training})

`WRONG` says by which name the check has to reject each program; a name may come twice. A check that is a `Formula`
holds its wrong programs itself, and test_mistakes.py feeds them back: here stand wrong ones in a second style, and
right answers in other styles. A program is the body of the function (HEADS has its first line) or a function. All
programs find math, np, torch, nn, F and the names in `space`.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import nbformat
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_lib import checks
from course_lib.checks.core import REGISTRY
from course_lib.checks.verdict import NotSolvedYet, WrongAnswer

ROOT = Path(__file__).resolve().parents[2]
GENERAL = {"wrong", "shape", "type", "dtype", "float32", "stopped"}  # diagnoses that name no misconception

Program = str | Callable


def cell_source(folder: str, chapter: str, name: str) -> str:
    """The source of the cell graded as `name`, from solutions/ or exercises/."""
    notebook = nbformat.read(ROOT / folder / f"{chapter}.ipynb", as_version=4)
    (source,) = [c.source for c in notebook.cells if c.metadata.get("nbgrader", {}).get("grade_id") == name]
    return source


def changed(program: str, *pairs: str) -> str:
    """The program with each old piece replaced by the new one after it."""
    for old, new in zip(pairs[::2], pairs[1::2], strict=True):
        assert old in program, old
        program = program.replace(old, new)
    return program


@dataclass(frozen=True)
class Bank:
    """Right and wrong answers to the exercises of one chapter."""

    chapter: str
    heads: dict[str, str]  # exercise -> the first line of its function
    right: dict[str, list[Program]]
    wrong: list[tuple[str, str, Program]]  # exercise, the name its check gives the misconception, program
    space: dict[str, Any] = field(default_factory=dict)  # what programs and cells find besides the usual names
    longest: int = 260  # a diagnosis is shorter than this
    marks: tuple[pytest.MarkDecorator, ...] = ()  # for the tests that run `right` and `wrong`

    def check(self, name: str, answer: Callable) -> None:
        """What the learner's check cell does."""
        getattr(checks, name)(answer)

    def rejection(self, name: str, answer: Callable) -> WrongAnswer:
        """How the check rejects this answer."""
        with pytest.raises(WrongAnswer) as caught:
            self.check(name, answer)
        return caught.value

    def cell(self, folder: str, name: str) -> Callable:
        """The function in the cell graded as `name`, from the solutions or from the exercises."""
        return self._defined(cell_source(folder, self.chapter, name), name)

    def program(self, name: str, program: Program) -> Callable:
        """The answer that a program in the bank stands for."""
        if callable(program):
            return program
        body = textwrap.indent(textwrap.dedent(program).strip("\n"), "    ")
        return self._defined(f"{self.heads[name]}\n{body}\n", name)

    def _defined(self, source: str, name: str) -> Callable:
        space = {"math": math, "np": np, "torch": torch, "nn": nn, "F": F} | self.space
        exec(source, space)
        return space[name]


class BankTests:
    """What every bank has to pass. A subclass sets `bank`; its name begins with Test."""

    bank: ClassVar[Bank]

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """One test an exercise (`name`), a right program (`style`), or a wrong one (`mistake`)."""
        bank, wanted = self.bank, metafunc.fixturenames
        if "mistake" in wanted:
            cases = [pytest.param(*case, id=f"{case[0]}-{case[1]}", marks=bank.marks) for case in bank.wrong]
            metafunc.parametrize(("name", "mistake", "program"), cases)
        elif "style" in wanted:
            cases = [
                pytest.param(name, style, id=f"{name}-{getattr(style, '__name__', k)}", marks=bank.marks)
                for name, styles in bank.right.items()
                for k, style in enumerate(styles)
            ]
            metafunc.parametrize(("name", "style"), cases)
        elif "name" in wanted:
            metafunc.parametrize("name", list(bank.heads))

    def test_every_exercise_of_the_chapter_is_in_the_bank(self) -> None:
        bank = self.bank
        assert list(bank.heads) == [exercise.name for exercise in REGISTRY[bank.chapter]]
        assert bank.right.keys() == bank.heads.keys() >= {name for name, _, _ in bank.wrong}
        assert all(bank.right.values())

    def test_solution_passes(self, name: str, capsys: pytest.CaptureFixture) -> None:
        self.bank.check(name, self.bank.cell("solutions", name))
        assert capsys.readouterr().out == f"✓ {name}: solved\n"

    def test_other_styles_pass(self, name: str, style: Program) -> None:
        self.bank.check(name, self.bank.program(name, style))

    def test_misconception_gets_its_own_name(self, name: str, mistake: str, program: Program) -> None:
        rejection = self.bank.rejection(name, self.bank.program(name, program))
        assert rejection.name == mistake, str(rejection)
        assert str(rejection).startswith(f"✗ {name}: ")
        assert "\n" not in str(rejection)
        assert len(str(rejection)) < self.bank.longest

    def test_at_least_four_named_misconceptions(self, name: str) -> None:
        names = {mistake for exercise, mistake, _ in self.bank.wrong if exercise == name}
        assert len((names | getattr(getattr(checks, name).body, "wrong", {}).keys()) - GENERAL) >= 4

    def test_stub_is_not_solved_yet(self, name: str) -> None:
        with pytest.raises(NotSolvedYet, match=f"{name}: not solved yet"):
            self.bank.check(name, self.bank.cell("exercises", name))

    def test_crash_is_told_in_one_line(self, name: str) -> None:
        rejection = self.bank.rejection(name, self.bank.program(name, "return undefined_name"))
        assert rejection.name == "stopped"
        assert "your code stopped" in str(rejection)
        assert "NameError" in str(rejection)
        assert "\n" not in str(rejection)

    def test_torch_is_left_as_it_was(self, name: str) -> None:
        torch.manual_seed(0)
        before = torch.get_rng_state()
        for style in self.bank.right[name][:2]:
            self.bank.check(name, self.bank.program(name, style))
        assert torch.equal(before, torch.get_rng_state())
        assert torch.is_grad_enabled()
