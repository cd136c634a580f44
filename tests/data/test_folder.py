"""Your own pictures: classes, splits, colours, cropping, and what goes wrong with folders."""

from __future__ import annotations

import os
import time

import numpy as np
import PIL
import pytest
import torch
from PIL import Image

from course_lib import data
from course_lib.data import pictures
from course_lib.errors import CourseError


def picture(path, colour=(200, 40, 40), size=(20, 20), mode="RGB", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path, **options)
    return path


def level(value):
    return value / 127.5 - 1


def load(path, **arguments):
    return data.load(f"folder:{path}", **arguments)


def failure(path, **arguments):
    with pytest.raises(CourseError) as error:
        load(path, **arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_subfolders_are_classes(tmp_path):
    for name, shade in (("cats", 10), ("dogs", 90), ("birds", 200)):
        for i in range(10):
            picture(tmp_path / name / f"{i}.png", (shade, i, 0))
    (tmp_path / "cats" / "notes.txt").write_text("not an image")
    (tmp_path / "cats" / "._0.png").write_bytes(b"what a Mac leaves behind")
    picture(tmp_path / "cats" / ".hidden" / "0.png")
    (tmp_path / "empty").mkdir()
    train, test = load(tmp_path), load(tmp_path, split="test")
    assert train.class_names == test.class_names == ("birds", "cats", "dogs")
    assert train.images.shape == (24, 3, 32, 32)
    assert train.name == f"folder:{tmp_path}"
    shades = torch.tensor([200, 10, 90])
    for part in (train, test):
        torch.testing.assert_close(part.images[:, 0, 0, 0], level(shades[part.labels]), atol=1e-5, rtol=0)
    # Nothing in both splits, nothing lost.
    seen = [
        (int(label), round(float(image[1, 0, 0] + 1) * 127.5))
        for part in (train, test)
        for image, label in zip(part.images, part.labels)
    ]
    assert sorted(seen) == [(label, i) for label in range(3) for i in range(10)]
    assert train.labels.tolist() != sorted(train.labels.tolist())  # shuffled
    assert torch.equal(load(tmp_path).images, train.images)


def test_flat_folder_is_one_class(tmp_path):
    for i in range(5):
        picture(tmp_path / "faces" / f"{i}.jpg")
    images = load(tmp_path / "faces")
    assert images.class_names == ("faces",)
    assert len(images) == 4
    assert len(load(tmp_path / "faces", split="test")) == 1
    assert images.labels.eq(0).all()


def test_single_image_serves_as_both_splits_and_that_is_said(tmp_path, capfd):
    picture(tmp_path / "one.png")
    assert len(load(tmp_path)) == len(load(tmp_path, split="test")) == 1
    assert capfd.readouterr().err.count("too few images to keep one for testing") == 2


def test_one_in_five_of_every_class_is_kept_for_testing(tmp_path):
    for name, count in (("common", 25), ("rare", 6), ("rarer", 2), ("single", 1)):
        for i in range(count):
            picture(tmp_path / name / f"{i}.png")
    assert torch.bincount(load(tmp_path, size=4).labels).tolist() == [20, 5, 1, 1]
    assert torch.bincount(load(tmp_path, size=4, split="test").labels).tolist() == [5, 1, 1]


def test_where_more_are_asked_for_than_there_are_all_are_taken_and_that_is_said(tmp_path, capfd):
    for i in range(10):
        picture(tmp_path / f"{i}.png", (i, 0, 0))
    few = load(tmp_path, split="test", count=4000)
    assert len(few) == 2
    assert capfd.readouterr().err == (
        f"course_lib: count: folder:{tmp_path} (test) has 2 images, fewer than 4000: all of them are taken\n"
    )
    assert sorted(few.images[:, 0, 0, 0].tolist()) == sorted(load(tmp_path, split="test").images[:, 0, 0, 0].tolist())


def test_own_train_and_test_folders_are_the_splits(tmp_path):
    picture(tmp_path / "train" / "a" / "0.png", (1, 1, 2))
    picture(tmp_path / "train" / "b" / "0.png", (2, 2, 3))
    picture(tmp_path / "test" / "b" / "0.png", (9, 9, 10))
    train, test = load(tmp_path), load(tmp_path, split="test")
    assert train.class_names == test.class_names == ("a", "b")
    assert sorted(train.labels.tolist()) == [0, 1]
    assert test.labels.tolist() == [1]


def test_own_splits_without_classes_are_one_class(tmp_path):
    picture(tmp_path / "train" / "0.png")
    picture(tmp_path / "test" / "0.png")
    train, test = load(tmp_path), load(tmp_path, split="test")
    assert train.class_names == test.class_names == (tmp_path.name,)
    assert len(train) == len(test) == 1


@pytest.mark.parametrize(
    ("first", "second"), [("train", "val"), ("Train", "Test"), ("TRAIN", "validation"), ("training", "testing")]
)
def test_splits_by_other_names(tmp_path, first, second):
    for name, split in (("a", first), ("b", first), ("b", second)):
        picture(tmp_path / split / name / "0.png")
    train, test = load(tmp_path), load(tmp_path, split="test")
    assert train.class_names == test.class_names == ("a", "b")
    assert sorted(train.labels.tolist()) == [0, 1]
    assert test.labels.tolist() == [1]


def test_a_class_may_be_called_train(tmp_path):
    for name in ("bus", "car", "train"):
        for i in range(2):
            picture(tmp_path / name / f"{i}.png")
    assert load(tmp_path).class_names == ("bus", "car", "train")


@pytest.mark.parametrize("beside", ["val/a/0.png", "stray.png"])
def test_what_lies_beside_the_splits_is_said(tmp_path, capfd, beside):
    for name in ("train/a/0.png", "test/a/0.png", beside):
        picture(tmp_path / name)
    (tmp_path / "readme.txt").write_text("no image")
    assert len(load(tmp_path)) == 1
    (line,) = capfd.readouterr().err.splitlines()
    assert f"not used, such as {beside.split('/')[0]}" in line


def test_splits_of_two_kinds_are_named(tmp_path):
    picture(tmp_path / "train" / "a" / "0.png")
    picture(tmp_path / "test" / "0.png")
    assert "has class folders and the other has none" in failure(tmp_path)
    (tmp_path / "test" / "0.png").unlink()
    assert f"no images in {tmp_path / 'test'}" in failure(tmp_path)


@pytest.mark.parametrize("name", ["train", "my_pictures"])
def test_one_folder_around_the_class_folders_is_named(tmp_path, name):
    for kind in ("cats", "dogs"):
        picture(tmp_path / name / kind / "0.png")
    assert f"did you mean folder:{tmp_path / name}?" in failure(tmp_path)
    assert load(tmp_path / name).class_names == ("cats", "dogs")


def test_a_class_folder_that_cannot_be_read_does_not_vanish(tmp_path, monkeypatch):
    for name in ("cats", "dogs"):
        picture(tmp_path / name / "deep" / "0.png")
    closed, scandir = str(tmp_path / "dogs" / "deep"), os.scandir

    def refuse(path):
        if str(path) == closed:
            raise PermissionError(13, "Permission denied", closed)
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)  # the tests may run as root, who may read everything
    assert failure(tmp_path) == f"folder: cannot read {closed} (Permission denied)"


