"""Boxes, turned bodies, rods, cushions and bent sheets: the shapes that furniture is put together from.

Every shape takes `at`, the world_from_piece matrix of the piece of furniture; lengths in metres, UVs in metres too
unless said.
"""

import math
from collections.abc import Callable, Sequence

import bpy
import numpy as np
from mathutils import Matrix

Point = Sequence[float]


def place(x: float, y: float, z: float = 0.0, turn: float = 0.0) -> Matrix:
    """world_from_piece: a piece standing at (x, y, z), turned anticlockwise by `turn` degrees."""
    return Matrix.Translation((x, y, z)) @ Matrix.Rotation(math.radians(turn), 4, "Z")


def body(
    at: Matrix,
    vertices: np.ndarray,
    faces: Sequence[Sequence[int]],
    uv: np.ndarray,
    material: bpy.types.Material,
    *,
    smooth: bool = False,
) -> bpy.types.Object:
    """Adds a mesh to the scene; `uv` is (corners, 2), in the order of the faces' corners."""
    mesh = bpy.data.meshes.new("shape")
    mesh.from_pydata(np.asarray(vertices, float).tolist(), [], [list(face) for face in faces])
    mesh.uv_layers.new().data.foreach_set("uv", np.asarray(uv, np.float32).ravel())
    mesh.materials.append(material)
    if smooth:
        mesh.shade_smooth()
    piece = bpy.data.objects.new("shape", mesh)
    piece.matrix_world = at
    bpy.context.scene.collection.objects.link(piece)
    return piece


def box(
    at: Matrix,
    size: Point,
    base: Point,
    material: bpy.types.Material,
    *,
    turn: float = 0.0,
    bevel: float = 0.004,
    grain: str = "x",
) -> bpy.types.Object:
    """A box of (x, y, z) `size` whose bottom's centre is `base`; `grain` is the axis along which U runs."""
    sx, sy, sz = size
    corners = np.array([(x, y, z) for z in (0, sz) for y in (-sy / 2, sy / 2) for x in (-sx / 2, sx / 2)])
    faces = [(0, 2, 3, 1), (4, 5, 7, 6), (0, 1, 5, 4), (2, 6, 7, 3), (0, 4, 6, 2), (1, 3, 7, 5)]
    along = "xyz".index(grain)
    # Pieces of one material must not show the same spot of its picture.
    shift = np.array([math.modf(abs(v) * 7.31)[0] * 3 for v in (at.translation.x + base[0], base[1] + base[2])])
    uv = []
    for face in faces:
        points = corners[list(face)]
        axes = [axis for axis in range(3) if np.ptp(points[:, axis]) > 0]
        if along in axes:
            axes = [along, *(axis for axis in axes if axis != along)]
        uv.append(points[:, axes] + shift)
    piece = body(at @ place(*base, turn), corners, faces, np.concatenate(uv), material)
    if bevel:
        modifier = piece.modifiers.new("bevel", "BEVEL")
        modifier.width = min(bevel, 0.3 * min(size))
        modifier.segments = 2
    return piece


def panel(
    at: Matrix,
    corners: Sequence[Point],
    material: bpy.types.Material,
    size: tuple[float, float] | None = None,
) -> bpy.types.Object:
    """A flat quad; corners anticlockwise from the lower left; UVs 0…1, or from 0 to `size`."""
    uv = np.array([(0, 0), (1, 0), (1, 1), (0, 1)], float) * (size or (1, 1))
    return body(at, np.array(corners), [(0, 1, 2, 3)], uv, material)


def grid(
    at: Matrix,
    surface: Callable[[np.ndarray, np.ndarray], np.ndarray],
    counts: tuple[int, int],
    size: tuple[float, float],
    material: bpy.types.Material,
) -> bpy.types.Object:
    """A smooth sheet: surface(u, v) → (..., 3) for u, v in 0…1; UVs run from 0 to `size`."""
    nu, nv = counts
    v, u = np.meshgrid(np.linspace(0, 1, nv), np.linspace(0, 1, nu), indexing="ij")
    index = np.arange(nu * nv).reshape(nv, nu)
    faces = np.stack([index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]], -1).reshape(-1, 4)
    uv = np.stack([u.ravel() * size[0], v.ravel() * size[1]], -1)[faces.ravel()]
    return body(at, surface(u, v).reshape(-1, 3), faces.tolist(), uv, material, smooth=True)


