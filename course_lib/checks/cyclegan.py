"""Checks of chapter 15: the error of the way there and back, the image buffer, the pixels that a logit sees, and what
six strips of translations say of their translators.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from course_lib.checks.core import exercise
from course_lib.checks.formula import Case, Formula, normal
from course_lib.checks.lettered import expect_words
from course_lib.checks.spies import with_numbers
from course_lib.checks.verdict import WrongAnswer
from course_lib.data import landscapes

CHAPTER = "15_cyclegan"

# ---------------------------------------------------------------------------------------------------------------------
# Exercise 1: cycle_errors
# ---------------------------------------------------------------------------------------------------------------------


def translators(generator: torch.Generator) -> Iterator[Case]:
    """Images of several shapes, and two translators that do not undo each other."""
    for count, channels, height, width in ((4, 2, 3, 5), (1, 1, 4, 4), (3, 3, 2, 7)):
        there, back = (
            with_numbers(nn.Sequential(nn.Conv2d(channels, channels, 1), nn.Tanh()).double(), generator)
            for _ in range(2)
        )
        yield {"images": normal(generator, count, channels, height, width), "there": there, "back": back}


def per_image(differences: Tensor) -> Tensor:
    return differences.flatten(1).mean(dim=1)


cycle_errors = exercise(CHAPTER, "cycle_errors")(
    Formula(
        lambda images, there, back: per_image((back(there(images)) - images).abs()),
        translators,
        leaves=("images", "there", "back"),
        wrong={
            "one number": (
                lambda images, there, back: (back(there(images)) - images).abs().mean(),
                "you averaged over the images too: asked is one number for each image, [N]",
            ),
            "wrong order": (
                lambda images, there, back: per_image((there(back(images)) - images).abs()),
                "you go back first: the images are of the world that `there` leaves, so back(there(images))",
            ),
            "only there": (
                lambda images, there, back: per_image((there(images) - images).abs()),
                "you compare the images with their translations: those may differ as much as they like; translate "
                "back first",
            ),
            "translation against reconstruction": (
                lambda images, there, back: per_image((back(there(images)) - there(images)).abs()),
                "you compare the reconstruction with the translation: it is the source that has to come back",
            ),
            "there twice": (
                lambda images, there, back: per_image((there(there(images)) - images).abs()),
                "you went there twice: the second way is `back`",
            ),
            "squares": (
                lambda images, there, back: per_image((back(there(images)) - images).square()),
                "you averaged squares: asked are absolute differences",
            ),
            "signed": (
                lambda images, there, back: per_image(back(there(images)) - images),
                "without absolute values, too bright here and too dark there add up to nothing",
            ),
            "absolute value of the mean": (
                lambda images, there, back: per_image(back(there(images)) - images).abs(),
                "take absolute values before you average: after it, too bright and too dark have cancelled out",
            ),
            "sums": (
                lambda images, there, back: (back(there(images)) - images).abs().flatten(1).sum(dim=1),
                "you added up the pixels: take their mean",
            ),
            "over the images": (
                lambda images, there, back: (back(there(images)) - images).abs().mean(dim=0),
                "you averaged over the images and kept the pixels: it is the other way round",
            ),
            "detached": (
                lambda images, there, back: per_image((back(there(images).detach()) - images).abs()),
                "the values are right, but no gradient reaches the translator `there`: leave the translation in the "
                "graph",
            ),
        },
    )
)

# ---------------------------------------------------------------------------------------------------------------------
# Exercise 2: from_buffer
# ---------------------------------------------------------------------------------------------------------------------


def meetings(generator: torch.Generator) -> Iterator[Case]:
    """Full buffers, and fakes of which two meet at one seat."""
    for count, seats, coins in (
        (1, [1], [True]),
        (4, [0, 2, 1, 2], [True, False, True, True]),
        (5, [1, 1, 1, 0, 1], [True, True, False, True, True]),
        (3, [2, 0, 1], [False, False, False]),
    ):
        yield {
            "kept": normal(generator, 3, 2, 2),
            "fakes": normal(generator, count, 2, 2),
            "old": torch.tensor(coins),
            "seats": torch.tensor(seats),
        }


def exchanged(
    kept: Tensor,
    fakes: Tensor,
    old: Tensor,
    seats: Tensor,
    *,
    turned: bool = False,
    replace: bool = True,
    late: bool = False,
    always: bool = False,
) -> tuple[Tensor, Tensor]:
    """The buffer's rule, fake by fake; the options are what the mistakes change."""
    kept, shown = kept.clone(), fakes.clone()
    for place, (coin, seat) in enumerate(zip(old.tolist(), seats.tolist(), strict=True)):
        if coin != turned:
            if late:
                kept[seat] = fakes[place]
            shown[place] = kept[seat]
        if replace and (always or coin != turned):
            kept[seat] = fakes[place]
    return shown, kept


