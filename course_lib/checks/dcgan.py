"""Checks of chapter 6: overlap counts, batch normalisation, sampling without a trace, and walking along an arc."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib.checks.core import WrongAnswer, compare, exercise, expect_tensor, same, untouched, withheld

CHAPTER = "06_dcgan"


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 1: overlap_counts
# ---------------------------------------------------------------------------------------------------------------------

# n, kernel, stride, padding
STAMPS = [
    (5, 4, 2, 1),
    (3, 3, 2, 1),
    (4, 3, 2, 0),
    (6, 5, 3, 1),
    (1, 4, 2, 0),
    (4, 2, 3, 1),
    (7, 6, 3, 2),
    (5, 3, 1, 1),
]
CONVOLUTIONS = [
    f"torch.{place}conv{kind}{d}d" for place in ("", "nn.functional.") for kind in ("", "_transpose") for d in (1, 2)
] + ["torch.nn.functional.fold"]


@exercise(CHAPTER)
def overlap_counts(answer: Callable) -> None:
    """answer(n, kernel, stride, padding) -> int64, the stamps on each output pixel."""
    with withheld(
        "your code calls a convolution of torch's: count the stamps yourself, with += on slices", *CONVOLUTIONS
    ):
        for n, kernel, stride, padding in STAMPS:
            wanted = counts(n, kernel, stride, padding)
            got = answer(n, kernel, stride, padding)
            case = f"n={n}, kernel={kernel}, stride={stride}, padding={padding}"
            if not isinstance(got, Tensor):
                raise WrongAnswer("type", f"your result is a {type(got).__name__}, expected an int64 tensor")
            shrunk = (n + 2 * padding - kernel) // stride + 1
            if got.shape == (shrunk,) and shrunk != len(wanted) and shrunk > 0:
                raise WrongAnswer(
                    "convolution's size",
                    f"for {case} you return {shrunk} counts: that is the size after a convolution; a transposed one "
                    f"makes (n - 1) * stride + kernel - 2 * padding = {len(wanted)}",
                )
            compare(got.long(), wanted, f"for {case} your result", count_mistakes(n, kernel, stride, padding, case))
            if got.dtype != torch.int64:
                raise WrongAnswer("dtype", f"right counts, but they are {got.dtype}, expected int64")


def counts(n: int, kernel: int, stride: int, padding: int) -> Tensor:
    starts = torch.arange(n) * stride
    places = torch.arange((n - 1) * stride + kernel)[:, None]
    stamped = ((places >= starts) & (places < starts + kernel)).sum(dim=1)
    return stamped[padding : len(stamped) - padding]


def count_mistakes(n: int, kernel: int, stride: int, padding: int, case: str) -> dict[str, tuple[Tensor, str]]:
    """What each misconception would give."""
    whole, right = counts(n, kernel, stride, 0), counts(n, kernel, stride, padding)
    empty = torch.zeros(0, dtype=torch.int64)
    return {
        "padding forgotten": (
            whole,
            f"for {case} you return {len(whole)} counts: cut {padding} pixels off both ends",
        ),
        "padding cut once": (
            whole[padding:],
            f"for {case} only the front was cut: padding goes off both ends",
        ),
        "padding cut once, at the end": (
            whole[: len(whole) - padding],
            f"for {case} only the end was cut: padding goes off both ends",
        ),
        "padding added": (
            F.pad(whole, (padding, padding)),
            f"for {case} you added padding: in a transposed convolution it is cut off",
        ),
        "empty for padding 0": (
            empty,
            f"for {case} you return nothing: the slice [padding:-padding] is empty for padding 0",
        ),
        "kernel and stride swapped": (
            counts(n, stride, kernel, padding) if (n - 1) * kernel + stride > 2 * padding else empty,
            f"for {case} kernel and stride are swapped: stamps are `kernel` long and `stride` apart",
        ),
        "stride ignored": (
            counts(n, kernel, 1, padding),
            f"for {case} your stamps lie next to each other: they start at 0, stride, 2 * stride, ...",
        ),
        "everywhere the same": (
            torch.full_like(right, kernel // stride),
            f"for {case} you return kernel // stride everywhere: that holds inside, if the stride divides the kernel",
        ),
        "marked, not counted": (
            right.clamp(max=1),
            f"for {case} your counts are 0 or 1: where stamps overlap, add",
        ),
    }


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 2: batch_norm
# ---------------------------------------------------------------------------------------------------------------------

BATCHES = [((3, 4, 5, 2), 1e-5), ((2, 3, 4, 6), 0.5), ((5, 2, 1, 3), 0.8)]  # [N, C, H, W] and eps
NORMS = [
    f"torch.{name}"
    for name in (
        *("batch_norm", "native_batch_norm", "group_norm", "layer_norm", "instance_norm"),
        *(f"nn.functional.{kind}_norm" for kind in ("batch", "group", "layer", "instance")),
    )
]


@exercise(CHAPTER)
def batch_norm(answer: Callable) -> None:
    """answer(x [N, C, H, W], gamma [C], beta [C], eps) -> [N, C, H, W], normalised over the batch."""
    generator = torch.Generator().manual_seed(6)
    with withheld("your code calls a normalisation of torch's: write it out, from mean, square and sqrt", *NORMS):
        for shape, eps in BATCHES:
            x, gamma, beta = features(shape, generator)
            inputs = [t.clone().requires_grad_() for t in (x, gamma, beta)]
            with torch.enable_grad():
                got = answer(*inputs, eps)
            for before, after, name in zip((x, gamma, beta), inputs, ("x", "gamma", "beta"), strict=True):
                untouched(before, after.detach(), name)
            leaves = [t.clone().requires_grad_() for t in (x, gamma, beta)]
            compare(got, normalised(x, gamma, beta, eps), "your result", norm_mistakes(x, gamma, beta, eps))
            norm_gradient(got, inputs, leaves, eps, generator)


def features(shape: tuple[int, ...], generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Feature maps whose images and channels differ in mean and size."""

    def normal(*size: int) -> Tensor:
        return torch.randn(size, generator=generator, dtype=torch.float64)

    N, C, _, _ = shape
    x = normal(*shape) * (1 + normal(1, C, 1, 1).abs()) + 2 * normal(1, C, 1, 1) + normal(N, 1, 1, 1)
    return x, 1 + normal(C), normal(C)


