"""The lab of chapter 5: two networks play in the plane while you watch, and while you turn the knobs."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any, NamedTuple

import ipywidgets
import numpy as np
import torch
import traitlets
from PIL import Image
from torch import Tensor

from course_lib.errors import CourseError
from course_lib.gan import games
from course_lib.gan.points import PointGAN, Points, grid, ring
from course_lib.metrics import mode_coverage
from course_lib.show import paint, plane
from course_lib.show.panel import Drawn, Panel, Picture, choice
from course_lib.training.budget import budget
from course_lib.training.guards import own_randomness

BATCH, SHOWN, JUDGED, PULLED = 128, 250, 1000, 70  # points: in a batch, drawn, counted, with an arrow
FIELD, MARKS, BEND = 56, 11, 41  # opinions per side; noise lines per axis, and points on each
PAD = 2.8  # the plane that a drawing may fill, from side to side
KEPT, CURVE = 3000, 200  # steps in the loss curves, and points that are drawn of them
FAR, WILD = 50.0, 1e4  # a typical generated point this far away, or a loss this large, has diverged
OWN, EXAMPLE = "your own drawing", [[[0.2, 0.3], [0.5, 0.8], [0.8, 0.3]]]


def curve(pieces: int = 24, spread: float = 0.04) -> Points:
    """Small Gaussians in a row along one wave: one connected shape."""
    x = torch.linspace(-1.2, 1.2, pieces)
    return Points(torch.stack([x, 0.7 * (2.6 * x).sin()], dim=1), spread)


def blobs(spread: float = 0.15) -> Points:
    """Two wide Gaussians side by side."""
    return Points(torch.tensor([[-0.8, 0.0], [0.8, 0.0]]), spread)


def drawn(strokes: list[list[list[float]]], pieces: int = 40, spread: float = 0.04) -> Points:
    """The pad's strokes, [x, y] in [0, 1] with y down, as about `pieces` small Gaussians evenly along them."""
    strokes = [np.asarray(stroke, dtype=float) for stroke in strokes if stroke] or [np.array([[0.5, 0.5]])]
    walked = [np.insert(np.linalg.norm(np.diff(s, axis=0), axis=1).cumsum(), 0, 0.0) for s in strokes]
    total = max(sum(way[-1] for way in walked), 1e-9)
    centres = []
    for stroke, way in zip(strokes, walked, strict=True):
        at = np.linspace(0, way[-1], max(1, round(pieces * way[-1] / total)))
        centres.append(np.stack([np.interp(at, way, stroke[:, axis]) for axis in (0, 1)], axis=1))
    return Points(torch.from_numpy((np.concatenate(centres) - 0.5) * [PAD, -PAD]).float(), spread)


DATA = {"ring of 8": ring, "grid of 25": grid, "one curve": curve, "two blobs": blobs}

# a slow discriminator is no game of the lab: there are sliders for both rates
GAMES = {row.label: name for name, row in games.GAMES.items() if name != "slow_discriminator"}


class Planes(NamedTuple):
    opinion: Tensor  # [FIELD, FIELD] in [0, 1], row 0 at the top: 1 for real, 0 for generated
    believed: tuple[float, float]  # the mean opinion of real and of generated points; for a critic the mean score
    fakes: Tensor  # [JUDGED, 2]
    pulls: Tensor  # [PULLED, 2]: where the generator's loss sends the first fakes
    warp: Tensor  # [2, MARKS, BEND, 2]: the lines of noise, after the generator


