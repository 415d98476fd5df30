"""What the real Blender makes of our files: size, axes, colours, normals, and cameras that see what the photos saw."""

import json
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest
import trimesh
from synthetic import FURNITURE, ROOM, look_at, render, room

from recon3d.errors import StageError
from recon3d.formats import blend
from recon3d.formats.blend import blender_python, write_blend
from recon3d.formats.colour import linear_from_srgb
from recon3d.formats.glb import write_glb
from recon3d.formats.obj import write_obj
from recon3d.formats.ply import write_mesh
from recon3d.formats.stl import write_stl
from recon3d.formats.usd import write_usd
from recon3d.geometry import Camera, Mesh, View

SCALE = "unit metre; scale depth median, one sigma 2.34 percent"
COLOR = np.array([200, 128, 30], np.uint8)
FILES = ("m.ply", "m.obj", "m.stl", "m.glb", "m.usdc", "m.blend")
WITH_CAMERAS = ("m.glb", "m.usdc", "m.blend")
CENTRED = Camera(160, 120, 140.0, 140.0, 79.5, 59.5)
SHIFTED = Camera(160, 120, 140.0, 140.0, 70.0, 66.0)
UPRIGHT = Camera(120, 160, 130.0, 130.0, 59.5, 79.5)
FACES = {
    "high": ([2.0, 1.2, 1.5], CENTRED),
    "off 'centre'": ([-1.5, 1.4, 1.0], SHIFTED),
    "portrait": ([0.3, 1.6, 1.2], UPRIGHT),
}
"""Where photos of the made-up room were taken; the second by a camera whose principal point is not in the middle."""


@pytest.fixture(scope="module")
def python() -> Path:
    try:
        return blender_python()
    except StageError:
        pytest.skip("bpy: no .venv-bpy here; make blender makes it")


def furnished() -> Mesh:
    """The made-up room as triangles, seen from inside."""
    boxes = [trimesh.creation.box(bounds=corners).subdivide() for corners in (ROOM, *FURNITURE)]
    boxes[0].invert()
    joined = trimesh.util.concatenate(boxes)
    colors = np.tile(COLOR, (len(joined.vertices), 1))
    return Mesh(joined.vertices, joined.faces, colors, joined.vertex_normals.astype(np.float32))


@pytest.fixture(scope="module")
def frames():
    return [render(name, room, camera, look_at(eye, [0, -0.4, 0.6])) for name, (eye, camera) in FACES.items()]


