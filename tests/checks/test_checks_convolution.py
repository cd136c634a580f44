"""Chapter 2's checks: right answers in several styles pass, and every misconception is recognised by its name."""

from __future__ import annotations

import scipy.signal
import torch
import torch.nn.functional as F
from bank import Bank, BankTests

from course_lib.cnn import convolution

HEADS = {
    "conv_output_size": "def conv_output_size(n, kernel, stride=1, padding=0, dilation=1):",
    "conv2d": "def conv2d(x, weight, bias, stride=1, padding=(0, 0)):",
    "find_the_mistake": "def find_the_mistake(conv):",
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


WRONG_SIZES = [
    ("rounds up", size_rounded_up),
    ("not whole", lambda *sizes: float(count_starts(*sizes))),
    ("first position missing", lambda n, k, s=1, p=0, d=1: len(range(s, n + 2 * p - d * (k - 1), s))),
    ("stride divides the input", lambda n, k, s=1, p=0, d=1: int(n / s)),
    ("borrowed", lambda *sizes: convolution.output_size(*sizes)),
    ("type", lambda n, k, s=1, p=0, d=1: None),
    ("type", lambda *sizes: torch.tensor(count_starts(*sizes))),
    ("wrong", lambda n, k, s=1, p=0, d=1: 3),
]


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
    x = F.pad(x, wrong.get("pad", (pw, pw, ph, ph)))
    Ho, Wo = (x.shape[2] - kh) // stride + 1, (x.shape[3] - kw) // stride + 1
    y = torch.zeros(N, O, Ho, Wo, dtype=wrong.get("dtype", x.dtype))
    for n in range(N):
        for o in range(O):
            for i in range(Ho):
                for j in range(Wo):
                    total = 0
                    for c in range(C):
                        top, left = i * wrong.get("starts", stride), j * wrong.get("starts", stride)
                        window = x[n, c, top : top + kh, left : left + kw]
                        kernel = weight[o, c]
                        if wrong.get("flip"):
                            kernel = torch.flip(kernel, (0, 1))
                        term = (window * kernel + wrong.get("inside", 0) * bias[o]).sum()
                        total = term if wrong.get("overwrite") else total + term
                    y[n, o, i, j] = total + wrong.get("bias_times", 1) * bias[o]
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


def layer(x, weight, bias, stride=1, padding=(0, 0)):
    made = torch.nn.Conv2d(*weight.shape[1::-1], tuple(weight.shape[2:]), stride, padding, dtype=x.dtype)
    made.weight.data, made.bias.data = weight.detach(), bias.detach()
    return made(x)


def by_scipy(x, weight, bias, stride=1, padding=(0, 0)):
    x, weight = F.pad(x, (padding[1], padding[1], padding[0], padding[0])).detach().numpy(), weight.detach().numpy()
    maps = [[sum(map(scipy.signal.correlate2d, image, kernel, ["valid"] * 9)) for kernel in weight] for image in x]
    return torch.tensor(maps)[:, :, ::stride, ::stride] + bias[:, None, None]


WRONG_CONV2D = [
    ("flipped kernel", broken(flip=True)),
    ("last channel", broken(overwrite=True)),
    ("padding swapped", lambda x, w, b, s=1, p=(0, 0): by_seven_loops(x, w, b, s, p, pad=(p[0], p[0], p[1], p[1]))),
    ("windows from i", broken(starts=1)),
    ("bias per product", broken(bias_times=0, inside=1)),
    ("bias along the width", lambda x, w, b, s=1, p=(0, 0): by_unfold(x, w, 0 * b, s, p) + b),
    ("rows and columns mixed", swapped_loops),
    ("dtype", broken(dtype=torch.float32)),
    ("dtype", broken(dtype=torch.float64)),
    ("float32", lambda x, w, b, s=1, p=(0, 0): by_unfold(x.float(), w.float(), b.float(), s, p).to(x.dtype)),
    ("no gradient", lambda x, w, b, s=1, p=(0, 0): torch.tensor(by_unfold(x, w, b, s, p).tolist(), dtype=x.dtype)),
    ("no gradient", lambda x, w, b, s=1, p=(0, 0): by_unfold(x, w, b.detach(), s, p)),
    ("wrong gradient", lambda x, w, b, s=1, p=(0, 0): by_unfold(x, w, b / 2 + b.detach() / 2, s, p)),
    ("changes its input", in_place),
    ("borrowed", lambda x, w, b, s=1, p=(0, 0): F.conv2d(x, w, b, stride=s, padding=p)),
    ("borrowed", lambda *inputs: convolution.conv2d(*inputs)),
    ("borrowed", layer),
    ("borrowed", by_scipy),
    ("shape", lambda x, w, b, s=1, p=(0, 0): by_unfold(x, w, b, s, p)[..., :-1, :-1]),
    ("type", lambda x, w, b, s=1, p=(0, 0): by_unfold(x, w, b, s, p).tolist()),
    ("wrong", lambda x, w, b, s=1, p=(0, 0): torch.zeros_like(by_unfold(x, w, b, s, p))),
]


# ---------------------------------------------------------------------------------------------------------------------
# find_the_mistake
# ---------------------------------------------------------------------------------------------------------------------


def by_one_bright_pixel(conv):
    """With one bright pixel in the middle the output is the kernel, turned by half a turn: 9, 8, 7 in the first row."""
    x = torch.zeros(1, 2, 5, 5)
    x[0, :, 2, 2] = torch.tensor([1.0, 100])
    y = conv(x, torch.arange(1.0, 10).view(1, 1, 3, 3).repeat(1, 2, 1, 1))
    return {808: "right", 202: "flipped", 606: "swapped", 8: "one channel"}.get(round(y[0, 0, 0, 1].item()), "averaged")


def by_random_numbers(conv):
    x, weight = torch.randn(2, 3, 6, 7), torch.randn(4, 3, 3, 3)
    guesses = {
        "averaged": F.conv2d(x, weight) / 27,
        "one channel": F.conv2d(x[:, :1], weight[:, :1]),
        "swapped": F.conv2d(x, weight.transpose(2, 3)),
        "flipped": F.conv2d(x, weight.flip(2, 3)),
        "right": F.conv2d(x, weight),
    }
    (found,) = [name for name, guess in guesses.items() if torch.allclose(conv(x, weight), guess, atol=1e-5)]
    return found


BY_HAND = """
x = torch.zeros(1, 2, 3, 3, dtype=torch.float64)
x[0, 0, 0, 1], x[0, 1, 2, 2] = 1, 10
weight = torch.arange(1.0, 19, dtype=torch.float64).view(1, 2, 3, 3)
y = conv(x, weight).item()
return {2 + 180: "right", 8 + 100: "flipped", 4 + 180: "swapped", 2: "one channel"}.get(y, "averaged")
"""


def judged(conv, x, weight, order=("right", "flipped", "swapped", "one channel", "averaged")):
    """A beginner's verdict: the first suspect that the probe cannot tell from `conv`."""
    guesses = {
        "right": lambda: F.conv2d(x, weight),
        "flipped": lambda: F.conv2d(x, torch.flip(weight, (2, 3))),
        "swapped": lambda: F.conv2d(x, weight.permute(0, 1, 3, 2)),
        "one channel": lambda: F.conv2d(x[:, :1], weight[:, :1]),
        "averaged": lambda: F.conv2d(x, weight) / weight[0].numel(),
    }
    return next(name for name in order if torch.allclose(conv(x, weight), guesses[name](), atol=1e-5))


SOBEL = torch.tensor([[-1.0, 0, 1], [-2, 0, 2], [-1, 0, 1]])
WRONG_VERDICTS = [
    ("turns unseen", lambda conv: judged(conv, torch.randn(1, 2, 5, 5), torch.ones(1, 2, 3, 3))),
    ("turns unseen", lambda conv: judged(conv, torch.ones(1, 2, 5, 5), torch.randn(1, 2, 3, 3))),
    ("channels unseen", lambda conv: judged(conv, torch.randn(1, 1, 5, 5), SOBEL[None, None] + torch.randn(3, 3))),
    ("channels and turns unseen", lambda conv: judged(conv, torch.randn(1, 1, 5, 5), torch.ones(1, 1, 3, 3))),
    (
        "false alarm",
        lambda conv: judged(
            conv,
            torch.randn(1, 1, 5, 5),
            torch.randn(2, 1, 3, 3),
            order=("one channel", "right", "flipped", "swapped", "averaged"),
        ),
    ),
    ("no verdict", lambda conv: by_random_numbers(conv) == "right"),
    ("no verdict", lambda conv: by_random_numbers(conv).upper()),
    ("no verdict", lambda conv: None),
    ("sets the seed", lambda conv: torch.manual_seed(0) and by_random_numbers(conv)),
    ("wrong", lambda conv: {"averaged": "one channel"}.get(by_random_numbers(conv), by_random_numbers(conv))),
]


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
    for n in range(N):
        if wrong.get("restart"):
            grad_weight = torch.zeros_like(weight)
        for o in range(O):
            for i in range(g.shape[2]):
                for j in range(g.shape[3]):
                    here = g[n, o, i, j]
                    if wrong.get("overwrite"):
                        grad_weight[o] = 0
                    grad_weight[o] += here * x[n, :, i * stride : i * stride + kh, j * stride : j * stride + kw]
                    stamp = weight[o].flip(1, 2) if wrong.get("flip") else weight[o]
                    spot = grad_x[n, :, i * stride : i * stride + kh, j * stride : j * stride + kw]
                    spot += here * stamp
    return grad_x, grad_weight, g.sum((0, 2, 3))


def overwriting(g, x, weight, stride=1):
    grad_x, grad_weight, grad_bias = backward_by_matrices(g, x, weight, stride)
    kh, kw = weight.shape[2:]
    grad_x = torch.zeros_like(grad_x)
    for i in range(g.shape[2]):
        for j in range(g.shape[3]):
            stamp = torch.tensordot(g[:, :, i, j], weight, dims=1)
            grad_x[:, :, i * stride : i * stride + kh, j * stride : j * stride + kw] = stamp
    return grad_x, grad_weight, grad_bias


def by_autograd(g, x, weight, stride=1):
    x, weight = x.clone().requires_grad_(), weight.clone().requires_grad_()
    bias = torch.zeros(len(weight), dtype=x.dtype, requires_grad=True)
    return torch.autograd.grad(F.conv2d(x, weight, bias, stride), (x, weight, bias), g)


def uses_x_as_scratch(g, x, weight, stride=1):
    right = backward_by_matrices(g, x, weight, stride)
    x.zero_()
    return right


def by_vjp(g, x, weight, stride=1):
    bias = torch.zeros(len(weight), dtype=x.dtype)
    return torch.func.vjp(lambda *inputs: F.conv2d(*inputs, stride), x, weight, bias)[1](g)


def by_torch_nn_grad(g, x, weight, stride=1):
    grad_x = torch.nn.grad.conv2d_input(x.shape, weight, g, stride)
    return grad_x, torch.nn.grad.conv2d_weight(x, weight.shape, g, stride), g.sum((0, 2, 3))


WRONG_BACKWARD = [
    ("input gradient without the flip", lambda *inputs: backward_by_loops(*inputs, flip=True)),
    ("stamps overwrite", overwriting),
    ("last image only", lambda *inputs: backward_by_loops(*inputs, restart=True)),
    ("last window of the last image", lambda *inputs: backward_by_loops(*inputs, overwrite=True)),
    ("order", lambda *inputs: [backward_by_matrices(*inputs)[i] for i in (1, 0, 2)]),
    ("not three", lambda *inputs: backward_by_matrices(*inputs)[:2]),
    ("borrowed", by_autograd),
    ("borrowed", by_vjp),
    ("borrowed", by_torch_nn_grad),
    ("borrowed", lambda *inputs: convolution.conv2d_backward(*inputs)),
    ("changes its input", uses_x_as_scratch),
    (
        "float32",
        lambda g, x, w, s=1: [part.double() for part in backward_by_matrices(g.float(), x.float(), w.float(), s)],
    ),
    ("shape", lambda *inputs: (*backward_by_matrices(*inputs)[:2], backward_by_matrices(*inputs)[2][:, None, None])),
    ("wrong", lambda *inputs: (backward_by_matrices(*inputs)[0] + 1, *backward_by_matrices(*inputs)[1:])),
]


# ---------------------------------------------------------------------------------------------------------------------

RIGHT = {
    "conv_output_size": [count_starts, ask_torch, floor_of_true_division],
    "conv2d": [by_unfold, by_kernel_places, by_seven_loops],
    "find_the_mistake": [by_one_bright_pixel, by_random_numbers, BY_HAND],
    "conv2d_backward": [backward_by_matrices, backward_by_transposed_convolution, backward_by_loops],
}
WRONG = {
    "conv_output_size": WRONG_SIZES,
    "conv2d": WRONG_CONV2D,
    "find_the_mistake": WRONG_VERDICTS,
    "conv2d_backward": WRONG_BACKWARD,
}


class TestBank(BankTests):
    bank = Bank(
        "02_convolution",
        HEADS,
        RIGHT,
        [(name, mistake, answer) for name, answers in WRONG.items() for mistake, answer in answers],
    )

    def test_rounding_to_the_nearest_has_its_own_name(self) -> None:
        assert self.bank.rejection("conv_output_size", size_rounded).name in ("rounds to nearest", "rounds up")
