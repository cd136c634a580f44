"""Checks of chapter 5: both losses, the Jensen-Shannon divergence, one step of the game, and a doctor for games."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import cache, partial
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.checks.compare import TOLERANCE, compare, same
from course_lib.checks.core import exercise
from course_lib.checks.formula import SEEDS, Case, Formula, normal, with_graph
from course_lib.checks.guard import Forbidden
from course_lib.checks.signs import SMALL, cut_off, infinite, saturated
from course_lib.checks.spies import Spy, explained, flat, note_learning, one_loss, with_numbers
from course_lib.checks.verdict import WrongAnswer
from course_lib.gan.points import PointGAN, ring
from course_lib.gan.points import grid as points_on_grid
from course_lib.gan.the_gan_game import Minimax, NonSaturating

CHAPTER = "05_the_gan_game"
READY_MADE_LOSS = Forbidden(
    "your code calls course_lib's own loss: write it out",
    functions=(Minimax.discriminator, Minimax.generator, NonSaturating.generator),
)
softplus = F.softplus
BASE = "you used the logarithm to base 2: use the natural one"
TWICE = "you applied the sigmoid twice: softplus and the loss on logits have their own, so pass the logits"
LENGTHS = "your labels are as many as another batch has images: make them from the logits, torch.ones_like(logits)"
PAIRED = (
    "there are not as many real logits as fake ones, so they cannot be added one by one: take the mean of the real "
    "ones, the mean of the fake ones, and add the two means"
)
AT_LARGE_LOGITS = {
    "not stable": (
        infinite,
        "with logits of 200 to both sides your loss is infinite or NaN: exp or log leaves the range of numbers; use "
        "F.softplus or F.logsigmoid",
    ),
    "saturated": (
        saturated,
        "with large logits the loss is right but its gradient is not: no clamp, no detach, and no sigmoid before the "
        "logarithm",
    ),
    "clamped": (
        cut_off,
        "with large logits your loss is cut off: sigmoid rounds to 0 or 1, and an epsilon or a clamp hides it from the "
        "logarithm; stay with logits, F.softplus or F.logsigmoid",
    ),
}

# ---------------------------------------------------------------------------------------------------------------------
# Exercises 1 and 2: discriminator_loss and generator_loss
# ---------------------------------------------------------------------------------------------------------------------


def both_sides(generator: torch.Generator) -> Iterator[Case]:
    """One chance of e^-300, ordinary logits, and float32 logits of 200 to both sides, where all sums are exact."""

    def case(real: Tensor, fake: Tensor) -> Case:
        return {"real_logits": real, "fake_logits": fake}

    yield case(torch.tensor([-SMALL, 2.0], dtype=torch.float64), normal(generator, 3))
    for count, other, spread, shift in ((7, 5, 1, 0), (3, 8, 2, 1), (6, 6, 3, -1), (1, 4, 1, 0.5)):
        yield case(spread * normal(generator, count) + shift, spread * normal(generator, other) - shift / 2)
    yield case(torch.tensor([-200.0, 200.0]), torch.tensor([200.0, -200.0, -200.0, -200.0]))


def fakes(generator: torch.Generator) -> Iterator[Case]:
    """The same for the fakes alone."""
    yield {"fake_logits": torch.tensor([-SMALL, 2.0], dtype=torch.float64)}
    for count, spread, shift in ((7, 1, 0), (5, 3, -1), (9, 2, 1), (1, 1, -0.5)):
        yield {"fake_logits": spread * normal(generator, count) + shift}
    yield {"fake_logits": torch.tensor([-200.0, 200.0])}


def d_loss(real: Tensor, fake: Tensor) -> Tensor:
    return softplus(-real).mean() + softplus(fake).mean()


def g_loss(fake: Tensor) -> Tensor:
    return softplus(-fake).mean()


discriminator_loss = exercise(CHAPTER, "discriminator_loss", READY_MADE_LOSS)(
    Formula(
        d_loss,
        both_sides,
        leaves=("real_logits", "fake_logits"),
        what="your loss",
        read=with_graph,
        wrong={
            "paired": (lambda r, f: (softplus(-r) + softplus(f)).mean(), PAIRED),
            "not averaged": (
                lambda r, f: softplus(-r) + softplus(f),
                "you return one number per image: take the mean over the real ones plus the mean over the fake ones",
            ),
            "sum": (
                lambda r, f: softplus(-r).sum() + softplus(f).sum(),
                "you added the costs of a batch up: take the mean over the real ones plus the mean over the fake ones",
            ),
            "one mean over both": (
                lambda r, f: softplus(torch.cat([-r, f])).mean(),
                "you took one mean over real and fake together: each half gets its own mean, and the two are added",
            ),
            "halved": (lambda r, f: d_loss(r, f) / 2, "you halved the sum of the two means: just add them"),
            "wrong sign": (
                lambda r, f: -d_loss(r, f),
                "the sign is wrong: you return the value that D makes large; its loss is MINUS that, so never negative",
            ),
            "minus instead of plus": (
                lambda r, f: softplus(-r).mean() - softplus(f).mean(),
                "the fakes' part has the wrong sign: both parts are costs, and costs are added",
            ),
            "labels swapped": (
                lambda r, f: d_loss(-r, -f),
                "your labels are swapped: real is 1, so softplus(-l); fake is 0, so softplus(+l)",
            ),
            "fakes labelled real": (
                lambda r, f: d_loss(r, -f),
                "you ask D to call the fakes real: that is the generator's wish; a fake costs D softplus(+l)",
            ),
            "only real": (
                lambda r, f: softplus(-r).mean(),
                "the fakes' part is missing: add the mean of softplus(fake_logits)",
            ),
            "only fake": (
                lambda r, f: softplus(f).mean(),
                "the real part is missing: add the mean of softplus(-real_logits)",
            ),
            "sigmoid twice": (lambda r, f: d_loss(r.sigmoid(), f.sigmoid()), TWICE),
            "no logarithm": (
                lambda r, f: (1 - r.sigmoid()).mean() + f.sigmoid().mean(),
                "you averaged probabilities: take minus their logarithm; without it another distance is measured",
            ),
            "linear": (
                lambda r, f: f.sigmoid().mean() - r.sigmoid().mean(),
                "this is the linear pay-off: here the logarithms of the verdicts are averaged",
            ),
            "no sigmoid": (
                lambda r, f: f.mean() - r.mean(),
                "you averaged the logits themselves: turn them into -ln of a probability, softplus",
            ),
            "log of the mean": (
                lambda r, f: -r.sigmoid().mean().log() - (1 - f.sigmoid()).mean().log(),
                "you took the logarithm of the mean verdict: first the logarithm of each, then the mean",
            ),
            "base 2": (lambda r, f: d_loss(r, f) / math.log(2), BASE),
            "squared error": (
                lambda r, f: (1 - r.sigmoid()).square().mean() + f.sigmoid().square().mean(),
                "you computed a squared error: take -ln",
            ),
        },
        signs={
            **AT_LARGE_LOGITS,
            "labels of the wrong length": (lambda case, got, right: "arget size" in got.error, LENGTHS),
            "paired": (lambda case, got, right: "must match the size of tensor" in got.error, PAIRED),
        },
    )
)

generator_loss = exercise(CHAPTER, "generator_loss", READY_MADE_LOSS)(
    Formula(
        g_loss,
        fakes,
        leaves=("fake_logits",),
        what="your loss",
        read=with_graph,
        wrong={
            "sum": (lambda f: softplus(-f).sum(), "you added the losses of the fakes up: take their mean"),
            "not averaged": (lambda f: softplus(-f), "you return one loss per fake: take the mean"),
            "wrong sign": (
                lambda f: -g_loss(f),
                "the sign is wrong: minimising +ln D makes the fakes worse; the loss is MINUS the mean of ln D",
            ),
            "saturating": (
                lambda f: -g_loss(-f),
                "this is the minimax loss ln(1 - D), silent when D is sure: use the non-saturating one, -ln D",
            ),
            "helps the discriminator": (
                lambda f: g_loss(-f),
                "this is D's cost for a fake: the generator wants its fakes to be called real, softplus(-l)",
            ),
            "sigmoid twice": (lambda f: g_loss(f.sigmoid()), TWICE),
            "no logarithm": (
                lambda f: -f.sigmoid().mean(),
                "you took minus the verdict itself: take minus its logarithm",
            ),
            "one minus": (lambda f: (1 - f.sigmoid()).mean(), "you computed 1 - D: take minus the logarithm of D"),
            "no sigmoid": (lambda f: -f.mean(), "you averaged the logits themselves: -ln D is softplus(-logit)"),
            "log of the mean": (
                lambda f: -f.sigmoid().mean().log(),
                "you took the logarithm of the mean verdict: first the logarithm of each, then the mean",
            ),
            "base 2": (lambda f: g_loss(f) / math.log(2), BASE),
            "squared error": (lambda f: (1 - f.sigmoid()).square().mean(), "you computed a squared error: take -ln D"),
        },
        signs={
            **AT_LARGE_LOGITS,
            "labels of the wrong length": (lambda case, got, right: "arget size" in got.error, LENGTHS),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 3: js_divergence
# ---------------------------------------------------------------------------------------------------------------------

WIDE = 1e12  # of cells on which densities are as small as an epsilon


def density(cells: int, width: float, generator: torch.Generator, empty: tuple[int, ...] = ()) -> Tensor:
    heights = torch.rand(cells, generator=generator, dtype=torch.float64) + 0.05
    heights[list(empty)] = 0
    return heights / heights.sum() / width


def positive(generator: torch.Generator) -> Iterator[Case]:
    """Narrow cells first, where no epsilon shows; then wide ones, where it does; then ordinary ones."""
    for cells, width in ((5, 1e-4), (6, WIDE), (12, 0.5), (9, 2.0), (2, 1.0)):
        yield {"p": density(cells, width, generator), "q": density(cells, width, generator), "width": width}


def with_zeros(generator: torch.Generator) -> Iterator[Case]:
    """One density zero, the other, both; and two that never overlap."""
    yield {"p": density(6, 0.5, generator, (1, 2)), "q": density(6, 0.5, generator, (2, 4)), "width": 0.5}
    yield {"p": density(4, 0.25, generator, (0, 1)), "q": density(4, 0.25, generator, (2, 3)), "width": 0.25}


def kl(p: Tensor, q: Tensor) -> Tensor:
    """Sum over the cells of p ln(p / q), with 0 ln 0 = 0."""
    return (torch.xlogy(p, p) - torch.xlogy(p, q)).sum()


def divergence(p: Tensor, q: Tensor, width: float) -> Tensor:
    m = (p + q) / 2
    return (kl(p, m) + kl(q, m)) / 2 * width


def equal_densities(answer: Callable) -> None:
    """Where rounding is all that may be left: several cells, one of them empty, and a single cell."""
    for p, width in ((torch.tensor([0.3, 0.0, 1.7], dtype=torch.float64), 0.5), (torch.ones(1).double(), 1.0)):
        got = answer(p, p.clone(), width)
        if not abs(float(got)) < 1e-12:
            raise WrongAnswer(
                "equal densities",
                f"for two equal densities you return {float(got):.3g}, expected 0: is anything added or cut off?",
            )


zeros = Formula(
    divergence,
    with_zeros,
    wrong={},
    what="your divergence",
    signs={
        "log of zero": (
            infinite,
            "where a density is 0 your result becomes infinite or NaN: 0 ln 0 counts as 0; torch.xlogy(p, ...) knows "
            "that, and cells where both are 0 need care, too",
        ),
        "wrong at zero": (
            lambda case, got, right: isinstance(got.value, Tensor) and got.value.ndim == 0,
            "with some densities 0 your result is wrong: a cell counts as long as one of the two densities is positive "
            "there",
        ),
    },
)
MIXTURE = "you compare p and q with each other: compare each with the mixture m = (p + q) / 2"
js_divergence = exercise(CHAPTER, "js_divergence")(
    Formula(
        divergence,
        positive,
        leaves=("p", "q"),
        what="your divergence",
        read=with_graph,
        also=(zeros, equal_densities),
        wrong={
            "KL": (lambda p, q, width: kl(p, q) * width, f"this is KL(p, q): {MIXTURE}"),
            "KL, turned round": (lambda p, q, width: kl(q, p) * width, f"this is KL(q, p): {MIXTURE}"),
            "both KL": (lambda p, q, width: (kl(p, q) + kl(q, p)) * width, MIXTURE),
            "mean of both KL": (lambda p, q, width: (kl(p, q) + kl(q, p)) * width / 2, MIXTURE),
            "KL the wrong way round": (
                lambda p, q, width: (kl((p + q) / 2, p) + kl((p + q) / 2, q)) * width / 2,
                "your arguments are the wrong way round: p ln(p / m), not m ln(m / p)",
            ),
            "only one half": (
                lambda p, q, width: kl(p, (p + q) / 2) * width,
                "only p is compared with the mixture: the mean of KL(p, m) and KL(q, m) is wanted",
            ),
            "not halved": (
                lambda p, q, width: 2 * divergence(p, q, width),
                "twice too large: JS is half the sum of the two KL",
            ),
            "mixture not halved": (
                lambda p, q, width: (kl(p, p + q) + kl(q, p + q)) * width / 2,
                "negative: your mixture is p + q, which is no density; divide it by 2",
            ),
            "value of the game": (
                lambda p, q, width: 2 * divergence(p, q, width) - math.log(4),
                "this is the value of the game, 2 JS - ln 4: return JS",
            ),
            "width forgotten": (
                lambda p, q, width: divergence(p, q, 1),
                "you forgot the width: an integral is the sum over the cells times width",
            ),
            "mean and sum confused": (
                lambda p, q, width: divergence(p, q, 1 / len(p)),
                "you took the mean over the cells: take their sum, times width",
            ),
            "mean times width": (
                lambda p, q, width: divergence(p, q, width / len(p)),
                "you took the mean over the cells: take their sum, times width",
            ),
            "base 2": (lambda p, q, width: divergence(p, q, width) / math.log(2), BASE),
            "wrong sign": (
                lambda p, q, width: -divergence(p, q, width),
                "the sign is wrong: a divergence is never negative; p ln(p / m), not p ln(m / p)",
            ),
            "square root": (
                lambda p, q, width: divergence(p, q, width).sqrt(),
                "you took a square root: that is the Jensen-Shannon distance",
            ),
            "total variation": (
                lambda p, q, width: (p - q).abs().sum() * width / 2,
                "this is the total variation, half the area between the curves: JS has logarithms",
            ),
            "constant mixture": (
                lambda p, q, width: (kl(p, (p + q).detach() / 2) + kl(q, (p + q).detach() / 2)) * width / 2,
                "right number, but to the gradient your mixture is a constant: no .detach() around it",
            ),
        },
        signs={
            "epsilon added": (
                lambda case, got, right: case["width"] == WIDE and not same(got.value, right.value, TOLERANCE),
                "with wide cells densities are very small, and something that you add to them or use as their floor "
                "spoils the result: add nothing; torch.xlogy(p, p) knows that 0 ln 0 is 0",
            )
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 4: gan_step
# ---------------------------------------------------------------------------------------------------------------------

SIZES = ((7, 7), (7, 7), (4, 7), (1, 2))  # real images and noise of each call; the last batch of an epoch is short


class Match:
    """Some calls of a step from one start, and everything that can be seen of them.

    loud  the discriminator's logits are as large as 1000
    """

    def __init__(self, step: Callable, seed: int, loud: bool):
        generator = torch.Generator().manual_seed(seed)
        with torch.random.fork_rng(devices=[]):
            brush = nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 6), nn.Unflatten(1, (2, 3))
            judge = nn.Flatten(), nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 1), nn.Flatten(0)
            self.G, self.D = (with_numbers(Spy(*layers), generator) for layers in (brush, judge))
        with torch.no_grad():
            self.D.layers[3].weight.mul_(1000 if loud else 1)
        self.D.layers[2].eval()  # one part in another mode than the rest
        self.modes = {network: [module.training for module in network.modules()] for network in (self.G, self.D)}
        self.optimizers = [torch.optim.SGD(network.parameters(), lr=0.2, momentum=0.5) for network in (self.G, self.D)]
        self.events: list[str] = []
        for network, optimizer, name in zip((self.G, self.D), self.optimizers, ("G ", "D "), strict=True):
            note_learning(network, optimizer, self.events, name)
        for weights in self.parameters():  # gradients of a batch before
            weights.grad = normal(generator, *weights.shape)
        self.returned: list[Any] = []
        self.during: list[list[str]] = []  # the events of each call
        self.weights = [(flat(self.G), flat(self.D))]
        self.left: list[Tensor] = []  # D's gradients after each call
        for images, count in SIZES:
            real, noise, before = normal(generator, images, 2, 3), normal(generator, count, 5), len(self.events)
            self.returned.append(step(self.G, self.D, *self.optimizers, real, noise))
            self.during.append(self.events[before:])
            self.weights.append((flat(self.G), flat(self.D)))
            gradients = [torch.zeros_like(w) if w.grad is None else w.grad for w in self.D.parameters()]
            self.left.append(torch.cat([gradient.detach().flatten() for gradient in gradients]))

    def parameters(self) -> Iterator[nn.Parameter]:
        return chain(self.G.parameters(), self.D.parameters())


def round_of(
    d_loss: Callable = d_loss,
    g_loss: Callable = g_loss,
    generator_first: bool = False,
    clear: str = "DG",  # whose zero_grad is called
    detached: bool = True,
    pile: bool = False,  # both zero_grad calls at the top of the step
    late: bool = False,  # both zero_grad calls at the end of the step
    d_twice: bool = False,  # D's optimizer steps in the generator's turn, too
) -> Callable:
    """A step with something changed; as it stands it is the right one."""

    def step(G, D, g_optimizer, d_optimizer, real, noise):
        fake = G(noise)
        losses = {}
        if pile:
            g_optimizer.zero_grad()
            d_optimizer.zero_grad()

        def d_turn() -> None:
            losses["D"] = d_loss(D(real), D(fake.detach() if detached else fake))
            if "D" in clear and not pile:
                d_optimizer.zero_grad()
            losses["D"].backward(retain_graph=True)
            d_optimizer.step()

        def g_turn() -> None:
            losses["G"] = g_loss(D(fake))
            gradients = torch.autograd.grad(losses["G"], list(G.parameters()), retain_graph=True)
            if d_twice:
                d_optimizer.zero_grad()
                losses["G"].backward(retain_graph=True, inputs=list(D.parameters()))
                d_optimizer.step()
            for weights, gradient in zip(G.parameters(), gradients, strict=True):
                kept = weights.grad if ("G" not in clear or pile) and weights.grad is not None else 0
                weights.grad = kept + gradient
            g_optimizer.step()

        for turn in (g_turn, d_turn) if generator_first else (d_turn, g_turn):
            turn()
        if late:
            g_optimizer.zero_grad()
            d_optimizer.zero_grad()
        return losses["D"].detach(), losses["G"].detach()

    return step


def by_bce(logits: Tensor, label: float) -> Tensor:
    return F.binary_cross_entropy(logits.sigmoid(), torch.full_like(logits, label))


STALE = "G is judged by D as it was before its step: let D learn first, then call discriminator(fake) again in G's turn"
DETACH = (
    "in D's turn the gradient ran on into the generator: cut it with fake.detach(); no retain_graph is needed anywhere"
)
STEP_MISTAKES: dict[str, tuple[Callable, str]] = {
    "stale verdict": (round_of(generator_first=True), STALE),
    "not stable": (
        round_of(
            d_loss=lambda real, fake: -real.sigmoid().log().mean() - (1 - fake.sigmoid()).log().mean(),
            g_loss=lambda fake: -fake.sigmoid().log().mean(),
        ),
        "with large logits your losses are infinite: no sigmoid before the logarithm; use F.softplus or F.logsigmoid",
    ),
    "clamped": (
        round_of(lambda real, fake: by_bce(real, 1) + by_bce(fake, 0), lambda fake: by_bce(fake, 1)),
        "with large logits your losses are cut off: no sigmoid before F.binary_cross_entropy; its twin "
        "F.binary_cross_entropy_with_logits takes the logits",
    ),
    "zero_grad only at the end": (
        round_of(clear="", late=True),
        "the first steps use gradients that were there before your function was called: call each optimizer's "
        "zero_grad before its backward, not at the end",
    ),
    "no detach": (round_of(detached=False, pile=True), DETACH),
    "no detach, nothing cleared": (round_of(detached=False, clear="D"), DETACH),
    "zero_grad missing for both": (
        round_of(clear=""),
        "gradients of earlier steps pile up in both networks: call each optimizer's zero_grad before its backward",
    ),
    "zero_grad missing for D": (
        round_of(clear="G"),
        "gradients pile up in the discriminator: call d_optimizer.zero_grad() before its backward",
    ),
    "zero_grad missing for G": (
        round_of(clear="D"),
        "gradients pile up in the generator: call g_optimizer.zero_grad() before its backward",
    ),
    "labels swapped": (
        round_of(d_loss=lambda real, fake: d_loss(fake, real)),
        "D's labels are swapped: real is 1, fake is 0. D and G now want the same, and nobody plays against G",
    ),
    "generator's sign": (
        round_of(g_loss=lambda fake: -g_loss(fake)),
        "the generator's loss has the wrong sign: minimise -ln D on the fakes",
    ),
    "generator helps the discriminator": (
        round_of(g_loss=lambda fake: softplus(fake).mean()),
        "the generator learns to be called fake: in its turn the fakes get the label 1, softplus(-l)",
    ),
    "saturating": (
        round_of(g_loss=lambda fake: -softplus(fake).mean()),
        "the generator descends on the minimax loss ln(1 - D): use the non-saturating one, -ln D",
    ),
    "discriminator's sign": (
        round_of(d_loss=lambda real, fake: -d_loss(real, fake)),
        "the discriminator's loss has the wrong sign: both of its costs are softplus, and never negative",
    ),
    "halved": (
        round_of(d_loss=lambda real, fake: d_loss(real, fake) / 2),
        "you halved D's loss: add the mean over real and the mean over fake, and leave it there",
    ),
    "one mean over both": (
        round_of(d_loss=lambda real, fake: torch.cat([softplus(-real), softplus(fake)]).mean()),
        "you took one mean over real and fake together: each gets its own mean; with a short batch they differ",
    ),
    "sum": (
        round_of(lambda real, fake: softplus(-real).sum() + softplus(fake).sum(), lambda fake: softplus(-fake).sum()),
        "you used sums over the batch: take means, else the step grows with the batch",
    ),
    "sigmoid twice": (
        round_of(lambda real, fake: d_loss(real.sigmoid(), fake.sigmoid()), lambda fake: g_loss(fake.sigmoid())),
        "you applied the sigmoid twice: D returns logits, and the losses on logits have their own sigmoid",
    ),
    "only real": (
        round_of(d_loss=lambda real, fake: softplus(-real).mean()),
        "D never learns from the fakes: its loss has two parts",
    ),
    "only fake": (
        round_of(d_loss=lambda real, fake: softplus(fake).mean()),
        "D never learns from the real images: its loss has two parts",
    ),
    "D moves in G's turn": (
        round_of(d_twice=True),
        "D's weights change in the generator's turn: there only g_optimizer steps",
    ),
}


COMPLAINTS = {  # what torch says -> the mistake
    "backward through the graph a second time": ("no detach", DETACH),
    "modified by an inplace operation": ("stale verdict", STALE),  # D's weights changed between verdict and backward
    "does not require grad": (
        "no gradient",
        "backward finds no weights to reach: D is still frozen from G's turn, or in G's turn the fakes are detached or "
        "made under no_grad",
    ),
    "arget size": ("labels of the wrong length", LENGTHS),
    "must match the size of tensor": ("paired", PAIRED),
}


@exercise(CHAPTER, forbidden=READY_MADE_LOSS)
def gan_step(answer: Callable) -> None:
    """answer(G, D, g_optimizer, d_optimizer, real, noise) -> (D's loss, G's loss), after one round of the game."""
    for seed, loud in (*((seed, False) for seed in SEEDS), (2, True)):
        with torch.enable_grad(), explained(COMPLAINTS):
            played = Match(answer, seed, loud)
        reference = Match(round_of(), seed, loud)
        check_players(played)
        if not same(played.weights, reference.weights, TOLERANCE):
            name_weights(played, reference, seed, loud)
        check_gradients(played, reference)
        check_returned(played.returned, reference.returned)


def check_players(played: Match) -> None:
    """Each network was called, each optimizer stepped in each call, and both are as free as they were."""
    if not played.G.calls or not played.D.calls:
        raise WrongAnswer("no forward", "a network was never called: fake = generator(noise), discriminator(images)")
    for step, name in (("D step", "d_optimizer"), ("G step", "g_optimizer")):
        if any(step not in events for events in played.during):
            raise WrongAnswer("no step", f"{name} took no step: each player learns once per call, {name}.step()")
    if not all(weights.requires_grad for weights in played.parameters()):
        raise WrongAnswer("stays frozen", "after your step some weights have requires_grad False: thaw what you froze")
    for network, modes in played.modes.items():
        if [module.training for module in network.modules()] != modes:
            raise WrongAnswer("eval mode", "after your step a network is in another mode: leave the modes alone")
        if any(call.modes != tuple(modes) for call in network.calls):
            raise WrongAnswer("eval mode", "a network was called in another mode than it came in: leave modes alone")
    if len(played.G.calls) > len(SIZES):
        raise WrongAnswer(
            "generator called twice",
            "you call the generator more than once per step: make the fakes once, detach them for D, use them for G",
        )


def name_weights(played: Match, reference: Match, seed: int, loud: bool) -> None:
    """Why the weights are wrong."""
    mistakes = {name: (Match(step, seed, loud).weights, told) for name, (step, told) in STEP_MISTAKES.items()}
    try:
        compare(played.weights, reference.weights, "the weights after each call", mistakes, TOLERANCE)
    except WrongAnswer as wrong:
        if wrong.name == "no detach, nothing cleared":
            raise WrongAnswer("no detach", str(wrong)) from None
        if wrong.name != "wrong":
            raise
        if torch.equal(played.weights[0][0], played.weights[1][0]):
            raise WrongAnswer(
                "no gradient",
                "the generator did not move: in its turn the fakes must not be detached, and zero_grad comes before "
                "backward, not after it",
            ) from None
        if any(events.count(step) > 1 for events in played.during for step in ("D step", "G step")):
            message = "an optimizer took more than one step per call: D once, then G once"
            raise WrongAnswer("two steps", message) from None
        if too_early(played):
            raise WrongAnswer("stale verdict", STALE) from None
        raise


def too_early(played: Match) -> bool:
    """Whether a gradient reached the generator before D's step."""
    return any("G gradient" in events[: events.index("D step")] for events in played.during)


