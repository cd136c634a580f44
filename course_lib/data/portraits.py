"""The world of portraits: cartoon faces of closed Bezier shapes, painted back to front, with all their factors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from course_lib.data.arguments import check_device
from course_lib.data.drawn_world import (
    DrawnSet,
    Factor,
    check_override,
    check_settings,
    in_parts,
    random_factors,
    uniform_numbers,
)
from course_lib.data.new_worlds import Canvas
from course_lib.data.portrait_colours import BACKGROUNDS, CLOTHES_COLOURS, EYE_COLOURS, HAIR_COLOURS
from course_lib.data.portrait_hair import HAIR, HATS
from course_lib.data.portrait_paint import paint
from course_lib.data.portrait_painter import PARTS
from course_lib.data.portrait_shapes import BEARD, CLOTHES, EYES, FACES, GLASSES, NOSES

__all__ = ["CLASSES", "FACTORS", "PARTS", "Captions", "draw"]

CLASSES = tuple(HAIR)
CHUNK = 64 * 32 * 32  # pixels painted at once: few enough to stay in the processor's cache

HEAD = tuple(part for part in PARTS if part not in ("background", "clothes"))
FACTORS = {
    "face": Factor("shape of the face", HEAD, tuple(FACES)),
    "width": Factor("width of the face, relative", HEAD, low=0.93, high=1.07),
    "tilt": Factor("tilt of the head in degrees; positive turns clockwise", HEAD, low=-9, high=9),
    "skin": Factor("tone of the skin, from light to dark", ("skin", "nose", "mouth", "beard"), low=0, high=1),
    "hair": Factor(
        "style of the hair",
        ("hair", "skin"),
        tuple(HAIR),
        (3, 5, 9, 7, 5, 4, 8, 7, 8, 8, 7, 6, 5, 6, 5, 4, 3, 2),
    ),
    "hair_colour": Factor(
        "colour of the hair, the brows and the beard",
        ("hair", "brows", "beard"),
        tuple(HAIR_COLOURS),
        (16, 16, 14, 11, 11, 13, 6, 4, 3, 3),
    ),
    "hair_shade": Factor("brightness of the hair's colour", ("hair", "brows", "beard"), low=-1, high=1),
    "parting": Factor("side to which hair, cap and ponytail are turned", ("hair", "hat", "skin"), ("left", "right")),
    "hat": Factor("hat", ("hat", "hair", "skin"), tuple(HATS), (76, 6, 5, 5, 5, 4)),
    "hat_colour": Factor("colour of the hat", ("hat",), tuple(CLOTHES_COLOURS)),
    "eyes": Factor("shape of the eyes", ("eyes", "skin"), tuple(EYES), (3, 3, 1, 2, 1)),
    "eye_colour": Factor("colour of the iris", ("eyes",), tuple(EYE_COLOURS), (4, 2, 2, 3, 1)),
    "gaze": Factor("where the eyes look, -1 left to 1 right", ("eyes",), low=-1, high=1),
    "brows": Factor("slope of the brows, -1 worried to 1 stern", ("brows", "skin"), low=-1, high=1),
    "brow_weight": Factor("thickness of the brows", ("brows", "skin"), low=0, high=1),
    "nose": Factor("shape of the nose", ("nose", "skin"), tuple(NOSES)),
    "smile": Factor("curve of the mouth, -1 sad to 1 smiling", ("mouth", "skin", "beard"), low=-0.4, high=1),
    "open": Factor("how far the mouth is open", ("mouth", "skin", "beard"), low=0, high=1),
    "lips": Factor("colour of the lips", ("mouth",), ("natural", "rose", "red", "plum"), (60, 15, 15, 10)),
    "blush": Factor("redness of the cheeks", ("skin", "nose"), low=0, high=1),
    "freckles": Factor("freckles", ("skin", "nose"), ("no", "yes"), (85, 15)),
    "beard": Factor("beard", ("beard", "skin", "clothes"), tuple(BEARD), (68, 8, 7, 6, 11)),
    "glasses": Factor("glasses", ("glasses",), tuple(GLASSES), (66, 11, 9, 7, 7)),
    "earrings": Factor("earrings", ("earrings",), ("no", "stud", "hoop"), (70, 15, 15)),
    "clothes": Factor("cut of the clothes", ("clothes", "skin"), tuple(CLOTHES)),
    "clothes_colour": Factor("colour of the clothes", ("clothes",), tuple(CLOTHES_COLOURS)),
    "pattern": Factor("pattern of the clothes", ("clothes",), ("plain", "striped", "dotted"), (60, 25, 15)),
    "background": Factor("pattern of the background", ("background",), ("plain", "disc", "rays", "stripes", "dots")),
    "background_colour": Factor("colour of the background", ("background",), tuple(BACKGROUNDS)),
    "light": Factor("where the light comes from, -1 left to 1 right", ("skin", "hair", "nose"), low=-1, high=1),
}


def draw(
    count: int,
    size: int = 32,
    seed: int = 0,
    device: str | torch.device = "cpu",
    *,
    split: str = "train",
    masks: bool = True,
    **overrides: Any,
) -> DrawnSet:
    """Draw portraits.

    count   how many; image i depends on (seed, split, i), not on the count, and every device draws the same
    size    pixels along a side, 16 to 128; the same seed draws the same portraits at every size
    split   "train" or "test": two separate streams of random numbers
    masks   False leaves parts and masks empty, which saves memory: they take 12 bytes a pixel
    overrides  fix a factor of FACTORS for all images or for each of them: a category by its name or its position, a
            number within its range
    Returns a DrawnSet. Its images are float32 [count, 3, size, size], multiples of 1/127.5 that 8 bits hold exactly;
    its labels are the styles of the hair; its factors are named as in FACTORS, int64 [count] categories and float32
    [count] numbers; its masks say in which share of every pixel each of PARTS is seen; its captions read like "a round
    face with curly red hair, round glasses and a smile".
    Raises CourseError for a bad count, size, seed, split, device or override.
    """
    check_settings(count, size, seed, split)
    device = check_device(device)
    factors = random_factors(FACTORS, uniform_numbers(count, len(FACTORS), seed, split, world=1))
    for name, value in overrides.items():
        factors[name] = check_override(FACTORS, name, value, count)

    def compose(here: slice) -> Canvas:
        return paint({name: values[here].to(device) for name, values in factors.items()}, size)

    parts = PARTS if masks else ()
    images, shares = in_parts(compose, count, size, len(parts), CHUNK, device)
    return DrawnSet(
        images=images,
        labels=factors["hair"].to(device),
        factors={name: values.to(device) for name, values in factors.items()},
        captions=Captions(factors),
        class_names=CLASSES,
        name="portraits",
        parts=parts,
        masks=shares,
    )


class Captions(Sequence):
    """N sentences that say what is drawn; each is written from the factors when it is read."""

    def __init__(self, factors: dict[str, Tensor]):
        self.factors = {name: values.cpu() for name, values in factors.items()}

    def __len__(self) -> int:
        return len(self.factors["face"])

    def word(self, name: str, index: int) -> str:
        return FACTORS[name].values[int(self.factors[name][index])]

    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        face, hair, colour = (self.word(name, index) for name in ("face", "hair", "hair_colour"))
        hat = self.word("hat", index)
        things = [] if hat == "hood" else [hair_words(hair, colour)]  # it hides all of the hair
        if (beard := self.word("beard", index)) != "no":
            things.append({"stubble": "stubble", "full": "a full beard"}.get(beard, f"a {beard}"))
        if (glasses := self.word("glasses", index)) != "no":
            things.append("sunglasses" if glasses == "sun" else f"{glasses} glasses")
        if hat != "no":
            things.append(article(f"{self.word('hat_colour', index)} {hat}"))
        smile = float(self.factors["smile"][index])
        if smile > 0.35:
            things.append("a broad smile" if float(self.factors["open"][index]) > 0.5 else "a smile")
        elif smile < -0.2:
            things.append("a sad mouth")
        listed = things[0] if len(things) == 1 else f"{', '.join(things[:-1])} and {things[-1]}"
        return f"{article('heart-shaped' if face == 'heart' else face)} face with {listed}"


def article(words: str) -> str:
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"


def hair_words(style: str, colour: str) -> str:
    """What the hair is called in a caption."""
    if style == "bald":
        return "a bald head"
    if style in ("bob", "bun", "ponytail", "mohawk"):
        return article(f"{colour} {style}")
    return f"{colour} pigtails" if style == "pigtails" else f"{style} {colour} hair"
