"""What we believe each destination holds, and what is on its way there.

One DuckDB file per destination account. Nobody but its destination's run writes it. It holds no
e-mail, phone or plain hash: people are ``keyed()`` hashes (see :mod:`syncs.identity`), and, where a
later removal needs them, the destination's own hashed identifiers.

``rows``      one row per sync and identifier: the last acknowledged and the last attempted state.
``outbox``    the rows of a running sync, by batch.
``batches``   a batch appears as ``sending`` before its requests and as ``settled`` after them.
``outcomes``  rows of a batch that ended differently from the rest of it (``planned``: not sent).
``runs``      one row per run.

A run that ends, by itself or by a signal, is *folded*: what is settled goes into ``rows``, what was
``sending`` becomes ``unknown``, what was only planned vanishes. Folding is one SELECT
(:data:`FOLD`), so a plan made beside a dead run sees the same picture as the next apply.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Final

import duckdb

from syncs.errors import LedgerBusyError
from syncs.records import Rejection, State, Status
from syncs.sql import literal

SCHEMA: Final = "ledger"

_TABLES = """
create table if not exists {s}.rows (
    sync varchar not null, row_key varchar not null, customer varchar, subject varchar,
    operation varchar not null, state varchar not null, delivered varchar, attempted varchar,
    vendor_row varchar, has_left boolean not null, reason varchar, code varchar,
    attempts integer not null, updated_at timestamptz not null, run_id varchar not null);
create table if not exists {s}.outbox (
    run_id varchar not null, sync varchar not null, batch integer not null,
    row_key varchar not null, customer varchar, subject varchar, operation varchar not null,
    fingerprint varchar not null, vendor_row varchar);
create table if not exists {s}.batches (
    run_id varchar not null, sync varchar not null, batch integer not null,
    state varchar not null, outcome varchar, reason varchar, reference varchar,
    sent_at timestamptz not null, settled_at timestamptz);
create table if not exists {s}.outcomes (
    run_id varchar not null, batch integer not null, row_key varchar not null,
    state varchar not null, reason varchar, code varchar);
create table if not exists {s}.runs (
    run_id varchar not null, sync varchar not null, destination varchar not null, as_of date,
    publication_id varchar, plan_id varchar, idempotent boolean not null, status varchar not null,
    started_at timestamptz not null, finished_at timestamptz, counts varchar, reasons varchar,
    error varchar);
create table if not exists {s}.objects (
    sync varchar not null, name varchar not null, value varchar not null);
"""

# The rows that unfolded runs leave behind. A row is in the outbox of one run only, because a sync
# folds before it plans. 'uncertain' is the fingerprint of a row whose last request was never
# answered: it equals no real one, so the row counts as delivered (somebody who left is removed) and
# as different (a member is sent again).
FOLD: Final = """
with ended as (
    select o.*, r.idempotent, x.code,
        case when b.state = 'sending' then 'unknown' else coalesce(x.state, b.outcome) end as state,
        case when b.state = 'sending' then 'the run ended before the answer came'
            else coalesce(x.reason, b.reason) end as reason,
        coalesce(b.settled_at, b.sent_at) as updated_at
    from ledger.outbox as o
    join ledger.batches as b using (run_id, batch)
    join ledger.runs as r using (run_id)
    left join ledger.outcomes as x using (run_id, batch, row_key)
)
select e.sync, e.row_key, e.customer, e.subject, e.operation, e.state,
    case
        when e.state in ('accepted', 'confirmed') then e.fingerprint
        when e.state = 'unknown' then case when e.idempotent then 'uncertain' end
        -- No profile was found: perhaps this once. Somebody told before is told when they leave.
        when e.state = 'skipped' then
            case when e.operation = 'upsert' and p.delivered is not null then 'uncertain' end
        else p.delivered
    end as delivered,
    e.fingerprint as attempted,
    e.vendor_row,
    -- Somebody who left and has no profile any more has left all the same.
    case
        when e.state in ('accepted', 'confirmed', 'skipped') then e.operation = 'remove'
        when e.state = 'unknown' then false
        else coalesce(p.has_left, false)
    end as has_left,
    e.reason, e.code,
    1 + case when p.state in ('accepted', 'confirmed') then 0 else coalesce(p.attempts, 0) end
        as attempts,
    e.updated_at, e.run_id
