"""The ledger of one destination account: what its run writes down, and when.

What is in the file, and what it means, is described in :mod:`syncs.ledger_layout`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import duckdb

from syncs import rekeying
from syncs.batches import Cut, Part
from syncs.destinations.people import Erasure
from syncs.ledger_layout import (
    FOLD,
    KNOWN,
    PROGRESS,
    SCHEMA,
    SENDING,
    SETTLED,
    STARTED,
    UNCERTAIN,
    WORKING,
)
from syncs.records import Rejection, State, Status
from syncs.sql import literal, transaction


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

    def __init__(self, con: duckdb.DuckDBPyConnection, *, writable: bool) -> None:
        self._con = con
        self._writable = writable
        self._renamed: dict[str, str] = {}
        # What is known of batches and not yet written. It goes out with the next batch that is
        # about to leave, so a death costs the record of one batch, and a batch costs one commit.
        self._log: list[tuple[object, ...]] = []
        self._notes: list[tuple[str, Mapping[str, object]]] = []

    def know(self) -> None:
        """Make the view ``known``: the rows, with what unfolded runs leave behind.

        Whose they are is said in today's keys, whether or not :meth:`rekey` has been here.
        """
        con = self._con
        rows = KNOWN
        if con.execute("select 1 from ledger.outbox limit 1").fetchone() is not None:
            rows = f"""with folded as ({FOLD})
            {KNOWN} as r where not exists (
                from folded as f where f.sync = r.sync and f.row_key = r.row_key)
            union all by name select *, false as run_was_stopped from folded"""
        for new, old in self._renamed.items():
            name = f"case sync when {literal(old)} then {literal(new)} else sync end as sync"
            rows = f"select * replace ({name}) from ({rows})"
        rows = rekeying.under_keys_of_today(con, rows)
        con.execute(f"create or replace temp view known as {rows}")

    def rekey(self, *, account: str, run_id: str, at: datetime) -> int:
        """Let the rows follow their customers to the keys of today; see :mod:`syncs.rekeying`.

        Args:
            account: whose ledger this is.
            run_id: of the run that needs it.
            at: now, UTC.
        """
        return rekeying.rekey(self._con, account=account, run_id=f"{run_id}-keys", at=at)

    def adopt(self, old: str, new: str) -> None:
        """Take over what is known of a sync under its old name, unless the new one has run."""
        con = self._con
        if con.execute("select 1 from ledger.runs where sync = ? limit 1", [new]).fetchone():
            return
        if not self._writable:
            # Somebody only looks: show it as it will be.
            self._renamed = {new: old}
            return
        with transaction(con):
            for table in ("rows", "outbox", "batches", "runs", "objects", "drift"):
                con.execute(f"update ledger.{table} set sync = ? where sync = ?", [new, old])

    def fold(self) -> None:
        """Take every unfolded run into ``rows``."""
        con = self._con
        with transaction(con):
            if con.execute("select 1 from ledger.outbox limit 1").fetchone() is not None:
                con.execute(
                    f"""create or replace temp table superseded as
                    select r.rowid as place from ledger.rows as r
                    join ({FOLD}) as f on f.sync = r.sync and f.row_key = r.row_key"""
                )
                con.execute(f"insert into ledger.rows by name {FOLD}")
                con.execute("delete from ledger.rows where rowid in (from superseded)")
            if con.execute(
                "select 1 from ledger.outbox union all select 1 from ledger.batches limit 1"
            ).fetchone():
                # Made anew rather than emptied: the blocks of millions of rows are free at once.
                for table in WORKING:
                    con.execute(f"create or replace table {table.format(s=SCHEMA)}")
            con.execute(
                "update ledger.runs set status = 'interrupted' where finished_at is null "
                "and status = 'running'"
            )

    def begin(self, start: RunStart, cut: Cut, recipe: int, vendor_row: str) -> None:
        """Open a run and put its rows into the outbox: ``plan_rows``, and those set aside.

        Args:
            start: the run.
            cut: which rows are which batch.
            recipe: how the rows are made.
            vendor_row: SQL over ``plan_rows p`` and customers ``c`` of what a later removal needs,
                or ``null``.
        """
        con = self._con
        with transaction(con):
            con.execute(
                "insert into ledger.runs by name select $run_id as run_id, $sync as sync, "
                "$destination as destination, $as_of as as_of, $publication_id as publication_id, "
                "$plan_id as plan_id, $idempotent as idempotent, 'running' as status, "
                "$started_at as started_at",
                vars(start),
            )
            whose = f"select $run_id as run_id, $sync as sync, {recipe} as recipe"
            given = {"run_id": start.run_id, "sync": start.sync}
            what = "row_key, customer, subject, operation, fingerprint"
            join = "left join pub.main.customers as c on c.rowid = p.ref"
            for group in cut.groups:
                con.execute(
                    f"""insert into ledger.outbox by name {whose},
                        {group.first} + (p.rowid - {group.start}) // {group.per_batch} as batch,
                        (p.rowid - {group.start}) % {group.per_batch} as position, {what},
                        {vendor_row} as vendor_row
                    from plan_rows as p {join if "c." in vendor_row else ""}
                    where p.rowid >= {group.start} and p.rowid < {group.stop}""",
                    given,
                )
            con.execute(
                f"""insert into ledger.outbox by name {whose}, aside as batch, 0 as position,
                    {what}, vendor_row from planned where aside is not null""",
                given,
            )
            # Between a removal and the adding again of somebody who shares an address, they may be
            # out: a run that dies there must not believe they are in.
            con.execute(
                f"update ledger.rows set delivered = {UNCERTAIN} where sync = $sync and row_key in "
                "(select row_key from planned where cause = 'shared')",
                {"sync": start.sync},
            )

    def sending(self, run_id: str, sync: str, batch: int, at: datetime) -> None:
        """Record that the requests of a batch are about to leave, and everything noted."""
        self._log.append((run_id, sync, batch, SENDING, None, None, None, at))
        self.flush()

    def flush(self) -> None:
        """Write everything noted."""
        con = self._con
        with transaction(con):
            for statement, given in self._notes:
                con.execute(statement, given)
            if self._log:
                rows = ", ".join(["(?, ?, ?, ?, ?, ?, ?, ?)"] * len(self._log))
                values = [value for row in self._log for value in row]
                con.execute(f"insert into ledger.batches values {rows}", values)
        self._notes.clear()
        self._log.clear()

    def _note(self, statement: str, **given: object) -> None:
        self._notes.append((statement, given))

    def started(self, run_id: str, sync: str, batch: int, reference: str, at: datetime) -> None:
        """Note the vendor's id of a job: whoever comes next can follow it instead of resending."""
        self._log.append((run_id, sync, batch, STARTED, None, None, reference, at))

    def unfollowed(self, sync: str) -> list[tuple[str, int, int, str]]:
        """Jobs a run which is over was still following: run, batch, its rows, the vendor's id."""
        return self._con.execute(
            f"""select b.run_id, b.batch, count(*), any_value(b.reference)
            from {PROGRESS} as b join ledger.outbox as o using (run_id, batch)
            where b.sync = ? and b.step = {STARTED} group by all order by all""",
            [sync],
        ).fetchall()

    def differs(self, run_id: str, part: Part, state: State, why: Rejection) -> None:
        """Note an outcome of the rows of a part that is not the batch's."""
        self._note(
            f"""insert into ledger.outcomes
            select run_id, batch, row_key, $state, $reason, $code from ledger.outbox
            where run_id = $run_id and batch = $batch and {part.sql()}""",
            run_id=run_id,
            batch=part.batch,
            state=state,
            reason=why.reason,
            code=why.code,
        )

    def rejected(self, run_id: str, part: Part, rejected: Mapping[int, Rejection]) -> None:
        """Note refused rows by their index among the rows of a part."""
        self._note(
            f"""insert into ledger.outcomes
            select run_id, batch, row_key, 'rejected', x.reason, x.code
            from (
                select *, row_number() over (order by position) - 1 as index from ledger.outbox
                where run_id = $run_id and batch = $batch and {part.sql()}
            ) as o
            join ({_RELATION}) as x on x.key = o.index""",
            run_id=run_id,
            batch=part.batch,
            **_columns(rejected),
        )

    def rejected_by_name(self, run_id: str, part: Part, rejected: Mapping[str, Rejection]) -> int:
        """Record refused rows of a part by the identifier the vendor named.

        Returns:
            How many of them are in the part; nothing is recorded unless all are.
        """
        con = self._con
        con.execute(
            f"""create or replace temp table named as
            select o.run_id, o.batch, o.row_key, 'rejected' as state, x.reason, x.code
            from ({_RELATION}) as x join ledger.outbox as o on o.row_key = keyed(x.key)
            where o.run_id = $run_id and o.batch = $batch and {part.sql("o.position")}""",
            {"run_id": run_id, "batch": part.batch, **_columns(rejected)},
        )
        row = con.execute("select count(*) from named").fetchone()
        ours = int(row[0]) if row else 0
        if ours == len(rejected):
            con.execute("insert into ledger.outcomes from named")
        con.execute("drop table named")
        return ours

    def refused_before(self, run_id: str) -> int:
        """Rows of an unfolded run that were each refused for themselves the last time, too."""
        row = self._con.execute(
            """select count(*) from ledger.outbox as o join ledger.rows as r using (sync, row_key)
            where o.run_id = ? and o.batch > 0 and r.state = 'rejected' and r.run_id not in (
                select run_id from ledger.runs where status = 'stopped')""",
            [run_id],
        ).fetchone()
        return int(row[0]) if row else 0

    def settled(
        self, run_id: str, sync: str, batch: int, at: datetime, *, outcome: State, reference: str
    ) -> None:
        """Note how a batch ended: the state of every row that has no outcome of its own."""
        self._log.append((run_id, sync, batch, SETTLED, outcome, None, reference or None, at))

    def set_aside(self, run_id: str, sync: str, batch: int, at: datetime, aside: Aside) -> None:
        """Settle a batch whose rows are not sent at all (numbers below 1)."""
        self._log.append((run_id, sync, batch, SETTLED, aside.state, aside.reason, None, at))

    def ended(self, run_id: str) -> list[tuple[str, str, int]]:
        """How the rows of an unfolded run ended: state, reason, rows."""
        return self._con.execute(
            f"""select case when b.step < {SETTLED} then 'unknown'
                    else coalesce(x.state, b.outcome) end as ended,
                coalesce(x.reason, b.reason, '') as why, count(*)
            from ledger.outbox as o
            join {PROGRESS} as b using (run_id, batch)
            left join ledger.outcomes as x using (run_id, batch, row_key)
            where run_id = ? group by all order by all""",
            [run_id],
        ).fetchall()

    def erasing(self, identifiers: Sequence[object], answer: Erasure, at: datetime) -> None:
        """Record what the vendor said to the erasure of these identifiers (keyed hashes)."""
        self._con.execute(
            """update ledger.erased set state = $state, reference = nullif($reference, ''),
            reason = nullif($reason, ''), updated_at = $at
            where identifier in (select unnest($identifiers))""",
            {
                "state": answer.state,
                "reference": answer.reference,
                "reason": answer.reason,
                "at": at,
                "identifiers": list(identifiers),
            },
        )

    def amend(
        self, run_id: str, sync: str, status: str, at: datetime, rows: str, **given: object
    ) -> int:
        """Change rows outside a sync's run, as a run of its own; returns how many changed.

        Args:
            run_id: unique for ever.
            sync: the sync whose rows they are.
            status: what was done, in one word.
            at: now, UTC.
            rows: SQL of what is set and of which rows (``$sync`` among its parameters).
            given: values of its other parameters.
        """
        con = self._con
        with transaction(con):
            con.execute(
                """insert into ledger.runs by name select $run_id as run_id, $sync as sync,
                coalesce((select any_value(destination) from ledger.runs where sync = $sync), '')
                    as destination, true as idempotent, $status as status, $at as started_at,
                $at as finished_at""",
                {"run_id": run_id, "sync": sync, "status": status, "at": at},
            )
            row = con.execute(
                f"update ledger.rows set run_id = $run_id, updated_at = $at, {rows}",
                {"run_id": run_id, "sync": sync, "at": at, **given},
            ).fetchone()
        return int(row[0]) if row else 0

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
                "select name, value from ledger.objects where sync = ?",
                [self._renamed.get(sync, sync)],
            ).fetchall()
        )

    def keep_objects(self, sync: str, objects: Mapping[str, str]) -> None:
        """Remember the vendor's ids of what a sync owns there."""
        for name, value in objects.items():
            if self.objects(sync).get(name) != value:
                con = self._con
                con.execute("delete from ledger.objects where sync = ? and name = ?", [sync, name])
                con.execute("insert into ledger.objects values (?, ?, ?)", [sync, name, value])


_RELATION = "select unnest($keys) as key, unnest($reasons) as reason, unnest($codes) as code"


def _columns(rejected: Mapping[int, Rejection] | Mapping[str, Rejection]) -> dict[str, object]:
    return {
        "keys": list(rejected),
        "reasons": [why.reason for why in rejected.values()],
        "codes": [why.code for why in rejected.values()],
    }
