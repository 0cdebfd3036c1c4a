from __future__ import annotations

from pathlib import Path

import pytest

from dagster_project.sources import (
    TABLES,
    CanonicalSource,
    LoadError,
    LoadOptions,
    SourceError,
    load,
    open_source,
)
from tests.integration.load_shop import ORDERS, Shop

ROW = "1,2026-01-05,10\n"


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def test_a_folder_of_files_is_one_table(shop: Shop):
    shop.put("orders/2025.csv", f"{ORDERS}1,2025-01-05,10\n")
    shop.put(
        "orders/deep/2026.csv",
        "total_amount,order_id,ordered_at,note\n10,2,bad,x\n1,3,2026-01-05,y\n",
    )
    result = shop.load()
    assert result.files == ("orders/2025.csv", "orders/deep/2026.csv")
    assert shop.query("SELECT order_id, note FROM raw.orders ORDER BY 1") == [
        ("1", None),
        ("3", "y"),
    ]
    assert shop.query("SELECT source_file, source_line FROM raw.rejected_rows") == [
        ("orders/deep/2026.csv", 2)
    ]


def test_a_contradiction_between_two_files(shop: Shop):
    shop.put("orders/a.csv", f"{ORDERS}1,2026-01-05,10\n")
    shop.put("orders/b.csv", f"{ORDERS}1,2026-01-05,11\n")
    assert shop.load().rejected == 2


@pytest.mark.parametrize("pattern", ["*.csv", "ord*", "**/*.csv"])
def test_a_glob(shop: Shop, pattern: str):
    shop.put("orders.csv", ORDERS + ROW)
    shop.put("customers.csv", "customer_id\nC\n")
    source = CanonicalSource(shop.root / pattern)
    assert "orders" in source.tables()


def test_a_glob_into_the_folder_of_a_table(shop: Shop):
    shop.put("orders/part-1.csv", ORDERS + ROW)
    shop.put("orders/part-2.csv", ORDERS + "2,2026-01-05,10\n")
    source = CanonicalSource(shop.root / "orders" / "*.csv")
    results = load(shop.con, source, LoadOptions("UTC"))
    assert {r.table: r.rows for r in results}["orders"] == 2


def test_one_file(shop: Shop):
    shop.put("orders.csv", ORDERS + ROW)
    assert CanonicalSource(shop.root / "orders.csv").tables() == ("orders",)


def test_missing_tables_and_columns_are_empty_and_noted(shop: Shop):
    shop.put("orders.csv", "order_id,ordered_at,total_amount,email\n1,2026-01-05,10,\n")
    results = load(shop.con, CanonicalSource(shop.root), LoadOptions("UTC"))
    assert [r.table for r in results] == [table.name for table in TABLES]
    assert [r.table for r in results if r.present] == ["orders"]
    assert "phone" in {r.table: r.missing_columns for r in results}["orders"]
    assert shop.query("SELECT email, phone, is_test FROM raw.orders") == [(None, None, None)]
    assert shop.column("SELECT count(*) FROM raw.customers") == [0]
    noted = shop.query("SELECT table_name, column_name FROM raw.source_columns WHERE present")
    assert sorted(noted) == [
        ("orders", name) for name in ("email", "order_id", "ordered_at", "total_amount")
    ]
    assert shop.column("SELECT count(*) FROM raw.source_columns") == [
        sum(len(table.columns) for table in TABLES)
    ]


def test_a_table_that_goes_away_is_empty_the_next_day(shop: Shop):
    shop.put("orders.csv", ORDERS + ROW)
    shop.put("costs.csv", "sku,unit_cost\nS,1\nT,x\n")
    shop.load("costs")
    (shop.root / "costs.csv").unlink()
    result = shop.load("costs")
    assert (result.present, result.rows) == (False, 0)
    assert shop.column("SELECT count(*) FROM raw.costs") == [0]
    assert shop.rejected("costs") == []
    assert shop.column(
        "SELECT bool_or(present) FROM raw.source_columns WHERE table_name = 'costs'"
    ) == [False]


