import recon3d  # noqa: F401, I001  (before pycolmap)

import struct

import numpy as np
import pycolmap
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recon3d.errors import InputError
from recon3d.formats.colmap import find_colmap_model, is_colmap_model, read_colmap


def synthetic(model="PINHOLE", params=(700.0, 710.0, 321.0, 238.0), frames=4):
    options = pycolmap.SyntheticDatasetOptions()
    options.num_rigs, options.num_cameras_per_rig, options.num_frames_per_rig = 1, 1, frames
    options.num_points3D = 60
    options.camera_width, options.camera_height = 640, 480
    options.camera_model_id, options.camera_params = getattr(pycolmap.CameraModelId, model), list(params)
    pycolmap.set_random_seed(3)
    return pycolmap.synthesize_dataset(options)


@pytest.fixture(scope="module")
def reconstruction():
    return synthetic()


@pytest.fixture(params=["binary", "text"])
def folder(request, reconstruction, tmp_path):
    getattr(reconstruction, f"write_{request.param}")(tmp_path)
    return tmp_path


def test_points_fall_on_the_pixels_that_colmap_says_less_a_half(reconstruction, folder):
    model = read_colmap(folder)
    assert {image.name for image in model.images} == {image.name for image in reconstruction.images.values()}
    points = np.array([point.xyz for point in reconstruction.points3D.values()])
    by_name = {image.name: image for image in reconstruction.images.values()}
    for image in model.images:
        camera = model.calibrations[image.camera_id].camera
        pixels = camera.project(image.world_from_cam.inverse() @ points)
        truth = np.array([by_name[image.name].project_point(point) for point in points])
        np.testing.assert_allclose(pixels, truth - 0.5, atol=1e-9)
        assert model.calibrations[image.camera_id].source == "COLMAP"
    assert all(path.parent == folder and path.is_file() for path in model.files)


@pytest.mark.parametrize(
    ("model", "params", "expected"),
    [
        ("SIMPLE_PINHOLE", (700, 320, 240), ("pinhole", ())),
        ("PINHOLE", (700, 710, 320, 240), ("pinhole", ())),
        ("SIMPLE_RADIAL", (700, 320, 240, 0.1), ("opencv", (0.1, 0, 0, 0))),
        ("RADIAL", (700, 320, 240, 0.1, 0.2), ("opencv", (0.1, 0.2, 0, 0))),
        ("OPENCV", (700, 710, 320, 240, 0.1, 0.2, 0.3, 0.4), ("opencv", (0.1, 0.2, 0.3, 0.4))),
        (
            "FULL_OPENCV",
            (700, 710, 320, 240, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8),
            ("opencv", (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8)),
        ),
        ("OPENCV_FISHEYE", (700, 710, 320, 240, 0.1, 0.2, 0.3, 0.4), ("fisheye", (0.1, 0.2, 0.3, 0.4))),
        ("SIMPLE_RADIAL_FISHEYE", (700, 320, 240, 0.1), ("fisheye", (0.1, 0, 0, 0))),
        ("RADIAL_FISHEYE", (700, 320, 240, 0.1, 0.2), ("fisheye", (0.1, 0.2, 0, 0))),
    ],
)
@pytest.mark.parametrize("kind", ["binary", "text"])
def test_every_camera_model_has_its_parameters_in_place(tmp_path, kind, model, params, expected):
    written = pycolmap.Reconstruction()
    camera = pycolmap.Camera(camera_id=5, model=model, width=640, height=480, params=params)
    written.add_camera_with_trivial_rig(camera)
    image = pycolmap.Image(image_id=1, name="a b.jpg", camera_id=5)
    written.add_image_with_trivial_frame(image, pycolmap.Rigid3d(pycolmap.Rotation3d([0, 0, 0, 1]), [1, 2, 3]))
    getattr(written, f"write_{kind}")(tmp_path)
    model_read = read_colmap(tmp_path)
    calibration = model_read.calibrations[5]
    assert (calibration.model, calibration.distortion) == expected
    assert (calibration.camera.cx, calibration.camera.cy) == (319.5, 239.5)
    assert (calibration.camera.fx, calibration.camera.fy) == (700, params[1] if params[1] == 710 else 700)
    assert [image.name for image in model_read.images] == ["a b.jpg"]
    np.testing.assert_array_equal(model_read.images[0].world_from_cam.t, [-1, -2, -3])


def cameras_and_images(folder, cameras, images):
    folder.mkdir(exist_ok=True)
    (folder / "cameras.txt").write_text(cameras)
    (folder / "images.txt").write_text(images)
    return folder


CAMERA = "1 PINHOLE 640 480 500 500 320 240\n"
IMAGE = "1 1 0 0 0 0 0 0 1 a.jpg\n\n"


