"""Checks of chapter 12: a signed distance, layers merged, what is seen of them, six painters, and lost counterparts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor

from course_lib.checks.compare import expect_tensor
from course_lib.checks.core import exercise
from course_lib.checks.formula import Case, Formula
from course_lib.checks.guard import Forbidden
from course_lib.checks.lettered import expect_words
from course_lib.checks.verdict import WrongAnswer
from course_lib.data import landscapes, portraits
from course_lib.data import new_worlds as library
from course_lib.data.portrait_layers import Layer, layers

CHAPTER = "12_new_worlds"


def uniform(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.rand(*shape, generator=generator, dtype=torch.float64)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 1: signed_distance
# ---------------------------------------------------------------------------------------------------------------------


def polygons(generator: torch.Generator) -> Iterator[Case]:
    triangle = torch.tensor([[0.1, 0.1], [0.9, 0.2], [0.4, 0.8]], dtype=torch.float64)
    for corners, points in ((triangle, 12), (triangle.flip(0), 15)):  # clockwise, then the other way
        yield {"polygon": corners + 0.1 * uniform(generator, 3, 2), "points": uniform(generator, points, 2)}
    for corners, points in ((7, 40), (5, 1), (9, 60)):  # tangles
        yield {"polygon": uniform(generator, corners, 2), "points": 1.6 * uniform(generator, points, 2) - 0.3}
    turn = torch.arange(5, dtype=torch.float64) * (4 * torch.pi / 5) + uniform(generator, 1)
    star = 0.5 + 0.45 * torch.stack([turn.cos(), turn.sin()], -1)  # goes around its middle twice
    yield {"polygon": star, "points": 0.5 + 0.1 * (uniform(generator, 10, 2) - 0.5)}
    doubled = uniform(generator, 4, 2)[[0, 1, 1, 2, 3]]  # one edge has no length
    yield {"polygon": doubled, "points": uniform(generator, 20, 2)}


def measured(
    polygon: Tensor,
    points: Tensor,
    *,
    closed: bool = True,
    ends: bool = True,
    safe: bool = True,
    inside: Callable[[Tensor], Tensor] = lambda turns: turns != 0,
    signs: tuple[int, int] = (-1, 1),
    power: int = 1,
) -> Tensor:
    """The signed distance; the options are what the mistakes change."""
    start = polygon[None]
    along = polygon.roll(-1, 0)[None] - start
    if not closed:
        start, along = start[:, :-1], along[:, :-1]
    to_point = points[:, None] - start
    squared = along.square().sum(-1)
    t = (to_point * along).sum(-1) / (squared.clamp(min=1e-300) if safe else squared)
    away = (to_point - (t.clamp(0, 1) if ends else t)[..., None] * along).norm(dim=-1)
    distance = away.amin(1) ** power
    return torch.where(inside(library.winding_number(polygon, points)), signs[0] * distance, signs[1] * distance)


def to_corners(polygon: Tensor, points: Tensor) -> Tensor:
    distance = (points[:, None] - polygon).norm(dim=-1).amin(1)
    return torch.where(library.winding_number(polygon, points) != 0, -distance, distance)


signed_distance = exercise(
    CHAPTER,
    "signed_distance",
    Forbidden("your code calls library.signed_distance: measure to each edge", functions=(library.signed_distance,)),
)(
    Formula(
        measured,
        polygons,
        what="your answer",
        wrong={
            "not closed": (
                partial(measured, closed=False),
                "the edge from the last corner back to the first is missing: polygon.roll(-1, 0) has the next corners",
            ),
            "no sign": (
                partial(measured, signs=(1, 1)),
                "right lengths, but nothing is negative: inside, d is below 0",
            ),
            "sign flipped": (partial(measured, signs=(1, -1)), "the signs are exchanged: inside is negative"),
            "endless lines": (
                partial(measured, ends=False),
                "an edge ends at its corners: clamp t to [0, 1] before you go along it",
            ),
            "to corners": (to_corners, "you measure to the corners only; the nearest point may lie within an edge"),
            "squared": (partial(measured, power=2), "these are squared distances: take the root"),
            "even-odd": (
                partial(measured, inside=lambda turns: turns % 2 != 0),
                "where the outline runs around twice, it is inside too: winding number not 0",
            ),
            "clockwise only": (
                partial(measured, inside=lambda turns: turns > 0),
                "a winding number of -1 is inside as well: not 0, instead of above 0",
            ),
            "nan": (
                partial(measured, safe=False),
                "two corners coincide, and your distances are NaN: the edge has no length, 0 / 0. Keep the divisor "
                "above 0",
            ),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 2: merge
# ---------------------------------------------------------------------------------------------------------------------


def stacks(generator: torch.Generator) -> Iterator[Case]:
    for count, height, width in ((2, 3, 4), (3, 2, 5), (1, 2, 2), (5, 3, 1)):
        layers = uniform(generator, count, 4, height, width)
        layers[:, 3, 0, 0] = 0  # nothing at all in this pixel
        layers[-1, 3, -1, -1] = 1 - 0.5 * uniform(generator, 1)
        yield {"layers": layers}


def merged(
    layers: Tensor,
    *,
    order: int = 1,
    divided: bool = True,
    multiplied: bool = True,
    safe: bool = True,
    alphas: Callable[[Tensor], Tensor] | None = None,
) -> Tensor:
    colour, alpha = torch.zeros_like(layers[0, :3]), torch.zeros_like(layers[0, 3:])
    for layer in layers if order == 1 else layers.flip(0):
        front, a = layer[:3], layer[3:]
        colour = (a * front if multiplied else front) + (1 - a) * colour
        alpha = a + (1 - a) * alpha
    if alphas is not None:
        colour, alpha = colour / alpha.clamp(min=1e-300) * alphas(layers), alphas(layers)
    if divided:
        colour = colour / (alpha.clamp(min=1e-300) if safe else alpha)
    return torch.cat([colour, alpha])


def all_channels(layers: Tensor) -> Tensor:
    """Alpha treated as a fourth colour."""
    picture = torch.zeros_like(layers[0])
    for layer in layers:
        picture = layer[3:] * layer + (1 - layer[3:]) * picture
    return picture


def straight_colours(layers: Tensor) -> Tensor:
    """Mixed as over opaque paper, with the right alpha beside it."""
    colour = layers[0, :3] * (layers[0, 3:] > 0)
    for layer in layers[1:]:
        colour = layer[3:] * layer[:3] + (1 - layer[3:]) * colour
    return torch.cat([colour, merged(layers)[3:]])


merge = exercise(
    CHAPTER,
    "merge",
    Forbidden("your code calls library.composite: write out the algebra", functions=(library.composite,)),
)(
    Formula(
        merged,
        stacks,
        what="the layer",
        wrong={
            "front to back": (
                partial(merged, order=-1),
                "the order is reversed: layers[0] lies at the back, the last one in front",
            ),
            "still premultiplied": (
                partial(merged, divided=False),
                "these colours are premultiplied: divide by the alpha of the result in the end",
            ),
            "taken for premultiplied": (
                partial(merged, multiplied=False),
                "you add the front colour whole: the layers are not premultiplied, so it counts alpha times",
            ),
            "nan": (
                partial(merged, safe=False),
                "where no layer is, your colour is 0 / 0: it shall be 0 there",
            ),
            "alpha as a colour": (
                all_channels,
                "alpha is no fourth colour: a + (1 - a) * b for alpha, and the colours weighted by what is seen",
            ),
            "straight colours": (
                straight_colours,
                "alpha is right, but a layer behind that is half transparent counts in the colour as if it were "
                "opaque: weigh it by its own alpha, too",
            ),
            "alphas added": (
                partial(merged, alphas=lambda layers: layers[:, 3:].sum(0).clamp(max=1)),
                "alphas do not add up: the layer behind only fills what the front lets through, a + (1 - a) * b",
            ),
            "largest alpha": (
                partial(merged, alphas=lambda layers: layers[:, 3:].amax(0)),
                "the largest alpha is too little: two layers hide more than one, a + (1 - a) * b",
            ),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 3: seen
# ---------------------------------------------------------------------------------------------------------------------


def alphas(generator: torch.Generator) -> Iterator[Case]:
    for count, height, width in ((3, 2, 3), (2, 4, 1), (1, 2, 2), (6, 3, 2)):
        some = uniform(generator, count, height, width)
        some[-1, 0, 0] = 1  # hides all that is behind it
        yield {"alphas": some}


def shares(
    alphas: Tensor,
    *,
    front: bool = True,
    own: bool = False,
    weighted: bool = True,
    paper: str = "first",
) -> Tensor:
    """Paper and layers; the options are what the mistakes change."""
    order = alphas.flip(0) if front else alphas
    lets = torch.cat([torch.ones_like(order[:1]), (1 - order).cumprod(0)])  # light that arrives at each, and at last
    light = lets[1:] if own else lets[:-1]
    found = order * light if weighted else light
    found = found.flip(0) if front else found
    rest = lets[-1:]
    return {"first": torch.cat([rest, found]), "last": torch.cat([found, rest]), "no": found}[paper]


def subtracted(alphas: Tensor) -> Tensor:
    """As if the layers in front never hid the same."""
    order = alphas.flip(0)
    before = torch.cat([torch.zeros_like(order[:1]), order.cumsum(0)])
    found = torch.minimum(order, (1 - before[:-1]).clamp(min=0)).flip(0)
    return torch.cat([(1 - before[-1:]).clamp(min=0), found])


def winner(alphas: Tensor) -> Tensor:
    found = shares(alphas)
    return torch.nn.functional.one_hot(found.argmax(0), len(found)).movedim(-1, 0).to(alphas.dtype)


def proportional(alphas: Tensor) -> Tensor:
    rest = (1 - alphas).prod(0, keepdim=True)
    return torch.cat([rest, (1 - rest) * alphas / alphas.sum(0)])


seen = exercise(CHAPTER, "seen")(
    Formula(
        shares,
        alphas,
        what="your answer",
        wrong={
            "back to front": (
                partial(shares, front=False),
                "you let the layers behind take their share first: begin with the last layer, which is in front",
            ),
            "hides itself": (
                partial(shares, own=True),
                "a layer does not stand in its own way: multiply by 1 - alpha of the layers in front only",
            ),
            "light only": (
                partial(shares, weighted=False),
                "this is the light that arrives at each layer; of it, the layer shows alpha",
            ),
            "paper missing": (
                partial(shares, paper="no"),
                "the layers are right, but the paper is missing: its share comes first",
            ),
            "paper last": (
                partial(shares, paper="last"),
                "right shares, but the paper comes first: it lies at the back",
            ),
            "subtracted": (
                subtracted,
                "you subtract what the layers in front hide; they hide a share each of what is left, so multiply",
            ),
            "winner takes all": (winner, "you give the whole pixel to one layer: return how much is seen of each"),
            "in proportion": (proportional, "you share in proportion to alpha, whatever lies in front of what"),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 4: which_painter
# ---------------------------------------------------------------------------------------------------------------------

PAINTERS = ("healthy", "front to back", "alpha twice", "added", "hard edges", "one colour late")
MYSTERIES = dict(zip("ABCDEF", ("hard edges", "added", "healthy", "alpha twice", "one colour late", "front to back")))


def sheet(painter: str, drawn: portraits.DrawnSet, size: int) -> Tensor:
    """Portraits as this painter makes them, [N, 3, H, W] in [-1, 1]."""
    picture, coats = layers(drawn.factors, size)
    if painter == "front to back":
        coats = coats[::-1]
    if painter == "one colour late":
        late = [coats[0].colour, *(coat.colour for coat in coats[:-1])]
        coats = [Layer(coat.alpha, colour, coat.part, coat.tint) for coat, colour in zip(coats, late, strict=True)]
    for coat in coats:
        alpha = coat.alpha[:, None]
        if painter == "hard edges":
            alpha = alpha.round()
        front = coat.colour * (alpha if painter == "alpha twice" else 1)
        picture = picture + alpha * front if painter == "added" else library.over(front, alpha, picture)
    return 2 * picture.clamp(0, 1) - 1


def mystery_sheets(count: int = 6, size: int = 64) -> dict[str, Tensor]:
    """Letter -> the same portraits [count, 3, size, size], each letter by another painter."""
    drawn = portraits.draw(count, size=size, seed=77)
    return {letter: sheet(painter, drawn, size) for letter, painter in MYSTERIES.items()}


LOOK_AGAIN = {
    ("hard edges", "healthy"): "look at the outline of its hair, and for its blush and shadows",
    (
        "hard edges",
        None,
    ): "its colours are right, but its outlines are staircases, and what should be faint is not there",
    ("added", None): "it is too bright, most of all where much lies over each other: what was not taken away?",
    ("healthy", None): "which fault do you see in it? Look at edges, shadows and fringes, one by one",
    ("alpha twice", "healthy"): "compare its soft places with the healthy sheet: every edge has a dark line around it",
    ("alpha twice", "hard edges"): "its edges are soft; they are dark, and so are its shadows",
    ("alpha twice", None): "its flat areas are right, and whatever is half transparent is too dark",
    (
        "one colour late",
        None,
    ): "its shapes are right and in the right order, but each wears a colour that you know from another part",
    ("front to back", None): "what you see of it lies at the back of a face",
}


@exercise(CHAPTER)
def which_painter(answer: Callable) -> None:
    """answer() -> letter -> one of PAINTERS, one a letter."""
    expect_words(answer(), MYSTERIES, PAINTERS, LOOK_AGAIN, once=True)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 5: counterparts. Any method will do; what counts is how often it is right
# ---------------------------------------------------------------------------------------------------------------------

SUMMER, NIGHT, WINTER = (
    {"season": season, "time": time} for season, time in (("summer", "day"), ("summer", "night"), ("winter", "day"))
)
TARGET = 0.9
TRIALS = (  # seed, size, what is asked for, in words
    (41, 32, NIGHT, "by night"),
    (42, 32, WINTER, "in winter"),
    (43, 48, NIGHT, "by night, at 48 pixels"),
)


def trial(seed: int, size: int, other: dict[str, str], count: int = 60) -> tuple[Tensor, Tensor, Tensor]:
    """Images of places in another light, summer days in another order, and where each one's own day is."""
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    queries = landscapes.draw(count, size=size, seed=seed, masks=False, **other).images
    among = landscapes.draw(count, size=size, seed=seed, masks=False, **SUMMER).images[order]
    return queries, among, order.argsort()


