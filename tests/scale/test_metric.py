import numpy as np
import pytest

from recon3d.errors import InputError
from recon3d.scale.metric import MetricScale, metric_scale
from recon3d.scale.per_view import ViewScale


def views(log_scales: list[float], sigma: float = 0.05) -> dict[str, ViewScale]:
    return {str(i): ViewScale(r, sigma, 100, inherited=False) for i, r in enumerate(log_scales)}


def test_the_factor_turns_the_models_unit_into_metres() -> None:
    # Depth in metres times exp(r) is in units: a unit is exp(-r) metres. Here 5 units make a metre.
    metric = metric_scale(views([np.log(5)] * 3), given_metric=False, factor=None)
    assert metric == MetricScale(pytest.approx(0.2), pytest.approx(0, abs=1e-12), "depth median")


def test_a_few_wrong_views_do_not_move_the_factor() -> None:
    found = metric_scale(views([0.01, -0.01, 0.0, 0.005, -0.005, 2.0, 1.5]), given_metric=False, factor=None)
    assert found.factor == pytest.approx(1, abs=0.01)


def test_views_whose_depth_is_of_another_shape_weigh_less() -> None:
    both = views([0.0, 0.0], sigma=0.02) | {str(i): ViewScale(1.0, 1.0, 100, inherited=False) for i in range(10, 20)}
    assert metric_scale(both, given_metric=False, factor=None).factor == pytest.approx(1)


def test_the_sigma_is_that_of_a_median_and_seeded() -> None:
    rng = np.random.default_rng(3)
    many = views(rng.normal(0, 0.2, 101).tolist())
    metric = metric_scale(many, given_metric=False, factor=None)
    # A median of n normal numbers has 1.2533 sigma / sqrt(n): 0.025; a bootstrap of one sample is rough.
    assert metric.relative_sigma == pytest.approx(0.025, rel=0.4)
    assert metric == metric_scale(many, given_metric=False, factor=None)


def test_a_given_factor_goes_before_metric_poses_and_those_before_depth() -> None:
    some = views([1.0, 1.0])
    assert metric_scale(some, given_metric=True, factor=0.3) == MetricScale(0.3, 0.0, "given factor")
    assert metric_scale(some, given_metric=True, factor=None) == MetricScale(1.0, 0.0, "given poses")


def test_inherited_scales_do_not_count() -> None:
    mixed = views([0.0]) | {"far": ViewScale(3.0, 0.05, 3, inherited=True)}
    assert metric_scale(mixed, given_metric=False, factor=None).factor == pytest.approx(1)


def test_with_no_view_the_unit_stays_and_is_known_to_be_unknown() -> None:
    assert metric_scale({}, given_metric=False, factor=None) == MetricScale(1.0, 1.0, "none")


@pytest.mark.parametrize("factor", [0.0, -1.0, float("nan"), float("inf")])
def test_a_factor_that_is_none_is_refused(factor: float) -> None:
    with pytest.raises(InputError, match=r"scale\.factor"):
        metric_scale({}, given_metric=False, factor=factor)
