"""Chapter 7's exercises: the solutions pass, and each misconception is rejected under its own name."""

from __future__ import annotations

import itertools

import pytest
import torch
from bank import Bank, BankTests, changed
from torch import nn

from course_lib import checks, metrics
from course_lib.checks import stable_training as check
from course_lib.gan import stable_training
from course_lib.gan.points import ring
from course_lib.gan.stable_training import Relativistic, slopes, zero_centred_penalty

HEADS = {
    "relativistic_losses": "def relativistic_losses(real_logits, fake_logits):",
    "r1_penalty": "def r1_penalty(discriminator, images):",
    "gradient_penalty": "def gradient_penalty(critic, real, fake):",
    "precision": "def precision(real, fake, neighbours):",
    "minibatch_deviation": "def minibatch_deviation(features):",
    "spectral_norm": "def spectral_norm(weight, u):",
    "which_game": "def which_game():",
}


PAIR = """
d = F.softplus(fake_logits - real_logits).mean()
g = F.softplus(real_logits - fake_logits).mean()
return d, g
"""
R1 = """
x = images.detach().requires_grad_()
slope = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)[0]
squared = slope.square().flatten(1).sum(dim=1)
return squared.mean() / 2
"""
GP = """
epsilon = torch.rand([len(real)] + [1] * (real.ndim - 1), dtype=real.dtype)
x = (epsilon * real + (1 - epsilon) * fake).requires_grad_()
slope = torch.autograd.grad(critic(x).sum(), x, create_graph=True)[0]
norm = slope.flatten(1).norm(dim=1)
return (norm - 1).square().mean()
"""
PRECISION = """
own = (real[:, None] - real[None]).square().sum(dim=2).sqrt()
reach = own.sort(dim=1).values[:, neighbours]
apart = (fake[:, None] - real[None]).square().sum(dim=2).sqrt()
return float((apart <= reach).any(dim=1).double().mean())
"""
DEVIATION = """
each = (features.var(dim=0, correction=0) + 1e-8).sqrt()
column = each.mean().expand(len(features), 1)
return torch.cat([features, column], dim=1)
"""
SPECTRAL = """
W = weight.flatten(1)
with torch.no_grad():
    v = F.normalize(W.T @ u, dim=0)
    u = F.normalize(W @ v, dim=0)
sigma = u @ W @ v
return weight / sigma, u
"""
GAMES = """
return {
    "A": "one norm",
    "B": "slow discriminator",
    "C": "no create_graph",
    "D": "clipped",
    "E": "wrong sign",
    "F": "healthy",
}
"""


def exchanged(one, other):
    return changed(GAMES, f'"{one}"', "...", f'"{other}"', f'"{one}"', "...", f'"{other}"')


