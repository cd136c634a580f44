"""Checks of chapter 10: the KL in closed form, the loss, the way through a VAE, and the importance-weighted bound."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.checks.core import WrongAnswer, closed, compare, exercise, expect_tensor, same, untouched
from course_lib.vae import training_a_vae as library

CHAPTER = "10_training_a_vae"
LIBRARY = ("kl_per_latent", "bernoulli_log_likelihood", "log_normal", "free_bits_kl", "iwae_bound", "reparameterise")


def by_hand() -> contextlib.AbstractContextManager[None]:
    """Whoever calls the library's own function has not written the exercise."""
    message = "your code calls {} of course_lib: write the formula out"
    return closed(message, *(getattr(library, name) for name in LIBRARY))


def leaf(*tensors: Tensor) -> list[Tensor]:
    return [tensor.clone().requires_grad_() for tensor in tensors]


def gradients_agree(
    got: Tensor,
    inputs: dict[str, Tensor],
    reference: Callable[..., Tensor],
    mistakes: dict[str, dict[str, tuple[Tensor, str]]],
) -> None:
    """The gradient for every input, in a random direction, against the reference's."""
    if not got.requires_grad:
        raise WrongAnswer(
            "no gradient", "right numbers, but no gradient gets through: no .detach(), .item() or no_grad"
        )
    with torch.enable_grad():
        leaves = leaf(*(tensor.detach() for tensor in inputs.values()))
        wanted = reference(*leaves)
        direction = torch.linspace(0.5, 1.5, wanted.numel(), dtype=torch.float64).view(wanted.shape)
        right = torch.autograd.grad(wanted, leaves, direction)
    found = torch.autograd.grad(got, list(inputs.values()), direction.to(got.dtype), allow_unused=True)
    for name, mine, theirs in zip(inputs, found, right, strict=True):
        mine = torch.zeros_like(theirs) if mine is None else mine
        if same(mine, torch.zeros_like(theirs)) and name not in mistakes:
            raise WrongAnswer("no gradient", f"right numbers, but no gradient reaches {name}")
        compare(mine, theirs, f"the gradient for {name}", mistakes.get(name, {}))


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 1: gaussian_kl
# ---------------------------------------------------------------------------------------------------------------------


def kl_terms(mean: Tensor, log_variance: Tensor) -> Tensor:
    return 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)


def kl_variants(mean: Tensor, log_variance: Tensor) -> dict[str, tuple[Tensor, str]]:
    """What each misread formula gives per latent, [N, D], and what to say."""
    m, s, one = mean.square(), log_variance, 1.0
    return {
        "wrong sign": (-kl_terms(mean, s), "your KL is negative: a KL never is; (m² + s² - 1 - log s²) / 2"),
        "one half missing": (2 * kl_terms(mean, s), "your KL is twice too large: the one half is missing"),
        "one missing": (0.5 * (m + s.exp() - s), "the -1 is missing: at mean 0 and variance 1 a latent costs nothing"),
        "one added": (0.5 * (m + s.exp() + one - s), "you add 1 where 1 is to be subtracted"),
        "log sigma": (
            kl_terms(mean, 2 * s),
            "you read log_variance as log sigma: the variance is exp(log_variance), without a factor of 2",
        ),
        "sigma": (
            0.5 * (m + s.square() - 1 - s.square().log()),
            "you read log_variance as sigma itself: the variance is exp(log_variance)",
        ),
        "variance": (
            0.5 * (m + s - 1 - s.log()),
            "you read log_variance as the variance itself: the variance is exp(log_variance)",
        ),
        "sigma for the variance": (
            0.5 * (m + (0.5 * s).exp() - 1 - s),
            "you add sigma = exp(log_variance / 2): the variance, exp(log_variance), belongs there",
        ),
        "half log sigma": (
            kl_terms(mean, 0.5 * s),
            "you halve log_variance in every place: that is log sigma; the formula wants the variance",
        ),
        "log added": (0.5 * (m + s.exp() - 1 + s), "you add log s²: it is subtracted"),
        "mean not squared": (0.5 * (mean + s.exp() - 1 - s), "the mean has to be squared"),
        "mean ignored": (0.5 * (s.exp() - 1 - s), "the mean has no effect in your code: its square belongs there"),
        "variance ignored": (0.5 * m, "the variance has no effect in your code"),
        "other way round": (
            0.5 * ((m + 1) / s.exp() - 1 + s),
            "you computed KL(p || q), from the standard normal to q: it goes the other way, KL(q || p)",
        ),
    }


