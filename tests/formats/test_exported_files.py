"""Every format written comes back through an independent reader with the same geometry."""

import json
import struct

import cv2
import laspy
import numpy as np
import OpenEXR
import pycolmap
import pytest
import trimesh
from PIL import Image
from pxr import Usd, UsdGeom, UsdShade
from scipy.spatial.transform import Rotation
from synthetic import look_at, room_frames

from recon3d.errors import InputError
from recon3d.formats.colmap import read_colmap
from recon3d.formats.colmap_writer import Tracked, write_colmap
from recon3d.formats.colour import srgb_from_linear
from recon3d.formats.depth_map import read_depth
from recon3d.formats.depth_writers import write_depth_exr, write_depth_png
from recon3d.formats.glb import write_glb
from recon3d.formats.las import write_las
from recon3d.formats.mesh_file import GREY, read_mesh
from recon3d.formats.names import as_text
from recon3d.formats.nerfstudio import read_transforms
from recon3d.formats.obj import write_obj
from recon3d.formats.pose_file import read_poses
from recon3d.formats.stl import write_stl
from recon3d.formats.transforms_writer import write_transforms
from recon3d.formats.tum import write_tum
from recon3d.formats.usd import write_usd
from recon3d.fusion.initial_points import initial_points
from recon3d.geometry import Camera, Mesh, PointCloud, View

SCALE = "unit metre; scale depth median, one sigma 2.34 percent"
CAMERA = Camera(64, 48, 60.0, 62.0, 29.0, 25.5)


def lopsided():
    """A closed mesh without symmetry, so that a swapped or mirrored axis shows: normals, colours of three channels."""
    ball = trimesh.creation.icosphere(subdivisions=2)
    vertices = ball.vertices * [1.0, 2.0, 0.5] + [0.3, -0.7, 4.0]
    colors = np.random.default_rng(0).integers(0, 256, (len(vertices), 3), np.uint8)
    normals = trimesh.Trimesh(vertices, ball.faces).vertex_normals
    return Mesh(vertices, ball.faces, colors, normals.astype(np.float32))


MESH = lopsided()
CLOUD = PointCloud(MESH.vertices, MESH.colors, MESH.normals)
EMPTY = Mesh(np.zeros((0, 3)), np.zeros((0, 3), np.int32), np.zeros((0, 3), np.uint8))


@pytest.fixture
def views():
    """Two photos from different sides, called as no program likes it: blanks, quotes, tags, a byte that is no UTF-8."""
    poses = [look_at([2.0, 1.2, 1.5], [0, -0.2, 0.6]), look_at([-1.5, 1.4, 1.0], [0, -0.5, 0.6])]
    return [View(name, CAMERA, pose) for name, pose in zip(["a 'b'", '<script>ü "c"\udcff'], poses, strict=True)]


@pytest.mark.parametrize("with_normals", [True, False])
def test_obj_is_y_up_and_comes_back(tmp_path, with_normals):
    mesh = MESH if with_normals else Mesh(MESH.vertices, MESH.triangles, MESH.colors)
    write_obj(tmp_path / "m.obj", mesh, [SCALE])
    theirs = trimesh.load_mesh(tmp_path / "m.obj", process=False)
    x, y, z = MESH.vertices.T
    np.testing.assert_allclose(theirs.vertices, np.stack([x, z, -y], axis=1), atol=1e-6)
    np.testing.assert_array_equal(theirs.faces, MESH.triangles)
    np.testing.assert_array_equal(theirs.visual.vertex_colors[:, :3], MESH.colors)
    assert theirs.volume > 0
    ours = read_mesh(tmp_path / "m.obj")
    np.testing.assert_allclose(ours.vertices, MESH.vertices, atol=1e-6)
    np.testing.assert_array_equal(ours.colors, MESH.colors)
    assert f"# {SCALE}\n" in (tmp_path / "m.obj").read_text()


