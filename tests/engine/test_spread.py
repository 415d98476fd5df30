"""Stages end in the same bytes whoever does the work: this process, several that share it, or workers on Ray."""

import shutil
import threading

import pytest
import torch
from commands import command
from spread import STAGES, job, same_results

from recon3d.engine.in_process import IN_PROCESS
from recon3d.engine.shard import Shard
from recon3d.errors import StageError
from recon3d.scene import Scene
from recon3d.stages.chain import run_to

pytestmark = pytest.mark.usefixtures("one_thread_a_module")


def refused(done, *words):
    """The command ended with exit code 1 and a line that holds the words."""
    assert done.returncode == 1 and all(word in done.stderr for word in words), done.stdout + done.stderr


def again(root, stage, engine):
    """Does a stage anew, the scene as it was before it."""
    *_, outcome = run_to(Scene(root), stage, job(engine))
    return outcome


def without(scene, folder, stage):
    """A copy in which the stage and what rests on it is to be done again."""
    root = shutil.copytree(scene, folder / "copy")
    Scene(root).forget(stage)
    return root


@pytest.mark.parametrize(("stage", "threads"), [("depth", 3), ("refine", 2), ("refine", 5), ("fuse", 3)])
def test_any_count_of_threads_makes_the_same_bytes(stage, threads, demo_scene, tmp_path):
    root, before = without(demo_scene, tmp_path, stage), torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        again(root, stage, IN_PROCESS)
    finally:
        torch.set_num_threads(before)
    entry = {name: Scene(root).manifest()["stages"][name] for name in STAGES[: STAGES.index(stage) + 1]}
    assert entry == {name: Scene(demo_scene).manifest()["stages"][name] for name in entry}
    for later in STAGES[STAGES.index(stage) + 1 :]:
        again(root, later, IN_PROCESS)
    same_results(root, demo_scene)


def test_workers_on_ray_make_the_same_bytes(ray, demo_scene, tmp_path):
    root = without(demo_scene, tmp_path, "depth")
    again(root, "fuse", ray)
    same_results(root, demo_scene)
    for name in STAGES:  # not even what is said of them differs
        assert Scene(root).manifest()["stages"][name] == Scene(demo_scene).manifest()["stages"][name]


@pytest.mark.parametrize("stage", STAGES)
def test_processes_that_share_a_stage_end_in_the_same_bytes(stage, demo_scene, tmp_path, monkeypatch):
    monkeypatch.setattr("recon3d.engine.shard.LOOK_S", 0.02)
    root = without(demo_scene, tmp_path, stage)
    outcomes = []
    parts = [
        threading.Thread(target=lambda part=part: outcomes.append(again(root, stage, Shard(part, 3))))
        for part in (3, 1, 2)
    ]
    for part in parts:
        part.start()
    for part in parts:
        part.join()
    assert len(outcomes) == 3 and Scene(root).is_done(stage)
    assert sum(bool(outcome.facts) for outcome in outcomes) >= 1  # somebody ended it
    for later in STAGES[STAGES.index(stage) + 1 :]:
        again(root, later, IN_PROCESS)
    same_results(root, demo_scene)


def test_a_part_says_that_it_is_a_part_and_the_last_ends_the_stage(demo_scene, tmp_path):
    root = without(demo_scene, tmp_path, "depth")
    first = command("depth", root, "--model", "demo", "--shard", "1/2")
    assert first.returncode == 0
    assert first.stdout == "depth: part 1 of 2 is done; of 5 pieces 3 are the others'\n"
    refused(command("refine", root, "--shard", "1/2"), "stage scale is not done", "recon3d scale")
    assert command("depth", root, "--model", "demo", "--shard", "2/2").returncode == 0
    for stage in STAGES[1:]:
        again(root, stage, IN_PROCESS)
    same_results(root, demo_scene)
    done = command("depth", root, "--model", "demo", "--shard", "2/2")
    assert "up to date" in done.stdout


def test_what_can_t_be_shared_says_so(demo_scene):
    refused(command("scale", demo_scene, "--shard", "1/2"), "stage scale is done by one process", "depth, refine, fuse")
    refused(command("depth", demo_scene, "--shard", "1/2", "--force"), "--force", "without --shard")
    refused(command("depth", demo_scene, "--shard", "1/2", "--engine", "ray"), "goes without --engine ray")


def test_parts_with_other_settings_don_t_mix(demo_scene, tmp_path):
    root = without(demo_scene, tmp_path, "refine")
    scene = Scene(root)
    with scene.shared() as lock:  # somebody's part is at work
        scene.start("refine", "another key", {})
        assert lock.together()
        with pytest.raises(StageError, match="on another stage or with other settings"):
            again(root, "refine", Shard(1, 2))
