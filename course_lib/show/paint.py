"""Small pictures for widgets, painted with Pillow: a few milliseconds, where a plotting library takes a hundred."""

from __future__ import annotations

import io
from collections.abc import Sequence
from functools import cache, lru_cache

import numpy as np
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from course_lib.data.imageset import to_bytes

INK, PAPER, SOFT = (34, 34, 34), (255, 255, 255), (110, 110, 110)
ORANGE, BLUE, GREY = (204, 85, 0), (24, 99, 170), (225, 225, 225)  # told apart by colour-blind readers
CLASSES = [  # matplotlib's petroff10: told apart by colour-blind readers
    *[(63, 144, 218), (255, 169, 14), (189, 31, 1), (148, 164, 162), (131, 45, 182)],
    *[(169, 107, 89), (231, 99, 0), (185, 172, 112), (113, 117, 129), (146, 218, 221)],
]
MANY_COLOURS = 4000


@cache
def font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.load_default(size)


def text_line(words: str, size: int = 15, colour: tuple[int, int, int] = INK, width: int | None = None) -> Image.Image:
    """One line of words on white paper."""
    box = font(size).getbbox(words or " ")
    image = Image.new("RGB", (width or box[2] + 4, size + 8), PAPER)
    ImageDraw.Draw(image).text((2, 2), words, fill=colour, font=font(size))
    return image


def written(value: float, decimals: int) -> str:
    """The number as a person would write it: no minus before zero."""
    words = f"{value:.{decimals}f}"
    return words.lstrip("-") if float(words) == 0 else words


@lru_cache(20_000)
def number_cell(words: str, shade: int, side: int) -> Image.Image:
    """One grey cell with its number. Kept, since drawing letters is the slow part."""
    image = Image.new("RGB", (side + 1, side + 1), (shade,) * 3)
    pen = ImageDraw.Draw(image)
    pen.rectangle((0, 0, side, side), outline=(128, 128, 128) if words else GREY)
    if side >= 20:
        pen.text(
            (side / 2, side / 2),
            words,
            fill=INK if shade > 130 else PAPER,
            font=font(max(9, int(side * 0.36))),
            anchor="mm",
        )
    return image


def number_grid(
    values: Tensor,
    *,
    cell: int = 34,
    low: float = 0.0,
    high: float = 1.0,
    decimals: int = 1,
    boxes: Sequence[tuple[int, int, int, int]] = (),
    known: Tensor | None = None,
    title: str = "",
) -> Image.Image:
    """A matrix [H, W] as grey cells with the numbers written in.

    low, high  values painted black and white
    boxes      (row, column, height, width) of cells to frame in orange
    known      bool [H, W]; cells that are False are left blank
    """
    values = values.detach().cpu().double()
    height, width = values.shape
    top = 26 if title else 2
    image = Image.new("RGB", (width * cell + 3, height * cell + 3 + top), PAPER)
    pen = ImageDraw.Draw(image)
    if title:
        pen.text((2, 2), title, fill=INK, font=font(15))
    shades = (((values - low) / max(high - low, 1e-9)).clamp(0, 1) * 255).round().int().tolist()
    numbers, shown = values.tolist(), None if known is None else known.tolist()
    for row in range(height):
        for column in range(width):
            blank = shown is not None and not shown[row][column]
            tile = number_cell(
                "" if blank else written(numbers[row][column], decimals), 255 if blank else shades[row][column], cell
            )
            image.paste(tile, (1 + column * cell, top + row * cell))
    for row, column, tall, wide in boxes:
        frame = (1 + column * cell, top + row * cell, 1 + (column + wide) * cell, top + (row + tall) * cell)
        pen.rectangle(frame, outline=ORANGE, width=4)
    return image


