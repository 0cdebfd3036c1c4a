from __future__ import annotations

import pytest

from syncs import Status, SyncSettings
from tests.support.box import Box
from tests.support.published import Shop
from tests.support.syncing import AUDIENCE, run, write


def shop(count: int) -> Shop:
    made = Shop()
    for i in range(count):
        made.add(f"c{i:05d}", first_name="Ada").member("buyers", f"c{i:05d}")
    return made


def test_the_audience_is_made_once_and_found_again(settings: SyncSettings, box: Box) -> None:
    write(settings, "mirror", AUDIENCE)
    made = shop(5)
    made.publish(settings.home)
    run(settings, "mirror")
    (settings.ledgers / "facebook.duckdb").unlink()

    run(settings, "mirror")

    audiences = box.state()["facebook"]["audiences"]
    assert [a["name"] for a in audiences] == ["Buyers"]


def test_two_audiences_of_one_name_stop_the_sync(settings: SyncSettings, box: Box) -> None:
    write(settings, "one", AUDIENCE)
    shop(1).publish(settings.home)
    run(settings, "one")
    (settings.ledgers / "facebook.duckdb").unlink()
    box.fault("facebook", "status", method="GET", path="customaudiences", times=1,
              status=200, body={"data": []})  # fmt: skip
    run(settings, "one")
    (settings.ledgers / "facebook.duckdb").unlink()

    report = run(settings, "one")

    assert report.status is Status.STOPPED
    assert "2 audiences are named 'Buyers'" in report.error


def test_removes_go_before_adds_and_by_the_hashes_that_were_added(
    settings: SyncSettings, box: Box
) -> None:
    write(settings, "mirror", AUDIENCE)
    made = shop(5)
    made.publish(settings.home)
    run(settings, "mirror")
    # One leaves altogether, one changes a name, one is new.
    made.customers.pop(0)
    made.periods.pop(0)
    made.customers[0]["first_name"] = "Grace"
    made.add("new", first_name="Alan").member("buyers", "new")
    made.publish(settings.home)
    before = len(box.writes("facebook"))

    report = run(settings, "mirror")

    assert report.plan.counts == {"remove:data": 2, "add:data": 2}
    assert [w["method"] for w in box.writes("facebook")[before:]] == ["DELETE", "POST"]
    assert box.members("Buyers") == 5


def test_a_refused_removal_stays_open_until_it_is_done(settings: SyncSettings, box: Box) -> None:
    write(settings, "mirror", AUDIENCE)
    made = shop(5)
    made.publish(settings.home)
    run(settings, "mirror")
    made.periods.pop()
    made.publish(settings.home)
    box.configure(facebook_minimum_members=5)

    for _ in range(2):
        report = run(settings, "mirror")
        assert (report.status, report.rejected) == (Status.PARTIAL, 1)
        assert box.members("Buyers") == 5
    box.configure(facebook_minimum_members=0)
    assert run(settings, "mirror").status is Status.OK
    assert box.members("Buyers") == 4


def test_sessions_of_ten_thousand(settings: SyncSettings, box: Box) -> None:
    write(settings, "mirror", AUDIENCE)
    shop(25_000).publish(settings.home)

    report = run(settings, "mirror")

    assert (report.accepted, box.members("Buyers")) == (25_000, 25_000)
    rows = [r["rows"] for r in box.writes("facebook") if r["rows"]]
    assert rows == [10_000, 10_000, 5_000]


@pytest.mark.parametrize("code", [414, 471])
def test_a_busy_or_flagged_audience_is_left_for_later(
    settings: SyncSettings, box: Box, code: int
) -> None:
    write(settings, "mirror", AUDIENCE)
    made = shop(3)
    made.publish(settings.home)
    run(settings, "mirror")
    audience = box.state()["facebook"]["audiences"][0]
    box.configure(facebook_operation_status={str(audience["id"]): code})
    made.add("new").member("buyers", "new").publish(settings.home)

    report = run(settings, "mirror")
    assert report.status is Status.STOPPED
    assert str(code) in report.error or "busy" in report.error or "flagged" in report.error
    box.configure(facebook_operation_status={})
    assert run(settings, "mirror").accepted == 1


def test_terms_that_nobody_accepted_stop_it(settings: SyncSettings, box: Box) -> None:
    write(settings, "mirror", AUDIENCE)
    shop(1).publish(settings.home)
    box.configure(facebook_terms_accepted=False)

    report = run(settings, "mirror")

    assert report.status is Status.STOPPED
    assert "terms" in report.error


def test_the_app_secret_proves_every_call(
    settings: SyncSettings, box: Box, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(settings, "mirror", AUDIENCE)
    shop(3).publish(settings.home)
    box.configure(facebook_app_secret="dummySecret")

    assert run(settings, "mirror").status is Status.STOPPED
    monkeypatch.setenv("FACEBOOK_APP_SECRET", "dummySecret")
    assert run(settings, "mirror").status is Status.OK


def test_somebody_who_shares_a_phone_with_a_leaver_stays(settings: SyncSettings, box: Box) -> None:
    write(settings, "mirror", AUDIENCE.replace("EMAIL: email", "EMAIL: email, PHONE: phone"))
    made = shop(4)
    for customer in made.customers[:2]:
        customer |= {"email": None, "phone": "+12125550123"}
    made.customers[1]["first_name"] = "Grace"
    made.publish(settings.home)
    run(settings, "mirror")
    made.periods.pop(0)
    made.publish(settings.home)

    report = run(settings, "mirror")

    assert report.plan.counts == {"remove:data": 1, "update:shared": 1}
    assert box.members("Buyers") == 3
    assert run(settings, "mirror").writes == 0


def test_another_schema_is_refused_because_nobody_could_be_removed(
    settings: SyncSettings, box: Box
) -> None:
    write(settings, "mirror", AUDIENCE)
    made = shop(3)
    made.publish(settings.home)
    run(settings, "mirror")
    write(
        settings, "mirror", AUDIENCE.replace("EMAIL: email, FN", "FN: first_name, EMAIL: email, LN")
    )
    made.publish(settings.home)

    report = run(settings, "mirror")

    assert report.status is Status.STOPPED
    assert "identify_by changed" in report.error
    assert box.members("Buyers") == 3


def test_a_request_of_ours_that_is_wrong_is_no_reason_to_ask_ten_thousand_times(
    settings: SyncSettings, box: Box
) -> None:
    write(settings, "mirror", AUDIENCE)
    shop(200).publish(settings.home)
    box.fault("facebook", "status", method="POST", path="/users", status=400, times=None,
              body={"error": {"code": 100, "message": "does not match schema"}})  # fmt: skip

    report = run(settings, "mirror")

    assert (report.status, report.rejected) == (Status.STOPPED, 0)
    assert report.writes <= 2
    box.heal()
    assert run(settings, "mirror").accepted == 200
