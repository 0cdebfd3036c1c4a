"""A DuckDB file with tables of a connector, and what the loader makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import duckdb

from dagster_project.sources import LoadOptions, LoadResult, load, open_source


class Connector:
    """The file of one test; `source_format` is the adapter that reads it."""

    def __init__(self, folder: Path, source_format: str) -> None:
        self.file = folder / "connector.duckdb"
        self._source_format = source_format
        self.con = duckdb.connect()
        self.con.execute("SET TimeZone = 'UTC'")

    def put(self, table: str, query: str, schema: str = "shop") -> None:
        """Add a table with the rows of a query."""
        with duckdb.connect(str(self.file)) as con:
            con.execute(f"CREATE SCHEMA IF NOT EXISTS {schema}")
            con.execute(f'CREATE TABLE {schema}."{table}" AS {query}')

    def load(self, location: str | None = None, rejected: float = 0.01) -> dict[str, LoadResult]:
        """Load the file, or another location; above a share of `rejected` rows it is refused."""
        source = open_source(self._source_format, location or str(self.file))
        options = LoadOptions("America/New_York", max_rejected_fraction=rejected)
        results = load(self.con, source, options)
        return {result.table: result for result in results}

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        """Rows of a query on what was loaded."""
        return self.con.execute(sql).fetchall()
