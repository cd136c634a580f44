"""Every benchmark runs from its first line to its last, in seconds, and leaves the record that its readers expect."""

from __future__ import annotations

import importlib
import json
import os
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest
import torch

from course_lib import measured
from course_lib.authoring import readme_table
from course_lib.gan import games
from course_lib.gan.stable_training import R3GAN

FOLDER = Path(__file__).parents[2] / "benchmarks"
FEW = ["--data", "strokes", "--images", "200", "--samples", "40", "--seconds", "0.01", "--seeds", "0"]
RUNS = {  # benchmark -> words that make it short, and the record it leaves
    "batches_speed": (["--count", "256", "--repeats", "1"], "batches"),
    "classifier_accuracy": (FEW, "classifier"),
    "conditional_gan": (FEW, "conditional_gan_strokes"),
    "convolution_speed": (["--threads", "1", "--repeats", "1"], "convolution"),
    "cyclegan": (["--seeds", "0", "--steps", "1", "--images", "40", "--samples", "12"], "cyclegan_season"),
    "detection": (
        ["--data", "strokes", "--images", "200", "--samples", "40", "--steps", "1", "--seeds", "0"],
        "detection_strokes",
    ),
    "drawing_speed": (["--count", "40", "--repeats", "1", "--threads", "1"], "drawing"),
    "factor_reader": (["--images", "6", "--seeds", "0"], "portrait_reader"),
    "gan_against_dcgan": (FEW, "gan_against_dcgan_strokes"),
    "gan_or_vae": (FEW, "gan_or_vae_strokes"),
    "gan_speed": (
        ["--images", "64", "--steps", "1", "--repeats", "1", "--batch-size", "16", "--threads", "1"],
        "gan_speed_cpu",
    ),
    "minibatch_deviation": (FEW, "minibatch_deviation_strokes"),
    "modes": (["--seeds", "0", "--steps", "2", "--width", "8", "--depth", "1"], "modes"),
    "modes_tuning": (["--steps", "2", "--width", "8", "--depth", "1"], "modes_tuning"),
    "progressive_gan": (
        ["--images", "200", "--samples", "40", "--seconds", "0.01", "--ablation", "0.01", "--seeds", "0"],
        "progressive_gan_portraits",
    ),
    "stackgan": (["--images", "300", "--samples", "8", "--steps", "1", "--seeds", "0"], "stackgan"),
    "stylegan": (["--images", "200", "--samples", "40", "--seconds", "0.01", "--seeds", "0"], "stylegan_portraits"),
    "threads": (["--steps", "1", "--repeats", "1", "--settings", "one thread"], "threads"),
    "vae_bound": ([*FEW, "--iwae-images", "2"], "vae_strokes"),
}
OTHERS = {"conventional_gan", "published_dcgan", "runner"}  # parts, no programs
BY_HAND = {"dcgan_128", "drawn_to_real", "ship_checkpoints", "widget_latency"}  # tests of their own below


