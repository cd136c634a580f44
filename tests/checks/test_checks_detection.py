"""Chapter 17's exercises: the solutions pass, and each misconception is rejected under its own name."""

from __future__ import annotations

import pytest
import torch
from bank import Bank, BankTests, changed
from torchvision.ops import box_iou, nms

from course_lib import checks, models
from course_lib.checks import detection as check
from course_lib.cnn import detection
from course_lib.data.strokes import draw

HEADS = {
    "dense_slides": "def dense_slides(maps, weight, bias, height, width):",
    "non_max_suppression": "def non_max_suppression(boxes, scores, threshold):",
    "average_precision": "def average_precision(hits, digits):",
    "which_detector": "def which_detector():",
}
SLIDE = """
o, c = len(weight), maps.shape[1]
kernel = weight.reshape(o, height, width, c).permute(0, 3, 1, 2)
return F.conv2d(maps, kernel, bias)
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
AREA = """
total, best, found = 0.0, 0.0, sum(hits)
for k in range(len(hits), 0, -1):
    best = max(best, found / k)
    if hits[k - 1]:
        total += best / digits
        found -= 1
return total
"""
DETECTORS = """
return {
    "A": "too strict",
    "B": "knows no nothing",
    "C": "shifted",
    "D": "healthy",
    "E": "hides neighbours",
    "F": "counts twice",
}
"""
RESULT = "return torch.tensor(kept, dtype=torch.int64)"


def exchanged(one, other):
    return changed(DETECTORS, f'"{one}"', "...", f'"{other}"', f'"{one}"', "...", f'"{other}"')


RIGHT = {
    "dense_slides": [
        SLIDE,
        """
        windows = maps.unfold(2, height, 1).unfold(3, width, 1)  # [N, C, i, j, h, w]
        rows = windows.permute(0, 2, 3, 4, 5, 1).flatten(3)
        return F.linear(rows, weight, bias).permute(0, 3, 1, 2)
        """,
        """
        n, c, high, wide = maps.shape
        answers = []
        for i in range(high - height + 1):
            row = []
            for j in range(wide - width + 1):
                window = maps[:, :, i : i + height, j : j + width].permute(0, 2, 3, 1).reshape(n, -1)
                row.append(window @ weight.T + bias)
            answers.append(torch.stack(row, -1))
        return torch.stack(answers, 2)
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
    "average_precision": [
        AREA,
        """
        precision = [sum(hits[: k + 1]) / (k + 1) for k in range(len(hits))]
        return sum(max(precision[k:]) for k, hit in enumerate(hits) if hit) / digits
        """,
        """
        h = np.asarray(hits, dtype=float)
        found = h.cumsum()
        precision = found / np.arange(1, len(h) + 1)
        falling = np.maximum.accumulate(precision[::-1])[::-1]
        return float((falling * np.diff(found / digits, prepend=0)).sum())
        """,
        """
        found = torch.tensor(hits, dtype=torch.float64).cumsum(0)
        if not len(hits):
            return 0
        precision = found / torch.arange(1, len(hits) + 1)
        falling = precision.flip(0).cummax(0).values.flip(0)
        return (falling * torch.diff(found, prepend=torch.zeros(1)) / digits).sum()
        """,
    ],
    "which_detector": [DETECTORS, "return dict(" + ", ".join(f"{k}={v!r}" for k, v in check.MYSTERIES.items()) + ")"],
}
WRONG = [
    (
        "dense_slides",
        "channels first",
        changed(SLIDE, "reshape(o, height, width, c).permute(0, 3, 1, 2)", "view(o, c, height, width)"),
    ),
    (
        "dense_slides",
        "width before height",
        changed(SLIDE, "height, width, c)", "width, height, c)", "1, 2)", "2, 1)"),
    ),
    ("dense_slides", "turned around", changed(SLIDE, "kernel, bias", "kernel.flip(-1).flip(-2), bias")),
    ("dense_slides", "no bias", changed(SLIDE, "kernel, bias", "kernel")),
    ("dense_slides", "padded", changed(SLIDE, "bias)", "bias, padding=(height // 2, width // 2))")),
    ("dense_slides", "stride of a window", changed(SLIDE, "bias)", "bias, stride=(height, width))")),
    (
        "dense_slides",
        "one answer",
        """
        corner = maps[:, :, :height, :width].permute(0, 2, 3, 1).flatten(1)
        return F.linear(corner, weight, bias)[:, :, None, None]
        """,
    ),
    ("dense_slides", "answers last", changed(SLIDE, "bias)", "bias).movedim(1, -1)")),
    ("dense_slides", "no gradient", changed(SLIDE, "weight.reshape", "weight.detach().reshape")),
    ("non_max_suppression", "x and y mixed", changed(SUPPRESS, "left, top, right,", "left, right, top,")),
    ("non_max_suppression", "type", changed(SUPPRESS, RESULT, "return kept")),
    ("non_max_suppression", "dtype", changed(SUPPRESS, "torch.int64", "torch.float32")),
    ("non_max_suppression", "empty list", changed(PAIRS, ", dtype=torch.int64", "")),
    ("non_max_suppression", "no boxes", "scores.max()\n" + PAIRS.strip()),
    ("non_max_suppression", "shape", "return torch.tensor([7, 4, 1])"),
    ("non_max_suppression", "wrong", changed(SUPPRESS, RESULT, RESULT + ".roll(1)")),
    ("non_max_suppression", "borrowed", "return nms(boxes, scores, threshold)"),
    ("non_max_suppression", "borrowed", "return torch.ops.torchvision.nms(boxes, scores, threshold)"),
    ("non_max_suppression", "changes its input", "boxes[:, :2] += 1\n" + SUPPRESS.strip()),
    ("non_max_suppression", "borrowed", "return detection.suppress(boxes, scores, threshold)"),
    ("average_precision", "not made to fall", changed(AREA, "max(best, found / k)", "found / k")),
    (
        "average_precision",
        "best so far",
        """
        total = best = found = 0
        for k, hit in enumerate(hits, 1):
            found += hit
            best = max(best, found / k)
            total += best * hit / digits
        return float(total)
        """,
    ),
    ("average_precision", "misses forgotten", "digits = max(1, sum(hits))\n" + AREA.strip()),
    ("average_precision", "divided by the boxes", "digits = max(1, len(hits))\n" + AREA.strip()),
    ("average_precision", "one box late", changed(AREA, "found / k", "found / (k + 1)")),
    ("average_precision", "least certain first", "hits = hits[::-1]\n" + AREA.strip()),
    ("average_precision", "no boxes", "hits[0]\n" + AREA.strip()),
    ("average_precision", "borrowed", "return detection.average_precision(torch.tensor(hits) > 0, digits)"),
    ("which_detector", "type", "return list('ABCDEF')"),
    ("which_detector", "letter missing", 'return {"A": "healthy"}'),
    ("which_detector", "unknown word", changed(DETECTORS, '"healthy"', '"fine"')),
    ("which_detector", "word twice", changed(DETECTORS, '"healthy"', '"shifted"')),
    ("which_detector", "too strict taken for hides neighbours", exchanged("too strict", "hides neighbours")),
    ("which_detector", "knows no nothing taken for counts twice", exchanged("knows no nothing", "counts twice")),
    ("which_detector", "shifted taken for healthy", exchanged("shifted", "healthy")),
    ("which_detector", "too strict taken for healthy", exchanged("too strict", "healthy")),
]


