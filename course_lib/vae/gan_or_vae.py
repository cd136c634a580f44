"""Chapter 11: the same data, the same seconds, one scoreboard for a GAN, a VAE and an autoencoder."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from typing import Any

import torch

from course_lib import metrics, models, training
from course_lib.data.imageset import ImageSet
from course_lib.errors import CourseError
from course_lib.metrics.report import Report
from course_lib.training.model import Trainable
from course_lib.vae.autoencoders_to_vae import Autoencoder

CONTESTANTS = ("r3gan", "vae", "autoencoder")  # chapter 7's recipe, chapter 10's model, chapter 9's with fitted codes


@dataclass(frozen=True)
class Score:
    """One row of the scoreboard."""

    report: Report  # Fréchet distance with its floor, precision, recall, class shares
    neg_elbo: float | None  # nats per test image, for a model that has a bound
    seconds_per_thousand: float  # to draw 1,000 images
    parameters: int  # of what draws: a GAN's discriminator and an encoder do not count
    steps: int  # trained
    protocol: str | None = None  # what the pixels were, where there are nats

    def figures(self) -> dict[str, Any]:
        """The row as plain values, without what it does not have."""
        row = self.report.figures() | {name: value for name, value in asdict(self).items() if name != "report"}
        return {name: value for name, value in row.items() if value is not None}


def contest(
    train: ImageSet,
    test: ImageSet,
    *,
    names: Iterable[str] = CONTESTANTS,
    seconds: float | None = None,
    steps: int | None = None,
    samples: int = 10_000,
    seed: int = 0,
    device: str = "auto",
    view: Any = None,
) -> dict[str, tuple[Trainable, Score]]:
    """Train each model for as long on the same images, draw `samples` from each, score them: name -> (model, score).

    An autoencoder draws from the Gaussian fitted to the codes of at most 10,000 training images.
    """
    results = {}
    for name in names:
        torch.manual_seed(seed)
        model = models.build(name, train)
        run = training.fit(model, train, seconds=seconds, steps=steps, seed=seed, device=device, view=view)
        if isinstance(run.model, Autoencoder):
            run.model.fit_codes(train.images[:10_000])
        results[name] = (run.model, score(run.model, test, samples=samples, steps=run.steps, seed=seed))
    return results


def score(model: Trainable, test: ImageSet, *, samples: int = 10_000, steps: int = 0, seed: int = 0) -> Score:
    """What there is to say of a trained model that draws, against `test` images it never saw."""
    if not 2 <= samples <= len(test):
        raise CourseError(f"samples: got {samples}, expected 2 to {len(test)}, the number of test images")
    drawn = model.sample(samples, seed=seed).cpu()
    bound = metrics.likelihood(model, test, samples=(1,)) if hasattr(model, "bound") else None
    return Score(
        report=metrics.report(drawn, test),
        neg_elbo=bound and bound.neg_elbo,
        seconds_per_thousand=seconds_per_thousand(model),
        parameters=parameters(model),
        steps=steps,
        protocol=bound and bound.protocol,
    )


def seconds_per_thousand(model: Trainable, repeats: int = 3) -> float:
    """Median seconds to draw 1,000 images; the first draw, which warms up, is not counted."""
    times = []
    for repeat in range(repeats + 1):
        begun = time.perf_counter()
        model.sample(1000, seed=repeat).sum().item()  # waits for a GPU
        times.append(time.perf_counter() - begun)
    return statistics.median(times[1:])


def parameters(model: Trainable) -> int:
    """Numbers in the network that draws."""
    network = model.generator if hasattr(model, "generator") else model.decoder
    return sum(weight.numel() for weight in network.parameters())
