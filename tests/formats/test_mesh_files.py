import json
import struct

import numpy as np
import pytest
import trimesh
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import recon3d  # noqa: F401
from recon3d.errors import InputError
from recon3d.formats.colour import linear_from_srgb, srgb_from_linear
from recon3d.formats.glb import write_glb
from recon3d.formats.mesh_file import GREY, read_mesh
from recon3d.formats.ply import write_cloud, write_mesh
from recon3d.geometry import Mesh, PointCloud

# A tetrahedron: corners at the origin and 1 m along x, 2 m along y, 3 m along z; its volume is 1 m³.
VERTICES = np.array([[0, 0, 0], [1, 0, 0], [0, 2, 0], [0, 0, 3]], np.float64)
TRIANGLES = np.array([[0, 2, 1], [0, 1, 3], [0, 3, 2], [1, 2, 3]])
COLORS = np.array([[1, 2, 3], [128, 128, 128], [255, 0, 13], [9, 200, 77]], np.uint8)
NORMALS = np.array([[0, 0, -1], [1, 0, 0], [0, 1, 0], [0, 0, 1]], np.float32)
MESH = Mesh(VERTICES, TRIANGLES, COLORS)


def glb_parts(path):
    data = path.read_bytes()
    magic, version, length, size = struct.unpack_from("<4sIII", data)
    assert (magic, version, length) == (b"glTF", 2, len(data))
    document = json.loads(data[20 : 20 + size])
    return document, data[20 + size + 8 :]


def accessor(path, name):
    document, binary = glb_parts(path)
    primitive = document["meshes"][0]["primitives"][0]
    index = primitive["indices"] if name == "indices" else primitive["attributes"][name]
    info = document["accessors"][index]
    view = document["bufferViews"][info["bufferView"]]
    dtype = {5126: "<f4", 5125: "<u4", 5123: "<u2"}[info["componentType"]]
    columns = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}[info["type"]]
    raw = binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
    assert len(raw) == info["count"] * columns * np.dtype(dtype).itemsize
    return np.frombuffer(raw, dtype).reshape(-1, columns), info


def test_srgb_is_linear_light_by_the_standard_and_back():
    # Values of the standard's own formula: black, the end of the straight part, middle grey, white.
    np.testing.assert_allclose(
        linear_from_srgb(np.array([0, 10, 128, 255], np.uint8)), [0, 0.0030353, 0.2158605, 1], atol=1e-7
    )
    every = np.arange(256, dtype=np.uint8)
    np.testing.assert_array_equal(srgb_from_linear(linear_from_srgb(every)), every)
    np.testing.assert_array_equal(srgb_from_linear(np.rint(linear_from_srgb(every) * 65535) / 65535), every)


def test_ply_mesh_is_what_trimesh_and_open3d_read(tmp_path):
    path = tmp_path / "m.ply"
    write_mesh(path, MESH, ["scale 1.02 ± 0.03\nfrom: zoedepth"])
    read = trimesh.load_mesh(path, process=False)
    np.testing.assert_array_equal(read.vertices, VERTICES)
    np.testing.assert_array_equal(read.faces, TRIANGLES)
    np.testing.assert_array_equal(read.visual.vertex_colors[:, :3], COLORS)
    assert read.volume == pytest.approx(1)
    header = path.read_bytes().partition(b"end_header")[0].decode("ascii")
    assert "comment scale 1.02 \\xb1 0.03 from: zoedepth\n" in header
    import open3d

    read = open3d.io.read_triangle_mesh(str(path))
    np.testing.assert_array_equal(np.asarray(read.vertices), VERTICES)
    np.testing.assert_array_equal(np.asarray(read.triangles), TRIANGLES)
    np.testing.assert_allclose(np.asarray(read.vertex_colors) * 255, COLORS, atol=1e-9)


