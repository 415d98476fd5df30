"""Evaluating a mesh: how near it is to the true surface, and how much of that it covers."""

import dataclasses
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import InputError
from recon3d.files import replacing
from recon3d.formats.cloud_file import read_cloud
from recon3d.formats.mesh_file import read_mesh
from recon3d.formats.ply import write_cloud, write_mesh
from recon3d.formats.pose_file import read_poses
from recon3d.geometry import SE3, Mesh, PointCloud
from recon3d.geometry.arrays import Array
from recon3d.metrics.distance import distances_to
from recon3d.metrics.icp import closest_points
from recon3d.metrics.surface import SurfaceErrors, sample_with_normals, surface_errors
from recon3d.metrics.trajectory import umeyama
from recon3d.scene import Scene
from recon3d.show.error_colours import error_colours
from recon3d.stages.evaluation import Evaluation, is_scene, scene_poses, table

ALIGNMENTS = ("none", "rigid", "similarity")
"""How a scene is brought to the truth: not at all, or by the camera centres without or with a scale."""
ICP_POINTS = 20_000
"""Points that a refinement by closest points looks at."""
BAR = 24
"""Signs of the bar of a whole surface."""
ON_A_LINE = 0.01
"""Camera centres that spread less than this across their line than along it say nothing of the turn around it."""


@dataclass(frozen=True)
class MeshOptions:
    """How surfaces are compared.

    Attributes:
        thresholds_m: distances within which a point counts as right [m].
        align: one of `ALIGNMENTS`.
        truth_poses: poses of the same photos in the truth's world, where the truth is no SCENE.
        icp_m: then refine by closest points, none farther apart than this [m]; None = don't.
        crop_m: leave out what of the judged surface lies farther than this outside the truth's box [m]; None = nothing.
        error_mesh: a PLY file to write the judged surface to, in the truth's world, its colours its errors.
        histogram: an SVG file to write the histograms of the distances to.
        points: drawn from each surface.
        seed: of the drawing.
    """

    thresholds_m: tuple[float, ...] = (0.02, 0.05)
    align: str = "none"
    truth_poses: Path | None = None
    icp_m: float | None = None
    crop_m: float | None = None
    error_mesh: Path | None = None
    histogram: Path | None = None
    points: int = 200_000
    seed: int = 0


def evaluate_mesh(judged: Path, truth: Path, options: MeshOptions) -> Evaluation:
    """Errors of a surface against the true one, points drawn from both uniformly by area.

    Args:
        judged: a SCENE (its mesh.ply), or a file: mesh, or point cloud (PLY without triangles).
        truth: the same.
        options: thresholds, alignment, crop.

    Raises:
        InputError: a file that is no surface, an alignment that can't be found, or nothing left by the crop.
    """
    if options.align not in ALIGNMENTS:
        raise InputError(f"--align: got {options.align!r}, wanted one of {', '.join(ALIGNMENTS)}")
    if options.truth_poses and options.align == "none":
        raise InputError(f"--truth-poses {options.truth_poses}: is for an alignment; add --align rigid or similarity")
    _check_outputs(options)
    truth_from_judged, scale = _by_cameras(judged, truth, options)
    surface, true_surface = _surface(judged), _surface(truth)
    points, normals = _points(surface, judged, options)
    true, true_normals = _points(true_surface, truth, options)
    points = truth_from_judged @ (scale * points)
    how = {"none": "no alignment", "rigid": "aligned by camera centres, rotation and translation"}.get(
        options.align, f"aligned by camera centres, with a scale of {scale:.5f}"
    )
    if options.icp_m is not None:
        truth_from_moved, factor = closest_points(
            points[:ICP_POINTS], true, reach_m=options.icp_m, with_scale=options.align == "similarity"
        )
        moved = truth_from_moved @ (factor * points)
        how += f", then by closest points within {options.icp_m:g} m, which moved it {_shift(points, moved)}"
        points = moved
        truth_from_judged = truth_from_moved @ truth_from_judged.scaled(factor)
        scale *= factor
    normals = None if normals is None else normals @ truth_from_judged.R.T
    drawn = len(points)
    if options.crop_m is not None:
        inside = _in_box(points, true, options.crop_m)
        points, normals = points[inside], None if normals is None else normals[inside]
        how += f"; {100 * len(points) / drawn:.1f} % of the surface is in the truth's box + {options.crop_m:g} m"
    errors = surface_errors(points, true, options.thresholds_m, normals=normals, truth_normals=true_normals)
    if options.error_mesh:
        moved_surface = _moved(surface, truth_from_judged, scale)
        _write_errors(options.error_mesh, moved_surface, true_surface, max(errors.thresholds_m))
    if options.histogram:
        _write_histogram(options.histogram, errors)
    facts: dict[str, Any] = {
        **dataclasses.asdict(errors),
        "points": len(points),
        "truth_points": len(true),
        "seed": options.seed,
        "align": options.align,
        "icp_m": options.icp_m,
        "crop_m": options.crop_m,
        "scale": scale,
        "truth_from_judged": truth_from_judged.matrix.tolist(),
    }
    limits = errors.thresholds_m
    rows = zip(limits, errors.precision, errors.recall, errors.f_score, strict=True)
    lines = [
        f"{len(points)} points against {len(true)} of the truth, {how}",
        *table(["precision", "recall", "F-score"], {f"within {limit:g} m": shares for limit, *shares in rows}),
        f"accuracy {errors.accuracy_m:.4f} m, completeness {errors.completeness_m:.4f} m, "
        f"chamfer {errors.chamfer_m:.4f} m (means of the distances, and their mean)",
        _said_of_normals(errors),
        *_histogram(errors),
    ]
    return Evaluation(facts, tuple(lines))


