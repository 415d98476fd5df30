"""Time, memory and size of the report of a scene, made anew.

    OMP_NUM_THREADS=1 .venv/bin/python bench/report.py SCENE

SCENE is left with its report; nothing else of it changes.
"""

import resource
import sys
import time
from pathlib import Path

from recon3d.scene import Scene
from recon3d.stages.chain import settings_of
from recon3d.stages.job import Job
from recon3d.stages.report import report


def main() -> None:
    """Prints one row."""
    scene = Scene.open(Path(sys.argv[1]))
    start, processor = time.perf_counter(), time.process_time()
    outcome = report(scene, Job(settings_of(scene), force=True))
    seconds, core_seconds = time.perf_counter() - start, time.process_time() - processor
    megabytes = scene.file("report.html").stat().st_size / 1e6
    peak_gib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{len(scene.names())} photos: {core_seconds:.1f} core s ({seconds:.1f} s by the clock)")
    print(f"report.html {megabytes:.1f} MB, peak {peak_gib:.2f} GiB")
    print(outcome.line)


if __name__ == "__main__":
    main()
