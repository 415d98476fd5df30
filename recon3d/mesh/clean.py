"""Clean meshes: every step in its order, with what it changed as a number before and after."""

from collections.abc import Callable
from dataclasses import dataclass

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


@dataclass
class Work:
    """The mesh that is worked on, as it is now: what it was before a step is let go as soon as the step is done.

    Attributes:
        mesh: of the present.
    """

    mesh: Mesh


Step = Callable[[Work, MeshSettings], list[Change]]


def clean(mesh: Mesh, settings: MeshSettings, report: Report = silent) -> tuple[Mesh, list[Change]]:
    """Makes a mesh to work with of a fused surface.

    Args:
        mesh: any mesh.
        settings: what each step does; each can be switched off.
        report: told after each step.

    Returns:
        The mesh, without triangles where all were faults, and what changed in the order of the steps.
    """
    work, changes = Work(mesh), []
    del mesh
    for step in each(STEPS.values(), "mesh", report):
        changes += step(work, settings)
    return work.mesh, changes


def _repaired(work: Work, settings: MeshSettings) -> list[Change]:
    triangles, (edges, vertices) = len(work.mesh.triangles), _faults(work.mesh)
    work.mesh = sound(work.mesh)
    sound_triangles = len(work.mesh.triangles)
    if settings.repair:
        work.mesh = manifold(work.mesh)
        work.mesh, turned = facing_one_way(work.mesh)
    else:
        turned = facing_one_way(work.mesh)[1]
    edges_left, vertices_left = _faults(work.mesh)
    return [
        Change("sound_triangles", triangles, sound_triangles),
        Change("non_manifold_edges", edges, edges_left),
        Change("non_manifold_vertices", vertices, vertices_left),
        Change("triangles_turned_over", turned, 0 if settings.repair else turned),
    ]


def _faults(mesh: Mesh) -> tuple[int, int]:
    """Edges at which more than two triangles meet, and vertices at which sheets touch."""
    return non_manifold_edges(mesh.triangles, len(mesh.vertices)), non_manifold_vertices(mesh)


def _of_some_size(work: Work, settings: MeshSettings) -> list[Change]:
    before = pieces(work.mesh)[0]
    work.mesh = without_crumbs(work.mesh, settings.min_component)
    return [Change("pieces", before, pieces(work.mesh)[0])]


def _without_spikes(work: Work, settings: MeshSettings) -> list[Change]:
    before = spikes(work.mesh, settings.max_spike)
    work.mesh = without_spikes(work.mesh, settings.max_spike)
    return [Change("spikes", before, spikes(work.mesh, settings.max_spike))]


def _without_holes(work: Work, settings: MeshSettings) -> list[Change]:
    rims, holes = rims_and_holes(work.mesh, settings.max_hole)
    work.mesh = without_holes(work.mesh, settings.max_hole)
    rims_left, holes_left = rims_and_holes(work.mesh, settings.max_hole)
    return [Change("holes", holes, holes_left), Change("rims", rims, rims_left)]


def _smoothed(work: Work, settings: MeshSettings) -> list[Change]:
    before = roughness(work.mesh)
    work.mesh = smoothed(work.mesh, settings.smoothing)
    return [Change("roughness_m", before, roughness(work.mesh))]


def _decimated(work: Work, settings: MeshSettings) -> list[Change]:
    if settings.triangles is None and settings.max_error is None:
        return []
    before = len(work.mesh.triangles)
    work.mesh, error = decimated(work.mesh, settings.triangles, settings.max_error)
    return [Change("triangles", before, len(work.mesh.triangles)), Change("decimation_error_m", 0.0, error)]


def _with_normals(work: Work, settings: MeshSettings) -> list[Change]:
    old, normals = work.mesh, normals_of(work.mesh)
    anew = Mesh(old.vertices, old.triangles, old.colors, normals)
    if old.normals is None or not len(old.triangles):
        work.mesh = anew
        return []
    cosine = np.einsum("vc,vc->v", old.normals, normals)
    off = float(np.degrees(np.arccos(np.clip(cosine, -1, 1))).mean())
    keep = settings.normals is False
    work.mesh = old if keep else anew
    return [Change("normals_off_deg", off, off if keep else 0.0)]


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
