import numpy as np
import pytest

from recon3d.errors import StageError
from recon3d.scale.affine import Affine, fit_affine


def samples(count=400, *, scale=0.01, shift=0.05, noise=0.0, strays=0.0, seed=0):
    """Disparities of a scene from 1 m to 8 m as a relative model would give them, and their inverse depths."""
    rng = np.random.default_rng(seed)
    inverse = 1 / rng.uniform(1, 8, count)
    disparity = (inverse - shift) / scale + rng.normal(0, noise / scale, count)
    wrong = rng.random(count) < strays
    inverse[wrong] = 1 / rng.uniform(0.5, 20, wrong.sum())
    return disparity, inverse, np.ones(count)


@pytest.mark.parametrize(("scale", "shift"), [(0.01, 0.05), (3e-5, -0.02), (40.0, 0.1), (1.0, 0.0)])
def test_an_exact_line_is_found_exactly(scale, shift):
    found = fit_affine(*samples(scale=scale, shift=shift))
    assert (found.scale, found.shift) == (pytest.approx(scale, rel=1e-5), pytest.approx(shift, abs=1e-6))
    assert found.relative_sigma < 1e-5


def test_a_third_of_strays_does_not_move_the_line():
    # 0.005 of noise over 270 good samples: the mean is known to 0.0003, the line at its ends to thrice that.
    for seed in range(5):
        found = fit_affine(*samples(noise=0.005, strays=0.33, seed=seed))
        at_ends = found.scale * (np.array([0.2, 0.9]) - 0.05) / 0.01 + found.shift
        assert at_ends == pytest.approx([0.2, 0.9], abs=0.004)


def test_samples_without_weight_to_speak_of_do_not_count():
    disparity, inverse, weight = samples()
    inverse[:300], weight[:300] = 0.7, 1e-6
    found = fit_affine(disparity, inverse, weight)
    assert (found.scale, found.shift) == (pytest.approx(0.01, rel=1e-3), pytest.approx(0.05, abs=1e-4))


def test_sigma_is_the_relative_spread_of_the_depths():
    disparity, inverse, weight = samples(4000)
    inverse = inverse * np.exp(np.random.default_rng(1).normal(0, 0.03, 4000))
    assert fit_affine(disparity, inverse, weight).relative_sigma == pytest.approx(0.03, rel=0.1)


def test_what_comes_out_twice_is_the_same():
    assert fit_affine(*samples(noise=0.01)) == fit_affine(*samples(noise=0.01))


def test_depth_is_nowhere_behind_infinity_and_nowhere_made_up():
    depth = Affine(0.5, -0.1, 0.0, 9).depth(np.array([[0.0, 0.1, 0.2, 1.2]], np.float32))
    assert depth.dtype == np.float32
    assert depth[0].tolist() == [0, 0, 0, 2]


def test_depth_handed_over_as_disparity_is_told():
    _, inverse, weight = samples()
    with pytest.raises(StageError, match="gives disparity and not depth"):
        fit_affine(1 / inverse, inverse, weight)


@pytest.mark.parametrize("disparity", [[], [3.0], [3.0, 3.0, 3.0]])
def test_one_disparity_is_no_line(disparity):
    with pytest.raises(StageError, match="of one disparity"):
        fit_affine(np.array(disparity), np.full(len(disparity), 0.5), np.ones(len(disparity)))
