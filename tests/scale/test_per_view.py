import numpy as np
import pytest

from recon3d.geometry.arrays import Array
from recon3d.scale.per_view import ViewScale, fit_view, inherit, log_ratios, weighted_median
from recon3d.scale.ties import Ties
from recon3d.settings import ScaleSettings

SETTINGS = ScaleSettings()
SHAPE = (120, 160)


def smooth_depth() -> Array:
    v, u = np.mgrid[: SHAPE[0], : SHAPE[1]]
    return (2 + 0.004 * u + 0.003 * v).astype(np.float32)


def ties_on(depth: Array, factor: float, count: int = 300, noise: float = 0.0, strays: float = 0.0) -> Ties:
    """Ties at random pixels, their z `factor` times the depth; some noisy, some strays three times too far."""
    rng = np.random.default_rng(0)
    uv = rng.uniform([0, 0], [SHAPE[1] - 1, SHAPE[0] - 1], (count, 2))
    u, v = np.rint(uv).astype(int).T
    z = depth[v, u] * factor * np.exp(rng.normal(0, noise, count))
    z[: int(strays * count)] *= 3
    return Ties(uv, z, np.ones(count))


@pytest.mark.parametrize("factor", [0.05, 1.0, 37.0])
def test_an_exact_scale_is_found_exactly(factor: float) -> None:
    view = fit_view(ties_on(smooth_depth(), factor), smooth_depth(), SETTINGS)
    assert view.log_scale == pytest.approx(np.log(factor), abs=1e-6)
    assert (view.inherited, view.ties) == (False, 300)


def test_a_third_of_strays_moves_the_scale_by_less_than_a_percent() -> None:
    view = fit_view(ties_on(smooth_depth(), 2.0, noise=0.05, strays=0.33), smooth_depth(), SETTINGS)
    # 200 good ties of 5 % give 0.35 % for the mean; the median and the gate cost a little of that.
    assert view.log_scale == pytest.approx(np.log(2), abs=0.01)
    assert 180 <= view.ties <= 205


def test_sigma_is_the_spread_of_the_ties() -> None:
    view = fit_view(ties_on(smooth_depth(), 2.0, count=2000, noise=0.05), smooth_depth(), SETTINGS)
    assert view.relative_sigma == pytest.approx(0.05, rel=0.1)


def test_ties_on_depth_edges_and_holes_are_left_out() -> None:
    depth = smooth_depth()
    depth[:, 80:] *= 1.5
    depth[60:, :] = 0
    uv = np.array([[79.0, 10], [80, 10], [40, 10], [120, 10], [40, 59], [40, 90], [159, 0]])
    ratios, weights, _ = log_ratios(Ties(uv, np.full(7, 3.0), np.arange(1.0, 8.0) / 10), depth)
    assert weights == pytest.approx([0.3, 0.4, 0.7])
    assert ratios[0] == pytest.approx(np.log(3 / depth[10, 40]))


def test_ties_of_one_patch_are_together_worth_one() -> None:
    depth = smooth_depth()
    uv = np.concatenate([np.tile([[5.0, 5]], (50, 1)), [[100.0, 60]]])
    weights = log_ratios(Ties(uv, np.full(51, 3.0), np.full(51, 0.8)), depth)[1]
    assert weights[:50].sum() == pytest.approx(1)
    assert weights[50] == pytest.approx(0.8)


def test_a_textured_corner_does_not_decide_for_the_whole_photo() -> None:
    depth = smooth_depth()
    around, corner = ties_on(depth, 1.0, count=60), ties_on(depth, 1.2, count=3000)
    inside = (corner.uv < 20).all(axis=1)
    uv, z = np.concatenate([around.uv, corner.uv[inside]]), np.concatenate([around.z, corner.z[inside]])
    assert np.count_nonzero(inside) > 40
    assert fit_view(Ties(uv, z, np.ones(len(z))), depth, SETTINGS).log_scale == pytest.approx(0, abs=0.01)


def test_few_ties_are_no_scale() -> None:
    few = fit_view(ties_on(smooth_depth(), 2.0, count=29), smooth_depth(), SETTINGS)
    assert (few.inherited, few.ties, few.log_scale) == (True, 29, 0.0)
    none = fit_view(Ties.none(), smooth_depth(), SETTINGS)
    assert (none.inherited, none.ties) == (True, 0)


def test_the_weighted_median_is_where_half_the_weight_lies() -> None:
    assert weighted_median(np.array([3.0, 1, 2]), np.ones(3)) == 2
    assert weighted_median(np.array([4.0, 1, 2, 3]), np.ones(4)) == 2.5
    assert weighted_median(np.array([1.0, 2, 9]), np.array([1.0, 1, 5])) == 9
    assert weighted_median(np.array([7.0]), np.array([0.2])) == 7


def own(log_scale: float) -> ViewScale:
    return ViewScale(log_scale, 0.05, 100, inherited=False)


def test_a_view_without_ties_takes_the_median_of_its_nearest_neighbours() -> None:
    few = ViewScale(0.0, 0.0, 3, inherited=True)
    views = {"f": own(9.0), "a": own(1.0), "c": own(1.2), "d": own(1.4), "e": own(5.0), "b": few}
    filled = inherit(views, list("abcdefg"))
    assert list(filled) == list("abcdef")
    # Nearest to b with a scale: a, c, d, e.
    assert filled["b"] == ViewScale(pytest.approx(1.3), 0.05, 3, inherited=True)
    assert filled["f"] == views["f"]


def test_where_no_view_has_a_scale_all_keep_none() -> None:
    few = ViewScale(0.0, 0.0, 3, inherited=True)
    assert inherit({"a": few, "b": few}, ["a", "b"]) == {"a": few, "b": few}
