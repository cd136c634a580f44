"""Checks of chapter 2: the size of a convolution's output, the convolution itself, and its backward pass."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.checks.core import WrongAnswer, compare, exercise, expect_tensor, untouched, withheld
from course_lib.cnn import convolution

CHAPTER = "02_convolution"


def random(generator: torch.Generator, *shape: int) -> Tensor:
    """Normal numbers in float64, so that rounding never looks like a mistake."""
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


BORROWED = "your code calls the ready-made function it is meant to replace; write it out"
CONVOLUTIONS = ("torch.conv2d", "torch.nn.functional.conv2d", "course_lib.cnn.convolution.conv2d")
BACKWARDS = ("torch.autograd.grad", "torch.Tensor.backward", "course_lib.cnn.convolution.conv2d_backward")

# ---------------------------------------------------------------------------------------------------------------------
# Exercise 1
# ---------------------------------------------------------------------------------------------------------------------

SIZES = (  # n, kernel, stride, padding, dilation: every mistake below shows in at least one of them
    (5, 3, 1, 0, 1),
    (28, 5, 1, 2, 1),
    (28, 4, 2, 1, 1),
    (29, 4, 2, 1, 1),
    (10, 2, 3, 0, 1),
    (32, 3, 2, 1, 1),
    (17, 3, 1, 2, 2),
    (40, 5, 3, 4, 3),
)

SIZE_MISTAKES: dict[str, tuple[Callable[..., float], str]] = {
    "rounds up": (
        lambda n, k, s, p, d: -(-(n + 2 * p - d * (k - 1) - 1) // s) + 1,
        "you round up: a last step that does not fit whole is not taken, so round down (//)",
    ),
    "rounds to nearest": (
        lambda n, k, s, p, d: round((n + 2 * p - d * (k - 1) - 1) / s) + 1,
        "you round to the nearest number: a last step that does not fit whole is not taken, so round down (//)",
    ),
    "padding once": (
        lambda n, k, s, p, d: (n + p - d * (k - 1) - 1) // s + 1,
        "you count the padding once: it is added at both ends of the axis",
    ),
    "padding ignored": (
        lambda n, k, s, p, d: (n - d * (k - 1) - 1) // s + 1,
        "the padding has no effect: the kernel slides over n pixels plus the padding at both ends",
    ),
    "dilation ignored": (
        lambda n, k, s, p, d: (n + 2 * p - k) // s + 1,
        "the dilation has no effect: a dilated kernel reaches over dilation * (kernel - 1) + 1 pixels, not kernel",
    ),
    "reach too long": (
        lambda n, k, s, p, d: (n + 2 * p - d * k) // s + 1,
        "the reach is too long: kernel entries have kernel - 1 gaps between them, so it is dilation * (kernel - 1) + 1",
    ),
    "first position missing": (
        lambda n, k, s, p, d: (n + 2 * p - d * (k - 1) - 1) // s,
        "one too few: you counted the steps between positions, and the first position counts too (+ 1 at the end)",
    ),
    "one added before dividing": (
        lambda n, k, s, p, d: (n + 2 * p - d * (k - 1)) // s,
        "you divide after adding 1: the stride divides the number of steps, then the first position adds 1",
    ),
    "stride ignored": (
        lambda n, k, s, p, d: n + 2 * p - d * (k - 1),
        "the stride has no effect: only every stride-th position is kept",
    ),
    "stride divides the input": (
        lambda n, k, s, p, d: n // s,
        "you return n // stride: that holds only for kernels and paddings that happen to cancel",
    ),
}


@exercise(CHAPTER)
def conv_output_size(answer) -> None:
    """How many positions a kernel has along one axis."""
    wanted = [convolution.output_size(*case) for case in SIZES]
    got = [answer(*case) for case in SIZES]
    for case, value in zip(SIZES, got, strict=True):
        if isinstance(value, float):
            advice = "a number of positions is whole: divide with //, not with /"
            raise WrongAnswer("not whole", f"conv_output_size{case} is {value!r}, a float; {advice}")
        if not isinstance(value, int) or isinstance(value, bool):
            raise WrongAnswer("type", f"conv_output_size{case} is a {type(value).__name__}, expected an int")
    if got == wanted:
        return
    for name, (mistake, message) in SIZE_MISTAKES.items():
        if got == [mistake(*case) for case in SIZES]:
            raise WrongAnswer(name, message)
    case, value, right = next(each for each in zip(SIZES, got, wanted, strict=True) if each[1] != each[2])
    raise WrongAnswer("wrong", f"conv_output_size{case} is {value}, expected {right}")


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 2
# ---------------------------------------------------------------------------------------------------------------------

CONV2D_CASES = (  # shape of x, shape of weight, stride, padding: from plain to everything at once
    ((1, 1, 7, 5), (1, 1, 3, 2), 1, (0, 0)),
    ((2, 3, 7, 5), (4, 3, 3, 2), 1, (0, 0)),
    ((2, 3, 6, 9), (2, 3, 3, 3), 1, (2, 1)),
    ((3, 2, 10, 7), (5, 2, 3, 4), 2, (1, 2)),
)


def conv2d_mistakes(x: Tensor, w: Tensor, b: Tensor, s: int, p: tuple[int, int]) -> dict[str, tuple[Tensor, str]]:
    """What the usual wrong programs compute."""
    right = F.conv2d(x, w, b, s, p)
    C, taps, column = x.shape[1], w[0].numel(), b.view(-1, 1, 1)
    no_bias = right - column
    top_left = F.conv2d(F.pad(x, (p[1], 0, p[0], 0)), w, b, s) if any(p) else right
    bottom_right = F.conv2d(F.pad(x, (0, p[1], 0, p[0])), w, b, s) if any(p) else right
    mirrored = F.conv2d(F.pad(x, (p[1], p[1], p[0], p[0]), mode="replicate"), w, b, s)
    return {
        "flipped kernel": (
            F.conv2d(x, w.flip(-2, -1), b, s, p),
            "right shape, but the kernel is flipped: you computed true convolution; use the kernel as it is",
        ),
        "only one channel": (
            F.conv2d(x[:, :1], w[:, :1], b, s, p),
            "only the first input channel is used: the window spans all C channels, and their products add up",
        ),
        "last channel": (
            F.conv2d(x[:, -1:], w[:, -1:], b, s, p),
            "only the last input channel is left: add the channels up (+=) instead of overwriting (=)",
        ),
        "channels averaged": (
            no_bias / C + column,
            "the input channels are averaged: their products are added up, with no division",
        ),
        "window averaged": (
            no_bias / taps + column,
            "you take the mean over the window: the products are added up, with no division",
        ),
        "one kernel for all": (
            F.conv2d(x, w[:1].expand_as(w), b, s, p),
            "all output channels use the first kernel: output channel o uses weight[o]",
        ),
        "first image only": (
            right[:1].expand_as(right),
            "every output is that of the first image: image n of the batch has its own windows, x[n]",
        ),
        "batch lost": (right[:1], "only one image comes out: the batch has N of them"),
        "padding on one side": (
            top_left,
            "zeros are added at the top and left only: padding goes on both sides of each axis",
        ),
        "padding at the end": (
            bottom_right,
            "zeros are added at the bottom and right only: padding goes on both sides of each axis",
        ),
        "padding swapped": (
            F.conv2d(x, w, b, s, p[::-1]),
            "vertical and horizontal padding are swapped: padding is (rows, columns), F.pad wants left and right first",
        ),
        "padding ignored": (F.conv2d(x, w, b, s), "the padding has no effect: add rows and columns of zeros first"),
        "border repeated": (mirrored, "the border pixels are repeated outwards: this padding is with zeros"),
        "stride ignored": (
            F.conv2d(x, w, b, 1, p),
            "the stride has no effect: windows start at i * stride, j * stride",
        ),
        "stride on rows only": (
            F.conv2d(x, w, b, (s, 1), p),
            "the stride works on rows only: columns step by stride too",
        ),
        "bias missing": (no_bias, "the bias is missing: bias[o] is added to every pixel of output channel o"),
        "bias too often": (
            no_bias + C * column,
            "the bias is added once per input channel: add it once per output pixel",
        ),
        "bias per product": (
            no_bias + taps * column,
            "the bias is added to every product: add it once per output pixel, after the sum",
        ),
        "height and width swapped": (
            right.mT,
            "height and width of the output are swapped: rows come first, [N, O, Ho, Wo]",
        ),
        "rows and columns mixed": (
            right.mT.reshape(right.shape),
            "the numbers are right but in the wrong places: rows run slowest, so i is the outer loop and j the inner",
        ),
        "channels last": (right.permute(0, 2, 3, 1), "the channels come last: the answer is [N, O, Ho, Wo]"),
    }


@exercise(CHAPTER)
def conv2d(answer) -> None:
    """Convolution of a batch, with stride, padding and bias."""
    generator = torch.Generator().manual_seed(2)
    for x_shape, w_shape, stride, padding in CONV2D_CASES:
        x, w, b = (random(generator, *shape) for shape in (x_shape, w_shape, w_shape[:1]))
        w.requires_grad_()
        before = x.clone(), w.detach().clone(), b.clone()
        with withheld(BORROWED, *CONVOLUTIONS):
            got = answer(x, w, b, stride, padding)
        for old, new, name in zip(before, (x, w, b), ("x", "weight", "bias"), strict=True):
            untouched(old, new, name)
        case = f"conv2d(x {list(x_shape)}, weight {list(w_shape)}, bias, stride={stride}, padding={padding})"
        x, w0, b = before
        compare(got, F.conv2d(x, w0, b, stride, padding), case, conv2d_mistakes(x, w0, b, stride, padding))
        if got.dtype != x.dtype:
            raise WrongAnswer("dtype", f"{case} is {got.dtype} for an x of {x.dtype}: make the output with x.new_zeros")
        if not got.requires_grad:
            advice = "stay with tensors (no .item(), .data, .detach(), numpy or torch.tensor(list))"
            raise WrongAnswer("no gradient", f"the values are right, but autograd cannot follow them: {advice}")


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 3
# ---------------------------------------------------------------------------------------------------------------------

BACKWARD_CASES = (  # shape of x, shape of weight, stride: the last one leaves a row and a column that no window touches
    ((2, 1, 6, 4), (1, 1, 3, 2), 1),
    ((3, 2, 6, 5), (4, 2, 2, 3), 1),
    ((2, 3, 8, 6), (4, 3, 3, 2), 2),
)


def scattered(grad: Tensor, w: Tensor, size: tuple[int, int], stride: int, add: bool = True) -> Tensor:
    """Stamp the kernels, times grad, into an image of `size`; without `add` a later stamp hides an earlier one."""
    (kh, kw), out = w.shape[2:], grad.new_zeros(len(grad), w.shape[1], *size)
    for i in range(grad.shape[2]):
        for j in range(grad.shape[3]):
            spot = out[:, :, i * stride : i * stride + kh, j * stride : j * stride + kw]
            stamp = torch.einsum("no,ochw->nchw", grad[:, :, i, j], w)[:, :, : spot.shape[2], : spot.shape[3]]
            spot.copy_(spot + stamp if add else stamp)
    return out


def gathered(grad: Tensor, x: Tensor, w: Tensor, stride: int) -> Tensor:
    """The gradient of the weight, one image at a time: [N, O, C, kh, kw]."""
    columns = convolution.unfold(x, tuple(w.shape[2:]), stride)
    size = [convolution.output_size(n, k, stride) for n, k in zip(x.shape[2:], w.shape[2:], strict=True)]
    columns = columns.view(*columns.shape[:2], *size)[:, :, : grad.shape[2], : grad.shape[3]]
    return torch.einsum("nohw,nkhw->nok", grad, columns).view(len(x), *w.shape)


def grad_x_mistakes(g: Tensor, x: Tensor, w: Tensor, s: int) -> dict[str, tuple[Tensor, str]]:
    size = tuple(x.shape[2:])
    right = scattered(g, w, size, s)
    used = [(n - 1) * s + k for n, k in zip(g.shape[2:], w.shape[2:], strict=True)]
    return {
        "input gradient without the flip": (
            scattered(g, w.flip(-2, -1), size, s),
            "grad_x has the kernel turned by half a turn: output (i, j) sends weight[..., u, v] to pixel (i+u, j+v)",
        ),
        "stamps overwrite": (
            scattered(g, w, size, s, add=False),
            "in grad_x later windows overwrite earlier ones: a pixel in several windows gets the sum, so use +=",
        ),
        "stride ignored in grad_x": (
            scattered(g, w, size, 1),
            "grad_x ignores the stride: output (i, j) goes back to the window at i * stride, j * stride",
        ),
        "only one output channel": (
            scattered(g[:, :1], w[:1], size, s),
            "grad_x comes from the first output channel only: every output channel saw x, so their gradients add up",
        ),
        "output channels averaged": (
            right / len(w),
            "grad_x is averaged over the output channels: their gradients add up, with no division",
        ),
        "grad_x averaged": (right / len(x), "grad_x is divided by N: each image has a gradient of its own, undivided"),
        "grad_out ignored in grad_x": (
            scattered(torch.ones_like(g), w, size, s),
            "grad_x does not depend on grad_out: multiply every stamp by grad_out[n, o, i, j]",
        ),
        "leftover border lost": (
            right[:, :, : used[0], : used[1]],
            "grad_x is smaller than x: rows and columns that no window reached have gradient 0, but they are there",
        ),
    }


def grad_weight_mistakes(g: Tensor, x: Tensor, w: Tensor, s: int) -> dict[str, tuple[Tensor, str]]:
    each = gathered(g, x, w, s)
    right, positions = each.sum(0), g.shape[2] * g.shape[3]
    return {
        "flipped weight gradient": (
            right.flip(-2, -1),
            "grad_weight is turned by half a turn: entry (u, v) pairs grad_out[i, j] with x[i+u, j+v], without a flip",
        ),
        "averaged over the batch": (
            right / len(x),
            "grad_weight is averaged over the batch: the same weight served every image, so the gradients add up",
        ),
        "averaged over positions": (
            right / positions,
            "grad_weight is averaged over the positions: the same weight served every window, so they add up",
        ),
        "first image only": (each[0], "grad_weight comes from the first image only: add up over the batch"),
        "last image only": (each[-1], "grad_weight comes from the last image only: add up (+=), do not overwrite (=)"),
        "stride ignored in grad_weight": (
            gathered(g, x, w, 1).sum(0),
            "grad_weight ignores the stride: output (i, j) saw the window at i * stride, j * stride",
        ),
        "grad_out ignored in grad_weight": (
            gathered(torch.ones_like(g), x, w, s).sum(0),
            "grad_weight does not depend on grad_out: multiply every window by grad_out[n, o, i, j]",
        ),
    }


def grad_bias_mistakes(g: Tensor) -> dict[str, tuple[Tensor, str]]:
    right, positions = g.sum((0, 2, 3)), g.shape[2] * g.shape[3]
    message = "grad_bias is a mean: the bias was added at every position of every image, so the gradients add up"
    return {
        "grad_bias averaged": (g.mean((0, 2, 3)), message),
        "grad_bias averaged over the batch": (right / len(g), message),
        "grad_bias averaged over positions": (right / positions, message),
        "grad_bias per image": (g.sum((2, 3)), "grad_bias has a row per image: sum over the batch too, to shape [O]"),
        "grad_bias counts positions": (
            torch.full_like(right, len(g) * positions),
            "grad_bias counts the positions instead of adding up grad_out there",
        ),
    }


@exercise(CHAPTER)
def conv2d_backward(answer) -> None:
    """The gradients of a convolution for its input, its weight and its bias."""
    generator = torch.Generator().manual_seed(3)
    for x_shape, w_shape, stride in BACKWARD_CASES:
        x, w = random(generator, *x_shape), random(generator, *w_shape)
        size = [convolution.output_size(n, k, stride) for n, k in zip(x_shape[2:], w_shape[2:], strict=True)]
        g = random(generator, x_shape[0], w_shape[0], *size)
        before = g.clone(), x.clone(), w.clone()
        with withheld(BORROWED, *BACKWARDS):
            got = answer(g, x, w, stride)
        for old, new, name in zip(before, (g, x, w), ("grad_out", "x", "weight"), strict=True):
            untouched(old, new, name)
        g, x, w = before
        if not isinstance(got, tuple | list) or len(got) != 3:
            raise WrongAnswer("not three", "expected three tensors in a row: return grad_x, grad_weight, grad_bias")
        shapes = [getattr(part, "shape", None) for part in got]
        if x.shape != w.shape and shapes[:2] == [w.shape, x.shape]:
            raise WrongAnswer("order", "grad_x and grad_weight are swapped: the order is that of the inputs, x first")
        wanted = convolution.conv2d_backward(g, x, w, stride)
        mistakes = grad_x_mistakes(g, x, w, stride), grad_weight_mistakes(g, x, w, stride), grad_bias_mistakes(g)
        for part, right, known, name in zip(got, wanted, mistakes, ("x", "weight", "bias"), strict=True):
            what = f"grad_{name} for x {list(x_shape)}, weight {list(w_shape)}, stride {stride}"
            compare(part, right, what, known)
            expect_tensor(part, right, what)
