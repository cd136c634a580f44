"""CycleGAN: its losses by loops, its patches by gradients, its buffer by hand, its step by what it leaves alone."""

from __future__ import annotations

import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F

from course_lib import cli, models
from course_lib.cnn.pooling import receptive_field
from course_lib.data import landscapes
from course_lib.data.batches import Batch
from course_lib.data.imageset import ImageSet, from_bytes, to_bytes
from course_lib.errors import CourseError
from course_lib.gan.cyclegan import (
    CycleGAN,
    ImageBuffer,
    LeastSquares,
    PatchDiscriminator,
    ResidualBlock,
    Translator,
    cycle_loss,
    two_worlds,
)
from course_lib.training import fit
from course_lib.training.progress import Bar

DOUBLE = torch.float64
SMALL = {"channels": 2, "size": 12, "width": 3, "blocks": 1, "buffer": 4}


def pictures(*shape: int, seed: int = 0, dtype: torch.dtype = DOUBLE) -> Tensor:
    return 2 * torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=dtype) - 1


def small(**config) -> CycleGAN:
    torch.manual_seed(0)
    return CycleGAN(**(SMALL | config))


def world(count: int, seed: int, size: int = 12, channels: int = 2) -> ImageSet:
    images = pictures(count, channels, size, size, seed=seed, dtype=torch.float32)
    return ImageSet(images, torch.zeros(count, dtype=torch.int64), name=f"world {seed}")


def worlds(count: int = 20) -> ImageSet:
    return two_worlds(world(count, 1), world(count, 2))


# ---------------------------------------------------------------------------------------------------------------------
# Data and losses
# ---------------------------------------------------------------------------------------------------------------------


def test_two_worlds_are_one_set_with_a_label_for_each():
    both = two_worlds(world(3, 1), world(5, 2))
    assert both.labels.tolist() == [0] * 3 + [1] * 5
    assert both.class_names == ("world 1", "world 2")
    assert torch.equal(both.images[3:], world(5, 2).images)
    with pytest.raises(CourseError, match=r"second: got images \[2, 8, 8\], expected \[2, 12, 12\]"):
        two_worlds(world(3, 1), world(3, 1, size=8))


@pytest.mark.parametrize("shape", [(5,), (4, 3, 2)])
def test_least_squares_equal_their_loops(shape):
    real, fake = pictures(*shape).requires_grad_(), pictures(*shape, seed=1).requires_grad_()
    wanted = sum((r - 1) ** 2 + f**2 for r, f in zip(real.flatten(), fake.flatten(), strict=True)) / real.numel() / 2
    torch.testing.assert_close(LeastSquares.discriminator(real, fake), wanted)
    torch.testing.assert_close(
        LeastSquares.generator(None, fake), sum((f - 1) ** 2 for f in fake.flatten()) / fake.numel()
    )
    assert LeastSquares.discriminator(torch.ones(3), torch.zeros(3)) == 0
    (slope,) = torch.autograd.grad(LeastSquares.generator(None, fake), fake)
    torch.testing.assert_close(slope, 2 * (fake.detach() - 1) / fake.numel())


def test_the_cycle_loss_is_the_mean_distance_there_and_back():
    images = pictures(3, 2, 5, 7)
    assert cycle_loss(images, lambda x: x + 0.5, lambda x: x - 0.5) < 1e-15
    torch.testing.assert_close(cycle_loss(images, lambda x: x + 0.5, lambda x: x + 0.25), torch.tensor(0.75).double())
    assert cycle_loss(images, lambda x: x.flip(3), lambda x: x.flip(3)) == 0, "a mirror costs nothing"


# ---------------------------------------------------------------------------------------------------------------------
# Networks
# ---------------------------------------------------------------------------------------------------------------------


def test_a_residual_block_equals_its_parts_written_out():
    block = ResidualBlock(3).double()
    images = pictures(2, 3, 6, 9)
    with torch.no_grad():
        for norm in (block.change[1], block.change[4]):
            norm.weight.copy_(pictures(3, seed=5) + 2)
            norm.bias.copy_(pictures(3, seed=6))

    def normed(maps: Tensor, norm: nn.InstanceNorm2d) -> Tensor:
        rows = maps.flatten(2)
        rows = (rows - rows.mean(2, keepdim=True)) / (rows.var(2, correction=0, keepdim=True) + norm.eps).sqrt()
        return rows.unflatten(2, maps.shape[2:]) * norm.weight[:, None, None] + norm.bias[:, None, None]

    def padded(maps: Tensor, layer: nn.Conv2d) -> Tensor:
        return F.conv2d(F.pad(maps, (1, 1, 1, 1), mode="reflect"), layer.weight, layer.bias)

    change = block.change
    inner = normed(padded(images, change[0]), change[1]).clamp_min(0)
    torch.testing.assert_close(block(images), images + normed(padded(inner, change[3]), change[4]))


