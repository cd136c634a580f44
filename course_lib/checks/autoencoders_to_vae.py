"""Checks of chapter 9: linear autoencoder, reparameterised draw, loss, reconstruction without dice, six ill VAEs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.checks.compare import TOLERANCE, compare, expect_tensor, same
from course_lib.checks.core import exercise
from course_lib.checks.draws import OFF, expect_draws
from course_lib.checks.formula import Case, Formula, Sight, normal
from course_lib.checks.guard import Forbidden
from course_lib.checks.lettered import expect_words
from course_lib.checks.spies import Spy, Traces, with_numbers
from course_lib.checks.verdict import WrongAnswer

CHAPTER = "09_autoencoders_to_vae"
BY_HAND = Forbidden("your code calls a function of course_lib.vae: write it out", packages=("course_lib.vae",))


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 1: linear_autoencoder
# ---------------------------------------------------------------------------------------------------------------------

LINEAR = [  # [N, C, H, W], D, the size of the numbers
    ((4, 1, 3, 5), 2, 1),
    ((3, 2, 4, 3), 5, 1),
    ((5, 3, 2, 4), 1, 1),
    ((1, 1, 1, 1), 1, 1),
    ((1, 1, 2, 3), 6, 1),
    ((2, 1, 4, 4), 3, 1e6),
    ((2, 1, 3, 2), 2, 1e-6),
]


def pictures(generator: torch.Generator) -> Iterator[Case]:
    for shape, count, size in LINEAR:
        flat = torch.linalg.qr(normal(generator, math.prod(shape[1:]), count))[0].T
        yield {
            "images": size * (normal(generator, *shape) + 1),
            "mean": size * normal(generator, *shape[1:]),
            "directions": flat.reshape(count, *shape[1:]).contiguous(),
        }


def encode(difference: Tensor, directions: Tensor) -> Tensor:
    return torch.einsum("nchw,dchw->nd", difference, directions)


def decode(codes: Tensor, directions: Tensor) -> Tensor:
    return torch.einsum("nd,dchw->nchw", codes, directions)


def linear(images: Tensor, mean: Tensor, directions: Tensor) -> tuple[Tensor, Tensor]:
    codes = encode(images - mean, directions)
    return codes, mean + decode(codes, directions)


def codes_of(difference: Callable[[Tensor, Tensor], Tensor]) -> Callable:
    """A mistake in what is projected."""
    return lambda images, mean, directions: (encode(difference(images, mean), directions), ...)


def codes_changed(change: Callable[[Tensor, Tensor], Tensor]) -> Callable:
    """A mistake in the codes, made of the right ones and the mean."""
    return lambda images, mean, directions: (change(encode(images - mean, directions), mean), ...)


def again_changed(change: Callable[[Tensor, Tensor], Tensor]) -> Callable:
    """A mistake in the reconstruction, made of the right one and the mean."""
    return lambda images, mean, directions: (..., change(linear(images, mean, directions)[1], mean))


def reshaped(images: Tensor, mean: Tensor, directions: Tensor) -> tuple:
    flat = (images - mean).flatten(1)
    return flat @ directions.reshape(flat.shape[1], len(directions)), ...


def one_direction(images: Tensor, mean: Tensor, directions: Tensor) -> tuple:
    return ..., linear(images, mean, directions[:1])[1]


def turned(images: Tensor) -> Tensor:
    """The numbers in the order of the columns, in the shape of the rows."""
    return images.transpose(-2, -1).reshape(images.shape)


def on_its_side(images: Tensor) -> Tensor:
    """The numbers in the order of the rows, as [..., W, H]."""
    return images.reshape(*images.shape[:-2], images.shape[-1], images.shape[-2])


linear_autoencoder = exercise(CHAPTER, "linear_autoencoder", BY_HAND)(
    Formula(
        linear,
        pictures,
        wrong={
            "pair swapped": (
                lambda images, mean, directions: linear(images, mean, directions)[::-1],
                "you return again, codes: the codes come first",
            ),
            "mean not subtracted": (
                codes_of(lambda images, mean: images),
                "your codes are those of the images themselves: subtract the mean image before you project",
            ),
            "mean of the batch": (
                codes_of(lambda images, mean: images - images.mean(dim=0)),
                "you subtract the mean of this batch: use the mean you were given, or a code depends on its company",
            ),
            "mean of each image": (
                codes_of(lambda images, mean: images - images.mean(dim=(1, 2, 3), keepdim=True)),
                "you subtract one number per image, its own mean: subtract the mean image, pixel by pixel",
            ),
            "mean of the mean image": (
                codes_of(lambda images, mean: images - mean.mean()),
                "you subtract one number, the mean of the mean image: subtract the mean image, pixel by pixel",
            ),
            "mean added": (
                codes_of(lambda images, mean: images + mean),
                "you add the mean before projecting: it is subtracted on the way in and added on the way out",
            ),
            "sign": (
                codes_of(lambda images, mean: mean - images),
                "your codes have the wrong sign: image minus mean, not mean minus image",
            ),
            "height and width swapped": (
                codes_of(lambda images, mean: turned(images - mean)),
                "your images are flattened with rows and columns exchanged, the directions are not: leave out "
                "transpose",
            ),
            "directions reshaped": (
                reshaped,
                "you reshape the directions to [P, D]: that mixes their pixels; flatten them to [D, P] and transpose",
            ),
            "mean over pixels": (
                codes_changed(lambda codes, mean: codes / mean.numel()),
                "your codes are means over the pixels: a code number is the sum of the products",
            ),
            "directions in reverse": (
                codes_changed(lambda codes, mean: codes.flip(1)),
                "your code numbers come in reverse order: number d belongs to direction d",
            ),
            "standardised": (
                codes_changed(lambda codes, mean: codes / codes.std(dim=0)),
                "you divide the codes by their spread: a code number is the plain sum of products",
            ),
            "mean not added back": (
                again_changed(lambda again, mean: again - mean),
                "right codes, but the mean image is missing from again: add it",
            ),
            "mean subtracted twice": (
                again_changed(lambda again, mean: again - 2 * mean),
                "on the way back you subtract the mean: add it",
            ),
            "not decoded": (
                lambda images, mean, directions: (..., images),
                "again is just the images you were given: draw them from the codes",
            ),
            "height and width swapped in again": (
                lambda images, mean, directions: (
                    ...,
                    mean + on_its_side(decode(encode(images - mean, directions), directions)).transpose(2, 3),
                ),
                "again has rows and columns exchanged on the way back: reshape to [N, C, H, W] at once, no transpose",
            ),
            "height and width swapped in the shape": (
                again_changed(lambda again, mean: on_its_side(again)),
                "again is [N, C, W, H]: an image has H rows and W columns",
            ),
            "one direction": (one_direction, "again uses the first direction only: sum over all of them"),
            "codes from again": (
                lambda images, mean, directions: (..., mean + decode(encode(images, directions), directions)),
                "again is decoded from codes of images whose mean was not subtracted: decode the codes you return",
            ),
            "clamped": (
                again_changed(lambda again, mean: again.clamp(-1, 1)),
                "you cut again off at -1 and 1: a linear decoder may leave that range, so return it as it is",
            ),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 2: reparameterise
# ---------------------------------------------------------------------------------------------------------------------

ROWS = 5_000  # in each of two calls, with 5 latents: the spread of all draws together is known to 0.3 %
LOGS = torch.tensor([-3.0, -1.4, 0.8, 1.6, -0.6], dtype=torch.float64)  # a log variance for each latent, none of them 0
ROUGH = 1e-6  # of the largest gradient
WIDTHS = {  # the sigma of each latent that a misconception gives
    "exp(log_var) as sigma": (LOGS.exp(), "you use exp(log_variance) as sigma; that is the variance, so halve first"),
    "sigma ignored": (torch.ones_like(LOGS), "your noise has width 1 everywhere: multiply it by sigma"),
    "halved twice": (
        (0.25 * LOGS).exp(),
        "you halve twice: exp(0.5 * log_sigma), or a root of sigma; log sigma is log_variance / 2, and then exp",
    ),
    "no exp": (LOGS.abs(), "you multiply by the log variance itself: sigma = exp(log_variance / 2)"),
    "no exp, halved": (LOGS.abs() / 2, "you multiply by half the log variance, which is log sigma: take exp of it"),
    "divided by sigma": ((-0.5 * LOGS).exp(), "you divide by sigma, or have its logarithm's sign wrong: multiply"),
    "softplus": (F.softplus(LOGS), "you use softplus for sigma; here log_variance is a logarithm, so use exp"),
    "root of the log variance": (LOGS.abs().sqrt(), "you take the root of the log variance: exp comes first"),
    "variance squared": ((2 * LOGS).exp(), "you double the log variance: halve it"),
}


@exercise(CHAPTER, forbidden=BY_HAND)
def reparameterise(answer: Callable) -> None:
    """answer(mean [N, D], log_variance [N, D]) -> [N, D], independent draws that carry gradients."""
    generator = torch.Generator().manual_seed(9)
    torch.manual_seed(9)
    for shape in ((3, 4), (1, 1), (6, 2), (3, 4)):
        one_draw(answer, 2 * normal(generator, *shape), normal(generator, *shape), generator)
    small = answer(torch.zeros(2, 3), torch.zeros(2, 3))
    if isinstance(small, Tensor) and small.dtype != torch.float32:
        raise WrongAnswer("dtype", f"for float32 you return {small.dtype}: draw the noise in the dtype of `mean`")
    calls = [drawn(answer, 3 * normal(generator, ROWS, len(LOGS)), LOGS.repeat(ROWS, 1)) for _ in range(2)]
    expect_draws([offset for offset, _ in calls], (LOGS / 2).exp(), WIDTHS)
    for offset, gradients in calls:
        expect_gradients(offset, *gradients)
    for log in (-100.0, 60.0):
        extreme(answer, log)
    single_precision(answer, normal(generator, 50, 4))


def extreme(answer: Callable, log: float) -> None:
    """A sigma at which an epsilon or a clamp shows."""
    mean = torch.zeros(400, 2, dtype=torch.float64)
    offset, gradients = drawn(answer, mean, torch.full_like(mean, log))
    wanted, found = math.exp(log / 2), float(offset.square().mean().sqrt())
    if abs(math.log(max(found, 1e-300) / wanted)) > OFF / (2 * mean.numel()) ** 0.5:
        raise WrongAnswer(
            "extreme log variance",
            f"for log variance {log:g} sigma is {wanted:.2g}, but your draws have a spread of {found:.2g}: clamp "
            "nothing, and add no epsilon to sigma",
        )
    expect_gradients(offset, *gradients)


def one_draw(answer: Callable, mean: Tensor, log_variance: Tensor, generator: torch.Generator) -> None:
    """Type, shape, anew at each call, and whether gradients arrive: all that one batch can tell."""
    leaves = [mean.clone().requires_grad_(), log_variance.clone().requires_grad_()]
    z = answer(*leaves)
    if isinstance(z, Tensor) and bool(z.isnan().any()) and not bool(z[log_variance > 0].isnan().any()):
        raise WrongAnswer(
            "root of the log variance",
            "where log_variance is negative your draws are NaN: a root or logarithm of it; exp comes first",
        )
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
    found = torch.autograd.grad(z, leaves, normal(generator, *mean.shape), allow_unused=True)
    for_mean, for_log = (part is not None and bool(part.any()) for part in found)
    if not for_mean and not for_log:
        raise WrongAnswer(
            "no gradient through the sample",
            "the gradients of your draw are zero: torch.normal(mean, sigma) cuts them; compute mean + sigma * epsilon",
        )
    if not for_log:
        if same(*(replayed(answer, mean, logs) for logs in (log_variance, log_variance + 1))):
            raise WrongAnswer("sigma ignored", "another log_variance gives the same draws: multiply the noise by sigma")
        raise WrongAnswer(
            "sigma is a constant",
            "no gradient reaches log_variance: sigma is cut off from it; no .detach(), no .item()",
        )
    if not for_mean:
        raise WrongAnswer("mean is a constant", "no gradient reaches the mean: it is cut off, or not added at all")


def replayed(answer: Callable, mean: Tensor, log_variance: Tensor) -> Tensor:
    """A draw with torch's random numbers from the same seed each time."""
    torch.manual_seed(9)
    return answer(mean, log_variance).detach()