RIGHT = {
    "relativistic_losses": [
        PAIR,
        """
        gap = real_logits - fake_logits
        return -F.logsigmoid(gap).mean(), -F.logsigmoid(-gap).mean()
        """,
        """
        gap = real_logits - fake_logits
        d = F.binary_cross_entropy_with_logits(gap, torch.ones_like(gap))
        g = F.binary_cross_entropy_with_logits(gap, torch.zeros_like(gap))
        return [d, g]
        """,
        """
        zero = torch.zeros_like(real_logits)
        d = torch.logaddexp(zero, fake_logits - real_logits).sum() / len(real_logits)
        return d, d + (real_logits - fake_logits).mean()
        """,
    ],
    "r1_penalty": [
        R1,
        """
        x = images.clone().requires_grad_(True)
        logits = discriminator(x)
        slope, = torch.autograd.grad(logits, x, torch.ones_like(logits), create_graph=True)
        return 0.5 * torch.einsum("ni,ni->n", slope.flatten(1), slope.flatten(1)).mean()
        """,
        """
        total = 0.0
        for image in images:
            x = image[None].clone().requires_grad_()
            (slope,) = torch.autograd.grad(discriminator(x)[0], x, create_graph=True)
            total = total + slope.norm() ** 2
        return total / (2 * len(images))
        """,
        """
        slope = torch.autograd.functional.jacobian(lambda x: discriminator(x).sum(), images, create_graph=True)
        return slope.pow(2).sum() / len(images) / 2
        """,
        changed(R1, "create_graph=True", "create_graph=True, retain_graph=True, only_inputs=True"),
    ],
    "gradient_penalty": [
        GP,
        """
        epsilon = torch.rand(len(real), dtype=real.dtype).reshape(-1, *[1] * (real.dim() - 1))
        x = torch.lerp(fake, real, epsilon.expand_as(real)).requires_grad_()
        logits = critic(x)
        (slope,) = torch.autograd.grad(logits, x, torch.ones_like(logits), create_graph=True)
        return F.mse_loss((slope.square().flatten(1).sum(1) + 1e-12).sqrt(), torch.ones_like(logits))
        """,
        """
        alpha = torch.empty(len(real), dtype=real.dtype).uniform_()
        alpha = alpha.view(len(real), *(1 for _ in real.shape[1:]))
        x = real + alpha * (fake - real)
        x.requires_grad_(True)
        slope = torch.autograd.grad(critic(x).sum(), x, create_graph=True)[0]
        return ((torch.linalg.vector_norm(slope, dim=tuple(range(1, slope.ndim))) - 1) ** 2).mean()
        """,
        """
        total = 0.0
        for r, f in zip(real, fake):
            epsilon = torch.rand((), dtype=real.dtype)
            x = (epsilon * r + (1 - epsilon) * f)[None].requires_grad_()
            (slope,) = torch.autograd.grad(critic(x).sum(), x, create_graph=True)
            total = total + (slope.norm() - 1) ** 2
        return total / len(real)
        """,
    ],
    "precision": [
        PRECISION,
        PRECISION.replace(".double().mean()", ".float().mean()"),
        """
        exact = {"compute_mode": "donot_use_mm_for_euclid_dist"}
        reach = torch.cdist(real, real, **exact).kthvalue(neighbours + 1, dim=1).values
        return (torch.cdist(fake, real, **exact) <= reach[None]).any(dim=1).double().mean()
        """,
        """
        inside = 0
        for x in fake:
            for i, centre in enumerate(real):
                others = torch.cat([real[:i], real[i + 1:]])
                reach = (others - centre).norm(dim=1).sort().values[neighbours - 1]
                if (x - centre).norm() <= reach:
                    inside += 1
                    break
        return inside / len(fake)
        """,
        """
        own = torch.cdist(real, real, compute_mode="donot_use_mm_for_euclid_dist")
        own.fill_diagonal_(float("inf"))
        reach = own.topk(neighbours, largest=False).values[:, -1]
        apart = torch.cdist(fake, real, compute_mode="donot_use_mm_for_euclid_dist")
        return ((apart - reach).amin(dim=1) <= 0).double().mean().item()
        """,
    ],
    "minibatch_deviation": [
        DEVIATION,
        """
        number = features.std(dim=0, correction=0).mean()
        return F.pad(features, (0, 1)) + F.pad(number.view(1, 1), (features.shape[1], 0))
        """,
        """
        centred = features - features.mean(dim=0, keepdim=True)
        number = torch.sqrt(centred.pow(2).mean(dim=0) + 1e-12).sum() / features.shape[1]
        return torch.hstack([features, number * torch.ones_like(features[:, :1])])
        """,
        "return torch.cat([features, features.std(0, unbiased=False).mean().repeat(len(features), 1)], 1)",
    ],
    "spectral_norm": [
        SPECTRAL,
        """
        W = weight.reshape(len(weight), -1)
        held = W.detach()
        v = u @ held
        v = v / v.square().sum().sqrt()
        u = held @ v
        u = u / torch.linalg.vector_norm(u)
        return weight / torch.einsum("i,ij,j->", u, W, v), u
        """,
        """
        W = weight.flatten(1)
        v = (W.t() @ u).detach()
        v = v / v.norm()
        stretched = W @ v  # its length has the gradient of u · W v
        return [weight / stretched.norm(), (stretched / stretched.norm()).detach()]
        """,
    ],
    "which_game": [
        GAMES,
        """
        words = ["healthy", "no create_graph", "one norm", "wrong sign", "clipped", "slow discriminator"]
        return dict(zip("FCAEDB", words))
        """,
    ],
}


def remembers_r1(discriminator, images, found={}):  # noqa: B006 (that is the mistake)
    x = images.detach().requires_grad_()
    slope = torch.autograd.grad(discriminator(x).sum(), x, create_graph=True)[0]
    return found.setdefault(images.shape, slope.square().sum() / len(images) / 2)


