"""Chapter 14's two stages against references written another way, and against the bugs that were published."""

from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_lib import data, models, training
from course_lib.data.batches import batches
from course_lib.data.wording import STROKES, WORDINGS
from course_lib.errors import CourseError
from course_lib.gan import stackgan as library
from course_lib.gan.stackgan import Conditioning, MatchingDiscriminator, SketchGAN, StackGAN, TextEncoder, kl_to_normal

SMALL = {"latent": 8, "width": 3, "text": 6, "code": 4}


def drawings(world: str = "strokes", size: int = 16, count: int = 80):
    return data.load(world, size=size, count=count, colour=True, masks=False)


def sketcher(world: str = "strokes", **changes) -> SketchGAN:
    torch.manual_seed(0)
    return SketchGAN(world=world, **(SMALL | changes))


def stacked(world: str = "strokes", size: int = 32, first: SketchGAN | None = None, **changes) -> StackGAN:
    first = first or sketcher(world)
    torch.manual_seed(1)
    return StackGAN.for_data(drawings(world, size, 8), first=first, **({"width": 4, "blocks": 1} | changes))


# ------------------------------------------------------------------------------------------------ words


def test_the_reader_is_a_gated_recurrent_unit_written_out():
    encoder = TextEncoder(9, 6).double()
    tokens = torch.tensor([[3, 1, 8, 0, 0], [2, 2, 5, 7, 1], [4, 0, 0, 0, 0]])
    read = {name: weight.detach() for name, weight in encoder.reader.named_parameters()}
    for row, found in zip(tokens, encoder(tokens), strict=True):
        state = torch.zeros(6, dtype=torch.float64)
        for word in row[row != 0]:
            of_word = read["weight_ih_l0"] @ encoder.table.weight[word] + read["bias_ih_l0"]
            of_state = read["weight_hh_l0"] @ state + read["bias_hh_l0"]
            reset, update = (
                (a + b).sigmoid() for a, b in zip(of_word[:12].chunk(2), of_state[:12].chunk(2), strict=True)
            )
            new = (of_word[12:] + reset * of_state[12:]).tanh()
            state = (1 - update) * new + update * state
        torch.testing.assert_close(found, state, atol=1e-12, rtol=0)


def test_what_fills_a_short_caption_up_changes_nothing():
    encoder = TextEncoder(9, 6)
    short = torch.tensor([[3, 1, 8]])
    torch.testing.assert_close(encoder(short), encoder(F.pad(short, (0, 4))))
    assert not torch.allclose(encoder(short), encoder(short.flip(1)))  # the order counts


def test_kl_by_hand_by_monte_carlo_and_its_sign():
    zeros = torch.zeros(3, 2, dtype=torch.float64)
    assert kl_to_normal(zeros, zeros) == 0
    # mean 2: 4 / 2. deviation e: (e² - 1) / 2 - 1
    by_hand = (2.0 + (math.e**2 - 1) / 2 - 1) / 1
    row = torch.tensor([[2.0, 0.0]], dtype=torch.float64), torch.tensor([[0.0, 1.0]], dtype=torch.float64)
    assert float(kl_to_normal(*row)) == pytest.approx(by_hand)
    torch.manual_seed(0)
    mean, log_deviation = torch.randn(1, 3, dtype=torch.float64), 0.5 * torch.randn(1, 3, dtype=torch.float64)
    code = Conditioning.sample(mean, log_deviation, torch.randn(200_000, 3, dtype=torch.float64))
    here = torch.distributions.Normal(mean, log_deviation.exp()).log_prob(code)
    there = torch.distributions.Normal(0.0, 1.0).log_prob(code)
    assert float(kl_to_normal(mean, log_deviation)) == pytest.approx(float((here - there).sum(1).mean()), rel=0.02)
    for _ in range(20):
        assert kl_to_normal(torch.randn(4, 3), torch.randn(4, 3)) > 0


def test_descending_the_generators_loss_lowers_the_kl():
    """With the wrong sign the codes would run away from the normal cloud."""
    model = sketcher(kl=100.0)
    run = training.fit(model, drawings(), steps=40, batch_size=24, device="cpu", precision="32-true")
    assert run.losses["kl"][-1] < run.losses["kl"][0]
    assert min(run.losses["kl"]) >= 0