@pytest.fixture
def run(monkeypatch, tmp_path, tmp_path_factory):
    """Call a benchmark's main with some words; the record it leaves lies in a folder of its own."""
    monkeypatch.syspath_prepend(str(FOLDER))
    monkeypatch.setattr(measured, "FOLDER", tmp_path)
    if "COURSE_CACHE" not in os.environ:
        monkeypatch.setenv("COURSE_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))  # one for all of them
    threads = torch.get_num_threads()

    def call(name: str, words: list[str], record: str | None = None) -> dict:
        monkeypatch.setattr(sys, "argv", [str(FOLDER / f"{name}.py"), *words])
        importlib.import_module(name).main()
        return json.loads((tmp_path / f"{record}.json").read_text()) if record else {}

    yield call
    torch.set_num_threads(threads)


def test_every_benchmark_is_tried_here():
    assert {path.stem for path in FOLDER.glob("*.py")} == RUNS.keys() | OTHERS | BY_HAND


@pytest.mark.parametrize("name", RUNS)
def test_a_benchmark_runs_and_leaves_its_record(run, tmp_path, name):
    words, record = RUNS[name]
    found = run(name, [*words, "--write"], record)
    assert found["command"] == f"python benchmarks/{name}.py {shlex.join(words)} --write"
    assert {f"benchmarks/{name}.py", "benchmarks/runner.py"} <= set(found["code"])
    assert measured.changed_since(found) == []
    told = [figure for _, figure, shown in readme_table.rows() if shown == found]
    assert told or name in ("modes_tuning", "vae_bound"), "no row in the README"


def test_the_rows_that_are_no_games_bound_the_table_of_modes(run):
    found = run("modes", ["--seeds", "0", "1", "--steps", "1", "--games", "r3gan", "--width", "8", "--write"], "modes")
    for world, count in (("ring", 8), ("grid", 25)):
        assert found[world]["real"]["modes"] == [count] * 2
        assert found[world]["carpet"]["modes"] == found[world]["circle"]["modes"] == [0, 0]
    assert found["ring"]["circle"]["lenient_modes"] == [8, 8]
    assert found["grid"]["carpet"]["lenient_modes"] == [25, 25]
    assert found["settings"]["r3gan"]["gamma"] == games.GAMES["r3gan"].contest["gamma"]


def test_without_write_there_is_no_record(run, tmp_path):
    run("batches_speed", RUNS["batches_speed"][0])
    assert not list(tmp_path.glob("*.json"))


def test_pictures_are_kept_and_their_folder_is_no_part_of_the_command(run, tmp_path):
    words = [*FEW, "--pictures", str(tmp_path / "grids"), "--write"]
    found = run("conditional_gan", words, "conditional_gan_strokes")
    assert [path.name for path in (tmp_path / "grids").iterdir()] == ["strokes_conditional_0.png"]
    assert "pictures" not in found["command"]
    assert str(tmp_path) not in json.dumps(found)


def test_dcgan_128_leaves_a_grid_and_its_card(run, tmp_path):
    words = ["--width", "2", "--images", "16", "--batch-size", "8", "--seconds", "0.01", "--threads", "1"]
    run("dcgan_128", [*words, "--out", str(tmp_path / "grid.png")])
    assert (tmp_path / "grid.png").stat().st_size > 1000
    assert json.loads((tmp_path / "grid.json").read_text())["steps"] == 1


def test_drawn_to_real_names_no_folder_of_this_machine(run, mnist_root, tmp_path):
    words = ["--seeds", "0", "--seconds", "0.01", "--threads", "1", "--count", "200", "--data"]
    found = run("drawn_to_real", [*words, str(mnist_root.resolve()), "--write"], "realism")
    assert found["command"] == f"python benchmarks/drawn_to_real.py {' '.join(words)} ROOT --write"
    assert sum(map(sum, found["confusion"])) == 10_000


@pytest.mark.slow
def test_ship_checkpoints_ships_a_checkpoint(run, tmp_path):
    run("ship_checkpoints", ["classifier", "--steps", "2", "--folder", str(tmp_path)])
    assert (tmp_path / "classifier.safetensors").exists()
    assert json.loads((tmp_path / "classifier.json").read_text())["steps"] == 2


# ---------------------------------------------------------------------------------------------------------------------
# The comparison with the published DCGAN
# ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def comparison(run):
    return importlib.import_module("gan_against_dcgan")


def test_equal_steps_are_equal_and_every_row_says_what_it_cost(run):
    words, record = RUNS["gan_against_dcgan"]
    found = run("gan_against_dcgan", [*words, "--write"], record)
    rows, settings = found["rows"], found["settings"]
    assert rows["r3gan"]["steps"] == rows["dcgan_equal_steps"]["steps"] == [1]
    assert (rows["r3gan"]["images_seen"], rows["dcgan_equal_steps"]["images_seen"]) == ([32], [64])
    for row in rows.values():
        assert row.keys() >= {"frechet_distance", "steps", "seconds", "images_seen"}
    for recipe in settings.values():
        assert recipe.keys() >= {"rate", "betas", "batch_size", "average_decay", "norm", "init", "parameters", "size"}
    assert (settings["dcgan"]["rate"], settings["dcgan"]["betas"], settings["dcgan"]["batch_size"]) == (
        2e-4,
        [0.5, 0.999],
        64,
    )


def test_the_published_pair_is_normalised_initialised_and_sized_as_it_says(comparison):
    torch.manual_seed(0)
    pair, ours = comparison.PublishedDCGAN(), R3GAN()
    sizes = [sum(weight.numel() for weight in model.parameters()) for model in (pair, ours)]
    assert 1.75 < sizes[0] / sizes[1] < 2, "nearly twice as many"
    for network, first in ((pair.generator, False), (pair.discriminator, True)):
        layers = [layer for layer in network if not isinstance(layer, (torch.nn.Flatten, torch.nn.Unflatten))]
        weighted = [i for i, layer in enumerate(layers) if hasattr(layer, "weight") and layer.weight.ndim > 1]
        normalised = [
            isinstance(layers[i + 1], torch.nn.BatchNorm2d) if i + 1 < len(layers) else False for i in weighted
        ]
        assert normalised == ([False, True, False] if first else [True, True, False])
        assert all(float(layers[i].weight.detach().std()) == pytest.approx(0.02, rel=0.1) for i in weighted)
    assert pair.generate(pair.noise(2)).shape == (2, 1, 28, 28)
    assert pair.verdict(torch.zeros(2, 1, 28, 28)).shape == (2,)


def test_the_ratio_is_to_the_better_of_last_and_averaged_weights(comparison):
    rows = {
        "r3gan": [{"frechet_distance": 10.0}, {"frechet_distance": 20.0}],
        "dcgan_equal_steps": [{"frechet_distance": 50.0}, {"frechet_distance": 30.0}],
        "dcgan_equal_steps_averaged": [{"frechet_distance": 40.0}, {"frechet_distance": 90.0}],
    }
    assert comparison.times_lower(rows, "equal_steps") == [4.0, 1.5]


def test_the_readme_tells_both_budgets_and_the_popular_loop():
    distances = {
        "r3gan": [10.0, 20.0],
        "dcgan_equal_seconds": [50.0, 30.0],
        "dcgan_equal_seconds_averaged": [40.0, 90.0],
        "dcgan_equal_steps": [25.0, 31.0],
        "dcgan_equal_steps_averaged": [35.0, 26.0],
        "popular_equal_seconds": [700.0, 800.0],
    }
    record = {
        "floor": 1.25,
        "ratio": {"equal_seconds": [4.0, 1.5], "equal_steps": [2.5, 1.3]},
        "rows": {name: {"frechet_distance": values} for name, values in distances.items()},
    }
    assert readme_table.against_dcgan(record) == (
        "Fréchet distance 10 to 20 against 30 to 40 at equal seconds (1.5 to 4.0 times lower) and 25 to 26 at equal "
        "steps (1.3 to 2.5 times lower); a popular repository's loop 700 to 800 at equal seconds (floor 1.2), 2 seeds"
    )


@pytest.mark.slow
@pytest.mark.browser
@pytest.mark.skipif(not (shutil.which("chromium") or shutil.which("chrome")), reason="needs Chromium")
def test_widget_latency_waits_for_the_changed_picture(run, capsys):
    run("widget_latency", ["--moves", "2", "--widgets", "distance_explorer"])
    assert re.search(r"^distance_explorer +median +\d+ ms, longest +\d+ ms, 2 moves$", capsys.readouterr().out, re.M)
