"""Mode coverage in the plane: the plain game and its remedies on the ring of 8 and the grid of 25, five seeds.

Every game has the same two networks, generator steps, cosine decay of its rates, and 10,000 points from the averaged
generator; everything else is its own, from the table of course_lib/gan/games.py, and stands in the record. How it was
chosen: benchmarks/modes_tuning.py, which makes the same search for any game and says what has been tried.
"slow_discriminator" is the plain game with a discriminator that learns ten times slower than its generator.

Three rows are no games. "real" draws from the data itself: what a perfect generator gets. "carpet" spreads its points
evenly over the square around the data, "circle" along the circle of radius 1: a figure that praises them is worthless.

python benchmarks/modes.py --seeds 0 1 2 3 4 --processes 2 --write
python benchmarks/modes.py --worlds grid --games wgan_gp r3gan --steps 16000 --processes 2 --name modes_longer --write
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Any

import torch
from runner import options_for, rounded, write
from torch import Tensor

from course_lib import metrics
from course_lib.gan import games
from course_lib.gan.points import PointGAN, Points, grid, ring
from course_lib.training import MovingAverage

WORLDS = {"ring": ring, "grid": grid}
GAMES = ("slow_discriminator", "plain", "wgan", "wgan_gp", "r3gan")
COUNT = 10_000  # points that are judged


def carpet(world: Points) -> Tensor:
    """Points spread evenly over the square around the data, to four standard deviations from the outermost centres."""
    return (2 * torch.rand(COUNT, 2) - 1) * (world.centres.abs().max() + 4 * world.spread)


def circle(world: Points) -> Tensor:
    angle = 2 * math.pi * torch.rand(COUNT)
    return torch.stack([angle.cos(), angle.sin()], dim=1)


NO_GAMES = {"real": lambda world: world.sample(COUNT), "carpet": carpet, "circle": circle}


def play(game: PointGAN, world: Points, steps: int, decays: tuple[float, ...] | None = None) -> list[PointGAN]:
    """Train for `steps` generator steps; the averaged game, or one for each of several decays."""
    game.configure()
    averages = [MovingAverage(game, decay) for decay in decays or (game.average_decay,)]
    rates = [(group, group["lr"]) for optimizer in game.optimizers.values() for group in optimizer.param_groups]
    for step in range(steps):
        for group, rate in rates:
            group["lr"] = rate * (0.5 + 0.5 * math.cos(math.pi * step / steps))
        game.step(world.sample(game.batch_size * game.critic_steps))
        for average in averages:
            average.update(game)
    return [average.model for average in averages]


def judged(points: Tensor, world: Points) -> dict[str, Any]:
    """The figures of a row: modes by the strict test and by the lenient one, and the share of the points near one."""
    fair = metrics.fair_coverage(points, world.centres, world.spread)
    lenient = metrics.mode_coverage(points, world.centres, world.spread)
    return {"modes": fair.modes, "lenient_modes": lenient.modes, "near": round(fair.near, 4)}


def one(world_name: str, name: str, seed: int, options: argparse.Namespace) -> dict[str, Any]:
    """One seed of one row, with the processor seconds it took: they do not count what else the machine was doing."""
    torch.set_num_threads(1)
    torch.manual_seed(seed)
    world, begun = WORLDS[world_name](), time.process_time()
    if name in NO_GAMES:
        points = NO_GAMES[name](world)
    else:
        game = games.point_game(name, "contest", width=options.width, depth=options.depth)
        (averaged,) = play(game, world, options.steps)
        with torch.no_grad():
            points = averaged.generator(averaged.noise(COUNT))
    return judged(points, world) | {"seconds": round(time.process_time() - begun, 1)}


def main() -> None:
    parser = options_for(__doc__, seeds=[0, 1, 2, 3, 4])
    parser.add_argument("--steps", type=int, default=10_000, help="generator steps")
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--games", nargs="+", default=list(GAMES), choices=games.GAMES)
    parser.add_argument("--worlds", nargs="+", default=list(WORLDS), choices=WORLDS)
    parser.add_argument("--processes", type=int, default=1, help="games at a time, one thread each")
    parser.add_argument("--name", default="modes", help="of the record")
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = [*NO_GAMES, *options.games]
    figures: dict[str, dict] = {world: {} for world in options.worlds}
    with ProcessPoolExecutor(options.processes, mp_context=get_context("spawn")) as pool:
        waiting = {
            (world, row): [pool.submit(one, world, row, seed, options) for seed in options.seeds]
            for world in options.worlds
            for row in rows
        }
        for (world, row), runs in waiting.items():
            found = [run.result() for run in runs]
            figures[world][row] = {name: [result[name] for result in found] for name in found[0]}
            modes, near = figures[world][row]["modes"], figures[world][row]["near"]
            print(f"{world}, {row}: modes {modes}, near {statistics.mean(near):.1%} {near}", flush=True)
    settings = {name: rounded(games.settings(games.point_game(name, "contest")), 6) for name in options.games}
    for name, values in settings.items():
        print(f"{name}: {values}")
    shared = {"steps": options.steps, "seeds": options.seeds, "width": options.width, "depth": options.depth}
    write(options, options.name, **shared, settings=settings, **figures)


if __name__ == "__main__":
    main()
