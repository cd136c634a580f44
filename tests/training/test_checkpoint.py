"""Checkpoint files: every damage and every malformed card is one clear line, and nothing is allocated before that."""

from __future__ import annotations

import json
import math
from importlib import resources

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from tiny import Tiny, images

from course_lib import models
from course_lib.errors import CourseError
from course_lib.training import checkpoint, fit, load_weights, weights
from course_lib.training.progress import Bar
from course_lib.vae.autoencoders_to_vae import Autoencoder

SMALL = {"latent": 2, "network": "mlp", "hidden": 4}


def one_line(action, message):
    with pytest.raises(CourseError, match=message) as caught:
        action()
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 700


def written(path, card, changed=None):
    """A whole file of a small autoencoder under any card."""
    tensors = {f"model.{name}": tensor for name, tensor in Autoencoder(**SMALL).state_dict().items()}
    checkpoint.save(path, tensors | (changed or {}), card)
    return path


def test_a_good_file_loads(tmp_path):
    file = written(tmp_path / "a.safetensors", {"model": "autoencoder", "config": SMALL})
    assert models.load(file).config == Autoencoder(**SMALL).config


DEEP = "[" * 100_000 + "]" * 100_000


@pytest.mark.parametrize(
    ("card", "message"),
    [
        ("", "its card is not JSON"),
        ("{", "its card is not JSON"),
        (DEEP, "its card is not JSON"),
        ("9" * 5000, "its card is not JSON"),
        ("null", "its card is a NoneType, expected a dictionary"),
        ("[1]", "its card is a list, expected a dictionary"),
        ("3", "its card is a int, expected a dictionary"),
        ('{"config": {}}', "'model' in its card is missing, expected a name"),
        ('{"model": ["vae"], "config": {}}', "'model' in its card is a list, expected a name"),
        ('{"model": "vae"}', "'config' in its card is missing, expected a dictionary"),
        ('{"model": "vae", "config": null}', "'config' in its card is a NoneType, expected a dictionary"),
        ('{"model": "vae", "config": [1]}', "'config' in its card is a list, expected a dictionary"),
    ],
)
def test_a_card_that_is_none_is_one_line(card, message, tmp_path):
    file = tmp_path / "x.safetensors"
    save_file({"model.weight": torch.zeros(3)}, file, {"format": checkpoint.FORMAT, "card": card})
    for action in (lambda: checkpoint.read(file), lambda: models.load(file), lambda: load_weights(Tiny(), file)):
        one_line(action, message)


def test_a_file_without_a_card_is_one_line(tmp_path):
    save_file({"model.weight": torch.zeros(3)}, tmp_path / "x.safetensors", {"format": checkpoint.FORMAT})
    one_line(lambda: models.load(tmp_path / "x.safetensors"), "its card is not JSON")


@pytest.mark.parametrize(
    ("model", "config", "message"),
    [
        ("os.system", {}, "model: got 'os.system', expected one of classifier"),
        ("autoencoder", {"colour": 3}, "config: got colour=3, expected channels, size, latent, network, hidden, width"),
        ("autoencoder", {"hidden": "many"}, "config: got hidden='many', expected hidden as int"),
        ("autoencoder", {"hidden": None}, "config: got hidden=None, expected hidden as int"),
        ("autoencoder", {"hidden": True}, "config: got hidden=True, expected hidden as int"),
        ("autoencoder", {"hidden": 2.5}, "config: got hidden=2.5, expected hidden as int"),
        ("autoencoder", {"network": "x" * 10_000}, r"network: got 'x+'"),
        ("autoencoder", {"network": 3}, "config: got network=3, expected network as str"),
        ("autoencoder", {"hidden": 0}, "hidden: got 0, expected a whole number, 1 or more"),
        ("autoencoder", {"size": 7, "network": "conv"}, "size: got 7, expected a multiple of 4"),
        ("autoencoder", {"hidden": 500_000}, r"make a model of [\d,]+ numbers, expected at most 500,000,000"),
        ("autoencoder", {"hidden": 10**15}, "these settings make no model"),
        ("autoencoder", {"size": 10**30}, "these settings make no model"),
        ("autoencoder", {"hidden": 5}, r"belongs to another model; \d+ weights differ"),
        ("vae", {"beta": math.inf}, "beta: got inf, expected a finite number"),
    ],
)
def test_a_config_that_does_not_fit_is_one_line(model, config, message, tmp_path):
    file = written(tmp_path / "x.safetensors", {"model": model, "config": SMALL | config})
    if "x" * 50 in str(config):
        with pytest.raises(CourseError, match=message):
            models.load(file)
    else:
        one_line(lambda: models.load(file), message)


def test_a_huge_config_is_judged_before_anything_is_allocated(tmp_path, monkeypatch):
    """500 million numbers would fit this machine; only the file's own size may decide."""
    made = []
    original = Autoencoder.__init__

    def watched(self, **config):
        made.append(torch.empty(0).device.type)
        original(self, **config)

    watched.__signature__ = __import__("inspect").signature(original)
    monkeypatch.setattr(Autoencoder, "__init__", watched)
    file = tmp_path / "x.safetensors"
    save_file(
        {"model.weight": torch.zeros(3)},
        file,
        {"format": checkpoint.FORMAT, "card": json.dumps({"model": "autoencoder", "config": SMALL | {"hidden": 9000}})},
    )
    one_line(lambda: models.load(file), "belongs to another model")
    assert made == ["meta"]


