"""Results of bulk operations: what becomes of their lines, and of a second file."""

from __future__ import annotations

import gzip
import json
import os
import random
from pathlib import Path
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from dagster_project.sources import (
    LoadError,
    LoadOptions,
    LoadResult,
    SourceError,
    load,
    load_table,
    open_source,
    table_named,
)
from tests.support.bulk import application, line, listed, money, order, write

TABLES = ("orders", "order_discounts", "order_lines", "refunds", "customers")


class Shop:
    """A folder of results and a warehouse they are loaded into."""

    def __init__(self, folder: Path, **options: Any) -> None:
        self.folder = folder
        self.folder.mkdir(exist_ok=True)
        self.con = duckdb.connect()
        self.con.execute("SET TimeZone = 'UTC'")
        self.options = LoadOptions("America/New_York", **options)

    def put(self, name: str, *nodes: dict[str, Any]) -> None:
        write(self.folder / f"{name}.jsonl", *nodes)

    def load(self) -> dict[str, LoadResult]:
        source = open_source("shopify_bulk", str(self.folder))
        return {
            name: load_table(self.con, table_named(name), source, self.options)
            for name in (*TABLES, "suppressions")
        }

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return self.con.execute(sql).fetchall()

    def tables(self) -> dict[str, list[tuple[Any, ...]]]:
        return {name: self.query(f"FROM raw.{name} ORDER BY ALL") for name in TABLES}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path / "results")


def test_children_find_their_order_wherever_they_lie(shop: Shop) -> None:
    nodes = [
        order(1),
        order(2),
        line(1, 11),
        line(1, 12),
        line(2, 21),
        application(2, 0, "DiscountCodeApplication", code="WELCOME"),
    ]
    for seed in range(5):
        random.Random(seed).shuffle(nodes)
        shop.put("orders", *nodes)
        assert shop.load()["order_lines"].rows == 3
        assert shop.query("SELECT order_id, kind, code FROM raw.order_discounts") == [
            ("2", "code", "WELCOME")
        ]
        assert shop.query("SELECT order_id, line_id FROM raw.order_lines ORDER BY ALL") == [
            ("1", "11"),
            ("1", "12"),
            ("2", "21"),
        ]


def test_trap_09_kinds_come_from_the_application_and_money_from_the_allocations(shop: Shop) -> None:
    shop.put(
        "orders",
        order(1, discountCodes=["SPRING30", "FREESHIP"], totalDiscountsSet=money("9.00")),
        line(1, 11, ("3.00", 0), ("1.00", 1)),
        line(1, 12, ("2.00", 0), ("0.50", 2)),
        {
            "id": "gid://shopify/ShippingLine/5",
            "discountAllocations": [
                {"allocatedAmountSet": money("2.50"), "discountApplication": {"index": 3}}
            ],
            "__parentId": "gid://shopify/Order/1",
        },
        application(1, 0, "ManualDiscountApplication", title="Sorry", description="late"),
        application(1, 1, "ScriptDiscountApplication", title="Two for one"),
        application(1, 2, "AutomaticDiscountApplication", title="Summer"),
        application(1, 3, "DiscountCodeApplication", code="freeship", targetType="SHIPPING_LINE"),
    )
    shop.load()
    assert shop.query(
        "SELECT discount_index, kind, code, title, target, amount::DOUBLE FROM raw.order_discounts "
        "ORDER BY ALL"
    ) == [
        (0, "manual", None, "Sorry", "line_item", 5.0),
        (1, "script", None, "Two for one", "line_item", 1.0),
        (2, "automatic", None, "Summer", "line_item", 0.5),
        (3, "code", "freeship", None, "shipping", 2.5),
        # No application names it; its money, if any, is in one of them.
        (1000, "code", "SPRING30", "SPRING30", "line_item", None),
    ]
    assert shop.query("SELECT discount_amount::DOUBLE FROM raw.orders") == [(6.5,)]


def test_an_application_without_a_type_name_is_told_by_its_fields(shop: Shop) -> None:
    nameless = {"targetType": "LINE_ITEM", "__parentId": "gid://shopify/Order/1"}
    shop.put(
        "orders",
        order(1),
        {"index": 0, "code": "A", **nameless},
        {"index": 1, "description": "by hand", **nameless},
        {"index": 2, "title": "an app's", **nameless},
    )
    shop.load()
    assert shop.query("SELECT kind FROM raw.order_discounts ORDER BY discount_index") == [
        ("code",),
        ("manual",),
        ("app",),
    ]


