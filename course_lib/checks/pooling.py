"""Checks of chapter 3: max pooling, the receptive field, and the backward pass of max pooling."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from itertools import accumulate
from math import prod
from operator import mul
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.checks.compare import same
from course_lib.checks.core import exercise
from course_lib.checks.formula import Case, Formula, normal
from course_lib.checks.guard import Forbidden
from course_lib.checks.verdict import WrongAnswer

CHAPTER = "03_pooling"
READY_MADE = Forbidden(
    "your code calls ready-made pooling: find the largest pixel of each window yourself",
    operations=("*pool*",),
    packages=("course_lib.cnn", "scipy", "skimage"),
)
Size = tuple[int, int]


def windows(x: Tensor, kernel_size: Size, stride: Size) -> Tensor:
    """[N, C, Ho, Wo, kh * kw]"""
    return x.unfold(2, kernel_size[0], stride[0]).unfold(3, kernel_size[1], stride[1]).flatten(-2)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 1: max_pool2d
# ---------------------------------------------------------------------------------------------------------------------

POOLINGS = [  # shape, window, stride, padding; the last ones have more padding than pixels
    ((2, 3, 8, 11), (2, 3), (1, 2), (0, 0)),
    ((1, 2, 9, 10), (4, 3), (3, 2), (0, 0)),
    ((2, 2, 7, 9), (4, 3), (3, 1), (2, 1)),
    ((1, 3, 6, 8), (3, 5), (2, 3), (1, 0)),
    ((1, 1, 1, 1), (3, 2), (1, 1), (2, 1)),
    ((1, 2, 2, 3), (4, 5), (3, 2), (3, 4)),
]


def images(generator: torch.Generator) -> Iterator[Case]:
    """With padding, all pixels lie between -1 and 0: zeros outside show."""
    for shape, kernel, stride, padding in POOLINGS:
        x = -normal(generator, *shape).sigmoid() if any(padding) else normal(generator, *shape)
        yield {"x": x, "kernel_size": kernel, "stride": stride, "padding": padding}
    single = normal(generator, 1, 1, 6, 8).float()
    yield {"x": single, "kernel_size": (2, 2), "stride": (2, 2), "padding": (0, 0)}


def pooled(
    x: Tensor,
    kernel_size: Size,
    stride: Size,
    padding: Size,
    *,
    fill: float = float("-inf"),
    sides: tuple[int, int] = (1, 1),
    reduce: Callable[[Tensor], Tensor] = lambda view: view.amax(-1),
) -> Tensor:
    """Max pooling; the options are what the mistakes change."""
    (ph, pw), (before, after) = padding, sides
    padded = F.pad(x, (before * pw, after * pw, before * ph, after * ph), value=fill)
    return reduce(windows(padded, kernel_size, stride))


def but(**change: Any) -> Callable:
    return partial(pooled, **change)


def partial_windows(x: Tensor, k: Size, s: Size, p: Size) -> Tensor:
    (ph, pw), (sh, sw) = p, s
    beyond = F.pad(x, (pw, pw + sw - 1, ph, ph + sh - 1), value=float("-inf"))
    return pooled(beyond, k, s, (0, 0))


def nothing_outside_wins(answer: Callable) -> None:
    """Pixels so low that every finite number outside would win."""
    generator = torch.Generator().manual_seed(7)
    x = -1e200 * (1 + normal(generator, 1, 2, 5, 6).sigmoid())
    arguments = ((3, 2), (2, 2), (1, 1))
    got, right = answer(x.clone(), *arguments), pooled(x, *arguments)
    if same(got, right, 1e-9):
        return
    outside = got[got != right] if isinstance(got, Tensor) and got.shape == right.shape else torch.zeros(0)
    if len(outside.unique()) == 1 and outside[0].isfinite():
        raise WrongAnswer(
            "padding wins",
            f"where all pixels are below {outside[0]:.3g}, your padding of {outside[0]:.3g} is the maximum: pad with "
            'float("-inf")',
        )
    raise WrongAnswer(
        "large numbers", "with pixels of the size 1e200 your maxima are wrong: only compare, do not compute"
    )


CHANNELS = "you pooled over the channels too: keep them apart, the result has as many channels as x"
SWAPPED = "height and width are swapped: pairs are (vertical, horizontal), rows first"
STEP = "each window should start sh rows or sw columns after the one before"
SIDES = "padding goes on both sides: ph rows above and below, pw columns left and right"
max_pool2d = exercise(CHAPTER, "max_pool2d", READY_MADE)(
    Formula(
        pooled,
        images,
        leaves=("x",),
        also=(nothing_outside_wins,),
        wrong={
            "average": (
                but(reduce=lambda view: view.mean(-1), fill=0.0),
                "you computed the mean of each window, not the maximum",
            ),
            "minimum": (
                but(reduce=lambda view: view.amin(-1), fill=float("inf")),
                "you computed the minimum of each window",
            ),
            "soft maximum": (
                but(reduce=lambda view: view.logsumexp(-1)),
                "logsumexp is a soft maximum, larger than every pixel: take the pixel itself",
            ),
            "largest size": (
                but(reduce=lambda view: view.gather(-1, view.abs().argmax(-1, keepdim=True))[..., 0], fill=0.0),
                "you keep the pixel of largest size, whatever its sign: 1 is larger than -5",
            ),
            "window swapped": (
                lambda x, k, s, p: pooled(x, k[::-1], s, p),
                f"{SWAPPED}; turn the window around",
            ),
            "window and stride swapped": (lambda x, k, s, p: pooled(x, k[::-1], s[::-1], p), SWAPPED),
            "stride swapped": (lambda x, k, s, p: pooled(x, k, s[::-1], p), f"{SWAPPED}; turn the stride around"),
            "stride is 1": (
                lambda x, k, s, p: pooled(x, k, (1, 1), p),
                f"your windows move by one pixel: the stride is ignored; {STEP}",
            ),
            "stride is the window": (
                lambda x, k, s, p: pooled(x, k, k, p),
                f"your windows move by their own size, not by stride; {STEP}",
            ),
            "over channels": (lambda x, k, s, p: pooled(x, k, s, p).amax(1, keepdim=True), CHANNELS),
            "over channels, repeated": (
                lambda x, k, s, p: pooled(x, k, s, p).amax(1, keepdim=True).expand(-1, x.shape[1], -1, -1),
                CHANNELS,
            ),
            "over channels, axis lost": (lambda x, k, s, p: pooled(x, k, s, p).amax(1), CHANNELS),
            "zero padding": (
                but(fill=0.0),
                "zeros from outside the image win over negative pixels: pad with minus infinity",
            ),
            "padding ignored": (but(sides=(0, 0)), "the padding is missing: the result is too small"),
            "padding swapped": (
                lambda x, k, s, p: pooled(x, k, s, p[::-1]),
                "ph and pw are swapped: F.pad takes the last axis (columns) first",
            ),
            "padding on one side": (but(sides=(1, 0)), SIDES),
            "padding at the end": (but(sides=(0, 1)), SIDES),
            "partial windows": (
                partial_windows,
                "you kept windows that reach over the border: only whole windows count, use // in the output size",
            ),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 2: receptive_field
# ---------------------------------------------------------------------------------------------------------------------

STACKS = [
    [(3, 1), (2, 2), (3, 1), (2, 2), (5, 1)],
    [(7, 2), (3, 2), (3, 1), (3, 1), (3, 2), (3, 1)],
    [(4, 2), (4, 2), (4, 2), (4, 3), (2, 1)],
    [(5, 3), (1, 2), (3, 1)],
    [(11, 4)],
    [],
    [(3, 2)] * 40,
]


def stacks(generator: torch.Generator) -> Iterator[Case]:
    for layers in STACKS:
        yield {"layers": list(layers)}
    drawn = torch.randint(1, 6, (4, 2), generator=generator).tolist()
    yield {"layers": [tuple(layer) for layer in drawn]}


def seen(layers: list[Size], start: int = 1, minus: int = 1, spread: Callable[[int, int], int] = mul) -> int:
    """The right answer; the options are what the mistakes change."""
    size, jump = start, 1
    for kernel, stride in layers:
        size += (kernel - minus) * jump
        jump = spread(jump, stride)
    return size


def own_stride_first(layers: list[Size]) -> int:
    jumps = accumulate((stride for _, stride in layers), mul)
    return 1 + sum((kernel - 1) * jump for (kernel, _), jump in zip(layers, jumps, strict=True))


receptive_field = exercise(CHAPTER, "receptive_field", READY_MADE)(
    Formula(
        seen,
        stacks,
        wrong={
            "sum of kernels": (
                lambda layers: sum(kernel for kernel, _ in layers),
                "you added up the kernels: neighbouring windows overlap, and strides spread them",
            ),
            "strides ignored": (
                partial(seen, spread=lambda jump, stride: 1),
                "the strides are ignored: after a stride of 2 every step is two pixels long",
            ),
            "product of kernels": (
                lambda layers: prod(kernel for kernel, _ in layers),
                "you multiplied the kernels: windows of neighbours overlap, so sizes add up",
            ),
            "own stride first": (
                own_stride_first,
                "a layer's own stride came too early: first widen by (kernel - 1) times the distance, then multiply it",
            ),
            "minus one forgotten": (
                partial(seen, minus=0),
                "you added the whole kernel each time: k neighbours are k - 1 steps apart",
            ),
            "starts at zero": (
                partial(seen, start=0),
                "one too few: before the first layer a number sees 1 pixel, itself",
            ),
            "only the last stride": (
                partial(seen, spread=lambda jump, stride: stride),
                "distances multiply over all strides so far, not only the last one",
            ),
            "strides added": (
                partial(seen, spread=lambda jump, stride: jump + stride),
                "you add the strides: a stride multiplies the distance that there was before it",
            ),
            "last layer first": (
                lambda layers: seen(layers[::-1]),
                "you went through the layers from the end: the first is next to the image",
            ),
            "jump": (
                lambda layers: prod(stride for _, stride in layers),
                "this is the distance between two outputs, not how much one of them sees",
            ),
            "area": (lambda layers: seen(layers) ** 2, "this is the area: the answer is the side, along one axis"),
            "not whole": (
                lambda layers: float(seen(layers)),
                "the number is right, but it is a float: pixels are counted, return an int",
            ),
            "overflows": (
                lambda layers: (seen(layers) + 2**31) % 2**32 - 2**31,
                "your number does not fit into 32 bits any more: Python's own ints have no limit",
            ),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 3: max_pool2d_backward
# ---------------------------------------------------------------------------------------------------------------------

BACKWARDS = [  # shape, window, stride, kind of pixels; first ties without overlap, then overlap without ties, then both
    ((2, 2, 6, 9), (2, 3), (2, 3), "ties"),
    ((1, 3, 7, 8), (3, 2), (2, 1), "normal"),
    ((2, 2, 6, 7), (2, 3), (1, 1), "ties"),
    ((1, 2, 8, 7), (2, 2), (3, 3), "ties"),
    ((1, 1, 5, 6), (3, 3), (2, 3), "close"),
    ((1, 1, 4, 4), (2, 2), (1, 1), "equal"),
    ((1, 1, 4, 5), (2, 3), (2, 1), "large"),
    ((2, 1, 1, 1), (1, 1), (1, 1), "normal"),
]
KINDS: dict[str, Callable[[Tensor], Tensor]] = {
    "normal": lambda x: x,
    "ties": lambda x: (2 * x).round().clamp(min=-1),
    "close": lambda x: 1 + 1e-10 * x,
    "equal": torch.zeros_like,
    "large": lambda x: 1e200 * x,
}


def returns(generator: torch.Generator) -> Iterator[Case]:
    for shape, kernel, stride, kind in BACKWARDS:
        x = KINDS[kind](normal(generator, *shape))
        grad_out = normal(generator, *windows(x, kernel, stride).shape[:-1])
        yield {"grad_out": grad_out, "x": x, "kernel_size": kernel, "stride": stride}


def largest(view: Tensor) -> Tensor:
    """One at every largest entry of a window, zero elsewhere."""
    return (view == view.amax(-1, keepdim=True)).double()


def first(marked: Tensor) -> Tensor:
    return marked * (marked.cumsum(-1) == 1)


def sent(
    grad_out: Tensor,
    x: Tensor,
    kernel_size: Size,
    stride: Size,
    *,
    share: Callable[[Tensor], Tensor] = lambda view: first(largest(view)),
    scale: Callable[[Tensor, Tensor], Tensor] = lambda grad_out, view: grad_out,
    add: bool = True,
    read: Size | None = None,
    step: Size | None = None,
) -> Tensor:
    """What each pixel gets; the options are what the mistakes change.

    share  of a window's pixels [..., kh * kw] in its gradient
    read   strides of the windows that are looked at, step: of those that are written to
    """
    (kh, kw), (sh, sw) = kernel_size, stride if step is None else step
    view = windows(x, kernel_size, read or stride)[:, :, : grad_out.shape[2], : grad_out.shape[3]]
    shares, arriving, result = share(view), scale(grad_out, view), torch.zeros_like(x)
    for i in range(grad_out.shape[2]):
        for j in range(grad_out.shape[3]):
            place = (..., slice(i * sh, i * sh + kh), slice(j * sw, j * sw + kw))
            weight = shares[:, :, i, j].unflatten(-1, kernel_size)
            part = weight * arriving[:, :, i, j, None, None]
            result[place] = result[place] + part if add else torch.where(weight > 0, part, result[place])
    return result


def to(**change: Any) -> Callable:
    return partial(sent, **change)


def down_the_columns(g: Tensor, x: Tensor, k: Size, s: Size) -> Tensor:
    return sent(g.mT, x.mT, k[::-1], s[::-1]).mT


def almost_equal(view: Tensor) -> Tensor:
    return torch.isclose(view, view.amax(-1, keepdim=True)).double()


OVERLAP = (
    "where windows overlap you keep only the last gradient: add in a loop with +=; where an index holds a place twice, "
    "out[index] += adds only once"
)
max_pool2d_backward = exercise(
    CHAPTER,
    "max_pool2d_backward",
    Forbidden(
        "your code lets torch or a library find the gradient: send it to the winners yourself",
        operations=READY_MADE.operations,
        packages=READY_MADE.packages,
        autograd=True,
    ),
)(
    Formula(
        sent,
        returns,
        what="your gradient",
        wrong={
            "all ties": (
                to(share=largest),
                "every pixel that equals the maximum gets the whole gradient: only the first in reading order may",
            ),
            "ties share": (
                to(share=lambda view: largest(view) / largest(view).sum(-1, keepdim=True)),
                "ties share the gradient: the first one gets all of it",
            ),
            "last wins": (
                to(share=lambda view: first(largest(view).flip(-1)).flip(-1)),
                "among ties the last one wins: it should be the first in reading order",
            ),
            "down the columns": (
                down_the_columns,
                "among ties the first one down the columns wins: reading order goes along the rows",
            ),
            "almost equal": (
                to(share=lambda view: first(almost_equal(view))),
                "you take pixels that are almost equal for ties: compare exactly, with == or argmax",
            ),
            "almost equal, all": (
                to(share=almost_equal),
                "you take pixels that are almost equal for ties, and give to each: compare exactly, with argmax",
            ),
            "compared in float32": (
                to(share=lambda view: first(largest(view.float()))),
                "pixels that differ in the tenth digit are ties in your code: compare them in the dtype of x",
            ),
            "spread evenly": (
                to(share=lambda view: torch.ones_like(view) / view.shape[-1]),
                "you gave every pixel an equal share: that is average pooling's gradient, here the winner takes all",
            ),
            "whole window": (
                to(share=torch.ones_like),
                "every pixel of the window gets the gradient: only the winner may",
            ),
            "overwritten": (to(add=False), OVERLAP),
            "overwritten, all ties": (
                to(share=largest, add=False),
                "where windows overlap only the last gradient is left, so add with +=; and of several equal pixels "
                "only the first may win",
            ),
            "stride forgotten": (
                to(step=(1, 1)),
                "you find the winner in the right window, but write as if windows were one pixel apart: add i * sh and "
                "j * sw",
            ),
            "windows from i": (
                to(read=(1, 1)),
                "you look for the winner in the window at i and j: windows start at i * sh and j * sw",
            ),
            "stride ignored": (
                to(read=(1, 1), step=(1, 1)),
                "your windows start at i and j: they start at i * sh and j * sw",
            ),
            "offset forgotten": (
                to(step=(0, 0)),
                "all gradients land in the first window: add where the window starts, i * sh and j * sw, to the place "
                "inside it",
            ),
            "arriving gradient ignored": (
                to(scale=lambda grad_out, view: torch.ones_like(grad_out)),
                "you marked the winners with 1: give them the number of grad_out that arrives at their window",
            ),
            "divided": (
                to(scale=lambda grad_out, view: grad_out / view.shape[-1]),
                "you divided by the size of the window: the winner gets the whole gradient",
            ),
            "times the maximum": (
                to(scale=lambda grad_out, view: grad_out * view.amax(-1)),
                "you multiplied by the maximum itself: its derivative for the winner is 1",
            ),
            "upper left": (
                to(share=lambda view: first(torch.ones_like(view))),
                "the gradient goes to the first pixel of each window, whoever won: find the winner",
            ),
            "smallest wins": (
                to(share=lambda view: first(largest(-view))),
                "the gradient goes to the smallest pixel of each window: look for the largest",
            ),
        },
    )
)
