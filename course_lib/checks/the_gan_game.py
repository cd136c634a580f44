"""Checks of chapter 5: both losses of the game, the Jensen-Shannon divergence, and one step of the game."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.checks.core import WrongAnswer, closed, compare, exercise, expect_tensor, same, untouched
from course_lib.gan.the_gan_game import Minimax, NonSaturating

CHAPTER = "05_the_gan_game"
softplus = F.softplus
LN2 = math.log(2)


def library_closed() -> contextlib.AbstractContextManager[None]:
    """course_lib's own losses refuse to work meanwhile."""
    message = "your code calls course_lib's own loss: write it out"
    return closed(message, Minimax.discriminator, Minimax.generator, NonSaturating.generator)


@contextlib.contextmanager
def clear_words(lengths: str) -> Iterator[None]:
    """Torch's complaints about lengths, named for what they are."""
    try:
        yield
    except ValueError as error:
        if "arget size" in str(error):  # of F.binary_cross_entropy and its twin on logits
            raise WrongAnswer("labels of the wrong length", lengths) from None
        raise
    except RuntimeError as error:
        if "must match the size of tensor" in str(error):
            raise WrongAnswer(
                "paired",
                "there are not as many real logits as fake ones, so they cannot be added one by one: take the mean of "
                "the real ones, the mean of the fake ones, and add the two means",
            ) from None
        raise


# ---------------------------------------------------------------------------------------------------------------------
# Exercises 1 and 2: discriminator_loss and generator_loss
# ---------------------------------------------------------------------------------------------------------------------

WRONG_LENGTH = (
    "your labels are as many as the other batch has images: make them from the logits, torch.ones_like(logits)"
)


@exercise(CHAPTER)
def discriminator_loss(answer: Callable) -> None:
    """answer(real_logits [N], fake_logits [M]) -> the mean over real of -ln D plus the mean over fake of -ln(1 - D)."""
    generator = torch.Generator().manual_seed(5)
    with library_closed(), clear_words(WRONG_LENGTH):
        for count, other, spread, shift in ((7, 5, 1.0, 0.0), (3, 8, 2.0, 1.0), (6, 6, 3.0, -1.0), (1, 4, 1.0, 0.5)):
            real = (spread * torch.randn(count, generator=generator, dtype=torch.float64) + shift).requires_grad_()
            fake = (spread * torch.randn(other, generator=generator, dtype=torch.float64) - shift / 2).requires_grad_()
            before = real.detach().clone(), fake.detach().clone()
            got = answer(real, fake)
            untouched(before[0], real.detach(), "real_logits")
            untouched(before[1], fake.detach(), "fake_logits")
            wanted = softplus(-real).mean() + softplus(fake).mean()
            compare(number(got), wanted, "your loss", d_mistakes(real.detach(), fake.detach()), 1e-5)
            slopes = gradients(got, {"real_logits": real, "fake_logits": fake})
            compare(slopes[0], (real.detach().sigmoid() - 1) / count, "the gradient for real_logits", {}, 1e-4)
            compare(slopes[1], fake.detach().sigmoid() / other, "the gradient for fake_logits", {}, 1e-4)
        for l in (200.0, -200.0):
            real = torch.tensor([l, l, 1.0], requires_grad=True)
            fake = torch.tensor([-l, 2.0], requires_grad=True)
            survives(answer(real, fake), softplus(-real).mean() + softplus(fake).mean(), {"real": real, "fake": fake})


