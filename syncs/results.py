"""What the syncs did, as tables beside the segments: ``published/syncs.duckdb``.

``sync_runs``  one row a run; ``sync_rows``  the state of every row a sync knows. Analysts read this
file, never a ledger. It is replaced as a whole, so a reader never sees half of it.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from syncs import ledger, workspace
from syncs.errors import LedgerBusyError, PublishedDataError
from syncs.settings import SyncSettings
from syncs.sql import literal

_RUNS = """
select run_id, sync, destination, status, as_of, plan_id, started_at, finished_at,
    {counts},
    cast(reasons as json) as reasons, error
from ledger.runs where status <> 'running'
"""
_COUNTS = ("planned", "accepted", "rejected", "held", "unknown", "skipped", "requests", "writes",
           "retries")  # fmt: skip

# The ledger knows people by a keyed hash; here they get the name back that analysts join on.
_ROWS = """
select r.sync, c.customer_key, r.operation, r.state, r.reason, r.attempts, r.updated_at
from ledger.rows as r
left join (select customer_key, keyed(customer_key) as customer from pub.main.customers) as c
    using (customer)
"""


def publish(settings: SyncSettings, path: Path) -> None:
    """Replace one account's part of the results; the other accounts' rows stay.

    Does nothing when the account has no ledger or nothing is published yet.

    Args:
        settings: where the results are.
        path: the account's ledger.
    """
    if not path.exists():
        return
    target = settings.results
    fresh = target.with_name(f".{target.name}.{os.getpid()}")
    counts = ",\n    ".join(
        f"coalesce(cast(counts ->> '$.{name}' as bigint), 0) as {name}" for name in _COUNTS
    )
    try:
        with (
            _alone(target),
            workspace.opened(settings) as work,
            ledger.viewed(work.con, path),
        ):
            con = work.con
            con.execute(f"attach {literal(fresh)} as fresh (storage_version 'v1.5.0')")
            con.execute(
                "create table fresh.sync_runs as "
                + _RUNS.format(counts=counts)
                + " order by started_at, sync"
            )
            con.execute(f"create table fresh.sync_rows as {_ROWS} order by sync, customer_key")
            if target.exists():
                con.execute(f"attach {literal(target)} as earlier (read_only)")
                for table in ("sync_runs", "sync_rows"):
                    con.execute(
                        f"insert into fresh.{table} by name from earlier.{table} where sync not in "
                        "(select distinct sync from ledger.runs)"
                    )
                con.execute("detach earlier")
            con.execute("detach fresh")
            fresh.replace(target)
    except (PublishedDataError, LedgerBusyError):
        # Whoever holds the ledger publishes when done.
        return
    finally:
        fresh.unlink(missing_ok=True)


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
