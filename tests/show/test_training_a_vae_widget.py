"""The plane, the sliders and the betas of chapter 10 without a browser: what they draw, what they say, how fast."""

from __future__ import annotations

import math
import re

import numpy as np
import pytest
import torch
from computation import median_seconds
from torch import nn

from course_lib import metrics, show
from course_lib.data.imageset import ImageSet
from course_lib.data.strokes import draw
from course_lib.errors import CourseError
from course_lib.show import paint
from course_lib.show import training_a_vae as widgets
from course_lib.vae.autoencoders_to_vae import Autoencoder
from course_lib.vae.training_a_vae import VAE

VIEW = "application/vnd.jupyter.widget-view+json"


class Places(VAE):
    """An image's first pixels are its code; a code decodes to a flat image as bright as its sum."""

    def __init__(self, latent: int = 2, **config):
        super().__init__(latent=latent, size=8, hidden=4, width=1, **config)

    def code(self, images):
        return 3 * images.flatten(1)[:, : self.latent]

    def decode(self, codes, batch_size=1000):
        self.seen = codes
        return codes.sum(dim=1).tanh()[:, None, None, None].expand(-1, 1, 8, 8)


def vae(latent: int, seed: int = 0, **config) -> VAE:
    """Untrained, but with codes as far apart as a trained one's, and images that follow them."""
    torch.manual_seed(seed)
    model = VAE(latent=latent, **config)
    with torch.no_grad():
        last = [layer for layer in model.encoder.modules() if isinstance(layer, nn.Linear)][-1]
        last.weight[:latent] *= 40
        for layer in model.decoder.modules():
            if isinstance(layer, nn.Linear):
                layer.weight *= 3
    return model.eval()


@pytest.fixture(scope="module")
def digits() -> ImageSet:
    return draw(300, seed=5, split="test")


def planted(codes: torch.Tensor, labels: list[int], **factors: torch.Tensor) -> ImageSet:
    """Images that `Places` gives these codes [N, D]."""
    images = torch.zeros(len(codes), 64)
    images[:, : codes.shape[1]] = codes / 3
    return ImageSet(images.view(-1, 1, 8, 8), torch.tensor(labels), factors)


def panel_of(name: str, digits: ImageSet):
    if name == "latent_plane":
        return show.widgets.latent_plane(vae(2), digits)
    if name == "latent_sliders":
        return show.widgets.latent_sliders(vae(20), digits)
    return show.widgets.beta_slider(digits, {beta: vae(3, round(beta)) for beta in (0.1, 1, 4)})


MOVES = {
    "latent_plane": [("across", 1.5), ("up", 2.0), ("plane", "decoded grid")],
    "latent_sliders": [(0, 2.5), (9, -2.5)],
    "beta_slider": [("beta", 4), ("noise", 7), ("beta", 0.1)],
}


@pytest.mark.parametrize("name", MOVES)
def test_every_control_changes_picture_and_words(name, digits):
    panel = panel_of(name, digits)
    for control, value in MOVES[name]:
        before, html, words = panel.png, panel.picture.value, panel.words
        control = list(panel.controls)[control] if isinstance(control, int) else control
        panel.controls[control].value = value
        assert panel.png != before, control
        assert panel.picture.value != html
        assert 'alt="' in panel.picture.value
        assert panel.words != words or control == "plane"
        assert len(panel.words) >= 15


@pytest.mark.parametrize("name", MOVES)
def test_a_change_takes_at_most_fifty_milliseconds_of_computation(name, digits):
    panel = panel_of(name, digits)
    control, values = {
        "latent_plane": ("across", [-2.0, -1.0, 0.0, 1.0, 2.0]),
        "latent_sliders": (next(iter(panel.controls)), [-2.0, -1.0, 0.0, 1.0, 2.0]),
        "beta_slider": ("noise", [1, 2, 3, 4, 5]),
    }[name]
    assert median_seconds(panel.controls[control], values * 2) <= 0.05


@pytest.mark.parametrize("name", MOVES)
def test_one_output_holds_the_widget_and_its_still_picture(name, digits):
    assert {VIEW, "image/png", "text/html", "text/plain"} <= panel_of(name, digits)._repr_mimebundle_().keys()


@pytest.mark.parametrize("name", MOVES)
def test_the_models_mode_and_the_global_random_state_stay(name, digits):
    model = vae(2 if name == "latent_plane" else 5).train()
    torch.manual_seed(3)
    state = torch.get_rng_state()
    if name == "beta_slider":
        panel = show.widgets.beta_slider(digits, {1: model, 2: model})
        panel.set(noise=3)
    else:
        panel = getattr(show.widgets, name)(model, digits)
        panel.set(**{list(panel.controls)[-1]: 1.0})
    assert model.training
    assert all(module.training for module in model.modules())
    assert torch.equal(state, torch.get_rng_state())


