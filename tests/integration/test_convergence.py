"""Whatever happens on the way, the destination ends up with what is published.

Random days of a random shop, random faults, a process that dies between two batches or in the
middle of one; then one quiet run. The real engine, ledger, HTTP and sandbox throughout.
"""

from __future__ import annotations

import tempfile
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any
from unittest import mock

import duckdb
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from syncs import Status, SyncSettings, chosen, identity, run_account
from syncs.runner import ledger_path
from tests.support.box import Box
from tests.support.published import AS_OF, Shop
from tests.support.syncing import AUDIENCE, PROFILE, plan, run, write

EVENT = """destination: klaviyo_event
audience: new_multi_buyer
identify_by: {email: email}
event: {name: New Multi-Buyer, on: entered, max_age_days: 3}
properties: {kind: {value: multi}}
guard: {min_members: 0}
"""
NAMES = ["Ada", "Grace", "Alan"]


class Died(BaseException):
    """Stands for a process that ends: no handler of the engine may see it."""


person = st.fixed_dictionaries(
    {
        "name": st.sampled_from(NAMES),
        "used": st.sampled_from([True, False, None]),
        "member": st.booleans(),
        "consent": st.sampled_from(["subscribed", "unsubscribed"]),
    }
)
day = st.fixed_dictionaries(
    {
        "people": st.dictionaries(st.integers(0, 7), person, max_size=8),
        "fault": st.sampled_from([None, None, "dies", "500", "lost", "refused"]),
    }
)


def publish(sync_settings: SyncSettings, people: dict[int, dict[str, Any]]) -> None:
    # Somebody always has a value: one that vanishes for everybody stops the sync.
    made = Shop().add("anchor", first_name="Ada", ever_used_discount_code=True)
    made.member("buyers", "anchor")
    for i, who in people.items():
        made.add(
            f"c{i}",
            first_name=who["name"],
            ever_used_discount_code=who["used"],
            email_consent=who["consent"],
        )
        if who["member"]:
            made.member("buyers", f"c{i}")
    # Everybody's address stays known, as it does for customers of a real shop.
    made.identities = [(f"c{i}", "email", f"c{i}@mail.example") for i in range(8)]
    made.publish(sync_settings.home)


def trouble(box: Box, vendor: str, fault: str | None) -> None:
    if fault == "500":
        box.fault(vendor, "status", status=500, times=1)
    elif fault == "lost":
        box.fault(vendor, "drop-after-apply", method="POST", times=1)
    elif fault == "refused":
        box.fault(vendor, "status", status=401, times=1)


def run_and_perhaps_die(sync_settings: SyncSettings, name: str, fault: str | None) -> None:
    if fault != "dies":
        run(sync_settings, name)
        return
    # The batch is recorded as sending, the request is answered, and that is never recorded.
    with mock.patch("syncs.ledger.Ledger.settled", side_effect=Died), suppress(Died):
        run(sync_settings, name)


