"""The check of a pure function, as data: the right program, the inputs that tell, and the programs people write."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map

from course_lib.checks.compare import TOLERANCE, expect_dtype, explain, same
from course_lib.checks.verdict import WrongAnswer, told

Case = dict[str, Any]  # argument -> value, in the order of the signature
Mistake = tuple[Callable, str]  # a wrong program, and what to tell its author; {argument} stands for the case's value
Limit = tuple[Callable[[Case], bool], str]  # the cases that a program may not be made for, and what to tell its author

SEEDS = (0, 1, 0)  # of the cases: other numbers in the same shapes tell who remembers, the first ones once more, too


def normal(generator: torch.Generator, *shape: int) -> Tensor:
    """Normal numbers in float64, so that rounding never looks like a mistake."""
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


@dataclass(frozen=True)
class Sight:
    """All that one call shows: what came back and the gradients of the inputs, or the error."""

    value: Any = None
    gradients: tuple[Tensor | None, ...] = ()  # None: none arrives
    error: str = ""

    def shown(self, stage: str) -> Any:
        return getattr(self, stage)


@dataclass(frozen=True)
class Formula:
    """A check: call it with an answer; it raises WrongAnswer, or passes.

    right      the right program
    cases      generator -> inputs, each on which some mistake shows; random numbers in float64 come from the generator
    wrong      name -> a program with this mistake and what to say; run only for an answer that is wrong. Where the
               answer is a tuple, a program returns `...` for the parts that its mistake leaves alone
    stops      name -> the cases on which a program with this mistake raises an error, whatever the error is, while it
               is right on the cases before; the first that fits is named
    leaves     the inputs whose gradients count, when the values are right; of a network, those of its parameters
    signs      name -> what gives away, on a case, a mistake that has too many sizes to be one program (an epsilon), and
               what to say; asked with the case and the sights of the answer (whose value is None after an error) and of
               the right program, when no program explains the answer
    read       turns what came back, from the right program too, into what is compared, or raises WrongAnswer: for
               answers of several types, or of which only a part is settled
    first      what only this exercise asks, before the cases: what an answer leaves behind in a network
    also       what only this exercise asks, after the cases
    """

    right: Callable
    cases: Callable[[torch.Generator], Iterable[Case]]
    wrong: dict[str, Mistake]
    stops: dict[str, Limit] = field(default_factory=dict)
    leaves: tuple[str, ...] = ()
    signs: dict[str, tuple[Callable[[Case, Sight, Sight], bool], str]] = field(default_factory=dict)
    what: str = "your result"
    read: Callable[[Any], Any] = lambda value: value
    tolerance: float = TOLERANCE
    first: tuple[Callable[[Callable], None], ...] = ()
    also: tuple[Callable[[Callable], None], ...] = ()
    stages: tuple[str, ...] = field(default=("error", "value", "gradients"), repr=False)

    def __call__(self, answer: Callable) -> None:
        for more in self.first:
            more(answer)
        for turn, seed in enumerate(SEEDS):
            for case in self.cases(torch.Generator().manual_seed(seed)):
                self.ask(answer, case, again=turn > 0)
        for more in self.also:
            more(answer)

    def ask(self, answer: Callable, case: Case, again: bool = False) -> None:
        """One call of the answer, judged."""
        right = self.see(self.right, case, self.read)
        try:
            got = self.see(answer, case, self.read)
        except WrongAnswer:
            raise
        except Exception as error:
            self.name_it(answer, Sight(error=signature(error)), right, case, "error")
            for name, (here, words) in self.stops.items():
                if here(case):
                    raise WrongAnswer(name, f"{words.format(**case)} ({signature(error):.80})") from None
            raise
        for stage in self.stages[1:]:  # a gradient is looked at once the numbers are right
            if not self.alike(got, right, stage):
                self.name_it(answer, got, right, case, stage)
                self.call_it_wrong(got, right, case, stage, again)
            expect_dtype(got.value, right.value, self.what)

    def see(self, program: Callable, case: Case, read: Callable[[Any], Any] = lambda value: value) -> Sight:
        """Call a program with copies of the inputs, always with the same random numbers."""
        given = tree_map(lambda value: value.clone() if isinstance(value, Tensor) else value, case)
        for name in self.leaves:
            given[name].requires_grad_()
        with torch.enable_grad(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            value = self.filled(read(program(*given.values())), given)
        return Sight(value, gradients(value, [leaf for _, leaf in self.leaves_of(given)]))

    def leaves_of(self, given: Case) -> list[tuple[str, Tensor]]:
        """Each leaf with what it is called; a network has several."""
        return [
            (f"the weights of {name}" if isinstance(given[name], nn.Module) else name, leaf)
            for name in self.leaves
            for leaf in (given[name].parameters() if isinstance(given[name], nn.Module) else [given[name]])
        ]

    def filled(self, value: Any, given: Case) -> Any:
        """A wrong program's tuple, with the right parts where it says `...`."""
        if not isinstance(value, tuple) or ... not in [part if part is ... else None for part in value]:
            return value
        return tuple(r if part is ... else part for part, r in zip(value, self.right(*given.values()), strict=True))

    def alike(self, one: Sight, other: Sight, stage: str) -> bool:
        tolerance = self.tolerance * (100 if stage == "gradients" else 1)
        return same(one.shown(stage), other.shown(stage), tolerance)

    def explains(self, seen: Sight, got: Sight, right: Sight, stage: str) -> bool:
        """Whether a wrong program differs from the right one, and the answer is like it wherever it does."""
        if self.alike(seen, right, stage) or (seen.error and stage != "error"):
            return False
        if stage == "gradients" and not self.alike(seen, right, "value"):  # the answer's numbers are right
            return False
        parts = [sight.shown(stage) for sight in (seen, got, right)]
        tuples = all(isinstance(part, tuple) and len(part) == len(parts[0]) for part in parts)
        if stage != "value" or not tuples:
            return self.alike(seen, got, stage)
        return all(same(g, s, self.tolerance) for s, g, r in zip(*parts) if not same(s, r, self.tolerance))

    def name_it(self, answer: Callable, got: Sight, right: Sight, case: Case, stage: str) -> None:
        """Only now, for an answer that is wrong, are the wrong programs run. Of several that explain what was seen on
        this case, the one that agrees with the answer on most cases is named.
        """
        found = [
            (program, name, words)
            for name, (program, words) in self.wrong.items()
            if self.explains(self.seen(program, case), got, right, stage)
        ]
        if found[1:]:
            cases = list(self.cases(torch.Generator().manual_seed(SEEDS[0])))
            seen = [self.seen(answer, one) for one in cases]
            found.sort(key=lambda one: self.agreement(seen, one[0], cases), reverse=True)
        if found:
            _, name, words = found[0]
            raise WrongAnswer(name, words.format(**case))
        for name, (gives_away, words) in self.signs.items():
            if gives_away(case, got, right):
                raise WrongAnswer(name, words.format(**case))

    def agreement(self, sights: list[Sight], program: Callable, cases: list[Case]) -> int:
        """On how many cases a program shows these sights."""
        pairs = [(one, self.seen(program, case)) for one, case in zip(sights, cases, strict=True)]
        return sum(all(self.alike(one, other, stage) for stage in self.stages) for one, other in pairs)

    def seen(self, program: Callable, case: Case) -> Sight:
        """A wrong program's own errors are a sight, too: the answer that makes the same one is recognised by it."""
        try:
            return self.see(program, case, self.read)
        except WrongAnswer as wrong:
            return Sight(value=wrong, error=str(wrong))
        except Exception as error:
            return Sight(error=signature(error))

    def call_it_wrong(self, got: Sight, right: Sight, case: Case, stage: str, again: bool) -> None:
        if again:
            raise WrongAnswer(
                "remembers",
                "right at first, but wrong when your function is called again with other numbers: does it keep "
                "something from the call before?",
            )
        if stage == "value":
            explain(got.value, right.value, f"for {told_case(case)} {self.what}")
        for (name, _), mine, its in zip(self.leaves_of(case), got.gradients, right.gradients, strict=True):
            if mine is None and its is not None:
                raise WrongAnswer(
                    "no gradient",
                    f"the values are right, but no gradient reaches {name}: stay with tensors (no .item(), .data, "
                    ".detach(), no_grad, numpy or torch.tensor(list))",
                )
        raise WrongAnswer(
            "wrong gradient",
            "the values are right, but a gradient is not: is something a constant to autograd that depends on the "
            f"inputs? (for {told_case(case)})",
        )

    def mistakes(self) -> Iterator[tuple[str, Callable]]:
        """Each wrong program as an answer: for the test that feeds it back."""
        for name, (program, _) in self.wrong.items():
            yield name, lambda *given, program=program: self.filled(program(*given), dict(enumerate(given)))


