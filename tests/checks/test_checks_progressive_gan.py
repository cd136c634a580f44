"""Chapter 13's exercises: the solutions pass, and each misconception is rejected under its own name."""

from __future__ import annotations

import pytest
import torch
from bank import Bank, BankTests, changed

from course_lib.checks import progressive_gan as check
from course_lib.gan import progressive_gan

HEADS = {
    "fade_in": "def fade_in(images, old, new, alpha):",
    "level_and_alpha": "def level_and_alpha(step, fades, holds):",
    "equalised_conv": "def equalised_conv(x, weight, bias, padding):",
    "pixel_norm": "def pixel_norm(x):",
    "first_move": "def first_move(gradient, zeros, rate, beta1, beta2):",
    "which_growth": "def which_growth():",
}
FADE = """
N, C, H, W = images.shape
small = images.reshape(N, C, H // 2, 2, W // 2, 2).mean(dim=(3, 5))
before, after = old(small), new(images)
return before + alpha * (after - before)
"""
LEVEL = """
starts = [sum(fades[:k]) + sum(holds[:k]) for k in range(len(fades))]
level = max(k for k, start in enumerate(starts) if step >= start)
if level == 0:
    return 0, 1.0
return level, min(1.0, (step - starts[level] + 1) / fades[level])
"""
CONV = """
o, c, k, m = weight.shape
scale = (2 / (c * k * m)) ** 0.5
return F.conv2d(x, scale * weight, bias, padding=padding)
"""
NORM = """
power = torch.mean(x * x, 1, keepdim=True)
return x * torch.rsqrt(power + 1e-8)
"""
MOVE = """
m = v = 0.0
for t in range(1, zeros + 2):
    g = gradient if t == zeros + 1 else 0.0
    m = beta1 * m + (1 - beta1) * g
    v = beta2 * v + (1 - beta2) * g**2
return -rate * (m / (1 - beta1**t)) / (v / (1 - beta2**t)) ** 0.5
"""
GROWTHS = """
return {
    "A": "zeroed gradients",
    "B": "untrained level",
    "C": "healthy",
    "D": "batch norm",
    "E": "wrong counter",
    "F": "sharp reals",
}
"""


def exchanged(one, other):
    return changed(GROWTHS, f'"{one}"', "...", f'"{other}"', f'"{one}"', "...", f'"{other}"')


