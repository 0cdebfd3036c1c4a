"""What staff do in the vendors' own screens happens, and only where it was meant."""

import pytest

from tests.support.sandbox_lab import Lab, open_lab, profile, row, run_job

PHONES = ["+12025550101", "+12025550102"]
CUSTOM = "/v1/attributes/custom"


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    with open_lab(tmp_path_factory.mktemp("home")) as lab:
        yield lab


@pytest.fixture
def lab(opened):
    return opened.fresh()


def by_hand(lab, path, **body):
    answer = lab.call("POST", f"/_sandbox{path}", json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["changed"]


def attributes(lab, phone):
    shown = lab.attentive("GET", CUSTOM, params={"phone": phone}).json()
    return {item["name"]: item["value"] for item in shown}


def audience(lab, rows):
    values = {"name": "A", "subtype": "CUSTOM", "customer_file_source": "USER_PROVIDED_ONLY"}
    key = lab.facebook("POST", "/act_42/customaudiences", json=values).json()["id"]
    body = {"payload": {"schema": ["EXTERN_ID"], "is_raw": True, "data": rows}}
    assert lab.facebook("POST", f"/{key}/users", json=body).status_code == 200
    return key


def members(lab):
    return [item["members"] for item in lab.state()["facebook"]["audiences"]]


def test_klaviyo_profiles_are_deleted_and_changed(lab: Lab):
    run_job(lab, *(row(f"{n}@shop.example", properties={"used": True, "n": 1}) for n in "abc"))
    assert by_hand(lab, "/klaviyo/profiles/delete", emails=["A@shop.example", "x@y.example"]) == 1
    changed = {"used": False, "n": None, "by": "hand"}
    emails = ["b@shop.example"]
    assert by_hand(lab, "/klaviyo/profiles/set", emails=emails, properties=changed) == 1
    assert profile(lab, "a@shop.example") is None
    assert profile(lab, "b@shop.example")["attributes"]["properties"] == {
        "used": False,
        "by": "hand",
    }
    assert profile(lab, "c@shop.example")["attributes"]["properties"] == {"used": True, "n": 1}


def test_attentive_people_are_deleted_and_changed(lab: Lab):
    for phone in PHONES:
        body = {"user": {"phone": phone}, "properties": {"used": True, "tier": "gold"}}
        assert lab.attentive("POST", CUSTOM, json=body).status_code == 200
    changed = {"used": None, "tier": "silver"}
    assert by_hand(lab, "/attentive/people/set", phones=PHONES[:1], properties=changed) == 1
    assert attributes(lab, PHONES[0]) == {"tier": "silver"}
    assert by_hand(lab, "/attentive/people/delete", phones=[PHONES[0], "+12025550199"]) == 1
    assert attributes(lab, PHONES[0]) == {}
    assert attributes(lab, PHONES[1]) == {"used": True, "tier": "gold"}
    assert lab.state()["attentive"]["people"] == 1


def test_members_and_audiences_are_deleted_and_renamed(lab: Lab):
    key = audience(lab, [[f"c{n}"] for n in range(10)])
    assert by_hand(lab, "/facebook/members/delete", audience_id=key, cells=["c1", "c2", "x"]) == 2
    assert by_hand(lab, "/facebook/members/delete", audience_id=key, count=3) == 3
    assert members(lab) == [5]
    assert by_hand(lab, "/facebook/audiences/rename", audience_id=key, name="B") == 1
    shown = lab.facebook("GET", f"/{key}", params={"fields": "name"}).json()
    assert shown["name"] == "B"
    assert by_hand(lab, "/facebook/audiences/delete", audience_id=key) == 1
    assert lab.facebook("GET", f"/{key}").json()["error"]["error_subcode"] == 33


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/klaviyo/profiles/delete", {}),
        ("/facebook/members/delete", {"audience_id": "1"}),
        ("/attentive/people/set", {"phones": PHONES}),
    ],
)
def test_an_order_that_lacks_something_is_refused(lab: Lab, path, body):
    assert lab.call("POST", f"/_sandbox{path}", json=body).status_code == 400