@exercise(CHAPTER)
def gaussian_kl(answer: Callable) -> None:
    """answer(mean [N, D], log_variance [N, D]) -> [N], summed over latents."""
    generator = torch.Generator().manual_seed(10)
    for shape, low in (((3, 5), 0.1), ((4, 2), -2.0), ((1, 7), -3.0), ((6, 1), -2.0)):
        mean = torch.randn(shape, generator=generator, dtype=torch.float64)
        log_variance = low + (1.6 - low) * torch.rand(shape, generator=generator, dtype=torch.float64)
        inputs = dict(zip(("mean", "log_variance"), leaf(mean, log_variance), strict=True))
        with torch.enable_grad(), by_hand(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            got = answer(*inputs.values())
            again = answer(*inputs.values())
        untouched(mean, inputs["mean"].detach(), "mean")
        untouched(log_variance, inputs["log_variance"].detach(), "log_variance")
        if isinstance(got, Tensor) and isinstance(again, Tensor) and not torch.equal(got, again):
            raise WrongAnswer("sampled", "two calls give two answers: the closed form needs no random numbers")
        terms = kl_terms(mean, log_variance)
        compare(got, terms.sum(dim=1), "your result", kl_mistakes(terms, mean, log_variance))
        gradients_agree(got, inputs, lambda m, s: kl_terms(m, s).sum(dim=1), {})


def kl_mistakes(terms: Tensor, mean: Tensor, log_variance: Tensor) -> dict[str, tuple[Tensor, str]]:
    sums = {name: (x.sum(dim=1), words) for name, (x, words) in kl_variants(mean, log_variance).items()}
    each = "one number per image: .sum(dim=1)"
    return sums | {
        "averaged over latents": (
            terms.mean(dim=1),
            f"you average over the {terms.shape[1]} latents: their costs add up, so sum",
        ),
        "not summed": (terms, f"one number per latent came back, expected {each}"),
        "batch averaged": (terms.sum(dim=1).mean(), f"you average over the images already: expected {each}"),
        "batch summed": (terms.sum(), f"you sum over the images too: expected {each}"),
        "everything averaged": (terms.mean(), f"you average over images and latents: expected {each}"),
        "over the images": (terms.sum(dim=0), "you sum over the images (dim=0): sum over the latents, dim=1"),
    }


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 2: negative_elbo
# ---------------------------------------------------------------------------------------------------------------------


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="none").flatten(1)  # [N, pixels]


def loss(logits: Tensor, targets: Tensor, mean: Tensor, log_variance: Tensor) -> Tensor:
    return (cross_entropy(logits, targets).sum(dim=1) + kl_terms(mean, log_variance).sum(dim=1)).mean()


@exercise(CHAPTER)
def negative_elbo(answer: Callable) -> None:
    """answer(logits, targets [N, C, H, W], mean, log_variance [N, D]) -> scalar."""
    generator = torch.Generator().manual_seed(11)

    def normal(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=torch.float64)

    for (N, C, H, W), D in (((3, 2, 4, 5), 6), ((5, 1, 7, 2), 3), ((1, 3, 2, 6), 2)):
        logits, mean = 2 * normal(N, C, H, W), normal(N, D)
        targets = (normal(N, C, H, W) + 0.3 * logits > 0.2).double()
        log_variance = 0.2 + normal(N, D).abs() if N == 3 else 0.7 * normal(N, D)
        tensors = (logits, mean, log_variance)
        inputs = dict(zip(("logits", "mean", "log_variance"), leaf(*tensors), strict=True))
        before = targets.clone()
        with torch.enable_grad(), by_hand(), torch.random.fork_rng(devices=[]):
            got = answer(inputs["logits"], targets, inputs["mean"], inputs["log_variance"])
        for name, tensor in zip(inputs, tensors, strict=True):
            untouched(tensor, inputs[name].detach(), name)
        untouched(before, targets, "targets")
        wanted = loss(logits, targets, mean, log_variance)
        compare(got, wanted, "your result", loss_mistakes(logits, targets, mean, log_variance))
        cut = "right number, but the KL is a constant to the gradient: no .detach() or no_grad around it"
        dead = {name: {"KL detached": (torch.zeros_like(mean), cut)} for name in ("mean", "log_variance")}
        gradients_agree(got, inputs, lambda a, m, s, x=before: loss(a, x, m, s), dead)
    extreme(answer)


