"""Checks of chapter 4: the cross-entropy, one training step, and non-maximum suppression."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torchvision.ops import nms

from course_lib.checks.core import WrongAnswer, compare, exercise, untouched, withheld

CHAPTER = "04_training_a_cnn"

# ---------------------------------------------------------------------------------------------------------------------
# Exercise 1: cross_entropy
# ---------------------------------------------------------------------------------------------------------------------

torch_cross_entropy = F.cross_entropy  # the reference, while the learner's code cannot call it
LOGITS = [(6, 4, 1.0, 0.0), (5, 9, 3.0, 2.0), (1, 3, 1.0, 0.0), (7, 7, 1.0, -1.0)]  # images, classes, spread, mean


@exercise(CHAPTER)
def cross_entropy(answer: Callable) -> None:
    """answer(logits [N, K], labels [N]) -> the mean cross-entropy in nats, a tensor without axes."""
    generator = torch.Generator().manual_seed(4)
    with withheld(
        "your code calls torch's own cross-entropy: write it out, from logits, exp and log",
        "torch.nn.functional.cross_entropy",
        "torch.nn.functional.nll_loss",
    ):
        for count, classes, spread, mean in LOGITS:
            logits = spread * torch.randn(count, classes, generator=generator, dtype=torch.float64) + mean
            labels = torch.randint(classes, (count,), generator=generator)
            before, labels_before = logits.clone(), labels.clone()
            got = answer(logits, labels)
            untouched(before, logits, "logits")
            untouched(labels_before, labels, "labels")
            compare(got, torch_cross_entropy(logits, labels), "your loss", entropy_mistakes(logits, labels))
        survives(answer, generator)
        gradient(answer, generator)


def survives(answer: Callable, generator: torch.Generator) -> None:
    """Logits of a thousand, to both sides."""
    for centre in (1000.0, -1000.0):
        logits = torch.randn(4, 5, generator=generator) + centre
        got = answer(logits, torch.tensor([0, 4, 2, 1]))
        if not isinstance(got, Tensor) or not got.isfinite().all():
            raise WrongAnswer(
                "not stable",
                f"with logits near {centre:.0f} your loss is {float(got):.3g}: exp leaves the range of numbers, "
                "so subtract each row's largest logit first",
            )
        compare(got, torch_cross_entropy(logits, torch.tensor([0, 4, 2, 1])), "with large logits your loss", {}, 1e-3)
    logits, labels = torch.tensor([[1000.0, 999.0], [0.0, 1.0]]), torch.tensor([0, 1])
    got = answer(logits, labels)
    if not got.isfinite().all():
        raise WrongAnswer(
            "one maximum for all",
            f"with one row near 1000 and one near 0 your loss is {float(got):.3g}: subtract each row's own largest "
            "logit, not the largest of the whole batch",
        )
    logits, labels = torch.tensor([[1000.0, 0.0], [0.0, 200.0]]), torch.tensor([1, 1])
    got = answer(logits, labels)
    if not torch.allclose(got.float(), torch.tensor(500.0), rtol=1e-4):
        raise WrongAnswer(
            "log of zero",
            f"for logits 1000 and 0 the wrong class should cost 1000, mean 500, but you return {float(got):.4g}: a "
            "probability rounds to 0 before its logarithm; take log(sum of exp) minus the right logit",
        )


def gradient(answer: Callable, generator: torch.Generator) -> None:
    leaf = torch.randn(4, 6, generator=generator, dtype=torch.float64).requires_grad_()
    labels = torch.tensor([5, 0, 3, 3])
    got = answer(leaf, labels)
    if not got.requires_grad:
        raise WrongAnswer(
            "no gradient", "right number, but no gradient gets through: leave out .item(), .detach(), no_grad"
        )
    wanted = (leaf.detach().softmax(dim=1) - F.one_hot(labels, 6)) / 4
    (found,) = torch.autograd.grad(got, leaf)
    compare(found, wanted, "the gradient of your loss", {})


def entropy_mistakes(logits: Tensor, labels: Tensor) -> dict[str, tuple[Tensor, str]]:
    """What each misconception would give."""
    each = torch_cross_entropy(logits, labels, reduction="none")
    chances = logits.softmax(dim=1)
    rows = torch.arange(len(labels))
    chosen = chances[rows, labels]
    onehot = F.one_hot(labels, logits.shape[1]).to(logits)
    return {
        "sum": (each.sum(), "you added the losses of the images up: take their mean"),
        "not averaged": (each, "you return one loss per image: take the mean over the batch"),
        "mean over classes too": (
            each.mean() / logits.shape[1],
            "you averaged over all N x K entries, zeros included: only one entry per image counts, so divide by N",
        ),
        "wrong sign": (
            -each.mean(),
            "the sign is wrong: the loss is MINUS the logarithm of a probability, so never negative",
        ),
        "softmax twice": (
            torch_cross_entropy(chances, labels),
            "you applied softmax twice: the logits go into log(sum of exp) as they are",
        ),
        "softmax over the batch": (
            -logits.log_softmax(dim=0)[rows, labels].mean(),
            "your softmax runs over the images: each image's K probabilities add up to one, so use dim=1",
        ),
        "base 2": (
            each.mean() / torch.tensor(2.0).double().log(),
            "you used the logarithm to base 2: use the natural one, torch.log",
        ),
        "base 10": (
            each.mean() / torch.tensor(10.0).double().log(),
            "you used the logarithm to base 10: use the natural one, torch.log",
        ),
        "no logarithm": (-chosen.mean(), "you took minus the probability itself: take minus its logarithm"),
        "one minus": ((1 - chosen).mean(), "you computed 1 - probability: take minus its logarithm"),
        "log of the mean": (
            -chosen.mean().log(),
            "you took the logarithm of the mean probability: first the logarithm of each, then the mean",
        ),
        "only the right logit": (
            -logits[rows, labels].mean(),
            "you left out log(sum of exp): the loss is that, minus the right logit",
        ),
        "only the log-sum": (
            logits.logsumexp(dim=1).mean(),
            "you left out the right logit: the loss is log(sum of exp) minus it",
        ),
        "all classes": (
            -logits.log_softmax(dim=1).sum(dim=1).mean(),
            "you summed over all classes: only the right class of each image counts",
        ),
        "yes-or-no loss": (
            F.binary_cross_entropy_with_logits(logits, onehot),
            "you computed K separate yes-or-no losses with sigmoids: the classes share one softmax",
        ),
        "squared error": (
            F.mse_loss(chances, onehot),
            "you computed a squared error: take minus the logarithm of the right probability",
        ),
        "the answer, not the label": (
            -chances.amax(dim=1).log().mean(),
            "you took the largest probability: take that of the right class, labels says which",
        ),
    }


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 2: train_step
# ---------------------------------------------------------------------------------------------------------------------

CALLS = 3


class Watched(nn.Module):
    """A small network that notes how it was called."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(24, 7), nn.Tanh(), nn.Linear(7, 5)).double()
        self.modes: list[bool] = []

    def forward(self, images: Tensor) -> Tensor:
        self.modes.append(self.training)
        return self.layers(images)


