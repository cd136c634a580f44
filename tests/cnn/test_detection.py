"""Detection: the same network as a convolution, canvases whose truth is known, and a score that counts right."""

from __future__ import annotations

import sys
from dataclasses import replace
from types import ModuleType

import pytest
import torch
import torchvision
from torch.nn import functional as F
from torchmetrics.detection import _mean_ap as torchmetrics_in_torch

from course_lib import models, training
from course_lib.cnn.detection import (
    CROP,
    RECEPTIVE,
    Canvases,
    Detector,
    Found,
    average_precision,
    away_from_the_border,
    by_cropping,
    found_on,
    in_a_row,
    ink_boxes,
    mean_average_precision,
    pairwise_iou,
    precision_recall,
    ranked,
    reaching_in,
    read_number,
    scatter,
    score,
    suppress,
    target_map,
    tight,
    window_around,
)
from course_lib.cnn.training_a_cnn import Classifier
from course_lib.data.strokes import draw
from course_lib.errors import CourseError
from course_lib.training.progress import Bar


def canvases(count: int = 40, seed: int = 0, **options):
    digits = draw(count, seed=seed)
    return scatter(digits.images, digits.labels, seed=seed, **options)


def test_the_dense_layers_are_convolutions_that_fit_once():
    torch.manual_seed(0)
    classifier = Classifier().double().eval()
    detector = Detector.from_classifier(classifier).double().eval()
    images = draw(6).images.double()
    with torch.no_grad():
        maps, logits = detector(images), classifier(images)
    assert maps.shape == (6, 11, 7, 7)
    torch.testing.assert_close(maps[:, :10, 3, 3], logits, rtol=0, atol=1e-10)
    assert not torch.allclose(maps[:, :10, 2, 3], logits)


def test_sliding_equals_cutting_windows_out():
    """One pass over a canvas gives what reading every window by itself would give, away from the padding."""
    torch.manual_seed(0)
    classifier = Classifier().double().eval()
    detector = Detector.from_classifier(classifier).double().eval()
    image = canvases(8).images[:1].double()
    with torch.no_grad():
        body = detector.body((image + 1) / 2)
        for i, j in [(8, 9), (12, 5)]:  # answers in the middle of the canvas
            window = body[:, :, i - 3 : i + 4, j - 3 : j + 4]
            logits = classifier.to_logits(F.relu(classifier.to_features(window.flatten(1))))
            torch.testing.assert_close(detector(image)[:, :10, i, j], logits, rtol=1e-9, atol=1e-9)


def test_an_answer_sees_forty_pixels_and_no_others():
    torch.manual_seed(0)
    detector = Detector.from_classifier(Classifier()).double()
    torch.nn.init.constant_(detector.to_features.weight, 0.01)  # every path is open
    for layer in (detector.body[0], detector.body[3]):
        torch.nn.init.constant_(layer.weight, 0.01)
    torch.nn.init.constant_(detector.to_logits.weight, 0.01)
    detector.body[2] = detector.body[5] = torch.nn.AvgPool2d(2)  # every pixel of a pooling counts
    image = torch.rand(1, 1, 96, 104, dtype=torch.float64, requires_grad=True)
    for i, j in [(9, 12), (5, 18), (18, 5)]:
        (slope,) = torch.autograd.grad(detector(image)[0, 2, i, j], image)
        rows, columns = (slope[0, 0].abs().sum(axis).nonzero().flatten().tolist() for axis in (1, 0))
        assert rows == list(range(4 * i - 18, 4 * i + 22))
        assert columns == list(range(4 * j - 18, 4 * j + 22))
        assert len(rows) == RECEPTIVE


