"""Resuming: only the very same run goes on, on the very same data, with all it knew."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch
from tiny import Tiny, assert_same, images, train, weights

from course_lib import models
from course_lib.errors import CourseError
from course_lib.training import checkpoint, fit, read_card
from course_lib.training.progress import Bar


def go_on(folder, data=None, steps=10):
    return fit(Tiny(), data or images(), steps=steps, folder=folder, device="cpu", view=Bar(silent=True))


def refused(folder, message, data=None):
    before = (folder / checkpoint.FILE).read_bytes()
    with pytest.raises(CourseError, match=message) as caught:
        go_on(folder, data)
    assert "\n" not in str(caught.value)
    assert (folder / checkpoint.FILE).read_bytes() == before


def rewritten(folder, change):
    """The folder's checkpoint after `change(tensors, card)`, with a checksum that is right."""
    tensors, card = checkpoint.read(folder)
    tensors = {name: tensor.clone() for name, tensor in tensors.items()}
    change(tensors, card)
    checkpoint.save(folder / checkpoint.FILE, tensors, card)


def test_other_pictures_of_the_same_name_and_number_are_refused(tmp_path):
    train(5, tmp_path)
    other = images()
    other.images[7, 0, 3, 3] += 0.01
    refused(tmp_path, "holds a run on other pictures, labels or class names than these 64 of 'noise'", other)


def test_other_labels_and_renamed_classes_are_refused(tmp_path):
    train(5, tmp_path)
    data = images()
    refused(tmp_path, "other pictures, labels or class names", replace(data, labels=data.labels.flip(0)))
    names = (*data.class_names[:9], "neuf")
    refused(tmp_path, "other pictures, labels or class names", replace(data, class_names=names))


def test_another_name_or_number_is_said_as_such(tmp_path):
    train(5, tmp_path)
    refused(tmp_path, "a run with data 'noise', this one 'static'", replace(images(seed=1), name="static"))
    refused(tmp_path, "a run with images 64, this one 80", images(count=80))


def test_the_same_pictures_by_another_path_are_the_same_data(tmp_path):
    train(5, tmp_path)
    run = go_on(tmp_path, replace(images(), name="folder:/elsewhere"))
    assert run.steps == len(run.losses["head"]) == 10
    assert read_card(tmp_path)["data"] == "folder:/elsewhere"


def test_a_run_from_before_there_were_digests_goes_on_by_name_and_number(tmp_path):
    train(5, tmp_path)

    def older(tensors, card):
        del card["digest"], card["optimizers"]

    rewritten(tmp_path, older)
    refused(tmp_path, "a run with data 'noise', this one 'static'", replace(images(), name="static"))
    assert go_on(tmp_path).steps == 10
    assert read_card(tmp_path)["digest"] == images().digest()


@pytest.mark.parametrize("older", [False, True])
def test_weights_without_their_optimisers_are_refused(tmp_path, older):
    train(5, tmp_path)

    def forget(tensors, card):
        for name in [name for name in tensors if name.startswith("optimizer.head")]:
            del tensors[name]
        if older:
            del card["optimizers"]

    rewritten(tmp_path, forget)
    refused(tmp_path, "holds weights without the state of their optimisers, so that run cannot go on")


def test_a_shipped_checkpoint_is_no_run_to_go_on_with(tmp_path):
    train(5, tmp_path / "run")
    models.ship(tmp_path / "run", tmp_path / checkpoint.FILE)
    refused(tmp_path, "holds weights without the state of their optimisers")


def test_a_run_saved_before_its_first_step_goes_on(tmp_path):
    train(0, tmp_path)
    assert_same(weights(go_on(tmp_path).model), weights(train(10)[0].model))


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("model.head.weight", math.nan, "holds NaN or infinite weights, the first in 'head.weight'"),
        ("average.head.weight", math.inf, "holds NaN or infinite weights, the first in 'head.weight'"),
        ("optimizer.head.0.exp_avg", math.nan, "a state of the optimiser 'head' that is NaN or of another model"),
    ],
)
def test_nan_that_was_saved_does_not_come_back(tmp_path, name, value, message):
    train(5, tmp_path)
    rewritten(tmp_path, lambda tensors, card: tensors[name].view(-1)[3].fill_(value))
    refused(tmp_path, message)


def test_an_optimiser_state_of_another_shape_is_refused(tmp_path):
    train(5, tmp_path)
    rewritten(tmp_path, lambda tensors, card: tensors.update({"optimizer.head.0.exp_avg": torch.zeros(3)}))
    refused(tmp_path, "a state of the optimiser 'head' that is NaN or of another model, the first in '0.exp_avg'")


def test_a_state_so_large_that_the_next_step_is_infinite_leaves_the_weights_it_began_with(tmp_path):
    train(5, tmp_path)
    rewritten(tmp_path, lambda tensors, card: tensors["optimizer.head.0.exp_avg"].fill_(3e38))
    kept = checkpoint.read(tmp_path)[0]["model.head.weight"].clone()
    run = go_on(tmp_path)
    assert run.stopped == "diverged"
    assert run.model.head.weight.isfinite().all()
    assert torch.equal(checkpoint.read(tmp_path)[0]["model.head.weight"], kept)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("steps", "5", "steps: got '5', expected a whole number, 0 or more"),
        ("steps", None, "steps: got None, expected a whole number"),
        ("steps", 6, "has not one loss for each of its 6 steps"),
        ("seconds", math.nan, "seconds: got nan, expected a positive number"),
        ("average_updates", -1, "average_updates: got -1, expected a whole number"),
        ("optimizers", [1], "holds weights without the state of their optimisers"),
    ],
)
def test_a_card_that_says_nonsense_of_its_run_is_one_line(tmp_path, key, value, message):
    train(5, tmp_path)
    rewritten(tmp_path, lambda tensors, card: card.update({key: value}))
    refused(tmp_path, message)
