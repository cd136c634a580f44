"""Chapter 11's contestants side by side: the same seeds for all of them, and what the judge reads in each image."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from PIL import Image, ImageDraw
from torch import Tensor

from course_lib.errors import CourseError
from course_lib.gan.dcgan import slerp
from course_lib.metrics.judge import fitted
from course_lib.show import paint
from course_lib.show.dcgan import device_of
from course_lib.show.panel import Panel, slider, steps

SIDE, LINE, GAP = 76, 20, 6  # pixels on the screen
SURE = 0.5  # below this the judge's reading is no name but a question mark


def side_by_side(
    models: Mapping[str, Any], judge: Any, names: list[str] | None = None, count: int = 9, seed: int = 0
) -> Panel:
    """Panel: every model draws `count` images, each with the judge's reading and how sure it is below.

    models  label -> a GAN (`draw(noise)`), a VAE or an autoencoder (`decode(codes)`), with `latent`
    judge   a classifier with `read(images)` -> probabilities [N, classes], such as `metrics.judge(test)`
    names   what the classes are called; default: their numbers

    `seed` chooses the noises, the same numbers for every model as far as its noise goes; `walk` takes all of them along
    an arc to those of the next seed. Nothing is picked: what you see is what each model draws.
    """
    if not models:
        raise CourseError("models: got none, expected at least one")
    for label, model in models.items():
        if not (hasattr(model, "latent") and (hasattr(model, "draw") or hasattr(model, "decode"))):
            raise CourseError(
                f"models: {label!r} is a {type(model).__name__}, expected one with .latent and .draw or .decode"
            )
    controls = {"seed": steps("seed", seed, 0, 99), "walk": slider("walk", 0.0, 0.0, 1.0, 0.02)}

    def draw(seed: int, walk: float) -> tuple[Image.Image, str]:
        rows, said = [], []
        for label, model in models.items():
            images = drawn(model, between(model.latent, count, seed, walk))
            sure, best = reading(judge, images)
            called = [names[i] if names else str(i) for i in best.tolist()]
            read = [name if share >= SURE else "?" for name, share in zip(called, sure.tolist(), strict=True)]
            rows.append(row_of(label, images, read, sure.tolist()))
            said.append(f"{label}: {', '.join(read)} ({float(sure.mean()):.0%} sure on average)")
        place = f"seed {seed}" + (f", {walk:.0%} of the way to seed {seed + 1}" if walk else "")
        return paint.above(
            *rows, gap=10
        ), f"{count} images of each at {place}, as the judge reads them. {'; '.join(said)}."

    return Panel(controls, draw)


def between(latent: int, count: int, seed: int, walk: float) -> Tensor:
    """Noises [count, latent] at `walk` of the arc from those of `seed` to those of the next."""
    start, end = (
        torch.randn(count, latent, generator=torch.Generator().manual_seed(1000 + number))
        for number in (seed, seed + 1)
    )
    return slerp(start, end, torch.full((count,), walk)) if walk else start


def drawn(model: Any, noise: Tensor) -> Tensor:
    """Images of standard normal noise [N, latent], as `sample` would draw them."""
    noise = noise.to(device_of(model))
    if hasattr(model, "draw"):
        return model.draw(noise).cpu()
    if hasattr(model, "code_factor"):  # an autoencoder: codes from the Gaussian that was fitted to them
        noise = model.code_mean + noise @ model.code_factor.T
    return model.decode(noise).cpu()


def reading(judge: Any, images: Tensor) -> tuple[Tensor, Tensor]:
    """How sure the judge is of each image [N], and the class it reads [N]."""
    return judge.read(fitted(images, judge.config["size"])).cpu().max(dim=1)


def row_of(label: str, images: Tensor, read: list[str], sure: list[float]) -> Image.Image:
    """A line of words, the images, and below each its reading over a bar as long as the judge is sure."""
    tiles = []
    for image, name, share in zip(images, read, sure, strict=True):
        words = Image.new("RGB", (SIDE, LINE + 6), paint.PAPER)
        pen = ImageDraw.Draw(words)
        pen.text((SIDE / 2, LINE / 2), name[:9], fill=paint.INK, font=paint.font(14), anchor="mm")
        pen.rectangle((0, LINE, SIDE - 1, LINE + 4), fill=paint.GREY)
        pen.rectangle((0, LINE, max(1, round(share * (SIDE - 1))), LINE + 4), fill=paint.BLUE)
        tiles.append(paint.above(paint.enlarged(image, SIDE), words, gap=2))
    return paint.above(paint.text_line(label, 14), paint.beside(*tiles, gap=GAP), gap=2)
