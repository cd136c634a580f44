"""Chapter 7's objectives and penalties against closed forms, and its models against a run that was cut in two."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.data.batches import Batch
from course_lib.data.imageset import ImageSet
from course_lib.gan.dcgan import Discriminator
from course_lib.gan.points import PointGAN, grid, ring
from course_lib.gan.stable_training import (
    R3GAN,
    WGANGP,
    BatchDiscriminator,
    MinibatchDeviation,
    PointR3GAN,
    PointWGAN,
    PointWGANGP,
    Relativistic,
    Wasserstein,
    clip_weights,
    gradient_penalty,
    slopes,
    zero_centred_penalty,
)
from course_lib.gan.the_gan_game import NonSaturating
from course_lib.training import fit
from course_lib.training.progress import Bar

DOUBLE = torch.float64
SHAPES = [(5, 3), (4, 2, 3, 5), (3, 1, 7, 4)]
KINDS = (PointGAN, PointWGAN, PointWGANGP, PointR3GAN)


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=DOUBLE)


def network(shape: tuple[int, ...], seed: int = 0) -> nn.Sequential:
    """A smooth network in float64 whose slope differs from sample to sample."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        inputs = math.prod(shape[1:])
        return nn.Sequential(nn.Flatten(), nn.Linear(inputs, 6), nn.Tanh(), nn.Linear(6, 1), nn.Flatten(0)).double()


def noise_images(count: int = 48, size: int = 8) -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    pixels = torch.rand(count, 1, size, size, generator=generator) * 2 - 1
    return ImageSet(pixels, torch.arange(count) % 10, name="noise")


# ---------------------------------------------------------------------------------------------------------------------
# Objectives
# ---------------------------------------------------------------------------------------------------------------------


def test_wasserstein_by_hand():
    real, fake = torch.tensor([2.0, 4.0]), torch.tensor([1.0, -1.0, 3.0])
    assert float(Wasserstein.discriminator(real, fake)) == -2.0
    assert float(Wasserstein.generator(real, fake)) == -1.0


@pytest.mark.parametrize("distance", [0.0, 0.5, 3.0, 40.0])
def test_the_best_critic_of_two_shifted_gaussians_is_linear_and_gives_their_distance(distance):
    """W1 of N(0, 1) and N(d, 1) is d, at every d; a critic of slope 1 reaches it, no critic of slope 1 beats it."""
    noise = randn(4001, 1)
    real, fake = noise, noise.flip(0) + distance
    best = -Wasserstein.discriminator(-real[:, 0], -fake[:, 0])
    assert float(best) == pytest.approx(distance, abs=1e-9)
    assert float(slopes(lambda x: -x[:, 0], fake).max()) == 1.0
    for critic in (torch.sin, torch.tanh, torch.abs, lambda x: -F.softplus(x)):  # 1-Lipschitz, all of them
        assert -float(Wasserstein.discriminator(critic(real[:, 0]), critic(fake[:, 0]))) <= distance + 1e-9


def test_the_wasserstein_game_pulls_at_every_distance_where_the_log_game_is_silent():
    for distance in (1.0, 10.0, 1000.0):
        fake = torch.tensor([[distance]], dtype=DOUBLE, requires_grad=True)
        (pull,) = torch.autograd.grad(Wasserstein.generator(None, -fake[:, 0]), fake)
        assert float(pull) == 1.0


def test_relativistic_by_hand():
    real, fake = torch.tensor([2.0, 0.0], dtype=DOUBLE), torch.tensor([1.0, 3.0], dtype=DOUBLE)
    one, three = math.log(1 + math.exp(-1)), math.log(1 + math.exp(3))
    assert float(Relativistic.discriminator(real, fake)) == pytest.approx((one + three) / 2, rel=1e-12)
    assert float(Relativistic.generator(real, fake)) == pytest.approx((one + 1 + three - 3) / 2, rel=1e-12)


