"""The contest of chapter 11: every contestant is trained, drawn from and scored by the same rules."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import pytest
import torch

from course_lib import data, metrics, models, training
from course_lib.errors import CourseError
from course_lib.gan.stable_training import R3GAN
from course_lib.gan.the_gan_game import MLPGAN
from course_lib.training.progress import Bar
from course_lib.vae import gan_or_vae
from course_lib.vae.autoencoders_to_vae import Autoencoder
from course_lib.vae.gan_or_vae import (
    CONTESTANTS,
    SPACES,
    FittedVAE,
    contest,
    parameters,
    score,
    seconds_per_thousand,
)
from course_lib.vae.training_a_vae import VAE

QUICK = {"steps": 2, "samples": 60, "device": "cpu"}
CLOCKED = "seconds_per_thousand"  # the one figure that is not the same twice


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """300 drawn digits to learn from and 60 to compare with; the cache stays out of the way."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COURSE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield data.load("strokes", count=300), data.load("strokes", split="test", count=60)


@pytest.fixture(scope="module")
def results(digits):
    return contest(*digits, view=Bar(silent=True), **QUICK)


def figures(result) -> dict:
    return {name: value for name, value in result[1].figures().items() if name != CLOCKED}


def test_every_contestant_is_trained_and_scored(results):
    assert tuple(results) == CONTESTANTS
    assert [type(model) for model, _ in results.values()] == [R3GAN, VAE, FittedVAE, VAE, Autoencoder]
    for model, found in results.values():
        row = found.figures()
        assert row["steps"] == 2
        assert row["images"] == 60
        assert row["floor"] == next(iter(results.values()))[1].report.floor
        assert not gan_or_vae.networks(model).training
        for name, value in row.items():
            if isinstance(value, float):
                assert math.isfinite(value), name
        assert sum(row["class_shares"]) == pytest.approx(1)
        assert row[CLOCKED] > 0


def test_equal_seeds_give_equal_figures(digits, results):
    torch.manual_seed(12345)  # what came before does not matter
    again = contest(*digits, names=["vae", "autoencoder"], view=Bar(silent=True), **QUICK)
    for name, result in again.items():
        assert figures(result) == figures(results[name])


def test_the_seed_is_that_of_weights_training_and_samples(digits):
    train, test = digits
    found, scored = contest(train, test, names=["vae"], seed=3, view=Bar(silent=True), **QUICK)["vae"]
    torch.manual_seed(3)
    run = training.fit(models.build("vae", train), train, steps=2, seed=3, device="cpu", view=Bar(silent=True))
    for name, wanted in run.model.state_dict().items():
        assert torch.equal(found.state_dict()[name], wanted), name
    assert scored.report == metrics.report(found.sample(60, seed=3), test)


def test_the_autoencoder_draws_from_the_gaussian_of_its_codes(digits, results):
    train, _ = digits
    model, _ = results["autoencoder"]
    codes = model.codes(train.images).double()
    torch.testing.assert_close(model.code_mean.double(), codes.mean(dim=0), rtol=1e-4, atol=1e-5)
    covariance = model.code_factor.double() @ model.code_factor.double().T
    torch.testing.assert_close(covariance, codes.T.cov(), rtol=1e-3, atol=1e-6)


def test_at_most_ten_thousand_images_are_encoded(monkeypatch, digits):
    seen = []
    monkeypatch.setattr(Autoencoder, "fit_codes", lambda self, images: seen.append(len(images)))
    train, test = digits
    many = train[torch.arange(10_200) % len(train)]
    contest(many, test, names=["autoencoder"], view=Bar(silent=True), **QUICK | {"samples": 20})
    assert seen == [10_000]


def test_only_a_vae_with_its_prior_has_a_bound_and_it_says_by_which_protocol(digits, results):
    for name, (model, found) in results.items():
        row = found.figures()
        assert ("neg_elbo" in row) == ("protocol" in row) == (name in ("vae", "vae_small"))
        if name == "vae":
            wanted = metrics.likelihood(model, digits[1], samples=(1,))
            assert row["neg_elbo"] == wanted.neg_elbo
            assert row["protocol"] == wanted.protocol


def test_a_score_is_the_report_of_the_models_own_samples(digits, results):
    _, test = digits
    model, found = results["r3gan"]
    assert found.report == metrics.report(model.sample(60, seed=0).cpu(), test)
    assert score(model, test, samples=40, seed=3).report == metrics.report(model.sample(40, seed=3).cpu(), test)
    assert score(model, test, samples=40).steps == 0


def test_a_row_can_be_written_as_json(results):
    for _, found in results.values():
        row = json.loads(json.dumps(found.figures()))
        assert None not in row.values()
        assert "report" not in row
        assert row["frechet_distance"] == found.report.frechet_distance
        assert row["parameters"] == found.parameters


def test_parameters_of_what_draws_counted_by_hand():
    coder = Autoencoder(channels=1, size=8, latent=3, network="mlp", hidden=5)
    by_hand = (3 * 5 + 5) + (5 * 5 + 5) + (5 * 64 + 64)
    assert parameters(coder) == by_hand
    assert parameters(VAE(channels=1, size=8, latent=3, network="mlp", hidden=5)) == by_hand
    assert parameters(MLPGAN(channels=3, size=4, latent=7, width=6)) == (7 * 6 + 6) + (6 * 48 + 48)


