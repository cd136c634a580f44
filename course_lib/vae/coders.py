"""Encoders, decoders, and what every model with a code can do: for chapter 9's autoencoder and chapter 10's VAE."""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from course_lib.errors import CourseError
from course_lib.training.model import Trainable, evaluating

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


def standard_normal(model: Coder, count: int, seed: int, labels: Tensor | None) -> Tensor:
    """Codes for `sample`: standard normal [count, latent], on the CPU, the same for the same seed."""
    if labels is not None:
        raise CourseError(f"labels: got some, but {model.name!r} draws what it likes; conditional_gan takes orders")
    if count < 1:
        raise CourseError(f"count: got {count}, expected at least 1")
    return torch.randn(count, model.latent, generator=torch.Generator().manual_seed(seed))
