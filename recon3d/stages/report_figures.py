"""The figures of a report: what went in, what came out, and whether each step helped; what metrics.json holds."""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import recon3d
from recon3d.files import read_json
from recon3d.formats.mesh_file import read_mesh
from recon3d.geometry import Mesh
from recon3d.metrics.between_views import DOUBLE, Look
from recon3d.metrics.double_wall import double_wall_share
from recon3d.progress import Report
from recon3d.scene import OUTPUTS, SCHEMA, Scene
from recon3d.settings import Settings, sections
from recon3d.show.report.wording import compared_steps
from recon3d.signals import Signal
from recon3d.stages.aligned import view_scales
from recon3d.stages.job import SECTION
from recon3d.stages.report_looks import Steps, looks_of
from recon3d.stages.report_ties import TiesFound, errors_at_ties
from recon3d.stages.report_views import Measured, chosen, measure_views

TOLD_OF = tuple(OUTPUTS)[: list(OUTPUTS).index("report")]
"""The stages that a report tells of: all before it."""
WHY = {
    "missing": "not done",
    "stale": "made before the steps that it builds on changed",
    "damaged": "some of its files are gone",
}
"""Why a stage that is not done counts for nothing."""
MANY_DOUBLE = 0.1
"""Double-wall index of the depths from which DOUBLE_WALL is raised: those that make good meshes have 0.01 or less."""
MUCH_DOUBLE = 0.05
"""Share of the mesh with a second sheet behind it from which it is raised: furniture makes 0.01."""


@dataclass(frozen=True, eq=False)
class Figures:
    """All that the report knows.

    Attributes:
        metrics: what metrics.json holds; units in the names.
        look_of: gives a photo's thinned view; None where `scale` isn't done.
        steps: what depth went through; None there too.
        measured: between views; None there too.
        mesh: the clean mesh; None where there is none.
        signals: raised by the report itself.
    """

    metrics: dict[str, Any]
    look_of: Callable[[str], Look] | None
    steps: Steps | None
    measured: Measured | None
    mesh: Mesh | None
    signals: tuple[Signal, ...]


def figures_of(scene: Scene, *, limit: int, report: Report) -> Figures:
    """Measures a scene, as far as it is done.

    Args:
        scene: with `init` done.
        limit: of the photos that are measured.
        report: told of progress.
    """
    states = {stage: scene.state(stage) for stage in TOLD_OF}
    done = [stage for stage, state in states.items() if state == "done"]
    raised = [(stage, signal) for stage in done for signal in scene.signals(stage)]
    metrics: dict[str, Any] = {
        "schema": SCHEMA,
        "recon3d_version": recon3d.__version__,
        "missing": [
            {"stage": stage, "why": WHY[state], "command": f"recon3d {stage} SCENE"}
            for stage, state in states.items()
            if state != "done"
        ],
        "went_in": _went_in(scene, done),
        "came_out": {stage: scene.facts(stage) for stage in ("cloud", "mesh") if stage in done},
        "scale": None,
        "steps": {},
        "compared": [],
        "photos": {},
        "settings_changed": settings_changed(scene),
    }
    look_of = steps = measured = None
    if "scale" in done:
        look_of, steps, measured = _of_depths(
            scene, metrics, {name for _, signal in raised for name in signal.photos}, limit, report
        )
    mesh = read_mesh(scene.file("mesh.ply")) if "mesh" in done else None
    own = _double_walls(scene, metrics, mesh) if measured and mesh else ()
    metrics["signals"] = [_told(stage, signal) for stage, signal in [*raised, *(("report", one) for one in own)]]
    return Figures(metrics, look_of, steps, measured, mesh, own)


def settings_changed(scene: Scene) -> dict[str, Any]:
    """The settings that the stages were last started with, where they are not the default."""
    stages = {SECTION.get(stage, stage): stage for stage in OUTPUTS}
    changed = {}
    for section in sections():
        default = dataclasses.asdict(getattr(Settings(), section))
        for key, value in scene.settings_of(stages[section]).items():
            if value != default.get(key):
                changed[f"{section}.{key}"] = value
    return changed


