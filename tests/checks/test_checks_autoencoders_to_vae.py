"""Chapter 9's exercises: the solutions pass, and each misconception is rejected under its own name."""

from __future__ import annotations

import textwrap

import pytest
import torch
from bank import Bank, BankTests, changed

from course_lib import data, training
from course_lib.checks import autoencoders_to_vae

HEADS = {
    "linear_autoencoder": "def linear_autoencoder(images, mean, directions):",
    "reparameterise": "def reparameterise(mean, log_variance):",
    "autoencoder_loss": "def autoencoder_loss(logits, images):",
    "reconstruct": "def reconstruct(model, images):",
    "six_vaes": "def six_vaes():",
}

LINEAR = """
rows = directions.flatten(1)
codes = (images - mean).flatten(1) @ rows.T
again = (codes @ rows).reshape(images.shape) + mean
return codes, again
"""
DRAW = """
epsilon = torch.randn(mean.shape, dtype=mean.dtype)
sigma = torch.exp(0.5 * log_variance)
return mean + sigma * epsilon
"""
LOSS = """
targets = (images + 1) / 2
nats = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
return nats.sum(dim=(1, 2, 3)).mean()
"""
BACK = """
modes = {m: m.training for m in model.modules()}
model.eval()
with torch.no_grad():
    mean, log_variance = model.encoder(images).chunk(2, dim=1)
    logits = model.decoder(mean)
for m, mode in modes.items():
    m.training = mode
return 2 * torch.sigmoid(logits) - 1
"""
DIAGNOSIS = """
return {
    "A": "shared epsilon",
    "B": "healthy",
    "C": "mean over pixels",
    "D": "variance as sigma",
    "E": "blocked gradient",
    "F": "no KL term",
}
"""


def swapped(one, other):
    return changed(DIAGNOSIS, f'"{one}"', "...", f'"{other}"', f'"{one}"', "...", f'"{other}"')


