"""The stand-in of Attentive refuses and does what Attentive refuses and does."""

from datetime import UTC, datetime, timedelta

import pytest

from tests.support.sandbox_lab import ATTENTIVE, START, Lab, open_lab

CUSTOM = "/v1/attributes/custom"
EVENTS = "/v1/events/custom"
PHONE = "+19148440001"


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    with open_lab(tmp_path_factory.mktemp("home")) as lab:
        yield lab


@pytest.fixture
def lab(opened):
    return opened.fresh()


def write(lab, properties, **user):
    body = {"user": user or {"phone": PHONE}, "properties": properties}
    return lab.attentive("POST", CUSTOM, json=body)


def read(lab, **params):
    answer = lab.attentive("GET", CUSTOM, params=params)
    assert answer.status_code == 200, answer.text
    return {item["name"]: item["value"] for item in answer.json()}


def test_a_bearer_token_is_needed(lab: Lab):
    assert lab.attentive("GET", "/v1/me", headers={}).status_code == 401
    basic = {"Authorization": "Basic token"}
    assert lab.attentive("GET", "/v1/me", headers=basic).status_code == 401
    assert lab.attentive("GET", "/v1/me").json()["companyName"] == "Sandbox"
    assert lab.attentive("GET", "/v1/nothing").status_code == 404


def test_attributes_are_written_overwritten_and_read_back(lab: Lab):
    assert write(lab, {"VIP": True, "orders": 3, "since": "2026-11-21"}).status_code == 200
    assert write(lab, {"VIP": False}).content == b""
    assert read(lab, phone=PHONE) == {"VIP": False, "orders": 3, "since": "2026-11-21"}
    assert read(lab, email="unknown@shop.example") == {}
    state = lab.state()["attentive"]
    assert state["people"] == 1
    assert state["attributes"]["VIP"] == {"set": 1, "values": {"false": 1}}


@pytest.mark.parametrize(
    "user",
    [
        {},
        {"phone": "19148440001"},
        {"phone": "+1---914---844---0001"},
        {"phone": None},
        {"phone": ""},
        {"email": "nobody"},
        {"phone": PHONE, "shopifyId": "1"},
        {"phone": PHONE, "externalIdentifiers": {}},
        {"phone": PHONE, "externalIdentifiers": {"klaviyoId": "1"}},
        {"phone": PHONE, "externalIdentifiers": {"clientUserId": "x" * 101}},
        {"phone": PHONE, "externalIdentifiers": {"customIdentifiers": {"a": "b"}}},
        {"phone": PHONE, "externalIdentifiers": {"customIdentifiers": [{"key": "a"}]}},
        {"externalIdentifiers": {"clientUserId": "never-seen"}},
        {"externalIdentifiers": {"customIdentifiers": []}},
    ],
)
def test_a_malformed_user_is_refused(lab: Lab, user):
    body = {"user": user, "properties": {"VIP": True}}
    assert lab.attentive("POST", CUSTOM, json=body).status_code == 400
    event = {"user": user, "type": "Entered"}
    assert lab.attentive("POST", EVENTS, json=event).status_code == 400
    assert lab.state()["attentive"]["people"] == 0


@pytest.mark.parametrize(
    "properties",
    [
        {"x": [1]},
        {"x": {"y": 1}},
        {"x": None},
        {"x": ""},
        {"": 1},
        {"x" * 201: 1},
        {"a,b": 1},
        {"it's": 1},
        {"a|b": 1},
        [],
        None,
    ],
)
def test_malformed_attributes_are_refused_as_a_whole(lab: Lab, properties):
    if isinstance(properties, dict):
        properties = {"good": True, **properties}
    assert write(lab, properties).status_code == 400
    assert lab.state()["attentive"]["attributes"] == {}


def test_unknown_members_and_other_bodies_are_refused(lab: Lab):
    body = {"user": {"phone": PHONE}, "properties": {"VIP": True}, "subscriptions": []}
    assert lab.attentive("POST", CUSTOM, json=body).status_code == 400
    assert lab.attentive("POST", CUSTOM, json={"user": {"phone": PHONE}}).status_code == 400
    form = {**ATTENTIVE, "content-type": "text/plain"}
    assert lab.attentive("POST", CUSTOM, headers=form, content=b"{}").status_code == 415
    as_json = {**ATTENTIVE, "content-type": "application/json"}
    broken = lab.attentive("POST", CUSTOM, headers=as_json, content=b'{"user": NaN}')
    assert broken.status_code == 400


@pytest.mark.parametrize(
    ("first", "fits", "refused"),
    [
        ("24", 25, "many"),
        (True, "FALSE", "maybe"),
        ("1986-11-16", "2021-04-23T16:04:33Z", "soon"),
        ("red", "24", 24),
        (1.5, "2", True),
    ],
)
def test_the_first_value_fixes_the_type(lab: Lab, first, fits, refused):
    assert write(lab, {"x": first}).status_code == 200
    assert write(lab, {"x": fits}, email="b@shop.example").status_code == 200
    assert write(lab, {"x": refused}, email="c@shop.example").status_code == 400
    assert lab.state()["attentive"]["attributes"]["x"]["set"] == 2


