"""The daily job end to end on the sample shop: documented command, own sandbox, own home."""

from __future__ import annotations

import shutil
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from syncs import sandbox
from tests.support.daily import ROOT, publish, run_daily
from tests.support.forgotten import record_forgotten

TODAY, TOMORROW = "2026-11-21", "2026-11-22"
LIFECYCLE = [
    *(f"{s}_{t}" for s in ("active", "churning", "lapsed") for t in ("single", "multi", "hvc")),
    "non_buyer",
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home after one daily run; the tests below go on from there, in order."""
    folder = tmp_path_factory.mktemp("daily")
    result = run_daily(folder, SEGMENTS_AS_OF=TODAY)
    assert result.returncode == 0, result.stderr[-3000:]
    return folder


def published(home: Path, sql: str) -> list[Any]:
    with duckdb.connect(str(home / "published" / "segments.duckdb"), read_only=True) as con:
        return con.execute(sql).fetchall()


def results(home: Path, sql: str) -> list[Any]:
    with duckdb.connect(str(home / "published" / "syncs.duckdb"), read_only=True) as con:
        return con.execute(sql).fetchall()


def writes(home: Path) -> int:
    return sum(count.count for count in sandbox.describe(home).requests if count.writes)


def test_every_lifecycle_state_is_populated_and_everybody_is_in_one(home: Path) -> None:
    sizes = dict(published(home, "select segment, count(*) from segment_members group by all"))
    assert all(sizes[segment] > 10 for segment in LIFECYCLE)
    customers = published(home, "select count(*) from customers")[0][0]
    assert sum(sizes[segment] for segment in LIFECYCLE) == customers


def test_what_the_vendors_hold_is_what_is_published(home: Path) -> None:
    state = sandbox.describe(home)
    properties = {p.name: dict(p.values) for p in state.klaviyo.properties}
    told = dict(
        published(
            home,
            "select cast(ever_used_discount_code as varchar), count(*) from customers "
            "where ever_used_discount_code is not null and email is not null "
            "and not email_suppressed and email_consent is distinct from 'never' group by all",
        )
    )
    assert properties["ever_used_discount_code"] == told
    audiences = {audience.name: audience.members for audience in state.facebook.audiences}
    assert (
        audiences["Discount users"]
        == published(
            home,
            "select count(*) from segment_members join customers using (customer_key) "
            "where segment = 'ever_used_discount_code' and not ads_suppressed "
            "and (email is not null or phone is not null)",
        )[0][0]
    )
    assert (
        audiences["Win back best customers"]
        == published(
            home,
            "select count(*) from customers where lifecycle in ('lapsed_hvc', 'churning_hvc') "
            "and not ads_suppressed and (email is not null or phone is not null)",
        )[0][0]
    )
    assert state.attentive.texting_calls == 0
    assert {run[0] for run in results(home, "select status from sync_runs")} == {"ok"}


def test_the_same_job_again_writes_nothing(home: Path) -> None:
    before = writes(home)
    result = run_daily(home, SEGMENTS_AS_OF=TODAY)
    assert result.returncode == 0, result.stderr[-3000:]
    assert writes(home) == before


def test_one_more_day_sends_only_what_changed(home: Path) -> None:
    yesterday = dict(published(home, "select customer_key, customer_segment from customers"))
    runs = len(results(home, "select 1 from sync_runs"))
    # Somebody reads yesterday's file all the while: neither disturbs the other.
    with duckdb.connect(str(home / "published" / "segments.duckdb"), read_only=True) as reader:
        result = run_daily(home, SEGMENTS_AS_OF=TOMORROW)
        assert reader.execute("select count(*) from customers").fetchone() == (len(yesterday),)
        assert reader.execute("select distinct as_of from customers").fetchall() == [
            (date.fromisoformat(TODAY),)
        ]
    assert result.returncode == 0, result.stderr[-3000:]
    # And no log of the run names anybody.
    said = (result.stdout + result.stderr).lower()
    emails = [email for (email,) in published(home, "select email from customers") if email]
    assert emails
    assert not [email for email in emails if email in said]

    today = dict(published(home, "select customer_key, customer_segment from customers"))
    moved = sum(yesterday.get(key) != segment for key, segment in today.items())
    sent = dict(
        results(home, f"select sync, accepted from sync_runs order by started_at offset {runs}")
    )
    assert 0 < sent["klaviyo_lifecycle"] <= moved
    assert sent["klaviyo_discount_usage"] == 0
    assert sent["attentive_discount_usage"] == 0
    assert sent["facebook_discount_users"] == 0
    entered = published(
        home,
        f"select count(*) from segment_periods where entered_on = date '{TOMORROW}' "
        "and segment in ('new_hvc', 'new_churning_hvc', 'new_lapsed_hvc')",
    )[0][0]
    assert 0 < sent["klaviyo_hvc_events"] <= entered


def test_trap_14_another_currency_publishes_and_sends_nothing(home: Path) -> None:
    before = (published(home, "select publication_id from publication"), writes(home))

    result = run_daily(home, SEGMENTS_AS_OF=TOMORROW, SHOP_CURRENCY="EUR")

    assert result.returncode != 0
    assert "orders must be in SHOP_CURRENCY, EUR" in result.stderr
    assert " in USD: add exchange_rates.csv" in result.stderr
    assert (published(home, "select publication_id from publication"), writes(home)) == before


def test_a_refused_load_leaves_yesterday(home: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(ROOT / "seeds" / "raw", source)
    orders = source / "orders.csv"
    lines = orders.read_text().splitlines(keepends=True)
    column = lines[0].split(",").index("total_amount")
    for i in range(1, 400):
        cells = lines[i].split(",")
        cells[column] = "a lot"
        lines[i] = ",".join(cells)
    orders.write_text("".join(lines))
    before = (published(home, "select publication_id from publication"), writes(home))

    result = run_daily(home, SEGMENTS_AS_OF=TOMORROW, SEGMENTS_SOURCE=str(source))

    assert result.returncode != 0
    assert "orders.csv:2" in result.stderr
    assert (published(home, "select publication_id from publication"), writes(home)) == before


SHOP = {
    "customers": """customer_id,email,phone,first_name,last_name,city,email_consent
erin-1,Erin.Unmistakable@mail.example,(202) 555-0143,Erin,Unmistakable,Bathsheba,subscribed
otto-1,otto@mail.example,(202) 555-0144,Otto,Other,Springfield,subscribed
""",
    "orders": """order_id,ordered_at,total_amount,customer_id,email,phone,ship_city,user_agent
1,2026-03-01T10:00:00Z,10,erin-1,,,Bathsheba,Erinbrowser
2,2026-05-02T10:00:00Z,20,,erin.unmistakable@mail.example,,Bathsheba,
3,2026-07-03T10:00:00Z,30,,,202-555-0143,Bathsheba,
4,2026-07-04T10:00:00Z,40,otto-1,otto@mail.example,,Springfield,
5,never,50,erin-1,erin.unmistakable@mail.example,,Bathsheba,
""",
    "order_discounts": "order_id,kind,code\n2,code,SPRING\n",
    "erasure_requests": "email,requested_at\nerin.unmistakable@mail.example,2026-11-19\n",
}
SPEC = """name: klaviyo_lifecycle
description: One small sync, so that the job has everything.
owner: growth@example.com
destination: klaviyo_profile
audience: everyone
identify_by: {email: email}
properties: {lifecycle: lifecycle}
"""
TRACES = [b"erin.unmistakable", b"unmistakable", b"bathsheba", b"erinbrowser", b"555-0143",
          b"+12025550143", b"erin-1"]  # fmt: skip


def naming(*folders: Path) -> dict[str, list[bytes]]:
    """The files below folders that name Erin, and how."""
    found = {}
    for folder in folders:
        for file in sorted(folder.rglob("*")) if folder.is_dir() else [folder]:
            if file.is_file():
                content = file.read_bytes().lower()
                if traces := [trace for trace in TRACES if trace in content]:
                    found[file.name] = traces
    return found


def test_after_an_erasure_nothing_is_left_but_an_anonymous_customer(tmp_path: Path) -> None:
    home, source, specs, storage = (
        tmp_path / name for name in ("home", "source", "specs", "storage")
    )
    for folder in (source, specs, storage):
        folder.mkdir()
    for name, text in SHOP.items():
        (source / f"{name}.csv").write_text(text)
    (specs / "klaviyo_lifecycle.yml").write_text(SPEC)
    day = {
        "SEGMENTS_AS_OF": TODAY,
        "SEGMENTS_SOURCE": str(source),
        "SEGMENTS_SPECS": str(specs),
        "SEGMENTS_MAX_REJECTED_FRACTION": "0.5",
        "DAGSTER_HOME": str(storage),
    }
    about = (
        "select order_id, ordered_on, order_number, is_valid, total_amount, discount_codes, "
        "dense_rank() over (order by first_order_on) as customer, c.order_count, c.net_sales, "
        "c.lifecycle, c.ads_suppressed from orders join customers as c using (customer_key) "
        "order by order_id"
    )

    result = publish(home, **day)
    assert result.returncode == 0, result.stderr[-3000:]
    before = published(home, about)
    assert [row[2] for row in before] == [1, 2, 3, 1]
    keys = set(published(home, "select customer_key from customers"))
    erasures = home / "published" / "erasures.duckdb"
    with duckdb.connect(str(erasures), read_only=True) as con:
        named = con.execute("select id_type, id_value from erasures order by all").fetchall()
    assert named == [
        ("customer_id", "erin-1"),
        ("email", "erin.unmistakable@mail.example"),
        ("phone", "+12025550143"),
    ]
    # What is looked for is found as long as it is there; the published segments never had it.
    assert naming(home / "warehouse.duckdb")["warehouse.duckdb"] == TRACES
    assert set(naming(home / "published")) == {"erasures.duckdb"}

    record_forgotten(home, *named)
    result = run_daily(home, **day)
    assert result.returncode == 0, result.stderr[-3000:]
    assert naming(home / "warehouse.duckdb", home / "published") == {}
    assert naming(storage, ROOT / "dbt_project" / "target", ROOT / "dbt_project" / "logs") == {}
    with duckdb.connect(str(erasures), read_only=True) as con:
        assert con.execute("from erasures").fetchall() == []
    assert published(home, about) == before
    assert published(
        home,
        "select customer_ids, email, phone, first_name, city, email_consent, email_suppressed, "
        "sms_suppressed, ads_suppressed from customers where order_count = 3",
    ) == [([], None, None, None, None, None, True, True, True)]
    # The key was a hash of the address, which whoever knows the address can make as well.
    assert len(keys & set(published(home, "select customer_key from customers"))) == 1