def check_gradients(played: Match, reference: Match) -> None:
    """The weights are right; but was a gradient computed for nothing? D may keep its own or none."""
    if too_early(played):
        raise WrongAnswer("no detach", DETACH)
    freeze = "freeze D with discriminator.requires_grad_(False) before you call it in G's turn, and thaw it afterwards"
    for events, left, own in zip(played.during, played.left, reference.left, strict=True):
        after = events[events.index("D step") :]
        if left.any() and not same(left, own, TOLERANCE):
            raise WrongAnswer(
                "gradients left in D",
                f"the weights are right, but G's backward left gradients in D's weights, for nothing: {freeze}",
            )
        if "D frozen" in after:
            raise WrongAnswer("frozen too late", f"gradients for D's weights are computed all the same: {freeze}")
        if "D gradient" in after:
            raise WrongAnswer(
                "cleared, not frozen",
                f"G's backward computes gradients for D's weights, which you throw away: {freeze}",
            )


def check_returned(returned: list[Any], wanted: list[tuple[Tensor, Tensor]]) -> None:
    if any(pair is None for pair in returned):
        raise WrongAnswer("nothing returned", "the weights are right, but you return nothing: return both losses")
    if not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in returned):
        raise WrongAnswer("type", "return two values: D's loss, then G's loss")
    got = torch.stack([one_loss(loss) for pair in returned for loss in pair])
    right = torch.stack([loss for pair in wanted for loss in pair])
    turned = right.view(-1, 2).flip(1).flatten()
    swapped = {"losses swapped": (turned, "you return the generator's loss first: D's loss comes first")}
    compare(got, right, "the list of losses", swapped, TOLERANCE)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 5: diagnose_game
