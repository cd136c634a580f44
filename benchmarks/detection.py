"""Recall, precision and average precision of chapter 17's detector on 96x96 canvases of test digits, the share of
four-digit numbers that it reads without a mistake, and what sliding saves against cropping; over three seeds.

Every detector starts from the classifier that ships with the course, as in the chapter.

python benchmarks/detection.py --data mnist --steps 300 --seeds 0 1 2 --write
"""

from __future__ import annotations

import time

import torch
from runner import columns, images, options_for, rounded, trained, write

from course_lib import models
from course_lib.cnn.detection import (
    Detector,
    away_from_the_border,
    by_cropping,
    in_a_row,
    mean_average_precision,
    read_number,
    scatter,
    score,
)
from course_lib.data.imageset import ImageSet

FIGURES = ("recall", "precision", "overlap", "average_precision", "numbers", "seconds")


def figures(detector: Detector, test: ImageSet, seed: int) -> dict[str, float]:
    """How good one detector is; the canvases are those of `evaluate`."""
    scene = scatter(test.images[:4000], test.labels[:4000], seed=0)
    rows = in_a_row(test.images[:4000], test.labels[:4000], seed=seed)
    wanted = ["".join(map(str, labels)) for labels in rows.labels.tolist()]
    read = [read_number(found) for found in detector.detect(rows.images)]
    found = detector.detect(scene.images)
    return score(found, scene) | {
        "average_precision": mean_average_precision(found, scene),
        "numbers": sum(a == b for a, b in zip(read, wanted, strict=True)) / len(wanted),
    }


@torch.no_grad()
def sliding_against_cropping(detector: Detector, canvas: torch.Tensor, repeats: int = 7) -> dict[str, float]:
    """Processor seconds of one pass over a canvas and of one crop for each of its inner answers, taken in turn."""
    taken: dict[str, list[float]] = {"sliding": [], "cropping": []}
    for _ in range(repeats):
        for name, read in (("sliding", detector), ("cropping", lambda canvas: by_cropping(detector, canvas))):
            begun = time.process_time()
            read(canvas)
            taken[name].append(time.process_time() - begun)
    gap = (away_from_the_border(detector(canvas)) - by_cropping(detector, canvas)).abs().max()
    return {"faster": min(taken["cropping"]) / max(min(taken["sliding"]), 1e-9), "gap": float(gap)}


def main() -> None:
    parser = options_for(__doc__, data="strokes", seeds=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=300, help="training steps of the detector")
    options = parser.parse_args()
    torch.set_num_threads(1)  # a processor second is then a second of one core
    train, test = images(options)
    results = []
    for seed in options.seeds:
        classifier = models.pretrained("classifier_mnist" if options.data == "mnist" else "classifier")
        detector, paid = trained(
            lambda _, known=classifier: Detector.from_classifier(known), train, steps=options.steps, seed=seed
        )
        results.append(figures(detector, test, seed) | paid)
        print(f"seed {seed}: {rounded(results[-1])}", flush=True)
    kept = columns(results, FIGURES)
    recall, precision = kept["recall"], kept["precision"]
    print(f"recall {min(recall):.2%} to {max(recall):.2%}, precision {min(precision):.2%} to {max(precision):.2%}")
    speed = sliding_against_cropping(detector, scatter(test.images[:4], test.labels[:4], seed=0).images)
    print(f"sliding is {speed['faster']:.1f} times faster than cropping; answers differ by {speed['gap']:.1e} at most")
    write(
        options,
        f"detection_{options.data}",
        data=options.data,
        seeds=options.seeds,
        **kept,
        steps=options.steps,
        faster_than_cropping=round(speed["faster"], 1),
        largest_gap=speed["gap"],
    )


if __name__ == "__main__":
    main()
