"""A model small enough to train in a blink, with everything a real one has: dropout, buffers, two optimisers."""

from __future__ import annotations

import os
import signal

import torch
from torch import nn
from torch.nn import functional as F

from course_lib.data.imageset import ImageSet
from course_lib.training import Trainable, fit
from course_lib.training.progress import Bar


class Tiny(Trainable):
    name = "tiny"
    batch_size = 8
    average_decay = 0.9

    def __init__(self, channels: int = 1, size: int = 8, width: int = 4, rate: float = 0.01):
        super().__init__(channels=channels, size=size, width=width, rate=rate)
        torch.manual_seed(1)
        self.body = nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width), nn.ReLU())
        self.head = nn.Linear(width * size * size, 10)
        self.rate = rate

    def forward(self, images):
        return self.head(F.dropout(self.body(images).flatten(1), 0.2, self.training))

    def configure(self):
        self.optimizers = {
            "body": torch.optim.SGD(self.body.parameters(), lr=self.rate, momentum=0.9),
            "head": torch.optim.Adam(self.head.parameters(), lr=self.rate),
        }

    def schedule(self, progress):
        return 1.0 - 0.5 * progress

    def augment(self, images, generator):
        return images + 0.05 * torch.randn(images.shape, generator=generator).to(images.device)

    def training_step(self, batch):
        loss = F.cross_entropy(self(batch.images), batch.labels)
        self.descend(loss, self.optimizers["body"])
        again = F.cross_entropy(self(batch.images), batch.labels)
        self.descend(again, self.optimizers["head"])
        return {"body": loss.detach(), "head": again.detach()}


def images(count: int = 64, size: int = 8, seed: int = 0) -> ImageSet:
    """Noise whose label can be learned: the class sets the mean."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.arange(count) % 10
    noise = torch.rand(count, 1, size, size, generator=generator) * 0.5 - 0.25
    return ImageSet(noise + labels.view(-1, 1, 1, 1) / 10 - 0.5, labels, name="noise")


def train(steps, folder=None, seed=0, **options):
    model = Tiny()
    return fit(
        model, images(), steps=steps, seed=seed, folder=folder, device="cpu", view=Bar(silent=True), **options
    ), model


def weights(model):
    return {name: tensor.clone() for name, tensor in model.state_dict().items()}


def assert_same(a, b):
    assert a.keys() == b.keys()
    for name in a:
        assert torch.equal(a[name], b[name]), name


def steps_until(model, stop, number=signal.SIGINT):
    """Make the model ask for an interruption, as Ctrl-C does, in its step number `stop`."""
    taken, original = [0], model.training_step

    def step(batch):
        taken[0] += 1
        if taken[0] == stop:
            os.kill(os.getpid(), number)
        return original(batch)

    model.training_step = step
    return model
