"""Chapter 9: from principal components to the autoencoder, and from its points to distributions."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.data.batches import Batch
from course_lib.data.imageset import ImageSet, ink
from course_lib.errors import CourseError
from course_lib.training.model import Trainable, evaluating, fitting

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
# Encoders and decoders: [N, C, H, W] in [-1, 1] -> `outputs` numbers; codes [N, D] -> logits [N, C, H, W]
# ---------------------------------------------------------------------------------------------------------------------


class MLPEncoder(nn.Sequential):
    def __init__(self, channels: int, size: int, outputs: int, hidden: int):
        super().__init__(
            nn.Flatten(),
            nn.Linear(channels * size * size, hidden),
            nn.GELU(),
            nn.Linear(hidden, hidden),
            nn.GELU(),
            nn.Linear(hidden, outputs),
        )


class MLPDecoder(nn.Sequential):
    def __init__(self, channels: int, size: int, latent: int, hidden: int):
        super().__init__(
            nn.Linear(latent, hidden),
            nn.GELU(),
            nn.Linear(hidden, hidden),
            nn.GELU(),
            nn.Linear(hidden, channels * size * size),
            nn.Unflatten(1, (channels, size, size)),
        )


class ConvEncoder(nn.Sequential):
    """Two strided convolutions, then two dense layers."""

    def __init__(self, channels: int, size: int, outputs: int, hidden: int, width: int):
        side = quarter(size)
        super().__init__(
            nn.Conv2d(channels, width, kernel_size=4, stride=2, padding=1),  # [N, 16, 14, 14]
            nn.GELU(),
            nn.Conv2d(width, 2 * width, kernel_size=4, stride=2, padding=1),  # [N, 32, 7, 7]
            nn.GELU(),
            nn.Flatten(),
            nn.Linear(2 * width * side * side, hidden),
            nn.GELU(),
            nn.Linear(hidden, outputs),
        )


class ConvDecoder(nn.Sequential):
    """The encoder run backwards: two dense layers, then two transposed convolutions."""

    def __init__(self, channels: int, size: int, latent: int, hidden: int, width: int):
        side = quarter(size)
        super().__init__(
            nn.Linear(latent, hidden),
            nn.GELU(),
            nn.Linear(hidden, 2 * width * side * side),
            nn.GELU(),
            nn.Unflatten(1, (2 * width, side, side)),  # [N, 32, 7, 7]
            nn.ConvTranspose2d(2 * width, width, kernel_size=4, stride=2, padding=1),  # [N, 16, 14, 14]
            nn.GELU(),
            nn.ConvTranspose2d(width, channels, kernel_size=4, stride=2, padding=1),  # [N, 1, 28, 28]
        )


def quarter(size: int) -> int:
    """The side that two halvings leave of `size` pixels. Raises CourseError where they leave a rest."""
    if size < 8 or size % 4:
        raise CourseError(f"size: got {size}, expected a multiple of 4, at least 8")
    return size // 4


def make_pair(
    network: str, channels: int, size: int, latent: int, outputs: int, hidden: int, width: int
) -> tuple[nn.Module, nn.Module]:
    """An encoder to `outputs` numbers and a decoder from `latent`: "mlp", or "conv" for convolutions."""
    if latent < 1:
        raise CourseError(f"latent: got {latent}, expected at least one number in a code")
    if network == "mlp":
        return MLPEncoder(channels, size, outputs, hidden), MLPDecoder(channels, size, latent, hidden)
    if network == "conv":
        return ConvEncoder(channels, size, outputs, hidden, width), ConvDecoder(channels, size, latent, hidden, width)
    raise CourseError(f"network: got {network!r}, expected 'mlp' or 'conv'")


# ---------------------------------------------------------------------------------------------------------------------
# What the autoencoder and the VAE share
# ---------------------------------------------------------------------------------------------------------------------


class Coder(Trainable):
    """A decoder from codes [N, latent], and what can be done with one. A subclass says how images become codes."""

    batch_size = 128
    average_decay = 0.998
    rates: ClassVar[dict[str, float]] = {"mlp": 1e-3, "conv": 4e-3}  # Adam's, per network

    def __init__(self, latent: int, **config: Any):
        super().__init__(latent=latent, **config)
        self.latent = latent

    def code(self, images: Tensor) -> Tensor:
        """Images [N, C, H, W] -> one code each [N, latent], without any randomness."""
        raise NotImplementedError

    def decode(self, codes: Tensor, batch_size: int = 1000) -> Tensor:
        """Codes [N, latent] -> images, float32 [N, C, H, W] in [-1, 1]: the mean of each pixel. Eval mode."""
        if codes.ndim != 2 or codes.shape[1] != self.latent:
            raise CourseError(f"codes: got shape {list(codes.shape)}, expected [N, {self.latent}]")
        device = next(self.parameters()).device
        with evaluating(self):
            return torch.cat([paper(self.decoder(part.to(device)).float()) for part in codes.split(batch_size)])

    def codes(self, images: Tensor, batch_size: int = 1000) -> Tensor:
        """Images [N, C, H, W] -> codes [N, latent] in eval mode, in parts."""
        device = next(self.parameters()).device
        with evaluating(self):
            return torch.cat([self.code(part.to(device)).float() for part in images.split(batch_size)])

    def reconstruct(self, images: Tensor) -> Tensor:
        """Images through the code and back, float32 [N, C, H, W] in [-1, 1]; the same every time."""
        return self.decode(self.codes(images))

    def interpolate(self, start: Tensor, end: Tensor, steps: int) -> Tensor:
        """From images `start` to images `end`, both [N, C, H, W], straight through the codes: [N, steps, C, H, W]."""
        if steps < 2 or start.shape != end.shape:
            raise CourseError(
                f"steps, start, end: got {steps}, {list(start.shape)} and {list(end.shape)}, "
                "expected at least 2 steps and as many images at both ends"
            )
        a, b = self.codes(start), self.codes(end)
        share = torch.linspace(0, 1, steps, device=a.device)[None, :, None]
        path = torch.lerp(a[:, None], b[:, None], share)  # [N, steps, latent]
        return self.decode(path.flatten(0, 1)).unflatten(0, (len(start), steps))

    def configure(self) -> None:
        rate = self.rates[self.config["network"]]
        self.optimizers = {"adam": torch.optim.Adam(self.parameters(), lr=rate, betas=(0.9, 0.99), fused=True)}

    def schedule(self, progress: float) -> float:
        """Half a cosine, down to zero."""
        return 0.5 + 0.5 * math.cos(math.pi * min(progress, 1.0))


def paper(logits: Tensor) -> Tensor:
    """Logits -> the probability of ink, as an image in [-1, 1]."""
    return 2 * logits.sigmoid() - 1


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


def standard_normal(model: Coder, count: int, seed: int, labels: Tensor | None) -> Tensor:
    """Codes for `sample`: standard normal [count, latent], on the CPU, the same for the same seed."""
    if labels is not None:
        raise CourseError(f"labels: got some, but {model.name!r} draws what it likes; conditional_gan takes orders")
    if count < 1:
        raise CourseError(f"count: got {count}, expected at least 1")
    return torch.randn(count, model.latent, generator=torch.Generator().manual_seed(seed))


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