def at_once(kept: Tensor, fakes: Tensor, old: Tensor, seats: Tensor) -> tuple[Tensor, Tensor]:
    after = kept.clone()
    after[seats[old]] = fakes[old]
    return torch.where(old[:, None, None], kept[seats], fakes), after


def two_tensors(got: Any) -> tuple[Tensor, Tensor]:
    if not isinstance(got, tuple | list) or len(got) != 2 or any(not isinstance(part, Tensor) for part in got):
        raise WrongAnswer("type", "return two tensors: what is shown, and the buffer afterwards")
    return tuple(got)


from_buffer = exercise(CHAPTER, "from_buffer")(
    Formula(
        exchanged,
        meetings,
        read=two_tensors,
        wrong={
            "coins turned round": (
                partial(exchanged, turned=True),
                "you show an old fake where `old` is False: True means that an old one is shown",
            ),
            "nobody sits down": (
                partial(exchanged, replace=False),
                "the shown ones are right, but the buffer stays as it was: the new fake takes the seat of the old one",
            ),
            "new one shown": (
                partial(exchanged, late=True),
                "where an old fake is due you show the one that has just taken its seat: show first, then replace. "
                "If you did, what you show is a view of the buffer and changes with it: take its .clone()",
            ),
            "always replaced": (
                partial(exchanged, always=True),
                "a fake that is shown itself takes no seat: replace only where an old one was shown",
            ),
            "all at once": (
                at_once,
                "two fakes may be sent to one seat: the second then shows the first, which sits there by now; go fake "
                "by fake",
            ),
            "nothing old": (
                lambda kept, fakes, old, seats: (fakes, kept),
                "you show the new fakes only: where `old` is True, show what sits in the seat",
            ),
            "all old": (
                lambda kept, fakes, old, seats: exchanged(kept, fakes, torch.ones_like(old), seats),
                "you show an old fake every time: `old` says where",
            ),
            "seats in turn": (
                lambda kept, fakes, old, seats: exchanged(kept, fakes, old, torch.arange(len(seats)) % len(kept)),
                "you take the seats in turn: `seats` says which one",
            ),
            "swapped": (
                lambda kept, fakes, old, seats: exchanged(kept, fakes, old, seats)[::-1],
                "you return the two in the other order: first what is shown, then the buffer",
            ),
        },
    )
)

# ---------------------------------------------------------------------------------------------------------------------
# Exercise 3: patch_of
# ---------------------------------------------------------------------------------------------------------------------

Layers = list[tuple[int, int, int]]


def stacks(generator: torch.Generator) -> Iterator[Case]:
    """Layers as (kernel, stride, padding) and a logit; nothing here is random."""
    ours: Layers = [(4, 2, 1), (4, 2, 1), (3, 1, 1)]
    for logit, layers in (
        (0, [(3, 1, 0)]),
        (5, [(4, 2, 1)]),
        (2, ours),
        (0, ours),
        (7, [(5, 3, 2), (3, 1, 1), (2, 2, 0)]),
        (3, []),
    ):
        yield {"logit": logit, "layers": layers}


def traced(
    logit: int,
    layers: Layers,
    *,
    order: int = -1,
    pad: int = 1,
    wide: int = 1,
    step: Callable[[int], int] = lambda stride: stride,
    clip: bool = False,
) -> tuple[int, int]:
    """First and last pixel, from the logit to the picture; the options are what the mistakes change."""
    first = last = logit
    for kernel, stride, padding in layers[::order]:
        first = first * step(stride) - pad * padding
        last = last * step(stride) - pad * padding + kernel - wide
        if clip:
            first = max(first, 0)
    return first, last


def two_numbers(got: Any) -> tuple[int, int]:
    if not isinstance(got, tuple | list) or len(got) != 2:
        raise WrongAnswer("type", "return two whole numbers, the first pixel and the last")
    if any(isinstance(part, bool) or int(part) != part for part in got):
        raise WrongAnswer("type", "pixels are counted in whole numbers")
    return int(got[0]), int(got[1])


