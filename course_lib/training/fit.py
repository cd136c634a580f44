"""The loop around a model's training step: everything about a training that is not the lesson."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import torch

from course_lib import __version__
from course_lib.data.arguments import SEEDS, check_whole
from course_lib.data.batches import batches as make_batches
from course_lib.data.imageset import ImageSet, check_images
from course_lib.errors import CourseError, quoted
from course_lib.places import say
from course_lib.training import checkpoint
from course_lib.training.arguments import limits, real
from course_lib.training.average import MovingAverage
from course_lib.training.devices import agree, make_fabric
from course_lib.training.finite import all_finite, healthy, remember, restore, what_broke
from course_lib.training.folder import locked, resume, save
from course_lib.training.guards import one_more_step, own_randomness
from course_lib.training.model import Trainable, check_shape
from course_lib.training.progress import Bar
from course_lib.training.run import Run
from course_lib.training.threads import beside_others

LOG_EVERY = 25  # steps between two looks at the losses: each look makes a GPU wait


def fit(
    model: Trainable,
    images: ImageSet,
    *,
    steps: int | None = None,  # train for so many batches ...
    seconds: float | None = None,  # ... or for so long, whichever ends first
    batch_size: int | None = None,  # over all processes together; default: the model's own, or all images if fewer
    seed: int = 0,  # of the order of the images and of everything random in a step
    device: str = "auto",  # "auto", "cpu", "cuda" or "mps"
    precision: str = "auto",  # "auto" (bfloat16 autocast on CUDA), "32-true" or "bf16-mixed"
    folder: str | Path | None = None,  # where checkpoints go; a run found there is continued
    save_every: float = 30.0,  # seconds between two checkpoints
    view: Any = None,  # what shows the progress; default: a bar in the terminal
    card: dict[str, Any] | None = None,  # more facts to keep with the checkpoint
) -> Run:
    """Train `model` on `images` and return a `Run`.

    Every random number of step t comes from (seed, t), so a run that was killed and continued from its folder ends
    with the same weights, bit for bit, as one that never stopped (when it is limited by `steps`; the clock is not
    reproducible). Ctrl-C finishes the step, saves and returns what was learned; another one, a second later or more,
    stops at once, though never a save. A loss or a weight that becomes NaN or infinite stops the training and puts the
    last finite weights back. A disk that is full costs a line on stderr, and `Run.checkpoint` is None.

    Raises CourseError for arguments of the wrong type or range, images that do not fit the model, no limit, a missing
    GPU, a folder that another run is using, or one that holds a run of another model or on other data.
    """
    steps, seconds = limits(steps, seconds)
    seed = check_whole("seed", seed, 0, SEEDS - 1)
    save_every = real("save_every", save_every, "a number of seconds, 0 or more")
    check_pair(model, images)
    if batch_size is None and model.batch_size > len(images):
        say(f"batches of {len(images)}, all the images there are; {model.name!r} usually takes {model.batch_size}")
        batch_size = len(images)
    batch_size = check_whole("batch_size", model.batch_size if batch_size is None else batch_size, 1)
    facts = facts_of(model, images, seed, batch_size, folder, card)
    fabric = make_fabric(device, precision)
    if batch_size % fabric.world_size:
        raise CourseError(f"batch_size: got {batch_size}, expected a multiple of the {fabric.world_size} processes")
    model.fabric, model.optimizers = None, {}
    model.to(fabric.device, memory_format=torch.channels_last)
    images = images.to(fabric.device)
    order = make_batches(
        images, batch_size, seed=seed, augment=model.augment, rank=fabric.global_rank, world=fabric.world_size
    )
    if fabric.world_size > 1:
        for tensor in model.state_dict().values():
            tensor.copy_(fabric.broadcast(tensor, src=0))
    average = MovingAverage(model, model.average_decay) if model.average_decay is not None else None
    model.fabric = fabric
    model.configure()

    run, alone = Run(model), own_randomness(fabric.device)
    with beside_others(fabric.device), locked(folder, fabric) as path, one_more_step() as stop, alone:
        if path and (path / checkpoint.FILE).exists():
            resume(path, model, average, run, facts)
        rates = [(group, group["lr"]) for o in model.optimizers.values() for group in o.param_groups]
        finite = remember(model, average)
        view = view if view is not None else Bar(silent=fabric.global_rank > 0)
        view.start(model, run, steps, seconds)
        pending: list[dict[str, torch.Tensor]] = []
        begun, saved = time.monotonic() - run.seconds, time.monotonic()
        model.train()
        halt = False
        while not (halt or done(run, steps, seconds)):
            progress = max(run.steps / steps if steps else 0.0, run.seconds / seconds if seconds else 0.0)
            for group, rate in rates:
                group["lr"] = rate * model.schedule(progress)
            torch.manual_seed((seed + 1) * 1_000_003 + run.steps)
            model.steps_done = run.steps
            with fabric.autocast():
                pending.append(model.training_step(order.at(run.steps)))
            if average:
                average.update(model)
            run.steps += 1
            halt, run.seconds = agree(fabric, stop.is_set(), time.monotonic() - begun)
            due = path and time.monotonic() - saved > save_every
            if due or halt or run.steps % LOG_EVERY == 0 or done(run, steps, seconds):
                if not healthy(model, average, pending, run, fabric):
                    run.stopped = "diverged"
                    break
                finite = remember(model, average)
                if not halt:  # what was learned is saved before anything else is done
                    view.update(average.model if average else model, run)
            if due and not halt:
                with stop.held():
                    save(path, model, average, run, facts, fabric, then="training goes on")
                saved = time.monotonic()
        if run.stopped == "diverged":
            restore(model, average, finite)
        elif halt:
            run.stopped = "interrupted"
        if path and run.stopped != "diverged":
            with stop.held():
                if save(path, model, average, run, facts, fabric, then="what was learned is in memory alone"):
                    run.checkpoint = path / checkpoint.FILE
        run.model = (average.model if average else model).eval()
        view.finish(run.model, run)
    model.eval()
    model.fabric = None
    if run.stopped == "diverged":
        print(
            f"training stopped: {what_broke(run)} became NaN or infinite at step {run.steps}; the weights are those "
            f"of the last finite check, at most {LOG_EVERY} steps earlier. A smaller learning rate usually helps.",
            file=sys.stderr,
        )
    return run


def check_pair(model: Trainable, images: ImageSet) -> None:
    """A model of ours, images of the right kind, and both for each other."""
    if not isinstance(model, Trainable):
        raise CourseError(f"model: got {quoted(model)}, expected one such as models.build('classifier', images) makes")
    if not isinstance(images, ImageSet):
        raise CourseError(f"images: got {type(images).__name__}, expected an ImageSet, as data.load(...) returns")
    check_images(images.images, "images")
    check_shape(model, images)
    classes = model.config.get("classes")
    if classes is not None and not 0 <= int(images.labels.min()) <= int(images.labels.max()) < classes:
        raise CourseError(
            f"labels: got {int(images.labels.min())} to {int(images.labels.max())}, expected 0 to {classes - 1}, the "
            f"classes of the model {model.name!r}"
        )
    if not all_finite(model):
        raise CourseError("model: got NaN or infinite weights, expected finite ones")


def facts_of(
    model: Trainable, images: ImageSet, seed: int, batch_size: int, folder: str | Path | None, card: dict | None
) -> dict[str, Any]:
    """What a checkpoint says of its run; the digest, for which all images are read, only where there will be one."""
    facts = {
        "model": model.name,
        "config": model.config,
        "data": images.name,
        "images": len(images),
        "digest": images.digest() if folder is not None else None,
        "seed": seed,
        "batch_size": batch_size,
        "version": __version__,
    }
    try:
        facts |= card or {}
        json.dumps(facts)
    except (TypeError, ValueError) as error:
        raise CourseError(f"card: got {quoted(card)}, expected a dictionary of plain JSON values ({error})") from error
    return facts


def done(run: Run, steps: int | None, seconds: float | None) -> bool:
    return (steps is not None and run.steps >= steps) or (seconds is not None and run.seconds >= seconds)
