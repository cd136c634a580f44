"""What all widgets share: controls, a picture that follows them, and a still picture for readers without a kernel."""

from __future__ import annotations

import html
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import anywidget
import ipywidgets
import traitlets
from PIL import Image

from course_lib.show.figures import bundle
from course_lib.show.paint import as_png

Picture = Image.Image | Callable[[], Image.Image]  # a function: one that paints it where it is wanted only as a still


class Names(anywidget.AnyWidget):
    """Unseen; gives the controls beside it the names that a screen reader says, which ipywidgets leaves out."""

    _esm = Path(__file__).with_name("names.js")


class Drawn(anywidget.AnyWidget):
    """A picture that the browser draws, so that it follows the pointer at once; `words` say what is seen."""

    words = traitlets.Unicode().tag(sync=True)


class Ahead(Drawn):
    """A picture for every key of numbers, each too slow to make while it is dragged: the browser keeps what it has seen
    and asks for the next ones ahead of need.

    frame  the picture of the present key: `key`, and whatever the script draws it from, bytes included
    """

    look = traitlets.Dict().tag(sync=True)
    frame = traitlets.Dict().tag(sync=True)

    @staticmethod
    def script(name: str) -> str:
        """A script after the one that it stands on."""
        return "".join(Path(__file__).with_name(part).read_text() for part in ("ahead.js", name))

    def answer(self, make: Callable[..., dict[str, Any]], known: Callable[..., bool]) -> None:
        """Whenever the browser asks for a key that is `known`, send it the frame that `make` makes of it."""

        def told(_: Any, content: Any, buffers: Any) -> None:
            want = content.get("want") if isinstance(content, dict) else None
            if not isinstance(want, list) or not all(isinstance(number, int) for number in want):
                return
            if len(want) == len(self.frame["key"]) and known(*want):
                frame = make(*want)
                names = [name for name, part in frame.items() if isinstance(part, bytes)]
                plain = {name: part for name, part in frame.items() if name not in names}
                self.send({"frame": plain, "names": names}, [frame[name] for name in names])

        self.on_msg(told)


Rectangle = tuple[float, float, float, float]  # left, top, width, height


class Touch(anywidget.AnyWidget):
    """A painted picture to drag over, in some of its parts; with the arrow keys too.

    areas  the parts, each [left, top, width, height] as shares of the picture
    now    the present [x, y] of each, in [0, 1] from its top left
    spot   [which, x, y, press]: where the pointer is in which area
    """

    _esm = Path(__file__).with_name("touch.js")
    value = traitlets.Unicode().tag(sync=True)
    areas = traitlets.List().tag(sync=True)
    now = traitlets.List().tag(sync=True)
    spot = traitlets.List().tag(sync=True)

    def lay(self, picture: Image.Image, places: list[Rectangle], now: list[tuple[float, float]]) -> None:
        """The areas as they lie in the picture, in its pixels, and the present place in each."""
        wide, high = picture.size
        self.areas = [[left / wide, top / high, width / wide, height / high] for left, top, width, height in places]
        self.now = [list(place) for place in now]

    def when_touched(self, act: Callable[[int, float, float], None]) -> None:
        """Call `act` with the area, and x and y in it, wherever the pointer or an arrow key goes."""
        self.observe(lambda change: act(*change["new"][:3]), "spot")


class Held(traitlets.HasTraits):
    """A control without a widget of its own: its value is changed in the picture."""

    value = traitlets.Any()


