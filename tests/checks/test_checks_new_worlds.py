"""Chapter 12's exercises: solutions and other styles pass, misconceptions in a second style get their own diagnosis."""

import pytest
import torch
from bank import Bank, BankTests, changed
from torch.nn import functional as F

from course_lib.checks.new_worlds import MYSTERIES, PAINTERS, mystery_sheets, trial
from course_lib.data import new_worlds as library

HEADS = {
    "signed_distance": "def signed_distance(polygon, points):",
    "merge": "def merge(layers):",
    "seen": "def seen(alphas):",
    "which_painter": "def which_painter():",
    "counterparts": "def counterparts(queries, among):",
}

DISTANCE = """
result = torch.empty(len(points), dtype=points.dtype)
turns = library.winding_number(polygon, points)
for i, p in enumerate(points):
    away = []
    for k in range(len(polygon)):
        a, b = polygon[k - 1], polygon[k]
        length = float((b - a) @ (b - a))
        t = float((p - a) @ (b - a)) / length if length > 0 else 0.0
        t = min(1.0, max(0.0, t))
        away.append((p - a - t * (b - a)).norm())
    result[i] = -min(away) if turns[i] != 0 else min(away)
return result
"""
MERGE = """
alpha, colour = layers[0, 3], layers[0, :3] * (layers[0, 3] > 0)
for front in layers[1:]:
    a, b = front[3], alpha * (1 - front[3])
    total = a + b
    safe = torch.where(total > 0, total, 1.0)
    colour = (a * front[:3] + b * colour) / safe
    alpha = total
return torch.cat([colour, alpha[None]])
"""
BORROWED = """
found = layers[0]
for layer in layers[1:]:
    found = library.composite(layer, found)
return found
"""
SEEN = """
shares = torch.empty(len(alphas) + 1, *alphas.shape[1:], dtype=alphas.dtype)
for k in range(len(alphas)):
    shares[k + 1] = alphas[k] * torch.prod(1 - alphas[k + 1 :], dim=0)
shares[0] = torch.prod(1 - alphas, dim=0)
return shares
"""
LOOK = """
def look(images):
    left = images - images.mean(3, keepdim=True)
    return left.flatten(1) / left.flatten(1).norm(dim=1, keepdim=True)
return torch.cdist(look(queries), look(among)).argmin(1)
"""
ANSWER = f"return {MYSTERIES}"


def said(**changes: str) -> str:
    return f"return {MYSTERIES | changes}"


def over_all_edges(polygon, points):
    start, along = polygon[:, None], (polygon.roll(-1, 0) - polygon)[:, None]
    t = ((points - start) * along).sum(-1) / along.square().sum(-1).clamp(min=1e-30)
    away = (points - start - t.clamp(0, 1)[..., None] * along).norm(dim=-1).amin(0)
    return away * torch.where(library.winding_number(polygon, points) == 0, 1.0, -1.0).double()


def by_shares(layers):
    through = torch.cat([(1 - layers[1:, 3]).flip(0).cumprod(0).flip(0), torch.ones_like(layers[:1, 3])])
    weight = layers[:, 3] * through
    alpha = weight.sum(0)
    colour = (weight[:, None] * layers[:, :3]).sum(0) / alpha.clamp(min=1e-30)
    return torch.cat([colour, alpha[None]])


def from_the_front(alphas):
    light, found = torch.ones_like(alphas[0]), []
    for alpha in reversed(list(alphas)):
        found.insert(0, light * alpha)
        light = light - found[0]
    return torch.stack([light, *found])


def by_edges(queries, among):
    def edges(images):
        across = images.diff(dim=3)[:, :, :-1].abs().sum(1)
        down = images.diff(dim=2)[:, :, :, :-1].abs().sum(1)
        return F.normalize(torch.stack([across, down], 1).flatten(1).sqrt(), dim=1)

    return (edges(queries) @ edges(among).T).argmax(1)


RIGHT = {
    "signed_distance": [DISTANCE, over_all_edges],
    "merge": [MERGE, by_shares],
    "seen": [SEEN, from_the_front],
    "which_painter": [ANSWER, "words = {k: v for k, v in [*pairs.items()][::-1]}\nreturn words"],
    "counterparts": [LOOK, by_edges],
}


# ---------------------------------------------------------------------------------- wrong answers in a second style


def first_distances(polygon, points, kept={}):  # noqa: B006 (that is the mistake)
    return kept.setdefault((polygon.shape, points.shape), over_all_edges(polygon, points))


def first_places(queries, among, kept={}):  # noqa: B006 (that is the mistake)
    return kept.setdefault(queries.shape[2:], by_edges(queries, among))


