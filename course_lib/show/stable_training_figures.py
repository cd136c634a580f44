"""Chapter 7's figures. Real is blue and generated is orange, here as everywhere."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from torch import Tensor

from course_lib.gan.games import GAMES
from course_lib.gan.points import Points
from course_lib.metrics.modes import fair_coverage, mode_coverage
from course_lib.show.figures import figure, legible

REAL, FAKE = "C0", "C1"
REACH = 1.6  # half the side of a board in the plane


DOTS = 500  # points that a board shows


def board(axis: Axes, world: Points, points: Tensor | None = None, title: str = "") -> None:
    """Rings of two standard deviations around the centres of the data, and generated points."""
    for centre in world.centres.tolist():
        axis.add_patch(plt.Circle(centre, 2 * world.spread, fill=False, ec=REAL, lw=1.2, zorder=3))
    if points is not None:
        axis.scatter(*points[:DOTS].detach().T, s=2, color=FAKE, zorder=2)
    axis.set(aspect="equal", xlim=(-REACH, REACH), ylim=(-REACH, REACH), xticks=[], yticks=[])
    axis.spines[:].set(visible=True, color="0.8")
    axis.set_title(title, fontsize=9)


def clouds(rows: Mapping[str, tuple[Points, Mapping[str, Tensor]]], alt: str, side: float = 1.9) -> None:
    """Boards of generated points: a row for each world or game, its name at the left, a title over each board."""
    columns = max(len(panels) for _, panels in rows.values())
    fig, axes = plt.subplots(
        len(rows), columns, figsize=(side * columns + 0.9, (side + 0.4) * len(rows)), squeeze=False
    )
    for line, (name, (world, panels)) in zip(axes, rows.items(), strict=True):
        line[0].set_ylabel(name, rotation=0, ha="right", va="center", fontsize=10, labelpad=8)
        for axis, (title, points) in zip(line, panels.items(), strict=False):
            board(axis, world, points, title)
        for axis in line[len(panels) :]:
            axis.set_axis_off()
    figure(fig, alt)


def favourite(plane: Tensor, place: Tensor, world: Points, panels: Mapping[str, Tensor]) -> None:
    """The logits of a frozen discriminator as a plane [H, W], a star at their peak, and the points before and after."""
    fig, axes = plt.subplots(1, len(panels), figsize=(7, 3.4))
    edge = (-REACH, REACH, -REACH, REACH)
    for axis, (title, points) in zip(axes, panels.items(), strict=True):
        shade = axis.imshow(plane.numpy(), extent=edge, origin="lower", cmap=plt.get_cmap("cividis", 16), alpha=0.85)
        board(axis, world, points, title)
        axis.plot(*place, marker="*", ms=15, color="white", mec="black", zorder=4, clip_on=False)
    fig.colorbar(shade, ax=axes, shrink=0.8, label="logit of the frozen discriminator")
    figure(
        fig,
        "The discriminator's logits as a plane with a star at its peak. Left the points cover the ring; right, after "
        "the generator went on alone, they have gathered where the logits are high.",
    )


def floor(counts: Sequence[int], floors: Sequence[float]) -> None:
    """Real against real, for sets of several sizes."""
    fig, axis = plt.subplots(figsize=(5.6, 3))
    axis.loglog(counts, floors, marker="o", color=REAL)
    for count, value in zip(counts, floors, strict=True):
        axis.annotate(f"{value:.1f}", (count, value), (4, 5), textcoords="offset points", fontsize=9)
    axis.set(xlabel="images in each set", ylabel="Fréchet distance,\nreal against real")
    axis.set_xticks(counts, counts)
    axis.minorticks_off()
    figure(fig, "The distance between two sets of real images falls as the sets grow; both axes are logarithmic.")


def balls(real: Tensor, fake: Tensor) -> None:
    """Precision and recall of two clouds [N, 2] and [M, 2] with the balls that decide, nearest neighbours only."""
    fig, axes = plt.subplots(1, 2, figsize=(8.4, 3.7))
    for axis, cloud, others, colour, title in (
        (axes[0], real, fake, REAL, "precision: fakes inside real balls"),
        (axes[1], fake, real, FAKE, "recall: real points inside fake balls"),
    ):
        reach = torch.cdist(cloud, cloud).kthvalue(2, dim=1)[0]  # the smallest is the point itself
        for centre, radius in zip(cloud.tolist(), reach.tolist(), strict=True):
            axis.add_patch(plt.Circle(centre, radius, alpha=0.2, color=colour, lw=0))
        axis.scatter(*cloud.T, color=colour, s=14)
        inside = (torch.cdist(others, cloud) <= reach).any(dim=1)
        axis.scatter(*others[inside].T, color="black", s=26, label="inside")
        axis.scatter(*others[~inside].T, facecolors="none", edgecolors="black", s=26, label="outside")
        axis.set(aspect="equal", xlim=(-3.2, 4.2), ylim=(-3, 3), xticks=[], yticks=[])
        axis.set_title(f"{title}: {inside.double().mean():.2f}", fontsize=10)
        axis.spines[:].set(visible=True, color="0.8")
        axis.legend(frameon=False, fontsize=8, loc="upper left")
    figure(
        fig,
        "Left large blue balls around real points with most fakes inside. Right small orange balls around fakes, with "
        "few real points inside.",
    )


def sand(real: Sequence[float], fake: Sequence[float]) -> None:
    """Two small clouds on a line: which grain is carried where, and the area between their cumulative shares."""
    real, fake = sorted(real), sorted(fake)
    fig, (top, below) = plt.subplots(2, 1, figsize=(7, 3.8), sharex=True, height_ratios=[1, 1.3])
    for row, (start, end) in enumerate(zip(fake, real, strict=True)):
        height = 1 + row
        top.annotate("", (end, height), (start, height), arrowprops={"arrowstyle": "-|>", "lw": 1.5, "color": "gray"})
        top.text((start + end) / 2, height + 0.12, f"{abs(start - end):g}", ha="center", fontsize=9)
        top.scatter(start, height, color=FAKE, s=60, zorder=3)
        top.scatter(end, height, color=REAL, s=60, zorder=3)
    top.set(ylim=(0.5, len(real) + 0.8), yticks=[])
    top.set_title("every grain to its place in the order", fontsize=10)
    left, right = min(real + fake) - 1, max(real + fake) + 1
    heights = [step / len(real) for step in range(len(real) + 1)]
    for places, colour, name in ((real, REAL, "real"), (fake, FAKE, "fake")):
        below.stairs(heights, [left, *places, right], color=colour, lw=2.5, baseline=None, label=name)
    corners = sorted({left, right, *real, *fake})
    shares = [[sum(p <= x for p in places) / len(places) for x in corners] for places in (real, fake)]
    below.fill_between(corners, *shares, step="post", color="0.85")
    below.set(xlabel="place on the line", ylabel="share to the left")
    below.set_title("the area between the two is the same number", fontsize=10)
    below.legend(frameon=False, fontsize=9, loc="lower right")
    figure(
        fig,
        "Above, three orange grains with an arrow each to a blue one. Below, the shares to the left of each place as "
        "two staircases, and the grey area between them.",
    )


def stretch(matrix: Tensor, path: Sequence[Tensor]) -> None:
    """What a 2 x 2 matrix makes of all directions, and of those of power iteration, one after the other."""
    angle = torch.linspace(0, 2 * math.pi, 200, dtype=matrix.dtype)
    circle = torch.stack([angle.cos(), angle.sin()])
    fig, axes = plt.subplots(1, 2, figsize=(8, 3.2), width_ratios=[1, 2.2])
    limit = 1.15 * float(torch.linalg.matrix_norm(matrix, 2))
    for axis, curve, title in ((axes[0], circle, "directions v"), (axes[1], matrix @ circle, "what W makes of them")):
        axis.plot(*curve, color="0.7", lw=1)
        axis.set(aspect="equal", xticks=[], yticks=[])
        axis.set_title(title, fontsize=10)
        axis.spines[:].set(visible=True, color="0.8")
    for turn, v in enumerate(path):
        for axis, end in ((axes[0], v), (axes[1], matrix @ v)):
            axis.annotate("", end.tolist(), (0, 0), arrowprops={"arrowstyle": "-|>", "color": f"C{turn}", "lw": 2})
        words = f"after {turn} round{'s' * (turn != 1)}: stretched {float((matrix @ v).norm()):.4f} times"
        axes[1].text(
            0.03, 0.94 - 0.1 * turn, words, color=legible(f"C{turn}"), fontsize=10, transform=axes[1].transAxes
        )
    axes[0].set(xlim=(-1.3, 1.3), ylim=(-1.3, 1.3))
    axes[1].set(xlim=(-limit, limit), ylim=(-0.42 * limit, 0.75 * limit))
    figure(
        fig,
        "Left the circle of all directions of length 1, right the ellipse that the matrix makes of it. The arrows of "
        "power iteration turn towards the long axis; their lengths are written beside them.",
    )


def between(real: Tensor, fake: Tensor, choices: Mapping[str, Tensor]) -> None:
    """Where the gradient penalty asks, on the lines between pairs, for several draws of epsilon."""
    fig, axes = plt.subplots(1, len(choices), figsize=(7.4, 3.7))
    for axis, (title, epsilon) in zip(axes, choices.items(), strict=True):
        asked = epsilon * real + (1 - epsilon) * fake
        for a, b in zip(real, fake, strict=True):
            axis.plot(*torch.stack([a, b]).T, color="0.88", lw=0.8, zorder=0)
        for points, colour, name in ((real, REAL, "real"), (fake, FAKE, "fake"), (asked, "black", "asked")):
            axis.scatter(*points.T, s=10, color=colour, label=name)
        axis.set(aspect="equal", xticks=[], yticks=[])
        axis.set_title(title, fontsize=10)
        axis.spines[:].set(visible=True, color="0.8")
    fig.legend(*axes[0].get_legend_handles_labels(), ncols=3, frameon=False, fontsize=9, loc="outside lower center")
    figure(
        fig,
        "Lines from real points to fakes: left the points that are asked are spread along them, right all lie at one "
        "share of the way.",
    )


def leashes(runs: Mapping[str, Mapping[str, Sequence[float]]], alt: str) -> None:
    """The critic's slope and its score along several trainings, each with its name at the end of its curve."""
    fig, axes = plt.subplots(1, 2, figsize=(8.4, 3.2))
    for colour, (name, run) in enumerate(runs.items()):
        axes[0].semilogy(run["slope"], color=f"C{colour + 2}", label=name)
        axes[1].plot(run["score"], color=f"C{colour + 2}", label=name)
    axes[0].axhline(1, color="gray", ls=":", lw=1.5)
    axes[0].set(xlabel="generator step", title="mean slope of the critic at real points")
    axes[1].set(xlabel="generator step", title="score: mean f(real) - mean f(fake)")
    axes[1].set_yscale("symlog", linthresh=1)
    axes[1].margins(y=0.1)
    fig.legend(*axes[0].get_legend_handles_labels(), ncols=len(runs), frameon=False, loc="outside lower center")
    figure(fig, alt)


