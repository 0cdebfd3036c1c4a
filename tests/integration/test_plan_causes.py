"""Why a row is in a plan, what a person may decide about a plan, and what a rename does not do."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import duckdb
import pytest

from syncs import Status, SyncSettings
from syncs.cli import main
from tests.support.box import Box
from tests.support.published import AS_OF, Shop
from tests.support.syncing import AUDIENCE, PROFILE, plan, run, write

PEOPLE = 20
TOMORROW = AS_OF + timedelta(days=1)


def shop(people: int = PEOPLE) -> Shop:
    made = Shop()
    for i in range(people):
        made.add(
            f"c{i}",
            first_name="Ada",
            order_count=i,
            ever_used_discount_code=i % 2 == 0,
            last_order_on=AS_OF - timedelta(days=30),
        ).member("buyers", f"c{i}", AS_OF - timedelta(days=30))
    return made


def with_rule(home: Path, rule: str) -> None:
    """Publish other parameters of a segment."""
    with duckdb.connect(str(home / "published" / "segments.duckdb")) as con:
        con.execute("alter table segment_catalog add column parameters varchar")
        con.execute("update segment_catalog set parameters = ?", [rule])


def test_a_new_property_is_the_mapping_but_a_new_value_is_data(
    settings: SyncSettings, box: Box
) -> None:
    write(settings, "profiles", PROFILE)
    made = shop()
    made.publish(settings.home)
    assert plan(settings, "profiles").counts == {"add:data": PEOPLE}
    run(settings, "profiles")

    write(
        settings,
        "profiles",
        PROFILE.replace("code}", "code, kind: {value: buyer}}"),
    )
    for i in range(3):
        made.customers[i]["ever_used_discount_code"] = i % 2 == 1
    made.publish(settings.home)

    assert plan(settings, "profiles").counts == {
        "update:data": 3,
        "update:mapping": PEOPLE - 3,
    }
    assert run(settings, "profiles").delivered_everything
    assert plan(settings, "profiles").changes == 0
    assert sum(box.property_values("kind").values()) == PEOPLE


def test_a_mapping_is_paced_and_data_is_not(settings: SyncSettings, box: Box) -> None:
    write(settings, "profiles", PROFILE)
    made = shop()
    made.publish(settings.home)
    run(settings, "profiles")
    paced = PROFILE.replace("code}", "code, kind: {value: buyer}}") + "pace: 8\n"
    write(settings, "profiles", paced)
    made.customers[0]["ever_used_discount_code"] = False
    made.publish(settings.home)

    first = run(settings, "profiles")
    assert first.plan.counts == {"update:data": 1, "update:mapping": 8}
    assert first.plan.deferred == {"update:mapping": PEOPLE - 9}
    assert plan(settings, "profiles").deferred == {"update:mapping": PEOPLE - 17}
    assert first.status is Status.OK
    made.customers[1]["ever_used_discount_code"] = True
    made.publish(settings.home)
    second = run(settings, "profiles").plan
    # Whoever changed goes at once, whatever the pace.
    assert second.counts == {"update:data": 1, "update:mapping": 8}
    while plan(settings, "profiles").changes:
        assert run(settings, "profiles").plan.count() <= 9
    assert sum(box.property_values("kind").values()) == PEOPLE


def test_a_history_that_is_found_cut_is_no_rule(settings: SyncSettings) -> None:
    write(settings, "mirror", AUDIENCE)
    made = shop()
    made.publish(settings.home)
    run(settings, "mirror")

    made.censored = {"buyers": "orders before 2026-09-23 are missing"}
    made.publish(settings.home)
    assert plan(settings, "mirror").counts == {}
    made.add("new").member("buyers", "new", AS_OF - timedelta(days=30))
    made.publish(settings.home)
    assert plan(settings, "mirror").counts == {"add:data": 1}


def test_a_rule_moves_people_and_so_does_their_own_history(settings: SyncSettings) -> None:
    write(settings, "mirror", AUDIENCE)
    made = shop()
    made.publish(settings.home)
    with_rule(settings.home, "at least 3 orders")
    run(settings, "mirror")

    # Ten leave by the new rule; one bought today and leaves by that.
    made.periods = made.periods[10:]
    made.customers[0]["last_order_on"] = TOMORROW
    made.as_of = TOMORROW
    made.publish(settings.home)
    with_rule(settings.home, "at least 4 orders")

    assert plan(settings, "mirror").counts == {"remove:data": 1, "remove:rule": 9}
    # Under the same rule all of them would be corrections of their history.
    with_rule_again = made.publish(settings.home)
    with duckdb.connect(str(with_rule_again)) as con:
        con.execute("alter table segment_catalog add column parameters varchar")
        con.execute("update segment_catalog set parameters = 'at least 3 orders'")
    assert plan(settings, "mirror").counts == {"remove:data": 10}


def test_another_audience_in_the_spec_is_the_mapping(settings: SyncSettings) -> None:
    write(settings, "mirror", AUDIENCE)
    made = shop()
    for i in range(4):
        made.member("new_hvc", f"c{i}", AS_OF - timedelta(days=40))
    made.publish(settings.home)
    run(settings, "mirror")

    write(settings, "mirror", AUDIENCE.replace("audience: buyers", "audience: new_hvc"))

    assert plan(settings, "mirror").counts == {"remove:mapping": PEOPLE - 4}


def test_equal_inputs_give_equal_bytes_and_a_plan_runs_once(
    settings: SyncSettings, box: Box, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(settings, "profiles", PROFILE)
    shop().publish(settings.home)
    main(["plan", "--json"])
    first = capsys.readouterr().out
    main(["plan", "--json"])
    assert capsys.readouterr().out == first
    document = json.loads(first)["plans"][0]
    assert (document["adds"], document["updates"], document["removes"]) == (PEOPLE, 0, 0)
    file = tmp_path / "plan.json"
    file.write_text(first)

    assert main(["apply", "--plan", str(file)]) == 0
    assert main(["apply", "--plan", str(file)]) == 3
    assert len(box.writes("klaviyo")) == 1


def test_a_plan_for_a_pull_request(
    settings: SyncSettings, box: Box, capsys: pytest.CaptureFixture[str]
) -> None:
    write(settings, "profiles", PROFILE)
    shop().publish(settings.home)

    assert main(["plan", "--markdown"]) == 2

    said = capsys.readouterr().out
    assert f"| profiles | {PEOPLE} | {PEOPLE} | 0 | 0 | {PEOPLE} data |" in said
    assert "mail.example" not in said


def test_a_person_approves_one_plan_by_its_id(
    settings: SyncSettings, box: Box, capsys: pytest.CaptureFixture[str]
) -> None:
    write(settings, "mirror", AUDIENCE.replace("max_removed: null", "max_removed: 0.3"))
    made = shop()
    made.publish(settings.home)
    run(settings, "mirror")
    made.periods = made.periods[:5]
    made.publish(settings.home)

    refused = plan(settings, "mirror")
    assert [finding.guard for finding in refused.refused] == ["max_removed"]
    assert main(["apply", "mirror"]) == 3
    assert main(["apply", "mirror", "--approve", "0123456789abcdef"]) == 3
    assert box.members("Buyers") == PEOPLE
    assert main(["plan", "mirror"]) == 3
    assert f"--approve {refused.plan_id}" in capsys.readouterr().out

    assert main(["apply", "mirror", "--approve", refused.plan_id]) == 0
    assert box.members("Buyers") == 5


def test_renaming_a_sync_empties_and_refills_nothing(settings: SyncSettings, box: Box) -> None:
    write(settings, "mirror", AUDIENCE)
    made = shop()
    made.publish(settings.home)
    run(settings, "mirror")
    (settings.specs / "mirror.yml").unlink()
    write(settings, "best_buyers", AUDIENCE + "renamed_from: mirror\n")
    made.periods = made.periods[1:]
    made.publish(settings.home)

    assert plan(settings, "best_buyers").counts == {"remove:data": 1}
    report = run(settings, "best_buyers")

    assert (report.status, report.accepted) == (Status.OK, 1)
    assert box.members("Buyers") == PEOPLE - 1
    assert plan(settings, "best_buyers").changes == 0


def test_renaming_an_audience_empties_and_refills_nothing(settings: SyncSettings, box: Box) -> None:
    write(settings, "mirror", AUDIENCE)
    made = shop()
    made.publish(settings.home)
    run(settings, "mirror")
    write(settings, "mirror", AUDIENCE.replace("Buyers", "People who bought"))
    assert plan(settings, "mirror").changes == 0
    made.periods = made.periods[1:]
    made.publish(settings.home)

    run(settings, "mirror")

    assert (box.members("People who bought"), box.members("Buyers")) == (PEOPLE - 1, 0)


def test_an_old_publication_is_refused(settings: SyncSettings, box: Box) -> None:
    write(settings, "profiles", PROFILE)
    file = shop().publish(settings.home)
    with duckdb.connect(str(file)) as con:
        con.execute("update publication set published_at = now() - interval 30 hour")

    report = run(settings, "profiles")

    assert report.status is Status.REFUSED
    assert "published 30 hours ago" in report.error
    assert box.writes("klaviyo") == []


def test_a_segment_that_jumps_out_of_its_own_history_is_refused(
    settings: SyncSettings, box: Box
) -> None:
    write(settings, "mirror", AUDIENCE)
    made = shop(120)
    file = made.publish(settings.home)
    with duckdb.connect(str(file)) as con:
        con.execute(
            """create table segment_sizes as select 'buyers' as segment,
            date '2026-11-21' - cast(n as integer) as day, 100 as members,
            case when n = 0 then 80 else 2 end as entered, 1 as exited from range(60) as r(n)"""
        )

    report = run(settings, "mirror")

    assert report.status is Status.REFUSED
    assert "80 people entered or left 'buyers'" in report.error


def test_nothing_changed_is_known_without_comparing(settings: SyncSettings, box: Box) -> None:
    write(settings, "profiles", PROFILE)
    made = shop()
    made.publish(settings.home)
    run(settings, "profiles")
    before = plan(settings, "profiles")
    # The same people published anew: everything equal but the publication.
    made.publish(settings.home)
    assert plan(settings, "profiles") == before
    assert (before.unchanged, before.members, before.changes) == (PEOPLE, PEOPLE, 0)
    made.customers[7]["ever_used_discount_code"] = True
    made.publish(settings.home)
    assert plan(settings, "profiles").counts == {"update:data": 1}


def test_a_missing_value_stays_no_finding_when_nobody_ever_had_one(
    settings: SyncSettings, box: Box
) -> None:
    write(settings, "profiles", PROFILE.replace("code}", "code, kind: discount_behavior}"))
    made = shop()
    made.publish(settings.home)
    assert run(settings, "profiles").status is Status.OK
    made.customers[0]["ever_used_discount_code"] = False
    made.publish(settings.home)
    assert run(settings, "profiles").status is Status.OK
    for customer in made.customers:
        customer["ever_used_discount_code"] = None
    made.publish(settings.home)
    assert "vanished" in run(settings, "profiles").error


def test_an_empty_value_where_nothing_can_be_unset_is_no_change(
    settings: SyncSettings, box: Box
) -> None:
    write(
        settings,
        "attributes",
        """destination: attentive_attribute
audience: everyone
identify_by: {phone: phone}
properties: {used: ever_used_discount_code, kind: discount_behavior}
guard: {max_removed: null, min_members: 0}
""",
    )
    made = shop(6)
    for i, customer in enumerate(made.customers):
        customer["phone"] = f"+1202555010{i}"
    for customer in (made.customers[0], made.customers[5]):
        customer["discount_behavior"] = "code_user"
    made.publish(settings.home)
    run(settings, "attributes")
    made.customers[1]["ever_used_discount_code"] = True
    made.customers[0]["discount_behavior"] = None
    made.publish(settings.home)

    report = run(settings, "attributes")

    assert report.plan.counts == {"update:data": 2}
    assert box.attribute_values("kind") == {"code_user": 1, "none": 2}
    made.add("new", phone="+12025550199", ever_used_discount_code=True)
    made.publish(settings.home)
    assert plan(settings, "attributes").counts == {"add:data": 1}
