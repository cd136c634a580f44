"""Checks of chapter 10: the KL, the loss, the way through a VAE, the importance-weighted bound, and a diagnosis."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.checks.compare import TOLERANCE, compare, expect_tensor, same
from course_lib.checks.core import exercise
from course_lib.checks.draws import expect_draws
from course_lib.checks.formula import Case, Formula, Mistake, normal
from course_lib.checks.guard import Forbidden
from course_lib.checks.lettered import expect_words
from course_lib.checks.spies import Spy, with_numbers
from course_lib.checks.verdict import WrongAnswer
from course_lib.data.imageset import ImageSet, ink

CHAPTER = "10_training_a_vae"
BY_HAND = Forbidden("your code calls a function of course_lib.vae: write the formula out", packages=("course_lib.vae",))


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 1: gaussian_kl
# ---------------------------------------------------------------------------------------------------------------------

CODES = [  # [N, D], the smallest log variance, the largest
    ((3, 5), 0.1, 1.6),
    ((4, 2), -2.0, 1.6),
    ((1, 7), -3.0, 1.6),
    ((6, 1), -2.0, 1.6),
    ((2, 3), -60.0, -50.0),
    ((2, 3), 20.0, 30.0),
]


def codes(generator: torch.Generator, shape: tuple[int, int], low: float, high: float) -> Case:
    share = torch.rand(shape, generator=generator, dtype=torch.float64)
    return {"mean": normal(generator, *shape), "log_variance": low + (high - low) * share}


def clouds(generator: torch.Generator) -> Iterator[Case]:
    return (codes(generator, *sizes) for sizes in CODES)


def kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    """Of every latent, [N, D]."""
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)


KL_MISTAKES: dict[str, Mistake] = {  # of every latent, [N, D]
    "one half missing": (lambda m, s: 2 * kl(m, s), "your KL is twice too large: the one half is missing"),
    "one missing": (
        lambda m, s: 0.5 * (m.square() + s.exp() - s),
        "the -1 is missing: at mean 0 and variance 1 a latent costs nothing",
    ),
    "one added": (lambda m, s: 0.5 * (m.square() + s.exp() + 1 - s), "you add 1 where 1 is to be subtracted"),
    "log sigma": (
        lambda m, s: kl(m, 2 * s),
        "you read log_variance as log sigma: the variance is exp(log_variance), without a factor of 2",
    ),
    "sigma": (
        lambda m, s: 0.5 * (m.square() + s.square() - 1 - s.square().log()),
        "you read log_variance as sigma itself: the variance is exp(log_variance)",
    ),
    "variance": (
        lambda m, s: 0.5 * (m.square() + s - 1 - s.log()),
        "you read log_variance as the variance itself: the variance is exp(log_variance)",
    ),
    "sigma for the variance": (
        lambda m, s: 0.5 * (m.square() + (0.5 * s).exp() - 1 - s),
        "you add sigma = exp(log_variance / 2): the variance, exp(log_variance), belongs there",
    ),
    "half log sigma": (
        lambda m, s: kl(m, 0.5 * s),
        "you halve log_variance in every place: that is log sigma; the formula wants the variance",
    ),
    "log added": (lambda m, s: 0.5 * (m.square() + s.exp() - 1 + s), "you add log s²: it is subtracted"),
    "mean not squared": (lambda m, s: 0.5 * (m + s.exp() - 1 - s), "the mean has to be squared"),
    "mean ignored": (
        lambda m, s: 0.5 * (s.exp() - 1 - s),
        "the mean has no effect in your code: its square belongs there",
    ),
    "variance ignored": (lambda m, s: 0.5 * m.square(), "the variance has no effect in your code"),
    "other way round": (
        lambda m, s: 0.5 * ((m.square() + 1) / s.exp() - 1 + s),
        "you computed KL(p || q), from the standard normal to q: it goes the other way, KL(q || p)",
    ),
}
EACH = "expected one number per image: .sum(dim=1)"


def collected(change: Callable[[Tensor], Tensor], of: Callable = kl) -> Callable:
    """The numbers of every latent, made into the answer."""
    return lambda mean, log_variance: change(of(mean, log_variance))


def refuse_sampling(answer: Callable) -> None:
    """Whoever estimates the KL from draws gets another number each time."""
    case = codes(torch.Generator().manual_seed(10), (3, 5), -1.0, 1.0)
    first, second = (answer(*case.values()) for _ in range(2))
    if isinstance(first, Tensor) and not same(second, first, 0):
        raise WrongAnswer("sampled", "two calls give two answers: the closed form needs no random numbers")


gaussian_kl = exercise(CHAPTER, "gaussian_kl", BY_HAND)(
    Formula(
        collected(lambda terms: terms.sum(dim=1)),
        clouds,
        leaves=("mean", "log_variance"),
        first=(refuse_sampling,),
        wrong={
            "wrong sign": (
                collected(lambda terms: -terms.sum(dim=1)),
                "your KL is negative: a KL never is; (m² + s² - 1 - log s²) / 2",
            ),
            **{
                name: (collected(lambda terms: terms.sum(dim=1), of), words)
                for name, (of, words) in KL_MISTAKES.items()
            },
            "averaged over latents": (
                collected(lambda terms: terms.mean(dim=1)),
                "you average over the {mean.shape[1]} latents: their costs add up, so sum",
            ),
            "not summed": (collected(lambda terms: terms), f"one number per latent came back; {EACH}"),
            "batch averaged": (
                collected(lambda terms: terms.sum(dim=1).mean()),
                f"you average over the images already; {EACH}",
            ),
            "batch summed": (collected(torch.sum), f"you sum over the images too; {EACH}"),
            "everything averaged": (collected(torch.mean), f"you average over images and latents; {EACH}"),
            "over the images": (
                collected(lambda terms: terms.sum(dim=0)),
                "you sum over the images (dim=0): sum over the latents, dim=1",
            ),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 2: negative_elbo
# ---------------------------------------------------------------------------------------------------------------------

BATCHES = [((3, 2, 4, 5), 6, 0.1), ((5, 1, 7, 2), 3, -2.0), ((1, 3, 2, 6), 2, -2.0), ((2, 1, 1, 1), 1, -2.0)]
EXTREME = {
    "logits": torch.tensor([250.0, -300.0, 180.0, -1.0], dtype=torch.float64).view(1, 1, 2, 2),
    "targets": torch.tensor([0.0, 1.0, 1.0, 0.0], dtype=torch.float64).view(1, 1, 2, 2),
    "mean": torch.zeros(1, 2, dtype=torch.float64),
    "log_variance": torch.zeros(1, 2, dtype=torch.float64),
}


def batches(generator: torch.Generator) -> Iterator[Case]:
    """Every kind of batch, then logits at which a sigmoid is 0 or 1."""
    for shape, latents, low in BATCHES:
        logits = 2 * normal(generator, *shape)
        targets = (normal(generator, *shape) + 0.3 * logits > 0.2).double()
        yield {"logits": logits, "targets": targets} | codes(generator, (shape[0], latents), low, 1.6)
    yield EXTREME


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    """Of every pixel, [N, pixels]."""
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="none").flatten(1)


def loss(
    logits: Tensor,
    targets: Tensor,
    mean: Tensor,
    log_variance: Tensor,
    *,
    pixels: Callable[[Tensor, Tensor], Tensor] = cross_entropy,
    latents: Callable[[Tensor, Tensor], Tensor] = kl,
    whole: Callable[[Tensor, Tensor], Tensor] = lambda ce, kl: (ce.sum(dim=1) + kl.sum(dim=1)).mean(),
) -> Tensor:
    """-ELBO; the options are what the mistakes change. `whole` gets [N, pixels] and [N, D]."""
    return whole(pixels(logits, targets), latents(mean, log_variance))


def turned(images: Tensor) -> Tensor:
    """The numbers in the order of the columns, in the shape of the rows."""
    return images.transpose(2, 3).reshape(images.shape)


negative_elbo = exercise(CHAPTER, "negative_elbo", BY_HAND)(
    Formula(
        loss,
        batches,
        leaves=("logits", "mean", "log_variance"),
        wrong={
            "pixels averaged": (
                partial(loss, whole=lambda ce, kl: ce.mean() + kl.sum(dim=1).mean()),
                "you average over the pixels: sum, or the KL weighs as many times too much as an image has pixels",
            ),
            "both averaged": (
                partial(loss, whole=lambda ce, kl: ce.mean() + kl.mean()),
                "you average over pixels and over latents: both are sums",
            ),
            "KL averaged": (
                partial(loss, whole=lambda ce, kl: ce.sum(dim=1).mean() + kl.mean()),
                "you average the KL over the latents: sum over them",
            ),
            "sum over the batch": (
                partial(loss, whole=lambda ce, kl: ce.sum() + kl.sum()),
                "you sum over the images: average over them",
            ),
            "KL summed over the batch": (
                partial(loss, whole=lambda ce, kl: ce.sum(dim=1).mean() + kl.sum()),
                "the KL is summed over the images, the cross-entropy averaged: average both",
            ),
            "pixels summed over the batch": (
                partial(loss, whole=lambda ce, kl: ce.sum() + kl.sum(dim=1).mean()),
                "the cross-entropy is summed over the images, the KL averaged: average both",
            ),
            "batch summed, KL averaged": (
                partial(loss, whole=lambda ce, kl: ce.sum() + kl.mean()),
                "the cross-entropy is summed over the images, the KL averaged over images and latents",
            ),
            "per image": (
                partial(loss, whole=lambda ce, kl: ce.sum(dim=1) + kl.sum(dim=1)),
                "one number per image came back: take their mean",
            ),
            "sigmoid before the loss": (
                partial(loss, pixels=lambda logits, targets: cross_entropy(logits.sigmoid(), targets)),
                "you apply a sigmoid before a loss that takes logits: it is applied twice",
            ),
            "KL with the wrong sign": (
                partial(loss, whole=lambda ce, kl: (ce.sum(dim=1) - kl.sum(dim=1)).mean()),
                "you subtract the KL: the loss is reconstruction + KL",
            ),
            "ELBO": (
                partial(loss, whole=lambda ce, kl: -(ce.sum(dim=1) + kl.sum(dim=1)).mean()),
                "you return the ELBO: the loss is its negative",
            ),
            "cross-entropy with the wrong sign": (
                partial(loss, whole=lambda ce, kl: (kl.sum(dim=1) - ce.sum(dim=1)).mean()),
                "the cross-entropy is subtracted: it is already -log p(x | z), so add it",
            ),
            "height and width swapped": (
                partial(loss, pixels=lambda logits, targets: cross_entropy(logits, turned(targets))),
                "height and width of the targets are swapped before they meet the logits",
            ),
            "KL missing": (
                partial(loss, whole=lambda ce, kl: ce.sum(dim=1).mean()),
                "the KL is missing: this is an autoencoder's loss",
            ),
            "cross-entropy missing": (
                partial(loss, whole=lambda ce, kl: kl.sum(dim=1).mean()),
                "the cross-entropy is missing",
            ),
            "squared error": (
                partial(loss, pixels=lambda logits, targets: (logits.sigmoid() - targets).square().flatten(1)),
                "you use the squared error: -log p(x | z) of pixels that are 0 or 1 is the cross-entropy",
            ),
            "targets reversed": (
                partial(loss, pixels=lambda logits, targets: cross_entropy(-logits, targets)),
                "ink and paper are swapped: sigmoid(logit) is the probability of a 1",
            ),
            "bits": (
                partial(loss, whole=lambda ce, kl: (ce.sum(dim=1) + kl.sum(dim=1)).mean() / math.log(2)),
                "your result is in bits: use the natural logarithm",
            ),
            "KL detached": (
                partial(loss, latents=lambda mean, log_variance: kl(mean, log_variance).detach()),
                "right number, but the KL is a constant to the gradient: no .detach() or no_grad around it",
            ),
            **{f"KL: {name}": (partial(loss, latents=of), f"in the KL, {x}") for name, (of, x) in KL_MISTAKES.items()},
        },
        signs={
            "overflow": (
                lambda case, got, right: case is EXTREME,
                "right for small logits, but not for 250 and -300: there sigmoid is 0 or 1 and its log is lost, and a "
                "clamp changes the loss; compute from the logits, with F.binary_cross_entropy_with_logits",
            )
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 3: vae_forward
# ---------------------------------------------------------------------------------------------------------------------

ROWS = 3_000  # in each of two calls
LOGS = torch.tensor([-1.5, -0.7, 0.4, 1.0], dtype=torch.float64)  # a log sigma for each latent, none of them 0
WIDTHS = {  # the sigma of each latent that a misconception gives
    "halved log sigma": ((0.5 * LOGS).exp(), "sigma is exp(0.5 * log_sigma) in your code: exp(log_sigma)"),
    "variance for sigma": ((2 * LOGS).exp(), "you multiply by the variance: by sigma = exp(log_sigma)"),
    "sigma ignored": (torch.ones_like(LOGS), "sigma is ignored: z = mean + epsilon in your code"),
    "log sigma for sigma": (LOGS.abs(), "you multiply by log_sigma itself: sigma is exp(log_sigma)"),
    "divided by sigma": ((-LOGS).exp(), "you divide by sigma, or its sign is wrong: multiply by exp(log_sigma)"),
}


class Told(nn.Module):
    """An encoder that gives the means and the log sigmas it was told."""

    def __init__(self, mean: Tensor):
        super().__init__()
        self.mean, self.log_sigma = nn.Parameter(mean), nn.Parameter(LOGS.repeat(len(mean), 1))

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return self.mean.clone(), self.log_sigma.clone()


@dataclass(frozen=True)
class Pass:
    """What one call of the answer showed."""

    code: Tensor  # what the decoder got
    logits: Tensor
    told: Told
    decoder: Spy

    @property
    def offset(self) -> Tensor:
        return self.code - self.told.mean.detach()


@exercise(CHAPTER, forbidden=BY_HAND)
def vae_forward(answer: Callable) -> None:
    """answer(encoder, decoder, images [N, C, H, W], training) -> logits, mean, log_sigma."""
    generator = torch.Generator().manual_seed(12)
    torch.manual_seed(12)
    mean = 2 * normal(generator, ROWS, len(LOGS)) + 1
    images = normal(generator, ROWS, 1, 3, 2)
    drawn = [one_pass(answer, mean, images, training=True) for _ in range(2)]
    kept = [one_pass(answer, mean, images, training=False) for _ in range(2)]
    which_code(drawn, kept, mean)
    if torch.equal(drawn[0].code, drawn[1].code):
        raise WrongAnswer("always the same", "two calls draw the same noise: fresh numbers at each call, no fixed seed")
    names = {"for_batch": "one epsilon for the batch", "for_latents": "one epsilon for all latents"}
    expect_draws([each.offset for each in drawn], LOGS.exp(), WIDTHS, **names)
    the_gradients(drawn[0])
    one_pass(answer, mean[:1], images[:1], training=True)


def one_pass(answer: Callable, mean: Tensor, images: Tensor, training: bool) -> Pass:
    """One call, with everything about it checked that does not depend on chance."""
    told = Told(mean)
    decoder = nn.Sequential(nn.Linear(len(LOGS), 6, bias=False), nn.Unflatten(1, (1, 3, 2)))
    encoder, decoder = Spy(told), with_numbers(Spy(decoder), torch.Generator().manual_seed(13))
    with torch.enable_grad():
        got = answer(encoder, decoder, images, training)
    for name, network in (("encoder", encoder), ("decoder", decoder)):
        if len(network.calls) != 1:
            raise WrongAnswer("called once", f"the {name} was called {len(network.calls)} times, expected once")
    if not same(encoder.calls[0].inputs[0], images, 0):
        raise WrongAnswer("images changed", "the encoder got other images than you were given: pass them as they are")
    if not isinstance(got, tuple | list) or len(got) != 3:
        raise WrongAnswer("type", "expected three things back: logits, mean, log_sigma")
    (code,) = decoder.calls[0].inputs
    expect_tensor(code, mean, "what the decoder got")
    with torch.no_grad():
        logits = decoder.layers(code)
    log_sigma = told.log_sigma.detach()
    for value, (name, right) in zip(got, {"logits": logits, "mean": mean, "log_sigma": log_sigma}.items(), strict=True):
        mistakes = {
            "swapped": (log_sigma if name == "mean" else mean, "mean and log_sigma came back in the wrong order"),
            "sigma returned": (log_sigma.exp(), "you return sigma where log_sigma was asked for"),
            "code returned": (code, "you return the code where the mean was asked for"),
            "probabilities returned": (logits.sigmoid(), "you return probabilities: return what the decoder gives"),
        }
        compare(value, right, f"the returned {name}", mistakes, TOLERANCE)
    if not got[0].requires_grad:
        raise WrongAnswer("no gradient", "your logits carry no gradient: no .detach() or no_grad in here")
    return Pass(code, got[0], told, decoder)


def which_code(drawn: list[Pass], kept: list[Pass], mean: Tensor) -> None:
    """A draw in training, the mean in evaluation."""
    if same(drawn[0].code, mean, TOLERANCE):
        if same(kept[0].code, mean, TOLERANCE):
            raise WrongAnswer(
                "no draw", "with training=True the decoder got the mean itself: draw mean + sigma * epsilon"
            )
        raise WrongAnswer("mode reversed", "you draw at evaluation and take the mean in training: the other way round")
    if not torch.equal(kept[0].code, kept[1].code):
        raise WrongAnswer(
            "sampling at evaluation", "with training=False the decoder got a draw: it has to get the mean"
        )
    if not same(kept[0].code, mean, TOLERANCE):
        raise WrongAnswer("wrong", "with training=False the decoder got something else than the mean")


def the_gradients(drawn: Pass) -> None:
    """Of a draw that is right."""
    direction = torch.cos(torch.arange(drawn.logits.numel(), dtype=torch.float64)).view(drawn.logits.shape)
    leaves = (drawn.told.mean, drawn.told.log_sigma)
    parts = torch.autograd.grad(drawn.logits, leaves, direction, allow_unused=True)
    at_mean, at_sigma = (torch.zeros_like(drawn.code) if part is None else part for part in parts)
    if not at_mean.any() and not at_sigma.any():
        raise WrongAnswer(
            "no gradient through the sample",
            "no gradient gets through your draw: mean + sigma * epsilon, not torch.normal, .sample() or .detach()",
        )
    if not at_sigma.any():
        raise WrongAnswer("no gradient to sigma", "the gradient reaches the mean but not log_sigma: sigma is detached")
    if not at_mean.any():
        raise WrongAnswer("no gradient to the mean", "the gradient reaches log_sigma but not the mean")
    (weight,) = drawn.decoder.parameters()
    through = direction.flatten(1) @ weight.detach()
    compare(at_mean, through, "the gradient for the mean", {}, 100 * TOLERANCE)
    compare(at_sigma, through * drawn.offset, "the gradient for log_sigma", {}, 100 * TOLERANCE)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 4: iwae
# ---------------------------------------------------------------------------------------------------------------------

WEIGHTS = [(4, 3, 0, 0), (2, 5, 1, 0), (7, 1, -1, 0), (1, 4, 0, 0), (5, 6, -900, 1000), (3, 4, 800, 1000)]


def weights(generator: torch.Generator) -> Iterator[Case]:
    """Draws, images, their level, and how far the levels of the images lie apart."""
    for draws, images, level, apart in WEIGHTS:
        levels = level - apart * torch.linspace(0, 1, images, dtype=torch.float64)
        yield {"log_weights": levels + 2 * normal(generator, draws, images)}


def bound(log_weights: Tensor) -> Tensor:
    return log_weights.logsumexp(dim=0) - math.log(len(log_weights))


iwae = exercise(CHAPTER, "iwae", BY_HAND)(
    Formula(
        bound,
        weights,
        leaves=("log_weights",),
        wrong={
            "mean of the logs": (
                lambda w: w.mean(dim=0),
                "you average the logarithms: that is the ELBO; average the weights, then take the logarithm",
            ),
            "log K missing": (
                lambda w: w.logsumexp(dim=0),
                "an average divides by K = {log_weights.shape[0]}: subtract log K",
            ),
            "log K added": (
                lambda w: w.logsumexp(dim=0) + math.log(len(w)),
                "you add log K: an average divides by K = {log_weights.shape[0]}, so subtract it",
            ),
            "K subtracted": (lambda w: w.logsumexp(dim=0) - len(w), "you subtract K: subtract log K"),
            "divided by K": (
                lambda w: w.logsumexp(dim=0) / len(w),
                "you divide the logarithm by K: subtract log K from it",
            ),
            "log N subtracted": (
                lambda w: w.logsumexp(dim=0) - math.log(w.shape[1]),
                "you subtract the log of the number of images: of the draws, K",
            ),
            "largest weight": (
                lambda w: w.amax(dim=0),
                "you return the largest log weight: average the weights",
            ),
            "over the images": (
                lambda w: w.logsumexp(dim=1) - math.log(w.shape[1]),
                "you average over the images (dim=1): the K draws are the rows, dim=0",
            ),
            "wrong sign": (
                lambda w: -bound(w),
                "your sign is wrong: the bound is log of the average weight, not its negative",
            ),
            "averaged over images": (
                lambda w: bound(w).mean(),
                "you average over the images too: return one bound per image",
            ),
            "all together": (
                lambda w: w.flatten().logsumexp(dim=0) - math.log(w.numel()),
                "all images are thrown together: average over the K draws of each image only",
            ),
            "weights, no log": (
                lambda w: bound(w).exp(),
                "you return the average weight: its logarithm was asked for",
            ),
            "bits": (lambda w: bound(w) / math.log(2), "your result is in bits: use the natural logarithm"),
        },
        signs={
            "overflow": (
                lambda case, got, right: bool(case["log_weights"].abs().max() > 100),
                "right for weights near 1, but not for log weights of -900 or 800 and images 1000 nats apart: there "
                "exp leaves the range of numbers; use torch.logsumexp, or subtract each image's largest first",
            )
        },
    )
)

# ---------------------------------------------------------------------------------------------------------------------
# Exercise 5: which_vae
# ---------------------------------------------------------------------------------------------------------------------

LATENTS = 6
PATIENTS = {  # letter -> what happened; `mysteries` trains them so
    "A": "free bits",
    "B": "strong decoder",
    "C": "no draw",
    "D": "healthy",
    "E": "pixels averaged",
    "F": "KL forgotten",
}
WORDS = tuple(sorted(PATIENTS.values(), key=str.lower))


class Patient(nn.Module):
    """A tiny dense VAE for 28 x 28 pixels of ink or paper."""

    def __init__(self, story: str):
        super().__init__()
        self.story = story
        self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.GELU(), nn.Linear(64, 2 * LATENTS))
        self.decoder = nn.Sequential(
            nn.Linear(LATENTS, 64), nn.GELU(), nn.Linear(64, 784), nn.Unflatten(1, (1, 28, 28))
        )
        self.look, self.say = nn.Conv2d(1, 16, 5, padding=2), nn.Conv2d(16, 1, 1)

    def terms(self, targets: Tensor, draw: bool = True) -> tuple[Tensor, Tensor]:
        """-log p(x | z) of each image, [N], and the KL of its latents, [N, LATENTS]."""
        mean, log_variance = self.encoder(2 * targets - 1).chunk(2, dim=1)
        code = mean + (0.5 * log_variance).exp() * torch.randn_like(mean) if draw else mean
        logits = self.decoder(code)
        if self.story == "strong decoder":
            before = (torch.arange(25).view(5, 5) < 12).float()
            near = F.conv2d(2 * targets - 1, self.look.weight * before, self.look.bias, padding=2)
            logits = logits + self.say(near.relu())
        return cross_entropy(logits, targets).sum(dim=1), kl(mean, log_variance)

    def loss(self, pixels: Tensor, latents: Tensor) -> Tensor:
        if self.story == "pixels averaged":
            return pixels.mean() / 784 + latents.sum(dim=1).mean()
        if self.story == "KL forgotten":
            return pixels.mean()
        if self.story == "free bits":
            return pixels.mean() + 16 * latents.mean(dim=0).clamp_min(0.5).sum()
        return pixels.mean() + latents.sum(dim=1).mean()


def mysteries(images: ImageSet, steps: int = 300, every: int = 15) -> dict[str, dict[str, Any]]:
    """Train the six patients on a set of images of 28 x 28, of which the last 200 are for measuring.

    Each run has the lists "step", "rate" and "distortion", as its training computes them, the final "latents" (KL of
    each) and distortion, "at the end" as in training and "from a draw" of the code, and that of independent pixels,
    "knows nothing". The same images give the same curves.
    """
    grey = ink(images.images)
    cut = len(grey) - 200
    generator = torch.Generator().manual_seed(0)
    unknown = (torch.rand(grey[cut:].shape, generator=generator) < grey[cut:]).float()
    mean = grey[:cut].mean(dim=0, keepdim=True).clamp(1e-3, 1 - 1e-3)
    nothing = float(cross_entropy(mean.logit().expand_as(unknown), unknown).sum(dim=1).mean())
    return {
        letter: patient(grey[:cut], unknown, story, steps, every) | {"knows nothing": nothing}
        for letter, story in PATIENTS.items()
    }


def patient(grey: Tensor, unknown: Tensor, story: str, steps: int, every: int) -> dict[str, Any]:
    """One training with the story."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = Patient(story)
        optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
        run: dict[str, Any] = {"step": [], "rate": [], "distortion": []}
        for step in range(steps + 1):
            if step % every == 0:
                with torch.no_grad():
                    pixels, latents = model.terms(unknown, draw=story != "no draw")
                run["step"].append(step)
                run["rate"].append(float(latents.sum(dim=1).mean()))
                run["distortion"].append(float(pixels.mean()))
            some = grey[torch.randint(len(grey), (32,))]
            optimizer.zero_grad()
            model.loss(*model.terms((torch.rand_like(some) < some).float(), draw=story != "no draw")).backward()
            optimizer.step()
        with torch.no_grad():
            run["at the end"], run["from a draw"] = run["distortion"][-1], float(model.terms(unknown)[0].mean())
            learned = model.terms((torch.rand_like(grey) < grey).float())[1]
        run["latents"] = learned.mean(dim=0).sort(descending=True).values.tolist()
    return run


