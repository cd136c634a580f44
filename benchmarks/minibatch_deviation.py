"""What the minibatch deviation brings: chapter 7's GAN with and without it, at equal seconds, in one run, seed by seed.

COURSE_DATA=ROOT python benchmarks/minibatch_deviation.py --data strokes --seconds 60 --seeds 0 1 2 --write
"""

from __future__ import annotations

import argparse
from dataclasses import asdict

import torch

from course_lib import data, measured, metrics, training
from course_lib.gan.dcgan import Discriminator
from course_lib.gan.stable_training import R3GAN


class ImageByImage(R3GAN):
    """The same recipe with chapter 6's discriminator, which judges every image alone."""

    def __init__(self, channels: int = 1, size: int = 28, latent: int = 32, width: int = 16):
        super().__init__(channels, size, latent, width)
        self.discriminator = Discriminator(channels, size, width)


GAMES = {"with": R3GAN, "without": ImageByImage}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="strokes")
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--write", action="store_true", help="keep the figures for the chapter")
    options = parser.parse_args()
    torch.set_num_threads(2)
    train, test = data.load(options.data), data.load(options.data, split="test")
    results: dict[str, list[dict]] = {name: [] for name in GAMES}
    for seed in options.seeds:
        for name, kind in GAMES.items():
            torch.manual_seed(seed)
            run = training.fit(kind.for_data(train), train, seconds=options.seconds, seed=seed, device="cpu")
            report = metrics.report(run.model.sample(10_000, seed=seed), test)
            results[name].append(asdict(report) | {"steps": run.steps})
            print(f"seed {seed}, {name}: {run.steps} steps, {report}", flush=True)
    if options.write:
        kept = ("frechet_distance", "precision", "recall", "kl_to_uniform", "steps")
        measured.record(
            f"minibatch_deviation_{options.data}",
            f"python benchmarks/minibatch_deviation.py {measured.arguments()}",
            data=options.data,
            seconds=options.seconds,
            floor=round(results["with"][0]["floor"], 3),
            **{name: {key: [round(one[key], 4) for one in runs] for key in kept} for name, runs in results.items()},
        )


if __name__ == "__main__":
    main()
