"""What more workers are worth, what they cost at first, and what thousands of photos would take.

    python bench/scale.py --work DIR                     # depth and refinement of 48 photos, in-process and on Ray
    python bench/scale.py --work DIR --photos 100 --stages depth refine fuse
    python bench/scale.py --plan                         # only the plan for 10 000 and 1 000 000 photos

The photos are those of the walk of bench/memory.py, 640 x 480 px; depth is the demo model's. Each engine does the same
stages of the same scene, a process each, by turns, and what they leave is compared byte by byte. Printed is: pieces per
second from the moment when a quarter of the first step's pieces is done, so that the start is left out; what the start
costs; and each figure over that in-process. On Ray a worker has one core and one thread.

The plan is arithmetic on the table below it: what one photo costs in core seconds and bytes in each step, from this
bench and docs/benchmarks.md, what can be spread and what can't, and a number of workers. Figures of a GPU, of the
shared folder, and how mapping grows are assumed: none was at hand.
"""

import argparse
import hashlib
import json
import shutil
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from memory import walk

from recon3d.engine.choice import engine_for
from recon3d.scene import Scene
from recon3d.settings import Settings
from recon3d.stages.chain import STAGES
from recon3d.stages.depth_source import with_model
from recon3d.stages.job import Job

ROUNDS = 2
ENGINES = ("in-process", "ray")
SIDE = 640


def measure(root: Path, engine: str, stages: list[str]) -> dict[str, object]:
    """One engine in this process: for each stage its start, its pace, and a digest of what it left."""
    scene = Scene.open(root)
    settings = Settings().with_assignments(["depth.model=demo", "fuse.voxel_size=0.02"])
    found: dict[str, object] = {}
    with engine_for(engine, None, "cpu") as chosen:
        for stage in ("depth", "scale", "refine", "fuse"):
            ticks: list[tuple[str, int, int, float]] = []

            def report(title: str, done: int, total: int, photo: str = "", ticks: list = ticks) -> None:  # type: ignore[type-arg]
                ticks.append((title, done, total, time.monotonic()))

            job = with_model(Job(settings, "cpu", None, report, engine=chosen), scene, goes_on=True)
            begun = time.monotonic()
            STAGES[stage](scene, job)
            if stage in stages:
                found[stage] = _pace(ticks, begun) | {
                    "took_s": time.monotonic() - begun,
                    "digest": _digest(scene, stage),
                }
            if stage == stages[-1]:
                return found
    return found


def _pace(ticks: list[tuple[str, int, int, float]], begun: float) -> dict[str, float]:
    """Pieces per second over all steps with many pieces, each from when a quarter of it is done; and the start."""
    steps: dict[str, list[tuple[int, int, float]]] = {}
    for title, done, total, when in ticks:
        steps.setdefault(title, []).append((done, total, when))
    pieces = seconds = 0.0
    for counts in steps.values():
        total = counts[-1][1]
        late = [(done, when) for done, _, when in counts if done >= total / 4]
        if total >= 8 and len(late) > 1:
            pieces, seconds = pieces + late[-1][0] - late[0][0], seconds + late[-1][1] - late[0][1]
    first = next((when for _, done, _, when in ticks if done), begun)
    return {"per_s": pieces / seconds if seconds else 0.0, "start_s": first - begun}


def _digest(scene: Scene, stage: str) -> str:
    """Of all files that the stage left."""
    total = hashlib.sha256()
    for path in sorted(scene.file({"depth": "depth", "refine": "refined", "fuse": "."}[stage]).rglob("*.np[yz]")):
        total.update(path.read_bytes())
    if stage == "fuse":
        total.update(scene.file("fused.ply").read_bytes())
    return total.hexdigest()


def compare(work: Path, photos: int, stages: list[str]) -> None:
    """Prints both engines, by turns."""
    root = work / f"scale-{SIDE}-{photos}"
    if not (root / "made.json").exists():
        walk(root, photos, SIDE)
    runs: dict[str, list[dict[str, dict[str, float]]]] = {engine: [] for engine in ENGINES}
    for _ in range(ROUNDS):
        for engine in ENGINES:
            copy = work / f"copy-{engine}"
            shutil.rmtree(copy, ignore_errors=True)
            shutil.copytree(root / "scene", copy)
            call = [sys.executable, __file__, "--measure", str(copy), engine, "--stages", *stages]
            done = subprocess.run(call, stdout=subprocess.PIPE, text=True, check=True)
            runs[engine].append(json.loads(done.stdout.strip().splitlines()[-1]))
            print(f"{engine}: {runs[engine][-1]}", file=sys.stderr, flush=True)
    print(f"{photos} photos, {SIDE} px, demo model; best of {ROUNDS} rounds")
    print(f"{'stage':>8} {'engine':>12} {'pieces/s':>9} {'ratio':>6} {'start s':>8} {'whole s':>8}  bytes")
    for stage in stages:
        base = max(run[stage]["per_s"] for run in runs["in-process"])
        digests = {str(run[stage]["digest"]) for engine in ENGINES for run in runs[engine]}
        for engine in ENGINES:
            best = max(runs[engine], key=lambda run: run[stage]["per_s"])[stage]
            same = "the same" if len(digests) == 1 else "NOT THE SAME"
            print(
                f"{stage:>8} {engine:>12} {best['per_s']:9.2f} {best['per_s'] / base:6.2f} {best['start_s']:8.1f} "
                f"{best['took_s']:8.1f}  {same}"
            )


