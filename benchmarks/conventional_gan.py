"""The loop of a popular repository, faults and all, with the habits that the course argues against.

For the benchmarks only; a DCGAN as its authors meant it is in published_dcgan.py. 32-pixel digits made by a loader that
resizes, converts and normalises every image anew; upsampling and convolutions of 128 channels; batch norm in both
networks with 0.8, Keras's momentum, passed as eps; a sigmoid, then binary cross-entropy; generator gradients computed
through the discriminator's weights; two .item().
"""

from __future__ import annotations

import time

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from course_lib.data.imageset import ImageSet

LATENT = 100


class PerImage(Dataset):
    """Image by image, as PIL gives them, transformed at every visit."""

    def __init__(self, images: ImageSet):
        self.pixels = ((images.images[:, 0] + 1) * 127.5).round().byte().numpy()
        self.transform = transforms.Compose(
            [transforms.Resize(32), transforms.ToTensor(), transforms.Normalize([0.5], [0.5])]
        )

    def __len__(self) -> int:
        return len(self.pixels)

    def __getitem__(self, index: int) -> Tensor:
        return self.transform(Image.fromarray(np.asarray(self.pixels[index])))


def generator() -> nn.Module:
    return nn.Sequential(
        nn.Linear(LATENT, 128 * 8 * 8),
        nn.Unflatten(1, (128, 8, 8)),
        nn.BatchNorm2d(128),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(128, 128, 3, padding=1),
        nn.BatchNorm2d(128, 0.8),
        nn.LeakyReLU(0.2),
        nn.Upsample(scale_factor=2),
        nn.Conv2d(128, 64, 3, padding=1),
        nn.BatchNorm2d(64, 0.8),
        nn.LeakyReLU(0.2),
        nn.Conv2d(64, 1, 3, padding=1),
        nn.Tanh(),
    )


def discriminator() -> nn.Module:
    layers: list[nn.Module] = []
    for inputs, outputs in ((1, 16), (16, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(inputs, outputs, 3, 2, 1), nn.LeakyReLU(0.2), nn.Dropout2d(0.25)]
        if inputs > 1:
            layers.append(nn.BatchNorm2d(outputs, 0.8))
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(128 * 2 * 2, 1), nn.Sigmoid())


def initialise(module: nn.Module) -> None:
    if isinstance(module, nn.Conv2d):
        nn.init.normal_(module.weight, 0.0, 0.02)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def train(images: ImageSet, seconds: float, seed: int) -> tuple[nn.Module, int, float]:
    """Train for `seconds`; the generator, how many steps it took, and how many seconds they took in the end."""
    torch.manual_seed(seed)
    painter, judge = generator().apply(initialise), discriminator().apply(initialise)
    loader = DataLoader(PerImage(images), batch_size=64, shuffle=True)
    loss = nn.BCELoss()
    g_adam = torch.optim.Adam(painter.parameters(), lr=2e-4, betas=(0.5, 0.999))
    d_adam = torch.optim.Adam(judge.parameters(), lr=2e-4, betas=(0.5, 0.999))
    begun, steps = time.monotonic(), 0
    while True:
        for real in loader:
            valid, fake = torch.ones(len(real), 1), torch.zeros(len(real), 1)
            g_adam.zero_grad()
            made = painter(torch.randn(len(real), LATENT))
            g_loss = loss(judge(made), valid)
            g_loss.backward()
            g_adam.step()
            d_adam.zero_grad()
            d_loss = (loss(judge(real), valid) + loss(judge(made.detach()), fake)) / 2
            d_loss.backward()
            d_adam.step()
            g_loss.item(), d_loss.item()
            steps += 1
            took = time.monotonic() - begun
            if took > seconds:
                return painter, steps, took


@torch.no_grad()
def sample(painter: nn.Module, count: int, seed: int) -> Tensor:
    """float32 [N, 1, 32, 32] in [-1, 1], in eval mode."""
    painter.eval()
    noise = torch.randn(count, LATENT, generator=torch.Generator().manual_seed(seed))
    return torch.cat([painter(part) for part in noise.split(500)])
