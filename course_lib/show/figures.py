"""Pictures that everybody can read: on dark and light pages, colour-blind or not, and in words for who cannot see."""

from __future__ import annotations

import base64
import html
import io
import math
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import matplotlib
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.text import Text
from matplotlib.ticker import LogFormatterSciNotation
from PIL import Image
from torch import Tensor

from course_lib.data.imageset import to_bytes
from course_lib.errors import CourseError
from course_lib.show.paint import as_png
from course_lib.training.budget import budget_name

SHORTEST_ALT = 15  # characters; less than that describes nothing
SHARP = 2  # pixels of a picture for each of the page: crisp on every screen
SMALL = 96  # pixels: larger pictures keep all their colours
READ = 4.5  # the least contrast of small words
LETTER = 0.085  # inches, of a letter of a row's name
RAISED = str.maketrans("0123456789-−", "⁰¹²³⁴⁵⁶⁷⁸⁹⁻⁻")

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


def sharpness(most: float) -> float:
    """Pixels of a picture for each of the page: `most`, or 1 at the smoke budget, where nobody looks."""
    return 1 if budget_name() == "smoke" else most


def legible(colour: str) -> str:
    """The colour, as much darker as it takes for small words in it to be read on white: a contrast of 4.5 to 1."""
    part, dark = np.array(to_rgb(colour)), np.zeros(3)
    return to_hex(next(mixed for share in range(11) if contrast(mixed := (part + share / 10 * (dark - part))) >= READ))


def contrast(colour: Any) -> float:
    """Of a colour to white, as WCAG counts it: from 1 to 21."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(colour)]
    return 1.05 / (float(np.dot(linear, (0.2126, 0.7152, 0.0722))) + 0.05)


def png(fig: Figure, sharp: float = 1) -> bytes:
    """The figure as PNG, `sharp` pixels for each of the page; it is closed, so that no notebook shows it twice."""
    buffer = io.BytesIO()
    with literally(fig):
        if budget_name() != "smoke":
            fig.draw_without_rendering()  # a first layout, so that the second has measured every title
        fig.savefig(buffer, format="png", dpi=sharp * fig.dpi, pil_kwargs={"compress_level": 0})
    plt.close(fig)
    return as_png(Image.open(buffer).convert("RGB"), exact=True)


class Powers(LogFormatterSciNotation):
    """The numbers at a logarithmic axis, with raised digits where matplotlib writes mathematics: 10⁻³."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        words = super().__call__(x, pos).replace(r"\times", "×")
        words = re.sub(r"\^\{(.*?)\}", lambda found: found[1].translate(RAISED), words)
        return re.sub(r"\$\\mathdefault\{(.*)\}\$", r"\1", words)


@contextmanager
def literally(fig: Figure) -> Iterator[None]:
    """No text of the figure is read as mathematics: a folder of images may have classes named with dollar signs."""
    for text in fig.findobj(Text):
        text.set_parse_math(False)
    for axis in (axis for axes in fig.axes for axis in (axes.xaxis, axes.yaxis)):
        for old, put in (
            (axis.get_major_formatter(), axis.set_major_formatter),
            (axis.get_minor_formatter(), axis.set_minor_formatter),
        ):
            if isinstance(old, LogFormatterSciNotation):  # the same labels, written otherwise
                put(Powers(old._base, old.labelOnlyBase, old.minor_thresholds, old._linthresh))
    with matplotlib.rc_context({"text.parse_math": False}):  # of what is made while the figure is drawn
        yield


def bundle(picture: bytes, alt: str, sharp: float = 1) -> dict[str, str]:
    """One picture in three forms: HTML with a real alt text, bare PNG for viewers that drop HTML, and the words alone.

    A picture with `sharp` pixels for each of the page is shown as much smaller. Raises CourseError when `alt` is too
    short to describe anything.
    """
    if len(alt) < SHORTEST_ALT:
        raise CourseError(
            f"alt: got {alt!r}, expected a sentence of at least {SHORTEST_ALT} characters that says what is seen"
        )
    code = base64.b64encode(picture).decode()
    words = html.escape(alt, quote=True)
    width = f' width="{round(Image.open(io.BytesIO(picture)).width / sharp)}"' if sharp > 1 else ""
    style = 'style="max-width:100%;height:auto"'
    return {
        "text/html": f'<img alt="{words}" src="data:image/png;base64,{code}"{width} {style}>',
        "image/png": code,
        "text/plain": alt,
    }


def figure(fig: Figure, alt: str) -> None:
    """Show a matplotlib figure in the notebook, with `alt` read aloud by screen readers."""
    from IPython.display import display

    sharp = sharpness(SHARP)
    display(bundle(png(fig, sharp), alt, sharp), raw=True)


def to_pixels(images: Tensor) -> np.ndarray:
    """[N, C, H, W] in [-1, 1] -> uint8 [N, H, W, 3], for 1 or 3 channels; no image is rescaled by its own range."""
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise CourseError(f"images: got shape {list(images.shape)}, expected [N, 1 or 3, H, W]")
    return to_bytes(images.detach().float().cpu()).expand(-1, 3, -1, -1).permute(0, 2, 3, 1).numpy()


def in_palette(pixels: np.ndarray, colours: int = 240) -> np.ndarray:
    """uint8 [N, H, W, 3] -> the same in so few colours that a page of small pictures takes a third of the bytes."""
    strip = Image.fromarray(pixels.reshape(-1, *pixels.shape[2:]))
    few = strip.quantize(colours, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE).convert("RGB")
    return np.asarray(few).reshape(pixels.shape)


