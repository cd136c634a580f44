"""Chapter 5: the game. Two networks, two losses on logits, one alternating step; then the MLP GAN of article C."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.data.batches import Batch
from course_lib.data.imageset import ImageSet
from course_lib.errors import CourseError
from course_lib.training.model import Trainable, evaluating

# ---------------------------------------------------------------------------------------------------------------------
# The pay-offs. The discriminator returns logits l [N]; its verdict is D = sigmoid(l), the probability of "real".
# log D = -softplus(-l) and log(1 - D) = -softplus(l): exact at every logit, where log(sigmoid(l)) is not.
# ---------------------------------------------------------------------------------------------------------------------


class Minimax:
    """Goodfellow et al. 2014, equation 1: min over G, max over D of E[log D(x)] + E[log(1 - D(G(z)))].

    Every objective has the same two methods. Both take the discriminator's logits of real and of generated images, [N]
    and [M], and return a scalar to minimise: a mean over the batch.
    """

    @staticmethod
    def discriminator(real: Tensor, fake: Tensor) -> Tensor:
        return F.softplus(-real).mean() + F.softplus(fake).mean()

    @staticmethod
    def generator(real: Tensor, fake: Tensor) -> Tensor:
        return -F.softplus(fake).mean()  # E[log(1 - D(G(z)))]: flat where D is sure, so the generator hears nothing


class NonSaturating(Minimax):
    """The same discriminator; the generator maximises E[log D(G(z))] instead (Goodfellow et al. 2014, section 3)."""

    @staticmethod
    def generator(real: Tensor, fake: Tensor) -> Tensor:
        return F.softplus(-fake).mean()


class Linear:
    """The articles' pay-off: E[D(x)] - E[D(G(z))] with verdicts in [0, 1]. At its best it is the total variation."""

    @staticmethod
    def discriminator(real: Tensor, fake: Tensor) -> Tensor:
        return fake.sigmoid().mean() - real.sigmoid().mean()

    @staticmethod
    def generator(real: Tensor, fake: Tensor) -> Tensor:
        return -fake.sigmoid().mean()


def optimal_discriminator(real_density: Tensor, fake_density: Tensor) -> Tensor:
    """D*(x) = p(x) / (p(x) + q(x)), the best verdict at each x (Goodfellow et al. 2014, proposition 1); 1/2 at 0/0."""
    total = real_density + fake_density
    return torch.where(total > 0, real_density / total.clamp_min(torch.finfo(total.dtype).tiny), 0.5)


# ---------------------------------------------------------------------------------------------------------------------
# The step
# ---------------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def frozen(network: nn.Module) -> Iterator[None]:
    """Gradients flow through `network` but none are computed for its weights: the generator's step needs none."""
    before = [(weight, weight.requires_grad) for weight in network.parameters()]
    network.requires_grad_(False)
    try:
        yield
    finally:
        for weight, wanted in before:
            weight.requires_grad_(wanted)


