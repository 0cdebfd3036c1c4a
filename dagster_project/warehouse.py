"""Short-lived connections to the warehouse, and the published copy of its marts.

DuckDB lets one process write a file or many read it, never both, so a connection is opened late and
closed early, and analysts get a file of their own. That file is built beside the published one and
renamed over it: a reader that holds the old file keeps reading it, a new reader sees the new one,
and nobody sees half of either.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
import uuid
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import duckdb

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date, datetime

    from duckdb import DuckDBPyConnection

PUBLISHED_TABLES: tuple[str, ...] = (
    "customers",
    "orders",
    "segment_periods",
    "segment_members",
    "segment_sizes",
    "segment_catalog",
    "customer_identities",
    "source_quality",
)
"""The marts that are published."""

_LOCK_WAITS_SECONDS = (0.25, 0.5, 1.0, 2.0, 4.0)
# Files of this storage version open in DuckDB 1.5 and later, whichever version wrote them.
_STORAGE_VERSION = "v1.5.0"
_TEMPORARY = ".segments-"

Sleep = Callable[[float], None]

_T = TypeVar("_T")


class WarehouseError(Exception):
    """The warehouse cannot be used as it is; the message says what to do."""


class WarehouseLockedError(WarehouseError):
    """Another process holds the file."""


class PublishError(WarehouseError):
    """Nothing was published; what was published before is still there."""


@dataclass(frozen=True, slots=True)
class Publication:
    """What was published: `tables` counts the rows per table, `published_at` has a time zone."""

    publication_id: str
    as_of: date
    published_at: datetime
    path: Path
    tables: dict[str, int]


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
    _must_exist(path)
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

    Comments on tables and columns come along. The table `publication` says which copy this is.

    Raises:
        PublishError: a table is missing in the marts, one cannot be read, or another process is
            publishing. The published file is untouched.
        WarehouseLockedError: another process writes the warehouse.
    """
    _must_exist(warehouse)
    published.parent.mkdir(parents=True, exist_ok=True)
    with _only_publisher(published.parent):
        _remove_leftovers(published.parent)
        temporary = published.parent / f"{_TEMPORARY}{uuid.uuid4().hex}.duckdb"
        publication_id, published_at = str(uuid.uuid4()), clock()
        try:
            with _attached(warehouse, temporary, sleep) as con:
                _refuse_incomplete(con, tables)
                counts = {name: _copy(con, name) for name in tables}
                con.execute(
                    "CREATE TABLE published.main.publication AS SELECT ?::VARCHAR "
                    "AS publication_id, ?::DATE AS as_of, ?::TIMESTAMPTZ AS published_at, "
                    "?::VARCHAR AS shop_timezone, ?::VARCHAR AS shop_currency",
                    [publication_id, as_of, published_at, shop_timezone, shop_currency],
                )
                con.execute("CHECKPOINT published")
            _swap(temporary, published)
        except duckdb.Error as error:
            message = f"the marts could not be copied, nothing was published: {error}"
            raise PublishError(message) from error
        finally:
            _remove_leftovers(published.parent)
    return Publication(publication_id, as_of, published_at, published, counts)


@contextmanager
def _connected(path: Path, *, read_only: bool, sleep: Sleep) -> Iterator[DuckDBPyConnection]:
    con = _patiently(lambda: duckdb.connect(str(path), read_only=read_only), path, sleep)
    try:
        _prepare(con)
        yield con
    finally:
        con.close()


@contextmanager
def _attached(warehouse: Path, temporary: Path, sleep: Sleep) -> Iterator[DuckDBPyConnection]:
    """An in-memory connection with the warehouse and the new file attached to it."""
    with duckdb.connect() as con:
        _prepare(con)
        source = _quoted(warehouse)
        _patiently(
            lambda: con.execute(f"ATTACH {source} AS warehouse (READ_ONLY)"), warehouse, sleep
        )
        con.execute(
            f"ATTACH {_quoted(temporary)} AS published (STORAGE_VERSION '{_STORAGE_VERSION}')"
        )
        yield con
        con.execute("DETACH published")


def _prepare(con: DuckDBPyConnection) -> None:
    # A missing extension must be an error here, not a download at six in the morning.
    con.execute("SET autoinstall_known_extensions = false")
    con.execute("SET TimeZone = 'UTC'")


def _patiently(open_it: Callable[[], _T], path: Path, sleep: Sleep) -> _T:
    for wait in (*_LOCK_WAITS_SECONDS, None):
        try:
            return open_it()
        except (duckdb.IOException, duckdb.ConnectionException) as error:
            if not _is_lock(error):
                message = f"{path.name} cannot be opened: {error}"
                raise WarehouseError(message) from error
            if wait is None:
                raise WarehouseLockedError(_who_holds(path, error)) from error
            sleep(wait)
    raise AssertionError


def _is_lock(error: duckdb.Error) -> bool:
    return "lock on file" in str(error) or "different configuration" in str(error)


def _who_holds(path: Path, error: duckdb.Error) -> str:
    holder = re.search(r"held in (.+?) \(PID (\d+)\)", str(error))
    if holder is None:
        who = "this process holds it open in another mode"
    else:
        who = f"process {holder[2]} ({Path(holder[1]).name}) holds it"
    return (
        f"{path.name} is in use: {who}. Look for a notebook, a DuckDB shell or another run and "
        "close it; to read while runs write, open published/segments.duckdb read-only instead"
    )


def _must_exist(path: Path) -> None:
    if not path.exists():
        message = f"there is no {path}: load the source and build the marts first"
        raise WarehouseError(message)


def _quoted(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


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


def _copy(con: DuckDBPyConnection, name: str) -> int:
    con.execute(f'CREATE TABLE published.main."{name}" AS FROM warehouse.marts."{name}"')
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
            target = f'published.main."{name}"' + (f'."{column}"' if column else "")
            text = str(comment).replace("'", "''")
            con.execute(f"COMMENT ON {kind} {target} IS '{text}'")
    row = con.execute(f'SELECT count(*) FROM published.main."{name}"').fetchone()
    return int(row[0]) if row else 0


def _swap(temporary: Path, published: Path) -> None:
    with temporary.open("rb") as handle:
        os.fsync(handle.fileno())
    # Opened for writing it would block every other reader, and what is written would be gone
    # tomorrow; DuckDB says "permission denied" and read_only=True is the way in.
    temporary.chmod(0o444)
    # A log that somebody's writes to the old file left behind must not be replayed on the new one.
    published.with_name(f"{published.name}.wal").unlink(missing_ok=True)
    temporary.replace(published)
    folder = os.open(published.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _remove_leftovers(folder: Path) -> None:
    for leftover in folder.glob(f"{_TEMPORARY}*"):
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
