"""Checkpoints: one safetensors file, written in one move, with a card that says what it is. Nothing is unpickled."""

from __future__ import annotations

import contextlib
import json
import os
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor, nn

from course_lib.errors import CourseError

FILE, CARD = "checkpoint.safetensors", "card.json"
FORMAT = "course_lib checkpoint 1"


def write_atomically(path: Path, content: bytes) -> None:
    """Readers see the old file or the new one, never half of either, whatever kills us in between."""
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        with open(partial, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            partial.unlink()
        raise CourseError(
            f"folder: could not write {path} ({error.strerror or error}); the file before it is untouched"
        ) from error


def save(path: Path, tensors: dict[str, Tensor], card: dict[str, Any]) -> None:
    """Write tensors and their card into one file."""
    contiguous = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    write_atomically(Path(path), to_bytes(contiguous, {"format": FORMAT, "card": json.dumps(card)}))


def checkpoint_file(path: str | Path) -> Path:
    """A run's folder, or a checkpoint file itself, as the path of the file."""
    path = Path(path).expanduser()
    file = path / FILE if path.is_dir() else path
    if not file.is_file():
        raise CourseError(f"checkpoint: there is no {file}, expected a folder made by `train` or a .safetensors file")
    return file


def read(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and card of a checkpoint; one clear line when it is truncated, corrupt or not ours."""
    file = checkpoint_file(path)
    try:
        with safe_open(str(file), framework="pt") as opened:
            metadata = opened.metadata() or {}
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 (not a dict)
    except (SafetensorError, OSError) as error:
        raise CourseError(f"checkpoint: {file} is truncated or corrupt ({error}); delete it and train again") from error
    if metadata.get("format") != FORMAT:
        raise CourseError(
            f"checkpoint: {file} is not one of this course (format {metadata.get('format')!r}, expected {FORMAT!r})"
        )
    return tensors, json.loads(metadata["card"])


def read_card(path: str | Path) -> dict[str, Any]:
    """What a checkpoint says of itself: model, configuration, seed, data, steps."""
    return read(path)[1]


def prefixed(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    """The entries under `prefix.`, with the prefix taken off."""
    return {name[len(prefix) + 1 :]: tensor for name, tensor in tensors.items() if name.startswith(prefix + ".")}


def fill(model: nn.Module, weights: dict[str, Tensor], source: str | Path) -> None:
    """Load `weights` into `model`, or say in one line how they differ; on an error the model is unchanged."""
    own = model.state_dict()
    wrong = sorted(own.keys() ^ weights.keys())
    wrong += [n for n in own if n in weights and own[n].shape != weights[n].shape]
    if wrong:
        raise CourseError(
            f"checkpoint: {source} belongs to another model; {len(wrong)} weights differ, the first is {wrong[0]!r}"
        )
    model.load_state_dict(weights)


def load_weights(model: nn.Module, path: str | Path) -> nn.Module:
    """Fill `model` with a checkpoint's weights: the moving average if it has one. Returns the model in eval mode."""
    tensors, card = read(path)
    if getattr(model, "name", card["model"]) != card["model"]:
        raise CourseError(f"checkpoint: {path} holds a {card['model']!r}, expected a {model.name!r}")
    fill(model, prefixed(tensors, "average") or prefixed(tensors, "model"), path)
    return model.eval()


def optimizer_tensors(name: str, optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """An optimiser's state as flat names: `optimizer.NAME.PARAMETER.ENTRY`."""
    state = optimizer.state_dict()["state"]
    return {f"optimizer.{name}.{i}.{entry}": value for i, entries in state.items() for entry, value in entries.items()}


def restore_optimizer(name: str, optimizer: torch.optim.Optimizer, tensors: dict[str, Tensor]) -> None:
    """The way back from `optimizer_tensors`; learning rates and betas come from the code, not from the file."""
    state: dict[int, dict[str, Tensor]] = {}
    for key, value in prefixed(tensors, f"optimizer.{name}").items():
        index, entry = key.split(".", 1)
        state.setdefault(int(index), {})[entry] = value
    optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
    # A fused step walks a parameter and its state side by side in memory, so both must be laid out alike; a file knows
    # only the plain layout, and our convolutions are channels_last.
    for parameter, entries in optimizer.state.items():
        for entry, value in entries.items():
            if value.shape == parameter.shape:
                entries[entry] = torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def write_card(path: Path, card: dict[str, Any]) -> None:
    """The card as a file of its own, for people; programs read the copy inside the checkpoint."""
    write_atomically(path, (json.dumps(card, indent=2) + "\n").encode())
