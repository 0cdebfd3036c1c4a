"""One asset per destination account: does it still hold what its syncs delivered?

It follows the account's syncs. A step whose upstream step failed is skipped by Dagster, so on a day
on which a sync of the account failed nobody looks; `python -m syncs reconcile` looks at any time.
"""

from collections.abc import Mapping, Sequence

import dagster as dg

from syncs import AnySpec, Drift, Progress, SyncError, SyncSettings, reconcile_account

_GROUP = "syncs"


def build_reconcile_assets(
    specs: Sequence[AnySpec], settings: SyncSettings
) -> list[dg.AssetsDefinition]:
    """The reconcile assets.

    Args:
        specs: every spec; each account with one gets an asset.
        settings: where the syncs keep their state.
    """
    accounts = sorted({spec.account for spec in specs})
    return [
        _reconciled(account, [s for s in specs if s.account == account], settings)
        for account in accounts
    ]


def _reconciled(
    account: str, specs: Sequence[AnySpec], settings: SyncSettings
) -> dg.AssetsDefinition:
    @dg.asset(
        name=f"{account}_reconcile",
        deps=[spec.name for spec in specs],
        description="Looks up whether this vendor still holds what was delivered; fails when it "
        "does not and that was not repaired.",
        group_name=_GROUP,
        owners=sorted({spec.owner for spec in specs}),
        kinds={account},
        pool=f"destination_{account}",
    )
    def reconciled(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        if context.run.tags.get("dagster/backfill"):
            message = "destinations hold the current truth; there is no past one to compare with"
            raise dg.Failure(message, allow_retries=False)

        def on_progress(progress: Progress) -> None:
            context.log.info(
                "%s: %s of %s, %s s",
                progress.sync,
                progress.settled,
                progress.total,
                progress.seconds,
            )

        ends = reconcile_account(settings, specs, on_progress=on_progress)
        failures = [
            f"{name}: {describe(end)}"
            for name, end in ends.items()
            if isinstance(end, SyncError) or not end.is_fine
        ]
        if failures:
            raise dg.Failure("\n".join(failures), allow_retries=False, metadata=metadata(ends))
        return dg.MaterializeResult(metadata=metadata(ends))

    return reconciled


def metadata(ends: Mapping[str, Drift | SyncError]) -> dict[str, int]:
    """Counts by sync; never a row, never a person."""
    counts: dict[str, int] = {}
    for name, end in ends.items():
        if isinstance(end, Drift):
            counts[f"{name}: looked at"] = end.looked_at
            counts |= {f"{name}: {kind}": n for kind, n in end.found.items()}
            counts |= {
                f"{name}: {what}": n
                for what, n in (("repaired", end.repaired), ("left for tomorrow", end.left))
                if n
            }
    return counts


def describe(end: Drift | SyncError) -> str:
    """What is wrong, in one line."""
    if isinstance(end, SyncError):
        return f"not looked up: {end}"
    found = ", ".join(f"{n} {kind}" for kind, n in end.found.items())
    parts = (f"{found}; {end.repaired} repaired", end.problem)
    return "; ".join(part for part in parts if part)