def test_stl_is_z_up_and_comes_back(tmp_path):
    write_stl(tmp_path / "m.stl", MESH, SCALE)
    theirs = trimesh.load_mesh(tmp_path / "m.stl", process=False)
    np.testing.assert_allclose(theirs.triangles, MESH.vertices[MESH.triangles], atol=1e-6)
    np.testing.assert_allclose(theirs.volume, trimesh.Trimesh(MESH.vertices, MESH.triangles).volume, rtol=1e-5)
    data = (tmp_path / "m.stl").read_bytes()
    assert not data.startswith(b"solid") and b"metre" in data[:80]
    facet = np.frombuffer(data, "<f4", 12, 84)
    np.testing.assert_allclose(facet[:3], theirs.face_normals[0], atol=1e-5)


@pytest.mark.parametrize("ending", ["usd", "usda", "usdc"])
def test_usd_is_z_up_in_metres_and_comes_back(tmp_path, ending, views):
    path = tmp_path / f'it\'s a "mesh".{ending}'
    write_usd(path, MESH, SCALE, views)
    stage = Usd.Stage.Open(str(path))
    assert UsdGeom.GetStageUpAxis(stage) == UsdGeom.Tokens.z and UsdGeom.GetStageMetersPerUnit(stage) == 1
    prim = UsdGeom.Mesh(stage.GetPrimAtPath("/recon3d/mesh"))
    np.testing.assert_allclose(np.array(prim.GetPointsAttr().Get()), MESH.vertices, atol=1e-6)
    np.testing.assert_array_equal(np.array(prim.GetFaceVertexIndicesAttr().Get()).reshape(-1, 3), MESH.triangles)
    assert set(prim.GetFaceVertexCountsAttr().Get()) == {3}
    np.testing.assert_allclose(np.array(prim.GetNormalsAttr().Get()), MESH.normals, atol=1e-6)
    linear = np.array(prim.GetDisplayColorPrimvar().Get())
    np.testing.assert_array_equal(srgb_from_linear(linear), MESH.colors)
    bound, _ = UsdShade.MaterialBindingAPI(prim.GetPrim()).ComputeBoundMaterial()
    assert bound.GetPath() == "/recon3d/photo_colours"
    assert stage.GetRootLayer().comment == SCALE
    assert stage.GetDefaultPrim().GetCustomDataByKey("scale") == SCALE


def test_a_usd_camera_draws_points_where_ours_does(tmp_path, views):
    write_usd(tmp_path / "m.usda", MESH, "", views)
    stage = Usd.Stage.Open(str(tmp_path / "m.usda"))
    found = [prim for prim in stage.Traverse() if prim.IsA(UsdGeom.Camera)]
    assert [prim.GetDisplayName() for prim in found] == [as_text(view.name) for view in views]
    points = np.array([[0.1, -0.3, 0.5], [0.4, 0.1, 0.9], [-0.2, -0.6, 0.2]])
    for prim, view in zip(found, views, strict=True):
        camera = UsdGeom.Camera(prim).GetCamera()
        clip_from_world = np.array(camera.frustum.ComputeViewMatrix() * camera.frustum.ComputeProjectionMatrix())
        clip = np.concatenate([points, np.ones((3, 1))], axis=1) @ clip_from_world
        x, y = (clip[:, :2] / clip[:, 3:]).T  # -1 to 1, y up
        uv = np.stack([(x + 1) / 2 * CAMERA.width - 0.5, (1 - y) / 2 * CAMERA.height - 0.5], axis=1)
        ours = CAMERA.project(view.world_from_cam.inverse() @ points)
        np.testing.assert_allclose(uv, ours, atol=1e-3)


def test_gltf_cameras_look_where_the_photos_do(tmp_path, views):
    path = tmp_path / "m.glb"
    write_glb(path, MESH, {"scale": SCALE}, views)
    scene = trimesh.load_scene(path, process=False)
    names = [as_text(view.name) for view in views]
    y_up_from_z_up = np.array([[1.0, 0, 0], [0, 0, 1], [0, -1, 0]])
    for view in views:
        matrix, _ = scene.graph[as_text(view.name)]
        np.testing.assert_allclose(matrix[:3, 3], y_up_from_z_up @ view.world_from_cam.t, atol=1e-9)
        np.testing.assert_allclose(-matrix[:3, 2], y_up_from_z_up @ view.world_from_cam.R[:, 2], atol=1e-9)
        np.testing.assert_allclose(matrix[:3, 1], -y_up_from_z_up @ view.world_from_cam.R[:, 1], atol=1e-9)
    data = path.read_bytes()
    (size,) = struct.unpack_from("<I", data, 12)
    document = json.loads(data[20 : 20 + size])
    assert [camera["name"] for camera in document["cameras"]] == names
    lens = document["cameras"][0]["perspective"]
    assert np.tan(lens["yfov"] / 2) == pytest.approx(24 / 62)
    assert lens["aspectRatio"] == pytest.approx((64 / 60) / (48 / 62))
    assert document["nodes"][1]["extras"]["cx"] == 29.0
    assert len(read_mesh(path).triangles) == len(MESH.triangles)  # cameras don't disturb