@pytest.mark.parametrize(
    ("cameras", "images", "message"),
    [
        (CAMERA, IMAGE.replace("1 a.jpg", "2 a.jpg"), r"image a\.jpg.*camera 2"),
        (CAMERA, IMAGE + IMAGE, r"a\.jpg is there twice"),
        (CAMERA, "1 1 0 0 0 0 0 0 1\n\n", "row 1.*9 words"),
        (CAMERA, IMAGE.replace("1 1 0", "1 x 0"), "row 1.*x"),
        (CAMERA, IMAGE.replace("1 1 0", "1 0.5 0"), "norm 0.5"),
        (CAMERA, IMAGE.replace("1 1 0", "1 nan 0"), "row 1"),
        (CAMERA, IMAGE.replace("0 1 a.jpg", "inf 1 a.jpg"), "NaN or infinite"),
        (CAMERA.replace("PINHOLE", "THIN_PRISM_FISHEYE"), IMAGE, "THIN_PRISM_FISHEYE.*undistort"),
        (CAMERA.replace("240", "240 1"), IMAGE, "got 5 parameters"),
        (CAMERA.replace("500", "-500"), IMAGE, "fx"),
        (CAMERA.replace("640", "0"), IMAGE, "0 x 480"),
        (CAMERA.replace("640", "six"), IMAGE, "six"),
        ("1 PINHOLE\n", IMAGE, "row 1"),
        (CAMERA.replace("320", "nan"), IMAGE, "cx"),
    ],
)
def test_broken_text_models_name_file_and_entry(tmp_path, cameras, images, message):
    folder = cameras_and_images(tmp_path, cameras, images)
    with pytest.raises(InputError, match=message) as caught:
        read_colmap(folder)
    assert str(folder) in str(caught.value)


def test_a_camera_that_no_image_uses_may_be_of_any_model(tmp_path):
    folder = cameras_and_images(tmp_path, CAMERA + "2 FOV 640 480 500 500 320 240 0.9\n", IMAGE)
    assert list(read_colmap(folder).calibrations) == [1]


def test_counts_beyond_the_file_are_refused_before_memory_is_taken(tmp_path, reconstruction):
    reconstruction.write_binary(tmp_path)
    data = (tmp_path / "images.bin").read_bytes()
    for count in (2**63, 2**64 - 1, 10**6):
        (tmp_path / "images.bin").write_bytes(struct.pack("<Q", count) + data[8:])
        with pytest.raises(InputError, match=r"images\.bin.*more than the file holds"):
            read_colmap(tmp_path)


@pytest.mark.parametrize("name", ["cameras.bin", "images.bin"])
def test_a_binary_file_cut_anywhere_is_an_input_error(tmp_path, reconstruction, name):
    reconstruction.write_binary(tmp_path)
    whole = (tmp_path / name).read_bytes()
    for cut in [*range(0, min(len(whole), 300)), len(whole) - 1]:
        (tmp_path / name).write_bytes(whole[:cut])
        with pytest.raises(InputError, match=name):
            read_colmap(tmp_path)


@given(noise=st.binary(min_size=1, max_size=30), at=st.integers(0, 200), name=st.sampled_from(["cameras", "images"]))
def test_flipped_bytes_are_a_model_or_an_input_error(tmp_path_factory, noise, at, name):
    folder = tmp_path_factory.getbasetemp() / "noisy-colmap"
    if not folder.exists():
        folder.mkdir()
        synthetic(frames=2).write_binary(folder)
        for kept in ("cameras", "images"):
            (folder / f"{kept}.whole").write_bytes((folder / f"{kept}.bin").read_bytes())
    whole = (folder / f"{name}.whole").read_bytes()
    path = folder / f"{name}.bin"
    path.write_bytes(whole[:at] + noise + whole[at + len(noise) :])
    try:
        read_colmap(folder)
    except InputError as error:
        assert "noisy-colmap" in str(error)
    finally:
        path.write_bytes(whole)


def test_the_model_with_most_images_is_found(tmp_path):
    sparse = tmp_path / "sparse"
    sparse.mkdir()
    cameras_and_images(sparse / "0", CAMERA, IMAGE)
    cameras_and_images(sparse / "1", CAMERA, IMAGE + IMAGE.replace("a.jpg", "b.jpg"))
    cameras_and_images(sparse / "2", CAMERA, IMAGE)
    assert find_colmap_model(tmp_path) == sparse / "1"
    assert find_colmap_model(sparse / "0") == sparse / "0"
    assert not is_colmap_model(tmp_path)
    with pytest.raises(InputError, match="no COLMAP model"):
        find_colmap_model(tmp_path / "sparse/0/nowhere")
