"""The form of a chapter: length, what is open, the short path, terms and words."""

from __future__ import annotations

import base64
import re
import struct
from pathlib import Path
from statistics import median

import nbformat
import pytest

from course_lib.authoring.listings import NAVIGATION, is_folded
from course_lib.chapters import CHAPTERS, Chapter
from course_lib.glossary import TERMS
from course_lib.learner.short_path import CORE

ROOT = Path(__file__).parents[2]
TAUGHT = [chapter for chapter in CHAPTERS if chapter.number]
WORDS = {  # what we used to say: what the field says
    r"the way back": "backward pass",
    r"named rightly|rightly named": "accuracy",
    r"upright edges?": "vertical edge",
    r"level edges?": "horizontal edge",
    r"[Cc]laim \d": "the claim itself: its number means nothing to a reader",
}


def read(chapter: Chapter) -> nbformat.NotebookNode:
    return nbformat.read(ROOT / "notebooks" / f"{chapter.name}.ipynb", as_version=4)


def prose(chapter: Chapter) -> list[str]:
    """The markdown of each cell, without code, links and what stands under "Further reading"."""
    cells = [cell.source for cell in read(chapter).cells if cell.cell_type == "markdown" and cell.id != NAVIGATION]
    return [
        re.sub(
            r"`[^`]*`|\]\([^)]*\)|<!-- (\w+): begin -->.*?<!-- \1: end -->|(?m:^)(## )?Further reading.*",
            " ",
            c,
            flags=re.S,
        )
        for c in cells
    ]


def a_chapter(chapter: Chapter) -> str:
    return chapter.name


@pytest.mark.parametrize("chapter", TAUGHT, ids=a_chapter)
def test_length_open_code_and_short_path(chapter):
    cells = [cell for cell in read(chapter).cells if cell.source.strip()]
    assert 50 <= len(cells) <= 70
    for cell in cells:
        if cell.cell_type == "code" and not is_folded(cell):
            assert len(cell.source.strip().splitlines()) <= 15, f"{cell.id}: shorten it, or fold it if it only plots"
    core = [cell for cell in cells if CORE in cell.metadata.get("tags", [])]
    assert 15 <= len(core) <= 25
    assert core[0] is cells[0]
    assert core[-1].id == NAVIGATION


@pytest.mark.parametrize("chapter", TAUGHT, ids=a_chapter)
def test_pictures_are_crisp_and_a_closing_table_says_what_was_measured(chapter):
    cells = read(chapter).cells
    pictures = [
        o.data["image/png"] for cell in cells for o in cell.get("outputs", []) if "image/png" in o.get("data", {})
    ]
    assert median(struct.unpack(">I", base64.b64decode(picture)[16:20])[0] for picture in pictures) >= 900
    (place,) = [i for i, cell in enumerate(cells) if re.search("^## What was measured", cell.source, re.M)]
    tables = [o for cell in cells[place + 1 : place + 3] for o in cell.get("outputs", [])]
    assert any("<table>" in "".join(output.get("data", {}).get("text/html", "")) for output in tables)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=a_chapter)
def test_words_are_those_of_the_field(chapter):
    for text in prose(chapter):
        for ours, theirs in WORDS.items():
            assert not re.search(ours, text), f"say {theirs!r}: {text[:200]}"


def uses(text: str, forms: tuple[str, ...]) -> bool:
    return any(re.search(rf"(?<![\w-]){re.escape(form)}(?!\w)", text, re.I) for form in forms)


@pytest.mark.parametrize("chapter", CHAPTERS, ids=a_chapter)
def test_no_term_before_its_definition(chapter):
    """A term of a later chapter is not used; one of this chapter stands in bold where the chapter first uses it.

    What comes before the first section is the promise, with its questions: it may name what the chapter will explain,
    and may explain it. Chapter 0 looks ahead.
    """
    texts = prose(chapter)
    first = next(i for i, text in enumerate(texts) if re.search(r"^## (?!Predict|Before)", text, re.M))
    for term in TERMS:
        forms = (term.name, *term.forms)
        used = [text for text in texts[first:] if uses(text, forms)]
        if term.chapter > chapter.number > 0:
            assert not used, f"{term.name} is defined in chapter {term.chapter}: {used[0][:200]}"
        elif term.chapter == chapter.number:
            assert used, f"{term.name}: the glossary sends its readers here"
            bold = [words for text in (*texts[:first], used[0]) for words in re.findall(r"\*\*([^*]+)\*\*", text)]
            assert any(uses(words, forms) for words in bold), (
                f"{term.name} comes before its definition: {used[0][:200]}"
            )


def test_terms_are_in_the_glossary_once():
    names = [form.lower() for term in TERMS for form in (term.name, *term.forms)]
    assert len(names) == len(set(names))
    assert {term.chapter for term in TERMS} <= {chapter.number for chapter in CHAPTERS}
