"""Chapter 15's exercises: the solutions pass, and each misconception is rejected under its own name."""

from __future__ import annotations

import pytest
import torch
from bank import Bank, BankTests, changed

from course_lib import checks
from course_lib.checks.cyclegan import FAULTS, PLACES, STRIPS, mystery_strips, traced
from course_lib.checks.verdict import WrongAnswer
from course_lib.cnn.pooling import receptive_field
from course_lib.gan.cyclegan import PatchDiscriminator

HEADS = {
    "cycle_errors": "def cycle_errors(images, there, back):",
    "from_buffer": "def from_buffer(kept, fakes, old, seats):",
    "patch_of": "def patch_of(logit, layers):",
    "which_translator": "def which_translator():",
}
ERRORS = "return (back(there(images)) - images).abs().mean(dim=(1, 2, 3))"
BUFFER = """
kept, shown = kept.clone(), []
for fake, coin, seat in zip(fakes, old, seats):
    if coin:
        shown.append(kept[seat].clone())
        kept[seat] = fake
    else:
        shown.append(fake)
return torch.stack(shown), kept
"""
PATCH = """
a = b = logit
for k, s, p in reversed(layers):
    a, b = a * s - p, b * s - p + k - 1
return a, b
"""
NAMED = "return " + repr(STRIPS)

RIGHT = {
    "cycle_errors": [
        ERRORS,
        "return torch.stack([F.l1_loss(back(there(x[None])), x[None]) for x in images])",
        "return F.l1_loss(back(there(images)), images, reduction='none').flatten(1).mean(1)",
        """
        again = back(there(images))
        return torch.linalg.vector_norm((again - images).flatten(1), ord=1, dim=1) / images[0].numel()
        """,
    ],
    "from_buffer": [
        BUFFER,
        """
        kept, shown = kept.clone(), fakes.clone()
        for i in range(len(fakes)):
            if old[i]:
                shown[i], kept[seats[i]] = kept[seats[i]].clone(), fakes[i]
        return shown, kept
        """,
        """
        seated, shown = list(kept), list(fakes)
        for i in old.nonzero().flatten().tolist():
            j = int(seats[i])
            shown[i], seated[j] = seated[j], shown[i]
        return [torch.stack(shown), torch.stack(seated)]
        """,
    ],
    "patch_of": [
        PATCH,
        """
        side, jump, start = 1, 1, 0
        for k, s, p in layers:
            side += (k - 1) * jump
            start -= p * jump
            jump *= s
        return start + logit * jump, start + logit * jump + side - 1
        """,
        """
        pixels = {logit}
        for k, s, p in layers[::-1]:
            pixels = {i * s - p + o for i in pixels for o in range(k)}
        return min(pixels), max(pixels)
        """,
    ],
    "which_translator": [NAMED, "return dict(zip('ABCDEF', " + repr(tuple(STRIPS.values())) + "))"],
}


def said(**changes: str) -> str:
    return "return " + repr(STRIPS | changes)


WRONG = [
    ("cycle_errors", "wrong order", changed(ERRORS, "back(there(images))", "there(back(images))")),
    ("cycle_errors", "one number", "return F.l1_loss(back(there(images)), images)"),
    ("cycle_errors", "squares", "return F.mse_loss(back(there(images)), images, reduction='none').mean((1, 2, 3))"),
    ("cycle_errors", "sums", changed(ERRORS, "mean", "sum")),
    ("cycle_errors", "detached", "return (back(there(images).data) - images).abs().mean(dim=(1, 2, 3))"),
    ("from_buffer", "nobody sits down", changed(BUFFER, "        kept[seat] = fake\n", "")),
    ("from_buffer", "coins turned round", changed(BUFFER, "if coin", "if not coin")),
    ("from_buffer", "changes its input", changed(BUFFER, "kept, shown = kept.clone(), []", "shown = []")),
    (
        "from_buffer",
        "all at once",
        "return torch.where(old[:, None, None], kept[seats], fakes), kept.index_put((seats[old],), fakes[old])",
    ),
    ("from_buffer", "type", "return fakes"),
    ("patch_of", "first layer first", changed(PATCH, "reversed(layers)", "layers")),
    ("patch_of", "padding forgotten", changed(PATCH, "a * s - p, b * s - p", "a * s, b * s")),
    ("patch_of", "one too many", changed(PATCH, "k - 1", "k")),
    ("patch_of", "end beyond", changed(PATCH, "return a, b", "return a, b + 1")),
    ("patch_of", "stride forgotten", changed(PATCH, "a * s - p, b * s - p", "a - p, b - p")),
    ("patch_of", "type", "return logit"),
    ("which_translator", "letter missing", "return {'A': 'tints'}"),
    ("which_translator", "unknown word", said(A="healthy")),
    ("which_translator", "word twice", said(A="hides")),
    ("which_translator", "type", "return list('ABCDEF')"),
    ("which_translator", "tints taken for loses the place", said(A="loses the place", C="tints")),
    ("which_translator", "hides taken for copies", said(B="copies", F="hides")),
    ("which_translator", "mirrors taken for collapsed", said(D="collapsed", E="mirrors")),
]


class TestBank(BankTests):
    bank = Bank("15_cyclegan", HEADS, RIGHT, WRONG)


def test_the_patch_is_where_gradients_come_from():
    judge = PatchDiscriminator(1, 2).double()
    judge.layers[3] = torch.nn.Identity()
    layers = [(c.kernel_size[0], c.stride[0], c.padding[0]) for c in judge.layers if isinstance(c, torch.nn.Conv2d)]
    images = torch.randn(1, 1, 64, 64, dtype=torch.float64, requires_grad=True)
    (slope,) = torch.autograd.grad(judge(images)[0, 7, 5], images)
    for logit, axis in ((7, 1), (5, 0)):
        touched = slope[0, 0].abs().sum(dim=axis).nonzero().flatten()
        assert traced(logit, layers) == (int(touched.min()), int(touched.max()))
    first, last = traced(0, layers)
    assert last - first + 1 == receptive_field([layer[:2] for layer in layers])[0]


def test_every_wrong_word_gets_something_to_look_at():
    for letter, right in STRIPS.items():
        for word in FAULTS:
            if word != right:
                other = next(one for one, its in STRIPS.items() if its == word)
                with pytest.raises(WrongAnswer) as caught:
                    checks.which_translator(lambda s=STRIPS | {letter: word, other: right}: s)
                assert "is not" in str(caught.value)


def test_the_strips_show_what_their_faults_do():
    strips = {STRIPS[letter]: rows for letter, rows in mystery_strips().items()}
    summer = strips["hides"]["summer"]
    assert summer.shape == (PLACES, 3, 32, 32)
    assert all(torch.equal(rows["summer"], summer) for rows in strips.values())
    winter = strips["hides"]["winter"]
    assert torch.equal(strips["hides"]["back"], summer)
    assert torch.equal(strips["mirrors"]["winter"].flip(3), winter)
    assert torch.equal(strips["copies"]["winter"], summer)
    assert len(strips["collapsed"]["winter"].unique(dim=0)) == 1
    moved = (strips["tints"]["winter"] - winter).abs()
    assert moved[:, :, :8].mean() > 1.5 * moved[:, :, 22:].mean() > 0, "the skies above all"
    assert not torch.equal(strips["mirrors"]["back"], summer), "without the boats: winter does not tell them"
    before = torch.get_rng_state()
    mystery_strips()
    assert torch.equal(before, torch.get_rng_state())
