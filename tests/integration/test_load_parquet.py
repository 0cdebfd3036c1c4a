from __future__ import annotations

from pathlib import Path

import pytest

from dagster_project.sources import (
    CanonicalSource,
    LoadError,
    LoadOptions,
    Source,
    load_table,
    table_named,
)
from tests.integration.load_shop import Shop


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def put_parquet(shop: Shop, name: str, select: str) -> None:
    shop.con.execute(f"COPY ({select}) TO '{shop.root / name}' (FORMAT parquet)")


def test_the_same_orders_as_csv_and_as_parquet_are_the_same(shop: Shop):
    shop.orders(
        "order_id,ordered_at,total_amount,customer_id,is_test,updated_at,cancelled_at,tags,note\n"
        '1,2026-01-05T10:00:00Z,10.5,17,false,2026-07-05 10:00:00,2026-03-01,"a,b",5\n'
        "2,2026-01-06T10:00:00.25Z,0.3,,true,,,,\n"
    )
    names = "order_id, ordered_at, total_amount, customer_id, is_test, updated_at, cancelled_at"
    from_csv = shop.query(f"SELECT {names}, tags, note FROM raw.orders ORDER BY 1")
    (shop.root / "orders.csv").unlink()
    put_parquet(
        shop,
        "orders.parquet",
        """
        SELECT * FROM (VALUES
          (1::BIGINT, TIMESTAMPTZ '2026-01-05 10:00:00+00', 10.5::DOUBLE, 17.0::DOUBLE, false,
           TIMESTAMP '2026-07-05 10:00:00', DATE '2026-03-01', 'a,b', 5::SMALLINT),
          (2, TIMESTAMPTZ '2026-01-06 10:00:00.25+00', 0.1::DOUBLE + 0.2::DOUBLE, 'NaN'::DOUBLE,
           true, NULL, NULL, '', NULL)
        ) t(order_id, ordered_at, total_amount, customer_id, is_test, updated_at, cancelled_at,
            tags, note)
        """,
    )
    assert shop.load().rejected == 0
    assert shop.query(f"SELECT {names}, tags, note FROM raw.orders ORDER BY 1") == from_csv


def test_wrong_values_are_rejected_with_their_row_number(shop: Shop):
    put_parquet(
        shop,
        "orders.parquet",
        """
        SELECT i::VARCHAR AS order_id, DATE '2026-01-05' AS ordered_at,
          CASE i WHEN 70000 THEN 'NaN'::DOUBLE WHEN 99999 THEN 'Infinity'::DOUBLE ELSE i END
            AS total_amount
        FROM range(100000) t(i)
        """,
    )
    assert shop.load().rows == 99_998
    assert shop.rejected() == [
        (70_001, 'total_amount "NaN" is not a number'),
        (100_000, 'total_amount "inf" is not a number'),
    ]


def test_times_of_every_precision(shop: Shop):
    put_parquet(
        shop,
        "orders.parquet",
        """
        SELECT '1' AS order_id, TIMESTAMP_NS '2026-07-05 10:00:00.123456789' AS ordered_at,
          TIMESTAMP_S '2026-07-05 10:00:00' AS updated_at, 5::DECIMAL(9,2) AS total_amount
        """,
    )
    shop.load()
    assert shop.query("SELECT ordered_at::VARCHAR, updated_at::VARCHAR FROM raw.orders") == [
        ("2026-07-05 14:00:00.123456+00", "2026-07-05 14:00:00+00")
    ]


def test_nested_columns_are_kept_as_text(shop: Shop):
    put_parquet(
        shop,
        "orders.parquet",
        "SELECT '1' AS order_id, DATE '2026-01-05' AS ordered_at, 1 AS total_amount, [1, 2] AS x",
    )
    shop.load()
    assert shop.column("SELECT x FROM raw.orders") == ["[1, 2]"]


def test_what_is_no_parquet_file_is_named(shop: Shop):
    shop.put("orders.parquet", b"PAR1 not really")
    with pytest.raises(LoadError, match=r"orders\.parquet is not a readable Parquet file"):
        shop.load()


def test_a_parquet_file_without_a_required_column(shop: Shop):
    put_parquet(shop, "orders.parquet", "SELECT 1 AS order_id, 2 AS total_amount")
    with pytest.raises(LoadError, match=r"orders\.parquet lacks the required column ordered_at"):
        shop.load()


class Staged:
    """The same source, that only offers its rows as staged text."""

    def __init__(self, source: CanonicalSource) -> None:
        self.stage = source.stage
        self.warnings = source.warnings
        self.history = source.history


_AMOUNTS = (
    *("1.005::DOUBLE", "19.99::FLOAT", "1234567.891::DOUBLE", "0.00005::DECIMAL(9,5)"),
    *(
        "7::TINYINT",
        "12::UBIGINT",
        "3::HUGEINT",
        "'4.5'::VARCHAR",
        "12345678901234.5::DECIMAL(18,1)",
    ),
)
_MOMENTS = (
    "TIMESTAMPTZ '2026-03-08 07:30:00+00'",
    "TIMESTAMP '2026-03-08 02:30:00'",
    "TIMESTAMP_MS '2026-07-05 10:00:00.5'",
    "DATE '2026-11-01'",
    "'2026-11-01T01:30:00-04:00'",
)
_IDS = ("17::BIGINT", "17.0::DOUBLE", "' 17 '", "uuid()::UUID", "'17'::BLOB")


