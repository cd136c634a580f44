"""Image sets by name, and batches from them: `images = load("strokes"); batches(images, 128)`."""

from __future__ import annotations

import os
from typing import Any

import torch

from course_lib.data.arguments import SEEDS, check_device, check_split, check_whole
from course_lib.data.batches import Batch, Batches, batches
from course_lib.data.imageset import DIGIT_NAMES, ImageSet, check_images, from_bytes
from course_lib.errors import CourseError, quoted
from course_lib.places import cache_root, data_root, say

__all__ = ["DIGIT_NAMES", "Batch", "Batches", "ImageSet", "batches", "cache_root", "check_images", "data_root", "load"]

KINDS = ("strokes", "portraits", "landscapes", "mnist", "fashion", "cifar10", "folder")
NAMES = (*KINDS[:-1], "folder:PATH")
WORLDS = ("portraits", "landscapes")  # drawn, in colour, with masks of their parts
SIZES = {"strokes": (8, 128), "portraits": (16, 128), "landscapes": (16, 128)}
DRAWN = {"train": 60_000, "test": 10_000}


def load(
    name: str | None = None,
    *,
    size: int | None = None,
    count: int | None = None,
    seed: int = 0,
    split: str = "train",
    colour: bool = False,
    device: str | torch.device = "cpu",
    masks: bool = True,
    **factors: Any,
) -> ImageSet:
    """An image set: images float32 [N, C, H, W] in [-1, 1] and labels int64 [N], both on `device`.

    name    "strokes" (digits we draw, with .factors and .captions), "portraits" or "landscapes" (drawn too, a
            DrawnSet, which has the masks of the parts besides), "mnist", "fashion", "cifar10" or "folder:PATH"; None is
            what COURSE_DATASET says, and "strokes" without it
    size    height and width, 8 to 128 for strokes, 16 to 128 for the other drawn worlds, 4 to 512 otherwise; None is 28
            for strokes, the files' own size for the real sets and 32 for the others. Real sets are resized by
            antialiased bilinear interpolation
    count   how many; None is 60,000 / 10,000 (train / test) strokes, 20,000 / 5,000 portraits or landscapes, and
            everything in a real set or a folder. Of those two, a count takes a random choice that depends on `seed`;
            where there are fewer, all, which is said
    seed    0 to 999,999,999; the same seed gives the same images
    split   "train" or "test"
    colour  three channels: strokes are drawn in colour, grey real sets repeat their one channel. Portraits, landscapes
            and CIFAR-10 are RGB always, and a folder is RGB unless all its files are grey
    masks   of portraits and landscapes; False leaves them out, which saves 12 bytes a pixel
    factors  of portraits and landscapes: values to fix, such as season="winter", hair="curly" or smile=1.0. The same
            seed draws the same place, or the same face, in everything that is not fixed

    Real sets are fetched into data_root() where they are missing; drawn ones are kept in cache_root().
    Raises CourseError, in one line, for a bad argument, a failed download or a damaged file.
    """
    kind, path = kind_and_path(name)
    name = f"{kind}:{path}" if path else kind
    check_split(split)
    if size is not None:
        size = check_whole("size", size, *SIZES.get(kind, (4, 512)))
    if count is not None:
        count = check_whole("count", count, 1)
    seed = check_whole("seed", seed, 0, SEEDS - 1)
    device = check_device(device)
    if kind in WORLDS:
        from course_lib.data.worlds import COUNTS, world

        count = count or COUNTS[split]
        return world(kind, count, size=size or 32, seed=seed, split=split, device=device, masks=masks, factors=factors)
    if factors:
        raise CourseError(
            f"{next(iter(factors))}: a factor can be fixed in {' and '.join(WORLDS)} only, and this is {quoted(name)}"
        )
    if kind == "strokes":
        from course_lib.data.cache import drawn

        count = count or DRAWN[split]
        return drawn(count, size=size or 28, seed=seed, split=split, colour=bool(colour), device=device)

    if kind == "folder":
        from course_lib.data.folder import folder

        images, labels, class_names = folder(path, split, size or 32)
    else:
        from course_lib.data import sources

        images, labels, class_names = getattr(sources, kind)(split)
    if count is not None:
        if count > len(images):
            say(f"count: {name} ({split}) has {len(images)} images, fewer than {count}: all of them are taken")
        chosen = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))[:count]
        images, labels = images[chosen], labels[chosen]
    images = _resized(images, size)
    if colour and images.shape[1] == 1:
        images = images.repeat(1, 3, 1, 1)
    return ImageSet(images, labels, class_names=class_names, name=name).to(device)


def kind_and_path(name: str | None) -> tuple[str, str]:
    """("mnist", "") or ("folder", PATH), of a name such as `load` takes. Raises CourseError for any other."""
    came, name = ("name", name) if name else ("COURSE_DATASET", os.environ.get("COURSE_DATASET") or "strokes")
    kind, _, path = name.partition(":") if isinstance(name, str) else ("", "", "")
    if kind not in KINDS or (kind == "folder") != bool(path):
        raise CourseError(f"{came}: got {quoted(name)}, expected one of {', '.join(NAMES)}")
    return kind, path


def _resized(images: torch.Tensor, size: int | None) -> torch.Tensor:
    """uint8 [N, C, H, W] -> float32 [N, C, size, size] in [-1, 1], a part at a time to keep the memory low."""
    count, channels, height, width = images.shape
    height, width = (size, size) if size else (height, width)
    result = torch.empty(count, channels, height, width)
    for part, out in zip(images.split(4096), result.split(4096), strict=True):
        values = part.float()
        if values.shape[2:] != out.shape[2:]:
            values = torch.nn.functional.interpolate(values, (height, width), mode="bilinear", antialias=True)
        out.copy_(from_bytes(values).clamp_(-1, 1))
    return result
