"""Checks of chapter 11: Fréchet distance, draws from fitted codes, a ratio that finds copiers, a verdict over seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_lib.checks.compare import compare, expect_tensor, same
from course_lib.checks.core import exercise, untouched
from course_lib.checks.formula import Case, Formula, normal
from course_lib.checks.verdict import WrongAnswer

CHAPTER = "11_gan_or_vae"


def number(got: Any, what: str = "your result") -> Tensor:
    """One number, Python's, NumPy's or in a tensor, as a float64 scalar."""
    if isinstance(got, np.ndarray):
        got = torch.from_numpy(got)
    if isinstance(got, complex) or (isinstance(got, Tensor) and got.is_complex()):
        raise WrongAnswer("complex", f"{what} is a complex number: take the real part of the eigenvalues, `.real`")
    if isinstance(got, tuple | list) or (isinstance(got, Tensor) and got.numel() != 1):
        raise WrongAnswer("several numbers", f"{what} holds several numbers, expected one")
    if not hasattr(got, "__float__"):
        raise WrongAnswer("type", f"{what} is a {type(got).__name__}, expected one number")
    return torch.tensor(float(got), dtype=torch.float64)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 1: frechet_gaussians
# ---------------------------------------------------------------------------------------------------------------------

CLOUDS = [(3, 5, 7, 1), (5, 9, 6, 1), (1, 2, 2, 1), (4, 8, 8, 1e-3), (3, 6, 9, 1e4)]  # dimensions, points, size
FLAT = [(6, 2, 3, 1), (4, 4, 0, 1), (5, 3, 5, 1)]


def covariance(generator: torch.Generator, width: int, points: int) -> Tensor:
    """Flat where there are fewer points than dimensions, and zero without any."""
    factor = normal(generator, width, points)
    return factor @ factor.T / max(points, 1)


def gaussians(generator: torch.Generator, clouds: list[tuple]) -> Iterator[Case]:
    for width, points_a, points_b, size in clouds:
        yield {
            "mean_a": size * normal(generator, width),
            "cov_a": size**2 * covariance(generator, width, points_a),
            "mean_b": 2 * size * normal(generator, width),
            "cov_b": 3 * size**2 * covariance(generator, width, points_b),
        }


def regular(generator: torch.Generator) -> Iterator[Case]:
    """Full clouds of every size, then two of the same shape."""
    yield from gaussians(generator, CLOUDS)
    (case,) = gaussians(generator, CLOUDS[:1])
    yield case | {"cov_b": case["cov_a"].clone()}


def root(matrix: Tensor) -> Tensor:
    """The symmetric square root of a covariance."""
    values, vectors = torch.linalg.eigh(matrix)
    return vectors * values.clamp_min(0).sqrt() @ vectors.T


def roots(values: Tensor) -> Tensor:
    return values.clamp_min(0).sqrt().sum()


def middle_root(a: Tensor, b: Tensor) -> Tensor:
    """The root of A^½ B A^½, which has the eigenvalues of A B and is symmetric."""
    return root(root(a) @ b @ root(a))


def apart(
    mean_a: Tensor,
    cov_a: Tensor,
    mean_b: Tensor,
    cov_b: Tensor,
    *,
    means: Callable[[Tensor], Tensor] = lambda difference: difference.square().sum(),
    common: Callable[[Tensor, Tensor], Tensor] = lambda a, b: middle_root(a, b).trace(),
    times: float = 2,
    whole: Callable[[Tensor], Tensor] = lambda distance: distance,
) -> Tensor:
    """The squared Fréchet distance; the options are what the mistakes change."""
    return whole(means(mean_a - mean_b) + cov_a.trace() + cov_b.trace() - times * common(cov_a, cov_b))


def shared(common: Callable[[Tensor, Tensor], Tensor]) -> Callable:
    return partial(apart, common=common)


def rounded_up(mean_a: Tensor, cov_a: Tensor, mean_b: Tensor, cov_b: Tensor) -> Tensor:
    little = 1e-6 * torch.eye(len(cov_a), dtype=cov_a.dtype)
    return apart(mean_a, cov_a + little, mean_b, cov_b + little)


NOT_SYMMETRIC = "A B is not symmetric, and eigvalsh and eigh read only half of it: take eigvals of A B, and `.real`"
FLAT_CLOUDS = (
    "for a covariance that is flat in some directions you return {}: clamp the eigenvalues at 0 before the root"
)
flat_clouds = Formula(
    apart,
    partial(gaussians, clouds=FLAT),
    wrong={},
    stops={"flat clouds": (lambda case: True, FLAT_CLOUDS.format("nothing"))},
    signs={
        "flat clouds": (
            lambda case, got, right: got.value is not None and not got.value.isfinite(),
            FLAT_CLOUDS.format("no number"),
        )
    },
    read=number,
    tolerance=1e-5,  # the root of a rounding error at 0 is large
)
frechet_gaussians = exercise(CHAPTER, "frechet_gaussians")(
    Formula(
        apart,
        regular,
        read=number,
        also=(flat_clouds,),
        wrong={
            "missing the 2": (
                partial(apart, times=1),
                "the trace of the root counts twice: tr(A + B - 2 (A B)^½)",
            ),
            "plus the root": (
                partial(apart, times=-2),
                "the root is subtracted: it is what the two have in common",
            ),
            "root forgotten": (
                shared(lambda a, b: (a @ b).trace()),
                "you subtract the trace of A B itself, which is the sum of its eigenvalues: sum their square roots",
            ),
            "root of each element": (
                shared(lambda a, b: (a @ b).clamp_min(0).sqrt().trace()),
                "you took the root of each element: a matrix root R has R @ R = A B; use eigenvalues",
            ),
            "element by element": (
                shared(lambda a, b: roots(torch.linalg.eigvalsh(a * b))),
                "A * B multiplies element by element: the matrix product is A @ B",
            ),
            "as if symmetric": (shared(lambda a, b: roots(torch.linalg.eigvalsh(a @ b))), NOT_SYMMETRIC),
            "as if symmetric, upper half": (
                shared(lambda a, b: roots(torch.linalg.eigvalsh(a @ b, UPLO="U"))),
                NOT_SYMMETRIC,
            ),
            "singular values": (
                shared(lambda a, b: roots(torch.linalg.svdvals(a @ b))),
                "you took the roots of the singular values of A B: it is not symmetric, so its eigenvalues differ",
            ),
            "eigenvalues apart": (
                shared(lambda a, b: roots(torch.linalg.eigvalsh(a) * torch.linalg.eigvalsh(b))),
                "you multiplied eigenvalues of A by those of B: the eigenvalues of A B are others; multiply first",
            ),
            "product of roots": (
                shared(lambda a, b: (root(a) @ root(b)).trace()),
                "you multiplied the roots of A and B: that is the root of the product only if A and B commute",
            ),
            "root of the trace": (
                shared(lambda a, b: (a @ b).trace().sqrt()),
                "you took the root of the trace: take the root of the matrix, then the trace",
            ),
            "diagonals only": (
                shared(lambda a, b: (a.diagonal() * b.diagonal()).sqrt().sum()),
                "you used the diagonals only: that forgets how the dimensions vary together",
            ),
            "means not squared": (
                partial(apart, means=lambda difference: difference.norm()),
                "the distance of the means counts squared: (mean_a - mean_b).square().sum()",
            ),
            "means averaged": (
                partial(apart, means=lambda difference: difference.square().mean()),
                "the squared difference of the means is summed over the dimensions, not averaged",
            ),
            "means forgotten": (
                partial(apart, means=lambda difference: 0 * difference.sum()),
                "the means are missing: add their squared distance",
            ),
            "covariances forgotten": (
                lambda mean_a, cov_a, mean_b, cov_b: (mean_a - mean_b).square().sum(),
                "the covariances are missing: your result is only the means' part",
            ),
            "trace forgotten": (
                lambda mean_a, cov_a, mean_b, cov_b: (
                    (mean_a - mean_b).square().sum() + (cov_a + cov_b - 2 * middle_root(cov_a, cov_b)).sum()
                ),
                "you summed all elements: the trace adds up the diagonal only",
            ),
            "square root taken": (
                partial(apart, whole=lambda distance: distance.clamp_min(0).sqrt()),
                "you took the root of the whole: the figure reported everywhere is the squared distance",
            ),
            "something added to the covariances": (
                rounded_up,
                "something small is added to the covariances: clamp the eigenvalues at 0 instead, which changes "
                "nothing where they are positive",
            ),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 2: draw_codes
# ---------------------------------------------------------------------------------------------------------------------


@exercise(CHAPTER)
def draw_codes(answer: Callable) -> None:
    """answer(codes [N, D], noise [M, D]) -> [M, D]: draws from the Gaussian fitted to the codes.

    Any factor of the covariance will do, so the program is asked for its factor: noises that are zero, then unit
    vectors, show the mean and the factor's columns.
    """
    generator = torch.Generator().manual_seed(20)
    for count, width in ((40, 3), (9, 5), (60, 2), (25, 1)):
        codes = normal(generator, count, width) @ (normal(generator, width, width) + torch.eye(width))
        codes = codes * (1 + 2 * torch.rand(width, generator=generator)) + 3 * normal(generator, width)
        probes = torch.cat([torch.zeros(1, width), torch.eye(width)]).double()
        case = f"for codes of shape {[count, width]}"
        got = called(answer, codes, probes, case)
        mean, factor = got[0], (got[1:] - got[0]).T  # draws are mean + factor @ noise
        if width > 1:
            blunders_of_draws(got, codes, case)
        wanted = codes.mean(dim=0)
        compare(mean, wanted, f"{case} the mean of your draws", mean_mistakes(codes))
        found = factor @ factor.T
        compare(found, codes.T.cov().reshape(width, width), f"{case} your draws' covariance", factor_mistakes(codes))
        noise = normal(generator, 7, width)
        leaf = noise.clone().requires_grad_()
        with torch.enable_grad():
            drawn = called(answer, codes, leaf, case)
        if not same(drawn, mean + noise @ factor.T):
            raise WrongAnswer(
                "depends on the other rows", f"{case} a draw changes with the noise of the others: row by row, please"
            )
        if not drawn.requires_grad:
            raise WrongAnswer(
                "no gradient", "right draws, but no gradient gets through to the noise: leave out .detach()"
            )
        direction = normal(generator, 7, width)
        (gradient,) = torch.autograd.grad(drawn, leaf, direction)
        if not same(gradient, direction @ factor):
            raise WrongAnswer("no gradient", "right draws, but the gradient for the noise is wrong")


def called(answer: Callable, codes: Tensor, noise: Tensor, case: str) -> Tensor:
    """The learner's draws: right shape, finite, inputs and random state as before."""
    before, noise_before, state = codes.clone(), noise.detach().clone(), torch.get_rng_state()
    got = answer(codes, noise)
    untouched(before, codes, "codes")
    untouched(noise_before, noise.detach(), "noise")
    if not torch.equal(state, torch.get_rng_state()):
        torch.set_rng_state(state)
        raise WrongAnswer("draws its own noise", "your function draws random numbers: the noise is given, use it")
    expect_tensor(got, noise, f"{case} your result")
    return got.double()