D, G = "F.softplus(fake_logits - real_logits).mean()", "F.softplus(real_logits - fake_logits).mean()"
EPSILON = "torch.rand([len(real)] + [1] * (real.ndim - 1), dtype=real.dtype)"
POINT = "(epsilon * real + (1 - epsilon) * fake)"
END = "return (norm - 1).square().mean()"
BESIDE = "torch.cat([features, column], dim=1)"

WRONG = [
    # --- relativistic_losses
    ("relativistic_losses", "sum", changed(PAIR, ".mean()", ".sum()")),
    ("relativistic_losses", "wrong sign", changed(PAIR, "return d, g", "return g, d")),
    ("relativistic_losses", "negative", changed(PAIR, "return d, g", "return -d, -g")),
    (
        "relativistic_losses",
        "relativistic average, both halves",
        """
        a, b = real_logits - fake_logits.mean(), fake_logits - real_logits.mean()
        return F.softplus(-a).mean() + F.softplus(b).mean(), F.softplus(a).mean() + F.softplus(-b).mean()
        """,
    ),
    (
        "relativistic_losses",
        "all pairs",
        "gap = real_logits[:, None] - fake_logits\nreturn F.softplus(-gap).mean(), F.softplus(gap).mean()",
    ),
    (
        "relativistic_losses",
        "not paired",
        "return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean(), F.softplus(-fake_logits).mean()",
    ),
    ("relativistic_losses", "no gradient", changed(PAIR, "return d, g", "return d.detach(), g.detach()")),
    ("relativistic_losses", "no gradient", changed(PAIR, "return d, g", "return d, torch.tensor(g.item())")),
    (
        "relativistic_losses",
        "not stable",
        "g = real_logits - fake_logits\nreturn (1 + (-g).exp()).log().mean(), (1 + g.exp()).log().mean()",
    ),
    (
        "relativistic_losses",
        "not stable",
        "g = real_logits - fake_logits\nreturn -g.sigmoid().log().mean(), -(-g).sigmoid().log().mean()",
    ),
    (
        "relativistic_losses",
        "not stable",
        "p = (real_logits - fake_logits).sigmoid()\nreturn -(p + 1e-12).log().mean(), -(1 - p + 1e-12).log().mean()",
    ),
    (
        "relativistic_losses",
        "not stable",
        """
        p = (real_logits - fake_logits).sigmoid()
        return F.binary_cross_entropy(p, torch.ones_like(p)), F.binary_cross_entropy(p, torch.zeros_like(p))
        """,
    ),
    (
        "relativistic_losses",
        "float32",
        "a, b = real_logits.float(), fake_logits.float()\n"
        "return F.softplus(b - a).mean().double(), F.softplus(a - b).mean().double()",
    ),
    ("relativistic_losses", "type", changed(PAIR, "return d, g", "return d + g")),
    ("relativistic_losses", "type", changed(PAIR, "return d, g", "return d.item(), g.item()")),
    (
        "relativistic_losses",
        "changes its input",
        "real_logits.data -= fake_logits.data\nreturn F.softplus(-real_logits).mean(), F.softplus(real_logits).mean()",
    ),
    (
        "relativistic_losses",
        "borrowed",
        "a = real_logits, fake_logits\nreturn Relativistic.discriminator(*a), Relativistic.generator(*a)",
    ),
    # --- r1_penalty
    (
        "r1_penalty",
        "wrong gradient",  # the right number, whose graph leads to the weights by another way
        changed(R1, "create_graph=True", "retain_graph=True").replace(
            "squared.mean() / 2", "squared.mean() / 2 + 0 * discriminator(x).sum()"
        ),
    ),
    ("r1_penalty", "images only", changed(R1, ".flatten(1).sum(dim=1)", ".sum(dim=(1, 2, 3))")),
    ("r1_penalty", "remembers", remembers_r1),
    ("r1_penalty", "wrong", changed(R1, "/ 2", "/ 2 + 1")),
    ("r1_penalty", "float32", changed(R1, "squared.mean()", "squared.float().mean().double()")),
    ("r1_penalty", "type", changed(R1, "squared.mean() / 2", "(squared.mean() / 2).item()")),
    ("r1_penalty", "marks its input", changed(R1, "images.detach().requires_grad_()", "images.requires_grad_()")),
    (
        "r1_penalty",
        "fills the gradients",
        """
        x = images.detach().requires_grad_()
        discriminator(x).sum().backward(create_graph=True)
        return x.grad.square().flatten(1).sum(dim=1).mean() / 2
        """,
    ),
    ("r1_penalty", "fills the gradients", "discriminator.zero_grad()\n" + R1.strip()),
    ("r1_penalty", "freezes the network", "discriminator.requires_grad_(False)\n" + R1.strip()),
    ("r1_penalty", "changes the mode", "discriminator.train(not discriminator.training)\n" + R1.strip()),
    ("r1_penalty", "input without gradient", changed(R1, ".requires_grad_()", "")),
    ("r1_penalty", "many outputs", changed(R1, "discriminator(x).sum()", "discriminator(x)")),
    ("r1_penalty", "other tensor", changed(R1, "discriminator(x)", "discriminator(images)")),
    ("r1_penalty", "never asked", "return images.square().mean() / 2"),
    ("r1_penalty", "changes its input", "images.mul_(0.5)\n" + R1.strip()),
    ("r1_penalty", "borrowed", "return zero_centred_penalty(discriminator, images)"),
    ("r1_penalty", "borrowed", "return slopes(discriminator, images).mean() / 2"),
    # --- gradient_penalty
    ("gradient_penalty", "one epsilon for the batch", changed(GP, EPSILON, "torch.rand(1, dtype=real.dtype)")),
    ("gradient_penalty", "one epsilon for the batch", changed(GP, EPSILON, "float(torch.rand(()))")),
    ("gradient_penalty", "epsilon per number", changed(GP, EPSILON, "torch.rand_like(real)")),
    ("gradient_penalty", "epsilon per number", changed(GP, EPSILON, "torch.rand(real.shape[-1], dtype=real.dtype)")),
    ("gradient_penalty", "epsilon's shape", changed(GP, EPSILON, "torch.rand(len(real), 1, dtype=real.dtype)")),
    ("gradient_penalty", "epsilon's shape", changed(GP, EPSILON, "torch.rand(len(real), dtype=real.dtype)")),
    ("gradient_penalty", "images only", changed(GP, EPSILON, "torch.rand(len(real), 1, 1, 1, dtype=real.dtype)")),
    ("gradient_penalty", "always the middle", changed(GP, EPSILON, "0.5")),
    ("gradient_penalty", "real only", changed(GP, POINT, "real.clone()")),
    ("gradient_penalty", "fake only", changed(GP, POINT, "fake.clone()")),
    ("gradient_penalty", "ends only", changed(GP, POINT, "torch.cat([real, fake])")),
    ("gradient_penalty", "not on the line", changed(GP, "(1 - epsilon) * fake", "epsilon * fake")),
    ("gradient_penalty", "not on the line", changed(GP, "* fake", "* fake.roll(1, 0)")),
    ("gradient_penalty", "not on the line", changed(GP, POINT, "(real + 0.1 * torch.randn_like(real))")),
    ("gradient_penalty", "outside", changed(GP, "dtype=real.dtype)", "dtype=real.dtype) * 2 - 1")),
    ("gradient_penalty", "outside", changed(GP, "torch.rand(", "torch.randn(")),
    ("gradient_penalty", "not uniform", changed(GP, "dtype=real.dtype)", "dtype=real.dtype).square()")),
    ("gradient_penalty", "not uniform", changed(GP, "dtype=real.dtype)", "dtype=real.dtype).sqrt()")),
    (
        "gradient_penalty",
        "the same every time",
        changed(GP, EPSILON, EPSILON.replace("dtype=", "generator=torch.Generator().manual_seed(0), dtype=")),
    ),
    ("gradient_penalty", "sets the seed", "torch.manual_seed(0)\n" + GP.strip()),
    ("gradient_penalty", "nan on flat ground", changed(GP, "norm(dim=1)", "square().sum(dim=1).sqrt()")),
    (
        "gradient_penalty",
        "too much under the root",
        changed(GP, "slope.flatten(1).norm(dim=1)", "(slope.flatten(1).square().sum(dim=1) + 1e-3).sqrt()"),
    ),
    ("gradient_penalty", "marks its input", "real.requires_grad_()\n" + GP.strip()),
    (
        "gradient_penalty",
        "fills the gradients",
        changed(
            GP,
            "slope = torch.autograd.grad(critic(x).sum(), x, create_graph=True)[0]",
            "critic(x).sum().backward(create_graph=True)\nslope = x.grad",
        ),
    ),
    ("gradient_penalty", "many outputs", changed(GP, ".sum(), x", ", x")),
    ("gradient_penalty", "input without gradient", changed(GP, ".requires_grad_()", "")),
    ("gradient_penalty", "other points", changed(GP, "slope =", "critic(real)\nslope =")),
    ("gradient_penalty", "never asked", "return (real - fake).square().mean()"),
    ("gradient_penalty", "changes its input", "fake.mul_(0.5)\n" + GP.strip()),
    ("gradient_penalty", "type", changed(GP, END, END + ".item()")),
    ("gradient_penalty", "borrowed", "return stable_training.gradient_penalty(critic, real, fake)"),
    # --- precision
    ("precision", "mean of booleans", changed(PRECISION, ".any(dim=1).double()", ".any(dim=1)")),
    ("precision", "not averaged", "return torch.zeros(len(fake), dtype=torch.bool)"),
    ("precision", "type", "return (0.5, 0.5)"),
    ("precision", "type", "return None"),
    ("precision", "wrong", "return 0.4321"),
    ("precision", "changes its input", "fake.add_(0.1)\n" + PRECISION.strip()),
    ("precision", "borrowed", "return metrics.precision_recall(real, fake, neighbours)[0]"),
    # --- minibatch_deviation
    ("minibatch_deviation", "float32", changed(DEVIATION, "column]", "column.float().double()]")),
    ("minibatch_deviation", "no gradient", changed(DEVIATION, BESIDE, BESIDE + ".detach()")),
    ("minibatch_deviation", "nan for copies", changed(DEVIATION, " + 1e-8", "")),
    ("minibatch_deviation", "too much under the root", changed(DEVIATION, "1e-8", "1e-2")),
    ("minibatch_deviation", "shape", changed(DEVIATION, BESIDE, BESIDE + ".T")),
    ("minibatch_deviation", "type", "return features.tolist()"),
    ("minibatch_deviation", "wrong", changed(DEVIATION, "each.mean()", "1.1 * each.mean()")),
    ("minibatch_deviation", "changes its input", "features.data.add_(1)\n" + DEVIATION.strip()),
    ("minibatch_deviation", "borrowed", "return stable_training.MinibatchDeviation()(features)"),
    # --- spectral_norm
    ("spectral_norm", "sigma is a constant", changed(SPECTRAL, "u @ W @ v", "(u @ W @ v).item()")),
    ("spectral_norm", "gradient through the iteration", changed(SPECTRAL, "torch.no_grad()", "torch.enable_grad()")),
    (
        "spectral_norm",
        "u keeps its history",
        changed(SPECTRAL, "return weight / sigma, u", "return weight / sigma, u + 0 * sigma"),
    ),
    ("spectral_norm", "old u returned", changed(SPECTRAL, "    u = F", "    new = F", "u @ W @ v", "new @ W @ v")),
    ("spectral_norm", "v not scaled", changed(SPECTRAL, "F.normalize(W.T @ u, dim=0)", "W.T @ u")),
    ("spectral_norm", "not transposed", changed(SPECTRAL, "W.T", "W")),
    ("spectral_norm", "matrices only", changed(SPECTRAL, "weight.flatten(1)", "weight")),
    ("spectral_norm", "the exact norm", changed(SPECTRAL, "u @ W @ v", "torch.linalg.svdvals(W)[0]")),
    ("spectral_norm", "Frobenius", changed(SPECTRAL, "u @ W @ v", "weight.norm()")),
    ("spectral_norm", "flattened", changed(SPECTRAL, "return weight", "return W")),
    ("spectral_norm", "swapped", changed(SPECTRAL, "weight / sigma, u", "u, weight / sigma")),
    ("spectral_norm", "float32", changed(SPECTRAL, "/ sigma, u", "/ sigma.float().double(), u")),
    ("spectral_norm", "no gradient", changed(SPECTRAL, "weight / sigma", "weight.detach() / sigma.detach()")),
    ("spectral_norm", "type", changed(SPECTRAL, "return weight / sigma, u", "return weight / sigma")),
    ("spectral_norm", "type", changed(SPECTRAL, ", u\n", ", u.tolist()\n")),
    (
        "spectral_norm",
        "changes its input",
        changed(SPECTRAL, "    u = F.normalize(W @ v, dim=0)", "    u.copy_(F.normalize(W @ v, dim=0))"),
    ),
    (
        "spectral_norm",
        "borrowed",
        """
        layer = nn.Linear(*weight.flatten(1).shape[::-1], bias=False).double()
        nn.utils.parametrizations.spectral_norm(layer)
        return layer.weight, u
        """,
    ),
    # --- which_game
    ("which_game", "one norm taken for clipped", exchanged("one norm", "clipped")),
    ("which_game", "one norm taken for slow discriminator", exchanged("one norm", "slow discriminator")),
    ("which_game", "slow discriminator taken for healthy", exchanged("slow discriminator", "healthy")),
    ("which_game", "no create_graph taken for wrong sign", exchanged("no create_graph", "wrong sign")),
    ("which_game", "no create_graph taken for healthy", exchanged("no create_graph", "healthy")),
    ("which_game", "clipped taken for wrong sign", exchanged("clipped", "wrong sign")),
    ("which_game", "word twice", "return dict.fromkeys('ABCDEF', 'healthy')"),
    ("which_game", "letter missing", changed(GAMES, '"D": "clipped",', "")),
    ("which_game", "unknown word", changed(GAMES, "clipped", "clip")),
    ("which_game", "unknown word", changed(GAMES, '"clipped"', "[]")),
    ("which_game", "type", "return ['one norm']"),
]