@exercise(CHAPTER)
def generator_loss(answer: Callable) -> None:
    """answer(fake_logits [M]) -> the mean of -ln D, on logits."""
    generator = torch.Generator().manual_seed(6)
    with library_closed(), clear_words(WRONG_LENGTH):
        for count, spread, shift in ((7, 1.0, 0.0), (5, 3.0, -1.0), (9, 2.0, 1.0), (1, 1.0, -0.5)):
            fake = (spread * torch.randn(count, generator=generator, dtype=torch.float64) + shift).requires_grad_()
            before = fake.detach().clone()
            got = answer(fake)
            untouched(before, fake.detach(), "fake_logits")
            compare(number(got), softplus(-fake).mean(), "your loss", g_mistakes(fake.detach()), 1e-5)
            (slope,) = gradients(got, {"fake_logits": fake})
            compare(slope, (fake.detach().sigmoid() - 1) / count, "the gradient for fake_logits", {}, 1e-4)
        for l in (200.0, -200.0):
            fake = torch.tensor([l, 1.0, l / 2], requires_grad=True)
            survives(answer(fake), softplus(-fake).mean(), {"fake": fake})


def expect_one(got: object) -> None:
    """A tensor without axes."""
    if not isinstance(got, Tensor):
        raise WrongAnswer("type", f"your result is a {type(got).__name__}, expected a tensor without axes")
    if got.ndim:
        raise WrongAnswer("shape", f"your result has shape {list(got.shape)}, expected one number")


def number(got: object) -> object:
    """A plain float has lost its graph: say so, since that is what a learner must mend."""
    if isinstance(got, float):
        raise WrongAnswer("no gradient", "you return a plain float, through which no gradient gets: leave out .item()")
    return got


def gradients(got: Tensor, leaves: dict[str, Tensor]) -> list[Tensor]:
    """The gradient of the loss for each leaf, or the name of the leaf that none reaches."""
    if not got.requires_grad:
        raise WrongAnswer(
            "no gradient", "right number, but no gradient gets through: leave out .item(), .detach() and no_grad"
        )
    found = torch.autograd.grad(got, list(leaves.values()), retain_graph=True, allow_unused=True)
    for name, slope in zip(leaves, found, strict=True):
        if slope is None:
            raise WrongAnswer("no gradient", f"right number, but no gradient reaches {name}: do not detach it here")
    return list(found)


def survives(got: object, wanted: Tensor, leaves: dict[str, Tensor]) -> None:
    """Float32 logits of 200, to both sides, forward and backward."""
    size = max(float(leaf.detach().abs().max()) for leaf in leaves.values())
    expect_one(number(got))
    loss, got, wanted = (got, wanted), float(got.detach()), float(wanted.detach())
    if not math.isfinite(got):
        raise WrongAnswer(
            "not stable",
            f"with logits of {size:.0f} to both sides your loss is {got}: exp or log leaves the range of "
            "numbers; use F.softplus or F.logsigmoid",
        )
    if not math.isclose(got, wanted, rel_tol=1e-4):
        raise WrongAnswer(
            "clamped",
            f"with logits of {size:.0f} to both sides your loss is {got:.4g}, expected {wanted:.4g}: sigmoid rounds to "
            "0 or 1 and its logarithm is cut off; stay with logits, F.softplus or F.logsigmoid",
        )
    for slope, good in zip(*(gradients(part, leaves) for part in loss), strict=True):
        if not same(slope, good, 1e-4):
            raise WrongAnswer(
                "saturated",
                f"with logits of {size:.0f} the loss is right but its gradient is {slope.tolist()}, expected "
                f"{[round(g, 4) for g in good.tolist()]}: no clamp, and no sigmoid before the logarithm",
            )