# ------------------------------------------------------------------------------------------------ the discriminator


def test_the_discriminator_is_a_projection():
    judge = MatchingDiscriminator(3, 16, 3, 9, 6).double()
    images, tokens = torch.randn(5, 3, 16, 16, dtype=torch.float64), torch.randint(1, 9, (5, 4))
    features, words = judge.body(images), judge.words(tokens)
    head = judge.to_logit
    by_hand = [
        float((head.weight[0] @ h + head.bias + e @ h).detach()) for h, e in zip(features, words.double(), strict=True)
    ]
    torch.testing.assert_close(
        judge(images, tokens).double(), torch.tensor(by_hand, dtype=torch.float64), atol=1e-6, rtol=0
    )


def test_the_discriminator_meets_three_pairs(monkeypatch):
    """(real, right), (real, wrong), (fake, right); the wrong words are wrong, and nobody else's features are judged."""
    model, met = sketcher(), []
    judge = MatchingDiscriminator.judge

    def watched(self, features, words):
        met.append((features.detach().clone(), words.detach().clone()))
        return judge(self, features, words)

    monkeypatch.setattr(MatchingDiscriminator, "judge", watched)
    model.configure()
    model.steps_done = 1  # no penalty
    batch = batches(drawings(), 24).at(0)
    real, choices = model.lesson(batch)
    before = copy.deepcopy(model.discriminator)
    model.training_step(batch)
    (real_1, right), (fake, right_2), (real_2, wrong), *_ = met
    torch.testing.assert_close(real_1, before.body(real))
    assert torch.equal(real_1, real_2)
    assert torch.equal(right, right_2)
    torch.testing.assert_close(right, before.words(STROKES.encode(choices)))
    assert not torch.allclose(fake, real_1)
    assert (right - wrong).abs().sum(dim=1).gt(1e-6).all()


@pytest.mark.parametrize("world", WORDINGS)
def test_no_lesson_holds_what_is_held_out_or_unclear(world):
    images, model = drawings(world, 16, 600), sketcher(world)
    words, seen = model.wording, 0
    for step in range(6):
        pictures, choices = model.lesson(batches(images, 96).at(step))
        assert len(pictures) == len(choices) > 20
        assert not words.unseen(choices).any()
        seen += len(choices)
    assert seen < 6 * 96


# ------------------------------------------------------------------------------------------------ the second stage


def test_the_first_stage_is_frozen_detached_and_in_eval_mode():
    model = stacked()
    before = copy.deepcopy(model.first.state_dict())
    model.configure()
    known = {id(p) for o in model.optimizers.values() for group in o.param_groups for p in group["params"]}
    assert not known & {id(p) for p in model.first.parameters()}
    model.train()
    assert not any(module.training for module in model.first.modules())
    assert model.generator.training
    for step in range(3):
        model.steps_done = step
        model.training_step(batches(drawings(size=32), 24).at(step))
    assert all(p.grad is None for p in model.first.parameters())
    assert not model.sketch(model.noise(2), STROKES.encode(STROKES.everything[:2])).requires_grad
    after = model.first.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)  # batch norm's statistics, too


def test_the_sketch_of_a_stack_is_that_of_its_first_stage():
    first = sketcher().eval()
    model = stacked(first=first).eval()
    tokens, noise = STROKES.encode(STROKES.everything[5:9]), model.noise(4)
    with torch.no_grad():
        torch.testing.assert_close(model.sketch(noise, tokens), first.generate(noise[:, : first.latent], tokens))
    assert noise.shape[1] == first.latent + model.config["code"]


def test_a_correction_of_nothing_is_the_enlarged_sketch():
    refiner = library.Refiner(3, 64, 4, 4, 1).eval()
    nn.init.zeros_(refiner.layers[-1].weight)
    nn.init.zeros_(refiner.layers[-1].bias)
    sketch = torch.rand(2, 3, 16, 16) * 1.9 - 0.95
    smooth = F.interpolate(sketch, (64, 64), mode="bilinear")
    torch.testing.assert_close(refiner(sketch, torch.randn(2, 4)), smooth, atol=1e-5, rtol=0)


