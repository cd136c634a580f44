"""Chapter 9: principal components, the networks' shapes, what an autoencoder does with codes, and the random draw."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_lib import models, training
from course_lib.data.batches import Batch
from course_lib.data.imageset import ImageSet
from course_lib.errors import CourseError
from course_lib.training.progress import Bar
from course_lib.vae import autoencoders_to_vae as lib
from course_lib.vae.autoencoders_to_vae import Autoencoder, principal_components, reparameterise
from course_lib.vae.training_a_vae import VAE

SHAPES = [("mlp", 1, 8), ("conv", 1, 28), ("conv", 3, 32), ("mlp", 2, 12)]


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def some(count: int = 40, channels: int = 1, size: int = 8, seed: int = 0) -> ImageSet:
    pixels = torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return ImageSet(pixels, torch.arange(count) % 10, name="noise")


def small(kind: type = Autoencoder, latent: int = 3, seed: int = 0, **config):
    torch.manual_seed(seed)
    return kind(**({"size": 8, "latent": latent, "network": "mlp", "hidden": 9, "width": 2} | config))


# --- principal components ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("images", "pixels", "count"), [(50, 7, 3), (9, 20, 5), (40, 6, 6)])
def test_principal_components_equal_the_eigenvectors_of_the_covariance(images, pixels, count):
    flat = randn(images, pixels) @ randn(pixels, pixels, seed=1) + 3
    found = principal_components(flat, count)
    centred = flat - flat.mean(dim=0)
    values, vectors = torch.linalg.eigh(centred.T @ centred / images)
    torch.testing.assert_close(found.mean, flat.mean(dim=0))
    torch.testing.assert_close(found.variances, values.flip(0)[:count])
    turned = (found.directions @ vectors.flip(1)[:, :count]).abs()
    torch.testing.assert_close(turned, torch.eye(count, dtype=torch.float64), atol=1e-7, rtol=0)
    torch.testing.assert_close(found.directions @ found.directions.T, torch.eye(count, dtype=torch.float64))


def test_no_plane_loses_less_and_the_loss_is_the_variance_left_out():
    """Eckart and Young 1936."""
    flat = randn(60, 9) @ randn(9, 9, seed=1)
    found = principal_components(flat, 4)
    loss = (found.decode(found.encode(flat)) - flat).square().sum(dim=1).mean()
    everything = principal_components(flat, 9).variances
    torch.testing.assert_close(loss, everything[4:].sum())
    for seed in range(20):
        other = torch.linalg.qr(found.directions.T + 0.1 * randn(9, 4, seed=seed))[0].T
        centred = flat - found.mean
        assert (centred @ other.T @ other - centred).square().sum(dim=1).mean() > loss


def test_codes_are_centred_uncorrelated_and_vary_as_said():
    flat = randn(60, 9) @ randn(9, 9, seed=1) - 5
    found = principal_components(flat, 4)
    codes = found.encode(flat)
    torch.testing.assert_close(codes.mean(dim=0), torch.zeros(4, dtype=torch.float64), atol=1e-10, rtol=0)
    torch.testing.assert_close(codes.T @ codes / 60, found.variances.diag(), atol=1e-9, rtol=0)
    assert (found.variances.diff() < 0).all()


@pytest.mark.parametrize("count", [0, 8, -1])
def test_more_components_than_there_can_be(count):
    with pytest.raises(CourseError, match=rf"count: got {count}, expected 1 to 7, for 12 images of 7") as error:
        principal_components(randn(12, 7), count)
    assert "\n" not in str(error.value)


# --- networks ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("network", "channels", "size"), SHAPES)
def test_shapes(network, channels, size):
    encoder, decoder = lib.make_pair(network, channels, size, latent=5, outputs=7, hidden=6, width=2)
    assert encoder(torch.zeros(3, channels, size, size)).shape == (3, 7)
    assert decoder(torch.zeros(3, 5)).shape == (3, channels, size, size)
    convolutions = [layer for layer in [*encoder.modules(), *decoder.modules()] if hasattr(layer, "kernel_size")]
    assert len(convolutions) == (4 if network == "conv" else 0)


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"size": 30, "network": "conv"}, "size: got 30, expected a multiple of 4, at least 8"),
        ({"size": 4, "network": "conv"}, "size: got 4, expected a multiple of 4"),
        ({"latent": 0}, "latent: got 0, expected at least one"),
        ({"network": "transformer"}, "network: got 'transformer', expected 'mlp' or 'conv'"),
    ],
)
@pytest.mark.parametrize("kind", [Autoencoder, VAE])
def test_bad_settings_are_one_line(kind, config, message):
    with pytest.raises(CourseError, match=message) as error:
        kind(**config)
    assert "\n" not in str(error.value)


def test_for_data_fits_the_data():
    model = Autoencoder.for_data(some(channels=3, size=12), latent=2)
    assert (model.config["channels"], model.config["size"], model.config["latent"]) == (3, 12, 2)
    with pytest.raises(CourseError, match=r"images: got \[4, 1, 8, 12\], expected square"):
        Autoencoder.for_data(ImageSet(torch.zeros(4, 1, 8, 12), torch.zeros(4, dtype=torch.int64)))


# --- codes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Autoencoder, VAE])
@pytest.mark.parametrize(("network", "channels", "size"), SHAPES)
def test_reconstructions_and_samples_are_images(kind, network, channels, size):
    model = small(kind, network=network, channels=channels, size=size)
    images = some(5, channels, size).images
    for drawn in (model.reconstruct(images), model.sample(5), model.interpolate(images, images.flip(0), 2)[:, 0]):
        assert drawn.shape == images.shape
        assert drawn.dtype == torch.float32
        assert drawn.abs().max() <= 1
        assert not drawn.requires_grad


@pytest.mark.parametrize("kind", [Autoencoder, VAE])
def test_a_reconstruction_is_the_decoded_mean_code_every_time(kind):
    model, images = small(kind), some().images
    again = model.reconstruct(images)
    assert torch.equal(again, model.reconstruct(images))
    means = model.encoder(images)[:, :3]
    torch.testing.assert_close(model.codes(images), means)
    torch.testing.assert_close(again, 2 * model.decoder(means).sigmoid() - 1)
    torch.testing.assert_close(model.decode(means), model.decode(means, batch_size=7))
    torch.testing.assert_close(model.codes(images), model.codes(images, batch_size=7))


@pytest.mark.parametrize("kind", [Autoencoder, VAE])
def test_the_ends_of_an_interpolation_are_the_reconstructions_and_the_middle_is_halfway(kind):
    model, a, b = small(kind), some(4, seed=1).images, some(4, seed=2).images
    path = model.interpolate(a, b, 5)
    assert path.shape == (4, 5, 1, 8, 8)
    torch.testing.assert_close(path[:, 0], model.reconstruct(a))
    torch.testing.assert_close(path[:, -1], model.reconstruct(b))
    torch.testing.assert_close(path[:, 2], model.decode((model.codes(a) + model.codes(b)) / 2))


@pytest.mark.parametrize("kind", [Autoencoder, VAE])
def test_looking_leaves_no_trace(kind):
    model, images = small(kind).train(), some().images
    model.decoder[0].eval()
    modes = [module.training for module in model.modules()]
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    state = torch.get_rng_state()
    model.reconstruct(images), model.sample(3), model.interpolate(images[:2], images[2:4], 3)
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(tensor, weights[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(state, torch.get_rng_state())


@pytest.mark.parametrize("kind", [Autoencoder, VAE])
def test_samples_follow_the_seed_and_nothing_else(kind):
    model = small(kind).eval()
    first = model.sample(6, seed=4)
    torch.manual_seed(99)
    assert torch.equal(first, model.train().sample(6, seed=4))
    assert not torch.equal(first, model.sample(6, seed=5))
    noise = torch.randn(6, 3, generator=torch.Generator().manual_seed(4))
    torch.testing.assert_close(first, model.decode(noise))


@pytest.mark.parametrize("kind", [Autoencoder, VAE])
@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda m: m.decode(torch.zeros(2, 4)), r"codes: got shape \[2, 4\], expected \[N, 3\]"),
        (lambda m: m.decode(torch.zeros(3)), r"codes: got shape \[3\], expected \[N, 3\]"),
        (lambda m: m.sample(0), "count: got 0, expected at least 1"),
        (lambda m: m.sample(2, labels=torch.tensor([1, 2])), "labels: got some, but .* conditional_gan takes orders"),
        (lambda m: m.interpolate(some(2).images, some(3).images, 4), "steps, start, end: got 4"),
        (lambda m: m.interpolate(some(2).images, some(2).images, 1), "steps, start, end: got 1"),
    ],
)
def test_bad_input_is_one_line(kind, call, message):
    with pytest.raises(CourseError, match=message) as error:
        call(small(kind))
    assert "\n" not in str(error.value)


# --- the autoencoder --------------------------------------------------------------------------------------------------


def test_the_loss_is_summed_over_pixels_and_averaged_over_images():
    logits, images = randn(3, 2, 5, 7).requires_grad_(), randn(3, 2, 5, 7, seed=1).tanh()
    loss = lib.pixel_loss(logits, images)
    p, x = logits.sigmoid(), (images + 1) / 2
    torch.testing.assert_close(loss, -(x * p.log() + (1 - x) * (1 - p).log()).sum(dim=(1, 2, 3)))
    (gradient,) = torch.autograd.grad(loss.sum(), logits)
    torch.testing.assert_close(gradient, p - x)
    model, batch = small(), some(6)
    model.configure()
    wanted = lib.pixel_loss(model.decoder(model.encoder(batch.images)), batch.images).mean()
    losses = model.training_step(Batch(batch.images, batch.labels))
    torch.testing.assert_close(losses["reconstruction"], wanted)


def test_a_step_moves_every_weight_and_training_lowers_the_loss():
    model = small()
    model.configure()
    before = {name: weights.clone() for name, weights in model.named_parameters()}
    batch = Batch(some(16).images, some(16).labels)
    losses = [float(model.training_step(batch)["reconstruction"]) for _ in range(60)]
    assert all(not torch.equal(weights, before[name]) for name, weights in model.named_parameters())
    assert losses[-1] < losses[0]


def test_fitted_codes_give_samples_the_codes_mean_and_covariance(monkeypatch):
    model, images = small(), some(200).images
    model.fit_codes(images)
    codes, seen = model.codes(images).double(), []
    monkeypatch.setattr(model, "decode", lambda codes: seen.append(codes) or codes)
    model.sample(40_000)
    spread = codes.std(dim=0)
    torch.testing.assert_close(seen[0].double().mean(dim=0) / spread, codes.mean(dim=0) / spread, atol=0.03, rtol=0)
    scale = spread[:, None] * spread
    torch.testing.assert_close(seen[0].double().T.cov() / scale, codes.T.cov() / scale, atol=0.05, rtol=0)
    torch.testing.assert_close(model.code_factor, model.code_factor.tril())


def test_fitted_codes_travel_with_the_checkpoint(tmp_path):
    run = training.fit(small(), some(), steps=2, batch_size=8, device="cpu", folder=tmp_path, view=Bar(silent=True))
    model = models.load(tmp_path)
    assert type(model) is Autoencoder
    assert torch.equal(model.sample(4), run.model.sample(4))
    run.model.fit_codes(some(100).images)
    model.load_state_dict(run.model.state_dict())
    assert torch.equal(model.sample(4), run.model.sample(4))


def test_codes_that_never_vary_and_too_few_images():
    model = small()
    with torch.no_grad():
        for weights in model.encoder.parameters():
            weights.zero_()
    model.fit_codes(some().images)
    assert model.sample(3).isfinite().all()
    with pytest.raises(CourseError, match="images: got 3, expected more than 3, the numbers in a code"):
        model.fit_codes(some(3).images)


def test_evaluate_by_hand():
    model, images = small(), some(7)
    found = model.evaluate(images)
    p, x = (model.reconstruct(images.images).double() + 1) / 2, (images.images.double() + 1) / 2
    assert found["reconstruction"] == pytest.approx(float(F.binary_cross_entropy(p, x, reduction="sum") / 7), rel=1e-5)
    assert found["squared_error"] == pytest.approx(float((p - x).square().sum() / 7), rel=1e-5)
    assert found["images"] == 7


# --- the draw ---------------------------------------------------------------------------------------------------------


def test_a_draw_has_the_mean_and_the_variance_asked_for():
    mean, log_variance = torch.tensor([[-2.0, 0.5, 3.0]]).double(), torch.tensor([[0.2, 1.5, 4.0]]).double().log()
    drawn = reparameterise(mean.expand(100_000, 3), log_variance.expand(100_000, 3), torch.Generator().manual_seed(0))
    torch.testing.assert_close(drawn.mean(dim=0), mean[0], atol=0.02, rtol=0)
    torch.testing.assert_close(drawn.var(dim=0), log_variance.exp()[0], rtol=0.03, atol=0)
    assert (torch.corrcoef(drawn.T) - torch.eye(3)).abs().max() < 0.015, "one epsilon for each latent"


def test_every_image_and_latent_has_its_own_noise():
    drawn = reparameterise(torch.zeros(50, 6), torch.zeros(50, 6), torch.Generator().manual_seed(0))
    assert drawn.unique().numel() == 300
    again = reparameterise(torch.zeros(50, 6), torch.zeros(50, 6), torch.Generator().manual_seed(0))
    assert torch.equal(drawn, again)
    assert not torch.equal(drawn, reparameterise(torch.zeros(50, 6), torch.zeros(50, 6)))


def test_gradients_flow_through_the_draw():
    mean, log_variance = randn(5, 3).requires_grad_(), randn(5, 3, seed=1).requires_grad_()
    drawn = reparameterise(mean, log_variance, torch.Generator().manual_seed(7))
    weights = randn(5, 3, seed=2)
    to_mean, to_variance = torch.autograd.grad((weights * drawn).sum(), (mean, log_variance))
    torch.testing.assert_close(to_mean, weights)
    torch.testing.assert_close(to_variance, weights * (drawn - mean).detach() / 2)


@pytest.mark.parametrize(("mean", "sigma"), [(1.3, 0.7), (-0.4, 1.1)])
def test_both_gradient_estimates_have_the_closed_forms_mean_and_theorys_variance(mean, sigma):
    """f(z) = z²: d E[f] / d mean = 2 mean. Variances: 4 sigma², and mean⁴/sigma² + 14 mean² + 15 sigma² (moments)."""
    noise = randn(1_000_000)
    path = lib.pathwise_gradients(torch.square, mean, sigma, noise)
    score = lib.score_function_gradients(torch.square, mean, sigma, noise)
    wanted = mean**4 / sigma**2 + 14 * mean**2 + 15 * sigma**2
    for found, variance in ((path, 4 * sigma**2), (score, wanted)):
        assert float(found.mean()) == pytest.approx(2 * mean, abs=5 * math.sqrt(variance / len(noise)))
        assert float(found.var()) == pytest.approx(variance, rel=0.03)
    assert float(score.var() / path.var()) == pytest.approx(wanted / (4 * sigma**2), rel=0.04)


def test_the_score_needs_no_derivative_of_f():
    noise = randn(200_000)
    jump = lambda z: (z > 0).double()  # noqa: E731
    density = math.exp(-0.5 * (0.3 / 0.8) ** 2) / 0.8 / math.sqrt(2 * math.pi)  # d P(z > 0) / d mean
    assert float(lib.score_function_gradients(jump, 0.3, 0.8, noise).mean()) == pytest.approx(density, abs=0.01)


@pytest.mark.gpu
def test_gpu_and_cpu_give_the_same_codes_and_samples():
    results = []
    for device in ("cpu", "cuda"):
        model = small(network="conv", size=28).to(device)
        results.append((model.codes(some(4, size=28).images).cpu(), model.sample(4, seed=3).cpu()))
    torch.testing.assert_close(*results, rtol=1e-3, atol=1e-4)
    assert isinstance(model.decoder, nn.Module)