LOOK_AGAIN = {  # what it is, what was said -> what to look at; None stands for any other word
    ("free bits", "strong decoder"): "its rate is low, but its distortion is not far below that of independent pixels: "
    "a strong decoder would draw well without the code",
    ("free bits", "healthy"): "none of its latents gets past half a nat, and all but stop there: what holds them?",
    ("free bits", "pixels averaged"): "its latents are not at 0: each keeps about half a nat",
    ("free bits", None): "look at the bars: what is the largest KL that any of its latents has?",
    (
        "strong decoder",
        "pixels averaged",
    ): "its rate is low, but compare its distortion with that of independent pixels",
    ("strong decoder", "free bits"): "its latents do not stop at one height, and look at its distortion",
    ("strong decoder", "healthy"): "the pixels cost less than in any other run, and the code says next to nothing: who "
    "tells the decoder what to draw?",
    ("strong decoder", None): "its distortion is by far the lowest. Does that come from the code?",
    ("no draw", "healthy"): "compare its distortion in the training with that from a draw",
    ("no draw", "KL forgotten"): "its rate is low: a KL that costs nothing would grow without end",
    ("no draw", None): "what happens to its distortion when the code is a draw and not the mean?",
    ("healthy", "no draw"): "with a draw its distortion is the same as in its training",
    ("healthy", "free bits"): "its latents carry what each is worth, and none stops at a common height",
    ("healthy", None): "rate and distortion both make sense, and its latents differ",
    ("pixels averaged", "strong decoder"): "its distortion is that of independent pixels: this decoder knows nothing",
    ("pixels averaged", None): "its rate is 0 from early on, and its distortion that of independent pixels",
    ("KL forgotten", "healthy"): "its distortion is fine, but what does its code cost?",
    ("KL forgotten", "no draw"): "with a draw its distortion is as good as in its training: it made its clouds narrow",
    ("KL forgotten", None): "its rate is more than ten times that of any other run: what keeps a rate down?",
}


@exercise(CHAPTER)
def which_vae(answer: Callable) -> None:
    """answer() -> letter -> one of WORDS, one a letter."""
    expect_words(answer(), PATIENTS, WORDS, LOOK_AGAIN)
