"""Checks of chapter 8: a class beside the noise, the projection's logit, digits to order, and the table of orders."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.checks.core import WrongAnswer, compare, exercise, untouched
from course_lib.training.model import evaluating

CHAPTER = "08_conditional_gan"
CUT = "leave out .detach(), .data, .item(), no_grad, and layers that copy the numbers"


def numbers(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(shape, generator=generator, dtype=torch.float64)


def kept(names: str, before: list[Tensor], after: list[Tensor]) -> None:
    for name, old, new in zip(names.split(), before, after, strict=True):
        untouched(old, new, name)


def gradients(got: Tensor, leaves: dict[str, Tensor], wanted: Tensor, generator: torch.Generator) -> None:
    """The gradient of a random weighted sum of `got`, against that of `wanted`, for each leaf by its name."""
    weights = numbers(generator, *wanted.shape)
    right = torch.autograd.grad((wanted * weights).sum(), list(leaves.values()))
    if not got.requires_grad:
        raise WrongAnswer("no gradient", f"right numbers, but no gradient gets through: {CUT}")
    found = torch.autograd.grad((got * weights).sum(), list(leaves.values()), allow_unused=True)
    for name, mine, theirs in zip(leaves, found, right, strict=True):
        if mine is None:
            raise WrongAnswer("no gradient", f"right numbers, but no gradient reaches {name}: {CUT}")
        compare(mine, theirs, f"the gradient for {name}", {})


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 1: condition
# ---------------------------------------------------------------------------------------------------------------------

BATCHES = [(64, 5, 4, 3), (37, 5, 4, 3), (9, 6, 6, 6), (7, 3, 5, 5), (1, 2, 3, 4)]  # images, latent, classes, width


@exercise(CHAPTER)
def condition(answer: Callable) -> None:
    """answer(noise [N, L], labels [N], table [K, D]) -> [N, L + D]: each row of noise, then its class's row."""
    generator = torch.Generator().manual_seed(8)
    for turn, (count, latent, classes, width) in enumerate(BATCHES):
        noise, table = numbers(generator, count, latent), numbers(generator, classes, width)
        labels = torch.randint(classes, (count,), generator=generator)
        before = [noise.clone(), labels.clone(), table.clone()]
        try:
            got = answer(noise, labels, table)
        except (RuntimeError, IndexError, ValueError) as error:
            if turn != 1:
                raise
            raise WrongAnswer(
                "fixed batch",
                f"it works for a batch of {BATCHES[0][0]} and stops with the last one, of {count}: take the number of "
                "rows from noise",
            ) from error
        kept("noise labels table", before, [noise, labels, table])
        wanted = torch.cat([noise, table[labels]], dim=1)
        compare(got, wanted, "your result", condition_mistakes(noise, labels, table))
    noise, table = (numbers(generator, *shape).requires_grad_() for shape in ((6, 3), (5, 4)))
    labels = torch.tensor([4, 0, 4, 4, 1, 0])  # rows 2 and 3 are not used
    wanted = torch.cat([noise, table[labels]], dim=1)
    gradients(answer(noise, labels, table), {"noise": noise, "table": table}, wanted, generator)


