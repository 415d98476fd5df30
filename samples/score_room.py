"""Says how good a scene made from samples/room is: python samples/score_room.py SCENE.

Worlds are aligned by the camera centres, rotation and translation only, so that a wrong size counts; the figure with a
free scale stands beside it.
"""

import sys
from pathlib import Path

from recon3d.scene import Scene
from recon3d.stages.evaluate_depth import DepthOptions, evaluate_depth
from recon3d.stages.evaluate_mesh import MeshOptions, evaluate_mesh
from recon3d.stages.evaluate_trajectory import TrajectoryOptions, evaluate_trajectory

TRUTH = Path(__file__).parent / "room" / "truth"
THRESHOLD_M = 0.05


def score(scene: Scene) -> dict[str, float]:
    """Figures of a scene against the truth, as `recon3d evaluate` gives them; every unit in its name.

    Args:
        scene: all stages done, of photos of samples/room.
    """
    poses = TRUTH / "poses.json"
    figures = {"photos": scene.facts("poses")["photos"], "registered": len(scene.names())}
    figures |= {"view_scale_spread": scene.facts("scale")["view_spread"], **depth_figures(scene)}
    trajectory = evaluate_trajectory(scene.root, poses, TrajectoryOptions()).facts
    figures["centres_rmse_m"] = trajectory["ate_m"]["rmse"]
    for align, label in (("rigid", ""), ("similarity", "free_scale_")):
        options = MeshOptions((THRESHOLD_M,), align=align, truth_poses=poses)
        errors = evaluate_mesh(scene.root, TRUTH / "mesh.ply", options).facts
        for name in ("precision", "recall", "f_score"):
            figures[f"{label}{name}_5cm"] = errors[name][0]
        if align == "similarity":
            figures["size_of_world"] = 1 / errors["scale"]
    return figures


def depth_figures(scene: Scene) -> dict[str, float]:
    """Mean AbsRel over the views: as predicted, at the fitted scale, and of the depths that were kept."""
    raw, scaled, kept = (
        evaluate_depth(scene.root, TRUTH / "depth", DepthOptions(which=which)).facts["mean"]
        for which in ("raw", "aligned", "refined")
    )
    return {
        "depth_abs_rel": raw["abs_rel"],
        "depth_abs_rel_scaled": scaled["abs_rel"],
        "depth_abs_rel_refined": kept["abs_rel"],
        "refined_coverage": kept["coverage"],
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
