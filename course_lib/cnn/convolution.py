"""Convolution from scratch: by loops, by unfold and matrix product, its backward pass, and its transpose.

Shapes: x is [N, C, H, W], weight is [O, C // groups, kh, kw], the answer is [N, O, Ho, Wo]. Stride, padding, dilation
and kernel_size are an int or a pair (vertical, horizontal). Padding is with zeros. Bad arguments raise CourseError.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from course_lib.errors import CourseError

Pair = int | tuple[int, int]

# Columns hold kh * kw times more numbers than the images they come from. Unfolding a whole batch sends them through
# main memory; a few images at a time (16 MB of float32) stay in the CPU's cache. A GPU prefers large pieces.
COLUMNS_AT_ONCE = {"cpu": 2**22, "cuda": 2**27}


def output_size(n: int, kernel: int, stride: int = 1, padding: int = 0, dilation: int = 1) -> int:
    """How many positions a kernel has along one axis of n pixels: floor((n + 2p - d(k - 1) - 1) / s) + 1."""
    if min(kernel, stride, dilation) < 1 or padding < 0:
        got = f"kernel {kernel}, stride {stride}, dilation {dilation}, padding {padding}"
        raise CourseError(f"{got}: expected at least 1, 1, 1 and 0")
    reach = dilation * (kernel - 1) + 1  # pixels from the first to the last one the kernel touches
    if n + 2 * padding < reach:
        raise CourseError(f"kernel reaches over {reach} pixels, but the padded input has {n + 2 * padding}")
    return (n + 2 * padding - reach) // stride + 1


# ---------------------------------------------------------------------------------------------------------------------
# Convolution as it is defined: slide, multiply, add
# ---------------------------------------------------------------------------------------------------------------------


def conv2d_loops(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """The definition: one Python loop per axis of the output. Slow, and the measure of everything below."""
    check_conv2d(x, weight, bias, groups)
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = check_geometry(weight.shape[2:], stride, padding, dilation)
    (N, _, H, W), (out_channels, C) = x.shape, weight.shape[:2]  # C: how many channels one output channel sees
    out = x.new_empty(N, out_channels, output_size(H, kh, sh, ph, dh), output_size(W, kw, sw, pw, dw))
    padded = F.pad(x, (pw, pw, ph, ph))
    for n in range(N):
        for o in range(out_channels):
            first = o // (out_channels // groups) * C  # where this output channel's group of input channels starts
            for i in range(out.shape[2]):
                for j in range(out.shape[3]):
                    rows = slice(i * sh, i * sh + dh * (kh - 1) + 1, dh)
                    columns = slice(j * sw, j * sw + dw * (kw - 1) + 1, dw)
                    window = padded[n, first : first + C, rows, columns]  # [C, kh, kw]
                    out[n, o, i, j] = (window * weight[o]).sum()
    return out if bias is None else out + bias.view(-1, 1, 1)


def true_convolution(x: Tensor, kernel: Tensor, **options: Pair) -> Tensor:
    """Convolution as mathematics defines it, with the kernel flipped on both axes. Options are those of conv2d.

    What deep learning calls convolution does not flip: it is cross-correlation. A learned kernel does not care.
    """
    return conv2d(x, kernel.flip(-2, -1), **options)


# ---------------------------------------------------------------------------------------------------------------------
# Unfold: every window becomes a column, so that convolution becomes a matrix product
# ---------------------------------------------------------------------------------------------------------------------


def windows(
    x: Tensor, kernel_size: Pair, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1, fill: float = 0.0
) -> Tensor:
    """All windows of x as a view [N, C, kh, kw, Ho, Wo]: entry (i, j) of the window whose output position is (p, q).

    Nothing is copied but the padding: a step inside a window and a step to the next window are both jumps in memory.
    """
    check_images(x)
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = check_geometry(kernel_size, stride, padding, dilation)
    N, C, H, W = x.shape
    Ho, Wo = output_size(H, kh, sh, ph, dh), output_size(W, kw, sw, pw, dw)
    padded = F.pad(x, (pw, pw, ph, ph), value=fill) if ph or pw else x
    n, c, down, right = padded.stride()
    return padded.as_strided((N, C, kh, kw, Ho, Wo), (n, c, dh * down, dw * right, sh * down, sw * right))


def unfold(
    x: Tensor,
    kernel_size: Pair,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    out: Tensor | None = None,  # columns of an earlier call, whose memory may be written again
) -> Tensor:
    """Copy every window of x into a column: [N, C, H, W] -> [N, C * kh * kw, Ho * Wo]. Also known as im2col."""
    view = windows(x, kernel_size, stride, padding, dilation)
    N, C, kh, kw, Ho, Wo = view.shape
    if out is not None:
        view = out[:N].view(view.shape).copy_(view)
    return view.reshape(N, C * kh * kw, Ho * Wo)


def fold(
    columns: Tensor, size: tuple[int, int], kernel_size: Pair, stride: Pair = 1, padding: Pair = 0, dilation: Pair = 1
) -> Tensor:
    """The adjoint of unfold: add every column back where its window was. [N, C * kh * kw, Ho * Wo] -> [N, C, *size].

    A pixel that was in nine windows receives nine numbers, and they add up: that is the chain rule.
    """
    H, W = size
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = check_geometry(kernel_size, stride, padding, dilation)
    Ho, Wo = output_size(H, kh, sh, ph, dh), output_size(W, kw, sw, pw, dw)
    if columns.ndim != 3 or columns.shape[1] % (kh * kw) or columns.shape[2] != Ho * Wo:
        raise CourseError(f"columns: got {list(columns.shape)}, expected [N, C * {kh * kw}, {Ho * Wo}]")
    columns = columns.reshape(len(columns), columns.shape[1] // (kh * kw), kh, kw, Ho, Wo)
    padded = columns.new_zeros(*columns.shape[:2], H + 2 * ph, W + 2 * pw)
    for i in range(kh):
        for j in range(kw):
            rows = slice(i * dh, i * dh + sh * (Ho - 1) + 1, sh)  # where entry (i, j) of all windows lies
            cols = slice(j * dw, j * dw + sw * (Wo - 1) + 1, sw)
            padded[:, :, rows, cols] += columns[:, :, i, j]
    return padded[:, :, ph : ph + H, pw : pw + W]


def conv2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
) -> Tensor:
    """Convolution as a matrix product, equal to torch's F.conv2d: kernels as rows times windows as columns."""
    check_conv2d(x, weight, bias, groups)
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = check_geometry(weight.shape[2:], stride, padding, dilation)
    N, _, H, W = x.shape
    kernels = weight.reshape(groups, len(weight) // groups, -1)  # [G, O/G, K], K = C/G * kh * kw
    products = [kernels @ columns for _, columns in unfold_pieces(x, weight, stride, padding, dilation, groups)]
    out = torch.cat(products).view(N, len(weight), output_size(H, kh, sh, ph, dh), output_size(W, kw, sw, pw, dw))
    return out if bias is None else out.add_(bias.view(-1, 1, 1))


def unfold_pieces(x, weight, stride, padding, dilation, groups) -> Iterator[tuple[slice, Tensor]]:
    """A few images at a time: which ones, and their columns [n, G, K, L], which the next piece overwrites.

    Writing into used memory is several times faster than into new memory, which the system must clear first.
    """
    keep = torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad)  # then autograd needs every piece
    used = None
    for part in pieces(len(x), x[:1].numel() * weight[0, 0].numel(), x.device):
        columns = unfold(x[part], weight.shape[2:], stride, padding, dilation, out=used)
        if not keep and columns.untyped_storage().data_ptr() != x.untyped_storage().data_ptr():
            used = columns  # but the columns of a 1x1 kernel can be x itself, and x must not be written to
        yield part, columns.unflatten(1, (groups, -1))


