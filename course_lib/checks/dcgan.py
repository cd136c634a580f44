"""Checks of chapter 6: overlap counts, batch normalisation, sampling without a trace, arcs, and unknown layers."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.checks.compare import TOLERANCE, compare, expect_tensor
from course_lib.checks.core import exercise
from course_lib.checks.formula import Case, Formula, Sight, normal
from course_lib.checks.guard import Forbidden, Guarded
from course_lib.checks.spies import Spy, SpyBroke, Traces, refuse_training, with_numbers
from course_lib.checks.verdict import WrongAnswer

CHAPTER = "06_dcgan"


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 1: overlap_counts
# ---------------------------------------------------------------------------------------------------------------------

STAMPS = [  # n, kernel, stride, padding
    (5, 4, 2, 1),
    (3, 3, 2, 1),
    (4, 3, 2, 0),
    (6, 5, 3, 1),
    (1, 4, 2, 0),
    (4, 2, 3, 1),
    (7, 6, 3, 2),
    (5, 3, 1, 1),
]
READY_MADE = Forbidden(
    "your code calls a ready-made convolution: count the stamps yourself, with += on slices",
    operations=("*conv*", "*col2im*"),
    functions=(np.convolve, np.correlate),
    packages=("scipy",),
)


def stampings(generator: torch.Generator) -> Iterator[Case]:
    """The cases above, and one where the numbers are drawn."""
    n, kernel, stride = (int(torch.randint(2, 9, (), generator=generator)) for _ in range(3))
    for case in (*STAMPS, (n, kernel, stride, 1)):
        yield dict(zip(("n", "kernel", "stride", "padding"), case, strict=True))


def stamped(
    n: int,
    kernel: int,
    stride: int,
    padding: int,
    *,
    stamps: int = 0,
    step: int = 0,
    width: int = 0,
    front: bool = True,
    end: bool = True,
) -> Tensor:
    """Overlap counts. The mistakes change the number of stamps, their step, their width, or which ends are cut."""
    counts = torch.zeros((n - 1) * stride + kernel, dtype=torch.int64)
    for i in range(n + stamps):
        counts[i * (step or stride) : i * (step or stride) + (width or kernel)] += 1
    return counts[padding if front else 0 : len(counts) - (padding if end else 0)]


def size_gives_away(case: Case, got: Sight, right: Sight) -> bool:
    n, kernel, stride, padding = case.values()
    shrunk, shape = (n + 2 * padding - kernel) // stride + 1, getattr(got.value, "shape", ())
    return len(shape) == 1 and shape[0] == max(shrunk, 0) != len(right.value)


def many_stamps(answer: Guarded) -> None:
    """More on one pixel than small integers can count. To watch each of 66,000 additions would take too long."""
    got, wanted = Guarded(answer.answer, Forbidden())(257, 257, 1, 1), stamped(257, 257, 1, 1)
    expect_tensor(got, wanted, "for 257 stamps on one pixel your result")
    if torch.equal(got.to(torch.int8), wanted.to(torch.int8)) and not torch.equal(got, wanted):
        raise WrongAnswer(
            "small integers",
            "where 257 stamps overlap your count begins again at the smallest number: small integers overflow; count "
            "in int64",
        )
    compare(got, wanted, "for 257 stamps on one pixel your result", {}, TOLERANCE)


SWAPPED = "kernel={kernel} and stride={stride} are swapped: stamps are `kernel` long and `stride` apart"
NEXT_TO_EACH_OTHER = "your stamps lie next to each other: they start at 0, stride, 2 * stride, ..."

overlap_counts = exercise(CHAPTER, "overlap_counts", READY_MADE)(
    Formula(
        stamped,
        stampings,
        wrong={
            "padding forgotten": (
                lambda n, kernel, stride, padding: stamped(n, kernel, stride, 0),
                "you return the whole row: cut `padding` pixels, here {padding}, off both ends",
            ),
            "padding cut once": (
                partial(stamped, end=False),
                "only the front was cut: padding, here {padding}, goes off both ends",
            ),
            "padding cut once, at the end": (
                partial(stamped, front=False),
                "only the end was cut: padding, here {padding}, goes off both ends",
            ),
            "padding added": (
                lambda n, kernel, stride, padding: F.pad(stamped(n, kernel, stride, 0), (padding, padding)),
                "you added padding={padding} at the ends: in a transposed convolution it is cut off",
            ),
            "empty for padding 0": (
                lambda n, kernel, stride, padding: stamped(n, kernel, stride, 0)[padding:-padding],
                "for padding={padding} you return nothing: the slice [padding:-padding] is empty for padding 0",
            ),
            "kernel and stride swapped": (
                lambda n, kernel, stride, padding: stamped(n, stride, kernel, padding),
                SWAPPED,
            ),
            "kernel and stride swapped in the stamps": (
                lambda n, kernel, stride, padding: stamped(n, kernel, stride, padding, step=kernel, width=stride),
                SWAPPED,
            ),
            "stride ignored": (
                lambda n, kernel, stride, padding: stamped(n, kernel, 1, padding),
                NEXT_TO_EACH_OTHER,
            ),
            "stride ignored in the stamps": (partial(stamped, step=1), NEXT_TO_EACH_OTHER),
            "everywhere the same": (
                lambda n, kernel, stride, padding: torch.full_like(
                    stamped(n, kernel, stride, padding), kernel // stride
                ),
                "you return kernel // stride everywhere: that holds inside, if the stride divides the kernel",
            ),
            "marked, not counted": (
                lambda n, kernel, stride, padding: stamped(n, kernel, stride, padding).clamp(max=1),
                "your counts are 0 or 1: where stamps overlap, add",
            ),
            "last stamp forgotten": (
                partial(stamped, stamps=-1),
                "the last stamp is missing: there is one for each of the n={n} input pixels",
            ),
            "stamps too short": (
                lambda n, kernel, stride, padding: stamped(n, kernel, stride, padding, width=kernel - 1),
                "your stamps are one pixel too short: they cover places i * stride to i * stride + kernel - 1",
            ),
            "stamps too long": (
                lambda n, kernel, stride, padding: stamped(n, kernel, stride, padding, width=kernel + 1),
                "your stamps are one pixel too long: they cover places i * stride to i * stride + kernel - 1",
            ),
        },
        signs={
            "convolution's size": (
                size_gives_away,
                "you return the size after a convolution: a transposed one makes (n - 1) * stride + kernel - 2 * "
                "padding pixels, here for n={n}, kernel={kernel}, stride={stride}, padding={padding}",
            ),
            "stamps out of range": (
                lambda case, got, right: "IndexError" in got.error,
                "a stamp falls off the end of your row: the last one covers the places from (n - 1) * stride on, "
                "`kernel` of them (are the two swapped?)",
            ),
        },
        also=(many_stamps,),
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 2: batch_norm
# ---------------------------------------------------------------------------------------------------------------------

BATCHES = [  # [N, C, H, W], eps, the size of the numbers, their distance from 0
    ((3, 4, 5, 2), 1e-5, 1, 0),
    ((2, 3, 4, 6), 0.5, 1, 0),
    ((5, 2, 1, 3), 0.8, 0.3, 0),
    ((4, 2, 3, 3), 1e-5, 1, 1e5),
]
NORMS = Forbidden(
    "your code calls a normalisation of torch's: write it out, from mean, square and sqrt",
    operations=tuple(f"*{kind}_norm*" for kind in ("batch", "instance", "layer", "group", "rms")),
)


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


CONSTANT = "right numbers, but autograd takes your {} for a constant number: no .detach(), .item() or no_grad there"
ALONG_THE_WIDTH = (
    "gamma and beta, [C], meet the last axis of x, which is its width: turn them into [C, 1, 1] with [:, None, None]"
)
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
            "gamma along the width": (unshaped, ALONG_THE_WIDTH),
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
        signs={
            "gamma along the width": (lambda case, got, right: "The size of tensor" in got.error, ALONG_THE_WIDTH),
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
    for mixed, seed in ((False, 5), (True, 6), (False, 5)):  # the first numbers once more, for an answer that remembers
        generator = torch.Generator().manual_seed(seed)
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
    refuse_training(calls, got)
    if len(calls) > 1:
        raise WrongAnswer("several calls", f"the generator was called {len(calls)} times: once, with all noise")
    if got is None:
        raise WrongAnswer("nothing returned", "you return nothing: return the images")
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
NARROW = (0.01, 0.1, 0.4)  # angles, in radians: small, but no equal directions


def walks(generator: torch.Generator) -> Iterator[Case]:
    """Pairs of rows: so short that their dot product could be a cosine, at small angles, ordinary, and equal."""
    a, b = normal(generator, 4, 5), normal(generator, 4, 5)
    yield {"a": 0.01 * a / a.norm(dim=1, keepdim=True), "b": b / b.norm(dim=1, keepdim=True) / 300, "share": 0.6}
    for angle in NARROW:
        a = normal(generator, 3, 4)
        across = normal(generator, 3, 4)
        across -= a * (a * across).sum(dim=1, keepdim=True) / a.square().sum(dim=1, keepdim=True)
        across *= a.norm(dim=1, keepdim=True) / across.norm(dim=1, keepdim=True)
        yield {"a": a, "b": 1.5 * (a * math.cos(angle) + across * math.sin(angle)), "share": 0.35}
    for count, width, share in SHARES:
        yield {"a": 2 * normal(generator, count, width), "b": normal(generator, count, width), "share": share}
    a, b = normal(generator, 4, 3), normal(generator, 4, 3)
    a[1:3] = b[1:3] = torch.tensor([0.0, 1.0, 0.0])  # along an axis the cosine is 1, without any rounding
    yield {"a": a, "b": torch.cat([b[:2], 3 * b[2:]]), "share": 0.25}


def angle_between(a: Tensor, b: Tensor, added: float = 0.0, over: tuple[str, ...] = ("a", "b")) -> Tensor:
    """[N, 1], in radians; `over` says by whose lengths the dot product is divided."""
    lengths = (a.norm(dim=1, keepdim=True) if "a" in over else 1) * (b.norm(dim=1, keepdim=True) if "b" in over else 1)
    return ((a * b).sum(dim=1, keepdim=True) / (lengths + added)).clamp(-1, 1).acos()


def walked(
    a: Tensor,
    b: Tensor,
    share: float,
    *,
    angle: Callable[[Tensor, Tensor], Tensor] = angle_between,
    above: Callable[[Tensor], Tensor] = lambda w: w,
    below: Callable[[Tensor], Tensor] = torch.sin,
    straight_until: float = 1e-4,
) -> Tensor:
    """A walk along the arc; the options are what the mistakes change: the angle, what stands above and below the
    fraction's line, and up to which angle the walk is straight.
    """
    w = angle(a, b)
    arc = ((above((1 - share) * w)).sin() * a + above(share * w).sin() * b) / below(w)
    return torch.where(angle_between(a, b) < straight_until, straight(a, b, share), arc)


def straight(a: Tensor, b: Tensor, share: float) -> Tensor:
    return (1 - share) * a + share * b


def unit(x: Tensor) -> Tensor:
    return x / x.norm(dim=1, keepdim=True)


def lengths_between(a: Tensor, b: Tensor, share: float) -> Tensor:
    return straight(a.norm(dim=1, keepdim=True), b.norm(dim=1, keepdim=True), share)


def holds_nan(case: Case, got: Sight, right: Sight) -> bool:
    return isinstance(got.value, Tensor) and bool(got.value.isnan().any())


def turned(answer: Callable) -> None:
    """Equal directions whose cosine rounding may lift above 1, in both precisions."""
    generator = torch.Generator().manual_seed(9)
    for kind, tolerance in ((torch.float64, TOLERANCE), (torch.float32, 1e-4)):
        a = normal(generator, 60, 6).to(kind)
        b = a * torch.tensor([1.0, 3.0], dtype=kind).repeat(30)[:, None]
        got = answer(a, b, 0.25)
        if isinstance(got, Tensor) and not got.isfinite().all():
            raise WrongAnswer(
                "cosine not clamped",
                "where a and b have the same direction some of your results are NaN: rounding lifts a cosine above 1, "
                "which has no acos; clamp it to [-1, 1] first",
            )
        compare(got, straight(a, b, 0.25), "for equal directions your result", {}, tolerance)


EQUAL_DIRECTIONS = (
    "where a and b have the same direction your result is NaN: the angle is 0 and so is its sine; return the straight "
    "mix there"
)
slerp = exercise(CHAPTER, "slerp")(
    Formula(
        walked,
        walks,
        wrong={
            "straight": (straight, "you walk along the straight line: weigh a and b with sines of the angle"),
            "straight too early": (
                partial(walked, straight_until=math.acos(0.9)),
                "you walk straight although the directions differ: that is for a cosine of 1, up to rounding, such as "
                "cosine > 1 - 1e-6",
            ),
            "share reversed": (
                lambda a, b, share: walked(b, a, share),
                "your walk goes from b to a: at share 0 the result is a",
            ),
            "degrees": (
                partial(walked, above=torch.rad2deg),
                "you take the sine of degrees: torch's sine wants radians",
            ),
            "degrees everywhere": (
                partial(walked, above=torch.rad2deg, below=lambda w: w.rad2deg().sin()),
                "you take the sine of degrees: acos gives radians, and sine wants them",
            ),
            "cosine for the angle": (
                partial(walked, angle=lambda a, b: angle_between(a, b).cos()),
                "you use the cosine as if it were the angle: take its acos first",
            ),
            "cosine of long vectors": (
                partial(walked, angle=partial(angle_between, over=())),
                "your dot product is no cosine, it may be larger than 1: divide it by both lengths before acos",
            ),
            **{
                f"only divided by |{one}|": (
                    partial(walked, angle=partial(angle_between, over=(one,))),
                    f"you divide the dot product by the length of {one} only: the cosine takes both lengths",
                )
                for one in ("a", "b")
            },
            "something added to the lengths": (
                partial(walked, angle=partial(angle_between, added=1e-8)),
                "something small is added where you divide by the lengths, so short rows get a wrong angle: no row is "
                "zero, add nothing",
            ),
            "one angle for all rows": (
                partial(walked, angle=lambda a, b: angle_between(a.reshape(1, -1), b.reshape(1, -1))),
                "one angle for the whole batch: each row has its own, so sum over dim=1",
            ),
            "mean angle": (
                partial(walked, angle=lambda a, b: angle_between(a, b).mean()),
                "you average the angles: each row has its own",
            ),
            "angle over the batch": (
                partial(walked, angle=lambda a, b: angle_between(a.T, b.T).T),
                "your dot product runs over the rows (dim=0): each row is a noise, so sum over dim=1",
            ),
            "length one": (
                lambda a, b, share: walked(unit(a), unit(b), share),
                "your result has length 1: normalise a and b for the angle only, in the formula they keep their "
                "lengths",
            ),
            "straight, then stretched": (
                lambda a, b, share: unit(straight(a, b, share)) * lengths_between(a, b, share),
                "you stretch points of the straight line: they lie on the arc, but not at even steps; use the sines",
            ),
            "length interpolated": (
                lambda a, b, share: walked(unit(a), unit(b), share) * lengths_between(a, b, share),
                "you walk with unit vectors and interpolate the length: in this formula a and b keep their own lengths",
            ),
            "not divided": (partial(walked, below=torch.ones_like), "you left out the division by sin ω"),
            "divided by the angle": (partial(walked, below=lambda w: w), "you divide by the angle: divide by its sine"),
            "something added to the sine": (
                partial(walked, below=lambda w: w.sin() + 1e-8, straight_until=-1.0),
                "something small is added to the sine you divide by: where the directions are equal the result is 0 "
                "then; return the straight mix there",
            ),
            "equal directions": (
                partial(walked, straight_until=-1.0),
                EQUAL_DIRECTIONS,
            ),
        },
        signs={"equal directions": (holds_nan, EQUAL_DIRECTIONS)},
        also=(turned,),
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 5: how_enlarged
# ---------------------------------------------------------------------------------------------------------------------

Enlarging = Callable[[Tensor], Tensor]  # images [N, 1, H, W] -> [N, 1, 2H, 2W]
RESIZED = "resize-convolution"
PADDED = {2: (0, 0), 3: (1, 1), 4: (1, 0), 5: (2, 1)}  # kernel -> padding, output_padding: with stride 2 all double
ENLARGED = (*(f"kernel {k}" for k in PADDED), RESIZED)


def enlarging(name: str, weight: Tensor, bias: float) -> Enlarging:
    """A layer that doubles the side in the way of `name`, with as many of the weights [5, 5] as it needs."""

    def layer(x: Tensor) -> Tensor:
        if name == RESIZED:
            repeated = x.repeat_interleave(2, dim=-2).repeat_interleave(2, dim=-1)
            return F.conv2d(repeated, weight[None, None, :3, :3].to(x), padding=1) + bias
        k = int(name[-1])
        padding, output_padding = PADDED[k]
        kernel = weight[None, None, :k, :k].to(x)
        return F.conv_transpose2d(x, kernel, stride=2, padding=padding, output_padding=output_padding) + bias

    return layer


def unknown_layers(generator: torch.Generator) -> Iterator[Case]:
    """Each way twice, in an order that is drawn, so that nobody guesses by counting; no weight is near zero."""
    for place in torch.randperm(2 * len(ENLARGED), generator=generator).tolist():
        size = 0.5 + torch.rand(5, 5, generator=generator, dtype=torch.float64)
        weight = size * (2 * torch.randint(2, (5, 5), generator=generator) - 1)
        bias = 0.3 + float(torch.rand((), generator=generator))
        yield {"enlarge": enlarging(ENLARGED[place % len(ENLARGED)], weight, bias)}


def told_apart(enlarge: Enlarging, *, dot: int = 9, even: str = "inside") -> str:
    """Two probes: a dot shows how wide a stamp is, a flat image whether its groups have equal sums. The mistakes put
    the dot elsewhere, look at the flat image in another way, or not at all.
    """
    zeros = torch.zeros(1, 1, 19, 19, dtype=torch.float64)
    spot = zeros.clone()
    spot[..., dot, dot] = 1
    stamp = (enlarge(spot) - enlarge(zeros)).abs()[0, 0] > 1e-9
    width = int(stamp.any(dim=1).sum())
    inside = (enlarge(zeros + 1) - enlarge(zeros))[..., 6:-6, 6:-6]
    flat = bool(inside.max() - inside.min() < 1e-9)
    if even == "only":
        return RESIZED if flat else "kernel 4"
    if width == 4 and (flat if even == "inside" else even == "always"):
        return RESIZED
    return f"kernel {width}"


def probes(**change: Any) -> Callable:
    return partial(told_apart, **change)


def no_such_way(case: Case, got: Sight, right: Sight) -> bool:
    return not (isinstance(got.value, str) and got.value in ENLARGED) and not got.error


how_enlarged = exercise(CHAPTER, "how_enlarged")(
    Formula(
        told_apart,
        unknown_layers,
        what="your verdict",
        wrong={
            "always the same": (
                lambda enlarge: "kernel 4",
                "you give every layer the same verdict: call enlarge on images of your choice and look at the answers",
            ),
            "only a flat image": (
                probes(even="only"),
                "a flat image tells a resize-convolution from the rest, not the rest from each other: how many pixels "
                "does a single pixel reach?",
            ),
            "stamp cut off": (
                probes(dot=0),
                "a stamp is wider than you say. If your single pixel lies at the border, the padding cuts its stamp "
                "off: put it into the middle",
            ),
            "always resize-convolution": (
                probes(even="always"),
                "you call kernel 4 a resize-convolution: both reach 4 x 4 pixels; one of them keeps a flat image flat",
            ),
            "resize-convolution unseen": (
                probes(even="never"),
                "you call a resize-convolution kernel 4: both reach 4 x 4 pixels, but what do they make of a flat "
                "image? Look at its inside only, since fewer stamps reach the border, and compare with a tolerance",
            ),
        },
        signs={
            "no verdict": (
                no_such_way,
                f"that is no verdict: return one of {', '.join(ENLARGED)}. (If you counted a stamp's pixels: a layer "
                "adds its bias everywhere, so compare with what it makes of zeros; and count along one side)",
            ),
            "kernels confused": (
                lambda case, got, right: right.value != RESIZED and not got.error,
                "a stamp is wider or narrower than you say: put a single 1 into the middle of zeros, and subtract what "
                "the layer makes of zeros alone, since it has a bias",
            ),
        },
    )
)