from ended as e
left join ledger.rows as p on p.sync = e.sync and p.row_key = e.row_key
where e.state <> 'planned'
"""


@dataclass(frozen=True)
class Aside:
    """Why rows are not sent: the state they get and the reason."""

    state: State
    reason: str


@dataclass(frozen=True)
class RunStart:
    """What is known of a run when it begins. Times are UTC."""

    run_id: str
    sync: str
    destination: str
    as_of: date
    publication_id: str
    plan_id: str
    idempotent: bool
    started_at: datetime


class Ledger:
    """The ledger of one destination account, attached as ``ledger`` to a DuckDB connection."""

    def __init__(self, con: duckdb.DuckDBPyConnection) -> None:
        self._con = con

    def fold(self) -> int:
        """Take every unfolded run into ``rows``; returns how many rows were left unanswered."""
        con = self._con
        con.execute(f"create or replace temp table folded as {FOLD}")
        unanswered = con.execute("select count(*) from folded where state = 'unknown'").fetchone()
        con.execute("begin")
        con.execute(
            "delete from ledger.rows using folded "
            "where rows.sync = folded.sync and rows.row_key = folded.row_key"
        )
        # A delivered removal from an audience leaves nothing behind; a profile keeps its row.
        con.execute(
            "insert into ledger.rows by name select * from folded "
            "where not (has_left and vendor_row is not null and state in ('accepted', 'confirmed'))"
        )
        for table in ("outbox", "batches", "outcomes"):
            con.execute(f"delete from ledger.{table}")
        con.execute(
            "update ledger.runs set status = 'interrupted' where finished_at is null "
            "and status = 'running'"
        )
        con.execute("commit")
        con.execute("drop table folded")
        return int(unanswered[0]) if unanswered else 0

    def begin(self, start: RunStart) -> None:
        """Open a run and put the rows of the temp table ``plan_rows`` into the outbox."""
        con = self._con
        con.execute("begin")
        con.execute(
            "insert into ledger.runs by name select $run_id as run_id, $sync as sync, "
            "$destination as destination, $as_of as as_of, $publication_id as publication_id, "
            "$plan_id as plan_id, $idempotent as idempotent, 'running' as status, "
            "$started_at as started_at",
            vars(start),
        )
        con.execute(
            "insert into ledger.outbox by name select $run_id as run_id, $sync as sync, batch, "
            "row_key, customer, subject, operation, fingerprint, vendor_row from plan_rows",
            {"run_id": start.run_id, "sync": start.sync},
        )
        # Between a removal and the adding again of somebody who shares an address, they may be out:
        # a run that dies there must not believe they are in.
        con.execute(
            "update ledger.rows set delivered = 'uncertain' where sync = $sync and row_key in "
            "(select row_key from plan_rows where cause = 'shared')",
            {"sync": start.sync},
        )
        con.execute("commit")

    def sending(self, run_id: str, sync: str, batch: int, at: datetime) -> None:
        """Record that the requests of a batch are about to leave."""
        self._con.execute(
            "insert into ledger.batches (run_id, sync, batch, state, sent_at) "
            "values (?, ?, ?, 'sending', ?)",
            [run_id, sync, batch, at],
        )

    def settled(
        self,
        run_id: str,
        batch: int,
        at: datetime,
        *,
        outcome: State,
        reference: str,
        exceptions: Mapping[str, tuple[State, Rejection]],
    ) -> None:
        """Record how a batch ended.

        Args:
            run_id: the run.
            batch: its number in the run.
            at: now, UTC.
            outcome: the state of every row that ``exceptions`` does not name.
            reference: the vendor's id of the job or session, if it gave one.
            exceptions: other rows, by row key.
        """
        con = self._con
        con.execute("begin")
        if exceptions:
            con.execute(
                "insert into ledger.outcomes select $run_id, $batch, unnest($keys), "
                "unnest($states), unnest($reasons), unnest($codes)",
                {
                    "run_id": run_id,
                    "batch": batch,
                    "keys": list(exceptions),
                    "states": [str(state) for state, _ in exceptions.values()],
                    "reasons": [why.reason for _, why in exceptions.values()],
                    "codes": [why.code for _, why in exceptions.values()],
                },
            )
        con.execute(
            "update ledger.batches set state = 'settled', outcome = ?, reference = ?, "
            "settled_at = ? where run_id = ? and batch = ?",
            [outcome, reference, at, run_id, batch],
        )
        con.execute("commit")

    def set_aside(self, run_id: str, sync: str, batch: int, at: datetime, aside: Aside) -> None:
        """Settle a batch whose rows are not sent at all (numbers below 1)."""
        self._con.execute(
            "insert into ledger.batches (run_id, sync, batch, state, outcome, reason, sent_at, "
            "settled_at) values (?, ?, ?, 'settled', ?, ?, ?, ?)",
            [run_id, sync, batch, aside.state, aside.reason, at, at],
        )

    def finish(
        self,
        run_id: str,
        at: datetime,
        *,
        status: Status,
        counts: Mapping[str, object],
        reasons: Mapping[str, int],
        error: str,
    ) -> None:
        """Close a run with its truthful result."""
        self._con.execute(
            "update ledger.runs set status = ?, finished_at = ?, counts = ?, reasons = ?, "
            "error = ? where run_id = ?",
            [status, at, json.dumps(counts), json.dumps(reasons), error, run_id],
        )

    def objects(self, sync: str) -> dict[str, str]:
        """The vendor's ids of what a sync owns there (an audience), by name."""
        return dict(
            self._con.execute(
                "select name, value from ledger.objects where sync = ?", [sync]
            ).fetchall()
        )

    def keep_objects(self, sync: str, objects: Mapping[str, str]) -> None:
        """Remember the vendor's ids of what a sync owns there."""
        for name, value in objects.items():
            if self.objects(sync).get(name) != value:
                con = self._con
                con.execute("delete from ledger.objects where sync = ? and name = ?", [sync, name])
                con.execute("insert into ledger.objects values (?, ?, ?)", [sync, name, value])


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
    _attach(con, path, "", patience, sleep)
    try:
        con.execute(_TABLES.format(s=SCHEMA))
        yield Ledger(con)
    finally:
        con.execute("detach ledger")


@contextmanager
def viewed(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    *,
    patience: float = 5.0,
    sleep: Callable[[float], None] = time.sleep,
) -> Iterator[None]:
    """Attach a ledger file for reading only; an account without one looks empty.

    Raises:
        LedgerBusyError: a run is writing it.
    """
    if path.exists() and path.stat().st_size:
        _attach(con, path, "(read_only)", patience, sleep)
    else:
        con.execute("attach ':memory:' as ledger")
        con.execute(_TABLES.format(s=SCHEMA))
    try:
        yield
    finally:
        con.execute("detach ledger")


def _attach(
    con: duckdb.DuckDBPyConnection,
    path: Path,
    mode: str,
    patience: float,
    sleep: Callable[[float], None],
) -> None:
    step = 0.25
    waited = 0.0
    while True:
        try:
            con.execute(f"attach {literal(path)} as ledger {mode}")
        except duckdb.IOException as error:
            if "lock" not in str(error).lower():
                raise
            if waited >= patience:
                message = (
                    f"{path.name}: another process is writing this destination's ledger; "
                    "wait for its run to end, or stop it"
                )
                raise LedgerBusyError(message) from None
            sleep(step)
            waited += step
        else:
            return