class Lab:
    """A game in the plane that can be stepped, pictured and begun again; everything follows from the seed.

    data    a name of DATA, or "your own drawing" with the pad's `strokes`
    game    a name of GAMES
    rates   Adam's learning rates of generator and discriminator; `set_rates` changes them between two steps
    """

    def __init__(self, data: str = "ring of 8", game: str = "non-saturating", seed: int = 0):
        self.data, self.game, self.seed, self.strokes = data, game, seed, EXAMPLE
        self.rates = (PointGAN.rate, PointGAN.rate)
        self.reset()

    def reset(self, **choices: Any) -> None:
        """Begin again: same seed, same game, bit for bit; or with another `data`, `game` or `strokes`."""
        vars(self).update(choices)
        for name, given, known in (("data", self.data, [*DATA, OWN]), ("game", self.game, list(GAMES))):
            if given not in known:
                raise CourseError(f"{name}: got {given!r}, expected one of {', '.join(known)}")
        self.points = drawn(self.strokes) if self.data == OWN else DATA[self.data]()
        row = games.GAMES[GAMES[self.game]]
        self.objective, self.scores = row.objective, row.scores
        with own_randomness(torch.device("cpu")):
            torch.manual_seed(self.seed)
            self.model: PointGAN = games.point_game(GAMES[self.game])
            self.random = torch.get_rng_state()
        self.model.configure()
        self.set_rates(*self.rates)
        look = torch.Generator().manual_seed(self.seed + 1)  # what is shown never touches what is trained
        self.real, self.noise = self.points.sample(JUDGED, look), torch.randn(JUDGED, 2, generator=look)
        self.losses: dict[str, list[float]] = {"discriminator": [], "generator": []}
        self.diverged = False

    def set_rates(self, generator: float, discriminator: float) -> None:
        self.rates = (generator, discriminator)
        for name, rate in zip(("generator", "discriminator"), self.rates, strict=True):
            for group in self.model.optimizers[name].param_groups:
                group["lr"] = rate

    def step(self, count: int = 1, seconds: float = math.inf) -> int:
        """`count` training steps, fewer when `seconds` are over; how many it were. None once the game diverged."""
        begun, done = time.perf_counter(), 0
        with own_randomness(torch.device("cpu")):
            torch.set_rng_state(self.random)
            while done < count and not self.diverged and (not done or time.perf_counter() - begun < seconds):
                for name, loss in self.model.step(self.points.sample(BATCH * self.model.critic_steps)).items():
                    self.losses[name].append(float(loss))
                    self.diverged |= not abs(self.losses[name][-1]) < WILD
                done += 1
            self.random = torch.get_rng_state()
        self.diverged |= not float(self.model.draw(self.noise[:SHOWN]).abs().median()) < FAR
        return done

    def planes(self) -> Planes:
        """What both networks think at this moment."""
        line, bend = torch.linspace(-2, 2, MARKS), torch.linspace(-2.5, 2.5, BEND)
        across = torch.stack(torch.meshgrid(line, bend, indexing="ij"), dim=2)  # first number fixed, second runs
        noise = torch.cat([self.noise, across.reshape(-1, 2), across.flip(2).reshape(-1, 2)])
        fakes, warp = self.model.draw(noise).tensor_split([JUDGED])
        with torch.no_grad():
            logits = self.model.verdict(torch.cat([self.real, fakes, plane.lattice(FIELD)]))
        real, fake, field = logits.tensor_split([JUDGED, 2 * JUDGED])
        sender = fakes[:PULLED].clone().requires_grad_()
        loss = PULLED * self.objective.generator(real[:PULLED], self.model.verdict(sender))
        pulls = -torch.autograd.grad(loss, sender)[0]
        if self.scores:  # a score without a unit: the extremes of the picture get full colour
            middle = (real.mean() + fake.mean()) / 2
            opinion = 0.5 + 0.5 * (field - middle) / (field - middle).abs().max().clamp_min(1e-12)
            pulls = pulls / pulls.norm(dim=1).mean().clamp_min(1e-12)
        else:
            real, fake, opinion = real.sigmoid(), fake.sigmoid(), field.sigmoid()
        believed = (float(real.mean()), float(fake.mean()))
        return Planes(opinion.reshape(FIELD, FIELD), believed, fakes, pulls, warp.reshape(2, MARKS, BEND, 2))

    def verdict(self, seen: Planes) -> tuple[list[str], str]:
        """How the game stands, in a few lines, and in the sentence that describes its picture."""
        steps, of = len(self.losses["generator"]), len(self.points.centres)
        rates = "learning rates: G {:.2g}, D {:.2g}".format(*self.rates)
        if self.diverged:
            words = f"The {self.game} game (data: {self.data}) diverged at step {steps}: press reset, lower the rates."
            return [f"diverged at step {steps}: press reset,", "and take smaller learning rates", rates], words
        modes, near, _ = mode_coverage(seen.fakes, self.points.centres, self.points.spread)
        lost = int((seen.fakes.abs() > plane.REACH).any(dim=1).sum())
        if self.scores:
            opinion = f"the critic scores real {seen.believed[0] - seen.believed[1]:+.2g} above fake"
        else:
            opinion = "real believed {:.0%}, fake {:.0%}".format(*seen.believed)
        words = (
            f"After {steps} steps of the {self.game} game (data: {self.data}), the generated points cover {modes} "
            f"of {of} modes and {near:.0%} of them lie near one; {opinion}; {lost / JUDGED:.0%} lie outside; {rates}."
        )
        return [f"modes covered: {modes} of {of}", f"generated points near a mode: {near:.0%}", opinion, rates], words

    def frame(self, seen: Planes, arrows: bool = True) -> dict[str, Any]:
        """What the browser draws: float32 points as bytes, the field as uint8, both losses smoothed and thinned."""
        numbers = {"real": self.real[:SHOWN], "fakes": seen.fakes[:SHOWN], "warp": seen.warp}
        numbers["pulls"] = seen.pulls if arrows else seen.pulls[:0]
        lines = [
            [f"{name}'s loss", plane.thinned(values[-KEPT:], CURVE).round(4).tolist()]
            for name, values in self.losses.items()
        ]
        return {name: bytes(part.contiguous().numpy()) for name, part in numbers.items()} | {
            "opinion": bytes((seen.opinion.nan_to_num(0.5) * 255).round().byte().numpy()),
            "grid": [MARKS, BEND],
            "losses": lines,
            "step": len(self.losses["generator"]),
            "scores": self.scores,
            "diverged": self.diverged,
            "state": "; ".join(self.verdict(seen)[0]),
        }

    def picture(self, arrows: bool = True) -> tuple[Image.Image, str]:
        """Everything in one still image, and the sentence that describes it."""
        seen = self.planes()
        state, words = self.verdict(seen)
        steps = len(self.losses["generator"])
        board = plane.field(seen.opinion, 400)
        plane.dots(board, self.real[:SHOWN], real=True)
        if not self.diverged:
            if arrows:
                plane.arrows(board, seen.fakes[:PULLED], seen.pulls)
            plane.dots(board, seen.fakes[:SHOWN], real=False)
        recent = {name: values[-KEPT:] for name, values in self.losses.items()}
        left = paint.above(
            paint.text_line("discriminator: blue real, orange fake; dots: round real, square fake", 13, width=400),
            board,
        )
        middle = paint.above(
            paint.text_line("generator: a grid of noise, bent", 13), plane.warped(seen.warp, self.real, 280)
        )
        right = paint.above(paint.text_line(f"step {steps}", 13), plane.curves(recent, max(steps - KEPT, 0), 236, 280))
        numbers = paint.above(*(paint.text_line(line, 16, paint.INK, 534) for line in state), gap=0)
        return paint.beside(left, paint.above(paint.beside(middle, right), numbers)), words


