"""Images per second of a DCGAN's training: the course's loop against the usual one, same networks, same batch.

The usual one: a loader that converts and normalises every image at every visit, generator gradients computed through
the discriminator's weights, plain Adam, two .item() a step. On a GPU also bfloat16, and a compiled step.

python benchmarks/gan_speed.py --threads 2 --repeats 5 --write
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable

import torch
from conventional_gan import PerImage
from runner import options_for, write
from torch import nn
from torch.utils.data import DataLoader
from torchvision import transforms

from course_lib import data
from course_lib.gan.dcgan import DCGAN
from course_lib.training import fit
from course_lib.training.progress import Bar


def usual(images, batch_size: int, device: str) -> Callable[[int], None]:
    """The loop as it is usually written, around our networks."""
    torch.manual_seed(0)
    model = DCGAN.for_data(images).to(device)
    loss = nn.BCELoss()
    pairs = PerImage(images)
    pairs.transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize([0.5], [0.5])])
    loader = iter(DataLoader(pairs, batch_size, shuffle=True, drop_last=True))
    g_adam, d_adam = (
        torch.optim.Adam(n.parameters(), 2e-4, (0.5, 0.999)) for n in (model.generator, model.discriminator)
    )

    def steps(count: int) -> None:
        for _ in range(count):
            real = next(loader).to(device)
            valid, fake = torch.ones(len(real), device=device), torch.zeros(len(real), device=device)
            g_adam.zero_grad()
            made = model.generator(torch.randn(len(real), model.latent, device=device))
            g_loss = loss(model.discriminator(made).sigmoid(), valid)
            g_loss.backward()
            g_adam.step()
            d_adam.zero_grad()
            verdict = model.discriminator(real).sigmoid(), model.discriminator(made.detach()).sigmoid()
            d_loss = (loss(verdict[0], valid) + loss(verdict[1], fake)) / 2
            d_loss.backward()
            d_adam.step()
            g_loss.item(), d_loss.item()

    return steps


def ours(images, batch_size: int, device: str, precision: str = "32-true", compiled: bool = False):
    """`training.fit` as every chapter calls it."""
    torch.manual_seed(0)
    model = DCGAN.for_data(images)
    if compiled:
        model.generator, model.discriminator = torch.compile(model.generator), torch.compile(model.discriminator)

    def steps(count: int) -> None:
        fit(
            model, images, steps=count, batch_size=batch_size, device=device, precision=precision, view=Bar(silent=True)
        )

    return steps


def main() -> None:
    parser = options_for(__doc__)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--steps", type=int, default=100)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--images", type=int, help="train on so many (default: all there are)")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    images = data.load("strokes", count=options.images)
    common = (images.to(options.device), options.batch_size, options.device)
    loops = {"usual": usual(images, *common[1:]), "ours": ours(*common)}
    if options.device == "cuda":
        loops |= {"bf16": ours(*common, "bf16-mixed"), "compiled bf16": ours(*common, "bf16-mixed", compiled=True)}
    speeds: dict[str, list[float]] = {name: [] for name in loops}
    for _ in range(options.repeats + 1):  # side by side, in turns; the first round warms up
        for name, loop in loops.items():
            begun = time.perf_counter()
            loop(options.steps)
            if options.device == "cuda":
                torch.cuda.synchronize()
            speeds[name].append(options.steps * options.batch_size / (time.perf_counter() - begun))
    medians = {name: round(statistics.median(values[1:])) for name, values in speeds.items()}
    ratio = [round(a / b, 2) for a, b in zip(speeds["ours"][1:], speeds["usual"][1:], strict=True)]
    print(f"images per second: {medians}; ours is {statistics.median(ratio):.2f} times as fast, rounds {ratio}")
    write(options, f"gan_speed_{options.device}", images_per_second=medians, ratio=ratio)


if __name__ == "__main__":
    main()
