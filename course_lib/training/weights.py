"""Weights and optimisers, from a checkpoint's tensors and back."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn

from course_lib.errors import CourseError
from course_lib.training import checkpoint


def prefixed(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The entries under `prefix.`, with the prefix taken off."""
    return {name[len(prefix) + 1 :]: tensor for name, tensor in tensors.items() if name.startswith(prefix + ".")}


def best(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """The weights to use: the moving average if a checkpoint has one."""
    return prefixed(tensors, "average") or prefixed(tensors, "model")


def compare(model: nn.Module, weights: dict[str, Tensor], source: str | Path) -> None:
    """Raises CourseError unless `weights` are those of such a model, in names and shapes, and all finite."""
    own = model.state_dict()
    wrong = sorted(own.keys() ^ weights.keys())
    wrong += [n for n in own if n in weights and own[n].shape != weights[n].shape]
    if wrong:
        raise CourseError(
            f"checkpoint: {source} belongs to another model; {len(wrong)} weights differ, the first is {wrong[0]!r}"
        )
    for name, tensor in weights.items():
        if not bool(tensor.to(own[name].dtype).isfinite().all()):
            raise CourseError(
                f"checkpoint: {source} holds NaN or infinite weights, the first in {name!r}; "
                "delete it and train again, with a smaller learning rate"
            )


def fill(model: nn.Module, weights: dict[str, Tensor], source: str | Path) -> None:
    """Load `weights` into `model`, or say in one line what is wrong with them; on an error the model is unchanged."""
    compare(model, weights, source)
    model.load_state_dict(weights)


def load_weights(model: nn.Module, path: str | Path) -> nn.Module:
    """Fill `model` with a checkpoint's weights: the moving average if it has one. Returns the model in eval mode."""
    tensors, card = checkpoint.read(path)
    if getattr(model, "name", card["model"]) != card["model"]:
        raise CourseError(f"checkpoint: {path} holds a {card['model']!r}, expected a {model.name!r}")
    fill(model, best(tensors), path)
    return model.eval()


def optimizer_tensors(name: str, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """An optimiser's state as flat names: `optimizer.NAME.PARAMETER.ENTRY`."""
    state = optimizer.state_dict()["state"]
    return {
        f"optimizer.{name}.{i}.{entry}": value
        for i, entries in state.items()
        for entry, value in entries.items()
        if isinstance(value, Tensor)
    }


def restore_optimizer(
    name: str, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor], source: str | Path
) -> None:
    """The way back from `optimizer_tensors`; learning rates and betas come from the code, not from the file.

    Raises CourseError for NaN and for what does not fit the optimiser's parameters.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in prefixed(tensors, f"optimizer.{name}").items():
        index, _, entry = key.partition(".")
        known = index.isdecimal() and int(index) < len(parameters)
        if not known or value.shape not in (parameters[int(index)].shape, torch.Size()) or bool(value.isnan().any()):
            raise CourseError(
                f"checkpoint: {source} holds a state of the optimiser {name!r} that is NaN or of another model, the "
                f"first in {key!r}; delete it and train again"
            )
        state.setdefault(int(index), {})[entry] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    # A fused step walks a parameter and its state side by side in memory, so both must be laid out alike; a file knows
    # only the plain layout, and our convolutions are channels_last.
    for parameter, entries in optimizer.state.items():
        for entry, value in entries.items():
            if value.shape == parameter.shape:
                entries[entry] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)
