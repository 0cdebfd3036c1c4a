"""Opening DuckDB files: patiently, with the settings every connection of ours has.

DuckDB lets one process write a file or many read it, never both, so a connection is opened late and
closed early, and a file that is in use is waited for.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import duckdb

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

# Files of this storage version open in DuckDB 1.5 and later, whichever version wrote them.
STORAGE_VERSION = "v1.5.0"
"""The storage version of every file we make anew."""

Sleep = Callable[[float], None]
"""Waits a number of seconds."""

_LOCK_WAITS_SECONDS = (0.25, 0.5, 1.0, 2.0, 4.0)

_T = TypeVar("_T")


class WarehouseError(Exception):
    """The warehouse cannot be used as it is; the message says what to do."""


class WarehouseLockedError(WarehouseError):
    """Another process holds the file."""


def prepare(con: DuckDBPyConnection) -> None:
    """Set on a connection what every connection of ours has: UTC, and no extension downloads."""
    # A missing extension must be an error here, not a download at six in the morning.
    con.execute("SET autoinstall_known_extensions = false")
    con.execute("SET TimeZone = 'UTC'")


def patiently(open_it: Callable[[], _T], path: Path, sleep: Sleep) -> _T:
    """What `open_it` returns, which opens the file at `path`.

    Raises:
        WarehouseLockedError: another process holds it, and still does after about eight seconds.
        WarehouseError: it cannot be opened at all.
    """
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


def must_exist(path: Path) -> None:
    """See that there is a warehouse.

    Raises:
        WarehouseError: there is none.
    """
    if not path.exists():
        message = f"there is no {path}: load the source and build the marts first"
        raise WarehouseError(message)


def quoted(path: Path) -> str:
    """`path` as a quoted SQL string."""
    return "'" + str(path).replace("'", "''") + "'"


def put_in_place(fresh: Path, target: Path, mode: int) -> None:
    """Make the closed file `fresh` durable, give it `mode`, and rename it over `target`.

    A reader that holds the old file keeps reading it; nobody sees half of either.
    """
    with fresh.open("rb") as handle:
        os.fsync(handle.fileno())
    fresh.chmod(mode)
    # A log that somebody's writes to the old file left behind must not be replayed on the new one.
    target.with_name(f"{target.name}.wal").unlink(missing_ok=True)
    fresh.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
