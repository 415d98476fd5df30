import dataclasses

import numpy as np
import pytest
from synthetic import room_frames

from recon3d.errors import InputError
from recon3d.fusion.grid import Outgrown
from recon3d.fusion.order import in_order
from recon3d.fusion.plan import BYTES_PER_BLOCK, plan_fusion
from recon3d.fusion.tiles import WHOLE, tiles_of
from recon3d.fusion.tsdf import fuse, fuse_tile, fuse_within, fused
from recon3d.settings import FuseSettings

SETTINGS = FuseSettings(voxel_size=0.02)


def _sigma(frame):
    return dataclasses.replace(frame, sigma=0.005 * frame.depth**2)


def test_tiles_hold_each_block_once_and_no_more_than_they_may():
    blocks = np.unique(np.random.default_rng(0).integers(-9, 9, (800, 3)), axis=0)
    tiles = tiles_of(blocks, 200)
    assert len(tiles) > 2
    assert (sum(tile.holds(blocks).astype(int) for tile in tiles) == 1).all()
    assert max(tile.holds(blocks, halo=1).sum() for tile in tiles) <= 200
    anywhere = np.random.default_rng(1).integers(-(2**19), 2**19, (1000, 3))
    assert (sum(tile.scaled(2).holds(anywhere).astype(int) for tile in tiles) == 1).all()


def test_few_blocks_are_one_tile_and_one_block_is_not_cut():
    assert tiles_of(np.zeros((1, 3), int), 10) == (WHOLE,)
    assert tiles_of(np.zeros((1, 3), int), 0) == (WHOLE,)


def test_a_scene_in_tiles_is_the_scene_in_one_grid_to_the_bit():
    frames = [_sigma(frame) for frame in room_frames(4)]
    whole = plan_fusion(frames, SETTINGS)
    budget = whole.block_count * BYTES_PER_BLOCK / 2**30
    tiled = plan_fusion(frames, dataclasses.replace(SETTINGS, max_memory_gib=0.6 * budget))
    assert whole.tiles == (WHOLE,) and len(tiled.tiles) > 1
    assert tiled.block_count * BYTES_PER_BLOCK <= 0.6 * budget * 2**30
    assert "tiles" in tiled.reasons[-1]
    one, other = (in_order(fuse(frames, plan)) for plan in (whole, tiled))
    assert len(one.triangles) > 20_000
    for name in ("vertices", "triangles", "colors", "normals"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name


def test_tiles_made_and_put_together_in_any_order_are_the_same_surface():
    photos = [_sigma(frame) for frame in room_frames(3)]
    budget = plan_fusion(photos, SETTINGS).block_count * BYTES_PER_BLOCK / 2**30
    plan = plan_fusion(photos, dataclasses.replace(SETTINGS, max_memory_gib=0.4 * budget))
    tiles = list(plan.tiles)
    assert len(tiles) > 2
    one, other = (
        in_order(fused([fuse_tile(photos, plan, tile) for tile in order], plan).mesh) for order in (tiles, tiles[::-1])
    )
    for name in ("vertices", "triangles", "colors", "normals"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name


def _open_edges(mesh):
    """The edges with a triangle on one side only, as pairs of places."""
    edges = np.sort(mesh.triangles[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2), axis=1)
    edges, count = np.unique(edges, axis=0, return_counts=True)
    return {tuple(map(tuple, ends)) for ends in mesh.vertices[edges[count == 1]]}


def test_tiles_count_each_voxel_of_the_surface_once():
    photos = room_frames(3)
    plan = plan_fusion(photos, SETTINGS)
    budget = plan.block_count * BYTES_PER_BLOCK / 2**30
    tiled = plan_fusion(photos, dataclasses.replace(SETTINGS, max_memory_gib=0.6 * budget))
    one, *parts = (fuse_tile(photos, each, tile) for each in (plan, tiled) for tile in each.tiles)
    assert len(parts) > 1 and one.seen == sum(part.seen for part in parts)
    assert one.seen == one.kept  # of three views all that was seen is kept
    often = dataclasses.replace(plan, min_weight=1.0)
    assert 0 < fuse_tile(photos, often).kept < one.seen


def test_the_seams_are_closed():
    frames = room_frames(3)
    plan = plan_fusion(frames, SETTINGS)
    budget = plan.block_count * BYTES_PER_BLOCK / 2**30
    tiled = plan_fusion(frames, dataclasses.replace(SETTINGS, max_memory_gib=0.6 * budget))
    apart = fuse(frames, tiled)
    mesh = in_order(apart)
    assert len(np.unique(mesh.vertices, axis=0)) == len(mesh.vertices)
    # no edge is open along the border of tiles: none but those at which one grid's surface ends too
    assert len(_open_edges(apart)) > len(_open_edges(mesh)) + 100
    assert _open_edges(mesh) == _open_edges(in_order(fuse(frames, plan)))


def test_more_tiles_than_wanted_are_refused_before_any_work():
    with pytest.raises(InputError, match=r"fuse\.max_tiles = 2 tiles; raise any"):
        plan_fusion(room_frames(2), dataclasses.replace(SETTINGS, max_memory_gib=0.03, max_tiles=2))


def test_a_tile_that_takes_more_than_was_foreseen_is_fused_in_halves_to_the_same_surface():
    photos = [_sigma(frame) for frame in room_frames(3)]
    plan = plan_fusion(photos, SETTINGS)
    asked = []

    def frames_of(tile):
        asked.append(tile)
        return photos

    short = dataclasses.replace(plan, block_count=plan.block_count // 3, max_memory_gib=0.001)
    found = fuse_within(frames_of, short, WHOLE, "cpu")
    assert asked[0] == WHOLE and len(asked) > 4
    whole = fuse_tile(photos, plan)
    assert (found.seen, found.kept) == (whole.seen, whole.kept)
    one, other = in_order(found.mesh), in_order(whole.mesh)
    for name in ("vertices", "triangles", "colors", "normals"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    with pytest.raises(Outgrown, match="raise fuse.max_memory_gib"):
        fuse_within(frames_of, dataclasses.replace(short, block_count=1), WHOLE, "cpu")