@pytest.mark.parametrize("ending", ["las", "laz"])
def test_las_comes_back_within_its_step(tmp_path, ending):
    path = tmp_path / f"c.{ending}"
    write_las(path, CLOUD, SCALE)
    las = laspy.read(path)
    np.testing.assert_allclose(las.xyz, CLOUD.points, atol=0.51e-4)
    colors = np.stack([las.red, las.green, las.blue], axis=1)
    np.testing.assert_array_equal(colors, CLOUD.colors.astype(np.uint16) * 257)
    assert [record.record_data_bytes().decode() for record in las.vlrs if record.user_id == "recon3d"] == [SCALE]
    again = tmp_path / f"d.{ending}"
    write_las(again, CLOUD, SCALE)
    assert path.read_bytes() == again.read_bytes()


def test_las_is_what_its_specification_says(tmp_path):
    """LAS 1.4, by the bytes: where the points begin, their record, and steps with scale and offset of each axis."""
    write_las(tmp_path / "c.las", CLOUD, SCALE)
    data = (tmp_path / "c.las").read_bytes()
    assert data[:4] == b"LASF" and data[24:26] == bytes([1, 4]) and data[90:94] == bytes(4)  # no day of creation
    start, _, kind, length = struct.unpack_from("<IIBH", data, 96)
    (count,) = struct.unpack_from("<Q", data, 247)
    scales, offsets = np.frombuffer(data, "<f8", 6, 131).reshape(2, 3)
    assert (kind, length, count) == (7, 36, len(CLOUD.points))
    rows = np.frombuffer(data, np.uint8, count * length, start).reshape(count, length)
    steps = np.ascontiguousarray(rows[:, :12]).view("<i4")
    np.testing.assert_allclose(steps * scales + offsets, CLOUD.points, atol=0.51e-4)
    colors = np.ascontiguousarray(rows[:, 30:36]).view("<u2")
    np.testing.assert_array_equal(colors >> 8, CLOUD.colors)


def test_las_far_from_the_origin_keeps_its_millimetres(tmp_path):
    far = PointCloud(CLOUD.points + np.array([4_500_000.001, 0, 0]), CLOUD.colors)
    write_las(tmp_path / "c.las", far)
    np.testing.assert_allclose(laspy.read(tmp_path / "c.las").xyz, far.points, atol=1e-4)


def test_a_cloud_wider_than_las_reaches_is_refused(tmp_path):
    wide = PointCloud(np.array([[0.0, 0, 0], [1e6, 0, 0]]), np.zeros((2, 3), np.uint8))
    with pytest.raises(InputError, match="429497 m"):
        write_las(tmp_path / "c.las", wide)


@pytest.mark.parametrize("write", [write_obj, write_stl, write_glb, write_usd])
def test_an_empty_mesh_is_refused_and_leaves_no_file(tmp_path, write):
    path = tmp_path / "m.usda"
    with pytest.raises(InputError, match=r"m\.usda.*empty"):
        write(path, EMPTY)
    assert not path.exists()


def test_an_empty_cloud_is_no_las(tmp_path):
    with pytest.raises(InputError, match="empty"):
        write_las(tmp_path / "c.las", PointCloud(np.zeros((0, 3)), np.zeros((0, 3), np.uint8)))


