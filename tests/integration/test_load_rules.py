from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from dagster_project.sources import TABLES
from tests.integration.load_shop import ORDERS, Shop, csv_text


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def read(shop: Shop, column: str, values: list[str]) -> list[str | None]:
    """The values of one order column as stored, in UTC; None for a rejected or an empty one."""
    rows = [[str(i), "2026-01-05", "1", value] for i, value in enumerate(values)]
    shop.orders(csv_text([["order_id", "ordered_at", "total_amount", column], *rows]))
    stored = dict(shop.query(f"SELECT order_id, {column}::VARCHAR FROM raw.orders"))
    return [stored.get(str(i)) for i in range(len(values))]


@pytest.mark.parametrize(
    ("text", "utc"),
    [
        ("2026-01-05T10:00:00Z", "2026-01-05 10:00:00+00"),
        ("2026-01-05 10:00:00Z", "2026-01-05 10:00:00+00"),
        ("2026-01-05T10:00Z", "2026-01-05 10:00:00+00"),
        ("2026-01-05 10:00:00 UTC", "2026-01-05 10:00:00+00"),
        ("2026-01-05T10:00:00.123456789Z", "2026-01-05 10:00:00.123456+00"),
        ("2026-01-05T10:00:00-05:00", "2026-01-05 15:00:00+00"),
        ("2026-01-05 10:00:00 -0500", "2026-01-05 15:00:00+00"),
        ("2026-01-05 10:00:00 -05:30", "2026-01-05 15:30:00+00"),
        ("2026-01-05T10:00+05:45", "2026-01-05 04:15:00+00"),
        ("2026-01-05T10:00:00+14", "2026-01-04 20:00:00+00"),
        (" 2026-01-05T10:00:00Z ", "2026-01-05 10:00:00+00"),
        # Shop-local, New York: winter is five hours behind UTC, summer four.
        ("2026-01-05", "2026-01-05 05:00:00+00"),
        ("2026-07-05", "2026-07-05 04:00:00+00"),
        ("2026-01-05 10:00", "2026-01-05 15:00:00+00"),
        ("2026-07-05T10:00:00.5", "2026-07-05 14:00:00.5+00"),
        # 2026-03-08 02:00 to 03:00 does not exist, 2026-11-01 01:00 to 02:00 exists twice.
        ("2026-03-08 01:59:59", "2026-03-08 06:59:59+00"),
        ("2026-03-08 02:30:00", "2026-03-08 07:30:00+00"),
        ("2026-03-08 03:00:00", "2026-03-08 07:00:00+00"),
        ("2026-11-01 00:59:59", "2026-11-01 04:59:59+00"),
        ("2026-11-01 01:30:00", "2026-11-01 06:30:00+00"),
        ("2026-11-01 02:00:00", "2026-11-01 07:00:00+00"),
        ("2026-11-01 01:30:00-04:00", "2026-11-01 05:30:00+00"),
    ],
)
def test_timestamps(shop: Shop, text: str, utc: str):
    assert read(shop, "updated_at", [text]) == [utc]


@pytest.mark.parametrize(
    "text",
    [
        "2026-13-01",
        "2026-02-29",
        "0000-00-00",
        "0001-01-01",
        "01/02/2026",
        "2026-1-5",
        "20260105",
        "2026-01-05 24:00:00",
        "2026-01-05 10:61",
        "2026-01-05 1:00",
        "2026-01-05T10:00:00+25:00",
        "2026-01-05T10:00:00 America/New_York",
        "1767607200",
        "yesterday",
        "infinity",
        "now()",
    ],
)
def test_what_is_no_timestamp(shop: Shop, text: str):
    assert read(shop, "updated_at", [text]) == [None]
    assert shop.rejected() == [(2, f'updated_at "{text}" is not a timestamp')]


def test_no_offset_means_the_shops_own_zone(shop: Shop):
    shop.timezone = "Asia/Tokyo"
    assert read(shop, "updated_at", ["2026-01-05 08:00"]) == ["2026-01-04 23:00:00+00"]


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("10", "10.0000"),
        ("-10.5", "-10.5000"),
        ("+1", "1.0000"),
        (".5", "0.5000"),
        (" 7. ", "7.0000"),
        ("1e2", "100.0000"),
        ("0.30000000000000004", "0.3000"),
        ("99999999999999.9999", "99999999999999.9999"),
    ],
)
def test_amounts(shop: Shop, text: str, amount: str):
    assert read(shop, "refunded_amount", [text]) == [amount]


