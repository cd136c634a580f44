"""Chapter 3's exercises: the solutions pass, and each misconception is rejected under its own name."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from bank import Bank, BankTests, changed

from course_lib import checks
from course_lib.checks.core import WrongAnswer

# Programs a learner would write. Each is a body; the signature comes from HEADS.

HEADS = {
    "max_pool2d": "def max_pool2d(x, kernel_size, stride, padding):",
    "receptive_field": "def receptive_field(layers):",
    "max_pool2d_backward": "def max_pool2d_backward(grad_out, x, kernel_size, stride):",
}

LOOPS = """
    (kh, kw), (sh, sw), (ph, pw) = kernel_size, stride, padding
    x = F.pad(x, (pw, pw, ph, ph), value=float("-inf"))
    N, C, H, W = x.shape
    out = x.new_empty(N, C, (H - kh) // sh + 1, (W - kw) // sw + 1)
    for i in range(out.shape[2]):
        for j in range(out.shape[3]):
            window = x[:, :, i * sh : i * sh + kh, j * sw : j * sw + kw]
            out[:, :, i, j] = window.amax(dim=(2, 3))
    return out
"""
UNFOLDED = """
    (ph, pw), (kh, kw), (sh, sw) = padding, kernel_size, stride
    padded = F.pad(x, (pw, pw, ph, ph), value=float("-inf"))
    return padded.unfold(2, kh, sh).unfold(3, kw, sw).amax(dim=(-2, -1))
"""
NESTED = """
    (kh, kw), (sh, sw), (ph, pw) = kernel_size, stride, padding
    N, C, H, W = x.shape
    rows = []
    for top in range(-ph, H + ph - kh + 1, sh):
        row = []
        for left in range(-pw, W + pw - kw + 1, sw):
            part = x[:, :, max(top, 0) : max(top + kh, 0), max(left, 0) : max(left + kw, 0)]
            row.append(part.flatten(2).max(dim=2).values)
        rows.append(torch.stack(row, dim=-1))
    return torch.stack(rows, dim=-2)
"""
BACK = """
    (kh, kw), (sh, sw) = kernel_size, stride
    grad_x = torch.zeros_like(x)
    for n, c, i, j in np.ndindex(*grad_out.shape):
        window = x[n, c, i * sh : i * sh + kh, j * sw : j * sw + kw]
        first = int(window.flatten().argmax())
        grad_x[n, c, i * sh + first // kw, j * sw + first % kw] += grad_out[n, c, i, j]
    return grad_x
"""
MASKED = """
    (kh, kw), (sh, sw) = kernel_size, stride
    grad_x = torch.zeros_like(x)
    for n, c, i, j in np.ndindex(*grad_out.shape):
        place = (n, c, slice(i * sh, i * sh + kh), slice(j * sw, j * sw + kw))
        mask = (x[place] == x[place].max()).double()
        grad_x[place] += grad_out[n, c, i, j] * mask
    return grad_x
"""


RIGHT = {
    "max_pool2d": [UNFOLDED, NESTED],
    "receptive_field": [
        # from the end: how many numbers of the layer before
        """
    size = 1
    for kernel, stride in reversed(layers):
        size = size * stride + kernel - stride
    return size
""",
        """
    if not layers:
        return 1
    *before, (kernel, stride) = layers
    return receptive_field(before) + (kernel - 1) * int(np.prod([s for _, s in before]))
""",
    ],
    "max_pool2d_backward": [
        """
    (kh, kw), (sh, sw) = kernel_size, stride
    grad_x = torch.zeros_like(x)
    for n, c, i, j in np.ndindex(*grad_out.shape):
        best, place = -float("inf"), None
        for a in range(i * sh, i * sh + kh):
            for b in range(j * sw, j * sw + kw):
                if x[n, c, a, b] > best:
                    best, place = x[n, c, a, b], (n, c, a, b)
        grad_x[place] += grad_out[n, c, i, j]
    return grad_x
""",
        """
    N, C, H, W = x.shape
    (kh, kw), (sh, sw) = kernel_size, stride
    view = x.unfold(2, kh, sh).unfold(3, kw, sw).flatten(-2)
    place = view.max(dim=-1).indices
    Ho, Wo = place.shape[2:]
    rows = torch.arange(Ho).view(-1, 1) * sh + place // kw
    columns = torch.arange(Wo) * sw + place % kw
    flat = torch.zeros(N, C, H * W, dtype=x.dtype)
    return flat.scatter_add(2, (rows * W + columns).flatten(2), grad_out.flatten(2)).view(N, C, H, W)
""",
    ],
}

WRONG = [
    ("max_pool2d", "average", changed(LOOPS, "amax", "mean", 'float("-inf")', "0.0")),
    ("max_pool2d", "minimum", changed(LOOPS, "amax", "amin", 'float("-inf")', 'float("inf")')),
    ("max_pool2d", "window swapped", changed(LOOPS, "(kh, kw), (sh, sw)", "(kw, kh), (sh, sw)")),
    ("max_pool2d", "stride swapped", changed(LOOPS, "(kh, kw), (sh, sw)", "(kh, kw), (sw, sh)")),
    ("max_pool2d", "window and stride swapped", changed(LOOPS, "(kh, kw), (sh, sw)", "(kw, kh), (sw, sh)")),
    ("max_pool2d", "stride is 1", changed(LOOPS, "N, C, H, W", "sh = sw = 1\n    N, C, H, W")),
    ("max_pool2d", "stride is the window", changed(LOOPS, "N, C, H, W", "sh, sw = kh, kw\n    N, C, H, W")),
    (
        "max_pool2d",
        "over channels",
        changed(UNFOLDED, "(-2, -1))", "(1, -2, -1))[:, None]"),
    ),
    ("max_pool2d", "over channels, axis lost", changed(UNFOLDED, "(-2, -1)", "(1, -2, -1)")),
    (
        "max_pool2d",
        "over channels, repeated",
        changed(LOOPS, "window.amax(dim=(2, 3))", "window.amax(dim=(1, 2, 3))[:, None]"),
    ),
    ("max_pool2d", "zero padding", changed(LOOPS, 'float("-inf")', "0.0")),
    ("max_pool2d", "zero padding", changed(LOOPS, ', value=float("-inf")', "")),
    ("max_pool2d", "padding ignored", changed(LOOPS, "(pw, pw, ph, ph)", "(0, 0, 0, 0)")),
    ("max_pool2d", "padding swapped", changed(LOOPS, "(pw, pw, ph, ph)", "(ph, ph, pw, pw)")),
    ("max_pool2d", "padding on one side", changed(LOOPS, "(pw, pw, ph, ph)", "(pw, 0, ph, 0)")),
    (
        "max_pool2d",
        "partial windows",
        changed(LOOPS, "(H - kh) // sh + 1", "-(-(H - kh) // sh) + 1", "(W - kw) // sw + 1", "-(-(W - kw) // sw) + 1"),
    ),
    (
        "max_pool2d",
        "dtype",
        changed(LOOPS, "x.new_empty(", "torch.zeros(").replace("1)\n    for", "1, dtype=torch.float64)\n    for"),
    ),
    ("max_pool2d", "dtype", changed(LOOPS, "return out", "return out.float()")),
    ("max_pool2d", "no gradient", changed(LOOPS, "= window", "= window.detach()")),
    ("max_pool2d", "changes its input", "\n    x -= 1\n" + LOOPS + "\n"),
    ("max_pool2d", "type", "\n    return F.max_pool2d(x, kernel_size, stride, padding, return_indices=True)\n"),
    ("receptive_field", "sum of kernels", "\n    return sum(k for k, s in layers)\n"),
    ("receptive_field", "product of kernels", "\n    return int(np.prod([k for k, s in layers]))\n"),
    ("receptive_field", "strides ignored", "\n    return 1 + sum(k - 1 for k, s in layers)\n"),
    (
        "receptive_field",
        "own stride first",
        "\n    r = j = 1\n    for k, s in layers:\n        j *= s\n        r += (k - 1) * j\n    return r\n",
    ),
    (
        "receptive_field",
        "minus one forgotten",
        "\n    r = j = 1\n    for k, s in layers:\n        r += k * j\n        j *= s\n    return r\n",
    ),
    (
        "receptive_field",
        "starts at zero",
        "\n    r, j = 0, 1\n    for k, s in layers:\n        r += (k - 1) * j\n        j *= s\n    return r\n",
    ),
    (
        "receptive_field",
        "only the last stride",
        "\n    r = j = 1\n    for k, s in layers:\n        r += (k - 1) * j\n        j = s\n    return r\n",
    ),
    (
        "receptive_field",
        "last layer first",
        "\n    r = j = 1\n    for k, s in layers[::-1]:\n        r += (k - 1) * j\n        j *= s\n    return r\n",
    ),
    ("receptive_field", "jump", "\n    return int(np.prod([s for k, s in layers]))\n"),
    (
        "receptive_field",
        "area",
        "\n    r = j = 1\n    for k, s in layers:\n        r += (k - 1) * j\n        j *= s\n    return r * r\n",
    ),
    ("receptive_field", "type", "\n    return 26, 4\n"),
    ("receptive_field", "type", "\n    print(26)\n"),
    ("receptive_field", "wrong", "\n    return 26\n"),
    (
        "receptive_field",
        "changes its input",
        "\n    r = j = 1\n    while layers:\n        k, s = layers.pop(0)\n"
        "        r, j = r + (k - 1) * j, j * s\n    return r\n",
    ),
    ("max_pool2d_backward", "all ties", MASKED),
    (
        "max_pool2d_backward",
        "all ties",
        changed(
            MASKED,
            "+=",
            "=",
            "grad_out[n, c, i, j] * mask",
            "torch.where(mask > 0, grad_out[n, c, i, j], grad_x[place])",
        ),
    ),
    ("max_pool2d_backward", "ties share", changed(MASKED, ".double()", ".double(); mask /= mask.sum()")),
    (
        "max_pool2d_backward",
        "last wins",
        changed(BACK, "window.flatten().argmax()", "kh * kw - 1 - window.flatten().flip(0).argmax()"),
    ),
    ("max_pool2d_backward", "spread evenly", changed(MASKED, "* mask", "/ (kh * kw)")),
    ("max_pool2d_backward", "whole window", changed(MASKED, "* mask", "")),
    ("max_pool2d_backward", "overwritten", changed(BACK, "+=", "=")),
    ("max_pool2d_backward", "arriving gradient ignored", changed(BACK, "grad_out[n, c, i, j]", "1")),
    ("max_pool2d_backward", "divided", changed(BACK, "grad_out[n, c, i, j]", "grad_out[n, c, i, j] / (kh * kw)")),
    (
        "max_pool2d_backward",
        "times the maximum",
        changed(BACK, "grad_out[n, c, i, j]", "grad_out[n, c, i, j] * window.max()"),
    ),
    ("max_pool2d_backward", "upper left", changed(BACK, "int(window.flatten().argmax())", "0")),
    ("max_pool2d_backward", "smallest wins", changed(BACK, "argmax", "argmin")),
    ("max_pool2d_backward", "shape", changed(BACK, "return grad_x", "return grad_x[0]")),
    ("max_pool2d_backward", "changes its input", changed(BACK, "= torch.zeros_like(x)", "= x.mul_(0)")),
]


class TestBank(BankTests):
    bank = Bank("03_pooling", HEADS, RIGHT, WRONG, longest=240)


def test_max_pool2d_diagnoses_even_where_an_image_is_all_negative() -> None:
    """Zeros outside are invisible on positive images: the cases must hold negative ones."""
    wrong = TestBank.bank.program("max_pool2d", changed(LOOPS, 'float("-inf")', "0.0"))
    x = torch.rand(1, 1, 6, 6) + 1
    assert torch.equal(wrong(x, (2, 2), (2, 2), (1, 1)), F.max_pool2d(x, 2, 2, 1))
    with pytest.raises(WrongAnswer, match="minus infinity"):
        checks.max_pool2d(wrong)