@dataclass(frozen=True)
class Step:
    """What one photo costs in one step.

    Attributes:
        name: of the step.
        core_s: core seconds a photo at 640 px [s].
        gpu_s: seconds of a GPU instead, where there is one [s].
        mb: read and written through the scene's folder [MB].
        power: of the growth of the whole with the number of photos; 1 where photos need nothing of each other.
        spread: whether workers share it.
    """

    name: str
    core_s: float
    gpu_s: float | None
    mb: float
    power: float = 1.0
    spread: bool = True


REFERENCE = 100
"""Photos at which a step costs what its row says; beyond, it grows by its power."""
STEPS = (
    Step("decode", 0.10, None, 4.5, spread=False),
    Step("features", 0.66, 0.05, 1.6),
    Step("matching", 2.2, 0.10, 4.0),
    Step("mapping", 0.40, None, 2.0, power=1.5, spread=False),
    Step("depth", 0.04, 0.10, 1.4),
    Step("scale", 0.05, None, 1.3, spread=False),
    Step("refine", 4.3, 0.10, 26.0),
    Step("fuse", 0.10, None, 6.0),
    Step("mesh", 0.20, None, 2.0, spread=False),
    Step("report", 0.02, None, 0.5, spread=False),
)
PLANS = ((10_000, 16, 8), (1_000_000, 256, 64))
"""Photos, cores and GPUs of the plans."""
DISK_MB_S = 2000.0
"""What the shared folder moves in a second, of all machines together: assumed [MB/s]."""
M3_PER_PHOTO, TILE_M3 = 0.9, 40.0
"""Room that a photo of a walk adds, and that a tile of a gibibyte holds at voxels of 2 cm [m³]."""


def plan() -> None:
    """Prints what many photos would take."""
    for photos, cores, gpus in PLANS:
        print(f"\n{photos} photos of 640 px, {cores} cores, {gpus} GPUs, one scene on a shared folder")
        print(f"{'step':>10} {'hours':>9} {'GPU h':>8} {'TB moved':>9}  bound by")
        hours: dict[str, float] = {}
        moved = gpu_hours = 0.0
        for step in STEPS:
            many = photos * (photos / REFERENCE) ** (step.power - 1)
            gpu_h = many * step.gpu_s / 3600 if step.gpu_s is not None else 0.0
            busy = gpu_h / (gpus if step.spread else 1) if step.gpu_s is not None else 0.0
            if step.gpu_s is None:
                busy = many * step.core_s / 3600 / (cores if step.spread else 1)
            disk = photos * step.mb / DISK_MB_S / 3600
            hours[step.name] = max(busy, disk)
            bound = "the folder" if disk > busy else "GPUs" if step.gpu_s else "cores"
            bound += "" if step.spread or disk > busy else ", one process"
            print(f"{step.name:>10} {hours[step.name]:9.2f} {gpu_h:8.1f} {photos * step.mb / 1e6:9.3f}  {bound}")
            moved, gpu_hours = moved + photos * step.mb / 1e6, gpu_hours + gpu_h
        worst = max(hours, key=hours.__getitem__)
        print(
            f"{'all':>10} {sum(hours.values()):9.2f} {gpu_hours:8.1f} {moved:9.3f}  "
            f"{photos * M3_PER_PHOTO / TILE_M3:.0f} tiles; the bottleneck is {worst}: "
            f"{100 * hours[worst] / sum(hours.values()):.0f} % of the time"
        )


def main() -> None:
    """Prints the tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, help="folder for the walk and for copies of it")
    parser.add_argument("--photos", type=int, default=48)
    parser.add_argument("--stages", nargs="+", default=["depth", "refine"], choices=["depth", "refine", "fuse"])
    parser.add_argument("--plan", action="store_true", help="only the plan")
    parser.add_argument("--measure", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        print("\n" + json.dumps(measure(Path(options.measure[0]), options.measure[1], options.stages)))
        return
    if not options.plan:
        if options.work is None:
            parser.error("--work DIR is needed, but with --plan")
        compare(options.work, options.photos, options.stages)
    plan()


if __name__ == "__main__":
    main()
