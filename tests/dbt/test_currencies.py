"""A shop that sells in several currencies is the same shop as one whose amounts are converted."""

from __future__ import annotations

import csv
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path

import duckdb
import pytest

from tests.dbt.build import build_as_sample, dbt, load_folder
from tests.dbt.history import local_day
from tests.dbt.random_shop import random_shop
from tests.dbt.shop_files import write

# Cents times a rate of two decimals have four: nothing is rounded, so nothing may differ.
RATES = {
    "EUR": [(date.min, "1.25"), (date(2025, 6, 1), "0.80"), (date(2026, 3, 8), "1.10")],
    "SEK": [(date.min, "0.09")],
    "USD": [(date.min, "1")],
}
CURRENCIES = (" eur ", "EUR", "SEK", "", "USD")
AMOUNTS = {
    "orders": (
        *("total_amount", "gross_amount", "discount_amount", "shipping_amount", "tax_amount"),
        "refunded_amount",
    ),
    "order_lines": ("unit_price", "discount_amount"),
    "order_discounts": ("amount",),
    "refunds": ("amount",),
}

Row = dict[str, str]


def currency_of(order: Row) -> str:
    """One of the currencies: every order of a customer in another one."""
    return CURRENCIES[sum(map(ord, order["order_id"])) % len(CURRENCIES)]


def rate_of(order: Row) -> Decimal:
    day = local_day(datetime.fromisoformat(order["ordered_at"]))
    rates = RATES[currency_of(order).strip().upper() or "USD"]
    return Decimal([rate for valid_from, rate in rates if valid_from <= day][-1])


def converted(names: tuple[str, ...], rates: dict[str, Decimal], row: Row) -> Row:
    rate = rates[row["order_id"]]
    return row | {name: str(Decimal(row[name]) * rate) for name in names if row[name]}


def change(file: Path, changed: Callable[[Row], Row]) -> None:
    with file.open(encoding="utf-8", newline="") as lines:
        rows = [changed(row) for row in csv.DictReader(lines)]
    with file.open("w", encoding="utf-8", newline="") as lines:
        writer = csv.DictWriter(lines, rows[0])
        writer.writeheader()
        writer.writerows(rows)


@pytest.fixture(scope="module")
def homes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A shop of several currencies with rates, and the same shop with all amounts converted."""
    folder = tmp_path_factory.mktemp("currencies")
    mixed, single = folder / "mixed", folder / "single"
    write(random_shop(14, people=150), folder / "shop")
    with (folder / "shop" / "orders.csv").open(encoding="utf-8", newline="") as lines:
        rates = {row["order_id"]: rate_of(row) for row in csv.DictReader(lines)}
    for home in (mixed, single):
        shutil.copytree(folder / "shop", home / "source")
    change(mixed / "source" / "orders.csv", lambda row: row | {"currency": currency_of(row)})
    (mixed / "source" / "exchange_rates.csv").write_text(
        "currency,rate,valid_from\n"
        + "".join(
            f"{currency},{rate},{'' if day == date.min else day}\n"
            for currency, dated in RATES.items()
            for day, rate in dated
        ),
        encoding="utf-8",
    )
    for table, names in AMOUNTS.items():
        change(single / "source" / f"{table}.csv", partial(converted, names, rates))
    for home in (mixed, single):
        load_folder(home / "source", home)
        build_as_sample(
            tmp_path_factory,
            home,
            *("customers", "segment_periods", "orders", "source_quality"),
        )
    return mixed, single


@pytest.fixture(scope="module")
def shops(homes: tuple[Path, Path]) -> Iterator[dict[str, duckdb.DuckDBPyConnection]]:
    opened = {
        home.name: duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) for home in homes
    }
    yield opened
    for con in opened.values():
        con.close()


@pytest.mark.parametrize(
    ("table", "but"),
    [
        ("marts.customers", ""),
        ("marts.segment_periods", ""),
        ("marts.orders", "exclude (currency)"),
        ("intermediate.int_orders_owned", "exclude (currency)"),
        ("intermediate.int_order_discounts_summarised", ""),
        ("intermediate.int_product_lines", ""),
    ],
)
def test_trap_14_converted_before_or_after_the_load_it_is_one_shop(
    shops: dict[str, duckdb.DuckDBPyConnection], table: str, but: str
) -> None:
    mixed, single = (
        Counter(map(repr, con.execute(f"select * {but} from {table}").fetchall()))
        for con in (shops["mixed"], shops["single"])
    )
    assert mixed.total() > 100
    assert mixed - single == Counter()
    assert single - mixed == Counter()


def test_trap_14_an_order_keeps_the_currency_it_was_placed_in(
    shops: dict[str, duckdb.DuckDBPyConnection],
) -> None:
    told = shops["mixed"].execute("select distinct currency from marts.orders order by 1")
    assert told.fetchall() == [("EUR",), ("SEK",), ("USD",), (None,)]


def test_the_quality_of_the_source_counts_what_was_converted(
    shops: dict[str, duckdb.DuckDBPyConnection],
) -> None:
    def answers(shop: str, check: str) -> dict[str, int]:
        found = shops[shop].execute(
            'select detail, value::integer from marts.source_quality where "check" = ?', [check]
        )
        return dict(found.fetchall())

    in_currency = answers("mixed", "orders_in_currency")
    assert set(in_currency) == {"EUR", "SEK", "USD", "not given"}
    assert answers("mixed", "orders_converted") == {c: in_currency[c] for c in ("EUR", "SEK")}
    assert answers("single", "orders_converted") == {}


def test_trap_14_orders_without_a_rate_stop_the_build(
    homes: tuple[Path, Path], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    shutil.copy(homes[0] / "warehouse.duckdb", home)
    with duckdb.connect(str(home / "warehouse.duckdb")) as con:
        con.execute("DELETE FROM raw.exchange_rates WHERE currency = 'SEK'")
        [(orders,)] = con.execute(
            "SELECT count(*) FROM intermediate.int_orders_owned WHERE currency = 'SEK'"
        ).fetchall()

    result = dbt(home, "build", "--select", "+int_orders_known", "--store-failures")

    assert result.returncode != 0
    assert "Failure in test orders_are_in_shop_currency" in result.stdout
    with duckdb.connect(str(home / "warehouse.duckdb"), read_only=True) as con:
        [(schema,)] = con.execute(
            "SELECT schema_name FROM duckdb_tables() "
            "WHERE table_name = 'orders_are_in_shop_currency'"
        ).fetchall()
        assert con.execute(f"FROM {schema}.orders_are_in_shop_currency").fetchall() == [
            ("SEK", orders)
        ]
