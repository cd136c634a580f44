"""Checks of chapter 7: relativistic losses, R1, the gradient penalty, precision, minibatch deviation, spectral norm,
and the diagnosis of six games."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.checks.compare import SINGLE, TOLERANCE, expect_tensor, same
from course_lib.checks.core import exercise
from course_lib.checks.formula import Case, Formula, Sight, normal
from course_lib.checks.guard import Forbidden
from course_lib.checks.lettered import expect_words
from course_lib.checks.spies import Spy, Traces, explained, with_numbers
from course_lib.checks.verdict import WrongAnswer
from course_lib.gan import games
from course_lib.gan import stable_training as library
from course_lib.gan.points import PointGAN, ring
from course_lib.gan.stable_training import PenalisedCritic
from course_lib.metrics import quality

CHAPTER = "07_stable_training"


def ours(*functions: Callable) -> Forbidden:
    return Forbidden("your code calls course_lib's own version: write it out", functions=functions)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 1: relativistic_losses
# ---------------------------------------------------------------------------------------------------------------------


def pairs(generator: torch.Generator) -> Iterator[Case]:
    far = torch.tensor([1000.0, -1000.0, 0.0], dtype=torch.float64)
    yield {"real_logits": normal(generator, 3) + far, "fake_logits": normal(generator, 3)}
    for count, spread, shift in ((7, 1.0, 0.0), (4, 3.0, 1.5), (5, 2.0, -1.0), (1, 1.0, 0.5)):
        real = spread * normal(generator, count) + shift
        yield {"real_logits": real, "fake_logits": spread * normal(generator, count)}


def breaks_far_apart(case: Case, got: Sight, right: Sight) -> bool:
    """Infinite, or capped, where a pair is 1000 apart."""
    if not isinstance(got.value, tuple) or len(got.value) != 2 or float(case["real_logits"].abs().max()) < 500:
        return False
    return any(not one.isfinite().all() or (one < other / 2).all() for one, other in zip(got.value, right.value))


def lost_its_graph(case: Case, got: Sight, right: Sight) -> bool:
    near = same(got.value, right.value, SINGLE)
    return near and not all(loss.requires_grad for loss in got.value)


def paid(winner: Tensor, loser: Tensor) -> Tensor:
    """The loss of the side that wants `winner` above `loser`."""
    return F.softplus(loser - winner).mean()


AVERAGE = "you compare each logit with the mean of the other side, the relativistic average: pair them one to one"
ONE_SIDE = {  # what a side pays: winner, loser -> loss
    "sum": (lambda w, l: F.softplus(l - w).sum(), "you added the pairs up: take their mean"),
    "not averaged": (lambda w, l: F.softplus(l - w), "you return one loss per pair: take the mean"),
    "negative": (lambda w, l: -paid(w, l), "minus too much: softplus is positive and the loss is its plain mean"),
    "relativistic average": (lambda w, l: paid(w, l.mean()), AVERAGE),
    "relativistic average, both halves": (lambda w, l: paid(w, l.mean()) + paid(w.mean(), l), AVERAGE),
    "softplus of the mean": (
        lambda w, l: paid(w.mean(), l.mean()),
        "you averaged the differences before softplus: first softplus of each pair, then the mean",
    ),
    "all pairs": (
        lambda w, l: paid(w, l[:, None]),
        "you compared every real logit with every fake one: logit i is paired with logit i only",
    ),
    "not paired": (
        lambda w, l: F.softplus(-w).mean() + F.softplus(l).mean(),
        "you compare each logit with 0, as the plain game does: compare the two logits of a pair with each other",
    ),
    "one side only": (
        lambda w, l: F.softplus(-w).mean(),
        "only one side's logits are in your loss: it is about the difference of a pair",
    ),
    "no softplus": (
        lambda w, l: (l - w).mean(),
        "that is the Wasserstein objective, without softplus: a pair that is right by far would still pull",
    ),
    "hinge": (
        lambda w, l: (l - w).relu().mean(),
        "you used relu, which is 0 for a pair that is right: softplus is its smooth form",
    ),
    "no logarithm": (
        lambda w, l: (l - w).sigmoid().mean(),
        "you took the probability of the wrong order: the loss is minus the logarithm of the right one",
    ),
    "sigmoid twice": (
        lambda w, l: F.softplus(-(w - l).sigmoid()).mean(),
        "you applied sigmoid before softplus, which has its own: the difference of logits goes in as it is",
    ),
    "sigmoid first": (
        lambda w, l: paid(w.sigmoid(), l.sigmoid()),
        "you took sigmoids before the difference: subtract the logits",
    ),
    "half": (lambda w, l: paid(w, l) / 2, "half the right value: there is one mean over N pairs, nothing to halve"),
    "base 2": (
        lambda w, l: paid(w, l) / torch.tensor(2.0).double().log(),
        "you used the logarithm to base 2: use the natural one",
    ),
    "one side detached": (
        lambda w, l: paid(w, l.detach()),
        "the loss is right, but one side's logits are detached in it: detach nothing here, the training step decides "
        "whose turn it is",
    ),
    "other side detached": (
        lambda w, l: paid(w.detach(), l),
        "the loss is right, but one side's logits are detached in it: detach nothing here, the training step decides "
        "whose turn it is",
    ),
}
NO_GRAPH = "a loss is right, but no gradient gets through it: no .item(), .detach() or torch.tensor"

relativistic_losses = exercise(
    CHAPTER, "relativistic_losses", ours(library.Relativistic.discriminator, library.Relativistic.generator)
)(
    Formula(
        lambda real, fake: (paid(real, fake), paid(fake, real)),
        pairs,
        leaves=("real_logits", "fake_logits"),
        read=lambda losses: tuple(losses) if isinstance(losses, list) else losses,
        wrong={
            "wrong sign": (
                lambda real, fake: (paid(fake, real), ...),
                "the sign inside is wrong: the discriminator pays softplus(fake - real), the generator softplus(real - "
                "fake)",
            ),
            "both the same sign": (
                lambda real, fake: (..., paid(real, fake)),
                "both your losses ask for real above fake: the generator wants the opposite, softplus(real - fake)",
            ),
            "minus the discriminator's": (
                lambda real, fake: (..., -paid(real, fake)),
                "your generator's loss is minus the discriminator's: that one is flat where the discriminator is sure; "
                "turn the difference around inside softplus instead",
            ),
            **{
                name: (lambda real, fake, side=side: (side(real, fake), ...), words)
                for name, (side, words) in ONE_SIDE.items()
            },
            **{
                f"{name}, of the generator": (lambda real, fake, side=side: (..., side(fake, real)), words)
                for name, (side, words) in ONE_SIDE.items()
            },
            "each detaches the other": (
                lambda real, fake: (paid(real, fake.detach()), paid(fake, real.detach())),
                "each of your losses detaches the other side's logits: detach nothing here, the training step decides "
                "whose turn it is",
            ),
            "no gradient for the discriminator": (lambda real, fake: (paid(real, fake).detach(), ...), NO_GRAPH),
            "no gradient for the generator": (lambda real, fake: (..., paid(fake, real).detach()), NO_GRAPH),
        },
        signs={
            "no gradient": (lost_its_graph, NO_GRAPH),
            "not stable": (
                breaks_far_apart,
                "wrong where the logits of a pair are 1000 apart, which costs 1000 or nothing: exp overflows, a "
                "sigmoid is 0, or an epsilon caps the logarithm; use F.softplus",
            ),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# What the two penalties share
# ---------------------------------------------------------------------------------------------------------------------

COMPLAINTS = {
    "does not require grad": (
        "input without gradient",
        "autograd finds no way from the logits to the input: the tensor that goes into the network must ask for "
        "gradients, x = images.detach().requires_grad_()",
    ),
    "grad can be implicitly created only for scalar": (
        "many outputs",
        "autograd.grad wants one number to differentiate: the sum of the logits, since each logit depends on its own "
        "sample only",
    ),
    "appears to not have been used": (
        "other tensor",
        "you ask for the slope at a tensor the network never saw: pass the same x to the network and to autograd.grad",
    ),
}
MEAN_OF_LOGITS = "you differentiated the MEAN of the logits, which makes every slope N times too small: take their sum"
FLATTEN = "you took the norm along axis 1 only: one sample's slope has all other axes too, so flatten(1) first"
NO_GRAPH_OF_SLOPE = (
    "right number, but it is cut off from the network's weights, so it trains nothing: the slope must be computed with "
    "create_graph=True, and without .detach(), .item() or no_grad after it"
)
IMAGES_ONLY = "it works for images [N, C, H, W] and stops for other samples, such as points [N, 2]: flatten(1) first"
ADDED_TO_A_LOSS = "the sign is wrong: the penalty is added to a loss that is minimised"


def watched(shape: tuple[int, ...], generator: torch.Generator, training: bool = True) -> Spy:
    """A small network for samples [N, ...]. Every sample has another slope, and the logit itself no say in it."""
    inputs = torch.Size(shape[1:]).numel()
    layers = nn.Flatten(), nn.Linear(inputs, 6), nn.Softplus(), nn.Linear(6, 1, bias=False), nn.Flatten(0)
    return with_numbers(Spy(*layers), generator).train(training)


def slopes(network: Callable, x: Tensor, output: Callable = torch.sum, create_graph: bool = True) -> Tensor:
    """d output of the logits / d x, [N, ...]."""
    x = x.detach().requires_grad_()
    return torch.autograd.grad(output(network(x)), x, create_graph=create_graph)[0]


@contextmanager
def leaving_no_trace(network: Spy, **inputs: Tensor) -> Iterator[None]:
    """Inside, the answer is called; torch's complaints are explained, and what is different after is named."""
    traces = Traces(network)
    for weights in network.parameters():
        weights.grad = torch.full_like(weights, 0.5)
    with explained(COMPLAINTS), torch.enable_grad():
        yield
    for name, x in inputs.items():
        if x.requires_grad or x.grad is not None:
            raise WrongAnswer(
                "marks its input",
                f"after your call {name} asks for gradients: work on a tensor of your own, "
                f"x = {name}.detach().requires_grad_() makes one without copying",
            )
    if not network.calls:
        raise WrongAnswer("never asked", "your code never calls the network: logits = network(x)")
    if any(weights.grad is None or not (weights.grad == 0.5).all() for weights in network.parameters()):
        raise WrongAnswer(
            "fills the gradients",
            "your code changes the gradients in the network's weights (it calls backward or zero_grad): use "
            "torch.autograd.grad(output, input), which returns the slope and touches nothing else",
        )
    if not all(weights.requires_grad for weights in network.parameters()):
        raise WrongAnswer("freezes the network", "after your call the network's weights no longer ask for gradients")
    if traces.modes_now() != traces.modes:
        raise WrongAnswer("changes the mode", "your code switched the network between train and eval mode: leave it")
    traces.refuse()


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 2: r1_penalty
# ---------------------------------------------------------------------------------------------------------------------

