"""Tables as CSV: read whoever wrote them, refused in one line, and written so that nothing in them is run."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recon3d.errors import InputError
from recon3d.formats.csv_table import DELIMITERS, FORMULA, MAX_BYTES, csv_bytes, read_table


def read(folder, data):
    path = folder / "jobs.csv"
    path.write_bytes(data)
    return [(row.number, row.cells) for row in read_table(path)]


TABLE = [(1, ("photos", "scene")), (2, ("a b", "c")), (3, ("ä", ""))]


@pytest.mark.parametrize("delimiter", DELIMITERS)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_delimiters_line_ends_and_byte_order_marks_say_the_same(delimiter, end, mark, tmp_path):
    lines = ["photos|scene", " a b |c", "ä|"]
    assert read(tmp_path, (mark + end.join(lines).replace("|", delimiter) + end).encode()) == TABLE


def test_rows_are_numbered_as_editors_do_whatever_is_left_out(tmp_path):
    text = '# of may, "all\n\nphotos,scene\n  \n,,\n# x,y\n"# a, b",\na,b\n'
    assert read(tmp_path, text.encode()) == [(3, ("photos", "scene")), (8, ("a", "b"))]


def test_quotes_hold_delimiters_and_quotes(tmp_path):
    assert read(tmp_path, b'a,b\n"1;2,3", "say ""x"""\n')[1] == (2, ("1;2,3", 'say "x"'))


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "holds nothing"),
        (b"# nothing\n", "holds nothing"),
        (b"a,b\n\xe4,b\n", "byte 4 is no UTF-8"),
        (b'a,b\n"c,d\ne,f\n', "row 2: unexpected end"),
        (b'a,b\n"c"d,e\n', "row 2: "),
        (b"a,b\nc\x00,d\n", "row 2: a cell holds a control character"),
        (b"a" + b",a" * 600, "got 601 cells, wanted at most 500"),
        (b"a,b\n" + b"c" * 200_000, "row 2: field larger"),
        (b"a" * (MAX_BYTES + 1), "wanted at most"),
    ],
)
def test_what_is_no_table_is_refused_in_one_line(data, words, tmp_path):
    with pytest.raises(InputError) as error:
        read(tmp_path, data)
    assert words in str(error.value) and "jobs.csv" in str(error.value) and "\n" not in str(error.value)


@given(st.text(alphabet=st.sampled_from('ab,;\t"\n\r# =\x00\x85\u2028ä'), max_size=60) | st.text(max_size=40))
def test_any_text_is_a_table_or_refused_in_one_line(tmp_path_factory, text):
    try:
        rows = read(tmp_path_factory.getbasetemp(), text.encode("utf-8", errors="surrogatepass"))
    except InputError as error:
        assert "jobs.csv" in str(error) and "\n" not in str(error)
    else:
        assert all(any(cells) and not cells[0].startswith("#") for _, cells in rows)


@given(st.lists(st.lists(st.text(), min_size=2, max_size=2)))
def test_no_cell_that_is_written_is_a_formula_and_the_rest_comes_back(rows):
    back = list(csv.reader(io.StringIO(csv_bytes(["a", "b"], rows).decode(), newline="")))
    assert back[0] == ["a", "b"] and len(back) == len(rows) + 1
    for row, cells in zip(rows, back[1:], strict=True):
        for text, cell in zip(row, cells, strict=True):
            assert not cell.lstrip() or cell.lstrip()[0] not in FORMULA
            assert cell in (text, f"'{text}") or not text.isprintable()


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", ' =cmd|" /C calc"!A0', "\t=1", "＝1"])
def test_formulas_become_text(text):
    (cell,) = list(csv.reader(io.StringIO(csv_bytes(["a"], [[text]]).decode())))[1]
    assert cell[0] in "'?"


def test_numbers_stay_numbers_and_nothing_stays_empty():
    assert csv_bytes(["a", "b", "c"], [[-1.5, None, 3]]) == b"a,b,c\n-1.5,,3\n"