def test_sliding_gives_the_answers_of_cropping():
    torch.manual_seed(0)
    detector = Detector.from_classifier(Classifier()).double().eval()
    images = canvases(12).images[:2, :, 16:80, :52].double()  # higher than wide
    with torch.no_grad():
        whole, cropped = away_from_the_border(detector(images)), by_cropping(detector, images)
    assert cropped.shape == (2, 11, (64 - CROP) // 4 + 1, (52 - CROP) // 4 + 1)
    torch.testing.assert_close(whole, cropped, rtol=0, atol=1e-10)


def test_boxes_hold_all_the_ink_and_no_more():
    scene = canvases(60)
    covered = torch.zeros(scene.images.shape[0], 96, 96, dtype=torch.bool)
    for n, (labels, boxes) in enumerate(zip(scene.labels, scene.boxes, strict=True)):
        for label, (left, top, right, bottom) in zip(labels, boxes.long().tolist(), strict=True):
            if label >= 0:
                covered[n, top:bottom, left:right] = True
                marked = scene.images[n, 0, top:bottom, left:right] > 0
                assert marked[0].any()
                assert marked[-1].any()
                assert marked[:, 0].any()
                assert marked[:, -1].any()
    assert not ((scene.images[:, 0] > 0) & ~covered).any()


def test_about_one_digit_in_five_is_left_out_but_never_all():
    scene = canvases(2000)
    present = (scene.labels >= 0).float()
    assert (present.sum(1) >= 1).all()
    assert 0.83 < float(present.mean()) < 0.87  # the first is always there: (1 + 3 * 0.8) / 4


def test_the_same_seed_lays_out_the_same_canvases():
    a, b, c = canvases(20, seed=1), canvases(20, seed=1), canvases(20, seed=2)
    assert torch.equal(a.images, b.images)
    assert not torch.equal(a.images, c.images)


def test_ink_boxes_on_a_hand_sized_image():
    image = torch.full((5, 7), -1.0)
    image[1, 2] = image[3, 5] = 1.0
    assert ink_boxes(image).tolist() == [2, 1, 6, 4]
    assert tight(image, [1, 0, 5, 4]).tolist() == [2, 1, 3, 2]
    assert tight(image, [-3, -3, 9, 9]).tolist() == [2, 1, 6, 4]


def test_targets_are_digits_at_centres_nothing_far_away_and_free_in_between():
    scene = canvases(4)
    target = target_map(scene, torch.Size([24, 24]))[0]
    for label, (x, y) in zip(scene.labels[0].tolist(), scene.centres[0].tolist(), strict=True):
        near = target[round((y - 2) / 4), round((x - 2) / 4)]
        assert near == label or label < 0
    for i in range(24):
        for j in range(24):
            gaps = [
                ((4 * j + 2 - x) ** 2 + (4 * i + 2 - y) ** 2) ** 0.5
                for label, (x, y) in zip(scene.labels[0].tolist(), scene.centres[0].tolist(), strict=True)
                if label >= 0
            ]
            if min(gaps) > 6:
                assert target[i, j] == 10
            elif min(gaps) > 3:
                assert target[i, j] == -1
            else:
                assert 0 <= target[i, j] < 10


def truth_as_found(scene) -> list[Found]:
    return [
        Found(boxes[labels >= 0], labels[labels >= 0], torch.ones(int((labels >= 0).sum())))
        for boxes, labels in zip(scene.boxes, scene.labels, strict=True)
    ]


def test_score_of_the_truth_itself_is_perfect():
    scene = canvases(80)
    result = score(truth_as_found(scene), scene)
    assert (result["recall"], result["precision"], result["overlap"]) == (1.0, 1.0, 1.0)
    assert result["digits"] == int((scene.labels >= 0).sum())


def test_score_counts_wrong_labels_misses_and_doubles():
    scene = canvases(80)
    digits = int((scene.labels >= 0).sum())
    found = truth_as_found(scene)
    first = found[0]
    wrong = [Found(first.boxes, (first.labels + 1) % 10, first.scores), *found[1:]]
    missed = digits - len(first.labels)
    assert score(wrong, scene)["recall"] == pytest.approx(missed / digits)
    assert score(wrong, scene)["precision"] == pytest.approx(missed / digits)
    none = [Found(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0)), *found[1:]]
    assert score(none, scene)["recall"] == pytest.approx(missed / digits)
    assert score(none, scene)["precision"] == 1.0
    twice = [Found(*(torch.cat([t, t]) for t in (f.boxes, f.labels, f.scores))) for f in found]
    assert score(twice, scene)["recall"] == 1.0
    assert score(twice, scene)["precision"] == 0.5