# ---------------------------------------------------------------------------------------------------------------------
# Backward: two more matrix products
# ---------------------------------------------------------------------------------------------------------------------


def conv2d_backward(
    grad_out: Tensor,
    x: Tensor,
    weight: Tensor,
    stride: Pair = 1,
    padding: Pair = 0,
    dilation: Pair = 1,
    groups: int = 1,
    needs: tuple[bool, bool, bool] = (True, True, True),
) -> tuple[Tensor | None, Tensor | None, Tensor | None]:
    """The gradients of a loss for x, weight and bias, given its gradient for the output of conv2d.

    Forward is out = kernels @ columns. So d_kernels = d_out @ columns^T and d_columns = kernels^T @ d_out, folded back.
    The bias is added everywhere, so its gradient is a sum over images and positions.
    needs says which of the three are wanted; the others are None and cost nothing.
    """
    check_conv2d(x, weight, None, groups)
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = check_geometry(weight.shape[2:], stride, padding, dilation)
    N, _, H, W = x.shape
    expected = [N, len(weight), output_size(H, kh, sh, ph, dh), output_size(W, kw, sw, pw, dw)]
    if list(grad_out.shape) != expected:
        raise CourseError(f"grad_out: got {list(grad_out.shape)}, expected {expected}, the shape of the output")
    grad_x = grad_weight = grad_bias = None
    if needs[0]:
        grad_x = input_gradient(grad_out, weight, (H, W), stride, padding, dilation, groups)
    if needs[1]:
        grads = grad_out.flatten(2).unflatten(1, (groups, -1))  # [N, G, O/G, Ho * Wo]
        grad_weight = torch.zeros_like(weight)
        for part, columns in unfold_pieces(x, weight, stride, padding, dilation, groups):
            grad_weight += (grads[part] @ columns.mT).sum(0).view(weight.shape)  # [G, O/G, K] before the view
    if needs[2]:
        grad_bias = grad_out.sum((0, 2, 3))
    return grad_x, grad_weight, grad_bias


