"""Loading an order file into the warehouse."""

from __future__ import annotations

from pathlib import Path

import duckdb

from dagster_project.sources import LoadOptions, load_table, open_source, table_named
from tests.benchmarks import shop
from tests.benchmarks.table import Measure, best_seconds, require

_REPEATS = 2


def load_orders(folder: Path, orders: int) -> list[Measure]:
    file = shop.write_orders(folder / "source", orders)
    source = open_source("canonical", str(file.parent))
    options = LoadOptions("America/New_York")

    def load() -> None:
        warehouse = folder / "warehouse.duckdb"
        warehouse.unlink(missing_ok=True)
        with duckdb.connect(str(warehouse)) as con:
            result = load_table(con, table_named("orders"), source, options)
        require("orders loaded", result.rows, orders)

    def read() -> None:
        plain = folder / "plain.duckdb"
        plain.unlink(missing_ok=True)
        with duckdb.connect(str(plain)) as con:
            con.execute("create table orders as from read_csv(?, all_varchar = true)", [str(file)])

    loaded = best_seconds(_REPEATS, load)
    plainly = best_seconds(_REPEATS, read)
    megabytes = file.stat().st_size / 1e6
    return [
        Measure(
            f"load of {orders:,} orders ({megabytes:.0f} MB of CSV)",
            f"{loaded:.2f} s",
            loaded / plainly,
            f"DuckDB storing the same file as text ({plainly:.2f} s)",
        )
    ]
