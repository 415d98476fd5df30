"""Given poses are kept to the last digit, whichever file they come in."""

import json
import struct
from pathlib import Path

import numpy as np
import pytest

from recon3d.formats.pose_file import read_poses
from recon3d.formats.sevenscenes import read_sevenscenes
from recon3d.geometry import SE3

NAMES = [f"frame-{i:06d}" for i in range(5)]


def turn(quat_wxyz: np.ndarray) -> np.ndarray:
    """Rotation of a quaternion by its action on the axes, v + 2 w (q x v) + 2 q x (q x v): not the reader's formula."""
    w, q = quat_wxyz[0], quat_wxyz[1:]
    return np.stack([v + 2 * w * np.cross(q, v) + 2 * np.cross(q, np.cross(q, v)) for v in np.eye(3)], axis=1)


@pytest.fixture(scope="module")
def quats() -> np.ndarray:
    found = np.random.default_rng(7).normal(size=(len(NAMES), 4))
    return found / np.linalg.norm(found, axis=1, keepdims=True)


@pytest.fixture(scope="module")
def matrices(quats: np.ndarray) -> np.ndarray:
    """Rotations right to the last digit, and positions of up to some hundred metres."""
    found = np.tile(np.eye(4), (len(NAMES), 1, 1))
    found[:, :3, :3] = [turn(quat) for quat in quats]
    found[:, :3, 3] = np.random.default_rng(8).normal(0, 100, (len(NAMES), 3))
    return found


def same(found: dict[str, SE3], matrices: np.ndarray) -> None:
    for name, matrix in zip(NAMES, matrices, strict=True):
        assert np.array_equal(found[name].matrix, matrix)


def test_json_of_ours(tmp_path: Path, matrices: np.ndarray) -> None:
    poses = {name: matrix.tolist() for name, matrix in zip(NAMES, matrices, strict=True)}
    (tmp_path / "poses.json").write_text(json.dumps({"frame": "world_from_cam", "unit": "m", "poses": poses}))
    same(read_poses(tmp_path / "poses.json", NAMES).world_from_cam, matrices)


@pytest.mark.parametrize("rows", [3, 4])
def test_rows_of_kitti_and_of_whole_matrices(tmp_path: Path, matrices: np.ndarray, rows: int) -> None:
    np.savetxt(tmp_path / "poses.txt", matrices[:, :rows].reshape(len(NAMES), -1), fmt="%.17g")
    same(read_poses(tmp_path / "poses.txt", NAMES).world_from_cam, matrices)


def test_nerfstudio_only_changes_signs(tmp_path: Path, matrices: np.ndarray) -> None:
    opengl = matrices * [1, -1, -1, 1]
    frames = [
        {"file_path": f"images/{name}.jpg", "transform_matrix": matrix.tolist()}
        for name, matrix in zip(NAMES, opengl, strict=True)
    ]
    (tmp_path / "transforms.json").write_text(json.dumps({"frames": frames}))
    same(read_poses(tmp_path / "transforms.json", NAMES).world_from_cam, matrices)


def test_seven_scenes(tmp_path: Path, matrices: np.ndarray) -> None:
    for name, matrix in zip(NAMES, matrices, strict=True):
        (tmp_path / f"{name}.color.png").touch()
        np.savetxt(tmp_path / f"{name}.pose.txt", matrix, fmt="%.17g", delimiter="\t")
    found = read_sevenscenes(tmp_path).world_from_cam
    same({path.name.partition(".")[0]: pose for path, pose in found.items()}, matrices)


def test_tum_keeps_positions_and_turns_as_its_quaternions_say(
    tmp_path: Path, matrices: np.ndarray, quats: np.ndarray
) -> None:
    rows = np.column_stack([np.arange(len(NAMES)), matrices[:, :3, 3], quats[:, [1, 2, 3, 0]]])
    np.savetxt(tmp_path / "tum.txt", rows, fmt="%.17g")
    found = read_poses(tmp_path / "tum.txt", NAMES).world_from_cam
    for name, matrix in zip(NAMES, matrices, strict=True):
        assert np.array_equal(found[name].t, matrix[:3, 3])
        np.testing.assert_allclose(found[name].R, matrix[:3, :3], rtol=0, atol=1e-15)  # entries ≤ 1: some ulp


@pytest.mark.parametrize("ending", ["txt", "bin"])
def test_colmap(tmp_path: Path, matrices: np.ndarray, quats: np.ndarray, ending: str) -> None:
    """The file holds cam_from_world: what is read is its inverse, which inverted again is the file's."""
    entries = list(zip(NAMES, quats, matrices[:, :3, 3], strict=True))
    if ending == "txt":
        lines = (
            " ".join(map(repr, [i + 1, *quat.tolist(), *t.tolist(), 1])) + f" {name}.jpg\n\n"
            for i, (name, quat, t) in enumerate(entries)
        )
        (tmp_path / "images.txt").write_text("".join(lines))
        (tmp_path / "cameras.txt").write_text("1 PINHOLE 640 480 500 500 320 240\n")
    else:
        data = struct.pack("<Q", len(entries))
        for i, (name, quat, t) in enumerate(entries):
            data += struct.pack("<I7dI", i + 1, *quat, *t, 1) + f"{name}.jpg\0".encode() + struct.pack("<Q", 0)
        (tmp_path / "images.bin").write_bytes(data)
        (tmp_path / "cameras.bin").write_bytes(struct.pack("<QIiQQ4d", 1, 1, 1, 640, 480, 500, 500, 320, 240))
    found = read_poses(tmp_path, NAMES).world_from_cam
    for name, quat, t in entries:
        np.testing.assert_allclose(found[name].R.T, turn(quat), rtol=0, atol=1e-15)
        # Two turns, three products each: some ulp of the length.
        np.testing.assert_allclose(-found[name].R.T @ found[name].t, t, rtol=0, atol=1e-15 * np.linalg.norm(t))
