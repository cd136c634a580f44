"""Where files live on this machine, and how they are written so that a killed process leaves no half file behind."""

from __future__ import annotations

import os
import sys
import uuid
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]  # of the course: exercises/, notebooks/, work/ lie in it


def cache_root() -> Path:
    """The folder for what the course draws or derives: COURSE_CACHE, or the user's cache folder."""
    chosen = os.environ.get("COURSE_CACHE")
    if chosen:
        return Path(chosen).expanduser()
    import platformdirs

    return Path(platformdirs.user_cache_dir("image-generation-from-scratch"))


def data_root() -> Path:
    """The torchvision data root: COURSE_DATA, or `data` in the cache folder. It may be read-only once filled."""
    chosen = os.environ.get("COURSE_DATA")
    return Path(chosen).expanduser() if chosen else cache_root() / "data"


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Call `write` with a temporary name next to `path`, then move the result there in one step.

    Another process sees the old file or the complete new one, never a part. Raises what `write` raises.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        write(part)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)


def say(message: str) -> None:
    """One line on stderr: for what a reader should know but which stops nothing."""
    print(f"course_lib: {' '.join(message.split())}", file=sys.stderr, flush=True)
