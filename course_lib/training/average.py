"""A moving average of the weights: steadier than any single step of the training."""

from __future__ import annotations

import copy

import torch
from torch import nn

from course_lib.errors import CourseError


class MovingAverage:
    """Exponential moving average of a model's parameters and running statistics (Polyak and Juditsky 1992).

    After t updates the decay in force is min(decay, (1 + t) / (10 + t)), so that a short run is not held
    back by its random start. Buffers that count are copied; those of floating point, batch norm's running means and
    variances, are averaged, since they belong to the weights of the same steps. `model` is the averaged copy, always in
    eval mode.
    """

    def __init__(self, model: nn.Module, decay: float = 0.999):
        if not 0 <= decay < 1:
            raise CourseError(f"decay: got {decay}, expected a number in [0, 1)")
        self.decay, self.updates = decay, 0
        self.model = copy.deepcopy(model).eval().requires_grad_(False)

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        self.updates += 1
        decay = min(self.decay, (1 + self.updates) / (10 + self.updates))
        ours, theirs = (dict([*m.named_parameters(), *m.named_buffers()]) for m in (self.model, model))
        if ours.keys() != theirs.keys():
            raise CourseError(
                f"model: its tensors differ from the averaged ones in {sorted(ours.keys() ^ theirs.keys())}"
            )
        smooth = [name for name in ours if ours[name].is_floating_point()]
        torch._foreach_lerp_([ours[name] for name in smooth], [theirs[name].detach() for name in smooth], 1 - decay)
        for name in ours.keys() - smooth:
            ours[name].copy_(theirs[name])
