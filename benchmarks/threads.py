"""What two threads cost beside a busy neighbour, and what helps: chapter 7's training step under four settings.

Threads that wait for one another spin, and beside another program that costs more than the second thread brings. Each
setting runs in a process of its own, since libgomp reads it when torch is loaded. The neighbour multiplies matrices on
one thread. Milliseconds of a step, the median over the repeats, settings in turn.

python benchmarks/threads.py [--steps 150] [--repeats 3] [--write]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys

import runner

SETTINGS = {  # what libgomp reads, and the number of threads
    "as torch comes": ({}, 2),
    "GOMP_SPINCOUNT=1000": ({"GOMP_SPINCOUNT": "1000"}, 2),
    "OMP_WAIT_POLICY=passive": ({"OMP_WAIT_POLICY": "passive"}, 2),
    "one thread": ({"GOMP_SPINCOUNT": "1000"}, 1),
}
NEIGHBOUR = "import torch\ntorch.set_num_threads(1)\na = torch.rand(512, 512)\nwhile True:\n    a @ a"
STEP = """
import sys
import torch
torch.set_num_threads(int(sys.argv[1]))
from course_lib import data, models, training
from course_lib.training.progress import Bar
images = data.load("strokes", count=2000)
torch.manual_seed(0)
run = training.fit(models.build("r3gan", images), images, steps=int(sys.argv[2]), device="cpu", view=Bar(silent=True))
print(1000 * run.seconds / run.steps)
"""


def milliseconds(variables: dict[str, str], threads: int, steps: int) -> float:
    environment = {k: v for k, v in os.environ.items() if k not in ("GOMP_SPINCOUNT", "OMP_WAIT_POLICY")}
    environment |= variables | {"OMP_NUM_THREADS": str(threads)}
    command = [sys.executable, "-c", STEP, str(threads), str(steps)]
    return float(subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    parser = runner.options_for(__doc__)
    parser.add_argument("--steps", type=int, default=150)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--settings", nargs="+", choices=SETTINGS, default=list(SETTINGS), metavar="NAME")
    options = parser.parse_args()
    found: dict[str, dict[str, list[float]]] = {}
    for company in ("alone", "beside one busy program"):
        neighbours = [subprocess.Popen([sys.executable, "-c", NEIGHBOUR])] if company != "alone" else []
        try:
            for _ in range(options.repeats):
                for name in options.settings:
                    figure = milliseconds(*SETTINGS[name], options.steps)
                    found.setdefault(name, {}).setdefault(company, []).append(figure)
        finally:
            for neighbour in neighbours:
                neighbour.kill()
                neighbour.wait()
    for name, figures in found.items():
        print(f"{name:>24}: " + ", ".join(f"{k} {statistics.median(v):.1f} ms" for k, v in figures.items()))
    runner.write(options, "threads", steps=options.steps, milliseconds=runner.rounded(found, 1))


if __name__ == "__main__":
    main()
