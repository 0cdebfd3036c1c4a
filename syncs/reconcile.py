"""Looking after the syncs: does each destination still hold what it was given?

A sample of people a day, turn by turn, so that in time everybody is looked at; one who differs has
everybody looked at. What differs is reported, and sent again when the spec allows it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Final

import duckdb

from syncs import audiences, results
from syncs.desk import Desk, opened
from syncs.destinations.people import ReadsBack
from syncs.destinations.registry import shape_of
from syncs.drift import NOBODY, REPAIRABLE, Drift
from syncs.errors import StoppedError, SyncError
from syncs.readback import Look, Sleep, Turns
from syncs.records import Progress, Report
from syncs.runner import ledger_path, run_one
from syncs.settings import SyncSettings
from syncs.spec import AnySpec, AudienceSpec, EventSpec, ProfileSpec
from syncs.wanted import check_names

# People looked up in one run of one sync: eleven minutes where each is a request of 150 a second.
MOST_LOOKED_AT: Final = 100_000
"""People of one sync who are looked up in one run, at most, beside those known to differ."""

_PROGRESS_SECONDS: Final = 2.0

# What the ledger remembers from day to day: whom it saw last, and how many are still to be seen.
_POSITION: Final = "looked_at"
_LEFT: Final = "left_to_look_at"

Clock = Callable[[], datetime]
OnProgress = Callable[[Progress], None]


def _now() -> datetime:
    return datetime.now(UTC)


def reconcile_account(
    settings: SyncSettings,
    specs: Iterable[AnySpec],
    *,
    clock: Clock = _now,
    sleep: Sleep = asyncio.sleep,
    on_progress: OnProgress = lambda _: None,
) -> dict[str, Drift | SyncError]:
    """Compare what destinations hold with what the ledger says; repair where a spec says so.

    Meant to follow the syncs. Events are left out: none can be read back. One sync that cannot be
    looked after does not stop the next. What differs is published as ``sync_drift`` at the end.

    Args:
        settings: where everything is.
        specs: the syncs of one destination account.
        clock: UTC time.
        sleep: waits before what was written just now is looked at again.
        on_progress: told how far the looking is, and the repair.
    """
    ends: dict[str, Drift | SyncError] = {}
    kept = [spec for spec in specs if not isinstance(spec, EventSpec)]
    try:
        for spec in kept:
            try:
                ends[spec.name] = _Keeper(settings, spec, clock, sleep, on_progress).reconcile()
            except SyncError as error:
                ends[spec.name] = error
            except duckdb.Error as error:
                # The text of a database error quotes values: name its kind only.
                ends[spec.name] = SyncError(f"{type(error).__name__} while reconciling")
    finally:
        for account in sorted({spec.account for spec in kept}):
            results.publish(settings, ledger_path(settings, account))
    return ends


class _Keeper:
    """Looks after one sync. The ledger is let go between looking and repairing."""

    def __init__(
        self,
        settings: SyncSettings,
        spec: ProfileSpec | AudienceSpec,
        clock: Clock,
        sleep: Sleep,
        on_progress: OnProgress,
    ) -> None:
        self._settings = settings
        self._spec = spec
        self._clock = clock
        self._sleep = sleep
        self._on_progress = on_progress

    def reconcile(self) -> Drift:
        """One look, and one repair."""
        spec = self._spec
        if not ledger_path(self._settings, spec.account).exists():
            return Drift(spec.name)
        if isinstance(spec, AudienceSpec):
            return asyncio.run(self._describe(spec))
        drift = asyncio.run(self._look(spec))
        if not spec.reconcile.repair or not drift.drifted:
            return drift
        try:
            report = run_one(self._settings, spec, on_progress=self._on_progress, clock=self._clock)
            restored = asyncio.run(self._restored(spec))
        except SyncError as error:
            return replace(drift, problem=str(error))
        problem = "" if restored == drift.drifted else _why_not(report)
        return replace(drift, repaired=restored, problem=problem)

    async def _describe(self, spec: AudienceSpec) -> Drift:
        async with opened(self._settings, spec, now=self._clock()) as desk:
            return await audiences.describe(spec, desk)

    async def _look(self, spec: ProfileSpec) -> Drift:
        """Look at today's turn, and at everybody when somebody new in it differs.

        Whoever differed last time and was not repaired is looked at again every time.
        """
        if not spec.reconcile.sample:
            return Drift(spec.name)
        async with opened(self._settings, spec, now=self._clock()) as desk:
            look = self._look_of(spec, desk)
            seen = desk.book.objects(spec.name)
            backlog = int(seen.get(_LEFT, "0"))
            turns = Turns(desk.work, spec.name, seen.get(_POSITION, NOBODY))
            at_first = max(spec.reconcile.sample, min(backlog, MOST_LOOKED_AT))
            taken = turns.take(at_first)
            looked_at = await look.at("known_drift") + await look.at("turn")
            left = max(backlog - taken, 0)
            if turns.brought_news():
                taken += turns.take(MOST_LOOKED_AT - at_first)
                looked_at += await look.at("turn")
                left = turns.people - taken
            turns.keep_pending()
            found = desk.record()
            desk.book.keep_objects(spec.name, {_POSITION: turns.position, _LEFT: str(left)})
            return Drift(
                sync=spec.name, looked_at=looked_at, left=left, found=found, requests=desk.requests
            )

    async def _restored(self, spec: ProfileSpec) -> int:
        """Look again at what was repaired; returns how much of it is right now."""
        async with opened(self._settings, spec, now=self._clock()) as desk:
            con, given = desk.work.con, {"sync": spec.name}
            con.execute(
                "create table repaired as select row_key from ledger.drift where sync = $sync "
                f"and kind in {REPAIRABLE}",
                given,
            )
            await self._look_of(spec, desk).at("repaired")
            row = con.execute(
                """update ledger.drift set repaired = true where sync = $sync
                and row_key in (select row_key from chosen)
                and row_key not in (select row_key from drifting)""",
                given,
            ).fetchone()
        return int(row[0]) if row else 0

    def _look_of(self, spec: ProfileSpec, desk: Desk) -> Look:
        check_names(spec, desk.work)
        people = desk.people()
        if not isinstance(people, ReadsBack):
            message = f"{spec.account} cannot be read back"
            raise StoppedError(message, code="read_back")
        started = told = time.monotonic()

        def on_looked(looked_at: int, total: int) -> None:
            nonlocal told
            now = time.monotonic()
            if now - told >= _PROGRESS_SECONDS:
                told = now
                seconds = round(now - started, 1)
                self._on_progress(Progress(spec.name, looked_at, total, 0, seconds))

        return Look(
            spec,
            shape_of(spec, self._settings.shop_country),
            desk.work,
            people,
            now=desk.now,
            sleep=self._sleep,
            on_looked=on_looked,
        )


def _why_not(report: Report) -> str:
    """Why not everything was repaired, in words that name nobody."""
    reasons = ", ".join(f"{n} x {reason}" for reason, n in report.reasons.items())
    said = "; ".join(part for part in (report.error, reasons) if part)
    return f"the repair ended {report.status}" + (f": {said}" if said else "")
