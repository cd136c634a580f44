"""Chapter 14's widget: write a caption, see eight pictures; click a word and take another of its kind."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import ipywidgets
import torch
from PIL import Image

from course_lib.errors import CourseError
from course_lib.gan.stackgan import StackGAN
from course_lib.show import paint
from course_lib.show.panel import Panel, choice, steps

PICTURES = 8
BIG, SMALL = 128, 64  # pixels on the screen of a picture and of a sketch
SEEDS = 100  # that the slider chooses from
UNSPOKEN = "(nothing)"


def caption_writer(models: StackGAN | Mapping[str, StackGAN], caption: str | None = None) -> Panel:
    """Panel: a caption, and eight pictures drawn to it, with their sketches.

    models   a second stage, or several by the name that the list of worlds shows
    caption  what it begins with; by default one of the model's own

    Every kind of word has a list: click it and take another. A caption of known words in any order is drawn as it
    stands; an unknown word is one line that says which known ones are spelled most like it. Raises CourseError for
    another kind of model.
    """
    models = {"pictures": models} if not isinstance(models, Mapping) else dict(models)
    for model in models.values():
        if not isinstance(model, StackGAN):
            raise CourseError(f"model: got {type(model).__name__}, expected a StackGAN, which draws to captions")
    first = next(iter(models))
    controls: dict[str, Any] = {
        "world": choice("world", list(models), first),
        "caption": ipywidgets.Text(
            value=caption or models[first].captions(1)[0],
            description="caption",
            continuous_update=False,
            style={"description_width": "90px"},
            layout={"width": "560px"},
        ),
        "others": steps("others", 0, 0, SEEDS - 1),
    }
    lists = ipywidgets.HBox([])
    lists.add_class("course-words")
    last: dict[str, Any] = {"tiles": None, "busy": False}

    def show_words(change: Any = None) -> None:
        """The lists say what the caption says, where that is clear."""
        wording = models[controls["world"].value].wording
        try:
            chosen = wording.read(controls["caption"].value).tolist()
        except CourseError:
            return
        if tuple(one.description for one in lists.children) != tuple(wording.kinds):
            lists.children = [word_list(kind, options) for kind, options in wording.kinds.items()]
            for one in lists.children:
                one.observe(swap, "value")
        last["busy"] = True
        for one, option in zip(lists.children, chosen, strict=True):
            one.value = option
        last["busy"] = False

    def swap(change: Any) -> None:
        """A word was swapped: write the caption anew."""
        if not last["busy"]:
            wording = models[controls["world"].value].wording
            choices = torch.tensor([[one.value for one in lists.children]])
            controls["caption"].value = wording.sentences(choices)[0]

    def other_world(change: Any) -> None:
        controls["caption"].value = models[change["new"]].captions(1)[0]

    def draw(world: str, caption: str, others: int) -> tuple[Image.Image, str]:
        model = models[world]
        try:
            tokens = model.vocabulary.encode([caption])
        except CourseError as error:
            line = paint.text_line(str(error), 14, paint.ORANGE)
            return (line if last["tiles"] is None else paint.above(line, last["tiles"])), str(error)
        noise = model.noise(PICTURES, torch.Generator().manual_seed(1000 + others))
        sketches, pictures = model.both(noise, tokens.expand(PICTURES, -1))
        last["tiles"] = paint.beside(
            paint.above(paint.text_line("sketches, 16 pixels", 13), sheet(sketches, SMALL), gap=2),
            paint.above(paint.text_line(f"pictures, {model.config['size']} pixels", 13), sheet(pictures, BIG), gap=2),
        )
        line = paint.text_line(f"“{caption}”", 15)
        new = wording_says(model, caption)
        return paint.above(line, last["tiles"]), f"Eight pictures, number {others}, drawn to: {caption}{new}."

    controls["caption"].observe(show_words, "value")
    controls["world"].observe(other_world, "value")
    show_words()
    above = [controls["others"]] if len(models) == 1 else [controls["world"], controls["others"]]
    panel = Panel(controls, draw, [ipywidgets.HBox(above), controls["caption"], lists])
    panel.lists = lists
    return panel


def word_list(kind: str, options: tuple[str, ...]) -> ipywidgets.Dropdown:
    made = choice(kind, [(option or UNSPOKEN, place) for place, option in enumerate(options)], 0)
    made.style.description_width, made.layout.width = "60px", "180px"
    return made


def wording_says(model: StackGAN, caption: str) -> str:
    """That a combination was held out, where the caption makes one."""
    try:
        unseen = bool(model.wording.unseen(model.wording.read(caption)[None])[0])
    except CourseError:
        return ""
    return ", a combination that training never showed" if unseen else ""


def sheet(images: torch.Tensor, side: int) -> Image.Image:
    """Eight images in two rows."""
    tiles = [paint.enlarged(image, side) for image in images]
    half = len(tiles) // 2
    return paint.above(paint.beside(*tiles[:half], gap=3), paint.beside(*tiles[half:], gap=3), gap=3)
