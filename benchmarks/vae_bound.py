"""Chapter 10's VAE on real digits: -ELBO and the K = 500 bound after 90 seconds, over three seeds.

COURSE_DATA=ROOT python benchmarks/vae_bound.py --data mnist --seconds 90 --seeds 0 1 2 --write
"""

from __future__ import annotations

import statistics

import torch
from runner import columns, images, options_for, picture, write

from course_lib import metrics, training
from course_lib.vae.training_a_vae import VAE

PUBLISHED = {  # nats, each under its authors' own protocol and far longer training: for orientation only
    "784-400-40, long training": 89.8,
    "one stochastic layer (Burda et al. 2016, table 1)": 86.8,
}


def main() -> None:
    parser = options_for(__doc__, data="mnist", seconds=90, seeds=[0, 1, 2], pictures=True)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--iwae-images", type=int, help="measure the K = 500 bound's gap on so many (default: all)")
    options = parser.parse_args()
    torch.set_num_threads(2)
    train, test = images(options)
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
        picture(options, f"{options.data}_vae_{seed}", run.model.sample(60, seed=seed).cpu())
    names = ("neg_elbo", "reconstruction", "kl", "iwae_1", "iwae_50", "iwae_500", "bits_per_dimension", "active_units")
    figures = columns(results, (*names, "steps"))
    print(f"-ELBO {statistics.mean(figures['neg_elbo']):.2f}, K = 500 {statistics.mean(figures['iwae_500']):.2f}")
    write(
        options,
        f"vae_{options.data}",
        data=options.data,
        seconds=options.seconds,
        protocol=results[0]["protocol"],
        iwae_images=results[0]["iwae_images"],
        published=PUBLISHED,
        **figures,
    )


if __name__ == "__main__":
    main()
