"""Chapter 8: digits to order. Both networks are told the class (Mirza and Osindero 2014)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from course_lib.data.imageset import ImageSet
from course_lib.errors import CourseError
from course_lib.gan.dcgan import Discriminator, Generator
from course_lib.gan.stable_training import RelativisticPair
from course_lib.gan.the_gan_game import GAN, check_count
from course_lib.training.model import evaluating


class ProjectionDiscriminator(nn.Module):
    """Images [N, C, H, W] and labels [N] -> logits [N] (Miyato and Koyama 2018, equation 5).

    logit = w · h + e(y) · h, with h the features of the image and e(y) a learned vector per class. "Does this image
    look real?" and "does it look like a y?" are two sums over the same features. Painting the label into the image as
    extra channels also works, but the first layer must then carry it through the whole network.
    """

    def __init__(self, channels: int, size: int, width: int, classes: int):
        super().__init__()
        plain = Discriminator(channels, size, width)
        self.body, self.to_logit = plain.body, plain.to_logit
        self.embedding = nn.Embedding(classes, plain.to_logit.in_features)
        nn.init.zeros_(self.embedding.weight)  # starts as the unconditional discriminator

    def forward(self, images: Tensor, labels: Tensor) -> Tensor:
        features = self.body(images)
        return self.to_logit(features).flatten() + (self.embedding(labels) * features).sum(dim=1)


class LabelledGenerator(nn.Module):
    """Noise [N, latent] and labels [N] -> images: a learned vector per class is put beside the noise."""

    def __init__(self, channels: int, size: int, latent: int, width: int, classes: int):
        super().__init__()
        self.embedding = nn.Embedding(classes, latent)
        self.painter = Generator(channels, size, 2 * latent, width)

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        return self.mix(noise, self.embedding(labels))

    def mix(self, noise: Tensor, classes: Tensor) -> Tensor:
        """The same with class vectors [N, latent], which may lie between two classes."""
        return self.painter(torch.cat([noise, classes], dim=1))


class ConditionalGAN(RelativisticPair, GAN):
    """Chapter 7's recipe with labels in both networks."""

    name = "conditional_gan"
    batch_size = 32
    rate = 2e-3
    gamma = 1.0
    every = 8

    def __init__(self, channels: int = 1, size: int = 28, classes: int = 10, latent: int = 32, width: int = 16):
        super().__init__(latent=latent, channels=channels, size=size, classes=classes, width=width)
        self.classes = classes
        self.generator = LabelledGenerator(channels, size, latent, width, classes)
        self.discriminator = ProjectionDiscriminator(channels, size, width, classes)

    @classmethod
    def for_data(cls, images: ImageSet, **config) -> ConditionalGAN:
        return super().for_data(images, classes=len(images.class_names), **config)

    def generate(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.generator(noise, labels)

    def verdict(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        return self.discriminator(images, labels)

    def sample(self, count: int, *, seed: int = 0, labels: Tensor | None = None) -> Tensor:
        """`count` images, float32 [N, C, H, W] in [-1, 1], image i of class labels[i]; by default 0, 1, 2 ... in turn.

        Raises CourseError for labels of another length, type or range.
        """
        check_count(count)
        labels = torch.arange(count) % self.classes if labels is None else torch.as_tensor(labels)
        if labels.shape != (count,) or labels.is_floating_point() or labels.dtype == torch.bool:
            raise CourseError(
                f"labels: got {labels.dtype} of shape {list(labels.shape)}, "
                f"expected whole numbers [{count}], one per image"
            )
        if int(labels.min()) < 0 or int(labels.max()) >= self.classes:
            raise CourseError(
                f"labels: got {int(labels.min())} to {int(labels.max())}, expected 0 to {self.classes - 1}, the classes"
            )
        return self.draw(self.noise(count, torch.Generator().manual_seed(seed)), labels.long())

    def between(self, noise: Tensor, start: int, end: int, share: Tensor) -> Tensor:
        """Images of noise [N, latent] whose class vector lies `share` [N] of the way from one class to another."""
        if not (0 <= start < self.classes and 0 <= end < self.classes):
            raise CourseError(f"start, end: got {start} and {end}, expected classes from 0 to {self.classes - 1}")
        with evaluating(self):
            table = self.generator.embedding.weight
            share = share.to(table)[:, None]
            return self.generator.mix(noise, (1 - share) * table[start] + share * table[end]).float()
