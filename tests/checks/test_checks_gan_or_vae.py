"""Chapter 11's exercises: the solutions pass, and each misconception is rejected under its own name."""

from __future__ import annotations

import statistics
import textwrap

import pytest
import torch
from bank import Bank, BankTests, changed

HEADS = {
    "frechet_gaussians": "def frechet_gaussians(mean_a, cov_a, mean_b, cov_b):",
    "draw_codes": "def draw_codes(codes, noise):",
    "copy_ratio": "def copy_ratio(fakes, test, train):",
    "seed_verdict": "def seed_verdict(a, b, lower_is_better):",
}

FRECHET = """
roots = torch.linalg.eigvals(cov_a @ cov_b).real.clamp(min=0).sqrt()
means = ((mean_a - mean_b) ** 2).sum()
return means + torch.trace(cov_a) + torch.trace(cov_b) - 2 * roots.sum()
"""
SYMMETRIC = """
values, vectors = torch.linalg.eigh(cov_a)
half_a = vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.T
values, vectors = torch.linalg.eigh(cov_b)
half_b = vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.T
values, vectors = torch.linalg.eigh(half_a @ cov_b @ half_a)
R = vectors @ torch.diag(values.clamp(min=0).sqrt()) @ vectors.T
means = ((mean_a - mean_b) ** 2).sum()
return means + torch.trace(cov_a + cov_b - 2 * R)
"""
DRAWS = """
mean = codes.mean(dim=0)
C = (codes - mean).T @ (codes - mean) / (len(codes) - 1)
L = torch.linalg.cholesky(C)
return mean + noise @ L.T
"""
COPY = """
mine = torch.cdist(fakes, train).min(dim=1).values
theirs = torch.cdist(test, train).min(dim=1).values
return mine.quantile(0.5) / theirs.quantile(0.5)
"""
VERDICT = """
x, y = torch.tensor(a, dtype=torch.float64), torch.tensor(b, dtype=torch.float64)
difference = x.mean() - y.mean()
error = (x.var() / len(x) + y.var() / len(y)).sqrt()
if difference.abs() <= 2 * error:
    return difference, error, "cannot tell"
if lower_is_better:
    return difference, error, "a" if difference < 0 else "b"
return difference, error, "a" if difference > 0 else "b"
"""

RIGHT = {
    "frechet_gaussians": [
        FRECHET,
        SYMMETRIC,
        """
        values, vectors = torch.linalg.eigh(cov_a)
        half = vectors * values.clamp(min=0).sqrt()
        values, vectors = torch.linalg.eigh(cov_b)
        other = vectors * values.clamp(min=0).sqrt()
        cross = torch.linalg.svdvals(half.T @ other).sum()
        return float(torch.dist(mean_a, mean_b) ** 2 + cov_a.trace() + cov_b.trace() - 2 * cross)
        """,
        """
        A, B = cov_a.numpy(), cov_b.numpy()
        roots = np.sqrt(np.linalg.eigvals(A @ B).astype(complex)).real
        return np.sum((mean_a.numpy() - mean_b.numpy()) ** 2) + np.trace(A + B) - 2 * roots.sum()
        """,
    ],
    "draw_codes": [
        DRAWS,
        """
        L = torch.linalg.cholesky(torch.atleast_2d(torch.cov(codes.T)))
        return codes.mean(0) + torch.einsum("ij,mj->mi", L, noise)
        """,
        """
        mean = codes.mean(dim=0)
        _, s, V = torch.linalg.svd(codes - mean, full_matrices=False)
        return mean + (noise * s / (len(codes) - 1) ** 0.5) @ V
        """,
        """
        values, vectors = torch.linalg.eigh(torch.atleast_2d(torch.cov(codes.T)))
        return codes.mean(dim=0) + noise @ (vectors * values.sqrt()) @ vectors.T
        """,
        """
        normal = torch.distributions.MultivariateNormal(codes.mean(0), torch.atleast_2d(torch.cov(codes.T)))
        return normal.loc + noise @ normal.scale_tril.T
        """,
    ],
    "copy_ratio": [
        COPY,
        """
        def nearest(a):
            return statistics.median(min(math.dist(x, y) for y in train.tolist()) for x in a.tolist())
        return nearest(fakes) / nearest(test)
        """,
        """
        mine = ((fakes[:, None] - train) ** 2).sum(-1).sqrt().amin(1)
        theirs = ((test[:, None] - train) ** 2).sum(-1).sqrt().amin(1)
        return np.median(mine.numpy()) / np.median(theirs.numpy())
        """,
    ],
    "seed_verdict": [
        VERDICT,
        """
        d = np.mean(a) - np.mean(b)
        e = np.sqrt(np.var(a, ddof=1) / len(a) + np.var(b, ddof=1) / len(b))
        if not lower_is_better:
            return d, e, "a" if d > 2 * e else "b" if d < -2 * e else "cannot tell"
        return d, e, "a" if d < -2 * e else "b" if d > 2 * e else "cannot tell"
        """,
        """
        n, m = len(a), len(b)
        d = sum(a) / n - sum(b) / m
        e = math.hypot(statistics.stdev(a) / math.sqrt(n), statistics.stdev(b) / math.sqrt(m))
        winner = "ab"[(d > 0) == bool(lower_is_better)]
        return [d, e, winner if abs(d) > 2 * e else "cannot tell"]
        """,
    ],
}

