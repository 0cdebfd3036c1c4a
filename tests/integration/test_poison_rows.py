"""Rows that a vendor refuses hold up nobody else, and are not sent again and again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import duckdb
import pytest

from syncs import Status, SyncSettings, results
from syncs.destinations import klaviyo, registry
from syncs.records import Limit
from syncs.runner import ledger_path
from tests.support.box import Box
from tests.support.poison import Days

# Looking for refused rows that are not named, and one call a person, take time.
ROWS = {"pointer": 5_000, "import-errors": 5_000, "no-pointer": 800, "status": 400}
FORMS = [
    ("klaviyo_profile", "pointer"),
    ("klaviyo_profile", "no-pointer"),
    ("klaviyo_profile", "import-errors"),
    ("klaviyo_event", "pointer"),
    ("klaviyo_event", "no-pointer"),
    ("attentive_attribute", "status"),
    ("attentive_event", "status"),
]
STATES = [(destination, form) for destination, form in FORMS if not destination.endswith("event")]
EVENTS = [(destination, form) for destination, form in FORMS if destination.endswith("event")]


@pytest.fixture(autouse=True)
def no_limits(box: Box, monkeypatch: pytest.MonkeyPatch) -> None:
    """Looking for a refused row takes requests, and nobody waits for a minute's worth of them."""
    limits: Mapping[str, Any] = registry.LIMITS
    for vendor, operations in limits.items():
        monkeypatch.setitem(limits, vendor, dict.fromkeys(operations, (Limit(1_000, 0.01),)))
    monkeypatch.setattr(klaviyo, "_FIRST_POLL", 0.01)
    box.configure(limits=False, klaviyo_job_seconds=0, klaviyo_job_seconds_per_row=0)


@pytest.mark.parametrize(("destination", "form"), STATES)
def test_five_days(settings: SyncSettings, box: Box, destination: str, form: str) -> None:
    days = Days(settings, box, destination, ROWS[form])
    days.refuse(form)

    report, _ = days.run()
    assert (report.status, report.accepted, report.rejected) == (
        Status.PARTIAL, days.rows - 10, 10,
    )  # fmt: skip

    for _ in range(4):
        days.next_day()
        changed = days.one_percent()
        report, arrived = days.run()
        assert changed > 0
        assert report.plan.counts == {"update:data": changed}
        assert (report.status, report.accepted, arrived) == (Status.OK, changed, changed)


@pytest.mark.parametrize(
    ("destination", "form"), [("klaviyo_profile", "pointer"), ("attentive_attribute", "status")]
)
def test_when_a_refused_row_is_tried_again(
    settings: SyncSettings, box: Box, destination: str, form: str
) -> None:
    days = Days(settings, box, destination, 200)
    days.refuse(form)
    assert days.run()[0].rejected == 10

    # When it changed, and it alone.
    days.next_day()
    assert days.change("email like 'poison.buyer.0@%'") == 1
    report, _ = days.run()
    assert (report.accepted, report.rejected, report.plan.changes) == (0, 1, 1)

    # A week after it was refused, and not on the day after that.
    days.next_day(6)
    report, _ = days.run()
    assert (report.status, report.plan.changes, report.rejected) == (Status.PARTIAL, 9, 9)
    days.next_day()
    assert (days.one_percent(), days.run()[0].plan.counts) == (
        2,
        {"update:data": 2, "add:retry": 1},
    )
    days.next_day()
    assert days.run()[0].plan.changes == 0

    # When the mapping changes: that may be what it waits for.
    days.tell(", kind: {value: a}")
    report, _ = days.run()
    assert (report.accepted, report.rejected) == (190, 10)
    days.next_day()
    assert days.run()[0].plan.changes == 0

    box.heal()
    days.next_day(6)
    report, _ = days.run()
    assert (report.status, report.accepted, days.held()) == (Status.OK, 10, 200)
    days.next_day()
    assert days.run()[0].plan.changes == 0


