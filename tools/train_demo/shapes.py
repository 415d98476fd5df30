"""Collects the triangles of a room: boxes, cushions, cylinders and sheets, each with a material."""

import math
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Material:
    """A surface: the texture's 0 and 1 are drawn in two colours (linear RGB).

    Attributes:
        texture: number in the library.
        repeat: how often the texture repeats a metre; 0 = it is stretched over the whole sheet.
        dark, light: colours of texture values 0 and 1.
        gloss: share of light that is mirrored at right angles.
        emission: light sent out, as a multiple of the colour; -1 = a window pane, whose colour is its light.
    """

    texture: int
    repeat: float
    dark: tuple[float, float, float]
    light: tuple[float, float, float]
    gloss: float = 0.0
    emission: float = 0.0


@dataclass
class Soup:
    """Triangles of one room; lists that grow, arrays when they are taken out by `arrays`."""

    materials: list[Material] = field(default_factory=list)
    corners: list[Array] = field(default_factory=list)
    uvs: list[Array] = field(default_factory=list)
    normals: list[Array] = field(default_factory=list)
    owners: list[NDArray[np.int64]] = field(default_factory=list)

    def material(self, material: Material) -> int:
        """Adds a material and returns its number."""
        self.materials.append(material)
        return len(self.materials) - 1

    def add(self, corners: Array, uvs: Array, normals: Array, material: int) -> None:
        """Adds (T, 3, 3) corners [m], (T, 3, 2) uvs [m or shares] and (T, 3, 3) unit normals."""
        self.corners.append(corners.astype(np.float32))
        self.uvs.append(uvs.astype(np.float32))
        self.normals.append(normals.astype(np.float32))
        self.owners.append(np.full(len(corners), material, np.int64))


def _unit_box() -> tuple[Array, NDArray[np.int64], Array]:
    corners, axes, normals = [], [], []
    for i, j, k in ((0, 1, 2), (0, 2, 1), (1, 2, 0)):
        for sign in (-0.5, 0.5):
            square = np.zeros((4, 3), np.float32)
            square[:, i], square[:, j], square[:, k] = (-0.5, 0.5, 0.5, -0.5), (-0.5, -0.5, 0.5, 0.5), sign
            corners.append(square[np.array(((0, 1, 2), (0, 2, 3)))])
            axes.append(np.broadcast_to((i, j), (2, 3, 2)))
            normal = np.zeros(3, np.float32)
            normal[k] = 2 * sign
            normals.append(np.broadcast_to(normal, (2, 3, 3)))
    return np.concatenate(corners), np.concatenate(axes), np.concatenate(normals)


_BOX, _BOX_UV, _BOX_NORMALS = _unit_box()


