"""The game in the plane, where everything can be seen: mixtures of Gaussians, and two small MLPs that play for them."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from course_lib.data.batches import Batch
from course_lib.data.imageset import ImageSet
from course_lib.errors import CourseError
from course_lib.gan.the_gan_game import GAN


class Points(NamedTuple):
    """A mixture of equal Gaussians in the plane."""

    centres: Tensor  # [M, 2]
    spread: float  # standard deviation of each

    def sample(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """float32 [count, 2]"""
        which = torch.randint(len(self.centres), (count,), generator=generator)
        return self.centres[which] + self.spread * torch.randn(count, 2, generator=generator)


def ring(modes: int = 8, radius: float = 1.0, spread: float = 0.05) -> Points:
    """Gaussians on a circle."""
    angle = torch.arange(modes) * (2 * math.pi / modes)
    return Points(radius * torch.stack([angle.cos(), angle.sin()], dim=1), spread)


def grid(side: int = 5, spread: float = 0.05) -> Points:
    """side x side Gaussians on [-1, 1]²."""
    line = torch.linspace(-1, 1, side)
    return Points(torch.cartesian_prod(line, line), spread)


class PointGAN(GAN):
    """Two small MLPs that play for points in the plane: noise [N, 2] -> points [N, 2] -> logits [N]."""

    name = "point_gan"
    rate = 1e-3

    def __init__(self, objective: Any = None, latent: int = 2, width: int = 64, depth: int = 2):
        super().__init__(latent=latent, width=width, depth=depth)
        self.objective = objective or self.objective  # without one, the class's own
        self.generator = mlp(latent, width, depth, 2)
        self.discriminator = nn.Sequential(*mlp(2, width, depth, 1), nn.Flatten(0))

    @classmethod
    def for_data(cls, images: ImageSet, **config: Any) -> PointGAN:
        raise CourseError(f"for_data: {cls.name!r} plays for points in the plane; there are no images to fit it to")

    def step(self, points: Tensor) -> dict[str, Tensor]:
        """One training step on points [N, 2]."""
        if not self.optimizers:
            self.configure()
        losses = self.training_step(Batch(points, torch.zeros(len(points), dtype=torch.int64)))
        self.steps_done += 1
        return losses


def mlp(inputs: int, width: int, depth: int, outputs: int) -> nn.Sequential:
    """`depth` hidden layers of `width` numbers with LeakyReLU, then a dense layer."""
    sizes = [inputs, *[width] * depth]
    layers: list[nn.Module] = []
    for before, after in pairwise(sizes):
        layers += [nn.Linear(before, after), nn.LeakyReLU(0.2)]
    return nn.Sequential(*layers, nn.Linear(width, outputs))
