"""`python -m course_lib.authoring`: write lists and exercises again, execute chapters and solutions that changed."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import nbformat

from course_lib.authoring.execute import execute, is_current, pictures, say, tidy
from course_lib.authoring.exercises import generate, text_of
from course_lib.authoring.listings import write_listings
from course_lib.places import ROOT


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m course_lib.authoring", description=__doc__)
    parser.add_argument("notebooks", nargs="*", type=Path, help="only these (default: every chapter and solution)")
    parser.add_argument(
        "--lists",
        action="store_true",
        help="execute nothing; exit status 1 where one was out of date",
    )
    parser.add_argument("--all", action="store_true", help="execute even what has not changed")
    parser.add_argument(
        "--dataset", help="execute with this COURSE_DATASET; needs --out, the committed form is on strokes"
    )
    parser.add_argument("--out", type=Path, help="write executed notebooks and their pictures there, not in place")
    options = parser.parse_args()
    if options.dataset and not options.out:
        parser.error("--dataset needs --out")
    if not options.out:
        written = write_listings()
        written += [f"exercises/{name}" for name in generate(ROOT / "solutions", ROOT / "exercises")]
        for name in written:
            say(f"{name}: written")
        if options.lists:
            return int(bool(written))
    paths = options.notebooks or sorted([*(ROOT / "notebooks").glob("*.ipynb"), *(ROOT / "solutions").glob("*.ipynb")])
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        if not (options.all or options.out or options.notebooks) and is_current(notebook):
            text = text_of(tidy(notebook))
            if text != path.read_text():
                path.write_text(text)
                say(f"{path.name}: brought into its form, not executed")
            continue
        begun = time.monotonic()
        out = None
        if options.out:
            options.out.mkdir(parents=True, exist_ok=True)
            out = options.out / f"{path.parent.name}-{path.name}"
        notebook = execute(path, out, {"COURSE_DATASET": options.dataset} if options.dataset else None)
        if out:
            pictures(notebook, out.with_suffix(""))
        say(f"{path.name}: executed in {time.monotonic() - begun:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