def orbits(paths: Mapping[str, Tensor], alt: str, reach: float = 2.4) -> None:
    """Paths of (psi, theta) on boards of one scale; the start is a dot, the equilibrium a cross."""
    fig, axes = plt.subplots(1, len(paths), figsize=(2.45 * len(paths), 3.1), sharey=True)
    for axis, (name, path) in zip(axes, paths.items(), strict=True):
        axis.plot(*path.T, lw=1.2, color="C2")
        axis.plot(*path[0], marker="o", ms=6, color="C2")
        axis.plot(0, 0, marker="+", ms=11, mew=2, color="black")
        axis.set(aspect="equal", xlim=(-reach, reach), ylim=(-reach, reach), xlabel="ψ, discriminator")
        axis.set_title(f"{name}\nends {float(path[-1].norm()):.2g} away", fontsize=10)
    axes[0].set_ylabel("θ, generator")
    figure(fig, alt)


def histogram(weights: Tensor, limit: float) -> None:
    """Clipped weights, with the share that has run into a limit."""
    stuck = float((weights.abs() > 0.9 * limit).double().mean())
    fig, axis = plt.subplots(figsize=(5.8, 2.9))
    axis.hist(weights.numpy(), bins=41, color="C4")
    axis.set(xlabel="weight", ylabel="how many")
    axis.set_title(f"{stuck:.0%} of the weights lie within a tenth of a limit", fontsize=10)
    axis.locator_params(axis="x", nbins=5)
    figure(fig, "Histogram of the clipped critic's weights: it ends sharply at both limits, with high bars there.")


