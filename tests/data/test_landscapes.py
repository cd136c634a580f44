"""The world of landscapes: seeds, true counterparts, factors that change what they name, exact masks, captions."""

import itertools
import math

import pytest
import torch
from PIL import Image, ImageDraw

from course_lib.data import landscape_colours, landscapes
from course_lib.data.drawn_world import DrawnSet
from course_lib.data.imageset import from_bytes, to_bytes
from course_lib.data.landscape_frame import SHAPES, Frame, RowCanvas
from course_lib.data.landscape_things import Landscape
from course_lib.errors import CourseError

FACTORS, PARTS = landscapes.FACTORS, landscapes.PARTS
# what a factor needs, to be seen
SEEN = {
    "moon": {"time": "night", "sun_y": 0.12, "horizon": 0.6},
    "sun_x": {"sun_y": 0.12},
    "clouds": {"wind": 0.4},
    "wind": {"clouds": 3.0},
    "snow": {"season": "summer", "terrain": "peaks"},
    "dry": {"season": "summer"},
    "flowers": {"season": "summer", "water": "none"},
    "petals": {"season": "summer", "flowers": 1.0, "water": "none"},
    "boat": {"season": "summer", "water": "lake", "front": "none"},
    "boat_x": {"season": "summer", "water": "lake", "boat": "yes", "front": "none"},
    "tree": {"trees": "five"},
    "tree_size": {"trees": "five"},
    "front_side": {"front": "oak"},
    "front_edge": {"front": "pine"},
    "front_size": {"front": "birch"},
    "house": {"front": "none"},
    "house_x": {"house": "yes", "front": "none"},
    "house_size": {"house": "yes", "front": "none"},
    "wall": {"house": "yes", "front": "none"},
}


def scene(size, count=6, seed=0, **overrides):
    """A `Landscape` before anything is painted."""
    drawn = landscapes.draw(count, 16, seed, masks=False, **overrides)
    generator = torch.Generator().manual_seed(seed)
    chance = {name: torch.rand(count, *shape, generator=generator) for name, shape in SHAPES.items()}
    return Landscape(drawn.factors, chance, size)


# ---------------------------------------------------------------------------------------------------------- the set


def test_images_labels_factors_and_masks():
    drawn = landscapes.draw(60, size=24)
    assert isinstance(drawn, DrawnSet)
    assert drawn.images.shape == (60, 3, 24, 24)
    assert drawn.images.dtype == torch.float32
    assert -1 <= drawn.images.min() < -0.5 < 0.5 < drawn.images.max() <= 1
    assert tuple(drawn.factors) == tuple(FACTORS)
    assert len(FACTORS) >= 12
    assert drawn.masks.shape == (60, len(PARTS), 24, 24)
    assert drawn.name == "landscapes"
    season, time = drawn.factors["season"], drawn.factors["time"]
    assert torch.equal(drawn.labels, 2 * season + time)
    for label, name in enumerate(drawn.class_names):
        here = drawn.labels == label
        assert name == f"{FACTORS['season'].values[label // 2]} {FACTORS['time'].values[label % 2]}"
        assert here.sum() >= 5  # None mixes both
    some = drawn[drawn.labels == 3]
    assert torch.equal(some.mask("sky"), drawn.mask("sky")[drawn.labels == 3])
    assert all(caption.startswith("a winter night") for caption in some.captions)


def test_factors_stay_in_their_ranges_and_use_all_their_values():
    factors = landscapes.draw(1000, size=16, masks=False).factors
    for name, factor in FACTORS.items():
        values = factors[name]
        if factor.values:
            assert values.dtype == torch.int64
            assert (values.bincount(minlength=len(factor.values)) > 50).all(), name
            assert values.max() < len(factor.values)
        else:
            width = factor.high - factor.low
            assert values.dtype == torch.float32
            assert factor.low <= values.min() < factor.low + 0.05 * width, name
            assert factor.high >= values.max() > factor.high - 0.05 * width, name


def test_same_seed_same_images_and_no_trace_in_the_global_random_state():
    state = torch.get_rng_state()
    first, again, other = (landscapes.draw(20, seed=s) for s in (5, 5, 6))
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.masks, again.masks)
    assert (first.images - other.images).abs().amax((1, 2, 3)).min() > 0.3
    assert torch.equal(torch.get_rng_state(), state)


def test_splits_are_separate_streams():
    train, test = landscapes.draw(100, size=16), landscapes.draw(100, size=16, split="test")
    assert torch.cdist(train.images.flatten(1), test.images.flatten(1)).min() > 1