def test_money_is_the_shops_and_an_edit_shows_in_the_lines(shop: Shop) -> None:
    shop.put(
        "orders",
        order(
            1,
            currencyCode="USD",
            presentmentCurrencyCode="EUR",
            subtotalPriceSet=money("18.00"),
            totalShippingPriceSet=money("4.00"),
            totalTaxSet=money("1.50"),
            totalRefundedSet=money("8.00"),
            refunds=[
                {
                    "id": "gid://shopify/Refund/7",
                    "createdAt": "2026-10-05T12:00:00Z",
                    "totalRefundedSet": money("3.00"),
                },
                {
                    "id": "gid://shopify/Refund/8",
                    "createdAt": "2026-10-06T12:00:00Z",
                    "totalRefundedSet": money("5.00"),
                },
            ],
        ),
        line(1, 11, ("2.00", 0), quantity=3, currentQuantity=1),
    )
    shop.load()
    assert shop.query(
        "SELECT currency, gross_amount::DOUBLE, discount_amount::DOUBLE, shipping_amount::DOUBLE, "
        "tax_amount::DOUBLE, refunded_amount::DOUBLE FROM raw.orders"
    ) == [("USD", 20.0, 2.0, 4.0, 1.5, 8.0)]
    assert shop.query("SELECT refund_id, amount::INT FROM raw.refunds ORDER BY 1") == [
        ("7", 3),
        ("8", 5),
    ]
    assert shop.query("SELECT refunded_quantity::INT FROM raw.order_lines") == [(2,)]


def test_what_the_query_did_not_ask_for_is_missing(shop: Shop) -> None:
    shop.put("orders", order(1))
    results = shop.load()
    assert not results["order_lines"].present
    assert not results["customers"].present
    assert not results["order_discounts"].present
    assert {"is_test", "tags", "phone", "user_agent"} <= set(results["orders"].missing_columns)


def test_no_discounts_are_none_where_the_orders_say_so(shop: Shop) -> None:
    shop.put("orders", order(1, totalDiscountsSet=money("0.00")))
    assert shop.load()["order_discounts"].present
    shop.put("orders", order(1, totalDiscountsSet=money("1.00")))
    assert not shop.load()["order_discounts"].present


def test_customers_of_an_operation_of_their_own(shop: Shop) -> None:
    shop.put("orders", order(1, customer={"id": "gid://shopify/Customer/5"}))
    shop.put(
        "people",
        {
            "id": "gid://shopify/Customer/5",
            "firstName": "Ada",
            "updatedAt": "2026-11-01T00:00:00Z",
            "defaultEmailAddress": {
                "emailAddress": "ada@example.com",
                "marketingState": "NOT_SUBSCRIBED",
                "marketingUpdatedAt": "2026-01-01T00:00:00Z",
            },
            "defaultPhoneNumber": {"phoneNumber": "+12025550123", "marketingState": "SUBSCRIBED"},
            "numberOfOrders": "3",
            "amountSpent": {"amount": "30.00"},
            "tags": ["vip", "b2b"],
        },
    )
    shop.load()
    assert shop.query(
        "SELECT customer_id, email, phone, email_consent, sms_consent, tags, reported_orders, "
        "reported_spent::INT FROM raw.customers"
    ) == [("5", "ada@example.com", "+12025550123", "never", "subscribed", "vip, b2b", 3, 30)]
    assert shop.query("SELECT customer_id FROM raw.orders") == [("5",)]


def test_an_order_comes_whole_from_the_file_in_which_it_changed_last(shop: Shop) -> None:
    old = order(1, "2026-11-01T00:00:00Z", email="old@example.com")
    new = order(1, "2026-11-03T00:00:00Z", email="new@example.com")
    code = application(1, 0, "DiscountCodeApplication", code="GONE")
    shop.put("a", new, line(1, 12))
    shop.put("b", old, line(1, 11), code, order(2))
    shop.load()
    assert shop.query("SELECT order_id, email FROM raw.orders ORDER BY 1") == [
        ("1", "new@example.com"),
        ("2", "person2@example.com"),
    ]
    assert shop.query("SELECT line_id FROM raw.order_lines") == [("12",)]
    assert shop.query("FROM raw.order_discounts") == []