# --- the plane --------------------------------------------------------------------------------------------------------


def test_the_plane_decodes_where_the_point_is():
    codes = torch.tensor([[-2.0, -2.0], [2.0, 1.0], [1.0, 2.0]])
    model = Places()
    panel = show.widgets.latent_plane(model, planted(codes, [4, 7, 7]))
    panel.set(across=1.25, up=-0.75)
    assert model.seen.tolist() == [[1.25, -0.75]]
    assert "decoded at code (1.25, -0.75)" in panel.words
    density = -math.log(2 * math.pi) - (1.25**2 + 0.75**2) / 2
    assert f"The prior's log density there is {density:.2f} nats" in panel.words


def test_the_nearest_codes_say_the_class():
    generator = torch.Generator().manual_seed(0)
    centres = torch.tensor([[2.0, 2.0], [-2.0, -1.0], [2.0, -2.0]])
    codes = (centres.repeat(40, 1) + 0.2 * torch.randn(120, 2, generator=generator)).clamp(-3, 3)
    panel = show.widgets.latent_plane(Places(), planted(codes, [1, 5, 9] * 40))
    for (x, y), label in zip(centres.tolist(), (1, 5, 9), strict=True):
        panel.set(across=x, up=y)
        away = float((codes - torch.tensor([x, y])).norm(dim=1).min())
        assert f"100% of the 25 nearest codes are of class {label}, the nearest {away:.2f} away" in panel.words


def test_dragging_over_the_plane_moves_both_sliders_and_repaints_once():
    panel = show.widgets.latent_plane(Places(), planted(torch.tensor([[-3.0, 1.0], [4.5, 0.0]]).clamp(-3, 3), [0, 1]))
    painted = []
    paint, panel.paint = panel.paint, lambda **values: painted.append(values) or paint(**values)
    for spot, across, up in (
        ([0, 0, 0, 1], -3, 3),
        ([0, 1, 1, 1], 3, -3),
        ([0, 0.5, 0.25, 1], 0, 1.5),
        ([0, 0.75, 0.5, 1], 1.5, 0),
    ):
        before = panel.png
        panel.picture.spot = spot
        assert (panel.values["across"], panel.values["up"]) == (across, up)
        assert panel.png != before
    assert len(painted) == 4
    panel.set(across=-1.0)
    panel.picture.spot = [0, 0.75, 0.5, 2]
    assert panel.values["across"] == 1.5, "a second press at the same place counts"


def test_the_area_that_can_be_touched_is_the_plane_and_the_mark_lies_where_it_was_pressed():
    panel = show.widgets.latent_plane(Places(), planted(torch.tensor([[-1.0, 1.0], [1.0, 0.0]]), [0, 1]))
    ((left, top, width, height),) = panel.picture.areas
    for u, v in ((0.25, 0.25), (0.5, 0.75), (0.8, 0.4)):
        panel.picture.spot = [0, u, v, 0]
        assert panel.picture.now[0] == pytest.approx([u, v])
        pixels = np.asarray(panel.paint(**panel.values)[0]).astype(int)
        wide, tall = pixels.shape[1], pixels.shape[0]
        x, y = (left + u * width) * wide, (top + v * height) * tall
        ring = [pixels[round(y + dy), round(x + dx)].sum() for dx, dy in ((9, 0), (-9, 0), (0, 9), (0, -9))]
        assert max(ring) < 200, "dark all around"


def test_names_of_classes_are_pushed_apart_and_those_that_are_apart_stay():
    places = torch.tensor([[100.0, 100.0], [104.0, 100.0], [100.0, 103.0], [300.0, 50.0]])
    moved = widgets.apart(places, 24)
    distances = torch.cdist(moved, moved) + 1000 * torch.eye(4)
    assert distances.min() > 23
    assert torch.allclose(moved[3], places[3].double(), atol=0.01)
    assert torch.allclose(moved[:3].mean(dim=0), places[:3].double().mean(dim=0), atol=0.01)
    assert torch.cdist(*[widgets.apart(torch.zeros(2, 2), 24)] * 2).max() > 23, "two at one place"


