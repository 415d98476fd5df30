"""The catalogue as a whole: 22 groups, its 186 cases and one more of a disk, and a page for users with all of them."""

import importlib
import re
from pathlib import Path

import pytest

HERE = Path(__file__).parent
PAGE = HERE.parents[1] / "docs" / "failure-modes.md"


@pytest.fixture(scope="module")
def groups():
    """Title and cases by group."""
    modules = [importlib.import_module(path.stem) for path in sorted(HERE.glob("test_[0-9]*.py"))]
    return {module.GROUP: list(module.CASES) for module in modules}


def test_the_catalogue_is_whole(groups):
    assert [int(title.split(".")[0]) for title in groups] == list(range(1, 23))
    assert sum(map(len, groups.values())) == 187


def test_the_page_for_users_lists_every_group_and_case(groups):
    sections = re.split(r"^## ", PAGE.read_text(encoding="utf-8"), flags=re.M)[1:]
    listed = {}
    for section in sections:
        title, *lines = section.splitlines()
        rows = [line.split(" | ")[0].removeprefix("| ") for line in lines if line.startswith("| ")]
        listed[title] = rows[2:]  # behind the head of the table and the line below it
    assert listed == groups


def test_what_the_page_quotes_is_what_the_tests_ask_for():
    page = PAGE.read_text(encoding="utf-8")
    for section, path in zip(page.split("\n## ")[1:], sorted(HERE.glob("test_[0-9]*.py")), strict=True):
        test = path.read_text(encoding="utf-8")
        for quoted in re.findall(r"“([^”]+)”", section):
            assert quoted in test, f"{path.name} does not ask for {quoted!r}"
