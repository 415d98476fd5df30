"""Every parser of ours on spoilt files: a value, or one line that names the file. `make fuzz` tries many more.

How many is the profile's: `--hypothesis-profile=fuzz`.
"""

import io
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import trimesh
from faulty import HEIGHT, WIDTH, encoded, picture
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from recon3d.cli.words import OPTION_SETTINGS
from recon3d.errors import InputError, StageError
from recon3d.formats.camera_file import read_camera, write_camera
from recon3d.formats.cloud_file import read_cloud
from recon3d.formats.csv_table import read_table
from recon3d.formats.depth_map import read_depth
from recon3d.formats.mesh_file import read_mesh
from recon3d.formats.nerfstudio import read_transforms
from recon3d.formats.pose_file import read_poses
from recon3d.geometry import Calibration, Camera
from recon3d.photos.exif import calibration_from_exif
from recon3d.photos.read import read_photo
from recon3d.scene import Scene
from recon3d.settings import Settings
from recon3d.stages.batch_rows import Defaults, rows_of

BUDGET = settings(
    max_examples=max(1, settings.default.max_examples // 5), derandomize=settings.default.max_examples < 200
)
NAMES = ["a", "b"]


@dataclass(frozen=True)
class Parser:
    """A file that is right, and what reads it."""

    name: str
    good: bytes
    read: Callable[[Path], Any]


def camera_bytes(ending, tmp):
    path = tmp / f"camera{ending}"
    camera = Camera(WIDTH, HEIGHT, 60.0, 60.0, 31.5, 23.5)
    write_camera(path, Calibration(camera, "opencv", (0.1, -0.02, 0.001, 0.0, 0.0), source="calib file"))
    return path.read_bytes()


def saved(save, *arrays, **options):
    buffer = io.BytesIO()
    save(buffer, *arrays, **options)
    return buffer.getvalue()


def photo(path):
    found = read_photo(path, max_megapixels=1)
    return calibration_from_exif(found.exif, *found.size)


def scene_of(path):
    scene = Scene.open(path.parent)
    for stage in ("init", "depth", "fuse"):
        scene.is_done(stage)
        scene.settings_of(stage), scene.facts(stage)
    return scene.signals()


def jobs(path):
    """A table of a batch; what is wrong with its rows is told a line each."""
    rows, wrong = rows_of(read_table(path), Defaults(path.parent, Settings(), None, "auto", OPTION_SETTINGS))
    assert all("\n" not in why for _, why in wrong)
    return rows


def tagged():
    tags = Image.Exif()
    tags[271], tags[272], tags[274] = "maker", "model", 6
    tags.get_ifd(0x8769).update({37386: 4.2, 41989: 28})
    tags.get_ifd(0x8825).update({1: "N", 2: (47.0, 22.0, 1.0), 3: "E", 4: (8.0, 32.0, 2.0)})
    return encoded(picture(), format="JPEG", exif=tags)


def mesh_bytes(kind):
    exported = trimesh.creation.box().export(file_type=kind)
    return exported if isinstance(exported, bytes) else exported.encode()


EYE = np.eye(4).tolist()
DEPTH = np.linspace(1, 2, WIDTH * HEIGHT, dtype=np.float32).reshape(HEIGHT, WIDTH)
MANIFEST = {
    "schema": 1,
    "stages": {"init": {"key": "k", "settings": {"max_side": 9}, "done": True, "facts": {"photos": 1}}},
    "signals": [{"stage": "init", "code": "SKIPPED", "message": "m", "photos": ["a"], "advice": "x"}],
}
TRANSFORMS = {"w": WIDTH, "h": HEIGHT, "fl_x": 60, "frames": [{"file_path": "a.png", "transform_matrix": EYE}]}
JOBS = b"""\xef\xbb\xbfphotos;scene;model;level;fuse.voxel_size;poses.file
# of may
in;out;demo;no;0.02;none
"a;b";"=1+1";;auto;;p.json
"""
POSES = {"frame": "world_from_cam", "unit": "m", "poses": {"a": EYE, "b": EYE}}


def parsers(tmp):
    def camera(path):
        return read_camera(path, (WIDTH, HEIGHT))

    def poses(path):
        return read_poses(path, NAMES)

    def depth(path):
        return read_depth(path, unit_m=0.001)

    rows = "\n".join(" ".join(map(str, np.eye(4).ravel())) for _ in NAMES)
    return [
        *(
            Parser(f"camera{ending}", camera_bytes(ending, tmp), camera)
            for ending in (".json", ".yaml", ".xml", ".txt")
        ),
        Parser("K.txt", b"60 0 31.5\n0 60 23.5\n0 0 1\n", camera),
        Parser("poses.json", json.dumps(POSES).encode(), poses),
        Parser("tum.txt", b"0 0 0 0 0 0 0 1\n1 1 0 0 0 0 0 1\n", poses),
        Parser("rows.txt", rows.encode(), poses),
        Parser("transforms.json", json.dumps(TRANSFORMS).encode(), read_transforms),
        Parser("d.npy", saved(np.save, DEPTH), depth),
        Parser("d.npz", saved(np.savez, depth=DEPTH), depth),
        Parser("d.png", encoded((1000 * DEPTH).astype(np.uint16), format="PNG"), depth),
        Parser("d.tiff", encoded(DEPTH, format="TIFF"), depth),
        Parser("d.pfm", f"Pf\n{WIDTH} {HEIGHT}\n-1.0\n".encode() + DEPTH.tobytes(), depth),
        Parser("scene.json", json.dumps(MANIFEST).encode(), scene_of),
        Parser("settings.toml", b"[fuse]\nvoxel_size = 0.02\n[photos]\nmax_side = 640\n", Settings().with_toml),
        Parser("jobs.csv", JOBS, jobs),
        Parser("photo.jpg", tagged(), photo),
        *(Parser(f"m.{kind}", mesh_bytes(kind), read_mesh) for kind in ("ply", "glb", "obj", "stl")),
        Parser("cloud.ply", mesh_bytes("ply"), read_cloud),
    ]


spoils = st.lists(
    st.tuples(st.floats(0, 1), st.sampled_from(["set", "insert", "delete", "repeat"]), st.binary(max_size=8)),
    min_size=1,
    max_size=4,
)
"""What is done to the bytes, one after another: where, what, with which."""


def spoilt(data, changes):
    for share, how, bytes_ in changes:
        at = int(share * len(data))
        if how == "set":
            data = data[:at] + bytes_ + data[at + len(bytes_) :]
        elif how == "insert":
            data = data[:at] + bytes_ + data[at:]
        elif how == "delete":
            data = data[:at] + data[at + 16 :]
        else:
            data = data[:at] + data[max(0, at - 40) : at] * 3 + data[at:]
    return data


leaves = st.none() | st.booleans() | st.integers(-3, 10**20) | st.floats(allow_nan=False) | st.text(max_size=5)
values = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner), max_leaves=5
)


