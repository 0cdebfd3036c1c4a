"""What the syncs did, as tables beside the segments: ``published/syncs.duckdb``.

``sync_runs``  one row a run; ``sync_rows``  the state of every row a sync knows. Analysts read this
file, never a ledger. It is replaced as a whole, so a reader never sees half of it.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from syncs import ledger_file, workspace
from syncs.errors import LedgerBusyError, PublishedDataError
from syncs.rekeying import REKEYED
from syncs.settings import SyncSettings
from syncs.sql import literal

_COUNTS = ("planned", "accepted", "rejected", "held", "unknown", "skipped", "requests", "writes",
           "retries")  # fmt: skip
_NUMBERS = ",\n    ".join(
    f"coalesce(cast(counts ->> '$.{name}' as bigint), 0) as {name}" for name in _COUNTS
)
_RUNS = f"""
select run_id, sync, destination, status, as_of, plan_id, started_at, finished_at,
    {_NUMBERS}, cast(reasons as json) as reasons, error
from ledger.runs
"""
_ROWS = "sync, customer_key, operation, state, reason, attempts, updated_at"
_DRIFT = "sync, customer_key, kind, detail, found_at, repaired"
# Beyond this share of changed rows, writing all of them is quicker than replacing some.
_MOST_REPLACED = 0.2


def publish(settings: SyncSettings, path: Path) -> None:
    """Bring one account's part of the results up to date; the other accounts' rows stay.

    Costs what changed since the last time: every change of a row belongs to a run. Does nothing
    when the account has no ledger or nothing is published yet.

    Args:
        settings: where the results are.
        path: the account's ledger.
    """
    if not path.exists():
        return
    target = settings.results
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        with (
            _alone(target),
            workspace.opened(settings) as work,
            ledger_file.viewed(work.con, path),
        ):
            if target.exists():
                shutil.copyfile(target, fresh)
            con = work.con
            con.execute(f"attach {literal(fresh)} as fresh (storage_version 'v1.5.0')")
            _make_tables(con)
            con.execute(
                f"""create table news as {_RUNS} where status <> 'running'
                    and run_id not in (select run_id from fresh.sync_runs)"""
            )
            _replace_rows(con)
            con.execute("insert into fresh.sync_runs by name select * from news order by all")
            con.execute("detach fresh")
            fresh.replace(target)
    except (PublishedDataError, LedgerBusyError):
        # Whoever holds the ledger publishes when done.
        return
    finally:
        fresh.unlink(missing_ok=True)


def _make_tables(con: duckdb.DuckDBPyConnection) -> None:
    con.execute(f"create table if not exists fresh.sync_runs as {_RUNS} where false")
    con.execute(
        """create table if not exists fresh.sync_rows (sync varchar, customer_key varchar,
        operation varchar, state varchar, reason varchar, attempts integer,
        updated_at timestamptz)"""
    )
    con.execute(
        """create table if not exists fresh.sync_drift (sync varchar, customer_key varchar,
        kind varchar, detail varchar, found_at timestamptz, repaired boolean)"""
    )


_OURS = "sync in (select distinct sync from ledger.runs)"
# The ledger knows people by a keyed hash; here they get the name back that analysts join on.
_NAMES = """left join (
    select customer_key, alias_of(customer_key) as customer from pub.main.customers
) using (customer)"""


def _replace_rows(con: duckdb.DuckDBPyConnection) -> None:
    """Replace the rows of customers that a new run touched."""
    con.execute(
        """create table touched as select distinct sync, customer from ledger.rows
        where run_id in (select run_id from news)"""
    )
    touched, rows = _count(con, "touched"), _count(con, "ledger.rows")
    if _count(con, f"news where status = '{REKEYED}'"):
        # Rows that nobody touched have another name.
        touched = rows
    if 0 < touched <= _MOST_REPLACED * rows:
        con.execute(
            f"create table named as select {_ROWS} from ledger.rows as r "
            f"join touched using (sync, customer) {_NAMES}"
        )
        con.execute(
            "delete from fresh.sync_rows where (sync, customer_key) in "
            "(select sync, customer_key from named)"
        )
        con.execute("insert into fresh.sync_rows by name from named")
    if touched > _MOST_REPLACED * rows or _count(con, f"fresh.sync_rows where {_OURS}") != rows:
        # Many changed, or rows were purged, or somebody has no name any more.
        con.execute(f"delete from fresh.sync_rows where {_OURS}")
        con.execute(
            f"insert into fresh.sync_rows by name select {_ROWS} from ledger.rows as r {_NAMES}"
        )
    con.execute(f"delete from fresh.sync_drift where {_OURS}")
    con.execute(
        f"insert into fresh.sync_drift by name select {_DRIFT} from ledger.drift as r {_NAMES}"
    )


def _count(con: duckdb.DuckDBPyConnection, rows: str) -> int:
    found = con.execute(f"select count(*) from {rows}").fetchone()
    return int(found[0]) if found else 0


@contextmanager
def _alone(target: Path) -> Iterator[None]:
    """One publisher at a time: two accounts may end together."""
    target.parent.mkdir(parents=True, exist_ok=True)
    lock = target.with_name(f".{target.name}.lock")
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        for stale in target.parent.glob(f".{target.name}.[0-9]*"):
            stale.unlink()
        yield
