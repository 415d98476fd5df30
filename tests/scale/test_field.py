import numpy as np
import pytest

from recon3d.scale.field import LIMIT, TERMS, field_factor, field_terms, middle_of


def depth_of(height=6, width=8):
    return np.random.default_rng(0).uniform(1, 4, (height, width)).astype(np.float32)


def test_no_field_changes_nothing():
    assert (field_factor(np.ones((3, 4), np.float32), ()) == 1).all()


def test_the_terms_at_a_pixel_are_those_of_the_whole_field():
    depth, field = depth_of(), (0.05, 0.1, -0.1, 0.02, 0.03, -0.02, 0.1)
    uv = np.array([[0, 0], [7, 5], [3, 2]])
    far = np.log(depth[uv[:, 1], uv[:, 0]]) - middle_of(depth)
    found = np.exp(field_terms(uv, 8, 6, far) @ field)
    assert field_factor(depth, field)[uv[:, 1], uv[:, 0]] == pytest.approx(found, rel=1e-5)


def test_the_corners_of_every_photo_have_the_same_terms():
    small = field_terms(np.array([[-0.5, -0.5], [7.5, 5.5]]), 8, 6, np.zeros(2))
    assert small[0].tolist() == [1, -1, -1, 1, 1, 1, 0]
    assert small[1].tolist() == [1, 1, 1, 1, 1, 1, 0]
    assert small.shape == (2, TERMS)


def test_a_field_never_runs_away():
    factor = field_factor(depth_of(), (0.0, 5.0, 0.0, 0.0, 0.0, 0.0, -3.0))
    assert np.exp(-LIMIT) * 0.999 <= factor.min() and factor.max() <= np.exp(LIMIT) * 1.001


def test_holes_are_no_matter():
    depth = depth_of()
    depth[2:4] = 0
    assert np.isfinite(field_factor(depth, (0.1,) * TERMS)).all()
    assert middle_of(depth) == pytest.approx(np.log(np.median(depth[depth > 0])))
    assert middle_of(np.zeros((2, 2), np.float32)) == 0