def blunders_of_draws(got: Tensor, codes: Tensor, case: str) -> None:
    if same(got, got[:1].expand_as(got)):
        raise WrongAnswer("noise ignored", f"{case} all draws are the same: each row of the noise makes its own")
    if bool((nearest(got, codes) < 1e-9).all()):
        raise WrongAnswer("codes returned", f"{case} your draws are codes from the list: draw new ones")


def mean_mistakes(codes: Tensor) -> dict[str, tuple[Tensor, str]]:
    width = codes.shape[1]
    return {
        "mean forgotten": (
            torch.zeros(width).double(),
            "a noise of zeros gives zeros: the mean of the codes is missing",
        ),
        "mean subtracted": (-codes.mean(dim=0), "you subtract the mean: add it"),
        "one mean for all": (
            codes.mean().expand(width),
            "one mean for all dimensions: each has its own, codes.mean(dim=0)",
        ),
        "median for the mean": (
            codes.median(dim=0).values,
            "that is the median of the codes: a Gaussian has their mean",
        ),
        "first code for the mean": (codes[0], "a noise of zeros gives the first code: it should give the mean of all"),
    }


def factor_mistakes(codes: Tensor) -> dict[str, tuple[Tensor, str]]:
    """The covariance F Fᵀ that each misconception's factor F would have."""
    count, width = codes.shape
    right = codes.T.cov().reshape(width, width)
    lower = torch.linalg.cholesky(right)
    variances = right.diagonal()
    deviations = variances.sqrt()
    second = codes.T @ codes / (count - 1)
    return {
        "noise unscaled": (
            torch.eye(width).double(),
            "your draws have covariance 1: multiply the noise by a factor of it",
        ),
        "only the diagonal": (
            variances.diag(),
            "only the variances are right: the dimensions of your draws do not vary together as the codes do",
        ),
        "variance for deviation": (
            variances.square().diag(),
            "you multiply by variances, without their root, and forget how dimensions vary together",
        ),
        "covariance for its factor": (
            right @ right,
            "you multiply the noise by the covariance itself: multiply by a factor L with L @ L.T = covariance",
        ),
        "transposed factor": (
            lower.T @ lower,
            "the factor is transposed: with noise in rows it is noise @ L.T, not noise @ L",
        ),
        "correlation for covariance": (
            right / deviations / deviations[:, None],
            "you use correlations: they forget how widely each dimension varies",
        ),
        "inverse": (
            torch.linalg.inv(right),
            "your draws have the inverse of the covariance: leave out the inverse",
        ),
        "root of each element": (
            (lambda r: r @ r.T)(right.clamp_min(0).sqrt()),
            "you took the root of each element of the covariance: use torch.linalg.cholesky",
        ),
        "mean not subtracted": (
            second,
            "your covariance is taken around 0: subtract the mean from the codes first",
        ),
        "divided by N": (
            right * (count - 1) / count,
            "you divide by N: divide by N - 1, as torch.cov does",
        ),
        "not divided": (right * (count - 1), "you summed products of distances and did not divide by N - 1"),
        "one spread for all": (
            codes.var() * torch.eye(width),
            "one spread for all dimensions: use the covariance of the codes",
        ),
    }


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 3: copy_ratio
# ---------------------------------------------------------------------------------------------------------------------


