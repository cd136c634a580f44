"""The world of portraits: same seed same faces, factors change what they name and nothing else, masks, captions."""

import pytest
import torch

from course_lib.data import portraits
from course_lib.data.imageset import check_images, from_bytes, to_bytes
from course_lib.data.new_worlds import winding_number
from course_lib.data.portrait_hair import HAIR, HATS
from course_lib.data.portrait_outlines import polylines
from course_lib.data.portrait_painter import HALF, atlas
from course_lib.data.portrait_shapes import BEARD
from course_lib.data.portraits import FACTORS, PARTS
from course_lib.errors import CourseError

N = 60
BARE = {"hat": "no", "glasses": "no", "beard": "no", "hair": "short", "earrings": "no"}


@pytest.fixture(scope="module")
def faces():
    return portraits.draw(N, size=48, seed=4)


# ---------------------------------------------------------------------------------------------------------- the set


def test_images_labels_factors_masks_and_captions():
    drawn = portraits.draw(30)
    check_images(drawn.images)
    assert drawn.images.shape == (30, 3, 32, 32)
    assert drawn.masks.shape == (30, len(PARTS), 32, 32)
    assert set(drawn.factors) == set(FACTORS)
    assert len(FACTORS) >= 12
    assert torch.equal(drawn.labels, drawn.factors["hair"])
    assert drawn.class_names == FACTORS["hair"].values
    assert len(drawn.captions) == 30
    assert drawn.name == "portraits"
    for name, factor in FACTORS.items():
        kind = torch.int64 if factor.values else torch.float32
        assert (drawn.factors[name].shape, drawn.factors[name].dtype) == ((30,), kind)
        assert set(factor.parts) <= set(PARTS)


def test_same_seed_same_images_and_no_trace_in_the_global_random_state():
    state = torch.get_rng_state()
    first, again, other = (portraits.draw(20, seed=seed) for seed in (5, 5, 6))
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.masks, again.masks)
    assert (first.images - other.images).abs().mean((1, 2, 3)).min() > 0.05
    assert torch.equal(torch.get_rng_state(), state)


def test_splits_are_separate_streams():
    train, test = (portraits.draw(200, size=16, split=split).images.flatten(1) for split in ("train", "test"))
    assert torch.cdist(train, test).min() > 1


@pytest.mark.parametrize("count", [1, 63, 65, 130])
def test_an_image_does_not_depend_on_the_count(count):
    many, few = portraits.draw(150, seed=2), portraits.draw(count, seed=2)
    assert torch.equal(many.factors["gaze"][:count], few.factors["gaze"])
    assert (many.images[:count] - few.images).abs().max() < 1.5 / 127.5  # where a sum in another order rounds otherwise


def test_the_size_does_not_change_the_face():
    small, large = portraits.draw(N, size=32), portraits.draw(N, size=128)
    for name in FACTORS:
        assert torch.equal(small.factors[name], large.factors[name])
    shrunk = torch.nn.functional.avg_pool2d(large.images, 4)
    assert (shrunk - small.images).abs().mean() < 0.02
    assert (shrunk - small.images.roll(1, 0)).abs().mean() > 0.2  # what two different faces give
    masks = torch.nn.functional.avg_pool2d(large.masks.float(), 4) / 255
    assert (masks - small.masks.float() / 255).abs().mean() < 0.01


@pytest.mark.parametrize("size", [16, 33, 128])
def test_sizes(size):
    drawn = portraits.draw(8, size=size)
    assert drawn.images.shape == (8, 3, size, size)
    assert drawn.images.std() > 0.2


def test_eight_bits_hold_the_images_exactly(faces):
    assert torch.equal(from_bytes(to_bytes(faces.images)), faces.images)


@pytest.mark.gpu
def test_gpu_draws_the_same_faces():
    cpu, gpu = portraits.draw(500, seed=3), portraits.draw(500, seed=3, device="cuda")
    assert gpu.images.is_cuda
    assert gpu.masks.is_cuda
    difference = (cpu.images - gpu.images.cpu()).abs()
    assert difference.max() < 4.5 / 127.5
    assert difference.mean() < 1e-4


# --------------------------------------------------------------------------------------------- factors and their parts