def test_loading_leaves_the_random_numbers_as_they_were_before_there_was_a_sketch(tmp_path):
    """A model's fresh weights are drawn once when it is loaded; the sketch before it draws nothing."""
    file = written(tmp_path / "x.safetensors", {"model": "autoencoder", "config": SMALL})
    torch.manual_seed(4)
    Autoencoder(**SMALL)
    wanted = torch.rand(3)
    torch.manual_seed(4)
    models.load(file)
    assert torch.equal(torch.rand(3), wanted)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 1e300])
def test_weights_that_are_not_finite_are_refused(value, tmp_path):
    """1e300 is finite in the file's float64 and infinite in the model."""
    bad = torch.zeros(2, dtype=torch.float64)
    bad[1] = value
    file = written(
        tmp_path / "x.safetensors", {"model": "autoencoder", "config": SMALL}, changed={"model.code_mean": bad}
    )
    one_line(lambda: models.load(file), "holds NaN or infinite weights, the first in 'code_mean'; delete it")


def test_a_flipped_bit_anywhere_is_one_line_or_changes_nothing(tmp_path):
    fit(Tiny(), images(), steps=3, folder=tmp_path, device="cpu", view=Bar(silent=True))
    file = tmp_path / checkpoint.FILE
    good = file.read_bytes()
    whole = checkpoint.read(file)
    length = int.from_bytes(good[:8], "little")
    generator = torch.Generator().manual_seed(0)
    places = torch.randint(8 * 8, 8 * len(good), (200,), generator=generator).tolist()
    places += torch.randint(8 * 8, 8 * (8 + length), (200,), generator=generator).tolist()  # more in the header
    errors = []
    for place in places:
        flipped = bytearray(good)
        flipped[place // 8] ^= 1 << place % 8
        file.write_bytes(flipped)
        try:
            tensors, card = checkpoint.read(file)
        except CourseError as error:
            errors.append(str(error))
        else:  # a bit of the checksum's name, or a space
            assert card == whole[1]
            assert all(torch.equal(tensors[name], tensor) for name, tensor in whole[0].items())
    assert len(errors) > 380
    assert not any("\n" in error for error in errors)


def test_a_file_from_before_there_were_checksums_still_loads(tmp_path):
    file = tmp_path / "old.safetensors"
    tensors = {f"model.{name}": tensor for name, tensor in Autoencoder(**SMALL).state_dict().items()}
    save_file(
        tensors,
        file,
        {"format": checkpoint.FORMAT, "card": json.dumps({"model": "autoencoder", "config": SMALL})},
    )
    assert models.load(file).name == "autoencoder"


def test_every_shipped_checkpoint_has_a_checksum():
    folder = resources.files("course_lib") / "checkpoints"
    files = [entry for entry in folder.iterdir() if entry.name.endswith(".safetensors")]
    assert files
    for file in files:
        with safe_open(str(file), framework="pt") as opened:
            assert "crc32" in opened.metadata(), file.name


def test_paths_that_can_be_none_are_one_line(tmp_path):
    one_line(lambda: checkpoint.read("a\0b"), "checkpoint: got .*, expected a path without null bytes")
    one_line(lambda: checkpoint.read("~nobody-of-that-name/run"), "there is no such home folder")
    one_line(lambda: checkpoint.read(3), "checkpoint: got 3")
    with pytest.raises(CourseError, match="there is no"):
        checkpoint.read(tmp_path / ("x" * 5000))


def shipped(tmp_path, changed):
    run, out = tmp_path / "run.safetensors", tmp_path / "out.safetensors"
    written(run, {"model": "autoencoder", "config": SMALL}, changed)
    models.ship(run, out, command="none")
    return weights.best(checkpoint.read(out)[0]), models.load(out)


def test_shipping_halves_the_numbers_and_says_what_becomes_zero(tmp_path, capsys):
    factor = torch.eye(2)
    factor[1, 0] = 2e-8
    small, model = shipped(tmp_path, {"model.code_factor": factor})
    assert {tensor.dtype for tensor in small.values()} == {torch.float16}
    assert model.code_factor[1, 0] == 0
    assert "1 of " in capsys.readouterr().err
    shipped(tmp_path, {})
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("value", [2e-8, 1e5])
def test_shipping_keeps_numbers_that_float16_cannot_hold(value, tmp_path, capsys):
    small, model = shipped(tmp_path, {"model.code_mean": torch.tensor([value, value / 2])})
    assert small["code_mean"].dtype == torch.float32
    assert small["code_factor"].dtype == torch.float16
    torch.testing.assert_close(model.code_mean, torch.tensor([value, value / 2]), rtol=0, atol=0)
    assert capsys.readouterr().err == ""
