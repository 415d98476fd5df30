"""What a report's page shows: cards, charts and tables."""

from typing import Any

import numpy as np

from recon3d.geometry import Mesh
from recon3d.geometry.arrays import Array
from recon3d.progress import Report
from recon3d.scene import Scene
from recon3d.show.report import charts, thumbnails
from recon3d.show.report.wording import MEASURES, counted, figures_table, length, measured, percent, titled
from recon3d.stages.report_figures import Figures
from recon3d.stages.report_looks import Steps
from recon3d.stages.report_pictures import ranges_of, shots_of

MESH_POINTS = 200_000
"""Vertices that the plan is drawn from."""
METHODS = {
    "network": "The depth model saw each photo by itself. Then each photo was brought to the scale of the points that "
    "photos share.",
    "sensor": "The depth was recorded by a sensor and taken at its word.",
    "relative": "The depth model tells near from far, but not how far; the points that photos share gave each its "
    "scale.",
    "ties": "No depth model was used: depth was spread between the points that photos share.",
}
"""What was done to the depth, by `Steps.kind`."""
ENDINGS = {True: "At last it was moved to where other photos show the same", False: "At last it was checked"}
"""And then, by `Steps.matched`."""


def page_values(scene: Scene, figures: Figures, side: int, report: Report) -> dict[str, Any]:
    """The values of the template report.html.j2; photos are drawn as it is written."""
    m = figures.metrics
    shown = [key for key in MEASURES if any(row["figure"] == key for row in m["compared"])]
    drawn, alts = _charts(scene, figures, shown)
    ranges = ranges_of(scene, figures.steps, list(m["photos"])) if figures.steps and m["photos"] else {}
    return {
        "m": m,
        "cards": _cards(m),
        "charts": drawn,
        "alts": alts,
        "method": _method(figures.steps) if figures.steps else "",
        "shown_measures": shown,
        "table": figures_table(m["steps"]),
        "notes": _notes(m, figures.steps.kind if figures.steps else ""),
        "in_rows": _in_rows(m["went_in"]),
        "out_rows": _out_rows(m),
        "cleaned": _cleaned(m),
        "photo_count": m["went_in"].get("placed", 0),
        "left_out": m["went_in"].get("left_out", []),
        "ramp": thumbnails.ramp(),
        "legends": [
            {"title": title, "low": length(low) if low else "0", "high": length(high)}
            for title, (low, high) in ranges.items()
        ],
        "shots": shots_of(scene, figures, ranges, side, report) if m["photos"] else (),
        "changed": list(m["settings_changed"].items()),
    }


def _method(steps: Steps) -> str:
    """What was done to the depth."""
    if "refined" not in steps.titles:
        return METHODS[steps.kind]
    return f"{METHODS[steps.kind]} {ENDINGS[steps.matched]}, and what other photos contradict was dropped."


def _cards(m: dict[str, Any]) -> list[dict[str, str]]:
    """The answer in short."""
    went, cards = m["went_in"], []
    if "placed" in went:
        cards.append({"value": f"{went['placed']} of {went['photos']}", "label": f"photos used ({went['poses_from']})"})
    else:
        cards.append({"value": str(went["photos"]), "label": "photos went in"})
    mesh = m["came_out"].get("mesh")
    if mesh:
        size = " × ".join(f"{side:.2f}" for side in mesh["size_m"])
        cards.append({"value": f"{size} m", "label": f"size of the mesh, {counted(mesh['triangles'])} triangles"})
    if m["scale"]:
        sigma = m["scale"]["relative_sigma"]
        source = {"depth median": "depth model"}.get(m["scale"]["source"], m["scale"]["source"])
        value = "unknown" if sigma >= 1 else f"± {percent(sigma)}" if sigma else "as given"
        cards.append({"value": value, "label": f"what all lengths are sure to, from: {source}"})
    steps = list(m["steps"].values())
    for key, label in (
        ("tie_error_relative", "error at known points"),
        ("confirmed_share", "confirmed by other photos"),
    ):
        values = [step[key] for step in steps if step[key] is not None]
        if values:
            before = f"{percent(values[0])} → " if len(values) > 1 else ""
            cards.append({"value": before + percent(values[-1]), "label": label})
    cards.append({"value": str(len(m["signals"])), "label": "things you should know"})
    return [{"value": card["value"].replace(" %", "\u00a0%"), "label": card["label"]} for card in cards]


def _notes(m: dict[str, Any], kind: str) -> list[str]:
    """How far the figures can be believed."""
    notes = []
    if kind == "sensor" and any(step["ties"] for step in m["steps"].values()):
        notes.append("Where a sensor and the known points differ, the points may be the worse: few photos fixed them.")
    fitted = [step["title"] for step in m["steps"].values() if step["ties"] and not step["ties_held_out"]]
    asked = [step for step in m["steps"].values() if step["ties_held_out"]]
    if asked:
        text = f"The points that judge ({asked[0]['ties']} sightings of them) were not used for fitting"
        notes.append(f"{text}{', but for: ' + ', '.join(fitted) if fitted else ''}.")
    elif fitted:
        notes.append("The points that judge were also used for fitting: that error flatters.")
    if m.get("repainted_photos"):
        unused, painted = m["repainted_from_unused_photos"], m["repainted_photos"]
        notes.append(
            f"{unused} of {painted} photos were repainted from photos that their depth was not matched with; "
            "the others from such as were, for want of more."
        )
    return notes


