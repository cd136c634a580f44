"""Batches from a tensor: order, seeds, ranks, augmentation, bad arguments, and the gain over a DataLoader."""

from __future__ import annotations

import importlib
from functools import partial
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from course_lib.data import Batch, ImageSet, batches
from course_lib.data.augment import affine, compose, flip, shift
from course_lib.errors import CourseError


def numbered(count=50, channels=1, height=6, width=5) -> ImageSet:
    """Image i is filled with i / count and labelled i, so that rows can be told apart."""
    values = (torch.arange(count) / count)[:, None, None, None]
    return ImageSet(values.expand(count, channels, height, width).contiguous(), torch.arange(count))


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


# ------------------------------------------------------------------------------------------------------- order


def test_an_epoch_shows_every_image_once_with_its_label():
    data = numbered(50)
    epoch = list(batches(data, 8, drop_last=False))
    assert [len(batch.labels) for batch in epoch] == [8] * 6 + [2]
    seen = torch.cat([batch.labels for batch in epoch])
    assert seen.sort().values.tolist() == list(range(50))
    assert seen.tolist() != list(range(50))  # shuffled
    for batch in epoch:
        assert torch.equal(batch.images, data.images[batch.labels])


def test_drop_last_leaves_out_the_incomplete_batch():
    loader = batches(numbered(50), 8)
    assert len(loader) == 6
    assert [len(images) for images, _ in loader] == [8] * 6
    assert len(batches(numbered(48), 8, drop_last=False)) == 6


def test_every_epoch_has_its_own_order_and_each_is_complete():
    loader = batches(numbered(40), 8)
    first, second = (torch.cat([loader.at(e * 5 + i).labels for i in range(5)]) for e in range(2))
    assert first.tolist() != second.tolist()
    assert first.sort().values.tolist() == second.sort().values.tolist() == list(range(40))


def test_access_is_random_and_repeatable():
    make = partial(batches, numbered(50), 8, seed=3, augment=partial(shift, pixels=1))
    forward = [make().at(step) for step in range(20)]
    loader = make()
    for step in (17, 3, 17, 0, 19):  # out of order, across epochs, as after a resume
        assert torch.equal(loader.at(step).labels, forward[step].labels)
        assert torch.equal(loader.at(step).images, forward[step].images)
    assert isinstance(forward[0], Batch)


def test_every_step_and_seed_has_its_own_augmentation():
    seen = []
    for seed in (0, 1):
        loader = batches(numbered(), 8, seed=seed, augment=lambda images, g: images * 0 + torch.rand(1, generator=g))
        seen += [float(loader.at(step).images[0, 0, 0, 0]) for step in (0, 1, 6)]
    assert len(set(seen)) == 6


def test_seeds_differ_also_where_torch_would_not():
    # torch's CPU generator reads the lower 32 bits of a seed.
    orders = {tuple(batches(numbered(50), 50, seed=seed).at(0).labels.tolist()) for seed in (0, 1, 2**32, 2**33, -1)}
    assert len(orders) == 5


def test_global_random_state_is_untouched():
    before = torch.get_rng_state()
    batches(numbered(), 8, augment=compose(shift, flip, affine)).at(7)
    assert torch.equal(before, torch.get_rng_state())


def test_every_position_is_about_equally_likely():
    loader = batches(numbered(10), 10)
    first = torch.stack([loader.at(step).labels for step in range(2000)])[:, 0]
    counts = torch.bincount(first, minlength=10)
    assert counts.min() > 140  # 200 expected, standard deviation 13
    assert counts.max() < 260


@pytest.mark.parametrize("world", [2, 4])
@pytest.mark.parametrize("augment", [None, compose(partial(shift, pixels=1), flip, affine)], ids=["plain", "augmented"])
def test_ranks_share_the_batch_of_one_process(world, augment):
    data = ImageSet(torch.rand(50, 1, 6, 5) * 2 - 1, torch.arange(50))
    for step in (0, 5, 8):
        whole = batches(data, 8, augment=augment).at(step)
        for rank in range(world):
            part = batches(data, 8, augment=augment, rank=rank, world=world).at(step)
            assert torch.equal(part.labels, whole.labels[rank::world])
            assert torch.equal(part.images, whole.images[rank::world])


