"""The way of a new learner: chapter 0, a link of the board, an exercise solved, and back to the board."""

from __future__ import annotations

import json

ANSWER = """def conv_output_size(n: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    return (n + 2 * padding - dilation * (kernel - 1) - 1) // stride + 1"""


def test_from_chapter_0_to_a_solved_exercise_and_back(screen):
    page, place = screen.page, screen.lab.place
    screen.open("notebooks/00_start_here.ipynb", alone=False)
    screen.run_all_to_the_end()
    chapter = page.locator(".jp-NotebookPanel:visible")
    board = chapter.locator(".jp-OutputArea-output", has=page.locator("a[href*='work/']"))
    link = board.locator("a", has_text="02_convolution")
    before = board.inner_text()
    assert page.locator(".Toastify__toast").count() == 0, "a message lies over the first screen"
    assert chapter.locator(".jp-CodeCell .cm-lineWrapping").count() > 0, "long lines of code do not wrap"

    link.click()
    exercise = page.locator(".jp-NotebookPanel:visible", has_text="2 · Convolution: exercises")
    exercise.wait_for()
    screen.wait()
    run(page, exercise.locator(".jp-CodeCell", has_text="from course_lib import").first)
    cell = exercise.locator(".jp-CodeCell", has_text="def conv_output_size")
    cell.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.insert_text(ANSWER)
    run(page, cell)
    check = exercise.locator(".jp-CodeCell", has_text="checks.conv_output_size")
    run(page, check)
    check.locator(".jp-OutputArea-output", has_text="solved").wait_for()
    assert json.loads((place / "work" / "progress.json").read_text()) == {"02_convolution": ["conv_output_size"]}

    page.locator(".jp-mod-current, .lm-TabBar-tab:visible", has_text="00_start_here.ipynb").first.click()
    link.wait_for()
    run(page, chapter.locator(".jp-CodeCell", has_text="checks.board()"))
    page.wait_for_function("([node, before]) => node.innerText !== before", arg=[board.element_handle(), before])


def run(page, cell) -> None:
    cell.locator(".cm-content").click()
    page.keyboard.press("Shift+Enter")
