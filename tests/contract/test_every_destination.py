"""What every destination must do, against the sandbox over loopback."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import pytest

from syncs import Report, Status, SyncSettings, chosen, run_one
from tests.support.box import Box
from tests.support.published import AS_OF, Shop

PEOPLE = 40


@dataclass(frozen=True)
class Case:
    """One destination: a spec, and how many people (or events) it holds at the vendor."""

    name: str
    vendor: str
    spec: str
    held: Callable[[Box], int]
    idempotent: bool = True
    is_event: bool = False


_HEAD = """name: {name}
description: A sync of the contract tests.
owner: data@example.org
guard: {{max_removed: null, max_added: null, min_members: 0}}
"""

CASES = [
    Case(
        "profiles",
        "klaviyo",
        "destination: klaviyo_profile\naudience: everyone\nidentify_by: {email: email}\n"
        "properties: {used: ever_used_discount_code}\n",
        lambda box: sum(box.property_values("used").values()),
    ),
    Case(
        "profile_events",
        "klaviyo",
        "destination: klaviyo_event\naudience: buyers\nidentify_by: {email: email}\n"
        "event: {name: Bought, on: entered}\nproperties: {kind: {value: buyer}}\n",
        lambda box: box.events("klaviyo", "Bought"),
        is_event=True,
    ),
    Case(
        "attributes",
        "attentive",
        "destination: attentive_attribute\naudience: everyone\nidentify_by: {phone: phone}\n"
        "properties: {used: ever_used_discount_code}\n",
        lambda box: sum(box.attribute_values("used").values()),
    ),
    Case(
        "attribute_events",
        "attentive",
        "destination: attentive_event\naudience: buyers\nidentify_by: {phone: phone}\n"
        "event: {name: Bought, on: entered}\nproperties: {kind: {value: buyer}}\n",
        lambda box: box.events("attentive", "Bought"),
        idempotent=False,
        is_event=True,
    ),
    Case(
        "audience",
        "facebook",
        "destination: facebook_audience\naudience: buyers\naudience_name: Buyers\n"
        "identify_by: {EMAIL: email, PHONE: phone, FN: first_name, LN: last_name, CT: city, "
        "ST: region, ZIP: postal_code, COUNTRY: country}\n",
        lambda box: box.members("Buyers"),
    ),
]


@pytest.fixture(params=CASES, ids=[case.name for case in CASES])
def case(request: pytest.FixtureRequest, settings: SyncSettings) -> Case:
    found: Case = request.param
    (settings.specs / f"{found.name}.yml").write_text(_HEAD.format(name=found.name) + found.spec)
    return found


def shop() -> Shop:
    made = Shop()
    for i in range(PEOPLE):
        made.add(
            f"c{i:03d}",
            phone=f"+1212555{100 + i:04d}",
            first_name="Ada",
            ever_used_discount_code=i % 2 == 0,
        ).member("buyers", f"c{i:03d}")
    return made


def run(settings: SyncSettings, case: Case) -> Report:
    return run_one(settings, chosen(settings)[case.name])


def test_everybody_arrives_once_and_a_second_run_writes_nothing(
    settings: SyncSettings, box: Box, case: Case
) -> None:
    shop().publish(settings.home)

    first = run(settings, case)
    assert (first.status, first.accepted, case.held(box)) == (Status.OK, PEOPLE, PEOPLE)

    before = len(box.requests())
    second = run(settings, case)
    assert (second.status, second.accepted, second.writes) == (Status.OK, 0, 0)
    assert len(box.requests()) == before
    assert case.held(box) == PEOPLE


def test_an_empty_audience_sends_no_request(settings: SyncSettings, box: Box, case: Case) -> None:
    nobody = {"email_suppressed": True, "sms_suppressed": True, "ads_suppressed": True}
    Shop().add("suppressed", phone="+12125550100", **nobody).publish(settings.home)

    assert run(settings, case).status is Status.OK
    assert box.requests() == []


def test_an_empty_source_is_refused(settings: SyncSettings, box: Box, case: Case) -> None:
    shop().publish(settings.home)
    run(settings, case)
    before = len(box.requests())
    Shop().publish(settings.home)

    report = run(settings, case)

    assert (report.status, report.writes) == (Status.REFUSED, 0)
    assert "source_empty" in report.error
    assert (len(box.requests()), case.held(box)) == (before, PEOPLE)


def test_only_what_changed_is_sent(settings: SyncSettings, box: Box, case: Case) -> None:
    made = shop()
    made.publish(settings.home)
    run(settings, case)

    made.add("new", phone="+12125550199", ever_used_discount_code=True).member("buyers", "new")
    made.publish(settings.home)
    report = run(settings, case)

    assert (report.status, report.accepted) == (Status.OK, 1)
    assert case.held(box) == PEOPLE + 1


def test_refused_credentials_stop_at_once_and_lose_nothing(
    settings: SyncSettings, box: Box, case: Case
) -> None:
    shop().publish(settings.home)
    box.fault(case.vendor, "status", status=401, times=None)

    report = run(settings, case)

    assert report.status is Status.STOPPED
    assert report.accepted == 0
    # What was already in flight may still be answered; nothing is retried.
    assert report.retries == 0
    box.heal()
    assert run(settings, case).accepted == PEOPLE
    assert case.held(box) == PEOPLE


def test_an_html_page_instead_of_an_answer_stops_or_is_retried_never_believed(
    settings: SyncSettings, box: Box, case: Case
) -> None:
    shop().publish(settings.home)
    box.fault(case.vendor, "html", status=403, times=1)

    run(settings, case)
    run(settings, case)

    assert case.held(box) == PEOPLE


def test_throttling_is_waited_out(settings: SyncSettings, box: Box, case: Case) -> None:
    shop().publish(settings.home)
    if case.vendor == "facebook":
        box.fault("facebook", "status", status=400, body={"error": {"code": 80003}}, times=2)
    else:
        box.fault(case.vendor, "status", status=429, headers={"Retry-After": "1"}, times=2)

    report = run(settings, case)

    assert (report.status, report.accepted, case.held(box)) == (Status.OK, PEOPLE, PEOPLE)
    assert report.retries == 2


def test_a_lost_answer_never_makes_a_second_event_and_never_loses_a_person(
    settings: SyncSettings, box: Box, case: Case
) -> None:
    shop().publish(settings.home)
    box.fault(case.vendor, "drop-after-apply", method="POST", times=1)

    first = run(settings, case)
    second = run(settings, case)

    assert case.held(box) == PEOPLE
    if case.idempotent:
        assert first.accepted + second.accepted == PEOPLE
    else:
        assert (first.status, first.unknown, first.accepted) == (Status.PARTIAL, 1, PEOPLE - 1)
        assert (second.writes, second.accepted) == (0, 0)


def test_who_may_not_be_contacted_is_left_out_and_counted(
    settings: SyncSettings, box: Box, case: Case
) -> None:
    made = shop()
    for customer in made.customers[:3]:
        customer |= {"email_suppressed": True, "sms_suppressed": True, "ads_suppressed": True}
    made.customers[3] |= {"email": "not an address", "phone": "12", "first_name": None}
    made.customers[4] |= {"email": None, "phone": None}
    made.publish(settings.home)

    report = run(settings, case)

    assert report.plan.left_out["suppressed"] == 3
    assert report.plan.left_out["invalid_identifier"] == 1
    assert report.plan.left_out["no_identifier"] == 1
    assert case.held(box) == report.accepted == PEOPLE - 5


def test_nothing_of_a_person_is_written_down(
    settings: SyncSettings, box: Box, case: Case, capfd: pytest.CaptureFixture[str]
) -> None:
    made = shop()
    made.publish(settings.home)
    box.fault(case.vendor, "status", status=500, times=1)
    run(settings, case)

    out, err = capfd.readouterr()
    files = [f for f in settings.home.rglob("*") if f.is_file() and f.parent.name != "published"]
    written = b"".join(f.read_bytes() for f in files) + out.encode() + err.encode()
    for customer in made.customers:
        assert customer["email"].encode() not in written
        assert customer["phone"].encode() not in written
    assert not list(settings.scratch.iterdir())


def test_a_missed_week_sends_what_is_young_and_counts_the_rest(
    settings: SyncSettings, box: Box, case: Case
) -> None:
    if not case.is_event:
        return
    made = shop()
    made.periods = [
        (segment, key, date(2026, 11, 21 - i % 7), None)
        for i, (segment, key, _, _) in enumerate(made.periods)
    ]
    made.publish(settings.home)

    report = run(settings, case)

    young = sum((AS_OF - entered).days <= 3 for _, _, entered, _ in made.periods)
    assert (report.accepted, case.held(box)) == (young, young)
    assert report.plan.left_out["too_old"] == PEOPLE - young
