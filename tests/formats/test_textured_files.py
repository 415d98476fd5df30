import numpy as np
import pytest
import trimesh

import recon3d  # noqa: F401
from recon3d.errors import InputError
from recon3d.formats.glb import z_up
from recon3d.formats.textured_glb import read_textured_glb, write_textured_glb
from recon3d.formats.textured_obj import write_textured_obj
from recon3d.geometry import Mesh, TexturedMesh

# A square of 1 m x 2 m in two triangles that lie apart in the texture, so that its diagonal is a seam.
VERTICES = np.array([[0, 0, 0], [1, 0, 0], [1, 2, 0], [0, 2, 0.25]], np.float64)
TRIANGLES = np.array([[0, 1, 2], [0, 2, 3]])
COLORS = np.full((4, 3), 90, np.uint8)
NORMALS = np.tile(np.array([0, 0, 1], np.float32), (4, 1))
UV = np.array([[[0, 1], [0.25, 1], [0.25, 0.5]], [[0.5, 0.5], [0.75, 0.125], [0.5, 0.125]]], np.float32)
TEXTURE = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
TEXTURED = TexturedMesh(Mesh(VERTICES, TRIANGLES, COLORS, NORMALS), UV, TEXTURE)


def corners_of(read):
    """What trimesh holds: positions and places of each triangle's corners, v turned back to grow downwards."""
    uv = np.asarray(read.visual.uv)[read.faces]
    return np.asarray(read.vertices)[read.faces], np.stack([uv[..., 0], 1 - uv[..., 1]], axis=-1)


def test_a_textured_glb_is_what_trimesh_reads(tmp_path):
    path = tmp_path / "t.glb"
    write_textured_glb(path, TEXTURED, {"scale": "given"}, picture="png")
    read = trimesh.load(path, force="mesh", process=False)
    positions, uv = corners_of(read)
    np.testing.assert_allclose(z_up(positions.reshape(-1, 3)).reshape(-1, 3, 3), VERTICES[TRIANGLES], atol=1e-6)
    np.testing.assert_allclose(uv, UV, atol=1e-6)
    np.testing.assert_array_equal(np.asarray(read.visual.material.baseColorTexture.convert("RGB")), TEXTURE)
    assert len(read.vertices) == 6  # the two ends of the seam stand twice


def test_a_textured_obj_is_what_trimesh_reads(tmp_path):
    path = tmp_path / "my room.obj"
    written = write_textured_obj(path, TEXTURED)
    assert [file.name for file in written] == ["my_room.png", "my_room.mtl", "my room.obj"]
    assert sorted(tmp_path.iterdir()) == sorted(written)
    read = trimesh.load(path, force="mesh", process=False)
    positions, uv = corners_of(read)
    np.testing.assert_allclose(z_up(positions.reshape(-1, 3)).reshape(-1, 3, 3), VERTICES[TRIANGLES], atol=1e-6)
    np.testing.assert_allclose(uv, UV, atol=1e-6)
    np.testing.assert_array_equal(np.asarray(read.visual.material.image.convert("RGB")), TEXTURE)


@pytest.mark.parametrize("normals", [None, NORMALS])
def test_a_textured_glb_is_read_back_as_it_was(tmp_path, normals):
    path = tmp_path / "t.glb"
    write_textured_glb(path, TexturedMesh(Mesh(VERTICES, TRIANGLES, COLORS, normals), UV, TEXTURE), picture="png")
    read = read_textured_glb(path)
    np.testing.assert_array_equal(read.mesh.vertices, VERTICES)
    np.testing.assert_array_equal(read.mesh.triangles, TRIANGLES)
    np.testing.assert_allclose(read.uv, UV, atol=1e-6)
    np.testing.assert_array_equal(read.texture, TEXTURE)
    if normals is None:
        assert read.mesh.normals is None
    else:
        np.testing.assert_allclose(read.mesh.normals, normals, atol=1e-6)


def test_a_texture_kept_as_jpeg_is_nearly_as_it_was(tmp_path):
    ramp = np.linspace(0, 255, 64).astype(np.uint8)
    smooth = np.stack(np.broadcast_arrays(ramp[:, None], ramp[None], ramp[::-1, None]), axis=-1)
    write_textured_glb(tmp_path / "t.glb", TexturedMesh(TEXTURED.mesh, UV, smooth))
    read = read_textured_glb(tmp_path / "t.glb")
    assert np.abs(read.texture.astype(int) - smooth).mean() < 1.5


@pytest.mark.parametrize("cut", [0, 40, 300, -40])
def test_a_textured_glb_cut_short_is_an_input_error(tmp_path, cut):
    path = tmp_path / "t.glb"
    write_textured_glb(path, TEXTURED)
    path.write_bytes(path.read_bytes()[:cut])
    with pytest.raises(InputError, match=r"t\.glb"):
        read_textured_glb(path)


def test_a_mesh_without_a_texture_is_no_textured_mesh(tmp_path):
    from recon3d.formats.glb import write_glb

    write_glb(tmp_path / "m.glb", TEXTURED.mesh)
    with pytest.raises(InputError, match=r"m\.glb: .*texture"):
        read_textured_glb(tmp_path / "m.glb")


def test_empty_meshes_are_not_written(tmp_path):
    empty = TexturedMesh(Mesh(VERTICES, np.zeros((0, 3), np.int32), COLORS), np.zeros((0, 3, 2), np.float32), TEXTURE)
    for write, name in ((write_textured_glb, "m.glb"), (write_textured_obj, "m.obj")):
        with pytest.raises(InputError, match="empty"):
            write(tmp_path / name, empty)
    assert not list(tmp_path.iterdir())
