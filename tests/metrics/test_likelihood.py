"""Nats of a VAE: equal to a direct computation, whatever the batches; units by hand; the protocol always named."""

from __future__ import annotations

import json
import math

import pytest
import torch
from torch import distributions as D

from course_lib import metrics
from course_lib.data.imageset import ImageSet
from course_lib.errors import CourseError
from course_lib.vae.training_a_vae import VAE


def some(count: int = 20, channels: int = 1, size: int = 8) -> ImageSet:
    pixels = torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return ImageSet(pixels, torch.arange(count) % 10)


def small(**config) -> VAE:
    torch.manual_seed(0)
    model = VAE(**({"size": 8, "latent": 3, "network": "mlp", "hidden": 9} | config))
    with torch.no_grad():
        model.encoder[-1].weight.mul_(4)
        model.log_sigma.fill_(-0.4)
    return model.train()


def direct(model: VAE, x: torch.Tensor, samples: int) -> tuple[torch.Tensor, ...]:
    """log p(x | z), KL and log weights by torch.distributions, [K, N], at a stream of noise of its own."""
    with torch.no_grad():
        grey = model.likelihood == "gaussian"
        mean, log_variance = model.encoder(x if grey else 2 * x - 1).double().chunk(2, dim=1)
        q, prior = D.Normal(mean, (log_variance / 2).exp()), D.Normal(torch.zeros(()).double(), 1.0)
        noise = torch.randn(samples, *mean.shape, generator=torch.Generator().manual_seed(9), dtype=torch.float64)
        z = mean + q.stddev * noise
        logits = model.decoder(z.float().flatten(0, 1)).double().unflatten(0, z.shape[:2])
        pixels = (
            D.Normal(2 * logits.sigmoid() - 1, model.log_sigma.double().exp()) if grey else D.Bernoulli(logits=logits)
        )
        given = pixels.log_prob(x.double()).sum(dim=(2, 3, 4))
        return given, D.kl_divergence(q, prior).sum(dim=1), given + (prior.log_prob(z) - q.log_prob(z)).sum(dim=2)


@pytest.mark.parametrize("config", [{}, {"likelihood": "gaussian"}, {"channels": 3}])
def test_the_figures_equal_a_direct_computation(config):
    model, images = small(**config), some(channels=config.get("channels", 1))
    found = metrics.likelihood(model, images, samples=(1, 20))
    x = model.targets(images.images, torch.Generator().manual_seed(0))
    given, kl, weights = direct(model, x, 2000)
    assert found.kl == pytest.approx(float(kl.mean()), rel=1e-5)
    deviation = float(weights.std(dim=0).mean())
    spread = 6 * float(given.std(dim=0).mean()) / math.sqrt(len(images))
    assert found.reconstruction == pytest.approx(-float(given.mean()), abs=spread)
    assert found.neg_elbo == pytest.approx(found.reconstruction + found.kl)
    assert found.iwae[1] == pytest.approx(-float(weights.mean()), abs=6 * deviation / math.sqrt(len(images)))
    wanted = weights.unflatten(0, (100, 20)).logsumexp(dim=1) - math.log(20)
    assert found.iwae[20] == pytest.approx(-float(wanted.mean()), abs=3 * deviation / math.sqrt(len(images)))
    assert found.iwae[20] < found.iwae[1]
    assert found.images == found.iwae_images == 20


def test_the_first_term_is_the_one_of_the_same_pixels_and_noise():
    model, images = small(), some()
    found = metrics.likelihood(model, images, samples=(1,), seed=5)
    targets = model.targets(images.images, torch.Generator().manual_seed(5))
    torch.manual_seed(5)
    with torch.no_grad():
        terms = model.terms(targets)
    assert found.reconstruction == pytest.approx(-float(terms.log_likelihood.mean()), rel=1e-6)
    assert found.kl == pytest.approx(float(terms.kl.sum(dim=1).mean()), rel=1e-6)


def test_rows_change_the_noise_at_most():
    model, images = small(), some(64)
    whole, parts = (metrics.likelihood(model, images, samples=(1, 20), rows=rows) for rows in (5000, 7))
    assert parts.kl == pytest.approx(whole.kl, rel=1e-6)
    assert parts.active_units == whole.active_units
    for count in (1, 20):
        assert parts.iwae[count] == pytest.approx(whole.iwae[count], abs=1.0)
    assert parts.neg_elbo == pytest.approx(whole.neg_elbo, abs=1.0)
    with torch.no_grad():
        model.encoder[-1].weight[3:].zero_()
        model.encoder[-1].bias[3:] = -50.0  # almost no noise left: rows can change nothing
    whole, parts = (metrics.likelihood(model, images, samples=(1, 20), rows=rows) for rows in (5000, 7))
    assert parts.reconstruction == pytest.approx(whole.reconstruction, abs=0.02)


