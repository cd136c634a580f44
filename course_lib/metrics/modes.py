"""Exact mode coverage in the plane, where we know where the modes are."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from course_lib.errors import CourseError

FAIR = 0.2  # a mode is covered when it gets at least this part of its fair share of the samples
HALF, DOUBLE = 0.5, 2.0  # a fairly covered mode gets its fair share within this factor, and spreads within it too
TIDY = 0.9  # ... and so many of the samples that lie closest to it are near it


class Coverage(NamedTuple):
    modes: int  # how many modes are covered
    near: float  # share of the samples near any mode, in [0, 1]
    counts: Tensor  # int64 [modes], on the points' device: samples near each


def mode_coverage(points: Tensor, centres: Tensor, spread: float, reach: float = 4.0) -> Coverage:
    """Which Gaussians of standard deviation `spread` around `centres` [M, 2] do `points` [N, 2] cover?

    A point is near its closest centre when it lies within `reach` standard deviations; a perfect sample has 99.97 %
    of its points near. A mode counts as covered when it holds at least a fifth of its fair share N / M. A featureless
    carpet of points passes that test: `fair_coverage` is the one for comparisons.
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


def fair_coverage(points: Tensor, centres: Tensor, spread: float, reach: float = 4.0) -> Coverage:
    """The same figures as `mode_coverage`, with a test for each mode that points scattered everywhere fail.

    A mode is fairly covered when three things hold:
    - the points near it are between half and double its fair share N / M of all points;
    - of the points whose closest centre it is, at least 90 % are near it;
    - the points near it spread as its Gaussian does: their root mean squared distance from the centre, divided by
      sqrt(2) in the plane, is between half and double `spread`.

    A perfect sample gets every mode. Points spread evenly over the square or along the ring's circle get none (the
    second test), and neither do points that sit exactly on the centres (the third).
    """
    _, near, counts = mode_coverage(points, centres, spread, reach)
    distance, closest = torch.cdist(points.double(), centres.double()).min(dim=1)
    modes, dimensions = centres.shape
    theirs = closest.bincount(minlength=modes)
    squares = distance.new_zeros(modes).index_add_(0, closest, distance.square() * (distance <= reach * spread))
    deviation = (squares / (dimensions * counts).clamp_min(1)).sqrt()
    share = counts * modes / len(points)
    fair = (share >= HALF) & (share <= DOUBLE)
    tidy = counts >= TIDY * theirs
    wide = (deviation >= HALF * spread) & (deviation <= DOUBLE * spread)
    return Coverage(int((fair & tidy & wide).sum()), near, counts)