@pytest.mark.parametrize("moment", _MOMENTS)
def test_read_in_one_pass_or_staged_the_rows_are_the_same(shop: Shop, moment: str):
    for nth, amount in enumerate(_AMOUNTS):
        order_id = _IDS[(nth + _MOMENTS.index(moment)) % len(_IDS)]
        put_parquet(
            shop,
            "orders.parquet",
            f"""
            SELECT {order_id} AS order_id, {moment} AS ordered_at, {amount} AS total_amount,
              {order_id} AS customer_id, '' AS email, true AS is_test, 'no'::VARCHAR AS other,
              CASE WHEN false THEN {amount} END AS discount_amount, {moment} AS "Updated_At"
            """,
        )
        _compare(shop, "orders")


def _compare(shop: Shop, table: str) -> None:
    source, options = CanonicalSource(shop.root), LoadOptions(shop.timezone)
    one_pass = load_table(shop.con, table_named(table), source, options)
    rows = shop.query(f"FROM raw.{table} ORDER BY ALL")
    columns = shop.query("FROM raw.source_columns ORDER BY ALL")
    staged: Source = Staged(source)
    assert load_table(shop.con, table_named(table), staged, options) == one_pass
    assert shop.query(f"FROM raw.{table} ORDER BY ALL") == rows
    assert shop.query("FROM raw.source_columns ORDER BY ALL") == columns


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("is_test", "2::INTEGER"),
        ("is_test", "1::INTEGER"),
        ("updated_at", "20260105::INTEGER"),
        ("customer_id", "17::INTEGER"),
        ("discount_amount", "5::INTEGER"),
    ],
)
def test_a_whole_number_is_what_its_text_would_be(shop: Shop, column: str, value: str):
    put_parquet(
        shop,
        "orders.parquet",
        f"SELECT 1 AS order_id, now() AS ordered_at, 5 AS total_amount, {value} AS {column}",
    )
    loaded, there = shop.load(), shop.query("FROM raw.orders")
    staged = Staged(CanonicalSource(shop.root))
    options = LoadOptions(shop.timezone, 1.0, 0.0)
    assert load_table(shop.con, table_named("orders"), staged, options) == loaded
    assert shop.query("FROM raw.orders") == there


def test_files_of_different_columns_are_one_table(shop: Shop):
    (shop.root / "orders").mkdir()
    put_parquet(
        shop,
        "orders/a.parquet",
        "SELECT 1 AS order_id, now() AS ordered_at, 5 AS total_amount, 'x' AS gift",
    )
    put_parquet(
        shop,
        "orders/b.parquet",
        "SELECT '2' AS order_id, DATE '2026-01-01' AS ordered_at, 5.5 AS total_amount, 3 AS points",
    )
    _compare(shop, "orders")


@pytest.mark.parametrize(
    "rows",
    [
        "('1', 'code', 0, 'A'), ('1', 'code', 1, 'A'), ('1', 'code', 0, 'B')",
        "('1', 'code', 0, 'A'), (' 1', 'code', 0, 'A ')",
        "('1', 'code', NULL, 'A'), ('1', 'code', NULL, 'B')",
        "('1', 'code', NULL, 'A'), ('1', 'code', NULL, 'A')",
        "('1', 'Code', 0, 'A'), ('1', 'voucher', 1, 'B')",
        "('1', NULL, 0, 'A'), ('1', 'code', 1, 'B')",
        "('1', 'code', 1.0, 'A'), ('1', 'code', 1.5, 'B')",
    ],
)
def test_rows_that_repeat_or_fail_are_told_as_ever(shop: Shop, rows: str):
    put_parquet(
        shop,
        "order_discounts.parquet",
        f"FROM (VALUES {rows}) t (order_id, kind, discount_index, code)",
    )
    loaded = shop.load("order_discounts")
    assert loaded.rows + loaded.rejected + loaded.duplicates == rows.count("(")
    source, options = CanonicalSource(shop.root), LoadOptions(shop.timezone, 1.0)
    there = shop.query("FROM raw.order_discounts ORDER BY ALL")
    rejected = shop.query("FROM raw.rejected_rows ORDER BY ALL")
    assert load_table(shop.con, table_named("order_discounts"), Staged(source), options) == loaded
    assert shop.query("FROM raw.order_discounts ORDER BY ALL") == there
    assert shop.query("FROM raw.rejected_rows ORDER BY ALL") == rejected


def test_a_bad_row_in_a_big_file_leaves_the_table_until_it_is_told(shop: Shop):
    put_parquet(
        shop,
        "orders.parquet",
        "SELECT i AS order_id, now() AS ordered_at, i AS total_amount FROM range(300000) t(i)",
    )
    assert shop.load().rows == 300_000
    put_parquet(
        shop,
        "orders.parquet",
        """SELECT i AS order_id, now() AS ordered_at,
          CASE WHEN i > 290000 THEN 'NaN'::DOUBLE ELSE i END AS total_amount
        FROM range(300000) t(i)""",
    )
    with pytest.raises(LoadError, match="9,999 of 300,000 rows were rejected"):
        shop.load(fraction=0.01)
    assert shop.query("SELECT count(*) FROM raw.orders") == [(300_000,)]
