import dataclasses

import numpy as np
import pytest
from painted import GREY, checked, grid, joined, photo, photos, smooth

import recon3d  # noqa: F401
from recon3d.errors import InputError
from recon3d.geometry import Mesh
from recon3d.texture.bake import bake
from recon3d.texture.render import render_textured
from recon3d.texture.texels import texel_faces, texel_points

SEAM = 3
"""Largest step between neighbouring texels of an even wall, beside the wall's own [of 255]."""
WALL = grid(1.6, 1.0, 12)


def texels_of(baked):
    """Points of all texels of charts, what they show, and their rows and columns."""
    size = baked.atlas.size
    faces = texel_faces(baked.textured.uv, size)
    at = np.flatnonzero(faces >= 0)
    points, _, _ = texel_points(baked.textured.mesh, baked.textured.uv, faces, at)
    return points.astype(np.float64), baked.textured.texture.reshape(-1, 3)[at].astype(float), faces >= 0


def psnr(a, b):
    return 10 * np.log10(255**2 / np.mean((np.asarray(a, float) - b) ** 2))


def largest_step(baked):
    """Largest difference of neighbouring texels within charts, less what the wall itself changes by."""
    points, _, covered = texels_of(baked)
    truth = np.zeros((*covered.shape, 3))
    truth[covered] = smooth(points)
    error = baked.textured.texture - truth
    steps = [
        np.abs(error[1:] - error[:-1])[covered[1:] & covered[:-1]],
        np.abs(error[:, 1:] - error[:, :-1])[covered[:, 1:] & covered[:, :-1]],
    ]
    return max(step.max() for step in steps)


def test_a_plane_photographed_exactly_gives_back_its_texture():
    taken = photos(checked)
    baked = bake(WALL, lambda: taken, 256)
    points, colors, _ = texels_of(baked)
    assert baked.seen > 0.99  # a pixel along the rim may be the floor's behind it
    assert psnr(colors, checked(points)) > 36  # photos are sampled once, and bytes
    assert psnr(colors, smooth(points)) < 25  # that is: of the detail

    new = photo("new", (0.1, -0.2, 1.2), (0.05, 0.0, 0.0), checked)
    rendered, by_vertices, depth = render_textured(baked.textured, new.camera, new.world_from_cam)
    hit = depth > 0
    assert psnr(rendered[hit], new.image[hit]) > 33
    assert psnr(by_vertices[hit], new.image[hit]) < 25


def test_a_photo_of_twice_the_exposure_leaves_no_seam():
    taken = photos(smooth)
    for odd in (2, 3):
        eye = taken[odd].world_from_cam.t
        taken[odd] = photo(f"p{odd}", eye, (0.8 * eye[0], 0, 0), smooth, exposure=2)
    wide = grid(2.0, 1.0, 12)  # wider than any photo: each ends somewhere on it
    baked = bake(wide, lambda: taken, 256)
    assert largest_step(baked) <= SEAM
    gains = baked.exposure.gain.mean(axis=1)
    others = np.delete(gains, [2, 3])
    assert gains[2] / others.mean() == pytest.approx(2 ** (-1 / 2.4), rel=0.03)


def test_photos_of_one_exposure_are_left_as_they_are():
    baked = bake(WALL, lambda: photos(checked), 128)
    np.testing.assert_array_equal(baked.exposure.gain, 1)
    np.testing.assert_array_equal(baked.exposure.bias, 0)


def test_a_passer_by_in_one_photo_is_not_on_the_wall():
    taken = photos(smooth)
    image = taken[4].image.copy()
    image[20:100, 60:110] = (230, 20, 20)
    taken[4] = dataclasses.replace(taken[4], image=image)  # whose depth tells nothing of it
    baked = bake(WALL, lambda: taken, 256)
    points, colors, _ = texels_of(baked)
    assert np.abs(colors - smooth(points)).max() < 8


def test_what_stands_in_front_does_not_print_on_the_wall_behind():
    plate = (-0.15, -0.1, 0.15, 0.1, 0.3, (250.0, 30.0, 30.0))
    mesh = joined(WALL, grid(0.3, 0.2, 4, z=0.3))
    taken = photos(smooth, plates=[plate])
    baked = bake(mesh, lambda: taken, 256)
    points, colors, _ = texels_of(baked)
    seen_wall = (points[:, 2] < 0.1) & (np.abs(points[:, 0]) < 0.7)
    redness = colors[:, 0] - smooth(points)[:, 0]
    assert redness[seen_wall].max() < 12
    assert np.median(colors[points[:, 2] > 0.2], axis=0) == pytest.approx([250, 30, 30], abs=3)


def test_what_no_photo_shows_takes_its_colour_from_around():
    def even(points):
        return np.broadcast_to([150.0, 140.0, 90.0], points.shape).copy()

    wide = grid(5.0, 1.0, 25)
    baked = bake(wide, lambda: photos(even), 256)
    points, colors, _ = texels_of(baked)
    assert baked.seen < 0.7
    assert np.abs(colors - [150, 140, 90]).max() < 4  # grey vertices, shifted as far as where they are seen

    alone = joined(WALL, grid(0.2, 0.2, 2, middle=(40.0, 0.0)))
    points, colors, _ = texels_of(bake(alone, lambda: photos(even), 256))
    np.testing.assert_array_equal(colors[points[:, 0] > 30], GREY)  # nothing around: its own


def test_the_photos_go_by_one_at_a_time():
    alive, most = set(), []

    def stream():
        for frame in photos(smooth, 5):
            alive.add(frame.name)
            most.append(len(alive))
            yield frame
            alive.discard(frame.name)

    bake(WALL, stream, 64)
    assert max(most) == 1 and len(most) == 10


def test_a_mesh_without_triangles_has_no_texture():
    with pytest.raises(InputError, match="without triangles"):
        bake(Mesh(np.zeros((3, 3)), np.zeros((0, 3), np.int32), np.zeros((3, 3), np.uint8)), list, 64)
