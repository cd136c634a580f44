"""Checks of chapter 9: a linear autoencoder, the reparameterised draw, its loss, and a reconstruction without dice."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.checks.core import WrongAnswer, compare, exercise, expect_tensor, same, untouched

CHAPTER = "09_autoencoders_to_vae"


def normal(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


@contextmanager
def kept_randomness() -> Iterator[None]:
    """Whatever is drawn inside, and whoever sets a seed: outside nothing has changed."""
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(9)
        yield


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 1: linear_autoencoder
# ---------------------------------------------------------------------------------------------------------------------

LINEAR = [((4, 1, 3, 5), 2), ((3, 2, 4, 3), 5), ((5, 3, 2, 4), 1), ((2, 1, 4, 4), 3)]  # [N, C, H, W] and D


@exercise(CHAPTER)
def linear_autoencoder(answer: Callable) -> None:
    """answer(images [N, C, H, W], mean [C, H, W], directions [D, C, H, W]) -> codes [N, D], again [N, C, H, W]."""
    generator = torch.Generator().manual_seed(9)
    with kept_randomness():
        for shape, count in LINEAR:
            one_linear(answer, shape, count, generator)


def one_linear(answer: Callable, shape: tuple[int, ...], count: int, generator: torch.Generator) -> None:
    pixels = math.prod(shape[1:])
    directions = torch.linalg.qr(normal(generator, pixels, count))[0].T.reshape(count, *shape[1:]).contiguous()
    inputs = [normal(generator, *shape) + 1, normal(generator, *shape[1:]), directions]
    leaves = [tensor.clone().requires_grad_() for tensor in inputs]
    got = answer(*leaves)
    for before, after, name in zip(inputs, leaves, ("images", "mean", "directions"), strict=True):
        untouched(before, after.detach(), name)
    if not isinstance(got, tuple | list) or len(got) != 2:
        raise WrongAnswer("type", f"your result is a {type(got).__name__}, expected a pair: codes, again")
    wanted = linear(*inputs)
    if same(got[0], wanted[1]) and same(got[1], wanted[0]):
        raise WrongAnswer("pair swapped", "you return again, codes: the codes come first")
    compare(got[0], wanted[0], "codes", code_mistakes(*inputs))
    if isinstance(got[1], Tensor) and got[1].shape == (shape[0], shape[1], shape[3], shape[2]) != shape:
        raise WrongAnswer("height and width swapped", "again is [N, C, W, H]: an image has H rows and W columns")
    compare(got[1], wanted[1], "again", again_mistakes(*inputs))
    twins = [tensor.clone().requires_grad_() for tensor in inputs]
    rights = linear(*twins)
    pull = [normal(generator, *part.shape) for part in rights]
    found = gradients(got, leaves, pull)
    for name, mine, right in zip(("images", "mean", "directions"), found, gradients(rights, twins, pull), strict=True):
        if not same(mine, right):
            raise WrongAnswer("no gradient", f"right numbers, but the gradient for {name} is cut: no .detach(), .data")


def linear(images: Tensor, mean: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    codes = torch.einsum("nchw,dchw->nd", images - mean, directions)
    return codes, mean + torch.einsum("nd,dchw->nchw", codes, directions)


def gradients(results: tuple | list, leaves: list[Tensor], pull: list[Tensor]) -> list[Tensor | None]:
    """Of both results along random directions; None where no gradient arrives."""
    parts = [(r, p) for r, p in zip(results, pull, strict=True) if r.requires_grad]
    if len(parts) < len(results):
        return [None] * len(leaves)
    return list(torch.autograd.grad([r for r, _ in parts], leaves, [p for _, p in parts], allow_unused=True))


def code_mistakes(images: Tensor, mean: Tensor, directions: Tensor) -> dict[str, tuple[Tensor, str]]:
    """What each misconception would give for the codes."""
    codes, pixels = linear(images, mean, directions)[0], mean.numel()
    zero, rows = torch.zeros_like(mean), directions.flatten(1)
    turned = (images - mean).transpose(2, 3).flatten(1) @ rows.T
    return {
        "mean not subtracted": (
            linear(images, zero, directions)[0],
            "your codes are those of the images themselves: subtract the mean image before you project",
        ),
        "mean of the batch": (
            linear(images, images.mean(dim=0), directions)[0],
            "you subtract the mean of this batch: use the mean you were given, or a code depends on its company",
        ),
        "mean of each image": (
            linear(images - images.mean(dim=(1, 2, 3), keepdim=True), zero, directions)[0],
            "you subtract one number per image, its own mean: subtract the mean image, pixel by pixel",
        ),
        "mean added": (
            linear(images + 2 * mean, mean, directions)[0],
            "you add the mean before projecting: it is subtracted on the way in and added on the way out",
        ),
        "height and width swapped": (
            turned,
            "your images are flattened with rows and columns exchanged, the directions are not: leave out transpose",
        ),
        "directions reshaped": (
            (images - mean).flatten(1) @ rows.reshape(pixels, len(rows)),
            "you reshape the directions to [P, D]: that mixes their pixels; flatten them to [D, P] and transpose",
        ),
        "mean over pixels": (
            codes / pixels,
            "your codes are means over the pixels: a code number is the sum of the products",
        ),
        "sign": (-codes, "your codes have the wrong sign: image minus mean, not mean minus image"),
        "directions in reverse": (
            codes.flip(1),
            "your code numbers come in reverse order: number d belongs to direction d",
        ),
        "standardised": (
            codes / codes.std(dim=0, keepdim=True) if len(codes) > 1 else codes,
            "you divide the codes by their spread: a code number is the plain sum of products",
        ),
    }


def again_mistakes(images: Tensor, mean: Tensor, directions: Tensor) -> dict[str, tuple[Tensor, str]]:
    """What each misconception would give for the reconstruction, with the right codes."""
    codes, right = linear(images, mean, directions)
    rows = directions.flatten(1)
    plain = codes @ rows
    N, C, H, W = images.shape
    return {
        "mean not added back": (right - mean, "right codes, but the mean image is missing from again: add it"),
        "not decoded": (images, "again is just the images you were given: draw them from the codes"),
        "height and width swapped": (
            mean + plain.reshape(N, C, W, H).transpose(2, 3),
            "again has rows and columns exchanged on the way back: reshape to [N, C, H, W] at once, no transpose",
        ),
        "mean subtracted twice": (right - 2 * mean, "on the way back you subtract the mean: add it"),
        "one direction": (
            mean + (codes[:, :1] @ rows[:1]).reshape(images.shape),
            "again uses the first direction only: sum over all of them",
        ),
        "codes from again": (
            mean + (linear(images, torch.zeros_like(mean), directions)[0] @ rows).reshape(images.shape),
            "again is decoded from codes of images whose mean was not subtracted: decode the codes you return",
        ),
    }


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 2: reparameterise
# ---------------------------------------------------------------------------------------------------------------------

ROWS = 8_000  # with 5 latents: the spread of all draws together is known to 0.4 %
LOGS = (-3.0, -1.4, 0.8, 1.6, -0.6)  # a log variance for each latent; none of them 0
OFF = 5  # standard errors that are allowed


@exercise(CHAPTER)
def reparameterise(answer: Callable) -> None:
    """answer(mean [N, D], log_variance [N, D]) -> [N, D], independent draws that carry gradients."""
    generator = torch.Generator().manual_seed(9)
    with kept_randomness():
        for shape in ((3, 4), (1, 1), (6, 2)):
            one_draw(answer, 2 * normal(generator, *shape), normal(generator, *shape), generator)
        small = answer(torch.zeros(2, 3), torch.zeros(2, 3))
        if isinstance(small, Tensor) and small.dtype != torch.float32:
            raise WrongAnswer("dtype", f"for float32 you return {small.dtype}: draw the noise in the dtype of `mean`")
        many_draws(answer, generator)


def one_draw(answer: Callable, mean: Tensor, log_variance: Tensor, generator: torch.Generator) -> None:
    """Type, shape, anew at each call, and the gradients: all that one batch can tell."""
    leaves = [mean.clone().requires_grad_(), log_variance.clone().requires_grad_()]
    z = answer(*leaves)
    untouched(mean, leaves[0].detach(), "mean")
    untouched(log_variance, leaves[1].detach(), "log_variance")
    expect_tensor(z, mean, "your result")
    if z.dtype != mean.dtype:
        raise WrongAnswer("dtype", f"for float64 you return {z.dtype}: draw the noise in the dtype of `mean`")
    if torch.equal(z.detach(), mean):
        raise WrongAnswer("no noise", "you return the mean itself: that is for evaluation, here a draw was asked for")
    if mean.numel() > 1 and torch.equal(answer(mean, log_variance).detach(), z.detach()):
        raise WrongAnswer(
            "same noise every time", "two calls gave the same draws: set no seed, draw anew in every call"
        )
    if not z.requires_grad:
        raise WrongAnswer(
            "no gradient through the sample",
            "your draw carries no gradient: no torch.no_grad, .detach() or .sample(); compute mean + sigma * epsilon",
        )
    pull = normal(generator, *mean.shape)
    found = torch.autograd.grad(z, leaves, pull, allow_unused=True)
    for_mean, for_log = (torch.zeros_like(mean) if part is None else part for part in found)
    if not for_mean.any() and not for_log.any():
        raise WrongAnswer(
            "no gradient through the sample",
            "the gradients of your draw are zero: torch.normal(mean, sigma) cuts them; compute mean + sigma * epsilon",
        )
    if not for_log.any():
        if ignores_sigma(answer, mean, log_variance):
            raise WrongAnswer("sigma ignored", "another log_variance gives the same draws: multiply the noise by sigma")
        raise WrongAnswer(
            "sigma is a constant",
            "no gradient reaches log_variance: sigma is cut off from it; no .detach(), no .item()",
        )
    if not for_mean.any():
        raise WrongAnswer("mean is a constant", "no gradient reaches the mean: it is cut off, or not added at all")


def ignores_sigma(answer: Callable, mean: Tensor, log_variance: Tensor) -> bool:
    """The same noise, another width: are the draws the same?"""
    draws = []
    for logs in (log_variance, log_variance + 1):
        torch.manual_seed(9)
        draws.append(answer(mean, logs))
    return same(*draws)


def many_draws(answer: Callable, generator: torch.Generator) -> None:
    """Statistics of many draws: first who shares a draw with whom, then the spread, then the distribution."""
    mean = 3 * normal(generator, ROWS, len(LOGS))
    log_variance = torch.tensor(LOGS, dtype=torch.float64).expand(ROWS, -1).clone()
    leaves = [mean.clone().requires_grad_(), log_variance.clone().requires_grad_()]
    z = answer(*leaves)
    expect_tensor(z, mean, "your result")
    offset = z.detach() - mean
    epsilon = offset / (0.5 * log_variance).exp()
    shared_noise(offset, epsilon)
    right_spread(offset, epsilon)
    independent(epsilon)
    bell(epsilon)
    for_mean, for_log = torch.autograd.grad(z.sum(), leaves, allow_unused=True)
    if for_mean is None or not same(for_mean, torch.ones_like(mean)):
        raise WrongAnswer("gradient of the mean", "right draws, but the gradient for the mean is not 1 everywhere")
    if for_log is None or not same(for_log, offset / 2):
        raise WrongAnswer(
            "gradient of the log variance",
            "right draws, but the gradient for log_variance is not sigma * epsilon / 2: is a part of sigma detached?",
        )


def shared_noise(offset: Tensor, epsilon: Tensor) -> None:
    """Constant noise shows as offsets that are multiples of each other, whatever was taken for sigma."""
    unit = offset / offset.square().mean(dim=0, keepdim=True).sqrt().clamp_min(1e-12)
    latents = bool((unit.abs() - unit[:, :1].abs()).abs().max() < 1e-6) and len(unit.abs().unique()) > 100
    batch = bool((offset - offset[:1]).abs().max() < 1e-6 * offset.abs().max())
    if batch and bool((epsilon - epsilon[0, 0]).abs().max() < 1e-6 * epsilon.abs().max()):
        raise WrongAnswer("one epsilon for everything", "a single random number for all images and latents: draw N · D")
    if batch:
        raise WrongAnswer(
            "one epsilon for the whole batch",
            "every image of the batch gets the same noise: draw [N, D] numbers, not [D] or [1, D]",
        )
    if latents:
        raise WrongAnswer(
            "one epsilon shared by all latents",
            "all latents of an image get the same noise: draw [N, D] numbers, not [N, 1]",
        )


def right_spread(offset: Tensor, epsilon: Tensor) -> None:
    """The mean and the width of the draws, latent by latent."""
    logs = torch.tensor(LOGS, dtype=torch.float64)
    spreads = offset.std(dim=0)
    means = (epsilon.mean(dim=0) * len(offset) ** 0.5).abs().max()
    if means > OFF * max(1.0, float(epsilon.std(dim=0).max())):
        inside = bool(((epsilon >= 0) & (epsilon <= 1)).all())
        if inside:
            raise WrongAnswer(
                "uniform noise", "your noise lies between 0 and 1: torch.rand is uniform, use torch.randn"
            )
        raise WrongAnswer(
            "shifted",
            f"the mean of {len(offset)} draws is off by up to {float(offset.mean(dim=0).abs().max()):.2f}: the noise "
            "must have mean 0 and be added to the mean once",
        )
    room = OFF / (2 * len(offset)) ** 0.5
    together = float((epsilon.square().mean()).sqrt())
    if bool(((spreads / (0.5 * logs).exp()).log().abs() < room).all()) and abs(together - 1) < room / len(LOGS) ** 0.5:
        return
    if bool((epsilon.abs() <= 1).all()) and same(epsilon.square().mean(), torch.tensor(1 / 3.0), 0.05):
        raise WrongAnswer("uniform noise", "your noise is uniform between -1 and 1: use torch.randn, a normal one")
    asked, found = math.exp(LOGS[3] / 2), float(spreads[3])
    told = f"asked for log variance {LOGS[3]}, so sigma {asked:.2f}, your draws have a spread of {found:.2f}"
    for name, (result, message) in spread_mistakes(logs).items():
        if bool(((spreads / result).log().abs() < room).all()):
            raise WrongAnswer(name, f"{told}: {message}")
    raise WrongAnswer("wrong spread", f"{told}: sigma = exp(log_variance / 2), times standard normal noise")


def spread_mistakes(logs: Tensor) -> dict[str, tuple[Tensor, str]]:
    """The spread of each latent that a misconception would give."""
    return {
        "exp(log_var) as sigma": (
            logs.exp(),
            "you use exp(log_variance) as sigma; that is the variance, so halve first",
        ),
        "sigma ignored": (torch.ones_like(logs), "your noise has width 1 everywhere: multiply it by sigma"),
        "halved twice": (
            (0.25 * logs).exp(),
            "you halve twice: exp(0.5 * log_sigma), or a root of sigma; log sigma is log_variance / 2, and then exp",
        ),
        "no exp": (logs.abs(), "you multiply by the log variance itself: sigma = exp(log_variance / 2)"),
        "no exp, halved": (
            (0.5 * logs).abs(),
            "you multiply by half the log variance, which is log sigma: take exp of it",
        ),
        "divided by sigma": ((-0.5 * logs).exp(), "you divide by sigma, or have its logarithm's sign wrong: multiply"),
        "softplus": (F.softplus(logs), "you use softplus for sigma; here log_variance is a logarithm, so use exp"),
        "root of the log variance": (logs.abs().sqrt(), "you take the root of the log variance: exp comes first"),
        "variance squared": ((2 * logs).exp(), "you double the log variance: halve it"),
    }


def independent(epsilon: Tensor) -> None:
    """No draw may come back elsewhere, as it is or with the other sign."""
    rows, latents = epsilon.shape
    values = epsilon.flatten().mul(1e8).round()
    if 100 < len(values.unique()) < 0.9 * len(values):
        raise WrongAnswer("noise repeated", "some random numbers are used several times: draw N · D of them")
    correlation = epsilon.T.corrcoef()
    if latents > 1 and (correlation - torch.eye(latents, dtype=correlation.dtype)).abs().max() > OFF / rows**0.5:
        raise WrongAnswer("latents depend on each other", "the noise of two latents is correlated: draw N · D numbers")
    for lag in (1, 2, rows // 2):
        product = (epsilon[lag:] * epsilon[:-lag]).mean().abs()
        if product > OFF / ((rows - lag) * latents) ** 0.5:
            raise WrongAnswer(
                "images depend on each other", f"the noise of images {lag} apart is correlated: draw anew"
            )


def bell(epsilon: Tensor) -> None:
    """The distribution function of all draws against that of the standard normal (Kolmogorov's distance)."""
    ordered = epsilon.flatten().sort().values
    steps = torch.arange(1, len(ordered) + 1, dtype=torch.float64) / len(ordered)
    distance = float((torch.special.ndtr(ordered) - steps).abs().max())
    if distance > 2.5 / len(ordered) ** 0.5:
        kind = "uniform" if float(ordered.abs().max()) < 2 else "of another kind"
        name = "uniform noise" if kind == "uniform" and len(ordered.unique()) > 100 else "not normal"
        raise WrongAnswer(name, f"right mean and spread, but your noise is {kind}, not normal: use torch.randn")


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 3: autoencoder_loss
# ---------------------------------------------------------------------------------------------------------------------

BATCHES = [(3, 1, 4, 5), (2, 3, 5, 2), (1, 2, 3, 4), (4, 1, 1, 1)]


@exercise(CHAPTER)
def autoencoder_loss(answer: Callable) -> None:
    """answer(logits [N, C, H, W], images [N, C, H, W] in [-1, 1]) -> a number in nats."""
    generator = torch.Generator().manual_seed(9)
    with kept_randomness():
        for shape in BATCHES:
            logits, images = (
                2 * normal(generator, *shape),
                2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1,
            )
            leaf, given = logits.clone().requires_grad_(), images.clone()
            got = answer(leaf, given)
            untouched(logits, leaf.detach(), "logits")
            untouched(images, given, "images")
            if isinstance(got, Tensor) and len(images) > 1 and same(got, prices(logits, images)):
                raise WrongAnswer("not averaged", "you return one price per image: average them over the batch")
            compare(got, prices(logits, images).mean(), "your loss", loss_mistakes(logits, images))
            if not got.requires_grad:
                raise WrongAnswer("no gradient", "right number, but no gradient gets through: no .item(), .detach()")
            (slope,) = torch.autograd.grad(got, leaf)
            compare(slope, (logits.sigmoid() - (images + 1) / 2) / len(images), "the gradient for the logits", {})
        large(answer)


def prices(logits: Tensor, images: Tensor) -> Tensor:
    """Binary cross-entropy of each image, summed over its pixels."""
    return pixel_prices(logits, (images + 1) / 2).flatten(1).sum(dim=1)


def pixel_prices(logits: Tensor, targets: Tensor) -> Tensor:
    return F.softplus(logits) - targets * logits


def loss_mistakes(logits: Tensor, images: Tensor) -> dict[str, tuple[Tensor, str]]:
    """What each misconception would give."""
    N, C, H, _ = logits.shape
    targets = (images + 1) / 2
    cost = pixel_prices(logits, targets)
    right, p = cost.sum() / N, logits.sigmoid()
    turned = pixel_prices(logits.flatten(1), targets.transpose(2, 3).flatten(1)).sum() / N
    backwards = -(p.clamp(1e-12) * targets.clamp_min(1e-12).log() + (1 - p) * (1 - targets).clamp_min(1e-12).log())
    return {
        "averaged over pixels": (
            cost.mean(),
            f"your loss is {float(cost.mean()):.3f} where {float(right):.3f} is right: you average over the pixels; "
            "sum over them, and average over images only",
        ),
        "summed over the batch": (cost.sum(), "you sum over the images too: average over the N images"),
        "averaged over channels": (cost.mean(dim=1).sum() / N, "you average over the channels: sum over them too"),
        "divided by more than N": (cost.sum() / (N * C * H), "you divide by more than the number of images"),
        "sigmoid before a logits loss": (
            pixel_prices(p, targets).sum() / N,
            "you apply a sigmoid before a loss that takes logits, so it is applied twice: pass the logits as they are",
        ),
        "targets in [-1, 1]": (
            pixel_prices(logits, images).sum() / N,
            "your targets are still in [-1, 1]: a cross-entropy needs [0, 1], so (images + 1) / 2",
        ),
        "targets halved only": (
            pixel_prices(logits, images / 2).sum() / N,
            "your targets are images / 2, in [-1/2, 1/2]: add 1 first",
        ),
        "targets shifted only": (
            pixel_prices(logits, images + 1).sum() / N,
            "your targets are images + 1, in [0, 2]: halve them",
        ),
        "negative targets cut off": (
            pixel_prices(logits, images.clamp(min=0)).sum() / N,
            "you cut negative pixels off at 0, so half the greys are lost: (images + 1) / 2",
        ),
        "targets rounded": (
            pixel_prices(logits, (images > 0).to(logits)).sum() / N,
            "your targets are 0 or 1: keep the greys in between",
        ),
        "paper and ink swapped": (
            pixel_prices(logits, 1 - targets).sum() / N,
            "your targets are upside down: ink, 1, must become 1, so (images + 1) / 2, not (1 - images) / 2",
        ),
        "height and width swapped": (
            turned,
            "you compare rows of the logits with columns of the images: height and width are swapped in one of them",
        ),
        "sign": (-right, "your loss is negative: the price is minus the log probability"),
        "second term missing": (
            -(targets * F.logsigmoid(logits)).sum() / N,
            "only ink is paid for: (1 - t) ln(1 - p) is missing, the price of paper",
        ),
        "first term missing": (
            -((1 - targets) * F.logsigmoid(-logits)).sum() / N,
            "only paper is paid for: t ln p is missing, the price of ink",
        ),
        "squared error": (
            (p - targets).square().sum() / N,
            "that is the squared error of the probabilities: the price is the cross-entropy",
        ),
        "bits": (right / math.log(2), "your loss is in bits, with logarithms to base 2: nats use the natural one"),
        "arguments swapped": (
            pixel_prices(images, p).sum() / N,
            "logits and images are swapped: the images are the targets",
        ),
        "cross-entropy backwards": (
            backwards.sum() / N,
            "the logarithm is taken of the targets: weigh with the targets, take the logarithm of p",
        ),
    }


def large(answer: Callable) -> None:
    """Logits of 500: a sigmoid rounds to 0 or 1, and its logarithm is infinite or cut off."""
    for kind in (torch.float64, torch.float32):
        logits = torch.tensor([[[[500.0, -500.0, -500.0, 3.0]]]], dtype=kind)
        images = torch.tensor([[[[-1.0, 1.0, -1.0, 0.0]]]], dtype=kind)
        leaf = logits.clone().requires_grad_()
        got, wanted = answer(leaf, images), prices(logits, images).mean()
        slope = torch.autograd.grad(got, leaf)[0] if isinstance(got, Tensor) and got.requires_grad else None
        if not same(got, wanted, 1e-4) or slope is None or not same(slope, logits.sigmoid() - (images + 1) / 2, 1e-4):
            told = f"{got.item():.4g}" if isinstance(got, Tensor) and got.numel() == 1 else repr(got)
            raise WrongAnswer(
                "large logits",
                f"with logits of 500 the loss should be {float(wanted):.4g}, yours is {told}, or its gradient is lost: "
                "a sigmoid rounds to 0 or 1 there; use a loss that takes logits, or softplus",
            )


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 4: reconstruct
# ---------------------------------------------------------------------------------------------------------------------


class Noted(nn.Module):
    """A network that notes what it was given, in which mode, and whether gradients were on."""

    def __init__(self, layers: nn.Module):
        super().__init__()
        self.layers = layers
        self.calls: list[tuple[bool, bool, Tensor]] = []

    def forward(self, x: Tensor) -> Tensor:
        on = any(module.training for module in self.modules())
        self.calls.append((on, torch.is_grad_enabled(), x.detach().clone()))
        return self.layers(x)


class Subject(nn.Module):
    """A small VAE with batch norm and dropout, so that modes matter, in odd shapes."""

    def __init__(self, shape: tuple[int, int, int], latent: int):
        super().__init__()
        pixels = math.prod(shape)
        self.encoder = Noted(
            nn.Sequential(nn.Flatten(), nn.Linear(pixels, 7), nn.BatchNorm1d(7), nn.GELU(), nn.Linear(7, 2 * latent))
        )
        self.decoder = Noted(
            nn.Sequential(
                nn.Linear(latent, 6), nn.GELU(), nn.Dropout(0.5), nn.Linear(6, pixels), nn.Unflatten(1, shape)
            )
        )


def subject(generator: torch.Generator, shape: tuple[int, int, int], latent: int) -> Subject:
    """In train mode, but for one batch norm, and with one frozen parameter."""
    model = Subject(shape, latent).double()
    with torch.no_grad():
        for tensor in (*model.parameters(), *(b for b in model.buffers() if b.is_floating_point())):
            tensor.copy_(torch.rand(tensor.shape, generator=generator, dtype=torch.float64) - 0.35)
        model.encoder.layers[2].running_var.abs_().add_(0.5)
        model.decoder.layers[3].weight.mul_(6)  # logits beyond -1 and 1
    model.train()
    model.encoder.layers[2].eval()
    model.decoder.layers[0].bias.requires_grad_(False)
    return model


@exercise(CHAPTER)
def reconstruct(answer: Callable) -> None:
    """answer(model, images [N, C, H, W]) -> [N, C, H, W] in [-1, 1], through the means, leaving no trace."""
    generator = torch.Generator().manual_seed(9)
    with kept_randomness():
        for shape, latent, evaluating in (((2, 3, 4), 2, True), ((1, 4, 5), 3, False), ((3, 5, 2), 4, False)):
            model = subject(generator, shape, latent)
            if evaluating:
                model.eval()
            one_reconstruction(answer, model, normal(generator, 4, *shape).tanh())


def one_reconstruction(answer: Callable, model: Subject, images: Tensor) -> None:
    modes, asks = modes_of(model), [weights.requires_grad for weights in model.parameters()]
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    with torch.no_grad():
        model.eval()
        mean, log_variance = model.encoder.layers(images).chunk(2, dim=1)
        logits = model.decoder.layers(mean)
        for module, mode in zip(model.modules(), modes, strict=True):
            module.training = mode
    before, dice = images.clone(), torch.get_rng_state()
    got = answer(model, images)
    grad_after, rolled = torch.is_grad_enabled(), not torch.equal(dice, torch.get_rng_state())
    untouched(before, images, "images")
    how_it_was_called(model, mean, log_variance, rolled)
    if got is None:
        raise WrongAnswer("nothing returned", "you return nothing: return the images")
    compare(got, 2 * logits.sigmoid() - 1, "your result", picture_mistakes(logits))
    if got.requires_grad:
        raise WrongAnswer("gradients kept", "your images carry gradients: encode and decode in `with torch.no_grad():`")
    if model.encoder.calls[0][1] or model.decoder.calls[0][1]:
        raise WrongAnswer("graph built for nothing", "gradients were on and thrown away: use `with torch.no_grad():`")
    if not grad_after:
        raise WrongAnswer("gradients stay off", "after your function gradients are off for all: use `with no_grad`")
    if rolled:
        raise WrongAnswer("random numbers drawn", "right images, but random numbers were drawn and not used: draw none")
    no_trace(model, modes, asks, state)


def how_it_was_called(model: Subject, mean: Tensor, log_variance: Tensor, rolled: bool) -> None:
    """Which code went into the decoder, and in which mode both networks ran."""
    for name, network in (("encoder", model.encoder), ("decoder", model.decoder)):
        if not network.calls:
            raise WrongAnswer("not called", f"model.{name} was never called (a copy does not count)")
    if any(on for network in (model.encoder, model.decoder) for on, _, _ in network.calls):
        raise WrongAnswer(
            "train mode", "encoder or decoder ran in train mode, with dropout on: call model.eval() first"
        )
    for name, network in (("encoder", model.encoder), ("decoder", model.decoder)):
        if len(network.calls) > 1:
            raise WrongAnswer("several calls", f"model.{name} was called {len(network.calls)} times: once is enough")
    code, mixed = model.decoder.calls[0][2], torch.cat([mean, log_variance], dim=1)
    if same(code, mean):
        return
    for name, wrong, message in (
        ("log variance for the mean", log_variance, "you decode the second half, the log variances: take the first"),
        ("every second number", mixed[:, ::2], "you take every second number: the first D of a row are the means"),
        ("sigma for the mean", (0.5 * log_variance).exp(), "you decode sigma: decode the mean"),
        ("sigma added", mean + (0.5 * log_variance).exp(), "you decode mean + sigma, a draw with epsilon 1: the mean"),
    ):
        if same(code, wrong):
            raise WrongAnswer(name, message)
    if rolled:
        off = float((code - mean).abs().max()) if code.shape == mean.shape else math.nan
        raise WrongAnswer(
            "sampling at evaluation",
            f"you decode a draw, off the mean by up to {off:.2f}: the mean was asked for, the same answer every time",
        )
    raise WrongAnswer("wrong code", f"the decoder got codes {list(code.shape)} that are not the means of the clouds")


def picture_mistakes(logits: Tensor) -> dict[str, tuple[Tensor, str]]:
    """What each misconception would give for the decoded means."""
    p = logits.sigmoid()
    return {
        "logits returned": (logits, "you return logits: an image is 2 * sigmoid(logits) - 1"),
        "probabilities returned": (p, "you return probabilities in [0, 1]: images lie in [-1, 1], so 2 * p - 1"),
        "tanh of the logits": (logits.tanh(), "2 * sigmoid(l) - 1 is tanh(l / 2), not tanh(l)"),
        "thresholded": ((p > 0.5).to(p) * 2 - 1, "you round to ink or paper: return the greys"),
        "rounded": ((p > 0.5).to(p), "you round to 0 or 1: return the greys, in [-1, 1]"),
        "upside down": (1 - 2 * p, "ink and paper are swapped: 2 * p - 1"),
        "clamped logits": (logits.clamp(-1, 1), "you cut logits off at -1 and 1: take the sigmoid, then 2 * p - 1"),
    }


def modes_of(model: nn.Module) -> list[bool]:
    return [module.training for module in model.modules()]


def no_trace(model: Subject, modes: list[bool], asks: list[bool], state: dict[str, Tensor]) -> None:
    after = modes_of(model)
    if after != modes:
        if not any(after):
            raise WrongAnswer("mode not restored", "the model came in train mode and is in eval mode now: restore it")
        if not any(modes):
            raise WrongAnswer("always train mode", "the model came in eval mode and is in train mode now: restore it")
        raise WrongAnswer(
            "submodules forgotten",
            "a batch norm that came in eval mode is in train mode now: note and restore the mode of each submodule",
        )
    if [weights.requires_grad for weights in model.parameters()] != asks:
        raise WrongAnswer("requires_grad changed", "a parameter's requires_grad was changed: torch.no_grad is enough")
    changed = [name for name, tensor in model.state_dict().items() if not torch.equal(tensor, state[name])]
    if changed:
        raise WrongAnswer("model changed", f"{changed[0]} was changed: reconstructing may not change the model")
