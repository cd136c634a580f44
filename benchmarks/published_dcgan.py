"""The clean baseline: a DCGAN with the settings of its paper (Radford et al. 2016), trained by the course's own loop.

For the benchmarks only. From the paper, sections 3 and 4: transposed convolutions in G and strided ones in D instead of
pooling, no hidden dense layers, batch norm in both networks but not at G's output nor at D's input, ReLU and tanh in G,
LeakyReLU of slope 0.2 in D, weights from N(0, 0.02), 100 numbers of noise, batches of 64, Adam with a rate of 2e-4 and
betas (0.5, 0.999), the non-saturating loss on logits, real images and fakes in batches of their own.

Adapted to 28 pixels as the chapters' networks are, 7 -> 14 -> 28, kernels of 4 for the paper's 5; Gaussian noise for
uniform. Of these widths the pair has nearly twice as many parameters as chapter 7's.
"""

from __future__ import annotations

from torch import nn

from course_lib.gan.the_gan_game import GAN


class PublishedDCGAN(GAN):
    name = "published_dcgan"
    batch_size = 64
    rate = 2e-4
    betas = (0.5, 0.999)

    def __init__(self, channels: int = 1, size: int = 28, latent: int = 100, width: int = 32):
        super().__init__(latent=latent, channels=channels, size=size, width=width)
        side = size // 4
        self.generator = nn.Sequential(
            nn.Linear(latent, 2 * width * side * side, bias=False),
            nn.Unflatten(1, (2 * width, side, side)),  # [N, 64, 7, 7]
            nn.BatchNorm2d(2 * width),
            nn.ReLU(),
            nn.ConvTranspose2d(2 * width, width, kernel_size=4, stride=2, padding=1, bias=False),  # [N, 32, 14, 14]
            nn.BatchNorm2d(width),
            nn.ReLU(),
            nn.ConvTranspose2d(width, channels, kernel_size=4, stride=2, padding=1),  # [N, 1, 28, 28]
            nn.Tanh(),
        )
        self.discriminator = nn.Sequential(
            nn.Conv2d(channels, width, kernel_size=4, stride=2, padding=1),  # [N, 32, 14, 14]
            nn.LeakyReLU(0.2),
            nn.Conv2d(width, 2 * width, kernel_size=4, stride=2, padding=1, bias=False),  # [N, 64, 7, 7]
            nn.BatchNorm2d(2 * width),
            nn.LeakyReLU(0.2),
            nn.Flatten(),
            nn.Linear(2 * width * side * side, 1),
            nn.Flatten(0),
        )
        self.apply(initialise)


def initialise(module: nn.Module) -> None:
    if isinstance(module, (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)
