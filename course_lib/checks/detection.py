"""Checks of chapter 17: a dense layer that slides, suppression, average precision, the diagnosis of six detectors."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
import torchvision
from torch import Tensor
from torch.nn import functional as F

from course_lib.checks.compare import explain
from course_lib.checks.core import exercise
from course_lib.checks.formula import Case, Formula, normal
from course_lib.checks.guard import Forbidden
from course_lib.checks.lettered import expect_words
from course_lib.checks.verdict import WrongAnswer
from course_lib.cnn import detection as library
from course_lib.cnn.detection import Canvases, Detector, Found

CHAPTER = "17_detection"

# ---------------------------------------------------------------------------------------------------------------------
# Exercise 1: dense_slides
# ---------------------------------------------------------------------------------------------------------------------


def maps_and_weights(generator: torch.Generator) -> Iterator[Case]:
    for (n, c, high, wide), outputs, (h, w) in (
        ((2, 3, 5, 7), 4, (2, 3)),
        ((1, 2, 3, 4), 5, (3, 4)),  # fits once
        ((2, 2, 6, 6), 3, (3, 3)),
        ((1, 4, 4, 5), 2, (1, 2)),
    ):
        weight, bias = normal(generator, outputs, h * w * c), normal(generator, outputs)
        yield {"maps": normal(generator, n, c, high, wide), "weight": weight, "bias": bias, "height": h, "width": w}


def channels_last(weight: Tensor, c: int, h: int, w: int) -> Tensor:
    """[O, h * w * c] -> kernels [O, c, h, w]."""
    return weight.reshape(-1, h, w, c).permute(0, 3, 1, 2)


def slid(
    maps: Tensor,
    weight: Tensor,
    bias: Tensor,
    height: int,
    width: int,
    *,
    kernels: Callable[[Tensor, int, int, int], Tensor] = channels_last,
    shift: Callable[[Tensor], Tensor | None] = lambda bias: bias,
    finish: Callable[[Tensor], Tensor] = lambda answers: answers,
    **how: Any,
) -> Tensor:
    """The dense layer at every place; the options are what the mistakes change."""
    return finish(F.conv2d(maps, kernels(weight, maps.shape[1], height, width), shift(bias), **how))


dense_slides = exercise(CHAPTER, "dense_slides")(
    Formula(
        slid,
        maps_and_weights,
        leaves=("maps", "weight", "bias"),
        what="your answers",
        wrong={
            "channels first": (
                partial(slid, kernels=lambda weight, c, h, w: weight.reshape(-1, c, h, w)),
                "you cut the rows as the chapter does, channel by channel: THIS layer's rows run over height, then "
                "width, then channels, so reshape to [O, h, w, C], then MOVE C to the front (permute)",
            ),
            "width before height": (
                partial(slid, kernels=lambda weight, c, h, w: weight.reshape(-1, w, h, c).permute(0, 3, 2, 1)),
                "height and width are exchanged: a row runs through one line of the map after the other, so height "
                "comes first",
            ),
            "turned around": (
                partial(slid, kernels=lambda weight, c, h, w: channels_last(weight, c, h, w).flip(2, 3)),
                "your kernel is turned around: conv2d lays it on the map as it is, as the dense layer does",
            ),
            "outputs and inputs exchanged": (
                partial(
                    slid, kernels=lambda weight, c, h, w: channels_last(weight.T.reshape(len(weight), -1), c, h, w)
                ),
                "you turned the weight matrix over: a row of it belongs to one output, and becomes one kernel",
            ),
            "no bias": (partial(slid, shift=lambda bias: None), "the bias is missing: it is added at every place"),
            "padded": (
                lambda maps, weight, bias, height, width: slid(
                    maps, weight, bias, height, width, padding=(height // 2, width // 2)
                ),
                "you padded: here only the places count where the window lies in the map",
            ),
            "stride of a window": (
                lambda maps, weight, bias, height, width: slid(
                    maps, weight, bias, height, width, stride=(height, width)
                ),
                "your windows lie side by side: slide by one place at a time",
            ),
            "one answer": (
                partial(slid, finish=lambda answers: answers[:, :, :1, :1]),
                "you read the window at the top left only: one answer is wanted for each place",
            ),
            "averaged": (
                partial(slid, finish=lambda answers: answers.mean(dim=(2, 3), keepdim=True)),
                "you averaged over the places: each has an answer of its own",
            ),
            "answers last": (
                partial(slid, finish=lambda answers: answers.permute(0, 2, 3, 1)),
                "the right numbers in another order of axes: return [N, O, places down, places across]",
            ),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 2: non_max_suppression
# ---------------------------------------------------------------------------------------------------------------------

READY_MADE_SUPPRESSION = Forbidden(
    "your code calls a suppression that others wrote: write the loop out (box_iou is allowed)",
    operations=("nms", "*_nms"),
    functions=(torchvision.ops.nms, torchvision.ops.batched_nms, library.suppress),
)


def heaps(generator: torch.Generator) -> Iterator[Case]:
    """Random boxes of ordinary size, very small ones and ones very far out, then the edges of the rule."""

    def case(boxes: list | Tensor, threshold: float) -> Case:
        scores = torch.rand(len(boxes), generator=generator, dtype=torch.float64)
        return {"boxes": torch.as_tensor(boxes, dtype=torch.float64), "scores": scores, "threshold": threshold}

    for count, threshold, size, away in (
        *((24, 0.3, 1, 0), (8, 0.5, 1, 0), (8, 0.1, 1, 0), (1, 0.5, 1, 0)),
        *((8, 0.3, 1e-6, 0), (8, 0.3, 1, 1e8)),
    ):
        corner = torch.rand(count, 2, generator=generator, dtype=torch.float64) * torch.tensor([60, 30])
        side = torch.rand(count, 2, generator=generator, dtype=torch.float64) * torch.tensor([20, 30]) + 6
        yield case(size * torch.cat([corner, corner + side], dim=1) + away, threshold)
    chain = case([[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10], [30, 40, 36, 46]], 0.4)
    yield chain | {"scores": torch.tensor([0.9, 0.8, 0.7, 0.95]).double()}  # 1 overlaps 0 and 2; those two hardly
    yield case([[0, 0, 8, 8], [0, 0, 8, 4], [20, 20, 24, 28]], 0.5)  # IoU of the first two: exactly 1/2
    for threshold in (0.0, 0.5):  # one box twice, and one that touches it
        yield case([[1, 2, 3, 4], [1, 2, 3, 4], [3, 2, 5, 4]], threshold)


def overlaps(boxes: Tensor, *, clamped: bool = True, union: str = "right", more: float = 0, pixel: float = 0) -> Tensor:
    """[M, M]: the IoU of all pairs; the options are what the mistakes change."""
    corner = torch.maximum(boxes[:, None, :2], boxes[None, :, :2])
    side = torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:]) - corner + pixel
    both = (side.clamp(min=0) if clamped else side).prod(dim=-1)
    area = (boxes[:, 2:] - boxes[:, :2] + pixel).prod(dim=1)
    one, other = area[:, None], area[None]
    unions = {"right": one + other - both, "twice": one + other, "smaller": torch.minimum(one, other)}
    return both / (unions[union] + more)


def descending(scores: Tensor) -> Tensor:
    return scores.argsort(descending=True)


def suppress(
    boxes: Tensor,
    scores: Tensor,
    threshold: float,
    *,
    iou: Callable[[Tensor], Tensor] = overlaps,
    order: Callable[[Tensor], Tensor] = descending,
    drops: Callable[[Tensor, float], Tensor] = torch.gt,
    against: str = "kept",
    finish: Callable[[Tensor, Tensor, Tensor], Tensor] = lambda kept, boxes, scores: kept,
) -> Tensor:
    """Greedy suppression; the options are what the mistakes change."""
    table = iou(boxes)
    lists: dict[str, list[int]] = {"kept": [], "seen": [], "last": []}
    for i in order(scores).tolist():
        if not drops(table[lists[against], i], threshold).any():
            lists["kept"].append(i)
            lists["last"] = [i]
        lists["seen"].append(i)
    return finish(torch.tensor(lists["kept"], dtype=torch.int64), boxes, scores)


def but(**change: Any) -> Callable:
    return partial(suppress, **change)


def measured(**change: Any) -> Callable:
    return but(iou=partial(overlaps, **change))


def marked(kept: Tensor, boxes: Tensor, scores: Tensor) -> Tensor:
    return torch.zeros(len(boxes), dtype=torch.bool).index_fill(0, kept, True)


def indices(value: Any) -> Any:
    """Whole numbers where a list of numbers came back."""
    if isinstance(value, Tensor) and value.ndim == 1 and value.dtype not in (torch.int64, torch.bool):
        raise WrongAnswer(
            "dtype", f"your indices are {value.dtype}, expected int64: torch.tensor(kept, dtype=torch.int64)"
        )
    return value


def no_boxes(answer: Callable) -> None:
    try:
        got = answer(torch.zeros(0, 4, dtype=torch.float64), torch.zeros(0, dtype=torch.float64), 0.5)
    except (IndexError, RuntimeError, ValueError) as error:
        stops = f"with no boxes at all your code stops with {type(error).__name__}: return an empty int64 tensor there"
        raise WrongAnswer("no boxes", stops) from None
    if isinstance(got, Tensor) and got.dtype != torch.int64:
        raise WrongAnswer(
            "empty list",
            f"with no boxes at all you return {got.dtype}: an empty list has no whole numbers to go by, so say it, "
            "torch.tensor(kept, dtype=torch.int64)",
        )
    if not isinstance(got, Tensor) or got.shape != (0,):
        explain(got, torch.zeros(0, dtype=torch.int64), "with no boxes at all your result")


non_max_suppression = exercise(CHAPTER, "non_max_suppression", READY_MADE_SUPPRESSION)(
    Formula(
        suppress,
        heaps,
        what="the list of kept indices",
        read=indices,
        also=(no_boxes,),
        wrong={
            "suppresses at equality": (
                but(drops=torch.ge),
                "a box whose IoU equals the threshold is dropped: only IoU > threshold drops it",
            ),
            "any overlap": (
                but(drops=lambda iou, _: iou > 0),
                "you drop every box that overlaps a kept one at all: drop it only if IoU > threshold",
            ),
            "keeps the overlapping": (
                but(drops=torch.lt),
                "you drop the boxes with little overlap and keep the others: drop those with IoU > threshold",
            ),
            "not sorted": (
                but(order=lambda scores: torch.arange(len(scores))),
                "you took the boxes in the order given: begin with the most certain one, so sort by score first",
            ),
            "least certain first": (
                but(order=torch.argsort),
                "you began with the least certain box: sort the scores in descending order",
            ),
            "sorted positions": (
                but(finish=lambda kept, _, scores: descending(scores).argsort()[kept]),
                "you return positions in the sorted order: translate them back to indices into boxes, order[...]",
            ),
            "ascending": (
                but(finish=lambda kept, *_: kept.sort().values),
                "the right boxes, but in the order given: return the most certain first",
            ),
            "reversed": (
                but(finish=lambda kept, *_: kept.flip(0)),
                "the right boxes, but the least certain first: turn the list around",
            ),
            "suppressed boxes suppress": (
                but(against="seen"),
                "a box that was dropped still drops others: compare with kept boxes only",
            ),
            "only the last kept": (
                but(against="last"),
                "you compare only with the box kept last: a box must be clear of all kept boxes",
            ),
            "all suppressed": (
                but(finish=lambda kept, *_: kept[:1]),
                "only the most certain box is left: after it, go on with the most certain one of those not dropped",
            ),
            "nothing suppressed": (
                but(finish=lambda kept, _, scores: descending(scores)),
                "you only sorted: no box is ever dropped",
            ),
            "union counted twice": (
                measured(union="twice"),
                "the union is too large: area + area counts the shared part twice, so take it away once",
            ),
            "smaller area": (
                measured(union="smaller"),
                "you divide by the smaller area: divide by the union, area + area - shared",
            ),
            "not clamped": (
                measured(clamped=False),
                "disjoint boxes get an overlap: a negative width times a negative height is positive, so clamp both "
                "at 0",
            ),
            "pixel count": (measured(pixel=1), "you add 1 to widths and heights: here right - left is the width"),
            "epsilon in the union": (
                measured(more=1e-6),
                "you add a small number to the union, which is large beside the area of small boxes: add nothing, the "
                "union of two boxes is never 0",
            ),
            "x and y mixed": (
                but(iou=lambda boxes: overlaps(boxes[:, [0, 2, 1, 3]])),
                "your columns are mixed up: a box is left, top, right, bottom",
            ),
            "rounded": (
                lambda boxes, scores, threshold: suppress(boxes.float(), scores.float(), threshold),
                "boxes far out lose their digits: stay with the dtype of boxes, float32 is too coarse for them",
            ),
            "mask": (but(finish=marked), "you return a mask: return the indices of the kept boxes"),
            "boxes": (
                but(finish=lambda kept, boxes, _: boxes[kept]),
                "you return the boxes themselves: return their indices",
            ),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 3: average_precision
# ---------------------------------------------------------------------------------------------------------------------


def lists_of_hits(generator: torch.Generator) -> Iterator[Case]:
    """The list of the exercise, one that ends in misses, random ones, all hits, none, and no boxes at all."""
    yield {"hits": [True, False, True, True, False], "digits": 4}
    yield {"hits": [False, True, True, False, False, True, False], "digits": 5}
    for count, digits in ((12, 9), (20, 14), (9, 9)):
        yield {"hits": (torch.rand(count, generator=generator) < 0.6).tolist(), "digits": digits}
    yield {"hits": [True, True, True], "digits": 3}
    yield {"hits": [False, False], "digits": 2}
    yield {"hits": [], "digits": 3}


def area(
    hits: list[bool],
    digits: int,
    *,
    counted: Callable[[list[float]], list[float]] = lambda p: [max(p[k:]) for k in range(len(p))],
    share: Callable[[list[bool], int], float] = lambda hits, digits: digits,
    before: int = 0,
    order: Callable[[list[bool]], list[bool]] = lambda hits: hits,
) -> float:
    """Average precision; the options are what the mistakes change."""
    hits = order(list(hits))
    precision = [sum(hits[: k + 1]) / (k + 1 + before) for k in range(len(hits))]
    return float(sum(p for p, hit in zip(counted(precision), hits, strict=True) if hit) / (share(hits, digits) or 1))


def trapezoids(hits: list[bool], digits: int) -> float:
    """The area under straight lines from point to point."""
    recall = [0.0, *(sum(hits[: k + 1]) / digits for k in range(len(hits)))]
    precision = [1.0, *(sum(hits[: k + 1]) / (k + 1) for k in range(len(hits)))]
    return float(torch.trapezoid(torch.tensor(precision).double(), torch.tensor(recall).double()))


def sampled(hits: list[bool], digits: int) -> float:
    """As the COCO benchmark does it: the mean of the best precision at or beyond 101 recalls."""
    points = [(sum(hits[: k + 1]) / digits, sum(hits[: k + 1]) / (k + 1)) for k in range(len(hits))]
    return sum(max((p for r, p in points if r >= k / 100 - 1e-9), default=0.0) for k in range(101)) / 101


def harmonic(hits: list[bool], digits: int) -> float:
    return 2 * sum(hits) / max(len(hits) + digits, 1)


def plain_number(value: Any) -> Any:
    """A tensor or a NumPy number of one element counts as a float."""
    if type(value) is int:
        return float(value)
    return float(value) if getattr(value, "shape", None) == () else value


average_precision = exercise(
    CHAPTER,
    "average_precision",
    Forbidden(
        "your code calls course_lib's own version: write it out",
        functions=(library.average_precision, library.precision_recall),
    ),
)(
    Formula(
        area,
        lists_of_hits,
        read=plain_number,
        what="your area",
        stops={
            "no boxes": (
                lambda case: not case["hits"],
                "it stops for an empty list: where nothing is reported, the area is 0.0",
            ),
        },
        wrong={
            "not made to fall": (
                partial(area, counted=lambda p: p),
                "you take the precision as it comes: at every recall the BEST precision counts that is reached there "
                "or farther down the list",
            ),
            "best so far": (
                partial(area, counted=lambda p: [max(p[: k + 1]) for k in range(len(p))]),
                "you take the best precision up to here: look the other way, at the rest of the list",
            ),
            "best of all": (
                partial(area, counted=lambda p: [max(p)] * len(p)),
                "you take the best precision of the whole list everywhere: only what lies farther down counts",
            ),
            "misses forgotten": (
                partial(area, share=lambda hits, digits: sum(hits)),
                "you divide by the hits: digits that were never found belong to it too, so divide by `digits`",
            ),
            "divided by the boxes": (
                partial(area, share=lambda hits, digits: len(hits)),
                "you divide by the number of boxes: recall is about digits, so divide by `digits`",
            ),
            "one box late": (
                partial(area, before=1),
                "your precision divides by one box too many: after the first box there is one box",
            ),
            "least certain first": (
                partial(area, order=lambda hits: hits[::-1]),
                "you begin with the least certain box: the list comes with the most certain first",
            ),
            "precision only": (
                lambda hits, digits: sum(hits) / max(len(hits), 1),
                "that is the precision of the whole list: add up the areas of its steps",
            ),
            "recall only": (
                lambda hits, digits: sum(hits) / digits,
                "that is the recall of the whole list: each step counts with its precision",
            ),
            "mean of both": (harmonic, "that is the F1 score of the whole list: its order plays no part in it"),
            "trapezoids": (
                trapezoids,
                "you joined the points by slanted lines: the curve is a staircase, whose steps fall at the hits",
            ),
            "101 points": (
                sampled,
                "you sample the curve at 101 recalls, as the COCO benchmark does: here the exact area is wanted",
            ),
            "every box": (
                lambda hits, digits: float(
                    sum(max(sum(hits[: j + 1]) / (j + 1) for j in range(k, len(hits))) for k in range(len(hits)))
                    / max(len(hits), 1)
                ),
                "every box adds a step in your sum: only a hit moves recall, so only hits do",
            ),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 4: which_detector
# ---------------------------------------------------------------------------------------------------------------------

FAULTS = ("healthy", "shifted", "counts twice", "knows no nothing", "too strict", "hides neighbours")
MYSTERIES = {  # letter -> what is wrong with it
    "A": "too strict",
    "B": "knows no nothing",
    "C": "shifted",
    "D": "healthy",
    "E": "hides neighbours",
    "F": "counts twice",
}
STRICT = 0.9999  # a threshold


@dataclass(frozen=True)
class Report:
    """What a detector says of every canvas, and the figures of its exam."""

    found: list[Found]
    figures: dict[str, float]


def mystery_detectors(detector: Detector, scene: Canvases) -> dict[str, Report]:
    """One trained network in six programs, five of which have a fault; letter -> what it reports on these canvases."""
    heats = detector.heat(scene.images).cpu()
    made = {}
    for letter, fault in MYSTERIES.items():
        found = [with_fault(canvas[0].cpu(), heat, fault) for canvas, heat in zip(scene.images, heats, strict=True)]
        made[letter] = Report(found, exam(found, scene))
    return made


def with_fault(canvas: Tensor, heat: Tensor, fault: str) -> Found:
    """`library.found_on`, with one thing wrong."""
    if fault == "knows no nothing":  # ten probabilities that add up to 1 everywhere
        digits = heat[:-1] / heat[:-1].sum(0, keepdim=True).clamp_min(1e-30)
        heat = torch.cat([digits, 1 - digits.amax(0, keepdim=True)])
    threshold = STRICT if fault == "too strict" else 0.5
    wide, most = {"counts twice": (library.SIDE, 0.8), "hides neighbours": (2.2 * library.SIDE, 0.02)}.get(
        fault, (library.SIDE, library.SUPPRESS)
    )
    found = library.found_on(canvas, heat, threshold, most, wide)
    return replace(found, boxes=found.boxes + 3.0 * (fault == "shifted"))


def exam(found: list[Found], scene: Canvases) -> dict[str, float]:
    """Recall, precision and overlap as in the chapter; boxes for each digit, and how many of them touch none."""
    touching = boxes = 0
    for one, labels, true in zip(found, scene.labels.cpu(), scene.boxes.cpu(), strict=True):
        touching += int((library.pairwise_iou(one.boxes, true[labels >= 0]) > 0).any(1).sum())
        boxes += len(one.boxes)
    result = library.score(found, scene)
    return {
        "recall": result["recall"],
        "precision": result["precision"],
        "overlap of hits": result["overlap"],
        "boxes a digit": boxes / max(int(result["digits"]), 1),
        "boxes on no digit": 1 - touching / max(boxes, 1),
        "lowest score": min((float(one.scores.min()) for one in found if len(one.scores)), default=0.0),
    }


LOOK_AGAIN = {  # what it is, what was said -> what to look at; None stands for any other word
    (
        "healthy",
        "too strict",
    ): "its lowest score is well below that of the strictest of the six, and it misses hardly a digit",
    ("healthy", None): "it finds nearly all digits, once each, and its boxes sit well: what would be wrong with it?",
    ("shifted", "knows no nothing"): "its boxes touch digits, all of them: look at HOW they sit on them",
    ("shifted", None): "it reports one box a digit and few of them count: look at the overlap of those that do",
    ("counts twice", "knows no nothing"): "it has many boxes, but none on empty paper: where are they?",
    ("counts twice", None): "compare its recall with its boxes for each digit: every digit is found, and how often?",
    ("knows no nothing", "counts twice"): "its many boxes do not lie in heaps on the digits: many touch no digit at "
    "all",
    ("knows no nothing", None): "look at its boxes between the digits and on empty paper: it has a name for everything",
    ("too strict", "hides neighbours"): "look at its lowest score: what about all the places that are a little less "
    "certain?",
    ("too strict", None): "its boxes are right and there are too few of them; which is the lowest score it reports?",
    ("hides neighbours", "too strict"): "it does report boxes with low scores: look at WHICH digits are missing, and "
    "what stands beside them",
    ("hides neighbours", None): "its boxes are right and there are too few of them: which digits are missing, the "
    "lonely ones or those with company?",
}


@exercise(CHAPTER)
def which_detector(answer: Callable) -> None:
    """answer() -> letter -> one of FAULTS, one a letter."""
    expect_words(answer(), MYSTERIES, FAULTS, LOOK_AGAIN, once=True)
