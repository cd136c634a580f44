"""Chapter 7's recipe against a DCGAN as it is usually written, at equal seconds, in one run, seed by seed.

COURSE_DATA=ROOT python benchmarks/gan_against_conventional.py --data mnist --seconds 90 --seeds 0 1 2 --write
"""

from __future__ import annotations

import argparse
import statistics
from dataclasses import asdict
from pathlib import Path

import conventional_gan
import torch

from course_lib import data, measured, metrics, training
from course_lib.gan.stable_training import R3GAN
from course_lib.show.figures import image_grid, png


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--pictures", type=Path, help="folder for a grid of samples of each")
    parser.add_argument("--write", action="store_true", help="keep the figures for the chapter")
    options = parser.parse_args()
    torch.set_num_threads(2)
    train, test = data.load(options.data), data.load(options.data, split="test")
    results: dict[str, list[dict]] = {"conventional": [], "r3gan": []}
    for seed in options.seeds:
        painter, steps = conventional_gan.train(train, options.seconds, seed)
        images = {"conventional": conventional_gan.sample(painter, options.samples, seed)}
        torch.manual_seed(seed)
        run = training.fit(R3GAN.for_data(train), train, seconds=options.seconds, seed=seed, device="cpu")
        images["r3gan"] = run.model.sample(options.samples, seed=seed)
        for name, count in (("conventional", steps), ("r3gan", run.steps)):
            report = metrics.report(images[name], test)
            results[name].append(asdict(report) | {"steps": count})
            print(f"seed {seed}, {name}: {count} steps, {report}", flush=True)
            if options.pictures:
                options.pictures.mkdir(parents=True, exist_ok=True)
                picture = png(image_grid(images[name][:60], 10))
                (options.pictures / f"{options.data}_{name}_{seed}.png").write_bytes(picture)

    def column(name: str, figure: str) -> list[float]:
        return [round(result[figure], 4) for result in results[name]]

    ours, theirs = column("r3gan", "frechet_distance"), column("conventional", "frechet_distance")
    ratio = [round(b / a, 1) for a, b in zip(ours, theirs, strict=True)]
    shares = [share for result in results["r3gan"] for share in result["class_shares"]]
    print(
        f"{options.data}: Fréchet distance {theirs} -> {ours}, {ratio} times lower, mean {statistics.mean(ratio):.1f}"
    )
    print(f"floor {results['r3gan'][0]['floor']:.2f}; class shares from {min(shares):.1%} to {max(shares):.1%}")
    if options.write:
        measured.record(
            f"gan_against_conventional_{options.data}",
            f"python benchmarks/gan_against_conventional.py {measured.arguments()}",
            data=options.data,
            seconds=options.seconds,
            floor=round(results["r3gan"][0]["floor"], 3),
            frechet_distance=ours,
            conventional_frechet_distance=theirs,
            ratio=ratio,
            precision=column("r3gan", "precision"),
            recall=column("r3gan", "recall"),
            conventional_precision=column("conventional", "precision"),
            conventional_recall=column("conventional", "recall"),
            class_shares=[min(shares), max(shares)],
            steps=column("r3gan", "steps"),
            conventional_steps=column("conventional", "steps"),
        )


if __name__ == "__main__":
    main()