@pytest.mark.parametrize(("destination", "form"), EVENTS)
def test_five_days_of_events(settings: SyncSettings, box: Box, destination: str, form: str) -> None:
    days = Days(settings, box, destination, ROWS[form])
    days.refuse(form)

    report, _ = days.run()
    assert (report.status, report.accepted, report.rejected) == (
        Status.PARTIAL, days.rows - 10, 10,
    )  # fmt: skip

    for day in range(1, 5):
        days.next_day()
        entered = days.one_percent()
        report, arrived = days.run()
        assert (report.accepted, arrived) == (entered, entered)
        # An event is worth something for three days, so a refused one is tried on each of them.
        assert report.rejected == (10 if day <= 3 else 0)
        assert report.plan.changes == entered + report.rejected

    assert box.events(days.vendor, "Bought") == days.rows - 10 + 4 * entered
    # Afterwards it is too old, for good.
    box.heal()
    days.next_day()
    report, arrived = days.run()
    assert (report.accepted, arrived, report.plan.changes) == (0, 0, 0)


@pytest.mark.parametrize(
    ("destination", "form"),
    [
        ("klaviyo_profile", "pointer"),
        ("klaviyo_profile", "import-errors"),
        ("klaviyo_event", "no-pointer"),
        ("attentive_attribute", "status"),
    ],
)
def test_more_refused_rows_than_one_would_expect_stop_nobody(
    settings: SyncSettings, box: Box, destination: str, form: str
) -> None:
    days = Days(settings, box, destination, rows=180, poisoned=45)
    days.refuse(form)

    report, _ = days.run()
    assert (report.status, report.rejected, days.held()) == (Status.PARTIAL, 45, 135)
    if destination.endswith("event"):
        return
    days.next_day()
    assert days.run()[0].plan.changes == 0
    # A week later they are alone: nobody is surprised, and they have another week to rest.
    days.next_day(7)
    report, _ = days.run()
    assert (report.status, report.rejected) == (Status.PARTIAL, 45)
    days.next_day()
    assert days.run()[0].plan.changes == 0


def test_those_whom_a_run_stopped_at_hold_up_nobody_next_time(
    settings: SyncSettings, box: Box
) -> None:
    days = Days(settings, box, "attentive_attribute", rows=200)
    box.fault("attentive", "status", status=400, method="POST", times=None)
    report, _ = days.run()
    assert report.status is Status.STOPPED
    assert 40 <= report.rejected < 100
    # All of these stay refused, and nobody else.
    results.publish(settings, ledger_path(settings, "attentive"))
    with duckdb.connect(str(settings.results), read_only=True) as con:
        con.execute(f"attach '{days.file}' as pub (read_only)")
        refused = con.execute(
            "select email from sync_rows join pub.customers using (customer_key) "
            "where state = 'rejected'"
        ).fetchall()
    box.heal()
    for (email,) in refused:
        box.fault("attentive", "status", status=400, method="POST", body_contains=email, times=None)

    report, _ = days.run()

    assert (report.status, report.accepted, report.rejected) == (
        Status.PARTIAL, 200 - len(refused), len(refused),
    )  # fmt: skip


def test_when_all_are_refused_they_are_due_again_at_once(settings: SyncSettings, box: Box) -> None:
    days = Days(settings, box, "klaviyo_profile", rows=1_000, poisoned=1_000)
    days.refuse("no-pointer")

    report, _ = days.run()
    assert report.status is Status.STOPPED
    # Looking for the one at fault ends soon.
    assert report.writes < 120
    box.heal()
    report, _ = days.run()
    assert (report.status, report.accepted) == (Status.OK, 1_000)


@pytest.mark.parametrize("destination", ["klaviyo_profile", "klaviyo_event"])
def test_a_request_that_is_too_large_is_halved(
    settings: SyncSettings, box: Box, destination: str
) -> None:
    days = Days(settings, box, destination, rows=1_000)
    box.fault("klaviyo", "status", status=413, method="POST", times=3)

    report, arrived = days.run()

    assert (report.status, report.accepted, arrived) == (Status.OK, 1_000, 1_000)
    sizes = [w["rows"] for w in box.writes("klaviyo") if w["status"] == 202]
    assert sizes == [125, 125, 250, 500]


@pytest.mark.parametrize("destination", ["attentive_attribute", "attentive_event"])
def test_one_row_that_is_too_large_is_refused(
    settings: SyncSettings, box: Box, destination: str
) -> None:
    days = Days(settings, box, destination, rows=50)
    box.fault("attentive", "status", status=413, method="POST", times=1)

    report, _ = days.run()

    assert (report.status, report.accepted, report.rejected) == (Status.PARTIAL, 49, 1)
    assert report.reasons == {"the row is too large": 1}