class TestBank(BankTests):
    bank = Bank(
        "07_stable_training",
        HEADS,
        RIGHT,
        WRONG,
        space={
            "metrics": metrics,
            "stable_training": stable_training,
            "Relativistic": Relativistic,
            "slopes": slopes,
            "zero_centred_penalty": zero_centred_penalty,
        },
        longest=280,
        marks=(pytest.mark.filterwarnings("ignore:Using backward:UserWarning"),),
    )


def test_the_library_works_again_after_a_check() -> None:
    bank = TestBank.bank
    bank.rejection("r1_penalty", bank.program("r1_penalty", "return zero_centred_penalty(discriminator, images)"))
    points = torch.ones(2, 2)
    assert float(zero_centred_penalty(lambda x: 3 * x[:, 0] + 4 * x[:, 1], points)) == pytest.approx(12.5)


@pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")
def test_one_step_is_what_torch_does():
    layer = nn.utils.spectral_norm(nn.Conv2d(3, 5, 3).double())
    u = layer.weight_u.clone()
    layer(torch.zeros(1, 3, 4, 4).double())
    ours, new = checks.spectral_norm.body.right(layer.weight_orig, u)
    assert torch.allclose(layer.weight, ours)
    assert torch.allclose(layer.weight_u, new)
    pull = torch.randn_like(ours)
    gradients = [torch.autograd.grad((w * pull).sum(), layer.weight_orig)[0] for w in (layer.weight, ours)]
    assert torch.allclose(*gradients)


