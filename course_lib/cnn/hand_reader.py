"""Chapter 14's judge of a pen: how thick, and leaning where? It reads drawn digits in colour as grey ink."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.data.batches import Batch
from course_lib.data.imageset import ImageSet
from course_lib.data.ink import SIDE, small_ink
from course_lib.data.wording import STROKES, facts
from course_lib.errors import CourseError
from course_lib.training.model import Trainable, check_shape, evaluating

KINDS = ("thickness", "slant")


class HandReader(Trainable):
    """Drawn digits in colour, of any size -> the word for their thickness and the word for their slant."""

    name = "hand_reader"
    batch_size = 128
    average_decay = 0.998

    def __init__(self, channels: int = 3, width: int = 24):
        super().__init__(channels=channels, width=width)
        widths = [(1, width, 2), (width, 2 * width, 1), (2 * width, 2 * width, 2), (2 * width, 3 * width, 1)]
        layers: list[nn.Module] = []
        for before, after, stride in widths:
            layers += [nn.Conv2d(before, after, 3, stride, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        self.layers = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.1), nn.Linear(3 * width * (SIDE // 4) ** 2, 6))

    @classmethod
    def for_data(cls, images: ImageSet, **config) -> HandReader:
        if images.name != "strokes":
            raise CourseError(f"images: got {images.name}, expected strokes in colour, whose pen is known")
        return cls(channels=images.images.shape[1], **config)

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the three thicknesses and of the three slants, [N, 3] each."""
        return self.layers(small_ink(images)).split(3, dim=1)

    def configure(self) -> None:
        self.optimizers = {"adam": torch.optim.AdamW(self.parameters(), lr=2e-3, weight_decay=1e-2, fused=True)}

    def schedule(self, progress: float) -> float:
        return 0.5 + 0.5 * math.cos(math.pi * min(progress, 1.0))

    def augment(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Softer edges and some grain, each picture its own: it shall read pictures that nobody drew."""
        chance = torch.rand(2, len(images), 1, 1, 1, generator=generator).to(images)
        soft = torch.lerp(images, F.avg_pool2d(images, 3, 1, 1, count_include_pad=False), chance[0])
        grain = torch.randn(images.shape, generator=generator).to(images)
        return (soft + 0.1 * chance[1] * grain).clamp(-1, 1)

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        truth = STROKES.look(facts(batch))
        losses = [F.cross_entropy(s, truth[:, place(k)]) for k, s in zip(KINDS, self(batch.images), strict=True)]
        self.descend(sum(losses), self.optimizers["adam"])
        return {kind: loss.detach() for kind, loss in zip(KINDS, losses, strict=True)}

    def read(self, images: Tensor, batch_size: int = 500) -> dict[str, Tensor]:
        """kind -> the option read, int64 [N]: eval mode, no gradients."""
        device = next(self.parameters()).device
        with evaluating(self):
            parts = [[s.argmax(dim=1) for s in self(part.to(device))] for part in images.split(batch_size)]
        return {kind: torch.cat([part[i] for part in parts]) for i, kind in enumerate(KINDS)}

    def evaluate(self, images: ImageSet) -> dict[str, float]:
        """Share of test drawings whose word is read."""
        check_shape(self, images)
        truth, read = STROKES.look(facts(images)), self.read(images.images)
        return {kind: float((read[kind] == truth[:, place(kind)]).double().mean()) for kind in KINDS}


def place(kind: str) -> int:
    """Where the kind stands among the words for strokes."""
    return list(STROKES.kinds).index(kind)
