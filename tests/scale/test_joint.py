import dataclasses

import numpy as np
import pytest
from injected import capture

from recon3d.scale.field import field_factor
from recon3d.scale.joint import contradicted, evidence, fit_jointly
from recon3d.scale.normal import Normal
from recon3d.scale.per_view import ViewScale, fit_view, inherit
from recon3d.scale.sketch import sketch
from recon3d.scale.ties import Ties
from recon3d.settings import ScaleSettings

COUNT = 6
EXACT = capture(COUNT, points=900)
PAIRS = [(a.name, b.name) for a in EXACT.frames for b in EXACT.frames if a is not b]


def known(depths, ties=EXACT.ties):
    names = [frame.name for frame in EXACT.frames]
    fits = {name: fit_view(*both, ScaleSettings()) for name, *both in zip(names, ties, depths, strict=True)}
    scales = inherit(fits, names)
    return {
        frame.name: evidence(tie, depth, sketch(depth, frame.camera), frame.world_from_cam, scales[frame.name])
        for frame, tie, depth in zip(EXACT.frames, ties, depths, strict=True)
    }


def aligned(depths, views):
    found = zip(depths, views.values(), strict=True)
    return [depth * field_factor(depth, view.field) * np.exp(view.log_scale) for depth, view in found]


def error(depths, views):
    pairs = zip(aligned(depths, views), EXACT.frames, strict=True)
    return np.mean([np.mean(np.abs(found / frame.depth - 1)) for found, frame in pairs])


def bent(strength=1.0):
    """Every view's depth off by a smooth function of the place and of depth, and by a factor of its own."""
    depths = []
    for i, frame in enumerate(EXACT.frames):
        v, u = np.indices(frame.depth.shape)
        x, y = u / 40 - 1, v / 30 - 1
        off = 0.1 * i + strength * (0.15 * x - 0.1 * y + 0.1 * x * x - 0.3 * np.log(frame.depth / 2))
        depths.append((frame.depth * np.exp(off)).astype(np.float32))
    return depths


def test_a_smooth_error_of_all_views_is_taken_out():
    depths = bent()
    views = known(depths)
    found = fit_jointly(views, PAIRS, field=True)
    before = error(depths, {name: view.scale for name, view in views.items()})
    # The priors on the coefficients, 0.2 and 0.3, hold back a little of it.
    assert before > 0.08
    assert error(depths, found) < 0.02
    assert error(depths, fit_jointly(views, [], field=True)) < 0.02


def test_without_fields_only_scales_are_fitted():
    found = fit_jointly(known(bent()), PAIRS, field=False)
    assert all(view.field == () for view in found.values())


def test_depths_that_want_nothing_get_nothing():
    rng = np.random.default_rng(0)
    depths = [frame.depth for frame in EXACT.frames]
    noisy = [Ties(t.uv, t.z * np.exp(rng.normal(0, 0.05, len(t.z))), t.weight) for t in EXACT.ties]
    views = known(depths, noisy)
    assert fit_jointly(views, PAIRS, field=True) == {name: view.scale for name, view in views.items()}


def test_a_view_without_ties_gets_scale_and_field_of_the_surfaces_it_shares():
    depths = bent()
    ties = [Ties.none() if i == 4 else tie for i, tie in enumerate(EXACT.ties)]
    found = fit_jointly(known(depths, ties), PAIRS, field=True)
    view = found[EXACT.frames[4].name]
    assert view.inherited
    assert view.ties == 0
    one = aligned(depths, found)[4]
    assert np.mean(np.abs(one / EXACT.frames[4].depth - 1)) < 0.03


def test_depth_edges_and_occlusions_do_not_pull():
    # Exact depth: whatever is hidden from one view and seen by another, the scales stay 1.
    depths = [frame.depth for frame in EXACT.frames]
    some = [tie if i < 2 else Ties.none() for i, tie in enumerate(EXACT.ties)]
    found = fit_jointly(known(depths, some), PAIRS, field=True)
    assert max(abs(view.log_scale) for view in found.values()) < 0.005


def test_all_views_a_hundredfold_away_are_the_same():
    depths = bent()
    near = fit_jointly(known(depths), PAIRS, field=True)
    far_views = {
        name: dataclasses.replace(
            view,
            world_from_cam=view.world_from_cam.scaled(100),
            ratio=view.ratio + np.log(100),
            points=view.points * 100,
            scale=dataclasses.replace(view.scale, log_scale=view.scale.log_scale + np.log(100)),
        )
        for name, view in known(depths).items()
    }
    far = fit_jointly(far_views, PAIRS, field=True)
    for name, view in near.items():
        assert far[name].log_scale - np.log(100) == pytest.approx(view.log_scale, abs=1e-6)
        assert far[name].field == pytest.approx(view.field, abs=1e-6)


def test_a_view_that_all_others_contradict_is_named():
    views = known([frame.depth for frame in EXACT.frames])
    scales = {name: view.scale for name, view in views.items()}
    assert contradicted(views, scales, PAIRS) == ()
    wrong = EXACT.frames[2].name
    scales[wrong] = ViewScale(0.5, 0.05, 100, inherited=False)
    assert contradicted(views, scales, PAIRS) == (wrong,)


def test_two_views_that_disagree_do_not_outvote_each_other():
    a, b = (frame.name for frame in EXACT.frames[:2])
    views = {name: view for name, view in known([f.depth for f in EXACT.frames]).items() if name in (a, b)}
    scales = {a: ViewScale(0.0, 0.05, 100, inherited=False), b: ViewScale(0.5, 0.05, 100, inherited=False)}
    assert contradicted(views, scales, [(a, b), (b, a)]) == ()


def test_normal_equations_give_the_least_squares_solution():
    rng = np.random.default_rng(0)
    terms, target = rng.normal(size=(20, 2)), rng.normal(size=20)
    ours, theirs, gap = rng.normal(size=(9, 2)), rng.normal(size=(9, 2)), rng.normal(size=9)
    normal = Normal(2, 2)
    normal.add(0, terms, target, np.full(20, 4.0))
    normal.add_difference(0, 1, ours, theirs, gap, np.ones(9))
    normal.add_prior(1, np.array([0.3, 0.0]), np.array([0.5, np.inf]))
    rows = np.block([[2 * terms, np.zeros((20, 2))], [ours, -theirs], [np.zeros((1, 2)), np.array([[2.0, 0.0]])]])
    wanted = np.linalg.lstsq(rows, np.concatenate([2 * target, gap, [0.6]]), rcond=None)[0]
    assert normal.solved().ravel() == pytest.approx(wanted)
