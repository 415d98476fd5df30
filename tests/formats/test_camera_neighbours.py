import json
import time

import cv2
import numpy as np
import pytest

from recon3d.errors import InputError
from recon3d.formats.camera_file import read_camera, write_camera
from recon3d.formats.camera_writers import WRITERS
from recon3d.geometry import Calibration, Camera

CAMERA = Camera(640, 480, 500.125, 510.0, 320.5, 238.25)
TINY = 1.2345678901234567e-07
LENSES = {
    "pinhole": Calibration(CAMERA, source="calib file"),
    "radial": Calibration(CAMERA, "opencv", (0.1, -0.2, 0.003, TINY), source="calib file"),
    "k3": Calibration(CAMERA, "opencv", (0.1, -0.2, 0.003, -0.004, 0.5), source="calib file"),
    "rational": Calibration(CAMERA, "opencv", (0.1, -0.2, 0.003, -0.004, 0.5, 0.6, 0.7, 0.8), source="calib file"),
    "fisheye": Calibration(CAMERA, "fisheye", (0.1, -0.2, 0.003, TINY), source="calib file"),
}
NAMES = {
    **{"opencv": "c.yml", "opencv-xml": "c.xml", "ros": "c.yaml", "kalibr": "chain.yaml"},
    **{"colmap": "cameras.txt", "nerfstudio": "transforms.json"},
}
NO_WORDS = {("kalibr", "k3"), ("kalibr", "rational"), ("nerfstudio", "rational")}


def written(tmp_path, text, name):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def padded(calibration):
    return np.pad(calibration.distortion, (0, 8 - len(calibration.distortion)))


@pytest.mark.parametrize("format", WRITERS)
@pytest.mark.parametrize("lens", LENSES)
def test_what_is_written_reads_back_to_the_last_digit(tmp_path, format, lens):
    calibration, path = LENSES[lens], tmp_path / NAMES[format]
    if (format, lens) in NO_WORDS:
        with pytest.raises(InputError, match=path.name):
            write_camera(path, calibration, format)
        assert not path.exists()
        return
    write_camera(path, calibration, format)
    again = read_camera(path)
    # COLMAP and nerfstudio hold cx + ½: exact here, whose cx has few binary digits.
    assert again.camera == CAMERA and again.source == "calib file"
    assert again.is_pinhole == calibration.is_pinhole
    assert (again.model == "fisheye") == (calibration.model == "fisheye")
    np.testing.assert_array_equal(padded(again), padded(calibration))


# Half pixels, by hand: a photo of 4 x 3 px whose optical axis meets the middle of its third and second pixel is at
# (2, 1) where centres are at integers and at (2.5, 1.5) where they are at halves.
HAND = {
    "c.yml": "%YAML:1.0\n---\nimage_width: 4\nimage_height: 3\ncamera_matrix: !!opencv-matrix\n   rows: 3\n   cols: 3\n"
    "   dt: d\n   data: [ 4., 0., 2., 0., 4., 1., 0., 0., 1. ]\n",
    "c.xml": '<?xml version="1.0"?>\n<opencv_storage>\n<cameraMatrix type_id="opencv-matrix"><rows>3</rows><cols>3'
    "</cols><dt>d</dt><data>4. 0. 2. 0. 4. 1. 0. 0. 1.</data></cameraMatrix>\n<image_width>4</image_width>"
    "<image_height>3</image_height></opencv_storage>",
    "ros.yaml": "image_width: 4\nimage_height: 3\ncamera_name: left\ncamera_matrix:\n  rows: 3\n  cols: 3\n"
    "  data: [4, 0, 2, 0, 4, 1, 0, 0, 1]\ndistortion_model: plumb_bob\ndistortion_coefficients:\n  rows: 1\n"
    "  cols: 5\n  data: [0, 0, 0, 0, 0]\n",
    "echo.yaml": "header:\n  frame_id: cam\nheight: 3\nwidth: 4\ndistortion_model: plumb_bob\nd: []\n"
    "k:\n- 4.0\n- 0.0\n- 2.0\n- 0.0\n- 4.0\n- 1.0\n- 0.0\n- 0.0\n- 1.0\n",
    "chain.yaml": "cam0:\n  cam_overlaps: []\n  camera_model: pinhole\n  distortion_coeffs: [0, 0, 0, 0]\n"
    "  distortion_model: radtan\n  intrinsics: [4, 4, 2, 1]\n  resolution: [4, 3]\n  rostopic: /cam0/image_raw\n",
    "cameras.txt": "# Camera list with one line of data per camera:\n# Number of cameras: 1\n"
    "1 SIMPLE_PINHOLE 4 3 4 2.5 1.5",
    "transforms.json": '{"fl_x": 4, "fl_y": 4, "cx": 2.5, "cy": 1.5, "w": 4, "h": 3}',
    "our.json": '{"schema": 1, "width": 4, "height": 3, "fx": 4, "fy": 4, "cx": 2, "cy": 1}',
    "K.txt": "4 0 2\n0 4 1\n0 0 1",
}