def test_grey_files_stay_grey_unless_colour_is_asked_or_one_is_coloured(tmp_path):
    for i in range(3):
        picture(tmp_path / f"{i}.png", 100, mode="L")
    assert load(tmp_path).images.shape == (2, 1, 32, 32)
    coloured = load(tmp_path, colour=True).images
    assert coloured.shape == (2, 3, 32, 32)
    assert coloured.eq(coloured[:, :1]).all()
    torch.testing.assert_close(coloured, torch.full_like(coloured, level(100)))
    picture(tmp_path / "3.png", (10, 20, 30))
    # One coloured file makes both splits RGB, whichever it is in.
    assert load(tmp_path).images.shape == (3, 3, 32, 32)
    assert load(tmp_path, split="test").images.shape == (1, 3, 32, 32)


def test_centre_is_cropped_and_resized(tmp_path):
    """A wide picture: red edges, and in its middle square a left half of green and a right half of blue."""
    pixels = np.zeros((40, 100, 3), np.uint8)
    pixels[:, :30, 0] = pixels[:, 70:, 0] = 255
    pixels[:, 30:50, 1] = 255
    pixels[:, 50:70, 2] = 255
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    image = load(tmp_path, size=16).images[0]
    assert image.shape == (3, 16, 16)
    inner = image[:, :, 1:-1]  # bilinear weights reach a little over the edge
    assert inner[0].max() < -0.99
    assert inner[1, :, :6].min() > 0.99
    assert inner[2, :, 8:].min() > 0.99
    assert inner[1, :, 8:].max() < -0.99
    assert image[0].max() < -0.7