def condition_mistakes(noise: Tensor, labels: Tensor, table: Tensor) -> dict[str, tuple[Tensor, str]]:
    """What each misconception would give."""
    count, latent, (classes, width) = len(noise), noise.shape[1], table.shape
    rows = table[labels]
    onehot = F.one_hot(labels, classes).to(noise)

    def beside(classes_of: Tensor) -> Tensor:
        return torch.cat([noise, classes_of.expand(count, -1)], dim=1)

    mistakes = {
        "first label for all": (
            beside(rows[:1]),
            "every image gets the first label's row: take one row per image, table[labels]",
        ),
        "labels ignored": (
            beside(table[torch.arange(count) % classes]),
            "you take the table's rows in turn, whatever was ordered: labels says which row goes to which image",
        ),
        "summed over the batch": (
            beside(rows.sum(dim=0)),
            "every image gets the sum of all rows in the batch: each gets only the row of its own label",
        ),
        "averaged over the batch": (
            beside(rows.mean(dim=0)),
            "every image gets the mean row of the batch: each gets only the row of its own label",
        ),
        "labels as numbers": (
            beside(labels[:, None].to(noise)),
            "you put the label itself beside the noise, as if a 7 were more than a 3: put the label's row of the table",
        ),
        "one-hot, table unused": (
            beside(onehot),
            "you put the one-hot row beside the noise and left the table out: one_hot @ table is the row you want",
        ),
        "class first": (
            torch.cat([rows, noise], dim=1),
            "the halves are swapped: first the noise, then the class's row",
        ),
        "noise left out": (rows, "only the class is left: without the noise every 7 would be the same 7"),
        "class left out": (noise, "you return the noise alone: the class's row belongs beside it"),
    }
    if latent == width:
        mistakes["added"] = (noise + rows, "you added the class's row to the noise: put it beside, so L + D columns")
        mistakes["below each other"] = (
            torch.cat([noise, rows]),
            "you stacked the rows below the noise, 2 N rows: put them beside it with torch.cat(..., dim=1)",
        )
    if classes == width:
        mistakes["table transposed"] = (
            beside(table.T[labels]),
            "you took columns of the table: class k is row k, table[k]",
        )
    return mistakes


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 2: projection_logits
# ---------------------------------------------------------------------------------------------------------------------

HEADS = [(5, 5, 4), (6, 3, 3), (6, 7, 5), (4, 3, 9), (1, 4, 2)]  # images, features, classes


@exercise(CHAPTER)
def projection_logits(answer: Callable) -> None:
    """answer(features [N, F], labels [N], weight [F], bias [], table [K, F]) -> logits [N]."""
    generator = torch.Generator().manual_seed(18)
    for count, width, classes in HEADS:
        features, table, weight = (numbers(generator, *s) for s in ((count, width), (classes, width), (width,)))
        bias = numbers(generator)
        labels = torch.randint(classes, (count,), generator=generator)
        given = [features, labels, weight, bias, table]
        before = [tensor.clone() for tensor in given]
        got = answer(*given)
        kept("features labels weight bias table", before, given)
        wanted = right_logits(*given)
        check_axes(got, count, classes)
        compare(got, wanted, "your logits", projection_mistakes(*given))
    leaves = {
        "features": numbers(generator, 6, 4),
        "weight": numbers(generator, 4),
        "bias": numbers(generator),
        "table": numbers(generator, 5, 4),
    }
    for leaf in leaves.values():
        leaf.requires_grad_()
    labels = torch.tensor([4, 0, 4, 4, 1, 0])
    given = (leaves["features"], labels, leaves["weight"], leaves["bias"], leaves["table"])
    gradients(answer(*given), leaves, right_logits(*given), generator)


def check_axes(got: object, count: int, classes: int) -> None:
    shape = tuple(got.shape) if isinstance(got, Tensor) and count > 1 else ()
    if shape == (count, 1):
        raise WrongAnswer("column", f"you return [{count}, 1], expected [{count}]: one number per image, no columns")
    if shape == (count, count):
        raise WrongAnswer(
            "every pair",
            f"you return [{count}, {count}]: each image met the labels of all images; only its own counts",
        )
    if shape == (count, classes):
        raise WrongAnswer("all classes", "you return a logit for each class: each image has one order, so one logit")


def right_logits(features: Tensor, labels: Tensor, weight: Tensor, bias: Tensor, table: Tensor) -> Tensor:
    return ((weight + table[labels]) * features).sum(dim=1) + bias


