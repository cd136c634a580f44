"""Captions whose every word is known to be true: a short grammar a world, words as numbers, and what is held out.

A caption is a choice of one word (or a few, or none) for every kind of word: [thick, red, seven, leaning left] reads
"a thick red seven leaning left". Choices are int64 [N, kinds], computed from the factors of the very images they
describe, so that words and pictures cannot be shuffled apart.
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from course_lib.data import captions as strokes_words
from course_lib.data.batches import Batch
from course_lib.data.glyphs import NAMES
from course_lib.data.imageset import ImageSet
from course_lib.data.portraits import FACTORS, article
from course_lib.errors import CourseError, quoted

Factors = dict[str, Tensor]


def facts(images: ImageSet | Batch) -> Factors:
    """The factors of an image set or of a batch, and its labels as one more: "label"."""
    return {**images.factors, "label": images.labels}


# ---------------------------------------------------------------------------------------------------------------------
# Words as numbers
# ---------------------------------------------------------------------------------------------------------------------


class Vocabulary:
    """The words a network reads, as numbers: 0 is nothing, which fills a short sentence up, and 1, 2, ... the words.

    length  of the longest sentence, in words
    """

    def __init__(self, sentences: Sequence[str]):
        split = [words_in(sentence) for sentence in sentences]
        self.words = ("", *sorted({word for words in split for word in words}))
        self.number = {word: place for place, word in enumerate(self.words) if place}
        self.length = max(map(len, split))

    def __len__(self) -> int:
        return len(self.words)

    def encode(self, sentences: Sequence[str]) -> Tensor:
        """Sentences -> int64 [N, length]. Raises CourseError for an unknown word, and for a sentence too long or empty.

        The line about an unknown word lists the known ones that are spelled most like it.
        """
        if isinstance(sentences, str):
            raise CourseError(f"captions: got one string, expected a list of sentences, such as [{sentences!r}]")
        rows = torch.zeros(len(sentences), self.length, dtype=torch.int64, device="cpu")
        for row, sentence in zip(rows, sentences, strict=True):
            words = words_in(sentence)
            for word in words:
                if word not in self.number:
                    raise CourseError(f"caption: got the unknown word {quoted(word)}, expected {self.like(word)}")
            if not 0 < len(words) <= self.length:
                raise CourseError(f"caption: got {len(words)} words, expected 1 to {self.length}, as in training")
            row[: len(words)] = torch.tensor([self.number[word] for word in words], device="cpu")
        return rows

    def like(self, word: str, most: int = 3) -> str:
        """The known words that are spelled most like this one, or all of them where none is: "red or three"."""
        near = difflib.get_close_matches(word, self.words[1:], most, cutoff=0.5)
        return " or ".join(near) if near else f"one of {', '.join(self.words[1:])}"


def words_in(sentence: str) -> list[str]:
    """ "Long red hair, glasses" -> ["long", "red", "hair", "glasses"]: small letters, no commas."""
    if not isinstance(sentence, str):
        raise CourseError(f"caption: got {quoted(sentence)}, expected a sentence")
    return sentence.lower().replace(",", " ").replace(".", " ").split()


# ---------------------------------------------------------------------------------------------------------------------
# A world with words
# ---------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Wording:
    """What can be said of the pictures of a drawn world.

    world      its name, as `data.load` takes it
    kinds      kind -> its options; "" is an option that is not spoken
    write      the options chosen, one a kind -> the sentence
    look       facts of N images -> their choices, int64 [N, kinds]
    skip       facts of N images -> bool [N]: pictures that these words do not describe, or that two people would
               describe with different words, since a factor lies next to the border between two
    held_pair  two kinds, and the pairs of their options that no training picture and no training caption has
    """

    world: str
    kinds: dict[str, tuple[str, ...]]
    write: Callable[[dict[str, str]], str]
    look: Callable[[Factors], Tensor]
    skip: Callable[[Factors], Tensor]
    held_kinds: tuple[str, str]
    held_pairs: frozenset[tuple[str, str]]

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """How many options each kind has."""
        return tuple(map(len, self.kinds.values()))

    @cached_property
    def everything(self) -> Tensor:
        """All choices there are, int64 [M, kinds]; the last kind varies fastest."""
        return torch.cartesian_prod(*(torch.arange(size, device="cpu") for size in self.sizes))

    @cached_property
    def vocabulary(self) -> Vocabulary:
        return Vocabulary(self.sentences(self.everything))

    @cached_property
    def tokens(self) -> Tensor:
        """The captions of `everything` as numbers, int64 [M, length]."""
        return self.vocabulary.encode(self.sentences(self.everything))

    @cached_property
    def held_out(self) -> Tensor:
        """Which of `everything` no training may show: bool [M]."""
        one, other = (list(self.kinds).index(kind) for kind in self.held_kinds)
        names = [self.kinds[kind] for kind in self.held_kinds]
        pairs = [(names[0][a], names[1][b]) in self.held_pairs for a, b in self.everything[:, [one, other]].tolist()]
        return torch.tensor(pairs, device="cpu")

    def sentences(self, choices: Tensor) -> list[str]:
        """Choices [N, kinds] -> N captions."""
        options = list(self.kinds.values())
        rows = choices.tolist()
        return [self.write({k: o[i] for k, o, i in zip(self.kinds, options, row, strict=True)}) for row in rows]

    def place(self, choices: Tensor) -> Tensor:
        """Where choices [N, kinds] stand in `everything`, int64 [N]."""
        steps = [math.prod(self.sizes[k + 1 :]) for k in range(len(self.sizes))]
        return (choices * torch.tensor(steps, device=choices.device)).sum(dim=1)

    def encode(self, choices: Tensor) -> Tensor:
        """Choices [N, kinds] -> their captions as numbers, int64 [N, length]."""
        return self.tokens.to(choices.device)[self.place(choices)]

    def unseen(self, choices: Tensor) -> Tensor:
        """Whether these choices [N, kinds] are held out: bool [N]."""
        return self.held_out.to(choices.device)[self.place(choices)]

    def one_word_off(self, choices: Tensor) -> Tensor:
        """Wrong captions: choices [N, kinds] with another option for one kind, drawn at random for each row.

        None equals its row, and none is held out: a discriminator that met the held-out pairs as wrong words only would
        learn that they are always wrong.
        """
        wrong = choices.clone()
        again = torch.ones(len(choices), dtype=torch.bool, device=choices.device)
        sizes = torch.tensor(self.sizes, device=choices.device)
        while bool(again.any()):
            rows = again.nonzero()[:, 0]
            kind = torch.randint(len(self.sizes), rows.shape, device=choices.device)
            shift = 1 + (torch.rand(rows.shape, device=choices.device) * (sizes[kind] - 1)).long()
            wrong[rows] = choices[rows]
            wrong[rows, kind] = (choices[rows, kind] + shift) % sizes[kind]
            again = self.unseen(wrong)
        return wrong

    def read(self, sentence: str) -> Tensor:
        """The choices [kinds] that a caption makes. A kind that is not mentioned is the option "", where there is one.

        Raises CourseError for an unknown word, for two options of one kind, and for a kind that has to be there.
        """
        self.vocabulary.encode([sentence])
        rest, choices = f" {' '.join(words_in(sentence))} ", []
        for kind, options in self.kinds.items():
            found = []
            for option in sorted(filter(None, options), key=len, reverse=True):  # "sunglasses" before "glasses"
                if f" {option} " in rest:
                    found.append(option)
                    rest = rest.replace(f" {option} ", "  ")
            if len(found) > 1 or (not found and "" not in options):
                came = " and ".join(found) or "none"
                raise CourseError(
                    f"{kind}: got {came} in the caption, expected one of {', '.join(filter(None, options))}"
                )
            choices.append(options.index(found[0] if found else ""))
        return torch.tensor(choices)


# ---------------------------------------------------------------------------------------------------------------------
# Strokes: the captions of chapter 1, word for word
# ---------------------------------------------------------------------------------------------------------------------


BORDER = {"lean": 0.07, "thickness": 0.05, "smile": 0.1}  # so close to the border between two words, no word is sure


def write_stroke(word: dict[str, str]) -> str:
    return article(" ".join(filter(None, (word["thickness"], word["colour"], word["digit"], word["slant"]))))


def lean_of(factors: Factors) -> Tensor:
    """Tangent of a digit's angle to the vertical, [N]."""
    return factors["slant"] + torch.deg2rad(factors["rotation"]).tan()