Step = Callable[[nn.Module, torch.optim.Optimizer, Tensor, Tensor], object]


def right_step(model: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, labels: Tensor) -> Tensor:
    optimizer.zero_grad()
    loss = F.cross_entropy(model(images), labels)
    loss.backward()
    optimizer.step()
    return loss.detach()


def descent(change: Callable[[Tensor, Tensor], Tensor] = F.cross_entropy, order: str = "zlbs") -> Step:
    """A training step with another loss, or with its parts in another order: z(ero), l(oss), b(ackward), s(tep)."""

    def step(model: nn.Module, optimizer: torch.optim.Optimizer, images: Tensor, labels: Tensor) -> Tensor:
        for part in order:
            if part == "z":
                optimizer.zero_grad()
            elif part == "l":
                loss = change(model(images), labels)
            elif part == "b":
                loss.backward()
            else:
                optimizer.step()
        return loss.detach()

    return step


BEFORE_BACKWARD = "you step before backward, when this batch has no gradient yet: backward first, then step"
STEP_MISTAKES: dict[str, tuple[Step, str]] = {
    "zero_grad missing": (
        descent(order="lbs"),
        "gradients of earlier batches pile up: call optimizer.zero_grad() before backward",
    ),
    "one batch late": (
        descent(order="szlb"),
        "each update uses the gradient of the batch before: backward first, then step",
    ),
    "softmax first": (
        descent(lambda z, y: F.cross_entropy(z.softmax(dim=1), y)),
        "you put a softmax before the cross-entropy, which has its own: pass the logits as they are",
    ),
    "sum": (
        descent(lambda z, y: F.cross_entropy(z, y, reduction="sum")),
        "you used the sum over the batch: the loss is the mean, else the step grows with the batch",
    ),
    "uphill": (
        descent(lambda z, y: -F.cross_entropy(z, y)),
        "your weights go uphill: the loss has the wrong sign",
    ),
    "softmax over the batch": (
        descent(lambda z, y: F.nll_loss(z.log_softmax(dim=0), y)),
        "your softmax runs over the images: it belongs over the classes, dim=1; F.cross_entropy does that",
    ),
    "squared error": (
        descent(lambda z, y: F.mse_loss(z.softmax(dim=1), F.one_hot(y, z.shape[1]).to(z))),
        "you minimised a squared error: use F.cross_entropy(logits, labels)",
    ),
}


