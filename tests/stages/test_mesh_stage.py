"""Stage mesh on fused surfaces of all kinds, made without fusing."""

import dataclasses
import json

import numpy as np
import pytest
import trimesh
from commands import command

from recon3d.errors import StageError
from recon3d.formats.mesh_file import GREY, read_mesh
from recon3d.formats.ply import write_mesh
from recon3d.geometry import Mesh
from recon3d.scene import Scene
from recon3d.settings import Settings
from recon3d.stages.job import Job
from recon3d.stages.mesh import mesh


def mesh_of(made):
    return Mesh(made.vertices, made.faces, np.full((len(made.vertices), 3), 90, np.uint8))


@pytest.fixture
def scene(tmp_path):
    """A scene that has been fused, to a ball with a crumb beside it."""
    scene = Scene.create(tmp_path / "scene")
    scene.start("scale", "k", {})
    scene.finish("scale", {"source": "given poses", "relative_sigma": 0.01}, [])
    crumb = trimesh.creation.icosphere(1, 0.01).apply_translation([2, 0, 0])
    scene.start("fuse", "k", {})
    write_mesh(scene.file("fused.ply"), mesh_of(trimesh.creation.icosphere(3) + crumb))
    scene.finish("fuse", {}, [])
    return scene


def test_the_fused_surface_is_cleaned_and_the_changes_are_told(scene):
    outcome = mesh(scene, Job())
    assert len(read_mesh(scene.file("mesh.ply")).triangles) == len(read_mesh(scene.file("mesh.glb")).triangles) == 1280
    assert outcome.facts["changes"]["pieces"] == {"before": 2, "after": 1}
    assert outcome.facts["triangles"] == 1280 and "pieces 2 → 1" in outcome.line
    assert json.loads(scene.file("scene.json").read_text())["stages"]["mesh"]["facts"] == outcome.facts
    assert not mesh(scene, Job()).fresh


def test_another_setting_or_another_surface_is_cleaned_again(scene):
    mesh(scene, Job())
    outcome = mesh(scene, Job(Settings().with_assignments(["mesh.min_component=0"])))
    assert outcome.fresh and outcome.facts["changes"]["pieces"] == {"before": 2, "after": 2}
    scene.start("fuse", "another", {})
    assert not scene.file("fused.ply").exists()
    write_mesh(scene.file("fused.ply"), mesh_of(trimesh.creation.icosphere(2)))
    scene.finish("fuse", {}, [])
    assert mesh(scene, Job()).facts["triangles"] == 320


@pytest.mark.parametrize("is_fused", [True, False])
def test_one_photo_keeps_its_depth_s_normals_and_many_get_the_surface_s(scene, is_fused):
    ball = trimesh.creation.icosphere(3)
    up = np.tile(np.float32([0, 0, 1]), (len(ball.vertices), 1))
    write_mesh(scene.file("fused.ply"), dataclasses.replace(mesh_of(ball), normals=up))
    scene.finish("fuse", {"surface_voxels": {"before": 20, "after": 10}} if is_fused else {}, [])
    changes = mesh(scene, Job()).facts["changes"]
    cleaned = read_mesh(scene.file("mesh.ply"))
    true = cleaned.vertices if is_fused else up
    assert np.einsum("vc,vc->v", cleaned.normals, true).min() > 0.99
    assert ("surface_voxels" in changes) == is_fused


def test_a_count_of_triangles_is_reached(scene):
    outcome = mesh(scene, Job(Settings().with_assignments(["mesh.triangles=400"])))
    assert outcome.facts["triangles"] <= 400
    assert outcome.facts["changes"]["decimation_error_m"]["after"] < 0.03


def test_one_triangle_is_a_mesh(scene):
    write_mesh(scene.file("fused.ply"), Mesh(np.eye(3), np.array([[0, 1, 2]]), np.zeros((3, 3), np.uint8)))
    assert mesh(scene, Job()).facts["triangles"] == 1


def test_a_surface_without_colours_is_grey(scene):
    trimesh.creation.icosphere(2).export(scene.file("fused.ply"))
    mesh(scene, Job())
    assert (read_mesh(scene.file("mesh.ply")).colors == GREY).all()


def test_a_surface_of_no_area_is_an_error_with_its_cause(scene):
    flat = Mesh(np.outer(np.arange(3.0), [1, 1, 1]), np.array([[0, 1, 2]]), np.zeros((3, 3), np.uint8))
    write_mesh(scene.file("fused.ply"), flat)
    with pytest.raises(StageError, match="none of its triangles has an area"):
        mesh(scene, Job())
    assert not scene.file("mesh.ply").exists() and not scene.is_done("mesh")


def test_an_empty_surface_or_one_with_nan_is_damaged(scene):
    empty = Mesh(np.empty((0, 3)), np.empty((0, 3), np.int32), np.empty((0, 3), np.uint8))
    write_mesh(scene.file("fused.ply"), empty)
    with pytest.raises(StageError, match="fused.ply: damaged.*no triangles.*recon3d fuse"):
        mesh(scene, Job())
    whole = trimesh.creation.icosphere(1)
    whole.vertices[3] = np.nan
    whole.export(scene.file("fused.ply"))
    with pytest.raises(StageError, match="fused.ply: damaged.*NaN.*recon3d fuse"):
        mesh(scene, Job())


@pytest.mark.parametrize("setting", ["mesh.smoothing=some", "mesh.max_hole=-1", "mesh.holes=3"])
def test_settings_that_are_none_are_refused_before_any_work(scene, setting):
    done = command("mesh", scene.root, "--set", setting)
    assert done.returncode == 1 and "mesh." in done.stderr
    assert not scene.file("mesh.ply").exists()
