"""The DCGAN: shapes at every size, even stamps, range, what its layers are, one step at 128x128x3, and the arc."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from course_lib import data, training
from course_lib.data.batches import Batch
from course_lib.data.imageset import ImageSet
from course_lib.data.strokes import draw
from course_lib.errors import CourseError
from course_lib.gan.dcgan import DCGAN, FEATURES, Discriminator, Generator, levels, slerp
from course_lib.training.progress import Bar

SIZES = [(1, 28), (3, 32), (3, 64), (1, 128), (3, 128), (2, 20)]


def fresh(**config) -> DCGAN:
    torch.manual_seed(0)
    return DCGAN(**config)


def layers_of(network: nn.Module, kind: type) -> list:
    return [layer for layer in network.modules() if isinstance(layer, kind)]


# ---------------------------------------------------------------------------------------------------------------------
# Shapes
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("channels", "size"), SIZES)
def test_shapes(channels, size):
    model = fresh(channels=channels, size=size, latent=5, width=2)
    images = model.generate(torch.randn(3, 5))
    assert images.shape == (3, channels, size, size)
    assert model.verdict(images).shape == (3,)
    assert model.sample(2).shape == (2, channels, size, size)


@pytest.mark.parametrize(
    ("size", "count"),
    [(28, 2), (32, 2), (16, 2), (20, 2), (8, 2), (40, 3), (56, 3), (64, 3), (112, 4), (128, 4), (256, 5)],
)
def test_levels_halve_down_to_a_small_image(size, count):
    assert levels(size) == count
    assert 2 <= size // 2**count <= 8
    assert size // 2**count * 2**count == size


@pytest.mark.parametrize("size", [27, 30, 50, 90, 4, 6, 0, 1])
def test_a_size_that_cannot_be_halved_says_so(size):
    for build in (levels, lambda side: Generator(1, side, 4, 2), lambda side: Discriminator(1, side, 2)):
        with pytest.raises(CourseError, match=f"size: got {size}, expected a size such as 28, 32, 64 or 128") as caught:
            build(size)
        assert "\n" not in str(caught.value)


def test_for_data_fits_the_data():
    model = DCGAN.for_data(draw(2, size=32, colour=True), width=2)
    assert (model.config["channels"], model.config["size"], model.config["width"]) == (3, 32, 2)
    with pytest.raises(CourseError, match=r"images: got \[4, 3, 20, 16\], expected square images"):
        DCGAN.for_data(ImageSet(torch.zeros(4, 3, 20, 16), torch.zeros(4, dtype=torch.int64)))
    with pytest.raises(CourseError, match="latent: got 0"):
        DCGAN(latent=0)


@pytest.mark.parametrize(("channels", "size", "latent", "width"), [(1, 28, 7, 3), (3, 64, 10, 2)])
def test_parameter_counts_equal_the_hand_formulas(channels, size, latent, width):
    model = fresh(channels=channels, size=size, latent=latent, width=width)
    depth = levels(size)
    side, maps = size // 2**depth, width * 2**depth
    generator = latent * maps * side**2 + 2 * maps  # dense layer without bias, batch norm
    for level in range(1, depth + 1):
        generator += maps // 2 ** (level - 1) * (maps // 2**level) * 16 + 2 * (maps // 2**level)
    generator += width * channels * 9 + channels  # the last convolution
    discriminator = channels * 2 * width * 16 + 2 * width
    for level in range(1, depth):
        discriminator += width * 2**level * width * 2 ** (level + 1) * 16 + width * 2 ** (level + 1)
    discriminator += maps * side**2 * FEATURES + FEATURES + FEATURES + 1
    assert sum(w.numel() for w in model.generator.parameters()) == generator
    assert sum(w.numel() for w in model.discriminator.parameters()) == discriminator


# ---------------------------------------------------------------------------------------------------------------------
# What the layers are, and what they are not
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [28, 128])
def test_every_inner_pixel_gets_equally_many_stamps(size):
    stamped = layers_of(fresh(size=size, width=2).generator, nn.ConvTranspose2d)
    assert len(stamped) == levels(size)
    for layer in stamped:
        with torch.no_grad():
            layer.weight.fill_(1.0)
            if layer.bias is not None:
                layer.bias.zero_()
            counts = layer(torch.ones(1, layer.in_channels, 7, 9)) / layer.in_channels
        assert counts.shape[2:] == (14, 18), "exactly doubled"
        assert (counts[:, :, 2:-2, 2:-2] == counts[0, 0, 7, 8]).all()


@pytest.mark.parametrize("size", [28, 128])
def test_every_inner_pixel_is_read_equally_often(size):
    """The gradient that reaches the generator through a convolution with even counts carries no checkerboard."""
    for layer in layers_of(fresh(size=size, width=2).discriminator, nn.Conv2d):
        nn.init.ones_(layer.weight)
        pixels = torch.zeros(1, layer.in_channels, 12, 14, requires_grad=True)
        (counts,) = torch.autograd.grad(layer(pixels).sum(), pixels)
        assert (counts[:, :, 2:-2, 2:-2] == counts[0, 0, 6, 6]).all()


@pytest.mark.parametrize("size", [28, 128])
def test_the_discriminator_has_no_deconvolution_and_no_norm(size):
    """Claim 4."""
    discriminator = fresh(channels=3, size=size, width=2).discriminator
    kinds = {type(layer) for layer in discriminator.modules() if not list(layer.children())}
    assert kinds == {nn.Conv2d, nn.LeakyReLU, nn.Flatten, nn.Linear}
    convolutions = layers_of(discriminator, nn.Conv2d)
    assert len(convolutions) == levels(size)
    assert all(layer.stride == (2, 2) for layer in convolutions)


def test_a_verdict_does_not_depend_on_the_rest_of_the_batch():
    model = fresh(channels=3, size=32, width=3).double().train()
    images = torch.rand(6, 3, 32, 32, dtype=torch.float64) * 2 - 1
    images.requires_grad_()
    logits = model.verdict(images)
    torch.testing.assert_close(logits, torch.cat([model.verdict(image[None]) for image in images]))
    (gradient,) = torch.autograd.grad(logits[2], images)
    assert gradient[2].abs().sum() > 0
    assert (gradient[[0, 1, 3, 4, 5]] == 0).all()


def test_the_verdict_is_a_logit_not_a_probability():
    discriminator = fresh(width=2).discriminator
    with torch.no_grad():
        discriminator.to_logit.weight.mul_(1000)
        logits = discriminator(torch.randn(50, 1, 28, 28))
    assert logits.min() < -1
    assert logits.max() > 1


def test_images_stay_in_range_and_reach_its_ends():
    model = fresh(latent=6, width=2)
    images = model.sample(20)
    assert images.dtype == torch.float32
    assert images.abs().max() <= 1
    with torch.no_grad():
        layers_of(model.generator, nn.Conv2d)[-1].weight.mul_(1e4)
    extreme = model.sample(20)
    assert extreme.min() == -1
    assert extreme.max() == 1


def test_forward_equals_the_layers_written_out():
    """Dense, fold, batch norm, ReLU, stamps ... convolution, tanh: float64, train mode, without torch's layers."""
    from course_lib.cnn.convolution import conv2d, conv_transpose2d

    generator = fresh(channels=2, size=20, latent=4, width=2).generator.double().train()
    noise = torch.randn(3, 4, dtype=torch.float64)
    dense, *stamped = [layer for layer in generator.modules() if isinstance(layer, nn.Linear | nn.ConvTranspose2d)]
    norms, (last,) = layers_of(generator, nn.BatchNorm2d), layers_of(generator, nn.Conv2d)
    x = (noise @ dense.weight.T).view(3, 8, 5, 5)
    for norm, layer in zip(norms, [*stamped, last], strict=True):
        mean = x.mean(dim=(0, 2, 3), keepdim=True)
        variance = (x - mean).square().mean(dim=(0, 2, 3), keepdim=True)
        x = ((x - mean) / (variance + norm.eps).sqrt()).relu()  # gamma 1, beta 0 at the start
        if layer is last:
            x = conv2d(x, layer.weight, layer.bias, padding=1)
        else:
            x = conv_transpose2d(x, layer.weight, layer.bias, stride=2, padding=1)
    torch.testing.assert_close(generator(noise), x.tanh())


