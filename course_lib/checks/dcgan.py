"""Checks of chapter 6: overlap counts, batch normalisation, sampling without a trace, and walking along an arc."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.checks.compare import TOLERANCE
from course_lib.checks.core import WrongAnswer, compare, exercise, expect_tensor, same, untouched, withheld
from course_lib.checks.formula import Case, Formula, normal
from course_lib.checks.guard import Forbidden, Guarded
from course_lib.checks.spies import Spy, SpyBroke, Traces, with_numbers

CHAPTER = "06_dcgan"


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 1: overlap_counts
# ---------------------------------------------------------------------------------------------------------------------

# n, kernel, stride, padding
STAMPS = [
    (5, 4, 2, 1),
    (3, 3, 2, 1),
    (4, 3, 2, 0),
    (6, 5, 3, 1),
    (1, 4, 2, 0),
    (4, 2, 3, 1),
    (7, 6, 3, 2),
    (5, 3, 1, 1),
]
CONVOLUTIONS = [
    f"torch.{place}conv{kind}{d}d" for place in ("", "nn.functional.") for kind in ("", "_transpose") for d in (1, 2)
] + ["torch.nn.functional.fold"]


@exercise(CHAPTER)
def overlap_counts(answer: Callable) -> None:
    """answer(n, kernel, stride, padding) -> int64, the stamps on each output pixel."""
    with withheld(
        "your code calls a convolution of torch's: count the stamps yourself, with += on slices", *CONVOLUTIONS
    ):
        for n, kernel, stride, padding in STAMPS:
            wanted = counts(n, kernel, stride, padding)
            got = answer(n, kernel, stride, padding)
            case = f"n={n}, kernel={kernel}, stride={stride}, padding={padding}"
            if not isinstance(got, Tensor):
                raise WrongAnswer("type", f"your result is a {type(got).__name__}, expected an int64 tensor")
            shrunk = (n + 2 * padding - kernel) // stride + 1
            if got.shape == (shrunk,) and shrunk != len(wanted) and shrunk > 0:
                raise WrongAnswer(
                    "convolution's size",
                    f"for {case} you return {shrunk} counts: that is the size after a convolution; a transposed one "
                    f"makes (n - 1) * stride + kernel - 2 * padding = {len(wanted)}",
                )
            compare(got.long(), wanted, f"for {case} your result", count_mistakes(n, kernel, stride, padding, case))
            if got.dtype != torch.int64:
                raise WrongAnswer("dtype", f"right counts, but they are {got.dtype}, expected int64")


def counts(n: int, kernel: int, stride: int, padding: int) -> Tensor:
    starts = torch.arange(n) * stride
    places = torch.arange((n - 1) * stride + kernel)[:, None]
    stamped = ((places >= starts) & (places < starts + kernel)).sum(dim=1)
    return stamped[padding : len(stamped) - padding]


def count_mistakes(n: int, kernel: int, stride: int, padding: int, case: str) -> dict[str, tuple[Tensor, str]]:
    """What each misconception would give."""
    whole, right = counts(n, kernel, stride, 0), counts(n, kernel, stride, padding)
    empty = torch.zeros(0, dtype=torch.int64)
    return {
        "padding forgotten": (
            whole,
            f"for {case} you return {len(whole)} counts: cut {padding} pixels off both ends",
        ),
        "padding cut once": (
            whole[padding:],
            f"for {case} only the front was cut: padding goes off both ends",
        ),
        "padding cut once, at the end": (
            whole[: len(whole) - padding],
            f"for {case} only the end was cut: padding goes off both ends",
        ),
        "padding added": (
            F.pad(whole, (padding, padding)),
            f"for {case} you added padding: in a transposed convolution it is cut off",
        ),
        "empty for padding 0": (
            empty,
            f"for {case} you return nothing: the slice [padding:-padding] is empty for padding 0",
        ),
        "kernel and stride swapped": (
            counts(n, stride, kernel, padding) if (n - 1) * kernel + stride > 2 * padding else empty,
            f"for {case} kernel and stride are swapped: stamps are `kernel` long and `stride` apart",
        ),
        "stride ignored": (
            counts(n, kernel, 1, padding),
            f"for {case} your stamps lie next to each other: they start at 0, stride, 2 * stride, ...",
        ),
        "everywhere the same": (
            torch.full_like(right, kernel // stride),
            f"for {case} you return kernel // stride everywhere: that holds inside, if the stride divides the kernel",
        ),
        "marked, not counted": (
            right.clamp(max=1),
            f"for {case} your counts are 0 or 1: where stamps overlap, add",
        ),
    }


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 2: batch_norm
# ---------------------------------------------------------------------------------------------------------------------

BATCHES = [  # [N, C, H, W], eps, the size of the numbers, their distance from 0
    ((3, 4, 5, 2), 1e-5, 1, 0),
    ((2, 3, 4, 6), 0.5, 1, 0),
    ((5, 2, 1, 3), 0.8, 0.3, 0),
    ((4, 2, 3, 3), 1e-5, 1, 1e5),
]
NORMS = Forbidden("your code calls a normalisation of torch's: write it out, from mean, square and sqrt", ("*_norm*",))


def maps(generator: torch.Generator) -> Iterator[Case]:
    """Feature maps whose images and channels differ in mean and size."""

    for (N, C, H, W), eps, size, away in BATCHES:
        of_channel, of_image = normal(generator, 2, 1, C, 1, 1), normal(generator, N, 1, 1, 1)
        x = normal(generator, N, C, H, W) * (1 + of_channel[0].abs()) + 2 * of_channel[1] + of_image
        yield {"x": size * x + away, "gamma": 1 + normal(generator, C), "beta": normal(generator, C), "eps": eps}


def normalised(
    x: Tensor,
    gamma: Tensor,
    beta: Tensor,
    eps: float,
    *,
    axes: tuple[int, ...] = (0, 2, 3),
    correction: int = 0,
    root: Callable[[Tensor, float], Tensor] = lambda variance, eps: (variance + eps).sqrt(),
    centred: bool = True,
    constant: str = "",
    spread: Callable | None = None,
) -> Tensor:
    """Batch normalisation; the options are what the mistakes change."""
    mean = x.mean(dim=axes, keepdim=True)
    distance = x - (mean.detach() if "mean" in constant else mean)
    number = max(x.numel() // mean.numel() - correction, 1)
    variance = distance.square().sum(dim=axes, keepdim=True) / number
    variance = spread(x, axes) if spread else variance
    variance = variance.detach() if "variance" in constant else variance
    return gamma[:, None, None] * (distance if centred else x) / root(variance, eps) + beta[:, None, None]


def but(**change: Any) -> Callable:
    return partial(normalised, **change)


def running(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    mean, variance = 0.1 * x.mean((0, 2, 3), keepdim=True), 0.9 + 0.1 * x.var((0, 2, 3), keepdim=True)
    return gamma[:, None, None] * (x - mean) / (variance + eps).sqrt() + beta[:, None, None]


def unshaped(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> Tensor:
    return gamma * normalised(x, torch.ones_like(gamma), torch.zeros_like(beta), eps) + beta


CONSTANT = "right numbers, but to the gradient your {} is a constant: no .detach(), .item() or no_grad around it"
batch_norm = exercise(CHAPTER, "batch_norm", NORMS)(
    Formula(
        normalised,
        maps,
        leaves=("x", "gamma", "beta"),
        wrong={
            "per image and channel": (
                but(axes=(2, 3)),
                "you normalise each image by itself (dim=(2, 3)): the mean runs over all images of the batch too, "
                "dim=(0, 2, 3)",
            ),
            "per image": (
                but(axes=(1, 2, 3)),
                "you normalise each image over its channels: each channel gets its own mean, over dim=(0, 2, 3)",
            ),
            "per pixel": (
                but(axes=(0,)),
                "you normalise each pixel by itself (dim=0): the mean of a channel runs over its pixels too, "
                "dim=(0, 2, 3)",
            ),
            "one mean for all channels": (
                but(axes=(0, 1, 2, 3)),
                "one mean and one variance for all channels: each channel gets its own, over dim=(0, 2, 3)",
            ),
            "over the channels": (
                but(axes=(1,)),
                "you normalise over the channels (dim=1): that is the one axis to keep; use dim=(0, 2, 3)",
            ),
            "unbiased variance": (
                but(correction=1),
                "your variance divides by one less than the number of values: divide by the number, correction=0",
            ),
            "eps outside the root": (
                but(root=lambda variance, eps: variance.sqrt() + eps),
                "you add eps to the root: it goes under it, sqrt(variance + eps)",
            ),
            "eps forgotten": (
                but(root=lambda variance, eps: variance.sqrt()),
                "eps = {eps} has no effect in your code: divide by sqrt(variance + eps)",
            ),
            "eps fixed": (
                but(root=lambda variance, eps: (variance + 1e-5).sqrt()),
                "you use 0.00001 whatever eps is: here it is {eps}",
            ),
            "eps as a floor": (
                but(root=lambda variance, eps: variance.clamp(min=eps).sqrt()),
                "you use eps as a floor, clamp(min=eps): it is added, sqrt(variance + eps)",
            ),
            "no root": (
                but(root=lambda variance, eps: variance + eps),
                "you divide by the variance: divide by its square root, the standard deviation",
            ),
            "multiplied by the root": (
                but(root=lambda variance, eps: 1 / (variance + eps).sqrt()),
                "you multiply by the standard deviation: divide by it",
            ),
            "difference of squares": (
                lambda x, gamma, beta, eps: normalised(
                    x, gamma, beta, eps, spread=lambda x, dim: x.square().mean(dim, True) - x.mean(dim, True).square()
                ),
                "the mean of the squares minus the square of the mean loses its digits where numbers are far from 0: "
                "subtract the mean before you square",
            ),
            "mean not subtracted": (but(centred=False), "the mean is still there: subtract it before you divide"),
            "gamma and beta forgotten": (
                lambda x, gamma, beta, eps: normalised(x, torch.ones_like(gamma), torch.zeros_like(beta), eps),
                "gamma and beta have no effect in your code: multiply by gamma and add beta at the end",
            ),
            "gamma and beta swapped": (
                lambda x, gamma, beta, eps: normalised(x, beta, gamma, eps),
                "gamma and beta are swapped: gamma multiplies, beta is added",
            ),
            "beta scaled too": (
                lambda x, gamma, beta, eps: normalised(x, gamma, gamma * beta, eps),
                "beta is multiplied by gamma in your code: first multiply, then add beta",
            ),
            "gamma along the width": (
                unshaped,
                "gamma and beta, [C], meet the last axis of x, which is its width: turn them into [C, 1, 1] with "
                "[:, None, None]",
            ),
            "running statistics": (
                running,
                "you mix mean 0 and variance 1 into the statistics: that is the running average of eval mode; in train "
                "mode the batch's own count",
            ),
            "momentum for eps": (
                lambda x, gamma, beta, eps: normalised(x, gamma, beta, 0.1),
                "you add 0.1 to the variance: that is torch's momentum, not eps",
            ),
            **{
                f"constant {what}": (but(constant=what), CONSTANT.format(what))
                for what in ("mean", "variance", "mean and variance")
            },
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 3: sample
# ---------------------------------------------------------------------------------------------------------------------


def brush(generator: torch.Generator) -> Spy:
    """A generator with statistics of its own and one frozen parameter; in train mode, its first norm in eval mode."""
    inner = nn.Sequential(nn.Linear(8, 6), nn.BatchNorm1d(6), nn.Dropout(0.5))  # modes count in every depth
    made = with_numbers(Spy(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), inner), generator)
    made.train()
    made.layers[1].eval()
    made.layers[0].bias.requires_grad_(False)
    return made


@exercise(CHAPTER)
def sample(answer: Callable) -> None:
    """answer(generator, noise [N, D]) -> images, in eval mode, without gradients, leaving no trace."""
    generator = torch.Generator().manual_seed(5)
    for mixed in (False, True):
        one_sample(answer, brush(generator), normal(generator, 5, 3), mixed)
    broken(answer, brush(generator), normal(generator, 4, 3))
    with torch.no_grad():  # the mode there was, not always on
        answer(brush(generator), normal(generator, 4, 3))


def one_sample(answer: Callable, network: Spy, noise: Tensor, mixed: bool) -> None:
    if not mixed:
        network.eval()
    traces = Traces(network, "the generator")
    with traces.in_eval_mode():
        reference = network(noise)
    network.calls.clear()
    with torch.enable_grad():
        torch.manual_seed(0)  # dropout, where it is left on
        got = answer(network, noise)
    calls = network.calls
    if not calls:
        raise WrongAnswer(
            "not drawn",
            "the generator you were given was never called (a copy does not count): images = generator(noise)",
        )
    if any(call.training for call in calls):
        raise WrongAnswer(
            "train mode",
            "the generator drew in train mode, so an image depends on its company: call generator.eval() first",
        )
    if len(calls) > 1:
        raise WrongAnswer("several calls", f"the generator was called {len(calls)} times: once, with all noise")
    if got is None:
        raise WrongAnswer("nothing returned", "you return nothing: return the images")
    if isinstance(got, Tensor) and got.requires_grad:
        raise WrongAnswer(
            "keeps the graph", "your images carry gradients: call the generator inside `with torch.no_grad():`"
        )
    if calls[0].gradients:
        raise WrongAnswer(
            "graph built for nothing",
            "gradients were on while the generator drew, and thrown away after: use `with torch.no_grad():`",
        )
    expect_tensor(got, reference, "your result")
    compare(got, reference, "your result", {}, TOLERANCE)
    traces.refuse()


def broken(answer: Guarded, network: Spy, noise: Tensor) -> None:
    """The generator raises: the error must come out, the modes must be back."""
    traces, network.breaks = Traces(network), True
    try:
        with torch.enable_grad():
            answer(network, noise)
    except SpyBroke:
        pass
    else:
        raise WrongAnswer("error swallowed", "the generator raised an error and your function hid it: let it come out")
    if traces.modes_now() != traces.modes or answer.left:
        raise WrongAnswer(
            "not restored after an error",
            "when the generator raises an error its modes are not restored: put the restoring into `finally:`",
        )


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 4: slerp
# ---------------------------------------------------------------------------------------------------------------------

SHARES = [(4, 7, 0.3), (3, 5, 0.75), (5, 2, 0.5), (1, 9, 0.1), (3, 6, 0.0), (3, 6, 1.0)]  # N, D, share


@exercise(CHAPTER)
def slerp(answer: Callable) -> None:
    """answer(a [N, D], b [N, D], share) -> [N, D], along the arc between them."""
    generator = torch.Generator().manual_seed(9)

    def normal(*size: int) -> Tensor:
        return torch.randn(size, generator=generator, dtype=torch.float64)

    for count, width, share in SHARES:
        a, b = 2 * normal(count, width), normal(count, width)
        a[0] *= 0.3 / (a[0] @ b[0]).abs()  # a dot product that could be a cosine
        a_before, b_before = a.clone(), b.clone()
        got = answer(a, b, share)
        untouched(a_before, a, "a")
        untouched(b_before, b, "b")
        if isinstance(got, Tensor) and got.shape == a.shape:
            unscaled = arc(a[:1], b[:1], share, (a[0] @ b[0]).acos())
            if not got.isfinite().all() or (same(got[:1], unscaled) and not same(unscaled, along(a, b, share)[:1])):
                raise WrongAnswer(
                    "cosine of long vectors",
                    "your dot product is no cosine, it may be larger than 1: divide it by both lengths before acos",
                )
        compare(got, along(a, b, share), f"for share {share} your result", walk_mistakes(a, b, share))
    equal_directions(answer, normal(4, 6))
    leaf_a, leaf_b = normal(3, 4).requires_grad_(), normal(3, 4).requires_grad_()
    with torch.enable_grad():
        got, wanted = answer(leaf_a, leaf_b, 0.4), along(leaf_a, leaf_b, 0.4)
    if not got.requires_grad:
        raise WrongAnswer("no gradient", "right points, but no gradient gets through: leave out .detach() and .item()")
    direction = normal(3, 4)
    for name, leaf in (("a", leaf_a), ("b", leaf_b)):
        (found,) = torch.autograd.grad(got, leaf, direction, retain_graph=True, allow_unused=True)
        (right,) = torch.autograd.grad(wanted, leaf, direction, retain_graph=True)
        if found is None or not same(found, right):
            raise WrongAnswer(
                "no gradient", f"right points, but the gradient for {name} is wrong: is the angle a constant to it?"
            )


def equal_directions(answer: Callable, a: Tensor) -> None:
    """Equal rows, and rows of equal direction but other length, among ordinary ones."""
    b = a.clone()
    b[1], b[3] = 3 * a[1], -a[3].roll(1)
    for kind in (torch.float64, torch.float32):
        got = answer(a.to(kind), b.to(kind), 0.25)
        wanted = along(a, b, 0.25)
        if not isinstance(got, Tensor) or not got.isfinite().all():
            raise WrongAnswer(
                "equal directions",
                "where a and b have the same direction your result is NaN: clamp the cosine to 1, and return the "
                "straight mix where the angle is 0",
            )
        compare(got.double(), wanted, f"in {kind}, with equal directions, your result", {}, 1e-4)


def angle_of(a: Tensor, b: Tensor) -> Tensor:
    cosine = (a * b).sum(dim=-1, keepdim=True) / (a.norm(dim=-1, keepdim=True) * b.norm(dim=-1, keepdim=True))
    return cosine.clamp(-1, 1).acos()


def arc(a: Tensor, b: Tensor, share: float, w: Tensor, over: Tensor | None = None) -> Tensor:
    return (((1 - share) * w).sin() * a + (share * w).sin() * b) / (w.sin() if over is None else over)


def along(a: Tensor, b: Tensor, share: float) -> Tensor:
    w = angle_of(a, b)
    alike = w < 1e-4
    return torch.where(alike, (1 - share) * a + share * b, arc(a, b, share, torch.where(alike, torch.ones_like(w), w)))


def walk_mistakes(a: Tensor, b: Tensor, share: float) -> dict[str, tuple[Tensor, str]]:
    """What each misconception would give."""
    w = angle_of(a, b)
    right = arc(a, b, share, w)
    straight = (1 - share) * a + share * b
    lengths = (1 - share) * a.norm(dim=1, keepdim=True) + share * b.norm(dim=1, keepdim=True)
    unit_a, unit_b = F.normalize(a, dim=1), F.normalize(b, dim=1)
    flat = angle_of(a.reshape(1, -1), b.reshape(1, -1))
    down = angle_of(a.T, b.T).T
    return {
        "straight": (straight, "you walk along the straight line: weigh a and b with sines of the angle"),
        "share reversed": (
            arc(b, a, share, w),
            "your walk goes from b to a: at share 0 the result is a",
        ),
        "degrees": (
            arc(a, b, share, w.rad2deg(), w.sin()),
            "you take the sine of degrees: torch's sine wants radians",
        ),
        "degrees everywhere": (
            arc(a, b, share, w.rad2deg()),
            "you take the sine of degrees: acos gives radians, and sine wants them",
        ),
        "cosine for the angle": (
            arc(a, b, share, w.cos()),
            "you use the cosine as if it were the angle: take its acos first",
        ),
        "one angle for all rows": (
            arc(a, b, share, flat),
            "one angle for the whole batch: each row has its own, so sum over dim=1",
        ),
        "mean angle": (arc(a, b, share, w.mean()), "you average the angles: each row has its own"),
        "angle over the batch": (
            arc(a, b, share, down),
            "your dot product runs over the rows (dim=0): each row is a noise, so sum over dim=1",
        ),
        "length one": (
            arc(unit_a, unit_b, share, w),
            "your result has length 1: normalise a and b for the angle only, in the formula they keep their lengths",
        ),
        "straight, then stretched": (
            straight / straight.norm(dim=1, keepdim=True) * lengths,
            "you stretch points of the straight line: they lie on the arc, but not at even steps; use the sines",
        ),
        "length interpolated": (
            arc(unit_a, unit_b, share, w) * lengths,
            "you walk with unit vectors and interpolate the length: in this formula a and b keep their own lengths",
        ),
        "not divided": (right * w.sin(), "you left out the division by sin ω"),
        "divided by the angle": (right * w.sin() / w, "you divide by the angle: divide by its sine"),
    }
