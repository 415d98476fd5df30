import json
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recon3d.errors import InputError
from recon3d.formats.pose_file import GivenPoses, read_poses
from recon3d.geometry import SE3

# A camera at (1, 2, 3) that looks along world +y with world +z up in its image: right is +x, down is -z.
LOOKS_ALONG_Y = np.array([[1.0, 0, 0, 1], [0, 0, 1, 2], [0, -1, 0, 3], [0, 0, 0, 1]])
OPENGL_ALONG_Y = [[1, 0, 0, 1], [0, 0, -1, 2], [0, 1, 0, 3], [0, 0, 0, 1]]
ROOT_HALF = math.sqrt(0.5)
TUM_ALONG_Y = f"1 2 3 {-ROOT_HALF} 0 0 {ROOT_HALF}"
NAMES = ["IMG_1", "IMG_2", "IMG_10"]


def row(matrix):
    return " ".join(repr(float(x)) for x in np.asarray(matrix).ravel())


def at(x):
    matrix = np.eye(4)
    matrix[0, 3] = x
    return matrix


def written(tmp_path, text, name="poses.txt"):
    path = tmp_path / name
    path.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
    return path


def check_along_y(given: GivenPoses, name="IMG_1"):
    pose = given.world_from_cam[name]
    np.testing.assert_allclose(pose.matrix, LOOKS_ALONG_Y, atol=1e-12)
    np.testing.assert_allclose(pose @ np.array([0.0, 0.0, 5.0]), [1, 7, 3], atol=1e-12)  # what is ahead lies along +y
    np.testing.assert_allclose(pose @ np.array([0.0, 1.0, 0.0]), [1, 2, 2], atol=1e-12)  # what is below lies along -z


def test_our_poses_are_taken_as_they_are(tmp_path):
    poses = {"IMG_1": LOOKS_ALONG_Y.tolist(), "IMG_2": at(2)[:3].tolist(), "other": at(9).tolist()}
    given = read_poses(written(tmp_path, {"frame": "world_from_cam", "unit": "m", "poses": poses}), NAMES)
    check_along_y(given)
    assert list(given.world_from_cam) == ["IMG_1", "IMG_2"]
    assert given.metric


def test_nerfstudio_axes_are_flipped(tmp_path):
    frames = [{"file_path": "images/IMG_1.jpg", "transform_matrix": OPENGL_ALONG_Y}]
    given = read_poses(written(tmp_path, {"frames": frames}, "transforms.json"), NAMES)
    check_along_y(given)
    assert not given.metric


def test_nerfstudio_applied_transform_is_undone(tmp_path):
    applied = np.array([[1.0, 0, 0, 0], [0, 0, 1, 0], [0, -1, 0, 7]])  # as nerfstudio's converter writes them
    stored = np.vstack([applied, [0, 0, 0, 1]]) @ np.array(OPENGL_ALONG_Y)
    frames = [{"file_path": "IMG_1", "transform_matrix": stored.tolist()}]
    check_along_y(read_poses(written(tmp_path, {"applied_transform": applied.tolist(), "frames": frames}), NAMES))
    scaled = stored.copy()
    scaled[:3, 3] *= 0.25
    frames = [{"file_path": "IMG_1", "transform_matrix": scaled.tolist()}]
    data = {"applied_transform": applied.tolist(), "applied_scale": 0.25, "frames": frames}
    check_along_y(read_poses(written(tmp_path, data), NAMES))


def test_tum_rows_go_by_time_where_times_are_names(tmp_path):
    names = ["1305031102.175304", "1305031102.211214"]
    text = f"# t x y z qx qy qz qw\n7.5 0 0 0 0 0 0 1\n1305031102.211214 {TUM_ALONG_Y}\n"
    given = read_poses(written(tmp_path, text), names)
    assert list(given.world_from_cam) == [names[1]]
    check_along_y(given, names[1])
    assert given.metric


def test_tum_rows_go_by_order_where_times_are_no_names(tmp_path):
    text = f"0.1 {TUM_ALONG_Y}\n\n0.2 5 0 0 0 0 0 1\n0.3 6 0 0 0 0 0 1\n"
    given = read_poses(written(tmp_path, text), NAMES)
    check_along_y(given)
    assert [given.world_from_cam[name].t[0] for name in NAMES] == [1, 5, 6]