def drawn(answer: Callable, mean: Tensor, log_variance: Tensor) -> tuple[Tensor, tuple[Tensor | None, ...]]:
    """What one draw adds to the means, and the gradients of its sum."""
    leaves = [mean.clone().requires_grad_(), log_variance.clone().requires_grad_()]
    z = answer(*leaves)
    expect_tensor(z, mean, "your result")
    return z.detach() - mean, torch.autograd.grad(z.sum(), leaves, allow_unused=True)


def expect_gradients(offset: Tensor, for_mean: Tensor | None, for_log: Tensor | None) -> None:
    """Of a draw that is right. What a small epsilon or float32 does to them is named later."""
    if for_mean is None or not same(for_mean, torch.ones_like(offset), ROUGH):
        raise WrongAnswer("gradient of the mean", "right draws, but the gradient for the mean is not 1 everywhere")
    if for_log is None or not same(for_log, offset / 2, ROUGH):
        raise WrongAnswer(
            "gradient of the log variance",
            "right draws, but the gradient for log_variance is not sigma * epsilon / 2: is a part of sigma detached?",
        )


def single_precision(answer: Callable, log_variance: Tensor) -> None:
    """Noise that torch drew can be drawn again: then sigma, and nothing else, tells two results apart."""
    mean = torch.zeros_like(log_variance)
    one, other = (replayed(answer, mean, logs) / (logs / 2).exp() for logs in (log_variance, -log_variance))
    if same(one, other, 1e-5) and not same(one, other, TOLERANCE):
        raise WrongAnswer("float32", "your sigma is right to six digits only: keep to the dtype of log_variance")


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 3: autoencoder_loss
# ---------------------------------------------------------------------------------------------------------------------