def test_relativistic_is_logistic_regression_on_differences():
    real, fake = 3 * randn(7), 3 * randn(7, seed=1)
    ones = torch.ones(7, dtype=DOUBLE)
    wanted = (
        F.binary_cross_entropy_with_logits(real - fake, ones),
        F.binary_cross_entropy_with_logits(fake - real, ones),
    )
    assert torch.allclose(Relativistic.discriminator(real, fake), wanted[0], rtol=1e-12)
    assert torch.allclose(Relativistic.generator(real, fake), wanted[1], rtol=1e-12)


def test_relativistic_pairs_by_position_and_ignores_a_common_shift():
    real, fake = 3 * randn(7), 3 * randn(7, seed=1)
    loss = Relativistic.discriminator(real, fake)
    assert torch.allclose(Relativistic.discriminator(real + 50, fake + 50), loss)
    together = torch.randperm(7, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(Relativistic.discriminator(real[together], fake[together]), loss)
    assert not torch.allclose(Relativistic.discriminator(real, fake.roll(1)), loss)
    assert not torch.allclose(Relativistic.discriminator(real, fake.mean().expand(7)), loss)


@pytest.mark.parametrize("side", ["discriminator", "generator"])
def test_relativistic_gradients_reach_both_sides_and_survive_a_thousand(side):
    loss = getattr(Relativistic, side)
    assert torch.autograd.gradcheck(loss, (randn(5).requires_grad_(), randn(5, seed=1).requires_grad_()))
    for distance in (1000.0, -1000.0):
        real, fake = torch.tensor([distance], requires_grad=True), torch.zeros(1, requires_grad=True)
        value = loss(real, fake)
        value.backward()
        right = (distance > 0) == (side == "discriminator")
        assert float(value.detach()) == pytest.approx(0.0 if right else 1000.0, abs=1e-6)
        assert abs(float(real.grad)) == abs(float(fake.grad)) == pytest.approx(0.0 if right else 1.0, abs=1e-6)


# ---------------------------------------------------------------------------------------------------------------------
# Slopes and penalties
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", SHAPES)
def test_slopes_of_a_quadratic_differ_by_sample(shape):
    x = randn(*shape)
    found = slopes(lambda images: images.flatten(1).square().sum(dim=1), x)
    assert found.shape == (shape[0],)
    assert torch.allclose(found, 4 * x.flatten(1).square().sum(dim=1))


@pytest.mark.parametrize("shape", SHAPES)
def test_slopes_equal_finite_differences(shape):
    net, x, step = network(shape), randn(*shape), 1e-5
    wanted = torch.zeros(shape[0], dtype=DOUBLE)
    with torch.no_grad():
        for place in range(math.prod(shape[1:])):
            nudge = torch.zeros(shape[1:], dtype=DOUBLE).flatten()
            nudge[place] = step
            nudge = nudge.view(shape[1:])
            wanted += ((net(x + nudge) - net(x - nudge)) / (2 * step)).square()
    assert torch.allclose(slopes(net, x).detach(), wanted, rtol=1e-6)


def test_slopes_leave_input_and_weights_as_they_were():
    net, x = network((4, 3)), randn(4, 3)
    before = x.clone()
    slopes(net, x)
    assert torch.equal(x, before)
    assert not x.requires_grad
    assert all(weights.grad is None for weights in net.parameters())


@pytest.mark.parametrize("shape", SHAPES)
def test_a_linear_critic_of_length_one_is_not_penalised_and_one_of_length_five_by_sixteen(shape):
    direction = randn(math.prod(shape[1:]), seed=3)
    direction /= direction.norm()
    real, fake = randn(*shape), randn(*shape, seed=1)
    for length in (1.0, 5.0, 0.25):
        critic = lambda images, length=length: length * (images.flatten(1) @ direction)  # noqa: E731
        assert float(gradient_penalty(critic, real, fake)) == pytest.approx((length - 1) ** 2, abs=1e-10)
        assert float(zero_centred_penalty(critic, real)) == pytest.approx(length**2 / 2)


def test_every_sample_has_its_own_norm():
    """Slopes of length 1, 1 and 3: mean of (0, 0, 4), where one norm over the batch would give (sqrt(11) - 1)²."""
    lengths = torch.tensor([1.0, 1.0, 3.0], dtype=DOUBLE)
    critic = lambda points: lengths * points[:, 0]  # noqa: E731
    penalty = gradient_penalty(critic, randn(3, 2), randn(3, 2, seed=1))
    assert float(penalty) == pytest.approx(4 / 3)
    assert float(zero_centred_penalty(critic, randn(3, 2))) == pytest.approx(11 / 6)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_penalty_asks_between_each_pair_at_a_place_of_its_own(shape):
    seen = []

    def critic(points: Tensor) -> Tensor:
        seen.append(points.detach())
        return points.flatten(1).sum(dim=1)

    real, fake = randn(*shape), randn(*shape, seed=1) + 3
    gradient_penalty(critic, real, fake)
    (points,) = seen
    shares = ((points - fake) / (real - fake)).flatten(1)
    assert torch.allclose(shares, shares[:, :1].expand_as(shares)), "one epsilon inside a sample"
    assert len(shares[:, 0].unique()) == shape[0], "one epsilon per sample"
    assert 0 <= shares.min() <= shares.max() <= 1


def test_epsilon_is_uniform_and_comes_from_the_generator():
    seen = []

    def critic(points: Tensor) -> Tensor:
        seen.append(points.detach())
        return points[:, 0]

    ends = torch.ones(20_000, 1, dtype=DOUBLE), torch.zeros(20_000, 1, dtype=DOUBLE)
    for seed in (5, 5, 6):
        gradient_penalty(critic, *ends, generator=torch.Generator().manual_seed(seed))
    assert torch.equal(seen[0], seen[1])
    assert not torch.equal(seen[0], seen[2])
    places = seen[0][:, 0].sort().values
    assert float((places - torch.linspace(0, 1, 20_000, dtype=DOUBLE)).abs().max()) < 0.02
    exact = torch.rand(20_000, 1, generator=torch.Generator().manual_seed(5), dtype=DOUBLE)
    assert torch.equal(seen[0], exact)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("kind", ["gradient_penalty", "r1"])
def test_the_second_order_gradient_equals_finite_differences(shape, kind):
    """What the penalty does to the weights: autograd against a nudge of all of them, in random directions."""
    net, real, fake = network(shape), randn(*shape), randn(*shape, seed=1)

    def penalty() -> Tensor:
        if kind == "r1":
            return zero_centred_penalty(net, real)
        return gradient_penalty(net, real, fake, torch.Generator().manual_seed(2))

    weights = list(net.parameters())
    found = torch.autograd.grad(penalty(), weights, allow_unused=True)  # the last bias moves no slope
    for seed in range(3):
        ways = [randn(*weight.shape, seed=seed + 10) for weight in weights]
        along = sum(float((g * way).sum()) for g, way in zip(found, ways, strict=True) if g is not None)
        ends = []
        for step in (1e-5, -1e-5):
            with torch.no_grad():
                for weight, way in zip(weights, ways, strict=True):
                    weight += step * way
            ends.append(float(penalty().detach()))
            with torch.no_grad():
                for weight, way in zip(weights, ways, strict=True):
                    weight -= step * way
        assert along == pytest.approx((ends[0] - ends[1]) / 2e-5, rel=1e-5)
        assert along != 0


def test_flat_ground_gives_no_nan():
    critic = nn.Linear(3, 1).double()
    nn.init.zeros_(critic.weight)
    penalty = gradient_penalty(lambda x: critic(x)[:, 0], randn(4, 3), randn(4, 3, seed=1))
    penalty.backward()
    assert float(penalty.detach()) == pytest.approx(1.0, abs=1e-5)
    assert critic.weight.grad.isfinite().all()


def test_penalties_do_not_reach_the_generator():
    fake = randn(4, 3).requires_grad_()
    critic = network((4, 3))
    penalty = gradient_penalty(critic, randn(4, 3, seed=1), fake) + zero_centred_penalty(critic, fake)
    penalty.backward()
    assert fake.grad is None


def test_penalties_stay_float32_under_autocast():
    torch.manual_seed(0)
    critic = Discriminator(1, 8, 2)
    images, other = torch.rand(4, 1, 8, 8), torch.rand(4, 1, 8, 8)
    generator = torch.Generator()
    wanted = slopes(critic, images), gradient_penalty(critic, images, other, generator.manual_seed(0))
    kinds = []
    handle = critic.to_logit.register_forward_hook(lambda module, inputs, output: kinds.append(output.dtype))
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert critic(images).dtype == torch.bfloat16
        found = slopes(critic, images), gradient_penalty(critic, images, other, generator.manual_seed(0))
    handle.remove()
    assert kinds == [torch.bfloat16, torch.float32, torch.float32]
    for mine, theirs in zip(found, wanted, strict=True):
        assert mine.dtype == torch.float32
        assert torch.equal(mine, theirs)


def test_clip_weights_changes_only_what_is_too_large():
    net = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4))
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([-5.0, 0.005, 0.2]).expand(4, 3))
        net[0].bias.fill_(-0.01)
        net[1].running_mean.fill_(7.0)
    before = net[0].weight
    clip_weights(net, 0.01)
    assert net[0].weight is before
    assert before.requires_grad
    assert torch.equal(before[0].detach(), torch.tensor([-0.01, 0.005, 0.01]))
    assert net[0].bias.tolist() == pytest.approx([-0.01] * 4)
    assert net[1].running_mean.eq(7).all(), "a buffer is no weight"


