"""Clean meshes: every step in its order, with what it changed as a number before and after."""

from collections.abc import Callable

import numpy as np

from recon3d.geometry import Mesh
from recon3d.mesh.change import Change
from recon3d.mesh.decimate import decimated
from recon3d.mesh.holes import rims_and_holes, without_holes
from recon3d.mesh.manifold import facing_one_way, manifold, non_manifold_vertices, sound
from recon3d.mesh.normals import normals_of
from recon3d.mesh.parts import non_manifold_edges
from recon3d.mesh.pieces import pieces, without_crumbs
from recon3d.mesh.smooth import roughness, smoothed
from recon3d.mesh.spikes import spikes, without_spikes
from recon3d.progress import Report, each, silent
from recon3d.settings import MeshSettings

Step = Callable[[Mesh, MeshSettings], tuple[Mesh, list[Change]]]


def clean(mesh: Mesh, settings: MeshSettings, report: Report = silent) -> tuple[Mesh, list[Change]]:
    """Makes a mesh to work with of a fused surface.

    Args:
        mesh: any mesh.
        settings: what each step does; each can be switched off.
        report: told after each step.

    Returns:
        The mesh, without triangles where all were faults, and what changed in the order of the steps.
    """
    changes = []
    for step in each(STEPS.values(), "mesh", report):
        mesh, found = step(mesh, settings)
        changes += found
    return mesh, changes


def _repaired(mesh: Mesh, settings: MeshSettings) -> tuple[Mesh, list[Change]]:
    faults = _faults(mesh)
    mended = sound(mesh)  # one name for all, so that no more of them are held than it takes
    sound_triangles = len(mended.triangles)
    if settings.repair:
        mended = manifold(mended)
        mended, turned = facing_one_way(mended)
    else:
        turned = facing_one_way(mended)[1]
    (edges, vertices), (edges_left, vertices_left) = faults, _faults(mended)
    return mended, [
        Change("sound_triangles", len(mesh.triangles), sound_triangles),
        Change("non_manifold_edges", edges, edges_left),
        Change("non_manifold_vertices", vertices, vertices_left),
        Change("triangles_turned_over", turned, 0 if settings.repair else turned),
    ]


def _faults(mesh: Mesh) -> tuple[int, int]:
    """Edges at which more than two triangles meet, and vertices at which sheets touch."""
    return non_manifold_edges(mesh.triangles, len(mesh.vertices)), non_manifold_vertices(mesh)


def _of_some_size(mesh: Mesh, settings: MeshSettings) -> tuple[Mesh, list[Change]]:
    large = without_crumbs(mesh, settings.min_component)
    return large, [Change("pieces", pieces(mesh)[0], pieces(large)[0])]


def _without_spikes(mesh: Mesh, settings: MeshSettings) -> tuple[Mesh, list[Change]]:
    even = without_spikes(mesh, settings.max_spike)
    return even, [Change("spikes", *(spikes(surface, settings.max_spike) for surface in (mesh, even)))]


def _without_holes(mesh: Mesh, settings: MeshSettings) -> tuple[Mesh, list[Change]]:
    rims, holes = rims_and_holes(mesh, settings.max_hole)
    filled = without_holes(mesh, settings.max_hole)
    rims_left, holes_left = rims_and_holes(filled, settings.max_hole)
    return filled, [Change("holes", holes, holes_left), Change("rims", rims, rims_left)]


def _smoothed(mesh: Mesh, settings: MeshSettings) -> tuple[Mesh, list[Change]]:
    smooth = smoothed(mesh, settings.smoothing)
    return smooth, [Change("roughness_m", roughness(mesh), roughness(smooth))]


def _decimated(mesh: Mesh, settings: MeshSettings) -> tuple[Mesh, list[Change]]:
    if settings.triangles is None and settings.max_error is None:
        return mesh, []
    fewer, error = decimated(mesh, settings.triangles, settings.max_error)
    return fewer, [
        Change("triangles", len(mesh.triangles), len(fewer.triangles)),
        Change("decimation_error_m", 0.0, error),
    ]


def _with_normals(mesh: Mesh, settings: MeshSettings) -> tuple[Mesh, list[Change]]:
    normals = normals_of(mesh)
    anew = Mesh(mesh.vertices, mesh.triangles, mesh.colors, normals)
    if mesh.normals is None or not len(mesh.triangles):
        return anew, []
    cosine = np.einsum("vc,vc->v", mesh.normals, normals)
    off = float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean())
    keep = settings.normals is False
    return mesh if keep else anew, [Change("normals_off_deg", off, off if keep else 0.0)]


STEPS: dict[str, Step] = {
    "repair": _repaired,
    "pieces": _of_some_size,
    "spikes": _without_spikes,
    "holes": _without_holes,
    "smooth": _smoothed,
    "decimate": _decimated,
    "normals": _with_normals,
}
"""First what is no surface goes (sheets that touch, crumbs), then what stands out of it, then what is missing comes;
only then is it smoothed. Decimation sees it smooth, and normals come of what is left."""
