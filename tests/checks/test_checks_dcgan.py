"""Chapter 6's exercises: the solutions pass, and each misconception is rejected under its own name."""

from __future__ import annotations

import textwrap

import torch
from bank import Bank, BankTests, changed
from torch.nn import functional as F

from course_lib import training

HEADS = {
    "overlap_counts": "def overlap_counts(n, kernel, stride, padding):",
    "batch_norm": "def batch_norm(x, gamma, beta, eps):",
    "sample": "def sample(generator, noise):",
    "slerp": "def slerp(a, b, share):",
    "how_enlarged": "def how_enlarged(enlarge):",
}


COUNT = """
counts = torch.zeros((n - 1) * stride + kernel, dtype=torch.int64)
for i in range(n):
    for u in range(kernel):
        counts[i * stride + u] += 1
return counts[padding:len(counts) - padding]
"""
NORM = """
mean = x.mean(dim=(0, 2, 3), keepdim=True)
variance = ((x - mean) ** 2).mean(dim=(0, 2, 3), keepdim=True)
normal = (x - mean) / torch.sqrt(variance + eps)
return gamma[:, None, None] * normal + beta[:, None, None]
"""
DRAW = """
modes = {m: m.training for m in generator.modules()}
generator.eval()
try:
    with torch.no_grad():
        images = generator(noise)
finally:
    for m, mode in modes.items():
        m.training = mode
return images
"""
ARC = """
cos = (a * b).sum(dim=1, keepdim=True) / (a.norm(dim=1, keepdim=True) * b.norm(dim=1, keepdim=True))
w = cos.clamp(-1, 1).acos()
same = w < 1e-3
w = torch.where(same, torch.ones_like(w), w)
arc = (torch.sin((1 - share) * w) * a + torch.sin(share * w) * b) / torch.sin(w)
return torch.where(same, (1 - share) * a + share * b, arc)
"""
PROBE = """
zeros = torch.zeros(1, 1, 12, 12)
dot = zeros.clone()
dot[0, 0, 6, 6] = 1
difference = enlarge(dot) - enlarge(zeros)
rows = difference[0, 0].abs().amax(dim=1) > 1e-4
k = int(rows.sum())
if k == 4:
    even = (enlarge(zeros + 1) - enlarge(zeros))[0, 0, 6:-6, 6:-6]
    if torch.allclose(even, even[0, 0].expand_as(even), atol=1e-4):
        return "resize-convolution"
return f"kernel {k}"
"""