@pytest.mark.parametrize(("size", "channels"), [(8, 1), (28, 1), (32, 3), (36, 2)])
def test_a_translator_keeps_the_shape_and_the_range(size, channels):
    images = pictures(2, channels, size, size, dtype=torch.float32)
    translated = Translator(channels, 4, 1)(images)
    assert translated.shape == images.shape
    assert translated.abs().max() <= 1


def test_every_logit_of_the_patch_discriminator_sees_eighteen_pixels():
    judge = PatchDiscriminator(1, 2).double()
    judge.layers[3] = nn.Identity()  # instance norm sees the whole map
    images = pictures(1, 1, 64, 64).requires_grad_()
    logits = judge(images)
    assert logits.shape == (1, 16, 16)
    (slope,) = torch.autograd.grad(logits[0, 8, 8], images)
    rows = slope[0, 0].abs().sum(dim=1).nonzero().flatten()
    assert int(rows.max() - rows.min()) + 1 == 18
    layers = [(c.kernel_size[0], c.stride[0]) for c in judge.layers if isinstance(c, nn.Conv2d)]
    assert receptive_field(layers) == (18, 4)
    assert [receptive_field(layers[:n])[0] for n in range(4)] == [1, 4, 10, 18]


# ---------------------------------------------------------------------------------------------------------------------
# The buffer
# ---------------------------------------------------------------------------------------------------------------------


def test_the_buffer_fills_first_and_then_gives_half_of_them_old():
    torch.manual_seed(0)
    buffer = ImageBuffer(40, 1, 2)
    coded = from_bytes(torch.arange(240, dtype=torch.uint8)[:, None, None, None].expand(-1, 1, 2, 2))
    assert torch.equal(buffer(coded[:40]), coded[:40])
    assert int(buffer.count) == 40
    shown = to_bytes(buffer(coded[40:])[:, 0, 0, 0]).long()
    new = torch.arange(40, 240)
    old = shown != new
    assert 0.38 < old.float().mean() < 0.62
    assert (shown[old] < new[old]).all(), "what comes back was seen before"
    together = [*shown.tolist(), *to_bytes(from_bytes(buffer.kept))[:, 0, 0, 0].tolist()]
    assert sorted(together) == list(range(240)), "every fake is shown or kept, none twice"


def test_a_buffer_of_none_gives_back_what_came():
    fakes = pictures(5, 1, 4, 4, dtype=torch.float32)
    assert torch.equal(ImageBuffer(0, 1, 4)(fakes), fakes)


# ---------------------------------------------------------------------------------------------------------------------
# The model
# ---------------------------------------------------------------------------------------------------------------------


def batch_of(images: ImageSet) -> Batch:
    return Batch(images.images, images.labels)


def test_the_step_minimises_what_the_paper_says():
    model, both = small(cycle=7.0, identity=3.0, buffer=0), worlds(3)
    first, second = both.images[:3], both.images[3:]
    model.configure()
    with torch.no_grad():
        fake_second, fake_first = model.forth(first), model.back(second)
        cycle = (model.back(fake_second) - first).abs().mean() + (model.forth(fake_first) - second).abs().mean()
        same = (model.forth(second) - second).abs().mean() + (model.back(first) - first).abs().mean()
        fooled = (model.of_first(fake_first) - 1).square().mean() + (model.of_second(fake_second) - 1).square().mean()
        judged = sum(
            ((judge(real) - 1).square().mean() + judge(fake).square().mean()) / 2
            for judge, real, fake in ((model.of_first, first, fake_first), (model.of_second, second, fake_second))
        )
    seen = []
    model.descend = lambda loss, optimizer: seen.append(loss.detach())
    losses = model.training_step(batch_of(both))
    torch.testing.assert_close(seen, [fooled + 7 * cycle + 3 * same, judged])
    torch.testing.assert_close(losses["cycle"], cycle)
    torch.testing.assert_close(losses["identity"], same)


def test_each_step_moves_its_own_networks():
    model, both = small(), worlds(4)
    model.configure()
    before = {name: tensor.clone() for name, tensor in model.named_parameters()}
    moved = []
    descend = model.descend

    def noted(loss, optimizer):
        descend(loss, optimizer)
        moved.append(
            {name.split(".")[0] for name, tensor in model.named_parameters() if not torch.equal(tensor, before[name])}
        )

    model.descend = noted
    model.training_step(batch_of(both))
    assert moved == [{"forth", "back"}, {"forth", "back", "of_first", "of_second"}]
    assert all(weights.requires_grad for weights in model.parameters())
    assert int(model.old_first.count) == int(model.old_second.count) == 4


