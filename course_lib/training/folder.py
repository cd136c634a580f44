"""The folder of a run: one run at a time, saved on the way, continued where it stopped."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from filelock import FileLock, Timeout

from course_lib.data.arguments import check_whole
from course_lib.errors import CourseError
from course_lib.training import checkpoint, weights
from course_lib.training.arguments import as_path, real
from course_lib.training.average import MovingAverage
from course_lib.training.model import Trainable
from course_lib.training.run import Run


@contextlib.contextmanager
def locked(folder: str | Path | None, fabric) -> Iterator[Path | None]:
    """The run's folder, ours alone for as long as we train into it."""
    if folder is None:
        yield None
        return
    path = as_path("folder", folder)
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
        if fabric.global_rank == 0:
            checkpoint.clear_parts(path)
        yield path
    finally:
        lock.__exit__(None, None, None)


def save(path: Path, model: Trainable, average: MovingAverage | None, run: Run, facts: dict, fabric, then: str) -> bool:
    """Weights, their average, the optimisers and the losses, in one file; and the card once more for people.

    A full disk costs a line, not the training: it says what happens `then`. False when nothing could be written.
    """
    if fabric.global_rank > 0:
        return True
    tensors = {f"model.{n}": t for n, t in model.state_dict().items()}
    if average:
        tensors |= {f"average.{n}": t for n, t in average.model.state_dict().items()}
    states = {name: weights.optimizer_tensors(name, optimizer) for name, optimizer in model.optimizers.items()}
    for state in states.values():
        tensors |= state
    tensors |= {f"losses.{n}": torch.tensor(values, dtype=torch.float64) for n, values in run.losses.items()}
    card = facts | {
        "steps": run.steps,
        "seconds": round(run.seconds, 3),
        "average_updates": average.updates if average else 0,
        "optimizers": {name: len(state) for name, state in states.items()},
    }
    try:
        checkpoint.save(path / checkpoint.FILE, tensors, card)
        checkpoint.write_card(path / checkpoint.CARD, card)
    except CourseError as error:
        print(f"{error}; {then}", file=sys.stderr, flush=True)
        return False
    return True


def resume(path: Path, model: Trainable, average: MovingAverage | None, run: Run, facts: dict[str, Any]) -> None:
    """Continue from the folder's checkpoint, if it is whole and of this very run."""
    tensors, card = checkpoint.read(path)
    for key in ("model", "config", *data_keys(card, facts, path), "seed", "batch_size"):
        if card.get(key) != facts[key]:
            raise CourseError(
                f"folder: {path} holds a run with {key} {card.get(key)!r}, this one {facts[key]!r}; use another folder"
            )
    check_whole(f"checkpoint: {path}: steps", card.get("steps"), 0)
    real(f"checkpoint: {path}: seconds", card.get("seconds"), "a positive number")
    check_whole(f"checkpoint: {path}: average_updates", card.get("average_updates"), 0)
    losses = weights.prefixed(tensors, "losses")
    if any(values.shape != (card["steps"],) for values in losses.values()):
        raise CourseError(f"checkpoint: {path} has not one loss for each of its {card['steps']} steps; train again")
    check_states(path, model, tensors, card)

    weights.fill(model, weights.prefixed(tensors, "model"), path)
    if average:
        weights.fill(average.model, weights.prefixed(tensors, "average"), path)
        average.updates = card["average_updates"]
    for name, optimizer in model.optimizers.items():
        weights.restore_optimizer(name, optimizer, tensors, path)
    run.losses = {name: values.tolist() for name, values in losses.items()}
    run.steps, run.seconds = card["steps"], card["seconds"]


def data_keys(card: dict[str, Any], facts: dict[str, Any], path: Path) -> tuple[str, ...]:
    """What has to be equal for two runs to train on the same data.

    What counts is what the pictures are, not where they lie. Only a run of an older version kept no digest.
    """
    if "digest" not in card:
        return ("data", "images")
    if card["digest"] != facts["digest"] and all(card.get(key) == facts[key] for key in ("data", "images")):
        raise CourseError(
            f"folder: {path} holds a run on other pictures, labels or class names than these {facts['images']} of "
            f"{facts['data']!r}; use another folder"
        )
    return () if card["digest"] == facts["digest"] else ("data", "images")


def check_states(path: Path, model: Trainable, tensors: dict[str, Any], card: dict[str, Any]) -> None:
    """Without the optimisers' memory a run would go on as another one, and no one would know."""
    found = {name: len(weights.prefixed(tensors, f"optimizer.{name}")) for name in model.optimizers}
    expected = card.get("optimizers")
    uncounted = expected is None and (card["steps"] == 0 or all(found.values()))  # a run of an older version
    if not uncounted and found != expected:
        raise CourseError(
            f"folder: {path} holds weights without the state of their optimisers, so that run cannot go on; load the "
            "weights with models.load, or train into another folder"
        )
