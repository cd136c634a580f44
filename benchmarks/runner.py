"""What the benchmarks share: their options, their data, pictures of samples, and the record they leave."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from course_lib import data, measured
from course_lib.data.imageset import ImageSet
from course_lib.show.figures import image_grid, png


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
    train = data.load(options.data, count=options.images)
    test = data.load(options.data, split="test", count=options.samples)
    options.samples = min(len(test), 10_000)
    return train, test


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
