"""The tables Fivetran's Shopify connector keeps, in a DuckDB file or a folder of Parquet files.

Tables the connector does not have may lie beside them as canonical files.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from dagster_project.sources import native
from dagster_project.sources.base import Staged
from dagster_project.sources.canonical import stage_files
from dagster_project.sources.errors import SourceError
from dagster_project.sources.files import table_of
from dagster_project.sources.fivetran_shopify_sql import (
    COLUMNS,
    DISCOUNT_TABLES,
    MAPPED,
    REQUIRED_TABLE,
)

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from dagster_project.sources.contract import Table

_DATABASE_ENDINGS = (".duckdb", ".db")


class FivetranShopifySource:
    """The connector's tables at `location`: a folder of Parquet, or `file.duckdb`.

    `file.duckdb#schema` names the schema where several have the connector's tables.

    Raises:
        SourceError: there is nothing to load.
    """

    def __init__(self, location: str | Path) -> None:
        path, _, schema = str(location).partition("#")
        self._path = Path(path).expanduser()
        self._schema = schema or None
        self._is_database = self._path.is_file() and self._path.suffix in _DATABASE_ENDINGS
        if not self._is_database and not self._path.is_dir():
            message = (
                f"SEGMENTS_SOURCE is {path}: expected a DuckDB file "
                f"({', '.join(_DATABASE_ENDINGS)}) or a folder with {REQUIRED_TABLE}.parquet "
                "and the connector's other tables"
            )
            raise SourceError(message)
        beside = self._path.parent if self._is_database else self._path
        self._companions = {
            name: ((file, file.name),)
            for file in sorted(beside.iterdir())
            if file.is_file() and (name := table_of(file)) is not None and name not in MAPPED
        }
        self._read_by: DuckDBPyConnection | None = None
        self._present: set[str] = set()
        self._shown = self._path.name

    @property
    def warnings(self) -> tuple[str, ...]:
        """Nothing: what is missing is in the catalog."""
        return ()

    def stage(self, con: DuckDBPyConnection, table: Table) -> Staged | None:
        """Put the rows of `table` as text into the temporary tables of `sources.base`.

        Raises:
            SourceError: the connector's order table is missing.
            LoadError: a table cannot be read.
        """
        mapped = MAPPED.get(table.name)
        if mapped is None:
            companions = self._companions.get(table.name)
            return stage_files(con, table, companions) if companions else None
        if self._read_by is not con:
            self._look(con)
            self._read_by = con
        if not any(name.partition(".")[0] in mapped.any_of for name in self._present):
            if table.name != "order_discounts" or self._has_discounts(con):
                return None
            # The connector makes a table with its first row: nobody had a discount yet.
            return native.stage(
                con, mapped, {f"{t}.{c}" for t in DISCOUNT_TABLES for c in COLUMNS[t]}, self._shown
            )
        return native.stage(con, mapped, self._present, self._shown)

    def _look(self, con: DuckDBPyConnection) -> None:
        """Make the views of what is there."""
        names = tuple(COLUMNS)
        if self._is_database:
            found = native.in_database(con, self._path, self._schema, names, REQUIRED_TABLE)
        else:
            found = native.in_folder(self._path, names)
        if REQUIRED_TABLE not in found.relations:
            message = (
                f"{self._path.name} has no {REQUIRED_TABLE}.parquet: expected one Parquet file, "
                "or a folder of them, for each table of the connector; found "
                f"{', '.join(sorted(found.relations)) or 'none of them'}"
            )
            raise SourceError(message)
        self._present = native.make_views(con, found, COLUMNS)
        self._shown = found.shown

    def _has_discounts(self, con: DuckDBPyConnection) -> bool:
        """Whether orders had discounts, whose records are then not synced."""
        row = con.execute(
            "SELECT 1 FROM n_order WHERE TRY_CAST(total_discounts AS DECIMAL(18,4)) > 0 LIMIT 1"
        ).fetchone()
        return row is not None