class Place:
    """A local frame (yaw about z, then a shift) in which furniture is built; local z is up, y is to the front."""

    def __init__(self, soup: Soup, origin: tuple[float, float, float] = (0, 0, 0), yaw: float = 0.0) -> None:
        self.soup = soup
        self.origin = np.array(origin, np.float32)
        self.yaw = yaw
        c, s = math.cos(yaw), math.sin(yaw)
        self.turn = np.array(((c, -s, 0), (s, c, 0), (0, 0, 1)), np.float32)

    def at(self, x: float, y: float, z: float = 0.0, yaw: float = 0.0) -> "Place":
        """A frame inside this one."""
        origin = self.turn @ np.array((x, y, z), np.float32) + self.origin
        return Place(self.soup, tuple(origin.tolist()), self.yaw + yaw)

    def put(self, corners: Array, uvs: Array, normals: Array, material: int) -> None:
        """Adds triangles given in local coordinates."""
        self.soup.add(corners @ self.turn.T + self.origin, uvs, normals @ self.turn.T, material)

    def quad(self, corner: tuple, across: tuple, up: tuple, material: int, uv: tuple | None = None) -> None:
        """A flat sheet: `corner` + s `across` + t `up`; texture v runs downwards; uv in metres, or as told."""
        a, e, f = (np.array(x, np.float32) for x in (corner, across, up))
        width, height = float(np.linalg.norm(e)), float(np.linalg.norm(f))
        u1, v1 = uv or (width, height)
        points = np.stack((a, a + e, a + e + f, a + f))
        uvs = np.array(((0, v1), (u1, v1), (u1, 0), (0, 0)), np.float32)
        normal = np.cross(e, f)
        normal /= max(float(np.linalg.norm(normal)), 1e-9)
        idx = np.array(((0, 1, 2), (0, 2, 3)))
        self.put(points[idx], uvs[idx], np.broadcast_to(normal, (2, 3, 3)), material)

    def box(self, centre: tuple, size: tuple, material: int) -> None:
        """A box by its centre and edge lengths."""
        c, edges = np.array(centre, np.float32), np.array(size, np.float32)
        shift = (abs(float(c.sum())) * 97.3) % 3.0
        uvs = np.take_along_axis(_BOX * edges, _BOX_UV, 2) + shift
        self.put(_BOX * edges + c, uvs, _BOX_NORMALS, material)

    def sheet(self, points: Array, uv: Array, material: int) -> None:
        """A curved sheet through a grid of points (R, C, 3) with uv (R, C, 2); normals are smooth."""
        e, f = np.gradient(points, axis=1), np.gradient(points, axis=0)
        normal = np.cross(e, f)
        normal /= np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
        rows, cols = points.shape[:2]
        idx = np.arange(rows * cols).reshape(rows, cols)
        a, b, c, d = idx[:-1, :-1].ravel(), idx[:-1, 1:].ravel(), idx[1:, 1:].ravel(), idx[1:, :-1].ravel()
        tri = np.concatenate((np.stack((a, b, c), 1), np.stack((a, c, d), 1)))
        self.put(points.reshape(-1, 3)[tri], uv.reshape(-1, 2)[tri], normal.reshape(-1, 3)[tri], material)

    def cushion(self, centre: tuple, size: tuple, material: int, roundness: float = 0.35, n: int = 9) -> None:
        """A soft box: a superellipsoid; roundness 1 is an ellipsoid, 0.1 nearly a box."""
        lat, lon = np.linspace(-np.pi / 2, np.pi / 2, n), np.linspace(-np.pi, np.pi, 2 * n)

        def power(x: NDArray) -> NDArray:
            return np.sign(x) * np.abs(x) ** roundness

        cl, sl = power(np.cos(lat))[:, None], power(np.sin(lat))[:, None]
        x, y = cl * power(np.cos(lon)), cl * power(np.sin(lon))
        unit = np.stack((x, y, np.broadcast_to(sl, x.shape)), -1)
        points = unit * np.array(size) / 2 + np.array(centre)
        uv = np.stack((points[..., 0] + 0.7 * points[..., 1], points[..., 2] + 0.6 * points[..., 1]), -1)
        self.sheet(points.astype(np.float32), uv.astype(np.float32), material)

    def cone(
        self, base: tuple, r0: float, r1: float, height: float, material: int, n: int = 12, cap: bool = True
    ) -> None:
        """A cylinder or a cone upwards from `base`, with flat caps."""
        angle = np.linspace(0, 2 * np.pi, n + 1)
        ring = np.stack((np.cos(angle), np.sin(angle), np.zeros(n + 1)), -1)
        low, high = ring * r0, ring * r1 + (0, 0, height)
        points = np.stack((low, high)) + np.array(base)
        uv = np.stack(np.meshgrid(angle * max(r0, r1), (0.0, height)), -1)
        self.sheet(points.astype(np.float32), uv.astype(np.float32), material)
        if cap:
            for disc, sign in ((points[0], -1.0), (points[1], 1.0)):
                middle = np.broadcast_to(disc[:-1].mean(0), (n, 3))
                tri = np.stack((middle, disc[:-1], disc[1:]), 1)
                self.put(tri, tri[..., :2], np.broadcast_to((0.0, 0.0, sign), (n, 3, 3)), material)