@pytest.mark.parametrize("ending", ["obj", "stl", "glb", "usda"])
def test_one_grey_triangle_is_a_mesh(tmp_path, ending):
    """A mesh whose file had no colours is grey (`read_mesh`)."""
    mesh = Mesh(np.eye(3), np.array([[0, 1, 2]]), np.full((3, 3), GREY, np.uint8))
    path = tmp_path / f"m.{ending}"
    {"obj": write_obj, "stl": write_stl, "glb": write_glb, "usda": write_usd}[ending](path, mesh)
    if ending == "usda":
        assert len(UsdGeom.Mesh(Usd.Stage.Open(str(path)).GetPrimAtPath("/recon3d/mesh")).GetPointsAttr().Get()) == 3
    else:
        assert (read_mesh(path).colors == GREY).all()


# Depth


def test_depth_png_is_millimetres_and_never_wraps(tmp_path):
    depth = np.array([[0.0, 0.0002, 1.2344, 1.2346], [65.534, 65.5346, 65.536, 100.0]], np.float32)
    beyond = write_depth_png(tmp_path / "d.png", depth, SCALE)
    theirs = cv2.imread(str(tmp_path / "d.png"), cv2.IMREAD_UNCHANGED)
    assert theirs.dtype == np.uint16
    assert theirs.tolist() == [[0, 1, 1234, 1235], [65534, 0, 0, 0]]  # 65.536 m would be 0, 100 m 34.464 m
    assert beyond == 3
    assert read_depth(tmp_path / "d.png", unit_m=0.001)[1, 0] == pytest.approx(65.534)
    assert Image.open(tmp_path / "d.png").text["Comment"] == SCALE


def test_depth_exr_is_exact(tmp_path):
    depth = np.random.default_rng(0).uniform(0, 200, (5, 7)).astype(np.float32)
    depth[0, 0] = 0
    write_depth_exr(tmp_path / "d.exr", depth, SCALE)
    with OpenEXR.File(str(tmp_path / "d.exr"), separate_channels=True) as file:
        np.testing.assert_array_equal(file.channels()["Z"].pixels, depth)
        assert file.header()["comments"] == SCALE
    np.testing.assert_array_equal(read_depth(tmp_path / "d.exr", unit_m=0.001), depth)


# Cameras and poses


def evo_reads(path):
    """As evo's read_tum_trajectory_file: columns by single blanks, # comments, the quaternion rolled to w x y z."""
    rows = [line.split(" ") for line in path.read_text().splitlines() if not line.startswith("#")]
    assert all(len(row) == 8 for row in rows)
    values = np.array(rows, float)
    return values[:, 0], values[:, 1:4], np.roll(values[:, 4:], 1, axis=1)


def test_tum_is_what_evo_takes_it_to_be(tmp_path, views):
    write_tum(tmp_path / "t.txt", views, [SCALE])
    stamps, positions, wxyz = evo_reads(tmp_path / "t.txt")
    assert stamps.tolist() == [0, 1]
    np.testing.assert_allclose(positions, [view.world_from_cam.t for view in views], atol=1e-8)
    R = Rotation.from_quat(wxyz, scalar_first=True).as_matrix()
    np.testing.assert_allclose(R, [view.world_from_cam.R for view in views], atol=1e-8)
    ours = read_poses(tmp_path / "t.txt", [view.name for view in views])
    for view in views:
        np.testing.assert_allclose(ours.world_from_cam[view.name].matrix, view.world_from_cam.matrix, atol=1e-8)


def test_tum_keeps_the_times_that_photos_are_called_by(tmp_path, views):
    timed = [View(f"130503110{i}.175304", view.camera, view.world_from_cam) for i, view in enumerate(views)]
    write_tum(tmp_path / "t.txt", timed)
    assert evo_reads(tmp_path / "t.txt")[0].tolist() == [1305031100.175304, 1305031101.175304]


