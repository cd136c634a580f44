"""Notebooks as pages for any browser: still pictures for widgets, links from page to page."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest

from course_lib.authoring import html_pages
from course_lib.authoring.saved_form import LIVE, STILL

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("saved_live", [False, True])
def test_every_widget_of_a_chapter_is_a_picture_on_the_page(saved_live, tmp_path):
    """As the course ships it, and as a JupyterLab without the course's settings saves it."""
    notebook = json.loads((ROOT / "notebooks" / "10_training_a_vae.ipynb").read_text())
    outputs = [output.get("data", {}) for cell in notebook["cells"] for output in cell.get("outputs", [])]
    stills = [data for data in outputs if STILL in data]
    assert len(stills) == 3
    if saved_live:
        for number, data in enumerate(stills):
            del data[STILL]
            data[LIVE] = {"model_id": f"model-{number}", "version_major": 2, "version_minor": 0}
        state = {data[LIVE]["model_id"]: {"model_name": "VBoxModel", "state": {}} for data in stills}
        notebook["metadata"]["widgets"] = {"application/vnd.jupyter.widget-state+json": {"state": state}}
    path = tmp_path / "chapter.ipynb"
    path.write_text(json.dumps(notebook))
    page = html_pages.page(path)
    described = dict(re.findall(r'<img alt="([^"]{15,})" src="data:image/png;base64,([^"]*)"', page))
    assert {data["image/png"].strip() for data in stills} <= set(described.values())
    assert "widget-view" not in page


def test_links_lead_from_page_to_page(tmp_path, monkeypatch):
    for folder, name in (("notebooks", "00_start_here"), ("exercises", "02_convolution")):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / f"{name}.ipynb").write_bytes((ROOT / folder / f"{name}.ipynb").read_bytes())
    monkeypatch.setattr(html_pages, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["html_pages", "--out", str(tmp_path / "html")])
    html_pages.main()
    start = (tmp_path / "html" / "notebooks" / "00_start_here.html").read_text()
    assert 'href="01_drawing_images.html"' in start
    assert 'href="../exercises/02_convolution.html"' in start, "the board's link"
    assert 'href="../notebooks/02_convolution.html"' in (tmp_path / "html/exercises/02_convolution.html").read_text()
    assert ".ipynb" not in "".join(re.findall(r'href="([^"]*)"', start))