def test_a_row_of_the_sliders_is_a_slider():
    codes = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    panel = show.widgets.latent_sliders(Places(), planted(codes, [1] * 40))
    assert len(panel.picture.areas) == 2
    first, second = (float(name[1:]) for name in list(panel.controls)[:2])
    panel.picture.spot = [1, 0.75, 0.4, 1]
    name, reach = f"z{second:g}", panel.controls[f"z{second:g}"].max
    assert panel.values[name] == pytest.approx(reach / 2, abs=reach / 30)
    assert panel.picture.now[1][0] == pytest.approx(0.75, abs=0.02)
    pixels = np.asarray(panel.paint(**panel.values)[0]).astype(int)
    left, top, width, height = panel.picture.areas[1]
    x, y = round((left + 0.75 * width) * pixels.shape[1]), round((top + 0.5 * height) * pixels.shape[0])
    row = pixels[y, x - 6 : x + 7]
    assert (np.abs(row - np.array(paint.ORANGE)).sum(axis=1) < 60).any(), "the mark lies under the pointer"
    assert first != second


def test_up_is_up_in_both_planes():
    plane = widgets.pixels(torch.tensor([[-3.0, 3.0], [0.0, 0.0], [3.0, -3.0]]), 3.0)
    left, top = widgets.MARGIN
    assert plane.tolist() == [[left, top], [left + 210, top + 210], [left + 420, top + 420]]
    grid = np.asarray(widgets.mosaic(Places(), 3.0))[top : top + 420, left : left + 420, 0].astype(int)
    assert grid[10, 410] > 250, "top right: both numbers large"
    assert grid[410, 10] < 5, "bottom left"
    assert abs(grid[210, 210] - 128) < 40


def test_every_code_is_a_dot_of_its_class():
    codes = torch.tensor([[-2.0, 2.0], [2.5, 1.0], [0.3, -2.4], [0.7, -1.0]])
    picture = np.asarray(widgets.dots(codes, planted(codes, [3, 8, 5, 5]), 3.0, rings=False))
    for (x, y), label in zip(widgets.pixels(codes, 3.0).round().int().tolist(), [3, 8, 5, 5], strict=True):
        colours = picture[y - 12 : y + 13, x - 12 : x + 13].reshape(-1, 3).tolist()
        assert list(paint.CLASSES[label]) in colours or [34, 34, 34] in colours, "the dot, or the figure on it"
    empty = np.asarray(widgets.dots(codes, planted(codes, [3, 8, 5, 5]), 3.0, rings=True))
    assert (empty != picture).any(), "rings"
    assert len(set(paint.CLASSES)) == 10


def test_an_autoencoder_has_a_plane_too_but_no_prior(digits):
    panel = show.widgets.latent_plane(Autoencoder(latent=2), digits)
    assert "prior" not in panel.words
    assert "nearest codes" in panel.words
    panel.set(across=2.0)
    assert "code (2.00, " in panel.words


def test_far_codes_widen_the_plane():
    panel = show.widgets.latent_plane(Places(), planted(torch.tensor([[-2.9, 0.0], [2.0, 1.0]]), [0, 1]))
    assert (panel.controls["up"].min, panel.controls["up"].max) == (-3, 3)
    assert widgets.reach_of(torch.tensor([[-4.2, 1.0]])) == 5


# --- the sliders ------------------------------------------------------------------------------------------------------


def four_latents() -> tuple[Places, ImageSet]:
    """Latent 2 varies most and follows the slant, 0 the width backwards, 3 nothing; 1 is unused."""
    generator = torch.Generator().manual_seed(1)
    slant, width, other = torch.randn(3, 200, generator=generator)
    codes = torch.stack([-0.5 * width, 0.01 * other, 0.9 * slant, 0.2 * torch.randn(200, generator=generator)], dim=1)
    factors = {"allograph": torch.arange(200), "slant": slant, "colour": torch.rand(200, 3), "width": width}
    return Places(latent=4), planted(codes.clamp(-3, 3), [i % 10 for i in range(200)], **factors)


def test_the_most_active_come_first_and_name_the_factor_they_follow():
    model, images = four_latents()
    panel = show.widgets.latent_sliders(model, images)
    assert list(panel.controls) == ["z2", "z0", "z3", "z1"]
    found = widgets.followed(model.code(images.images), images)
    assert {latent: words.split()[0] for latent, words in found.items() if latent != 1} == {2: "slant", 0: "width"}
    assert float(found[2].split()[1]) > 0.95
    assert float(found[0].split()[1]) < -0.95
    assert re.search(r"Most active: latent 2 slant \+\d\.\d\d; latent 0 width -\d\.\d\d; latent 3\.$", panel.words)
    labels = [row.children[1].value for column in panel.box.children[1].children for row in column.children]
    assert labels == [found[2], found[0], "", "unused"]
    assert list(show.widgets.latent_sliders(model, images, most=2).controls) == ["z2", "z0"]