def test_the_page_s_example_of_spectral_norm():
    W, u = torch.tensor([[3.0, 0.0], [0.0, 1.0]]), torch.tensor([0.6, 0.8])
    divided, new = checks.spectral_norm.body.right(W, u)
    assert float(W[0, 0] / divided[0, 0]) == pytest.approx(2.771, abs=1e-3)
    assert new.tolist() == pytest.approx([0.989, 0.147], abs=1e-3)


def test_every_confusion_has_words_that_look_at_the_game():
    assert sorted(check.MYSTERIES.values()) == sorted(check.FAULTS)
    assert all((fault, None) in check.HEED for fault in check.FAULTS)
    assert {pair for pair in check.HEED if None not in pair} <= set(itertools.permutations(check.FAULTS, 2))


def test_the_six_games_show_what_gives_them_away():
    before = torch.get_rng_state()
    runs = {check.MYSTERIES[letter]: run for letter, run in check.mystery_games().items()}
    assert torch.equal(before, torch.get_rng_state())
    slopes_of = {fault: torch.tensor(run["slope"]) for fault, run in runs.items()}
    late = {fault: slope[-10:] for fault, slope in slopes_of.items()}
    assert late["healthy"].sub(1).abs().max() < 0.2
    assert late["one norm"].sub(1 / 8).abs().max() < 0.05
    assert late["no create_graph"].min() > 8
    assert slopes_of["clipped"].max() < 0.005
    assert slopes_of["wrong sign"][0] > 5 * late["wrong sign"].max()
    points = runs["slow discriminator"]["points"]
    assert metrics.mode_coverage(points, ring().centres, 0.05).modes <= 2
    for fault in ("healthy", "one norm", "no create_graph"):
        assert metrics.mode_coverage(runs[fault]["points"], ring().centres, 0.05).modes >= 6
