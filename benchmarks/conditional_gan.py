"""Digits to order after 90 seconds: how many are read as ordered, over three seeds.

COURSE_DATA=ROOT python benchmarks/conditional_gan.py --data mnist --seconds 90 --seeds 0 1 2 --write
"""

from __future__ import annotations

import argparse
from pathlib import Path

import torch

from course_lib import data, measured, training
from course_lib.gan.conditional_gan import ConditionalGAN
from course_lib.show.figures import image_grid, png


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--pictures", type=Path, help="folder for a grid of samples")
    parser.add_argument("--write", action="store_true", help="keep the figures for the chapter")
    options = parser.parse_args()
    torch.set_num_threads(2)
    train, test = data.load(options.data), data.load(options.data, split="test")
    results = []
    for seed in options.seeds:
        torch.manual_seed(seed)
        run = training.fit(ConditionalGAN.for_data(train), train, seconds=options.seconds, seed=seed, device="cpu")
        results.append(run.model.evaluate(test) | {"steps": run.steps})
        print(f"seed {seed}: {results[-1]}", flush=True)
        if options.pictures:
            options.pictures.mkdir(parents=True, exist_ok=True)
            images = run.model.sample(60, seed=seed)
            (options.pictures / f"{options.data}_conditional_{seed}.png").write_bytes(png(image_grid(images, 10)))
    names = ("as_ordered", "frechet_distance", "precision", "recall", "steps")
    figures = {name: [round(result[name], 4) for result in results] for name in names}
    mean = sum(figures["as_ordered"]) / len(results)
    print(f"{options.data}: read as ordered {mean:.2%} on average; {figures}, floor {results[0]['floor']:.2f}")
    if options.write:
        measured.record(
            f"conditional_gan_{options.data}",
            f"python benchmarks/conditional_gan.py {measured.arguments()}",
            data=options.data,
            seconds=options.seconds,
            floor=round(results[0]["floor"], 3),
            **figures,
        )


if __name__ == "__main__":
    main()