RIGHT = {
    "six_vaes": [
        DIAGNOSIS,
        """
        words = ["no KL term", "healthy", "variance as sigma", "mean over pixels", "blocked gradient", "shared epsilon"]
        return dict(zip("FBDCEA", words))
        """,
    ],
    "linear_autoencoder": [
        LINEAR,
        """
        codes = torch.einsum("nchw,dchw->nd", images - mean, directions)
        return codes, torch.einsum("nd,dchw->nchw", codes, directions) + mean
        """,
        """
        codes = torch.stack([((images - mean) * direction).sum(dim=(1, 2, 3)) for direction in directions], dim=1)
        again = mean.expand_as(images)
        for d, direction in enumerate(directions):
            again = again + codes[:, d, None, None, None] * direction
        return [codes, again]
        """,
        """
        W = directions.view(len(directions), -1)
        codes = F.linear((images - mean).reshape(len(images), -1), W)
        return codes, mean + torch.tensordot(codes, directions, dims=1)
        """,
        """
        codes = F.conv2d(images - mean, directions)[:, :, 0, 0]
        return codes, mean + F.conv_transpose2d(codes[:, :, None, None], directions)
        """,
        """
        x, m, rows = (t.detach().numpy() for t in (images, mean, directions))
        codes = np.tensordot(x - m, rows, axes=([1, 2, 3], [1, 2, 3]))
        return torch.from_numpy(codes), torch.from_numpy(m + np.tensordot(codes, rows, axes=1))
        """,
    ],
    "reparameterise": [
        DRAW,
        "return torch.distributions.Normal(mean, (log_variance / 2).exp()).rsample()",
        """
        log_sigma = log_variance / 2
        return mean + torch.exp(log_sigma) * torch.randn_like(mean)
        """,
        """
        sigma = log_variance.exp().sqrt()
        return torch.einsum("nd,nd->nd", sigma, torch.randn_like(sigma)) + mean
        """,
        """
        with torch.no_grad():
            epsilon = torch.normal(torch.zeros_like(mean), torch.ones_like(mean))
        return torch.addcmul(mean, epsilon, torch.exp(log_variance).pow(0.5))
        """,
        "return mean + (0.5 * log_variance).exp() * torch.from_numpy(np.random.standard_normal(mean.shape)).to(mean)",
        """
        std = torch.exp(0.5 * log_variance)
        return mean - std * torch.distributions.Normal(torch.zeros_like(mean), 1.0).sample()
        """,
        """
        u = torch.rand_like(mean).clamp(1e-9, 1 - 1e-9)
        return mean + (0.5 * log_variance).exp() * torch.special.ndtri(u)
        """,
        """
        columns = [m + v.mul(0.5).exp() * torch.randn(len(m), dtype=m.dtype) for m, v in zip(mean.T, log_variance.T)]
        return torch.stack(columns, dim=1)
        """,
        "return torch.distributions.MultivariateNormal(mean, torch.diag_embed(log_variance.exp())).rsample()",
    ],
    "autoencoder_loss": [
        LOSS,
        "return nn.BCEWithLogitsLoss(reduction='sum')(logits, (images + 1) / 2) / len(images)",
        "return (F.softplus(logits) - (images + 1) / 2 * logits).flatten(1).sum(1).mean()",
        """
        t = images.add(1).div(2)
        log_p = t * F.logsigmoid(logits) + (1 - t) * F.logsigmoid(-logits)
        return -torch.einsum("nchw->", log_p) / logits.shape[0]
        """,
        """
        t = 0.5 * images + 0.5
        costs = [F.binary_cross_entropy_with_logits(a, b, reduction="sum") for a, b in zip(logits, t)]
        return torch.stack(costs).mean()
        """,
        """
        t = (1 + images) / 2
        return (logits.clamp(min=0) - t * logits + torch.log1p(torch.exp(-logits.abs()))).sum() / len(logits)
        """,
        "return F.binary_cross_entropy_with_logits(logits, (images + 1) / 2) * logits[0].numel()",
    ],
    "reconstruct": [
        BACK,
        """
        with training.evaluating(model):
            out = model.encoder(images)
            return (model.decoder(out[:, : out.shape[1] // 2]) / 2).tanh()
        """,
        """
        on = [m for m in model.modules() if m.training]
        for m in on:
            m.training = False
        try:
            with torch.inference_mode():
                both = model.encoder(images)
                mean = torch.split(both, both.shape[1] // 2, dim=1)[0]
                return torch.special.expit(model.decoder(mean)).mul(2).sub(1)
        finally:
            for m in on:
                m.training = True
        """,
    ],
}
WRONG = [
    ("linear_autoencoder", "mean not subtracted", changed(LINEAR, "(images - mean)", "images")),
    ("linear_autoencoder", "mean of the batch", changed(LINEAR, "mean", "images.mean(0)")),
    (
        "linear_autoencoder",
        "height and width swapped",
        changed(LINEAR, "(images - mean).flatten(1)", "(images - mean).transpose(2, 3).flatten(1)"),
    ),
    ("linear_autoencoder", "standardised", changed(LINEAR, "again =", "codes = codes / codes.std(dim=0)\nagain =")),
    (
        "linear_autoencoder",
        "changes its input",
        "images.data -= mean.data\n" + changed(LINEAR, "images - mean", "images"),
    ),
    ("linear_autoencoder", "type", changed(LINEAR, "return codes, again", "return again")),
    ("linear_autoencoder", "shape", changed(LINEAR, "return codes, again", "return codes.T, again")),
    ("linear_autoencoder", "shape", changed(LINEAR, ".reshape(images.shape) + mean", " + mean.flatten()")),
    ("linear_autoencoder", "wrong", changed(LINEAR, "rows.T", "rows.T * 1.01")),
    ("linear_autoencoder", "float32", changed(LINEAR, "@ rows.T", "@ rows.float().double().T")),
    (
        "linear_autoencoder",
        "remembers",
        changed(LINEAR, "return codes", "codes = KEPT.setdefault(images.shape, codes)\nreturn codes"),
    ),
    (
        "linear_autoencoder",
        "borrowed",
        "from course_lib.vae.autoencoders_to_vae import principal_components\n"
        "principal_components(directions.flatten(1), 1)\n" + LINEAR.strip(),
    ),
    ("reparameterise", "no noise", "return mean"),
    ("reparameterise", "no noise", "return mean + 0 * log_variance"),
    ("reparameterise", "sets the seed", "torch.manual_seed(0)\n" + DRAW.strip()),
    (
        "reparameterise",
        "same noise every time",
        changed(DRAW, "dtype=mean.dtype", "dtype=mean.dtype, generator=torch.Generator().manual_seed(3)"),
    ),
    ("reparameterise", "same noise every time", changed(DRAW, "torch.randn(mean.shape, dtype=mean.dtype)", "1.0")),
    (
        "reparameterise",
        "no gradient through the sample",
        "with torch.no_grad():\n" + textwrap.indent(DRAW.strip(), "    "),
    ),
    ("reparameterise", "no gradient through the sample", "return torch.normal(mean, torch.exp(0.5 * log_variance))"),
    (
        "reparameterise",
        "no gradient through the sample",
        "return torch.distributions.Normal(mean, torch.exp(0.5 * log_variance)).sample()",
    ),
    (
        "reparameterise",
        "no gradient through the sample",
        changed(DRAW, "mean + sigma * epsilon", "(mean + sigma * epsilon).detach()"),
    ),
    ("reparameterise", "sigma is a constant", changed(DRAW, "0.5 * log_variance", "0.5 * log_variance.detach()")),
    (
        "reparameterise",
        "sigma is a constant",
        changed(DRAW, "sigma * epsilon", "torch.normal(torch.zeros_like(mean), sigma)"),
    ),
    ("reparameterise", "mean is a constant", changed(DRAW, "mean + sigma", "mean.data + sigma")),
    ("reparameterise", "mean is a constant", changed(DRAW, "mean + sigma", "sigma")),
    ("reparameterise", "sigma ignored", changed(DRAW, "sigma * epsilon", "epsilon")),
    ("reparameterise", "sigma ignored", changed(DRAW, "sigma * epsilon", "0 * sigma + epsilon")),
    ("reparameterise", "one epsilon shared by all latents", changed(DRAW, "mean.shape", "(len(mean), 1)")),
    ("reparameterise", "one epsilon for the whole batch", changed(DRAW, "mean.shape", "mean.shape[1:]")),
    ("reparameterise", "one epsilon for the whole batch", changed(DRAW, "mean.shape", "(1, mean.shape[1])")),
    ("reparameterise", "one epsilon for everything", changed(DRAW, "mean.shape", "()")),
    ("reparameterise", "one epsilon for everything", "return mean + torch.exp(0.5 * log_variance) * np.random.randn()"),
    ("reparameterise", "exp(log_var) as sigma", changed(DRAW, "0.5 * log_variance", "log_variance")),
    (
        "reparameterise",
        "exp(log_var) as sigma",
        "return torch.distributions.Normal(mean, log_variance.exp()).rsample()",
    ),
    ("reparameterise", "halved twice", changed(DRAW, "0.5 * log_variance", "0.5 * (log_variance / 2)")),
    ("reparameterise", "halved twice", changed(DRAW, "sigma * epsilon", "sigma.sqrt() * epsilon")),
    ("reparameterise", "no exp", changed(DRAW, "torch.exp(0.5 * log_variance)", "log_variance")),
    ("reparameterise", "no exp, halved", changed(DRAW, "torch.exp(0.5 * log_variance)", "0.5 * log_variance")),
    ("reparameterise", "divided by sigma", changed(DRAW, "sigma * epsilon", "epsilon / sigma")),
    ("reparameterise", "softplus", changed(DRAW, "torch.exp(0.5 * log_variance)", "F.softplus(log_variance)")),
    (
        "reparameterise",
        "root of the log variance",
        changed(DRAW, "torch.exp(0.5 * log_variance)", "log_variance.abs().sqrt()"),
    ),
    ("reparameterise", "variance squared", changed(DRAW, "0.5 * log_variance", "2 * log_variance")),
    ("reparameterise", "uniform noise", changed(DRAW, "torch.randn", "torch.rand")),
    ("reparameterise", "uniform noise", changed(DRAW, "sigma * epsilon", "sigma * (2 * torch.rand_like(mean) - 1)")),
    (
        "reparameterise",
        "uniform noise",
        changed(DRAW, "sigma * epsilon", "sigma * (torch.rand_like(mean) - 0.5) * 12 ** 0.5"),
    ),
    ("reparameterise", "not normal", changed(DRAW, "sigma * epsilon", "sigma * epsilon.sign()")),
    (
        "reparameterise",
        "not normal",
        changed(
            DRAW, "sigma * epsilon", "sigma * torch.distributions.Laplace(0.0, 0.5 ** 0.5).sample(mean.shape).to(mean)"
        ),
    ),
    ("reparameterise", "shifted", changed(DRAW, "mean + sigma", "mean + sigma + sigma")),
    ("reparameterise", "shifted", changed(DRAW, "sigma * epsilon", "sigma * epsilon.abs()")),
    ("reparameterise", "shifted", changed(DRAW, "sigma * epsilon", "sigma * epsilon ** 2")),
    ("reparameterise", "shifted", changed(DRAW, "mean + sigma", "1.1 * mean + 0.1 + sigma")),
    ("reparameterise", "wrong spread", changed(DRAW, "sigma * epsilon", "0.97 * sigma * epsilon")),
    ("reparameterise", "wrong spread", changed(DRAW, "sigma * epsilon", "(sigma + 0.05) * epsilon")),
    (
        "reparameterise",
        "images depend on each other",
        changed(
            DRAW,
            "epsilon = torch.randn(mean.shape, dtype=mean.dtype)",
            "half = torch.randn(-(-len(mean) // 2), mean.shape[1], dtype=mean.dtype)\n"
            "epsilon = torch.cat([half, -half])[: len(mean)]",
        ),
    ),
    (
        "reparameterise",
        "noise repeated",
        changed(
            DRAW,
            "sigma =",
            "epsilon = epsilon[::2].repeat_interleave(2, dim=0)[: len(mean)]\nsigma =",
        ),
    ),
    (
        "reparameterise",
        "latents depend on each other",
        changed(DRAW, "sigma =", "epsilon[:, -1] = -epsilon[:, 0] if mean.shape[1] > 1 else epsilon[:, 0]\nsigma ="),
    ),
    (
        "reparameterise",
        "noise repeated",
        changed(DRAW, "sigma =", "epsilon = epsilon[torch.randint(-(-len(mean) // 4), (len(mean),))]\nsigma ="),
    ),
    (
        "reparameterise",
        "gradient of the log variance",
        changed(DRAW, "0.5 * log_variance", "0.25 * log_variance + 0.25 * log_variance.detach()"),
    ),
    (
        "reparameterise",
        "gradient of the mean",
        changed(DRAW, "mean + sigma", "0.5 * mean + 0.5 * mean.detach() + sigma"),
    ),
    ("reparameterise", "dtype", changed(DRAW, "mean + sigma * epsilon", "(mean + sigma * epsilon).float()")),
    ("reparameterise", "dtype", changed(DRAW, "dtype=mean.dtype", "dtype=torch.float64")),
    ("reparameterise", "changes its input", "log_variance.data *= 0.5\n" + changed(DRAW, "0.5 * ", "")),
    ("reparameterise", "changes its input", changed(DRAW, "return", "mean.data += sigma.data\nreturn")),
    ("reparameterise", "shape", changed(DRAW, "epsilon\n", "epsilon\n").strip() + "[None]"),
    ("reparameterise", "type", changed(DRAW, "return mean + sigma * epsilon", "return mean, sigma")),
    (
        "reparameterise",
        "root of the log variance",
        changed(DRAW, "torch.exp(0.5 * log_variance)", "log_variance.sqrt()"),
    ),
    ("reparameterise", "extreme log variance", changed(DRAW, "log_variance)", "log_variance.clamp(-30, 20))")),
    ("reparameterise", "extreme log variance", changed(DRAW, "sigma * epsilon", "(sigma + 1e-8) * epsilon")),
    ("reparameterise", "float32", changed(DRAW, "0.5 * log_variance", "0.5 * log_variance.float()")),
    ("reparameterise", "noise repeated", changed(DRAW, "sigma =", "epsilon = ONCE(epsilon)\nsigma =")),
    ("reparameterise", "images depend on each other", changed(DRAW, "sigma =", "epsilon = IN_PAIRS(epsilon)\nsigma =")),
    (
        "reparameterise",
        "borrowed",
        "from course_lib.vae.autoencoders_to_vae import reparameterise\nreturn reparameterise(mean, log_variance)",
    ),
    (
        "autoencoder_loss",
        "cross-entropy backwards",
        """
        t, p = (images + 1) / 2, logits.sigmoid()
        return -(p * t.log() + (1 - p) * (1 - t).log()).flatten(1).sum(1).mean()
        """,
    ),
    (
        "autoencoder_loss",
        "large logits",
        "return F.binary_cross_entropy(logits.sigmoid(), (images + 1) / 2, reduction='sum') / len(images)",
    ),
    (
        "autoencoder_loss",
        "large logits",
        """
        p, t = logits.sigmoid(), (images + 1) / 2
        return -(t * torch.log(p) + (1 - t) * torch.log(1 - p)).flatten(1).sum(1).mean()
        """,
    ),
    (
        "autoencoder_loss",
        "large logits",
        "t = (images + 1) / 2\nreturn ((1 + logits.exp()).log() - t * logits).sum() / len(images)",
    ),
    (
        "autoencoder_loss",
        "large logits",
        "logits = logits.clamp(-30, 30)\n" + LOSS.strip(),
    ),
    (
        "autoencoder_loss",
        "large logits",
        """
        p, t = logits.sigmoid().clamp(1e-12, 1 - 1e-12), (images + 1) / 2
        return -(t * torch.log(p) + (1 - t) * torch.log(1 - p)).flatten(1).sum(1).mean()
        """,
    ),
    ("autoencoder_loss", "no gradient", changed(LOSS, "(logits, targets", "(logits.detach(), targets")),
    (
        "autoencoder_loss",
        "wrong gradient",
        changed(LOSS, ".mean()", ".detach().mean() + logits.mean() - logits.detach().mean()"),
    ),
    ("autoencoder_loss", "float32", changed(LOSS, "(logits, targets", "(logits.float().double(), targets")),
    (
        "autoencoder_loss",
        "remembers",
        changed(LOSS, "(images + 1) / 2", "KEPT.setdefault(images.shape, (images + 1) / 2)"),
    ),
    (
        "autoencoder_loss",
        "borrowed",
        "from course_lib.vae import autoencoders_to_vae as ae\nreturn ae.pixel_loss(logits, images).mean()",
    ),
    ("autoencoder_loss", "no gradient", changed(LOSS, ".mean()", ".mean().detach()")),
    ("autoencoder_loss", "type", changed(LOSS, ".mean()", ".mean().item()")),
    (
        "autoencoder_loss",
        "changes its input",
        "images += 1\nimages /= 2\n" + changed(LOSS, "(images + 1) / 2", "images"),
    ),
    ("autoencoder_loss", "wrong", changed(LOSS, "return ", "return 1.1 * ")),
    (
        "reconstruct",
        "sampling at evaluation",
        changed(BACK, "decoder(mean)", "decoder(mean + (0.5 * log_variance).exp() * torch.randn_like(mean))"),
    ),
    (
        "reconstruct",
        "sampling at evaluation",
        changed(BACK, "decoder(mean)", "decoder(torch.normal(mean, (0.5 * log_variance).exp()))"),
    ),
    ("reconstruct", "log variance for the mean", changed(BACK, "mean, log_variance =", "log_variance, mean =")),
    (
        "reconstruct",
        "every second number",
        changed(BACK, "model.encoder(images).chunk(2, dim=1)", "model.encoder(images)[:, ::2], 0"),
    ),
    ("reconstruct", "sigma for the mean", changed(BACK, "decoder(mean)", "decoder((0.5 * log_variance).exp())")),
    ("reconstruct", "sigma added", changed(BACK, "decoder(mean)", "decoder(mean + (log_variance / 2).exp())")),
    ("reconstruct", "wrong code", changed(BACK, "decoder(mean)", "decoder(0 * mean)")),
    ("reconstruct", "train mode", changed(BACK, "model.eval()", "model.train()")),
    ("reconstruct", "train mode", changed(BACK, "model.eval()", "")),
    ("reconstruct", "train mode", changed(BACK, "model.eval()", "model.encoder.eval()")),
    ("reconstruct", "train mode", changed(BACK, "model.eval()", "model.training = False")),
    ("reconstruct", "gradients kept", changed(BACK, "with torch.no_grad():", "if True:")),
    ("reconstruct", "gradients kept", changed(BACK, "    logits = model", "logits = model")),
    (
        "reconstruct",
        "graph built for nothing",
        changed(BACK, "with torch.no_grad():", "if True:", "sigmoid(logits)", "sigmoid(logits).detach()"),
    ),
    (
        "reconstruct",
        "gradients switched on",
        changed(BACK, "return", "torch.set_grad_enabled(True)\nreturn"),
    ),
    (
        "reconstruct",
        "gradients stay off",
        changed(BACK, "with torch.no_grad():", "torch.set_grad_enabled(False)\nif True:"),
    ),
    ("reconstruct", "left in eval mode", changed(BACK, "m.training = mode", "pass")),
    ("reconstruct", "always train mode", changed(BACK, "m.training = mode", "m.training = True")),
    (
        "reconstruct",
        "submodules forgotten",
        changed(BACK, "for m, mode in modes.items():\n    m.training = mode", "model.train(modes[model])"),
    ),
    ("reconstruct", "requires_grad changed", "model.requires_grad_(False)\n" + BACK.strip()),
    ("reconstruct", "requires_grad changed", changed(BACK, "return", "model.requires_grad_(True)\nreturn")),
    ("reconstruct", "model changed", changed(BACK, "return", "model.encoder.layers[2].running_mean.mul_(0.5)\nreturn")),
    ("reconstruct", "not called", changed(BACK, "model.decoder(mean)", "model.decoder.layers(mean)")),
    ("reconstruct", "not called", "import copy\nmodel = copy.deepcopy(model)\n" + BACK.strip()),
    (
        "reconstruct",
        "several calls",
        changed(BACK, "mean, log_variance", "model.encoder(images)\n    mean, log_variance"),
    ),
    (
        "reconstruct",
        "random numbers drawn",
        changed(BACK, "logits =", "epsilon = torch.randn_like(mean)\n    logits ="),
    ),
    ("reconstruct", "logits returned", changed(BACK, "2 * torch.sigmoid(logits) - 1", "logits")),
    ("reconstruct", "probabilities returned", changed(BACK, "2 * torch.sigmoid(logits) - 1", "logits.sigmoid()")),
    ("reconstruct", "tanh of the logits", changed(BACK, "2 * torch.sigmoid(logits) - 1", "logits.tanh()")),
    ("reconstruct", "thresholded", changed(BACK, "2 * torch.sigmoid(logits) - 1", "torch.sign(logits)")),
    ("reconstruct", "rounded", changed(BACK, "2 * torch.sigmoid(logits) - 1", "logits.sigmoid().round()")),
    ("reconstruct", "upside down", changed(BACK, "2 * torch.sigmoid(logits) - 1", "1 - 2 * logits.sigmoid()")),
    (
        "reconstruct",
        "overflow",
        changed(BACK, "2 * torch.sigmoid(logits) - 1", "2 * logits.exp() / (1 + logits.exp()) - 1"),
    ),
    ("reconstruct", "clamped logits", changed(BACK, "2 * torch.sigmoid(logits) - 1", "logits.clamp(-1, 1)")),
    ("reconstruct", "nothing returned", changed(BACK, "return", "_ =")),
    ("reconstruct", "changes its input", "images.mul_(2)\n" + BACK.strip()),
    ("reconstruct", "type", changed(BACK, "return ", "return (").rstrip() + ").numpy()"),
    ("reconstruct", "shape", changed(BACK, "return ", "return (").rstrip() + ")[0]"),
    ("reconstruct", "wrong", changed(BACK, "return 2 *", "return 1.9 *")),
    ("reconstruct", "float32", changed(BACK, "sigmoid(logits)", "sigmoid(logits.float()).double()")),
    ("reconstruct", "wrong", changed(BACK, "sigmoid(logits)", "sigmoid(KEPT.setdefault(logits.shape, logits))")),
]

