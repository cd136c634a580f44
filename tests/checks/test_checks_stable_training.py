"""Chapter 7's exercises: the solutions pass, and each misconception is rejected under its own name."""

from __future__ import annotations

import pytest
import torch
from bank import Bank, BankTests, changed

from course_lib import metrics
from course_lib.gan import stable_training
from course_lib.gan.stable_training import Relativistic, slopes, zero_centred_penalty

HEADS = {
    "relativistic_losses": "def relativistic_losses(real_logits, fake_logits):",
    "r1_penalty": "def r1_penalty(discriminator, images):",
    "gradient_penalty": "def gradient_penalty(critic, real, fake):",
    "precision": "def precision(real, fake, neighbours):",
    "minibatch_deviation": "def minibatch_deviation(features):",
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
}
D, G = "F.softplus(fake_logits - real_logits).mean()", "F.softplus(real_logits - fake_logits).mean()"
EPSILON = "torch.rand([len(real)] + [1] * (real.ndim - 1), dtype=real.dtype)"
POINT = "(epsilon * real + (1 - epsilon) * fake)"
END = "return (norm - 1).square().mean()"
ROOT = "(features.var(dim=0, correction=0) + 1e-8).sqrt()"
COLUMN = "each.mean().expand(len(features), 1)"
BESIDE = "torch.cat([features, column], dim=1)"

