"""Chapter 5's objectives against closed forms, the step against one written out, and sampling."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import integrate, stats
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import models
from course_lib.data.batches import Batch
from course_lib.data.imageset import ImageSet, shape_of
from course_lib.errors import CourseError
from course_lib.gan.games import point_game
from course_lib.gan.points import ring
from course_lib.gan.stable_training import Wasserstein
from course_lib.gan.the_gan_game import (
    GAN,
    MLPGAN,
    Linear,
    Minimax,
    NonSaturating,
    check_count,
    frozen,
    optimal_discriminator,
)

DOUBLE = torch.float64


def some_logits(*counts: int) -> list[Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [(2 * torch.randn(n, generator=generator, dtype=DOUBLE)).requires_grad_() for n in counts]


# --- objectives -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "m"), [(7, 7), (7, 3), (1, 4)])
@pytest.mark.parametrize("objective", [Minimax, NonSaturating])
def test_discriminator_pays_the_cross_entropy_of_right_labels(objective, n, m):
    real, fake = some_logits(n, m)
    wanted = F.binary_cross_entropy_with_logits(real, torch.ones(n, dtype=DOUBLE))
    wanted = wanted + F.binary_cross_entropy_with_logits(fake, torch.zeros(m, dtype=DOUBLE))
    got = objective.discriminator(real, fake)
    torch.testing.assert_close(got, wanted)
    for mine, theirs in zip(torch.autograd.grad(got, (real, fake)), torch.autograd.grad(wanted, (real, fake))):
        torch.testing.assert_close(mine, theirs)


def test_the_value_of_minimax_is_one_number_for_both_players():
    real, fake = some_logits(5, 8)
    D_real, D_fake = real.sigmoid(), fake.sigmoid()
    value = D_real.log().mean() + (1 - D_fake).log().mean()
    torch.testing.assert_close(Minimax.discriminator(real, fake), -value)
    torch.testing.assert_close(Minimax.generator(real, fake), (1 - D_fake).log().mean())
    (push,) = torch.autograd.grad(Minimax.generator(real, fake), fake)
    torch.testing.assert_close(push, -D_fake / 8)


def test_non_saturating_generator_is_the_cross_entropy_of_the_label_real():
    real, fake = some_logits(5, 8)
    got = NonSaturating.generator(real, fake)
    torch.testing.assert_close(got, F.binary_cross_entropy_with_logits(fake, torch.ones(8, dtype=DOUBLE)))
    (push,) = torch.autograd.grad(got, fake)
    torch.testing.assert_close(push, (fake.sigmoid() - 1) / 8)


def test_linear_pays_verdicts_as_they_are():
    real, fake = torch.tensor([math.log(3), 0.0]), torch.tensor([-math.log(3), 0.0])  # D: 3/4, 1/2 and 1/4, 1/2
    assert Linear.discriminator(real, fake).item() == pytest.approx(0.375 - 0.625)
    assert Linear.generator(real, fake).item() == pytest.approx(-0.375)
    real, fake = some_logits(5, 8)
    for player in (Linear.discriminator, Linear.generator):  # both want what the articles say, up to a constant
        (push,) = torch.autograd.grad(player(real, fake), fake)
        slope = fake.sigmoid() * (1 - fake.sigmoid()) / 8
        torch.testing.assert_close(push, slope if player is Linear.discriminator else -slope)


@pytest.mark.parametrize("logit", [40.0, 200.0])
def test_losses_and_gradients_survive_large_float32_logits(logit):
    real, fake = (torch.tensor([sign * logit], requires_grad=True) for sign in (-1.0, 1.0))  # D wrong about both
    loss = Minimax.discriminator(real, fake)
    assert loss.item() == pytest.approx(2 * logit)
    assert [g.item() for g in torch.autograd.grad(loss, (real, fake))] == [-1.0, 1.0]
    unconvincing = torch.tensor([-logit], requires_grad=True)
    loss = NonSaturating.generator(real, unconvincing)
    assert loss.item() == pytest.approx(logit)
    assert torch.autograd.grad(loss, unconvincing)[0].item() == -1.0
    silent = torch.autograd.grad(Minimax.generator(real, unconvincing), unconvincing)[0].item()
    assert -1e-15 < silent <= 0


# --- the best discriminator, and what it earns ------------------------------------------------------------------------


def test_free_logits_trained_on_the_objective_end_at_the_optimal_discriminator():
    real = torch.tensor([0] * 6 + [1] * 3 + [2] * 1 + [3] * 2)  # 12 real samples in four bins
    fake = torch.tensor([0] * 2 + [1] * 3 + [2] * 2 + [3] * 1)  # 8 fake ones
    logits = torch.zeros(4, dtype=DOUBLE, requires_grad=True)
    optimizer = torch.optim.LBFGS([logits], max_iter=200, tolerance_grad=1e-12, tolerance_change=1e-15)

    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = Minimax.discriminator(logits[real], logits[fake])
        loss.backward()
        return loss

    optimizer.step(closure)
    p, q = (bins.bincount(minlength=4).to(DOUBLE) / len(bins) for bins in (real, fake))
    torch.testing.assert_close(logits.detach().sigmoid(), optimal_discriminator(p, q), atol=1e-6, rtol=0)


def test_optimal_discriminator_where_densities_vanish():
    p, q = torch.tensor([0.0, 0.3, 0.0, 2e-300]).to(DOUBLE), torch.tensor([0.2, 0.0, 0.0, 6e-300]).to(DOUBLE)
    q[3], p[3] = 6e-300, 2e-300
    best = optimal_discriminator(p, q)
    assert best.dtype == DOUBLE
    torch.testing.assert_close(best, torch.tensor([0.0, 1.0, 0.5, 0.25], dtype=DOUBLE))


def stratified(mean: float, count: int = 20_000) -> Tensor:
    """`count` points that stand for N(mean, 1) more evenly than random ones would."""
    return torch.from_numpy(stats.norm.ppf((torch.arange(count) + 0.5).numpy() / count)) + mean


@pytest.mark.parametrize("apart", [0.0, 0.7, 2.0, 5.0])
def test_what_each_objective_pays_the_best_discriminator_for_gaussians_moving_apart(apart):
    real, fake = stratified(apart), stratified(0.0)

    def log_ratio(x: Tensor) -> Tensor:  # ln p - ln q of two Gaussians of width 1
        return apart * x - apart**2 / 2

    js = jensen_shannon(apart)
    assert -Minimax.discriminator(log_ratio(real), log_ratio(fake)).item() == pytest.approx(
        2 * js - math.log(4), abs=2e-4
    )
    certain = (1e6 * log_ratio(real), 1e6 * log_ratio(fake))
    total_variation = math.erf(apart / math.sqrt(8))
    assert -Linear.discriminator(*certain).item() == pytest.approx(total_variation, abs=2e-4)
    assert -Wasserstein.discriminator(real, fake).item() == pytest.approx(apart, abs=2e-4)  # the critic f(x) = x
    for tilt in (-0.5, 0.3):  # any other discriminator earns less
        worse = [torch.sin(x) + tilt * x for x in (real, fake)]
        assert -Linear.discriminator(*worse).item() <= total_variation + 2e-4
        assert -Minimax.discriminator(*worse).item() <= 2 * js - math.log(4) + 2e-4
        gentle = [torch.sin(x) * abs(tilt) for x in (real, fake)]  # slope below 1
        assert -Wasserstein.discriminator(*gentle).item() <= apart + 2e-4


def jensen_shannon(apart: float) -> float:
    """By adaptive quadrature; no closed form is known."""

    def integrand(x: float) -> float:
        p, q = stats.norm.pdf(x, apart), stats.norm.pdf(x)
        m = (p + q) / 2
        return sum(a * math.log(a / m) for a in (p, q) if a > 0) / 2

    return integrate.quad(integrand, -9, 9 + apart, limit=200)[0]


# --- the step ---------------------------------------------------------------------------------------------------------


def test_frozen_lets_gradients_through_and_thaws_even_after_an_error():
    network = nn.Linear(3, 1)
    x = torch.randn(2, 3, requires_grad=True)
    with frozen(network):
        network(x).sum().backward()
    assert x.grad is not None
    assert x.grad.any()
    assert all(w.grad is None for w in network.parameters())
    assert all(w.requires_grad for w in network.parameters())
    with pytest.raises(ZeroDivisionError), frozen(network):
        raise ZeroDivisionError
    assert all(w.requires_grad for w in network.parameters())


def test_frozen_gives_every_weight_its_own_flag_back():
    network = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    network[0].weight.requires_grad_(False)
    wanted = {name: weight.requires_grad for name, weight in network.named_parameters()}
    assert sorted(wanted.values()) == [False, True, True, True]
    with frozen(network):
        assert not any(weight.requires_grad for weight in network.parameters())
    assert {name: weight.requires_grad for name, weight in network.named_parameters()} == wanted


class Small(GAN):
    """In float64, with dropout and batch norm, so that modes matter."""

    name = "small"
    rate = 0.1

    def __init__(self, latent: int = 3, critic_steps: int = 1):
        super().__init__(latent=latent)
        self.critic_steps = critic_steps
        self.generator = nn.Sequential(
            nn.Linear(latent, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 10), nn.Unflatten(1, (1, 2, 5))
        )
        self.discriminator = nn.Sequential(nn.Flatten(), nn.Linear(10, 6), nn.Tanh(), nn.Linear(6, 1), nn.Flatten(0))
        self.double()

    def configure(self) -> None:
        self.optimizers = {
            name: torch.optim.SGD(getattr(self, name).parameters(), lr=self.rate)
            for name in ("discriminator", "generator")
        }


def small(**options: int) -> Small:
    torch.manual_seed(0)
    gan = Small(**options)
    gan.configure()
    return gan


def some_batch(count: int) -> Batch:
    generator = torch.Generator().manual_seed(2)
    return Batch(torch.randn(count, 1, 2, 5, generator=generator, dtype=DOUBLE), torch.zeros(count, dtype=torch.int64))


def descend_by_hand(network: nn.Module, loss: Tensor, rate: float) -> list[Tensor]:
    gradients = torch.autograd.grad(loss, list(network.parameters()))
    with torch.no_grad():
        for weights, gradient in zip(network.parameters(), gradients):
            weights -= rate * gradient
    return list(gradients)


@pytest.mark.parametrize("critic_steps", [1, 3])
def test_training_step_equals_the_algorithm_written_out(critic_steps):
    gan, other = small(critic_steps=critic_steps), small(critic_steps=critic_steps)
    batch = some_batch(12)
    for step in range(3):
        torch.manual_seed(step)
        losses = gan.training_step(batch)
        torch.manual_seed(step)
        for real in batch.images.chunk(critic_steps):
            fake = other.generator(torch.randn(len(real), 3).double())
            real_logits, fake_logits = other.discriminator(real), other.discriminator(fake.detach())
            d_loss = F.softplus(-real_logits).mean() + F.softplus(fake_logits).mean()
            d_gradients = descend_by_hand(other.discriminator, d_loss, 0.1)
        g_loss = F.softplus(-other.discriminator(fake)).mean()
        g_gradients = descend_by_hand(other.generator, g_loss, 0.1)
        torch.testing.assert_close(losses["discriminator"], d_loss.detach())
        torch.testing.assert_close(losses["generator"], g_loss.detach())
        assert not any(loss.requires_grad for loss in losses.values())
    for name, weights in gan.state_dict().items():
        torch.testing.assert_close(weights, other.state_dict()[name])
    # What is left in each network is its own gradient: D's was not touched in G's turn, nor G's in D's.
    for network, wanted in ((gan.discriminator, d_gradients), (gan.generator, g_gradients)):
        for weights, gradient in zip(network.parameters(), wanted):
            torch.testing.assert_close(weights.grad, gradient)


def test_each_turn_moves_only_its_own_player():
    gan = small()
    before = {name: weights.clone() for name, weights in gan.named_parameters()}
    moved = []
    plain = gan.descend

    def spy(loss: Tensor, optimizer: torch.optim.Optimizer) -> None:
        plain(loss, optimizer)
        moved.append({n.split(".")[0] for n, w in gan.named_parameters() if not torch.equal(w, before[n])})
        before.update({name: weights.clone() for name, weights in gan.named_parameters()})

    gan.descend = spy
    gan.training_step(some_batch(4))
    assert moved == [{"discriminator"}, {"generator"}]


def test_real_logits_of_before_the_discriminators_step_hardly_move_the_generators_gradient():
    """The relativistic loss compares with them; judging the real points anew would change its gradient by about 1 %."""
    torch.manual_seed(0)
    circle, gan = ring(), point_game("r3gan")
    gan.configure()
    off = []
    for step in range(200):
        if step % 40 == 39:
            real, fake = circle.sample(256), gan.generate(gan.noise(256))
            before, _ = gan.discriminator_step(real, fake.detach(), torch.zeros(256, dtype=torch.int64))
            with torch.no_grad():
                after = gan.verdict(real)
            assert not torch.equal(before, after)
            verdict = gan.verdict(fake)
            stale, fresh = (
                torch.cat(
                    [
                        gradient.flatten()
                        for gradient in torch.autograd.grad(
                            gan.objective.generator(logits, verdict),
                            list(gan.generator.parameters()),
                            retain_graph=True,
                        )
                    ]
                )
                for logits in (before, after)
            )
            off.append(float((stale - fresh).norm() / fresh.norm()))
        gan.step(circle.sample(256))
    assert 0 < max(off) < 0.05


def test_a_penalty_is_added_to_the_discriminators_descent_but_not_to_its_reported_loss():
    class Penalised(Small):
        def penalty(self, real: Tensor, fake: Tensor, labels: Tensor) -> Tensor:
            return sum(weights.square().sum() for weights in self.discriminator.parameters())

    torch.manual_seed(0)
    gan, plain = Penalised(), small()
    gan.configure()
    weight = gan.discriminator[1].weight.detach().clone()
    torch.manual_seed(1)
    with_penalty = gan.training_step(some_batch(4))
    torch.manual_seed(1)
    without = plain.training_step(some_batch(4))
    torch.testing.assert_close(with_penalty["discriminator"], without["discriminator"])
    shift = gan.discriminator[1].weight - plain.discriminator[1].weight
    torch.testing.assert_close(shift.detach(), -0.1 * 2 * weight)


# --- sampling ---------------------------------------------------------------------------------------------------------


def test_samples_come_from_eval_mode_without_gradients_and_modes_are_restored():
    gan = small()
    gan.generator[1].eval()
    gan.discriminator.eval()
    modes = [module.training for module in gan.modules()]
    images = gan.sample(6, seed=3)
    assert images.shape == (6, 1, 2, 5)
    assert images.dtype == torch.float32
    assert not images.requires_grad
    assert [module.training for module in gan.modules()] == modes
    gan.train()
    torch.testing.assert_close(gan.sample(6, seed=3), images)  # batch statistics would differ
    torch.testing.assert_close(gan.sample(9, seed=3)[:6].shape, images.shape)


def test_samples_depend_on_the_seed_alone():
    gan = small()
    torch.manual_seed(7)
    before = torch.get_rng_state()
    one = gan.sample(4, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(8)
    assert torch.equal(gan.sample(4, seed=1), one)
    assert not torch.allclose(gan.sample(4, seed=2), one)


def test_drawing_in_parts_changes_nothing():
    gan = small()
    noise = gan.noise(7, torch.Generator().manual_seed(0))
    torch.testing.assert_close(gan.draw(noise, batch_size=3), gan.draw(noise))


def test_noise_is_standard_normal_and_follows_its_generator():
    gan = MLPGAN(size=4, latent=5)
    one, two = (gan.noise(3, torch.Generator().manual_seed(1)) for _ in range(2))
    assert one.shape == (3, 5)
    assert torch.equal(one, two)
    torch.manual_seed(0)
    many = gan.noise(20_000)
    assert many.mean(dim=0).abs().max() < 0.05
    assert (many.std(dim=0) - 1).abs().max() < 0.05


def test_noise_has_the_type_of_the_weights_and_the_same_numbers_in_each():
    gan = MLPGAN(size=4, latent=5)
    single = gan.noise(3, torch.Generator().manual_seed(1))
    assert single.dtype == torch.float32
    double = gan.double().noise(3, torch.Generator().manual_seed(1))
    assert double.dtype == torch.float64
    assert torch.equal(double.float(), single)
    assert gan.noise(3).dtype == torch.float64
    assert gan.sample(2).dtype == torch.float32


def test_bad_input_is_told_in_one_line():
    gan = small()
    for count in (0, -3):
        with pytest.raises(CourseError, match=f"count: got {count}, expected at least 1"):
            gan.sample(count)
    with pytest.raises(CourseError, match="labels: got some, but 'small' draws what it likes"):
        gan.sample(2, labels=torch.tensor([1, 2]))
    with pytest.raises(CourseError, match="latent: got 0, expected at least one number of noise"):
        MLPGAN(latent=0)
    wide = ImageSet(torch.zeros(2, 1, 4, 6), torch.zeros(2, dtype=torch.int64))
    with pytest.raises(CourseError, match=r"images: got \[2, 1, 4, 6\], expected square images"):
        shape_of(wide)
    assert check_count(1) == 1


# --- the MLP GAN ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("channels", "size"), [(1, 28), (3, 9)])
def test_mlp_gan_has_the_shapes_of_its_images(channels, size):
    gan = MLPGAN(channels=channels, size=size, latent=6, width=11)
    images = gan.sample(5)
    assert images.shape == (5, channels, size, size)
    assert images.abs().max() <= 1
    assert gan.verdict(images).shape == (5,)
    assert {"latent": 6, "channels": channels, "size": size, "width": 11}.items() <= gan.config.items()
    rebuilt = MLPGAN(**gan.config)
    assert {n: w.shape for n, w in rebuilt.state_dict().items()} == {n: w.shape for n, w in gan.state_dict().items()}


def test_verdicts_are_logits_without_a_sigmoid():
    gan = MLPGAN(size=6)
    with torch.no_grad():
        for weights in gan.discriminator.parameters():
            weights.mul_(50)
        logits = gan.verdict(torch.randn(50, 1, 6, 6))
    assert logits.min() < 0
    assert logits.max() > 1


def test_it_is_in_the_registry_and_fits_the_data():
    images = ImageSet(torch.zeros(4, 3, 12, 12), torch.zeros(4, dtype=torch.int64))
    gan = models.build("mlp_gan", images)
    assert isinstance(gan, MLPGAN)
    assert gan.sample(2).shape == (2, 3, 12, 12)


def test_a_short_last_batch_is_a_batch_like_any_other():
    """Claim 7: article C's listing stops here, since its labels have the length of a full batch."""
    torch.manual_seed(0)
    gan = MLPGAN(size=8, width=16)
    gan.configure()
    for count in (64, 32, 1):
        batch = Batch(torch.rand(count, 1, 8, 8) * 2 - 1, torch.zeros(count, dtype=torch.int64))
        losses = gan.training_step(batch)
        assert all(loss.isfinite() and loss.ndim == 0 for loss in losses.values())
    ones = torch.ones(64, 1)
    with pytest.raises(
        ValueError, match=r"target size \(torch.Size\(\[64, 1\]\)\).*input size \(torch.Size\(\[32, 1\]\)\)"
    ):
        nn.BCELoss()(torch.full((32, 1), 0.5), ones)
    assert divmod(60_000, 64) == (937, 32)
