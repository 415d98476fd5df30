import dataclasses

import numpy as np
import pytest
from synthetic import room_frames

from recon3d.scale.held_out import held_out, tie_errors
from recon3d.scale.joint import evidence
from recon3d.scale.per_view import ViewScale
from recon3d.scale.sketch import sketch
from recon3d.scale.ties import Ties

RNG = np.random.default_rng(0)


def views_of(factors, bend=0.0):
    """Evidence of exact frames of which depth is 1 / factor of the truth, bent sideways by up to `bend`."""
    found = {}
    for frame, factor in zip(room_frames(len(factors)), factors, strict=True):
        camera, height, width = frame.camera, *frame.depth.shape
        u, v = RNG.integers(5, width - 5, 400), RNG.integers(5, height - 5, 400)
        ties = Ties(np.stack([u, v], axis=1).astype(float), frame.depth[v, u].astype(float), np.ones(400))
        across = (2 * np.arange(width) + 1) / width - 1
        depth = (frame.depth / factor * np.exp(-bend * across)).astype(np.float32)
        scale = ViewScale(0.0, 0.0, 400, inherited=False)
        found[frame.name] = evidence(ties, depth, sketch(depth, camera), frame.world_from_cam, scale)
    return found


def test_scales_that_differ_from_view_to_view_are_found_and_foretell_the_rest():
    factors = [0.8, 1.0, 1.25, 1.1, 0.9]
    found = held_out(views_of(factors), [], field=False)
    assert found is not None
    expected = np.median(np.abs(np.log(factors)))
    assert found.one_scale.typical == pytest.approx(expected, abs=0.06)
    assert found.one_scale.view_spread > 0.1
    assert found.per_view.typical < 1e-3 and found.per_view.view_spread < 1e-3
    assert found.one_scale.ties == found.per_view.ties > 100


def test_a_bend_is_foretold_by_the_field_alone():
    found = held_out(views_of([0.9, 1.0, 1.1, 1.0, 0.95], bend=0.2), [], field=True)
    assert found is not None
    assert found.per_view.typical > 0.05
    assert found.jointly.typical < 0.5 * found.per_view.typical


def test_noise_that_nobody_can_foretell_stays():
    views = views_of([1.0, 1.0, 1.0])
    noisy = {
        name: dataclasses.replace(view, ratio=view.ratio + RNG.normal(0, 0.1, len(view.ratio)))
        for name, view in views.items()
    }
    found = held_out(noisy, [], field=True)
    assert found is not None
    assert found.jointly.typical == pytest.approx(0.0674, abs=0.015)  # median of a normal's absolute value


def test_without_ties_nothing_is_said():
    views = {name: dataclasses.replace(view, **no_ties(view)) for name, view in views_of([1.0, 1.0]).items()}
    assert held_out(views, [], field=True) is None
    assert tie_errors({}) is None


def no_ties(view):
    return {"ratio": view.ratio[:0], "weight": view.weight[:0], "terms": view.terms[:0], "points": view.points[:0]}
