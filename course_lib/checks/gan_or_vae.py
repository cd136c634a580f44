"""Checks of chapter 11: Fréchet distance, draws from fitted codes, a ratio that finds copiers, a verdict over seeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from course_lib.checks.compare import same
from course_lib.checks.core import exercise
from course_lib.checks.formula import Case, Formula, Sight, normal
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
    "for a covariance flat in some directions you return {}: clamp the eigenvalues at 0 before the root (there is no "
    "Cholesky factor)"
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

MORE = 7  # rows of noise after the zeros and the unit vectors
CODES = [(40, 3, 1), (9, 5, 1), (60, 2, 1e4), (30, 2, 1e-4), (25, 1, 1)]  # number, dimensions, size


def mixing(width: int) -> Tensor:
    """How the last rows of the noise are made of the unit vectors, [MORE, D]."""
    return normal(torch.Generator().manual_seed(width), MORE, width)


def fitted(generator: torch.Generator) -> Iterator[Case]:
    """Codes, and noise that shows the mean, the factor's columns, and whether draws are linear in their own row."""
    for count, width, size in CODES:
        codes = normal(generator, count, width) @ (normal(generator, width, width) + torch.eye(width))
        codes = codes * (1 + 2 * torch.rand(width, generator=generator)) + 3 * normal(generator, width)
        noise = torch.cat([torch.zeros(1, width).double(), torch.eye(width).double(), mixing(width)])
        yield {"codes": size * codes, "noise": noise}


def parts_of_draws(got: Any) -> tuple[Tensor, Tensor, bool]:
    """The mean, the covariance F Fᵀ, and whether each draw is mean + F @ its own noise: any such F will do."""
    if not isinstance(got, Tensor):
        raise WrongAnswer("type", f"your result is a {type(got).__name__}, expected a tensor")
    width = got.shape[-1] if got.ndim == 2 else 0
    if got.shape != (1 + width + MORE, width):
        raise WrongAnswer(
            "shape", f"for noise with {MORE + 1} rows more than columns you return {list(got.shape)}: a draw a row"
        )
    mean, columns, others = got[0], got[1 : 1 + width] - got[0], got[1 + width :]
    return mean, columns.T @ columns, same(others, mean + mixing(width) @ columns, 1e-7)


def covariance_of(codes: Tensor) -> Tensor:
    return torch.atleast_2d(codes.T.cov())


def draws(
    codes: Tensor,
    noise: Tensor,
    *,
    mean: Callable[[Tensor], Tensor] = lambda codes: codes.mean(dim=0),
    factor: Callable[[Tensor], Tensor] = torch.linalg.cholesky,
    spread: Callable[[Tensor], Tensor] = covariance_of,
) -> Tensor:
    """From the Gaussian fitted to the codes; the options are what the mistakes change."""
    return mean(codes) + noise @ factor(spread(codes)).T


def refuse_other_noise(answer: Callable) -> None:
    """Before the cases, whose random numbers are the same in every call."""
    case = next(fitted(torch.Generator().manual_seed(0)))
    state = torch.get_rng_state()
    got = answer(*case.values())
    if not torch.equal(state, torch.get_rng_state()):
        raise WrongAnswer("draws its own noise", "your function draws random numbers: the noise is given, use it")
    if isinstance(got, Tensor) and got.shape == case["noise"].shape and (nearest(got, case["codes"]) < 1e-9).all():
        raise WrongAnswer("codes returned", "your draws are codes from the list: draw new ones")


def expect_gradients(answer: Callable) -> None:
    """Of right draws for the noise, whatever the factor is."""
    for case in fitted(torch.Generator().manual_seed(1)):
        noise = case["noise"].clone().requires_grad_()
        with torch.enable_grad():
            got = answer(case["codes"], noise)
        if not got.requires_grad:
            raise WrongAnswer(
                "no gradient", "right draws, but no gradient gets through to the noise: leave out .detach()"
            )
        direction = normal(torch.Generator().manual_seed(2), *got.shape)
        (gradient,) = torch.autograd.grad(got, noise, direction)
        columns = (got[1 : 1 + noise.shape[1]] - got[0]).detach()
        if not same(gradient, direction @ columns.T, 1e-7):
            raise WrongAnswer("wrong gradient", "right draws, but the gradient for the noise is wrong")


