"""What is drawn or dragged in the browser: it follows pointer and keys at once, and the kernel hears of it."""

from __future__ import annotations

import re

import nbformat
import pytest
from playwright.sync_api import expect

OPENING = {
    "distance": "from course_lib.show.stable_training import distance_explorer\ndistance_explorer()",
    "convolution": "from course_lib.show.convolution import convolution_explorer\nconvolution_explorer(digit)",
    "lab": "from course_lib.show.the_gan_game import gan_lab\ngan_lab(steps=5)",
    "press": "from course_lib import models, show\n"
    "show.widgets.digit_press(models.pretrained('conditional_gan'), models.pretrained('classifier'))",
    "reader": "from course_lib import models, show\nshow.widgets.digit_reader(models.pretrained('classifier'))",
    "pooling": "from course_lib.show.pooling import pooling_explorer\npooling_explorer(digit)",
    "portrait": "from course_lib.show.new_worlds import portrait_editor\nportrait_editor(24, size=32)",
    "side": "from course_lib import models, show\nboth = {name: models.pretrained(name) for name in ('r3gan', 'vae')}\n"
    "show.widgets.side_by_side(both, models.pretrained('classifier'))",
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


@pytest.mark.parametrize("panel", ["portrait"], indirect=True)
def test_the_part_under_the_pointer_is_outlined_and_told(panel):
    page, picture = panel.page, panel.locator(".course-drawn")
    line, canvas = picture.locator("div"), picture.locator("canvas")
    expect(line).to_have_text(re.compile("^Point at a part"))
    box, plain = canvas.bounding_box(), canvas.evaluate("canvas => canvas.toDataURL()")
    page.mouse.move(box["x"] + 0.5 * box["width"], box["y"] + 0.95 * box["height"])
    assert line.text_content().startswith("clothes: ")  # at once: the kernel had no time to answer
    assert canvas.evaluate("canvas => canvas.toDataURL()") != plain
    page.mouse.move(box["x"] + 3, box["y"] + 3)
    assert line.text_content().startswith("background: ")
    picture.focus()
    page.keyboard.press("ArrowRight")
    assert line.text_content().startswith("clothes: ")
    panel.locator("select").first.select_option("square")
    expect(picture).to_have_attribute(
        "aria-label", re.compile("^A portrait at 32 pixels: a square face .*; face square.$")
    )


@pytest.mark.parametrize("panel", ["distance"], indirect=True)
def test_a_heap_is_dragged_and_both_pictures_follow_at_once(panel):
    page, picture = panel.page, panel.locator(".course-drawn")
    line, stage = picture.locator("> div").last, picture.locator("svg").first
    expect(line).to_have_text(re.compile(r"^3\.0 apart, the heaps share 13\.4 %"))
    box = stage.bounding_box()
    at = {x: box["x"] + box["width"] * (10 + (x + 4) / 16 * 460) / 480 for x in (3, 6, 0)}
    page.mouse.move(at[3], box["y"] + 150)
    page.mouse.down()
    page.mouse.move(at[6], box["y"] + 150)
    assert "6.0 apart" in line.text_content()  # at once: the kernel had no time to answer
    assert "Wasserstein 6.000" in picture.locator("svg").last.text_content()
    page.mouse.up()
    page.mouse.move(at[0], box["y"] + 150)
    assert line.text_content().startswith("At 0.0 the real heap is 0.40 high and the fake one 0.00")
    expect(readout(panel, "distance")).to_have_text("6.00")
    expect(picture).to_have_attribute("aria-label", re.compile(r"Gaussians 6\.0 apart"))
    picture.focus()
    page.keyboard.press("ArrowLeft")
    assert "5.9 apart" in line.text_content()
    panel.locator("select").last.select_option("Wasserstein")
    expect(stage).to_contain_text("gradient 1.0000")


@pytest.mark.parametrize("panel", ["press"], indirect=True)
def test_the_press_morphs_at_once_and_has_other_hands_ready(panel):
    page, picture = panel.page, panel.locator(".course-drawn")
    line = picture.locator("> div").last
    expect(line).to_have_text(re.compile("^Ordered is 3, by hand 0; the judge reads 3, "))
    strip = picture.locator("canvas").nth(4).bounding_box()  # the large one, then the middle of the way
    page.mouse.move(strip["x"] + strip["width"] / 2, strip["y"] + 9)
    page.mouse.down()
    assert line.text_content().startswith("Here: 3, 50 % of the way to 8.")  # at once: the kernel had no time to answer
    page.mouse.up()
    expect(readout(panel, "morph")).to_have_text("0.50")
    expect(picture).to_have_attribute("aria-label", re.compile("^Ordered is 3, 50% of the way to 8, by hand 0"))
    expect(picture.locator("canvas").nth(11)).to_have_css("opacity", "1")  # the fourth of the hands has come by now
    picture.focus()
    page.mouse.move(0, 0)
    for _ in range(3):
        page.keyboard.press("ArrowUp")
    assert "by hand 3; the judge reads" in line.text_content()
    page.keyboard.press("7")
    expect(picture).to_have_attribute("aria-label", re.compile("^Ordered is 7, 50% of the way to 8, by hand 3"))


@pytest.mark.parametrize("panel", ["side"], indirect=True)
def test_the_walk_is_dragged_and_what_is_known_follows_at_once(panel):
    page, picture = panel.page, panel.locator(".course-drawn")
    line, board = picture.locator("> div").last, picture.locator("> div").first
    expect(line).to_have_text(re.compile("^How sure the judge is, on average: r3gan .*At seed 0"))
    known = board.locator("> div").nth(1).locator("> div").nth(1)
    expect(known).to_have_css("width", board.evaluate("node => getComputedStyle(node).width"))  # every stop has come
    box = board.bounding_box()
    page.mouse.move(box["x"] + box["width"] / 2, box["y"] + 80)
    page.mouse.down()
    assert "Noise 5, the same for every model" in line.text_content()
    assert "50 % of the way from seed 0 to seed 1" in line.text_content()
    page.mouse.up()
    expect(readout(panel, "walk")).to_have_text("0.50")
    expect(picture).to_have_attribute("aria-label", re.compile("seed 0, 50% of the way to seed 1"))
    page.mouse.move(0, 0)
    picture.focus()
    page.keyboard.press("ArrowUp")
    expect(line).to_have_text(re.compile("^How sure .* 50 % of the way from seed 1 to seed 2"))
