"""Sets of photos of odd shapes: one photo is a view, copies are named, sizes and cameras may be mixed."""

import math

import numpy as np
import pytest
from commands import command
from faulty import encoded, refused, said, whole
from PIL import Image
from synthetic import look_at, render, room, room_frames

from recon3d.formats.mesh_file import read_mesh
from recon3d.geometry import Camera

GROUP = "8. Set shape"
SETTINGS = ("--set", "poses.features=800", "--set", "fuse.voxel_size=0.08")
WALK = room_frames(4, 256, 192)


def seen_by(camera, count=2):
    """The walk as another camera saw it, a little aside, so that no view is a copy."""
    poses = [look_at(frame.world_from_cam.t + 0.05, [0.0, -0.5, 0.8]) for frame in WALK[:count]]
    return [render(f"other-{number}", room, camera, pose) for number, pose in enumerate(poses)]


def copies(frames):
    return {f"copy-{number}": frame for number, frame in enumerate(frames)}


def walk(*more):
    return {frame.name: frame for frame in (*WALK, *more)}


def smaller():
    return seen_by(Camera.from_fov(192, 144, math.radians(70)))


def upright():
    return seen_by(Camera.from_fov(192, 256, math.radians(50)))


def wider():
    return seen_by(Camera.from_fov(256, 192, math.radians(90)))


CASES = {
    "no photo": (dict, "the folder is empty"),
    "one photo": (lambda: {"one": WALK[0]}, "1 of 1 photos have a pose (one photo)"),
    "two photos": (lambda: copies(WALK[:2]), "of 2 photos"),
    "all identical": (lambda: copies([WALK[0]] * 3), "the same view"),
    "two copies of one among others": (lambda: walk() | copies(WALK[1:2]), "DUPLICATES"),
    "mixed sizes": (lambda: walk(*smaller()), "6 of 6 photos have a pose"),
    "portrait beside landscape": (lambda: walk(*upright()), "6 of 6 photos have a pose"),
    "two cameras": (lambda: walk(*wider()), "6 of 6 photos have a pose"),
}
"""The photos, and words of what is said about them."""
MESHED = ("one photo", "two photos", "all identical")
"""Sets that structure from motion can't make much of: they are followed to their mesh."""
QUICK = ("no photo", "one photo")


def test_the_group_is_whole():
    assert len(CASES) == 8


@pytest.mark.parametrize("case", [pytest.param(c, marks=[] if c in QUICK else [pytest.mark.slow]) for c in CASES])
def test_every_set_is_placed_or_says_why_not(case, tmp_path):
    make, words = CASES[case]
    photos, maps = tmp_path / "photos", tmp_path / "maps"
    photos.mkdir()
    maps.mkdir()
    for name, frame in make().items():
        tags = Image.Exif()
        tags[272] = f"camera {frame.camera.fx:.0f}"
        (photos / f"{name}.png").write_bytes(encoded(frame.image, format="PNG", exif=tags))
        np.save(maps / f"{name}.npy", frame.depth)
    done = command("init", photos, "-o", tmp_path / "s")
    if case == "no photo":
        refused(done, words)
        return
    said(done, 0)
    done = command("mesh" if case in MESHED else "poses", tmp_path / "s", "--depth", maps, *SETTINGS)
    assert words in said(done, 0) + done.stdout
    whole(tmp_path / "s")
    if case in MESHED:
        assert len(read_mesh(tmp_path / "s" / "mesh.ply").triangles) > 500
