"""Lens distortion on a real capture: points meet raw and undistorted photos alike."""

import dataclasses

import numpy as np
import pytest

from recon3d.formats.capture import read_capture
from recon3d.geometry import Calibration
from recon3d.photos.read import read_photo
from recon3d.photos.undistort import pinhole_of, undistort, undistort_pixels
from recon3d.photos.working import load_working, save_image
from recon3d.poses.matching import Matching
from recon3d.poses.sfm import reconstruct
from recon3d.poses.sparse import drawn, read_sparse
from recon3d.settings import PosesSettings

pytestmark = pytest.mark.slow

SETTINGS = PosesSettings(features=2048)


def test_points_of_the_fox_meet_raw_and_undistorted_photos_alike(shared, tmp_path):
    """Twelve neighbouring photos at 640 px, on the poses and with the lens of transforms.json."""
    capture = read_capture(shared / "data" / "fox")
    photos, lenses, poses = {}, {}, {}
    for source in [path for path in capture.photos if path in capture.world_from_cam][:12]:
        name, image = source.stem, read_photo(source, max_megapixels=250, max_side=640).image
        photos[name] = tmp_path / f"{name}.png"
        save_image(photos[name], image)
        lens = capture.calibrations[source]
        lenses[name] = dataclasses.replace(lens, camera=lens.camera.resized(image.shape[1], image.shape[0]))
        poses[name] = capture.world_from_cam[source]
    raw = read_sparse(reconstruct(Matching.of(photos, lenses, SETTINGS, given=poses), tmp_path / "raw"))
    assert len(raw.names) == 12 and len(raw.points) > 500

    # The law: the pixel that the lens draws of a point, undistorted, is the pixel that the pinhole camera sees.
    residuals = {"raw": [], "undistorted": []}
    for number, name in enumerate(raw.names):
        mine = raw.obs_photo == number
        lens = lenses[name]
        points_cam = raw.world_from_cam[name].inverse() @ raw.points[raw.obs_point[mine]]
        seen = pinhole_of(lens, "same").project(points_cam)
        assert np.abs(undistort_pixels(drawn(lens, points_cam), lens) - seen).max() < 0.01
        residuals["raw"].append(np.linalg.norm(drawn(lens, points_cam) - raw.obs_uv[mine], axis=1))
        residuals["undistorted"].append(np.linalg.norm(seen - undistort_pixels(raw.obs_uv[mine], lens), axis=1))
    by_raw, by_pinhole = (np.concatenate(residuals[key]) for key in ("raw", "undistorted"))
    assert np.abs(by_raw - by_pinhole).max() < 0.1

    # The photos: features found anew in the undistorted ones fit pinhole cameras as well as the raw ones fit the lens.
    flat, pinholes = {}, {}
    (tmp_path / "images").mkdir()
    for name, path in photos.items():
        image, camera, _ = undistort(load_working(path), lenses[name])
        flat[name], pinholes[name] = tmp_path / "images" / path.name, Calibration(camera, source="capture")
        save_image(flat[name], image)
    undone = read_sparse(reconstruct(Matching.of(flat, pinholes, SETTINGS, given=poses), tmp_path / "flat"))
    assert len(undone.points) > 0.8 * len(raw.points)
    assert np.median(undone.obs_error_px) == pytest.approx(np.median(raw.obs_error_px), abs=0.1)

    # And it is the lens that does it: taken for pinholes, the raw photos fit worse.
    bent = {name: Calibration(lens.camera, source="capture") for name, lens in lenses.items()}
    worse = read_sparse(reconstruct(Matching.of(photos, bent, SETTINGS, given=poses), tmp_path / "bent"))
    assert np.median(worse.obs_error_px) > 1.05 * np.median(raw.obs_error_px)
