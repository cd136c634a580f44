"""The ink of a drawing in colour, by itself: where it is and what colour it has, on whatever paper."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

SIDE = 28  # pixels along a side of the ink that is read


def away_from_paper(images: Tensor) -> Tensor:
    """How far each pixel's colour is from the paper's, the median of the frame's border: [N, 1, H, W]."""
    border = torch.cat([images[..., 0, :], images[..., -1, :], images[..., 0], images[..., -1]], dim=2)
    return (images - border.median(dim=2)[0][:, :, None, None]).square().sum(dim=1, keepdim=True).sqrt()


def ink_of(images: Tensor) -> Tensor:
    """Drawings in colour [N, 3, H, W] in [-1, 1] -> their ink, white on black, [N, 1, H, W] in [-1, 1].

    Full ink is the mean of what is farther from the paper than half of the farthest pixels. Below three tenths of the
    way a pixel is paper, above seven it is ink: how wide a stroke is must not depend on how soft its edge is, or how
    even its colour.
    """
    away = away_from_paper(images)
    flat = away.flatten(1)
    inked = (flat > flat.quantile(0.99, dim=1, keepdim=True) / 2).to(flat)
    full = ((flat * inked).sum(dim=1) / inked.sum(dim=1).clamp_min(1)).clamp_min(0.2)[:, None, None, None]
    return ((away / full - 0.3) / 0.4).clamp(0, 1) * 2 - 1


def ink_colour(images: Tensor) -> Tensor:
    """The colour of the ink, RGB in [0, 1], [N, 3]: the mean of the fiftieth of the pixels farthest from the paper."""
    away = away_from_paper(images).flatten(1)
    chosen = away.topk(max(1, away.shape[1] // 50), dim=1)[1]
    colours = ((images + 1) / 2).flatten(2)
    return colours.gather(2, chosen[:, None].expand(-1, 3, -1)).mean(dim=2)


def small_ink(images: Tensor) -> Tensor:
    """Ink at the size that chapter 4's classifier reads: [N, 1, 28, 28] in [-1, 1]."""
    ink = ink_of(images)
    if ink.shape[-1] == SIDE:
        return ink
    return F.interpolate(ink, (SIDE, SIDE), mode="bilinear", antialias=True).clamp(-1, 1)
