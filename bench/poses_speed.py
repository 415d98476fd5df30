"""Structure from motion: plain pycolmap against ours, on the same photos, with nothing known of the camera.

    python bench/poses_speed.py CAPTURE [CAPTURE …]     # folders of photos; prints a table for each

Plain pycolmap is its defaults: extract (one camera for all, as ours), match exhaustively, map incrementally. Each side
is a process of its own, one after the other. A step counts by the clock and in core seconds; on a machine with other
work believe those. Accuracy is against the poses recorded with the capture, where there are any.
"""

import argparse
import json
import math
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

STEPS = ("features", "pairs", "matching", "mapping")


class Clock:
    """Adds up, by the name of the step, the time since the last call: by the clock, and in core seconds."""

    def __init__(self) -> None:
        self.spent = {step: [0.0, 0.0] for step in STEPS}
        self._last = self._now()

    def __call__(self, step: str) -> None:
        """Books the time since the last call to `step`."""
        now = self._now()
        for k in range(2):
            self.spent[step][k] += now[k] - self._last[k]
        self._last = now

    def _now(self) -> tuple[float, float]:
        times = os.times()
        return time.perf_counter(), times.user + times.system


def plain(photos: dict[str, Path], folder: Path, settings: dict[str, str]) -> tuple[Clock, dict[str, list[float]], int]:
    """What a reader of pycolmap's example would run."""
    import pycolmap

    clock, database, images = Clock(), folder / "database.db", next(iter(photos.values())).parent
    pycolmap.extract_features(database, images, camera_mode=pycolmap.CameraMode.SINGLE)
    clock("features")
    pycolmap.match_exhaustive(database)
    clock("matching")
    models = pycolmap.incremental_mapping(database, images, folder)
    clock("mapping")
    best = max(models.values(), key=lambda model: model.num_reg_images())
    centres = {Path(image.name).stem: image.projection_center().tolist() for image in best.images.values()}
    return clock, centres, len(photos) * (len(photos) - 1) // 2


def ours(photos: dict[str, Path], folder: Path, settings: dict[str, str]) -> tuple[Clock, dict[str, list[float]], int]:
    """`recon3d.poses.sfm.reconstruct`, its worker run in this process so that each step's core seconds can be read."""
    from PIL import Image

    from recon3d.geometry import Calibration, Camera
    from recon3d.poses import sfm, sfm_worker
    from recon3d.poses.matching import Matching
    from recon3d.poses.sfm_child import Child
    from recon3d.poses.sparse import read_sparse
    from recon3d.progress import Report, silent
    from recon3d.settings import Settings

    calibrations = {}
    for name, path in photos.items():
        with Image.open(path) as image:
            calibrations[name] = Calibration(Camera.from_fov(*image.size, math.radians(60)))
    clock, step, pairs = Clock(), "features", 0

    def report(title: str, done: int, total: int, photo: str = "") -> None:
        nonlocal step, pairs
        clock(step)
        step = "mapping" if "mapping" in title else title
        if done >= total:  # between two titles
            step = {"features": "pairs", "pairs": "matching", "matching": "mapping"}.get(step, step)
        pairs = total if title == "matching" else pairs

    def here(child: Child, task: str, report: Report = silent, **values: Any) -> Any:
        job = {**child.matching.record, "scratch": str(child.scratch), "threads": -1}
        return sfm_worker.TASKS[task](job, report, **json.loads(json.dumps(values, default=str)))

    Child.do = here
    chosen = Settings().with_assignments([f"poses.{key}={value}" for key, value in settings.items()]).poses
    sfm.reconstruct(Matching.of(photos, calibrations, chosen), folder, report=report)
    clock(step)
    found = read_sparse(folder).world_from_cam
    return clock, {name: pose.t.tolist() for name, pose in found.items()}, pairs


SIDES = {"plain": plain, "ours": ours}


def measure(side: str, photos: Path, settings: dict[str, str]) -> None:
    """Runs one side in this process and prints what it took and found."""
    files = {path.stem: path for path in sorted(photos.iterdir())}
    with tempfile.TemporaryDirectory() as name:
        clock, centres, pairs = SIDES[side](files, Path(name), settings)
    print("\n" + json.dumps({"spent": clock.spent, "centres": centres, "pairs": pairs}))


def prepared(capture: Path, folder: Path, side_px: int, count: int) -> dict[str, list[float]]:
    """Writes the photos at the working size; returns the recorded centres."""
    from recon3d.formats.capture import read_capture
    from recon3d.photos.find import scene_names
    from recon3d.photos.read import read_photo
    from recon3d.photos.working import working_suffix, write_working

    found = read_capture(capture)
    names = list(scene_names(found.photos).items())
    if count:
        names = names[:count]
    for name, path in names:
        photo = read_photo(path, max_megapixels=250, max_side=side_px)
        write_working(photo, path, folder / f"{name}{working_suffix(photo)}")
    return {name: found.world_from_cam[path].t.tolist() for name, path in names if path in found.world_from_cam}


def rms(estimate: dict[str, list[float]], reference: dict[str, list[float]]) -> float | None:
    """Of the centres after a similarity, in the reference's unit; None without a reference."""
    import numpy as np

    from recon3d.geometry import SE3
    from recon3d.metrics.trajectory import centre_rmse_m

    def poses(centres: dict[str, list[float]]) -> dict[str, SE3]:
        return {name: SE3(np.eye(3), np.array(centre)) for name, centre in centres.items()}

    return centre_rmse_m(poses(estimate), poses(reference), with_scale=True) if reference else None


def main() -> None:
    """Prints a table for each capture."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("captures", nargs="*", type=Path, metavar="CAPTURE")
    parser.add_argument("--max-side", type=int, default=1024, help="longer side of the photos [px]")
    parser.add_argument("--count", type=int, default=0, help="only the first photos; 0 = all")
    parser.add_argument("--only", choices=list(SIDES), help="one side")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="of the poses settings")
    parser.add_argument("--measure", nargs=2, metavar=("SIDE", "PHOTOS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        measure(options.measure[0], Path(options.measure[1]), dict(text.split("=") for text in options.set))
        return
    print(f"{os.cpu_count()} cores; seconds by the clock (core seconds)")
    for capture in options.captures:
        with tempfile.TemporaryDirectory() as name:
            photos = Path(name)
            reference = prepared(capture, photos, options.max_side, options.count)
            count, total = len(list(photos.iterdir())), {}
            print(f"\n{capture.name}, {count} photos\n{'':6}" + "".join(f"{step:>16}" for step in (*STEPS, "all")))
            for side in [options.only] if options.only else SIDES:
                settings = [word for text in options.set for word in ("--set", text)]
                command = [sys.executable, __file__, "--measure", side, name, *settings]
                done = subprocess.run(command, capture_output=True, text=True, check=False)
                if done.returncode:
                    sys.exit(done.stderr)
                found = json.loads(done.stdout.splitlines()[-1])
                spent = [found["spent"][step] for step in STEPS]
                total[side] = [sum(step[k] for step in spent) for k in range(2)]
                row = "".join(f"{clock:8.1f} ({core:5.1f})" for clock, core in [*spent, total[side]])
                error = rms(found["centres"], reference)
                accuracy = "" if error is None else f", centres {error:.4f} rms"
                print(f"{side:6}{row}   {len(found['centres'])} placed{accuracy}, {found['pairs']} pairs", flush=True)
            if len(total) == 2:
                clock, core = (total["plain"][k] / total["ours"][k] for k in range(2))
                print(f"ratio {clock:.2f} by the clock, {core:.2f} in core seconds")


if __name__ == "__main__":
    main()