# ---------------------------------------------------------------------------------------------------------------------
# Sampling
# ---------------------------------------------------------------------------------------------------------------------


def after_some_batches(**config) -> DCGAN:
    model = fresh(latent=6, width=2, **config)
    for _ in range(20):
        model.generate(model.noise(16))
    return model


def test_a_sample_does_not_depend_on_how_the_batch_is_split():
    model = after_some_batches().double()
    noise = torch.randn(11, 6, dtype=torch.float64)
    whole = model.draw(noise)
    torch.testing.assert_close(whole, model.draw(noise, batch_size=4))
    torch.testing.assert_close(whole, torch.cat([model.draw(z[None]) for z in noise]))


def test_sampling_leaves_no_trace():
    model = after_some_batches().train()
    layers_of(model.generator, nn.BatchNorm2d)[0].eval()
    modes = [module.training for module in model.modules()]
    state = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    images = model.sample(5)
    assert not images.requires_grad
    assert [module.training for module in model.modules()] == modes
    assert all(torch.equal(tensor, state[name]) for name, tensor in model.state_dict().items())
    assert torch.equal(images, model.sample(5))
    assert not torch.equal(images, model.sample(5, seed=1))


# ---------------------------------------------------------------------------------------------------------------------
# Training
# ---------------------------------------------------------------------------------------------------------------------