def d_mistakes(real: Tensor, fake: Tensor) -> dict[str, tuple[Tensor, str]]:
    """What each misconception would give for the discriminator's loss."""
    cost_of_real, cost_of_fake = softplus(-real), softplus(fake)
    right = cost_of_real.mean() + cost_of_fake.mean()
    p, q = real.sigmoid(), fake.sigmoid()
    pairs = (cost_of_real + cost_of_fake) if len(real) == len(fake) else right
    return {
        "sum": (
            cost_of_real.sum() + cost_of_fake.sum(),
            "you added the costs of a batch up: take the mean over the real ones plus the mean over the fake ones",
        ),
        "one mean over both": (
            (cost_of_real.sum() + cost_of_fake.sum()) / (len(real) + len(fake)),
            "you took one mean over real and fake together: each half gets its own mean, and the two are added",
        ),
        "halved": (right / 2, "you halved the sum of the two means: just add them"),
        "not averaged": (pairs, "you return one number per image: take the means"),
        "wrong sign": (
            -right,
            "the sign is wrong: you return the value that D makes large; its loss is MINUS that, so never negative",
        ),
        "minus instead of plus": (
            cost_of_real.mean() - cost_of_fake.mean(),
            "the fakes' part has the wrong sign: both parts are costs, and costs are added",
        ),
        "labels swapped": (
            softplus(real).mean() + softplus(-fake).mean(),
            "your labels are swapped: real is 1, so softplus(-l); fake is 0, so softplus(+l)",
        ),
        "fakes labelled real": (
            cost_of_real.mean() + softplus(-fake).mean(),
            "you ask D to call the fakes real: that is the generator's wish; a fake costs D softplus(+l)",
        ),
        "only real": (cost_of_real.mean(), "the fakes' part is missing: add the mean of softplus(fake_logits)"),
        "only fake": (cost_of_fake.mean(), "the real part is missing: add the mean of softplus(-real_logits)"),
        "sigmoid twice": (
            softplus(-p).mean() + softplus(q).mean(),
            "you applied the sigmoid twice: softplus and the loss on logits have their own, so pass the logits",
        ),
        "no logarithm": (
            (1 - p).mean() + q.mean(),
            "you averaged probabilities: take minus their logarithm; without it another distance is measured",
        ),
        "linear": (q.mean() - p.mean(), "this is the linear pay-off: here the logarithms of the verdicts are averaged"),
        "no sigmoid": (
            fake.mean() - real.mean(),
            "you averaged the logits themselves: turn them into -ln of a probability, softplus",
        ),
        "log of the mean": (
            -p.mean().log() - (1 - q).mean().log(),
            "you took the logarithm of the mean verdict: first the logarithm of each, then the mean",
        ),
        "base 2": (right / LN2, "you used the logarithm to base 2: use the natural one"),
        "squared error": ((1 - p).square().mean() + q.square().mean(), "you computed a squared error: take -ln"),
    }


def g_mistakes(fake: Tensor) -> dict[str, tuple[Tensor, str]]:
    """What each misconception would give for the generator's loss."""
    each, q = softplus(-fake), fake.sigmoid()
    return {
        "sum": (each.sum(), "you added the losses of the fakes up: take their mean"),
        "not averaged": (each, "you return one loss per fake: take the mean"),
        "wrong sign": (
            -each.mean(),
            "the sign is wrong: minimising +ln D makes the fakes worse; the loss is MINUS the mean of ln D",
        ),
        "saturating": (
            -softplus(fake).mean(),
            "this is the minimax loss ln(1 - D), silent when D is sure: use the non-saturating one, -ln D",
        ),
        "helps the discriminator": (
            softplus(fake).mean(),
            "this is D's cost for a fake: the generator wants its fakes to be called real, softplus(-l)",
        ),
        "sigmoid twice": (
            softplus(-q).mean(),
            "you applied the sigmoid twice: softplus and the loss on logits have their own, so pass the logits",
        ),
        "no logarithm": (-q.mean(), "you took minus the verdict itself: take minus its logarithm"),
        "one minus": ((1 - q).mean(), "you computed 1 - D: take minus the logarithm of D"),
        "no sigmoid": (-fake.mean(), "you averaged the logits themselves: -ln D is softplus(-logit)"),
        "log of the mean": (
            -q.mean().log(),
            "you took the logarithm of the mean verdict: first the logarithm of each, then the mean",
        ),
        "base 2": (each.mean() / LN2, "you used the logarithm to base 2: use the natural one"),
        "squared error": ((1 - q).square().mean(), "you computed a squared error: take -ln D"),
    }


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 3: js_divergence
# ---------------------------------------------------------------------------------------------------------------------


