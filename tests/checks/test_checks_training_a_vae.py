"""Chapter 10's exercises: the solutions pass, and each misconception is rejected under its own name."""

from __future__ import annotations

import textwrap

import torch
from bank import Bank, BankTests, changed
from torch.nn import functional as F

from course_lib import checks, data
from course_lib.checks import training_a_vae as exercises
from course_lib.vae import training_a_vae

HEADS = {
    "gaussian_kl": "def gaussian_kl(mean, log_variance):",
    "negative_elbo": "def negative_elbo(logits, targets, mean, log_variance):",
    "vae_forward": "def vae_forward(encoder, decoder, images, training):",
    "iwae": "def iwae(log_weights):",
    "which_vae": "def which_vae():",
}

KL = """
per_latent = (mean ** 2 + log_variance.exp() - 1 - log_variance) / 2
return per_latent.sum(dim=1)
"""
ELBO = """
reconstruction = F.binary_cross_entropy_with_logits(logits, targets, reduction="none").sum(dim=(1, 2, 3))
kl = (0.5 * (mean ** 2 + log_variance.exp() - 1 - log_variance)).sum(dim=1)
return (reconstruction + kl).mean()
"""
FORWARD = """
mean, log_sigma = encoder(images)
epsilon = torch.randn_like(mean)
z = mean + log_sigma.exp() * epsilon if training else mean
return decoder(z), mean, log_sigma
"""
IWAE = """
largest = log_weights.max(dim=0).values
return largest + torch.log(torch.exp(log_weights - largest).mean(dim=0))
"""
WHICH = """
return {
    "A": "free bits",
    "B": "strong decoder",
    "C": "no draw",
    "D": "healthy",
    "E": "pixels averaged",
    "F": "KL forgotten",
}
"""


def swapped(one, other):
    return changed(WHICH, f'"{one}"', "...", f'"{other}"', f'"{one}"', "...", f'"{other}"')


RIGHT = {
    "gaussian_kl": [
        KL,
        """
        sigma = torch.exp(0.5 * log_variance)
        q = torch.distributions.Normal(mean, sigma)
        p = torch.distributions.Normal(torch.zeros_like(mean), torch.ones_like(mean))
        return torch.distributions.kl_divergence(q, p).sum(-1)
        """,
        """
        log_sigma = log_variance / 2
        return -0.5 * torch.sum(1 + 2 * log_sigma - mean.pow(2) - torch.exp(2 * log_sigma), dim=-1)
        """,
        """
        ones = torch.ones_like(mean)
        return 0.5 * (torch.einsum("nd,nd->n", mean, mean) + torch.einsum("nd,nd->n", log_variance.expm1(), ones)
                      - torch.einsum("nd->n", log_variance))
        """,
        """
        q = torch.distributions.Independent(torch.distributions.Normal(mean, log_variance.exp().sqrt()), 1)
        p = torch.distributions.Independent(torch.distributions.Normal(0 * mean, 1 + 0 * mean), 1)
        return torch.distributions.kl.kl_divergence(q, p)
        """,
        "return torch.stack([sum(0.5 * (m * m + torch.exp(s) - 1 - s) for m, s in zip(*row)) "
        "for row in zip(mean, log_variance)])",
    ],
    "negative_elbo": [
        ELBO,
        """
        bce = F.binary_cross_entropy_with_logits(logits, targets, reduction="sum")
        kld = -0.5 * torch.sum(1 + log_variance - mean.pow(2) - log_variance.exp())
        return (bce + kld) / len(logits)
        """,
        """
        nll = (F.softplus(logits) - targets * logits).flatten(1).sum(1)
        log_sigma = 0.5 * log_variance
        q = torch.distributions.Normal(mean, log_sigma.exp())
        kl = torch.distributions.kl_divergence(q, torch.distributions.Normal(0.0, 1.0)).sum(1)
        return torch.mean(nll + kl)
        """,
        """
        p = torch.distributions.Independent(torch.distributions.Bernoulli(logits=logits), 3)
        kl = torch.einsum("nd->n", 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance))
        return -(p.log_prob(targets) - kl).mean()
        """,
        """
        log_p = torch.where(targets > 0.5, F.logsigmoid(logits), F.logsigmoid(-logits))
        kl = 0.5 * (mean.square() + log_variance.exp() - 1 - log_variance)
        return kl.sum(1).mean() - torch.einsum("nchw->", log_p) / log_p.shape[0]
        """,
    ],
    "vae_forward": [
        FORWARD,
        """
        mean, log_sigma = encoder(images)
        if not training:
            return decoder(mean), mean, log_sigma
        return decoder(torch.distributions.Normal(mean, log_sigma.exp()).rsample()), mean, log_sigma
        """,
        """
        mean, log_sigma = encoder(images)
        log_variance = 2 * log_sigma
        sigma = torch.exp(0.5 * log_variance) * training
        z = torch.addcmul(mean, sigma, torch.randn(mean.shape, dtype=mean.dtype, device=mean.device))
        return [decoder(z), mean, log_sigma]
        """,
        """
        mean, log_sigma = encoder(images)
        noise = torch.normal(torch.zeros_like(mean), torch.ones_like(mean))
        z = mean + torch.einsum("nd,nd->nd", log_sigma.exp(), noise) if training else mean
        return decoder(z), mean, log_sigma
        """,
    ],
    "iwae": [
        IWAE,
        "return torch.logsumexp(log_weights, dim=0) - math.log(log_weights.shape[0])",
        """
        out = log_weights[0]
        for row in log_weights[1:]:
            out = torch.logaddexp(out, row)
        return out - torch.log(torch.tensor(float(len(log_weights)), dtype=out.dtype))
        """,
        "return (log_weights - np.log(len(log_weights))).T.logsumexp(-1)",
        """
        top = log_weights.detach().amax(dim=0, keepdim=True)
        return (log_weights - top).exp().mean(dim=0).log() + top[0]
        """,
    ],
    "which_vae": [
        WHICH,
        """
        words = ["healthy", "no draw", "free bits", "KL forgotten", "strong decoder", "pixels averaged"]
        return {**dict(zip("DCAFBE", words)), "G": "no such run"}
        """,
    ],
}

