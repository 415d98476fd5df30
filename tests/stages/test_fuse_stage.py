import dataclasses

import pytest
from synthetic import room_frames

from recon3d.engine.in_process import IN_PROCESS
from recon3d.errors import StageError
from recon3d.formats.ply import write_mesh
from recon3d.fusion.order import in_order
from recon3d.fusion.plan import BYTES_PER_BLOCK, plan_fusion
from recon3d.fusion.tsdf import fuse
from recon3d.progress import silent
from recon3d.scene import Scene
from recon3d.settings import FuseSettings
from recon3d.stages import fuse as stage
from recon3d.stages import fuse_tiles
from recon3d.stages.job import Job


def tiles(scene, plan, key):
    """Files of the tiles, all done."""
    work = fuse_tiles.FusedTiles(scene, Job(), plan, key)
    numbers = range(len(plan.tiles))
    for _ in IN_PROCESS.do(work, numbers, silent):
        pass
    return [work.path(number) for number in numbers]


def test_tiles_that_are_done_are_not_done_again_after_a_kill(tmp_path, monkeypatch):
    photos = room_frames(2)
    settings = FuseSettings(voxel_size=0.02)
    budget = plan_fusion(photos, settings).block_count * BYTES_PER_BLOCK / 2**30
    plan = plan_fusion(photos, dataclasses.replace(settings, max_memory_gib=0.6 * budget))
    read = []

    def frames(scene, names, limit=None):
        read.append(scene)
        if len(read) == limit:
            raise KeyboardInterrupt
        return (photo for photo in photos if photo.name in names)

    scene, key = Scene(tmp_path), "0123456789abcdef" * 4
    monkeypatch.setattr(stage, "scale_comments", lambda scene: ["a room"])
    monkeypatch.setattr(fuse_tiles, "frames", lambda scene, names: frames(scene, names, limit=2))
    with pytest.raises(KeyboardInterrupt):
        tiles(scene, plan, key)
    monkeypatch.setattr(fuse_tiles, "frames", frames)
    read.clear()
    resumed = stage._merged(scene, tiles(scene, plan, key), plan)
    written = scene.file("fused.ply").read_bytes()
    assert len(read) == len(plan.tiles) - 1
    read.clear()
    paths = tiles(scene, plan, "another" * 8)  # other settings take nothing from those tiles
    assert len(read) == len(plan.tiles)
    assert stage._merged(scene, paths[::-1], plan) == resumed and resumed["surface_voxels"]["after"] > 0
    assert scene.file("fused.ply").read_bytes() == written
    write_mesh(tmp_path / "whole.ply", in_order(fuse(photos, plan_fusion(photos, settings))), ["a room"])
    assert (tmp_path / "whole.ply").read_bytes() == written

    next(scene.file(stage.FOLDER).glob("0123*-0-of-*.npz")).write_bytes(b"PK damaged")
    with pytest.raises(StageError, match="0123456789abcdef-0-of-.*npz: missing or damaged"):
        stage._merged(scene, tiles(scene, plan, key), plan)
