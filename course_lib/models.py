"""Every trainable model of the course by name: for the command line, for checkpoints, for skipping a training."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module, resources
from pathlib import Path

from course_lib import chapters
from course_lib.data.imageset import ImageSet
from course_lib.errors import CourseError
from course_lib.training import checkpoint
from course_lib.training.model import Trainable


def lazily(path: str) -> Callable[[], type[Trainable]]:
    module, name = path.rsplit(".", 1)
    return lambda: getattr(import_module(f"course_lib.{module}"), name)


MODELS: dict[str, Callable[[], type[Trainable]]] = {name: lazily(path) for name, path in chapters.MODELS.items()}


def model_class(name: str) -> type[Trainable]:
    """The class behind a name. Raises CourseError that lists the names there are."""
    if name not in MODELS:
        raise CourseError(f"model: got {name!r}, expected one of {', '.join(MODELS)}")
    return MODELS[name]()


def build(name: str, images: ImageSet) -> Trainable:
    """A fresh model that fits `images`."""
    return model_class(name).for_data(images)


def load(path: str | Path) -> Trainable:
    """The model a checkpoint holds (a run's folder or a file), in eval mode, its moving average where there is one."""
    _, card = checkpoint.read(path)
    return checkpoint.load_weights(model_class(card["model"])(**card["config"]), path)


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
    """Write the small form of a run: averaged weights, in float16 unless that exceeds its range, and the card.

    `facts` (command, score ...) go into the card. The weights are float32 again once loaded.
    """
    tensors, card = checkpoint.read(path)
    weights = checkpoint.prefixed(tensors, "average") or checkpoint.prefixed(tensors, "model")
    if all(bool(tensor.abs().max() < 65_000) for tensor in weights.values() if tensor.is_floating_point()):
        weights = {name: t.half() if t.is_floating_point() else t for name, t in weights.items()}
    checkpoint.save(Path(out), {f"model.{name}": tensor for name, tensor in weights.items()}, card | facts)
    checkpoint.write_card(Path(out).with_suffix(".json"), card | facts)
