"""Another key of somebody who was told before: the same person, at every destination.

A key is made of the identifier that was seen first. It changes when an older one becomes known,
when two customers turn out to be one, and when one turns out to be two.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import duckdb
import pytest

from syncs import Report, Status, SyncSettings, chosen, erase_account, run_account
from syncs.mending import Verdict, resolve, unanswered
from syncs.runner import ledger_path
from tests.integration.test_convergence import Died
from tests.integration.test_erasure import ask
from tests.support.box import Box
from tests.support.published import AS_OF, Shop
from tests.support.syncing import AUDIENCE, plan, run, write

STATE = """audience: buyers
identify_by: {email: email}
properties: {used: ever_used_discount_code}
guard: {max_removed: 0.1, max_added: 0.1, min_members: 0}
"""
TOLD = """audience: new_multi_buyer
identify_by: {email: email}
event: {name: New Multi-Buyer, on: entered, max_age_days: 3}
properties: {kind: {value: multi}}
guard: {max_added: 0.1, min_members: 0}
"""


def by_phone(text: str) -> str:
    return text.replace("email: email", "phone: phone")


@dataclass(frozen=True)
class Case:
    """One way to tell people: a spec, and how many the vendor holds."""

    vendor: str
    spec: str
    held: Callable[[Box], int]
    is_event: bool = False


MIRROR = AUDIENCE.replace("max_removed: null", "max_removed: 0.1, max_added: 0.1")
CASES = {
    "profiles": Case(
        "klaviyo",
        f"destination: klaviyo_profile\n{STATE}",
        lambda box: box.property_values("used").get("true", 0),
    ),
    "attributes": Case(
        "attentive",
        f"destination: attentive_attribute\n{by_phone(STATE)}",
        lambda box: box.attribute_values("used").get("true", 0),
    ),
    "audience": Case("facebook", MIRROR, lambda box: box.members("Buyers")),
    "audience_with_our_id": Case(
        "facebook",
        MIRROR.replace("FN:", "PHONE: phone, EXTERN_ID: customer_key, FN:"),
        lambda box: box.members("Buyers"),
    ),
    "profile_events": Case(
        "klaviyo",
        f"destination: klaviyo_event\n{TOLD}",
        lambda box: box.events("klaviyo", "New Multi-Buyer"),
        is_event=True,
    ),
    "attribute_events": Case(
        "attentive",
        f"destination: attentive_event\n{by_phone(TOLD)}",
        lambda box: box.events("attentive", "New Multi-Buyer"),
        is_event=True,
    ),
}
PEOPLE = 5


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest, settings: SyncSettings) -> Case:
    found = CASES[request.param]
    write(settings, "sync", found.spec)
    return found


def email(i: int) -> str:
    return f"c{i}@mail.example"


def phone(i: int) -> str:
    return f"+1202555010{i}"


def join(made: Shop, key: str, i: int, entered: Any = AS_OF) -> None:
    """A buyer and new multi-buyer with the i-th address and phone."""
    made.add(
        key, email=email(i), phone=phone(i), first_name="Ada", ever_used_discount_code=True,
    ).member("buyers", key, entered).member("new_multi_buyer", key, entered)  # fmt: skip


def shop() -> Shop:
    made = Shop()
    for i in range(PEOPLE):
        join(made, f"c{i}", i)
        made.identities += known(f"c{i}", i)
    return made


def known(key: str, *numbers: int) -> list[tuple[str, str, str]]:
    """All that one customer is known by."""
    return [
        (key, kind, value)
        for i in numbers
        for kind, value in (("email", email(i)), ("phone", phone(i)), ("customer_id", f"a{i}"))
    ]


def leave(made: Shop, key: str) -> None:
    made.customers = [c for c in made.customers if c["customer_key"] != key]
    made.periods = [p for p in made.periods if p[1] != key]
    made.identities = [i for i in made.identities if i[0] != key]


def rename(made: Shop, old: str, new: str) -> None:
    for customer in made.customers:
        if customer["customer_key"] == old:
            customer["customer_key"] = new
    made.periods = [(s, new if k == old else k, a, b) for s, k, a, b in made.periods]
    made.identities = [(new if k == old else k, t, v) for k, t, v in made.identities]


def go(settings: SyncSettings) -> Report:
    """One run, with what analysts see of it."""
    report = run_account(settings, chosen(settings, ["sync"]).values())["sync"]
    assert isinstance(report, Report), report
    return report


def recorded(settings: SyncSettings) -> list[Any]:
    """Whose rows there are, as analysts see them."""
    with duckdb.connect(str(settings.results), read_only=True) as con:
        return con.execute(
            "select customer_key, operation, state from sync_rows where sync = 'sync' order by all"
        ).fetchall()


def names(settings: SyncSettings) -> list[Any]:
    return [key for key, *_ in recorded(settings)]


@pytest.fixture
def told(settings: SyncSettings, box: Box, case: Case) -> Shop:
    """Everybody was told once."""
    made = shop()
    made.publish(settings.home)
    assert (go(settings).accepted, case.held(box)) == (PEOPLE, PEOPLE)
    return made


def test_another_key_alone_sends_nothing(
    settings: SyncSettings, box: Box, case: Case, told: Shop
) -> None:
    rename(told, "c1", "older")
    told.publish(settings.home)
    before = len(box.requests())

    assert plan(settings, "sync").counts == {}
    report = go(settings)

    assert (report.status, report.plan.counts, report.plan.refused) == (Status.OK, {}, ())
    assert len(box.requests()) == before
    assert case.held(box) == PEOPLE
    assert names(settings) == ["c0", "c2", "c3", "c4", "older"]


def test_a_key_that_changed_twice_between_two_runs_is_followed(
    settings: SyncSettings, box: Box, case: Case, told: Shop
) -> None:
    rename(told, "c1", "older")
    told.publish(settings.home)
    rename(told, "older", "oldest")
    told.publish(settings.home)
    before = len(box.requests())

    assert go(settings).status is Status.OK

    assert len(box.requests()) == before
    assert names(settings) == ["c0", "c2", "c3", "c4", "oldest"]


def test_another_key_and_another_address_is_one_move(
    settings: SyncSettings, box: Box, case: Case, told: Shop
) -> None:
    rename(told, "c1", "older")
    told.customers[1] |= {"email": email(7), "phone": phone(7)}
    told.identities += known("older", 7)
    told.publish(settings.home)
    write(settings, "sync", case.spec.replace("0.1", "1"))

    report = go(settings)

    moved = {} if case.is_event else {"remove:data": 1, "add:data": 1}
    assert (report.status, report.plan.counts) == (Status.OK, moved)
    assert case.held(box) == PEOPLE
    assert go(settings).writes == 0
    assert names(settings).count("older") == (1 if case.is_event else 2)
    assert "c1" not in names(settings)


def test_another_key_and_another_day_of_an_entry_is_no_second_event(
    settings: SyncSettings, box: Box, case: Case, told: Shop
) -> None:
    rename(told, "c1", "older")
    # The older order that changed the key also made the entry an earlier one.
    told.periods = [p for p in told.periods if p[1] != "older"]
    for segment in ("buyers", "new_multi_buyer"):
        told.member(segment, "older", AS_OF - timedelta(days=2))
    told.publish(settings.home)

    report = go(settings)

    assert (report.status, report.accepted, report.writes) == (Status.OK, 0, 0)
    assert case.held(box) == PEOPLE


def test_an_account_with_another_address_in_its_place_is_the_same_customer(
    settings: SyncSettings, box: Box, case: Case, told: Shop
) -> None:
    # Nothing but the account's number is left of what they were known by.
    leave(told, "c1")
    join(told, "fresh", 7)
    told.identities += [("fresh", "customer_id", "a1"), *known("fresh", 7)[:2]]
    told.publish(settings.home)
    write(settings, "sync", case.spec.replace("0.1", "1"))

    report = go(settings)

    if case.is_event:
        assert (report.status, report.writes) == (Status.OK, 0)
        assert case.held(box) == PEOPLE
    assert "fresh" in names(settings)
    assert None not in names(settings)


@pytest.mark.parametrize("members", ["both", "the one who stays", "the one who goes"])
def test_two_who_turn_out_to_be_one(
    settings: SyncSettings, box: Box, case: Case, members: str
) -> None:
    made = shop()
    out = {"both": "", "the one who stays": "c2", "the one who goes": "c1"}[members]
    periods = list(made.periods)
    made.periods = [p for p in made.periods if p[1] != out]
    made.publish(settings.home)
    write(settings, "sync", case.spec.replace("0.1", "1"))
    told = go(settings).accepted
    assert case.held(box) == told
    # c2 is merged into c1, who is in the audience, with their own address.
    made.periods = periods
    leave(made, "c2")
    made.identities += known("c1", 2)
    made.publish(settings.home)

    report = go(settings)

    counts = {
        "both": {"remove:data": 1},
        "the one who stays": {},
        "the one who goes": {"add:data": 1, "remove:data": 1},
    }[members]
    if case.is_event:
        counts = {}
    elif case.vendor == "facebook" and members == "both":
        # Facebook may know one person by both addresses: who stays is added again.
        counts |= {"update:shared": 1}
    assert (report.status, report.plan.counts) == (Status.OK, counts)
    assert case.held(box) == (told if case.is_event else PEOPLE - 1)
    assert go(settings).writes == 0
    assert not {"c2", None} & set(names(settings))


def test_who_takes_over_the_address_of_the_other_is_not_removed_by_it(
    settings: SyncSettings, box: Box, case: Case, told: Shop
) -> None:
    leave(told, "c2")
    told.customers[1] |= {"email": email(2), "phone": phone(2)}
    told.identities += known("c1", 2)
    told.publish(settings.home)
    write(settings, "sync", case.spec.replace("0.1", "1"))

    report = go(settings)

    assert report.status is Status.OK
    assert report.plan.count() - report.plan.counts.get("update:shared", 0) == (
        0 if case.is_event else 1
    )
    assert case.held(box) == (PEOPLE if case.is_event else PEOPLE - 1)
    assert go(settings).writes == 0
    assert not {"c2", None} & set(names(settings))


@pytest.mark.parametrize("address", ["known until now", "told until now"])
@pytest.mark.parametrize("days", [0, 2])
def test_one_who_turns_out_to_be_two(
    settings: SyncSettings, box: Box, case: Case, address: str, days: int
) -> None:
    made = shop()
    made.identities += known("c1", 7)
    if address == "told until now":
        made.customers[1] |= {"email": email(7), "phone": phone(7)}
    made.publish(settings.home)
    assert go(settings).accepted == PEOPLE
    # The second address is somebody else's, whose history is a part of what seemed one.
    made.customers[1] |= {"email": email(1), "phone": phone(1)}
    made.identities = [row for row in made.identities if row not in known("c1", 7)]
    join(made, "second", 7, AS_OF - timedelta(days=days))
    made.identities += known("second", 7)
    made.publish(settings.home)
    write(settings, "sync", case.spec.replace("0.1", "1"))

    report = go(settings)

    assert (report.status, report.plan.count()) == (Status.OK, 1)
    assert "remove" not in str(report.plan.counts)
    # Who was told under the second address is who it belongs to; the other one was told nothing.
    assert case.held(box) == PEOPLE + 1
    if case.is_event and address == "told until now":
        assert report.plan.left_out == ({"entry_moved": 1} if days else {})
    assert go(settings).writes == 0
    assert names(settings) == ["c0", "c1", "c2", "c3", "c4", "second"]


def test_who_asks_to_be_forgotten_is_found_under_every_key_they_had(
    settings: SyncSettings, box: Box, case: Case, told: Shop
) -> None:
    box.configure(klaviyo_delete_seconds=0, attentive_delete_seconds=0)
    rename(told, "c1", "older")
    told.publish(settings.home)
    # The very publication that knows of the request has yet another key.
    rename(told, "older", "oldest")
    told.customers[1] |= {"email": None, "phone": None, "first_name": None}
    told.periods = [p for p in told.periods if p[1] != "oldest"]
    told.identities = [i for i in told.identities if i[0] != "oldest"]
    ask(settings.home, known("oldest", 1))
    told.publish(settings.home)
    go(settings)

    ended = erase_account(settings, case.vendor)

    assert (ended.people, ended.done) == (1, 1)
    with duckdb.connect(str(ledger_path(settings, case.vendor)), read_only=True) as con:
        assert con.execute("select count(*) from rows").fetchone() == (PEOPLE - 1,)


def test_a_run_that_dies_before_it_sends_has_changed_no_less_and_no_more(
    settings: SyncSettings, box: Box, case: Case, told: Shop
) -> None:
    rename(told, "c1", "older")
    join(told, "new", 8)
    told.publish(settings.home)
    write(settings, "sync", case.spec.replace("0.1", "1"))
    with mock.patch("syncs.ledger.Ledger.begin", side_effect=Died):  # noqa: SIM117
        with pytest.raises(Died):
            run(settings, "sync")

    assert go(settings).accepted == 1
    assert case.held(box) == PEOPLE + 1
    assert names(settings) == ["c0", "c2", "c3", "c4", "new", "older"]


def test_a_run_that_died_in_the_middle_is_taken_in_under_todays_key(
    settings: SyncSettings, box: Box, case: Case
) -> None:
    made = shop()
    made.publish(settings.home)
    with mock.patch("syncs.ledger.Ledger.settled", side_effect=Died):  # noqa: SIM117
        with pytest.raises(Died):
            run(settings, "sync")
    sent = case.held(box)
    rename(made, "c1", "older")
    made.publish(settings.home)

    go(settings)

    # Attentive does not drop what it has: whether an event arrived is for a person to say.
    is_sent_again = not (case.vendor == "attentive" and case.is_event)
    assert case.held(box) == (PEOPLE if is_sent_again else sent)
    assert names(settings) == ["c0", "c2", "c3", "c4", "older"]


def test_a_plan_writes_nothing_and_is_the_plan_that_is_carried_out(
    settings: SyncSettings, case: Case, told: Shop
) -> None:
    rename(told, "c1", "older")
    leave(told, "c3")
    join(told, "new", 8)
    told.publish(settings.home)
    write(settings, "sync", case.spec.replace("0.1", "1"))
    path = ledger_path(settings, case.vendor)
    before = path.read_bytes()

    first, second = plan(settings, "sync"), plan(settings, "sync")

    assert first == second
    assert path.read_bytes() == before
    assert go(settings).plan == first


def test_unanswered_events_are_listed_and_settled_by_the_key_of_today(
    settings: SyncSettings, box: Box
) -> None:
    write(settings, "sync", CASES["attribute_events"].spec)
    made = shop()
    made.publish(settings.home)
    with mock.patch("syncs.ledger.Ledger.settled", side_effect=Died):  # noqa: SIM117
        with pytest.raises(Died):
            run(settings, "sync")
    sent = box.events("attentive", "New Multi-Buyer")
    rename(made, "c1", "older")
    made.publish(settings.home)
    spec = chosen(settings)["sync"]

    listed = sorted(row.customer_key for row in unanswered(settings, spec))
    assert listed == ["c0", "c2", "c3", "c4", "older"]
    assert resolve(settings, spec, Verdict.ARRIVED, customers=["older"]) == 1
    assert plan(settings, "sync").changes == 0
    assert box.events("attentive", "New Multi-Buyer") == sent


def test_analysts_see_that_keys_changed(settings: SyncSettings, box: Box) -> None:
    write(settings, "sync", CASES["profiles"].spec)
    made = shop()
    made.publish(settings.home)
    go(settings)
    rename(made, "c1", "older")
    made.publish(settings.home)
    started = datetime.now(UTC)

    for _ in range(2):
        go(settings)

    with duckdb.connect(str(settings.results), read_only=True) as con:
        con.execute("set TimeZone = 'UTC'")
        runs = con.execute(
            "select destination, status, started_at >= ? from sync_runs "
            "where sync = 'klaviyo_keys'",
            [started],
        ).fetchall()
    assert runs == [("klaviyo", "rekeyed", True)]
