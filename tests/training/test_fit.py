"""The engine: limits, repeatability, resume, interruption, divergence, bad input."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
import torch
from tiny import Tiny, assert_same, images, steps_until, train, weights

from course_lib.cnn.training_a_cnn import Classifier
from course_lib.errors import CourseError
from course_lib.training import checkpoint, evaluating, fit, load_weights, read_card
from course_lib.training.progress import Bar

HERE = Path(__file__).parent


def test_same_seed_same_weights_and_another_seed_others():
    first, second, third = train(30)[1], train(30)[1], train(30, seed=5)[1]
    assert_same(weights(first), weights(second))
    assert not torch.equal(first.head.weight, third.head.weight)


def test_the_callers_random_state_is_left_alone():
    model = Tiny()
    torch.manual_seed(3)
    wanted = torch.rand(4)
    torch.manual_seed(3)
    fit(model, images(), steps=5, device="cpu", view=Bar(silent=True))
    assert torch.equal(torch.rand(4), wanted)


def test_losses_have_one_value_a_step_and_fall():
    run, _ = train(200)
    assert len(run.losses["body"]) == len(run.losses["head"]) == run.steps == 200
    assert sum(run.losses["head"][-20:]) < 0.7 * sum(run.losses["head"][:20])


def test_the_schedule_reaches_the_optimisers():
    _, model = train(100)
    rate = model.optimizers["head"].param_groups[0]["lr"]
    assert rate == pytest.approx(0.01 * (1 - 0.5 * 0.99))


def test_fewer_images_than_a_batch_are_taken_together_and_it_says_so(capsys):
    few, options = images(5), {"device": "cpu", "view": Bar(silent=True)}
    torch.manual_seed(0)
    run = fit(Tiny(), few, steps=3, **options)
    assert "batches of 5, all the images there are; 'tiny' usually takes 8" in capsys.readouterr().err
    assert_same(weights(run.model), weights(fit(Tiny(), few, steps=3, batch_size=5, **options).model))
    assert capsys.readouterr().err == ""
    with pytest.raises(CourseError, match="batch_size: got 8, expected at most 5"):
        fit(Tiny(), few, steps=3, batch_size=8, **options)


def test_seconds_end_a_run():
    run, _ = fit(Tiny(), images(), seconds=0.5, device="cpu", view=Bar(silent=True)), None
    assert 0.5 <= run.seconds < 3
    assert run.steps > 1


def test_the_run_returns_the_average_and_the_model_stays_raw():
    run, model = train(40)
    assert run.model is not model
    assert not run.model.training
    assert not torch.equal(run.model.head.weight, model.head.weight)


def averaged_by_hand(*names):
    """A run of 90 steps, its raw model, and the average that the formula gives for the tensors named."""
    seen = []

    def look(model):
        return {name: model.state_dict()[name].clone() for name in names}

    class Recording(Tiny):
        def training_step(self, batch):
            losses = super().training_step(batch)
            seen.append(look(self))
            return losses

    model = Recording()
    wanted = look(model)
    run = fit(model, images(), steps=90, device="cpu", view=Bar(silent=True))
    for step, state in enumerate(seen, start=1):
        decay = min(0.9, (1 + step) / (10 + step))  # 0.9 takes over at step 80
        wanted = {name: decay * wanted[name] + (1 - decay) * state[name] for name in names}
    return run, model, wanted


def test_the_average_is_the_one_of_the_formula():
    run, _, wanted = averaged_by_hand("head.weight")
    torch.testing.assert_close(run.model.head.weight, wanted["head.weight"], rtol=1e-5, atol=1e-6)


def test_the_running_statistics_are_averaged_with_the_weights_and_counters_copied():
    run, model, wanted = averaged_by_hand("body.1.running_mean", "body.1.running_var")
    norm = run.model.body[1]
    torch.testing.assert_close(norm.running_mean, wanted["body.1.running_mean"], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(norm.running_var, wanted["body.1.running_var"], rtol=1e-5, atol=1e-6)
    assert not torch.equal(norm.running_mean, model.body[1].running_mean)
    assert norm.num_batches_tracked == model.body[1].num_batches_tracked >= 90


def test_ctrl_c_keeps_what_was_learned_and_the_run_goes_on_bit_for_bit(tmp_path):
    whole, raw = train(60)
    first = fit(steps_until(Tiny(), 23), images(), steps=60, folder=tmp_path, device="cpu", view=Bar(silent=True))
    assert first.stopped == "interrupted"
    assert first.steps == 23
    assert len(first.losses["body"]) == 23
    assert read_card(tmp_path)["steps"] == 23
    second, model = train(60, tmp_path)
    assert_same(weights(raw), weights(model))
    assert_same(weights(whole.model), weights(second.model))
    assert second.losses == whole.losses


def test_training_works_in_a_thread():
    result = []
    thread = threading.Thread(target=lambda: result.append(train(3)[0].steps))
    thread.start()
    thread.join()
    assert result == [3]


KILLED = """
import sys, time
sys.path.insert(0, {here!r})
from tiny import Tiny, images

