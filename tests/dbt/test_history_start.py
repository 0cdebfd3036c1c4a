"""What a history that was cut makes of the segments, and what the catalog says of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import pytest

from dagster_project.checks import QUALITY
from dagster_project.sources import (
    TABLE_NAMES,
    CanonicalSource,
    History,
    LoadOptions,
    load,
    normalise_phones,
)
from tests.dbt.build import build_as_sample, sample_home
from tests.sample_shop import RAW

ZONE = "America/New_York"
FROM = date(2026, 9, 23)
"""The first of the 60 days up to the as-of date of the sample shop."""

_TABLES = ("segment_members", "segment_catalog", "source_quality", "customer_identities")


class Last60Days(CanonicalSource):
    """A source that gives the orders of the last 60 days, and says so."""

    def history(self) -> History | None:
        return History(FROM, "the platform gives the last 60 days")


@pytest.fixture(scope="module")
def cut_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sample shop with the orders of 60 days alone, and the platform's count of all of them."""
    home = tmp_path_factory.mktemp("cut")
    source = home / "source"
    shutil.copytree(RAW, source)
    with duckdb.connect() as con:
        con.execute(f"SET TimeZone = '{ZONE}'")
        con.execute(
            f"CREATE VIEW orders AS FROM read_csv('{RAW / 'orders.csv'}', all_varchar=true)"
        )
        con.execute(
            f"COPY (FROM orders WHERE ordered_at::TIMESTAMPTZ::DATE >= DATE '{FROM}') "
            f"TO '{source / 'orders.csv'}'"
        )
        con.execute(
            f"""COPY (
              SELECT customers.*, (
                SELECT count(*) FROM orders
                WHERE orders.customer_id = customers.customer_id AND cancelled_at IS NULL
                  AND financial_status <> 'voided' AND is_test = 'false'
              ) AS reported_orders
              FROM read_csv('{RAW / "customers.csv"}', all_varchar=true) AS customers
            ) TO '{source / "customers.csv"}'"""
        )
    with duckdb.connect(str(home / "warehouse.duckdb")) as con:
        load(con, Last60Days(source), LoadOptions(shop_timezone=ZONE))
        normalise_phones(con, "US")
    build_as_sample(tmp_path_factory, home, *_TABLES)
    return home


