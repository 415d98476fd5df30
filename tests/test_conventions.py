"""One test for each numbered sentence of docs/conventions.md."""

import re
from pathlib import Path

import numpy as np
import pytest
import trimesh
from synthetic import plane_frames, room_frames

from recon3d.errors import InputError
from recon3d.formats.colmap_camera import calibration_from_colmap, colmap_params
from recon3d.formats.glb import write_glb
from recon3d.formats.pose_file import read_poses
from recon3d.fusion.plan import plan_fusion
from recon3d.fusion.tsdf import fuse
from recon3d.geometry import SE3, Calibration, Camera, Frame, Mesh
from recon3d.scale.level import level
from recon3d.settings import FuseSettings

CAMERA = Camera(640, 480, 500.0, 500.0, 319.5, 239.5)
QUARTER = np.sqrt(0.5)


def test_01_a_from_b_maps_b_to_a():
    a_from_b = SE3(np.eye(3), np.array([1.0, 0, 0]))
    b_from_c = SE3.from_quat_wxyz(np.array([QUARTER, 0, 0, QUARTER]), np.zeros(3))
    assert np.allclose((a_from_b @ b_from_c) @ np.array([[1.0, 0, 0]]), [[1, 1, 0]])


def test_02_x_is_right_y_is_down_z_is_forward():
    ahead, right, below = CAMERA.project(np.array([[0.0, 0, 2], [1, 0, 2], [0, 1, 2]]))
    assert np.allclose(ahead, [319.5, 239.5])
    assert right[0] > ahead[0] and below[1] > ahead[1]


def test_03_the_top_left_pixel_s_centre_is_zero():
    camera = Camera(3, 2, 1.0, 1.0, 0.0, 0.0)
    depth = np.ones((2, 3), np.float32)
    points = camera.backproject(depth)
    assert np.allclose(points[0, 0], [0, 0, 1])
    assert np.allclose(points[1, 2], [2, 1, 1])  # index [v, u]


def test_04_resizing_moves_the_principal_point_by_halves():
    assert CAMERA.resized(320, 240).cx == pytest.approx((319.5 + 0.5) / 2 - 0.5)


def test_05_depth_is_along_z_and_always_a_distance():
    points = CAMERA.backproject(np.full((480, 640), 3.0, np.float32))
    assert (points[..., 2] == 3.0).all() and points.dtype == np.float32
    with pytest.raises(InputError):
        Frame("a", np.zeros((480, 640, 3), np.uint8), np.full((480, 640), np.nan), None, CAMERA, SE3.identity())


def test_06_colour_is_red_first(tmp_path):
    from PIL import Image

    from recon3d.photos.read import read_photo

    Image.new("RGB", (4, 4), (255, 0, 0)).save(tmp_path / "red.png")
    image = read_photo(tmp_path / "red.png", max_megapixels=1).image
    assert image.dtype == np.uint8 and (image == [255, 0, 0]).all()


def test_07_a_guessed_principal_point_is_the_centre():
    camera = Camera.from_fov(640, 480, 1.0)
    assert (camera.cx, camera.cy) == (319.5, 239.5)


@pytest.mark.parametrize("matrix", [np.diag([1.0, 1, -1, 1]), np.diag([2.0, 2, 2, 1])])
def test_08_a_pose_is_rigid(matrix):
    with pytest.raises(InputError):
        SE3.from_matrix(matrix)


def test_09_a_levelled_world_has_z_up_and_the_floor_near_zero():
    frames = room_frames(5)
    tilt = SE3.from_quat_wxyz(np.array([0.5, 0.5, 0.5, 0.5]), np.array([3.0, 1.0, 2.0]))  # some other world
    tilted = {frame.name: tilt @ frame.world_from_cam for frame in frames}
    points = np.concatenate(
        [tilted[f.name] @ f.camera.backproject(f.depth)[::6, ::6].reshape(-1, 3).astype(float) for f in frames]
    )
    levelled_from_world = level(tilted, points)
    up = (levelled_from_world.R @ tilt.R)[:, 2]  # where the room's own up went
    assert np.degrees(np.arccos(up[2])) < 10  # the cameras' mean up, not yet the floor's normal
    lowest = np.percentile((levelled_from_world @ points)[:, 2], 5)
    assert abs(lowest) < 0.3


def test_10_quaternions_are_named_by_their_order():
    pose = SE3.from_quat_wxyz(np.array([QUARTER, QUARTER, 0, 0]), np.zeros(3))
    assert np.allclose(pose @ np.array([[0.0, 1, 0]]), [[0, 0, 1]])  # a quarter turn about x takes y to z


def test_11_colmap_s_principal_point_is_ours_plus_a_half():
    calibration = Calibration(CAMERA)
    model, params = colmap_params(calibration)
    assert (model, params[2:4]) == ("PINHOLE", [320.0, 240.0])
    assert calibration_from_colmap(model, params, 640, 480, source="COLMAP").camera == CAMERA


def test_12_nerfstudio_looks_along_minus_z(tmp_path):
    import json

    opengl = np.eye(4)  # y up, looking along -z
    (tmp_path / "transforms.json").write_text(
        json.dumps({"frames": [{"file_path": "images/a.jpg", "transform_matrix": opengl.tolist()}]})
    )
    pose = read_poses(tmp_path / "transforms.json", ["a"]).world_from_cam["a"]
    assert np.allclose(pose.R @ [0, 0, 1], [0, 0, -1])
    assert np.allclose(pose.R @ [0, 1, 0], [0, -1, 0])


def test_13_gltf_is_y_up_and_its_vertex_colours_are_linear(tmp_path):
    vertices = np.array([[1.0, 2, 3], [1, 0, 0], [0, 1, 0]])
    mesh = Mesh(vertices, np.array([[0, 1, 2]]), np.full((3, 3), 128, np.uint8))
    write_glb(tmp_path / "a.glb", mesh)
    scene = trimesh.load(tmp_path / "a.glb", process=False)
    (read,) = scene.geometry.values()
    assert np.allclose(read.vertices[0], [1, 3, -2])
    linear = ((128 / 255 + 0.055) / 1.055) ** 2.4
    assert np.allclose(read.visual.vertex_attributes["color"][0, :3] / 65535, linear, atol=1e-4)


def test_14_the_grid_is_handed_pixel_centres_at_a_half():
    frames = plane_frames(6)
    mesh = fuse(frames, plan_fusion(frames, FuseSettings(voxel_size=0.02)))
    assert abs(float(np.mean(mesh.vertices[:, 2]))) < 0.002  # the plane is z = 0; half a pixel off gives 4 mm here


def test_15_no_file_of_a_scene_holds_a_time():
    sources = Path(__file__).parents[1] / "recon3d"
    for path in [sources / "scene.py", sources / "files.py", *sorted((sources / "stages").glob("*.py"))]:
        assert not re.search(r"\b(datetime|time\.time|strftime)\b", path.read_text(encoding="utf-8")), path


def test_every_numbered_sentence_has_its_test():
    page = (Path(__file__).parents[1] / "docs" / "conventions.md").read_text(encoding="utf-8")
    numbers = {int(number) for number in re.findall(r"^(\d+)\.", page, re.MULTILINE)}
    tests = {int(number) for number in re.findall(r"^def test_(\d+)_", Path(__file__).read_text(), re.MULTILINE)}
    assert numbers == tests