def test_an_account_has_a_limited_number_of_attributes(lab: Lab):
    lab.configure(limits=False)
    assert write(lab, {f"a{n}": n for n in range(100)}).status_code == 200
    assert write(lab, {"one_more": 1}).status_code == 400
    assert write(lab, {"a0": 5, "a99": 6}).status_code == 200


def test_a_person_is_known_again_by_every_tied_identifier(lab: Lab):
    ids = {"clientUserId": "c-1", "customIdentifiers": [{"name": "loyalty", "value": "7"}]}
    write(lab, {"a": 1}, phone=PHONE, email="A@shop.example", externalIdentifiers=ids)
    write(lab, {"b": 2}, externalIdentifiers={"clientUserId": "c-1"})
    write(lab, {"c": 3}, externalIdentifiers={"customIdentifiers": ids["customIdentifiers"]})
    assert read(lab, email="a@shop.example") == {"a": 1, "b": 2, "c": 3}
    assert lab.state()["attentive"]["people"] == 1


def test_a_look_up_takes_exactly_one_identifier(lab: Lab):
    for params in (
        {},
        {"phone": PHONE, "email": "a@shop.example"},
        {"phone": "9148440001"},
        {"email": "nobody"},
    ):
        assert lab.attentive("GET", CUSTOM, params=params).status_code == 400


def event(**more):
    return {"type": "Segment entered", "user": {"phone": PHONE}, **more}


def test_every_accepted_event_is_stored_even_a_repeated_one(lab: Lab):
    for _ in range(2):
        body = event(externalEventId="e-1", properties={"items": [1], "deep": {"x": 1}})
        assert lab.attentive("POST", EVENTS, json=body).status_code == 200
    stored = lab.call("GET", "/_sandbox/attentive/events").json()
    assert [item["external_id"] for item in stored] == ["e-1", "e-1"]


@pytest.mark.parametrize(
    ("age", "starts"),
    [(timedelta(hours=12), 1), (timedelta(hours=12, seconds=1), 0), (None, 1)],
)
def test_an_event_over_12_hours_old_starts_no_journey(lab: Lab, age, starts):
    at = None if age is None else datetime.fromtimestamp(START, UTC) - age
    body = event() if at is None else event(occurredAt=at.isoformat())
    assert lab.attentive("POST", EVENTS, json=body).status_code == 200
    counts = lab.state()["attentive"]["events"]
    assert counts == {"Segment entered": {"total": 1, "starts_journey": starts}}


@pytest.mark.parametrize(
    "change",
    [
        {"type": ""},
        {"type": None},
        {"type": "a|b"},
        {"type": "a (b)"},
        {"properties": {"a{b": 1}},
        {"properties": []},
        {"externalEventId": 7},
        {"occurredAt": "2026-11-21T10:00:00"},
        {"occurredAt": "2026-11-21"},
        {"occurredAt": "2026-13-21T10:00:00Z"},
        {"occurredAt": 1_795_000_000},
        {"occuredAt": "2026-11-21T10:00:00Z"},
    ],
)
def test_a_malformed_event_is_refused(lab: Lab, change):
    assert lab.attentive("POST", EVENTS, json=event(**change)).status_code == 400
    assert lab.state()["attentive"]["events"] == {}


@pytest.mark.parametrize(
    "path",
    ["/v1/subscriptions", "/v1/subscriptions/unsubscribe", "/v2/user/attributes"],
)
def test_calls_that_could_text_people_trip_a_wire(lab: Lab, path):
    assert lab.state()["attentive"]["texting_calls"] == 0
    assert lab.attentive("POST", path, json={}).status_code == 403
    assert lab.state()["attentive"]["texting_calls"] == 1


def test_only_subscribers_are_eligible(lab: Lab):
    write(lab, {"VIP": True}, email="visitor@shop.example")
    people = {"phones": [PHONE], "emails": ["b@shop.example"]}
    lab.call("POST", "/_sandbox/attentive/people", json=people)

    def eligible(**params):
        answer = lab.attentive("GET", "/v1/subscriptions", params=params).json()
        return [
            item["subscription"]["channel"]
            for item in answer["subscriptionEligibilities"]
            if item["eligibility"]["isEligible"]
        ]

    assert eligible(phone=PHONE) == ["TEXT"]
    assert eligible(email="b@shop.example") == ["EMAIL"]
    assert eligible(email="visitor@shop.example") == []
    assert eligible(email="unknown@shop.example") == []


def test_a_deletion_request_is_carried_out_later(lab: Lab):
    write(lab, {"VIP": True}, email="a@shop.example")
    path = "/v1/privacy/delete-request"
    assert lab.attentive("POST", path, json={"requestMsg": "please"}).status_code == 400
    body = {"subjectEmail": "a@shop.example"}
    key = lab.attentive("POST", path, json=body).json()["id"]
    assert lab.attentive("GET", f"{path}/{key}").json()["processed"] is False
    assert read(lab, email="a@shop.example") == {"VIP": True}
    lab.clock.now += 1
    assert lab.attentive("GET", f"{path}/{key}").json()["processed"] is True
    assert read(lab, email="a@shop.example") == {}
    assert lab.state()["attentive"]["people"] == 0
    assert lab.attentive("GET", f"{path}/unknown").status_code == 404
