"""The drawn data set: same seed same digits, factors that do what they say, MNIST's framing, captions, bad input."""

import math
import subprocess
import sys
import time

import pytest
import torch

from course_lib.data import glyphs, hand, strokes
from course_lib.data.captions import PALETTE, THICK, THIN, Captions
from course_lib.errors import CourseError

ALL = list(range(10)) * 20


def moments(images):
    """Mass [N], centre (x, y) in pixels [N, 2] and shear (positive leans right) [N] of grey images."""
    ink = ((images[:, 0] + 1) / 2).double()
    axis = torch.arange(ink.shape[-1], dtype=torch.float64) + 0.5
    mass = ink.sum((1, 2))
    x, y = (ink.sum(1) * axis).sum(1) / mass, (ink.sum(2) * axis).sum(1) / mass
    dx, dy = axis - x[:, None], axis - y[:, None]
    shear = -(ink * dy[:, :, None] * dx[:, None, :]).sum((1, 2)) / (ink * dy[:, :, None] ** 2).sum((1, 2))
    return mass, torch.stack([x, y], 1), shear


# ---------------------------------------------------------------------------------------------------------- the set


def test_images_labels_and_factors():
    drawn = strokes.draw(30)
    assert drawn.images.shape == (30, 1, 28, 28)
    assert drawn.images.min() == -1
    assert drawn.images.max() == 1
    assert set(drawn.factors) == {"allograph", *hand.HABITS}
    assert drawn.factors["allograph"].dtype == torch.int64
    assert len(drawn.captions) == 30
    assert drawn.name == "strokes"


def test_every_block_holds_each_digit_equally_often():
    assert strokes.draw(1000, size=8).labels.bincount().tolist() == [100] * 10


def test_labels_are_respected_and_may_come_in_many_forms():
    first = strokes.draw([7, 7, 3], size=12)
    assert first.labels.tolist() == [7, 7, 3]
    assert not torch.equal(first.images[0], first.images[1])
    for form in (torch.tensor([7, 7, 3]), torch.tensor([7, 7, 3], dtype=torch.uint8).numpy(), (7, 7, 3)):
        assert torch.equal(strokes.draw(form, size=12).images, first.images)


def test_same_seed_same_images_and_no_trace_in_the_global_random_state():
    state = torch.get_rng_state()
    first, again, other = strokes.draw(40, seed=5), strokes.draw(40, seed=5), strokes.draw(40, seed=6)
    assert torch.equal(first.images, again.images)
    assert torch.equal(first.labels, again.labels)
    assert (first.images - other.images).abs().amax((1, 2, 3)).min() > 0.5
    assert torch.equal(torch.get_rng_state(), state)


def test_splits_are_separate_streams():
    train, test = strokes.draw(ALL), strokes.draw(ALL, split="test")
    nearest = torch.cdist(train.images.flatten(1), test.images.flatten(1)).min()
    assert nearest > 0.5  # no digit of one is in the other
    seeds = {s * 1_000_003 * 2 + b * 2 + t for s in range(50) for b in range(200) for t in range(2)}
    assert len(seeds) == 50 * 200 * 2


@pytest.mark.parametrize("count", [1, 499, 501, 1203])
def test_an_image_does_not_depend_on_the_count(count):
    many, few = strokes.draw(1500, size=16, seed=2), strokes.draw(count, size=16, seed=2)
    assert torch.equal(many.labels[:count], few.labels)
    assert torch.equal(many.factors["slant"][:count], few.factors["slant"])
    difference = (many.images[:count] - few.images).abs()
    assert difference.max() < 1.5 / 127.5  # at most one grey level, where a sum in another order rounds differently
    assert (difference > 0).float().mean() < 1e-3


def test_the_size_does_not_change_the_digit():
    small, large = strokes.draw(ALL, size=28, blur=1.0), strokes.draw(ALL, size=112, blur=1.0)
    for name in small.factors:
        assert torch.equal(small.factors[name], large.factors[name])
    shrunk = torch.nn.functional.avg_pool2d(large.images, 4)
    assert (shrunk - small.images).abs().mean() < 0.03
    assert (shrunk - small.images.roll(1, 0)).abs().mean() > 0.2  # what two different digits give


@pytest.mark.parametrize("size", [8, 33, 128])
def test_sizes(size):
    images = strokes.draw(20, size=size).images
    assert images.shape == (20, 1, size, size)
    assert (images.amax((1, 2, 3)) > (-0.5 if size == 8 else 0.3)).all()  # a thin stroke fills a third of a pixel


