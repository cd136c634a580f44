"""Checks of chapter 8: a class beside the noise, the projection's logit, digits to order, the table of orders, and what
such a table says of a training.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.checks.core import exercise
from course_lib.checks.formula import Case, Formula, Sight, normal
from course_lib.checks.spies import Spy, Traces, refuse_training, with_numbers
from course_lib.checks.verdict import WrongAnswer
from course_lib.training.model import evaluating

CHAPTER = "08_conditional_gan"

FIRST_FOR_ALL = "every image gets the first label's row: take one row per image, table[labels]"
IN_TURN = "you take the table's rows in turn, whatever was ordered: labels says which row goes to which image"
COLUMNS = "you took columns of the table: class k is row k, table[k]"


def in_turn(table: Tensor, count: int) -> Tensor:
    return table[torch.arange(count) % len(table)]


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 1: condition
# ---------------------------------------------------------------------------------------------------------------------

BATCHES = [(64, 5, 4, 3), (37, 5, 4, 3), (9, 6, 6, 6), (7, 3, 5, 5), (1, 2, 3, 4)]  # images, latent, classes, width


def batches(generator: torch.Generator) -> Iterator[Case]:
    for count, latent, classes, width in BATCHES:
        labels = torch.randint(classes, (count,), generator=generator)
        noise, table = normal(generator, count, latent), normal(generator, classes, width)
        yield {"noise": noise, "labels": labels, "table": table}


def beside(noise: Tensor, rows: Tensor) -> Tensor:
    """The rows, or one row for all, to the right of the noise."""
    return torch.cat([noise, rows.expand(len(noise), -1)], dim=1)


condition = exercise(CHAPTER, "condition")(
    Formula(
        lambda noise, labels, table: beside(noise, table[labels]),
        batches,
        leaves=("noise", "table"),
        wrong={
            "first label for all": (lambda noise, labels, table: beside(noise, table[labels[:1]]), FIRST_FOR_ALL),
            "labels ignored": (lambda noise, labels, table: beside(noise, in_turn(table, len(noise))), IN_TURN),
            "summed over the batch": (
                lambda noise, labels, table: beside(noise, table[labels].sum(dim=0)),
                "every image gets the sum of all rows in the batch: each gets only the row of its own label",
            ),
            "averaged over the batch": (
                lambda noise, labels, table: beside(noise, table[labels].mean(dim=0)),
                "every image gets the mean row of the batch: each gets only the row of its own label",
            ),
            "labels as numbers": (
                lambda noise, labels, table: beside(noise, labels[:, None].to(noise)),
                "you put the label itself beside the noise, as if a 7 were more than a 3: put the label's row of the "
                "table",
            ),
            "one-hot, table unused": (
                lambda noise, labels, table: beside(noise, F.one_hot(labels, len(table)).to(noise)),
                "you put the one-hot row beside the noise and left the table out: one_hot @ table is the row you want",
            ),
            "class first": (
                lambda noise, labels, table: torch.cat([table[labels], noise], dim=1),
                "the halves are swapped: first the noise, then the class's row",
            ),
            "noise left out": (
                lambda noise, labels, table: table[labels],
                "only the class is left: without the noise every 7 would be the same 7",
            ),
            "class left out": (
                lambda noise, labels, table: noise.clone(),
                "you return the noise alone: the class's row belongs beside it",
            ),
            "added": (
                lambda noise, labels, table: noise + table[labels],
                "you added the class's row to the noise: put it beside, so L + D columns",
            ),
            "below each other": (
                lambda noise, labels, table: torch.cat([noise, table[labels]]),
                "you stacked the rows below the noise, 2 N rows: put them beside it with torch.cat(..., dim=1)",
            ),
            "table transposed": (lambda noise, labels, table: beside(noise, table.T[labels]), COLUMNS),
        },
        stops={
            "fixed batch": (
                lambda case: len(case["noise"]) != BATCHES[0][0],
                f"it works for a batch of {BATCHES[0][0]} and stops with one of {{noise.shape[0]}}: take the number of "
                "rows from noise",
            ),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 2: projection_logits
# ---------------------------------------------------------------------------------------------------------------------

HEADS = [(5, 5, 4), (6, 3, 3), (6, 7, 5), (4, 3, 9), (3, 1, 2), (1, 4, 2)]  # images, features, classes


def heads(generator: torch.Generator) -> Iterator[Case]:
    for count, width, classes in HEADS:
        labels = torch.randint(classes, (count,), generator=generator)
        labels[-1] = labels[0]  # a row that two images use
        features, weight = normal(generator, count, width), normal(generator, width)
        bias, table = normal(generator, 1)[0], normal(generator, classes, width)
        yield {"features": features, "labels": labels, "weight": weight, "bias": bias, "table": table}


def free(h: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """The part of the logit that no label changes."""
    return h @ w + b


def own(h: Tensor, rows: Tensor) -> Tensor:
    return (h * rows).sum(dim=1)


def logit(h: Tensor, y: Tensor, w: Tensor, b: Tensor, e: Tensor) -> Tensor:
    return free(h, w, b) + own(h, e[y])


def has_shape(axes: Callable[[Case], tuple[int, int]]) -> Callable[[Case, Sight, Sight], bool]:
    return lambda case, got, right: isinstance(got.value, Tensor) and got.value.shape == axes(case)


projection_logits = exercise(CHAPTER, "projection_logits")(
    Formula(
        logit,
        heads,
        leaves=("features", "weight", "bias", "table"),
        wrong={  # with the letters of the equation: h, y, w, b, e
            "no class part": (
                lambda h, y, w, b, e: free(h, w, b),
                "you left out e(y) · h, so the label has no say: add it to w · h + b",
            ),
            "only the class part": (
                lambda h, y, w, b, e: own(h, e[y]),
                "you left out w · h + b: add it to e(y) · h",
            ),
            "no bias": (lambda h, y, w, b, e: logit(h, y, w, 0, e), "you left out the bias: w · h + b + e(y) · h"),
            "bias twice": (
                lambda h, y, w, b, e: logit(h, y, w, 2 * b, e),
                "you added the bias twice: it belongs to w · h alone",
            ),
            "bias per feature": (
                lambda h, y, w, b, e: logit(h, y, w, len(w) * b, e),
                "the bias came inside the sum over features, so it counts F times: add it once, after the sum",
            ),
            "summed over the batch": (
                lambda h, y, w, b, e: free(h, w, b) + own(h, e[y]).sum(),
                "e(y) · h was summed over features and images: sum over dim=1 only, one number per image",
            ),
            "embedding summed over the batch": (
                lambda h, y, w, b, e: free(h, w, b) + h @ e[y].sum(dim=0),
                "every image meets the sum of all orders' rows: each meets only the row of its own label",
            ),
            "mean over features": (
                lambda h, y, w, b, e: free(h, w, b) + own(h, e[y]) / len(w),
                "you took the mean over the features in e(y) · h: a dot product is a sum",
            ),
            "means in both": (
                lambda h, y, w, b, e: (h * (w + e[y])).mean(dim=1) + b,
                "you took means over the features: a dot product is a sum",
            ),
            "first label for all": (lambda h, y, w, b, e: free(h, w, b) + h @ e[y[0]], FIRST_FOR_ALL),
            "labels ignored": (lambda h, y, w, b, e: free(h, w, b) + own(h, in_turn(e, len(h))), IN_TURN),
            "label as a number": (
                lambda h, y, w, b, e: free(h, w, b) + y,
                "you added the label itself, as if a 7 were more than a 3: it chooses a row of the table",
            ),
            "label times": (
                lambda h, y, w, b, e: free(h, w, b) * y,
                "you multiplied by the label itself, as if a 7 were more than a 3: it chooses a row of the table",
            ),
            "a bias per class": (
                lambda h, y, w, b, e: free(h, w, b) + e[y].sum(dim=1),
                "you added e(y) without the features: then no image can fit its label better than another; multiply "
                "by h",
            ),
            "weights multiplied": (
                lambda h, y, w, b, e: own(h, w * e[y]) + b,
                "you multiplied w with e(y): the two dot products are added",
            ),
            "sigmoid": (
                lambda h, y, w, b, e: logit(h, y, w, b, e).sigmoid(),
                "you applied the sigmoid: return the logit, the loss has its own sigmoid",
            ),
            "log-sigmoid": (
                lambda h, y, w, b, e: F.logsigmoid(logit(h, y, w, b, e)),
                "you applied log-sigmoid: return the logit, the loss does the rest",
            ),
            "softmax": (
                lambda h, y, w, b, e: logit(h, y, w, b, e).softmax(dim=0),
                "you applied a softmax over the batch: return the logits as they are",
            ),
            "wrong sign": (
                lambda h, y, w, b, e: free(h, w, b) - own(h, e[y]),
                "you subtracted e(y) · h: add it",
            ),
            "wrong axis": (
                lambda h, y, w, b, e: free(h, w, b) + (h * e[y]).sum(dim=0),
                "you summed over the images: the sum of e(y) · h runs over the features, dim=1",
            ),
            "table transposed": (lambda h, y, w, b, e: logit(h, y, w, b, e.T), COLUMNS),
            "w · h teaches no features": (
                lambda h, y, w, b, e: free(h.detach(), w, b) + own(h, e[y]),
                "right numbers, but in w · h the features are a constant to autograd: no .detach() there",
            ),
            "e(y) · h teaches no features": (
                lambda h, y, w, b, e: free(h, w, b) + own(h.detach(), e[y]),
                "right numbers, but in e(y) · h the features are a constant to autograd: no .detach() there",
            ),
        },
        signs={
            "column": (
                has_shape(lambda case: (len(case["labels"]), 1)),
                "you return [N, 1], expected [N]: one number per image, no columns",
            ),
            "every pair": (
                has_shape(lambda case: (len(case["labels"]), len(case["labels"]))),
                "you return [N, N]: a column [N, 1] met a row [N], or each image met all labels; only its own counts",
            ),
            "all classes": (
                has_shape(lambda case: (len(case["labels"]), len(case["table"]))),
                "you return a logit for each class, [N, K]: each image has one order, so one logit",
            ),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 3: sample_to_order
# ---------------------------------------------------------------------------------------------------------------------

ORDERS = [  # hands, orders, whether the generator comes in train mode
    (3, [2, 0, 2, 6], True),
    (4, [7, 1, 5, 8], False),
    (5, [3], True),
    (1, [4, 4, 0], False),
    (2, [8, 3, 5], True),
]


class Beside(nn.Module):
    """A painter's first layer: the class's row of a table beside the noise."""

    def __init__(self, classes: int, width: int):
        super().__init__()
        self.table = nn.Embedding(classes, width)

    def forward(self, both: tuple[Tensor, Tensor]) -> Tensor:
        noise, labels = both
        return torch.cat([noise, self.table(labels)], dim=1)


def painter(generator: torch.Generator, training: bool) -> Spy:
    """A small labelled generator: noise [N, 3], labels [N] from 0 to 8 -> images [N, 2, 3, 5]."""
    layers = (
        Beside(9, 2),
        nn.Linear(5, 30),
        nn.BatchNorm1d(30),
        nn.Tanh(),
        nn.Linear(30, 30),
        nn.Unflatten(1, (2, 3, 5)),
    )
    return with_numbers(Spy(*layers), generator).train(training)


def sheets(generator: torch.Generator) -> Iterator[Case]:
    for hands, orders, training in ORDERS:
        made, noise = painter(generator, training), normal(generator, hands, 3)
        yield {"generator": made, "noise": noise, "orders": torch.tensor(orders)}


def sheet(
    generator: nn.Module, noise: Tensor, orders: Tensor, *, noise_in_turn: bool = False, orders_in_turn: bool = True
) -> Tensor:
    """A sheet; in turn is a, b, a, b, otherwise a, a, b, b."""
    hands, columns = len(noise), len(orders)
    rows = noise.repeat(columns, 1) if noise_in_turn else noise.repeat_interleave(columns, dim=0)
    labels = orders.repeat(hands) if orders_in_turn else orders.repeat_interleave(hands)
    with evaluating(generator):
        return generator(rows, labels).unflatten(0, (hands, columns))


def manners(answer: Callable) -> None:
    """In eval mode, without gradients, from the noise that was given, and everything left as it was found."""
    generator = torch.Generator().manual_seed(28)
    for training, mode in ((True, True), (False, True), (True, False)):
        network, noise, orders = painter(generator, training), normal(generator, 3, 3), torch.tensor([2, 0, 2, 6])
        traces = Traces(network, "the generator")
        with torch.set_grad_enabled(mode):
            got = answer(network, noise, orders)
            if not network.calls:
                raise WrongAnswer("not called", "the generator was never called: images = generator(noise, labels)")
            refuse_training(network.calls, got)
            traces.refuse()
            again = answer(network, noise, orders)
        if isinstance(got, Tensor) and not torch.equal(got, again):
            raise WrongAnswer("fresh noise", "two calls give two grids: use the noise you are given, one row per hand")


sample_to_order = exercise(CHAPTER, "sample_to_order")(
    Formula(
        sheet,
        sheets,
        first=(manners,),
        wrong={
            "rows and columns swapped": (
                lambda generator, noise, orders: sheet(generator, noise, orders).transpose(0, 1),
                "rows and columns are swapped: one row per hand, one column per order",
            ),
            "both repeated": (
                partial(sheet, noise_in_turn=True),
                "noise and orders are repeated in the same way, so the hand changes within a row: repeat_interleave "
                "keeps a hand for a whole row, repeat goes through the orders",
            ),
            "both interleaved": (
                partial(sheet, orders_in_turn=False),
                "noise and orders are interleaved in the same way, so most pairs never meet: repeat_interleave the "
                "noise, repeat the orders",
            ),
            "wrong way round": (
                partial(sheet, noise_in_turn=True, orders_in_turn=False),
                "you interleaved the orders and repeated the noise, then read the result in rows: interleave the noise",
            ),
            "column number": (
                lambda generator, noise, orders: sheet(generator, noise, torch.arange(len(orders))),
                "column j draws class j: it should draw the class orders[j]",
            ),
            "orders sorted": (
                lambda generator, noise, orders: sheet(generator, noise, orders.sort().values),
                "keep the orders as they are, unsorted",
            ),
            "one hand for all": (
                lambda generator, noise, orders: sheet(generator, noise[:1].expand_as(noise), orders),
                "all rows are drawn by the first hand: row i uses noise[i]",
            ),
            "first order for all": (
                lambda generator, noise, orders: sheet(generator, noise, orders[:1].expand_as(orders)),
                "all columns hold the first order: column j is of class orders[j]",
            ),
        },
        signs={
            "not in rows": (
                lambda case, got, right: getattr(got.value, "shape", ()) == right.value.flatten(0, 1).shape,
                "you return all images in one row: make it [hands, orders, C, height, width], for instance with "
                ".unflatten(0, (hands, orders))",
            ),
        },
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 4: order_table
# ---------------------------------------------------------------------------------------------------------------------

READINGS = [  # images, classes, classes that were ordered, how far the logits are from 0
    (4, 4, 2, 0),
    (60, 4, 4, 0),
    (5, 5, 5, 0),
    (83, 7, 6, -99),
    (1, 3, 3, 0),
    (40, 6, 5, 60),  # a sigmoid calls them all 1
    (30, 4, 4, 1e9),  # float32 holds them for equal
    (700, 2, 2, 0),  # more in one cell than small integers can count
]


def readings(generator: torch.Generator) -> Iterator[Case]:
    for count, classes, ordered, away in READINGS:
        orders = torch.randperm(max(count, ordered), generator=generator)[:count] % ordered  # each class, where it fits
        logits = normal(generator, count, classes) + 1.5 * F.one_hot(orders, classes)
        if ordered < classes:
            logits[:, -1] = -9.0  # the last class is neither ordered nor read
        yield {"logits": logits + away, "orders": orders}


def counted(rows: Tensor, columns: Tensor, classes: int) -> Tensor:
    return (rows * classes + columns).bincount(minlength=classes**2).reshape(classes, classes)


def table_of(logits: Tensor, orders: Tensor) -> Tensor:
    return counted(orders, logits.argmax(dim=1), logits.shape[1])


def by_order(logits: Tensor, orders: Tensor) -> Tensor:
    """[classes, classes]: the logits of all images that were ordered alike, added up."""
    return F.one_hot(orders, logits.shape[1]).to(logits).T @ logits


def without_last(logits: Tensor, orders: Tensor) -> Tensor:
    table, seen = table_of(logits, orders), int(torch.maximum(orders.max(), logits.argmax(dim=1).max())) + 1
    return table[:seen, :seen]


def shares(logits: Tensor, orders: Tensor, least: int = 1) -> Tensor:
    return table_of(logits, orders) / table_of(logits, orders).sum(dim=1, keepdim=True).clamp(min=least)


def too_small(case: Case, got: Sight, right: Sight) -> bool:
    return isinstance(got.value, Tensor) and got.value.ndim == 2 and min(got.value.shape) < len(right.value)


TOO_SMALL = (
    "your table is too small: a class that never came keeps its row and column of zeros, logits.shape[1] says how many "
    "there are"
)
order_table = exercise(CHAPTER, "order_table")(
    Formula(
        table_of,
        readings,
        what="your table",
        wrong={
            "transposed": (
                lambda logits, orders: table_of(logits, orders).T,
                "the table is turned: the row is what was ordered, the column what was read",
            ),
            "duplicates lost": (
                lambda logits, orders: table_of(logits, orders).clamp(max=1),
                "each cell counts once at most: table[orders, read] += 1 adds 1 to a cell however often it is named; "
                "use index_put_(..., accumulate=True), bincount or a loop",
            ),
            "soft counts": (
                lambda logits, orders: by_order(logits.softmax(dim=1), orders),
                "you added up probabilities: each image counts as 1, in the column of its argmax",
            ),
            "logits added up": (
                by_order,
                "you added up logits: each image counts as 1, in the column of its argmax",
            ),
            "shares of rows": (shares, "you divided by the rows' sums: return the counts"),
            "shares of rows, 0 / 0": (partial(shares, least=0), "you divided by the rows' sums: return the counts"),
            "shares of all": (
                lambda logits, orders: table_of(logits, orders) / len(orders),
                "you divided by the number of images: return the counts",
            ),
            "only the right ones": (
                lambda logits, orders: table_of(logits, orders).diag().diag(),
                "you counted only what was read as ordered: count mistakes too",
            ),
            "only the mistakes": (
                lambda logits, orders: table_of(logits, orders).fill_diagonal_(0),
                "you left the diagonal out: count what is right as well",
            ),
            "orders twice": (
                lambda logits, orders: counted(orders, orders, logits.shape[1]),
                "you counted the orders against themselves: the column is what the judge reads, logits.argmax(dim=1)",
            ),
            "readings twice": (
                lambda logits, orders: table_of(logits, logits.argmax(dim=1)),
                "you counted the readings against themselves: the row is what was ordered",
            ),
            "argmin": (
                lambda logits, orders: table_of(-logits, orders),
                "you took the smallest logit: the largest names it",
            ),
            "rare class left out": (without_last, TOO_SMALL),
            "argmax over the batch": (
                lambda logits, orders: counted(orders, logits.argmax(dim=0), logits.shape[1]),
                "your argmax runs over the images: each image's reading is its largest of K logits, dim=1",
            ),
            "sigmoid first": (
                lambda logits, orders: table_of(logits.sigmoid(), orders),
                "a sigmoid makes all large logits 1, and none is the largest: read from the logits themselves",
            ),
            "read in float32": (
                lambda logits, orders: table_of(logits.float(), orders),
                "in float32 large logits become equal, and none is the largest: read them as they are",
            ),
            "only positive logits": (
                lambda logits, orders: table_of(logits.clamp(min=0), orders),
                "where all logits are negative you read class 0: the largest one counts, whatever its sign",
            ),
            "small integers": (
                lambda logits, orders: table_of(logits, orders).to(torch.uint8).long(),
                "where an entry is large your count begins again at 0: small integers overflow; count in int64",
            ),
        },
        signs={"rare class left out": (too_small, TOO_SMALL)},
    )
)


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 5: what_went_wrong
# ---------------------------------------------------------------------------------------------------------------------

WORDS = ("healthy", "orders ignored", "label noise", "shifted", "exchanged", "collapsed")
ERROR = 0.01  # share of images that the judge misreads
Diagnosis = tuple[str, float | None]


def readings_of(word: str, classes: int, share: float, generator: torch.Generator) -> Tensor:
    """float64 [classes, classes]: how often each class is read (column) for each order (row), after the mistake."""
    pairs = torch.rand(classes, classes, generator=generator, dtype=torch.float64)
    judge = (1 - ERROR) * torch.eye(classes, dtype=torch.float64) + ERROR * pairs / pairs.sum(dim=1, keepdim=True)
    one, other = torch.randperm(classes, generator=generator)[:2].tolist()
    if word == "orders ignored":
        drawn = 1 + torch.rand(classes, generator=generator, dtype=torch.float64)  # it draws some more than others
        return (drawn / drawn.sum() @ judge).expand(classes, -1)
    if word == "label noise":
        return (1 - share) * judge + share * judge.mean(dim=0)
    if word == "shifted":
        return judge.roll(int(torch.randint(1, classes, (), generator=generator)), dims=0)
    if word == "exchanged":
        judge[[one, other]] = judge[[other, one]]
    elif word == "collapsed":
        judge[one] = judge[other]
    return judge


def counted_orders(word: str, classes: int, share: float, each: int, generator: torch.Generator) -> Tensor:
    """int64 [classes, classes]: the table for `each` orders of every class."""
    shares = readings_of(word, classes, share, generator)
    read = shares.multinomial(each, replacement=True, generator=generator)
    return torch.stack([row.bincount(minlength=classes) for row in read])


def mystery_tables(classes: int = 10, each: int = 200) -> dict[str, Tensor]:
    """Letter -> table, one for each word, in an order that is drawn."""
    generator = torch.Generator().manual_seed(8)
    order = torch.randperm(len(WORDS), generator=generator).tolist()
    return {
        letter: counted_orders(WORDS[k], classes, 0.4, each, generator)
        for letter, k in zip("ABCDEF", order, strict=True)
    }


NOISES = [(10, 0.3), (4, 0.4), (5, 0.7), (12, 0.2), (3, 0.6), (8, 0.5)]  # classes, share


def tables(generator: torch.Generator) -> Iterator[Case]:
    """Every word with several numbers of classes, in an order that is drawn: nobody is to guess by counting."""
    cases = [("label noise", classes, share) for classes, share in NOISES]
    cases += [(word, classes, 0.0) for word in WORDS if word != "label noise" for classes in (10, 5, 7)]
    for place in torch.randperm(len(cases), generator=generator).tolist():
        yield {"table": counted_orders(*cases[place], 2000, generator)}


def noise_share(table: Tensor) -> float:
    """From the share as ordered, 1 - s + s / K."""
    classes = len(table)
    wrong = 1 - float(table.trace() / table.sum())
    return round(wrong * classes / (classes - 1), 1)


def diagnosis_of(
    table: Tensor, share: Callable[[Tensor], float | None] = noise_share, *, enough: float = 0.9, alike: float = 0.1
) -> Diagnosis:
    """enough: the share as ordered of a healthy generator; alike: how far rows of the same shares lie apart."""
    shares = table / table.sum(dim=1, keepdim=True)
    most, own = shares.argmax(dim=1), torch.arange(len(table))
    if float(shares.diag().min()) > enough:
        return "healthy", None
    if float((shares - shares.mean(dim=0)).abs().max()) < alike:
        return "orders ignored", None
    if torch.equal(most, own):
        return "label noise", share(table)
    if len(((most - own) % len(table)).unique()) == 1:
        return "shifted", None
    return ("exchanged" if torch.equal(most[most], own) else "collapsed"), None


def confusing(**names: str) -> Callable:
    """Right, but for some words, given with _ for a space."""
    swapped = {name.replace("_", " "): word for name, word in names.items()}

    def diagnose(table: Tensor) -> Diagnosis:
        word, share = diagnosis_of(table)
        said = swapped.get(word, word)
        return said, noise_share(table) if said == "label noise" else None if said != word else share

    return diagnose


def a_pair(value: Any) -> Diagnosis:
    """The answer as a word and a float or None; a tensor or NumPy number counts as a float."""
    if not isinstance(value, tuple | list) or len(value) != 2:
        raise WrongAnswer(
            "type", 'expected a pair, a word and a share: return "label noise", 0.3, or return "healthy", None'
        )
    word, share = value
    if word not in WORDS:
        raise WrongAnswer("unknown word", f"{word!r:.30} is none of the six words: {', '.join(WORDS)}")
    return word, None if share is None else round(float(share), 6)


what_went_wrong = exercise(CHAPTER, "what_went_wrong")(
    Formula(
        diagnosis_of,
        tables,
        what="your diagnosis",
        read=a_pair,
        wrong={
            "chance forgotten": (
                partial(diagnosis_of, share=lambda table: round(1 - float(table.trace() / table.sum()), 1)),
                "your s is the share that is not as ordered: a label drawn at random is right by chance once in K, so "
                "more labels were replaced than that",
            ),
            "share of the right ones": (
                partial(diagnosis_of, share=lambda table: round(float(table.trace() / table.sum()), 1)),
                "your s is the share that is as ordered: s is the share of labels that were replaced",
            ),
            "chance the wrong way": (
                partial(
                    diagnosis_of,
                    share=lambda table: round(
                        (1 - float(table.trace() / table.sum())) * (len(table) - 1) / len(table), 1
                    ),
                ),
                "you multiply by (K - 1) / K: solve 1 - s + s / K for s once more",
            ),
            "ten classes": (
                partial(diagnosis_of, share=lambda table: round((1 - float(table.trace() / table.sum())) * 10 / 9, 1)),
                "your s is right for ten classes only: here are {table.shape[0]}",
            ),
            "not rounded": (
                partial(
                    diagnosis_of,
                    share=lambda table: (1 - float(table.trace() / table.sum())) * len(table) / (len(table) - 1),
                ),
                "your s is right, but for the rounding: one decimal, round(s, 1)",
            ),
            "no share": (
                partial(diagnosis_of, share=lambda table: None),
                "label noise is right: say how much of it, too",
            ),
            "noise taken for healthy": (
                confusing(label_noise="healthy"),
                "every order here is mostly read as ordered, but far from always: look at how high the diagonal is, "
                "not only at which column is the highest",
            ),
            "noise taken for orders ignored": (
                confusing(label_noise="orders ignored"),
                "many orders go wrong here, but not blindly: are the rows of this table all alike?",
            ),
            "orders ignored taken for noise": (
                confusing(orders_ignored="label noise"),
                "here the order changes nothing, all rows are alike up to chance: with label noise of any s below 1 "
                "the diagonal still stands out",
            ),
            "orders ignored taken for collapsed": (
                confusing(orders_ignored="collapsed"),
                "here no row differs from another by more than chance: collapsed means one class, while the others are "
                "drawn as ordered",
            ),
            "exchanged taken for shifted": (
                confusing(exchanged="shifted"),
                "only two rows are off here: a shift moves every row, and by the same number of columns",
            ),
            "shifted taken for exchanged": (
                confusing(shifted="exchanged"),
                "here every row is off, and all by the same number of columns: an exchange moves two rows",
            ),
            "collapsed taken for exchanged": (
                confusing(collapsed="exchanged"),
                "here one row is off and its column is empty: after an exchange two rows are off, each in the other's "
                "column",
            ),
            "exchanged taken for collapsed": (
                confusing(exchanged="collapsed"),
                "here two rows are off, and no column is empty: both classes are drawn, for the wrong orders",
            ),
            "collapsed taken for noise": (
                confusing(collapsed="label noise"),
                "all mistakes of this table stand in one row and one column: label noise spreads them evenly",
            ),
            "exchanged taken for noise": (
                confusing(exchanged="label noise"),
                "all mistakes of this table stand in two rows, in one column each: label noise spreads them evenly",
            ),
            "shifted taken for noise": (
                confusing(shifted="label noise"),
                "every row of this table is nearly all in one column: label noise spreads the mistakes evenly",
            ),
            "always healthy": (
                lambda table: ("healthy", None),
                "you call every table healthy: look at where its large numbers stand",
            ),
        },
        signs={
            "false alarm": (
                lambda case, got, right: not got.error and right.value[0] == "healthy",
                "you find a mistake in a healthy generator: its judge misreads about one image in a hundred, and that "
                "is all",
            ),
            "noise unseen": (
                lambda case, got, right: not got.error and right.value[0] == "label noise" != got.value[0],
                "this is label noise, with every row highest on the diagonal and the mistakes spread evenly",
            ),
        },
    )
)
