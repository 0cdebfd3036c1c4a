"""Writes what was typed and checked into schema `raw`, and what has to be remembered of it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from dagster_project.sources import forgotten
from dagster_project.sources.base import canonical_slot, extra_slot
from dagster_project.sources.checks import REJECTED_ROWS, TYPED_ROWS
from dagster_project.sources.raw_tables import (
    KEPT_OUT,
    LINKS,
    REJECTED,
    RENEWED_REQUESTS,
    SOURCE_COLUMNS,
    store_history,
)
from dagster_project.sources.sql import identifier, literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from duckdb import DuckDBPyConnection

    from dagster_project.sources.base import Replaces, Source, Staged
    from dagster_project.sources.contract import Table


@contextmanager
def transaction(con: DuckDBPyConnection) -> Iterator[None]:
    """Everything that is stored inside, or nothing."""
    con.begin()
    try:
        yield
    except BaseException:
        con.rollback()
        raise
    con.commit()


def count(con: DuckDBPyConnection, relation: str) -> int:
    """How many rows there are."""
    row = con.execute(f"SELECT count(*) FROM {relation}").fetchone()
    return int(row[0]) if row else 0


def kept_rows(con: DuckDBPyConnection, table: Table, staged: Staged) -> int:
    """How many rows of the loaded table stay: none, but where only some are replaced."""
    replaces = staged.replaces
    if replaces is None:
        return 0
    column = identifier(replaces.column)
    return count(
        con,
        f"raw.{identifier(table.name)} WHERE {column} NOT IN (SELECT key FROM {replaces.keys}) "
        f"AND {column} NOT IN ({_new_keys(replaces)})",
    )


def rows(con: DuckDBPyConnection, table: Table, staged: Staged, only: str) -> None:
    """Store the typed rows for which `only` is true, in place of the table or of some of it."""
    if staged.replaces is not None:
        _replace_rows(con, table, staged, staged.replaces)
        return
    taken = {column.name for column in table.columns}
    stored = [
        f"{identifier(canonical_slot(column.name))} AS {identifier(column.name)}"
        if column.name in staged.present
        else f"NULL::{column.kind.sql_type} AS {identifier(column.name)}"
        for column in table.columns
    ]
    for position, name in enumerate(staged.extras):
        shown = name
        while shown.lower() in taken:
            shown += "_"
        taken.add(shown.lower())
        stored.append(f"{identifier(extra_slot(position))} AS {identifier(shown)}")
    con.execute(
        f"CREATE OR REPLACE TABLE raw.{identifier(table.name)} AS "
        f"SELECT {', '.join(stored)} FROM {TYPED_ROWS} WHERE {only}"
    )


def no_rows(con: DuckDBPyConnection, table: Table) -> None:
    """Store a table without any row."""
    empty = ", ".join(f"{identifier(c.name)} {c.kind.sql_type}" for c in table.columns)
    con.execute(f"CREATE OR REPLACE TABLE raw.{identifier(table.name)} ({empty})")


def forget_load(con: DuckDBPyConnection, table: Table) -> None:
    """Know nothing any more of the rows the table had, as it is stored anew."""
    for known in (SOURCE_COLUMNS, REJECTED, RENEWED_REQUESTS, LINKS):
        con.execute(f"DELETE FROM {known} WHERE table_name = ?", [table.name])
    con.execute(
        f"INSERT INTO {SOURCE_COLUMNS} SELECT ?, unnest(?), false",
        [table.name, [column.name for column in table.columns]],
    )


def columns(con: DuckDBPyConnection, table: Table, present: tuple[str, ...]) -> None:
    """Remember that the source has these columns, too."""
    con.execute(
        f"UPDATE {SOURCE_COLUMNS} SET present = true "
        "WHERE table_name = ? AND list_contains(?::VARCHAR[], column_name)",
        [table.name, list(present)],
    )


def rejected(con: DuckDBPyConnection, table: Table, staged: Staged) -> None:
    """Keep the rejected rows, in place of those of the rows that are replaced."""
    replaced = ""
    if staged.replaces is not None:
        path = literal(f"$.{staged.replaces.column}")
        key = f"CASE WHEN json_valid(row) THEN json_extract_string(row, {path}) END"
        replaced = f" AND {key} IN (SELECT key FROM {staged.replaces.keys})"
    con.execute(f"DELETE FROM {REJECTED} WHERE table_name = ?{replaced}", [table.name])
    con.execute(
        f"""
        INSERT INTO {REJECTED}
        SELECT ?, (?::VARCHAR[])[file_no + 1], source_line, reason, row, kinds
        FROM {REJECTED_ROWS}
        ORDER BY file_no, source_line
        """,
        [table.name, list(staged.files)],
    )


def history(con: DuckDBPyConnection, table: Table, source: Source) -> None:
    """Remember with the orders where they begin."""
    if table.name == "orders":
        store_history(con, source.history())


def keeping_out(con: DuckDBPyConnection, table: Table, forgotten_list: str | None) -> None:
    """Remember which list of forgotten people held, and what their rows said of one another."""
    con.execute(f"DELETE FROM {KEPT_OUT} WHERE table_name = ?", [table.name])
    if forgotten_list is None:
        return
    con.execute(f"INSERT INTO {KEPT_OUT} VALUES (?, ?)", [table.name, forgotten_list])
    for kept, found in (
        (RENEWED_REQUESTS, forgotten.RENEWED_REQUESTS),
        (LINKS, forgotten.LINKS),
    ):
        if con.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = ?", [found]).fetchone():
            con.execute(f"INSERT INTO {kept} SELECT ?, * FROM {found}", [table.name])


def _replace_rows(
    con: DuckDBPyConnection, table: Table, staged: Staged, replaces: Replaces
) -> None:
    column, name = identifier(replaces.column), identifier(table.name)
    con.execute(
        f"DELETE FROM raw.{name} WHERE {column} IN (SELECT key FROM {replaces.keys}) "
        f"OR {column} IN ({_new_keys(replaces)})"
    )
    slots = ", ".join(
        f"{identifier(canonical_slot(present))} AS {identifier(present)}"
        for present in staged.present
    )
    con.execute(f"INSERT INTO raw.{name} BY NAME SELECT {slots} FROM {TYPED_ROWS}")


def _new_keys(replaces: Replaces) -> str:
    """SQL: the keys of the typed rows, among them pseudonyms, which the source does not know."""
    slot = identifier(canonical_slot(replaces.column))
    return f"SELECT {slot} FROM {TYPED_ROWS} WHERE {slot} IS NOT NULL"