def normalised(
    x: Tensor,
    gamma: Tensor,
    beta: Tensor,
    eps: float,
    axes: tuple[int, ...] = (0, 2, 3),
    correction: int = 0,
    root: Callable[[Tensor, float], Tensor] = lambda variance, eps: (variance + eps).sqrt(),
    centred: bool = True,
    constant: str = "",
) -> Tensor:
    """Batch normalisation; the options are what the mistakes change."""
    mean = x.mean(dim=axes, keepdim=True)
    distance = x - (mean.detach() if "mean" in constant else mean)
    number = max(x.numel() // mean.numel() - correction, 1)
    variance = distance.square().sum(dim=axes, keepdim=True) / number
    variance = variance.detach() if "variance" in constant else variance
    return gamma[:, None, None] * (distance if centred else x) / root(variance, eps) + beta[:, None, None]


def norm_mistakes(x: Tensor, gamma: Tensor, beta: Tensor, eps: float) -> dict[str, tuple[Tensor, str]]:
    """What each misconception would give."""

    def with_(**options: object) -> Tensor:
        return normalised(x, gamma, beta, eps, **options)

    one, zero = torch.ones_like(gamma), torch.zeros_like(beta)
    running = (
        gamma[:, None, None]
        * (x - 0.1 * x.mean(dim=(0, 2, 3), keepdim=True))
        / (0.9 + 0.1 * x.var(dim=(0, 2, 3), keepdim=True) + eps).sqrt()
        + beta[:, None, None]
    )
    return {
        "per image and channel": (
            with_(axes=(2, 3)),
            "you normalise each image by itself (dim=(2, 3)): the mean runs over all images of the batch too, "
            "dim=(0, 2, 3)",
        ),
        "per image": (
            with_(axes=(1, 2, 3)),
            "you normalise each image over its channels: each channel gets its own mean, over dim=(0, 2, 3)",
        ),
        "per pixel": (
            with_(axes=(0,)),
            "you normalise each pixel by itself (dim=0): the mean of a channel runs over its pixels too, dim=(0, 2, 3)",
        ),
        "one mean for all channels": (
            with_(axes=(0, 1, 2, 3)),
            "one mean and one variance for all channels: each channel gets its own, over dim=(0, 2, 3)",
        ),
        "over the channels": (
            with_(axes=(1,)),
            "you normalise over the channels (dim=1): that is the one axis to keep; use dim=(0, 2, 3)",
        ),
        "unbiased variance": (
            with_(correction=1),
            "your variance divides by one less than the number of values: divide by the number, correction=0",
        ),
        "eps outside the root": (
            with_(root=lambda variance, eps: variance.sqrt() + eps),
            "you add eps to the root: it goes under it, sqrt(variance + eps)",
        ),
        "eps forgotten": (
            with_(root=lambda variance, eps: variance.sqrt()),
            f"eps = {eps} has no effect in your code: divide by sqrt(variance + eps)",
        ),
        "eps fixed": (
            with_(root=lambda variance, eps: (variance + 1e-5).sqrt()),
            f"you use 0.00001 whatever eps is: here it is {eps}",
        ),
        "no root": (
            with_(root=lambda variance, eps: variance + eps),
            "you divide by the variance: divide by its square root, the standard deviation",
        ),
        "multiplied by the root": (
            with_(root=lambda variance, eps: 1 / (variance + eps).sqrt()),
            "you multiply by the standard deviation: divide by it",
        ),
        "mean not subtracted": (with_(centred=False), "the mean is still there: subtract it before you divide"),
        "gamma and beta forgotten": (
            normalised(x, one, zero, eps),
            "gamma and beta have no effect in your code: multiply by gamma and add beta at the end",
        ),
        "gamma and beta swapped": (
            normalised(x, beta, gamma, eps),
            "gamma and beta are swapped: gamma multiplies, beta is added",
        ),
        "beta scaled too": (
            normalised(x, gamma, gamma * beta, eps),
            "beta is multiplied by gamma in your code: first multiply, then add beta",
        ),
        "running statistics": (
            running,
            "you mix mean 0 and variance 1 into the statistics: that is the running average of eval mode; in train "
            "mode the batch's own count",
        ),
        "momentum for eps": (
            normalised(x, gamma, beta, 0.1),
            "you add 0.1 to the variance: that is torch's momentum, not eps",
        ),
    }


def norm_gradient(
    got: Tensor, inputs: list[Tensor], leaves: list[Tensor], eps: float, generator: torch.Generator
) -> None:
    if not got.requires_grad:
        raise WrongAnswer("no gradient", "right numbers, but no gradient gets through: leave out .detach() and no_grad")
    direction = torch.randn(got.shape, generator=generator, dtype=torch.float64)

    def gradients(constant: str = "") -> tuple[Tensor, ...]:
        with torch.enable_grad():
            return torch.autograd.grad(normalised(*leaves, eps, constant=constant), leaves, direction)

    found = torch.autograd.grad(got, inputs, direction, allow_unused=True)
    for name, gradient in zip(("x", "gamma", "beta"), found, strict=True):
        if gradient is None:
            raise WrongAnswer("no gradient", f"right numbers, but no gradient reaches {name}")
    mistakes = {
        f"constant {what}": (
            gradients(what)[0],
            f"right numbers, but to the gradient your {what} is a constant: no .detach(), .item() or no_grad around it",
        )
        for what in ("mean", "variance", "mean and variance")
    }
    for name, mine, right in zip(("x", "gamma", "beta"), found, gradients(), strict=True):
        compare(mine, right, f"the gradient for {name}", mistakes if name == "x" else {})


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 3: sample
# ---------------------------------------------------------------------------------------------------------------------


class Brush(nn.Module):
    """A small generator that notes how it was called, and fails when told to."""

    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(
            nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 6), nn.BatchNorm1d(6), nn.Dropout(0.5)
        ).double()
        self.calls: list[tuple[bool, bool, int]] = []  # mode, gradients on, rows
        self.breaks = False

    def forward(self, noise: Tensor) -> Tensor:
        self.calls.append((any(m.training for m in self.modules()), torch.is_grad_enabled(), len(noise)))
        if self.breaks:
            raise ValueError("the brush broke")
        return self.layers(noise)