def test_the_gap_of_some_images_stands_for_all():
    model, images = small(), some(400)
    whole = metrics.likelihood(model, images, samples=(1, 50))
    part = metrics.likelihood(model, images, samples=(1, 50), iwae_images=100)
    assert (whole.iwae_images, part.iwae_images, part.images) == (400, 100, 400)
    assert part.neg_elbo == whole.neg_elbo
    assert part.iwae[1] == pytest.approx(part.neg_elbo)
    assert part.iwae[50] == pytest.approx(whole.iwae[50], abs=0.5)
    assert metrics.likelihood(model, images, samples=(1,), iwae_images=900).iwae_images == 400


def test_equal_seeds_give_equal_figures_and_nothing_is_left_behind():
    model, images = small(), some()
    model.decoder[0].eval()
    modes = [module.training for module in model.modules()]
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    torch.manual_seed(17)
    state = torch.get_rng_state()
    first = metrics.likelihood(model, images, samples=(1, 5))
    assert torch.equal(state, torch.get_rng_state())
    torch.rand(3)
    assert metrics.likelihood(model, images, samples=(1, 5)) == first
    assert metrics.likelihood(model, images, samples=(1, 5), seed=1) != first
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.state_dict().items())


def test_bits_per_dimension_by_hand():
    assert metrics.bits_per_dimension(math.log(2) * 784, 784) == pytest.approx(1.0)
    assert metrics.bits_per_dimension(80.0, 784) == pytest.approx(80 / 784 * 1.4426950408889634)
    found = metrics.likelihood(small(channels=3), some(channels=3), samples=(1, 7))
    assert found.bits_per_dimension == pytest.approx(found.iwae[7] / math.log(2) / 192)


def test_active_units_are_those_whose_means_vary():
    signs = torch.tensor([1.0, -1.0]).repeat(500)[:, None]
    means = signs * torch.tensor([0.0, 0.0999, 0.101, 2.0]) + 7  # variances 0, 0.00998, 0.0102, 4
    assert metrics.active_units(means) == 2
    assert metrics.active_units(means, least=1.0) == 1
    assert metrics.active_units(torch.full((9, 5), 3.0)) == 0


def test_a_collapsed_model_has_no_active_unit_and_no_kl():
    model = small()
    with torch.no_grad():
        model.encoder[-1].weight.zero_()
        model.encoder[-1].bias.zero_()
    found = metrics.likelihood(model, some(), samples=(1,))
    assert found.active_units == 0
    assert found.kl == 0
    assert found.neg_elbo == found.reconstruction


def test_the_protocol_is_named_and_everything_is_json():
    bernoulli = metrics.likelihood(small(), some(), samples=(1, 3), seed=8)
    assert bernoulli.protocol == "dynamic binarisation, test pixels by seed 8"
    assert metrics.likelihood(small(likelihood="gaussian"), some(), samples=(1,)).protocol.startswith("density of grey")
    figures = json.loads(json.dumps(bernoulli.figures()))
    assert figures["iwae_3"] == bernoulli.iwae[3]
    assert {"neg_elbo", "reconstruction", "kl", "iwae_1", "active_units", "images", "protocol"} <= figures.keys()


def test_a_gaussian_bound_is_a_density_and_may_be_negative():
    model, images = small(likelihood="gaussian"), some()
    with torch.no_grad():
        for weights in model.decoder.parameters():
            weights.zero_()
        model.log_sigma.fill_(math.log(1e-2))
    blank = ImageSet(torch.zeros_like(images.images), images.labels)
    found = metrics.likelihood(model, blank, samples=(1,))
    assert found.reconstruction == pytest.approx(64 * (0.5 * math.log(2 * math.pi) + math.log(1e-2)), rel=1e-5)
    assert found.reconstruction < 0


@pytest.mark.parametrize("samples", [(), (0,), (5, -1)])
def test_too_few_samples_are_refused(samples):
    with pytest.raises(CourseError, match=r"samples: got \[.*\], expected at least one K of 1 or more") as error:
        metrics.likelihood(small(), some(), samples=samples)
    assert "\n" not in str(error.value)
