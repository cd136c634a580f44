"""Detection: the same network as a convolution, canvases whose truth is known, and a score that counts right."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch.nn import functional as F

from course_lib import models, training
from course_lib.cnn.detection import Detector, Found, found_on, ink_boxes, scatter, score, target_map, tight
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
    torch.testing.assert_close(maps[:, :10, 3, 3], logits, rtol=1e-9, atol=1e-9)
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


@pytest.mark.slow
def test_a_short_training_finds_most_digits():
    train, test = draw(6000, seed=1), draw(800, seed=2, split="test")
    torch.manual_seed(0)
    classifier = training.fit(Classifier.for_data(train), train, steps=250, device="cpu", view=Bar(silent=True)).model
    run = training.fit(Detector.from_classifier(classifier), train, steps=80, device="cpu", view=Bar(silent=True))
    result = run.model.evaluate(test)
    assert result["recall"] > 0.6
    assert result["precision"] > 0.6


def test_bad_input():
    with pytest.raises(CourseError, match=r"digits: got \[4, 1, 20, 20\], 4 a canvas"):
        scatter(torch.zeros(4, 1, 20, 20), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(CourseError, match=r"10 a canvas, expected .* 1 to 9 a canvas"):
        scatter(torch.zeros(20, 1, 28, 28), torch.zeros(20, dtype=torch.int64), per_canvas=10)
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