def brush(generator: torch.Generator) -> Brush:
    """A generator with statistics of its own and one frozen parameter; in train mode, its first norm in eval mode."""
    with torch.random.fork_rng(devices=[]):  # the learner's random numbers stay as they are
        made = Brush()
    with torch.no_grad():
        for tensor in (*made.parameters(), *(b for b in made.buffers() if b.is_floating_point())):
            tensor.copy_(torch.rand(tensor.shape, generator=generator, dtype=torch.float64) + 0.5)
    made.train()
    made.layers[1].eval()
    made.layers[0].bias.requires_grad_(False)
    return made


@exercise(CHAPTER)
def sample(answer: Callable) -> None:
    """answer(generator, noise [N, D]) -> images, in eval mode, without gradients, leaving no trace."""
    generator = torch.Generator().manual_seed(5)
    grad_before = torch.is_grad_enabled()
    try:
        for mixed in (False, True):
            one_sample(answer, brush(generator), torch.randn(5, 3, generator=generator, dtype=torch.float64), mixed)
        broken(answer, brush(generator), torch.randn(4, 3, generator=generator, dtype=torch.float64))
    finally:
        torch.set_grad_enabled(grad_before)


def one_sample(answer: Callable, network: Brush, noise: Tensor, mixed: bool) -> None:
    if not mixed:
        network.eval()
    modes, asks = modes_of(network), [w.requires_grad for w in network.parameters()]
    state = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    with torch.no_grad():
        reference = network.eval()(noise)
        for module, mode in zip(network.modules(), modes, strict=True):
            module.training = mode
    network.calls.clear()
    before = noise.clone()
    with torch.enable_grad(), torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)  # dropout, where it is left on
        got = answer(network, noise)
        grad_after = torch.is_grad_enabled()
    untouched(before, noise, "noise")
    if not network.calls:
        raise WrongAnswer(
            "not drawn",
            "the generator you were given was never called (a copy does not count): images = generator(noise)",
        )
    if any(training for training, _, _ in network.calls):
        raise WrongAnswer(
            "train mode",
            "the generator drew in train mode, so an image depends on its company: call generator.eval() first",
        )
    if len(network.calls) > 1:
        raise WrongAnswer("several calls", f"the generator was called {len(network.calls)} times: once, with all noise")
    if got is None:
        raise WrongAnswer("nothing returned", "you return nothing: return the images")
    if isinstance(got, Tensor) and got.requires_grad:
        raise WrongAnswer(
            "keeps the graph", "your images carry gradients: call the generator inside `with torch.no_grad():`"
        )
    if network.calls[0][1]:
        raise WrongAnswer(
            "graph built for nothing",
            "gradients were on while the generator drew, and thrown away after: use `with torch.no_grad():`",
        )
    if not grad_after:
        raise WrongAnswer(
            "gradients stay off",
            "after your function gradients are off for everybody: use `with torch.no_grad():`, which ends by itself",
        )
    expect_tensor(got, reference, "your result")
    compare(got, reference, "your result", {})
    no_trace(network, modes, asks, state)