def test_shrinking_is_antialiased(tmp_path):
    board = np.indices((256, 256)).sum(0) % 2 * 255  # a chessboard of single pixels is grey from afar
    Image.fromarray(board.astype(np.uint8)).save(tmp_path / "board.png")
    assert load(tmp_path, size=16).images.abs().max() < 0.05


@pytest.mark.parametrize(
    ("mode", "colour", "ending", "expected"),
    [
        ("1", 1, "png", [255]),
        ("L", 77, "pgm", [77]),
        ("LA", (200, 0), "png", [0]),
        ("RGBA", (200, 100, 50, 0), "png", [0, 0, 0]),
        ("RGBA", (200, 100, 50, 255), "png", [200, 100, 50]),
        ("P", 0, "gif", [0, 0, 0]),
        ("CMYK", (0, 255, 255, 0), "tif", [255, 0, 0]),
        ("I;16", 257 * 77, "png", [77]),
        ("RGB", (12, 34, 56), "WEBP", [12, 34, 56]),
        ("RGB", (12, 34, 56), "bmp", [12, 34, 56]),
    ],
)
def test_every_kind_of_file(tmp_path, mode, colour, ending, expected):
    picture(tmp_path / f"image.{ending}", colour, mode=mode, **({"lossless": True} if ending == "WEBP" else {}))
    image = load(tmp_path).images[0]
    torch.testing.assert_close(image[:, 5, 5], level(torch.tensor(expected)), atol=0.001, rtol=0)


def test_dark_pictures_of_16_bits_stay_dark(tmp_path):
    for ending in ("png", "tif"):
        picture(tmp_path / ending / f"image.{ending}", 200, mode="I;16")  # of 65,535
        assert load(tmp_path / ending).images.max() == level(1)
    maximum = 1000
    (tmp_path / "pgm").mkdir()
    content = f"P5 4 4 {maximum}\n".encode() + (500).to_bytes(2, "big") * 16
    (tmp_path / "pgm" / "image.pgm").write_bytes(content)
    torch.testing.assert_close(load(tmp_path / "pgm").images.mean(), torch.tensor(0.0), atol=0.01, rtol=0)


def test_floating_point_pictures_reach_from_0_to_1(tmp_path):
    for i, value in enumerate((0.0, 0.2, 1.0)):
        picture(tmp_path / "good" / str(i) / "image.tif", value, mode="F")
    images = load(tmp_path / "good")
    shades = images.images[images.labels.argsort(), 0, 5, 5]
    torch.testing.assert_close(shades, torch.tensor([-1.0, level(51), 1.0]), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("value", "mode", "message"),
    [
        (200.0, "F", "floating-point values from 200 to 200, which should lie in 0 to 1"),
        (-0.5, "F", "floating-point values from -0.5"),
        (float("nan"), "F", "floating-point values from nan"),
        (70_000, "I", "whole numbers of 32 bits"),
    ],
)
def test_numbers_without_a_known_white_are_refused(tmp_path, value, mode, message):
    picture(tmp_path / "image.tif", value, mode=mode)
    assert f"cannot read the image {tmp_path / 'image.tif'} ({message}" in failure(tmp_path)


def test_huge_pictures_are_refused_before_they_are_decoded(tmp_path, monkeypatch):
    for i in range(7):
        picture(tmp_path / f"{i}.png", mode="1", colour=0, size=(13_000, 13_000))
    monkeypatch.setattr(PIL.ImageFile.ImageFile, "load", lambda *_: pytest.fail("it would take 169 MB"))
    assert "(13000 x 13000 pixels, at most 50,000,000 in all can be read)" in failure(tmp_path)


