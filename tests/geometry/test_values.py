import numpy as np
import pytest

from recon3d.errors import InputError
from recon3d.geometry import SE3, Camera, Frame, Mesh, PointCloud, TexturedMesh

CAMERA = Camera(4, 3, 4.0, 4.0, 1.5, 1.0)
IMAGE = np.zeros((3, 4, 3), np.uint8)


def test_triangles_must_name_vertices_that_are_there():
    with pytest.raises(InputError, match="0 to 2"):
        Mesh(np.zeros((3, 3)), np.array([[0, 1, 3]]), np.zeros((3, 3), np.uint8))


def test_points_and_colours_must_agree_in_number():
    with pytest.raises(InputError, match="colors"):
        PointCloud(np.zeros((2, 3)), np.zeros((3, 3), np.uint8))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -1.0])
def test_a_frame_refuses_depth_that_is_no_distance(bad):
    depth = np.ones((3, 4), np.float32)
    depth[1, 2] = bad
    with pytest.raises(InputError, match="IMG_1: depth"):
        Frame("IMG_1", IMAGE, depth, None, CAMERA, SE3.identity())


def test_a_frame_refuses_a_depth_map_of_another_size():
    with pytest.raises(InputError, match="IMG_1: depth"):
        Frame("IMG_1", IMAGE, np.ones((4, 3), np.float32), None, CAMERA, SE3.identity())


@pytest.mark.parametrize(
    ("uv", "texture", "said"),
    [
        (np.zeros((2, 3, 2)), np.zeros((4, 4, 3)), "uv: got shape"),
        (np.full((1, 3, 2), 1.5), np.zeros((4, 4, 3)), "outside 0 to 1"),
        (np.full((1, 3, 2), np.nan), np.zeros((4, 4, 3)), "outside 0 to 1"),
        (np.zeros((1, 3, 2)), np.zeros((4, 5, 3)), "wanted a square"),
    ],
)
def test_a_textured_mesh_lies_inside_its_texture(uv, texture, said):
    mesh = Mesh(np.zeros((3, 3)), np.array([[0, 1, 2]]), np.zeros((3, 3), np.uint8))
    with pytest.raises(InputError, match=said):
        TexturedMesh(mesh, uv, texture)
