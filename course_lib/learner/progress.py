"""What the learner has solved: one small local file, never sent anywhere."""

from __future__ import annotations

import json
import os
from pathlib import Path

from course_lib.errors import CourseError
from course_lib.places import ROOT, at_home, names_like, say, write_whole


def progress_file() -> Path | None:
    """work/progress.json beside the notebooks; COURSE_PROGRESS names another file, or "off"."""
    chosen = os.environ.get("COURSE_PROGRESS", "")
    if chosen == "off":
        return None
    return at_home(chosen, "COURSE_PROGRESS") if chosen else ROOT / "work" / "progress.json"


def solved() -> dict[str, list[str]]:
    """Chapter -> names of solved exercises. A damaged file counts as empty, stays as it is, and is said."""
    try:
        return read(progress_file())
    except (OSError, ValueError) as error:
        say(f"progress: {reason(error)}; the board shows nothing as solved")
        return {}


def record(chapter: str, name: str) -> None:
    """Note one solved exercise. A folder that cannot be written costs the note, not the lesson."""
    try:
        path = progress_file()
        if path is not None:
            from filelock import FileLock

            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(f"{path}.lock", timeout=5):
                note(path, chapter, name)
    except (OSError, ImportError, NotImplementedError, CourseError) as error:  # the last but one: no locks here
        say(f"progress: {name} is solved, but could not be noted ({reason(error)})")


def note(path: Path, chapter: str, name: str) -> None:
    """Add one entry to the file. A damaged file is moved aside first, so that nothing in it is lost."""
    try:
        entries = read(path)
    except (OSError, ValueError) as error:
        damaged = path.with_stem(f"{path.stem}_damaged")
        aside = next(name for name in names_like(damaged) if not os.path.lexists(name))
        os.replace(path, aside)
        say(f"progress: {reason(error)}; it is kept as {aside.name}, and a new board begins")
        entries = {}
    if name not in entries.get(chapter, []):
        entries.setdefault(chapter, []).append(name)
        write_whole(path, lambda part: part.write_text(json.dumps(entries, indent=1, sort_keys=True)))


def read(path: Path | None) -> dict[str, list[str]]:
    """The entries of the file; none where there is no file. Raises OSError or ValueError for a damaged one."""
    if path is None or not os.path.lexists(path):
        return {}
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except RecursionError:
        raise ValueError(f"{path} is nested too deeply") from None
    except ValueError as error:
        raise ValueError(f"{path} is damaged ({error})") from None
    lists = isinstance(entries, dict) and all(isinstance(names, list) for names in entries.values())
    if not lists or not all(isinstance(name, str) for names in entries.values() for name in names):
        raise ValueError(f"{path} is damaged (expected chapters, each with a list of exercises)")
    return entries


def reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split())