# ---------------------------------------------------------------------------------------------------------------------
# The Dirac-GAN (Mescheder et al. 2018): data at 0, the generator is a number theta, the discriminator psi * x
# ---------------------------------------------------------------------------------------------------------------------


def dirac(gamma: float, steps: int = 500, rate: float = 0.1) -> list[float]:
    """Distance from the equilibrium (0, 0) after each pair of simultaneous steps."""
    psi, theta = torch.tensor(0.2, dtype=DOUBLE), torch.tensor(0.2, dtype=DOUBLE)
    path, at_zero = [], torch.zeros(1, 1, dtype=DOUBLE)
    for _ in range(steps):
        psi, theta = psi.detach().requires_grad_(), theta.detach().requires_grad_()
        critic = lambda x, psi=psi: psi * x[:, 0]  # noqa: E731
        loss = F.softplus(psi * theta.detach()) + gamma * zero_centred_penalty(critic, at_zero)
        (up,) = torch.autograd.grad(loss, psi)
        (over,) = torch.autograd.grad(F.softplus(-psi.detach() * theta), theta)
        psi, theta = psi - rate * up, theta - rate * over
        path.append(math.hypot(float(psi.detach()), float(theta.detach())))
    return path


def test_r1_of_the_dirac_gan_is_half_psi_squared():
    for psi in (-3.0, 0.5):
        points = randn(6, 1)
        assert float(zero_centred_penalty(lambda x, psi=psi: psi * x[:, 0], points)) == pytest.approx(psi**2 / 2)