@pytest.mark.parametrize(
    "text",
    ["1,234.50", "1.234,50", "$5", "5 USD", "NaN", "nan", "Infinity", "-inf", "1_000", "0x10",
     "100000000000000", "1e20", "1e9999", "--1", ".", "e5", "\uff11\uff12"],
)  # fmt: skip
def test_what_is_no_amount(shop: Shop, text: str):
    assert read(shop, "refunded_amount", [text]) == [None]
    assert shop.rejected() == [(2, f'refunded_amount "{text}" is not a number')]


def test_flags(shop: Shop):
    texts = ["true", "TRUE", "t", "Yes", "y", "1", "false", "F", "no", "N", "0", " true ", "", "2"]
    expected = ["true"] * 6 + ["false"] * 5 + ["true", None, None]
    assert read(shop, "is_test", texts) == expected
    assert shop.rejected() == [(15, 'is_test "2" is not true or false')]


def test_days_and_whole_numbers(shop: Shop):
    shop.put(
        "campaigns.csv",
        "campaign_id,starts_on,ends_on\n"
        "a,2026-01-05,2026-01-06\n"
        "b,2026-01-05T02:00:00Z,2026-01-06 00:00:00\n"  # still the 4th in New York
        "c,2026-01-32,2026-02-01\n",
    )
    shop.load("campaigns")
    assert shop.query("SELECT starts_on::VARCHAR, ends_on::VARCHAR FROM raw.campaigns") == [
        ("2026-01-05", "2026-01-06"),
        ("2026-01-04", "2026-01-06"),
    ]
    assert shop.rejected("campaigns") == [(4, 'starts_on "2026-01-32" is not a date')]
    shop.put(
        "order_discounts.csv",
        "order_id,kind,discount_index\n1,code,0\n2,code,1.0\n3,code,1.5\n4,code,99999999999\n",
    )
    shop.load("order_discounts")
    assert shop.column("SELECT discount_index FROM raw.order_discounts ORDER BY 1") == [0, 1]
    assert shop.rejected("order_discounts") == [
        (4, 'discount_index "1.5" is not a whole number'),
        (5, 'discount_index "99999999999" is not a whole number'),
    ]


def test_words_are_stored_in_one_spelling_and_others_are_rejected(shop: Shop):
    shop.put(
        "customers.csv",
        "customer_id,email_consent,sms_consent\n"
        "1,Subscribed, never \n2,yes,pending\n3,,UNSUBSCRIBED\n",
    )
    shop.load("customers")
    assert shop.query(
        "SELECT customer_id, email_consent, sms_consent FROM raw.customers ORDER BY 1"
    ) == [("1", "subscribed", "never"), ("3", None, "unsubscribed")]
    assert shop.rejected("customers") == [
        (3, 'email_consent "yes" is not one of subscribed, unsubscribed, pending, never')
    ]
    shop.put("order_discounts.csv", "order_id,kind,target\n1,coupon,line_item\n2,code,order\n")
    shop.load("order_discounts")
    assert [reason for _, reason in shop.rejected("order_discounts")] == [
        'kind "coupon" is not one of code, automatic, manual, script, app',
        'target "order" is not one of line_item, shipping',
    ]


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_every_required_column_must_be_filled(shop: Shop, table):
    required = [column.name for column in table.columns if column.required]
    shop.put("orders.csv", ORDERS)
    shop.put(f"{table.name}.csv", csv_text([[*required, "more"], [*[" "] * len(required), "x"]]))
    shop.load(table.name)
    expected = "; ".join(f"{name} is missing" for name in required)
    assert shop.rejected(table.name) == ([(2, expected)] if required else [])


def test_a_row_with_two_faults_is_one_rejected_row_with_both_reasons(shop: Shop):
    result = shop.orders(f"{ORDERS},soon,10\n2,2026-01-05,ten\n")
    assert shop.rejected() == [
        (2, 'order_id is missing; ordered_at "soon" is not a timestamp'),
        (3, 'total_amount "ten" is not a number'),
    ]
    assert result.reasons == {
        "order_id is missing": 1,
        "ordered_at is not a timestamp": 1,
        "total_amount is not a number": 1,
    }