@exercise(CHAPTER)
def copy_ratio(answer: Callable) -> None:
    """answer(fakes [M, F], test [K, F], train [N, F]) -> median nearest distance of fakes over that of test images."""
    generator = torch.Generator().manual_seed(31)
    for made, kept, learned, width in ((7, 9, 15, 3), (12, 5, 11, 4), (8, 6, 4, 2), (5, 5, 5, 6)):
        fakes, test = 2 * normal(generator, made, width) + 0.7, normal(generator, kept, width)
        train = 1.2 * normal(generator, learned, width) - 0.3
        inputs = [t.clone() for t in (fakes, test, train)]
        got = answer(*inputs)
        for before, after, name in zip((fakes, test, train), inputs, ("fakes", "test", "train"), strict=True):
            untouched(before, after, name)
        case = f"for {made} fakes, {kept} test and {learned} training images"
        if isinstance(got, tuple | list) or (isinstance(got, Tensor) and got.numel() > 1):
            raise WrongAnswer("several numbers", f"{case} you return several numbers, expected one ratio")
        mistakes = copy_mistakes(fakes, test, train)
        compare(number(got, "your result"), ratio(fakes, test, train), f"{case} your result", mistakes)
    copied = number(answer(train[:4].clone(), test, train), "your result")
    if not same(copied, torch.zeros(()).double()):
        raise WrongAnswer(
            "exact copies", f"for exact copies of training images your result is {float(copied):.3g}, not 0"
        )


