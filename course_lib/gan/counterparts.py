"""Chapter 15's yardsticks: what is easier than a CycleGAN, what has more to learn from, and what a fake hides."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.data.batches import Batch
from course_lib.data.imageset import ImageSet
from course_lib.errors import CourseError
from course_lib.gan.cyclegan import CycleGAN, Translator
from course_lib.training.model import Trainable, evaluating


def grey_levels(images: Tensor, others: Tensor) -> float:
    """Mean absolute difference of two equally long lists of images in [-1, 1], in grey levels of 255."""
    if images.shape != others.shape:
        raise CourseError(f"others: got {list(others.shape)}, expected {list(images.shape)}, as the images")
    return float((images.double() - others.double()).abs().mean() * 127.5)


def colour_transfer(images: Tensor, first: Tensor, second: Tensor) -> Tensor:
    """Images of the first world with the colours of the second: no pairs needed, and no network.

    Each channel is shifted and stretched so that its mean and deviation over all pixels of `first` become those of
    `second` (Reinhard et al. 2001, in RGB).
    """
    (mean, other_mean), (spread, other_spread) = (
        [getattr(world, kind)(dim=(0, 2, 3), keepdim=True) for world in (first, second)] for kind in ("mean", "std")
    )
    return ((images - mean) / spread.clamp_min(1e-6) * other_spread + other_mean).clamp(-1, 1)


def pairs(first: ImageSet, second: ImageSet) -> ImageSet:
    """For the regressor alone: image i of both worlds, one behind the other in the channels [N, 2C, H, W]."""
    if first.images.shape != second.images.shape:
        raise CourseError(
            f"second: got {list(second.images.shape)}, expected {list(first.images.shape)}, a counterpart for each"
        )
    return ImageSet(torch.cat([first.images, second.images], dim=1), first.labels, class_names=first.class_names)


class PairedRegressor(Trainable):
    """The same translator, told every true counterpart: what a CycleGAN could reach if the pairs were known.

    channels  of both images of a pair together
    """

    name = "paired_regressor"
    batch_size = 8
    average_decay = 0.995
    rate: ClassVar[float] = CycleGAN.rate
    betas: ClassVar[tuple[float, float]] = CycleGAN.betas
    schedule = CycleGAN.schedule

    def __init__(self, channels: int = 6, size: int = 32, width: int = 16, blocks: int = 3):
        super().__init__(channels=channels, size=size, width=width, blocks=blocks)
        if channels % 2:
            raise CourseError(f"channels: got {channels}, expected an even number, those of two images")
        self.forth = Translator(channels // 2, width, blocks)

    def configure(self) -> None:
        self.optimizers = {"forth": torch.optim.Adam(self.parameters(), lr=self.rate, betas=self.betas, fused=True)}

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        here, there = batch.images.chunk(2, dim=1)
        loss = F.l1_loss(self.forth(here), there)
        self.descend(loss, self.optimizers["forth"])
        return {"difference": loss.detach()}

    def translate(self, images: Tensor) -> Tensor:
        with evaluating(self):
            return torch.cat([self.forth(part).float() for part in images.split(500)])


def with_noise(images: Tensor, levels: float, seed: int = 0) -> Tensor:
    """Images plus normal noise of so many grey levels, clamped to [-1, 1]; the same seed the same noise."""
    noise = torch.randn(images.shape, generator=torch.Generator().manual_seed(seed), dtype=images.dtype)
    return (images + levels / 127.5 * noise.to(images.device)).clamp(-1, 1)


def hidden(
    model: CycleGAN, images: Tensor, others: Tensor, levels: float, to: str = "second", seed: int = 0
) -> dict[str, float]:
    """What a fake keeps of its source where nobody looks, in grey levels.

    images  of the world that `to` leads away from
    others  real pictures of the world that it leads to, as many
    "clean" is the error of the way there and back; "noisy" the same, when noise of `levels` was added to the fake on
    the way; "moved" is how far that noise moved the reconstruction, and "fair" how far the same noise moves what the
    same network makes of `others`, which hide nothing.
    """
    home = {"second": "first", "first": "second"}[to]
    fakes = model.translate(images, to=to)
    found = []
    for pictures in (fakes, others):
        plain = model.translate(pictures, to=home)
        found.append((plain, model.translate(with_noise(pictures, levels, seed), to=home)))
    (back, shaken), (plain, disturbed) = found
    return {
        "clean": grey_levels(back, images),
        "noisy": grey_levels(shaken, images),
        "moved": grey_levels(shaken, back),
        "fair": grey_levels(disturbed, plain),
    }
