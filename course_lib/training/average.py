"""A moving average of the weights: steadier than any single step of the training."""

from __future__ import annotations

import copy

import torch
from torch import nn

from course_lib.errors import CourseError


class MovingAverage:
    """Exponential moving average of a model's parameters; buffers are copied (Polyak and Juditsky 1992).

    After t updates the decay in force is min(decay, (1 + t) / (10 + t)), so that a short run is not held
    back by its random start. `model` is the averaged copy, always in eval mode.
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
        ours, theirs = dict(self.model.named_parameters()), dict(model.named_parameters())
        if ours.keys() != theirs.keys():
            raise CourseError(
                f"model: its parameters differ from the averaged ones in {sorted(ours.keys() ^ theirs.keys())}"
            )
        torch._foreach_lerp_(list(ours.values()), [theirs[name].detach() for name in ours], 1 - decay)
        buffers = dict(model.named_buffers())
        for name, buffer in self.model.named_buffers():
            buffer.copy_(buffers[name])
