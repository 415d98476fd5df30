import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recon3d.errors import InputError
from recon3d.formats.camera_file import (
    calibration_as_json,
    calibration_for,
    calibration_from_json,
    read_camera,
    write_camera,
)
from recon3d.geometry import Calibration, Camera

CAMERA = Camera(640, 480, 500.0, 510.0, 320.5, 238.25)
GOOD_K = "500 0 320.5\n0 510 238.25\n0 0 1\n"


def written(tmp_path, text, name="K.txt"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "calibration",
    [
        Calibration(CAMERA),
        Calibration(CAMERA, "opencv", (0.1, -0.2, 0.003, -0.004), rms_px=0.31, source="SfM"),
        Calibration(CAMERA, "opencv", (0.1, -0.2, 0.003, -0.004, 0.5), source="EXIF"),
        Calibration(CAMERA, "opencv", (0.1, -0.2, 0.003, -0.004, 0.5, 0.6, 0.7, 0.8), source="COLMAP"),
        Calibration(CAMERA, "fisheye", (0.1, -0.2, 0.003, -0.004), source="calib file"),
    ],
)
def test_json_gives_the_same_calibration_back(calibration):
    text = json.dumps(calibration_as_json(calibration))
    assert calibration_from_json(json.loads(text), "here") == calibration


def test_camera_file_round_trip_changes_only_the_source(tmp_path):
    calibration = Calibration(CAMERA, "opencv", (0.1, -0.2, 0.003, -0.004), rms_px=0.31, source="SfM")
    write_camera(tmp_path / "c.json", calibration)
    again = read_camera(tmp_path / "c.json", (10, 10))
    assert (again.camera, again.model, again.distortion) == (CAMERA, "opencv", calibration.distortion)
    assert again.source == "calib file"


@pytest.mark.parametrize(
    "text",
    [
        GOOD_K,
        "500,0,320.5;0,510,238.25;0,0,1",
        "# K of my camera\n500 0 320.5 # fx\n0 510 238.25\n0 0 1",
        "500 510 320.5 238.25",
        "500 0 320.5 0\n0 510 238.25 0\n0 0 1 0\n0 0 0 1",
        "\ufeff" + GOOD_K.replace("\n", "\r\n"),
    ],
)
def test_K_as_text_is_read_in_every_spelling(tmp_path, text):
    calibration = read_camera(written(tmp_path, text), (640, 480))
    assert calibration == Calibration(CAMERA, source="calib file")


def test_K_as_text_needs_the_size_of_the_photos(tmp_path):
    with pytest.raises(InputError, match=r"K\.txt.*no image size"):
        read_camera(written(tmp_path, GOOD_K))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("500 0 320 0\n0 500 240 0\n0 0 1 0", r"12 numbers.*3x4"),
        ("500 0 320\n0 500 240", "6 numbers"),
        ("", "0 numbers"),
        ("500 0 zwei\n0 500 240\n0 0 1", "zwei"),
        ("500 0 900\n0 500 240\n0 0 1", "cx 900"),
        ("500 0 320\n0 500 -10\n0 0 1", "cy -10"),
        ("-500 0 320\n0 500 240\n0 0 1", "fx: got -500"),
        ("0 0 320\n0 500 240\n0 0 1", "fx: got 0"),
        ("nan 0 320\n0 500 240\n0 0 1", "NaN"),
        ("500 0 inf\n0 500 240\n0 0 1", "NaN or infinite"),
        ("9e6 0 320\n0 9e6 240\n0 0 1", "fx: got 9e[+]06"),
        ("60 0 320\n0 60 240\n0 0 1", "in degrees or millimetres"),
        ("4.2 0 320\n0 4.2 240\n0 0 1", "fx: got 4.2"),
        ("500 0 320\n0 100 240\n0 0 1", "degrees or millimetres"),
        ("500 0 320\n0 1200 240\n0 0 1", "wanted them alike"),
        ("500 0 320\n0 500 240\n0 0 2", r"last row 0 0 2"),
        ("500 0 0\n0 500 0\n320 240 1", "transposed"),
        ("500 7 320\n0 500 240\n0 0 1", "skew 7"),
        ("500 0 320 5\n0 500 240 0\n0 0 1 0\n0 0 0 1", "4x4 matrix that is no K"),
    ],
)
def test_K_that_can_not_be_is_refused_with_file_and_number(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        read_camera(written(tmp_path, text), (640, 480))
    assert "K.txt" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"fx": None}, "camera fx"),
        ({"fx": "500"}, "camera fx"),
        ({"fx": True}, "camera fx"),
        ({"fx": 10**400}, "finite"),
        ({"width": 0}, "camera size"),
        ({"width": 640.5}, "width"),
        ({"width": 1e300}, "camera size"),
        ({"cx": 700}, "principal point"),
        ({"schema": 2}, "schema 2"),
        ({"model": "fov"}, "fov"),
        ({"model": ["opencv"]}, "camera model"),
        ({"model": "opencv", "distortion": [1, 2, 3]}, "got 3 numbers"),
        ({"distortion": [0.1]}, "got 1 numbers"),
        ({"distortion": {"k1": 0}}, "list of numbers"),
        ({"source": "rumour"}, "rumour"),
    ],
)
def test_camera_json_that_can_not_be_is_refused_with_its_name(tmp_path, change, message):
    data = {**calibration_as_json(Calibration(CAMERA)), **change}
    path = written(tmp_path, json.dumps(data), "camera.json")
    with pytest.raises(InputError, match=message) as caught:
        calibration_from_json(json.loads(path.read_text()), str(path))
    assert "camera.json" in str(caught.value)


