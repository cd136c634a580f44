"""The course's own data set: digits drawn with a random hand, at any size, grey or in colour."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from course_lib.data import hand
from course_lib.data.arguments import check_device
from course_lib.data.atlas import PIECES, polyline
from course_lib.data.captions import PALETTE, Captions
from course_lib.data.drawing_images import render
from course_lib.data.glyphs import NAMES, skeleton
from course_lib.data.imageset import ImageSet, from_bytes, to_bytes
from course_lib.data.strokes_input import check_labels, check_override, check_settings, check_strokes

__all__ = ["Captions", "draw", "draw_strokes", "from_bytes", "skeleton", "to_bytes"]

CHUNK = 500 * 28 * 28  # pixels drawn at once: few enough to stay in the processor's cache


def draw(
    labels: int | Sequence[int] | Tensor,
    size: int = 28,
    seed: int = 0,
    colour: bool = False,
    device: str | torch.device = "cpu",
    *,
    split: str = "train",
    **overrides: float | Sequence[float] | Tensor,
) -> ImageSet:
    """Draw digits.

    labels   how many images (every block of 500 holds 50 of each digit), or the digits themselves, [N]
    size     pixels along a side, 8 to 128; the same seed draws the same digits at every size
    seed     image i depends on (seed, split, i) and its label, not on the count; every device draws the same
    colour   False: 1 channel, white ink on black. True: 3 channels
    split    "train" or "test": two separate streams of random numbers
    overrides  fix a factor for all images (a number) or for each image (N numbers):
        allograph  which way of writing the digit, 0, 1, ...
        slant      tangent of the shear; positive leans right     rotation   degrees; positive turns clockwise
        width      stretch in x before framing                    taper      positive: the foot is wider than the head
        balance    positive: the middle sits higher               thickness  width of the stroke in 28ths of the frame
        contrast   brightness of full ink, 0 to 1                 blur       width of the soft edge in pixels
        ink, background   with colour=True: RGB in [0, 1], [3] or [N, 3], or a colour word of the captions
    Returns an ImageSet. Its images are multiples of 1/127.5, so that 8 bits hold them exactly (`to_bytes`); its factors
    are named as above, float32 [N] (allograph int64, ink and background [N, 3]); its captions read like "a thick red
    seven leaning left".
    Raises CourseError for a bad count, label, size, seed, split, device or override.
    """
    given, count = check_labels(labels)
    check_settings(size, seed, split)
    device = check_device(device)
    chance = hand.random_numbers(count, seed, split)
    digits = chance["label"] if given is None else given
    factors = {"allograph": hand.choose(digits, chance["choice"]), **hand.habits(chance["habits"])}
    if colour:
        factors |= random_colours(chance["colour"])
    for name, value in overrides.items():
        factors[name] = check_override(name, value, factors, digits)

    images = torch.empty(count, 3 if colour else 1, size, size, device=device)
    step = max(1, CHUNK // size**2)
    for start in range(0, count, step):
        here = slice(start, start + step)
        some, luck = ({name: rows[here].to(device) for name, rows in table.items()} for table in (factors, chance))
        points, pen = hand.write(digits[here].to(device), some, luck)
        ink = render(points, pen, some["thickness"] / 56, size, some["blur"]) * some["contrast"][:, None, None]
        images[here] = from_bytes(paint(ink[:, None], some))
    return ImageSet(
        images=images,
        labels=digits.to(device),
        factors={name: values.to(device) for name, values in factors.items()},
        captions=Captions(digits, factors),
        class_names=NAMES,
        name="strokes",
    )


def draw_strokes(
    control_points: Sequence[Tensor], size: int = 28, *, thickness: float = 2.8, blur: float = 1.0
) -> Tensor:
    """Draw one picture from control points, as they are: ink in [0, 1], float32 [size, size], on the CPU.

    control_points  per stroke [3n + 1, 2]: n cubic Beziers end to end, (x, y) in the frame [0, 1], y pointing down, as
                    `skeleton(digit, allograph)` returns them
    thickness       width of the stroke in 28ths of the frame; blur is the width of its soft edge in pixels
    Raises CourseError for a bad size or stroke.
    """
    check_settings(size)
    strokes = check_strokes(control_points)
    basis, pen = polyline(tuple(strokes), sum(map(len, strokes)), pieces=2 * PIECES + 2 * len(strokes))
    return render((basis @ torch.cat(strokes))[None], pen[None], torch.tensor([thickness / 56]), size, blur)[0]


def random_colours(uniform: Tensor) -> dict[str, Tensor]:
    """Ink near a colour of the palette and a dark background, RGB in [0, 1], from uniform numbers [N, 7]."""
    palette = torch.tensor(list(PALETTE.values()))
    ink = palette[(uniform[:, 0] * len(palette)).long().clamp(max=len(palette) - 1)]
    return {"ink": (ink + 0.16 * (uniform[:, 1:4] - 0.5)).clamp(0, 1), "background": 0.3 * uniform[:, 4:]}


def paint(ink: Tensor, factors: dict[str, Tensor]) -> Tensor:
    """From ink [N, 1, H, W] in [0, 1] to uint8 [N, C, H, W]: grey, or a mixture of ink and background colours."""
    if "ink" in factors:
        front, back = (factors[name][..., None, None] for name in ("ink", "background"))
        ink = back + ink * (front - back)
    return (ink * 255).round().to(torch.uint8)