def test_a_changed_order_replaces_itself_with_all_its_children(shop: Shop) -> None:
    code = application(1, 0, "DiscountCodeApplication", code="SALE")
    shop.put("2026-11-01", order(1), line(1, 11), line(1, 12), code, order(2), line(2, 21))
    shop.load()
    shop.put("2026-11-02", order(1, "2026-11-02T00:00:00Z"), line(1, 12), order(3), line(3, 31))
    results = shop.load()
    assert results["orders"].rows == 3
    assert shop.query("SELECT line_id FROM raw.order_lines ORDER BY 1") == [
        ("12",),
        ("21",),
        ("31",),
    ]
    assert shop.query("FROM raw.order_discounts") == []


def test_an_order_that_a_later_list_lacks_leaves_with_all_its_children(shop: Shop) -> None:
    shop.put("1-orders", order(1), line(1, 11), order(2), line(2, 21), order(3))
    shop.load()
    shop.put("2-all", *listed(2, 3))
    shop.put("3-orders", order(4), line(4, 41))
    shop.load()
    assert shop.query("SELECT order_id FROM raw.orders ORDER BY 1") == [("2",), ("3",), ("4",)]
    assert shop.query("SELECT order_id FROM raw.order_lines ORDER BY 1") == [("2",), ("4",)]


def test_only_new_files_are_read(shop: Shop) -> None:
    shop.put("1", *[order(number) for number in range(1, 5)])
    shop.load()
    first = shop.folder / "1.jsonl"
    about = first.stat()
    first.write_bytes(b"x" * about.st_size)
    os.utime(first, ns=(about.st_atime_ns, about.st_mtime_ns))
    shop.put("2", order(9))
    assert shop.load()["orders"].rows == 5


def test_a_file_that_changed_or_went_is_read_with_all_others(shop: Shop) -> None:
    shop.put("1", order(1), order(2))
    shop.put("2", order(3))
    shop.load()
    shop.put("1", order(1), order(2), order(4))
    assert shop.load()["orders"].rows == 4
    (shop.folder / "2.jsonl").unlink()
    assert shop.load()["orders"].rows == 3


def test_files_are_read_again_when_the_shop_has_another_zone(shop: Shop) -> None:
    shop.put("1", order(1, createdAt="2026-10-01T00:30:00"))
    shop.load()
    shop.options = LoadOptions("Europe/London")
    shop.load()
    assert shop.query("SELECT ordered_at::VARCHAR FROM raw.orders") == [("2026-09-30 23:30:00+00",)]


def test_another_source_in_between_is_not_added_to(shop: Shop, tmp_path: Path) -> None:
    shop.put("1", order(1), order(2))
    shop.load()
    (tmp_path / "orders.csv").write_text("order_id,ordered_at,total_amount\n7,2026-10-01,1\n")
    load(shop.con, open_source("canonical", str(tmp_path / "orders.csv")), shop.options)
    shop.put("2", order(3))
    shop.load()
    assert shop.query("SELECT order_id FROM raw.orders ORDER BY 1") == [("1",), ("2",), ("3",)]


_CHANGES = st.lists(
    st.tuples(
        st.integers(1, 4),  # which order
        st.integers(1, 6),  # the day it changed last
        st.lists(st.integers(1, 3), unique=True),  # its lines
        st.booleans(),  # with a code
    ),
    min_size=1,
    max_size=4,
    unique_by=lambda change: change[0],
)
_FILES = st.lists(
    st.one_of(_CHANGES, st.lists(st.integers(1, 4), min_size=1, unique=True)), max_size=5
)


@given(files=_FILES)
@settings(max_examples=10, deadline=None)
def test_file_after_file_ends_where_all_files_at_once_do(
    tmp_path_factory: pytest.TempPathFactory, files: list[Any]
) -> None:
    folder = tmp_path_factory.mktemp("results")
    step_by_step = Shop(folder, min_kept_fraction=0)
    # Somebody always stays: an order table without rows is refused.
    step_by_step.put("0", order(9), line(9, 91))
    step_by_step.load()
    for number, content in enumerate(files, start=1):
        if isinstance(content[0], int):
            nodes = listed(9, *content)
        else:
            nodes = []
            for name, day, lines, has_code in content:
                # Two states of an order at one moment are one state.
                amount = money(f"{name}{day}.{len(lines)}{int(has_code)}")
                updated = f"2026-11-0{day}T00:00:0{len(lines)}Z"
                nodes.append(order(name, updated, totalPriceSet=amount))
                nodes += [line(name, 10 * name + nth) for nth in lines]
                if has_code:
                    nodes.append(application(name, 0, "DiscountCodeApplication", code="X"))
        step_by_step.put(str(number), *nodes)
        step_by_step.load()
    at_once = Shop(folder, min_kept_fraction=0)
    at_once.load()
    assert step_by_step.tables() == at_once.tables()


