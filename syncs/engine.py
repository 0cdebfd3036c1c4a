"""plan → guard → batch → send → settle → report, for any destination.

The engine knows no vendor. A batch is recorded before its requests and after them; a refused row is
isolated and does not hold up the others; what came of a run is counted from the ledger.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from syncs import plan as planning
from syncs.batches import assign_batches
from syncs.destinations.base import Destination, FindsProfiles
from syncs.errors import AnswerLostError, DeliveryError, StoppedError, UnreachableError
from syncs.ledger import FOLD, Aside, Ledger, RunStart
from syncs.records import (
    DELIVERED,
    Accepted,
    Operation,
    OutRow,
    Plan,
    Progress,
    Refused,
    RefusedWhole,
    Rejection,
    Report,
    State,
    Status,
    TooLarge,
)
from syncs.spec import AnySpec, EventSpec
from syncs.transport import Traffic
from syncs.workspace import Workspace

# Rows that are not sent at all, by their batch number.
ASIDE: Final = {
    0: Aside(State.SKIPPED, "no_profile"),
    -1: Aside(State.HELD, "property_not_accepted"),
    -2: Aside(State.HELD, "identifier_no_longer_known"),
}

# After this many answers lost in a row the destination is down, not slow.
_MOST_LOST: Final = 3
# Refusals that name no row, with nothing accepted yet: the request is wrong, not a row in it.
_MOST_BLIND: Final = 40
# Rounds of "drop the rows named, send the rest" before halving takes over.
_MOST_ROUNDS: Final = 5
_PROGRESS_SECONDS: Final = 2.0

OnProgress = Callable[[Progress], None]


@dataclass
class _Outcome:
    """What came of one batch: the rows that did not end like the rest."""

    exceptions: dict[str, tuple[State, Rejection]] = field(default_factory=dict)
    delivered: State = State.ACCEPTED
    reference: str = ""


class Run:
    """One run of one sync.

    Args:
        spec: the sync.
        destination: where its rows go.
        work: workspace with the published data, and the ledger attached.
        ledger: the destination account's ledger.
        run_id: unique for ever.
        traffic: the request counters of the destination's transport.
        on_progress: told every few seconds how far the run is.
        clock: UTC time.
        timer: seconds for durations.
    """

    def __init__(
        self,
        spec: AnySpec,
        destination: Destination,
        work: Workspace,
        ledger: Ledger,
        *,
        run_id: str,
        traffic: Traffic,
        on_progress: OnProgress = lambda _: None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spec = spec
        self._destination = destination
        self._work = work
        self._ledger = ledger
        self._run_id = run_id
        self._traffic = traffic
        self._on_progress = on_progress
        self._clock = clock
        self._timer = timer
        self._stop: DeliveryError | None = None
        self._lost = 0
        self._blind = 0
        self._accepted = 0
        self._rejected = 0
        self._settled = 0
        self._told = 0.0

    async def execute(self) -> Report:
        """Bring the destination up to date; every planned row ends in a recorded state.

        Raises:
            PublishedDataError: the spec names something that is not published.
        """
        started = self._timer()
        self._ledger.fold()
        plan = planning.build(
            self._spec, self._destination.shape, self._work, today=self._clock().date()
        )
        if plan.refused:
            return self._closed(plan, started, Status.REFUSED)
        if plan.counts:
            try:
                await self._set_aside()
            except DeliveryError as error:
                self._stop = error
                self._work.con.execute("delete from planned")
        assign_batches(self._destination.shape, self._work)
        self._open(plan)
        if self._stop is None and self._to_send():
            await self._deliver_all(started)
        return self._closed(plan, started, None)

    def _open(self, plan: Plan) -> None:
        self._ledger.begin(
            RunStart(
                run_id=self._run_id,
                sync=self._spec.name,
                destination=self._spec.destination,
                as_of=plan.as_of,
                publication_id=self._work.publication.publication_id,
                plan_id=plan.plan_id,
                idempotent=self._destination.shape.idempotent,
                started_at=self._clock(),
            )
        )
        for batch, aside in ASIDE.items():
            self._ledger.set_aside(self._run_id, self._spec.name, batch, self._clock(), aside)

    async def _set_aside(self) -> None:
        """Mark the planned rows that must not be sent, and why."""
        con = self._work.con
        con.execute("update planned set aside = -2 where identifier is null")
        if isinstance(self._spec, EventSpec):
            for sync in self._spec.after:
                # The property counts as accepted when its sync ran on this very picture of the
                # shop and the destination took the person's row, or has no such profile.
                con.execute(
                    """update planned set aside = -1 where aside is null and (not exists (
                        from ledger.runs where sync = $sync and publication_id = $publication
                            and status in ('ok', 'partial'))
                    or not exists (
                        from ledger.rows as r where r.sync = $sync
                            and r.row_key = keyed(planned.identifier)
                            and r.state in ('accepted', 'confirmed', 'skipped')))""",
                    {"sync": sync, "publication": self._work.publication.publication_id},
                )
        # Bulk writes create profiles. Update-only never may, and nobody's leaving ever should:
        # a profile that is gone was perhaps deleted on request.
        if getattr(self._spec, "update_only", False):
            await self._look_up("true")
        elif isinstance(self._destination, FindsProfiles):
            await self._look_up("operation = 'remove'")

    async def _look_up(self, which: str) -> None:
        destination = self._destination
        if not isinstance(destination, FindsProfiles):
            message = f"{self._spec.destination} cannot look up profiles"
            raise StoppedError(message, code="update_only")
        con = self._work.con
        con.execute(
            f"""create or replace temp table sought as
            select identifier, (row_number() over (order by identifier) - 1) // $n as page
            from (select distinct identifier from planned where aside is null and {which})""",
            {"n": destination.lookup_rows},
        )
        con.execute("create or replace temp table found (identifier varchar)")
        row = con.execute("select coalesce(max(page) + 1, 0) from sought").fetchone()
        pages = iter(range(int(row[0]) if row else 0))

        async def worker() -> None:
            for page in pages:
                rows = con.execute("select identifier from sought where page = ?", [page])
                known = await destination.existing([str(r[0]) for r in rows.fetchall()])
                con.execute("insert into found select unnest(cast(? as varchar[]))", [list(known)])

        await _together([worker() for _ in range(destination.concurrency)])
        con.execute(
            f"update planned set aside = 0 where aside is null and {which} "
            "and identifier not in (select identifier from found)"
        )

    def _to_send(self) -> dict[Operation, int]:
        rows = self._work.con.execute(
            "select operation, count(*) from plan_rows where batch > 0 group by all"
        ).fetchall()
        return {Operation(operation): int(n) for operation, n in rows}

    async def _deliver_all(self, started: float) -> None:
        to_send = self._to_send()
        total = sum(to_send.values())
        objects = self._ledger.objects(self._spec.name)
        try:
            await self._destination.prepare(to_send, objects)
        except DeliveryError as error:
            self._stop = error
            return
        finally:
            self._ledger.keep_objects(self._spec.name, objects)
        row = self._work.con.execute("select max(batch) from plan_rows").fetchone()
        self._told = started
        batches = iter(range(1, int(row[0]) + 1 if row else 1))
        # Requests are bounded, not batches: a batch may be many requests.
        gate = asyncio.Semaphore(self._destination.concurrency)
        shape = self._destination.shape
        requests_each = max(1, shape.ledger_rows // shape.batch_rows)
        workers = max(1, min(self._destination.concurrency, -(-64 // requests_each)))
        if self._destination.concurrency > 1:
            workers = max(2, workers)

        async def worker() -> None:
            for batch in batches:
                if self._stop is not None:
                    return
                settled = await self._deliver_batch(batch, gate)
                self._settled += settled
                now = self._timer()
                if now - self._told >= _PROGRESS_SECONDS:
                    self._told = now
                    self._on_progress(self._progress(total, now - started))

        await _together([worker() for _ in range(workers)])
        self._on_progress(self._progress(total, self._timer() - started))

    def _progress(self, total: int, seconds: float) -> Progress:
        return Progress(self._spec.name, self._settled, total, self._rejected, round(seconds, 1))

    async def _deliver_batch(self, batch: int, gate: asyncio.Semaphore) -> int:
        fetched = self._work.con.execute(
            f"select operation, row_key, identifier, {self._destination.shape.payload} "
            "from plan_rows where batch = ? order by row_key",
            [batch],
        ).fetchall()
        operation = Operation(fetched[0][0])
        rows = [OutRow(str(r[1]), str(r[2]), str(r[3])) for r in fetched]
        size = self._destination.shape.batch_rows
        outcome = _Outcome()
        self._ledger.sending(self._run_id, self._spec.name, batch, self._clock())

        async def chunk(part: Sequence[OutRow]) -> None:
            async with gate:
                await self._deliver(operation, part, outcome)

        await _together([chunk(rows[i : i + size]) for i in range(0, len(rows), size)])
        self._ledger.settled(
            self._run_id,
            batch,
            self._clock(),
            outcome=outcome.delivered,
            reference=outcome.reference,
            exceptions=outcome.exceptions,
        )
        return len(rows)

    async def _deliver(
        self, operation: Operation, rows: Sequence[OutRow], outcome: _Outcome, rounds: int = 0
    ) -> None:
        """Get an answer for every row: refused ones are dropped, a blind refusal is halved."""
        if self._stop is not None:
            _mark(outcome, rows, State.PLANNED, Rejection("not sent"))
            return
        try:
            answer = await self._destination.send(operation, rows)
        except AnswerLostError as error:
            _mark(outcome, rows, State.UNKNOWN, Rejection(str(error)))
            self._lost += 1
            if self._lost >= _MOST_LOST:
                self._stop = error
            return
        except (StoppedError, UnreachableError) as error:
            state = State.UNKNOWN if error.applied else State.PLANNED
            _mark(outcome, rows, state, Rejection(str(error)))
            self._stop = self._stop or error
            return
        self._lost = 0
        if isinstance(answer, Accepted):
            self._accepted += len(rows) - len(answer.rejected)
            outcome.delivered = State.CONFIRMED if answer.confirmed else State.ACCEPTED
            outcome.reference = answer.reference
            self._reject(outcome, {rows[i].row_key: r for i, r in answer.rejected.items()})
            return
        if isinstance(answer, Refused) and rounds < _MOST_ROUNDS:
            self._reject(outcome, {rows[i].row_key: r for i, r in answer.rejected.items()})
            rest = [row for i, row in enumerate(rows) if i not in answer.rejected]
            if rest:
                await self._deliver(operation, rest, outcome, rounds + 1)
            return
        await self._halve(operation, rows, outcome, answer)

    async def _halve(
        self,
        operation: Operation,
        rows: Sequence[OutRow],
        outcome: _Outcome,
        answer: Refused | RefusedWhole | TooLarge,
    ) -> None:
        if isinstance(answer, RefusedWhole):
            self._blind += 1
            if self._blind >= _MOST_BLIND and not self._accepted:
                message = f"every request is refused ({answer.rejection.reason})"
                self._stop = StoppedError(message, code=answer.rejection.code)
        if len(rows) == 1:
            reason = Rejection("the row is too large", "413")
            if isinstance(answer, RefusedWhole):
                reason = answer.rejection
            elif isinstance(answer, Refused):
                reason = next(iter(answer.rejected.values()))
            self._reject(outcome, {rows[0].row_key: reason})
            return
        middle = len(rows) // 2
        for half in (rows[:middle], rows[middle:]):
            await self._deliver(operation, half, outcome)

    def _reject(self, outcome: _Outcome, rejected: dict[str, Rejection]) -> None:
        self._rejected += len(rejected)
        if self._rejected >= _MOST_BLIND and not self._accepted and self._stop is None:
            self._stop = StoppedError("every row so far was refused", code="all")
        for row_key, rejection in rejected.items():
            outcome.exceptions[row_key] = (State.REJECTED, rejection)

    def _closed(self, plan: Plan, started: float, status: Status | None) -> Report:
        """Count what the ledger recorded, take it in, and close the run."""
        con = self._work.con
        if status is Status.REFUSED:
            con.execute("delete from planned")
            assign_batches(self._destination.shape, self._work)
            self._open(plan)
        ended = con.execute(
            f"select state, coalesce(reason, ''), count(*) from ({FOLD}) group by all order by all"
        ).fetchall()
        planned = sum(plan.counts.values())
        counts = {state: sum(n for s, _, n in ended if s == state) for state in State}
        reasons = {reason: 0 for s, reason, _ in ended if s not in DELIVERED}
        for state, reason, n in ended:
            if state not in DELIVERED:
                reasons[reason] += n
        error = ""
        if self._stop is None and counts[State.REJECTED] == planned > 1:
            # No row is at fault when all are: they are due again at once, not in a week.
            self._stop = StoppedError("every row was refused", code="all")
        if self._stop is not None:
            status = Status.STOPPED
            error = str(self._stop)
        elif status is None:
            failed = counts[State.REJECTED] + counts[State.HELD] + counts[State.UNKNOWN]
            status = Status.PARTIAL if failed else Status.OK
        if status is Status.REFUSED:
            error = "; ".join(f"{f.guard}: {f.message}" for f in plan.refused)
        report = Report(
            sync=self._spec.name,
            run_id=self._run_id,
            plan=plan,
            status=status,
            accepted=counts[State.ACCEPTED] + counts[State.CONFIRMED],
            rejected=counts[State.REJECTED],
            held=counts[State.HELD],
            unknown=counts[State.UNKNOWN],
            skipped=counts[State.SKIPPED],
            requests=self._traffic.requests,
            writes=self._traffic.writes,
            retries=self._traffic.retries,
            seconds=round(self._timer() - started, 2),
            reasons=reasons,
            error=error,
        )
        self._ledger.fold()
        self._ledger.finish(
            self._run_id,
            self._clock(),
            status=status,
            counts={"planned": planned, **report_counts(report)},
            reasons=reasons,
            error=error,
        )
        return report


def report_counts(report: Report) -> dict[str, int]:
    """The numbers of a report, by the names used everywhere."""
    names = ("accepted", "rejected", "held", "unknown", "skipped", "requests", "writes", "retries")
    return {name: int(getattr(report, name)) for name in names}


def _mark(outcome: _Outcome, rows: Sequence[OutRow], state: State, why: Rejection) -> None:
    for row in rows:
        outcome.exceptions[row.row_key] = (state, why)


async def _together(jobs: Sequence[Coroutine[Any, Any, None]]) -> None:
    """Run jobs at once; the first exception cancels the others and is raised."""
    try:
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(job)
    except BaseExceptionGroup as group:
        raise group.exceptions[0] from None
