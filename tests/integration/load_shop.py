"""A source folder in a temporary directory and a warehouse to load it into."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.sources import (
    CanonicalSource,
    LoadOptions,
    LoadResult,
    load_table,
    table_named,
)

ORDERS = "order_id,ordered_at,total_amount\n"


def csv_text(rows: list[list[str]], line_end: str = "\n") -> str:
    """What Python's own writer makes of `rows`, the first being the header."""
    out = io.StringIO()
    csv.writer(out, lineterminator=line_end).writerows(rows)
    return out.getvalue()


class Shop:
    def __init__(self, folder: Path) -> None:
        self.root = folder / "source"
        self.root.mkdir()
        self.con = duckdb.connect(str(folder / "warehouse.duckdb"))
        self.con.execute("SET TimeZone = 'UTC'")
        self.timezone = "America/New_York"
        self.currency = "USD"

    def put(self, name: str, content: str | bytes) -> None:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def load(self, table: str = "orders", fraction: float = 1.0, kept: float = 0.0) -> LoadResult:
        if table != "orders" and not (self.root / "orders.csv").exists():
            self.put("orders.csv", ORDERS)
        options = LoadOptions(
            self.timezone,
            max_rejected_fraction=fraction,
            min_kept_fraction=kept,
            shop_currency=self.currency,
        )
        return load_table(self.con, table_named(table), CanonicalSource(self.root), options)

    def orders(self, content: str | bytes, fraction: float = 1.0, kept: float = 0.0) -> LoadResult:
        self.put("orders.csv", content)
        return self.load(fraction=fraction, kept=kept)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        return self.con.execute(sql).fetchall()

    def column(self, sql: str) -> list[Any]:
        return [row[0] for row in self.query(sql)]

    def rejected(self, table: str = "orders") -> list[tuple[int, str]]:
        return [
            (line, reason)
            for line, reason in self.query(
                "SELECT source_line, reason FROM raw.rejected_rows "
                f"WHERE table_name = '{table}' ORDER BY source_file, source_line"
            )
        ]

    def rejected_rows(self, table: str = "orders") -> list[Any]:
        return [
            json.loads(text)
            for text in self.column(
                f"SELECT row FROM raw.rejected_rows WHERE table_name = '{table}' "
                "ORDER BY source_file, source_line"
            )
        ]
