"""Workers that share no disk: each has a working copy of its own of a scene in a store, and the bytes are the same."""

import pickle
import shutil

import pytest
from spread import STAGES, job, same_results

from recon3d.engine.in_process import InProcess
from recon3d.scene import Scene
from recon3d.stages.chain import run_to
from recon3d.store import Store

pytestmark = pytest.mark.usefixtures("one_thread_a_module")


class Apart:
    """Hands pieces to machines: what goes to them is what would go over a network, and no path of ours."""

    shares = 2

    def __init__(self, folder, monkeypatch, *, dies_after=None):
        self.folder, self.monkeypatch, self.dies_after = folder, monkeypatch, dies_after
        self.done = {1: 0, 2: 0}

    def do(self, work, items, report):
        todo, here = [item for item in items if not work.is_done(item)], pickle.dumps(work)
        for machine in (1, 2):
            with self.monkeypatch.context() as there:
                there.setenv("RECON3D_CACHE", str(self.folder / f"machine-{machine}"))
                theirs = pickle.loads(here)
            mine = todo[machine - 1 :: 2]
            for answer in InProcess().do(theirs, mine, report):
                self.done[machine] += 1
                yield answer
                if sum(self.done.values()) == self.dies_after:
                    raise KeyboardInterrupt

    def gather(self, work, items):
        pass


@pytest.fixture
def stored(demo_scene, tmp_path, monkeypatch):
    """A copy of the scene in a store, in which depth and what rests on it is to be done again."""
    root = shutil.copytree(demo_scene, tmp_path / "store")
    Scene(root).forget("depth")
    monkeypatch.setenv("RECON3D_CACHE", str(tmp_path / "driver"))
    return root


def done(root, engine):
    scene = Scene.open(f"file://{root}")
    for stage in ("depth", "scale", "refine", "fuse"):
        for _ in run_to(scene, stage, job(engine)):
            pass
    return scene


def test_machines_without_a_common_disk_make_the_same_bytes(stored, demo_scene, tmp_path, monkeypatch):
    engine = Apart(tmp_path, monkeypatch)
    scene = done(stored, engine)
    same_results(stored, demo_scene)
    assert min(engine.done.values()) > 10
    for stage in STAGES:
        assert scene.manifest()["stages"][stage] == Scene(demo_scene).manifest()["stages"][stage]
    assert not (scene.root / "matched").exists() and not list(stored.rglob(".tmp-*"))
    (copy,) = (tmp_path / "machine-1" / "scenes").iterdir()
    assert (copy / "images").is_dir() and not (copy / "photos").exists()  # what it read, and no more


def test_what_machines_had_done_when_all_died_is_not_done_again(stored, demo_scene, tmp_path, monkeypatch):
    with pytest.raises(KeyboardInterrupt):
        done(stored, Apart(tmp_path, monkeypatch, dies_after=4))
    made = {name: held for name, held in Store.at(f"file://{stored}").lists().items() if name.startswith("depth/")}
    for machine in ("driver", "machine-1", "machine-2"):
        shutil.rmtree(tmp_path / machine)
    done(stored, Apart(tmp_path, monkeypatch))
    same_results(stored, demo_scene)
    again = Store.at(f"file://{stored}").lists()
    assert len(made) >= 4 and {name: again[name] for name in made} == made


def test_workers_on_ray_work_through_a_store(ray, stored, demo_scene):
    scene = done(stored, ray)
    same_results(stored, demo_scene)
    for stage in STAGES:
        assert scene.manifest()["stages"][stage] == Scene(demo_scene).manifest()["stages"][stage]
