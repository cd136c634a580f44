"""Pooling from scratch: the largest or the mean value of every window, their gradients, and the receptive field.

Shapes: [N, C, H, W] -> [N, C, Ho, Wo], each channel for itself. kernel_size, stride and padding are an int or a pair
(vertical, horizontal); stride is kernel_size unless it is given. Bad arguments raise CourseError.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from course_lib.cnn.convolution import Pair, check_geometry, check_images, fold, windows
from course_lib.errors import CourseError


def max_pool2d(x: Tensor, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0) -> tuple[Tensor, Tensor]:
    """The largest value of every window, and where it was: (values, indices), both [N, C, Ho, Wo].

    An index is row * W + column in the image without padding. When several pixels tie, the first one in reading order
    wins, as in torch. A NaN wins over every number, so that it is not hidden.
    """
    (kh, kw), (sh, sw), (ph, pw) = check_pooling(x, kernel_size, stride, padding)
    if not x.is_floating_point():
        raise CourseError(f"x: got {x.dtype}, expected floating point: padding for max pooling is minus infinity")
    view = windows(x, (kh, kw), (sh, sw), (ph, pw), fill=float("-inf"))  # [N, C, kh, kw, Ho, Wo]
    values, which = view.flatten(2, 3).max(dim=2)  # which: 0 .. kh * kw - 1, the position inside the window
    row = torch.arange(values.shape[2], device=x.device).view(-1, 1) * sh - ph + which // kw
    column = torch.arange(values.shape[3], device=x.device) * sw - pw + which % kw
    return values, row.clamp(min=0) * x.shape[3] + column.clamp(min=0)  # clamp: a window of nothing but -inf


def max_pool2d_backward(grad_out: Tensor, indices: Tensor, size: tuple[int, int]) -> Tensor:
    """Each gradient goes to the one pixel that was the largest; all others get zero. size is H, W of the input."""
    if grad_out.shape != indices.shape:
        raise CourseError(f"grad_out: got {list(grad_out.shape)}, but indices is {list(indices.shape)}")
    grad_x = grad_out.new_zeros(*grad_out.shape[:2], size[0] * size[1])
    return grad_x.scatter_add_(2, indices.flatten(2), grad_out.flatten(2)).unflatten(2, tuple(size))


def avg_pool2d(
    x: Tensor, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0, count_include_pad: bool = True
) -> Tensor:
    """The mean of every window [N, C, Ho, Wo]. count_include_pad: padded zeros count as pixels (torch's default)."""
    kernel_size, stride, padding = check_pooling(x, kernel_size, stride, padding)
    count = window_sizes(x, x.shape[2:], kernel_size, stride, padding, count_include_pad)
    return windows(x, kernel_size, stride, padding).sum((2, 3)) / count


def avg_pool2d_backward(
    grad_out: Tensor,
    size: tuple[int, int],
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    count_include_pad: bool = True,
) -> Tensor:
    """Every pixel of a window gets an equal share of its gradient; shares of overlapping windows add up."""
    kernel_size, stride, padding = check_pooling(grad_out, kernel_size, stride, padding)
    share = grad_out / window_sizes(grad_out, size, kernel_size, stride, padding, count_include_pad)  # [N, C, Ho, Wo]
    columns = share.flatten(2).repeat_interleave(kernel_size[0] * kernel_size[1], dim=1)  # [N, C * kh * kw, Ho * Wo]
    return fold(columns, size, kernel_size, stride, padding)


def window_sizes(like, size, kernel_size, stride, padding, count_include_pad) -> Tensor | int:
    """How many pixels each window averages over: kh * kw, or [Ho, Wo] with smaller numbers at the border."""
    if count_include_pad:
        return kernel_size[0] * kernel_size[1]
    return windows(like.new_ones(1, 1, *size), kernel_size, stride, padding).sum((2, 3))[0, 0]


def global_average_pool(x: Tensor) -> Tensor:
    """One number per channel, its mean over the image: [N, C, H, W] -> [N, C]. It accepts images of any size.

    Source: Lin, Chen and Yan 2013, "Network in Network", section 3.2.
    """
    check_images(x)
    return x.mean((2, 3))


def receptive_field(layers: Sequence[tuple[int, ...]]) -> tuple[int, int]:
    """How many input pixels (along one axis) one output pixel of a stack sees, and how far apart two outputs look.

    layers: (kernel, stride) or (kernel, stride, dilation) of each convolution or pooling, first layer first.
    Returns (size, jump): each layer widens size by dilation * (kernel - 1) steps of jump, then jump grows by stride.
    """
    size, jump = 1, 1
    for number, layer in enumerate(layers):
        if len(layer) not in (2, 3) or not all(isinstance(v, int) and v >= 1 for v in layer):
            raise CourseError(f"layers[{number}] is {layer!r}, expected (kernel, stride) or (kernel, stride, dilation)")
        kernel, stride, dilation = (*layer, 1)[:3]
        size += dilation * (kernel - 1) * jump
        jump *= stride
    return size, jump


# ---------------------------------------------------------------------------------------------------------------------
# Layers that train with the code above
# ---------------------------------------------------------------------------------------------------------------------


class MaxPool2dFunction(torch.autograd.Function):
    """max_pool2d for autograd: only the positions of the largest values are kept."""

    @staticmethod
    def forward(ctx, x, kernel_size, stride=None, padding=0):
        values, indices = max_pool2d(x, kernel_size, stride, padding)
        ctx.save_for_backward(indices)
        ctx.size = x.shape[2:]
        return values

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_out):
        return max_pool2d_backward(grad_out, *ctx.saved_tensors, ctx.size), None, None, None


class AvgPool2dFunction(torch.autograd.Function):
    """avg_pool2d for autograd."""

    @staticmethod
    def forward(ctx, x, kernel_size, stride=None, padding=0, count_include_pad=True):
        ctx.options = kernel_size, stride, padding, count_include_pad
        ctx.size = x.shape[2:]
        return avg_pool2d(x, *ctx.options)

    @staticmethod
    @once_differentiable
    def backward(ctx, grad_out):
        return avg_pool2d_backward(grad_out, ctx.size, *ctx.options), None, None, None, None


class MaxPool2d(nn.Module):
    """Max pooling as a layer. It has no parameters."""

    function = MaxPool2dFunction

    def __init__(self, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0):
        super().__init__()
        self.options = kernel_size, stride, padding

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, C, Ho, Wo]."""
        return self.function.apply(x, *self.options)

    def extra_repr(self) -> str:
        return "kernel_size {}, stride {}, padding {}".format(*self.options)


class AvgPool2d(MaxPool2d):
    """Average pooling as a layer. It has no parameters. Padded zeros count as pixels."""

    function = AvgPool2dFunction


def check_pooling(x: Tensor, kernel_size: Pair, stride: Pair | None, padding: Pair) -> tuple[tuple[int, int], ...]:
    """kernel_size, stride and padding as pairs."""
    check_images(x)
    stride = kernel_size if stride is None else stride
    kernel_size, stride, padding, _ = check_geometry(kernel_size, stride, padding, 1)
    if padding[0] > kernel_size[0] // 2 or padding[1] > kernel_size[1] // 2:
        raise CourseError(f"padding: got {padding}, expected at most half of kernel_size {kernel_size}")
    return kernel_size, stride, padding