def extreme(answer: Callable) -> None:
    """Logits at which a sigmoid is 0 or 1."""
    logits = torch.tensor([250.0, -300.0, 180.0, -1.0], dtype=torch.float64).view(1, 1, 2, 2)
    targets = torch.tensor([0.0, 1.0, 1.0, 0.0], dtype=torch.float64).view(1, 1, 2, 2)
    code = torch.zeros(1, 2, dtype=torch.float64)
    with by_hand():
        got = answer(logits, targets, code, code)
    wanted = loss(logits, targets, code, code)
    if not same(got, wanted):
        number = float(got) if isinstance(got, Tensor) and got.numel() == 1 else got
        raise WrongAnswer(
            "overflow",
            f"logits of 250 and -300 give {number:.5g} instead of {float(wanted):.5g}: sigmoid is 0 or 1 there, its "
            "log is lost; compute from the logits, with F.binary_cross_entropy_with_logits",
        )


def loss_mistakes(logits: Tensor, targets: Tensor, mean: Tensor, log_variance: Tensor) -> dict[str, tuple[Any, str]]:
    pixels, terms = cross_entropy(logits, targets), kl_terms(mean, log_variance)
    ce, kl = pixels.sum(dim=1), terms.sum(dim=1)
    turned = targets.transpose(2, 3).reshape(targets.shape)
    size = pixels.shape[1]
    variants = {
        f"KL: {name}": ((ce + x.sum(dim=1)).mean(), f"in the KL, {words}")
        for name, (x, words) in kl_variants(mean, log_variance).items()
        if name != "wrong sign"
    }
    return {
        "pixels averaged": (
            pixels.mean() + kl.mean(),
            f"you average over the {size} pixels: sum, or the KL weighs {size} times too much",
        ),
        "both averaged": (pixels.mean() + terms.mean(), "you average over pixels and over latents: both are sums"),
        "KL averaged": (ce.mean() + terms.mean(), "you average the KL over the latents: sum over them"),
        "sum over the batch": ((ce + kl).sum(), "you sum over the images: average over them"),
        "KL summed over the batch": (
            ce.mean() + kl.sum(),
            "the KL is summed over the images, the cross-entropy averaged: average both",
        ),
        "pixels summed over the batch": (
            ce.sum() + kl.mean(),
            "the cross-entropy is summed over the images, the KL averaged: average both",
        ),
        "batch summed, KL averaged": (
            ce.sum() + terms.mean(),
            "the cross-entropy is summed over the images, the KL averaged over images and latents",
        ),
        "per image": (ce + kl, "one number per image came back: take their mean"),
        "sigmoid before the loss": (
            (cross_entropy(logits.sigmoid(), targets).sum(dim=1) + kl).mean(),
            "you apply a sigmoid before a loss that takes logits: it is applied twice",
        ),
        "KL with the wrong sign": ((ce - kl).mean(), "you subtract the KL: the loss is reconstruction + KL"),
        "ELBO": (-(ce + kl).mean(), "you return the ELBO: the loss is its negative"),
        "cross-entropy with the wrong sign": (
            (kl - ce).mean(),
            "the cross-entropy is subtracted: it is already -log p(x | z), so add it",
        ),
        "height and width swapped": (
            (cross_entropy(logits, turned).sum(dim=1) + kl).mean(),
            "height and width of the targets are swapped before they meet the logits",
        ),
        "KL missing": (ce.mean(), "the KL is missing: this is an autoencoder's loss"),
        "cross-entropy missing": (kl.mean(), "the cross-entropy is missing"),
        "squared error": (
            ((logits.sigmoid() - targets).square().flatten(1).sum(dim=1) + kl).mean(),
            "you use the squared error: -log p(x | z) of pixels that are 0 or 1 is the cross-entropy",
        ),
        "targets reversed": (
            (cross_entropy(-logits, targets).sum(dim=1) + kl).mean(),
            "ink and paper are swapped: sigmoid(logit) is the probability of a 1",
        ),
        "bits": ((ce + kl).mean() / math.log(2), "your result is in bits: use the natural logarithm"),
        **variants,
    }


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 3: vae_forward
# ---------------------------------------------------------------------------------------------------------------------