def modes_of(network: nn.Module) -> list[bool]:
    return [module.training for module in network.modules()]


def no_trace(network: Brush, modes: list[bool], asks: list[bool], state: dict[str, Tensor]) -> None:
    after = modes_of(network)
    if after != modes:
        if not any(after):
            raise WrongAnswer(
                "left in eval mode", "the generator came in train mode and is in eval mode now: restore its mode"
            )
        if all(after) and not any(modes):
            raise WrongAnswer(
                "always train mode",
                "the generator came in eval mode and is in train mode now: restore the mode it had, not train mode",
            )
        raise WrongAnswer(
            "submodules forgotten",
            "a batch norm that came in eval mode is in train mode now: generator.train() changes all submodules, so "
            "note and restore the mode of each",
        )
    if [weights.requires_grad for weights in network.parameters()] != asks:
        raise WrongAnswer(
            "requires_grad changed",
            "a parameter's requires_grad is not what it was: leave the parameters alone, torch.no_grad is enough",
        )
    changed = [name for name, tensor in network.state_dict().items() if not torch.equal(tensor, state[name])]
    if changed:
        raise WrongAnswer("model changed", f"{changed[0]} was changed by drawing: sampling may not change the model")


def broken(answer: Callable, network: Brush, noise: Tensor) -> None:
    """The generator raises: the error must come out, the modes must be back."""
    modes, network.breaks = modes_of(network), True
    try:
        with torch.enable_grad():
            try:
                answer(network, noise)
            finally:
                grad_after = torch.is_grad_enabled()
    except ValueError:
        pass
    else:
        raise WrongAnswer("error swallowed", "the generator raised an error and your function hid it: let it come out")
    if modes_of(network) != modes or not grad_after:
        raise WrongAnswer(
            "not restored after an error",
            "when the generator raises an error its modes are not restored: put the restoring into `finally:`",
        )


