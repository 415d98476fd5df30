import dataclasses

import numpy as np
import pytest
from synthetic import ball_frames, distance_to_room, plane_frames, room_frames

from recon3d.errors import StageError
from recon3d.fusion.single_view import single_view_mesh
from recon3d.settings import RefineSettings

SETTINGS = RefineSettings()


def test_a_plane_becomes_one_sheet_facing_the_camera():
    frame = plane_frames(1)[0]
    mesh = single_view_mesh(frame, SETTINGS)
    assert len(mesh.vertices) == frame.depth.size
    assert len(mesh.triangles) == 2 * 159 * 119
    assert np.abs(mesh.vertices[:, 2]).max() < 1e-5
    a, b, c = (mesh.vertices[mesh.triangles[:, corner]] for corner in range(3))
    assert (np.cross(b - a, c - a)[:, 2] > 0).all()
    assert (mesh.normals[:, 2] > 0.99).all()


def test_no_triangle_crosses_an_edge():
    frame = room_frames(1)[0]
    mesh = single_view_mesh(frame, SETTINGS)
    corners = mesh.vertices[mesh.triangles]
    middles = corners.mean(axis=1)
    # A triangle that spans an edge has its middle in the air, tens of centimetres from any surface.
    assert distance_to_room(middles).max() < 0.05
    assert len(mesh.triangles) > 0.95 * 2 * frame.depth.size


def test_a_ball_before_nothing_has_no_skirt():
    frame = ball_frames(1, radius=0.5)[0]
    mesh = single_view_mesh(frame, SETTINGS)
    assert np.abs(np.linalg.norm(mesh.vertices, axis=1) - 0.5).max() < 1e-5
    assert len(mesh.vertices) <= (frame.depth > 0).sum()


def test_vertices_carry_the_colours_of_their_pixels():
    frame = plane_frames(1)[0]
    assert np.array_equal(single_view_mesh(frame, SETTINGS).colors, frame.image.reshape(-1, 3))


def test_a_photo_without_depth_is_refused_by_name():
    frame = plane_frames(1)[0]
    with pytest.raises(StageError, match="plane-000"):
        single_view_mesh(dataclasses.replace(frame, depth=np.zeros_like(frame.depth)), SETTINGS)
