"""Distances between two clouds of features, and how evenly the classes are drawn."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from course_lib.errors import CourseError

ROWS = 1000  # points whose distances to all others are in memory at once


class GivenFeatures(nn.Module):
    """Hands features through: torchmetrics wants a network, and we have already run ours."""

    def __init__(self, count: int):
        super().__init__()
        self.num_features = count

    def forward(self, features: Tensor) -> Tensor:
        return features


def frechet_distance(real: Tensor, fake: Tensor) -> float:
    """Squared Fréchet distance of two Gaussians fitted to features [N, F] and [M, F], in float64 on the CPU.

    |mean difference|² + trace(S + T - 2 (S T)^½), Heusel et al. 2017, equation 6; computed by torchmetrics.
    0 for equal means and covariances. Two samples of the same images do not give 0 but a floor that falls with N: print
    it beside every figure.
    """
    from torchmetrics.image.fid import FrechetInceptionDistance  # two seconds: paid by those who measure it

    check_clouds(real, fake)
    metric = FrechetInceptionDistance(GivenFeatures(real.shape[1]), normalize=True).set_dtype(torch.float64)
    metric.update(real.cpu().double(), real=True)
    metric.update(fake.cpu().double(), real=False)
    return float(metric.compute())


def precision_recall(real: Tensor, fake: Tensor, neighbours: int = 3) -> tuple[float, float]:
    """Precision and recall, both in [0, 1], of features [N, F] and [M, F].

    A cloud covers the balls around its points that reach to their `neighbours`-th neighbour. Precision is the share of
    fakes inside the real cloud, recall the share of real ones inside the fake cloud (Kynkäänniemi et al. 2019,
    equations 1 and 2).
    """
    check_clouds(real, fake)
    if min(len(real), len(fake)) <= neighbours:
        raise CourseError(f"neighbours: got {neighbours}, expected fewer than the points, {len(real)} and {len(fake)}")
    fake = fake.to(real.device)
    return inside(real, fake, neighbours), inside(fake, real, neighbours)


def coverage(real: Tensor, fake: Tensor, neighbours: int = 5) -> float:
    """Share, in [0, 1], of the real features [N, F] that have a fake one [M, F] among their neighbours.

    A real point is covered when some fake lies no farther from it than its `neighbours`-th neighbour among the real
    ones (Naeem et al. 2020, equation 8). Unlike recall it draws balls around real points only: fakes that are far out
    widen no ball. Perfect samples, as many as there are real ones, cover about 1 - 1 / 2^neighbours of them.
    """
    check_clouds(real, fake)
    if len(real) <= neighbours:
        raise CourseError(f"neighbours: got {neighbours}, expected fewer than the real points, {len(real)}")
    reach = reaches(real, neighbours)
    nearest = torch.cat([distances(part, fake).min(dim=1)[0] for part in real.split(ROWS)])
    return float((nearest <= reach).double().mean())


def inside(cloud: Tensor, points: Tensor, neighbours: int) -> float:
    """Share of `points` that lie within the reach of at least one point of `cloud`."""
    reach = reaches(cloud, neighbours)
    hits = [(distances(part, cloud) <= reach).any(dim=1) for part in points.split(ROWS)]
    return float(torch.cat(hits).double().mean())


def reaches(cloud: Tensor, neighbours: int) -> Tensor:
    """How far it is from each point [N, F] to its `neighbours`-th neighbour, [N]."""
    return torch.cat([distances(part, cloud).kthvalue(neighbours + 1)[0] for part in cloud.split(ROWS)])


def distances(a: Tensor, b: Tensor) -> Tensor:
    """[N, F] and [M, F] -> [N, M]. Few features are subtracted, many multiplied: faster, with less exact small ones."""
    return torch.cdist(a, b, **({"compute_mode": "donot_use_mm_for_euclid_dist"} if a.shape[1] < 8 else {}))


def class_shares(probabilities: Tensor) -> Tensor:
    """[N, classes] -> float64 [classes]: how often each class is the one the judge reads."""
    classes = probabilities.shape[1]
    return probabilities.argmax(dim=1).bincount(minlength=classes).double().cpu() / len(probabilities)


def kl_to_uniform(shares: Tensor) -> float:
    """KL(shares || uniform) in nats: 0 when all classes are drawn equally often, log(classes) when only one is."""
    shares = shares.double()
    return float(torch.special.xlogy(shares, shares * len(shares)).sum())


def check_clouds(real: Tensor, fake: Tensor) -> None:
    for name, cloud in (("real", real), ("fake", fake)):
        if cloud.ndim != 2 or len(cloud) < 2 or cloud.shape[1] != real.shape[-1]:
            raise CourseError(
                f"{name}: got shape {list(cloud.shape)}, expected [N, {real.shape[-1]}] with N of 2 or more"
            )
        if not bool(cloud.isfinite().all()):
            raise CourseError(f"{name}: got NaN or infinite features, expected finite ones")