class Panel:
    """A box of controls over a picture.

    controls  name -> a widget with a `value`
    paint     called with the controls' values by name; returns the picture and the sentence that describes it
    layout    the widgets in the order shown; the picture comes last
    picture   a widget that shows the HTML in its `value`, one that can be touched where a plain one is not enough;
              or one that is `Drawn` in the browser, from numbers that `paint` gives it

    `values` reads and `set` changes the controls, so that a test can play without a browser; `seconds` is what the last
    change took to compute.
    """

    def __init__(
        self,
        controls: dict[str, Any],
        paint: Callable[..., tuple[Picture, str]],
        layout: list[ipywidgets.Widget] | None = None,
        picture: ipywidgets.Widget | None = None,
    ):
        self.controls, self.paint = controls, paint
        self.picture = ipywidgets.HTML() if picture is None else picture
        self.quiet, self.still = False, None  # still: paints and describes what a page without a kernel shows instead
        for control in controls.values():
            control.observe(self.refresh, "value")
        self.box = ipywidgets.VBox([*(layout or list(controls.values())), self.picture, Names()])
        self.box.add_class("course-panel")  # lets a style sheet, and our browser test, find it
        for widget in inside(self.box):
            if isinstance(widget, ipywidgets.DOMWidget) and widget.tooltip is None:
                widget.tooltip = ""  # ipywidgets shows None as "null"
        self.refresh()

    @property
    def values(self) -> dict[str, Any]:
        return {name: control.value for name, control in self.controls.items()}

    def set(self, **values: Any) -> None:
        """Move several controls, then repaint once."""
        self.quiet = True
        for name, value in values.items():
            self.controls[name].value = value
        self.quiet = False
        self.refresh()

    def refresh(self, change: Any = None) -> None:
        if self.quiet:
            return
        begun = time.perf_counter()
        with self.picture.hold_sync():  # one message
            self.painted, self.words = self.paint(**self.values)
            if isinstance(self.picture, Drawn):
                self.picture.words = self.words
        if not isinstance(self.picture, Drawn):
            self.picture.value = (
                f'<img alt="{html.escape(self.words, quote=True)}" style="max-width:100%" '
                f'src="data:image/png;base64,{b64encode(self.png).decode()}">'
            )
        self.seconds = time.perf_counter() - begun

    @property
    def png(self) -> bytes:
        return as_png(self.painted() if callable(self.painted) else self.painted)

    def _repr_mimebundle_(self, **options: Any) -> dict[str, Any]:
        """The live widget where one can run, the still picture elsewhere: one output in both forms."""
        view = self.box._repr_mimebundle_(**options)
        live = {kind: data for kind, data in view.items() if "widget-view" in kind}
        image, words = self.still() if self.still else (None, self.words)
        return {**bundle(as_png(image) if image else self.png, words), **live}


def inside(box: ipywidgets.Widget) -> Iterator[ipywidgets.Widget]:
    """The widget and everything it holds."""
    yield box
    for child in getattr(box, "children", ()):
        yield from inside(child)


def slider(name: str, value: float, low: float, high: float, step: float) -> ipywidgets.FloatSlider:
    """A slider with a readable label that repaints while it moves."""
    return ipywidgets.FloatSlider(
        value=value,
        min=low,
        max=high,
        step=step,
        description=name,
        readout_format=".2f",
        style={"description_width": "90px"},
    )


def steps(name: str, value: int, low: int, high: int) -> ipywidgets.IntSlider:
    """A slider over whole numbers."""
    return ipywidgets.IntSlider(value=value, min=low, max=high, description=name, style={"description_width": "90px"})


def choice(name: str, options: list[Any], value: Any = None) -> ipywidgets.Dropdown:
    """A drop-down list; the first option unless `value` is given."""
    first = options[0][1] if isinstance(options[0], tuple) else options[0]
    return ipywidgets.Dropdown(
        options=options, value=first if value is None else value, description=name, style={"description_width": "90px"}
    )


def player(target: ipywidgets.IntSlider, interval: int = 350) -> ipywidgets.Play:
    """Play, pause and stop buttons that move a slider on their own."""
    play = ipywidgets.Play(min=target.min, max=target.max, value=target.value, interval=interval, show_repeat=False)
    ipywidgets.jslink((play, "value"), (target, "value"))
    ipywidgets.jslink((play, "max"), (target, "max"))
    return play
