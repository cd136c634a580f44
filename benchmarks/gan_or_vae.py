"""A GAN, VAEs and an autoencoder after the same seconds on the same images: one scoreboard over several seeds.

"vae_fitted" is "vae" with its codes drawn from a Gaussian fitted to those of training images, as the autoencoder's are;
"vae_small" has a decoder with as many parameters as the GAN's generator. Every row is judged in grey pixels, and in
black and white ones of two kinds with test images treated likewise. "real" are training images in a model's place: no
model can be told to beat them.

COURSE_DATA=ROOT python benchmarks/gan_or_vae.py --data mnist --seconds 90 --seeds 0 1 2 --write
"""

from __future__ import annotations

from typing import Any

import torch
from runner import images, options_for, picture, rounded, write

from course_lib import metrics
from course_lib.vae.gan_or_vae import CONTESTANTS, SPACES, contest

OF_REPORT = ("frechet_distance", "precision", "recall", "coverage", "kl_to_uniform")
OF_SCORE = ("neg_elbo", "seconds_per_thousand", "parameters", "parameters_in_all", "steps")
OF_SPACE = ("frechet_distance", "precision", "recall", "coverage")
TOGETHER = (("r3gan",), ("vae", "vae_fitted"), ("vae_small",), ("autoencoder",))  # one training each


def main() -> None:
    options = options_for(__doc__, data="mnist", seconds=90, seeds=[0, 1, 2], pictures=True).parse_args()
    torch.set_num_threads(2)
    train, test = images(options)
    real = real_rows(train, test, options.samples)
    print(f"real: {real}", flush=True)
    table: dict[str, dict[str, list[Any]]] = {name: {} for name in CONTESTANTS}
    protocol = None
    for seed in options.seeds:
        for names in TOGETHER:  # one after the other, so that a stopped run has said what it found
            arguments = {"seconds": options.seconds, "samples": options.samples, "seed": seed, "device": "cpu"}
            for name, (model, score) in contest(train, test, names=names, spaces=SPACES, **arguments).items():
                for figure, value in row(score.figures()).items():
                    table[name].setdefault(figure, []).append(value)
                print(f"seed {seed}, {name}: {row(score.figures())}", flush=True)
                picture(options, f"{options.data}_{name}_{seed}", model.sample(60, seed=seed))
                protocol = score.protocol or protocol
    write(
        options,
        f"gan_or_vae_{options.data}",
        data=options.data,
        seconds=options.seconds,
        samples=options.samples,
        floor=real["grey"]["floor"],
        protocol=protocol,
        real=real,
        contestants=table,
    )


def real_rows(train: Any, test: Any, samples: int) -> dict[str, dict[str, float]]:
    """What training images get in a model's place, and the floor, in every space of pixels."""
    ways = {"grey": None, **SPACES}
    found = {name: metrics.report(train.images[:samples], test, see=see).figures() for name, see in ways.items()}
    return {name: rounded({figure: seen[figure] for figure in (*OF_SPACE, "floor")}) for name, seen in found.items()}


def row(figures: dict[str, Any]) -> dict[str, Any]:
    """The figures of one model, short enough to print; those of another space carry its name."""
    shares = figures["class_shares"]
    found = {name: figures[name] for name in OF_REPORT}
    found |= {"smallest_share": min(shares), "largest_share": max(shares)}
    found |= {name: figures[name] for name in OF_SCORE if name in figures}
    for space, seen in figures["spaces"].items():
        found |= {f"{space}_{name}": seen[name] for name in OF_SPACE}
    return rounded(found)


if __name__ == "__main__":
    main()
