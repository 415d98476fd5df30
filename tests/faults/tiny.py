"""The smallest scene with all stages: six photos of 96 x 72 px with their depth and poses, done in about a second."""

import shutil

from commands import command
from faulty import said
from synthetic import room_frames, write_capture

WIDTH, HEIGHT, COUNT = 96, 72, 6
SETTINGS = ("--model", "recorded", "--set", "poses.features=300", "--set", "fuse.voxel_size=0.08")


def capture(folder):
    """Photos, depth and poses in the layout of 7-Scenes."""
    return write_capture(folder, room_frames(COUNT, WIDTH, HEIGHT))


def run(photos, root, *more):
    """`recon3d run` on such a capture."""
    return command("run", photos, "-o", root, *SETTINGS, *more)


def made(photos, root):
    """The finished scene."""
    said(run(photos, root), 0)
    return root


def copied(scene, folder):
    """A copy to spoil."""
    return shutil.copytree(scene, folder / "copy")


def contents(root):
    """The bytes of every file of a scene, but for the database of features and the lock."""
    return {
        str(path.relative_to(root)): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file() and path.suffix != ".db" and path.name != ".lock"
    }


def same(root, whole):
    """Two scenes hold the same files with the same bytes."""
    ours, theirs = contents(root), contents(whole)
    assert ours.keys() == theirs.keys()
    assert [name for name in theirs if ours[name] != theirs[name]] == []
