"""What is drawn or dragged in the browser: it follows pointer and keys at once, and the kernel hears of it."""

from __future__ import annotations

import re

import nbformat
import pytest
from playwright.sync_api import expect

OPENING = {
    "convolution": "from course_lib.show.convolution import convolution_explorer\nconvolution_explorer(digit)",
    "lab": "from course_lib.show.the_gan_game import gan_lab\ngan_lab(steps=5)",
    "reader": "from course_lib import models, show\nshow.widgets.digit_reader(models.pretrained('classifier'))",
    "pooling": "from course_lib.show.pooling import pooling_explorer\npooling_explorer(digit)",
}
DIGIT = "from course_lib.data.strokes import draw\ndigit = (draw([3], size=12, seed=1).images[0, 0] + 1) / 2\n"


@pytest.fixture
def panel(screen, request):
    """The widget named in the test's parameter, alone in a notebook, and its picture."""
    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(DIGIT + OPENING[request.param])])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path = screen.lab.place / "work" / f"{request.param}.ipynb"
    path.parent.mkdir(exist_ok=True)
    nbformat.write(book, path)
    screen.open(f"work/{path.name}")
    screen.run_all()
    found = screen.page.locator(".course-panel")
    expect(found.locator("svg, canvas").first).to_be_visible()
    return found


def readout(panel, name: str):
    return panel.locator(f".widget-slider:has(.widget-label:text-is('{name}')) .widget-readout")


@pytest.mark.parametrize("panel", ["convolution"], indirect=True)
def test_the_window_follows_the_pointer_and_the_kernel_is_written_into(panel):
    page, picture = panel.page, panel.locator(".course-drawn")
    line = picture.locator("div")
    expect(line).to_have_text(re.compile("^Output row 0, column 0: "))
    box = picture.locator("svg > g").nth(0).locator("rect").nth(0).bounding_box()
    page.mouse.move(box["x"] + 4.5 * box["width"], box["y"] + 2.5 * box["height"])  # pixel row 2, column 4
    assert line.text_content().startswith("Output row 1, column 3: ")  # at once: the kernel had no time to answer
    expect(readout(panel, "position")).to_have_text("13")
    expect(picture).to_have_attribute("aria-label", re.compile("output row 1, column 3"))
    picture.focus()
    page.keyboard.press("ArrowDown")
    assert line.text_content().startswith("Output row 2, column 3: ")
    expect(readout(panel, "position")).to_have_text("23")
    cell = picture.get_by_label("kernel row 1, column 1")
    cell.fill("5")
    cell.press("Enter")
    expect(panel.locator("select")).to_have_value("custom")
    products = line.text_content().split(": ")[1].split(" = ")
    assert eval(products[0]) == pytest.approx(float(products[1]), abs=0.05)


@pytest.mark.parametrize("panel", ["pooling"], indirect=True)
def test_the_pooling_window_follows_the_pointer_in_the_output(panel):
    page, picture = panel.page, panel.locator(".course-drawn")
    line = picture.locator("div")
    box = picture.locator("svg > g").nth(1).locator("rect").nth(0).bounding_box()
    page.mouse.move(box["x"] + 2.5 * box["width"], box["y"] + 1.5 * box["height"])
    assert line.text_content().startswith("Output row 1, column 2: the max of its window is ")
    assert "reaches 1 of 4 inputs" in line.text_content()
    expect(readout(panel, "position")).to_have_text("8")
    panel.locator("select").select_option("average")
    expect(line).to_have_text(re.compile("the average of its window is .* reaches 4 of 4 inputs"))


@pytest.mark.parametrize("panel", ["lab"], indirect=True)
def test_the_lab_plays_explains_what_lies_under_the_pointer_and_takes_a_drawing(panel):
    page, picture = panel.page, panel.locator(".course-drawn")
    expect(picture).to_have_attribute("aria-label", re.compile("^After 0 steps of the non-saturating game"))
    panel.get_by_role("button", name="play or pause").first.click()
    expect(picture).to_have_attribute("aria-label", re.compile(r"^After [1-9]\d+ steps"))
    board = picture.locator("canvas").first
    box = board.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    expect(picture.locator("> div").last).to_have_text(re.compile(r"^Here, at \(0\.00, 0\.00\), D says \d+ % real"))
    page.mouse.down()
    for share in (0.55, 0.6, 0.7, 0.8):
        page.mouse.move(box["x"] + box["width"] * share, box["y"] + box["height"] / 2)
    page.mouse.up()
    expect(picture).to_have_attribute("aria-label", re.compile("your own drawing"))


@pytest.mark.parametrize("panel", ["reader"], indirect=True)
def test_the_reader_reads_while_the_pen_is_down(panel):
    page, picture = panel.page, panel.locator("img[alt]")
    panel.get_by_role("button", name="Clear").click()
    expect(picture).to_have_attribute("alt", re.compile("^An empty drawing pad"))
    height = picture.bounding_box()["height"]
    box = panel.locator("canvas").bounding_box()
    page.mouse.move(box["x"] + 120, box["y"] + 40)
    page.mouse.down()
    for y in range(50, 200, 10):
        page.mouse.move(box["x"] + 120, box["y"] + y)
    expect(picture).to_have_attribute("alt", re.compile("^The drawing is read as 1"))
    assert picture.bounding_box()["height"] == pytest.approx(height, abs=1)
    page.mouse.up()
