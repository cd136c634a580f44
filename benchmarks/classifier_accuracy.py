"""How well chapter 4's classifier reads real MNIST after 90 seconds on two CPU cores, over three seeds.

COURSE_DATA=ROOT python benchmarks/classifier_accuracy.py --seconds 90 --seeds 0 1 2 --write
"""

from __future__ import annotations

import argparse

import torch

from course_lib import data, measured, training
from course_lib.cnn.training_a_cnn import Classifier


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=90)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--data", default="mnist")
    parser.add_argument("--write", action="store_true", help="keep the figures for the chapter")
    options = parser.parse_args()
    torch.set_num_threads(2)
    train, test = data.load(options.data), data.load(options.data, split="test")
    accuracy, steps = [], []
    for seed in options.seeds:
        torch.manual_seed(seed)
        run = training.fit(Classifier.for_data(train), train, seconds=options.seconds, seed=seed, device="cpu")
        accuracy.append(round(run.model.evaluate(test)["accuracy"], 4))
        steps.append(run.steps)
        print(
            f"seed {seed}: {accuracy[-1]:.2%} on {len(test):,} images after {run.steps} steps, {run.seconds:.0f} s",
            flush=True,
        )
    mean = sum(accuracy) / len(accuracy)
    print(f"mean {mean:.2%}, from {min(accuracy):.2%} to {max(accuracy):.2%}")
    if options.write:
        command = f"python benchmarks/classifier_accuracy.py {measured.arguments()}"
        measured.record(
            "classifier", command, data=options.data, accuracy=accuracy, steps=steps, seconds=options.seconds
        )


if __name__ == "__main__":
    main()