def projection_mistakes(
    features: Tensor, labels: Tensor, weight: Tensor, bias: Tensor, table: Tensor
) -> dict[str, tuple[Tensor, str]]:
    """What each misconception would give."""
    count, width = features.shape
    rows = table[labels]
    free, own = features @ weight + bias, (features * rows).sum(dim=1)
    right = free + own
    mistakes = {
        "no class part": (free, "you left out e(y) · h, so the label has no say: add it to w · h + b"),
        "only the class part": (own, "you left out w · h + b: add it to e(y) · h"),
        "no bias": (right - bias, "you left out the bias: w · h + b + e(y) · h"),
        "bias twice": (right + bias, "you added the bias twice: it belongs to w · h alone"),
        "bias per feature": (
            right + (width - 1) * bias,
            "the bias came inside the sum over features, so it counts F times: add it once, after the sum",
        ),
        "summed over the batch": (
            free + own.sum(),
            "e(y) · h was summed over features and images: sum over dim=1 only, one number per image",
        ),
        "embedding summed over the batch": (
            free + features @ rows.sum(dim=0),
            "every image meets the sum of all orders' rows: each meets only the row of its own label",
        ),
        "mean over features": (
            free + own / width,
            "you took the mean over the features in e(y) · h: a dot product is a sum",
        ),
        "means in both": (
            (features * (weight + rows)).mean(dim=1) + bias,
            "you took means over the features: a dot product is a sum",
        ),
        "first label for all": (
            free + features @ rows[0],
            "every image meets the first label's row: take one row per image, table[labels]",
        ),
        "labels ignored": (
            free + (features * table[torch.arange(count) % len(table)]).sum(dim=1),
            "you take the table's rows in turn, whatever was ordered: labels says which row goes to which image",
        ),
        "label as a number": (
            free + labels,
            "you added the label itself, as if a 7 were more than a 3: it chooses a row of the table",
        ),
        "label times": (
            free * labels,
            "you multiplied by the label itself, as if a 7 were more than a 3: it chooses a row of the table",
        ),
        "a bias per class": (
            free + rows.sum(dim=1),
            "you added e(y) without the features: then no image can fit its label better than another; multiply by h",
        ),
        "weights multiplied": (
            (features * weight * rows).sum(dim=1) + bias,
            "you multiplied w with e(y): the two dot products are added",
        ),
        "sigmoid": (right.sigmoid(), "you applied the sigmoid: return the logit, the loss has its own sigmoid"),
        "log-sigmoid": (F.logsigmoid(right), "you applied log-sigmoid: return the logit, the loss does the rest"),
        "softmax": (right.softmax(dim=0), "you applied a softmax over the batch: return the logits as they are"),
        "wrong sign": (free - own, "you subtracted e(y) · h: add it"),
    }
    if count == width:
        mistakes["wrong axis"] = (
            free + (features * rows).sum(dim=0),
            "you summed over the images: the sum of e(y) · h runs over the features, dim=1",
        )
    if table.shape[0] == width:
        mistakes["table transposed"] = (
            free + (features * table.T[labels]).sum(dim=1),
            "you took columns of the table: class k is row k, table[k]",
        )
    return mistakes


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 3: sample_to_order
# ---------------------------------------------------------------------------------------------------------------------


class Watched(nn.Module):
    """A small labelled generator with batch norm that notes how it was called."""

    def __init__(self, generator: torch.Generator, classes: int = 9, latent: int = 3):
        super().__init__()
        self.table = nn.Embedding(classes, 2).double()
        self.layers = nn.Sequential(
            nn.Linear(latent + 2, 30), nn.BatchNorm1d(30), nn.Tanh(), nn.Linear(30, 30)
        ).double()
        with torch.no_grad():
            for tensor in [*self.parameters(), self.layers[1].running_mean]:
                tensor.copy_(numbers(generator, *tensor.shape))
            self.layers[1].running_var.copy_(1 + numbers(generator, 30).abs())
        self.modes: list[bool] = []

    def forward(self, noise: Tensor, labels: Tensor) -> Tensor:
        self.modes.append(self.training or self.layers[1].training)
        return self.layers(torch.cat([noise, self.table(labels)], dim=1)).tanh().reshape(-1, 2, 3, 5)


ORDERS = [
    (3, [2, 0, 2, 6], True),
    (4, [7, 1, 5, 8], False),
    (5, [3], True),
    (1, [4, 4, 0], False),
    (2, [8, 3, 5], True),
]


