"""Short-lived connections to the warehouse, and the published copies of its marts.

Analysts get a file of their own, since DuckDB lets nobody read a file that is being written. It is
built beside the published one and renamed over it: a reader that holds the old file keeps reading
it, a new reader sees the new one, and nobody sees half of either.

Whom the vendors have to erase is published beside it, in a file that only its owner may read. It is
put in place second: somebody who is on it is no longer in the segments then.
"""

from __future__ import annotations

import fcntl
import shutil
import time
import uuid
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb

from dagster_project import history
from dagster_project.connections import (
    STORAGE_VERSION,
    Sleep,
    WarehouseError,
    WarehouseLockedError,
    must_exist,
    patiently,
    prepare,
    put_in_place,
    quoted,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date, datetime

    from duckdb import DuckDBPyConnection

__all__ = [
    "ERASURES",
    "PUBLISHED_TABLES",
    "Publication",
    "PublishError",
    "WarehouseError",
    "WarehouseLockedError",
    "publish",
    "read",
    "write",
]

PUBLISHED_TABLES: tuple[str, ...] = (
    "customers",
    "orders",
    "segment_periods",
    "segment_members",
    "segment_sizes",
    "segment_catalog",
    "customer_identities",
    "lifecycle_thresholds",
    "lifecycle_moves",
    "campaign_results",
    "campaign_regions",
    "region_sales",
    "shared_codes",
    "coupon_abuse_evidence",
    "source_quality",
)
"""The marts that are published for everybody who may read the folder."""

ERASURES = "erasures"
"""The mart that is published in a file of its own, `erasures.duckdb`."""

_TEMPORARY = ".segments-"
# DuckDB would take four fifths of the machine. With this a process that loads ten million orders
# stays below two gigabytes; the rest is spilled beside the file.
_MEMORY = "SET memory_limit = '3GB'"
_ERASURES_FILE = "erasures.duckdb"


class PublishError(WarehouseError):
    """Nothing was published; what was published before is still there."""


@dataclass(frozen=True, slots=True)
class Publication:
    """What was published: `tables` counts the rows per table, `published_at` has a time zone.

    `erasures` counts the identifiers that vendors have to erase, `history` what was recorded of
    this publication for later.
    """

    publication_id: str
    as_of: date
    published_at: datetime
    path: Path
    tables: dict[str, int]
    erasures: int
    history: history.Recorded


@contextmanager
def write(path: Path, *, sleep: Sleep = time.sleep) -> Iterator[DuckDBPyConnection]:
    """A connection that may change the database at `path`; it is made when it does not exist.

    Raises:
        WarehouseLockedError: another process holds it, and still does after about eight seconds.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with _connected(path, read_only=False, sleep=sleep) as con:
        yield con


@contextmanager
def read(path: Path, *, sleep: Sleep = time.sleep) -> Iterator[DuckDBPyConnection]:
    """A connection that reads the database at `path`.

    Raises:
        WarehouseError: there is no database.
        WarehouseLockedError: another process writes it, and still does after about eight seconds.
    """
    must_exist(path)
    with _connected(path, read_only=True, sleep=sleep) as con:
        yield con


def publish(
    warehouse: Path,
    published: Path,
    *,
    as_of: date,
    shop_timezone: str,
    shop_currency: str,
    clock: Callable[[], datetime],
    tables: Sequence[str] = PUBLISHED_TABLES,
    sleep: Sleep = time.sleep,
) -> Publication:
    """Copy `tables` of schema `marts` into the file at `published`, all at once or not at all.

    Beside it, `erasures.duckdb` (mode 0600) gets the mart `erasures`. Comments on tables and
    columns come along. The table `publication` of each file says which copy it is. What was
    published before is kept beside the copies, in the tables of `history`.

    Raises:
        PublishError: a table is missing in the marts, one cannot be read, or another process is
            publishing. The published files are untouched.
        WarehouseLockedError: another process writes the warehouse.
    """
    must_exist(warehouse)
    published.parent.mkdir(parents=True, exist_ok=True)
    with _only_publisher(published.parent):
        _remove_leftovers(published.parent)
        folder = published.parent / f"{_TEMPORARY}{uuid.uuid4().hex}"
        folder.mkdir(mode=0o700)
        publication_id, published_at = str(uuid.uuid4()), clock()
        about = [publication_id, as_of, published_at, shop_timezone, shop_currency]
        try:
            with _attached(warehouse, folder, sleep) as con:
                _refuse_incomplete(con, [*tables, ERASURES])
                counts = {name: _copy(con, "published", name) for name in tables}
                erasures = _copy(con, ERASURES, ERASURES)
                for database in ("published", ERASURES):
                    con.execute(
                        f"CREATE TABLE {database}.main.publication AS SELECT ?::VARCHAR "
                        "AS publication_id, ?::DATE AS as_of, ?::TIMESTAMPTZ AS published_at, "
                        "?::VARCHAR AS shop_timezone, ?::VARCHAR AS shop_currency",
                        about,
                    )
                recorded = history.record(
                    con,
                    published,
                    folder,
                    publication_id=publication_id,
                    as_of=as_of,
                    published_at=published_at,
                )
                for database in ("published", ERASURES):
                    con.execute(f"CHECKPOINT {database}")
            # Opened for writing, a published file would block every other reader, and what is
            # written would be gone tomorrow; read_only=True is the way in.
            put_in_place(folder / "published.duckdb", published, 0o444)
            put_in_place(folder / f"{ERASURES}.duckdb", published.with_name(_ERASURES_FILE), 0o600)
        except duckdb.Error as error:
            message = f"the marts could not be copied, nothing was published: {error}"
            raise PublishError(message) from error
        finally:
            _remove_leftovers(published.parent)
    return Publication(publication_id, as_of, published_at, published, counts, erasures, recorded)


@contextmanager
def _connected(path: Path, *, read_only: bool, sleep: Sleep) -> Iterator[DuckDBPyConnection]:
    con = patiently(lambda: duckdb.connect(str(path), read_only=read_only), path, sleep)
    try:
        prepare(con)
        con.execute(_MEMORY)
        yield con
    finally:
        con.close()


@contextmanager
def _attached(warehouse: Path, folder: Path, sleep: Sleep) -> Iterator[DuckDBPyConnection]:
    """An in-memory connection with the warehouse and the two new files attached to it."""
    with duckdb.connect() as con:
        prepare(con)
        con.execute(_MEMORY)
        # What exceeds the memory belongs beside the files that are made, and goes with them.
        con.execute(f"SET temp_directory = {quoted(folder / 'tmp')}")
        patiently(
            lambda: con.execute(f"ATTACH {quoted(warehouse)} AS warehouse (READ_ONLY)"),
            warehouse,
            sleep,
        )
        for name in ("published", ERASURES):
            path = quoted(folder / f"{name}.duckdb")
            con.execute(f"ATTACH {path} AS {name} (STORAGE_VERSION '{STORAGE_VERSION}')")
        yield con
        for name in ("published", ERASURES):
            con.execute(f"DETACH {name}")


def _refuse_incomplete(con: DuckDBPyConnection, tables: Sequence[str]) -> None:
    found = {
        str(row[0])
        for row in con.execute(
            "SELECT table_name FROM information_schema.tables "
            "WHERE table_catalog = 'warehouse' AND table_schema = 'marts'"
        ).fetchall()
    }
    if missing := [name for name in tables if name not in found]:
        message = (
            f"schema marts of the warehouse lacks {', '.join(missing)}: nothing was published; "
            "the transformation has not finished"
        )
        raise PublishError(message)


def _copy(con: DuckDBPyConnection, database: str, name: str) -> int:
    con.execute(f'CREATE TABLE {database}.main."{name}" AS FROM warehouse.marts."{name}"')
    comments = con.execute(
        """
        SELECT 'TABLE', NULL, comment FROM duckdb_tables()
        WHERE database_name = 'warehouse' AND schema_name = 'marts' AND table_name = $name
        UNION ALL
        SELECT 'TABLE', NULL, comment FROM duckdb_views()
        WHERE database_name = 'warehouse' AND schema_name = 'marts' AND view_name = $name
        UNION ALL
        SELECT 'COLUMN', column_name, comment FROM duckdb_columns()
        WHERE database_name = 'warehouse' AND schema_name = 'marts' AND table_name = $name
        """,
        {"name": name},
    ).fetchall()
    for kind, column, comment in comments:
        if comment is not None:
            target = f'{database}.main."{name}"' + (f'."{column}"' if column else "")
            text = str(comment).replace("'", "''")
            con.execute(f"COMMENT ON {kind} {target} IS '{text}'")
    row = con.execute(f'SELECT count(*) FROM {database}.main."{name}"').fetchone()
    return int(row[0]) if row else 0


def _remove_leftovers(folder: Path) -> None:
    for leftover in folder.glob(f"{_TEMPORARY}*"):
        if leftover.is_dir():
            shutil.rmtree(leftover, ignore_errors=True)
        else:
            leftover.unlink(missing_ok=True)


@contextmanager
def _only_publisher(folder: Path) -> Iterator[None]:
    """Hold the publisher's lock, which the operating system releases even if we are killed."""
    with (folder / ".publish.lock").open("w") as handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            message = "another process is publishing; nothing was published by this one"
            raise PublishError(message) from None
        yield
