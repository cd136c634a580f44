"""The terms of the field: each with the chapter that defines it, and one line that says what it is.

`notebooks/glossary.md` is written from here. A test fails when a chapter uses a term before the chapter that defines
it, or before the place where it does: there the term stands in bold.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Term:
    """A term, the number of the chapter that defines it, its meaning, and other forms it is used in."""

    name: str
    chapter: int
    meaning: str
    forms: tuple[str, ...] = ()


TERMS = (
    Term("tensor", 0, "a box of numbers in rows and columns, or in more directions, all of one type", ("tensors",)),
    Term("shape", 0, "how many numbers a tensor has in each direction: `[64, 1, 28, 28]`", ("shapes",)),
    Term(
        "broadcasting",
        0,
        "how two tensors of different shape meet: a direction of length 1 is repeated",
        ("broadcast",),
    ),
    Term("seed", 0, "the number random draws begin with; the same seed gives the same draws", ("seeds", "seeded")),
    Term("gradient", 0, "the list of all slopes of a function, one for each of its inputs", ("gradients",)),
)