def turned(
    at: Matrix,
    base: Point,
    profile: Sequence[tuple[float, float]],
    material: bpy.types.Material,
    sides: int = 28,
) -> bpy.types.Object:
    """A body of revolution about the upright through `base`; profile of (radius, height)."""
    line = np.array(profile, float)
    around = float(2 * math.pi * line[:, 0].max())
    position = np.linspace(0, 1, len(line))

    def surface(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        radius, height = np.interp(v, position, line[:, 0]), np.interp(v, position, line[:, 1])
        return np.stack([radius * np.cos(u * 2 * math.pi), radius * np.sin(u * 2 * math.pi), height], -1)

    length = float(np.linalg.norm(np.diff(line, axis=0), axis=1).sum())
    return grid(at @ place(*base), surface, (sides + 1, len(line)), (around, length), material)


def rod(
    at: Matrix,
    start: Point,
    end: Point,
    radius: float,
    material: bpy.types.Material,
    tip: float | None = None,
) -> bpy.types.Object:
    """A round bar with capped ends, tapering to `tip`."""
    a, b = np.array(start, float), np.array(end, float)
    axis = (b - a) / np.linalg.norm(b - a)
    side = np.cross(axis, (0, 0, 1) if abs(axis[2]) < 0.9 else (1, 0, 0))
    side /= np.linalg.norm(side)
    up = np.cross(axis, side)
    ends = np.array([0, radius, tip if tip is not None else radius, 0])
    places = np.stack([a, a, b, b])

    def surface(u: np.ndarray, v: np.ndarray) -> np.ndarray:
        k = np.rint(v * 3).astype(int)
        turn = -2 * math.pi * u[..., None]
        return places[k] + ends[k][..., None] * (np.cos(turn) * side + np.sin(turn) * up)

    return grid(at, surface, (13, 4), (2 * math.pi * radius, float(np.linalg.norm(b - a))), material)


def cushion(
    at: Matrix,
    size: Point,
    base: Point,
    material: bpy.types.Material,
    *,
    lean: float = 0.0,
    turn: float = 0.0,
    puff: float = 0.35,
) -> bpy.types.Object:
    """A stuffed box: `puff` 0.15 = a seat, 0.5 = a throw pillow; `lean` degrees about its x axis, about its base."""
    half = np.array(size) / 2
    n = 15
    t = np.linspace(-1, 1, n)
    vertices, faces, uv = [], [], []
    for axis in range(3):
        for sign in (-1, 1):
            first, second = (axis + 1) % 3, (axis + 2) % 3
            b, a = np.meshgrid(t, t, indexing="ij")
            cube = np.zeros((n, n, 3))
            cube[..., axis], cube[..., first], cube[..., second] = sign, a, b
            # A cube blown towards a ball, by `puff`.
            squares = cube**2
            other = squares[..., [1, 2, 0]] + squares[..., [2, 0, 1]]
            product = squares[..., [1, 2, 0]] * squares[..., [2, 0, 1]]
            ball = cube * np.sqrt(1 - other / 2 + product / 3)
            points = ((1 - puff) * cube + puff * ball) * half
            start = sum(len(part) for part in vertices)
            index = start + np.arange(n * n).reshape(n, n)
            quads = np.stack([index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]], -1).reshape(-1, 4)
            quads = quads if sign > 0 else quads[:, ::-1]
            plane = np.stack([a * half[first], b * half[second]], -1).reshape(-1, 2)
            if axis != 2 and first == 2:
                plane = plane[:, ::-1]
            vertices.append(points.reshape(-1, 3))
            uv.append(plane[(quads - start).ravel()])
            faces.extend(quads.tolist())
    local = place(*base, turn) @ Matrix.Rotation(math.radians(lean), 4, "X") @ Matrix.Translation((0, 0, half[2]))
    return body(at @ local, np.concatenate(vertices), faces, np.concatenate(uv), material, smooth=True)
