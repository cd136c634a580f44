"""Checks of chapter 2: the size of a convolution's output, the convolution, a hidden mistake, the backward pass."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from operator import floordiv, truediv
from types import MappingProxyType
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.checks.core import exercise
from course_lib.checks.formula import Case, Formula, Sight, normal
from course_lib.checks.guard import Forbidden
from course_lib.checks.verdict import WrongAnswer
from course_lib.cnn import convolution

CHAPTER = "02_convolution"
READY_MADE = "your code calls the ready-made function it is meant to replace; write it out"


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 1: conv_output_size
# ---------------------------------------------------------------------------------------------------------------------

SIZES = [  # n, kernel, stride, padding, dilation
    (5, 3, 1, 0, 1),
    (28, 5, 1, 2, 1),
    (28, 4, 2, 1, 1),
    (29, 4, 2, 1, 1),
    (27, 4, 2, 1, 1),
    (10, 2, 3, 0, 1),
    (9, 2, 3, 0, 1),
    (32, 3, 2, 1, 1),
    (17, 3, 1, 2, 2),
    (40, 5, 3, 4, 3),
    (1, 1, 1, 0, 1),
    (1, 5, 2, 4, 1),
    (6, 6, 4, 0, 1),
    (1_000_000, 7, 3, 2, 5),
]


def axes(generator: torch.Generator) -> Iterator[Case]:
    names = ("n", "kernel", "stride", "padding", "dilation")
    for sizes in SIZES:
        yield dict(zip(names, sizes, strict=True))
    n = int(torch.randint(20, 90, (), generator=generator))
    yield dict(zip(names, (n, 4, 3, 2, 2), strict=True))


def positions(
    n: int,
    kernel: int,
    stride: int,
    padding: int,
    dilation: int,
    *,
    sides: int = 2,
    reach: Callable[[int, int], int] = lambda kernel, dilation: dilation * (kernel - 1) + 1,
    divide: Callable[[int, int], float] = floordiv,
    first: int = 1,
) -> float:
    """How many positions a kernel has; the options are what the mistakes change."""
    return divide(n + sides * padding - reach(kernel, dilation), stride) + first


def counted(**change: Any) -> Callable:
    return partial(positions, **change)


conv_output_size = exercise(CHAPTER, "conv_output_size", Forbidden(READY_MADE, packages=("course_lib.cnn",)))(
    Formula(
        positions,
        axes,
        wrong={
            "rounds up": (
                counted(divide=lambda steps, stride: -(-steps // stride)),
                "you round up: a last step that does not fit whole is not taken, so round down (//)",
            ),
            "rounds to nearest": (
                counted(divide=lambda steps, stride: round(steps / stride)),
                "you round to the nearest number: a last step that does not fit whole is not taken, so round down (//)",
            ),
            "not whole": (
                counted(divide=truediv),
                "a number of positions is whole, yours is a float: divide with //, not with /",
            ),
            "padding once": (
                counted(sides=1),
                "you count the padding once: it is added at both ends of the axis",
            ),
            "padding ignored": (
                counted(sides=0),
                "the padding has no effect: the kernel slides over n pixels plus the padding at both ends",
            ),
            "dilation ignored": (
                counted(reach=lambda kernel, dilation: kernel),
                "the dilation has no effect: a dilated kernel reaches over dilation * (kernel - 1) + 1 pixels, not "
                "kernel",
            ),
            "reach too long": (
                counted(reach=lambda kernel, dilation: dilation * kernel),
                "the reach is too long: kernel entries have kernel - 1 gaps between them, so it is dilation * (kernel "
                "- 1) + 1",
            ),
            "reach too short": (
                counted(reach=lambda kernel, dilation: dilation * (kernel - 1)),
                "one pixel too few for the kernel: from its first to its last entry it reaches over dilation * (kernel "
                "- 1) + 1 pixels",
            ),
            "first position missing": (
                counted(first=0),
                "one too few: you counted the steps between positions, and the first position counts too (+ 1 at the "
                "end)",
            ),
            "one added before dividing": (
                counted(divide=lambda steps, stride: (steps + 1) // stride, first=0),
                "you divide after adding 1: the stride divides the number of steps, then the first position adds 1",
            ),
            "stride ignored": (
                counted(divide=lambda steps, stride: steps),
                "the stride has no effect: only every stride-th position is kept",
            ),
            "stride divides the input": (
                lambda n, kernel, stride, padding, dilation: n // stride,
                "you return n // stride: that holds only for kernels and paddings that happen to cancel",
            ),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 2: conv2d
# ---------------------------------------------------------------------------------------------------------------------

LAYERS = [  # shape of x, shape of weight, stride, padding, size of the pixels: from plain to everything at once
    ((1, 1, 7, 5), (1, 1, 3, 2), 1, (0, 0), 1),
    ((2, 3, 4, 5), (4, 3, 3, 2), 1, (0, 0), 1),
    ((2, 3, 4, 5), (2, 3, 3, 3), 1, (2, 1), 1),
    ((2, 2, 8, 9), (3, 2, 3, 4), 2, (1, 2), 1),
    ((1, 1, 1, 1), (1, 1, 1, 1), 1, (0, 0), 1),
    ((1, 2, 2, 1), (2, 2, 3, 2), 3, (4, 3), 1),
    ((1, 2, 5, 4), (2, 2, 2, 2), 1, (1, 0), 1e200),
]


def layers(generator: torch.Generator) -> Iterator[Case]:
    for x_shape, w_shape, stride, padding, size in LAYERS:
        x, weight, bias = (normal(generator, *shape) for shape in (x_shape, w_shape, w_shape[:1]))
        yield {"x": size * x, "weight": weight, "bias": bias, "stride": stride, "padding": padding}
    whole = [normal(generator, *shape).round().float() for shape in ((1, 1, 5, 5), (1, 1, 3, 3), (1,))]
    yield dict(zip(("x", "weight", "bias"), whole, strict=True)) | {"stride": 1, "padding": (0, 0)}  # exact in float32


def windows(x: Tensor, weight: Tensor, rows: int, columns: int) -> Tensor:
    """[N, C, Ho, Wo, kh, kw], `rows` and `columns` apart."""
    return x.unfold(2, weight.shape[2], rows).unfold(3, weight.shape[3], columns)


def convolved(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    stride: int,
    padding: tuple[int, int],
    *,
    steps: tuple[int, int] | None = None,
    sides: tuple[int, int] = (1, 1),
    mode: str = "constant",
    products: float = 1,
    biases: float = 1,
) -> Tensor:
    """Convolution; the options are what the mistakes change."""
    (ph, pw), (before, after) = padding, sides
    x = F.pad(x, (before * pw, after * pw, before * ph, after * ph), mode)
    view = windows(x, weight, *(steps or (stride, stride)))
    return products * torch.einsum("nchwab,ocab->nohw", view, weight) + biases * bias[:, None, None]


def but(**change: Any) -> Callable:
    return partial(convolved, **change)


def windows_from_i(x: Tensor, w: Tensor, b: Tensor, s: int, p: tuple[int, int]) -> Tensor:
    height, width = convolved(x, w, b, s, p).shape[2:]
    return convolved(x, w, b, 1, p)[:, :, :height, :width]


def mixed(*inputs: Any) -> Tensor:
    right = convolved(*inputs)
    return right.mT.reshape(right.shape)


conv2d = exercise(
    CHAPTER,
    "conv2d",
    Forbidden(READY_MADE, operations=("*conv*",), packages=("course_lib.cnn", "scipy")),
)(
    Formula(
        convolved,
        layers,
        leaves=("x", "weight", "bias"),
        wrong={
            "flipped kernel": (
                lambda x, w, b, s, p: convolved(x, w.flip(-2, -1), b, s, p),
                "right shape, but the kernel is flipped: you computed true convolution; use the kernel as it is",
            ),
            "only one channel": (
                lambda x, w, b, s, p: convolved(x[:, :1], w[:, :1], b, s, p),
                "only the first input channel is used: the window spans all C channels, and their products add up",
            ),
            "last channel": (
                lambda x, w, b, s, p: convolved(x[:, -1:], w[:, -1:], b, s, p),
                "only the last input channel is left: add the channels up (+=) instead of overwriting (=)",
            ),
            "channels averaged": (
                lambda x, w, b, s, p: convolved(x, w, b, s, p, products=1 / w.shape[1]),
                "the input channels are averaged: their products are added up, with no division",
            ),
            "window averaged": (
                lambda x, w, b, s, p: convolved(x, w, b, s, p, products=1 / w[0].numel()),
                "you take the mean over the window: the products are added up, with no division",
            ),
            "one kernel for all": (
                lambda x, w, b, s, p: convolved(x, w[:1].expand_as(w), b, s, p),
                "all output channels use the first kernel: output channel o uses weight[o]",
            ),
            "first image only": (
                lambda x, w, b, s, p: convolved(x[:1].expand_as(x), w, b, s, p),
                "every output is that of the first image: image n of the batch has its own windows, x[n]",
            ),
            "batch lost": (
                lambda x, w, b, s, p: convolved(x[:1], w, b, s, p),
                "only one image comes out: the batch has N of them",
            ),
            "padding on one side": (
                but(sides=(1, 0)),
                "zeros are added at the top and left only: padding goes on both sides of each axis",
            ),
            "padding at the end": (
                but(sides=(0, 1)),
                "zeros are added at the bottom and right only: padding goes on both sides of each axis",
            ),
            "padding swapped": (
                lambda x, w, b, s, p: convolved(x, w, b, s, p[::-1]),
                "vertical and horizontal padding are swapped: padding is (rows, columns), F.pad wants left and right "
                "first",
            ),
            "padding ignored": (
                but(sides=(0, 0)),
                "the padding has no effect: add rows and columns of zeros first",
            ),
            "border repeated": (
                but(mode="replicate"),
                "the border pixels are repeated outwards: this padding is with zeros",
            ),
            "border mirrored": (
                but(mode="reflect"),
                "the image is mirrored at its border: this padding is with zeros",
            ),
            "stride ignored": (
                but(steps=(1, 1)),
                "the stride has no effect: windows start at i * stride, j * stride",
            ),
            "windows from i": (
                windows_from_i,
                "the size is right, but your windows start at i and j: they start at i * stride and j * stride",
            ),
            "stride on rows only": (
                lambda x, w, b, s, p: convolved(x, w, b, s, p, steps=(s, 1)),
                "the stride works on rows only: columns step by stride too",
            ),
            "stride on columns only": (
                lambda x, w, b, s, p: convolved(x, w, b, s, p, steps=(1, s)),
                "the stride works on columns only: rows step by stride too",
            ),
            "bias missing": (
                but(biases=0),
                "the bias is missing: bias[o] is added to every pixel of output channel o",
            ),
            "bias along the width": (
                lambda x, w, b, s, p: convolved(x, w, b, s, p, biases=0) + b,
                "the bias, [O], meets the last axis of the output, which is its width: turn it into [O, 1, 1] with "
                "[:, None, None]",
            ),
            "bias too often": (
                lambda x, w, b, s, p: convolved(x, w, b, s, p, biases=w.shape[1]),
                "the bias is added once per input channel: add it once per output pixel",
            ),
            "bias per product": (
                lambda x, w, b, s, p: convolved(x, w, b, s, p, biases=w[0].numel()),
                "the bias is added to every product: add it once per output pixel, after the sum",
            ),
            "height and width swapped": (
                lambda x, w, b, s, p: convolved(x, w, b, s, p).mT,
                "height and width of the output are swapped: rows come first, [N, O, Ho, Wo]",
            ),
            "rows and columns mixed": (
                mixed,
                "the numbers are right but in the wrong places: rows run slowest, so i is the outer loop and j the "
                "inner",
            ),
            "channels last": (
                lambda x, w, b, s, p: convolved(x, w, b, s, p).movedim(1, -1),
                "the channels come last: the answer is [N, O, Ho, Wo]",
            ),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 3: find_the_mistake
# ---------------------------------------------------------------------------------------------------------------------

Convolution = Callable[[Tensor, Tensor], Tensor]  # (x [N, C, H, W], weight [O, C, kh, kw]), stride 1, no padding

SUSPECTS: dict[str, Convolution] = {  # verdict -> a convolution that deserves it
    "right": lambda x, w: F.conv2d(x, w),
    "flipped": lambda x, w: F.conv2d(x, w.flip(-2, -1)),
    "swapped": lambda x, w: F.conv2d(x, w.mT),
    "one channel": lambda x, w: F.conv2d(x[:, :1], w[:, :1]),
    "averaged": lambda x, w: F.conv2d(x, w) / w[0].numel(),
}


def line_up(generator: torch.Generator) -> Iterator[Case]:
    """Every suspect twice, in an order that is drawn: nobody is to guess by counting."""
    order = torch.randperm(2 * len(SUSPECTS), generator=generator).tolist()
    for place in order:
        yield {"conv": list(SUSPECTS.values())[place % len(SUSPECTS)]}


def probe(channels: int, kernel: Tensor) -> tuple[Tensor, Tensor]:
    """An image that varies, and a weight whose slices are multiples of one kernel [kh, kw]."""
    scale = torch.arange(1, channels + 1, dtype=torch.float64).view(channels, 1, 1)
    x = torch.arange(channels * 30, dtype=torch.float64).view(1, channels, 5, 6).square() % 17
    return x, (scale * kernel)[None]


UNEVEN = torch.tensor([[1.0, 2, 3], [4, 5, 6], [7, 8, 10]], dtype=torch.float64)


def verdict_of(
    conv: Convolution, *, channels: int = 2, kernel: Tensor = UNEVEN, names: Mapping[str, str] = MappingProxyType({})
) -> str:
    """Compare with each suspect on one probe. The mistakes take a probe on which suspects look alike."""
    x, weight = probe(channels, kernel)
    got = conv(x, weight)
    for name, suspect in SUSPECTS.items():
        wanted = suspect(x, weight)
        if got.shape == wanted.shape and torch.allclose(got, wanted):
            return names.get(name, name)
    return "right"


def probed(**change: Any) -> Callable:
    return partial(verdict_of, **change)


def no_verdict(case: Case, got: Sight, right: Sight) -> bool:
    return not (isinstance(got.value, str) and got.value in SUSPECTS) and not got.error


def false_alarm(case: Case, got: Sight, right: Sight) -> bool:
    return right.value == "right" and not got.error


ROUND = torch.tensor([[1.0, 2, 3], [4, 5, 4], [3, 2, 1]], dtype=torch.float64)  # alike after half a turn
MIRRORED = torch.tensor([[1.0, 2, 3], [2, 5, 6], [3, 6, 9]], dtype=torch.float64)  # alike with rows and columns swapped
EVEN = torch.tensor([[1.0, 2, 1], [2, 5, 2], [1, 2, 1]], dtype=torch.float64)  # alike after both
NINE = "take nine different numbers"
find_the_mistake = exercise(CHAPTER, "find_the_mistake")(
    Formula(
        verdict_of,
        line_up,
        what="your verdict",
        wrong={
            "half a turn unseen": (
                probed(kernel=ROUND),
                f"you call a flipped convolution right: does half a turn leave your kernel as it is? {NINE}",
            ),
            "swap unseen": (
                probed(kernel=MIRRORED),
                "you call a convolution right that swaps rows and columns of its kernel: is your kernel the same as "
                f"its transpose? {NINE}",
            ),
            "turns unseen": (
                probed(kernel=EVEN),
                "you call convolutions right that flip or swap their kernels: is your kernel symmetric, or your image "
                f"the same everywhere? For the kernel {NINE}, and let the image vary",
            ),
            "channels unseen": (
                probed(channels=1),
                "you call a convolution right that reads its first channel only: your probe needs two channels or more",
            ),
            "channels and turns unseen": (
                probed(channels=1, kernel=EVEN),
                "your probe shows hardly any mistake: it needs two channels, and a kernel of nine different numbers",
            ),
            "scale unseen": (
                probed(names={"averaged": "right"}),
                "you call a convolution right that divides by the number of products: compare the numbers themselves, "
                "not their order or their pattern",
            ),
            "always right": (
                lambda conv: "right",
                "you call every convolution right: call conv(x, weight) on a probe and compare the result",
            ),
            "flipped and swapped confused": (
                probed(names={"flipped": "swapped", "swapped": "flipped"}),
                "flipped and swapped are confused: flipped turns the kernel by half a turn, weight.flip(2, 3); swapped "
                "exchanges its rows and columns, weight.mT",
            ),
        },
        signs={
            "no verdict": (
                no_verdict,
                f"that is no verdict: return one of {', '.join(SUSPECTS)}, as a string",
            ),
            "false alarm": (
                false_alarm,
                "you find a mistake in a convolution that has none: on your probe that mistake changes nothing, or "
                "you compare floats with ==; take another probe and torch.allclose",
            ),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 4: conv2d_backward
# ---------------------------------------------------------------------------------------------------------------------

BACKWARDS = [  # shape of x, shape of weight, stride, size of all numbers; then pixels that no window touches
    ((2, 1, 6, 4), (1, 1, 3, 2), 1, 1),
    ((3, 2, 6, 5), (4, 2, 2, 3), 1, 1),
    ((2, 3, 8, 6), (4, 3, 3, 2), 2, 1),
    ((1, 2, 7, 8), (3, 2, 2, 2), 3, 1),
    ((2, 2, 3, 4), (3, 2, 3, 4), 1, 1),
    ((1, 1, 1, 1), (1, 1, 1, 1), 1, 1),
    ((2, 1, 5, 5), (2, 1, 2, 3), 2, 1e140),
]


def returns(generator: torch.Generator) -> Iterator[Case]:
    for x_shape, w_shape, stride, size in BACKWARDS:
        out = [convolution.output_size(n, k, stride) for n, k in zip(x_shape[2:], w_shape[2:], strict=True)]
        shapes = (x_shape[0], w_shape[0], *out), x_shape, w_shape
        grad_out, x, weight = (size * normal(generator, *shape) for shape in shapes)
        yield {"grad_out": grad_out, "x": x, "weight": weight, "stride": stride}


def three(got: Any) -> tuple:
    if not isinstance(got, tuple | list) or len(got) != 3:
        raise WrongAnswer("not three", "expected three tensors in a row: return grad_x, grad_weight, grad_bias")
    return tuple(got)


def scattered(grad: Tensor, x: Tensor, w: Tensor, stride: int, add: bool = True) -> Tensor:
    """grad_x: stamp the kernels, times grad, into an image; without `add` a later stamp hides an earlier one."""
    (kh, kw), out = w.shape[2:], torch.zeros_like(x)
    for i in range(grad.shape[2]):
        for j in range(grad.shape[3]):
            spot = out[:, :, i * stride : i * stride + kh, j * stride : j * stride + kw]
            stamp = torch.einsum("no,ochw->nchw", grad[:, :, i, j], w)
            spot.copy_(spot + stamp if add else stamp)
    return out


def gathered(grad: Tensor, x: Tensor, w: Tensor, stride: int) -> Tensor:
    """grad_weight, one image at a time: [N, O, C, kh, kw]."""
    view = windows(x, w, stride, stride)[:, :, : grad.shape[2], : grad.shape[3]]
    return torch.einsum("nohw,nchwab->nocab", grad, view)


def last_window(grad: Tensor, x: Tensor, w: Tensor, stride: int) -> Tensor:
    """What grad_weight keeps of each image when = takes the place of +=."""
    rest = torch.zeros_like(grad)
    rest[..., -1, -1] = grad[..., -1, -1]
    return gathered(rest, x, w, stride)


def all_three(grad: Tensor, x: Tensor, w: Tensor, stride: int) -> tuple[Tensor, Tensor, Tensor]:
    return scattered(grad, x, w, stride), gathered(grad, x, w, stride).sum(0), grad.sum((0, 2, 3))


def in_x(program: Callable) -> Callable:
    return lambda g, x, w, s: (program(g, x, w, s), ..., ...)


def in_weight(program: Callable) -> Callable:
    return lambda g, x, w, s: (..., program(g, x, w, s), ...)


def in_bias(program: Callable[[Tensor], Tensor]) -> Callable:
    return lambda g, x, w, s: (..., ..., program(g))


BIAS_MEAN = "grad_bias is a mean: the bias was added at every position of every image, so the gradients add up"
BIAS_OVERWRITTEN = "grad_bias keeps only the last position: add up (+=), do not overwrite (=)"
conv2d_backward = exercise(
    CHAPTER,
    "conv2d_backward",
    Forbidden(
        "your code lets torch or course_lib compute the gradients; write them out",
        operations=("*conv*backward*",),
        packages=("course_lib.cnn",),
        autograd=True,
    ),
)(
    Formula(
        all_three,
        returns,
        read=three,
        wrong={
            "order": (
                lambda g, x, w, s: tuple(all_three(g, x, w, s)[place] for place in (1, 0, 2)),
                "grad_x and grad_weight are swapped: the order is that of the inputs, x first",
            ),
            "input gradient without the flip": (
                in_x(lambda g, x, w, s: scattered(g, x, w.flip(-2, -1), s)),
                "grad_x has the kernel turned by half a turn: output (i, j) sends weight[..., u, v] to pixel (i+u, "
                "j+v)",
            ),
            "stamps overwrite": (
                in_x(lambda g, x, w, s: scattered(g, x, w, s, add=False)),
                "in grad_x later windows overwrite earlier ones: a pixel in several windows gets the sum, so use +=",
            ),
            "stamps and channels overwrite": (
                in_x(lambda g, x, w, s: scattered(g[:, -1:], x, w[-1:], s, add=False)),
                "in grad_x later windows and output channels overwrite earlier ones: everything adds up, so use +=",
            ),
            "stride ignored in grad_x": (
                in_x(lambda g, x, w, s: scattered(g, x, w, 1)),
                "grad_x ignores the stride: output (i, j) goes back to the window at i * stride, j * stride",
            ),
            "only one output channel": (
                in_x(lambda g, x, w, s: scattered(g[:, :1], x, w[:1], s)),
                "grad_x comes from the first output channel only: every output channel saw x, so their gradients add "
                "up",
            ),
            "output channels averaged": (
                in_x(lambda g, x, w, s: scattered(g, x, w, s) / len(w)),
                "grad_x is averaged over the output channels: their gradients add up, with no division",
            ),
            "grad_x averaged": (
                in_x(lambda g, x, w, s: scattered(g, x, w, s) / len(x)),
                "grad_x is divided by N: each image has a gradient of its own, undivided",
            ),
            "grad_out ignored in grad_x": (
                in_x(lambda g, x, w, s: scattered(torch.ones_like(g), x, w, s)),
                "grad_x does not depend on grad_out: multiply every stamp by grad_out[n, o, i, j]",
            ),
            "leftover border lost": (
                in_x(
                    lambda g, x, w, s: scattered(g, x, w, s)[
                        :, :, : (g.shape[2] - 1) * s + w.shape[2], : (g.shape[3] - 1) * s + w.shape[3]
                    ]
                ),
                "grad_x is smaller than x: rows and columns that no window reached have gradient 0, but they are there",
            ),
            "flipped weight gradient": (
                in_weight(lambda g, x, w, s: gathered(g, x, w, s).sum(0).flip(-2, -1)),
                "grad_weight is turned by half a turn: entry (u, v) pairs grad_out[i, j] with x[i+u, j+v], without a "
                "flip",
            ),
            "averaged over the batch": (
                in_weight(lambda g, x, w, s: gathered(g, x, w, s).mean(0)),
                "grad_weight is averaged over the batch: the same weight served every image, so the gradients add up",
            ),
            "averaged over positions": (
                in_weight(lambda g, x, w, s: gathered(g, x, w, s).sum(0) / g[0, 0].numel()),
                "grad_weight is averaged over the positions: the same weight served every window, so they add up",
            ),
            "first image only": (
                in_weight(lambda g, x, w, s: gathered(g, x, w, s)[0]),
                "grad_weight comes from the first image only: add up over the batch",
            ),
            "last image only": (
                in_weight(lambda g, x, w, s: gathered(g, x, w, s)[-1]),
                "grad_weight comes from the last image only: add up (+=), do not overwrite (=)",
            ),
            "last window only": (
                in_weight(lambda g, x, w, s: last_window(g, x, w, s).sum(0)),
                "grad_weight comes from the last window only: add up (+=) over the positions, do not overwrite (=)",
            ),
            "last window of the last image": (
                in_weight(lambda g, x, w, s: last_window(g, x, w, s)[-1]),
                "grad_weight keeps the last window of the last image: add up (+=) over both, do not overwrite (=)",
            ),
            "stride ignored in grad_weight": (
                in_weight(lambda g, x, w, s: gathered(g, x, w, 1).sum(0)),
                "grad_weight ignores the stride: output (i, j) saw the window at i * stride, j * stride",
            ),
            "grad_out ignored in grad_weight": (
                in_weight(lambda g, x, w, s: gathered(torch.ones_like(g), x, w, s).sum(0)),
                "grad_weight does not depend on grad_out: multiply every window by grad_out[n, o, i, j]",
            ),
            "grad_bias averaged": (in_bias(lambda g: g.mean((0, 2, 3))), BIAS_MEAN),
            "grad_bias averaged over the batch": (in_bias(lambda g: g.mean(0).sum((1, 2))), BIAS_MEAN),
            "grad_bias averaged over positions": (in_bias(lambda g: g.mean((2, 3)).sum(0)), BIAS_MEAN),
            "grad_bias per image": (
                in_bias(lambda g: g.sum((2, 3))),
                "grad_bias has a row per image: sum over the batch too, to shape [O]",
            ),
            "grad_bias counts positions": (
                in_bias(lambda g: torch.ones_like(g).sum((0, 2, 3))),
                "grad_bias counts the positions instead of adding up grad_out there",
            ),
            "grad_bias from the last position": (in_bias(lambda g: g[..., -1, -1].sum(0)), BIAS_OVERWRITTEN),
            "grad_bias from the last image's last position": (in_bias(lambda g: g[-1, :, -1, -1]), BIAS_OVERWRITTEN),
        },
    )
)