def _by_cameras(judged: Path, truth: Path, options: MeshOptions) -> tuple[SE3, float]:
    """`truth_from_judged` and scale from the camera centres, where asked for."""
    if options.align == "none":
        return SE3.identity(), 1.0
    if not (is_scene(judged) and (options.truth_poses or is_scene(truth))):
        raise InputError(
            f"--align {options.align}: goes by camera centres and wants a SCENE on both sides, or a SCENE and "
            "--truth-poses FILE; surfaces that lie nearly in place can be aligned by --icp METRES"
        )
    ours = scene_poses(judged)
    true = read_poses(options.truth_poses, list(ours)).world_from_cam if options.truth_poses else scene_poses(truth)
    names = [name for name in ours if name in true]
    if len(names) < 3:
        raise InputError(f"--align {options.align}: got {len(names)} photos that both have, wanted at least 3")
    centres, true_centres = (np.stack([poses[name].t for name in names]) for poses in (ours, true))
    along, across, _ = np.linalg.svd(true_centres - true_centres.mean(axis=0), compute_uv=False)
    if not across > ON_A_LINE * along:
        raise InputError(
            f"--align {options.align}: the cameras stand on one line, to {100 * ON_A_LINE:g} % of its length, and the "
            "turn around it is open; surfaces that lie nearly in place can be aligned by --icp METRES"
        )
    return umeyama(centres, true_centres, with_scale=options.align == "similarity")


def _surface(path: Path) -> Mesh | PointCloud:
    """The mesh of a SCENE, or of a file; a cloud where a PLY file has no triangles."""
    if is_scene(path):
        scene = Scene.open(path)
        path = scene.file("mesh.ply")
        if not path.exists():
            raise InputError(f"{path}: not there yet; make it with: recon3d mesh {scene.place}")
    return read_cloud(path) if path.suffix.lower() == ".ply" and not _has_triangles(path) else read_mesh(path)


def _points(surface: Mesh | PointCloud, path: Path, options: MeshOptions) -> tuple[Array, Array | None]:
    """(N, 3) points [m], uniform by area of a mesh, a random choice of a cloud; and (N, 3) normals where known."""
    if isinstance(surface, PointCloud):
        chosen = np.random.default_rng(options.seed).permutation(len(surface.points))[: options.points]
        return surface.points[chosen], None if surface.normals is None else surface.normals[chosen].astype(np.float64)
    try:
        return sample_with_normals(surface, options.points, options.seed)
    except InputError as error:
        raise InputError(f"{path}: {error}") from error


def _check_outputs(options: MeshOptions) -> None:
    """What can't be written is said before the work."""
    for option, path, suffix in (
        ("--error-mesh", options.error_mesh, ".ply"),
        ("--histogram", options.histogram, ".svg"),
    ):
        if path and (path.suffix.lower() != suffix or path.is_dir()):
            raise InputError(f"{option} {path}: wanted the name of a file that ends in {suffix}")


