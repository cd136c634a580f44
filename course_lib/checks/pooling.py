"""Checks of chapter 3: max pooling, what one number sees, a backward pass with gaps, and which false stripes appear."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from operator import mul
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.checks.compare import is_int, same
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


def windows(x: Tensor, kernel_size: Size, stride: Size, dilation: Size = (1, 1)) -> Tensor:
    """[N, C, Ho, Wo, kh * kw]"""
    (high, wide), (dh, dw) = reaches(kernel_size, dilation), dilation
    return x.unfold(2, high, stride[0]).unfold(3, wide, stride[1])[..., ::dh, ::dw].flatten(-2)


def reaches(kernel_size: Size, dilation: Size) -> Size:
    """Rows and columns from the first to the last pixel of a window."""
    return tuple((k - 1) * d + 1 for k, d in zip(kernel_size, dilation, strict=True))


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

Layer = tuple[int, int, int, int]  # kernel, stride, padding, dilation
STACKS: list[tuple[list[Layer], int]] = [
    ([(3, 1, 1, 1), (2, 2, 0, 1), (3, 1, 0, 2)], 0),
    ([(3, 1, 0, 1), (2, 2, 0, 1), (3, 1, 0, 1), (2, 2, 0, 1), (5, 1, 0, 1)], 3),
    ([(7, 2, 3, 1), (3, 2, 1, 1), (3, 1, 1, 1), (3, 1, 1, 1), (3, 2, 1, 1), (3, 1, 1, 1)], 2),
    ([(3, 1, 2, 2), (3, 2, 4, 4), (3, 3, 1, 1), (2, 1, 0, 3)], 5),
    ([(4, 2, 1, 1), (4, 2, 1, 1), (4, 2, 1, 1), (4, 3, 0, 1), (2, 1, 0, 1)], 1),
    ([(1, 2, 0, 3), (5, 3, 7, 1)], 1),
    ([(11, 4, 2, 1)], 6),
    ([], 4),
    ([(3, 2, 1, 1)] * 6, 3 * 10**9),
]


def stacks(generator: torch.Generator) -> Iterator[Case]:
    for layers, place in STACKS:
        yield {"layers": list(layers), "place": place}
    drawn = torch.randint(1, 5, (4, 4), generator=generator).tolist()
    yield {"layers": [tuple(layer) for layer in drawn], "place": int(torch.randint(1, 9, (), generator=generator))}


def seen(
    layers: list[Layer],
    place: int,
    *,
    reach: Callable[[int, int], int] = lambda kernel, dilation: (kernel - 1) * dilation,
    spread: Callable[[int, int], int] = mul,
    pad: Callable[[int, int, int], int] = lambda padding, jump, stride: padding * jump,
    own_stride: bool = False,
    past: int = 0,
    side: int = 1,
) -> tuple[int, int]:
    """The right answer; the options are what the mistakes change.

    reach  of one layer in steps, spread: the new jump, pad: what a layer's padding moves the start
    past   added to the last pixel, side: pixels that are seen before the first layer
    """
    size, jump, start = side, 1, 0
    for kernel, stride, padding, dilation in layers:
        start += pad(padding, jump, stride)
        size += reach(kernel, dilation) * (jump * stride if own_stride else jump)
        jump = spread(jump, stride)
    return place * jump - start, place * jump - start + size - 1 + past


def so(**change: Any) -> Callable:
    return partial(seen, **change)


def clipped(layers: list[Layer], place: int) -> tuple[int, int]:
    first, last = seen(layers, place)
    return max(first, 0), last


def centred(layers: list[Layer], place: int) -> tuple[int, int]:
    middle, half = seen([(1, stride, 0, 1) for _, stride, _, _ in layers], place)[0], the_size(layers, place) // 2
    return middle - half, middle + half


def the_size(layers: list[Layer], place: int) -> int:
    first, last = seen(layers, place)
    return last - first + 1


def int32(value: int) -> int:
    return (value + 2**31) % 2**32 - 2**31


JUMPS = "places of a layer's output are as far apart as all strides up to that layer, multiplied"
receptive_field = exercise(CHAPTER, "receptive_field", READY_MADE)(
    Formula(
        seen,
        stacks,
        wrong={
            "strides ignored": (
                so(spread=lambda jump, stride: 1),
                "the strides are ignored: after a stride of 2 every step is two pixels long",
            ),
            "own stride first": (
                so(own_stride=True),
                "a layer's own stride came too early: first widen by the old distance, then multiply the distance",
            ),
            "minus one forgotten": (
                so(reach=lambda kernel, dilation: kernel * dilation),
                "the last pixel is too far right: from the first to the last of k neighbours there are k - 1 steps",
            ),
            "dilation of the kernel": (
                so(reach=lambda kernel, dilation: kernel * dilation - 1),
                "you stretch the kernel to kernel * dilation: it has kernel - 1 gaps, each `dilation` long",
            ),
            "dilation ignored": (
                so(reach=lambda kernel, dilation: kernel - 1),
                "the dilation is ignored: it is the distance between the numbers that a kernel looks at",
            ),
            "dilation added": (
                so(reach=lambda kernel, dilation: kernel - 1 + dilation - 1),
                "you add the dilation once: every one of the kernel - 1 steps is `dilation` long",
            ),
            "dilation spreads the outputs": (
                lambda layers, place: seen([(k, s * d, p, d) for k, s, p, d in layers], place),
                "you multiply the distance by the dilation, too: neighbours in the output are `stride` apart",
            ),
            "starts at zero": (
                so(side=0),
                "the last pixel is one too far left: `last` is still seen, and without layers it is equal to `first`",
            ),
            "one past the end": (
                so(past=1),
                "the last pixel is one too far right: `last` is the last one that is seen, not the one after it",
            ),
            "only the last stride": (so(spread=lambda jump, stride: stride), f"only one stride counts: {JUMPS}"),
            "strides added": (
                so(spread=lambda jump, stride: jump + stride),
                "you add the strides: a stride multiplies the distance that there was before it",
            ),
            "last layer first": (
                lambda layers, place: seen(layers[::-1], place),
                "you went through the layers in the wrong order: the first one is next to the image",
            ),
            "padding ignored": (
                so(pad=lambda padding, jump, stride: 0),
                "the padding is ignored: the first window begins `padding` steps before the first number",
            ),
            "padding not in pixels": (
                so(pad=lambda padding, jump, stride: padding),
                "you subtract each padding as it stands: it counts numbers of its own layer's input, and these are "
                "some pixels apart",
            ),
            "padding after the stride": (
                so(pad=lambda padding, jump, stride: padding * jump * stride),
                "a layer's padding is counted with the distance after its stride: it is added to its input, so take "
                "the distance before",
            ),
            "padding to the right": (
                so(pad=lambda padding, jump, stride: -padding * jump),
                "your padding moves the window to the right: the first window begins further left, outside the image",
            ),
            "padding on both sides": (
                so(pad=lambda padding, jump, stride: 2 * padding * jump),
                "you count the padding twice: only what is added on the left moves where windows begin",
            ),
            "place ignored": (
                lambda layers, place: seen(layers, 0),
                "this is what output 0 sees: output `place`, here {place}, looks further right",
            ),
            "place not in pixels": (
                lambda layers, place: tuple(pixel + place for pixel in seen(layers, 0)),
                f"output {{place}} does not look {{place}} pixels further right than output 0: {JUMPS}",
            ),
            "counts from one": (
                lambda layers, place: seen(layers, place - 1),
                "you look at the output before: places count from 0",
            ),
            "clipped": (clipped, "a negative first pixel became 0: return it as it is, it says what lies outside"),
            "centred": (
                centred,
                "you put the square around pixel place * distance: it begins where the first window begins, and "
                "padding moves that to the left",
            ),
            "size for last": (
                lambda layers, place: (..., the_size(layers, place)),
                "your second number is how many pixels are seen: return the last of them",
            ),
            "not whole": (
                lambda layers, place: tuple(float(pixel) for pixel in seen(layers, place)),
                "the numbers are right, but they are floats: pixels are counted, return ints",
            ),
            "overflows": (
                lambda layers, place: tuple(int32(pixel) for pixel in seen(layers, place)),
                "your numbers do not fit into 32 bits any more: Python's own ints have no limit",
            ),
        },
        signs={
            "only the size": (
                lambda case, got, right: is_int(got.value),
                "you return one number: not how many pixels are seen, but which is asked, as a pair (first, last)",
            ),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 3: max_pool2d_backward
# ---------------------------------------------------------------------------------------------------------------------

BACKWARDS = [  # shape, window, stride, padding, dilation, kind of pixels; each first without ties or without overlap
    ((2, 2, 6, 9), (2, 3), (2, 3), (0, 0), (1, 1), "ties"),
    ((1, 3, 7, 8), (3, 2), (2, 1), (0, 0), (1, 1), "normal"),
    ((1, 2, 9, 8), (2, 3), (3, 1), (0, 0), (2, 3), "normal"),
    ((2, 2, 6, 7), (2, 3), (1, 1), (0, 0), (1, 1), "ties"),
    ((1, 2, 8, 7), (2, 2), (3, 3), (0, 0), (1, 1), "ties"),
    ((1, 2, 8, 7), (3, 2), (1, 2), (0, 0), (2, 1), "ties"),
    ((2, 2, 6, 8), (3, 4), (2, 1), (1, 2), (1, 1), "negative"),
    ((1, 2, 7, 9), (2, 3), (2, 3), (1, 2), (3, 2), "negative"),
    ((1, 1, 5, 6), (3, 3), (2, 3), (0, 0), (1, 1), "close"),
    ((1, 1, 4, 4), (2, 2), (1, 1), (1, 1), (1, 1), "equal"),
    ((1, 1, 4, 5), (2, 3), (2, 1), (0, 0), (1, 1), "large"),
    ((1, 1, 4, 5), (2, 3), (2, 1), (1, 1), (1, 1), "very negative"),
    ((2, 1, 1, 1), (1, 1), (1, 1), (0, 0), (1, 1), "normal"),
]
KINDS: dict[str, Callable[[Tensor], Tensor]] = {
    "normal": lambda x: x,
    "ties": lambda x: (2 * x).round().clamp(min=-1),
    "close": lambda x: 1 + 1e-10 * x,
    "equal": torch.zeros_like,
    "large": lambda x: 1e200 * x,
    "negative": lambda x: -x.sigmoid(),
    "very negative": lambda x: -1e200 * (1 + x.sigmoid()),
}


def returns(generator: torch.Generator) -> Iterator[Case]:
    for shape, kernel, stride, padding, dilation, kind in BACKWARDS:
        x = KINDS[kind](normal(generator, *shape))
        grad_out = normal(generator, *windows(padded(x, padding), kernel, stride, dilation).shape[:-1])
        yield {
            "grad_out": grad_out,
            "x": x,
            "kernel_size": kernel,
            "stride": stride,
            "padding": padding,
            "dilation": dilation,
        }


def padded(x: Tensor, padding: Size, fill: float = float("-inf")) -> Tensor:
    (ph, pw) = padding
    return F.pad(x, (pw, pw, ph, ph), value=fill)


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
    padding: Size,
    dilation: Size,
    *,
    share: Callable[[Tensor], Tensor] = lambda view: first(largest(view)),
    scale: Callable[[Tensor, Tensor], Tensor] = lambda grad_out, view: grad_out,
    add: bool = True,
    read: Size | None = None,
    step: Size | None = None,
    near: Size | None = None,
    apart: Size | None = None,
    fill: float = float("-inf"),
    cut: Size | None = None,
) -> Tensor:
    """What each pixel gets; the options are what the mistakes change.

    share  of a window's pixels [..., kh * kw] in its gradient
    read   strides of the windows that are looked at, step: of those that are written to
    near   dilation of the windows that are looked at, apart: of those that are written to
    cut    rows and columns that are taken off above and on the left at the end
    """
    (sh, sw), (dh, dw) = stride if step is None else step, apart or dilation
    within = padded(x, padding, fill)
    view = windows(within, kernel_size, read or stride, near or dilation)
    view = view[:, :, : grad_out.shape[2], : grad_out.shape[3]]
    shares, arriving, result = share(view), scale(grad_out, view), torch.zeros_like(within)
    high, wide = reaches(kernel_size, (dh, dw))
    for i in range(grad_out.shape[2]):
        for j in range(grad_out.shape[3]):
            place = (..., slice(i * sh, i * sh + high, dh), slice(j * sw, j * sw + wide, dw))
            weight = shares[:, :, i, j].unflatten(-1, kernel_size)
            part = weight * arriving[:, :, i, j, None, None]
            result[place] = result[place] + part if add else torch.where(weight > 0, part, result[place])
    top, left = padding if cut is None else cut
    return result[:, :, top : top + x.shape[2], left : left + x.shape[3]].clone()


def to(**change: Any) -> Callable:
    return partial(sent, **change)


def down_the_columns(g: Tensor, x: Tensor, *pairs: Size) -> Tensor:
    return sent(g.mT, x.mT, *(pair[::-1] for pair in pairs)).mT


def not_cropped(g: Tensor, x: Tensor, k: Size, s: Size, p: Size, d: Size) -> Tensor:
    ready = padded(x, p)
    return sent(g, ready, k, s, (0, 0), d)


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
            "dilation ignored": (
                to(near=(1, 1), apart=(1, 1)),
                "the dilation is ignored: the rows of a window are dh apart and its columns dw",
            ),
            "dilation forgotten": (
                to(apart=(1, 1)),
                "you find the winner in the right window, but write as if its pixels were neighbours: its row inside "
                "the window counts dh pixels, its column dw",
            ),
            "looks at neighbours": (
                to(near=(1, 1)),
                "you write to the right places, but look for the winner among neighbours: the rows of a window are dh "
                "apart and its columns dw",
            ),
            "dilation swapped": (
                lambda g, x, k, s, p, d: sent(g, x, k, s, p, d[::-1]),
                "dh and dw are swapped: pairs are (vertical, horizontal), rows first",
            ),
            "zeros outside": (
                to(fill=0.0),
                "zeros from outside the image win over negative pixels, and their gradient is lost: pad with minus "
                "infinity",
            ),
            "padding wins": (
                to(fill=-1e9),
                "your padding is a number that a very negative pixel loses to: pad with minus infinity",
            ),
            "not cropped": (
                not_cropped,
                "you return the gradient of the padded image: cut off ph rows and pw columns on each side",
            ),
            "cropped on one side": (
                to(cut=(0, 0)),
                "you cut off the rows below and the columns on the right only: ph rows above and pw columns on the "
                "left belong to the padding, too",
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
        stops={
            "stops at the padding": (
                lambda case: any(case["padding"]),
                "your code stops where there is padding: windows begin at row -ph and column -pw, and at the border "
                "fewer than kh rows or kw columns of one lie in x",
            ),
            "windows too short": (
                lambda case: max(case["dilation"]) > 1,
                "your code stops as soon as the dilation is 2: from its first to its last row a window reaches over "
                "(kh - 1) * dh + 1 rows",
            ),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 4: false_stripes
# ---------------------------------------------------------------------------------------------------------------------

SKIPS = [  # repeats, pixels, stride
    (3, 24, 2),
    (10, 24, 2),
    (12, 24, 2),
    (6, 24, 2),
    (7, 24, 2),
    (11, 24, 3),
    (7, 30, 5),
    (9, 30, 5),
    (5, 20, 1),
    (8, 24, 3),
    (0, 16, 4),
    (20, 42, 6),
    (3, 6, 6),
    (1_000_003, 4_000_000, 2),
]


def skips(generator: torch.Generator) -> Iterator[Case]:
    for repeats, pixels, stride in SKIPS:
        yield {"repeats": repeats, "pixels": pixels, "stride": stride}
    left, stride = (int(torch.randint(2, 12, (), generator=generator)) for _ in range(2))
    repeats = int(torch.randint(0, left * stride // 2 + 1, (), generator=generator))
    yield {"repeats": repeats, "pixels": left * stride, "stride": stride}


def folded(repeats: int, pixels: int, stride: int) -> int:
    """Repeats that differ by a whole number of `kept` look the same, and so do they and what they lack of it."""
    kept = pixels // stride
    return min(repeats % kept, -repeats % kept)


false_stripes = exercise(CHAPTER, "false_stripes", READY_MADE)(
    Formula(
        folded,
        skips,
        what="your prediction",
        wrong={
            "nothing false": (
                lambda repeats, pixels, stride: repeats,
                "you predict that nothing changes: that holds up to half the pixels that are kept, one dark and one "
                "bright each",
            ),
            "fewer by the stride": (
                lambda repeats, pixels, stride: repeats // stride,
                "you divide by the stride: the stripes that survive repeat as often as before, in a smaller picture",
            ),
            "too fine disappears": (
                lambda repeats, pixels, stride: repeats if 2 * repeats <= pixels // stride else 0,
                "you predict that stripes too fine for the stride disappear: without a blur they come back as others",
            ),
            "stops at the finest": (
                lambda repeats, pixels, stride: min(repeats, pixels // stride // 2),
                "you predict the finest stripes that there is room for: finer ones come back coarser, not as fine as "
                "possible",
            ),
            "not mirrored": (
                lambda repeats, pixels, stride: repeats % (pixels // stride),
                "you predict more stripes than there is room for: m kept pixels show at most m / 2 repeats, and r "
                "looks like m - r",
            ),
            "always mirrored": (
                lambda repeats, pixels, stride: -repeats % (pixels // stride),
                "you always take the mirror image m - r: of the two, the smaller one is seen",
            ),
            "mirrored once": (
                lambda repeats, pixels, stride: min(repeats, abs(pixels // stride - repeats)),
                "right until the stripes are finer still: for repeats={repeats} and {pixels} pixels at stride {stride} "
                "take whole multiples of the kept pixels off first",
            ),
            "below zero": (
                lambda repeats, pixels, stride: min(repeats, pixels // stride - repeats),
                "you predict a negative number of stripes: before you mirror, take whole multiples of the kept pixels "
                "off {repeats}",
            ),
            "pixels a stripe": (
                lambda repeats, pixels, stride: pixels // stride // max(folded(repeats, pixels, stride), 1),
                "this is how many kept pixels one repeat takes: return how many repeats there are",
            ),
            "not whole": (
                lambda repeats, pixels, stride: float(folded(repeats, pixels, stride)),
                "the number is right, but it is a float: repeats are counted, return an int",
            ),
        },
    )
)
