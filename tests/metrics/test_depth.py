import math

import numpy as np
import pytest

from recon3d.errors import InputError
from recon3d.metrics.depth import CROPS, MEASURES, depth_errors, mean_over_photos, pixels_of, pooled

TRUTH = np.array([[1.0, 2.0, 4.0, 0.0]], np.float32)
PREDICTED = np.array([[1.1, 2.0, 2.0, 5.0]], np.float32)


def some_maps(seed, count=200):
    rng = np.random.default_rng(seed)
    truth = rng.uniform(1, 5, (10, count // 10))
    return truth * rng.uniform(0.7, 1.5, truth.shape), truth


def test_errors_of_three_pixels_worked_out_by_hand():
    errors = depth_errors(PREDICTED, TRUTH)
    g = [math.log(1.1), 0.0, math.log(0.5)]
    assert errors.abs_rel == pytest.approx((0.1 + 0 + 0.5) / 3)
    assert errors.sq_rel_m == pytest.approx((0.01 / 1 + 0 + 4 / 4) / 3)
    assert errors.rmse_m == pytest.approx(math.sqrt((0.01 + 0 + 4) / 3))
    assert errors.rmse_log == pytest.approx(math.sqrt((g[0] ** 2 + g[2] ** 2) / 3))
    assert errors.log10 == pytest.approx((math.log10(1.1) + math.log10(2)) / 3)
    assert errors.silog == pytest.approx(100 * np.std(g))  # mean of squares less square of mean: the variance
    assert (errors.delta1, errors.delta2, errors.delta3) == pytest.approx((2 / 3, 2 / 3, 2 / 3))
    assert errors.median_rel == pytest.approx(0.1)
    assert errors.log_bias == pytest.approx(sum(g) / 3)
    assert (errors.scale, errors.shift, errors.coverage) == (1, 0, 1)
    assert (errors.pixel_count, errors.truth_count) == (3, 3)


def test_deltas_are_powers_of_a_quarter_more_and_strict():
    truth = np.ones((1, 4))
    errors = depth_errors(np.array([[1.2, 1 / 1.3, 1.25, 1.9]]), truth)
    assert (errors.delta1, errors.delta2, errors.delta3) == (0.25, 0.75, 1.0)  # 1.25, 1.5625, 1.953


def test_silog_does_not_see_a_factor():
    predicted, truth = some_maps(0)
    assert depth_errors(3 * predicted, truth).silog == pytest.approx(depth_errors(predicted, truth).silog)
    assert depth_errors(3 * truth, truth).silog == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(
    ("scaling", "spoil", "scale", "shift"),
    [
        ("median", lambda truth: truth / 3, 3, 0),
        ("affine", lambda truth: 2 * truth + 0.5, 0.5, -0.25),
        ("affine-disparity", lambda truth: 1 / (2 / truth + 0.5), 0.5, -0.25),
    ],
)
def test_a_fit_takes_away_what_it_is_for(scaling, spoil, scale, shift):
    truth = np.linspace(1, 5, 50).reshape(5, 10)
    errors = depth_errors(spoil(truth), truth, scaling=scaling)
    assert (errors.scale, errors.shift) == pytest.approx((scale, shift))
    assert errors.abs_rel == pytest.approx(0, abs=1e-12)


def test_the_median_fit_is_the_ratio_of_medians():
    # medians 2 and 3; the median of the ratios would be 4 / 2 = 2
    errors = depth_errors(np.array([[1.0, 2, 3]]), np.array([[3.0, 4, 2]]), scaling="median")
    assert errors.scale == pytest.approx(3 / 2)


def test_the_affine_fit_is_the_least_sum_of_squares():
    predicted, truth = some_maps(1)
    errors = depth_errors(predicted, truth, scaling="affine")
    expected = np.polyfit(predicted.ravel(), truth.ravel(), 1)
    assert (errors.scale, errors.shift) == pytest.approx(tuple(expected))
    flat = depth_errors(np.full_like(truth, 2.0), truth, scaling="affine")
    assert (flat.scale, flat.shift) == pytest.approx((0, truth.mean()))


def test_disparity_beyond_infinity_needs_a_cap():
    # near pixels say that disparity falls steeply: at a tenth of it the line is below zero
    truth, predicted = np.array([[1.0, 1.0, 50.0, 60.0]]), np.array([[1.0, 1.2, 2.0, 90.0]])
    with pytest.raises(InputError, match="--max-m"):
        depth_errors(predicted, truth, scaling="affine-disparity")
    assert depth_errors(predicted, truth, scaling="affine-disparity", max_m=80).rmse_m < 80


def test_caps_choose_the_truth_and_clamp_the_prediction():
    truth = np.array([[0.5, 1.0, 2.0, 9.0, 10.0]])
    predicted = np.array([[5.0, 0.5, 2.0, 99.0, 5.0]])
    errors = depth_errors(predicted, truth, min_m=0.75, max_m=10)
    assert errors.pixel_count == errors.truth_count == 3
    assert errors.abs_rel == pytest.approx((0.25 / 1 + 0 + 1 / 9) / 3)


def test_crops_are_the_published_rectangles():
    # Godard's numbers at KITTI's 375 x 1242, worked out with int(): garg 153:371, 44:1197; eigen 124:342, 44:1197
    expected = {
        ("garg", (375, 1242)): (153, 371, 44, 1197),
        ("eigen", (375, 1242)): (124, 342, 44, 1197),
        ("nyu", (480, 640)): (45, 471, 41, 601),
        ("none", (7, 9)): (0, 7, 0, 9),
    }
    assert {name for name, _ in expected} == set(CROPS)
    for (crop, shape), (top, bottom, left, right) in expected.items():
        rows, columns = np.indices(shape)
        truth = 1.0 + rows * shape[1] + columns
        inside = pixels_of(truth, truth, crop=crop).truth
        assert len(inside) == (bottom - top) * (right - left)
        assert (inside[0], inside[-1]) == (truth[top, left], truth[bottom - 1, right - 1])


def test_pixels_without_a_prediction_count_against_coverage_only():
    truth = np.ones((2, 2), np.float32)
    predicted = np.array([[1, 0], [np.nan, 1]], np.float32)
    errors = depth_errors(predicted, truth)
    assert errors.coverage == 0.5
    assert errors.abs_rel == 0


def test_the_mean_weighs_photos_and_the_pool_weighs_pixels():
    maps = [some_maps(0, 50), some_maps(1, 200), some_maps(2, 100)]
    errors = [depth_errors(*pair) for pair in maps]
    means, total = mean_over_photos(errors), pooled(errors)
    together = depth_errors(*(np.concatenate([pair[side].reshape(1, -1) for pair in maps], axis=1) for side in (0, 1)))
    for name in MEASURES:
        assert means[name] == pytest.approx(np.mean([getattr(one, name) for one in errors]))
        assert total[name] == pytest.approx(getattr(together, name))
    assert means["coverage"] == total["coverage"] == 1


def test_photos_without_any_depth_lower_the_coverage():
    errors = [depth_errors(*some_maps(0, 100))]
    assert mean_over_photos(errors, [300])["coverage"] == 0.5
    assert pooled(errors, [300])["coverage"] == 0.25


def test_maps_that_cannot_be_compared_are_refused():
    with pytest.raises(InputError, match="shape"):
        depth_errors(np.ones((2, 3)), np.ones((3, 2)))
    with pytest.raises(InputError, match="got 4 pixels with truth .* none of them with a depth"):
        depth_errors(np.zeros((2, 2)), np.ones((2, 2)))
    with pytest.raises(InputError, match="got 0 pixels with truth"):
        depth_errors(np.ones((2, 2)), np.full((2, 2), np.nan))
    with pytest.raises(InputError, match="caps"):
        depth_errors(np.ones((2, 2)), np.ones((2, 2)), min_m=3, max_m=2)
    with pytest.raises(InputError, match="crop"):
        depth_errors(np.ones((2, 2)), np.ones((2, 2)), crop="centre")
    with pytest.raises(InputError, match="scaling"):
        depth_errors(np.ones((2, 2)), np.ones((2, 2)), scaling="best")
