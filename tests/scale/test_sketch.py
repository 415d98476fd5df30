import numpy as np
import pytest
from synthetic import look_at, plane_frames, room_frames

from recon3d.geometry import Camera
from recon3d.scale.sketch import LONGER_SIDE, shared, sketch


def test_samples_are_pixels_of_the_depth_map():
    frame = room_frames(1)[0]
    thin = sketch(frame.depth, frame.camera)
    rays, log_depth, terms = thin.points()
    assert max(thin.log_depth.shape) <= LONGER_SIDE * 4 / 3
    points = rays * np.exp(log_depth)[:, None]
    uv = np.rint(frame.camera.project(points)).astype(int)
    assert frame.depth[uv[:, 1], uv[:, 0]] == pytest.approx(points[:, 2], rel=1e-5)
    assert terms[:, 6] == pytest.approx(log_depth - thin.middle)


def test_views_of_one_plane_agree_where_they_share_it():
    a, b = plane_frames(2)
    thin = sketch(a.depth, a.camera)
    rays, log_depth, _ = thin.points()
    points = a.world_from_cam @ (rays * np.exp(log_depth)[:, None])
    both = shared(points, b.world_from_cam.inverse(), sketch(b.depth, b.camera))
    assert len(both.index) > len(points) / 2
    # Between samples log depth is taken to be straight: over a plane that bends by some 1e-4.
    assert both.log_depth == pytest.approx(both.log_z, abs=1e-3)


def test_nothing_is_compared_across_edges_holes_and_borders():
    frame = room_frames(1)[0]
    depth = frame.depth.copy()
    depth[:, :80] = 0
    depth[:, 120:] *= 2
    thin = sketch(depth, frame.camera)
    columns = np.nonzero(thin.smooth)[1] * thin.step + thin.step // 2
    assert columns.min() > 80 + thin.step
    assert not np.any(np.abs(columns - 120) < thin.step)
    assert columns.max() < 160 - thin.step


def test_points_behind_or_beside_a_view_are_not_shared():
    camera = Camera.from_fov(80, 60, np.radians(60))
    view = sketch(np.full((60, 80), 2.0, np.float32), camera)
    cam_from_world = look_at([0, 0, 0], [0, 1, 0]).inverse()
    both = shared(np.array([[0, 3.0, 0], [0, -3, 0], [9, 3, 0]]), cam_from_world, view)
    assert both.index.tolist() == [0]
    assert both.log_z == pytest.approx(np.log(3))
    assert shared(np.empty((0, 3)), cam_from_world, view).index.tolist() == []


def test_a_map_without_depth_has_no_points():
    rays, log_depth, _ = sketch(np.zeros((30, 40), np.float32), Camera.from_fov(40, 30, 1.0)).points()
    assert len(rays) == len(log_depth) == 0