def exam(losses: Mapping[str, Sequence[float]]) -> None:
    """Loss against copies of one real image, with and without a look at the batch."""
    fig, axis = plt.subplots(figsize=(6.4, 3))
    for colour, (name, curve) in enumerate(losses.items()):
        axis.plot(curve, label=name, lw=1, color=f"C{colour + 3}")
    axis.axhline(math.log(2), color="gray", ls=":")
    axis.text(0, math.log(2) + 0.04, "ln 2: cannot tell", color="0.35", fontsize=9)
    axis.set(xlabel="step", ylabel="loss of a pair", ylim=(0, 1.2))
    axis.legend(frameon=False, fontsize=9, loc="upper right")
    figure(fig, "Two losses over the steps: image by image it stays around ln 2, with the deviation it falls to zero.")


def mysteries(runs: Mapping[str, Mapping[str, Any]], world: Points) -> None:
    """The exercise's games: the critic's slope along the training above, the last points below."""
    fig, axes = plt.subplots(2, len(runs), figsize=(1.95 * len(runs), 4.4), height_ratios=[1, 1.1])
    for column, (letter, run) in enumerate(runs.items()):
        axis = axes[0, column]
        axis.semilogy(run["step"], run["slope"], color="C2")
        for line in (1 / 8, 1):
            axis.axhline(line, color="gray", ls=":", lw=1)
        axis.set(ylim=(1e-5, 1e3), title=letter, xlabel="step")
        axis.tick_params(labelsize=8, labelleft=not column)
        board(axes[1, column], world, run["points"])
    axes[0, 0].set_ylabel("mean slope")
    axes[1, 0].set_ylabel("points at the end", fontsize=9)
    figure(
        fig,
        f"{len(runs)} games side by side, {' to '.join([min(runs), max(runs)])}: the slope of the discriminator along "
        "the training on a logarithmic axis with lines at 1/8 and 1, and the generated points at the end.",
    )


