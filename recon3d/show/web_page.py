"""The viewer as one HTML file: geometry, pictures and scripts inside, nothing from elsewhere."""

import base64
import html
import io
import json
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from recon3d.errors import StageError
from recon3d.geometry import Camera, Mesh, PointCloud
from recon3d.geometry.arrays import Array
from recon3d.mesh.decimate import decimated
from recon3d.show.exhibit import Exhibit, ShownPhoto
from recon3d.show.palette import RANGE, STOPS
from recon3d.show.screenshot import BACKGROUND, SHADE
from recon3d.show.viewpoint import FOV

WEB = Path(__file__).parent / "web"
THREE = WEB / "three"
"""Where `make setup` puts three.js."""
THREE_FILES = ("three.module.js", "three.core.js", "OrbitControls.js", "LICENSE")
OURS = ("unpack", "surface", "photos", "ruler", "panel", "viewer")
"""Our scripts, each imported by the others as recon3d/NAME."""

OVERVIEW_PX = (1280, 960)
"""Width and height of the window that the first view is meant for."""
MAX_TRIANGLES = 1_000_000
"""A larger mesh is decimated to so many: a page has to load."""
MAX_POINTS = 400_000
"""Of a larger cloud so many points are taken at random."""
JPEG_QUALITY = 80


def web_page(exhibit: Exhibit) -> str:
    """The page of a scene: opens from the disk in any browser of today, and asks nothing of any network.

    Positions are float32 about the middle of the scene, indices uint32, colours and normals bytes; all of it deflated
    and in base64. What the scene is called and what its photos are called is text to the page, never markup.

    Raises:
        StageError: three.js is not there.
    """
    if missing := missing_scripts():
        raise StageError(
            f"view --web: three.js is not there ({', '.join(missing)} in {THREE}); get it with npm: make three, or use "
            "--screenshot OUT.png or the window, which need none"
        )
    low, high = exhibit.bounds()
    origin = (low + high) / 2
    eye, target = exhibit.overview(Camera.from_fov(*OVERVIEW_PX, FOV))
    mesh, cloud = _fewer(exhibit.mesh), _thinned(exhibit.cloud)
    facts = {
        "name": exhibit.name,
        "up": exhibit.up.tolist(),
        "low": (low - origin).tolist(),
        "high": (high - origin).tolist(),
        "eye": (eye - origin).tolist(),
        "target": (target - origin).tolist(),
        "frustum": exhibit.frustum_length(),
        "scaleSigma": exhibit.scale_sigma,
        "scaleSource": exhibit.scale_source,
        "background": BACKGROUND,
        "shade": SHADE,
        "palette": STOPS,
        "paletteRange": RANGE,
        "mesh": None if mesh is None else _packed_mesh(mesh, origin),
        "cloud": None if cloud is None else _packed_cloud(cloud, origin),
        "trianglesInAll": 0 if exhibit.mesh is None else len(exhibit.mesh.triangles),
        "pointsInAll": 0 if exhibit.cloud is None else len(exhibit.cloud.points),
        "photos": [_packed_photo(photo, origin) for photo in exhibit.photos],
        "threeLicence": _text(THREE / "LICENSE"),
    }
    parts = {
        "TITLE": html.escape(exhibit.name),
        "STYLE": _text(WEB / "style.css"),
        "IMPORTS": json.dumps({"imports": _modules()}),
        "FACTS": _script_safe(json.dumps(facts, allow_nan=False)),
    }
    page = _text(WEB / "page.html")
    head, *rest = page.split("{{")
    return head + "".join(parts[name] + tail for name, tail in (piece.split("}}", 1) for piece in rest))


def missing_scripts() -> list[str]:
    """Files of three.js that are not there."""
    return [name for name in THREE_FILES if not (THREE / name).is_file()]


def _modules() -> dict[str, str]:
    """Addresses that hold the scripts themselves, by the name that they import each other by."""
    # an address of data has no folder, from which a neighbour could be imported
    scripts = {
        "three": _text(THREE / "three.module.js").replace("'./three.core.js'", "'three/core'"),
        "three/core": _text(THREE / "three.core.js"),
        "three/orbit": _text(THREE / "OrbitControls.js"),
    }
    scripts |= {f"recon3d/{name}": _text(WEB / f"{name}.js") for name in OURS}
    return {name: f"data:text/javascript;base64,{_base64(text.encode())}" for name, text in scripts.items()}


def _packed_mesh(mesh: Mesh, origin: Array) -> dict[str, Any]:
    return {
        "triangles": len(mesh.triangles),
        "positions": _packed((mesh.vertices - origin).astype("<f4")),
        "colors": _packed(_four_bytes(mesh.colors, np.uint8)),
        "normals": _packed(_four_bytes(np.rint(_vertex_normals(mesh) * 127), np.int8)),
        "indices": _packed(mesh.triangles.astype("<u4")),
    }


def _packed_cloud(cloud: PointCloud, origin: Array) -> dict[str, Any]:
    return {
        "points": len(cloud.points),
        "positions": _packed((cloud.points - origin).astype("<f4")),
        "colors": _packed(_four_bytes(cloud.colors, np.uint8)),
    }


def _packed_photo(photo: ShownPhoto, origin: Array) -> dict[str, Any]:
    camera = photo.camera
    return {
        "name": photo.name,
        "size": [camera.width, camera.height],
        "focal": [camera.fx, camera.fy],
        "centre": [camera.cx, camera.cy],
        "rotation": photo.world_from_cam.R.tolist(),
        "eye": (photo.world_from_cam.t - origin).tolist(),
        "picture": None if photo.thumbnail is None else f"data:image/jpeg;base64,{_base64(_jpeg(photo.thumbnail))}",
    }


def _fewer(mesh: Mesh | None) -> Mesh | None:
    if mesh is None or len(mesh.triangles) <= MAX_TRIANGLES:
        return mesh
    return decimated(mesh, MAX_TRIANGLES, None)[0]


def _thinned(cloud: PointCloud | None) -> PointCloud | None:
    if cloud is None or len(cloud.points) <= MAX_POINTS:
        return cloud
    kept = np.sort(np.random.default_rng(0).choice(len(cloud.points), MAX_POINTS, replace=False))
    return PointCloud(cloud.points[kept], cloud.colors[kept])


def _vertex_normals(mesh: Mesh) -> Array:
    """(V, 3) unit vectors: the mesh's own, or the mean of the triangles around, by their area."""
    if mesh.normals is not None:
        return mesh.normals
    corners = mesh.vertices[mesh.triangles]
    faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    count = len(mesh.vertices)
    around = np.stack(
        [np.bincount(mesh.triangles.ravel(), np.repeat(faces[:, axis], 3), count) for axis in range(3)], axis=1
    )
    normals: Array = around / np.maximum(np.linalg.norm(around, axis=1, keepdims=True), 1e-12)
    return normals


def _four_bytes(values: Array, kind: type) -> Array:
    """(N, 4): three bands and an empty one: graphics cards read fours."""
    four: Array = np.zeros((len(values), 4), kind)
    four[:, :3] = values
    return four


def _packed(array: Array) -> str:
    return _base64(zlib.compress(np.ascontiguousarray(array).data, 1))


def _jpeg(picture: Array) -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, format="JPEG", quality=JPEG_QUALITY)
    return file.getvalue()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def _script_safe(text: str) -> str:
    """JSON that can stand in a script element: no name can end it, or begin a comment."""
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")
