"""Checks of chapter 7: relativistic losses, R1, the gradient penalty, precision, and the minibatch deviation."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.checks.core import WrongAnswer, closed, compare, exercise, expect_tensor, same, untouched
from course_lib.gan import stable_training as library
from course_lib.metrics import quality

CHAPTER = "07_stable_training"
DOUBLE = torch.float64
BORROWED = "your code calls course_lib's own version: write it out"


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 1: relativistic_losses
# ---------------------------------------------------------------------------------------------------------------------

PARTS = ("the discriminator's loss", "the generator's loss")


@exercise(CHAPTER)
def relativistic_losses(answer: Callable) -> None:
    """answer(real_logits [N], fake_logits [N]) -> (discriminator's loss, generator's loss), both means over pairs."""
    generator = torch.Generator().manual_seed(71)
    with closed(BORROWED, library.Relativistic.discriminator, library.Relativistic.generator):
        for count, spread, shift in ((7, 1.0, 0.0), (4, 3.0, 1.5), (5, 2.0, -1.0)):
            real = (spread * torch.randn(count, generator=generator, dtype=DOUBLE) + shift).requires_grad_()
            fake = (spread * torch.randn(count, generator=generator, dtype=DOUBLE)).requires_grad_()
            before = real.detach().clone(), fake.detach().clone()
            got = two_losses(answer(real, fake))
            untouched(before[0], real.detach(), "real_logits")
            untouched(before[1], fake.detach(), "fake_logits")
            wanted = F.softplus(fake - real).mean(), F.softplus(real - fake).mean()
            swapped_or_equal(got, wanted)
            for side in (0, 1):
                mistakes = relativistic_mistakes(*((real, fake) if side == 0 else (fake, real)))
                compare(got[side], wanted[side], PARTS[side], mistakes)
            pair_gradients(got, wanted, real, fake)
        far_apart(answer)


def two_losses(got: object) -> tuple[Tensor, Tensor]:
    if not isinstance(got, tuple | list) or len(got) != 2 or not all(isinstance(loss, Tensor) for loss in got):
        raise WrongAnswer("type", "return two tensors: the discriminator's loss, then the generator's")
    return got[0], got[1]


def swapped_or_equal(got: tuple[Tensor, Tensor], wanted: tuple[Tensor, Tensor]) -> None:
    """Mistakes that only show when both losses are seen side by side."""
    first, second = wanted
    if same(got[0], second) and same(got[1], first):
        raise WrongAnswer(
            "wrong sign",
            "your two losses are each other's: the discriminator wants real above fake, softplus(fake - real), the "
            "generator the opposite",
        )
    if same(got[0], first) and same(got[1], first):
        raise WrongAnswer(
            "both the same sign",
            "both your losses ask for real above fake: the generator wants the opposite, softplus(real - fake)",
        )
    if same(got[0], first) and same(got[1], -first):
        raise WrongAnswer(
            "minus the discriminator's",
            "your generator's loss is minus the discriminator's: that one is flat where the discriminator is sure; "
            "turn the difference around inside softplus instead",
        )


def relativistic_mistakes(winner: Tensor, loser: Tensor) -> dict[str, tuple[Tensor, str]]:
    """What each misconception gives for the side that wants `winner` above `loser`."""
    each = F.softplus(loser - winner)
    return {
        "sum": (each.sum(), "you added the pairs up: take their mean"),
        "not averaged": (each, "you return one loss per pair: take the mean"),
        "wrong sign": (
            F.softplus(winner - loser).mean(),
            "the sign inside is wrong: the discriminator pays softplus(fake - real), the generator softplus(real - "
            "fake)",
        ),
        "negative": (-each.mean(), "minus too much: softplus is positive and the loss is its plain mean"),
        "relativistic average": (
            F.softplus(loser.mean() - winner).mean(),
            "you compare each logit with the mean of the other side, the relativistic average: pair them one to one",
        ),
        "relativistic average, both halves": (
            F.softplus(loser.mean() - winner).mean() + F.softplus(loser - winner.mean()).mean(),
            "you compare each logit with the mean of the other side, the relativistic average: pair them one to one",
        ),
        "softplus of the mean": (
            F.softplus((loser - winner).mean()),
            "you averaged the differences before softplus: first softplus of each pair, then the mean",
        ),
        "all pairs": (
            F.softplus(loser[:, None] - winner[None]).mean(),
            "you compared every real logit with every fake one: logit i is paired with logit i only",
        ),
        "not paired": (
            F.softplus(-winner).mean() + F.softplus(loser).mean(),
            "you compare each logit with 0, as the plain game does: compare the two logits of a pair with each other",
        ),
        "one side only": (
            F.softplus(-winner).mean(),
            "only one side's logits are in your loss: it is about the difference of a pair",
        ),
        "no softplus": (
            (loser - winner).mean(),
            "that is the Wasserstein objective, without softplus: a pair that is right by far would still pull",
        ),
        "hinge": (
            (loser - winner).relu().mean(),
            "you used relu, which is 0 for a pair that is right: softplus is its smooth form",
        ),
        "no logarithm": (
            torch.sigmoid(loser - winner).mean(),
            "you took the probability of the wrong order: the loss is minus the logarithm of the right one",
        ),
        "sigmoid twice": (
            F.softplus(-torch.sigmoid(winner - loser)).mean(),
            "you applied sigmoid before softplus, which has its own: the difference of logits goes in as it is",
        ),
        "sigmoid first": (
            F.softplus(torch.sigmoid(loser) - torch.sigmoid(winner)).mean(),
            "you took sigmoids before the difference: subtract the logits",
        ),
        "half": (each.mean() / 2, "half the right value: there is one mean over N pairs, nothing to halve"),
        "base 2": (
            each.mean() / torch.tensor(2.0, dtype=DOUBLE).log(),
            "you used the logarithm to base 2: use the natural one",
        ),
    }


def pair_gradients(got: tuple[Tensor, Tensor], wanted: tuple[Tensor, Tensor], real: Tensor, fake: Tensor) -> None:
    for name, loss, right in zip(PARTS, got, wanted, strict=True):
        if not loss.requires_grad:
            raise WrongAnswer("no gradient", f"{name} is right, but no gradient gets through: no .item(), .detach()")
        found = torch.autograd.grad(loss, (real, fake), retain_graph=True, allow_unused=True)
        needed = torch.autograd.grad(right, (real, fake), retain_graph=True)
        for side, mine, theirs in zip(("real_logits", "fake_logits"), found, needed, strict=True):
            if mine is None or (not bool(mine.any()) and bool(theirs.any())):
                raise WrongAnswer(
                    "one side detached",
                    f"the gradient of {name} does not reach {side}: detach nothing here, the training step decides "
                    "whose turn it is",
                )
            compare(mine, theirs, f"the gradient of {name} for {side}", {}, 1e-6)


def far_apart(answer: Callable) -> None:
    """Pairs whose logits are a thousand apart cost a thousand, or nothing."""
    for dtype, distance in ((DOUBLE, 1000.0), (torch.float32, 200.0)):
        real = torch.tensor([distance, 0.0], dtype=dtype)
        fake = torch.tensor([0.0, 0.0], dtype=dtype)
        for got, wanted, name in zip(two_losses(answer(real, fake)), (0.0, distance), PARTS, strict=True):
            wanted = (wanted + 0.6931471805599453) / 2  # the second pair is a tie and costs ln 2
            if not got.isfinite() or abs(float(got) - wanted) > 1e-4 * max(wanted, 1):
                raise WrongAnswer(
                    "not stable",
                    f"for a pair {distance:.0f} apart {name} should be {wanted:.4g}, yours is {float(got):.4g}: exp "
                    "overflows or a sigmoid rounds to 0; use F.softplus",
                )


# ---------------------------------------------------------------------------------------------------------------------
# What the two penalties share: networks with known slopes, and what an answer may not leave behind
# ---------------------------------------------------------------------------------------------------------------------


class Bowl(nn.Module):
    """A small network for samples of any shape. Every sample has another slope. Notes what it is fed."""

    def __init__(self, inputs: int, generator: torch.Generator, scale: float = 1.0):
        super().__init__()
        make = {"generator": generator, "dtype": DOUBLE}
        self.first = nn.Parameter(scale * torch.randn(inputs, 6, **make) / inputs**0.5)
        self.bias = nn.Parameter(torch.randn(6, **make) / 2)
        self.last = nn.Parameter(torch.randn(6, **make))
        self.curve = nn.Parameter(torch.tensor(0.15, dtype=DOUBLE))
        self.seen: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        self.seen.append(images.detach().clone())
        flat = images.flatten(1)
        return F.softplus(flat @ self.first + self.bias) @ self.last + self.curve * flat.square().sum(dim=1)


def slopes_of(network: Callable[[Tensor], Tensor], images: Tensor) -> Tensor:
    """d logit / d image, sample by sample, each on its own: [N, ...]. Differentiable."""
    parts = []
    for image in images.detach().split(1):
        image = image.requires_grad_()
        parts.append(torch.autograd.grad(network(image).sum(), image, create_graph=True)[0])
    return torch.cat(parts)


def scalar(got: object, what: str) -> Tensor:
    if not isinstance(got, Tensor):
        raise WrongAnswer("type", f"{what} is a {type(got).__name__}, expected a tensor without axes")
    return got


def linked(got: Tensor) -> None:
    if not got.requires_grad:
        raise WrongAnswer(
            "no second-order gradient",
            "right number, but it is cut off from the network's weights, so it trains nothing: the slope must be "
            "computed with create_graph=True, and without .detach(), .item() or no_grad after it",
        )


def weight_gradients(got: Tensor, wanted: Tensor, network: nn.Module) -> None:
    weights = list(network.parameters())
    try:
        found = torch.autograd.grad(got, weights, allow_unused=True)
    except RuntimeError as error:
        if "does not require grad" not in str(error) and "freed" not in str(error):
            raise
        raise WrongAnswer("no second-order gradient", f"no gradient reaches the weights: {error}") from None
    needed = torch.autograd.grad(wanted, weights, allow_unused=True)
    flat = [
        torch.cat(
            [(torch.zeros_like(w) if g is None else g).flatten() for w, g in zip(weights, gradients, strict=True)]
        )
        for gradients in (found, needed)
    ]
    compare(*flat, "the gradient of your penalty for the network's weights", {}, 1e-4)


def nothing_left_behind(network: nn.Module, modes: bool, **inputs: tuple[Tensor, Tensor]) -> None:
    for name, (before, after) in inputs.items():
        untouched(before, after.detach(), name)
        if after.requires_grad or after.grad is not None:
            raise WrongAnswer(
                "marks its input",
                f"after your call {name} asks for gradients: work on a tensor of your own, "
                f"x = {name}.detach().requires_grad_() makes one without copying",
            )
    if any(weights.grad is not None for weights in network.parameters()):
        raise WrongAnswer(
            "fills the gradients",
            "your code leaves gradients in the network's weights (it calls backward): use torch.autograd.grad(output, "
            "input), which returns the slope and touches nothing else",
        )
    if not all(weights.requires_grad for weights in network.parameters()):
        raise WrongAnswer("freezes the network", "after your call the network's weights no longer ask for gradients")
    if network.training != modes:
        raise WrongAnswer("changes the mode", "your code switched the network between train and eval mode")


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 2: r1_penalty
# ---------------------------------------------------------------------------------------------------------------------


@exercise(CHAPTER)
def r1_penalty(answer: Callable) -> None:
    """answer(discriminator, images [N, ...]) -> half the mean of the squared slope, differentiable."""
    generator = torch.Generator().manual_seed(72)
    with closed(BORROWED, library.slopes, library.zero_centred_penalty):
        for shape, modes in (((5, 3), True), ((4, 3, 2, 5), False), ((3, 1, 6, 4), True)):
            network = Bowl(torch.Size(shape[1:]).numel(), generator)
            network.train(modes)
            images = torch.randn(shape, generator=generator, dtype=DOUBLE)
            before = images.clone()
            got = scalar(without_graph_errors(answer, network, images), "your penalty")
            if not network.seen:
                raise WrongAnswer("never asked", "your code never calls the discriminator: logits = discriminator(x)")
            nothing_left_behind(network, modes, images=(before, images))
            gradients = slopes_of(network, images)
            wanted = gradients.flatten(1).square().sum(dim=1).mean() / 2
            compare(got, wanted, "your penalty", r1_mistakes(network, images, gradients))
            linked(got)
            weight_gradients(got, wanted, network)


def without_graph_errors(answer: Callable, *arguments: object) -> object:
    try:
        with torch.enable_grad():
            return answer(*arguments)
    except RuntimeError as error:
        words = str(error)
        if "does not require grad" in words:
            raise WrongAnswer(
                "input without gradient",
                "autograd finds no way from the logits to the input: the tensor that goes into the network must ask "
                "for gradients, x = images.detach().requires_grad_()",
            ) from None
        if "grad can be implicitly created only for scalar" in words:
            raise WrongAnswer(
                "many outputs",
                "autograd.grad wants one number to differentiate: the sum of the logits, since each logit depends on "
                "its own sample only",
            ) from None
        if "appears to not have been used" in words:
            raise WrongAnswer(
                "other tensor",
                "you ask for the slope at a tensor the network never saw: pass the same x to the network and to "
                "autograd.grad",
            ) from None
        raise


def r1_mistakes(network: nn.Module, images: Tensor, gradients: Tensor) -> dict[str, tuple[Tensor, str]]:
    each = gradients.flatten(1).square().sum(dim=1)
    right, norms, count = each.mean() / 2, each.sqrt(), len(images)
    logits = network(images)
    of_sigmoid = each * (logits.sigmoid() * (1 - logits.sigmoid())).square()
    of_loss = each * (1 - logits.sigmoid()).square()
    pixels = gradients[0].numel()
    channels = gradients.square().sum(dim=1)
    return {
        "no half": (2 * right, "twice the right value: R1 is HALF the mean of the squared slope"),
        "sum": (each.sum() / 2, "you added the samples up (or took one norm over the whole batch): take their mean"),
        "sum, no half": (each.sum(), "you added the samples up: take their mean, and half of it"),
        "not averaged": (each / 2, "you return one penalty per sample: take the mean"),
        "not averaged, no half": (each, "you return one penalty per sample: take half their mean"),
        "mean over pixels": (
            right / pixels,
            "you averaged over the pixels too: the squares of one sample's slope are ADDED, only samples are averaged",
        ),
        "mean over pixels, no half": (
            2 * right / pixels,
            "you averaged over the pixels too: the squares of one sample's slope are ADDED, only samples are averaged",
        ),
        "norm over channels only": (
            channels.mean() / 2,
            "you added the squares over axis 1 only: one sample's slope has all other axes too, so flatten(1) first",
        ),
        "norm, not squared": (norms.mean() / 2, "you averaged the norm: R1 takes its square"),
        "norm over the batch": (
            each.sum().sqrt() / 2,
            "you took one norm over the whole batch: every sample has its own",
        ),
        "one-centred": (
            (norms - 1).square().mean() / 2,
            "you pull the slope towards 1, as WGAN-GP does: R1 pulls it to 0, nothing is subtracted",
        ),
        "one-centred, no half": (
            (norms - 1).square().mean(),
            "you pull the slope towards 1, as WGAN-GP does: R1 pulls it to 0, nothing is subtracted",
        ),
        "slope of the mean": (
            right / count**2,
            "you differentiated the MEAN of the logits, which makes every slope N times too small: take their sum",
        ),
        "slope of the sigmoid": (
            of_sigmoid.mean() / 2,
            "you took the slope of the probability: take the slope of the logit, without a sigmoid",
        ),
        "slope of the loss": (
            of_loss.mean() / 2,
            "you took the slope of the loss: take the slope of the logit itself",
        ),
        "the logits": (logits.square().mean() / 2, "you penalise the logits: penalise their slope with the input"),
        "absolute values": (
            gradients.abs().flatten(1).sum(dim=1).mean() / 2,
            "you added absolute values: add squares",
        ),
        "wrong sign": (-right, "the sign is wrong: the penalty is added to a loss that is minimised"),
        "squared twice": (each.square().mean() / 2, "you squared the squared norm again"),
        "mean slope": (
            gradients.mean(dim=0).square().sum() / 2,
            "you averaged the slopes before squaring, so that opposite ones cancel: square each sample's first",
        ),
    }


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 3: gradient_penalty
# ---------------------------------------------------------------------------------------------------------------------

MANY = 4000  # pairs, for the distribution of epsilon


@exercise(CHAPTER)
def gradient_penalty(answer: Callable) -> None:
    """answer(critic, real [N, ...], fake [N, ...]) -> E[(|slope at a point between| - 1)²], differentiable."""
    generator = torch.Generator().manual_seed(73)
    with closed(BORROWED, library.slopes, library.gradient_penalty), torch.random.fork_rng(devices=[]):
        torch.manual_seed(7)
        for shape, modes in (((6, 3), True), ((5, 2, 3, 4), False), ((4, 1, 5, 3), True)):
            critic = Bowl(torch.Size(shape[1:]).numel(), generator).train(modes)
            real = torch.randn(shape, generator=generator, dtype=DOUBLE) + 1
            fake = torch.randn(shape, generator=generator, dtype=DOUBLE) - 1
            before = real.clone(), fake.clone()
            got = scalar(without_graph_errors(answer, critic, real, fake), "your penalty")
            seen = torch.cat(critic.seen) if critic.seen else torch.zeros(0)
            nothing_left_behind(critic, modes, real=(before[0], real), fake=(before[1], fake))
            where_asked(seen, real, fake)
            gradients = slopes_of(critic, seen)
            wanted = (gradients.flatten(1).norm(dim=1) - 1).square().mean()
            compare(got, wanted, "your penalty", gradient_penalty_mistakes(gradients), 1e-5)
            linked(got)
            weight_gradients(got, wanted, critic)
        spread_of_epsilon(answer, generator)
        flat_critic(answer, generator)


def where_asked(seen: Tensor, real: Tensor, fake: Tensor) -> None:
    """Are the points the critic was asked about on the lines between the pairs, each at a place of its own?"""
    if not len(seen):
        raise WrongAnswer("never asked", "your code never calls the critic: logits = critic(x)")
    if len(seen) == 2 * len(real) and same(seen.sum(dim=0), real.sum(dim=0) + fake.sum(dim=0)):
        raise WrongAnswer("ends only", "you penalise the slope at real AND at fake points: ask between them")
    if seen.shape != real.shape:
        raise WrongAnswer(
            "other points",
            f"the critic saw inputs of shape {list(seen.shape)}, expected {list(real.shape)}: one point per pair, each "
            "asked about once",
        )
    if torch.equal(seen, real):
        raise WrongAnswer("real only", "you penalise the slope at the real points: ask at points BETWEEN real and fake")
    if torch.equal(seen, fake):
        raise WrongAnswer("fake only", "you penalise the slope at the fakes: ask at points BETWEEN real and fake")
    shares = (seen - fake) / (real - fake)
    first = shares.flatten(1)[:, :1]
    if not torch.allclose(shares.flatten(1), first.expand_as(shares.flatten(1)), atol=1e-5):
        per_number = bool(((shares > -1e-6) & (shares < 1 + 1e-6)).all())
        if per_number:
            raise WrongAnswer(
                "epsilon per number",
                "inside one sample your epsilon changes from number to number, so the point is not on the line between "
                f"real and fake: draw one per sample, shape {[len(real)] + [1] * (real.ndim - 1)}",
            )
        raise WrongAnswer(
            "not on the line",
            "your points are not epsilon * real + (1 - epsilon) * fake of their own pair: the weights must add up to "
            "1, and sample i of real belongs to sample i of fake",
        )
    first = first[:, 0]
    if bool((first < -1e-6).any()) or bool((first > 1 + 1e-6).any()):
        worst = float(first[(first - 0.5).abs().argmax()])
        raise WrongAnswer("outside", f"an epsilon of {worst:.2f} leaves the line: draw it uniformly in [0, 1]")
    if float(first.max() - first.min()) < 1e-9:
        if abs(float(first[0]) - 0.5) < 1e-9:
            raise WrongAnswer("always the middle", "your epsilon is always 1/2: draw it at random")
        raise WrongAnswer(
            "one epsilon for the batch",
            f"all {len(first)} pairs got the same epsilon, {float(first[0]):.3f}: draw one per sample, shape "
            f"{[len(real)] + [1] * (real.ndim - 1)}",
        )


def gradient_penalty_mistakes(gradients: Tensor) -> dict[str, tuple[Tensor, str]]:
    gradients = gradients.detach()
    squared = gradients.flatten(1).square().sum(dim=1)
    norms, count = squared.sqrt(), len(gradients)
    right = (norms - 1).square()
    along = gradients.square().sum(dim=1).sqrt() if gradients.ndim > 2 else norms
    return {
        "sum": (right.sum(), "you added the samples up: take their mean"),
        "not averaged": (right, "you return one penalty per sample: take the mean"),
        "norm over the batch": (
            (squared.sum().sqrt() - 1).square(),
            f"you took one norm over the whole batch, {float(squared.sum().sqrt()):.2f}: every sample has its own, "
            "so flatten(1) and take it along dim=1",
        ),
        "norm over channels only": (
            (along - 1).square().mean(),
            "you took the norm along axis 1 only: one sample's slope has all other axes too, so flatten(1) first",
        ),
        "squared norm": (
            (squared - 1).square().mean(),
            "you subtract 1 from the SQUARED norm: take the root first",
        ),
        "squared norm, not squared again": (
            (squared - 1).mean(),
            "you subtract 1 from the squared norm: take the root, subtract 1, then square",
        ),
        "zero-centred": (
            squared.mean(),
            "you pull the slope towards 0, as R1 does: here it is pulled to 1, so subtract 1 from the norm",
        ),
        "zero-centred, half": (
            squared.mean() / 2,
            "you pull the slope towards 0, as R1 does: here it is pulled to 1, so subtract 1 from the norm",
        ),
        "mean norm": (
            (norms.mean() - 1).square(),
            "you averaged the norms before subtracting 1, so that steep and flat places cancel: (norm - 1)² of each "
            "sample first, then the mean",
        ),
        "not squared": ((norms - 1).mean(), "you averaged norm - 1: square it, or flat places make up for steep ones"),
        "absolute": ((norms - 1).abs().mean(), "you took the absolute value of norm - 1: take its square"),
        "one-sided": (
            (norms - 1).clamp_min(0).square().mean(),
            "you punish only slopes above 1: here slopes below 1 are punished too",
        ),
        "slope of the mean": (
            (norms / count - 1).square().mean(),
            "you differentiated the MEAN of the logits, which makes every slope N times too small: take their sum",
        ),
        "half": (right.mean() / 2, "half the right value: there is no half in this penalty"),
        "with lambda": (10 * right.mean(), "ten times the right value: leave lambda to the caller"),
        "absolute values": (
            (gradients.abs().flatten(1).sum(dim=1) - 1).square().mean(),
            "you added absolute values: the norm is the root of the sum of squares",
        ),
        "mean over numbers": (
            ((squared / gradients[0].numel()).sqrt() - 1).square().mean(),
            "you averaged the squares of one sample's slope: the norm ADDS them before the root",
        ),
        "wrong sign": (-right.mean(), "the sign is wrong: the penalty is added to a loss that is minimised"),
    }


def spread_of_epsilon(answer: Callable, generator: torch.Generator) -> None:
    """Uniform in [0, 1], and new in every call."""
    real, fake = torch.ones(MANY, 2, dtype=DOUBLE), torch.zeros(MANY, 2, dtype=DOUBLE)
    draws = []
    for _ in range(2):
        critic = Bowl(2, generator)
        answer(critic, real, fake)
        draws.append(torch.cat(critic.seen)[:, 0])
    if torch.equal(*draws):
        raise WrongAnswer(
            "the same every time",
            "two calls drew exactly the same epsilons: leave the seed alone, or only a few points are ever asked about",
        )
    places = draws[0].sort().values
    uniform = (torch.arange(MANY, dtype=DOUBLE) + 0.5) / MANY
    worst = float((places - uniform).abs().max())  # Kolmogorov and Smirnov's distance: 0.026 once in a hundred calls
    if worst > 0.05:
        raise WrongAnswer(
            "not uniform",
            f"your epsilons are not spread evenly over [0, 1]: mean {float(places.mean()):.2f}, standard deviation "
            f"{float(places.std()):.2f}, expected 0.50 and 0.29; use torch.rand",
        )


def flat_critic(answer: Callable, generator: torch.Generator) -> None:
    """Where the slope is exactly 0, sqrt has an infinite derivative."""
    critic = Bowl(3, generator)
    with torch.no_grad():
        for weights in critic.parameters():
            weights.zero_()
    real, fake = (torch.randn(4, 3, generator=generator, dtype=DOUBLE) for _ in range(2))
    got = answer(critic, real, fake)
    expect_tensor(got, torch.tensor(1.0), "your penalty")
    gradients = torch.autograd.grad(got, list(critic.parameters()), allow_unused=True)
    broken = any(g is not None and not g.isfinite().all() for g in gradients)
    if broken:
        raise WrongAnswer(
            "nan on flat ground",
            "where the critic's slope is exactly 0 your gradient is NaN, since the root of 0 has no derivative: use "
            ".norm(dim=1), which takes care of it, or add 1e-12 under the root",
        )
    if abs(float(got.detach()) - 1) > 1e-2:
        raise WrongAnswer(
            "wrong", f"for a critic without any slope the penalty is (0 - 1)² = 1, yours is {float(got.detach()):.4g}"
        )


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 4: precision
# ---------------------------------------------------------------------------------------------------------------------


@exercise(CHAPTER)
def precision(answer: Callable) -> None:
    """answer(real [N, F], fake [M, F], neighbours) -> the share of fakes inside the real cloud, a float in [0, 1]."""
    found, cases = [], clouds()
    with closed(BORROWED, quality.precision_recall, quality.inside):
        for real, fake, neighbours in cases:
            before = real.clone(), fake.clone()
            got = answer(real, fake, neighbours)
            untouched(before[0], real, "real")
            untouched(before[1], fake, "fake")
            found.append(number(got))
    wanted = torch.stack([inside(*case) for case in cases])
    mistakes = {}
    for name, (_, message) in precision_mistakes(*cases[0]).items():
        mistakes[name] = torch.stack([precision_mistakes(*case)[name][0] for case in cases]), message
    compare(torch.tensor(found, dtype=DOUBLE), wanted, f"the list of your precisions for {len(cases)} clouds", mistakes)


def number(got: object) -> float:
    if isinstance(got, tuple | list):
        raise WrongAnswer("type", "return one number, the precision")
    if isinstance(got, Tensor) and got.numel() != 1:
        raise WrongAnswer("not averaged", f"you return {got.numel()} values: return their mean, the share inside")
    try:
        return float(got)
    except (TypeError, ValueError):
        raise WrongAnswer("type", f"you return a {type(got).__name__}, expected a number in [0, 1]") from None


def clouds() -> list[tuple[Tensor, Tensor, int]]:
    """Pairs of clouds of different sizes that overlap in part."""
    generator = torch.Generator().manual_seed(74)
    cases = []
    for n, m, f, neighbours, shift in (
        (40, 23, 2, 3, 0.8),
        (17, 31, 5, 1, 0.5),
        (30, 30, 3, 2, 1.0),
        (25, 60, 1, 4, 1.5),
    ):
        scale = torch.rand(n, 1, generator=generator, dtype=DOUBLE) * 2 + 0.1  # dense and sparse places
        real = scale * torch.randn(n, f, generator=generator, dtype=DOUBLE)
        fake = 1.5 * torch.randn(m, f, generator=generator, dtype=DOUBLE) + shift
        cases.append((real, fake, neighbours))
    line = torch.tensor([[0.0], [1.0], [3.0]], dtype=DOUBLE)
    cases.append((line, torch.tensor([[5.0], [-1.0], [5.5], [9.0]], dtype=DOUBLE), 1))  # two fakes exactly on a rim
    return cases


def reaches(cloud: Tensor, rank: int) -> Tensor:
    """Distance of each point to the `rank`-th nearest of its own cloud; rank 0 is the point itself. [N]"""
    return distances(cloud, cloud).sort(dim=1).values[:, min(rank, len(cloud) - 1)]


def distances(one: Tensor, other: Tensor) -> Tensor:
    return (one[:, None] - other[None]).square().sum(dim=2).sqrt()


def inside(cloud: Tensor, points: Tensor, neighbours: int) -> Tensor:
    return (distances(points, cloud) <= reaches(cloud, neighbours)).any(dim=1).double().mean()


def precision_mistakes(real: Tensor, fake: Tensor, neighbours: int) -> dict[str, tuple[Tensor, str]]:
    apart, reach = distances(fake, real), reaches(real, neighbours)
    nearest = apart.argmin(dim=1)
    return {
        "recall": (
            inside(fake, real, neighbours),
            "that is the recall, the share of REAL points inside the fake cloud: turn the two around",
        ),
        "itself as a neighbour": (
            inside(real, fake, neighbours - 1),
            "you counted each point as its own nearest neighbour, at distance 0: the k-th neighbour is at place k + 1 "
            "of the sorted distances",
        ),
        "one neighbour too many": (
            inside(real, fake, neighbours + 1),
            "your balls reach to neighbour k + 1: take index k of the sorted row (index 0 is the point itself)",
        ),
        "the fakes' reach": (
            (apart <= reaches(fake, neighbours)[:, None]).any(dim=1).double().mean(),
            "you put the balls around the fakes: for precision each REAL point has a ball",
        ),
        "nearest point only": (
            (apart.gather(1, nearest[:, None])[:, 0] <= reach[nearest]).double().mean(),
            "you asked only the nearest real point: a fake is inside when ANY ball holds it, also a wide one far off",
        ),
        "one reach for all": (
            (apart <= reach.mean()).any(dim=1).double().mean(),
            "you gave all balls the mean reach: each real point has its own",
        ),
        "neighbours among the fakes": (
            (apart <= apart.sort(dim=0).values[min(neighbours, len(fake) - 1)]).any(dim=1).double().mean(),
            "you measured the reach to the FAKES: a ball reaches to the k-th neighbour among the real points",
        ),
        "neighbours among the fakes, from one": (
            (apart <= apart.sort(dim=0).values[min(neighbours, len(fake)) - 1]).any(dim=1).double().mean(),
            "you measured the reach to the FAKES: a ball reaches to the k-th neighbour among the real points",
        ),
        "all balls": (
            (apart <= reach).all(dim=1).double().mean(),
            "you ask for fakes inside EVERY ball: one is enough",
        ),
        "pairs": (
            (apart <= reach).double().mean(),
            "you took the mean over all pairs of a fake and a ball: first any() over the balls, then the mean",
        ),
        "squared distances": (
            (apart.square() <= reach).any(dim=1).double().mean(),
            "you compared squared distances with plain ones",
        ),
        "rim": (
            (apart < reach).any(dim=1).double().mean(),
            "a fake exactly on the rim of a ball counts as inside: use <=",
        ),
        "outside": (1 - inside(real, fake, neighbours), "that is the share of fakes OUTSIDE the cloud"),
        "count": (
            (apart <= reach).any(dim=1).double().sum(),
            "you counted the fakes inside: divide by how many there are",
        ),
        "share of the real": (
            (apart <= reach).any(dim=1).double().sum() / len(real),
            "you divided by the number of real points: divide by the number of fakes",
        ),
        "percent": (100 * inside(real, fake, neighbours), "a share in [0, 1], not a percentage"),
    }


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 5: minibatch_deviation
# ---------------------------------------------------------------------------------------------------------------------


@exercise(CHAPTER)
def minibatch_deviation(answer: Callable) -> None:
    """answer(features [N, F]) -> [N, F + 1]: the features, and beside each row the deviation of the batch."""
    generator = torch.Generator().manual_seed(75)
    with closed(BORROWED, library.MinibatchDeviation.forward):
        for count, width in ((5, 3), (2, 7), (16, 4)):
            scale = torch.linspace(0.5, 2, width, dtype=DOUBLE)
            features = (scale * torch.randn(count, width, generator=generator, dtype=DOUBLE) + 1).requires_grad_()
            before = features.detach().clone()
            got = answer(features)
            untouched(before, features.detach(), "features")
            deviation = deviations(features).mean()
            wanted = beside(features, deviation)
            compare(got, wanted, "your result", deviation_mistakes(features), 1e-5)
            if not got.requires_grad:
                raise WrongAnswer(
                    "no gradient", "right numbers, but no gradient gets through: no .item(), no .detach()"
                )
            weights = torch.randn(wanted.shape, generator=generator, dtype=DOUBLE)
            (found,) = torch.autograd.grad((weights * got).sum(), features)
            (needed,) = torch.autograd.grad((weights * wanted).sum(), features)
            detached = (
                weights[:, :-1],
                "no gradient flows through your extra number, so no generator would ever hear of it: no .item(), no "
                ".detach(), no new tensor made from a float",
            )
            compare(found, needed, "the gradient of your result for the features", {"detached": detached}, 1e-4)
        copies(answer)


def deviations(features: Tensor) -> Tensor:
    """Standard deviation of each feature over the batch, divided by N: [F]."""
    return (features - features.mean(dim=0)).square().mean(dim=0).sqrt()


def beside(features: Tensor, numbers: Tensor) -> Tensor:
    """The features with one column more: a number, or one for each row."""
    return torch.cat([features, numbers.expand(len(features))[:, None]], dim=1)


def deviation_mistakes(features: Tensor) -> dict[str, tuple[Tensor, str]]:
    count, each = len(features), deviations(features)
    away = features - features.mean(dim=0)
    right = beside(features, each.mean())
    per_row = (features - features.mean(dim=1, keepdim=True)).square().mean(dim=1).sqrt()
    return {
        "over the features": (
            beside(features, per_row),
            "you took the deviation within each row: it is over the batch, for each feature (dim=0)",
        ),
        "over all entries": (
            beside(features, (features - features.mean()).square().mean().sqrt()),
            "you took one deviation over all entries: that also counts how the features differ from one another; take "
            "it feature by feature over the batch (dim=0), then average",
        ),
        "divided by N - 1": (
            beside(features, (away.square().sum(dim=0) / (count - 1)).sqrt().mean()),
            "you divided by N - 1, torch's default: here it is N, correction=0 (a batch of one would give NaN)",
        ),
        "variance": (
            beside(features, each.square().mean()),
            "you averaged variances: the standard deviation is their root",
        ),
        "root of the mean": (
            beside(features, each.square().mean().sqrt()),
            "you averaged the variances before the root: first the root of each feature's variance, then the mean",
        ),
        "mean distance": (
            beside(features, away.abs().mean()),
            "you averaged distances from the mean: the standard deviation is the root of the mean square",
        ),
        "sum": (beside(features, each.sum()), "you added the F deviations up: take their mean"),
        "one number a feature": (
            torch.cat([features, each.expand(count, -1)], dim=1),
            "you put all F deviations beside each row: average them to one number",
        ),
        "nothing but the number": (
            each.mean(),
            "you return the number alone: put it beside the features of every row, [N, F + 1]",
        ),
        "nothing but a column": (
            each.mean().expand(count, 1),
            "you return the new column alone: put it beside the features, [N, F + 1]",
        ),
        "in front": (right.roll(1, dims=1), "the number comes after the features: last, not first"),
        "one row more": (
            torch.cat([features, each[None]]),
            "you added a row to the batch: each row gets one more number, [N, F + 1]",
        ),
        "zeros": (
            beside(features, torch.zeros((), dtype=features.dtype)),
            "your extra number is 0: you took the deviation of numbers that are all the same",
        ),
    }


def copies(answer: Callable) -> None:
    """Where the deviation is exactly 0, sqrt has an infinite derivative."""
    for count in (6, 1):
        features = torch.tensor([[2.0, -1.0, 0.5]], dtype=DOUBLE).repeat(count, 1).requires_grad_()
        got = answer(features)
        expect_tensor(got, torch.zeros(count, 4), "your result for a batch of copies")
        number = float(got[0, -1].detach())
        if abs(number) > 1e-2:
            raise WrongAnswer("wrong", f"for {count} copies of one row the number is 0, yours is {number:.3g}")
        (gradient,) = torch.autograd.grad(got[:, -1].sum(), features)
        if not gradient.isfinite().all():
            raise WrongAnswer(
                "nan for copies",
                "for a batch of copies the variance is 0 and your gradient is NaN, since the root of 0 has no "
                "derivative: add 1e-8 under the root, or use torch.std, which takes care of it",
            )
