"""Chapter 10's figures show what they are given, each with its words."""

from __future__ import annotations

import pytest
import torch

from course_lib.show import training_a_vae_figures as figures
from course_lib.vae.training_a_vae import VAE

ALT = "a sentence that says what is seen"
RUN = {
    "step": [0, 10],
    "rate": [0.1, 4.0],
    "distortion": [500.0, 150.0],
    "latents": [2.0, 1.0, 0.5],
    "knows nothing": 209.0,
}


@pytest.fixture
def shown(shown_by):
    return shown_by(figures)


def test_the_product_is_filled_and_the_posterior_dashed(shown):
    z = torch.linspace(-1, 1, 5)
    figures.product(z, z + 2, 3 * z, z * z, ALT)
    ((fig, alt),) = shown
    assert alt == ALT
    (axis,) = fig.axes
    assert [list(line.get_ydata()) for line in axis.lines] == [(z + 2).tolist(), (3 * z).tolist(), (z * z).tolist()]
    assert axis.lines[2].get_linestyle() == "--"
    (area,) = axis.collections
    assert area.get_paths()[0].get_extents().ymax == pytest.approx(float(((z + 2) * 3 * z).max()))


def test_the_bound_has_log_p_in_both_panels(shown):
    sigmas = torch.tensor([0.1, 1.0])
    figures.bound({"one": ([0.0, 1.0], [-4.0, -3.0])}, sigmas, {"ELBO": [-5.0, -3.0]}, -2.5, ALT)
    for axis in shown[0][0].axes:
        assert list(axis.lines[-1].get_ydata()) == [-2.5, -2.5]
        assert axis.lines[0].get_label() in ("one", "ELBO")


def test_each_term_has_an_axis_and_its_last_value_in_words(shown):
    figures.two_terms({"reconstruction": [500.0, 100.0], "kl": [0.0, 20.0]}, ALT)
    titles = [axis.get_title() for axis in shown[0][0].axes]
    assert titles == ["reconstruction: ends at 100.0 nats", "KL: ends at 20.0 nats"]
    assert [axis.get_ylim()[0] for axis in shown[0][0].axes] == [0, 0]


def test_bounds_name_their_ends(shown):
    figures.bounds([1, 2, 4], [98.0, 96.0, 95.0], ALT)
    (axis,) = shown[0][0].axes
    assert [text.get_text() for text in axis.texts] == ["98.0", "95.0"]


def test_the_line_of_slope_one_touches_the_smallest_sum(shown):
    figures.rate_distortion({0.5: (24.0, 83.0), 1.0: (19.0, 86.0), 4.0: (9.0, 110.0)}, ALT)
    (axis,) = shown[0][0].axes
    x, y = axis.lines[1].get_xdata(), axis.lines[1].get_ydata()
    assert (y + x == 105.0).all()
    assert [text.get_text() for text in axis.texts] == ["β = 0.5", "β = 1", "β = 4"]


def test_the_plane_decodes_equal_shares_of_the_prior_with_large_codes_up_and_right(shown, monkeypatch):
    model, seen = VAE(size=28, latent=2, network="mlp", hidden=4), []
    monkeypatch.setattr(model, "decode", lambda codes: seen.append(codes) or torch.zeros(len(codes), 1, 28, 28))
    figures.plane(model, ALT, side=5)
    (codes,) = seen
    assert codes.shape == (25, 2)
    assert codes[0, 0] < codes[4, 0]  # to the right
    assert codes[0, 1] > codes[24, 1]  # from above
    shares = torch.distributions.Normal(0.0, 1.0).cdf(codes[:5, 0])
    assert shares == pytest.approx(torch.tensor([0.1, 0.3, 0.5, 0.7, 0.9]))
    assert [tick.get_text() for tick in shown[0][0].axes[0].get_yticklabels()] == ["1.3", "0.0", "-1.3"]


def test_followers_write_only_what_is_worth_a_name(shown):
    figures.followers({"seed 0": torch.tensor([[0.8, -0.1], [0.0, -0.4]])}, ["slant", "width"], ALT)
    (axis,) = shown[0][0].axes
    assert {(text.get_position(), text.get_text()) for text in axis.texts} == {((0, 0), "0.8"), ((1, 1), "-0.4")}
    assert [tick.get_text() for tick in axis.get_yticklabels()] == ["slant", "width"]


def test_moves_are_matrices_of_one_scale_with_names(shown):
    table = torch.tensor([[2.04, 0.1], [-1.0, 0.0]])
    figures.moves({"seed 0": table, "seed 1": -table}, ["of slant", "of width"], ["lean", "ink"], ALT)
    one, other = shown[0][0].axes
    assert [text.get_text() for text in one.texts] == ["2", "0.1", "-1", "0"]
    assert one.images[0].get_clim() == other.images[0].get_clim() == (-3.0, 3.0)
    assert [tick.get_text() for tick in one.get_yticklabels()] == ["of slant", "of width"]
    assert [tick.get_text() for tick in other.get_xticklabels()] == ["lean", "ink"]


def test_mysteries_show_curves_and_bars_and_say_their_ends(shown):
    figures.mysteries({"A": RUN, "B": RUN | {"rate": [0.1, 0.0]}})
    ((fig, alt),) = shown
    assert len(fig.axes) == 4
    assert [bar.get_height() for bar in fig.axes[2].patches] == RUN["latents"]
    assert "A: rate 4, distortion 150; B: rate 0, distortion 150; independent pixels 209 nats" in alt