def near(values: Tensor, borders: tuple[float, ...], width: float) -> Tensor:
    """Which values [N] lie closer than `width` to one of the borders."""
    return torch.stack([(values - border).abs() < width for border in borders]).any(dim=0)


def borderline_stroke(factors: Factors) -> Tensor:
    pen = near(factors["thickness"], (strokes_words.THIN, strokes_words.THICK), BORDER["thickness"])
    return pen | near(lean_of(factors), (-strokes_words.LEAN, strokes_words.LEAN), BORDER["lean"])


def look_at_strokes(factors: Factors) -> Tensor:
    if "ink" not in factors:
        raise CourseError("images: got grey strokes, expected them in colour: data.load('strokes', colour=True)")
    weight = (factors["thickness"] > strokes_words.THIN).long() + (factors["thickness"] > strokes_words.THICK).long()
    lean = lean_of(factors)
    leaning = (lean > -strokes_words.LEAN).long() + (lean > strokes_words.LEAN).long()
    return torch.stack([weight, strokes_words.colour_names(factors["ink"]), factors["label"], leaning], dim=1)


STROKES = Wording(
    world="strokes",
    kinds={
        "thickness": ("thin", "", "thick"),
        "colour": tuple(strokes_words.PALETTE),
        "digit": NAMES,
        "slant": ("leaning left", "upright", "leaning right"),
    },
    write=write_stroke,
    look=look_at_strokes,
    skip=borderline_stroke,
    held_kinds=("colour", "digit"),
    held_pairs=frozenset(
        zip(strokes_words.PALETTE, NAMES, strict=False)
    ),  # a red zero, an orange one, a yellow two ...
)