# ---------------------------------------------------------------------------------------------------------------------

DIAGNOSES = ("healthy", "labels swapped", "sigmoid twice", "no detach", "fakes forgotten", "generator stands still")
DATA = {"ring": ring(), "wide ring": ring(5, radius=1.2, spread=0.1), "grid": points_on_grid(3)}
PATIENTS = (  # illness, whether the generator descends on the minimax loss, data, seed, steps
    ("healthy", False, "ring", 0, 300),
    ("healthy", True, "wide ring", 1, 300),
    ("labels swapped", False, "grid", 2, 150),
    ("labels swapped", True, "ring", 4, 150),
    ("sigmoid twice", False, "ring", 5, 200),
    ("sigmoid twice", True, "grid", 1, 200),
    ("no detach", True, "wide ring", 1, 400),
    ("no detach", True, "ring", 3, 400),
    ("fakes forgotten", False, "wide ring", 0, 150),
    ("fakes forgotten", True, "grid", 6, 150),
    ("generator stands still", False, "ring", 2, 250),
    ("generator stands still", False, "wide ring", 5, 250),
)


@cache
def patient(number: int) -> dict[str, Tensor]:
    """A small game of PATIENTS: both losses and the gradient on G [steps], and its samples at the end [200, 2]."""
    illness, minimax, data, seed, steps = PATIENTS[number]
    with torch.enable_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        gan, kept = PointGAN(), []
        gan.configure()
        for _ in range(steps):
            kept.append(ill_step(gan, DATA[data].sample(64), illness, Minimax if minimax else NonSaturating))
        samples = gan.sample(200)
    d_loss, g_loss, push = torch.stack(kept).T
    return {"d_loss": d_loss, "g_loss": g_loss, "push": push, "samples": samples}