def between(a: Tensor, b: Tensor) -> Tensor:
    return (a[:, None] - b[None]).square().sum(dim=2).sqrt()


def middle(values: Tensor) -> Tensor:
    """The median; between the two middle values where their number is even."""
    return values.quantile(0.5)


def nearest(a: Tensor, b: Tensor) -> Tensor:
    """For each row of a the distance to the nearest of b."""
    return between(a, b).min(dim=1).values


def ratio(fakes: Tensor, test: Tensor, train: Tensor, of: Callable = middle, near: Callable = nearest) -> Tensor:
    return of(near(fakes, train)) / of(near(test, train))


def copy_mistakes(fakes: Tensor, test: Tensor, train: Tensor) -> dict[str, tuple[Tensor, str]]:
    """What each misconception would give."""

    def ratio_of(of: Callable = middle, near: Callable = nearest) -> Tensor:
        return ratio(fakes, test, train, of, near)

    def lonely(cloud: Tensor) -> Tensor:
        gaps = between(cloud, cloud)
        return gaps.fill_diagonal_(math.inf).min(dim=1).values

    def lower_middle(values: Tensor) -> Tensor:
        return values.median()

    return {
        "upside down": (1 / ratio_of(), "your ratio is upside down: the fakes' distance goes above the line"),
        "mean for median": (
            ratio_of(lambda v: v.mean()),
            "you average the distances: one odd image moves a mean; take the median",
        ),
        "lower median": (
            ratio_of(lower_middle),
            "for an even number of distances torch.median takes the lower of the two middle ones: use quantile(0.5)",
        ),
        "squared distances": (
            ratio_of(near=lambda a, b: nearest(a, b).square()),
            "your distances are squared: take their root",
        ),
        "city blocks": (
            ratio_of(near=lambda a, b: torch.cdist(a, b, p=1).min(dim=1).values),
            "you add up absolute differences: use the Euclidean distance",
        ),
        "farthest": (
            ratio_of(near=lambda a, b: between(a, b).max(dim=1).values),
            "you take the farthest training image: take the nearest, a minimum",
        ),
        "all distances": (
            ratio_of(near=lambda a, b: between(a, b).flatten()),
            "you take the median of all distances: first the nearest training image of each, then the median",
        ),
        "mean over the training images": (
            ratio_of(near=lambda a, b: between(a, b).mean(dim=1)),
            "you average the distances to all training images: only the nearest one tells a copy",
        ),
        "from the training images": (
            ratio_of(near=lambda a, b: nearest(b, a)),
            "your minimum runs over the wrong dimension: for each fake, the nearest training image (dim=1)",
        ),
        "fakes against test": (
            middle(nearest(fakes, test)) / middle(nearest(test, train)),
            "you compare the fakes with the test images: a copy is found among the training images",
        ),
        "training images among themselves": (
            middle(nearest(fakes, train)) / middle(lonely(train)),
            "you divide by the distances of training images to each other: the test images are the yardstick",
        ),
        "not divided": (
            middle(nearest(fakes, train)),
            "you return the fakes' distance alone: divide by the test images'",
        ),
        "difference": (
            middle(nearest(fakes, train)) - middle(nearest(test, train)),
            "you subtract: divide, so that the scale of the features does not matter",
        ),
        "ratio of minima": (
            nearest(fakes, train).min() / nearest(test, train).min(),
            "you compare the single nearest images: take the median over all of them",
        ),
    }


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 4: seed_verdict
# ---------------------------------------------------------------------------------------------------------------------

