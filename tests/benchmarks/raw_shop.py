"""Makes schema `raw` of a shop of any size as the loader leaves it, in SQL and always the same.

Every fifth order is another person's first. Orders a person are spread as shops have them (many
once, a few fifty), over three years; people are seen as guests, under two addresses and on shared
phones; money adds up from lines to totals.
"""

from __future__ import annotations

from pathlib import Path

import duckdb

from dagster_project.sources import TABLES
from dagster_project.sources.raw_tables import ensure_bookkeeping
from dagster_project.sources.sql import identifier
from tests.benchmarks import raw_shop_sql

AS_OF = "2026-11-21"
LEAST_ORDERS = 1_000
# The list of orders a person below is for a hundred people and five hundred orders.
ORDERS_A_STEP = 500

SETTINGS = ("SET TimeZone = 'UTC'", "SET threads = 2", "SET memory_limit = '4GB'")
"""What DuckDB has on two processors: the memory is that of the dbt profile."""


def write(home: Path, orders: int) -> Path:
    """Write the raw schema of so many orders (a multiple of 500) into the warehouse of a home."""
    if orders % ORDERS_A_STEP or orders < LEAST_ORDERS:
        raise ValueError(f"{orders} orders: a multiple of {ORDERS_A_STEP} from {LEAST_ORDERS:,} on")
    home.mkdir(parents=True, exist_ok=True)
    file = home / "warehouse.duckdb"
    with duckdb.connect(str(file)) as con:
        for statement in SETTINGS:
            con.execute(statement)
        _make_tables(con)
        con.execute(f"SET VARIABLE people = {orders // 5}")
        for statement in raw_shop_sql.STATEMENTS:
            con.execute(statement)
    return file


def _make_tables(con: duckdb.DuckDBPyConnection) -> None:
    """Every canonical table and column, each of which the source had."""
    ensure_bookkeeping(con)
    for table in TABLES:
        columns = ", ".join(f"{identifier(c.name)} {c.kind.sql_type}" for c in table.columns)
        con.execute(f"CREATE TABLE raw.{identifier(table.name)} ({columns})")
        con.execute(
            "INSERT INTO raw.source_columns SELECT ?, unnest(?), true",
            [table.name, [column.name for column in table.columns]],
        )