def gradients(value: Any, leaves: list[Tensor]) -> tuple[Tensor | None, ...]:
    """Of a weighted sum of all that came back, for each leaf."""
    parts = [part for part in tree_leaves(value) if isinstance(part, Tensor) and part.requires_grad]
    if not leaves or not parts:
        return (None,) * len(leaves)
    pulls = [torch.linspace(0.5, 1.5, part.numel(), dtype=part.dtype).view(part.shape) for part in parts]
    return torch.autograd.grad(parts, leaves, pulls, allow_unused=True)


def with_graph(value: Any) -> Any:
    """For `read`: a plain float has lost its graph, and that is what must be mended, not its type."""
    if isinstance(value, float):
        raise WrongAnswer("no gradient", "you return a plain float, through which no gradient gets: leave out .item()")
    return value


def signature(error: Exception) -> str:
    """By what two errors are the same."""
    return f"{type(error).__name__}: {told(error)}"


def told_case(case: Case) -> str:
    """The inputs in a few words: shapes of tensors, values of what is short."""
    words = []
    for name, value in case.items():
        text = f"{list(value.shape)}" if isinstance(value, Tensor) else f"{value!r}"
        words.append(f"{name} {text}" if isinstance(value, Tensor) else f"{name}={text}" if len(text) < 40 else name)
    return ", ".join(words)
