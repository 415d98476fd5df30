import numpy as np
import pytest
from PIL import Image, ImageOps

from recon3d.formats.upright import StoredPhoto, stored_photos, upright_calibration, upright_pose
from recon3d.geometry import SE3, Calibration, Camera

CAMERA = Camera(64, 48, 50.0, 52.0, 30.0, 25.0)
COEFFICIENTS = (0.1, -0.05, 0.02, -0.03, 0.01)


def distorted(calibration, points):
    """Pixels of points by OpenCV's formula, written out."""
    k1, k2, p1, p2, k3 = calibration.distortion
    x, y = points[:, 0] / points[:, 2], points[:, 1] / points[:, 2]
    r2 = x * x + y * y
    radial = 1 + k1 * r2 + k2 * r2**2 + k3 * r2**3
    camera = calibration.camera
    u = x * radial + 2 * p1 * x * y + p2 * (r2 + 2 * x * x)
    v = y * radial + p1 * (r2 + 2 * y * y) + 2 * p2 * x * y
    return np.stack([camera.fx * u + camera.cx, camera.fy * v + camera.cy], axis=1)


@pytest.mark.parametrize("orientation", [1, 3, 6, 8])
def test_a_world_point_falls_on_the_same_spot_of_the_upright_photo(tmp_path, orientation):
    world_from_cam = SE3.from_quat_wxyz(np.array([0.5, 0.5, -0.5, 0.5]), np.array([1.0, 2, 3]))
    calibration = Calibration(CAMERA, "opencv", COEFFICIENTS)
    points = world_from_cam @ np.array([[0.1, -0.2, 1.0], [-0.3, 0.15, 1.1]])
    stored = distorted(calibration, world_from_cam.inverse() @ points)

    path = tmp_path / "p.jpg"
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (64, 48)).save(path, exif=exif)
    header = stored_photos([path])[path]
    turns = header.turns_from(64, 48)
    upright = distorted(upright_calibration(calibration, turns), upright_pose(world_from_cam, turns).inverse() @ points)
    # Pillow's own turning of a picture whose values are the stored pixel's coordinates says where pixels go.
    for pixels, turned in zip(stored, upright, strict=True):
        for axis in (0, 1):
            ramp = np.indices((48, 64))[1 - axis].astype(np.float32)
            image = Image.fromarray(ramp)
            image.getexif()[0x0112] = orientation
            moved = np.asarray(ImageOps.exif_transpose(image))
            assert moved.shape == (header.upright_size[1], header.upright_size[0])
            u, v = np.clip(turned, 1, np.array(header.upright_size) - 2)
            at = moved[round(v), round(u)]
            # The ramp is linear: from the nearest pixel on, its slope along u and v gives the value in between.
            slope_u = (moved[1, 2] - moved[1, 1]) * (u - round(u))
            slope_v = (moved[2, 1] - moved[1, 1]) * (v - round(v))
            assert at + slope_u + slope_v == pytest.approx(pixels[axis], abs=1e-4)


def test_a_camera_of_the_upright_shape_needs_no_turn():
    header = StoredPhoto(64, 48, 1)
    assert header.turns_from(64, 48) == 1
    assert header.turns_from(48, 64) == 0
    assert StoredPhoto(64, 48, 2).turns_from(64, 48) == 2
    assert StoredPhoto(64, 48, 0).turns_from(48, 64) == 0


def test_unreadable_photos_are_left_out(tmp_path):
    (tmp_path / "x.jpg").write_bytes(b"no photo")
    assert stored_photos([tmp_path / "x.jpg", tmp_path / "none.jpg"]) == {}
