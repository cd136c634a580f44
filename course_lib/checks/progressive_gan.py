"""Checks of chapter 13: the fade, its counter, the equalised convolution, pixel norm, the first move of a new layer,
and the diagnosis of six growing runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.checks.core import exercise
from course_lib.checks.formula import Case, Formula, Sight, normal
from course_lib.checks.guard import Forbidden
from course_lib.checks.lettered import expect_words
from course_lib.checks.spies import with_numbers
from course_lib.data.batches import Batch
from course_lib.gan import progressive_gan as library

CHAPTER = "13_progressive_gan"


def ours(*functions: Callable) -> Forbidden:
    return Forbidden("your code calls course_lib's own version: write it out", functions=functions)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 1: fade_in
# ---------------------------------------------------------------------------------------------------------------------


def readers(generator: torch.Generator) -> Iterator[Case]:
    for (n, c, h, w), alpha in (((2, 3, 4, 6), 0.25), ((1, 2, 6, 4), 0.9), ((3, 1, 4, 4), 0.0), ((2, 2, 8, 4), 1.0)):
        old = with_numbers(nn.Sequential(nn.Conv2d(c, 5, 1), nn.Softplus()).double(), generator)
        new = with_numbers(nn.Sequential(nn.Conv2d(c, 5, 4, 2, 1), nn.Softplus()).double(), generator)
        yield {"images": normal(generator, n, c, h, w), "old": old, "new": new, "alpha": alpha}


def blend(
    images: Tensor,
    old: Callable[[Tensor], Tensor],
    new: Callable[[Tensor], Tensor],
    alpha: float,
    *,
    shrink: Callable[[Tensor], Tensor] = lambda images: F.avg_pool2d(images, 2),
    weights: Callable[[float], tuple[float, float]] = lambda alpha: (1 - alpha, alpha),
) -> Tensor:
    """The fade in the discriminator; the options are what the mistakes change."""
    first, second = weights(alpha)
    return first * old(shrink(images)) + second * new(images)


def enlarged(images: Tensor) -> Tensor:
    return F.interpolate(F.avg_pool2d(images, 2), scale_factor=2)


fade_in = exercise(CHAPTER, "fade_in", ours(library.mix, library.shrink))(
    Formula(
        blend,
        readers,
        leaves=("images", "old", "new"),
        wrong={
            "alpha on the old path": (
                partial(blend, weights=lambda a: (a, 1 - a)),
                "alpha weighs the old path in your code: it is the share of the NEW one, 0 at the start of a fade",
            ),
            "every other pixel": (
                partial(blend, shrink=lambda x: x[..., ::2, ::2]),
                "you keep one pixel of four and drop the others: shrink by the MEAN of every square",
            ),
            "largest pixel": (
                partial(blend, shrink=lambda x: F.max_pool2d(x, 2)),
                "you keep the largest pixel of every square: shrink by the mean",
            ),
            "sum of the square": (
                partial(blend, shrink=lambda x: 4 * F.avg_pool2d(x, 2)),
                "you add up the four pixels of a square: take their mean, or the small image is four times as bright",
            ),
            "shrunk too late": (
                lambda images, old, new, alpha: (1 - alpha) * F.avg_pool2d(old(images), 2) + alpha * new(images),
                "you shrink what the old layer made of the large image: it has only ever seen small ones, so shrink "
                "the images first",
            ),
            "images blended": (
                lambda images, old, new, alpha: new((1 - alpha) * enlarged(images) + alpha * images),
                "you blend images, and read them by the new layers alone: that is what happens to the real images; in "
                "the network, FEATURES of both paths are blended",
            ),
            "both in full": (
                partial(blend, weights=lambda a: (1, 1)),
                "you add both paths in full: their weights are 1 - alpha and alpha",
            ),
            "old path in full": (
                partial(blend, weights=lambda a: (1, a)),
                "the old path keeps its full weight: it goes down, 1 - alpha, as the new one comes up",
            ),
            "new path in full": (
                partial(blend, weights=lambda a: (1 - a, 1)),
                "the new path has its full weight from the start: it is multiplied by alpha",
            ),
            "half and half": (
                partial(blend, weights=lambda a: (0.5, 0.5)),
                "alpha plays no part in your blend",
            ),
            "switched": (
                partial(blend, weights=lambda a: (float(a < 0.5), float(a >= 0.5))),
                "you switch from one path to the other half way: the fade is gradual",
            ),
            "old path only": (
                partial(blend, weights=lambda a: (1, 0)),
                "the new layers have no say in your result",
            ),
            "new path only": (
                partial(blend, weights=lambda a: (0, 1)),
                "the old layer has no say in your result",
            ),
            "old path detached": (
                lambda images, old, new, alpha: (
                    (1 - alpha) * old(F.avg_pool2d(images, 2)).detach() + alpha * new(images)
                ),
                "right numbers, but no gradient gets through the old path: in a fade the old layers go on learning",
            ),
            "new path detached": (
                lambda images, old, new, alpha: (
                    (1 - alpha) * old(F.avg_pool2d(images, 2)) + alpha * new(images).detach()
                ),
                "right numbers, but no gradient gets through the new path, which is there to learn",
            ),
        },
        what="your blend",
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 2: level_and_alpha
# ---------------------------------------------------------------------------------------------------------------------


def schedules(generator: torch.Generator) -> Iterator[Case]:
    for fades, holds in (
        ([0, 4, 2], [4, 3, 5]),
        ([0, 2, 6, 3], [3, 1, 2, 4]),
        ([0, 5], [2, 3]),
        ([0, 1, 3, 2], [6, 0, 2, 1]),
    ):
        end = sum(fades) + sum(holds) + 6
        chosen = torch.randperm(end, generator=generator)[:14].tolist()
        for step in sorted({0, holds[0], *chosen, end}):
            yield {"step": step, "fades": fades, "holds": holds}


def place(step: int, fades: list[int], holds: list[int], late: int = 0) -> tuple[int, int]:
    """Which level a step belongs to, and how many of its steps are over; levels may end some steps too late."""
    for level, (fade, hold) in enumerate(zip(fades, holds, strict=True)):
        if step < fade + hold + late or level == len(fades) - 1:
            return level, step
        step -= fade + hold
    raise AssertionError("a schedule without levels")


def staged(alpha: Callable[..., float]) -> Callable:
    """A schedule with the right levels, whose alpha is made of: steps over in the level, step, fade, hold, level."""

    def program(step: int, fades: list[int], holds: list[int]) -> tuple[int, float]:
        level, over = place(step, fades, holds)
        return level, float(alpha(over, step, fades[level], holds[level], level))

    return program


def rising(over: int, step: int, fade: int, hold: int, level: int) -> float:
    return min(1.0, (over + 1) / fade) if level else 1.0


RIGHT_ALPHA = staged(rising)


def one_step_late(step: int, fades: list[int], holds: list[int]) -> tuple[int, float]:
    level, over = place(step, fades, holds, late=1)
    return level, float(rising(over, step, fades[level], holds[level], level))


def level_after_fade(step: int, fades: list[int], holds: list[int]) -> tuple[int, float]:
    level, alpha = RIGHT_ALPHA(step, fades, holds)
    return (level - 1, alpha) if alpha < 1 else (level, alpha)


def grows_for_ever(step: int, fades: list[int], holds: list[int]) -> tuple[int, float]:
    beyond = step >= sum(fades) + sum(holds)
    return (len(fades), 1.0) if beyond else RIGHT_ALPHA(step, fades, holds)


def two_numbers(value: Any) -> Any:
    """A list counts as a tuple; alpha may be a whole number."""
    if isinstance(value, (tuple, list)) and len(value) == 2 and type(value[1]) is int:
        return value[0], float(value[1])
    return tuple(value) if isinstance(value, list) else value


level_and_alpha = exercise(CHAPTER, "level_and_alpha", ours(library.growth))(
    Formula(
        RIGHT_ALPHA,
        schedules,
        read=two_numbers,
        what="your (level, alpha)",
        stops={
            "past the end": (
                lambda case: case["step"] >= sum(case["fades"]) + sum(case["holds"]),
                "it stops for step={step}, past the end of the schedule: the last level is held for ever",
            ),
        },
        wrong={
            "off by a stage": (
                lambda step, fades, holds: RIGHT_ALPHA(step + holds[0], fades, holds),
                "you forgot that level 0 is held first: for step={step} you are holds[0] steps ahead, and fade in from "
                "a level that has learned nothing",
            ),
            "fade and hold in one": (
                staged(lambda over, step, fade, hold, level: min(1, (over + 1) / (fade + hold)) if level else 1),
                "your alpha takes fade + hold steps to reach 1, so no level is ever held: it is 1 after `fade` steps",
            ),
            "counter of the whole training": (
                staged(lambda over, step, fade, hold, level: min(1, (step + 1) / fade) if level else 1),
                "your alpha counts from the start of the training: it must count from the start of its own level, or "
                "every later level is switched on at once",
            ),
            "starts at nought": (
                staged(lambda over, step, fade, hold, level: min(1, over / fade) if level else 1),
                "your first alpha is 0, where the new layers get no gradient, and the fade ends a step late: the first "
                "is 1 / fade",
            ),
            "beyond 1": (
                staged(lambda over, step, fade, hold, level: (over + 1) / fade if level else 1),
                "alpha goes beyond 1 while the level is held: min(1, ...)",
            ),
            "held before the fade": (
                staged(lambda over, step, fade, hold, level: min(1, max(0, (over - hold + 1) / fade)) if level else 1),
                "your level waits before it fades in: first it fades in, then it is held",
            ),
            "backwards": (
                staged(lambda over, step, fade, hold, level: max(0, 1 - (over + 1) / fade) if level else 1),
                "your alpha falls: it is the share of the NEW path, and rises to 1",
            ),
            "switched": (
                staged(lambda *_: 1),
                "your alpha is 1 at once: during the first `fade` steps of a level it rises",
            ),
            "a step late": (
                one_step_late,
                "every level of yours ends one step late: level 0 has the steps 0 to holds[0] - 1, so that the next "
                "one begins at step holds[0]; < and not <=",
            ),
            "level too late": (
                level_after_fade,
                "you name the old level while the new one fades in: a level counts from the first step of its fade",
            ),
            "the fade before": (
                lambda step, fades, holds: (
                    level := place(step, fades, holds)[0],
                    min(1.0, (place(step, fades, holds)[1] + 1) / (fades[level - 1] or fades[level])) if level else 1.0,
                ),
                "your alpha uses the length of another level's fade: level k fades in over fades[k] steps",
            ),
            "grows for ever": (
                grows_for_ever,
                "after the schedule your level goes on growing: the last level is held to the end",
            ),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 3: equalised_conv
# ---------------------------------------------------------------------------------------------------------------------


def kernels(generator: torch.Generator) -> Iterator[Case]:
    for (o, c, kh, kw), (h, w), padding in (
        ((5, 3, 3, 3), (6, 4), 1),
        ((2, 4, 1, 1), (3, 5), 0),
        ((3, 2, 4, 2), (7, 6), 1),
    ):
        x, weight = normal(generator, 2, c, h, w), normal(generator, o, c, kh, kw)
        yield {"x": x, "weight": weight, "bias": normal(generator, o), "padding": padding}


def scaled_conv(
    x: Tensor,
    weight: Tensor,
    bias: Tensor,
    padding: int,
    *,
    scale: Callable[[Tensor], Any] = lambda weight: math.sqrt(2 / weight[0].numel()),
    kept: Callable[[Tensor], Tensor] = lambda weight: weight,
    shift: Callable[[Tensor, Any], Tensor | None] = lambda bias, scale: bias,
) -> Tensor:
    """The equalised convolution; the options are what the mistakes change."""
    factor = scale(weight)
    return F.conv2d(x, kept(weight) * factor, shift(bias, factor), padding=padding)


equalised_conv = exercise(CHAPTER, "equalised_conv", ours(library.Equalised.forward))(
    Formula(
        scaled_conv,
        kernels,
        leaves=("x", "weight", "bias"),
        wrong={
            "not scaled": (
                partial(scaled_conv, scale=lambda weight: 1.0),
                "you use the stored weights as they are: multiply them by sqrt(2 / inputs)",
            ),
            "outputs counted": (
                partial(scaled_conv, scale=lambda weight: math.sqrt(2 / weight[:, 0].numel())),
                "you count the numbers that go OUT, O · k · m: the scale is about those that come IN to one output",
            ),
            "channels only": (
                partial(scaled_conv, scale=lambda weight: math.sqrt(2 / weight.shape[1])),
                "you count the channels only: one output adds up C · k · m numbers",
            ),
            "pixels only": (
                partial(scaled_conv, scale=lambda weight: math.sqrt(2 / weight[0, 0].numel())),
                "you count the pixels of the kernel only: one output adds up C · k · m numbers",
            ),
            "all weights counted": (
                partial(scaled_conv, scale=lambda weight: math.sqrt(2 / weight.numel())),
                "you count all weights: one output uses C · k · m of them",
            ),
            "square kernel taken for granted": (
                partial(scaled_conv, scale=lambda weight: math.sqrt(2 / (weight.shape[1] * weight.shape[2] ** 2))),
                "you take the kernel for a square: it is k × m, and one output adds up C · k · m numbers",
            ),
            "no root": (
                partial(scaled_conv, scale=lambda weight: 2 / weight[0].numel()),
                "the root is missing: variances add up, so the deviation is divided by the root of their number",
            ),
            "gain forgotten": (
                partial(scaled_conv, scale=lambda weight: math.sqrt(1 / weight[0].numel())),
                "the 2 is missing: half of the signal is lost in the ReLU that follows",
            ),
            "gain not under the root": (
                partial(scaled_conv, scale=lambda weight: 2 / math.sqrt(weight[0].numel())),
                "the 2 belongs under the root",
            ),
            "divided": (
                partial(scaled_conv, scale=lambda weight: math.sqrt(weight[0].numel() / 2)),
                "you divide by the scale: multiply",
            ),
            "bias scaled": (
                partial(scaled_conv, shift=lambda bias, scale: bias * scale),
                "the bias is scaled too (or the whole output is): only the weights are",
            ),
            "bias forgotten": (
                partial(scaled_conv, shift=lambda bias, scale: None),
                "the bias is missing",
            ),
            "measured deviation": (
                partial(scaled_conv, scale=lambda w: math.sqrt(2 / w[0].numel()) / w.detach().std()),
                "you divide by the deviation of the weights too: the scale is a constant that training cannot change",
            ),
            "measured deviation, with gradient": (
                partial(scaled_conv, scale=lambda w: math.sqrt(2 / w[0].numel()) / w.std()),
                "you divide by the deviation of the weights too: the scale is a constant that training cannot change",
            ),
            "weights detached": (
                partial(scaled_conv, kept=lambda weight: weight.detach()),
                "right numbers, but the stored weights get no gradient: multiply the tensor itself, not .data",
            ),
        },
        what="your output",
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 4: pixel_norm
# ---------------------------------------------------------------------------------------------------------------------


def feature_maps(generator: torch.Generator) -> Iterator[Case]:
    yield {"x": 3 * normal(generator, 2, 5, 3, 4) + 1}
    yield {"x": normal(generator, 3, 4, 2, 2) / 2 + 2}
    with_a_zero = normal(generator, 2, 3, 2, 3)
    with_a_zero[0, :, 1, 2] = 0
    yield {"x": with_a_zero}
    yield {"x": 2 * normal(generator, 4, 6)}


def normed(x: Tensor, *, over: tuple[int, ...] = (1,), power: Callable[[Tensor], Tensor] = torch.rsqrt) -> Tensor:
    """Pixel norm; the options are what the mistakes change. Axes that features [N, F] do not have do not count."""
    axes = [axis for axis in over if axis < x.ndim]
    mean = x.square().mean(dim=axes, keepdim=True) if axes else x.square()
    return x * power(mean + 1e-8)


def standardised(x: Tensor) -> Tensor:
    return (x - x.mean(1, keepdim=True)) * (x.var(1, keepdim=True, correction=0) + 1e-8).rsqrt()


def breaks_at_nought(case: Case, got: Sight, right: Sight) -> bool:
    return isinstance(got.value, Tensor) and not bool(got.value.isfinite().all())


pixel_norm = exercise(CHAPTER, "pixel_norm", ours(library.PixelNorm.forward))(
    Formula(
        normed,
        feature_maps,
        leaves=("x",),
        tolerance=1e-6,
        stops={
            "images only": (
                lambda case: case["x"].ndim != 4,
                "it stops for features [N, F], such as the noise: the channels are axis 1 in both cases",
            ),
        },
        wrong={
            "length one": (
                lambda x: x * (x.square().sum(1, keepdim=True) + 1e-8).rsqrt(),
                "you divide by the length, the root of the SUM of squares: take the root of their MEAN, so that a "
                "pixel's numbers have size 1 however many channels there are",
            ),
            "mean subtracted": (
                standardised,
                "you subtract the mean first: pixel norm divides, and subtracts nothing",
            ),
            "over the pixels": (
                partial(normed, over=(2, 3)),
                "you average over the pixels of a channel: every pixel is divided by a number of its own, found over "
                "its channels",
            ),
            "over channels and pixels": (
                partial(normed, over=(1, 2, 3)),
                "one number for a whole image: every pixel has its own",
            ),
            "over the batch": (
                partial(normed, over=(0,)),
                "you average over the batch, so an image depends on its company: average over the channels, dim=1",
            ),
            "batch norm's axes": (
                partial(normed, over=(0, 2, 3)),
                "you average over batch and pixels, as batch norm does: average over the channels, dim=1",
            ),
            "root forgotten": (
                partial(normed, power=lambda mean: 1 / mean),
                "the root is missing: divide by the root of the mean square",
            ),
            "multiplied": (
                partial(normed, power=torch.sqrt),
                "you multiply by the root of the mean square: divide",
            ),
            "mean of sizes": (
                lambda x: x / (x.abs().mean(1, keepdim=True) + 1e-8),
                "you divide by the mean of the absolute values: square, average, then the root",
            ),
            "variance": (
                lambda x: x * (x.var(1, keepdim=True, correction=0) + 1e-8).rsqrt(),
                "you divide by the deviation, for which the mean is taken out first: here the squares of the numbers "
                "themselves are averaged",
            ),
            "outside the root": (
                lambda x: x / (x.square().mean(1, keepdim=True).sqrt() + 1e-8),
                "right numbers, but at a pixel whose features are all 0 the gradient breaks: the 1e-8 belongs under "
                "the root",
            ),
            "norm is a constant": (
                lambda x: x * (x.detach().square().mean(1, keepdim=True) + 1e-8).rsqrt(),
                "right numbers, but the norm is a constant to autograd: it depends on x, so leave .detach() out",
            ),
        },
        signs={
            "nan at nought": (
                breaks_at_nought,
                "a pixel whose features are all 0 becomes NaN: add 1e-8 under the root",
            ),
        },
        what="your result",
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 5: first_move
# ---------------------------------------------------------------------------------------------------------------------


def newborns(generator: torch.Generator) -> Iterator[Case]:
    for gradient, zeros, betas in (
        (0.5, 0, (0.9, 0.99)),
        (-2.0, 3, (0.5, 0.9)),
        (0.01, 7, (0.0, 0.99)),
        (3.0, 40, (0.9, 0.999)),
        (-0.2, 600, (0.0, 0.9)),
    ):
        scale = 1 + float(torch.rand((), generator=generator))
        yield {"gradient": scale * gradient, "zeros": zeros, "rate": 0.01 * scale, "beta1": betas[0], "beta2": betas[1]}


def move(
    gradient: float,
    zeros: int,
    rate: float,
    beta1: float,
    beta2: float,
    *,
    count: Callable[[int], int] = lambda zeros: zeros + 1,
    correct: tuple[bool, bool] = (True, True),
    root: Callable[[float], float] = math.sqrt,
) -> float:
    """Adam's first move of a weight after `zeros` gradients of 0; the options are what the mistakes change."""
    t = count(zeros)
    m, v = (1 - beta1) * gradient, (1 - beta2) * gradient**2
    m = m / (1 - beta1**t) if correct[0] else m
    v = v / (1 - beta2**t) if correct[1] else v
    return -rate * m / root(v)