@pytest.mark.parametrize("make", [sketcher, stacked])
def test_samples_do_not_depend_on_company_mode_or_earlier_draws(make):
    model = make()
    model.train()
    captions = ["a thick blue seven upright", "a thin red four leaning left", "a pink one upright"]
    one = model.sample(3, seed=4, captions=captions)
    assert model.training  # and put back
    assert torch.equal(one, model.sample(3, seed=4, captions=captions))
    assert not torch.equal(one, model.sample(3, seed=5, captions=captions))
    noise, tokens = model.noise(3, torch.Generator().manual_seed(4)), model.vocabulary.encode(captions)
    alone = torch.cat([model.draw(noise[i : i + 1], tokens[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(one, alone, atol=1e-5, rtol=0)
    assert one.abs().max() <= 1


def test_without_augmentation_a_caption_is_a_point():
    tokens = STROKES.encode(STROKES.everything[3:4]).repeat(2, 1)
    for augment in (0, 1):
        model = sketcher(augment=augment).eval()
        noise = model.noise(1, torch.Generator().manual_seed(0)).repeat(2, 1)
        noise[1, -SMALL["code"] :] += 2.0
        with torch.no_grad():
            images, kl = model.drawn(noise, tokens)
        assert torch.equal(images[0], images[1]) == (not augment)
        assert (kl == 0) == (not augment)


@pytest.mark.parametrize("world", WORDINGS)
def test_both_stages_train_save_and_load(world, tmp_path):
    images = drawings(world, 16, 80)
    first = models.build("sketch_gan", images, **SMALL)
    run = training.fit(first, images, steps=2, batch_size=40, device="cpu", folder=tmp_path / "one")
    finer = drawings(world, 32, 80)
    second = models.build("stackgan", finer, sketch=str(tmp_path / "one"), width=4, blocks=1)
    assert torch.equal(second.first.generator.painter.layers[0].weight, run.model.generator.painter.layers[0].weight)
    training.fit(second, finer, steps=2, batch_size=40, device="cpu", folder=tmp_path / "two")
    again = models.load(tmp_path / "two")
    captions = again.captions(2)
    assert again.sample(2, captions=captions).shape == (2, 3, 32, 32)
    assert torch.equal(again.first.generator.painter.layers[0].weight, run.model.generator.painter.layers[0].weight)


def test_bad_input_is_one_line():
    with pytest.raises(CourseError, match=r"^world: got 'mnist'"):
        SketchGAN(world="mnist")
    with pytest.raises(CourseError, match=r"^size: got 48, expected 16 doubled"):
        StackGAN(size=48)
    with pytest.raises(CourseError, match=r"^latent: got 4, expected more than the 4"):
        sketcher(latent=4)
    with pytest.raises(CourseError, match=r"^labels: got some"):
        sketcher().sample(2, labels=torch.zeros(2))
    with pytest.raises(CourseError, match=r"^captions: got 1, expected 2"):
        sketcher().sample(2, captions=["a red one upright"])
    with pytest.raises(CourseError, match=r"expected purple"):
        sketcher().sample(1, captions=["a purpel one upright"])
    with pytest.raises(CourseError, match=r"^sketch: got a sketch_gan for portraits"):
        StackGAN.for_data(drawings(size=32, count=4), first=sketcher("portraits"))


def test_each_stage_can_be_told_something_else():
    model = stacked().eval()
    noise = model.noise(3, torch.Generator().manual_seed(0))
    one, other = (STROKES.encode(STROKES.everything[i : i + 1]).expand(3, -1) for i in (10, 500))
    torch.testing.assert_close(model.retold(noise, one, one), model.draw(noise, one))
    assert not torch.allclose(model.retold(noise, one, other), model.draw(noise, one), atol=1e-4)


def test_a_way_between_captions_begins_and_ends_at_them():
    model = stacked().eval()
    noise = model.noise(1, torch.Generator().manual_seed(0))
    noise[:, model.first.latent :] = 0
    noise[:, model.first.latent - SMALL["code"] : model.first.latent] = 0  # the middle of both clouds
    one, other = (STROKES.encode(STROKES.everything[i : i + 1]) for i in (10, 500))
    way = model.between(noise.expand(3, -1), one, other, torch.tensor([0.0, 0.5, 1.0]))
    torch.testing.assert_close(way[:1], model.draw(noise, one), atol=1e-5, rtol=0)
    torch.testing.assert_close(way[2:], model.draw(noise, other), atol=1e-5, rtol=0)
