"""The fade: both paths and their blend, in numbers, words, and without a kernel."""

from __future__ import annotations

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from course_lib import show
from course_lib.errors import CourseError
from course_lib.gan.dcgan import DCGAN
from course_lib.gan.progressive_gan import ProgressiveGAN, enlarge, mix, shown, shrink
from course_lib.show.progressive_gan import FACES, detail, fade_explorer, recalled, still


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    grown = ProgressiveGAN(size=16, latent=5, width=2, fade=1, hold=1)
    grown.age.fill_(99)
    return grown


def pixels(url: str) -> np.ndarray:
    assert url.startswith("data:image/png;base64,")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(url.split(",")[1]))).convert("RGB"))


def test_the_browser_gets_both_paths_of_the_level(model):
    panel = fade_explorer(model)
    view = panel.picture
    panel.set(level="4 to 8 pixels", seed=3)
    noise = model.noise(FACES, torch.Generator().manual_seed(3))
    for url, path in zip((view.coarse, view.fine), recalled(model).paths(noise, 1), strict=True):
        wanted = ((path.clamp(-1, 1) + 1) * 127.5).round().byte().permute(2, 0, 3, 1).reshape(8, 8 * FACES, 3)
        assert np.array_equal(pixels(url), wanted.numpy())
    assert view.titles == ["old path: 4 x 4 pixels, enlarged", "new path: 8 x 8 pixels"]
    before = view.coarse
    panel.set(alpha=0.9)
    assert view.coarse is before  # only what has changed is computed


def test_the_detail_of_a_blend_is_alpha_times_that_of_the_new_path(model):
    coarse, fine = model.paths(model.noise(4), 2)
    assert detail(coarse) == pytest.approx(0, abs=1e-6)
    assert detail(mix(coarse, fine, 0.3)) == pytest.approx(0.3 * detail(fine), rel=1e-5)
    real = torch.rand(4, 3, 16, 16) * 2 - 1
    assert detail(shown(real, 8, 0.3)) == pytest.approx(0.3 * detail(shrink(real)), rel=1e-5)
    by_hand = torch.tensor([[0.0, 4.0], [0.0, 0.0]])[None, None]
    assert detail(by_hand) == pytest.approx(3**0.5)  # mean 1; differences -1, 3, -1, -1; squares 12 / 4


def test_words_say_alpha_and_both_details(model):
    real = torch.rand(6, 3, 16, 16) * 2 - 1
    panel = fade_explorer(model, real)
    panel.set(alpha=0.25)
    assert "alpha 0.25" in panel.words
    assert f"{0.25 * panel.picture.details[0]:.3f}" in panel.words
    assert f"{detail(real):.3f}" in panel.words
    assert panel.picture.words == panel.words


def test_the_still_picture_holds_three_rows(model):
    panel = fade_explorer(model)
    bundle = panel._repr_mimebundle_()
    assert "8 to 16 pixels" in bundle["text/plain"]
    assert any("widget-view" in kind for kind in bundle)
    assert Image.open(io.BytesIO(panel.png)).height > 3 * 96
    coarse, fine = model.paths(model.noise(FACES), 2)
    one, other = (still(coarse, fine, alpha, ["old", "new"]) for alpha in (0.0, 1.0))
    assert one.tobytes() != other.tobytes()


def test_a_change_of_alpha_is_computed_at_once(model):
    panel = fade_explorer(model)
    panel.set(alpha=0.1)
    assert panel.seconds < 0.05


def test_bad_input_is_one_line(model):
    with pytest.raises(CourseError, match="model: got a DCGAN"):
        fade_explorer(DCGAN())
    with pytest.raises(CourseError, match="real: got shape"):
        fade_explorer(model, torch.zeros(2, 1, 16, 16))


def test_the_explorer_is_among_the_widgets():
    assert show.widgets.fade_explorer is fade_explorer


def test_enlarged_pictures_have_no_detail():
    assert detail(enlarge(torch.randn(2, 3, 4, 4))) < 1e-6


def test_old_ways_to_colours_are_fitted_to_the_shrunk_pictures(model):
    """Least squares: no other weights are nearer, and the last level stays as it was."""
    noise = model.noise(256, torch.Generator().manual_seed(0))
    again = recalled(model)
    with torch.no_grad():
        picture = model.generator(noise, 2)
        assert torch.equal(again.generator(noise, 2), picture)
        for level in (0, 1):
            wanted = shrink(picture, 16 // model.sides[level])
            off, before = ((m.generator(noise, level) - wanted).square().mean() for m in (again, model))
            assert off < before / 2
            torch.manual_seed(level)
            for weights in again.generator.to_colour[level].parameters():
                change = 1e-2 * torch.randn_like(weights)
                weights.add_(change)
                assert (again.generator(noise, level) - wanted).square().mean() > off
                weights.sub_(change)
