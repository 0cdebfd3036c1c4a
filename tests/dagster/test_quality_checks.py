"""The checks of the source's quality: a warning each, with its numbers and nothing of a person."""

from __future__ import annotations

from pathlib import Path

import dagster as dg
import duckdb
import pytest

from dagster_project import quality_report
from dagster_project.assets.publish import published_key
from dagster_project.checks import QUALITY, build_checks
from dagster_project.settings import Settings
from dagster_project.sources import CanonicalSource, LoadOptions, load, normalise_phones
from tests.dbt.build import build_as_sample

# The last row of each table is rejected, and its reason quotes what stands in a wrong column.
_FILES = {
    "orders": """order_id,ordered_at,total_amount,email,discount_amount,financial_status,currency
1,2026-11-01T12:00:00Z,20.00,ann@mail.example,5,paid,USD
2,2026-11-02T12:00:00Z,20.00,ann@mail.example,5,paid,USD
3,2026-11-03T12:00:00Z,20.00,bob@mail.example,,voided,USD
4,2026-11-04T12:00:00Z,20.00,,,paid,
5,2026-11-05T12:00:00Z,+1 202 555 0143,,,paid,USD
""",
    "customers": """customer_id,email,email_consent,reported_orders,reported_spent
a,ann@mail.example,subscribed,3,60.00
b,bob@mail.example,subscribed,0,0.00
c,cy@mail.example,Cy Unmistakable,0,0.00
""",
    "order_discounts": "order_id,kind,code\n1,code,A\n9,code,A\n",
    "refunds": "refund_id,order_id,amount,refunded_at\nr,2,1.00,2026-11-09\n",
}


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home whose published file has the quality of a poor source."""
    home = tmp_path_factory.mktemp("poor")
    (home / "source").mkdir()
    for name, text in _FILES.items():
        (home / "source" / f"{name}.csv").write_text(text)
    settings = Settings(SEGMENTS_HOME=home)
    with duckdb.connect(str(settings.warehouse_path)) as con:
        options = LoadOptions(shop_timezone="America/New_York", max_rejected_fraction=0.5)
        load(con, CanonicalSource(home / "source"), options)
        normalise_phones(con, "US")
    build_as_sample(tmp_path_factory, home, "source_quality")
    settings.published_path.parent.mkdir()
    with duckdb.connect(str(settings.published_path)) as con:
        con.execute(f"ATTACH '{settings.warehouse_path}' AS warehouse (READ_ONLY)")
        con.execute("CREATE TABLE source_quality AS FROM warehouse.marts.source_quality")
    return settings


@pytest.fixture(scope="module")
def found(settings: Settings) -> dict[str, dg.AssetCheckEvaluation]:
    """What the checks say, by their names."""
    quality = [
        checks
        for checks in build_checks(settings)
        if {key.name for key in checks.check_keys} == set(QUALITY)
    ]
    job = dg.define_asset_job("look", selection=dg.AssetSelection.all_asset_checks())
    result = (
        dg.Definitions(asset_checks=quality, jobs=[job])
        .resolve_job_def("look")
        .execute_in_process()
    )
    assert result.success
    return {said.check_name: said for said in result.get_asset_check_evaluations()}


def values(said: dg.AssetCheckEvaluation) -> dict[str, object]:
    return {name: value.value for name, value in said.metadata.items()}


def test_every_share_with_a_threshold_is_one_check_of_the_published_table(
    found: dict[str, dg.AssetCheckEvaluation],
) -> None:
    assert set(found) == set(QUALITY)
    assert {said.asset_key for said in found.values()} == {published_key("quality")}


def test_what_is_above_its_threshold_is_a_warning_that_stops_nothing(
    found: dict[str, dg.AssetCheckEvaluation],
) -> None:
    assert {name for name, said in found.items() if not said.passed} == {
        "orders_without_ship_country_share",
        "orders_with_unexplained_discount_share",
        "discount_records_without_order_share",
        "rejected_rows_share",
        "customers_with_missing_orders_share",
        "customers_with_other_spend_share",
    }
    assert {said.severity for said in found.values()} == {dg.AssetCheckSeverity.WARN}
    assert not any(said.blocking for said in found.values())


def test_a_check_says_value_threshold_and_what_explains_it(
    found: dict[str, dg.AssetCheckEvaluation],
) -> None:
    assert values(found["orders_invalid_share"]) == {
        "value": 0.25,
        "threshold": 0.25,
        "detail": "1 of 4 orders do not count",
        "voided": 1,
    }
    assert values(found["customers_with_missing_orders_share"]) == {
        "value": 0.5,
        "threshold": 0.01,
        "detail": "1 of 2 customers have fewer orders than the platform counts",
    }
    assert values(found["rejected_rows_share"]) == {
        "value": 0.3333,
        "threshold": 0.001,
        "detail": "1 of 3 rows of customers were rejected, the largest share of a table",
        "customers: email_consent is not one of subscribed, unsubscribed, pending, never": 1,
        "orders: total_amount is not a number": 1,
    }


def test_nothing_of_a_cell_is_published(
    settings: Settings, found: dict[str, dg.AssetCheckEvaluation]
) -> None:
    # The warehouse quotes them, for whoever mends the source.
    with duckdb.connect(str(settings.warehouse_path), read_only=True) as con:
        reasons = str(con.execute("SELECT reason FROM raw.rejected_rows").fetchall())
    with duckdb.connect(str(settings.published_path), read_only=True) as con:
        published = str(con.execute("FROM source_quality").fetchall())
    said = str([values(one) for one in found.values()])
    for cell in ("Unmistakable", "555 0143"):
        assert cell in reasons
        assert cell not in published + said


def test_the_report_shows_what_is_above_its_threshold_first(settings: Settings) -> None:
    with duckdb.connect(str(settings.published_path), read_only=True) as con:
        report = quality_report.as_markdown(con)
    lines = report.splitlines()
    assert lines[0] == "**6 of 11 shares are above their threshold.**"
    rows = [line.split(" | ") for line in lines[4:]]
    assert [row[0] for row in rows[:7]] == ["| ✗"] * 6 + ["| ✓"]
    assert [
        *("| ✗", "customers_with_missing_orders_share", "0.5", "0.01"),
        "1 of 2 customers have fewer orders than the platform counts |",
    ] in rows
    assert ["| ", "orders_invalid", "1", "", "voided |"] in rows
    assert "Unmistakable" not in report


def test_what_cannot_be_judged_passes_as_unknown(tmp_path: Path) -> None:
    settings = Settings(SEGMENTS_HOME=tmp_path)
    settings.published_path.parent.mkdir()
    with duckdb.connect(str(settings.published_path)) as con:
        con.execute(
            """CREATE TABLE source_quality AS SELECT unnest(?) AS "check", NULL::DECIMAL(18, 4)
            AS value, 'nothing to judge by' AS detail, 0.01 AS threshold, NULL::BOOLEAN AS passed
            """,
            [list(QUALITY)],
        )
    job = dg.define_asset_job("look", selection=dg.AssetSelection.all_asset_checks())
    quality = build_checks(settings)[-1]
    result = (
        dg.Definitions(asset_checks=[quality], jobs=[job])
        .resolve_job_def("look")
        .execute_in_process()
    )
    found = result.get_asset_check_evaluations()
    assert len(found) == len(QUALITY)
    assert all(said.passed and said.metadata["value"].value == "unknown" for said in found)
