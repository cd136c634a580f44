"""Chapter 4's exercises: the solutions pass, and each misconception is rejected under its own name."""

from __future__ import annotations

from bank import Bank, BankTests, changed
from torchvision.ops import box_iou, nms

HEADS = {
    "cross_entropy": "def cross_entropy(logits, labels):",
    "train_step": "def train_step(model, optimizer, images, labels):",
    "non_max_suppression": "def non_max_suppression(boxes, scores, threshold):",
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
SUPPRESS = """
left, top, right, bottom = boxes.T
area = (right - left) * (bottom - top)
order = scores.argsort(descending=True)
kept = []
while len(order):
    i, rest = order[0], order[1:]
    kept.append(int(i))
    w = (torch.minimum(right[i], right[rest]) - torch.maximum(left[i], left[rest])).clamp(min=0)
    h = (torch.minimum(bottom[i], bottom[rest]) - torch.maximum(top[i], top[rest])).clamp(min=0)
    shared = w * h
    iou = shared / (area[i] + area[rest] - shared)
    order = rest[iou <= threshold]
return torch.tensor(kept, dtype=torch.int64)
"""
PAIRS = """
iou = box_iou(boxes, boxes)
kept = []
for i in scores.argsort(descending=True).tolist():
    if all(iou[i, j] <= threshold for j in kept):
        kept.append(i)
return torch.tensor(kept, dtype=torch.int64)
"""

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
    "non_max_suppression": [
        SUPPRESS,
        PAIRS,
        """
        order = torch.argsort(-scores)
        iou = box_iou(boxes[order], boxes[order])
        alive = torch.ones(len(order), dtype=torch.bool)
        for i in range(len(order)):
            if alive[i]:
                alive[i + 1:] &= iou[i, i + 1:] <= threshold
        return order[alive]
        """,
    ],
}

