"""The judge: a CNN of ours, trained on the same kind of images, so that its features mean something for them."""

from __future__ import annotations

import os

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib import data, models
from course_lib.data.cache import kept
from course_lib.data.imageset import ImageSet
from course_lib.errors import CourseError
from course_lib.places import cache_root, say
from course_lib.training import budget, evaluating, fit, weights
from course_lib.training.model import Trainable

SHIPPED = {  # data -> checkpoint, channels that it reads
    "strokes": ("classifier", 1),
    "mnist": ("classifier_mnist", 1),
    "portraits": ("portrait_reader", 3),
    "landscapes": ("landscape_reader", 3),
}


def judge(images: ImageSet) -> Trainable:
    """The classifier that judges what is generated after `images`, in eval mode on their device.

    A checkpoint that ships with the course for drawn digits and MNIST in grey, and for the two drawn worlds;
    COURSE_JUDGE names another (a run's folder). For other data one is trained for a minute, once, and kept in the cache
    folder; a line says so.
    Raises CourseError when the judge reads other channels or classes than the images have.
    """
    channels, classes = images.images.shape[1], len(images.class_names)
    if os.environ.get("COURSE_JUDGE"):
        source, network = "COURSE_JUDGE", models.load(os.environ["COURSE_JUDGE"])
    elif SHIPPED.get(images.name, ("", 0))[1] == channels:
        source, network = f"the judge for {images.name}", models.pretrained(SHIPPED[images.name][0])
    else:
        source, network = f"the judge trained on {images.name}", trained_for(images)
    if network.name not in ("classifier", "factor_reader"):
        raise CourseError(f"{source}: got a model {network.name!r}, expected a 'classifier' or a 'factor_reader'")
    read, known = network.config["channels"], network.config["classes"]
    if (read, known) != (channels, classes):
        raise CourseError(
            f"{source}: got a judge of {read} channels and {known} classes, expected {channels} and {classes}"
        )
    return network.to(images.images.device).eval()


def trained_for(images: ImageSet) -> Trainable:
    """A classifier trained on the training part of the same data, or the one an earlier call left in the cache.

    Its file is named by a digest of the training images: other pictures under the same name get a judge of their own,
    and the same pictures by another path do not.
    """
    channels, size = images.images.shape[1:3]
    train = data.load(images.name, size=size, colour=channels == 3)
    kind = images.name.partition(":")[0]  # "folder" of folder:PATH
    stem = f"{kind}-{channels}x{size}-{budget(smoke='smoke', laptop='whole')}-{train.digest()}"
    file = cache_root() / "judges" / f"{stem}.safetensors"
    network = models.build("classifier", train)

    def fill(found: dict[str, Tensor]) -> None:
        weights.fill(network, found, file)

    fill(kept(file, lambda: weights_after_training(train, channels), check=fill))
    return network


def weights_after_training(train: ImageSet, channels: int) -> dict[str, Tensor]:
    """What a classifier learns from `train`. Only a finished training counts: half a judge would be kept for good."""
    say(f"no judge ships for {train.name}, {channels} channels: training one, once, into {cache_root() / 'judges'}")
    torch.manual_seed(0)
    run = fit(
        models.build("classifier", train),
        train,
        steps=budget(smoke=4, laptop=None),
        seconds=budget(smoke=None, laptop=60.0),
    )
    if run.stopped == "interrupted":
        raise KeyboardInterrupt
    if run.stopped == "diverged":
        raise CourseError(f"judge: its training on {train.name} diverged; name one of your own with COURSE_JUDGE")
    return {name: tensor.cpu().contiguous() for name, tensor in run.model.state_dict().items()}


def features(network: Trainable, images: Tensor, batch_size: int = 500) -> Tensor:
    """float64 [N, F] on the CPU: what the judge knows of images [N, C, H, W] just before it names them.

    Images of another size are resized to the judge's (bilinear, antialiased). The features are computed in float32, as
    the judge was trained, and everything after them in float64.
    """
    size = network.config["size"]
    device = next(network.parameters()).device
    with evaluating(network):
        parts = [network.features(fitted(part.to(device), size)).double().cpu() for part in images.split(batch_size)]
    return torch.cat(parts)


def fitted(images: Tensor, size: int) -> Tensor:
    """Images [N, C, H, W] -> [N, C, size, size], untouched where they have that size."""
    if images.shape[2:] == (size, size):
        return images
    return F.interpolate(images, (size, size), mode="bilinear", antialias=True).clamp(-1, 1)