# ---------------------------------------------------------------------------------------------------------------------
# Exercise 4: slerp
# ---------------------------------------------------------------------------------------------------------------------

SHARES = [(4, 7, 0.3), (3, 5, 0.75), (5, 2, 0.5), (1, 9, 0.1), (3, 6, 0.0), (3, 6, 1.0)]  # N, D, share


@exercise(CHAPTER)
def slerp(answer: Callable) -> None:
    """answer(a [N, D], b [N, D], share) -> [N, D], along the arc between them."""
    generator = torch.Generator().manual_seed(9)

    def normal(*size: int) -> Tensor:
        return torch.randn(size, generator=generator, dtype=torch.float64)

    for count, width, share in SHARES:
        a, b = 2 * normal(count, width), normal(count, width)
        a[0] *= 0.3 / (a[0] @ b[0]).abs()  # a dot product that could be a cosine
        a_before, b_before = a.clone(), b.clone()
        got = answer(a, b, share)
        untouched(a_before, a, "a")
        untouched(b_before, b, "b")
        if isinstance(got, Tensor) and got.shape == a.shape:
            unscaled = arc(a[:1], b[:1], share, (a[0] @ b[0]).acos())
            if not got.isfinite().all() or (same(got[:1], unscaled) and not same(unscaled, along(a, b, share)[:1])):
                raise WrongAnswer(
                    "cosine of long vectors",
                    "your dot product is no cosine, it may be larger than 1: divide it by both lengths before acos",
                )
        compare(got, along(a, b, share), f"for share {share} your result", walk_mistakes(a, b, share))
    equal_directions(answer, normal(4, 6))
    leaf_a, leaf_b = normal(3, 4).requires_grad_(), normal(3, 4).requires_grad_()
    with torch.enable_grad():
        got, wanted = answer(leaf_a, leaf_b, 0.4), along(leaf_a, leaf_b, 0.4)
    if not got.requires_grad:
        raise WrongAnswer("no gradient", "right points, but no gradient gets through: leave out .detach() and .item()")
    direction = normal(3, 4)
    for name, leaf in (("a", leaf_a), ("b", leaf_b)):
        (found,) = torch.autograd.grad(got, leaf, direction, retain_graph=True, allow_unused=True)
        (right,) = torch.autograd.grad(wanted, leaf, direction, retain_graph=True)
        if found is None or not same(found, right):
            raise WrongAnswer(
                "no gradient", f"right points, but the gradient for {name} is wrong: is the angle a constant to it?"
            )


