"""What a source says of orders that are missing before its first one is kept with the orders."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from dagster_project.sources import (
    CanonicalSource,
    History,
    LoadError,
    LoadOptions,
    load_table,
    table_named,
)
from tests.integration.load_shop import ORDERS, Shop

ROW = "1,2026-11-01,10\n"
SHORT = History(date(2026, 9, 23), "the platform gives the last 60 days")


class Cut(CanonicalSource):
    """Files that know what is missing before them."""

    said: History | None = SHORT

    def history(self) -> History | None:
        return self.said


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    return Shop(tmp_path)


def load(shop: Shop, content: str, said: History | None) -> None:
    shop.put("orders.csv", content)
    shop.put("costs.csv", "sku,unit_cost\nA,1\n")
    source = Cut(shop.root)
    source.said = said
    for table in ("orders", "costs"):
        options = LoadOptions("America/New_York", max_rejected_fraction=0.01)
        load_table(shop.con, table_named(table), source, options)


def known(shop: Shop) -> list[tuple[object, ...]]:
    return shop.query("SELECT whole_from, reason FROM raw.source_history")


def test_files_say_nothing_of_what_is_before_them(shop: Shop) -> None:
    shop.orders(ORDERS + ROW)
    assert known(shop) == []


@pytest.mark.parametrize("said", [SHORT, History(None, "the connector began late")])
def test_what_a_source_says_is_kept_until_it_says_something_else(shop: Shop, said: History) -> None:
    load(shop, ORDERS + ROW, said)
    assert known(shop) == [(said.whole_from, said.reason)]
    load(shop, ORDERS + ROW, said)
    assert known(shop) == [(said.whole_from, said.reason)]
    load(shop, ORDERS + ROW, None)
    assert known(shop) == []


def test_refused_orders_leave_what_was_said_of_the_ones_before(shop: Shop) -> None:
    load(shop, ORDERS + ROW, SHORT)
    with pytest.raises(LoadError):
        load(shop, ORDERS + ROW + "2,soon,10\n", None)
    assert known(shop) == [(SHORT.whole_from, SHORT.reason)]
