"""The stand-in of Klaviyo refuses and does what Klaviyo refuses and does: events."""

from datetime import UTC, datetime

import pytest

from tests.support.sandbox_lab import START, Lab, open_lab, profile

BULK = "/api/event-bulk-create-jobs"
BLOCKS = "/data/attributes/events-bulk-create/data"


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    with open_lab(tmp_path_factory.mktemp("home")) as lab:
        yield lab


@pytest.fixture
def lab(opened):
    return opened.fresh()


def attributes(unique_id="1", *, metric="Segment Entered", **more):
    return {
        "properties": {"segment": "won_back"},
        "metric": {"data": {"type": "metric", "attributes": {"name": metric}}},
        "unique_id": unique_id,
        **more,
    }


def person(email):
    return {"data": {"type": "profile", "attributes": {"email": email}}}


def block(email, *events, **more):
    return {
        "type": "event-bulk-create",
        "attributes": {
            "profile": person(email),
            "events": {"data": [{"type": "event", "attributes": event} for event in events]},
            **more,
        },
    }


def document(*blocks):
    return {
        "data": {
            "type": "event-bulk-create-job",
            "attributes": {"events-bulk-create": {"data": list(blocks)}},
        },
    }


def single(email="a@shop.example", **more):
    return {
        "data": {
            "type": "event",
            "attributes": {**attributes(**more), "profile": person(email)},
        },
    }


def pointers(answer):
    assert answer.status_code == 400, answer.text
    return [error["source"].get("pointer") for error in answer.json()["errors"]]


def events(lab, **params):
    return lab.klaviyo("GET", "/api/events", params=params).json()["data"]


def test_an_event_is_accepted_without_a_body_and_makes_its_profile(lab: Lab):
    answer = lab.klaviyo("POST", "/api/events", json=single(value=12.5, value_currency="EUR"))
    assert (answer.status_code, answer.content) == (202, b"")
    held = profile(lab, "a@shop.example")
    assert held["attributes"]["last_event_date"] == datetime.fromtimestamp(START, UTC).isoformat()
    (event,) = events(lab, filter=f'equals(profile_id,"{held["id"]}")')
    assert event["attributes"]["event_properties"] == {
        "$event_id": "1",
        "segment": "won_back",
        "$value": 12.5,
    }


def test_a_repeated_unique_id_is_ignored_across_requests(lab: Lab):
    for _ in range(3):
        assert lab.klaviyo("POST", "/api/events", json=single()).status_code == 202
    again = document(block("A@shop.example", attributes()), block("b@shop.example", attributes()))
    assert lab.klaviyo("POST", BULK, json=again).status_code == 202
    other = single(metric="Segment Exited")
    assert lab.klaviyo("POST", "/api/events", json=other).status_code == 202
    assert lab.state()["klaviyo"]["events"] == {
        "Segment Entered": {"total": 2, "backfill": 0},
        "Segment Exited": {"total": 1, "backfill": 0},
    }


def test_a_repeated_unique_id_inside_one_request_refuses_it(lab: Lab):
    twice = document(block("a@shop.example", attributes()), block("A@shop.example", attributes()))
    assert pointers(lab.klaviyo("POST", BULK, json=twice)) == [BLOCKS]
    assert lab.state()["klaviyo"]["events"] == {}
    assert lab.state()["klaviyo"]["profiles"] == 0


def test_backfill_is_kept_per_event_and_per_block(lab: Lab):
    blocks = document(
        block("a@shop.example", attributes("1"), attributes("2", backfill=False), backfill=True),
        block("b@shop.example", attributes("1")),
    )
    assert lab.klaviyo("POST", BULK, json=blocks).status_code == 202
    assert lab.state()["klaviyo"]["events"] == {"Segment Entered": {"total": 3, "backfill": 1}}


def test_events_for_test_domains_vanish_unless_told_otherwise(lab: Lab):
    blocks = document(
        block("a@example.com", attributes()),
        block("b@Test.com", attributes()),
        block("c@shop.example", attributes()),
    )
    assert lab.klaviyo("POST", BULK, json=blocks).status_code == 202
    assert lab.state()["klaviyo"]["events"]["Segment Entered"]["total"] == 1
    assert lab.state()["klaviyo"]["profiles"] == 1
    lab.configure(klaviyo_drop_test_domains=False)
    assert lab.klaviyo("POST", BULK, json=blocks).status_code == 202
    assert lab.state()["klaviyo"]["events"]["Segment Entered"]["total"] == 3


def deep(levels):
    return {"x": deep(levels - 1)} if levels else 1