RIGHT = {
    "overlap_counts": [
        COUNT,
        """
        places = np.arange((n - 1) * stride + kernel)[padding:(n - 1) * stride + kernel - padding]
        return torch.tensor([sum(i * stride <= x < i * stride + kernel for i in range(n)) for x in places])
        """,
        """
        x = torch.arange((n - 1) * stride + kernel - 2 * padding) + padding
        last = (x // stride).clamp(max=n - 1)
        first = ((x - kernel) // stride + 1).clamp(min=0)
        return (last - first + 1).clamp(min=0)
        """,
        """
        starts = torch.zeros((n - 1) * stride + 1).long()
        starts[::stride] = 1
        wide = F.pad(starts, (kernel - 1, kernel - 1))
        return wide.unfold(0, kernel, 1).sum(dim=1)[padding or None : -padding or None]
        """,
    ],
    "batch_norm": [
        NORM,
        """
        var, mean = torch.var_mean(x, dim=(0, 2, 3), correction=0, keepdim=True)
        return (x - mean) * torch.rsqrt(var + eps) * gamma.reshape(1, -1, 1, 1) + beta.reshape(1, -1, 1, 1)
        """,
        """
        columns = x.transpose(0, 1).flatten(1)
        centred = columns - columns.mean(1, keepdim=True)
        scale = gamma / ((centred ** 2).mean(1) + eps) ** 0.5
        out = torch.einsum("cm,c->cm", centred, scale) + beta[:, None]
        return out.view(x.shape[1], len(x), *x.shape[2:]).transpose(0, 1)
        """,
        """
        centred = x - x.mean(dim=(0, 2, 3), keepdim=True)
        spread = torch.linalg.vector_norm(centred, dim=(0, 2, 3), keepdim=True) / (x.numel() / x.shape[1]) ** 0.5
        return gamma[:, None, None] * centred / (spread ** 2 + eps).sqrt() + beta[:, None, None]
        """,
        """
        out = []
        for c in range(x.shape[1]):
            part = x[:, c]
            out.append(gamma[c] * (part - part.mean()) / (part.var(correction=0) + eps).sqrt() + beta[c])
        return torch.stack(out, dim=1)
        """,
    ],
    "sample": [
        DRAW,
        """
        with training.evaluating(generator):
            return generator(noise)
        """,
        """
        modes = [m.training for m in generator.modules()]
        try:
            generator.train(False)
            with torch.inference_mode():
                return generator(noise)
        finally:
            for m, mode in zip(generator.modules(), modes):
                m.training = mode
        """,
        """
        on = [m for m in generator.modules() if m.training]
        before = torch.is_grad_enabled()
        torch.set_grad_enabled(False)
        for m in on:
            m.training = False
        try:
            images = generator(noise)
        finally:
            torch.set_grad_enabled(before)
            for m in on:
                m.training = True
        return images
        """,
    ],
    "slerp": [
        ARC,
        """
        w = torch.acos(F.cosine_similarity(a, b, dim=1).clamp(-1 + 1e-12, 1 - 1e-12))
        rows = []
        for x, y, angle in zip(a, b, w):
            if angle < 1e-3:
                rows.append(x + share * (y - x))
            else:
                rows.append((torch.sin((1 - share) * angle) * x + torch.sin(share * angle) * y) / torch.sin(angle))
        return torch.stack(rows)
        """,
        """
        ua, ub = F.normalize(a, dim=-1), F.normalize(b, dim=-1)
        w = torch.arccos(torch.clip(torch.einsum("nd,nd->n", ua, ub), -1, 1))[:, None]
        one, two = torch.sin((1 - share) * w) / torch.sin(w), torch.sin(share * w) / torch.sin(w)
        one = torch.where(w < 1e-3, 1 - share, one)
        two = torch.where(w < 1e-3, share, two)
        return one * a + two * b
        """,
        changed(ARC, "acos()", "acos().detach()"),  # nobody asks for gradients here
        """
        x, y = a.numpy(), b.numpy()
        cos = (x * y).sum(1) / np.linalg.norm(x, axis=1) / np.linalg.norm(y, axis=1)
        w = np.arccos(cos.clip(-1, 1))[:, None]
        with np.errstate(invalid="ignore"):
            arc = (np.sin((1 - share) * w) * x + np.sin(share * w) * y) / np.sin(w)
        return torch.from_numpy(np.where(w < 1e-3, (1 - share) * x + share * y, arc))
        """,
    ],
    "how_enlarged": [
        PROBE,
        """
        x = torch.zeros(3, 1, 20, 16, dtype=torch.float64)
        x[1, 0, 9, 8], x[2] = 1.0, 1.0
        nothing, dot, even = enlarge(x)[:, 0]
        columns = np.flatnonzero(((dot - nothing).abs() > 1e-6).any(dim=0).numpy())
        if even[10:-10, 10:-10].std() < 1e-6 and len(columns) > 3:
            return "resize-convolution"
        return {2: "kernel 2", 3: "kernel 3", 4: "kernel 4", 5: "kernel 5"}[len(columns)]
        """,
        """
        x = torch.ones(1, 1, 10, 10, dtype=torch.float64)
        even = enlarge(x)[0, 0, 8:12, 8:12]
        if even.max() - even.min() < 1e-9:
            return "resize-convolution"
        y = x.clone()
        y[..., 5, 5] += 1
        reached = (enlarge(y) - enlarge(x)).abs() > 1e-9
        return f"kernel {round(int(reached.sum()) ** 0.5)}"
        """,
    ],
}

