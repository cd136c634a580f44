"""Chapter 10: every term against torch.distributions, integrals and autograd; what is trained; what leaves no trace."""

from __future__ import annotations

import math

import pytest
import torch
from torch import distributions as D
from torch.nn import functional as F

from course_lib import models, training
from course_lib.data.batches import Batch
from course_lib.data.imageset import ImageSet
from course_lib.errors import CourseError
from course_lib.training.progress import Bar
from course_lib.vae import training_a_vae as lib
from course_lib.vae.training_a_vae import VAE


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def some(count: int = 24, channels: int = 1, size: int = 8, seed: int = 0) -> ImageSet:
    pixels = torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return ImageSet(pixels, torch.arange(count) % 10, name="noise")


def small(**config) -> VAE:
    torch.manual_seed(0)
    model = VAE(**({"size": 8, "latent": 3, "network": "mlp", "hidden": 9, "width": 2} | config))
    model.configure()
    return model


# --- the terms --------------------------------------------------------------------------------------------------------


def test_kl_equals_torchs_and_is_per_latent():
    mean, log_variance = randn(5, 3), randn(5, 3, seed=1)
    prior = D.Normal(torch.zeros(5, 3).double(), 1.0)
    wanted = D.kl_divergence(D.Normal(mean, (log_variance / 2).exp()), prior)
    torch.testing.assert_close(lib.kl_per_latent(mean, log_variance), wanted)
    assert (lib.kl_per_latent(torch.zeros(2, 3), torch.zeros(2, 3)) == 0).all()


def test_kl_equals_its_monte_carlo_estimate():
    mean, log_variance = torch.tensor([[-1.0, 0.4]]).double(), torch.tensor([[0.3, -1.5]]).double()
    z = mean + (log_variance / 2).exp() * randn(200_000, 2)
    ratio = D.Normal(mean, (log_variance / 2).exp()).log_prob(z) - D.Normal(0.0, 1.0).log_prob(z)
    torch.testing.assert_close(ratio.mean(dim=0), lib.kl_per_latent(mean, log_variance)[0], atol=0.02, rtol=0)


def test_the_gradient_of_the_kl_is_the_formulas():
    mean, log_variance = randn(4, 3).requires_grad_(), randn(4, 3, seed=1).requires_grad_()
    to_mean, to_variance = torch.autograd.grad(lib.kl_per_latent(mean, log_variance).sum(), (mean, log_variance))
    torch.testing.assert_close(to_mean, mean)
    torch.testing.assert_close(to_variance, (log_variance.exp() - 1) / 2)
    assert torch.autograd.gradcheck(lib.kl_per_latent, (mean, log_variance))


def test_log_normal_equals_torchs():
    z, mean, log_variance = randn(2, 4, 3), randn(4, 3, seed=1), randn(4, 3, seed=2)
    torch.testing.assert_close(
        lib.log_normal(z, mean, log_variance), D.Normal(mean, (log_variance / 2).exp()).log_prob(z).sum(dim=-1)
    )
    torch.testing.assert_close(lib.log_normal(z), D.Normal(0.0, 1.0).log_prob(z).sum(dim=-1))
    assert lib.log_normal(torch.zeros(1, 3).double()).dtype == torch.float64


def test_bernoulli_log_likelihood_equals_torchs():
    logits, targets = 3 * randn(3, 2, 5, 7), (randn(3, 2, 5, 7, seed=1) > 0).double()
    wanted = D.Bernoulli(logits=logits).log_prob(targets).sum(dim=(1, 2, 3))
    torch.testing.assert_close(lib.bernoulli_log_likelihood(logits, targets), wanted)
    logits = torch.full((1, 1, 1, 2), 60.0, requires_grad=True)
    lib.bernoulli_log_likelihood(logits, torch.tensor([[[[0.0, 1.0]]]])).sum().backward()
    assert logits.grad.flatten().tolist() == [-1.0, 0.0], "still a gradient where a probability would round to 1"


def test_gaussian_log_likelihood_equals_torchs():
    means, targets = randn(3, 2, 5, 7), randn(3, 2, 5, 7, seed=1)
    log_sigma = torch.tensor(-0.7).double()
    wanted = D.Normal(means, log_sigma.exp()).log_prob(targets).sum(dim=(1, 2, 3))
    torch.testing.assert_close(lib.gaussian_log_likelihood(means, targets, log_sigma), wanted)


