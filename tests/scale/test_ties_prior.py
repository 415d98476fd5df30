"""Depth from ties alone, on exact scenes: what the interpolation knows, and whether it knows how well."""

import dataclasses

import numpy as np
import pytest
from synthetic import plane_frames, room_frames

from recon3d.scale.ties import Ties
from recon3d.scale.ties_prior import MIN_TIES, ties_prior

ROOM = room_frames(3, 320, 240)[1]
GREY = np.full((240, 320, 3), 128, np.uint8)
SURE = 1 - 1e-6
"""Weight of a tie that is triangulated as well as can be."""


def ties_at(frame, uv):
    """Exact ties of a frame at whole pixels."""
    uv = np.rint(uv).astype(int)
    z = frame.depth[uv[:, 1], uv[:, 0]].astype(float)
    return Ties(uv.astype(float), z, np.full(len(uv), SURE))


def scattered(frame, count, seed=0, low=(0, 0), high=None):
    height, width = frame.depth.shape
    uv = np.random.default_rng(seed).uniform(low, high or (width - 1, height - 1), (count, 2))
    return ties_at(frame, uv)


def off(depth, truth):
    """Relative errors where there is depth."""
    known = depth > 0
    return np.abs(depth[known] / truth[known] - 1)


def test_a_slanted_plane_comes_out_of_few_ties_as_it_is():
    frame = plane_frames(1, width=320, height=240)[0]
    depth, _ = ties_prior(scattered(frame, 40), GREY)
    assert (depth > 0).mean() > 0.95
    # Inverse depth is linear over a plane, which bends nowhere; only the pull where no tie is near tells against it.
    assert np.quantile(off(depth, frame.depth), 0.95) < 0.01


def test_more_ties_make_a_better_room_and_a_smaller_sigma():
    found = [ties_prior(scattered(ROOM, count), ROOM.image) for count in (60, 250, 1000)]
    errors = [np.median(off(depth, ROOM.depth)) for depth, _ in found]
    sigmas = [np.median(sigma[depth > 0] / depth[depth > 0]) for depth, sigma in found]
    assert errors == sorted(errors, reverse=True)
    assert sigmas == sorted(sigmas, reverse=True)
    assert errors[-1] < 0.005


@pytest.mark.parametrize("count", [60, 250, 1000])
def test_sigma_is_as_large_as_the_errors(count):
    depth, sigma = ties_prior(scattered(ROOM, count, seed=3), ROOM.image)
    known = depth > 0
    ratio = np.abs(depth[known] - ROOM.depth[known]) / sigma[known]
    # Of a normal distribution 68 % lie within one sigma and 95 % within two; edges of furniture are no such errors.
    assert np.mean(ratio < 1) > 0.68
    assert np.mean(ratio < 3) > 0.95


def test_sigma_grows_with_the_distance_from_the_ties_until_nothing_is_known():
    frame = plane_frames(1, width=320, height=240)[0]
    ties = scattered(frame, 60, high=(100, 239))
    bumpy = dataclasses.replace(ties, z=ties.z * np.exp(np.random.default_rng(1).normal(0, 0.03, len(ties.z))))
    depth, sigma = ties_prior(bumpy, GREY)
    relative = np.divide(sigma, depth, out=np.full_like(depth, np.inf), where=depth > 0)
    near, farther, far = (np.median(relative[:, u]) for u in (50, 150, 310))
    assert near < farther < far
    assert not depth[:, 310].any()


def test_outliers_among_the_ties_leave_no_mark():
    ties = scattered(ROOM, 600)
    astray = np.random.default_rng(2).random(600) < 0.05
    wrong = dataclasses.replace(ties, z=np.where(astray, ties.z * 1.5, ties.z))
    clean, _ = ties_prior(ties, ROOM.image)
    marred, _ = ties_prior(wrong, ROOM.image)
    assert np.median(off(marred, ROOM.depth)) < 1.5 * np.median(off(clean, ROOM.depth)) + 0.001
    assert np.quantile(off(marred, ROOM.depth), 0.9) < 0.1