# ---------------------------------------------------------------------------------------------------------------------
# Portraits: those without a hat, with some hair, and with a mouth that is clearly one thing or another
# ---------------------------------------------------------------------------------------------------------------------

HAIR = {  # the words for the styles of chapter 12's hair, by how they look from afar
    "short": ("buzzed", "short", "swept-up", "bowl-cut", "receding"),
    "spiky": ("spiky", "mohawk"),
    "curly": ("curly", "short curly"),
    "long": ("bob", "long", "wavy", "fringed", "braided"),
    "tied": ("bun", "pigtails", "ponytail"),
}
HAIR_COLOUR = {
    "black": ("black",),
    "brown": ("dark brown", "brown"),
    "red": ("auburn", "red"),
    "blond": ("blond",),
    "grey": ("grey", "white"),
    "pink": ("pink",),
    "blue": ("blue",),
}
GLASSES = {"": ("no",), "glasses": ("round", "square", "cat-eye"), "sunglasses": ("sun",)}
BEARD = {"": ("no",), "a beard": ("stubble", "moustache", "goatee", "full")}
SMILE = ("a sad mouth", "", "a smile")
SAD, SMILING = -0.2, 0.35  # as in the captions of chapter 12
GROUPS = {"hair": HAIR, "hair_colour": HAIR_COLOUR, "glasses": GLASSES, "beard": BEARD}


def group_of(factor: str, values: Tensor) -> Tensor:
    """Values [N] of a factor -> the group of each [N], -1 for none."""
    groups = GROUPS[factor]
    table = [next((i for i, g in enumerate(groups.values()) if value in g), -1) for value in FACTORS[factor].values]
    return torch.tensor(table, device=values.device)[values]


def mood(smile: Tensor) -> Tensor:
    return (smile >= SAD).long() + (smile > SMILING).long()


def write_portrait(word: dict[str, str]) -> str:
    things = [f"{word['hair']} {word['colour']} hair", *filter(None, (word["glasses"], word["beard"], word["mouth"]))]
    return "a face with " + (things[0] if len(things) == 1 else f"{', '.join(things[:-1])} and {things[-1]}")


PORTRAITS = Wording(
    world="portraits",
    kinds={
        "hair": tuple(HAIR),
        "colour": tuple(HAIR_COLOUR),
        "glasses": tuple(GLASSES),
        "beard": tuple(BEARD),
        "mouth": SMILE,
    },
    write=write_portrait,
    look=lambda f: torch.stack([*(group_of(n, f[n]).clamp_min(0) for n in GROUPS), mood(f["smile"])], dim=1),
    skip=lambda f: (
        (f["hat"] != 0) | (group_of("hair", f["hair"]) < 0) | near(f["smile"], (SAD, SMILING), BORDER["smile"])
    ),
    held_kinds=("colour", "glasses"),
    held_pairs=frozenset({("red", "glasses"), ("blond", "sunglasses")}),
)

WORDINGS = {"strokes": STROKES, "portraits": PORTRAITS}


def wording_of(world: str) -> Wording:
    """Raises CourseError for a world without words."""
    if world not in WORDINGS:
        raise CourseError(f"world: got {quoted(world)}, expected one of {', '.join(WORDINGS)}, whose words are known")
    return WORDINGS[world]
