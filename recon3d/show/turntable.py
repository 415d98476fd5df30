"""A film of one turn around a mesh, drawn by ray casting: no GL, no display."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import cv2
import numpy as np

from recon3d.errors import StageError
from recon3d.geometry import SE3, Camera, Mesh
from recon3d.geometry.arrays import Array
from recon3d.show.screenshot import render
from recon3d.show.viewpoint import FOV, around, fitting

FRAMES = 120
"""Pictures of one turn."""
FPS = 15
"""Pictures a second: a turn takes eight."""
SIZE_PX = (960, 720)
"""Width and height."""
CODEC = "mp4v"
"""MPEG-4: of those that OpenCV's wheels write into MP4 files the one that most players know."""


def turn(points: Array, camera: Camera, up: Array, count: int) -> list[SE3]:
    """Views at equal steps all round points (N, 3), from the one distance at which all of it is in every view.

    Args:
        points: [m]; strays may be outside.
        camera: of the views.
        up: (3,) direction that is up in the world, a unit vector.
        count: number of views.
    """
    low, high = np.percentile(points, [0.5, 99.5], axis=0)
    middle = (low + high) / 2
    near = around(points, up, count)
    fitted = [fitting(points, camera, view) for view in near]
    distance = max(float((middle - view.t) @ view.R[:, 2]) for view in fitted)
    return [SE3(view.R, middle + distance * (view.t - middle)) for view in near]


def film(mesh: Mesh, up: Array, count: int = FRAMES) -> Iterator[Array]:
    """The pictures of one turn around a mesh, (H, W, 3) uint8 sRGB each."""
    camera = Camera.from_fov(*SIZE_PX, FOV)
    for view in turn(mesh.vertices, camera, up, count):
        yield render(mesh, camera, view)[0]


def write_film(path: Path, pictures: Iterable[Array]) -> None:
    """Writes pictures (H, W, 3) uint8 sRGB of `SIZE_PX` as an MP4 file, `FPS` a second.

    Raises:
        StageError: this OpenCV can't write films, or the disk is full.
    """
    count = 0
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*CODEC), FPS, SIZE_PX)
    try:
        if not writer.isOpened():
            raise StageError(f"{path}: this OpenCV writes no MP4 ({CODEC}); install opencv-python from PyPI")
        for picture in pictures:
            writer.write(np.ascontiguousarray(picture[..., ::-1]))
            count += 1
    finally:
        writer.release()
    written = cv2.VideoCapture(str(path))
    if round(written.get(cv2.CAP_PROP_FRAME_COUNT)) != count:  # the writer itself says nothing
        raise StageError(f"{path}: the film is not whole; is the disk full?")
    written.release()
