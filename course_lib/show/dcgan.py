"""Chapter 6: its figures, and the latent explorer, which walks between two noises and leans into a few directions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import ipywidgets
import numpy as np
import torch
from matplotlib import pyplot as plt
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.errors import CourseError
from course_lib.gan.dcgan import slerp
from course_lib.show import paint
from course_lib.show.figures import figure, table
from course_lib.show.panel import Panel, Touch, choice, slider, steps

NEIGHBOURS = 9  # images in the strip
DIRECTIONS = 3
PROBES = 400  # noises from which the directions are learned
BIG, SMALL = 224, 56  # pixels on the screen
PUSH, STOPS = 4.0, 9  # how far a direction is followed, in standard deviations, and the images on the way
NEAR = 9  # pixels: the square whose mean is what is coarse in a picture
PAPER = 110  # of 255: a square with nothing brighter in it holds no stroke


def latent_explorer(model: Any, seed: int = 0) -> Panel:
    """Panel for any model with `latent`, the length of its noise, and `draw(noise [N, latent])` -> images [N, C, H, W].

    Two seeds choose two noises; `mix` walks from one to the other, along an arc or straight. Three more sliders push
    the noise along the directions in which the images change most, in standard deviations; it then keeps its length,
    which `length` scales. Each of the four has a strip that shows the whole way; press or drag along it.
    """
    if not (hasattr(model, "latent") and callable(getattr(model, "draw", None))):
        raise CourseError(f"model: got {type(model).__name__}, expected one with .latent and .draw(noise)")
    push = strongest_directions(model, seed)
    controls = {
        "start": steps("from seed", seed, 0, 99),
        "end": steps("to seed", min(seed + 1, 99), 0, 99),
        "way": choice("way", ["arc", "straight"]),
        "mix": slider("mix", 0.5, 0.0, 1.0, 0.01),
        "length": slider("length", 1.0, 0.0, 2.0, 0.05),
    } | {f"push{i + 1}": slider(f"direction {i + 1}", 0.0, -PUSH, PUSH, 0.1) for i in range(len(push))}

    def draw(start: int, end: int, way: str, mix: float, length: float, **pushes: float) -> tuple[Image.Image, str]:
        shares = torch.cat([torch.tensor([mix]), torch.linspace(0, 1, NEIGHBOURS)])
        on_the_way = walk(noise_of(model, start), noise_of(model, end), shares, way)
        here = torch.tensor(list(pushes.values()))
        stops = torch.linspace(-PUSH, PUSH, STOPS)
        leaning = here.repeat(len(push), STOPS, 1)
        for i in range(len(push)):
            leaning[i, :, i] = stops
        noise = pushed(
            torch.cat([on_the_way, on_the_way[:1].expand(len(push) * STOPS, -1)]),
            push,
            torch.cat([here.expand(len(shares), -1), leaning.flatten(0, 1)]),
        )
        noise = length * noise
        images = model.draw(noise.to(device_of(model))).cpu()
        large, strip, directions = images[0], images[1 : len(shares)], images[len(shares) :].unflatten(0, (-1, STOPS))
        now = float(noise[0].norm())
        lines = [
            f"{way} from seed {start} to seed {end}, mix {mix:.2f}",
            f"length of this noise: {now:.2f}",
            f"length that noise usually has: {model.latent**0.5:.2f}",
        ]
        left = paint.above(paint.enlarged(large, BIG), *(paint.text_line(line, 13) for line in lines), gap=2)
        marks = [mix, *((value + PUSH) / (2 * PUSH) for value in pushes.values())]
        strips = [paint.filmstrip(row, mark, SMALL) for row, mark in zip([strip, *directions], marks, strict=True)]
        names = ["mix: from the first noise to the second", *(f"direction {i + 1}" for i in range(len(push)))]
        parts = [part for name, row in zip(names, strips, strict=True) for part in (paint.text_line(name, 13), row)]
        picture = paint.beside(left, paint.above(*parts, gap=0))
        places, top = [], 0
        for title, row in zip(parts[::2], parts[1::2], strict=True):
            places.append((left.width + 18 + SMALL / 2, top + title.height, row.width - SMALL, row.height))
            top += title.height + row.height
        board.lay(picture, places, [(mark, 0.5) for mark in marks])
        words = (
            f"What the model draws at mix {mix:.2f} on the {'arc' if way == 'arc' else 'straight way'} from noise "
            f"{start} to noise {end}, and {NEIGHBOURS} images along the whole way. The noise has length {now:.2f}."
        )
        return picture, words

    board = Touch()
    ends = ipywidgets.VBox([controls["start"], controls["end"], controls["way"]])
    moves = ipywidgets.VBox([controls["mix"], controls["length"]])
    side = ipywidgets.VBox([controls[f"push{i + 1}"] for i in range(len(push))])
    panel = Panel(controls, draw, [ipywidgets.HBox([moves, ends, side])], board)

    def follow(row: int, x: float, _: float) -> None:
        panel.set(**({f"push{row}": (2 * x - 1) * PUSH} if row else {"mix": x}))

    board.when_touched(follow)
    return panel


def pushed(noise: Tensor, directions: Tensor, sizes: Tensor) -> Tensor:
    """Noise [N, latent] plus `sizes` [N, D] of the directions [D, latent]; each keeps the length it had."""
    moved = noise + sizes @ directions
    longer = noise.norm(dim=1, keepdim=True) / moved.norm(dim=1, keepdim=True).clamp_min(1e-9)
    return torch.where((sizes != 0).any(dim=1, keepdim=True), moved * longer, noise)


def noise_of(model: Any, seed: int) -> Tensor:
    """The noise [1, latent] of a seed."""
    return torch.randn(1, model.latent, generator=torch.Generator().manual_seed(seed))


def walk(a: Tensor, b: Tensor, shares: Tensor, way: str) -> Tensor:
    """Points [N, latent] between noises [1, latent], at `shares` [N] of the way."""
    a, b = a.expand(len(shares), -1), b.expand(len(shares), -1)
    return slerp(a, b, shares) if way == "arc" else torch.lerp(a, b, shares[:, None])


def strongest_directions(model: Any, seed: int = 0) -> Tensor:
    """Unit directions [at most 3, latent], orthogonal: along them the images change most.

    The best linear guess of the images from the noise is a matrix; its strongest singular vectors are the directions.
    """
    noise = torch.randn(PROBES + model.latent, model.latent, generator=torch.Generator().manual_seed(seed))
    images = model.draw(noise.to(device_of(model))).cpu().flatten(1).double()
    noise = noise.double() - noise.double().mean(dim=0)
    guess = torch.linalg.lstsq(noise, images - images.mean(dim=0)).solution  # [latent, pixels]
    strength, vectors = torch.linalg.eigh(guess @ guess.T)
    vectors = vectors[:, strength.argsort(descending=True)[:DIRECTIONS]].T
    largest = vectors.gather(1, vectors.abs().argmax(dim=1, keepdim=True))
    return (vectors * largest.sign()).float()  # a direction has no front; the same one on every machine


def device_of(model: Any) -> torch.device:
    parameters = model.parameters() if hasattr(model, "parameters") else iter(())
    return next((weights.device for weights in parameters), torch.device("cpu"))


# ---------------------------------------------------------------------------------------------------------------------
# Figures
# ---------------------------------------------------------------------------------------------------------------------


def stamps(row: Sequence[int], kernel: Sequence[int], stride: int) -> None:
    """A transposed convolution on paper: the stamp of every number in `row`, a line each, and their sum."""
    width = (len(row) - 1) * stride + len(kernel)
    lines = np.full((len(row) + 1, width), np.nan)
    for i, value in enumerate(row):
        lines[i, i * stride : i * stride + len(kernel)] = value * np.array(kernel)
    lines[-1] = np.nansum(lines[:-1], axis=0)
    fig, axis = plt.subplots(figsize=(0.72 * width + 1.2, 0.6 * len(lines) + 0.3))
    axis.imshow(lines, cmap="Greys", alpha=0.35, vmin=0, vmax=2 * np.nanmax(lines), aspect="auto")
    for (i, j), value in np.ndenumerate(lines):
        if not np.isnan(value):
            axis.text(j, i, f"{value:g}", ha="center", va="center", fontsize=13)
    axis.axhline(len(row) - 0.5, color="black", lw=1)
    axis.set_yticks(range(len(lines)), [f"stamp of {value}" for value in row] + ["their sum"])
    axis.set_xticks([])
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    total = " ".join(f"{value:g}" for value in lines[-1])
    figure(fig, f"{len(row)} stamps, each {stride} places further right than the last, and their sum: {total}.")


def untrained(drawn: Mapping[str, Tensor]) -> None:
    """Images [generators, N, 28, 28] in [-1, 1] of many untrained generators, a column for each way of enlarging."""
    fig, axes = plt.subplots(2, len(drawn), figsize=(8.5, 5))
    for column, (kind, images) in enumerate(drawn.items()):
        of_one, sizes = images[0].mean(dim=0).numpy(), images.square().mean(dim=(0, 1)).sqrt().numpy()
        high = float(np.abs(of_one).max())
        axes[0, column].imshow(of_one, cmap="RdBu_r", vmin=-high, vmax=high)
        axes[1, column].imshow(sizes, vmin=0, vmax=0.7)
        axes[0, column].set_title(kind, fontsize=11)
    names = ("one generator:\nmean of its images", f"{len(images)} generators:\nsize of each pixel")
    for axis, name in zip(axes[:, 0], names, strict=True):
        axis.set_ylabel(name, rotation=0, ha="right", va="center")
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    figure(
        fig,
        "Above, the mean image of one untrained generator of each kind, red and blue: patterned in all but the last "
        "column. Below, the size of each pixel over many generators: a grid for kernel 3 only.",
    )


def layer_table(layers: Iterable[nn.Module], x: Tensor, caption: str) -> None:
    """The layers that x goes through, the shape after each, and its parameters."""
    rows: list[list[object]] = [["input", " x ".join(map(str, x.shape[1:])), 0]]
    for layer in layers:
        x = layer(x)
        rows.append(
            [type(layer).__name__, " x ".join(map(str, x.shape[1:])), sum(w.numel() for w in layer.parameters())]
        )
    rows.append(["total", "", sum(row[2] for row in rows)])  # type: ignore[misc]
    table(rows, ["layer", "shape after it", "parameters"], caption)


def lengths(points: Mapping[str, Tensor]) -> None:
    """Histograms of the lengths of points [N, D], on one axis."""
    fig, axis = plt.subplots(figsize=(7, 2.6))
    for (name, some), colour in zip(points.items(), ("C2", "0.5"), strict=True):
        values = some.norm(dim=1).numpy()
        axis.hist(values, bins=60, alpha=0.7, color=colour, label=f"{name}: {values.mean():.2f} on average")
    axis.set(xlabel=f"length, for D = {some.shape[1]}", yticks=[])
    axis.spines["left"].set_visible(False)
    fig.legend(frameon=False, loc="outside upper center", ncols=2)
    figure(fig, f"Two histograms of lengths that hardly overlap: {' and '.join(points)}, the second much shorter.")


def tiles(picture: Image.Image) -> list[Tensor]:
    """The images [3, H, W] from 0 to 255 of a sheet, cut apart along its white lines."""
    pixels = np.array(picture.convert("RGB"))
    white = (pixels > 250).all(axis=2)

    def pieces(line: np.ndarray) -> list[tuple[int, int]]:
        edges = np.flatnonzero(np.diff(np.concatenate([[1], line.astype(int), [1]])))
        return [(a, b) for a, b in edges.reshape(-1, 2).tolist() if b - a > NEAR]

    rows, columns = pieces(white.all(axis=1)), pieces(white.all(axis=0))
    cut = [pixels[top:bottom, left:right] for top, bottom in rows for left, right in columns]
    return [torch.from_numpy(piece).permute(2, 0, 1).float() for piece in cut]


def fine_detail(tile: Tensor, period: int, size: int) -> tuple[Tensor, Tensor]:
    """What is left of a tile beside its strokes once everything coarse is subtracted, [3, M], and the place of each
    pixel modulo `period`: row * period + column, [M].

    tile  [3, H, W] from 0 to 255; shown in another size it lacks some of the `size` rows and columns it was drawn with
    """
    fine = tile - F.avg_pool2d(tile[None], NEAR, 1, NEAR // 2, count_include_pad=False)[0]
    quiet = F.max_pool2d(tile.amax(dim=0)[None, None], NEAR, 1, NEAR // 2)[0, 0] < PAPER
    row, column = (((torch.arange(side) + 0.5) * size / side).long() % period for side in tile.shape[1:])
    return fine[:, quiet] - fine[:, quiet].mean(dim=1, keepdim=True), (row[:, None] * period + column)[quiet]


def pattern(tile: Tensor, period: int, size: int) -> Tensor:
    """The mean of the fine detail at each place modulo `period`: [3, period, period]."""
    fine, place = fine_detail(tile, period, size)
    count = torch.bincount(place, minlength=period**2).clamp(min=1)
    return (torch.zeros(3, period**2).index_add_(1, place, fine) / count).view(3, period, period)


def repeating(tile: Tensor, period: int, size: int) -> tuple[float, float]:
    """The share of the fine detail that depends only on row and column modulo `period`, and the share that detail
    without any pattern would reach by chance.
    """
    fine, place = fine_detail(tile, period, size)
    explained = pattern(tile, period, size).flatten(1)[:, place].square().sum()
    return float(explained / fine.square().sum()), len(place.unique()) / len(place)


def hidden_grid(sheet: Sequence[Tensor], size: int, periods: Sequence[int] = range(2, 10)) -> dict[int, float]:
    """Show what hides in the backgrounds of a sheet, and how much of it repeats with each period; returns those shares,
    means over the sheet.
    """
    found = {period: [repeating(tile, period, size) for tile in sheet] for period in periods}
    shares = {period: sum(share for share, _ in pairs) / len(pairs) for period, pairs in found.items()}
    clearest = max(sheet, key=lambda tile: repeating(tile, 8, size)[0])
    corners = [clearest[:, :32, :32], clearest[:, :32, -32:], clearest[:, -32:, :32], clearest[:, -32:, -32:]]
    corner = min(corners, key=lambda part: float(part.max()))  # without a stroke
    stretched = {
        "a corner of an image,\ncontrast × 8": 2 * (corner - corner.mean(dim=(1, 2), keepdim=True)),
        "what repeats there every\n8 pixels, contrast × 8": 2 * pattern(clearest, 8, size).repeat(1, 4, 4),
    }
    fig, axes = plt.subplots(1, 3, figsize=(10.5, 3.2), width_ratios=(1, 1, 1.6))
    for axis, (title, part) in zip(axes[:2], stretched.items(), strict=True):
        axis.imshow((128 + 4 * part).clamp(0, 255).byte().permute(1, 2, 0).numpy())
        axis.set(xticks=[], yticks=[])
        axis.set_title(title, fontsize=10)
        axis.spines[:].set_visible(False)
    axes[2].bar(list(shares), list(shares.values()), color=["C1" if p & (p - 1) == 0 else "0.65" for p in shares])
    chance = [sum(luck for _, luck in pairs) / len(pairs) for pairs in found.values()]
    axes[2].plot(list(shares), chance, "k_", ms=16, label="by chance")
    axes[2].set(xlabel="period, in pixels", ylabel="share of the fine detail", xticks=list(shares))
    axes[2].legend(frameon=False, loc="upper left")
    figure(
        fig,
        "An enlarged corner of a generated background, the pattern that repeats in it, and bars: much of the fine "
        "detail repeats every 2, 4 and 8 pixels, next to nothing every 3, 5 or 7.",
    )
    return shares
