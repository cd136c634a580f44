"""Drawn digits, kept on disk: drawing 60,000 takes seconds, reading them back takes a fraction of one."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from course_lib.data.checksum import checksum
from course_lib.data.imageset import ImageSet, from_bytes, to_bytes
from course_lib.errors import CourseError
from course_lib.places import cache_root, say, write_whole

# A change in any other file of this folder may change what is drawn, so their text is part of the key.
NOT_DRAWING = {
    "__init__.py",
    "arguments.py",
    "augment.py",
    "batches.py",
    "cache.py",
    "checksum.py",
    "download.py",
    "folder.py",
    "pictures.py",
    "sources.py",
    "worlds.py",
}
OTHER_WORLDS = ("drawn_world", "landscape", "new_worlds", "portrait")  # how the files of portraits and landscapes begin
Tensors = dict[str, Tensor]
LAYOUT = 2  # of the files below; a new number leaves old files unused


def drawn(count: int, *, size: int, seed: int, split: str, colour: bool, device: str | torch.device) -> ImageSet:
    """`strokes.draw` with these arguments, from disk where they were drawn before.

    Images are rounded to the 256 levels of a byte, drawn now or read back, so that both are equal bit for bit.
    A device type has files of its own, since a GPU rounds differently in the last bit.
    """
    arguments = dict(count=count, size=size, seed=seed, split=split, colour=colour, device=torch.device(device).type)
    key = hashlib.sha256(json.dumps([arguments, LAYOUT, torch.__version__, _sources()]).encode()).hexdigest()[:16]

    def draw() -> ImageSet:
        from course_lib.data.strokes import draw

        return draw(count, size=size, seed=seed, colour=colour, device=device, split=split)

    try:
        path = cache_root() / "strokes" / f"{split}_{size}px_{count}_seed{seed}_{key}.safetensors"
    except CourseError as error:
        say(f"cannot keep what is drawn ({error}); going on without")
        return draw()
    shape = (count, 3 if colour else 1, size, size)
    return _unpack(kept(path, lambda: _pack(draw()), lambda tensors: _expect(tensors, shape))).to(device)


def kept(path: Path, make: Callable[[], Tensors], check: Callable[[Tensors], None]) -> Tensors:
    """The tensors in the file `path`; if it is missing or damaged they are made and written there first.

    Damaged is also a file whose checksum is right but which was written under another name, that is for other
    arguments, or whose tensors `check` raises an error for.
    Two processes that want the same file: one makes it, the other waits and reads. Where nothing can be written the
    tensors are made all the same. Both a damaged file and a failed write are said in one line on stderr.
    """
    import filelock

    found = _read(path, check)
    if found is not None:
        return found
    lock = filelock.FileLock(path.with_name(path.name + ".lock"))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except (OSError, NotImplementedError) as error:  # a read-only folder; a file system without locks
        say(f"cannot keep files in {path.parent} ({error}); going on without")
        return make()
    try:
        found = _read(path, check, quiet=True)  # somebody else may have made it while we waited
        if found is None:
            found = make()
            for part in path.parent.glob(f".{path.name}.*.part"):  # of a process killed while writing
                part.unlink(missing_ok=True)
            try:
                write_whole(path, lambda part: _write(part, path.name, found))
            except Exception as error:  # no space, or safetensors' own error for it: what was made is still good
                say(f"cannot keep {path} ({error}); going on without")
        return found
    finally:
        lock.release()


def _read(path: Path, check: Callable[[Tensors], None], quiet: bool = False) -> Tensors | None:
    from safetensors import safe_open

    if not os.path.isfile(path):  # False also for a folder that may not be entered
        return None
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in sorted(file.keys())}
            if checksum(tensors, path.name) != (file.metadata() or {}).get("crc32"):
                raise ValueError("its checksum is wrong")
        check(tensors)
        return tensors
    except Exception as error:  # whatever is wrong with it, the remedy is the same
        if not quiet:
            say(f"{path} is damaged ({error}); making it again")
        return None


def _write(path: Path, name: str, tensors: Tensors) -> None:
    from safetensors.torch import save_file

    save_file(tensors, path, metadata={"crc32": checksum(tensors, name)})
    path.chmod(0o644)  # safetensors leaves it closed to others, but a lab may share one cache


def _expect(tensors: Tensors, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless these tensors are what `_pack` makes of drawn images of this shape."""
    names = {name[10:] if name.startswith("factor ") else name for name in tensors}
    missing = {"images", "labels", "thickness", "slant", "rotation"} - names  # the captions are made of the last three
    if missing:
        raise ValueError(f"it lacks {', '.join(sorted(missing))}")
    for name, values in tensors.items():
        if values.shape[:1] != shape[:1]:
            raise ValueError(f"it has {name} of shape {list(values.shape)}, expected {shape[0]} rows")
    images, labels = tensors["images"], tensors["labels"]
    if images.shape != shape or (images.dtype, labels.dtype) != (torch.uint8, torch.int64):
        raise ValueError(f"it has {images.dtype} images of shape {list(images.shape)}, expected uint8 {list(shape)}")


def _pack(images: ImageSet) -> Tensors:
    """Tensors only, as that is all a safetensors file holds. A number keeps the factors in their order."""
    tensors = {"images": to_bytes(images.images), "labels": images.labels}
    tensors |= {f"factor {i:02d} {name}": values for i, (name, values) in enumerate(images.factors.items())}
    return {name: values.cpu().contiguous() for name, values in tensors.items()}


def _unpack(tensors: Tensors) -> ImageSet:
    from course_lib.data.captions import Captions
    from course_lib.data.glyphs import NAMES

    factors = {name[10:]: tensors[name] for name in sorted(tensors) if name.startswith("factor ")}
    return ImageSet(
        images=from_bytes(tensors["images"]),
        labels=tensors["labels"],
        factors=factors,
        captions=Captions(tensors["labels"], factors),
        class_names=NAMES,
        name="strokes",
    )


def _sources() -> str:
    digest = hashlib.sha256()
    for path in sorted(Path(__file__).parent.glob("*.py")):
        if path.name not in NOT_DRAWING and not path.name.startswith(OTHER_WORLDS):
            digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()
