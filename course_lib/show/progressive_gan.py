"""The fade of chapter 13: two paths through a growing generator, and their blend under your hand."""

from __future__ import annotations

import copy
import io
from base64 import b64encode
from itertools import pairwise
from pathlib import Path
from typing import Any

import ipywidgets
import torch
import traitlets
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from course_lib.errors import CourseError
from course_lib.gan.progressive_gan import ProgressiveGAN, enlarge, mix, shown, shrink
from course_lib.show import paint
from course_lib.show.panel import Drawn, Panel, Picture, choice, slider
from course_lib.training.model import evaluating

FACES, SIDE = 8, 96  # how many, and pixels of the page for each


def detail(images: Tensor) -> float:
    """Root mean square of what is lost when squares of 2 x 2 pixels become their means."""
    return float((images - enlarge(shrink(images))).square().mean().sqrt())


def recalled(model: ProgressiveGAN, count: int = 256) -> ProgressiveGAN:
    """A copy of a grown model whose old ways to colours are right again.

    They retired when their level was grown over, and the features have moved on since. Each is fitted anew, by least
    squares, to pictures of its size: the shrunk ones of the last level.
    """
    model = copy.deepcopy(model)
    with evaluating(model):
        x = model.generator.start(model.noise(count, torch.Generator().manual_seed(0)).to(next(model.parameters())))
        features = [x]
        for block in model.generator.blocks:
            features.append(block(features[-1]))
        picture = model.generator.to_colour[-1](features[-1])
        for x, way in zip(features[:-1], model.generator.to_colour[:-1], strict=True):
            windows = F.unfold(x, 3, padding=1).transpose(1, 2).flatten(0, 1).double()  # [N * side², C * 9]
            windows = torch.cat([windows, windows.new_ones(len(windows), 1)], dim=1)
            wanted = shrink(picture, picture.shape[-1] // x.shape[-1]).flatten(2).transpose(1, 2).flatten(0, 1).double()
            square = windows.T @ windows
            square.diagonal().add_(1e-6 * square.diagonal().mean())
            best = torch.linalg.solve(square, windows.T @ wanted)
            layer = getattr(way, "layer", way)
            layer.weight.copy_(best[:-1].T.reshape(layer.weight.shape) / getattr(way, "scale", 1.0))
            layer.bias.copy_(best[-1])
    return model


class Fade(Drawn):
    """Both paths and their blend, drawn by the browser; the pointer moves `alpha`.

    details  of the fine path and of real images
    """

    _esm = Path(__file__).with_name("fade.js")
    coarse = traitlets.Unicode().tag(sync=True)
    fine = traitlets.Unicode().tag(sync=True)
    titles = traitlets.List().tag(sync=True)
    details = traitlets.List([0.0, 0.0]).tag(sync=True)
    alpha = traitlets.Float(0.5).tag(sync=True)


def as_url(images: Tensor) -> str:
    """Images [N, C, H, W] side by side, one pixel a pixel, as the address of a picture."""
    strip = paint.tiled(images, len(images))
    buffer = io.BytesIO()
    paint.enlarged(strip, max(strip.shape[1:])).save(buffer, format="png")  # every colour as it is
    return f"data:image/png;base64,{b64encode(buffer.getvalue()).decode()}"


def fade_explorer(model: ProgressiveGAN, real: Tensor | None = None) -> Panel:
    """Panel: fade a level of a grown model in by hand; its old paths are `recalled`.

    real   images [N, C, size, size] in [-1, 1]; their detail is compared with that of the blend

    Raises CourseError for a model that does not grow, and for real images of another shape.
    """
    if not isinstance(model, ProgressiveGAN):
        raise CourseError(f"model: got a {type(model).__name__}, expected a ProgressiveGAN")
    model, sides, size = recalled(model), model.sides, model.sides[-1]
    if real is not None and (real.ndim != 4 or real.shape[1:] != (model.config["channels"], size, size)):
        raise CourseError(
            f"real: got shape {list(real.shape)}, expected [N, {model.config['channels']}, {size}, {size}]"
        )
    levels = {f"{old} to {new} pixels": level for level, (old, new) in enumerate(pairwise(sides), 1)}
    alpha, view = slider("alpha", 0.5, 0.0, 1.0, 0.01), Fade()
    ipywidgets.jslink((alpha, "value"), (view, "alpha"))
    controls: dict[str, Any] = {
        "alpha": alpha,
        "level": choice("fading in", list(levels), list(levels)[-1]),
        "seed": ipywidgets.BoundedIntText(1, min=0, max=9999, description="faces"),
    }
    kept: dict[tuple[str, int], tuple[Tensor, Tensor]] = {}

    def paths(level: str, seed: int) -> tuple[Tensor, Tensor]:
        if (level, seed) not in kept:
            kept.clear()
            noise = model.noise(FACES, torch.Generator().manual_seed(seed))
            coarse, fine = (path.cpu().clamp(-1, 1) for path in model.paths(noise, levels[level]))
            kept[level, seed] = coarse, fine
            own = detail(fine) if real is None else detail(shown(real, sides[levels[level]], 1.0))
            with view.hold_sync():
                view.coarse, view.fine = as_url(coarse), as_url(fine)
                old, new = sides[levels[level] - 1], sides[levels[level]]
                view.titles = [f"old path: {old} x {old} pixels, enlarged", f"new path: {new} x {new} pixels"]
                view.details = [detail(fine), own]
        return kept[level, seed]

    def draw(alpha: float, level: str, seed: int) -> tuple[Picture, str]:
        coarse, fine = paths(level, seed)
        words = (
            f"Fading in from {level}, alpha {alpha:.2f}: {FACES} faces by the old path, by the new one, and blended. "
            f"The blend has a detail of {alpha * view.details[0]:.3f}, real images {view.details[1]:.3f}."
        )
        return lambda: still(coarse, fine, alpha, view.titles), words

    return Panel(controls, draw, [ipywidgets.HBox([alpha, controls["level"], controls["seed"]])], view)


def still(coarse: Tensor, fine: Tensor, alpha: float, titles: list[str]) -> Image.Image:
    """The picture of the page without a kernel: the two paths and the blend, one below the other."""
    rows = {
        titles[0]: coarse,
        titles[1]: fine,
        f"blend: {1 - alpha:.2f} old + {alpha:.2f} new": mix(coarse, fine, alpha),
    }
    parts = []
    for words, images in rows.items():
        parts += [paint.text_line(words), paint.enlarged(paint.tiled(images, len(images)), SIDE * len(images))]
    return paint.above(*parts, gap=3)