SAMPLES = [(5, 3), (4, 3, 2, 5), (3, 1, 6, 4), (1, 2, 2)]


def judged(generator: torch.Generator) -> Iterator[Case]:
    for shape in SAMPLES:
        yield {"discriminator": watched(shape, generator), "images": normal(generator, *shape)}


def leaves_the_discriminator(answer: Callable) -> None:
    generator = torch.Generator().manual_seed(72)
    for shape, training in (((3, 2, 4, 2), True), ((2, 1, 3, 5), False)):
        network, images = watched(shape, generator, training), normal(generator, *shape)
        with leaving_no_trace(network, images=images):
            answer(network, images)


def squares(slope: Tensor) -> Tensor:
    return slope.flatten(1).square().sum(dim=1)


def half_constant(slope: Tensor) -> Tensor:
    return (slope * slope.detach()).flatten(1).sum(dim=1)


def r1(
    network: Callable,
    images: Tensor,
    *,
    slope: Callable = slopes,
    each: Callable[[Tensor], Tensor] = squares,
    total: Callable[[Tensor], Tensor] = lambda each: each.mean() / 2,
) -> Tensor:
    """R1; the options are what the mistakes change: the slope, its square for each sample, and what is made of them."""
    return total(each(slope(network, images)))


def halved_or_not(name: str, total: Callable[[Tensor], Tensor], words: str) -> dict[str, tuple[Callable, str]]:
    """A mistake with the half of R1, and one that forgets it, too."""
    return {
        name: (partial(r1, total=lambda each: total(each) / 2), words),
        f"{name}, no half": (partial(r1, total=total), words + "; and half of it"),
    }


