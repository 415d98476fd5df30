import pytest
from hypothesis import given
from hypothesis import strategies as st

from recon3d.errors import InputError
from recon3d.formats.untrusted import matrix, naming, number, parse_json, read_bytes, read_object


def test_naming_puts_the_place_in_front():
    with pytest.raises(InputError, match=r"^file\.txt: row 2: broken$"), naming("file.txt: row 2"):
        raise InputError("broken")


@pytest.mark.parametrize("value", [None, True, "1", [1], {}, 10**400, -(10**400)])
def test_numbers_are_finite_and_no_texts_or_booleans(value):
    with pytest.raises(InputError, match="fx"):
        number(value, "fx")


@pytest.mark.parametrize(
    "value", [None, 1, [], [[]], [1, 2], [[1], [1, 2]], [[1, "2"]], [[[1]]], "ab", ["ab"], {"a": 1}]
)
def test_matrices_are_rectangles_of_numbers(value):
    with pytest.raises(InputError, match="pose"):
        matrix(value, "pose")


@pytest.mark.parametrize(
    "text",
    ["", "NaN", "[Infinity]", "[1", '{"a": 1, "a": 1}', "[" * 200_000, '{"a":' * 200_000, "9" * 5000, '"\ud800'],
)
def test_json_that_python_would_take_or_choke_on_is_refused(text):
    with pytest.raises(InputError, match="here"):
        parse_json(text, where="here")


@given(st.text(max_size=100))
def test_any_text_is_json_or_an_input_error(text):
    try:
        parse_json(text, where="here")
    except InputError as error:
        assert str(error).startswith("here")


def test_files_are_bounded_and_objects(tmp_path):
    path = tmp_path / "x.json"
    path.write_bytes(b"[1234567]")
    with pytest.raises(InputError, match="9 bytes, wanted at most 8"):
        read_bytes(path, limit=8)
    with pytest.raises(InputError, match="JSON list"):
        read_object(path)
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="not a text file"):
        read_object(path)
