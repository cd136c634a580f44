"""Faces, beards, eyes, noses, glasses and clothes of a portrait, as closed Bezier curves. A style is an allograph."""

from __future__ import annotations

import torch
from torch import Tensor

from course_lib.data.new_worlds import KAPPA
from course_lib.data.portrait_outlines import NOTHING, C, closed, mirrored, ring

# fmt: off
# ------------------------------------------------------------------------------------------------------------- faces


def face(cheek: float, jaw: tuple[float, float], chin: tuple[float, float], bottom: float, brow: float = 0.95):
    top = [(0, -1), (0.60, -0.84), (brow, -0.34), (cheek, 0.14)]
    return mirrored([*top, (jaw[0], jaw[1]), (chin[0], chin[1]), (0, bottom)])


FACES = {
    "oval": face(0.97, (0.80, 0.60), (0.42, 0.93), 1.02),
    "round": face(1.06, (0.94, 0.58), (0.52, 0.90), 0.97, brow=0.98),
    "square": face(0.98, (0.93, 0.62), (0.60, 0.95), 1.00),
    "heart": face(0.98, (0.70, 0.60), (0.28, 0.94), 1.05, brow=1.0),
    "long": face(0.90, (0.78, 0.66), (0.42, 1.04), 1.13, brow=0.90),
}

# ----------------------------------------------------------------------------------------------------- the face's parts

BEARD = {  # the region of the (slightly enlarged) face that the beard grows in
    "no": NOTHING,
    "stubble": mirrored(
        [(0, 0.38), (0.34, 0.40), (0.66, 0.40), (0.92, 0.10, C), (1.3, 0.0, C), (1.3, 1.5, C), (0, 1.5)]
    ),
    "moustache": mirrored([(0, 0.40), (0.20, 0.37), (0.44, 0.48), (0.52, 0.62, C), (0.30, 0.56), (0, 0.51)]),
    "goatee": mirrored([(0, 0.40), (0.26, 0.40), (0.40, 0.54), (0.36, 0.80), (0.22, 1.02), (0, 1.12)]),
    "full": mirrored(
        [(0, 0.40), (0.34, 0.40), (0.64, 0.44), (0.86, -0.02, C), (1.4, -0.1, C), (1.4, 1.6, C), (0, 1.6)]
    ),
}


def lashes(opening: Tensor) -> Tensor:
    """The lid's edge: from the outer corner over the top of the eye, a little higher, and back along the eye."""
    upper = torch.cat([opening[6:], opening[:1]])
    back = upper[1:-1].flip(0)
    raised = upper - torch.tensor([0.0, 0.075]) * torch.tensor([0, 1, 1, 1, 1, 1, 0])[:, None]
    return torch.cat([raised, back])


FRECKLES = [(x * s, y) for s in (1, -1) for x, y in ((0.38, 0.36), (0.54, 0.44), (0.68, 0.34), (0.24, 0.26))]

# ------------------------------------------------------------------------------------------------------------- eyes


def eye(rx: float, top: float, bottom: float, soft: float, slant: float = 0.0) -> Tensor:
    """The right eye's opening, four cubics [12, 2], in half widths of the face. soft: 1 is round, 0 has corners."""
    k, s = KAPPA, soft * KAPPA
    return torch.tensor([
        (rx, -slant), (rx, -slant + s * bottom), (k * rx, bottom), (0, bottom), (-k * rx, bottom),
        (-rx, slant + s * bottom), (-rx, slant), (-rx, slant - s * top), (-k * rx, -top), (0, -top), (k * rx, -top),
        (rx, -slant - s * top),
    ])


EYES = {
    "round": eye(0.215, 0.20, 0.18, 1.0),
    "almond": eye(0.26, 0.17, 0.13, 0.35, 0.04),
    "narrow": eye(0.25, 0.105, 0.10, 0.5, 0.02),
    "wide": eye(0.25, 0.22, 0.20, 1.0),
    "droopy": eye(0.24, 0.12, 0.17, 0.7, -0.05),
}

# ----------------------------------------------------------------------------------------------------- neck and clothes
# Below the head, in units of the image: x from the middle, y as it is.


