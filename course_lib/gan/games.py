"""Every game of the course in one table: who plays it, for which objective, and with which settings where.

A setting is an attribute of the model: `rate` and `betas` of Adam, `batch_size`, `average_decay`, `critic_steps`, and
what holds the discriminator back: `limit` of the clipped weights, `strength` (lambda) of WGAN-GP's penalty, `gamma` and
`every` of R1 and R2. What suits images does not suit points: the modes in the plane are 0.05 wide, so a discriminator
must be steep there to see the gap between two of them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from course_lib.errors import CourseError
from course_lib.gan.dcgan import DCGAN
from course_lib.gan.points import PointGAN
from course_lib.gan.stable_training import R3GAN, WGANGP, PointR3GAN, PointWGAN, PointWGANGP, Relativistic, Wasserstein
from course_lib.gan.the_gan_game import GAN, Linear, Minimax, NonSaturating

OBJECTIVES = {
    "minimax": Minimax,
    "non-saturating": NonSaturating,
    "linear pay-off": Linear,
    "Wasserstein": Wasserstein,
    "relativistic": Relativistic,
}
SETTINGS = ("rate", "betas", "batch_size", "average_decay", "critic_steps")  # every game has them ...
OWN = ("slower", "limit", "strength", "gamma", "every")  # ... and some of these


class SlowDiscriminator(PointGAN):
    """The plain game with a discriminator that learns ten times slower than the generator: this is how to collapse."""

    name = "slow_discriminator"
    slower = 10

    def configure(self) -> None:
        super().configure()
        self.optimizers["discriminator"].param_groups[0]["lr"] = self.rate / self.slower


@dataclass(frozen=True)
class Game:
    """One row of the table. `plane` and `contest` hold what differs from the class attributes of `points`."""

    label: str  # what pictures and tables call it
    objective: Any
    points: type[PointGAN]  # who plays in the plane
    images: type[GAN] | None = None  # who plays for images, where the course has a model; its class says the settings
    plane: dict[str, Any] = field(default_factory=dict)  # for two hidden layers of 64, as in the chapters and the lab
    contest: dict[str, Any] = field(default_factory=dict)  # for four of 128, as in benchmarks/modes.py

    @property
    def scores(self) -> bool:
        """Whether only differences of the logits mean something, so that their sigmoid is no verdict."""
        return self.objective in (Wasserstein, Relativistic)


AVERAGED = {"batch_size": 256, "average_decay": 0.99}  # what all games of the contest share
PLAIN = AVERAGED | {"rate": 3e-4}  # at 1e-3, in as many steps, it loses more than half of the ring

GAMES = {
    "minimax": Game("minimax", Minimax, PointGAN),
    "plain": Game("non-saturating", NonSaturating, PointGAN, DCGAN, contest=PLAIN),
    "linear": Game("linear pay-off", Linear, PointGAN),
    "slow_discriminator": Game("slow discriminator", NonSaturating, SlowDiscriminator, contest=PLAIN),
    "wgan": Game(
        "clipped WGAN",
        Wasserstein,
        PointWGAN,
        plane={"limit": 0.3},
        contest=AVERAGED | {"limit": 0.1},  # a hundredth, the article's, leaves networks of this depth no slope at all
    ),
    "wgan_gp": Game(
        "WGAN-GP",
        Wasserstein,
        PointWGANGP,
        WGANGP,
        plane={"strength": 0.1},
        contest=AVERAGED | {"strength": 0.02, "critic_steps": 1, "betas": (0.0, 0.99)},
    ),
    "r3gan": Game(
        "relativistic + R1 + R2",
        Relativistic,
        PointR3GAN,
        R3GAN,
        contest=AVERAGED | {"rate": 2e-3, "gamma": 0.02},
    ),
}


def point_game(name: str, where: str = "plane", *, changes: dict[str, Any] | None = None, **config: Any) -> PointGAN:
    """A fresh game for points by its name in GAMES, with its settings for `where`, "plane" or "contest".

    `changes` replaces some of the settings; `config` (width, depth ...) goes to the model. Raises CourseError for a
    game, a place or a setting that does not exist.
    """
    if name not in GAMES:
        raise CourseError(f"name: got {name!r}, expected one of {', '.join(GAMES)}")
    if where not in ("plane", "contest"):
        raise CourseError(f"where: got {where!r}, expected 'plane' or 'contest'")
    row = GAMES[name]
    model = row.points(objective=row.objective, **config)
    for setting, value in (getattr(row, where) | (changes or {})).items():
        if setting not in settings(model):
            raise CourseError(f"changes: got {setting!r}, expected one of {', '.join(settings(model))}")
        setattr(model, setting, value)
    return model


def settings(model: GAN | type[GAN]) -> dict[str, Any]:
    """The settings of a game, or of a class of games, by name: as far as it has them."""
    return {name: getattr(model, name) for name in (*SETTINGS, *OWN) if hasattr(model, name)}


def in_words(model: GAN | type[GAN]) -> str:
    """The settings in one line, for a table."""
    return ", ".join(f"{name} {value}" for name, value in settings(model).items())