def batches(generator: torch.Generator) -> Iterator[Case]:
    for shape in ((3, 1, 4, 5), (2, 3, 5, 2), (1, 2, 3, 4), (4, 1, 1, 1)):
        grey = 2 * torch.rand(shape, generator=generator, dtype=torch.float64) - 1
        yield {"logits": 2 * normal(generator, *shape), "images": grey}
    logits = torch.tensor([1000.0, -1000.0, 50.0, -1000.0, 3.0, 40.0], dtype=torch.float64)
    images = torch.tensor([-1.0, 1.0, -1.0, -1.0, 0.0, 1.0], dtype=torch.float64)
    yield {"logits": (logits + normal(generator, 6)).view(1, 1, 2, 3), "images": images.view(1, 1, 2, 3)}


def cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    return F.binary_cross_entropy_with_logits(logits, targets, reduction="none")


def per_image(prices: Tensor) -> Tensor:
    return prices.flatten(1).sum(dim=1)


def priced(
    logits: Tensor,
    images: Tensor,
    *,
    targets: Callable[[Tensor], Tensor] = lambda images: (images + 1) / 2,
    price: Callable[[Tensor, Tensor], Tensor] = cross_entropy,
    average: Callable[[Tensor], Tensor] = lambda prices: per_image(prices).mean(),
) -> Tensor:
    """The loss; the options are what the mistakes change."""
    return average(price(logits, targets(images)))


