"""How real are the drawn digits? Train a small CNN on drawn digits only, test it on the 10,000 real MNIST test digits.

python benchmarks/drawn_to_real.py --seeds 0 1 2 --seconds 90 --data ROOT [--write]

ROOT holds MNIST/raw (torchvision's layout). No real image or label is used in training or in choosing a step.
Prints one line per seed and the mean. --write keeps the figures and the confusion matrix (rows: true digit, columns:
answer, all seeds together) for chapter 1.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable

import torch
import torch.nn.functional as F
from runner import options_for, write
from torch import Tensor, nn
from torchvision.datasets import MNIST

from course_lib.data import strokes


def network() -> nn.Sequential:
    """Three convolutions and a linear layer; about 60,000 weights."""

    def block(inputs: int, outputs: int) -> list[nn.Module]:
        return [
            nn.Conv2d(inputs, outputs, 3, padding=1, bias=False),
            nn.MaxPool2d(2),
            nn.BatchNorm2d(outputs),
            nn.ReLU(),
        ]

    return nn.Sequential(
        *block(1, 16), *block(16, 48), *block(48, 64), nn.Flatten(), nn.Dropout(0.3), nn.Linear(64 * 9, 10)
    )


def augment(images: Tensor, generator: torch.Generator) -> Tensor:
    """Small random affine maps, a random blot, and a random contrast curve: [N, 1, 28, 28] in [-1, 1]."""
    count = len(images)

    def uniform(*shape: int, spread: float) -> Tensor:
        return (torch.rand(*shape, generator=generator) * 2 - 1) * spread

    affine = torch.eye(2, 3) + uniform(count, 2, 3, spread=1.0) * torch.tensor([[0.12, 0.12, 0.08], [0.08, 0.1, 0.08]])
    grid = F.affine_grid(affine, list(images.shape), align_corners=False)
    bend = F.interpolate(uniform(count, 2, 5, 5, spread=0.06), size=28, mode="bicubic", align_corners=True)
    images = F.grid_sample(images + 1, grid + bend.permute(0, 2, 3, 1), align_corners=False)  # outside is 0: empty
    ink = (images / 2 * (1 + uniform(count, 1, 1, 1, spread=0.3).abs())).clamp(0, 1)
    corner = torch.rand(count, 2, 1, generator=generator) * 30 - 4  # a rubbed-out square in half of the images
    side = torch.rand(count, 1, 1, generator=generator) * 12 - 6
    inside = (torch.arange(28.0) - corner).abs() < side / 2  # [N, 2, 28]
    return ink * ~(inside[:, 0, :, None] & inside[:, 1, None, :])[:, None] * 2 - 1


def train(seed: int, seconds: float, count: int, clock: Callable[[], float], batch: int = 128) -> nn.Module:
    """Train on `count` drawn digits for `seconds` of `clock`, then return the moving average of the weights."""
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    drawn = strokes.draw(count, seed=seed)
    model = network()
    average = torch.optim.swa_utils.AveragedModel(
        model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.99), use_buffers=True
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=1e-2)
    start, order = clock(), torch.empty(0, dtype=torch.int64)
    while (progress := (clock() - start) / seconds) < 1:
        if len(order) < batch:
            order = torch.randperm(count, generator=generator)
        rows, order = order[:batch], order[batch:]
        for group in optimizer.param_groups:
            group["lr"] = 3e-3 * min(1, progress * 20 + 0.01) * 0.5 * (1 + math.cos(math.pi * progress))
        loss = F.cross_entropy(model(augment(drawn.images[rows], generator)), drawn.labels[rows], label_smoothing=0.05)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        average.update_parameters(model)
    return average.module.eval()


@torch.no_grad()
def read(model: nn.Module, images: Tensor) -> Tensor:
    """The digit that the model sees in each image, [N]."""
    return torch.cat([model(part).argmax(1) for part in images.split(1000)])


def main() -> None:
    parser = options_for(__doc__, seconds=90, seeds=[0, 1, 2])
    parser.add_argument("--processor-time", action="store_true", help="count processor time, on a machine others use")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--count", type=int, default=60_000, help="drawn digits")
    parser.add_argument("--data", required=True, help="folder that holds MNIST/raw")
    options = parser.parse_args()

    clock = time.process_time if options.processor_time else time.perf_counter
    torch.set_num_threads(options.threads)
    real = MNIST(options.data, train=False)
    images, labels = real.data[:, None].float() / 127.5 - 1, real.targets
    confusion, scores = torch.zeros(10, 10, dtype=torch.int64), []
    for seed in options.seeds:
        answers = read(train(seed, options.seconds, options.count, clock), images)
        scores.append(round((answers == labels).double().mean().item(), 4))
        confusion.view(-1).scatter_add_(0, labels * 10 + answers, torch.ones_like(labels))
        print(f"seed {seed}: {scores[-1]:.2%}", flush=True)
    spread = statistics.stdev(scores) if len(scores) > 1 else 0.0
    print(f"mean {statistics.mean(scores):.2%}, standard deviation {spread:.2%}, {len(scores)} seeds")
    write(options, "realism", accuracy=scores, confusion=confusion.tolist(), images=options.count)


if __name__ == "__main__":
    main()
