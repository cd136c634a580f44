"""Your own pictures: a folder of image files, in one subfolder per class or all in one place."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from course_lib.errors import CourseError

ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"}
TEST_SHARE = 10  # one picture in ten is kept for testing


def folder(path: str | Path, split: str = "train", size: int = 32) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    """Every image under `path`, cropped to its central square and resized (antialiased) to size x size.

    Returns uint8 images [N, C, size, size], int64 labels [N] and the class names. C is 1 if every file is grey, else 3.
    Subfolders with images are the classes, in alphabetical order; images right in `path` are one class. If `path` holds
    `train` and `test`, those are the splits; otherwise one image in ten, chosen by a fixed shuffle, is the test split.
    Transparent parts become background (black).
    Raises CourseError for a missing or empty folder, or an unreadable image, which it names.
    """
    root = Path(path).expanduser()
    if not str(path) or not root.is_dir():
        raise CourseError(f"folder: {str(path)!r} is not a folder; expected folder:PATH with image files in it")
    own_splits = (root / "train").is_dir() and (root / "test").is_dir()
    roots = {name: root / name if own_splits else root for name in ("train", "test")}
    flat_name = root.resolve().name  # the one class, where there are no class folders
    found = _classes(roots[split], flat_name)
    other = _classes(roots["test" if split == "train" else "train"], flat_name) if own_splits else found
    names = tuple(sorted({*found, *other}))
    files = [(file, label) for label, name in enumerate(names) for file in found.get(name, [])]
    if not files:
        raise CourseError(f"folder: no images in {roots[split]}, expected files such as .png or .jpg, or class folders")
    order = torch.randperm(len(files), generator=torch.Generator().manual_seed(0)).tolist()
    if not own_splits and len(files) > 1:
        held_out = max(1, len(files) // TEST_SHARE)
        order = order[:held_out] if split == "test" else order[held_out:]
    files = [files[i] for i in order]
    with ThreadPoolExecutor() as pool:
        # Both splits are asked, so that they have as many channels.
        grey = all(pool.map(_is_grey, [path for part in (found, other) for paths in part.values() for path in paths]))
        pictures = list(pool.map(lambda item: _read(item[0], size, "L" if grey else "RGB"), files))
    images = torch.from_numpy(np.stack(pictures)).reshape(len(files), size, size, -1)
    return images.permute(0, 3, 1, 2).contiguous(), torch.tensor([label for _, label in files]), names


def _classes(root: Path, flat_name: str) -> dict[str, list[Path]]:
    """Class name -> its image files, sorted. Hidden files and folders are passed over."""
    try:
        flat = _images(root, "*")
        folders = [entry for entry in root.iterdir() if entry.is_dir() and entry.name[0] != "."]
        found = {entry.name: files for entry in folders if (files := _images(entry, "**/*"))}
    except OSError as error:
        raise CourseError(f"folder: cannot read {root} ({error.strerror})") from error
    if flat and found:
        raise CourseError(
            f"folder: {root} has both images and class folders ({', '.join(sorted(found))}), expected one or the other"
        )
    return {flat_name: flat} if flat else found


def _images(root: Path, pattern: str) -> list[Path]:
    visible = (p for p in root.glob(pattern) if not any(part[0] == "." for part in p.relative_to(root).parts))
    return sorted(p for p in visible if p.suffix.lower() in ENDINGS and p.is_file())


def _is_grey(path: Path) -> bool:
    from PIL import Image

    try:
        with Image.open(path) as image:  # reads the header only
            return image.mode in ("1", "L", "LA", "La", "F") or image.mode.startswith("I")
    except Exception as error:
        raise _unreadable(path, error) from error


def _read(path: Path, size: int, mode: str) -> np.ndarray:
    """uint8 [size, size] for the mode "L", [size, size, 3] for "RGB"."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path) as image:
            image.draft(None, (2 * size, 2 * size))  # lets a large JPEG be decoded at a fraction of its size
            image = ImageOps.exif_transpose(image)  # a camera held upright
            if image.mode.startswith(("I", "F")):  # 16 bits of grey or more
                values = np.asarray(image, dtype=np.float64)
                values = values / 257 if values.max() > 255 else values
                image = Image.fromarray(values.clip(0, 255).astype(np.uint8))
            if image.mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in image.info:
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "black"), image)
            image = image.convert(mode)
            return np.asarray(ImageOps.fit(image, (size, size), Image.Resampling.BILINEAR))
    except Exception as error:  # Pillow raises a dozen kinds
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: Exception) -> CourseError:
    reason = " ".join(str(error).split()) or type(error).__name__
    return CourseError(f"folder: cannot read the image {path} ({reason}), expected a picture; remove or replace it")
