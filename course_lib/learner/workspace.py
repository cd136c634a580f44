"""Where the learner works: `work/` holds copies of the exercises, git ignores it, and nothing in it is overwritten."""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path

from course_lib.places import ROOT

ORIGINS = ".origins.json"  # exercise -> digest of the version the learner's copy came from


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def update(exercises: Path = ROOT / "exercises", work: Path = ROOT / "work") -> dict[str, str]:
    """Bring the exercises into `work`. Returns file -> what was done: "new", "kept", "updated" or "beside: NAME".

    A copy nobody touched is brought up to date. One the learner worked in stays as it is, byte for byte, and the
    new version arrives beside it under a name that is free.
    """
    work.mkdir(exist_ok=True)
    origins_file = work / ORIGINS
    try:
        origins = json.loads(origins_file.read_text())
    except (OSError, ValueError):
        origins = {}  # without it every copy counts as the learner's
    done = {}
    for source in sorted(exercises.glob("*.ipynb")):
        mine, version = work / source.name, digest(source)
        if not mine.exists():
            shutil.copyfile(source, mine)
            done[source.name] = "new"
        elif origins.get(source.name) == version or digest(mine) == version:
            done[source.name] = "kept"
        elif digest(mine) == origins.get(source.name):
            shutil.copyfile(source, mine)
            done[source.name] = "updated"
        else:
            beside = free_name(work, source.stem)
            shutil.copyfile(source, beside)
            done[source.name] = f"beside: {beside.name}"
        origins[source.name] = version
    origins_file.write_text(json.dumps(origins, indent=1, sort_keys=True))
    return done


def free_name(work: Path, stem: str) -> Path:
    """stem_new.ipynb, or the first stem_new_2.ipynb, stem_new_3.ipynb ... that is not taken."""
    path, number = work / f"{stem}_new.ipynb", 2
    while path.exists():
        path, number = work / f"{stem}_new_{number}.ipynb", number + 1
    return path


def report() -> None:
    """Update and say what happened, one line per file that is new."""
    for name, what in update().items():
        if what == "new":
            print(f"work/{name}: your copy of the exercise")
        elif what == "updated":
            print(f"work/{name}: brought up to date (you had not started it)")
        elif what.startswith("beside"):
            print(f"work/{name}: yours, untouched; the new version is work/{what.removeprefix('beside: ')}")
