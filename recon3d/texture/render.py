"""Pictures of textured meshes as they are, without lamps: ray by ray."""

import numpy as np

from recon3d.geometry import SE3, Camera, TexturedMesh
from recon3d.geometry.arrays import Array
from recon3d.texture.view import Caster


def render_textured(
    textured: TexturedMesh, camera: Camera, world_from_cam: SE3, caster: Caster | None = None
) -> tuple[Array, Array, Array]:
    """Casts a ray per pixel.

    Args:
        textured: what is drawn.
        camera: the view.
        world_from_cam: its pose [m].
        caster: of this mesh, where there is one already.

    Returns:
        (H, W, 3) uint8 by the texture and by the vertex colours, and (H, W) float32 depth along z [m], 0 = none.
    """
    mesh = textured.mesh
    depth, triangle, places = (caster or Caster(mesh)).cast(camera, world_from_cam)
    hit = depth > 0
    second, third = places[hit][:, 0], places[hit][:, 1]
    weights = np.stack([1 - second - third, second, third], axis=1)
    uv = np.einsum("nk,nkc->nc", weights, textured.uv[triangle[hit]])
    pictures = []
    for colors in (
        sampled(textured.texture, uv),
        np.einsum("nk,nkc->nc", weights, mesh.colors[mesh.triangles[triangle[hit]]].astype(np.float32)),
    ):
        picture = np.zeros((*depth.shape, 3), np.uint8)
        picture[hit] = np.rint(np.clip(colors, 0, 255))
        pictures.append(picture)
    return pictures[0], pictures[1], depth


def sampled(texture: Array, uv: Array) -> Array:
    """(N, 3) float32 colours at places (N, 2) in [0, 1], bilinear."""
    size = len(texture)
    place = np.clip(uv * size - 0.5, 0, size - 1)
    low = np.minimum(place.astype(np.int64), size - 2) if size > 1 else np.zeros_like(place, np.int64)
    high = np.minimum(low + 1, size - 1)
    mix = (place - low).astype(np.float32)
    (a, b), (c, d) = (mix[:, :1], mix[:, 1:]), (1 - mix[:, :1], 1 - mix[:, 1:])
    above = c * texture[low[:, 1], low[:, 0]] + a * texture[low[:, 1], high[:, 0]]
    below = c * texture[high[:, 1], low[:, 0]] + a * texture[high[:, 1], high[:, 0]]
    return np.asarray(d * above + b * below)
