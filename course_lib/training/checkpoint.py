"""Checkpoints: one safetensors file, written in one move, with a card that says what it is. Nothing is unpickled."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from safetensors import safe_open
from safetensors.torch import save as to_bytes
from torch import Tensor

from course_lib.data.checksum import checksum
from course_lib.errors import CourseError
from course_lib.places import write_whole
from course_lib.training.arguments import as_path

FILE, CARD = "checkpoint.safetensors", "card.json"
FORMAT = "course_lib checkpoint 1"


def write(path: Path, content: bytes) -> None:
    """Readers see the old file or the new one, never half of either, whatever kills us in between."""

    def to_disk(part: Path) -> None:
        with open(part, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    try:
        write_whole(path, to_disk)
    except OSError as error:
        raise CourseError(
            f"folder: could not write {path} ({error.strerror or error}); the file before it is untouched"
        ) from error


def clear_parts(folder: Path) -> None:
    """Remove what a run left half written when it was killed; only for whoever holds the folder's lock."""
    for name in (FILE, CARD):
        for part in folder.glob(f"*{name}.*.part"):
            part.unlink(missing_ok=True)


def save(path: Path, tensors: dict[str, Tensor], card: dict[str, Any]) -> None:
    """Write tensors and their card into one file, with a checksum over both."""
    plain = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}
    text = json.dumps(card)
    write(Path(path), to_bytes(plain, {"format": FORMAT, "card": text, "crc32": checksum(plain, text)}))


def write_card(path: Path, card: dict[str, Any]) -> None:
    """The card as a file of its own, for people; programs read the copy inside the checkpoint."""
    write(path, (json.dumps(card, indent=2) + "\n").encode())


def checkpoint_file(path: str | Path) -> Path:
    """A run's folder, or a checkpoint file itself, as the path of the file."""
    path = as_path("checkpoint", path)
    file = path / FILE if os.path.isdir(path) else path
    if not os.path.isfile(file):
        raise CourseError(f"checkpoint: there is no {file}, expected a folder made by `train` or a .safetensors file")
    return file


def read(path: str | Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Tensors and card of a checkpoint.

    The card is a dictionary with at least `model`, a name, and `config`, a dictionary. Raises CourseError, in one line,
    for a file that is not ours, is truncated or corrupt, or has a card that says something else. Files written before
    there were checksums have none and are taken as they are.
    """
    file = checkpoint_file(path)
    try:
        with safe_open(str(file), framework="pt") as opened:
            metadata = opened.metadata() or {}
            ours = metadata.get("format") == FORMAT
            tensors = {name: opened.get_tensor(name) for name in opened.keys()} if ours else {}  # noqa: SIM118
    except Exception as error:  # a damaged header makes safetensors and torch raise half a dozen kinds
        raise damaged(file, error) from error
    if not ours:
        raise CourseError(
            f"checkpoint: {file} is not one of this course (format {metadata.get('format')!r}, expected {FORMAT!r})"
        )
    text = metadata.get("card", "")
    if metadata.get("crc32", found := checksum(tensors, text)) != found:
        raise damaged(file, "its checksum is wrong")
    return tensors, card_of(file, text)


def card_of(file: Path, text: str) -> dict[str, Any]:
    """The card written in `text`, if it can be one."""
    try:
        card = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise damaged(file, "its card is not JSON") from error
    if not isinstance(card, dict):
        raise damaged(file, f"its card is a {type(card).__name__}, expected a dictionary")
    for key, kind, expected in (("model", str, "a name"), ("config", dict, "a dictionary")):
        if not isinstance(card.get(key), kind):
            found = f"is a {type(card[key]).__name__}" if key in card else "is missing"
            raise damaged(file, f"{key!r} in its card {found}, expected {expected}")
    return card


def damaged(file: Path, reason: object) -> CourseError:
    words = " ".join(str(reason).split())
    return CourseError(f"checkpoint: {file} is truncated or corrupt ({words}); delete it and train again")


def read_card(path: str | Path) -> dict[str, Any]:
    """What a checkpoint says of itself: model, configuration, seed, data, steps."""
    return read(path)[1]