@pytest.mark.parametrize("normals", [None, NORMALS])
def test_ply_cloud_is_what_trimesh_and_open3d_read(tmp_path, normals):
    path = tmp_path / "c.ply"
    write_cloud(path, PointCloud(VERTICES, COLORS, normals))
    read = trimesh.load(path)
    np.testing.assert_array_equal(read.vertices, VERTICES)
    np.testing.assert_array_equal(read.colors[:, :3], COLORS)
    import open3d

    read = open3d.io.read_point_cloud(str(path))
    np.testing.assert_array_equal(np.asarray(read.points), VERTICES)
    assert read.has_normals() == (normals is not None)
    if normals is not None:
        np.testing.assert_array_equal(np.asarray(read.normals), normals)


def test_ply_far_from_the_origin_keeps_its_millimetres(tmp_path):
    far = VERTICES + np.array([4_500_000.001, 0, 0])
    write_mesh(tmp_path / "m.ply", Mesh(far, TRIANGLES, COLORS))
    np.testing.assert_array_equal(read_mesh(tmp_path / "m.ply").vertices, far)
    assert b"property double x" in (tmp_path / "m.ply").read_bytes()
    write_mesh(tmp_path / "n.ply", MESH)
    assert b"property float x" in (tmp_path / "n.ply").read_bytes()


def test_ply_comments_can_not_end_the_header(tmp_path):
    path = tmp_path / "m.ply"
    write_mesh(path, MESH, ["a\nend_header\r\nelement vertex 9", "\x00\x1b[31m é 💥", "x" * 5000])
    header, _, _ = path.read_bytes().partition(b"\nend_header\n")
    lines = header.decode("ascii").splitlines()
    assert lines[2] == "comment a end-header element vertex 9"
    assert all(line.isprintable() and len(line) <= 208 for line in lines)
    np.testing.assert_array_equal(trimesh.load_mesh(path, process=False).vertices, VERTICES)


def test_comments_of_other_tools_do_not_disturb(tmp_path):
    path = tmp_path / "m.ply"
    comments = ("comment made by end_header element vertex 5", "obj_info element")
    lines = (*comments, BINARY, "element vertex 3", *XYZ, "element face 1", FACES)
    path.write_bytes(ply(*lines, data=THREE + struct.pack("<B3i", 3, 0, 1, 2)))
    np.testing.assert_array_equal(read_mesh(path).vertices, np.eye(3))


def test_empty_clouds_are_written(tmp_path):
    write_cloud(tmp_path / "c.ply", PointCloud(np.zeros((0, 3)), np.zeros((0, 3), np.uint8)))
    assert b"element vertex 0" in (tmp_path / "c.ply").read_bytes()


def test_glb_turns_z_up_to_y_up(tmp_path):
    path = tmp_path / "m.glb"
    write_glb(path, Mesh(VERTICES, TRIANGLES, COLORS, NORMALS), {"scale": "1.0 ± 0.1"})
    positions, info = accessor(path, "POSITION")
    np.testing.assert_array_equal(positions, [[0, 0, 0], [1, 0, 0], [0, 0, -2], [0, 3, 0]])
    assert (info["min"], info["max"]) == ([0, 0, -2], [1, 3, 0])
    np.testing.assert_array_equal(accessor(path, "NORMAL")[0], [[0, -1, 0], [1, 0, 0], [0, 0, -1], [0, 1, 0]])
    np.testing.assert_array_equal(accessor(path, "indices")[0].reshape(-1, 3), TRIANGLES)
    document, _ = glb_parts(path)
    assert document["nodes"][0]["extras"] == {"scale": "1.0 ± 0.1"}
    assert document["materials"][0]["pbrMetallicRoughness"] == {"metallicFactor": 0, "roughnessFactor": 1}
    read = trimesh.load_mesh(path, process=False)
    assert read.volume == pytest.approx(1)  # still outside out


def test_glb_colours_are_linear(tmp_path):
    path = tmp_path / "m.glb"
    write_glb(path, MESH)
    colors, info = accessor(path, "COLOR_0")
    assert info["normalized"] is True
    assert colors[1].tolist() == [14146, 14146, 14146, 65535]  # sRGB 128 is 0.21586 of white
    assert colors[2].tolist()[:2] == [65535, 0]