def test_the_correlation_named_is_the_metrics_own(digits):
    model = vae(20)
    codes = model.codes(digits.images)
    found = widgets.followed(codes, digits)
    numbers = {name: values for name, values in digits.factors.items() if name != "allograph"}
    table = metrics.correlations(codes, numbers)
    assert found
    for latent, words in found.items():
        name, value = words.split()
        assert float(value) == pytest.approx(float(table[latent, list(numbers).index(name)]), abs=0.0051)
        assert abs(float(value)) == pytest.approx(float(table[latent].abs().max()), abs=0.0051)


def test_without_factors_there_are_numbers_only():
    model, images = four_latents()
    panel = show.widgets.latent_sliders(model, ImageSet(images.images, images.labels))
    assert panel.words.endswith("Most active: latent 2; latent 0; latent 3.")


def test_it_begins_at_the_code_of_the_image_and_reset_returns_to_it():
    model, images = four_latents()
    panel = show.widgets.latent_sliders(model, images)
    codes = model.code(images.images)
    for image in (0, 7):
        panel.image.value = image
        assert list(panel.values.values()) == pytest.approx(codes[image, [2, 0, 3, 1]].tolist())
        torch.testing.assert_close(model.seen[0], codes[image])
        assert f"from the code of image {image}, a {image % 10}. Most" in panel.words
        begun = panel.png
        panel.set(z2=-1.0, z3=2.0)
        assert ", with latent 2 at -1.00, latent 3 at 2.00. Most" in panel.words
        assert panel.png != begun
        panel.reset.click()
        assert panel.png == begun


def test_a_slider_that_the_browser_rounds_to_a_whole_step_has_not_moved():
    """As a slider of the browser does once it is shown, before anybody touches it."""
    model, images = four_latents()
    panel = show.widgets.latent_sliders(model, images)
    begun, step = panel.png, panel.controls["z2"].step
    rounded = {name: -3 + step * round((value + 3) / step) for name, value in panel.values.items()}
    assert list(rounded.values()) != list(panel.values.values())
    panel.set(**rounded)
    assert panel.png == begun
    torch.testing.assert_close(model.seen[0], model.code(images.images)[0], rtol=0, atol=0)
    panel.set(z2=rounded["z2"] + step)
    assert ", with latent 2 at" in panel.words


def test_a_row_moves_its_latent_alone_from_end_to_end_and_hidden_ones_stay():
    model, images = four_latents()
    panel = show.widgets.latent_sliders(model, images, most=2)
    panel.set(z2=1.5, z0=-0.5)
    codes = model.code(images.images)
    now = torch.tensor([-0.5, codes[0, 1], 1.5, codes[0, 3]])
    torch.testing.assert_close(model.seen[0], now)
    rows = model.seen[1:].unflatten(0, (2, widgets.STOPS))
    for row, latent in zip(rows, (2, 0), strict=True):
        torch.testing.assert_close(row[:, latent], torch.linspace(-3, 3, widgets.STOPS))
        others = [k for k in range(4) if k != latent]
        torch.testing.assert_close(row[:, others], now[others].expand(widgets.STOPS, 3))


def test_the_decoded_image_is_the_reconstruction_until_something_moves(digits, monkeypatch):
    model, large = vae(12), []
    enlarged = widgets.paint.enlarged
    monkeypatch.setattr(
        widgets.paint, "enlarged", lambda image, side: large.append((image, side)) or enlarged(image, side)
    )
    show.widgets.latent_sliders(model, digits)
    shown = [image for image, side in large if side == widgets.BIG]
    torch.testing.assert_close(shown[-2], digits.images[0])
    torch.testing.assert_close(shown[-1], model.reconstruct(digits.images[:1])[0])


@pytest.mark.parametrize("latent", [1, 2, 37])
def test_any_number_of_latents_and_colour(latent):
    images = draw(12, size=32, colour=True)
    panel = show.widgets.latent_sliders(VAE(channels=3, size=32, latent=latent, hidden=8, width=2), images)
    assert len(panel.controls) == min(latent, 10)
    before = panel.png
    panel.set(**{next(iter(panel.controls)): 2.9})
    assert panel.png != before


# --- beta -------------------------------------------------------------------------------------------------------------