def bust(half: list[tuple]) -> Tensor:
    """A symmetric outline whose middle is the image's."""
    return mirrored(half) + torch.tensor([0.5, 0.0])


BODY = bust([(0, 0.74), (0.10, 0.835), (0.22, 0.88), (0.345, 0.93), (0.40, 1.03), (0.41, 1.2, C), (0, 1.2)])


def neckline(depth: float, width: float, point: bool = False) -> Tensor:
    """The skin that is seen between chin and clothes."""
    low = [(0, depth, C)] if point else [(0.6 * width, depth - 0.012), (0, depth)]
    return bust([(0, 0.64), (0.094, 0.64, C), (0.096, 0.80), (width, 0.86, C), *low])


def rect(x0: float, y0: float, x1: float, y1: float) -> Tensor:
    return closed([(x0, y0, C), (x1, y0, C), (x1, y1, C), (x0, y1, C)])


COLLAR = bust([(0, 0.94, C), (0.05, 0.835), (0.096, 0.80, C), (0.145, 0.84, C), (0.11, 0.955, C), (0, 0.945)])
ROLL = bust([(0, 0.80), (0.09, 0.79), (0.125, 0.81), (0.13, 0.90), (0.09, 0.925), (0, 0.93)])
HOOD = bust([(0, 0.76), (0.13, 0.775), (0.225, 0.84), (0.21, 0.94), (0.10, 0.985), (0, 0.99)])
STRAPS = closed([(0.29, 0.855, C), (0.36, 0.835, C), (0.37, 0.965, C), (0.63, 0.965, C), (0.64, 0.835, C),
            (0.71, 0.855, C), (0.71, 1.1, C), (0.29, 1.1, C)])
# (seen under the neck, skin, seen over the neck)
CLOTHES = {
    "t-shirt": (neckline(0.922, 0.148), neckline(0.902, 0.126), NOTHING),
    "v-neck": (neckline(1.01, 0.160, True), neckline(0.972, 0.134, True), NOTHING),
    "shirt": (NOTHING, neckline(0.955, 0.118, True), COLLAR),
    "roll-neck": (NOTHING, neckline(0.84, 0.098), ROLL),
    "hoodie": (HOOD, neckline(0.905, 0.113), NOTHING),
    "dungarees": (neckline(0.920, 0.146), neckline(0.902, 0.126), STRAPS),
}

# ----------------------------------------------------------------------------------------------------------- glasses


def lens(rx: float, ry: float, power: float, wing: float = 0.0) -> Tensor:
    """The rim of the right lens, in half widths of the face; wing lifts its outer corner."""
    k = KAPPA * power
    unit = [(1, 0), (1, k), (k, 1), (0, 1), (-k, 1), (-1, k), (-1, 0), (-1, -k), (-k, -1), (0, -1), (k, -1), (1, -k)]
    return torch.tensor([(rx * x, ry * y - wing * max(x, 0) * (y <= 0)) for x, y in unit])


GLASSES = {
    "no": lens(0.0, 0.0, 1.0),
    "round": lens(0.37, 0.36, 1.0),
    "square": lens(0.40, 0.31, 1.55),
    "cat-eye": lens(0.38, 0.27, 1.1, 0.12),
    "sun": lens(0.42, 0.33, 1.35),
}
NOSES = {
    "button": closed(ring(8, (0.15, 0.085), (0, 0.40))),
    "straight": closed([(0.03, -0.10), (0.10, 0.10), (0.20, 0.36), (0.14, 0.45), (-0.14, 0.45), (-0.17, 0.40),
                        (0.02, 0.38), (0.07, 0.20)]),
    "broad": closed([(-0.27, 0.37), (-0.20, 0.33), (0, 0.40), (0.20, 0.33), (0.27, 0.37), (0.22, 0.45), (0, 0.475),
                     (-0.22, 0.45)]),
    "pointed": closed([(0.0, -0.02), (0.06, 0.16), (0.24, 0.42, C), (0.0, 0.455), (0.03, 0.40), (0.02, 0.16)]),
}
