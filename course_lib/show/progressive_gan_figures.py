"""Chapter 13's figures: the two networks during a fade, the schedule, and what was measured. Real blue, fake orange."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from torch import Tensor

from course_lib.gan.progressive_gan import ProgressiveGAN, growth
from course_lib.show import paint
from course_lib.show.figures import figure
from course_lib.show.training_view import TrainingView

REAL, FAKE = "C0", "C1"
REAL_WORDS, FAKE_WORDS = paint.hex_code(paint.BLUE), paint.hex_code(paint.ORANGE)  # dark enough to be read


def box(axis: Axes, x: float, y: float, words: str, colour: str, wide: float = 1.5, dashed: bool = False) -> None:
    style = {"boxstyle": "round,pad=0.3", "fc": "white", "ec": colour, "lw": 2, "ls": "--" if dashed else "-"}
    axis.text(x, y, words, ha="center", va="center", fontsize=9, bbox=style)


def arrow(
    axis: Axes, start: tuple[float, float], end: tuple[float, float], words: str = "", colour: str = "0.3"
) -> None:
    axis.annotate(
        "", end, start, arrowprops={"arrowstyle": "-|>", "color": colour, "lw": 1.5, "shrinkA": 2, "shrinkB": 2}
    )
    if words:
        middle = ((start[0] + end[0]) / 2, (start[1] + end[1]) / 2 + 0.16)
        axis.text(*middle, words, ha="center", va="bottom", fontsize=9, color=colour)


def growing_networks() -> None:
    """Both networks while level 1 (8 x 8) is faded in: two paths that meet, on either side."""
    fig, axes = plt.subplots(2, 1, figsize=(9.2, 5))
    for axis, title, colour in ((axes[0], "generator", FAKE_WORDS), (axes[1], "discriminator", REAL_WORDS)):
        axis.set(xlim=(-0.6, 9.9), ylim=(-1.3, 1.5))
        axis.set_axis_off()
        axis.set_title(title, fontsize=11, loc="left", color=colour)
    g, d = axes
    for x, y, words, dashed in (
        (0.3, 0, "noise", False),
        (2, 0, "start\n4 × 4", False),
        (4.1, 0.7, "block 1\n8 × 8", True),
        (6.1, 0.7, "to colour 1", True),
        (4.1, -0.7, "to colour 0", False),
        (6.1, -0.7, "enlarge", False),
        (9.1, 0, "picture\n8 × 8", False),
    ):
        box(g, x, y, words, FAKE if dashed else "0.3", dashed=dashed)
    for start, end, words in (
        ((0.75, 0), (1.4, 0), ""),
        ((2.6, 0.1), (3.4, 0.6), ""),
        ((4.8, 0.7), (5.3, 0.7), ""),
        ((2.6, -0.1), (3.3, -0.6), ""),
        ((4.9, -0.7), (5.5, -0.7), ""),
        ((6.9, 0.7), (8.4, 0.15), "× α"),
        ((6.75, -0.7), (8.4, -0.15), "× (1 − α)"),
    ):
        arrow(g, start, end, words)
    for x, y, words, dashed in (
        (0.3, 0, "picture\n8 × 8", False),
        (2.5, 0.7, "from colour 1", True),
        (4.8, 0.7, "block 1\nto 4 × 4", True),
        (2.5, -0.7, "shrink", False),
        (4.8, -0.7, "from colour 0", False),
        (7.7, 0, "last layers\n4 × 4", False),
        (9.4, 0, "logit", False),
    ):
        box(d, x, y, words, REAL if dashed else "0.3", dashed=dashed)
    for start, end, words in (
        ((0.9, 0.1), (1.6, 0.6), ""),
        ((3.4, 0.7), (4.1, 0.7), ""),
        ((0.9, -0.1), (2.0, -0.6), ""),
        ((3.0, -0.7), (3.9, -0.7), ""),
        ((5.5, 0.7), (7.0, 0.15), "× α"),
        ((5.7, -0.7), (7.0, -0.15), "× (1 − α)"),
        ((8.4, 0), (9.0, 0), ""),
    ):
        arrow(d, start, end, words)
    figure(
        fig,
        "Two flow charts. In the generator the 4 by 4 features go to colours and are enlarged, or through a new block "
        "and its own layer to colours; the two are blended with 1 minus alpha and alpha. The discriminator mirrors it.",
    )


def schedule(fade: int, hold: int, sides: Sequence[int], steps: int) -> None:
    """Which level is trained when, and how far it is faded in."""
    found = [growth(step, fade, hold, len(sides) - 1) for step in range(steps)]
    fig, (top, below) = plt.subplots(2, 1, figsize=(7.6, 3.4), sharex=True, height_ratios=[1.4, 1])
    top.step(range(steps), [sides[level] for level, _ in found], where="post", color="0.2", lw=2)
    top.set_yscale("log", base=2)
    top.set_yticks(list(sides), [str(side) for side in sides])
    top.set_ylabel("pixels a side")
    below.plot(range(steps), [alpha for _, alpha in found], color=FAKE, lw=2)
    below.set(xlabel="step", ylabel="alpha", ylim=(-0.05, 1.1), yticks=[0, 0.5, 1])
    for axis in (top, below):
        for step in range(1, steps):
            if found[step][0] != found[step - 1][0]:
                axis.axvspan(step, step + fade, color=FAKE, alpha=0.12, lw=0)
    figure(
        fig,
        "Above, the side of the images doubles step by step; below, alpha rises from near 0 to 1 in each shaded fade "
        "and stays at 1 in between.",
    )


def contest(rows: Mapping[str, Sequence[float]], floor: float, unit: str = "Fréchet distance") -> None:
    """One dot a seed for every row, and the floor."""
    fig, axis = plt.subplots(figsize=(7.4, 0.55 * len(rows) + 1.1))
    for place, values in enumerate(rows.values()):
        axis.plot(values, [place] * len(values), "o", color=FAKE, ms=8, alpha=0.8)
        axis.plot([sum(values) / len(values)] * 2, [place - 0.25, place + 0.25], color="0.2", lw=2)
    axis.axvline(floor, color=REAL, ls=":", lw=2)
    axis.text(floor, -0.62, " real against real", color=REAL_WORDS, fontsize=9, va="center")
    axis.set_yticks(range(len(rows)), list(rows))
    axis.set(xlabel=f"{unit} (lower is better)", ylim=(len(rows) - 0.4, -0.9), xlim=(0, None))
    figure(fig, f"A dot for each seed and a line at the mean: {unit} of {', '.join(rows)}, and of real images.")


def lines(curves: Mapping[str, Tensor | Sequence[float]], x: str, y: str, alt: str, *, log: bool = False) -> None:
    """Curves over the numbers from 1 on, with their names at the right end."""
    fig, axis = plt.subplots(figsize=(7, 3))
    for place, (name, values) in enumerate(curves.items()):
        values = [float(value) for value in values]
        axis.plot(range(1, len(values) + 1), values, color=f"C{place}", lw=2, label=name)
    axis.set(xlabel=x, ylabel=y, **({"yscale": "log"} if log else {}))
    axis.legend(frameon=False, fontsize=9)
    figure(fig, alt)


def logs(runs: Mapping[str, Mapping[str, Sequence[float]]], names: Sequence[str]) -> None:
    """The logs of several runs: a row of curves for each, a column for each of `names`, all to one scale."""
    fig, axes = plt.subplots(len(runs), len(names), figsize=(10, 1.15 * len(runs)), sharex=True, sharey="col")
    for line, (letter, run) in zip(axes, runs.items(), strict=True):
        for axis, name in zip(line, names, strict=True):
            axis.plot(run["step"], run[name], ".-", color="0.2", ms=5, lw=1)
            axis.set_ylim(bottom=0)
            axis.tick_params(labelsize=7)
            axis.grid(alpha=0.3)
        line[0].set_ylabel(letter, rotation=0, ha="right", va="center", fontsize=13, fontweight="bold")
    for axis, name in zip(axes[0], names, strict=True):
        axis.set_title(name, fontsize=9)
    for axis in axes[-1]:
        axis.set_xlabel("step", fontsize=8)
    figure(fig, f"Six rows of curves, A to F, over the steps; the columns are {', '.join(names)}.")


class GrowthView(TrainingView):
    """The usual view of a training, which also keeps a film of the same noises and how varied the samples were.

    frames   what was drawn last in the middle of each fade and at the end of each level: name -> images
    variety  (step, deviation of a pixel over the samples, averaged over the pixels), every few steps
    """

    def __init__(self, count: int = 12, seed: int = 1, **options: Any):
        super().__init__(lambda model: model.sample(36, seed=seed), **options)
        self.count, self.seed = count, seed
        self.frames: dict[str, Tensor] = {}
        self.variety: list[tuple[int, float]] = []

    def update(self, model: ProgressiveGAN, run: Any) -> None:
        super().update(model, run)
        self.look(model, run)

    def finish(self, model: ProgressiveGAN, run: Any) -> None:
        super().finish(model, run)
        self.look(model, run)

    def look(self, model: ProgressiveGAN, run: Any) -> None:
        level, alpha = model.grown
        side = model.sides[level]
        images = model.sample(64, seed=self.seed).cpu()
        self.variety.append((run.steps, float(images.std(dim=0, correction=0).mean())))
        if alpha == 1:
            self.frames[f"{side} × {side}"] = images[: self.count]
        elif alpha <= 0.5:
            self.frames[f"to {side}, α {alpha:.2f}"] = images[: self.count]
            for name in [n for n in self.frames if n.startswith(f"to {side},")][:-1]:
                del self.frames[name]

    def strip(self) -> tuple[Tensor, list[str]]:
        """All frames below each other, and the names of the rows."""
        return torch.cat(list(self.frames.values())), list(self.frames)


def variety(found: Sequence[tuple[int, float]], real: Mapping[int, float], fade: int, hold: int) -> None:
    """How varied samples were over a training, and how varied real images of each level are; fades are shaded.

    real   side of a level -> deviation of its real images
    """
    fig, axis = plt.subplots(figsize=(7.6, 3))
    steps, values = zip(*found, strict=True)
    axis.plot(steps, values, color=FAKE, lw=2, label="generated")
    for place, (side, value) in enumerate(real.items()):
        start = 0 if place == 0 else hold + (place - 1) * (fade + hold)
        end = hold + place * (fade + hold) if place + 1 < len(real) else max(steps[-1], start + 1)
        if start < steps[-1]:
            end = min(end, steps[-1])
            axis.plot([start, end], [value, value], color=REAL, ls=":", lw=2, label="real" if place == 0 else None)
            axis.text(start, value, f" {side} × {side}", color=REAL_WORDS, fontsize=8, va="bottom")
            if place:
                axis.axvspan(start, min(start + fade, end), color=FAKE, alpha=0.12, lw=0)
    axis.set(xlabel="step", ylabel="deviation over the batch", ylim=(0, None))
    axis.legend(frameon=False, fontsize=9, loc="lower right")
    figure(
        fig, "How much generated portraits differ from each other over the training, beside real ones of each level."
    )


CONTEST_HEADER = ["", "Fréchet distance, by seed", "mean", "precision", "coverage", "steps", "images seen"]
CONTEST_HEADER += ["processor s", "parameters"]
ABLATION_HEADER = ["", "rate", "Fréchet distance, by seed", "times the first row", "coverage", "steps", "processor s"]


def mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)


def contest_rows(record: Mapping[str, Any], titles: Mapping[str, str]) -> list[list[Any]]:
    """The contest of benchmarks/progressive_gan.py as rows for a table."""
    rows = []
    for key, title in titles.items():
        found = record["contest"][key]
        distances = ", ".join(f"{value:.1f}" for value in found["frechet_distance"])
        means = [f"{mean(found['frechet_distance']):.1f}"]
        means += [f"{mean(found[name]):.2f}" for name in ("precision", "coverage")]
        cost = [f"{mean(found[name]):,.0f}" for name in ("steps", "images_seen", "seconds")]
        rows.append([title, distances, *means, *cost, f"{record['settings'][key]['parameters']:,}"])
    return rows


def ablation_rows(record: Mapping[str, Any], titles: Mapping[str, str]) -> list[list[Any]]:
    """Its ablation, each row beside the first; none where it was measured without."""
    if "ablation" not in record:
        return []
    rows, base = [], mean(next(iter(record["ablation"].values()))["frechet_distance"])
    for key, title in titles.items():
        found = record["ablation"][key]
        distances = ", ".join(f"{value:.1f}" for value in found["frechet_distance"])
        ratio, share = f"{mean(found['frechet_distance']) / base:.2f}", f"{mean(found['coverage']):.2f}"
        cost = [f"{mean(found[name]):,.0f}" for name in ("steps", "seconds")]
        rows.append([title, f"{record['settings'][key]['rate']:g}", distances, ratio, share, *cost])
    return rows
