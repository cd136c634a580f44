"""One image file of any kind as a square of bytes: its central square, resized, its transparent parts black."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from course_lib.errors import CourseError

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

LARGEST = 50_000_000  # pixels; decoding takes a few bytes for each
LARGE = 4_000_000  # pixels; of those above, one is decoded at a time
ROUNDING = 1e-3  # how far rounding may carry a floating-point pixel out of [0, 1]
_one_large = Lock()


def is_grey(path: Path, size: int) -> bool:
    """Whether a file has no colours, from its header. Raises CourseError when `read` is sure to refuse it."""
    from PIL import Image

    try:
        with Image.open(path) as image:
            _pixels(image, size)
            return image.mode in ("1", "L", "LA", "La", "F") or image.mode.startswith("I")
    except Exception as error:  # Pillow raises a dozen kinds
        raise _unreadable(path, error) from error


def read(path: Path, size: int, mode: str) -> np.ndarray:
    """uint8 [size, size] for the mode "L", [size, size, 3] for "RGB"."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as image, _one_large if _pixels(image, size) > LARGE else nullcontext():
            file_format = image.format  # a turned copy forgets it
            image = ImageOps.exif_transpose(image)  # a camera held upright
            if image.mode.startswith(("I", "F")):
                image = _eight_bits(image, file_format)
            if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image)
            image = image.convert(mode)
            return np.asarray(ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR))
    except Exception as error:
        raise _unreadable(path, error) from error


def _pixels(image: Picture, size: int) -> int:
    """How many pixels will be decoded; a JPEG can be decoded at a fraction of its size. Refuses too many."""
    image.draft(None, (2 * size, 2 * size))
    pixels = image.width * image.height
    if pixels > LARGEST:
        raise ValueError(f"{image.width} x {image.height} pixels, at most {LARGEST:,} in all can be read")
    return pixels


def _eight_bits(image: Picture, file_format: str | None) -> Picture:
    """Grey of 16 bits or floating point as 8 bits. What is white follows from the kind of file, never from its values:
    a dark picture stays dark.
    """
    from PIL import Image

    values = np.asarray(image, dtype=np.float32)
    if image.mode == "F":
        low, high = values.min(), values.max()
        if not (low >= -ROUNDING and high <= 1 + ROUNDING):  # NaN is refused, too
            raise ValueError(f"floating-point values from {low:g} to {high:g}, which should lie in 0 to 1")
        values = values * 255
    elif image.mode == "I" and file_format not in ("PNG", "PPM"):  # those two have 16 bits at most
        raise ValueError("whole numbers of 32 bits, where nothing says which is white; save it with 8 or 16 bits")
    else:
        values = values / 257  # 65,535 / 255
    return Image.fromarray(np.rint(values).clip(0, 255).astype(np.uint8))


def _unreadable(path: Path, error: Exception) -> CourseError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return CourseError(f"folder: cannot read the image {path} ({reason}), expected a picture; remove or replace it")
