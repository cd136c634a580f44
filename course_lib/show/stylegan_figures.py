"""Chapter 16's figures. Real is blue and generated is orange, here as everywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from matplotlib import pyplot as plt
from torch import Tensor

from course_lib.gan.stylegan import StyleGAN, groups_of, mix_styles
from course_lib.show.figures import figure, images

REAL, FAKE = "C0", "C1"


def chosen(model: StyleGAN, *names: str) -> Tensor:
    """bool [layers]: the layers of these groups, "coarse", "middle" or "fine"."""
    layers, groups = torch.zeros(model.layers, dtype=torch.bool), groups_of(model.config["size"])
    for name in names:
        layers[groups[name]] = True
    return layers


def mixing_sheet(model: StyleGAN, a: Tensor, b: Tensor, names: Sequence[str], alt: str, scale: float = 0.95) -> None:
    """Rows of faces A, columns of faces B; inside, A with the styles of B in the groups `names`.

    a, b  w [A, style] and [B, style]
    """
    layers, (down, across) = chosen(model, *names), (len(a), len(b))
    wide = model.layers
    first = a[:, None].repeat_interleave(across, dim=0).expand(-1, wide, -1)
    second = b[:, None].repeat(down, 1, 1).expand(-1, wide, -1)
    inner = model.paint(mix_styles(first, second, layers)).cpu().unflatten(0, (down, across))
    top, left = model.paint(b).cpu(), model.paint(a).cpu()
    white = torch.ones_like(top[:1])
    lines = [torch.cat([white, top])] + [torch.cat([face[None], row]) for face, row in zip(left, inner, strict=True)]
    told = " and ".join(names)
    images(
        torch.cat(lines),
        alt,
        columns=across + 1,
        rows=["B", *(f"the rest from A{i + 1}" for i in range(down))],
        heads=["A", *(f"{told} from B{i + 1}" for i in range(across))],
        scale=scale,
    )


def cut_square(noise: Tensor, factors: Tensor, lines: Sequence[tuple[Tensor, Tensor]]) -> None:
    """Noise [N, 2] and the factors [N, 2] it becomes, and lines of equal noise before and after."""
    fig, axes = plt.subplots(1, 2, figsize=(7.6, 3.7))
    for axis, points, which, title in (
        (axes[0], noise, 0, "noise z: a round cloud"),
        (axes[1], factors, 1, "what the data need: no beard under a hood"),
    ):
        axis.scatter(*points.T, s=3, color=FAKE, alpha=0.5)
        for line in lines:
            axis.plot(*line[which].T, color="0.25", lw=1)
        axis.set(aspect="equal")
        axis.set_title(title, fontsize=10)
    axes[0].set(xlabel="z₁", ylabel="z₂", xlim=(-3, 3), ylim=(-3, 3))
    axes[1].set(xlabel="hood: how much", ylabel="beard: how much", xlim=(-1.1, 1.1), ylim=(-1.1, 1.1))
    figure(
        fig,
        "Left a round cloud of noise with a straight grid over it. Right the same points in a square whose upper right "
        "quarter is empty; the horizontal grid lines bend down where the empty quarter begins.",
    )


def loudness(curves: Mapping[str, Sequence[float]]) -> None:
    """The standard deviation of the maps after each layer, one curve for each kind of layer."""
    fig, axis = plt.subplots(figsize=(6, 3))
    for (name, values), marker in zip(curves.items(), "os^", strict=False):
        axis.semilogy(range(1, len(values) + 1), values, marker=marker, label=name)
    axis.set(xlabel="layer", ylabel="standard deviation\nof the maps")
    ticks = [2.0**power for power in range(-2, 9) if min(map(min, curves.values())) / 2 < 2.0**power]
    ticks = [tick for tick in ticks if tick < 2 * max(map(max, curves.values()))]
    axis.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axis.minorticks_off()
    axis.legend(frameon=False)
    figure(fig, "Standard deviations layer by layer on a logarithmic axis: flat with demodulation, climbing without.")


def reach(squares: Mapping[str, Tensor]) -> None:
    """Numbers [N, N]: how much image i (row) changes when the style of image j (column) does."""
    fig, axes = plt.subplots(1, len(squares), figsize=(2.9 * len(squares), 2.9), squeeze=False)
    for axis, (title, square) in zip(axes[0], squares.items(), strict=True):
        axis.imshow(square.numpy(), cmap="Oranges", vmin=0, vmax=float(square.max()))
        places = range(len(square))
        names = [str(i + 1) for i in places]
        axis.set_xticks(places, names)
        axis.set_yticks(places, names)
        axis.tick_params(length=0)
        axis.spines[:].set(visible=True, color="0.6")
        axis.set(xlabel="style of image", ylabel="changes image")
        axis.set_title(title, fontsize=10)
    figure(fig, f"Squares of cells for {' and '.join(squares)}, coloured where a style reaches an image.")


def noise_sheet(model: StyleGAN, w: Tensor, draws: int = 60, boost: float = 15.0) -> dict[str, float]:
    """A face, two more drawings with new noise maps, and where a pixel changes, by group of layers.

    w      [style]
    boost  by how much the changes are brightened

    Returns the mean deviation of a pixel for each group's noise, in levels of 255
    """
    groups = {"all": list(range(model.layers - 1))} | {
        name: [layer for layer in layers if layer < model.layers - 1]
        for name, layers in groups_of(model.config["size"]).items()
    }
    fixed, found, spreads = model.fixed_maps(), {}, []
    w = w.expand(draws, -1)
    for name, layers in groups.items():
        fresh = model.fresh_maps(draws, torch.Generator().manual_seed(0))
        maps = [fresh[i] if i in layers else fixed[i] for i in range(len(fixed))]
        drawn = model.paint(w, maps).cpu()
        if name == "all":
            shown = [model.paint(w[:1]).cpu(), drawn[:2]]
        spread = drawn.std(dim=0).mean(dim=0)
        found[name], scaled = float(127.5 * spread.mean()), (boost * spread).clamp(0, 1) * 2 - 1
        spreads.append(scaled.expand_as(drawn[0])[None])
    titles = ["fixed noise", "new noise", "new noise", *(f"changes × {boost:g}:\n{name}" for name in groups)]
    images(
        torch.cat([*shown, *spreads]),
        "One face drawn with three sets of noise maps, and grey maps of where its pixels change with the noise of all "
        "layers and of coarse, middle and fine ones.",
        columns=len(titles),
        titles=titles,
        scale=1.3,
    )
    return found


def owners(table: Tensor, factors: Sequence[str], groups: Mapping[str, Sequence[int]]) -> None:
    """[factors, layers]: how much of a factor changes with the style of one layer; groups are set apart by lines."""
    fig, axis = plt.subplots(figsize=(8.2, 0.29 * len(factors) + 1.1))
    shade = axis.imshow(table.numpy(), cmap="Oranges", vmin=0, vmax=1, aspect="auto")
    for (i, j), value in np.ndenumerate(table.numpy()):
        axis.text(j, i, f"{value:.2f}", ha="center", va="center", fontsize=8, color="white" if value > 0.6 else "black")
    names = [f"{layer + 1}\n{name}" for name, layers in groups.items() for layer in layers]
    axis.set_xticks(range(len(names)), names, fontsize=8)
    axis.set_yticks(range(len(factors)), factors, fontsize=9)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    for layers in list(groups.values())[1:]:
        axis.axvline(layers[0] - 0.5, color="black", lw=1.5)
    axis.set_title("how far a factor moves with one layer's style; 1: as with all of them", fontsize=10)
    fig.colorbar(shade, shrink=0.8)
    figure(
        fig,
        "A table of factors against layers: darker where the reader sees a factor change when one layer alone gets its "
        "style from another face.",
    )


def told_by(rows: Mapping[str, tuple[float, ...]], codes: Sequence[str]) -> None:
    """For each factor, dots for how well a linear readout of each kind of code tells it; 0 is chance, 1 perfect."""
    fig, axis = plt.subplots(figsize=(7.4, 0.27 * len(rows) + 1))
    places = range(len(rows))
    for column, (code, marker) in enumerate(zip(codes, "os^", strict=False)):
        axis.plot([row[column] for row in rows.values()], places, marker, color=f"C{column + 1}", label=code)
    for place, row in zip(places, rows.values(), strict=True):
        axis.plot([min(row), max(row)], [place, place], color="0.8", zorder=0)
    axis.set_yticks(places, list(rows), fontsize=9)
    axis.set(xlabel="how much a linear layer tells: 0 chance, 1 all", xlim=(-0.05, 1.0), ylim=(len(rows) - 0.5, -0.5))
    axis.legend(frameon=False, loc="lower right")
    figure(fig, f"A line for each factor with a dot for each of {', '.join(codes)}: how well it is told linearly.")


def trade(psis: Sequence[float], curves: Mapping[str, Sequence[float]], floor: Mapping[str, float]) -> None:
    """Precision and coverage against truncation; the dashed lines are real images against real images."""
    fig, axis = plt.subplots(figsize=(6.4, 3.2))
    for (name, values), marker in zip(curves.items(), "os", strict=True):
        (line,) = axis.plot(psis, values, marker=marker, label=name)
        axis.axhline(floor[name], color=line.get_color(), lw=1, ls="--")
    axis.set(xlabel="truncation ψ", ylabel="share", ylim=(0, 1.02))
    axis.legend(frameon=False, loc="center left", bbox_to_anchor=(1, 0.5))
    figure(fig, "Precision falls and coverage rises as truncation goes from 0 to 1; dashed, real images against real.")
