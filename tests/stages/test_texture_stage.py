"""The stage texture on an exact capture: recorded depth, given poses."""

import json

import numpy as np
import pytest
import trimesh
from commands import command
from synthetic import room_frames, write_capture

import recon3d
from recon3d.formats.textured_glb import read_textured_glb


@pytest.fixture(scope="module")
def scene(tmp_path_factory):
    folder = tmp_path_factory.mktemp("texture")
    capture = write_capture(folder / "capture", room_frames(4))
    made = recon3d.run(capture, folder / "scene", model="recorded")
    assert not made.file("textured.glb").exists()  # no part of a run
    done = command("texture", made.root, "--set", "texture.size=256", "--set", "texture.picture=png", "--json")
    assert done.returncode == 0, done.stderr
    facts = json.loads(done.stdout)["texture"]
    assert facts["size_px"] == 256 and facts["seen_share"] > 0.9 and facts["gains"] == [1, 1]
    return made


def test_the_textured_mesh_is_the_mesh(scene):
    textured = read_textured_glb(scene.file("textured.glb"))
    plain = trimesh.load_mesh(scene.file("mesh.ply"), process=False)
    assert len(textured.mesh.triangles) == len(plain.faces)
    np.testing.assert_allclose(textured.mesh.vertices[textured.mesh.triangles], plain.triangles, atol=1e-6)
    assert textured.texture.std() > 10


def test_a_second_time_nothing_is_done(scene):
    before = scene.file("textured.glb").stat().st_mtime_ns
    done = command("texture", scene.root)
    assert done.returncode == 0 and "texture: up to date" in done.stdout
    assert scene.file("textured.glb").stat().st_mtime_ns == before


@pytest.mark.parametrize(
    ("assignment", "said"),
    [("texture.size=20", "wanted 64 to 8192"), ("texture.size=99999", "wanted 64"), ("texture.picture=gif", "png")],
)
def test_settings_that_there_are_not_are_said(scene, assignment, said):
    before = scene.file("textured.glb").read_bytes()
    done = command("texture", scene.root, "--set", assignment)
    assert done.returncode == 1 and said in done.stderr and done.stderr.count("\n") == 1
    assert scene.file("textured.glb").read_bytes() == before


def test_textures_are_exported(scene, tmp_path):
    for kind, out in (("textured-glb", tmp_path / "t.glb"), ("textured-obj", tmp_path / "obj")):
        done = command("export", scene.root, "--to", kind, "-o", out)
        assert done.returncode == 0, done.stderr
    assert len(read_textured_glb(tmp_path / "t.glb").mesh.triangles)
    read = trimesh.load(tmp_path / "obj" / "mesh.obj", force="mesh", process=False)
    assert read.visual.material.image.size == (256, 256)
