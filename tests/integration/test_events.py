from __future__ import annotations

import shutil
from datetime import date, timedelta
from typing import Any
from unittest import mock

import duckdb
import pytest

from syncs import Status, SyncSettings, chosen, run_account
from tests.support.box import Box
from tests.support.published import AS_OF, Shop
from tests.support.syncing import plan, run, write

EVENT = """destination: klaviyo_event
audience: new_multi_buyer
identify_by: {email: email}
event: {name: New Multi-Buyer, on: entered, max_age_days: 3}
properties: {CUSTOMER_SEGMENT: {value: segment_new_multi_buyers}}
guard: {max_removed: null, min_members: 0}
"""
PROPERTY = """destination: klaviyo_profile
audience: new_multi_buyer
identify_by: {email: email}
properties: {new_multi_buyer: {value: true}}
guard: {max_removed: null, min_members: 0}
"""


def shop(count: int = 5, entered: date = AS_OF) -> Shop:
    made = Shop()
    for i in range(count):
        made.add(f"c{i}").member("new_multi_buyer", f"c{i}", entered)
    return made


def test_an_entry_is_one_event_for_ever(settings: SyncSettings, box: Box) -> None:
    write(settings, "entries", EVENT)
    made = shop()
    made.publish(settings.home)
    run(settings, "entries")
    run(settings, "entries")
    # Another day, the same entries; then the ledger is lost and everything is sent again.
    made.as_of = AS_OF + timedelta(days=1)
    made.publish(settings.home)
    run(settings, "entries")
    (settings.ledgers / "klaviyo.duckdb").unlink()
    run(settings, "entries")

    assert box.events("klaviyo", "New Multi-Buyer") == 5


def test_a_new_address_or_key_is_no_new_entry(settings: SyncSettings, box: Box) -> None:
    write(settings, "entries", EVENT)
    made = shop(1)
    made.publish(settings.home)
    run(settings, "entries")
    made.customers[0]["email"] = "new@mail.example"
    made.publish(settings.home)

    assert run(settings, "entries").accepted == 0


def test_who_was_told_and_has_no_address_any_more_silences_nobody(
    settings: SyncSettings, box: Box
) -> None:
    write(settings, "entries", EVENT)
    made = shop(1)
    made.publish(settings.home)
    run(settings, "entries")
    made.customers[0]["email"] = None
    made.identities.append(("c0", "email", "c0@mail.example"))
    made.add("late").member("new_multi_buyer", "late", AS_OF)
    made.publish(settings.home)

    assert run(settings, "entries").accepted == 1
    assert box.events("klaviyo", "New Multi-Buyer") == 2


def test_a_second_entry_is_a_second_event(settings: SyncSettings, box: Box) -> None:
    write(settings, "entries", EVENT)
    made = shop(1, AS_OF - timedelta(days=2))
    made.publish(settings.home)
    run(settings, "entries")
    made.member("new_multi_buyer", "c0", AS_OF)
    made.publish(settings.home)
    run(settings, "entries")

    assert box.events("klaviyo", "New Multi-Buyer") == 2


@pytest.mark.parametrize("days", [-5, -1, 1, 20])
def test_an_entry_that_moved_is_no_second_event(
    settings: SyncSettings, box: Box, days: int
) -> None:
    write(settings, "entries", EVENT.replace("max_age_days: 3", "max_age_days: 30"))
    made = shop(2, AS_OF - timedelta(days=25))
    made.publish(settings.home)
    assert run(settings, "entries").accepted == 2
    # A late order, or a threshold: the same entry of c0 is now on another day.
    made.periods = [row for row in made.periods if row[1] != "c0"]
    made.member("new_multi_buyer", "c0", AS_OF - timedelta(days=25 - days))
    made.publish(settings.home)
    report = run(settings, "entries")

    assert (report.accepted, report.plan.left_out) == (0, {"entry_moved": 1})
    assert run(settings, "entries").accepted == 0
    assert box.events("klaviyo", "New Multi-Buyer") == 2


