"""What the minibatch deviation brings: chapter 7's GAN with and without it, at equal seconds, in one run, seed by seed.

COURSE_DATA=ROOT python benchmarks/minibatch_deviation.py --data strokes --seconds 60 --seeds 0 1 2 --write
"""

from __future__ import annotations

from dataclasses import asdict

import torch
from runner import columns, images, options_for, picture, write

from course_lib import metrics, training
from course_lib.gan.dcgan import Discriminator
from course_lib.gan.stable_training import R3GAN


class ImageByImage(R3GAN):
    """The same recipe with chapter 6's discriminator, which judges every image alone."""

    def __init__(self, channels: int = 1, size: int = 28, latent: int = 32, width: int = 16):
        super().__init__(channels, size, latent, width)
        self.discriminator = Discriminator(channels, size, width)


GAMES = {"with": R3GAN, "without": ImageByImage}
FIGURES = ("frechet_distance", "precision", "recall", "kl_to_uniform", "steps")


def main() -> None:
    options = options_for(__doc__, data="strokes", seconds=60, seeds=[0, 1, 2], pictures=True).parse_args()
    torch.set_num_threads(2)
    train, test = images(options)
    results: dict[str, list[dict]] = {name: [] for name in GAMES}
    for seed in options.seeds:
        for name, kind in GAMES.items():
            torch.manual_seed(seed)
            run = training.fit(kind.for_data(train), train, seconds=options.seconds, seed=seed, device="cpu")
            drawn = run.model.sample(options.samples, seed=seed)
            picture(options, f"{options.data}_{name}_deviation_{seed}", drawn[:60])
            report = metrics.report(drawn, test)
            results[name].append(asdict(report) | {"steps": run.steps})
            print(f"seed {seed}, {name}: {run.steps} steps, {report}", flush=True)
    write(
        options,
        f"minibatch_deviation_{options.data}",
        data=options.data,
        seconds=options.seconds,
        floor=round(results["with"][0]["floor"], 3),
        **{name: columns(rows, FIGURES) for name, rows in results.items()},
    )


if __name__ == "__main__":
    main()