def test_no_other_sigma_is_likelier_than_the_optimal_one():
    means, targets = randn(3, 2, 5, 7), randn(3, 2, 5, 7, seed=1) / 3
    best = lib.optimal_log_sigma(means, targets).requires_grad_()
    top = lib.gaussian_log_likelihood(means, targets, best).sum()
    for change in (-0.1, -1e-3, 1e-3, 0.1):
        assert lib.gaussian_log_likelihood(means, targets, best.detach() + change).sum() < top
    (slope,) = torch.autograd.grad(top, best)
    assert abs(float(slope)) < 1e-9 * abs(float(top.detach()))
    assert float(lib.optimal_log_sigma(means, means)) == pytest.approx(math.log(1e-3)), "bounded for perfect images"


def test_free_bits_count_each_latent_as_the_floor_or_more():
    kl = torch.tensor([[0.1, 2.0, 0.9], [0.3, 4.0, 0.5]]).double().requires_grad_()  # batch means 0.2, 3.0, 0.7
    total = lib.free_bits_kl(kl, 0.5)
    assert float(total.detach()) == pytest.approx(0.5 + 3.0 + 0.7)
    (gradient,) = torch.autograd.grad(total, kl)
    assert gradient.tolist() == [[0.0, 0.5, 0.5], [0.0, 0.5, 0.5]]
    assert float(lib.free_bits_kl(kl, 0.0).detach()) == pytest.approx(float(kl.detach().sum(dim=1).mean()))


# --- the importance-weighted bound ------------------------------------------------------------------------------------


class Linear(VAE):
    """p(z) = N(0, 1), p(x | z) = N(W z + b, s²) with orthogonal columns in W: log p(x) and p(z | x) are known."""

    def __init__(self, shift: float = 0.0, widen: float = 0.0):
        super().__init__(size=8, latent=3, network="mlp", hidden=4)
        self.w = torch.linalg.qr(randn(64, 3))[0] * torch.tensor([3.0, 1.0, 0.5]).double()
        self.b, self.s, self.shift, self.widen = randn(64, seed=1), 0.8, shift, widen

    def encode(self, images):
        precision = 1 + self.w.square().sum(dim=0) / self.s**2
        mean = (images.flatten(1) - self.b) @ self.w / self.s**2 / precision
        return mean + self.shift, (self.widen - precision.log()).expand_as(mean)

    def targets(self, images, generator=None):
        return images

    seen = targets

    def log_likelihood(self, codes, targets):
        return D.Normal(codes @ self.w.T + self.b, self.s).log_prob(targets.flatten(1)).sum(dim=1)

    def truth(self, targets):
        covariance = self.w @ self.w.T + self.s**2 * torch.eye(64).double()
        return D.MultivariateNormal(self.b, covariance).log_prob(targets.flatten(1))

    def draw(self, count):
        return (randn(count, 3, seed=2) @ self.w.T + self.b + self.s * randn(count, 64, seed=3)).view(-1, 1, 8, 8)


def test_one_sample_is_the_weight_and_more_are_the_log_of_the_mean_weight():
    weights = randn(7, 5)
    torch.testing.assert_close(lib.iwae_bound(weights[:1]), weights[0])
    torch.testing.assert_close(lib.iwae_bound(weights), weights.exp().mean(dim=0).log())
    torch.testing.assert_close(lib.iwae_bound(weights - 2000), weights.exp().mean(dim=0).log() - 2000)
    assert (lib.iwae_bound(weights) >= weights.mean(dim=0)).all()


def test_with_the_exact_posterior_every_bound_is_log_p():
    model = Linear()
    x = model.draw(6)
    for samples in (1, 2, 50):
        torch.testing.assert_close(model.bound(x, samples), model.truth(x))


def test_with_another_posterior_the_bound_rises_towards_log_p():
    model = Linear(shift=0.25, widen=0.5)
    x = model.draw(200)
    torch.manual_seed(0)
    bounds = [float(model.bound(x, samples).mean()) for samples in (1, 5, 50, 500)]
    truth = float(model.truth(x).mean())
    gaps = [truth - bound for bound in bounds]
    assert gaps[0] > gaps[1] + 0.05 > gaps[2] + 0.05
    assert gaps[2] > gaps[3] - 0.01
    assert abs(gaps[3]) < 0.01
    _, log_variance = model.encode(x)
    _, exact = Linear().encode(x)
    ratio = (log_variance - exact).exp()
    kl = 0.5 * (ratio + 0.25**2 / exact.exp() - 1 - ratio.log()).sum(dim=1).mean()
    assert gaps[0] == pytest.approx(float(kl), abs=0.25), "the ELBO's gap is KL(q || posterior)"


