"""What a model of this course can do: take a training step, be evaluated, draw samples, say how it was made."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from course_lib.data.arguments import check_whole
from course_lib.data.batches import Batch
from course_lib.data.imageset import ImageSet, shape_of
from course_lib.errors import CourseError


class Trainable(nn.Module):
    """Base of every model that `training.fit` trains.

    A subclass sets `name`, fills `self.config` with its constructor arguments (plain JSON values) and writes
    `configure` and `training_step`. Everything a reader wants to see of a training is in those two.
    """

    name: ClassVar[str] = ""  # what the command line calls it
    batch_size: ClassVar[int] = 64
    average_decay: ClassVar[float | None] = 0.999  # of the moving average; None trains without one

    def __init__(self, **config: Any):
        super().__init__()
        check_config(config)
        self.config = config
        self.optimizers: dict[str, torch.optim.Optimizer] = {}
        self.fabric = None  # set by fit: device, precision, processes
        self.steps_done = 0  # set by fit before each step

    @classmethod
    def for_data(cls, images: ImageSet, **config: Any) -> Trainable:
        """A fresh model whose input fits `images`: its channels and its size; a subclass may add more."""
        return cls(**shape_of(images), **config)

    def configure(self) -> None:
        """Create `self.optimizers`; called by `fit` once the weights are on their device."""
        raise NotImplementedError

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """One update from one batch. Returns detached scalars to plot."""
        raise NotImplementedError

    def schedule(self, progress: float) -> float:
        """The factor on every learning rate when `progress`, in [0, 1], of the training is done."""
        return 1.0

    def augment(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """The whole-batch augmentation this model trains with, or the images as they are."""
        return images

    def descend(self, loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
        """Clear old gradients, compute new ones, average them over the processes, take one step.

        Under mixed precision the forward pass runs in bfloat16; the backward pass follows each operation's own type.
        """
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast(loss.device.type, enabled=False):
            loss.backward()
        if self.fabric is not None and self.fabric.world_size > 1:
            average_gradients(self.fabric, optimizer)
        optimizer.step()

    def evaluate(self, images: ImageSet) -> dict[str, float]:
        """Metrics on images the model was not trained on."""
        raise CourseError(f"evaluate: the model {self.name!r} has no metrics of its own")

    def sample(self, count: int, *, seed: int = 0, labels: Tensor | None = None) -> Tensor:
        """Draw `count` images, float32 [N, C, H, W] in [-1, 1]; the same seed draws the same images."""
        raise CourseError(f"sample: the model {self.name!r} reads images, it does not draw any")


def check_config(config: dict[str, Any]) -> None:
    """Raises CourseError for numbers that no model can be made with."""
    for name, value in config.items():
        if isinstance(value, float) and not math.isfinite(value):
            raise CourseError(f"{name}: got {value}, expected a finite number")
        if name in ("channels", "classes", "width", "hidden"):
            check_whole(name, value, 1)


def fitting(model: Trainable, images: ImageSet) -> ImageSet:
    """`images`, if they have the channels, the size and as many classes as `model` was made for.

    Raises CourseError otherwise. A model whose configuration does not speak of one of these takes any.
    """
    check_shape(model, images)
    found, known = len(images.class_names), model.config.get("classes")
    if known not in (None, found):
        raise CourseError(f"images: got {found} classes, expected {known}, as the model {model.name!r} was made for")
    return images


def check_shape(model: Trainable, images: ImageSet) -> None:
    """Raises CourseError unless `images` have the channels and the size that `model` was made for."""
    _, channels, height, width = images.images.shape
    wanted = model.config.get("channels", channels), model.config.get("size", height), model.config.get("size", width)
    if wanted != (channels, height, width):
        raise CourseError(
            f"images: got [N, {channels}, {height}, {width}], expected [N, {', '.join(map(str, wanted))}], as the "
            f"model {model.name!r} was made for"
        )


def average_gradients(fabric, optimizer: torch.optim.Optimizer) -> None:
    """Replace every gradient by its mean over the processes: one message for all of them."""
    gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    flat = fabric.all_reduce(flat, reduce_op="mean")
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients]), strict=True):
        gradient.copy_(mean.view_as(gradient))


@contextlib.contextmanager
def evaluating(model: nn.Module) -> Iterator[nn.Module]:
    """Eval mode and no gradients inside; every submodule's own mode is restored afterwards."""
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        with torch.no_grad():
            yield model
    finally:
        for module, mode in modes:
            module.training = mode
