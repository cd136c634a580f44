"""What README and notebooks repeat of the table of chapters: their lists, titles, links and minutes.

`python -m course_lib.authoring` writes it again; a test fails where it differs from `course_lib.chapters`.
"""

from __future__ import annotations

import re
from pathlib import Path

import nbformat
from nbformat import NotebookNode, v4

from course_lib.authoring.exercises import text_of
from course_lib.authoring.readme_table import with_table
from course_lib.chapters import CHAPTERS, Chapter
from course_lib.glossary import TERMS
from course_lib.places import ROOT

WORDS_A_MINUTE = 130
SECONDS_A_LINE, SECONDS_A_PICTURE = 8, 60  # of open code; a picture or a widget
NAVIGATION = "navigation"  # id of a chapter's last cell


def between(text: str, what: str, new: str) -> str:
    """The text with everything between the marks of `what` replaced."""
    begin, end = f"<!-- {what}: begin -->", f"<!-- {what}: end -->"
    before, rest = text.split(begin)
    return f"{before}{begin}\n{new}\n{end}{rest.split(end)[1]}"


def readme_chapters() -> str:
    lines = ["| chapter | what is built in front of you | minutes |", "|---|---|---|"]
    for chapter in CHAPTERS:
        link = f"[{chapter.heading}](notebooks/{chapter.name}.ipynb)"
        lines.append(f"| {link} | {chapter.built} | {chapter.minutes} |")
    return "\n".join(lines)


def readme_checkpoints() -> str:
    names = [f"`{name}`" for chapter in CHAPTERS for name in chapter.shipped]
    return f"These ship with the course: {', '.join(names)}."


def with_listings(readme: str) -> str:
    return between(between(readme, "chapters", readme_chapters()), "checkpoints", readme_checkpoints())


def map_of_chapters() -> str:
    """For chapter 0."""
    lines = ["| chapter | what you build | minutes to read |", "|---|---|---|"]
    lines += [f"| **[{c.heading}]({c.name}.ipynb)** | {c.built} | {c.minutes} |" for c in CHAPTERS[1:]]
    return "\n".join(lines)


def glossary() -> str:
    """The page of terms, in alphabetical order, each with a link to the chapter that defines it."""
    lines = ["# Glossary", "", "| term | what it is | defined in |", "|---|---|---|"]
    for term in sorted(TERMS, key=lambda term: term.name.lower()):
        chapter = next(c for c in CHAPTERS if c.number == term.chapter)
        lines.append(f"| {term.name} | {term.meaning} | [{chapter.heading}]({chapter.name}.ipynb) |")
    return "\n".join(lines) + "\n"


def navigation(chapter: Chapter) -> str:
    """Previous chapter, exercises, next chapter."""
    place = CHAPTERS.index(chapter)
    before, after = CHAPTERS[:place][-1:], CHAPTERS[place + 1 :][:1]
    links = [f"← [{c.heading}]({c.name}.ipynb)" for c in before]
    if chapter.has_exercises:
        links.append(f"[exercises](../work/{chapter.name}.ipynb)")
    links += [f"[{c.heading}]({c.name}.ipynb) →" for c in after]
    return " · ".join(links)


def minutes(notebook: NotebookNode) -> int:
    """How long a chapter takes to read, in steps of 5 minutes: its words, its open code, its pictures and widgets."""
    seconds = 0.0
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            seconds += len(cell.source.split()) / WORDS_A_MINUTE * 60
        elif not is_folded(cell):
            seconds += len(cell.source.strip().splitlines()) * SECONDS_A_LINE
        seconds += SECONDS_A_PICTURE * any("image/png" in output.get("data", {}) for output in cell.get("outputs", []))
    return max(5, 5 * round(seconds / 300))


def is_folded(cell: NotebookNode) -> bool:
    return bool(cell.metadata.get("jupyter", {}).get("source_hidden"))


def in_form(notebook: NotebookNode, chapter: Chapter) -> NotebookNode:
    """A chapter's notebook with the title, the map and the links that the table of chapters gives it; only markdown is
    touched.
    """
    first = notebook.cells[0]
    first.source = re.sub(r"\A# .*", f"# {chapter.heading}", first.source)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            said = f"about {chapter.minutes} minutes of reading"
            cell.source = re.sub(r"about \d+ minutes of reading", said, cell.source)
            if "<!-- map: begin -->" in cell.source:
                cell.source = between(cell.source, "map", map_of_chapters())
    if notebook.cells[-1].get("id") != NAVIGATION:
        notebook.cells.append(v4.new_markdown_cell(id=NAVIGATION))
    notebook.cells[-1].source = navigation(chapter)
    return notebook


def exercise_in_form(notebook: NotebookNode, chapter: Chapter) -> NotebookNode:
    """The same for a solution, of which its exercise is made."""
    first = notebook.cells[0]
    first.source = re.sub(r"\A# .*", f"# {chapter.heading}: exercises", first.source)
    return notebook


def write_listings(root: Path = ROOT) -> list[str]:
    """Bring README, chapters and solutions into form; returns the names of those that changed."""
    readme = root / "README.md"
    texts = {readme: with_table(with_listings(readme.read_text())), root / "notebooks" / "glossary.md": glossary()}
    for chapter in CHAPTERS:
        for folder, form in (("notebooks", in_form), ("solutions", exercise_in_form)):
            path = root / folder / f"{chapter.name}.ipynb"
            if path.exists():
                texts[path] = text_of(form(nbformat.read(path, as_version=4), chapter))
    changed = [path for path, text in texts.items() if not path.exists() or path.read_text() != text]
    for path in changed:
        path.write_text(texts[path])
    return [str(path.relative_to(root)) for path in changed]