def test_every_glb_view_is_aligned(tmp_path):
    write_glb(tmp_path / "m.glb", Mesh(VERTICES[:3], TRIANGLES[:1], COLORS[:3], NORMALS[:3]), {"x": "abc"})
    document, binary = glb_parts(tmp_path / "m.glb")
    assert all(view["byteOffset"] % 4 == 0 for view in document["bufferViews"])
    assert document["buffers"][0]["byteLength"] == len(binary)


def test_glb_normals_have_length_one(tmp_path):
    normals = np.array([[0, 0, 2], [0, 0, 0], [3, 4, 0], [0, 0, 1]], np.float32)
    write_glb(tmp_path / "m.glb", Mesh(VERTICES, TRIANGLES, COLORS, normals))
    np.testing.assert_allclose(np.linalg.norm(accessor(tmp_path / "m.glb", "NORMAL")[0], axis=1), 1, rtol=1e-6)


def test_an_empty_mesh_is_no_glb(tmp_path):
    empty = Mesh(VERTICES, np.zeros((0, 3), np.int32), COLORS)
    with pytest.raises(InputError, match=r"m\.glb.*empty"):
        write_glb(tmp_path / "m.glb", empty)
    assert not (tmp_path / "m.glb").exists()


@pytest.mark.parametrize("suffix", [".ply", ".glb"])
def test_our_files_come_back_as_they_were(tmp_path, suffix):
    path = tmp_path / f"m{suffix}"
    (write_mesh if suffix == ".ply" else write_glb)(path, Mesh(VERTICES, TRIANGLES, COLORS, NORMALS))
    read = read_mesh(path)
    np.testing.assert_array_equal(read.vertices, VERTICES)
    np.testing.assert_array_equal(read.triangles, TRIANGLES)
    np.testing.assert_array_equal(read.colors, COLORS)
    if suffix == ".ply":
        np.testing.assert_array_equal(read.normals, NORMALS)


@pytest.mark.parametrize("suffix", ["ply", "obj", "stl", "glb"])
def test_files_of_trimesh_are_read(tmp_path, suffix):
    mesh = trimesh.creation.icosphere(subdivisions=2)
    mesh.visual.vertex_colors = np.tile([10, 200, 77, 255], (len(mesh.vertices), 1))
    mesh.export(tmp_path / f"m.{suffix}")
    read = read_mesh(tmp_path / f"m.{suffix}")
    again = trimesh.Trimesh(read.vertices, read.triangles)
    assert again.volume == pytest.approx(mesh.volume, rel=1e-5)
    assert len(read.triangles) == len(mesh.faces)
    if suffix == "stl":
        assert (read.colors == GREY).all()
    elif suffix == "glb":  # trimesh writes raw sRGB as if it were linear: 200 / 255 of white is sRGB 229
        assert (read.colors[:, 1] == 229).all()
    else:
        assert (read.colors == [10, 200, 77]).all()


def test_parts_of_a_scene_are_placed_and_mirrored_ones_stay_outside_out(tmp_path):
    box = trimesh.creation.box((1, 1, 1))
    scene = trimesh.Scene()
    scene.add_geometry(box, transform=np.diag([1.0, 2, 1, 1]))
    mirrored = np.diag([-1.0, 1, 1, 1])
    mirrored[0, 3] = 5
    scene.add_geometry(box.copy(), transform=mirrored)
    scene.export(tmp_path / "s.glb")
    read = read_mesh(tmp_path / "s.glb")
    assert trimesh.Trimesh(read.vertices, read.triangles).volume == pytest.approx(3)
    np.testing.assert_allclose(read.vertices.min(0), [-0.5, -0.5, -1])
    np.testing.assert_allclose(read.vertices.max(0), [5.5, 0.5, 1])


def ply(*lines, data=b""):
    return ("\n".join(["ply", *lines, "end_header"]) + "\n").encode() + data


BINARY = "format binary_little_endian 1.0"
XYZ = ("property float x", "property float y", "property float z")
FACES = "property list uchar int vertex_indices"
THREE = np.eye(3, dtype="<f4").tobytes()