WRONG = [
    ("cross_entropy", "sum", changed(ENTROPY, "mean()", "sum()")),
    ("cross_entropy", "not averaged", changed(ENTROPY, ".mean()", "")),
    (
        "cross_entropy",
        "mean over classes too",
        "return -(F.one_hot(labels, logits.shape[1]) * logits.log_softmax(dim=1)).mean()",
    ),
    ("cross_entropy", "wrong sign", changed(ENTROPY, "-right", "right")),
    (
        "cross_entropy",
        "softmax twice",
        changed(ENTROPY, "logits.softmax(dim=1)", "logits.softmax(dim=1).softmax(dim=1)"),
    ),
    ("cross_entropy", "softmax twice", "logits = logits.softmax(dim=1)\n" + STABLE.strip()),
    ("cross_entropy", "softmax over the batch", changed(ENTROPY, "dim=1", "dim=0")),
    ("cross_entropy", "base 2", changed(ENTROPY, "log()", "log2()")),
    ("cross_entropy", "base 10", changed(ENTROPY, "log()", "log10()")),
    ("cross_entropy", "no logarithm", changed(ENTROPY, ".log()", "")),
    ("cross_entropy", "one minus", changed(ENTROPY, "-right.log().mean()", "(1 - right).mean()")),
    ("cross_entropy", "log of the mean", changed(ENTROPY, "log().mean()", "mean().log()")),
    ("cross_entropy", "only the right logit", changed(ENTROPY, "logits.softmax(dim=1)", "logits.exp()")),
    ("cross_entropy", "only the log-sum", "return logits.exp().sum(dim=1).log().mean()"),
    ("cross_entropy", "all classes", "return -logits.softmax(dim=1).log().sum(dim=1).mean()"),
    (
        "cross_entropy",
        "yes-or-no loss",
        """
        y, p = F.one_hot(labels, logits.shape[1]), logits.sigmoid()
        return -(y * p.log() + (1 - y) * (1 - p).log()).mean()
        """,
    ),
    (
        "cross_entropy",
        "squared error",
        "return ((logits.softmax(dim=1) - F.one_hot(labels, logits.shape[1])) ** 2).mean()",
    ),
    ("cross_entropy", "the answer, not the label", "return -logits.softmax(dim=1).max(dim=1).values.log().mean()"),
    (
        "cross_entropy",
        "not stable",
        changed(ENTROPY, "logits.softmax(dim=1)", "logits.exp() / logits.exp().sum(dim=1, keepdim=True)"),
    ),
    (
        "cross_entropy",
        "not stable",
        "return (logits.exp().sum(1).log() - logits[torch.arange(len(labels)), labels]).mean()",
    ),
    ("cross_entropy", "one maximum for all", changed(STABLE, "logits.amax(dim=1, keepdim=True)", "logits.max()")),
    ("cross_entropy", "log of zero", ENTROPY),
    ("cross_entropy", "log of zero", changed(ENTROPY, "right.log()", "(right + 1e-12).log()")),
    ("cross_entropy", "no gradient", changed(STABLE, "-log_p", "-log_p.detach()")),
    ("cross_entropy", "borrowed", "return F.cross_entropy(logits, labels)"),
    ("cross_entropy", "borrowed", "return F.nll_loss(logits.log_softmax(dim=1), labels)"),
    ("cross_entropy", "changes its input", "logits -= logits.amax(dim=1, keepdim=True)\n" + STABLE.strip()),
    ("cross_entropy", "wrong", changed(STABLE, "-log_p[", "-0.9 * log_p[")),
    ("train_step", "zero_grad missing", changed(STEP, "optimizer.zero_grad()\n", "")),
    (
        "train_step",
        "zero_grad before step",
        changed(STEP, "optimizer.zero_grad()\n", "", "loss.backward()\n", "loss.backward()\noptimizer.zero_grad()\n"),
    ),
    (
        "train_step",
        "step before backward",
        changed(STEP, "loss.backward()\noptimizer.step()", "optimizer.step()\nloss.backward()"),
    ),
    (
        "train_step",
        "step before backward",
        changed(
            STEP,
            "optimizer.zero_grad()\n",
            "",
            "loss.backward()\noptimizer.step()",
            "optimizer.step()\nloss.backward()",
        ),
    ),
    (
        "train_step",
        "one batch late",
        """
        model.train()
        optimizer.step()
        optimizer.zero_grad()
        loss = F.cross_entropy(model(images), labels)
        loss.backward()
        return loss.item()
        """,
    ),
    ("train_step", "softmax first", changed(STEP, "model(images)", "model(images).softmax(dim=1)")),
    (
        "train_step",
        "softmax over the batch",
        changed(STEP, "F.cross_entropy(logits, labels)", "F.nll_loss(torch.log_softmax(logits, 0), labels)"),
    ),
    ("train_step", "sum", changed(STEP, "labels)\n", "labels, reduction='sum')\n")),
    ("train_step", "uphill", changed(STEP, "F.cross_entropy", "-F.cross_entropy")),
    (
        "train_step",
        "squared error",
        changed(STEP, "F.cross_entropy(logits, labels)", "((logits.softmax(1) - F.one_hot(labels, 5)) ** 2).mean()"),
    ),
    ("train_step", "keeps the graph", changed(STEP, "loss.item()", "loss")),
    ("train_step", "eval mode", changed(STEP, "model.train()\n", "")),
    ("train_step", "eval mode", changed(STEP, "model.train()", "model.eval()")),
    (
        "train_step",
        "eval mode",
        changed(STEP, "model.train()\n", "", "optimizer.step()", "optimizer.step()\nmodel.train()\nmodel.eval()"),
    ),
    (
        "train_step",
        "no gradient",
        changed(STEP, "logits = model(images)", "with torch.no_grad():\n    logits = model(images)"),
    ),
    (
        "train_step",
        "no gradient",
        changed(STEP, "F.cross_entropy(logits, labels)", "(logits.argmax(dim=1) != labels).double().mean()"),
    ),
    ("train_step", "no gradient", changed(STEP, "(logits, labels)", "(logits.detach(), labels)")),
    ("train_step", "no step", changed(STEP, "optimizer.step()\n", "")),
    (
        "train_step",
        "no step",
        changed(STEP, "model.train()", "model.train(); optimizer = torch.optim.SGD(model.parameters(), lr=0.5)"),
    ),
    ("train_step", "two steps", changed(STEP, "optimizer.step()", "optimizer.step(); optimizer.step()")),
    ("train_step", "nothing returned", changed(STEP, "return loss.item()", "print(loss.item())")),
    ("train_step", "two forward passes", changed(STEP, "loss.item()", "F.cross_entropy(model(images), labels).item()")),
    ("train_step", "wrong", changed(STEP, "(logits, labels)", "(2 * logits, labels)")),
    ("train_step", "wrong", changed(STEP, "loss.item()", "2 * loss.item()")),
    ("train_step", "type", changed(STEP, "loss.item()", "[loss.item()]")),
    ("train_step", "no forward", "return 1.6"),
    (
        "non_max_suppression",
        "not sorted",
        changed(PAIRS, "scores.argsort(descending=True).tolist()", "range(len(boxes))"),
    ),
    ("non_max_suppression", "least certain first", changed(SUPPRESS, "descending=True", "descending=False")),
    (
        "non_max_suppression",
        "sorted positions",
        "boxes = boxes[scores.argsort(descending=True)]\n"
        + changed(PAIRS, "scores.argsort(descending=True).tolist()", "range(len(boxes))").strip(),
    ),
    ("non_max_suppression", "ascending", changed(SUPPRESS, "torch.tensor(kept", "torch.tensor(sorted(kept)")),
    ("non_max_suppression", "reversed", changed(SUPPRESS, "torch.tensor(kept", "torch.tensor(kept[::-1]")),
    ("non_max_suppression", "keeps the overlapping", changed(SUPPRESS, "iou <= threshold", "iou >= threshold")),
    (
        "non_max_suppression",
        "suppressed boxes suppress",
        """
        iou, order, kept = box_iou(boxes, boxes), scores.argsort(descending=True).tolist(), []
        for n, i in enumerate(order):
            if all(iou[i, j] <= threshold for j in order[:n]):
                kept.append(i)
        return torch.tensor(kept, dtype=torch.int64)
        """,
    ),
    ("non_max_suppression", "only the last kept", changed(PAIRS, "for j in kept", "for j in kept[-1:]")),
    ("non_max_suppression", "all suppressed", "return scores.argsort(descending=True)[:1]"),
    ("non_max_suppression", "nothing suppressed", "return scores.argsort(descending=True)"),
    ("non_max_suppression", "union counted twice", changed(SUPPRESS, "area[rest] - shared", "area[rest]")),
    (
        "non_max_suppression",
        "smaller area",
        changed(SUPPRESS, "(area[i] + area[rest] - shared)", "torch.minimum(area[i], area[rest])"),
    ),
    ("non_max_suppression", "not clamped", changed(SUPPRESS, ".clamp(min=0)", "")),
    (
        "non_max_suppression",
        "pixel count",
        changed(
            SUPPRESS,
            "(right - left)",
            "(right - left + 1)",
            "(bottom - top)",
            "(bottom - top + 1)",
            "[rest])).clamp",
            "[rest]) + 1).clamp",
        ),
    ),
    (
        "non_max_suppression",
        "x and y mixed",
        changed(SUPPRESS, "left, top, right, bottom =", "left, right, top, bottom ="),
    ),
    ("non_max_suppression", "suppresses at equality", changed(SUPPRESS, "iou <= threshold", "iou < threshold")),
    ("non_max_suppression", "type", changed(SUPPRESS, "torch.tensor(kept, dtype=torch.int64)", "kept")),
    ("non_max_suppression", "dtype", changed(SUPPRESS, "torch.int64", "torch.float32")),
    (
        "non_max_suppression",
        "boxes",
        changed(SUPPRESS, "return torch.tensor(kept, dtype=torch.int64)", "return boxes[kept]"),
    ),
    (
        "non_max_suppression",
        "mask",
        changed(
            SUPPRESS,
            "return torch.tensor(kept, dtype=torch.int64)",
            "mask = torch.zeros(len(boxes), dtype=torch.bool)\nmask[kept] = True\nreturn mask",
        ),
    ),
    ("non_max_suppression", "shape", "return torch.tensor([7, 4, 1])"),
    ("non_max_suppression", "wrong", "return nms(boxes, scores, threshold).roll(1)"),
    ("non_max_suppression", "dtype", changed(PAIRS, ", dtype=torch.int64", "")),  # an empty list becomes float32
    ("non_max_suppression", "changes its input", "boxes[:, :2] += 1\n" + SUPPRESS.strip()),
]


class TestBank(BankTests):
    bank = Bank("04_training_a_cnn", HEADS, RIGHT, WRONG, space={"box_iou": box_iou, "nms": nms})
