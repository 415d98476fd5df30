"""Work that is spread over processes: what fails in one is bounded and named, the rest goes on, the bytes stay."""

import os
import signal
import time

import numpy as np
import pytest
import tiny
from commands import command
from faulty import refused

from recon3d.depth.model import FunctionModel
from recon3d.engine import cluster as cluster_module
from recon3d.engine import dispatch
from recon3d.engine.in_process import IN_PROCESS
from recon3d.errors import InputError, StageError
from recon3d.scene import Scene
from recon3d.settings import Settings
from recon3d.stages.depth import depth
from recon3d.stages.job import Job

GROUP = "21. Engine"


def made_by(act, scene, folder, engine):
    """The scene with depth from a function that does `act` before it answers, and what the stage said."""
    root = tiny.copied(scene, folder)
    Scene(root).forget("depth")

    def predict(image, camera):
        act(image)
        return image[..., 0].astype(np.float32) / 50 + 1

    model = FunctionModel(predict, name="made", version="1")
    return root, depth(Scene(root), Job(Settings(), "cpu", model, engine=engine))


def first_time(mark):
    """Whether no process was here before."""
    try:
        os.close(os.open(mark, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def shown(scene, number):
    """What tells a photo from the others: the mean of its pixels."""
    return float(Scene(scene).image(Scene(scene).names()[number]).mean())


def same_depth(a, b):
    """Two scenes have the same depth to the last bit."""
    ours, theirs = ({p.name: p.read_bytes() for p in (root / "depth").iterdir()} for root in (a, b))
    assert ours == theirs and len(ours) == tiny.COUNT


def worker_killed(ray, scene, tmp_path, monkeypatch):
    """As the kernel ends it for lack of memory, in the middle of a photo."""
    mark, odd = tmp_path / "mark", shown(scene, 2)

    def dies_once(image):
        if image.mean() == odd and first_time(mark):
            os.kill(os.getpid(), signal.SIGKILL)

    spread, _ = made_by(dies_once, scene, tmp_path / "a", ray)
    here, _ = made_by(lambda image: None, scene, tmp_path / "b", IN_PROCESS)
    assert mark.exists()
    same_depth(spread, here)


def poison_photo(ray, scene, tmp_path, monkeypatch):
    """A photo that no worker survives goes on without depth, like any that a network is silent about."""
    tries, odd = tmp_path / "tries", shown(scene, 3)

    def dies(image):
        if image.mean() == odd:
            with tries.open("ab") as file:
                file.write(b".")
            os.kill(os.getpid(), signal.SIGKILL)

    root, outcome = made_by(dies, scene, tmp_path / "a", ray)
    (signalled,) = [s for s in outcome.signals if s.code == "NO_PREDICTION"]
    assert signalled.photos == ("frame-000003.color",) and "workers were lost over it" in signalled.message
    assert tries.stat().st_size <= 1 + dispatch.TRIES
    assert len(list((root / "depth").glob("*.npy"))) == tiny.COUNT


def slow_worker(ray, scene, tmp_path, monkeypatch):
    """A photo that a worker is late with is done by another: the run doesn't wait for the slow one."""
    monkeypatch.setattr(dispatch, "LATE_S", 0.5)
    mark, odd = tmp_path / "mark", shown(scene, 0)

    def sleeps_once(image):
        if image.mean() == odd and first_time(mark):
            time.sleep(600)

    spread, _ = made_by(sleeps_once, scene, tmp_path / "a", ray)
    here, _ = made_by(lambda image: None, scene, tmp_path / "b", IN_PROCESS)
    same_depth(spread, here)
    assert not list(spread.rglob(".tmp-*"))


def row_error(ray, scene, tmp_path, monkeypatch):
    """The photo is named, what was made before it is kept, and the next run ends in the same bytes."""
    odd = shown(scene, 4)

    def refuses(image):
        if image.mean() == odd:
            raise InputError("made up")

    with pytest.raises(InputError, match=r"^frame-000004.color: made up$"):
        made_by(refuses, scene, tmp_path / "a", ray)
    root = tmp_path / "a" / "copy"
    assert "frame-000004.color.npy" not in [path.name for path in (root / "depth").iterdir()]
    here, _ = made_by(lambda image: None, scene, tmp_path / "b", IN_PROCESS)
    model = FunctionModel(lambda image, camera: image[..., 0].astype(np.float32) / 50 + 1, name="made", version="1")
    depth(Scene(root), Job(Settings(), "cpu", model, engine=ray))
    same_depth(root, here)


def engine_absent(ray, scene, tmp_path, monkeypatch):
    """One of an unknown name, and Ray where it is not installed: said before anything is done."""
    photos = scene / "photos"
    refused(
        command("run", photos, "-o", tmp_path / "s", "--engine", "none-such"), "none-such", "wanted in-process, ray"
    )
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    refused(command("run", photos, "-o", tmp_path / "s", "--engine", "ray"), "not installed", "pip install")
    refused(command("depth", scene, "--shard", "3/2"), "3/2", "wanted NUMBER/COUNT")
    assert not (tmp_path / "s").exists()


def version_clash(ray, scene, tmp_path, monkeypatch):
    """A worker that would compute otherwise is not given anything."""
    for hand in ray._hands:  # those that have been greeted
        ray._there().ray.kill(hand.actor)
    ray._hands.clear()
    ours = cluster_module._versions()
    with monkeypatch.context() as patch:
        patch.setattr(cluster_module, "_versions", lambda: ours | {"torch": "0.0"})
        with pytest.raises(StageError, match=r"the worker on .* has torch .*, not 0.0; install the same there as here"):
            made_by(lambda image: None, scene, tmp_path / "a", ray)
    assert not list((tmp_path / "a" / "copy" / "depth").glob("*"))


CASES = {
    "a worker that is killed": worker_killed,
    "a photo that no worker survives": poison_photo,
    "a slow worker": slow_worker,
    "an error for one photo": row_error,
    "an engine that is not there": engine_absent,
    "a worker of another version": version_clash,
}


def test_the_group_is_whole():
    assert len(CASES) == 6


@pytest.mark.parametrize("case", CASES)
def test_it_is_bounded_and_named_and_the_rest_goes_on(case, ray, tiny_scene, tmp_path, monkeypatch):
    CASES[case](ray, tiny_scene, tmp_path, monkeypatch)