def glb(document, binary=b""):
    text = json.dumps(document).encode()
    text += b" " * (-len(text) % 4)
    chunks = struct.pack("<I4s", len(text), b"JSON") + text + struct.pack("<I4s", len(binary), b"BIN\0") + binary
    return struct.pack("<4sII", b"glTF", 2, 12 + len(chunks)) + chunks


def gltf(**extra):
    return {
        "asset": {"version": "2.0"},
        "scene": 0,
        "scenes": [{"nodes": [0]}],
        "nodes": [{"mesh": 0}],
        "meshes": [{"primitives": [{"attributes": {"POSITION": 0}}]}],
        "accessors": [{"bufferView": 0, "componentType": 5126, "count": 3, "type": "VEC3"}],
        "bufferViews": [{"buffer": 0, "byteOffset": 0, "byteLength": 36}],
        "buffers": [{"byteLength": 36}],
        **extra,
    }


def over_and_over():
    """Fifty arrays made of the same 96 kB."""
    accessor = {"bufferView": 0, "componentType": 5126, "count": 8000, "type": "VEC3"}
    return gltf(
        accessors=[accessor] * 50,
        bufferViews=[{"buffer": 0, "byteOffset": 0, "byteLength": 96_000}],
        buffers=[{"byteLength": 96_000}],
    )


def doubling_nodes(levels=40):
    """A tree in which every node has the next twice: 2^levels placements."""
    return [{"children": [k + 1, k + 1]} for k in range(levels)] + [{"mesh": 0}]


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("m.ply", b""),
        ("m.ply", b"garbage"),
        ("m.ply", b"ply\nformat ascii 1.0\n"),
        ("m.ply", ply(BINARY, "element vertex 3", *XYZ, data=THREE)),
        ("m.ply", ply(BINARY, "element vertex 4000000000", *XYZ, data=THREE)),
        ("m.ply", ply(BINARY, "element vertex -3", *XYZ, data=THREE)),
        ("m.ply", ply(BINARY, "element vertex 3", *XYZ, "element face 999999999999", FACES, data=THREE)),
        (
            "m.ply",
            ply(
                BINARY,
                "element vertex 3",
                *XYZ,
                "element face 1",
                "property list uint int vertex_indices",
                data=THREE + struct.pack("<I3i", 2**32 - 1, 0, 1, 2),
            ),
        ),
        *(
            (
                "m.ply",
                ply(
                    BINARY,
                    "element vertex 3",
                    *XYZ,
                    "element face 1",
                    FACES,
                    data=THREE + struct.pack("<B3i", 3, 0, 1, index),
                ),
            )
            for index in (3, -1, 2**31 - 1)
        ),
        (
            "m.ply",
            ply(
                BINARY,
                "element vertex 3",
                *XYZ,
                "element face 1",
                FACES,
                data=np.full(9, np.nan, "<f4").tobytes() + struct.pack("<B3i", 3, 0, 1, 2),
            ),
        ),
        ("m.ply", ply("format ascii 1.0", "element vertex 3", *XYZ, "element face 1", FACES, data=b"0 0 0\n1 0 0\n")),
        ("m.ply", ply(BINARY, "element vertex 3", "property quaternion x", data=THREE)),
        ("m.stl", b"\0" * 80 + struct.pack("<I", 4_000_000_000)),
        ("m.stl", b"solid x\nendsolid x"),
        ("m.obj", b"v 0 0 0\nv 1 0 0\nf 1 2 9\n"),
        ("m.obj", b"hello"),
        ("m.glb", b"glTF"),
        ("m.glb", b"\0" * 64),
        ("m.glb", glb({})),
        ("m.glb", glb([])),
        ("m.glb", glb(gltf(buffers=[{"byteLength": 36, "uri": "../secret.bin"}]))),
        ("m.glb", glb(gltf(accessors=[{"componentType": 5126, "count": 10**12, "type": "VEC3"}]))),
        ("m.glb", glb(gltf(accessors=[{"componentType": 5126, "count": 30, "type": "VEC3"}]))),
        ("m.glb", glb(gltf(accessors=[{"bufferView": 0, "componentType": 5126, "count": 4, "type": "VEC3"}]), THREE)),
        ("m.glb", glb(gltf(accessors=[{"bufferView": 0, "componentType": 5126, "count": -1, "type": "VEC3"}]), THREE)),
        ("m.glb", glb(over_and_over(), b"\0" * 96_000)),
        ("m.glb", glb(gltf(bufferViews=[{"buffer": 0, "byteOffset": -36, "byteLength": 36}]), THREE)),
        ("m.glb", glb(gltf(), THREE)[:-5]),
        ("m.glb", glb({"x": [[]]}).replace(b"[[]]", b"[[[[")),
        ("m.xyz", b"0 0 0"),
    ],
)
def test_broken_and_hostile_files_are_input_errors(tmp_path, name, data):
    (tmp_path / "secret.bin").write_bytes(THREE)
    path = tmp_path / "in" / name
    path.parent.mkdir()
    path.write_bytes(data)
    with pytest.raises(InputError) as caught:
        read_mesh(path)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    "nodes",
    [
        [{"children": [0], "mesh": 0}],
        [{"children": [1], "mesh": 0}, {"children": [0]}],
        doubling_nodes(),
        [{"mesh": 0, "children": [*range(1, 3000)]}, *([{"mesh": 0}] * 2999)],
        [*({"children": [k + 1]} for k in range(3000)), {"mesh": 0}],
    ],
)
def test_node_graphs_that_go_round_or_multiply_come_to_an_end(tmp_path, nodes):
    path = tmp_path / "m.glb"
    path.write_bytes(glb(gltf(nodes=nodes), THREE))
    try:
        assert len(read_mesh(path).triangles) >= 1
    except InputError as error:
        assert "m.glb" in str(error)


