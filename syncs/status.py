"""Where every sync stands: what `python -m syncs status` shows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from syncs import ledger_file, runner, workspace
from syncs.errors import SyncError
from syncs.settings import SyncSettings
from syncs.spec import AnySpec


@dataclass(frozen=True)
class Standing:
    """One sync's standing. Counts are rows; ``age_seconds`` is since the last run ended.

    ``in_sync`` rows are acknowledged as they should be, ``pending`` ones would be written by the
    next run (None when there is nothing published to compare with), ``rejected`` and ``unknown``
    ones need somebody to look. ``censored`` are the left-censored segments it names, by the reason.
    """

    sync: str
    destination: str
    last_status: str
    last_finished_at: str
    age_seconds: int | None
    in_sync: int
    pending: int | None
    rejected: int
    held: int
    unknown: int
    censored: Mapping[str, Sequence[str]]
    problem: str = ""


def standing(
    settings: SyncSettings,
    spec: AnySpec,
    *,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Standing:
    """The standing of one sync.

    Raises:
        SyncError: the ledger or the published data cannot be read.
    """
    with (
        workspace.opened(settings) as work,
        ledger_file.viewed(work.con, runner.ledger_path(settings, spec.account)) as book,
    ):
        book.know()
        states = dict(
            work.con.execute(
                "select state, count(*) from known where sync = ? group by all", [spec.name]
            ).fetchall()
        )
        last = work.con.execute(
            # A run that is running holds the ledger, so one that can be read here has died.
            "select case status when 'running' then 'interrupted' else status end, "
            "coalesce(finished_at, started_at) from ledger.runs where sync = ? "
            "order by started_at desc limit 1",
            [spec.name],
        ).fetchone()
    plan, problem = None, ""
    try:
        plan = runner.plan_one(settings, spec, clock=clock)
    except SyncError as error:
        problem = str(error)
    finished = last[1] if last else None
    return Standing(
        sync=spec.name,
        destination=spec.destination,
        last_status=str(last[0]) if last else "never ran",
        last_finished_at=finished.astimezone(UTC).isoformat(timespec="seconds") if finished else "",
        age_seconds=int((clock() - finished).total_seconds()) if finished else None,
        in_sync=int(states.get("accepted", 0)) + int(states.get("confirmed", 0)),
        pending=plan.changes if plan else None,
        rejected=int(states.get("rejected", 0)),
        held=int(states.get("held", 0)),
        unknown=int(states.get("unknown", 0)),
        censored=plan.censored if plan else {},
        problem=problem,
    )
