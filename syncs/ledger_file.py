"""Opening ledger files: one process writes, others read or wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from syncs.errors import LedgerBusyError, LedgerError
from syncs.ledger import Ledger
from syncs.ledger_layout import KEPT, LAYOUT, SCHEMA, WORKING
from syncs.sql import literal


@contextmanager
def attached(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    *,
    patience: float = 5.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Ledger]:
    """Attach a ledger file for writing; made if missing.

    Raises:
        LedgerBusyError: another process has it and did not let go within ``patience`` seconds.
    """
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    if path.exists() and not path.stat().st_size:
        # A process died between making the file and writing its header.
        path.unlink()
    attach(con, path, SCHEMA, patience=patience, sleep=sleep)
    try:
        path.chmod(0o600)
        _lay_out(con, path)
        yield Ledger(con, writable=True)
    finally:
        con.execute("detach ledger")


def _lay_out(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Make the tables of a new file; see that those of an old one are of this layout."""
    tables = con.execute(
        "select count(*) from duckdb_tables() where database_name = 'ledger'"
    ).fetchone()
    is_new = tables == (0,)
    for table in (*WORKING, *KEPT):
        con.execute(f"create table if not exists {table.format(s=SCHEMA)}")
    if is_new:
        con.execute("insert into ledger.objects values ('', 'layout', ?)", [LAYOUT])
    _check_layout(con, path)


def _check_layout(con: duckdb.DuckDBPyConnection, path: Path) -> None:
    row = con.execute("select value from ledger.objects where sync = '' and name = 'layout'")
    if row.fetchone() != (LAYOUT,):
        message = (
            f"{path}: a ledger of another version, whose rows cannot be read; use the version that "
            "wrote it, or start with a fresh SEGMENTS_HOME"
        )
        raise LedgerError(message)


@contextmanager
def viewed(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    *,
    patience: float = 5.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[Ledger]:
    """Attach a ledger file for reading only; an account without one looks empty.

    Raises:
        LedgerBusyError: a run is writing it.
    """
    if path.exists() and path.stat().st_size:
        attach(con, path, SCHEMA, "(read_only)", patience=patience, sleep=sleep)
        _check_layout(con, path)
    else:
        con.execute("attach ':memory:' as ledger")
        _lay_out(con, path)
    try:
        yield Ledger(con, writable=False)
    finally:
        con.execute("detach ledger")


def attach(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    name: str,
    mode: str = "",
    *,
    patience: float = 5.0,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Attach a file that other processes of this installation write, when they let go of it.

    Raises:
        LedgerBusyError: nobody let go within ``patience`` seconds.
    """
    step = 0.25
    waited = 0.0
    while True:
        try:
            con.execute(f"attach {literal(path)} as {name} {mode}")
        except duckdb.IOException as error:
            if "lock" not in str(error).lower():
                raise
            if waited >= patience:
                message = (
                    f"{path.name}: another process is writing this ledger; "
                    "wait for its run to end, or stop it"
                )
                raise LedgerBusyError(message) from None
            sleep(step)
            waited += step
        else:
            return