SEEDS = [  # figures of a, figures of b
    ([16.2, 18.9, 20.8], [10.3, 12.1, 13.9, 12.6]),  # a positive difference first: see difference_mistakes
    ([10.0, 12.0, 14.0], [16.0, 18.0, 20.0]),
    ([3.0, 5.0], [4.0, 3.5, 4.5, 4.0, 2.5]),
    ([10.0, 12.0, 14.0], [11.0, 15.0, 16.0]),
    ([0.71, 0.69, 0.74, 0.70], [0.66, 0.61]),
    ([20.1, 19.2, 20.6], [15.0, 18.0, 15.5, 16.0]),
    ([6.0, 6.5, 7.0], [7.6, 7.1, 8.5]),
]
PARTS = ("difference", "error", "verdict")


@exercise(CHAPTER)
def seed_verdict(answer: Callable) -> None:
    """answer(a, b, lower_is_better) -> (difference, standard error, "a", "b" or "cannot tell")."""
    for lower in (True, False):
        for a, b in SEEDS:
            inputs = list(a), list(b)
            got = answer(*inputs, lower)
            if inputs != (a, b):
                raise WrongAnswer("changes its input", "your function changed the lists it was given: work on copies")
            case = f"for a = {short(a)}, b = {short(b)}, lower_is_better={lower}"
            if not (isinstance(got, tuple | list) and len(got) == 3):
                raise WrongAnswer(
                    "type", f"{case} you return {type(got).__name__}: expected difference, error, verdict"
                )
            one_verdict(got, a, b, lower, case)


def short(values: list[float]) -> str:
    return "[" + ", ".join(f"{value:g}" for value in values) + "]"


