"""Digits to order after 90 seconds: how many are read as ordered, over three seeds.

COURSE_DATA=ROOT python benchmarks/conditional_gan.py --data mnist --seconds 90 --seeds 0 1 2 --write
"""

from __future__ import annotations

import torch
from runner import columns, images, options_for, picture, write

from course_lib import training
from course_lib.gan.conditional_gan import ConditionalGAN


def main() -> None:
    options = options_for(__doc__, data="mnist", seconds=90, seeds=[0, 1, 2], pictures=True).parse_args()
    torch.set_num_threads(2)
    train, test = images(options)
    results = []
    for seed in options.seeds:
        torch.manual_seed(seed)
        run = training.fit(ConditionalGAN.for_data(train), train, seconds=options.seconds, seed=seed, device="cpu")
        results.append(run.model.evaluate(test) | {"steps": run.steps})
        print(f"seed {seed}: {results[-1]}", flush=True)
        picture(options, f"{options.data}_conditional_{seed}", run.model.sample(60, seed=seed))
    figures = columns(results, ("as_ordered", "frechet_distance", "precision", "recall", "steps"))
    mean = sum(figures["as_ordered"]) / len(results)
    print(f"{options.data}: read as ordered {mean:.2%} on average; {figures}, floor {results[0]['floor']:.2f}")
    floor = round(results[0]["floor"], 3)
    write(
        options,
        f"conditional_gan_{options.data}",
        data=options.data,
        seconds=options.seconds,
        floor=floor,
        **figures,
    )


if __name__ == "__main__":
    main()