@settings(
    max_examples=5,
    deadline=None,
    # An example takes a second: a failing one is shown as found, not shrunk for half an hour.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(days=st.lists(day, min_size=1, max_size=4), last=st.dictionaries(st.integers(0, 7), person))
@pytest.mark.parametrize("kind", ["profile", "audience"])
def test_the_last_quiet_run_makes_it_true(
    settings: SyncSettings, box: Box, kind: str, days: list[dict[str, Any]],
    last: dict[int, dict[str, Any]],
) -> None:  # fmt: skip
    box.reset()
    home = Path(tempfile.mkdtemp(dir=settings.home))
    ours = settings.model_copy(update={"home": home, "specs": home / "specs"})
    ours.specs.mkdir()
    vendor = "klaviyo" if kind == "profile" else "facebook"
    text = PROFILE + "requires_consent: email\n" if kind == "profile" else AUDIENCE
    write(ours, "sync", text)

    for one in days:
        publish(ours, one["people"])
        trouble(box, vendor, one["fault"])
        run_and_perhaps_die(ours, "sync", one["fault"])
        box.heal()
    publish(ours, last)
    # The first run may hold what an earlier day left open; the second must find nothing to do.
    run(ours, "sync")
    report = run(ours, "sync")

    assert report.status is Status.OK
    assert (report.writes, plan(ours, "sync").changes) == (0, 0)
    if kind == "audience":
        assert box.members("Buyers") == 1 + sum(who["member"] for who in last.values())
        return
    values = box.property_values("used")
    reachable = [w for w in last.values() if w["consent"] == "subscribed"]
    assert values.get("true", 0) == 1 + sum(w["used"] is True for w in reachable)


CONTACTS = 6
# Who belongs together, which of their contacts was seen first (it makes the key), which one is
# published, when they entered, and whether anybody runs the sync that day.
whose = st.fixed_dictionaries(
    {
        "customer": st.lists(st.integers(0, 2), min_size=CONTACTS, max_size=CONTACTS),
        "seen": st.permutations(range(CONTACTS)),
        "published": st.permutations(range(CONTACTS)),
        "entered": st.lists(st.integers(0, 2), min_size=3, max_size=3),
        "is_run": st.booleans(),
    }
)


def address(contact: int) -> str:
    return f"p{contact}@mail.example"


def publish_customers(made: Shop, sync_settings: SyncSettings, one: dict[str, Any]) -> set[str]:
    """Publish the contacts as the customers they are taken for; returns the keys."""
    made.customers, made.periods, made.identities = [], [], []
    for customer in set(one["customer"]):
        contacts = [i for i in range(CONTACTS) if one["customer"][i] == customer]
        key = f"c{min(contacts, key=one['seen'].index)}"
        shown = address(min(contacts, key=one["published"].index))
        made.add(key, email=shown, first_name="Ada", ever_used_discount_code=True)
        entered = AS_OF - timedelta(days=one["entered"][customer])
        made.member("buyers", key).member("new_multi_buyer", key, entered)
        made.identities += [(key, "email", address(i)) for i in contacts]
    made.publish(sync_settings.home)
    return {str(customer["customer_key"]) for customer in made.customers}


def told_at(sync_settings: SyncSettings) -> list[int]:
    """Events by the contact they were told at, as the ledger has them."""
    with duckdb.connect() as con:
        identity.install(con, key=identity.ledger_key(sync_settings.ledgers))
        con.execute(f"attach '{ledger_path(sync_settings, 'klaviyo')}' as ledger (read_only)")
        days = [f"new_multi_buyer@{AS_OF - timedelta(days=age)}" for age in range(3)]
        return [
            int(n)
            for (n,) in con.execute(
                "select count(r.row_key) from (select unnest($people) as who) as p "
                "cross join (select unnest($days) as day) as d "
                "left join ledger.rows as r on r.row_key = keyed(who || '|' || day) group by who",
                {"people": [address(i) for i in range(CONTACTS)], "days": days},
            ).fetchall()
        ]


@settings(
    max_examples=5,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(days=st.lists(whose, min_size=2, max_size=5))
@pytest.mark.parametrize("kind", ["profile", "audience", "audience_with_our_id", "event"])
def test_whoever_people_turn_out_to_be(
    settings: SyncSettings, box: Box, kind: str, days: list[dict[str, Any]]
) -> None:
    box.reset()
    home = Path(tempfile.mkdtemp(dir=settings.home))
    ours = settings.model_copy(update={"home": home, "specs": home / "specs"})
    ours.specs.mkdir()
    text = {
        "profile": PROFILE,
        "audience": AUDIENCE,
        "audience_with_our_id": AUDIENCE.replace("EMAIL:", "EXTERN_ID: customer_key, EMAIL:"),
        "event": EVENT,
    }[kind]
    write(ours, "sync", text)
    made = Shop()

    keys: set[str] = set()
    for one in [*days[:-1], {**days[-1], "is_run": True}]:
        keys = publish_customers(made, ours, one)
        if one["is_run"]:
            reports = run_account(ours, chosen(ours, ["sync"]).values())
            assert [getattr(r, "status", r) for r in reports.values()] == [Status.OK]

    assert plan(ours, "sync").changes == 0
    with duckdb.connect(str(ours.results), read_only=True) as con:
        named = con.execute("select distinct customer_key from sync_rows").fetchall()
    assert {key for (key,) in named} <= keys
    if kind == "event":
        told = told_at(ours)
        assert max(told) == 1
        assert box.events("klaviyo", "New Multi-Buyer") == sum(told)
    elif kind == "profile":
        assert box.property_values("used")["true"] == len(keys)
    else:
        assert box.members("Buyers") == len(keys)