def but(**change: Any) -> Callable:
    return partial(priced, **change)


def backwards(logits: Tensor, targets: Tensor) -> Tensor:
    """Cross-entropy with its arguments exchanged, finite where a target is 0 or 1."""
    p = logits.sigmoid()
    return -(p * targets.clamp_min(1e-12).log() + (1 - p) * (1 - targets).clamp_min(1e-12).log())


def cushioned(eps: float) -> Callable:
    """Cross-entropy with a small number in its logarithms."""
    return lambda logits, targets: (
        -(targets * (logits.sigmoid() + eps).log() + (1 - targets) * (1 - logits.sigmoid() + eps).log())
    )


def is_extreme(case: Case, got: Sight, right: Sight) -> bool:
    return float(case["logits"].abs().max()) > 100


autoencoder_loss = exercise(CHAPTER, "autoencoder_loss", BY_HAND)(
    Formula(
        priced,
        batches,
        leaves=("logits",),
        what="your loss",
        wrong={
            "not averaged": (but(average=per_image), "you return one price per image: average them over the batch"),
            "averaged over pixels": (
                but(average=Tensor.mean),
                "you average over the pixels: sum over them, and average over the images only",
            ),
            "summed over the batch": (
                but(average=Tensor.sum),
                "you sum over the images too: average over the {images.shape[0]} images",
            ),
            "averaged over channels": (
                but(average=lambda prices: prices.mean(dim=1).sum() / len(prices)),
                "you average over the channels: sum over them too",
            ),
            "divided by more than N": (
                but(average=lambda prices: prices.sum(dim=3).mean()),
                "you divide by more than the number of images: only the images are averaged",
            ),
            "sigmoid before a logits loss": (
                but(price=lambda logits, targets: cross_entropy(logits.sigmoid(), targets)),
                "you apply a sigmoid before a loss that takes logits, so it is applied twice: pass the logits as they "
                "are",
            ),
            "targets in [-1, 1]": (
                but(targets=lambda images: images),
                "your targets are still in [-1, 1]: a cross-entropy needs [0, 1], so (images + 1) / 2",
            ),
            "targets halved only": (
                but(targets=lambda images: images / 2),
                "your targets are images / 2, in [-1/2, 1/2]: add 1 first",
            ),
            "targets shifted only": (
                but(targets=lambda images: images + 1),
                "your targets are images + 1, in [0, 2]: halve them",
            ),
            "one half added only": (
                but(targets=lambda images: images / 2 + 1),
                "your targets are images / 2 + 1, in [1/2, 3/2]: (images + 1) / 2 needs its brackets",
            ),
            "negative targets cut off": (
                but(targets=lambda images: images.clamp(min=0)),
                "you cut negative pixels off at 0, so half the greys are lost: (images + 1) / 2",
            ),
            "targets rounded": (
                but(targets=lambda images: (images > 0).to(images)),
                "your targets are 0 or 1: keep the greys in between",
            ),
            "paper and ink swapped": (
                but(targets=lambda images: (1 - images) / 2),
                "your targets are upside down: ink, 1, must become 1, so (images + 1) / 2, not (1 - images) / 2",
            ),
            "height and width swapped": (
                but(targets=lambda images: turned((images + 1) / 2)),
                "you compare rows of the logits with columns of the images: height and width are swapped in one of "
                "them",
            ),
            "sign": (
                but(price=lambda logits, targets: -cross_entropy(logits, targets)),
                "your loss is negative: the price is minus the log probability",
            ),
            "second term missing": (
                but(price=lambda logits, targets: -targets * F.logsigmoid(logits)),
                "only ink is paid for: (1 - t) ln(1 - p) is missing, the price of paper",
            ),
            "first term missing": (
                but(price=lambda logits, targets: -(1 - targets) * F.logsigmoid(-logits)),
                "only paper is paid for: t ln p is missing, the price of ink",
            ),
            "squared error": (
                but(price=lambda logits, targets: (logits.sigmoid() - targets).square()),
                "that is the squared error of the probabilities: the price is the cross-entropy",
            ),
            "squared error of the logits": (
                but(price=lambda logits, targets: (logits - targets).square()),
                "that is the squared error of the logits: the price is the cross-entropy",
            ),
            "bits": (
                but(average=lambda prices: per_image(prices).mean() / math.log(2)),
                "your loss is in bits, with logarithms to base 2: nats use the natural one",
            ),
            "arguments swapped": (
                lambda logits, images: per_image(cross_entropy(images, logits.sigmoid())).mean(),
                "logits and images are swapped: the images are the targets",
            ),
            "targets and logits swapped": (
                but(price=lambda logits, targets: cross_entropy(targets, logits)),
                "the loss gets the targets first: it takes the logits first, then the targets",
            ),
            "cross-entropy backwards": (
                but(price=backwards),
                "the logarithm is taken of the targets: weigh with the targets, take the logarithm of p",
            ),
            **{
                f"{eps:g} in the logarithm": (
                    but(price=cushioned(eps)),
                    f"you add {eps:g} before you take the logarithm: use a loss that takes logits, it needs no such "
                    "number",
                )
                for eps in (1e-6, 1e-7, 1e-8)
            },
        },
        signs={
            "large logits": (
                is_extreme,
                "right for small logits, but with a logit of 1000 the loss or its gradient is lost: a sigmoid rounds "
                "to 0 or 1 there, exp overflows, a clamp cuts off; use a loss that takes logits, or softplus",
            ),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 4: reconstruct
# ---------------------------------------------------------------------------------------------------------------------

SUBJECTS = [  # [C, H, W], D, images, the size of the logits, whether the model comes in eval mode
    ((2, 3, 4), 2, 4, 1, True),
    ((1, 4, 5), 3, 4, 1, False),
    ((3, 5, 2), 4, 1, 1000, False),
    ((1, 2, 3), 1, 3, 1, False),
]


class Subject(nn.Module):
    """A small VAE with batch norm and dropout, so that modes matter, in odd shapes."""

    def __init__(self, shape: tuple[int, int, int], latent: int):
        super().__init__()
        pixels = math.prod(shape)
        self.encoder = Spy(
            nn.Flatten(), nn.Linear(pixels, 7), nn.BatchNorm1d(7), nn.GELU(), nn.Linear(7, 2 * latent), nn.Tanh()
        )
        self.decoder = Spy(
            nn.Linear(latent, 6), nn.GELU(), nn.Dropout(0.5), nn.Linear(6, pixels), nn.Unflatten(1, shape)
        )


def subject(generator: torch.Generator, shape: tuple[int, int, int], latent: int, size: float) -> Subject:
    """In train mode, but for one batch norm, and with one frozen parameter."""
    model = with_numbers(Subject(shape, latent), generator)
    with torch.no_grad():
        model.decoder.layers[3].weight.mul_(size)
    model.train()
    model.encoder.layers[2].eval()
    model.decoder.layers[0].bias.requires_grad_(False)
    return model


@exercise(CHAPTER, forbidden=BY_HAND)
def reconstruct(answer: Callable) -> None:
    """answer(model, images [N, C, H, W]) -> [N, C, H, W] in [-1, 1], through the means, leaving no trace."""
    generator = torch.Generator().manual_seed(9)
    for shape, latent, count, size, evaluating in SUBJECTS:
        model = subject(generator, shape, latent, size)
        if evaluating:
            model.eval()
        first, second = (normal(generator, count, *shape).tanh() for _ in range(2))
        for images in (first, second, first):
            one_reconstruction(answer, model, images)
    with torch.no_grad():  # the mode there was, not always on
        answer(model, first)


def one_reconstruction(answer: Callable, model: Subject, images: Tensor) -> None:
    traces = Traces(model)
    with traces.in_eval_mode():
        mean, log_variance = model.encoder(images).chunk(2, dim=1)
        logits = model.decoder(mean)
    for network in (model.encoder, model.decoder):
        network.calls.clear()
    dice = torch.get_rng_state()
    with torch.enable_grad():
        got = answer(model, images)
    rolled = not torch.equal(dice, torch.get_rng_state())
    how_it_was_called(model, mean, log_variance, rolled)
    if got is None:
        raise WrongAnswer("nothing returned", "you return nothing: return the images")
    compare(got, 2 * logits.sigmoid() - 1, "your result", picture_mistakes(logits), TOLERANCE)
    if got.requires_grad:
        raise WrongAnswer("gradients kept", "your images carry gradients: encode and decode in `with torch.no_grad():`")
    if model.encoder.calls[0].gradients or model.decoder.calls[0].gradients:
        raise WrongAnswer("graph built for nothing", "gradients were on and thrown away: use `with torch.no_grad():`")
    if rolled:
        raise WrongAnswer("random numbers drawn", "right images, but random numbers were drawn and not used: draw none")
    traces.refuse()


def how_it_was_called(model: Subject, mean: Tensor, log_variance: Tensor, rolled: bool) -> None:
    """Which code went into the decoder, and in which mode both networks ran."""
    networks = {"encoder": model.encoder.calls, "decoder": model.decoder.calls}
    for name, calls in networks.items():
        if not calls:
            raise WrongAnswer("not called", f"model.{name} was never called (a copy does not count)")
    if any(call.training for calls in networks.values() for call in calls):
        raise WrongAnswer(
            "train mode", "encoder or decoder ran in train mode, with dropout on: call model.eval() first"
        )
    for name, calls in networks.items():
        if len(calls) > 1:
            raise WrongAnswer("several calls", f"model.{name} was called {len(calls)} times: once is enough")
    (code,), sigma = model.decoder.calls[0].inputs, (0.5 * log_variance).exp()
    if same(code, mean, TOLERANCE):
        return
    for name, wrong, message in (
        ("log variance for the mean", log_variance, "you decode the second half, the log variances: take the first"),
        (
            "every second number",
            torch.cat([mean, log_variance], dim=1)[:, ::2],
            "you take every second number: the first D of a row are the means",
        ),
        ("sigma for the mean", sigma, "you decode sigma: decode the mean"),
        ("sigma added", mean + sigma, "you decode mean + sigma, a draw with epsilon 1: the mean"),
    ):
        if same(code, wrong, TOLERANCE):
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
    p, odds = logits.sigmoid(), logits.exp()
    return {
        "logits returned": (logits, "you return logits: an image is 2 * sigmoid(logits) - 1"),
        "probabilities returned": (p, "you return probabilities in [0, 1]: images lie in [-1, 1], so 2 * p - 1"),
        "tanh of the logits": (logits.tanh(), "2 * sigmoid(l) - 1 is tanh(l / 2), not tanh(l)"),
        "thresholded": ((p > 0.5).to(p) * 2 - 1, "you round to ink or paper: return the greys"),
        "rounded": ((p > 0.5).to(p), "you round to 0 or 1: return the greys, in [-1, 1]"),
        "upside down": (1 - 2 * p, "ink and paper are swapped: 2 * p - 1"),
        "clamped logits": (logits.clamp(-1, 1), "you cut logits off at -1 and 1: take the sigmoid, then 2 * p - 1"),
        "overflow": (
            2 * odds / (1 + odds) - 1,
            "right for small logits, but NaN for one of 1000, whose exp is infinite: use torch.sigmoid",
        ),
    }


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 5: six_vaes
# ---------------------------------------------------------------------------------------------------------------------

VERDICTS = ("healthy", "no KL term", "mean over pixels", "blocked gradient", "variance as sigma", "shared epsilon")
PATIENTS = {  # letter -> what is wrong; `mysteries` trains them so
    "A": "shared epsilon",
    "B": "healthy",
    "C": "mean over pixels",
    "D": "variance as sigma",
    "E": "blocked gradient",
    "F": "no KL term",
}
LATENT, UNITS = 8, 64  # numbers in a code, of a hidden layer


def mysteries(images: Tensor, steps: int = 300) -> dict[str, dict[str, Any]]:
    """Train the six patients on images [N, C, H, W] in [-1, 1]; the same images give the same runs.

    Each run has the lists "reconstruction" and "kl", one number a step as its program printed them; "again", what
    comes back of the first images; "invented", images of codes from the prior; and for the first image, in two latents,
    "draws" [300, 2] from its cloud with the "mean" [2] and "sigma" [2] that the encoder says.
    """
    return {letter: patient(images, illness, steps) for letter, illness in PATIENTS.items()}


def draw_codes(mean: Tensor, log_variance: Tensor, illness: str) -> Tensor:
    sigma = (0.5 * log_variance).exp()
    if illness == "blocked gradient":
        return torch.normal(mean, sigma)
    epsilon = torch.randn(len(mean), 1 if illness == "shared epsilon" else mean.shape[1])
    return mean + (sigma.square() if illness == "variance as sigma" else sigma) * epsilon


def patient(images: Tensor, illness: str, steps: int) -> dict[str, Any]:
    """One training of a small VAE that has the illness."""
    pixels, targets = images[0].numel(), (images.flatten(1) + 1) / 2
    with torch.random.fork_rng(devices=[]), torch.enable_grad():
        torch.manual_seed(0)
        encoder = nn.Sequential(nn.Linear(pixels, UNITS), nn.GELU(), nn.Linear(UNITS, 2 * LATENT))
        decoder = nn.Sequential(nn.Linear(LATENT, UNITS), nn.GELU(), nn.Linear(UNITS, pixels))
        optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=5e-3)
        run: dict[str, Any] = {"reconstruction": [], "kl": []}
        for _ in range(steps):
            batch = targets[torch.randint(len(targets), (100,))]
            mean, log_variance = encoder(2 * batch - 1).chunk(2, dim=1)
            logits = decoder(draw_codes(mean, log_variance, illness))
            nats = F.binary_cross_entropy_with_logits(logits, batch, reduction="none")
            reconstruction = nats.mean() if illness == "mean over pixels" else nats.sum(dim=1).mean()
            kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance).sum(dim=1).mean()
            optimizer.zero_grad()
            (reconstruction if illness == "no KL term" else reconstruction + kl).backward()
            optimizer.step()
            run["reconstruction"].append(reconstruction.item())
            run["kl"].append(kl.item())
        with torch.no_grad():
            mean, log_variance = encoder(images[:6].flatten(1)).chunk(2, dim=1)
            two = log_variance[0].argsort(descending=True)[[0, -1]]  # its widest latent and its narrowest
            draws = draw_codes(mean[:1].expand(300, -1), log_variance[:1].expand(300, -1), illness)
            codes = {"again": mean, "invented": torch.randn(12, LATENT)}
            shown = {
                name: (2 * decoder(code).sigmoid() - 1).unflatten(1, images.shape[1:]) for name, code in codes.items()
            }
            sigma = (0.5 * log_variance[0, two]).exp()
    return run | shown | {"draws": draws[:, two], "mean": mean[0, two], "sigma": sigma}


LOOK_AGAIN = {  # what it is, what was said -> what to look at; None stands for any other word
    ("healthy", "no KL term"): "its KL stays at a few nats, and its cloud is no pinprick: something pays for it",
    (
        "healthy",
        None,
    ): "its dots fill the circle that the encoder says, its reconstructions are digits, its KL is a few "
    "nats: what else could you ask for?",
    ("no KL term", "healthy"): "look at the scale of its KL: hundreds of nats, and climbing",
    ("no KL term", None): "its KL climbs and climbs: nothing in its loss pays for it",
    (
        "mean over pixels",
        "blocked gradient",
    ): "its codes say nothing, but look at the scale on which its reconstruction was printed: nats for a whole image?",
    ("mean over pixels", None): "its reconstruction is printed as less than 1: can a whole image cost so little?",
    ("blocked gradient", "mean over pixels"): "its codes say nothing, but its reconstruction is printed in nats for a "
    "whole image, about as many as the mean image costs",
    (
        "blocked gradient",
        None,
    ): "every image comes back as the same blob, and its KL is 0: its encoder never heard of the "
    "reconstruction. Why not?",
    (
        "variance as sigma",
        "healthy",
    ): "it reconstructs as a healthy one does, for fewer nats of KL. Compare its dots with "
    "the circle that the encoder says",
    ("variance as sigma", "shared epsilon"): "its dots are too few for the circle in every direction: with a shared "
    "epsilon they would lie on a line",
    ("variance as sigma", None): "its dots fill only the middle of the circle that the encoder says",
    ("shared epsilon", "healthy"): "its KL is suspiciously small for reconstructions like these; look at its dots",
    (
        "shared epsilon",
        "variance as sigma",
    ): "its dots reach the rim of the circle: it is their arrangement that is odd",
    ("shared epsilon", None): "its dots lie on a line: what do the two latents have in common?",
}


@exercise(CHAPTER)
def six_vaes(answer: Callable) -> None:
    """answer() -> letter -> one of VERDICTS, one a letter."""
    expect_words(answer(), PATIENTS, VERDICTS, LOOK_AGAIN)
