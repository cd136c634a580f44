"""The latent explorer of chapter 6: walk between two noises, lean into a few directions, see what the model draws."""

from __future__ import annotations

from typing import Any

import ipywidgets
import torch
from PIL import Image
from torch import Tensor

from course_lib.errors import CourseError
from course_lib.gan.dcgan import slerp
from course_lib.show import paint
from course_lib.show.panel import Panel, choice, slider, steps

NEIGHBOURS = 9  # images in the strip
DIRECTIONS = 3
PROBES = 400  # noises from which the directions are learned
BIG, SMALL = 224, 64  # pixels on the screen


def latent_explorer(model: Any, seed: int = 0) -> Panel:
    """Panel for any model with `latent`, the length of its noise, and `draw(noise [N, latent])` -> images [N, C, H, W].

    Two seeds choose two noises; `mix` walks from one to the other, along an arc or straight. Below the large image is a
    strip of the whole walk. Three more sliders push the whole walk along the directions in which the images change
    most, in standard deviations of the noise; the noise then keeps its length, which `length` scales.
    """
    if not (hasattr(model, "latent") and callable(getattr(model, "draw", None))):
        raise CourseError(f"model: got {type(model).__name__}, expected one with .latent and .draw(noise)")
    push = strongest_directions(model, seed)
    controls = {
        "start": steps("from seed", seed, 0, 99),
        "end": steps("to seed", min(seed + 1, 99), 0, 99),
        "way": choice("way", ["arc", "straight"]),
        "mix": slider("mix", 0.5, 0.0, 1.0, 0.01),
        "length": slider("length", 1.0, 0.0, 2.0, 0.05),
    } | {f"push{i + 1}": slider(f"direction {i + 1}", 0.0, -4.0, 4.0, 0.1) for i in range(len(push))}

    def draw(start: int, end: int, way: str, mix: float, length: float, **pushes: float) -> tuple[Image.Image, str]:
        shares = torch.cat([torch.tensor([mix]), torch.linspace(0, 1, NEIGHBOURS)])
        noise = walk(noise_of(model, start), noise_of(model, end), shares, way)
        lengths = noise.norm(dim=1, keepdim=True)
        if any(pushes.values()):
            noise = noise + torch.tensor(list(pushes.values())) @ push
            noise = noise * lengths / noise.norm(dim=1, keepdim=True).clamp_min(1e-9)
        noise = length * noise
        images = model.draw(noise.to(device_of(model))).cpu()
        strip = paint.filmstrip(images[1:], mix, SMALL)
        now = float(noise[0].norm())
        lines = [
            f"{way} from seed {start} to seed {end}, mix {mix:.2f}",
            f"length of this noise: {now:.2f}",
            f"length that noise usually has: {model.latent**0.5:.2f}",
        ]
        picture = paint.above(
            paint.beside(paint.enlarged(images[0], BIG), paint.above(*map(paint.text_line, lines))), strip
        )
        words = (
            f"What the model draws at mix {mix:.2f} on the {'arc' if way == 'arc' else 'straight way'} from noise "
            f"{start} to noise {end}, and {NEIGHBOURS} images along the whole way. The noise has length {now:.2f}."
        )
        return picture, words

    ends = ipywidgets.VBox([controls["start"], controls["end"], controls["way"]])
    moves = ipywidgets.VBox([controls["mix"], controls["length"]])
    side = ipywidgets.VBox([controls[f"push{i + 1}"] for i in range(len(push))])
    return Panel(controls, draw, [ipywidgets.HBox([moves, ends, side])])


def noise_of(model: Any, seed: int) -> Tensor:
    """The noise [1, latent] of a seed."""
    return torch.randn(1, model.latent, generator=torch.Generator().manual_seed(seed))


def walk(a: Tensor, b: Tensor, shares: Tensor, way: str) -> Tensor:
    """Points [N, latent] between noises [1, latent], at `shares` [N] of the way."""
    a, b = a.expand(len(shares), -1), b.expand(len(shares), -1)
    return slerp(a, b, shares) if way == "arc" else torch.lerp(a, b, shares[:, None])


def strongest_directions(model: Any, seed: int = 0) -> Tensor:
    """Unit directions [at most 3, latent], orthogonal: along them the images change most.

    The best linear guess of the images from the noise is a matrix; its strongest singular vectors are the directions.
    """
    noise = torch.randn(PROBES + model.latent, model.latent, generator=torch.Generator().manual_seed(seed))
    images = model.draw(noise.to(device_of(model))).cpu().flatten(1).double()
    noise = noise.double() - noise.double().mean(dim=0)
    guess = torch.linalg.lstsq(noise, images - images.mean(dim=0)).solution  # [latent, pixels]
    strength, vectors = torch.linalg.eigh(guess @ guess.T)
    vectors = vectors[:, strength.argsort(descending=True)[:DIRECTIONS]].T
    largest = vectors.gather(1, vectors.abs().argmax(dim=1, keepdim=True))
    return (vectors * largest.sign()).float()  # a direction has no front; the same one on every machine


def device_of(model: Any) -> torch.device:
    parameters = model.parameters() if hasattr(model, "parameters") else iter(())
    return next((weights.device for weights in parameters), torch.device("cpu"))
