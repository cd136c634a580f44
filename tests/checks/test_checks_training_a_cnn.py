"""Chapter 4's exercises: the solutions pass, and each misconception is rejected under its own name."""

from __future__ import annotations

import itertools

import torch
from bank import Bank, BankTests, changed

from course_lib import data
from course_lib.checks import training_a_cnn

HEADS = {
    "cross_entropy": "def cross_entropy(logits, labels):",
    "train_step": "def train_step(model, optimizer, images, labels):",
    "diagnosis": "def diagnosis():",
}


ENTROPY = """
p = logits.softmax(dim=1)
right = p[torch.arange(len(labels)), labels]
return -right.log().mean()
"""
STABLE = """
z = logits - logits.amax(dim=1, keepdim=True)
log_p = z - z.exp().sum(dim=1, keepdim=True).log()
return -log_p[torch.arange(len(labels)), labels].mean()
"""
STEP = """
model.train()
optimizer.zero_grad()
logits = model(images)
loss = F.cross_entropy(logits, labels)
loss.backward()
optimizer.step()
return loss.item()
"""
DIAGNOSIS = """
return {
    "A": "rate too low",
    "B": "validation leak",
    "C": "healthy",
    "D": "softmax twice",
    "E": "overfitting",
    "F": "rate too high",
}
"""

ZERO = "optimizer.zero_grad()\n"
LOSS = "F.cross_entropy(logits, labels)"
LATE = ("optimizer.step()", "optimizer.step()\nloss.backward()")


def swapped(one, other):
    return changed(DIAGNOSIS, f'"{one}"', "...", f'"{other}"', f'"{one}"', "...", f'"{other}"')


RIGHT = {
    "cross_entropy": [
        STABLE,
        "return (torch.logsumexp(logits, dim=1) - logits.gather(1, labels[:, None])[:, 0]).mean()",
        "return -(F.one_hot(labels, logits.shape[1]) * F.log_softmax(logits, dim=-1)).sum() / len(labels)",
        """
        total = 0.0
        for row, label in zip(logits, labels):
            total = total + torch.log(torch.exp(row - row.max()).sum()) + row.max() - row[label]
        return total / len(labels)
        """,
    ],
    "train_step": [
        changed(STEP, "loss.item()", "loss.detach()"),
        """
        model = model.train()
        loss = nn.CrossEntropyLoss()(model(images), labels)
        for weights in model.parameters():
            weights.grad = None
        loss.backward()
        optimizer.step()
        return float(loss.detach())
        """,
        """
        model.train(True)
        log_p = model(images).log_softmax(dim=1)
        loss = -log_p[torch.arange(len(labels)), labels].mean()
        model.zero_grad()
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return loss.data
        """,
    ],
    "diagnosis": [
        DIAGNOSIS,
        """
        words = ["overfitting", "healthy", "softmax twice", "validation leak", "rate too high", "rate too low"]
        return dict(zip("ECDBFA", words))
        """,
    ],
}

