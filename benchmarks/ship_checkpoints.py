"""Make the small checkpoints that ship with the course, each with a card that says how.

COURSE_DATA=ROOT python benchmarks/ship_checkpoints.py [NAME ...]
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

from course_lib import data, models
from course_lib.chapters import SHIPPED

FOLDER = Path(__file__).parents[1] / "course_lib" / "checkpoints"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(SHIPPED), help="which (default: all)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where they go (default: into the course)")
    parser.add_argument("--steps", type=int, help="of the training, to try it out (default: each its own)")
    options = parser.parse_args()
    options.folder.mkdir(exist_ok=True)
    for name in options.names:
        how = SHIPPED[name]
        steps = options.steps or how.steps
        words = ["train", how.model, "--data", how.data, "--steps", str(steps), "--seed", str(how.seed)]
        words += ["--device", "cpu"] + (["--count", str(how.count)] if how.count else [])
        words += (["--size", str(how.size)] if how.size else []) + (["--colour"] if how.colour else [])
        words += ["--precision", how.precision] if how.precision else []
        words += [word for key, value in how.settings.items() for word in ("--set", f"{key}={value}")]
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, "-m", "course_lib", *words, "--out", folder], check=True)
            score = models.load(folder).evaluate(
                data.load(how.data, split="test", size=how.size, colour=how.colour, masks=False)
            )
            command = f"python -m course_lib {' '.join(words)} --out DIR"
            models.ship(folder, options.folder / f"{name}.safetensors", command=command, score=score)
        print(name, score, flush=True)


if __name__ == "__main__":
    main()