def rehearse(step: Step) -> tuple[list[object], nn.Module, list[int]]:
    """Three steps from one start, on three batches: what was returned, the model, the optimizer steps of each call."""
    generator = torch.Generator().manual_seed(7)
    with torch.random.fork_rng(devices=[]):  # the learner's random numbers stay as they are
        model = Watched()
    with torch.no_grad():
        for weights in model.parameters():
            weights.copy_(torch.randn(weights.shape, generator=generator, dtype=torch.float64) / 3)
    model.eval()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5, momentum=0.5)
    counts: list[int] = []
    optimizer.register_step_post_hook(lambda *_: counts.__setitem__(-1, counts[-1] + 1))
    returned = []
    for _ in range(CALLS):
        images = torch.randn(6, 2, 3, 4, generator=generator, dtype=torch.float64)
        labels = torch.randint(5, (6,), generator=generator)
        counts.append(0)
        returned.append(step(model, optimizer, images, labels))
    return returned, model, counts


def flat(model: nn.Module) -> Tensor:
    return torch.cat([weights.detach().flatten() for weights in model.parameters()])


@exercise(CHAPTER)
def train_step(answer: Callable) -> None:
    """answer(model, optimizer, images, labels) -> the loss, after one update of the model."""
    try:
        with torch.enable_grad():
            returned, model, counts = rehearse(answer)
    except RuntimeError as error:
        if "does not require grad" in str(error):
            raise WrongAnswer(
                "no gradient",
                "backward finds no way back to the weights: no torch.no_grad around the forward pass, and no argmax, "
                ".detach() or .item() between the logits and the loss",
            ) from None
        if "modified by an inplace operation" in str(error):  # the weights changed between forward and backward
            raise WrongAnswer("step before backward", BEFORE_BACKWARD) from None
        raise
    losses, reference, _ = rehearse(right_step)
    start = flat(rehearse(lambda *_: None)[1])
    got, wanted = flat(model), flat(reference)
    if not model.modes:
        raise WrongAnswer("no forward", "the model was never called: logits = model(images)")
    if set(counts) == {0}:
        raise WrongAnswer("no step", "the optimizer took no step: the update is optimizer.step()")
    if max(counts) > 1:
        raise WrongAnswer("two steps", "the optimizer took more than one step per call: one batch, one step")
    if torch.equal(got, start):
        stale = any(weights.grad is not None and bool(weights.grad.any()) for weights in model.parameters())
        if stale:
            raise WrongAnswer("step before backward", BEFORE_BACKWARD)
        raise WrongAnswer(
            "zero_grad before step",
            "nothing moved: no gradient was left when the optimizer stepped. The order is zero_grad, backward, step",
        )
    mistakes = {name: (flat(rehearse(step)[1]), message) for name, (step, message) in STEP_MISTAKES.items()}
    compare(got, wanted, "the weights after three steps", mistakes, 1e-9)
    if not model.modes[0]:
        raise WrongAnswer(
            "eval mode", "the forward pass ran in eval mode, where dropout is off: call model.train() first"
        )
    check_returned(returned, torch.stack(losses), model)