WRONG = [
    ("cross_entropy", "mean over classes too", "return -(F.one_hot(labels) * logits.log_softmax(dim=1)).mean()"),
    ("cross_entropy", "only the right logit", changed(ENTROPY, "logits.softmax(dim=1)", "logits.exp()")),
    (
        "cross_entropy",
        "yes-or-no loss",
        """
        y, p = F.one_hot(labels, logits.shape[1]), logits.sigmoid()
        return -(y * p.log() + (1 - y) * (1 - p).log()).mean()
        """,
    ),
    ("cross_entropy", "sum", "return (logits.exp().sum(1).log() - logits[torch.arange(len(labels)), labels]).sum()"),
    (
        "cross_entropy",
        "not stable",
        changed(ENTROPY, "logits.softmax(dim=1)", "logits.exp() / logits.exp().sum(dim=1, keepdim=True)"),
    ),
    ("cross_entropy", "clamped", changed(ENTROPY, "right.log()", "(right + 1e-12).log()")),
    ("cross_entropy", "clamped", changed(ENTROPY, "right.log()", "right.clamp(min=1e-7).log()")),
    ("cross_entropy", "clamped", "logits = logits.clamp(-80, 80)\n" + STABLE.strip()),
    ("cross_entropy", "remembers", "return vars(loss).setdefault(logits.shape, loss(logits, labels))"),
    ("cross_entropy", "no gradient", changed(STABLE, "-log_p", "-log_p.detach()")),
    ("cross_entropy", "no gradient", changed(STABLE, ".mean()", ".mean().item()")),
    ("cross_entropy", "wrong gradient", changed(STABLE, "z.exp().sum", "z.detach().exp().sum")),
    ("cross_entropy", "borrowed", "return F.cross_entropy(labels, logits)"),  # even with its arguments swapped
    ("cross_entropy", "borrowed", "return F.cross_entropy(logits, F.one_hot(labels, logits.shape[1]).double())"),
    ("cross_entropy", "borrowed", "return torch.ops.aten.nll_loss(logits.log_softmax(dim=1), labels)"),
    ("cross_entropy", "changes its input", "logits -= logits.amax(dim=1, keepdim=True)\n" + STABLE.strip()),
    ("cross_entropy", "float32", "logits = logits.float()\n" + changed(STABLE.strip(), "mean()", "mean().double()")),
    ("cross_entropy", "wrong", changed(STABLE, "-log_p[", "-0.9 * log_p[")),
    ("train_step", "zero_grad missing", changed(STEP, "optimizer.zero_grad()\n", "")),
    (
        "train_step",
        "zero_grad only after the step",
        changed(STEP, "optimizer.zero_grad()\n", "", "optimizer.step()", "optimizer.step()\nmodel.zero_grad()"),
    ),
    ("train_step", "zero_grad before step", changed(STEP, "optimizer.step()", "model.zero_grad(); optimizer.step()")),
    ("train_step", "step before backward", changed(STEP, "loss.backward()\noptimizer", "optimizer", *LATE)),
    ("train_step", "step before backward", changed(STEP, ZERO, "", "loss.backward()\noptimizer", "optimizer", *LATE)),
    ("train_step", "one batch late", "optimizer.step()\n" + changed(STEP, "optimizer.step()\n", "").strip()),
    ("train_step", "softmax first", changed(STEP, "model(images)", "model(images).softmax(dim=1)")),
    (
        "train_step",
        "softmax over the batch",
        changed(STEP, "F.cross_entropy(logits, labels)", "F.nll_loss(torch.log_softmax(logits, 0), labels)"),
    ),
    (
        "train_step",
        "log of softmax",
        changed(STEP, LOSS, "-F.one_hot(labels, 5).mul(logits.softmax(1).log()).sum(1).mean()"),
    ),
    ("train_step", "sum", changed(STEP, "labels)\n", "labels, reduction='sum')\n")),
    ("train_step", "uphill", changed(STEP, LOSS, "-" + LOSS)),
    ("train_step", "squared error", changed(STEP, LOSS, "((logits.softmax(1) - F.one_hot(labels, 5)) ** 2).mean()")),
    ("train_step", "arguments swapped", changed(STEP, "(logits, labels)", "(labels, logits)")),
    ("train_step", "keeps the graph", changed(STEP, "loss.item()", "loss")),
    ("train_step", "eval mode", changed(STEP, "model.train()\n", "")),
    (
        "train_step",
        "eval mode",
        changed(STEP, "model.train()\n", "", "optimizer.step()", "optimizer.step(); model.train()"),
    ),
    ("train_step", "submodules in eval mode", changed(STEP, "model.train()", "model.training = True")),
    ("train_step", "images changed", changed(STEP, "model(images)", "model(images / 255)")),
    ("train_step", "images changed", changed(STEP, "model(images)", "model(images.flatten(1))")),
    (
        "train_step",
        "no gradient",
        changed(STEP, "logits = model(images)", "with torch.no_grad():\n    logits = model(images)"),
    ),
    ("train_step", "no gradient", changed(STEP, LOSS, "(logits.argmax(dim=1) != labels).double().mean()")),
    ("train_step", "no gradient", changed(STEP, LOSS, "F.cross_entropy(logits.detach().requires_grad_(), labels)")),
    ("train_step", "no step", changed(STEP, "optimizer.step()\n", "")),
    ("train_step", "no step", "optimizer = torch.optim.SGD(model.parameters(), lr=0.1)\n" + STEP.strip()),
    ("train_step", "two steps", changed(STEP, "optimizer.step()", "optimizer.step(); optimizer.step()")),
    ("train_step", "nothing returned", changed(STEP, "return loss.item()", "print(end='')")),
    ("train_step", "two forward passes", changed(STEP, "loss.item()", "F.cross_entropy(model(images), labels).item()")),
    ("train_step", "wrong", changed(STEP, "(logits, labels)", "(2 * logits, labels)")),
    ("train_step", "wrong", changed(STEP, "loss.item()", "2 * loss.item()")),
    ("train_step", "type", changed(STEP, "loss.item()", "[loss.item()]")),
    ("train_step", "shape", changed(STEP, "loss.item()", "loss.detach()[None]")),
    ("train_step", "no forward", "return 1.6"),
    ("train_step", "changes its input", "images.mul_(2)\n" + STEP.strip()),
    ("diagnosis", "rate too low taken for softmax twice", swapped("rate too low", "softmax twice")),
    ("diagnosis", "rate too low taken for rate too high", swapped("rate too low", "rate too high")),
    ("diagnosis", "validation leak taken for healthy", swapped("validation leak", "healthy")),
    ("diagnosis", "validation leak taken for overfitting", swapped("validation leak", "overfitting")),
    ("diagnosis", "healthy taken for overfitting", swapped("healthy", "overfitting")),
    ("diagnosis", "softmax twice taken for overfitting", swapped("softmax twice", "overfitting")),
    ("diagnosis", "overfitting taken for rate too high", swapped("overfitting", "rate too high")),
    ("diagnosis", "softmax twice taken for rate too low", changed(DIAGNOSIS, "softmax twice", "rate too low")),
    ("diagnosis", "rate too low taken for healthy", "return dict.fromkeys('ABCDEF', 'healthy')"),
    ("diagnosis", "letter missing", changed(DIAGNOSIS, '"D": "softmax twice",', "")),
    ("diagnosis", "unknown word", changed(DIAGNOSIS, "overfitting", "overfit")),
    ("diagnosis", "unknown word", changed(DIAGNOSIS, '"overfitting"', "[]")),
    ("diagnosis", "type", "return ['rate too low', 'validation leak']"),
]


