"""One epoch of batches from a tensor, against a DataLoader with per-image transforms, side by side in one run.

    python benchmarks/batches_speed.py [--count 60000] [--batch-size 128] [--workers 0]

Both give shuffled float32 batches in [-1, 1] of the same 28x28 grey images. The DataLoader does what tutorials do:
PIL image -> Resize -> ToTensor -> Normalize, one image at a time. Ours indexes the tensor. The last column is ours with
augmentation of the whole batch, which the DataLoader is not asked to do.
"""

from __future__ import annotations

import time
from functools import partial

import torch
from PIL import Image
from runner import options_for, rounded, write
from torch.utils.data import DataLoader, Dataset
from torchvision import transforms

from course_lib.data import ImageSet, batches
from course_lib.data.augment import affine, shift


class PerImage(Dataset):
    """The usual way: every image is decoded, resized, converted and scaled by itself, each time it is asked for."""

    def __init__(self, levels: torch.Tensor, labels: torch.Tensor):
        self.levels, self.labels = levels, labels
        self.transform = transforms.Compose(
            [transforms.Resize(28), transforms.ToTensor(), transforms.Normalize((0.5,), (0.5,))]
        )

    def __len__(self) -> int:
        return len(self.levels)

    def __getitem__(self, index: int) -> tuple[torch.Tensor, int]:
        return self.transform(Image.fromarray(self.levels[index].numpy())), int(self.labels[index])


def seconds(epoch, repeats: int) -> float:
    """The fastest of several epochs; each touches every batch once."""
    best = float("inf")
    for _ in range(repeats):
        start = time.perf_counter()
        for images, _labels in epoch():
            images[0, 0, 0, 0].item()
        best = min(best, time.perf_counter() - start)
    return best


def measure(count: int = 60_000, batch_size: int = 128, workers: int = 0, repeats: int = 3) -> dict[str, float]:
    """Seconds per epoch of each way, and the ratio of the first two."""
    generator = torch.Generator().manual_seed(0)
    levels = torch.randint(0, 256, (count, 28, 28), dtype=torch.uint8, generator=generator)
    labels = torch.randint(0, 10, (count,), generator=generator)
    data = ImageSet(levels[:, None].float() / 127.5 - 1, labels)
    loader = DataLoader(PerImage(levels, labels), batch_size, shuffle=True, drop_last=True, num_workers=workers)
    result = {
        "DataLoader": seconds(lambda: loader, max(1, repeats - 1)),
        "batches": seconds(lambda: batches(data, batch_size), repeats),
        "batches + shift": seconds(lambda: batches(data, batch_size, augment=shift), repeats),
        "batches + affine": seconds(lambda: batches(data, batch_size, augment=partial(affine, degrees=15)), repeats),
    }
    return result | {"ratio": result["DataLoader"] / result["batches"]}


def main() -> None:
    parser = options_for(__doc__)
    parser.add_argument("--count", type=int, default=60_000, help="images in the set")
    parser.add_argument("--batch-size", type=int, default=128, help="images per batch")
    parser.add_argument("--workers", type=int, default=0, help="worker processes of the DataLoader")
    parser.add_argument("--repeats", type=int, default=3, help="epochs per way; the fastest counts")
    options = parser.parse_args()
    result = measure(options.count, options.batch_size, options.workers, options.repeats)
    print(f"{options.count} images, batches of {options.batch_size}, {options.workers} workers, seconds per epoch")
    for name, value in result.items():
        if name != "ratio":
            print(f"  {name:18s}{value:9.3f}")
    print(f"  batches are {result['ratio']:.1f}x as fast as the DataLoader")
    write(options, "batches", **rounded(result, 3))


if __name__ == "__main__":
    main()