def test_positions_say_which_rows_a_batch_holds():
    data = numbered(50)
    loader = batches(data, 8)
    assert torch.equal(loader.positions(9), loader.at(9).labels)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(batch_size=0), "batch_size: got 0, expected a whole number, 1 or more"),
        (dict(batch_size=-3), "batch_size: got -3"),
        (dict(batch_size=2.0), "batch_size: got 2.0"),
        (dict(batch_size=True), "batch_size: got True"),
        (dict(batch_size=51), "batch_size: got 51, expected at most 50, the number of images"),
        (dict(batch_size=8, world=3), "batch_size: got 8, expected a multiple of 3, the number of processes"),
        (dict(batch_size=8, rank=2, world=2), "rank: got 2, expected 0 to 1"),
        (dict(batch_size=8, rank=-1), "rank: got -1"),
        (dict(batch_size=8, world=0), "world: got 0"),
        (dict(batch_size=16, world=4, drop_last=False), "drop_last: got False, expected True"),
        (dict(batch_size=8, images=numbered(50)[:0]), "images: got an empty image set"),
        (dict(batch_size=8, images=torch.zeros(50, 1, 6, 5)), "images: got Tensor, expected an ImageSet"),
    ],
)
def test_bad_arguments_are_named_in_one_line(arguments, message):
    with pytest.raises(CourseError) as error:
        batches(**{"images": numbered(50)} | arguments)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_bad_step_and_bad_augmentation_are_named():
    with pytest.raises(CourseError, match="step: got -1"):
        batches(numbered(), 8).at(-1)
    with pytest.raises(CourseError, match=r"augment: got back shape \[8, 1, 3, 5\], expected \[8, 1, 6, 5\]"):
        batches(numbered(), 8, augment=lambda images, _: images[:, :, ::2]).at(0)


# ------------------------------------------------------------------------------------------------- augmentation

IMAGES = torch.rand(64, 3, 7, 10, generator=generator(9)) * 2 - 1


def test_shift_moves_whole_images_and_fills_with_background():
    moved = shift(IMAGES, generator(1), pixels=2)
    padded = F.pad(IMAGES, (2, 2, 2, 2), value=-1)
    moves = set()
    for before, after in zip(padded, moved, strict=True):
        fits = [(y, x) for y in range(5) for x in range(5) if torch.equal(before[:, y : y + 7, x : x + 10], after)]
        assert len(fits) == 1
        moves.add(fits[0])
    assert len(moves) > 15  # of 25
    assert {y for y, _ in moves} == {x for _, x in moves} == set(range(5))
    assert torch.equal(shift(IMAGES, generator(1), pixels=0), IMAGES)


def test_flip_mirrors_about_half():
    flipped = flip(IMAGES, generator(1))
    mirrored = [torch.equal(after, before.flip(2)) for before, after in zip(IMAGES, flipped, strict=True)]
    same = [torch.equal(after, before) for before, after in zip(IMAGES, flipped, strict=True)]
    assert all(a != b for a, b in zip(mirrored, same, strict=True))
    assert 20 < sum(mirrored) < 44
    assert torch.equal(flip(IMAGES, generator(1), probability=1.0), IMAGES.flip(3))
    assert torch.equal(flip(IMAGES, generator(1), probability=0.0), IMAGES)


def test_affine_of_nothing_is_the_image():
    same = affine(IMAGES, generator(), degrees=0, scale=0, shear=0, shift=0)
    torch.testing.assert_close(same, IMAGES, atol=1e-5, rtol=0)


def blob(height, width, x, y, sigma=1.5):
    """A soft dot at (x, y) pixels, float64 [1, 1, H, W]."""
    down, right = torch.meshgrid(
        torch.arange(height, dtype=torch.float64), torch.arange(width, dtype=torch.float64), indexing="ij"
    )
    return (2 * torch.exp(-((down - y) ** 2 + (right - x) ** 2) / (2 * sigma**2)) - 1)[None, None]


def centre(images):
    """Centre of the ink, (x, y) in pixels: [N, 2]."""
    ink = (images[:, 0] + 1).clamp(min=0)
    total = ink.sum((1, 2))
    y = (ink.sum(2) * torch.arange(ink.shape[1])).sum(1) / total
    x = (ink.sum(1) * torch.arange(ink.shape[2])).sum(1) / total
    return torch.stack([x, y], 1)