def test_the_dirac_gan_orbits_without_r1_and_converges_with_it():
    plain, calmed = dirac(0.0), dirac(1.0)
    assert min(plain) > 0.2
    assert max(plain[-130:]) > max(plain[:130]), "two turns of 4 pi each, outwards"
    assert calmed[-1] < 1e-6


def test_r1_turns_an_orbit_into_a_fall():
    """The game's field linearised at (0, 0) has eigenvalues ±i/2; R1 with gamma 1 moves both to -1/2."""

    def field(state: Tensor, gamma: float) -> Tensor:
        psi, theta = state
        return torch.stack([-torch.sigmoid(psi * theta) * theta - gamma * psi, torch.sigmoid(-psi * theta) * psi])

    middle = torch.zeros(2, dtype=DOUBLE)
    for gamma, real, imaginary in ((0.0, 0.0, 0.5), (0.6, -0.3, 0.4), (1.0, -0.5, 0.0)):
        jacobian = torch.autograd.functional.jacobian(lambda s, gamma=gamma: field(s, gamma), middle)
        found = torch.linalg.eigvals(jacobian)
        assert found.real.tolist() == pytest.approx([real, real], abs=1e-6)
        assert found.imag.abs().tolist() == pytest.approx([imaginary, imaginary], abs=1e-6)


