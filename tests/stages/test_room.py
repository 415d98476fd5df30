"""The sample room end to end with the model that ships: accuracy, not existence."""

import sys
from pathlib import Path

import pytest
import torch

import recon3d
from recon3d.settings import Settings

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "samples"))


@pytest.fixture(scope="module")
def figures(tmp_path_factory):
    """Scores of ten neighbouring photos; one thread, as small networks only wait for each other on busy cores."""
    from score_room import score

    photos = sorted((ROOT / "samples" / "room").glob("IMG_*.jpg"))[:10]
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        settings = Settings().with_assignments(["photos.max_side=512"])
        scene = recon3d.run(photos, tmp_path_factory.mktemp("room") / "scene", model="demo", settings=settings)
    finally:
        torch.set_num_threads(threads)
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
