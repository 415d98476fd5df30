import json
import math
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from recon3d.geometry import SE3, Calibration, Camera
from recon3d.metrics.trajectory import centre_rmse_m
from recon3d.poses.matching import Matching
from recon3d.poses.sfm import reconstruct
from recon3d.poses.sparse import Sparse, read_sparse
from recon3d.scale.ties import ties_of
from recon3d.settings import PosesSettings, ScaleSettings

pytestmark = pytest.mark.slow


def placed(files: list[Path], tmp_path: Path, settings: PosesSettings, known: Calibration | None = None) -> Sparse:
    """The model of working copies of the photos; nothing is known of the camera but `known`."""
    photos, calibrations = {}, {}
    for file in files:
        name = file.name.split(".")[0]
        photos[name] = tmp_path / f"{name}.jpg"
        with Image.open(file) as image:
            image.thumbnail((1024, 1024), Image.Resampling.LANCZOS)
            image.save(photos[name], quality=95)
            calibrations[name] = known or Calibration(Camera.from_fov(*image.size, math.radians(60)))
    return read_sparse(reconstruct(Matching.of(photos, calibrations, settings), tmp_path / "sparse"))


def test_the_fountain_is_placed_within_six_millimetres(shared: Path, tmp_path: Path) -> None:
    folder = shared / "data" / "fountain"
    sparse = placed(sorted((folder / "images").glob("*.[jp][pn]g")), tmp_path, PosesSettings())
    reference = {}
    for file in (folder / "gt_dense_cameras").glob("*.camera"):
        numbers = np.array(file.read_text().split(), float)
        reference[file.name.split(".")[0]] = SE3(numbers[12:21].reshape(3, 3), numbers[21:24])
    assert len(sparse.names) == 11
    # The cameras stand on an arc of 6 m, some 8 m from the wall.
    assert centre_rmse_m(sparse.world_from_cam, reference, with_scale=True) <= 0.006


def test_sceaux_is_placed_from_its_exif_focal_length(shared: Path, tmp_path: Path) -> None:
    # 5.85 mm; the 1/2.5" sensor of this camera is 5.744 mm wide.
    f = 5.85 / 5.744 * 1024
    known = Calibration(Camera(1024, 769, f, f, 511.5, 384), source="EXIF")
    sparse = placed(sorted((shared / "data" / "sceaux").glob("*.JPG")), tmp_path, PosesSettings(), known)
    assert len(sparse.names) == 11
    assert sparse.calibrations[sparse.names[0]].camera.fx == pytest.approx(f, rel=0.05)
    ties = ties_of(sparse, {name: found.camera for name, found in sparse.calibrations.items()}, ScaleSettings())
    assert min(len(found.z) for found in ties.values()) >= 100


def test_a_walk_through_a_kitchen_is_placed_within_five_centimetres(shared: Path, tmp_path: Path) -> None:
    folder = shared / "data" / "redkitchen"
    sparse = placed(sorted(folder.glob("*.color.jpg")), tmp_path, PosesSettings())
    reference = {name: SE3.from_matrix(np.loadtxt(folder / f"{name}.pose.txt")) for name in sparse.names}
    assert len(sparse.names) >= 98
    # The recorded poses are of the depth camera, some centimetres beside the one that took the photos.
    assert centre_rmse_m(sparse.world_from_cam, reference, with_scale=True) <= 0.05


def test_a_walk_round_a_fox_is_placed_within_three_thousandths_of_its_radius(shared: Path, tmp_path: Path) -> None:
    folder = shared / "data" / "fox"
    frames = json.loads((folder / "transforms.json").read_text())["frames"]
    files = [folder / frame["file_path"] for frame in frames]
    reference = {
        file.stem: SE3.from_matrix(np.array(frame["transform_matrix"]) @ np.diag([1, -1, -1, 1]))
        for file, frame in zip(files, frames, strict=True)
    }
    sparse = placed([file for file in files if file.exists()], tmp_path, PosesSettings())
    assert len(sparse.names) == 50
    centres = np.stack([reference[name].t for name in sparse.names])
    radius = np.linalg.norm(centres - centres.mean(0), axis=1).mean()
    rms = centre_rmse_m(sparse.world_from_cam, reference, with_scale=True)
    print(f"fox: {rms / radius:.4%} of the radius")
    assert rms <= 0.003 * radius