def test_rate_and_distortion_are_the_metrics_own_and_the_protocol_is_named(digits):
    models = {4: vae(3, 4), 0.5: vae(3, 5)}
    panel = show.widgets.beta_slider(digits, models)
    assert [value for _, value in panel.controls["beta"].options] == [0.5, 4], "sorted"
    for beta, model in models.items():
        panel.set(beta=beta)
        found = metrics.likelihood(model, digits, samples=(1,))
        assert (
            f"trained with beta {beta:g}: rate {found.kl:.1f} and distortion {found.reconstruction:.1f}" in panel.words
        )
        assert "300 images; dynamic binarisation, test pixels by seed 0" in panel.words


def test_the_same_images_and_the_same_noise_for_every_beta(digits, monkeypatch):
    models, rows = {1: vae(3, 1), 2: vae(3, 2)}, []
    sheet = widgets.sheet
    monkeypatch.setattr(widgets, "sheet", lambda images: rows.append(images) or sheet(images))
    panel = show.widgets.beta_slider(digits, models)
    for beta, noise in ((2, 0), (2, 9), (1, 9)):
        rows.clear()
        panel.set(beta=beta, noise=noise)
        torch.testing.assert_close(rows[0], digits.images[:8])
        torch.testing.assert_close(rows[1], models[beta].reconstruct(digits.images[:8]))
        torch.testing.assert_close(torch.cat(rows[2:]), models[beta].sample(16, seed=noise))


def test_the_present_point_is_the_large_orange_one():
    nats = {0.5: (30.0, 60.0), 1.0: (20.0, 70.0), 4.0: (5.0, 110.0)}
    sums = {}
    for beta in nats:
        picture = np.asarray(widgets.curve(nats, beta))[:, :, :]
        orange = (picture == widgets.paint.ORANGE).all(axis=2)
        rows, columns = orange[:, :].nonzero()
        sums[beta] = columns.mean(), rows.mean()
        assert orange.sum() > 150
    assert sums[0.5][0] > sums[1.0][0] > sums[4.0][0], "rate to the right"
    assert sums[0.5][1] > sums[1.0][1] > sums[4.0][1], "distortion up"


def test_equal_points_do_not_break_the_plot():
    widgets.curve({0.5: (0.0, 60.0), 1.0: (0.0, 60.0)}, 1.0)


# --- bad input --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda d: show.widgets.latent_plane(vae(20), d), "model: got 20 latents, expected 2 for a plane"),
        (
            lambda d: show.widgets.latent_plane(nn.Linear(2, 2), d),
            "model: got Linear, expected a VAE or an Autoencoder",
        ),
        (lambda d: show.widgets.latent_sliders(nn.Linear(2, 2), d), "model: got Linear, expected a VAE"),
        (lambda d: show.widgets.latent_sliders(vae(3), d.images), "images: got Tensor, expected an ImageSet"),
        (
            lambda d: show.widgets.latent_plane(vae(2), d[:0]),
            r"images: got shape \[0, 1, 28, 28\], expected .* N at least",
        ),
        (
            lambda d: show.widgets.latent_sliders(VAE(channels=3, size=32), d),
            r"images: got shape \[300, 1, 28, 28\], expected \[N, 3, 32, 32\]",
        ),
        (lambda d: show.widgets.latent_sliders(vae(3), d, most=0), "most: got 0, expected at least one"),
        (
            lambda d: show.widgets.beta_slider(d, {1: vae(3)}),
            r"models: got 1 with \[3\] latents, expected at least two",
        ),
        (lambda d: show.widgets.beta_slider(d, {1: vae(3), 2: vae(4)}), r"models: got 2 with \[3, 4\] latents"),
        (
            lambda d: show.widgets.beta_slider(d, {1: vae(3), 2: Autoencoder(latent=3)}),
            "models: got Autoencoder, expected",
        ),
        (lambda d: show.widgets.beta_slider(d, ["mlp_gan", "dcgan"]), "models: got MLPGAN, expected VAEs only"),
        (lambda d: show.widgets.beta_slider(d, ["beta_vae_7"]), "pretrained: got 'beta_vae_7', expected one of"),
        (
            lambda d: show.widgets.beta_slider(d, {1: VAE(size=32, latent=2), 2: VAE(size=32, latent=2)}),
            r"images: got shape \[1, 1, 28, 28\], expected \[N, 1, 32, 32\]",
        ),
    ],
)
def test_bad_input_is_one_line(call, message, digits):
    with pytest.raises(CourseError, match=message) as error:
        call(digits)
    assert "\n" not in str(error.value)