N, C, H, W, D = 3000, 1, 3, 2, 4


class Encoder(nn.Module):
    """Means and log sigmas that it was told to give; notes what it saw."""

    def __init__(self, mean: Tensor, log_sigma: Tensor):
        super().__init__()
        self.mean, self.log_sigma = nn.Parameter(mean), nn.Parameter(log_sigma)
        self.seen: list[Tensor] = []

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        self.seen.append(images)
        return self.mean.clone(), self.log_sigma.clone()


class Decoder(nn.Module):
    """Any smooth function of the codes; notes them."""

    def __init__(self, weight: Tensor):
        super().__init__()
        self.weight = nn.Parameter(weight)  # [D, C * H * W]
        self.seen: list[Tensor] = []

    def forward(self, codes: Tensor) -> Tensor:
        self.seen.append(codes)
        return (codes @ self.weight).unflatten(1, (C, H, W))


@exercise(CHAPTER)
def vae_forward(answer: Callable) -> None:
    """answer(encoder, decoder, images [N, C, H, W], training) -> logits, mean, log_sigma."""
    generator = torch.Generator().manual_seed(12)
    images = torch.randn(N, C, H, W, generator=generator, dtype=torch.float64)
    mean = 2 * torch.randn(N, D, generator=generator, dtype=torch.float64) + 1
    log_sigma = torch.tensor([-1.5, -0.7, 0.4, 1.0], dtype=torch.float64).repeat(N, 1)
    log_sigma += 0.1 * torch.rand(N, D, generator=generator, dtype=torch.float64)
    weight = torch.randn(D, C * H * W, generator=generator, dtype=torch.float64)
    codes = {}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for training in (True, False):
            made = Encoder(mean, log_sigma), Decoder(weight)
            codes[training] = once(answer, *made, images, training, mean, log_sigma)
            again = Encoder(mean, log_sigma), Decoder(weight)
            repeat = once(answer, *again, images, training, mean, log_sigma)
            codes[training].append(repeat[0])
    drawn, second = codes[True][0], codes[True][-1]
    kept, kept_again = codes[False][0], codes[False][-1]
    if same(drawn, mean) and not same(kept, mean):
        raise WrongAnswer("mode reversed", "you draw at evaluation and take the mean in training: the other way round")
    if same(drawn, mean):
        raise WrongAnswer("no draw", "with training=True the decoder got the mean itself: draw mean + sigma * epsilon")
    if not same(kept, mean):
        if not same(kept, kept_again):
            raise WrongAnswer(
                "sampling at evaluation", "with training=False the decoder got a draw: it has to get the mean"
            )
        raise WrongAnswer("wrong", "with training=False the decoder got something else than the mean")
    the_draw(drawn, second, mean, log_sigma)
    the_gradients(codes[True][1], codes[True][2], weight, drawn, mean, log_sigma)