def test_an_address_in_a_wrong_column_is_not_repeated_in_the_reason(shop: Shop):
    shop.orders(f"{ORDERS}1,2026-01-05,ann@example.com\n2,{'9' * 41},1\n")
    assert [reason for _, reason in shop.rejected()] == [
        "total_amount is not a number",
        "ordered_at is not a timestamp",
    ]


def test_text_is_stored_as_it_is_and_empty_is_null(shop: Shop):
    assert read(shop, "ship_city", [" Bath ", "", "  ", "0012", "NULL"]) == [
        " Bath ",
        None,
        "  ",
        "0012",
        "NULL",
    ]


def test_equal_rows_with_one_key_are_one_and_contradicting_ones_are_none(shop: Shop):
    result = shop.orders(
        "order_id,ordered_at,total_amount,seen_at\n"
        "1,2026-01-05,10,a\n"
        "1,2026-01-05T05:00:00Z,10.00,b\n"  # the same instant and amount; seen_at is not canonical
        "2,2026-01-05,10,a\n"
        "3,2026-01-05,10,a\n"
        "3 ,2026-01-05,11,a\n"
        "3,2026-01-05,10,a\n"
        "4,2026-01-05,10,a\n"
        "4,bad,10,a\n"
    )
    assert shop.query("SELECT order_id, seen_at FROM raw.orders ORDER BY 1") == [
        ("1", "a"),
        ("2", "a"),
        ("4", "a"),
    ]
    twice = "duplicate order_id with different content"
    assert shop.rejected() == [
        (5, twice),
        (6, twice),
        (7, twice),
        (9, 'ordered_at "bad" is not a timestamp'),
    ]
    assert (result.rows, result.rejected, result.duplicates) == (3, 4, 1)
    assert shop.rejected_rows()[1]["order_id"] == "3 "


def test_a_key_of_two_columns(shop: Shop):
    shop.put(
        "order_lines.csv",
        "order_id,line_id,quantity\n1,1,1\n1,2,1\n2,1,1\n2,1,1.000\n2,2,1\n2,2,5\n",
    )
    result = shop.load("order_lines")
    assert (result.rows, result.duplicates) == (3, 1)
    assert result.reasons == {"duplicate order_id, line_id with different content": 2}


def test_discounts_have_a_key_only_with_an_index(shop: Shop):
    header = "order_id,kind,discount_index,code,amount\n"
    shop.put(
        "order_discounts.csv",
        header
        + "1,code,0,A,5\n1,code,0,A,5\n"  # a repetition
        + "1,code,1,B,5\n1,code,1,B,6\n"  # a contradiction
        + "2,code,,A,5\n2,code,,A,6\n2,code,,A,5\n"  # two discounts, one repeated
        + "3,automatic,0,,5\n3,automatic,0,,6\n",  # a missing code is equal to a missing code
    )
    result = shop.load("order_discounts")
    assert (result.rows, result.rejected, result.duplicates) == (3, 4, 2)
    assert [line for line, _ in shop.rejected("order_discounts")] == [4, 5, 9, 10]


def test_tables_without_a_key_drop_only_identical_rows(shop: Shop):
    shop.put(
        "campaign_sends.csv",
        "campaign_id,sent_at,customer_id,batch\na,2026-01-05,1,x\na,2026-01-05,1,x\n"
        "a,2026-01-05,1,y\na,2026-01-05,,x\na,2026-01-05,,x\n",
    )
    result = shop.load("campaign_sends")
    assert (result.rows, result.rejected, result.duplicates) == (3, 0, 2)


def test_rows_that_point_nowhere_are_kept(shop: Shop):
    shop.put("orders.csv", ORDERS)
    shop.put("order_discounts.csv", "order_id,kind\nunknown,code\n")
    assert shop.load("order_discounts").rows == 1


def test_types_in_raw_are_those_of_the_contract(shop: Shop):
    shop.orders(f"{ORDERS}1,2026-01-05,10.5\n")
    for table in TABLES:
        shop.load(table.name)
    for table in TABLES:
        described = [(name, kind) for name, kind, *_ in shop.query(f"DESCRIBE raw.{table.name}")]
        assert described == [(column.name, column.kind.sql_type) for column in table.columns]
    assert shop.column("SELECT total_amount FROM raw.orders") == [Decimal("10.5000")]
