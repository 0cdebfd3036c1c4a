"""Types, checks and stores one canonical table in schema `raw`.

Every table of the contract exists in `raw` after its load, with all canonical columns; a missing
optional table is empty, a missing optional column is NULL, and `raw.source_columns` says what was
really there. Columns the contract does not know are kept behind the canonical ones as VARCHAR.

A load replaces the table: a canonical source is a full snapshot. It happens in one transaction, so
a refused or interrupted load leaves the table of the previous one.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from dagster_project.sources import checks, forgotten
from dagster_project.sources.base import MALFORMED_ROWS, STAGED_ROWS, canonical_slot, extra_slot
from dagster_project.sources.contract import TABLES
from dagster_project.sources.errors import LoadError
from dagster_project.sources.raw_tables import (
    KEPT_OUT,
    LINKS,
    RENEWED_REQUESTS,
    ensure_bookkeeping,
    store_history,
)
from dagster_project.sources.sql import identifier, literal

if TYPE_CHECKING:
    from collections.abc import Iterator

    from duckdb import DuckDBPyConnection

    from dagster_project.sources.base import Source, Staged
    from dagster_project.sources.contract import Table

_TOP_REASONS = 3
_TEMPORARY = (
    STAGED_ROWS,
    MALFORMED_ROWS,
    checks.TYPED_ROWS,
    checks.REJECTED_ROWS,
    forgotten.RENEWED_REQUESTS,
    forgotten.LINKS,
)


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How to read a source.

    `shop_timezone` is the IANA zone of timestamps without an offset. Above
    `max_rejected_fraction` (0 to 1, rejected rows of all rows) a table is refused.

    `forgotten_list` names the list of forgotten people that SQL on the connection can ask about
    (see `syncs.install_keep_out`), None when nobody was forgotten. Their phones without a country
    code belong to `shop_country` (ISO 3166-1 alpha-2).

    A required table with less than `min_kept_fraction` (0 to 1) of the rows its last load had is
    refused: an order history grows, so a file so much smaller is a part of one.
    """

    shop_timezone: str
    max_rejected_fraction: float = 0.01
    min_kept_fraction: float = 0.5
    forgotten_list: str | None = None
    shop_country: str = "US"


@dataclass(frozen=True, slots=True)
class LoadResult:
    """What became of one table.

    `rows` were loaded, `rejected` were not; `duplicates` repeat a loaded row and count as neither.
    `reasons` counts rows per reason; a row with two reasons counts in both. `present` is false when
    the source has no such table, `missing_columns` are canonical columns it does not have.
    """

    table: str
    rows: int
    rejected: int
    duplicates: int
    reasons: dict[str, int]
    files: tuple[str, ...]
    present: bool
    missing_columns: tuple[str, ...]
    extra_columns: tuple[str, ...]


def load(con: DuckDBPyConnection, source: Source, options: LoadOptions) -> list[LoadResult]:
    """Load every canonical table, in the order of the contract.

    Raises:
        SourceError: as `load_table`; tables before the failing one stay loaded.
    """
    return [load_table(con, table, source, options) for table in TABLES]


def load_table(
    con: DuckDBPyConnection, table: Table, source: Source, options: LoadOptions
) -> LoadResult:
    """Replace one table of schema `raw` by what `source` holds now.

    The connection must not be inside a transaction.

    Raises:
        LoadError: too many rows were rejected (they are in `raw.rejected_rows`), a required column
            is missing or a file cannot be read. The table of the previous load is untouched.
    """
    ensure_bookkeeping(con)
    try:
        found = source.stage(con, table)
        if found is None:
            return _store_empty(con, table, source, options)
        staged = found
        if options.forgotten_list is not None:
            staged = forgotten.forget(
                con,
                table,
                found,
                shop_timezone=options.shop_timezone,
                shop_country=options.shop_country,
            )
        checks.type_rows(con, table, staged, options.shop_timezone)
        duplicates = checks.drop_duplicates(con, table, staged)
        if options.forgotten_list is not None:
            forgotten.forget_rejected(con)
        return _store(con, table, source, staged, options, found=found, duplicates=duplicates)
    finally:
        for temporary in _TEMPORARY:
            con.execute(f"DROP TABLE IF EXISTS {temporary}")


