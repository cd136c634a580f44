"""A GAN, a VAE and an autoencoder after the same seconds on the same images: one scoreboard over several seeds.

COURSE_DATA=ROOT python benchmarks/gan_or_vae.py --data mnist --seconds 90 --seeds 0 1 2 --write
"""

from __future__ import annotations

from typing import Any

import torch
from runner import images, options_for, picture, write

from course_lib.vae.gan_or_vae import CONTESTANTS, contest

OF_REPORT = ("frechet_distance", "precision", "recall", "kl_to_uniform")
OF_SCORE = ("neg_elbo", "seconds_per_thousand", "parameters", "steps")


def main() -> None:
    options = options_for(__doc__, data="mnist", seconds=90, seeds=[0, 1, 2], pictures=True).parse_args()
    torch.set_num_threads(2)
    train, test = images(options)
    table: dict[str, dict[str, list[Any]]] = {name: {} for name in CONTESTANTS}
    protocol = None
    for seed in options.seeds:
        for name in CONTESTANTS:  # one after the other, so that a stopped run has said what it found
            arguments = {"seconds": options.seconds, "samples": options.samples, "seed": seed, "device": "cpu"}
            model, score = contest(train, test, names=[name], **arguments)[name]
            for figure, value in row(score).items():
                table[name].setdefault(figure, []).append(value)
            print(f"seed {seed}, {name}: {row(score)}", flush=True)
            picture(options, f"{options.data}_{name}_{seed}", model.sample(60, seed=seed))
            floor, protocol = score.report.floor, score.protocol or protocol
    print(f"{options.data}: floor {floor:.2f}; nats: {protocol}")
    write(
        options,
        f"gan_or_vae_{options.data}",
        data=options.data,
        seconds=options.seconds,
        samples=options.samples,
        floor=round(floor, 3),
        protocol=protocol,
        contestants=table,
    )


def row(score: Any) -> dict[str, Any]:
    """The figures of one model, short enough to print."""
    figures = score.figures()
    shares = figures["class_shares"]
    figures |= {"smallest_share": min(shares), "largest_share": max(shares)}
    names = (*OF_REPORT, "smallest_share", "largest_share", *OF_SCORE)
    return {
        name: figures[name] if isinstance(figures[name], int) else round(figures[name], 4)
        for name in names
        if name in figures
    }


if __name__ == "__main__":
    main()
