"""How well chapter 4's classifier reads real MNIST after 90 seconds on two CPU cores, over three seeds.

COURSE_DATA=ROOT python benchmarks/classifier_accuracy.py --seconds 90 --seeds 0 1 2 --write
"""

from __future__ import annotations

import torch
from runner import images, options_for, write

from course_lib import training
from course_lib.cnn.training_a_cnn import Classifier


def main() -> None:
    options = options_for(__doc__, data="mnist", seconds=90, seeds=[0, 1, 2]).parse_args()
    torch.set_num_threads(2)
    train, test = images(options)
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
    write(options, "classifier", data=options.data, accuracy=accuracy, steps=steps, seconds=options.seconds)


if __name__ == "__main__":
    main()