@pytest.fixture(scope="module")
def con(
    cut_home: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[duckdb.DuckDBPyConnection]:
    """The marts of the cut shop and of the whole one, and which customer is which."""
    with duckdb.connect() as con:
        for name, home in (("cut", cut_home), ("whole", sample_home(tmp_path_factory, "whole"))):
            con.execute(f"CREATE SCHEMA {name}")
            # Views in there name their database by the name of its file.
            con.execute(f"ATTACH '{home / 'warehouse.duckdb'}' AS warehouse (READ_ONLY)")
            for table in _TABLES:
                con.execute(f"CREATE TABLE {name}.{table} AS FROM warehouse.marts.{table}")
            con.execute("DETACH warehouse")
        con.execute(
            """
            CREATE TABLE people AS
            SELECT DISTINCT cut.customer_key, whole.customer_key AS whole_key
            FROM cut.customer_identities AS cut
            JOIN whole.customer_identities AS whole USING (id_type, id_value)
            WHERE id_type <> 'phone'
            """
        )
        yield con


def differing(con: duckdb.DuckDBPyConnection, status: str) -> dict[str, int]:
    """Members that the cut history adds or loses, by segments of a status."""
    return dict(
        con.execute(
            """
            WITH cut AS (
              SELECT DISTINCT segment, whole_key AS customer_key
              FROM cut.segment_members JOIN people USING (customer_key)
            ),
            whole AS (SELECT segment, customer_key FROM whole.segment_members),
            moved AS (
              (FROM cut EXCEPT FROM whole) UNION ALL (FROM whole EXCEPT FROM cut)
            )
            SELECT segment, count(moved.customer_key)
            FROM cut.segment_catalog LEFT JOIN moved USING (segment)
            WHERE status = ? GROUP BY segment
            """,
            [status],
        ).fetchall()
    )


def test_trap_24_nobody_is_wrong_in_a_segment_that_is_not_marked(
    con: duckdb.DuckDBPyConnection,
) -> None:
    moved = differing(con, "available")
    assert {name: n for name, n in moved.items() if n} == {}
    [(members,)] = con.execute(
        "SELECT count(*) FROM whole.segment_members WHERE segment IN (SELECT unnest(?))",
        [list(moved)],
    ).fetchall()
    assert members > 1000
    assert {
        *("redeemed_this_month", "redeemed_brew_this_month", "abandoned_cart", "loyalty_member"),
        *("campaign_fall_26_redeemers", "campaign_fall_25_recipients"),
    } <= set(moved)


def test_trap_24_segments_that_need_all_orders_are_wrong_and_marked(
    con: duckdb.DuckDBPyConnection,
) -> None:
    moved = differing(con, "left_censored")
    assert {
        *("non_buyer", "active_single", "lapsed_hvc", "new_multi_buyer", "won_back"),
        *("full_price_only", "first_order_discounted", "ever_used_discount_code"),
        *("spend_tier_50", "ordered_five_times", "discount_ladder_step_3", "profitable"),
        *("bought_brewing", "bought_amber_mill_this_quarter", "campaign_spring_25_non_redeemers"),
    } <= {name for name, n in moved.items() if n}


def test_trap_24_the_catalog_says_from_when_and_who_says_so(
    con: duckdb.DuckDBPyConnection,
) -> None:
    reasons = con.execute(
        "SELECT DISTINCT reason FROM cut.segment_catalog WHERE status = 'left_censored'"
    ).fetchall()
    [(with_fewer,)] = con.execute(
        "SELECT detail FROM cut.source_quality "
        "WHERE \"check\" = 'customers_with_missing_orders_share'"
    ).fetchall()
    counts = with_fewer.partition(" customers")[0]
    assert int(counts.split(" of ")[0]) > 500
    reason = (
        "orders before 2026-09-23 are missing (60 days are known): the platform gives the last 60 "
        f"days; {counts} customers have more orders at the platform than were loaded"
    )
    assert reasons == [(reason,)]
    assert con.execute(
        "SELECT count(*) FROM cut.segment_catalog WHERE status <> 'left_censored' "
        "AND (status <> 'available' OR reason IS NOT NULL)"
    ).fetchone() == (0,)


def test_trap_24_a_whole_history_marks_nothing(con: duckdb.DuckDBPyConnection) -> None:
    assert con.execute("SELECT DISTINCT status, reason FROM whole.segment_catalog").fetchall() == [
        ("available", None)
    ]


def test_trap_24_gaps_that_only_the_platforms_counts_show_mark_what_needs_all_orders(
    cut_home: Path,
    con: duckdb.DuckDBPyConnection,
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    marked = set(differing(con, "left_censored"))
    with duckdb.connect(str(cut_home / "warehouse.duckdb")) as warehouse:
        warehouse.execute("DELETE FROM raw.source_history")
    build_as_sample(tmp_path_factory, cut_home, "segment_catalog")
    with duckdb.connect(str(cut_home / "warehouse.duckdb"), read_only=True) as warehouse:
        found = dict(
            warehouse.execute(
                "SELECT segment, reason FROM marts.segment_catalog WHERE status = 'left_censored'"
            ).fetchall()
        )
    assert {reason.partition(" customers ")[2] for reason in found.values()} == {
        "have more orders at the platform than were loaded"
    }
    # Nobody knows how far back the gap reaches, so rules that look back so many days stay.
    assert {name for name in marked if not name.startswith("campaign_")} - set(found) == {
        "bought_amber_mill_this_quarter"
    }


def test_checks_are_the_shares_that_have_a_threshold(con: duckdb.DuckDBPyConnection) -> None:
    for shop in ("cut", "whole"):
        rows = con.execute(
            f'SELECT "check" FROM {shop}.source_quality WHERE threshold IS NOT NULL'
        ).fetchall()
        assert sorted(name for (name,) in rows) == sorted(QUALITY)


def test_a_whole_sample_passes_and_a_cut_one_does_not(con: duckdb.DuckDBPyConnection) -> None:
    failed = 'SELECT "check" FROM {}.source_quality WHERE NOT passed ORDER BY 1'
    assert con.execute(failed.format("whole")).fetchall() == []
    assert con.execute(failed.format("cut")).fetchall() == [
        ("customers_with_missing_orders_share",),
        ("discount_records_without_order_share",),
        ("refunds_without_order_share",),
    ]


def test_rows_of_every_canonical_table_are_counted(cut_home: Path) -> None:
    with duckdb.connect(str(cut_home / "warehouse.duckdb"), read_only=True) as warehouse:
        counted = dict(
            warehouse.execute(
                "SELECT table_name, row_count FROM staging.stg_loaded_rows"
            ).fetchall()
        )
        assert counted == {
            name: warehouse.execute(f"SELECT count(*) FROM raw.{name}").fetchall()[0][0]
            for name in TABLE_NAMES
        }
