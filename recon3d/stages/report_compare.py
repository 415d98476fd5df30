"""Two scenes of the same photos side by side: which model, or which settings, did better."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from recon3d.errors import InputError
from recon3d.files import read_json, replacing
from recon3d.geometry.arrays import Array
from recon3d.progress import Report, each
from recon3d.scene import Scene
from recon3d.settings import Settings
from recon3d.show.report import thumbnails
from recon3d.show.report.page import write_page
from recon3d.show.report.wording import MEASURES, counted, length, percent, verdict
from recon3d.stages.evaluation import listed
from recon3d.stages.job import Job
from recon3d.stages.report import report
from recon3d.stages.report_looks import Steps, thinned
from recon3d.stages.report_pictures import maps_of, ranges_of

DEFAULT = "compare.html"
"""Name of the page in the first scene, where none is given."""
OF_OWN_PIXELS = ("repainted_levels",)
"""Figures of pixels that each scene chose for itself: they tell how its steps helped, and not which scene is better."""
Sides = tuple[Scene, Scene]


def compare(sides: Sides, out: Path | None, settings: tuple[Settings, Settings], tell: Report) -> str:
    """Writes a page that holds two scenes side by side, after bringing the report of each up to date.

    Args:
        sides: the scenes.
        out: the page; None = compare.html in the first scene.
        settings: of each scene.
        tell: told of progress.

    Returns:
        One line that says how it went.

    Raises:
        InputError: the page's name can't be, or the scenes have no photo in common.
    """
    own, out = out is None, out or sides[0].bare.file(DEFAULT)
    if out.suffix.lower() not in (".html", ".htm") or out.is_dir():
        raise InputError(f"{out}: wanted the name of a page that ends in .html")
    for scene, its in zip(sides, settings, strict=True):
        report(scene, Job(its, report=tell))
    metrics = [read_json(scene.file("metrics.json")) for scene in sides]
    names = [name for name in metrics[0]["photos"] if name in metrics[1]["photos"]]
    if not names:
        raise InputError(
            f"--compare: {sides[0].place} and {sides[1].place} have no photo in common whose depth has a scale; wanted "
            "two runs of the same photos, done to scale at least"
        )
    rows = _rows(metrics)
    values = {
        "names": [scene.place for scene in sides],
        "settings": _settings(metrics),
        "rows": rows,
        "shown": [measure for key, measure in MEASURES.items() if key not in OF_OWN_PIXELS],
        "facts": _facts(metrics),
        "only": [_only(metrics, side) for side in (0, 1)],
        "signals": [metrics[side]["signals"] for side in (0, 1)],
        "missing": [[one["stage"] for one in metrics[side]["missing"]] for side in (0, 1)],
        "verdict": _verdict(rows),
        **_pictures(sides, metrics, names, settings[0].report.thumbnail_px, tell),
    }
    with (sides[0].replacing if own else replacing)(out) as temporary:
        write_page(temporary, "compare.html.j2", values)
    return f"{out}: {_verdict(rows)}"


def _rows(metrics: list[dict[str, Any]]) -> list[dict[str, str]]:
    """The figures of the last depth of both, and which is better."""
    last = [list(one["steps"].values())[-1] for one in metrics]
    rows = []
    for key, measure in MEASURES.items():
        a, b = (one[key] for one in last)
        if key not in OF_OWN_PIXELS and (a is not None or b is not None):
            better = {"helped": "B", "harmed": "A"}.get(verdict(measure, a, b), "")
            rows.append({"title": measure.title, "a": measure.shown(a), "b": measure.shown(b), "better": better})
    return rows


def _verdict(rows: list[dict[str, str]]) -> str:
    """Who is better in how many figures."""
    a, b = (sum(row["better"] == side for row in rows) for side in "AB")
    if a == b == 0:
        return f"no difference that counts in {len(rows)} figures"
    if a and b:
        return f"A is better in {a} and B in {b} of {len(rows)} figures"
    return f"{'A' if a else 'B'} is better in {a or b} of {len(rows)} figures, and worse in none"


def _facts(metrics: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """What else can be put side by side."""

    def of(one: dict[str, Any]) -> dict[str, str]:
        mesh, scale, step = one["came_out"].get("mesh"), one["scale"], list(one["steps"].values())[-1]
        sigma = scale["relative_sigma"]
        found = {
            "Depth model": str(one["went_in"].get("depth_model")),
            "Photos used": f"{one['went_in'].get('placed', 0)} of {one['went_in']['photos']}",
            "Lengths are sure to": "unknown" if sigma >= 1 else f"± {percent(sigma)}",
            "Lengths come from": scale["source"],
            "Photo area with depth": percent(step["depth_share"]),
        }
        if mesh:
            found["Mesh"] = f"{counted(mesh['triangles'])} triangles"
            found["Its size"] = " × ".join(f"{side:.2f} m" for side in mesh["size_m"])
            found["Of it with a second wall close behind"] = percent(mesh.get("double_wall_share"))
        return found

    sides = [of(one) for one in metrics]
    return [(key, [side.get(key, "–") for side in sides]) for key in dict.fromkeys([*sides[0], *sides[1]])]


def _settings(metrics: list[dict[str, Any]]) -> list[tuple[str, list[str]]]:
    """The settings that differ, with the value of each side."""
    changed = [one["settings_changed"] for one in metrics]
    rows = []
    for key in sorted({*changed[0], *changed[1]}):
        section, name = key.split(".", 1)
        default = getattr(getattr(Settings(), section, None), name, None)
        values = [side.get(key, default) for side in changed]
        if values[0] != values[1]:
            rows.append((key, [str(value) for value in values]))
    return rows


def _only(metrics: list[dict[str, Any]], side: int) -> str:
    """Photos that one side alone has."""
    names = [name for name in metrics[side]["photos"] if name not in metrics[1 - side]["photos"]]
    return listed(names, 10) if names else ""


def _pictures(
    sides: Sides, metrics: list[dict[str, Any]], names: list[str], thumbnail_px: int, tell: Report
) -> dict[str, Any]:
    """The photos with both depths, in the same colours, and what these stand for."""
    steps = [Steps.of(scene) for scene in sides]
    ranges = [ranges_of(scene, its, names)["Depth"] for scene, its in zip(sides, steps, strict=True)]
    low, high = min(ends[0] for ends in ranges), max(ends[1] for ends in ranges)

    def shots() -> Iterator[dict[str, Any]]:
        for name in each(names, "compare", tell):
            image = sides[0].image(name)
            depths = [maps_of(scene, its, name)[0] for scene, its in zip(sides, steps, strict=True)]
            pictures = [(thumbnails.photo(image, thumbnail_px), "photo", f"The photo {name}")]
            for letter, depth in zip("AB", depths, strict=True):
                url = thumbnails.value_map(depth, low, high, thumbnail_px)
                pictures.append((url, f"depth of {letter}", f"Depth of {letter}, {name}"))
            width, height = thumbnails.size_of(image, thumbnail_px)
            yield {
                "name": name,
                "pictures": [
                    {"url": url, "caption": caption, "alt": alt, "width": width, "height": height}
                    for url, caption, alt in pictures
                ],
                "line": "; ".join(_line(one["photos"][name], letter) for letter, one in zip("AB", metrics, strict=True))
                + f"; their depths differ by {_difference(*depths)}",
            }

    return {"low": length(low), "high": length(high), "ramp": thumbnails.ramp(), "shots": shots()}


def _line(one: Mapping[str, Any], letter: str) -> str:
    parts = [f"{letter}: depth on {percent(one['depth_share'])}"]
    if one["confirmed_share"] is not None:
        parts.append(f"{percent(one['confirmed_share'])} of it confirmed")
    if one["tie_error_relative"] is not None:
        parts.append(f"error at known points {percent(one['tie_error_relative'])}")
    return ", ".join(parts)


def _difference(a: Array, b: Array) -> str:
    """How far two depth maps of one photo are apart, typically; at the pixels of the smaller one."""
    height, width = (min(sides) for sides in zip(a.shape, b.shape, strict=True))
    both = [thinned(one, (width, height)) for one in (a, b)]
    known = (both[0] > 0) & (both[1] > 0)
    if not known.any():
        return "nothing that can be told: no pixel has both"
    return percent(float(np.median(np.abs(np.log(both[0][known] / both[1][known])))))
