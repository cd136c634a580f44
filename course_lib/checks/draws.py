"""Whether numbers are independent draws from normal distributions of given widths."""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.checks.verdict import WrongAnswer

OFF = 5  # standard errors that are allowed


def expect_draws(
    calls: list[Tensor],
    sigma: Tensor,
    widths: dict[str, tuple[Tensor, str]],
    for_batch: str = "one epsilon for the whole batch",
    for_latents: str = "one epsilon shared by all latents",
) -> None:
    """Raise WrongAnswer unless what each call added to the means is sigma times standard normal numbers of its own.

    calls                   offsets from the means, [N, D] each
    sigma                   [D], the width that each latent should have
    widths                  name -> (the widths [D] that a misconception gives, what to say)
    for_batch, for_latents  the names of noise that all images share, and of noise that all latents share
    """
    for offset in calls:
        expect_one_for_each(offset, offset / sigma, for_batch, for_latents)
    offset = torch.cat(calls)
    epsilon = offset / sigma
    expect_mean_zero(offset, epsilon)
    expect_width(offset, sigma, widths)
    expect_independence(epsilon)
    expect_bell(epsilon)


def expect_one_for_each(offset: Tensor, epsilon: Tensor, for_batch: str, for_latents: str) -> None:
    """Shared noise shows as offsets that are multiples of each other, whatever was taken for sigma."""
    if bool((offset - offset[:1]).abs().max() < 1e-6 * offset.abs().max()):
        if bool((epsilon - epsilon[0, 0]).abs().max() < 1e-6 * epsilon.abs().max()):
            raise WrongAnswer(
                "one epsilon for everything", "a single random number for all images and latents: draw N · D"
            )
        raise WrongAnswer(for_batch, "every image of the batch gets the same noise: draw [N, D] numbers, not [1, D]")
    unit = offset.abs() / offset.square().mean(dim=0).sqrt().clamp_min(1e-12)
    if bool((unit - unit[:, :1]).abs().max() < 1e-6) and len(unit.unique()) > 100:
        raise WrongAnswer(for_latents, "all latents of an image get the same noise: draw [N, D] numbers, not [N, 1]")


def expect_mean_zero(offset: Tensor, epsilon: Tensor) -> None:
    means = epsilon.mean(dim=0).abs() * len(epsilon) ** 0.5
    if bool(means.max() <= OFF * max(1.0, float(epsilon.std(dim=0).max()))):
        return
    if bool(((epsilon >= 0) & (epsilon <= 1)).all()):
        raise WrongAnswer("uniform noise", "your noise lies between 0 and 1: torch.rand is uniform, use torch.randn")
    raise WrongAnswer(
        "shifted",
        f"the mean of {len(offset)} draws is off by up to {float(offset.mean(dim=0).abs().max()):.2f}: the noise must "
        "have mean 0 and be added to the mean once",
    )


def expect_width(offset: Tensor, sigma: Tensor, widths: dict[str, tuple[Tensor, str]]) -> None:
    rows, latents = offset.shape
    spread, room = offset.std(dim=0), OFF / (2 * rows) ** 0.5
    together = float((offset / sigma).square().mean().sqrt())
    if bool(((spread / sigma).log().abs() < room).all()) and abs(together - 1) < room / latents**0.5:
        return
    if bool((offset.abs() <= sigma).all()) and abs(together - 3**-0.5) < 0.02:
        raise WrongAnswer("uniform noise", "your noise is uniform between -1 and 1: use torch.randn, a normal one")
    widest = int(sigma.argmax())
    told = f"where sigma is {float(sigma[widest]):.2f}, your draws have a spread of {float(spread[widest]):.2f}"
    for name, (result, words) in widths.items():
        if bool(((spread / result).log().abs() < room).all()):
            raise WrongAnswer(name, f"{told}: {words}")
    raise WrongAnswer("wrong spread", f"{told}: a draw is the mean plus sigma times standard normal noise")


def expect_independence(epsilon: Tensor) -> None:
    """No draw may come back elsewhere, as it is or with the other sign."""
    rows, latents = epsilon.shape
    values = epsilon.flatten().mul(1e8).round()
    if 100 < len(values.unique()) < 0.9 * len(values):
        raise WrongAnswer("noise repeated", "some random numbers are used several times: draw N · D anew in each call")
    for lag in (1, 2, rows // 4, rows // 2):
        product = (epsilon[lag:] * epsilon[:-lag]).mean().abs()
        if product > OFF / ((rows - lag) * latents) ** 0.5:
            raise WrongAnswer(
                "images depend on each other",
                "the noise of different images, or of two calls, is correlated: draw N · D numbers anew in each call",
            )
    correlation = epsilon.T.corrcoef()
    if bool((correlation - torch.eye(latents, dtype=correlation.dtype)).abs().max() > OFF / rows**0.5):
        raise WrongAnswer("latents depend on each other", "the noise of two latents is correlated: draw N · D numbers")


def expect_bell(epsilon: Tensor) -> None:
    """The distribution function of all draws against that of the standard normal (Kolmogorov's distance)."""
    ordered = epsilon.flatten().sort().values
    steps = torch.arange(1, len(ordered) + 1, dtype=torch.float64) / len(ordered)
    if float((torch.special.ndtr(ordered) - steps).abs().max()) <= 2.5 / len(ordered) ** 0.5:
        return
    uniform = float(ordered.abs().max()) < 2 and len(ordered.unique()) > 100
    raise WrongAnswer(
        "uniform noise" if uniform else "not normal",
        f"right mean and spread, but your noise is {'uniform' if uniform else 'of another kind'}, not normal: use "
        "torch.randn",
    )
