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


NUMERIC = {Kind.MONEY, Kind.RATE, Kind.QUANTITY, Kind.POINTS, Kind.INTEGER}
"""Where a NaN is a wrong value, and not the gap that it is elsewhere."""


def read_names(con: DuckDBPyConnection, path: Path, shown: str) -> tuple[str, ...]:
    """The column names of the file at `path`, called `shown` in messages.

    Raises:
        LoadError: the file is no readable Parquet file.
    """
    return tuple(name for name, _ in schema(con, path, shown))


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
    numeric = {canonical_slot(column.name) for column in table.columns if column.kind in NUMERIC}
    columns_of_file = schema(con, path, shown)
    values = ", ".join(
        f"nullif({as_text(identifier(name), kind, keep_nan=slot in numeric)}, '')"
        for (name, kind), slot in zip(columns_of_file, slots, strict=True)
    )
    columns = ", ".join(identifier(slot) for slot in slots)
    try:
        con.execute(
            f"""
            INSERT INTO {STAGED_ROWS} (file_no, source_line, {columns})
            SELECT {file_no}, file_row_number + 1, {values}
            FROM {relation(path, "file_row_number = true")}
            """
        )
    except duckdb.Error as error:
        raise _damaged(shown) from error


def schema(con: DuckDBPyConnection, path: Path, shown: str) -> list[tuple[str, str]]:
    """Names and DuckDB types of the columns of the file at `path`, called `shown` in messages.

    Raises:
        LoadError: the file is no readable Parquet file.
    """
    try:
        rows = con.execute(f"DESCRIBE SELECT * FROM {relation(path)}").fetchall()
    except duckdb.Error as error:
        raise _damaged(shown) from error
    return [(str(row[0]), str(row[1])) for row in rows]


def relation(path: Path, *more: str) -> str:
    """SQL: the rows of the file at `path`; `more` are options of DuckDB's reader."""
    options = ", ".join(("hive_partitioning = false", "binary_as_string = true", *more))
    return f"read_parquet({literal(as_glob(path))}, {options})"


def as_glob(path: Path) -> str:
    """The pattern that `path` fits and nothing else: brackets and stars may be in real names."""
    return "".join(f"[{c}]" if c in "*?[" else c for c in str(path))


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
