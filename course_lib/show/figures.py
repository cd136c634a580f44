"""Pictures that everybody can read: on dark and light pages, colour-blind or not, and in words for who cannot see."""

from __future__ import annotations

import base64
import html
import io
import math
from collections.abc import Sequence

import matplotlib
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from course_lib.errors import CourseError
from course_lib.show.paint import as_png

SHORTEST_ALT = 15  # characters; less than that describes nothing

matplotlib.style.use("petroff10")
matplotlib.rcParams.update(
    {
        "figure.facecolor": "white",  # never transparent: black axes vanish on a dark page
        "savefig.facecolor": "white",
        "axes.facecolor": "white",
        "axes.spines.top": False,
        "axes.spines.right": False,
        "image.cmap": "gray",
        "image.interpolation": "nearest",
        "figure.dpi": 90,
        "figure.constrained_layout.use": True,
    }
)


def png(fig: Figure, dpi: int | None = None) -> bytes:
    """The figure as PNG; the figure is closed, so that no notebook shows it twice."""
    buffer = io.BytesIO()
    fig.draw_without_rendering()  # a first layout, so that the second has measured every title
    fig.savefig(buffer, format="png", dpi=dpi or fig.dpi)
    plt.close(fig)
    return as_png(Image.open(buffer).convert("RGB"), exact=True)


def bundle(picture: bytes, alt: str) -> dict[str, str]:
    """One picture in three forms: HTML with a real alt text, bare PNG for viewers that drop HTML, and the words alone.

    Raises CourseError when `alt` is too short to describe anything.
    """
    if len(alt) < SHORTEST_ALT:
        raise CourseError(
            f"alt: got {alt!r}, expected a sentence of at least {SHORTEST_ALT} characters that says what is seen"
        )
    code = base64.b64encode(picture).decode()
    words = html.escape(alt, quote=True)
    return {
        "text/html": f'<img alt="{words}" src="data:image/png;base64,{code}" style="max-width:100%;height:auto">',
        "image/png": code,
        "text/plain": alt,
    }


def figure(fig: Figure, alt: str) -> None:
    """Show a matplotlib figure in the notebook, with `alt` read aloud by screen readers."""
    from IPython.display import display

    display(bundle(png(fig), alt), raw=True)


def to_pixels(images: Tensor) -> np.ndarray:
    """[N, C, H, W] in [-1, 1] -> uint8 [N, H, W, 3], for 1 or 3 channels; no image is rescaled by its own range."""
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise CourseError(f"images: got shape {list(images.shape)}, expected [N, 1 or 3, H, W]")
    pixels = ((images.detach().float().cpu().clamp(-1, 1) + 1) * 127.5).round().byte()
    return pixels.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy()


def image_grid(images: Tensor, columns: int, titles: Sequence[str] = (), scale: float | None = None) -> Figure:
    """A figure with the images in rows of `columns`, each under its title."""
    pixels = to_pixels(images)
    if titles and len(titles) != len(pixels):
        raise CourseError(f"titles: got {len(titles)}, expected {len(pixels)}, one per image")
    rows = math.ceil(len(pixels) / columns)
    side = scale or min(1.1, 11 / columns)
    height, width = pixels.shape[1:3]
    size = (side * columns, (side * height / width + (0.26 if titles else 0.03)) * rows)
    fig, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    fig.get_layout_engine().set(w_pad=0.01, h_pad=0.03, wspace=0.02, hspace=0.02)
    for position, axis in enumerate(axes.flat):
        axis.set_axis_off()
        if position < len(pixels):
            axis.imshow(pixels[position])
            if titles:
                axis.set_title(titles[position], fontsize=9, pad=2)
    return fig


def images(
    images: Tensor,
    alt: str,
    *,
    columns: int = 10,
    titles: Sequence[str] = (),
    scale: float | None = None,
) -> None:
    """Show images [N, C, H, W] in [-1, 1] as a grid. `scale` is the width of one image in inches."""
    figure(image_grid(images, min(columns, len(images)), titles, scale), alt)


def table(rows: Sequence[Sequence[object]], header: Sequence[str], caption: str = "") -> None:
    """Show a table: numbers are right-aligned and printed as they come."""
    from IPython.display import display

    def cell(value: object, tag: str = "td") -> str:
        align = "right" if isinstance(value, int | float) else "left"
        return f'<{tag} style="text-align:{align}">{html.escape(str(value))}</{tag}>'

    head = "".join(cell(name, "th") for name in header)
    body = "".join(f"<tr>{''.join(cell(value) for value in row)}</tr>" for row in rows)
    caption_row = f"<caption>{html.escape(caption)}</caption>" if caption else ""
    text = "\n".join("  ".join(str(value) for value in row) for row in [header, *rows])
    markup = f"<table>{caption_row}<thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    display({"text/html": markup, "text/plain": text}, raw=True)