@pytest.mark.parametrize("action", ["drop-after-apply", "timeout"])
def test_an_unanswered_entry_that_moved_is_told_once(
    settings: SyncSettings, box: Box, action: str
) -> None:
    write(settings, "entries", EVENT.replace("max_age_days: 3", "max_age_days: 30"))
    made = shop(2, AS_OF - timedelta(days=25))
    # Somebody nobody can be told about has no key of a row.
    made.add("nobody", email=None)
    made.publish(settings.home)
    box.fault("klaviyo", action, method="POST", times=None)
    with mock.patch("syncs.transport.FIRST_BACKOFF", 0.01):
        report = run(settings, "entries")
    assert (report.accepted, report.unknown) == (0, 2)
    arrived = 2 if action == "drop-after-apply" else 0
    assert box.events("klaviyo", "New Multi-Buyer") == arrived
    box.heal()

    made.periods.clear()
    made.member("new_multi_buyer", "c0", AS_OF - timedelta(days=20))
    made.member("new_multi_buyer", "c1", AS_OF - timedelta(days=25))
    made.member("new_multi_buyer", "nobody", AS_OF)
    made.publish(settings.home)
    report = run(settings, "entries")

    assert (report.accepted, report.plan.left_out) == (2, {"no_identifier": 1})
    assert box.events("klaviyo", "New Multi-Buyer") == 2
    # From then on it is an entry that moved like any other.
    assert run(settings, "entries").plan.left_out == {"entry_moved": 1, "no_identifier": 1}
    assert box.events("klaviyo", "New Multi-Buyer") == 2


def test_one_moved_entry_hides_one_entry_only(settings: SyncSettings, box: Box) -> None:
    write(settings, "entries", EVENT.replace("max_age_days: 3", "max_age_days: 30"))
    made = shop(1, AS_OF - timedelta(days=25))
    made.publish(settings.home)
    run(settings, "entries")
    made.periods.clear()
    made.member("new_multi_buyer", "c0", AS_OF - timedelta(days=24))
    made.member("new_multi_buyer", "c0", AS_OF)
    made.publish(settings.home)
    report = run(settings, "entries")

    assert (report.accepted, report.plan.left_out) == (1, {"entry_moved": 1})
    assert box.events("klaviyo", "New Multi-Buyer") == 2


def test_an_entry_long_after_one_that_vanished_is_another(settings: SyncSettings, box: Box) -> None:
    write(settings, "entries", EVENT)
    made = shop(1, AS_OF - timedelta(days=61))
    made.as_of = AS_OF - timedelta(days=61)
    made.publish(settings.home)
    run(settings, "entries")
    made.as_of = AS_OF
    made.periods.clear()
    made.member("new_multi_buyer", "c0", AS_OF)
    made.publish(settings.home)

    assert run(settings, "entries").accepted == 1
    assert box.events("klaviyo", "New Multi-Buyer") == 2


def test_no_event_before_its_property_is_accepted(settings: SyncSettings, box: Box) -> None:
    write(settings, "flag", PROPERTY)
    write(settings, "entries", EVENT + "after: [flag]\n")
    made = shop(5)
    made.customers[2]["email"] = "bad@mail.example"
    made.publish(settings.home)

    # The property sync has not run on this picture of the shop.
    report = run(settings, "entries")
    assert (report.status, report.held, report.writes) == (Status.PARTIAL, 5, 0)

    box.fault("klaviyo", "reject-rows", reject_emails="bad", times=None)
    run(settings, "flag")
    report = run(settings, "entries")
    assert (report.accepted, report.held) == (4, 1)
    assert report.reasons == {"property_not_accepted": 1}

    # A new picture: again the property comes first.
    box.heal()
    made.add("c9").member("new_multi_buyer", "c9")
    made.publish(settings.home)
    assert run(settings, "entries").accepted == 0
    made.customers[2]["email"] = "good@mail.example"
    made.publish(settings.home)
    run(settings, "flag")
    assert run(settings, "entries").accepted == 2
    assert box.events("klaviyo", "New Multi-Buyer") == 6


def test_history_is_sent_once_and_marked_as_history(settings: SyncSettings, box: Box) -> None:
    write(
        settings,
        "entries",
        EVENT.replace("max_age_days: 3", "max_age_days: 3, backfill_days: 360"),
    )
    made = shop(3)
    for i, age in enumerate((3, 4, 360, 361)):
        made.add(f"h{i}").member("new_multi_buyer", f"h{i}", AS_OF - timedelta(days=age))
    made.publish(settings.home)

    report = run(settings, "entries")

    assert report.plan.left_out == {"too_old": 1}
    counted = box.state()["klaviyo"]["events"]["New Multi-Buyer"]
    assert counted == {"total": 6, "backfill": 2}


def test_several_segments_in_one_sync_have_their_own_names(
    settings: SyncSettings, box: Box
) -> None:
    write(
        settings,
        "entries",
        EVENT.replace(
            "audience: new_multi_buyer", "audience: {any_of: [new_multi_buyer, new_hvc]}"
        ).replace("name: New Multi-Buyer", "name: {new_multi_buyer: New Multi, new_hvc: New HVC}"),
    )
    made = shop(2).member("new_hvc", "c0")
    made.publish(settings.home)

    run(settings, "entries")

    assert box.events("klaviyo", "New Multi") == 2
    assert box.events("klaviyo", "New HVC") == 1


