"""Real image sets: reading, downloading from a loopback server, and every way a download fails."""

from __future__ import annotations

import gzip
import hashlib
import http.server
import io
import socket
import tarfile
import threading
import time

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torchvision.datasets import MNIST, FashionMNIST

from course_lib import data
from course_lib.data import download, sources
from course_lib.errors import CourseError


def idx(array: np.ndarray) -> bytes:
    head = bytes([0, 0, 8, array.ndim]) + b"".join(int(n).to_bytes(4, "big") for n in array.shape)
    return head + array.tobytes()


def md5(content: bytes) -> str:
    return hashlib.md5(content).hexdigest()


RANDOM = np.random.default_rng(0)
PIXELS = {
    "train": RANDOM.integers(0, 256, (30, 28, 28), np.uint8),
    "t10k": RANDOM.integers(0, 256, (12, 28, 28), np.uint8),
}
CLASSES = {part: (np.arange(len(pixels)) % 10).astype(np.uint8) for part, pixels in PIXELS.items()}
IDX_FILES = {}
for part in PIXELS:
    IDX_FILES[f"{part}-images-idx3-ubyte.gz"] = gzip.compress(idx(PIXELS[part]))
    IDX_FILES[f"{part}-labels-idx1-ubyte.gz"] = gzip.compress(idx(CLASSES[part]))

CIFAR_ROWS = {
    name: RANDOM.integers(0, 256, (4, 3073), np.uint8)
    for name in [f"data_batch_{i}.bin" for i in range(1, 6)] + ["test_batch.bin"]
}
for rows in CIFAR_ROWS.values():
    rows[:, 0] %= 10


def make_archive() -> bytes:
    members = {f"cifar-10-batches-bin/{name}": rows.tobytes() for name, rows in CIFAR_ROWS.items()}
    members |= {"../escape.txt": b"must not be written", "cifar-10-batches-bin/readme.html": b"not needed"}
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


ARCHIVE = make_archive()


