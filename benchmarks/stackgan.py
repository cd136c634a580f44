"""Chapter 14's sketcher, and what it loses without conditioning augmentation and without wrong words.

Stage I on strokes at 16 pixels: the model of the chapter, the same with every caption a point, and the same with a
discriminator that meets no wrong words. Same data, steps and seeds; processor seconds are recorded. Shares of words
that come true are read by chapter 14's judges, for captions seen and for held-out pairs, beside what the judges read in
real drawings of the same size.

python benchmarks/stackgan.py --seeds 0 1 2 --write
"""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from typing import Any

from runner import options_for, rounded, trained, write

from course_lib import data
from course_lib.gan.stackgan import SketchGAN
from course_lib.metrics import said

ROWS: dict[str, tuple[str, dict[str, Any]]] = {
    "whole": ("as in the chapter", {}),
    "points": ("every caption a point", {"augment": 0}),
    "no_wrong": ("no wrong words", {"matching": 0.0}),
}


def main() -> None:
    parser = options_for(__doc__, seeds=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=1500)
    parser.add_argument("--images", type=int, default=20_000)
    parser.add_argument("--samples", type=int, default=said.COUNT, help="captions of each kind")
    options = parser.parse_args()
    train = data.load("strokes", size=SketchGAN().config["size"], colour=True, count=options.images)
    test = data.load(
        "strokes", size=SketchGAN().config["size"], colour=True, split="test", count=max(400, options.samples * 3)
    )
    found: dict[str, dict[str, list]] = {name: defaultdict(list) for name in ROWS}
    floors: dict[str, Any] = {}
    for seed in options.seeds:
        for name, (_, config) in ROWS.items():
            model, paid = trained(partial(SketchGAN.for_data, **config), train, steps=options.steps, seed=seed)
            figures = said.figures(model, test, options.samples, seed)
            row = {
                "seen": figures["seen"],
                "unseen": figures["unseen"],
                "frechet_distance": figures["frechet_distance"],
            }
            row |= {"steps": paid["steps"], "seconds": paid["seconds"]}
            floors = {
                "seen": figures["floor_seen"],
                "unseen": figures["floor_unseen"],
                "frechet_distance": figures["floor"],
            }
            for key, value in row.items():
                found[name][key].append(rounded(value))
            print(f"seed {seed}, {name}: {rounded(row)}", flush=True)
    write(
        options,
        "stackgan",
        steps=options.steps,
        seeds=options.seeds,
        images=options.images,
        samples=options.samples,
        floors=rounded(floors),
        rows={name: {"title": title, "settings": config, **found[name]} for name, (title, config) in ROWS.items()},
    )


if __name__ == "__main__":
    main()