def test_exits_can_be_events(settings: SyncSettings, box: Box) -> None:
    write(settings, "exits", EVENT.replace("on: entered", "on: exited"))
    made = Shop().add("c1").member("new_multi_buyer", "c1", AS_OF - timedelta(days=9), AS_OF)
    made.publish(settings.home)

    assert run(settings, "exits").accepted == 1
    assert plan(settings, "exits").changes == 0


def test_none_of_keeps_people_out(settings: SyncSettings, box: Box) -> None:
    write(
        settings,
        "entries",
        EVENT.replace(
            "audience: new_multi_buyer", "audience: {any_of: [new_multi_buyer], none_of: [buyers]}"
        ),
    )
    shop(3).member("buyers", "c0").publish(settings.home)

    assert run(settings, "entries").accepted == 2


def test_bulk_events_go_a_thousand_at_a_time(settings: SyncSettings, box: Box) -> None:
    write(settings, "entries", EVENT)
    shop(2_500).publish(settings.home)

    assert run(settings, "entries").accepted == 2_500
    assert sorted(r["rows"] for r in box.writes("klaviyo")) == [500, 1_000, 1_000]


def test_merged_customers_do_not_enter_twice(settings: SyncSettings, box: Box) -> None:
    write(settings, "entries", EVENT)
    made = shop(1)
    made.publish(settings.home)
    run(settings, "entries")
    # The account turns out to be an older one's, with another address.
    made.customers = []
    made.add("older", email="older@mail.example")
    made.periods = [("new_multi_buyer", "older", AS_OF, None)]
    made.identities = [
        ("older", "email", "older@mail.example"),
        ("older", "email", "c0@mail.example"),
    ]
    made.publish(settings.home)

    assert run(settings, "entries").accepted == 0


def test_a_refused_event_is_tried_again_while_it_is_young(settings: SyncSettings, box: Box) -> None:
    write(settings, "entries", EVENT)
    shop(3).publish(settings.home)
    box.fault("klaviyo", "reject-rows", reject_emails="c1@", times=None)
    assert run(settings, "entries").rejected == 1
    box.heal()

    assert run(settings, "entries").accepted == 1
    assert box.events("klaviyo", "New Multi-Buyer") == 3


def test_a_batch_that_was_never_answered_is_sent_again(settings: SyncSettings, box: Box) -> None:
    write(settings, "entries", EVENT)
    shop(5).publish(settings.home)
    # The process dies between the answer and its record: nobody knows what came of the batch.
    with mock.patch("syncs.ledger.Ledger.settled", side_effect=KeyboardInterrupt):  # noqa: SIM117
        with pytest.raises(KeyboardInterrupt):
            run(settings, "entries")

    assert plan(settings, "entries").counts == {"event:retry": 5}
    assert run(settings, "entries").accepted == 5
    assert box.events("klaviyo", "New Multi-Buyer") == 5


def test_where_no_dedupe_is_promised_a_person_decides(settings: SyncSettings, box: Box) -> None:
    write(
        settings,
        "entries",
        EVENT.replace("klaviyo", "attentive").replace("email: email", "phone: phone"),
    )
    made = shop(1)
    made.customers[0]["phone"] = "+12125550123"
    made.publish(settings.home)
    with mock.patch("syncs.ledger.Ledger.settled", side_effect=KeyboardInterrupt):  # noqa: SIM117
        with pytest.raises(KeyboardInterrupt):
            run(settings, "entries")

    assert plan(settings, "entries").changes == 0
    assert run(settings, "entries").writes == 0
    assert box.events("attentive", "New Multi-Buyer") == 1


def later(made: Shop, settings: SyncSettings, days: int) -> None:
    """Publish the shop as of so many days after its first day."""
    made.as_of = AS_OF + timedelta(days=days)
    made.publish(settings.home)


def recorded(settings: SyncSettings) -> list[Any]:
    """The rows of the sync as analysts see them: state, reason, how many."""
    run_account(settings, chosen(settings, ["entries"]).values())
    with duckdb.connect(str(settings.results), read_only=True) as con:
        return con.execute(
            "select state, reason, count(*) from sync_rows where sync = 'entries' "
            "group by all order by all"
        ).fetchall()


