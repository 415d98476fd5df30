import json
import math

import numpy as np
import pytest

from recon3d.errors import InputError
from recon3d.formats.nerfstudio import read_transforms, transforms_from_json

EYE = np.eye(4).tolist()
LENS = {"fl_x": 500, "fl_y": 510, "cx": 321, "cy": 241, "w": 640, "h": 480}


def frame(**extra):
    return {"file_path": "a.png", "transform_matrix": EYE, **extra}


def calibration(file=None, **extra):
    lens = transforms_from_json({**(file or {}), "frames": [frame(**extra)]}, "t.json").frames[0].lens
    return lens.calibration(*(lens.size or (640, 480)))


def test_pixel_centres_move_from_halves_to_integers():
    camera = calibration(LENS).camera
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == (500, 510, 320.5, 240.5)
    centred = calibration({"fl_x": 500, "w": 640, "h": 480}).camera
    assert (centred.fy, centred.cx, centred.cy) == (500, 319.5, 239.5)


def test_the_identity_looks_along_minus_z_with_y_up():
    pose = transforms_from_json({"frames": [frame()]}, "t.json").frames[0].world_from_cam
    np.testing.assert_array_equal(pose @ np.array([0.0, 0, 1]), [0, 0, -1])
    np.testing.assert_array_equal(pose @ np.array([0.0, 1, 0]), [0, -1, 0])
    np.testing.assert_array_equal(pose @ np.array([1.0, 0, 0]), [1, 0, 0])


def test_a_frames_own_camera_goes_before_the_files():
    assert calibration(LENS, fl_x=600, w=640.0).camera.fx == 600


def test_the_angle_counts_where_there_is_no_focal_length():
    camera = calibration({"camera_angle_x": 2 * math.atan(0.5), "w": 640, "h": 480}).camera
    assert camera.fx == pytest.approx(640)
    assert calibration({**LENS, "camera_angle_x": 1.0}).camera.fx == 500
    assert not transforms_from_json({"frames": [frame()]}, "t.json").frames[0].lens.known


def test_distortion_is_put_in_opencvs_order():
    k = {"k1": 0.1, "k2": 0.2, "p1": 0.3, "p2": 0.4}
    assert calibration({**LENS, **k}).distortion == (0.1, 0.2, 0.3, 0.4)
    assert calibration({**LENS, **k, "k3": 0.5, "camera_model": "OPENCV"}).distortion == (0.1, 0.2, 0.3, 0.4, 0.5)
    assert calibration({**LENS, "k1": 0}).model == "pinhole"
    fisheye = calibration({**LENS, **k, "k3": 0.5, "k4": 0.6, "camera_model": "OPENCV_FISHEYE"})
    assert (fisheye.model, fisheye.distortion) == ("fisheye", (0.1, 0.2, 0.5, 0.6))
    with pytest.raises(InputError, match="k4"):
        calibration({**LENS, "k4": 0.1})


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ({"frames": [frame(file_path=None)]}, "frame 0"),
        ({"frames": [frame(), frame(file_path="b", transform_matrix=None)]}, r"frame 1 \(b\)"),
        ({"frames": [frame(transform_matrix=[[1]])]}, r"shape \(1, 1\)"),
        ({"frames": [frame(depth_file_path=3)]}, "frame 0"),
        ({"frames": [frame(w=640.5)]}, "w: got 640.5"),
        ({"frames": [frame(fl_x="500")]}, "fl_x"),
        ({"frames": [frame(camera_model="EQUIRECTANGULAR")]}, "EQUIRECTANGULAR"),
        ({"frames": [frame(camera_model=[1])]}, "camera_model"),
        ({"frames": [frame()], "applied_scale": 0}, "applied_scale"),
        ({"frames": [frame()], "applied_transform": [[1, 0], [0, 1]]}, "applied_transform"),
        ({"frames": [frame()], "applied_transform": [[2, 0, 0, 0], [0, 2, 0, 0], [0, 0, 2, 0]]}, "applied_transform"),
        ({"frames": {}}, "frames"),
        ({}, "frames"),
    ],
)
def test_what_can_not_be_is_refused_with_file_and_frame(tmp_path, data, message):
    path = tmp_path / "transforms.json"
    path.write_text(json.dumps(data))
    with pytest.raises(InputError, match=message) as caught:
        read_transforms(path)
    assert "transforms.json" in str(caught.value)