def all_but_one_size(queries, among):
    return by_edges(queries, among) if queries.shape[2] == 32 else torch.zeros(len(queries)).long()


WRONG = [
    ("signed_distance", "not closed", changed(DISTANCE, "range(len(polygon))", "range(1, len(polygon))")),
    ("signed_distance", "no sign", changed(DISTANCE, "-min(away)", "min(away)")),
    ("signed_distance", "clockwise only", changed(DISTANCE, "turns[i] != 0", "turns[i] > 0")),
    ("signed_distance", "even-odd", changed(DISTANCE, "turns[i] != 0", "turns[i] % 2")),
    ("signed_distance", "endless lines", changed(DISTANCE, "min(1.0, max(0.0, t))", "t")),
    ("signed_distance", "borrowed", "return library.signed_distance(polygon, points)"),
    ("signed_distance", "remembers", first_distances),
    ("signed_distance", "dtype", changed(DISTANCE, "dtype=points.dtype", "dtype=torch.float32")),
    ("merge", "nan", changed(MERGE, "torch.where(total > 0, total, 1.0)", "total", " * (layers[0, 3] > 0)", "")),
    (
        "merge",
        "straight colours",
        changed(MERGE, "(a * front[:3] + b * colour) / safe", "a * front[:3] + (1 - a) * colour"),
    ),
    ("merge", "front to back", "layers = layers.flip(0)" + MERGE),
    ("merge", "borrowed", BORROWED),
    ("seen", "hides itself", changed(SEEN, "alphas[k + 1 :]", "alphas[k:]")),
    ("seen", "back to front", changed(SEEN, "alphas[k + 1 :]", "alphas[:k]")),
    ("seen", "light only", changed(SEEN, "alphas[k] * ", "")),
    ("seen", "paper missing", changed(SEEN, "return shares", "return shares[1:]")),
    ("seen", "changes its input", "alphas *= 0.5\nalphas *= 2.5\n" + SEEN),
    ("which_painter", "hard edges taken for healthy", said(A="healthy", C="hard edges")),
    ("which_painter", "alpha twice taken for one colour late", said(D="one colour late", E="alpha twice")),
    ("which_painter", "added taken for front to back", said(B="front to back", F="added")),
    ("which_painter", "unknown word", said(A="rough")),
    ("which_painter", "letter missing", "return {'A': 'healthy'}"),
    ("which_painter", "word twice", said(A="healthy")),
    ("which_painter", "type", "return 'healthy'"),
    ("counterparts", "pixels as they are", "return torch.cdist(queries.flatten(1), among.flatten(1)).argmin(1)"),
    ("counterparts", "order kept", "return torch.arange(len(queries))"),
    ("counterparts", "one answer for all", "return torch.full((len(queries),), 3)"),
    ("counterparts", "the other way round", "queries, among = among, queries\n" + LOOK),
    ("counterparts", "farthest", "return torch.cdist(queries.flatten(1), among.flatten(1)).argmax(1)"),
    ("counterparts", "no such place", "return torch.arange(len(queries)) + 1"),
    ("counterparts", "target missed", "return torch.arange(len(queries)).flip(0)"),
    ("counterparts", "one size only", all_but_one_size),
    ("counterparts", "remembers", first_places),
    ("counterparts", "dtype", changed(LOOK, "argmin(1)", "argmin(1).double()")),
    ("counterparts", "shape", changed(LOOK, "argmin(1)", "argmin(1)[:, None]")),
]


class TestBank(BankTests):
    bank = Bank("12_new_worlds", HEADS, RIGHT, WRONG, space={"library": library, "pairs": MYSTERIES})


def test_the_six_sheets_show_the_same_people_and_differ():
    sheets = mystery_sheets(count=2, size=32)
    assert set(MYSTERIES.values()) == set(PAINTERS)
    assert sheets.keys() == MYSTERIES.keys()
    pictures = list(sheets.values())
    assert all(not torch.equal(a, b) for k, a in enumerate(pictures) for b in pictures[k + 1 :])
    assert all(picture.abs().max() <= 1 for picture in pictures)


@pytest.mark.parametrize("other", [{"season": "summer", "time": "night"}, {"season": "winter", "time": "day"}])
def test_a_trial_has_every_place_once(other):
    queries, among, truth = trial(3, 16, other, count=10)
    assert sorted(truth.tolist()) == list(range(10))
    assert queries.shape == among.shape == (10, 3, 16, 16)
    assert torch.equal(trial(3, 16, {"season": "summer", "time": "day"}, count=10)[0], among[truth])