WRONG += [
    ("six_vaes", "shared epsilon taken for healthy", swapped("shared epsilon", "healthy")),
    ("six_vaes", "shared epsilon taken for variance as sigma", swapped("shared epsilon", "variance as sigma")),
    ("six_vaes", "shared epsilon taken for no KL term", swapped("shared epsilon", "no KL term")),
    ("six_vaes", "healthy taken for variance as sigma", swapped("healthy", "variance as sigma")),
    ("six_vaes", "healthy taken for no KL term", swapped("healthy", "no KL term")),
    ("six_vaes", "mean over pixels taken for blocked gradient", swapped("mean over pixels", "blocked gradient")),
    ("six_vaes", "mean over pixels taken for no KL term", swapped("mean over pixels", "no KL term")),
    ("six_vaes", "variance as sigma taken for blocked gradient", swapped("variance as sigma", "blocked gradient")),
    ("six_vaes", "variance as sigma taken for healthy", changed(DIAGNOSIS, "variance as sigma", "healthy")),
    (
        "six_vaes",
        "variance as sigma taken for shared epsilon",
        changed(DIAGNOSIS, "variance as sigma", "shared epsilon"),
    ),
    (
        "six_vaes",
        "blocked gradient taken for mean over pixels",
        changed(DIAGNOSIS, "blocked gradient", "mean over pixels"),
    ),
    ("six_vaes", "blocked gradient taken for no KL term", swapped("blocked gradient", "no KL term")),
    ("six_vaes", "no KL term taken for healthy", changed(DIAGNOSIS, "no KL term", "healthy")),
    ("six_vaes", "no KL term taken for shared epsilon", changed(DIAGNOSIS, "no KL term", "shared epsilon")),
    ("six_vaes", "shared epsilon taken for healthy", "return dict.fromkeys('ABCDEF', 'healthy')"),
    ("six_vaes", "letter missing", changed(DIAGNOSIS, '"D": "variance as sigma",', "")),
    ("six_vaes", "unknown word", changed(DIAGNOSIS, "shared epsilon", "one epsilon")),
    ("six_vaes", "unknown word", changed(DIAGNOSIS, '"healthy"', "[]")),
    ("six_vaes", "type", "return ['shared epsilon', 'healthy']"),
]