draw_codes = exercise(CHAPTER, "draw_codes")(
    Formula(
        draws,
        fitted,
        read=parts_of_draws,
        what="(mean, covariance, row by row) of your draws",
        first=(refuse_other_noise,),
        also=(expect_gradients,),
        wrong={
            "mean forgotten": (
                partial(draws, mean=lambda codes: torch.zeros(codes.shape[1]).double()),
                "a noise of zeros gives zeros: the mean of the codes is missing",
            ),
            "mean subtracted": (partial(draws, mean=lambda codes: -codes.mean(dim=0)), "you subtract the mean: add it"),
            "one mean for all": (
                partial(draws, mean=torch.mean),
                "one mean for all dimensions: each has its own, codes.mean(dim=0)",
            ),
            "median for the mean": (
                partial(draws, mean=lambda codes: codes.median(dim=0).values),
                "that is the median of the codes: a Gaussian has their mean",
            ),
            "first code for the mean": (
                partial(draws, mean=lambda codes: codes[0]),
                "a noise of zeros gives the first code: it should give the mean of all",
            ),
            "noise unscaled": (
                partial(draws, factor=lambda C: torch.eye(len(C)).double()),
                "your draws have covariance 1: multiply the noise by a factor of it",
            ),
            "only the diagonal": (
                partial(draws, factor=lambda C: C.diagonal().sqrt().diag()),
                "only the variances are right: the dimensions of your draws do not vary together as the codes do",
            ),
            "variance for deviation": (
                partial(draws, factor=lambda C: C.diagonal().diag()),
                "you multiply by variances, without their root, and forget how dimensions vary together",
            ),
            "covariance for its factor": (
                partial(draws, factor=lambda C: C),
                "you multiply the noise by the covariance itself: multiply by a factor L with L @ L.T = covariance",
            ),
            "transposed factor": (
                partial(draws, factor=lambda C: torch.linalg.cholesky(C).T),
                "the factor is transposed: with noise in rows it is noise @ L.T, not noise @ L",
            ),
            "correlation for covariance": (
                partial(
                    draws,
                    factor=lambda C: torch.linalg.cholesky(C / C.diagonal().sqrt() / C.diagonal().sqrt()[:, None]),
                ),
                "you use correlations: they forget how widely each dimension varies",
            ),
            "inverse": (
                partial(draws, factor=lambda C: torch.linalg.cholesky(torch.linalg.inv(C))),
                "your draws have the inverse of the covariance: leave out the inverse",
            ),
            "root of each element": (
                partial(draws, factor=lambda C: C.clamp_min(0).sqrt()),
                "you took the root of each element of the covariance: use torch.linalg.cholesky",
            ),
            "mean not subtracted": (
                partial(draws, spread=lambda codes: codes.T @ codes / (len(codes) - 1)),
                "your covariance is taken around 0: subtract the mean from the codes first",
            ),
            "divided by N": (
                partial(draws, spread=lambda codes: torch.atleast_2d(codes.T.cov(correction=0))),
                "you divide by N: divide by N - 1, as torch.cov does",
            ),
            "not divided": (
                partial(draws, spread=lambda codes: covariance_of(codes) * (len(codes) - 1)),
                "you summed products of distances and did not divide by N - 1",
            ),
            "one spread for all": (
                partial(draws, spread=lambda codes: codes.var() * torch.eye(codes.shape[1]).double()),
                "one spread for all dimensions: use the covariance of the codes",
            ),
            "depends on the other rows": (
                lambda codes, noise: draws(codes, noise - noise.mean(dim=0)),
                "you subtract the mean of the noise: then a draw depends on the noise of the others; take it as it is",
            ),
            "noise standardised": (
                lambda codes, noise: draws(codes, (noise - noise.mean(dim=0)) / noise.std(dim=0)),
                "you standardise the noise: then a draw depends on the noise of the others; take it as it is",
            ),
            "something added to the covariance": (
                partial(draws, factor=lambda C: torch.linalg.cholesky(C + 1e-6 * torch.eye(len(C)).double())),
                "something small is added to the covariance: with more codes than dimensions it is not needed, and "
                "codes of size 1e-4 drown in it",
            ),
        },
        stops={
            "one dimension": (
                lambda case: case["codes"].shape[1] == 1,
                "right for several dimensions, but not for codes of shape [25, 1]: there torch.cov gives a "
                "number without axes; torch.atleast_2d makes it a matrix",
            )
        },
        signs={
            "noise ignored": (
                lambda case, got, right: not got.error and not got.value[1].any(),
                "draws from other noise are the same: each row of the noise makes its own draw",
            ),
            "not row by row": (
                lambda case, got, right: not got.error and not got.value[2],
                "a draw changes with the noise of other rows, or is no matrix times its noise: row by row, please",
            ),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 3: copy_ratio
# ---------------------------------------------------------------------------------------------------------------------

SETS = [  # fakes, test and training images, dimensions, the size of the numbers, how far away they are
    (7, 9, 15, 3, 1, 0),
    (12, 5, 11, 4, 1, 0),
    (8, 6, 4, 2, 1, 0),
    (5, 5, 5, 6, 1, 0),
    (1, 1, 1, 1, 1, 0),
    (6, 5, 7, 3, 1e-6, 0),
    (6, 7, 9, 3, 1, 1e5),
]


def sets(generator: torch.Generator) -> Iterator[Case]:
    """Fakes of every kind, then copies of training images."""
    for made, kept, learned, width, size, away in SETS:
        yield {
            "fakes": size * (2 * normal(generator, made, width) + 0.7) + away,
            "test": size * normal(generator, kept, width) + away,
            "train": size * (1.2 * normal(generator, learned, width) - 0.3) + away,
        }
    train = normal(generator, 6, 3)
    yield {"fakes": train[:4].clone(), "test": normal(generator, 5, 3), "train": train}


def between(a: Tensor, b: Tensor) -> Tensor:
    return (a[:, None] - b[None]).square().sum(dim=2).sqrt()


def middle(values: Tensor) -> Tensor:
    """The median; between the two middle values where their number is even."""
    return values.quantile(0.5)


def nearest(a: Tensor, b: Tensor) -> Tensor:
    """For each row of a the distance to the nearest of b."""
    return between(a, b).min(dim=1).values


def ratio(
    fakes: Tensor,
    test: Tensor,
    train: Tensor,
    *,
    of: Callable[[Tensor], Tensor] = middle,
    near: Callable[[Tensor, Tensor], Tensor] = nearest,
    compared: Callable[[Tensor, Tensor], Tensor] = torch.div,
) -> Tensor:
    """The options are what the mistakes change."""
    return compared(of(near(fakes, train)), of(near(test, train)))


def lonely(train: Tensor) -> Tensor:
    """For each training image the distance to the nearest other one."""
    return between(train, train).fill_diagonal_(math.inf).min(dim=1).values


def copies(case: Case) -> bool:
    return not bool(nearest(case["fakes"], case["train"]).any())


def digits_cancel(case: Case, got: Sight, right: Sight) -> bool:
    """Almost right, or no number, where distances are tiny beside the numbers they are between."""
    far = float(case["train"].abs().max()) > 1e4
    return (copies(case) or far) and not got.error and not abs(got.value - right.value) > 1e-3


copy_ratio = exercise(CHAPTER, "copy_ratio")(
    Formula(
        ratio,
        sets,
        read=number,
        wrong={
            "upside down": (
                partial(ratio, compared=lambda fakes, test: test / fakes),
                "your ratio is upside down: the fakes' distance goes above the line",
            ),
            "mean for median": (
                partial(ratio, of=torch.mean),
                "you average the distances: one odd image moves a mean; take the median",
            ),
            "lower median": (
                partial(ratio, of=torch.median),
                "for an even number of distances torch.median takes the lower of the two middle ones: use "
                "quantile(0.5)",
            ),
            "squared distances": (
                partial(ratio, near=lambda a, b: nearest(a, b).square()),
                "your distances are squared: take their root",
            ),
            "city blocks": (
                partial(ratio, near=lambda a, b: (a[:, None] - b[None]).abs().sum(dim=2).min(dim=1).values),
                "you add up absolute differences: use the Euclidean distance",
            ),
            "farthest": (
                partial(ratio, near=lambda a, b: between(a, b).max(dim=1).values),
                "you take the farthest training image: take the nearest, a minimum",
            ),
            "all distances": (
                partial(ratio, near=lambda a, b: between(a, b).flatten()),
                "you take the median of all distances: first the nearest training image of each, then the median",
            ),
            "mean over the training images": (
                partial(ratio, near=lambda a, b: between(a, b).mean(dim=1)),
                "you average the distances to all training images: only the nearest one tells a copy",
            ),
            "from the training images": (
                partial(ratio, near=lambda a, b: nearest(b, a)),
                "your minimum runs over the wrong dimension: for each fake, the nearest training image (dim=1)",
            ),
            "fakes against test": (
                lambda fakes, test, train: middle(nearest(fakes, test)) / middle(nearest(test, train)),
                "you compare the fakes with the test images: a copy is found among the training images",
            ),
            "training images among themselves": (
                lambda fakes, test, train: middle(nearest(fakes, train)) / middle(lonely(train)),
                "you divide by the distances of training images to each other: the test images are the yardstick",
            ),
            "not divided": (
                partial(ratio, compared=lambda fakes, test: fakes),
                "you return the fakes' distance alone: divide by the test images'",
            ),
            "difference": (
                partial(ratio, compared=torch.sub),
                "you subtract: divide, so that the scale of the features does not matter",
            ),
            "ratio of minima": (
                partial(ratio, of=torch.min),
                "you compare the single nearest images: take the median over all of them",
            ),
            "epsilon below": (
                partial(ratio, compared=lambda fakes, test: fakes / (test + 1e-8)),
                "something small is added below the line: features may be of size 1e-6, and test images are not 0 away",
            ),
        },
        signs={
            "digits cancel": (
                digits_cancel,
                "right in general, but not far from 0 or for exact copies: |a|² + |b|² - 2 a·b loses the digits there; "
                "subtract first, then square",
            ),
            "exact copies": (
                lambda case, got, right: copies(case),
                "right in general, but not 0 for exact copies of training images",
            ),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 4: seed_verdict
# ---------------------------------------------------------------------------------------------------------------------

SEEDS = [  # figures of a, figures of b
    ([16.2, 18.9, 20.8], [10.3, 12.1, 13.9, 12.6]),  # a positive difference first: whoever turns the sign shows
    ([10.0, 12.0, 14.0], [16.0, 18.0, 20.0]),
    ([3.0, 5.0], [4.0, 3.5, 4.5, 4.0, 2.5]),
    ([10.0, 12.0, 14.0], [11.0, 15.0, 16.0]),
    ([0.71, 0.69, 0.74, 0.70], [0.66, 0.61]),
    ([20.1, 19.2, 20.6], [15.0, 18.0, 15.5, 16.0]),
    ([6.0, 6.5, 7.0], [7.6, 7.1, 8.5]),
    ([10.0, 10.0, 10.0, 12.1], [12.0, 13.0, 13.0, 13.0]),  # apart, though not seed by seed
    ([1.0, 2.0], [3.0, 6.0]),  # seed by seed, though not apart
    ([0.0, 2.0], [2.98, 2.98]),  # 1.98 standard errors
    ([3.02, 3.02], [0.0, 2.0]),  # 2.02
    ([0.0, 2.0], [3.0, 3.0]),  # 2, which is not more than 2
    ([5.0, 5.0], [5.0, 5.0]),
    ([5.0, 5.0], [6.0, 6.0]),
]
VERDICTS = ("a", "b", "cannot tell")


def seeds(generator: torch.Generator) -> Iterator[Case]:
    """Every pair in units of its own, with which a verdict does not change: powers of two, which round nothing."""
    for lower in (True, False):
        for a, b in SEEDS:
            unit = 2.0 ** int(torch.randint(4, (), generator=generator))
            yield {"a": [unit * x for x in a], "b": [unit * x for x in b], "lower_is_better": lower}


def three(got: Any) -> tuple[Tensor, Tensor, str]:
    if not (isinstance(got, tuple | list) and len(got) == 3):
        raise WrongAnswer("type", f"you return {type(got).__name__}: expected difference, error, verdict")
    if not (isinstance(got[2], str) and got[2] in VERDICTS):
        raise WrongAnswer("no verdict", f'your verdict is {got[2]!r:.40}, expected "a", "b" or "cannot tell"')
    return number(got[0], "your difference"), number(got[1], "your standard error"), got[2]


def error_of(x: Tensor, y: Tensor) -> Tensor:
    return (x.var() / len(x) + y.var() / len(y)).sqrt()


def far_apart(x: Tensor, y: Tensor, times: float = 2) -> bool:
    return bool((x.mean() - y.mean()).abs() > times * error_of(x, y))


def verdict(
    a: list[float],
    b: list[float],
    lower: bool,
    *,
    difference: Callable[[Tensor, Tensor], Tensor] = lambda x, y: x.mean() - y.mean(),
    error: Callable[[Tensor, Tensor], Tensor] = error_of,
    sure: Callable[[Tensor, Tensor], bool] = far_apart,
    a_wins: Callable[[bool, bool], bool] = lambda less, lower: less == lower,
) -> tuple[Tensor, Tensor, str]:
    """The options are what the mistakes change, one each: the other parts of the answer stay right."""
    x, y = torch.tensor(a, dtype=torch.float64), torch.tensor(b, dtype=torch.float64)
    better = "a" if a_wins(bool(x.mean() < y.mean()), lower) else "b"
    return difference(x, y), error(x, y), better if sure(x, y) else "cannot tell"


def middles(of: Callable[[Tensor], Tensor]) -> Callable:
    """A mistake in the difference: something else than the means is compared."""
    return partial(verdict, difference=lambda x, y: of(x) - of(y))


def limit(times: float) -> Callable:
    return partial(verdict, sure=partial(far_apart, times=times))


def seed_by_seed(x: Tensor, y: Tensor) -> bool:
    return bool(x.max() < y.min() or y.max() < x.min())


NAMES_A_WINNER = "for a = {a}, b = {b} you name a winner: "
NAMES_NONE = 'for a = {a}, b = {b} you say "cannot tell": '
seed_verdict = exercise(
    CHAPTER, "seed_verdict"
)(
    Formula(
        verdict,
        seeds,
        read=three,
        tolerance=1e-6,  # figures have few digits: torch.tensor(a) is good enough
        wrong={
            "reversed": (
                partial(verdict, difference=lambda x, y: y.mean() - x.mean()),
                "your difference has the wrong sign: mean of a minus mean of b",
            ),
            "absolute": (
                partial(verdict, difference=lambda x, y: (x.mean() - y.mean()).abs()),
                "you drop the sign: mean of a minus mean of b may be negative",
            ),
            "medians": (middles(lambda x: x.quantile(0.5)), "those are medians: take the means"),
            "best seeds": (
                middles(torch.min),
                "you compare the smallest values: a lucky seed decides; take the means",
            ),
            "largest seeds": (
                middles(torch.max),
                "you compare the largest values: a lucky seed decides; take the means",
            ),
            "sums": (
                middles(torch.sum),
                "you compare sums: with other numbers of seeds they say nothing; take the means",
            ),
            "population deviation": (
                partial(
                    verdict, error=lambda x, y: (x.var(correction=0) / len(x) + y.var(correction=0) / len(y)).sqrt()
                ),
                "your variances divide by n: the mean was estimated from the same seeds, so divide by n - 1",
            ),
            "not divided by n": (
                partial(verdict, error=lambda x, y: (x.var() + y.var()).sqrt()),
                "that is the spread of single seeds: the variance of a mean is the variance divided by n",
            ),
            "root forgotten": (
                partial(verdict, error=lambda x, y: error_of(x, y).square()),
                "that is the squared error: take the root",
            ),
            "errors added": (
                partial(verdict, error=lambda x, y: x.std() / len(x) ** 0.5 + y.std() / len(y) ** 0.5),
                "you added two standard errors: add the variances, then take one root",
            ),
            "divided by n, not its root": (
                partial(verdict, error=lambda x, y: ((x.std() / len(x)).square() + (y.std() / len(y)).square()).sqrt()),
                "you divided the deviations by n: the error of a mean falls with the root of n",
            ),
            "deviations for variances": (
                partial(verdict, error=lambda x, y: (x.std() / len(x) + y.std() / len(y)).sqrt()),
                "you used deviations under the root: there the variances belong",
            ),
            "variances subtracted": (
                partial(verdict, error=lambda x, y: (x.var() / len(x) - y.var() / len(y)).abs().sqrt()),
                "you subtracted the variances: the uncertainties of both add up",
            ),
            "one of the two": (
                partial(verdict, error=lambda x, y: (x.var() / len(x)).sqrt()),
                "that is the error of a alone: b is uncertain too",
            ),
            "one of the two, b": (
                partial(verdict, error=lambda x, y: (y.var() / len(y)).sqrt()),
                "that is the error of b alone: a is uncertain too",
            ),
            "pooled seeds": (
                partial(verdict, error=lambda x, y: torch.cat([x, y]).std() / (len(x) + len(y)) ** 0.5),
                "you put all seeds into one heap: its spread contains the difference itself",
            ),
            "one n for both": (
                partial(verdict, error=lambda x, y: ((x.var() + y.var()) / len(x)).sqrt()),
                "you divided both variances by the number of a's seeds: b has its own",
            ),
            "always three seeds": (
                partial(verdict, error=lambda x, y: ((x.var() + y.var()) / 3).sqrt()),
                "you divided both variances by 3: divide each by its own number of seeds, len(a) and len(b)",
            ),
            "doubled": (
                partial(verdict, error=lambda x, y: 2 * error_of(x, y)),
                "return the standard error itself; the factor 2 is for the verdict",
            ),
            "always a winner": (limit(0), NAMES_A_WINNER + "the difference is within two standard errors"),
            "one standard error": (
                limit(1),
                NAMES_A_WINNER + "the difference is larger than one standard error, but not than two",
            ),
            "limit too low": (
                limit(1.96),
                NAMES_A_WINNER + "the difference is 1.98 standard errors, and 2 are the limit (1.96 would be for known "
                "variances)",
            ),
            "limit too high": (
                limit(2.776),
                NAMES_NONE + "the difference is larger than two standard errors, which are the limit here",
            ),
            "never sure": (limit(math.inf), NAMES_NONE + "the difference is larger than two standard errors"),
            "at the limit": (
                partial(
                    verdict,
                    sure=lambda x, y: bool((x.mean() - y.mean()).abs() >= 2 * error_of(x, y)),
                ),
                NAMES_A_WINNER + "the difference has to be larger than two standard errors, here it is as large",
            ),
            "seed by seed": (
                partial(verdict, sure=seed_by_seed),
                "for a = {a}, b = {b} you ask whether every seed of one beats every seed of the other: compare the "
                "difference of the means with two standard errors",
            ),
            "one direction only": (
                partial(
                    verdict,
                    sure=lambda x, y: bool(x.mean() - y.mean() > 2 * error_of(x, y)),
                ),
                NAMES_NONE + "a difference below minus two standard errors tells as much; take its absolute value",
            ),
            "direction ignored": (
                partial(verdict, a_wins=lambda less, lower: less),
                "for lower_is_better={lower_is_better} you name the lower mean: look at the third argument",
            ),
            "higher always": (
                partial(verdict, a_wins=lambda less, lower: not less),
                "for lower_is_better={lower_is_better} you name the higher mean: look at the third argument",
            ),
            "loser named": (
                partial(verdict, a_wins=lambda less, lower: less != lower),
                "for a = {a}, b = {b}, lower_is_better={lower_is_better} you name the loser",
            ),
        },
        stops={
            "no spread": (
                lambda case: len(set(case["a"])) == len(set(case["b"])) == 1,
                "for a = {a}, b = {b} the standard error is 0, and you divide by it: compare with 2 * error instead",
            )
        },
    )
)
