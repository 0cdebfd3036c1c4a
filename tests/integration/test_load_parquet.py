from __future__ import annotations

from pathlib import Path

import pytest

from dagster_project.sources import LoadError
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
