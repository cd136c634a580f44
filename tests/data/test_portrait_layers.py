"""The layers of a portrait: painted again, one over the other, they are the portrait and its masks."""

import pytest
import torch

from course_lib.data import new_worlds, portraits
from course_lib.data.portrait_layers import layers


@pytest.mark.parametrize("size", [16, 33])
def test_layers_painted_again_are_the_portraits(size):
    drawn = portraits.draw(6, size=size, seed=3)
    picture, coats = layers(drawn.factors, size)
    before = picture.clone()
    for coat in coats:
        picture = new_worlds.over(coat.colour, coat.alpha[:, None], picture)
    assert torch.equal((picture * 255).round() / 127.5 - 1, drawn.images)
    assert not torch.equal(picture, before)


def test_what_shows_of_them_are_the_masks():
    drawn = portraits.draw(4, size=24, seed=1)
    _, coats = layers(drawn.factors, 24)
    through, seen = torch.ones(4, 24, 24), dict.fromkeys(portraits.PARTS, torch.zeros(4, 24, 24))
    for coat in reversed(coats):
        if not coat.tint:
            seen[coat.part] = seen[coat.part] + through * coat.alpha
            through = through * (1 - coat.alpha)
    seen["background"] = seen["background"] + through
    for part in portraits.PARTS:
        assert (seen[part] - drawn.mask(part)).abs().max() <= 0.51 / 255 + 1e-6


def test_a_part_is_a_run_of_layers_and_a_tint_belongs_to_the_part_before_it():
    _, coats = layers(portraits.draw(1).factors)
    order = [part for k, (_, _, part, _) in enumerate(coats) if not k or coats[k - 1].part != part]
    assert order[:3] == ["background", "hair", "clothes"]  # hair that is behind the neck
    assert order[-3:] == ["hair", "glasses", "hat"]
    assert set(order) == set(portraits.PARTS)
    assert coats[0].tint
    assert not coats[1].tint
