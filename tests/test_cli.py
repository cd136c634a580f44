"""The command line: trains, continues, evaluates, samples; bad input is one line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import resources

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib import cli, data, models, training
from course_lib.chapters import SHIPPED
from course_lib.training import Trainable

LONG = "12345678901234567890"


@pytest.fixture(autouse=True)
def _few_digits(monkeypatch, tmp_path):
    """The command line on 600 digits instead of 60,000."""
    from course_lib import data

    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(data, "DRAWN", {"train": 600, "test": 200})


def run(capsys, *words):
    status = cli.main([str(word) for word in words])
    captured = capsys.readouterr()
    return status, captured.out.strip(), captured.err.strip()


def test_train_continue_and_evaluate(capsys, tmp_path):
    folder = tmp_path / "run"
    status, out, _ = run(
        capsys,
        "train",
        "classifier",
        "--data",
        "strokes",
        "--steps",
        4,
        "--seed",
        3,
        "--out",
        folder,
        "--device",
        "cpu",
    )
    assert status == 0
    assert json.loads(out)["steps"] == 4
    status, out, _ = run(
        capsys,
        "train",
        "classifier",
        "--data",
        "strokes",
        "--steps",
        6,
        "--seed",
        3,
        "--out",
        folder,
        "--device",
        "cpu",
    )
    assert json.loads(out)["steps"] == 6
    card = training.read_card(folder)
    assert (card["model"], card["data"], card["seed"], card["steps"]) == ("classifier", "strokes", 3, 6)
    status, out, _ = run(capsys, "evaluate", folder, "--data", "strokes")
    metrics = json.loads(out)
    assert status == 0
    assert metrics["images"] == 200
    assert 0 <= metrics["accuracy"] <= 1


def test_the_same_seed_trains_the_same_weights(capsys, tmp_path):
    for name in ("a", "b"):
        run(
            capsys,
            "train",
            "classifier",
            "--data",
            "strokes",
            "--steps",
            3,
            "--seed",
            1,
            "--out",
            tmp_path / name,
            "--device",
            "cpu",
        )
    a, b = (models.load(tmp_path / name).state_dict() for name in ("a", "b"))
    assert all(torch.equal(a[key], b[key]) for key in a)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ["train", "resnet", "--steps", "1", "--out", "x"],
            "model: got 'resnet', expected one of classifier, mlp_gan",
        ),
        (["train", "classifier", "--out", "x", "--data", "strokes"], "steps: got neither steps nor seconds"),
        (
            ["train", "classifier", "--steps", "1", "--out", "x", "--data", "imagenet"],
            "got 'imagenet', expected one of strokes, portraits",
        ),
        (["evaluate", "nowhere"], "there is no nowhere"),
        (["evaluate", "no\0where"], "checkpoint: got 'no\\x00where', expected a path without null bytes"),
        (["train", "vae", "--steps", "1", "--out", "a\0b"], "--out: got 'a\\x00b', expected a path without null bytes"),
        (["train", "vae", "--steps", "1", "--out", "~no-such-user/x"], "--out: got '~no-such-user/x', but there is no"),
        (["train", "vae", "--steps", "1", "--out", "x", "--seed", LONG], "--seed: got 12345678901234567890, expected"),
        (["train", "vae", "--steps", "1", "--out", "x", "--seed", "-1"], "--seed: got -1, expected a whole number, 0"),
        (
            ["train", "vae", "--steps", "1", "--out", "x", "--data", "strokes", "--batch-size", "0"],
            "batch_size: got 0, expected a whole number, 1 or more",
        ),
        (["sample", "nowhere", "--out", "x.npy", "--count", "0"], "--count: got 0, expected a whole number, 1 or more"),
        (["sample", "nowhere", "--out", "x.npy", "--seed", LONG], "--seed: got 12345678901234567890, expected"),
        (["sample", "nowhere", "--out", "x.npy", "--labels", LONG], f"--labels: got '{LONG}', expected a comma list"),
        (["sample", "nowhere", "--out", "x\0.npy"], "--out: got 'x\\x00.npy', expected a path without null bytes"),
        (["sample", "nowhere", "--out", "/dev/null"], "--out: got '/dev/null', which is no plain file"),
        (["sample", "nowhere", "--out", "."], "--out: got '.', which is no plain file"),
        (["sample", "nowhere", "--out", "x.npy", "--labels", "1,two"], "--labels: got '1,two', expected a comma list"),
    ],
)
def test_bad_input_is_one_line_and_status_two(capsys, tmp_path, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    status, out, err = run(capsys, *words)
    assert status == 2
    assert out == ""
    assert err.startswith(f"course_lib {words[0]}: ")
    assert message in err
    assert "\n" not in err


def test_a_classifier_does_not_draw(capsys, tmp_path):
    run(capsys, "train", "classifier", "--data", "strokes", "--steps", 1, "--out", tmp_path / "run", "--device", "cpu")
    status, _, err = run(capsys, "sample", tmp_path / "run", "--out", tmp_path / "x.npy")
    assert status == 2
    assert "the model 'classifier' reads images, it does not draw any" in err
    assert not (tmp_path / "x.npy").exists()


class Painter(Trainable):
    """Draws grey squares as bright as their label, with seeded noise."""

    name = "painter"

    def __init__(self):
        super().__init__()
        self.level = torch.nn.Parameter(torch.zeros(1))

    @classmethod
    def for_data(cls, images):
        return cls()

    def configure(self):
        self.optimizers = {"sgd": torch.optim.SGD(self.parameters(), lr=0.1)}

    def training_step(self, batch):
        loss = self.level.square().sum()
        self.descend(loss, self.optimizers["sgd"])
        return {"loss": loss.detach()}

    def sample(self, count, *, seed=0, labels=None):
        noise = torch.rand(count, 1, 5, 4, generator=torch.Generator().manual_seed(seed)) * 0.01
        labels = torch.zeros(count) if labels is None else labels
        return noise + labels.float().view(-1, 1, 1, 1) / 10


def test_sample_writes_float32_in_a_plain_file_and_repeats_labels(capsys, tmp_path, monkeypatch):
    monkeypatch.setitem(models.MODELS, "painter", lambda: Painter)
    run(capsys, "train", "painter", "--data", "strokes", "--steps", 1, "--out", tmp_path / "run", "--device", "cpu")
    status, out, _ = run(
        capsys, "sample", tmp_path / "run", "--count", 7, "--seed", 2, "--labels", "3,1,4", "--out", tmp_path / "x.npy"
    )
    images = np.load(tmp_path / "x.npy", allow_pickle=False)
    assert status == 0
    assert json.loads(out)["shape"] == [7, 1, 5, 4]
    assert images.dtype == np.float32
    assert (images.mean(axis=(1, 2, 3)) * 10).round().tolist() == [3, 1, 4, 3, 1, 4, 3]
    run(capsys, "sample", tmp_path / "run", "--count", 7, "--seed", 2, "--labels", "3,1,4", "--out", tmp_path / "y.npy")
    assert np.array_equal(images, np.load(tmp_path / "y.npy", allow_pickle=False))


@pytest.fixture
def painted(capsys, tmp_path, monkeypatch):
    """A trained painter, and the words that draw with it."""
    monkeypatch.setitem(models.MODELS, "painter", lambda: Painter)
    run(capsys, "train", "painter", "--data", "strokes", "--steps", 1, "--out", tmp_path / "run", "--device", "cpu")
    return "sample", tmp_path / "run", "--count", 7, "--out"


def test_a_full_disk_leaves_the_samples_of_before_as_they_were(painted, capsys, tmp_path, monkeypatch):
    run(capsys, *painted, tmp_path / "x.npy")
    before = (tmp_path / "x.npy").read_bytes()

    def full(file, images, allow_pickle):
        file.write(b"half")
        raise OSError("5488 requested and 4 written")  # what NumPy raises has no strerror

    monkeypatch.setattr(np, "save", full)
    status, out, err = run(capsys, *painted, tmp_path / "x.npy")
    assert (status, out) == (2, "")
    assert err == f"course_lib sample: --out: could not write {tmp_path / 'x.npy'} (5488 requested and 4 written)"
    assert (tmp_path / "x.npy").read_bytes() == before
    assert not list(tmp_path.glob("*.part")) + list(tmp_path.glob(".*.part"))


def test_samples_go_through_a_link_to_the_file_it_points_to(painted, capsys, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "x.npy").symlink_to(tmp_path / "elsewhere" / "y.npy")
    status, _, err = run(capsys, *painted, tmp_path / "x.npy")
    assert status == 0, err
    assert (tmp_path / "x.npy").is_symlink()
    assert np.load(tmp_path / "elsewhere" / "y.npy", allow_pickle=False).shape == (7, 1, 5, 4)


def test_a_count_that_no_memory_holds_is_refused_before_anything_is_drawn(painted, capsys, tmp_path, monkeypatch):
    monkeypatch.setattr(Painter, "sample", None)
    words = ("sample", tmp_path / "run", "--out", tmp_path / "x.npy", "--count", 10**12)
    status, _, err = run(capsys, *words)
    assert status == 2
    assert "--count: got 1000000000000, expected a whole number, 1 to 2,000,000,000" in err
    assert cli.most_images({"channels": 3, "size": 128}) == 8_000_000_000 // (4 * 3 * 128 * 128)


def test_a_run_that_could_not_be_saved_does_not_end_as_a_success(capsys, tmp_path, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    words = ["--data", "strokes", "--steps", 1, "--out", tmp_path / "run", "--device", "cpu"]
    status, out, err = run(capsys, "train", "mlp_gan", *words)
    assert status == 1
    assert json.loads(out)["stopped"] == "finished"
    assert "No space left on device" in err


@pytest.mark.parametrize(
    ("name", "mode", "classes", "message"),
    [
        ("classifier", "L", 2, "got 2 classes, expected 10, as the model 'classifier' was made for"),
        ("classifier", "RGB", 3, "got [N, 3, 28, 28], expected [N, 1, 28, 28], as the model 'classifier' was made for"),
        ("conditional_gan", "L", 3, "got 3 classes, expected 10, as the model 'conditional_gan' was made for"),
        ("vae_plane", "RGB", 10, "got [N, 3, 28, 28], expected [N, 1, 28, 28], as the model 'vae' was made for"),
        ("autoencoder", "RGB", 1, "got [N, 3, 28, 28], expected [N, 1, 28, 28], as the model 'autoencoder' was made"),
        ("r3gan", "RGB", 1, "got [N, 3, 28, 28], expected [N, 1, 28, 28], as the model 'r3gan' was made for"),
    ],
)
def test_evaluating_on_images_of_another_kind_is_one_line(name, mode, classes, message, capsys, tmp_path):
    for label in range(classes):
        (tmp_path / "pictures" / str(label)).mkdir(parents=True)
        for i in range(6):
            Image.new(mode, (28, 28)).save(tmp_path / "pictures" / str(label) / f"{i}.png")
    shipped = resources.files("course_lib") / "checkpoints" / f"{name}.safetensors"
    status, out, err = run(capsys, "evaluate", shipped, "--data", f"folder:{tmp_path / 'pictures'}")
    assert (status, out) == (2, "")
    assert f"images: {message}" in err
    assert "\n" not in err


def test_data_command(capsys):
    status, out, _ = run(capsys, "data", "strokes", "--size", 16)
    lines = [json.loads(line) for line in out.splitlines()]
    assert status == 0
    assert [line["shape"] for line in lines] == [[600, 1, 16, 16], [200, 1, 16, 16]]


def test_help_names_every_command_and_model():
    text = subprocess.run(
        [sys.executable, "-m", "course_lib", "--help"], capture_output=True, text=True, check=True
    ).stdout
    for word in ("train", "sample", "evaluate", "data", "doctor", "work", "COURSE_DATASET", "COURSE_DATA"):
        assert word in text
    with pytest.raises(SystemExit):
        cli.main(["train", "--help"])


def test_help_of_train_lists_the_models(capsys):
    with pytest.raises(SystemExit):
        cli.main(["train", "--help"])
    text = capsys.readouterr().out
    assert all(name in text for name in models.MODELS)


def test_every_model_trains_a_step_saves_and_loads(capsys, tmp_path):
    shipped = {how.model: how for how in SHIPPED.values()}
    for name in models.MODELS:
        how = shipped.get(name)
        words = ["--data", how.data if how and how.data in data.WORLDS else "strokes", "--count", 300, "--steps", 1]
        words += ["--device", "cpu"]
        if how and how.colour:
            words += ["--colour", "--size", how.size or 28]
        status, _, err = run(capsys, "train", name, *words, "--out", tmp_path / name)
        assert status == 0, err
        assert models.load(tmp_path / name).name == name


@pytest.mark.parametrize("name", ["mlp_gan", "dcgan", "wgan_gp", "r3gan", "conditional_gan"])
def test_every_gan_samples_and_is_evaluated(name, capsys, tmp_path):
    run(capsys, "train", name, "--data", "strokes", "--steps", 1, "--out", tmp_path / "run", "--device", "cpu")
    labels = ["--labels", "3,1"] if name == "conditional_gan" else []
    status, out, err = run(
        capsys, "sample", tmp_path / "run", "--count", 5, *labels, "--out", tmp_path / "x.npy", "--seed", 4
    )
    assert status == 0, err
    images = np.load(tmp_path / "x.npy", allow_pickle=False)
    assert images.shape == (5, 1, 28, 28)
    assert np.abs(images).max() <= 1
    status, out, err = run(capsys, "evaluate", tmp_path / "run", "--data", "strokes")
    assert status == 0, err
    figures = json.loads(out)
    assert figures["images"] == 200
    assert figures["frechet_distance"] > figures["floor"] > 0
    assert sum(figures["class_shares"]) == pytest.approx(1)
    assert ("as_ordered" in figures) == (name == "conditional_gan")
    if name != "conditional_gan":
        status, _, err = run(capsys, "sample", tmp_path / "run", "--labels", "3", "--out", tmp_path / "y.npy")
        assert status == 2
        assert "conditional_gan takes orders" in err


SMALL = ["--set", "network=mlp", "--set", "hidden=16", "--set", "latent=2"]  # 500 draws an image take a blink


def test_a_vae_is_trained_as_it_is_set_samples_and_is_evaluated_in_nats(capsys, tmp_path, monkeypatch):
    from course_lib import data

    monkeypatch.setattr(data, "DRAWN", {"train": 600, "test": 40})
    words = ["--data", "strokes", "--steps", 2, "--out", tmp_path / "run", "--device", "cpu"]
    status, out, err = run(capsys, "train", "vae", *SMALL, "--set", "beta=4", "--set", "likelihood=bernoulli", *words)
    assert status == 0, err
    assert {"reconstruction", "kl"} <= json.loads(out).keys()
    config = training.read_card(tmp_path / "run")["config"]
    assert (config["beta"], config["latent"], config["network"], config["hidden"]) == (4.0, 2, "mlp", 16)
    assert isinstance(config["beta"], float)
    status, _, err = run(capsys, "sample", tmp_path / "run", "--count", 5, "--out", tmp_path / "x.npy", "--seed", 4)
    assert status == 0, err
    images = np.load(tmp_path / "x.npy", allow_pickle=False)
    assert images.shape == (5, 1, 28, 28)
    assert np.abs(images).max() <= 1
    assert np.array_equal(images, models.load(tmp_path / "run").sample(5, seed=4).numpy())
    status, out, err = run(capsys, "evaluate", tmp_path / "run", "--data", "strokes")
    assert status == 0, err
    figures = json.loads(out)
    assert figures["images"] == 40
    assert figures["neg_elbo"] == pytest.approx(figures["reconstruction"] + figures["kl"])
    assert 0 < figures["iwae_500"] < figures["neg_elbo"]
    assert figures["protocol"] == "dynamic binarisation, test pixels by seed 0"


def test_an_autoencoder_samples_and_is_evaluated(capsys, tmp_path):
    words = ["--data", "strokes", "--steps", 1, "--out", tmp_path / "run", "--device", "cpu"]
    status, _, err = run(capsys, "train", "autoencoder", *SMALL, *words)
    assert status == 0, err
    status, _, err = run(capsys, "sample", tmp_path / "run", "--count", 3, "--out", tmp_path / "x.npy")
    assert status == 0, err
    assert np.load(tmp_path / "x.npy", allow_pickle=False).shape == (3, 1, 28, 28)
    _, out, _ = run(capsys, "evaluate", tmp_path / "run", "--data", "strokes")
    figures = json.loads(out)
    assert figures["images"] == 200
    assert figures["reconstruction"] > 0
    assert figures["squared_error"] > 0
    status, _, err = run(capsys, "sample", tmp_path / "run", "--labels", "3", "--out", tmp_path / "y.npy")
    assert status == 2
    assert "conditional_gan takes orders" in err


@pytest.mark.parametrize(
    ("name", "word", "message"),
    [
        ("vae", "alpha=4", "--set: got 'alpha=4', expected NAME=VALUE with one of beta, free_bits, hidden,"),
        ("vae", "size=64", "--set: got 'size=64', expected NAME=VALUE"),
        ("vae", "beta=much", "--set: got 'beta=much', expected beta as float, such as 1.0"),
        ("vae", "latent=2.5", "--set: got 'latent=2.5', expected latent as int"),
        ("vae", "beta", "--set: got 'beta', expected beta as float"),
        ("vae", "likelihood=poisson", "likelihood: got 'poisson', expected 'bernoulli' or 'gaussian'"),
        ("vae", "importance=0", "importance: got 0, expected at least 1"),
        ("vae", "beta=inf", "beta: got inf, expected a finite number"),
        ("vae", "free_bits=nan", "free_bits: got nan, expected a finite number"),
        ("vae", "hidden=0", "hidden: got 0, expected a whole number, 1 or more"),
        ("dcgan", "width=0", "width: got 0, expected a whole number, 1 or more"),
        ("classifier", "width=-3", "width: got -3, expected a whole number, 1 or more"),
        ("classifier", "width=100000", "make a model of 501,257,201,418 numbers, expected at most 500,000,000"),
        ("classifier", f"width={LONG}", "classifier: these settings make no model"),
        (
            "autoencoder",
            "beta=4",
            "--set: got 'beta=4', expected NAME=VALUE with one of hidden, latent, network, width",
        ),
    ],
)
def test_a_setting_that_does_not_fit_is_one_line(name, word, message, capsys, tmp_path):
    words = ["--data", "strokes", "--steps", 1, "--out", tmp_path / "run", "--device", "cpu"]
    status, out, err = run(capsys, "train", name, "--set", word, *words)
    assert status == 2
    assert out == ""
    assert err.startswith("course_lib train: ")
    assert message in err
    assert "\n" not in err
    assert not (tmp_path / "run").exists()


def test_shipped_checkpoints_are_small_load_and_say_how_they_were_made():
    folder = resources.files("course_lib") / "checkpoints"
    files = [entry for entry in folder.iterdir() if entry.name.endswith(".safetensors")]
    assert files
    for file in files:
        name = file.name.removesuffix(".safetensors")
        card = json.loads((folder / f"{name}.json").read_text())
        assert len(file.read_bytes()) <= (2**21 if card["data"] in data.WORLDS else 2**20), name  # in colour, in grey
        assert {"command", "seed", "data", "score"} <= card.keys(), name
        assert not models.pretrained(name).training


def test_the_shipped_classifier_reads_digits():
    from course_lib.data.strokes import draw

    fresh = draw(500, seed=77, split="test")
    assert models.pretrained("classifier").evaluate(fresh)["accuracy"] > 0.95


def test_the_data_sets_in_the_help_are_those_there_are():
    assert cli.SETS.replace(" or ", ", ").split(", ") == list(data.NAMES)