@exercise(CHAPTER)
def sample_to_order(answer: Callable) -> None:
    """answer(generator, noise [H, L], orders [K]) -> images [H, K, C, height, width]: row = hand, column = order."""
    chance = torch.Generator().manual_seed(28)
    with torch.random.fork_rng(devices=[]):  # the learner's random numbers stay as they are
        generator = Watched(chance)
    for hands, orders, mode in ORDERS:
        noise, orders = numbers(chance, hands, 3), torch.tensor(orders)
        generator.train(mode)
        generator.modes.clear()
        state = {name: tensor.clone() for name, tensor in generator.state_dict().items()}
        before = [noise.clone(), orders.clone()]
        with torch.random.fork_rng(devices=[]), torch.enable_grad():
            got = answer(generator, noise, orders)
            called = list(generator.modes)
            check_manners(generator, state, called, mode)
            kept("noise orders", before, [noise, orders])
            wanted, mistakes = right_grid(generator, noise, orders), grid_mistakes(generator, noise, orders)
            if isinstance(got, Tensor) and got.shape == wanted.flatten(0, 1).shape:
                raise WrongAnswer(
                    "not in rows",
                    f"you return {list(got.shape)}, all images in one row: make it [hands, orders, C, height, width], "
                    "for instance with .unflatten(0, (hands, orders))",
                )
            try:
                compare(got, wanted, "your grid", mistakes)
            except WrongAnswer as wrong:
                if wrong.name == "wrong" and not torch.equal(got, answer(generator, noise, orders)):
                    raise WrongAnswer(
                        "fresh noise", "two calls give two grids: use the noise you are given, one row per hand"
                    ) from None
                raise
        if got.requires_grad:
            raise WrongAnswer(
                "keeps the graph", "your images hold the graph of gradients: sample under torch.no_grad()"
            )


def check_manners(generator: Watched, state: dict[str, Tensor], called: list[bool], mode: bool) -> None:
    """In eval mode, and everything left as it was found."""
    if not called:
        raise WrongAnswer("not called", "the generator was never called: images = generator(noise, labels)")
    if any(called):
        raise WrongAnswer(
            "train mode",
            "the generator drew in train mode, where batch norm mixes the images of a batch and learns from them: "
            "call generator.eval() first",
        )
    for name, tensor in generator.state_dict().items():
        if not torch.equal(tensor, state[name]):
            raise WrongAnswer("changes the generator", f"{name} of the generator changed: sampling only reads it")
    if any(module.training != mode for module in generator.modules()):
        was, now = ("train", "eval") if mode else ("eval", "train")
        raise WrongAnswer(
            "mode left behind",
            f"the generator came in {was} mode and is left in {now} mode: put the mode back that you found",
        )
    if not all(weight.requires_grad for weight in generator.parameters()):
        raise WrongAnswer(
            "frozen", "the generator's weights no longer ask for gradients: use torch.no_grad(), not requires_grad_"
        )


def right_grid(generator: Watched, noise: Tensor, orders: Tensor) -> Tensor:
    hands, columns = len(noise), len(orders)
    with evaluating(generator):
        flat = generator(noise.repeat_interleave(columns, dim=0), orders.repeat(hands))
    return flat.unflatten(0, (hands, columns))


def grid_mistakes(generator: Watched, noise: Tensor, orders: Tensor) -> dict[str, tuple[Tensor, str]]:
    """What each misconception would give."""
    hands, columns = len(noise), len(orders)
    right = right_grid(generator, noise, orders)

    def drawn(rows: Tensor, labels: Tensor) -> Tensor:
        with evaluating(generator):
            return generator(rows, labels).unflatten(0, (hands, columns))

    one_each, in_turn = noise.repeat_interleave(columns, dim=0), noise.repeat(columns, 1)
    return {
        "rows and columns swapped": (
            right.transpose(0, 1),
            "rows and columns are swapped: one row per hand, one column per order",
        ),
        "both repeated": (
            drawn(in_turn, orders.repeat(hands)),
            "noise and orders are repeated in the same way, so the hand changes within a row: repeat_interleave keeps "
            "a hand for a whole row, repeat goes through the orders",
        ),
        "both interleaved": (
            drawn(one_each, orders.repeat_interleave(hands)),
            "noise and orders are interleaved in the same way, so most pairs never meet: repeat_interleave the noise, "
            "repeat the orders",
        ),
        "wrong way round": (
            drawn(in_turn, orders.repeat_interleave(hands)),
            "you interleaved the orders and repeated the noise, then read the result in rows: interleave the noise",
        ),
        "column number": (
            drawn(one_each, torch.arange(columns).repeat(hands)),
            "column j draws class j: it should draw the class orders[j]",
        ),
        "orders sorted": (drawn(one_each, orders.sort().values.repeat(hands)), "keep the orders as they are, unsorted"),
        "one hand for all": (
            drawn(noise[:1].expand(hands * columns, -1), orders.repeat(hands)),
            "all rows are drawn by the first hand: row i uses noise[i]",
        ),
        "first order for all": (
            drawn(one_each, orders[:1].repeat(hands * columns)),
            "all columns hold the first order: column j is of class orders[j]",
        ),
    }


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 4: order_table
# ---------------------------------------------------------------------------------------------------------------------

