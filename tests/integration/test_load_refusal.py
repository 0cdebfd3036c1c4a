from __future__ import annotations

from pathlib import Path

import duckdb
import pytest

from dagster_project.sources import LoadError
from tests.integration.load_shop import ORDERS, Shop

TABLES_OF_RAW = ("orders", "source_columns", "rejected_rows")


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def content(shop: Shop) -> dict[str, list[tuple[object, ...]]]:
    return {name: shop.query(f"SELECT * FROM raw.{name} ORDER BY ALL") for name in TABLES_OF_RAW}


def orders(good: int, bad: int = 0) -> str:
    rows = [f"{i},2026-01-05,10" for i in range(good)] + [f"b{i},soon,10" for i in range(bad)]
    return ORDERS + "\n".join(rows) + "\n"


def test_loading_twice_changes_nothing(shop: Shop):
    first = shop.orders(orders(30, 2))
    before = content(shop)
    assert shop.load() == first
    assert content(shop) == before


def test_a_load_replaces_what_was_there(shop: Shop):
    shop.orders(orders(30))
    shop.orders(ORDERS + "new,2026-01-05,1\n")
    assert shop.column("SELECT order_id FROM raw.orders") == ["new"]


def test_the_share_of_rejected_rows_is_a_limit_that_may_be_reached(shop: Shop):
    assert shop.orders(orders(99, 1), fraction=0.01).rejected == 1
    with pytest.raises(LoadError):
        shop.orders(orders(98, 1), fraction=0.01)


def test_one_bad_row_of_ten_is_too_many(shop: Shop):
    with pytest.raises(LoadError):
        shop.orders(orders(9, 1), fraction=0.01)


def test_a_refused_table_stays_as_it_was_and_shows_why(shop: Shop):
    shop.orders(orders(30))
    before = content(shop)
    with pytest.raises(LoadError) as caught:
        shop.orders(
            "order_id,ordered_at,total_amount,email\n1,soon,10,ann@example.com\n2,2026-01-05,x,\n",
            0.5,
        )
    after = content(shop)
    assert (after["orders"], after["source_columns"]) == (
        before["orders"],
        before["source_columns"],
    )
    assert [line for line, _ in shop.rejected()] == [2, 3]
    message = str(caught.value)
    assert message.startswith("orders: 2 of 2 rows were rejected (100.0%; at most 50.0% may be")
    assert "ordered_at is not a timestamp: 1 (e.g. orders.csv:2)" in message
    assert "SELECT * FROM raw.rejected_rows WHERE table_name = 'orders'" in message
    assert "ann@example.com" not in message
    assert "soon" not in message


def test_rejected_rows_of_other_tables_are_left_alone(shop: Shop):
    shop.put("costs.csv", "sku,unit_cost\nS,x\n")
    shop.orders(orders(1, 1))
    shop.load("costs")
    shop.orders(orders(2))
    assert shop.rejected() == []
    assert shop.rejected("costs") == [(2, 'unit_cost "x" is not a number')]


def test_an_error_while_storing_leaves_the_table_of_yesterday(shop: Shop):
    shop.orders(orders(3))
    before = content(shop)
    # A table nobody can write to stands in for a full disk: the last statement of the load fails.
    shop.con.execute("ALTER TABLE raw.source_columns RENAME TO kept")
    shop.con.execute("CREATE VIEW raw.source_columns AS FROM raw.kept")
    with pytest.raises(duckdb.BinderException, match="base table"):
        shop.orders(orders(5, 1))
    shop.con.execute("DROP VIEW raw.source_columns")
    shop.con.execute("ALTER TABLE raw.kept RENAME TO source_columns")
    assert content(shop) == before


def test_no_temporary_table_is_left_behind(shop: Shop):
    shop.orders(orders(3, 1))
    with pytest.raises(LoadError):
        shop.orders(orders(1, 1), 0.0)
    assert shop.column("SELECT table_name FROM duckdb_tables() WHERE temporary") == []


def test_a_history_that_lost_most_of_its_orders_is_refused(shop: Shop):
    shop.orders(orders(100))
    before = content(shop)
    with pytest.raises(LoadError, match=r"49 rows and its last load had 100.*MIN_KEPT_FRACTION=0"):
        shop.orders(orders(49), kept=0.5)
    assert content(shop) == before
    assert shop.orders(orders(50), kept=0.5).rows == 50


def test_a_history_may_shrink_when_somebody_says_so(shop: Shop):
    shop.orders(orders(100))
    assert shop.orders(orders(1)).rows == 1


def test_a_table_that_need_not_be_there_may_shrink(shop: Shop):
    shop.put("costs.csv", "sku,unit_cost\n" + "".join(f"s{i},1\n" for i in range(10)))
    shop.load("costs")
    shop.put("costs.csv", "sku,unit_cost\n")
    assert shop.load("costs", kept=0.5).rows == 0


def test_no_orders_are_no_history(shop: Shop):
    with pytest.raises(LoadError, match="orders has no rows"):
        shop.orders(ORDERS)


def test_a_web_page_is_no_file(shop: Shop):
    with pytest.raises(LoadError, match=r"orders.csv is a web page"):
        shop.orders("<!doctype html>\n<html><body>Please log in</body></html>\n")


def test_a_file_that_was_cut_off_is_refused(shop: Shop):
    whole = orders(20)
    with pytest.raises(LoadError, match=r"orders.csv ends in the middle of a row \(line 21\)"):
        shop.orders(whole.removesuffix(",10\n"))
    # The last row is whole, only its line end is missing.
    assert shop.orders(whole.removesuffix("\n")).rows == 20
