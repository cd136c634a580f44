"""CycleGAN on two drawn worlds, each part left out once, against copying, a transfer of colours and a paired regressor.

All trainings of a seed see the same images in the same order, for as many steps. The true counterparts of the test
places are known to the judge alone (and those of the training places to the regressor, as an upper bound). `digits` are
drawn strokes and MNIST: no truth there, but the digit must stay, and chapter 4's CNN reads it.

COURSE_DATA=ROOT python benchmarks/cyclegan.py --worlds season --steps 1000 --seeds 0 1 2 --write
"""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import Any

import torch
from runner import columns, options_for, rounded, trained, write
from torch import Tensor

from course_lib import data, metrics
from course_lib.data.imageset import ImageSet
from course_lib.gan import counterparts
from course_lib.gan.cyclegan import CycleGAN, two_worlds
from course_lib.gan.dcgan import Discriminator
from course_lib.show.figures import image_grid, png

DAY, NIGHT = {"season": "summer", "time": "day"}, {"season": "summer", "time": "night"}
WORLDS: dict[str, tuple[str, dict[str, Any], dict[str, Any]]] = {  # name -> data, what is fixed in each of the worlds
    "season": ("landscapes", DAY, {"season": "winter", "time": "day"}),
    "time": ("landscapes", DAY, NIGHT),
    "glasses": ("portraits", {"glasses": "no"}, {"glasses": "round"}),
}
LEFT_OUT = {  # row -> settings that differ from the model's own
    "CycleGAN": {},
    "without cycle loss": {"cycle": 0.0},
    "without identity loss": {"identity": 0.0},
    "without image buffer": {"buffer": 0},
}
WHOLE = "whole-picture discriminator"
FIGURES = (
    "truth_second",
    "truth_first",
    "cycle_first",
    "cycle_second",
    "kept_second",
    "kept_first",
    "steps",
    "seconds",
)


class WholePicture(CycleGAN):
    """The same model, but its discriminators look at the whole picture at once: chapter 6's, as wide as they come."""

    def __init__(self, channels: int = 3, size: int = 32, width: int = 16, blocks: int = 3):
        super().__init__(channels, size, width, blocks)
        self.of_first, self.of_second = (Discriminator(channels, size, width) for _ in range(2))


def drawn_worlds(name: str, count: int, samples: int, seed: int) -> tuple[list[ImageSet], list[ImageSet]]:
    """Training images of both worlds, of different places, and test images, where image i of both is one place."""
    kind, *fixed = WORLDS[name]
    train = [
        data.load(kind, count=count, seed=2 * seed + place, masks=False, **factors)
        for place, factors in enumerate(fixed)
    ]
    return train, [data.load(kind, split="test", count=samples, masks=False, **factors) for factors in fixed]


def digits(count: int, samples: int, seed: int) -> tuple[list[ImageSet], list[ImageSet]]:
    """Drawn digits and MNIST, for training and for the test; nowhere is anything paired."""
    train = [data.load(name, count=count, seed=seed) for name in ("strokes", "mnist")]
    return train, [data.load(name, split="test", count=samples) for name in ("strokes", "mnist")]


def models_of(
    train: list[ImageSet], steps: int, seed: int, wanted: list[str]
) -> dict[str, tuple[CycleGAN, dict[str, float]]]:
    """Row -> a trained model and its cost; every one begins at the same weights, as far as it has the same layers."""
    both, rows = two_worlds(*train), {}
    for name in wanted:
        make = WholePicture.for_data if name == WHOLE else partial(CycleGAN.for_data, **LEFT_OUT[name])
        rows[name] = trained(make, both, steps=steps, seed=seed, batch_size=16)
    return rows


def against_truth(made: list[Tensor], test: list[ImageSet]) -> dict[str, float]:
    """Grey levels from each translation to the true counterpart: of the second world, then of the first."""
    return {
        "truth_second": counterparts.grey_levels(made[0], test[1].images),
        "truth_first": counterparts.grey_levels(made[1], test[0].images),
    }