@pytest.mark.parametrize("name", HAND)
def test_pixel_centres_are_at_integers_whatever_the_neighbour_does(tmp_path, name):
    found = read_camera(written(tmp_path, HAND[name], name), (4, 3))
    assert found.camera == Camera(4, 3, 4.0, 4.0, 2.0, 1.0)
    assert found.is_pinhole and found.source == "calib file"


@pytest.mark.parametrize(
    ("format", "text"),
    [("colmap", " 321.0 238.75"), ("nerfstudio", '"cx": 321.0'), ("opencv", "320.5"), ("ros", "320.5")],
)
def test_half_pixels_are_put_on_again_for_those_who_count_from_corners(tmp_path, format, text):
    write_camera(tmp_path / "c", LENSES["pinhole"], format)
    assert text in (tmp_path / "c").read_text()


@pytest.mark.parametrize("name", ["c.yml", "c.xml"])
def test_opencv_reads_what_we_write(tmp_path, name):
    path = tmp_path / name
    write_camera(path, LENSES["radial"])
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_READ)
    np.testing.assert_array_equal(storage.getNode("camera_matrix").mat(), CAMERA.K)
    np.testing.assert_array_equal(storage.getNode("distortion_coefficients").mat()[:, 0], LENSES["radial"].distortion)
    assert storage.getNode("image_width").real() == 640


@pytest.mark.parametrize("name", ["c.yml", "c.xml"])
@pytest.mark.parametrize("length", [0, 4, 5, 8, 12, 14])
def test_we_read_what_opencv_writes(tmp_path, name, length):
    coefficients = np.zeros(length)
    coefficients[: min(length, 8)] = np.linspace(0.1, TINY, min(length, 8))
    storage = cv2.FileStorage(str(tmp_path / name), cv2.FILE_STORAGE_WRITE)
    storage.write("calibration_time", "Mon Nov 23 10:00:00")
    storage.write("image_width", 640)
    storage.write("image_height", 480)
    storage.write("camera_matrix", CAMERA.K)
    if length:
        storage.write("distortion_coefficients", coefficients[None])
    storage.write("avg_reprojection_error", 0.25)
    storage.release()
    found = read_camera(tmp_path / name)
    assert found.camera == CAMERA and found.rms_px == 0.25
    np.testing.assert_array_equal(padded(found), np.pad(coefficients, (0, 8))[:8])


def test_thin_prisms_are_refused(tmp_path):
    text = HAND["ros.yaml"].replace("[0, 0, 0, 0, 0]", f"[{', '.join(['0.1'] * 12)}]")
    with pytest.raises(InputError, match="got 12 numbers"):
        read_camera(written(tmp_path, text, "c.yaml"))


def test_an_opencv_file_without_a_size_takes_the_photos(tmp_path):
    text = HAND["c.yml"].replace("image_width: 4\nimage_height: 3\n", "")
    assert read_camera(written(tmp_path, text, "c.yml"), (4, 3)).camera.width == 4
    with pytest.raises(InputError, match=r"c\.yml.*image size"):
        read_camera(tmp_path / "c.yml")


