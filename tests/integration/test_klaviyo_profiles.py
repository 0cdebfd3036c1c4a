from __future__ import annotations

import pytest

from syncs import Status, SyncSettings
from tests.support.box import Box
from tests.support.published import Shop
from tests.support.syncing import PROFILE, plan, run, write


def shop(count: int = 20) -> Shop:
    made = Shop()
    for i in range(count):
        made.add(f"c{i:05d}", ever_used_discount_code=i % 2 == 0)
    return made


def test_false_is_sent_too_and_a_non_buyer_gets_nothing(settings: SyncSettings, box: Box) -> None:
    write(settings, "usage", PROFILE)
    made = shop(10).add("nobuyer", ever_used_discount_code=None)
    made.publish(settings.home)

    report = run(settings, "usage")

    assert box.property_values("used") == {"true": 5, "false": 5}
    assert report.plan.left_out == {"nothing_to_say": 1}
    assert box.state()["klaviyo"]["profiles"] == 10


def test_update_only_never_creates_a_profile_and_looks_again(
    settings: SyncSettings, box: Box
) -> None:
    write(settings, "usage", PROFILE + "update_only: true\n")
    shop(20).publish(settings.home)
    box.know([f"c{i:05d}@mail.example" for i in range(15)])

    report = run(settings, "usage")
    assert (report.status, report.accepted, report.skipped) == (Status.OK, 15, 5)
    assert box.state()["klaviyo"]["profiles"] == 15
    # Looking again is no change, so there is nothing to do...
    assert plan(settings, "usage").changes == 0
    assert run(settings, "usage").writes == 0
    # ...until somebody subscribes.
    box.know(["c00019@mail.example"])
    assert run(settings, "usage").accepted == 1


def test_a_profile_deleted_at_klaviyo_is_not_made_again(settings: SyncSettings, box: Box) -> None:
    write(settings, "usage", PROFILE + "update_only: true\n")
    made = shop(2)
    made.publish(settings.home)
    box.know(["c00000@mail.example", "c00001@mail.example"])
    run(settings, "usage")
    box.reset()
    box.know(["c00000@mail.example"])
    for customer in made.customers:
        customer["ever_used_discount_code"] = not customer["ever_used_discount_code"]
    made.publish(settings.home)

    report = run(settings, "usage")

    assert (report.accepted, report.skipped) == (1, 1)
    assert box.state()["klaviyo"]["profiles"] == 1


@pytest.mark.parametrize(
    ("when_left", "values"),
    [("set_false", {"true": 1, "false": 1}), ("clear", {"true": 1}), ("keep", {"true": 2})],
)
def test_leaving(settings: SyncSettings, box: Box, when_left: str, values: dict[str, int]) -> None:
    write(
        settings,
        "flag",
        PROFILE.replace("everyone", "buyers").replace("ever_used_discount_code", "{value: true}")
        + f"when_left: {when_left}\n",
    )
    made = shop(2).member("buyers", "c00000").member("buyers", "c00001")
    made.publish(settings.home)
    run(settings, "flag")
    assert box.property_values("used") == {"true": 2}

    made.periods.pop()
    made.publish(settings.home)
    run(settings, "flag")
    assert box.property_values("used") == values
    assert plan(settings, "flag").changes == 0

    made.member("buyers", "c00001").publish(settings.home)
    run(settings, "flag")
    assert box.property_values("used") == {"true": 2}


def test_losing_consent_is_leaving(settings: SyncSettings, box: Box) -> None:
    write(settings, "usage", PROFILE + "requires_consent: email\n")
    made = shop(2)
    made.publish(settings.home)
    run(settings, "usage")
    made.customers[0]["email_consent"] = "unsubscribed"
    made.publish(settings.home)

    report = run(settings, "usage")

    assert report.plan.counts == {"remove:consent": 1}
    assert report.plan.left_out == {"no_consent": 1}
    assert box.property_values("used") == {"false": 2}