@pytest.mark.parametrize("key", ["schema", "width", "height", "fx", "fy", "cx", "cy"])
def test_camera_json_lacking_a_key_says_which(key):
    data = calibration_as_json(Calibration(CAMERA))
    del data[key]
    with pytest.raises(InputError, match=key):
        calibration_from_json(data, "here")


@pytest.mark.parametrize("text", ["[1, 2]", "{", '{"schema": NaN}', "[" * 100_000, '{"fx": 1, "fx": 2}'])
def test_broken_json_is_an_input_error(tmp_path, text):
    with pytest.raises(InputError, match=r"c\.json"):
        read_camera(written(tmp_path, text, "c.json"))


@given(data=st.binary(max_size=200))
def test_any_bytes_are_a_camera_or_an_input_error(tmp_path_factory, data):
    path = tmp_path_factory.getbasetemp() / "any-camera.txt"
    path.write_bytes(data)
    try:
        assert isinstance(read_camera(path, (640, 480)), Calibration)
    except InputError as error:
        assert "any-camera.txt" in str(error)


def test_absent_file_folder_and_fifo_are_input_errors(tmp_path):
    import os

    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path / "none.json", tmp_path, tmp_path / "fifo"):
        with pytest.raises(InputError, match="file"):
            read_camera(path)


def test_same_aspect_is_resampled_keeping_pixel_centres():
    half = calibration_for(Calibration(CAMERA, "opencv", (0.1, 0, 0, 0), rms_px=0.4), 320, 240, "x")
    assert half.camera == Camera(320, 240, 250.0, 255.0, (320.5 + 0.5) / 2 - 0.5, (238.25 + 0.5) / 2 - 0.5)
    assert half.distortion == (0.1, 0, 0, 0)
    assert half.rms_px == pytest.approx(0.2)
    assert calibration_for(Calibration(CAMERA), 640, 480, "x") == Calibration(CAMERA)
    assert calibration_for(Calibration(CAMERA), 640, 483, "x").camera.height == 483  # 0.6 % off: a rounded size


def test_turned_photo_swaps_the_axes_and_drops_tangential_distortion():
    turned = calibration_for(Calibration(CAMERA, "opencv", (0.1, 0.2, 0.3, 0.4, 0.5)), 480, 640, "x")
    assert turned.camera == Camera(480, 640, 510.0, 500.0, 238.25, 320.5)
    assert turned.distortion == (0.1, 0.2, 0, 0, 0.5)
    fisheye = calibration_for(Calibration(CAMERA, "fisheye", (0.1, 0.2, 0.3, 0.4)), 240, 320, "x")
    assert fisheye.distortion == (0.1, 0.2, 0.3, 0.4)
    assert fisheye.camera.fx == pytest.approx(255.0)


def test_other_aspect_is_refused_with_both_sizes():
    with pytest.raises(InputError, match=r"my photo.*640 x 480 px.*640 x 360 px"):
        calibration_for(Calibration(CAMERA), 640, 360, "my photo")


def test_real_K_files_are_read(shared):
    hololens = read_camera(shared / "data/hololens/K.txt", (540, 360)).camera
    assert (hololens.fx, hololens.cy) == (495.5677570093457689, 169.1941121495327138)
    fountain = read_camera(shared / "data/fountain/images/K.txt", (3072, 2048)).camera
    np.testing.assert_allclose(fountain.K, [[2759.48, 0, 1520.69], [0, 2764.16, 1006.81], [0, 0, 1]])
    with pytest.raises(InputError, match="another image size"):
        read_camera(shared / "data/hololens/K.txt", (320, 240))
