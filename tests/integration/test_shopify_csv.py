"""Shopify's exports, as the admin and spreadsheets leave them."""

from __future__ import annotations

import csv
import gzip
import io
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dagster_project.sources import (
    LoadError,
    LoadOptions,
    LoadResult,
    ShopifyCsvSource,
    SourceError,
    load,
)
from seeds.shopify_export import CUSTOMER_COLUMNS, ORDER_COLUMNS

HEAD = {
    "Financial Status": "paid",
    "Currency": "USD",
    "Subtotal": "30.00",
    "Shipping": "5.00",
    "Taxes": "2.00",
    "Total": "37.00",
    "Discount Amount": "0.00",
    "Refunded Amount": "0.00",
    "Payment Method": "Shopify Payments",
    "Source": "web",
}


class Exports:
    """A folder of exports and what the loader makes of it."""

    def __init__(self, folder: Path) -> None:
        self.root = folder / "exports"
        self.root.mkdir()
        self.con = duckdb.connect()
        self.con.execute("SET TimeZone = 'UTC'")

    def put(self, name: str, rows: list[dict[str, str]], columns: tuple[str, ...]) -> None:
        out = io.StringIO()
        writer = csv.DictWriter(out, columns, restval="", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        (self.root / name).write_text(out.getvalue(), encoding="utf-8")

    def orders(self, *rows: dict[str, str], name: str = "orders_export.csv") -> None:
        self.put(name, list(rows), ORDER_COLUMNS)

    def customers(self, *rows: dict[str, str], name: str = "customers_export.csv") -> None:
        self.put(name, list(rows), CUSTOMER_COLUMNS)

    def load(self) -> dict[str, LoadResult]:
        options = LoadOptions("America/New_York", max_rejected_fraction=1.0)
        results = load(self.con, ShopifyCsvSource(self.root), options)
        return {result.table: result for result in results}

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return self.con.execute(sql).fetchall()


@pytest.fixture
def exports(tmp_path: Path) -> Exports:
    return Exports(tmp_path)


def first_row(name: str = "#1001", order_id: str = "5001", **cells: str) -> dict[str, str]:
    return (
        HEAD
        | {"Name": name, "Id": order_id, "Email": "ann@mail.example"}
        | {"Created at": "2026-04-28 13:34:05 -0400"}
        | line(name)
        | {key.replace("_", " "): value for key, value in cells.items()}
    )


def line(
    name: str = "#1001", price: str = "30.00", quantity: str = "1", **cells: str
) -> dict[str, str]:
    return {
        "Name": name,
        "Lineitem quantity": quantity,
        "Lineitem name": "House Blend",
        "Lineitem price": price,
        "Lineitem sku": "BEAN",
        "Lineitem requires shipping": "true",
        "Lineitem discount": "0.00",
    } | {key.replace("_", " "): value for key, value in cells.items()}


def test_an_order_is_the_rows_from_its_first_row_on(exports: Exports):
    exports.orders(
        first_row(Total="67.00", Subtotal="60.00"),
        line(price="20.00", Lineitem_sku="'0042"),
        # Some exports repeat address and date, never the amounts.
        line(price="10.00")
        | {"Email": "ann@mail.example", "Created at": "2026-04-28 13:34:05 -0400"},
        first_row("#1002", "5002"),
    )
    exports.load()
    assert exports.query(
        "SELECT order_id, total_amount, gross_amount FROM raw.orders ORDER BY 1"
    ) == [
        ("5001", 67, 60),
        ("5002", 37, 30),
    ]
    assert exports.query("SELECT order_id, line_id, sku FROM raw.order_lines ORDER BY ALL") == [
        ("5001", "1", "BEAN"),
        ("5001", "2", "0042"),
        ("5001", "3", "BEAN"),
        ("5002", "1", "BEAN"),
    ]


def test_an_offset_stamp_is_a_moment_and_a_naive_one_is_of_the_shop(exports: Exports):
    exports.orders(
        first_row(Created_at="2026-11-01 01:30:00 -0400"),
        first_row("#1002", "5002", Created_at="2026-11-01 01:30:00"),
    )
    exports.load()
    assert exports.query("SELECT ordered_at::VARCHAR FROM raw.orders ORDER BY order_id") == [
        ("2026-11-01 05:30:00+00",),
        ("2026-11-01 06:30:00+00",),
    ]


def test_notes_with_line_ends_marks_and_a_byte_order_mark(exports: Exports):
    exports.orders(first_row(Notes='call "me",\nthen ring\n\ntwice'), line(), first_row("#2", "2"))
    file = exports.root / "orders_export.csv"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    results = exports.load()
    assert (results["orders"].rows, results["orders"].rejected) == (2, 0)
    assert results["order_lines"].rows == 3


def test_headers_of_other_years_and_spreadsheets(exports: Exports):
    exports.orders(first_row(Cancelled_at="2026-05-01 10:00:00 -0400"))
    file = exports.root / "orders_export.csv"
    text = (
        file.read_text()
        .replace("Cancelled at", "canceled at")
        .replace("Lineitem sku", " LINEITEM SKU")
    )
    file.unlink()
    (exports.root / "old orders.csv.gz").write_bytes(gzip.compress(text.encode()))
    exports.load()
    assert exports.query("SELECT cancelled_at IS NOT NULL FROM raw.orders") == [(True,)]
    assert exports.query("SELECT sku FROM raw.order_lines") == [("BEAN",)]


def test_an_export_without_ids_goes_by_name_and_total(exports: Exports):
    rows = [first_row(), line(), first_row("#1002")]
    without = tuple(column for column in ORDER_COLUMNS if column != "Id")
    exports.put(
        "orders.csv", [{k: v for k, v in row.items() if k != "Id"} for row in rows], without
    )
    exports.load()
    assert exports.query("SELECT order_id FROM raw.orders ORDER BY 1") == [("#1001",), ("#1002",)]
    assert exports.query("SELECT count(*) FROM raw.order_lines") == [(3,)]


def test_the_file_that_reaches_furthest_has_the_last_word(exports: Exports):
    newest = first_row("#1003", "5003", Created_at="2026-06-01 09:00:00 -0400")
    exports.orders(
        first_row(Refunded_Amount="37.00", Financial_Status="refunded"), newest, name="a_june.csv"
    )
    exports.orders(first_row(), line(), first_row("#1002", "5002"), name="b_may.csv")
    exports.load()
    assert exports.query("SELECT order_id, refunded_amount FROM raw.orders ORDER BY 1") == [
        ("5001", 37),
        ("5002", 0),
        ("5003", 0),
    ]
    # The order comes whole from one file: not one line of June beside the two of May.
    assert exports.query("SELECT count(*) FROM raw.order_lines WHERE order_id = '5001'") == [(1,)]


def test_two_orders_with_one_name_and_one_order_twice_in_a_file(exports: Exports):
    exports.orders(
        first_row("#1001", "5001"),
        line("#1001", "1.00"),
        first_row("#1001", "6001", Email="bob@mail.example"),
        line("#1001", "2.00"),
        line("#1001", "3.00"),
        first_row("#1001", "5001", Total="99.00"),
    )
    exports.load()
    assert exports.query("SELECT order_id, email, total_amount FROM raw.orders ORDER BY 1") == [
        ("5001", "ann@mail.example", 99),
        ("6001", "bob@mail.example", 37),
    ]
    assert exports.query(
        "SELECT order_id, list(unit_price ORDER BY line_id) FROM raw.order_lines GROUP BY 1 "
        "ORDER BY 1"
    ) == [("5001", [30]), ("6001", [30, 2, 3])]


def test_a_row_whose_first_row_is_missing_is_rejected(exports: Exports):
    exports.orders(line("#0999"), first_row())
    results = exports.load()
    assert results["orders"].reasons == {"the first row of its order is missing": 1}
    assert results["order_lines"].rows == 1


TAKEN_OFF = {"Discount Amount": "3.00", "Subtotal": "27.00"}


@pytest.mark.parametrize(
    ("cells", "kinds", "discount"),
    [
        (TAKEN_OFF | {"Discount Code": "SAVE10"}, [("code", "SAVE10", "line_item")], 3),
        (
            TAKEN_OFF | {"Discount Code": "A1, B2"},
            [("code", "A1", "line_item"), ("code", "B2", "line_item")],
            3,
        ),
        (TAKEN_OFF, [("automatic", None, "line_item")], 3),
        (TAKEN_OFF | {"Discount Code": "Custom discount"}, [("manual", None, "line_item")], 3),
        (TAKEN_OFF | {"Source": "shopify_draft_order"}, [("manual", None, "line_item")], 3),
        # It took nothing off the goods, so it was the shipping it paid.
        (
            {"Discount Code": "FREESHIP", "Discount Amount": "5.00"},
            [("code", "FREESHIP", "shipping")],
            0,
        ),
        ({"Discount Code": "FREE0"}, [("code", "FREE0", "line_item")], 0),
        ({}, [], 0),
    ],
)
def test_discounts(
    exports: Exports, cells: dict[str, str], kinds: list[tuple[str, str | None, str]], discount: int
):
    exports.orders(first_row() | cells)
    exports.load()
    found = exports.query(
        "SELECT kind, code, target FROM raw.order_discounts ORDER BY discount_index"
    )
    assert found == kinds
    assert exports.query("SELECT discount_amount, gross_amount FROM raw.orders") == [(discount, 30)]
    total = sum(float(cells.get("Discount Amount", 0)) for _ in kinds[:1])
    assert exports.query("SELECT coalesce(sum(amount), 0)::DOUBLE FROM raw.order_discounts") == [
        (total,)
    ]


def test_a_test_order_and_a_gift_card_are_told_by_what_they_say(exports: Exports):
    exports.orders(
        first_row(Payment_Method="(for testing) Bogus Gateway")
        | {"Lineitem name": "Gift Card $25", "Lineitem requires shipping": "false"}
    )
    exports.load()
    assert exports.query("SELECT is_test FROM raw.orders") == [(True,)]
    assert exports.query("SELECT is_gift_card FROM raw.order_lines") == [(True,)]


def test_customers_with_their_own_counts(exports: Exports):
    exports.orders(first_row())
    ann = {
        "Customer ID": "'7001",
        "First Name": "Ann",
        "Email": "ann@mail.example",
        "Default Address Zip": "'06508",
        "Default Address Phone": "'+12125550101",
        "Total Spent": "37.00",
        "Total Orders": "1",
        "Accepts Email Marketing": "yes",
        "Accepts SMS Marketing": "no",
    }
    exports.customers(ann | {"First Name": "Old"}, name="customers_1.csv")
    exports.customers(ann, name="customers_2.csv")
    exports.load()
    assert exports.query(
        "SELECT customer_id, first_name, postal_code, phone, email_consent, sms_consent, "
        "reported_orders, reported_spent FROM raw.customers"
    ) == [("7001", "Ann", "06508", "+12125550101", "subscribed", "never", 1, 37)]


def test_what_the_exports_lack_may_lie_beside_them(exports: Exports):
    exports.orders(first_row())
    (exports.root / "suppressions.csv").write_text("email\nbob@mail.example\n")
    (exports.root / "refunds.csv").write_text(
        "refund_id,order_id,refunded_at,amount\n1,5001,2026-05-01,5\n"
    )
    (exports.root / "order_lines.csv").write_text("order_id,line_id\n5001,1\n")
    (exports.root / "readme.csv").write_text("a,b\n1,2\n")
    results = exports.load()
    assert (results["suppressions"].rows, results["refunds"].rows) == (1, 1)
    assert not results["checkouts"].present
    warnings = ShopifyCsvSource(exports.root).warnings
    assert [w.partition(" ")[0] for w in warnings] == ["order_lines.csv", "readme.csv"]


def test_a_table_beside_them_is_there_once(exports: Exports):
    exports.orders(first_row())
    text = "refund_id,order_id,refunded_at,amount\n1,5001,2026-05-01,5\n"
    (exports.root / "refunds.csv").write_text(text)
    with gzip.open(exports.root / "refunds.csv.gz", "wt") as file:
        file.write(text)
    with pytest.raises(SourceError, match=r"refunds is there more than once \(refunds.csv, ref"):
        exports.load()


def test_a_folder_beside_them_may_have_compressed_parts(exports: Exports):
    exports.orders(first_row())
    (exports.root / "refunds").mkdir()
    head = "refund_id,order_id,refunded_at,amount\n"
    (exports.root / "refunds" / "1.csv").write_text(f"{head}1,5001,2026-05-01,5\n")
    with gzip.open(exports.root / "refunds" / "2.csv.gz", "wt") as file:
        file.write(f"{head}2,5001,2026-05-02,1\n")
    assert exports.load()["refunds"].rows == 2


def test_what_the_exports_cannot_tell_is_said_to_be_missing(exports: Exports):
    exports.orders(first_row())
    results = exports.load()
    assert {"customer_id", "updated_at", "checkout_token", "client_ip"} <= set(
        results["orders"].missing_columns
    )
    assert not results["customers"].present


def test_an_old_export_does_not_have_what_its_header_lacks(exports: Exports):
    lacking = {"Cancelled at", "Tags", "Discount Code", "Shipping Country", "Lineitem sku"}
    columns = tuple(column for column in ORDER_COLUMNS if column not in lacking)
    row = {key: value for key, value in first_row().items() if key in columns}
    exports.put("orders_export.csv", [row], columns)
    results = exports.load()
    missing = set(results["orders"].missing_columns)
    assert {"cancelled_at", "tags", "ship_country"} <= missing
    assert not {"order_id", "email", "discount_amount", "refunded_amount", "is_test"} & missing
    assert "sku" in results["order_lines"].missing_columns
    assert not results["order_discounts"].present


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("<!DOCTYPE html><html><body>Log in</body></html>\n", "web page"),
        ("Name,Lineitem quantity,Emial\n#1,1,a\n", "email (nearest header: emial), created at"),
        (",".join(ORDER_COLUMNS) + "\n", "a header and no rows"),
        (",".join((*ORDER_COLUMNS, "total")) + "\n", "two columns for total"),
    ],
)
def test_a_wrong_file_is_told_in_one_sentence(exports: Exports, content: str, words: str):
    (exports.root / "orders_export.csv").write_text(content)
    with pytest.raises(LoadError) as caught:
        exports.load()
    assert words in str(caught.value)
    assert "orders_export.csv" in str(caught.value)


def test_a_file_that_was_cut_off(exports: Exports):
    exports.orders(first_row(), line(), first_row("#1002", "5002"))
    file = exports.root / "orders_export.csv"
    file.write_bytes(file.read_bytes()[:-60])
    with pytest.raises(
        LoadError, match=r"orders_export.csv ends in the middle of a row \(line 4\)"
    ):
        exports.load()


def test_without_an_orders_export(exports: Exports):
    exports.customers({"Customer ID": "1"})
    with pytest.raises(SourceError, match="has no orders export of Shopify, only customers"):
        ShopifyCsvSource(exports.root)
