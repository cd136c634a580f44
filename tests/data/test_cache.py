"""The cache of drawn digits: same bits from disk, damage, no space, read-only, two processes at once."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import textwrap
import time
import types

import pytest
import torch

from course_lib import data
from course_lib.data import ImageSet, cache
from course_lib.errors import CourseError


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("COURSE_DATASET", raising=False)
    return tmp_path / "cache"


@pytest.fixture
def draws(monkeypatch):
    """A stand-in for the drawing program that counts its calls; as quick as the cache tests need it."""
    calls = []

    def draw(count, size=28, seed=0, colour=False, device="cpu", split="train"):
        calls.append((count, size, seed, colour, str(device), split))
        generator = torch.Generator().manual_seed(seed + (split == "test"))
        images = torch.rand(count, 3 if colour else 1, size, size, generator=generator) * 2 - 1
        factors = {name: torch.rand(count, generator=generator) for name in ("thickness", "slant", "rotation")}
        return ImageSet(images, torch.arange(count) % 10, factors)

    module = types.ModuleType("course_lib.data.strokes")
    module.draw = draw
    monkeypatch.setitem(sys.modules, "course_lib.data.strokes", module)
    return calls


def files(root):
    return sorted((root / "strokes").glob("*.safetensors"))


def same(a: ImageSet, b: ImageSet) -> bool:
    return (
        torch.equal(a.images, b.images)
        and torch.equal(a.labels, b.labels)
        and list(a.factors) == list(b.factors)
        and all(torch.equal(a.factors[name], b.factors[name]) for name in a.factors)
        and list(a.captions) == list(b.captions)
    )


def test_second_load_reads_the_same_bits_and_draws_nothing(root, draws, capfd):
    first = data.load("strokes", count=40, size=12)
    second = data.load("strokes", count=40, size=12)
    assert len(draws) == 1
    assert same(first, second)
    assert len(first.captions) == 40
    assert list(first.factors) == ["thickness", "slant", "rotation"]
    data.check_images(first.images)
    assert capfd.readouterr().err == ""
    assert files(root)[0].stat().st_size < 40 * 144 + 2000  # a byte per pixel


def test_every_argument_has_its_own_file(root, draws):
    base = dict(count=20, size=12)
    for change in ({}, {"count": 21}, {"size": 13}, {"seed": 1}, {"split": "test"}, {"colour": True}):
        data.load("strokes", **base | change)
    assert len(draws) == len(files(root)) == 6
    assert draws[4] == (20, 12, 0, False, "cpu", "test")


def test_another_drawing_program_draws_anew(root, draws, monkeypatch):
    data.load("strokes", count=20)
    monkeypatch.setattr(cache, "_sources", lambda: "edited")
    data.load("strokes", count=20)
    assert len(draws) == 2


def test_key_covers_the_files_that_draw():
    names = {path.name for path in cache.Path(cache.__file__).parent.glob("*.py")}
    assert names >= cache.NOT_DRAWING
    assert not cache.NOT_DRAWING & {"strokes.py", "glyphs.py", "hand.py", "drawing_images.py"}


def damage_truncate(path):
    os.truncate(path, path.stat().st_size // 2)


def damage_empty(path):
    path.write_bytes(b"")


def damage_one_bit(path):
    content = bytearray(path.read_bytes())
    content[-100] ^= 1
    path.write_bytes(content)


def damage_garbage(path):
    path.write_bytes(b"no safetensors file at all" * 100)


@pytest.mark.parametrize("damage", [damage_truncate, damage_empty, damage_one_bit, damage_garbage])
def test_damaged_file_is_drawn_again_and_said_in_one_line(root, draws, capfd, damage):
    first = data.load("strokes", count=30, size=10)
    damage(files(root)[0])
    again = data.load("strokes", count=30, size=10)
    assert same(first, again)
    assert len(draws) == 2
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    assert str(files(root)[0]) in lines[0]
    assert "damaged" in lines[0]
    data.load("strokes", count=30, size=10)
    assert len(draws) == 2  # mended


def rewrite(path, change):
    """Change the tensors of a file and give it the checksum that is right for them."""
    from safetensors.torch import load_file

    tensors = load_file(path)
    change(tensors)
    cache._write(path, path.name, {name: values.contiguous() for name, values in tensors.items()})


FORGERIES = {
    "no images": (lambda t: t.pop("images"), "lacks images"),
    "no labels": (lambda t: t.pop("labels"), "lacks labels"),
    "no slant": (lambda t: t.pop("factor 01 slant"), "lacks slant"),
    "fewer images": (lambda t: t.update(images=t["images"][:7]), "images of shape [7, 1, 10, 10], expected 30 rows"),
    "fewer of all": (lambda t: t.update({name: v[:7] for name, v in t.items()}), "expected 30 rows"),
    "another size": (
        lambda t: t.update(images=t["images"][:, :, :5]),
        "[30, 1, 5, 10], expected uint8",
    ),
    "other numbers": (lambda t: t.update(images=t["images"].float()), "torch.float32 images"),
    "no rows": (lambda t: t.update(labels=torch.tensor(3)), "labels of shape []"),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_right_checksum_does_not_make_other_contents_right(root, draws, capfd, forgery):
    change, message = FORGERIES[forgery]
    first = data.load("strokes", count=30, size=10)
    rewrite(files(root)[0], change)
    again = data.load("strokes", count=30, size=10)
    assert same(first, again)
    (line,) = capfd.readouterr().err.splitlines()
    assert message in line
    assert "making it again" in line
    data.load("strokes", count=30, size=10)
    assert len(draws) == 2  # mended


def test_a_file_of_other_arguments_is_not_taken_for_the_one_asked_for(root, draws, capfd):
    data.load("strokes", count=30, size=10, seed=1)
    (other,) = files(root)
    first = data.load("strokes", count=30, size=10, seed=2)
    mine = next(path for path in files(root) if path != other)
    mine.write_bytes(other.read_bytes())
    assert same(first, data.load("strokes", count=30, size=10, seed=2))
    assert "its checksum is wrong" in capfd.readouterr().err


@pytest.fixture
def full_disk():
    """Writing past 64 KiB in any file fails with a real OSError, as on a full disk; undone at the end."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (64 * 1024, hard))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_no_space_draws_anyway_and_leaves_nothing(root, draws, capfd, full_disk):
    images = data.load("strokes", count=200, size=28)
    assert len(images) == 200
    assert not [path for path in (root / "strokes").iterdir() if path.suffix != ".lock"]
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "going on without" in lines[0]


