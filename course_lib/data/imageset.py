"""The one type every data source returns: images, labels and, where we drew them ourselves, every factor."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import torch
from torch import Tensor

from course_lib.errors import CourseError

TOLERANCE = 1e-4  # how far rounding may carry a pixel out of [-1, 1]
DIGIT_NAMES = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


@dataclass(frozen=True)
class ImageSet:
    """Images in one tensor, with what is known about them.

    images       float32 [N, C, H, W] in [-1, 1]; -1 is an empty (black) background, 1 is full ink (white)
    labels       int64 [N], each in 0 .. len(class_names) - 1
    factors      name -> tensor [N] or [N, 3]: what the drawing program chose (empty for photographs and scans)
    captions     N sentences, or empty
    class_names  the name of each label; without them the labels' own numbers
    name         the name it was loaded by

    Raises CourseError when shapes, types or ranges disagree.
    """

    images: Tensor
    labels: Tensor
    factors: dict[str, Tensor] = field(default_factory=dict)
    captions: Sequence[str] = ()
    class_names: tuple[str, ...] = ()
    name: str = "images"

    def __post_init__(self):
        images, labels = self.images, self.labels
        if images.ndim != 4 or images.dtype != torch.float32:
            raise CourseError(
                f"images: got {images.dtype} of shape {list(images.shape)}, expected float32 [N, C, H, W]"
            )
        if labels.shape != images.shape[:1] or labels.dtype != torch.int64:
            raise CourseError(
                f"labels: got {labels.dtype} of shape {list(labels.shape)}, "
                f"expected int64 [{len(images)}], one per image"
            )
        for name, values in self.factors.items():
            if len(values) != len(images):
                raise CourseError(f"factors: got {len(values)} rows of {name!r}, expected {len(images)}, one per image")
        if self.captions and len(self.captions) != len(images):
            raise CourseError(f"captions: got {len(self.captions)}, expected {len(images)}, one per image")
        least, most = (int(bound) for bound in labels.aminmax()) if len(labels) else (0, -1)
        if not self.class_names:
            object.__setattr__(self, "class_names", tuple(str(label) for label in range(most + 1)))
        if least < 0 or most >= len(self.class_names):
            raise CourseError(
                f"labels: got {least} to {most}, expected 0 to {len(self.class_names) - 1}, one per class"
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def short_names(self) -> tuple[str, ...]:
        """The class names as an axis has room for them: digits are written as 0 to 9."""
        return tuple(map(str, range(10))) if self.class_names == DIGIT_NAMES else tuple(self.class_names)

    def __getitem__(self, index: slice | Tensor) -> ImageSet:
        """A smaller set: a slice, a boolean mask [N] or a tensor of positions [M]. Raises CourseError for others."""
        if isinstance(index, slice):
            index = torch.arange(len(self))[index]
        if not isinstance(index, Tensor) or index.ndim != 1 or index.is_floating_point():
            raise CourseError(
                f"index: got {index!r}, expected a slice, a mask [N] or positions [M] (one image: [i : i + 1])"
            )
        if index.dtype == torch.bool and len(index) != len(self):
            raise CourseError(f"index: got a mask of length {len(index)}, expected {len(self)}, one per image")
        index = index.to(self.images.device)
        positions = index.nonzero().flatten() if index.dtype == torch.bool else index
        return replace(
            self,
            images=self.images[positions],
            labels=self.labels[positions],
            factors={name: values[positions.to(values.device)] for name, values in self.factors.items()},
            captions=_Chosen(self.captions, positions.tolist()) if self.captions else (),
        )

    def to(self, device: str | torch.device) -> ImageSet:
        """The same set with every tensor on `device`."""
        return replace(
            self,
            images=self.images.to(device),
            labels=self.labels.to(device),
            factors={name: values.to(device) for name, values in self.factors.items()},
        )

    def digest(self) -> str:
        """A name for what the set holds: every pixel, every label and the class names, wherever it was loaded from.

        About a second for 2 GB of images.
        """
        found = hashlib.sha256(json.dumps(self.class_names).encode())
        for tensor in (self.images, self.labels):
            found.update(f"{tensor.dtype} {list(tensor.shape)}".encode())
            for part in tensor.split(4096):
                found.update(part.cpu().contiguous().numpy())
        return found.hexdigest()[:32]


class _Chosen(Sequence):
    """Some of the captions, in a given order; each is written only when it is read, as some are made on demand."""

    def __init__(self, captions: Sequence[str], positions: list[int]):
        self.captions, self.positions = captions, positions

    def __len__(self) -> int:
        return len(self.positions)

    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self.captions[i] for i in self.positions[index]]
        return self.captions[self.positions[index]]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)


def shape_of(images: ImageSet) -> dict[str, int]:
    """The constructor arguments `channels` and `size` of a model for square images. Raises CourseError for others."""
    _, channels, height, width = images.images.shape
    if height != width:
        raise CourseError(f"images: got {list(images.images.shape)}, expected square images")
    return {"channels": channels, "size": height}


def ink(images: Tensor) -> Tensor:
    """[-1, 1] -> [0, 1], so that the zeros a convolution pads with mean empty paper."""
    return (images + 1) / 2


def to_bytes(images: Tensor) -> Tensor:
    """Images in [-1, 1] as uint8, a quarter of the size. `from_bytes` gives drawn images back exactly."""
    return ((images + 1) * 127.5).round_().clamp_(0, 255).to(torch.uint8)


def from_bytes(levels: Tensor) -> Tensor:
    """Levels of 0 to 255, uint8 or what resizing made of them, as float32 k / 127.5 - 1, in [-1, 1]."""
    return levels.to(torch.float32, copy=True).div_(127.5).sub_(1)  # one copy, since a set may fill the memory


def check_images(images: Tensor, name: str = "images") -> Tensor:
    """Return `images` unchanged if they are float32 [N, C, H, W], finite and within [-1, 1]; N is at least 1.

    Raises CourseError, naming `name`, otherwise. One pass over the data.
    """
    if not isinstance(images, Tensor):
        raise CourseError(f"{name}: got {type(images).__name__}, expected a tensor, float32 [N, C, H, W]")
    if images.ndim != 4 or images.dtype != torch.float32:
        raise CourseError(f"{name}: got {images.dtype} of shape {list(images.shape)}, expected float32 [N, C, H, W]")
    if images.numel() == 0:
        raise CourseError(
            f"{name}: got shape {list(images.shape)}, expected at least one image with at least one pixel"
        )
    low, high = (bound.item() for bound in images.aminmax())  # NaN anywhere makes both NaN
    if not (math.isfinite(low) and math.isfinite(high)):
        broken = len(images) - int(images.isfinite().flatten(1).all(1).sum())
        raise CourseError(
            f"{name}: got NaN or infinite values in {broken} of {len(images)} images, expected finite ones"
        )
    if low < -1 - TOLERANCE or high > 1 + TOLERANCE:
        raise CourseError(f"{name}: got values from {low:.4g} to {high:.4g}, expected them within [-1, 1]")
    return images
