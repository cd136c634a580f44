"""Chapter 10's widgets: a plane of codes to drag over, a slider for every latent, and what beta trades for what."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import ipywidgets
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from course_lib import models as shipped
from course_lib.data.imageset import DIGIT_NAMES, ImageSet
from course_lib.errors import CourseError
from course_lib.metrics.factors import correlations
from course_lib.metrics.likelihood import ACTIVE, likelihood
from course_lib.show import paint
from course_lib.show.panel import Panel, Touch, choice, slider, steps
from course_lib.vae.autoencoders_to_vae import Coder
from course_lib.vae.training_a_vae import VAE, log_normal

COUNT = 2000  # images whose codes are looked at
MARGIN = (34, 24)  # pixels left of a plot, and above it


def checked(model: Any, images: Any) -> tuple[Tensor, ImageSet]:
    """The codes of the first images, [N, latent] on the CPU, and those images. Raises CourseError for what is unfit."""
    if not isinstance(model, Coder):
        raise CourseError(f"model: got {type(model).__name__}, expected a VAE or an Autoencoder, which has codes")
    if not isinstance(images, ImageSet):
        raise CourseError(f"images: got {type(images).__name__}, expected an ImageSet, as data.load(...) returns")
    shape = [model.config["channels"], model.config["size"], model.config["size"]]
    if list(images.images.shape[1:]) != shape or not len(images):
        raise CourseError(
            f"images: got shape {list(images.images.shape)}, expected [N, {shape[0]}, {shape[1]}, {shape[2]}], "
            "N at least 1, as the model was made for"
        )
    images = images[:COUNT]
    return model.codes(images.images).cpu(), images


def name_of(images: ImageSet, label: int) -> str:
    """A digit by its figure, anything else by its name."""
    return str(label) if images.class_names == DIGIT_NAMES else images.class_names[label]


def reach_of(codes: Tensor) -> float:
    """Sliders and planes go from minus to plus this: three standard deviations of the prior, or as far as codes lie."""
    return float(max(3.0, math.ceil(float(codes.abs().max()))))


# ---------------------------------------------------------------------------------------------------------------------
# The plane
# ---------------------------------------------------------------------------------------------------------------------

SIDE = 420  # of the plane, in pixels
MOST = 0.98  # of the codes lie within the plane
NEAREST = 25  # codes that say which class lives around a point


def latent_plane(model: Coder, images: ImageSet) -> Panel:
    """Panel over the codes of a model with two latents: press or drag anywhere, or move the sliders, and it decodes.

    images  whose codes are the dots of the plane, one colour a class; the first 2,000 of them

    "plane" shows the dots or, on a grid, what the model decodes. Beside it stand the image decoded at the point, the
    prior's density there (for a VAE) and the class of the nearest codes.
    Raises CourseError for a model without two latents, or images that it was not made for.
    """
    if isinstance(model, Coder) and model.latent != 2:
        raise CourseError(f"model: got {model.latent} latents, expected 2 for a plane; latent_sliders takes any number")
    codes, images = checked(model, images)
    reach = reach_of(codes.abs().amax(dim=1).quantile(MOST))  # a few stragglers would make all the others small
    planes = {
        "codes of images": dots(codes, images, reach, isinstance(model, VAE)),
        "decoded grid": mosaic(model, reach),
    }
    controls = {
        "plane": choice("plane", list(planes)),
        "across": slider("across", 0.5, -reach, reach, 0.05),
        "up": slider("up", -0.5, -reach, reach, 0.05),
    }
    left, top = MARGIN
    board = Touch()

    def draw(plane: str, across: float, up: float) -> tuple[Image.Image, str]:
        at = torch.tensor([[across, up]])
        sheet = planes[plane].copy()
        x, y = (float(value) for value in pixels(at, reach)[0])
        pen = ImageDraw.Draw(sheet)
        for radius, colour, width in ((11, paint.PAPER, 6), (10, paint.INK, 3)):
            pen.ellipse((x - radius, y - radius, x + radius, y + radius), outline=colour, width=width)
        distances = (codes - at).norm(dim=1)
        near = distances.argsort()[:NEAREST]
        labels = images.labels[near.to(images.labels.device)].cpu()
        label = int(labels.mode().values)
        share = float((labels == label).double().mean())
        lines = [f"code ({across:.2f}, {up:.2f})"]
        words = f"The image decoded at code ({across:.2f}, {up:.2f})."
        if isinstance(model, VAE):
            density = float(log_normal(at)[0])
            lines += [f"log p(z): {density:.2f} nats", f"at the middle: {-math.log(2 * math.pi):.2f}"]
            words += f" The prior's log density there is {density:.2f} nats."
        around = f"{share:.0%} of the {len(near)} nearest codes are of class {name_of(images, label)}"
        lines += [f"nearest code: {float(distances.min()):.2f} away", f"of the {len(near)} nearest codes,"]
        lines += [f"{share:.0%} are of class {name_of(images, label)}"]
        words += f" {around}, the nearest {float(distances.min()):.2f} away."
        decoded = paint.enlarged(model.decode(at)[0], 224)
        picture = paint.beside(sheet, paint.above(paint.text_line("decoded there"), decoded, *map(line_of, lines)))
        board.lay(picture, [(left, top, SIDE, SIDE)], [((1 + across / reach) / 2, (1 - up / reach) / 2)])
        return picture, words

    panel = Panel(controls, draw, [ipywidgets.HBox(list(controls.values()), layout=WRAP)], picture=board)

    def follow(_: int, x: float, y: float) -> None:
        panel.set(across=round((2 * x - 1) * reach, 2), up=round((1 - 2 * y) * reach, 2))

    board.when_touched(follow)
    return panel


WRAP = ipywidgets.Layout(flex_flow="row wrap")


def line_of(words: str) -> Image.Image:
    return paint.text_line(words, 15, width=236)


def pixels(points: Tensor, reach: float) -> Tensor:
    """Codes [N, 2] -> places [N, 2] in the picture of the plane, y pointing down."""
    return torch.tensor(MARGIN) + SIDE / 2 * (1 + points * torch.tensor([1.0, -1.0]) / reach)


def framed(inside: Image.Image, reach: float, title: str) -> Image.Image:
    """A square of the plane with its title and the ends of its axes."""
    left, top = MARGIN
    sheet = Image.new("RGB", (left + SIDE + 12, top + SIDE + 20), paint.PAPER)
    sheet.paste(inside, (left, top))
    pen = ImageDraw.Draw(sheet)
    pen.rectangle((left - 1, top - 1, left + SIDE, top + SIDE), outline=paint.SOFT)
    pen.text((left, 2), title, fill=paint.INK, font=paint.font(15))
    for share, value in ((0.0, -reach), (0.5, 0.0), (1.0, reach)):
        pen.text((left + share * SIDE, top + SIDE + 4), f"{value:g}", fill=paint.SOFT, font=paint.font(12), anchor="ma")
        pen.text((left - 5, top + (1 - share) * SIDE), f"{value:g}", fill=paint.SOFT, font=paint.font(12), anchor="rm")
    return sheet


def dots(codes: Tensor, images: ImageSet, reach: float, rings: bool) -> Image.Image:
    """The codes [N, 2], one colour a class, each class named at its median; rings at 1, 2, 3 sigma of the prior."""
    square = Image.new("RGB", (SIDE, SIDE), paint.PAPER)
    pen = ImageDraw.Draw(square)
    for radius in (SIDE / 2 / reach * sigma for sigma in (1, 2, 3) if rings):
        pen.ellipse([SIDE / 2 + side * radius for side in (-1, -1, 1, 1)], outline=paint.SOFT)
    places, labels = (pixels(codes, reach) - torch.tensor(MARGIN)).tolist(), images.labels.tolist()
    for (x, y), label in zip(places, labels, strict=True):
        paint.dot(pen, x, y, paint.class_colour(label))
    known = sorted(set(labels))
    middles = torch.stack([codes[images.labels.cpu() == label].median(dim=0).values for label in known])
    names = apart(pixels(middles, reach) - torch.tensor(MARGIN), 24)
    for label, (x, y) in zip(known, names.tolist(), strict=True):
        pen.text(
            (x, y),
            name_of(images, label),
            fill=paint.INK,
            font=paint.font(20),
            anchor="mm",
            stroke_width=3,
            stroke_fill=paint.PAPER,
        )
    return framed(square, reach, f"codes of {len(codes)} images, by class")


def apart(places: Tensor, least: float, rounds: int = 100) -> Tensor:
    """Places [N, 2] pushed away from each other until no two are nearer than `least`, or for so many rounds."""
    places = places.double().clone()
    places += 1e-3 * torch.arange(len(places), dtype=torch.float64)[:, None]  # two at one place part somewhere
    for _ in range(rounds):
        ways = places[:, None] - places
        distances = ways.norm(dim=2).fill_diagonal_(math.inf)
        if float(distances.min()) >= least:
            break
        push = (least - distances).clamp(min=0) / 2
        places += (ways / distances[..., None] * push[..., None]).sum(dim=1)
    return places


def mosaic(model: Coder, reach: float) -> Image.Image:
    """What the model decodes on an even grid of the plane, each image at its code."""
    size = model.config["size"]
    cells = max(5, round(SIDE / max(size, 28)))
    line = (torch.arange(cells) + 0.5) / cells * 2 * reach - reach
    y, x = torch.meshgrid(line.flip(0), line, indexing="ij")
    grid = model.decode(torch.stack([x, y], dim=2).reshape(-1, 2)).cpu()
    square = paint.enlarged(paint.tiled(grid, cells), cells * size).resize((SIDE, SIDE), Image.Resampling.BILINEAR)
    return framed(square, reach, "decoded on a grid")


# ---------------------------------------------------------------------------------------------------------------------
# A slider for every latent
# ---------------------------------------------------------------------------------------------------------------------

PICKS = 100  # images to start from
STOPS = 7  # decoded images in a latent's row
TILE, BIG = 36, 150  # pixels on the screen
FAINT = 0.2  # a correlation below this is not worth a name


def latent_sliders(model: Coder, images: ImageSet, most: int = 10) -> Panel:
    """Panel with a slider for each latent, those whose codes vary most over the images first, at most `most` of them.

    images  whose codes say how much each latent varies and, where their factors are known, which factor it follows:
            the first 2,000; the first 100 of them to start from

    The row of a latent shows what it does: the present code, with this latent alone moved from end to end. It is a
    slider itself: press or drag along it. "reset" returns to the code of the starting image.
    Raises CourseError for a model without codes, or images that it was not made for.
    """
    codes, images = checked(model, images)
    if most < 1:
        raise CourseError(f"most: got {most}, expected at least one slider")
    spread = codes.double().var(dim=0, correction=0)
    shown = spread.argsort(descending=True, stable=True)[:most].tolist()
    reach = reach_of(codes[:, shown])
    known = followed(codes, images)
    titles = {k: known.get(k, "") if spread[k] > ACTIVE else "unused" for k in shown}
    step = reach / 30
    controls = {f"z{k}": slider(f"latent {k}", 0.0, -reach, reach, step) for k in shown}
    picker = steps("image", 0, 0, min(PICKS, len(images)) - 1)

    def draw(**values: float) -> tuple[Image.Image, str]:
        start, now = codes[picker.value], codes[picker.value].clone()
        given = dict(zip(shown, values.values(), strict=True))
        moved = [k for k in shown if abs(given[k] - float(start[k])) > 0.51 * step]  # a browser rounds to whole steps
        now[moved] = torch.tensor([given[k] for k in moved])
        path = now.repeat(len(shown), STOPS, 1)
        for row, k in enumerate(shown):
            path[row, :, k] = torch.linspace(-reach, reach, STOPS)
        drawn = model.decode(torch.cat([now[None], path.flatten(0, 1)])).cpu()
        image = images.images[picker.value].cpu()
        large = [("starting image", image), (f"decoded, {len(moved)} moved" if moved else "decoded", drawn[0])]
        left = [part for title, image in large for part in (paint.text_line(title), paint.enlarged(image, BIG))]
        rows = drawn[1:].unflatten(0, (len(shown), STOPS))
        strips = [
            paint.beside(label_of(k, titles[k]), strip(row, (float(now[k]) + reach) / (2 * reach)), gap=6)
            for k, row in zip(shown, rows, strict=True)
        ]
        title = paint.text_line(f"each latent alone, from {-reach:g} to {reach:g}: press or drag along a row")
        words = f"Decoded from the code of image {picker.value}, a {name_of(images, int(images.labels[picker.value]))}"
        words += f", with {', '.join(f'latent {k} at {float(now[k]):.2f}' for k in moved)}." if moved else "."
        words += " Most active: " + "; ".join(f"latent {k} {titles[k]}".strip() for k in shown[:3]) + "."
        picture = paint.beside(paint.above(*left), paint.above(title, *strips, gap=4))
        x, wide = picture.width - strips[0].width + 156 + TILE / 2, TILE * (STOPS - 1)  # from the first tile's middle
        tops = [title.height + 4 + row * (TILE + 4) for row in range(len(shown))]
        spots = [((float(now[k]) + reach) / (2 * reach), 0.5) for k in shown]
        board.lay(picture, [(x, top, wide, TILE) for top in tops], spots)
        return picture, words

    board = Touch()
    reset = ipywidgets.Button(
        description="reset", layout={"width": "90px"}, tooltip="back to the starting image's code"
    )
    side = ipywidgets.Layout(width="150px")
    rows = [ipywidgets.HBox([controls[f"z{k}"], ipywidgets.Label(titles[k], layout=side)]) for k in shown]
    half = -(-len(rows) // 2)
    columns = [ipywidgets.VBox(part) for part in (rows[:half], rows[half:]) if part]
    panel = Panel(controls, draw, [ipywidgets.HBox([picker, reset]), ipywidgets.HBox(columns, layout=WRAP)], board)

    def follow(row: int, x: float, _: float) -> None:
        panel.set(**{f"z{shown[row]}": (2 * x - 1) * reach})

    board.when_touched(follow)

    def begin(_: Any = None) -> None:
        panel.set(**{f"z{k}": float(codes[picker.value, k]) for k in shown})

    picker.observe(begin, "value")
    reset.on_click(begin)
    begin()
    panel.image, panel.reset = picker, reset
    return panel


def followed(codes: Tensor, images: ImageSet) -> dict[int, str]:
    """latent -> the factor it follows most closely and their correlation, such as "slant +0.91"; where one is known."""
    factors = {n: v.cpu() for n, v in images.factors.items() if v.ndim == 1 and v.is_floating_point()}
    if not factors:
        return {}
    table, names = correlations(codes, factors), list(factors)
    best = table.abs().argmax(dim=1).tolist()
    found = {k: (names[i], float(table[k, i])) for k, i in enumerate(best)}
    return {k: f"{name} {value:+.2f}" for k, (name, value) in found.items() if abs(value) >= FAINT}


def label_of(latent: int, title: str) -> Image.Image:
    image = Image.new("RGB", (150, TILE), paint.PAPER)
    pen = ImageDraw.Draw(image)
    pen.text((2, 2), f"latent {latent}", fill=paint.INK, font=paint.font(14))
    pen.text((2, 18), title, fill=paint.ORANGE if title[-1:].isdigit() else paint.SOFT, font=paint.font(13))
    return image


def strip(images: Tensor, share: float) -> Image.Image:
    """Images [N, C, H, W] in a row; an orange line across it marks `share` of the way from the first to the last."""
    row = paint.enlarged(torch.cat(list(images), dim=2), TILE * len(images))
    x = TILE / 2 + share * (row.width - TILE)
    ImageDraw.Draw(row).line((x, 0, x, row.height), fill=paint.ORANGE, width=3)
    return row


# ---------------------------------------------------------------------------------------------------------------------
# Beta
# ---------------------------------------------------------------------------------------------------------------------

BETAS = ("beta_vae_0.1", "beta_vae_0.5", "beta_vae_1", "beta_vae_4", "beta_vae_16")  # checkpoints of the course
COLUMNS, MEASURED, SMALL = 8, 500, 48  # images in a row; images behind the nats; pixels on the screen


def beta_slider(images: ImageSet, models: Sequence[str] | Mapping[float, VAE] = BETAS) -> Panel:
    """Panel that moves through VAEs trained with more and more weight on the KL term.

    images  the first 8 are reconstructed; rate and distortion are means over the first 500
    models  names of shipped checkpoints, or beta -> VAE, all with as many latents

    "beta" picks the model, "noise" the codes of the samples, the same for every model. Raises CourseError for what is
    no VAE, fewer than two, different numbers of latents, or images that a model was not made for.
    """
    if not isinstance(models, Mapping):
        loaded = [shipped.pretrained(name) for name in models]
        models = {getattr(model, "beta", i): model for i, model in enumerate(loaded)}
    for model in models.values():
        if not isinstance(model, VAE):
            raise CourseError(f"models: got {type(model).__name__}, expected VAEs only")
    models = dict(sorted(models.items()))
    if len(models) < 2 or len({model.latent for model in models.values()}) > 1:
        raise CourseError(
            f"models: got {len(models)} with {[model.latent for model in models.values()]} latents, expected at least "
            "two, each with as many latents, so that the same noise fits them all"
        )
    for model in models.values():
        checked(model, images[:1] if isinstance(images, ImageSet) else images)
    few = images.images[:COLUMNS].cpu()
    again = {beta: model.reconstruct(few).cpu() for beta, model in models.items()}
    found = {beta: likelihood(model, images[:MEASURED], samples=(1,)) for beta, model in models.items()}
    nats = {beta: (measured.kl, measured.reconstruction) for beta, measured in found.items()}
    controls = {
        "beta": ipywidgets.SelectionSlider(
            options=[(f"{beta:g}", beta) for beta in models],
            value=min(models, key=lambda beta: abs(math.log(max(beta, 1e-3)))),
            description="beta",
            style={"description_width": "90px"},
        ),
        "noise": steps("noise", 0, 0, 99),
    }

    def draw(beta: float, noise: int) -> tuple[Image.Image, str]:
        samples = models[beta].sample(2 * COLUMNS, seed=noise).cpu()
        rows = [
            *("images", few, "reconstructed", again[beta]),
            *(f"drawn from noise {noise}", samples[:COLUMNS], None, samples[COLUMNS:]),
        ]
        left = [paint.text_line(row, 14) if isinstance(row, str) else sheet(row) for row in rows if row is not None]
        kl, reconstruction = nats[beta]
        lines = [
            f"rate (KL): {kl:.1f}",
            f"distortion (reconstruction): {reconstruction:.1f}",
            f"-ELBO: {kl + reconstruction:.1f}",
        ]
        unit = f"nats per image, {found[beta].images} images; {found[beta].protocol}"
        right = [curve(nats, beta), *(paint.text_line(line, 15, width=330) for line in lines), fine_print(unit)]
        words = f"A VAE trained with beta {beta:g}: rate {kl:.1f} and distortion {reconstruction:.1f}, {unit}. "
        words += f"{len(few)} images, their reconstructions, and {len(samples)} images drawn from noise {noise}."
        return paint.beside(paint.above(*left, gap=4), paint.above(*right, gap=2)), words

    return Panel(controls, draw, [ipywidgets.HBox(list(controls.values()), layout=WRAP)])


def sheet(images: Tensor) -> Image.Image:
    """Images [N, C, H, W] in a row."""
    return paint.beside(*(paint.enlarged(image, SMALL) for image in images), gap=2)


def fine_print(words: str) -> Image.Image:
    """Small grey words in lines of at most 330 pixels."""
    lines = [""]
    for word in words.split():
        longer = f"{lines[-1]} {word}".strip()
        lines = [*lines, word] if paint.font(12).getlength(longer) > 325 else [*lines[:-1], longer]
    return paint.above(*(paint.text_line(line, 12, paint.SOFT, 330) for line in lines), gap=0)


def curve(nats: dict[float, tuple[float, float]], now: float) -> Image.Image:
    """Rate across and distortion up, a point for each beta; the present one large and orange."""
    width, height, left, top = 330, 250, 46, 20
    image = Image.new("RGB", (width, height), paint.PAPER)
    pen = ImageDraw.Draw(image)
    right, bottom = width - 44, height - 34
    pen.text((2, 1), "distortion (nats)", fill=paint.SOFT, font=paint.font(12))
    pen.text((right, height - 2), "rate (nats)", fill=paint.SOFT, font=paint.font(12), anchor="rs")
    pen.line((left, top, left, bottom, right, bottom), fill=paint.SOFT)
    places = []
    for axis, (first, last) in enumerate(((left + 16, right - 16), (bottom - 12, top + 12))):
        values = [point[axis] for point in nats.values()]
        low, high = min(values), max(values)
        places.append([first + (last - first) * (value - low) / max(high - low, 1e-9) for value in values])
        for at, value in ((first, low), (last, high)):
            place, anchor = ((at, bottom + 3), "ma") if axis == 0 else ((left - 5, at), "rm")
            pen.text(place, f"{value:.0f}", fill=paint.SOFT, font=paint.font(12), anchor=anchor)
    points = list(zip(*places, strict=True))
    pen.line(sorted(points), fill=paint.GREY, width=2)
    for beta, (x, y) in zip(nats, points, strict=True):
        radius, colour = (8, paint.ORANGE) if beta == now else (4, paint.BLUE)
        pen.ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
        pen.text((x + 9, y - 8), f"beta {beta:g}", fill=colour, font=paint.font(13), anchor="lm")
    return image