# ---------------------------------------------------------------------------------------------------------------------
# The models
# ---------------------------------------------------------------------------------------------------------------------


def counted(model, points: int, steps: int) -> tuple[dict[str, int], int]:
    """How many optimiser steps of each network, and how many penalties, `steps` training steps take."""
    model.configure()
    counts, penalties = {"discriminator": 0, "generator": 0}, 0
    for name, optimizer in model.optimizers.items():
        optimizer.register_step_post_hook(lambda *_, name=name: counts.__setitem__(name, counts[name] + 1))
    plain = model.penalty

    def penalty(*arguments):
        nonlocal penalties
        result = plain(*arguments)
        penalties += result is not None
        return result

    model.penalty = penalty
    for _ in range(steps):
        model.step(ring().sample(points))
    return counts, penalties


@pytest.mark.parametrize(
    ("kind", "objective"),
    [
        (PointGAN, NonSaturating),
        (PointWGAN, Wasserstein),
        (PointWGANGP, Wasserstein),
        (PointR3GAN, Relativistic),
        (WGANGP, Wasserstein),
        (R3GAN, Relativistic),
    ],
)
def test_every_model_plays_for_its_own_objective(kind, objective, monkeypatch):
    """The losses that a step reports are those of the objective, called with the logits of that step."""
    points = kind in KINDS
    model = kind(width=8) if points else kind(size=8, latent=4, width=2)
    calls = []
    for side in ("discriminator", "generator"):
        plain = getattr(objective, side)

        def spy(real, fake, plain=plain, side=side):
            calls.append(side)
            return plain(real, fake)

        monkeypatch.setattr(objective, side, staticmethod(spy))
    model.configure()
    count = 4 * kind.critic_steps
    images = ring().sample(count) if points else noise_images(count).images
    model.training_step(Batch(images, torch.zeros(count, dtype=torch.int64)))
    assert calls == ["discriminator"] * kind.critic_steps + ["generator"]


@pytest.mark.parametrize(("kind", "critic", "penalties"), [(PointGAN, 1, 0), (PointWGAN, 5, 0), (PointWGANGP, 5, 45)])
def test_critic_steps_and_penalties(kind, critic, penalties):
    assert kind.critic_steps == critic
    counts, found = counted(kind(width=8), 10 * critic, 9)
    assert counts == {"discriminator": 9 * critic, "generator": 9}
    assert found == penalties


def test_the_lazy_penalty_comes_every_few_steps_beginning_with_the_first():
    model = PointR3GAN(width=8)
    model.every = 4
    counts, found = counted(model, 10, 9)
    assert counts == {"discriminator": 9, "generator": 9}
    assert found == 3  # steps 0, 4 and 8
    assert model.steps_done == 9


def test_the_paired_penalty_is_gamma_times_r1_plus_r2():
    model = PointR3GAN(width=8).double()
    real, fake, labels = randn(6, 2), randn(6, 2, seed=1), torch.zeros(6, dtype=torch.int64)
    wanted = zero_centred_penalty(model.discriminator, real) + zero_centred_penalty(model.discriminator, fake)
    model.gamma = 0.7
    assert torch.allclose(model.penalty(real, fake, labels), 0.7 * wanted)


def test_the_penalised_critic_multiplies_by_lambda():
    model = PointWGANGP(width=8).double()
    real, fake, labels = randn(6, 2), randn(6, 2, seed=1), torch.zeros(6, dtype=torch.int64)
    model.strength = 10.0
    torch.manual_seed(3)
    found = model.penalty(real, fake, labels)
    torch.manual_seed(3)
    assert torch.allclose(found, 10 * gradient_penalty(model.discriminator, real, fake))


