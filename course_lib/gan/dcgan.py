"""Chapter 6: the deep convolutional GAN (Radford et al. 2016), for 28 and 32 pixels, and for article A's 128."""

from __future__ import annotations

from torch import Tensor, nn

from course_lib.data.imageset import ImageSet
from course_lib.errors import CourseError
from course_lib.gan.the_gan_game import GAN, shape_of


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
    channels. The kernel (4) is a multiple of the stride (2), so every pixel is painted equally often: no checkerboard.
    """

    def __init__(self, channels: int, size: int, latent: int, width: int):
        super().__init__()
        depth = levels(size)
        side, maps = size // 2**depth, width * 2**depth
        layers: list[nn.Module] = [
            nn.Linear(latent, maps * side * side, bias=False),
            nn.Unflatten(1, (maps, side, side)),  # [N, 64, 7, 7]
            nn.BatchNorm2d(maps),
            nn.ReLU(),
        ]
        for _ in range(depth - 1):
            layers += [
                nn.ConvTranspose2d(maps, maps // 2, kernel_size=4, stride=2, padding=1, bias=False),  # [N, 32, 14, 14]
                nn.BatchNorm2d(maps // 2),
                nn.ReLU(),
            ]
            maps //= 2
        layers += [nn.ConvTranspose2d(maps, channels, kernel_size=4, stride=2, padding=1), nn.Tanh()]  # [N, 1, 28, 28]
        self.layers = nn.Sequential(*layers)

    def forward(self, noise: Tensor) -> Tensor:
        return self.layers(noise)


class Discriminator(nn.Module):
    """Images [N, channels, size, size] -> logits [N]: strided convolutions, LeakyReLU, no norm, one dense layer."""

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
        self.body = nn.Sequential(*layers, nn.Flatten())
        self.to_logit = nn.Linear(maps * (size // 2**depth) ** 2, 1)

    def forward(self, images: Tensor) -> Tensor:
        return self.to_logit(self.body(images)).flatten()


class DCGAN(GAN):
    """Chapter 6's pair: the game of chapter 5 (non-saturating loss), played by convolutions."""

    name = "dcgan"
    rate = 1e-3

    def __init__(self, channels: int = 1, size: int = 28, latent: int = 64, width: int = 16):
        super().__init__(latent=latent, channels=channels, size=size, width=width)
        self.generator = Generator(channels, size, latent, width)
        self.discriminator = Discriminator(channels, size, width)

    @classmethod
    def for_data(cls, images: ImageSet, **config) -> DCGAN:
        return cls(**shape_of(images), **config)
