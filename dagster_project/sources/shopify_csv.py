"""Shopify's orders export and customers export, as the admin writes them.

The orders export has one row per line item. What belongs to the order (amounts, addresses, `Id`) is
on its first row only, so an order is the rows of one `Name` from that row on, and amounts are read
from that row and never filled down. Several exports may overlap: an order comes whole from the file
that reaches furthest into the present.

The file does not say what kind a discount is, when money went back, or whose account an order
belongs to. So a text in `Discount Code` counts as a code, an amount without one as an automatic
discount, there are no refunds with a date (`Refunded Amount` is what went back so far), and
customers are told apart by address and phone.

Tables the exports do not hold may lie beside them as canonical files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from dagster_project.sources import csv_rows
from dagster_project.sources.base import (
    MALFORMED_ROWS,
    STAGED_ROWS,
    Staged,
    canonical_slot,
    create_temporary_tables,
)
from dagster_project.sources.companions import Companions
from dagster_project.sources.errors import LoadError, SourceError
from dagster_project.sources.files import data_files
from dagster_project.sources.physical_lines import read_head, read_lines
from dagster_project.sources.shopify_csv_columns import (
    CUSTOMERS,
    ORDERS,
    Export,
    columns_of,
    export_of,
)
from dagster_project.sources.shopify_csv_sql import DERIVED, NATIVE_TABLES, STATEMENTS
from dagster_project.sources.sql import identifier

if TYPE_CHECKING:
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from dagster_project.sources.base import History
    from dagster_project.sources.contract import Table
    from dagster_project.sources.physical_lines import Head


class ShopifyCsvSource:
    """Exports of one shop in a folder, one file or a glob.

    Which file is which is told by its header, not by its name.

    Raises:
        SourceError: there is no orders export.
    """

    def __init__(self, location: str | Path) -> None:
        self._exports: dict[str, list[tuple[Path, str, Head]]] = {
            ORDERS.name: [],
            CUSTOMERS.name: [],
        }
        self._read_by: DuckDBPyConnection | None = None
        self._columns: dict[str, set[str]] = {ORDERS.name: set(), CUSTOMERS.name: set()}
        found = data_files(str(location))
        others = [entry for entry in found if not self._is_export(*entry)]
        self._companions = Companions(others, NATIVE_TABLES)
        if not self._exports[ORDERS.name]:
            names = ", ".join(shown for _, shown in found[:4])
            message = (
                f"{location} has no orders export of Shopify, only {names}: expected a CSV with "
                f"the columns {', '.join(ORDERS.marks)} (Orders > Export > All orders, plain CSV)"
            )
            raise SourceError(message)

    @property
    def warnings(self) -> tuple[str, ...]:
        """Files that were ignored, and why."""
        return tuple(
            f"{shown} was ignored: it is neither an export of Shopify nor a canonical table that "
            "the exports lack"
            for shown in self._companions.strangers
        )

    def stage(self, con: DuckDBPyConnection, table: Table) -> Staged | None:
        """Put the rows of `table` as text into the temporary tables of `sources.base`.

        The exports are read once for a connection.

        Raises:
            LoadError: an export cannot be read, lacks a column or was cut off.
        """
        if table.name not in NATIVE_TABLES:
            return self._companions.stage(con, table)
        export = NATIVE_TABLES[table.name]
        if not self._exports[export.name]:
            return None
        if self._read_by is not con:
            self._read(con)
            self._read_by = con
        derived = DERIVED[table.name]
        found = self._columns[export.name]
        if derived.needs is not None and derived.needs not in found:
            return None
        columns = derived.of(found, export)
        create_temporary_tables(con, tuple(canonical_slot(name) for name in columns))
        slots = ", ".join(identifier(canonical_slot(name)) for name in columns)
        values = ", ".join(columns.values())
        con.execute(
            f"INSERT INTO {STAGED_ROWS} (file_no, source_line, {slots}) "
            f"SELECT file_no, source_line, {values} FROM {derived.relation}"
        )
        if derived.malformed:
            con.execute(f"INSERT INTO {MALFORMED_ROWS} FROM {derived.malformed}")
        shown = tuple(shown for _, shown, _ in self._exports[export.name])
        return Staged(shown, tuple(columns), ())

    def history(self) -> History | None:
        """None: an export does not say which orders were selected for it."""
        return None

    def _is_export(self, path: Path, shown: str) -> bool:
        """Whether a file is one; if so, it is among those that are read."""
        if path.suffix.lower() == ".parquet":
            return False
        head = read_head(path, shown)
        export = export_of(head.names)
        if export is None:
            return False
        self._exports[export.name].append((path, shown, head))
        return True

    def _read(self, con: DuckDBPyConnection) -> None:
        """All rows of all exports as text, and what follows from them, as temporary tables."""
        for export in (ORDERS, CUSTOMERS):
            rows, malformed = f"{export.name}_rows", f"{export.name}_malformed"
            texts = ", ".join(f"{identifier(column)} VARCHAR" for column in export.columns)
            con.execute(
                f"CREATE OR REPLACE TEMP TABLE {rows} "
                f"(file_no INTEGER, source_line BIGINT, {texts})"
            )
            con.execute(
                f"CREATE OR REPLACE TEMP TABLE {malformed} "
                "(file_no INTEGER, source_line BIGINT, reason VARCHAR, row VARCHAR)"
            )
            for file_no, (path, shown, head) in enumerate(self._exports[export.name]):
                slots = columns_of(export, head.names, shown)
                self._columns[export.name].update(slot for slot in slots if slot is not None)
                read_lines(con, path, shown, head)
                csv_rows.stage_rows(con, file_no, slots, rows=rows, malformed=malformed)
                csv_rows.require_whole(con, file_no, shown, rows=rows, malformed=malformed)
                _require_rows(con, export, file_no, shown)
        for statement in STATEMENTS:
            con.execute(statement)


def _require_rows(con: DuckDBPyConnection, export: Export, file_no: int, shown: str) -> None:
    """Refuse a file without a single row.

    Raises:
        LoadError: it has a header and nothing else.
    """
    found = con.execute(
        f"SELECT 1 FROM {export.name}_rows WHERE file_no = {file_no} LIMIT 1"
    ).fetchone()
    if found is None:
        message = f"{shown} has a header and no rows: export again with all {export.title} selected"
        raise LoadError(message)
