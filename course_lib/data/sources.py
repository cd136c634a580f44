"""Real image sets, by torchvision's names, addresses and checksums, in torchvision's folders.

Files that are there are only read, so the data root may be read-only. Files that are missing are fetched into memory,
checked, and written in one step: a download that fails leaves nothing behind. Nothing is unpickled; CIFAR-10 comes in
its binary version for that reason.
"""

from __future__ import annotations

import gzip
import io
import os
import tarfile
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from course_lib.data import download
from course_lib.data.imageset import DIGIT_NAMES
from course_lib.errors import CourseError
from course_lib.places import data_root, write_whole

CIFAR10_URL = "https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz"
CIFAR10_MD5 = "c32a1d4ab5d03f1284b67883e8d87530"
CIFAR10_ROWS = 10_000  # images in each of its files
CIFAR10_NAMES = ("airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")

Source = tuple[Tensor, Tensor, tuple[str, ...]]  # uint8 [N, C, H, W], int64 [N], class names


def mnist(split: str) -> Source:
    """MNIST (LeCun et al., 1998): 60,000 / 10,000 handwritten digits, 28x28, grey."""
    from torchvision.datasets import MNIST

    return *_idx_set("mnist", MNIST, split), DIGIT_NAMES


def fashion(split: str) -> Source:
    """Fashion-MNIST (Xiao et al., 2017): 60,000 / 10,000 pieces of clothing, 28x28, grey."""
    from torchvision.datasets import FashionMNIST

    return *_idx_set("fashion", FashionMNIST, split), tuple(FashionMNIST.classes)


def cifar10(split: str) -> Source:
    """CIFAR-10 (Krizhevsky, 2009): 50,000 / 10,000 small photographs of ten classes, 32x32, RGB."""
    folder = data_root() / "cifar-10-batches-bin"
    both = [folder / f"data_batch_{i}.bin" for i in range(1, 6)] + [folder / "test_batch.bin"]
    files = both[:5] if split == "train" else both[5:]
    if not all(os.path.isfile(path) for path in files):
        archive = download.fetch("cifar10", [CIFAR10_URL], CIFAR10_MD5, folder.parent)
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
            for path in both:  # by name: nothing else in the archive is written anywhere
                _store("cifar10", path, tar.extractfile(f"{folder.name}/{path.name}").read())
    record = 1 + 3 * 32 * 32  # a label, then the red, green and blue planes
    expected = CIFAR10_ROWS * record
    rows = []
    for path in files:
        content = _content(path)
        if len(content) != expected:
            raise CourseError(_damaged(path, f"{len(content)} bytes, expected {expected}"))
        rows.append(np.frombuffer(content, np.uint8).reshape(-1, record))
        if rows[-1][:, 0].max() > 9:
            raise CourseError(_damaged(path, f"a label of {rows[-1][:, 0].max()}, expected 0 to 9"))
    table = torch.from_numpy(np.concatenate(rows))
    return table[:, 1:].reshape(-1, 3, 32, 32), table[:, 0].long(), CIFAR10_NAMES


def _idx_set(name: str, dataset: type, split: str) -> tuple[Tensor, Tensor]:
    """Images and labels of a set in MNIST's own file format, of which torchvision's class knows names and sums."""
    folder = data_root() / dataset.__name__ / "raw"
    part = "train" if split == "train" else "t10k"
    arrays = []
    for filename, md5 in sorted(item for item in dataset.resources if item[0].startswith(part)):  # images, labels
        path = folder / filename.removesuffix(".gz")
        if not os.path.isfile(path):
            packed = download.fetch(name, [mirror + filename for mirror in dataset.mirrors], md5, folder)
            _store(name, path, gzip.decompress(packed))
        arrays.append(_read_idx(path, dimensions=3 if "images" in filename else 1))
    images, labels = arrays
    if len(images) != len(labels) or not len(images):
        raise CourseError(_damaged(path, f"{len(labels)} labels, expected {len(images)}, one per image"))
    if labels.max() > 9:
        raise CourseError(_damaged(path, f"a label of {labels.max()}, expected 0 to 9"))
    return images[:, None], labels.long()


def _read_idx(path: Path, dimensions: int) -> Tensor:
    """idx format: two zero bytes, the type (8: bytes), the number of dimensions, each as big-endian int32, the data."""
    content = _content(path)
    start = 4 + 4 * dimensions
    if len(content) < start or content[:4] != bytes([0, 0, 8, dimensions]):
        raise CourseError(_damaged(path, f"it does not start as an idx file of {dimensions} dimensions does"))
    shape = np.frombuffer(content, ">i4", dimensions, 4).tolist()
    expected = start + int(np.prod(shape))
    if len(content) != expected:
        raise CourseError(_damaged(path, f"{len(content)} bytes, expected {expected}"))
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy())


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CourseError(f"data file: cannot read {path} ({error.strerror})") from error


def _damaged(path: Path, found: str) -> str:
    return f"data file: {path} is damaged ({found}); delete it and load again, or set COURSE_DATASET=strokes"


def _store(name: str, path: Path, content: bytes) -> None:
    try:
        write_whole(path, lambda part: part.write_bytes(content))
    except OSError as error:
        raise CourseError(
            f"{name}: cannot write {path} ({error.strerror}); set COURSE_DATA to a folder with space that can be "
            "written to, or use the embedded default, COURSE_DATASET=strokes"
        ) from error