def image_grid(
    images: Tensor,
    columns: int,
    titles: Sequence[str] = (),
    scale: float | None = None,
    rows: Sequence[str] = (),
    heads: Sequence[str] = (),
) -> Figure:
    """A figure with the images in rows of `columns`: a title over each, a name left of each row or over each column."""
    pixels = to_pixels(images)
    if images.shape[1] == 3 and max(images.shape[2:]) <= SMALL:
        pixels = in_palette(pixels)
    count = math.ceil(len(pixels) / columns)
    for name, given, expected, what in (
        ("titles", titles, len(pixels), "image"),
        ("rows", rows, count, "row"),
        ("heads", heads, columns, "column"),
    ):
        if given and len(given) != expected:
            raise CourseError(f"{name}: got {len(given)}, expected {expected}, one per {what}")
    side = scale or min(1.1, 11 / columns)
    height, width = pixels.shape[1:3]
    left = LETTER * max((len(line) for name in rows for line in name.splitlines()), default=0) + 0.06 * bool(rows)
    over = (0.26 if titles else 0.03) * count + (0.2 if heads else 0)
    fig, axes = plt.subplots(
        count, columns, figsize=(side * columns + left, side * height / width * count + over), squeeze=False
    )
    fig.get_layout_engine().set(w_pad=0.04 if rows else 0.01, h_pad=0.03, wspace=0.02, hspace=0.02)
    for position, axis in enumerate(axes.flat):
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
        row, column = divmod(position, columns)
        if rows and not column:
            axis.set_ylabel(rows[row], rotation=0, ha="right", va="center", fontsize=9)
        if position < len(pixels):
            axis.imshow(pixels[position])
        if titles and position < len(pixels):
            axis.set_title(titles[position], fontsize=9, pad=2)
        elif heads and not row:
            axis.set_title(heads[column], fontsize=9, pad=2)
        axis.xaxis.set_visible(False)  # it shows nothing, and what is visible is measured at each layout
        axis.yaxis.set_visible(bool(axis.get_ylabel()))
    return fig


def images(
    images: Tensor,
    alt: str,
    *,
    columns: int = 10,
    titles: Sequence[str] = (),
    scale: float | None = None,
    rows: Sequence[str] = (),
    heads: Sequence[str] = (),
) -> None:
    """Show images [N, C, H, W] in [-1, 1] as a grid. `scale` is the width of one image in inches.

    titles  a word over each image
    rows    a name left of each row of images
    heads   a name over each column
    """
    figure(image_grid(images, min(columns, len(images)), titles, scale, rows, heads), alt)


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


def grey(axis: Axes, image: Tensor, title: str, **options: Any) -> None:
    """A grey image [..., H, W] with values in [0, 1] on an axis; framed, so that a white one ends somewhere."""
    axis.imshow(image.detach().squeeze().numpy(), vmin=0, vmax=1, **options)
    axis.set(xticks=[], yticks=[])
    axis.set_title(title, fontsize=9)
    axis.spines[:].set_visible(True)


def numbers(
    axis: Axes,
    values: Tensor | Sequence[Sequence[float]],
    title: str = "",
    boxes: Sequence[tuple[int, int, int, int]] = (),
    high: float | None = None,
    signed: bool = False,
) -> None:
    """A small matrix [H, W] as cells with their numbers in them.

    Grey from 0 to `high` (default: the largest); with negative numbers red and blue, and zero always white.
    boxes   (row, column, height, width) of a part that gets a frame, each in the next colour
    signed  red and blue even where nothing is negative, for a matrix beside others that are
    """
    matrix = np.asarray(values, dtype=float) + 0.0  # which makes -0 a plain 0
    high = max(high or 0.0, np.abs(matrix).max(), 1e-12)
    signed = signed or bool((matrix < 0).any())
    axis.imshow(matrix, vmin=-high if signed else 0, vmax=high, cmap="RdBu_r" if signed else "gray")
    for (i, j), value in np.ndenumerate(matrix):
        dark = abs(value) > 0.6 * high if signed else value <= high / 2
        axis.text(j, i, f"{value:g}", ha="center", va="center", color="white" if dark else "black", size=13)
    for number, (i, j, height, width) in enumerate(boxes):
        corner = (j - 0.44, i - 0.44)
        axis.add_patch(Rectangle(corner, width - 0.12, height - 0.12, fill=False, ec=f"C{number}", lw=4))
    axis.set(xticks=[], yticks=[])
    axis.spines[:].set(visible=True, color="gray", lw=0.5)
    axis.set_title(title, fontsize=11)
    for lines, count in ((axis.axvline, matrix.shape[1]), (axis.axhline, matrix.shape[0])):
        for edge in range(1, count):
            lines(edge - 0.5, color="gray", lw=0.5)


def number_panels(
    panels: Sequence[tuple[Any, ...]],
    size: tuple[float, float],
    high: float | None = None,
    signed: Sequence[int] = (),
) -> Figure:
    """Matrices side by side with cells of one width, in a figure of `size` inches; a panel is what `numbers` takes.

    panels  (title, values [H, W]) or (title, values, boxes)
    signed  the panels that are red and blue even where nothing is negative
    """
    widths = [len(values[0]) for _, values, *_ in panels]
    fig, axes = plt.subplots(1, len(panels), figsize=size, width_ratios=widths, squeeze=False)
    for place, (axis, (title, values, *boxes)) in enumerate(zip(axes[0], panels, strict=True)):
        numbers(axis, values, title, *boxes, high=high, signed=place in signed)
    return fig
