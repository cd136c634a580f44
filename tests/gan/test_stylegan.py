"""Chapter 16: the modulated convolution against loops, styles, what must not leak, and what is measured."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional as F

from course_lib import models, training
from course_lib.data.imageset import ImageSet
from course_lib.errors import CourseError
from course_lib.gan import stylegan
from course_lib.gan.dcgan import slerp
from course_lib.gan.stylegan import StyleGAN, mix_styles, modulated_conv2d, truncate


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def small(size=16, channels=3, **config):
    torch.manual_seed(0)
    return StyleGAN(channels=channels, size=size, latent=6, style=5, width=4, **config)


def some_images(count=64, size=16, channels=3):
    return ImageSet(normal(count, channels, size, size).tanh().float(), torch.zeros(count, dtype=torch.int64))


# ---------------------------------------------------------------------------------------------------------------------
# The modulated convolution
# ---------------------------------------------------------------------------------------------------------------------


def image_by_image(maps, weight, style, demodulate):
    """The definition: a kernel for every image, built number by number."""
    results = []
    for x, s in zip(maps, style, strict=True):
        kernel = weight.clone()
        for o in range(weight.shape[0]):
            for c in range(weight.shape[1]):
                kernel[o, c] = s[c] * weight[o, c]
        if demodulate:
            kernel = kernel / (kernel.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).sqrt()
        results.append(F.conv2d(x[None], kernel, padding=weight.shape[2] // 2))
    return torch.cat(results)


@pytest.mark.parametrize("demodulate", [True, False])
@pytest.mark.parametrize(("size", "kernel"), [((5, 7), 3), ((4, 4), 1), ((6, 3), 5)])
def test_it_is_a_convolution_with_a_kernel_of_its_own_for_every_image(demodulate, size, kernel):
    maps, weight = normal(3, 4, *size), normal(5, 4, kernel, kernel, seed=1)
    style = normal(3, 4, seed=2)
    leaves = [t.requires_grad_() for t in (maps, weight, style)]
    ours = modulated_conv2d(maps, weight, style, demodulate)
    explicit = image_by_image(maps, weight, style, demodulate)
    assert torch.allclose(ours, explicit, atol=1e-12)
    pull = normal(*ours.shape, seed=3)
    for mine, its in zip(
        torch.autograd.grad((ours * pull).sum(), leaves),
        torch.autograd.grad((explicit * pull).sum(), leaves),
        strict=True,
    ):
        assert torch.allclose(mine, its, atol=1e-9)


def test_it_is_the_grouped_convolution_of_the_published_code():
    maps, weight, style = normal(3, 4, 5, 6), normal(2, 4, 3, 3, seed=1), normal(3, 4, seed=2)
    kernels = weight[None] * style[:, None, :, None, None]
    kernels = kernels * (kernels.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    grouped = F.conv2d(maps.reshape(1, 12, 5, 6), kernels.reshape(6, 4, 3, 3), padding=1, groups=3).view(3, 2, 5, 6)
    assert torch.allclose(modulated_conv2d(maps, weight, style), grouped, atol=1e-12)


def test_demodulated_outputs_keep_variance_one_whatever_the_style():
    maps, weight = normal(50, 8, 12, 12), normal(6, 8, 3, 3, seed=1)
    for size in (0.1, 1.0, 30.0):
        style = size * normal(50, 8, seed=2).abs()
        inside = modulated_conv2d(maps, weight, style)[:, :, 1:-1, 1:-1]
        assert 0.95 < float(inside.std()) < 1.05
        assert not 0.95 < float(modulated_conv2d(maps, weight, style, demodulate=False).std()) < 1.05


def test_no_style_reaches_another_image():
    maps, weight, style = normal(4, 3, 6, 6), normal(2, 3, 3, 3, seed=1), normal(4, 3, seed=2).requires_grad_()
    out = modulated_conv2d(maps, weight, style)
    for image in range(4):
        (slope,) = torch.autograd.grad(out[image].sum(), style, retain_graph=True)
        reached = slope.abs().sum(dim=1) > 0
        assert reached.tolist() == [other == image for other in range(4)]


@pytest.mark.parametrize(
    ("maps", "weight", "style"), [((2, 3, 4, 4), (5, 3, 3, 3), (3, 2)), ((2, 3, 4, 4), (5, 2, 3, 3), (2, 3))]
)
def test_wrong_shapes_are_one_line(maps, weight, style):
    with pytest.raises(CourseError, match=r"^style: got .*expected \[N, C\]"):
        modulated_conv2d(normal(*maps), normal(*weight), normal(*style))


# ---------------------------------------------------------------------------------------------------------------------
# The generator
# ---------------------------------------------------------------------------------------------------------------------


def test_sides_and_groups():
    assert stylegan.sides_of(32) == [4, 8, 8, 16, 16, 32, 32]
    assert stylegan.sides_of(28) == [7, 14, 14, 28, 28]
    assert stylegan.groups_of(32) == {"coarse": [0, 1, 2], "middle": [3, 4], "fine": [5, 6, 7]}
    assert stylegan.groups_of(64)["fine"] == [7, 8, 9]
    for wrong in (27, 14, 8):
        with pytest.raises(CourseError, match=r"^size: got"):
            stylegan.sides_of(wrong)


@pytest.mark.parametrize(("size", "channels"), [(16, 3), (28, 1), (32, 3)])
def test_images_are_of_the_size_asked_for(size, channels):
    model = small(size, channels)
    images = model.sample(3, seed=1)
    assert images.shape == (3, channels, size, size)
    assert images.abs().max() <= 1
    assert torch.equal(images, model.sample(3, seed=1))
    assert not torch.equal(images, model.sample(3, seed=2))


def test_only_the_direction_of_the_noise_counts():
    mapping, z = small().generator["mapping"].double(), normal(7, 6)
    assert torch.allclose(mapping(z), mapping(17 * z), atol=1e-6)


def test_an_image_does_not_depend_on_its_company():
    model = small()
    noise = model.noise(5, torch.Generator().manual_seed(0))
    alone = torch.cat([model.draw(one[None]) for one in noise])
    assert torch.allclose(model.draw(noise), alone, atol=1e-5)


def with_noise(model):
    for layer in model.generator["synthesis"].layers:
        torch.nn.init.constant_(layer.strength, 0.3)
    return model


def test_eval_mode_has_no_randomness_and_train_mode_has():
    model = with_noise(small())
    noise = model.noise(4, torch.Generator().manual_seed(0))
    model.train()
    assert not torch.equal(model.generate(noise), model.generate(noise))
    before = torch.get_rng_state()
    assert torch.equal(model.draw(noise), model.draw(noise))
    assert torch.equal(torch.get_rng_state(), before)
    assert model.training
    assert torch.allclose(model.paint(model.styles(noise)), model.draw(noise), atol=1e-6)
    assert torch.allclose(model.paint(model.w(noise)), model.draw(noise), atol=1e-6)
    fresh = model.fresh_maps(4, torch.Generator().manual_seed(3))
    assert not torch.allclose(model.paint(model.styles(noise), fresh), model.draw(noise), atol=1e-3)


def test_noise_has_no_effect_before_training():
    model = small()
    w = model.w(model.noise(2))
    assert torch.equal(model.paint(w, model.fresh_maps(2)), model.paint(w))


def test_each_layer_listens_to_its_own_style():
    model = with_noise(small())
    styles = model.styles(model.noise(2, torch.Generator().manual_seed(0))).detach()
    one = model.paint(styles)
    for layer in range(model.layers):
        other = mix_styles(styles, styles.flip(0), torch.arange(model.layers) == layer)
        assert (model.paint(other) - one).abs().max() > 1e-4
    assert torch.allclose(
        model.paint(mix_styles(styles, styles.flip(0), torch.ones(model.layers) > 0)), one.flip(0), atol=1e-5
    )


def test_mixed_styles_change_once_from_one_noise_to_another():
    model = small()
    model.mixing = 1.0
    noise = model.noise(200, torch.Generator().manual_seed(0))
    torch.manual_seed(1)
    styles = model.styles(noise)
    changed = (model.mixed(styles) != styles).any(dim=2)
    assert changed.any(dim=1).all()
    assert not changed[:, 0].any()  # the first layer keeps its own
    assert (changed.int().diff(dim=1) >= 0).all()  # own ones first, then the other's
    assert len(set(changed.sum(dim=1).tolist())) == model.layers - 1  # every place of the change
    model.mixing = 0.0
    assert torch.equal(model.mixed(styles), styles)


def test_mix_styles_and_truncate():
    a, b = normal(2, 4, 3), normal(2, 4, 3, seed=1)
    mixed = mix_styles(a, b, torch.tensor([False, True, False, True]))
    assert torch.equal(mixed[:, 1::2], b[:, 1::2])
    assert torch.equal(mixed[:, ::2], a[:, ::2])
    with pytest.raises(CourseError, match=r"^layers: got"):
        mix_styles(a, b, torch.tensor([True, False]))
    with pytest.raises(CourseError, match=r"^layers: got"):
        mix_styles(a, b, torch.tensor([0, 1, 0, 1]))
    centre = normal(3, seed=2)
    assert torch.allclose(truncate(a, centre, 1.0), a)
    assert torch.allclose(truncate(a, centre, 0.0), centre.expand_as(a))
    assert torch.allclose(truncate(a, centre, 0.5), (a + centre) / 2)


def test_the_centre_is_the_mean_of_w():
    model = small()
    w = model.w(model.noise(20_000, torch.Generator().manual_seed(5)))
    assert torch.allclose(model.centre(), w.mean(dim=0), atol=0.05 * float(w.std()) + 1e-3)


def test_paint_refuses_other_shapes():
    model = small()
    with pytest.raises(CourseError, match=r"^styles: got \[2, 3, 5\], expected \[N, 6, 5\]"):
        model.paint(torch.zeros(2, 3, 5))


# ---------------------------------------------------------------------------------------------------------------------
# Training
# ---------------------------------------------------------------------------------------------------------------------


def test_the_penalty_reaches_the_discriminator_alone():
    model = small()
    images = some_images(4).images
    model.steps_done = 0
    fake = model.generate(model.noise(4)).detach()
    model.penalty(images, fake, torch.zeros(4, dtype=torch.int64)).backward()
    assert all(weight.grad is None for weight in model.generator.parameters())
    assert any(weight.grad is not None for weight in model.discriminator.parameters())


def test_the_mapping_learns_slower_and_everything_learns():
    model = small()
    before = {name: weight.clone() for name, weight in model.named_parameters()}
    images = some_images()
    model.configure()
    groups = model.optimizers["generator"].param_groups
    assert [group["lr"] for group in groups] == [model.rate, model.rate / model.slower]
    assert sum(len(group["params"]) for group in groups) == len(list(model.generator.parameters()))
    run = training.fit(model, images, steps=12, device="cpu")
    assert run.stopped == "finished"
    still = [name for name, weight in model.named_parameters() if torch.equal(weight, before[name])]
    assert still in ([], ["discriminator.to_logit.bias"])  # which no pair of a real image and a fake can tell


def test_it_overfits_one_colour():
    """Real images of one colour: soon the fakes have it."""
    images = torch.tensor([0.6, -0.4, 0.1])[None, :, None, None].expand(64, 3, 16, 16).contiguous()
    torch.manual_seed(0)
    model = StyleGAN(size=16, latent=4, style=8, width=4, depth=2)
    run = training.fit(model, ImageSet(images, torch.zeros(64, dtype=torch.int64)), steps=150, device="cpu")
    means = run.model.sample(16, seed=0).mean(dim=(0, 2, 3))
    assert torch.allclose(means, torch.tensor([0.6, -0.4, 0.1]), atol=0.2)


def test_it_is_a_model_of_the_command_line(tmp_path):
    images = some_images(channels=1)
    model = models.build("stylegan", images)
    assert isinstance(model, StyleGAN)
    run = training.fit(model, images, steps=2, folder=tmp_path, device="cpu")
    again = models.load(tmp_path)
    assert torch.allclose(again.sample(3, seed=0), run.model.cpu().sample(3, seed=0), atol=1e-5)


# ---------------------------------------------------------------------------------------------------------------------
# What is measured
# ---------------------------------------------------------------------------------------------------------------------


def test_path_length_of_a_straight_world_is_the_squared_distance():
    a, b = normal(40, 3), normal(40, 3, seed=1)
    lengths = stylegan.path_length(lambda codes: 2 * codes, a, b, stylegan.straight, step=1e-3)
    assert torch.allclose(lengths, 4 * (a - b).square().sum(dim=1), rtol=1e-6)


def test_path_length_on_the_arc_is_the_squared_angle():
    a, b = (F.normalize(normal(40, 5, seed=s), dim=1) for s in (0, 1))
    lengths = stylegan.path_length(lambda codes: codes, a, b, slerp, step=1e-3)
    angle = (a * b).sum(dim=1).acos()
    assert torch.allclose(lengths, angle.square(), rtol=1e-4)


def test_readout_finds_what_is_linear_and_only_that():
    codes = normal(2000, 6)
    target = codes @ normal(6, 2, seed=1) + 3
    guess = stylegan.readout(codes, target)
    fresh = normal(500, 6, seed=2)
    assert stylegan.explained(guess(fresh), fresh @ normal(6, 2, seed=1) + 3) > 0.999
    round_one = stylegan.readout(codes, codes.square()[:, :1])
    assert abs(stylegan.explained(round_one(fresh), fresh.square()[:, :1])) < 0.05


def test_told_linearly_is_one_for_what_is_linear_and_zero_for_chance():
    codes = normal(3000, 4)
    assert stylegan.told_linearly(codes, codes[:, 0] - 2 * codes[:, 1]) > 0.999
    assert abs(stylegan.told_linearly(codes, normal(3000, seed=4))) < 0.05
    three = codes[:, :3].argmax(dim=1)
    assert stylegan.told_linearly(codes, three) > 0.85
    rare = (normal(3000, seed=5) > 1).long()
    assert abs(stylegan.told_linearly(codes, rare)) < 0.1  # always the commonest: no skill
    assert stylegan.told_linearly(codes, torch.zeros(3000, dtype=torch.int64)) == 0.0


def test_owners_finds_the_layer_that_a_factor_hangs_on():
    model = small().eval()
    last = model.generator["synthesis"]
    with torch.no_grad():  # only the last style still matters
        for layer in last.layers:
            layer.to_factors.weight.zero_()

    def read(images):
        return {"red": images[:, 0].mean(dim=(1, 2)), "bright": (images.mean(dim=(1, 2, 3)) > 0).long()}

    w = model.w(model.noise(60, torch.Generator().manual_seed(0)))
    shares = stylegan.owners(model, read, w, w.flip(0))
    assert shares["red"][-1] == pytest.approx(1.0, abs=1e-4)
    assert shares["bright"][-1] == pytest.approx(1.0)
    assert shares["red"][:-1].abs().max() < 1e-5


def test_direction_is_the_shortest_step_that_raises_the_readout_by_its_deviation():
    codes = normal(4000, 3) * torch.tensor([1.0, 2.0, 0.5])
    step = stylegan.direction(codes, codes @ torch.tensor([3.0, 4.0, 0.0], dtype=torch.float64) + 7)
    weight = torch.tensor([3.0, 4.0, 0.0], dtype=torch.float64)
    deviation = (codes @ weight).std()
    assert torch.allclose(step, deviation * weight / 25, rtol=0.02, atol=0.02)
    assert float(step @ weight) == pytest.approx(float(deviation), rel=0.01)
    assert stylegan.direction(codes.float(), torch.zeros(4000)).abs().max() == 0
