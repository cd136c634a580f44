"""How long does drawing take? 60,000 digits at 28 pixels, a few other sizes, and one picture for the stroke editor.

python benchmarks/drawing_speed.py [--count 60000] [--threads 2] [--device cpu] [--repeats 3]

Prints the best of the repeats; nothing is read from or written to a cache. The processor time is printed too, since it
says more than the clock on a machine that others use.
"""

from __future__ import annotations

import time
from collections.abc import Callable

import torch
from runner import options_for, write

from course_lib.data import strokes


def measure(work: Callable[[], object], repeats: int, device: str) -> tuple[float, float]:
    """Seconds by the clock and seconds of processor time, of the fastest of some repeats."""
    runs = []
    for _ in range(repeats):
        clock, processor = time.perf_counter(), time.process_time()
        work()
        if device != "cpu":
            torch.cuda.synchronize()
        runs.append((time.perf_counter() - clock, time.process_time() - processor))
    return min(runs)


def main() -> None:
    parser = options_for(__doc__)
    parser.add_argument("--count", type=int, default=60_000, help="digits at 28 pixels; fewer at larger sizes")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--repeats", type=int, default=3)
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device = options.device
    strokes.draw(1000, device=device)  # warm up

    print(f"{device}, {options.threads} threads, best of {options.repeats}")
    for size, colour, share in ((28, False, 1), (28, True, 0.5), (64, False, 0.2), (128, True, 0.05)):
        count = max(1, int(options.count * share))

        def work(count: int = count, size: int = size, colour: bool = colour) -> None:
            strokes.draw(count, size=size, colour=colour, device=device)

        clock, processor = measure(work, options.repeats, device)
        if share == 1:
            write(options, "drawing", seconds=round(clock, 2), count=count, device=device)
        kind = "colour" if colour else "grey"
        print(f"{count:6d} digits, {size:3d} px, {kind:6s}: {clock:6.2f} s ({processor:.2f} s of processor time)")
    points = strokes.skeleton(8)
    for name, work in {
        "draw([8]), 28 px": lambda: strokes.draw([8], device=device),
        "draw_strokes, 28 px": lambda: strokes.draw_strokes(points, size=28),
        "draw_strokes, 128 px": lambda: strokes.draw_strokes(points, size=128),
    }.items():
        print(f"{name}: {1000 * measure(work, 10 * options.repeats, device)[0]:.1f} ms")


if __name__ == "__main__":
    main()
