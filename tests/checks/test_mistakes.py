"""Every mistake that a check knows is a program: fed back as an answer, it is called by its own name."""

from __future__ import annotations

import pytest
import torch

from course_lib.checks.core import REGISTRY, Exercise
from course_lib.checks.formula import Formula
from course_lib.checks.verdict import WrongAnswer

FORMULAS = [each for exercises in REGISTRY.values() for each in exercises if isinstance(each.body, Formula)]
MISTAKES = [
    pytest.param(exercise, name, program, id=f"{exercise.name}-{name}")
    for exercise in FORMULAS
    for name, program in exercise.body.mistakes()
]


@pytest.mark.parametrize(("exercise", "name", "program"), MISTAKES)
def test_a_mistake_is_called_by_its_name(exercise, name, program):
    with pytest.raises(WrongAnswer) as caught:
        exercise(program)
    assert caught.value.name == name, str(caught.value)
    assert "\n" not in str(caught.value)
    assert "{" not in str(caught.value), "a placeholder that is no argument"
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("exercise", FORMULAS, ids=lambda each: each.name)
def test_no_two_mistakes_look_alike(exercise: Exercise):
    """On all cases together: whoever sees the results can tell which program made them."""
    body = exercise.body
    cases = list(body.cases(torch.Generator().manual_seed(0)))
    sights = {name: [body.seen(program, case) for case in cases] for name, (program, _) in body.wrong.items()}
    for place, (one, seen) in enumerate(sights.items()):
        for other in list(sights)[place + 1 :]:
            pairs = list(zip(seen, sights[other], strict=True))
            assert not all(body.alike(a, b, stage) for a, b in pairs for stage in body.stages), (one, other)


@pytest.mark.parametrize("exercise", FORMULAS, ids=lambda each: each.name)
def test_the_right_program_passes(exercise: Exercise, capsys):
    exercise(exercise.body.right)
    assert capsys.readouterr().out == f"✓ {exercise.name}: solved\n"


@pytest.mark.parametrize("exercise", FORMULAS, ids=lambda each: each.name)
def test_cases_come_from_their_generator(exercise: Exercise):
    """The same for the same seed, or a verdict would depend on what ran before."""
    first, second = (list(exercise.body.cases(torch.Generator().manual_seed(3))) for _ in range(2))
    for one, other in zip(first, second, strict=True):
        for name, value in one.items():
            assert plain(value) == plain(other[name])


def plain(value):
    """In Python's own numbers, which == compares."""
    if isinstance(value, torch.nn.Module):
        return {name: tensor.tolist() for name, tensor in value.state_dict().items()}
    if closure := getattr(value, "__closure__", None):  # a function made for this case, from what it holds
        return value.__code__, [plain(cell.cell_contents) for cell in closure]
    return value.tolist() if isinstance(value, torch.Tensor) else value
