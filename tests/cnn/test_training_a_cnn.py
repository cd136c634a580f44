"""The classifier: its shapes, its start, what it learns in a blink, and the checkpoints that ship."""

from __future__ import annotations

import math
import time

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from course_lib import data, models, training
from course_lib.cnn.pooling import receptive_field
from course_lib.cnn.training_a_cnn import Classifier, ink
from course_lib.data.imageset import ImageSet
from course_lib.data.strokes import draw
from course_lib.errors import CourseError
from course_lib.training.progress import Bar


def fresh(**config) -> Classifier:
    torch.manual_seed(0)
    return Classifier(**config)


@pytest.mark.parametrize(("channels", "classes", "size"), [(1, 10, 28), (3, 7, 32), (1, 2, 9)])
def test_shapes(channels, classes, size):
    model = fresh(channels=channels, classes=classes, size=size)
    images = torch.rand(5, channels, size, size) * 2 - 1
    assert model(images).shape == (5, classes)
    assert model.features(images).shape == (5, 128)
    assert (model.features(images) >= 0).all()


def test_for_data_fits_the_data():
    images = ImageSet(torch.zeros(4, 3, 20, 20), torch.tensor([0, 1, 2, 0]), class_names=("a", "b", "c"))
    assert Classifier.for_data(images).config == {"channels": 3, "classes": 3, "size": 20, "width": 16}
    with pytest.raises(CourseError, match=r"images: got \[4, 3, 20, 18\], expected square images"):
        Classifier.for_data(ImageSet(torch.zeros(4, 3, 20, 18), torch.zeros(4, dtype=torch.int64)))
    with pytest.raises(CourseError, match="size: got 7, expected at least 8"):
        Classifier(size=7)


def test_zero_padding_means_empty_paper():
    assert ink(torch.tensor([-1.0, 1.0])).tolist() == [0.0, 1.0]
    empty = torch.full((1, 1, 28, 28), -1.0)
    model = fresh()
    maps = model.body(ink(empty))
    assert torch.allclose(maps, maps[:, :, :1, :1].expand_as(maps)), "on empty paper the border looks like the middle"


def test_the_body_sees_sixteen_pixels_as_chapter_three_says():
    layers = [
        (layer.kernel_size[0], layer.stride[0]) if isinstance(layer, nn.Conv2d) else (layer.kernel_size, layer.stride)
        for layer in fresh().body
        if not isinstance(layer, nn.ReLU)
    ]
    assert receptive_field(layers) == (16, 4)


def test_an_untrained_network_guesses():
    images = draw(200, seed=3)
    loss = F.cross_entropy(fresh().eval()(images.images), images.labels)
    assert float(loss.detach()) == pytest.approx(math.log(10), abs=0.15)


def test_he_initialisation_keeps_the_signal():
    model, x = fresh(), torch.randn(8, 1, 28, 28)
    first = model.body[0](x)
    assert float(first.detach().std()) == pytest.approx(2**0.5, rel=0.25)  # variance 2 / fan_in, zero mean input
    second = model.body[3](torch.randn(8, 16, 14, 14).relu())
    assert 0.7 < float(second.detach().std()) < 1.4


def test_dropout_only_while_training():
    model, images = fresh(), draw(4).images
    assert torch.equal(model.eval()(images), model(images))
    assert not torch.equal(model.train()(images), model(images))


def test_evaluate_counts_what_read_says_and_keeps_the_mode():
    model, images = fresh().train(), draw(120, seed=5)
    metrics = model.evaluate(images)
    probabilities = model.read(images.images, batch_size=50)
    torch.testing.assert_close(probabilities.sum(1), torch.ones(120))
    right = sum(int(p.argmax()) == int(label) for p, label in zip(probabilities, images.labels, strict=True))
    assert metrics["accuracy"] == pytest.approx(right / 120)
    with torch.no_grad():
        nats = F.cross_entropy(model.eval()(images.images).double(), images.labels)
    assert metrics["cross_entropy"] == pytest.approx(float(nats), rel=1e-4)


def test_the_schedule_warms_up_and_ends_at_zero():
    model = fresh()
    values = [model.schedule(i / 100) for i in range(101)]
    assert values[0] == 0
    assert max(values) > 0.98
    assert values[-1] == pytest.approx(0, abs=1e-12)
    assert values[6:] == sorted(values[6:], reverse=True)


def test_a_short_training_learns():
    train, test = draw(3000, seed=1), draw(500, seed=2, split="test")
    torch.manual_seed(0)
    run = training.fit(Classifier.for_data(train), train, steps=120, device="cpu", view=Bar(silent=True))
    before, after = fresh().evaluate(test)["accuracy"], run.model.evaluate(test)["accuracy"]
    assert before < 0.3
    assert after > 0.8


def test_the_shipped_mnist_reader_keeps_its_promise(mnist_root):
    model = models.pretrained("classifier_mnist")
    assert model.evaluate(data.load("mnist", split="test"))["accuracy"] >= 0.992


def test_the_reader_of_drawn_digits_reads_real_ones(mnist_root):
    model = models.pretrained("classifier")
    assert model.evaluate(data.load("mnist", split="test"))["accuracy"] >= 0.95


@pytest.mark.gpu
def test_gpu_and_cpu_give_the_same_logits_and_gradients():
    images = draw(16, seed=1)
    results = []
    for device in ("cpu", "cuda"):
        model = fresh().double().to(device).eval()
        loss = F.cross_entropy(model(images.images.double().to(device)), images.labels.to(device))
        loss.backward()
        results.append([loss.detach().cpu(), *(p.grad.cpu() for p in model.parameters())])
    torch.testing.assert_close(*results, rtol=1e-9, atol=1e-10)


@pytest.mark.gpu
def test_gpu_mixed_precision_reads_as_well():
    train, test = draw(3000, seed=1), draw(500, seed=2, split="test")
    scores = []
    for precision in ("32-true", "bf16-mixed"):
        torch.manual_seed(0)
        run = training.fit(
            Classifier.for_data(train), train, steps=120, device="cuda", precision=precision, view=Bar(silent=True)
        )
        scores.append(run.model.evaluate(test)["accuracy"])
    assert min(scores) > 0.8
    assert abs(scores[0] - scores[1]) < 0.08


@pytest.mark.gpu
def test_gpu_throughput_beats_the_cpu():
    train = draw(4096, seed=1)

    def seconds(device: str) -> float:
        torch.manual_seed(0)
        model = Classifier.for_data(train)
        training.fit(model, train, steps=10, batch_size=1024, device=device, view=Bar(silent=True))
        begun = time.perf_counter()
        training.fit(model, train, steps=30, batch_size=1024, device=device, view=Bar(silent=True))
        return time.perf_counter() - begun

    assert seconds("cuda") < seconds("cpu") / 2
