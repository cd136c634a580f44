"""Chapter 11's contestants side by side: the same seeds for all of them, and what the judge reads in each image."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import ipywidgets
import numpy as np
import torch
import traitlets
from matplotlib import pyplot as plt
from PIL import Image, ImageDraw
from torch import Tensor

from course_lib.errors import CourseError
from course_lib.gan.dcgan import slerp
from course_lib.metrics.judge import fitted
from course_lib.show import paint
from course_lib.show.dcgan import device_of
from course_lib.show.figures import figure
from course_lib.show.panel import Ahead, Panel, Picture, slider, steps

SIDE, LINE, GAP = 76, 20, 6  # pixels on the screen
STOPS, SEEDS = 21, 100  # of a walk; to choose from
KEPT = 64  # stops that are not drawn again
SURE = 0.5  # below this the judge's reading is no name but a question mark


class Contest(Ahead):
    """A row of images for each model, drawn by the browser. A key is (seed, stop of the walk)."""

    _esm = Ahead.script("side_by_side.js")
    seed = traitlets.Int().tag(sync=True)
    walk = traitlets.Float().tag(sync=True)


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
    controls = {"seed": steps("seed", seed, 0, SEEDS - 1), "walk": slider("walk", 0.0, 0.0, 1.0, 0.05)}

    @lru_cache(KEPT)
    def stop(seed: int, at: int) -> tuple[list[Tensor], Tensor]:
        """The images of each model, [count, C, H, W], and what the judge reads in them, [models, count, classes]."""
        drawings = [drawn(model, between(model.latent, count, seed, at / (STOPS - 1))) for model in models.values()]
        return drawings, torch.stack([reading(judge, images) for images in drawings])

    def frame(seed: int, at: int) -> dict[str, Any]:
        drawings, chances = stop(seed, at)
        return {
            "key": [seed, at],
            "shapes": [list(images.shape[1:]) for images in drawings],
            "sizes": list(chances.shape[1:]),
            "chances": chances.float().contiguous().numpy().tobytes(),
            **{f"images{row}": paint.raw(images) for row, images in enumerate(drawings)},
        }

    def draw(seed: int, walk: float) -> tuple[Picture, str]:
        at, said, read = round(walk * (STOPS - 1)), [], {}
        drawings, chances = stop(seed, at)
        board.frame = frame(seed, at)
        for label, chance in zip(models, chances, strict=True):
            sure, best = chance.max(dim=1)
            called = [names[i] if names else str(i) for i in best.tolist()]
            read[label] = [name if share >= SURE else "?" for name, share in zip(called, sure.tolist(), strict=True)]
            said.append(f"{label}: {', '.join(read[label])} ({float(sure.mean()):.0%} sure on average)")
        place = f"seed {seed}" + (f", {at / (STOPS - 1):.0%} of the way to seed {seed + 1}" if at else "")

        def still() -> Image.Image:
            sure = chances.max(dim=2).values.tolist()
            rows = zip(read, drawings, sure, strict=True)
            return paint.above(*(row_of(label, images, read[label], shares) for label, images, shares in rows), gap=10)

        return still, f"{count} images of each at {place}, as the judge reads them. {'; '.join(said)}."

    look = {"labels": list(models), "names": list(names or []), "stops": STOPS, "count": count, "seeds": SEEDS}
    board = Contest(look=look, seed=seed)
    board.answer(frame, lambda seed, at: 0 <= seed < SEEDS and 0 <= at < STOPS)
    for name, control in controls.items():
        ipywidgets.jslink((control, "value"), (board, name))
    return Panel(controls, draw, picture=board)


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


def reading(judge: Any, images: Tensor) -> Tensor:
    """The judge's probabilities [N, classes]."""
    return judge.read(fitted(images, judge.config["size"])).cpu()


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


# ---------------------------------------------------------------------------------------------------------------------
# Figures
# ---------------------------------------------------------------------------------------------------------------------


