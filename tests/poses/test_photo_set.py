import math
from pathlib import Path

import cv2
import numpy as np
import pytest
import synthetic

from recon3d.errors import StageError
from recon3d.geometry import Calibration, Camera, Frame
from recon3d.poses.matching import Matching
from recon3d.poses.photo_set import fine_detail, same_views, why_left_out
from recon3d.poses.sfm import DATABASE, reconstruct
from recon3d.poses.sparse import read_sparse
from recon3d.scene import Scene
from recon3d.settings import PosesSettings, Settings
from recon3d.stages.init import init
from recon3d.stages.job import Job
from recon3d.stages.poses import poses

WIDTH, HEIGHT = 256, 192
SETTINGS = PosesSettings(features=800)
GUESS = Calibration(Camera.from_fov(WIDTH, HEIGHT, math.radians(65)))


@pytest.fixture(scope="module")
def walk() -> list[Frame]:
    return synthetic.room_frames(4, WIDTH, HEIGHT)


def write(folder: Path, images: dict[str, np.ndarray]) -> dict[str, Path]:
    folder.mkdir()
    for name, image in images.items():
        cv2.imwrite(str(folder / f"{name}.png"), image[..., ::-1])
    return {name: folder / f"{name}.png" for name in images}


def place(photos: dict[str, Path], folder: Path) -> Path:
    return reconstruct(Matching.of(photos, dict.fromkeys(photos, GUESS), SETTINGS), folder)


@pytest.fixture(scope="module")
def faulty(walk: list[Frame], tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, str], list[tuple[str, ...]]]:
    """Reasons and copies of a walk with a copy, a mirrored photo, a shaken one, a wall, and another room's three."""
    images = {frame.name[-1]: frame.image for frame in walk}
    images["copy"] = images["1"].copy()
    images["mirrored"] = images["2"][:, ::-1]
    images["shaken"] = cv2.blur(images["1"], (41, 1))
    images["wall"] = np.random.default_rng(0).integers(235, 240, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    images |= {f"b{frame.name[-1]}": frame.image for frame in synthetic.room_frames(3, WIDTH, HEIGHT, seed=7)}
    folder = tmp_path_factory.mktemp("faulty")
    photos = write(folder / "photos", images)
    sparse = place(photos, folder / "sparse")
    names = read_sparse(sparse).names
    assert names == ["0", "1", "2", "3", "copy"]
    return why_left_out(sparse / DATABASE, photos, names), same_views(sparse / DATABASE, list(photos))


def test_a_copy_is_placed_and_named(faulty: tuple[dict[str, str], list[tuple[str, ...]]]) -> None:
    assert faulty[1] == [("1", "copy")]


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("mirrored", "looks like a mirrored copy of 2"),
        ("shaken", "fine detail: blurred"),
        ("wall", "features: textureless"),
        ("b1", "in agreement with 2 others left out (b0, b2) but with none that was placed: another scene"),
    ],
)
def test_each_photo_left_out_has_its_reason(
    faulty: tuple[dict[str, str], list[tuple[str, ...]]], name: str, reason: str
) -> None:
    assert reason in faulty[0][name]


def test_only_photos_left_out_have_reasons(faulty: tuple[dict[str, str], list[tuple[str, ...]]]) -> None:
    assert set(faulty[0]) == {"mirrored", "shaken", "wall", "b0", "b1", "b2"}


def test_a_camera_that_only_turns_is_told_so(tmp_path: Path) -> None:
    eye = np.array([0.3, 1.2, 1.4])
    images = {}
    for angle in np.radians([-10, 0, 10]):
        turned = synthetic.look_at(eye, eye + np.array([math.sin(angle), -math.cos(angle), -0.2]))
        images[f"{len(images)}"] = synthetic.render("turned", synthetic.room, GUESS.camera, turned).image
    with pytest.raises(StageError, match=r"none of 3 photos .* 3 of 3 pairs that match show no parallax.*only turned"):
        place(write(tmp_path / "photos", images), tmp_path / "sparse")


def test_photos_that_are_all_the_same_are_told_so(walk: list[Frame], tmp_path: Path) -> None:
    photos = write(tmp_path / "photos", dict.fromkeys("abc", walk[0].image))
    with pytest.raises(StageError, match=r"none of 3 photos .* all that match show the same view to the pixel"):
        place(photos, tmp_path / "sparse")


def test_three_photos_of_a_white_wall_are_an_error_with_numbers(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    walls = {name: rng.integers(235, 240, (HEIGHT, WIDTH, 3)).astype(np.uint8) for name in "abc"}
    with pytest.raises(StageError, match=r"none of 3 photos .* features a photo, 0 of 3 pairs .* textured"):
        place(write(tmp_path / "photos", walls), tmp_path / "sparse")


def test_blur_along_either_axis_takes_fine_detail_and_a_mirror_does_not(walk: list[Frame]) -> None:
    image = walk[0].image
    sharp = fine_detail(image)
    assert fine_detail(image[:, ::-1].copy()) == pytest.approx(sharp, rel=1e-3)
    for size in ((15, 1), (1, 15)):
        assert fine_detail(cv2.blur(image, size)) < 0.4 * sharp
    assert fine_detail(np.full_like(image, 128)) == 0


def test_the_stage_signals_copies_and_photos_left_out(walk: list[Frame], tmp_path: Path) -> None:
    images = {frame.name[-1]: frame.image for frame in walk}
    wall = np.full((HEIGHT, WIDTH, 3), 240, np.uint8)
    write(tmp_path / "photos", images | {"copy": images["1"], "wall": wall})
    job = Job(Settings().with_assignments(["poses.features=800"]))
    init(tmp_path / "photos", tmp_path / "scene", job)
    outcome = poses(Scene.open(tmp_path / "scene"), job, trusted_depth=False)
    raised = {signal.code: signal for signal in outcome.signals}
    assert raised["DUPLICATES"].photos == ("1", "copy")
    assert raised["UNREGISTERED"].photos == ("wall",)
    assert raised["UNREGISTERED"].message == "1 of 6 photos left out: wall: only 0 features: textureless"
