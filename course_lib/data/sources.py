"""Real image sets, by torchvision's names, addresses and checksums, in torchvision's folders.

Files that are there are only read, so the data root may be read-only. Files that are missing are fetched into memory,
checked, and written in one step: a download that fails leaves nothing behind. Nothing is unpickled; CIFAR-10 comes in
its binary version for that reason.
"""

from __future__ import annotations

import gzip
import io
import math
import os
import tarfile
import zlib
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

SUMS = {  # MD5 of the unpacked files; torchvision knows those of the packed ones only
    "MNIST": {
        "train-images-idx3-ubyte": "6bbc9ace898e44ae57da46a324031adb",
        "train-labels-idx1-ubyte": "a25bea736e30d166cdddb491f175f624",
        "t10k-images-idx3-ubyte": "2646ac647ad5339dbf082846283269ea",
        "t10k-labels-idx1-ubyte": "27ae3e4e09519cfbb04c329615203637",
    },
    "FashionMNIST": {
        "train-images-idx3-ubyte": "f4a8712d7a061bf5bd6d2ca38dc4d50a",
        "train-labels-idx1-ubyte": "9018921c3c673c538a1fc5bad174d6f9",
        "t10k-images-idx3-ubyte": "8181f5470baa50b63fa0f6fddb340f0a",
        "t10k-labels-idx1-ubyte": "15d484375f8d13e6eb1aabb0c3f46965",
    },
}
NOTED = "checksums.md5"  # beside CIFAR-10's files, as md5sum writes it: of each file, when the archive was unpacked

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
    both = files("cifar10")
    wanted = both[:5] if split == "train" else both[5:]
    if not all(os.path.isfile(path) for path in wanted):
        _unpack_cifar10(both)
    record = 1 + 3 * 32 * 32  # a label, then the red, green and blue planes
    expected = CIFAR10_ROWS * record
    sums = _noted(both[0].with_name(NOTED))
    rows = []
    for path in wanted:
        content = _content(path)
        if len(content) != expected:
            raise CourseError(_damaged(path, f"{len(content)} bytes, expected {expected}"))
        if sums.get(path.name, md5 := download.md5_of(content)) != md5:
            raise CourseError(_damaged(path, f"wrong checksum: {NOTED} beside it has another"))
        rows.append(np.frombuffer(content, np.uint8).reshape(-1, record))
        if rows[-1][:, 0].max() > 9:
            raise CourseError(_damaged(path, f"a label of {rows[-1][:, 0].max()}, expected 0 to 9"))
    table = torch.from_numpy(np.concatenate(rows))
    return table[:, 1:].reshape(-1, 3, 32, 32), table[:, 0].long(), CIFAR10_NAMES


def files(name: str) -> list[Path]:
    """Where the files of a real set lie, unpacked, both splits, whether or not they are there."""
    if name == "cifar10":
        names = [*(f"data_batch_{i}.bin" for i in range(1, 6)), "test_batch.bin"]
        return [data_root() / "cifar-10-batches-bin" / name for name in names]
    folder = {"mnist": "MNIST", "fashion": "FashionMNIST"}[name]
    return [data_root() / folder / "raw" / filename for filename in SUMS[folder]]


def _idx_set(name: str, dataset: type, split: str) -> tuple[Tensor, Tensor]:
    """Images and labels of a set in MNIST's own file format, of which torchvision's class knows names and sums."""
    folder = data_root() / dataset.__name__ / "raw"
    part = "train" if split == "train" else "t10k"
    arrays = []
    for filename, md5 in sorted(item for item in dataset.resources if item[0].startswith(part)):  # images, labels
        path = folder / filename.removesuffix(".gz")
        if not os.path.isfile(path):
            packed = download.fetch(name, [mirror + filename for mirror in dataset.mirrors], md5, folder)
            try:
                content = gzip.decompress(packed)
            except (OSError, EOFError, zlib.error) as error:
                raise CourseError(_cannot_unpack(name, filename, error)) from None
            _store(name, path, content)
        arrays.append(_read_idx(path, SUMS[dataset.__name__][path.name], dimensions=3 if "images" in filename else 1))
    images, labels = arrays
    if len(images) != len(labels):
        raise CourseError(_damaged(path, f"{len(labels)} labels, expected {len(images)}, one per image"))
    if labels.max() > 9:
        raise CourseError(_damaged(path, f"a label of {labels.max()}, expected 0 to 9"))
    return images[:, None], labels.long()


