"""Whatever happens on the way, the destination ends up with what is published.

Random days of a random shop, random faults, a process that dies between two batches or in the
middle of one; then one quiet run. The real engine, ledger, HTTP and sandbox throughout.
"""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from syncs import Status, SyncSettings
from tests.support.box import Box
from tests.support.published import Shop
from tests.support.syncing import AUDIENCE, PROFILE, plan, run, write

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
    max_examples=12,
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