def _shift(before: Array, after: Array) -> str:
    """How far points were moved, in words."""
    return f"{1000 * float(np.linalg.norm(after - before, axis=1).mean()):.1f} mm on average"


def _moved(surface: Mesh | PointCloud, truth_from_judged: SE3, scale: float) -> Mesh | PointCloud:
    """The judged surface in the truth's world."""
    turned = None if surface.normals is None else (surface.normals @ truth_from_judged.R.T).astype(np.float32)
    if isinstance(surface, PointCloud):
        return PointCloud(truth_from_judged @ (scale * surface.points), surface.colors, turned)
    return Mesh(truth_from_judged @ (scale * surface.vertices), surface.triangles, surface.colors, turned)


def _write_errors(path: Path, surface: Mesh | PointCloud, truth: Mesh | PointCloud, limit_m: float) -> None:
    """Writes the surface in the colours of its distances to the truth."""
    points = surface.vertices if isinstance(surface, Mesh) else surface.points
    colors = error_colours(distances_to(points, truth), limit_m)
    comments = [f"colour: distance to the truth, dark 0 m to bright {limit_m:g} m, red beyond"]
    with replacing(path) as temporary:
        if isinstance(surface, Mesh):
            write_mesh(temporary, dataclasses.replace(surface, colors=colors), comments)
        else:
            write_cloud(temporary, dataclasses.replace(surface, colors=colors), comments)


def _write_histogram(path: Path, errors: SurfaceErrors) -> None:
    from recon3d.show.report.charts import histogram_chart

    series = {"from A to the truth": errors.accuracy_histogram, "from the truth to A": errors.completeness_histogram}
    with replacing(path) as temporary:
        temporary.write_text(histogram_chart(errors.histogram_edges_m, series), encoding="utf-8")


def _said_of_normals(errors: SurfaceErrors) -> str:
    if errors.normal_consistency is None:
        return "normal consistency: not known, one of them has no normals"
    angle = math.degrees(math.acos(min(errors.normal_consistency, 1)))
    return f"normal consistency {errors.normal_consistency:.4f} (mean |cos| between normals: {angle:.1f} degrees)"


def _histogram(errors: SurfaceErrors) -> list[str]:
    """Lines of the shares of both surfaces by their distance to the other."""
    edges = errors.histogram_edges_m
    names = [f"{a:.4f} to {b:.4f} m" for a, b in zip(edges, (*edges[1:], math.inf), strict=True)]
    names[-1] = f"over {edges[-1]:.4f} m"
    head = f"{'distance':<18}  {'A to the truth':<{BAR + 8}}  the truth to A"
    rows = zip(names, errors.accuracy_histogram, errors.completeness_histogram, strict=True)
    return [head, *(f"{name:<18}  {_bar(one):<{BAR + 8}}  {_bar(other)}".rstrip() for name, one, other in rows)]


def _bar(share: float) -> str:
    return f"{100 * share:5.1f} % {'#' * round(BAR * share)}"


def _has_triangles(path: Path) -> bool:
    """Whether the header of a PLY file promises any; a file that is none is left for its reader to refuse."""
    if not path.is_file():
        return True
    with path.open("rb") as file:
        header = file.read(2**16).partition(b"end_header")[0]
    found = re.search(rb"element\s+face\s+(\d{1,15})", header)
    return bool(int(found[1])) if found else not header.startswith(b"ply")


def _in_box(points: Array, truth: Array, margin_m: float) -> Array:
    """(N,) bool: the points inside the truth's box, which is `margin_m` larger on every side."""
    if not 0 <= margin_m < np.inf:
        raise InputError(f"--crop: got {margin_m:g} m, wanted metres ≥ 0")
    low, high = truth.min(axis=0) - margin_m, truth.max(axis=0) + margin_m
    inside: Array = ((points >= low) & (points <= high)).all(axis=1)
    if not inside.any():
        raise InputError(
            f"--crop: nothing of the surface is in the truth's box ({_told(low)} to {_told(high)} m); do both stand in "
            "one world and one unit? --align brings a scene there"
        )
    return inside


def _told(corner: Array) -> str:
    return " ".join(f"{x:.2f}" for x in corner)