def loss(logits, labels):
    return -logits.log_softmax(dim=1)[torch.arange(len(labels)), labels].mean()


class TestBank(BankTests):
    bank = Bank("04_training_a_cnn", HEADS, RIGHT, WRONG, space={"loss": loss})


def test_every_confusion_has_words_that_name_the_letter():
    for letter, illness in training_a_cnn.PATIENTS.items():
        assert (illness, None) in training_a_cnn.LOOK_AGAIN, letter
    assert sorted(training_a_cnn.PATIENTS.values()) == sorted(training_a_cnn.VERDICTS)


def test_the_six_patients_show_their_symptoms():
    before = torch.get_rng_state()
    runs = training_a_cnn.mysteries(data.load("strokes", count=2000))
    assert torch.equal(before, torch.get_rng_state())
    by_illness = {illness: runs[letter] for letter, illness in training_a_cnn.PATIENTS.items()}
    ends = {illness: (run["training"][-1], run["validation"][-1]) for illness, run in by_illness.items()}
    assert ends["healthy"][1] < 0.6
    assert ends["overfitting"][0] < 0.01
    assert ends["overfitting"][1] > 1.1 * min(by_illness["overfitting"]["validation"])
    assert ends["validation leak"][0] == ends["validation leak"][1] < 0.1
    assert min(ends["softmax twice"]) > 1.46
    assert by_illness["softmax twice"]["accuracy"] > 0.8
    slow = by_illness["rate too low"]["training"]
    assert all(later < earlier for earlier, later in itertools.pairwise(slow))
    assert slow[-1] > 1.8
    assert min(by_illness["rate too high"]["training"][1:]) > 1