@pytest.mark.parametrize("name", FACTORS)
def test_a_factor_changes_what_it_names_and_nothing_else(faces, name):
    factor = FACTORS[name]
    if factor.values:
        new = (faces.factors[name] + 1) % len(factor.values)
    else:
        new = factor.low + factor.high - faces.factors[name]
        middle = (factor.low + factor.high) / 2
        far = factor.high - middle
        new = torch.where((new - middle).abs() < far / 2, middle + far * (new > middle), new)  # a change worth seeing
    other = portraits.draw(N, size=48, seed=4, **{name: new})
    assert torch.equal(other.factors[name], new)
    change = (other.images - faces.images).abs().amax(1)
    inside = sum(faces.mask(part) + other.mask(part) for part in factor.parts)
    assert change[inside == 0].max() < 2.5 / 127.5  # of a mask, less than half a 255th is rounded to nothing
    covered = {"hat_colour": "hat", "earrings": None, "parting": None, "hair_shade": "hair"}.get(name, "all")
    seen = change.amax((1, 2)) > 0.007
    if covered == "all":
        assert seen.float().mean() > 0.8
    elif covered:
        visible = (faces.mask(covered) > 0.9).any(2).any(1)
        assert visible.any()
        assert seen[visible].all()
    else:
        assert seen.float().mean() > 0.4


def test_every_allograph_looks_different():
    for name in ("face", "hair", "hat", "eyes", "nose", "beard", "glasses", "clothes", "background", "pattern"):
        count = len(FACTORS[name].values)
        fixed = {"hair_colour": "brown", "tilt": 0, "clothes_colour": "teal", "background_colour": "sky"}
        others = {key: value for key, value in (BARE | fixed).items() if key != name}
        one = portraits.draw(1, size=48, seed=1)
        same = {key: values.expand(count) for key, values in one.factors.items() if key not in (name, *others)}
        drawn = portraits.draw(count, size=48, **same, **others, **{name: torch.arange(count)})
        apart = (drawn.images[:, None] - drawn.images[None]).abs().flatten(2).amax(2)
        assert (apart + 9 * torch.eye(count)).min() > 0.1, name


def test_the_smile_lifts_the_corners_of_the_mouth():
    def corners(smile):
        drawn = portraits.draw(20, size=96, seed=1, smile=smile, open=0, tilt=0, width=1, **BARE)
        mouth, rows = drawn.mask("mouth"), torch.arange(96.0)
        middle, side = mouth[:, :, 47:49].sum(2), mouth[:, :, 41:43].sum(2)
        return ((side * rows).sum(1) / side.sum(1) - (middle * rows).sum(1) / middle.sum(1)).mean()

    assert corners(1.0) < -1 < 0.2 < corners(-0.4)


def test_tilt_turns_the_head_clockwise_by_its_degrees():
    fixed = {"gaze": 0, "eyes": "round", "width": 1, "face": "oval", "smile": 0, "brows": 0} | BARE

    def centres(tilt):
        drawn, axis = portraits.draw(1, size=128, tilt=tilt, **fixed), torch.arange(128.0)
        weights = [drawn.mask(part)[0] for part in ("brows", "mouth", "eyes")]
        left = weights[2] * (axis < (weights[2].sum(0) * axis).sum() / weights[2].sum())
        masks = [*weights[:2], left, weights[2] - left]
        return torch.stack([torch.stack([(m.sum(0) * axis).sum(), (m.sum(1) * axis).sum()]) / m.sum() for m in masks])

    upright = centres(0)
    for tilt in (-9.0, 9.0):
        turned = centres(tilt)
        for one, other in ((0, 1), (2, 3)):  # a line down the face and a line across it
            before, after = upright[other] - upright[one], turned[other] - turned[one]
            angle = torch.atan2(after[1], after[0]) - torch.atan2(before[1], before[0])
            torch.testing.assert_close(torch.rad2deg(angle).item(), tilt, atol=0.7, rtol=0)


def test_skin_and_hair_have_the_colours_that_are_named():
    light, dark = (portraits.draw(20, skin=tone, **BARE) for tone in (0.0, 1.0))
    inside = light.mask("skin") > 0.99
    gap = (light.images - dark.images).mean(1)
    assert gap[inside].min() > 0.5
    blond, black = (portraits.draw(20, hair_colour=colour, **BARE) for colour in ("blond", "black"))
    assert (blond.images - black.images).mean(1)[blond.mask("hair") > 0.99].min() > 0.2


def test_what_is_absent_has_no_mask():
    bare = portraits.draw(40, **(BARE | {"hair": "bald"}))
    for part in ("hair", "hat", "glasses", "beard", "earrings"):
        assert (bare.mask(part) == 0).all()
    dressed = portraits.draw(40, glasses="round", beard="full", earrings="hoop", hair="bald", hat="no")
    for part in ("glasses", "beard", "earrings"):
        assert (dressed.mask(part).amax((1, 2)) > 0.3).all()