def check_returned(returned: list[object], wanted: Tensor, model: nn.Module) -> None:
    if any(value is None for value in returned):
        raise WrongAnswer("nothing returned", "the weights are right, but you return nothing: return the loss")
    if any(isinstance(value, Tensor) and value.requires_grad for value in returned):
        raise WrongAnswer(
            "keeps the graph",
            "the loss you return still holds its whole graph, and a list of them fills the memory: "
            "return loss.item() or loss.detach()",
        )
    if not all(isinstance(value, float | Tensor) for value in returned):
        raise WrongAnswer(
            "type", f"you return a {type(returned[0]).__name__}, expected a float or a tensor without axes"
        )
    if any(isinstance(value, Tensor) and value.ndim for value in returned):
        raise WrongAnswer("shape", f"the loss you return has shape {list(returned[0].shape)}, expected one number")
    got = torch.tensor([float(value) for value in returned], dtype=torch.float64)
    if len(model.modes) > CALLS:
        raise WrongAnswer(
            "two forward passes",
            "you call the model more than once: return the loss of the forward pass you trained on",
        )
    compare(got, wanted, "the list of three losses", {}, 1e-6)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 3: non_max_suppression
# ---------------------------------------------------------------------------------------------------------------------


@exercise(CHAPTER)
def non_max_suppression(answer: Callable) -> None:
    """answer(boxes [M, 4], scores [M], threshold) -> the indices kept, int64 [K], the most certain first."""
    for boxes, scores, threshold in suppressions():
        before, scores_before = boxes.clone(), scores.clone()
        got = answer(boxes, scores, threshold)
        untouched(before, boxes, "boxes")
        untouched(scores_before, scores, "scores")
        wanted = nms(boxes, scores, threshold)
        if not isinstance(got, Tensor):
            raise WrongAnswer("type", f"your result is a {type(got).__name__}, expected a tensor of indices, int64 [K]")
        if got.dtype == torch.bool:
            raise WrongAnswer("mask", "you return a mask: return the indices of the kept boxes, the most certain first")
        if got.ndim == 2 and got.shape[1:] == (4,):
            raise WrongAnswer("boxes", "you return the boxes themselves: return their indices")
        if got.dtype != torch.int64:
            raise WrongAnswer("dtype", f"your indices are {got.dtype}, expected int64")
        compare(got, wanted, "the list of kept indices", suppression_mistakes(boxes, scores, threshold))


def suppressions() -> list[tuple[Tensor, Tensor, float]]:
    generator = torch.Generator().manual_seed(11)
    cases = []
    for count, threshold in ((25, 0.3), (25, 0.5), (12, 0.1), (40, 0.2)):
        corner = torch.rand(count, 2, generator=generator, dtype=torch.float64) * torch.tensor([50, 30])
        side = torch.rand(count, 2, generator=generator, dtype=torch.float64) * torch.tensor([20, 30]) + 6
        scores = torch.rand(count, generator=generator, dtype=torch.float64)
        cases.append((torch.cat([corner, corner + side], dim=1), scores, threshold))
    chain = [[0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10], [30, 40, 36, 46]]  # 1 overlaps 0 and 2; those two hardly
    cases.append((torch.tensor(chain).double(), torch.tensor([0.9, 0.8, 0.7, 0.95]).double(), 0.4))
    halves = [[0, 0, 8, 8], [0, 0, 8, 4], [20, 20, 24, 28]]  # IoU of the first two: exactly 1/2
    cases.append((torch.tensor(halves).double(), torch.tensor([0.5, 0.4, 0.9]).double(), 0.5))
    cases.append((torch.zeros(0, 4).double(), torch.zeros(0).double(), 0.5))
    return cases


