"""Chapter 16's widget: two faces, three switches, and a direction for every factor."""

from __future__ import annotations

from collections.abc import Mapping

import ipywidgets
import torch
from PIL import Image
from torch import Tensor

from course_lib.errors import CourseError
from course_lib.gan.stylegan import StyleGAN, groups_of, mix_styles, truncate
from course_lib.show import paint
from course_lib.show.panel import Panel, Touch, choice, slider, steps

BIG, SMALL = 224, 56  # pixels on the screen
STOPS = 9  # images in a strip
PUSH = 4.5  # how far a direction is followed, in standard deviations
FACES = 100  # seeds to choose from
NOTHING = "none"
GROUPS = ("coarse", "middle", "fine")


def style_mixer(model: StyleGAN, directions: Mapping[str, Tensor] | None = None) -> Panel:
    """Panel: the styles of two faces in three groups of layers, truncation, and a push along a direction of W.

    directions  name -> a vector [style] of W, of the length that one step of the slider is worth

    "coarse", "middle" and "fine" say from which face those layers get their style. Truncation then draws all of them
    towards the centre of W, and the push is added last. Both strips show the whole way; press or drag along them.
    Raises CourseError for another kind of model, or for directions that do not lie in its W.
    """
    if not isinstance(model, StyleGAN):
        raise CourseError(f"model: got {type(model).__name__}, expected a StyleGAN, which has styles to mix")
    directions = dict(directions or {})
    for name, direction in directions.items():
        if direction.shape != (model.config["style"],):
            raise CourseError(
                f"directions: got {list(direction.shape)} for {name!r}, expected [{model.config['style']}], as W has"
            )
    groups, centre = groups_of(model.config["size"]), model.centre()
    controls = {
        "a": steps("face A", 1, 0, FACES - 1),
        "b": steps("face B", 2, 0, FACES - 1),
        **{group: switch(group, "B" if group == "fine" else "A") for group in GROUPS},
        "psi": slider("truncation", 0.7, 0.0, 1.2, 0.05),
        "direction": choice("direction", [NOTHING, *directions], next(iter(directions), NOTHING)),
        "push": slider("push", 0.0, -PUSH, PUSH, 0.1),
    }

    def draw(a: int, b: int, psi: float, direction: str, push: float, **sources: str) -> tuple[Image.Image, str]:
        first, second = (model.styles(code(model, seed)).detach() for seed in (a, b))
        layers = torch.zeros(model.layers, dtype=torch.bool)
        for group in GROUPS:
            layers[groups[group]] = sources[group] == "B"
        mixed = mix_styles(first, second, layers.to(first.device))
        way = directions.get(direction, torch.zeros_like(centre)).to(centre)
        psis, pushes = torch.linspace(0, 1.2, STOPS), torch.linspace(-PUSH, PUSH, STOPS)
        wanted = [(styles, psi, 0.0) for styles in (first, second)] + [(mixed, psi, push)]
        wanted += [(mixed, float(one), push) for one in psis]
        if direction != NOTHING:
            wanted += [(mixed, psi, float(one)) for one in pushes]
        images = model.paint(torch.cat([truncate(one, centre, p) + q * way for one, p, q in wanted])).cpu()
        names = {group: sources[group] for group in GROUPS}
        faces = [
            paint.above(paint.text_line(title, 13), paint.enlarged(image, side), gap=2)
            for title, image, side in (
                (f"A, truncated by {psi:g}", images[0], BIG // 2),
                (f"B, truncated by {psi:g}", images[1], BIG // 2),
            )
        ]
        told = ", ".join(f"{group} {source}" for group, source in names.items())
        large = paint.above(paint.text_line(told, 13), paint.enlarged(images[2], BIG), gap=2)
        rows = [("truncation: 0 is the mean face, 1 leaves w as it is", images[3 : 3 + STOPS], psi / 1.2)]
        if direction != NOTHING:
            rows.append((f"push along {direction}", images[3 + STOPS :], (push + PUSH) / (2 * PUSH)))
        return assembled(board, faces, large, rows), in_words(a, b, names, psi, direction, push)

    board = Touch()
    left = ipywidgets.VBox([controls["a"], controls["b"], controls["psi"]])
    middle = ipywidgets.VBox([controls[group] for group in GROUPS])
    right = ipywidgets.VBox([controls["direction"], controls["push"]])
    panel = Panel(controls, draw, [ipywidgets.HBox([left, middle, right])], board)

    def follow(row: int, x: float, _: float) -> None:
        panel.set(**({"push": (2 * x - 1) * PUSH} if row else {"psi": 1.2 * x}))

    board.when_touched(follow)
    return panel


def switch(name: str, value: str) -> ipywidgets.ToggleButtons:
    """Two buttons, of which one is pressed."""
    return ipywidgets.ToggleButtons(
        options=["A", "B"], value=value, description=name, style={"description_width": "60px", "button_width": "44px"}
    )


def code(model: StyleGAN, seed: int) -> Tensor:
    """The noise [1, latent] of a seed."""
    return model.noise(1, torch.Generator().manual_seed(seed))


def assembled(
    board: Touch, faces: list[Image.Image], large: Image.Image, rows: list[tuple[str, Tensor, float]]
) -> Image.Image:
    """The two faces, the mixed one, and a strip for each row of (title, images, share of the way)."""
    left = paint.beside(paint.above(*faces, gap=4), large, gap=12)
    parts, places, top = [], [], 0
    for title, images, share in rows:
        line, strip = paint.text_line(title, 13), paint.filmstrip(images, share, SMALL)
        places.append((left.width + 18 + SMALL / 2, top + line.height, strip.width - SMALL, strip.height))
        parts += [line, strip]
        top += line.height + strip.height
    picture = paint.beside(left, paint.above(*parts, gap=0))
    board.lay(picture, places, [(share, 0.5) for _, _, share in rows])
    return picture


def in_words(a: int, b: int, sources: Mapping[str, str], psi: float, direction: str, push: float) -> str:
    told = ", ".join(f"{group} styles from {source}" for group, source in sources.items())
    words = f"Faces A and B, of seeds {a} and {b}, and their mix: {told}. Truncation {psi:.2f}."
    return words if direction == NOTHING else f"{words} Pushed {push:+.1f} deviations along {direction}."
