"""Which words of a caption are true of a picture: read by judges that the generator never met."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from course_lib import models
from course_lib.data.captions import colour_names
from course_lib.data.imageset import ImageSet
from course_lib.data.ink import ink_colour, small_ink
from course_lib.data.wording import PORTRAITS, STROKES, Wording, facts, wording_of
from course_lib.errors import CourseError
from course_lib.metrics.judge import features, fitted
from course_lib.metrics.quality import frechet_distance

COUNT = 2000  # captions of each kind that are tried


def read_words(world: str, images: Tensor) -> Tensor:
    """The choices that pictures [N, 3, H, W] in [-1, 1] come to, int64 [N, kinds], read from the pixels.

    strokes    the digit by chapter 4's classifier from the grey ink, the colour as the nearest of the palette to the
               ink, thickness and slant by `hand_reader`
    portraits  chapter 12's reader, at 32 pixels
    """
    if wording_of(world) is STROKES:
        hand = models.pretrained("hand_reader").read(images)
        digit = models.pretrained("classifier").read(small_ink(images)).argmax(dim=1)
        read = {"thickness": hand["thickness"], "colour": colour_names(ink_colour(images)), "digit": digit}
        return torch.stack([(read | {"slant": hand["slant"]})[kind] for kind in STROKES.kinds], dim=1)
    reader = models.pretrained("portrait_reader")
    return PORTRAITS.look(reader.factors(halved(images, reader.config["size"])))


def halved(images: Tensor, size: int) -> Tensor:
    """Pictures at the reader's size: means of squares where that goes, and resized otherwise."""
    times = images.shape[-1] // size
    return F.avg_pool2d(images, times) if times * size == images.shape[-1] else fitted(images, size)


def cloud(world: str, images: Tensor) -> Tensor:
    """The judge's features [N, F]: of the grey ink for strokes, whose colours are read apart, else of the portrait."""
    if wording_of(world) is STROKES:
        return features(models.pretrained("classifier"), small_ink(images))
    reader = models.pretrained("portrait_reader")
    return features(reader, halved(images, reader.config["size"]))


def shares(wording: Wording, asked: Tensor, read: Tensor) -> dict[str, float]:
    """kind -> share of pictures whose word came true, and "all": whose every word did."""
    true = (asked.cpu() == read.cpu()).double()
    found = dict(zip(wording.kinds, true.mean(dim=0).tolist(), strict=True))
    return found | {"all": float(true.prod(dim=1).mean())}


def asked_for(wording: Wording, images: ImageSet, unseen: bool, count: int) -> Tensor:
    """Where in the set `count` pictures stand that the words describe: int64 [count], of held-out combinations or not.

    Where there are fewer, they are taken again from the start. Raises CourseError where there are none.
    """
    known = facts(images)
    choices = wording.look(known)
    places = (~wording.skip(known) & (wording.unseen(choices) == unseen)).nonzero()[:, 0]
    if not len(places):
        kind = "held-out" if unseen else "usual"
        raise CourseError(f"images: got no picture with a {kind} caption among {len(images)}, expected at least one")
    return places.repeat(-(-count // len(places)))[:count]


def figures(model: Any, images: ImageSet, count: int = COUNT, seed: int = 0) -> dict[str, Any]:
    """Shares of words that come true, for captions seen and for combinations held out, each beside the judge's floor.

    The captions are those of test drawings. `floor` is what the judge reads in these drawings themselves: what a
    perfect painter would get. The Fréchet distance is between pictures to seen captions and their drawings; its floor
    between two halves of the drawings.
    """
    wording, found = model.wording, {}
    for name, unseen in (("seen", False), ("unseen", True)):
        rows = asked_for(wording, images, unseen, count)
        asked = wording.look(facts(images))[rows]
        chance = torch.Generator().manual_seed(seed)
        drawn = model.draw(model.noise(count, chance), wording.encode(asked)).cpu()
        found[name] = shares(wording, asked, read_words(wording.world, drawn))
        once = rows[: len(rows.unique())]
        found[f"floor_{name}"] = shares(wording, asked[: len(once)], read_words(wording.world, images.images[once]))
        if not unseen:
            real, fake = cloud(wording.world, images.images[once]), cloud(wording.world, drawn)
            found["frechet_distance"] = frechet_distance(real, fake)
            half = len(real) // 2
            found["floor"] = frechet_distance(real[:half], real[half:]) if half > 1 else float("nan")
    return found
