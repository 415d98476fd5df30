"""The sample room keeps its promises: EXIF, stored turns, exact depth, exact poses, the surface that the photos see."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps

ROOM = Path(__file__).resolve().parents[1] / "samples" / "room"
PHOTOS = sorted(ROOM.glob("IMG_*.jpg"))
CAMERA = json.loads((ROOM / "truth" / "camera.json").read_text())
POSES = json.loads((ROOM / "truth" / "poses.json").read_text())
NAMES = [photo.stem for photo in PHOTOS]


def world_from_cam(name: str) -> np.ndarray:
    return np.array(POSES["poses"][name])


def upright(name: str) -> np.ndarray:
    with Image.open(ROOM / f"{name}.jpg") as photo:
        return np.asarray(ImageOps.exif_transpose(photo)).astype(float)


def depth(name: str) -> np.ndarray:
    with Image.open(ROOM / "truth" / "depth" / f"{name}.png") as millimetres:
        return np.asarray(millimetres) / 1000.0


def exif(photo: Path) -> Image.Exif:
    with Image.open(photo) as opened:
        return opened.getexif()


def world_points(name: str, step: int) -> tuple[np.ndarray, np.ndarray]:
    """Points of every `step`th pixel that has a depth, and the colours seen there."""
    z = depth(name)
    v, u = np.nonzero(z[::step, ::step])
    v, u = v * step, u * step
    rays = np.stack([(u - CAMERA["cx"]) / CAMERA["fx"], (v - CAMERA["cy"]) / CAMERA["fy"], np.ones(len(u))], -1)
    pose = world_from_cam(name)
    return rays * z[v, u, None] @ pose[:3, :3].T + pose[:3, 3], upright(name)[v, u]


def read_mesh() -> tuple[np.ndarray, np.ndarray]:
    header, body = (ROOM / "truth" / "mesh.ply").read_bytes().split(b"end_header\n", 1)
    counts = [int(line.split()[2]) for line in header.decode().splitlines() if line.startswith("element")]
    vertices = np.frombuffer(body, "<f4", 3 * counts[0]).reshape(-1, 3).astype(float)
    rows = np.frombuffer(body, [("count", "u1"), ("corners", "<i4", 3)], counts[1], 12 * counts[0])
    return vertices, rows["corners"]


def distance_to_triangles(p: np.ndarray, triangles: np.ndarray) -> float:
    """Distance of a point (3,) to the nearest of triangles (K, 3, 3); infinite for none."""
    a, b, c = np.moveaxis(triangles, 1, 0)
    normal = np.cross(b - a, c - a)
    normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-12)
    edges = [(a, b), (b, c), (c, a)]
    inside = np.all([(np.cross(t - s, p - s) * normal).sum(-1) >= 0 for s, t in edges], axis=0)
    best = np.where(inside, np.abs(((p - a) * normal).sum(-1)), np.inf)
    for s, t in edges:
        along = ((p - s) * (t - s)).sum(-1) / np.maximum(((t - s) ** 2).sum(-1), 1e-12)
        best = np.minimum(best, np.linalg.norm(p - s - np.clip(along, 0, 1)[:, None] * (t - s), axis=-1))
    return float(best.min(initial=np.inf))


def test_every_photo_has_a_pose_and_a_depth_map():
    assert 24 <= len(PHOTOS) <= 32
    assert sorted(POSES["poses"]) == NAMES
    assert sorted(file.stem for file in (ROOM / "truth" / "depth").glob("*.png")) == NAMES


def test_the_set_is_small():
    assert sum(file.stat().st_size for file in ROOM.rglob("*") if file.is_file()) < 20e6


def test_exif_focal_length_is_the_true_one():
    diagonal = np.hypot(CAMERA["width"], CAMERA["height"])
    for photo in PHOTOS:
        tags = exif(photo)
        assert tags[0x010F]
        assert tags[0x0110]
        details = tags.get_ifd(0x8769)
        assert 2 < float(details[0x920A]) < 10
        assert details[0xA405] / 43.2666 * diagonal == pytest.approx(CAMERA["fx"], rel=1e-3)


def test_four_photos_are_stored_turned_and_all_are_upright_after():
    turns = sorted(exif(photo)[0x0112] for photo in PHOTOS)
    assert [turn for turn in turns if turn != 1] == [3, 6, 6, 8]
    for name in NAMES:
        assert upright(name).shape == (*depth(name).shape, 3) == (CAMERA["height"], CAMERA["width"], 3)


@pytest.mark.parametrize("name", NAMES)
def test_poses_are_rigid(name: str):
    pose = world_from_cam(name)
    np.testing.assert_allclose(pose[:3, :3] @ pose[:3, :3].T, np.eye(3), atol=1e-7)
    assert np.linalg.det(pose[:3, :3]) == pytest.approx(1)
    assert pose[3].tolist() == [0, 0, 0, 1]


def test_the_walk_is_a_persons_and_closes():
    centres = np.array([world_from_cam(name)[:3, 3] for name in NAMES])
    steps = np.linalg.norm(centres - np.roll(centres, -1, axis=0), axis=1)
    assert steps.min() > 0.1
    assert steps.max() < 0.35
    assert np.all((centres[:, 2] > 1.2) & (centres[:, 2] < 1.8))


def test_the_floor_is_at_zero():
    heights = np.concatenate([world_points(name, 8)[0][:, 2] for name in NAMES[::4]])
    assert heights.min() > -0.003  # half a millimetre of depth, at a grazing angle
    floor = heights[heights < 0.004]
    assert len(floor) > 1000
    assert np.abs(np.median(floor)) < 0.0005


@pytest.mark.parametrize("k", range(0, 28, 5))
def test_a_photo_warped_to_its_neighbour_has_its_colours(k: int):
    one, other = NAMES[k], NAMES[(k + 1) % len(NAMES)]
    points, colours = world_points(one, 4)
    pose = world_from_cam(other)
    local = (points - pose[:3, 3]) @ pose[:3, :3]
    local, colours = local[local[:, 2] > 0.1], colours[local[:, 2] > 0.1]
    u = np.rint(CAMERA["fx"] * local[:, 0] / local[:, 2] + CAMERA["cx"]).astype(int)
    v = np.rint(CAMERA["fy"] * local[:, 1] / local[:, 2] + CAMERA["cy"]).astype(int)
    inside = (u >= 0) & (u < CAMERA["width"]) & (v >= 0) & (v < CAMERA["height"])
    assert inside.mean() > 0.55
    u, v = u[inside], v[inside]
    met = np.abs(depth(other)[v, u] - local[inside, 2]) < 0.01
    assert met.mean() > 0.7  # the rest is hidden, or at an edge
    error = np.abs(upright(other)[v, u] - colours[inside]).mean(1)[met]
    assert np.median(error) < 9  # noise, vignetting, rounding to whole pixels


def test_depth_lies_on_the_surface():
    vertices, corners = read_mesh()
    triangles = vertices[corners]
    low, high = triangles.min(1) - 0.01, triangles.max(1) + 0.01
    points = np.concatenate([world_points(name, 64)[0] for name in NAMES])[::9]
    distance = np.array([distance_to_triangles(p, triangles[np.all((low < p) & (p < high), axis=1)]) for p in points])
    assert len(points) > 500
    assert np.median(distance) < 0.001
    assert np.mean(distance < 0.01) > 0.97  # leaves and the like are cut at the edge of what is seen


def test_the_surface_is_nowhere_but_where_the_photos_see_it():
    vertices, corners = read_mesh()
    centres = vertices[corners].mean(1)[::50]
    seen = np.zeros(len(centres), bool)
    for name in NAMES:
        pose, z = world_from_cam(name), depth(name)
        local = (centres - pose[:3, 3]) @ pose[:3, :3]
        ahead = np.maximum(local[:, 2], 0.1)
        u = np.rint(CAMERA["fx"] * local[:, 0] / ahead + CAMERA["cx"]).astype(int)
        v = np.rint(CAMERA["fy"] * local[:, 1] / ahead + CAMERA["cy"]).astype(int)
        inside = (local[:, 2] > 0.1) & (u >= 0) & (u < CAMERA["width"]) & (v >= 0) & (v < CAMERA["height"])
        seen[inside] |= np.abs(z[v[inside], u[inside]] - local[inside, 2]) < 0.01
    assert seen.mean() > 0.95
