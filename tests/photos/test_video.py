import re
import struct
import subprocess
import sys

import cv2
import numpy as np
import pytest
from commands import command

from recon3d.errors import InputError
from recon3d.photos.find import NAME_BYTES, find_photos, frame_name
from recon3d.photos.video import LEAST_STEP, Survey, frames_of, pick_frames, step_of, survey_video
from recon3d.scene import Scene

LIMIT = 10.0
SIZE = (160, 120)


@pytest.fixture(scope="session")
def wall():
    """(480, 1600, 3) uint8: smooth spots of all sizes, which small motions can be followed on and codecs keep."""
    rng = np.random.default_rng(0)
    spots = sum(cv2.resize(rng.normal(size=(480 // s, 1600 // s, 3)), (1600, 480)) * s**0.5 for s in (4, 8, 16, 40))
    return np.clip(128 + 20 * spots, 0, 255).astype(np.uint8)


def view(wall, x, y=100.0):
    """What a camera of `SIZE` sees from (x, y) [px]."""
    return cv2.getRectSubPix(wall, SIZE, (float(x) + SIZE[0] / 2, float(y) + SIZE[1] / 2))


def write_video(path, frames, *, fourcc="mp4v", fps=30.0):
    height, width = frames[0].shape[:2]
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter_fourcc(*fourcc), fps, (width, height))
    assert writer.isOpened()
    for frame in frames:
        writer.write(frame)
    writer.release()
    return path


def write_avi(path, frames):
    return write_video(path, frames, fourcc="MJPG")


def surveyed(path, **options):
    return survey_video(path, max_megapixels=LIMIT, **options)


def picked(path, **options):
    return pick_frames(surveyed(path), **{"count": 100, **options})


def moving(wall, frames=60, px=2.0):
    return [view(wall, 100 + px * k) for k in range(frames)]


def test_motion_is_measured_in_longer_sides(wall, tmp_path):
    """60 frames of 2 px: 118 px of 160; followed to within a twentieth of a pixel a frame."""
    survey = surveyed(write_video(tmp_path / "a.mp4", moving(wall)))
    assert len(survey.motion) == 60 and not survey.is_cut
    assert survey.motion[-1] == pytest.approx(118 / 160, abs=60 * 0.05 / 160)
    assert np.all(np.diff(survey.motion) >= 0)
    assert survey.time_s == pytest.approx(np.arange(60) / 30, abs=1e-3)


def test_motion_decides_not_time(wall, tmp_path):
    """Slow, then four times as fast: the second half gives about four times as many frames."""
    x = np.cumsum(np.repeat([1.0, 4.0], 60))
    picks = np.array(picked(write_video(tmp_path / "a.mp4", [view(wall, 100 + v) for v in x])))
    steps = np.diff(x[picks])
    assert np.all(steps >= LEAST_STEP / 2 * SIZE[0] - 1) and np.all(steps <= 3 * LEAST_STEP * SIZE[0])
    slow, fast = np.sum(picks < 60), np.sum(picks >= 60)
    assert fast > 2.5 * slow


def test_a_camera_that_stands_still_gives_one_frame(wall, tmp_path):
    """Noise must not add up to motion; nor does a picture without any corner."""
    rng = np.random.default_rng(1)
    noisy = [
        np.clip(view(wall, 300).astype(float) + rng.normal(0, 8, (*SIZE[::-1], 3)), 0, 255).astype(np.uint8)
        for _ in range(90)
    ]
    assert len(picked(write_video(tmp_path / "a.mp4", noisy))) == 1
    assert len(picked(write_video(tmp_path / "b.mp4", [np.full((120, 160, 3), 90, np.uint8)] * 20))) == 1


def test_a_pause_gives_no_frame_twice(wall, tmp_path):
    x = np.concatenate([np.arange(0, 60, 2), np.full(60, 60), np.arange(60, 120, 2)])
    picks = picked(write_video(tmp_path / "a.mp4", [view(wall, 100 + v) for v in x]))
    assert np.all(np.diff(x[picks]) > 0)
    assert sum(30 <= pick < 90 for pick in picks) <= 1


def test_blurred_frames_are_passed_over(wall, tmp_path):
    """Two of three frames are blurred, yet each pick is a sharp one."""
    frames = [
        frame if k % 3 == 1 else cv2.blur(frame, (7, 1)) for k, frame in enumerate(moving(wall, frames=90, px=1.5))
    ]
    picks = picked(write_avi(tmp_path / "a.avi", frames))
    assert len(picks) > 10
    assert all(pick % 3 == 1 for pick in picks)


def test_a_cut_to_another_view_is_motion(wall, tmp_path):
    picks = picked(write_video(tmp_path / "a.mp4", [view(wall, 100)] * 15 + [view(wall, 1000)] * 15))
    assert len(picks) == 2 and picks[0] < 15 <= picks[1]


def survey_of(motion, fps=10.0):
    n = len(motion)
    return Survey(np.asarray(motion, float), np.ones(n), np.arange(n) / fps, n, False)


@pytest.mark.parametrize("count", [1, 2, 7, 100, 1000])
def test_no_more_frames_than_asked_for_and_spread_over_all_motion(count):
    survey = survey_of(np.linspace(0, 10, 3000))
    picks = pick_frames(survey, count=count)
    assert count / 2 < len(picks) <= count or len(picks) >= 0.9 * 10 / LEAST_STEP
    assert picks == sorted(set(picks))
    assert survey.motion[-1] - survey.motion[picks[-1]] <= 2 * step_of(survey, count)


def test_an_interval_keeps_frames_apart_in_time():
    survey = survey_of(np.linspace(0, 10, 300))  # 30 s
    picks = pick_frames(survey, count=100, interval_s=2.0)
    assert len(picks) == 15
    assert np.diff(survey.time_s[picks]) == pytest.approx(2.0, abs=0.11)


def test_no_frames_asked_for_is_an_error():
    with pytest.raises(InputError, match="video_frames: got 0"):
        pick_frames(survey_of([0.0, 1.0]), count=0)


def test_frames_are_those_picked_at_the_working_size(wall, tmp_path):
    frames = moving(wall)
    path = write_avi(tmp_path / "a.avi", frames)
    found = dict(frames_of(path, [0, 7, 59], max_megapixels=LIMIT, max_side=80))
    assert list(found) == [0, 7, 59]
    for number, photo in found.items():
        assert photo.image.shape == (60, 80, 3) and photo.size == SIZE and not photo.copyable
        wanted = cv2.resize(frames[number], (80, 60), interpolation=cv2.INTER_AREA)[..., ::-1]
        assert np.abs(photo.image.astype(int) - wanted).mean() < 4  # of 255: JPEG with half the colours


def turned(path, degrees):
    """Writes a rotation into the movie's track header, as telephones do."""
    a, b = {90: (0, 1), 180: (-1, 0), 270: (0, -1)}[degrees]
    matrix = [a, b, 0, -b, a, 0, 0, 0, 1]
    ones = [1 << 16] * 8 + [1 << 30]
    as_bytes = [
        struct.pack(">9i", *(m * o for m, o in zip(values, ones, strict=True)))
        for values in ([1, 0, 0, 0, 1, 0, 0, 0, 1], matrix)
    ]
    data = bytearray(path.read_bytes())
    at = data.index(as_bytes[0], data.index(b"tkhd"))
    data[at : at + 36] = as_bytes[1]
    path.write_bytes(data)
    return path


@pytest.mark.parametrize(("degrees", "turns"), [(90, 3), (180, 2), (270, 1)])
def test_frames_are_upright(wall, tmp_path, degrees, turns):
    frames = moving(wall, frames=3)
    path = turned(write_video(tmp_path / "a.mp4", frames), degrees)
    ((_, photo),) = frames_of(path, [0], max_megapixels=LIMIT)
    upright = np.rot90(frames[0], turns)[..., ::-1]
    assert photo.image.shape == upright.shape
    assert np.abs(photo.image.astype(int) - upright).mean() < 8
    assert len(surveyed(path).motion) == 3


def with_slow_half(path):
    """The movie with its last half of frames shown ten times as long: a variable frame rate."""
    data = bytearray(path.read_bytes())
    at = data.index(b"stts")
    assert data.index(b"mdat") < at  # so that no offset of a picture moves
    version, entries, count, delta = struct.unpack_from(">IIII", data, at + 4)
    assert entries == 1
    table = struct.pack(">IIIIII", version, 2, count // 2, delta, count - count // 2, 10 * delta)
    data[at + 4 : at + 20] = table
    at = data.index(b"elst")
    struct.pack_into(">I", data, at + 12, 10 * struct.unpack_from(">I", data, at + 12)[0])
    for box in (b"stts", b"stbl", b"minf", b"mdia", b"trak", b"moov"):
        size = data.index(box, data.index(b"moov")) - 4
        struct.pack_into(">I", data, size, struct.unpack_from(">I", data, size)[0] + 8)
    path.write_bytes(data)
    return path


def test_a_variable_frame_rate_is_read_to_its_end(wall, tmp_path):
    survey = surveyed(with_slow_half(write_video(tmp_path / "a.mp4", moving(wall))))
    assert len(survey.time_s) == 60 and not survey.is_cut
    steps = np.diff(survey.time_s)
    assert np.median(steps[35:]) == pytest.approx(10 * np.median(steps[:25]), rel=0.01)
    assert len(pick_frames(survey, count=100, interval_s=1.0)) == pytest.approx(survey.time_s[-1], abs=2)


def test_the_frames_before_a_break_are_used(wall, tmp_path):
    path = write_avi(tmp_path / "a.avi", moving(wall, frames=90))
    data = path.read_bytes()
    path.write_bytes(data[: int(0.6 * len(data))])
    survey = surveyed(path)
    assert survey.is_cut and survey.announced == 90
    assert 40 <= len(survey.motion) <= 60
    picks = pick_frames(survey, count=100)
    assert len(dict(frames_of(path, picks, max_megapixels=LIMIT))) == len(picks) > 8


def with_index_first(path):
    """The movie with its index before its pictures, as web servers and some cameras write it."""
    data = path.read_bytes()
    at = data.index(b"moov") - 4
    movie, rest = bytearray(data[at:]), data[:at]
    start = movie.index(b"stco") + 8
    (count,) = struct.unpack_from(">I", movie, start)
    for k in range(start + 4, start + 4 + 4 * count, 4):
        struct.pack_into(">I", movie, k, struct.unpack_from(">I", movie, k)[0] + len(movie))
    head = struct.unpack_from(">I", rest)[0]
    path.write_bytes(rest[:head] + movie + rest[head:])
    return path


def test_a_movie_whose_pictures_break_off_keeps_those_before(wall, tmp_path):
    path = with_index_first(write_video(tmp_path / "a.mp4", moving(wall, frames=90)))
    assert not surveyed(path).is_cut and len(surveyed(path).motion) == 90
    data = path.read_bytes()
    path.write_bytes(data[: int(0.7 * len(data))])
    survey = surveyed(path)
    assert survey.is_cut and 30 <= len(survey.motion) < 80


def test_looking_twice_gives_the_same(wall, tmp_path):
    path = write_video(tmp_path / "a.mp4", moving(wall))
    picks = picked(path)
    assert picks == picked(path)
    first, second = ([photo.image for _, photo in frames_of(path, picks, max_megapixels=LIMIT)] for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


def refusal(path, **options):
    with pytest.raises(InputError) as caught:
        survey_video(path, **{"max_megapixels": LIMIT, **options})
    message = str(caught.value)
    assert path.name in message and "\n" not in message
    return message


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty file"),
        (b"only some words\n", "got text"),
        (b"#EXTM3U\n#EXTINF:1,\nfile:///etc/hostname\n", "got text"),
        (b"\x89PNG\r\n\x1a\n" + bytes(500), "no known"),
        (b"\0\0\0\x18ftypisom\0\0\2\0isomiso2", "index is missing"),
        (b"RIFF\xff\0\0\0AVI LIST" + bytes(500), "damaged or of an unknown kind"),
        (b"\x1aE\xdf\xa3" + bytes(500), "damaged or of an unknown kind"),
    ],
)
def test_what_is_no_video_is_named(tmp_path, data, words):
    (tmp_path / "a.mp4").write_bytes(data)
    assert words in refusal(tmp_path / "a.mp4")


def test_a_movie_cut_before_its_index_is_named(wall, tmp_path):
    path = write_video(tmp_path / "a.mp4", moving(wall))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "cut short" in refusal(path)


def test_a_video_of_no_frames_is_named(wall, tmp_path):
    path = write_avi(tmp_path / "a.avi", moving(wall, frames=2))
    path.write_bytes(path.read_bytes()[: path.read_bytes().index(b"movi") + 4])
    assert "without a frame" in refusal(path)


def test_frames_above_the_limit_are_refused(wall, tmp_path):
    path = write_video(tmp_path / "a.mp4", moving(wall, frames=2))
    assert "photos.max_megapixels" in refusal(path, max_megapixels=0.01)


def test_no_file_is_named(tmp_path):
    assert "no such file" in refusal(tmp_path / "nothing.mp4")


def test_a_video_counts_where_it_is_named(tmp_path):
    for name in ("a.mp4", "b.jpg"):
        (tmp_path / name).touch()
    assert find_photos(tmp_path / "a.mp4") == [tmp_path / "a.mp4"]
    assert find_photos(tmp_path) == [tmp_path / "b.jpg"]
    (tmp_path / "b.jpg").unlink()
    with pytest.raises(InputError, match="1 videos such as .*a.mp4; name the video itself"):
        find_photos(tmp_path)


def test_names_of_frames_keep_the_limit():
    assert frame_name("clip", 123) == "clip-000123"
    assert frame_name("clip", 123, {"Clip-000123", "other"}) == "clip-000123~frame"
    names = {frame_name("x" * NAME_BYTES, number) for number in range(3)}
    assert len(names) == 3 and all(len(name.encode()) <= NAME_BYTES for name in names)


def test_decoders_print_nothing(wall, tmp_path):
    path = with_index_first(write_video(tmp_path / "a.mp4", moving(wall, frames=30)))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    look = (
        "import sys; from recon3d.photos.video import survey_video as s; print(s(sys.argv[1], max_megapixels=1).is_cut)"
    )
    done = subprocess.run([sys.executable, "-c", look, str(path)], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("True\n", "")


def init(root, *arguments):
    done = command("init", "-o", root, *arguments)
    assert "Traceback" not in done.stderr
    return done


def pictures(root):
    return {path.name: path.read_bytes() for path in (root / "photos").iterdir()}


def test_a_video_becomes_the_photos_of_a_scene(wall, tmp_path):
    path = write_video(tmp_path / "clip.mp4", moving(wall))
    done = init(tmp_path / "a", path, "--set", "photos.video_frames=5")
    assert done.returncode == 0 and "5 photos" in done.stdout
    scene = Scene.open(tmp_path / "a")
    names = list(scene.calibrations())
    assert names == sorted(names) == sorted(name.removesuffix(".jpg") for name in pictures(tmp_path / "a"))
    assert all(re.fullmatch(r"clip-\d{6}", name) for name in names)
    assert {c.source for c in scene.calibrations().values()} == {"guess"}
    assert {s.code for s in scene.signals()} == {"GUESSED_FOV"}
    assert init(tmp_path / "b", path, "--set", "photos.video_frames=5").returncode == 0
    assert pictures(tmp_path / "b") == pictures(tmp_path / "a")


def test_a_broken_video_beside_photos_loses_neither(wall, tmp_path):
    path = write_avi(tmp_path / "clip.avi", moving(wall, frames=40))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    picked_first = frame_name("clip", picked(path)[0])
    cv2.imwrite(str(tmp_path / f"{picked_first}.jpg"), view(wall, 500))
    (tmp_path / "text.mp4").write_text("no video")
    done = init(tmp_path / "s", path, tmp_path / f"{picked_first}.jpg", tmp_path / "text.mp4")
    assert done.returncode == 0 and "1 skipped" in done.stdout
    scene = Scene.open(tmp_path / "s")
    assert {s.code for s in scene.signals()} == {"GUESSED_FOV", "BROKEN_VIDEO", "SKIPPED"}
    assert len(scene.calibrations()) == 1 + len(picked(path))


def test_a_text_called_mp4_alone_is_an_error(tmp_path):
    (tmp_path / "clip.mp4").write_text("no video")
    done = init(tmp_path / "s", tmp_path / "clip.mp4")
    assert done.returncode == 1 and "clip.mp4: got text, wanted a video" in done.stderr