@pytest.fixture(scope="module")
def found(python, frames, tmp_path_factory):
    """What one Blender says about all files."""
    folder = tmp_path_factory.mktemp("in 'Blender' ü")
    mesh = furnished()
    views = [View(frame.name, frame.camera, frame.world_from_cam) for frame in frames]
    pictures = {frame.name: folder / f"{frame.name}.png" for frame in frames}
    for frame in frames:
        cv2.imwrite(str(pictures[frame.name]), frame.image[..., ::-1])
    write_mesh(folder / "m.ply", mesh, [SCALE])
    write_obj(folder / "m.obj", mesh, [SCALE])
    write_stl(folder / "m.stl", mesh, SCALE)
    write_glb(folder / "m.glb", mesh, {"scale": SCALE}, views)
    write_usd(folder / "m.usdc", mesh, SCALE, views)
    write_blend(folder / "m.blend", mesh, SCALE, views, pictures)
    for picture in pictures.values():
        picture.unlink()  # they are packed
    sizes = [[frame.camera.width, frame.camera.height] for frame in frames]
    job = {"files": {name: str(folder / name) for name in FILES}, "sizes": sizes}
    (folder / "job.json").write_text(json.dumps(job))
    probe = Path(__file__).with_name("blender_probe.py")
    command = [str(python), str(probe), str(folder / "job.json"), str(folder / "found.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=300)
    assert done.returncode == 0, done.stderr
    return json.loads((folder / "found.json").read_text())


@pytest.mark.parametrize("name", FILES)
def test_the_room_is_as_large_as_it_is_and_stands_upright(found, name):
    """The room is 5 x 4 x 2.6 m, its floor at z = 0: each extent differs, so that a turned axis shows."""
    low, high = np.array(found[name]["low"]), np.array(found[name]["high"])
    np.testing.assert_allclose(high - low, [5.0, 4.0, 2.6], rtol=1e-3)
    np.testing.assert_allclose([low, high], ROOM, atol=2.6e-3)
    assert found[name]["unit_m"] == 1.0
    assert found[name]["triangles"] == len(furnished().triangles)


@pytest.mark.parametrize("name", FILES)
def test_faces_look_outward(found, name):
    """Out of the room's walls is into the room: the volume is that of the furniture less that of the room."""
    mesh = furnished()
    assert found[name]["volume"] == pytest.approx(trimesh.Trimesh(mesh.vertices, mesh.triangles).volume, rel=1e-3)
    assert found[name]["smooth"] == 1.0


@pytest.mark.parametrize("name", [name for name in FILES if name != "m.stl"])
def test_colours_are_the_photos(found, name):
    np.testing.assert_allclose(found[name]["colors"]["linear"], linear_from_srgb(COLOR), atol=1e-3)


def test_a_material_preview_shows_the_colours(found):
    assert found["m.blend"]["material"] == "Color"
    assert found["m.glb"]["material"] in ("", "Color")  # "": the active colours
    assert found["m.usdc"]["material"] == "displayColor"


def test_the_scale_s_doubt_travels(found):
    assert found["m.blend"]["properties"]["scale"] == SCALE
    assert found["m.glb"]["properties"]["scale"] == SCALE


@pytest.mark.parametrize("name", WITH_CAMERAS)
def test_a_camera_sees_the_depth_that_its_photo_saw(found, frames, name):
    assert len(found[name]["cameras"]) == len(frames)
    for frame, camera in zip(frames, found[name]["cameras"].values(), strict=True):
        if name == "m.glb" and frame.camera == SHIFTED:
            continue  # glTF has no principal point
        size = round(0.4 * frame.camera.width), round(0.4 * frame.camera.height)
        small = render(frame.name, room, frame.camera.resized(*size), frame.world_from_cam)
        error = np.abs(np.array(camera["depth"]) - small.depth)
        assert (error < 0.02).mean() >= 0.95, f"{100 * (error < 0.02).mean():.1f} % within 2 cm"


def test_a_blender_camera_has_the_photo_s_lens_picture_and_frame(found, frames):
    assert list(found["m.blend"]["cameras"]) == list(FACES)
    assert found["m.blend"]["size"] == [160, 120]  # the first photo's
    for number, frame in enumerate(frames, 1):
        camera = found["m.blend"]["cameras"][frame.name]
        assert camera["lens_mm"] / camera["sensor_mm"] == pytest.approx(frame.camera.fx / frame.camera.width)
        assert camera["background"] == [f"{frame.name}.png"]
        assert camera["markers"] == [number]
    assert found["m.blend"]["cameras"]["off 'centre'"]["shift"] == pytest.approx([9.5 / 160, 6.5 / 160], abs=1e-6)


def test_without_blender_it_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setattr(blend, "ENVIRONMENT", ".venv-that-is-not-there")
    with pytest.raises(StageError, match="make blender.*RECON3D_BPY.*glb"):
        write_blend(tmp_path / "m.blend", furnished())
    monkeypatch.setenv("RECON3D_BPY", str(tmp_path / "python"))
    with pytest.raises(StageError, match="no such file"):
        write_blend(tmp_path / "m.blend", furnished())


def test_a_blender_that_fails_says_why(tmp_path, monkeypatch):
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho no room on the device >&2\nexit 3\n")
    broken.chmod(0o755)
    monkeypatch.setenv("RECON3D_BPY", str(broken))
    with pytest.raises(StageError, match="no room on the device"):
        write_blend(tmp_path / "m.blend", furnished())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["python"]