r1_penalty = exercise(CHAPTER, "r1_penalty", ours(library.slopes, library.zero_centred_penalty))(
    Formula(
        r1,
        judged,
        leaves=("discriminator",),
        first=(leaves_the_discriminator,),
        stops={"images only": (lambda case: case["images"].ndim != 4, IMAGES_ONLY)},
        what="your penalty",
        wrong={
            "no half": (
                partial(r1, total=torch.mean),
                "twice the right value: R1 is HALF the mean of the square",
            ),
            **halved_or_not(
                "sum", torch.sum, "you added the samples up (or took one norm over the whole batch): take their mean"
            ),
            **halved_or_not("not averaged", torch.clone, "you return one penalty per sample: take the mean"),
            **halved_or_not(
                "one-centred",
                lambda each: (each.sqrt() - 1).square().mean(),
                "you pull the slope towards 1, as WGAN-GP does: R1 pulls it to 0, nothing is subtracted",
            ),
            "mean over pixels": (
                partial(r1, each=lambda slope: slope.flatten(1).square().mean(dim=1)),
                "you averaged over the pixels too: the squares of one sample's slope are ADDED, only samples are "
                "averaged",
            ),
            "mean over pixels, no half": (
                partial(r1, each=torch.square, total=torch.mean),
                "you averaged over the pixels too: the squares of one sample's slope are ADDED, only samples are "
                "averaged; and half of it",
            ),
            "norm over channels only": (partial(r1, each=lambda slope: slope.square().sum(dim=1)), FLATTEN),
            "norm, not squared": (
                partial(r1, total=lambda each: each.sqrt().mean() / 2),
                "you averaged the norm: R1 takes its square",
            ),
            "norm over the batch": (
                partial(r1, total=lambda each: each.sum().sqrt() / 2),
                "you took one norm over the whole batch: every sample has its own",
            ),
            "slope of the mean": (partial(r1, slope=partial(slopes, output=torch.mean)), MEAN_OF_LOGITS),
            "slope of the sigmoid": (
                partial(r1, slope=partial(slopes, output=lambda logits: logits.sigmoid().sum())),
                "you took the slope of the probability: take the slope of the logit, without a sigmoid",
            ),
            "slope of the loss": (
                partial(r1, slope=partial(slopes, output=lambda logits: F.softplus(-logits).sum())),
                "you took the slope of the loss: take the slope of the logit itself",
            ),
            "the logits": (
                lambda discriminator, images: discriminator(images).square().mean() / 2,
                "you penalise the logits: penalise their slope with the input",
            ),
            "absolute values": (
                partial(r1, each=lambda slope: slope.flatten(1).abs().sum(dim=1)),
                "you added absolute values: add squares",
            ),
            "wrong sign": (partial(r1, total=lambda each: -each.mean() / 2), ADDED_TO_A_LOSS),
            "squared twice": (
                partial(r1, total=lambda each: each.square().mean() / 2),
                "you squared the squared norm again",
            ),
            "mean slope": (
                partial(r1, each=lambda slope: slope.mean(dim=0).square().sum()),
                "you averaged the slopes before squaring, so that opposite ones cancel: square each sample's first",
            ),
            "no second-order gradient": (
                partial(r1, slope=partial(slopes, create_graph=False)),
                NO_GRAPH_OF_SLOPE,
            ),
            "half a square is constant": (
                partial(r1, each=half_constant),
                "right number, but of the two factors in the square one is detached, so the gradient is halved",
            ),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 3: gradient_penalty
# ---------------------------------------------------------------------------------------------------------------------

MANY = 4000  # pairs, for the distribution of epsilon
PAIRS = [(6, 3), (5, 2, 3, 4), (4, 1, 5, 3)]


class Signposts(nn.Module):
    """Around each sample a plane with a slope of its own; which, says the sample's first number. So the slopes are the
    same at all points between a real sample and a fake that share this number.
    """

    def __init__(self, *shape: int):
        super().__init__()
        self.slopes = nn.Parameter(torch.zeros(shape))

    def forward(self, x: Tensor) -> Tensor:
        if x.shape[1:] != self.slopes.shape[1:]:
            raise ValueError(f"samples of shape {list(x.shape[1:])}, expected {list(self.slopes.shape[1:])}")
        which = x.detach().flatten(1)[:, 0].round().long().clamp(0, len(self.slopes) - 1)
        return (x * self.slopes[which]).flatten(1).sum(dim=1)


def signposted(generator: torch.Generator) -> Iterator[Case]:
    """Steep slopes, where a small number under the root has no weight, and one below 1."""
    for shape in PAIRS:
        critic, real, fake = Spy(Signposts(*shape)), normal(generator, *shape) + 1, normal(generator, *shape) - 1
        slope = 1000 * normal(generator, *shape)
        slope[0] *= 0.3 / slope[0].norm()
        with torch.no_grad():
            critic.layers[0].slopes.copy_(slope)
        real.flatten(1)[:, 0] = fake.flatten(1)[:, 0] = torch.arange(len(real))
        yield {"critic": critic, "real": real, "fake": fake}


def lengths(slope: Tensor) -> Tensor:
    return slope.flatten(1).norm(dim=1)


def wgan_gp(
    critic: Callable,
    real: Tensor,
    fake: Tensor,
    *,
    slope: Callable = slopes,
    length: Callable[[Tensor], Tensor] = lengths,
    total: Callable[[Tensor], Tensor] = lambda length: (length - 1).square().mean(),
) -> Tensor:
    """The penalty; the options are what the mistakes change."""
    epsilon = torch.rand([len(real)] + [1] * (real.ndim - 1), dtype=real.dtype)
    return total(length(slope(critic, epsilon * real + (1 - epsilon) * fake)))


def one_each(real: Tensor) -> str:
    return f"draw one per sample, shape {[len(real)] + [1] * (real.ndim - 1)}"


def asks_between(answer: Callable) -> None:
    """Where the critic is asked, and what is left behind."""
    generator = torch.Generator().manual_seed(73)
    torch.manual_seed(7)
    for shape, training in (((6, 2, 3, 4), True), ((7, 1, 5, 3), False)):
        critic = watched(shape, generator, training)
        real, fake = normal(generator, *shape) + 1, normal(generator, *shape) - 1
        with leaving_no_trace(critic, real=real, fake=fake):
            try:
                answer(critic, real, fake)
            except RuntimeError as error:
                if critic.calls or "size" not in str(error):
                    raise
                raise WrongAnswer(
                    "epsilon's shape", f"your epsilon does not fit real of shape {list(shape)}: {one_each(real)}"
                ) from None
        where_asked(torch.cat([call.inputs[0] for call in critic.calls]), real, fake)


def where_asked(seen: Tensor, real: Tensor, fake: Tensor) -> None:
    """Are the points the critic was asked about on the lines between the pairs, each at a place of its own?"""
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
    shares = ((seen - fake) / (real - fake)).flatten(1)
    first = shares[:, 0]
    if not torch.allclose(shares, first[:, None].expand_as(shares), atol=1e-5):
        if bool(((shares > -1e-6) & (shares < 1 + 1e-6)).all()):
            raise WrongAnswer(
                "epsilon per number",
                "inside one sample your epsilon changes from number to number, so the point is not on the line between "
                f"real and fake: {one_each(real)}",
            )
        raise WrongAnswer(
            "not on the line",
            "your points are not epsilon * real + (1 - epsilon) * fake of their own pair: the weights must add up to "
            "1, and sample i of real belongs to sample i of fake",
        )
    if bool((first < -1e-6).any()) or bool((first > 1 + 1e-6).any()):
        worst = float(first[(first - 0.5).abs().argmax()])
        raise WrongAnswer("outside", f"an epsilon of {worst:.2f} leaves the line: draw it uniformly in [0, 1]")
    if float(first.max() - first.min()) < 1e-9:
        if abs(float(first[0]) - 0.5) < 1e-9:
            raise WrongAnswer("always the middle", "your epsilon is always 1/2: draw it at random")
        raise WrongAnswer(
            "one epsilon for the batch",
            f"all {len(first)} pairs got the same epsilon, {float(first[0]):.3f}: {one_each(real)}",
        )


def spread_of_epsilon(answer: Callable) -> None:
    """Uniform in [0, 1], and new in every call."""
    real, fake = torch.ones(MANY, 2).double(), torch.zeros(MANY, 2).double()
    draws = []
    for _ in range(2):
        critic = watched((MANY, 2), torch.Generator().manual_seed(74))
        answer(critic, real, fake)
        draws.append(torch.cat([call.inputs[0] for call in critic.calls])[:, 0])
    if torch.equal(*draws):
        raise WrongAnswer(
            "the same every time",
            "two calls drew exactly the same epsilons, so only a few points are ever asked about: draw new ones",
        )
    places = draws[0].sort().values
    uniform = (torch.arange(MANY).double() + 0.5) / MANY
    worst = float((places - uniform).abs().max())  # Kolmogorov and Smirnov's distance: 0.026 once in a hundred calls
    if worst > 0.05:
        raise WrongAnswer(
            "not uniform",
            f"your epsilons are not spread evenly over [0, 1]: mean {float(places.mean()):.2f}, standard deviation "
            f"{float(places.std()):.2f}, expected 0.50 and 0.29; use torch.rand",
        )


def flat_critic(answer: Callable) -> None:
    """Where the slope is exactly 0, sqrt has an infinite derivative."""
    critic = Spy(Signposts(4, 3))
    real, fake = normal(torch.Generator().manual_seed(75), 2, 4, 3)
    got = answer(critic, real, fake)
    expect_tensor(got, torch.tensor(1.0), "for a critic without any slope your penalty")
    (gradient,) = torch.autograd.grad(got, critic.parameters())
    if not gradient.isfinite().all():
        raise WrongAnswer(
            "nan on flat ground",
            "where the critic's slope is exactly 0 your gradient is NaN, since the root of 0 has no derivative: use "
            ".norm(dim=1), which takes care of it, or add 1e-12 under the root",
        )
    if abs(float(got.detach()) - 1) > 1e-2:
        raise WrongAnswer(
            "too much under the root",
            f"for a critic without any slope the penalty is (0 - 1)² = 1, yours is {float(got.detach()):.4g}: "
            + NO_MORE,
        )


def nearly_the_gradient(case: Case, got: Sight, right: Sight) -> bool:
    return same(got.value, right.value, TOLERANCE) and same(got.gradients, right.gradients, 1e-3)


NO_MORE = "add no more than 1e-12 under the root"
TO_ZERO = "you pull the slope towards 0, as R1 does: here it is pulled to 1, so subtract 1 from the norm"
gradient_penalty = exercise(CHAPTER, "gradient_penalty", ours(library.slopes, library.gradient_penalty))(
    Formula(
        wgan_gp,
        signposted,
        leaves=("critic",),
        first=(asks_between,),
        stops={"images only": (lambda case: case["real"].ndim != 4, IMAGES_ONLY)},
        also=(spread_of_epsilon, flat_critic),
        what="your penalty",
        wrong={
            "sum": (
                partial(wgan_gp, total=lambda length: (length - 1).square().sum()),
                "you added the samples up: take their mean",
            ),
            "not averaged": (
                partial(wgan_gp, total=lambda length: (length - 1).square()),
                "you return one penalty per sample: take the mean",
            ),
            "norm over the batch": (
                partial(wgan_gp, length=torch.norm),
                "you took one norm over the whole batch: every sample has its own, so flatten(1) and take it along "
                "dim=1",
            ),
            "norm over channels only": (partial(wgan_gp, length=lambda slope: slope.norm(dim=1)), FLATTEN),
            "squared norm": (
                partial(wgan_gp, length=squares),
                "you subtract 1 from the SQUARED norm: take the root first",
            ),
            "squared norm, not squared again": (
                partial(wgan_gp, length=squares, total=lambda length: (length - 1).mean()),
                "you subtract 1 from the squared norm: take the root, subtract 1, then square",
            ),
            "zero-centred": (partial(wgan_gp, total=lambda length: length.square().mean()), TO_ZERO),
            "zero-centred, half": (partial(wgan_gp, total=lambda length: length.square().mean() / 2), TO_ZERO),
            "mean norm": (
                partial(wgan_gp, total=lambda length: (length.mean() - 1).square()),
                "you averaged the norms before subtracting 1, so that steep and flat places cancel: (norm - 1)² of "
                "each sample first, then the mean",
            ),
            "not squared": (
                partial(wgan_gp, total=lambda length: (length - 1).mean()),
                "you averaged norm - 1: square it, or flat places make up for steep ones",
            ),
            "absolute": (
                partial(wgan_gp, total=lambda length: (length - 1).abs().mean()),
                "you took the absolute value of norm - 1: take its square",
            ),
            "one-sided": (
                partial(wgan_gp, total=lambda length: (length - 1).relu().square().mean()),
                "you punish only slopes above 1: here slopes below 1 are punished too",
            ),
            "slope of the mean": (partial(wgan_gp, slope=partial(slopes, output=torch.mean)), MEAN_OF_LOGITS),
            "half": (
                partial(wgan_gp, total=lambda length: (length - 1).square().mean() / 2),
                "half the right value: there is no half in this penalty",
            ),
            "with lambda": (
                partial(wgan_gp, total=lambda length: 10 * (length - 1).square().mean()),
                "ten times the right value: leave lambda to the caller",
            ),
            "absolute values": (
                partial(wgan_gp, length=lambda slope: slope.flatten(1).abs().sum(dim=1)),
                "you added absolute values: the norm is the root of the sum of squares",
            ),
            "mean over numbers": (
                partial(wgan_gp, length=lambda slope: slope.flatten(1).square().mean(dim=1).sqrt()),
                "you averaged the squares of one sample's slope: the norm ADDS them before the root",
            ),
            "wrong sign": (partial(wgan_gp, total=lambda length: -(length - 1).square().mean()), ADDED_TO_A_LOSS),
            "no second-order gradient": (
                partial(wgan_gp, slope=partial(slopes, create_graph=False)),
                NO_GRAPH_OF_SLOPE,
            ),
            "half a square is constant": (
                partial(wgan_gp, total=lambda length: ((length - 1) * (length - 1).detach()).mean()),
                "right number, but of the two factors in the square one is detached, so the gradient is halved",
            ),
        },
        signs={
            "too much under the root": (
                nearly_the_gradient,
                "right, but the gradient of small slopes is off: " + NO_MORE,
            ),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 4: precision
# ---------------------------------------------------------------------------------------------------------------------

CLOUDS = [  # real points, fakes, features, neighbours, how far the clouds are apart, and from 0
    (40, 23, 2, 3, 0.8, 0),
    (17, 31, 5, 1, 0.5, 0),
    (30, 30, 3, 2, 1.0, 0),
    (25, 60, 1, 4, 1.5, 0),
    (4, 1, 2, 3, 0.1, 0),
    (20, 24, 3, 1, 1.5, 5e6),
    (19, 25, 3, 1, 1.5, 1e8),
]


def clouds(generator: torch.Generator) -> Iterator[Case]:
    """Pairs of clouds of different sizes that overlap in part; then fakes on a rim, and points that are there twice."""
    for n, m, f, neighbours, shift, away in CLOUDS:
        scale = 2 * normal(generator, n, 1).abs() + 0.1  # dense and sparse places
        real, fake = scale * normal(generator, n, f), 1.5 * normal(generator, m, f) + shift
        yield {"real": real + away, "fake": fake + away, "neighbours": neighbours}
    line = torch.tensor([[0.0], [1.0], [3.0]], dtype=torch.float64)
    on_a_rim = torch.tensor([[5.0], [-1.0], [5.5], [9.0]], dtype=torch.float64)
    yield {"real": line, "fake": on_a_rim, "neighbours": 1}
    once, others = normal(generator, 6, 2), normal(generator, 3, 2)
    yield {"real": torch.cat([once, once]), "fake": torch.cat([once[:2], others]), "neighbours": 1}


def distances(one: Tensor, other: Tensor) -> Tensor:
    return (one[:, None] - other[None]).square().sum(dim=2).sqrt()


def by_products(one: Tensor, other: Tensor) -> Tensor:
    """Distances by |x|² + |y|² - 2 x · y."""
    squared = one.square().sum(dim=1)[:, None] + other.square().sum(dim=1)[None] - 2 * one @ other.T
    return squared.clamp(min=0).sqrt()


def reaches(cloud: Tensor, rank: int, apart: Callable = distances) -> Tensor:
    """Distance of each point to the `rank`-th nearest of its own cloud; rank 0 is the point itself. [N]"""
    return apart(cloud, cloud).sort(dim=1).values[:, min(rank, len(cloud) - 1)]


def among_the_fakes(real: Tensor, fake: Tensor, rank: int) -> Tensor:
    return distances(real, fake).sort(dim=1).values[:, min(rank, len(fake) - 1)]


def reaches_without_doubles(cloud: Tensor, rank: int) -> Tensor:
    apart = distances(cloud, cloud)
    return torch.where(apart == 0, torch.inf, apart).sort(dim=1).values[:, rank - 1]


def share(
    real: Tensor,
    fake: Tensor,
    neighbours: int,
    *,
    apart: Callable[[Tensor, Tensor], Tensor] = distances,
    reach: Callable[[Tensor, Tensor, int], Tensor] = lambda real, fake, neighbours: reaches(real, neighbours),
    holds: Callable[[Tensor, Tensor], Tensor] = torch.le,
    inside: Callable[[Tensor], Tensor] = lambda held: held.any(dim=1),
) -> float:
    """Precision; the options are what the mistakes change."""
    return float(inside(holds(apart(fake, real), reach(real, fake, neighbours))).double().mean())


def nearest_only(apart: Tensor, reach: Tensor) -> Tensor:
    """[M, 1]: whether the ball of the nearest real point holds it."""
    nearest = apart.argmin(dim=1, keepdim=True)
    return apart.gather(1, nearest) <= reach[nearest]


def number(got: Any) -> float:
    if isinstance(got, tuple | list):
        raise WrongAnswer("type", "return one number, the precision")
    if isinstance(got, Tensor) and got.numel() != 1:
        raise WrongAnswer("not averaged", f"you return {got.numel()} values: return their mean, the share inside")
    try:
        return float(got)
    except (TypeError, ValueError):
        raise WrongAnswer("type", f"you return a {type(got).__name__}, expected a number in [0, 1]") from None


BY_FAKES = "you measured the reach to the FAKES: a ball reaches to the k-th neighbour among the real points"
precision = exercise(CHAPTER, "precision", ours(quality.precision_recall, quality.inside))(
    Formula(
        share,
        clouds,
        read=number,
        what="your precision",
        tolerance=1e-6,  # of a mean in float32; a single point more or less moves the share by 1/60 at least
        wrong={
            "recall": (
                lambda real, fake, neighbours: share(fake, real, neighbours),
                "that is the recall, the share of REAL points inside the fake cloud: turn the two around",
            ),
            "itself as a neighbour": (
                partial(share, reach=lambda real, fake, neighbours: reaches(real, neighbours - 1)),
                "you counted each point as its own nearest neighbour, at distance 0: the k-th neighbour is at place "
                "k + 1 of the sorted distances",
            ),
            "one neighbour too many": (
                partial(share, reach=lambda real, fake, neighbours: reaches(real, neighbours + 1)),
                "your balls reach to neighbour k + 1: take index k of the sorted row (index 0 is the point itself)",
            ),
            "doubles left out": (
                partial(share, reach=lambda real, fake, neighbours: reaches_without_doubles(real, neighbours)),
                "you leave out all neighbours at distance 0: only the point itself is none, another point at the same "
                "place is one",
            ),
            "the fakes' reach": (
                partial(share, reach=lambda real, fake, neighbours: reaches(fake, neighbours)[:, None]),
                "you put the balls around the fakes: for precision each REAL point has a ball",
            ),
            "nearest point only": (
                partial(share, holds=nearest_only),
                "you asked only the nearest real point: a fake is inside when ANY ball holds it, also a wide one far "
                "off",
            ),
            "one reach for all": (
                partial(share, reach=lambda real, fake, neighbours: reaches(real, neighbours).mean()),
                "you gave all balls the mean reach: each real point has its own",
            ),
            "neighbours among the fakes": (
                partial(share, reach=lambda real, fake, neighbours: among_the_fakes(real, fake, neighbours)),
                BY_FAKES,
            ),
            "neighbours among the fakes, from one": (
                partial(share, reach=lambda real, fake, neighbours: among_the_fakes(real, fake, neighbours - 1)),
                BY_FAKES,
            ),
            "all balls": (
                partial(share, inside=lambda held: held.all(dim=1)),
                "you ask for fakes inside EVERY ball: one is enough",
            ),
            "pairs": (
                partial(share, inside=lambda held: held),
                "you took the mean over all pairs of a fake and a ball: first any() over the balls, then the mean",
            ),
            "squared distances": (
                partial(share, holds=lambda apart, reach: apart.square() <= reach),
                "you compared squared distances with plain ones",
            ),
            "rim": (partial(share, holds=torch.lt), "a fake exactly on the rim of a ball counts as inside: use <="),
            "outside": (
                lambda real, fake, neighbours: 1 - share(real, fake, neighbours),
                "that is the share of fakes OUTSIDE the cloud",
            ),
            "count": (
                lambda real, fake, neighbours: share(real, fake, neighbours) * len(fake),
                "you counted the fakes inside: divide by how many there are",
            ),
            "share of the real": (
                lambda real, fake, neighbours: share(real, fake, neighbours) * len(fake) / len(real),
                "you divided by the number of real points: divide by the number of fakes",
            ),
            "percent": (
                lambda real, fake, neighbours: 100 * share(real, fake, neighbours),
                "a share in [0, 1], not a percentage",
            ),
            "measured in float32": (
                lambda real, fake, neighbours: share(real.float(), fake.float(), neighbours),
                "in float32 the distances of clouds far from 0 lose their digits: measure in the dtype of the input",
            ),
            "distances by products": (
                partial(
                    share,
                    apart=by_products,
                    reach=lambda real, fake, neighbours: reaches(real, neighbours, by_products),
                ),
                "|x|² + |y|² - 2 x · y loses its digits for clouds far from 0: subtract the points first, then square",
            ),
        },
        signs={
            "mean of booleans": (
                lambda case, got, right: "mean()" in got.error,
                "torch takes no mean of booleans: turn them into numbers first, .double().mean()",
            ),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 5: minibatch_deviation
# ---------------------------------------------------------------------------------------------------------------------


def varied(generator: torch.Generator) -> Iterator[Case]:
    """Numbers so large that nothing under the root has any weight; the last ones far from 0."""
    for count, width, size, away in ((5, 3, 3e3, 1), (2, 7, 3e3, 1), (16, 4, 3e3, 1), (6, 3, 3e3, 3e11)):
        scale = torch.linspace(0.5, 2, width, dtype=torch.float64)
        yield {"features": size * scale * normal(generator, count, width) + away}


def beside(features: Tensor, numbers: Tensor) -> Tensor:
    """The features with one column more: a number, or one for each row."""
    return torch.cat([features, numbers.expand(len(features))[:, None]], dim=1)


def deviations(features: Tensor, correction: int = 0) -> Tensor:
    """Of each feature over the batch: [F]."""
    return features.std(dim=0, correction=correction)


def by_squares(features: Tensor) -> Tensor:
    """Variances by E[x²] - E[x]²: [F]."""
    return features.square().mean(dim=0) - features.mean(dim=0).square()


def copies(answer: Callable) -> None:
    """Where the deviation is exactly 0, sqrt has an infinite derivative."""
    for count in (6, 1):
        features = torch.tensor([[2.0, -1.0, 0.5]]).double().repeat(count, 1).requires_grad_()
        got = answer(features)
        expect_tensor(got, torch.zeros(count, 4), f"for a batch of {count} equal rows your result")
        deviation = float(got[0, -1].detach())
        if abs(deviation) > 1e-3:
            raise WrongAnswer(
                "too much under the root",
                f"for {count} equal rows the number is 0, yours is {deviation:.3g}: add no more than 1e-8 under the "
                "root",
            )
        (gradient,) = torch.autograd.grad(got[:, -1].sum(), features)
        if not gradient.isfinite().all():
            raise WrongAnswer(
                "nan for copies",
                "for a batch of copies the variance is 0 and your gradient is NaN, since the root of 0 has no "
                "derivative: add 1e-8 under the root, or use torch.std, which takes care of it",
            )


minibatch_deviation = exercise(CHAPTER, "minibatch_deviation", ours(library.MinibatchDeviation.forward))(
    Formula(
        lambda features: beside(features, deviations(features).mean()),
        varied,
        leaves=("features",),
        also=(copies,),
        wrong={
            "over the features": (
                lambda features: beside(features, features.std(dim=1, correction=0)),
                "you took the deviation within each row: it is over the batch, for each feature (dim=0)",
            ),
            "over all entries": (
                lambda features: beside(features, features.std(correction=0)),
                "you took one deviation over all entries: that also counts how the features differ from one another; "
                "take it feature by feature over the batch (dim=0), then average",
            ),
            "divided by N - 1": (
                lambda features: beside(features, deviations(features, correction=1).mean()),
                "you divided by N - 1, torch's default: here it is N, correction=0 (a batch of one would give NaN)",
            ),
            "variance": (
                lambda features: beside(features, deviations(features).square().mean()),
                "you averaged variances: the standard deviation is their root",
            ),
            "root of the mean": (
                lambda features: beside(features, deviations(features).square().mean().sqrt()),
                "you averaged the variances before the root: first the root of each feature's variance, then the mean",
            ),
            "mean distance": (
                lambda features: beside(features, (features - features.mean(dim=0)).abs().mean()),
                "you averaged distances from the mean: the standard deviation is the root of the mean square",
            ),
            "difference of squares": (
                lambda features: beside(features, by_squares(features).clamp(min=1e-8).sqrt().mean()),
                "the mean of the squares minus the square of the mean loses its digits where numbers are far from 0: "
                "subtract the mean before you square",
            ),
            "sum": (
                lambda features: beside(features, deviations(features).sum()),
                "you added the F deviations up: take their mean",
            ),
            "one number a feature": (
                lambda features: torch.cat([features, deviations(features).expand(len(features), -1)], dim=1),
                "you put all F deviations beside each row: average them to one number",
            ),
            "nothing but the number": (
                lambda features: deviations(features).mean(),
                "you return the number alone: put it beside the features of every row, [N, F + 1]",
            ),
            "nothing but a column": (
                lambda features: deviations(features).mean().expand(len(features), 1),
                "you return the new column alone: put it beside the features, [N, F + 1]",
            ),
            "in front": (
                lambda features: beside(features, deviations(features).mean()).roll(1, dims=1),
                "the number comes after the features: last, not first",
            ),
            "one row more": (
                lambda features: torch.cat([features, deviations(features)[None]]),
                "you added a row to the batch: each row gets one more number, [N, F + 1]",
            ),
            "zeros": (
                lambda features: F.pad(features, (0, 1)),
                "your extra number is 0: you took the deviation of numbers that are all the same",
            ),
            "detached": (
                lambda features: beside(features, deviations(features).mean().detach()),
                "no gradient flows through your extra number, so no generator would ever hear of it: no .item(), no "
                ".detach(), no new tensor made from a float",
            ),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 6: spectral_norm
# ---------------------------------------------------------------------------------------------------------------------

READY_MADE_NORM = Forbidden(
    "your code calls torch's own spectral_norm: write the round of power iteration out",
    functions=(nn.utils.spectral_norm, nn.utils.parametrizations.spectral_norm),
)


def direction(vector: Tensor) -> Tensor:
    return vector / vector.norm()


def layers(generator: torch.Generator) -> Iterator[Case]:
    """Dense layers and kernels, square and not, with vectors that one round does not bring to the end."""
    for *shape, size in ((4, 4, 1.0), (5, 3, 2.0), (3, 2, 3, 3, 1.0), (2, 6, 1e-3), (4, 4, 1e4)):
        weight = size * normal(generator, *shape)
        yield {"weight": weight, "u": direction(normal(generator, shape[0]))}


def round_of(
    weight: Tensor,
    u: Tensor,
    *,
    rounds: int = 1,
    constant: bool = True,
    first: Callable[[Tensor, Tensor], Tensor] = lambda W, u: W.T @ u,
    scaled: tuple[Callable, Callable] = (direction, direction),
    sigma: Callable[..., Tensor] = lambda W, u, v, old: u @ (W @ v),
    result: Callable[..., tuple] = lambda weight, sigma, u, old: (weight / sigma, u),
) -> tuple:
    """One step of spectral norm; the options are what the mistakes change."""
    W, old = weight.flatten(1), u
    held = W.detach() if constant else W
    for _ in range(rounds):
        v = scaled[0](first(held, u))
        u = scaled[1](held @ v)
    return result(weight, sigma(W, u, v, old), u, old)


def two_tensors(got: Any) -> tuple[Tensor, Tensor]:
    if not isinstance(got, tuple | list) or len(got) != 2:
        raise WrongAnswer("type", "return two things, the divided weight and the new u")
    if any(not isinstance(part, Tensor) for part in got):
        raise WrongAnswer("type", "both things that you return are tensors: the divided weight and the new u")
    return tuple(got)


def keeps_no_graph(answer: Callable) -> None:
    """The vector lives from step to step: with its history it would hold the graphs of all steps before."""
    case = next(layers(torch.Generator().manual_seed(76)))
    weight, u = answer(case["weight"].requires_grad_(), case["u"])
    if not weight.requires_grad:
        raise WrongAnswer(
            "no gradient", "no gradient gets from the divided weight to the weight: divide outside no_grad"
        )
    if u.requires_grad:
        raise WrongAnswer(
            "u keeps its history",
            "the new u still hangs on the graph of this step: compute u and v under torch.no_grad(), or detach them",
        )


ITERATED = "u and v are constants to autograd: compute them under torch.no_grad(), or from weight.detach()"
spectral_norm = exercise(CHAPTER, "spectral_norm", READY_MADE_NORM)(
    Formula(
        round_of,
        layers,
        leaves=("weight",),
        also=(keeps_no_graph,),
        read=two_tensors,
        wrong={
            "sigma is a constant": (
                partial(round_of, sigma=lambda W, u, v, old: (u @ (W @ v)).detach()),
                "the numbers are right, but sigma is a constant to autograd in your code: it depends on the weight, "
                "and that part of the gradient keeps the norm at 1",
            ),
            "gradient through the iteration": (partial(round_of, constant=False), ITERATED),
            "old u returned": (
                partial(round_of, result=lambda weight, sigma, u, old: (weight / sigma, old)),
                "you return the u that came in: return the new one, the next step goes on from there",
            ),
            "sigma with the old u": (
                partial(round_of, sigma=lambda W, u, v, old: old @ (W @ v)),
                "your sigma uses the old u: first u = W v scaled to length 1, then sigma = u · W v",
            ),
            "v not scaled": (
                partial(round_of, scaled=(lambda v: v, direction)),
                "your v is not scaled to length 1, so sigma is too large: divide W^T u by its length",
            ),
            "u not scaled": (
                partial(round_of, scaled=(direction, lambda u: u)),
                "your new u is not scaled to length 1: divide W v by its length",
            ),
            "nothing scaled": (
                partial(round_of, scaled=(lambda v: v, lambda u: u)),
                "neither u nor v is scaled to length 1: divide each by its length",
            ),
            "two rounds": (
                partial(round_of, rounds=2),
                "you do two rounds: one call is one round, the next call goes on from your u",
            ),
            "not transposed": (
                partial(round_of, first=lambda W, u: W @ u),
                "v is W^T u, with W transposed: you multiply by W both times",
            ),
            "many rounds": (
                partial(round_of, rounds=200),
                "your sigma is the exact spectral norm: asked is what one round finds, starting at the given u",
            ),
            "the exact norm": (
                partial(round_of, sigma=lambda W, u, v, old: torch.linalg.matrix_norm(W, 2)),
                "your sigma is the exact spectral norm: asked is what one round finds, starting at the given u",
            ),
            "Frobenius": (
                partial(round_of, sigma=lambda W, u, v, old: W.norm()),
                "you divided by the root of the sum of all squares, the Frobenius norm: the spectral norm is the "
                "largest stretch of one direction",
            ),
            "largest entry": (
                partial(round_of, sigma=lambda W, u, v, old: W.abs().max()),
                "you divided by the largest entry: the spectral norm is the largest stretch of a direction",
            ),
            "squared": (
                partial(round_of, sigma=lambda W, u, v, old: (W @ v).square().sum()),
                "your sigma is squared: it is the length of W v",
            ),
            "multiplied": (
                partial(round_of, result=lambda weight, sigma, u, old: (weight * sigma, u)),
                "you multiplied by sigma: divide",
            ),
            "not divided": (
                partial(round_of, result=lambda weight, sigma, u, old: (weight, u)),
                "your weight comes back as it was: divide it by sigma",
            ),
            "flattened": (
                partial(round_of, result=lambda weight, sigma, u, old: (weight.flatten(1) / sigma, u)),
                "you return the matrix: the divided weight keeps the shape of the weight",
            ),
            "v returned": (
                lambda weight, u: (
                    round_of(weight, u)[0],
                    direction(weight.detach().flatten(1).T @ u),
                ),
                "you return v: return u, which has as many numbers as the weight has rows",
            ),
            "swapped": (
                partial(round_of, result=lambda weight, sigma, u, old: (u, weight / sigma)),
                "you return the two in the other order: first the divided weight, then u",
            ),
            "measured in float32": (
                lambda weight, u: tuple(part.double() for part in round_of(weight.float(), u.float())),
                "in float32 digits are lost: stay in the dtype of the weight",
            ),
        },
        stops={
            "matrices only": (
                lambda case: case["weight"].ndim > 2,
                "it stops for a kernel [O, C, k, k]: read it as a matrix with O rows, weight.flatten(1)",
            ),
            "not transposed": (
                lambda case: case["weight"].flatten(1).shape[0] != case["weight"].flatten(1).shape[1],
                "W has O rows, and u has O numbers: v is W^T u, then u is W v",
            ),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 7: which_game
# ---------------------------------------------------------------------------------------------------------------------

FAULTS = ("healthy", "no create_graph", "one norm", "wrong sign", "clipped", "slow discriminator")
MYSTERIES = {  # letter -> what is wrong; `mystery_games` plays them so
    "A": "one norm",
    "B": "slow discriminator",
    "C": "no create_graph",
    "D": "clipped",
    "E": "wrong sign",
    "F": "healthy",
}
PLAYED = 64  # points in a batch


class FaultyPenalty(PenalisedCritic, PointGAN):
    """WGAN-GP in the plane with one fault in its penalty, or none."""

    name = "faulty_penalty"
    strength = 1.0
    fault = "healthy"

    def penalty(self, real: Tensor, fake: Tensor, labels: Tensor) -> Tensor:
        epsilon = torch.rand(len(real), 1)
        between = (epsilon * real + (1 - epsilon) * fake).detach().requires_grad_()
        marks = self.discriminator(between).sum()
        (slope,) = torch.autograd.grad(marks, between, create_graph=self.fault != "no create_graph")
        length = slope.norm() if self.fault == "one norm" else slope.norm(dim=1)
        strength = -self.strength if self.fault == "wrong sign" else self.strength
        return strength * (length - 1).square().mean()


def mystery_games(steps: int = 240, every: int = 6) -> dict[str, dict[str, Any]]:
    """Play the six games on the ring. Each run has the lists "step" and "slope", the mean slope of its discriminator
    between real points and fakes, and the "points" at the end. The same on every machine, but for rounding.
    """
    return {letter: mystery(fault, steps, every) for letter, fault in MYSTERIES.items()}


def mystery(fault: str, steps: int, every: int) -> dict[str, Any]:
    named = {"clipped": ("wgan", {"limit": 0.01}), "slow discriminator": ("slow_discriminator", {})}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        game = games.point_game(named[fault][0], changes=named[fault][1]) if fault in named else FaultyPenalty()
        game.fault = fault
        world, run = ring(), {"step": [], "slope": []}
        for step in range(1, steps + 1):
            game.step(world.sample(PLAYED * game.critic_steps))
            if step % every == 0:
                with torch.no_grad():
                    real, fake, share = world.sample(200), game.generator(game.noise(200)), torch.rand(200, 1)
                at = share * real + (1 - share) * fake
                run["step"].append(step)
                run["slope"].append(float(library.slopes(game.discriminator, at).detach().sqrt().mean()))
        with torch.no_grad():
            return run | {"points": game.generator(game.noise(1000))}


HEED = {  # what it is, what was said -> what to look at; None stands for any other word
    ("one norm", "clipped"): "its slope is low, but a limit of 0.01 leaves far less: what presses slopes to about an "
    "eighth, in batches of 64?",
    ("one norm", None): "its slope rests near an eighth, and a batch has 64 points: what makes that out of a 1?",
    ("slow discriminator", None): "look at its points: one crowd, while the slope does as it likes",
    (
        "no create_graph",
        "wrong sign",
    ): "its slope grows as with nothing to hold the critic: minus the penalty would push "
    "it away from 1, and from below 1 that is down",
    ("no create_graph", None): "its slope grows as long as it plays, as if nothing held the critic",
    ("clipped", "one norm"): "its slope is a thousandth: one norm for 64 points would leave an eighth",
    ("clipped", "wrong sign"): "its slope is next to nothing from the first look on: a wrong sign has to push it there",
    ("clipped", None): "its slope is next to nothing: what leaves a critic so flat?",
    (
        "wrong sign",
        "clipped",
    ): "its slope begins like that of any fresh network and sinks all the time: clipped weights "
    "are small from the first step on",
    ("wrong sign", None): "its slope sinks and sinks, away from 1: what pays a critic for that?",
    ("healthy", None): "its slope is where WGAN-GP wants it",
}


@exercise(CHAPTER)
def which_game(answer: Callable) -> None:
    """answer() -> letter -> one of FAULTS, one a letter."""
    expect_words(answer(), MYSTERIES, FAULTS, HEED, once=True)
