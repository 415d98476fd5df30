import dataclasses

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recon3d.errors import InputError
from recon3d.settings import Settings


def test_assignments_change_one_setting_each():
    settings = Settings().with_assignments(["fuse.voxel_size=0.03", "depth.trust=true", "poses.seed=7"])
    assert (settings.fuse.voxel_size, settings.depth.trust, settings.poses.seed) == (0.03, True, 7)
    assert settings.photos == Settings().photos


def test_none_gives_the_automatic_value_back():
    settings = Settings().with_assignments(["fuse.voxel_size=0.03", "fuse.voxel_size=none"])
    assert settings.fuse.voxel_size is None


@pytest.mark.parametrize(
    "text",
    [
        "voxel=1",
        "fuse.voxel=1",
        "fuze.voxel_size=1",
        "fuse.voxel_size=big",
        "fuse.voxel_size",
        "fuse.voxel_size=nan",
        "photos.max_side=-4",
        "photos.max_side=1.5",
        "depth.trust=maybe",
    ],
)
def test_an_unknown_or_impossible_setting_is_refused(text):
    with pytest.raises(InputError):
        Settings().with_assignments([text])


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("photos.max_side=big", "a whole number"),
        ("fuse.voxel_size=big", "a number"),
        ("depth.trust=maybe", "true or false"),
    ],
)
def test_a_refusal_names_what_is_wanted_in_words(text, wanted):
    with pytest.raises(InputError, match=f"wanted {wanted}"):
        Settings().with_assignments([text])


def test_every_setting_has_words_for_its_type():
    for section in dataclasses.fields(Settings):
        for setting in dataclasses.fields(getattr(Settings(), section.name)):
            with pytest.raises(InputError, match="wanted (a |true or)"):
                Settings().replaced(section.name, **{setting.name: object()})


def test_a_toml_file_sets_sections(tmp_path):
    path = tmp_path / "my.toml"
    path.write_text("[fuse]\nvoxel_size = 0.05\n[scale]\nlevel = false\n")
    settings = Settings().with_toml(path)
    assert settings.fuse.voxel_size == 0.05 and settings.scale.level is False


@pytest.mark.parametrize("text", ["fuse = 3", "[fuse\n", "[fuse]\nx = 1", "\x00"])
def test_a_bad_toml_file_is_named(tmp_path, text):
    path = tmp_path / "my.toml"
    path.write_text(text)
    with pytest.raises(InputError):
        Settings().with_toml(path)


@given(st.text(max_size=40))
def test_any_text_is_a_setting_or_an_input_error(text):
    try:
        settings = Settings().with_assignments([text])
    except InputError:
        return
    assert dataclasses.is_dataclass(settings)
