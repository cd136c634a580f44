"""Checks of chapter 3: max pooling, the receptive field, and the backward pass of max pooling."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor

from course_lib.checks.core import WrongAnswer, compare, exercise, expect_tensor, untouched
from course_lib.cnn.convolution import windows
from course_lib.cnn.pooling import avg_pool2d_backward

Size = tuple[int, int]

# ---------------------------------------------------------------------------------------------------------------------
# Exercise 1: max_pool2d
# ---------------------------------------------------------------------------------------------------------------------

POOLINGS = [  # shape, window, stride, padding, mean of the pixels; negative images show what stands outside
    ((2, 3, 8, 11), (2, 3), (1, 2), (0, 0), 0.0),
    ((1, 2, 9, 10), (4, 3), (3, 2), (0, 0), 0.0),
    ((2, 2, 7, 9), (4, 3), (3, 1), (2, 1), -6.0),
    ((1, 3, 6, 8), (3, 5), (2, 3), (1, 0), -6.0),
]


@exercise("03_pooling")
def max_pool2d(answer: Callable) -> None:
    """answer(x, kernel_size, stride, padding) -> the maximum of each window, [N, C, Ho, Wo]."""
    generator = torch.Generator().manual_seed(3)
    for shape, kernel, stride, padding, mean in POOLINGS:
        x = torch.randn(shape, generator=generator, dtype=torch.float64) + mean
        before = x.clone()
        got = answer(x, kernel, stride, padding)
        untouched(before, x, "x")
        wanted = F.max_pool2d(x, kernel, stride, padding)
        compare(got, wanted, "your result", pooling_mistakes(x, kernel, stride, padding))
    for dtype in (torch.float32, torch.float64):
        single = torch.arange(48, dtype=dtype).reshape(1, 1, 6, 8).requires_grad_()
        got = answer(single, (2, 2), (2, 2), (0, 0))
        if got.dtype != dtype:
            raise WrongAnswer(
                "dtype", f"given {dtype} you return {got.dtype}: make the result with x.new_empty(...), not torch.zeros"
            )
    if not got.requires_grad:
        raise WrongAnswer(
            "no gradient", "right numbers, but no gradient gets through: leave out .item(), .detach(), .data and numpy"
        )


def pooling_mistakes(x: Tensor, kernel: Size, stride: Size, padding: Size) -> dict[str, tuple[Tensor | None, str]]:
    """What each misconception would give."""
    (kh, kw), (ph, pw) = kernel, padding
    right = F.max_pool2d(x, kernel, stride, padding)

    def outside(value: float, pads: tuple[int, int, int, int] = (pw, pw, ph, ph)) -> Tensor:
        return F.pad(x, pads, value=value)

    def largest(image: Tensor, window: Size = kernel, step: Size = stride, **options: bool) -> Tensor | None:
        fits = image.shape[2] >= window[0] and image.shape[3] >= window[1]
        return F.max_pool2d(image, window, step, **options) if fits else None

    padded = outside(float("-inf"))
    turned, turned_stride = (kw, kh), stride[::-1]
    across = right.amax(dim=1, keepdim=True)
    channels = "you pooled over the channels too: keep them apart, the result has as many channels as x"
    sides = "padding goes on both sides: ph rows above and below, pw columns left and right"
    swapped = "height and width are swapped: pairs are (vertical, horizontal), rows first"
    step = "each window should start sh rows or sw columns after the one before"
    return {
        "average": (F.avg_pool2d(x, kernel, stride, padding), "you computed the mean of each window, not the maximum"),
        "minimum": (-F.max_pool2d(-x, kernel, stride, padding), "you computed the minimum of each window"),
        "window swapped": (largest(padded, turned), f"{swapped}; turn the window around"),
        "window and stride swapped": (largest(padded, turned, turned_stride), swapped),
        "stride swapped": (largest(padded, step=turned_stride), f"{swapped}; turn the stride around"),
        "stride is 1": (largest(padded, step=(1, 1)), f"your windows move by one pixel: the stride is ignored; {step}"),
        "stride is the window": (
            largest(padded, step=kernel),
            f"your windows move by their own size, not by stride; {step}",
        ),
        "over channels": (across, channels),
        "over channels, repeated": (across.expand_as(right), channels),
        "over channels, axis lost": (across[:, 0], channels),
        "zero padding": (
            largest(outside(0.0)),
            "zeros from outside the image win over negative pixels: pad with minus infinity",
        ),
        "padding ignored": (largest(x), "the padding is missing: the result is too small"),
        "padding swapped": (
            largest(outside(float("-inf"), (ph, ph, pw, pw))),
            "ph and pw are swapped: F.pad takes the last axis (columns) first",
        ),
        "padding on one side": (largest(outside(float("-inf"), (pw, 0, ph, 0))), sides),
        "partial windows": (
            largest(padded, ceil_mode=True),
            "you kept windows that reach over the border: only whole windows count, use // in the output size",
        ),
    }


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
]


@exercise("03_pooling")
def receptive_field(answer: Callable) -> None:
    """answer(layers) -> pixels one output sees along one axis; layers are (kernel, stride), first layer first."""
    for layers in STACKS:
        given = list(layers)
        got = answer(given)
        if given != layers:
            raise WrongAnswer("changes its input", "the list of layers was changed in place; work on a copy")
        if got is None or isinstance(got, tuple | list | Tensor):
            raise WrongAnswer("type", f"for {layers} you return {got!r}, expected one int")
        compare(got, seen(layers), f"for {layers} the result", field_mistakes(layers))


def seen(layers: list[Size], start: int = 1, minus: int = 1) -> int:
    """The right answer; `start` and `minus` are what two of the mistakes change."""
    size, jump = start, 1
    for kernel, stride in layers:
        size += (kernel - minus) * jump
        jump *= stride
    return size


def field_mistakes(layers: list[Size]) -> dict[str, tuple[int, str]]:
    product = total = jumps = own_first = last_only = 1
    for kernel, stride in layers:
        product *= kernel
        jumps *= stride
        own_first += (kernel - 1) * jumps
    previous = 1
    for kernel, stride in layers:
        last_only += (kernel - 1) * previous
        previous = stride
    total = sum(kernel for kernel, _ in layers)
    no_stride = 1 + sum(kernel - 1 for kernel, _ in layers)
    size = seen(layers)
    return {
        "sum of kernels": (total, "you added up the kernels: neighbouring windows overlap, and strides spread them"),
        "strides ignored": (no_stride, "the strides are ignored: after a stride of 2 every step is two pixels long"),
        "product of kernels": (product, "you multiplied the kernels: windows of neighbours overlap, so sizes add up"),
        "own stride first": (
            own_first,
            "a layer's own stride came too early: first widen by (kernel - 1) times the distance, then multiply it",
        ),
        "minus one forgotten": (
            seen(layers, minus=0),
            "you added the whole kernel each time: k neighbours are k - 1 steps apart",
        ),
        "starts at zero": (seen(layers, start=0), "one too few: before the first layer a number sees 1 pixel, itself"),
        "only the last stride": (last_only, "distances multiply over all strides so far, not only the last one"),
        "last layer first": (
            seen(layers[::-1]),
            "you went through the layers from the end: the first is next to the image",
        ),
        "jump": (jumps, "this is the distance between two outputs, not how much one of them sees"),
        "area": (size**2, "this is the area: the answer is the side, along one axis"),
    }


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 3: max_pool2d_backward
# ---------------------------------------------------------------------------------------------------------------------

BACKWARDS = [  # shape, window, stride; first ties without overlap, then overlap without ties, then both
    ((2, 2, 6, 9), (2, 3), (2, 3), True),
    ((1, 3, 7, 8), (3, 2), (2, 1), False),
    ((2, 2, 6, 7), (2, 3), (1, 1), True),
    ((1, 2, 8, 7), (2, 2), (3, 3), True),
]


@exercise("03_pooling")
def max_pool2d_backward(answer: Callable) -> None:
    """answer(grad_out, x, kernel_size, stride) -> the gradient for x, [N, C, H, W]."""
    generator = torch.Generator().manual_seed(5)
    for shape, kernel, stride, ties in BACKWARDS:
        x = torch.randn(shape, generator=generator, dtype=torch.float64)
        if ties:
            x = (2 * x).round().clamp(min=-1)
        leaf = x.clone().requires_grad_()
        out = F.max_pool2d(leaf, kernel, stride)
        grad_out = torch.randn(out.shape, generator=generator, dtype=torch.float64)
        out.backward(grad_out)
        x_before, grad_before = x.clone(), grad_out.clone()
        got = answer(grad_out, x, kernel, stride)
        untouched(x_before, x, "x")
        untouched(grad_before, grad_out, "grad_out")
        compare(got, leaf.grad, "your gradient", backward_mistakes(grad_out, x, kernel, stride))
        expect_tensor(got, leaf.grad, "your gradient")


def backward_mistakes(grad_out: Tensor, x: Tensor, kernel: Size, stride: Size) -> dict[str, tuple[Tensor, str]]:
    """What each misconception would give."""
    (kh, kw), (sh, sw) = kernel, stride
    view = windows(x, kernel, stride).flatten(2, 3)  # [N, C, kh * kw, Ho, Wo]
    maxima = view.amax(dim=2)
    equal = (view == maxima[:, :, None]).double()
    size = tuple(x.shape[2:])

    def send(weights: Tensor, gradient: Tensor = grad_out, add: bool = True) -> Tensor:
        """weights [N, C, kh * kw, Ho, Wo] say which part of each window's gradient every pixel gets."""
        result = torch.zeros_like(x)
        for i in range(gradient.shape[2]):
            for j in range(gradient.shape[3]):
                place = (..., slice(i * sh, i * sh + kh), slice(j * sw, j * sw + kw))
                weight = weights[..., i, j].unflatten(2, kernel)
                share = weight * gradient[:, :, i, j, None, None]
                result[place] = result[place] + share if add else torch.where(weight > 0, share, result[place])
        return result

    first = (equal.cumsum(dim=2) == 1) * equal
    last = (equal.flip(2).cumsum(dim=2) == 1).flip(2) * equal
    corner = torch.zeros_like(equal)
    corner[:, :, 0] = 1
    ones = torch.ones_like(grad_out)
    overlap = "where windows overlap you keep only the last gradient: add with +="
    return {
        "all ties": (
            send(equal),
            "every pixel that equals the maximum gets the whole gradient: only the first in reading order may",
        ),
        "ties share": (
            send(equal / equal.sum(dim=2, keepdim=True)),
            "ties share the gradient: the first one gets all of it",
        ),
        "last wins": (send(last), "among ties the last one wins: it should be the first in reading order"),
        "spread evenly": (
            avg_pool2d_backward(grad_out, size, kernel, stride),
            "you gave every pixel an equal share: that is average pooling's gradient, here the winner takes all",
        ),
        "whole window": (
            send(torch.ones_like(equal)),
            "every pixel of the window gets the gradient: only the winner may",
        ),
        "overwritten": (send(first, add=False), overlap),
        "overwritten, all ties": (
            send(equal, add=False),
            overlap + "; and of several equal pixels only the first may win",
        ),
        "arriving gradient ignored": (
            send(first, ones),
            "you marked the winners with 1: give them the number of grad_out that arrives at their window",
        ),
        "divided": (
            send(first) / (kh * kw),
            "you divided by the size of the window: the winner gets the whole gradient",
        ),
        "times the maximum": (
            send(first, grad_out * maxima),
            "you multiplied by the maximum itself: its derivative for the winner is 1",
        ),
        "upper left": (
            send(corner),
            "the gradient goes to the first pixel of each window, whoever won: find the winner",
        ),
        "smallest wins": (
            send(smallest(view)),
            "the gradient goes to the smallest pixel of each window: look for the largest",
        ),
    }


def smallest(view: Tensor) -> Tensor:
    """One at the first smallest entry of each window [N, C, kh * kw, Ho, Wo], zero elsewhere."""
    equal = (view == view.amin(dim=2, keepdim=True)).double()
    return (equal.cumsum(dim=2) == 1) * equal
