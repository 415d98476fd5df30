"""Cameras that can't be: refused by the name of the file and the number, before anything is made."""

import json

import numpy as np
import pytest
from commands import command
from faulty import HEIGHT, WIDTH, good_folder, refused, said

GROUP = "10. Intrinsics"
GOOD = {"schema": 1, "width": WIDTH, "height": HEIGHT, "fx": 60.0, "fy": 60.0, "cx": 31.5, "cy": 23.5}
GOOD |= {"model": "pinhole", "distortion": [], "source": "calib file"}
LARGE = {"width": 6400, "height": 4800, "cx": 3199.5, "cy": 2399.5}


def json_with(**changes):
    return json.dumps(GOOD | changes)


CASES = {
    "a camera of another image size": (json_with(width=100, height=100), "photo of 64 x 48 px"),
    "a focal length that is not positive": (json_with(fx=-60.0), "fx"),
    "NaN": (json_with(fy=float("nan")), "got NaN"),
    "a principal point outside the image": (json_with(cx=500.0), "wanted it inside the image"),
    "an absurd focal length": (json_with(fx=1e7, fy=1e7), "fx"),
    "distortion of a wrong length": (json_with(model="opencv", distortion=[0.1, 0.2, 0.3]), "distortion"),
    "K of 4 x 4 with a shift in it": ("60 0 31.5 5\n0 60 23.5 0\n0 0 1 0\n0 0 0 1\n", "4x4 matrix that is no K"),
    "degrees for pixels": (json_with(fx=70, fy=70, **LARGE), "is it in degrees or millimetres?"),
}


def test_the_group_is_whole():
    assert len(CASES) == 8


@pytest.mark.parametrize("case", CASES)
def test_a_camera_that_can_not_be_is_refused_by_name(case, tmp_path):
    text, words = CASES[case]
    path = tmp_path / "camera.json"
    path.write_text(text)
    refused(command("init", good_folder(tmp_path / "photos"), "-o", tmp_path / "s", "--camera", path), str(path), words)


def test_the_same_camera_without_a_fault_is_taken(tmp_path):
    (tmp_path / "camera.json").write_text(json_with())
    photos = good_folder(tmp_path / "photos")
    said(command("init", photos, "-o", tmp_path / "s", "--camera", tmp_path / "camera.json"), 0)
    np.savetxt(tmp_path / "K.txt", [[60, 0, 31.5], [0, 60, 23.5], [0, 0, 1]])
    said(command("init", photos, "-o", tmp_path / "t", "--camera", tmp_path / "K.txt"), 0)
