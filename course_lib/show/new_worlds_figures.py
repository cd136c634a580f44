"""Chapter 12's figures: rays and windings, distances and outlines, layers and masks, and what a reader reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.patches import Patch, PathPatch
from matplotlib.path import Path
from torch import Tensor

from course_lib.data import new_worlds
from course_lib.data.drawn_world import DrawnSet, Table
from course_lib.show.figures import figure, in_palette, numbers, to_pixels
from course_lib.show.paint import tiled

REAL, FAKE, SOFT = "C0", "C1", "0.55"
DOWN, UP = "#1863aa", "#cc5500"  # edges that run down count +1, edges that run up -1
PART_COLOURS = {
    "background": "#e4e0d8", "clothes": "#7a8fa6", "skin": "#f0c8a0", "hair": "#7b4a2d", "eyes": "#1863aa",
    "brows": "#222222", "nose": "#e08a5b", "mouth": "#c0322b", "beard": "#a9835f", "glasses": "#5b2d82",
    "hat": "#2f8d4e", "earrings": "#f0b93f",
}  # fmt: skip


def sheet(images: Tensor, columns: int, title: str, alt: str, width: float = 9.9) -> None:
    """Many images [N, 3, H, W] as one picture without gaps, under a title; of 240 colours, a third of the size."""
    whole = in_palette(to_pixels(tiled(images, columns)[None]))[0]
    fig, axis = plt.subplots(figsize=(width, width * whole.shape[0] / whole.shape[1] + 0.28))
    axis.imshow(whole)
    axis.set_axis_off()
    axis.set_title(title, fontsize=10, loc="left")
    figure(fig, alt)


# ------------------------------------------------------------------------------------------------- inside and outside


def framed(axis: Axes, title: str = "", low: float = 0.0, high: float = 1.0) -> None:
    """A square with y pointing down, without ticks."""
    axis.set(aspect="equal", xlim=(low, high), ylim=(high, low), xticks=[], yticks=[])
    axis.spines[:].set(visible=True, color="0.8")
    axis.set_title(title, fontsize=10)


def edges(axis: Axes, polygon: Tensor, width: float = 2.0) -> None:
    """The edges with an arrow on each: blue where it runs down, orange where it runs up, grey where it is level."""
    for (ax, ay), (bx, by) in zip(polygon.tolist(), polygon.roll(-1, 0).tolist()):
        colour = DOWN if by > ay else UP if by < ay else SOFT
        axis.plot([ax, bx], [ay, by], color=colour, lw=width, solid_capstyle="round")
        mx, my = ax + 0.55 * (bx - ax), ay + 0.55 * (by - ay)
        axis.annotate(
            "",
            (mx, my),
            (ax + 0.45 * (bx - ax), ay + 0.45 * (by - ay)),
            arrowprops={"arrowstyle": "-|>", "color": colour, "mutation_scale": 16, "lw": 0},
        )


def rays(polygon: Tensor, points: Mapping[str, tuple[float, float]], high: float) -> None:
    """A polygon, and from each named point a ray to the right with what it meets: +1 or -1."""
    fig, axis = plt.subplots(figsize=(5.2, 4.2))
    edges(axis, polygon)
    for name, (x, y) in points.items():
        total = int(new_worlds.winding_number(polygon, polygon.new_tensor([[x, y]])))
        axis.plot([x, high + 0.6], [y, y], color="0.4", lw=1, ls=":")
        axis.plot(x, y, "o", color="black", ms=6)
        axis.annotate(name, (x, y), (-4, 6), textcoords="offset points", ha="right", fontsize=11, weight="bold")
        for (ax, ay), (bx, by) in zip(polygon.tolist(), polygon.roll(-1, 0).tolist()):
            if (ay <= y) != (by <= y) and (at := ax + (y - ay) / (by - ay) * (bx - ax)) > x:
                down = by > ay
                style = {"color": DOWN if down else UP, "fontsize": 11, "weight": "bold"}
                place = (3, 4 if down else -14)
                axis.annotate("+1" if down else "-1", (at, y), place, textcoords="offset points", **style)
        axis.text(high + 0.7, y, f"{total}: {'inside' if total else 'outside'}", va="center", fontsize=10)
    axis.set(aspect="equal", xlim=(-0.5, high + 2), ylim=(high + 0.4, -0.4))
    axis.set(xticks=range(int(high) + 1), yticks=range(int(high) + 1), xlabel="x", ylabel="y")
    figure(
        fig,
        "A polygon with a notch, its edges with arrows, and rays to the right from four points; edges that run down "
        "are marked +1, edges that run up -1, and the sums stand at the right.",
    )


def windings(outlines: Mapping[str, Tensor], size: int = 100) -> None:
    """Outlines [K, 2] with arrows, the winding number of every place, and what two rules call inside."""
    fig, axes = plt.subplots(len(outlines), 4, figsize=(8.8, 2.25 * len(outlines)), squeeze=False)
    grid, five = new_worlds.pixel_grid(size), ListedColormap(plt.get_cmap("RdBu")([0.1, 0.3, 0.5, 0.7, 0.9]))
    for line, (name, outline) in zip(axes, outlines.items(), strict=True):
        number = new_worlds.winding_number(outline, grid.reshape(-1, 2)).view(size, size)
        edges(line[0], outline, 1.4)
        framed(line[0])
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=10, labelpad=6)
        line[1].imshow(number.numpy(), vmin=-2, vmax=2, cmap=five)
        for value in number.unique().tolist():
            spot = deepest(number == value)
            line[1].text(spot[1], spot[0], str(value), ha="center", va="center", fontsize=11, weight="bold")
        line[2].imshow((number == 0).numpy(), vmin=0, vmax=1)
        line[3].imshow((number % 2 == 0).numpy(), vmin=0, vmax=1)
        for axis in line[1:]:
            axis.set(xticks=[], yticks=[])
            axis.spines[:].set(visible=True, color="0.8")
    for axis, title in zip(axes[0], ("the outline", "winding number", "inside: not 0", "inside: odd"), strict=True):
        axis.set_title(title, fontsize=10)
    figure(
        fig,
        f"Outlines ({', '.join(outlines)}): their edges with arrows, the winding number of every region, and in black "
        "what is inside when the number is not 0, and when it is odd.",
    )


def deepest(inside: Tensor) -> tuple[int, int]:
    """A pixel far from the border of a region, bool [H, W]: where a number is best written."""
    left = torch.nn.functional.pad(inside, (1, 1, 1, 1))
    while True:
        smaller = left.clone()
        for shift, axis in ((1, 0), (-1, 0), (1, 1), (-1, 1)):
            smaller &= left.roll(shift, axis)
        if not smaller.any():
            row, column = left.nonzero()[0].tolist()
            return row - 1, column - 1
        left = smaller


# ------------------------------------------------------------------------------------------- distances and outlines


def three_grids(panels: Mapping[str, Tensor], decimals: int = 2) -> None:
    """Small matrices of numbers side by side."""
    fig, axes = plt.subplots(1, len(panels), figsize=(3.1 * len(panels), 3.3))
    for axis, (title, values) in zip(axes, panels.items(), strict=True):
        scale = 10**decimals
        numbers(axis, (values * scale).round() / scale, title, signed=bool((values < 0).any()))
        for text in axis.texts:
            text.set_fontsize(8)
    figure(fig, "Grids of numbers, one for each pixel: " + "; ".join(panels) + ".")


def distance_map(outlines: Mapping[str, Tensor], size: int = 84) -> None:
    """Signed distances as contour lines: red outside, blue inside, black the outline."""
    fig, axes = plt.subplots(1, len(outlines), figsize=(3.1 * len(outlines), 3.2), squeeze=False)
    grid = new_worlds.pixel_grid(size)
    x, y = grid[0, :, 0].numpy(), grid[:, 0, 1].numpy()
    for axis, (name, outline) in zip(axes[0], outlines.items(), strict=True):
        distance = new_worlds.signed_distance(outline, grid.reshape(-1, 2)).view(size, size)
        reach = float(distance.abs().max())
        bands = [0.04 * k for k in range(-15, 16)]  # flat ones: a smooth picture is ten times as large in the file
        axis.contourf(x, y, distance.numpy(), levels=bands, cmap="RdBu_r", vmin=-reach, vmax=reach, extend="both")
        axis.contour(x, y, distance.numpy(), levels=bands, colors="0.35", linewidths=0.4, antialiased=False)
        axis.contour(x, y, distance.numpy(), levels=[0], colors="black", linewidths=2)
        framed(axis, name)
    figure(
        fig,
        f"The signed distance to three outlines ({', '.join(outlines)}): blue inside, red outside, with lines of "
        "equal distance that follow the outline and grow round outside of its corners.",
    )


def greys(panels: Mapping[str, Tensor]) -> None:
    """Coverages [H, W] side by side, black where they are 1."""
    fig, axes = plt.subplots(1, len(panels), figsize=(2.5 * len(panels), 2.8), squeeze=False)
    for axis, (title, values) in zip(axes[0], panels.items(), strict=True):
        axis.imshow((1 - values).numpy(), vmin=0, vmax=1)
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set(visible=True, color="0.8")
        axis.set_title(title, fontsize=9)
    figure(fig, "The same shape in pixels: " + ", ".join(" ".join(title.split()) for title in panels) + ".")


def outline_made(steps: Mapping[str, tuple[Tensor, Tensor]]) -> None:
    """Title -> (anchors [n, 2], control points [3n, 2]): anchors, handles, the curve and what it holds."""
    fig, axes = plt.subplots(1, len(steps), figsize=(3.0 * len(steps), 3.2), squeeze=False)
    for axis, (title, (anchors, control)) in zip(axes[0], steps.items(), strict=True):
        curve = new_worlds.outline(control, 24)
        axis.add_patch(PathPatch(Path(curve.tolist(), closed=False), fc="#f3c5a2", ec="none"))
        axis.plot(*torch.cat([curve, curve[:1]]).T, color=REAL, lw=2.5)
        for k in range(0, len(control), 3):
            for handle in (control[k + 1], control[k - 1]):
                axis.plot(*torch.stack([control[k], handle]).T, color=SOFT, lw=1)
                axis.plot(*handle, "o", color=SOFT, ms=3.5)
        axis.plot(*anchors.T, "s", color="black", ms=5)
        framed(axis, title)
    figure(fig, "A closed outline through black anchors, with grey handles: " + ", ".join(steps) + ".")


# ------------------------------------------------------------------------------------------------- layers and masks


def dominant(drawn: DrawnSet) -> tuple[Tensor, list[str]]:
    """Which part most of each pixel belongs to, [N, H, W], and the parts that occur at all."""
    labels = drawn.masks.argmax(1)
    return labels, [part for k, part in enumerate(drawn.parts) if (labels == k).any()]


def part_maps(drawn: DrawnSet, columns: int = 6) -> None:
    """Portraits, and under each the parts of its pixels in one colour a part."""
    drawn = drawn[:columns]
    labels, parts = dominant(drawn)
    colours = ListedColormap([PART_COLOURS[part] for part in drawn.parts])
    fig, axes = plt.subplots(2, columns, figsize=(1.55 * columns, 3.7))
    for column, (image, label) in enumerate(zip(in_palette(to_pixels(drawn.images)), labels, strict=True)):
        axes[0, column].imshow(image)
        axes[1, column].imshow(label.numpy(), cmap=colours, vmin=-0.5, vmax=len(drawn.parts) - 0.5)
    for axis in axes.flat:
        axis.set(xticks=[], yticks=[])
        axis.spines[:].set_visible(False)
    for row, name in enumerate(("portrait", "its parts")):
        axes[row, 0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=10)
    keys = [Patch(color=PART_COLOURS[part], label=part) for part in parts]
    fig.legend(handles=keys, loc="outside lower center", ncol=min(6, columns), fontsize=9, frameon=False)
    figure(
        fig,
        f"{columns} portraits, and below each a map with one colour for each part: {', '.join(parts)}.",
    )


# ------------------------------------------------------------------------------------------------------- readers


def kinds(table: Table) -> dict[str, list[str]]:
    """The factors of a world: those scored by accuracy, and those scored by R^2."""
    categories = [name for name, factor in table.items() if factor.values]
    return {"categories: accuracy": categories, "numbers: R²": [name for name in table if name not in categories]}


def score_axis(axis: Axes, names: Sequence[str], title: str) -> None:
    axis.set_yticks(range(len(names)), [name.replace("_", " ") for name in names], fontsize=8)
    axis.set(ylim=(len(names) - 0.4, -0.6), xlim=(-0.03, 1.03))
    axis.grid(axis="x", color="0.9", lw=0.8)
    axis.set_axisbelow(True)
    axis.set_title(title, fontsize=10)


def two_readers(young: Mapping[str, float], old: Mapping[str, float], table: Table) -> None:
    """What two readers score, factor by factor: bars for the young one, dots for the other."""
    fig, axes = plt.subplots(1, 2, figsize=(8.6, 4.3))
    for axis, (title, names) in zip(axes, kinds(table).items(), strict=True):
        names = sorted(names, key=young.get, reverse=True)
        axis.barh(range(len(names)), [max(0, young[name]) for name in names], color="0.75", label="trained here")
        axis.plot([old[name] for name in names], range(len(names)), "o", color=REAL, ms=5, label="ships")
        score_axis(axis, names, title)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncol=2, frameon=False, fontsize=9)
    figure(
        fig,
        "Bars for what the reader trained here knows of each factor, sorted, and dots for the reader that ships.",
    )


def what_is_read(worlds: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
    """World -> factor -> {kind, visible, everywhere}: dots for scores where the factor shows, rings for everywhere."""
    fig, axes = plt.subplots(2, len(worlds), figsize=(4.6 * len(worlds), 8.2))
    for column, (world, factors) in zip(axes.T, worlds.items(), strict=True):
        for axis, (kind, title, bar) in zip(
            column, (("category", "accuracy", 0.98), ("number", "R²", 0.95)), strict=True
        ):
            names = [name for name, found in factors.items() if found["kind"] == kind]
            shown, everywhere = ([mean(factors[name][key]) for name in names] for key in ("visible", "everywhere"))
            axis.hlines(range(len(names)), everywhere, shown, color="0.8", lw=1.5, zorder=1)
            axis.plot(everywhere, range(len(names)), "o", mfc="white", mec="0.45", ms=5, label="everywhere")
            axis.plot(shown, range(len(names)), "o", color=REAL, ms=5, label="where it is visible")
            axis.axvline(bar, color="black", ls=":", lw=1)
            score_axis(axis, names, f"{world}: {title}")
    fig.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside lower center", ncol=2, frameon=False, fontsize=9)
    figure(
        fig,
        f"For each factor of {' and '.join(worlds)} a dot for how well the reader knows it where it is visible, and a "
        "ring for all drawings, which may lie far to the left; dotted lines at 0.98 and 0.95.",
    )


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