def test_clipping_leaves_every_critic_weight_within_the_limit():
    model = PointWGAN(width=8)
    for _ in range(3):
        model.step(grid().sample(50))
    inside = [float(weights.detach().abs().max()) for weights in model.discriminator.parameters()]
    assert max(inside) <= PointWGAN.limit * (1 + 1e-6)
    assert max(float(weights.detach().abs().max()) for weights in model.generator.parameters()) > PointWGAN.limit


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_moves_both_networks_and_stays_finite(kind):
    torch.manual_seed(0)
    model = kind(width=8)
    before = [weights.detach().clone() for weights in model.parameters()]
    for _ in range(3):
        losses = model.step(ring().sample(25 * model.critic_steps))
        assert all(bool(value.isfinite()) and not value.requires_grad for value in losses.values())
    for old, new in zip(before, model.parameters(), strict=True):
        assert new.isfinite().all()
        if new.numel() > 1:  # under a Wasserstein objective the last bias of a critic has no gradient
            assert not torch.equal(old, new)
    assert all(weights.requires_grad for weights in model.parameters())


def test_without_a_leash_the_critics_slope_grows_and_with_the_penalty_it_stays_near_one():
    points, found = ring().sample(400, torch.Generator().manual_seed(1)), {}
    for kind, objective in ((PointGAN, Wasserstein), (PointWGANGP, Wasserstein)):
        torch.manual_seed(0)
        model, generator = kind(objective=objective), torch.Generator().manual_seed(0)
        model.critic_steps = 5
        for _ in range(60):
            model.step(ring().sample(5 * 32, generator))
        found[kind] = float(slopes(model.discriminator, points).detach().sqrt().mean())
    assert found[PointGAN] > 3
    assert 0.5 < found[PointWGANGP] < 1.5


@pytest.mark.parametrize("kind", [WGANGP, R3GAN])
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_image_models_train_and_stay_finite(kind, precision):
    images = noise_images()
    torch.manual_seed(0)
    model = kind.for_data(images, latent=4, width=2)
    batch = 8 * kind.critic_steps
    run = fit(model, images, steps=3, batch_size=batch, device="cpu", precision=precision, view=Bar(silent=True))
    assert run.stopped == "finished"
    assert run.steps == 3
    assert all(math.isfinite(value) for values in run.losses.values() for value in values)
    assert run.model.sample(3).shape == (3, 1, 8, 8)


@pytest.mark.parametrize("kind", [WGANGP, R3GAN])
def test_a_run_cut_in_two_ends_with_the_same_weights(kind, tmp_path):
    """The lazy penalty looks at `steps_done`: after a resume it must go on counting, not start again."""
    images, ends = noise_images(), []
    for name, parts in (("whole", [7]), ("cut", [3, 7])):
        for steps in parts:
            torch.manual_seed(len(ends) if steps == 3 else 0)  # what a fresh model starts from must not matter
            model = kind.for_data(images, latent=4, width=2)
            if name == "whole" or steps == 3:
                torch.manual_seed(0)
                model.load_state_dict(kind.for_data(images, latent=4, width=2).state_dict())
            asked, plain = [], model.penalty
            model.every = 4  # short enough for seven steps

            def penalty(*arguments, model=model, asked=asked, plain=plain):
                result = plain(*arguments)
                if result is not None:
                    asked.append(model.steps_done)
                return result

            model.penalty = penalty
            batch = 8 * kind.critic_steps
            fit(
                model,
                images,
                steps=steps,
                batch_size=batch,
                device="cpu",
                folder=tmp_path / name,
                view=Bar(silent=True),
            )
        if kind is R3GAN:
            assert asked == ([0, 4] if name == "whole" else [4])
        assert model.steps_done == 6
        ends.append({key: value.clone() for key, value in model.state_dict().items()})
    for key, value in ends[0].items():
        assert torch.equal(value, ends[1][key]), key


