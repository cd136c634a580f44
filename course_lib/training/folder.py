"""The folder of a run: one run at a time, saved on the way, continued where it stopped."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from course_lib.errors import CourseError
from course_lib.training import checkpoint, weights
from course_lib.training.average import MovingAverage
from course_lib.training.model import Trainable
from course_lib.training.run import Run


@contextlib.contextmanager
def locked(folder: str | Path | None, fabric) -> Iterator[Path | None]:
    """The run's folder, ours alone for as long as we train into it."""
    if folder is None:
        yield None
        return
    path = Path(folder).expanduser()
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise CourseError(f"folder: could not make {path} ({error.strerror})") from error
    lock = FileLock(path / ".lock", timeout=0) if fabric.global_rank == 0 else contextlib.nullcontext()
    try:
        lock.__enter__()
    except Timeout:
        raise CourseError(f"folder: another run is training into {path}; wait for it or name another folder") from None
    except OSError as error:
        raise CourseError(f"folder: could not write into {path} ({error.strerror})") from error
    try:
        yield path
    finally:
        lock.__exit__(None, None, None)


def save(path: Path, model: Trainable, average: MovingAverage | None, run: Run, facts: dict, fabric) -> None:
    """Weights, their average, the optimisers and the losses, in one file; and the card once more for people."""
    if fabric.global_rank > 0:
        return
    tensors = {f"model.{n}": t for n, t in model.state_dict().items()}
    if average:
        tensors |= {f"average.{n}": t for n, t in average.model.state_dict().items()}
    for name, optimizer in model.optimizers.items():
        tensors |= weights.optimizer_tensors(name, optimizer)
    tensors |= {f"losses.{n}": torch.tensor(values, dtype=torch.float64) for n, values in run.losses.items()}
    state = {"steps": run.steps, "seconds": round(run.seconds, 3), "average_updates": average.updates if average else 0}
    checkpoint.save(path / checkpoint.FILE, tensors, facts | state)
    checkpoint.write_card(path / checkpoint.CARD, facts | state)


def try_to_save(path: Path, *state) -> None:
    """In the middle of a training a full disk costs a line, not the training."""
    try:
        save(path, *state)
    except CourseError as error:
        print(f"{error}; training goes on", file=sys.stderr, flush=True)


def resume(path: Path, model: Trainable, average: MovingAverage | None, run: Run, facts: dict[str, Any]) -> None:
    """Continue from the folder's checkpoint, if it is of this very run."""
    tensors, card = checkpoint.read(path)
    for key in ("model", "config", "data", "images", "seed", "batch_size"):
        if card.get(key) != facts[key]:
            raise CourseError(
                f"folder: {path} holds a run with {key} {card.get(key)!r}, this one {facts[key]!r}; use another folder"
            )
    weights.fill(model, weights.prefixed(tensors, "model"), path)
    if average:
        weights.fill(average.model, weights.prefixed(tensors, "average"), path)
        average.updates = card["average_updates"]
    for name, optimizer in model.optimizers.items():
        weights.restore_optimizer(name, optimizer, tensors, path)
    run.losses = {name: values.tolist() for name, values in weights.prefixed(tensors, "losses").items()}
    run.steps, run.seconds = card["steps"], card["seconds"]
