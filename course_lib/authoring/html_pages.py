"""`python -m course_lib.authoring.html_pages`: every chapter, exercise and solution as a page for any browser."""

from __future__ import annotations

import argparse
import re
from pathlib import Path

import nbformat
from nbconvert import HTMLExporter

from course_lib.authoring.execute import say
from course_lib.authoring.saved_form import to_saved_form
from course_lib.places import ROOT

FOLDERS = ("notebooks", "exercises", "solutions")


def page(path: Path) -> str:
    """A notebook as HTML: still pictures for widgets, and links that lead to the other pages."""
    notebook = nbformat.read(path, as_version=4)
    to_saved_form(notebook)
    html, _ = HTMLExporter().from_notebook_node(notebook, {"metadata": {"name": path.stem}})
    html = re.sub(r'(href="[^":]*)\.ipynb(["#])', r"\1.html\2", html)
    return html.replace('href="../work/', 'href="../exercises/')  # a page has no copy of its own to work in


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m course_lib.authoring.html_pages", description=__doc__)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "html", help="default: build/html")
    out = parser.parse_args().out
    for folder in FOLDERS:
        (out / folder).mkdir(parents=True, exist_ok=True)
        for path in sorted((ROOT / folder).glob("*.ipynb")):
            (out / folder / f"{path.stem}.html").write_text(page(path))
    say(f"{out / 'notebooks' / '00_start_here.html'}: begin here")


if __name__ == "__main__":
    main()
