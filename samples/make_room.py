"""Makes the photo set samples/room with its truth, from nothing; run it again to go on where it stopped.

.venv-bpy/bin/python samples/make_room.py
.venv-bpy/bin/python samples/make_room.py --draft draft --only 0 7 14 21
"""

import argparse
from pathlib import Path

import numpy as np
from PIL import Image
from room_scene import path, photos, room, truth

SEED = 7


def make_truth(folder: Path, poses: dict[str, np.ndarray]) -> None:
    """Camera, poses, depth maps and the seen surface; files that exist are kept."""
    (folder / "depth").mkdir(parents=True, exist_ok=True)
    truth.write_camera(folder / "camera.json")
    truth.write_poses(poses, folder / "poses.json")
    todo = [name for name in poses if not (folder / "depth" / f"{name}.png").exists()]
    if todo or not (folder / "mesh.ply").exists():
        room.build(SEED)
        photos.set_up(1.0, 1)
        truth.set_up()
    for name in todo:
        truth.write_depth(truth.depth(poses[name], folder), folder / "depth" / f"{name}.png")
    if not (folder / "mesh.ply").exists():
        depths = {name: np.asarray(Image.open(folder / "depth" / f"{name}.png")) / 1000 for name in poses}
        truth.write_mesh(*truth.seen_surface(poses, depths), folder / "mesh.ply")


def make_photos(folder: Path, poses: dict[str, np.ndarray], only: list[int], scale: float, samples: int) -> int:
    """The photos, or those numbered in `only`; returns how many were missing."""
    folder.mkdir(parents=True, exist_ok=True)
    numbered = list(enumerate(poses.items()))
    todo = [(k, name, pose) for k, (name, pose) in numbered if not (folder / f"{name}.jpg").exists()]
    todo = [one for one in todo if not only or one[0] in only]
    if todo:
        room.build(SEED)
        photos.set_up(scale, samples)
    for k, name, pose in todo:
        photos.shoot(k, pose, folder / f"{name}.jpg", SEED)
    return len(todo)


def main() -> None:
    """Reads the options and makes what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "room", help="folder to write to")
    parser.add_argument("--samples", type=int, default=10, help="paths traced per pixel")
    parser.add_argument("--draft", type=Path, help="folder for quick photos of half size, without truth")
    parser.add_argument("--only", type=int, nargs="*", default=[], help="numbers of the photos wanted, from 0")
    options = parser.parse_args()
    poses = path.walk(SEED)
    if options.draft:
        made = make_photos(options.draft, poses, options.only, 0.5, min(options.samples, 8))
    else:
        make_truth(options.out / "truth", poses)
        made = make_photos(options.out, poses, options.only, 1.0, options.samples)
    print(f"{made} photos made, of {len(poses)}, in {options.draft or options.out}")


if __name__ == "__main__":
    main()
