import dataclasses

import numpy as np
import pytest
from synthetic import ball_frames, distance_to_room, plane_frames, room_frames

from recon3d.errors import InputError, StageError
from recon3d.fusion.grid import Grid
from recon3d.fusion.plan import FusePlan, plan_fusion
from recon3d.fusion.tsdf import fuse
from recon3d.geometry import Frame
from recon3d.settings import FuseSettings

VOXEL = 0.02


def _fused(frames, **settings):
    plan = plan_fusion(frames, FuseSettings(**{"voxel_size": VOXEL, **settings}))
    return fuse(iter(frames), plan)


def _without_depth(frame, name):
    return dataclasses.replace(frame, name=name, depth=np.zeros_like(frame.depth))


def test_a_fused_plane_lies_on_the_plane():
    mesh = _fused(plane_frames(5))
    # Seen at 27 degrees with pixels as large as a voxel; pixel centres off by a half would tilt and shift it.
    assert np.abs(mesh.vertices[:, 2]).mean() < 0.1 * VOXEL
    assert abs(mesh.vertices[:, 2].mean()) < 0.02 * VOXEL


def test_a_fused_ball_has_its_radius():
    mesh = _fused(ball_frames(12, radius=0.5))
    radii = np.linalg.norm(mesh.vertices, axis=1)
    assert abs(radii.mean() - 0.5) < 0.1 * VOXEL
    assert radii.std() < 0.2 * VOXEL


def test_triangles_face_outward_and_normals_with_them():
    mesh = _fused(ball_frames(12))
    a, b, c = (mesh.vertices[mesh.triangles[:, corner]] for corner in range(3))
    face = np.cross(b - a, c - a)
    assert (np.einsum("tc,tc->t", face, a + b + c) >= 0).mean() > 0.999  # slivers may have any direction
    outward = mesh.vertices / np.linalg.norm(mesh.vertices, axis=1, keepdims=True)
    assert np.einsum("vc,vc->v", mesh.normals, outward).mean() > 0.99
    assert np.allclose(np.linalg.norm(mesh.normals, axis=1), 1, atol=1e-3)


def test_colours_are_those_of_the_photos():
    frame = plane_frames(1, width=80, height=60)[0]
    frame = dataclasses.replace(frame, image=np.full_like(frame.image, (200, 100, 50)))
    mesh = _fused([frame] * 60)
    # Integer means that lose a level per photo would end 10s of levels too dark.
    assert np.abs(mesh.colors.astype(int) - (200, 100, 50)).max() <= 1


def test_a_fused_room_lies_on_its_walls():
    mesh = _fused(room_frames(8))
    distance = distance_to_room(mesh.vertices)
    assert np.median(distance) < 0.1 * VOXEL
    assert (distance < VOXEL).mean() > 0.98


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_few_views_make_a_surface(count):
    assert len(_fused(plane_frames(count)).triangles) > 1000


def test_photos_of_several_sizes_work_in_any_order():
    small, large = plane_frames(2, width=80, height=60), plane_frames(2, width=320, height=240)
    for frames in (small + large, large + small):
        mesh = _fused(frames)
        assert np.abs(mesh.vertices[:, 2]).mean() < 0.1 * VOXEL
    alone = _fused(large, min_weight=0)
    assert len(_fused(small + large, min_weight=0).triangles) >= len(alone.triangles)


def test_photos_of_one_size_share_what_finds_their_blocks_though_each_has_a_lens_of_its_own():
    frames = plane_frames(3)
    cameras = [dataclasses.replace(frame.camera, fx=frame.camera.fx + k) for k, frame in enumerate(frames)]
    grid = Grid.empty(plan_fusion(frames, FuseSettings(voxel_size=VOXEL)), "cpu")
    for frame, camera in zip(frames, cameras, strict=True):
        grid.integrate(dataclasses.replace(frame, camera=camera))
    assert len(grid.finders) == 1


def test_order_of_photos_does_not_matter():
    frames = plane_frames(4)
    one, other = _fused(frames), _fused(frames[::-1])
    assert len(one.vertices) == len(other.vertices)
    assert np.allclose(one.vertices.mean(axis=0), other.vertices.mean(axis=0), atol=1e-6)


def test_a_photo_without_depth_adds_nothing():
    frames = plane_frames(2)
    mesh = _fused([_without_depth(frames[0], "blank"), *frames])
    assert len(mesh.triangles) == len(_fused(frames).triangles)


def test_no_depth_at_all_is_an_error_with_its_cause():
    blank = [_without_depth(frame, frame.name) for frame in plane_frames(2)]
    with pytest.raises(StageError, match="no photo has any depth"):
        plan_fusion(blank, FuseSettings())
    with pytest.raises(StageError, match="no photo has any depth"):
        fuse(blank, FusePlan(VOXEL, 4 * VOXEL, 0, 100, 2, 0.0, 1.0))


def test_an_empty_result_says_why():
    with pytest.raises(StageError, match="none was measured more than 5 times"):
        _fused(plane_frames(3), min_weight=5)


def test_depth_with_nan_is_refused_by_name():
    frame = plane_frames(1)[0]
    depth = np.array(frame.depth)
    depth[3, 4] = np.nan
    with pytest.raises(InputError, match="plane-000: depth holds NaN"):
        Frame(frame.name, frame.image, depth, None, frame.camera, frame.world_from_cam)


def test_a_surface_that_outgrows_the_plan_is_refused_and_one_that_may_grow_grows():
    frames = plane_frames(3)
    tight = FusePlan(VOXEL, 4 * VOXEL, 0, 8, 3, 0.0, max_memory_gib=0.001)
    with pytest.raises(InputError, match=r"plane-000: .*fuse.max_memory_gib"):
        fuse(frames, tight)
    grown = fuse(frames, dataclasses.replace(tight, max_memory_gib=1.0))
    assert len(grown.triangles) == len(_fused(frames, min_weight=0).triangles)


def test_progress_is_told_after_each_photo():
    told = []
    frames = plane_frames(2)
    fuse(frames, plan_fusion(frames, FuseSettings()), report=lambda *what: told.append(what))
    first, second = (frame.name for frame in frames)
    assert told == [("fuse", 0, 2), ("fuse", 1, 2, first), ("fuse", 2, 2, second)]