def ill_step(gan: PointGAN, real: Tensor, illness: str, objective: Any) -> Tensor:
    """One round with a mistake: D's loss, G's loss, norm of the gradient on G."""
    squash = torch.sigmoid if illness == "sigmoid twice" else nn.Identity()
    fake = gan.generator(gan.noise(len(real)))
    for optimizer in gan.optimizers.values():
        optimizer.zero_grad()
    logits = squash(gan.verdict(real)), squash(gan.verdict(fake if illness == "no detach" else fake.detach()))
    if illness == "labels swapped":
        logits = logits[::-1]
    loss = softplus(-logits[0]).mean() if illness == "fakes forgotten" else d_loss(*logits)
    loss.backward(retain_graph=True)
    gan.optimizers["discriminator"].step()
    wish = objective.generator(None, squash(gan.verdict(fake)))
    wish.backward()
    if illness != "generator stands still":
        gan.optimizers["generator"].step()
    push = torch.cat([weights.grad.flatten() for weights in gan.generator.parameters()]).norm()
    return torch.stack([loss.detach(), wish.detach(), push])


def six_games() -> dict[str, dict[str, Tensor]]:
    """Six of the games, one of each kind, for the eye: letter -> the four arguments of the exercise."""
    return {letter: patient(number) for letter, number in zip("ABCDEF", (8, 4, 1, 10, 6, 2), strict=True)}


