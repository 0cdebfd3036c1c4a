"""Loading a history: from CSV, from Parquet, from Shopify's export, and one more day of it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import duckdb

from dagster_project import warehouse
from dagster_project.sources import open_source, table_named
from dagster_project.sources.parts import Parts
from tests.benchmarks import load_files, raw_shop, shop, tree
from tests.benchmarks.load_once import OPTIONS, TABLES
from tests.benchmarks.table import Measure, require
from tests.benchmarks.tree import Used

_DAY = 20_000
# The rows of an export are wide: a gigabyte of them says as much as ten.
_MOST_EXPORTED = 1_000_000
_REPEATS = 2


def load_orders(folder: Path, orders: int) -> list[Measure]:
    """Canonical CSV of orders, which is what people begin with."""
    file = shop.write_orders(folder / "source", orders)
    return _compared(
        f"load of {orders:,} orders ({file.stat().st_size / 1e6:.0f} MB of CSV)",
        *("canonical", str(file.parent), [file], orders),
    )


def load_history(folder: Path, orders: int) -> list[Measure]:
    """Orders with lines and discounts, and a day's changes on top of them."""
    home = folder / "history"
    raw_shop.write(home, orders)
    parquet = load_files.write_parquet(home / "warehouse.duckdb", folder / "parquet", TABLES)
    measures = _compared(
        f"load of {orders:,} orders, lines and discounts from Parquet",
        *("canonical", str(folder / "parquet"), parquet, orders),
    )
    exported = min(orders, _MOST_EXPORTED)
    export = load_files.write_export(
        home / "warehouse.duckdb", folder / "export" / "orders.csv", exported
    )
    measures += _compared(
        f"load of {exported:,} orders from Shopify's export ({export.stat().st_size / 1e6:.0f} MB)",
        *("shopify_csv", str(export), [export], exported),
    )
    return [*measures, _one_more_day(folder, home / "warehouse.duckdb", orders)]


def _compared(
    name: str, source_format: str, location: str, files: list[Path], orders: int
) -> list[Measure]:
    """A load against DuckDB storing the same files, the faster of each."""
    loads, stores = [], []
    for _ in range(_REPEATS):
        stores.append(_run("load_plain", files[0].parent / "plain.duckdb", *map(str, files)))
        target = files[0].parent / "loaded.duckdb"
        loads.append(_run("load_once", target, source_format, location))
        with duckdb.connect(str(target), read_only=True) as con:
            found = con.execute("SELECT count(*) FROM raw.orders").fetchone()
        require("orders loaded", found, (orders,))
    loaded, stored = (min(runs, key=lambda used: used.seconds) for runs in (loads, stores))
    return [
        Measure(
            name,
            f"{loaded.seconds:.1f} s, peak {loaded.peak_bytes / 1e9:.2f} GB",
            loaded.seconds / stored.seconds,
            f"DuckDB storing the same as it is ({stored.seconds:.1f} s)",
        ),
        Measure(
            "  processors alone",
            f"{loaded.processor_seconds:.1f} s",
            loaded.processor_seconds / stored.processor_seconds,
            f"DuckDB storing the same as it is ({stored.processor_seconds:.1f} s)",
        ),
    ]


def _one_more_day(folder: Path, history: Path, orders: int) -> Measure:
    """A result with changed and new orders, on top of a warehouse that has all before it."""
    results = folder / "results"
    results.mkdir()
    load_files.write_result(history, results / "1.jsonl", 1)
    source = open_source("shopify_bulk", str(results))
    with warehouse.write(history) as con:
        for name in TABLES:
            # As a load of all results up to yesterday would have left it.
            Parts.of(source, table_named(name), OPTIONS).store(con)
    load_files.write_result(history, results / "2.jsonl", _DAY)
    used = _run("load_once", history, "shopify_bulk", str(results), fresh=False)
    with duckdb.connect(str(history), read_only=True) as con:
        found = con.execute("SELECT count(*) FROM raw.orders").fetchone()
    require("orders after one more day", found, (orders + _DAY // 2,))
    return Measure(
        f"one more day, {_DAY:,} changed and new orders on top of {orders:,}",
        f"{used.seconds:.1f} s, peak {used.peak_bytes / 1e9:.2f} GB",
    )


def _run(module: str, target: Path, *arguments: str, fresh: bool = True) -> Used:
    if fresh:
        target.unlink(missing_ok=True)
    command = [sys.executable, "-m", f"tests.benchmarks.{module}", str(target), *arguments]
    return tree.run(command, os.environ)