def test_the_first_draw_warms_up_and_the_median_counts(monkeypatch):
    clock, asked = [0.0], []

    class Slow:
        def sample(self, count, *, seed=0):
            asked.append((count, seed))
            clock[0] += [50.0, 3.0, 1.0, 9.0][len(asked) - 1]
            return torch.zeros(count)

    monkeypatch.setattr(gan_or_vae, "time", SimpleNamespace(perf_counter=lambda: clock[0]))
    assert seconds_per_thousand(Slow()) == 3.0
    assert [count for count, _ in asked] == [1000] * 4
    assert len({seed for _, seed in asked}) == 4


@pytest.mark.parametrize("samples", [-1, 0, 1, 61])
def test_a_wrong_number_of_samples_is_refused(samples, digits, results):
    with pytest.raises(CourseError, match=rf"samples: got {samples}, expected 2 to 60, the number of test images"):
        score(results["vae"][0], digits[1], samples=samples)


def test_a_contestant_nobody_knows_is_refused(digits):
    with pytest.raises(CourseError, match="model: got 'gam', expected one of"):
        contest(*digits, names=["gam"], **QUICK)


def test_a_contest_needs_an_end(digits):
    with pytest.raises(CourseError, match="neither steps nor seconds"):
        contest(*digits, names=["vae"], samples=60, device="cpu")


# ---------------------------------------------------------------------------------------------------------------------
# Codes from a fitted Gaussian, equal sizes, matched pixels
# ---------------------------------------------------------------------------------------------------------------------


def test_the_fitted_vae_is_the_vae_with_other_codes(results):
    vae, fitted = results["vae"][0], results["vae_fitted"][0]
    assert fitted.model is vae
    assert results["vae_fitted"][1].steps == results["vae"][1].steps
    for figure in ("parameters", "parameters_in_all"):
        assert results["vae_fitted"][1].figures()[figure] == results["vae"][1].figures()[figure]
    noise = torch.randn(5, vae.latent, generator=torch.Generator().manual_seed(4)).double()
    codes = (fitted.mean + noise @ fitted.factor.T).float()
    torch.testing.assert_close(fitted.sample(5, seed=4), vae.decode(codes))


def test_its_gaussian_is_that_of_draws_from_the_posterior(digits):
    """Mean of the means; covariance of the means plus the mean variance (law of total covariance)."""
    train, _ = digits
    torch.manual_seed(0)
    vae = VAE(latent=3, hidden=16, width=4).eval()
    many = train.images.repeat(20, 1, 1, 1)
    with torch.no_grad():
        vae.encoder[-1].weight.mul_(20)  # an untrained encoder says nearly the same of every image
        means, log_variances = (part.double() for part in vae.encode(many))
    fitted = FittedVAE(vae, many)
    wanted = means.T.cov() + log_variances.exp().mean(dim=0).diag()
    torch.testing.assert_close(fitted.factor @ fitted.factor.T, wanted, rtol=0.1, atol=0.03)
    torch.testing.assert_close(fitted.mean, means.mean(dim=0), rtol=0, atol=0.05)
    assert float(log_variances.exp().mean()) > 0.2  # so a covariance of the means alone would be far off


def test_too_few_images_for_a_gaussian_are_refused(digits):
    with pytest.raises(CourseError, match="images: got 20, expected more than 20, the numbers in a code"):
        FittedVAE(VAE().eval(), digits[0].images[:20])


def test_two_ways_to_draw_share_one_training(monkeypatch, digits):
    fitted = []
    fit = training.fit
    monkeypatch.setattr(training, "fit", lambda model, *a, **k: fitted.append(model.name) or fit(model, *a, **k))
    contest(*digits, names=["vae", "vae_fitted", "vae_small"], view=Bar(silent=True), **QUICK)
    assert fitted == ["vae", "vae"]


def test_the_small_vae_draws_with_as_many_parameters_as_the_gan(results):
    counts = {name: (found.parameters, found.parameters_in_all) for name, (_, found) in results.items()}
    assert counts["vae_small"][0] == pytest.approx(counts["r3gan"][0], rel=0.01)
    assert counts["vae"][0] > 2 * counts["r3gan"][0]
    for name, (drawing, whole) in counts.items():
        model = gan_or_vae.networks(results[name][0])
        assert whole == sum(weight.numel() for weight in model.parameters())
        assert drawing < whole


def test_in_another_space_samples_and_test_images_change_alike(digits, results):
    _, test = digits
    model = results["vae"][0]
    found = score(model, test, samples=60, spaces=["drawn", "cut"])
    images = model.sample(60, seed=0)
    assert set(found.spaces) == set(SPACES)
    for name, see in SPACES.items():
        assert found.spaces[name] == metrics.report(images, test, see=see)
        perfect = metrics.report(data.load("strokes", count=60).images, test, see=see)
        assert found.spaces[name].floor == pytest.approx(perfect.frechet_distance)
        assert abs(found.spaces[name].floor - found.report.floor) > 0.1
        assert set(see(images).unique().tolist()) <= {-1.0, 1.0}
    black_and_white = metrics.report(SPACES["cut"](images), test)
    assert black_and_white.frechet_distance != found.spaces["cut"].frechet_distance
    assert "spaces" not in score(model, test, samples=60).figures()


def test_drawn_pixels_are_ink_as_often_as_they_are_dark():
    grey = torch.full((1, 1, 100, 100), 0.4)
    assert float((SPACES["drawn"](grey) > 0).double().mean()) == pytest.approx(0.7, abs=0.02)
    assert torch.equal(SPACES["drawn"](grey), SPACES["drawn"](grey))
    assert SPACES["cut"](torch.tensor([-0.2, 0.3])).tolist() == [-1, 1]