KEPT: dict = {}  # what an answer remembers


def once(epsilon):
    """The noise of the first call of this shape, again and again."""
    return KEPT.setdefault(epsilon.shape, epsilon) if len(epsilon) > 100 else epsilon


def in_pairs(epsilon):
    """New noise in every second call of this shape, and its negative in between."""
    return -KEPT.pop(epsilon.shape) if epsilon.shape in KEPT else KEPT.setdefault(epsilon.shape, epsilon)


class TestBank(BankTests):
    bank = Bank(
        "09_autoencoders_to_vae",
        HEADS,
        RIGHT,
        WRONG,
        space={"training": training, "KEPT": KEPT, "ONCE": once, "IN_PAIRS": in_pairs},
        longest=300,
    )

    @pytest.fixture(autouse=True)
    def nothing_remembered(self):
        KEPT.clear()


def test_every_confusion_has_words():
    assert sorted(autoencoders_to_vae.PATIENTS.values()) == sorted(autoencoders_to_vae.VERDICTS)
    for illness in autoencoders_to_vae.VERDICTS:
        assert (illness, None) in autoencoders_to_vae.LOOK_AGAIN


def test_the_six_runs_show_what_the_words_claim():
    images = data.load("strokes", size=28, count=600).images
    before = torch.get_rng_state()
    runs = autoencoders_to_vae.mysteries(images, steps=120)
    assert torch.equal(before, torch.get_rng_state())
    of = {illness: runs[letter] for letter, illness in autoencoders_to_vae.PATIENTS.items()}
    last = {illness: (run["reconstruction"][-1], run["kl"][-1]) for illness, run in of.items()}
    spread = {illness: (run["draws"] - run["mean"]).std(dim=0) / run["sigma"] for illness, run in of.items()}
    assert last["no KL term"][1] > 100 > 30 > last["healthy"][1] > 5
    assert last["mean over pixels"][0] < 1 < 150 < last["blocked gradient"][0]
    for empty in ("mean over pixels", "blocked gradient"):
        assert last[empty][1] < 0.1
        assert of[empty]["again"].std(dim=0).mean() < 0.02  # every image comes back as the same blob
    assert of["healthy"]["again"].std(dim=0).mean() > 0.1
    for illness in ("healthy", "shared epsilon", "no KL term"):
        assert (spread[illness] - 1).abs().max() < 0.15
    assert spread["variance as sigma"].max() < 0.75
    together = {illness: float(torch.corrcoef(run["draws"].T)[0, 1]) for illness, run in of.items()}
    assert together["shared epsilon"] > 0.999
    assert abs(together["healthy"]) < 0.3
    assert max(last[illness][1] for illness in ("shared epsilon", "variance as sigma")) < last["healthy"][1]


def test_the_same_images_give_the_same_runs():
    images = data.load("strokes", size=28, count=100).images
    one, two = (autoencoders_to_vae.patient(images, "healthy", 3) for _ in range(2))
    assert one["kl"] == two["kl"]
    assert torch.equal(one["draws"], two["draws"])