@pytest.mark.parametrize("vendor", ["klaviyo", "attentive"])
def test_last_weeks_picture_restored_and_run_sends_nothing_twice(
    settings: SyncSettings, box: Box, vendor: str
) -> None:
    write(settings, "entries", EVENT.replace("klaviyo", vendor))
    made = shop(5)
    made.publish(settings.home)
    assert run(settings, "entries").accepted == 5
    last_week = shutil.copyfile(settings.published, settings.home / "last_week.duckdb")
    made.add("late").member("new_multi_buyer", "late", AS_OF + timedelta(days=6))
    later(made, settings, 7)
    assert run(settings, "entries").accepted == 1
    today = shutil.copyfile(settings.published, settings.home / "today.duckdb")

    for restored in (last_week, today, last_week, today):
        shutil.copyfile(restored, settings.published)
        report = run(settings, "entries")
        assert (report.status, report.accepted, report.writes) == (Status.OK, 0, 0)
    assert box.events(vendor, "New Multi-Buyer") == 6


def test_after_a_missed_week_the_young_are_sent_and_the_old_recorded_once(
    settings: SyncSettings, box: Box
) -> None:
    write(settings, "entries", EVENT)
    made = shop(2)
    made.publish(settings.home)
    run(settings, "entries")
    # Nobody runs for a week, in which somebody enters on each day.
    for day in range(1, 8):
        made.add(f"d{day}").member("new_multi_buyer", f"d{day}", AS_OF + timedelta(days=day))
    later(made, settings, 7)

    report = run(settings, "entries")

    # Of the seven, four are at most three days old.
    assert (report.accepted, report.skipped) == (4, 3)
    assert report.plan.counts == {"event:data": 4, "event:too_old": 3}
    assert (report.status, report.reasons) == (Status.OK, {"too_old": 3})
    old = ("skipped", "too_old", 3)
    assert recorded(settings) == [("accepted", None, 6), old]
    for day in (7, 8, 30):
        later(made, settings, day)
        report = run(settings, "entries")
        assert (report.plan.counts, report.writes) == ({}, 0)
    assert recorded(settings) == [("accepted", None, 6), old]
    assert box.events("klaviyo", "New Multi-Buyer") == 6


def test_a_first_run_tells_no_history(settings: SyncSettings, box: Box) -> None:
    write(settings, "entries", EVENT)
    made = shop(3)
    for age in range(4, 400, 7):
        made.add(f"h{age}").member("new_multi_buyer", f"h{age}", AS_OF - timedelta(days=age))
    made.publish(settings.home)

    report = run(settings, "entries")

    assert (report.accepted, report.plan.counts) == (3, {"event:data": 3})
    # History nobody asked for is not recorded person by person.
    assert recorded(settings) == [("accepted", None, 3)]
    # A later run sees no history either, nor does one that asks for less than there is.
    write(
        settings, "entries", EVENT.replace("max_age_days: 3", "max_age_days: 3, backfill_days: 9")
    )
    report = run(settings, "entries")
    assert report.accepted == 1
    assert box.state()["klaviyo"]["events"]["New Multi-Buyer"] == {"total": 4, "backfill": 1}


@pytest.mark.parametrize("vendor", ["klaviyo", "attentive"])
@pytest.mark.parametrize("trouble", ["unanswered", "stopped", "refused by a guard"])
def test_a_property_that_did_not_get_through_holds_its_event(
    settings: SyncSettings, box: Box, vendor: str, trouble: str
) -> None:
    flag = PROPERTY.replace("klaviyo_profile", f"{vendor}_profile").replace(
        "attentive_profile", "attentive_attribute"
    )
    write(settings, "flag", flag)
    write(settings, "entries", EVENT.replace("klaviyo", vendor) + "after: [flag]\n")
    shop(4).publish(settings.home)
    if trouble == "unanswered":
        box.fault(vendor, "drop-after-apply", body_contains="c0@", times=None)
    elif trouble == "stopped":
        box.fault(vendor, "status", status=401, method="POST", times=None)
    else:
        write(settings, "flag", flag.replace("min_members: 0", "min_members: 99"))

    with mock.patch("syncs.transport.FIRST_BACKOFF", 0.01):
        assert run(settings, "flag").status is not Status.OK
        box.heal()
        report = run(settings, "entries")
    held = report.held
    assert report.reasons == {"property_not_accepted": held}
    # At Attentive one person's answer was lost, at Klaviyo that of all.
    assert held == (1 if (vendor, trouble) == ("attentive", "unanswered") else 4)

    write(settings, "flag", flag)
    assert run(settings, "flag").status is Status.OK
    assert run(settings, "entries").accepted == held
    assert box.events(vendor, "New Multi-Buyer") == 4