def waiting_room(generator: torch.Generator) -> Iterator[Case]:
    """Each kind twice, in an order that is drawn: nobody is to guess by counting."""
    for number in torch.randperm(len(PATIENTS), generator=generator).tolist():
        yield dict(patient(number))


def seen_by(
    d_loss: Tensor,
    g_loss: Tensor,
    push: Tensor,
    samples: Tensor,
    *,
    half: bool = True,
    twice: bool = True,
    away: bool = True,
    sign: bool = False,
    unanswered: str = "",
) -> str:
    """The right diagnosis; the options are what the mistakes do not look at, or look at instead."""
    begins, ends = float(d_loss[:5].mean()), float(d_loss[-20:].mean())
    if sign and g_loss[-1] < 0:
        return "no detach"
    if half and begins < 1.0:
        return "fakes forgotten"
    if twice and begins >= 1.0 and abs(float(g_loss[:5].mean().abs()) - math.log(2)) > 0.15:
        return "sigmoid twice"
    if ends > 1.0:
        return "healthy"
    if away and samples.norm(dim=1).median() > 3:
        return "labels swapped"
    return unanswered or ("generator stands still" if g_loss[-20:].mean() > 1 else "no detach")


def is_no_diagnosis(case: Case, got: Any, right: Any) -> bool:
    return not got.error and not (isinstance(got.value, str) and got.value in DIAGNOSES)


