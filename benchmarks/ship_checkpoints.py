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

FOLDER = Path(__file__).parents[1] / "course_lib" / "checkpoints"
SMALL = {"latent": 10, "hidden": 64, "width": 8}  # five of them ship together
SHIPPED = {  # name -> model, data, steps, seed, settings
    "classifier": ("classifier", "strokes", 3000, 0, {}),
    "classifier_mnist": ("classifier", "mnist", 3000, 0, {}),
    "mlp_gan": ("mlp_gan", "strokes", 20_000, 0, {}),
    "dcgan": ("dcgan", "strokes", 2500, 0, {}),
    "wgan_gp": ("wgan_gp", "strokes", 800, 0, {}),
    "r3gan": ("r3gan", "strokes", 4000, 0, {}),
    "conditional_gan": ("conditional_gan", "strokes", 4000, 0, {}),
    "autoencoder": ("autoencoder", "strokes", 3000, 0, {}),
    "vae": ("vae", "strokes", 6000, 0, {"hidden": 128}),
    "vae_plane": ("vae", "strokes", 4000, 0, {"latent": 2, "hidden": 128}),
    **{f"beta_vae_{beta:g}": ("vae", "strokes", 3000, 0, {"beta": beta, **SMALL}) for beta in (0.1, 0.5, 1, 4, 16)},
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", default=list(SHIPPED), help="which (default: all)")
    FOLDER.mkdir(exist_ok=True)
    for name in parser.parse_args().names:
        model, source, steps, seed, settings = SHIPPED[name]
        words = ["train", model, "--data", source, "--steps", str(steps), "--seed", str(seed), "--device", "cpu"]
        words += [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        with tempfile.TemporaryDirectory() as folder:
            subprocess.run([sys.executable, "-m", "course_lib", *words, "--out", folder], check=True)
            score = models.load(folder).evaluate(data.load(source, split="test"))
            command = f"python -m course_lib {' '.join(words)} --out DIR"
            models.ship(folder, FOLDER / f"{name}.safetensors", command=command, score=score)
        print(name, score, flush=True)


if __name__ == "__main__":
    main()