def overlaps(boxes: Tensor, clamp: bool = True, union: str = "right", pixel: float = 0.0) -> Tensor:
    """[M, M]: the IoU of all pairs; the options are what the mistakes change."""
    side = (
        torch.minimum(boxes[:, None, 2:], boxes[None, :, 2:]) - torch.maximum(boxes[:, None, :2], boxes[None, :, :2])
    ) + pixel
    side = side.clamp(min=0) if clamp else side
    both = side.prod(dim=-1)
    area = (boxes[:, 2:] - boxes[:, :2] + pixel).prod(dim=1)
    one, other = area[:, None], area[None]
    total = {
        "right": one + other - both,
        "twice": one + other,
        "smaller": torch.minimum(one, other),
        "own": one.expand_as(both),
    }
    return both / total[union]


def suppress(
    boxes: Tensor,
    iou: Tensor,
    threshold: float,
    order: Tensor,
    equal: bool = False,
    dead_too: bool = False,
    once: bool = False,
) -> Tensor:
    """Greedy suppression in a given order."""
    kept: list[int] = []
    seen: list[int] = []
    for i in order.tolist():
        against = seen if dead_too else kept[-1:] if once else kept
        ious = iou[against, i]
        if not bool((ious >= threshold if equal else ious > threshold).any()):
            kept.append(i)
        seen.append(i)
    return torch.tensor(kept, dtype=torch.int64)


def suppression_mistakes(boxes: Tensor, scores: Tensor, threshold: float) -> dict[str, tuple[Tensor, str]]:
    """What each misconception would give."""
    iou, order = overlaps(boxes), scores.argsort(descending=True)
    given = torch.arange(len(boxes))
    right = suppress(boxes, iou, threshold, order)
    places = order.argsort()  # index -> position in the sorted order

    def with_iou(changed: Tensor) -> Tensor:
        return suppress(boxes, changed, threshold, order)

    def swapped() -> Tensor:  # x1, x2, y1, y2 by mistake
        return overlaps(boxes[:, [0, 2, 1, 3]])

    return {
        "suppresses at equality": (
            suppress(boxes, iou, threshold, order, equal=True),
            "a box whose IoU equals the threshold is dropped: only IoU > threshold drops it",
        ),
        "not sorted": (
            suppress(boxes, iou, threshold, given),
            "you took the boxes in the order given: begin with the most certain one, so sort by score first",
        ),
        "least certain first": (
            suppress(boxes, iou, threshold, order.flip(0)),
            "you began with the least certain box: sort the scores in descending order",
        ),
        "sorted positions": (
            places[right],
            "you return positions in the sorted order: translate them back to indices into boxes, order[...]",
        ),
        "ascending": (right.sort().values, "the right boxes, but in the order given: return the most certain first"),
        "reversed": (right.flip(0), "the right boxes, but the least certain first: turn the list around"),
        "keeps the overlapping": (
            suppress(boxes, -iou, -threshold, order),
            "you drop the boxes with little overlap and keep the others: drop those with IoU > threshold",
        ),
        "suppressed boxes suppress": (
            suppress(boxes, iou, threshold, order, dead_too=True),
            "a box that was dropped still drops others: compare with kept boxes only",
        ),
        "only the last kept": (
            suppress(boxes, iou, threshold, order, once=True),
            "you compare only with the box kept last: a box must be clear of all kept boxes",
        ),
        "all suppressed": (
            order[:1],
            "only the most certain box is left: after it, go on with the most certain one of those not dropped",
        ),
        "nothing suppressed": (order, "you only sorted: no box is ever dropped"),
        "union counted twice": (
            with_iou(overlaps(boxes, union="twice")),
            "the union is too large: area + area counts the shared part twice, so take it away once",
        ),
        "smaller area": (
            with_iou(overlaps(boxes, union="smaller")),
            "you divide by the smaller area: divide by the union, area + area - shared",
        ),
        "not clamped": (
            with_iou(overlaps(boxes, clamp=False)),
            "disjoint boxes get an overlap: a negative width times a negative height is positive, so clamp both at 0",
        ),
        "pixel count": (
            with_iou(overlaps(boxes, pixel=1.0)),
            "you add 1 to widths and heights: here right - left is the width",
        ),
        "x and y mixed": (with_iou(swapped()), "your columns are mixed up: a box is left, top, right, bottom"),
    }
