"""What schema `raw` holds beside the canonical tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from dagster_project.sources.base import History

KNOWN_PHONES = "raw.phone_numbers"
"""(phone, e164, region): every text that was parsed as a phone."""

RENEWED_REQUESTS = "raw.renewed_requests"
"""(table_name, customer_id, email, requested_at): new identifiers of people who were forgotten."""

LINKS = "raw.forgotten_links"
"""(table_name, kind, a, b): keyed hashes that one row of a forgotten person held both."""

KEPT_OUT = "raw.kept_out"
"""(table_name, list_id): which list of forgotten people a table was loaded with."""

LOADED_PARTS = "raw.loaded_parts"
"""(table_name, position, part, fingerprint, recipe): the files a table has, and how they were read.

Only of tables whose source keeps its files and gets new ones.
"""

REJECTED = "raw.rejected_rows"
"""(table_name, source_file, source_line, reason, row, kinds): rows that were not loaded. `reason`
may quote a value, `kinds` are the same reasons without any."""

SOURCE_COLUMNS = "raw.source_columns"
"""(table_name, column_name, present): which columns of the contract the source has."""

SOURCE_HISTORY = "raw.source_history"
"""(whole_from, reason): what the source says of older orders it does not give; often no row."""

_TABLES = (
    f"""{REJECTED}
    (table_name VARCHAR, source_file VARCHAR, source_line BIGINT, reason VARCHAR, row VARCHAR,
     kinds VARCHAR[])""",
    f"{SOURCE_COLUMNS} (table_name VARCHAR, column_name VARCHAR, present BOOLEAN)",
    f"{KNOWN_PHONES} (phone VARCHAR, e164 VARCHAR, region VARCHAR)",
    f"""{RENEWED_REQUESTS}
    (table_name VARCHAR, customer_id VARCHAR, email VARCHAR, requested_at TIMESTAMPTZ)""",
    f"{LINKS} (table_name VARCHAR, kind VARCHAR, a UUID, b UUID)",
    f"{KEPT_OUT} (table_name VARCHAR, list_id VARCHAR)",
    f"""{LOADED_PARTS} (table_name VARCHAR, position INTEGER, part VARCHAR,
    fingerprint VARCHAR, recipe VARCHAR)""",
    f"{SOURCE_HISTORY} (whole_from DATE, reason VARCHAR)",
)


def ensure_bookkeeping(con: DuckDBPyConnection) -> None:
    """Make schema `raw` and its tables about the load itself, where they are missing."""
    con.execute("CREATE SCHEMA IF NOT EXISTS raw")
    for table in _TABLES:
        con.execute(f"CREATE TABLE IF NOT EXISTS {table}")
    # A warehouse of before this column was there.
    con.execute(f"ALTER TABLE {REJECTED} ADD COLUMN IF NOT EXISTS kinds VARCHAR[]")


def store_history(con: DuckDBPyConnection, history: History | None) -> None:
    """Replace what the source said of older orders it does not give."""
    con.execute(f"DELETE FROM {SOURCE_HISTORY}")
    if history is not None:
        con.execute(
            f"INSERT INTO {SOURCE_HISTORY} VALUES (?, ?)", [history.whole_from, history.reason]
        )


def loaded_tables(con: DuckDBPyConnection) -> set[str]:
    """The names of the tables in schema `raw`."""
    return {
        str(row[0])
        for row in con.execute(
            "SELECT table_name FROM duckdb_tables() "
            "WHERE schema_name = 'raw' AND database_name = current_database()"
        ).fetchall()
    }
