"""Checks of chapter 4: cross-entropy, one training step, the diagnosis of six trainings."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.checks.compare import TOLERANCE, compare, same
from course_lib.checks.core import exercise
from course_lib.checks.formula import SEEDS, Case, Formula, normal, with_graph
from course_lib.checks.guard import Forbidden
from course_lib.checks.lettered import expect_words
from course_lib.checks.signs import SMALL, cut_off, infinite
from course_lib.checks.spies import Spy, explained, flat, note_learning, one_loss, with_numbers
from course_lib.checks.verdict import WrongAnswer
from course_lib.data.batches import batches
from course_lib.data.imageset import ImageSet, ink

CHAPTER = "04_training_a_cnn"

# ---------------------------------------------------------------------------------------------------------------------
# Exercise 1: cross_entropy
# ---------------------------------------------------------------------------------------------------------------------

READY_MADE_LOSS = Forbidden(
    "your code calls torch's own cross-entropy: write it out, from logits, exp and log",
    operations=("nll_loss*",),
    functions=(F.cross_entropy, F.nll_loss, F.multi_margin_loss),
)

UNSTABLE = (
    "with logits of 1000 or -1000 your loss is infinite or NaN: subtract each row's largest logit before exp, and take "
    "log(sum of exp) instead of the logarithm of a quotient"
)


def labelled(generator: torch.Generator) -> Iterator[Case]:
    """One chance of e^-300, ordinary logits, then logits far from zero to both sides, and a thousand apart."""

    def case(logits: Tensor) -> Case:
        labels = torch.randint(logits.shape[1], (len(logits),), generator=generator)
        return {"logits": logits, "labels": labels}

    yield {"logits": torch.tensor([[2.0, -SMALL], [-5.0, 1.0]], dtype=torch.float64), "labels": torch.tensor([1, 1])}
    for count, classes, spread, mean in ((6, 4, 1, 0), (5, 9, 3, 2), (1, 3, 1, 0), (7, 7, 1, -1)):
        yield case(spread * normal(generator, count, classes) + mean)
    for count, centre in ((4, 1000), (3, -1000)):
        yield case(normal(generator, count, 5) + centre)
    yield case(normal(generator, 2, 3) + torch.tensor([[1000.0], [0.0]]))
    yield {"logits": torch.tensor([[1000.0, 0.0]], dtype=torch.float64), "labels": torch.tensor([1])}


def of_label(values: Tensor, y: Tensor) -> Tensor:
    return values[torch.arange(len(y)), y]


def onehot(z: Tensor, y: Tensor) -> Tensor:
    return F.one_hot(y, z.shape[1]).to(z)


def costs(z: Tensor, y: Tensor) -> Tensor:
    return z.logsumexp(dim=1) - of_label(z, y)


def entropy(z: Tensor, y: Tensor) -> Tensor:
    return costs(z, y).mean()


def by_exp(z: Tensor, y: Tensor, in_sum: Tensor | int, in_right: Tensor | int) -> Tensor:
    """log(sum of exp) minus the right logit, with something subtracted from the logits in each of the two."""
    return ((z - in_sum).exp().sum(dim=1).log() - of_label(z - in_right, y)).mean()


cross_entropy = exercise(CHAPTER, "cross_entropy", READY_MADE_LOSS)(
    Formula(
        entropy,
        labelled,
        leaves=("logits",),
        what="your loss",
        read=with_graph,
        wrong={
            "not stable": (lambda z, y: by_exp(z, y, 0, 0), UNSTABLE),
            "one maximum for all": (
                lambda z, y: by_exp(z, y, z.max(), z.max()),
                "with one row near 1000 and one near 0 your loss is infinite: subtract each row's own largest logit, "
                "not the largest of the whole batch",
            ),
            "log of zero": (
                lambda z, y: -of_label(z.softmax(dim=1), y).log().mean(),
                "for logits 1000 and 0 the second class should cost 1000, but your loss is infinite: a probability "
                "rounds to 0 before its logarithm; take log(sum of exp) minus the right logit",
            ),
            "maximum subtracted in the sum only": (
                lambda z, y: by_exp(z, y, z.amax(dim=1, keepdim=True), 0),
                "you subtract the largest logit inside the sum of exp only: subtract it from the right logit, too",
            ),
            "maximum subtracted from the right logit only": (
                lambda z, y: by_exp(z, y, 0, z.amax(dim=1, keepdim=True)),
                "you subtract the largest logit from the right one only: subtract it inside the sum of exp, too",
            ),
            "sum": (lambda z, y: costs(z, y).sum(), "you added the losses of the images up: take their mean"),
            "not averaged": (costs, "you return one loss per image: take the mean over the batch"),
            "mean over classes too": (
                lambda z, y: entropy(z, y) / z.shape[1],
                "you averaged over all N x K entries, zeros included: only one entry per image counts, so divide by N",
            ),
            "wrong sign": (
                lambda z, y: -entropy(z, y),
                "the sign is wrong: the loss is MINUS the logarithm of a probability, so never negative",
            ),
            "softmax twice": (
                lambda z, y: entropy(z.softmax(dim=1), y),
                "you applied softmax twice: the logits go into log(sum of exp) as they are",
            ),
            "softmax over the batch": (
                lambda z, y: -of_label(z.log_softmax(dim=0), y).mean(),
                "your softmax runs over the images: each image's K probabilities add up to one, so use dim=1",
            ),
            "base 2": (
                lambda z, y: entropy(z, y) / math.log(2),
                "you used the logarithm to base 2: use the natural one, torch.log",
            ),
            "base 10": (
                lambda z, y: entropy(z, y) / math.log(10),
                "you used the logarithm to base 10: use the natural one, torch.log",
            ),
            "no logarithm": (
                lambda z, y: -of_label(z.softmax(dim=1), y).mean(),
                "you took minus the probability itself: take minus its logarithm",
            ),
            "one minus": (
                lambda z, y: (1 - of_label(z.softmax(dim=1), y)).mean(),
                "you computed 1 - probability: take minus its logarithm",
            ),
            "log of the mean": (
                lambda z, y: -of_label(z.softmax(dim=1), y).mean().log(),
                "you took the logarithm of the mean probability: first the logarithm of each, then the mean",
            ),
            "only the right logit": (
                lambda z, y: -of_label(z, y).mean(),
                "you left out log(sum of exp): the loss is that, minus the right logit",
            ),
            "only the log-sum": (
                lambda z, y: z.logsumexp(dim=1).mean(),
                "you left out the right logit: the loss is log(sum of exp) minus it",
            ),
            "all classes": (
                lambda z, y: -z.log_softmax(dim=1).sum(dim=1).mean(),
                "you summed over all classes: only the right class of each image counts",
            ),
            "yes-or-no loss": (
                lambda z, y: F.binary_cross_entropy_with_logits(z, onehot(z, y)),
                "you computed K separate yes-or-no losses with sigmoids: the classes share one softmax",
            ),
            "squared error": (
                lambda z, y: F.mse_loss(z.softmax(dim=1), onehot(z, y)),
                "you computed a squared error: take minus the logarithm of the right probability",
            ),
            "the answer, not the label": (
                lambda z, y: -z.log_softmax(dim=1).amax(dim=1).mean(),
                "you took the largest probability: take that of the right class, labels says which",
            ),
        },
        signs={
            "not stable": (infinite, UNSTABLE),
            "clamped": (
                cut_off,
                "far from zero your loss is cut off: a logit or a probability is clamped, or something is added before "
                "a logarithm; log(sum of exp) minus the right logit needs neither, once each row's largest logit is "
                "subtracted",
            ),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 2: train_step
# ---------------------------------------------------------------------------------------------------------------------

BATCHES = ((6, 1), (6, 1), (1, 1), (6, 1000))  # the images of each call, and the size of their numbers

Step = Callable[[nn.Module, torch.optim.Optimizer, Tensor, Tensor], Any]


class Rehearsal:
    """Some calls of a step from one start, and everything that can be seen of them."""

    def __init__(self, step: Step, seed: int):
        generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            layers = nn.Flatten(), nn.Linear(24, 7), nn.Sequential(nn.ReLU(), nn.Linear(7, 5))  # modes in every depth
            self.model = with_numbers(Spy(*layers), generator)
        for weights in self.model.parameters():  # gradients of a batch before
            weights.grad = normal(generator, *weights.shape)
        optimizer = torch.optim.SGD(self.model.parameters(), lr=0.1, momentum=0.5)
        self.events: list[str] = []
        note_learning(self.model, optimizer, self.events)
        self.images: list[Tensor] = []
        self.calls: list[list] = []
        self.returned: list[Any] = []
        self.steps: list[int] = []
        self.weights = [flat(self.model)]
        for count, size in BATCHES:
            self.images.append(size * normal(generator, count, 2, 3, 4))
            labels = torch.randint(5, (count,), generator=generator)
            self.model.eval()
            before, forwards = self.events.count("step"), len(self.model.calls)
            self.returned.append(step(self.model, optimizer, self.images[-1].clone(), labels))
            self.steps.append(self.events.count("step") - before)
            self.calls.append(self.model.calls[forwards:])
            self.weights.append(flat(self.model))


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


STEP_MISTAKES: dict[str, tuple[Step, str]] = {
    "zero_grad missing": (
        descent(order="lbs"),
        "gradients of earlier batches pile up: call optimizer.zero_grad() before backward",
    ),
    "zero_grad only after the step": (
        descent(order="lbsz"),
        "the first step uses gradients that were there before your function was called: call optimizer.zero_grad() "
        "before backward, not at the end",
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
        descent(partial(F.cross_entropy, reduction="sum")),
        "you used the sum over the batch: the loss is the mean, else the step grows with the batch",
    ),
    "uphill": (descent(lambda z, y: -F.cross_entropy(z, y)), "your weights go uphill: the loss has the wrong sign"),
    "softmax over the batch": (
        descent(lambda z, y: F.nll_loss(z.log_softmax(dim=0), y)),
        "your softmax runs over the images: it belongs over the classes, dim=1; F.cross_entropy does that",
    ),
    "log of softmax": (
        descent(lambda z, y: F.nll_loss(z.softmax(dim=1).log(), y)),
        "with large logits a probability rounds to 0 and its logarithm is infinite: pass the logits as they are to "
        "F.cross_entropy, which takes no such detour",
    ),
    "squared error": (
        descent(lambda z, y: F.mse_loss(z.softmax(dim=1), F.one_hot(y, z.shape[1]).to(z))),
        "you minimised a squared error: use F.cross_entropy(logits, labels)",
    ),
}
NO_WAY_BACK = (
    "no gradient",
    "backward finds no way back to the weights: no torch.no_grad around the forward pass, and no argmax, .detach() or "
    ".item() between the logits and the loss",
)
TOO_EARLY = (
    "step before backward",
    "you step before backward, when this batch has no gradient yet: backward first, then step",
)
COMPLAINTS = {  # what torch says -> the mistake
    "does not require grad": NO_WAY_BACK,
    "modified by an inplace operation": TOO_EARLY,  # the weights changed between forward and backward
    "not implemented for 'Long'": (
        "arguments swapped",
        "the loss got the labels in place of the logits: F.cross_entropy(logits, labels)",
    ),
}


@exercise(CHAPTER)
def train_step(answer: Callable) -> None:
    """answer(model, optimizer, images, labels) -> the loss, after one update of the model."""
    for seed in SEEDS:
        with torch.enable_grad(), explained(COMPLAINTS):
            seen = Rehearsal(answer, seed)
        right = Rehearsal(descent(), seed)
        check_calls(seen)
        check_order(seen)
        if not same(seen.weights, right.weights, TOLERANCE):
            mistakes = {name: (Rehearsal(step, seed).weights, words) for name, (step, words) in STEP_MISTAKES.items()}
            compare(seen.weights, right.weights, "the weights after each call", mistakes, TOLERANCE)
        check_modes(seen)
        check_returned(seen, torch.stack(right.returned))


def check_calls(seen: Rehearsal) -> None:
    """The model is called on the images as they are, and its optimizer steps once."""
    if not all(seen.calls):
        raise WrongAnswer("no forward", "the model you were given was not called: logits = model(images)")
    if 0 in seen.steps:
        raise WrongAnswer("no step", "the optimizer you were given took no step: the update is optimizer.step()")
    if max(seen.steps) > 1:
        raise WrongAnswer("two steps", "the optimizer took more than one step per call: one batch, one step")
    for images, calls in zip(seen.images, seen.calls, strict=True):
        if any(not torch.equal(call.inputs[0], images) for call in calls):
            raise WrongAnswer("images changed", "the model did not get the images as they are: logits = model(images)")


def check_order(seen: Rehearsal) -> None:
    """Whether anything moved, and if not, why."""
    if any(not torch.equal(weights, seen.weights[0]) for weights in seen.weights):
        return
    if "gradient" not in seen.events:
        raise WrongAnswer(*NO_WAY_BACK)
    if seen.events.index("step") < seen.events.index("gradient"):
        raise WrongAnswer(*TOO_EARLY)
    raise WrongAnswer(
        "zero_grad before step",
        "nothing moved: no gradient was left when the optimizer stepped. The order is zero_grad, backward, step",
    )


def check_modes(seen: Rehearsal) -> None:
    modes = [calls[0].modes for calls in seen.calls]
    if any(any(each) and not all(each) for each in modes):
        raise WrongAnswer(
            "submodules in eval mode",
            "a part of the model was still in eval mode: model.train() sets the mode of all parts, "
            "model.training = True does not",
        )
    if not all(all(each) for each in modes):
        raise WrongAnswer(
            "eval mode", "the forward pass ran in eval mode, where dropout is off: call model.train() first"
        )


def check_returned(seen: Rehearsal, wanted: Tensor) -> None:
    if any(value is None for value in seen.returned):
        raise WrongAnswer("nothing returned", "the weights are right, but you return nothing: return the loss")
    losses = [one_loss(value) for value in seen.returned]
    if any(len(calls) > 1 for calls in seen.calls):
        raise WrongAnswer(
            "two forward passes",
            "you call the model more than once: return the loss of the forward pass you trained on",
        )
    compare(torch.stack(losses), wanted, "the list of losses that you return", {}, TOLERANCE)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 3: diagnosis
# ---------------------------------------------------------------------------------------------------------------------

VERDICTS = ("healthy", "overfitting", "rate too high", "rate too low", "softmax twice", "validation leak")
PATIENTS = {  # letter -> what is wrong; `mysteries` trains them so
    "A": "rate too low",
    "B": "validation leak",
    "C": "healthy",
    "D": "softmax twice",
    "E": "overfitting",
    "F": "rate too high",
}
MANY, FEW, VALIDATION = 1400, 100, 600  # images


def mysteries(images: ImageSet, steps: int = 400, every: int = 20) -> dict[str, dict[str, Any]]:
    """Train the six patients on the first images of a set, and validate them on the last.

    Each run has the lists "step", "training" (loss) and "validation" (loss), the final "accuracy" on the validation
    images, and how many "images" it learned from. The same images give the same curves.
    """
    return {letter: patient(images, illness, steps, every) for letter, illness in PATIENTS.items()}


def patient(images: ImageSet, illness: str, steps: int, every: int) -> dict[str, Any]:
    """One training of a tiny network that has the illness."""
    known = images[: FEW if illness in ("overfitting", "validation leak") else MANY]
    unknown = known if illness == "validation leak" else images[-VALIDATION:]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        size, channels = images.images.shape[-1] // 2, images.images.shape[1]
        net = nn.Sequential(
            nn.AvgPool2d(2), nn.Flatten(), nn.Linear(channels * size**2, 64), nn.ReLU(), nn.Linear(64, 10)
        )
    rate = {"rate too high": 0.5, "rate too low": 2e-5, "overfitting": 1e-2}.get(illness, 3e-3)
    optimizer = torch.optim.Adam(net.parameters(), lr=rate)

    def loss_of(part: ImageSet | Any) -> Tensor:
        logits = net(ink(part.images))
        return F.cross_entropy(logits.softmax(dim=1) if illness == "softmax twice" else logits, part.labels)

    order = batches(known, 50, seed=0)
    run: dict[str, Any] = {"step": [], "training": [], "validation": [], "images": len(known)}
    for step in range(steps + 1):
        if step % every == 0:
            with torch.no_grad():
                run["step"].append(step)
                run["training"].append(float(loss_of(known)))
                run["validation"].append(float(loss_of(unknown)))
        loss = loss_of(order.at(step))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        read = net(ink(unknown.images)).argmax(dim=1)
    return run | {"accuracy": float((read == unknown.labels).float().mean())}


LOOK_AGAIN = {  # what it is, what was said -> what to look at; None stands for any other word
    ("rate too low", "softmax twice"): "its loss is still falling, in an even line, when the training ends: a softmax "
    "too many would hold it above 1.46, and it is nowhere near that",
    ("rate too low", None): "both its losses fall together, evenly and hardly at all: what would a larger step do?",
    ("validation leak", "healthy"): "a network that learned from 100 images cannot be as good on new ones as on its "
    "own: where do these validation images come from?",
    (
        "validation leak",
        "overfitting",
    ): "overfitting parts the two curves; here they lie on each other, down to 0, with 100 images",
    ("validation leak", None): "compare the two curves with those of the other run on 100 images",
    ("healthy", "overfitting"): "a small gap is normal: in overfitting the validation loss turns and climbs",
    (
        "healthy",
        "validation leak",
    ): "its two curves part a little, as they should on new images, and it had 1,400 images to learn from",
    ("healthy", None): "both losses fall far, stay low, and the accuracy is good",
    (
        "softmax twice",
        "rate too low",
    ): "its loss has stopped falling, while the accuracy is good: a low rate would still "
    "be on its way. What holds a loss above 1.46?",
    ("softmax twice", None): "the accuracy is good, yet the loss stays above 1.46: which mistake has that floor?",
    ("overfitting", "rate too high"): "its training loss falls smoothly to 0: a rate too high would shake that, too",
    ("overfitting", "validation leak"): "its validation loss is far above its training loss: these are new images",
    ("overfitting", None): "its training loss goes to 0: what does the validation loss do meanwhile?",
    ("rate too high", "overfitting"): "its training loss is bad, too: overfitting is good on its own images",
    ("rate too high", None): "both losses tremble near ln 10 and never fall: what makes every step overshoot?",
}


@exercise(CHAPTER)
def diagnosis(answer: Callable) -> None:
    """answer() -> letter -> one of VERDICTS, one a letter."""
    expect_words(answer(), PATIENTS, VERDICTS, LOOK_AGAIN)
