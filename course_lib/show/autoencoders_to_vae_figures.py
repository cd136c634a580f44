"""Chapter 9's figures: lines through points, the plane of codes, clouds in it, and the gradient through a draw."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from torch import Tensor

from course_lib.show.autoencoders_to_vae import frame
from course_lib.show.figures import figure, legible, to_pixels
from course_lib.show.figures import images as show_images
from course_lib.show.training_view import tile

MOST = 2.448  # the circle with this radius holds 95 % of the draws from two standard normals: the root of -2 ln 0.05
DOTS = 700  # codes that a scatter shows


def lines_to(axis: Axes, points: Tensor, again: Tensor) -> None:
    """Points [N, 2] in blue, what comes back of each in orange, and what is lost as a line between them."""
    for point, back in zip(points, again, strict=True):
        axis.plot(*torch.stack([point, back]).T, color="gray", lw=1.5, zorder=1)
    axis.plot(*points.T, "o", color="C0", ms=8, label="points")
    axis.plot(*again.T, "x", color="C1", ms=8, mew=2.5, label="what comes back")


def projections(points: Tensor, tried: Mapping[int, tuple[Tensor, float]], curve: Sequence[Sequence[float]]) -> None:
    """Points projected on lines through 0, and what is lost along every direction.

    tried  angle in degrees -> (what comes back [N, 2], lost); curve is (angles, lost, lost by the formula)
    """
    fig, axes = plt.subplots(1, len(tried) + 1, figsize=(10, 3.2))
    for axis, (angle, (again, lost)) in zip(axes, tried.items(), strict=False):
        direction = math.radians(angle)
        axis.axline((0, 0), (math.cos(direction), math.sin(direction)), color="lightgray", lw=1, zorder=0)
        lines_to(axis, points, again)
        axis.set(title=f"direction {angle}°: {lost:.0f} lost", aspect="equal", xlim=(-4.4, 4.4), ylim=(-4.4, 4.4))
    axes[0].legend(frameon=False, fontsize=8, loc="lower right")
    axes[-1].plot(*curve[:2], lw=3, alpha=0.5, label="measured")
    axes[-1].plot(curve[0], curve[2], "--", color="black", lw=1, label="5 - 4 sin 2θ")
    axes[-1].set(xlabel="direction θ in degrees", ylabel="lost", ylim=(0, 10), xticks=range(0, 181, 45))
    axes[-1].legend(frameon=False)
    figure(
        fig,
        "Four points projected on a line at 0 and at 45 degrees, and what is lost for every direction: least at 45.",
    )


def arc(points: Tensor, ways: Mapping[str, Tensor]) -> None:
    """Points on a half circle, and what comes back of them by each way."""
    fig, axes = plt.subplots(1, len(ways), figsize=(8, 2.5), sharey=True)
    for axis, (name, again) in zip(axes, ways.items(), strict=True):
        lost = float((points - again).square().sum(dim=1).mean())
        lines_to(axis, points, again)
        axis.set(title=f"{name}: {lost:.3f} lost", aspect="equal", ylim=(-0.2, 1.35))
    axes[0].legend(frameon=False, fontsize=8, loc="upper right")
    figure(
        fig,
        "Five points on a half circle: PCA puts them on a horizontal line, the angle brings each back to its place.",
    )


def scatter(axis: Axes, codes: Tensor, labels: Tensor, names: Sequence[str]) -> None:
    """The first 700 codes [N, 2] by class, and the circle that holds 95 % of the draws from two standard normals."""
    codes, labels = codes[:DOTS], labels[:DOTS]
    for label, name in enumerate(names[:10]):
        axis.plot(*codes[labels == label].T, ".", ms=3, color=f"C{label}", label=name)
    axis.add_patch(plt.Circle((0, 0), MOST, fill=False, ls="--", lw=1.5, zorder=5))
    axis.set(aspect="equal")


def legend_below(
    fig: Any,
    axis: Axes,
) -> None:
    handles, names = axis.get_legend_handles_labels()
    fig.legend(handles, names, loc="outside lower center", ncols=5, frameon=False, markerscale=4, handletextpad=0.1)


def plane(model: Any, images: Tensor, labels: Tensor, names: Sequence[str], side: int = 10) -> float:
    """Where a model of two code numbers puts images [N, C, H, W], and what it decodes over the whole plane.

    A place of the grid is a hole if it lies farther from every code than 99 % of the codes lie from their nearest
    neighbour. Returns the share of holes.
    """
    codes = model.codes(images)
    low, high = frame(codes)
    share = (torch.arange(side) + 0.5) / side
    up, across = torch.meshgrid(share.flip(0), share, indexing="ij")
    grid = low + torch.stack([across, up], dim=2).reshape(-1, 2) * (high - low)  # row by row from the top left
    usual = torch.cdist(codes, codes).fill_diagonal_(torch.inf).amin(dim=1).quantile(0.99)
    hole = torch.cdist(grid, codes).amin(dim=1) > usual
    tiles = (model.decode(grid) + 1) / 2  # [side * side, C, H, W]
    _, channels, height, width = tiles.shape
    sheet = tiles.unflatten(0, (side, side)).permute(0, 3, 1, 4, 2).reshape(side * height, side * width, channels)
    extent = [low[0].item(), high[0].item(), low[1].item(), high[1].item()]
    fig, axes = plt.subplots(1, 2, figsize=(7.4, 4.1), sharex=True, sharey=True)
    scatter(axes[0], codes, labels, names)
    axes[1].imshow(sheet.expand(-1, -1, 3).numpy(), extent=extent)
    cell = (high - low) / side
    for place in grid[hole]:
        corner = (place - cell / 2).tolist()
        axes[1].add_patch(plt.Rectangle(corner, *cell.tolist(), fc="C1", alpha=0.35, lw=0))
    for axis, title in zip(axes, ("codes of test images", "what the decoder draws; holes in orange"), strict=True):
        axis.set(title=title, xlim=extent[:2], ylim=extent[2:], aspect="equal")
    legend_below(fig, axes[0])
    figure(
        fig,
        "Left, the codes of test images in the plane, one colour per class, with the circle of the standard normal; "
        "right, a grid of decoded points, with the places tinted that no code comes near.",
    )
    return float(hole.float().mean())


def clouds(
    means: Tensor, labels: Tensor, widths: Mapping[str, tuple[float, float]], place: tuple[float, float]
) -> None:
    """Clouds in the plane around means [N, 2], a panel for each pair of a stretch of the means and a sigma.

    The shade is the density of all clouds together; `place` is marked, with the density there.
    """
    fig, axes = plt.subplots(1, len(widths), figsize=(9, 3.5), sharex=True, sharey=True)
    span = torch.linspace(-4.2, 4.2, 141)
    up, across = torch.meshgrid(span, span, indexing="ij")
    grid = torch.stack([across, up], dim=2).reshape(-1, 2)
    for axis, (name, (stretch, sigma)) in zip(axes, widths.items(), strict=True):
        middles = stretch * means

        def density(points: Tensor, middles: Tensor = middles, sigma: float = sigma) -> Tensor:
            away = torch.cdist(points, middles).square()
            return torch.exp(-away / (2 * sigma**2)).mean(dim=1) / (2 * math.pi * sigma**2)

        shades = (density(grid).clamp(max=0.13) * 150).round() / 150  # in steps: a picture of a third of the size
        axis.imshow(
            shades.view(len(span), -1).numpy(),
            extent=[-4.2, 4.2, -4.2, 4.2],
            origin="lower",
            cmap="Greys",
            vmin=0,
            vmax=0.22,
        )
        for label in labels.unique().tolist():
            axis.plot(*middles[labels == label].T, "o", ms=5, color=f"C{label}", mec="white", mew=0.5)
        axis.add_patch(plt.Circle((0, 0), MOST, fill=False, ls="--", lw=1.5))
        axis.plot(*place, "x", color="black", ms=9, mew=2)
        there = float(density(torch.tensor([place])))
        axis.set(title=f"{name}\ndensity at the cross: {there:.3f}", xticks=[], yticks=[], aspect="equal")
        axis.spines[:].set(visible=True, color="lightgray")
    figure(
        fig,
        "Codes of images in the plane: as points, spread out with nothing between them; as small clouds; as wide "
        "clouds drawn together, whose sum fills the dashed circle of the prior without a gap.",
    )


def box(axis: Axes, x: float, y: float, words: str, colour: str = "white") -> None:
    style = {"boxstyle": "round,pad=0.5", "fc": colour, "ec": "black"}
    axis.text(x, y, words, ha="center", va="center", fontsize=13, bbox=style)


def arrow(axis: Axes, start: tuple[float, float], end: tuple[float, float], colour: str = "black") -> None:
    shape = {"arrowstyle": "-|>", "color": colour, "lw": 2, "shrinkA": 0, "shrinkB": 0}
    axis.annotate("", end, start, arrowprops=shape)


def road() -> None:
    """The gradient on its way back from the loss: stopped by a draw, or passing where the draw enters aside."""
    fig, axes = plt.subplots(1, 2, figsize=(10, 2.6))
    for axis, title in zip(axes, ("the draw on the path", "the draw beside the path"), strict=True):
        beside = axis is axes[1]
        box(axis, 0, 1, "μ, σ")
        box(axis, 1.2, 1, "μ + σ ε" if beside else "draw z", "white" if beside else "#ffd9a0")
        box(axis, 2.4, 1, "loss f(z)")
        for i in range(2):
            arrow(axis, (1.2 * i + 0.3, 1), (1.2 * i + 0.8, 1))
            blocked = i == 0 and not beside
            if blocked:
                axis.text(0.55, 0.42, "✕ zero", ha="center", va="center", color=legible("C2"), fontsize=12)
            else:
                arrow(axis, (1.2 * i + 0.8, 0.42), (1.2 * i + 0.3, 0.42), "C0")
        axis.text(2.4, 0.42, "gradient", ha="center", va="center", color=legible("C0"), fontsize=11)
        if beside:
            box(axis, 1.2, 1.95, "draw ε", "#ffd9a0")
            arrow(axis, (1.2, 1.7), (1.2, 1.28))
        axis.set(title=title, xlim=(-0.4, 2.9), ylim=(0.2, 2.3))
        axis.set_axis_off()
    figure(
        fig,
        "Left, a draw between the parameters and the loss blocks the gradient; right, the draw enters from the side.",
    )


def estimators(estimates: Mapping[str, Tensor], right: float, groups: Sequence[int] = (1, 100)) -> None:
    """Histograms of estimates [N] of one slope: single ones, and means of so many."""
    fig, axes = plt.subplots(1, len(groups), figsize=(10, 2.8))
    for axis, draws in zip(axes, groups, strict=True):
        for name, values in estimates.items():
            means = values[: 5000 * draws].view(-1, draws).mean(dim=1)
            axis.hist(means, bins=torch.linspace(-10, 40, 101).tolist(), alpha=0.65, label=name)
        axis.axvline(right, color="black", lw=1)
        title = "one draw for each estimate" if draws == 1 else f"the mean of {draws} draws"
        axis.set(title=title, xlabel=f"estimate of the slope, which is {right:g}", yticks=[])
        axis.spines["left"].set_visible(False)
    axes[0].legend(frameon=False)
    figure(fig, "Two histograms: pathwise estimates lie close around 4, score-function estimates from -5 to beyond 40.")


def mixtures(x: Tensor, cases: Mapping[str, tuple[Sequence[Tensor], Tensor]]) -> None:
    """Clouds on a line, half as high each, their sum, and the prior: title -> (densities of the clouds, their mean)."""
    fig, axes = plt.subplots(1, len(cases), figsize=(10.5, 2.7), sharex=True)
    prior = torch.exp(-x.square() / 2) / math.sqrt(2 * math.pi)
    for axis, (title, (parts, mean)) in zip(axes, cases.items(), strict=True):
        for k, part in enumerate(parts):
            axis.fill_between(x, part / len(parts), alpha=0.35, color=f"C{2 * k}", label=f"cloud of image {k + 1}")
        axis.plot(x, mean, color="black", lw=1.5, label="all codes, q(z)")
        axis.plot(x, prior, "--", color="gray", lw=1.5, label="prior p(z)")
        axis.set_title(title, fontsize=10)
        axis.set(yticks=[], xlabel="z", xlim=(-4.5, 4.5))
        axis.spines["left"].set_visible(False)
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=4, frameon=False)
    figure(
        fig,
        "Two clouds on a line and their sum against the prior: two needles far from it; two bells whose sum is close "
        "to it; two clouds that are both the prior itself.",
    )


def two_latents(draws: Mapping[str, Tensor], labels: Tensor, names: Sequence[str]) -> None:
    """Codes [N, D] of each model in the two latents that vary most, and the prior's circle."""
    fig, axes = plt.subplots(1, len(draws), figsize=(7.4, 3.8))
    for axis, (name, codes) in zip(axes, draws.items(), strict=True):
        widest = codes.std(dim=0).argsort(descending=True)[:2]
        scatter(axis, codes[:, widest], labels, names)
        axis.set(title=name)
    legend_below(fig, axes[0])
    figure(
        fig,
        "Codes of test images in two latents: far beyond the prior's dashed circle for the first model, inside "
        "and around it for the last.",
    )