def share(got: Tensor, truth: Tensor) -> float:
    return (got == truth).double().mean().item()


def nearest_pixels(queries: Tensor, among: Tensor) -> Tensor:
    return torch.cdist(queries.flatten(1), among.flatten(1)).argmin(1)


def call_it_lost(got: Tensor, queries: Tensor, among: Tensor, truth: Tensor, words: str) -> None:
    """Name what made these answers miss the target."""
    count = len(truth)
    if ((got < 0) | (got >= count)).any():
        raise WrongAnswer(
            "no such place", f"you answer {got.min()} to {got.max()}; positions run from 0 to {count - 1}"
        )
    if share(got.argsort(), truth) >= TARGET and len(got.unique()) == count:
        words = "your answers say which query belongs to each day; wanted is the day for each query"
        raise WrongAnswer("the other way round", words)
    if torch.equal(got, torch.arange(count)):
        raise WrongAnswer("order kept", "you answer 0, 1, 2 ...: the days come in another order than the queries")
    if len(got.unique()) == 1 < count:
        raise WrongAnswer("one answer for all", "you give the same answer to every query")
    if share(got, nearest_pixels(queries, among)) > 0.8:
        hits = f"that finds {share(got, truth):.0%} {words}"
        raise WrongAnswer(
            "pixels as they are", f"you compare the pixels as they are, and {hits}: take the light out first"
        )
    if share(got, nearest_pixels(-queries, among)) > 0.8 or share(got, farthest(queries, among)) > 0.8:
        raise WrongAnswer(
            "farthest", "you take the place that is least alike: argmin of a distance, argmax of a likeness"
        )
    raise WrongAnswer("target missed", f"{share(got, truth):.0%} found {words}, the target is {TARGET:.0%}")


def farthest(queries: Tensor, among: Tensor) -> Tensor:
    return torch.cdist(queries.flatten(1), among.flatten(1)).argmax(1)


@exercise(CHAPTER)
def counterparts(answer: Callable) -> None:
    first = None
    for seed, size, other, words in TRIALS:
        queries, among, truth = trial(seed, size, other)
        got = answer(queries, among)
        expect_tensor(got, truth, "your result")
        if got.is_floating_point():
            raise WrongAnswer("dtype", "your result holds decimals, expected positions, int64: argmin gives them")
        if share(got, truth) >= TARGET:
            first = got if first is None else first
        elif first is not None and torch.equal(got, first):
            words = "right at first, but the same answer comes for other images"
            raise WrongAnswer("remembers", f"{words}: does it keep something from the call before?")
        elif size != TRIALS[0][1]:
            words = f"right at {TRIALS[0][1]} pixels; {share(got, truth):.0%} at {size}"
            raise WrongAnswer("one size only", f"{words}: take the size from the images")
        else:
            call_it_lost(got, queries, among, truth, words)
