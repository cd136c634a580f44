"""The world of landscapes: the same place by day and by night, in summer and in winter, with every factor known."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
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
from course_lib.data.landscape_colours import NIGHT_SKIES, PETALS, SKY, WALLS
from course_lib.data.landscape_frame import FLOWERS, PARTS, SHAPES
from course_lib.data.landscape_things import Landscape
from course_lib.data.new_worlds import Canvas

__all__ = ["CLASSES", "FACTORS", "PARTS", "Captions", "draw"]

WORLD = 2  # the number of this world's stream of chance
CHUNK = 256 * 32 * 32  # pixels painted at once
CLASSES = ("summer day", "summer night", "winter day", "winter night")
NUMBERS = ("no", "one", "two", "three", "four", "five")
TREES = ("pine", "oak", "birch", "poplar")

FACTORS = {
    "season": Factor("leaves and flowers, or snow and ice", PARTS, ("summer", "winter")),
    "time": Factor("sun, or moon and stars; the light on everything", PARTS, ("day", "night")),
    "sky": Factor("colours of the sky and of its light", PARTS, tuple(SKY), (2, 1, 1, 1, 1)),
    "horizon": Factor("where the land begins, from the top, in heights of the picture", PARTS, low=0.46, high=0.6),
    "haze": Factor("how much the air hides what is far", ("mountains", "hills", "water"), low=0.4, high=1),
    "sun_x": Factor("sun or moon, from the left", ("sky", "sun", "mountains", "water"), low=0.12, high=0.88),
    "sun_y": Factor("sun or moon, from the top", ("sky", "sun", "water"), low=0.1, high=0.42),
    "sun_size": Factor("radius of the sun or moon", ("sky", "sun", "water"), low=0.06, high=0.1),
    "moon": Factor("lit share of the moon; nothing by day", ("sky", "sun", "water"), low=0.25, high=1),
    "clouds": Factor("how many; part of one makes it faint", ("clouds", "water"), low=0, high=3),
    "wind": Factor("how far the clouds have moved", ("clouds", "water"), low=0, high=1),
    "terrain": Factor("mountains", ("mountains", "water"), ("hills", "peaks", "lone mountain")),
    "relief": Factor("height of the mountains", ("mountains", "water"), low=0.2, high=0.42),
    "snow": Factor("share of the mountains that is white", ("mountains", "water"), low=0, high=0.6),
    "forest": Factor("how much of the hills is wooded", ("hills", "water"), low=0, high=1),
    "dry": Factor(
        "grass and leaves, lush to dry; nothing under snow", ("meadow", "trees", "water", "cast"), low=0, high=1
    ),
    "flowers": Factor(f"how many flowers, of {FLOWERS}; none in winter", ("meadow", "water"), low=0, high=1),
    "petals": Factor("colour of the flowers", ("meadow", "water"), tuple(PETALS)),
    "water": Factor("water", ("water", "meadow", "boat"), ("none", "lake", "river"), (1, 1.3, 0.7)),
    "boat": Factor("a sailing boat, on a lake in summer", ("boat",), ("no", "yes"), (0.6, 0.4)),
    "boat_x": Factor("the boat, from the left", ("boat",), low=0.25, high=0.75),
    "tree": Factor("kind of the trees on the meadow", ("trees", "cast", "water"), TREES),
    "trees": Factor("how many trees on the meadow", ("trees", "cast", "water"), NUMBERS),
    "tree_size": Factor("size of the trees on the meadow, relative", ("trees", "cast", "water"), low=0.8, high=1.3),
    "front": Factor("the tall tree in front", ("trees", "cast"), ("none", *TREES), (0.6, 1, 1, 1, 1)),
    "front_side": Factor("side of the tall tree and the bank", ("trees", "cast", "meadow", "water"), ("left", "right")),
    "front_edge": Factor("the tall tree, from the edge", ("trees", "cast"), low=0.08, high=0.24),
    "front_size": Factor("height of the tall tree", ("trees", "cast"), low=0.42, high=0.68),
    "house": Factor("a house; by night its windows are lit", ("house", "cast", "water"), ("no", "yes")),
    "house_x": Factor("the house, from the left", ("house", "cast", "water"), low=0.3, high=0.7),
    "house_size": Factor("width of the house", ("house", "cast", "water"), low=0.15, high=0.22),
    "wall": Factor("colour of the walls, and of the roof with them", ("house", "water"), tuple(WALLS)),
}


class Captions(Sequence):
    """A list of N sentences that keeps a few numbers per image and writes the sentence when it is read."""

    NAMES = ("season", "time", "sky", "terrain", "water", "boat", "tree", "trees", "front", "house", "wall")

    def __init__(self, factors: dict[str, Tensor]):
        self.codes = torch.stack([factors[name].cpu() for name in self.NAMES], 1)

    def __len__(self) -> int:
        return len(self.codes)

    def __getitem__(self, index: int | slice) -> str | list[str]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        code = dict(zip(self.NAMES, self.codes[index].tolist(), strict=True))
        word = {name: FACTORS[name].values[k] for name, k in code.items()}
        sky = NIGHT_SKIES[code["sky"]] if word["time"] == "night" else word["sky"]
        land = {"hills": "rolling hills", "peaks": "jagged peaks"}.get(word["terrain"], "a lone mountain")
        place = "" if word["water"] == "none" else f" by a {word['water']}"
        things = []
        if code["trees"]:
            ending = "" if code["trees"] == 1 else "es" if word["tree"] == "birch" else "s"
            things.append(f"{word['trees']} {word['tree']}{ending}")
        if word["house"] == "yes":
            things.append(f"a {word['wall']} house" + (" with lit windows" if word["time"] == "night" else ""))
        if word["boat"] == "yes" and (word["water"], word["season"]) == ("lake", "summer"):
            things.append("a sailing boat")
        if word["front"] != "none":
            things.append(f"a tall {word['front']} in front")
        listed = ", ".join(things[:-1]) + " and " * (len(things) > 1) + "".join(things[-1:])
        view = f"{land} under {'an' if sky[0] in 'aeiou' else 'a'} {sky} sky"
        return f"a {word['season']} {word['time']}{place}, {view}" + (f", {listed}" if listed else "")


def draw(
    count: int,
    size: int = 32,
    seed: int = 0,
    device: str | torch.device = "cpu",
    *,
    split: str = "train",
    season: str | None = None,
    time: str | None = None,
    masks: bool = True,
    **overrides: Any,
) -> DrawnSet:
    """Draw landscapes.

    count   how many; image i depends on (seed, split, i), not on the count, and every device draws the same
    size    pixels along a side, 16 to 128; the same seed draws the same places at every size
    split   "train" or "test": two separate streams of random numbers
    season  "summer" or "winter", time "day" or "night": for all images; None draws both. The same seed with another
            season or time draws the same places: image i of one is the true counterpart of image i of the other
    masks   False leaves parts and masks empty, which saves memory: they take 11 bytes a pixel
    overrides  fix a factor of FACTORS for all images or for each of them: a category by its name or its position, a
            number within its range
    Returns a DrawnSet. Its images are float32 [count, 3, size, size], multiples of 1/127.5 that 8 bits hold exactly;
    its labels are positions in CLASSES, 2 * season + time; its factors are named as in FACTORS, int64 [count]
    categories and float32 [count] numbers; its masks say in which share of every pixel each of PARTS is seen; its
    captions read like "a summer night by a lake, jagged peaks under a teal sky, two pines and a red house with lit
    windows".
    Raises CourseError for a bad count, size, seed, split, device, season, time or override.
    """
    check_settings(count, size, seed, split)
    device = check_device(device)
    uniform = uniform_numbers(count, len(FACTORS) + sum(map(prod, SHAPES.values())), seed, split, WORLD)
    uniform, *pieces = uniform.split([len(FACTORS), *map(prod, SHAPES.values())], 1)
    chance = {name: piece.unflatten(1, shape) for (name, shape), piece in zip(SHAPES.items(), pieces, strict=True)}
    factors = random_factors(FACTORS, uniform)
    fixed = {name: value for name, value in (("season", season), ("time", time)) if value is not None}
    for name, value in (fixed | overrides).items():
        factors[name] = check_override(FACTORS, name, value, count)

    def compose(here: slice) -> Canvas:
        some, luck = ({name: rows[here].to(device) for name, rows in table.items()} for table in (factors, chance))
        return Landscape(some, luck, size).compose()

    parts = PARTS if masks else ()
    images, shares = in_parts(compose, count, size, len(parts), CHUNK, device)
    return DrawnSet(
        images=images,
        labels=(2 * factors["season"] + factors["time"]).to(device),
        factors={name: values.to(device) for name, values in factors.items()},
        captions=Captions(factors),
        class_names=CLASSES,
        name="landscapes",
        parts=parts,
        masks=shares,
    )