def test_classes_that_are_no_world_are_left_aside_and_half_a_batch_teaches_nothing():
    model, both = small(first=2, second=0, buffer=0), worlds(3)
    model.configure()
    labels = torch.tensor([2, 2, 0, 1, 0, 1])
    with_others = model.training_step(Batch(both.images, labels))
    again = small(first=2, second=0, buffer=0)
    again.configure()
    torch.testing.assert_close(again.training_step(Batch(both.images[labels != 1], labels[labels != 1])), with_others)
    before = [tensor.clone() for tensor in model.parameters()]
    assert all(loss == 0 for loss in model.training_step(Batch(both.images, torch.full((6,), 2))).values())
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_a_run_that_was_cut_goes_on_as_if_it_had_not_been(tmp_path, monkeypatch):
    monkeypatch.setattr(CycleGAN, "schedule", lambda self, progress: 1.0)  # that of three steps is not that of five
    both, silent = worlds(), Bar(silent=True)

    def trained(*steps: int):
        folder = tmp_path / str(len(steps))
        for count in steps:
            torch.manual_seed(0)
            run = fit(CycleGAN(**SMALL), both, steps=count, batch_size=6, device="cpu", folder=folder, view=silent)
        return run.model.state_dict()

    whole, cut = trained(5), trained(3, 5)
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_it_learns_to_undo_an_unknown_shift():
    """Dark pictures and bright ones, never in pairs: what one translator adds the other takes away."""
    dark, bright = world(60, 1, size=8, channels=1), world(60, 2, size=8, channels=1)
    dark = ImageSet(dark.images * 0.3 - 0.5, dark.labels)
    bright = ImageSet(bright.images * 0.3 + 0.5, bright.labels)
    torch.manual_seed(0)
    model = CycleGAN(channels=1, size=8, width=4, blocks=1)
    run = fit(model, two_worlds(dark, bright), steps=60, batch_size=16, device="cpu", view=Bar(silent=True))
    made = run.model.translate(dark.images)
    assert (made.mean() - bright.images.mean()).abs() < 0.35
    assert run.losses["cycle"][-1] < run.losses["cycle"][0]


def test_it_translates_and_is_evaluated_both_ways():
    model, both = small(), worlds(4)
    images = both.images[:4]
    assert model.translate(images).shape == images.shape
    with torch.no_grad():
        torch.testing.assert_close(model.translate(images, batch_size=3), model.forth(images))
        torch.testing.assert_close(model.translate(images, to="first"), model.back(images))
    assert model.training
    model.forth = model.back = nn.Identity()
    assert model.evaluate(both) == {"cycle_first": 0.0, "cycle_second": 0.0}


@pytest.mark.parametrize(
    ("act", "words"),
    [
        (lambda: small(second=0), "second: got 0, expected another class than the first"),
        (lambda: small(size=10), "size: got 10, expected a multiple of 4"),
        (lambda: small(blocks=-1), "blocks: got -1"),
        (lambda: small().translate(pictures(2, 2, 12, 12).float(), to="there"), "to: got 'there'"),
        (lambda: small().translate(pictures(2, 2, 8, 8).float()), r"images: got \[2, 8, 8\], expected \[2, 12, 12\]"),
        (lambda: small().sample(3), "sample: 'cyclegan' draws nothing from noise"),
        (lambda: small(second=7).evaluate(worlds(2)), "images: got none of class 7, the second world"),
    ],
)
def test_bad_input_is_one_line(act, words):
    with pytest.raises(CourseError, match=words) as caught:
        act()
    assert "\n" not in str(caught.value)


def test_the_command_line_knows_it(tmp_path, capsys):
    folder = tmp_path / "pictures"
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for k in range(12):
            pixels = ((pictures(8, 8, 3, seed=k) + 1) * 127).byte().numpy()
            Image.fromarray(pixels).save(folder / name / f"{k}.png")
    words = ["train", "cyclegan", "--data", f"folder:{folder}", "--size", "16", "--steps", "2", "--batch-size", "8"]
    words += ["--set", "width=2", "--set", "blocks=1", "--set", "buffer=3", "--device", "cpu"]
    assert cli.main([*words, "--out", str(tmp_path / "run")]) == 0
    loaded = models.load(tmp_path / "run")
    assert loaded.config["width"] == 2
    assert cli.main(["sample", str(tmp_path / "run"), "--out", str(tmp_path / "x.npy")]) == 2
    assert "translates pictures" in capsys.readouterr().err


def test_the_same_place_in_two_seasons_is_never_in_the_training_set():
    """The chapter draws its worlds with different seeds: no summer place has its winter among the others."""
    summer = landscapes.draw(40, seed=0, season="summer", time="day", masks=False)
    winter = landscapes.draw(40, seed=1, season="winter", time="day", masks=False)
    rows = [torch.stack([s.factors[n] for n in ("horizon", "sun_x", "relief")], 1) for s in (summer, winter)]
    assert torch.cdist(*rows).min() > 1e-4
    pair = landscapes.draw(40, seed=0, season="winter", time="day", masks=False)
    assert torch.equal(pair.factors["horizon"], summer.factors["horizon"])
