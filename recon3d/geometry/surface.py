"""Point clouds and triangle meshes, plain and textured, in metres."""

from dataclasses import dataclass

import numpy as np

from recon3d.errors import InputError
from recon3d.geometry.arrays import Array, checked

ROWS = 100_000
"""Triangles that are renumbered at a time: numpy makes indices of eight bytes of them."""


@dataclass(frozen=True, eq=False)
class PointCloud:
    """Coloured points of the world.

    Attributes:
        points: (N, 3) float64 [m].
        colors: (N, 3) uint8 sRGB.
        normals: (N, 3) float32 unit vectors, or None.
    """

    points: Array
    colors: Array
    normals: Array | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "points", checked("points", self.points, np.float64, ("N", 3)))
        count = len(self.points)
        object.__setattr__(self, "colors", checked("colors", self.colors, np.uint8, (count, 3)))
        if not np.isfinite(self.points).all():
            raise InputError("points: got NaN or infinite coordinates, wanted metres")
        if self.normals is not None:
            object.__setattr__(self, "normals", checked("normals", self.normals, np.float32, (count, 3)))


@dataclass(frozen=True, eq=False)
class Mesh:
    """A triangle mesh of the world.

    Attributes:
        vertices: (V, 3) float64 [m].
        triangles: (T, 3) int32 vertex indices, counter-clockwise seen from outside.
        colors: (V, 3) uint8 sRGB.
        normals: (V, 3) float32 unit vectors, or None.
    """

    vertices: Array
    triangles: Array
    colors: Array
    normals: Array | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "vertices", checked("vertices", self.vertices, np.float64, ("V", 3)))
        object.__setattr__(self, "triangles", checked("triangles", self.triangles, np.int32, ("T", 3)))
        count = len(self.vertices)
        object.__setattr__(self, "colors", checked("colors", self.colors, np.uint8, (count, 3)))
        if not np.isfinite(self.vertices).all():
            raise InputError("vertices: got NaN or infinite coordinates, wanted metres")
        if len(self.triangles) and not (self.triangles.min() >= 0 and self.triangles.max() < count):
            raise InputError(f"triangles: got indices outside 0 to {count - 1}")
        if self.normals is not None:
            object.__setattr__(self, "normals", checked("normals", self.normals, np.float32, (count, 3)))

    def part(self, keep: Array) -> "Mesh":
        """The mesh of some triangles alone, with the vertices that they use, all in their old order.

        Args:
            keep: (T,) bool, which triangles.
        """
        triangles, used = self.triangles[keep], np.zeros(len(self.vertices), bool)
        chunks = [triangles[begin : begin + ROWS] for begin in range(0, len(triangles), ROWS)]
        for some in chunks:
            used[some] = True
        if used.all():
            return Mesh(self.vertices, triangles, self.colors, self.normals)
        new_index = np.cumsum(used, dtype=np.int32) - np.int32(1)
        for some in chunks:
            some[:] = new_index[some]
        normals = None if self.normals is None else self.normals[used]
        return Mesh(self.vertices[used], triangles, self.colors[used], normals)


@dataclass(frozen=True, eq=False)
class TexturedMesh:
    """A triangle mesh with a picture on it.

    Attributes:
        mesh: the triangles [m]; its vertex colours stand in wherever no texture is shown.
        uv: (T, 3, 2) float32 in [0, 1]: where each corner of each triangle lies in the texture. (0, 0) is the top-left
            *corner* of the picture and v grows downwards with its rows, as in glTF; so the centre of texel [row, col]
            is at ((col + ½) / S, (row + ½) / S).
        texture: (S, S, 3) uint8 sRGB.
    """

    mesh: Mesh
    uv: Array
    texture: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "uv", checked("uv", self.uv, np.float32, (len(self.mesh.triangles), 3, 2)))
        object.__setattr__(self, "texture", checked("texture", self.texture, np.uint8, ("S", "S", 3)))
        if self.texture.shape[0] != self.texture.shape[1] or not self.texture.size:
            raise InputError(f"texture: got shape {self.texture.shape}, wanted a square (S, S, 3)")
        if len(self.uv) and not (self.uv.min() >= 0 and self.uv.max() <= 1):  # false for NaN as well
            raise InputError("uv: got values outside 0 to 1, or NaN")
