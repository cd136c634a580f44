"""Chapter 10's VAE on real digits: -ELBO and the K = 500 bound after 90 seconds, over three seeds.

COURSE_DATA=ROOT python benchmarks/vae_bound.py --data mnist --seconds 90 --seeds 0 1 2 --write
"""

from __future__ import annotations

import argparse
import statistics
from pathlib import Path

import torch

from course_lib import data, measured, metrics, training
from course_lib.show.figures import image_grid, png
from course_lib.vae.training_a_vae import VAE

PUBLISHED = {  # nats, each under its authors' own protocol and far longer training: for orientation only
    "784-400-40, long training": 89.8,
    "one stochastic layer (Burda et al. 2016, table 1)": 86.8,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--iwae-images", type=int, help="measure the K = 500 bound's gap on so many (default: all)")
    parser.add_argument("--pictures", type=Path, help="folder for a grid of samples")
    parser.add_argument("--write", action="store_true", help="keep the figures for the chapter")
    options = parser.parse_args()
    torch.set_num_threads(2)
    train, test = data.load(options.data), data.load(options.data, split="test")
    results = []
    for seed in options.seeds:
        torch.manual_seed(seed)
        run = training.fit(
            VAE.for_data(train),
            train,
            seconds=options.seconds,
            seed=seed,
            device=options.device,
            precision=options.precision,
        )
        results.append(metrics.likelihood(run.model, test, iwae_images=options.iwae_images).figures())
        results[-1]["steps"] = run.steps
        print(f"seed {seed}: {results[-1]}", flush=True)
        if options.pictures:
            options.pictures.mkdir(parents=True, exist_ok=True)
            images = run.model.sample(60, seed=seed).cpu()
            (options.pictures / f"{options.data}_vae_{seed}.png").write_bytes(png(image_grid(images, 10)))
    names = ("neg_elbo", "reconstruction", "kl", "iwae_1", "iwae_50", "iwae_500", "bits_per_dimension", "active_units")
    figures = {name: [round(result[name], 4) for result in results] for name in (*names, "steps")}
    print(f"-ELBO {statistics.mean(figures['neg_elbo']):.2f}, K = 500 {statistics.mean(figures['iwae_500']):.2f}")
    if options.write:
        measured.record(
            f"vae_{options.data}",
            f"python benchmarks/vae_bound.py {measured.arguments()}",
            data=options.data,
            seconds=options.seconds,
            protocol=results[0]["protocol"],
            iwae_images=results[0]["iwae_images"],
            published=PUBLISHED,
            **figures,
        )


if __name__ == "__main__":
    main()
