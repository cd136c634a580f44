"""The command line: the notebooks' own code for clusters, benchmarks and the impatient."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any

from course_lib import __version__
from course_lib.chapters import MODELS  # not from course_lib.models: doctor has to run without torch
from course_lib.errors import CourseError, quoted

SETS = "strokes, portraits, landscapes, mnist, fashion, cifar10 or folder:PATH"  # course_lib.data.NAMES, without torch


def main(arguments: list[str] | None = None) -> int:
    """Run one command; bad input is one line on stderr and exit status 2, Ctrl-C is 130."""
    top = parser()
    options, rest = top.parse_known_args(arguments)
    if rest and options.command != "lab":
        top.error(f"unrecognized arguments: {' '.join(rest)}")
    options.rest = rest
    try:
        return options.run(options) or 0
    except CourseError as error:
        print(f"course_lib {options.command}: {error}", file=sys.stderr)
        return 2
    except ImportError as error:
        print(f"course_lib {options.command}: {error}; `python -m course_lib doctor` says what to do", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        print(f"course_lib {options.command}: interrupted", file=sys.stderr)
        return 130


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python -m course_lib",
        description="Image Generation from Scratch: train, sample and evaluate the models of the course.",
        epilog=f"environment: COURSE_DATASET ({SETS}), COURSE_DATA (where real data sets lie), COURSE_CACHE (what is "
        "drawn or derived), COURSE_BUDGET (smoke, laptop, gpu).",
    )
    top.add_argument("--version", action="version", version=f"course_lib {__version__}")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")

    train = commands.add_parser("train", help="train a model by name", description=f"Train a model. {names()}")
    train.add_argument("name", metavar="NAME", help="the model")
    train.add_argument(
        "--data",
        metavar="D",
        help=f"{SETS} (default: COURSE_DATASET or strokes)",
    )
    train.add_argument("--size", type=int, help="height and width in pixels (default: the data's own)")
    train.add_argument("--count", type=int, metavar="N", help="images to train on (default: all, or the usual number)")
    train.add_argument("--colour", action="store_true", help="three colour channels")
    train.add_argument("--seconds", type=float, metavar="S", help="train for so long ...")
    train.add_argument("--steps", type=int, metavar="N", help="... or for so many batches, whichever ends first")
    train.add_argument(
        "--seed", type=int, default=0, metavar="K", help="of the weights, the order and everything random (default 0)"
    )
    train.add_argument(
        "--set",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="one of the model's own settings, such as beta=4 or latent=2; may be repeated",
    )
    train.add_argument("--batch-size", type=int, metavar="B", help="images a step (default: the model's own)")
    train.add_argument("--device", default="auto", help="auto, cpu, cuda or mps (default auto)")
    train.add_argument("--precision", default="auto", help="auto, 32-true or bf16-mixed (default auto)")
    train.add_argument("--out", required=True, metavar="DIR", help="folder of the run; a run found there is continued")
    train.add_argument(
        "--save-every", type=float, default=30.0, metavar="S", help="seconds between checkpoints (default 30)"
    )
    train.set_defaults(run=run_train)

    sample = commands.add_parser("sample", help="draw images with a trained model")
    sample.add_argument("dir", metavar="DIR", help="folder of a run, or a checkpoint file")
    sample.add_argument("--count", type=int, default=64, metavar="N", help="how many images (default 64)")
    sample.add_argument("--seed", type=int, default=0, metavar="K", help="same seed, same images (default 0)")
    sample.add_argument(
        "--labels", metavar="3,1,4", help="classes to draw, repeated to fill N, for models that take them"
    )
    sample.add_argument("--out", required=True, metavar="FILE.npy", help="float32 [N, C, H, W] in [-1, 1]")
    sample.set_defaults(run=run_sample)

    evaluate = commands.add_parser("evaluate", help="metrics on test images, as one JSON line")
    evaluate.add_argument("dir", metavar="DIR", help="folder of a run, or a checkpoint file")
    evaluate.add_argument(
        "--data", metavar="D", help="the data set whose test part is used (default: COURSE_DATASET or strokes)"
    )
    evaluate.set_defaults(run=run_evaluate)

    data = commands.add_parser("data", help="fetch or draw a data set ahead of time")
    data.add_argument("name", metavar="NAME", help=SETS)
    data.add_argument("--size", type=int, help="height and width in pixels (default: the data's own)")
    data.add_argument("--colour", action="store_true", help="three colour channels")
    data.set_defaults(run=run_data)

    doctor = commands.add_parser("doctor", help="check that this machine can run the course")
    doctor.set_defaults(run=run_doctor)

    work = commands.add_parser(
        "work",
        help="copy the exercises to work/ and the short paths to work/short/; nothing of yours is overwritten",
    )
    work.set_defaults(run=run_work)

    lab = commands.add_parser(
        "lab",
        help="open the course in JupyterLab; what else you write goes to JupyterLab",
        usage="%(prog)s [ARGUMENTS]",
    )
    lab.set_defaults(run=run_lab)
    return top


def names() -> str:
    return f"NAME is one of: {', '.join(MODELS)}."


def run_train(options: argparse.Namespace) -> int:
    import torch

    from course_lib import data, models, training
    from course_lib.data.arguments import SEEDS, check_whole
    from course_lib.training.arguments import as_path

    kind = models.model_class(options.name)  # a wrong name is said before any data is loaded
    config = settings(kind, options.set)
    seed = check_whole("--seed", options.seed, 0, SEEDS - 1)
    folder = as_path("--out", options.out)
    images = data.load(options.data, size=options.size, count=options.count, colour=options.colour, masks=False)
    torch.manual_seed(seed)
    run = training.fit(
        models.build(options.name, images, **config),
        images,
        steps=options.steps,
        seconds=options.seconds,
        batch_size=options.batch_size,
        seed=seed,
        device=options.device,
        precision=options.precision,
        folder=folder,
        save_every=options.save_every,
    )
    last = {name: round(value, 4) for name, value in training.recent(run.losses).items()}
    if training.first_process():
        print(
            json.dumps(
                {
                    "model": options.name,
                    "steps": run.steps,
                    "seconds": round(run.seconds, 1),
                    "stopped": run.stopped,
                    **last,
                }
            )
        )
    if run.checkpoint is None:
        return 1  # diverged, or learned and then lost: a line has said so
    return {"finished": 0, "interrupted": 130}[run.stopped]


def settings(kind: type, words: list[str]) -> dict[str, Any]:
    """["beta=4", "network=mlp"] -> {"beta": 4.0, "network": "mlp"}, of the names and types that `kind` takes."""
    from course_lib import models

    shape = ("channels", "size", "classes")  # these come from the data
    known = {name: default for name, default in models.settings(kind).items() if name not in shape}
    config: dict[str, Any] = {}
    for word in words:
        name, _, text = word.partition("=")
        if name not in known:
            raise CourseError(f"--set: got {word!r}, expected NAME=VALUE with one of {', '.join(sorted(known))}")
        try:
            config[name] = type(known[name])(text)
        except ValueError:
            kind_of = type(known[name]).__name__
            raise CourseError(f"--set: got {word!r}, expected {name} as {kind_of}, such as {known[name]!r}") from None
    return config


def run_sample(options: argparse.Namespace) -> None:
    import numpy as np
    import torch

    from course_lib import models
    from course_lib.data.arguments import SEEDS, check_whole
    from course_lib.places import write_whole

    check_whole("--count", options.count, 1)
    check_whole("--seed", options.seed, 0, SEEDS - 1)
    order = None if options.labels is None else classes_in(options.labels)
    out = plain_file(options.out)
    model = models.load(options.dir)
    check_whole("--count", options.count, 1, most_images(model.config))
    labels = None if order is None else torch.tensor(order).repeat(-(-options.count // len(order)))[: options.count]
    images = model.sample(options.count, seed=options.seed, labels=labels)

    def write(part: Path) -> None:
        with open(part, "wb") as file:  # an open file, since np.save would add .npy to any other name
            np.save(file, images.float().cpu().numpy(), allow_pickle=False)

    try:
        write_whole(out, write)
    except OSError as error:
        raise CourseError(f"--out: could not write {out} ({error.strerror or error})") from error
    print(json.dumps({"file": str(out), "shape": list(images.shape), "seed": options.seed}))


def classes_in(text: str) -> list[int]:
    """ "3,1,4" -> [3, 1, 4]"""

    words = text.split(",")
    if not all(word.strip().isdecimal() and len(word.strip()) < 10 for word in words):
        raise CourseError(f"--labels: got {quoted(text)}, expected a comma list of classes such as 3,1,4")
    return [int(word) for word in words]


def plain_file(name: str) -> Path:
    """Where to write: a new file or one that is replaced, but nothing that is no file, such as /dev/null."""
    from course_lib.training.arguments import as_path

    out = as_path("--out", name)
    if os.path.exists(out) and not os.path.isfile(out):
        raise CourseError(f"--out: got {name!r}, which is no plain file, expected one such as images.npy")
    return Path(os.path.realpath(out))  # through a link: what it points to is replaced, not the link


def most_images(config: dict[str, Any]) -> int:
    """How many images of a model's size fill 8 GB: all are drawn before any is written."""
    return max(1, 8_000_000_000 // (4 * config.get("channels", 1) * config.get("size", 1) ** 2))


def run_evaluate(options: argparse.Namespace) -> None:
    from course_lib import data, models

    model = models.load(options.dir)
    channels, size = model.config.get("channels"), model.config.get("size")
    images = data.load(options.data, split="test", size=size, colour=channels == 3, masks=False)
    print(json.dumps({"model": model.name, "data": images.name, **model.evaluate(images)}))


def run_data(options: argparse.Namespace) -> None:
    from course_lib import data

    for split in ("train", "test"):
        # without masks, as trainings load them: what is kept with masks is another file
        images = data.load(options.name, split=split, size=options.size, colour=options.colour, masks=False)
        print(json.dumps({"data": images.name, "split": split, "shape": list(images.images.shape)}))


def run_doctor(options: argparse.Namespace) -> int:
    from course_lib import doctor

    return doctor.report()


def run_work(options: argparse.Namespace) -> None:
    from course_lib.learner import short_path, workspace

    workspace.report(workspace.update() | short_path.update())


def run_lab(options: argparse.Namespace) -> None:
    from course_lib import lab

    lab.start(options.rest)