WRONG = [
    ("gaussian_kl", "mean ignored", changed(KL, "mean ** 2", "0 * mean")),
    ("gaussian_kl", "variance ignored", "return (mean ** 2 / 2 + 0 * log_variance).sum(dim=1)"),
    (
        "gaussian_kl",
        "sampled",
        """
        sigma = (0.5 * log_variance).exp()
        z = mean + sigma * torch.randn(1000, *mean.shape, dtype=mean.dtype)
        q, p = torch.distributions.Normal(mean, sigma), torch.distributions.Normal(0.0, 1.0)
        return (q.log_prob(z) - p.log_prob(z)).mean(0).sum(1)
        """,
    ),
    ("gaussian_kl", "no gradient", "with torch.no_grad():\n" + textwrap.indent(KL.strip(), "    ")),
    ("gaussian_kl", "no gradient", changed(KL, "mean ** 2", "mean.detach() ** 2")),
    ("gaussian_kl", "changes its input", "mean.data.pow_(2)\n" + changed(KL, "mean ** 2", "mean").strip()),
    (
        "gaussian_kl",
        "borrowed",
        "from course_lib.vae import training_a_vae as t\nreturn t.kl_per_latent(mean, log_variance).sum(1)",
    ),
    ("gaussian_kl", "borrowed", "return kl_per_latent(mean, log_variance).sum(dim=1)"),
    ("gaussian_kl", "type", changed(KL, "dim=1)", "dim=1).tolist()")),
    ("gaussian_kl", "shape", changed(KL, "dim=1)", "dim=1, keepdim=True)")),
    ("gaussian_kl", "wrong", changed(KL, "return ", "return 1.1 * ")),
    ("gaussian_kl", "wrong", changed(KL, "log_variance.exp()", "log_variance.clamp(-1, 1).exp()")),
    ("negative_elbo", "KL missing", changed(ELBO, "+ kl", "+ 0 * kl")),
    ("negative_elbo", "cross-entropy missing", changed(ELBO, "(recon", "(0 * recon")),
    ("negative_elbo", "KL: mean ignored", changed(ELBO, "mean ** 2", "0 * mean")),
    ("negative_elbo", "no gradient", "with torch.no_grad():\n" + textwrap.indent(ELBO.strip(), "    ")),
    ("negative_elbo", "no gradient", "logits = logits.detach()\n" + ELBO.strip()),
    (
        "negative_elbo",
        "overflow",
        changed(ELBO, "binary_cross_entropy_with_logits(logits", "binary_cross_entropy(logits.sigmoid()"),
    ),
    (
        "negative_elbo",
        "overflow",
        changed(
            ELBO,
            'F.binary_cross_entropy_with_logits(logits, targets, reduction="none")',
            "-(targets * logits.sigmoid().log() + (1 - targets) * (1 - logits.sigmoid()).log())",
        ),
    ),
    ("negative_elbo", "changes its input", "targets.mul_(2).div_(3)\n" + ELBO.strip()),
    (
        "negative_elbo",
        "borrowed",
        "from course_lib.vae import training_a_vae as t\n"
        "kl = t.kl_per_latent(mean, log_variance).sum(1)\n"
        "return (kl - t.bernoulli_log_likelihood(logits, targets)).mean()",
    ),
    ("negative_elbo", "type", changed(ELBO, "mean()", "mean().item()")),
    ("negative_elbo", "shape", changed(ELBO, "mean()", "mean(dim=0, keepdim=True)")),
    ("negative_elbo", "wrong", changed(ELBO, "+ kl", "+ 0.9 * kl")),
    ("vae_forward", "no draw", changed(FORWARD, "mean + log_sigma.exp() * epsilon if training else mean", "mean")),
    ("vae_forward", "mode reversed", changed(FORWARD, "if training", "if not training")),
    ("vae_forward", "sampling at evaluation", changed(FORWARD, " if training else mean", "")),
    ("vae_forward", "halved log sigma", changed(FORWARD, "log_sigma.exp()", "(0.5 * log_sigma).exp()")),
    ("vae_forward", "variance for sigma", changed(FORWARD, "log_sigma.exp()", "(2 * log_sigma).exp()")),
    ("vae_forward", "sigma ignored", changed(FORWARD, "log_sigma.exp() * ", "")),
    ("vae_forward", "log sigma for sigma", changed(FORWARD, "log_sigma.exp()", "log_sigma")),
    ("vae_forward", "divided by sigma", changed(FORWARD, "log_sigma.exp()", "(-log_sigma).exp()")),
    (
        "vae_forward",
        "one epsilon for the batch",
        changed(FORWARD, "torch.randn_like(mean)", "torch.randn_like(mean[:1])"),
    ),
    (
        "vae_forward",
        "one epsilon for the batch",
        changed(
            FORWARD, "torch.randn_like(mean)", "torch.randn_like(mean[0])", "log_sigma.exp()", "(log_sigma / 2).exp()"
        ),
    ),
    (
        "vae_forward",
        "one epsilon for everything",
        changed(FORWARD, "torch.randn_like(mean)", "torch.randn(1).to(mean)"),
    ),
    (
        "vae_forward",
        "one epsilon for all latents",
        changed(FORWARD, "torch.randn_like(mean)", "torch.randn_like(mean[:, :1])"),
    ),
    (
        "vae_forward",
        "always the same",
        changed(
            FORWARD,
            "torch.randn_like(mean)",
            "torch.randn(mean.shape, dtype=mean.dtype, generator=torch.Generator().manual_seed(0))",
        ),
    ),
    ("vae_forward", "sets the seed", "torch.manual_seed(0)\n" + FORWARD.strip()),
    ("vae_forward", "uniform noise", changed(FORWARD, "randn_like", "rand_like")),
    ("vae_forward", "shifted", changed(FORWARD, "torch.randn_like(mean)", "torch.randn_like(mean) + 0.5")),
    ("vae_forward", "not normal", changed(FORWARD, "torch.randn_like(mean)", "torch.randn_like(mean).sign()")),
    (
        "vae_forward",
        "uniform noise",
        changed(FORWARD, "torch.randn_like(mean)", "(torch.rand_like(mean) - 0.5) * 12 ** 0.5"),
    ),
    (
        "vae_forward",
        "latents depend on each other",
        changed(
            FORWARD,
            "torch.randn_like(mean)",
            "torch.randn_like(mean)",
            "z = ",
            "epsilon = (epsilon + epsilon.roll(1, 1)) / 2 ** 0.5\nz = ",
        ),
    ),
    (
        "vae_forward",
        "no gradient through the sample",
        changed(
            FORWARD, "mean + log_sigma.exp() * epsilon", "torch.distributions.Normal(mean, log_sigma.exp()).sample()"
        ),
    ),
    (
        "vae_forward",
        "no gradient through the sample",
        changed(FORWARD, "decoder(z)", "decoder(z.detach())"),
    ),
    ("vae_forward", "no gradient to sigma", changed(FORWARD, "log_sigma.exp()", "log_sigma.exp().detach()")),
    ("vae_forward", "no gradient to the mean", changed(FORWARD, "mean + log", "mean.detach() + log")),
    (
        "vae_forward",
        "no gradient",
        "with torch.no_grad():\n" + textwrap.indent(FORWARD.strip(), "    "),
    ),
    ("vae_forward", "swapped", changed(FORWARD, "mean, log_sigma\n", "log_sigma, mean\n")),
    ("vae_forward", "sigma returned", changed(FORWARD, "mean, log_sigma\n", "mean, log_sigma.exp()\n")),
    ("vae_forward", "code returned", changed(FORWARD, "(z), mean", "(z), z")),
    ("vae_forward", "probabilities returned", changed(FORWARD, "decoder(z)", "decoder(z).sigmoid()")),
    (
        "vae_forward",
        "called once",
        "mean, log_sigma = encoder(images)[0], encoder(images)[1]\n" + FORWARD.strip().split("\n", 1)[1],
    ),
    ("vae_forward", "images changed", changed(FORWARD, "encoder(images)", "encoder(images.transpose(2, 3))")),
    (
        "vae_forward",
        "borrowed",
        "from course_lib.vae import training_a_vae as t\n"
        "mean, log_sigma = encoder(images)\n"
        "return decoder(t.reparameterise(mean, 2 * log_sigma)), mean, log_sigma",
    ),
    ("vae_forward", "changes its input", "images.mul_(2)\n" + FORWARD.strip()),
    ("vae_forward", "type", changed(FORWARD, ", mean, log_sigma\n", "\n")),
    ("vae_forward", "wrong spread", changed(FORWARD, "log_sigma.exp() *", "1.3 * log_sigma.exp() *")),
    ("iwae", "overflow", "return log_weights.exp().mean(dim=0).log()"),
    ("iwae", "overflow", changed(IWAE, "log_weights.max(dim=0).values", "log_weights.max()")),
    ("iwae", "overflow", "return (log_weights.exp() + 1e-300).mean(dim=0).log()"),
    (
        "iwae",
        "no gradient",
        changed(IWAE, "return ", "log_weights = log_weights.detach()\nreturn ").replace(
            "largest = log_weights", "largest = log_weights.detach()"
        ),
    ),
    ("iwae", "changes its input", "log_weights.data.sub_(1)\n" + IWAE.strip()),
    ("iwae", "borrowed", "from course_lib.vae import training_a_vae as t\nreturn t.iwae_bound(log_weights)"),
    ("iwae", "shape", "return log_weights.logsumexp(0, keepdim=True) - math.log(len(log_weights))"),
    ("iwae", "type", changed(IWAE, "return largest", "return (largest").rstrip() + ").tolist()"),
    (
        "iwae",
        "wrong gradient",
        changed(IWAE, "log_weights - largest)", "log_weights.detach() - largest.detach())").replace(
            "return largest", "return 2 * largest - largest"
        ),
    ),
    ("which_vae", "free bits taken for strong decoder", swapped("free bits", "strong decoder")),
    ("which_vae", "free bits taken for healthy", swapped("free bits", "healthy")),
    ("which_vae", "free bits taken for pixels averaged", swapped("free bits", "pixels averaged")),
    ("which_vae", "free bits taken for KL forgotten", swapped("free bits", "KL forgotten")),
    ("which_vae", "strong decoder taken for pixels averaged", swapped("strong decoder", "pixels averaged")),
    ("which_vae", "strong decoder taken for free bits", changed(WHICH, "strong decoder", "free bits")),
    ("which_vae", "strong decoder taken for healthy", swapped("strong decoder", "healthy")),
    ("which_vae", "strong decoder taken for no draw", swapped("strong decoder", "no draw")),
    ("which_vae", "no draw taken for healthy", swapped("no draw", "healthy")),
    ("which_vae", "no draw taken for KL forgotten", swapped("no draw", "KL forgotten")),
    ("which_vae", "no draw taken for pixels averaged", swapped("no draw", "pixels averaged")),
    ("which_vae", "healthy taken for no draw", changed(WHICH, "healthy", "no draw")),
    ("which_vae", "healthy taken for free bits", changed(WHICH, "healthy", "free bits")),
    ("which_vae", "healthy taken for KL forgotten", swapped("healthy", "KL forgotten")),
    ("which_vae", "pixels averaged taken for strong decoder", changed(WHICH, "pixels averaged", "strong decoder")),
    ("which_vae", "pixels averaged taken for KL forgotten", swapped("pixels averaged", "KL forgotten")),
    ("which_vae", "KL forgotten taken for healthy", changed(WHICH, "KL forgotten", "healthy")),
    ("which_vae", "KL forgotten taken for no draw", changed(WHICH, "KL forgotten", "no draw")),
    ("which_vae", "KL forgotten taken for free bits", changed(WHICH, "KL forgotten", "free bits")),
    ("which_vae", "letter missing", changed(WHICH, '"D": "healthy",', "")),
    ("which_vae", "unknown word", changed(WHICH, "healthy", "fine")),
    ("which_vae", "unknown word", changed(WHICH, '"healthy"', "['healthy']")),
    ("which_vae", "type", "return ['free bits', 'strong decoder']"),
]