def eigen_images(components: Any, shape: Sequence[int], count: int = 9) -> None:
    """The mean image and the first directions of `ae.Components` as images [C, H, W], the variance over each."""
    directions = components.directions[:count]
    scaled = directions / directions.abs().amax(dim=1, keepdim=True)
    rows = torch.cat([2 * components.mean[None] - 1, scaled]).float()
    variances = components.variances[:count].tolist()
    show_images(
        rows.unflatten(1, tuple(shape)),
        "The mean image, a blurred blob, and nine eigen-images: wavy patterns that get finer.",
        titles=["mean", *(f"{i + 1}: {variance:.1f}" for i, variance in enumerate(variances))],
    )


def pairs(model: Any, images: Tensor) -> Tensor:
    """Images [N, C, H, W], each followed by what the model makes of it: [2 N, C, H, W]."""
    return torch.stack([images, model.reconstruct(images).cpu()], dim=1).flatten(0, 1)


def strip(axis: Axes, images: Tensor, columns: int) -> None:
    """Images [N, C, H, W] in [-1, 1] tiled in rows of `columns`."""
    axis.imshow(tile(to_pixels(images), columns))
    axis.set_axis_off()


def mysteries(runs: Mapping[str, Mapping[str, Any]], images: Tensor) -> None:
    """A row for each run of `checks.autoencoders_to_vae.mysteries`: curves, reconstructions, inventions, one cloud."""
    heads = (
        "the two terms, as printed",
        "six images, what comes back",
        "codes from the prior",
        "one image's cloud, in σ",
    )
    fig, axes = plt.subplots(len(runs), 4, figsize=(11, 1.75 * len(runs)), width_ratios=(1.25, 1.3, 1.3, 0.85))
    for line, (letter, run) in zip(axes, runs.items(), strict=True):
        for name, colour in (("reconstruction", "C0"), ("kl", "C2")):
            line[0].semilogy(
                torch.tensor(run[name]).clamp(min=1e-3), color=colour, lw=1.2, label=name.replace("kl", "KL")
            )
        line[0].set(ylim=(1e-3, 2e3), yticks=[0.001, 0.1, 10, 1000])
        line[0].set_yticklabels(["0.001", "0.1", "10", "1000"])
        line[0].set_ylabel(letter, rotation=0, fontsize=16, fontweight="bold", labelpad=14, va="center")
        strip(line[1], torch.cat([images[:6], run["again"]]), 6)
        strip(line[2], run["invented"], 6)
        line[3].plot(*((run["draws"] - run["mean"]) / run["sigma"]).T, ".", ms=2, color="C1")
        line[3].add_patch(plt.Circle((0, 0), MOST, fill=False, lw=1.5))
        line[3].set(xlim=(-3.6, 3.6), ylim=(-3.6, 3.6), aspect="equal", xticks=[], yticks=[])
        line[3].spines[:].set(visible=True, color="lightgray")
        line[3].set_xlabel("σ = " + " and ".join(f"{sigma:.2g}" for sigma in run["sigma"].tolist()), fontsize=9)
    for axis, head in zip(axes[0], heads, strict=True):
        axis.set_title(head, fontsize=10)
    axes[0, 0].legend(frameon=False, fontsize=8, loc="lower right")
    axes[-1, 0].set_xlabel("step")
    figure(
        fig,
        f"Six runs {', '.join(runs)}, each with its two loss terms over the steps, six images above what comes back of "
        "them, twelve images from the prior, and draws from one cloud with the circle they should fill.",
    )
