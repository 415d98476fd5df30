import numpy as np
import pytest

from recon3d.errors import InputError
from recon3d.metrics.depth import depth_errors


def test_errors_of_three_pixels_worked_out_by_hand():
    truth = np.array([[1.0, 2.0, 4.0, 0.0]], np.float32)
    predicted = np.array([[1.1, 2.0, 2.0, 5.0]], np.float32)
    errors = depth_errors(predicted, truth)
    assert errors.abs_rel == pytest.approx((0.1 + 0 + 0.5) / 3)
    assert errors.rmse_m == pytest.approx(np.sqrt((0.01 + 0 + 4) / 3))
    assert errors.delta1 == pytest.approx(2 / 3)
    assert errors.median_rel == pytest.approx(0.1)
    assert (errors.factor, errors.coverage, errors.pixel_count) == (1.0, 1.0, 3)


def test_median_scaling_takes_away_a_factor():
    truth = np.linspace(1, 5, 50, dtype=np.float32).reshape(5, 10)
    errors = depth_errors(truth / 3, truth, median_scaled=True)
    assert errors.factor == pytest.approx(3)
    assert errors.abs_rel == pytest.approx(0, abs=1e-6)


def test_pixels_without_a_prediction_count_against_coverage_only():
    truth = np.ones((2, 2), np.float32)
    predicted = np.array([[1, 0], [np.nan, 1]], np.float32)
    errors = depth_errors(predicted, truth)
    assert errors.coverage == 0.5
    assert errors.abs_rel == 0


def test_maps_of_other_sizes_or_without_common_pixels_are_refused():
    with pytest.raises(InputError, match="shape"):
        depth_errors(np.ones((2, 3)), np.ones((3, 2)))
    with pytest.raises(InputError, match="no pixel"):
        depth_errors(np.zeros((2, 2)), np.ones((2, 2)))