def once(
    answer: Callable,
    encoder: Encoder,
    decoder: Decoder,
    images: Tensor,
    training: bool,
    mean: Tensor,
    log_sigma: Tensor,
) -> list:
    """One call, with everything about it checked that does not depend on chance: [codes, logits, encoder]."""
    given = images.clone()
    with torch.enable_grad(), by_hand():
        got = answer(encoder, decoder, given, training)
    untouched(images, given, "images")
    for network, name in ((encoder, "encoder"), (decoder, "decoder")):
        if len(network.seen) != 1:
            raise WrongAnswer("called once", f"the {name} was called {len(network.seen)} times, expected once")
    if not torch.equal(encoder.seen[0], images):
        raise WrongAnswer("images changed", "the encoder got other images than you were given: pass them as they are")
    if not isinstance(got, tuple | list) or len(got) != 3:
        raise WrongAnswer("type", "expected three things back: logits, mean, log_sigma")
    expect_tensor(decoder.seen[0], mean, "what the decoder got")
    with torch.no_grad():
        expected = (decoder.seen[0] @ decoder.weight).unflatten(1, (C, H, W))
    wanted = {"logits": expected, "mean": mean, "log_sigma": log_sigma}
    for value, (name, right) in zip(got, wanted.items(), strict=True):
        mistakes = {
            "swapped": (log_sigma if name == "mean" else mean, "mean and log_sigma came back in the wrong order"),
            "sigma returned": (log_sigma.exp(), "you return sigma where log_sigma was asked for"),
            "code returned": (decoder.seen[0].detach(), "you return the code where the mean was asked for"),
            "probabilities returned": (expected.sigmoid(), "you return probabilities: return what the decoder gives"),
        }
        compare(value, right, f"the returned {name}", mistakes)
    if not got[0].requires_grad:
        raise WrongAnswer("no gradient", "your logits carry no gradient: no .detach() or no_grad in here")
    return [decoder.seen[0].detach(), got[0], encoder]


def the_draw(codes: Tensor, again: Tensor, mean: Tensor, log_sigma: Tensor) -> None:
    """The noise behind the codes: a number of its own everywhere, normal, and times sigma."""
    noise, second = codes - mean, again - mean
    spread = noise.std(dim=0)
    scales = {
        "halved log sigma": ((0.5 * log_sigma).exp(), "sigma is exp(0.5 * log_sigma) in your code: exp(log_sigma)"),
        "variance for sigma": ((2 * log_sigma).exp(), "you multiply by the variance: by sigma = exp(log_sigma)"),
        "sigma ignored": (torch.ones_like(mean), "sigma is ignored: z = mean + epsilon in your code"),
        "log sigma for sigma": (log_sigma.abs(), "you multiply by log_sigma itself: sigma is exp(log_sigma)"),
        "divided by sigma": (
            (-log_sigma).exp(),
            "you divide by sigma, or its sign is wrong: multiply by exp(log_sigma)",
        ),
    }
    sigma = log_sigma.exp()
    if torch.equal(noise, second):
        raise WrongAnswer("always the same", "two calls draw the same noise: fresh numbers at each call, no fixed seed")
    for scale in (sigma, *(scale for scale, _ in scales.values())):
        epsilon = noise / scale
        if same(epsilon, epsilon[:1].expand_as(epsilon), 1e-6):
            raise WrongAnswer(
                "one epsilon for the batch", "all images share their epsilon: draw [N, D], torch.randn_like(mean)"
            )
        if same(epsilon, epsilon[:, :1].expand_as(epsilon), 1e-6):
            raise WrongAnswer(
                "one epsilon for all latents",
                "all latents of an image share one epsilon: draw [N, D], randn_like(mean)",
            )
    for name, (scale, words) in scales.items():
        if bool(((spread / scale.square().mean(dim=0).sqrt() - 1).abs() < 0.06).all()):
            raise WrongAnswer(name, words)
    epsilon = noise / sigma
    if float(epsilon.mean(dim=0).abs().max()) > 0.3:
        raise WrongAnswer(
            "noise with a mean",
            f"your epsilon has mean {float(epsilon.mean()):.2f}: standard normal noise, torch.randn",
        )
    off = (epsilon.std(dim=0) - 1).abs().max()
    if float(off) > 0.06:
        raise WrongAnswer("wrong", f"the standard deviation of your draws is off by up to {float(off):.0%} of sigma")
    if abs(float((epsilon.abs() > 2).double().mean()) - 0.0455) > 0.015:
        raise WrongAnswer("not normal", "your epsilon has the right spread but is not normal: use torch.randn")
    shared = float((epsilon.T.corrcoef() - torch.eye(D, dtype=torch.float64)).abs().max())
    if shared > 0.15:
        raise WrongAnswer(
            "noise depends", "the epsilons of different latents depend on each other: draw each on its own"
        )


