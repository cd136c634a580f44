"""What the two drawn worlds share: their table of factors, its random numbers and overrides, images with masks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor

from course_lib.data.arguments import SEEDS, check_split, check_whole
from course_lib.data.imageset import ImageSet, from_bytes
from course_lib.data.new_worlds import Canvas
from course_lib.errors import CourseError, quoted

SMALLEST, LARGEST = 16, 128
BLOCK = 500  # images that share one random stream


class Factor(NamedTuple):
    """One choice of the drawing program: one of `values` (drawn with `chances`), or a number from low to high.

    what   what it changes, in words, with its unit
    parts  the masks outside of which it changes no pixel
    """

    what: str
    parts: tuple[str, ...]
    values: tuple[str, ...] = ()
    chances: tuple[float, ...] = ()
    low: float = 0.0
    high: float = 1.0


Table = Mapping[str, Factor]


@dataclass(frozen=True)
class DrawnSet(ImageSet):
    """An image set that also knows what is seen in every pixel.

    parts  the names of the parts, such as "hair"
    masks  uint8 [N, len(parts), H, W]: the share of the pixel in which the part is seen, in 255ths
    """

    parts: tuple[str, ...] = ()
    masks: Tensor = field(default_factory=lambda: torch.empty(0))

    def mask(self, part: str) -> Tensor:
        """Share of every pixel in which this part is seen: float32 [N, H, W] in [0, 1]. Raises CourseError."""
        if part not in self.parts:
            raise CourseError(f"part: got {quoted(part)}, expected one of {', '.join(self.parts)}")
        return self.masks[:, self.parts.index(part)].float() / 255

    def __getitem__(self, index: slice | Tensor) -> DrawnSet:
        some = super().__getitem__(index)
        index = index if isinstance(index, slice) else index.to(self.masks.device)
        return replace(some, masks=self.masks[index])

    def to(self, device: str | torch.device) -> DrawnSet:
        return replace(super().to(device), masks=self.masks.to(device))


def check_settings(count: int, size: int, seed: int, split: str) -> None:
    """Raises CourseError for a bad count, size, seed or split."""
    check_whole("count", count, 1)
    check_whole("size", size, SMALLEST, LARGEST)
    check_whole("seed", seed, 0, SEEDS - 1)
    check_split(split)


def uniform_numbers(count: int, columns: int, seed: int, split: str, world: int) -> Tensor:
    """Numbers in [0, 1), float32 [count, columns], on the CPU. Row i does not depend on `count`.

    world  a number of the world's own, so that two worlds never share a stream
    """
    blocks = []
    for block in range(-(-count // BLOCK)):
        generator = torch.Generator().manual_seed(((seed * 1_000_003 + block) * 2 + (split == "test")) * 16 + world)
        blocks.append(torch.rand(BLOCK, columns, generator=generator))
    return torch.cat(blocks)[:count]


def random_factors(table: Table, uniform: Tensor) -> dict[str, Tensor]:
    """One value a factor and image, from uniform numbers [N, len(table)]: int64 [N] categories, float32 [N] numbers."""
    factors = {}
    for (name, factor), column in zip(table.items(), uniform.T, strict=True):
        if factor.values:
            chances = torch.tensor(factor.chances or [1.0] * len(factor.values), dtype=torch.float64)
            edges = (chances.cumsum(0) / chances.sum())[:-1].float()
            factors[name] = torch.searchsorted(edges, column.contiguous(), right=True)
        else:
            factors[name] = factor.low + (factor.high - factor.low) * column
    return factors


def in_parts(
    compose: Callable[[slice], Canvas], count: int, size: int, parts: int, chunk: int, device: torch.device
) -> tuple[Tensor, Tensor]:
    """Images [count, 3, size, size] of whole levels of a byte, and the shares of their parts, uint8 in 255ths.

    compose  the canvas of the images in a slice; called for about `chunk` pixels at a time, which stay in the cache
    parts    how many shares an image has; 0 asks for none
    """
    images = torch.empty(count, 3, size, size, device=device)
    shares = torch.empty(count, parts, size, size, dtype=torch.uint8, device=device)
    step = max(1, chunk // size**2)
    for start in range(0, count, step):
        here = slice(start, start + step)
        canvas = compose(here)
        images[here] = from_bytes((canvas.colours * 255).round_().clamp_(0, 255))
        if parts:
            shares[here] = (canvas.shares() * 255).round_().to(torch.uint8)
    return images, shares


def check_override(table: Table, name: str, value: Any, count: int) -> Tensor:
    """An overridden factor for every image: [count], int64 where the factor is a category. Raises CourseError.

    A category is given by its name or its position, for all images or for each.
    """
    if name not in table:
        raise CourseError(f"overrides: got the factor {quoted(name)}, expected one of {', '.join(table)}")
    factor = table[name]
    names = {word: place for place, word in enumerate(factor.values)}
    values = (
        [names.get(v, v) if isinstance(v, str) else v for v in ([value] if isinstance(value, str) else value)]
        if (isinstance(value, str | list | tuple))
        else value
    )
    expected = ", ".join(factor.values) if factor.values else f"{factor.low:g} to {factor.high:g}"
    strange = [v for v in values if isinstance(v, str)] if isinstance(values, list) else []
    if strange:
        raise CourseError(f"{name}: got {quoted(strange[0])}, expected {expected}")
    try:
        numbers = torch.as_tensor(values, dtype=torch.float32).cpu().expand(count).clone()
    except (TypeError, ValueError, RuntimeError):
        came = f"{len(values)} values" if hasattr(values, "__len__") else quoted(value)
        raise CourseError(f"{name}: got {came}, expected one value or {count}, {expected}") from None
    low, high = (0, len(factor.values) - 1) if factor.values else (factor.low, factor.high)
    wrong = ~((numbers >= low) & (numbers <= high))
    if factor.values:
        wrong |= numbers != numbers.round()
    if wrong.any():
        came = f"{numbers[wrong][0]:g}"
        raise CourseError(f"{name}: got {came}, expected {expected}" + (f" or 0 to {high}" if factor.values else ""))
    return numbers.long() if factor.values else numbers