# ---------------------------------------------------------------------------------------------------------------------
# The panel
# ---------------------------------------------------------------------------------------------------------------------

PACES = {"slow": (1, 400), "normal": (2, 40), "fast": (30, 40)}  # steps per picture, milliseconds between two pictures
PATIENCE = 0.025  # seconds of training per picture, so that a slow game costs steps and not pictures


LOOK = {
    "reach": plane.REACH,
    "pad": PAD,
    "palette": bytes(plane.COLOURS[np.linspace(0, len(plane.COLOURS) - 1, 256).round().astype(int)]),
    "real": paint.hex_code(plane.REAL_DOT),
    "fake": paint.hex_code(plane.FAKE_DOT),
}


class Board(Drawn):
    """Both networks at one moment, drawn by the browser; the pointer draws `strokes` on it, as on chapter 4's pad.

    drawing  whether the strokes are the data, so that the next one joins them
    playing  while it is, the browser asks for a picture every `interval` milliseconds, numbered from 1
    """

    _esm = Path(__file__).with_name("gan_lab.js")
    frame = traitlets.Dict().tag(sync=True)
    look = traitlets.Dict().tag(sync=True)  # what its picture shares with the still one of `plane`
    strokes = traitlets.List(EXAMPLE).tag(sync=True)
    drawing = traitlets.Bool().tag(sync=True)
    playing = traitlets.Bool().tag(sync=True)
    interval = traitlets.Int(PACES["normal"][1]).tag(sync=True)
    asked = traitlets.Int()  # the last picture asked for
    value = traitlets.List(EXAMPLE)

    def __init__(self, **given: Any):
        super().__init__(**given)
        self.on_msg(self._ask)

    def _ask(self, _: Any, content: Any, buffers: Any) -> None:
        if isinstance(content, dict) and isinstance(content.get("tick"), int):
            self.asked = content["tick"]

    @traitlets.observe("strokes")
    def _follow(self, change) -> None:
        self.value = change["new"]