first_move = exercise(
    CHAPTER,
    "first_move",
    Forbidden("your code lets torch take the step: work it out from the formula", functions=(torch.optim.Adam.step,)),
)(
    Formula(
        move,
        newborns,
        read=lambda value: float(value) if isinstance(value, Tensor) and value.numel() == 1 else value,
        what="your move",
        wrong={
            "zeros not counted": (
                partial(move, count=lambda zeros: 1),
                "you correct as in the optimiser's first step: for Adam the {zeros} zeros were steps, too, and its "
                "counter is at zeros + 1",
            ),
            "one step behind": (
                partial(move, count=lambda zeros: max(zeros, 1)),
                "your counter is one behind: the gradient that arrives after {zeros} zeros belongs to step zeros + 1",
            ),
            "one step ahead": (
                partial(move, count=lambda zeros: zeros + 2),
                "your counter is one ahead: the gradient that arrives after {zeros} zeros belongs to step zeros + 1",
            ),
            "no correction": (
                partial(move, correct=(False, False)),
                "you left the bias correction out: m is divided by 1 - beta1^t, v by 1 - beta2^t",
            ),
            "only m corrected": (
                partial(move, correct=(True, False)),
                "you corrected m only: v is divided by 1 - beta2^t",
            ),
            "only v corrected": (
                partial(move, correct=(False, True)),
                "you corrected v only: m is divided by 1 - beta1^t",
            ),
            "root forgotten": (
                partial(move, root=lambda v: v),
                "the root of v is missing",
            ),
            "betas exchanged": (
                lambda gradient, zeros, rate, beta1, beta2: move(gradient, zeros, rate, beta2, beta1),
                "the betas are exchanged: beta1 belongs to m, the mean of the gradients, beta2 to v, that of their "
                "squares",
            ),
            "uphill": (
                lambda *given: -move(*given),
                "the sign is wrong: the weight moves against its gradient",
            ),
            "size only": (
                lambda *given: abs(move(*given)),
                "you return the size of the move: its sign is that of minus the gradient",
            ),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 6: which_growth
# ---------------------------------------------------------------------------------------------------------------------

FAULTS = ("healthy", "wrong counter", "untrained level", "sharp reals", "zeroed gradients", "batch norm")
MYSTERIES = {  # letter -> what is wrong; `mystery_growths` lets them grow so
    "A": "zeroed gradients",
    "B": "untrained level",
    "C": "healthy",
    "D": "batch norm",
    "E": "wrong counter",
    "F": "sharp reals",
}
FADE, HOLD, SIZE = 10, 20, 16


class FaultyGrowth(library.ProgressiveGAN):
    """A small growing GAN with one fault, or none."""

    name = "faulty_growth"
    fault = "healthy"
    rate = 1e-3
    betas = (0.0, 0.99)

    @property
    def grown(self) -> tuple[int, float]:
        step = int(self.age) + (HOLD if self.fault == "untrained level" else 0)
        level, alpha = library.growth(step, FADE, HOLD, len(self.sides) - 1)
        if self.fault == "wrong counter":
            alpha = min(1.0, (step + 1) / FADE)
        return level, alpha

    def descend(self, loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
        if self.fault != "zeroed gradients":
            return super().descend(loss, optimizer)
        for group in optimizer.param_groups:
            for weights in group["params"]:
                weights.grad = torch.zeros_like(weights)
        loss.backward()
        return optimizer.step()

    def training_step(self, batch: Batch) -> dict[str, Tensor]:
        if self.fault != "sharp reals":
            return super().training_step(batch)
        self.age.fill_(self.steps_done)
        small = library.shrink(batch.images, SIZE // self.sides[self.grown[0]])
        return super(library.ProgressiveGAN, self).training_step(Batch(small, batch.labels))

    def reals(self, images: Tensor) -> Tensor:
        """What the discriminator sees of real images."""
        level, alpha = self.grown
        return library.shown(images, self.sides[level], 1.0 if self.fault == "sharp reals" else alpha)


def rms_detail(images: Tensor) -> float:
    return float((images - library.enlarge(library.shrink(images))).square().mean().sqrt())


def mystery_growths(images: Tensor, steps: int = 85, every: int = 5) -> dict[str, dict[str, list[float]]]:
    """Let six small GANs grow from 4 to 16 pixels on real images [N, C, 16, 16].

    Each run has, every few steps, "step", "level", "alpha", "detail" of the real images that the discriminator is
    shown, "first move", the largest move of a weight of the level's new layers in the first step they took, divided by
    the rate, and "eval over train", the contrast of samples in eval mode divided by that in train mode. The same on
    every machine, but for rounding.
    """
    return {letter: mystery(fault, images, steps, every) for letter, fault in MYSTERIES.items()}


def mystery(fault: str, images: Tensor, steps: int, every: int) -> dict[str, list[float]]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = FaultyGrowth(images.shape[1], SIZE, latent=8, width=2, fade=FADE, hold=HOLD)
        model.fault = fault
        if fault == "batch norm":
            put_batch_norm(model)
        model.configure()
        run: dict[str, list[float]] = {
            key: [] for key in ("step", "level", "alpha", "detail", "first move", "eval over train")
        }
        born, noise = {0: 0.0}, model.noise(64)
        for step in range(steps):
            model.steps_done = step
            model.age.fill_(step)
            level = model.grown[0]
            fresh = list(model.generator.blocks[level - 1].parameters()) if level else []
            before = [weights.detach().clone() for weights in fresh]
            model.training_step(Batch(images[torch.randint(len(images), (16,))], torch.zeros(16, dtype=torch.int64)))
            if level not in born:
                moved = [float((a.detach() - b).abs().max()) for a, b in zip(fresh, before, strict=True)]
                born[level] = max(moved) / model.rate
            if step % every == 0:
                run["step"].append(step)
                run["level"].append(level)
                run["alpha"].append(model.grown[1])
                run["detail"].append(rms_detail(model.reals(images[:64])))
                run["first move"].append(born[level])
                run["eval over train"].append(contrast(model.eval(), noise) / contrast(model.train(), noise))
        return run


def put_batch_norm(model: FaultyGrowth) -> None:
    """Batch norm, whose averages remember a hundred steps, in place of pixel norm behind every block."""
    maps = [
        model.generator.start[2].unflattened_size[0],
        *(block[1].layer.out_channels for block in model.generator.blocks),
    ]
    for part, count in zip([model.generator.start, *model.generator.blocks], maps, strict=True):
        part[-1] = nn.BatchNorm2d(count, momentum=0.01)


def contrast(model: FaultyGrowth, noise: Tensor) -> float:
    """Deviation of the pixels of samples, in the model's present mode; batch norm's statistics stay as they are."""
    kept = {name: value.clone() for name, value in model.named_buffers()}
    with torch.no_grad():
        found = float(model.generate(noise).std())
        for name, value in model.named_buffers():
            value.copy_(kept[name])
    return found


HEED = {  # what it is, what was said -> what to look at; None stands for any other word
    ("zeroed gradients", None): "its first moves are several times the rate: what had the optimiser counted before the "
    "new layers got their first gradient?",
    ("untrained level", None): "look at step 0: which level, which alpha, and how long had level 0 learned?",
    ("healthy", None): "which of its curves is out of order, and at which step? go through them one by one",
    ("batch norm", None): "compare its samples in eval and in train mode",
    ("wrong counter", None): "look at alpha in the first step of a new level",
    ("sharp reals", None): "alpha is below 1 at some steps: what should that do to the detail of the real images?",
}


@exercise(CHAPTER)
def which_growth(answer: Callable) -> None:
    """answer() -> letter -> one of FAULTS, one a letter."""
    expect_words(answer(), MYSTERIES, FAULTS, HEED, once=True)
