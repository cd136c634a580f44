"""The conditional GAN: the label reaches both networks, and what is ordered is what is drawn."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from course_lib import cli, data, models
from course_lib.data.batches import Batch
from course_lib.data.imageset import ImageSet
from course_lib.errors import CourseError
from course_lib.gan.conditional_gan import ConditionalGAN, ProjectionDiscriminator
from course_lib.gan.dcgan import Discriminator
from course_lib.training import fit
from course_lib.training.progress import Bar

SMALL = {"channels": 3, "size": 12, "classes": 5, "latent": 6, "width": 2}


def small(**config) -> ConditionalGAN:
    torch.manual_seed(0)
    model = ConditionalGAN(**(SMALL | config))
    with torch.no_grad():
        model.discriminator.embedding.weight.normal_()  # as if trained: zeros would hide mistakes
    return model


def photos(count: int, seed: int = 1, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    return 2 * torch.rand(count, 3, 12, 12, generator=torch.Generator().manual_seed(seed), dtype=dtype) - 1


# ---------------------------------------------------------------------------------------------------------------------
# The projection
# ---------------------------------------------------------------------------------------------------------------------


def test_the_projection_is_two_dot_products_with_the_same_features():
    judge = small().double().discriminator
    images, labels = photos(4, dtype=torch.float64).requires_grad_(), torch.tensor([4, 0, 2, 4])
    got = judge(images, labels)
    features = judge.body(images)
    by_loop = []
    for n in range(4):
        logit = judge.to_logit.bias[0]
        for f in range(features.shape[1]):
            logit = logit + (judge.to_logit.weight[0, f] + judge.embedding.weight[labels[n], f]) * features[n, f]
        by_loop.append(logit)
    wanted = torch.stack(by_loop)
    torch.testing.assert_close(got, wanted)
    leaves = [images, judge.embedding.weight, judge.to_logit.weight, judge.to_logit.bias, judge.body[0].weight]
    weights = torch.tensor([1.0, -2.0, 0.5, 3.0]).double()
    torch.testing.assert_close(
        torch.autograd.grad((got * weights).sum(), leaves, retain_graph=True),
        torch.autograd.grad((wanted * weights).sum(), leaves),
    )


def test_it_starts_as_the_unconditional_discriminator():
    torch.manual_seed(0)
    judge, plain = ProjectionDiscriminator(3, 12, 2, 5), Discriminator(3, 12, 2)
    plain.load_state_dict({name: value for name, value in judge.state_dict().items() if "embedding" not in name})
    images = photos(7)
    for label in range(5):
        torch.testing.assert_close(judge(images, torch.full((7,), label)), plain(images))


def test_the_embedding_learns_from_its_zero_start():
    torch.manual_seed(0)
    judge = ProjectionDiscriminator(3, 12, 2, 5)
    judge(photos(4), torch.tensor([0, 1, 1, 4])).sum().backward()
    assert judge.embedding.weight.grad.abs().sum(dim=1).gt(0).tolist() == [True, True, False, False, True]


# ---------------------------------------------------------------------------------------------------------------------
# The label arrives
# ---------------------------------------------------------------------------------------------------------------------


def test_another_label_changes_that_image_and_no_other():
    model = small().eval()
    noise, labels = torch.randn(4, 6), torch.tensor([0, 1, 2, 3])
    other = torch.tensor([0, 1, 4, 3])
    for answer in (lambda y: model.generate(noise, y), lambda y: model.verdict(photos(4), y)):
        with torch.no_grad():
            changed = (answer(labels) - answer(other)).flatten(1 if answer(labels).ndim > 1 else 0).abs()
        changed = changed.amax(dim=1) if changed.ndim > 1 else changed
        assert changed.gt(1e-4).tolist() == [False, False, True, False]


def test_gradients_reach_only_the_rows_that_were_ordered():
    model = small()
    labels = torch.tensor([1, 3, 1, 1])
    model.generate(torch.randn(4, 6), labels).square().sum().backward()
    model.verdict(photos(4), labels).sum().backward()
    for table in (model.generator.embedding.weight, model.discriminator.embedding.weight):
        assert table.grad.abs().sum(dim=1).gt(0).tolist() == [False, True, False, True, False]


def test_one_noise_draws_another_image_for_each_class():
    images = small().draw(torch.randn(1, 6).expand(5, -1), torch.arange(5)).flatten(1)
    apart = torch.cdist(images, images) + torch.eye(5)
    assert apart.min() > 1e-2


# ---------------------------------------------------------------------------------------------------------------------
# Taking orders
# ---------------------------------------------------------------------------------------------------------------------


def test_samples_come_in_the_order_of_the_labels():
    model, orders = small().eval(), torch.tensor([4, 0, 0, 3, 2, 1, 4])
    images = model.sample(7, seed=3, labels=orders)
    assert images.shape == (7, 3, 12, 12)
    assert images.dtype == torch.float32
    assert not images.requires_grad
    noise = torch.randn(7, 6, generator=torch.Generator().manual_seed(3))
    for i in range(7):
        with torch.no_grad():
            torch.testing.assert_close(images[i : i + 1], model.generator(noise[i : i + 1], orders[i : i + 1]))


def test_without_orders_the_classes_come_in_turn():
    model = small()
    orders = torch.tensor([0, 1, 2, 3, 4, 0, 1])
    assert torch.equal(model.sample(7, seed=1), model.sample(7, seed=1, labels=orders))


@pytest.mark.parametrize(
    "orders", [[3, 1, 4], torch.tensor([3, 1, 4], dtype=torch.uint8), torch.tensor([3, 1, 4]).int()]
)
def test_whole_numbers_of_any_kind_are_orders(orders):
    model = small()
    assert torch.equal(model.sample(3, labels=orders), model.sample(3, labels=torch.tensor([3, 1, 4])))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (torch.tensor([1, 2]), r"labels: got torch.int64 of shape \[2\], expected whole numbers \[3\]"),
        (torch.tensor([[1], [2], [3]]), r"labels: got torch.int64 of shape \[3, 1\]"),
        (torch.tensor([1.0, 2.0, 3.0]), r"labels: got torch.float32 of shape \[3\], expected whole numbers"),
        (torch.tensor([True, False, True]), r"labels: got torch.bool of shape \[3\], expected whole numbers"),
        (torch.tensor([0, 5, 1]), "labels: got 0 to 5, expected 0 to 4, the classes"),
        (torch.tensor([0, -1, 1]), "labels: got -1 to 1, expected 0 to 4"),
    ],
)
def test_bad_orders_are_refused_in_one_line(labels, message):
    with pytest.raises(CourseError, match=message) as caught:
        small().sample(3, labels=labels)
    assert "\n" not in str(caught.value)


def test_no_count_no_images():
    with pytest.raises(CourseError, match="count: got 0, expected at least 1"):
        small().sample(0)


def test_the_same_seed_the_same_images_however_they_are_split():
    model, labels = small(), torch.arange(11) % 5
    noise = model.noise(11, torch.Generator().manual_seed(9))
    whole = model.draw(noise, labels)
    for size in (1, 3, 10, 11):
        torch.testing.assert_close(model.draw(noise, labels, batch_size=size), whole)
    torch.testing.assert_close(model.sample(11, seed=9, labels=labels), whole)
    assert not torch.equal(model.sample(11, seed=10, labels=labels), whole)


def test_sampling_leaves_everything_as_it_was():
    model = small().train()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    torch.manual_seed(5)
    state = torch.get_rng_state()
    model.sample(6)
    model.between(torch.randn(2, 6, generator=torch.Generator()), 0, 1, torch.tensor([0.2, 0.7]))
    assert torch.equal(torch.get_rng_state(), state)
    assert all(module.training for module in model.modules())
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


# ---------------------------------------------------------------------------------------------------------------------
# Between two classes
# ---------------------------------------------------------------------------------------------------------------------


def test_between_begins_and_ends_at_the_pure_classes():
    model, noise = small(), torch.randn(4, 6)
    for share, label in ((0.0, 3), (1.0, 1)):
        got = model.between(noise, 3, 1, torch.full((4,), share))
        torch.testing.assert_close(got, model.draw(noise, torch.full((4,), label)))


def test_between_mixes_the_two_rows_image_by_image():
    model, noise, share = small().eval(), torch.randn(3, 6), torch.tensor([0.25, 0.5, 0.9])
    table = model.generator.embedding.weight
    with torch.no_grad():
        rows = torch.stack([(1 - s) * table[2] + s * table[4] for s in share.tolist()])
        wanted = model.generator.painter(torch.cat([noise, rows], dim=1))
    got = model.between(noise, 2, 4, share)
    torch.testing.assert_close(got, wanted)
    assert not got.requires_grad
    torch.testing.assert_close(model.between(noise, 4, 2, 1 - share.double()), got)


@pytest.mark.parametrize(("start", "end"), [(-1, 2), (0, 5), (7, 1)])
def test_between_knows_its_classes(start, end):
    model = small()
    with pytest.raises(CourseError, match=f"start, end: got {start} and {end}, expected classes from 0 to 4"):
        model.between(torch.zeros(1, model.latent), start, end, torch.tensor([0.5]))


# ---------------------------------------------------------------------------------------------------------------------
# Training
# ---------------------------------------------------------------------------------------------------------------------


class Spied(ConditionalGAN):
    """Notes which labels each call was given, and what the images said."""

    critic_steps = 3

    def __init__(self, **config):
        super().__init__(**config)
        self.drawn, self.judged = [], []

    def generate(self, noise, labels=None):
        self.drawn.append(labels)
        return super().generate(noise, labels)

    def verdict(self, images, labels=None):
        self.judged.append((images.detach(), labels))
        return super().verdict(images, labels)


def labelled_batch(count: int) -> Batch:
    """Flat images whose brightness is their label: brightness -1, -0.5, 0, 0.5, 1 for 0 to 4."""
    labels = torch.arange(count) * 3 % 5
    return Batch((labels.float() / 2 - 1).view(-1, 1, 1, 1).expand(-1, 3, 12, 12).contiguous(), labels)


def test_every_image_keeps_its_label_through_the_step():
    model, batch = Spied(**SMALL), labelled_batch(12)
    model.configure()
    model.train()
    model.steps_done = 0  # a step with the penalty
    model.training_step(batch)
    assert [labels.tolist() for labels in model.drawn] == [part.tolist() for part in batch.labels.chunk(3)]
    # Each critic step judges real images and fakes, and for the penalty both again; the generator's step, fakes.
    assert [len(images) for images, _ in model.judged] == [4, 4, 4, 4] * 3 + [4]
    for turn in range(3):
        real, fake, real_again, fake_again = model.judged[4 * turn : 4 * turn + 4]
        assert torch.equal(real[0][:, 0, 0, 0], real[1] / 2 - 1), "real images with labels of their own"
        assert torch.equal(fake[1], real[1]), "fakes are judged as what they were ordered as"
        for again, first in ((real_again, real), (fake_again, fake)):
            assert torch.equal(again[0], first[0])
            assert torch.equal(again[1], first[1])
    assert torch.equal(model.judged[-1][1], model.drawn[-1])


def test_the_penalty_is_that_of_each_image_with_its_own_label():
    model = small().double()
    real, fake, labels = photos(3, 1, torch.float64), photos(3, 2, torch.float64), torch.tensor([2, 0, 4])
    total = 0.0
    for images in (real, fake):
        for image, label in zip(images, labels, strict=True):
            leaf = image[None].clone().requires_grad_()
            (slope,) = torch.autograd.grad(model.verdict(leaf, label[None]).sum(), leaf)
            total += slope.square().sum() / 3 / 2
    torch.testing.assert_close(model.penalty(real, fake, labels), model.gamma * total)
    model.steps_done = 1
    assert model.penalty(real, fake, labels) is None


def test_the_generators_step_leaves_the_discriminator_alone():
    model = small()
    model.configure()
    model.optimizers["discriminator"].step = lambda: model.optimizers["discriminator"].zero_grad(set_to_none=True)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    model.training_step(labelled_batch(8))
    assert all(torch.equal(v, before[n]) for n, v in model.discriminator.state_dict(prefix="discriminator.").items())
    assert not torch.equal(model.generator.embedding.weight, before["generator.embedding.weight"])
    assert all(weight.grad is None for weight in model.discriminator.parameters()), "none are computed for nothing"
    assert all(weight.requires_grad for weight in model.parameters())


def test_orders_are_learned():
    """Black and white squares: a minute is not needed to see that 1 is brighter than 0."""
    labels = torch.arange(64) % 2
    images = (2.0 * labels - 1).view(-1, 1, 1, 1).expand(-1, 1, 8, 8).contiguous()

    torch.manual_seed(0)
    model = ConditionalGAN.for_data(ImageSet(images, labels, class_names=("black", "white")), latent=4, width=4)
    run = fit(model, ImageSet(images, labels), steps=500, batch_size=32, device="cpu", view=Bar(silent=True))
    assert run.stopped == "finished"
    drawn = model.sample(20)
    assert drawn[1::2].mean() - drawn[0::2].mean() > 0.5


# ---------------------------------------------------------------------------------------------------------------------
# Other data, and the command line
# ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("channels", "size", "classes"), [(1, 28, 10), (3, 32, 4), (2, 8, 1)])
def test_a_model_for_any_square_data(channels, size, classes):
    names = tuple(f"class {k}" for k in range(classes))
    images = ImageSet(torch.zeros(4, channels, size, size), torch.zeros(4, dtype=torch.int64), class_names=names)
    model = ConditionalGAN.for_data(images, latent=3, width=2)
    wanted = {"channels": channels, "size": size, "classes": classes, "latent": 3, "width": 2}
    assert model.config | wanted == model.config
    assert model.sample(classes + 1).shape == (classes + 1, channels, size, size)
    assert model.verdict(images.images, images.labels).shape == (4,)
    again = models.model_class("conditional_gan")(**model.config)
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.sample(3), model.sample(3))


def test_images_that_are_not_square_are_refused():
    with pytest.raises(CourseError, match=r"images: got \[2, 1, 8, 12\], expected square images"):
        ConditionalGAN.for_data(ImageSet(torch.zeros(2, 1, 8, 12), torch.zeros(2, dtype=torch.int64)))


def test_train_sample_and_evaluate_on_the_command_line(capsys, tmp_path, monkeypatch):
    monkeypatch.setenv("COURSE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(data, "DRAWN", {"train": 300, "test": 100})
    folder, file = tmp_path / "run", tmp_path / "digits.npy"
    train = ["train", "conditional_gan", "--data", "strokes", "--steps", "2", "--device", "cpu", "--out", str(folder)]
    assert cli.main(train) == 0
    assert json.loads(capsys.readouterr().out)["model"] == "conditional_gan"
    assert cli.main(["sample", str(folder), "--count", "5", "--labels", "3,1", "--seed", "4", "--out", str(file)]) == 0
    wanted = models.load(folder).sample(5, seed=4, labels=torch.tensor([3, 1, 3, 1, 3]))
    np.testing.assert_allclose(np.load(file), wanted.numpy())
    assert cli.main(["sample", str(folder), "--count", "2", "--labels", "3,10", "--out", str(file)]) == 2
    assert "labels: got 3 to 10, expected 0 to 9" in capsys.readouterr().err
    assert cli.main(["evaluate", str(folder), "--data", "strokes"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["images"] == 100
    assert 0 <= figures["as_ordered"] <= 1
