"""Chapter 2's checks: right answers in several styles pass, and every misconception is recognised by its name."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from bank import Bank, BankTests

from course_lib.cnn import convolution

HEADS = {
    "conv_output_size": "def conv_output_size(n, kernel, stride=1, padding=0, dilation=1):",
    "conv2d": "def conv2d(x, weight, bias, stride=1, padding=(0, 0)):",
    "conv2d_backward": "def conv2d_backward(grad_out, x, weight, stride=1):",
}


# ---------------------------------------------------------------------------------------------------------------------
# conv_output_size
# ---------------------------------------------------------------------------------------------------------------------


def count_starts(n, kernel, stride=1, padding=0, dilation=1):
    last_entry = (kernel - 1) * dilation
    return len([start for start in range(-padding, n + padding, stride) if start + last_entry < n + padding])


def ask_torch(n, kernel, stride=1, padding=0, dilation=1):
    x, w = torch.zeros(1, 1, n), torch.zeros(1, 1, kernel)
    return F.conv1d(x, w, stride=stride, padding=padding, dilation=dilation).shape[-1]


def floor_of_true_division(n, kernel, stride=1, padding=0, dilation=1):
    return int((n + 2 * padding - dilation * (kernel - 1) - 1) / stride + 1)


def size_rounded_up(n, k, s=1, p=0, d=1):
    import math

    return math.ceil((n + 2 * p - d * (k - 1) - 1) / s) + 1


def size_rounded(n, k, s=1, p=0, d=1):
    return round((n + 2 * p - d * (k - 1) - 1) / s + 1e-9) + 1


def size_no_floor(n, k, s=1, p=0, d=1):
    return (n + 2 * p - d * (k - 1) - 1) / s + 1


WRONG_SIZES = {
    "rounds up": size_rounded_up,
    "not whole": size_no_floor,
    "padding once": lambda n, k, s=1, p=0, d=1: (n + p - d * (k - 1) - 1) // s + 1,
    "padding ignored": lambda n, k, s=1, p=0, d=1: (n - d * (k - 1) - 1) // s + 1,
    "dilation ignored": lambda n, k, s=1, p=0, d=1: (n + 2 * p - k) // s + 1,
    "reach too long": lambda n, k, s=1, p=0, d=1: (n + 2 * p - k * d) // s + 1,
    "first position missing": lambda n, k, s=1, p=0, d=1: len(range(s, n + 2 * p - d * (k - 1), s)),
    "one added before dividing": lambda n, k, s=1, p=0, d=1: (n + 2 * p - d * (k - 1) - 1 + 1) // s,
    "stride ignored": lambda n, k, s=1, p=0, d=1: len(range(n + 2 * p - d * (k - 1))),
    "stride divides the input": lambda n, k, s=1, p=0, d=1: int(n / s),
    "type": lambda n, k, s=1, p=0, d=1: None,
    "wrong": lambda n, k, s=1, p=0, d=1: 3,
}


# ---------------------------------------------------------------------------------------------------------------------
# conv2d
# ---------------------------------------------------------------------------------------------------------------------


def by_unfold(x, weight, bias, stride=1, padding=(0, 0)):
    (N, _, H, _), (O, _, kh, kw) = x.shape, weight.shape
    columns = F.unfold(x, (kh, kw), stride=stride, padding=padding)
    Ho = (H + 2 * padding[0] - kh) // stride + 1
    return (weight.reshape(O, -1) @ columns + bias[:, None]).reshape(N, O, Ho, -1)


def by_kernel_places(x, weight, bias, stride=1, padding=(0, 0)):
    (ph, pw), (kh, kw) = padding, weight.shape[2:]
    x = F.pad(x, (pw, pw, ph, ph))
    Ho, Wo = x.shape[2] - kh + 1, x.shape[3] - kw + 1
    y = sum(
        torch.einsum("nchw,oc->nohw", x[:, :, u : u + Ho, v : v + Wo], weight[:, :, u, v])
        for u in range(kh)
        for v in range(kw)
    )
    return (y + bias[:, None, None])[:, :, ::stride, ::stride]


def by_seven_loops(x, weight, bias, stride=1, padding=(0, 0), **wrong):
    """The program of a beginner; every keyword of `wrong` breaks it in one way that beginners break it."""
    (N, C, _, _), (O, _, kh, kw) = x.shape, weight.shape
    ph, pw = padding
    x = F.pad(x, wrong.get("pad", (pw, pw, ph, ph)), mode=wrong.get("mode", "constant"))
    sh, sw = wrong.get("strides", (stride, stride))
    Ho, Wo = (x.shape[2] - kh) // sh + 1, (x.shape[3] - kw) // sw + 1
    y = torch.zeros(N, O, Ho, Wo, dtype=wrong.get("dtype", x.dtype))
    for n in range(N):
        for o in range(O):
            for i in range(Ho):
                for j in range(Wo):
                    total = 0
                    for c in range(wrong.get("channels", C)):
                        window = x[wrong.get("image", n), c, i * sh : i * sh + kh, j * sw : j * sw + kw]
                        kernel = weight[wrong.get("kernel", o), c]
                        if wrong.get("flip"):
                            kernel = torch.flip(kernel, (0, 1))
                        term = (window * kernel + wrong.get("inside", 0) * bias[o]).sum() + wrong.get("each", 0) * bias[
                            o
                        ]
                        total = term if wrong.get("overwrite") else total + term
                    y[n, o, i, j] = total / wrong.get("divide", 1) + wrong.get("bias_times", 1) * bias[o]
    return y


def broken(**wrong):
    return lambda x, w, b, s=1, p=(0, 0): by_seven_loops(x, w, b, s, p, **wrong)


def in_place(x, weight, bias, stride=1, padding=(0, 0)):
    x -= 1
    y = by_unfold(x, weight, bias, stride, padding)
    return y


def swapped_loops(x, weight, bias, stride=1, padding=(0, 0)):
    y = by_unfold(x, weight, bias, stride, padding)
    N, O, Ho, Wo = y.shape
    return torch.stack([y[:, :, i, j] for j in range(Wo) for i in range(Ho)], dim=-1).reshape(N, O, Ho, Wo)


WRONG_CONV2D = {
    "flipped kernel": broken(flip=True),
    "only one channel": broken(channels=1),
    "last channel": broken(overwrite=True),
    "channels averaged": lambda x, w, b, s=1, p=(0, 0): by_seven_loops(x, w, b, s, p, divide=x.shape[1]),
    "window averaged": lambda x, w, b, s=1, p=(0, 0): by_seven_loops(x, w, b, s, p, divide=w[0].numel()),
    "one kernel for all": broken(kernel=0),
    "first image only": broken(image=0),
    "batch lost": lambda x, w, b, s=1, p=(0, 0): by_unfold(x[0][None], w, b, s, p),
    "padding on one side": lambda x, w, b, s=1, p=(0, 0): by_seven_loops(x, w, b, s, p, pad=(p[1], 0, p[0], 0)),
    "padding at the end": lambda x, w, b, s=1, p=(0, 0): by_seven_loops(x, w, b, s, p, pad=(0, p[1], 0, p[0])),
    "padding swapped": lambda x, w, b, s=1, p=(0, 0): by_seven_loops(x, w, b, s, p, pad=(p[0], p[0], p[1], p[1])),
    "padding ignored": broken(pad=(0, 0, 0, 0)),
    "border repeated": broken(mode="replicate"),
    "stride ignored": broken(strides=(1, 1)),
    "stride on rows only": lambda x, w, b, s=1, p=(0, 0): by_seven_loops(x, w, b, s, p, strides=(s, 1)),
    "bias missing": broken(bias_times=0),
    "bias too often": broken(bias_times=0, each=1),
    "bias per product": broken(bias_times=0, inside=1),
    "height and width swapped": lambda x, w, b, s=1, p=(0, 0): by_unfold(x, w, b, s, p).transpose(2, 3),
    "rows and columns mixed": swapped_loops,
    "channels last": lambda x, w, b, s=1, p=(0, 0): by_unfold(x, w, b, s, p).movedim(1, -1),
    "dtype": broken(dtype=torch.float32),
    "no gradient": lambda x, w, b, s=1, p=(0, 0): torch.tensor(by_unfold(x, w, b, s, p).tolist(), dtype=x.dtype),
    "changes its input": in_place,
    "borrowed": lambda x, w, b, s=1, p=(0, 0): F.conv2d(x, w, b, stride=s, padding=p),
    "shape": lambda x, w, b, s=1, p=(0, 0): by_unfold(x, w, b, s, p)[..., :-1, :-1],
    "type": lambda x, w, b, s=1, p=(0, 0): by_unfold(x, w, b, s, p).tolist(),
    "wrong": lambda x, w, b, s=1, p=(0, 0): torch.zeros_like(by_unfold(x, w, b, s, p)),
}


# ---------------------------------------------------------------------------------------------------------------------
# conv2d_backward
# ---------------------------------------------------------------------------------------------------------------------


def backward_by_matrices(g, x, weight, stride=1):
    N, _, H, W = x.shape
    O, _, kh, kw = weight.shape
    columns = F.unfold(x, (kh, kw), stride=stride)  # [N, K, L]
    G = g.reshape(N, O, -1)
    grad_weight = torch.einsum("nol,nkl->ok", G, columns).reshape(weight.shape)
    grad_x = F.fold(weight.reshape(O, -1).T @ G, (H, W), (kh, kw), stride=stride)
    return grad_x, grad_weight, g.sum(dim=(0, 2, 3))


def backward_by_transposed_convolution(g, x, weight, stride=1):
    leftover = [(n - k) % stride for n, k in zip(x.shape[2:], weight.shape[2:], strict=True)]
    grad_x = F.conv_transpose2d(g, weight, stride=stride, output_padding=leftover)
    spread = g.new_zeros(*g.shape[:2], x.shape[2] - weight.shape[2] + 1, x.shape[3] - weight.shape[3] + 1)
    spread[:, :, ::stride, ::stride] = g
    grad_weight = F.conv2d(x.transpose(0, 1), spread.transpose(0, 1)).transpose(0, 1)
    return [grad_x, grad_weight, g.flatten(2).sum(2).sum(0)]


def backward_by_loops(g, x, weight, stride=1, **wrong):
    N, (O, _, kh, kw) = len(x), weight.shape
    grad_x, grad_weight = torch.zeros_like(x), torch.zeros_like(weight)
    sx, sw = wrong.get("stride_x", stride), wrong.get("stride_w", stride)
    for n in range(N):
        if wrong.get("restart"):
            grad_weight = torch.zeros_like(weight)
        for o in range(wrong.get("outputs", O)):
            for i in range(g.shape[2]):
                for j in range(g.shape[3]):
                    here = 1.0 if wrong.get("ones") else g[n, o, i, j]
                    grad_weight[o] += here * x[n, :, i * sw : i * sw + kh, j * sw : j * sw + kw]
                    stamp = weight[o].flip(1, 2) if wrong.get("flip") else weight[o]
                    spot = grad_x[n, :, i * sx : i * sx + kh, j * sx : j * sx + kw]
                    spot += here * stamp
    return grad_x, grad_weight, g.sum((0, 2, 3))


def changed(**parts):
    """The right answer with x, weight or bias gradient put through a wrong last step."""

    def answer(g, x, weight, stride=1):
        right = dict(zip("xwb", backward_by_matrices(g, x, weight, stride), strict=True))
        return tuple(parts[key](value, g, x, weight) if key in parts else value for key, value in right.items())

    return answer


def overwriting(g, x, weight, stride=1):
    grad_x, grad_weight, grad_bias = backward_by_matrices(g, x, weight, stride)
    kh, kw = weight.shape[2:]
    grad_x = torch.zeros_like(grad_x)
    for i in range(g.shape[2]):
        for j in range(g.shape[3]):
            stamp = torch.tensordot(g[:, :, i, j], weight, dims=1)
            grad_x[:, :, i * stride : i * stride + kh, j * stride : j * stride + kw] = stamp
    return grad_x, grad_weight, grad_bias


def only_x(**wrong):
    """backward_by_loops with a mistake that is kept in grad_x only."""

    def answer(g, x, weight, stride=1):
        return backward_by_loops(g, x, weight, stride, **wrong)[0], *backward_by_matrices(g, x, weight, stride)[1:]

    return answer


def only_weight(**wrong):
    def answer(g, x, weight, stride=1):
        right = backward_by_matrices(g, x, weight, stride)
        return right[0], backward_by_loops(g, x, weight, stride, **wrong)[1], right[2]

    return answer


def by_autograd(g, x, weight, stride=1):
    x, weight = x.clone().requires_grad_(), weight.clone().requires_grad_()
    bias = torch.zeros(len(weight), dtype=x.dtype, requires_grad=True)
    return torch.autograd.grad(F.conv2d(x, weight, bias, stride), (x, weight, bias), g)


def uses_x_as_scratch(g, x, weight, stride=1):
    right = backward_by_matrices(g, x, weight, stride)
    x.zero_()
    return right


WRONG_BACKWARD = {
    "input gradient without the flip": only_x(flip=True),
    "stamps overwrite": overwriting,
    "stride ignored in grad_x": only_x(stride_x=1),
    "only one output channel": only_x(outputs=1),
    "output channels averaged": changed(x=lambda gx, g, x, w: gx / len(w)),
    "grad_x averaged": changed(x=lambda gx, g, x, w: gx / len(x)),
    "grad_out ignored in grad_x": only_x(ones=True),
    "leftover border lost": lambda g, x, w, s=1: backward_by_matrices(
        g, x[:, :, : (g.shape[2] - 1) * s + w.shape[2], : (g.shape[3] - 1) * s + w.shape[3]], w, s
    ),
    "flipped weight gradient": changed(w=lambda gw, g, x, w: torch.rot90(gw, 2, (2, 3))),
    "averaged over the batch": changed(w=lambda gw, g, x, w: gw / x.shape[0]),
    "averaged over positions": changed(w=lambda gw, g, x, w: gw / g[0, 0].numel()),
    "first image only": lambda g, x, w, s=1: (
        backward_by_matrices(g, x, w, s)[0],
        backward_by_matrices(g[:1], x[:1], w, s)[1],
        g.sum((0, 2, 3)),
    ),
    "last image only": only_weight(restart=True),
    "stride ignored in grad_weight": only_weight(stride_w=1),
    "grad_out ignored in grad_weight": only_weight(ones=True),
    "grad_bias averaged": changed(b=lambda gb, g, x, w: g.mean((0, 2, 3))),
    "grad_bias averaged over the batch": changed(b=lambda gb, g, x, w: g.mean(0).sum((1, 2))),
    "grad_bias averaged over positions": changed(b=lambda gb, g, x, w: g.mean((2, 3)).sum(0)),
    "grad_bias per image": changed(b=lambda gb, g, x, w: g.sum((2, 3))),
    "grad_bias counts positions": changed(b=lambda gb, g, x, w: torch.ones_like(g).sum((0, 2, 3))),
    "order": lambda g, x, w, s=1: tuple(backward_by_matrices(g, x, w, s)[i] for i in (1, 0, 2)),
    "not three": lambda g, x, w, s=1: backward_by_matrices(g, x, w, s)[:2],
    "borrowed": by_autograd,
    "changes its input": uses_x_as_scratch,
    "shape": changed(b=lambda gb, g, x, w: gb[:, None, None]),
    "wrong": changed(x=lambda gx, g, x, w: gx + 1),
}


# ---------------------------------------------------------------------------------------------------------------------

RIGHT = {
    "conv_output_size": [count_starts, ask_torch, floor_of_true_division],
    "conv2d": [by_unfold, by_kernel_places, by_seven_loops],
    "conv2d_backward": [backward_by_matrices, backward_by_transposed_convolution, backward_by_loops],
}
WRONG = {"conv_output_size": WRONG_SIZES, "conv2d": WRONG_CONV2D, "conv2d_backward": WRONG_BACKWARD}


class TestBank(BankTests):
    bank = Bank(
        "02_convolution",
        HEADS,
        RIGHT,
        [(name, mistake, answer) for name, answers in WRONG.items() for mistake, answer in answers.items()],
    )

    def test_rounding_to_the_nearest_has_its_own_name(self) -> None:
        assert self.bank.rejection("conv_output_size", size_rounded).name in ("rounds to nearest", "rounds up")

    def test_borrowing_the_library_or_a_layer_is_noticed(self) -> None:
        def layer(x, weight, bias, stride=1, padding=(0, 0)):
            made = torch.nn.Conv2d(*weight.shape[1::-1], tuple(weight.shape[2:]), stride, padding, dtype=x.dtype)
            made.weight.data, made.bias.data = weight.detach(), bias
            return made(x)

        assert self.bank.rejection("conv2d", layer).name == "borrowed"
        assert self.bank.rejection("conv2d", lambda *inputs: convolution.conv2d(*inputs)).name == "borrowed"
        assert F.conv2d(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2)).item() == 4  # given back afterwards
