"""Likelihood metrics of a VAE: bounds on log p(x) in nats, bits per dimension, and how many latents are in use."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from course_lib.data.imageset import ImageSet
from course_lib.errors import CourseError
from course_lib.training.model import evaluating

ACTIVE = 0.01  # a latent is in use when its mean varies at least so much over the images (Burda et al. 2016)


@dataclass(frozen=True)
class Likelihood:
    neg_elbo: float  # nats per image: an upper bound of -log p(x)
    reconstruction: float  # its first term, -log p(x | z)
    kl: float  # its second term
    iwae: dict[int, float]  # K -> nats per image: tighter upper bounds
    iwae_images: int  # how many images the gap between them and neg_elbo was measured on
    bits_per_dimension: float  # of the tightest bound
    active_units: int
    images: int
    protocol: str  # what the pixels were, without which nats mean nothing

    def figures(self) -> dict:
        return {
            "neg_elbo": self.neg_elbo,
            "reconstruction": self.reconstruction,
            "kl": self.kl,
            **{f"iwae_{samples}": bound for samples, bound in self.iwae.items()},
            "iwae_images": self.iwae_images,
            "bits_per_dimension": self.bits_per_dimension,
            "active_units": self.active_units,
            "images": self.images,
            "protocol": self.protocol,
        }


def likelihood(
    model,
    images: ImageSet,
    samples: Sequence[int] = (1, 50, 500),
    seed: int = 0,
    rows: int = 5000,
    iwae_images: int | None = None,
) -> Likelihood:
    """Bounds on the log likelihood of test images, in nats per image, all of the same binarised pixels.

    samples      the K of each importance-sampled bound (Burda et al. 2016); K = 1 is the ELBO without its closed KL
    seed         of the binarisation and of every draw
    rows         pairs of image and sample decoded at once
    iwae_images  measure how far each bound lies below neg_elbo on the first so many images only: K = 500 decodes every
                 image 500 times, and the gap varies little between images. None: all of them, no shortcut

    "bernoulli" models are shown pixels drawn once from the greys by `seed` ("dynamic" says that training drew them anew
    in every step); "gaussian" models grey pixels in [-1, 1], whose densities may give negative nats.
    """
    if not samples or min(samples) < 1:
        raise CourseError(f"samples: got {list(samples)}, expected at least one K of 1 or more")
    device = next(model.parameters()).device
    with evaluating(model), torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        targets = model.targets(images.images, torch.Generator().manual_seed(seed)).to(device)
        terms = [model.terms(part) for part in targets.split(rows)]
        reconstruction = -torch.cat([part.log_likelihood for part in terms]).double().mean()
        kl = torch.cat([part.kl for part in terms]).double().sum(dim=1).mean()
        neg_elbo = float(reconstruction + kl)
        some = targets[:iwae_images]
        bounds = {count: importance_bound(model, some, count, rows) for count in samples}
    if len(some) < len(targets):
        bounds = {count: (neg_elbo - gap, gap) for count, (_, gap) in bounds.items()}
    bounds = {count: nats for count, (nats, _) in bounds.items()}
    pixels = math.prod(images.images.shape[1:])
    tightest = bounds[max(samples)]
    grey = model.likelihood == "gaussian"
    return Likelihood(
        neg_elbo=neg_elbo,
        reconstruction=float(reconstruction),
        kl=float(kl),
        iwae=bounds,
        iwae_images=len(some),
        bits_per_dimension=bits_per_dimension(tightest, pixels),
        active_units=active_units(model.codes(images.images)),
        images=len(images),
        protocol="density of grey pixels in [-1, 1]" if grey else f"dynamic binarisation, test pixels by seed {seed}",
    )


def importance_bound(model, targets: Tensor, samples: int, rows: int) -> tuple[float, float]:
    """-log of the average importance weight, mean over the targets, and how far that lies below the K = 1 bound."""
    bounds, gaps = [], []
    for part in targets.split(max(1, rows // samples)):
        log_weights = model.log_weights(part, samples).double()  # [K, N]
        bounds.append(log_weights.logsumexp(dim=0) - math.log(samples))  # Burda et al. 2016, equation 8
        gaps.append(bounds[-1] - log_weights.mean(dim=0))
    return -float(torch.cat(bounds).mean()), float(torch.cat(gaps).mean())


def bits_per_dimension(nats: float, dimensions: int) -> float:
    """Nats per image -> bits per pixel and channel."""
    return nats / math.log(2) / dimensions


def active_units(means: Tensor, least: float = ACTIVE) -> int:
    """How many latents are in use: those whose posterior means [N, D] vary by more than `least` over the images."""
    return int((means.double().var(dim=0) > least).sum())
