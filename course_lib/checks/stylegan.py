"""Checks of chapter 16: the modulated convolution, mixing styles, truncation, and which edit made which faces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor

from course_lib.checks.core import exercise
from course_lib.checks.formula import Case, Formula, normal
from course_lib.checks.lettered import expect_words
from course_lib.gan.stylegan import StyleGAN, groups_of, mix_styles, truncate

CHAPTER = "16_stylegan"

# ---------------------------------------------------------------------------------------------------------------------
# Exercise 1: modulated_kernels
# ---------------------------------------------------------------------------------------------------------------------

LAYERS = [(3, 4, 4, 3), (2, 3, 4, 3), (3, 2, 5, 1), (1, 5, 2, 5)]  # images, inputs, outputs, side of the kernel


def layers(generator: torch.Generator) -> Iterator[Case]:
    for count, inputs, outputs, side in LAYERS:
        yield {
            "weight": normal(generator, outputs, inputs, side, side),
            "style": 1 + normal(generator, count, inputs),
        }
    yield {"weight": 1e-4 * normal(generator, 4, 3, 3, 3), "style": 1 + normal(generator, 2, 3)}  # faint kernels


def modulated(
    weight: Tensor,
    style: Tensor,
    *,
    scale: Callable[[Tensor, Tensor], Tensor] = lambda kernels, style: kernels * style[:, None, :, None, None],
    axes: tuple[int, ...] = (2, 3, 4),
    length: Callable[[Tensor, Tensor, tuple[int, ...]], Tensor] = lambda scaled, plain, axes: (
        scaled.square().sum(dim=axes, keepdim=True).sqrt()
    ),
) -> Tensor:
    """Kernels [N, O, C, k, k]; the options are what the mistakes change."""
    plain = weight.expand(len(style), *weight.shape)
    scaled = scale(plain, style)
    return scaled / length(scaled, plain, axes)


def on_outputs(kernels: Tensor, style: Tensor) -> Tensor:
    return kernels * style[:, :, None, None, None]


def but(**change: Any) -> Callable:
    return partial(modulated, **change)


modulated_kernels = exercise(CHAPTER, "modulated_kernels")(
    Formula(
        modulated,
        layers,
        leaves=("weight", "style"),
        wrong={
            "no demodulation": (
                but(length=lambda scaled, plain, axes: torch.ones(())),
                "the kernels are scaled but not demodulated: divide each image's kernel of each output by its length",
            ),
            "no modulation": (
                but(scale=lambda kernels, style: kernels),
                "style has no effect in your code: input channel c of image n's kernel is multiplied by style[n, c]",
            ),
            "first style for all": (
                but(scale=lambda kernels, style: kernels * style[:1, None, :, None, None]),
                "every image gets the first image's kernel: each has a kernel of its own, from its own row of style",
            ),
            "mean style for all": (
                but(scale=lambda kernels, style: kernels * style.mean(dim=0)[None, None, :, None, None]),
                "every image gets the mean style of the batch: a kernel of its own, or a face depends on its company",
            ),
            "length over the batch": (
                but(length=lambda scaled, plain, axes: scaled.square().mean(0, True).sum(axes, True).sqrt()),
                "your lengths are shared by the batch: every image's kernels have lengths of their own",
            ),
            "demodulated before": (
                but(length=lambda scaled, plain, axes: plain.square().sum(axes, True).sqrt()),
                "you divided by the length of the kernel before it was scaled: scale first, then measure",
            ),
            "one length for all outputs": (
                but(axes=(1, 2, 3, 4)),
                "one length for all output channels together: each output has its own, over its inputs and its k x k",
            ),
            "length per input": (
                but(axes=(1, 3, 4)),
                "you summed over the outputs and kept the inputs: that takes the style out again. Sum over inputs and "
                "k x k, keep the outputs",
            ),
            "length without the inputs": (
                but(axes=(3, 4)),
                "each input channel was divided by its own length, which takes the style out again: the length runs "
                "over the inputs too",
            ),
            "something under the root": (
                but(length=lambda scaled, plain, axes: (scaled.square().sum(axes, True) + 1e-8).sqrt()),
                "you added a small number under the root, as the library does against a length of zero: leave it out "
                "here, faint kernels come out too short",
            ),
            "no root": (
                but(length=lambda scaled, plain, axes: scaled.square().sum(axes, True)),
                "you divide by the sum of squares: the length is its root",
            ),
            "mean instead of sum": (
                but(length=lambda scaled, plain, axes: scaled.square().mean(axes, True).sqrt()),
                "you divide by the root of the mean square: the length is the root of the sum",
            ),
            "deviation instead of length": (
                but(length=lambda scaled, plain, axes: scaled.std(dim=axes, keepdim=True)),
                "you divide by the standard deviation: no mean is subtracted here, the length is the root of the sum "
                "of squares",
            ),
            "sum of sizes": (
                but(length=lambda scaled, plain, axes: scaled.abs().sum(axes, True)),
                "you divide by the sum of absolute values: the length is the root of the sum of squares",
            ),
            "multiplied by the length": (
                but(length=lambda scaled, plain, axes: 1 / scaled.square().sum(axes, True).sqrt()),
                "you multiplied by the length: divide",
            ),
            "style added": (
                but(scale=lambda kernels, style: kernels + style[:, None, :, None, None]),
                "you added the style to the kernel: it multiplies",
            ),
            "one plus style": (
                but(scale=lambda kernels, style: kernels * (1 + style[:, None, :, None, None])),
                "you multiplied by 1 + style: the 1 is in the dense layer's bias already, here style itself counts",
            ),
            "style on the outputs": (
                but(scale=on_outputs),
                "style has one number for each *input* channel, [N, C]: it meets axis 1 of weight [O, C, k, k]",
            ),
            "style is a constant": (
                but(scale=lambda kernels, style: kernels * style.detach()[:, None, :, None, None]),
                "right numbers, but no gradient reaches style, so the mapping would never learn: leave out .detach()",
            ),
            "length is a constant": (
                but(length=lambda scaled, plain, axes: scaled.detach().square().sum(axes, True).sqrt()),
                "right numbers, but the length is a constant to autograd: leave out .detach() there",
            ),
            "length 1 over all images": (
                but(length=lambda scaled, plain, axes: scaled.square().sum(dim=(0, *axes), keepdim=True).sqrt()),
                "you summed over the images too: every image's kernel of every output has length 1",
            ),
        },
        tolerance=1e-7,
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 2: mix
# ---------------------------------------------------------------------------------------------------------------------

PAIRS = [  # images, width of w, layers, first layer of b, the layer after its last
    (4, 5, 8, [1, 3, 0, 6], [4, 4, 8, 6]),
    (3, 4, 6, [2, 2, 5], [3, 6, 6]),
    (2, 6, 3, [0, 1], [0, 3]),
    (1, 3, 4, [2], [4]),
]


def pairs(generator: torch.Generator) -> Iterator[Case]:
    for count, width, depth, start, stop in PAIRS:
        a, b = normal(generator, count, width), normal(generator, count, width)
        yield {"a": a, "b": b, "start": torch.tensor(start), "stop": torch.tensor(stop), "layers": depth}


def between(layer: Tensor, start: Tensor, stop: Tensor) -> Tensor:
    return (layer >= start) & (layer < stop)


def mixed(
    a: Tensor,
    b: Tensor,
    start: Tensor,
    stop: Tensor,
    layers: int,
    *,
    second: Callable[[Tensor, Tensor, Tensor], Tensor] = between,
) -> Tensor:
    chosen = second(torch.arange(layers), start[:, None], stop[:, None])
    return torch.where(chosen[:, :, None], b[:, None], a[:, None])


def halfway(a: Tensor, b: Tensor, start: Tensor, stop: Tensor, layers: int) -> Tensor:
    share = ((stop - start) / layers)[:, None, None].to(a)
    return ((1 - share) * a[:, None] + share * b[:, None]).expand(-1, layers, -1)


mix = exercise(CHAPTER, "mix")(
    Formula(
        mixed,
        pairs,
        leaves=("a", "b"),
        wrong={
            "swapped": (
                lambda a, b, start, stop, layers: mixed(b, a, start, stop, layers),
                "the two are swapped: b from start to stop, a everywhere else",
            ),
            "to the end": (
                partial(mixed, second=lambda layer, start, stop: layer >= start),
                "b never ends in your code: from layer stop[n] on, a is back, for stop {stop}",
            ),
            "from the beginning": (
                partial(mixed, second=lambda layer, start, stop: layer < stop),
                "b is there from the first layer in your code: it begins at start[n], for start {start}",
            ),
            "stop included": (
                partial(mixed, second=lambda layer, start, stop: (layer >= start) & (layer <= stop)),
                "layer number stop[n] is b's in your code: it is the first that is a's again, for stop {stop}",
            ),
            "one layer late": (
                partial(mixed, second=lambda layer, start, stop: (layer > start) & (layer < stop)),
                "b begins one layer late: layer number start[n] is b's already, for start {start}",
            ),
            "both ends late": (
                partial(mixed, second=lambda layer, start, stop: (layer > start) & (layer <= stop)),
                "b begins and ends one layer late: layers are counted from 0",
            ),
            "one place for all": (
                partial(
                    mixed,
                    second=lambda layer, start, stop: between(layer, start[:1], stop[:1]).expand(len(start), -1),
                ),
                "every image changes at the first image's layers: each has its own start and stop",
            ),
            "averaged": (
                halfway,
                "you averaged the two: mixing takes each layer's style whole, from one or the other",
            ),
            "only a": (lambda a, b, start, stop, layers: mixed(a, a, start, stop, layers), "b never comes"),
            "only b": (lambda a, b, start, stop, layers: mixed(b, b, start, stop, layers), "a never comes"),
            "another image's style": (
                lambda a, b, start, stop, layers: mixed(a, b.roll(1, dims=0), start, stop, layers),
                "image n gets another image's b: row n of a and row n of b belong together",
            ),
            "layers first": (
                lambda a, b, start, stop, layers: mixed(a, b, start, stop, layers).transpose(0, 1),
                "the axes are [layers, N, W]: return [N, layers, W]",
            ),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 3: truncated
# ---------------------------------------------------------------------------------------------------------------------

CLOUDS = [
    (4, 3, 3, [0.5, 1.0, 0.0]),
    (5, 4, 3, [0.5, 1.0, 0.0, 0.7]),
    (2, 3, 6, [1.0, 0.3, 0.3]),
    (6, 2, 2, [0.0, -1.0]),
    (1, 5, 4, [0.6] * 5),
]


def clouds(generator: torch.Generator) -> Iterator[Case]:
    for count, depth, width, psi in CLOUDS:
        yield {
            "styles": 2 + normal(generator, count, depth, width),
            "centre": 1 + normal(generator, width),
            "psi": torch.tensor(psi, dtype=torch.float64),
        }


def towards(styles: Tensor, centre: Tensor, psi: Tensor) -> Tensor:
    return centre + psi[:, None] * (styles - centre)


truncated = exercise(CHAPTER, "truncated")(
    Formula(
        towards,
        clouds,
        leaves=("styles",),
        wrong={
            "towards zero": (
                lambda styles, centre, psi: psi[:, None] * styles,
                "you drew the styles towards 0: in W the middle is `centre`",
            ),
            "centre not added": (
                lambda styles, centre, psi: psi[:, None] * (styles - centre),
                "you subtracted the centre and never added it again",
            ),
            "psi the wrong way round": (
                lambda styles, centre, psi: towards(styles, centre, 1 - psi),
                "psi is turned round: 1 leaves a style as it is, 0 is the centre",
            ),
            "the batch's own mean": (
                lambda styles, centre, psi: towards(styles, styles.mean(dim=(0, 1)), psi),
                "you drew towards the mean of these few styles: then a face depends on its company; use `centre`",
            ),
            "mean per layer": (
                lambda styles, centre, psi: towards(styles, styles.mean(dim=0), psi),
                "you drew towards the mean of these few styles: then a face depends on its company; use `centre`",
            ),
            "first psi for all": (
                lambda styles, centre, psi: towards(styles, centre, psi[:1].expand_as(psi)),
                "every layer gets the first psi: layer l has psi[l], here {psi}",
            ),
            "mean psi for all": (
                lambda styles, centre, psi: towards(styles, centre, psi.mean().expand_as(psi)),
                "every layer gets the mean psi: layer l has psi[l], here {psi}",
            ),
            "no centre at the end": (
                lambda styles, centre, psi: centre + psi[:, None] * styles,
                "subtract the centre before you scale: centre + psi * (style - centre)",
            ),
            "clamped": (
                lambda styles, centre, psi: centre + (styles - centre).clamp(-psi[:, None].abs(), psi[:, None].abs()),
                "you cut off what is farther than psi: truncation scales the distance from the centre by psi",
            ),
            "psi along the wrong axis": (
                lambda styles, centre, psi: centre + psi * (styles - centre),
                "psi, [layers], meets the last axis of styles, [N, layers, W]: turn it into a column, psi[:, None]",
            ),
            "psi squared": (
                lambda styles, centre, psi: towards(styles, centre, psi.square()),
                "psi was applied twice: once is enough",
            ),
            "sign lost": (
                lambda styles, centre, psi: towards(styles, centre, psi.abs()),
                "you dropped the sign of psi: below 0 the style goes to the other side of the centre",
            ),
            "cut off below 0": (
                lambda styles, centre, psi: towards(styles, centre, psi.clamp(0, 1)),
                "a psi below 0 became 0 in your code: it takes the style to the other side of the centre",
            ),
            "away from the centre": (
                lambda styles, centre, psi: centre - psi[:, None] * (styles - centre),
                "you went the other way from the centre: centre + psi * (style - centre)",
            ),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 4: which_edit
# ---------------------------------------------------------------------------------------------------------------------

WORDS = ("nothing", "truncated", "new noise maps", "coarse from another", "fine from another", "colours doubled")
EDITS = {  # letter -> what was done; `edited_faces` does it
    "A": "fine from another",
    "B": "nothing",
    "C": "coarse from another",
    "D": "colours doubled",
    "E": "new noise maps",
    "F": "truncated",
}
FACES = 8


def edited_faces(model: StyleGAN, seed: int = 3) -> dict[str, Tensor]:
    """The faces as they are, under "original", and after each edit by its letter: [FACES, C, H, W] each."""
    noise = model.noise(2 * FACES, torch.Generator().manual_seed(seed))
    own, other = model.styles(noise).detach().split(FACES)
    return {"original": model.paint(own)} | {
        letter: one_edit(model, word, own, other, noise[:FACES]) for letter, word in EDITS.items()
    }


def one_edit(model: StyleGAN, word: str, own: Tensor, other: Tensor, noise: Tensor) -> Tensor:
    groups = groups_of(model.config["size"])
    if word.endswith("from another"):
        chosen = torch.zeros(model.layers, dtype=torch.bool)
        chosen[groups[word.split()[0]]] = True
        return model.paint(mix_styles(own, other, chosen.to(own.device)))
    if word == "nothing":  # three times the noise is the same direction
        return model.draw(3 * noise)
    if word == "truncated":
        return model.paint(truncate(own, model.centre(), 0.3))
    if word == "new noise maps":
        return model.paint(own, model.fresh_maps(len(own), torch.Generator().manual_seed(1)))
    layer = model.generator["synthesis"].to_factors
    saved = [(weight, weight.detach().clone()) for weight in layer.parameters()]
    try:
        with torch.no_grad():
            for weight, _ in saved:
                weight.mul_(2)
        return model.paint(own)
    finally:
        with torch.no_grad():
            for weight, before in saved:
                weight.copy_(before)


LOOK_AGAIN = {
    ("nothing", None): "compare it with the original pixel by pixel: is there any difference?",
    ("truncated", None): "compare its faces with each other: are they as different as the originals?",
    ("new noise maps", None): "the people are the same, and yet it is not the original: which part of the generator "
    "knows nothing of who is drawn?",
    ("coarse from another", "fine from another"): "it is the shapes that came from somebody else here",
    ("coarse from another", None): "head, hair and pose belong to other people: which layers draw the large shapes?",
    ("fine from another", "coarse from another"): "the shapes stayed: what came from somebody else?",
    ("fine from another", None): "the shapes stayed, the rest came from other people: which layers come last?",
    ("colours doubled", None): "everything stayed in its place and became stronger: which layer has no demodulation?",
}


@exercise(CHAPTER)
def which_edit(answer: Callable) -> None:
    """answer() -> letter -> one of WORDS, one a letter."""
    expect_words(answer(), EDITS, WORDS, LOOK_AGAIN, once=True)
