"""Chapter 4's figures: each shows one picture with words, of what it was given."""

from __future__ import annotations

import pytest
import torch

from course_lib.show import training_a_cnn as figures


def bowl(a, b):
    return a**2 + 4 * b**2


PATH = torch.tensor([[-1.8, 0.7], [-1.4, 0.1], [-1.1, 0.0]])
HISTORY = {"step": [0, 20, 40], "training": [2.3, 0.5, 0.0], "validation": [2.3, 0.9, 1.4]}
VALUES = {"x": 2.0, "w1": 1.5, "b": -1.0, "w2": 0.5, "u": 3.0, "a": 2.0, "h": 2.0, "y": 1.0, "e": -2.0, "L": 4.0}
SLOPES = {"L": 1.0, "e": -4.0, "y": -4.0, "w2": -8.0, "h": -2.0, "a": -2.0, "b": -2.0, "u": -2.0, "w1": -4.0}
RUN = HISTORY | {"images": 100, "accuracy": 0.5}
ALT = "A sentence that says what is seen"


@pytest.fixture
def drawn(shown_by):
    return shown_by(figures)


def words(axis) -> list[str]:
    return [text.get_text() for text in axis.texts]


@pytest.mark.parametrize(
    ("draw", "panels"),
    [
        (lambda: figures.landscape(bowl, PATH), 2),
        (lambda: figures.descents(bowl, {"slow": PATH, "fast": PATH}, ALT), 2),
        (lambda: figures.graph_of_three(VALUES, SLOPES), 1),
        (lambda: figures.two_are_one(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 3, 3), torch.ones(1, 1, 5, 5)), 3),
        (lambda: figures.minus_log([0.1, 0.5]), 1),
        (lambda: figures.stairs_and_slope(torch.linspace(-1, 1, 3), [0, 0, 1], [3.0, 2.0, 1.0]), 2),
        (lambda: figures.curves_apart({"A": [2.3, 1.0], "B": [2.3, float("nan")]}, ALT, line=2.3), 2),
        (lambda: figures.overfitting({"a": HISTORY, "b": HISTORY}, ALT), 2),
        (lambda: figures.kernels({"kernels": torch.randn(16, 5, 5), "change": torch.zeros(16, 5, 5)}, ALT), 32),
        (lambda: figures.mysteries(dict.fromkeys("ABCDEF", RUN)), 6),
    ],
)
def test_a_figure_has_its_panels_and_words(draw, panels, shows_panels):
    shows_panels(draw, panels)


def test_the_graph_shows_every_value_and_slope(drawn):
    figures.graph_of_three(VALUES, SLOPES)
    shown = words(drawn[0][0].axes[0])
    assert all(f"{name} = {value:g}" in shown for name, value in VALUES.items())
    assert sorted(w for w in shown if w in {f"{s:g}" for s in SLOPES.values()}) == sorted(
        f"{s:g}" for s in SLOPES.values()
    )


def test_the_ring_is_where_the_validation_loss_is_lowest(drawn):
    figures.overfitting({"a": HISTORY}, ALT)
    ring = drawn[0][0].axes[0].lines[-1]
    assert (ring.get_xdata()[0], ring.get_ydata()[0]) == (20, 0.9)


def test_confusion_writes_what_was_counted_and_no_zeros(drawn):
    figures.confusion(torch.tensor([[5, 2], [0, 7]]), ["0", "1"])
    assert words(drawn[0][0].axes[0]) == ["5", "2", "7"]


def test_a_strongest_patch_is_what_the_answer_depends_on():
    """Noise outside of the patch leaves the strongest answer as it is; a change in a corner of it does not."""
    torch.manual_seed(0)
    body = torch.nn.Sequential(
        torch.nn.Conv2d(1, 2, 5, padding=2), torch.nn.AvgPool2d(2), torch.nn.Conv2d(2, 3, 5, padding=2)
    ).double()
    image = torch.full((1, 1, 28, 28), -1.0, dtype=torch.float64)
    image[0, 0, 10:19, 9:20] = torch.rand(9, 11, dtype=torch.float64)
    with torch.no_grad():
        maps = body((image + 1) / 2)
        maps[:, 0, :3] = maps[:, 0, -4:] = maps[:, 0, :, :3] = maps[:, 0, :, -4:] = -9  # away from the border
        (patch,) = figures.strongest_patches(image, maps, [0], count=1)
        row, column = divmod(int(maps[0, 0].argmax()), 14)
        top, left = 2 * row - 6, 2 * column - 6
        assert torch.equal(patch, image[0, :, top : top + 14, left : left + 14])
        outside = torch.rand_like(image)
        outside[..., top : top + 14, left : left + 14] = image[..., top : top + 14, left : left + 14]
        same = body((outside + 1) / 2)[0, 0, row, column]
        assert torch.allclose(same, maps[0, 0, row, column])
        for corner in ((top, left), (top + 13, left + 13)):
            other = outside.clone()
            other[0, 0, *corner] += 0.5
            assert not torch.allclose(body((other + 1) / 2)[0, 0, row, column], same)