def the_gradients(
    logits: Tensor, encoder: Encoder, weight: Tensor, codes: Tensor, mean: Tensor, log_sigma: Tensor
) -> None:
    direction = torch.cos(torch.arange(logits.numel(), dtype=torch.float64)).view(logits.shape)
    parts = torch.autograd.grad(logits, (encoder.mean, encoder.log_sigma), direction, allow_unused=True)
    at_mean, at_sigma = (torch.zeros_like(mean) if part is None else part for part in parts)
    through = direction.flatten(1) @ weight.T
    if not at_mean.any() and not at_sigma.any():
        raise WrongAnswer(
            "no gradient through the sample",
            "no gradient gets through your draw: mean + sigma * epsilon, not torch.normal, .sample() or .detach()",
        )
    if not at_sigma.any():
        raise WrongAnswer("no gradient to sigma", "the gradient reaches the mean but not log_sigma: sigma is detached")
    if not at_mean.any():
        raise WrongAnswer("no gradient to the mean", "the gradient reaches log_sigma but not the mean")
    compare(at_mean, through, "the gradient for the mean", {})
    compare(at_sigma, through * (codes - mean), "the gradient for log_sigma", {})


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 4: iwae
# ---------------------------------------------------------------------------------------------------------------------


@exercise(CHAPTER)
def iwae(answer: Callable) -> None:
    """answer(log_weights [K, N]) -> [N]."""
    generator = torch.Generator().manual_seed(13)
    for (K, images), level in (((4, 3), 0.0), ((2, 5), 1.0), ((7, 1), -1.0), ((5, 6), -900.0), ((3, 4), 800.0)):
        log_weights = level + 2 * torch.randn(K, images, generator=generator, dtype=torch.float64)
        if abs(level) > 100:
            log_weights = log_weights - torch.linspace(0, 1000, images, dtype=torch.float64)
        inputs = {"log_weights": leaf(log_weights)[0]}
        with torch.enable_grad(), by_hand():
            got = answer(inputs["log_weights"])
        untouched(log_weights, inputs["log_weights"].detach(), "log_weights")
        wanted = bound(log_weights)
        if isinstance(got, Tensor) and got.shape == wanted.shape and not got.isfinite().all() and abs(level) > 100:
            raise WrongAnswer(
                "overflow",
                f"log weights around {level:.0f} give {float(got.detach().flatten()[0]):g}: exp leaves the range of "
                "numbers; use torch.logsumexp, or subtract each image's largest first",
            )
        compare(got, wanted, "your result", bound_mistakes(log_weights), tolerance=1e-9)
        gradients_agree(got, inputs, bound, {})


def bound(log_weights: Tensor) -> Tensor:
    return log_weights.logsumexp(dim=0) - math.log(len(log_weights))


def bound_mistakes(log_weights: Tensor) -> dict[str, tuple[Tensor, str]]:
    K, images = log_weights.shape
    right, total = bound(log_weights), log_weights.logsumexp(dim=0)
    return {
        "mean of the logs": (
            log_weights.mean(dim=0),
            "you average the logarithms: that is the ELBO; average the weights, then take the logarithm",
        ),
        "log K missing": (total, f"an average divides by K = {K}: subtract log K"),
        "log K added": (total + math.log(K), f"you add log K: an average divides by K = {K}, so subtract it"),
        "K subtracted": (total - K, "you subtract K: subtract log K"),
        "divided by K": (total / K, "you divide the logarithm by K: subtract log K from it"),
        "log N subtracted": (total - math.log(images), "you subtract the log of the number of images: of the draws, K"),
        "largest weight": (log_weights.amax(dim=0), "you return the largest log weight: average the weights"),
        "over the images": (
            log_weights.logsumexp(dim=1) - math.log(images),
            "you average over the images (dim=1): the K draws are the rows, dim=0",
        ),
        "wrong sign": (-right, "your sign is wrong: the bound is log of the average weight, not its negative"),
        "averaged over images": (right.mean(), "you average over the images too: return one bound per image"),
        "all together": (
            log_weights.flatten().logsumexp(dim=0) - math.log(log_weights.numel()),
            "all images are thrown together: average over the K draws of each image only",
        ),
        "weights, no log": (right.exp(), "you return the average weight: its logarithm was asked for"),
        "bits": (right / math.log(2), "your result is in bits: use the natural logarithm"),
    }
