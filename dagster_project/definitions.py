"""What this deployment contains, top to bottom."""

from __future__ import annotations

import dagster as dg

from dagster_project.assets.erasures import build_erasure_assets
from dagster_project.assets.load import build_load_assets
from dagster_project.assets.publish import GROUPS, build_publish_asset, published_key
from dagster_project.assets.reconcile import build_reconcile_assets
from dagster_project.assets.syncs import build_sync_assets
from dagster_project.assets.transform import build_dbt_assets
from dagster_project.checks import build_checks
from dagster_project.jobs import daily_schedule, daily_segments, failure_sensor, reload_history
from dagster_project.settings import export_for_dbt, load_settings
from syncs import SyncSettings, load_specs

settings = load_settings()
export_for_dbt(settings)

dbt_models, dbt = build_dbt_assets(settings)
specs = load_specs(settings.specs)
sync_settings = SyncSettings()
accounts = sorted({spec.account for spec in specs.values()})
published = [published_key(group) for group in GROUPS]

# In the demo everything shares two cores and one process is quickest; in production the accounts
# are synced side by side, each in a process of its own.
executor = (
    dg.multiprocess_executor.configured(
        {"start_method": {"forkserver": {"preload_modules": ["dagster_project.definitions"]}}}
    )
    if settings.is_production
    else dg.in_process_executor
)

defs = dg.Definitions(
    assets=[
        *build_load_assets(settings),
        dbt_models,
        build_publish_asset(settings),
        *build_sync_assets(list(specs.values()), sync_settings, published),
        *build_reconcile_assets(list(specs.values()), sync_settings),
        *build_erasure_assets(accounts, sync_settings, published, settings.as_of),
    ],
    asset_checks=build_checks(settings),
    jobs=[daily_segments, reload_history],
    schedules=[daily_schedule(settings)],
    sensors=[failure_sensor(settings)],
    resources={"dbt": dbt},
    executor=executor,
)