@pytest.mark.parametrize(
    ("change", "where"),
    [
        ({"time": 1_795_000_000}, "time"),
        ({"time": "1989-12-31T00:00:00Z"}, "time"),
        ({"time": "2028-11-21T00:00:00Z"}, "time"),
        ({"value": "12"}, "value"),
        ({"value": True}, "value"),
        ({"value_currency": "euro"}, "value_currency"),
        ({"unique_id": "x" * 256}, "unique_id"),
        ({"unique_id": ""}, "unique_id"),
        ({"backfill": "yes"}, "backfill"),
        ({"properties": None}, "properties"),
        ({"properties": {f"p{n}": 1 for n in range(401)}}, "properties"),
        ({"properties": {"x": "y" * 100_001}}, "properties/x"),
        ({"properties": {"x": [0] * 4_001}}, "properties/x"),
        ({"properties": {"x": 2**63}}, "properties/x"),
        ({"properties": {"x": deep(10)}}, "properties/x"),
        ({"properties": {"$x": 1}}, "properties/$x"),
        ({"metric": {"data": {"type": "metric", "attributes": {}}}}, "metric/data/attributes/name"),
        (
            {"metric": {"data": {"type": "metric", "attributes": {"name": "x" * 128}}}},
            "metric/data/attributes/name",
        ),
        ({"metric": None}, "metric"),
        ({"external_id": "x"}, "external_id"),
    ],
)
def test_one_bad_event_refuses_all_and_is_pointed_at(lab: Lab, change, where):
    blocks = document(
        block("a@shop.example", attributes()),
        block("b@shop.example", attributes("1"), {**attributes("2"), **change}),
    )
    expected = f"{BLOCKS}/1/attributes/events/data/1/attributes/{where}"
    assert pointers(lab.klaviyo("POST", BULK, json=blocks)) == [expected]
    assert lab.state()["klaviyo"]["events"] == {}
    one = single()
    one["data"]["attributes"].update(change)
    assert pointers(lab.klaviyo("POST", "/api/events", json=one)) == [f"/data/attributes/{where}"]


@pytest.mark.parametrize(
    ("holder", "where"),
    [
        (person("nobody"), "profile/data/attributes/email"),
        (
            {"data": {"type": "profile", "attributes": {"phone_number": "123"}}},
            "profile/data/attributes/phone_number",
        ),
        ({"data": {"type": "profile", "attributes": {}}}, "profile/data/attributes"),
        ({"data": {"attributes": {"email": "a@shop.example"}}}, "profile/data"),
        (None, "profile"),
    ],
)
def test_an_event_needs_a_valid_person(lab: Lab, holder, where):
    bad = block("a@shop.example", attributes())
    bad["attributes"]["profile"] = holder
    found = pointers(lab.klaviyo("POST", BULK, json=document(bad)))
    assert [pointer.startswith(f"{BLOCKS}/0/attributes/{where}") for pointer in found] == [True]


def test_a_bulk_request_holds_at_most_1000_events(lab: Lab):
    many = document(block("a@shop.example", *(attributes(str(n)) for n in range(1_001))))
    assert pointers(lab.klaviyo("POST", BULK, json=many)) == [BLOCKS]
    assert pointers(lab.klaviyo("POST", BULK, json=document())) == [BLOCKS]
    fits = document(block("a@shop.example", *(attributes(str(n)) for n in range(1_000))))
    assert lab.klaviyo("POST", BULK, json=fits).status_code == 202
    assert lab.state()["klaviyo"]["events"]["Segment Entered"]["total"] == 1_000


def test_events_and_metrics_are_read_back_in_pages(lab: Lab):
    days = [f"2026-11-{day:02d}T10:00:00+01:00" for day in range(1, 4)]
    blocks = [attributes(day, time=day) for day in days]
    lab.klaviyo("POST", BULK, json=document(block("a@shop.example", *blocks)))
    (metric,) = lab.klaviyo("GET", "/api/metrics").json()["data"]
    assert metric["attributes"]["name"] == "Segment Entered"
    page = lab.klaviyo(
        "GET",
        "/api/events",
        params={"filter": f'equals(metric_id,"{metric["id"]}")', "page[size]": "2"},
    ).json()
    shown = [event["attributes"]["event_properties"]["$event_id"] for event in page["data"]]
    assert shown == [days[2], days[1]]
    following = page["links"]["next"].removeprefix("http://sandbox/klaviyo")
    assert len(lab.klaviyo("GET", following).json()["data"]) == 1
    late = events(lab, filter="greater-than(datetime,2026-11-02T09:00:00Z)")
    assert [event["attributes"]["datetime"] for event in late] == ["2026-11-03T09:00:00+00:00"]
    assert lab.klaviyo("GET", "/api/metrics", params={"filter": "x"}).status_code == 400