WRONG = [
    (
        "frechet_gaussians",
        "as if symmetric",
        changed(FRECHET, "eigvals(cov_a @ cov_b).real.clamp(min=0)", "eigvalsh(cov_a @ cov_b)"),
    ),
    ("frechet_gaussians", "flat clouds", changed(FRECHET, ".clamp(min=0)", "") + "\n"),
    ("frechet_gaussians", "flat clouds", changed(SYMMETRIC, ".clamp(min=0)", "")),
    (
        "frechet_gaussians",
        "flat clouds",
        """
        L = torch.linalg.cholesky(cov_a)
        cross = torch.linalg.eigvalsh(L.T @ cov_b @ L).sqrt().sum()
        return torch.dist(mean_a, mean_b) ** 2 + cov_a.trace() + cov_b.trace() - 2 * cross
        """,
    ),
    ("frechet_gaussians", "complex", changed(FRECHET, ".real.clamp(min=0)", "")),
    ("frechet_gaussians", "changes its input", "cov_a += 1e-6 * torch.eye(len(cov_a))\n" + FRECHET.strip()),
    ("frechet_gaussians", "several numbers", changed(FRECHET, "roots.sum()", "roots")),
    ("frechet_gaussians", "type", changed(FRECHET, "return means", "print(means").strip() + ")"),
    ("frechet_gaussians", "float32", changed(FRECHET, "cov_a @ cov_b", "(cov_a @ cov_b).float()")),
    ("frechet_gaussians", "wrong", changed(FRECHET, "return means", "return 0.9 * means")),
    ("frechet_gaussians", "wrong", "return 13.0"),
    ("draw_codes", "correlation for covariance", changed(DRAWS, "cholesky(C)", "cholesky(torch.corrcoef(codes.T))")),
    ("draw_codes", "noise ignored", changed(DRAWS, "noise @ L.T", "0 * noise")),
    ("draw_codes", "noise ignored", changed(DRAWS, "noise @ L.T", "noise[:1] @ L.T + 0 * noise")),
    ("draw_codes", "codes returned", "return codes[: len(noise)] + 0 * noise"),
    ("draw_codes", "draws its own noise", changed(DRAWS, "noise @ L.T", "torch.randn_like(noise) @ L.T")),
    (
        "draw_codes",
        "draws its own noise",
        """
        normal = torch.distributions.MultivariateNormal(codes.mean(0), torch.cov(codes.T))
        return normal.sample((len(noise),))
        """,
    ),
    ("draw_codes", "one dimension", "return codes.mean(0) + noise @ torch.linalg.cholesky(torch.cov(codes.T)).T"),
    ("draw_codes", "not row by row", changed(DRAWS, "noise @", "noise.sort(dim=0).values @")),
    ("draw_codes", "no gradient", changed(DRAWS, "noise @", "noise.detach() @")),
    ("draw_codes", "no gradient", "with torch.no_grad():\n" + textwrap.indent(DRAWS.strip(), "    ")),
    ("draw_codes", "changes its input", "codes -= codes.mean(dim=0)\n" + DRAWS.strip()),
    ("draw_codes", "changes its input", changed(DRAWS, "return", "noise.data.mul_(2)\nreturn")),
    ("draw_codes", "shape", changed(DRAWS, "noise @ L.T", "noise[:2] @ L.T")),
    (
        "draw_codes",
        "type",
        changed(DRAWS, "noise @ L.T", "noise @ L.T").replace("return ", "return (").rstrip() + ").tolist()",
    ),
    ("draw_codes", "wrong", changed(DRAWS, "noise @ L.T", "1.1 * noise @ L.T")),
    ("copy_ratio", "several numbers", changed(COPY, "mine.quantile(0.5) /", "mine /")),
    ("copy_ratio", "several numbers", changed(COPY, "quantile(0.5) / theirs", "quantile(0.5), theirs")),
    ("copy_ratio", "exact copies", changed(COPY, "return", "mine = mine + 0.01 * (mine.max() == 0)\nreturn")),
    (
        "copy_ratio",
        "digits cancel",
        """
        def nearest(a):
            squares = (a * a).sum(1)[:, None] + (train * train).sum(1) - 2 * a @ train.T
            return squares.clamp(min=0).sqrt().amin(1)
        return nearest(fakes).quantile(0.5) / nearest(test).quantile(0.5)
        """,
    ),
    ("copy_ratio", "changes its input", "train -= train.mean(dim=0)\n" + COPY.strip()),
    ("copy_ratio", "type", changed(COPY, "return", "ratio =")),
    ("copy_ratio", "wrong", changed(COPY, "return", "return 0.9 *")),
    ("copy_ratio", "wrong", "return 0.375"),
    ("seed_verdict", "reversed", changed(VERDICT, "x.mean() - y.mean()", "y.mean() - x.mean()")),
    ("seed_verdict", "best seeds", "return min(a) - min(b), 0.0, 'a'"),
    ("seed_verdict", "largest seeds", "return max(a) - max(b), 0.0, 'a'"),
    ("seed_verdict", "sums", changed(VERDICT, "x.mean() - y.mean()", "x.sum() - y.sum()")),
    ("seed_verdict", "population deviation", changed(VERDICT, "var()", "var(correction=0)")),
    ("seed_verdict", "not divided by n", changed(VERDICT, " / len(x)", "", " / len(y)", "")),
    ("seed_verdict", "root forgotten", changed(VERDICT, ".sqrt()", "")),
    (
        "seed_verdict",
        "errors added",
        changed(
            VERDICT, "(x.var() / len(x) + y.var() / len(y)).sqrt()", "x.std() / len(x) ** 0.5 + y.std() / len(y) ** 0.5"
        ),
    ),
    (
        "seed_verdict",
        "divided by n, not its root",
        changed(VERDICT, "x.var() / len(x)", "(x.std() / len(x)) ** 2", "y.var() / len(y)", "(y.std() / len(y)) ** 2"),
    ),
    ("seed_verdict", "deviations for variances", changed(VERDICT, "var()", "std()")),
    (
        "seed_verdict",
        "variances subtracted",
        changed(VERDICT, "len(x) + y.var()", "len(x) - y.var()", ").sqrt()", ").abs().sqrt()"),
    ),
    ("seed_verdict", "one of the two", changed(VERDICT, " + y.var() / len(y)", "")),
    ("seed_verdict", "one of the two, b", changed(VERDICT, "x.var() / len(x) + ", "")),
    (
        "seed_verdict",
        "pooled seeds",
        changed(
            VERDICT,
            "(x.var() / len(x) + y.var() / len(y)).sqrt()",
            "torch.cat([x, y]).std() / (len(x) + len(y)) ** 0.5",
        ),
    ),
    ("seed_verdict", "doubled", changed(VERDICT, "error = ", "error = 2 * ")),
    ("seed_verdict", "always a winner", changed(VERDICT, "<= 2 * error", "< 0")),
    ("seed_verdict", "never sure", changed(VERDICT, "2 * error", "20 * error")),
    ("seed_verdict", "limit too high", changed(VERDICT, "2 * error", "2.2 * error")),
    ("seed_verdict", "at the limit", changed(VERDICT, "<= 2 * error", "< 2 * error")),
    (
        "seed_verdict",
        "no spread",
        """
        d = statistics.mean(a) - statistics.mean(b)
        e = math.sqrt(statistics.variance(a) / len(a) + statistics.variance(b) / len(b))
        return d, e, "cannot tell" if abs(d / e) <= 2 else "ab"[(d > 0) == lower_is_better]
        """,
    ),
    ("seed_verdict", "no verdict", changed(VERDICT, '"cannot tell"', "None")),
    ("seed_verdict", "no verdict", changed(VERDICT, '"a" if', '"first" if')),
    ("seed_verdict", "changes its input", "a.sort(reverse=True)\n" + VERDICT.strip()),
    ("seed_verdict", "type", "return 'cannot tell'"),
    ("seed_verdict", "wrong", changed(VERDICT, "x.mean() -", "0.9 * x.mean() -")),
    ("seed_verdict", "wrong", changed(VERDICT, "error = ", "error = 1.1 * ")),
]


