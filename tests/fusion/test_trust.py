import dataclasses

import numpy as np
import pytest
from synthetic import plane_frames, room_frames

from recon3d.errors import InputError
from recon3d.fusion.plan import plan_fusion
from recon3d.fusion.trust import HEAVIEST, Trust, cosines
from recon3d.fusion.tsdf import fuse
from recon3d.geometry import SE3
from recon3d.settings import FuseSettings


def _with_sigma(frame, sigma):
    return dataclasses.replace(frame, sigma=np.full_like(frame.depth, sigma))


def test_the_mean_observation_weighs_one():
    frames = [dataclasses.replace(frame, sigma=0.01 * frame.depth**2) for frame in room_frames(4)]
    trust = plan_fusion(frames, FuseSettings()).trust
    weights = np.concatenate([trust.weights(frame)[frame.depth > 0] for frame in frames])
    assert weights.mean() == pytest.approx(1, abs=0.03)  # planned from one pixel in six
    assert weights.min() >= 1 / HEAVIEST and weights.max() <= HEAVIEST


def test_weights_fall_with_the_squares_of_sigma_and_depth_and_with_the_cosine():
    frame = plane_frames(1)[0]
    trust = Trust(0.5 / (2.0**2 * 0.02**2), 0.0)
    near = dataclasses.replace(frame, depth=np.full_like(frame.depth, 2.0))
    far = dataclasses.replace(frame, depth=np.full_like(frame.depth, 3.0))
    cosine = cosines(near.depth, frame.camera)
    weights = trust.weights(_with_sigma(near, 0.02))
    assert np.allclose(weights, 2 * cosine, atol=0.08)  # cosines are of the next of every fourth pixel
    assert np.allclose(trust.weights(_with_sigma(near, 0.03)), weights * (2 / 3) ** 2)
    assert np.allclose(trust.weights(_with_sigma(far, 0.02)), weights * (2 / 3) ** 2)


def test_a_cosine_is_that_between_ray_and_normal():
    frame = plane_frames(1)[0]
    down = frame.world_from_cam.R.T @ [0, 0, -1]
    rays = frame.camera.rays()
    exact = rays @ down / np.linalg.norm(rays, axis=-1)
    assert np.abs(cosines(frame.depth, frame.camera) - exact).max() < 1e-3


def test_without_sigma_all_weigh_one_and_a_sigma_of_zero_is_no_infinite_weight():
    frame = plane_frames(1)[0]
    assert (Trust(1.0, 0.01).weights(frame) == 1).all()
    assert plan_fusion([frame], FuseSettings()).trust is None
    certain = _with_sigma(frame, 0.0)
    weights = plan_fusion([certain], FuseSettings()).trust.weights(certain)
    assert np.isfinite(weights).all() and weights[frame.depth > 0].mean() == pytest.approx(1, abs=0.03)
    assert len(fuse([certain, frame], plan_fusion([certain, frame], FuseSettings(voxel_size=0.02))).triangles) > 1000


def test_photos_of_odd_sizes_have_a_weight_for_each_pixel():
    for frame in plane_frames(1, width=81, height=61) + plane_frames(1, width=7, height=5):
        assert Trust(1.0, 0.01).weights(_with_sigma(frame, 0.1)).shape == frame.depth.shape


@pytest.mark.parametrize(("weighting", "share"), [(True, 1 / 10), (False, 1 / 2)])
def test_the_surface_lies_at_the_weighted_mean_of_the_depths(weighting, share):
    eye = plane_frames(1)[0]
    right = dataclasses.replace(eye, depth=np.full_like(eye.depth, 2.0), world_from_cam=SE3.identity())
    wrong = dataclasses.replace(right, depth=np.full_like(eye.depth, 2.03))
    frames = [_with_sigma(right, 0.01), _with_sigma(wrong, 0.03)]
    mesh = fuse(frames, plan_fusion(frames, FuseSettings(voxel_size=0.01, weighting=weighting, truncation=0.08)))
    # the grid's own half voxel joins both sigmas: 9 to 1 becomes 7.4 to 1
    assert np.median(mesh.vertices[:, 2]) == pytest.approx(2.0 + 0.03 * share, abs=0.001)


def test_poses_and_depths_out_of_any_world_are_refused_by_name():
    frame = plane_frames(1)[0]
    away = dataclasses.replace(frame, name="lost", world_from_cam=SE3(np.eye(3), [1e9, 0, 0]))
    with pytest.raises(InputError, match="lost: "):
        plan_fusion([frame, away], FuseSettings(voxel_size=0.02))
    with pytest.raises(InputError, match="lost: "):
        fuse([frame, away], plan_fusion([frame], FuseSettings(voxel_size=0.02)))


@pytest.mark.parametrize(
    ("field", "value", "what"),
    [
        ("depth", np.full((120, 160), np.nan, np.float32), "depth holds NaN"),
        ("sigma", np.full((120, 160), np.nan, np.float32), "sigma holds NaN"),
        ("image", np.zeros((60, 80, 3), np.uint8), "image: got shape"),
        ("depth", np.zeros((60, 80), np.float32), "depth: got shape"),
    ],
)
def test_frames_that_are_none_never_reach_the_grid(field, value, what):
    with pytest.raises(InputError, match=f"plane-000: {what}"):
        dataclasses.replace(plane_frames(1)[0], **{field: value})


@pytest.mark.parametrize("R", [np.eye(3) * 1.1, np.diag([1.0, 1, -1]), np.full((3, 3), np.nan)])
def test_poses_that_are_no_rigid_transforms_never_reach_the_grid(R):
    with pytest.raises(InputError, match="pose: got"):
        SE3(R, np.zeros(3))