RIGHT = {
    "fade_in": [
        FADE,
        "return torch.lerp(old(F.interpolate(images, scale_factor=0.5, mode='area')), new(images), alpha)",
    ],
    "level_and_alpha": [
        LEVEL,
        """
        for k in range(len(fades)):
            for over in range(fades[k] + holds[k]):
                if step == 0:
                    return [k, (over + 1) / fades[k] if over < fades[k] else 1]
                step -= 1
        return [k, 1]
        """,
    ],
    "equalised_conv": [
        CONV,
        """
        scale = math.sqrt(2) / math.sqrt(weight[0].numel())
        return F.conv2d(x * scale, weight, bias, padding=padding)
        """,
        """
        out = F.conv2d(x, weight, padding=padding) * (2 / weight[0].numel()) ** 0.5
        return out + bias[:, None, None]
        """,
    ],
    "pixel_norm": [NORM, "return x / (torch.einsum('nc...,nc...->n...', x, x)[:, None] / x.shape[1] + 1e-8).sqrt()"],
    "first_move": [
        MOVE,
        """
        t = zeros + 1
        size = (1 - beta1) / (1 - beta1**t) / math.sqrt((1 - beta2) / (1 - beta2**t))
        return -rate * math.copysign(size, gradient)
        """,
        """
        t = torch.tensor(zeros + 1.0, dtype=torch.float64)
        m = (1 - beta1) * gradient / (1 - beta1**t)
        return -rate * m / ((1 - beta2) * gradient**2 / (1 - beta2**t)).sqrt()
        """,
    ],
    "which_growth": [GROWTHS, "return dict(" + ", ".join(f"{k}={v!r}" for k, v in check.MYSTERIES.items()) + ")"],
}
WRONG = [
    (
        "fade_in",
        "alpha on the old path",
        changed(FADE, "before + alpha * (after - before)", "after + alpha * (before - after)"),
    ),
    ("fade_in", "every other pixel", changed(FADE, "small = images", "small = images[:, :, ::2, ::2]\n_ = images")),
    ("fade_in", "largest pixel", changed(FADE, ".mean(dim=(3, 5))", ".amax(dim=(3, 5))")),
    ("fade_in", "sum of the square", changed(FADE, ".mean(", ".sum(")),
    ("fade_in", "old path detached", changed(FADE, "old(small)", "old(small).data")),
    ("fade_in", "half and half", changed(FADE, "alpha *", "0.5 *")),
    ("fade_in", "shape", "return (1 - alpha) * images + alpha * images"),
    ("fade_in", "type", "return None"),
    ("fade_in", "borrowed", "return progressive_gan.mix(old(F.avg_pool2d(images, 2)), new(images), alpha)"),
    ("level_and_alpha", "starts at nought", changed(LEVEL, "[level] + 1)", "[level])")),
    (
        "level_and_alpha",
        "beyond 1",
        changed(
            LEVEL, "min(1.0, (step - starts[level] + 1) / fades[level])", "(step - starts[level] + 1) / fades[level]"
        ),
    ),
    ("level_and_alpha", "counter of the whole training", changed(LEVEL, "step - starts[level] + 1", "step + 1")),
    ("level_and_alpha", "fade and hold in one", changed(LEVEL, "/ fades[level]", "/ (fades[level] + holds[level])")),
    ("level_and_alpha", "switched", changed(LEVEL, "min(1.0, (step - starts[level] + 1) / fades[level])", "1.0")),
    ("level_and_alpha", "off by a stage", "step += holds[0]\n" + LEVEL.strip()),
    (
        "level_and_alpha",
        "past the end",
        """
        total = 0
        for level in range(len(fades)):
            for alpha in [(k + 1) / fades[level] for k in range(fades[level])] + [1.0] * holds[level]:
                if total == step:
                    answer = level, alpha
                total += 1
        return answer
        """,
    ),
    ("level_and_alpha", "type", "return 1"),
    ("equalised_conv", "not scaled", changed(CONV, "scale *", "1 *")),
    ("equalised_conv", "outputs counted", changed(CONV, "(c * k", "(o * k")),
    ("equalised_conv", "channels only", changed(CONV, "c * k * m", "c")),
    ("equalised_conv", "no root", changed(CONV, " ** 0.5", "")),
    ("equalised_conv", "gain forgotten", changed(CONV, "(2 /", "(1 /")),
    ("equalised_conv", "bias forgotten", changed(CONV, "weight, bias,", "weight, None,")),
    ("equalised_conv", "bias scaled", changed(CONV, "weight, bias,", "weight, scale * bias,")),
    ("equalised_conv", "weights detached", changed(CONV, "scale * weight", "scale * weight.data")),
    ("equalised_conv", "shape", changed(CONV, ", padding=padding", "")),
    ("equalised_conv", "borrowed", "return progressive_gan.Equalised.forward(nn.Identity(), x)"),
    ("pixel_norm", "length one", changed(NORM, "torch.mean", "torch.sum")),
    ("pixel_norm", "over the batch", changed(NORM, "x * x, 1", "x * x, 0")),
    ("pixel_norm", "root forgotten", changed(NORM, "torch.rsqrt(power + 1e-8)", "1 / (power + 1e-8)")),
    ("pixel_norm", "nan at nought", changed(NORM, " + 1e-8", "")),
    ("pixel_norm", "images only", "x[0, 0, 0, 0]\n" + NORM.strip()),
    ("pixel_norm", "norm is a constant", changed(NORM, "x * x,", "x.data * x.data,")),
    ("pixel_norm", "borrowed", "return progressive_gan.PixelNorm()(x)"),
    ("first_move", "zeros not counted", changed(MOVE, "range(1, zeros + 2)", "range(zeros + 1, zeros + 2)", "**t", "")),
    ("first_move", "no correction", changed(MOVE, "(m / (1 - beta1**t))", "m", "(v / (1 - beta2**t))", "v")),
    ("first_move", "uphill", changed(MOVE, "-rate", "rate")),
    ("first_move", "betas exchanged", "beta1, beta2 = beta2, beta1\n" + MOVE.strip()),
    ("first_move", "root forgotten", changed(MOVE, " ** 0.5", "")),
    (
        "first_move",
        "borrowed",
        """
        w = nn.Parameter(torch.zeros(1, dtype=torch.float64))
        adam = torch.optim.Adam([w], lr=rate, betas=(beta1, beta2), eps=0)
        for t in range(zeros + 1):
            w.grad = torch.full((1,), gradient if t == zeros else 0.0, dtype=torch.float64)
            adam.step()
        return float(w.detach())
        """,
    ),
    ("which_growth", "type", "return list('ABCDEF')"),
    ("which_growth", "letter missing", 'return {"A": "healthy"}'),
    ("which_growth", "unknown word", changed(GROWTHS, '"healthy"', '"fine"')),
    ("which_growth", "word twice", changed(GROWTHS, '"healthy"', '"sharp reals"')),
    ("which_growth", "zeroed gradients taken for untrained level", exchanged("zeroed gradients", "untrained level")),
    ("which_growth", "healthy taken for wrong counter", exchanged("healthy", "wrong counter")),
    ("which_growth", "batch norm taken for sharp reals", exchanged("batch norm", "sharp reals")),
    ("which_growth", "untrained level taken for wrong counter", exchanged("untrained level", "wrong counter")),
]


class TestBank(BankTests):
    bank = Bank("13_progressive_gan", HEADS, RIGHT, WRONG, space={"progressive_gan": progressive_gan})


@pytest.fixture(scope="module")
def runs():
    torch.manual_seed(0)
    images = torch.nn.functional.interpolate(torch.rand(60, 3, 8, 8) * 2 - 1, scale_factor=2, mode="bilinear")
    return {check.MYSTERIES[letter]: run for letter, run in check.mystery_growths(images, steps=56).items()}


def test_every_fault_shows_in_its_own_column_and_nowhere_else(runs):
    healthy = runs["healthy"]
    assert healthy["alpha"][4] == pytest.approx(0.1)
    shows = {
        "wrong counter": {"alpha", "detail"},
        "untrained level": {"level", "alpha", "detail", "first move"},
        "sharp reals": {"detail"},
        "zeroed gradients": {"first move"},
        "batch norm": {"eval over train"},
    }
    for fault, columns in shows.items():
        differ = {name for name in healthy if runs[fault][name] != pytest.approx(healthy[name], rel=0.02, abs=0.005)}
        assert differ == columns, fault


def test_first_moves_of_zeroed_gradients_are_those_of_the_formula(runs):
    moves = runs["zeroed gradients"]["first move"]
    for level, zeros in ((1, 20), (2, 50)):
        at = runs["zeroed gradients"]["level"].index(level)
        assert moves[at] == pytest.approx(-check.move(1.0, zeros, 1.0, 0.0, 0.99), rel=1e-3)
    assert max(runs["healthy"]["first move"]) == pytest.approx(1, rel=1e-3)