class TestBank(BankTests):
    bank = Bank("17_detection", HEADS, RIGHT, WRONG, space={"box_iou": box_iou, "nms": nms, "detection": detection})


def test_the_right_suppression_is_torchvisions():
    for case in checks.non_max_suppression.body.cases(torch.Generator().manual_seed(2)):
        assert torch.equal(checks.non_max_suppression.body.right(**case), nms(*case.values()))


def test_the_right_average_precision_is_the_librarys_and_the_example_is_as_told():
    for case in checks.average_precision.body.cases(torch.Generator().manual_seed(2)):
        hits = torch.tensor(case["hits"], dtype=torch.bool)
        assert check.area(**case) == pytest.approx(detection.average_precision(hits, case["digits"]))
    assert check.area([True, False, True, True, False], 4) == pytest.approx(1 / 4 + 2 * 3 / 16)


def test_every_fault_has_words_and_shows_in_its_figures():
    for fault in check.FAULTS:
        assert (fault, None) in check.LOOK_AGAIN
    assert sorted(check.MYSTERIES.values()) == sorted(check.FAULTS)
    digits = draw(240, seed=5)
    scene = detection.scatter(digits.images, digits.labels, seed=5)
    reports = check.mystery_detectors(models.pretrained("detector"), scene)
    figures = {check.MYSTERIES[letter]: report.figures for letter, report in reports.items()}
    healthy = figures["healthy"]
    assert min(healthy["recall"], healthy["precision"]) > 0.93
    assert figures["shifted"]["overlap of hits"] < healthy["overlap of hits"] - 0.15
    assert figures["counts twice"]["boxes a digit"] > 2
    assert figures["counts twice"]["boxes on no digit"] < 0.05 < figures["knows no nothing"]["boxes on no digit"]
    assert figures["counts twice"]["recall"] > 0.93
    for fault in ("too strict", "hides neighbours"):
        assert figures[fault]["boxes a digit"] < 0.9
        assert figures[fault]["precision"] > 0.9
    assert figures["too strict"]["lowest score"] > 0.99
    assert figures["hides neighbours"]["lowest score"] < 0.9
    heats = models.pretrained("detector").heat(scene.images)
    by_hand = [check.with_fault(c[0], h, "healthy") for c, h in zip(scene.images, heats, strict=True)]
    theirs = models.pretrained("detector").detect(scene.images)
    assert all(torch.equal(a.boxes, b.boxes) for a, b in zip(by_hand, theirs, strict=True))
