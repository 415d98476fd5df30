import dataclasses

import numpy as np
import pytest
from synthetic import plane_frames, room_frames

from recon3d.geometry import Mesh
from recon3d.metrics import double_wall
from recon3d.metrics.between_views import Look, Seen, compared, photo_errors
from recon3d.metrics.double_wall import double_wall_share

TOLERANCE = {"agree_relative": 0.02, "agree_m": 0.02}


def look(frame, **depths):
    depths = {"exact": frame.depth, **depths}
    return Look(frame.image.mean(axis=-1).astype(np.float32), depths, frame.camera, frame.world_from_cam)


@pytest.fixture(scope="module")
def looks():
    return [look(frame) for frame in room_frames(5)]


def test_exact_depths_agree_and_show_no_wall_twice(looks):
    found = compared(looks[2], "exact", [looks[0], looks[1], looks[3], looks[4]], **TOLERANCE)
    assert np.nanmedian(found.gap) < 0.005  # a pixel's slope on slanted surfaces
    assert found.agree > 50_000
    assert found.double < 0.01 * found.agree  # a handful at furniture's edges


def test_two_views_that_put_a_plane_ten_centimetres_apart_show_it_twice():
    near, far = plane_frames(2)
    # the plane as seen from 2 m above it, at z = 0 and at z = -0.15: rays reach it 2.15 / 2 as far
    one, other = look(near), look(dataclasses.replace(far, depth=(far.depth * 1.075).astype(np.float32)))
    counts = [compared(a, "exact", [b], **TOLERANCE) for a, b in ((one, other), (other, one))]
    agree, double = (sum(getattr(count, what) for count in counts) for what in ("agree", "double"))
    assert double / (agree + double) > 0.95
    same = compared(one, "exact", [look(far)], **TOLERANCE)
    assert same.double == 0 and same.agree > 0


def test_the_gap_is_the_middle_one_of_what_others_say(looks):
    wrong = dataclasses.replace(looks[3], depths={"exact": looks[3].depths["exact"] * np.float32(0.5)})
    found = compared(looks[2], "exact", [looks[1], looks[4], wrong], **TOLERANCE)
    assert np.nanmedian(found.gap) < 0.01
    assert np.isnan(compared(looks[2], "exact", [], **TOLERANCE).gap).all()


def test_the_nearest_pixel_of_itself_is_itself(looks):
    seen = Seen.of(looks[0], "exact", looks[0])
    assert seen.inside.all()
    assert np.array_equal(seen.nearest(looks[0].depths["exact"]), looks[0].depths["exact"])
    assert np.allclose(seen.z, looks[0].depths["exact"], rtol=1e-5)


def test_a_photo_is_painted_better_through_its_true_depth():
    frames = room_frames(5)
    looks = [look(frame, wrong=(1.1 * frame.depth).astype(np.float32)) for frame in frames]
    errors = photo_errors(looks[2], ["wrong", "exact"], [looks[1], looks[4]], **TOLERANCE)
    assert len(errors) == 2
    assert all(3 * one["exact"] < one["wrong"] for one in errors)
    brighter = dataclasses.replace(looks[1], grey=looks[1].grey + 20)  # another exposure is no error
    (again,) = photo_errors(looks[2], ["wrong", "exact"], [brighter], **TOLERANCE)
    assert again["exact"] == pytest.approx(errors[0]["exact"], abs=1e-3)


def sheets(*heights, down=()):
    """Square metres at heights, that face upwards or, where named in `down`, downwards."""
    corners = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], float)
    vertices = np.concatenate([np.column_stack([corners, np.full(4, height)]) for height in heights])
    faces = {False: [[0, 1, 2], [0, 2, 3]], True: [[0, 2, 1], [0, 3, 2]]}
    triangles = np.concatenate([4 * i + np.array(faces[height in down]) for i, height in enumerate(heights)])
    return Mesh(vertices, triangles, np.zeros((len(vertices), 3), np.uint8))


def test_a_second_sheet_behind_that_faces_the_same_way_is_a_double_wall():
    def share(mesh):
        return double_wall_share(mesh, near_m=0.05, far_m=0.3)

    assert share(sheets(0.0)) == 0
    assert share(sheets(0.0, 0.1)) == pytest.approx(0.5, abs=0.02)  # the upper one; the lower has nothing behind it
    assert share(sheets(0.0, 0.1, down=(0.0,))) == 0  # the two sides of a board
    assert share(sheets(0.0, 0.02)) == 0  # one surface, as near as that
    assert share(sheets(0.0, 0.5)) == 0  # two things
    assert share(sheets(0.0, 0.1, 0.2, down=(0.1,))) == pytest.approx(1 / 3, abs=0.02)  # a TSDF's sheet between both


def test_double_walls_are_the_same_however_few_triangles_are_looked_at_at_a_time(monkeypatch):
    def row(count):
        """Sheets one after another along x, every other one double."""
        parts = [sheets(0.0, *((0.1,) if number % 2 else ())) for number in range(count)]
        starts = np.cumsum([0, *(len(part.vertices) for part in parts[:-1])])
        vertices = np.concatenate([part.vertices + np.array([number, 0, 0]) for number, part in enumerate(parts)])
        triangles = np.concatenate([part.triangles + start for part, start in zip(parts, starts, strict=True)])
        return Mesh(vertices, triangles, np.zeros((len(vertices), 3), np.uint8))

    whole = double_wall_share(row(9), near_m=0.05, far_m=0.3)
    assert 0.2 < whole < 0.4
    monkeypatch.setattr(double_wall, "TRIANGLES", 3)
    assert double_wall_share(row(9), near_m=0.05, far_m=0.3) == whole
