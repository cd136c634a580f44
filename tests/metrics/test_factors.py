"""Which latent follows which factor: correlations against NumPy, constant columns, wrong shapes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from course_lib import metrics
from course_lib.errors import CourseError


def planted(count: int = 91) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
    """Latent 2 is the slant, latent 0 the width backwards with noise, latents 1 and 3 nothing."""
    noise = torch.randn(count, 6, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    slant, width = noise[:, 0], noise[:, 1]
    codes = torch.stack([0.3 * noise[:, 2] - 2 * width, noise[:, 3], 5 * slant - 7, noise[:, 4]], dim=1)
    return codes, {"slant": slant, "width": width, "other": noise[:, 5]}


def test_correlations_equal_numpys():
    codes, factors = planted()
    wanted = np.corrcoef(codes.numpy().T, np.stack([f.numpy() for f in factors.values()]))[:4, 4:]
    found = metrics.correlations(codes, factors)
    assert found.shape == (4, 3)
    assert found.dtype == torch.float64
    np.testing.assert_allclose(found.numpy(), wanted, atol=1e-12)
    found32 = metrics.correlations(codes.float(), {name: values.float() for name, values in factors.items()})
    np.testing.assert_allclose(found32.numpy(), wanted, atol=1e-5)


def test_a_latent_that_is_the_factor_up_to_scale_correlates_one():
    codes, factors = planted()
    found = metrics.correlations(codes, factors)
    assert float(found[2, 0]) == pytest.approx(1.0)
    assert float(found[0, 1]) < -0.95


def test_matches_name_the_closest_latent_with_its_sign():
    codes, factors = planted()
    found = metrics.matches(codes, factors)
    assert (found["slant"].latent, found["width"].latent) == (2, 0)
    assert found["slant"].correlation == pytest.approx(1.0)
    assert found["width"].correlation < -0.95
    table = metrics.correlations(codes, factors)
    for i, match in enumerate(found.values()):
        assert abs(match.correlation) == pytest.approx(float(table[:, i].abs().max()))


def test_what_never_varies_correlates_with_nothing():
    codes, factors = planted()
    codes[:, 1] = 4.2
    found = metrics.correlations(codes, factors | {"flat": torch.full((91,), 0.1)})
    assert (found[1] == 0).all()
    assert (found[:, 3] == 0).all()
    assert found.isfinite().all()


def test_whole_numbers_are_factors_too():
    codes, _ = planted()
    labels = torch.arange(91)
    wanted = np.corrcoef(codes[:, 1].numpy(), labels.numpy())[0, 1]
    assert float(metrics.correlations(codes, {"order": labels})[1, 0]) == pytest.approx(wanted)


@pytest.mark.parametrize("shape", [(90,), (91, 3), ()])
def test_factors_of_another_shape_are_refused(shape):
    codes, factors = planted()
    with pytest.raises(CourseError, match=r"factors: 'colour' has shape .*, expected \[91\], one a code") as error:
        metrics.correlations(codes, factors | {"colour": torch.zeros(shape)})
    assert "\n" not in str(error.value)
