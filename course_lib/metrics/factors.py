"""Which latent encodes what: correlations with the factors that the drawing program chose."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.errors import CourseError


class Match(NamedTuple):
    """The latent that follows a factor most closely."""

    latent: int
    correlation: float  # in [-1, 1]


def correlations(codes: Tensor, factors: dict[str, Tensor]) -> Tensor:
    """Pearson's correlation of every latent with every factor, float64 [latents, factors] in [-1, 1].

    codes [N, D]; factors: name -> [N], numbers. A latent or factor that never varies correlates 0 with everything.
    """
    for name, values in factors.items():
        if values.shape != codes.shape[:1]:
            raise CourseError(f"factors: {name!r} has shape {list(values.shape)}, expected [{len(codes)}], one a code")
    columns = torch.stack([values.to(codes.device) for values in factors.values()], dim=1)
    return standardised(codes).T @ standardised(columns) / len(codes)


def standardised(columns: Tensor) -> Tensor:
    """Mean 0 and standard deviation 1 down each column [N, D]; a constant column becomes 0."""
    columns = columns.double()
    centred = columns - columns.mean(dim=0)
    spread = centred.square().mean(dim=0).sqrt()
    return torch.where(spread > 1e-12, centred / spread.clamp_min(1e-12), 0.0)


def matches(codes: Tensor, factors: dict[str, Tensor]) -> dict[str, Match]:
    """For each factor the latent with the largest absolute correlation."""
    table = correlations(codes, factors)
    best = table.abs().argmax(dim=0).tolist()
    return {name: Match(best[i], float(table[best[i], i])) for i, name in enumerate(factors)}
