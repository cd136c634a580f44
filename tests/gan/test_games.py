"""The one table of games: the settings that its users had before it, and what becomes of them in a model."""

from __future__ import annotations

import pytest
import torch

from course_lib.errors import CourseError
from course_lib.gan import games
from course_lib.gan.games import GAMES, OBJECTIVES, SlowDiscriminator, in_words, point_game, settings
from course_lib.gan.points import PointGAN, ring
from course_lib.gan.stable_training import R3GAN, WGANGP
from course_lib.gan.the_gan_game import GAN

IN_THE_LAB = {"wgan": ("limit", 0.3), "wgan_gp": ("strength", 0.1), "r3gan": ("gamma", 1.0)}


@pytest.mark.parametrize("name", GAMES)
@pytest.mark.parametrize("where", ["plane", "contest"])
def test_every_game_can_be_played_with_its_settings(name, where):
    torch.manual_seed(0)
    game = point_game(name, where, width=8)
    assert type(game) is GAMES[name].points
    assert game.objective is GAMES[name].objective
    for setting, value in getattr(GAMES[name], where).items():
        assert settings(game)[setting] == value
    losses = game.step(ring().sample(16 * game.critic_steps))
    assert all(bool(loss.isfinite()) for loss in losses.values())


@pytest.mark.parametrize(("name", "setting"), IN_THE_LAB.items())
def test_the_lab_keeps_the_settings_it_had(name, setting):
    assert settings(point_game(name))[setting[0]] == setting[1]
    assert point_game(name).rate == PointGAN.rate == 1e-3


def test_settings_reach_the_optimizers_and_the_class_stays_as_it_was():
    game = point_game("r3gan", changes={"rate": 0.5, "betas": (0.25, 0.75)})
    game.configure()
    for optimizer in game.optimizers.values():
        assert optimizer.param_groups[0]["lr"] == 0.5
        assert optimizer.param_groups[0]["betas"] == (0.25, 0.75)
    assert settings(point_game("r3gan"))["rate"] == 1e-3


def test_the_limit_of_the_table_is_the_limit_of_the_weights():
    torch.manual_seed(0)
    game = point_game("wgan", "plane", changes={"limit": 0.03})
    game.step(ring().sample(80))
    weights = torch.cat([weight.detach().flatten() for weight in game.discriminator.parameters()])
    assert float(weights.abs().max()) == pytest.approx(0.03)


def test_the_slow_discriminator_learns_ten_times_slower():
    game = SlowDiscriminator()
    game.configure()
    rates = {name: optimizer.param_groups[0]["lr"] for name, optimizer in game.optimizers.items()}
    assert rates == {"discriminator": pytest.approx(1e-4), "generator": 1e-3}


def test_settings_of_image_games_are_those_of_their_classes():
    assert settings(R3GAN) == {
        "rate": 3e-3,
        "betas": (0.0, 0.9),
        "batch_size": 32,
        "average_decay": 0.999,
        "critic_steps": 1,
        "gamma": 1.0,
        "every": 16,
    }
    assert settings(WGANGP)["strength"] == 10.0
    assert in_words(WGANGP) == (
        "rate 0.001, betas (0.0, 0.9), batch_size 160, average_decay 0.999, critic_steps 5, strength 10.0"
    )


def test_rows_are_consistent():
    for name, row in GAMES.items():
        assert row.objective in OBJECTIVES.values()
        assert row.images is None or (issubclass(row.images, GAN) and row.images.objective is row.objective), name
    assert len({row.label for row in GAMES.values()}) == len(GAMES)
    assert [name for name, row in GAMES.items() if row.scores] == ["wgan", "wgan_gp", "r3gan"]
    shared = [set(games.AVERAGED.items()) <= set(row.contest.items()) for row in GAMES.values() if row.contest]
    assert all(shared)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: point_game("hinge"), "name: got 'hinge', expected one of minimax, plain"),
        (lambda: point_game("plain", "space"), "where: got 'space', expected 'plane' or 'contest'"),
        (lambda: point_game("plain", changes={"gamma": 1.0}), "changes: got 'gamma', expected one of rate, betas"),
    ],
)
def test_bad_input_is_one_line(call, message):
    with pytest.raises(CourseError, match=message) as error:
        call()
    assert "\n" not in str(error.value)