class TestBank(BankTests):
    bank = Bank("10_training_a_vae", HEADS, RIGHT, WRONG, space={"kl_per_latent": training_a_vae.kl_per_latent})


def test_expected_values_are_the_librarys() -> None:
    torch.manual_seed(0)
    mean, log_variance = torch.randn(2, 3, 4, dtype=torch.float64)
    logits, targets = torch.randn(3, 2, 4, 5, dtype=torch.float64), torch.rand(3, 2, 4, 5).round().double()
    kl = training_a_vae.kl_per_latent(mean, log_variance).sum(dim=1)
    solution = TestBank.bank
    assert torch.allclose(solution.cell("solutions", "gaussian_kl")(mean, log_variance), kl)
    loss = (kl - training_a_vae.bernoulli_log_likelihood(logits, targets)).mean()
    answer = solution.cell("solutions", "negative_elbo")(logits, targets, mean, log_variance)
    assert torch.allclose(answer, loss)
    assert torch.allclose(solution.cell("solutions", "iwae")(mean), training_a_vae.iwae_bound(mean))


def test_an_answer_may_use_an_earlier_one() -> None:
    kl = TestBank.bank.cell("solutions", "gaussian_kl")

    def negative_elbo(logits, targets, mean, log_variance):
        pixels = F.binary_cross_entropy_with_logits(logits, targets, reduction="none").flatten(1)
        return (pixels.sum(dim=1) + kl(mean, log_variance)).mean()

    checks.negative_elbo(negative_elbo)