def test_eight_bits_hold_the_images_exactly():
    for colour in (False, True):
        images = strokes.draw(50, colour=colour).images
        assert torch.equal(strokes.from_bytes(strokes.to_bytes(images)), images)


@pytest.mark.gpu
def test_gpu_draws_the_same_digits():
    cpu, gpu = strokes.draw(2000, seed=3, colour=True), strokes.draw(2000, seed=3, colour=True, device="cuda")
    assert gpu.images.is_cuda
    assert gpu.factors["ink"].is_cuda
    assert torch.equal(cpu.labels, gpu.labels.cpu())
    difference = (cpu.images - gpu.images.cpu()).abs()
    assert difference.max() < 3.5 / 127.5
    assert difference.mean() < 1e-4


# ----------------------------------------------------------------------------------------------------------- factors


def test_slant_shears_the_ink():
    drawn = strokes.draw(ALL)
    shear = moments(drawn.images)[2]
    residual = [
        torch.corrcoef(torch.stack([shear[drawn.labels == d].float(), drawn.factors["slant"][drawn.labels == d]]))[0, 1]
        for d in range(10)
    ]
    assert min(residual) > 0.5
    left, right = (moments(strokes.draw(ALL, slant=s).images)[2] for s in (-0.4, 0.4))
    assert (right > left + 0.3).all()


def test_rotation_turns_clockwise():
    upright, turned = (moments(strokes.draw([1] * 50, slant=0, rotation=r).images)[2] for r in (0, 20))
    torch.testing.assert_close((turned - upright).mean().item(), math.tan(math.radians(20)), atol=0.06, rtol=0)


def test_thickness_is_the_width_of_the_stroke():
    for thickness in (2.0, 4.0):
        drawn = strokes.draw([1] * 40, slant=0, rotation=0, allograph=0, thickness=thickness, contrast=1, size=56)
        across = (drawn.images[:, 0, 28] + 1).sum(1) / 2 / 2  # ink in the middle row, in 28ths
        torch.testing.assert_close(across.mean().item(), thickness, atol=0.25 * thickness, rtol=0)
    drawn = strokes.draw(ALL)
    mass = moments(drawn.images)[0].float()
    assert torch.corrcoef(torch.stack([mass, drawn.factors["thickness"]]))[0, 1] > 0.6


def test_width_stretches_and_contrast_dims():
    narrow, wide = ((strokes.draw([0] * 20, width=w, slant=0).images[:, 0] > 0).any(1).sum(1) for w in (0.6, 1.4))
    assert (wide.float().mean() - narrow.float().mean()) > 4
    torch.testing.assert_close(strokes.draw(20, contrast=0.6).images.max().item(), 0.2, atol=0.01, rtol=0)


def test_taper_and_balance_move_the_ink():
    small, large = ((strokes.draw([0] * 50, taper=t, slant=0).images[:, 0, 18:] > 0).any(1).sum(1) for t in (-0.5, 0.5))
    assert large.float().mean() > small.float().mean() + 3  # columns that the lower third of a zero touches
    bar = [strokes.draw([4] * 50, balance=b, allograph=2, slant=0, rotation=0).images[:, 0] for b in (-0.6, 0.6)]
    low, high = ((ink + 1).sum(2).argmax(1).float().mean() for ink in bar)  # the row of the cross bar
    assert low > high


def test_an_override_may_differ_per_image_and_leaves_the_other_factors_alone():
    thickness = torch.linspace(1.5, 6, 12)
    free, fixed = strokes.draw([5] * 12), strokes.draw([5] * 12, thickness=thickness)
    assert torch.equal(fixed.factors["thickness"], thickness)
    assert torch.equal(fixed.factors["slant"], free.factors["slant"])


@pytest.mark.parametrize("digit", range(10))
def test_allographs_differ_and_come_as_often_as_people_write_them(digit):
    count = len(glyphs.GLYPHS[digit])
    numbers = strokes.draw([digit] * 2000, size=8).factors["allograph"].bincount(minlength=count) / 2000
    torch.testing.assert_close(numbers, glyphs.frequencies(digit), atol=0.05, rtol=0)
    pictures = [strokes.draw_strokes(glyphs.skeleton(digit, k)) for k in range(count)]
    for i in range(count):
        for j in range(i):
            assert (pictures[i] - pictures[j]).abs().mean() > 0.015, (i, j)