def hex_code(colour: tuple[int, int, int]) -> str:
    """As matplotlib and browsers write it: "#cc5500"."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def dot(pen: ImageDraw.ImageDraw, x: float, y: float, colour: tuple[int, int, int]) -> None:
    """A small dot with a dark rim, so that a pale one is seen on white."""
    pen.ellipse((x - 2.5, y - 2.5, x + 2.5, y + 2.5), fill=colour, outline=tuple(part // 2 for part in colour))


def class_colour(label: int) -> tuple[int, int, int]:
    return CLASSES[label % len(CLASSES)]


def tiled(images: Tensor, columns: int) -> Tensor:
    """Images [rows * columns, C, H, W] row by row -> one image [C, rows * H, columns * W]."""
    return images.unflatten(0, (-1, columns)).permute(2, 0, 3, 1, 4).flatten(3, 4).flatten(1, 2)


def raw(images: Tensor) -> bytes:
    """Images [N, C, H, W] in [-1, 1] -> uint8 [N, H, W, C], for a browser that paints them."""
    return to_bytes(images.detach().cpu()).permute(0, 2, 3, 1).contiguous().numpy().tobytes()


def enlarged(image: Tensor, side: int) -> Image.Image:
    """One image [C, H, W] in [-1, 1], its larger side blown up to `side` pixels, every pixel a sharp square."""
    pixels = to_bytes(image.detach().cpu()).expand(3, -1, -1).permute(1, 2, 0).numpy()
    scale = side / max(pixels.shape[:2])
    size = (round(pixels.shape[1] * scale), round(pixels.shape[0] * scale))
    return Image.fromarray(np.ascontiguousarray(pixels)).resize(size, Image.Resampling.NEAREST)


def bars(values: Sequence[float], names: Sequence[str], width: int = 260, height: int = 22) -> Image.Image:
    """Horizontal bars for probabilities in [0, 1]; the largest is orange."""
    image = Image.new("RGB", (width + 110, height * len(values) + 4), PAPER)
    pen = ImageDraw.Draw(image)
    best = max(range(len(values)), key=lambda i: values[i])
    for i, (value, name) in enumerate(zip(values, names, strict=True)):
        y = i * height + 2
        pen.text((48, y + height / 2), name, fill=INK, font=font(14), anchor="rm")
        pen.rectangle((54, y + 3, 54 + max(1, value * width), y + height - 3), fill=ORANGE if i == best else BLUE)
        pen.text((60 + value * width, y + height / 2), f"{value:.0%}", fill=SOFT, font=font(12), anchor="lm")
    return image


def beside(*images: Image.Image, gap: int = 18) -> Image.Image:
    """Images in a row, tops aligned."""
    sheet = Image.new(
        "RGB", (sum(i.width for i in images) + gap * (len(images) - 1), max(i.height for i in images)), PAPER
    )
    x = 0
    for image in images:
        sheet.paste(image, (x, 0))
        x += image.width + gap
    return sheet


def above(*images: Image.Image, gap: int = 8) -> Image.Image:
    """Images in a column, left edges aligned."""
    sheet = Image.new(
        "RGB", (max(i.width for i in images), sum(i.height for i in images) + gap * (len(images) - 1)), PAPER
    )
    y = 0
    for image in images:
        sheet.paste(image, (0, y))
        y += image.height + gap
    return sheet


def filmstrip(images: Tensor, share: float, side: int) -> Image.Image:
    """Images [N, C, H, W] in a row, each `side` pixels large, under a mark at `share` of the way from first to last."""
    tiles = [enlarged(image, side) for image in images]
    row, mark = beside(*tiles, gap=side // 16), side // 9
    ruler = Image.new("RGB", (row.width, 2 * mark), PAPER)
    x = tiles[0].width / 2 + share * (row.width - tiles[0].width)
    ImageDraw.Draw(ruler).polygon([(x - mark, 1), (x + mark, 1), (x, 2 * mark - 2)], fill=ORANGE)
    return above(ruler, row, gap=0)


def as_png(image: Image.Image, exact: bool = False) -> bytes:
    """PNG of at most 256 colours, a third of the size. Grey pictures keep every shade, photographs every colour.

    exact  choose the colours so that nobody sees a difference, and pack tightly (0.1 s); else a shade off (9 ms)
    """
    buffer = io.BytesIO()
    red, green, blue = (np.asarray(channel) for channel in image.split())
    if np.array_equal(red, green) and np.array_equal(red, blue):
        image = image.convert("L")
    elif image.getcolors(MANY_COLOURS):  # None for more: a photograph, which would show bands
        method = Image.Quantize.MEDIANCUT if exact else Image.Quantize.FASTOCTREE
        image = image.quantize(256, method=method, dither=Image.Dither.NONE)
    image.save(buffer, "PNG", optimize=exact)
    return buffer.getvalue()
