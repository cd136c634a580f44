"""Chapter 6: the deep convolutional GAN (Radford et al. 2016), for 28 and 32 pixels, and for article A's 128."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from course_lib.errors import CourseError
from course_lib.gan.the_gan_game import GAN

FEATURES = 64  # numbers the discriminator boils an image down to


def levels(size: int) -> int:
    """How many times the size can be halved, at least twice, down to 7 or 8 pixels (4 for a 16-pixel image).

    28 -> 7 and 32 -> 8 take two levels, 64 three, article A's 128 four.
    """
    count = 2
    while size // 2**count > 8:
        count += 1
    if size % 2**count or size // 2**count < 2:
        raise CourseError(
            f"size: got {size}, expected a size such as 28, 32, 64 or 128, halved {count} times without rest"
        )
    return count


class Generator(nn.Module):
    """Noise [N, latent] -> images [N, channels, size, size] in [-1, 1].

    A dense layer paints a small image of many channels; each transposed convolution doubles its side and halves its
    channels. The kernel (4) is a multiple of the stride (2), so every inner pixel is painted equally often, and only
    the weights can still paint a checkerboard. A last convolution turns the channels of the full size, `width` or as
    many as `finest` says, into the image.
    """

    def __init__(self, channels: int, size: int, latent: int, width: int, finest: int | None = None):
        super().__init__()
        depth = levels(size)
        side = size // 2**depth
        maps = [width * 2 ** (depth - level) for level in range(depth)] + [finest or width]
        layers: list[nn.Module] = [
            nn.Linear(latent, maps[0] * side * side, bias=False),
            nn.Unflatten(1, (maps[0], side, side)),  # [N, 64, 7, 7]
            nn.BatchNorm2d(maps[0]),
            nn.ReLU(),
        ]
        for coarse, fine in pairwise(maps):
            layers += [
                nn.ConvTranspose2d(coarse, fine, kernel_size=4, stride=2, padding=1, bias=False),  # [N, 32, 14, 14] ...
                nn.BatchNorm2d(fine),
                nn.ReLU(),
            ]
        layers += [nn.Conv2d(maps[-1], channels, kernel_size=3, padding=1), nn.Tanh()]  # [N, 1, 28, 28]
        self.layers = nn.Sequential(*layers)

    def forward(self, noise: Tensor) -> Tensor:
        return self.layers(noise)


class Discriminator(nn.Module):
    """Images [N, channels, size, size] -> logits [N]: strided convolutions, then two dense layers; no norm.

    The first dense layer sees the whole image at once. Without it the logit would be a sum of local opinions, and a
    digit whose every piece is right and whose shape is wrong would pass.
    """

    def __init__(self, channels: int, size: int, width: int):
        super().__init__()
        depth = levels(size)
        layers: list[nn.Module] = []
        maps = channels
        for level in range(depth):
            layers += [
                nn.Conv2d(maps, width * 2 ** (level + 1), kernel_size=4, stride=2, padding=1),  # [N, 32, 14, 14] ...
                nn.LeakyReLU(0.2),
            ]
            maps = width * 2 ** (level + 1)
        features = nn.Linear(maps * (size // 2**depth) ** 2, FEATURES)
        self.body = nn.Sequential(*layers, nn.Flatten(), features, nn.LeakyReLU(0.2))
        self.to_logit = nn.Linear(FEATURES, 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.to_logit(self.body(images)).flatten()


class DCGAN(GAN):
    """Chapter 6's pair: the game of chapter 5 (non-saturating loss), played by convolutions."""

    name = "dcgan"
    rate = 1e-3

    def __init__(self, channels: int = 1, size: int = 28, latent: int = 32, width: int = 16):
        super().__init__(latent=latent, channels=channels, size=size, width=width)
        self.generator = Generator(channels, size, latent, width)
        self.discriminator = Discriminator(channels, size, width)


def slerp(a: Tensor, b: Tensor, share: float | Tensor) -> Tensor:
    """`share` of the way from noise a to noise b along an arc; a, b [N, D], share a number or [N]; returns [N, D].

    (sin((1 - t) w) a + sin(t w) b) / sin w, with w the angle between a and b (Shoemake 1985; for noise: White 2016).
    Ends of equal length keep it all the way, where the straight way passes through shorter noise than the generator
    ever saw. Where a and b lie on one line through the origin there is no arc, and the straight mix is returned.
    """
    t = torch.as_tensor(share, dtype=a.dtype, device=a.device).reshape(-1, 1)
    cosine = nn.functional.cosine_similarity(a, b, dim=1)[:, None].clamp(-1, 1)
    alike = 1 - cosine.abs() < 1e-6
    w = torch.where(alike, 1.0, cosine.acos())
    arc = (((1 - t) * w).sin() * a + (t * w).sin() * b) / w.sin()
    return torch.where(alike, (1 - t) * a + t * b, arc)
