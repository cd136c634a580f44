"""Growing against the full size from the start: the same networks, chapter 7's recipe, equal processor seconds.

Per seed: the growing GAN of chapter 13; the same final networks without growth; and chapter 7's R3GAN with networks of
its own. The learning rates of the first two are chosen beforehand, each by trainings with a seed and drawings that the
contest does not use. Then what each helper is worth: the growing GAN at 16 pixels for `--ablation` processor seconds,
whole and with one thing taken away. Processor seconds are turned into steps first: every stage of every row is timed
over a few steps. What a training cost in the end is measured and recorded, too.

python benchmarks/progressive_gan.py --seconds 90 --ablation 45 --seeds 0 1 2 --write
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from runner import columns, images, options_for, parameters, picture, rounded, steps_for, trained, write

from course_lib import data, metrics
from course_lib.data.imageset import ImageSet
from course_lib.gan.games import settings
from course_lib.gan.progressive_gan import PLAIN_RATE, ProgressiveGAN
from course_lib.gan.stable_training import R3GAN
from course_lib.gan.the_gan_game import GAN

FIGURES = ("frechet_distance", "precision", "recall", "coverage", "steps", "seconds", "images_seen")


def growing(**changes: Any) -> Callable[[ImageSet], GAN]:
    """A maker of growing GANs; `rate` is no argument of the constructor, but a setting."""

    def make(train: ImageSet) -> GAN:
        rate = changes.get("rate", ProgressiveGAN.rate)
        model = ProgressiveGAN.for_data(train, **{name: value for name, value in changes.items() if name != "rate"})
        model.rate = rate
        return model

    return make


SCHEDULE = {"fade": 100, "hold": 100}  # for a minute or two; the class's own is for longer
NOTHING_GROWS = {"fade": 0, "hold": 0}
TUNED = {"grown": SCHEDULE, "full_size": NOTHING_GROWS}
RATES = (0.5, 1.0, 2.0)  # times the class's own
TUNING = 10  # seed of the tuning
ABLATIONS = {
    "whole": growing(**SCHEDULE),
    "no_fade": growing(fade=0, hold=sum(SCHEDULE.values())),
    "not_equalised": growing(**SCHEDULE, equalised=False, rate=PLAIN_RATE),
    "no_pixel_norm": growing(**SCHEDULE, pixel_norm=False),
    "no_deviation": growing(**SCHEDULE, deviation=False),
}


def stage_of(model: GAN, step: int) -> Any:
    """Steps of one stage cost the same."""
    if not isinstance(model, ProgressiveGAN):
        return None
    model.age.fill_(step)
    level, alpha = model.grown
    return level, alpha < 1


def tune(train: ImageSet, validation: ImageSet, seconds: float) -> dict[str, dict[float, float]]:
    """Row -> learning rate -> Fréchet distance to other drawings than those that the contest is judged by."""
    found: dict[str, dict[float, float]] = defaultdict(dict)
    for name, growth in TUNED.items():
        for factor in RATES:
            rate = factor * ProgressiveGAN.rate
            make = growing(**growth, rate=rate)
            model, _ = trained(make, train, steps=steps_for(make, train, seconds, stage_of), seed=TUNING)
            distance = metrics.report(model.sample(len(validation), seed=TUNING), validation).frechet_distance
            found[name][rate] = round(distance, 1)
            print(f"tuning, {name}, rate {rate:g}: {distance:.1f}", flush=True)
    return found


def main() -> None:
    parser = options_for(__doc__, data="portraits", seconds=90, seeds=[0, 1, 2], pictures=True)
    parser.add_argument("--keep", type=Path, help="folder for the trainings; those found there are not done again")
    parser.add_argument(
        "--ablation", type=float, default=45, help="processor seconds of each ablation (default: 45); 0: none"
    )
    parser.add_argument("--ablation-seeds", type=int, nargs="+", help="default: those of the contest")
    options = parser.parse_args()
    options.ablation_seeds = options.ablation_seeds or options.seeds
    torch.set_num_threads(1)  # a processor second is then a second of one core
    train, test = images(options)
    small = [
        data.load(options.data, size=16, count=len(part), split=s, masks=False)
        for part, s in ((train, "train"), (test, "test"))
    ]
    validation = data.load(options.data, count=options.samples, seed=TUNING, masks=False)
    tuning = tune(train, validation, options.seconds)
    best = {name: min(found, key=found.get) for name, found in tuning.items()}
    contest = {name: growing(**growth, rate=best[name]) for name, growth in TUNED.items()} | {"r3gan": R3GAN.for_data}
    parts = {
        "contest": (contest, options.seconds, train, test),
        "ablation": (ABLATIONS, options.ablation, *small),
    }
    record: dict[str, Any] = {}
    made: dict[str, GAN] = {}
    for part, (rows, seconds, train, test) in parts.items():
        if not seconds:
            continue
        steps = {name: steps_for(make, train, seconds, stage_of) for name, make in rows.items()}
        results: dict[str, list[dict]] = defaultdict(list)
        for seed in options.seeds if part == "contest" else options.ablation_seeds:
            for name, make in rows.items():
                file = options.keep and options.keep / f"{part}_{name}_{seed}.safetensors"
                model, paid = trained(make, train, steps=steps[name], seed=seed, file=file)
                drawn = model.sample(options.samples, seed=seed)
                report = metrics.report(drawn, test)
                results[name].append(asdict(report) | paid)
                print(f"seed {seed}, {name}: { {key: rounded(results[name][-1][key]) for key in FIGURES} }", flush=True)
                picture(options, f"{part}_{name}_{seed}", drawn[:60])
        record[part] = {name: columns(found, FIGURES) for name, found in results.items()}
        record[f"{part}_floor"] = round(report.floor, 3)
        made |= {name: make(train) for name, make in rows.items()}
    write(
        options,
        f"progressive_gan_{options.data}",
        data=options.data,
        seconds=options.seconds,
        ablation_seconds=options.ablation,
        seeds=options.seeds,
        ablation_seeds=options.ablation_seeds,
        samples=options.samples,
        tuning={"seed": TUNING, "rows": tuning},
        settings={
            name: rounded(settings(model) | {"parameters": parameters(model), "schedule": schedule(model)}, 6)
            for name, model in made.items()
        },
        **record,
    )


def schedule(model: GAN) -> list[int] | None:
    """Fade and hold, where the model grows."""
    return [model.config["fade"], model.config["hold"]] if isinstance(model, ProgressiveGAN) else None


if __name__ == "__main__":
    main()
