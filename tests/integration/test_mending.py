"""What a person decides: unanswered events arrived or not, refused rows are due now."""

from __future__ import annotations

import duckdb
import pytest

from syncs import Status, SyncSettings
from syncs.cli import main
from tests.support.box import Box
from tests.support.published import Shop
from tests.support.syncing import PROFILE, plan, run, write

EVENT = """destination: attentive_event
audience: buyers
identify_by: {phone: phone}
event: {name: Bought, on: entered}
properties: {kind: {value: buyer}}
guard: {max_removed: null, min_members: 0}
"""


@pytest.fixture
def lost(settings: SyncSettings, box: Box) -> Box:
    """Three events were sent; the answer to one was lost, though it arrived."""
    write(settings, "bought", EVENT)
    made = Shop()
    for i in range(3):
        made.add(f"c{i}", phone=f"+1202555010{i}").member("buyers", f"c{i}")
    made.publish(settings.home)
    box.fault("attentive", "drop-after-apply", method="POST", times=1)
    assert run(settings, "bought").unknown == 1
    return box


def test_unanswered_events_are_listed_without_a_person(
    settings: SyncSettings, lost: Box, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["resolve", "bought"]) == 2

    said = capsys.readouterr().out
    assert "buyers@2026-11-21" in said
    assert "+1202555" not in said


def test_what_arrived_is_never_sent_again(settings: SyncSettings, lost: Box) -> None:
    assert main(["resolve", "bought", "--arrived"]) == 0

    assert plan(settings, "bought").changes == 0
    assert main(["resolve", "bought"]) == 0
    assert lost.events("attentive", "Bought") == 3
    with duckdb.connect(str(settings.results), read_only=True) as con:
        states = con.execute("select state, count(*) from sync_rows group by all").fetchall()
    assert states == [("accepted", 3)]


def test_what_did_not_arrive_is_sent_with_the_next_run(settings: SyncSettings, lost: Box) -> None:
    assert plan(settings, "bought").changes == 0

    assert main(["resolve", "bought", "--lost", "--customer", "nobody"]) == 0
    assert plan(settings, "bought").changes == 0
    assert main(["resolve", "bought", "--lost"]) == 0

    assert plan(settings, "bought").counts == {"event:retry": 1}
    assert run(settings, "bought").status is Status.OK
    assert plan(settings, "bought").changes == 0


def test_refused_rows_are_due_when_somebody_says_so(settings: SyncSettings, box: Box) -> None:
    write(settings, "profiles", PROFILE)
    made = Shop()
    for i in range(4):
        made.add(f"c{i}", ever_used_discount_code=True)
    made.publish(settings.home)
    box.fault("klaviyo", "reject-rows", reject_emails="c1@", times=1)
    assert run(settings, "profiles").rejected == 1
    assert plan(settings, "profiles").changes == 0

    assert main(["retry", "profiles"]) == 0

    assert plan(settings, "profiles").counts == {"add:retry": 1}
    assert run(settings, "profiles").status is Status.OK


def test_a_sync_that_never_ran_has_nothing_to_decide(
    settings: SyncSettings, box: Box, capsys: pytest.CaptureFixture[str]
) -> None:
    write(settings, "bought", EVENT)
    Shop().add("c0", phone="+12025550100").publish(settings.home)

    assert main(["resolve", "bought", "--arrived"]) == 1

    assert "never ran" in capsys.readouterr().err