BANK = Bank("11_gan_or_vae", HEADS, RIGHT, WRONG, space={"statistics": statistics})


class TestBank(BankTests):
    bank = BANK


def test_the_examples_on_the_cards() -> None:
    tensor = torch.tensor
    a, b = torch.zeros(2).double(), tensor([3.0, 0.0]).double()
    found = BANK.cell("solutions", "frechet_gaussians")(
        a, tensor([1.0, 4.0]).double().diag(), b, tensor([9.0, 4.0]).double().diag()
    )
    assert found == pytest.approx(13)
    drawn = BANK.cell("solutions", "draw_codes")(tensor([[1.0, 0], [3, 2], [2, 4]]).double(), torch.eye(2).double())
    torch.testing.assert_close(drawn, tensor([[3.0, 3.0], [2.0, 2 + 3**0.5]]).double())
    one = [tensor(values)[:, None].double() for values in ([0.5, 9.0], [1.0, 4.0, 12.0], [0.0, 10.0])]
    assert BANK.cell("solutions", "copy_ratio")(*one) == pytest.approx(0.375)
    difference, error, verdict = BANK.cell("solutions", "seed_verdict")([10.0, 12, 14], [16.0, 18, 20], True)
    assert (difference, error, verdict) == (pytest.approx(-6), pytest.approx((8 / 3) ** 0.5), "a")