def _went_in(scene: Scene, done: list[str]) -> dict[str, Any]:
    """Photos, cameras, poses and depth."""
    facts = {stage: scene.facts(stage) for stage in done}
    went: dict[str, Any] = {"photos": len(scene.calibrations()) if "init" in done else 0}
    if "init" in done:
        went["skipped"] = facts["init"]["skipped"]
        went["cameras_from"] = facts["init"]["cameras"]
    if "poses" in done:
        cameras = scene.cameras()
        went["placed"] = len(cameras)
        went["poses_from"] = facts["poses"]["source"]
        went["sizes_px"] = sorted({(camera.width, camera.height) for camera in cameras.values()})
        went["left_out"] = [name for name in scene.calibrations() if name not in cameras]
    if "depth" in done:
        went["depth_model"] = facts["depth"].get("model")
    return went


def _of_depths(
    scene: Scene, metrics: dict[str, Any], named: set[str], limit: int, report: Report
) -> tuple[Callable[[str], Look], Steps, Measured]:
    """Adds what is known once depths have a scale."""
    steps, scales = Steps.of(scene), view_scales(scene)
    look_of = looks_of(scene, steps)
    ties = errors_at_ties(scene, steps, report)
    measured = measure_views(scene, chosen(scene.names(), named, limit), steps, look_of, report)
    metric = read_json(scene.file("scales.json"))["metric"]
    metrics["scale"] = {
        "metres_per_unit": metric["factor"],
        "relative_sigma": metric["relative_sigma"],
        "source": metric["source"],
    }
    metrics["steps"] = {
        step: {"title": title, **_at_ties(ties, step), **measured.steps[step]} for step, title in steps.titles.items()
    }
    metrics["compared"] = compared_steps(metrics["steps"])
    metrics["repainted_photos"], metrics["repainted_from_unused_photos"] = measured.painted
    metrics["photos"] = {
        name: {
            "scale_factor": scales[name]["factor"],
            "scale_relative_sigma": scales[name]["relative_sigma"],
            "ties": scales[name]["ties"],
            "scale_inherited": scales[name]["inherited"],
            "tie_error_relative": ties.photos.get(name),
            **one,
        }
        for name, one in measured.photos.items()
    }
    return look_of, steps, measured


def _at_ties(ties: TiesFound, step: str) -> dict[str, Any]:
    errors = ties.steps.get(step)
    return {
        "tie_error_relative": errors.typical if errors else None,
        "view_spread_relative": errors.view_spread if errors else None,
        "ties": errors.ties if errors else 0,
        "ties_held_out": step in ties.held_out,
    }


def _double_walls(scene: Scene, metrics: dict[str, Any], mesh: Mesh) -> tuple[Signal, ...]:
    """Adds the mesh's double walls, and says so where there are many in it or in the depths."""
    depths = sorted(one["median_depth_m"] for one in metrics["photos"].values() if one["median_depth_m"])
    if not depths or len(metrics["photos"]) < 2 or not len(mesh.triangles):
        return ()
    refine = Settings().replaced("refine", **scene.settings_of("refine")).refine
    near_m = refine.agree_m + refine.agree_relative * depths[len(depths) // 2]
    share = double_wall_share(mesh, near_m=near_m, far_m=DOUBLE * near_m)
    metrics["came_out"]["mesh"] = {**metrics["came_out"]["mesh"], "double_wall_share": share}
    index = list(metrics["steps"].values())[-1]["double_wall_index"] or 0.0
    if index <= MANY_DOUBLE and share <= MUCH_DOUBLE:
        return ()
    worst = sorted(metrics["photos"], key=lambda name: -(metrics["photos"][name]["gap_median_m"] or 0))[:5]
    text = f"{100 * share:.1f} % of the mesh has a second wall close behind it; of the places where two photos show "
    text += f"parallel surfaces, they show two in the place of one at {100 * index:.1f} %"
    return (Signal("DOUBLE_WALL", text, tuple(worst)),)


def _told(stage: str, signal: Signal) -> dict[str, Any]:
    return {"stage": stage, **signal.as_json(), "meaning": signal.meaning}
