"""How fast our convolution is, beside the loops and beside torch, in one run: python benchmarks/convolution_speed.py

Every figure is the median of repeats that take turns, so that a busy machine disturbs both sides alike.
"""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from runner import options_for, write

from course_lib.cnn import convolution as ours
from course_lib.cnn import pooling


def medians(*functions: Callable[[], object], repeats: int, device: str) -> list[float]:
    """Median milliseconds of each function; the first round warms up and does not count."""
    times: list[list[float]] = [[] for _ in functions]
    for _ in range(repeats + 1):
        for function, taken in zip(functions, times, strict=True):
            start = time.perf_counter()
            function()
            if device == "cuda":
                torch.cuda.synchronize()
            taken.append(1000 * (time.perf_counter() - start))
    return [statistics.median(taken[1:]) for taken in times]


def main() -> None:
    parser = options_for(__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=31)
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    device, repeats = options.device, options.repeats
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(64, 32, 28, 28, generator=generator).to(device)
    report: dict[str, object] = {"threads": options.threads, "device": device, "torch": torch.__version__}
    print(f"[64, 32, 28, 28] float32, 3x3 kernels, padding 1, {device}, {options.threads} threads; milliseconds")
    for kernels in (32, 64):
        weight = torch.randn(kernels, 32, 3, 3, generator=generator).to(device)
        bias = torch.randn(kernels, generator=generator).to(device)
        grad_out = torch.randn(64, kernels, 28, 28, generator=generator).to(device)
        one = x[:1]
        loops, ours_one = medians(
            lambda: ours.conv2d_loops(one, weight, bias, padding=1),  # noqa: B023
            lambda: ours.conv2d(one, weight, bias, padding=1),  # noqa: B023
            repeats=3,
            device=device,
        )
        forward, torch_forward, backward, torch_backward = medians(
            lambda: ours.conv2d(x, weight, bias, padding=1),  # noqa: B023
            lambda: F.conv2d(x, weight, bias, padding=1),  # noqa: B023
            lambda: ours.conv2d_backward(grad_out, x, weight, padding=1),  # noqa: B023
            lambda: torch.ops.aten.convolution_backward(
                grad_out, x, weight, [kernels], [1, 1], [1, 1], [1, 1], False, [0, 0], 1, [True, True, True]  # noqa: B023
            ),
            repeats=repeats,
            device=device,
        )  # fmt: skip
        rows = [
            ("one image: loops / ours", loops, ours_one),
            ("forward:   ours / torch", forward, torch_forward),
            ("backward:  ours / torch", backward, torch_backward),
        ]
        for name, first, second in rows:
            print(f"{kernels} kernels  {name}  {first:9.2f} / {second:8.2f}  = {first / second:8.2f}")
            report[f"{kernels} {' '.join(name.split())}"] = round(first / second, 2)
    pool, torch_pool, mean, torch_mean = medians(
        lambda: pooling.max_pool2d(x, 2),
        lambda: F.max_pool2d(x, 2, return_indices=True),
        lambda: pooling.avg_pool2d(x, 2),
        lambda: F.avg_pool2d(x, 2),
        repeats=repeats,
        device=device,
    )
    for name, first, second in (("max pooling", pool, torch_pool), ("average pooling", mean, torch_mean)):
        print(f"{name} 2x2:  ours / torch  {first:9.2f} / {second:8.2f}  = {first / second:8.2f}")
        report[f"{name}: ours / torch"] = round(first / second, 2)
    print(json.dumps(report))
    faster, slower = (report[f"32 {name}"] for name in ("one image: loops / ours", "forward: ours / torch"))
    write(options, "convolution", faster_than_loops=faster, slower_than_torch=slower, all=report)


if __name__ == "__main__":
    main()
