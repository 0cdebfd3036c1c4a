"""Whom a rule would move, asked of the sample shop through the command itself."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dagster_project import warehouse
from tests.dbt.build import sample_home
from tests.sample_shop import AS_OF, ROOT

PAST = "2026-06-30"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = sample_home(tmp_path_factory, "what-if")
    warehouse.publish(
        folder / "warehouse.duckdb",
        folder / "published" / "segments.duckdb",
        as_of=date.fromisoformat(AS_OF),
        shop_timezone="America/New_York",
        shop_currency="USD",
        clock=lambda: datetime.now(UTC),
    )
    return folder


def what_if(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dagster_project.what_if", *arguments],
        cwd=ROOT,
        env={**os.environ, "SEGMENTS_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def hashes(home: Path) -> dict[str, str]:
    return {
        str(file.relative_to(home)): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in home.rglob("*")
        if file.is_file()
    }


def expected_moves(home: Path, day: str) -> list[dict[str, Any]]:
    """Counted from the published orders: whose last order is 151 to 180 days before `day`."""
    with warehouse.read(home / "published" / "segments.duckdb") as con:
        rows = con.execute(
            """
            SELECT CASE WHEN orders = 1 THEN 'single' WHEN orders = 2 THEN 'multi' ELSE 'hvc' END,
                count(*)
            FROM (
                SELECT customer_key, count(*) AS orders, max(ordered_on) AS last_on
                FROM orders
                WHERE is_valid AND customer_key IS NOT NULL AND ordered_on <= $day::DATE
                GROUP BY customer_key
            )
            WHERE $day::DATE - last_on BETWEEN 151 AND 180
            GROUP BY ALL
            ORDER BY count(*) DESC
            """,
            {"day": day},
        ).fetchall()
    assert len(rows) == 3, "the sample shop has such customers of every tier"
    return [
        {"from": f"active_{tier}", "to": f"churning_{tier}", "customers": customers}
        for tier, customers in rows
    ]


def test_a_threshold_moves_exactly_whom_the_orders_say(home: Path) -> None:
    before = hashes(home)
    result = what_if(home, "active_days=150", "--json")
    assert result.returncode == 2, result.stderr
    answer = json.loads(result.stdout)
    assert answer["lifecycle"] == expected_moves(home, AS_OF)
    assert answer["parameters"] == [{"name": "active_days", "before": 180, "after": 150}]
    assert answer["orders_that_differ"] == 0
    segments = {segment["segment"]: segment for segment in answer["segments"]}
    for move in answer["lifecycle"]:
        assert segments[move["from"]]["left"] == move["customers"]
        assert segments[move["to"]]["joined"] == move["customers"]
    assert all(s["before"] - s["left"] + s["joined"] == s["after"] for s in segments.values())
    assert segments["lapsed_hvc"]["left"] == segments["lapsed_hvc"]["joined"] == 0
    assert "building the models" in result.stderr
    assert hashes(home) == before


def test_a_day_of_the_past_as_markdown(home: Path) -> None:
    result = what_if(home, "active_days=150", "--as-of", PAST, "--markdown")
    assert result.returncode == 2, result.stderr
    lines = result.stdout.splitlines()
    assert f"as of {AS_OF} on {PAST}" in lines[0]
    assert "| active_days | 180 | 150 |" in lines
    for move in expected_moves(home, PAST):
        assert f"| {move['from']} | {move['to']} | {move['customers']} |" in lines


def test_the_published_rules_move_nobody(home: Path) -> None:
    result = what_if(home)
    assert result.returncode == 0, result.stderr
    assert "nobody moves" in result.stdout


def test_newer_data_is_told_apart_from_rules(home: Path, tmp_path: Path) -> None:
    newer = tmp_path / "newer"
    shutil.copytree(home, newer)
    with duckdb.connect(str(newer / "warehouse.duckdb")) as con:
        (order,) = con.execute(
            "SELECT min(order_id) FROM marts.orders JOIN marts.customers USING (customer_key) "
            "WHERE order_count = 1 AND is_valid AND lifecycle = 'active_single'"
        ).fetchall()[0]
        con.execute("DELETE FROM raw.orders WHERE order_id = ?", [order])
    result = what_if(newer)
    assert result.returncode == 2
    assert "loaded again since the publication: 1 orders differ" in result.stderr
    assert "active_single" in result.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["activ_days=150"], "there is no variable 'activ_days'; the nearest is 'active_days'"),
        (["active_days"], "'active_days': give NAME=VALUE, such as active_days=150"),
        (["active_days=[1"], "active_days: '[1' cannot be read as a number, a word or a [list]"),
        (["as_of=2026-01-01"], "as_of is no rule: the picture is the published one"),
        (["--as-of", "2026-12-24"], f"--as-of 2026-12-24: the published picture ends on {AS_OF}"),
        (["--as-of", "today"], "'today' is no day; use YYYY-MM-DD"),
        (["lapse_days=180"], "dbt: variable lapse_days: must be larger than active_days"),
    ],
)
def test_a_mistake_is_one_sentence(home: Path, arguments: list[str], message: str) -> None:
    result = what_if(home, *arguments)
    assert result.returncode == 1
    assert message in result.stderr.splitlines()[-1]
    assert "Traceback" not in result.stderr
    assert result.stdout == ""


def test_nothing_published_yet(tmp_path: Path) -> None:
    result = what_if(tmp_path)
    assert result.returncode == 1
    assert "nothing is published yet; run the daily job first" in result.stderr
    assert list(tmp_path.iterdir()) == []
