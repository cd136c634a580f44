"""Chapter 7: objectives and penalties that keep the game from collapsing, each a few lines."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.gan.dcgan import DCGAN, FEATURES, Discriminator, Generator
from course_lib.gan.points import PointGAN
from course_lib.gan.the_gan_game import GAN

# ---------------------------------------------------------------------------------------------------------------------
# Objectives
# ---------------------------------------------------------------------------------------------------------------------


class Wasserstein:
    """E[f(x)] - E[f(G(z))] for a critic f that is 1-Lipschitz (Arjovsky et al. 2017, equation 2).

    The logit is f itself. Without clipping or a penalty the critic is not 1-Lipschitz and the loss means nothing.
    """

    @staticmethod
    def discriminator(real: Tensor, fake: Tensor) -> Tensor:
        return fake.mean() - real.mean()

    @staticmethod
    def generator(real: Tensor, fake: Tensor) -> Tensor:
        return -fake.mean()


class Relativistic:
    """Each real image must look more real than the fake it is paired with.

    Jolicoeur-Martineau 2019, section 4.1; Huang et al. 2024, equation 2.
    E[softplus(-(l(x) - l(G(z))))]: real and fake logits are paired, so both are [N].
    """

    @staticmethod
    def discriminator(real: Tensor, fake: Tensor) -> Tensor:
        return F.softplus(fake - real).mean()

    @staticmethod
    def generator(real: Tensor, fake: Tensor) -> Tensor:
        return F.softplus(real - fake).mean()


# ---------------------------------------------------------------------------------------------------------------------
# What keeps the discriminator gentle
# ---------------------------------------------------------------------------------------------------------------------


def clip_weights(network: nn.Module, limit: float = 0.01) -> None:
    """Keep every weight in [-limit, limit], after each step (Arjovsky et al. 2017, algorithm 1)."""
    with torch.no_grad():
        for weight in network.parameters():
            weight.clamp_(-limit, limit)


def slopes(discriminator: Callable[[Tensor], Tensor], inputs: Tensor) -> Tensor:
    """Squared norm of d logit / d input, one per sample [N]; itself differentiable. In float32 also under autocast."""
    with torch.autocast(inputs.device.type, enabled=False):
        inputs = inputs.detach().to(torch.promote_types(inputs.dtype, torch.float32)).requires_grad_()
        (gradient,) = torch.autograd.grad(discriminator(inputs).sum(), inputs, create_graph=True)
        return gradient.square().flatten(1).sum(dim=1)


def gradient_penalty(
    discriminator: Callable[[Tensor], Tensor], real: Tensor, fake: Tensor, generator: torch.Generator | None = None
) -> Tensor:
    """E[(|slope at a point between real and fake| - 1)²] (Gulrajani et al. 2017, equation 3), a scalar.

    Each pair gets an epsilon of its own, uniform in [0, 1], and each sample its own norm. Not for a critic with batch
    norm, where one sample's logit depends on all of them.
    """
    shape = (len(real),) + (1,) * (real.ndim - 1)
    epsilon = torch.rand(shape, generator=generator, dtype=real.dtype, device=real.device)
    between = epsilon * real + (1 - epsilon) * fake
    return (slopes(discriminator, between).clamp_min(1e-12).sqrt() - 1).square().mean()


def zero_centred_penalty(discriminator: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """E[|slope|²] / 2: R1 on real images, R2 on generated ones (Mescheder et al. 2018, equations 9 and 10)."""
    return slopes(discriminator, images).mean() / 2


# ---------------------------------------------------------------------------------------------------------------------
# What lets the discriminator see a lack of variety
# ---------------------------------------------------------------------------------------------------------------------


class MinibatchDeviation(nn.Module):
    """Features [N, F] -> [N, F + 1]: beside each row of features, one number that says how much the rows differ.

    It is the standard deviation of each feature over the batch (divided by N), averaged over the features (Karras et
    al. 2018, section 3), and the same for every row. A batch of N equal images gets 0.0001, the root of the 1e-8 that
    keeps the gradient finite.
    """

    def forward(self, features: Tensor) -> Tensor:
        deviation = features.var(dim=0, correction=0).add(1e-8).sqrt().mean()
        return torch.cat([features, deviation.expand(len(features), 1)], dim=1)


class BatchDiscriminator(Discriminator):
    """Chapter 6's discriminator, told how varied the batch is: one more feature before the logit.

    Give it real images and generated ones in separate batches, or the deviation is that of neither.
    """

    def __init__(self, channels: int, size: int, width: int):
        super().__init__(channels, size, width)
        self.body.append(MinibatchDeviation())
        self.to_logit = nn.Linear(FEATURES + 1, 1)


# ---------------------------------------------------------------------------------------------------------------------
# Models
# ---------------------------------------------------------------------------------------------------------------------


class ClippedCritic:
    """WGAN (Arjovsky et al. 2017): the Wasserstein objective, five critic steps, weights clipped after each."""

    objective = Wasserstein
    critic_steps = 5
    limit = 0.01

    def discriminator_step(self, real: Tensor, fake: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        result = super().discriminator_step(real, fake, labels)
        clip_weights(self.discriminator, self.limit)
        return result


class PenalisedCritic:
    """WGAN-GP (Gulrajani et al. 2017): the Wasserstein objective, five critic steps, a slope near 1."""

    objective = Wasserstein
    critic_steps = 5
    strength = 10.0  # lambda
    betas = (0.0, 0.9)

    def penalty(self, real: Tensor, fake: Tensor, labels: Tensor) -> Tensor:
        return self.strength * gradient_penalty(lambda images: self.verdict(images, labels), real, fake)


class RelativisticPair:
    """R3GAN (Huang et al. 2024): the relativistic objective with R1 and R2, applied every few steps."""

    objective = Relativistic
    gamma = 1.0
    every = 4  # steps between two penalties
    betas = (0.0, 0.99)

    def penalty(self, real: Tensor, fake: Tensor, labels: Tensor) -> Tensor | None:
        if self.steps_done % self.every:
            return None
        r1, r2 = (zero_centred_penalty(lambda images: self.verdict(images, labels), part) for part in (real, fake))
        return self.gamma * (r1 + r2)


class WGANGP(PenalisedCritic, DCGAN):
    name = "wgan_gp"
    batch_size = 5 * 32
    rate = 1e-3


class R3GAN(RelativisticPair, GAN):
    """The course's default for images: small batches, a large rate, a penalty now and then, an eye on the batch.

    Most of the work is the generator's: it paints with 2 * width channels at the full size, and the discriminator has
    half of chapter 6's. After the same seconds that is worth more than the other way round.
    """

    name = "r3gan"
    batch_size = 32
    rate = 3e-3
    betas = (0.0, 0.9)
    every = 16

    def __init__(self, channels: int = 1, size: int = 28, latent: int = 16, width: int = 16):
        super().__init__(latent=latent, channels=channels, size=size, width=width)
        self.generator = Generator(channels, size, latent, width, finest=2 * width)
        self.discriminator = BatchDiscriminator(channels, size, max(1, width // 2))


class PointWGAN(ClippedCritic, PointGAN):
    name = "point_wgan"


class PointWGANGP(PenalisedCritic, PointGAN):
    name = "point_wgan_gp"


class PointR3GAN(RelativisticPair, PointGAN):
    name = "point_r3gan"
