"""Chapter 4's network: a small CNN that reads digits. Later chapters use it as the judge of what was drawn."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.data.augment import affine
from course_lib.data.batches import Batch
from course_lib.data.imageset import ImageSet, ink
from course_lib.errors import CourseError
from course_lib.training.model import Trainable, evaluating, fitting

FEATURES = 128  # length of the feature vector, the judge's view of an image


class Classifier(Trainable):
    """Two 5x5 convolutions, each followed by max pooling, a dense layer of 128 features, one logit per class.

    The input is [N, channels, size, size] in [-1, 1]. `body` halves height and width twice; the head reads all of
    what is left at once. Written as a convolution, the same head reads a larger canvas everywhere: see
    `course_lib.cnn.detection`.
    The shape is LeNet's (LeCun et al. 1998), with ReLU, max pooling and today's initialisation.
    """

    name = "classifier"
    batch_size = 128
    average_decay = 0.998

    def __init__(self, channels: int = 1, classes: int = 10, size: int = 28, width: int = 16):
        super().__init__(channels=channels, classes=classes, size=size, width=width)
        if size < 8:
            raise CourseError(f"size: got {size}, expected at least 8 pixels")
        self.body = nn.Sequential(
            nn.Conv2d(channels, width, kernel_size=5, padding=2),  # [N, 16, 28, 28]
            nn.ReLU(),
            nn.MaxPool2d(2),  # [N, 16, 14, 14]
            nn.Conv2d(width, 2 * width, kernel_size=5, padding=2),  # [N, 32, 14, 14]
            nn.ReLU(),
            nn.MaxPool2d(2),  # [N, 32, 7, 7]
        )
        self.to_features = nn.Linear(2 * width * (size // 4) ** 2, FEATURES)
        self.to_logits = nn.Linear(FEATURES, classes)
        for layer in self.modules():  # He et al. 2015, equation 10: keeps the size of signals through ReLU layers
            if isinstance(layer, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
                nn.init.zeros_(layer.bias)
        nn.init.normal_(self.to_logits.weight, std=0.01)

    @classmethod
    def for_data(cls, images: ImageSet, **config) -> Classifier:
        return super().for_data(images, classes=len(images.class_names), **config)

    def features(self, images: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, 128]: what the network knows of an image just before it names it."""
        return F.relu(self.to_features(self.body(ink(images)).flatten(1)))

    def forward(self, images: Tensor) -> Tensor:
        """[N, C, H, W] -> logits [N, classes]."""
        return self.to_logits(F.dropout(self.features(images), 0.3, self.training))

    def configure(self) -> None:
        self.optimizers = {"adam": torch.optim.Adam(self.parameters(), lr=2e-3, betas=(0.9, 0.99), fused=True)}

    def schedule(self, progress: float) -> float:
        """A short warm-up, then half a cosine down to zero."""
        return min(progress / 0.05, 0.5 + 0.5 * math.cos(math.pi * min(progress, 1.0)), 1.0)

    def augment(self, images: Tensor, generator: torch.Generator) -> Tensor:
        return affine(images, generator, degrees=8, scale=0.1, shear=0.1, shift=0.06 * images.shape[-1])

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        logits = self(batch.images)
        loss = F.cross_entropy(logits, batch.labels)
        self.descend(loss, self.optimizers["adam"])
        accuracy = (logits.detach().argmax(dim=1) == batch.labels).float().mean()
        return {"loss": loss.detach(), "accuracy": accuracy}

    def read(self, images: Tensor, batch_size: int = 1000) -> Tensor:
        """Class probabilities [N, classes] of images [N, C, H, W]."""
        with evaluating(self):
            device = self.to_logits.weight.device
            return torch.cat([self(part.to(device)).softmax(dim=1) for part in images.split(batch_size)])

    def evaluate(self, images: ImageSet) -> dict[str, float]:
        """Accuracy, and cross-entropy in nats, on a whole set."""
        probabilities = self.read(fitting(self, images).images)
        labels = images.labels.to(probabilities.device)
        right = (probabilities.argmax(dim=1) == labels).double().mean()
        nats = F.nll_loss(probabilities.double().clamp_min(1e-12).log(), labels)
        return {"accuracy": float(right), "cross_entropy": float(nats), "images": len(images)}