def test_a_shifted_box_counts_only_while_it_overlaps_enough():
    scene = canvases(4)
    found = truth_as_found(scene)[0]
    wide = found.boxes[:, 2] - found.boxes[:, 0]
    shift = torch.stack([wide, 0 * wide, wide, 0 * wide], -1)
    for share, hit in ((0.3, 1.0), (0.4, 0.0)):  # overlap (1 - s) / (1 + s): 0.54 and 0.43
        moved = Found(found.boxes + share * shift, found.labels, found.scores)
        assert score([moved], scene)["recall"] == hit


# ---------------------------------------------------------------------------------------------------------------------
# Overlap, suppression, precision and recall, against others and by hand
# ---------------------------------------------------------------------------------------------------------------------


def random_boxes(count: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    corner = torch.rand(count, 2, generator=generator, dtype=torch.float64) * torch.tensor([60.0, 30.0])
    return torch.cat([corner, corner + 4 + 20 * torch.rand(count, 2, generator=generator, dtype=torch.float64)], -1)


def test_iou_by_hand_and_as_torchvision_has_it():
    one = torch.tensor([[0.0, 0.0, 10.0, 10.0], [5.0, 5.0, 5.0, 9.0]])
    other = torch.tensor([[4.0, 0.0, 14.0, 10.0], [20.0, 20.0, 30.0, 24.0], [5.0, 5.0, 5.0, 9.0]])
    expected = torch.tensor([[60 / 140, 0, 0], [0, 0, 0]])
    torch.testing.assert_close(pairwise_iou(one, other), expected)
    for seed in range(4):
        a, b = random_boxes(17, seed), random_boxes(9, seed + 50)
        torch.testing.assert_close(pairwise_iou(a, b), torchvision.ops.box_iou(a, b), rtol=0, atol=1e-10)


@pytest.mark.parametrize("threshold", [0.0, 0.2, 0.5, 0.9, 1.0])
def test_suppression_is_torchvisions(threshold):
    for seed in range(6):
        boxes, scores = random_boxes(40, seed), torch.rand(40, generator=torch.Generator().manual_seed(seed))
        expected = torchvision.ops.nms(boxes.float(), scores, threshold)
        assert suppress(boxes.float(), scores, threshold).tolist() == expected.tolist()
    empty = suppress(torch.zeros(0, 4), torch.zeros(0), threshold)
    assert (empty.dtype, empty.shape) == (torch.int64, (0,))


def test_a_dropped_box_drops_nobody():
    boxes = torch.tensor([[0.0, 0, 10, 10], [4, 0, 14, 10], [8, 0, 18, 10], [50, 50, 60, 60]])
    assert suppress(boxes, torch.tensor([0.7, 0.8, 0.9, 0.6]), 0.4).tolist() == [2, 0, 3]
    assert suppress(boxes[:2], torch.tensor([0.7, 0.8]), 60 / 140).tolist() == [1, 0]  # equal is not more


def test_windows_and_what_reaches_into_them():
    images = torch.full((1, 1, 96, 96), -1.0)
    images[0, 0, 10:30, 40:52] = 1.0
    scene = Canvases(images, torch.tensor([[3, -1]]), torch.tensor([[[40.0, 10, 52, 30], [0.0, 0, 9, 9]]]))
    reach = reaching_in(scene, torch.Size([24, 24]))
    for row, column in [(0, 0), (4, 11), (10, 11), (11, 11), (5, 6), (5, 7), (5, 16), (20, 20)]:
        window = window_around(images[0, 0], row, column)
        assert window.shape == (28, 28)
        assert bool((window > 0).any()) == bool(reach[0, row, column]), (row, column)
    two = Canvases(images, torch.tensor([[3, 4]]), scene.boxes)
    assert int((reaching_in(two, torch.Size([24, 24])) - reach).sum()) == 6 * 6


def test_average_precision_on_paper():
    """Hit, miss, hit; three digits to find: precision 1, 1/2, 2/3 at recall 1/3, 1/3, 2/3."""
    hits = torch.tensor([True, False, True])
    precision, recall = precision_recall(hits, 3)
    torch.testing.assert_close(precision, torch.tensor([1, 1 / 2, 2 / 3], dtype=torch.float64))
    torch.testing.assert_close(recall, torch.tensor([1, 1, 2], dtype=torch.float64) / 3)
    assert average_precision(hits, 3) == pytest.approx(1 / 3 + 2 / 9)
    assert average_precision(hits, 3, points=101) == pytest.approx((34 + 33 * 2 / 3) / 101)  # 0 to 0.33, 0.34 to 0.66
    assert average_precision(torch.tensor([False, True]), 1) == 0.5
    assert average_precision(torch.zeros(0, dtype=torch.bool), 3) == 0.0
    assert average_precision(torch.ones(4, dtype=torch.bool), 4, points=101) == pytest.approx(1)


def careless(scene: Canvases, seed: int) -> list[Found]:
    """The truth, some of it lost, moved, mislabelled, or told twice."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for one in truth_as_found(scene):
        twice = [torch.cat([part, part]) for part in (one.boxes, one.labels)]
        count = len(twice[1])
        chosen = torch.rand(count, generator=generator) < 0.7
        boxes = twice[0] + 1.2 * torch.randn(count, 4, generator=generator)
        wrong = torch.rand(count, generator=generator) < 0.2
        labels = torch.where(wrong, torch.randint(10, (count,), generator=generator), twice[1])
        scores = torch.rand(count, generator=generator)
        order = scores.argsort(descending=True)
        order = order[chosen[order]]
        found.append(Found(boxes[order], labels[order], scores[order]))
    return found


@pytest.mark.parametrize("seed", range(2))
def test_mean_average_precision_is_torchmetrics(seed, monkeypatch):
    """Its version in plain torch; the one in front asks for pycocotools, which boxes do not need."""
    monkeypatch.setattr(torchmetrics_in_torch, "_PYCOCOTOOLS_AVAILABLE", True)
    for name in ("pycocotools", "pycocotools.mask"):  # imported, and used for masks alone
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    scene = canvases(80, seed=seed)
    found = careless(scene, seed)
    theirs = torchmetrics_in_torch.MeanAveragePrecision(class_metrics=True)
    theirs.update(
        [{"boxes": one.boxes, "scores": one.scores, "labels": one.labels} for one in found],
        [
            {"boxes": boxes[labels >= 0], "labels": labels[labels >= 0]}
            for boxes, labels in zip(scene.boxes, scene.labels, strict=True)
        ],
    )
    expected = theirs.compute()
    assert mean_average_precision(found, scene) == pytest.approx(float(expected["map_50"]), abs=1e-5)
    assert mean_average_precision(found, scene, iou=0.75) == pytest.approx(float(expected["map_75"]), abs=1e-5)
    assert 0.1 < float(expected["map_75"]) < float(expected["map_50"]) < 0.9


def test_the_ranking_holds_every_box_and_is_what_score_counts():
    scene = canvases(80)
    found = careless(scene, 0)
    everything = ranked(found, scene)
    assert len(everything.scores) == sum(len(one.scores) for one in found)
    assert (everything.scores.diff() <= 0).all()
    precision, recall = precision_recall(everything.hits, len(everything.truth))
    result = score(found, scene)
    assert (float(precision[-1]), float(recall[-1])) == pytest.approx((result["precision"], result["recall"]))


# ---------------------------------------------------------------------------------------------------------------------
# Whole numbers
# ---------------------------------------------------------------------------------------------------------------------


def test_a_number_is_read_from_left_to_right():
    boxes = torch.tensor([[70.0, 3, 84, 24], [8, 9, 20, 28], [52, 4, 60, 20], [30, 2, 44, 25]])
    found = Found(boxes, torch.tensor([6, 2, 2, 0]), torch.ones(4))
    assert read_number(found) == "2026"
    assert read_number(Found(torch.zeros(0, 4), torch.zeros(0, dtype=torch.int64), torch.zeros(0))) == ""


def test_digits_in_a_row_are_where_their_boxes_say_and_at_the_spacing():
    digits = draw(24, seed=3)
    scene = in_a_row(digits.images, digits.labels, length=4, spacing=30, seed=1)
    assert scene.images.shape == (6, 1, 48, 136)
    assert torch.equal(scene.labels.flatten(), digits.labels)
    for image, boxes in zip(scene.images[:, 0], scene.boxes.long().tolist(), strict=True):
        for left, top, right, bottom in boxes:
            assert image[top:bottom, left:right].amax(1).min() > 0
    assert abs(float(scene.centres[:, 1:, 0].sub(scene.centres[:, :-1, 0]).mean()) - 30) < 2
    assert read_number(truth_as_found(scene)[0]) == "".join(map(str, digits.labels[:4].tolist()))
    assert torch.equal(in_a_row(digits.images, digits.labels, spacing=30, seed=1).images, scene.images)


@pytest.mark.slow
def test_a_short_training_finds_most_digits():
    train, test = draw(6000, seed=1), draw(800, seed=2, split="test")
    torch.manual_seed(0)
    classifier = training.fit(Classifier.for_data(train), train, steps=250, device="cpu", view=Bar(silent=True)).model
    run = training.fit(Detector.from_classifier(classifier), train, steps=80, device="cpu", view=Bar(silent=True))
    result = run.model.evaluate(test)
    assert result["recall"] > 0.6
    assert result["precision"] > 0.6


def test_a_detector_may_begin_with_a_classifier_that_ships():
    begun = Detector.for_data(draw(4), start="classifier")
    shipped = models.pretrained("classifier").state_dict()
    assert torch.equal(begun.body[0].weight, shipped["body.0.weight"])
    assert torch.equal(begun.to_features.weight.flatten(1), shipped["to_features.weight"])
    assert begun.config["start"] == "classifier"
    assert not torch.equal(Detector.for_data(draw(4)).body[0].weight, begun.body[0].weight)
    with pytest.raises(CourseError, match="start: got 'dcgan', expected one of classifier, classifier_mnist"):
        Detector.for_data(draw(4), start="dcgan")


def test_bad_input():
    with pytest.raises(CourseError, match=r"digits: got \[4, 1, 20, 20\], 4 a canvas"):
        scatter(torch.zeros(4, 1, 20, 20), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(CourseError, match=r"10 a canvas, expected .* 1 to 9 a canvas"):
        scatter(torch.zeros(20, 1, 28, 28), torch.zeros(20, dtype=torch.int64), per_canvas=10)
    with pytest.raises(CourseError, match=r"digits: got \[4, 1, 20, 20\], expected"):
        in_a_row(torch.zeros(4, 1, 20, 20), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(CourseError, match="spacing: got 2, expected a whole number, 8 or more"):
        in_a_row(torch.zeros(4, 1, 28, 28), torch.zeros(4, dtype=torch.int64), spacing=2)
    with pytest.raises(CourseError, match=r"images: got \[4, 1, 32, 32\], expected grey 28x28 images"):
        Detector.for_data(draw(4, size=32))


def test_three_classes_are_detected_as_three(tmp_path):
    """Ten is the number of digits, not of classes: another set brings its own, and "nothing" comes after them."""
    chosen = torch.tensor([7, 0, 1] * 30)
    digits = replace(draw(chosen, seed=4), labels=torch.tensor([0, 1, 2] * 30), class_names=("seven", "zero", "one"))
    torch.manual_seed(0)
    run = training.fit(
        Detector.for_data(digits), digits, steps=2, batch_size=90, device="cpu", view=Bar(silent=True), folder=tmp_path
    )
    detector = models.load(tmp_path)
    assert detector.config["classes"] == 3
    scene = scatter(digits.images, digits.labels, seed=0)
    assert target_map(scene, torch.Size([24, 24]), nothing=3).unique().tolist() == [-1, 0, 1, 2, 3]
    heat = detector.heat(scene.images)
    assert heat.shape[1] == 4
    sure = torch.zeros(4, 24, 24)
    sure[3] = 1.0
    sure[:, 5, 6] = torch.tensor([0.0, 0.9, 0.1, 0.0])
    assert found_on(scene.images[0, 0], sure, 0.5).labels.tolist() == [1]
    assert set(run.model.evaluate(digits)) == {"recall", "precision", "overlap", "digits", "canvases"}
    classifier = Classifier.for_data(digits)
    assert Detector.from_classifier(classifier).config["classes"] == 3