def test_lens_models_keep_their_coefficients_apart(tmp_path):
    fisheye = HAND["chain.yaml"].replace("radtan", "equidistant").replace("[0, 0, 0, 0]", "[1e-1, 2, 3, 4]")
    found = read_camera(written(tmp_path, fisheye, "chain.yaml"))
    assert (found.model, found.distortion) == ("fisheye", (0.1, 2, 3, 4))
    found = read_camera(written(tmp_path, "1 SIMPLE_RADIAL 4 3 4 2.5 1.5 0.125\n", "cameras.txt"))
    assert (found.model, found.distortion) == ("opencv", (0.125, 0, 0, 0))


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("chain.yaml", "camera_model: pinhole", "camera_model: omni", "omni"),
        ("chain.yaml", "radtan", "fov", "fov"),
        ("chain.yaml", "[4, 3]", "[4]", "resolution"),
        ("chain.yaml", "cam_overlaps: []", "cam_overlaps: *x", "alias"),
        ("ros.yaml", "[4, 0, 2", "[4, 1, 2", "skew"),
        ("ros.yaml", "[4, 0, 2", "[.nan, 0, 2", "nan"),
        ("ros.yaml", "[4, 0, 2", "[nan, 0, 2", "NaN"),
        ("ros.yaml", "camera_matrix:", "matrix:", "camera_matrix"),
        ("ros.yaml", "image_width: 4", "image_width: 1e12", "camera size"),
        ("ros.yaml", "camera_name: left", "image_width: 5", "twice"),
        ("c.xml", "<cols>3", "<cols>&x;", "XML"),
        ("c.xml", "<opencv_storage>", '<!DOCTYPE a [<!ENTITY x "y">]><opencv_storage>', "document type"),
        ("c.xml", "opencv_storage", "storage", "opencv_storage"),
        ("cameras.txt", "1 SIMPLE_PINHOLE 4 3 4 2.5 1.5", "1 PINHOLE 4 3 4 2.5 1.5", "3 parameters"),
        ("cameras.txt", "1 SIMPLE_PINHOLE 4 3 4 2.5 1.5", "1 FOV 4 3 4 2.5 1.5", "FOV"),
        ("cameras.txt", "1 SIMPLE_PINHOLE", "1 PINHOLE 4 3 4 4 2 1\n2 SIMPLE_PINHOLE", "2 cameras"),
        ("transforms.json", '"w": 4, ', "", r"w, h|inside"),
        ("transforms.json", '"fl_x": 4, "fl_y": 4,', '"frames": [],', "fl_x"),
        ("transforms.json", "{", '{"frames": [{"fl_x": 4}, {"fl_x": 5}], ', "several cameras"),
        ("transforms.json", "{", '{"frames": 3, ', "frames"),
    ],
)
def test_a_broken_file_is_refused_with_its_name_and_the_reason(tmp_path, name, old, new, message):
    assert old in HAND[name]
    with pytest.raises(InputError, match=message) as caught:
        read_camera(written(tmp_path, HAND[name].replace(old, new), name))
    assert name in str(caught.value)


def test_a_rig_of_several_cameras_asks_which(tmp_path):
    text = HAND["chain.yaml"] + HAND["chain.yaml"].replace("cam0", "cam1", 1)
    with pytest.raises(InputError, match="cam0, cam1"):
        read_camera(written(tmp_path, text, "chain.yaml"))


@pytest.mark.parametrize(
    "text",
    [
        "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n",  # the beginning of a bomb
        "K: !!python/object/apply:os.system ['touch pwned']\n",
        "K: " + "[" * 100_000,
        "K: " + "{a: " * 100_000,
        "K:\n" + "\n".join(" " * i + "- a:" for i in range(1, 2000)),
        "K: " + "x" * 2**21,
        "<opencv_storage>" + "<a>" * 50_000,
        "<opencv_storage>" + "<a>" * 2_000 + "</a>" * 2_000 + "</opencv_storage>",
        '<!DOCTYPE l [<!ENTITY a "aa"><!ENTITY b "&a;&a;">]><opencv_storage><K>&b;</K></opencv_storage>',
        "K: 2015-13-45\nimage_width: 1:99:99\n",
        "? [a, b]\n: c\nK: 1\n",
    ],
)
def test_hostile_files_are_refused_at_once(tmp_path, monkeypatch, text):
    monkeypatch.chdir(tmp_path)
    start = time.monotonic()
    with pytest.raises(InputError, match=r"evil\.yaml") as caught:
        read_camera(written(tmp_path, text, "evil.yaml"), (640, 480))
    assert time.monotonic() - start < 5 and len(str(caught.value)) < 600
    assert not (tmp_path / "pwned").exists()


@pytest.mark.parametrize("name", HAND)
def test_a_file_cut_off_anywhere_is_a_camera_or_an_input_error(tmp_path, name):
    for end in range(0, len(HAND[name]), 3):
        path = written(tmp_path, HAND[name][:end], name)
        try:
            assert isinstance(read_camera(path, (4, 3)), Calibration)
        except InputError as error:
            assert name in str(error)


def test_an_unknown_ending_or_format_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"\.yml"):
        write_camera(tmp_path / "c.ini", LENSES["pinhole"])
    with pytest.raises(InputError, match="kalibr"):
        write_camera(tmp_path / "c.json", LENSES["pinhole"], "blender")


def test_opencv_s_own_calibration_is_read(shared):
    found = read_camera(shared / "data/calib_left/left_intrinsics.yml")
    assert (found.camera.width, found.camera.fx, found.camera.cx) == (640, 535.91573396163199, 342.28315473308373)
    assert found.distortion[4] == 0.23839153080878486 and found.rms_px == 0.39259098975581364


def test_a_capture_s_transforms_is_a_camera_file_too(shared):
    path = shared / "data/fox/transforms.json"
    data, found = json.loads(path.read_text()), read_camera(path)
    assert (found.camera.cx, found.camera.cy) == (data["cx"] - 0.5, data["cy"] - 0.5)
    assert found.distortion == (data["k1"], data["k2"], data["p1"], data["p2"])
