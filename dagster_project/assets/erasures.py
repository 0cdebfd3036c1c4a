"""One asset per destination account: whom the vendor was told to forget, and who is forgotten."""

from collections.abc import Callable, Sequence
from datetime import date

import dagster as dg

from syncs import Erasures, SyncError, SyncSettings, conclude_erasures, erase_account


def build_erasure_assets(
    accounts: Sequence[str],
    settings: SyncSettings,
    deps: Sequence[dg.AssetKey],
    today: Callable[[], date],
) -> list[dg.AssetsDefinition]:
    """The erasure assets.

    Args:
        accounts: the destination accounts that have syncs.
        settings: where the syncs keep their state.
        deps: the published assets, whose step also publishes the erasure requests.
        today: the day of the shop.
    """
    return [_erasures(account, accounts, settings, deps, today) for account in accounts]


def _erasures(
    account: str,
    accounts: Sequence[str],
    settings: SyncSettings,
    deps: Sequence[dg.AssetKey],
    today: Callable[[], date],
) -> dg.AssetsDefinition:
    @dg.asset(
        name=f"{account}_erasures",
        deps=list(deps),
        description="Erasure requests sent to this vendor, until it confirms each of them.",
        group_name="syncs",
        owners=["team:data"],
        kinds={account},
        pool=f"destination_{account}",
    )
    def erasures(context: dg.AssetExecutionContext) -> dg.MaterializeResult[None]:
        try:
            ended = erase_account(settings, account)
            # Whoever finishes last finds everybody confirmed.
            concluded = conclude_erasures(settings, accounts, today=today())
        except SyncError as error:
            raise dg.Failure(str(error), allow_retries=False) from None
        if concluded:
            context.log.info("%s identifiers are forgotten everywhere", concluded)
        if not ended.is_fine:
            raise dg.Failure(describe(ended), allow_retries=False, metadata=metadata(ended))
        return dg.MaterializeResult(metadata=metadata(ended))

    return erasures


def metadata(ended: Erasures) -> dict[str, int]:
    """Counts of people; never who they are."""
    return {
        "people": ended.people,
        "forgotten": ended.done,
        "accepted, not confirmed": ended.waiting,
        "open": ended.open,
    }


def describe(ended: Erasures) -> str:
    """What is open and why, in one line."""
    reasons = ", ".join(f"{n} x {reason}" for reason, n in ended.reasons.items())
    return f"{ended.open} erasure requests are open: {reasons}"
