"""The digit press of chapter 8: order a digit, morph it into another, change the hand, write a number."""

from __future__ import annotations

from collections.abc import Sequence

import ipywidgets
import torch
from PIL import Image
from torch import Tensor

from course_lib.cnn.training_a_cnn import Classifier
from course_lib.errors import CourseError
from course_lib.gan.conditional_gan import ConditionalGAN
from course_lib.show import paint
from course_lib.show.panel import Panel, choice, slider, steps

HANDS = 100  # noises to choose from
LONGEST = 8  # digits of a number
STRIP = 7  # images on the way from one class to the other
BIG, SMALL = 196, 56  # pixels on the screen


def digit_press(
    model: ConditionalGAN, reader: Classifier | None = None, names: Sequence[str] = tuple("0123456789")
) -> Panel:
    """Panel that draws to order with a conditional GAN.

    reader  a classifier, the judge: its reading of the large image stands beside it as bars
    names   the name of each class

    "order" and "towards" choose two classes and "morph" a place between their rows of the table; "hand" chooses the
    noise. "number" is written with one digit per image, by as many hands as "hands" says, from "hand" on.
    Raises CourseError for a model that takes no orders, or for names that do not fit its classes.
    """
    if not isinstance(model, ConditionalGAN):
        raise CourseError(f"model: got {type(model).__name__}, expected a ConditionalGAN, which takes orders")
    if len(names) != model.classes:
        raise CourseError(f"names: got {len(names)}, expected {model.classes}, one per class")
    kinds = [(name, k) for k, name in enumerate(names)]
    controls = {
        "order": choice("order", kinds, min(3, model.classes - 1)),
        "towards": choice("towards", kinds, min(8, model.classes - 1)),
        "morph": slider("morph", 0.0, 0.0, 1.0, 0.05),
        "hand": steps("hand", 0, 0, HANDS - 1),
        "number": ipywidgets.Text(value="2026", description="number", style={"description_width": "90px"}),
        "hands": steps("hands", 3, 1, 5),
    }

    def draw(order: int, towards: int, morph: float, hand: int, number: str, hands: int) -> tuple[Image.Image, str]:
        noise = torch.cat([hand_of(model, (hand + i) % HANDS) for i in range(hands)])
        shares = torch.cat([torch.tensor([morph]), torch.linspace(0, 1, STRIP)])
        images = model.between(noise[:1].expand(len(shares), -1), order, towards, shares).cpu()
        large, strip = [paint.enlarged(images[0], BIG)], paint.filmstrip(images[1:], morph, SMALL)
        way = f"{names[order]}, {morph:.0%} of the way to {names[towards]}" if morph else f"{names[order]}"
        words = f"Ordered is {way}, by hand {hand}."
        if reader is not None:
            chances = reader.read(images[:1])[0].tolist()
            best = max(range(len(chances)), key=chances.__getitem__)
            words += f" The judge reads {names[best]} with probability {chances[best]:.0%}."
            large.append(paint.bars(chances, names, width=110, height=19))
        parts = [paint.above(paint.beside(*large), strip)]
        digits = [int(c) for c in number if c in "0123456789" and int(c) < model.classes][:LONGEST]
        if digits:
            parts.append(paint.above(paint.text_line("the number"), sheet(model, noise, digits)))
            words += f" Beside it stands {' '.join(names[k] for k in digits)}, written by {hands} hands."
        return paint.beside(*parts), words

    left = ipywidgets.VBox([controls["order"], controls["towards"], controls["morph"]])
    right = ipywidgets.VBox([controls["hand"], controls["number"], controls["hands"]])
    return Panel(controls, draw, [ipywidgets.HBox([left, right])])


def hand_of(model: ConditionalGAN, number: int) -> Tensor:
    """The noise [1, latent] of a hand; the same number is the same hand."""
    return model.noise(1, torch.Generator().manual_seed(number))


def sheet(model: ConditionalGAN, noise: Tensor, digits: list[int]) -> Image.Image:
    """The digits in a row, once per row of noise [H, latent]."""
    hands, columns = len(noise), len(digits)
    images = model.draw(noise.repeat_interleave(columns, dim=0), torch.tensor(digits).repeat(hands)).cpu()
    height, width = images.shape[2:]
    return paint.enlarged(paint.tiled(images, columns), 2 * max(hands * height, columns * width))
