"""Chapter 3's exercises: the solutions pass, and each misconception is rejected under its own name."""

from __future__ import annotations

import torch
from bank import Bank, BankTests, changed

from course_lib.cnn import pooling

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

SCATTERED = """
    N, C, H, W = x.shape
    (kh, kw), (sh, sw) = kernel_size, stride
    place = x.unfold(2, kh, sh).unfold(3, kw, sw).flatten(-2).max(dim=-1).indices
    rows = torch.arange(place.shape[2]).view(-1, 1) * sh + place // kw
    columns = torch.arange(place.shape[3]) * sw + place % kw
    where = torch.arange(N * C).view(N, C, 1, 1) * H * W + rows * W + columns
    flat = torch.zeros(N * C * H * W, dtype=x.dtype)
    flat[where.flatten()] += grad_out.flatten()
    return flat.view(N, C, H, W)
"""
STACK = """
    r = j = 1
    for k, s in layers:
        r += (k - 1) * j
        j *= s
    return r
"""


def by_vjp(grad_out, x, kernel_size, stride):
    def pool(x):
        return x.unfold(2, kernel_size[0], stride[0]).unfold(3, kernel_size[1], stride[1]).amax(dim=(-2, -1))

    return torch.func.vjp(pool, x)[1](grad_out)[0]


WRONG = [
    ("max_pool2d", "average", changed(LOOPS, "amax", "mean", 'float("-inf")', "0.0")),
    ("max_pool2d", "zero padding", changed(LOOPS, ', value=float("-inf")', "")),
    *(("max_pool2d", "padding wins", changed(LOOPS, 'float("-inf")', f"{outside}")) for outside in (-1, -10, -1e9)),
    ("max_pool2d", "padding wins", changed(LOOPS, 'float("-inf")', "torch.finfo(torch.float32).min")),
    (
        "max_pool2d",
        "large numbers",
        changed(UNFOLDED, ".amax(dim=(-2, -1))", ".double().exp().amax(dim=(-2, -1)).log().to(x.dtype)"),
    ),
    ("max_pool2d", "over channels", changed(UNFOLDED, "(-2, -1))", "(1, -2, -1))[:, None]")),
    (
        "max_pool2d",
        "partial windows",
        changed(LOOPS, "(H - kh) // sh + 1", "-(-(H - kh) // sh) + 1", "(W - kw) // sw + 1", "-(-(W - kw) // sw) + 1"),
    ),
    ("max_pool2d", "dtype", changed(LOOPS, "(W - kw) // sw + 1)", "(W - kw) // sw + 1).double()")),
    ("max_pool2d", "dtype", changed(LOOPS, "return out", "return out.float()")),
    ("max_pool2d", "no gradient", changed(LOOPS, "= window", "= window.detach()")),
    ("max_pool2d", "wrong gradient", changed(LOOPS, "return out", "return (out + out.detach()) / 2")),
    ("max_pool2d", "changes its input", "\n    x -= 1\n" + LOOPS + "\n"),
    ("max_pool2d", "type", changed(LOOPS, "return out", "return out, out > 0")),
    ("max_pool2d", "borrowed", "return F.max_pool2d(x, kernel_size, stride, padding)"),
    ("max_pool2d", "borrowed", "return torch.ops.aten.max_pool2d_with_indices(x, kernel_size, stride, padding)[0]"),
    ("max_pool2d", "borrowed", "return pooling.max_pool2d(x, kernel_size, stride, padding)[0]"),
    ("receptive_field", "own stride first", changed(STACK, "(k - 1) * j", "(k - 1) * j * s")),
    ("receptive_field", "last layer first", changed(STACK, "in layers", "in layers[::-1]")),
    ("receptive_field", "not whole", changed(STACK, "return r", "return r / 1")),
    ("receptive_field", "overflows", changed(STACK, "return r", "return int(np.array(r).astype(np.int32))")),
    ("receptive_field", "type", changed(STACK, "return r", "return r, j")),
    ("receptive_field", "type", changed(STACK, "return r", "return torch.tensor(r)")),
    ("receptive_field", "type", changed(STACK, "return r", "print(r)")),
    ("receptive_field", "wrong", "return 26"),
    ("receptive_field", "changes its input", changed(STACK, "in layers:", "in [layers.pop(0) for _ in list(layers)]:")),
    ("receptive_field", "borrowed", "return pooling.receptive_field(layers)[0]"),
    ("max_pool2d_backward", "all ties", MASKED),
    ("max_pool2d_backward", "ties share", changed(MASKED, ".double()", ".double(); mask /= mask.sum()")),
    ("max_pool2d_backward", "overwritten", changed(BACK, "+=", "=")),
    ("max_pool2d_backward", "overwritten", SCATTERED),
    (
        "max_pool2d_backward",
        "stride forgotten",
        changed(BACK, "i * sh + first", "i + first", "j * sw + first", "j + first"),
    ),
    ("max_pool2d_backward", "offset forgotten", changed(BACK, "i * sh + first", "first", "j * sw + first", "first")),
    ("max_pool2d_backward", "stride ignored", "\n    stride = (1, 1)" + BACK),
    ("max_pool2d_backward", "compared in float32", changed(BACK, "argmax", "float().argmax")),
    (
        "max_pool2d_backward",
        "down the columns",
        changed(
            BACK, "window.flatten()", "window.mT.flatten()", "first // kw", "first % kh", "first % kw", "first // kh"
        ),
    ),
    ("max_pool2d_backward", "float32", changed(BACK, "return grad_x", "return grad_x.float().double()")),
    ("max_pool2d_backward", "shape", changed(BACK, "return grad_x", "return grad_x[0]")),
    ("max_pool2d_backward", "changes its input", changed(BACK, "= torch.zeros_like(x)", "= x.mul_(0)")),
    ("max_pool2d_backward", "borrowed", by_vjp),
    (
        "max_pool2d_backward",
        "borrowed",
        """
    indices = pooling.max_pool2d(x, kernel_size, stride)[1]
    return pooling.max_pool2d_backward(grad_out, indices, x.shape[2:])
""",
    ),
]


class TestBank(BankTests):
    bank = Bank("03_pooling", HEADS, RIGHT, WRONG, space={"pooling": pooling}, longest=300)
