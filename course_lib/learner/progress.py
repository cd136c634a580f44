"""What the learner has solved: one small local file, never sent anywhere."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from filelock import FileLock

from course_lib.places import ROOT


def progress_file() -> Path | None:
    """work/progress.json beside the notebooks; COURSE_PROGRESS names another file, or "off"."""
    chosen = os.environ.get("COURSE_PROGRESS", "")
    if chosen == "off":
        return None
    return Path(chosen) if chosen else ROOT / "work" / "progress.json"


def solved() -> dict[str, list[str]]:
    """Chapter -> names of solved exercises. A damaged file counts as empty, and says so."""
    path = progress_file()
    if path is None or not path.exists():
        return {}
    try:
        entries = json.loads(path.read_text())
        return {str(chapter): [str(name) for name in names] for chapter, names in entries.items()}
    except (OSError, ValueError, AttributeError, TypeError) as error:
        print(f"progress: {path} cannot be read ({error}); starting a new board", file=sys.stderr)
        return {}


def record(chapter: str, name: str) -> None:
    """Note one solved exercise. A folder that cannot be written costs the note, not the lesson."""
    path = progress_file()
    if path is None:
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{path}.lock", timeout=5):
            entries = solved()
            if name in entries.get(chapter, []):
                return
            entries.setdefault(chapter, []).append(name)
            partial = path.with_suffix(".part")
            partial.write_text(json.dumps(entries, indent=1, sort_keys=True))
            os.replace(partial, path)
    except OSError as error:
        print(f"progress: could not write {path} ({error.strerror or error})", file=sys.stderr)
