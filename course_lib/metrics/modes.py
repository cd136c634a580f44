"""Exact mode coverage in the plane, where we know where the modes are."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.errors import CourseError

FAIR = 0.2  # a mode is covered when it gets at least this part of its fair share of the samples


class Coverage(NamedTuple):
    modes: int  # how many modes are covered
    near: float  # share of the samples near any mode, in [0, 1]
    counts: Tensor  # int64 [modes], on the points' device: samples near each


def mode_coverage(points: Tensor, centres: Tensor, spread: float, reach: float = 4.0) -> Coverage:
    """Which Gaussians of standard deviation `spread` around `centres` [M, 2] do `points` [N, 2] cover?

    A point is near its closest centre when it lies within `reach` standard deviations; a perfect sample has 99.97 %
    of its points near. A mode counts as covered when it holds at least a fifth of its fair share N / M.
    """
    if points.ndim != 2 or points.shape[1:] != centres.shape[1:]:
        raise CourseError(f"points: got shape {list(points.shape)}, expected [N, {centres.shape[1]}]")
    if not spread > 0:
        raise CourseError(f"spread: got {spread}, expected a positive standard deviation")
    centres = centres.to(points.device)
    distance, closest = torch.cdist(points.double(), centres.double()).min(dim=1)
    near = distance <= reach * spread
    counts = closest[near].bincount(minlength=len(centres))
    covered = counts >= FAIR * len(points) / len(centres)
    return Coverage(int(covered.sum()), float(near.double().mean()), counts)
