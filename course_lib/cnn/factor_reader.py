"""Chapter 12's network: it reads every factor of a drawn world from pixels, and judges what later chapters draw."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.data import landscapes, portraits
from course_lib.data.batches import Batch
from course_lib.data.drawn_world import Table
from course_lib.data.imageset import ImageSet
from course_lib.data.worlds import painted
from course_lib.errors import CourseError, quoted
from course_lib.training.model import Trainable, check_shape, evaluating

TABLES = {"portraits": portraits.FACTORS, "landscapes": landscapes.FACTORS}
FEATURES = 256  # length of the feature vector, the judge's view of an image


def table_of(world: str) -> Table:
    """name -> Factor, of a drawn world. Raises CourseError for a world that is not drawn."""
    if world not in TABLES:
        raise CourseError(f"world: got {quoted(world)}, expected one of {', '.join(TABLES)}, whose factors are known")
    return TABLES[world]


class FactorReader(Trainable):
    """Seven 3x3 convolutions, a dense layer of 256 features, and outputs for every factor of the world.

    The input is [N, 3, size, size] in [-1, 1]. A category gets one logit per value; a number gets one output, the
    number scaled to [-1, 1]. `body` halves height and width three times by strided convolution. Nothing is pooled,
    since where something is matters here: a tilt, a gaze, the place of the sun.
    """

    name = "factor_reader"
    batch_size = 128
    average_decay = 0.998

    def __init__(self, world: str = "portraits", channels: int = 3, classes: int = 18, size: int = 32, width: int = 32):
        super().__init__(world=world, channels=channels, classes=classes, size=size, width=width)
        self.table = table_of(world)
        if size < 16 or size % 8:
            raise CourseError(f"size: got {size}, expected a multiple of 8, 16 or more")
        widths = [(channels, width, 1), (width, 2 * width, 2), (2 * width, 2 * width, 1), (2 * width, 3 * width, 2)]
        widths += [(3 * width, 3 * width, 1), (3 * width, 4 * width, 2), (4 * width, 4 * width, 1)]
        layers: list[nn.Module] = []
        for before, after, stride in widths:
            layers += [nn.Conv2d(before, after, 3, stride, padding=1, bias=False), nn.BatchNorm2d(after), nn.ReLU()]
        self.body = nn.Sequential(*layers)
        self.to_features = nn.Linear(4 * width * (size // 8) ** 2, FEATURES)
        self.outputs = [max(1, len(factor.values)) for factor in self.table.values()]  # one for a number
        self.to_scores = nn.Linear(FEATURES, sum(self.outputs))
        for layer in self.modules():  # He et al. 2015, equation 10
            if isinstance(layer, nn.Conv2d):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")

    @classmethod
    def for_data(cls, images: ImageSet, **config) -> FactorReader:
        table_of(images.name)
        return super().for_data(images, world=images.name, classes=len(images.class_names), **config)

    def features(self, images: Tensor) -> Tensor:
        """[N, 3, H, W] -> [N, 256]: what the network knows of an image just before it reads the factors."""
        return F.relu(self.to_features(self.body(images).flatten(1)))

    def forward(self, images: Tensor) -> dict[str, Tensor]:
        """[N, 3, H, W] -> name -> logits [N, values] of a category, [N] of a number as a place in [-1, 1]."""
        scores = self.to_scores(F.dropout(self.features(images), 0.1, self.training)).split(self.outputs, dim=1)
        return {
            name: score if factor.values else score[:, 0]
            for (name, factor), score in zip(self.table.items(), scores, strict=True)
        }

    def configure(self) -> None:
        self.optimizers = {"adam": torch.optim.AdamW(self.parameters(), lr=2e-3, weight_decay=1e-2, fused=True)}

    def schedule(self, progress: float) -> float:
        """A short warm-up, then half a cosine down to zero."""
        return min(progress / 0.05, 0.5 + 0.5 * math.cos(math.pi * min(progress, 1.0)), 1.0)

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        """The mean loss over all factors: 1 for a reader who only knows how often each value occurs at random.

        A factor counts in the images where it is painted: the colour of a hat that is not there can only be guessed.
        """
        if set(self.table) - set(batch.factors):
            raise CourseError(f"images: got images without factors, expected drawn {self.config['world']}")
        scores, losses = self(batch.images), []
        there = painted(self.config["world"], batch.factors)
        for name, factor in self.table.items():
            truth = batch.factors[name]
            if factor.values:
                loss = F.cross_entropy(scores[name], truth, reduction="none") / math.log(len(factor.values))
            else:
                loss = 3 * (scores[name] - place(truth, factor.low, factor.high)).square()  # variance 1/3
            losses.append((loss * there[name]).sum() / there[name].sum().clamp_min(1))
        loss = torch.stack(losses).mean()
        self.descend(loss, self.optimizers["adam"])
        return {"loss": loss.detach()}

    def factors(self, images: Tensor, batch_size: int = 500) -> dict[str, Tensor]:
        """What is read in images [N, 3, H, W]: name -> int64 [N] category or float32 [N] number in its own unit."""
        parts = self.scores(images, batch_size)
        read = {}
        for name, factor in self.table.items():
            if factor.values:
                read[name] = parts[name].argmax(1)
            else:
                read[name] = factor.low + (factor.high - factor.low) * (parts[name].clamp(-1, 1) + 1) / 2
        return read

    def scores(self, images: Tensor, batch_size: int = 500) -> dict[str, Tensor]:
        """`forward` in eval mode and in parts, without gradients."""
        device = self.to_scores.weight.device
        with evaluating(self):
            parts = [self(part.to(device)) for part in images.split(batch_size)]
        return {name: torch.cat([part[name] for part in parts]) for name in self.table}

    def read(self, images: Tensor, batch_size: int = 500) -> Tensor:
        """Probabilities [N, classes] of the labels: the style of the hair, or season and time of a landscape."""
        scores = self.scores(images, batch_size)
        if self.config["world"] == "portraits":
            return scores["hair"].softmax(1)
        season, time = scores["season"].softmax(1), scores["time"].softmax(1)
        return (season[:, :, None] * time[:, None, :]).flatten(1)

    def evaluate(self, images: ImageSet) -> dict[str, float]:
        """`reading` of all factors in a drawn set, whether they can be seen or not."""
        check_shape(self, images)
        return reading(self, images)


def reading(reader: FactorReader, images: ImageSet, visible: dict[str, Tensor] | None = None) -> dict[str, float]:
    """How well the factors are read: the accuracy of a category, R^2 of a number.

    visible  name -> bool [N], as `course_lib.data.worlds.visible` finds it: a factor counts only where it shows; NaN
             where that is in fewer than two images
    R^2 is 1 - (mean squared error) / (variance of the truth), 0 for a reader who always says the mean.
    """
    read = reader.factors(images.images)
    found = {}
    for name, factor in reader.table.items():
        truth, said = images.factors[name].cpu(), read[name].cpu()
        if visible is not None:
            truth, said = truth[visible[name].cpu()], said[visible[name].cpu()]
        if len(truth) < 2:
            found[name] = math.nan
        elif factor.values:
            found[name] = float((truth == said).double().mean())
        else:
            truth, said = truth.double(), said.double()
            found[name] = float(1 - (said - truth).square().mean() / truth.var(correction=0).clamp_min(1e-12))
    return found


def place(values: Tensor, low: float, high: float) -> Tensor:
    """Numbers from low to high as places in [-1, 1]."""
    return (values - low) / (high - low) * 2 - 1
