"""Chapter 5's figures. Real is blue and generated is orange, here as in the lab; so are the losses of D and of G."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from torch import Tensor

from course_lib.show import paint, plane
from course_lib.show.figures import figure

REAL, FAKE = "C0", "C1"
REAL_DOT, FAKE_DOT = (paint.hex_code(colour) for colour in (plane.REAL_DOT, plane.FAKE_DOT))
OPINION = LinearSegmentedColormap.from_list("opinion", [FAKE, "white", REAL])
LN4 = math.log(4)


def players() -> None:
    """Who hands what to whom, forwards, and which way each player's gradient runs back."""
    fig, axis = plt.subplots(figsize=(9.6, 3.3))
    boxes = {
        "noise z": (0, 0, "white"),
        "generator G": (2.1, 0, FAKE),
        "fake G(z)": (4.3, 0, "white"),
        "real x": (4.3, 1.5, "white"),
        "discriminator D": (6.7, 0.75, REAL),
        "D's loss": (9.3, 1.5, "white"),
        "G's loss": (9.3, 0, "white"),
    }
    edges = {"real x": REAL, "fake G(z)": FAKE, "D's loss": REAL, "G's loss": FAKE}
    for name, (x, y, colour) in boxes.items():
        edge = edges.get(name, "black" if colour == "white" else colour)
        style = {"boxstyle": "round,pad=0.45", "fc": colour, "ec": edge, "lw": 1.5}
        axis.text(x, y, name, ha="center", va="center", fontsize=11, bbox=style)
    for start, end in (
        ((0.5, 0), (1.25, 0)),
        ((2.95, 0), (3.65, 0)),
        ((4.95, 0.1), (5.75, 0.55)),
        ((4.8, 1.5), (5.75, 0.95)),
        ((7.65, 0.95), (8.7, 1.4)),
        ((7.65, 0.55), (8.7, 0.1)),
    ):
        axis.annotate("", end, start, arrowprops={"arrowstyle": "->", "lw": 1.5})
    back = {"arrowstyle": "->", "ls": "--", "lw": 2}
    axis.annotate("", (6.7, 1.15), (8.95, 1.8), arrowprops=back | {"color": REAL, "connectionstyle": "arc3,rad=0.35"})
    axis.text(7.3, 2.15, "teaches D", color=REAL_DOT, ha="center")
    axis.annotate(
        "", (2.1, -0.35), (9.3, -0.35), arrowprops=back | {"color": FAKE, "connectionstyle": "arc3,rad=-0.16"}
    )
    axis.text(5.7, -1.35, "teaches G, on its way back through D and the fake", color=FAKE_DOT, ha="center")
    axis.set(xlim=(-0.6, 10), ylim=(-1.6, 2.4))
    axis.set_axis_off()
    figure(
        fig,
        "Noise goes into the generator, which makes a fake. Fake and real go to the discriminator. Its loss sends a "
        "gradient back to it; the generator's loss sends one back through the discriminator and the fake to the "
        "generator.",
    )


def paths(walks: Mapping[str, Tensor], names: tuple[str, str], alt: str) -> None:
    """Paths [steps, 2] around (0, 0), a panel each, from their dot; in the last panel all distances from the middle."""
    fig, axes = plt.subplots(1, len(walks) + 1, figsize=(10, 3.1))
    reach = 1.08 * max(float(walk.abs().max()) for walk in walks.values())
    for number, (axis, (title, walk)) in enumerate(zip(axes, walks.items(), strict=False)):
        axis.plot(*walk.T, lw=1, color=f"C{number + 2}")
        axis.plot(*walk[0], "o", color="black", ms=5)
        axis.plot(0, 0, "+", color="black", ms=10)
        axis.set(xlabel=names[0], ylabel=names[1], aspect="equal", xlim=(-reach, reach), ylim=(-reach, reach))
        axis.set_title(title, fontsize=10)
        axes[-1].plot(walk.norm(dim=1), color=f"C{number + 2}", label=title.replace("\n", " "))
    axes[-1].set(xlabel="step", ylim=(0, 1.4 * max(float(walk.norm(dim=1).max()) for walk in walks.values())))
    axes[-1].set_title("distance from the middle", fontsize=10)
    axes[-1].legend(frameon=False, fontsize=8)
    figure(fig, alt)


class Stage(NamedTuple):
    """What is seen of a game in the plane at one moment."""

    title: str
    opinion: Tensor  # [S, S], D's verdict at each place, from -reach to reach
    warp: Tensor  # [L, K, 2], where lines of noise land
    real: Tensor  # [N, 2]
    fake: Tensor  # [M, 2]