@pytest.mark.parametrize("count", [1, 257, 501])
def test_an_image_does_not_depend_on_the_count(count):
    many, few = landscapes.draw(600, size=16, seed=2), landscapes.draw(count, size=16, seed=2)
    assert torch.equal(many.factors["sun_x"][:count], few.factors["sun_x"])
    difference = (many.images[:count] - few.images).abs()
    assert difference.max() < 1.5 / 127.5  # at most one level, where a sum in another order rounds differently
    assert (difference > 0).float().mean() < 1e-3


def test_the_size_does_not_change_the_place():
    small, large = landscapes.draw(40, size=32), landscapes.draw(40, size=128)
    for name in FACTORS:
        assert torch.equal(small.factors[name], large.factors[name])
    shrunk = torch.nn.functional.avg_pool2d(large.images, 4)
    near = (shrunk - small.images).abs().mean((1, 2, 3))
    assert near.max() < 0.06
    assert (shrunk - small.images.roll(1, 0)).abs().mean((1, 2, 3)).median() > 4 * near.max()


@pytest.mark.parametrize("size", [16, 33, 128])
def test_sizes(size):
    drawn = landscapes.draw(12, size=size)
    assert drawn.images.shape == (12, 3, size, size)
    assert drawn.images.isfinite().all()
    assert drawn.images.flatten(1).std(1).min() > 0.05


def test_eight_bits_hold_the_images_exactly():
    images = landscapes.draw(30).images
    assert torch.equal(from_bytes(to_bytes(images)), images)


def test_masks_can_be_left_out():
    bare, full = landscapes.draw(5, masks=False), landscapes.draw(5)
    assert torch.equal(bare.images, full.images)
    assert bare.masks.numel() == 0
    assert len(bare[torch.tensor([1, 3])]) == 2
    with pytest.raises(CourseError, match="part: got 'sky'"):
        bare.mask("sky")


@pytest.mark.gpu
def test_gpu_draws_the_same_places():
    cpu, gpu = landscapes.draw(600, seed=3), landscapes.draw(600, seed=3, device="cuda")
    assert gpu.images.is_cuda
    assert gpu.masks.is_cuda
    assert torch.equal(cpu.labels, gpu.labels.cpu())
    difference = (cpu.images - gpu.images.cpu()).abs()
    assert difference.mean() < 1e-4
    assert (difference > 2.5 / 127.5).float().mean() < 1e-4


# ------------------------------------------------------------------------------------------------- true counterparts


def test_the_same_seed_in_another_season_or_at_another_time_is_the_same_place():
    worlds = {
        (season, time): landscapes.draw(40, seed=4, season=season, time=time)
        for season in FACTORS["season"].values
        for time in FACTORS["time"].values
    }
    mixed = landscapes.draw(40, seed=4)
    day = worlds["summer", "day"]
    for (season, time), world in worlds.items():
        for name in FACTORS:
            if name not in ("season", "time"):
                assert torch.equal(world.factors[name], day.factors[name]), name
        assert set(world.labels.tolist()) == {landscapes.CLASSES.index(f"{season} {time}")}
        here = mixed.labels == world.labels[0]
        assert here.any()
        assert torch.equal(mixed.images[here], world.images[here])
    for season in FACTORS["season"].values:  # by night nothing has moved, but windows throw light
        light, dark = (landscapes.draw(40, season=season, time=t, house="no") for t in FACTORS["time"].values)
        for part in ("clouds", "mountains", "water", "trees"):
            assert (light.mask(part) - dark.mask(part)).abs().amax() < 0.01, part
        assert light.images.mean() > dark.images.mean() + 0.5
    for part in ("sun", "clouds", "hills", "house"):  # what leaves, snow and ice do not touch or cover
        summer, winter = (worlds[season, "day"].mask(part) for season in FACTORS["season"].values)
        shared = (summer * winter).sum() / (summer * summer).sum()
        assert shared > 0.9, part
    ground = [worlds[season, "day"] for season in FACTORS["season"].values]
    summer, winter = (((w.images + 1) * w.mask("meadow")[:, None]).sum((2, 3)) for w in ground)
    assert (winter[:, 2] > summer[:, 2] * 1.5).all()  # snow is blue where grass is not


