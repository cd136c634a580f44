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
        "root of each element",
        changed(FRECHET, "roots.sum()", "torch.trace(torch.sqrt((cov_a @ cov_b).abs()))"),
    ),
    ("frechet_gaussians", "root forgotten", changed(FRECHET, ".clamp(min=0).sqrt()", "")),
    (
        "frechet_gaussians",
        "diagonals only",
        changed(FRECHET, "cov_a @ cov_b", "cov_a.diag().diag() @ cov_b.diag().diag()"),
    ),
    ("frechet_gaussians", "diagonals only", changed(FRECHET, "roots.sum()", "torch.trace(torch.sqrt(cov_a * cov_b))")),
    ("frechet_gaussians", "element by element", changed(FRECHET, "cov_a @ cov_b", "cov_a * cov_b")),
    ("frechet_gaussians", "as if symmetric", changed(FRECHET, "eigvals(cov_a @ cov_b).real", "eigh(cov_a @ cov_b)[0]")),
    (
        "frechet_gaussians",
        "as if symmetric",
        changed(FRECHET, "eigvals(cov_a @ cov_b).real.clamp(min=0)", "eigvalsh(cov_a @ cov_b)"),
    ),
    ("frechet_gaussians", "product of roots", changed(SYMMETRIC, "* R)", "* half_a @ half_b)")),
    (
        "frechet_gaussians",
        "means averaged",
        changed(FRECHET, "((mean_a - mean_b) ** 2).sum()", "F.mse_loss(mean_a, mean_b)"),
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
    (
        "frechet_gaussians",
        "something added to the covariances",
        "I = 1e-6 * torch.eye(len(cov_a))\ncov_a, cov_b = cov_a + I, cov_b + I\n" + FRECHET.strip(),
    ),
    ("frechet_gaussians", "complex", changed(FRECHET, ".real.clamp(min=0)", "")),
    ("frechet_gaussians", "changes its input", "cov_a += 1e-6 * torch.eye(len(cov_a))\n" + FRECHET.strip()),
    ("frechet_gaussians", "several numbers", changed(FRECHET, "roots.sum()", "roots")),
    ("frechet_gaussians", "type", changed(FRECHET, "return means", "print(means").strip() + ")"),
    ("frechet_gaussians", "float32", changed(FRECHET, "cov_a @ cov_b", "(cov_a @ cov_b).float()")),
    ("frechet_gaussians", "wrong", changed(FRECHET, "return means", "return 0.9 * means")),
    ("frechet_gaussians", "wrong", "return 13.0"),
    ("draw_codes", "mean forgotten", changed(DRAWS, "return mean +", "return")),
    ("draw_codes", "mean subtracted", changed(DRAWS, "return mean +", "return -mean +")),
    ("draw_codes", "one mean for all", changed(DRAWS, "return mean +", "return codes.mean() +")),
    ("draw_codes", "median for the mean", changed(DRAWS, "return mean +", "return codes.median(dim=0).values +")),
    ("draw_codes", "first code for the mean", changed(DRAWS, "return mean +", "return codes[0] +")),
    ("draw_codes", "noise unscaled", changed(DRAWS, "noise @ L.T", "noise")),
    ("draw_codes", "only the diagonal", changed(DRAWS, "noise @ L.T", "noise * codes.std(dim=0)")),
    ("draw_codes", "variance for deviation", changed(DRAWS, "noise @ L.T", "noise * codes.var(dim=0)")),
    ("draw_codes", "covariance for its factor", changed(DRAWS, "L.T", "C")),
    ("draw_codes", "transposed factor", changed(DRAWS, "L.T", "L")),
    ("draw_codes", "correlation for covariance", changed(DRAWS, "cholesky(C)", "cholesky(torch.corrcoef(codes.T))")),
    ("draw_codes", "inverse", changed(DRAWS, "cholesky(C)", "cholesky(torch.linalg.inv(C))")),
    ("draw_codes", "root of each element", changed(DRAWS, "torch.linalg.cholesky(C)", "C.clamp(min=0).sqrt()")),
    ("draw_codes", "mean not subtracted", changed(DRAWS, "(codes - mean)", "codes")),
    ("draw_codes", "divided by N", changed(DRAWS, "(len(codes) - 1)", "len(codes)")),
    ("draw_codes", "not divided", changed(DRAWS, " / (len(codes) - 1)", "")),
    ("draw_codes", "one spread for all", changed(DRAWS, "noise @ L.T", "noise * codes.std()")),
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
    (
        "draw_codes",
        "depends on the other rows",
        changed(DRAWS, "mean + noise", "mean + (noise - (len(noise) == 7) * noise.mean(dim=0))"),
    ),
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
    (
        "copy_ratio",
        "upside down",
        changed(COPY, "mine.quantile(0.5) / theirs.quantile(0.5)", "theirs.quantile(0.5) / mine.quantile(0.5)"),
    ),
    ("copy_ratio", "mean for median", changed(COPY, "quantile(0.5)", "mean()")),
    ("copy_ratio", "lower median", changed(COPY, "quantile(0.5)", "median()")),
    ("copy_ratio", "squared distances", changed(COPY, ".values", ".values ** 2")),
    ("copy_ratio", "city blocks", changed(COPY, ", train)", ", train, p=1)")),
    ("copy_ratio", "farthest", changed(COPY, "min(dim=1)", "max(dim=1)")),
    ("copy_ratio", "all distances", changed(COPY, ".min(dim=1).values", ".flatten()")),
    ("copy_ratio", "mean over the training images", changed(COPY, ".min(dim=1).values", ".mean(dim=1)")),
    ("copy_ratio", "from the training images", changed(COPY, "dim=1", "dim=0")),
    ("copy_ratio", "fakes against test", changed(COPY, "(fakes, train)", "(fakes, test)")),
    (
        "copy_ratio",
        "training images among themselves",
        changed(
            COPY,
            "torch.cdist(test, train)",
            "(torch.cdist(train, train) + torch.diag(torch.full((len(train),), torch.inf)))",
        ),
    ),
    ("copy_ratio", "not divided", changed(COPY, " / theirs.quantile(0.5)", "")),
    ("copy_ratio", "difference", changed(COPY, " / ", " - ")),
    ("copy_ratio", "ratio of minima", changed(COPY, "quantile(0.5)", "min()")),
    ("copy_ratio", "several numbers", changed(COPY, "mine.quantile(0.5) /", "mine /")),
    ("copy_ratio", "several numbers", changed(COPY, "quantile(0.5) / theirs", "quantile(0.5), theirs")),
    ("copy_ratio", "exact copies", changed(COPY, "return", "mine = mine + 0.01 * (mine.max() == 0)\nreturn")),
    ("copy_ratio", "changes its input", "train -= train.mean(dim=0)\n" + COPY.strip()),
    ("copy_ratio", "type", changed(COPY, "return", "ratio =")),
    ("copy_ratio", "wrong", changed(COPY, "return", "return 0.9 *")),
    ("copy_ratio", "wrong", "return 0.375"),
    ("seed_verdict", "reversed", changed(VERDICT, "x.mean() - y.mean()", "y.mean() - x.mean()")),
    ("seed_verdict", "absolute", changed(VERDICT, "return difference,", "return difference.abs(),")),
    (
        "seed_verdict",
        "medians",
        changed(VERDICT, "x.mean() - y.mean()", "torch.tensor(statistics.median(a) - statistics.median(b))"),
    ),
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
    ("seed_verdict", "one n for both", changed(VERDICT, "len(y)", "len(x)")),
    ("seed_verdict", "doubled", changed(VERDICT, "error = ", "error = 2 * ")),
    ("seed_verdict", "always a winner", changed(VERDICT, "<= 2 * error", "< 0")),
    ("seed_verdict", "one standard error", changed(VERDICT, "2 * error", "error")),
    ("seed_verdict", "never sure", changed(VERDICT, "2 * error", "20 * error")),
    ("seed_verdict", "never sure", changed(VERDICT, "difference.abs()", "difference")),
    ("seed_verdict", "direction ignored", changed(VERDICT, "if lower_is_better", "if True")),
    ("seed_verdict", "loser named", changed(VERDICT, "if lower_is_better", "if not lower_is_better")),
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

    def test_torch_is_left_as_it_was(self, name: str) -> None:
        super().test_torch_is_left_as_it_was(name)
        if name == "draw_codes":
            before = torch.get_rng_state()
            self.bank.rejection(name, self.bank.program(name, "return torch.randn_like(noise)"))
            assert torch.equal(before, torch.get_rng_state())


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
