"""The sample shop is the same shop from every source, but for what a source leaves out."""

from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from dagster_project.sources import LoadOptions, load, normalise_phones, open_source
from tests.dbt.build import build_as_sample, sample_home
from tests.sample_shop import ROOT
from tests.support import airbyte, bulk, fivetran

_FACTS = (
    *("order_id", "ordered_on", "ordered_at", "is_valid", "invalid_reason"),
    *("is_recurring", "gross_amount", "discount_amount", "refunded_amount", "net_amount"),
    *("total_amount", "has_code", "has_discount", "source_name", "currency"),
    *("ship_country", "ship_region", "ship_city", "ship_postal_code"),
)
# Orders whose customer only the number of the account tells, which the export does not have.
_KNOWN_BY_ACCOUNT = [
    *("trap-3-12-changed-1", "trap-3-12-changed-3"),
    *("trap-3-12-noreply-a-1", "trap-3-12-noreply-b-1"),
    *("trap-3-20-relay-a-1", "trap-3-20-relay-b-1"),
]
_NOBODY_RENAMED: list[str] = []


@pytest.fixture(scope="module")
def con(tmp_path_factory: pytest.TempPathFactory) -> duckdb.DuckDBPyConnection:
    folder = tmp_path_factory.mktemp("sources")
    con = duckdb.connect()
    canonical = sample_home(tmp_path_factory, "canonical") / "warehouse.duckdb"
    con.execute(f"ATTACH '{canonical}' AS canonical (READ_ONLY)")
    exported = _build(tmp_path_factory, "shopify_csv", ROOT / "seeds" / "shopify")
    con.execute(f"ATTACH '{exported}' AS shopify_csv (READ_ONLY)")
    fivetran.write_database(canonical, folder / "connector.duckdb")
    synced = _build(tmp_path_factory, "fivetran_shopify", folder / "connector.duckdb")
    con.execute(f"ATTACH '{synced}' AS fivetran_shopify (READ_ONLY)")
    airbyte.write_database(canonical, folder / "streams.duckdb")
    streamed = _build(tmp_path_factory, "airbyte_shopify", folder / "streams.duckdb")
    con.execute(f"ATTACH '{streamed}' AS airbyte_shopify (READ_ONLY)")
    bulk.write_results(canonical, folder / "results")
    downloaded = _build(tmp_path_factory, "shopify_bulk", folder / "results")
    con.execute(f"ATTACH '{downloaded}' AS shopify_bulk (READ_ONLY)")
    return con


def _build(factory: pytest.TempPathFactory, source_format: str, location: Path) -> Path:
    home = factory.mktemp(source_format)
    warehouse = home / "warehouse.duckdb"
    with duckdb.connect(str(warehouse)) as con:
        load(con, open_source(source_format, str(location)), LoadOptions("America/New_York"))
        normalise_phones(con, "US")
    build_as_sample(factory, home, "int_orders_owned", "source_quality")
    return warehouse


@pytest.mark.parametrize(
    "source", ["shopify_csv", "fivetran_shopify", "airbyte_shopify", "shopify_bulk"]
)
def test_every_order_says_the_same(con: duckdb.DuckDBPyConnection, source: str) -> None:
    ours, theirs = (
        f"SELECT {', '.join(_FACTS)} FROM {name}.intermediate.int_orders_owned"
        for name in (source, "canonical")
    )
    assert con.sql(f"{ours} EXCEPT ALL {theirs}").fetchall() == []
    assert con.sql(f"{theirs} EXCEPT ALL {ours}").fetchall() == []


@pytest.mark.parametrize(
    ("source", "others"),
    [
        ("shopify_csv", _KNOWN_BY_ACCOUNT),
        ("fivetran_shopify", _NOBODY_RENAMED),
        ("airbyte_shopify", _NOBODY_RENAMED),
        ("shopify_bulk", _NOBODY_RENAMED),
    ],
)
def test_every_customer_has_the_same_key(
    con: duckdb.DuckDBPyConnection, source: str, others: list[str]
) -> None:
    renamed = con.sql(
        f"""
        SELECT order_id
        FROM {source}.intermediate.int_orders_owned AS ours
        JOIN canonical.intermediate.int_orders_owned AS theirs USING (order_id)
        WHERE ours.customer_key IS DISTINCT FROM theirs.customer_key
        ORDER BY order_id
        """
    ).fetchall()
    assert [order_id for (order_id,) in renamed] == others


@pytest.mark.parametrize(
    ("source", "present"),
    [
        ("shopify_csv", {"orders", "order_lines", "order_discounts", "customers"}),
        ("fivetran_shopify", {"orders", "order_lines", "order_discounts", "customers", "refunds"}),
        ("airbyte_shopify", {"orders", "order_lines", "order_discounts", "customers", "refunds"}),
        ("shopify_bulk", {"orders", "order_lines", "order_discounts", "customers", "refunds"}),
    ],
)
def test_what_a_source_does_not_have_is_missing_and_not_empty(
    con: duckdb.DuckDBPyConnection, source: str, present: set[str]
) -> None:
    found = con.sql(
        f"SELECT table_name FROM {source}.raw.source_columns GROUP BY ALL HAVING bool_or(present)"
    ).fetchall()
    beside = {"suppressions", "erasure_requests"} if source == "shopify_csv" else set()
    assert {name for (name,) in found} == present | beside


def test_the_export_agrees_with_the_counts_of_the_platform(con: duckdb.DuckDBPyConnection) -> None:
    [(share,)] = con.sql(
        """
        SELECT value FROM shopify_csv.marts.source_quality
        WHERE "check" = 'customers_with_missing_orders_share'
        """
    ).fetchall()
    assert 0 < share < 0.01
