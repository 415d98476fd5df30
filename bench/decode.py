"""Decoding photos to the working size: one thread against two, and memory against the number of photos.

    python bench/decode.py            # 100 JPEG photos of 12 MP to 1600 px; prints a table

The photos are made here: a few distinct ones, named again and again. Each measurement is a process of its own, so that
its peak memory is its own; sides take turns, and each side's best counts. On a machine with other work, threads wait
for a core: Linux counts that time, and the second ratio leaves it out. Waiting for locks and for the disk stays in.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

SIDE = 1600
DISTINCT = 5


def make_photos(folder: Path, megapixels: float) -> list[Path]:
    """Photos with detail at all scales and a camera's quality, 4:2:0: about as many bytes as a telephone's."""
    import cv2
    import numpy as np

    height = round((megapixels * 1e6 * 3 / 4) ** 0.5)
    width = round(height * 4 / 3)
    paths = []
    for seed in range(DISTINCT):
        rng = np.random.default_rng(seed)
        image = np.full((height, width, 3), 128, np.float32)
        for cells in (6, 24, 96, 384, 1536):
            image += cv2.resize(rng.normal(0, 24, (cells * 3 // 4, cells, 3)).astype(np.float32), (width, height))
        paths.append(folder / f"{seed}.jpg")
        cv2.imwrite(str(paths[-1]), image.clip(0, 255).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, 92])
    return paths


def measure(folder: Path, count: int, threads: int) -> dict[str, float]:
    """Seconds, seconds a thread waited for a core, and peak memory of one side, in this process."""
    from recon3d.photos.read import read_photo

    paths = sorted(folder.glob("*.jpg"))
    photos = [paths[k % len(paths)] for k in range(count)]

    def longer_side(path: Path) -> int:
        return max(read_photo(path, max_megapixels=250, max_side=SIDE).image.shape)

    longer_side(photos[0])
    tasks = Path("/proc/self/task")
    others = {path.name for path in tasks.iterdir()}
    with ThreadPoolExecutor(max_workers=threads) as pool:  # as `recon3d init` does
        before = time.perf_counter()
        assert all(side == SIDE for side in pool.map(longer_side, photos))
        seconds = time.perf_counter() - before
        workers = [path for path in tasks.iterdir() if path.name not in others]
        waited = [int((path / "schedstat").read_text().split()[1]) / 1e9 for path in workers]
    status = Path("/proc/self/status").read_text()  # getrusage would tell the peak of the parent, where that is higher
    peak = int(status.split("VmHWM:")[1].split()[0]) / 1024
    return {"seconds": seconds, "with_a_core_s": seconds - sum(waited) / len(waited), "peak_mib": peak}


def in_a_process(folder: Path, count: int, threads: int) -> dict[str, float]:
    """The same in a process of its own."""
    command = [sys.executable, __file__, "--measure", str(folder), str(count), str(threads)]
    return json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100)
    parser.add_argument("--megapixels", type=float, default=12.0)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--turns", type=int, default=2)
    parser.add_argument("--measure", nargs=3, metavar=("FOLDER", "COUNT", "THREADS"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        folder, count, threads = options.measure
        print(json.dumps(measure(Path(folder), int(count), int(threads))))
        return
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        photos = make_photos(folder, options.megapixels)
        size = sum(path.stat().st_size for path in photos) / len(photos) / 2**20
        print(f"{options.count} JPEG photos of {options.megapixels:g} MP ({size:.1f} MiB each) to {SIDE} px")
        few = {threads: in_a_process(folder, options.count // 4, threads) for threads in (1, options.threads)}
        turns = [
            {threads: in_a_process(folder, options.count, threads) for threads in few} for _ in range(options.turns)
        ]
    best = {threads: {what: min(turn[threads][what] for turn in turns) for what in few[threads]} for threads in few}
    for threads, found in best.items():
        most = max(turn[threads]["peak_mib"] for turn in turns)
        print(
            f"{threads} thread{'s' if threads > 1 else ' '}  {found['seconds']:6.2f} s, "
            f"{found['with_a_core_s']:6.2f} s of it with a core, peak {few[threads]['peak_mib']:.0f} MiB "
            f"for {options.count // 4} photos, {most:.0f} for {options.count}"
        )
    one, several = best[1], best[options.threads]
    print(f"ratio {one['seconds'] / several['seconds']:.2f} by the clock")
    print(f"ratio {one['with_a_core_s'] / several['with_a_core_s']:.2f} without waiting for a core")


if __name__ == "__main__":
    main()
