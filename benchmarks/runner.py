"""What the benchmarks share: their options, their data, pictures of samples, and the record they leave."""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from course_lib import data, measured, training
from course_lib.data.batches import Batches, batches
from course_lib.data.imageset import ImageSet
from course_lib.show.figures import image_grid, png
from course_lib.training.model import Trainable

TIMED = 7  # steps whose processor time stands for all of their kind


def options_for(
    doc: str | None,
    *,
    data: str | None = None,
    seconds: float | None = None,
    seeds: list[int] | None = None,
    pictures: bool = False,
) -> argparse.ArgumentParser:
    """A parser with `--write` and whichever of the usual options the benchmark has a default for."""
    parser = argparse.ArgumentParser(description=doc, formatter_class=argparse.RawDescriptionHelpFormatter)
    if data is not None:
        parser.add_argument("--data", default=data, help=f"what to learn from: strokes, mnist ... (default: {data})")
        parser.add_argument("--images", type=int, help="train on so many (default: all there are)")
        parser.add_argument("--samples", type=int, help="judge by so many test images (default: all, at most 10,000)")
    if seconds is not None:
        parser.add_argument("--seconds", type=float, default=seconds, help=f"of each training (default: {seconds:g})")
    if seeds is not None:
        parser.add_argument("--seeds", type=int, nargs="+", default=seeds)
    if pictures:
        parser.add_argument("--pictures", type=Path, help="folder for a grid of samples of each model and seed")
    parser.add_argument("--write", action="store_true", help="keep the figures for the chapters")
    return parser


def images(options: argparse.Namespace) -> tuple[ImageSet, ImageSet]:
    """Training and test images of `--data`; `options.samples` becomes the number that models are to draw."""
    train = data.load(options.data, count=options.images, masks=False)
    test = data.load(options.data, split="test", count=options.samples, masks=False)
    options.samples = min(len(test), 10_000)
    return train, test


def steps_for(
    make: Callable[[ImageSet], Trainable],
    train: ImageSet,
    seconds: float,
    stage: Callable[[Any, int], Any] = lambda model, step: None,
) -> int:
    """How many steps of this model cost so many processor seconds, by the time of a few steps of each stage.

    stage  puts the model where it is at a step and says which stage that is: steps of one stage cost the same
    """
    model = make(train).to(memory_format=torch.channels_last)
    model.configure()
    model.train()
    order, costs = batches(train, model.batch_size), {}
    spent, step = 0.0, 0
    while spent < seconds:
        here = stage(model, step)
        if here not in costs:
            costs[here] = _cost(model, step, order)
        spent, step = spent + costs[here], step + 1
    return step


def _cost(model: Any, step: int, order: Batches) -> float:
    """Processor seconds of a step: where a model has a penalty once in `every` steps, the others have none."""
    every, costs = getattr(model, "every", 1), []
    model.steps_done = step or 1
    for model.every in {1, 10**9 if every > 1 else 1}:
        taken = []
        for turn in range(TIMED):
            begun = time.process_time()
            model.training_step(order.at(turn))
            taken.append(time.process_time() - begun)
        costs.append(statistics.median(taken))
    model.every = every
    return (max(costs) + (every - 1) * min(costs)) / every


def trained(
    make: Callable[[ImageSet], Any],
    train: ImageSet,
    *,
    steps: int,
    seed: int,
    batch_size: int | None = None,
    file: Path | None = None,
) -> tuple[Any, dict[str, float]]:
    """The averaged model after so many steps on the CPU, and what that cost: steps, images and processor seconds.

    file  where model and cost are kept, .safetensors and .json; what is found there is not trained again
    """
    torch.manual_seed(seed)
    model = make(train)
    if file and file.exists():
        model.load_state_dict(load_file(file))
        return model.eval(), json.loads(file.with_suffix(".json").read_text())
    begun = time.process_time()
    run = training.fit(model, train, steps=steps, seed=seed, batch_size=batch_size, device="cpu")
    paid = {"steps": run.steps, "seconds": round(time.process_time() - begun, 1)}
    paid["images_seen"] = run.steps * (batch_size or model.batch_size)
    if file:
        file.parent.mkdir(parents=True, exist_ok=True)
        save_file({name: tensor.contiguous() for name, tensor in run.model.state_dict().items()}, file)
        file.with_suffix(".json").write_text(json.dumps(paid))
    return run.model, paid


def picture(options: argparse.Namespace, name: str, samples: Tensor) -> None:
    """Ten columns of samples [N, C, H, W] as NAME.png in the `--pictures` folder, where one was given."""
    if options.pictures:
        options.pictures.mkdir(parents=True, exist_ok=True)
        (options.pictures / f"{name}.png").write_bytes(png(image_grid(samples, 10)))


def write(options: argparse.Namespace, name: str, **figures: Any) -> None:
    """Leave the record, with the command that this program was called by, if `--write` was given."""
    if options.write:
        path = measured.record(name, f"python benchmarks/{Path(sys.argv[0]).name} {measured.arguments()}", **figures)
        print(f"written: {path}")


def rounded(value: Any, digits: int = 4) -> Any:
    """The same with every float rounded, also inside lists and dicts."""
    if isinstance(value, dict):
        return {key: rounded(one, digits) for key, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [rounded(one, digits) for one in value]
    return round(value, digits) if isinstance(value, float) else value


def columns(rows: list[dict[str, Any]], names: tuple[str, ...]) -> dict[str, list[Any]]:
    """One row per seed -> one list per figure, rounded; figures that no row has are left out."""
    return {name: rounded([row[name] for row in rows]) for name in names if all(name in row for row in rows)}


def parameters(*networks: torch.nn.Module) -> int:
    """Numbers in them that are trained."""
    return sum(weight.numel() for network in networks for weight in network.parameters())