def test_masks_share_every_pixel_out_among_the_parts(faces):
    total = faces.masks.int().sum(1)
    assert (total - 255).abs().max() <= len(PARTS) // 2  # each is rounded
    shares = {part: faces.mask(part).mean().item() for part in PARTS}
    assert 0.2 < shares["background"] < 0.7
    assert shares["skin"] > shares["eyes"] > 0.005


def test_masks_lie_where_the_parts_are(faces):
    rows = torch.arange(48.0)[:, None]

    def height(part):
        mask = faces.mask(part)
        return ((mask * rows).sum((1, 2)) / mask.sum((1, 2)).clamp(min=1e-6)).mean()

    assert height("brows") < height("eyes") < height("nose") < height("mouth") < height("clothes")


# ------------------------------------------------------------------------------------------------ captions and input


def test_captions_say_what_is_drawn():
    fixed = {"face": "round", "hair": "curly", "hair_colour": "red", "glasses": "round", "smile": 0.9, "open": 0.2}
    drawn = portraits.draw(2, **(BARE | fixed))
    assert drawn.captions[0] == "a round face with curly red hair, round glasses and a smile"
    fixed |= {"face": "heart", "hat": "cap", "hat_colour": "orange", "smile": 0, "glasses": "sun", "beard": "stubble"}
    expected = "a heart-shaped face with curly red hair, stubble, sunglasses and an orange cap"
    assert portraits.draw(2, **(BARE | fixed)).captions[:] == [expected] * 2
    assert portraits.draw(1, **(BARE | {"hair": "bald", "face": "oval", "smile": 0})).captions[0] == (
        "an oval face with a bald head"
    )


def test_captions_name_no_hair_that_a_hood_hides():
    drawn = portraits.draw(40, hat="hood")
    assert (drawn.mask("hair") == 0).all()
    assert not any("hair" in caption for caption in drawn.captions)


def test_captions_follow_a_choice_of_images(faces):
    some = faces[torch.tensor([7, 3])]
    assert list(some.captions) == [faces.captions[7], faces.captions[3]]
    assert len(set(faces.captions)) > N // 2
    for caption in faces.captions:
        assert not any(word in caption for word in (" man", "woman", "boy", "girl"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"count": 0}, "count: got 0, expected a whole number, 1 or more"),
        ({"count": 3, "size": 15}, "size: got 15, expected a whole number, 16 to 128"),
        ({"count": 3, "size": 32.5}, "size: got 32.5, expected a whole number, 16 to 128"),
        ({"count": 3, "seed": -1}, "seed: got -1, expected a whole number, 0 to 999,999,999"),
        ({"count": 3, "split": "valid"}, "split: got 'valid', expected 'train' or 'test'"),
        ({"count": 3, "mouth": 1}, f"overrides: got the factor 'mouth', expected one of {', '.join(FACTORS)}"),
        ({"count": 3, "tilt": 30}, "tilt: got 30, expected -9 to 9"),
        ({"count": 3, "beard": "long"}, f"beard: got 'long', expected {', '.join(BEARD)}"),
    ],
)
def test_bad_input(arguments, message):
    with pytest.raises(CourseError) as caught:
        portraits.draw(**arguments)
    assert str(caught.value) == message


def test_bad_device():
    with pytest.raises(CourseError, match=r"^device: got 'toaster', expected one that torch can use here"):
        portraits.draw(1, device="toaster")


# ------------------------------------------------------------------------------------------------------------ shapes


@pytest.mark.parametrize("size", [32, 128])
def test_pieces_of_an_outline_are_not_much_longer_than_a_pixel(size):
    for name, unit in (("face", HALF[1]), ("hair", HALF[1]), ("body", 1), ("glasses", HALF[0])):
        lines = atlas(size, torch.device("cpu"))[name]
        assert (lines.diff(dim=1).norm(dim=-1) * unit * size).max() < 2.5, name


def test_outlines_end_in_one_point_and_come_no_coarser_than_asked():
    lines = polylines([pair[1] for pair in HAIR.values()], 0.1)
    assert len(lines) == len(HAIR)
    steps = lines.diff(dim=1).norm(dim=-1)
    assert steps.max() < 0.15
    assert (lines[0] - lines[0, 0]).abs().max() < 1e-4


def test_a_hole_is_outside():
    ring = polylines([HATS["hood"][0]], 0.05)[0]
    points = torch.tensor([(0.0, 0.0), (0.0, -0.95), (0.5, 1.5), (2.0, 0.0), (1.0, 0.0)])
    assert winding_number(ring, points).ne(0).tolist() == [False, True, True, False, True]
