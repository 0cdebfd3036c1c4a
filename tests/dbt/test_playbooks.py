"""The table of what the playbooks ask for: complete, and nothing in it that is not there."""

from __future__ import annotations

import re

import pytest

from tests.sample_shop import ROOT

PAGE = ROOT / "dbt_project" / "models" / "docs" / "playbooks.md"
ASKED = {0: 10, 1: 11, 2: 12, 3: 11, 4: 10}
"""How many things each playbook asks for."""

ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("| R")
]


def test_every_row_is_there_in_order() -> None:
    assert [row[0] for row in ROWS] == [
        f"R{playbook}.{number + 1}" for playbook, rows in ASKED.items() for number in range(rows)
    ]


@pytest.mark.parametrize("row", ROWS, ids=[row[0] for row in ROWS])
def test_files_and_tests_of_a_row_exist(row: list[str]) -> None:
    _, _, _, file, tests = row
    named = file.strip("`")
    assert (ROOT / named).exists() or (ROOT / "dbt_project" / "models" / named).exists()
    for test in tests.replace("`", "").split(", "):
        if test == "property":
            assert (ROOT / "tests/dbt/test_segments_property.py").exists()
        elif test == "unit":
            assert any("unit_tests" in yml.name for yml in (ROOT / "dbt_project").rglob("*.yml"))
        else:
            assert (ROOT / test).exists()


def test_every_segment_file_is_in_the_table() -> None:
    files = {path.stem for path in (ROOT / "dbt_project/models/segments").rglob("*.sql")}
    words = set(re.findall(r"[a-z_]+", " ".join(" ".join(row[2:4]) for row in ROWS)))
    grouped = {
        name for name in files if name.startswith(("campaign_", "active_", "churning_", "lapsed_"))
    }
    behavior = {"other_discount_only", "full_price_only", "first_order_discounted", "non_buyer"}
    assert files - words - grouped - behavior - {"only_with_discount"} == set()
