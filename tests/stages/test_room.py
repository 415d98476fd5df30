"""The sample room end to end with the model that ships: accuracy, not existence."""

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import recon3d
from recon3d.formats.mesh_file import read_mesh
from recon3d.formats.pose_file import read_poses
from recon3d.metrics.surface import sample_surface, surface_errors
from recon3d.metrics.trajectory import umeyama
from recon3d.scene import OUTPUTS
from recon3d.settings import Settings
from recon3d.stages.dry_run import dry_run
from recon3d.stages.job import Job

ROOT = Path(__file__).parents[2]
TRUTH = ROOT / "samples" / "room" / "truth"
sys.path.insert(0, str(ROOT / "samples"))


PHOTOS = sorted((ROOT / "samples" / "room").glob("IMG_*.jpg"))[:10]
SETTINGS = Settings().with_assignments(["photos.max_side=512", "depth.model=demo"])


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    """Ten neighbouring photos; one thread, as small networks only wait for each other on busy cores."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return recon3d.run(PHOTOS, tmp_path_factory.mktemp("room") / "scene", settings=SETTINGS)
    finally:
        torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def figures(scene):
    from score_room import score

    return score(scene)


def test_every_photo_of_the_room_gets_its_pose(figures):
    assert figures["registered"] == figures["photos"] == 10
    assert figures["centres_rmse_m"] < 0.1


def test_the_room_has_its_size_within_a_tenth(figures):
    assert figures["size_of_world"] == pytest.approx(1, abs=0.1)


def test_ties_make_the_network_s_depth_better(figures):
    assert figures["depth_abs_rel"] < 0.2
    assert figures["depth_abs_rel_scaled"] < 0.75 * figures["depth_abs_rel"]
    assert figures["depth_abs_rel_refined"] <= figures["depth_abs_rel_scaled"] + 0.005


def test_the_mesh_lies_on_the_room(figures):
    # of all the room ten photos see half: precision is what can be asked of them
    assert figures["free_scale_precision_5cm"] > 0.25


def test_cleaning_mends_the_mesh_and_costs_no_accuracy(scene):
    changes = scene.facts("mesh")["changes"]
    assert changes["pieces"]["after"] < changes["pieces"]["before"]
    assert changes["non_manifold_edges"]["after"] == changes["non_manifold_vertices"]["after"] == 0
    ours = scene.world_from_cam()
    true = read_poses(TRUTH / "poses.json", list(ours)).world_from_cam
    centres = [np.stack([poses[name].t for name in ours]) for poses in (ours, true)]
    truth_from_scene, scale = umeyama(*centres, with_scale=True)
    surface = sample_surface(read_mesh(TRUTH / "mesh.ply"))
    fused, cleaned = (
        surface_errors(truth_from_scene @ (scale * sample_surface(read_mesh(scene.file(name)))), surface, [0.05])
        for name in ("fused.ply", "mesh.ply")
    )
    assert cleaned.f_score[0] > fused.f_score[0] - 0.005


def test_a_dry_run_foresees_the_disk_within_a_factor_of_two_and_of_each_stage_within_three(scene, tmp_path):
    found, seen = dry_run(PHOTOS, tmp_path / "new", Job(SETTINGS, "cpu")), set()
    left = dict.fromkeys(found.estimates, 0)
    for stage in left:
        for path in (file for name in OUTPUTS[stage] for file in [scene.file(name), *scene.file(name).rglob("*")]):
            if path.is_file() and path.stat().st_ino not in seen:  # a hard link takes nothing
                seen.add(path.stat().st_ino)
                left[stage] += path.stat().st_size
    assert 0.5 < found.disk_bytes / sum(left.values()) < 2
    for stage, size in left.items():
        assert 1 / 3 < found.estimates[stage].disk_bytes / size < 3, stage