def test_the_critic_has_no_batch_norm():
    """A penalty per sample means nothing where one logit depends on the neighbours."""
    critic = WGANGP(size=8, latent=4, width=2).discriminator.double()
    assert not [layer for layer in critic.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    images = randn(3, 1, 8, 8)
    others = torch.cat([images[:1], randn(2, 1, 8, 8, seed=9)])
    assert torch.allclose(critic(images)[0], critic(others)[0])


def test_the_paired_discriminator_learns_of_its_company_in_one_number_only():
    torch.manual_seed(0)
    critic = R3GAN(size=8, latent=4, width=2).discriminator.double()
    assert isinstance(critic, BatchDiscriminator)
    assert not [layer for layer in critic.modules() if isinstance(layer, nn.modules.batchnorm._BatchNorm)]
    images = randn(3, 1, 8, 8)
    others = torch.cat([images[:1], 3 * randn(2, 1, 8, 8, seed=9)])
    assert not torch.allclose(critic(images)[0], critic(others)[0])
    features, company = critic.body(images), critic.body(others)
    assert torch.allclose(features[0, :-1], company[0, :-1])
    assert not torch.allclose(features[0, -1], company[0, -1])
    with torch.no_grad():
        critic.to_logit.weight[:, -1] = 0  # deaf to it, each image is judged alone
    assert torch.allclose(critic(images)[0], critic(others)[0])


@pytest.mark.parametrize("shape", [(5, 3), (2, 7), (32, 64)])
def test_minibatch_deviation_against_loops(shape):
    features = randn(*shape).requires_grad_()
    out = MinibatchDeviation()(features)
    assert out.shape == (shape[0], shape[1] + 1)
    assert torch.equal(out[:, :-1], features)
    total = 0.0
    for column in features.detach().T.tolist():
        mean = sum(column) / len(column)
        total += math.sqrt(sum((x - mean) ** 2 for x in column) / len(column) + 1e-8)
    assert torch.allclose(out[:, -1], torch.full((shape[0],), total / shape[1], dtype=DOUBLE))
    if shape[0] < 10:
        assert torch.autograd.gradcheck(MinibatchDeviation(), (features,))
        assert torch.autograd.gradgradcheck(MinibatchDeviation(), (features,))


def test_a_batch_of_copies_has_deviation_zero_and_finite_gradients():
    image = randn(1, 4)
    for count in (1, 6):
        features = image.repeat(count, 1).requires_grad_()
        out = MinibatchDeviation()(features)
        assert torch.allclose(out[:, -1], torch.full((count,), 1e-4, dtype=DOUBLE))
        (gradient,) = torch.autograd.grad(out[:, -1].sum(), features)
        assert float(gradient.abs().max()) < 1e-9


def test_the_paired_penalty_keeps_real_and_fake_batches_apart():
    """Mixed in one batch, both would see the deviation of the mixture."""
    torch.manual_seed(0)
    model = R3GAN(size=8, latent=4, width=2).double()
    real, fake, labels = randn(6, 1, 8, 8), 0.1 * randn(6, 1, 8, 8, seed=1), torch.zeros(6, dtype=torch.int64)
    apart = sum(zero_centred_penalty(model.discriminator, images) for images in (real, fake))
    mixed = 2 * zero_centred_penalty(model.discriminator, torch.cat([real, fake]))
    assert not torch.allclose(mixed, apart)
    assert torch.allclose(model.penalty(real, fake, labels), model.gamma * apart)


def test_the_deviation_tells_a_collapsed_batch_from_a_varied_one():
    """Discriminator alone against one image repeated, each copy real: only the company gives it away."""
    images = noise_images(64).images
    torch.manual_seed(0)
    losses = {}
    for kind in (Discriminator, BatchDiscriminator):
        judge = kind(1, 8, 2)
        adam = torch.optim.Adam(judge.parameters(), lr=1e-2)
        for step in range(300):
            real = images[torch.randint(64, (16,))]
            fake = images[step % 64].expand(16, -1, -1, -1)
            loss = Relativistic.discriminator(judge(real), judge(fake))
            adam.zero_grad()
            loss.backward()
            adam.step()
        losses[kind] = float(loss.detach())
    assert losses[Discriminator] > 0.5, "image by image a copy of a real image cannot be told"
    assert losses[BatchDiscriminator] < 0.1


def test_a_step_takes_batches_of_the_ring_and_of_images_alike():
    model = R3GAN(size=8, latent=4, width=2)
    model.configure()
    losses = model.training_step(Batch(noise_images(8).images, torch.zeros(8, dtype=torch.int64)))
    assert losses.keys() == {"discriminator", "generator"}
