"""Shuffled batches straight from the one tensor that holds the images, on whatever device that is.

Nothing is done per image and nothing is kept between steps: batch number `step` is a function of (seed, step) alone,
so that a resumed run sees the batches an uninterrupted one would have seen.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Generator, Tensor

from course_lib.data.arguments import check_whole
from course_lib.data.augment import Augmentation
from course_lib.data.imageset import ImageSet
from course_lib.errors import CourseError


class Pair(NamedTuple):
    images: Tensor  # float32 [B, C, H, W] in [-1, 1]
    labels: Tensor  # int64 [B]


class Batch(Pair):
    """Images and labels, to be unpacked as two; what else the set knows of these images is looked up when asked for."""

    source: tuple[ImageSet, Tensor] | None = None  # the set and where in it these images stand, int64 [B]

    @property
    def factors(self) -> dict[str, Tensor]:
        """name -> [B, ...]: the factors of these images; none where the set has none."""
        if self.source is None:
            return {}
        images, rows = self.source
        return {name: values.index_select(0, rows) for name, values in images.factors.items()}


class Batches:
    """Random access to the batches of every epoch; see `batches`."""

    def __init__(self, images: ImageSet, batch_size: int, *, seed=0, augment=None, drop_last=True, rank=0, world=1):
        if not isinstance(images, ImageSet):
            raise CourseError(f"images: got {type(images).__name__}, expected an ImageSet, as data.load(...) returns")
        check_whole("batch_size", batch_size, 1)
        check_whole("world", world, 1)
        check_whole("rank", rank, 0)
        count = len(images)
        if count == 0:
            raise CourseError("images: got an empty image set, expected at least one image")
        if batch_size > count:
            raise CourseError(f"batch_size: got {batch_size}, expected at most {count}, the number of images")
        if rank >= world:
            raise CourseError(f"rank: got {rank}, expected 0 to {world - 1}, as there are {world} processes")
        if batch_size % world:
            raise CourseError(f"batch_size: got {batch_size}, expected a multiple of {world}, the number of processes")
        if not drop_last and count % batch_size % world:
            raise CourseError(
                f"drop_last: got False, expected True, since the last batch of {count % batch_size} images "
                f"does not split evenly over {world} processes"
            )
        self.images, self.batch_size, self.seed, self.augment = images, batch_size, seed, augment
        self.rank, self.world = rank, world
        self.steps = count // batch_size if drop_last else -(-count // batch_size)
        self._epoch, self._order = -1, torch.empty(0, dtype=torch.int64)

    def __len__(self) -> int:
        """Steps per epoch."""
        return self.steps

    def __iter__(self) -> Iterator[Batch]:
        """The batches of the first epoch, in order."""
        return (self.at(step) for step in range(self.steps))

    def positions(self, step: int) -> Tensor:
        """Where the images of the whole batch number `step` (all ranks) stand in the set: int64 [B], on its device."""
        check_whole("step", step, 0)
        epoch, place = divmod(step, self.steps)
        if epoch != self._epoch:  # only a speed-up: the order depends on (seed, epoch) alone
            order = torch.randperm(len(self.images), generator=_generator(self.seed, "order", epoch))
            self._epoch, self._order = epoch, order.to(self.images.images.device)
        return self._order[place * self.batch_size : (place + 1) * self.batch_size]

    def at(self, step: int) -> Batch:
        """Batch number `step` (0, 1, ... on through all epochs): the same for the same (seed, step), always."""
        positions = self.positions(step)
        mine = slice(self.rank, None, self.world)
        batch = self.pictures(positions, mine, step)
        batch.source = self.images, positions[mine]
        return batch

    def pictures(self, positions: Tensor, mine: slice, step: int) -> Batch:
        """This rank's images at these positions, augmented where that was asked for, and their labels."""
        labels = self.images.labels.index_select(0, positions[mine])
        if self.augment is None:
            return Batch(self.images.images.index_select(0, positions[mine]), labels)
        # Every rank augments the whole batch and keeps its rows, so that N processes train on what one would have.
        whole = self.images.images.index_select(0, positions)
        augmented = self.augment(whole, _generator(self.seed, "augment", step))
        if augmented.shape != whole.shape:
            raise CourseError(f"augment: got back shape {list(augmented.shape)}, expected {list(whole.shape)}")
        return Batch(augmented[mine], labels)


def batches(
    images: ImageSet,
    batch_size: int,
    *,
    seed: int = 0,
    augment: Augmentation | None = None,
    drop_last: bool = True,
    rank: int = 0,
    world: int = 1,
) -> Batches:
    """Shuffled batches of an image set, on the set's own device.

    images      the set; move it first with `images.to(device)`
    batch_size  images per step, over all processes together: 1 .. len(images)
    seed        decides the order of every epoch and every augmentation
    augment     (images [B, C, H, W], CPU generator) -> images of the same shape; see course_lib.data.augment
    drop_last   leave out the incomplete batch at the end of an epoch
    rank, world process `rank` of `world` gets rows rank::world of the batch one process would get

    `batches(...).at(step)` is random access; `len` is the steps of an epoch; iterating gives the first epoch.
    Raises CourseError for an empty set, a batch size out of range, or one that does not split over `world`.
    """
    return Batches(images, batch_size, seed=seed, augment=augment, drop_last=drop_last, rank=rank, world=world)


def _generator(seed: int, purpose: str, number: int) -> Generator:
    # torch's CPU generator uses the lower 32 bits of its seed only, so arithmetic such as seed * 2**32 + step would
    # repeat itself; a hash spreads all of (seed, purpose, number) over them.
    digest = hashlib.blake2b(f"{seed}/{purpose}/{number}".encode(), digest_size=8).digest()
    return Generator().manual_seed(int.from_bytes(digest, "little") >> 1)
