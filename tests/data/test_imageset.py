"""The image set, and the check of images that every consumer can call."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from course_lib.data import DIGIT_NAMES, ImageSet, check_images
from course_lib.errors import CourseError


def small(count=6):
    images = torch.linspace(-1, 1, count * 3 * 5 * 4).reshape(count, 3, 5, 4)
    captions = [f"caption {i}" for i in range(count)]
    factors = {"slant": torch.arange(count) / 10, "ink": torch.rand(count, 3)}
    return ImageSet(images, torch.arange(count), factors, captions)


def one_line(error) -> str:
    message = str(error.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize(
    "index",
    [slice(1, 5, 2), slice(-2, None), torch.tensor([3, 1]), torch.tensor([False, True, False, True, False, False])],
    ids=["slice", "negative", "positions", "mask"],
)
def test_index_takes_the_same_rows_of_everything(index):
    whole = small()
    rows = torch.arange(6)[index].tolist()
    part = whole[index]
    assert part.labels.tolist() == rows
    assert torch.equal(part.images, whole.images[rows])
    assert all(torch.equal(part.factors[name], whole.factors[name][rows]) for name in whole.factors)
    assert list(part.captions) == [f"caption {i}" for i in rows]


def test_captions_of_a_choice_are_read_only_when_asked_for():
    class Counted(list):
        read = 0

        def __getitem__(self, index):
            Counted.read += 1
            return super().__getitem__(index)

    whole = small()
    part = ImageSet(whole.images, whole.labels, captions=Counted(whole.captions))[2:5][torch.tensor([2, 0])]
    assert Counted.read == 0
    assert part.captions[0] == "caption 4"
    assert part.captions[-1:] == ["caption 2"]
    assert part.captions == ["caption 4", "caption 2"]
    assert Counted.read == 4


def test_without_names_the_classes_are_called_by_their_numbers():
    """Not "zero", "one": they may be letters, or clothes."""
    unnamed = ImageSet(torch.zeros(3, 1, 4, 4), torch.tensor([2, 0, 11]))
    assert unnamed.class_names == unnamed.short_names == tuple(map(str, range(12)))
    assert unnamed[:2].class_names == unnamed.class_names
    assert ImageSet(torch.zeros(0, 1, 4, 4), torch.zeros(0, dtype=torch.int64)).class_names == ()


def test_short_names_write_digits_as_digits():
    digits = ImageSet(torch.zeros(1, 1, 4, 4), torch.tensor([3]), class_names=DIGIT_NAMES)
    assert digits.short_names == tuple("0123456789")
    assert replace(digits, class_names=("cat", "dog", "bird", "fish")).short_names == ("cat", "dog", "bird", "fish")


@pytest.mark.parametrize(("labels", "came"), [([0, 3], "0 to 3"), ([-1, 1], "-1 to 1")])
def test_labels_without_a_class_are_named(labels, came):
    with pytest.raises(CourseError, match=f"labels: got {came}, expected 0 to 2, one per class"):
        ImageSet(torch.zeros(2, 1, 4, 4), torch.tensor(labels), class_names=("a", "b", "c"))


def test_slice_may_be_empty():
    assert len(small()[6:]) == 0


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            dict(images=torch.zeros(6, 5, 4)),
            "images: got torch.float32 of shape [6, 5, 4], expected float32 [N, C, H, W]",
        ),
        (dict(images=torch.zeros(6, 1, 5, 4, dtype=torch.uint8)), "images: got torch.uint8"),
        (dict(labels=torch.zeros(5, dtype=torch.int64)), "labels: got torch.int64 of shape [5]"),
        (dict(labels=torch.zeros(6)), "labels: got torch.float32 of shape [6], expected int64 [6]"),
        (dict(factors={"slant": torch.zeros(7)}), "factors: got 7 rows of 'slant', expected 6"),
        (dict(captions=["one"]), "captions: got 1, expected 6"),
    ],
)
def test_parts_that_disagree_are_named(changes, message):
    given = dict(images=torch.zeros(6, 1, 5, 4), labels=torch.zeros(6, dtype=torch.int64)) | changes
    with pytest.raises(CourseError) as error:
        ImageSet(**given)
    assert message in one_line(error)


@pytest.mark.parametrize("index", [3, [1, 2], torch.tensor([0.5]), torch.tensor(2), torch.tensor([True])])
def test_wrong_index_is_named(index):
    with pytest.raises(CourseError, match="index: got"):
        small()[index]


def test_check_images_passes_good_ones_through():
    images = small().images
    assert check_images(images) is images
    check_images(torch.full((1, 1, 2, 2), 1 + 1e-6))  # rounding


@pytest.mark.parametrize(
    ("images", "message"),
    [
        ([[1.0]], "fakes: got list, expected a tensor"),
        (torch.zeros(4, 28, 28), "fakes: got torch.float32 of shape [4, 28, 28]"),
        (torch.zeros(4, 1, 8, 8, dtype=torch.float64), "fakes: got torch.float64"),
        (torch.zeros(0, 1, 8, 8), "fakes: got shape [0, 1, 8, 8], expected at least one image"),
        (torch.tensor([0.0, float("nan")]).reshape(2, 1, 1, 1), "NaN or infinite values in 1 of 2 images"),
        (torch.tensor([float("inf"), 0.0]).reshape(2, 1, 1, 1), "NaN or infinite values in 1 of 2 images"),
        (
            torch.tensor([0.0, 255.0]).reshape(2, 1, 1, 1),
            "fakes: got values from 0 to 255, expected them within [-1, 1]",
        ),
        (torch.tensor([-1.01, 0.0]).reshape(2, 1, 1, 1), "fakes: got values from -1.01 to 0"),
    ],
)
def test_check_images_names_what_is_wrong(images, message):
    with pytest.raises(CourseError) as error:
        check_images(images, "fakes")
    assert message in one_line(error)


def test_a_digest_names_pictures_labels_and_classes_and_nothing_else():
    whole = small()
    assert whole.digest() == small().digest()
    assert replace(whole, name="folder:/elsewhere", captions=(), factors={}).digest() == whole.digest()
    turned = whole.images.transpose(2, 3).contiguous().transpose(2, 3)  # the same pixels, laid out otherwise
    assert replace(whole, images=turned).digest() == whole.digest()
    brighter = whole.images.clone()
    brighter[-1, 0, -1, -1] += 1e-6
    others = {
        "a pixel": replace(whole, images=brighter),
        "an order": whole[torch.arange(len(whole)).flip(0)],
        "labels": replace(whole, labels=whole.labels.flip(0)),
        "a class name": replace(whole, class_names=("null", *whole.class_names[1:])),
        "fewer": whole[:-1],
    }
    digests = {what: other.digest() for what, other in others.items()}
    assert len({whole.digest(), *digests.values()}) == 1 + len(others), digests


def test_a_digest_is_the_same_tomorrow():
    images = torch.arange(-8, 8).float().div(8).view(1, 1, 4, 4)
    digits = ImageSet(images, torch.tensor([3]), class_names=DIGIT_NAMES)
    assert digits.digest() == "cc4388dd7f4463ce85fca628453ae20f"
