"""The two drawn worlds by name, portraits and landscapes, kept on disk as the drawn digits are."""

from __future__ import annotations

import hashlib
import json
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from course_lib.data.cache import kept
from course_lib.data.drawn_world import DrawnSet, check_override, check_settings
from course_lib.data.imageset import from_bytes, to_bytes
from course_lib.errors import CourseError
from course_lib.places import cache_root, say

COUNTS = {"train": 20_000, "test": 5_000}
SHARED = ("drawn_world.py", "imageset.py", "new_worlds.py")  # their text is part of the key, with the world's own files
SUMMER, LAKE = {"season": ("summer",)}, {"water": ("lake",)}
SOME_TREES = {"trees": ("one", "two", "three", "four", "five")}
IN_FRONT = {"front": ("pine", "oak", "birch", "poplar")}
HOUSE = {"house": ("yes",)}
NEEDS = {  # world -> factor -> the values of other factors without which it is never painted
    "portraits": {
        "hat_colour": {"hat": ("beanie", "cap", "sun hat", "headband", "hood")},
    },
    "landscapes": {
        "moon": {"time": ("night",)},
        **dict.fromkeys(("dry", "flowers", "petals"), SUMMER),
        "boat": SUMMER | LAKE,
        "boat_x": SUMMER | LAKE | {"boat": ("yes",)},
        **dict.fromkeys(("tree", "tree_size"), SOME_TREES),
        **dict.fromkeys(("front_edge", "front_size"), IN_FRONT),
        **dict.fromkeys(("house_x", "house_size", "wall"), HOUSE),
    },
}
LAYOUT = 1  # of the files; a new number leaves old files unused


def world(
    name: str,
    count: int,
    *,
    size: int,
    seed: int,
    split: str,
    device: str | torch.device,
    masks: bool = True,
    factors: dict[str, Any],
) -> DrawnSet:
    """`portraits.draw` or `landscapes.draw` with these arguments, from disk where they were drawn before.

    Images and masks are whole levels of a byte, so that what is read back equals what was drawn bit for bit. A device
    type has files of its own, since a GPU rounds differently in the last bit. Raises CourseError for a bad argument.
    """
    module = import_module(f"course_lib.data.{name}")
    check_settings(count, size, seed, split)
    fixed = {factor: check_override(module.FACTORS, factor, value, count) for factor, value in factors.items()}
    kind = torch.device(device).type
    arguments = [name, count, size, seed, split, bool(masks), kind, {f: v.tolist() for f, v in sorted(fixed.items())}]
    key = hashlib.sha256(json.dumps([arguments, LAYOUT, torch.__version__, _sources(name)]).encode()).hexdigest()[:16]

    def draw() -> DrawnSet:
        return module.draw(count, size, seed, device, split=split, masks=masks, **fixed)

    try:
        path = cache_root() / name / f"{split}_{size}px_{count}_seed{seed}_{key}.safetensors"
    except CourseError as error:
        say(f"cannot keep what is drawn ({error}); going on without")
        return draw()
    parts = module.PARTS if masks else ()
    tensors = kept(path, lambda: _pack(draw()), lambda found: _expect(found, count, size, module.FACTORS, parts))
    drawn = {factor: tensors[f"factor {factor}"] for factor in module.FACTORS}
    return DrawnSet(
        images=from_bytes(tensors["images"]),
        labels=tensors["labels"],
        factors=drawn,
        captions=module.Captions(drawn),
        class_names=module.CLASSES,
        name=name,
        parts=parts,
        masks=tensors["masks"],
    ).to(device)


def _pack(images: DrawnSet) -> dict[str, Tensor]:
    tensors = {"images": to_bytes(images.images), "labels": images.labels.clone(), "masks": images.masks}
    tensors |= {f"factor {name}": values for name, values in images.factors.items()}
    return {name: values.cpu().contiguous() for name, values in tensors.items()}


def _expect(tensors: dict[str, Tensor], count: int, size: int, table: dict, parts: tuple[str, ...]) -> None:
    """Raise ValueError unless these tensors are what `_pack` makes of a drawn world of these arguments."""
    rows = {"labels": torch.int64}
    rows |= {f"factor {name}": torch.int64 if factor.values else torch.float32 for name, factor in table.items()}
    expected = {name: (dtype, [count]) for name, dtype in rows.items()}
    expected["images"] = (torch.uint8, [count, 3, size, size])
    expected["masks"] = (torch.uint8, [count, len(parts), size, size])
    if missing := expected.keys() - tensors.keys():
        raise ValueError(f"it lacks {', '.join(sorted(missing))}")
    for name, (dtype, shape) in expected.items():
        found = tensors[name]
        if (found.dtype, list(found.shape)) != (dtype, shape):
            raise ValueError(f"it has {name} of {found.dtype} {list(found.shape)}, expected {dtype} {shape}")


def _sources(name: str) -> str:
    """A digest of everything that decides what is drawn."""
    digest = hashlib.sha256()
    folder = Path(__file__).parent
    for path in sorted([*(folder / file for file in SHARED), *folder.glob(f"{name[:-1]}*.py")]):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def painted(name: str, factors: dict[str, Tensor]) -> dict[str, Tensor]:
    """Where the drawing program uses a factor at all, by NEEDS: factor -> bool [N]. It may still be hidden there."""
    table = import_module(f"course_lib.data.{name}").FACTORS
    used = {factor: torch.ones_like(values, dtype=torch.bool) for factor, values in factors.items()}
    for factor, needs in NEEDS[name].items():
        for other, values in needs.items():
            positions = torch.tensor([table[other].values.index(value) for value in values])
            used[factor] &= torch.isin(factors[other], positions.to(factors[other].device))
    return used


def visible(
    name: str, count: int, *, size: int = 32, seed: int = 0, split: str = "test", least: float = 1.0
) -> dict[str, Tensor]:
    """Where a factor can be seen at all: factor -> bool [count], of the images that `load` draws with these arguments.

    Nobody reads the colour of a hat that is not there. Each factor is given every other value (a number moves by a
    quarter of its range), the image is drawn again, and the change is added up over the pixels. The factor is visible
    where the smallest change is at least `least`, in pixels turned from black to white. Kept on disk.
    """
    module = import_module(f"course_lib.data.{name}")
    check_settings(count, size, seed, split)

    def draw(**fixed: Any) -> Tensor:
        return module.draw(count, size, seed, split=split, masks=False, **fixed).images

    def changes() -> dict[str, Tensor]:
        drawn = module.draw(count, size, seed, split=split, masks=False)
        least_change = {}
        for factor, (_, _, values, _, low, high) in module.FACTORS.items():
            truth = drawn.factors[factor]
            if values:
                others = [(torch.full_like(truth, value), truth != value) for value in range(len(values))]
            else:
                others = [(truth + torch.where(truth < (low + high) / 2, 0.25, -0.25) * (high - low), truth == truth)]
            change = torch.full((count,), torch.inf)
            for value, counts in others:
                moved = (draw(**{factor: value}) - drawn.images).abs().sum((1, 2, 3)) / 6  # 2 a channel, 3 channels
                change = torch.where(counts, torch.minimum(change, moved), change)
            least_change[factor] = change
        return least_change

    key = hashlib.sha256(json.dumps([name, count, size, seed, split, _sources(name)]).encode()).hexdigest()[:16]
    path = cache_root() / name / f"visible_{split}_{size}px_{count}_seed{seed}_{key}.safetensors"
    found = kept(path, changes, lambda tensors: tensors[next(iter(module.FACTORS))].view(count))
    return {factor: found[factor] >= least for factor in module.FACTORS}
