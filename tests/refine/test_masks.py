import numpy as np
import pytest
from synthetic import Plane, render, room_frames

from recon3d.errors import InputError
from recon3d.geometry import SE3, Camera
from recon3d.refine.masks import broken_pairs, edge_mask
from recon3d.refine.normals import normals_of
from recon3d.settings import RefineSettings

CAMERA = Camera.from_fov(160, 120, np.radians(60))


def _plane_depth(normal, distance=2.0, camera=CAMERA):
    """Depth of a plane `distance` ahead whose normal, in the camera frame, is given."""
    normal = np.asarray(normal, float) / np.linalg.norm(normal)
    plane = Plane(normal, distance * normal[2])
    return render("plane", plane, camera, SE3.identity()).depth


@pytest.mark.parametrize("tilt_deg", [0, 30, 45])
@pytest.mark.parametrize("turn_deg", [0, 35, 90, 200])
def test_slanted_planes_stay_whole(tilt_deg, turn_deg):
    # Rays of a 60° camera lean up to 36° at the corners: a tilt of 45° is seen at up to 81° there, so
    # the angle's limit is set beyond; the jumps between pixels still reach over 4 %.
    tilt, turn = np.radians(tilt_deg), np.radians(turn_deg)
    depth = _plane_depth([np.sin(tilt) * np.cos(turn), np.sin(tilt) * np.sin(turn), -np.cos(tilt)])
    settings = RefineSettings(edge_angle_deg=89)
    assert not edge_mask(depth, CAMERA, settings).any()


def test_a_floor_with_large_jumps_between_rows_is_not_broken():
    depth = _plane_depth([0, -1, 0.08])
    depth = np.where((depth > 0) & (depth < 60), depth, 0).astype(np.float32)
    rows = depth[60:, 80]
    assert (np.abs(np.diff(rows[rows > 0])) > 0.04 * rows[rows > 0][1:]).any()  # a plain threshold would cut it
    right, down = broken_pairs(depth, 0.04)
    assert not right.any()
    assert not down.any()


@pytest.mark.parametrize(("angle_deg", "dropped"), [(60, False), (70, False), (80, True)])
def test_surfaces_are_dropped_by_the_angle_they_are_seen_at(angle_deg, dropped):
    camera = Camera.from_fov(160, 120, np.radians(4))  # narrow: the angle is the same all over
    angle = np.radians(angle_deg)
    depth = _plane_depth([np.sin(angle), 0, -np.cos(angle)], camera=camera)
    assert edge_mask(depth, camera, RefineSettings(edge_angle_deg=75)).mean() == dropped


@pytest.mark.parametrize("blur_px", [2, 4, 8])
def test_pixels_flying_between_two_planes_are_dropped(blur_px):
    u = np.arange(160)
    mix = np.clip((u - 80) / blur_px + 0.5, 0, 1)
    depth = np.tile(1.5 + 1.0 * mix, (120, 1)).astype(np.float32)
    drop = edge_mask(depth, CAMERA, RefineSettings())
    flying = (mix > 0.02) & (mix < 0.98)
    assert drop[:, flying].all()
    assert not drop[:, u < 80 - blur_px / 2 - 2].any()
    assert not drop[:, u > 80 + blur_px / 2 + 2].any()


def test_both_sides_of_a_sharp_edge_are_dropped_and_nothing_else():
    depth = np.full((120, 160), 2.0, np.float32)
    depth[:, 80:] = 1.0
    drop = edge_mask(depth, CAMERA, RefineSettings())
    assert drop[:, 79:81].all()
    assert drop.sum() == 2 * 120


def test_depth_out_of_range_is_dropped_and_none_is_not_called_dropped():
    depth = np.full((120, 160), 2.0, np.float32)
    depth[:40], depth[40:80] = 0, 2.5
    drop = edge_mask(depth, CAMERA, RefineSettings(max_depth_m=2.2))
    assert not drop[:40].any()
    assert drop[40:80].all()
    assert edge_mask(depth, CAMERA, RefineSettings(min_depth_m=2.2))[81:].all()


def test_a_room_keeps_nearly_all_of_its_depth():
    for frame in room_frames(2):
        assert edge_mask(frame.depth, frame.camera, RefineSettings()).mean() < 0.08


def test_normals_of_a_plane_are_its_normal_towards_the_camera():
    normal = np.array([0.3, -0.5, -0.8])
    depth = _plane_depth(normal)
    error = normals_of(depth, CAMERA) - normal / np.linalg.norm(normal)
    assert np.abs(error).max() < 1e-3  # float32 depth of 1e-7 over steps of one pixel


def test_a_depth_map_of_another_size_is_refused():
    with pytest.raises(InputError, match="as the camera"):
        edge_mask(np.ones((10, 10), np.float32), CAMERA, RefineSettings())
