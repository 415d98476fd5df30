"""A made-up scene whose disparity is exactly 1/depth up to scale and shift."""

import numpy as np
import pytest
import torch

from recon3d.depth.metric_from import MetricFrom, fitted
from recon3d.depth.model import DepthPrediction, FunctionModel, Head
from recon3d.errors import InputError
from recon3d.geometry import Camera

CAMERA = Camera.from_fov(60, 40, 1.0)
IMAGE = np.zeros((40, 60, 3), np.uint8)
DEPTH = np.linspace(1.0, 6.0, 40 * 60, dtype=np.float32).reshape(40, 60)
HEAD = Head("nyu", 0.9, 500.0, (1e-3, 10.0))


def disparity(depth=DEPTH, scale=20.0, shift=1.5):
    return DepthPrediction((scale / depth + shift).astype(np.float32), kind="disparity")


def model(prediction, name):
    return FunctionModel(lambda image, camera: prediction, name, "1")


def test_exact_disparity_becomes_the_metric_model_s_depth():
    found = fitted(disparity(), DepthPrediction(DEPTH, head=HEAD))
    assert found.kind == "metric" and found.head == HEAD
    assert np.allclose(found.values, DEPTH, rtol=1e-4)  # float32 disparity, inverted


def test_the_shape_is_the_relative_model_s_and_its_sigma_is_the_spread_of_the_fit():
    """5 % noise of the metric model goes into sigma and hardly into depth: 2400 pixels average it away."""
    noise = np.random.default_rng(0).normal(0, 0.05, DEPTH.shape)
    found = fitted(disparity(), DepthPrediction((DEPTH * np.exp(noise)).astype(np.float32)))
    assert np.allclose(found.values, DEPTH, rtol=0.02)
    assert np.median(found.sigma / found.values) == pytest.approx(0.05, rel=0.15)


def test_a_third_of_wrong_metric_depth_is_left_aside():
    wrong = DEPTH.copy()
    wrong[:13] = 9.0
    assert np.allclose(fitted(disparity(), DepthPrediction(wrong)).values, DEPTH, rtol=1e-3)


def test_pixels_without_disparity_or_metric_depth_don_t_count():
    relative, metric = disparity().values.copy(), DEPTH.copy()
    relative[:5], relative[5:8], metric[8:12], metric[12:15] = 0, np.nan, 0, np.nan
    found = fitted(DepthPrediction(relative, kind="disparity"), DepthPrediction(metric))
    assert np.allclose(found.values[8:], DEPTH[8:], rtol=1e-4)
    assert (found.values[:8] == 0).all()


@pytest.mark.parametrize("values", [np.ones_like(DEPTH), DEPTH, np.zeros_like(DEPTH)])
def test_a_photo_that_can_t_be_fitted_has_no_depth(values):
    """A constant, one that grows with distance, and none."""
    found = fitted(DepthPrediction(values, kind="disparity"), DepthPrediction(DEPTH))
    assert np.isnan(found.values).all()


def test_two_models_are_one_that_changes_with_either():
    both = MetricFrom(model(disparity(), "relative"), model(DepthPrediction(DEPTH), "metric"))
    assert np.allclose(both(IMAGE, CAMERA).values, DEPTH, rtol=1e-4)
    assert (both.name, both.version) == ("relative with metres from metric", "1+1")


def test_a_batch_is_each_photo_alone():
    both = MetricFrom(model(disparity(), "relative"), model(DepthPrediction(DEPTH), "metric"))
    alone = both(IMAGE, CAMERA).values
    assert all(np.array_equal(one.values, alone) for one in both.batch([IMAGE] * 3, [CAMERA] * 3))
    assert both.bucket(CAMERA) == both.bucket(CAMERA)


def test_memory_that_either_model_lacks_is_told():
    def full(image, camera):
        raise torch.OutOfMemoryError("made up")

    both = MetricFrom(model(disparity(), "relative"), FunctionModel(full, "metric", "1"))
    with pytest.raises(torch.OutOfMemoryError):
        both.batch([IMAGE], [CAMERA])


def test_kinds_the_wrong_way_round_are_refused():
    with pytest.raises(InputError, match="gives disparity, wanted a metric model"):
        MetricFrom(model(disparity(), "a"), model(disparity(), "b"))(IMAGE, CAMERA)
    with pytest.raises(InputError, match="a: gives metres by itself"):
        MetricFrom(model(DepthPrediction(DEPTH), "a"), model(DepthPrediction(DEPTH), "b"))(IMAGE, CAMERA)
