"""The long history that the rebuild is measured on is one that the loader could have left."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from dagster_project.sources import (
    CanonicalSource,
    LoadOptions,
    load,
    normalise_phones,
)
from tests.benchmarks import raw_shop

ORDERS = 20_000


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    file = raw_shop.write(tmp_path_factory.mktemp("made"), ORDERS)
    with duckdb.connect(str(file), read_only=True) as con:
        yield con


def layout(con: duckdb.DuckDBPyConnection) -> list[tuple[str, str, str]]:
    return con.execute(
        "select table_name, column_name, data_type from duckdb_columns() "
        "where schema_name = 'raw' order by table_name, column_index"
    ).fetchall()


def test_it_has_the_tables_the_loader_leaves(shop, tmp_path: Path):
    source = tmp_path / "source"
    source.mkdir()
    (source / "orders.csv").write_text("order_id,ordered_at,total_amount\n1,2026-11-20,5\n")
    with duckdb.connect() as con:
        load(con, CanonicalSource(source), LoadOptions(shop_timezone="America/New_York"))
        normalise_phones(con, "US")
        assert layout(shop) == layout(con)


def test_it_is_the_same_every_time(shop, tmp_path: Path):
    again = raw_shop.write(tmp_path, ORDERS)
    tables = {table for table, _, _ in layout(shop)}
    with duckdb.connect(str(again), read_only=True) as con:
        for table in tables:
            content = f"select count(*), bit_xor(hash(t)) from raw.{table} as t"
            assert shop.execute(content).fetchone() == con.execute(content).fetchone(), table


@pytest.mark.parametrize(
    "wrong",
    [
        # Lines add up to the order's gross, and parts to its total.
        (
            "select order_id from raw.orders join raw.order_lines using (order_id) "
            "group by order_id, gross_amount having gross_amount <> sum(quantity * unit_price)"
        ),
        (
            "select order_id from raw.orders where total_amount <> "
            "gross_amount - discount_amount + shipping_amount + tax_amount"
        ),
        # One record for each discount and refund, none without.
        (
            "select order_id from raw.orders full join (select order_id, sum(amount) as amount "
            "from raw.order_discounts where target = 'line_item' group by order_id) "
            "using (order_id) where discount_amount is distinct from coalesce(amount, 0)"
        ),
        (
            "select order_id from raw.orders full join (select order_id, sum(amount) as amount "
            "from raw.refunds group by order_id) using (order_id) "
            "where refunded_amount is distinct from coalesce(amount, 0)"
        ),
        # A finished checkout became the order that says so.
        (
            "select checkout_token from raw.checkouts anti join raw.orders using (checkout_token) "
            "where completed_at is not null"
        ),
        # Every phone was parsed, every key is one.
        (
            "select phone from (select phone from raw.orders union select phone from raw.customers "
            "union select phone from raw.checkouts) anti join raw.phone_numbers using (phone) "
            "where phone is not null"
        ),
        "select order_id from raw.orders group by order_id having count(*) > 1",
        "select customer_id from raw.customers group by customer_id having count(*) > 1",
    ],
)
def test_its_tables_agree(shop, wrong: str):
    assert shop.execute(wrong).fetchall() == []


def test_its_people_differ_as_those_of_shops_do(shop):
    orders, people, once, most = shop.execute(
        "select sum(n), count(*), count(*) filter (n = 1), max(n) from (select count(*) as n "
        "from (select regexp_extract(lower(email), '[0-9]+') as person from raw.orders) "
        "group by person)"
    ).fetchone()
    assert (orders, people, once, most) == (ORDERS, ORDERS // 5, ORDERS * 9 // 100, 50)
    shares = shop.execute(
        "select avg((customer_id is null)::int), avg((phone is not null)::int), "
        "avg((client_ip is not null)::int), avg((cancelled_at is not null)::int), "
        "avg((refunded_amount > 0)::int), avg((discount_amount > 0)::int) from raw.orders"
    ).fetchone()
    assert shares == pytest.approx((0.28, 0.3, 0.6, 0.03, 0.04, 0.3), rel=0.2)


@pytest.mark.parametrize("orders", [0, 999, 1_250])
def test_a_size_it_cannot_make_is_refused(tmp_path: Path, orders: int):
    with pytest.raises(ValueError, match="multiple of 500"):
        raw_shop.write(tmp_path / "home", orders)