def test_windows_are_lit_by_night_only():
    house = dict(seed=1, house="yes", front="none", house_size=0.22, water="none")
    lamp = 2 * landscape_colours.rgb(landscape_colours.LAMP)[0] - 1
    day, night = (landscapes.draw(20, size=64, time=time, **house) for time in FACTORS["time"].values)
    nearest = ((world.images - lamp[:, None, None]).abs().amax(1).amin((1, 2)) for world in (day, night))
    assert (next(nearest) > 0.1).any()
    assert (next(nearest) < 0.05).all()
    moved = (day.mask("house") - night.mask("house")).abs().sum()  # a little of the chimney and the edges is lit
    assert moved < 0.04 * day.mask("house").sum()
    assert (night.mask("cast") > 0.1).float().mean() > 0.01


# ----------------------------------------------------------------------------------------------------------- factors


@pytest.mark.parametrize("name", FACTORS)
def test_a_factor_changes_what_it_names_and_nothing_else(name):
    """Every pixel that changes shows one of the factor's parts, before or after; and most images do change."""
    factor, base = FACTORS[name], {"seed": 8, "size": 40, **SEEN.get(name, {})}
    values = factor.values or (factor.low, (factor.low + factor.high) / 2, factor.high)
    drawn = [landscapes.draw(24, **(base | {name: value})) for value in values]
    for one, other in itertools.pairwise(drawn):
        changed = (one.images - other.images).abs().amax(1) > 1.5 / 127.5
        parts = torch.stack([world.mask(part) for world in (one, other) for part in factor.parts]).amax(0)
        assert not (changed & (parts == 0)).any()
        assert changed.flatten(1).any(1).float().mean() > 0.7
        for rest in set(FACTORS) - {name}:
            assert torch.equal(one.factors[rest], other.factors[rest])


@pytest.mark.parametrize("terrain", FACTORS["terrain"].values)
def test_relief_is_the_height_of_the_highest_mountain(terrain):
    """Whatever chance makes of the mountains: a reader of the picture can tell the number."""
    size, bare = 128, {"clouds": 0.0, "front": "none", "trees": 0, "haze": 0.4, "sun_y": 0.42}
    drawn = landscapes.draw(40, size, seed=5, terrain=terrain, time="day", **bare)
    top = (drawn.mask("mountains").amax(2) > 0.5).int().argmax(1) / size
    height = (drawn.factors["horizon"] - top) / drawn.factors["relief"]
    assert 0.86 < height.min() < height.max() < 0.98


def test_parts_lie_where_their_factors_say():
    size = 64
    axis = (torch.arange(size) + 0.5) / size

    def centre(mask):
        mass = mask.sum((1, 2)).clamp(min=1e-6)
        return (mask.sum(1) * axis).sum(1) / mass, (mask.sum(2) * axis).sum(1) / mass

    sun = landscapes.draw(30, size, time="day", clouds=0.0, sun_y=0.12, horizon=0.6, relief=0.2, front="none", trees=0)
    x, y = centre(sun.mask("sun"))
    torch.testing.assert_close(x, sun.factors["sun_x"], atol=0.01, rtol=0)
    torch.testing.assert_close(y, sun.factors["sun_y"], atol=0.01, rtol=0)
    area = sun.mask("sun").sum((1, 2)) / size**2
    torch.testing.assert_close(area, math.pi * sun.factors["sun_size"] ** 2, atol=1e-3, rtol=0.02)
    moon = landscapes.draw(
        30, size, time="night", clouds=0.0, sun_y=0.12, horizon=0.6, relief=0.2, front="none", trees=0
    )
    lit = moon.mask("sun").sum((1, 2)) / sun.mask("sun").sum((1, 2))
    torch.testing.assert_close(lit, moon.factors["moon"], atol=0.05, rtol=0)
    house = landscapes.draw(30, size, house="yes", front="none", water="none", time="day")
    x, _ = centre(house.mask("house"))
    torch.testing.assert_close(x, house.factors["house_x"], atol=0.02, rtol=0)
    boat = landscapes.draw(30, size, boat="yes", season="summer", water="lake", front="none")
    x, _ = centre(boat.mask("boat"))
    torch.testing.assert_close(x, boat.factors["boat_x"], atol=0.02, rtol=0)


def test_more_and_larger():
    def seen(part, **overrides):
        return landscapes.draw(40, season="summer", **overrides).mask(part).mean((1, 2))

    assert (seen("mountains", relief=0.42) > seen("mountains", relief=0.2)).all()
    trees = [seen("trees", front="none", trees=k) for k in FACTORS["trees"].values]
    assert trees[0].max() == 0
    for fewer, more in itertools.pairwise(trees):
        assert (more >= fewer - 1e-3).all()
        assert more.mean() > fewer.mean() + 0.002
    assert seen("boat", boat="no").max() == 0
    assert seen("house", house="no").max() == 0
    assert seen("water", water="none").max() == 0
    assert seen("water", water="lake").min() > 0.12
    frozen = landscapes.draw(40, season="winter", water="lake", boat="yes")
    assert frozen.mask("boat").max() == 0


