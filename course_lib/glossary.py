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
    Term(
        "control point",
        1,
        "a point that shapes a Bézier curve; the curve meets only the first and the last",
        ("control points",),
    ),
    Term(
        "linear interpolation",
        1,
        "the point that has gone the part t of the way between two points, a weighted mean",
        ("interpolate", "interpolation"),
    ),
    Term(
        "Bézier curve",
        1,
        "the curve that repeated interpolation between control points draws",
        ("Bézier curves", "cubic curve"),
    ),
    Term("tangent", 1, "a line that touches a curve and points where it is going", ("tangents",)),
    Term(
        "Bernstein polynomials",
        1,
        "the weights of the control points at position t; they sum to 1",
        ("Bernstein weights",),
    ),
    Term("convex hull", 1, "the shape of a rubber band around points"),
    Term(
        "affine",
        1,
        "slanting, turning, stretching or shifting; curves follow their control points under it",
        ("affine map",),
    ),
    Term("Bézier surface", 1, "a curve of curves, a weighted mean of a net of control points", ("Bézier surfaces",)),
    Term("polyline", 1, "a chain of short straight pieces", ("polylines",)),
    Term("anti-aliasing", 1, "grey where the edge of a stroke covers only a share of a pixel", ("soft edge",)),
    Term("allograph", 1, "one of the ways of writing a digit", ("allographs",)),
    Term("habit", 1, "a factor of the writer, such as slant or thickness", ("habits",)),
    Term("centre of mass", 1, "the mean position of the ink"),
    Term("caption", 1, "a sentence made from the factors of an image", ("captions",)),
    Term("generator", 1, "a program from random numbers to images", ("generators",)),
    Term("distribution", 1, "a rule that says what comes up and how often", ("distributions",)),
    Term("latent", 1, "hidden: of the numbers that an image was made from", ("latents",)),
)
