"""Chapter 11: the same data, the same seconds, one scoreboard for GANs, VAEs and an autoencoder."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from course_lib import metrics, models, training
from course_lib.data.imageset import ImageSet
from course_lib.errors import CourseError
from course_lib.metrics.report import Report
from course_lib.training.model import Trainable
from course_lib.training.run import Run
from course_lib.vae.autoencoders_to_vae import Autoencoder, standard_normal
from course_lib.vae.training_a_vae import VAE, binarised, draw_posterior

FITTED = 10_000  # images whose codes a Gaussian is fitted to, at most


@dataclass(frozen=True)
class Contestant:
    model: str  # its name in models.MODELS
    config: dict[str, Any] = field(default_factory=dict)
    fitted: bool = False  # draws codes from a Gaussian fitted to the codes of training images


ENTRIES = {
    "r3gan": Contestant("r3gan"),  # chapter 7's recipe
    "vae": Contestant("vae"),  # chapter 10's model
    "vae_fitted": Contestant("vae", fitted=True),  # the same one, but for where its codes come from
    "vae_small": Contestant("vae", {"hidden": 57}),  # a decoder with as many parameters as r3gan's generator
    "autoencoder": Contestant("autoencoder", fitted=True),  # chapter 9's
}
CONTESTANTS = tuple(ENTRIES)


@dataclass(frozen=True)
class Score:
    """One row of the scoreboard."""

    report: Report  # Fréchet distance with its floor, precision, recall, coverage, class shares
    neg_elbo: float | None  # nats per test image, for a model that has a bound
    seconds_per_thousand: float  # to draw 1,000 images
    parameters: int  # of what draws: a GAN's discriminator and an encoder do not count
    parameters_in_all: int  # with them
    steps: int  # trained
    protocol: str | None = None  # what the pixels were, where there are nats
    spaces: dict[str, Report] = field(default_factory=dict)  # the same samples in other pixels, test images likewise

    def figures(self) -> dict[str, Any]:
        """The row as plain values, without what it does not have."""
        own = {name: value for name, value in asdict(self).items() if name not in ("report", "spaces")}
        row = self.report.figures() | own | {"spaces": {name: seen.figures() for name, seen in self.spaces.items()}}
        return {name: value for name, value in row.items() if value is not None and value != {}}


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
    spaces: Iterable[str] = (),
) -> dict[str, tuple[Any, Score]]:
    """Train each model for as long on the same images, draw `samples` from each, score them: name -> (model, score).

    Names are those of ENTRIES, or of any model that draws. Two entries that differ only in how they draw share one
    training. A Gaussian of codes is fitted to at most 10,000 training images. `spaces` names pixels of SPACES in which
    the same samples are judged once more.
    """
    results: dict[str, tuple[Any, Score]] = {}
    runs: dict[str, Run] = {}
    for name in names:
        entry = ENTRIES.get(name, Contestant(name))
        key = f"{entry.model} {entry.config}"
        if key not in runs:
            torch.manual_seed(seed)
            model = models.model_class(entry.model).for_data(train, **entry.config)
            runs[key] = training.fit(model, train, seconds=seconds, steps=steps, seed=seed, device=device, view=view)
        drawer = runs[key].model
        if entry.fitted:
            drawer = with_fitted_codes(drawer, train.images[:FITTED])
        found = score(drawer, test, samples=samples, steps=runs[key].steps, seed=seed, spaces=spaces)
        results[name] = (drawer, found)
    return results


# ---------------------------------------------------------------------------------------------------------------------
# Where codes come from
# ---------------------------------------------------------------------------------------------------------------------


class FittedVAE:
    """A trained VAE that draws its codes from a Gaussian fitted to those of real images, not from its prior.

    The codes are draws from q(z | x), so the Gaussian is that of the aggregated posterior. It has no bound: the nats
    of the VAE belong to its prior.
    """

    name = "vae_fitted"

    def __init__(self, model: VAE, images: Tensor):
        codes = draw_posterior(model, images).cpu().double()
        if len(codes) <= model.latent:
            raise CourseError(f"images: got {len(codes)}, expected more than {model.latent}, the numbers in a code")
        self.model = model
        self.mean = codes.mean(dim=0)
        self.factor = torch.linalg.cholesky(codes.T.cov() + 1e-9 * torch.eye(model.latent, dtype=codes.dtype))

    def sample(self, count: int, *, seed: int = 0) -> Tensor:
        """`count` images, float32 [N, C, H, W] in [-1, 1]; from the same normal numbers as the VAE's own samples."""
        noise = standard_normal(self.model, count, seed, None).double()
        return self.model.decode((self.mean + noise @ self.factor.T).float())


def with_fitted_codes(model: Trainable, images: Tensor) -> Any:
    """The model that draws its codes from the Gaussian fitted to those of `images` [N, C, H, W]."""
    if isinstance(model, Autoencoder):
        model.fit_codes(images)
        return model
    return FittedVAE(model, images)


# ---------------------------------------------------------------------------------------------------------------------
# Pixels: a model of black and white ones must not be judged against grey ones alone
# ---------------------------------------------------------------------------------------------------------------------


def drawn(images: Tensor) -> Tensor:
    """Each pixel of [N, C, H, W] black or white with the probability that its grey stands for, by a seed of its own."""
    return 2 * binarised(images, torch.Generator().manual_seed(0)) - 1


def cut(images: Tensor) -> Tensor:
    """Each pixel black or white, whichever is nearer."""
    return torch.where(images > 0, 1.0, -1.0)


SPACES = {"drawn": drawn, "cut": cut}


# ---------------------------------------------------------------------------------------------------------------------
# The score
# ---------------------------------------------------------------------------------------------------------------------


def score(
    model: Any, test: ImageSet, *, samples: int = 10_000, steps: int = 0, seed: int = 0, spaces: Iterable[str] = ()
) -> Score:
    """What there is to say of a trained model that draws, against `test` images it never saw."""
    if not 2 <= samples <= len(test):
        raise CourseError(f"samples: got {samples}, expected 2 to {len(test)}, the number of test images")
    images = model.sample(samples, seed=seed).cpu()
    bound = metrics.likelihood(model, test, samples=(1,)) if hasattr(model, "bound") else None
    return Score(
        report=metrics.report(images, test),
        neg_elbo=bound and bound.neg_elbo,
        seconds_per_thousand=seconds_per_thousand(model),
        parameters=parameters(model),
        parameters_in_all=count(networks(model)),
        steps=steps,
        protocol=bound and bound.protocol,
        spaces={name: metrics.report(images, test, see=SPACES[name]) for name in spaces},
    )


def seconds_per_thousand(model: Any, repeats: int = 3) -> float:
    """Median seconds to draw 1,000 images; the first draw, which warms up, is not counted."""
    times = []
    for repeat in range(repeats + 1):
        begun = time.perf_counter()
        model.sample(1000, seed=repeat).sum().item()  # waits for a GPU
        times.append(time.perf_counter() - begun)
    return statistics.median(times[1:])


def parameters(model: Any) -> int:
    """Numbers in the network that draws."""
    whole = networks(model)
    return count(whole.generator if hasattr(whole, "generator") else whole.decoder)


def networks(model: Any) -> nn.Module:
    """Everything of a contestant that was trained."""
    return model.model if isinstance(model, FittedVAE) else model


def count(network: nn.Module) -> int:
    return sum(weight.numel() for weight in network.parameters())
