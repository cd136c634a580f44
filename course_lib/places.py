"""Where files live on this machine, and how they are written so that a killed process leaves no half file behind."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path

from course_lib.errors import CourseError, printable, quoted

ROOT = Path(__file__).resolve().parents[1]  # of the course: exercises/, notebooks/, work/ lie in it


def cache_root() -> Path:
    """The folder for what the course draws or derives: COURSE_CACHE, or the user's cache folder.

    Raises CourseError where there is neither, as for an unknown user without HOME in a container.
    """
    chosen = os.environ.get("COURSE_CACHE")
    if chosen:
        return at_home(chosen, "COURSE_CACHE")
    import platformdirs

    try:
        folder = platformdirs.user_cache_dir("image-generation-from-scratch")
    except RuntimeError:
        folder = "~"
    if folder.startswith("~"):  # older platformdirs leave it in: a folder of that name would be made
        raise CourseError("COURSE_CACHE: got nothing, expected a folder, as this user has no home folder")
    return Path(folder)


def data_root() -> Path:
    """The torchvision data root: COURSE_DATA, or `data` in the cache folder. It may be read-only once filled."""
    chosen = os.environ.get("COURSE_DATA")
    return at_home(chosen, "COURSE_DATA") if chosen else cache_root() / "data"


def at_home(path: str | Path, name: str, expected: str = "expected a folder; there is no such home folder") -> Path:
    """The path with `~` or `~user` replaced. Raises CourseError, naming the argument, for a user there is not."""
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise CourseError(f"{name}: got {quoted(str(path))}, {expected}") from None


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Call `write` with a temporary name next to `path`, then move the result there in one step.

    Another process sees the old file or the complete new one, never a part, and a link at `path` is replaced, not
    followed. Raises what `write` raises.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        write(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def names_like(path: Path) -> Iterator[Path]:
    """The path itself, then name_2, name_3 and so on: where to look for one that is not taken."""
    yield path
    for number in count(2):
        yield path.with_stem(f"{path.stem}_{number}")


def say(message: str) -> None:
    """One line on stderr: for what a reader should know but which stops nothing."""
    print(f"course_lib: {printable(' '.join(message.split()))}", file=sys.stderr, flush=True)