# ------------------------------------------------------------------------------------------- painting, masks, mirror


def test_masks_add_up_to_one_in_every_pixel():
    canvas = scene(33).compose()
    torch.testing.assert_close(canvas.shares().sum(1), torch.ones(6, 33, 33))
    total = landscapes.draw(20).masks.long().sum(1)
    assert (total - 255).abs().max() <= 6  # each of 11 is rounded


def test_layers_against_the_formula_of_alpha_compositing():
    generator = torch.Generator().manual_seed(0)

    def random(*shape):
        return torch.rand(*shape, generator=generator, dtype=torch.float64)

    canvas = RowCanvas(random(3, 3, 5, 7), ("back", "one", "two"))
    expected, shares = canvas.colours.clone(), torch.zeros(3, 3, 5, 7, dtype=torch.float64)
    shares[:, 0] = 1
    for part, rows in (("one", None), ("two", [2, 0]), ("one", [1]), ("two", None)):
        which = list(range(3)) if rows is None else rows
        alpha, colour = random(len(which), 5, 7), random(len(which), 3)
        canvas.paint(alpha, colour, part, None if rows is None else torch.tensor(rows))
        for k, i in enumerate(which):
            for y in range(5):
                for x in range(7):
                    a = alpha[k, y, x]
                    expected[i, :, y, x] = a * colour[k] + (1 - a) * expected[i, :, y, x]
                    shares[i, :, y, x] *= 1 - a
                    shares[i, canvas.parts.index(part), y, x] += a
    torch.testing.assert_close(canvas.colours, expected)
    torch.testing.assert_close(canvas.shares(), shares)


