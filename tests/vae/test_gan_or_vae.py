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
from course_lib.vae.gan_or_vae import CONTESTANTS, contest, parameters, score, seconds_per_thousand
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
    assert [type(model) for model, _ in results.values()] == [R3GAN, VAE, Autoencoder]
    for model, found in results.values():
        row = found.figures()
        assert row["steps"] == 2
        assert row["images"] == 60
        assert row["floor"] == next(iter(results.values()))[1].report.floor
        assert not model.training
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


def test_only_the_vae_has_a_bound_and_it_says_by_which_protocol(digits, results):
    for name, (model, found) in results.items():
        row = found.figures()
        assert ("neg_elbo" in row) == ("protocol" in row) == (name == "vae")
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
