"""The code plane without a browser: what it draws, what it says, how fast."""

from __future__ import annotations

import re

import pytest
import torch
from computation import median_seconds

from course_lib import show
from course_lib.data.imageset import ImageSet
from course_lib.errors import CourseError
from course_lib.show import autoencoders_to_vae as plane
from course_lib.vae.autoencoders_to_vae import Autoencoder

VIEW = "application/vnd.jupyter.widget-view+json"


def some_images(count: int = 60, channels: int = 1, size: int = 12) -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    images = torch.rand(count, channels, size, size, generator=generator) * 2 - 1
    return ImageSet(images, torch.arange(count) % 10, class_names=list("abcdefghij"), name="noise")


def untrained(channels: int = 1, size: int = 12) -> Autoencoder:
    torch.manual_seed(0)
    return Autoencoder(channels=channels, size=size, latent=2, network="mlp", hidden=16).eval()


class Plain:
    """Its codes are the first two pixels; every decoded pixel tells how far up the point lies."""

    latent = 2

    def __init__(self) -> None:
        self.seen: list[torch.Tensor] = []

    def codes(self, images: torch.Tensor) -> torch.Tensor:
        return 3 * images[:, 0, 0, :2]

    def decode(self, codes: torch.Tensor) -> torch.Tensor:
        self.seen.append(codes)
        return (codes[:, 1] / 4).tanh()[:, None, None, None].expand(-1, 1, 12, 12)


def test_moving_a_slider_changes_picture_and_words():
    panel = show.widgets.code_plane(untrained(), some_images())
    for control, value in (("across", 1.5), ("up", -1.0), ("show", "decoded")):
        before, html, words = panel.png, panel.picture.value, panel.words
        panel.controls[control].value = value
        assert panel.png != before
        assert panel.picture.value != html
        assert 'alt="' in panel.picture.value
        assert len(panel.words) >= 15
        if control != "show":
            assert panel.words != words


def test_a_press_in_the_plane_moves_the_point_there():
    model = Plain()
    panel = show.widgets.code_plane(model, some_images())
    low, high = panel.controls["across"].min, panel.controls["across"].max
    floor, roof = panel.controls["up"].min, panel.controls["up"].max
    for u, v in ((0.25, 0.1), (0.9, 0.6)):
        panel.picture.spot = [0, u, v, 1]
        assert panel.values["across"] == pytest.approx(low + u * (high - low), abs=0.01)
        assert panel.values["up"] == pytest.approx(roof - v * (roof - floor), abs=0.01)
        assert model.seen[-1][0].tolist() == pytest.approx([panel.values["across"], panel.values["up"]], abs=1e-5)
        assert panel.picture.now[0] == pytest.approx([u, v], abs=1e-4)


def test_the_decoder_gets_the_point_of_the_sliders():
    model = Plain()
    panel = show.widgets.code_plane(model, some_images())
    panel.set(across=1.2, up=-0.6)
    torch.testing.assert_close(model.seen[-1], torch.tensor([[1.2, -0.6]]), atol=0.05, rtol=0)
    assert re.search(r"at \(1\.\d\d, -0\.\d\d\)", panel.words)


def test_the_nearest_code_is_named_with_its_distance():
    images, model = some_images(), Plain()
    codes = model.codes(images.images)
    panel = show.widgets.code_plane(model, images)
    panel.set(across=float(codes[7, 0]), up=float(codes[7, 1]))
    where = torch.tensor([[panel.values["across"], panel.values["up"]]])
    distances = (codes - where).norm(dim=1)
    nearest = int(distances.argmin())
    assert f"{float(distances[nearest]):.2f} away, of class {images.class_names[nearest % 10]}" in panel.words


def test_up_is_up_in_both_planes():
    low, high = torch.tensor([-4.0, -4.0]), torch.tensor([4.0, 4.0])
    ((x, y),) = plane.pixel(torch.tensor([[4.0, 4.0]]), low, high)
    assert (x, y) == (plane.SIDE, 0)
    grid = plane.decoded(Plain(), low, high)
    assert grid.getpixel((10, 5))[0] > grid.getpixel((10, plane.SIDE - 5))[0]
    left, right = (grid.getpixel((x, 20)) for x in (5, plane.SIDE - 5))
    assert left == right


def test_the_frame_is_square_and_holds_codes_and_prior():
    codes = torch.tensor([[1.0, 2.0], [9.0, 3.0], [4.0, -1.0]])
    low, high = plane.frame(codes)
    assert (codes > low).all()
    assert (codes < high).all()
    assert (low < -2.5).all()
    assert (high > 2.5).all()
    torch.testing.assert_close((high - low)[0], (high - low)[1])


def test_distances_to_the_nearest_neighbour():
    codes = torch.tensor([[0.0, 0.0], [3.0, 4.0], [3.0, 5.0]])
    torch.testing.assert_close(plane.nearest_distances(codes), torch.tensor([5.0, 1.0, 1.0]))
    assert plane.nearest_distances(codes[:1]).tolist() == [0.0]


def test_a_change_takes_at_most_fifty_milliseconds_of_computation():
    panel = show.widgets.code_plane(untrained(size=28), some_images(1500, size=28))
    assert median_seconds(panel.controls["across"], [-2.0, -1.5, -1.0, -0.5, 0.5, 1.0, 1.5, 2.0]) <= 0.05


def test_one_output_holds_the_widget_and_its_still_picture():
    bundle = show.widgets.code_plane(untrained(), some_images())._repr_mimebundle_()
    assert {VIEW, "image/png", "text/html", "text/plain"} <= bundle.keys()


def test_colour_and_other_sizes():
    panel = show.widgets.code_plane(untrained(3, 20), some_images(30, 3, 20))
    before = panel.png
    panel.controls["up"].value = 1.0
    assert panel.png != before


def test_a_model_with_another_code_is_refused():
    with pytest.raises(CourseError, match="model: got a code of 5 numbers, expected one of 2"):
        show.widgets.code_plane(Autoencoder(size=12, latent=5, network="mlp", hidden=8), some_images())
    with pytest.raises(CourseError, match="model: got a code of no numbers, expected one of 2"):
        show.widgets.code_plane(torch.nn.Linear(2, 2), some_images())


def test_the_models_mode_and_the_global_random_state_stay():
    model = untrained().train()
    state = torch.get_rng_state()
    show.widgets.code_plane(model, some_images()).set(across=0.5)
    assert model.training
    assert torch.equal(state, torch.get_rng_state())
