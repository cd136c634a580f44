"""Chapter 9: from principal components to the autoencoder, and from its points to distributions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.data.batches import Batch
from course_lib.data.imageset import ImageSet, ink
from course_lib.errors import CourseError
from course_lib.training.model import fitting
from course_lib.vae.coders import (
    Coder,
    ConvDecoder,
    ConvEncoder,
    MLPDecoder,
    MLPEncoder,
    make_pair,
    standard_normal,
)

__all__ = [
    "Autoencoder",
    "Coder",
    "Components",
    "ConvDecoder",
    "ConvEncoder",
    "MLPDecoder",
    "MLPEncoder",
    "make_pair",
    "pathwise_gradients",
    "pixel_loss",
    "principal_components",
    "reparameterise",
    "score_function_gradients",
    "standard_normal",
]

# ---------------------------------------------------------------------------------------------------------------------
# The linear autoencoder: principal components
# ---------------------------------------------------------------------------------------------------------------------


class Components(NamedTuple):
    """The plane of `D` dimensions that loses least of the images it was fitted to."""

    mean: Tensor  # [P], the average image
    directions: Tensor  # [D, P], orthonormal, the direction of most variance first
    variances: Tensor  # [D], variance of the codes along each

    def encode(self, flat: Tensor) -> Tensor:
        """Images [N, P] -> codes [N, D]."""
        return (flat - self.mean) @ self.directions.T

    def decode(self, codes: Tensor) -> Tensor:
        """Codes [N, D] -> images [N, P]."""
        return codes @ self.directions + self.mean


def principal_components(flat: Tensor, count: int) -> Components:
    """PCA of images [N, P] by a singular value decomposition (Eckart and Young 1936): no linear autoencoder loses less.

    Variances divide by N. Raises CourseError when `count` exceeds what N images of P pixels can fix.
    """
    images, pixels = flat.shape
    if not 1 <= count <= min(images, pixels):
        raise CourseError(f"count: got {count}, expected 1 to {min(images, pixels)}, for {images} images of {pixels}")
    mean = flat.mean(dim=0)
    _, values, directions = torch.linalg.svd(flat - mean, full_matrices=False)
    return Components(mean, directions[:count], values[:count].square() / images)


# ---------------------------------------------------------------------------------------------------------------------
# The autoencoder
# ---------------------------------------------------------------------------------------------------------------------


class Autoencoder(Coder):
    """Image -> point -> image (Hinton and Salakhutdinov 2006). It learns nothing about which points are in use.

    `sample` decodes draws from a Gaussian: the standard one, or after `fit_codes` the one fitted to real codes.
    """

    name = "autoencoder"

    def __init__(
        self,
        channels: int = 1,
        size: int = 28,
        latent: int = 20,
        network: str = "conv",
        hidden: int = 128,
        width: int = 16,
    ):
        super().__init__(latent, channels=channels, size=size, network=network, hidden=hidden, width=width)
        self.encoder, self.decoder = make_pair(network, channels, size, latent, latent, hidden, width)
        self.register_buffer("code_mean", torch.zeros(latent))
        self.register_buffer("code_factor", torch.eye(latent))  # lower triangular: covariance = factor @ factor.T

    def code(self, images: Tensor) -> Tensor:
        return self.encoder(images)

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """Binary cross-entropy between each pixel's ink and its reconstruction: nats, summed over pixels."""
        logits = self.decoder(self.code(batch.images))
        loss = pixel_loss(logits, batch.images).mean()
        self.descend(loss, self.optimizers["adam"])
        return {"reconstruction": loss.detach()}

    def fit_codes(self, images: Tensor) -> None:
        """From now on `sample` draws codes from the Gaussian fitted to the codes of `images` [N, C, H, W]."""
        codes = self.codes(images).double()
        if len(codes) <= self.latent:
            raise CourseError(f"images: got {len(codes)}, expected more than {self.latent}, the numbers in a code")
        covariance = codes.T.cov() + 1e-9 * torch.eye(self.latent, device=codes.device)
        self.code_mean.copy_(codes.mean(dim=0))
        self.code_factor.copy_(torch.linalg.cholesky(covariance))

    def sample(self, count: int, *, seed: int = 0, labels: Tensor | None = None) -> Tensor:
        """`count` images, float32 [N, C, H, W] in [-1, 1]; the same seed draws the same codes."""
        noise = standard_normal(self, count, seed, labels).to(self.code_mean)
        return self.decode(self.code_mean + noise @ self.code_factor.T)

    def evaluate(self, images: ImageSet) -> dict[str, Any]:
        """Per image, summed over pixels: cross-entropy in nats, and squared error of the ink."""
        again = self.reconstruct(fitting(self, images).images)
        truth = images.images.to(again.device)
        nats = F.binary_cross_entropy(ink(again).double().clamp(1e-7, 1 - 1e-7), ink(truth).double(), reduction="none")
        return {
            "reconstruction": float(nats.flatten(1).sum(dim=1).mean()),
            "squared_error": float((ink(again) - ink(truth)).double().square().flatten(1).sum(dim=1).mean()),
            "images": len(images),
        }


def pixel_loss(logits: Tensor, images: Tensor) -> Tensor:
    """Binary cross-entropy of each image, [N] nats: summed over its pixels. Images [N, C, H, W] in [-1, 1]."""
    return F.binary_cross_entropy_with_logits(logits, ink(images), reduction="none").flatten(1).sum(dim=1)


# ---------------------------------------------------------------------------------------------------------------------
# A distribution instead of a point
# ---------------------------------------------------------------------------------------------------------------------


def reparameterise(mean: Tensor, log_variance: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """A draw from N(mean, exp(log_variance)), [N, D], through which gradients flow (Kingma and Welling 2014, 2.4).

    mean + sigma * epsilon with sigma = exp(log_variance / 2) and a fresh standard normal epsilon for every number.
    """
    epsilon = torch.randn(mean.shape, generator=generator, dtype=mean.dtype, device=mean.device)
    return mean + (0.5 * log_variance).exp() * epsilon


def pathwise_gradients(f: Callable[[Tensor], Tensor], mean: float, sigma: float, noise: Tensor) -> Tensor:
    """d f(mean + sigma * noise) / d mean for each noise [N]: each estimates d E[f] / d mean. Needs f's derivative."""
    at = torch.full_like(noise, mean).requires_grad_()
    (gradient,) = torch.autograd.grad(f(at + sigma * noise).sum(), at)
    return gradient


def score_function_gradients(f: Callable[[Tensor], Tensor], mean: float, sigma: float, noise: Tensor) -> Tensor:
    """f(z) * d log N(z; mean, sigma²) / d mean at z = mean + sigma * noise [N] (Williams 1992: REINFORCE).

    Each estimates the same gradient from values of f alone, with a far larger variance.
    """
    return f(mean + sigma * noise) * noise / sigma
