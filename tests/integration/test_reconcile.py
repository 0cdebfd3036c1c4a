"""What somebody changed at a vendor is found by looking, and put right where a spec says so."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import pytest

from syncs import Drift, Status, SyncError, SyncSettings, chosen, reconcile_account
from syncs.cli import main
from syncs.destinations.attentive_people import AttentivePeople
from syncs.destinations.people import Kind
from syncs.drift import differs
from tests.support.box import Box
from tests.support.published import Shop
from tests.support.syncing import AUDIENCE, PROFILE, plan, run, write

FACTS = PROFILE.replace(
    "{used: ever_used_discount_code}",
    "{used: ever_used_discount_code, orders: order_count, spent: average_order_value, "
    "since: first_order_on, kind: customer_segment, buyer: buyers}",
)
ATTRIBUTES = """destination: attentive_attribute
audience: everyone
identify_by: {phone: phone}
properties: {used: ever_used_discount_code, orders: order_count, since: first_order_on,
  spent: average_order_value, kind: customer_segment, buyer: buyers}
requires_consent: sms
guard: {max_removed: null, min_members: 0}
"""
REPAIR = "reconcile: {repair: true}\n"


def email(i: int) -> str:
    return f"c{i:05d}@mail.example"


def phone(i: int) -> str:
    return f"+1202555{i:04d}"


def emails(which: range) -> list[str]:
    return [email(i) for i in which]


def shop(count: int) -> Shop:
    made = Shop()
    for i in range(count):
        # Every tenth never bought: some of their values are missing.
        bought = i % 10 > 0
        made.add(
            f"c{i:05d}",
            phone=phone(i),
            ever_used_discount_code=i % 2 == 0,
            order_count=i % 7,
            average_order_value=50.89 if bought else None,
            first_order_on="2026-03-01" if bought else None,
            customer_segment="007" if i % 3 else "active single",
        )
        if i % 4 == 0:
            made.member("buyers", f"c{i:05d}")
    return made


def later() -> datetime:
    """Long enough after the syncs that what they wrote is no longer fresh."""
    return datetime.now(UTC) + timedelta(hours=1)


def reconcile(settings: SyncSettings, *names: str, **options: Any) -> Any:
    options.setdefault("clock", later)
    ends = reconcile_account(settings, chosen(settings, names).values(), **options)
    return ends[names[0]] if len(names) == 1 else ends


def drift_rows(settings: SyncSettings) -> list[tuple[Any, ...]]:
    with duckdb.connect(str(settings.results), read_only=True) as con:
        return con.execute(
            "select customer_key, kind, detail, repaired from sync_drift order by all"
        ).fetchall()


@pytest.mark.parametrize("text", [FACTS, FACTS + "update_only: true\n", ATTRIBUTES])
def test_what_was_delivered_is_found_as_it_was_sent(
    settings: SyncSettings, box: Box, text: str
) -> None:
    write(settings, "facts", text)
    box.know(emails(range(40)))
    shop(50).publish(settings.home)
    run(settings, "facts")

    drift = reconcile(settings, "facts")

    expected = 40 if "update_only" in text else 50
    assert (drift.looked_at, dict(drift.found), drift.is_fine) == (expected, {}, True)
    assert drift_rows(settings) == []


def test_values_that_changed_and_vanished_are_still_what_was_sent(
    settings: SyncSettings, box: Box
) -> None:
    for name, text in (("k", FACTS), ("a", ATTRIBUTES)):
        write(settings, name, text)
    made = shop(20)
    made.publish(settings.home)
    run(settings, "k"), run(settings, "a")
    for i in range(5):
        made.customers[i] |= {"average_order_value": None, "customer_segment": None,
                              "ever_used_discount_code": None}  # fmt: skip
    made.publish(settings.home)
    run(settings, "k"), run(settings, "a")

    for name in ("k", "a"):
        drift = reconcile(settings, name)
        assert (drift.looked_at, dict(drift.found)) == (20, {})
    # Attentive cannot unset: what has no value any more was told as false there.
    box.set_attributes({"used": True}, phones=[phone(2)])
    assert dict(reconcile(settings, "a").found) == {"different": 1}


def test_fifty_deleted_profiles_are_found_and_restored_by_one_call(
    settings: SyncSettings, box: Box
) -> None:
    write(settings, "facts", FACTS + REPAIR)
    shop(1_000).publish(settings.home)
    run(settings, "facts")
    before = box.state()["klaviyo"]["properties"]
    assert box.delete_profiles(emails(range(100, 150))) == 50

    drift = reconcile(settings, "facts")

    assert (dict(drift.found), drift.repaired, drift.problem) == ({"missing": 50}, 50, "")
    # The sample found some of them, and everybody else was looked at for it.
    assert (drift.looked_at, drift.left, drift.is_fine) == (1_000, 0, True)
    assert box.state()["klaviyo"]["properties"] == before
    rows = drift_rows(settings)
    assert rows == [(f"c{i:05d}", "missing", None, True) for i in range(100, 150)]
    assert plan(settings, "facts").changes == 0
    assert dict(reconcile(settings, "facts").found) == {}
    assert drift_rows(settings) == []


def test_properties_changed_by_hand_are_put_right(settings: SyncSettings, box: Box) -> None:
    write(settings, "facts", FACTS + REPAIR)
    shop(200).publish(settings.home)
    run(settings, "facts")
    before = box.state()["klaviyo"]["properties"]
    box.set_properties(emails(range(1, 6)), orders=99, kind="gold")
    # One that nobody ever bought has no amount; now there is one.
    box.set_properties([email(10)], spent=12)
    box.set_properties([email(11)], kind=None)

    drift = reconcile(settings, "facts")

    assert (dict(drift.found), drift.repaired) == ({"different": 7}, 7)
    details = {key: detail for key, _, detail, _ in drift_rows(settings)}
    assert details == {**{f"c{i:05d}": "kind, orders" for i in range(1, 6)},
                       "c00010": "spent", "c00011": "kind"}  # fmt: skip
    assert box.state()["klaviyo"]["properties"] == before


def test_attentive_people_and_attributes_are_found_and_restored(
    settings: SyncSettings, box: Box
) -> None:
    write(settings, "facts", ATTRIBUTES + REPAIR)
    shop(120).publish(settings.home)
    run(settings, "facts")
    before = box.state()["attentive"]["attributes"]
    assert box.delete_people(phones=[phone(i) for i in range(1, 51) if i % 10]) == 45
    box.set_attributes({"used": "maybe", "orders": None}, phones=[phone(61), phone(62)])

    drift = reconcile(settings, "facts")

    assert dict(drift.found) == {"different": 2, "missing": 45}
    assert (drift.repaired, drift.is_fine) == (47, True)
    assert box.state()["attentive"]["attributes"] == before


def test_without_repair_it_is_told_and_left(settings: SyncSettings, box: Box) -> None:
    write(settings, "facts", FACTS)
    shop(60).publish(settings.home)
    run(settings, "facts")
    box.delete_profiles(emails(range(10, 13)))
    written = len(box.writes("klaviyo"))

    for _ in range(2):
        drift = reconcile(settings, "facts")
        assert (dict(drift.found), drift.repaired, drift.is_fine) == ({"missing": 3}, 0, False)
        assert [row[3] for row in drift_rows(settings)] == [False] * 3

    assert len(box.writes("klaviyo")) == written
    assert plan(settings, "facts").changes == 0


def test_turn_by_turn_everybody_is_looked_at(settings: SyncSettings, box: Box) -> None:
    write(settings, "facts", FACTS + "reconcile: {sample: 10}\n")
    shop(95).publish(settings.home)
    run(settings, "facts")
    box.delete_profiles([email(17)])

    seen, days = 0, 0
    while not seen:
        drift = reconcile(settings, "facts")
        days += 1
        seen = drift.found.get("missing", 0)
        # A turn that misses it looks at nobody else.
        assert drift.looked_at == (95 if seen else 10)
        assert days <= 10
    # It stays found, though its turn is over and nobody else is looked at for it again.
    drift = reconcile(settings, "facts")
    assert (dict(drift.found), drift.looked_at) == ({"missing": 1}, 11)


def test_every_person_has_a_turn_before_anybody_has_a_second(
    settings: SyncSettings, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(settings, "facts", ATTRIBUTES + "reconcile: {sample: 9}\n")
    shop(30).publish(settings.home)
    run(settings, "facts")
    asked: list[str] = []
    held = AttentivePeople.held

    async def heard(self: AttentivePeople, kind: Kind, some: list[str], names: list[str]) -> Any:
        asked.extend(some)
        return await held(self, kind, some, names)

    monkeypatch.setattr(AttentivePeople, "held", heard)
    for day in range(1, 8):
        reconcile(settings, "facts")
        turns = Counter(asked)
        assert turns.total() == len(reads(box)) == 9 * day
        assert max(turns.values()) - min(turns[phone(i)] for i in range(30)) <= 1


def reads(box: Box) -> list[dict[str, Any]]:
    return [r for r in box.requests("attentive") if r["method"] == "GET"]


def test_more_than_one_run_may_look_at_is_left_for_the_next_days(
    settings: SyncSettings, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("syncs.reconcile.MOST_LOOKED_AT", 40)
    write(settings, "facts", FACTS + "reconcile: {sample: 20}\n")
    shop(100).publish(settings.home)
    run(settings, "facts")
    box.set_properties(emails(range(100)), kind="gold")

    left, found = [], []
    for _ in range(3):
        drift = reconcile(settings, "facts")
        left.append(drift.left)
        found.append(drift.drifted)

    # Whoever is known to differ is looked at again beside the forty of the day.
    assert (left, found) == ([60, 20, 0], [40, 80, 100])


def test_somebody_of_whom_another_thing_is_wanted_today_is_no_drift(
    settings: SyncSettings, box: Box
) -> None:
    write(settings, "facts", FACTS + REPAIR)
    made = shop(20)
    made.publish(settings.home)
    run(settings, "facts")
    made.customers[3]["order_count"] = 77
    made.publish(settings.home)
    box.set_properties([email(3)], orders=5)

    drift = reconcile(settings, "facts")

    assert (drift.looked_at, drift.is_fine) == (19, True)
    assert plan(settings, "facts").counts == {"update:data": 1}


def test_who_left_lost_consent_or_is_to_be_forgotten_is_no_drift(
    settings: SyncSettings, box: Box
) -> None:
    text = FACTS.replace("everyone", "buyers") + "requires_consent: email\n" + REPAIR
    write(settings, "facts", text)
    made = shop(40)
    made.publish(settings.home)
    run(settings, "facts")
    made.periods.pop(0)
    made.publish(settings.home)
    run(settings, "facts")
    # Of ten one has left, one is about to, one takes no e-mail any more, and two asked to be
    # forgotten: one by the shop's number, one by the address.
    made.periods.pop(0)
    made.customers[8]["email_consent"] = "unsubscribed"
    made.publish(settings.home)
    with duckdb.connect(str(settings.erasures)) as con:
        con.execute(
            "create table erasures as select * from (values "
            "('c00012', date '2026-11-20', 'customer_id', '12'), "
            "(null, date '2026-11-20', 'email', 'c00016@mail.example')) "
            "as t (customer_key, requested_on, id_type, id_value)"
        )
    box.delete_profiles(emails(range(18)))
    written = len(box.writes("klaviyo"))

    drift = reconcile(settings, "facts")

    assert (drift.looked_at, drift.is_fine, dict(drift.found)) == (5, True, {})
    assert len(box.writes("klaviyo")) == written


def test_update_only_tells_of_a_missing_profile_and_never_makes_one(
    settings: SyncSettings, box: Box
) -> None:
    write(settings, "facts", FACTS + "update_only: true\n" + REPAIR)
    shop(30).publish(settings.home)
    box.know(emails(range(30)))
    run(settings, "facts")
    box.delete_profiles(emails(range(5)))
    box.set_properties([email(20)], orders=99)

    drift = reconcile(settings, "facts")

    assert dict(drift.found) == {"different": 1, "no_profile": 5}
    assert (drift.drifted, drift.repaired, drift.is_fine) == (1, 1, True)
    assert box.state()["klaviyo"]["profiles"] == 25
    kinds = {(kind, repaired) for _, kind, _, repaired in drift_rows(settings)}
    assert kinds == {("no_profile", False), ("different", True)}


def test_a_repair_that_a_guard_refuses_is_not_green_until_it_happened(
    settings: SyncSettings, box: Box
) -> None:
    text = FACTS.replace("min_members: 0", "min_members: 0, max_changed: 2") + REPAIR
    write(settings, "facts", text)
    shop(30).publish(settings.home)
    run(settings, "facts")
    box.delete_profiles(emails(range(5)))

    for _ in range(2):
        drift = reconcile(settings, "facts")
        assert (dict(drift.found), drift.repaired, drift.is_fine) == ({"missing": 5}, 0, False)
        assert "max_changed" in drift.problem
        assert len(drift_rows(settings)) == 5
    assert plan(settings, "facts").counts == {"update:drift": 5}

    write(settings, "facts", text.replace("max_changed: 2", "max_changed: null"))
    assert run(settings, "facts").status is Status.OK
    assert reconcile(settings, "facts").is_fine
    assert drift_rows(settings) == []


def test_a_row_that_is_refused_again_is_not_restored(settings: SyncSettings, box: Box) -> None:
    write(settings, "facts", FACTS + REPAIR)
    shop(30).publish(settings.home)
    run(settings, "facts")
    box.delete_profiles(emails(range(3)))
    box.fault("klaviyo", "reject-rows", reject_emails="c00001@", form="import-errors", times=None)

    drift = reconcile(settings, "facts")

    assert (dict(drift.found), drift.repaired, drift.is_fine) == ({"missing": 3}, 2, False)
    assert drift.problem.startswith("the repair ended partial: 1 x ")
    assert [row[3] for row in drift_rows(settings)] == [True, False, True]


def test_what_was_written_just_now_is_looked_at_again_before_it_counts(
    settings: SyncSettings, box: Box
) -> None:
    write(settings, "facts", ATTRIBUTES)
    shop(20).publish(settings.home)
    run(settings, "facts")
    box.delete_people(phones=[phone(3)])
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 2:
            # Meanwhile the vendor caught up.
            box.set_attributes(
                {"used": "false", "orders": "3", "since": "2026-03-01", "spent": "50.89",
                 "kind": "active single", "buyer": "false"}, phones=[phone(3)])  # fmt: skip

    drift = reconcile(settings, "facts", clock=lambda: datetime.now(UTC), sleep=sleep)

    assert (len(waits), dict(drift.found)) == (2, {})
    assert len(reads(box)) == 22


def test_a_vendor_that_cannot_be_asked_is_not_green_and_stops_nobody_else(
    settings: SyncSettings, box: Box
) -> None:
    write(settings, "facts", FACTS)
    write(settings, "usage", PROFILE.replace("{used:", "{flag:"))
    shop(10).publish(settings.home)
    run(settings, "facts"), run(settings, "usage")
    box.fault("klaviyo", "status", method="GET", path="profiles", status=401, times=1)

    ends = reconcile(settings)

    assert isinstance(ends["facts"], SyncError)
    assert isinstance(ends["usage"], Drift)
    assert ends["usage"].is_fine


def test_a_sync_that_never_ran_makes_no_request(settings: SyncSettings, box: Box) -> None:
    write(settings, "facts", FACTS)
    write(settings, "mirror", AUDIENCE)
    shop(3).publish(settings.home)

    ends = reconcile(settings)

    assert [(end.looked_at, end.is_fine) for end in ends.values()] == [(0, True)] * 2
    assert box.requests() == []
    assert not settings.ledgers.exists()


class Died(BaseException):
    """Stands for a process that ends."""


def die(*_: object, **__: object) -> None:
    raise Died


def test_what_a_dead_run_sent_is_left_to_the_next_one(
    settings: SyncSettings, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(settings, "facts", FACTS + "reconcile: {refresh_days: 1}\n")
    shop(10).publish(settings.home)
    run(settings, "facts")
    with duckdb.connect(str(settings.ledgers / "klaviyo.duckdb")) as con:
        con.execute("update rows set updated_at = updated_at - interval 2 day")
    with monkeypatch.context() as patch:
        patch.setattr("syncs.ledger.Ledger.settled", die)
        with pytest.raises(Died):
            run(settings, "facts")

    assert reconcile(settings, "facts").looked_at == 0


def test_a_dead_run_is_finished_by_the_repair(
    settings: SyncSettings, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(settings, "facts", FACTS + REPAIR)
    made = shop(10)
    made.publish(settings.home)
    run(settings, "facts")
    for customer in made.customers[:4]:
        customer["order_count"] = 50
    made.publish(settings.home)

    with monkeypatch.context() as patch:
        patch.setattr("syncs.ledger.Ledger.settled", die)
        with pytest.raises(Died):
            run(settings, "facts")
    box.delete_profiles(emails(range(10)))

    drift = reconcile(settings, "facts")

    # Six are known to be there; the repair run sends what the dead run left as well.
    assert (drift.looked_at, drift.repaired) == (6, 6)
    assert box.state()["klaviyo"]["profiles"] == 10


def test_the_command_tells_what_it_found_and_ends_accordingly(
    settings: SyncSettings, box: Box, capsys: pytest.CaptureFixture[str]
) -> None:
    write(settings, "facts", ATTRIBUTES)
    write(settings, "mirror", AUDIENCE)
    shop(20).publish(settings.home)
    run(settings, "facts"), run(settings, "mirror")
    assert main(["reconcile"]) == 0
    box.delete_audience("Buyers")
    assert main(["reconcile", "facts"]) == 0
    capsys.readouterr()

    assert main(["reconcile"]) == 1
    lines = [" ".join(line.split("│")) for line in capsys.readouterr().out.splitlines()]
    assert [line.split() for line in lines if line.split()[:1] in (["facts"], ["mirror"])] == [
        ["facts", "20", "0", "0", "0", "-"],
        ["mirror", "1", "0", "0", "0", "1", "audience_gone"],
    ]

    box.fault("attentive", "status", status=401, times=None)
    assert main(["reconcile", "facts"]) == 1
    assert "facts: not looked up: authentication refused" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("held", "found"),
    [
        ({"a": "1", "b": "x"}, None),
        (None, ("missing", "")),
        ({}, ("missing", "a, b")),
        ({"a": 1}, ("different", "b")),
        ({"a": 2, "b": "x"}, ("different", "a")),
        ({"a": 1, "b": "x", "c": 0}, ("different", "c")),
        ({"c": 0}, ("different", "a, b, c")),
    ],
)
def test_what_counts_as_which_difference(
    held: dict[str, object] | None, found: tuple[str, str] | None
) -> None:
    assert differs({"a": 1, "b": "x"}, held, unset=["c"]) == found


def test_nobody_of_whom_nothing_is_said_is_missed() -> None:
    assert differs({}, None, unset=["c"]) is None
    assert differs({"a": 1}, None, update_only=True) == ("no_profile", "")


# Audiences


def members(settings: SyncSettings, box: Box, count: int, more: str = "") -> None:
    write(settings, "mirror", AUDIENCE + more)
    made = Shop()
    for i in range(count):
        made.add(f"c{i:05d}", first_name="Ada").member("buyers", f"c{i:05d}")
    made.publish(settings.home)
    run(settings, "mirror")


def test_an_audience_that_is_as_it_should_be(settings: SyncSettings, box: Box) -> None:
    members(settings, box, 3_000)
    drift = reconcile(settings, "mirror", clock=lambda: later() + timedelta(days=2))
    assert (drift.looked_at, dict(drift.found), drift.is_fine) == (1, {}, True)


@pytest.mark.parametrize("more", ["", REPAIR])
def test_an_audience_that_is_gone_is_told_and_not_made_again(
    settings: SyncSettings, box: Box, more: str
) -> None:
    members(settings, box, 5, more)
    box.delete_audience("Buyers")
    written = len(box.writes("facebook"))

    drift = reconcile(settings, "mirror")

    assert (dict(drift.found), drift.is_fine) == ({"audience_gone": 1}, False)
    assert drift_rows(settings) == [(None, "audience_gone", None, False)]
    assert box.state()["facebook"]["audiences"] == []
    assert len(box.writes("facebook")) == written


@pytest.mark.parametrize("more", ["", REPAIR])
def test_a_renamed_audience_gets_its_name_back_where_repair_is_on(
    settings: SyncSettings, box: Box, more: str
) -> None:
    members(settings, box, 5, more)
    box.rename_audience("Buyers", "grace@mail.example")

    drift = reconcile(settings, "mirror")

    fixed = bool(more)
    assert (dict(drift.found), drift.repaired, drift.is_fine) == ({"renamed": 1}, fixed, fixed)
    assert drift_rows(settings) == [(None, "renamed", None, fixed)]
    assert box.members("Buyers" if fixed else "grace@mail.example") == 5


@pytest.mark.parametrize(("status", "kind", "fine"), [(471, "flagged", False), (414, "busy", True)])
def test_the_condition_of_an_audience_is_told(
    settings: SyncSettings, box: Box, status: int, kind: str, fine: bool
) -> None:
    members(settings, box, 5)
    box.force_status("Buyers", status)

    drift = reconcile(settings, "mirror")

    assert (dict(drift.found), drift.is_fine) == ({kind: 1}, fine)
    assert drift_rows(settings) == [(None, kind, f"status {status}", False)]


def test_an_audience_that_shrank_by_an_order_of_magnitude_is_told(
    settings: SyncSettings, box: Box
) -> None:
    members(settings, box, 11_000)
    box.delete_members("Buyers", count=10_900)

    # Facebook takes a day to count.
    assert reconcile(settings, "mirror").is_fine
    drift = reconcile(settings, "mirror", clock=lambda: later() + timedelta(days=1))

    assert (dict(drift.found), drift.is_fine) == ({"size": 1}, False)
    assert drift_rows(settings) == [(None, "size", "at most 1000 of 11000 delivered", False)]


def test_nobody_is_named_in_ledger_results_or_errors(settings: SyncSettings, box: Box) -> None:
    write(settings, "facts", FACTS + REPAIR)
    write(settings, "texts", ATTRIBUTES)
    shop(30).publish(settings.home)
    run(settings, "facts"), run(settings, "texts")
    box.delete_profiles(emails(range(1, 4)))
    box.set_attributes({"kind": "grace@mail.example"}, phones=[phone(5)])
    box.fault("klaviyo", "reject-rows", reject_emails="c00001@", form="import-errors", times=None)

    told = repr(reconcile(settings))

    for file in (*settings.ledgers.glob("*.duckdb"), settings.results):
        with duckdb.connect(str(file), read_only=True) as con:
            tables = con.execute("select table_name from duckdb_tables()").fetchall()
            for (table,) in tables:
                told += repr(con.execute(f"from {table}").fetchall())
    assert "missing" in told
    assert "different" in told
    assert "mail.example" not in told
    assert "2025550" not in told
