"""Poses that can't be: refused by the name of the photo or row; or told apart by what the photos show."""

import json

import numpy as np
import pytest
from commands import command
from faulty import refused, said
from synthetic import room_frames, write_photos

from recon3d.scene import Scene

GROUP = "12. Poses"
FRAMES = room_frames(4, 256, 192)
MATRICES = {frame.name: frame.world_from_cam.matrix for frame in FRAMES}
SPOILT = FRAMES[1].name


def ours(matrices):
    return json.dumps({"frame": "world_from_cam", "unit": "m", "poses": {k: v.tolist() for k, v in matrices.items()}})


def spoilt(change):
    """Our JSON with one pose changed: `change` works on a copy of the 4 x 4."""
    matrix = MATRICES[SPOILT].copy()
    answer = change(matrix)
    return ours(MATRICES | {SPOILT: matrix if answer is None else answer})


def reflected(matrix):
    matrix[:3, 0] *= -1


def scaled(matrix):
    matrix[:3, :3] *= 1.3


def sheared(matrix):
    matrix[:3, 1] += 0.3 * matrix[:3, 0]


def not_a_number(matrix):
    matrix[0, 3] = 12345.0


def bottom_row(matrix):
    matrix[3] = [0, 0, 0.5, 1]


def quaternion_of_length_two():
    rows = [f"{i} 0 0 {i} 0 0 0 2" for i in range(len(FRAMES))]
    return "\n".join(rows)


def the_other_way_round():
    return "\n".join(" ".join(map(str, np.linalg.inv(matrix).ravel())) for matrix in MATRICES.values())


def twice():
    return ours(MATRICES)[:-2] + f', "{SPOILT}.png": {MATRICES[SPOILT].tolist()}}}}}'


CASES = {
    "a reflection (determinant -1)": (spoilt(reflected), ("reflection", SPOILT)),
    "a rotation that is scaled": (spoilt(scaled), ("rotation", SPOILT)),
    "a rotation that is sheared": (spoilt(sheared), ("rotation", SPOILT)),
    "NaN": (spoilt(not_a_number).replace("12345.0", "NaN"), ("NaN",)),
    "a bottom row that is not 0 0 0 1": (spoilt(bottom_row), ("0 0 0 1", SPOILT)),
    "3 x 4": (spoilt(lambda matrix: matrix[:3]), None),
    "a quaternion in another order or of another length": (quaternion_of_length_two(), ("quaternion", "row 1")),
    "cam_from_world for world_from_cam": (the_other_way_round(), ("cam_from_world",)),
    "one photo twice": (twice(), ("two poses", SPOILT)),
    "a photo without a pose": (ours({k: v for k, v in MATRICES.items() if k != SPOILT}), None),
}
"""The file of poses, and words of its refusal; None = it is taken."""


def test_the_group_is_whole():
    assert len(CASES) == 10


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return write_photos(tmp_path_factory.mktemp("photos") / "photos", FRAMES)


@pytest.fixture(scope="module")
def camera(tmp_path_factory):
    path = tmp_path_factory.mktemp("camera") / "K.txt"
    np.savetxt(path, FRAMES[0].camera.K)
    return path


@pytest.mark.parametrize("case", CASES)
def test_a_pose_that_can_not_be_is_refused_or_asked_about(case, photos, camera, tmp_path):
    text, words = CASES[case]
    path = tmp_path / "poses.txt"
    path.write_text(text)
    said(command("init", photos, "-o", tmp_path / "s", "--camera", camera), 0)
    done = command("poses", tmp_path / "s", "--poses", path, "--set", "poses.features=800")
    if words:
        refused(done, str(path), *words)
        return
    said(done, 0)
    scene = Scene.open(tmp_path / "s")
    assert len(scene.names()) == (4 if case == "3 x 4" else 3)
    if case != "3 x 4":
        assert "NO_POSE" in done.stderr and SPOILT in done.stderr
