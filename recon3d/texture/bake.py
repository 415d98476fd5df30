"""Baking: the photos' colours onto a mesh, as a texture."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np

from recon3d.errors import InputError
from recon3d.geometry import Frame, Mesh, TexturedMesh
from recon3d.geometry.arrays import Array
from recon3d.metrics.surface import sample_with_normals
from recon3d.progress import Report, each, silent
from recon3d.texture.atlas import Atlas, atlas, density_for
from recon3d.texture.blend import blend
from recon3d.texture.exposure import Exposure, fit_exposure
from recon3d.texture.fill import fill_around, fill_unseen, fill_vertices
from recon3d.texture.samples import SHARPER, Samples, take
from recon3d.texture.texels import texel_faces, texel_points, vertex_normals
from recon3d.texture.view import Caster, view_of

Photos = Callable[[], Iterable[Frame]]
"""Gives all photos again, one after the other, at each call."""

SIZES = (2048, 4096, 8192)
"""Sizes that are chosen from [px]."""
EXPOSURE_POINTS = 40_000
"""Points, even over the surface, that exposures are fitted to."""
BAND = 6_000_000
"""Texels whose samples are held at a time; more of them take all photos again."""


@dataclass(frozen=True, eq=False)
class Baked:
    """A texture and what is to be said of it.

    Attributes:
        textured: the mesh with its texture.
        atlas: where its triangles lie.
        exposure: of each photo.
        seen: share of the texels of all charts that a photo shows.
    """

    textured: TexturedMesh
    atlas: Atlas
    exposure: Exposure
    seen: float


def bake(mesh: Mesh, photos: Photos, size: int | None = None, report: Report = silent) -> Baked:
    """Lays a mesh out in an atlas and gives each texel the colour in which the best photos show it.

    The photos go by once for their exposure and the colours of the vertices, and once for each `BAND` texels.

    Args:
        mesh: the surface, with colours for what no photo shows.
        photos: gives the photos, one at a time.
        size: width and height of the texture [px]; None = what the photos' resolution fills, one of `SIZES`.
        report: told of progress.

    Raises:
        InputError: the mesh has no surface.
    """
    if not len(mesh.triangles):
        raise InputError("texture: got a mesh without triangles, wanted a surface")
    caster = Caster(mesh)
    drawn, facing = sample_with_normals(mesh, EXPOSURE_POINTS)
    points = np.concatenate([mesh.vertices, drawn]).astype(np.float32)
    normals = np.concatenate([vertex_normals(mesh), facing]).astype(np.float32)
    samples, count = gather(photos, caster, points, normals, "exposure", report)
    at_vertices, elsewhere = samples.parted(len(mesh.vertices))
    exposure = fit_exposure(elsewhere, count)
    vertex_colors = fill_vertices(mesh, *blend(at_vertices, exposure, mesh.colors))
    if size is None:
        size = size_for(mesh, at_vertices)
    laid_out = atlas(mesh, size)
    faces = texel_faces(laid_out.uv, size)
    texture = np.zeros((size * size, 3), np.uint8)
    texels = np.flatnonzero(faces.reshape(-1) >= 0)
    believed, shown = np.zeros_like(texture), np.zeros(size * size, bool)
    for start in range(0, len(texels), BAND):
        band = texels[start : start + BAND]
        points, directions, weights = texel_points(mesh, laid_out.uv, faces, band)
        samples, _ = gather(photos, caster, points, directions, "texture", report)
        corners = mesh.triangles[faces.reshape(-1)[band]]
        prior = np.einsum("nk,nkc->nc", weights, vertex_colors[corners])
        colors, seen = blend(samples, exposure, prior)
        texture[band] = np.rint(np.clip(colors, 0, 255)).astype(np.uint8)
        believed[band] = np.rint(np.clip(prior, 0, 255)).astype(np.uint8)
        shown[band] = seen
    covered = faces >= 0
    picture = texture.reshape(size, size, 3)
    fill_unseen(picture, believed.reshape(size, size, 3), shown.reshape(size, size), covered)
    share = np.count_nonzero(shown) / max(len(texels), 1)
    return Baked(TexturedMesh(mesh, laid_out.uv, fill_around(picture, covered)), laid_out, exposure, share)


def size_for(mesh: Mesh, at_vertices: Samples) -> int:
    """The size [px] at which the texels of a mesh are no wider than the pixels of half the photos' samples."""
    best = at_vertices.weight.max(axis=1) ** (1 / SHARPER)
    wanted = float(np.median(best[best > 0])) if best.any() else 0.0  # pixels per metre
    return next((size for size in SIZES if density_for(mesh, size) >= wanted), SIZES[-1])


def gather(
    photos: Photos, caster: Caster, points: Array, normals: Array, title: str, report: Report
) -> tuple[Samples, int]:
    """The best samples of points (N, 3) [m] with normals (N, 3), and the number of photos."""
    samples, count = Samples.none(len(points)), 0
    for frame in each(photos(), title, report, photo=lambda frame: frame.name):
        take(view_of(frame, caster), count, points, normals, samples)
        count += 1
    return samples, count