def one_verdict(got: Any, a: list[float], b: list[float], lower: bool, case: str) -> None:
    x, y = torch.tensor(a, dtype=torch.float64), torch.tensor(b, dtype=torch.float64)
    difference, error = x.mean() - y.mean(), (x.var() / len(x) + y.var() / len(y)).sqrt()
    compare(number(got[0], "your difference"), difference, f"{case} your difference", difference_mistakes(x, y))
    compare(number(got[1], "your standard error"), error, f"{case} your standard error", error_mistakes(x, y))
    better = "a" if (difference < 0) == lower else "b"
    wanted = better if difference.abs() > 2 * error else "cannot tell"
    if got[2] == wanted:
        return
    numbers = f"the difference is {float(difference):.3g}, two standard errors are {float(2 * error):.3g}"
    if got[2] not in ("a", "b", "cannot tell"):
        raise WrongAnswer("no verdict", f'{case} your verdict is {got[2]!r}, expected "a", "b" or "cannot tell"')
    if wanted == "cannot tell":
        if difference.abs() > error:
            raise WrongAnswer(
                "one standard error", f"{case} you name a winner: {numbers}; one standard error is not enough"
            )
        raise WrongAnswer("always a winner", f'{case} you name a winner: {numbers}, so it is "cannot tell"')
    if got[2] == "cannot tell":
        raise WrongAnswer("never sure", f'{case} you say "cannot tell": {numbers}, so there is a winner')
    if not lower:
        raise WrongAnswer(
            "direction ignored",
            f"{case} you name {got[2]!r}: here a higher figure is better, look at the third argument",
        )
    raise WrongAnswer("loser named", f"{case} you name {got[2]!r}: with lower_is_better the smaller mean wins")


def difference_mistakes(x: Tensor, y: Tensor) -> dict[str, tuple[Tensor, str]]:
    right = x.mean() - y.mean()
    reversed_ = (-right, "your difference has the wrong sign: mean of a minus mean of b")
    absolute = (-right, "you drop the sign: mean of a minus mean of b may be negative")
    return {
        **({"reversed": reversed_} if right > 0 else {"absolute": absolute}),
        "medians": (x.quantile(0.5) - y.quantile(0.5), "those are medians: take the means"),
        "best seeds": (x.min() - y.min(), "you compare the smallest values: a lucky seed decides; take the means"),
        "largest seeds": (x.max() - y.max(), "you compare the largest values: a lucky seed decides; take the means"),
        "sums": (x.sum() - y.sum(), "you compare sums: with other numbers of seeds they say nothing; take the means"),
    }


def error_mistakes(x: Tensor, y: Tensor) -> dict[str, tuple[Tensor, str]]:
    """What each misconception would give."""
    n, m = len(x), len(y)
    u, v = x.var(), y.var()
    plain_u, plain_v = x.var(correction=0), y.var(correction=0)
    return {
        "population deviation": (
            (plain_u / n + plain_v / m).sqrt(),
            "your variances divide by n: the mean was estimated from the same seeds, so divide by n - 1",
        ),
        "not divided by n": (
            (u + v).sqrt(),
            "that is the spread of single seeds: the variance of a mean is the variance divided by n",
        ),
        "root forgotten": (u / n + v / m, "that is the squared error: take the root"),
        "errors added": (
            (u / n).sqrt() + (v / m).sqrt(),
            "you added two standard errors: add the variances, then take one root",
        ),
        "divided by n, not its root": (
            ((u.sqrt() / n).square() + (v.sqrt() / m).square()).sqrt(),
            "you divided the deviations by n: the error of a mean falls with the root of n",
        ),
        "deviations for variances": (
            (u.sqrt() / n + v.sqrt() / m).sqrt(),
            "you used deviations under the root: there the variances belong",
        ),
        "variances subtracted": (
            (u / n - v / m).abs().sqrt(),
            "you subtracted the variances: the uncertainties of both add up",
        ),
        "one of the two": ((u / n).sqrt(), "that is the error of a alone: b is uncertain too"),
        "one of the two, b": ((v / m).sqrt(), "that is the error of b alone: a is uncertain too"),
        "pooled seeds": (
            torch.cat([x, y]).var().div(n + m).sqrt(),
            "you put all seeds into one heap: its spread contains the difference itself",
        ),
        "one n for both": (
            ((u + v) / n).sqrt(),
            "you divided both variances by the number of a's seeds: b has its own",
        ),
        "doubled": (2 * (u / n + v / m).sqrt(), "return the standard error itself; the factor 2 is for the verdict"),
    }
