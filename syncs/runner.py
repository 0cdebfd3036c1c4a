"""Plan and run syncs: what the command line and the orchestrator call.

One destination account is one unit: its syncs run one after the other, on one ledger and under one
set of rate limits. Nothing here knows which of its callers it has.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from syncs import ledger_file, results, workspace
from syncs import plan as planning
from syncs.connection import connected
from syncs.destinations.registry import destination_of, shape_of
from syncs.engine import OnProgress, Run
from syncs.errors import SpecError, SyncError
from syncs.ledger import Ledger
from syncs.records import Plan, Report
from syncs.settings import SyncSettings
from syncs.spec import AnySpec, nearest
from syncs.spec_files import load_specs

Clock = Callable[[], datetime]


def _now() -> datetime:
    return datetime.now(UTC)


def chosen(settings: SyncSettings, names: Sequence[str] = ()) -> dict[str, AnySpec]:
    """The specs to work on, in running order: those named, or all.

    Raises:
        SpecError: a file is wrong, or a name is unknown.
    """
    specs = load_specs(settings.specs)
    for name in names:
        if name not in specs:
            message = f"no sync {name!r} in {settings.specs}{nearest(name, specs)}"
            raise SpecError(message)
    return {name: spec for name, spec in specs.items() if not names or name in names}


def plan_one(settings: SyncSettings, spec: AnySpec, *, clock: Clock = _now) -> Plan:
    """The plan of one sync. Sends nothing and writes nothing.

    Raises:
        SyncError: published data or ledger cannot be read, or do not hold what the spec names.
    """
    shape = shape_of(spec, settings.shop_country)
    try:
        with (
            workspace.opened(settings) as work,
            ledger_file.viewed(work.con, ledger_path(settings, spec.account)) as book,
        ):
            return planning.build(spec, shape, work, book, now=clock()).plan
    except duckdb.Error as error:
        message = f"{type(error).__name__} while planning"
        raise SyncError(message) from None


def run_one(
    settings: SyncSettings,
    spec: AnySpec,
    *,
    expected_plan: str | None = None,
    approved_plans: Collection[str] = (),
    on_progress: OnProgress = lambda _: None,
    clock: Clock = _now,
) -> Report:
    """Run one sync to its end, whatever that is.

    Args:
        settings: where everything is.
        spec: the sync.
        expected_plan: a plan id; anything else that would be sent now is refused.
        approved_plans: plan ids a person looked at: guards do not stop these very plans.
        on_progress: told every few seconds how far the run is.
        clock: UTC time.

    Raises:
        PlanMovedError: the plan is no longer ``expected_plan``; nothing was sent.
        SyncError: the sync could not be started.
    """

    async def execute(run: Run) -> Report:
        return await run.execute(expected=expected_plan, approved=approved_plans)

    try:
        return asyncio.run(_run(settings, spec, execute, on_progress, clock))
    except duckdb.Error as error:
        # The text of a database error quotes values: name its kind only.
        message = f"{type(error).__name__} while planning or recording"
        raise SyncError(message) from None


async def _run(
    settings: SyncSettings,
    spec: AnySpec,
    execute: Callable[[Run], Awaitable[Report]],
    on_progress: OnProgress,
    clock: Clock,
) -> Report:
    async with connected(settings, spec.account, now=clock()) as connection:
        with (
            workspace.opened(settings) as work,
            ledger_file.attached(work.con, ledger_path(settings, spec.account)) as book,
        ):
            keep_apart(book, settings)
            destination = destination_of(
                spec,
                settings.shop_country,
                connection.transport,
                connection.credentials,
                connection.run_id,
            )
            return await execute(
                Run(
                    spec,
                    destination,
                    work,
                    book,
                    run_id=connection.run_id,
                    traffic=connection.transport.traffic,
                    on_progress=on_progress,
                    clock=clock,
                )
            )


def keep_apart(book: Ledger, settings: SyncSettings) -> None:
    """A ledger filled by the demo must not make production believe that everything is delivered.

    Raises:
        SyncError: the ledger belongs to the other environment.
    """
    kept = book.objects("").get("environment", settings.env)
    if kept != settings.env:
        message = (
            f"the ledger in {settings.ledgers} was filled in {kept}, this is {settings.env}: "
            "give each its own SEGMENTS_HOME"
        )
        raise SyncError(message)
    book.keep_objects("", {"environment": settings.env})


def run_account(
    settings: SyncSettings,
    specs: Iterable[AnySpec],
    *,
    expected_plans: Mapping[str, str] | None = None,
    approved_plans: Collection[str] = (),
    on_progress: OnProgress = lambda _: None,
    on_end: Callable[[AnySpec, Report | SyncError], None] = lambda *_: None,
    clock: Clock = _now,
) -> dict[str, Report | SyncError]:
    """Run the syncs of one destination account; one that fails does not stop the next.

    ``on_end`` hears of each as it ends. Results are published beside the segments at the end,
    whatever happened.
    """
    specs = list(specs)
    ends: dict[str, Report | SyncError] = {}
    try:
        for spec in specs:
            try:
                end: Report | SyncError = run_one(
                    settings,
                    spec,
                    expected_plan=(expected_plans or {}).get(spec.name),
                    approved_plans=approved_plans,
                    on_progress=on_progress,
                    clock=clock,
                )
            except SyncError as error:
                end = error
            ends[spec.name] = end
            on_end(spec, end)
    finally:
        for account in sorted({spec.account for spec in specs}):
            results.publish(settings, ledger_path(settings, account))
    return ends


def ledger_path(settings: SyncSettings, account: str) -> Path:
    """The ledger file of a destination account."""
    return settings.ledgers / f"{account}.duckdb"
