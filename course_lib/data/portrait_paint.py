"""How a portrait is painted: from factors to a canvas, one part after the other, back to front."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from course_lib.data import portrait_shapes as shapes
from course_lib.data.new_worlds import Canvas
from course_lib.data.portrait_colours import CREAM, GOLD, HONEY, INK, WHITE, mix
from course_lib.data.portrait_hair import HAIR
from course_lib.data.portrait_painter import BUST, EVERYWHERE, FEATURES, HALF, HEAD, JAW, Painter, wide


def paint(factors: dict[str, Tensor], size: int, painter: Callable[..., Painter] = Painter) -> Canvas:
    """Paint N portraits, float32 on the factors' device."""
    p = painter(factors, size)
    background(p)
    brim = p.vector(-9, -0.50, -0.50, -0.50, -9, 9)[factors["hat"]]  # no hair is seen above this height
    tail = (brim < 0) & (factors["hair"] == list(HAIR).index("ponytail"))
    beside = torch.where(wide(tail), p.u.abs() - 1.15, -9)  # but a ponytail comes out beside a hat
    p.below_hat = (0.5 + torch.maximum(p.v - wide(brim), beside) * (HALF[1] * size)).clamp(0, 1)
    p.paint(p.fill(p.on_head(p.pick("hair behind", "hair", turned=True))) * p.below_hat, p.hair_dark, "hair")
    clothes(p)
    head(p)
    for part in (nose, beard, mouth, eyes, brows, earrings, hair, glasses, hat):
        part(p)
    return p.canvas


def background(p: Painter) -> None:
    light = mix(p.shapes["background colours"][p.f["background_colour"]], CREAM, 0.62)
    p.paint(p.fields["background"][p.f["background"]] * 0.5, light)


def clothes(p: Painter) -> None:
    p.within(BUST)
    cloth = p.shapes["clothes colours"][p.f["clothes_colour"]]
    dark, light = cloth * 0.80, mix(cloth, CREAM, 0.42)
    roll = (p.f["clothes"] == list(shapes.CLOTHES).index("roll-neck"))[:, None]
    marks = p.fields["clothes"][p.f["pattern"]][:, p.rows, p.columns]
    body = p.fill(p.pick("body"))
    p.paint(body, cloth, "clothes")
    p.paint(body * marks * 0.8, light)
    p.paint(p.fill(p.pick("under", "clothes")), dark, "clothes")
    neck = p.fill(p.pick("neckline", "clothes"))
    p.paint(neck, mix(p.skin, p.shade, 0.35), "skin")
    chin = p.on_head(p.pick("face", "face")) + p.vector(0, 0.04)
    p.paint(neck * p.fill(chin, blur=0.06) * 0.8, p.shade)
    over = p.fill(p.pick("over", "clothes"))
    p.paint(over, torch.where(roll, mix(cloth, dark, 0.35), light), "clothes")


def head(p: Painter) -> None:
    """Ears, face, light and shade, cheeks, freckles, and the shadow of the hair."""
    p.within(HEAD)
    ear = p.pick("circle") * p.vector(0.15, 0.22)
    p.paint(p.fill(p.both(ear, (1.0, 0.10))), mix(p.skin, p.shade, 0.25), "skin")
    p.paint(p.fill(p.both(ear * 0.5, (1.03, 0.12))) * 0.7, p.shade)

    face = p.fill(p.on_head(p.pick("face", "face")))
    p.paint(face, p.skin, "skin")
    radius, side = p.u.square() + p.v.square(), p.u * wide(p.f["light"])
    p.paint(face * (0.10 - 0.32 * side + 0.12 * p.v + 0.20 * (radius - 0.6)).clamp(0, 0.7), p.shade)
    p.paint(face * (0.30 + 0.30 * side - 0.35 * p.v - 0.45 * radius).clamp(0, 0.6), p.glow)
    cheeks = ((p.u.abs() - 0.60).square() / -0.07 + (p.v - 0.42).square() / -0.045).exp()
    cheeks = cheeks * wide((0.10 + 0.75 * p.f["blush"]) * (1 - 0.4 * p.f["skin"]))
    p.paint(face * cheeks, mix(p.skin, (0.93, 0.28, 0.26), 0.45))
    dots = [p.on_head(p.pick("dot") * 0.032, place) for place in shapes.FRECKLES]
    p.paint(p.fill(dots) * wide(0.75 * p.f["freckles"]), mix(p.skin, (0.45, 0.18, 0.08), 0.55))

    fringe = p.on_head(p.pick("hair", "hair", turned=True)) + p.vector(0, 0.03)
    p.paint(face * p.fill(fringe, blur=0.05) * p.below_hat[:, p.rows, p.columns] * 0.55, p.shade)


def nose(p: Painter) -> None:
    p.within(FEATURES)
    p.paint(p.fill(p.on_head(p.pick("nose", "nose"))), mix(p.shade, (0.72, 0.28, 0.20), 0.15), "nose")


def beard(p: Painter) -> None:
    p.within(JAW)
    region = p.fill(p.on_head(p.pick("beard", "beard")))
    jaw = p.fill(p.on_head(p.pick("face", "face") * p.vector(1.04, 1.10)))
    strength = p.vector(0, 0.38, 1, 1, 1)[p.f["beard"]]
    p.paint(region * jaw * wide(strength), mix(p.hair, p.hair_dark, 0.35), "beard")