def test_what_lies_below_a_ridge_against_a_polygon_of_pillow():
    size, fine = 32, 16
    frame = scene(size)
    line = frame.f["horizon"][:, None] - 0.1 * frame.waves("hills", 0.9, 1.2)
    detailed = scene(size * fine)
    sharp = detailed.f["horizon"][:, None] - 0.1 * detailed.waves("hills", 0.9, 1.2)
    torch.testing.assert_close(sharp[:, fine // 2 :: fine], line, atol=0.01, rtol=0)
    for one, outline in zip(frame.below(line), sharp * size * fine, strict=True):
        picture = Image.new("L", (size * fine, size * fine))
        corners = [(x + 0.5, y - 0.5) for x, y in enumerate(outline.tolist())]
        bottom = [(size * fine, size * fine), (0, size * fine)]
        ImageDraw.Draw(picture).polygon([*corners, *bottom], fill=255)
        area = torch.tensor(list(picture.tobytes())).view(size, fine, size, fine).float().mean((1, 3)) / 255
        assert (one - area).abs().max() < 0.12
        assert (one - area).mean().abs() < 0.003


def test_dots_have_the_area_of_discs():
    frame = scene(50, count=2)
    x = torch.tensor([[0.2, 0.8], [0.31, 0.577]])
    y = torch.tensor([[0.5, 0.5], [0.273, 0.7]])
    radius = torch.tensor([[3.0, 2.0], [1.5, 4.0]])
    dots = frame.dots(x, y, radius, torch.ones(2, 2))
    torch.testing.assert_close(dots.sum((1, 2)), math.pi * radius.square().sum(1), rtol=0.04, atol=0)
    left = dots[0, :, :25]
    axis = torch.arange(25) + 0.5
    torch.testing.assert_close((left.sum(0) * axis).sum() / left.sum(), torch.tensor(10.0), atol=0.02, rtol=0)
    edge = frame.dots(torch.tensor([[0.0]] * 2), torch.tensor([[0.0]] * 2), radius[:, :1], torch.ones(2, 1))
    torch.testing.assert_close(
        edge.sum((1, 2)), math.pi * radius[:, 0] ** 2 / 4, rtol=0.1, atol=0
    )  # a quarter is inside


def test_the_lake_mirrors_the_rows_above_its_shore():
    frame = scene(40, count=3)
    ramp = (torch.arange(40) + 0.5) / 40
    frame.canvas.colours[:] = ramp[None, None, :, None]
    shore = torch.tensor([0.5, 0.63, 0.71])[:, None, None]
    mirror = frame.mirror(torch.arange(3), shore)
    expected = (2 * shore - ramp[None, :, None] - 0.012)[:, None].expand_as(mirror)
    below = (ramp[None, :, None] > shore + 0.03)[:, None].expand_as(mirror) & (expected > 0.02)
    torch.testing.assert_close(mirror[below], expected[below])


def test_light_and_colours():
    colours = landscape_colours.rgb("ff8000", "000001")
    torch.testing.assert_close(colours, torch.tensor([[1, 128 / 255, 0], [0, 0, 1 / 255]]))
    assert landscape_colours.sky_table().shape == (2, len(FACTORS["sky"].values), 5, 3)
    assert len(landscape_colours.NIGHT_SKIES) == len(FACTORS["sky"].values)
    day, night = (Frame.lit(scene(16, time=t), torch.full((6, 3), 0.8)).mean() for t in ("day", "night"))
    assert day > night + 0.2


# ---------------------------------------------------------------------------------------------------------- captions


def test_captions_say_what_is_drawn():
    place = dict(
        sky="teal", terrain="peaks", water="lake", boat="yes", tree="pine", trees="two", front="oak", wall="red"
    )
    night = landscapes.draw(2, 16, season="summer", time="night", house="yes", **place).captions
    assert night[0] == (
        "a summer night by a lake, jagged peaks under a teal sky, two pines, a red house with lit windows, "
        "a sailing boat and a tall oak in front"
    )
    assert night[-1] == night[1] == night[0]
    frozen = landscapes.draw(1, 16, season="winter", time="day", house="no", **place).captions[0]
    assert frozen == "a winter day by a lake, jagged peaks under a teal sky, two pines and a tall oak in front"
    bare = dict(sky="pink", terrain="lone mountain", water="none", trees="no", front="none", house="no")
    empty = landscapes.draw(3, 16, season="winter", time="night", **bare).captions
    assert empty[1:] == ["a winter night, a lone mountain under an indigo sky"] * 2
    one = landscapes.draw(1, 16, season="summer", time="day", **(bare | {"trees": "one", "tree": "birch"})).captions[0]
    assert one == "a summer day, a lone mountain under a pink sky, one birch"
    five = landscapes.draw(1, 16, season="summer", time="day", **(bare | {"trees": "five", "tree": "birch"})).captions[
        0
    ]
    assert five.endswith("five birches")
    with pytest.raises(IndexError):
        empty[3]


def test_captions_vary_and_follow_the_factors():
    drawn = landscapes.draw(400, 16, masks=False)
    captions = list(drawn.captions)
    assert len(set(captions)) > 350
    for name in ("season", "time", "wall", "front"):
        for code, word in enumerate(FACTORS[name].values):
            here = [c for c, value in zip(captions, drawn.factors[name].tolist(), strict=True) if value == code]
            if name in ("season", "time"):
                assert all(word in caption for caption in here)
            elif name == "front" and word != "none":
                assert all(f"a tall {word} in front" in caption for caption in here)


# --------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (dict(count=0), "count: got 0, expected a whole number, 1 or more"),
        (dict(count=2.5), "count: got 2.5"),
        (dict(size=15), "size: got 15, expected a whole number, 16 to 128"),
        (dict(size=129), "size: got 129"),
        (dict(seed=-1), "seed: got -1"),
        (dict(split="valid"), "split: got 'valid', expected 'train' or 'test'"),
        (dict(device="abacus"), "device: got 'abacus'"),
        (dict(season="spring"), "season: got 'spring', expected summer, winter"),
        (dict(time="noon"), "time: got 'noon', expected day, night"),
        (dict(season=2), "season: got 2, expected summer, winter"),
        (dict(tree="palm"), "tree: got 'palm', expected pine, oak, birch, poplar"),
        (dict(sun_x=2), "sun_x: got 2, expected 0.12 to 0.88"),
        (dict(sun_x=math.nan), "sun_x: got nan"),
        (dict(sun_x=[0.2, 0.3]), "sun_x: got 2 values, expected one value or 3"),
        (dict(river=1), "overrides: got the factor 'river', expected one of season, time, sky"),
        (dict(house=None), "house: got None, expected one value or 3"),
    ],
)
def test_bad_input_is_named_in_one_line(arguments, message):
    with pytest.raises(CourseError, match=message) as error:
        landscapes.draw(**({"count": 3} | arguments))
    assert "\n" not in str(error.value)