def test_the_elbo_of_the_terms_equals_the_one_sample_bound_on_average():
    model = Linear(shift=0.2)
    x = model.draw(3).repeat(20_000, 1, 1, 1)
    torch.manual_seed(0)
    elbo, bound = (values.view(-1, 3).mean(dim=0) for values in (model.terms(x).elbo, model.bound(x, 1)))
    torch.testing.assert_close(elbo, bound, atol=0.05, rtol=0)
    assert model.terms(x[:3]).kl.shape == (3, 3)


def test_log_weights_are_log_joint_minus_log_q():
    model, targets = small().eval(), (some(4).images > 0).float()
    torch.manual_seed(5)
    found = model.log_weights(targets, 6)
    assert found.shape == (6, 4)
    mean, log_variance = model.encoder(2 * targets - 1).chunk(2, dim=1)
    torch.manual_seed(5)
    z = mean + (log_variance / 2).exp() * torch.randn(6, 4, 3)
    for k in range(6):
        likelihood = D.Bernoulli(logits=model.decoder(z[k])).log_prob(targets).sum(dim=(1, 2, 3))
        prior = D.Normal(0.0, 1.0).log_prob(z[k]).sum(dim=1)
        q = D.Normal(mean, (log_variance / 2).exp()).log_prob(z[k]).sum(dim=1)
        torch.testing.assert_close(found[k], likelihood + prior - q, atol=1e-4, rtol=1e-5)


# --- binarisation -----------------------------------------------------------------------------------------------------


