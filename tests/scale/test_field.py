import numpy as np
import pytest

from recon3d.scale.field import LIMIT, field_factor, fit_field
from recon3d.scale.per_view import ViewScale, fit_view
from recon3d.scale.ties import Ties
from recon3d.settings import ScaleSettings

HEIGHT, WIDTH = 90, 120


def made_up(correction, *, noise=0.02, count=400, seed=0):
    """A view whose depth is off by exp(-correction(x, y)), and ties with noise at random pixels."""
    rng = np.random.default_rng(seed)
    v, u = np.indices((HEIGHT, WIDTH))
    x, y = (2 * u + 1) / WIDTH - 1, (2 * v + 1) / HEIGHT - 1
    true = 2.0 + 0.5 * x + 0.3 * y
    depth = (true * np.exp(-correction(x, y))).astype(np.float32)
    columns, rows = rng.integers(1, WIDTH - 1, count), rng.integers(1, HEIGHT - 1, count)
    z = true[rows, columns] * np.exp(rng.normal(0, noise, count))
    outlier = rng.random(count) < 0.05
    z[outlier] *= rng.uniform(0.3, 3, outlier.sum())
    return true, depth, Ties(np.stack([columns, rows], axis=1).astype(float), z, np.ones(count))


def aligned(depth, ties):
    view = fit_view(ties, depth, ScaleSettings())
    field, sigma = fit_field(ties, depth, view)
    return depth * field_factor(depth, field) * np.exp(view.log_scale), field, sigma


def test_a_smooth_error_of_the_scale_is_taken_out():
    true, depth, ties = made_up(lambda x, y: 0.15 * x - 0.1 * y + 0.1 * x * x + 0.05)
    found, field, sigma = aligned(depth, ties)
    assert field
    one_scale = depth * np.exp(fit_view(ties, depth, ScaleSettings()).log_scale)
    assert np.mean(np.abs(found / true - 1)) < 0.01
    assert np.mean(np.abs(one_scale / true - 1)) > 0.05  # what it would have been without
    assert sigma == pytest.approx(0.02, rel=0.4)  # the noise of the ties is what is left


def test_a_view_that_needs_no_field_gets_none():
    for seed in range(5):
        _, depth, ties = made_up(lambda x, y: 0.1 + 0 * x, noise=0.05, seed=seed)
        assert aligned(depth, ties)[1] == ()


def test_few_ties_make_no_field():
    _, depth, ties = made_up(lambda x, y: 0.3 * x, count=45)
    assert aligned(depth, ties)[1] == ()


def test_ties_on_one_side_don_t_run_away_on_the_other():
    _, depth, ties = made_up(lambda x, y: 0.2 * x * x)
    left = ties.uv[:, 0] < WIDTH / 4
    some = Ties(ties.uv[left], ties.z[left], ties.weight[left])
    view = ViewScale(0.0, 0.1, len(some.z), inherited=False)
    field, _ = fit_field(some, depth, view)
    factor = field_factor(depth, field)
    assert np.exp(-LIMIT) <= factor.min() and factor.max() <= np.exp(LIMIT)


def test_no_field_changes_nothing():
    assert (field_factor(np.ones((3, 4), np.float32), ()) == 1).all()