def look(gan: Any, real: Tensor, title: str, reach: float = 1.7) -> Stage:
    """D asked about every place of a square, and G about a grid of noise."""
    side = torch.linspace(-reach, reach, 80)
    y, x = torch.meshgrid(side, side, indexing="ij")
    with torch.no_grad():
        opinion = gan.verdict(torch.stack([x, y], dim=-1).flatten(0, 1)).sigmoid().view(x.shape)
    across, along = torch.linspace(-2, 2, 9), torch.linspace(-2, 2, 60)
    rows = torch.stack(torch.meshgrid(across, along, indexing="ij"), dim=-1)  # [9, 60, 2]
    lines = torch.cat([rows, rows.flip(-1)])
    return Stage(title, opinion, gan.draw(lines.flatten(0, 1)).view(18, 60, 2), real, gan.sample(300))


DOTS = 200  # of each kind in a stage's picture


def stages(seen: Sequence[Stage], alt: str, reach: float = 1.7) -> None:
    """Stages of one game, three in a row: D as a colour, G as a bent grid, real points and fakes."""
    fig, axes = plt.subplots(-(-len(seen) // 3), 3, figsize=(7.6, 2.6 * -(-len(seen) // 3)), squeeze=False)
    for axis, stage in zip(axes.flat, seen, strict=True):
        side = torch.linspace(-reach, reach, len(stage.opinion))
        filled = axis.contourf(side, side, stage.opinion, levels=torch.linspace(0, 1, 11), cmap=OPINION)
        for line in stage.warp:
            axis.plot(*line.T, color="0.4", lw=0.5)
        points(axis, stage.real[:DOTS], stage.fake[:DOTS], reach, (REAL_DOT, FAKE_DOT))
        axis.set_title(stage.title, fontsize=10)
    fig.colorbar(filled, ax=axes, ticks=[0, 0.5, 1], label="D's verdict: fake 0, real 1", shrink=0.6)
    figure(fig, alt)


def points(axis: Axes, real: Tensor, fake: Tensor, reach: float, colours: tuple[str, str] = (REAL, FAKE)) -> None:
    """Real and generated points [N, 2], in a frame."""
    axis.plot(*real.T, ".", ms=2, color=colours[0])
    axis.plot(*fake.T, ".", ms=2, color=colours[1])
    axis.set(xlim=(-reach, reach), ylim=(-reach, reach), xticks=[], yticks=[], aspect="equal")
    axis.spines[:].set(visible=True, color="gray", lw=0.5)


def losses(history: Mapping[str, Sequence[float]], alt: str) -> None:
    """The losses of both players, with what a blind discriminator would make of them as dotted lines."""
    fig, axis = plt.subplots(figsize=(7, 3))
    for colour, blind, (name, values) in zip((REAL, FAKE), (LN4, LN4 / 2), history.items(), strict=True):
        axis.plot(values, lw=1, color=colour, label=f"{name}'s loss")
        axis.axhline(blind, ls=":", color="black", lw=1)
        axis.text(0, blind, f"{blind:.3f}", fontsize=8, va="bottom")
    axis.set(xlabel="step", ylabel="loss")
    axis.legend(frameon=False)
    figure(fig, alt)


def hills(counts: Sequence[tuple[int, int]]) -> None:
    """What each verdict is worth at a place with so many real and so many fake images."""
    D = torch.linspace(0.01, 0.99, 197)
    fig, axis = plt.subplots(figsize=(6.5, 3.2))
    for number, (real, fake) in enumerate(counts):
        value = (real * D.log() + fake * (1 - D).log()) / (real + fake)
        best = real / (real + fake)
        axis.plot(D, value, color=f"C{number + 2}", label=f"{real} real, {fake} fake: best at {best:.2f}")
        axis.plot(best, value.max(), "o", color=f"C{number + 2}")
    axis.set(xlabel="verdict D", ylabel="value, mean per image", ylim=(-2.5, 0))
    axis.legend(frameon=False, loc="lower center")
    figure(fig, "Hills of value over the verdict; the top of each lies where the verdict is the share of real images.")


def found(x: Tensor, p: Tensor, q: Tensor, best: Tensor, learned: Tensor) -> None:
    """Two densities, and the best verdict by the formula beside the one that was learned."""
    fig, axes = plt.subplots(1, 2, figsize=(9.5, 3))
    axes[0].fill_between(x, p, color=REAL, alpha=0.5, label="p, real")
    axes[0].fill_between(x, q, color=FAKE, alpha=0.5, label="q, fake")
    axes[0].set(xlabel="x", ylabel="density", ylim=(0, None))
    axes[1].plot(x, best, color="black", lw=4, alpha=0.3, label="p / (p + q)")
    axes[1].plot(x, learned, color="C2", label="trained D")
    axes[1].set(xlabel="x", ylabel="verdict", ylim=(-0.03, 1.03))
    for axis in axes:
        axis.legend(frameon=False, fontsize=9)
    figure(
        fig,
        "Left two densities, one with two humps; right the formula's verdict with two humps, and the trained D on it.",
    )


def side_by_side(x: Tensor, panels: Mapping[str, Mapping[str, Tensor]], xlabel: str, alt: str) -> None:
    """Curves over one x, a panel for each of their groups, each group with its legend."""
    fig, axes = plt.subplots(1, len(panels), figsize=(9.5, 3.2), squeeze=False)
    for axis, (title, curves) in zip(axes[0], panels.items(), strict=True):
        for number, (name, values) in enumerate(curves.items()):
            axis.plot(x, values, label=name, color=f"C{number + 2}", ls=("-", "--", "-.")[number % 3])
        axis.set(xlabel=xlabel)
        axis.axhline(0, color="gray", lw=0.5)
        axis.set_title(title, fontsize=10)
        axis.legend(frameon=False, fontsize=8)
    figure(fig, alt)


def after_head_start(stories: Mapping[str, Tensor]) -> None:
    """Mean verdict on the fakes and gradient on the generator [steps, 2], for each loss of the generator."""
    fig, axes = plt.subplots(1, 2, figsize=(9.5, 3))
    for number, (name, story) in enumerate(stories.items()):
        axes[0].plot(story[:, 0], label=name, lw=1, color=f"C{number + 2}")
        axes[1].semilogy(story[:, 1].clamp_min(1e-12), label=name, lw=1, color=f"C{number + 2}")
    axes[0].set(ylabel="mean verdict on the fakes", ylim=(-0.02, 1))
    axes[1].set(ylabel="gradient on the generator")
    for axis in axes:
        axis.set(xlabel="step after the head start")
    axes[1].legend(frameon=False, fontsize=9)
    figure(
        fig,
        "With the minimax loss the verdict on fakes stays near zero and the gradient is small; with the non-saturating "
        "loss both are larger.",
    )


def verdicts(games: Mapping[str, tuple[Tensor, Tensor]]) -> None:
    """Histograms of a discriminator's verdicts on real images and on fakes, a panel for each pair."""
    fig, axes = plt.subplots(1, len(games), figsize=(10, 2.8), sharex=True, squeeze=False)
    for axis, (title, pair) in zip(axes[0], games.items(), strict=True):
        for values, name, colour in zip(pair, ("real", "fake"), (REAL, FAKE), strict=True):
            axis.hist(values, bins=40, range=(0, 1), alpha=0.6, label=name, color=colour)
        axis.axvline(0.5, color="black", ls=":", lw=1)
        axis.set(xlabel="verdict D", yticks=[])
        axis.set_title(title, fontsize=10)
        axis.spines["left"].set_visible(False)
    axes[0, 0].legend(frameon=False)
    figure(fig, "Verdicts on real images and on fakes, a histogram for each of " + ", ".join(games) + ".")


def museum(rooms: Mapping[str, tuple[Tensor, Tensor, Tensor]], alt: str, reach: float = 2.0) -> None:
    """Rooms, a column each: both losses, the gradient on G, and where the samples are at the end.

    rooms   title -> (curves [steps, 3]: D's loss, G's loss, gradient on G; samples [N, 2]; real points [M, 2])
    """
    fig, axes = plt.subplots(3, len(rooms), figsize=(2.2 * len(rooms), 6.2), sharey="row", squeeze=False)
    for column, (title, (kept, samples, real)) in zip(axes.T, rooms.items(), strict=True):
        pace = 10 if len(kept) >= 50 else 1
        curves = kept[: len(kept) // pace * pace].view(-1, pace, 3).mean(dim=1)
        at = torch.arange(len(curves)) * pace
        for place, (name, colour) in enumerate((("D's loss", REAL), ("G's loss", FAKE))):
            column[0].plot(at, curves[:, place], color=colour, label=name)
            column[0].plot(0, kept[0, place].clamp(-1, 2.2), "o", color=colour, ms=4)
        column[0].axhline(LN4, color="gray", ls=":", lw=1)
        column[0].set(ylim=(-1, 2.2))
        column[0].set_title(title, fontsize=11)
        column[1].semilogy(at, curves[:, 2].clamp_min(1e-6), color="C2")
        column[1].set(xlabel="step", ylim=(1e-6, 1e1))
        points(column[2], real, samples, reach)
        if not (samples.abs() < reach).all(dim=1).any():
            column[2].text(0, 0, "no sample\nin sight", ha="center", va="center", color=FAKE_DOT, fontsize=8)
    axes[0, 0].legend(frameon=False, fontsize=8)
    for axis, name in zip(axes[:, 0], ("losses", "gradient on G", "samples"), strict=True):
        axis.set_ylabel(name)
    figure(fig, alt)