@exercise(CHAPTER)
def js_divergence(answer: Callable) -> None:
    """answer(p [K], q [K], width) -> the Jensen-Shannon divergence in nats of two densities on cells of that width."""
    generator = torch.Generator().manual_seed(7)
    for cells, width in ((5, 0.25), (12, 0.5), (9, 2.0), (2, 1.0)):
        p, q = (density(cells, width, generator).requires_grad_() for _ in range(2))
        before = p.detach().clone(), q.detach().clone()
        got = answer(p, q, width)
        untouched(before[0], p.detach(), "p")
        untouched(before[1], q.detach(), "q")
        compare(number(got), divergence(*before, width), "your divergence", js_mistakes(*before, width))
        slopes = gradients(got, {"p": p, "q": q})
        m = (before[0] + before[1]) / 2
        for slope, part, name in zip(slopes, before, "pq", strict=True):
            compare(slope, width / 2 * (part / m).log(), f"the gradient for {name}", {}, 1e-5)
    some, other = density(6, 0.5, generator), density(6, 0.5, generator)
    some[1], other[4], some[2], other[2] = 0.0, 0.0, 0.0, 0.0  # one alone, the other alone, and both at once
    some, other = some / some.sum() / 0.5, other / other.sum() / 0.5
    apart = torch.tensor([2.0, 2.0, 0.0, 0.0], dtype=torch.float64)
    for p, q, width in ((some, other, 0.5), (apart, apart.flip(0), 0.25), (some, some.clone(), 0.5)):
        got = answer(p, q, width)
        expect_one(got)
        if not got.isfinite():
            raise WrongAnswer(
                "log of zero",
                f"where a density is 0 your result becomes {float(got)}: 0 ln 0 counts as 0; torch.xlogy(p, ...) knows "
                "that, and cells where both are 0 need care, too",
            )
        wanted = divergence(p, q, width)
        if abs(float(got) - float(wanted)) > 1e-6:
            raise WrongAnswer(
                "wrong at zero",
                f"with some densities 0 you return {float(got):.4f}, expected {float(wanted):.4f}: a cell counts as "
                "long as one of the two densities is positive there",
            )


def density(cells: int, width: float, generator: torch.Generator) -> Tensor:
    heights = torch.rand(cells, generator=generator, dtype=torch.float64) + 0.05
    return heights / heights.sum() / width


def kl(p: Tensor, q: Tensor) -> Tensor:
    """Sum over the cells of p ln(p / q), with 0 ln 0 = 0."""
    return torch.where(p > 0, p * (p / q.clamp_min(1e-300)).clamp_min(1e-300).log(), 0.0).sum()


def divergence(p: Tensor, q: Tensor, width: float) -> Tensor:
    m = (p + q) / 2
    return (kl(p, m) + kl(q, m)) / 2 * width