patch_of = exercise(CHAPTER, "patch_of")(
    Formula(
        traced,
        stacks,
        read=two_numbers,
        wrong={
            "first layer first": (
                partial(traced, order=1),
                "you went through the layers from the picture to the logit: start at the logit, with the last layer",
            ),
            "padding forgotten": (
                partial(traced, pad=0),
                "with padding p the first window begins p pixels before the picture: subtract it",
            ),
            "padding added": (partial(traced, pad=-1), "padding moves a window to the left: subtract it"),
            "one too many": (
                partial(traced, wide=0),
                "a kernel of k that begins at pixel a ends at a + k - 1: your last pixel is one too far a layer",
            ),
            "stride forgotten": (
                partial(traced, step=lambda stride: 1),
                "neighbouring outputs lie `stride` inputs apart: multiply before you subtract the padding",
            ),
            "clipped": (
                partial(traced, clip=True),
                "you cut the patch off at the border of the picture: asked is the whole patch, pixels below 0 too",
            ),
            "side of the patch": (
                lambda logit, layers: (0, traced(logit, layers)[1] - traced(logit, layers)[0]),
                "you begin at 0 whichever logit is asked for: where its patch lies is the question",
            ),
            "end beyond": (
                lambda logit, layers: (traced(logit, layers)[0], traced(logit, layers)[1] + 1),
                "your second number is the pixel after the patch: return the last pixel in it",
            ),
            "first and side": (
                lambda logit, layers: (
                    traced(logit, layers)[0],
                    1 + traced(logit, layers)[1] - traced(logit, layers)[0],
                ),
                "your second number is how wide the patch is: return its last pixel",
            ),
            "swapped": (
                lambda logit, layers: traced(logit, layers)[::-1],
                "you return the last pixel first",
            ),
        },
    )
)

# ---------------------------------------------------------------------------------------------------------------------
# Exercise 4: which_translator
# ---------------------------------------------------------------------------------------------------------------------

FAULTS = ("collapsed", "copies", "mirrors", "tints", "loses the place", "hides")
STRIPS = {  # letter -> what its translators do
    "A": "tints",
    "B": "hides",
    "C": "loses the place",
    "D": "mirrors",
    "E": "collapsed",
    "F": "copies",
}
PLACES, SIZE = 6, 32
SHOWN = {"split": "test", "time": "day", "masks": False, "boat": "yes", "flowers": 1.0, "water": "lake", "house": "yes"}


def mystery_strips(seed: int = 5) -> dict[str, dict[str, Tensor]]:
    """Letter -> three rows of pictures, "summer", "winter" and "back", as that fault makes them in its purest form.

    Drawn, not trained: the drawing program knows what each place looks like in both seasons.
    """
    draw = partial(landscapes.draw, PLACES, SIZE, **SHOWN)
    summer, winter = (draw(seed=seed, season=season).images for season in ("summer", "winter"))
    skies = (draw(seed=seed, season="summer").factors["sky"] + 2) % 5
    bare = landscapes.draw(PLACES, SIZE, seed=seed, season="summer", **SHOWN | {"boat": "no", "flowers": 0.0}).images
    elsewhere, others = (draw(seed=seed + 90, season=season).images for season in ("winter", "summer"))
    rows = {
        "tints": (draw(seed=seed, season="winter", sky=skies.tolist()).images, bare),
        "hides": (winter, summer),
        "loses the place": (elsewhere, others),
        "mirrors": (winter.flip(3), bare),
        "collapsed": (winter[2:3].expand_as(winter), bare[2:3].expand_as(bare)),
        "copies": (summer, summer),
    }
    return {
        letter: {"summer": summer, "winter": rows[fault][0], "back": rows[fault][1]} for letter, fault in STRIPS.items()
    }


HEED = {  # what it is, what was said -> what to look at; None stands for any other word
    ("tints", "loses the place"): "every house and every tree is where it was: look at the skies",
    ("tints", None): "compare the skies of the first two rows, place by place",
    (
        "hides",
        "copies",
    ): "its winters are winters: look for the boats and the flowers in the second row, then the third",
    ("hides", None): "look for the boats and the flowers: in which rows are they, and how can the third know of them?",
    ("loses the place", "mirrors"): "no place of the second row is one of the first turned round: compare the skies",
    ("loses the place", "collapsed"): "its winters differ from each other: but whose are they?",
    ("loses the place", None): "look for a place of the first row in the second",
    ("mirrors", "loses the place"): "the places are there, sky by sky: on which side stands the tall tree?",
    ("mirrors", None): "on which side stands the sun in the first row, and in the second?",
    ("collapsed", None): "how many different winters does it draw?",
    ("copies", "hides"): "where is the snow?",
    ("copies", None): "what has changed from the first row to the second?",
}


@exercise(CHAPTER)
def which_translator(answer: Callable) -> None:
    """answer() -> letter -> one of FAULTS, one a letter."""
    expect_words(answer(), STRIPS, FAULTS, HEED, once=True)
