"""Fetching from Shopify: over loopback, from a stand-in that validates every document."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest

from dagster_project.sources import (
    Access,
    Account,
    LoadOptions,
    SourceError,
    load_table,
    local_copy,
    open_source,
    table_named,
)
from dagster_project.sources.shopify_api import ShopifyApi, ShopifyError
from dagster_project.sources.shopify_fetch import Fetched, Fetcher
from dagster_project.sources.shopify_state import STATE
from tests.support.bulk import money
from tests.support.shopify_admin import Admin, serving

SHOP = "fictitious.myshopify.com"
TOKEN = "shpat_fictitious"


class Lab:
    """A shop, a folder and a warehouse."""

    def __init__(self, folder: Path, admin: Admin, base: str) -> None:
        self.folder, self.admin, self.base = folder, admin, base
        self.logged: list[str] = []
        self.slept: list[float] = []
        self.con = duckdb.connect()
        self.con.execute("SET TimeZone = 'UTC'")

    def fetch(self, token: str = TOKEN, **options: Any) -> Fetched:
        with ShopifyApi(SHOP, token, sleep=self.slept.append, base_url=self.base) as api:
            return Fetcher(
                api,
                self.folder,
                shop=SHOP,
                sleep=self.slept.append,
                log=self.logged.append,
                **options,
            ).fetch()

    def load(self) -> list[tuple[Any, ...]]:
        source = open_source("shopify_bulk", str(self.folder))
        for name in ("orders", "order_lines", "order_discounts", "customers"):
            load_table(self.con, table_named(name), source, LoadOptions("America/New_York"))
        return self.con.execute("SELECT order_id FROM raw.orders ORDER BY 1").fetchall()

    def state(self) -> dict[str, Any]:
        content: dict[str, Any] = json.loads((self.folder / STATE).read_text())
        return content


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    admin = Admin(orders=[an_order(1), an_order(2)], customers=[a_customer(1)])
    with serving(admin) as base:
        yield Lab(tmp_path / "results", admin, base)


def an_order(number: int, updated: str = "2026-11-01T00:00:00Z") -> dict[str, Any]:
    share = {"allocatedAmountSet": money("2.00"), "discountApplication": {"index": 0}}
    amounts = ("total", "subtotal", "totalShipping", "totalTax")
    return {
        "id": f"gid://shopify/Order/{number}",
        "createdAt": "2026-10-30T00:00:00Z",
        "processedAt": "2026-10-30T00:00:00Z",
        "updatedAt": updated,
        "test": False,
        "email": f"person{number}@example.com",
        "displayFinancialStatus": "PAID",
        "currencyCode": "USD",
        "tags": [],
        "discountCodes": ["HELLO"],
        "customer": {"id": "gid://shopify/Customer/1"},
        **{f"{name.removesuffix('Price')}PriceSet": money("8.00") for name in amounts[:3]},
        "totalTaxSet": money("0.00"),
        "totalDiscountsSet": money("2.00"),
        "totalRefundedSet": money("0.00"),
        "refunds": [],
        "lineItems": [
            {
                "id": f"gid://shopify/LineItem/{number}1",
                "name": "Cup",
                "quantity": 1,
                "currentQuantity": 1,
                "isGiftCard": False,
                "originalUnitPriceSet": money("10.00"),
                "discountAllocations": [share],
            }
        ],
        "shippingLines": [],
        "discountApplications": [
            {
                "__typename": "DiscountCodeApplication",
                "index": 0,
                "allocationMethod": "ACROSS",
                "targetSelection": "ALL",
                "targetType": "LINE_ITEM",
                "code": "HELLO",
            }
        ],
    }


def a_customer(number: int) -> dict[str, Any]:
    return {
        "id": f"gid://shopify/Customer/{number}",
        "createdAt": "2026-01-01T00:00:00Z",
        "updatedAt": "2026-01-01T00:00:00Z",
        "tags": [],
        "numberOfOrders": "2",
        "amountSpent": {"amount": "16.00"},
        "defaultEmailAddress": {
            "emailAddress": f"person{number}@example.com",
            "marketingState": "SUBSCRIBED",
        },
    }


def a_day_later(lab: Lab) -> None:
    lab.admin.now += timedelta(days=1)


def test_the_first_fetch_brings_everything(lab: Lab) -> None:
    fetched = lab.fetch()
    assert lab.admin.started() == ["orders", "customers", "all-orders"]
    assert [name.partition("-")[2] for name in fetched.files] == [
        "orders.jsonl",
        "customers.jsonl",
        "all-orders.jsonl",
    ]
    assert lab.load() == [("1",), ("2",)]
    assert lab.con.execute(
        "SELECT kind, code, amount::INT FROM raw.order_discounts WHERE order_id = '1'"
    ).fetchall() == [("code", "HELLO", 2)]
    assert lab.con.execute("SELECT customer_id, email_consent FROM raw.customers").fetchall() == [
        ("1", "subscribed")
    ]
    assert fetched.whole_from is None


def test_the_next_day_asks_for_what_changed_and_deletes_what_is_gone(lab: Lab) -> None:
    lab.fetch()
    lab.load()
    a_day_later(lab)
    changed = an_order(1, "2026-11-21T12:00:00Z") | {"lineItems": [], "discountApplications": []}
    lab.admin.orders[:] = [
        changed | {"discountCodes": [], "totalDiscountsSet": money("0.00")},
        an_order(3, "2026-11-21T13:00:00Z"),
    ]
    lab.fetch()
    assert lab.load() == [("1",), ("3",)]
    assert lab.con.execute("SELECT order_id FROM raw.order_lines").fetchall() == [("3",)]
    assert lab.con.execute("SELECT order_id FROM raw.order_discounts").fetchall() == [("3",)]
    [second] = [
        op
        for op in lab.admin.operations
        if "updated_at" in op.query and "tags" in op.query and "lineItems" in op.query
    ]
    # From ten minutes before the first was begun: a change shows a moment after its time.
    assert "updated_at:>='2026-11-21T05:50:01Z'" in second.query


def test_a_fetch_without_any_change_brings_the_list_only(lab: Lab) -> None:
    lab.fetch()
    lab.load()
    a_day_later(lab)
    assert [name.partition("-")[2] for name in lab.fetch().files] == ["all-orders.jsonl"]
    assert lab.load() == [("1",), ("2",)]


def test_a_fetch_on_the_same_day_does_not_list_again(lab: Lab) -> None:
    lab.fetch()
    assert lab.fetch().files == ()
    a_day_later(lab)
    assert lab.fetch(list_every_days=7).files == ()
    assert lab.fetch(list_every_days=0).files == ()


@pytest.mark.parametrize("requests", range(12))
def test_a_run_that_dies_after_any_request_is_gone_on_with(lab: Lab, requests: int) -> None:
    class DeadError(BaseException):
        pass

    left = [requests]

    class Dying(ShopifyApi):
        def ask(self, *args: Any) -> dict[str, Any]:
            self._die()
            return super().ask(*args)

        def download(self, *args: Any) -> None:
            self._die()
            super().download(*args)

        def _die(self) -> None:
            if left[0] == 0:
                raise DeadError
            left[0] -= 1

    with Dying(SHOP, TOKEN, sleep=lab.slept.append, base_url=lab.base) as api:
        fetcher = Fetcher(api, lab.folder, shop=SHOP, sleep=lab.slept.append, log=lab.logged.append)
        with pytest.raises(DeadError):
            fetcher.fetch()
    # What changed after the operation of the dead run was begun must not wait for another day.
    lab.admin.now += timedelta(hours=3)
    lab.admin.orders.append(an_order(3, "2026-11-21T08:00:00Z"))
    lab.fetch()
    assert lab.load() == [("1",), ("2",), ("3",)]
    assert lab.admin.started().count("customers") <= 2


def test_a_result_that_broke_off_is_downloaded_from_there(lab: Lab) -> None:
    lab.admin.cut_off = 2
    lab.fetch()
    first, second, third, *_ = lab.admin.ranges
    assert first is None
    assert second is not None
    assert third is not None
    assert lab.load() == [("1",), ("2",)]
    assert not list(lab.folder.glob("*.part"))


def test_a_result_that_never_arrives_whole_is_no_file(lab: Lab) -> None:
    lab.admin.cut_off = 100
    with pytest.raises(ShopifyError, match="did not answer as it should") as caught:
        lab.fetch()
    assert "secret" not in str(caught.value)
    assert "127.0.0.1" not in str(caught.value)
    assert not list(lab.folder.glob("*.jsonl"))
    lab.admin.cut_off = 0
    lab.fetch()
    assert lab.load() == [("1",), ("2",)]
    # The second fetch used the operation of the first, and asked for what changed since.
    assert lab.admin.started() == ["orders", "customers", "orders", "customers", "all-orders"]


def test_being_throttled_and_a_bad_gateway_are_waited_out(lab: Lab) -> None:
    lab.admin.throttled, lab.admin.unavailable = 2, 2
    lab.fetch()
    assert lab.load() == [("1",), ("2",)]
    assert lab.slept[:4] == [1.0, 2.0, 4.0, 8.0]


@pytest.mark.parametrize("code", ["TIMEOUT", "INTERNAL_SERVER_ERROR", "ACCESS_DENIED"])
def test_a_failed_operation_is_told_and_started_anew_the_next_time(lab: Lab, code: str) -> None:
    lab.admin.failing = code
    with pytest.raises(ShopifyError, match=rf"for orders ended as FAILED \({code}\)"):
        lab.fetch()
    lab.fetch()
    assert lab.load() == [("1",), ("2",)]


def test_other_operations_of_the_app_are_waited_for(lab: Lab) -> None:
    lab.admin.polls = 3
    others = "{ customers { edges { node { id } } } }"
    for _ in range(5):
        lab.admin.run(others)

    def sleep(seconds: float) -> None:
        lab.slept.append(seconds)
        for operation in lab.admin.operations[:5]:
            lab.admin.poll(operation.id)

    with ShopifyApi(SHOP, TOKEN, sleep=sleep, base_url=lab.base) as api:
        Fetcher(api, lab.folder, shop=SHOP, sleep=sleep, log=lab.logged.append).fetch()
    assert lab.load() == [("1",), ("2",)]
    assert "other bulk operations of this app are running; waiting for them" in lab.logged


def test_a_refused_token_is_named_and_not_shown(lab: Lab) -> None:
    with pytest.raises(ShopifyError, match="SHOPIFY_ACCESS_TOKEN") as caught:
        lab.fetch(token="shpat_wrong_and_secret")
    assert "shpat" not in str(caught.value)
    assert lab.slept == []


def test_a_missing_scope_is_named(lab: Lab) -> None:
    lab.admin.scopes = ["read_orders"]
    with pytest.raises(ShopifyError, match="lacks the access scope read_customers"):
        lab.fetch()


def test_trap_24_an_app_that_sees_sixty_days_says_so_until_it_sees_all(lab: Lab) -> None:
    lab.admin.orders.append(an_order(3) | {"createdAt": "2025-01-01T00:00:00Z"})
    lab.admin.scopes = ["read_orders", "read_customers"]
    assert lab.fetch().whole_from == "2026-09-22"
    assert lab.load() == [("1",), ("2",)]
    assert lab.con.execute("SELECT whole_from::VARCHAR FROM raw.source_history").fetchall() == [
        ("2026-09-22",)
    ]
    a_day_later(lab)
    assert lab.fetch().whole_from == "2026-09-22"
    lab.admin.scopes.append("read_all_orders")
    a_day_later(lab)
    assert lab.fetch().whole_from is None
    assert lab.load() == [("1",), ("2",), ("3",)]
    assert lab.con.execute("FROM raw.source_history").fetchall() == []


def test_orders_that_an_app_no_longer_sees_are_not_taken_for_deleted(lab: Lab) -> None:
    lab.admin.scopes = ["read_orders", "read_customers"]
    lab.fetch()
    lab.load()
    lab.admin.now += timedelta(days=90)
    lab.admin.orders.append(
        an_order(3, "2027-02-18T00:00:00Z") | {"createdAt": "2027-02-18T00:00:00Z"}
    )
    lab.fetch()
    assert lab.load() == [("1",), ("2",), ("3",)]
    assert "all-orders" not in lab.admin.started()


def test_a_folder_of_another_shop_is_refused(lab: Lab) -> None:
    lab.fetch()
    with (
        ShopifyApi("other.myshopify.com", TOKEN, sleep=lab.slept.append, base_url=lab.base) as api,
        pytest.raises(ShopifyError, match=r"another shop than other\.myshopify\.com"),
    ):
        Fetcher(api, lab.folder, shop="other.myshopify.com", sleep=lab.slept.append, log=print)


def test_an_operation_whose_result_is_gone_is_not_gone_on_with(lab: Lab) -> None:
    lab.admin.cut_off = 100
    with pytest.raises(ShopifyError):
        lab.fetch()
    lab.admin.cut_off = 0
    lab.admin.now += timedelta(days=8)
    lab.fetch()
    assert lab.load() == [("1",), ("2",)]


def test_plain_http_elsewhere_is_refused() -> None:
    with pytest.raises(ShopifyError, match="SHOPIFY_BASE_URL has to begin with https://"):
        ShopifyApi(SHOP, TOKEN, sleep=print, base_url="http://shop.example")


def test_a_shops_name_is_a_source(tmp_path: Path) -> None:
    admin = Admin(orders=[an_order(1)], customers=[a_customer(1)])
    logged: list[str] = []
    with serving(admin) as base:
        access = Access(shop=Account(token=TOKEN, base_url=base))
        location = f"shopify://{SHOP}"
        for _ in range(2):
            with local_copy(
                "shopify_bulk", location, folder=tmp_path / "tmp", access=access, log=logged.append
            ) as folder:
                assert len(list(Path(folder).glob("*.jsonl"))) == 3
            # It stays, or everything would be fetched again.
            assert Path(folder).is_dir()
    assert Path(folder) == tmp_path / "shopify" / SHOP
    assert TOKEN not in " ".join(logged)


@pytest.mark.parametrize(
    ("source_format", "location", "token", "message"),
    [
        ("canonical", f"shopify://{SHOP}", TOKEN, "SEGMENTS_SOURCE_FORMAT=shopify_bulk"),
        ("shopify_bulk", "shopify://shop.example", TOKEN, r"expected shopify://<name>\.myshopify"),
        ("shopify_bulk", f"shopify://{SHOP}", None, "SHOPIFY_ACCESS_TOKEN is not set"),
    ],
)
def test_what_is_missing_is_said(
    tmp_path: Path, source_format: str, location: str, token: str | None, message: str
) -> None:
    access = Access(shop=Account(token=token))
    with (
        pytest.raises(SourceError, match=message),
        local_copy(source_format, location, folder=tmp_path / "tmp", access=access, log=print),
    ):
        pass