def _store(
    con: DuckDBPyConnection,
    table: Table,
    source: Source,
    staged: Staged,
    options: LoadOptions,
    *,
    found: Staged,
    duplicates: int,
) -> LoadResult:
    """Store `staged`, what is left of the columns that were `found`."""
    rows = _count(con, checks.TYPED_ROWS)
    rejected = _count(con, checks.REJECTED_ROWS)
    reasons = {
        str(reason): int(count)
        for reason, count in con.execute(
            f"""
            SELECT reason, count(*) FROM (SELECT unnest(kinds) AS reason
              FROM {checks.REJECTED_ROWS})
            GROUP BY reason ORDER BY count(*) DESC, reason
            """
        ).fetchall()
    }
    if rejected and rejected / (rejected + rows) > options.max_rejected_fraction:
        with _transaction(con):
            _store_rejected(con, table, staged)
        raise _refusal(con, table, staged, options=options, rows=rows, reasons=reasons)
    if table.required:
        _require_history(con, table, rows, rejected, options.min_kept_fraction)
    with _transaction(con):
        _store_rows(con, table, staged)
        _store_rejected(con, table, staged)
        _store_columns(con, table, found.present)
        _store_history(con, table, source)
        _store_keeping_out(con, table, options)
    return LoadResult(
        table=table.name,
        rows=rows,
        rejected=rejected,
        duplicates=duplicates,
        reasons=reasons,
        files=staged.files,
        present=True,
        missing_columns=tuple(c.name for c in table.columns if c.name not in found.present),
        extra_columns=staged.extras,
    )


def _require_history(
    con: DuckDBPyConnection, table: Table, rows: int, rejected: int, min_kept_fraction: float
) -> None:
    """Refuse a table that lost most of its rows since the last load.

    Raises:
        LoadError: it has none, or too few.
    """
    if rows + rejected == 0:
        message = f"{table.name} has no rows; the table of the previous load stays as it was"
        raise LoadError(message)
    exists = con.execute(
        "SELECT 1 FROM duckdb_tables() WHERE schema_name = 'raw' AND table_name = ?", [table.name]
    ).fetchone()
    before = _count(con, f"raw.{identifier(table.name)}") if exists else 0
    if rows < before * min_kept_fraction:
        message = (
            f"{table.name} has {rows:,} rows and its last load had {before:,}: the source is "
            "probably a part of the history, which has to be loaded whole. The table of the "
            "previous load stays as it was; if so many orders are really gone, load once with "
            "SEGMENTS_MIN_KEPT_FRACTION=0"
        )
        raise LoadError(message)


