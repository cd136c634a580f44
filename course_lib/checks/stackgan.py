"""Checks of chapter 14: the last state, wrong words, the matching loss, and which edit made which pictures."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib.checks.core import exercise
from course_lib.checks.formula import Case, Formula, normal
from course_lib.checks.lettered import expect_words
from course_lib.gan.stackgan import StackGAN
from course_lib.training.model import evaluating

CHAPTER = "14_stackgan"

# ---------------------------------------------------------------------------------------------------------------------
# Exercise 1: last_state
# ---------------------------------------------------------------------------------------------------------------------

SENTENCES = [  # words of each caption, of `longest`
    ([3, 5, 1, 4], 6, 3),
    ([2, 4, 3], 5, 4),
    ([6, 2], 6, 2),
    ([1], 3, 5),
]


def sentences(generator: torch.Generator) -> Iterator[Case]:
    for lengths, longest, width in SENTENCES:
        tokens = torch.randint(1, 20, (len(lengths), longest), generator=generator)
        for row, length in zip(tokens, lengths, strict=True):
            row[length:] = 0
        yield {"states": normal(generator, len(lengths), longest, width), "tokens": tokens}


def lengths_of(tokens: Tensor) -> Tensor:
    return (tokens != 0).sum(dim=1)


def picked(states: Tensor, tokens: Tensor, *, place: Callable[[Tensor, Tensor], Tensor] = lambda n, t: n - 1) -> Tensor:
    chosen = place(lengths_of(tokens), tokens).clamp(max=states.shape[1] - 1)
    return states[torch.arange(len(states)), chosen]


def mean_of_words(states: Tensor, tokens: Tensor) -> Tensor:
    real = (tokens != 0).to(states)[:, :, None]
    return (states * real).sum(dim=1) / real.sum(dim=1)


last_state = exercise(CHAPTER, "last_state")(
    Formula(
        picked,
        sentences,
        leaves=("states",),
        wrong={
            "after the padding": (
                lambda states, tokens: states[:, -1],
                "you took the state at the last place, which for a short caption comes after the zeros: take the one "
                "after its last word",
            ),
            "one too far": (
                partial(picked, place=lambda length, tokens: length),
                "you took the state one place after the last word: places are counted from 0",
            ),
            "one too early": (
                partial(picked, place=lambda length, tokens: length - 2),
                "you took the state before the last word",
            ),
            "first state": (lambda states, tokens: states[:, 0], "you took the state after the first word"),
            "one length for all": (
                partial(picked, place=lambda length, tokens: (length[:1] - 1).expand_as(length)),
                "you used the first caption's length for all: each has its own",
            ),
            "longest for all": (
                partial(picked, place=lambda length, tokens: (length.max() - 1).expand_as(length)),
                "you used the longest caption's length for all: each has its own",
            ),
            "mean over all places": (
                lambda states, tokens: states.mean(dim=1),
                "you took the mean over all places, zeros included: the last state has read everything already",
            ),
            "mean over the words": (
                mean_of_words,
                "you took the mean over the words: the last state has read them all already",
            ),
            "sum": (lambda states, tokens: states.sum(dim=1), "you added all states up: take one of them"),
            "the number of the word": (
                partial(picked, place=lambda length, tokens: tokens.argmax(dim=1)),
                "you took the place of the largest number: word numbers are names, their size means nothing",
            ),
            "detached": (
                lambda states, tokens: picked(states, tokens).detach(),
                "right numbers, but no gradient reaches the states, so that no word would ever be learned",
            ),
        },
    )
)

# ---------------------------------------------------------------------------------------------------------------------
# Exercise 2: swap_word
# ---------------------------------------------------------------------------------------------------------------------

SWAPS = [  # options of each kind, captions, which kind is swapped, by how many options
    ([3, 9, 10, 3], [[0, 8, 9, 2], [2, 0, 3, 1], [1, 4, 7, 0]], [1, 2, 3], [1, 9, 2]),
    ([2, 5], [[0, 4], [1, 1]], [0, 1], [1, 3]),
    ([4, 2, 3], [[3, 1, 2], [0, 0, 0], [2, 1, 1], [1, 0, 2]], [2, 0, 1, 0], [2, 3, 1, 1]),
]


def swaps(generator: torch.Generator) -> Iterator[Case]:
    for sizes, choices, kind, shift in SWAPS:
        order = torch.randperm(len(choices), generator=generator)
        yield {
            "choices": torch.tensor(choices)[order],
            "sizes": torch.tensor(sizes),
            "kind": torch.tensor(kind)[order],
            "shift": torch.tensor(shift)[order],
        }


def swapped(
    choices: Tensor, sizes: Tensor, kind: Tensor, shift: Tensor, *, around: Callable = lambda total, size: total % size
) -> Tensor:
    rows = torch.arange(len(choices))
    wrong = choices.clone()
    wrong[rows, kind] = around(choices[rows, kind] + shift, sizes[kind])
    return wrong


swap_word = exercise(CHAPTER, "swap_word")(
    Formula(
        swapped,
        swaps,
        what="your choices",
        wrong={
            "not around": (
                partial(swapped, around=lambda total, size: total),
                "an option beyond the last one: count on from the first, `% sizes[...]`",
            ),
            "held at the last": (
                partial(swapped, around=lambda total, size: torch.minimum(total, size - 1)),
                "you stopped at the last option, which may be the right word itself: go around",
            ),
            "one size for all": (
                lambda choices, sizes, kind, shift: swapped(choices, sizes[:1].expand_as(sizes), kind, shift),
                "you counted around by the first kind's size: each kind has its own",
            ),
            "every kind": (
                lambda choices, sizes, kind, shift: (choices + shift[:, None]) % sizes,
                "you changed every kind: one word is to be wrong, the others stay true",
            ),
            "one kind for all": (
                lambda choices, sizes, kind, shift: swapped(choices, sizes, kind[:1].expand_as(kind), shift),
                "you changed the same kind in every caption: row n changes kind[n]",
            ),
            "shift alone": (
                lambda choices, sizes, kind, shift: swapped(torch.zeros_like(choices), sizes, kind, shift).where(
                    torch.arange(len(sizes)) == kind[:, None], choices
                ),
                "you put the shift itself there, which may be the right word: count on from the right one",
            ),
            "backwards": (
                lambda choices, sizes, kind, shift: swapped(choices, sizes, kind, -shift),
                "you counted back: {shift} options on",
            ),
            "one too far": (
                lambda choices, sizes, kind, shift: swapped(choices, sizes, kind, shift + 1),
                "you counted one option too far: some wrong words are right ones then",
            ),
            "nothing changed": (
                lambda choices, sizes, kind, shift: choices,
                "the wrong captions equal the right ones: a discriminator would be told that the truth is wrong",
            ),
            "another row": (
                lambda choices, sizes, kind, shift: choices.roll(1, dims=0),
                "you took another picture's caption: it may well be the same, and usually differs in everything",
            ),
        },
    )
)

# ---------------------------------------------------------------------------------------------------------------------
# Exercise 3: matching_loss
# ---------------------------------------------------------------------------------------------------------------------


def triples(generator: torch.Generator) -> Iterator[Case]:
    for count in (5, 3, 1):
        yield {name: 2 * normal(generator, count) for name in ("right", "wrong", "fake")}


def behind(ahead: Tensor, other: Tensor) -> Tensor:
    """What is lost where `other` is not far enough behind."""
    return F.softplus(other - ahead).mean()


matching_loss = exercise(CHAPTER, "matching_loss")(
    Formula(
        lambda right, wrong, fake: behind(right, fake) + behind(right, wrong),
        triples,
        leaves=("right", "wrong", "fake"),
        wrong={
            "no wrong words": (
                lambda right, wrong, fake: behind(right, fake),
                "`wrong` has no say: a generator that ignores the words would do",
            ),
            "no fakes": (
                lambda right, wrong, fake: behind(right, wrong),
                "`fake` has no say: nobody would tell pictures from noise",
            ),
            "turned round": (
                lambda right, wrong, fake: behind(fake, right) + behind(wrong, right),
                "turned round: this rewards fakes and wrong words",
            ),
            "fakes turned round": (
                lambda right, wrong, fake: behind(fake, right) + behind(right, wrong),
                "the fakes' part is the generator's loss: the discriminator wants `right` above `fake`",
            ),
            "wrong words turned round": (
                lambda right, wrong, fake: behind(right, fake) + behind(wrong, right),
                "the part of the wrong words is turned round: it teaches that wrong words are right",
            ),
            "wrong against fake": (
                lambda right, wrong, fake: behind(right, fake) + behind(wrong, fake),
                "you compared wrong words with fakes: both are to lie below `right`",
            ),
            "a chain": (
                lambda right, wrong, fake: behind(right, wrong) + behind(wrong, fake),
                "you compared wrong words with fakes: both are to lie below `right`",
            ),
            "halved": (
                lambda right, wrong, fake: (behind(right, fake) + behind(right, wrong)) / 2,
                "half of it: the two parts are added",
            ),
            "sum over the batch": (
                lambda right, wrong, fake: (F.softplus(fake - right) + F.softplus(wrong - right)).sum(),
                "you added over the batch: take the mean, or the rate would depend on the batch's size",
            ),
            "sum first": (
                lambda right, wrong, fake: F.softplus(fake + wrong - 2 * right).mean(),
                "you added the differences inside one softplus: then a good fake makes up for wrong words",
            ),
            "mean first": (
                lambda right, wrong, fake: (
                    F.softplus(fake.mean() - right.mean()) + F.softplus(wrong.mean() - right.mean())
                ),
                "you took the mean of the logits first: every picture is compared with its own partner",
            ),
            "not paired": (
                lambda right, wrong, fake: (
                    F.softplus(-right).mean() + F.softplus(fake).mean() + F.softplus(wrong).mean()
                ),
                "each logit is judged alone, as in chapter 5: here only the difference to `right` counts",
            ),
            "no softplus": (
                lambda right, wrong, fake: (fake + wrong - 2 * right).mean(),
                "the bare difference has no floor, so the discriminator would grow without end: softplus of it",
            ),
            "relu": (
                lambda right, wrong, fake: F.relu(fake - right).mean() + F.relu(wrong - right).mean(),
                "relu stops pulling as soon as the order is right: softplus",
            ),
            "right is a constant": (
                lambda right, wrong, fake: behind(right.detach(), fake) + behind(right.detach(), wrong),
                "right number, but no gradient reaches `right`",
            ),
        },
    )
)

# ---------------------------------------------------------------------------------------------------------------------
# Exercise 4: which_change
# ---------------------------------------------------------------------------------------------------------------------

WORDS = (
    "words in reverse",
    "captions shuffled",
    "second reading wrong",
    "one noise for all",
    "code without noise",
    "sketch blurred",
)
EDITS = {  # letter -> what was done; `edited_pictures` does it
    "A": "second reading wrong",
    "B": "one noise for all",
    "C": "captions shuffled",
    "D": "sketch blurred",
    "E": "words in reverse",
    "F": "code without noise",
}
ASKED = (
    "a thick red seven upright",
    "a thin blue four leaning right",
    "an orange three upright",
    "a thick yellow nine leaning right",
    "a pink one leaning left",
    "a thin cyan two upright",
    "a thick white zero upright",
    "a purple five leaning right",
)


def edited_pictures(model: StackGAN, seed: int = 3) -> dict[str, Tensor]:
    """The pictures to ASKED, under "as asked", and after each edit by its letter: [8, C, H, W] each."""
    return {
        name: one_edit(model, word, model.noise(len(ASKED), torch.Generator().manual_seed(seed))).cpu()
        for name, word in {"as asked": "nothing", **EDITS}.items()
    }


def one_edit(model: StackGAN, word: str, noise: Tensor) -> Tensor:
    tokens = model.vocabulary.encode(ASKED)
    code = model.config["code"]
    if word == "captions shuffled":
        tokens = tokens.roll(3, dims=0)
    elif word == "words in reverse":
        tokens = model.vocabulary.encode([" ".join(reversed(caption.split())) for caption in ASKED])
    elif word == "one noise for all":
        noise = noise[:1].expand_as(noise)
    elif word == "code without noise":
        noise = noise.clone()
        noise[:, -code:] = 0
        noise[:, model.first.latent - model.first.config["code"] : model.first.latent] = 0
    if word == "second reading wrong":
        return model.retold(noise, tokens, tokens.roll(3, dims=0))
    if word != "sketch blurred":
        return model.draw(noise, tokens)
    with evaluating(model):
        sketch = F.interpolate(F.avg_pool2d(model.sketch(noise, tokens), 4), scale_factor=4, mode="bilinear")
        return model.generator(sketch, model.coded(tokens, noise[:, -code:])[0])


LOOK_AGAIN = {
    ("words in reverse", None): "the same words, read in another order: which kinds of word came through, and which "
    "did not?",
    ("captions shuffled", None): "every picture is a good one, in the wrong column: look for each caption among the "
    "others",
    ("second reading wrong", "code without noise"): "every stroke lies where it lay in the first row, and here and "
    "there a colour gives way: whose words could do that?",
    (
        "second reading wrong",
        None,
    ): "shapes and paper are those of the first row, to the stroke: the sketch is the same",
    ("one noise for all", None): "what do pictures share that have the same noise and different words? Look at the "
    "paper",
    ("code without noise", "second reading wrong"): "the words are true, but the strokes were drawn anew: what moves a "
    "stroke and no word?",
    ("code without noise", None): "compare with the first row: the words are true, the paper is the same, and the "
    "strokes are a little different",
    ("sketch blurred", None): "what is left of a digit of 16 pixels when 4 by 4 of them become one?",
}


@exercise(CHAPTER)
def which_change(answer: Callable) -> None:
    """answer() -> letter -> one of WORDS, one a letter."""
    expect_words(answer(), EDITS, WORDS, LOOK_AGAIN, once=True)