def test_a_changed_address_is_told_too(settings: SyncSettings, box: Box) -> None:
    write(settings, "usage", PROFILE)
    made = Shop().add("c1", email="old@mail.example", ever_used_discount_code=True)
    made.publish(settings.home)
    run(settings, "usage")
    made.customers[0]["email"] = "new@mail.example"
    made.identities = [("c1", "email", "old@mail.example"), ("c1", "email", "new@mail.example")]
    made.publish(settings.home)

    run(settings, "usage")

    assert box.property_values("used") == {"true": 1, "false": 1}


def test_a_leaver_nobody_can_name_any_more_is_reported_once(
    settings: SyncSettings, box: Box
) -> None:
    write(settings, "usage", PROFILE)
    made = shop(3)
    made.publish(settings.home)
    run(settings, "usage")
    made.customers.pop()
    made.publish(settings.home)

    report = run(settings, "usage")
    assert (report.status, report.held) == (Status.PARTIAL, 1)
    assert report.reasons == {"identifier_no_longer_known": 1}
    assert run(settings, "usage").status is Status.OK


def test_a_value_that_vanished_is_unset(settings: SyncSettings, box: Box) -> None:
    write(settings, "facts", PROFILE.replace("{used:", "{orders: order_count, used:"))
    made = Shop().add("c1", order_count=3, ever_used_discount_code=True)
    made.add("c2", order_count=1)
    made.publish(settings.home)
    run(settings, "facts")
    made.customers[0]["order_count"] = None
    made.publish(settings.home)

    run(settings, "facts")

    assert box.state()["klaviyo"]["properties"]["orders"]["set"] == 1
    assert box.property_values("used") == {"true": 1}


def test_a_property_that_vanished_for_everybody_is_a_missing_input(
    settings: SyncSettings, box: Box
) -> None:
    write(settings, "usage", PROFILE)
    made = shop(4)
    made.publish(settings.home)
    run(settings, "usage")
    for customer in made.customers:
        customer["ever_used_discount_code"] = None
    made.publish(settings.home)

    report = run(settings, "usage")

    assert report.status is Status.REFUSED
    assert [finding.guard for finding in report.plan.refused] == ["vanished"]
    assert box.property_values("used") == {"true": 2, "false": 2}


def test_two_customers_with_one_address_do_not_fight(settings: SyncSettings, box: Box) -> None:
    write(settings, "usage", PROFILE)
    made = Shop()
    made.add(
        "a", email="one@mail.example", ever_used_discount_code=True, last_order_on="2026-01-01"
    )
    made.add(
        "b", email="One@Mail.Example", ever_used_discount_code=False, last_order_on="2026-02-01"
    )
    made.publish(settings.home)

    report = run(settings, "usage")

    assert report.plan.left_out == {"duplicate_identifier": 1}
    assert box.property_values("used") == {"false": 1}
    assert run(settings, "usage").accepted == 0


@pytest.mark.parametrize("form", ["pointer", "no-pointer", "import-errors"])
def test_refused_rows_are_isolated_and_wait(settings: SyncSettings, box: Box, form: str) -> None:
    write(settings, "usage", PROFILE)
    made = shop(300)
    for i in (7, 70, 270):
        made.customers[i]["email"] = f"bad{i}@mail.example"
    made.publish(settings.home)
    box.fault("klaviyo", "reject-rows", reject_emails="bad", form=form, times=None)

    report = run(settings, "usage")

    assert (report.status, report.accepted, report.rejected) == (Status.PARTIAL, 297, 3)
    assert sum(report.reasons.values()) == 3
    assert sum(box.property_values("used").values()) == 297
    # The same refused rows are not sent again every day...
    box.heal()
    assert run(settings, "usage").writes == 0
    # ...but at once when they say something else.
    made.customers[7]["ever_used_discount_code"] = True
    made.publish(settings.home)
    assert run(settings, "usage").accepted == 1


def test_a_request_refused_whatever_is_in_it_stops(settings: SyncSettings, box: Box) -> None:
    write(settings, "usage", PROFILE)
    shop(3000).publish(settings.home)
    box.fault("klaviyo", "status", status=400, operation="import", times=None, body={"errors": []})
    box.fault("klaviyo", "status", status=400, path="bulk-import", times=None, body={"errors": []})

    report = run(settings, "usage")

    assert report.status is Status.STOPPED
    assert report.requests < 100
    box.heal()
    assert run(settings, "usage").status in (Status.OK, Status.PARTIAL)