def replaced(tree, path, value):
    """The tree with one of its parts, found by following shares, exchanged."""
    if not path or not isinstance(tree, dict | list) or not tree:
        return value
    keys = list(tree) if isinstance(tree, dict) else list(range(len(tree)))
    key = keys[int(path[0] * (len(keys) - 1e-9))]
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[key] = replaced(tree[key], path[1:], value)
    return copy


def a_value_or_one_line(parser, data, folder):
    path = folder / parser.name
    path.write_bytes(data)
    try:
        parser.read(path)
    except (InputError, StageError) as error:
        assert parser.name in str(error) or "settings" in str(error) or "setting" in str(error)
        assert "\n" not in str(error)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("fuzz")


@pytest.fixture(scope="module")
def all_parsers(folder):
    return parsers(folder)


@pytest.mark.parametrize("number", range(23))
def test_spoilt_bytes_are_a_value_or_one_line(number, all_parsers, folder):
    parser = all_parsers[number]
    parser_folder = folder / str(number)
    parser_folder.mkdir()

    @BUDGET
    @given(spoils)
    def tried(changes):
        a_value_or_one_line(parser, spoilt(parser.good, changes), parser_folder)

    a_value_or_one_line(parser, parser.good, parser_folder)
    tried()


@pytest.mark.parametrize("name", ["camera.json", "poses.json", "transforms.json", "scene.json"])
def test_json_with_any_part_exchanged_is_a_value_or_one_line(name, all_parsers, folder):
    parser = next(parser for parser in all_parsers if parser.name == name)
    parser_folder = folder / f"json-{name}"
    parser_folder.mkdir()

    @BUDGET
    @given(st.lists(st.floats(0, 1, exclude_max=True), max_size=5), values)
    def tried(path, value):
        a_value_or_one_line(parser, json.dumps(replaced(json.loads(parser.good), path, value)).encode(), parser_folder)

    tried()