def test_the_six_vaes_show_what_the_check_says_of_them():
    before = torch.get_rng_state()
    runs = exercises.mysteries(data.load("strokes", size=28, count=1200))
    assert torch.equal(before, torch.get_rng_state())
    told = {story: runs[letter] for letter, story in exercises.PATIENTS.items()}
    nothing = told["healthy"]["knows nothing"]
    rate = {story: run["rate"][-1] for story, run in told.items()}
    distortion = {story: run["at the end"] for story, run in told.items()}
    assert rate["pixels averaged"] < 0.1
    assert abs(distortion["pixels averaged"] - nothing) < 0.05 * nothing
    assert rate["KL forgotten"] > 10 * max(value for story, value in rate.items() if story != "KL forgotten")
    assert distortion["strong decoder"] < 0.8 * min(v for story, v in distortion.items() if story != "strong decoder")
    assert rate["strong decoder"] < 0.5 * rate["healthy"]
    assert told["strong decoder"]["latents"][-1] < 0.25 < 0.45 < told["strong decoder"]["latents"][0]
    assert 0.3 < min(told["free bits"]["latents"]) <= max(told["free bits"]["latents"]) < 0.55
    assert distortion["free bits"] > 1.5 * distortion["strong decoder"]
    assert min(told["healthy"]["latents"]) > 1
    for story, run in told.items():
        worse = run["from a draw"] / distortion[story]
        assert worse > 1.3 if story == "no draw" else 0.95 < worse < 1.05
    assert told["no draw"]["from a draw"] > nothing
