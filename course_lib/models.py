"""Every trainable model of the course by name: for the command line, for checkpoints, for skipping a training."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from importlib import import_module, resources
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from course_lib import chapters
from course_lib.data.imageset import ImageSet
from course_lib.errors import CourseError, quoted
from course_lib.places import say
from course_lib.training import checkpoint, weights
from course_lib.training.model import Trainable

LARGEST = 500_000_000  # numbers in one model: 2 GB


def lazily(path: str) -> Callable[[], type[Trainable]]:
    module, name = path.rsplit(".", 1)
    return lambda: getattr(import_module(f"course_lib.{module}"), name)


MODELS: dict[str, Callable[[], type[Trainable]]] = {name: lazily(path) for name, path in chapters.MODELS.items()}


def model_class(name: str) -> type[Trainable]:
    """The class behind a name. Raises CourseError that lists the names there are."""
    if name not in MODELS:
        raise CourseError(f"model: got {name!r}, expected one of {', '.join(MODELS)}")
    return MODELS[name]()


def build(name: str, images: ImageSet, **config: Any) -> Trainable:
    """A fresh model that fits `images`, with settings of its own. Raises CourseError for settings it cannot have."""
    kind = model_class(name)
    sketch(name, lambda: kind.for_data(images, **config))
    return kind.for_data(images, **config)


def settings(kind: type[Trainable]) -> dict[str, int | float | str]:
    """What a model's constructor takes, with the defaults."""
    parameters = inspect.signature(kind.__init__).parameters
    return {name: p.default for name, p in parameters.items() if isinstance(p.default, int | float | str)}


def sketch(name: str, make: Callable[[], Trainable]) -> Trainable:
    """The model that `make` makes, without its memory: names and shapes. It judges settings before they cost anything.

    Raises CourseError for settings that make no model, or one of more than LARGEST numbers.
    """
    try:
        with torch.device("meta"):
            model = make()
    except CourseError:
        raise
    except (TypeError, ValueError, ArithmeticError, RuntimeError, MemoryError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise CourseError(f"{name}: these settings make no model ({reason})") from error
    count = sum(tensor.numel() for tensor in model.state_dict().values())
    if count > LARGEST:
        raise CourseError(f"{name}: these settings make a model of {count:,} numbers, expected at most {LARGEST:,}")
    return model


def load(path: str | Path) -> Trainable:
    """The model a checkpoint holds (a run's folder or a file), in eval mode, its moving average where there is one.

    Nothing is allocated before the file is known to hold the weights of such a model.
    """
    tensors, card = checkpoint.read(path)
    kind, config = model_class(card["model"]), card["config"]
    known = settings(kind)
    for name, value in config.items():
        if name not in known or not same_kind(value, known[name]):
            expected = f"{name} as {type(known[name]).__name__}" if name in known else ", ".join(known) or "none"
            raise CourseError(f"checkpoint: {path}: config: got {name}={quoted(value)}, expected {expected}")
    best = weights.best(tensors)
    try:
        empty = sketch(card["model"], lambda: kind(**config))
    except CourseError as error:
        raise CourseError(f"checkpoint: {path}: {error}") from error
    weights.compare(empty, best, path)
    model = kind(**config)
    weights.fill(model, best, path)
    return model.eval()


def same_kind(value: Any, default: int | float | str) -> bool:
    """Whether `value` can stand for `default`: JSON writes 4.0 and 4 alike, but True is no number."""
    return type(value) is type(default) or (type(value), type(default)) == (int, float)


def pretrained(name: str) -> Trainable:
    """A small checkpoint that ships with the course, for those who skip a training. Its card is the .json beside it."""
    shipped = resources.files("course_lib") / "checkpoints"
    names = sorted(
        entry.name.removesuffix(".safetensors") for entry in shipped.iterdir() if entry.name.endswith(".safetensors")
    )
    if name not in names:
        raise CourseError(f"pretrained: got {name!r}, expected one of {', '.join(names)}")
    return load(Path(str(shipped / f"{name}.safetensors")))


def ship(path: str | Path, out: str | Path, **facts) -> None:
    """Write the small form of a run: averaged weights, in float16 where that is exact enough, and the card.

    `facts` (command, score ...) go into the card. The weights are float32 again once loaded. A single number below
    6e-8 becomes 0 in float16; a line says how many did.
    """
    tensors, card = checkpoint.read(path)
    best = weights.best(tensors)
    small = {name: halved(tensor) for name, tensor in best.items()}
    lost = sum(int(((small[name] == 0) & (best[name] != 0)).sum()) for name in best)
    if lost:
        say(f"{out}: {lost} of {sum(t.numel() for t in best.values())} weights are below 6e-8 and become 0 in float16")
    checkpoint.save(Path(out), {f"model.{name}": tensor for name, tensor in small.items()}, card | facts)
    checkpoint.write_card(Path(out).with_suffix(".json"), card | facts)


def halved(tensor: Tensor) -> Tensor:
    """In float16, unless that moves a number by over 1/1000 of the largest: one is too large or all are too small."""
    if not tensor.is_floating_point() or not tensor.numel():
        return tensor
    moved = (tensor - tensor.half().to(tensor.dtype)).abs().max()
    return tensor.half() if moved <= tensor.abs().max() / 1000 else tensor
