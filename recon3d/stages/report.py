"""Stage report: what went in and came out, and whether each step helped, as a page and as numbers."""

import hashlib
import json
from typing import Any

from recon3d.errors import StageError
from recon3d.files import replacing, write_json
from recon3d.place import told
from recon3d.scene import Scene
from recon3d.show.report.page import write_page
from recon3d.show.report.wording import percent
from recon3d.stages.job import Found, Job, Outcome, run_stage, section_of
from recon3d.stages.report_figures import TOLD_OF, figures_of
from recon3d.stages.report_page import page_values

VERSION = 1


def report(scene: Scene, job: Job) -> Outcome:
    """Writes report.html and metrics.json of what is there; a scene that is not finished is told as such.

    Raises:
        StageError: the scene has no photos yet.
    """
    if scene.state("init") != "done":
        raise StageError(f"{scene.place}: has no photos yet; take some in with: recon3d init PHOTOS -o {scene.place}")
    entries = scene.manifest()["stages"]
    states = {stage: [entries.get(stage, {}).get("key"), scene.state(stage)] for stage in TOLD_OF}
    text = json.dumps([VERSION, section_of("report", job.settings), states])
    key = hashlib.sha256(text.encode()).hexdigest()
    return run_stage(scene, "report", key, job, lambda: _work(scene, job))


def _work(scene: Scene, job: Job) -> Found:
    settings = job.settings.report
    figures = figures_of(scene, limit=settings.photos, report=job.report)
    write_json(scene.file("metrics.json"), figures.metrics)
    values = page_values(scene, figures, settings.thumbnail_px, job.report)
    with replacing(scene.file("report.html")) as temporary:
        write_page(temporary, "report.html.j2", values)
    return _line(scene, figures.metrics), _facts(figures.metrics), list(figures.signals)


def _facts(metrics: dict[str, Any]) -> dict[str, Any]:
    """The headline."""
    steps = list(metrics["steps"].values())
    facts: dict[str, Any] = {"missing": [one["stage"] for one in metrics["missing"]]}
    for key in ("tie_error_relative", "confirmed_share", "double_wall_index"):
        values = [step[key] for step in steps if step[key] is not None]
        facts |= {f"{key}_before": values[0], f"{key}_after": values[-1]} if values else {}
    return facts


def _line(scene: Scene, metrics: dict[str, Any]) -> str:
    facts, parts = _facts(metrics), [told(scene.file("report.html"))]
    if facts["missing"]:
        parts.append(f"unfinished: {', '.join(facts['missing'])}")
    for key, title in (("tie_error_relative", "error at known points"), ("confirmed_share", "confirmed depth")):
        if f"{key}_after" in facts:
            parts.append(f"{title} {percent(facts[f'{key}_before'])} → {percent(facts[f'{key}_after'])}")
    return "; ".join(parts)