def equal_directions(answer: Callable, a: Tensor) -> None:
    """Equal rows, and rows of equal direction but other length, among ordinary ones."""
    b = a.clone()
    b[1], b[3] = 3 * a[1], -a[3].roll(1)
    for kind in (torch.float64, torch.float32):
        got = answer(a.to(kind), b.to(kind), 0.25)
        wanted = along(a, b, 0.25)
        if not isinstance(got, Tensor) or not got.isfinite().all():
            raise WrongAnswer(
                "equal directions",
                "where a and b have the same direction your result is NaN: clamp the cosine to 1, and return the "
                "straight mix where the angle is 0",
            )
        compare(got.double(), wanted, f"in {kind}, with equal directions, your result", {}, 1e-4)


def angle_of(a: Tensor, b: Tensor) -> Tensor:
    cosine = (a * b).sum(dim=-1, keepdim=True) / (a.norm(dim=-1, keepdim=True) * b.norm(dim=-1, keepdim=True))
    return cosine.clamp(-1, 1).acos()


def arc(a: Tensor, b: Tensor, share: float, w: Tensor, over: Tensor | None = None) -> Tensor:
    return (((1 - share) * w).sin() * a + (share * w).sin() * b) / (w.sin() if over is None else over)


def along(a: Tensor, b: Tensor, share: float) -> Tensor:
    w = angle_of(a, b)
    alike = w < 1e-4
    return torch.where(alike, (1 - share) * a + share * b, arc(a, b, share, torch.where(alike, torch.ones_like(w), w)))


def walk_mistakes(a: Tensor, b: Tensor, share: float) -> dict[str, tuple[Tensor, str]]:
    """What each misconception would give."""
    w = angle_of(a, b)
    right = arc(a, b, share, w)
    straight = (1 - share) * a + share * b
    lengths = (1 - share) * a.norm(dim=1, keepdim=True) + share * b.norm(dim=1, keepdim=True)
    unit_a, unit_b = F.normalize(a, dim=1), F.normalize(b, dim=1)
    flat = angle_of(a.reshape(1, -1), b.reshape(1, -1))
    down = angle_of(a.T, b.T).T
    return {
        "straight": (straight, "you walk along the straight line: weigh a and b with sines of the angle"),
        "share reversed": (
            arc(b, a, share, w),
            "your walk goes from b to a: at share 0 the result is a",
        ),
        "degrees": (
            arc(a, b, share, w.rad2deg(), w.sin()),
            "you take the sine of degrees: torch's sine wants radians",
        ),
        "degrees everywhere": (
            arc(a, b, share, w.rad2deg()),
            "you take the sine of degrees: acos gives radians, and sine wants them",
        ),
        "cosine for the angle": (
            arc(a, b, share, w.cos()),
            "you use the cosine as if it were the angle: take its acos first",
        ),
        "one angle for all rows": (
            arc(a, b, share, flat),
            "one angle for the whole batch: each row has its own, so sum over dim=1",
        ),
        "mean angle": (arc(a, b, share, w.mean()), "you average the angles: each row has its own"),
        "angle over the batch": (
            arc(a, b, share, down),
            "your dot product runs over the rows (dim=0): each row is a noise, so sum over dim=1",
        ),
        "length one": (
            arc(unit_a, unit_b, share, w),
            "your result has length 1: normalise a and b for the angle only, in the formula they keep their lengths",
        ),
        "straight, then stretched": (
            straight / straight.norm(dim=1, keepdim=True) * lengths,
            "you stretch points of the straight line: they lie on the arc, but not at even steps; use the sines",
        ),
        "length interpolated": (
            arc(unit_a, unit_b, share, w) * lengths,
            "you walk with unit vectors and interpolate the length: in this formula a and b keep their own lengths",
        ),
        "not divided": (right * w.sin(), "you left out the division by sin ω"),
        "divided by the angle": (right * w.sin() / w, "you divide by the angle: divide by its sine"),
    }
