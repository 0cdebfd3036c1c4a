"""Parquet files that are in order, read in one pass.

Staging every value as text, to tell what is wrong with it, costs as much again as storing it. So
Parquet is first taken as it is: `TYPED_ROWS` is a view on the files, and a row that would have to
be rejected, or that repeats another, ends the attempt. Then the files are staged like any others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from dagster_project.sources import parquet_rows
from dagster_project.sources.base import Staged, canonical_slot, extra_slot
from dagster_project.sources.casting import filled, typed
from dagster_project.sources.checks import TYPED_ROWS
from dagster_project.sources.contract import Kind
from dagster_project.sources.headers import Layout, lay_out
from dagster_project.sources.sql import identifier

if TYPE_CHECKING:
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from dagster_project.sources.contract import Column, Table

IN_ORDER = "CASE WHEN failed THEN error('a row has to be rejected') ELSE true END"
"""SQL over `TYPED_ROWS`: true, or an error that ends the attempt."""

NotInOrderError = duckdb.InvalidInputException
"""What that error is."""

# What a cast alone tells; a rate has to be above 0, too.
_NUMBERS = {Kind.MONEY, Kind.QUANTITY, Kind.POINTS, Kind.INTEGER}
_WHOLE = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "UTINYINT", "USMALLINT", "UINTEGER"}
_SAME = {
    Kind.INSTANT: "TIMESTAMP WITH TIME ZONE",
    Kind.FLAG: "BOOLEAN",
    Kind.DAY: "DATE",
}


def view(
    con: DuckDBPyConnection,
    table: Table,
    files: tuple[tuple[Path, str], ...],
    shop_timezone: str,
) -> tuple[Staged, int] | None:
    """Make `TYPED_ROWS` a view on the files, with a column `failed`; returns also the row count.

    Returns None when there are no files, or rows repeat each other, or may.

    Raises:
        LoadError: a file is no Parquet file or lacks a required column.
    """
    if not files:
        return None
    schemas = [parquet_rows.schema(con, path, shown) for path, shown in files]
    layout = lay_out(
        table,
        [(shown, [name for name, _ in s]) for (_, shown), s in zip(files, schemas, strict=True)],
    )
    selects = [
        _select(
            table,
            layout,
            dict(zip(layout.slots[file_no], schemas[file_no], strict=True)),
            path=path,
            shop_timezone=shop_timezone,
        )
        for file_no, (path, _) in enumerate(files)
    ]
    con.execute(f"CREATE OR REPLACE TEMP VIEW {TYPED_ROWS} AS {' UNION ALL '.join(selects)}")
    counted = con.execute(f"SELECT count(*) FROM {TYPED_ROWS}").fetchone()
    if _repeats(con, table, layout):
        return None
    shown_names = tuple(shown for _, shown in files)
    return Staged(shown_names, layout.present, layout.extras), int(counted[0]) if counted else 0


def drop_view(con: DuckDBPyConnection) -> None:
    """Make room for the typed rows of staged ones."""
    con.execute(f"DROP VIEW IF EXISTS {TYPED_ROWS}")


def _select(
    table: Table,
    layout: Layout,
    held: dict[str, tuple[str, str]],
    *,
    path: Path,
    shop_timezone: str,
) -> str:
    """SQL: the rows of one file; `held` are its columns (name, type) by the slot they fill."""
    columns: list[str] = []
    failures: list[str] = []
    for name in layout.present:
        column, slot = table.column(name), canonical_slot(name)
        if slot in held:
            value, failure = _converted(column, *held[slot], shop_timezone)
            failures += [failure] if failure else []
        else:
            value = f"NULL::{column.kind.sql_type}"
        columns.append(f"{value} AS {identifier(slot)}")
    for position in range(len(layout.extras)):
        slot = extra_slot(position)
        value = "NULL::VARCHAR"
        if slot in held:
            native, kind = held[slot]
            value = f"nullif({parquet_rows.as_text(identifier(native), kind, keep_nan=False)}, '')"
        columns.append(f"{value} AS {identifier(slot)}")
    failed = " OR ".join(failures) or "false"
    return f"SELECT {', '.join(columns)}, {failed} AS failed FROM {parquet_rows.relation(path)}"


def _converted(column: Column, native: str, kind: str, shop_timezone: str) -> tuple[str, str]:
    """SQL for the value of a column, and for whether it has to be rejected ('' when it cannot)."""
    name = identifier(native)
    if _SAME.get(column.kind) == kind:
        return name, f"{name} IS NULL" if column.required else ""
    if column.kind in _NUMBERS and (kind in _WHOLE or kind.startswith("DECIMAL")):
        value, text = f"TRY_CAST({name} AS {column.kind.sql_type})", name
        if column.kind is Kind.INTEGER:
            value = f"CASE WHEN {name} = trunc({name}) THEN {value} END"
    else:
        raw = parquet_rows.as_text(name, kind, keep_nan=column.kind in parquet_rows.NUMERIC)
        if column.kind is Kind.TEXT:
            value = f"nullif({raw}, '')"
            return value, f"{filled(raw)} IS NULL" if column.required else ""
        text = filled(raw)
        value = typed(column, text, shop_timezone)
    if column.required:
        return value, f"{value} IS NULL"
    return value, f"({value} IS NULL AND {text} IS NOT NULL)"


def _repeats(con: DuckDBPyConnection, table: Table, layout: Layout) -> bool:
    """Whether two rows have the same key, or are the same where there is none.

    By a hash of 64 bits: two that meet by chance only cost the time of staging.
    """
    everything = [identifier(canonical_slot(name)) for name in layout.present]
    everything += [identifier(extra_slot(position)) for position in range(len(layout.extras))]
    whole = f"hash({', '.join(everything)})"
    key = whole
    if table.key:
        columns = [
            f"trim({slot})" if table.column(name).kind is Kind.TEXT else slot
            for name in table.key
            if name in layout.present and (slot := identifier(canonical_slot(name)))
        ]
        key = f"hash({', '.join(columns)})"
        if table.key_needs is not None:
            has_it = identifier(canonical_slot(table.key_needs))
            in_file = table.key_needs in layout.present
            key = (
                f"CASE WHEN {has_it} IS NOT NULL THEN {key} ELSE {whole} END" if in_file else whole
            )
    found = con.execute(
        f"SELECT {key} AS k FROM {TYPED_ROWS} GROUP BY k HAVING count(*) > 1 LIMIT 1"
    ).fetchone()
    return found is not None
