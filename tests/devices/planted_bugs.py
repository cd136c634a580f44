"""Faults that only a GPU shows, planted in the library one at a time: a harness that lets them pass must fail."""

from __future__ import annotations

import contextlib
import inspect
import textwrap
from collections.abc import Callable, Iterator
from typing import NamedTuple

from course_lib.cnn.training_a_cnn import Classifier
from course_lib.data import augment
from course_lib.data.imageset import ImageSet
from course_lib.gan.the_gan_game import GAN
from course_lib.metrics.report import digest
from course_lib.vae.autoencoders_to_vae import reparameterise


class Bug(NamedTuple):
    path: str  # the one of gpu_paths that runs into it
    function: Callable
    line: str
    instead: str


BUGS = {
    "noise stays on the CPU": Bug("dcgan, 28 grey", GAN.noise, ".to(weights)", ""),
    "noise is made on the CPU": Bug("vae, {'network': 'mlp'}", reparameterise, ", device=mean.device", ""),
    "labels stay on the CPU": Bug("classifier, 28 grey", Classifier.evaluate, ".to(probabilities.device)", ""),
    "a mask stays on the CPU": Bug("augmented batches", augment.flip, ".to(images.device)", ""),
    "an index comes from the GPU": Bug(
        "parts of an image set", ImageSet.__getitem__, "index.to(self.images.device)", "index"
    ),
    "NumPy reads the GPU": Bug("the report", digest, ".cpu()", ""),
}


@contextlib.contextmanager
def planted(bug: Bug) -> Iterator[None]:
    """One line of a function changed: its code is compiled again, so that everybody who holds it runs the new one."""
    source = textwrap.dedent(inspect.getsource(bug.function))
    assert source.count(bug.line) == 1, f"{bug.function.__qualname__} has no {bug.line!r} to break: plant another bug"
    names: dict[str, Callable] = {}
    changed = "from __future__ import annotations\n" + source.replace(bug.line, bug.instead)
    exec(changed, bug.function.__globals__, names)
    sound = bug.function.__code__
    bug.function.__code__ = names[bug.function.__name__].__code__
    try:
        yield
    finally:
        bug.function.__code__ = sound
