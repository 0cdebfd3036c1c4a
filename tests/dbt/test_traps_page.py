"""The page of order history's traps: all of them, with files and tests that are there."""

from __future__ import annotations

import re

import pytest

from tests.dbt.test_sample_shop import GROUPS
from tests.sample_shop import ROOT

PAGE = ROOT / "dbt_project" / "models" / "docs" / "traps.md"
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if re.match(r"\| \d", line)
]


def test_every_trap_is_there_in_order() -> None:
    assert [int(row[0]) for row in ROWS] == list(range(1, 29))


@pytest.mark.parametrize("row", ROWS, ids=[f"trap_{int(row[0]):02}" for row in ROWS])
def test_file_and_tests_of_a_trap_exist(row: list[str]) -> None:
    number, _, _, file, tests = row
    assert (ROOT / "dbt_project" / file.strip("`")).exists()
    name = f"trap_{int(number):02}"
    for test in tests.replace("`", "").split(", "):
        in_sample = test.endswith("test_sample_shop.py") and name in GROUPS
        assert in_sample or f"def test_{name}_" in (ROOT / test).read_text(encoding="utf-8")
