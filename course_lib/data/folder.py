"""Your own pictures: a folder of image files, in one subfolder per class or all in one place."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from course_lib.data.pictures import is_grey, read
from course_lib.errors import CourseError, quoted
from course_lib.places import at_home, say

ENDINGS = {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"}
TEST_SHARE = 5  # one picture in five of every class is kept for testing
TRAIN_FOLDERS = ("train", "training")  # in any mixture of capitals
TEST_FOLDERS = ("test", "testing", "val", "valid", "validation")  # the first that is there

FLAT = ""  # stands for the one class where there are no class folders, until it is named after the whole folder
Classes = dict[str, list[Path]]  # class name -> its image files, sorted


def folder(path: str | Path, split: str = "train", size: int = 32) -> tuple[Tensor, Tensor, tuple[str, ...]]:
    """Every image of a split, cropped to its central square and resized (antialiased) to size x size.

    Returns uint8 images [N, C, size, size], int64 labels [N] and the class names. C is 1 if every file is grey, else 3.
    Transparent parts become background (black); see `listing` for classes and splits.
    Raises CourseError for a missing or empty folder, and for an unreadable image or folder, which it names.
    """
    parts = listing(path)
    names = tuple(sorted({*parts["train"], *parts["test"]}))
    files = [(file, label) for label, name in enumerate(names) for file in parts[split].get(name, [])]
    order = torch.randperm(len(files), generator=torch.Generator().manual_seed(0)).tolist()
    files = [files[i] for i in order]
    both = [file for part in parts.values() for class_files in part.values() for file in class_files]
    with ThreadPoolExecutor() as pool, warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*decompression bomb", module="PIL")  # `read` has a limit of its own
        # Both splits are asked, so that they have as many channels; and every file, so that a broken one is named.
        grey = all(list(pool.map(lambda file: is_grey(file, size), both)))
        pictures = list(pool.map(lambda item: read(item[0], size, "L" if grey else "RGB"), files))
    images = torch.from_numpy(np.stack(pictures)).reshape(len(files), size, size, -1)
    return images.permute(0, 3, 1, 2).contiguous(), torch.tensor([label for _, label in files]), names


def listing(path: str | Path) -> dict[str, Classes]:
    """The image files under `path`: "train" and "test" -> class -> files.

    Subfolders with images are the classes; images right in `path` are one class. If `path` holds folders such as
    `train` and `test` (or `val`), those are the splits; otherwise one image in five of every class, chosen by a fixed
    shuffle, is kept for testing. Hidden files and folders are passed over.
    """
    root = at_home(path, "folder")
    if not str(path) or not os.path.isdir(root):
        raise CourseError(f"folder: got {quoted(str(path))}, expected a folder with image files in it")
    try:
        entries = list(_visible(root))
        folders = {entry.name.lower(): entry for entry in entries if entry.is_dir()}
        train = next((folders[name] for name in TRAIN_FOLDERS if name in folders), None)
        test = next((folders[name] for name in TEST_FOLDERS if name in folders), None)
        own_splits = train and test
        parts = {"train": _classes(train), "test": _classes(test)} if own_splits else _held_out(_classes(root), root)
    except OSError as error:
        raise CourseError(f"folder: cannot read {error.filename} ({error.strerror})") from error
    if (FLAT in parts["train"]) != (FLAT in parts["test"]):
        raise CourseError(f"folder: one of {train} and {test} has class folders and the other has none, expected both")
    unused = [entry for entry in entries if entry not in (train, test) and (entry.is_dir() or _is_image(entry))]
    if own_splits and unused:
        say(f"folder: {train} and {test} are the splits; what lies beside them is not used, such as {unused[0].name}")
    flat_name = root.resolve().name
    return {
        split: {flat_name if name == FLAT else name: files for name, files in part.items()}
        for split, part in parts.items()
    }


def _held_out(found: Classes, root: Path) -> dict[str, Classes]:
    """Split every class by itself, so that even a rare one has an image to test on."""
    generator = torch.Generator().manual_seed(0)
    parts: dict[str, Classes] = {"train": {}, "test": {}}
    for name, files in sorted(found.items()):
        shuffled = [files[i] for i in torch.randperm(len(files), generator=generator).tolist()]
        count = max(1, len(files) // TEST_SHARE) if len(files) > 1 else 0
        parts["train"][name] = shuffled[count:]
        if count:
            parts["test"][name] = shuffled[:count]
    if not parts["test"]:
        say(f"folder: {root} has too few images to keep one for testing; the same serve for both")
        return {"train": found, "test": found}
    return parts


def _classes(root: Path) -> Classes:
    """The classes in `root`, or one named FLAT; at least one image."""
    flat = sorted(entry for entry in _visible(root) if _is_image(entry))
    found = {entry.name: files for entry in _visible(root) if entry.is_dir() and (files := _images_under(entry))}
    if flat and found:
        raise CourseError(
            f"folder: {root} has both images and class folders ({', '.join(sorted(found))}), expected one or the other"
        )
    if len(found) == 1:
        ((name, files),) = found.items()
        if all(file.parent != root / name for file in files):  # an archive unpacked into a folder of its own
            raise CourseError(
                f"folder: {root} has one folder, {name}, and the images lie in folders inside that, "
                f"expected class folders; did you mean folder:{root / name}?"
            )
    if not flat and not found:
        raise CourseError(f"folder: no images in {root}, expected files such as .png or .jpg, or class folders")
    return {FLAT: flat} if flat else found


def _images_under(root: Path) -> list[Path]:
    """All image files, however deep. Raises OSError for a folder that cannot be read, which glob would pass over."""

    def refuse(error: OSError) -> None:
        raise error

    found: list[Path] = []
    for place, folders, names in os.walk(root, onerror=refuse):
        folders[:] = [name for name in folders if name[0] != "."]
        found += [file for name in names if name[0] != "." and _is_image(file := Path(place, name))]
    return sorted(found)


def _visible(root: Path) -> Iterator[Path]:
    return (entry for entry in sorted(root.iterdir()) if entry.name[0] != ".")


def _is_image(path: Path) -> bool:
    """By its name. A link to nowhere counts, so that it is named and not passed over."""
    return path.suffix.lower() in ENDINGS and (path.is_file() or (path.is_symlink() and not path.is_dir()))