@pytest.mark.parametrize("where", ["/proc/no/such", "file"])
def test_unwritable_cache_draws_anyway(tmp_path, monkeypatch, draws, capfd, where):
    if where == "file":
        (tmp_path / "file").write_text("not a folder")
        where = str(tmp_path / "file" / "cache")
    monkeypatch.setenv("COURSE_CACHE", where)
    assert len(data.load("strokes", count=20)) == 20
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == 1
    assert "going on without" in lines[0]


def test_read_only_cache_that_holds_the_file_is_used_without_a_lock(root, draws, monkeypatch, capfd):
    import filelock

    first = data.load("strokes", count=20)
    (root / "strokes" / (files(root)[0].name + ".lock")).unlink(missing_ok=True)
    monkeypatch.setattr(filelock.FileLock, "acquire", lambda *_: pytest.fail("a read-only cache cannot be locked"))
    assert same(first, data.load("strokes", count=20))
    assert len(draws) == 1
    assert capfd.readouterr().err == ""


def test_part_of_a_killed_process_is_swept_up(root, draws):
    data.load("strokes", count=20)
    path = files(root)[0]
    path.unlink()
    stale = path.with_name(f".{path.name}.0badcafe.part")
    stale.write_bytes(b"half a file")
    data.load("strokes", count=20)
    assert not stale.exists()


PROCESS = """
import sys, time, types, pathlib, torch
from course_lib import data
log = pathlib.Path(sys.argv[1])

def draw(count, size=28, seed=0, colour=False, device="cpu", split="train"):
    with open(log / "draws", "a") as file:
        file.write("draw\\n")
    time.sleep(1.0)  # long enough that the other process is sure to arrive meanwhile
    factors = {name: torch.zeros(count) for name in ("thickness", "slant", "rotation")}
    images = torch.rand(count, 1, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1
    return data.ImageSet(images, torch.arange(count) % 10, factors)

module = types.ModuleType("course_lib.data.strokes")
module.draw = draw
sys.modules["course_lib.data.strokes"] = module
(log / f"ready{sys.argv[2]}").touch()
while not (log / "go").exists():
    time.sleep(0.005)
images = data.load("strokes", count=50)
print(images.images.double().sum().item(), len(images.captions))
"""