def js_mistakes(p: Tensor, q: Tensor, width: float) -> dict[str, tuple[Tensor, str]]:
    """What each misconception would give."""
    right, total, m = divergence(p, q, width), p + q, (p + q) / 2
    return {
        "KL": (kl(p, q) * width, "this is KL(p, q): compare each of the two with the mixture m = (p + q) / 2"),
        "KL, turned round": (kl(q, p) * width, "this is KL(q, p): compare each with the mixture m = (p + q) / 2"),
        "both KL": (
            (kl(p, q) + kl(q, p)) * width,
            "you compare p and q with each other: compare each with the mixture m = (p + q) / 2",
        ),
        "mean of both KL": (
            (kl(p, q) + kl(q, p)) * width / 2,
            "you compare p and q with each other: compare each with the mixture m = (p + q) / 2",
        ),
        "KL the wrong way round": (
            (kl(m, p) + kl(m, q)) * width / 2,
            "your arguments are the wrong way round: p ln(p / m), not m ln(m / p)",
        ),
        "only one half": (
            kl(p, m) * width,
            "only p is compared with the mixture: the mean of KL(p, m) and KL(q, m) is wanted",
        ),
        "not halved": (2 * right, "twice too large: JS is half the sum of the two KL"),
        "mixture not halved": (
            (kl(p, total) + kl(q, total)) * width / 2,
            "negative: your mixture is p + q, which is no density; divide it by 2",
        ),
        "value of the game": (2 * right - math.log(4), "this is the value of the game, 2 JS - ln 4: return JS"),
        "width forgotten": (right / width, "you forgot the width: an integral is the sum over the cells times width"),
        "mean and sum confused": (
            right / width / len(p),
            "you took the mean over the cells: take their sum, times width",
        ),
        "mean times width": (right / len(p), "you took the mean over the cells: take their sum, times width"),
        "base 2": (right / LN2, "you used the logarithm to base 2: use the natural one"),
        "wrong sign": (-right, "the sign is wrong: a divergence is never negative; p ln(p / m), not p ln(m / p)"),
        "square root": (right.sqrt(), "you took a square root: that is the Jensen-Shannon distance"),
        "total variation": (
            (p - q).abs().sum() * width / 2,
            "this is the total variation, half the area between the curves: JS has logarithms",
        ),
    }


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 4: gan_step
# ---------------------------------------------------------------------------------------------------------------------

SIZES = ((7, 7), (7, 7), (4, 7))  # real images and noise of each call; the last batch is short, as article C's is


class Watched(nn.Module):
    """A small network that notes how often it was called and how often a gradient came back to its output."""

    def __init__(self, *widths: int, flat: bool = False):
        super().__init__()
        first, hidden, last = widths
        self.layers = nn.Sequential(nn.Linear(first, hidden), nn.Tanh(), nn.Linear(hidden, last)).double()
        self.flat = flat
        self.calls, self.arrivals = 0, 0

    def forward(self, inputs: Tensor) -> Tensor:
        self.calls += 1
        outputs = self.layers(inputs.flatten(1))
        if outputs.requires_grad:
            outputs.register_hook(self.arrived)
        return outputs[:, 0] if self.flat else outputs.unflatten(1, (2, 3))

    def arrived(self, gradient: Tensor) -> None:
        self.arrivals += 1


class Match:
    """Three calls of a step from one start, and everything that can be seen of them."""

    def __init__(self, step: Callable):
        generator = torch.Generator().manual_seed(8)
        with torch.random.fork_rng(devices=[]):  # the learner's random numbers stay as they are
            self.G, self.D = Watched(5, 8, 6), Watched(6, 9, 1, flat=True)
        with torch.no_grad():
            for weights in (*self.G.parameters(), *self.D.parameters()):
                weights.copy_(torch.randn(weights.shape, generator=generator, dtype=torch.float64) / 2)
        self.g_optimizer = torch.optim.SGD(self.G.parameters(), lr=0.4, momentum=0.5)
        self.d_optimizer = torch.optim.SGD(self.D.parameters(), lr=0.3, momentum=0.5)
        self.steps: dict[str, int] = {"G": 0, "D": 0}
        self.g_optimizer.register_step_post_hook(lambda *_: self.count("G"))
        self.d_optimizer.register_step_post_hook(lambda *_: self.count("D"))
        self.returned: list[object] = []
        self.g_weights: list[Tensor] = []  # after each call, flat; so are the two below
        self.d_weights: list[Tensor] = []
        self.d_left: list[Tensor] = []
        for images, count in SIZES:
            real = torch.randn(images, 2, 3, generator=generator, dtype=torch.float64)
            noise = torch.randn(count, 5, generator=generator, dtype=torch.float64)
            before = real.clone(), noise.clone()
            self.returned.append(step(self.G, self.D, self.g_optimizer, self.d_optimizer, real, noise))
            untouched(before[0], real, "real")
            untouched(before[1], noise, "noise")
            self.g_weights.append(flat(self.G))
            self.d_weights.append(flat(self.D))
            self.d_left.append(flat(self.D, gradients=True))

    def count(self, player: str) -> None:
        self.steps[player] += 1

    @property
    def weights(self) -> Tensor:
        """All weights after all calls."""
        return torch.cat([self.g_weights[-1], self.d_weights[-1]])