def test_gzipped_results_are_read(shop: Shop) -> None:
    text = json.dumps(order(1)) + "\n"
    (shop.folder / "orders.jsonl.gz").write_bytes(gzip.compress(text.encode()))
    assert shop.load()["orders"].rows == 1


def test_canonical_files_beside_the_results_are_read_whole(shop: Shop) -> None:
    shop.put("1", order(1))
    suppressions = shop.folder / "suppressions.csv"
    suppressions.write_text("email,channel\nperson1@example.com,all\n")
    assert shop.load()["suppressions"].rows == 1
    shop.put("2", order(2))
    suppressions.write_text("email,channel\n")
    assert shop.load()["suppressions"].rows == 0


def test_a_file_that_was_cut_off_is_refused_and_nothing_is_lost(shop: Shop) -> None:
    shop.put("1", order(1))
    shop.load()
    whole = "".join(json.dumps(node) + "\n" for node in (order(2), line(2, 21)))
    (shop.folder / "2.jsonl").write_text(whole[:-30])
    with pytest.raises(LoadError, match=r"2\.jsonl was cut off in its last line: download it"):
        shop.load()
    assert shop.query("SELECT order_id FROM raw.orders") == [("1",)]
    (shop.folder / "2.jsonl").write_text(whole)
    assert shop.load()["orders"].rows == 2


@pytest.mark.parametrize(
    "text", ["", "<html>log in</html>\n", '{"errors": [{"message": "no"}]}\n', "[1, 2]\n"]
)
def test_a_file_that_is_no_result_is_refused(shop: Shop, text: str) -> None:
    (shop.folder / "1.jsonl").write_text(text)
    with pytest.raises(LoadError, match=r"1\.jsonl holds no order and no customer: expected"):
        shop.load()


def test_lines_that_are_nothing_are_rejected_by_number(shop: Shop) -> None:
    shop.options = LoadOptions("UTC", max_rejected_fraction=0.9)
    nodes = [json.dumps(order(1)), "{broken", json.dumps(line(8, 81)), json.dumps(line(1, 11))]
    (shop.folder / "1.jsonl").write_text("\n".join(nodes) + "\n")
    shop.load()
    assert shop.query(
        "SELECT table_name, source_file, source_line, reason FROM raw.rejected_rows ORDER BY ALL"
    ) == [
        ("order_lines", "1.jsonl", 3, "its order is not in the file"),
        ("orders", "1.jsonl", 2, "line is no JSON object in UTF-8"),
    ]
    shop.put("2", order(2))
    assert shop.load()["orders"].rows == 2


def test_a_rejected_order_is_forgotten_when_it_comes_mended(shop: Shop) -> None:
    shop.options = LoadOptions("UTC", max_rejected_fraction=0.9)
    shop.put("1", order(1), order(2, totalPriceSet=money("ten")))
    assert shop.load()["orders"].rejected == 1
    shop.put("2", order(2, "2026-11-05T00:00:00Z"))
    shop.load()
    assert shop.query("FROM raw.rejected_rows") == []
    assert shop.query("SELECT order_id FROM raw.orders ORDER BY 1") == [("1",), ("2",)]


def test_a_share_of_rejected_rows_is_a_share_of_the_whole_table(shop: Shop) -> None:
    shop.put("1", *[order(number) for number in range(1, 200)])
    shop.load()
    shop.put("2", order(200, totalPriceSet=money("ten")))
    results = shop.load()
    assert (results["orders"].rows, results["orders"].rejected) == (199, 1)


def test_a_list_that_lacks_most_orders_is_refused(shop: Shop) -> None:
    shop.put("1", *[order(number) for number in range(1, 11)])
    shop.load()
    shop.put("2", *listed(1, 2))
    with pytest.raises(LoadError, match="orders has 2 rows and its last load had 10"):
        shop.load()
    assert shop.query("SELECT count(*) FROM raw.orders") == [(10,)]


def test_a_folder_without_results_says_what_is_expected(tmp_path: Path) -> None:
    (tmp_path / "orders.csv").write_text("order_id\n")
    with pytest.raises(SourceError, match=r"expected files ending in \.jsonl or \.jsonl\.gz"):
        open_source("shopify_bulk", str(tmp_path))
