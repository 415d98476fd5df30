"""What a dry run says of disk, time and memory, against what the run then leaves and takes.

    python bench/foresight.py samples/room --work DIR --model demo --set photos.max_side=480
    python bench/foresight.py ../shared/data/redkitchen --work DIR --model recorded

First `recon3d run --dry-run`, then each stage in a process of its own. Printed of each: what is left on the disk, files
that are hard links of others counted once; core seconds, without those of starting Python; the peak of the largest
process; and of each what was foreseen over what it was. Core seconds, since machines have other work: run it with
OMP_NUM_THREADS=1 then, as threads that wait for each other count too. Stages that are done are kept in DIR: the same
command goes on.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from recon3d.manifest import OUTPUTS

STAGES = [stage for stage in OUTPUTS if stage != "texture"]
RECON3D = [sys.executable, "-m", "recon3d"]


def sizes(root: Path) -> dict[str, int]:
    """Bytes that each stage has left; what is linked twice is the first one's."""
    seen: set[int] = set()

    def new(path: Path) -> Iterator[int]:
        for file in [path] if path.is_file() else sorted(path.rglob("*")):
            if file.is_file() and file.stat().st_ino not in seen:
                seen.add(file.stat().st_ino)
                yield file.stat().st_size

    return {stage: sum(sum(new(root / name)) for name in OUTPUTS[stage]) for stage in STAGES}


def spent(command: list[str]) -> dict[str, float]:
    """Core seconds of a command and all its processes, and the peak of the largest of them."""
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    _, code, usage = os.wait4(process.pid, 0)
    if code:
        raise SystemExit(f"failed: {' '.join(command)}")
    return {"core_s": usage.ru_utime + usage.ru_stime, "memory_bytes": usage.ru_maxrss * 1024}


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photos")
    parser.add_argument("--work", type=Path, required=True, help="folder for the scene and what was measured")
    options, more = parser.parse_known_args()
    options.work.mkdir(parents=True, exist_ok=True)
    scene, kept = options.work / "scene", options.work / "figures.json"
    figures = json.loads(kept.read_text()) if kept.exists() else {}
    if "foreseen" not in figures:
        command = [*RECON3D, "run", options.photos, "-o", str(scene), "--dry-run", "--json", *more]
        figures["foreseen"] = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    for stage in STAGES:
        if stage not in figures:
            # a run to its first stage, and then one stage after the other with the settings of the scene
            command = [*RECON3D, stage, str(scene), *(more if stage != "report" else [])]
            if stage == "init":
                pairs = zip(more[::2], more[1::2], strict=True)
                known = ("--camera", "--format")
                own = [word for pair in pairs if pair[0] in known or pair[1].startswith("photos.") for word in pair]
                command = [*RECON3D, "init", options.photos, "-o", str(scene), *own]
            figures[stage] = spent(command)
            kept.write_text(json.dumps(figures, indent=1))
    if "start" not in figures:
        figures["start"] = spent([*RECON3D, "depth", str(scene), *more])
        kept.write_text(json.dumps(figures, indent=1))
    left, total = sizes(scene), [0.0, 0.0, 0.0, 0.0]
    print(f"{'':8} {'MB':>9} {'x':>5} {'core s':>9} {'x':>5} {'peak MB':>9} {'x':>5}    x: foreseen over found")
    for stage in STAGES:
        foreseen, found = figures["foreseen"]["stages"][stage], figures[stage]
        core_s = max(0.1, found["core_s"] - (figures["start"]["core_s"] if stage != "init" else 0.0))
        cells = [
            (left[stage] / 1e6, foreseen["disk_bytes"] / max(1, left[stage])),
            (core_s, foreseen["core_s"] / core_s),
            (found["memory_bytes"] / 1e6, foreseen["memory_bytes"] / found["memory_bytes"]),
        ]
        print(f"{stage:8} " + " ".join(f"{value:9.1f} {ratio:5.2f}" for value, ratio in cells))
        total = [
            total[0] + left[stage],
            total[1] + foreseen["disk_bytes"],
            total[2] + core_s,
            total[3] + foreseen["core_s"],
        ]
    print(f"{'total':8} {total[0] / 1e6:9.1f} {total[1] / total[0]:5.2f} {total[2]:9.1f} {total[3] / total[2]:5.2f}")


if __name__ == "__main__":
    main()
