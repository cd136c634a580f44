"""Mode coverage in the plane: the plain game and its remedies on the ring of 8 and the grid of 25, five seeds.

Every game has the same two networks, batch, generator steps, cosine decay and moving average. "slow judge" is the plain
game with a discriminator that learns ten times slower than its generator: where collapse comes from.

python benchmarks/modes.py --seeds 0 1 2 3 4 --processes 2 --write
python benchmarks/modes.py --worlds grid --games wgan_gp r3gan --steps 16000 --processes 2 --write modes_longer
"""

from __future__ import annotations

import argparse
import math
import statistics
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import torch
from torch import Tensor

from course_lib import measured, metrics
from course_lib.gan.points import PointGAN, Points, grid, ring
from course_lib.gan.stable_training import PointR3GAN, PointWGAN, PointWGANGP
from course_lib.training import MovingAverage

WORLDS = {"ring": ring, "grid": grid}


class SlowJudge(PointGAN):
    def configure(self) -> None:
        super().configure()
        self.optimizers["discriminator"].param_groups[0]["lr"] = self.rate / 10


class Clipped(PointWGAN):
    limit = 0.1  # a hundredth, the article's, leaves networks of this depth no slope at all


class Penalised(PointWGANGP):
    strength = 0.02  # the slope between two modes must be far above 1
    critic_steps = 1  # with five the generator had not arrived after as many steps
    betas = (0.0, 0.99)


class Relativistic(PointR3GAN):
    rate = 2e-3
    gamma = 0.02  # modes are 0.05 wide: the discriminator must be steep


GAMES = {"slow_judge": SlowJudge, "plain": PointGAN, "wgan": Clipped, "wgan_gp": Penalised, "r3gan": Relativistic}


def play(game: PointGAN, world: Points, steps: int, batch: int = 256) -> Tensor:
    """Train for `steps` generator steps; 10,000 points from the averaged generator."""
    game.configure()
    average = MovingAverage(game, 0.99)
    rates = [(group, group["lr"]) for optimizer in game.optimizers.values() for group in optimizer.param_groups]
    for step in range(steps):
        for group, rate in rates:
            group["lr"] = rate * (0.5 + 0.5 * math.cos(math.pi * step / steps))
        game.step(world.sample(batch * game.critic_steps))
        average.update(game)
    with torch.no_grad():
        return average.model.generator(average.model.noise(10_000))


def coverage_of(world_name: str, game_name: str, seed: int, options: argparse.Namespace) -> tuple[int, float]:
    """How many modes one seed's game covered, and the share of its points near one."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    world = WORLDS[world_name]()
    game = GAMES[game_name](width=options.width, depth=options.depth)
    coverage = metrics.mode_coverage(play(game, world, options.steps), world.centres, world.spread)
    return coverage.modes, round(coverage.near, 4)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2, 3, 4])
    parser.add_argument("--steps", type=int, default=10_000, help="generator steps")
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--games", nargs="+", default=list(GAMES))
    parser.add_argument("--worlds", nargs="+", default=list(WORLDS))
    parser.add_argument("--processes", type=int, default=1, help="games at a time, one thread each")
    parser.add_argument("--write", nargs="?", const="modes", help="keep the figures for the chapter, under this name")
    options = parser.parse_args()
    torch.set_num_threads(1)
    figures: dict[str, dict] = {world: {} for world in options.worlds}
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
        games = {
            (world, game): [pool.submit(coverage_of, world, game, seed, options) for seed in options.seeds]
            for world in options.worlds
            for game in options.games
        }
        for (world, game), runs in games.items():
            modes, near = zip(*(run.result() for run in runs), strict=True)
            figures[world][game] = {"modes": modes, "near": near}
            print(f"{world}, {game}: modes {modes}, near {statistics.mean(near):.1%} {near}", flush=True)
    if options.write:
        command = f"python benchmarks/modes.py {measured.arguments()}"
        measured.record(options.write, command, steps=options.steps, seeds=options.seeds, **figures)


if __name__ == "__main__":
    main()