def missed(illness: str) -> Callable:
    """A sign: this illness got another word."""
    return lambda case, got, right: right.value == illness and not got.error


diagnose_game = exercise(CHAPTER, "diagnose_game")(
    Formula(
        seen_by,
        waiting_room,
        what="your diagnosis",
        wrong={
            "always healthy": (
                lambda d_loss, g_loss, push, samples: "healthy",
                "you call every game healthy: look at the first step, then at where the losses and the samples end",
            ),
            "first step unseen": (
                partial(seen_by, half=False, twice=False),
                "you do not look at the first step: a fresh D says 1/2 to everything, so you know what both players "
                "must pay there, and two of the illnesses are wrong already then",
            ),
            "fakes forgotten taken for labels swapped": (
                partial(seen_by, half=False),
                "you take fakes forgotten for swapped labels: both make D's loss 0 and let the samples go, but what "
                "does D pay at the first step when only the real half is charged?",
            ),
            "sigmoid twice taken for healthy": (
                partial(seen_by, twice=False),
                "you take a sigmoid twice for health: its curves are calm, but take a logit of 0 through the sigmoid, "
                "and compute what D and G pay at the first step",
            ),
            "samples unseen": (
                partial(seen_by, away=False),
                "you do not look at the samples: in one illness D and G agree, and the samples leave the data",
            ),
            "judged by the sign": (
                partial(seen_by, sign=True),
                "you judge by the sign of G's loss: ln(1 - D) is negative in every game, the healthy ones included",
            ),
            "no detach taken for a generator that stands still": (
                partial(seen_by, unanswered="generator stands still"),
                "in two illnesses D's loss falls and nothing answers: what does G's loss do where G pays -ln D and "
                "never moves?",
            ),
            "a generator that stands still taken for no detach": (
                partial(seen_by, unanswered="no detach"),
                "in two illnesses D's loss falls and nothing answers: where the two gradients cancel, G's loss stays "
                "small; where G never moves, it climbs",
            ),
        },
        signs={
            "no diagnosis": (is_no_diagnosis, f"that is no diagnosis: return one of {', '.join(DIAGNOSES)}"),
            "healthy taken for ill": (
                missed("healthy"),
                "you find an illness in a healthy game: its losses start at ln 4 and ln 2, swing, and come back; with "
                "the minimax loss G's is negative",
            ),
            "fakes forgotten unseen": (
                missed("fakes forgotten"),
                "you miss a D that never pays for fakes: what does a fresh D pay for the real half alone?",
            ),
            "sigmoid twice unseen": (
                missed("sigmoid twice"),
                "you miss a sigmoid twice: take a logit of 0 through it, and compute what D and G pay at the first "
                "step, with either loss of G",
            ),
            "labels swapped unseen": (
                missed("labels swapped"),
                "you miss swapped labels: D and G want the same, so D's loss goes to 0 and the samples go far away",
            ),
            "no detach unseen": (
                missed("no detach"),
                "you miss a forgotten detach: it starts as it should, then D's loss falls, and G's stays small, "
                "because the two gradients on the fakes cancel",
            ),
            "standstill unseen": (
                missed("generator stands still"),
                "you miss a generator that never moves: D's loss falls, G's loss climbs and climbs, and the samples "
                "are still the cloud of the start",
            ),
        },
    )
)