def _read_idx(path: Path, md5: str, dimensions: int) -> Tensor:
    """idx format: two zero bytes, the type (8: bytes), the number of dimensions, each as big-endian int32, the data."""
    content = _content(path)
    start = 4 + 4 * dimensions
    if len(content) < start or content[:4] != bytes([0, 0, 8, dimensions]):
        raise CourseError(_damaged(path, f"it does not start as an idx file of {dimensions} dimensions does"))
    shape = np.frombuffer(content, ">i4", dimensions, 4).tolist()
    if min(shape) < 1:
        raise CourseError(_damaged(path, f"sizes {shape}, expected 1 or more of each"))
    expected = start + math.prod(shape)  # of Python's numbers, which do not wrap around
    if len(content) != expected:
        raise CourseError(_damaged(path, f"{len(content)} bytes, expected {expected}"))
    if download.md5_of(content) != md5:
        raise CourseError(_damaged(path, "wrong checksum"))
    return torch.from_numpy(np.frombuffer(content, np.uint8, offset=start).reshape(shape).copy())


def _unpack_cifar10(paths: list[Path]) -> None:
    folder = paths[0].parent
    archive = download.fetch("cifar10", [CIFAR10_URL], CIFAR10_MD5, folder.parent)
    try:
        with tarfile.open(fileobj=io.BytesIO(archive)) as tar:  # by name: nothing else in it is written anywhere
            contents = [tar.extractfile(f"{folder.name}/{path.name}").read() for path in paths]
    except (tarfile.TarError, KeyError, AttributeError, OSError, EOFError, zlib.error) as error:
        raise CourseError(_cannot_unpack("cifar10", CIFAR10_URL.rsplit("/", 1)[1], error)) from None
    for path, content in zip(paths, contents, strict=True):
        _store("cifar10", path, content)
    lines = [f"{download.md5_of(content)}  {path.name}\n" for path, content in zip(paths, contents, strict=True)]
    _store("cifar10", folder / NOTED, "".join(lines).encode())


def _noted(path: Path) -> dict[str, str]:
    """File name -> MD5 sum; empty where somebody else unpacked the files and noted nothing."""
    if not os.path.isfile(path):
        return {}
    lines = _content(path).decode(errors="replace").splitlines()
    return {name: md5 for md5, _, name in (line.partition("  ") for line in lines)}


def _content(path: Path) -> bytes:
    try:
        return download.read(path)
    except OSError as error:
        raise CourseError(f"data file: cannot read {path} ({error.strerror or error})") from error


def _damaged(path: Path, found: str) -> str:
    return f"data file: {path} is damaged ({found}); delete it and load again, or set COURSE_DATASET=strokes"


def _cannot_unpack(name: str, filename: str, error: Exception) -> str:
    reason = " ".join(str(error).split()) or type(error).__name__
    return f"{name}: cannot unpack {filename} ({reason}), though its checksum is right; set COURSE_DATASET=strokes"


def _store(name: str, path: Path, content: bytes) -> None:
    try:
        write_whole(path, lambda part: part.write_bytes(content))
    except OSError as error:
        raise CourseError(
            f"{name}: cannot write {path} ({error.strerror}); set COURSE_DATA to a folder with space that can be "
            "written to, or use the embedded default, COURSE_DATASET=strokes"
        ) from error
