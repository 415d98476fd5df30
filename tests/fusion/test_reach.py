import dataclasses
import math

import numpy as np
import pytest
from synthetic import Box, look_at, render, room_frames

from recon3d.fusion.buffers import BLOCK
from recon3d.fusion.grid import Grid
from recon3d.fusion.order import in_order
from recon3d.fusion.plan import BYTES_PER_BLOCK, plan_fusion
from recon3d.fusion.reach import Reach
from recon3d.fusion.tiles import Tile
from recon3d.fusion.tsdf import fuse_tile
from recon3d.geometry import Camera
from recon3d.settings import FuseSettings

SETTINGS = FuseSettings(voxel_size=0.04)
PARTS = ("vertices", "triangles", "colors", "normals")


def hall_frames(count):
    """A walk along a hall, each photo turned to one wall."""
    hall = Box(np.array([-2.0, -1.5, 0.0]), np.array([count + 2.0, 1.5, 2.4]))
    poses = [look_at((x, 0, 1.4), (x + 0.3, 3 * (-1) ** x, 1.2)) for x in range(count)]
    camera = Camera.from_fov(96, 72, math.radians(70))
    return [render(f"hall-{x:03d}", hall, camera, pose) for x, pose in enumerate(poses)]


def touched(frame, plan, tile=None):
    """Blocks that the grid takes a frame to be near, of a tile and around it."""
    grid = Grid.empty(plan, "cpu") if tile is None else Grid.empty(plan, "cpu", tile)
    K = frame.camera.K
    K[:2, 2] += 0.5
    return grid._touched(frame, K)


@pytest.mark.parametrize("truncation", [0.04, 0.16, 0.5])
def test_no_block_that_a_frame_touches_lies_out_of_its_reach(truncation):
    frames = room_frames(5)
    frames += [dataclasses.replace(frame, name=f"few-{frame.name}", depth=_few(frame.depth)) for frame in frames]
    plan = plan_fusion(frames, dataclasses.replace(SETTINGS, truncation=truncation))
    for frame in frames:
        reach = Reach.of(frame)
        for block in touched(frame, plan):
            tile = Tile(tuple(block.tolist()), tuple((block + 1).tolist()))
            assert reach.touches(tile, plan.truncation, BLOCK * plan.voxel_size)


def _few(depth):
    """But some depths in a hundred."""
    return np.where(np.random.default_rng(0).random(depth.shape) < 0.02, depth, 0).astype(np.float32)


def tiled(frames, part):
    """A plan of several tiles."""
    budget = plan_fusion(frames, SETTINGS).block_count * BYTES_PER_BLOCK / 2**30
    return plan_fusion(frames, dataclasses.replace(SETTINGS, max_memory_gib=part * budget, max_tiles=64))


def test_a_tile_of_a_long_hall_needs_few_of_its_photos_and_nothing_of_the_others():
    frames = hall_frames(11)
    plan = tiled(frames, 0.5)
    assert len(plan.tiles) > 2
    names = [plan.near(tile) for tile in plan.tiles]
    assert sum(map(len, names)) < 0.7 * len(names) * len(frames)
    for tile, near in zip(plan.tiles, names, strict=True):
        assert all(not len(touched(frame, plan, tile)) for frame in frames if frame.name not in near)
        one = fuse_tile([frame for frame in frames if frame.name in near], plan, tile)
        other = fuse_tile(frames, dataclasses.replace(plan, reaches=tuple(map(_endless, plan.reaches))), tile)
        meshes = in_order(one.mesh), in_order(other.mesh)
        assert all(np.array_equal(*(getattr(mesh, part) for mesh in meshes)) for part in PARTS)
        assert (one.seen, one.kept) == (other.seen, other.kept)


def _endless(reach):
    """The same frame as if it saw everything."""
    return dataclasses.replace(reach, low=(-1e5,) * 3, high=(1e5,) * 3)


def test_a_tile_that_no_photo_sees_is_empty():
    frames = hall_frames(3)
    plan = plan_fusion(frames, SETTINGS)
    nowhere = Tile((1000, 1000, 1000), (1010, 1010, 1010))
    part = fuse_tile(frames, dataclasses.replace(plan, tiles=(nowhere,)), nowhere)
    assert not plan.near(nowhere) and not len(part.mesh.triangles) and part.seen == part.kept == 0


def test_a_photo_whose_depths_the_plan_did_not_look_at_is_still_fused():
    frames = hall_frames(4)
    depth = np.zeros((600, 800), np.float32)
    depth[1, 1] = 2.0
    image, camera = np.zeros((600, 800, 3), np.uint8), frames[0].camera.resized(800, 600)
    lonely = dataclasses.replace(frames[0], name="lonely", depth=depth, image=image, camera=camera)
    plan = plan_fusion([*frames, lonely], SETTINGS)
    assert "lonely" in [reach.name for reach in plan.reaches]
