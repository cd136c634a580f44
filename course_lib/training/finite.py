"""The watch over NaN and infinity: losses and weights are looked at together, and the last good weights are kept."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from course_lib.training.average import MovingAverage
from course_lib.training.devices import agree
from course_lib.training.model import Trainable
from course_lib.training.run import Run


def collect(pending: list[dict[str, Tensor]], run: Run, fabric) -> bool:
    """Move the waiting losses to the run in one transfer. False when one is not finite; nothing after it is kept."""
    if not pending:
        return True
    names = list(pending[0])
    table = torch.stack([torch.stack([step[name].detach().float() for name in names]) for step in pending])
    if fabric.world_size > 1:
        table = fabric.all_reduce(table, reduce_op="mean")
    pending.clear()
    table = table.cpu()
    finite = table.isfinite().all(dim=1)
    keep = len(table) if finite.all() else int((~finite).nonzero()[0]) + 1
    for name, column in zip(names, table[:keep].T.tolist(), strict=True):
        run.losses.setdefault(name, []).extend(column)
    run.steps -= len(table) - keep
    return bool(finite.all())


def all_finite(*modules: nn.Module | None) -> bool:
    """Whether every weight and every buffer of the modules is finite: the largest size of all, in one transfer."""
    tensors = [t for module in modules if module is not None for t in module.state_dict().values()]
    tensors = [t for t in tensors if t.is_floating_point()]
    return not tensors or math.isfinite(get_total_norm(tensors, math.inf).item())


def healthy(model: Trainable, average: MovingAverage | None, pending: list, run: Run, fabric) -> bool:
    """Losses to the run; False, in every process, when one of them or a weight is NaN or infinite.

    A loss can be finite where its gradient is not, so that only the weights show it.
    """
    sound = collect(pending, run, fabric) and all_finite(model, average and average.model)
    return not agree(fabric, not sound, 0.0)[0]


def remember(model: Trainable, average: MovingAverage | None) -> list[dict[str, Tensor]]:
    return [{n: t.clone() for n, t in m.state_dict().items()} for m in (model, average and average.model) if m]


def restore(model: Trainable, average: MovingAverage | None, weights: list[dict[str, Tensor]]) -> None:
    for module, state in zip([m for m in (model, average and average.model) if m], weights, strict=True):
        module.load_state_dict(state)


def what_broke(run: Run) -> str:
    """The losses that are no longer finite, or the weights, if all losses are."""
    broken = [name for name, values in run.losses.items() if values and not math.isfinite(values[-1])]
    return " and ".join(broken) or "the weights"
