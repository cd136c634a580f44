"""Your own pictures: classes, splits, colours, cropping, and what goes wrong with folders."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib import data
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
    assert train.images.shape == (27, 3, 32, 32)
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


def test_single_image_serves_as_both_splits(tmp_path):
    picture(tmp_path / "one.png")
    assert len(load(tmp_path)) == len(load(tmp_path, split="test")) == 1


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
    assert "count: got 11, expected at most 10" in failure("~/pics", count=11)


def test_missing_and_empty_folders_are_named(tmp_path):
    assert f"{str(tmp_path / 'gone')!r} is not a folder" in failure(tmp_path / "gone")
    assert f"no images in {tmp_path}" in failure(tmp_path)
    (tmp_path / "readme.txt").write_text("no image")
    assert f"no images in {tmp_path}" in failure(tmp_path)
    assert "is not a folder" in failure(tmp_path / "readme.txt")


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


def test_images_beside_class_folders_are_ambiguous(tmp_path):
    picture(tmp_path / "stray.png")
    picture(tmp_path / "cats" / "0.png")
    assert "has both images and class folders (cats)" in failure(tmp_path)


@pytest.mark.parametrize("size", [3, 513])
def test_size_out_of_range(tmp_path, size):
    assert f"size: got {size}, expected a whole number, 4 to 512" in failure(tmp_path, size=size)
