import json

import numpy as np
import pytest
from PIL import Image

import recon3d  # noqa: F401
from recon3d.errors import InputError
from recon3d.formats.capture import READERS, read_capture

EYE = np.eye(4)


def photo(path, size=(64, 48), orientation=1):
    path.parent.mkdir(parents=True, exist_ok=True)
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", size).save(path, exif=exif)
    return path


def text(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


def transforms(folder, entries, **extra):
    frames = [{"file_path": entry, "transform_matrix": EYE.tolist()} for entry in entries]
    return text(folder / "transforms.json", json.dumps({**extra, "frames": frames}))


def colmap(folder, names, size="64 48"):
    text(folder / "cameras.txt", f"1 PINHOLE {size} 50 50 32 24\n")
    text(folder / "images.txt", "".join(f"{k} 1 0 0 0 {k} 0 0 1 {name}\n\n" for k, name in enumerate(names, 1)))


def names(capture):
    return [path.name for path in capture.photos]


def test_a_plain_folder_a_glob_and_a_list_have_only_photos(tmp_path):
    paths = [photo(tmp_path / name) for name in ("IMG_10.jpg", "IMG_2.jpg")]
    for source in (tmp_path, str(tmp_path), str(tmp_path / "*.jpg"), paths):
        capture = read_capture(source)
        assert (capture.format, names(capture)) == ("folder", ["IMG_2.jpg", "IMG_10.jpg"])
        assert not (capture.calibrations or capture.world_from_cam or capture.depth or capture.files)
    assert names(read_capture(paths[0])) == ["IMG_10.jpg"]


def test_an_unknown_format_names_the_choices(tmp_path):
    photo(tmp_path / "a.jpg")
    with pytest.raises(InputError, match="7scenes, nerfstudio, colmap, folder"):
        read_capture(tmp_path, "lidar")
    with pytest.raises(InputError, match="no folder"):
        read_capture([tmp_path / "a.jpg"], "colmap")
    for name in ("7scenes", "nerfstudio", "colmap"):
        assert name in READERS
        with pytest.raises(InputError, match=str(tmp_path.parent)):
            read_capture(tmp_path, name)


def sevenscenes(folder, indices=(0, 5)):
    for index in indices:
        photo(folder / f"frame-{index:06d}.color.jpg")
        pose = EYE.copy()
        pose[0, 3] = index
        text(folder / f"frame-{index:06d}.pose.txt", "\n".join(" ".join(map(str, row)) for row in pose))
        Image.fromarray(np.full((48, 64), 1500, np.uint16)).save(folder / f"frame-{index:06d}.depth.png")
    return folder


def test_sevenscenes_are_known_by_their_files(tmp_path):
    folder = sevenscenes(tmp_path)
    capture = read_capture(folder)
    assert (capture.format, capture.metric, capture.depth_unit_m) == ("7scenes", True, 0.001)
    assert names(capture) == ["frame-000000.color.jpg", "frame-000005.color.jpg"]
    assert [capture.world_from_cam[path].t[0] for path in capture.photos] == [0, 5]
    assert capture.depth[capture.photos[1]].name == "frame-000005.depth.png"
    assert not capture.calibrations
    text(folder / "camera-intrinsics.txt", "58 0 32\n0 58 24\n0 0 1\n")
    capture = read_capture(folder)
    assert capture.calibrations[capture.photos[0]].camera.width == 64
    assert len(capture.files) == 5
    assert read_capture(folder, "folder").format == "folder"


def test_a_lost_pose_leaves_the_photo_without_one_and_a_wrong_one_is_refused(tmp_path):
    folder = sevenscenes(tmp_path)
    text(folder / "frame-000005.pose.txt", "nan " * 16)
    assert len(read_capture(folder).world_from_cam) == 1
    text(folder / "frame-000005.pose.txt", "2 0 0 0 0 2 0 0 0 0 2 0 0 0 0 1")
    with pytest.raises(InputError, match=r"frame-000005\.pose\.txt.*scale 2"):
        read_capture(folder)
    text(folder / "frame-000005.pose.txt", "1 0 0")
    with pytest.raises(InputError, match=r"frame-000005\.pose\.txt.*3 numbers"):
        read_capture(folder)


def test_nerfstudio_is_found_in_the_folder_and_beside_the_photos(tmp_path):
    for name in ("1.png", "2.png", "3.png"):
        photo(tmp_path / "images" / name)
    transforms(tmp_path, ["images/1.png", "./images/2", "images/gone.png"], fl_x=50, w=64, h=48)
    above = read_capture(tmp_path)
    assert (above.format, above.metric, above.absent) == ("nerfstudio", False, ("images/gone.png",))
    assert names(above) == ["1.png", "2.png"]
    inside = read_capture(tmp_path / "images")
    assert inside.format == "nerfstudio"
    assert names(inside) == ["1.png", "2.png", "3.png"]  # the folder was named: all of its photos are meant
    assert {path.name for path in inside.world_from_cam} == {"1.png", "2.png"}
    assert set(inside.world_from_cam) < set(inside.photos)
    assert inside.calibrations[inside.photos[0]].camera.cx == 31.5
    assert above.files == (tmp_path / "transforms.json",)


def test_a_transforms_json_beside_that_is_about_other_photos_is_left_alone(tmp_path):
    photo(tmp_path / "images" / "1.png")
    photo(tmp_path / "others" / "1.png")
    transforms(tmp_path, ["others/1.png"])
    assert read_capture(tmp_path / "images").format == "folder"


def test_without_a_size_the_photos_say_it(tmp_path):
    photo(tmp_path / "1.png", (80, 60))
    transforms(tmp_path, ["1.png"], camera_angle_x=1.0)
    capture = read_capture(tmp_path)
    assert capture.calibrations[capture.photos[0]].camera.width == 80


def test_nerfstudio_depth_is_taken_along(tmp_path):
    photo(tmp_path / "1.png")
    photo(tmp_path / "d" / "1.png")
    frame = {"file_path": "1.png", "depth_file_path": "d/1.png", "transform_matrix": EYE.tolist()}
    path = text(tmp_path / "transforms.json", json.dumps({"frames": [frame]}))
    capture = read_capture(tmp_path)
    assert capture.depth == {tmp_path / "1.png": tmp_path / "d/1.png"}
    assert capture.files == (path, tmp_path / "d/1.png")


@pytest.mark.parametrize("entry", ["../secret.png", "/etc/passwd", "a/../../secret.png", "..\\secret.png"])
def test_files_outside_the_folder_are_never_named(tmp_path, entry):
    photo(tmp_path / "secret.png")
    photo(tmp_path / "in" / "1.png")
    transforms(tmp_path / "in", ["1.png", entry])
    with pytest.raises(InputError, match=r"only.*photos\.format=folder"):
        read_capture(tmp_path / "in")
    assert names(read_capture(tmp_path / "in", "folder")) == ["1.png"]


def test_none_of_the_photos_there_or_one_twice_is_refused(tmp_path):
    transforms(tmp_path, ["1.png"])
    with pytest.raises(InputError, match=r"none of its 1 photos.*1\.png"):
        read_capture(tmp_path)
    photo(tmp_path / "1.png")
    transforms(tmp_path, ["1.png", "./1"])
    with pytest.raises(InputError, match="two poses for photo"):
        read_capture(tmp_path)


@pytest.mark.parametrize("model", ["sparse/0", "sparse", "colmap/sparse/0", "."])
@pytest.mark.parametrize("images", ["images", "."])
def test_colmap_is_found_with_its_photos(tmp_path, model, images):
    for name in ("1.png", "2.png"):
        photo(tmp_path / images / name)
    colmap(tmp_path / model, ["2.png", "1.png", "gone.png"])
    capture = read_capture(tmp_path)
    assert (capture.format, names(capture), capture.absent) == ("colmap", ["1.png", "2.png"], ("gone.png",))
    assert [capture.world_from_cam[path].t[0] for path in capture.photos] == [-2, -1]
    assert capture.calibrations[capture.photos[0]].camera.cx == 31.5
    assert not capture.metric


def test_colmap_beside_the_photos_counts_only_where_it_is_about_them(tmp_path, monkeypatch):
    for name in ("1.png", "2.png"):
        photo(tmp_path / "images" / name)
    colmap(tmp_path / "sparse/0", ["1.png"])
    assert read_capture(tmp_path / "images").format == "colmap"
    assert names(read_capture(tmp_path / "images")) == ["1.png", "2.png"]
    monkeypatch.chdir(tmp_path / "images")
    assert len(read_capture(".").world_from_cam) == 1
    colmap(tmp_path / "sparse/0", ["other.png"])
    assert read_capture(tmp_path / "images").format == "folder"


@pytest.mark.parametrize("orientation", [1, 6, 8, 3])
def test_cameras_of_photos_as_stored_become_those_of_the_upright_photos(tmp_path, orientation):
    photo(tmp_path / "1.jpg", (64, 48), orientation)
    colmap(tmp_path / "sparse", ["1.jpg"])
    capture = read_capture(tmp_path)
    camera = capture.calibrations[capture.photos[0]].camera
    assert (camera.width, camera.height) == ((64, 48) if orientation in (1, 3) else (48, 64))
    # The model's camera is unturned, so the upright photo's down is the stored photo's ...
    down = {1: [0, 1, 0], 3: [0, -1, 0], 6: [1, 0, 0], 8: [-1, 0, 0]}[orientation]
    np.testing.assert_allclose(capture.world_from_cam[capture.photos[0]].R[:, 1], down, atol=1e-12)


def test_a_camera_recorded_for_the_upright_photo_is_left_alone(tmp_path):
    photo(tmp_path / "1.jpg", (64, 48), 6)
    transforms(tmp_path, ["1.jpg"], fl_x=50, w=48, h=64)
    capture = read_capture(tmp_path)
    np.testing.assert_array_equal(capture.world_from_cam[capture.photos[0]].R, np.diag([1, -1, -1]))


def test_redkitchen(shared):
    capture = read_capture(shared / "data/redkitchen")
    assert (capture.format, capture.metric, len(capture.photos)) == ("7scenes", True, 100)
    assert set(capture.photos) == set(capture.world_from_cam) == set(capture.depth) == set(capture.calibrations)
    assert capture.calibrations[capture.photos[0]].camera.fx == 585
    np.testing.assert_allclose(capture.world_from_cam[capture.photos[1]].t, [-0.341557, 0.013412, 0.298504], atol=1e-6)
    assert len(capture.files) == 201


@pytest.mark.parametrize("sub", ["", "images"])
def test_fox(shared, sub):
    capture = read_capture(shared / "data/fox" / sub)
    assert (capture.format, capture.metric, len(capture.photos), len(capture.absent)) == ("nerfstudio", False, 50, 17)
    calibration = capture.calibrations[capture.photos[0]]
    assert (calibration.camera.cx, calibration.camera.cy) == pytest.approx((554.058, 964.768))
    assert calibration.distortion == (0.0578421, -0.0805099, -0.000980296, 0.00015575)
    assert set(capture.world_from_cam) == set(capture.photos)


@pytest.mark.parametrize(("folder", "count"), [("fountain/images", 11), ("sceaux", 11), ("hololens/images", 40)])
def test_captures_without_a_layout_are_plain_folders(shared, folder, count):
    capture = read_capture(shared / "data" / folder)
    assert (capture.format, len(capture.photos)) == ("folder", count)
