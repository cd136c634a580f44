"""Chapter 14's figures. Real is blue and generated is orange, here as everywhere."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from matplotlib import pyplot as plt
from matplotlib.patches import Ellipse, Rectangle
from torch import Tensor
from torch.nn import functional as F

from course_lib.data.wording import Wording
from course_lib.show.cyclegan_figures import rows
from course_lib.show.figures import figure
from course_lib.show.progressive_gan_figures import arrow, box

REAL, FAKE = "C0", "C1"
MARKS = {"seen": "o", "never seen": "s"}


def captioned(pictures: Mapping[str, Tensor], alt: str, who: str = "generated", width: int = 24) -> None:
    """A row of images for each caption, which stands beside it, after "generated" or "real" in that colour."""
    rows({"\n".join(textwrap.wrap(f"{who}: {caption}", width)): images for caption, images in pictures.items()}, alt)


def stages() -> None:
    """Who gives what to whom, in both stages."""
    fig, axis = plt.subplots(figsize=(8.6, 2.9))
    for words, x, y, colour in (
        ("caption", 0.5, 1.1, "black"),
        ("code I", 1.9, 1.8, "black"),
        ("code II", 1.9, 0.4, "black"),
        ("noise", 3.3, 2.7, "black"),
        ("stage I", 3.3, 1.8, FAKE),
        ("sketch\n16 × 16", 4.8, 1.8, FAKE),
        ("stage II", 4.8, 0.4, FAKE),
        ("picture\n64 × 64", 6.4, 0.4, FAKE),
    ):
        box(axis, x, y, words, colour)
    for start, end in (
        ((0.8, 1.35), (1.5, 1.7)),
        ((0.8, 0.85), (1.5, 0.5)),
        ((2.25, 1.8), (2.9, 1.8)),
        ((3.3, 2.5), (3.3, 2.0)),
        ((3.7, 1.8), (4.3, 1.8)),
        ((4.8, 1.45), (4.8, 0.65)),
        ((2.3, 0.4), (4.4, 0.4)),
        ((5.2, 0.4), (5.9, 0.4)),
    ):
        arrow(axis, start, end)
    axis.text(4.95, 1.05, "fixed: no gradient goes back", fontsize=9, va="center")
    axis.set(xlim=(0, 7.1), ylim=(0, 3))
    axis.axis("off")
    figure(
        fig,
        "The caption is read twice: the first code and noise give a sketch of 16 pixels, the second code and the "
        "sketch a picture of 64.",
    )


def held_out(wording: Wording, choices: Tensor) -> None:
    """How many training pictures there are of each pair of the two kinds; the pairs held out are framed."""
    one, other = wording.held_kinds
    kinds = list(wording.kinds)
    table = torch.zeros(len(wording.kinds[one]), len(wording.kinds[other]), dtype=torch.int64)
    for a, b in choices[:, [kinds.index(one), kinds.index(other)]].tolist():
        table[a, b] += 1
    fig, axis = plt.subplots(figsize=(0.62 * table.shape[1] + 1.6, 0.36 * table.shape[0] + 0.8))
    axis.imshow(table.numpy(), cmap="Blues", vmin=0, vmax=1.4 * max(1, int(table.max())), aspect="auto")
    for a, first in enumerate(wording.kinds[one]):
        for b, second in enumerate(wording.kinds[other]):
            axis.text(b, a, int(table[a, b]), ha="center", va="center", fontsize=9, color="black")
            if (first, second) in wording.held_pairs:
                axis.add_patch(Rectangle((b - 0.47, a - 0.46), 0.94, 0.92, fill=False, ec=FAKE, lw=2.5))
    axis.set_xticks(range(table.shape[1]), [word or "(nothing)" for word in wording.kinds[other]], fontsize=9)
    axis.set_yticks(range(table.shape[0]), [word or "(nothing)" for word in wording.kinds[one]], fontsize=9)
    axis.spines[:].set_visible(False)
    axis.tick_params(length=0)
    figure(fig, f"Training pictures of every pair of {one} and {other}; the framed pairs are held out and have none.")


def clouds(means: Tensor, deviations: Tensor, captions: Sequence[str]) -> None:
    """The codes of some captions as clouds, on the two directions in which their means differ most."""
    centred = means - means.mean(dim=0)
    _, _, ways = torch.linalg.svd(centred, full_matrices=False)
    places = centred @ ways[:2].T
    spread = (deviations.square() @ ways[:2].T.square()).sqrt()
    fig, axis = plt.subplots(figsize=(7.4, 4))
    for i, caption in enumerate(captions):
        x, y = places[i].tolist()
        wide, high = (4 * spread[i]).tolist()
        axis.add_patch(Ellipse((x, y), wide, high, color=f"C{i % 10}", alpha=0.25, lw=0))
        axis.plot(x, y, "o", color=f"C{i % 10}", ms=4)
        axis.annotate(
            caption, (x, y), xytext=(4, 6 if i % 2 else -12), textcoords="offset points", fontsize=8, color=f"C{i % 10}"
        )
    reach = float((places.abs() + 2.2 * spread).max())
    axis.set(xlim=(-reach, 1.35 * reach), ylim=(-reach, reach), xlabel="first direction", ylabel="second direction")
    figure(fig, "Each caption's code as a dot in a cloud; captions that share words lie near each other.")


def words_true(
    results: Mapping[str, Mapping[str, float]], floors: Mapping[str, float], bars: Mapping[str, float]
) -> None:
    """For each kind of word the share that came true, a mark for each result; what the judge reads in real drawings.

    bars  kind -> the share that is asked for
    """
    kinds = list(floors)
    fig, axis = plt.subplots(figsize=(7.6, 0.5 * len(kinds) + 1))
    for place, kind in enumerate(kinds):
        axis.plot([floors[kind]] * 2, [place - 0.3, place + 0.3], color=REAL, lw=3, label="real" if not place else None)
        if kind in bars:
            axis.plot(
                [bars[kind]] * 2, [place - 0.3, place + 0.3], ":", color="0.4", lw=2, label=None if place else "bar"
            )
        for turn, (name, found) in enumerate(results.items()):
            axis.plot(
                found[kind],
                place + 0.14 * (turn - (len(results) - 1) / 2),
                MARKS.get(name, "^"),
                color=FAKE,
                mfc=FAKE if not turn else "none",
                label=f"generated, {name}" if not place else None,
            )
    low = min([*floors.values(), *(found[kind] for found in results.values() for kind in kinds)])
    axis.set_yticks(range(len(kinds)), kinds)
    axis.set(
        xlabel="share of pictures whose word is read", xlim=(min(0.7, low - 0.03), 1.005), ylim=(len(kinds) - 0.4, -0.6)
    )
    axis.legend(frameon=False, fontsize=9, loc="center left", bbox_to_anchor=(1, 0.5))
    figure(fig, f"For {', '.join(kinds)}: the share of words that came true, beside what is read in real drawings.")


def finer(sketches: Tensor, pictures: Tensor, real: Tensor, alt: str) -> None:
    """Sketches over the pictures made of them, over real drawings of the same captions."""
    rows({"generated:\nsketch": sketches, "generated:\npicture": pictures, "real, of the\nsame caption": real}, alt)


def enlarged(images: Tensor, size: int) -> Tensor:
    """Images as squares of whole pixels, so that rows of several sizes fit one sheet."""
    return F.interpolate(images, size=(size, size), mode="nearest")


WITHOUT_KINDS = ("colour", "digit", "slant", "all")
WITHOUT_HEADER = ["", "captions", *WITHOUT_KINDS, "Fréchet distance", "processor s"]


def without_rows(record: Mapping[str, Any]) -> list[list[str]]:
    """For each sketcher captions seen and never seen, then the floors: mean over the seeds, and the range."""

    def spread(values: Sequence[float], form: str = ".3f") -> str:
        mean = f"{sum(values) / len(values):{form}}"
        return mean if len(values) == 1 else f"{mean} ({min(values):{form}} to {max(values):{form}})"

    table = []
    for row in record["rows"].values():
        for name, title in (("seen", "seen"), ("unseen", "never seen")):
            shares = [spread([one[kind] for one in row[name]]) for kind in WITHOUT_KINDS]
            rest = (
                [spread(row["frechet_distance"], ".1f"), spread(row["seconds"], ".0f")] if name == "seen" else ["", ""]
            )
            table.append([row["title"] if name == "seen" else "", title, *shares, *rest])
    for name, title in (("seen", "seen"), ("unseen", "never seen")):
        floor = record["floors"]
        distance = f"{floor['frechet_distance']:.1f}" if name == "seen" else ""
        table.append(
            [
                "real drawings" if name == "seen" else "",
                title,
                *(f"{floor[name][k]:.3f}" for k in WITHOUT_KINDS),
                distance,
                "",
            ]
        )
    return table