def test_where_ties_disagree_sigma_is_larger():
    frame = plane_frames(1, width=320, height=240)[0]
    ties = scattered(frame, 500)
    rough = ties.uv[:, 0] > 160
    noise = np.where(rough, np.random.default_rng(4).normal(0, 0.1, 500), 0)
    depth, sigma = ties_prior(dataclasses.replace(ties, z=ties.z * np.exp(noise)), GREY)
    relative = sigma / np.maximum(depth, 1e-9)
    assert np.median(relative[:, 200:]) > 2 * np.median(relative[:, :120])


def test_surfaces_end_at_the_photo_s_edges():
    """Two walls, 2 m and 4 m away; few ties near the step, which the colours show."""
    near = np.arange(320) < 160
    truth = np.where(near, 2.0, 4.0).astype(np.float32) * np.ones((240, 1), np.float32)
    image = np.where(near[None, :, None], 30, 220).astype(np.uint8) * np.ones((240, 1, 3), np.uint8)
    frame = dataclasses.replace(plane_frames(1, width=320, height=240)[0], depth=truth)
    ties = scattered(frame, 80, seed=5)
    away = np.abs(ties.uv[:, 0] - 160) > 20
    ties = Ties(ties.uv[away], ties.z[away], ties.weight[away])
    guided, blind = (ties_prior(ties, photo)[0] for photo in (image, GREY))
    step = (slice(None), slice(145, 175))
    known = (guided > 0) & (blind > 0)
    errors = [np.median(np.abs(depth - truth)[step][known[step]]) for depth in (guided, blind)]
    assert errors[0] < 0.3 * errors[1]


def test_the_unit_of_the_ties_is_that_of_depth_and_sigma():
    ties = scattered(ROOM, 200)
    depth, sigma = ties_prior(ties, ROOM.image)
    larger, doubt = ties_prior(dataclasses.replace(ties, z=1000 * ties.z), ROOM.image)
    np.testing.assert_allclose(larger, 1000 * depth, rtol=1e-5)
    np.testing.assert_allclose(doubt, 1000 * sigma, rtol=1e-4)


def test_half_the_pixels_show_the_same():
    """The grid hangs on the photo's shape, not on its pixels; pixel centres move as they do when photos are resized."""
    ties = scattered(ROOM, 400)
    half = Ties((ties.uv + 0.5) / 2 - 0.5, ties.z, ties.weight)
    depth, _ = ties_prior(ties, GREY)
    small, _ = ties_prior(half, GREY[::2, ::2])
    means = depth.reshape(120, 2, 160, 2).mean(axis=(1, 3))
    assert np.median(np.abs(small / means - 1)) < 1e-3


@pytest.mark.parametrize("count", [0, 1, MIN_TIES - 1])
def test_too_few_ties_say_nothing(count):
    depth, sigma = ties_prior(scattered(ROOM, count), ROOM.image)
    assert depth.shape == sigma.shape == (240, 320)
    assert not depth.any()
    assert not sigma.any()


def test_ties_of_one_place_say_little_elsewhere():
    depth, sigma = ties_prior(
        ties_at(ROOM, np.full((50, 2), (160, 120)) + np.random.default_rng(0).uniform(-3, 3, (50, 2))), ROOM.image
    )
    assert np.isfinite(depth).all()
    assert np.isfinite(sigma).all()
    assert not depth[0, 0]


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (40, 2), (5, 2000)])
def test_tiny_and_narrow_photos_are_no_special_case(size):
    uv = np.random.default_rng(0).uniform(0, np.array(size[::-1]) - 0.99, (30, 2))
    depth, sigma = ties_prior(Ties(uv, np.full(30, 2.0), np.full(30, 0.9)), np.zeros((*size, 3), np.uint8))
    assert depth.shape == sigma.shape == size
    np.testing.assert_allclose(depth[depth > 0], 2, rtol=1e-3)
    assert (depth > 0).any()