def by_class(images: Tensor, labels: Tensor, classes: int, rows: int = 4) -> Tensor:
    """The first `rows` images of each class, a column a class [rows * classes, C, H, W]; blank where there are less."""
    made = torch.full((rows, classes, *images.shape[1:]), -1.0)
    for label in range(classes):
        found = images[labels == label][:rows]
        made[: len(found), label] = found
    return made.flatten(0, 1)


def counted(points: Tensor, world: Points) -> str:
    """Both counts of modes in words, for a title."""
    reached, covered = (f(points, world.centres, world.spread).modes for f in (mode_coverage, fair_coverage))
    return f"reached {reached}, covered {covered}"


def spread(values: Sequence[int]) -> str:
    """ "8", or "3 to 8"."""
    return f"{min(values)}" if min(values) == max(values) else f"{min(values)} to {max(values)}"


def in_columns(settings: Mapping[str, Any]) -> list[str]:
    """A game's settings for a table: rate, betas, discriminator steps, and what holds the discriminator back."""
    words = {"slower": "1/{} of the rate", "limit": "clip {}", "strength": "λ {}", "gamma": "γ {}", "every": "every {}"}
    held = [text.format(f"{settings[name]:g}") for name, text in words.items() if name in settings]
    betas = ", ".join(f"{beta:g}" for beta in settings["betas"])
    return [f"{settings['rate']:g}", betas, f"{settings['critic_steps']}", ", ".join(held) or "nothing"]


NO_GAMES = {"real": "the data itself", "carpet": "a carpet", "circle": "a circle"}
SCOREBOARD = (
    *("", "rate", "betas", "D steps per G step", "held by"),
    *(
        "ring: covered, by seed",
        "reached",
        "near, worst",
        "grid: covered, by seed",
        "reached",
        "near, worst",
        "seconds",
    ),
)


def scoreboard(record: Mapping[str, Any]) -> tuple[list[list[str]], dict[str, list[str]]]:
    """The rows of benchmarks/modes.py under SCOREBOARD; for each world, who covers all modes with every seed."""
    rows, everything = [], {"ring": [], "grid": []}
    for name in record["ring"]:
        own = record["settings"].get(name)
        label = "plain" if name == "plain" else NO_GAMES.get(name) or GAMES[name].label
        row, seconds = [label, *(in_columns(own) if own else [""] * 4)], 0.0
        for world, count in (("ring", 8), ("grid", 25)):
            found = record[world][name]
            row += [", ".join(map(str, found["modes"])), spread(found["lenient_modes"]), f"{min(found['near']):.0%}"]
            seconds += sum(found["seconds"]) / len(found["seconds"])
            if own and min(found["modes"]) == count:
                everything[world].append(label)
        rows.append([*row, f"{seconds:.0f}" if own else ""])
    return rows, everything
