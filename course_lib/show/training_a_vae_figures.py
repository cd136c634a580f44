"""Chapter 10's figures: the bound, the two terms, rate and distortion, the plane of codes, what each latent moves."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from matplotlib import pyplot as plt
from torch import Tensor
from torch.distributions import Normal

from course_lib.show.figures import figure, number_panels, to_pixels
from course_lib.show.training_view import smooth, tile
from course_lib.vae.autoencoders_to_vae import Coder


def product(z: Tensor, prior: Tensor, likelihood: Tensor, posterior: Tensor, alt: str) -> None:
    """Prior times likelihood, the area under it, and the posterior, all [N] over codes z [N]."""
    fig, axis = plt.subplots(figsize=(7.5, 3))
    axis.plot(z, prior, label="prior p(z)")
    axis.plot(z, likelihood, label="p(x | z) for this x")
    axis.fill_between(z, prior * likelihood, color="C2", alpha=0.5, label="their product; its area is p(x)")
    axis.plot(z, posterior, "--", color="black", label="posterior p(z | x): the product over its area")
    axis.set(xlabel="code z", ylim=(0, None))
    axis.legend(frameon=False, fontsize=9)
    figure(fig, alt)


def bound(
    by_mean: Mapping[str, tuple[Sequence[float], Sequence[float]]],
    sigmas: Tensor,
    by_width: Mapping[str, Sequence[float]],
    log_p: float,
    alt: str,
) -> None:
    """Left the ELBO over the mean of q, label -> (means, values); right its parts over sigma; dashed, log p(x)."""
    fig, axes = plt.subplots(1, 2, figsize=(10, 3.4))
    for label, (means, values) in by_mean.items():
        axes[0].plot(means, values, label=label)
    for label, values in by_width.items():
        axes[1].semilogx(sigmas, values, label=label)
    axes[0].set(xlabel="mean of q", ylabel="nats", ylim=(-9, -1.5))
    axes[1].set(xlabel="σ of q, mean 1", ylim=(-9, 0))
    for axis in axes:
        axis.axhline(log_p, color="black", ls="--", lw=1, label="log p(x)")
        axis.legend(frameon=False, fontsize=8)
    figure(fig, alt)


def two_terms(losses: Mapping[str, Sequence[float]], alt: str) -> None:
    """Each term of a training on an axis of its own, over the logarithm of the step."""
    fig, axes = plt.subplots(1, len(losses), figsize=(9, 2.6), squeeze=False)
    for number, (axis, (name, values)) in enumerate(zip(axes[0], losses.items(), strict=True)):
        curve = smooth(values, max(len(values) // 50, 1))
        axis.semilogx(range(1, len(values) + 1), curve, color=f"C{number}", lw=1.8)
        axis.set_title(f"{'KL' if name == 'kl' else name}: ends at {curve[-1]:.1f} nats", fontsize=10)
        axis.set(xlabel="step", ylabel="nats", ylim=(0, None))
    figure(fig, alt)


def bounds(counts: Sequence[int], nats: Sequence[float], alt: str) -> None:
    """An upper bound of -log p(x) over the number of draws behind it."""
    fig, axis = plt.subplots(figsize=(7.5, 2.8))
    axis.semilogx(counts, nats, "o-", base=2)
    for place in (0, -1):
        axis.annotate(
            f"{nats[place]:.1f}", (counts[place], nats[place]), (0, 6), textcoords="offset points", ha="center"
        )
    axis.set_xticks(counts, [str(count) for count in counts])
    axis.set(xlabel="K, draws in a group", ylabel="bound on -log p(x), nats")
    axis.margins(y=0.2)
    figure(fig, alt)


def rate_distortion(points: Mapping[float, tuple[float, float]], alt: str) -> None:
    """beta -> (rate, distortion): the curve, and the line of slope -1 through the point whose sum is smallest."""
    fig, axis = plt.subplots(figsize=(7.5, 3.6))
    rates, distortions = zip(*points.values(), strict=True)
    axis.plot(rates, distortions, "o-", zorder=3)
    for beta, at in points.items():
        axis.annotate(f"β = {beta:g}", at, (6, 6), textcoords="offset points")
    least = min(rate + distortion for rate, distortion in points.values())
    ends = torch.tensor([0.0, max(rates) * 1.1])
    axis.plot(ends, least - ends, "--", color="black", lw=1, label=f"slope -1: rate + distortion = {least:.1f} nats")
    axis.set(xlabel="rate: nats of KL, for the code", ylabel="distortion: nats for the pixels", xlim=(0, None))
    axis.legend(frameon=False)
    figure(fig, alt)


def plane(model: Coder, alt: str, side: int = 15) -> None:
    """What a model with two latents decodes in the middles of `side` x `side` equally probable cells of the prior."""
    quantiles = Normal(0.0, 1.0).icdf((torch.arange(side) + 0.5) / side)
    codes = torch.stack(torch.meshgrid(quantiles, quantiles.flip(0), indexing="xy"), dim=-1).view(-1, 2)
    sheet = tile(to_pixels(model.decode(codes)), side)
    fig, axis = plt.subplots(figsize=(6.2, 6))
    axis.imshow(sheet)
    places = range(0, side, 2)
    step = sheet.shape[0] / side
    axis.set_xticks([(place + 0.5) * step for place in places], [f"{float(quantiles[place]):.1f}" for place in places])
    axis.set_yticks(
        [(place + 0.5) * step for place in places], [f"{float(quantiles.flip(0)[place]):.1f}" for place in places]
    )
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    axis.set(xlabel="first latent", ylabel="second latent")
    figure(fig, alt)


def followers(tables: Mapping[str, Tensor], factors: Sequence[str], alt: str) -> None:
    """Correlations [latents, factors] of several models, each a panel with a row for each factor."""
    fig, axes = plt.subplots(1, len(tables), figsize=(11, 2.3), squeeze=False)
    for number, (axis, (name, table)) in enumerate(zip(axes[0], tables.items(), strict=True)):
        axis.imshow(table.T.numpy(), cmap="RdBu_r", vmin=-1, vmax=1, aspect="auto")
        for (latent, factor), value in np.ndenumerate(table.numpy()):
            if abs(value) >= 0.2:
                colour = "white" if abs(value) > 0.6 else "black"
                axis.text(latent, factor, f"{value:.1f}", ha="center", va="center", fontsize=8, color=colour)
        axis.set_xticks(range(len(table)))
        axis.set_yticks(range(len(factors)), factors if not number else [""] * len(factors))
        axis.tick_params(length=0, labelsize=8)
        axis.spines[:].set_visible(False)
        axis.set(xlabel="latent", title=name)
    figure(fig, alt)


def moves(tables: Mapping[str, Tensor], rows: Sequence[str], columns: Sequence[str], alt: str) -> None:
    """What each named latent moves: [rows, columns] of several models, side by side, in one red and blue."""
    panels = [(name, table.round(decimals=1)) for name, table in tables.items()]
    fig = number_panels(panels, (11, 2.9), high=3.0, signed=range(len(panels)))
    for number, axis in enumerate(fig.axes):
        axis.set_xticks(range(len(columns)), columns, fontsize=9)
        axis.set_yticks(range(len(rows)), rows if not number else [""] * len(rows), fontsize=9)
        axis.tick_params(length=0)
    figure(fig, alt)


def mysteries(runs: Mapping[str, Mapping[str, Any]]) -> None:
    """The exercise's patients: above, rate and distortion while they train; below, the final KL of every latent."""
    fig, axes = plt.subplots(2, len(runs), figsize=(12, 4.4), sharey="row", squeeze=False)
    for column, (letter, run) in zip(axes.T, runs.items(), strict=True):
        curves, bars = column
        curves.plot(run["step"], run["distortion"], label="distortion")
        curves.plot(run["step"], run["rate"], "--", color="C2", label="rate")
        curves.axhline(run["knows nothing"], color="black", lw=1, ls=":", label="independent pixels")
        curves.set(xlabel="step", ylim=(0, 300))
        curves.set_title(letter, fontsize=12)
        bars.bar(range(len(run["latents"])), run["latents"], color="C2")
        bars.axhline(0.5, color="black", lw=1, ls=":")
        bars.set(xlabel="latent", xticks=[], ylim=(0, 3))
    axes[0, 0].set_ylabel("nats per image")
    axes[1, 0].set_ylabel("KL of each, nats")
    axes[0, -2].legend(frameon=False, fontsize=8, loc="center")
    words = "Six trainings, A to F: distortion and rate over the steps, and below them the KL of every latent. "
    ends = "; ".join(
        f"{letter}: rate {run['rate'][-1]:.0f}, distortion {run['distortion'][-1]:.0f}" for letter, run in runs.items()
    )
    figure(fig, words + f"At the end {ends}; independent pixels {next(iter(runs.values()))['knows nothing']:.0f} nats.")