def test_large_pictures_are_decoded_one_at_a_time(tmp_path, monkeypatch):
    for i in range(6):
        picture(tmp_path / f"{i}.png", size=(60, 60))
    monkeypatch.setattr(pictures, "LARGE", 1000)
    inside, most, load_one = [], [], PIL.ImageFile.ImageFile.load

    def load_slowly(image):
        inside.append(image)
        most.append(len(inside))
        time.sleep(0.02)
        inside.remove(image)
        return load_one(image)

    monkeypatch.setattr(PIL.ImageFile.ImageFile, "load", load_slowly)
    assert len(load(tmp_path)) == 5
    assert max(most) == 1


def test_a_large_jpeg_is_decoded_at_a_fraction_of_its_size(tmp_path, monkeypatch):
    picture(tmp_path / "photo.jpg", size=(2000, 1000))
    monkeypatch.setattr(pictures, "LARGEST", 100_000)
    assert load(tmp_path).images.shape == (1, 3, 32, 32)
    picture(tmp_path / "photo.png", size=(2000, 1000))
    assert "photo.png (2000 x 1000 pixels" in failure(tmp_path)


def test_picture_of_an_upright_camera_is_turned(tmp_path):
    pixels = np.zeros((32, 32), np.uint8)
    pixels[:16] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to view
    Image.fromarray(pixels).save(tmp_path / "camera.png", exif=exif)
    image = load(tmp_path).images[0, 0]
    assert image[:, 20:].min() > 0.9
    assert image[:, :12].max() < -0.9


def test_home_folder_count_and_device(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    for i in range(11):
        picture(tmp_path / "pics" / f"{i}.png", (i, 0, 0))
    some = load("~/pics", count=4, seed=1)
    assert len(some) == 4
    assert torch.equal(some.images, load("~/pics", count=4, seed=1).images)
    assert not torch.equal(some.images, load("~/pics", count=4, seed=2).images)
    assert len(load("~/pics", count=9)) == 9


def test_missing_and_empty_folders_are_named(tmp_path):
    assert f"folder: got {str(tmp_path / 'gone')!r}, expected a folder" in failure(tmp_path / "gone")
    assert f"no images in {tmp_path}" in failure(tmp_path)
    (tmp_path / "readme.txt").write_text("no image")
    assert f"no images in {tmp_path}" in failure(tmp_path)
    assert "expected a folder with image files" in failure(tmp_path / "readme.txt")
    assert "folder: got '~no_such_user', expected a folder" in failure("~no_such_user")
    assert len(failure("a" * 5000)) < 200


@pytest.mark.parametrize("damage", ["truncated", "empty", "text"])
def test_unreadable_image_is_named(tmp_path, damage):
    for i in range(3):
        picture(tmp_path / f"good{i}.png")
    noise = np.random.default_rng(0).integers(0, 255, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "bad.png")
    content = (tmp_path / "bad.png").read_bytes()
    broken = {"truncated": content[: len(content) // 2], "empty": b"", "text": b"<html>404</html>"}[damage]
    (tmp_path / "bad.png").write_bytes(broken)
    messages = []
    for split in ("train", "test"):  # a truncated one shows only in the split it fell into
        try:
            load(tmp_path, split=split)
        except CourseError as error:
            messages.append(str(error))
    assert messages
    for message in messages:
        assert f"cannot read the image {tmp_path / 'bad.png'}" in message
        assert "\n" not in message


def test_a_line_break_in_the_name_of_a_broken_image_does_not_break_the_line(tmp_path):
    (tmp_path / "two\nlines\x1b[2J.png").write_bytes(b"no image")
    assert r"two\nlines\x1b[2J.png (cannot identify image file" in failure(tmp_path)


def test_a_link_to_an_image_that_is_gone_is_named(tmp_path):
    picture(tmp_path / "there.png")
    (tmp_path / "link.png").symlink_to(tmp_path / "gone.png")
    assert f"cannot read the image {tmp_path / 'link.png'}" in failure(tmp_path)


def test_images_beside_class_folders_are_ambiguous(tmp_path):
    picture(tmp_path / "stray.png")
    picture(tmp_path / "cats" / "0.png")
    assert "has both images and class folders (cats)" in failure(tmp_path)


@pytest.mark.parametrize("size", [3, 513])
def test_size_out_of_range(tmp_path, size):
    assert f"size: got {size}, expected a whole number, 4 to 512" in failure(tmp_path, size=size)
