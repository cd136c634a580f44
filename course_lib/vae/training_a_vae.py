"""Chapter 10: the evidence lower bound, term by term, and the model that is trained with it. Everything in nats."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.data.batches import Batch
from course_lib.data.imageset import ImageSet, ink
from course_lib.errors import CourseError
from course_lib.training.model import evaluating, fitting
from course_lib.vae.autoencoders_to_vae import Coder, make_pair, reparameterise, standard_normal

LOG_2PI = math.log(2 * math.pi)

# ---------------------------------------------------------------------------------------------------------------------
# The terms. "Per image" means summed over its pixels or latents: [N]. Averages are taken over the batch, never inside.
# ---------------------------------------------------------------------------------------------------------------------


def kl_per_latent(mean: Tensor, log_variance: Tensor) -> Tensor:
    """KL(N(mean, sigma²) || N(0, 1)) of every latent, [N, D] nats (Kingma and Welling 2014, appendix B).

    (mean² + sigma² - 1 - log sigma²) / 2, with sigma² = exp(log_variance).
    """
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)


def log_normal(z: Tensor, mean: Tensor | float = 0.0, log_variance: Tensor | float = 0.0) -> Tensor:
    """log N(z; mean, exp(log_variance)), summed over the last dimension."""
    log_variance = torch.as_tensor(log_variance, dtype=z.dtype, device=z.device)
    return -0.5 * (LOG_2PI + log_variance + (z - mean).square() / log_variance.exp()).sum(dim=-1)


def bernoulli_log_likelihood(logits: Tensor, targets: Tensor) -> Tensor:
    """log p(x | z) of black-and-white pixels, [N] nats: x log p + (1 - x) log(1 - p) with p = sigmoid(logits).

    logits [N, C, H, W]; targets of the same shape, 0 or 1.
    """
    return -F.binary_cross_entropy_with_logits(logits, targets, reduction="none").flatten(1).sum(dim=1)


def gaussian_log_likelihood(means: Tensor, targets: Tensor, log_sigma: Tensor) -> Tensor:
    """log N(x; means, sigma²) of grey pixels with one sigma for all, [N] nats."""
    return log_normal(targets.flatten(1), means.flatten(1), 2 * log_sigma)


def optimal_log_sigma(means: Tensor, targets: Tensor) -> Tensor:
    """log of the sigma that makes `targets` likeliest: the root mean squared error (Rybkin et al. 2021, equation 6)."""
    return 0.5 * (means - targets).square().mean().clamp_min(1e-6).log()


def free_bits_kl(kl: Tensor, least: float) -> Tensor:
    """A scalar: per-latent KL [N, D], averaged over the batch, each latent counted as `least` nats or more, summed.

    A latent that costs less has no gradient, so nothing drives it to zero (Kingma et al. 2016, equation 15).
    """
    return kl.mean(dim=0).clamp_min(least).sum()


def iwae_bound(log_weights: Tensor) -> Tensor:
    """log of the average importance weight over K samples: [K, N] -> [N] nats (Burda et al. 2016, equation 8).

    log_weights are log p(x, z) - log q(z | x). K = 1 is the ELBO; the bound grows with K towards log p(x).
    """
    return log_weights.logsumexp(dim=0) - math.log(len(log_weights))


def binarised(images: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """[-1, 1] -> 0 or 1: ink with a probability equal to the pixel's grey (Salakhutdinov and Murray 2008).

    Drawn anew at each call, this is dynamic binarisation; drawn once and kept, the fixed one. Figures in nats differ
    between the two: say which. A CPU `generator` gives the same pixels on every device.
    """
    grey = ink(images)
    device = grey.device if generator is None else "cpu"
    noise = torch.rand(grey.shape, generator=generator, device=device).to(grey.device)
    return (noise < grey).to(grey.dtype)


# ---------------------------------------------------------------------------------------------------------------------
# The model
# ---------------------------------------------------------------------------------------------------------------------


class Terms(NamedTuple):
    """The two terms of the ELBO for each image."""

    log_likelihood: Tensor  # [N] log p(x | z) at one z drawn from q(z | x)
    kl: Tensor  # [N, D] KL(q(z | x) || p(z)) of every latent

    @property
    def elbo(self) -> Tensor:
        """[N] nats."""
        return self.log_likelihood - self.kl.sum(dim=1)


class VAE(Coder):
    """Image -> distribution over codes -> a draw -> image (Kingma and Welling 2014).

    network     "conv" or "mlp"
    likelihood  "bernoulli" for pixels that are ink or paper (grey images are binarised anew in every step), "gaussian"
                for grey pixels, with the one sigma that fits best
    beta        weight of the KL term (Higgins et al. 2017); 1 is the ELBO
    warm_up     steps over which that weight grows from 0 (Sønderby et al. 2016)
    free_bits   nats per latent that cost nothing
    importance  samples of the bound that is trained: 1 the ELBO, more the IWAE bound (beta and free bits are for 1)
    """

    name = "vae"

    def __init__(
        self,
        channels: int = 1,
        size: int = 28,
        latent: int = 20,
        network: str = "conv",
        hidden: int = 256,
        width: int = 16,
        likelihood: str = "bernoulli",
        beta: float = 1.0,
        warm_up: int = 0,
        free_bits: float = 0.0,
        importance: int = 1,
    ):
        super().__init__(
            latent,
            channels=channels,
            size=size,
            network=network,
            hidden=hidden,
            width=width,
            likelihood=likelihood,
            beta=beta,
            warm_up=warm_up,
            free_bits=free_bits,
            importance=importance,
        )
        if likelihood not in ("bernoulli", "gaussian"):
            raise CourseError(f"likelihood: got {likelihood!r}, expected 'bernoulli' or 'gaussian'")
        if beta < 0 or warm_up < 0 or free_bits < 0:
            raise CourseError(f"beta, warm_up, free_bits: got {beta}, {warm_up}, {free_bits}, expected none below 0")
        if importance < 1 or (importance > 1 and (beta != 1 or warm_up or free_bits)):
            raise CourseError(
                f"importance: got {importance}, expected at least 1; above 1 with beta 1, no warm-up and no free bits"
            )
        self.likelihood, self.beta, self.warm_up, self.free_bits = likelihood, beta, warm_up, free_bits
        self.importance = importance
        self.encoder, self.decoder = make_pair(network, channels, size, latent, 2 * latent, hidden, width)
        self.register_buffer("log_sigma", torch.zeros(()))  # of a grey pixel; kept from the last batches

    def encode(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Images [N, C, H, W] in [-1, 1] -> mean and log variance of q(z | x), both [N, latent], in float32."""
        mean, log_variance = self.encoder(images).float().chunk(2, dim=1)
        return mean, log_variance.clamp(-12, 12)

    def code(self, images: Tensor) -> Tensor:
        return self.encode(images)[0]

    def targets(self, images: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """What the likelihood speaks of: pixels of 0 or 1 for "bernoulli", the images themselves for "gaussian"."""
        return binarised(images, generator) if self.likelihood == "bernoulli" else images

    def seen(self, targets: Tensor) -> Tensor:
        """What the encoder sees: the same pixels, in [-1, 1]."""
        return 2 * targets - 1 if self.likelihood == "bernoulli" else targets

    def log_likelihood(self, codes: Tensor, targets: Tensor) -> Tensor:
        """log p(targets | codes), [N] nats."""
        logits = self.decoder(codes).float()
        if self.likelihood == "bernoulli":
            return bernoulli_log_likelihood(logits, targets)
        means = 2 * logits.sigmoid() - 1
        if self.training:  # the best sigma for this batch; evaluation uses the average of the last batches
            best = optimal_log_sigma(means, targets)
            self.log_sigma.lerp_(best.detach(), 0.05)
            return gaussian_log_likelihood(means, targets, best)
        return gaussian_log_likelihood(means, targets, self.log_sigma)

    def terms(self, targets: Tensor, generator: torch.Generator | None = None) -> Terms:
        """Both terms of the ELBO at one draw from q."""
        mean, log_variance = self.encode(self.seen(targets))
        codes = reparameterise(mean, log_variance, generator)
        return Terms(self.log_likelihood(codes, targets), kl_per_latent(mean, log_variance))

    def log_weights(self, targets: Tensor, samples: int) -> Tensor:
        """log p(x, z) - log q(z | x) at `samples` draws from q for each image: [samples, N] nats."""
        mean, log_variance = (part.expand(samples, -1, -1) for part in self.encode(self.seen(targets)))
        codes = reparameterise(mean, log_variance)  # [K, N, D]
        repeated = targets.expand(samples, *targets.shape).flatten(0, 1)
        log_likelihood = self.log_likelihood(codes.flatten(0, 1), repeated).unflatten(0, (samples, len(targets)))
        return log_likelihood + log_normal(codes) - log_normal(codes, mean, log_variance)

    def bound(self, targets: Tensor, samples: int) -> Tensor:
        """The IWAE bound on log p(targets) with K = `samples`, [N] nats."""
        return iwae_bound(self.log_weights(targets, samples))

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        targets = self.targets(batch.images)
        if self.importance > 1:
            loss = -self.bound(targets, self.importance).mean()
            self.descend(loss, self.optimizers["adam"])
            return {"loss": loss.detach()}
        terms = self.terms(targets)
        reconstruction, kl = -terms.log_likelihood.mean(), terms.kl.sum(dim=1).mean()
        costly = free_bits_kl(terms.kl, self.free_bits) if self.free_bits else kl
        self.descend(reconstruction + self.weight() * costly, self.optimizers["adam"])
        return {"reconstruction": reconstruction.detach(), "kl": kl.detach()}

    def weight(self) -> float:
        """The KL term's weight in this step."""
        return self.beta * min(1.0, (self.steps_done + 1) / self.warm_up) if self.warm_up else self.beta

    def sample(self, count: int, *, seed: int = 0, labels: Tensor | None = None) -> Tensor:
        """`count` images, float32 [N, C, H, W] in [-1, 1]: the pixels' means at codes from the prior."""
        return self.decode(standard_normal(self, count, seed, labels))

    def evaluate(self, images: ImageSet) -> dict[str, Any]:
        """-ELBO and IWAE bounds in nats (these by their gap on 1,000 images), bits per dimension, active units."""
        from course_lib.metrics.likelihood import likelihood

        return likelihood(self, fitting(self, images), iwae_images=1000).figures()


def draw_posterior(model: VAE, images: Tensor, seed: int = 0) -> Tensor:
    """One draw of q(z | x) for each image, [N, latent]: where reconstructions of the ELBO come from. Eval mode."""
    with evaluating(model):
        mean, log_variance = model.encode(images.to(model.log_sigma.device))
        return reparameterise(mean.cpu(), log_variance.cpu(), torch.Generator().manual_seed(seed)).to(mean.device)
