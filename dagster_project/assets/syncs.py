"""One asset per sync spec, one step per destination account.

The syncs of an account share a ledger and rate limits, and some must run after others, so they run
one after the other in one step. A sync that could not deliver everything is not materialised, and
the step fails at its end with the counts; the other syncs of the account still ran.
"""

from collections.abc import Iterator, Sequence

import dagster as dg

from syncs import AnySpec, Progress, Report, SyncError, SyncSettings, run_account

_GROUP = "syncs"


def build_sync_assets(
    specs: Sequence[AnySpec], settings: SyncSettings, deps: Sequence[dg.AssetKey]
) -> list[dg.AssetsDefinition]:
    """The sync assets.

    Args:
        specs: every spec, in running order.
        settings: where the syncs find their input and keep their state.
        deps: the published assets they read.
    """
    accounts = sorted({spec.account for spec in specs})
    return [
        _account_assets(account, [s for s in specs if s.account == account], settings, deps)
        for account in accounts
    ]


def _account_assets(
    account: str,
    specs: Sequence[AnySpec],
    settings: SyncSettings,
    deps: Sequence[dg.AssetKey],
) -> dg.AssetsDefinition:
    @dg.multi_asset(
        name=f"{account}_syncs",
        specs=[_asset_spec(spec, deps) for spec in specs],
        can_subset=True,
        pool=f"destination_{account}",
    )
    def account_syncs(context: dg.AssetExecutionContext) -> Iterator[dg.MaterializeResult[None]]:
        if context.run.tags.get("dagster/backfill"):
            message = "syncs push the current truth; a backfill would push it once per partition"
            raise dg.Failure(message, allow_retries=False)
        selected = [s for s in specs if dg.AssetKey(s.name) in context.selected_asset_keys]

        def on_progress(progress: Progress) -> None:
            context.log.info(
                "%s: %s of %s rows settled, %s rejected, %s s",
                progress.sync,
                progress.settled,
                progress.total,
                progress.rejected,
                progress.seconds,
            )

        ends = run_account(settings, selected, on_progress=on_progress)
        failures: list[str] = []
        for name, end in ends.items():
            if isinstance(end, SyncError):
                failures.append(f"{name}: {end}")
                continue
            if end.delivered_everything:
                yield dg.MaterializeResult(asset_key=name, metadata=metadata(end))
                continue
            context.log_event(dg.AssetObservation(asset_key=name, metadata=metadata(end)))
            failures.append(f"{name}: {end.status}; {describe(end)}")
        if failures:
            raise dg.Failure("\n".join(failures), allow_retries=False)

    return account_syncs


def _asset_spec(spec: AnySpec, deps: Sequence[dg.AssetKey]) -> dg.AssetSpec:
    return dg.AssetSpec(
        spec.name,
        deps=[*deps, *getattr(spec, "after", ())],
        description=spec.description,
        group_name=_GROUP,
        owners=[spec.owner],
        kinds={spec.account},
        tags={"destination": spec.destination},
        skippable=True,
    )


def metadata(report: Report) -> dict[str, int | float | str]:
    """Counts, durations and reasons of a run; never a row, never a person."""
    plan = report.plan
    numbers: dict[str, int | float | str] = {
        "status": report.status.value,
        "members": plan.members,
        "planned": sum(plan.counts.values()),
        "unchanged": plan.unchanged,
        "accepted": report.accepted,
        "skipped": report.skipped,
        "rejected": report.rejected,
        "held": report.held,
        "unknown": report.unknown,
        "requests": report.requests,
        "writes": report.writes,
        "retries": report.retries,
        "seconds": report.seconds,
        "plan_id": plan.plan_id,
        "run_id": report.run_id,
    }
    numbers |= {f"planned {key}": n for key, n in plan.counts.items()}
    numbers |= {f"left out: {reason}": n for reason, n in plan.left_out.items()}
    return numbers | {f"reason: {reason}": n for reason, n in report.reasons.items()}


def describe(report: Report) -> str:
    """What went wrong, by reason, in one line."""
    reasons = ", ".join(f"{n} x {reason}" for reason, n in report.reasons.items())
    return "; ".join(part for part in (report.error, reasons) if part)
