import dataclasses

import numpy as np
import pytest
from synthetic import ball_frames, distance_to_room, plane_frames, room_frames

from recon3d.errors import InputError, StageError
from recon3d.fusion import cloud as cloud_module
from recon3d.fusion.cloud import cloud_of


def test_points_of_a_room_lie_on_its_walls_one_per_voxel():
    frames = room_frames(4)
    cloud = cloud_of(iter(frames), 0.05)
    assert distance_to_room(cloud.points).max() < 0.05  # means within a voxel, at corners
    assert np.median(distance_to_room(cloud.points)) < 1e-5
    cells = np.floor(cloud.points / 0.05)
    # A mean lies in its own cell, up to rounding on the faces, which walls at multiples of 5 cm are.
    assert len(np.unique(cells, axis=0)) > 0.97 * len(cells)


def test_normals_face_the_cameras():
    ball = cloud_of(ball_frames(8), 0.02)
    outward = ball.points / np.linalg.norm(ball.points, axis=1, keepdims=True)
    assert np.einsum("nc,nc->n", outward, ball.normals).min() > 0.5
    assert np.allclose(np.linalg.norm(ball.normals, axis=1), 1, atol=1e-4)


def test_colours_are_means():
    dark, bright = (
        dataclasses.replace(frame, image=np.full_like(frame.image, level))
        for frame, level in zip([plane_frames(1)[0]] * 2, (100, 200), strict=True)
    )
    assert set(np.unique(cloud_of([dark, bright], 0.05).colors)) == {150}


def test_merging_now_or_later_gives_the_same(monkeypatch):
    frames = room_frames(3)
    later = cloud_of(frames, 0.05)
    monkeypatch.setattr(cloud_module, "WAITING", 10)
    now = cloud_of(frames, 0.05)
    assert np.allclose(now.points, later.points)
    assert np.array_equal(now.colors, later.colors)


def test_frames_without_depth_add_nothing_and_none_at_all_is_an_error():
    frame = plane_frames(1)[0]
    blank = dataclasses.replace(frame, depth=np.zeros_like(frame.depth))
    assert len(cloud_of([blank, frame, blank], 0.05).points) == len(cloud_of([frame], 0.05).points)
    for frames in ([blank], []):
        with pytest.raises(StageError, match="no photo has any depth"):
            cloud_of(frames, 0.05)


def test_voxels_too_small_for_the_scene_or_not_positive_are_refused():
    with pytest.raises(InputError, match="more than 0"):
        cloud_of(plane_frames(1), 0.0)
    with pytest.raises(InputError, match=r"cloud\.voxel_size"):
        cloud_of(plane_frames(1), 1e-7)