def test_too_large_a_request_is_halved(settings: SyncSettings, box: Box) -> None:
    write(settings, "usage", PROFILE)
    shop(40).publish(settings.home)
    box.fault("klaviyo", "status", status=413, path="bulk-import", times=1, body="too large")

    report = run(settings, "usage")

    assert (report.status, report.accepted, report.writes) == (Status.OK, 40, 3)


def test_a_cancelled_job_is_not_believed(settings: SyncSettings, box: Box) -> None:
    write(settings, "usage", PROFILE)
    shop(10).publish(settings.home)
    box.fault("klaviyo", "cancel-job", path="bulk-import", method="POST", times=1)

    first = run(settings, "usage")
    assert (first.status, first.unknown) == (Status.PARTIAL, 10)
    assert run(settings, "usage").accepted == 10
    assert sum(box.property_values("used").values()) == 10


def test_large_audiences_are_split_at_the_vendors_limits(settings: SyncSettings, box: Box) -> None:
    write(settings, "usage", PROFILE)
    shop(20_001).publish(settings.home)

    report = run(settings, "usage")

    assert report.accepted == 20_001
    rows = [r["rows"] for r in box.writes("klaviyo")]
    assert sorted(rows) == [1, 10_000, 10_000]


def test_a_job_that_cannot_be_watched_may_have_been_applied(
    settings: SyncSettings, box: Box
) -> None:
    write(settings, "flag", PROFILE.replace("everyone", "buyers"))
    made = shop(4)
    for i in range(4):
        made.member("buyers", f"c{i:05d}")
    made.publish(settings.home)
    box.fault("klaviyo", "status", status=401, method="GET", path="bulk-import", times=None)

    report = run(settings, "flag")
    assert (report.status, report.unknown) == (Status.STOPPED, 4)
    # Who leaves before the next run was told, so must be told again.
    box.heal()
    made.periods.pop()
    made.publish(settings.home)
    run(settings, "flag")
    assert box.property_values("used") == {"true": 2, "false": 2}


def test_no_value_any_more_is_unset_not_false(settings: SyncSettings, box: Box) -> None:
    write(settings, "usage", PROFILE)
    made = shop(2)
    made.publish(settings.home)
    run(settings, "usage")
    # The only order was cancelled: a non-buyer has no value, which is not "never used a code".
    made.customers[0]["ever_used_discount_code"] = None
    made.publish(settings.home)

    run(settings, "usage")

    assert box.property_values("used") == {"false": 1}
    assert run(settings, "usage").writes == 0


def test_a_leaver_who_cannot_be_named_today_is_told_when_they_can(
    settings: SyncSettings, box: Box
) -> None:
    write(settings, "flag", PROFILE.replace("everyone", "buyers").replace(
        "ever_used_discount_code", "{value: true}"))  # fmt: skip
    made = shop(3).member("buyers", "c00000").member("buyers", "c00001")
    made.publish(settings.home)
    run(settings, "flag")
    gone = made.customers.pop(1)
    made.periods.pop(1)
    made.publish(settings.home)
    assert run(settings, "flag").held == 1
    made.customers.append(gone)
    made.publish(settings.home)

    assert run(settings, "flag").accepted == 1
    assert box.property_values("used") == {"true": 1, "false": 1}


def test_nobody_is_made_again_by_leaving(settings: SyncSettings, box: Box) -> None:
    write(settings, "flag", PROFILE.replace("everyone", "buyers"))
    made = shop(2).member("buyers", "c00000").member("buyers", "c00001")
    made.publish(settings.home)
    run(settings, "flag")
    box.reset()
    box.know(["c00000@mail.example"])
    made.periods.pop()
    made.publish(settings.home)

    assert run(settings, "flag").skipped == 1
    assert box.state()["klaviyo"]["profiles"] == 1