class Server(http.server.ThreadingHTTPServer):
    """A loopback mirror. `mode` says how it behaves: well, forbidden, truncated, wrong, endless, or slow."""

    daemon_threads = True
    mode = "well"

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.asked = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        name = self.path.rsplit("/", 1)[1]
        self.server.asked.append(name)
        content = {**IDX_FILES, "cifar-10-binary.tar.gz": ARCHIVE}.get(name)
        mode = self.server.mode
        if content is None or mode == "forbidden":
            self.send_error(404 if content is None else 403)
            return
        self.send_response(200)
        if mode not in ("wrong", "endless"):
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if mode == "wrong":
            content = bytes([content[0] ^ 1]) + content[1:]
        if mode == "truncated":
            content = content[: len(content) // 2]
        while mode == "endless":
            try:
                self.wfile.write(bytes(10_000))
            except OSError:
                return
        if mode == "slow":  # a byte now and then keeps a socket's own time-out from ever running out
            try:
                for byte in content:
                    self.wfile.write(bytes([byte]))
                    time.sleep(0.1)
            except OSError:
                return
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    running = Server()
    thread = threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield running
    running.shutdown()
    running.server_close()
    thread.join()


@pytest.fixture
def root(tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    for variable in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    return tmp_path / "data"


def mirrors(monkeypatch, *urls):
    """Let both idx sets and CIFAR-10 come from these addresses, with the sums of the small files above."""
    resources = [(name, md5(content)) for name, content in IDX_FILES.items()]
    for dataset in (MNIST, FashionMNIST):
        monkeypatch.setattr(dataset, "mirrors", list(urls))
        monkeypatch.setattr(dataset, "resources", resources)
    unpacked = {name.removesuffix(".gz"): md5(gzip.decompress(content)) for name, content in IDX_FILES.items()}
    monkeypatch.setattr(sources, "SUMS", {"MNIST": unpacked, "FashionMNIST": unpacked})
    monkeypatch.setattr(sources, "CIFAR10_URL", urls[0] + "cifar-10-binary.tar.gz")
    monkeypatch.setattr(sources, "CIFAR10_MD5", md5(ARCHIVE))
    monkeypatch.setattr(sources, "CIFAR10_ROWS", 4)


def failure(name="mnist", **arguments) -> str:
    with pytest.raises(CourseError) as error:
        data.load(name, **arguments)
    assert "\n" not in str(error.value)
    return str(error.value)


def everything(root) -> list:
    return [path for path in root.rglob("*") if path.is_file()] if root.exists() else []


# ----------------------------------------------------------------------------------------------------- success


@pytest.mark.parametrize(("name", "folder"), [("mnist", "MNIST"), ("fashion", "FashionMNIST")])
def test_idx_sets_are_fetched_once_and_read(server, root, monkeypatch, name, folder):
    mirrors(monkeypatch, server.url)
    train = data.load(name)
    expected = torch.from_numpy(PIXELS["train"]).float()[:, None] / 127.5 - 1
    torch.testing.assert_close(train.images, expected)
    assert train.labels.tolist() == CLASSES["train"].tolist()
    assert len(train.class_names) == 10
    assert train.name == name
    test = data.load(name, split="test")
    assert test.images.shape == (12, 1, 28, 28)
    assert len(server.asked) == 4
    server.mode = "forbidden"
    assert torch.equal(data.load(name).images, train.images)
    assert len(server.asked) == 4
    assert sorted(path.name for path in everything(root)) == sorted(name.removesuffix(".gz") for name in IDX_FILES)
    assert (root / folder / "raw" / "train-images-idx3-ubyte").is_file()


def test_torchvision_reads_what_was_fetched(server, root, monkeypatch):
    mirrors(monkeypatch, server.url)
    data.load("mnist")
    data.load("mnist", split="test")
    theirs = MNIST(root, train=False, download=False)
    assert theirs.data.numpy().tobytes() == PIXELS["t10k"].tobytes()
    assert theirs.targets.tolist() == CLASSES["t10k"].tolist()


def test_cifar10_is_rgb_and_nothing_else_is_unpacked(server, root, monkeypatch):
    mirrors(monkeypatch, server.url)
    train, test = data.load("cifar10"), data.load("cifar10", split="test")
    rows = np.concatenate([CIFAR_ROWS[f"data_batch_{i}.bin"] for i in range(1, 6)])
    assert train.images.shape == (20, 3, 32, 32)
    assert train.labels.tolist() == rows[:, 0].tolist()
    assert round(float(train.images[7, 2, 3, 4] + 1) * 127.5) == rows[7, 1 + 2 * 1024 + 3 * 32 + 4]
    assert test.images.shape == (4, 3, 32, 32)
    assert test.class_names[9] == "truck"
    assert server.asked == ["cifar-10-binary.tar.gz"]
    assert sorted(path.name for path in everything(root.parent)) == sorted([*CIFAR_ROWS, sources.NOTED])


def test_files_put_there_by_hand_need_no_network(root, monkeypatch):
    mirrors(monkeypatch, "http://127.0.0.1:9/")
    raw = root / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for name, content in IDX_FILES.items():
        (raw / name).write_bytes(content)
    (root / "cifar-10-binary.tar.gz").write_bytes(ARCHIVE)
    assert len(data.load("mnist")) == 30
    assert len(data.load("cifar10", split="test")) == 4


def test_second_mirror_is_tried(server, root, monkeypatch):
    mirrors(monkeypatch, "http://127.0.0.1:9/", server.url)
    assert len(data.load("mnist")) == 30


# ---------------------------------------------------------------------------------------------------- failures


@pytest.mark.parametrize(
    ("mode", "reason"),
    [("forbidden", "403"), ("truncated", "truncated, "), ("wrong", "wrong checksum")],
)
@pytest.mark.parametrize("name", ["mnist", "cifar10"])
def test_failed_download_says_so_and_leaves_nothing_behind(server, root, monkeypatch, capfd, mode, reason, name):
    mirrors(monkeypatch, server.url)
    server.mode = mode
    message = failure(name)
    assert message.startswith(f"{name}: could not fetch ")
    assert reason in message
    assert server.url in message
    assert f"put the file into {root}" in message
    assert "COURSE_DATASET=strokes" in message
    assert everything(root) == []
    assert len(capfd.readouterr().err.splitlines()) == 1  # that it is being fetched
    server.mode = "well"
    assert len(data.load(name)) in (30, 20)  # the next attempt is not poisoned


@pytest.mark.parametrize("mode", ["well", "endless"])  # with and without a word about how much will come
def test_a_download_has_a_largest_size(server, root, monkeypatch, mode):
    mirrors(monkeypatch, server.url)
    server.mode = mode
    monkeypatch.setattr(download, "LARGEST", 5_000)
    message = failure()
    size = len(IDX_FILES["train-images-idx3-ubyte.gz"]) if mode == "well" else download.CHUNK
    assert f"{server.url}train-images-idx3-ubyte.gz: {size:,} bytes, expected at most 5,000" in message
    assert everything(root) == []


def pretend(monkeypatch, filename, content):
    """The mirror has this content under that name, and its checksum is the right one."""
    monkeypatch.setitem(IDX_FILES, filename, content)
    resources = [(name, md5(content)) for name, content in IDX_FILES.items()]
    monkeypatch.setattr(MNIST, "resources", resources)


@pytest.mark.parametrize(
    "spoilt",
    [b"not gzip", IDX_FILES["train-images-idx3-ubyte.gz"][:-100], IDX_FILES["train-images-idx3-ubyte.gz"][:30] * 9],
    ids=["not gzip", "ends early", "broken inside"],
)
def test_right_checksum_but_no_whole_gzip_file(server, root, monkeypatch, spoilt):
    mirrors(monkeypatch, server.url)
    pretend(monkeypatch, "train-images-idx3-ubyte.gz", spoilt)
    message = failure()
    assert message.startswith("mnist: cannot unpack train-images-idx3-ubyte.gz (")
    assert "though its checksum is right" in message
    assert everything(root) == []


def without_one() -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        tar.addfile(tarfile.TarInfo("cifar-10-batches-bin/data_batch_1.bin"))
    return buffer.getvalue()


@pytest.mark.parametrize(
    "spoilt", [b"no archive", ARCHIVE[:-300], without_one()], ids=["other", "short", "lacks files"]
)
def test_right_checksum_but_no_whole_archive(root, monkeypatch, spoilt):
    mirrors(monkeypatch, "http://127.0.0.1:9/")
    monkeypatch.setattr(sources, "CIFAR10_MD5", md5(spoilt))
    root.mkdir()
    (root / "cifar-10-binary.tar.gz").write_bytes(spoilt)
    assert failure("cifar10").startswith("cifar10: cannot unpack cifar-10-binary.tar.gz (")
    assert [path.name for path in everything(root)] == ["cifar-10-binary.tar.gz"]


def test_connection_refused(root, monkeypatch):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    mirrors(monkeypatch, f"http://127.0.0.1:{port}/")
    start = time.monotonic()
    message = failure()
    assert time.monotonic() - start < 5
    assert "refused" in message
    assert "COURSE_DATASET=strokes" in message
    assert everything(root) == []


def test_unknown_host(root, monkeypatch):
    mirrors(monkeypatch, "http://mirror.invalid/")
    start = time.monotonic()
    assert "mirror.invalid" in failure("fashion")
    assert time.monotonic() - start < 15


@pytest.fixture
def black_hole():
    """Accepts connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/"


def test_server_that_never_answers_is_given_up(black_hole, root, monkeypatch):
    monkeypatch.setattr(download, "PATIENCE", 1.0)
    mirrors(monkeypatch, black_hole, black_hole)
    start = time.monotonic()
    message = failure()
    assert time.monotonic() - start < 2.5
    assert message.count(black_hole) == 2
    assert everything(root) == []


def test_server_that_drips_is_given_up(server, root, monkeypatch):
    monkeypatch.setattr(download, "PATIENCE", 1.0)
    mirrors(monkeypatch, server.url)
    server.mode = "slow"
    start = time.monotonic()
    assert "no answer for 1 s" in failure()
    assert time.monotonic() - start < 2.5
    assert everything(root) == []


@pytest.mark.slow
def test_server_that_never_answers_ends_within_15_seconds(black_hole, root, monkeypatch):
    mirrors(monkeypatch, black_hole, black_hole)
    start = time.monotonic()
    failure()
    assert time.monotonic() - start < 15


def test_name_lookup_that_hangs_ends_too(root, monkeypatch):
    """No socket time-out covers looking a name up; the watching thread does."""
    release = threading.Event()
    monkeypatch.setattr(download, "PATIENCE", 0.5)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: release.wait(5) or [])
    mirrors(monkeypatch, "http://mirror.invalid/")
    start = time.monotonic()
    assert "no answer" in failure()
    assert time.monotonic() - start < 2
    release.set()


def test_root_that_cannot_be_written_is_named(server, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("not a folder")
    monkeypatch.setenv("COURSE_DATA", str(tmp_path / "file" / "data"))
    mirrors(monkeypatch, server.url)
    message = failure()
    assert "cannot write" in message
    assert "set COURSE_DATA" in message


def test_no_space_for_a_download(server, root, monkeypatch):
    import resource

    mirrors(monkeypatch, server.url)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))  # a real OSError from the system, as on a full disk
    try:
        message = failure()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "cannot write" in message
    assert everything(root) == []


# ------------------------------------------------------------------------------------------------ damaged files


def spoil(path, kind):
    content = bytearray(path.read_bytes())
    if kind == "truncated":
        content = content[: len(content) // 2]
    elif kind == "empty":
        content = b""
    elif kind == "long":
        content += b"more"
    elif kind == "other":
        content = b"<html>this is not the file</html>"
    elif kind == "label":
        content[-1] = 77
    elif kind == "fewer":
        content = idx(np.zeros(7, np.uint8))
    elif kind == "one pixel":
        content[1000] ^= 1
    elif kind == "negative":
        content[4:12] = (-30).to_bytes(4, "big", signed=True) + (-28).to_bytes(4, "big", signed=True)
    elif kind == "zero":
        content = idx(np.zeros((30, 0, 28), np.uint8))
    elif kind == "wraps around":  # 2^22 * 2^21 * 2^21 is 0 in 64 bits: as many bytes as follow
        content = content[:4] + b"".join((2**n).to_bytes(4, "big") for n in (22, 21, 21))
    path.write_bytes(content)


REASONS = {
    "other": "it does not start as an idx file",
    "negative": "sizes [-30, -28, 28], expected 1 or more of each)",
    "zero": "sizes [30, 0, 28], expected 1 or more of each)",
    "wraps around": f"16 bytes, expected {16 + 2**64})",
    "one pixel": "wrong checksum)",
}


@pytest.mark.parametrize(
    ("filename", "kind"),
    [
        ("train-images-idx3-ubyte", "truncated"),
        ("train-images-idx3-ubyte", "empty"),
        ("train-images-idx3-ubyte", "long"),
        ("train-images-idx3-ubyte", "other"),
        ("train-images-idx3-ubyte", "negative"),
        ("train-images-idx3-ubyte", "zero"),
        ("train-images-idx3-ubyte", "wraps around"),
        ("train-images-idx3-ubyte", "one pixel"),
        ("train-labels-idx1-ubyte", "truncated"),
        ("train-labels-idx1-ubyte", "label"),
        ("train-labels-idx1-ubyte", "fewer"),
    ],
)
def test_damaged_idx_file_is_named(server, root, monkeypatch, filename, kind):
    mirrors(monkeypatch, server.url)
    data.load("mnist")
    path = root / "MNIST" / "raw" / filename
    spoil(path, kind)
    message = failure()
    assert f"{path} is damaged ({REASONS.get(kind, '')}" in message
    path.unlink()
    assert len(data.load("mnist")) == 30  # as the message advises


@pytest.mark.parametrize("kind", ["truncated", "empty", "other", "one pixel"])  # half of four rows is two whole ones
def test_damaged_cifar_file_is_named(server, root, monkeypatch, kind):
    mirrors(monkeypatch, server.url)
    data.load("cifar10")
    path = root / "cifar-10-batches-bin" / "data_batch_3.bin"
    spoil(path, kind)
    assert f"{path} is damaged" in failure("cifar10")


def test_cifar_files_without_noted_sums_are_read(server, root, monkeypatch):
    """Somebody else unpacked them; the sums of the single files are published nowhere."""
    mirrors(monkeypatch, server.url)
    data.load("cifar10")
    (root / "cifar-10-batches-bin" / sources.NOTED).unlink()
    assert len(data.load("cifar10")) == 20


def test_sums_are_noted_as_md5sum_reads_them(server, root, monkeypatch):
    mirrors(monkeypatch, server.url)
    data.load("cifar10")
    lines = (root / "cifar-10-batches-bin" / sources.NOTED).read_text().splitlines()
    assert lines[5] == f"{md5(CIFAR_ROWS['test_batch.bin'].tobytes())}  test_batch.bin"


def test_a_file_too_large_to_be_one_of_the_set_is_not_read(server, root, monkeypatch):
    mirrors(monkeypatch, server.url)
    data.load("mnist")
    monkeypatch.setattr(download, "LARGEST", 20_000)
    assert "train-images-idx3-ubyte (23,536 bytes, expected at most 20,000)" in failure()


@pytest.mark.parametrize(("name", "count"), [("mnist", 4), ("fashion", 4), ("cifar10", 6)])
def test_the_files_of_a_set_are_known_before_they_are_there(server, root, monkeypatch, name, count):
    mirrors(monkeypatch, server.url)
    assert len(set(sources.files(name))) == count
    for split in ("train", "test"):
        data.load(name, split=split)
    assert all(path.is_file() for path in sources.files(name))


def test_wrong_file_put_there_by_hand_is_named(root, monkeypatch):
    mirrors(monkeypatch, "http://127.0.0.1:9/")
    packed = root / "MNIST" / "raw" / "train-images-idx3-ubyte.gz"
    packed.parent.mkdir(parents=True)
    packed.write_bytes(b"half")
    assert f"{packed}: wrong checksum" in failure()
    assert packed.read_bytes() == b"half"  # somebody put it there; it is not ours to delete


# ------------------------------------------------------------------------------------------ options, real MNIST


def test_size_colour_count_and_seed(server, root, monkeypatch, capfd):
    mirrors(monkeypatch, server.url)
    whole = data.load("mnist")
    resized = data.load("mnist", size=14)
    raw = torch.from_numpy(PIXELS["train"]).float()[:, None]
    expected = F.interpolate(raw, (14, 14), mode="bilinear", antialias=True) / 127.5 - 1
    torch.testing.assert_close(resized.images, expected, atol=1e-5, rtol=0)
    coloured = data.load("mnist", colour=True).images
    assert torch.equal(coloured, whole.images.expand(-1, 3, -1, -1))
    some = data.load("mnist", count=9, seed=4)
    assert torch.equal(some.images, data.load("mnist", count=9, seed=4).images)
    assert not torch.equal(some.images, data.load("mnist", count=9, seed=5).images)
    for image, label in zip(some.images, some.labels):
        (found,) = (whole.images == image).all(dim=(1, 2, 3)).nonzero()[:, 0].tolist()
        assert whole.labels[found] == label
    assert len(data.load("mnist", count=31)) == 30
    assert "count: mnist (train) has 30 images, fewer than 31: all of them are taken" in capfd.readouterr().err
    assert "size: got 2, expected a whole number, 4 to 512" in failure(size=2)


def test_real_mnist(mnist_root, monkeypatch, tmp_path):
    monkeypatch.setenv("COURSE_DATA", str(mnist_root))
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path))
    monkeypatch.setattr(download, "fetch", lambda *_: pytest.fail("the files are there: nothing is to be fetched"))
    train, test = data.load("mnist"), data.load("mnist", split="test")
    assert train.images.shape == (60_000, 1, 28, 28)
    assert test.images.shape == (10_000, 1, 28, 28)
    assert test.labels[:10].tolist() == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9]
    assert torch.bincount(train.labels).tolist() == [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    mean = float((train.images + 1).mean() / 2)
    assert mean == pytest.approx(0.1307, abs=1e-4)  # the constant everyone normalises MNIST with
    data.check_images(train.images)


def test_loading_writes_nothing_next_to_files_that_are_there(mnist_root, monkeypatch):
    monkeypatch.setenv("COURSE_DATA", str(mnist_root))
    before = sorted(path for path in (mnist_root / "MNIST").rglob("*"))
    monkeypatch.setattr(sources, "write_whole", lambda *_: pytest.fail("the data root may be read-only"))
    data.load("mnist", split="test", count=100)
    assert sorted(path for path in (mnist_root / "MNIST").rglob("*")) == before
