import dataclasses

import numpy as np
import pytest
from synthetic import room_frames

from recon3d.errors import StageError
from recon3d.fusion.order import in_order
from recon3d.fusion.plan import BYTES_PER_BLOCK, plan_fusion
from recon3d.scene import Scene
from recon3d.settings import FuseSettings
from recon3d.stages import fuse as stage
from recon3d.stages.job import Job


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
    monkeypatch.setattr(stage, "frames", lambda scene, names: frames(scene, names, limit=2))
    with pytest.raises(KeyboardInterrupt):
        stage._fused(scene, Job(), plan, key)
    monkeypatch.setattr(stage, "frames", frames)
    read.clear()
    resumed = stage._fused(scene, Job(), plan, key)
    assert len(read) == len(plan.tiles) - 1
    read.clear()
    again = stage._fused(scene, Job(), plan, "another" * 8)  # other settings take nothing from those tiles
    assert len(read) == len(plan.tiles)
    assert np.array_equal(in_order(resumed.mesh).vertices, in_order(again.mesh).vertices)
    assert (resumed.seen, resumed.kept) == (again.seen, again.kept) and resumed.seen >= resumed.kept > 0

    next(scene.file(stage.TILES).glob("0123*-0.npz")).write_bytes(b"PK damaged")
    with pytest.raises(StageError, match="0123456789abcdef-0.npz: missing or damaged"):
        stage._fused(scene, Job(), plan, key)
