from __future__ import annotations

import dagster as dg
import pytest

from dagster_project.checks import QUALITY
from dagster_project.definitions import defs, specs
from dagster_project.jobs import daily_schedule, failure_sensor
from dagster_project.settings import Settings
from dagster_project.sources import TABLE_NAMES
from tests.dbt.build import PROJECT


@pytest.fixture(scope="module")
def graph() -> dg.AssetGraph:
    return defs.resolve_asset_graph()


def test_every_table_model_and_spec_is_one_asset(graph: dg.AssetGraph) -> None:
    keys = graph.get_all_asset_keys()
    assert {dg.AssetKey(["raw", table]) for table in TABLE_NAMES} <= keys
    assert {dg.AssetKey(name) for name in specs} <= keys
    models = {file.stem for file in (PROJECT / "models").rglob("*.sql")}
    assert models <= {key.path[-1] for key in keys}
    assert not [key for key in keys if not graph.get(key).is_materializable]


def test_the_graph_is_one_graph_from_files_to_syncs(graph: dg.AssetGraph) -> None:
    before = {dg.AssetKey("klaviyo_discount_usage")}
    while True:
        more = before | {p for key in before for p in graph.get(key).parent_keys}
        if more == before:
            break
        before = more
    assert {dg.AssetKey(["raw", "orders"]), dg.AssetKey(["raw", "order_discounts"])} <= before


def test_everything_says_what_it_is_and_whose(graph: dg.AssetGraph) -> None:
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description, key
        assert node.owners, key
        assert node.group_name != "default", key
        assert node.kinds, key
        assert node.pools, key


def test_one_process_writes_a_destination_account(graph: dg.AssetGraph) -> None:
    for name, spec in specs.items():
        assert graph.get(dg.AssetKey(name)).pools == {f"destination_{spec.account}"}


def test_the_daily_job_is_everything(graph: dg.AssetGraph) -> None:
    job = defs.resolve_job_def("daily_segments")
    assert set(job.asset_layer.executable_asset_keys) == set(graph.get_all_asset_keys())


def test_reloading_history_sends_nothing() -> None:
    keys = defs.resolve_job_def("reload_history").asset_layer.executable_asset_keys
    assert {key.path[0] for key in keys} == {"raw"}


@pytest.mark.parametrize("env", ["demo", "production"])
def test_the_schedule_is_visible_everywhere_and_runs_in_production(env: str) -> None:
    settings = Settings(SEGMENTS_ENV=env, SHOP_TIMEZONE="Europe/Berlin")
    schedule = daily_schedule(settings)
    assert schedule.execution_timezone == "Europe/Berlin"
    assert (schedule.default_status is dg.DefaultScheduleStatus.RUNNING) == (env == "production")
    sensor = failure_sensor(settings)
    assert (sensor.default_status is dg.DefaultSensorStatus.RUNNING) == (env == "production")


def test_dbt_tests_and_our_own_are_asset_checks(graph: dg.AssetGraph) -> None:
    names = {key.name for key in graph.asset_check_keys}
    assert {"published_is_whole", "published_as_of", "one_lifecycle_each", *QUALITY} <= names
    singular = {file.stem for file in (PROJECT / "tests").glob("*.sql")}
    assert singular <= names
