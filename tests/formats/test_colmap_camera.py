import numpy as np
import pycolmap
import pytest

from recon3d.errors import InputError
from recon3d.formats.colmap_camera import calibration_from_colmap, colmap_params, colmap_start
from recon3d.geometry import Calibration, Camera
from recon3d.poses.sparse import drawn

CAMERA = Camera(640, 480, 500, 510, 321.25, 238.5)
POINTS = np.random.default_rng(0).uniform([-0.6, -0.4, 1], [0.6, 0.4, 2], (50, 3))
OURS = [
    Calibration(CAMERA, source="calib file"),
    Calibration(CAMERA, "opencv", (0.1, -0.05, 0.002, -0.003), source="calib file"),
    Calibration(CAMERA, "opencv", (0.1, -0.05, 0.002, -0.003, 0.01, 0.02, 0.01, 0.003), source="calib file"),
    Calibration(CAMERA, "fisheye", (0.02, -0.01, 0.003, 0.001), source="calib file"),
]
COLMAPS = {
    "SIMPLE_PINHOLE": [500, 320, 240],
    "PINHOLE": [500, 510, 320, 240],
    "SIMPLE_RADIAL": [500, 320, 240, 0.1],
    "RADIAL": [500, 320, 240, 0.1, -0.02],
    "OPENCV": [500, 510, 320, 240, 0.1, -0.02, 0.001, 0.002],
    "FULL_OPENCV": [500, 510, 320, 240, 0.1, -0.02, 0.001, 0.002, 0.003, 0.02, 0.01, 0.002],
    "SIMPLE_RADIAL_FISHEYE": [500, 320, 240, 0.1],
    "RADIAL_FISHEYE": [500, 320, 240, 0.1, -0.02],
    "OPENCV_FISHEYE": [500, 510, 320, 240, 0.1, -0.02, 0.003, 0.001],
}


def colmap_pixels(model: str, params: list[float]) -> np.ndarray:
    camera = pycolmap.Camera(model=model, width=640, height=480, params=params)
    return np.array([camera.img_from_cam(point) for point in POINTS])


@pytest.mark.parametrize("model", COLMAPS)
def test_a_colmap_camera_draws_half_a_pixel_further(model: str) -> None:
    calibration = calibration_from_colmap(model, COLMAPS[model], 640, 480, source="COLMAP")
    assert drawn(calibration, POINTS) == pytest.approx(colmap_pixels(model, COLMAPS[model]) - 0.5, abs=1e-9)


@pytest.mark.parametrize("ours", OURS, ids=lambda c: f"{c.model}-{len(c.distortion)}")
def test_a_calibration_comes_back_from_colmap(ours: Calibration) -> None:
    assert calibration_from_colmap(*colmap_params(ours), 640, 480, source="calib file") == ours


def test_five_coefficients_draw_the_same_as_eight() -> None:
    ours = Calibration(CAMERA, "opencv", (0.1, -0.05, 0.002, -0.003, 0.01), source="calib file")
    back = calibration_from_colmap(*colmap_params(ours), 640, 480, source="calib file")
    assert drawn(back, POINTS) == pytest.approx(drawn(ours, POINTS), abs=1e-12)


def test_a_start_has_one_focal_length_and_no_distortion() -> None:
    assert colmap_start(OURS[1]) == ("SIMPLE_RADIAL", [505, 321.75, 239, 0])


def test_an_unknown_colmap_model_is_named() -> None:
    with pytest.raises(InputError, match="THIN_PRISM_FISHEYE.*SIMPLE_PINHOLE"):
        calibration_from_colmap("THIN_PRISM_FISHEYE", [1.0] * 12, 640, 480, source="COLMAP")


def test_without_a_lens_to_find_the_start_is_a_pinhole():
    assert colmap_start(OURS[1], lens=False) == ("SIMPLE_PINHOLE", [505, 321.75, 239])