@pytest.mark.parametrize(("height", "width"), [(41, 41), (41, 61), (61, 41)])
def test_affine_measured_on_dots_is_within_its_bounds(height, width):
    """A dot right of the middle must keep its distance when turned, also where the image is not square."""
    middle = torch.tensor([(width - 1) / 2, (height - 1) / 2], dtype=torch.float64)
    dot = blob(height, width, float(middle[0]) + 12, float(middle[1])).expand(200, 1, height, width)
    none = dict(degrees=0, scale=0, shear=0, shift=0)

    turned = centre(affine(dot, generator(), **none | {"degrees": 40})) - middle
    torch.testing.assert_close(turned.norm(dim=1), torch.full((200,), 12.0, dtype=torch.float64), atol=0.05, rtol=0)
    angles = torch.rad2deg(torch.atan2(turned[:, 1], turned[:, 0]))
    assert 35 < angles.max() < 40.1
    assert -40.1 < angles.min() < -35

    scaled = centre(affine(dot, generator(), **none | {"scale": 0.2})) - middle
    assert scaled[:, 1].abs().max() < 0.01
    assert 14.2 < scaled[:, 0].max() < 14.42  # 12 * 1.2 at most
    assert 9.58 < scaled[:, 0].min() < 9.8

    moved = centre(affine(dot, generator(), **none | {"shift": 3})) - middle - torch.tensor([12.0, 0.0])
    assert (moved.abs() < 3.02).all()
    assert (moved.abs().amax(0) > 2.8).all()

    above = blob(height, width, float(middle[0]), float(middle[1]) - 10).expand(200, 1, height, width)
    slanted = centre(affine(above, generator(), **none | {"shear": 0.3})) - middle
    assert (slanted[:, 1] + 10).abs().max() < 0.05
    assert 2.8 < slanted[:, 0].abs().max() < 3.02  # 10 rows up at a slope of 0.3


def test_affine_keeps_background_and_range():
    images = torch.full((16, 1, 12, 9), -1.0)
    torch.testing.assert_close(affine(images, generator(), degrees=30), images, atol=1e-6, rtol=0)
    out = affine(IMAGES, generator(), degrees=45, scale=0.5, shear=0.5, shift=4)
    assert out.shape == IMAGES.shape
    assert out.min() >= -1 - 1e-5
    assert out.max() <= 1 + 1e-5


def test_compose_applies_first_to_last():
    both = compose(partial(shift, pixels=1), flip)(IMAGES, generator(4))
    shared = generator(4)
    assert torch.equal(both, flip(shift(IMAGES, shared, pixels=1), shared))


@pytest.mark.parametrize(
    ("augment", "message"),
    [
        (partial(shift, pixels=-1), "pixels: got -1"),
        (partial(shift, pixels=1.5), "pixels: got 1.5"),
        (partial(flip, probability=2), "probability: got 2"),
        (partial(affine, degrees=-1), "degrees: got -1"),
        (partial(affine, scale=1), "scale: got 1, expected 0 or more, and less than 1"),
        (partial(affine, shear=float("nan")), "shear: got nan"),
    ],
)
def test_bad_amounts_are_named(augment, message):
    with pytest.raises(CourseError, match=message):
        augment(IMAGES, generator())


# ------------------------------------------------------------------------------------------------------- speed, GPU


def test_batches_are_much_faster_than_a_data_loader(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "benchmarks"))  # where a benchmark finds its runner
    module = importlib.import_module("batches_speed")
    assert module.measure(count=3000, batch_size=128, repeats=2)["ratio"] > 8  # 20 and more on a quiet machine


@pytest.mark.gpu
def test_gpu_gives_the_batches_of_the_cpu():
    data = ImageSet(torch.rand(50, 1, 12, 9) * 2 - 1, torch.arange(50))
    for augment in (None, shift, flip, partial(affine, degrees=20)):
        here, there = batches(data, 8, augment=augment), batches(data.to("cuda"), 8, augment=augment)
        for step in (0, 7):
            assert there.at(step).images.device.type == "cuda"
            assert torch.equal(here.at(step).labels, there.at(step).labels.cpu())
            torch.testing.assert_close(here.at(step).images, there.at(step).images.cpu(), atol=1e-4, rtol=0)


def test_a_batch_knows_the_factors_of_its_images():
    images = ImageSet(
        torch.arange(12.0).view(12, 1, 1, 1) / 12,
        torch.arange(12) % 3,
        {"place": torch.arange(12), "ink": torch.arange(36.0).view(12, 3)},
    )
    order = batches(images, 4, seed=3, rank=1, world=2, augment=lambda pictures, _: -pictures)
    for step in (0, 2, 5):
        pixels, labels = batch = order.at(step)
        assert torch.equal(batch.factors["place"] % 3, labels)
        assert torch.equal(-pixels.flatten() * 12, batch.factors["place"].float())
        assert torch.equal(batch.factors["ink"][:, 0], batch.factors["place"] * 3.0)
    assert Batch(pixels, labels).factors == {}
