"""Chapter 16's generator against chapter 6's, in the same game: portraits at 32 pixels, equal processor seconds.

Per seed, each for `--seconds` of processor time: the StyleGAN of chapter 16; chapter 7's R3GAN with the same
discriminator and the same strength of R1 and R2, so that only the generator differs; and R3GAN as chapter 7 left it.
Processor seconds are turned into steps by timing some first; what a training cost in the end is recorded, too. Of the
StyleGAN it also records how well a linear layer tells the factors from Z, from W and from the w of an untrained mapping
network, and the perceptual path length in Z and W over the squared distance of the ends.

python benchmarks/stylegan.py --seconds 180 --seeds 0 1 2 --write
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from runner import columns, images, options_for, parameters, picture, rounded, steps_for, trained, write
from torch import Tensor

from course_lib import metrics
from course_lib.data.imageset import ImageSet
from course_lib.gan import games, stylegan
from course_lib.gan.dcgan import slerp
from course_lib.gan.stable_training import R3GAN, BatchDiscriminator
from course_lib.gan.stylegan import StyleGAN
from course_lib.gan.the_gan_game import GAN
from course_lib.metrics.report import report

FIGURES = ("frechet_distance", "precision", "recall", "coverage", "steps", "seconds", "images_seen")
PROBES, WAYS, STEP = 4000, 500, 0.01


class SameGame(R3GAN):
    """R3GAN's generator, StyleGAN's discriminator and penalty."""

    name = "r3gan_same_game"
    gamma = StyleGAN.gamma

    def __init__(self, **config: Any):
        super().__init__(**config)
        self.discriminator = BatchDiscriminator(self.config["channels"], self.config["size"], self.config["width"])


MODELS: dict[str, tuple[str, Callable[[ImageSet], GAN]]] = {
    "stylegan": ("StyleGAN", StyleGAN.for_data),
    "same_game": ("R3GAN's generator, the rest the same", SameGame.for_data),
    "r3gan": ("R3GAN as in chapter 7", R3GAN.for_data),
}


def spaces(model: StyleGAN, reader: Any, seed: int, probes: int, ways: int) -> dict[str, dict[str, float]]:
    """How straight Z and W are: mean skill of a linear layer, and path length over the squared distance of the ends."""
    noise = model.noise(probes, torch.Generator().manual_seed(seed))
    torch.manual_seed(seed)
    codes = {
        "Z": noise / noise.square().mean(dim=1, keepdim=True).sqrt(),
        "untrained W": StyleGAN(**model.config).w(noise),
        "W": model.w(noise),
    }
    read = {name: values for name, values in reader.factors(model.draw(noise)).items() if len(values.unique()) > 1}
    told = {
        name: sum(stylegan.told_linearly(code, values) for values in read.values()) / len(read)
        for name, code in codes.items()
    }
    a, b = noise[:ways], noise[ways : 2 * ways]

    def seen(draw: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
        return lambda some: metrics.features(reader, draw(some))

    ends = (seen(model.draw)(a) - seen(model.draw)(b)).square().sum(dim=1).mean()
    lengths = {
        "Z": stylegan.path_length(seen(model.draw), a, b, slerp, STEP, seed),
        "W": stylegan.path_length(seen(model.paint), model.w(a), model.w(b), stylegan.straight, STEP, seed),
    }
    return {"told": told, "path": {name: float(values.mean() / ends) for name, values in lengths.items()}}


def verdict(distances: dict[str, list[float]]) -> str:
    """Who drew closer to the test images, in every seed or not, against the better of the two opponents."""
    ours = distances["stylegan"]
    opponents = {name: values for name, values in distances.items() if name != "stylegan"}
    name = min(opponents, key=lambda one: sum(opponents[one]))
    wins = sum(mine < its for mine, its in zip(ours, opponents[name], strict=True))
    ratio = [its / mine for mine, its in zip(ours, opponents[name], strict=True)]
    return (
        f"StyleGAN is closer in {wins} of {len(ours)} seeds; the distance of the better opponent "
        f"({MODELS[name][0]}) is {min(ratio):.2f} to {max(ratio):.2f} times ours"
    )


def main() -> None:
    parser = options_for(__doc__, data="portraits", seconds=180, seeds=[0, 1, 2], pictures=True)
    parser.add_argument("--keep", type=Path, help="folder for the trainings; those found there are not done again")
    options = parser.parse_args()
    train, test = images(options)
    models, results, straight = {}, defaultdict(list), []
    steps = {name: steps_for(make, train, options.seconds) for name, (_, make) in MODELS.items()}
    for seed in options.seeds:
        for name, (_, make) in MODELS.items():
            file = options.keep and options.keep / f"{name}_{seed}_{options.seconds:g}.safetensors"
            models[name, seed] = trained(make, train, steps=steps[name], seed=seed, file=file)
            print(f"seed {seed}, {name}: trained, {models[name, seed][1]}", flush=True)
    reader = metrics.judge(test)
    for seed in options.seeds:
        for name in MODELS:
            model, paid = models[name, seed]
            drawn = model.sample(options.samples, seed=seed)
            found = report(drawn, test)
            results[name].append(found.figures() | paid)
            print(f"seed {seed}, {name}: { ({key: rounded(results[name][-1][key]) for key in FIGURES}) }", flush=True)
            picture(options, f"{options.data}_{name}_{seed}", drawn[:60])
            if name == "stylegan":
                straight.append(
                    spaces(model, reader, seed, min(PROBES, 4 * options.samples), min(WAYS, options.samples))
                )
                print(f"seed {seed}: {rounded(straight[-1])}", flush=True)
    made = {name: make(train) for name, (_, make) in MODELS.items()}
    words = verdict({name: [row["frechet_distance"] for row in rows] for name, rows in results.items()})
    print(words)
    write(
        options,
        f"stylegan_{options.data}",
        data=options.data,
        budget=options.seconds,
        seeds=options.seeds,
        floor=round(results["stylegan"][0]["floor"], 3),
        verdict=words,
        settings={name: games.in_words(model) for name, model in made.items()},
        rows={
            name: {"title": MODELS[name][0], "parameters": parameters(made[name]), **columns(rows, FIGURES)}
            for name, rows in results.items()
        },
        told={name: rounded([one["told"][name] for one in straight]) for name in ("Z", "untrained W", "W")},
        path={name: rounded([one["path"][name] for one in straight]) for name in ("Z", "W")},
    )


if __name__ == "__main__":
    main()
