"""Says how good a scene made from samples/room is: python samples/score_room.py SCENE.

Worlds are aligned by the camera centres, rotation and translation only, so that a wrong size counts; the figure with a
free scale stands beside it.
"""

import json
import sys
from pathlib import Path

import cv2
import numpy as np

from recon3d.files import load_array
from recon3d.formats.depth_map import read_depth
from recon3d.formats.mesh_file import read_mesh
from recon3d.metrics.depth import depth_errors
from recon3d.metrics.surface import sample_surface, surface_errors
from recon3d.metrics.trajectory import centre_rmse_m, umeyama
from recon3d.scene import Scene, poses_from_json
from recon3d.stages.scale import aligned_depth, view_scales

TRUTH = Path(__file__).parent / "room" / "truth"
THRESHOLD_M = 0.05


def score(scene: Scene) -> dict[str, float]:
    """Figures of a scene against the truth; every unit in its name.

    Args:
        scene: all stages done, of photos of samples/room.
    """
    truth_poses = poses_from_json(json.loads((TRUTH / "poses.json").read_text(encoding="utf-8")))
    poses = scene.world_from_cam()
    figures = {"photos": scene.facts("poses")["photos"], "registered": len(poses)}
    figures |= {"view_scale_spread": scene.facts("scale")["view_spread"], **depth_figures(scene)}
    centres = np.stack([poses[name].t for name in poses])
    truth_centres = np.stack([truth_poses[name].t for name in poses])
    figures["centres_rmse_m"] = centre_rmse_m(poses, truth_poses, with_scale=False)
    mesh, truth = read_mesh(scene.file("mesh.ply")), read_mesh(TRUTH / "mesh.ply")
    points, truth_points = sample_surface(mesh), sample_surface(truth)
    for with_scale in (False, True):
        truth_from_world, factor = umeyama(centres, truth_centres, with_scale=with_scale)
        errors = surface_errors(truth_from_world @ (factor * points), truth_points, [THRESHOLD_M])
        label = "free_scale_" if with_scale else ""
        figures[f"{label}precision_5cm"], figures[f"{label}recall_5cm"] = errors.precision[0], errors.recall[0]
        figures[f"{label}f_score_5cm"] = errors.f_score[0]
        if with_scale:
            figures["size_of_world"] = 1 / factor
    return figures


def depth_figures(scene: Scene) -> dict[str, float]:
    """Mean AbsRel over the views: as predicted, at the fitted scale, and of the depths that were kept."""
    views = view_scales(scene)
    rows = []
    for name in scene.names():
        raw = load_array(scene.depth_path(name))
        truth = read_depth(TRUTH / "depth" / f"{name}.png", unit_m=0.001)
        truth = cv2.resize(truth, raw.shape[::-1], interpolation=cv2.INTER_NEAREST)
        refined = load_array(scene.refined_path(name))
        kept = depth_errors(refined, truth) if ((refined > 0) & (truth > 0)).any() else None
        rows.append(
            (
                depth_errors(raw, truth).abs_rel,
                depth_errors(aligned_depth(scene, name, views[name]), truth).abs_rel,
                kept.abs_rel if kept else np.nan,
                kept.coverage if kept else 0.0,
            )
        )
    raw_error, scaled_error, kept_error, coverage = np.nanmean(np.array(rows), axis=0)
    return {
        "depth_abs_rel": float(raw_error),
        "depth_abs_rel_scaled": float(scaled_error),
        "depth_abs_rel_refined": float(kept_error),
        "refined_coverage": float(coverage),
    }


def table(figures: dict[str, float]) -> str:
    """The figures for people."""
    f = figures
    percent = "{:.1f} %".format
    rows = [
        ("photos with a pose", f"{f['registered']} of {f['photos']}"),
        ("camera centres, rms", f"{100 * f['centres_rmse_m']:.1f} cm"),
        ("size of the world", f"{f['size_of_world']:.3f} of the true one"),
        ("depth scale, spread from view to view", percent(100 * f["view_scale_spread"])),
        ("depth error (AbsRel) as predicted", f"{f['depth_abs_rel']:.3f}"),
        ("depth error after the scale", f"{f['depth_abs_rel_scaled']:.3f}"),
        ("depth error after refinement", f"{f['depth_abs_rel_refined']:.3f} on {percent(100 * f['refined_coverage'])}"),
        ("mesh within 5 cm of the room: F-score", f"{f['f_score_5cm']:.3f}"),
        ("  precision, recall", f"{f['precision_5cm']:.3f}, {f['recall_5cm']:.3f}"),
        ("  F-score had the size been right", f"{f['free_scale_f_score_5cm']:.3f}"),
    ]
    return "\n".join(f"{name:<40}{value:>24}" for name, value in rows)


def main() -> None:
    """Prints the table and where to look."""
    scene = Scene.open(sys.argv[1])
    print(table(score(scene)))
    print(f"\nmesh     {scene.file('mesh.ply')}  {scene.file('mesh.glb')}\ncloud    {scene.file('cloud.ply')}")
    print(f"look     recon3d view {scene.root}\npicture  recon3d view {scene.root} --screenshot room.png")


if __name__ == "__main__":
    main()
