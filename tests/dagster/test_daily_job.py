"""The daily job end to end on the sample shop: documented command, own sandbox, own home."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from syncs import sandbox
from tests.support.daily import ROOT, run_daily

TODAY, TOMORROW = "2026-11-21", "2026-11-22"
LIFECYCLE = [
    *(f"{s}_{t}" for s in ("active", "churning", "lapsed") for t in ("single", "multi", "hvc")),
    "non_buyer",
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home after one daily run; the tests below go on from there, in order."""
    folder = tmp_path_factory.mktemp("daily")
    result = run_daily(folder, SEGMENTS_AS_OF=TODAY)
    assert result.returncode == 0, result.stderr[-3000:]
    return folder


def published(home: Path, sql: str) -> list[Any]:
    with duckdb.connect(str(home / "published" / "segments.duckdb"), read_only=True) as con:
        return con.execute(sql).fetchall()


def results(home: Path, sql: str) -> list[Any]:
    with duckdb.connect(str(home / "published" / "syncs.duckdb"), read_only=True) as con:
        return con.execute(sql).fetchall()


def writes(home: Path) -> int:
    return sum(count.count for count in sandbox.describe(home).requests if count.writes)


def test_every_lifecycle_state_is_populated_and_everybody_is_in_one(home: Path) -> None:
    sizes = dict(published(home, "select segment, count(*) from segment_members group by all"))
    assert all(sizes[segment] > 10 for segment in LIFECYCLE)
    customers = published(home, "select count(*) from customers")[0][0]
    assert sum(sizes[segment] for segment in LIFECYCLE) == customers


def test_what_the_vendors_hold_is_what_is_published(home: Path) -> None:
    state = sandbox.describe(home)
    properties = {p.name: dict(p.values) for p in state.klaviyo.properties}
    told = dict(
        published(
            home,
            "select cast(ever_used_discount_code as varchar), count(*) from customers "
            "where ever_used_discount_code is not null and email is not null "
            "and not email_suppressed and email_consent is distinct from 'never' group by all",
        )
    )
    assert properties["ever_used_discount_code"] == told
    audiences = {audience.name: audience.members for audience in state.facebook.audiences}
    assert (
        audiences["Discount users"]
        == published(
            home,
            "select count(*) from segment_members join customers using (customer_key) "
            "where segment = 'ever_used_discount_code' and not ads_suppressed "
            "and (email is not null or phone is not null)",
        )[0][0]
    )
    assert (
        audiences["Win back best customers"]
        == published(
            home,
            "select count(*) from customers where lifecycle in ('lapsed_hvc', 'churning_hvc') "
            "and not ads_suppressed and (email is not null or phone is not null)",
        )[0][0]
    )
    assert state.attentive.texting_calls == 0
    assert {run[0] for run in results(home, "select status from sync_runs")} == {"ok"}


def test_the_same_job_again_writes_nothing(home: Path) -> None:
    before = writes(home)
    result = run_daily(home, SEGMENTS_AS_OF=TODAY)
    assert result.returncode == 0, result.stderr[-3000:]
    assert writes(home) == before


def test_one_more_day_sends_only_what_changed(home: Path) -> None:
    yesterday = dict(published(home, "select customer_key, customer_segment from customers"))
    runs = len(results(home, "select 1 from sync_runs"))
    # Somebody reads yesterday's file all the while: neither disturbs the other.
    with duckdb.connect(str(home / "published" / "segments.duckdb"), read_only=True) as reader:
        result = run_daily(home, SEGMENTS_AS_OF=TOMORROW)
        assert reader.execute("select count(*) from customers").fetchone() == (len(yesterday),)
        assert reader.execute("select distinct as_of from customers").fetchall() == [
            (date.fromisoformat(TODAY),)
        ]
    assert result.returncode == 0, result.stderr[-3000:]
    # And no log of the run names anybody.
    said = (result.stdout + result.stderr).lower()
    emails = [email for (email,) in published(home, "select email from customers") if email]
    assert emails
    assert not [email for email in emails if email in said]

    today = dict(published(home, "select customer_key, customer_segment from customers"))
    moved = sum(yesterday.get(key) != segment for key, segment in today.items())
    sent = dict(
        results(home, f"select sync, accepted from sync_runs order by started_at offset {runs}")
    )
    assert 0 < sent["klaviyo_lifecycle"] <= moved
    assert sent["klaviyo_discount_usage"] == 0
    assert sent["attentive_discount_usage"] == 0
    assert sent["facebook_discount_users"] == 0
    entered = published(
        home,
        f"select count(*) from segment_periods where entered_on = date '{TOMORROW}' "
        "and segment in ('new_hvc', 'new_churning_hvc', 'new_lapsed_hvc')",
    )[0][0]
    assert 0 < sent["klaviyo_hvc_events"] <= entered


def test_a_failing_test_publishes_and_sends_nothing(home: Path) -> None:
    before = (published(home, "select publication_id from publication"), writes(home))

    # The sample's amounts are dollars: the currency test fails after the tables were built.
    result = run_daily(home, SEGMENTS_AS_OF=TOMORROW, SHOP_CURRENCY="EUR")

    assert result.returncode != 0
    assert (published(home, "select publication_id from publication"), writes(home)) == before


def test_a_refused_load_leaves_yesterday(home: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(ROOT / "seeds" / "raw", source)
    orders = source / "orders.csv"
    lines = orders.read_text().splitlines(keepends=True)
    column = lines[0].split(",").index("total_amount")
    for i in range(1, 400):
        cells = lines[i].split(",")
        cells[column] = "a lot"
        lines[i] = ",".join(cells)
    orders.write_text("".join(lines))
    before = (published(home, "select publication_id from publication"), writes(home))

    result = run_daily(home, SEGMENTS_AS_OF=TOMORROW, SEGMENTS_SOURCE=str(source))

    assert result.returncode != 0
    assert "orders.csv:2" in result.stderr
    assert (published(home, "select publication_id from publication"), writes(home)) == before