def test_ink_is_as_probable_as_the_pixel_is_grey():
    greys = torch.tensor([-1.0, -0.6, 0.0, 0.5, 1.0])
    drawn = lib.binarised(greys.expand(40_000, 1, 1, 5), torch.Generator().manual_seed(0))
    assert set(drawn.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(drawn.mean(dim=(0, 1, 2)), (greys + 1) / 2, atol=0.01, rtol=0)
    assert drawn[..., 0].max() == 0
    assert drawn[..., -1].min() == 1, "paper and ink never change"


def test_a_seed_repeats_the_pixels_and_without_one_they_are_drawn_anew():
    images = some(6).images
    kept = images.clone()
    first, second = (lib.binarised(images, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second)
    state = torch.get_rng_state()
    lib.binarised(images, torch.Generator().manual_seed(3))
    assert torch.equal(state, torch.get_rng_state())
    assert not torch.equal(lib.binarised(images), lib.binarised(images))
    assert torch.equal(images, kept)
    assert lib.binarised(images.double()).dtype == torch.float64
    assert lib.binarised(torch.zeros(1, 1, 3, 5)).shape == (1, 1, 3, 5)


@pytest.mark.gpu
def test_a_cpu_generator_gives_the_same_pixels_on_a_gpu():
    images = some(6).images
    mine, there = (lib.binarised(x, torch.Generator().manual_seed(3)).cpu() for x in (images, images.cuda()))
    assert torch.equal(mine, there)


# --- training ---------------------------------------------------------------------------------------------------------


def gradients(model: VAE, batch: Batch, monkeypatch) -> tuple[float, list[torch.Tensor], dict]:
    """The loss a training step descends, its gradients, and what the step reports; nothing is changed."""
    found = []

    def descend(loss, optimizer):
        found.append((float(loss.detach()), torch.autograd.grad(loss, list(model.parameters()))))

    monkeypatch.setattr(model, "descend", descend)
    losses = model.training_step(batch)
    ((loss, slopes),) = found
    return loss, list(slopes), losses


@pytest.mark.parametrize("beta", [1.0, 3.0])
@pytest.mark.parametrize(("network", "channels"), [("mlp", 1), ("conv", 3)])
def test_a_step_descends_minus_the_elbo(network, channels, beta, monkeypatch):
    model, batch = small(network=network, channels=channels, beta=beta).train(), some(5, channels)
    torch.manual_seed(11)
    loss, slopes, losses = gradients(model, Batch(batch.images, batch.labels), monkeypatch)
    torch.manual_seed(11)
    x = (torch.rand(batch.images.shape) < (batch.images + 1) / 2).float()
    mean, log_variance = model.encoder(2 * x - 1).chunk(2, dim=1)
    q = D.Normal(mean, (log_variance / 2).exp())
    z = mean + q.stddev * torch.randn(5, 3)
    likelihood = D.Bernoulli(logits=model.decoder(z)).log_prob(x).sum() / 5
    kl = D.kl_divergence(q, D.Normal(0.0, 1.0)).sum() / 5
    wanted = torch.autograd.grad(beta * kl - likelihood, list(model.parameters()))
    assert loss == pytest.approx(float((beta * kl - likelihood).detach()), rel=1e-5)
    for found, slope in zip(slopes, wanted, strict=True):
        torch.testing.assert_close(found, slope, atol=1e-4, rtol=1e-3)
    assert float(losses["reconstruction"]) == pytest.approx(-float(likelihood.detach()), rel=1e-5)
    assert float(losses["kl"]) == pytest.approx(float(kl.detach()), rel=1e-4)
    assert not any(value.requires_grad for value in losses.values())


def test_the_weight_of_the_kl_grows_over_the_warm_up_and_stays():
    model = small(beta=4.0, warm_up=5)
    weights = []
    for step in range(8):
        model.steps_done = step
        weights.append(model.weight())
    assert weights == pytest.approx([0.8, 1.6, 2.4, 3.2, 4.0, 4.0, 4.0, 4.0])
    model = small(beta=0.5)
    assert model.weight() == 0.5


def test_warm_up_and_free_bits_reach_the_loss(monkeypatch):
    batch = Batch(some(6).images, some(6).labels)
    for config, step in (({"beta": 2.0, "warm_up": 10}, 3), ({"free_bits": 5.0}, 0), ({"free_bits": 1e-6}, 0)):
        model = small(**config)
        model.steps_done = step
        loss, _, losses = gradients(model, batch, monkeypatch)
        cost = 15.0 if config.get("free_bits") == 5.0 else model.weight() * float(losses["kl"])
        assert loss == pytest.approx(float(losses["reconstruction"]) + cost, rel=1e-5)


def test_importance_trains_the_tighter_bound(monkeypatch):
    model, batch = small(importance=4), some(5)
    torch.manual_seed(2)
    loss, slopes, losses = gradients(model, Batch(batch.images, batch.labels), monkeypatch)
    assert losses.keys() == {"loss"}
    torch.manual_seed(2)
    targets = model.targets(batch.images)
    bound = model.log_weights(targets, 4)
    wanted = -(torch.logsumexp(bound, dim=0) - math.log(4)).mean()
    assert loss == pytest.approx(float(wanted.detach()), rel=1e-6)
    for found, slope in zip(slopes, torch.autograd.grad(wanted, list(model.parameters())), strict=True):
        torch.testing.assert_close(found, slope)


def test_a_gaussian_step_uses_the_best_sigma_and_remembers_it(monkeypatch):
    model, batch = small(likelihood="gaussian").train(), some(6)
    torch.manual_seed(2)
    _, _, losses = gradients(model, Batch(batch.images, batch.labels), monkeypatch)
    torch.manual_seed(2)
    with torch.no_grad():
        mean, log_variance = model.encode(batch.images)
    means = 2 * model.decoder(mean + (log_variance / 2).exp() * torch.randn(6, 3)).sigmoid() - 1
    error = (means - batch.images).square().mean()
    assert float(losses["reconstruction"]) == pytest.approx(
        float(64 * (0.5 * math.log(2 * math.pi) + 0.5 * error.log() + 0.5).detach()), rel=1e-5
    )
    assert float(model.log_sigma) == pytest.approx(0.05 * 0.5 * math.log(float(error.detach())), rel=1e-4)
    kept = model.log_sigma.clone()
    model.eval()
    found = model.log_likelihood(mean, batch.images)
    assert torch.equal(model.log_sigma, kept)
    means = 2 * model.decoder(mean).sigmoid() - 1
    wanted = D.Normal(means, kept.exp()).log_prob(batch.images).sum(dim=(1, 2, 3))
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=1e-5)


@pytest.mark.parametrize(
    "config",
    [{}, {"likelihood": "gaussian"}, {"network": "conv", "channels": 3}, {"importance": 3}, {"free_bits": 0.2}],
)
def test_a_step_moves_every_weight_and_a_short_training_learns(config):
    model, images = small(**config), some(32, config.get("channels", 1))
    before = {name: weights.clone() for name, weights in model.named_parameters()}
    torch.manual_seed(0)
    seen = []
    for _ in range(80):
        losses = model.training_step(Batch(images.images, images.labels))
        seen.append(sum(float(value) for value in losses.values()))
    assert all(not torch.equal(weights, before[name]) for name, weights in model.named_parameters())
    assert sum(seen[-10:]) < sum(seen[:10])


def test_the_encoder_sees_the_pixels_that_the_likelihood_speaks_of():
    model, images = small(), some(4)
    targets = model.targets(images.images, torch.Generator().manual_seed(5))
    assert set(model.seen(targets).unique().tolist()) == {-1.0, 1.0}
    grey = small(likelihood="gaussian")
    assert grey.targets(images.images) is images.images
    assert grey.seen(images.images) is images.images


def test_variances_stay_within_what_exp_can_take():
    model = small()
    with torch.no_grad():
        model.encoder[-1].bias.fill_(1e4)
    mean, log_variance = model.encode(some(2).images)
    assert log_variance.max() == 12
    assert lib.kl_per_latent(mean, log_variance).isfinite().all()
    assert mean.shape == log_variance.shape == (2, 3)


# --- running, keeping -------------------------------------------------------------------------------------------------


def fitted(steps: int, folder=None, **config):
    torch.manual_seed(4)
    model = VAE(size=8, latent=3, network="mlp", hidden=9, **config)
    return training.fit(model, some(), steps=steps, batch_size=8, device="cpu", folder=folder, view=Bar(silent=True))


@pytest.mark.parametrize("config", [{"warm_up": 9}, {"likelihood": "gaussian"}])
def test_a_continued_training_is_the_uninterrupted_one_bit_for_bit(config, tmp_path, monkeypatch):
    monkeypatch.setattr(VAE, "schedule", lambda self, progress: 1.0)  # the cosine knows where the training ends
    whole = fitted(8, **config)
    fitted(3, tmp_path, **config)
    parts = fitted(8, tmp_path, **config)
    for name, tensor in whole.model.state_dict().items():
        assert torch.equal(tensor, parts.model.state_dict()[name]), name


def test_a_checkpoint_brings_back_the_model_and_its_settings(tmp_path):
    run = fitted(3, tmp_path, likelihood="gaussian", beta=2.0, free_bits=0.1)
    model = models.load(tmp_path)
    assert type(model) is VAE
    assert model.config == run.model.config
    assert (model.beta, model.free_bits, model.likelihood) == (2.0, 0.1, "gaussian")
    assert float(model.log_sigma) == float(run.model.log_sigma) != 0
    assert torch.equal(model.sample(3), run.model.sample(3))
    assert torch.equal(model.reconstruct(some().images), run.model.reconstruct(some().images))


def test_a_posterior_draw_is_seeded_and_leaves_no_trace():
    model, images = small().train(), some(500).images
    state = torch.get_rng_state()
    drawn = lib.draw_posterior(model, images, seed=3)
    assert torch.equal(drawn, lib.draw_posterior(model, images, seed=3))
    assert not torch.equal(drawn, lib.draw_posterior(model, images, seed=4))
    assert torch.equal(state, torch.get_rng_state())
    assert model.training
    assert not drawn.requires_grad
    mean, log_variance = (part.detach() for part in model.encode(images))
    noise = (drawn - mean) / (log_variance / 2).exp()
    assert abs(float(noise.mean())) < 0.1
    assert abs(float(noise.std()) - 1) < 0.1


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"likelihood": "poisson"}, "likelihood: got 'poisson', expected 'bernoulli' or 'gaussian'"),
        ({"beta": -1.0}, "beta, warm_up, free_bits: got -1.0, 0, 0.0, expected none below 0"),
        ({"warm_up": -1}, "beta, warm_up, free_bits: got 1.0, -1"),
        ({"free_bits": -0.1}, "beta, warm_up, free_bits: got 1.0, 0, -0.1"),
        ({"importance": 0}, "importance: got 0, expected at least 1"),
        ({"importance": 5, "beta": 2.0}, "importance: got 5, .* above 1 with beta 1, no warm-up and no free bits"),
        ({"importance": 5, "free_bits": 1.0}, "importance: got 5"),
        ({"importance": 5, "warm_up": 10}, "importance: got 5"),
        ({"latent": 0}, "latent: got 0"),
    ],
)
def test_bad_settings_are_one_line(config, message):
    with pytest.raises(CourseError, match=message) as error:
        VAE(**config)
    assert "\n" not in str(error.value)


def test_paper_is_the_mean_of_the_pixels():
    model = small()
    codes = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    chances = (model.decode(codes) + 1) / 2
    torch.testing.assert_close(chances, model.decoder(codes).sigmoid())
    draws = torch.bernoulli(chances.expand(4000, -1, -1, -1, -1), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(draws.mean(dim=0), chances.detach(), atol=0.05, rtol=0)
    assert F.binary_cross_entropy(chances, chances.round()).isfinite()
