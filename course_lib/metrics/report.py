"""All figures of one generator at once."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import asdict, dataclass

import torch
from torch import Tensor

from course_lib import data
from course_lib.data.imageset import ImageSet
from course_lib.errors import CourseError
from course_lib.metrics.judge import features, fitted, judge
from course_lib.metrics.quality import class_shares, coverage, frechet_distance, kl_to_uniform, precision_recall
from course_lib.training.model import Trainable, fitting

CLOUD = 5000  # at most so many points for precision and recall: their cost grows with the square
KEPT = 4  # so many judged sets of real images are remembered: 10 MB each at most
KNOWN: dict[str, tuple[Tensor, float]] = {}  # what `real_side` found, the oldest first


@dataclass(frozen=True)
class Report:
    frechet_distance: float  # generated against test images
    floor: float  # training against test images, as many: what perfect samples would get
    precision: float  # share of generated images that look real
    recall: float  # share of real images that the generator could have drawn
    coverage: float  # share of real images that have a generated one among their neighbours
    class_shares: list[float]  # how often each class is read
    kl_to_uniform: float  # of those shares, in nats
    as_ordered: float | None  # share read as the class that was asked for, where one was
    images: int

    def figures(self) -> dict:
        return {name: value for name, value in asdict(self).items() if value is not None}


def report(
    fakes: Tensor, test: ImageSet, labels: Tensor | None = None, see: Callable[[Tensor], Tensor] | None = None
) -> Report:
    """What the judge says of generated images [N, C, H, W] in [-1, 1], against as many test images.

    fakes   generated images
    test    real images the generator never saw; as many are used as there are fakes
    labels  int64 [N]: the class each fake was made to order as, where it was
    see     what becomes of all images before they are judged, generated, test and training images alike
    """
    if len(fakes) > len(test):
        raise CourseError(f"fakes: got {len(fakes)}, expected at most {len(test)}, the number of test images")
    network = judge(test)
    size, colour = test.images.shape[2], test.images.shape[1] == 3
    train = data.load(test.name, size=size, colour=colour, count=len(fakes), masks=False)
    real_images, train_images = test.images[: len(fakes)], train.images
    if see is not None:
        fakes, real_images, train_images = see(fakes), see(real_images), see(train_images)
    real, floor = real_side(network, real_images, train_images)
    fake = features(network, fakes)
    clouds = directions(real[:CLOUD]), directions(fake[:CLOUD])
    precision, recall = precision_recall(*clouds)
    read = network.read(fitted(fakes, network.config["size"]))
    shares = class_shares(read)
    ordered = None
    if labels is not None:
        ordered = float((read.argmax(dim=1).cpu() == labels.cpu()).double().mean())
    return Report(
        frechet_distance=frechet_distance(real, fake),
        floor=floor,
        precision=precision,
        recall=recall,
        coverage=coverage(*clouds),
        class_shares=shares.tolist(),
        kl_to_uniform=kl_to_uniform(shares),
        as_ordered=ordered,
        images=len(fakes),
    )


def real_side(network: Trainable, test: Tensor, train: Tensor) -> tuple[Tensor, float]:
    """The judge's features of test images [N, F], and their Fréchet distance from those of training images.

    Both stay the same from report to report, so the last few are kept. They are found by what was in the judge's
    weights and in the images, not by a name: other data or another judge is computed anew.
    """
    device = next(network.parameters()).device
    key = f"{device} {type(network).__name__} {digest([*network.state_dict().values(), test, train])}"
    if key not in KNOWN:
        real = features(network, test)
        KNOWN[key] = real, frechet_distance(real, features(network, train))
        while len(KNOWN) > KEPT:
            del KNOWN[next(iter(KNOWN))]
    return KNOWN[key]


def digest(tensors: list[Tensor]) -> str:
    """A name for the types, the shapes and every byte of some tensors."""
    found = hashlib.blake2b(digest_size=16)
    for tensor in tensors:
        found.update(f"{tensor.dtype} {list(tensor.shape)}".encode())
        found.update(tensor.detach().cpu().flatten().view(torch.uint8).numpy())
    return found.hexdigest()


def directions(cloud: Tensor) -> Tensor:
    """Features [N, F] scaled to length 1, for precision and recall.

    Images that are nothing in particular have short features; as they are, noise lies within the reach of most outliers
    among the real ones and gets a precision of up to 1. Its direction gives it away.
    """
    return cloud / cloud.norm(dim=1, keepdim=True).clamp_min(1e-12)


def of_model(model, test: ImageSet, count: int = 10_000, seed: int = 0) -> dict:
    """The figures of a model that samples; what `evaluate` prints on the command line."""
    count = min(count, len(fitting(model, test)))
    labels = None
    if "classes" in model.config:
        labels = torch.arange(count) % model.config["classes"]
    return report(model.sample(count, seed=seed, labels=labels), test, labels).figures()