def yardsticks(
    train: list[ImageSet], test: list[ImageSet], steps: int, seed: int, kind: str, fixed: list[dict[str, Any]]
) -> dict[str, dict[str, float]]:
    """What needs no GAN: leave it as it is, move the colours, or know the pairs."""
    first, second = (world.images for world in train)
    there, here = test[0].images, test[1].images
    moved = [counterparts.colour_transfer(there, first, second), counterparts.colour_transfer(here, second, first)]
    paired = [data.load(kind, count=len(first), seed=2 * seed, masks=False, **factors) for factors in fixed]
    made, cost = [], {"steps": steps, "seconds": 0.0}
    for source, sources, targets in ((there, *paired), (here, *reversed(paired))):
        images = counterparts.pairs(sources, targets)
        model, paid = trained(counterparts.PairedRegressor.for_data, images, steps=steps, seed=seed, batch_size=8)
        made.append(model.translate(source))
        cost["seconds"] += paid["seconds"]
    free = {"steps": 0, "seconds": 0.0}
    return {
        "copy": against_truth([there, here], test) | free,
        "colour transfer": against_truth(moved, test) | free,
        "paired regressor": against_truth(made, test) | cost,
    }


def kept(made: list[Tensor], test: list[ImageSet]) -> dict[str, float]:
    """Share of the translated digits that the judge of the world they went to reads as what they were."""
    figures = {}
    for name, images, came, went in (("second", made[0], test[0], test[1]), ("first", made[1], test[1], test[0])):
        read = metrics.judge(went).read(images).argmax(dim=1).cpu()
        figures[f"kept_{name}"] = float((read == came.labels).double().mean())
    return figures


def sheet(options: Any, name: str, test: list[ImageSet], made: list[Tensor]) -> None:
    """Twelve places, real and translated, both ways."""
    if options.pictures:
        options.pictures.mkdir(parents=True, exist_ok=True)
        rows = [test[0].images, made[0], test[1].images, made[1]]
        pixels = torch.cat([images[:12] for images in rows])
        names = ["real: first", "generated: second", "real: second", "generated: first"]
        (options.pictures / f"{name}.png").write_bytes(png(image_grid(pixels, 12, rows=names), 2))


def main() -> None:
    parser = options_for(__doc__, seeds=[0, 1, 2], pictures=True)
    parser.add_argument("--worlds", default="season", choices=[*WORLDS, "digits"], help="which two (default: season)")
    parser.add_argument("--steps", type=int, default=1000, help="of each training (default: 1000)")
    parser.add_argument("--images", type=int, default=5000, help="of each world, for training (default: 5000)")
    parser.add_argument("--samples", type=int, default=1000, help="test places (default: 1000)")
    parser.add_argument("--rows", nargs="+", default=[*LEFT_OUT, WHOLE], choices=[*LEFT_OUT, WHOLE], help="which GANs")
    options = parser.parse_args()
    results: dict[str, list[dict]] = defaultdict(list)
    for seed in options.seeds:
        if options.worlds == "digits":
            train, test = digits(options.images, options.samples, seed)
        else:
            train, test = drawn_worlds(options.worlds, options.images, options.samples, seed)
            kind, *fixed = WORLDS[options.worlds]
            for name, figures in yardsticks(train, test, options.steps, seed, kind, fixed).items():
                results[name].append(figures)
        for name, (model, paid) in models_of(train, options.steps, seed, options.rows).items():
            made = [model.translate(test[0].images), model.translate(test[1].images, to="first")]
            again = [model.translate(made[0], to="first"), model.translate(made[1])]
            figures = dict(paid)
            for world, back, images in zip(("first", "second"), again, test, strict=True):
                figures[f"cycle_{world}"] = counterparts.grey_levels(back, images.images)
            figures |= kept(made, test) if options.worlds == "digits" else against_truth(made, test)
            results[name].append(figures)
            sheet(options, f"{options.worlds}_{name.replace(' ', '_')}_{seed}", test, made)
        for name, rows in results.items():
            print(f"seed {seed}, {name}: {rounded(rows[-1], 2)}", flush=True)
    own = CycleGAN.for_data(two_worlds(*train))
    write(
        options,
        f"cyclegan_{options.worlds}",
        worlds=options.worlds,
        seeds=options.seeds,
        steps=options.steps,
        images=options.images,
        samples=options.samples,
        settings={"rate": own.rate, "betas": own.betas, "batch_size": 16, **own.config},
        rows={name: columns(rows, FIGURES) for name, rows in results.items()},
    )


if __name__ == "__main__":
    main()