READINGS = [(5, 5, 5), (60, 4, 4), (83, 7, 6), (1, 3, 3), (40, 6, 5)]  # images, classes, classes that were ordered


@exercise(CHAPTER)
def order_table(answer: Callable) -> None:
    """answer(logits [N, K], orders [N]) -> int64 [K, K]: how many ordered as row were read as column."""
    generator = torch.Generator().manual_seed(38)
    for count, classes, ordered in READINGS:
        orders = torch.randperm(max(count, ordered), generator=generator)[:count] % ordered  # each class, where it fits
        logits = numbers(generator, count, classes) + 1.5 * F.one_hot(orders, classes)
        if ordered < classes:
            logits[:, -1] = -9.0  # the last class is neither ordered nor read
        before = [logits.clone(), orders.clone()]
        got = answer(logits, orders)
        kept("logits orders", before, [logits, orders])
        wanted = counted(orders, logits.argmax(dim=1), classes)
        compare(got, wanted, "your table", table_mistakes(logits, orders, ordered))
    if got.dtype != torch.int64:
        raise WrongAnswer("dtype", f"the counts are right, but they are {got.dtype}: expected int64")


def counted(rows: Tensor, columns: Tensor, classes: int) -> Tensor:
    return (rows * classes + columns).bincount(minlength=classes**2).reshape(classes, classes)


def table_mistakes(logits: Tensor, orders: Tensor, ordered: int) -> dict[str, tuple[Tensor, str]]:
    """What each misconception would give."""
    count, classes = logits.shape
    read = logits.argmax(dim=1)
    right = counted(orders, read, classes)
    chances = F.one_hot(orders, classes).to(logits).T @ logits.softmax(dim=1)
    rows = right.sum(dim=1, keepdim=True)
    mistakes = {
        "transposed": (right.T, "the table is turned: the row is what was ordered, the column what was read"),
        "duplicates lost": (
            right.clamp(max=1),
            "each cell counts once at most: table[orders, read] += 1 adds 1 to a cell however often it is named; use "
            "index_put_(..., accumulate=True), bincount or a loop",
        ),
        "soft counts": (chances, "you added up probabilities: each image counts as 1, in the column of its argmax"),
        "logits added up": (
            F.one_hot(orders, classes).to(logits).T @ logits,
            "you added up logits: each image counts as 1, in the column of its argmax",
        ),
        "shares of rows": (right / rows, "you divided by the rows' sums: return the counts"),
        "shares of all": (right / count, "you divided by the number of images: return the counts"),
        "only the right ones": (right.diag().diag(), "you counted only what was read as ordered: count mistakes too"),
        "only the mistakes": (right - right.diag().diag(), "you left the diagonal out: count what is right as well"),
        "orders twice": (
            counted(orders, orders, classes),
            "you counted the orders against themselves: the column is what the judge reads, logits.argmax(dim=1)",
        ),
        "readings twice": (
            counted(read, read, classes),
            "you counted the readings against themselves: the row is what was ordered",
        ),
        "argmin": (counted(orders, logits.argmin(dim=1), classes), "you took the smallest logit: the largest names it"),
    }
    seen = max(int(orders.max()), int(read.max())) + 1
    mistakes["rare class left out"] = (
        counted(orders, read, classes)[:seen, :seen],
        f"your table has {seen} rows for {classes} classes: a class that never came keeps its row and column of zeros, "
        "logits.shape[1] says how many there are",
    )
    if count == classes:
        mistakes["argmax over the batch"] = (
            counted(orders, logits.argmax(dim=0), classes),
            "your argmax runs over the images: each image's reading is its largest of K logits, dim=1",
        )
    return mistakes
