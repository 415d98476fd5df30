from recon3d.formats.names import photo_name

NAMES = {"IMG_1", "IMG_1~png", "frame-000000.color", "1305031102.175304", "Zürich", "_dash"}


def test_entries_mean_the_photo_with_their_stem():
    assert photo_name("images/IMG_1.jpg", NAMES) == "IMG_1"
    assert photo_name("IMG_1", NAMES) == "IMG_1"
    assert photo_name("a\\b\\IMG_1.JPG", NAMES) == "IMG_1"
    assert photo_name("frame-000000.color.jpg", NAMES) == "frame-000000.color"
    assert photo_name("frame-000000.color", NAMES) == "frame-000000.color"
    assert photo_name("1305031102.175304", NAMES) == "1305031102.175304"


def test_twins_are_told_apart_by_their_ending():
    assert photo_name("x/IMG_1.png", NAMES) == "IMG_1~png"


def test_names_are_compared_as_the_scene_writes_them():
    assert photo_name("Zu\u0308rich.jpg", NAMES) == "Zürich"
    assert photo_name("-dash.jpg", NAMES) == "_dash"


def test_other_entries_mean_no_photo():
    for entry in ("", ".", "..", "/", "IMG_2.jpg", "IMG_1.jpg/x", "img_1.jpg"):
        assert photo_name(entry, NAMES) == ""
