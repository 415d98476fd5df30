"""Evaluating a mesh: how near it is to the true surface, and how much of that it covers."""

import dataclasses
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import InputError
from recon3d.formats.cloud_file import read_cloud
from recon3d.formats.mesh_file import read_mesh
from recon3d.formats.pose_file import read_poses
from recon3d.geometry import SE3
from recon3d.geometry.arrays import Array
from recon3d.metrics.icp import closest_points
from recon3d.metrics.surface import sample_surface, surface_errors
from recon3d.metrics.trajectory import umeyama
from recon3d.scene import Scene
from recon3d.stages.evaluation import Evaluation, is_scene, scene_poses, table

ALIGNMENTS = ("none", "rigid", "similarity")
"""How a scene is brought to the truth: not at all, or by the camera centres without or with a scale."""
ICP_POINTS = 20_000
"""Points that a refinement by closest points looks at."""
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
        points: drawn from each surface.
        seed: of the drawing.
    """

    thresholds_m: tuple[float, ...] = (0.02, 0.05)
    align: str = "none"
    truth_poses: Path | None = None
    icp_m: float | None = None
    crop_m: float | None = None
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
    truth_from_judged, scale = _by_cameras(judged, truth, options)
    points, true = _points(judged, options), _points(truth, options)
    points = truth_from_judged @ (scale * points)
    how = {"none": "no alignment", "rigid": "aligned by camera centres, rotation and translation"}.get(
        options.align, f"aligned by camera centres, with a scale of {scale:.5f}"
    )
    if options.icp_m is not None:
        truth_from_moved, factor = closest_points(
            points[:ICP_POINTS], true, reach_m=options.icp_m, with_scale=options.align == "similarity"
        )
        points = truth_from_moved @ (factor * points)
        truth_from_judged = truth_from_moved @ truth_from_judged.scaled(factor)
        scale *= factor
        how += f", then by closest points within {options.icp_m:g} m"
    drawn = len(points)
    if options.crop_m is not None:
        points = _cropped(points, true, options.crop_m)
        how += f"; {100 * len(points) / drawn:.1f} % of the surface is in the truth's box + {options.crop_m:g} m"
    errors = surface_errors(points, true, options.thresholds_m)
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


def _points(path: Path, options: MeshOptions) -> Array:
    """(N, 3) points [m] of a surface: uniform by area of a mesh, a random choice of a cloud."""
    if is_scene(path):
        scene = Scene.open(path)
        path = scene.file("mesh.ply")
        if not path.exists():
            raise InputError(f"{path}: not there yet; make it with: recon3d mesh {scene.root}")
    if path.suffix.lower() == ".ply" and not _has_triangles(path):
        points = read_cloud(path).points
        chosen = np.random.default_rng(options.seed).permutation(len(points))[: options.points]
        return points[chosen]
    try:
        return sample_surface(read_mesh(path), options.points, options.seed)
    except InputError as error:
        raise error if str(path) in str(error) else InputError(f"{path}: {error}") from error


def _has_triangles(path: Path) -> bool:
    """Whether the header of a PLY file promises any; a file that is none is left for its reader to refuse."""
    if not path.is_file():
        return True
    with path.open("rb") as file:
        header = file.read(2**16).partition(b"end_header")[0]
    found = re.search(rb"element\s+face\s+(\d{1,15})", header)
    return bool(int(found[1])) if found else not header.startswith(b"ply")


def _cropped(points: Array, truth: Array, margin_m: float) -> Array:
    """The points inside the truth's box, which is `margin_m` larger on every side."""
    if not 0 <= margin_m < np.inf:
        raise InputError(f"--crop: got {margin_m:g} m, wanted metres ≥ 0")
    low, high = truth.min(axis=0) - margin_m, truth.max(axis=0) + margin_m
    inside = ((points >= low) & (points <= high)).all(axis=1)
    if not inside.any():
        raise InputError(
            f"--crop: nothing of the surface is in the truth's box ({_told(low)} to {_told(high)} m); do both stand in "
            "one world and one unit? --align brings a scene there"
        )
    kept: Array = points[inside]
    return kept


def _told(corner: Array) -> str:
    return " ".join(f"{x:.2f}" for x in corner)