def flat(network: nn.Module, gradients: bool = False) -> Tensor:
    parts = [weights.grad if gradients else weights.detach() for weights in network.parameters()]
    parts = [torch.zeros_like(w) if part is None else part for part, w in zip(parts, network.parameters(), strict=True)]
    return torch.cat([part.detach().flatten() for part in parts])


def d_right(real: Tensor, fake: Tensor) -> Tensor:
    return softplus(-real).mean() + softplus(fake).mean()


def g_right(fake: Tensor) -> Tensor:
    return softplus(-fake).mean()


def round_of(
    d_loss: Callable = d_right,
    g_loss: Callable = g_right,
    generator_first: bool = False,
    clear: str = "DG",  # whose zero_grad is called
    detached: bool = True,
    pile: bool = False,  # both zero_grad calls at the top of the step
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
        return losses["D"].detach(), losses["G"].detach()

    return step


def minimax(fake: Tensor) -> Tensor:
    return -softplus(fake).mean()


STALE = "G is judged by D as it was before its step: let D learn first, then call discriminator(fake) again in G's turn"
DETACH = (
    "in D's turn the gradient ran on into the generator: cut it with fake.detach(); no retain_graph is needed anywhere"
)
STEP_MISTAKES: dict[str, tuple[Callable, str]] = {
    "stale verdict": (round_of(generator_first=True), STALE),
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
        round_of(d_loss=lambda real, fake: d_right(fake, real)),
        "D's labels are swapped: real is 1, fake is 0. D and G now want the same, and nobody plays against G",
    ),
    "generator's sign": (
        round_of(g_loss=lambda fake: -g_right(fake)),
        "the generator's loss has the wrong sign: minimise -ln D on the fakes",
    ),
    "generator helps the discriminator": (
        round_of(g_loss=lambda fake: softplus(fake).mean()),
        "the generator learns to be called fake: in its turn the fakes get the label 1, softplus(-l)",
    ),
    "saturating": (
        round_of(g_loss=minimax),
        "the generator descends on the minimax loss ln(1 - D): use the non-saturating one, -ln D",
    ),
    "discriminator's sign": (
        round_of(d_loss=lambda real, fake: -d_right(real, fake)),
        "the discriminator's loss has the wrong sign: both of its costs are softplus, and never negative",
    ),
    "halved": (
        round_of(d_loss=lambda real, fake: d_right(real, fake) / 2),
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
        round_of(lambda real, fake: d_right(real.sigmoid(), fake.sigmoid()), lambda fake: g_right(fake.sigmoid())),
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


@exercise(CHAPTER)
def gan_step(answer: Callable) -> None:
    """answer(G, D, g_optimizer, d_optimizer, real, noise) -> (D's loss, G's loss), after one round of the game."""
    lengths = "the last batch had 4 real images and 7 fakes: make labels from the logits, torch.ones_like(logits)"
    try:
        with torch.enable_grad(), library_closed(), clear_words(lengths):
            played = Match(answer)
    except RuntimeError as error:
        told = str(error)
        if "backward through the graph a second time" in told:
            raise WrongAnswer("no detach", DETACH) from None
        if "modified by an inplace operation" in told:  # D's weights changed between its verdict and backward
            raise WrongAnswer("stale verdict", STALE) from None
        if "does not require grad" in told:
            raise WrongAnswer(
                "no gradient",
                "backward finds no way back to the weights: in G's turn the fakes must not be detached or made under "
                "no_grad, and D must be frozen only there",
            ) from None
        raise
    reference = Match(round_of())
    check_players(played)
    check_weights(played, reference)
    check_leftovers(played, reference)
    check_returned(played.returned, reference.returned)


def check_players(played: Match) -> None:
    """Each network was called, each optimizer stepped once per call, and both are as free as they were."""
    calls = len(SIZES)
    if not played.G.calls or not played.D.calls:
        raise WrongAnswer("no forward", "a network was never called: fake = generator(noise), discriminator(images)")
    for player, name in (("D", "d_optimizer"), ("G", "g_optimizer")):
        if played.steps[player] == 0:
            raise WrongAnswer("no step", f"{name} took no step: each player learns once per call, {name}.step()")
    if any(not w.requires_grad for w in (*played.G.parameters(), *played.D.parameters())):
        raise WrongAnswer("stays frozen", "after your step some weights have requires_grad False: thaw what you froze")
    if not (played.G.training and played.D.training):
        raise WrongAnswer("eval mode", "after your step a network is in eval mode: leave the modes alone")
    if played.G.calls > calls:
        raise WrongAnswer(
            "generator called twice",
            "you call the generator more than once per step: make the fakes once, detach them for D, use them for G",
        )


def check_weights(played: Match, reference: Match) -> None:
    if same(played.weights, reference.weights, 1e-9):
        if played.G.arrivals > len(SIZES):
            raise WrongAnswer("no detach", DETACH)
        return
    if torch.equal(played.g_weights[0], Match(lambda *_: None).g_weights[0]):
        raise WrongAnswer(
            "no gradient",
            "the generator did not move: in its turn the fakes must not be detached, and zero_grad comes before "
            "backward, not after it",
        )
    mistakes = {name: (Match(step).weights, told) for name, (step, told) in STEP_MISTAKES.items()}
    try:
        compare(played.weights, reference.weights, "the list of all weights after three steps", mistakes, 1e-9)
    except WrongAnswer as wrong:
        if wrong.name == "wrong" and max(played.steps.values()) > len(SIZES):
            message = "an optimizer took more than one step per call: D once, then G once"
            raise WrongAnswer("two steps", message) from None
        if wrong.name == "no detach, nothing cleared":
            raise WrongAnswer("no detach", str(wrong)) from None
        raise


def check_leftovers(played: Match, reference: Match) -> None:
    """The generator's loss may leave nothing in D's weights: there may be D's own gradient, or nothing."""
    for left, own in zip(played.d_left, reference.d_left, strict=True):
        if left.any() and not same(left, own, 1e-9):
            raise WrongAnswer(
                "gradients left in D",
                "the weights are right, but G's backward left gradients in D's weights, computed for nothing: freeze D "
                "in G's turn with discriminator.requires_grad_(False), and thaw it afterwards",
            )


def check_returned(returned: list[object], wanted: list[object]) -> None:
    if any(pair is None for pair in returned):
        raise WrongAnswer("nothing returned", "the weights are right, but you return nothing: return both losses")
    if not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in returned):
        raise WrongAnswer("type", "return two values: D's loss, then G's loss")
    losses = [loss for pair in returned for loss in pair]
    if any(isinstance(loss, Tensor) and loss.requires_grad for loss in losses):
        raise WrongAnswer(
            "keeps the graph",
            "a loss that you return still holds its whole graph, and a list of them fills the memory: "
            "return loss.item() or loss.detach()",
        )
    if not all(isinstance(loss, float | Tensor) for loss in losses):
        raise WrongAnswer("type", f"a loss that you return is a {type(losses[0]).__name__}, expected a float")
    for loss in losses:
        if isinstance(loss, Tensor):
            expect_tensor(loss, torch.zeros(()), "a loss that you return")
    got = torch.tensor([float(loss) for loss in losses], dtype=torch.float64)
    right = torch.stack([loss for pair in wanted for loss in pair])
    turned = right.view(-1, 2).flip(1).flatten()
    swapped = {"losses swapped": (turned, "you return the generator's loss first: D's loss comes first")}
    compare(got, right, "the list of losses", swapped, 1e-6)