def _store_rows(con: DuckDBPyConnection, table: Table, staged: Staged) -> None:
    taken = {column.name for column in table.columns}
    columns = [
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
        columns.append(f"{identifier(extra_slot(position))} AS {identifier(shown)}")
    con.execute(
        f"CREATE OR REPLACE TABLE raw.{identifier(table.name)} AS "
        f"SELECT {', '.join(columns)} FROM {checks.TYPED_ROWS}"
    )


def _store_empty(
    con: DuckDBPyConnection, table: Table, source: Source, options: LoadOptions
) -> LoadResult:
    columns = ", ".join(f"{identifier(c.name)} {c.kind.sql_type}" for c in table.columns)
    with _transaction(con):
        con.execute(f"CREATE OR REPLACE TABLE raw.{identifier(table.name)} ({columns})")
        con.execute("DELETE FROM raw.rejected_rows WHERE table_name = ?", [table.name])
        _store_columns(con, table, ())
        _store_history(con, table, source)
        _store_keeping_out(con, table, options)
    return LoadResult(
        table=table.name,
        rows=0,
        rejected=0,
        duplicates=0,
        reasons={},
        files=(),
        present=False,
        missing_columns=tuple(column.name for column in table.columns),
        extra_columns=(),
    )


def _store_columns(con: DuckDBPyConnection, table: Table, present: tuple[str, ...]) -> None:
    con.execute("DELETE FROM raw.source_columns WHERE table_name = ?", [table.name])
    con.execute(
        "INSERT INTO raw.source_columns "
        "SELECT ?, name, list_contains(?::VARCHAR[], name) FROM (SELECT unnest(?) AS name)",
        [table.name, list(present), [column.name for column in table.columns]],
    )


def _store_history(con: DuckDBPyConnection, table: Table, source: Source) -> None:
    """Remember with the orders where they begin."""
    if table.name == "orders":
        store_history(con, source.history())


def _store_keeping_out(con: DuckDBPyConnection, table: Table, options: LoadOptions) -> None:
    """Remember which list of forgotten people held, and what their rows said of one another."""
    for kept in (KEPT_OUT, RENEWED_REQUESTS, LINKS):
        con.execute(f"DELETE FROM {kept} WHERE table_name = ?", [table.name])
    if options.forgotten_list is None:
        return
    con.execute(f"INSERT INTO {KEPT_OUT} VALUES (?, ?)", [table.name, options.forgotten_list])
    for kept, found in (
        (RENEWED_REQUESTS, forgotten.RENEWED_REQUESTS),
        (LINKS, forgotten.LINKS),
    ):
        if con.execute("SELECT 1 FROM duckdb_tables() WHERE table_name = ?", [found]).fetchone():
            con.execute(f"INSERT INTO {kept} SELECT ?, * FROM {found}", [table.name])


def _store_rejected(con: DuckDBPyConnection, table: Table, staged: Staged) -> None:
    con.execute("DELETE FROM raw.rejected_rows WHERE table_name = ?", [table.name])
    con.execute(
        f"""
        INSERT INTO raw.rejected_rows
        SELECT ?, (?::VARCHAR[])[file_no + 1], source_line, reason, row, kinds
        FROM {checks.REJECTED_ROWS}
        ORDER BY file_no, source_line
        """,
        [table.name, list(staged.files)],
    )


def _refusal(
    con: DuckDBPyConnection,
    table: Table,
    staged: Staged,
    *,
    options: LoadOptions,
    rows: int,
    reasons: dict[str, int],
) -> LoadError:
    rejected = _count(con, checks.REJECTED_ROWS)
    share, limit = rejected / (rejected + rows), options.max_rejected_fraction
    summary = (
        f"{table.name}: {rejected:,} of {rejected + rows:,} rows were rejected ({share:.1%}; "
        f"at most {limit:.1%} may be, SEGMENTS_MAX_REJECTED_FRACTION). "
        "The table of the previous load stays as it was."
    )
    lines = [summary]
    for reason, count in list(reasons.items())[:_TOP_REASONS]:
        places = con.execute(
            f"""
            SELECT (?::VARCHAR[])[file_no + 1] || ':' || source_line
            FROM {checks.REJECTED_ROWS} WHERE list_contains(kinds, ?)
            ORDER BY file_no, source_line LIMIT 3
            """,
            [list(staged.files), reason],
        ).fetchall()
        lines.append(f"  {reason}: {count:,} (e.g. {', '.join(str(p[0]) for p in places)})")
    lines.append(
        "  Look at them in the warehouse: "
        f"SELECT * FROM raw.rejected_rows WHERE table_name = {literal(table.name)}"
    )
    return LoadError("\n".join(lines))


def _count(con: DuckDBPyConnection, relation: str) -> int:
    row = con.execute(f"SELECT count(*) FROM {relation}").fetchone()
    return int(row[0]) if row else 0


@contextmanager
def _transaction(con: DuckDBPyConnection) -> Iterator[None]:
    con.begin()
    try:
        yield
    except BaseException:
        con.rollback()
        raise
    con.commit()