def start(tmp_path, number):
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-c", textwrap.dedent(PROCESS), str(tmp_path), str(number)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def wait_for(condition, seconds=180):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "the other process did not get there"
        time.sleep(0.01)


def test_two_processes_at_once_draw_once_and_agree(root, tmp_path):
    processes = [start(tmp_path, number) for number in range(2)]
    wait_for(lambda: all((tmp_path / f"ready{number}").exists() for number in range(2)))
    (tmp_path / "go").touch()
    outputs = [process.communicate(timeout=180) for process in processes]
    assert [process.returncode for process in processes] == [0, 0], outputs
    assert outputs[0] == outputs[1]
    assert outputs[0][1] == ""
    assert (tmp_path / "draws").read_text() == "draw\n"
    assert len(files(root)) == 1


@pytest.mark.slow
def test_killed_while_drawing_leaves_the_way_free(root, tmp_path):
    (tmp_path / "go").touch()
    killed = start(tmp_path, 0)
    wait_for((tmp_path / "draws").exists)
    killed.kill()
    killed.communicate()
    second = start(tmp_path, 1)
    _, err = second.communicate(timeout=180)
    assert second.returncode == 0, err
    assert len(files(root)) == 1


def test_real_strokes_come_back_as_they_were_drawn(root):
    from course_lib.data.strokes import draw

    for split in ("train", "test"):
        drawn = draw(60, size=16, seed=5, colour=True, split=split)
        for _ in range(2):
            loaded = data.load("strokes", count=60, size=16, seed=5, colour=True, split=split)
            assert same(loaded, drawn)
    assert loaded[3:6].captions == list(drawn.captions)[3:6]


def test_default_is_strokes_and_the_environment_changes_it(root, draws, monkeypatch):
    assert data.load(count=10).images.shape == (10, 1, 28, 28)
    monkeypatch.setenv("COURSE_DATASET", "nonsense")
    with pytest.raises(CourseError, match="COURSE_DATASET: got 'nonsense', expected one of strokes"):
        data.load(count=10)
    assert len(data.load("strokes", count=10)) == 10


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            dict(name="minst"),
            "name: got 'minst', expected one of strokes, portraits, landscapes, mnist, fashion, cifar10, folder:PATH",
        ),
        (dict(name="folder:"), "name: got 'folder:', expected one of"),
        (dict(name="mnist:x"), "name: got 'mnist:x', expected one of"),
        (dict(name=3), "name: got 3, expected one of"),
        (dict(name="x" * 5000), "xxx ... xxx"),
        (dict(split="valid"), "split: got 'valid', expected 'train' or 'test'"),
        (dict(size=7), "size: got 7, expected a whole number, 8 to 128"),
        (dict(size=129), "size: got 129"),
        (dict(size=28.0), "size: got 28.0"),
        (dict(count=0), "count: got 0, expected a whole number, 1 or more"),
        (dict(count=-5), "count: got -5"),
        (dict(seed=-1), "seed: got -1"),
        (dict(seed=10**9), "seed: got 1000000000"),
        (dict(seed="a"), "seed: got 'a'"),
        (dict(device="gpu"), "device: got 'gpu', expected one that torch can use here"),
        (dict(device="cuda:99"), "device: got 'cuda:99', expected one that torch can use here"),
    ],
)
def test_bad_arguments_are_named_in_one_line(root, arguments, message):
    with pytest.raises(CourseError) as error:
        data.load(**{"name": "strokes", "count": 10} | arguments)
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_import_is_light():
    """What only some sources need is imported by them: notebooks and command lines start quickly."""
    heavy = ["torchvision", "PIL", "safetensors", "matplotlib", "IPython", "ipywidgets"]
    code = f"import sys, course_lib.data; print([name for name in {heavy} if name in sys.modules])"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert out.strip() == "[]"
