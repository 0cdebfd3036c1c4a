"""What was published is kept, append-only, inside the published file itself.

Each publication carries the history of the file it replaces forward and adds what changed since, so
history and picture are swapped in together. A customer whose key changed is in it under the key of
today, one who is gone as a pseudonym.

`published_changes` folded up to a publication gives exactly the members that one had.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from dagster_project.connections import prepare, quoted
from dagster_project.history_differences import (
    CHANGED_ORDERS,
    CHANGES,
    CHANGES_OF_SEGMENT,
    CORRECTIONS,
    FACTS,
    PICTURE_BEFORE,
    RULES,
)
from dagster_project.history_keys import CHANGES_OF_KEYS, COLUMNS, RENAMED, record_key_changes
from dagster_project.history_queries import COMMENTS, QUERIES

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

__all__ = ["TABLES", "Recorded", "record"]

TABLES: dict[str, tuple[str, ...]] = {
    "publications": (
        "publication_id VARCHAR",
        "as_of DATE",
        "published_at TIMESTAMPTZ",
        "publication_number INTEGER",
    ),
    "published_rules": (
        "publication_id VARCHAR",
        "as_of DATE",
        "segment VARCHAR",
        "parameters VARCHAR",
        "status VARCHAR",
    ),
    "published_changes": (
        "publication_id VARCHAR",
        "as_of DATE",
        "segment VARCHAR",
        "customer_key VARCHAR",
        "change VARCHAR",
    ),
    "order_corrections": (
        "publication_id VARCHAR",
        "as_of DATE",
        "order_id VARCHAR",
        "customer_key VARCHAR",
        "ordered_on DATE",
        "cause VARCHAR",
    ),
    CHANGES_OF_KEYS: COLUMNS,
}
"""The tables of the history: name and columns."""

# What files of earlier versions have not got: it begins empty.
_LATER = {CHANGES_OF_KEYS}

# What is read of the file before, besides its history.
_COMPARED: dict[str, tuple[str, ...]] = {
    "publication": ("as_of",),
    "customers": ("customer_key",),
    "customer_identities": ("customer_key", "id_type", "id_value"),
    "orders": ("order_id", *FACTS),
    "segment_members": ("segment", "customer_key"),
    "segment_catalog": ("segment", "parameters", "status"),
}


@dataclass(frozen=True, slots=True)
class Recorded:
    """What one publication added to the history.

    `publications` counts all that are kept, `renamed` the customers whose key changed and whose
    past came along, `replaced` those whose key became a pseudonym.
    `started` says why the history begins with this publication; None when it was carried forward.
    """

    publications: int
    added: int
    removed: int
    rules: int
    corrections: int
    renamed: int
    replaced: int
    started: str | None


def record(
    con: DuckDBPyConnection,
    previous: Path,
    folder: Path,
    *,
    publication_id: str,
    as_of: date,
    published_at: datetime,
) -> Recorded:
    """Write the history into the database `published` of `con`, which has the marts already.

    Args:
        con: a connection of which `published` and `erasures` are the files that are being made.
        previous: the published file that it will replace; it need not exist.
        folder: a private folder for a copy of `previous`, if one is needed.
        publication_id: this publication.
        as_of: shop-local day of its picture.
        published_at: when it is made, with a time zone.

    Raises:
        duckdb.Error: the history cannot be written.
    """
    source, started = _carried_from(previous, folder)
    if source is not None:
        con.execute(f"ATTACH {quoted(source)} AS previous (READ_ONLY)")
    else:
        con.execute("ATTACH ':memory:' AS previous")
        _make_empty(con)
    about = {"publication_id": publication_id, "as_of": as_of}
    renamed = record_key_changes(con, publication_id=publication_id, as_of=as_of)
    replaced = _name_pseudonyms(con)
    con.execute(
        """
        CREATE TABLE published.main.publications AS
        SELECT publication_id, as_of, published_at, publication_number
        FROM previous.main.publications
        UNION ALL
        SELECT $publication_id, $as_of, $published_at::TIMESTAMPTZ,
            coalesce(max(publication_number), 0)::INTEGER + 1
        FROM previous.main.publications
        ORDER BY publication_number
        """,
        {**about, "published_at": published_at},
    )
    con.execute(RULES, about)
    for statement in PICTURE_BEFORE:
        con.execute(statement)
    _compare_members(con)
    con.execute(CHANGES, about)
    con.execute(CHANGED_ORDERS)
    con.execute(CORRECTIONS, about)
    for view in ("members_before", "orders_before"):
        con.execute(f"DROP VIEW memory.main.{view}")
    for table in ("gone", "changes", "changed_orders", RENAMED):
        con.execute(f"DROP TABLE memory.main.{table}")
    con.execute("DETACH previous")
    _explain(con)
    return Recorded(
        publications=_count(con, "publications"),
        added=_count(con, "published_changes", publication_id, "AND change = 'added'"),
        removed=_count(con, "published_changes", publication_id, "AND change = 'removed'"),
        rules=_count(con, "published_rules", publication_id),
        corrections=_count(con, "order_corrections", publication_id),
        renamed=renamed,
        replaced=replaced,
        started=started,
    )


def _carried_from(previous: Path, folder: Path) -> tuple[Path | None, str | None]:
    """A file whose history can be carried forward, or None and why there is none.

    Everything that will be needed is read once, on a connection of its own: a broken block ends a
    DuckDB connection for good.
    """
    if not previous.exists():
        return None, "nothing was published before"
    # Somebody who opened the published file for writing holds a lock or left a log. It is never
    # written in place, so its own bytes are whole, and nobody's notebook may end the history.
    undisturbed = not previous.with_name(f"{previous.name}.wal").exists()
    for private in (False, True) if undisturbed else (True,):
        source = folder / "previous.duckdb" if private else previous
        try:
            if private:
                shutil.copyfile(previous, source)
            with duckdb.connect(str(source), read_only=True) as con:
                prepare(con)
                if not _keeps_history(con):
                    return None, "what was published before has no history"
                _read_through(con)
        except duckdb.OutOfMemoryException:
            raise
        except duckdb.Error:
            continue
        return source, None
    return None, "what was published before cannot be read"


def _keeps_history(con: DuckDBPyConnection) -> bool:
    found = {
        str(row[0])
        for row in con.execute(
            "SELECT table_name FROM duckdb_tables() WHERE schema_name = 'main'"
        ).fetchall()
    }
    return set(TABLES) - _LATER <= found


def _read_through(con: DuckDBPyConnection) -> None:
    needed = {name: _names(columns) for name, columns in TABLES.items()} | _COMPARED
    found = {
        str(name) for (name,) in con.execute("SELECT table_name FROM duckdb_tables()").fetchall()
    }
    for name, columns in needed.items():
        if name in _LATER - found:
            continue
        con.execute(f"SELECT bit_xor(hash({', '.join(columns)})) FROM main.{name}").fetchall()


def _names(columns: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(column.split()[0] for column in columns)


def _make_empty(con: DuckDBPyConnection) -> None:
    """A previous file that says nothing, so that the first publication needs no other rules."""
    for name, columns in TABLES.items():
        con.execute(f"CREATE TABLE previous.main.{name} ({', '.join(columns)})")
    for name, names in _COMPARED.items():
        con.execute(
            f"CREATE TABLE previous.main.{name} AS "
            f"SELECT {', '.join(names)} FROM published.main.{name} WHERE false"
        )


def _name_pseudonyms(con: DuckDBPyConnection) -> int:
    """Table `gone`: keys of the history that are no customer's any more, and what replaces them.

    That is today's key of a customer who was renamed. Else it is a pseudonym: a key is a hash of an
    address, which can be guessed; a pseudonym is drawn by lot. Returns how many were drawn.
    """
    con.execute(
        f"""
        CREATE TABLE memory.main.gone AS
        SELECT
            customer_key,
            coalesce(renamed_to, 'gone_' || replace(uuid()::VARCHAR, '-', '')) AS replaced_by
        FROM (
            SELECT customer_key FROM previous.main.published_changes
            ANTI JOIN published.main.customers USING (customer_key)
            UNION
            SELECT customer_key FROM previous.main.order_corrections
            ANTI JOIN published.main.customers USING (customer_key)
            UNION
            SELECT customer_key FROM previous.main.orders
            ANTI JOIN published.main.customers USING (customer_key)
        )
        LEFT JOIN memory.main.{RENAMED} USING (customer_key)
        WHERE customer_key IS NOT NULL AND NOT starts_with(customer_key, 'gone_')
        """
    )
    row = con.execute(
        "SELECT count(*) FROM memory.main.gone WHERE starts_with(replaced_by, 'gone_')"
    ).fetchone()
    return int(row[0]) if row else 0


def _compare_members(con: DuckDBPyConnection) -> None:
    """Table `changes`: who is in a segment now and was not, or was and is not."""
    con.execute(
        "CREATE TABLE memory.main.changes (segment VARCHAR, customer_key VARCHAR, change VARCHAR)"
    )
    segments = con.execute(
        "SELECT DISTINCT segment FROM published.main.segment_members "
        "UNION SELECT DISTINCT segment FROM previous.main.segment_members ORDER BY segment"
    ).fetchall()
    for (segment,) in segments:
        con.execute(CHANGES_OF_SEGMENT, {"segment": segment})


def _explain(con: DuckDBPyConnection) -> None:
    # A macro is bound where it is made: its tables are looked for in the current database.
    con.execute("USE published")
    for statement in QUERIES:
        con.execute(statement)
    for target, comment in COMMENTS.items():
        text = comment.replace("'", "''")
        con.execute(f"COMMENT ON {target} IS '{text}'")
    con.execute("USE memory")


def _count(
    con: DuckDBPyConnection, table: str, publication_id: str | None = None, condition: str = ""
) -> int:
    sql = f"SELECT count(*) FROM published.main.{table}"
    if publication_id is not None:
        sql += f" WHERE publication_id = $id {condition}"
    row = con.execute(sql, {"id": publication_id} if publication_id else None).fetchone()
    return int(row[0]) if row else 0