def test_materials_and_textures_that_a_file_names_are_not_opened(tmp_path, monkeypatch):
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "secret.mtl").write_text("newmtl m\nKd 1 0 0\nmap_Kd ../secret.png\n")
    lines = "mtllib ../secret.mtl\nusemtl m\nv 0 0 0\nv 1 0 0\nv 0 1 0\nvt 0 0\nf 1/1 2/1 3/1\n"
    (folder / "m.obj").write_text(lines)
    faces = struct.pack("<B3i", 3, 0, 1, 2)
    header = ("comment TextureFile ../secret.png", "element vertex 3", *XYZ, "element face 1", FACES)
    (folder / "m.ply").write_bytes(ply(BINARY, *header, data=THREE + faces))
    image = {"images": [{"uri": "../secret.png"}], "textures": [{"source": 0}]}
    material = {"materials": [{"pbrMetallicRoughness": {"baseColorTexture": {"index": 0}}}]}
    (folder / "m.glb").write_bytes(glb(gltf(**image, **material), THREE))
    opened = []
    monkeypatch.setattr(trimesh.resolvers.FilePathResolver, "get", lambda self, name: opened.append(name))
    for suffix in ("obj", "ply", "glb"):
        assert len(read_mesh(folder / f"m.{suffix}").triangles) == 1
    assert opened == []


@settings(suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(suffix=st.sampled_from([".ply", ".glb", ".stl", ".obj"]), data=st.data())
def test_cut_and_noisy_mesh_files_are_a_mesh_or_an_input_error(tmp_path_factory, suffix, data):
    folder = tmp_path_factory.getbasetemp() / "noisy-mesh"
    folder.mkdir(exist_ok=True)
    whole = folder / f"whole{suffix}"
    if not whole.exists():
        if suffix in (".ply", ".glb"):
            (write_mesh if suffix == ".ply" else write_glb)(whole, MESH)
        else:
            trimesh.Trimesh(VERTICES, TRIANGLES).export(whole)
    raw = whole.read_bytes()
    at = data.draw(st.integers(0, len(raw)))
    noise = data.draw(st.binary(max_size=4))
    rest = raw[at + len(noise) :] if data.draw(st.booleans()) else b""
    path = folder / f"m{suffix}"
    path.write_bytes(raw[:at] + noise + rest)
    try:
        assert isinstance(read_mesh(path), Mesh)
    except InputError as error:
        assert "noisy-mesh" in str(error)