def input_gradient(grad_out, weight, size, stride, padding, dilation, groups) -> Tensor:
    """Send [N, O, Ho, Wo] back through the kernels to an input of H, W = size: kernels^T @ grad_out, then fold."""
    kernels = weight.reshape(groups, len(weight) // groups, -1)  # [G, O/G, K]
    grads = grad_out.flatten(2).unflatten(1, (groups, -1))  # [N, G, O/G, L]
    out = []
    for part in pieces(len(grads), groups * kernels.shape[2] * grads.shape[3], weight.device):
        columns = (kernels.mT @ grads[part]).flatten(1, 2)  # [n, C * kh * kw, L]
        out.append(fold(columns, size, weight.shape[2:], stride, padding, dilation))
    return torch.cat(out)


def conv_transpose2d(
    x: Tensor,
    weight: Tensor,
    bias: Tensor | None = None,
    stride: Pair = 1,
    padding: Pair = 0,
    output_padding: Pair = 0,
    groups: int = 1,
    dilation: Pair = 1,
) -> Tensor:
    """Transposed convolution: what conv2d does to gradients on the way back, done to images on the way forward.

    x is [N, C, H, W], weight is [C, O // groups, kh, kw], the answer is [N, O, Ho, Wo] with
    Ho = (H - 1) * stride - 2 * padding + dilation * (kh - 1) + output_padding + 1. With stride 2 it doubles the size.
    A strided conv2d maps several sizes to the same H; output_padding picks one of them.
    """
    check_conv2d(x, weight, bias, groups, transposed=True)
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = check_geometry(weight.shape[2:], stride, padding, dilation)
    oh, ow = pair(output_padding, "output_padding", 0)
    if oh >= sh or ow >= sw:  # no strided convolution maps such a size to H
        raise CourseError(f"output_padding: got {(oh, ow)}, expected less than stride {(sh, sw)}")
    H = (x.shape[2] - 1) * sh - 2 * ph + dh * (kh - 1) + oh + 1
    W = (x.shape[3] - 1) * sw - 2 * pw + dw * (kw - 1) + ow + 1
    if H < 1 or W < 1:
        raise CourseError(f"padding: got {(ph, pw)}: the output would have {H} x {W} pixels")
    out = input_gradient(x, weight, (H, W), stride, padding, dilation, groups)
    return out if bias is None else out + bias.view(-1, 1, 1)


# ---------------------------------------------------------------------------------------------------------------------
# A layer that trains with the code above
# ---------------------------------------------------------------------------------------------------------------------


class Conv2dFunction(torch.autograd.Function):
    """conv2d for autograd, with our own backward. Nothing is kept for it but x and weight."""

    @staticmethod
    def forward(ctx, x, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
        ctx.save_for_backward(x, weight)
        ctx.options = stride, padding, dilation, groups
        return conv2d(x, weight, bias, stride, padding, dilation, groups)

    @staticmethod
    @once_differentiable  # a gradient of the gradient would need two more formulas; asking for one is an error
    def backward(ctx, grad_out):
        x, weight = ctx.saved_tensors
        grad_out = grad_out.to(weight.dtype)  # under autocast the output is of lower precision
        needs = (*ctx.needs_input_grad, False)[:3]  # apply(x, weight) alone has no entry for the bias
        grads = conv2d_backward(grad_out, x, weight, *ctx.options, needs=needs)
        return *grads, None, None, None, None  # stride, padding, dilation and groups have no gradient


class Conv2d(nn.Module):
    """A convolution layer with weight [O, C // groups, kh, kw] and bias [O], like torch's nn.Conv2d.

    Weights start as Kaiming (He et al. 2015, "Delving Deep into Rectifiers", eq. 10): normal with variance 2 / fan_in,
    fan_in = C // groups * kh * kw, which keeps the scale of activations through ReLU layers. Biases start at zero.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Pair,
        stride: Pair = 1,
        padding: Pair = 0,
        dilation: Pair = 1,
        groups: int = 1,
        bias: bool = True,
        generator: torch.Generator | None = None,  # where the weights are drawn from; None is torch's own
    ):
        super().__init__()
        if groups < 1 or in_channels % groups or out_channels % groups:
            raise CourseError(f"groups: got {groups}, expected a divisor of {in_channels} and {out_channels} channels")
        (kh, kw), *_ = check_geometry(kernel_size, stride, padding, dilation)
        self.options = stride, padding, dilation, groups
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels // groups, kh, kw))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        nn.init.kaiming_normal_(self.weight, nonlinearity="relu", generator=generator)

    def forward(self, x: Tensor) -> Tensor:
        """[N, C, H, W] -> [N, O, Ho, Wo]."""
        return Conv2dFunction.apply(x, self.weight, self.bias, *self.options)

    def extra_repr(self) -> str:
        return "weight {}, stride {}, padding {}, dilation {}, groups {}".format(list(self.weight.shape), *self.options)


# ---------------------------------------------------------------------------------------------------------------------
# Small helpers: pieces of a batch, and one clear line for every bad argument
# ---------------------------------------------------------------------------------------------------------------------


def pieces(count: int, columns_per_image: int, device: torch.device) -> list[slice]:
    """Cut a batch so that the columns of one piece stay below COLUMNS_AT_ONCE numbers."""
    at_once = max(1, COLUMNS_AT_ONCE.get(device.type, 2**27) // max(1, columns_per_image))
    return [slice(start, start + at_once) for start in range(0, max(count, 1), at_once)]


def pair(value: Pair, name: str, least: int = 1) -> tuple[int, int]:
    """An int or a pair of ints (vertical, horizontal), each at least `least`, as a pair."""
    both = tuple(value) if isinstance(value, tuple | list) else (value, value)
    if len(both) != 2 or not all(isinstance(v, int) and not isinstance(v, bool) and v >= least for v in both):
        raise CourseError(f"{name}: got {value!r}, expected an int or a pair of ints, each at least {least}")
    return both


def check_geometry(kernel_size: Pair, stride: Pair, padding: Pair, dilation: Pair) -> tuple[tuple[int, int], ...]:
    """The four settings as pairs."""
    kernel_size, stride = pair(kernel_size, "kernel_size"), pair(stride, "stride")
    return kernel_size, stride, pair(padding, "padding", 0), pair(dilation, "dilation")


def check_images(x: Tensor, name: str = "x") -> None:
    """Anything but [N, C, H, W] is refused."""
    if x.ndim != 4:
        raise CourseError(f"{name}: got {list(x.shape)}, expected 4 axes [N, C, H, W]")


def check_conv2d(x: Tensor, weight: Tensor, bias: Tensor | None, groups: int, transposed: bool = False) -> None:
    """Shapes and types of the operands. In a transposed convolution weight's first axis meets x, not the output."""
    check_images(x)
    if weight.ndim != 4 or 0 in weight.shape:
        raise CourseError(f"weight: got {list(weight.shape)}, expected 4 axes [O, C // groups, kh, kw], none empty")
    if not isinstance(groups, int) or groups < 1 or x.shape[1] % groups or len(weight) % groups:
        raise CourseError(f"groups: got {groups}, expected a divisor of {x.shape[1]} and {len(weight)} channels")
    inputs, outputs = weight.shape[1] * groups, len(weight)
    if transposed:
        inputs, outputs = outputs, inputs
    if x.shape[1] != inputs:
        raise CourseError(f"x has {x.shape[1]} channels, weight {list(weight.shape)}, groups={groups} expects {inputs}")
    if bias is not None and bias.shape != (outputs,):
        raise CourseError(f"bias: got {list(bias.shape)}, expected [{outputs}], one per output channel")
    if x.dtype != weight.dtype or x.device != weight.device:
        raise CourseError(f"x: got {x.dtype} on {x.device}, but weight is {weight.dtype} on {weight.device}")