def gan_lab(data: str = "ring of 8", game: str = "non-saturating", steps: int | None = None, seed: int = 0) -> Panel:
    """Panel with a game in the plane that begins at step 0.

    steps  how long the game in its still picture was trained (default: as the budget allows)
    """
    lab, board = Lab(data, game, seed), Board(look=LOOK)
    steps = budget(smoke=20, laptop=800) if steps is None else steps
    controls: dict[str, Any] = {
        "data": choice("data", [*DATA, OWN], data),
        "game": choice("game", list(GAMES), game),
        "generator": rate_slider("generator rate", lab.rates[0]),
        "discriminator": rate_slider("discriminator rate", lab.rates[1]),
        "strokes": board,
        "arrows": ipywidgets.Checkbox(True, description="arrows: where D sends fakes", indent=False),
    }

    def draw(
        data: str, game: str, generator: float, discriminator: float, strokes: list, arrows: bool
    ) -> tuple[Picture, str]:
        board.drawing = data == OWN
        if (data, game) != (lab.data, lab.game) or (data == OWN and strokes != lab.strokes):
            lab.reset(data=data, game=game, strokes=strokes)
        if (generator, discriminator) != lab.rates:
            lab.set_rates(generator, discriminator)
        seen = lab.planes()
        board.frame = lab.frame(seen, arrows) | {"tick": board.asked}
        return lambda: lab.picture(arrows)[0], lab.verdict(seen)[1]

    play = ipywidgets.Play(max=10**9, interval=10**9, show_repeat=False, tooltip="play and pause, stop")  # no clock
    ipywidgets.jslink((play, "playing"), (board, "playing"))
    pace = ipywidgets.ToggleButtons(options=list(PACES), value="normal", style={"button_width": "76px"})
    step, reset = (ipywidgets.Button(description=name, layout={"width": "64px"}) for name in ("step", "reset"))
    row = ipywidgets.Layout(flex_flow="row wrap")
    rows = [["data", "game"], ["generator", "discriminator"]]
    knobs = [ipywidgets.HBox([controls[name] for name in names], layout=row) for names in rows]
    buttons = ipywidgets.HBox([play, step, reset, pace, controls["arrows"]], layout=row)
    panel = Panel(controls, draw, [*knobs, buttons], board)

    def trained() -> tuple[Image.Image, str]:
        ahead = Lab(data, game, seed)
        ahead.step(steps)
        return ahead.picture()

    def train(count: int) -> None:
        lab.step(count, PATIENCE)
        panel.refresh()
        if lab.diverged:
            play.playing = False

    def tick(_) -> None:
        if play.playing:  # what arrives after "pause" or "stop" is late
            train(PACES[pace.value][0])

    def draw_own(_) -> None:
        controls["data"].value = OWN

    board.observe(draw_own, "strokes")
    board.observe(tick, "asked")
    pace.observe(lambda change: setattr(board, "interval", PACES[change["new"]][1]), "value")
    step.on_click(lambda _: train(1))
    reset.on_click(lambda _: (lab.reset(), panel.refresh()))
    panel.still = trained
    panel.lab, panel.play, panel.pace, panel.step, panel.reset = lab, play, pace, step, reset
    return panel


def rate_slider(name: str, value: float) -> ipywidgets.FloatLogSlider:
    """A slider over learning rates, from 1e-5 to 1."""
    return ipywidgets.FloatLogSlider(
        value=value,
        min=-5,
        max=0,
        step=0.1,
        description=name,
        readout_format=".2g",
        style={"description_width": "130px"},
        layout={"width": "380px"},
    )
