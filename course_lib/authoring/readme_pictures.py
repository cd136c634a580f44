"""`python -m course_lib.authoring.readme_pictures`: draw the README's pictures again, into notebooks/pictures/."""

from __future__ import annotations

import numpy as np
from PIL import Image

from course_lib.data.strokes import draw
from course_lib.places import ROOT
from course_lib.show import widgets
from course_lib.show.figures import to_pixels
from course_lib.show.paint import as_png
from course_lib.show.training_view import tile

FOLDER = ROOT / "notebooks" / "pictures"


def digits() -> bytes:
    """Three rows in grey and three in colour, thirty digits a row."""
    labels = [digit for digit in range(10) for _ in range(3)]
    rows = [to_pixels(draw(labels, size=28, seed=seed, colour=seed % 2 == 1).images) for seed in range(6)]
    return as_png(Image.fromarray(tile(np.concatenate(rows), columns=30)))


def convolution() -> bytes:
    pixels = (draw([5], size=12, seed=4).images[0, 0] + 1) / 2
    panel = widgets.convolution_explorer(pixels)
    panel.set(step=34)
    return panel.png


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    (FOLDER / "digits.png").write_bytes(digits())
    (FOLDER / "convolution.png").write_bytes(convolution())