def _in_rows(went: dict[str, Any]) -> list[tuple[str, str]]:
    """Label and value of what went in."""
    rows = [("Photos", str(went["photos"]))]
    if went.get("skipped"):
        rows.append(("Files that were no photos", str(went["skipped"])))
    if "sizes_px" in went:
        rows.append(("Their size", ", ".join(f"{width} × {height} px" for width, height in went["sizes_px"][:5])))
    if "cameras_from" in went:
        rows.append(("Cameras from", ", ".join(went["cameras_from"])))
    if "poses_from" in went:
        rows.append(("Places of the photos from", went["poses_from"]))
    if "depth_model" in went:
        rows.append(("Depth from", str(went["depth_model"])))
    return rows


def _out_rows(m: dict[str, Any]) -> list[tuple[str, str]]:
    """Label and value of what came out."""
    mesh, cloud, rows = m["came_out"].get("mesh"), m["came_out"].get("cloud"), []
    if mesh:
        rows.append(("Mesh", f"{counted(mesh['triangles'])} triangles, {counted(mesh['vertices'])} vertices"))
        rows.append(("Its size", " × ".join(f"{side:.2f} m" for side in mesh["size_m"])))
        if "double_wall_share" in mesh:
            rows.append(("Of it with a second wall close behind", percent(mesh["double_wall_share"])))
    if cloud:
        voxel = length(cloud["voxel_size_m"])
        rows.append(("Point cloud", f"{counted(cloud['points'])} points, one per cube of {voxel}"))
    steps = list(m["steps"].values())
    if steps and steps[-1]["depth_share"] is not None:
        rows.append(("Depth", f"on {percent(steps[-1]['depth_share'])} of the photos' pixels"))
    return rows


def _cleaned(m: dict[str, Any]) -> list[tuple[str, str, str]]:
    """What cleaning changed on the mesh."""
    changes = m["came_out"].get("mesh", {}).get("changes", {})
    return [
        (titled(what), measured(what, one["before"]), measured(what, one["after"]))
        for what, one in changes.items()
        if one["before"] != one["after"]
    ]


def _charts(scene: Scene, figures: Figures, shown: list[str]) -> tuple[dict[str, str | None], dict[str, str]]:
    """The charts as image sources, and what they say for those who can't see them."""
    m = figures.metrics
    drawn: dict[str, str | None] = {"steps": None, "poses": None, "scales": None}
    alts = {}
    if shown:
        bars = []
        for key in shown:
            measure, percentage = MEASURES[key], MEASURES[key].unit == "%"
            values = {one["title"]: _times(one[key], 100 if percentage else 1) for one in m["steps"].values()}
            form = "{:.1f} %" if percentage else "{:.1f} levels"
            bars.append(charts.Bars(f"{measure.title} ({measure.better} is better)", values, form))
        drawn["steps"] = charts.as_url(charts.steps_chart(bars))
        alts["steps"] = "Bars: " + "; ".join(
            f"{bar.title}: "
            + ", ".join(f"{step} {bar.form.format(v)}" for step, v in bar.values.items() if v is not None)
            for bar in bars
        )
    if figures.steps:
        world_from_cam = scene.world_from_cam()
        if len(world_from_cam) > 1:
            centres = np.stack([pose.t for pose in world_from_cam.values()])
            forward = np.stack([pose.R[:, 2] for pose in world_from_cam.values()])
            points = _thinned_vertices(figures.mesh)
            up = np.mean([-pose.R[2, 1] for pose in world_from_cam.values()])
            chart = charts.poses_chart(centres, forward, list(world_from_cam), points, levelled=up > 0.5)
            drawn["poses"] = charts.as_url(chart)
            wide, deep = np.ptp(centres[:, :2], axis=0)
            alts["poses"] = f"Plan of {len(centres)} camera positions, {wide:.2f} m by {deep:.2f} m"
        if figures.steps.kind == "network" and len(m["photos"]) > 1:
            used = {name: one for name, one in m["photos"].items() if one["scale_factor"]}
            factors = {name: one["scale_factor"] for name, one in used.items()}
            sigmas = {name: one["scale_relative_sigma"] for name, one in used.items()}
            borrowed = [name for name, one in used.items() if one["scale_inherited"]]
            if factors:
                drawn["scales"] = charts.as_url(charts.scales_chart(factors, sigmas, borrowed))
                low, high = min(factors.values()), max(factors.values())
                alts["scales"] = f"Factor of each photo's depth, from {low:.3f} to {high:.3f}"
    return drawn, alts


def _times(value: float | None, factor: float) -> float | None:
    return None if value is None else value * factor


def _thinned_vertices(mesh: Mesh | None) -> Array:
    return mesh.vertices[:: max(1, len(mesh.vertices) // MESH_POINTS)] if mesh else np.empty((0, 3))