def clouds(real: Tensor, fakes: Mapping[str, Tensor], titles: Mapping[str, str], alt: str) -> None:
    """Clouds of points [N, 2] beside each other, each over the same real ones."""
    fig, axes = plt.subplots(1, len(fakes), figsize=(8.4, 3.9), sharex=True, sharey=True)
    for axis, (name, fake) in zip(axes, fakes.items(), strict=True):
        axis.scatter(*real[:700].T, s=6, color="lightgray", label="real")
        axis.scatter(*fake[:700].T, s=6, color="C1", label="generated")
        axis.set(title=titles[name], aspect="equal")
        axis.legend(frameon=False, loc="upper left")
    figure(fig, alt)


def bells(x: Tensor, p: Tensor, fits: Mapping[str, Sequence[tuple[str, Tensor]]], alt: str) -> None:
    """A density p over x, and for each loss the bells fitted by it: name -> pairs of a label and a density."""
    fig, axes = plt.subplots(1, len(fits), figsize=(10, 2.7), sharey=True)
    for axis, (name, curves) in zip(axes, fits.items(), strict=True):
        axis.fill_between(x, p, color="lightgray", label="data p")
        for (label, q), style in zip(curves, ("-", "--"), strict=True):
            axis.plot(x, q, style, label=label)
        axis.set(title=name, xlim=(-7, 7), yticks=[])
        axis.spines["left"].set_visible(False)
    axes[0].legend(frameon=False, fontsize=8)
    figure(fig, alt)


def separations(half: Sequence[float], losses: Mapping[str, Sequence[float]], crossing: float, alt: str) -> None:
    """The loss of two solutions against half the distance between two heaps, and where one overtakes the other."""
    fig, axis = plt.subplots(figsize=(7.5, 3))
    for (name, values), style in zip(losses.items(), ("-", "--"), strict=True):
        axis.plot(half, values, style, lw=2, label=name)
    axis.axvline(crossing, color="gray", lw=1, ls=":")
    axis.set(xlabel="heaps at ± this", ylabel="Jensen-Shannon, nats", ylim=(0, None))
    axis.legend(frameon=False)
    figure(fig, alt)


def piles(distances: Mapping[str, Tensor], alt: str) -> None:
    """Histograms of the distances to the nearest training image: label -> [N]."""
    fig, axis = plt.subplots(figsize=(7.5, 3))
    limit = max(float(values.quantile(0.98)) for values in distances.values())
    for (label, values), style in zip(distances.items(), ("-", "--", "-.", ":", (0, (1, 3))), strict=False):
        heights, edges = np.histogram(values, bins=30, range=(0, limit))
        axis.step(edges[:-1], heights / len(values), where="post", label=label, ls=style)
    axis.set(xlabel="distance to the nearest training image", ylabel="share of the images")
    axis.legend(frameon=False)
    figure(fig, alt)


def seeds(records: Mapping[str, Any], columns: Mapping[str, str], names: Mapping[str, str], alt: str) -> None:
    """One dot per seed: a row of panels for each record, a panel for each figure, a column of dots for each model.

    columns  figure in the record -> title; names  model in the record -> label. A dotted line is what real images get.
    """
    fig, axes = plt.subplots(len(records), len(columns), figsize=(11, 2.5 * len(records)), squeeze=False)
    for line, (data, record) in zip(axes, records.items(), strict=True):
        for axis, (key, title) in zip(line, columns.items(), strict=True):
            for i, model in enumerate(names):
                values = record["contestants"][model][key]
                axis.plot([i] * len(values), values, "o", ms=6, alpha=0.7, color="C1" if model == "r3gan" else "C0")
            if key in record["real"]["grey"]:
                axis.axhline(record["real"]["grey"][key], color="black", lw=1, ls=":")
            axis.set_xticks(range(len(names)), names.values(), fontsize=8, rotation=20)
            axis.set(xlim=(-0.6, len(names) - 0.4), ylim=(0, None))
            axis.set_title(f"{data}: {title}", fontsize=10)
    figure(fig, alt)