@pytest.mark.parametrize("rows", [3, 4])
def test_row_k_belongs_to_the_kth_photo(tmp_path, rows):
    text = "\n".join(row(m[:rows]) for m in (LOOKS_ALONG_Y, at(5), at(6)))
    given = read_poses(written(tmp_path, text), NAMES)
    check_along_y(given)
    assert [given.world_from_cam[name].t[0] for name in NAMES] == [1, 5, 6]
    assert given.metric


def test_colmap_text_is_inverted(tmp_path):
    # cam_from_world of the camera along +y: rotation +90 degrees about x, translation -R'c = (-1, 3, -2).
    (tmp_path / "cameras.txt").write_text("1 PINHOLE 640 480 500 500 320 240\n")
    (tmp_path / "images.txt").write_text(f"1 {ROOT_HALF} {ROOT_HALF} 0 0 -1 3 -2 1 IMG_1.jpg\n\n")
    given = read_poses(tmp_path, NAMES)
    check_along_y(given)
    assert not given.metric
    with pytest.raises(InputError, match="no COLMAP model"):
        (tmp_path / "empty").mkdir()
        read_poses(tmp_path / "empty", NAMES)


MIRRORED = np.diag([1.0, 1, -1, 1])
SCALED = np.diag([2.0, 2, 2, 1])
SHEARED = np.eye(4) + np.eye(4, k=1) * [[0.5], [0], [0], [0]]
BAD_BOTTOM = LOOKS_ALONG_Y.T


@pytest.mark.parametrize("bad", [MIRRORED, SCALED, SHEARED, BAD_BOTTOM, at(math.nan), at(math.inf), at(1e12)])
def test_what_is_no_rigid_transform_is_refused_with_its_row(tmp_path, bad):
    text = "\n".join(row(m) for m in (at(0), bad, at(1)))
    with pytest.raises(InputError, match=r"poses\.txt.*(row 2|IMG_2)"):
        read_poses(written(tmp_path, text), NAMES)


@pytest.mark.parametrize("bad", [MIRRORED, SCALED, SHEARED, BAD_BOTTOM])
def test_bad_entries_of_json_are_refused_with_their_name(tmp_path, bad):
    for key in ("poses", "frames"):
        entry = [{"file_path": "IMG_2.jpg", "transform_matrix": bad.tolist()}]
        data = {"poses": {"IMG_2": bad.tolist()}} if key == "poses" else {"frames": entry}
        with pytest.raises(InputError, match=r"p\.json.*IMG_2"):
            read_poses(written(tmp_path, data, "p.json"), NAMES)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "no rows"),
        ("1 2 3\n", "rows of 3 numbers"),
        (row(at(0)) + "\n" + row(at(0)[:3]), "rows of 12, 16 numbers"),
        (row(at(0)), "1 rows for 3 photos"),
        ("\n".join(f"{t} 0 0 0 0 0 0 1" for t in (3, 2, 1)), "times that don't increase"),
        ("0.1 0 0 0 0 0 0 1", "1 rows for 3 photos"),
        ("IMG_1 0 0 0 0 0 0 1", "row 1"),
        ("1 0 0 0 0 0 0 0.5", "norm 0.5"),
        ("1 0.6 0 0 0.8 3 4 5", "write the position first"),
        ("1 0 0 0 nan nan nan nan", "row 1: pose: got NaN.*take out the row"),
        ("{", "not a JSON"),
        ('{"a": 1}', "poses"),
        ("[1]", "poses"),
        ('{"poses": {"IMG_1": [[1]], "IMG_1": [[1]]}}', "twice"),
        ('{"poses": {"IMG_1": [[1, 2], [3]]}}', "pose of IMG_1"),
        ('{"poses": {"IMG_1": 7}}', "pose of IMG_1"),
        ('{"unit": "mm", "poses": {}}', "mm"),
        ('{"frame": "cam_from_world", "poses": {}}', "cam_from_world"),
        ('{"frames": []}', "frames"),
        ('{"frames": [7]}', "frame 0"),
        ('{"frames": [{"file_path": "a", "transform_matrix": [[NaN]]}]}', "NaN"),
        ('{"a":' * 50_000, "deep"),
    ],
)
def test_broken_pose_files_say_what_is_wrong(tmp_path, text, message):
    with pytest.raises(InputError, match=message) as caught:
        read_poses(written(tmp_path, text), NAMES)
    assert "poses.txt" in str(caught.value)