from course_lib.training.progress import Bar
from course_lib.training import fit
class Slow(Tiny):
    def training_step(self, batch):
        time.sleep(0.01)
        return super().training_step(batch)
fit(Slow(), images(), steps=300, folder={folder!r}, save_every=0.05, device="cpu", view=Bar(silent=True))
"""


@pytest.mark.slow
def test_kill_minus_nine_then_resume_equals_uninterrupted(tmp_path):
    whole, raw = train(300)
    program = KILLED.format(here=str(HERE), folder=str(tmp_path))
    process = subprocess.Popen(
        [sys.executable, "-c", program], env=os.environ | {"OMP_NUM_THREADS": str(torch.get_num_threads())}
    )
    limit = time.monotonic() + 60
    while not (tmp_path / checkpoint.FILE).exists() and process.poll() is None and time.monotonic() < limit:
        time.sleep(0.02)
    time.sleep(0.3)
    process.kill()
    process.wait()
    done = read_card(tmp_path)["steps"]
    assert 0 < done < 300, "killed too late or too early to mean anything"
    run, model = train(300, tmp_path)
    assert run.steps == 300
    assert_same(weights(raw), weights(model))
    assert_same(weights(whole.model), weights(run.model))


TWO = """
import sys
sys.path.insert(0, {here!r})
import torch
torch.set_num_threads(1)
from tiny import images

from course_lib.training.progress import Bar
from tiny import Tiny as Base
from course_lib.training import checkpoint, fit, first_process
from torch.nn import functional as F
class Tiny(Base):  # no dropout and no batch norm: each process would see other noise and another half of the batch
    def forward(self, images):
        return self.head(F.relu(self.body[0](images)).flatten(1))
run = fit(Tiny(), images(), steps=40, device="cpu", view=Bar(silent=True), seed=2)
if first_process():
    tensors = {{"model." + name: tensor for name, tensor in run.model.state_dict().items()}}
    checkpoint.save({out!r}, tensors, {{"model": "tiny", "config": {{}}, "losses": run.losses}})
import gc, torch.distributed as dist
del run
gc.collect()
if dist.is_initialized():
    dist.barrier()
    dist.destroy_process_group()