WRONG = [
    (
        "overlap_counts",
        "stamps out of range",
        changed(COUNT, "range(kernel)", "range(stride)", "i * stride", "i * kernel"),
    ),
    ("overlap_counts", "convolution's size", "return torch.arange((n + 2 * padding - kernel) // stride + 1)"),
    ("overlap_counts", "small integers", changed(COUNT, "int64", "uint8", "padding]", "padding].long()")),
    ("overlap_counts", "small integers", changed(COUNT, "int64", "int8", "padding]", "padding].long()")),
    (
        "overlap_counts",
        "borrowed",
        """
        ones = F.conv_transpose1d(torch.ones(1, 1, n), torch.ones(1, 1, kernel), stride=stride, padding=padding)
        return ones[0, 0].long()
        """,
    ),
    ("overlap_counts", "borrowed", "return nn.ConvTranspose1d(1, 1, kernel, stride, padding)(torch.ones(1, 1, n))"),
    (
        "overlap_counts",
        "borrowed",
        """
        starts = np.zeros((n - 1) * stride + 1, dtype=int)
        starts[::stride] = 1
        whole = np.convolve(starts, np.ones(kernel, dtype=int))
        return torch.from_numpy(whole[padding:len(whole) - padding])
        """,
    ),
    (
        "overlap_counts",
        "borrowed",
        """
        size = ((n - 1) * stride + kernel, 1)
        whole = F.fold(torch.ones(1, kernel, n), size, (kernel, 1), stride=(stride, 1)).flatten()
        return whole[padding:len(whole) - padding].long()
        """,
    ),
    ("overlap_counts", "dtype", changed(COUNT, "dtype=torch.int64", "dtype=torch.float32")),
    ("overlap_counts", "type", changed(COUNT, "padding]", "padding].tolist()")),
    ("overlap_counts", "shape", "return torch.tensor([1, 2, 1])"),
    ("batch_norm", "no gradient", "with torch.no_grad():\n" + textwrap.indent(NORM.strip(), "    ")),
    ("batch_norm", "no gradient", changed(NORM, "gamma[:, None, None]", "gamma.detach()[:, None, None]")),
    ("batch_norm", "borrowed", "return F.batch_norm(x, None, None, gamma, beta, training=True, eps=eps)"),
    ("batch_norm", "borrowed", "return torch.batch_norm(x, gamma, beta, None, None, True, 0.1, eps, False)"),
    ("batch_norm", "borrowed", "return nn.BatchNorm2d(x.shape[1], eps=eps).double()(x) * gamma.view(-1, 1, 1)"),
    (
        "batch_norm",
        "borrowed",
        "return F.instance_norm(x.transpose(0, 1).flatten(1)[None], eps=eps)[0].view(x.transpose(0, 1).shape)",
    ),
    (
        "batch_norm",
        "borrowed",
        "y = x.transpose(0, 1)\nreturn F.layer_norm(y, y.shape[1:], eps=eps).transpose(0, 1) * gamma[:, None, None]",
    ),
    ("batch_norm", "changes its input", "x.data -= x.data.mean(dim=(0, 2, 3), keepdim=True)\n" + NORM.strip()),
    ("batch_norm", "shape", changed(NORM, "return ", "return 0 + ").replace("0 + gamma", "(gamma").strip() + ")[0]"),
    ("batch_norm", "wrong", changed(NORM, "return gamma", "return 0.9 * gamma")),
    ("batch_norm", "float32", "x = x.float()\n" + NORM.strip() + ".double()"),
    ("batch_norm", "gamma along the width", changed(NORM, "gamma[:, None, None] * normal", "normal * gamma")),
    ("sample", "train mode", "with torch.no_grad():\n    return generator(noise)"),
    ("sample", "train mode", changed(DRAW, "generator.eval()", "generator.training = False")),
    ("sample", "train mode", changed(DRAW, "generator.eval()", "generator.train()")),
    ("sample", "keeps the graph", changed(DRAW, "with torch.no_grad():", "if True:")),
    (
        "sample",
        "graph built for nothing",
        changed(DRAW, "with torch.no_grad():", "if True:", "return images", "return images.detach()"),
    ),
    (
        "sample",
        "gradients stay off",
        changed(DRAW, "with torch.no_grad():", "torch.set_grad_enabled(False)\n    if True:"),
    ),
    (
        "sample",
        "gradients switched on",
        changed(DRAW, "with torch.no_grad():", "torch.set_grad_enabled(False)\n    if True:").replace(
            "finally:", "finally:\n    torch.set_grad_enabled(True)"
        ),
    ),
    (
        "sample",
        "submodules forgotten",
        changed(DRAW, "{m: m.training for m in generator.modules()}", "{m: m.training for m in generator.children()}"),
    ),
    ("sample", "left in eval mode", "generator.eval()\nwith torch.no_grad():\n    return generator(noise)"),
    (
        "sample",
        "always train mode",
        "generator.eval()\nwith torch.no_grad():\n    images = generator(noise)\ngenerator.train()\nreturn images",
    ),
    (
        "sample",
        "submodules forgotten",
        """
        mode = generator.training
        generator.eval()
        try:
            with torch.no_grad():
                return generator(noise)
        finally:
            generator.train(mode)
        """,
    ),
    ("sample", "requires_grad changed", "generator.requires_grad_(False)\n" + DRAW.strip()),
    (
        "sample",
        "requires_grad changed",
        changed(DRAW, "return images", "generator.requires_grad_(True)\nreturn images"),
    ),
    (
        "sample",
        "model changed",
        changed(DRAW, "generator.eval()", "generator.layers[1].reset_running_stats()\ngenerator.eval()")
        .replace("modes =", "state = {k: v.clone() for k, v in generator.state_dict().items()}\nmodes =")
        .replace("generator.layers[1].reset_running_stats()\n", "")
        .replace("return images", "generator.layers[1].running_mean.mul_(0.9)\nreturn images"),
    ),
    (
        "sample",
        "not restored after an error",
        """
        modes = {m: m.training for m in generator.modules()}
        generator.eval()
        with torch.no_grad():
            images = generator(noise)
        for m, mode in modes.items():
            m.training = mode
        return images
        """,
    ),
    (
        "sample",
        "not restored after an error",
        changed(
            DRAW,
            "with torch.no_grad():\n        images = generator(noise)",
            "torch.set_grad_enabled(False)\n    images = generator(noise)\n    torch.set_grad_enabled(True)",
        ),
    ),
    ("sample", "error swallowed", changed(DRAW, "finally:", "except ValueError:\n    images = None\nfinally:")),
    (
        "sample",
        "error swallowed",
        "try:\n" + textwrap.indent(DRAW.strip(), "    ") + "\nexcept Exception:\n    return None",
    ),
    ("sample", "several calls", changed(DRAW, "generator(noise)", "torch.cat([generator(z[None]) for z in noise])")),
    ("sample", "not drawn", "return torch.zeros(len(noise), 6).double()"),
    ("sample", "not drawn", "import copy\nwith torch.no_grad():\n    return copy.deepcopy(generator).eval()(noise)"),
    ("sample", "nothing returned", changed(DRAW, "return images", "print(len(images))")),
    ("sample", "type", changed(DRAW, "return images", "return images.numpy()")),
    ("sample", "shape", changed(DRAW, "return images", "return images[0]")),
    ("sample", "wrong", changed(DRAW, "return images", "return images.clamp(-1, 1)")),
    ("sample", "changes its input", "noise.mul_(2)\n" + DRAW.strip()),
    (
        "slerp",
        "cosine of long vectors",
        changed(ARC, " / (a.norm(dim=1, keepdim=True) * b.norm(dim=1, keepdim=True))", ""),
    ),
    ("slerp", "cosine of long vectors", "w = (a * b).sum(1, keepdim=True).acos()\n" + ARC[ARC.index("same") :]),
    (
        "slerp",
        "cosine for the angle",
        changed(ARC, ".acos()", "", "w < 1e-3", "cos > 0.9999"),
    ),
    (
        "slerp",
        "one angle for all rows",
        changed(
            ARC,
            "(a * b).sum(dim=1, keepdim=True) / (a.norm(dim=1, keepdim=True) * b.norm(dim=1, keepdim=True))",
            "(a * b).sum() / (a.norm() * b.norm())",
        ),
    ),
    ("slerp", "straight too early", changed(ARC, "w < 1e-3", "w < 0.05")),
    ("slerp", "cosine not clamped", changed(ARC, ".clamp(-1, 1)", "")),
    ("slerp", "float32", "a, b = a.float(), b.float()\n" + ARC.strip() + ".double()"),
    ("slerp", "changes its input", "a *= 1.0 + share\n" + ARC.strip()),
    ("slerp", "shape", changed(ARC, "arc)", "arc).sum(dim=0)")),
    ("slerp", "type", changed(ARC, "arc)", "arc).tolist()")),
    ("slerp", "wrong", changed(ARC, "return ", "return 1.1 * ")),
    ("how_enlarged", "always the same", "return 'kernel 4'"),
    ("how_enlarged", "kernels confused", "return 'resize-convolution'"),
    ("how_enlarged", "no verdict", changed(PROBE, " - enlarge(zeros)\nrows", "\nrows")),  # the bias is everywhere
    ("how_enlarged", "no verdict", changed(PROBE, 'f"kernel {k}"', "k")),
    ("how_enlarged", "no verdict", changed(PROBE, "rows.sum()", "(difference.abs() > 1e-4).sum()")),
    ("how_enlarged", "stamp cut off", changed(PROBE, "6, 6] = 1", "0, 0] = 1")),
    ("how_enlarged", "resize-convolution unseen", changed(PROBE, "6:-6, 6:-6", "")),  # the border is never even
    ("how_enlarged", "always resize-convolution", changed(PROBE, "if torch.allclose", "if True or torch.allclose")),
    (
        "how_enlarged",
        "only a flat image",
        """
        even = enlarge(torch.ones(1, 1, 12, 12, dtype=torch.float64))[0, 0, 6:-6, 6:-6]
        return "resize-convolution" if even.std() < 1e-6 else "kernel 4"
        """,
    ),
    (
        "how_enlarged",
        "stamp cut off",  # and that stamps are wider is true
        """
        even = enlarge(torch.ones(1, 1, 12, 12, dtype=torch.float64))[0, 0, 6:-6, 6:-6]
        return "resize-convolution" if even.std() < 1e-6 else "kernel 3"
        """,
    ),
    ("how_enlarged", "kernels confused", changed(PROBE, 'f"kernel {k}"', 'f"kernel {max(k, 3)}"')),
]


class TestBank(BankTests):
    bank = Bank("06_dcgan", HEADS, RIGHT, WRONG, space={"training": training})

    def test_torch_is_left_as_it_was(self, name: str) -> None:
        super().test_torch_is_left_as_it_was(name)
        if name == "sample":
            before = torch.get_rng_state()
            turns_off = "torch.set_grad_enabled(False)\n" + DRAW.strip()
            self.bank.rejection(name, self.bank.program(name, turns_off))
            assert torch.equal(before, torch.get_rng_state())
            assert torch.is_grad_enabled()
        assert F.conv_transpose1d(torch.ones(1, 1, 2), torch.ones(1, 1, 2)).shape == (1, 1, 3)
        assert F.batch_norm(torch.ones(2, 1), None, None, training=True).shape == (2, 1)