def test_one_step_at_the_articles_size_moves_both_networks():
    """Claim 5: 128x128x3, the pair that works."""
    images = data.load("strokes", size=128, colour=True, count=2)
    model = DCGAN.for_data(images, latent=8, width=2)
    model.configure()
    before = {name: weights.clone() for name, weights in model.named_parameters()}
    losses = model.training_step(Batch(images.images, images.labels))
    assert losses.keys() == {"discriminator", "generator"}
    assert all(loss.isfinite() and not loss.requires_grad for loss in losses.values())
    for name, weights in model.named_parameters():
        assert weights.isfinite().all()
        assert not torch.equal(weights, before[name]), name
        assert weights.requires_grad, "thawed again"


def test_a_fresh_discriminator_is_undecided():
    """log 4 for the discriminator and log 2 for the generator: it says one half to everything."""
    images = draw(32, seed=1)
    model = fresh(latent=8, width=4)
    model.configure()
    losses = model.training_step(Batch(images.images, images.labels))
    assert float(losses["discriminator"]) == pytest.approx(math.log(4), abs=0.1)
    assert float(losses["generator"]) == pytest.approx(math.log(2), abs=0.2)


def halves(count: int) -> ImageSet:
    """Images whose left half is black and whose right half is white."""
    images = torch.full((count, 1, 16, 16), -1.0)
    images[..., 8:] = 1.0
    return ImageSet(images, torch.zeros(count, dtype=torch.int64))


def contrast(device: str, precision: str = "32-true") -> float:
    """Right half minus left half of what a DCGAN draws after a blink of training; 2 would be perfect."""
    model = fresh(size=16, latent=8, width=4)
    model.rate = 1e-3
    options = {"device": device, "precision": precision, "view": Bar(silent=True)}
    run = training.fit(model, halves(256), steps=80, batch_size=32, **options)
    assert run.stopped == "finished"
    assert all(math.isfinite(value) for values in run.losses.values() for value in values)
    drawn = run.model.sample(64).cpu()
    assert drawn.dtype == torch.float32
    return float(drawn[..., 8:].mean() - drawn[..., :8].mean())


def test_a_short_training_tells_left_from_right():
    assert contrast("cpu") > 0.4


# ---------------------------------------------------------------------------------------------------------------------
# slerp
# ---------------------------------------------------------------------------------------------------------------------


def test_slerp_turns_at_an_even_pace_in_the_plane():
    angles = torch.linspace(0.1, 2.5, 5, dtype=torch.float64)
    a = torch.tensor([[2.0, 0.0]], dtype=torch.float64).expand(5, 2)
    b = 2 * torch.stack([angles.cos(), angles.sin()], dim=1)
    for share in (0.0, 0.2, 0.5, 0.9, 1.0):
        wanted = 2 * torch.stack([(share * angles).cos(), (share * angles).sin()], dim=1)
        torch.testing.assert_close(slerp(a, b, share), wanted)


def test_slerp_takes_one_share_per_row():
    a, b, share = torch.randn(4, 9), torch.randn(4, 9), torch.rand(4)
    rows = [slerp(x[None], y[None], float(t)) for x, y, t in zip(a, b, share, strict=True)]
    torch.testing.assert_close(slerp(a, b, share), torch.cat(rows))


def test_slerp_stays_among_the_noises_where_the_straight_way_does_not():
    generator = torch.Generator().manual_seed(0)
    a, b = torch.randn(2, 4000, 64, generator=generator)
    middle = slerp(a, b, 0.5).norm(dim=1)
    assert float(middle.mean()) == pytest.approx(8, rel=0.02)
    assert float(((a + b) / 2).norm(dim=1).mean()) == pytest.approx(32**0.5, rel=0.02)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_slerp_of_one_line_is_straight_and_has_a_gradient(dtype):
    a = torch.randn(4, 6, dtype=dtype)
    b = torch.cat([a[:1], 3 * a[1:2], -a[2:3], torch.randn(1, 6, dtype=dtype)])
    a.requires_grad_()
    out = slerp(a, b, 0.25)
    torch.testing.assert_close(out[:3], 0.75 * a[:3] + 0.25 * b[:3])
    out.sum().backward()
    assert a.grad.isfinite().all()


# ---------------------------------------------------------------------------------------------------------------------
# On a GPU
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.gpu
def test_gpu_and_cpu_give_the_same_images_logits_and_gradients():
    noise = torch.randn(6, 8, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    results = []
    for device in ("cpu", "cuda"):
        model = fresh(channels=3, size=32, latent=8, width=4).double().to(device)
        images = model.generate(noise.to(device))
        logits = model.verdict(images)
        logits.square().mean().backward()
        results.append([images.detach().cpu(), logits.detach().cpu(), *(p.grad.cpu() for p in model.parameters())])
    torch.testing.assert_close(*results, rtol=1e-8, atol=1e-10)


@pytest.mark.gpu
def test_gpu_mixed_precision_stays_finite():
    for precision in ("32-true", "bf16-mixed"):
        assert contrast("cuda", precision) > 0.4