def test_transforms_are_what_nerfstudio_takes_them_to_be(tmp_path, views):
    other = Camera(48, 64, 62.0, 60.0, 24.0, 31.0)
    mixed = [views[0], View(views[1].name, other, views[1].world_from_cam)]
    for which in (views, mixed):
        names = [view.name for view in which]
        write_transforms(
            tmp_path / "transforms.json",
            which,
            {name: f"images/{name}.jpg" for name in names},
            depths={name: f"depth/{name}.png" for name in names},
            masks={},
            points="sparse_pc.ply",
            comment=SCALE,
        )
        data = json.loads((tmp_path / "transforms.json").read_text())
        assert data["ply_file_path"] == "sparse_pc.ply"
        assert "applied_transform" not in data  # nerfstudio would move the points by it, and the poses not
        assert data["camera_model"] == "OPENCV"
        for frame, view in zip(data["frames"], which, strict=True):
            lens = {**data, **frame}
            assert lens["depth_file_path"] == f"depth/{view.name}.png"
            assert (lens["w"], lens["h"], lens["fl_x"]) == (view.camera.width, view.camera.height, view.camera.fx)
            # nerfstudio's ray of pixel (0, 0): its centre at ½, y up, -z ahead
            ray = np.array([(0.5 - lens["cx"]) / lens["fl_x"], -(0.5 - lens["cy"]) / lens["fl_y"], -1.0])
            ahead = np.array(frame["transform_matrix"])[:3, :3] @ ray
            ours = (
                view.world_from_cam.R @ view.camera.backproject(np.ones((view.camera.height, view.camera.width)))[0, 0]
            )
            np.testing.assert_allclose(ahead, ours, atol=1e-6)
        for frame, view in zip(read_transforms(tmp_path / "transforms.json").frames, which, strict=True):
            np.testing.assert_allclose(frame.world_from_cam.matrix, view.world_from_cam.matrix, atol=1e-12)
            assert frame.lens.calibration(view.camera.width, view.camera.height).camera == view.camera


@pytest.mark.parametrize("text", [False, True])
def test_a_colmap_model_is_what_pycolmap_reads(tmp_path, text):
    frames = room_frames(3, 64, 48)
    views = [View(frame.name, frame.camera, frame.world_from_cam) for frame in frames]
    rng = np.random.default_rng(0)
    points = rng.uniform([-0.5, -1, 0], [0.5, 0, 1], (7, 3))
    obs_point, obs_view = (index.ravel() for index in np.meshgrid(np.arange(7), np.arange(3)))
    kept = rng.permutation(len(obs_point))[:17]  # any order, tracks of different lengths
    obs_point, obs_view = obs_point[kept], obs_view[kept]
    uv = np.array([views[v].camera.project(views[v].world_from_cam.inverse() @ points[p][None])[0]
                   for p, v in zip(obs_point, obs_view, strict=True)])  # fmt: skip
    colors = rng.integers(0, 256, (7, 3), np.uint8)
    error = rng.uniform(0, 1, 7)
    names = {view.name: f"{view.name}.jpg" for view in views}
    write_colmap(tmp_path, views, names, Tracked(points, colors, error, obs_point, obs_view, uv), text=text)
    ending = "txt" if text else "bin"
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        f"{n}.{ending}" for n in ("cameras", "images", "points3D")
    ]
    model = pycolmap.Reconstruction(tmp_path)
    assert model.num_reg_images() == 3 and model.num_points3D() == 7
    for number, view in enumerate(views, 1):
        image = model.images[number]
        assert image.name == f"{view.name}.jpg"
        np.testing.assert_allclose(image.cam_from_world().matrix(), view.world_from_cam.inverse().matrix[:3], atol=1e-9)
        for feature in image.points2D:
            seen = model.points3D[feature.point3D_id].xyz
            np.testing.assert_allclose(image.project_point(seen), feature.xy, atol=1e-6)
    for number, point in model.points3D.items():
        np.testing.assert_allclose(point.xyz, points[number - 1])
        assert point.color.tolist() == colors[number - 1].tolist()
        assert point.error == pytest.approx(error[number - 1])
        assert {element.image_id - 1 for element in point.track.elements} == set(obs_view[obs_point == number - 1])
        for element in point.track.elements:
            assert model.images[element.image_id].points2D[element.point2D_idx].point3D_id == number
    (calibration,) = read_colmap(tmp_path).calibrations.values()
    assert calibration.camera == frames[0].camera


def test_initial_points_are_some_of_the_cloud_s():
    thinned = initial_points(CLOUD, 50)
    rows = {tuple(row) for row in CLOUD.points}
    assert len(thinned.points) == 50 and all(tuple(row) in rows for row in thinned.points)
    assert initial_points(CLOUD, 1000) is CLOUD
