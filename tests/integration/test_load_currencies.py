"""One shop currency, or a table of rates: what is mixed without them is refused by name."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from dagster_project.sources import LoadError
from tests.integration.load_shop import Shop

ORDERS = "order_id,ordered_at,total_amount,currency\n"
RATES = "currency,rate,valid_from\n"
MIXED = (
    f"{ORDERS}1,2026-01-05,10,USD\n2,2026-01-05,10,EUR\n3,2026-02-05,10,GBP\n4,2026-02-05,10,EUR\n"
)


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def load(shop: Shop, orders: str, rates: str | None = None) -> None:
    shop.put("orders.csv", orders)
    if rates is not None:
        shop.put("exchange_rates.csv", rates)
    shop.load("exchange_rates")
    shop.load()


def refused(shop: Shop, orders: str, rates: str | None = None) -> str:
    with pytest.raises(LoadError) as refusal:
        load(shop, orders, rates)
    return str(refusal.value)


def test_trap_14_a_mixed_file_without_rates_is_refused_by_name(shop: Shop):
    load(shop, f"{ORDERS}1,2026-01-05,10,USD\n")

    assert refused(shop, MIXED) == (
        "orders must be in SHOP_CURRENCY, USD, or in a currency with a rate on their day, and "
        "there are 2 in EUR, 1 in GBP: add exchange_rates.csv with currency, rate, valid_from, "
        "or set SHOP_CURRENCY. The table of the previous load stays as it was"
    )
    assert shop.column("SELECT order_id FROM raw.orders") == ["1"]


def test_trap_14_a_file_in_another_currency_than_the_shops_is_refused(shop: Shop):
    assert "there are 1 in EUR: add" in refused(shop, f"{ORDERS}1,2026-01-05,10,EUR\n")
    shop.currency = "EUR"
    load(shop, f"{ORDERS}1,2026-01-05,10,EUR\n")
    assert shop.column("SELECT currency FROM raw.orders") == ["EUR"]


def test_trap_14_orders_with_a_rate_are_loaded_as_they_are(shop: Shop):
    load(shop, MIXED, f"{RATES}EUR,1.1,\nGBP,1.3,\n")

    assert shop.query("SELECT currency, total_amount FROM raw.orders ORDER BY order_id") == [
        ("USD", 10),
        ("EUR", 10),
        ("GBP", 10),
        ("EUR", 10),
    ]
    assert shop.query("SELECT * FROM raw.exchange_rates ORDER BY 1") == [
        ("EUR", Decimal("1.1"), None),
        ("GBP", Decimal("1.3"), None),
    ]


def test_a_currency_is_told_whatever_its_spelling(shop: Shop):
    orders = ORDERS + "".join(
        f"{number},2026-01-05,10,{text}\n"
        for number, text in enumerate((" usd ", " eur ", "", " "))
    )
    assert "there are 1 in EUR: add" in refused(shop, orders)
    load(shop, orders, f"{RATES} eUr ,1.1,\n")
    assert shop.column("SELECT currency FROM raw.exchange_rates") == ["EUR"]


def test_orders_before_the_first_rate_are_not_covered(shop: Shop):
    rates = f"{RATES}EUR,1.1,2026-02-01\nEUR,1.2,2026-03-01\nGBP,1.3,\n"
    said = refused(shop, MIXED, rates)
    assert "there are 1 in EUR before its first rate of 2026-02-01: add" in said


def test_the_day_of_an_order_is_the_shops(shop: Shop):
    # Still the 31st in New York, already the 1st in Tokyo.
    orders = f"{ORDERS}1,2026-01-31T23:30:00-05:00,10,EUR\n"
    rates = f"{RATES}EUR,1.1,2026-02-01\n"
    assert "1 in EUR before its first rate of 2026-02-01" in refused(shop, orders, rates)
    shop.timezone = "Asia/Tokyo"
    load(shop, orders, rates)
    assert shop.column("SELECT order_id FROM raw.orders") == ["1"]


def test_an_address_in_the_column_of_the_currency_is_not_repeated(shop: Shop):
    said = refused(shop, f"{ORDERS}1,2026-01-05,10,ann@mail.example\n2,2026-01-05,10,US dollar\n")
    assert "there are 2 in something that is no currency of three letters: add" in said
    assert "ann" not in said


def test_rejected_orders_need_no_rate(shop: Shop):
    load(
        shop,
        f"{ORDERS}1,2026-01-05,10,USD\n2,soon,10,EUR\n3,2026-01-05,10,EUR\n3,2026-01-05,11,EUR\n",
    )
    assert shop.column("SELECT order_id FROM raw.orders") == ["1"]
    assert len(shop.rejected()) == 3


def test_rates_that_cannot_be_meant_are_rejected_with_their_line(shop: Shop):
    shop.put(
        "exchange_rates.csv",
        f"{RATES}EUR,0,\nGBP,-1.3,\nCHF,,\nSEK,1 to 10,\nEuro,1.1,\n,1.1,\n"
        "JPY,0.00000000001,\nDKK,0.15,soon\nVND,0.0000389105,\n",
    )
    shop.load("exchange_rates")
    assert shop.rejected("exchange_rates") == [
        (2, 'rate "0" is not a number above 0'),
        (3, 'rate "-1.3" is not a number above 0'),
        (4, "rate is missing"),
        (5, 'rate "1 to 10" is not a number above 0'),
        (6, 'currency "Euro" is not a currency of three letters'),
        (7, "currency is missing"),
        (8, 'rate "0.00000000001" is not a number above 0'),
        (9, 'valid_from "soon" is not a date'),
    ]
    assert shop.query("SELECT * FROM raw.exchange_rates") == [
        ("VND", Decimal("0.0000389105"), None)
    ]


def test_two_rates_for_one_day_are_none_and_so_the_orders_are_refused(shop: Shop):
    orders = f"{ORDERS}1,2026-01-05,10,EUR\n"
    said = refused(shop, orders, f"{RATES}EUR,1.1,\neur,1.2,\n")
    assert "there are 1 in EUR: add" in said
    assert shop.rejected("exchange_rates") == [
        (line, "duplicate currency, valid_from with different content") for line in (2, 3)
    ]
    load(shop, orders, f"{RATES}EUR,1.1,2026-01-01\neur,1.10,2026-01-01\n")
    assert shop.query("SELECT currency, rate FROM raw.exchange_rates") == [("EUR", Decimal("1.1"))]


def test_rates_that_lead_to_another_currency_are_refused(shop: Shop):
    said = refused(shop, MIXED, f"{RATES}USD,0.92,\nGBP,1.17,\nEUR,1,\n")
    assert "says that one USD is worth 0.92, so its rates lead to another currency" in said
    load(shop, MIXED, f"{RATES}USD,1,\nGBP,1.27,\nEUR,1.09,\n")
    assert len(shop.query("SELECT * FROM raw.orders")) == 4
