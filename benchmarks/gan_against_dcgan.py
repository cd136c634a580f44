"""Chapter 7's recipe against a DCGAN with its published settings, and against a popular repository's loop.

Per seed: chapter 7's R3GAN for `--seconds`; the published DCGAN for as many seconds, and for as many steps; the popular
loop for as many seconds. R3GAN and the DCGAN are trained by the same `training.fit` on the same images from the same
tensor; the popular loop brings its own loader, which is part of what it is. R3GAN draws from a moving average of its
weights, which the paper of 2016 did not have, so the DCGAN is judged twice, as published and averaged in the same way,
and the ratios are to the better of the two.

COURSE_DATA=ROOT python benchmarks/gan_against_dcgan.py --data mnist --seconds 90 --seeds 0 1 2 --write
"""

from __future__ import annotations

import statistics
from collections import defaultdict
from dataclasses import asdict
from typing import Any

import conventional_gan
import torch
from published_dcgan import PublishedDCGAN
from runner import columns, images, options_for, parameters, picture, rounded, write
from torch import Tensor

from course_lib import metrics, training
from course_lib.gan.games import settings
from course_lib.gan.stable_training import R3GAN
from course_lib.gan.the_gan_game import GAN
from course_lib.training.run import Run

RECIPES = {  # what no attribute of the models says
    "r3gan": {"norm": "batch norm in G, none in D", "init": "torch's default", "size": 28},
    "dcgan": {"norm": "batch norm in G and D", "init": "N(0, 0.02)", "size": 28},
    "popular": {"norm": "batch norm in G and D, epsilon 0.8", "init": "N(0, 0.02) in convolutions", "size": 32},
}
POPULAR = {"rate": 2e-4, "betas": (0.5, 0.999), "batch_size": 64, "average_decay": None}
FIGURES = ("frechet_distance", "precision", "recall", "kl_to_uniform", "steps", "seconds", "images_seen")


def trained(kind: type[GAN], train: Any, seed: int, **limit: Any) -> tuple[GAN, Run]:
    """The model with its last weights, and the run with the averaged ones."""
    torch.manual_seed(seed)
    model = kind.for_data(train)
    return model, training.fit(model, train, seed=seed, device="cpu", **limit)


def cost(steps: int, seconds: float, batch_size: int) -> dict[str, float]:
    return {"steps": steps, "seconds": round(seconds, 1), "images_seen": steps * batch_size}


def rows_of(train: Any, seconds: float, samples: int, seed: int) -> dict[str, tuple[Tensor, dict[str, float]]]:
    """Row -> images it drew, and what they cost."""
    rows = {}
    _, ours = trained(R3GAN, train, seed, seconds=seconds)
    rows["r3gan"] = ours.model.sample(samples, seed=seed), cost(ours.steps, ours.seconds, R3GAN.batch_size)
    for name, limit in (("seconds", {"seconds": seconds}), ("steps", {"steps": ours.steps})):
        model, run = trained(PublishedDCGAN, train, seed, **limit)
        paid = cost(run.steps, run.seconds, PublishedDCGAN.batch_size)
        rows[f"dcgan_equal_{name}"] = model.sample(samples, seed=seed), paid
        rows[f"dcgan_equal_{name}_averaged"] = run.model.sample(samples, seed=seed), paid
    painter, steps, took = conventional_gan.train(train, seconds, seed)
    paid = cost(steps, took, POPULAR["batch_size"])
    rows["popular_equal_seconds"] = conventional_gan.sample(painter, samples, seed), paid
    return rows


def recipes(train: Any) -> dict[str, dict[str, Any]]:
    """The settings of every model, and how many parameters its two networks have."""
    models = {"r3gan": R3GAN.for_data(train), "dcgan": PublishedDCGAN.for_data(train)}
    found = {name: settings(model) | {"parameters": parameters(model)} for name, model in models.items()}
    pair = conventional_gan.generator(), conventional_gan.discriminator()
    found["popular"] = POPULAR | {"parameters": parameters(*pair)}
    return {name: rounded(found[name], 6) | RECIPES[name] for name in found}


def times_lower(rows: dict[str, list[dict]], budget: str) -> list[float]:
    """Seed by seed: the DCGAN's Fréchet distance, the better of its two, divided by R3GAN's."""
    pairs = zip(rows["r3gan"], rows[f"dcgan_{budget}"], rows[f"dcgan_{budget}_averaged"], strict=True)
    distances = [[row["frechet_distance"] for row in seed] for seed in pairs]
    return [round(min(last, averaged) / ours, 2) for ours, last, averaged in distances]


def main() -> None:
    options = options_for(__doc__, data="mnist", seconds=90, seeds=[0, 1, 2], pictures=True).parse_args()
    torch.set_num_threads(2)
    train, test = images(options)
    results: dict[str, list[dict]] = defaultdict(list)
    for seed in options.seeds:
        for name, (drawn, paid) in rows_of(train, options.seconds, options.samples, seed).items():
            results[name].append(asdict(metrics.report(drawn, test)) | paid)
            figures = {figure: rounded(results[name][-1][figure]) for figure in FIGURES}
            print(f"seed {seed}, {name}: {figures}", flush=True)
            picture(options, f"{options.data}_{name}_{seed}", drawn[:60])
    ratios = {budget: times_lower(results, budget) for budget in ("equal_seconds", "equal_steps")}
    for budget, ratio in ratios.items():
        print(f"{options.data}, {budget}: {ratio} times lower than the DCGAN, mean {statistics.mean(ratio):.1f}")
    shares = [share for result in results["r3gan"] for share in result["class_shares"]]
    write(
        options,
        f"gan_against_dcgan_{options.data}",
        data=options.data,
        seconds=options.seconds,
        seeds=options.seeds,
        floor=round(results["r3gan"][0]["floor"], 3),
        ratio=ratios,
        settings=recipes(train),
        rows={name: columns(rows, FIGURES) for name, rows in results.items()},
        class_shares=[min(shares), max(shares)],
    )


if __name__ == "__main__":
    main()
