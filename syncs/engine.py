"""plan → guard → batch → send → settle → report, for any destination.

The engine knows no vendor. What came of a run is counted from the ledger.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from datetime import UTC, datetime
from typing import Final

from syncs import diff, past
from syncs import plan as planning
from syncs.batches import Bodies, Cut, Part, cut
from syncs.delivery import Delivery, together
from syncs.destinations.base import Destination, FindsProfiles, FollowsJobs
from syncs.errors import DeliveryError, PlanMovedError, StoppedError
from syncs.ledger import Aside, Ledger, RunStart
from syncs.plan import Built
from syncs.records import (
    DELIVERED,
    Progress,
    Report,
    State,
    Status,
)
from syncs.spec import AnySpec, EventSpec
from syncs.transport import Traffic
from syncs.workspace import Workspace

# Rows that are not sent at all, by their batch number.
ASIDE: Final = {
    0: Aside(State.SKIPPED, "no_profile"),
    -1: Aside(State.HELD, "property_not_accepted"),
    -2: Aside(State.HELD, "identifier_no_longer_known"),
    diff.TOO_OLD: Aside(State.SKIPPED, "too_old"),
}

_PROGRESS_SECONDS: Final = 2.0

OnProgress = Callable[[Progress], None]


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
        self._started = timer()
        self._stop: DeliveryError | None = None
        self._refused_before = 0

    async def execute(
        self, *, expected: str | None = None, approved: Collection[str] = ()
    ) -> Report:
        """Bring the destination up to date; every planned row ends in a recorded state.

        Args:
            expected: a plan id; any other plan is refused.
            approved: plan ids a person looked at: guards do not stop these very plans.

        Raises:
            PlanMovedError: the plan is not the expected one; nothing was sent.
            PublishedDataError: the spec names something that is not published.
        """
        if self._spec.renamed_from:
            self._ledger.adopt(self._spec.renamed_from, self._spec.name)
        await self._resume()
        self._ledger.fold()
        self._ledger.rekey(account=self._spec.account, run_id=self._run_id, at=self._clock())
        built = planning.build(
            self._spec, self._destination.shape, self._work, self._ledger, now=self._clock()
        )
        plan = built.plan
        if expected is not None and plan.plan_id != expected:
            message = "published data, ledger or spec moved since the plan was made"
            raise PlanMovedError(message)
        if plan.refused and plan.plan_id not in approved:
            return self._refused(built)
        if self._stop is None and plan.counts:
            try:
                await self._set_aside()
            except DeliveryError as error:
                self._stop = error
        if self._stop is not None:
            diff.nothing(self._work)
        batches = cut(self._destination.shape, self._work)
        self._open(built, batches)
        self._refused_before = self._ledger.refused_before(self._run_id)
        if batches.groups:
            await self._deliver(built, batches)
        return self._closed(built)

    async def _resume(self) -> None:
        """Hear the end of jobs that a run which died had started."""
        destination = self._destination
        if not isinstance(destination, FollowsJobs):
            return
        for run_id, batch, rows, reference in self._ledger.unfollowed(self._spec.name):
            if self._stop is None:
                delivery = self._delivery(run_id, rows)
                await delivery.resume(Part(batch, 0, rows), reference)
                self._stop = delivery.stop

    def _delivery(self, run_id: str, total: int) -> Delivery:
        settled, told = 0, self._started

        def on_settled(rows: int) -> None:
            nonlocal settled, told
            settled += rows
            now = self._timer()
            if now - told >= _PROGRESS_SECONDS or settled == total:
                told = now
                seconds = round(now - self._started, 1)
                self._on_progress(
                    Progress(self._spec.name, settled, total, delivery.rejected, seconds)
                )

        delivery = Delivery(
            self._destination,
            self._ledger,
            run_id=run_id,
            sync=self._spec.name,
            clock=self._clock,
            on_settled=on_settled,
            refused_before=self._refused_before,
        )
        return delivery

    def _open(self, built: Built, batches: Cut) -> None:
        shape = self._destination.shape
        leaving = "p.vendor_row"
        self._ledger.begin(
            RunStart(
                run_id=self._run_id,
                sync=self._spec.name,
                destination=self._spec.destination,
                as_of=built.plan.as_of,
                publication_id=self._work.publication.publication_id,
                plan_id=built.plan.plan_id,
                idempotent=shape.idempotent,
                started_at=self._clock(),
            ),
            batches,
            built.recipe,
            f"coalesce({leaving}, {shape.identifier})" if shape.keeps_identifier else "null",
        )
        if not built.plan.counts:
            return
        for batch, aside in ASIDE.items():
            self._ledger.set_aside(self._run_id, self._spec.name, batch, self._clock(), aside)
        self._ledger.flush()

    async def _set_aside(self) -> None:
        """Mark the planned rows that must not be sent, and why."""
        con = self._work.con
        con.execute(
            "update planned set aside = -2 where operation = 'remove' and identifier is null"
        )
        if isinstance(self._spec, EventSpec):
            for sync in self._spec.after:
                # The property counts as accepted when its sync ran on this very picture of the
                # shop and the destination took the person's row, or has no such profile.
                con.execute(
                    f"""update planned set aside = -1 where aside is null and rowid not in (
                        select p.rowid from planned as p
                        join pub.main.customers as c on c.rowid = p.ref
                        join ledger.rows as r on r.row_key = keyed({self._destination.shape.key})
                        where r.sync = $sync and r.state in ('accepted', 'confirmed', 'skipped')
                            and exists (from ledger.runs where sync = $sync
                                and publication_id = $publication and status in ('ok', 'partial')))
                    """,
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
            f"""create or replace table sought as
            select place, identifier, (row_number() over (order by identifier) - 1) // $n as page
            from (
                select p.rowid as place, coalesce(p.identifier, {destination.shape.identifier})
                    as identifier
                from planned as p left join pub.main.customers as c on c.rowid = p.ref
                where aside is null and {which}
            )""",
            {"n": destination.lookup_rows},
        )
        con.execute("create or replace table found (identifier varchar)")
        row = con.execute("select coalesce(max(page) + 1, 0) from sought").fetchone()
        pages = iter(range(int(row[0]) if row else 0))

        async def worker() -> None:
            for page in pages:
                rows = con.execute(
                    "select distinct identifier from sought where page = ?", [page]
                ).fetchall()
                known = await destination.existing([str(r[0]) for r in rows])
                con.execute("insert into found select unnest(cast(? as varchar[]))", [list(known)])

        await together([worker() for _ in range(destination.lookups)])
        con.execute(
            "update planned set aside = 0 where rowid in (select place from sought "
            "where identifier not in (select identifier from found))"
        )

    async def _deliver(self, built: Built, batches: Cut) -> None:
        objects = self._ledger.objects(self._spec.name)
        try:
            await self._destination.prepare(batches.rows(), objects)
        except DeliveryError as error:
            self._stop = error
            return
        finally:
            self._ledger.keep_objects(self._spec.name, objects)
        delivery = self._delivery(self._run_id, sum(batches.rows().values()))
        bodies = Bodies(self._destination.shape, built.properties, self._work)
        await delivery.deliver(batches, bodies)
        self._stop = delivery.stop

    def _refused(self, built: Built) -> Report:
        diff.nothing(self._work)
        self._open(built, Cut(()))
        error = "; ".join(f"{f.guard}: {f.message}" for f in built.plan.refused)
        return self._finished(built, Status.REFUSED, [], error)

    def _closed(self, built: Built) -> Report:
        """Count what the ledger recorded, take it in, and close the run."""
        ended = self._ledger.ended(self._run_id)
        planned = sum(built.plan.counts.values())
        bad = {state: sum(n for s, _, n in ended if s == state) for state in State}
        news = planned - self._refused_before
        if self._stop is None and bad[State.REJECTED] == planned and news > 1:
            # No row is at fault when all are: they are due again at once, not in a week.
            self._stop = StoppedError("every row was refused", code="all")
        if self._stop is not None:
            return self._finished(built, Status.STOPPED, ended, str(self._stop))
        failed = bad[State.REJECTED] + bad[State.HELD] + bad[State.UNKNOWN]
        report = self._finished(built, Status.PARTIAL if failed else Status.OK, ended, "")
        self._ledger.keep_objects(self._spec.name, {past.NAME: built.past.text()})
        return report

    def _finished(
        self, built: Built, status: Status, ended: Sequence[tuple[str, str, int]], error: str
    ) -> Report:
        counts = {state: sum(n for s, _, n in ended if s == state) for state in State}
        reasons: dict[str, int] = {}
        for state, reason, n in ended:
            if state not in DELIVERED:
                reasons[reason] = reasons.get(reason, 0) + n
        report = Report(
            sync=self._spec.name,
            run_id=self._run_id,
            plan=built.plan,
            status=status,
            accepted=counts[State.ACCEPTED] + counts[State.CONFIRMED],
            rejected=counts[State.REJECTED],
            held=counts[State.HELD],
            unknown=counts[State.UNKNOWN],
            skipped=counts[State.SKIPPED],
            requests=self._traffic.requests,
            writes=self._traffic.writes,
            retries=self._traffic.retries,
            seconds=round(self._timer() - self._started, 2),
            reasons=reasons,
            error=error,
        )
        self._ledger.fold()
        self._ledger.finish(
            self._run_id,
            self._clock(),
            status=status,
            counts={"planned": sum(built.plan.counts.values()), **report_counts(report)},
            reasons=reasons,
            error=error,
        )
        return report


def report_counts(report: Report) -> dict[str, int]:
    """The numbers of a report, by the names used everywhere."""
    names = ("accepted", "rejected", "held", "unknown", "skipped", "requests", "writes", "retries")
    return {name: int(getattr(report, name)) for name in names}
