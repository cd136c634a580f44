"""Chapter 3's exercises: the solutions pass, and each misconception is rejected under its own name."""

from __future__ import annotations

import torch
from bank import Bank, BankTests, changed

from course_lib.cnn import pooling

# Programs a learner would write. Each is a body; the signature comes from HEADS.

HEADS = {
    "max_pool2d": "def max_pool2d(x, kernel_size, stride, padding):",
    "receptive_field": "def receptive_field(layers, place):",
    "max_pool2d_backward": "def max_pool2d_backward(grad_out, x, kernel_size, stride, padding, dilation):",
    "false_stripes": "def false_stripes(repeats, pixels, stride):",
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
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = kernel_size, stride, padding, dilation
    H, W = x.shape[2:]
    x = F.pad(x, (pw, pw, ph, ph), value=float("-inf"))
    grad_x = torch.zeros_like(x)
    high, wide = (kh - 1) * dh + 1, (kw - 1) * dw + 1
    for n, c, i, j in np.ndindex(*grad_out.shape):
        window = x[n, c, i * sh : i * sh + high : dh, j * sw : j * sw + wide : dw]
        first = int(window.flatten().argmax())
        grad_x[n, c, i * sh + first // kw * dh, j * sw + first % kw * dw] += grad_out[n, c, i, j]
    return grad_x[:, :, ph : ph + H, pw : pw + W]
"""
MASKED = """
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = kernel_size, stride, padding, dilation
    H, W = x.shape[2:]
    x = F.pad(x, (pw, pw, ph, ph), value=float("-inf"))
    grad_x = torch.zeros_like(x)
    for n, c, i, j in np.ndindex(*grad_out.shape):
        rows = slice(i * sh, i * sh + (kh - 1) * dh + 1, dh)
        place = (n, c, rows, slice(j * sw, j * sw + (kw - 1) * dw + 1, dw))
        mask = (x[place] == x[place].max()).double()
        grad_x[place] += grad_out[n, c, i, j] * mask
    return grad_x[:, :, ph : ph + H, pw : pw + W]
"""
PASTED = """
    (kh, kw), (sh, sw), (ph, pw) = kernel_size, stride, padding
    H, W = x.shape[2:]
    x = F.pad(x, (pw, pw, ph, ph), value=float("-inf"))
    grad_x = torch.zeros_like(x)
    for n, c, i, j in np.ndindex(*grad_out.shape):
        window = x[n, c, i * sh : i * sh + kh, j * sw : j * sw + kw]
        first = int(window.flatten().argmax())
        grad_x[n, c, i * sh + first // kw, j * sw + first % kw] += grad_out[n, c, i, j]
    return grad_x[:, :, ph : ph + H, pw : pw + W]
"""


STACK = """
    r, j, start = 1, 1, 0
    for k, s, p, d in layers:
        start -= p * j
        r += (k - 1) * d * j
        j *= s
    first = start + place * j
    return first, first + r - 1
"""

RIGHT = {
    "max_pool2d": [UNFOLDED, NESTED],
    "receptive_field": [
        STACK,
        # one place at a time
        """
    if not layers:
        return place, place
    *before, (kernel, stride, padding, dilation) = layers
    begin = place * stride - padding
    return receptive_field(before, begin)[0], receptive_field(before, begin + (kernel - 1) * dilation)[1]
""",
    ],
    "max_pool2d_backward": [
        BACK,
        """
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = kernel_size, stride, padding, dilation
    N, C, H, W = x.shape
    grad_x = torch.zeros_like(x)
    for n, c, i, j in np.ndindex(*grad_out.shape):
        best, place = -float("inf"), None
        for a in range(kh):
            for b in range(kw):
                row, column = i * sh - ph + a * dh, j * sw - pw + b * dw
                if 0 <= row < H and 0 <= column < W and x[n, c, row, column] > best:
                    best, place = x[n, c, row, column], (n, c, row, column)
        grad_x[place] += grad_out[n, c, i, j]
    return grad_x
""",
        """
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = kernel_size, stride, padding, dilation
    N, C = x.shape[:2]
    x = F.pad(x, (pw, pw, ph, ph), value=float("-inf"))
    H, W = x.shape[2:]
    view = x.unfold(2, (kh - 1) * dh + 1, sh).unfold(3, (kw - 1) * dw + 1, sw)[..., ::dh, ::dw].flatten(-2)
    place = view.max(dim=-1).indices
    rows = torch.arange(place.shape[2]).view(-1, 1) * sh + place // kw * dh
    columns = torch.arange(place.shape[3]) * sw + place % kw * dw
    flat = torch.zeros(N, C, H * W, dtype=x.dtype)
    flat = flat.scatter_add(2, (rows * W + columns).flatten(2), grad_out.flatten(2)).view(N, C, H, W)
    return flat[:, :, ph : H - ph, pw : W - pw]
""",
    ],
    "false_stripes": [
        """
    kept = pixels // stride
    while repeats > kept / 2:
        repeats = abs(repeats - kept)
    return repeats
""",
        # measured
        """
    places = np.arange(0, pixels, stride)
    return int(np.abs(np.fft.rfft(np.cos(2 * np.pi * repeats * places / pixels))).argmax())
""",
        """
    f = (repeats * stride / pixels + 0.5) % 1 - 0.5
    return round(abs(f) * pixels / stride)
""",
    ],
}

SCATTERED = """
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = kernel_size, stride, padding, dilation
    N, C = x.shape[:2]
    x = F.pad(x, (pw, pw, ph, ph), value=float("-inf"))
    H, W = x.shape[2:]
    view = x.unfold(2, (kh - 1) * dh + 1, sh).unfold(3, (kw - 1) * dw + 1, sw)[..., ::dh, ::dw].flatten(-2)
    place = view.max(dim=-1).indices
    rows = torch.arange(place.shape[2]).view(-1, 1) * sh + place // kw * dh
    columns = torch.arange(place.shape[3]) * sw + place % kw * dw
    where = torch.arange(N * C).view(N, C, 1, 1) * H * W + rows * W + columns
    flat = torch.zeros(N * C * H * W, dtype=x.dtype)
    flat[where.flatten()] += grad_out.flatten()
    return flat.view(N, C, H, W)[:, :, ph : H - ph, pw : W - pw]
"""


WHOLE_WIDTH = """
    (kh, kw), (sh, sw), (ph, pw), (dh, dw) = kernel_size, stride, padding, dilation
    grad_x = torch.zeros_like(x)
    H, W = x.shape[2:]
    for n, c, i, j in np.ndindex(*grad_out.shape):
        rows = [row for row in range(i * sh - ph, i * sh - ph + kh * dh, dh) if 0 <= row < H]
        columns = [column for column in range(j * sw - pw, j * sw - pw + kw * dw, dw) if 0 <= column < W]
        first = int(x[n, c][rows][:, columns].flatten().argmax())
        grad_x[n, c, rows[first // kw], columns[first % kw]] += grad_out[n, c, i, j]
    return grad_x
"""


def by_vjp(grad_out, x, kernel_size, stride, padding, dilation):
    def pool(x):
        (kh, kw), (sh, sw), (ph, pw), (dh, dw) = kernel_size, stride, padding, dilation
        x = torch.nn.functional.pad(x, (pw, pw, ph, ph), value=float("-inf"))
        view = x.unfold(2, (kh - 1) * dh + 1, sh).unfold(3, (kw - 1) * dw + 1, sw)
        return view[..., ::dh, ::dw].amax(dim=(-2, -1))

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
    ("receptive_field", "own stride first", changed(STACK, "d * j", "d * j * s")),
    ("receptive_field", "dilation ignored", changed(STACK, "(k - 1) * d", "(k - 1)")),
    ("receptive_field", "dilation of the kernel", changed(STACK, "(k - 1) * d", "(k * d - 1)")),
    ("receptive_field", "padding not in pixels", changed(STACK, "p * j", "p")),
    ("receptive_field", "padding to the right", changed(STACK, "start -=", "start +=")),
    ("receptive_field", "place not in pixels", changed(STACK, "place * j", "place")),
    ("receptive_field", "one past the end", changed(STACK, "r - 1", "r")),
    ("receptive_field", "size for last", changed(STACK, "first + r - 1", "r")),
    ("receptive_field", "only the size", changed(STACK, "return first, first + r - 1", "return r")),
    (
        "receptive_field",
        "centred",
        changed(STACK, "return first, first + r - 1", "return place * j - r // 2, place * j + r // 2"),
    ),
    ("receptive_field", "only the size", "return 5"),
    ("receptive_field", "clipped", changed(STACK, "return first,", "return max(first, 0),")),
    ("receptive_field", "last layer first", changed(STACK, "in layers", "in layers[::-1]")),
    ("receptive_field", "not whole", changed(STACK, "place * j", "place * j / 1")),
    (
        "receptive_field",
        "overflows",
        changed(
            STACK, "first, first + r - 1", "tuple(int(p) for p in np.array([first, first + r - 1]).astype(np.int32))"
        ),
    ),
    ("receptive_field", "type", changed(STACK, "return first,", "return j, first,")),
    ("receptive_field", "type", changed(STACK, "return first,", "return torch.tensor(first),")),
    ("receptive_field", "type", changed(STACK, "return first,", "print(first),")),
    ("receptive_field", "wrong", "return 26, 27"),
    ("receptive_field", "changes its input", changed(STACK, "in layers:", "in [layers.pop(0) for _ in list(layers)]:")),
    ("receptive_field", "borrowed", "return 0, pooling.receptive_field(layers)[0]"),
    ("max_pool2d_backward", "dilation ignored", PASTED),
    ("max_pool2d_backward", "stops at the padding", changed(BACK, "(pw, pw, ph, ph)", "(0, 0, 0, 0)")),
    ("max_pool2d_backward", "dilation forgotten", changed(BACK, "kw * dh", "kw", "kw * dw", "kw")),
    ("max_pool2d_backward", "zeros outside", changed(BACK, ', value=float("-inf")', "")),
    ("max_pool2d_backward", "padding wins", changed(BACK, 'float("-inf")', "-1e9")),
    ("max_pool2d_backward", "not cropped", changed(BACK, "[:, :, ph : ph + H, pw : pw + W]", "")),
    ("max_pool2d_backward", "cropped on one side", changed(BACK, "ph : ph + H, pw : pw + W", ":H, :W")),
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
    ("max_pool2d_backward", "shape", changed(BACK, "pw : pw + W]", "pw : pw + W][0]")),
    ("max_pool2d_backward", "changes its input", "\n    grad_out.mul_(1.5)" + BACK),
    ("max_pool2d_backward", "borrowed", by_vjp),
    ("max_pool2d_backward", "stops at the padding", WHOLE_WIDTH),
    (
        "max_pool2d_backward",
        "borrowed",
        """
    indices = pooling.max_pool2d(x, kernel_size, stride)[1]
    return pooling.max_pool2d_backward(grad_out, indices, x.shape[2:])
""",
    ),
    ("false_stripes", "nothing false", "return repeats"),
    ("false_stripes", "fewer by the stride", "return int(repeats / stride)"),
    (
        "false_stripes",
        "too fine disappears",
        """
    if repeats > pixels / (2 * stride):
        return 0
    return repeats
""",
    ),
    (
        "false_stripes",
        "mirrored once",
        """
    kept = pixels // stride
    return repeats if repeats <= kept / 2 else abs(kept - repeats)
""",
    ),
    (
        "false_stripes",
        "below zero",
        """
    kept = pixels // stride
    return repeats if repeats <= kept / 2 else kept - repeats
""",
    ),
    ("false_stripes", "not mirrored", "return repeats - (repeats * stride // pixels) * (pixels // stride)"),
    ("false_stripes", "not whole", "return abs((repeats * stride / pixels + 0.5) % 1 - 0.5) * pixels / stride"),
    ("false_stripes", "type", "return str(repeats)"),
]


class TestBank(BankTests):
    bank = Bank("03_pooling", HEADS, RIGHT, WRONG, space={"pooling": pooling}, longest=300)
