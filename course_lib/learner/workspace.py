"""Where the learner works: `work/` holds copies of the exercises, git ignores it, and nothing in it is overwritten."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path

from course_lib.errors import CourseError
from course_lib.places import ROOT, names_like, say, write_whole

ORIGINS = ".origins.json"  # exercise -> digest of the version the learner's copy came from


def update(exercises: Path = ROOT / "exercises", work: Path = ROOT / "work") -> dict[str, str]:
    """Bring the exercises into `work`. Returns file -> what was done: "new", "kept", "updated" or "beside: NAME".

    A copy nobody touched is brought up to date. What the learner worked in, or put there under an exercise's name,
    stays as it is, byte for byte, and the new version arrives beside it under a name that is free.
    Raises CourseError when `work` is no folder or cannot be written; what was copied until then is whole, and noted.
    """
    try:
        work.mkdir(exist_ok=True)
    except OSError as error:
        raise CourseError(f"work: got {work}, expected a folder for your copies ({error.strerror})") from None
    origins = read_origins(work / ORIGINS)
    done: dict[str, str] = {}
    try:
        for source in sorted(exercises.glob("*.ipynb")):
            done[source.name] = bring(source, work, origins)
            origins[source.name] = digest(source)
    except OSError as error:
        raise CourseError(
            f"work: cannot bring {source.name} to {work} ({error.strerror}); nothing of yours was changed, "
            "give the command again when that is mended"
        ) from None
    finally:
        write_origins(work / ORIGINS, origins)
    return done


def bring(source: Path, work: Path, origins: dict[str, str]) -> str:
    """One exercise; see `update`."""
    mine, version = work / source.name, digest(source)
    origin, now = origins.get(source.name), digest_of_any(mine)
    if not os.path.lexists(mine):  # a link to nowhere counts as there: it is the learner's, and leads out of `work`
        copy(source, mine)
        return "new"
    if version in (origin, now):
        return "kept"
    if now and now == origin and not mine.is_symlink():
        copy(source, mine)
        return "updated"
    for beside in names_like(work / f"{source.stem}_new.ipynb"):
        if not os.path.lexists(beside):
            copy(source, beside)
            return f"beside: {beside.name}"
        if digest_of_any(beside) == version:  # brought before, though no note of it was kept
            return "kept"


def copy(source: Path, target: Path) -> None:
    write_whole(target, lambda part: shutil.copyfile(source, part))


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def digest_of_any(path: Path) -> str | None:
    """The digest, or None for what is no file or cannot be read."""
    try:
        return digest(path)
    except OSError:
        return None


def read_origins(path: Path) -> dict[str, str]:
    """The notes; without them every copy counts as the learner's, which is said where a file of them was damaged."""
    if not os.path.lexists(path):
        return {}
    try:
        origins = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(origins, dict):
            return origins
        found = f"it holds {type(origins).__name__}, expected an object"
    except (OSError, ValueError, RecursionError) as error:
        found = str(error)
    say(f"work: {path} cannot be used ({found}); every copy in {path.parent} counts as yours")
    return {}


def write_origins(path: Path, origins: dict[str, str]) -> None:
    """Keep the notes. Without them nothing is lost: the copies count as the learner's."""
    try:
        write_whole(path, lambda part: part.write_text(json.dumps(origins, indent=1, sort_keys=True)))
    except OSError as error:
        say(f"work: cannot write {path} ({error.strerror}); without it your copies are not brought up to date")


def report(done: dict[str, str]) -> None:
    """Say what happened to the files of `work`, one line per file that is new: see `update` for the words."""
    for name, what in done.items():
        if what == "new":
            print(f"work/{name}: {'the short path' if name.startswith('short/') else 'your copy of the exercise'}")
        elif what == "updated":
            print(f"work/{name}: brought up to date (you had not started it)")
        elif what.startswith("beside"):
            beside = Path(name).with_name(what.removeprefix("beside: "))
            print(f"work/{name}: yours, untouched; the new version is work/{beside}")