def test_framing_like_mnist():
    drawn = strokes.draw(ALL * 3, seed=9)
    centre = moments(drawn.images)[1]
    distance = (centre - 14).abs()
    assert distance.max() < 0.5
    assert distance.mean() < 0.1
    ink = drawn.images[:, 0] > 0
    sides = torch.stack([ink.any(1).sum(1), ink.any(2).sum(1)]).amax(0)
    assert ((sides >= 18) & (sides <= 22)).float().mean() > 0.97
    assert 19 < sides.float().mean() < 20.5


# ------------------------------------------------------------------------------------------------- colour and captions


def test_colour():
    drawn = strokes.draw([1, 0], colour=True, ink="red", background=(0, 0, 0.1), thickness=5, contrast=1, size=32)
    assert drawn.images.shape == (2, 3, 32, 32)
    torch.testing.assert_close((drawn.images[:, :, 0, 0] + 1) / 2, torch.tensor([[0, 0, 0.1]] * 2), atol=3e-3, rtol=0)
    torch.testing.assert_close((drawn.images[0].amax((1, 2)) + 1) / 2, torch.tensor(PALETTE["red"]), atol=5e-3, rtol=0)
    free = strokes.draw(200, colour=True, size=8)
    assert free.factors["ink"].shape == free.factors["background"].shape == (200, 3)
    words = [caption.split() for caption in free.captions]
    assert all(len(set(sentence) & set(PALETTE)) == 1 for sentence in words)
    assert {word for sentence in words for word in sentence} >= set(PALETTE)


def test_grey_and_colour_show_the_same_digits():
    grey, colour = strokes.draw(20, seed=4), strokes.draw(20, seed=4, colour=True, ink=(1, 1, 1), background=0)
    assert torch.equal(grey.images.expand(-1, 3, -1, -1), colour.images)


def test_captions_say_what_was_drawn():
    drawn = strokes.draw([7, 8, 1], slant=[-0.4, 0, 0.4], rotation=0, thickness=[4, 2.5, 1.5])
    assert list(drawn.captions) == ["a thick seven leaning left", "an eight upright", "a thin one leaning right"]
    red = strokes.draw([7], colour=True, ink="red", slant=-0.4, rotation=0, thickness=4).captions
    assert red[0] == red[-1] == "a thick red seven leaning left"
    assert drawn.captions[1:] == ["an eight upright", "a thin one leaning right"]
    with pytest.raises(IndexError):
        drawn.captions[3]


def test_captions_use_all_their_words():
    drawn = strokes.draw(500, size=8)
    text = list(drawn.captions)
    for word in ("thin", "thick", "leaning left", "upright", "leaning right"):
        assert sum(word in sentence for sentence in text) > 25, word
    thickness = drawn.factors["thickness"]
    assert sum("thin" in sentence for sentence in text) == (thickness <= THIN).sum()
    assert sum("thick" in sentence for sentence in text) == (thickness > THICK).sum()
    assert list(Captions(drawn.labels, drawn.factors)) == text


# -------------------------------------------------------------------------------------------------------- one picture


def test_skeletons_can_be_drawn_edited_and_are_copies():
    first = strokes.skeleton(4, 0)
    assert [list(stroke.shape) for stroke in first] == [[7, 2], [4, 2]]
    picture = strokes.draw_strokes(first, size=40)
    assert picture.shape == (40, 40)
    assert 0 <= picture.min() < picture.max() <= 1
    columns = picture.amax(0) > 0.5
    assert not columns[:4].any()
    assert not columns[-4:].any()
    first[0][0] += 0.2
    assert (strokes.draw_strokes(first, size=40) - picture).abs().sum() > 5
    assert torch.equal(strokes.draw_strokes(strokes.skeleton(4, 0), size=40), picture)


def test_a_stroke_shrunk_to_a_point_is_a_dot():
    picture = strokes.draw_strokes([torch.full((4, 2), 0.5), strokes.skeleton(1)[0]])
    assert picture.isfinite().all()
    assert strokes.draw_strokes([torch.full((4, 2), 0.5)]).isfinite().all()


def test_one_picture_is_fast_enough_to_drag():
    points = strokes.skeleton(8, 0)
    times = []
    for _ in range(10):
        start = time.perf_counter()
        strokes.draw_strokes(points, size=64)
        times.append(time.perf_counter() - start)
    assert min(times) < 0.02


