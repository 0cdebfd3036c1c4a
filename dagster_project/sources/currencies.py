"""Refuses amounts nobody can compare: orders in a currency without a rate to the shop's own.

An order without a currency is in the shop's. The rate of an order is the one with the latest
`valid_from` on or before its shop-local day; a rate without `valid_from` holds from ever on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster_project.sources.base import canonical_slot
from dagster_project.sources.casting import filled, is_currency
from dagster_project.sources.checks import TYPED_ROWS
from dagster_project.sources.contract import table_named
from dagster_project.sources.errors import LoadError
from dagster_project.sources.raw_tables import loaded_tables
from dagster_project.sources.sql import identifier, literal

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from dagster_project.sources.base import Staged
    from dagster_project.sources.contract import Table

_ORDERS = table_named("orders")
_RATES = table_named("exchange_rates")
_CURRENCY = identifier(canonical_slot("currency"))


def require_rates(
    con: DuckDBPyConnection,
    table: Table,
    staged: Staged,
    *,
    shop_currency: str,
    shop_timezone: str,
) -> None:
    """Check the typed rows of the orders or of the rates; other tables hold no currency.

    Raises:
        LoadError: orders are in a currency that has no rate on their day, or the rates lead to
            another currency than the shop's.
    """
    if table is _RATES:
        _require_own_currency(con, shop_currency)
    elif table is _ORDERS and "currency" in staged.present:
        _require_covered_orders(con, shop_currency, shop_timezone)


def _require_own_currency(con: DuckDBPyConnection, shop_currency: str) -> None:
    rate = identifier(canonical_slot("rate"))
    other = con.execute(
        f"SELECT max({rate}) FROM {TYPED_ROWS} WHERE {_CURRENCY} = ? AND {rate} <> 1",
        [shop_currency],
    ).fetchone()
    if other and other[0] is not None:
        message = (
            f"{_RATES.name} must say what one unit of a currency is worth in SHOP_CURRENCY, and "
            f"says that one {shop_currency} is worth {other[0].normalize():f}, so its rates lead "
            f"to another currency than {shop_currency}: correct the rates or SHOP_CURRENCY. The "
            "table of the previous load stays as it was"
        )
        raise LoadError(message)


def _require_covered_orders(
    con: DuckDBPyConnection, shop_currency: str, shop_timezone: str
) -> None:
    rates = "SELECT NULL AS currency, NULL::DATE AS first_day WHERE false"
    if _RATES.name in loaded_tables(con):
        rates = f"""
          SELECT currency, min(coalesce(valid_from, '-infinity'::DATE)) AS first_day
          FROM raw.{identifier(_RATES.name)} GROUP BY currency"""
    spelled = f"upper({filled(_CURRENCY)})"
    shop = literal(shop_currency)
    # The first comparison settles nearly every row of nearly every shop, and costs little.
    uncovered = con.execute(
        f"""
        WITH foreign_orders AS (
          SELECT
            {spelled} AS currency,
            timezone({literal(shop_timezone)}, {identifier(canonical_slot("ordered_at"))})::DATE
              AS ordered_on,
            count(*) AS orders
          FROM {TYPED_ROWS}
          WHERE {_CURRENCY} <> {shop} AND {spelled} <> {shop}
          GROUP BY ALL
        )
        SELECT
          CASE WHEN {is_currency("currency")} THEN currency END AS shown,
          sum(orders) AS orders,
          min(first_day)::VARCHAR
        FROM foreign_orders LEFT JOIN ({rates}) AS rates USING (currency)
        WHERE first_day IS NULL OR ordered_on < first_day
        GROUP BY shown
        ORDER BY orders DESC, shown NULLS LAST
        """
    ).fetchall()
    if uncovered:
        found = ", ".join(_told(*row) for row in uncovered)
        message = (
            f"{_ORDERS.name} must be in SHOP_CURRENCY, {shop_currency}, or in a currency with a "
            f"rate on their day, and there are {found}: add {_RATES.name}.csv with "
            f"{', '.join(column.name for column in _RATES.columns)}, or set SHOP_CURRENCY. The "
            "table of the previous load stays as it was"
        )
        raise LoadError(message)


def _told(currency: str | None, orders: int, first_day: str | None) -> str:
    # What is no code may be anything that slipped into the wrong column, and messages end in logs.
    place = f"in {currency}" if currency else "in something that is no currency of three letters"
    since = f" before its first rate of {first_day}" if first_day else ""
    return f"{orders:,} {place}{since}"
