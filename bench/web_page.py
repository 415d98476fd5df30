"""The page of a scene in a browser: how large it is, and how soon it can be turned.

    python bench/web_page.py                  # a made mesh of 300 000 triangles, 50 photos; prints a table
    python bench/web_page.py room-scene       # a scene of yours

Chromium opens the file from the disk, without a GPU (SwiftShader): slower than any graphics card. "ready" is from the
start of navigation to the first picture, as the page's own clock says; the best of three. A fixed yardstick stands
beside it: a 1024³ float32 matrix product.
"""

import argparse
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))


def made_exhibit(triangles: int, photos: int) -> "Exhibit":  # noqa: F821
    """A wavy, coloured ball seen by cameras all round."""
    import numpy as np
    from synthetic import look_at

    from recon3d.geometry import Camera, Mesh
    from recon3d.show.exhibit import Exhibit, ShownPhoto

    rings = round((triangles / 4) ** 0.5)
    v, u = np.meshgrid(np.linspace(0, np.pi, rings + 1), np.linspace(0, 2 * np.pi, 2 * rings + 1), indexing="ij")
    radius = 1 + 0.05 * np.sin(9 * u) * np.sin(7 * v)
    unit = np.stack([np.sin(v) * np.cos(u), np.sin(v) * np.sin(u), np.cos(v)], axis=-1)
    points = (radius[..., None] * unit).reshape(-1, 3)
    index = np.arange(len(points)).reshape(v.shape)
    a, b, c, d = (part.ravel() for part in (index[:-1, :-1], index[:-1, 1:], index[1:, :-1], index[1:, 1:]))
    faces = np.concatenate([np.stack([a, c, b], axis=1), np.stack([b, c, d], axis=1)])
    rng = np.random.default_rng(0)
    mesh = Mesh(points, faces, rng.integers(0, 255, points.shape, np.uint8))
    camera = Camera.from_fov(640, 480, np.radians(60))
    angles = np.linspace(0, 2 * np.pi, photos, endpoint=False)
    shown = [
        ShownPhoto(
            f"IMG_{i}",
            camera,
            look_at([3 * np.cos(angle), 3 * np.sin(angle), 1], [0, 0, 0]),
            rng.integers(0, 255, (192, 256, 3), np.uint8),
        )
        for i, angle in enumerate(angles)
    ]
    return Exhibit("made", mesh, None, shown, 0.02, "made", np.array([0.0, 0.0, 1.0]))


def main() -> None:
    """Prints the table."""
    import numpy as np
    from chromium import page

    from recon3d.progress import silent
    from recon3d.scene import Scene
    from recon3d.show.web_page import web_page
    from recon3d.stages.view import exhibit_of

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scene", nargs="?")
    arguments = parser.parse_args()
    start = time.perf_counter()
    exhibit = exhibit_of(Scene.open(arguments.scene), silent) if arguments.scene else made_exhibit(300_000, 50)
    read = time.perf_counter() - start
    start = time.perf_counter()
    text = web_page(exhibit)
    made = time.perf_counter() - start
    ready = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "view.html"
        path.write_text(text, encoding="utf-8")
        for _ in range(3):
            with page(path) as seen:
                seen.wait_for("window.recon3d?.ready")
                ready.append(seen.evaluate("recon3d.readyMs") / 1000)
    matrix = np.random.default_rng(0).random((1024, 1024), np.float32)
    start = time.perf_counter()
    _ = matrix @ matrix
    yardstick = time.perf_counter() - start
    triangles = 0 if exhibit.mesh is None else len(exhibit.mesh.triangles)
    print(f"| triangles {triangles} | photos {len(exhibit.photos)} |")
    print(f"| read from the scene | {read:.1f} s |")
    print(f"| page made | {made:.1f} s, {len(text) / 1e6:.1f} MB |")
    print(f"| ready in the browser | {min(ready):.1f} s (of {', '.join(f'{value:.1f}' for value in ready)}) |")
    print(f"| matrix product | {yardstick:.3f} s |")


if __name__ == "__main__":
    main()