class GAN(Trainable):
    """A generator, a discriminator, an objective, and the step that alternates between them.

    A subclass builds `self.generator` (noise [N, latent] -> images) and `self.discriminator` (images -> logits [N]).
    """

    objective: Any = NonSaturating
    rate: ClassVar[float] = 2e-4  # Adam's learning rate
    betas: ClassVar[tuple[float, float]] = (0.5, 0.999)
    critic_steps: ClassVar[int] = 1  # discriminator steps for one of the generator; a batch holds the images of all

    def __init__(self, latent: int, **config):
        super().__init__(latent=latent, **config)
        if latent < 1:
            raise CourseError(f"latent: got {latent}, expected at least one number of noise")
        self.latent = latent

    def noise(self, count: int, generator: torch.Generator | None = None) -> Tensor:
        """Standard normal noise [count, latent] for the model's weights; a CPU `generator` gives the same on all."""
        weights = next(self.parameters())
        device = weights.device if generator is None else generator.device
        return torch.randn(count, self.latent, generator=generator, device=device).to(weights)

    def generate(self, noise: Tensor, labels: Tensor | None = None) -> Tensor:
        """Noise [N, latent] -> images. Chapter 8 looks at the labels, the plain game does not."""
        return self.generator(noise)

    def verdict(self, images: Tensor, labels: Tensor | None = None) -> Tensor:
        """Images -> logits [N], positive for "real"."""
        return self.discriminator(images)

    def penalty(self, real: Tensor, fake: Tensor, labels: Tensor) -> Tensor | None:
        """What chapter 7 adds to the discriminator's loss; nothing in the plain game."""
        return None

    def configure(self) -> None:
        self.optimizers = {
            name: torch.optim.Adam(network.parameters(), lr=self.rate, betas=self.betas, fused=True)
            for name, network in (("discriminator", self.discriminator), ("generator", self.generator))
        }

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """k steps of the discriminator, one of the generator (Goodfellow et al. 2014, algorithm 1).

        The generator's loss gets the real logits of before D's step. This chapter's objectives do not look at them.
        Chapter 7's relativistic one compares with them, as with a constant: to judge the real images anew would cost a
        forward pass, and moves the generator's gradient by a hundredth (tests/gan/test_the_gan_game.py measures it).
        """
        parts = zip(batch.images.chunk(self.critic_steps), batch.labels.chunk(self.critic_steps), strict=True)
        for real, labels in parts:
            fake = self.generate(self.noise(len(real)), labels)
            real_logits, loss = self.discriminator_step(real, fake.detach(), labels)
        # The generator learns; gradients flow through the discriminator, which is frozen.
        with frozen(self.discriminator):
            generator_loss = self.objective.generator(real_logits, self.verdict(fake, labels))
            self.descend(generator_loss, self.optimizers["generator"])
        return {"discriminator": loss, "generator": generator_loss.detach()}

    def discriminator_step(self, real: Tensor, fake: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        """The discriminator learns. The fakes came detached, so the generator is not touched."""
        real_logits, fake_logits = self.verdict(real, labels), self.verdict(fake, labels)
        loss = self.objective.discriminator(real_logits, fake_logits)
        penalty = self.penalty(real, fake, labels)
        self.descend(loss if penalty is None else loss + penalty, self.optimizers["discriminator"])
        return real_logits.detach(), loss.detach()

    def sample(self, count: int, *, seed: int = 0, labels: Tensor | None = None) -> Tensor:
        """`count` images, float32 [N, C, H, W] in [-1, 1]: eval mode, no gradients, the same seed the same images."""
        if labels is not None:
            raise CourseError(f"labels: got some, but {self.name!r} draws what it likes; conditional_gan takes orders")
        return self.draw(self.noise(check_count(count), torch.Generator().manual_seed(seed)))

    def draw(self, noise: Tensor, labels: Tensor | None = None, batch_size: int = 1000) -> Tensor:
        """Images of given noise [N, latent], float32 [N, C, H, W]: eval mode, no gradients."""
        labels = torch.zeros(len(noise), dtype=torch.int64) if labels is None else labels
        parts = zip(noise.split(batch_size), labels.to(noise.device).split(batch_size), strict=True)
        with evaluating(self):
            return torch.cat([self.generate(part, orders).float() for part, orders in parts])

    def evaluate(self, images: ImageSet) -> dict[str, Any]:
        """The judge's figures for as many samples as there are test images, at most 10,000."""
        from course_lib.metrics.report import of_model

        return of_model(self, images)


def check_count(count: int) -> int:
    if count < 1:
        raise CourseError(f"count: got {count}, expected at least 1")
    return count


# ---------------------------------------------------------------------------------------------------------------------
# The MLP GAN of article C: G 100-128-784, D 784-128-1, Adam 2e-4, batch 64
# ---------------------------------------------------------------------------------------------------------------------


class MLPGAN(GAN):
    """Article C's GAN with its faults mended: labels as long as the batch, logits instead of sigmoid + BCE."""

    name = "mlp_gan"

    def __init__(self, channels: int = 1, size: int = 28, latent: int = 100, width: int = 128):
        super().__init__(latent=latent, channels=channels, size=size, width=width)
        shape = (channels, size, size)
        pixels = math.prod(shape)
        self.generator = nn.Sequential(
            nn.Linear(latent, width),
            nn.ReLU(),
            nn.Linear(width, pixels),
            nn.Tanh(),
            nn.Unflatten(1, shape),
        )
        self.discriminator = nn.Sequential(
            nn.Flatten(),
            nn.Linear(pixels, width),
            nn.ReLU(),
            nn.Linear(width, 1),
            nn.Flatten(0),  # [N, 1] -> [N]
        )
