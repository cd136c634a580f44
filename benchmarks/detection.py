"""Recall and precision of chapter 4's detector on 96x96 canvases of test digits, over three seeds.

Every detector starts from the classifier that ships with the course, as in the chapter from the one trained there.

python benchmarks/detection.py --data mnist --steps 120 --seeds 0 1 2 --write
"""

from __future__ import annotations

import torch
from runner import columns, images, options_for, write

from course_lib import models, training
from course_lib.cnn.detection import Detector


def main() -> None:
    parser = options_for(__doc__, data="strokes", seeds=[0, 1, 2])
    parser.add_argument("--steps", type=int, default=120, help="training steps of the detector")
    options = parser.parse_args()
    torch.set_num_threads(2)
    train, test = images(options)
    results = []
    for seed in options.seeds:
        torch.manual_seed(seed)
        classifier = models.pretrained("classifier_mnist" if options.data == "mnist" else "classifier")
        run = training.fit(Detector.from_classifier(classifier), train, steps=options.steps, seed=seed, device="cpu")
        results.append(run.model.evaluate(test))
        print(f"seed {seed}: {results[-1]}, {run.seconds:.0f} s", flush=True)
    recall, precision = columns(results, ("recall", "precision")).values()
    print(f"recall {min(recall):.2%} to {max(recall):.2%}, precision {min(precision):.2%} to {max(precision):.2%}")
    figures = {"recall": recall, "precision": precision, "steps": options.steps}
    write(options, f"detection_{options.data}", data=options.data, **figures)


if __name__ == "__main__":
    main()
