"""The asset that looks after an account is green only when nothing differs, or all was mended."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import dagster as dg
import duckdb
import pytest

from dagster_project.assets.reconcile import build_reconcile_assets
from dagster_project.assets.syncs import build_sync_assets
from dagster_project.definitions import defs, specs
from syncs import SyncSettings, load_specs
from tests.support.box import Box
from tests.support.published import Shop
from tests.support.syncing import AUDIENCE, PROFILE, write

REPAIR = "reconcile: {repair: true}\n"


def materialize(settings: SyncSettings, selection: Any = None, **options: Any) -> Any:
    found = list(load_specs(settings.specs).values())
    assets = [
        *build_sync_assets(found, settings, []),
        *build_reconcile_assets(found, settings),
    ]
    return dg.materialize(assets, raise_on_error=False, selection=selection, **options)


def counts(result: dg.ExecuteInProcessResult, key: str) -> dict[str, Any]:
    (event,) = [e for e in result.get_asset_materialization_events()
                if e.asset_key and e.asset_key.path[-1] == key]  # fmt: skip
    return {name: value.value for name, value in event.materialization.metadata.items()}


def yesterday(settings: SyncSettings, account: str) -> None:
    """Let a day go by since the last delivery."""
    with duckdb.connect(str(settings.ledgers / f"{account}.duckdb")) as con:
        con.execute("update rows set updated_at = updated_at - ?", [timedelta(days=1)])


def publish(settings: SyncSettings) -> None:
    made = Shop()
    for i in range(60):
        made.add(f"c{i}", ever_used_discount_code=True).member("buyers", f"c{i}")
    made.publish(settings.home)


def test_it_follows_the_syncs_of_its_account_in_the_daily_job() -> None:
    graph = defs.resolve_asset_graph()
    for account in {spec.account for spec in specs.values()}:
        node = graph.get(dg.AssetKey(f"{account}_reconcile"))
        assert node.parent_keys == {
            dg.AssetKey(name) for name, spec in specs.items() if spec.account == account
        }
        assert node.pools == {f"destination_{account}"}
        assert node.group_name == "syncs"


def test_looking_after_the_syncs_is_green_and_says_how_many(
    settings: SyncSettings, box: Box
) -> None:
    write(settings, "usage", PROFILE)
    write(settings, "mirror", AUDIENCE)
    publish(settings)

    result = materialize(settings)

    assert result.success
    assert counts(result, "klaviyo_reconcile") == {"usage: looked at": 60}
    assert counts(result, "facebook_reconcile") == {"mirror: looked at": 1}


@pytest.mark.parametrize("more", ["", REPAIR])
def test_drift_is_green_only_when_it_is_repaired(
    settings: SyncSettings, box: Box, more: str
) -> None:
    write(settings, "usage", PROFILE + more)
    publish(settings)
    materialize(settings, ["usage"])
    yesterday(settings, "klaviyo")
    box.delete_profiles([f"c{i}@mail.example" for i in range(50)])

    result = materialize(settings)

    if more:
        assert result.success
        assert counts(result, "klaviyo_reconcile") == {
            "usage: looked at": 60, "usage: missing": 50, "usage: repaired": 50}  # fmt: skip
    else:
        assert not result.success
        failure = next(e for e in result.all_events if e.is_step_failure).step_failure_data
        assert "usage: 50 missing; 0 repaired" in str(failure.error)
        told = failure.user_failure_data.metadata
        assert {name: value.value for name, value in told.items()} == {
            "usage: looked at": 60, "usage: missing": 50}  # fmt: skip
    assert box.state()["klaviyo"]["profiles"] == (60 if more else 10)
    assert "mail.example" not in " ".join(str(event) for event in result.all_events)


def test_a_gone_audience_is_not_green(settings: SyncSettings, box: Box) -> None:
    write(settings, "mirror", AUDIENCE)
    publish(settings)
    materialize(settings, ["mirror"])
    box.delete_audience("Buyers")

    result = materialize(settings, ["facebook_reconcile"])

    assert not result.success
    failure = next(e for e in result.all_events if e.is_step_failure).step_failure_data
    assert "mirror: 1 audience_gone; 0 repaired" in str(failure.error)


def test_after_a_failed_sync_nobody_looks(settings: SyncSettings, box: Box) -> None:
    write(settings, "usage", PROFILE.replace("min_members: 0", "min_members: 99"))
    write(settings, "flag", PROFILE.replace("{used:", "{flag:"))
    write(settings, "mirror", AUDIENCE)
    publish(settings)

    result = materialize(settings)

    done = {e.asset_key.path[-1] for e in result.get_asset_materialization_events() if e.asset_key}
    assert not result.success
    assert done == {"flag", "mirror", "facebook_reconcile"}
    assert [r for r in box.requests("klaviyo") if r["operation"] == "get_profiles"] == []


def test_a_backfill_looks_at_nothing(settings: SyncSettings, box: Box) -> None:
    write(settings, "usage", PROFILE)
    publish(settings)
    tags = {"dagster/backfill": "abc"}

    result = materialize(settings, ["klaviyo_reconcile"], tags=tags)

    assert not result.success
    assert box.requests() == []
