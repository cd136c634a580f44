"""Short runs that choose the settings of the games in benchmarks/modes.py: the same search for all of them.

From the settings a game has in course_lib/gan/games.py, one is changed at a time; every run is judged with and
without a moving average. One seed, one thread: enough to see that a setting is bad, not to rank two that are good. Few
steps hide collapse, which comes late.

Tried so far, for the plain game. Modes of the ring fairly covered after 10,000 steps, seed 0: rate 3e-4: 8 (seed 1: 8);
1e-3, the chapters' rate: 3; 2e-3 and 4e-3: 0; 1e-3 with betas (0, 0.9) or (0, 0.99): 6; 1e-3 with batches of 128: 6. On
the grid 3e-4 and 1e-3 are alike, 12 and 11 of 25 with 87 and 88 % near. So its rate in the contest is 3e-4; the slow
discriminator loses the ring at that rate too. The moving average changed no count, since the rates fall to zero. After
3,000 steps on the grid rates from 3e-4 to 2e-3 leave 64 to 67 % near a mode and batches of 128 57 %; betas (0, 0.9)
bring 83 %, but lose 7 modes even by the lenient count. The critics and r3gan keep the settings they had.

python benchmarks/modes_tuning.py --worlds ring grid --steps 10000 --write
"""

from __future__ import annotations

from typing import Any

import torch
from modes import COUNT, GAMES, WORLDS, judged, play
from runner import options_for, rounded, write

from course_lib.gan import games

DECAYS = (0.0, 0.99)
FOR_ALL: list[dict[str, Any]] = [
    {},
    {"rate": 3e-4},
    {"rate": 1e-3},
    {"rate": 2e-3},
    {"rate": 4e-3},
    {"betas": (0.5, 0.999)},
    {"betas": (0.0, 0.9)},
    {"betas": (0.0, 0.99)},
    {"batch_size": 128},
    {"batch_size": 512},
]
FOR_ONE: dict[str, list[dict[str, Any]]] = {
    "wgan": [{"limit": limit} for limit in (0.01, 0.05, 0.2, 0.3)],
    "wgan_gp": [{"strength": 0.1}, {"strength": 1.0}, {"critic_steps": 5}],
    "r3gan": [{"gamma": 0.1}, {"gamma": 1.0}, {"every": 1}],
}


def trials(name: str) -> list[dict[str, Any]]:
    """Changes to try, those that change nothing left out but for the first."""
    now = games.settings(games.point_game(name, "contest"))
    every = FOR_ALL + FOR_ONE.get(name, [])
    return [{}] + [change for change in every if any(now[key] != value for key, value in change.items())]


def main() -> None:
    parser = options_for(__doc__, seeds=[0])
    parser.add_argument("--steps", type=int, default=10_000, help="generator steps")
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--depth", type=int, default=4)
    parser.add_argument("--games", nargs="+", default=list(GAMES[1:]), choices=games.GAMES)
    parser.add_argument("--worlds", nargs="+", default=list(WORLDS), choices=WORLDS)
    options = parser.parse_args()
    torch.set_num_threads(1)
    rows = []
    for name in options.games:
        for changes in trials(name):
            for world_name in options.worlds:
                for seed in options.seeds:
                    torch.manual_seed(seed)
                    game = games.point_game(name, "contest", changes=changes, width=options.width, depth=options.depth)
                    world = WORLDS[world_name]()
                    for decay, averaged in zip(DECAYS, play(game, world, options.steps, DECAYS), strict=True):
                        with torch.no_grad():
                            found = judged(averaged.generator(averaged.noise(COUNT)), world)
                        told = {"game": name, "changes": rounded(changes, 6), "average_decay": decay}
                        rows.append(told | {"world": world_name, "seed": seed} | found)
                        print(rows[-1], flush=True)
    write(options, "modes_tuning", steps=options.steps, width=options.width, depth=options.depth, trials=rows)


if __name__ == "__main__":
    main()