def mouth(p: Painter) -> None:
    """Lips, the dark between them and teeth: bands between two curves from corner to corner."""
    p.within(FEATURES)
    smile, opened = p.f["smile"], p.f["open"]
    bend = 0.03 + 0.17 * smile
    gap = 0.02 + 0.21 * opened * (0.35 + 0.65 * smile.clamp(min=0))
    corner, half = 0.62 - bend / 2, 0.37 + 0.09 * smile
    upper, lower = corner + bend - 0.4 * gap, corner + bend + 0.6 * gap

    def band(top: Tensor, bottom: Tensor, reach: float = 1.0) -> Tensor:
        """Between two curves whose middles lie at these heights."""
        x, up, down = half * reach, *((edge - corner) / 0.75 + corner for edge in (top, bottom))
        rows = [(-x, corner), (-0.55 * x, up), (0.55 * x, up), (x, corner), (0.55 * x, down), (-0.55 * x, down)]
        return p.fill(p.on_head(p.curve(rows, 0.24)))

    natural = mix(mix(p.skin, p.shade, 0.5), (0.70, 0.25, 0.24), 0.40)
    made_up = mix(p.shapes["lip colours"][p.f["lips"]], p.skin, 0.12)
    lip = torch.where((p.f["lips"] == 0)[:, None], natural, made_up)
    p.paint(band(upper - 0.055, lower + 0.085, 1.03), lip, "mouth")
    inside = band(upper - 0.012, lower + 0.018)
    p.paint(inside, mix(lip * 0.45, (0.36, 0.09, 0.10), 0.6), "mouth")
    teeth = band(upper - 0.012, upper + 0.55 * gap - 0.02, 0.90) * inside
    p.paint(teeth * wide(((opened - 0.2) * 4).clamp(0, 1)), WHITE, "mouth")


def eyes(p: Painter) -> None:
    """Whites, irises, pupils, a spark of light, lashes."""
    at, line, circle = (0.43, 0.07), p.pick("eyes", "eyes"), p.pick("circle")
    gaze = wide(p.f["gaze"]) * p.vector(0.075, 0)
    white = p.fill(p.both(line, at))
    p.paint(white, WHITE, "eyes")
    p.paint(p.fill(p.both(circle * 0.145, at, gaze)) * white, p.shapes["eye colours"][p.f["eye_colour"]], "eyes")
    p.paint(p.fill(p.both(circle * 0.075, at, gaze)) * white, p.vector(*INK)[None] * 0.5, "eyes")
    p.paint(p.fill(p.both(circle * 0.047, at, gaze + p.vector(0.055, -0.06))) * white, WHITE, "eyes")
    p.paint(p.fill(p.both(p.pick("lashes", "eyes"), at)), INK, "eyes")


def brows(p: Painter) -> None:
    slope, half = p.f["brows"], 0.035 + 0.045 * p.f["brow_weight"]
    inner, peak, outer = 0.10 * slope, -0.06 - 0.03 * slope, 0.07 - 0.10 * slope
    rows = [
        (-0.25, inner - half), (-0.10, peak - half), (0.10, peak - half), (0.31, outer), (0.10, peak + half),
        (-0.10, peak + half), (-0.25, inner + half), (-0.28, inner + half / 2), (-0.28, inner - half / 2),
    ]  # fmt: skip
    p.paint(p.fill(p.both(p.curve(rows, 0.09), (0.43, -0.30))), p.hair_dark, "brows")


def earrings(p: Painter) -> None:
    p.within(HEAD)
    at, circle, kind = (1.06, 0.40), p.pick("circle"), p.f["earrings"]
    disc, hole = (p.fill(p.both(circle * wide(p.vector(*r)[kind]), at)) for r in ((0, 0.065, 0.145), (0, 0, 0.075)))
    p.paint((disc - hole).clamp(min=0), GOLD, "earrings")


def hair(p: Painter) -> None:
    p.within(EVERYWHERE)
    front = p.fill(p.on_head(p.pick("hair", "hair", turned=True))) * p.below_hat
    p.paint(front, p.hair, "hair")
    p.paint(front * (0.55 * (p.v + 0.25)).clamp(0, 0.7), p.hair_dark)
    sheen = ((p.u - 0.45 * wide(p.f["light"])).square() / -0.22 + (p.v + 0.93).square() / -0.035).exp()
    p.paint(front * sheen * 0.75, mix(p.hair, HONEY, 0.32))


def glasses(p: Painter) -> None:
    p.within(FEATURES)
    at, line, kind = (0.45, 0.08), p.pick("glasses", "glasses"), p.f["glasses"]
    on, dark = wide((kind > 0).float()), (kind == list(shapes.GLASSES).index("sun"))[:, None]
    frame = p.shapes["frame colours"][kind]
    rim, lens = p.fill(p.both(line * 1.12, at)), p.fill(p.both(line * 0.84, at))
    bars = p.fill([p.on_head(p.pick("bridge"), (0, 0.02)), *p.both(p.pick("arm"), (0.94, 0.02))])
    glass = torch.where(dark, mix(frame, (0.45, 0.30, 0.30), 0.25), torch.ones_like(frame))
    p.paint(lens * on * torch.where(dark, 0.90, 0.10)[..., None], glass, "glasses")
    p.paint(((rim - lens).clamp(min=0) + bars).clamp(max=1) * on, frame, "glasses")


def hat(p: Painter) -> None:
    p.within(EVERYWHERE)
    colour = p.shapes["clothes colours"][p.f["hat_colour"]]
    p.paint(p.fill(p.on_head(p.pick("crown", "hat", turned=True))), colour, "hat")
    p.paint(p.fill(p.on_head(p.pick("brim", "hat", turned=True))), mix(colour, CREAM, 0.28), "hat")