"""


@pytest.mark.slow
def test_two_processes_under_torchrun_equal_one(tmp_path):
    results = []
    for count in (1, 2):
        out, program = tmp_path / f"{count}.safetensors", tmp_path / f"{count}.py"
        program.write_text(TWO.format(here=str(HERE), out=str(out)))
        launcher = [] if count == 1 else ["-m", "torch.distributed.run", "--nproc_per_node=2", "--master_port=29611"]
        subprocess.run([sys.executable, *launcher, str(program)], check=True, timeout=120, capture_output=True)
        results.append(checkpoint.read(out))
    (one, card_one), (two, card_two) = results
    for name in one:
        torch.testing.assert_close(one[name], two[name], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(
        torch.tensor(card_one["losses"]["head"]), torch.tensor(card_two["losses"]["head"]), rtol=1e-3, atol=1e-4
    )


class Diverging(Tiny):
    def training_step(self, batch):
        losses = super().training_step(batch)
        self.taken = getattr(self, "taken", 0) + 1
        if self.taken == 40:
            with torch.no_grad():
                self.head.weight.fill_(math.nan)
            losses["head"] = losses["head"] * math.nan
        return losses


def test_nan_stops_with_a_message_and_finite_weights(capsys):
    model = Diverging()
    run = fit(model, images(), steps=500, device="cpu", view=Bar(silent=True))
    assert run.stopped == "diverged"
    assert run.steps == 40
    assert all(t.isfinite().all() for t in weights(model).values())
    assert all(t.isfinite().all() for t in weights(run.model).values())
    message = capsys.readouterr().err.strip()
    assert message.count("\n") == 0
    assert "head became NaN or infinite at step 40" in message
    assert "body" not in message


class Spoiled(Tiny):
    """Its losses stay finite; in step 25, where the losses are looked at, a NaN gradient reaches the weights."""

    def training_step(self, batch):
        losses = super().training_step(batch)
        if self.steps_done == 24:
            self.optimizers["head"].zero_grad()
            self.head.weight.grad = torch.full_like(self.head.weight, math.nan)
            self.optimizers["head"].step()
        return losses


@pytest.mark.parametrize("steps", [25, 60])
def test_weights_that_become_nan_under_finite_losses_stop_it_and_are_not_saved(tmp_path, steps, capsys):
    train(10, tmp_path)
    before = (tmp_path / checkpoint.FILE).read_bytes()
    model = Spoiled()
    run = fit(model, images(), steps=steps, folder=tmp_path, device="cpu", view=Bar(silent=True))
    assert (run.stopped, run.steps, run.checkpoint) == ("diverged", 25, None)
    assert all(math.isfinite(value) for values in run.losses.values() for value in values)
    assert all(t.isfinite().all() for m in (model, run.model) for t in weights(m).values())
    assert (tmp_path / checkpoint.FILE).read_bytes() == before
    assert "the weights became NaN or infinite at step 25" in capsys.readouterr().err


def test_a_running_statistic_that_becomes_infinite_counts_too():
    class Overflowing(Tiny):
        def training_step(self, batch):
            self.body[1].running_var[2] = math.inf
            return super().training_step(batch)

    run = fit(Overflowing(), images(), steps=5, device="cpu", view=Bar(silent=True))
    assert run.stopped == "diverged"
    assert run.model.body[1].running_var.isfinite().all()


def test_a_model_that_is_nan_before_it_is_trained_is_refused():
    model = Tiny()
    with torch.no_grad():
        model.head.bias[3] = math.nan
    with pytest.raises(CourseError, match="model: got NaN or infinite weights, expected finite ones"):
        fit(model, images(), steps=5, device="cpu", view=Bar(silent=True))


def test_a_diverged_run_does_not_overwrite_its_checkpoint(tmp_path):
    train(10, tmp_path)
    before = (tmp_path / checkpoint.FILE).read_bytes()
    model = Diverging()
    fit(model, images(), steps=500, folder=tmp_path, device="cpu", view=Bar(silent=True), save_every=1e9)
    assert (tmp_path / checkpoint.FILE).read_bytes() == before


def test_a_full_disk_in_the_middle_costs_a_line_not_the_training(tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.os, "replace", full)
    run, _ = train(60, tmp_path, save_every=0.0)
    assert run.steps == 60
    assert run.checkpoint is None
    lines = capsys.readouterr().err.splitlines()
    assert "No space left on device); the file before it is untouched; training goes on" in lines[0]
    assert lines[-1].endswith("the file before it is untouched; what was learned is in memory alone")


def test_a_failed_write_leaves_the_old_checkpoint_and_no_rubbish(tmp_path, monkeypatch):
    train(5, tmp_path)
    before = (tmp_path / checkpoint.FILE).read_bytes()

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint.os, "fsync", full)
    run, _ = train(10, tmp_path)
    assert (run.steps, run.stopped, run.checkpoint) == (10, "finished", None)
    assert (tmp_path / checkpoint.FILE).read_bytes() == before
    assert not list(tmp_path.glob("*.part"))


def test_a_folder_deleted_while_it_is_trained_into_is_made_again(tmp_path):
    class Deleting(Tiny):
        def training_step(self, batch):
            if self.steps_done == 5:
                shutil.rmtree(tmp_path / "run")
            return super().training_step(batch)

    run = fit(Deleting(), images(), steps=10, folder=tmp_path / "run", device="cpu", view=Bar(silent=True))
    assert run.checkpoint == tmp_path / "run" / checkpoint.FILE
    assert read_card(tmp_path / "run")["steps"] == 10


def test_a_folder_that_cannot_be_written_to_any_more_costs_a_line(tmp_path, capsys):
    class Replacing(Tiny):
        def training_step(self, batch):
            if self.steps_done == 5:
                shutil.rmtree(tmp_path / "run")
                (tmp_path / "run").write_text("a file stands where the folder was")
            return super().training_step(batch)

    run = fit(Replacing(), images(), steps=10, folder=tmp_path / "run", device="cpu", view=Bar(silent=True))
    assert (run.stopped, run.steps, run.checkpoint) == ("finished", 10, None)
    assert capsys.readouterr().err.count("what was learned is in memory alone") == 1


def test_what_a_killed_run_left_half_written_is_cleared_and_nothing_else(tmp_path):
    left = [f"{checkpoint.FILE}.123.part", f".{checkpoint.FILE}.0a1b2c3d.part", f".{checkpoint.CARD}.0a1b2c3d.part"]
    for name in [*left, "notes.part", "other.safetensors.1.part"]:
        (tmp_path / name).write_bytes(b"half")
    train(3, tmp_path)
    assert sorted(p.name for p in tmp_path.glob("*.part")) == ["notes.part", "other.safetensors.1.part"]


def test_two_runs_into_one_folder(tmp_path):
    inner = []

    class Nested(Tiny):
        def training_step(self, batch):
            if not inner:
                with pytest.raises(CourseError, match="another run is training into") as caught:
                    train(1, tmp_path)
                inner.append(caught)
            return super().training_step(batch)

    run = fit(Nested(), images(), steps=3, folder=tmp_path, device="cpu", view=Bar(silent=True))
    assert inner
    assert run.steps == 3


def test_a_folder_of_another_run_is_refused(tmp_path):
    train(5, tmp_path, seed=1)
    with pytest.raises(CourseError, match=r"holds a run with seed 1, this one 0"):
        train(5, tmp_path, seed=0)
    with pytest.raises(CourseError, match=r"holds a run with config .*'width': 4.*'width': 6"):
        fit(Tiny(width=6), images(), steps=5, seed=1, folder=tmp_path, device="cpu", view=Bar(silent=True))


def test_loading_into_another_model_names_the_first_difference(tmp_path):
    train(5, tmp_path)
    other = Tiny(width=6)
    before = weights(other)
    with pytest.raises(
        CourseError, match=r"belongs to another model; \d+ weights differ, the first is 'body.0.weight'"
    ):
        load_weights(other, tmp_path)
    assert_same(before, weights(other))


@pytest.mark.parametrize("damage", ["truncated", "flipped header", "empty", "text"])
def test_a_damaged_checkpoint_is_one_clear_line(tmp_path, damage):
    train(5, tmp_path)
    file = tmp_path / checkpoint.FILE
    content = file.read_bytes()
    file.write_bytes(
        {
            "truncated": content[: len(content) // 2],
            "flipped header": b"\xff" * 16 + content[16:],
            "empty": b"",
            "text": b"hello, this is not a checkpoint at all",
        }[damage]
    )
    for attempt in (lambda: load_weights(Tiny(), tmp_path), lambda: train(10, tmp_path)):
        with pytest.raises(CourseError, match="is truncated or corrupt") as caught:
            attempt()
        assert "\n" not in str(caught.value)


def test_a_foreign_safetensors_file_is_refused(tmp_path):
    from safetensors.torch import save_file

    save_file({"weight": torch.zeros(3)}, tmp_path / "x.safetensors")
    with pytest.raises(CourseError, match="is not one of this course"):
        load_weights(Tiny(), tmp_path / "x.safetensors")


def test_a_missing_checkpoint(tmp_path):
    with pytest.raises(CourseError, match=r"there is no .*nowhere"):
        load_weights(Tiny(), tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "steps: got neither steps nor seconds"),
        ({"steps": -1}, "steps: got -1, expected a whole number, 0 or more"),
        ({"seconds": 0.0}, "seconds: got 0.0, expected a positive number"),
        ({"seconds": math.nan}, "seconds: got nan"),
        ({"steps": 1, "device": "gpu"}, "device: got 'gpu', expected auto, cpu, cuda or mps"),
        ({"steps": 1, "device": "cpu", "precision": "16"}, "precision: got '16'"),
        ({"steps": 1, "device": ["cpu"]}, "device: got .*, expected auto, cpu, cuda or mps"),
        ({"steps": "3"}, "steps: got '3', expected a whole number"),
        ({"steps": 2.5}, "steps: got 2.5, expected a whole number"),
        ({"steps": True}, "steps: got True, expected a whole number"),
        ({"seconds": "3"}, "seconds: got '3', expected a positive number"),
        ({"seconds": math.inf}, "seconds: got inf, expected a positive number that ends"),
        ({"steps": 1, "seed": "0"}, "seed: got '0', expected a whole number, 0 to 999,999,999"),
        ({"steps": 1, "seed": 10**20}, "seed: got 1000.*, expected a whole number, 0 to 999,999,999"),
        ({"steps": 1, "save_every": math.nan}, "save_every: got nan, expected a number of seconds"),
        ({"steps": 1, "batch_size": 0}, "batch_size: got 0, expected a whole number, 1 or more"),
        ({"steps": 1, "batch_size": 2.0}, "batch_size: got 2.0, expected a whole number"),
        ({"steps": 1, "folder": 3}, "folder: got 3, expected a path"),
        ({"steps": 1, "folder": "a\0b"}, "folder: got .*, expected a path without null bytes"),
        ({"steps": 1, "card": {"score": torch.zeros(2)}}, "card: got .*, expected a dictionary of plain JSON values"),
        ({"steps": 1, "card": "best"}, "card: got 'best', expected a dictionary"),
        ({"steps": 1, "device": "cpu", "batch_size": 65}, "batch_size: got 65, expected at most 64"),
    ],
)
def test_bad_arguments(options, message):
    with pytest.raises(CourseError, match=message) as caught:
        fit(Tiny(), images(), view=Bar(silent=True), **options)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("model", "data", "message"),
    [
        (None, images(), "model: got None, expected one such as models.build"),
        (torch.nn.Linear(2, 2), images(), "model: got Linear"),
        (Tiny(), None, "images: got NoneType, expected an ImageSet"),
        (Tiny(), images().images, "images: got Tensor, expected an ImageSet"),
        (Tiny(), images(size=12), r"images: got \[N, 1, 12, 12\], expected \[N, 1, 8, 8\], as the model 'tiny' was"),
        (
            Classifier(classes=3, size=8),
            images(),
            "labels: got 0 to 9, expected 0 to 2, the classes of the",
        ),
    ],
)
def test_a_model_and_images_that_are_none_or_not_for_each_other(model, data, message):
    with pytest.raises(CourseError, match=message) as caught:
        fit(model, data, steps=1, device="cpu", view=Bar(silent=True))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"WORLD_SIZE": "x"}, "WORLD_SIZE: got 'x', expected a whole number, 1 or more"),
        ({"WORLD_SIZE": "0"}, "WORLD_SIZE: got 0, expected a whole number, 1 or more"),
        ({"LOCAL_WORLD_SIZE": "0"}, "LOCAL_WORLD_SIZE: got 0, expected a whole number, 1 or more"),
        ({"LOCAL_WORLD_SIZE": "2"}, "LOCAL_WORLD_SIZE: got 2, expected a divisor of WORLD_SIZE, which is 1"),
        ({"RANK": "x"}, "RANK: got 'x', expected a whole number, 0 or more"),
        ({"RANK": "1"}, "RANK: got 1, expected less than WORLD_SIZE, which is 1"),
        ({"WORLD_SIZE": "2", "RANK": "0"}, "WORLD_SIZE: got 2, but LOCAL_RANK and MASTER_ADDR and MASTER_PORT not set"),
    ],
)
def test_an_environment_that_torchrun_would_not_make(variables, message, monkeypatch):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(CourseError, match=message):
        fit(Tiny(), images(), steps=1, device="cpu", view=Bar(silent=True))


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device is there")
def test_a_missing_gpu_says_what_to_do():
    with pytest.raises(
        CourseError, match=r"device: 'cuda' was asked for, but torch .* finds none here; use 'auto' or 'cpu'"
    ):
        fit(Tiny(), images(), steps=1, device="cuda", view=Bar(silent=True))


@pytest.mark.parametrize("value", [math.nan, math.inf, 200.0])
def test_images_that_are_not_in_range(value):
    wrong = images()
    wrong.images[3, 0, 2, 2] = value
    with pytest.raises(CourseError, match="images:"):
        fit(Tiny(), wrong, steps=1, device="cpu", view=Bar(silent=True))


def test_nothing_in_a_checkpoint_is_pickled(tmp_path):
    train(5, tmp_path)
    length = int.from_bytes((tmp_path / checkpoint.FILE).read_bytes()[:8], "little")
    header = json.loads((tmp_path / checkpoint.FILE).read_bytes()[8 : 8 + length])
    assert {"model.head.weight", "average.head.weight", "optimizer.head.0.exp_avg", "losses.head"} <= header.keys()
    assert json.loads((tmp_path / checkpoint.CARD).read_text())["steps"] == 5


def test_evaluating_restores_every_modules_own_mode():
    model = Tiny().train()
    model.body[1].eval()
    with evaluating(model):
        assert not any(module.training for module in model.modules())
        assert not torch.is_grad_enabled()
    assert model.training
    assert not model.body[1].training
    assert torch.is_grad_enabled()


@pytest.mark.gpu
def test_gpu_and_cpu_agree():
    cpu = fit(Tiny(), images(), steps=3, device="cpu", precision="32-true", view=Bar(silent=True))
    gpu = fit(Tiny(), images(), steps=3, device="cuda", precision="32-true", view=Bar(silent=True))
    # dropout masks differ between devices, so compare the losses' size, and exactly what does not depend on them
    assert gpu.losses["body"][0] == pytest.approx(cpu.losses["body"][0], rel=0.2)


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
def test_gpu_resume_is_bit_identical(tmp_path, precision):
    options = {"device": "cuda", "precision": precision, "view": Bar(silent=True)}
    whole = Tiny()
    fit(whole, images(), steps=40, **options)
    fit(steps_until(Tiny(), 17), images(), steps=40, folder=tmp_path, **options)
    resumed = Tiny()
    fit(resumed, images(), steps=40, folder=tmp_path, **options)
    assert_same(weights(whole), weights(resumed))


@pytest.mark.gpu
def test_gpu_mixed_precision_learns():
    run = fit(Tiny(), images(), steps=200, device="cuda", precision="bf16-mixed", view=Bar(silent=True))
    assert sum(run.losses["head"][-20:]) < 0.7 * sum(run.losses["head"][:20])