# ---------------------------------------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("arguments", "overrides", "message"),
    [
        ((0,), {}, "labels: got the count 0, expected at least 1"),
        ((-3,), {}, "labels: got the count -3, expected at least 1"),
        ((2.5,), {}, "labels: got torch.float32 of shape"),
        ((True,), {}, "labels: got torch.bool of shape"),
        (([],), {}, "labels: got an empty list"),
        (([3, 10],), {}, "labels: got the digit 10, expected 0 to 9"),
        (([-1],), {}, "labels: got the digit -1, expected 0 to 9"),
        (([[1, 2]],), {}, r"labels: got torch.int64 of shape \[1, 2\]"),
        (([1.0],), {}, "labels: got torch.float32"),
        (("seven",), {}, "labels: got str, expected a count or a list"),
        ((5, 7), {}, "size: got 7, expected a whole number, 8 to 128"),
        ((5, 129), {}, "size: got 129"),
        ((5, 28.0), {}, "size: got 28.0"),
        ((5, 28, -1), {}, "seed: got -1"),
        ((5, 28, 0.5), {}, "seed: got 0.5"),
        ((5,), {"split": "valid"}, "split: got 'valid', expected 'train' or 'test'"),
        ((5,), {"device": "abacus"}, "device: got 'abacus'"),
        ((5,), {"slope": 1}, "overrides: got the factor 'slope'; expected allograph, slant"),
        ((5,), {"ink": 1}, "overrides: got the factor 'ink', which needs colour=True"),
        ((5,), {"slant": math.nan}, "slant: got nan, expected finite numbers"),
        ((5,), {"slant": math.inf}, "slant: got inf"),
        ((5,), {"slant": 9}, "slant: got 9, expected -2 to 2"),
        ((5,), {"slant": [0.1, 0.2]}, r"slant: got shape \[2\], expected a number or \[5\] numbers"),
        ((5,), {"slant": "right"}, "slant: got 'right', expected a number"),
        ((5,), {"slant": None}, "slant: got NoneType, expected a number"),
        ((5,), {"thickness": 0}, "thickness: got 0, expected 0.3 to 14"),
        (([1, 4],), {"allograph": 5}, "allograph: got 5, expected an integer from 0 to 4 for the digit 1"),
        (([1],), {"allograph": 0.5}, "allograph: got 0.5, expected an integer"),
        ((5,), {"colour": True, "ink": "mauve"}, "ink: got 'mauve'"),
        ((5,), {"colour": True, "ink": (1, 2, 0)}, "ink: got 2, expected 0 to 1"),
    ],
)
def test_bad_input_is_named_in_one_line(arguments, overrides, message):
    with pytest.raises(CourseError, match=message) as error:
        strokes.draw(*arguments, **overrides)
    assert "\n" not in str(error.value)


def test_bad_strokes_are_named_in_one_line():
    good = strokes.skeleton(1)[0]
    for points, message in [
        ([], "control_points: got no stroke"),
        ([good, good[:3]], r"control_points: got stroke 1 of shape \[3, 2\]"),
        ([good * math.nan], "control_points: got NaN or infinity in stroke 0"),
    ]:
        with pytest.raises(CourseError, match=message):
            strokes.draw_strokes(points)
    with pytest.raises(CourseError, match="size: got 4"):
        strokes.draw_strokes([good], size=4)
    with pytest.raises(CourseError, match="digit: got 10, expected one of 0, 1, 2"):
        strokes.skeleton(10)
    with pytest.raises(CourseError, match="allograph: got 9, expected 0 to 4 for the digit 1"):
        strokes.skeleton(1, 9)


def test_another_alphabet_is_drawn_named_and_balanced():
    """Nothing counts to ten by itself: with three symbols there are three classes, with the names of those."""
    code = """
from course_lib.data import glyphs
glyphs.GLYPHS = {symbol: glyphs.GLYPHS[symbol] for symbol in (8, 1, 4)}
glyphs.SYMBOLS, glyphs.NAMES = (8, 1, 4), ("eight", "one", "four")
from course_lib.data import strokes
from course_lib.errors import CourseError
drawn = strokes.draw(300, size=12)
assert drawn.labels.bincount().tolist() == [100, 100, 100], drawn.labels.bincount()
assert drawn.class_names == ("eight", "one", "four")
assert " four " in strokes.draw([2, 2], size=12).captions[0]
bars = strokes.draw([1] * 30, size=12, allograph=0, width=0.5, slant=0, rotation=0).images
assert (bars[:, 0, 6] > -1).sum(1).max() <= 4  # a narrow bar is a one, not an eight
assert [len(strokes.skeleton(symbol)) for symbol in (8, 1, 4)] == [1, 1, 2]
for bad in (lambda: strokes.draw([3]), lambda: strokes.skeleton(0), lambda: strokes.draw([1], allograph=5)):
    try:
        bad()
    except CourseError:
        continue
    raise AssertionError("not refused")
"""
    subprocess.run([sys.executable, "-c", code], check=True)