WRONG = [
    # --- relativistic_losses
    ("relativistic_losses", "sum", changed(PAIR, ".mean()", ".sum()")),
    ("relativistic_losses", "sum", changed(PAIR, G, G.replace("mean", "sum"))),
    ("relativistic_losses", "not averaged", changed(PAIR, ".mean()", "")),
    ("relativistic_losses", "wrong sign", changed(PAIR, "return d, g", "return g, d")),
    ("relativistic_losses", "both the same sign", changed(PAIR, "return d, g", "return d, d")),
    ("relativistic_losses", "wrong sign", changed(PAIR, D, G)),
    ("relativistic_losses", "minus the discriminator's", changed(PAIR, "return d, g", "return d, -d")),
    ("relativistic_losses", "negative", changed(PAIR, "return d, g", "return -d, -g")),
    (
        "relativistic_losses",
        "relativistic average",
        changed(PAIR, "fake_logits - real_logits", "fake_logits.mean() - real_logits"),
    ),
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
        "softplus of the mean",
        "gap = (real_logits - fake_logits).mean()\nreturn F.softplus(-gap), F.softplus(gap)",
    ),
    (
        "relativistic_losses",
        "all pairs",
        "gap = real_logits[:, None] - fake_logits\nreturn F.softplus(-gap).mean(), F.softplus(gap).mean()",
    ),
    (
        "relativistic_losses",
        "all pairs",
        "gap = real_logits[:, None] - fake_logits[None]\nreturn F.softplus(-gap).mean(), F.softplus(gap).mean()",
    ),
    (
        "relativistic_losses",
        "not paired",
        "return F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean(), F.softplus(-fake_logits).mean()",
    ),
    ("relativistic_losses", "one side only", changed(PAIR, G, "F.softplus(-fake_logits).mean()")),
    ("relativistic_losses", "no softplus", changed(PAIR, "F.softplus", "")),
    ("relativistic_losses", "hinge", changed(PAIR, "F.softplus", "F.relu")),
    ("relativistic_losses", "no logarithm", changed(PAIR, "F.softplus", "torch.sigmoid")),
    (
        "relativistic_losses",
        "sigmoid twice",
        "p = torch.sigmoid(real_logits - fake_logits)\nq = torch.sigmoid(fake_logits - real_logits)\n"
        "return F.softplus(-p).mean(), F.softplus(-q).mean()",
    ),
    (
        "relativistic_losses",
        "sigmoid first",
        "real_logits, fake_logits = real_logits.sigmoid(), fake_logits.sigmoid()\n" + PAIR.strip(),
    ),
    ("relativistic_losses", "half", changed(PAIR, "return d, g", "return d / 2, g / 2")),
    (
        "relativistic_losses",
        "base 2",
        changed(PAIR, "return d, g", "return d / torch.tensor(2.0).double().log(), g / torch.tensor(2.0).log()"),
    ),
    ("relativistic_losses", "no gradient", changed(PAIR, "return d, g", "return d.detach(), g.detach()")),
    ("relativistic_losses", "no gradient", changed(PAIR, "return d, g", "return d, torch.tensor(g.item())")),
    ("relativistic_losses", "one side detached", changed(PAIR, G, G.replace("real_logits", "real_logits.detach()"))),
    ("relativistic_losses", "one side detached", changed(PAIR, D, D.replace("fake_logits", "fake_logits.detach()"))),
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
    ("r1_penalty", "no half", changed(R1, " / 2", "")),
    ("r1_penalty", "sum", changed(R1, "squared.mean()", "squared.sum()")),
    ("r1_penalty", "sum", changed(R1, "slope.square().flatten(1).sum(dim=1)", "slope.norm() ** 2")),
    ("r1_penalty", "sum, no half", changed(R1, "squared.mean() / 2", "squared.sum()")),
    ("r1_penalty", "not averaged", changed(R1, "squared.mean()", "squared")),
    ("r1_penalty", "not averaged, no half", changed(R1, "squared.mean() / 2", "squared")),
    ("r1_penalty", "mean over pixels", changed(R1, "sum(dim=1)", "mean(dim=1)")),
    ("r1_penalty", "mean over pixels, no half", changed(R1, "squared.mean() / 2", "slope.square().mean()")),
    ("r1_penalty", "norm over channels only", changed(R1, ".flatten(1).sum(dim=1)", ".sum(dim=1)")),
    ("r1_penalty", "norm, not squared", changed(R1, "squared.mean()", "squared.sqrt().mean()")),
    ("r1_penalty", "norm over the batch", changed(R1, "squared.mean()", "slope.norm()")),
    ("r1_penalty", "one-centred", changed(R1, "squared.mean()", "(squared.sqrt() - 1).square().mean()")),
    ("r1_penalty", "one-centred, no half", changed(R1, "squared.mean() / 2", "(squared.sqrt() - 1).square().mean()")),
    ("r1_penalty", "slope of the mean", changed(R1, "discriminator(x).sum()", "discriminator(x).mean()")),
    ("r1_penalty", "slope of the sigmoid", changed(R1, "discriminator(x)", "discriminator(x).sigmoid()")),
    ("r1_penalty", "slope of the loss", changed(R1, "discriminator(x)", "F.softplus(-discriminator(x))")),
    ("r1_penalty", "the logits", "return discriminator(images).square().mean() / 2"),
    ("r1_penalty", "absolute values", changed(R1, "slope.square()", "slope.abs()")),
    ("r1_penalty", "wrong sign", changed(R1, "return ", "return -")),
    ("r1_penalty", "squared twice", changed(R1, "squared.mean()", "(squared ** 2).mean()")),
    ("r1_penalty", "mean slope", changed(R1, "squared.mean()", "slope.mean(dim=0).square().sum()")),
    ("r1_penalty", "no second-order gradient", changed(R1, "create_graph=True", "create_graph=False")),
    ("r1_penalty", "no second-order gradient", changed(R1, "slope.square()", "slope.detach().square()")),
    ("r1_penalty", "no second-order gradient", changed(R1, "/ 2", "/ 2 + 0 * discriminator(images).sum().detach()")
     .replace("create_graph=True", "retain_graph=True")),
    ("r1_penalty", "wrong", changed(R1, "/ 2", "/ 2 + 1")),
    (
        "r1_penalty",
        "wrong",  # the right number, whose graph leads to the weights by another way
        changed(R1, "create_graph=True", "retain_graph=True").replace(
            "squared.mean() / 2", "squared.mean() / 2 + 0 * discriminator(x).sum()"
        ),
    ),
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
    ("gradient_penalty", "sum", changed(GP, END, "return (norm - 1).square().sum()")),
    ("gradient_penalty", "not averaged", changed(GP, END, "return (norm - 1).square()")),
    ("gradient_penalty", "norm over the batch", changed(GP, "slope.flatten(1).norm(dim=1)", "slope.norm()")),
    (
        "gradient_penalty",
        "norm over channels only",
        changed(GP, "slope.flatten(1).norm(dim=1)", "slope.norm(2, dim=1)"),
    ),
    ("gradient_penalty", "squared norm", changed(GP, "norm(dim=1)", "square().sum(dim=1)")),
    (
        "gradient_penalty",
        "squared norm, not squared again",
        changed(GP, "norm(dim=1)", "square().sum(dim=1)", END, "return (norm - 1).mean()"),
    ),
    ("gradient_penalty", "zero-centred", changed(GP, "(norm - 1)", "norm")),
    ("gradient_penalty", "zero-centred, half", changed(GP, END, "return norm.square().mean() / 2")),
    ("gradient_penalty", "mean norm", changed(GP, END, "return (norm.mean() - 1) ** 2")),
    ("gradient_penalty", "not squared", changed(GP, END, "return (norm - 1).mean()")),
    ("gradient_penalty", "absolute", changed(GP, END, "return (norm - 1).abs().mean()")),
    ("gradient_penalty", "one-sided", changed(GP, END, "return F.relu(norm - 1).square().mean()")),
    ("gradient_penalty", "slope of the mean", changed(GP, "critic(x).sum()", "critic(x).mean()")),
    ("gradient_penalty", "half", changed(GP, END, END + " / 2")),
    ("gradient_penalty", "with lambda", changed(GP, END, "return 10 * (norm - 1).square().mean()")),
    ("gradient_penalty", "absolute values", changed(GP, "norm(dim=1)", "abs().sum(dim=1)")),
    ("gradient_penalty", "mean over numbers", changed(GP, "norm(dim=1)", "square().mean(dim=1).sqrt()")),
    ("gradient_penalty", "wrong sign", changed(GP, "return ", "return -")),
    ("gradient_penalty", "no second-order gradient", changed(GP, ", create_graph=True", "")),
    ("gradient_penalty", "no second-order gradient", changed(GP, END, END + ".detach()")),
    ("gradient_penalty", "nan on flat ground", changed(GP, "norm(dim=1)", "square().sum(dim=1).sqrt()")),
    ("gradient_penalty", "marks its input", "real.requires_grad_()\n" + GP.strip()),
    (
        "gradient_penalty",
        "fills the gradients",
        changed(GP, "slope = torch.autograd.grad(critic(x).sum(), x, create_graph=True)[0]",
                "critic(x).sum().backward(create_graph=True)\nslope = x.grad"),
    ),
    ("gradient_penalty", "many outputs", changed(GP, ".sum(), x", ", x")),
    ("gradient_penalty", "input without gradient", changed(GP, ".requires_grad_()", "")),
    ("gradient_penalty", "other points", changed(GP, "slope =", "critic(real)\nslope =")),
    ("gradient_penalty", "never asked", "return (real - fake).square().mean()"),
    ("gradient_penalty", "changes its input", "fake.mul_(0.5)\n" + GP.strip()),
    ("gradient_penalty", "type", changed(GP, END, END + ".item()")),
    ("gradient_penalty", "borrowed", "return stable_training.gradient_penalty(critic, real, fake)"),
    # --- precision
    ("precision", "recall", "real, fake = fake, real\n" + PRECISION.strip()),
    ("precision", "itself as a neighbour", changed(PRECISION, "[:, neighbours]", "[:, neighbours - 1]")),
    ("precision", "one neighbour too many", changed(PRECISION, "[:, neighbours]",
                                                    "[:, min(neighbours + 1, len(real) - 1)]")),
    (
        "precision",
        "the fakes' reach",
        changed(PRECISION, "real[:, None] - real[None]", "fake[:, None] - fake[None]").replace(
            "<= reach)", "<= reach[:, None])"
        ).replace("[:, neighbours]", "[:, min(neighbours, len(fake) - 1)]"),
    ),
    (
        "precision",
        "nearest point only",
        changed(PRECISION, "(apart <= reach).any(dim=1)", "(apart.amin(dim=1) <= reach[apart.argmin(dim=1)])"),
    ),
    ("precision", "one reach for all", changed(PRECISION, "<= reach)", "<= reach.mean())")),
    (
        "precision",
        "neighbours among the fakes",
        "apart = torch.cdist(fake, real, compute_mode='donot_use_mm_for_euclid_dist')\n"
        "reach = apart.T.sort(dim=1).values[:, min(neighbours, len(fake) - 1)]\n"
        "return (apart <= reach).any(dim=1).double().mean()",
    ),
    (
        "precision",
        "neighbours among the fakes, from one",
        "apart = torch.cdist(fake, real, compute_mode='donot_use_mm_for_euclid_dist')\n"
        "reach = apart.T.sort(dim=1).values[:, neighbours - 1]\n"
        "return (apart <= reach).any(dim=1).double().mean()",
    ),
    ("precision", "all balls", changed(PRECISION, ".any(dim=1)", ".all(dim=1)")),
    ("precision", "pairs", changed(PRECISION, ".any(dim=1)", "")),
    ("precision", "squared distances", changed(PRECISION, "(apart <= reach)", "(apart ** 2 <= reach)")),
    ("precision", "rim", changed(PRECISION, "apart <= reach", "apart < reach")),
    ("precision", "outside", changed(PRECISION, "return float(", "return 1 - float(")),
    ("precision", "count", changed(PRECISION, ".mean()", ".sum()")),
    ("precision", "share of the real", changed(PRECISION, ".double().mean()", ".double().sum() / len(real)")),
    ("precision", "percent", changed(PRECISION, "return float(", "return 100 * float(")),
    ("precision", "not averaged", changed(PRECISION, "return float((apart <= reach).any(dim=1).double().mean())",
                                          "return (apart <= reach).any(dim=1)")),
    ("precision", "type", changed(PRECISION, "return float((apart <= reach).any(dim=1).double().mean())",
                                  "return (0.5, 0.5)")),
    ("precision", "type", "return None"),
    ("precision", "wrong", "return 0.5"),
    ("precision", "changes its input", "fake.add_(0.1)\n" + PRECISION.strip()),
    ("precision", "borrowed", "return metrics.precision_recall(real, fake, neighbours)[0]"),
    # --- minibatch_deviation
    ("minibatch_deviation", "over the features", changed(DEVIATION, "dim=0", "dim=1", COLUMN, "each[:, None]")),
    ("minibatch_deviation", "over all entries", changed(DEVIATION, "dim=0, ", "")),
    ("minibatch_deviation", "divided by N - 1", changed(DEVIATION, ", correction=0", "")),
    ("minibatch_deviation", "divided by N - 1", changed(DEVIATION, ROOT, "features.std(dim=0)")),
    ("minibatch_deviation", "variance", changed(DEVIATION, ".sqrt()", "")),
    ("minibatch_deviation", "root of the mean", changed(DEVIATION, " + 1e-8).sqrt()", ").mean().sqrt()")),
    ("minibatch_deviation", "mean distance", changed(DEVIATION, ROOT, "(features - features.mean(dim=0)).abs()")),
    ("minibatch_deviation", "sum", changed(DEVIATION, "each.mean()", "each.sum()")),
    ("minibatch_deviation", "one number a feature", changed(DEVIATION, COLUMN, "each.expand(len(features), -1)")),
    ("minibatch_deviation", "nothing but the number", changed(DEVIATION, BESIDE, "each.mean()")),
    ("minibatch_deviation", "nothing but a column", changed(DEVIATION, BESIDE, "column")),
    ("minibatch_deviation", "in front", changed(DEVIATION, "[features, column]", "[column, features]")),
    ("minibatch_deviation", "one row more", changed(DEVIATION, BESIDE, "torch.cat([features, each[None]])")),
    ("minibatch_deviation", "zeros", changed(DEVIATION, BESIDE, "F.pad(features, (0, 1))")),
    ("minibatch_deviation", "detached", changed(DEVIATION, "column]", "column.detach()]")),
    (
        "minibatch_deviation",
        "detached",
        changed(DEVIATION, "column]", "torch.full((len(features), 1), each.mean().item())]"),
    ),
    ("minibatch_deviation", "no gradient", changed(DEVIATION, BESIDE, BESIDE + ".detach()")),
    ("minibatch_deviation", "nan for copies", changed(DEVIATION, " + 1e-8", "")),
    ("minibatch_deviation", "wrong", changed(DEVIATION, "1e-8", "1e-2")),
    ("minibatch_deviation", "shape", changed(DEVIATION, BESIDE, BESIDE + ".T")),
    ("minibatch_deviation", "type", "return features.tolist()"),
    ("minibatch_deviation", "changes its input", "features.data.add_(1)\n" + DEVIATION.strip()),
    ("minibatch_deviation", "borrowed", "return stable_training.MinibatchDeviation()(features)"),
]  # fmt: skip


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