def test_one_photo_with_two_poses_is_refused(tmp_path):
    eye = np.eye(4).tolist()
    frames = [{"file_path": f"{folder}/IMG_1.jpg", "transform_matrix": eye} for folder in ("a", "b")]
    with pytest.raises(InputError, match=r"two poses for photo IMG_1: a/IMG_1\.jpg and b/IMG_1\.jpg"):
        read_poses(written(tmp_path, {"frames": frames}), NAMES)
    with pytest.raises(InputError, match="two poses for photo 7"):
        read_poses(written(tmp_path, "7 0 0 0 0 0 0 1\n7 1 0 0 0 0 0 1"), ["7", "8"])


def test_poses_of_other_photos_are_refused_with_an_example(tmp_path):
    data = {"poses": {"DSC_1": np.eye(4).tolist()}}
    with pytest.raises(InputError, match=r"DSC_1.*3 photos.*IMG_1"):
        read_poses(written(tmp_path, data), NAMES)


@given(
    lines=st.lists(
        st.lists(st.one_of(st.floats().map(repr), st.text(max_size=5)), max_size=17).map(" ".join), max_size=4
    )
)
def test_any_rows_are_poses_or_an_input_error(tmp_path_factory, lines):
    path = tmp_path_factory.getbasetemp() / "any-poses.txt"
    path.write_text("\n".join(lines), encoding="utf-8", errors="replace")
    try:
        assert all(isinstance(pose, SE3) for pose in read_poses(path, NAMES).world_from_cam.values())
    except InputError as error:
        assert "any-poses.txt" in str(error)


@given(cut=st.integers(0, 400), noise=st.binary(max_size=3))
def test_a_cut_pose_file_is_an_input_error(tmp_path_factory, cut, noise):
    text = json.dumps({"poses": {"IMG_1": LOOKS_ALONG_Y.tolist(), "IMG_2": at(2).tolist()}}).encode()
    path = tmp_path_factory.getbasetemp() / "cut-poses.json"
    path.write_bytes(text[:cut] + noise)
    try:
        given = read_poses(path, NAMES)
        assert given.world_from_cam
    except InputError as error:
        assert "cut-poses.json" in str(error)


def test_hololens_poses_belong_to_its_photos(shared):
    from recon3d.photos.find import find_photos, scene_names

    names = list(scene_names(find_photos(shared / "data/hololens/images")))
    given = read_poses(shared / "data/hololens/poses.txt", names)
    assert list(given.world_from_cam) == names
    assert len(names) == 40
    np.testing.assert_allclose(given.world_from_cam["00003"].t, [-1.94312, 0.1123439, 4.67999], atol=1e-6)


def test_fox_poses_are_found_for_the_photos_that_are_there(shared):
    from recon3d.photos.find import find_photos, scene_names

    names = list(scene_names(find_photos(shared / "data/fox/images")))
    given = read_poses(shared / "data/fox/transforms.json", names)
    assert set(given.world_from_cam) == set(names)
    raw = json.loads((shared / "data/fox/transforms.json").read_text())["frames"]
    first = next(np.array(f["transform_matrix"]) for f in raw if f["file_path"].endswith("0001.jpg"))
    np.testing.assert_allclose(given.world_from_cam["0001"].t, first[:3, 3])
    # All cameras look at the fox: the rays along +z come close to one point, those along -z would not be ahead of them.
    centres = np.array([pose.t for pose in given.world_from_cam.values()])
    ahead = np.array([pose.R[:, 2] for pose in given.world_from_cam.values()])
    projectors = np.eye(3) - ahead[:, :, None] * ahead[:, None, :]
    focus = np.linalg.solve(projectors.sum(0), np.einsum("nij,nj->i", projectors, centres))
    assert (np.einsum("ni,ni->n", focus - centres, ahead) > 0).all()
