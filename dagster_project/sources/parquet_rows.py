"""From a Parquet file to staged rows: every type becomes the text a careful CSV would hold.

So one set of rules types and checks the rows of both formats.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import duckdb

from dagster_project.sources.base import STAGED_ROWS, canonical_slot
from dagster_project.sources.contract import Kind
from dagster_project.sources.errors import LoadError
from dagster_project.sources.sql import identifier, literal

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from dagster_project.sources.contract import Table


def read_names(con: DuckDBPyConnection, path: Path, shown: str) -> tuple[str, ...]:
    """The column names of the file at `path`, called `shown` in messages.

    Raises:
        LoadError: the file is no readable Parquet file.
    """
    return tuple(name for name, _ in _schema(con, path, shown))


def stage_rows(
    con: DuckDBPyConnection,
    table: Table,
    *,
    path: Path,
    shown: str,
    file_no: int,
    slots: Sequence[str],
) -> None:
    """Copy the rows to the staged rows; a row's line is its number in the file, from 1.

    Raises:
        LoadError: the file is damaged.
    """
    numeric = {
        canonical_slot(column.name)
        for column in table.columns
        if column.kind in {Kind.MONEY, Kind.RATE, Kind.QUANTITY, Kind.POINTS, Kind.INTEGER}
    }
    schema = _schema(con, path, shown)
    values = ", ".join(
        f"nullif({as_text(identifier(name), kind, keep_nan=slot in numeric)}, '')"
        for (name, kind), slot in zip(schema, slots, strict=True)
    )
    columns = ", ".join(identifier(slot) for slot in slots)
    try:
        con.execute(
            f"""
            INSERT INTO {STAGED_ROWS} (file_no, source_line, {columns})
            SELECT {file_no}, file_row_number + 1, {values}
            FROM {_relation(path, "file_row_number = true")}
            """
        )
    except duckdb.Error as error:
        raise _damaged(shown) from error


def _schema(con: DuckDBPyConnection, path: Path, shown: str) -> list[tuple[str, str]]:
    try:
        rows = con.execute(f"DESCRIBE SELECT * FROM {_relation(path)}").fetchall()
    except duckdb.Error as error:
        raise _damaged(shown) from error
    return [(str(row[0]), str(row[1])) for row in rows]


def _relation(path: Path, *more: str) -> str:
    # Brackets and stars in a real path must not act as a pattern.
    escaped = "".join(f"[{c}]" if c in "*?[" else c for c in str(path))
    options = ", ".join(("hive_partitioning = false", "binary_as_string = true", *more))
    return f"read_parquet({literal(escaped)}, {options})"


def as_text(column: str, kind: str, *, keep_nan: bool) -> str:
    """SQL: a column of DuckDB type `kind` as the text a careful CSV would hold."""
    if kind in {"FLOAT", "DOUBLE"}:
        # A column of whole numbers with gaps becomes floating point in most programs: customer 17
        # must not turn into "17.0", nor every guest into one customer called "nan".
        nan = "'NaN'" if keep_nan else "NULL"
        return f"""CASE
          WHEN isnan({column}) THEN {nan}
          WHEN abs({column}) < 1e15 AND {column} = trunc({column}) THEN {column}::BIGINT::VARCHAR
          ELSE {column}::VARCHAR
        END"""
    if kind == "TIMESTAMP WITH TIME ZONE":
        return f"timezone('UTC', {column})::VARCHAR || 'Z'"
    return f"{column}::VARCHAR"


def _damaged(shown: str) -> LoadError:
    return LoadError(f"{shown} is not a readable Parquet file")
