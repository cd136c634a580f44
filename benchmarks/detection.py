"""Recall and precision of chapter 4's detector on 96x96 canvases of test digits, over three seeds.

Every detector starts from the classifier that ships with the course, as in the chapter from the one trained there.

python benchmarks/detection.py --data mnist --steps 120 --seeds 0 1 2 --write
"""

from __future__ import annotations

import argparse

import torch

from course_lib import data, measured, models, training
from course_lib.cnn.detection import Detector


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=120, help="training steps of the detector")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--data", default="strokes")
    parser.add_argument("--write", action="store_true", help="keep the figures for the chapter")
    options = parser.parse_args()
    torch.set_num_threads(2)
    train, test = data.load(options.data), data.load(options.data, split="test")
    results = []
    for seed in options.seeds:
        torch.manual_seed(seed)
        classifier = models.pretrained("classifier_mnist" if options.data == "mnist" else "classifier")
        run = training.fit(Detector.from_classifier(classifier), train, steps=options.steps, seed=seed, device="cpu")
        results.append(run.model.evaluate(test))
        print(f"seed {seed}: {results[-1]}, {run.seconds:.0f} s", flush=True)
    recall, precision = ([round(result[name], 4) for result in results] for name in ("recall", "precision"))
    print(f"recall {min(recall):.2%} to {max(recall):.2%}, precision {min(precision):.2%} to {max(precision):.2%}")
    if options.write:
        command = f"python benchmarks/detection.py {measured.arguments()}"
        measured.record(
            f"detection_{options.data}",
            command,
            data=options.data,
            recall=recall,
            precision=precision,
            steps=options.steps,
        )


if __name__ == "__main__":
    main()
