"""Chapter 13's growing networks against references written another way, in float64 and for odd sizes."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_lib import models, training
from course_lib.data.batches import Batch
from course_lib.data.imageset import ImageSet
from course_lib.errors import CourseError
from course_lib.gan import progressive_gan as library
from course_lib.gan.progressive_gan import Equalised, PixelNorm, ProgressiveGAN, growth, mix, shown, sides

SMALL = {"size": 16, "latent": 5, "width": 2, "fade": 3, "hold": 2}


def small(**changes) -> ProgressiveGAN:
    torch.manual_seed(0)
    return ProgressiveGAN(**(SMALL | changes))


def batch(count: int = 6, size: int = 16, channels: int = 3) -> Batch:
    images = torch.rand(count, channels, size, size, generator=torch.Generator().manual_seed(1)) * 2 - 1
    return Batch(images, torch.zeros(count, dtype=torch.int64))


# ------------------------------------------------------------------------------------------------ when what grows


def test_sides_halve_down_to_four_or_a_little_more():
    assert sides(32) == [4, 8, 16, 32]
    assert sides(28) == [7, 14, 28]
    assert sides(20) == [5, 10, 20]
    assert sides(128)[0] == 4
    for size in (7, 9, 31):
        with pytest.raises(CourseError, match="size"):
            sides(size)


def test_growth_is_the_schedule_written_out_step_by_step():
    written = [(0, 1.0)] * 3
    for level in (1, 2):
        written += [(level, 0.25), (level, 0.5), (level, 0.75), (level, 1.0)] + [(level, 1.0)] * 3
    written += [(2, 1.0)] * 4
    assert [growth(step, 4, 3, 2) for step in range(len(written))] == written


def test_growth_without_fade_or_hold():
    assert [growth(step, 0, 2, 2) for step in range(7)] == [(0, 1.0)] * 2 + [(1, 1.0)] * 2 + [(2, 1.0)] * 3
    assert [growth(step, 2, 0, 1) for step in range(4)] == [(1, 0.5), (1, 1.0), (1, 1.0), (1, 1.0)]
    assert growth(0, 0, 0, 3) == (3, 1.0)


def test_shrink_and_enlarge_are_means_and_squares():
    x = torch.randn(2, 3, 6, 4, dtype=torch.float64)
    torch.testing.assert_close(library.shrink(x), x.reshape(2, 3, 3, 2, 2, 2).mean(dim=(3, 5)))
    torch.testing.assert_close(library.enlarge(x, 3), F.interpolate(x, scale_factor=3, mode="nearest-exact"))
    assert torch.allclose(library.shrink(library.enlarge(x)), x)
    assert library.shrink(x, 1) is x
    assert library.enlarge(x, 1) is x


def test_real_images_lose_the_same_share_of_their_detail():
    """A mix keeps the mean of every square and alpha of each difference from it."""
    x = torch.randn(3, 2, 8, 8, dtype=torch.float64)
    full = shown(x, 4, 1.0)
    for alpha in (0.25, 0.7):
        seen = shown(x, 4, alpha)
        assert seen.shape == (3, 2, 4, 4)
        mean = library.enlarge(library.shrink(full))
        torch.testing.assert_close(library.shrink(seen), library.shrink(full))
        torch.testing.assert_close(seen - mean, alpha * (full - mean))
    assert torch.equal(shown(x, 8, 1.0), x)


# --------------------------------------------------------------------------------------------------------- layers


def test_pixel_norm_leaves_length_one_on_average():
    x = 7 * torch.randn(2, 5, 3, 4, dtype=torch.float64)
    y = PixelNorm()(x)
    for n in range(2):
        for i in range(3):
            for j in range(4):
                torch.testing.assert_close(y[n, :, i, j], x[n, :, i, j] / x[n, :, i, j].square().mean().sqrt())
    assert PixelNorm()(torch.randn(4, 6)).shape == (4, 6)
    assert PixelNorm()(torch.zeros(1, 3, 1, 1)).isfinite().all()


@pytest.mark.parametrize("layer", [nn.Linear(7, 3), nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(2, 5, 4, 2, 1)])
def test_an_equalised_layer_is_the_layer_with_scaled_weights_forward_and_backward(layer):
    torch.manual_seed(0)
    ours = Equalised(copy.deepcopy(layer), gain=1.5).double()
    nn.init.normal_(ours.layer.bias)
    inputs = layer.weight[0].numel()
    reference = copy.deepcopy(layer).double()
    with torch.no_grad():
        reference.weight.copy_(ours.layer.weight * 1.5 / inputs**0.5)
        reference.bias.copy_(ours.layer.bias)
    x = torch.randn(2, 7) if isinstance(layer, nn.Linear) else torch.randn(2, layer.in_channels, 6, 8)
    x = x.double().requires_grad_()
    out, wanted = ours(x), reference(x)
    torch.testing.assert_close(out, wanted)
    pull = torch.randn_like(out)
    mine = torch.autograd.grad(out, [x, ours.layer.weight, ours.layer.bias], pull)
    theirs = torch.autograd.grad(wanted, [x, reference.weight, reference.bias], pull)
    torch.testing.assert_close(mine[0], theirs[0])
    torch.testing.assert_close(mine[1], theirs[1] * 1.5 / inputs**0.5)
    torch.testing.assert_close(mine[2], theirs[2])


def test_equalised_keeps_the_size_of_its_signals_and_stores_weights_of_deviation_one():
    torch.manual_seed(0)
    layer = Equalised(nn.Conv2d(32, 64, 3), gain=1.0)
    assert abs(float(layer.layer.weight.detach().std()) - 1) < 0.02
    assert abs(float(layer(torch.randn(8, 32, 10, 10)).detach().std()) - 1) < 0.05
    plain = library.plain(nn.Conv2d(32, 64, 3), gain=1.0)
    assert abs(float(plain.weight.detach().std()) * (32 * 9) ** 0.5 - 1) < 0.02


# ------------------------------------------------------------------------------------------------------- networks


def test_the_generator_is_its_layers_one_after_the_other():
    model = small().double()
    noise, g = model.noise(3), model.generator
    x = g.start(noise)
    assert x.shape[2:] == (4, 4)
    coarse = g.to_colour[0](x)
    torch.testing.assert_close(g(noise, 0), coarse)
    y = g.blocks[0](x)
    fine = g.to_colour[1](y)
    torch.testing.assert_close(g(noise, 1), fine)
    torch.testing.assert_close(g(noise, 1, 0.3), 0.7 * library.enlarge(coarse) + 0.3 * fine)
    torch.testing.assert_close(g(noise, 2), g.to_colour[2](g.blocks[1](y)))


def test_the_discriminator_is_its_layers_one_after_the_other():
    model = small().double()
    d, images = model.discriminator, batch(size=8).images.double()
    new = d.blocks[0](d.from_colour[1](images))
    old = d.from_colour[0](F.avg_pool2d(images, 2))
    for alpha in (1.0, 0.25):
        h = alpha * new + (1 - alpha) * old
        torch.testing.assert_close(d(images, 1, alpha), d.to_logit(d.body(h)).flatten())


def test_at_alpha_nought_nothing_changes_but_the_size():
    """A level that begins to fade in finds the networks of the level before."""
    model = small().double()
    noise, images = model.noise(4), batch(size=16).images.double()
    g, d = model.generator, model.discriminator
    torch.testing.assert_close(g(noise, 2, 0.0), library.enlarge(g(noise, 1)))
    torch.testing.assert_close(d(images, 2, 0.0), d(library.shrink(images), 1))


@pytest.mark.parametrize("changes", [{}, {"size": 28, "channels": 1}, {"size": 20}, {"size": 32, "width": 1}])
def test_every_level_has_its_size(changes):
    model = small(**changes)
    for level, side in enumerate(model.sides):
        images = model.generator(model.noise(2), level, 0.5)
        assert images.shape == (2, model.config["channels"], side, side)
        assert model.discriminator(images, level, 0.5).shape == (2,)


def test_the_helpers_can_be_taken_away_one_at_a_time():
    assert not any(isinstance(m, PixelNorm) for m in small(pixel_norm=False).modules())
    assert not any(isinstance(m, Equalised) for m in small(equalised=False).modules())
    with_it, without = small(), small(deviation=False)
    assert with_it.discriminator.to_logit.layer.in_features == without.discriminator.to_logit.layer.in_features + 1


# ------------------------------------------------------------------------------------------------------- training


def test_training_shows_every_level_its_images_and_grows():
    model, seen = small(), []
    model.configure()
    model.discriminator.register_forward_pre_hook(lambda _, given: seen.append((given[0].shape[-1], *given[1:])))
    for step in range(14):
        model.steps_done = step
        model.training_step(batch())
        level, alpha = growth(step, 3, 2, 2)
        assert set(seen) == {(4 * 2**level, level, alpha)}
        assert model.grown == (level, alpha)
        seen.clear()
    assert model.grown == (2, 1.0)


def test_layers_that_are_not_there_yet_keep_their_weights_and_their_optimiser_clean():
    model = small()
    model.configure()
    new = [*model.generator.blocks[0].parameters(), *model.discriminator.blocks[0].parameters()]
    before = [weights.clone() for weights in new]
    for step in (0, 1):
        model.steps_done = step
        model.training_step(batch())
    assert all(torch.equal(a, b) for a, b in zip(new, before, strict=True))
    assert all(weights not in optimizer.state for weights in new for optimizer in model.optimizers.values())
    model.steps_done = 2
    model.training_step(batch())
    assert all(not torch.equal(a, b) for a, b in zip(new, before, strict=True))
    states = [o.state[w] for o in model.optimizers.values() for w in new if w in o.state]
    assert {float(state["step"]) for state in states} == {1.0}


def test_a_resumed_run_is_as_far_grown_and_ends_with_the_same_weights(tmp_path):
    images = ImageSet(batch(40).images, torch.zeros(40, dtype=torch.int64), name="test")
    whole = training.fit(small(), images, steps=12, batch_size=4, device="cpu")
    training.fit(small(), images, steps=5, batch_size=4, device="cpu", folder=tmp_path)
    again = training.fit(small(), images, steps=12, batch_size=4, device="cpu", folder=tmp_path)
    assert whole.model.grown == again.model.grown == (2, 1.0)
    for (name, a), b in zip(whole.model.state_dict().items(), again.model.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_samples_have_the_full_size_at_every_age_and_stay_in_range():
    model = small()
    with torch.no_grad():
        for weights in model.generator.to_colour.parameters():
            weights.mul_(50)
    for age in (0, 3, 9, 99):
        model.age.fill_(age)
        images = model.sample(5, seed=2)
        assert images.shape == (5, 3, 16, 16)
        assert float(images.abs().max()) <= 1
        assert torch.equal(images, model.sample(5, seed=2))
    model.age.fill_(0)
    first = model.sample(5, seed=2)
    torch.testing.assert_close(first, library.enlarge(library.shrink(first, 4), 4))


def test_two_paths_and_their_blend():
    model = small().double()
    noise = model.noise(3)
    coarse, fine = model.paths(noise, 2)
    with torch.no_grad():
        torch.testing.assert_close(mix(coarse, fine, 0.4), model.generator(noise, 2, 0.4).float())
    with pytest.raises(CourseError, match="level"):
        model.paths(noise, 3)


def test_bad_settings_are_one_line():
    for bad in ({"fade": -1}, {"hold": 1.5}, {"size": 30.5}, {"latent": 0}, {"width": 0}):
        with pytest.raises(CourseError, match=next(iter(bad))) as caught:
            small(**bad)
        assert "\n" not in str(caught.value)


def test_the_checkpoint_is_grown_up_and_paints_portraits_in_range():
    model = models.pretrained("progressive_gan")
    assert model.grown == (3, 1.0)
    images = model.sample(20, seed=1)
    assert images.shape == (20, 3, 32, 32)
    assert float(images.abs().max()) <= 1
    assert torch.equal(images, model.sample(20, seed=1))
    assert float(images.std(dim=0).mean()) > 0.3, "not one portrait twenty times"
    rows = images.mean(dim=(0, 1, 3))
    assert float((images.mean(dim=(0, 1))[8:20, 8:24] - rows.mean()).abs().max()) > 0.05  # a face in the middle
