import pytest
from spread import job
from synthetic import room_frames, write_capture

from recon3d.stages.chain import run


@pytest.fixture(scope="module")
def demo_scene(tmp_path_factory):
    """A scene whose depth is a network's, so that photos are matched too."""
    folder = tmp_path_factory.mktemp("spread")
    photos = write_capture(folder / "capture", room_frames(5, 96, 72))
    for outcome in run(photos, folder / "scene", job()):
        if outcome.stage == "fuse":
            return folder / "scene"