def test_a_missing_required_column_names_file_column_and_nearest_header(shop: Shop):
    shop.put("orders.csv", "order_id,order_at,Total\n1,2026-01-05,10\n")
    with pytest.raises(LoadError) as caught:
        shop.load()
    assert str(caught.value) == (
        "orders.csv lacks the required columns ordered_at (nearest header: order_at), "
        "total_amount (nearest header: Total)"
    )


def test_a_column_that_is_there_twice(shop: Shop):
    with pytest.raises(LoadError, match=r"orders\.csv has two columns called order_id"):
        shop.orders("order_id,ORDER_ID,ordered_at,total_amount\n1,2,2026-01-05,10\n")


def test_extra_columns_with_awkward_names_are_kept(shop: Shop):
    result = shop.orders(
        'order_id,ordered_at,total_amount,,Note,note,"it\'s ""x""",file_no\n'
        "1,2026-01-05,10,a,b,c,d,e\n"
    )
    assert result.extra_columns == ("column_4", "Note", "note_6", 'it\'s "x"', "file_no")
    kept = shop.con.execute("SELECT * FROM raw.orders").fetchone()
    assert kept is not None
    assert kept[-5:] == ("a", "b", "c", "d", "e")
    shop.orders("order_id,ordered_at,total_amount,it's\n1,bad,10,x\n")
    assert shop.rejected_rows()[0]["it's"] == "x"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("order.csv", "order.csv was ignored: did you mean orders.csv?"),
        ("Order_line.parquet", "Order_line.parquet was ignored: did you mean order_lines.parquet?"),
        ("customers.xlsx", "customers.xlsx was ignored: did you mean customers.csv?"),
        ("refund/x.csv", "refund was ignored: did you mean refunds/?"),
        ("notes.txt", "notes.txt is not a canonical table and was ignored"),
    ],
)
def test_strangers_are_reported_with_the_name_that_was_meant(shop: Shop, name: str, said: str):
    shop.put("orders.csv", ORDERS)
    shop.put(name, "x\n")
    shop.put(".DS_Store", "x")
    shop.put("_SUCCESS", "")
    assert CanonicalSource(shop.root).warnings == (said,)


def test_an_empty_folder_of_a_table_is_reported(shop: Shop):
    shop.put("orders.csv", ORDERS)
    (shop.root / "refunds").mkdir()
    source = CanonicalSource(shop.root)
    assert (source.tables(), source.warnings) == (
        ("orders",),
        ("refunds/ holds no CSV or Parquet file",),
    )


@pytest.mark.parametrize(
    "names",
    [
        ("orders.csv", "orders.parquet"),
        ("orders.csv", "orders.csv.gz"),
        ("orders.csv", "orders/1.csv"),
        ("orders/1.csv", "orders/2.parquet"),
    ],
)
def test_a_table_that_is_there_twice(shop: Shop, names: tuple[str, str]):
    for name in names:
        shop.put(name, ORDERS)
    with pytest.raises(SourceError, match="orders is there more than once"):
        CanonicalSource(shop.root)


def test_no_orders(shop: Shop):
    shop.put("order.csv", ORDERS)
    with pytest.raises(SourceError, match=r"has no orders .*did you mean orders\.csv"):
        CanonicalSource(shop.root)


def test_nothing_there_a_url_and_an_unknown_format(tmp_path: Path):
    with pytest.raises(SourceError, match="nowhere: there is no file"):
        CanonicalSource(tmp_path / "nowhere")
    with pytest.raises(SourceError, match="https://… is no folder, file or glob of this machine"):
        CanonicalSource("https://example.com/orders.csv")
    with pytest.raises(
        SourceError, match=r"'xml'; this installation reads .*canonical.*shopify_csv"
    ):
        open_source("xml", str(tmp_path))


def test_a_path_with_pattern_characters_is_a_path(tmp_path: Path):
    folder = tmp_path / "shop [1] it's"
    folder.mkdir()
    shop = Shop(folder)
    shop.con.execute(
        "COPY (SELECT 'P' AS order_id, DATE '2026-01-05' AS ordered_at, 1 AS total_amount) TO "
        f"'{str(shop.root / 'orders.parquet').replace(chr(39), chr(39) * 2)}'"
    )
    assert shop.load().rows == 1
