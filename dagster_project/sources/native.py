"""Tables a connector left behind, as views of text whose columns are always there.

A connector makes a table when its first row arrives and a column when a version of it knows one. So
a table that is missing is an empty view, a missing column is NULL, and what was really there is
remembered: what needs it is unavailable, not empty.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from dagster_project.sources.base import (
    STAGED_ROWS,
    Staged,
    canonical_slot,
    create_temporary_tables,
)
from dagster_project.sources.errors import LoadError, SourceError
from dagster_project.sources.parquet_rows import as_glob, as_text
from dagster_project.sources.sql import identifier, literal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from duckdb import DuckDBPyConnection

_DATABASE = "native_source"
DELETED_MARK = "_fivetran_deleted"
"""The native column that is true in rows a connector has deleted."""


@dataclass(frozen=True, slots=True)
class Field:
    """One canonical column as SQL, and the native columns (`table.column`) that can fill it.

    The source has the canonical column when it has one of them.
    """

    sql: str
    any_of: tuple[str, ...]


def filled_from(sql: str, *any_of: str) -> Field:
    """A canonical column, and the native columns one of which has to be there."""
    return Field(sql, any_of)


@dataclass(frozen=True, slots=True)
class Mapped:
    """A canonical table: its columns over a relation of native views.

    The source has the table when it has one of the native tables, or columns (`table.column`), in
    `any_of`.
    """

    any_of: tuple[str, ...]
    relation: str
    fields: Mapping[str, Field]


@dataclass(frozen=True, slots=True)
class Native:
    """Where the native tables lie: name to something that can stand behind FROM."""

    relations: dict[str, str]
    shown: str


def in_folder(root: Path, names: tuple[str, ...]) -> Native:
    """The Parquet files of a folder, `<table>.parquet` or a folder `<table>/` of them."""
    relations: dict[str, str] = {}
    for name in names:
        whole, parts = root / f"{name}.parquet", root / name
        if whole.is_file():
            relations[name] = _parquet(as_glob(whole))
        elif parts.is_dir() and any(parts.glob("*.parquet")):
            relations[name] = _parquet(f"{as_glob(parts)}/*.parquet")
    return Native(relations, root.name)


def _parquet(pattern: str) -> str:
    return f"read_parquet({literal(pattern)}, union_by_name = true)"


def in_database(
    con: DuckDBPyConnection, file: Path, schema: str | None, names: tuple[str, ...], main: str
) -> Native:
    """The tables of the schema of a DuckDB file that has the table `main`.

    Raises:
        SourceError: no schema has it, or several have and none was named.
        LoadError: the file cannot be opened.
    """
    try:
        con.execute(f"DETACH DATABASE IF EXISTS {_DATABASE}")
        con.execute(f"ATTACH {literal(str(file))} AS {_DATABASE} (READ_ONLY)")
    except duckdb.Error as error:
        message = f"{file.name} cannot be opened as a DuckDB file; is a sync writing to it?"
        raise LoadError(message) from error
    found = con.execute(
        "SELECT schema_name, table_name FROM duckdb_tables() WHERE database_name = ? "
        "UNION ALL SELECT schema_name, view_name FROM duckdb_views() "
        "WHERE database_name = ? AND NOT internal",
        [_DATABASE, _DATABASE],
    ).fetchall()
    schemas = sorted({s for s, t in found if t.lower() == main and schema in {None, s}})
    if len(schemas) != 1:
        there = ", ".join(sorted({s for s, _ in found})) or "none"
        wanted = f"in schema {schema}" if schema else "in one schema"
        message = (
            f"{file.name} must have the table {main} {wanted}, found in: "
            f"{', '.join(schemas) or 'none'} (schemas: {there}); name it as {file.name}#schema"
        )
        raise SourceError(message)
    relations = {
        t.lower(): f"{_DATABASE}.{identifier(s)}.{identifier(t)}"
        for s, t in found
        if s == schemas[0] and t.lower() in names
    }
    return Native(relations, f"{file.name}#{schemas[0]}")


def make_views(
    con: DuckDBPyConnection, native: Native, columns: Mapping[str, tuple[str, ...]]
) -> set[str]:
    """One temporary view `n_<table>` per table, all columns text; returns the columns there are.

    A time without a zone is UTC, as connectors write it. Rows a connector marked as deleted are
    left out.

    Raises:
        LoadError: a table cannot be read.
    """
    present: set[str] = set()
    for table, names in columns.items():
        relation = native.relations.get(table)
        kinds: dict[str, tuple[str, str]] = {}
        if relation is not None:
            try:
                described = con.execute(f"DESCRIBE SELECT * FROM {relation}").fetchall()
            except duckdb.Error as error:
                message = f"table {table} of {native.shown} cannot be read"
                raise LoadError(message) from error
            kinds = {str(row[0]).lower(): (str(row[0]), str(row[1])) for row in described}
        present.update(f"{table}.{name}" for name in names if name in kinds)
        selected = ", ".join(
            f"{_text(*kinds[name])} AS {identifier(name)}"
            if name in kinds
            else f"NULL::VARCHAR AS {identifier(name)}"
            for name in names
        )
        rows = f"FROM {relation}" if relation is not None else "WHERE false"
        if DELETED_MARK in kinds:
            rows += f" WHERE NOT coalesce({identifier(kinds[DELETED_MARK][0])}::BOOLEAN, false)"
        con.execute(f"CREATE OR REPLACE TEMP VIEW n_{table} AS SELECT {selected} {rows}")
    return present


def stage(
    con: DuckDBPyConnection,
    mapped: Mapped,
    present: set[str],
    shown: tuple[str, ...],
    origin: str = "0, row_number() OVER ()",
) -> Staged:
    """Put what is mapped as text into the temporary tables of `sources.base`.

    `origin` is SQL for the number in `shown` and the line a row comes from, no two of them equal.
    """
    there = {n: field for n, field in mapped.fields.items() if not present.isdisjoint(field.any_of)}
    create_temporary_tables(con, tuple(canonical_slot(name) for name in there))
    slots = ", ".join(identifier(canonical_slot(name)) for name in there)
    values = ", ".join(f"nullif({field.sql}, '')" for field in there.values())
    con.execute(
        f"INSERT INTO {STAGED_ROWS} (file_no, source_line, {slots}) "
        f"SELECT {origin}, {values} FROM {mapped.relation}"
    )
    return Staged(shown, tuple(there), ())


def _text(name: str, kind: str) -> str:
    if kind.startswith("TIMESTAMP") and kind != "TIMESTAMP WITH TIME ZONE":
        return f"{identifier(name)}::VARCHAR || 'Z'"
    if kind.startswith(("STRUCT", "MAP")) or kind.endswith("]"):
        return f"to_json({identifier(name)})::VARCHAR"
    return as_text(identifier(name), kind, keep_nan=False)
