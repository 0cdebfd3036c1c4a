"""Faults on demand, over real connections where the connection is what fails."""

import time

import httpx
import pytest

from syncs.sandbox import running
from tests.support.sandbox_lab import ATTENTIVE, KLAVIYO, Lab, bulk, open_lab, row, run_job
from tests.support.waiting import wait_until

JOBS = "/api/profile-bulk-import-jobs"
CUSTOM = "/attentive/v1/attributes/custom"
BODY = {"user": {"phone": "+19148440001"}, "properties": {"VIP": True}}


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    with open_lab(tmp_path_factory.mktemp("home")) as lab:
        yield lab


@pytest.fixture
def lab(opened):
    return opened.fresh()


@pytest.fixture(scope="module")
def address(tmp_path_factory):
    with running(tmp_path_factory.mktemp("home")) as base:
        yield base


@pytest.fixture
def client(address):
    with httpx.Client(base_url=address, headers=ATTENTIVE, trust_env=False) as opened:
        opened.post("/_sandbox/reset")
        yield opened


def order(client, **rule):
    answer = client.post("/_sandbox/faults", json=[{"vendor": "attentive", **rule}])
    assert answer.status_code == 200, answer.text


def people(client):
    return client.get("/_sandbox/state").json()["attentive"]["people"]


def test_a_status_fault_hits_as_often_as_ordered_and_applies_nothing(lab: Lab):
    lab.faults({"vendor": "klaviyo", "action": "status", "status": 503, "times": 2})
    document = bulk(row("a@shop.example"))
    codes = [lab.klaviyo("POST", JOBS, json=document).status_code for _ in range(3)]
    assert codes == [503, 503, 202]
    assert lab.state()["klaviyo"]["jobs"] == 1
    log = [(entry["status"], entry["fault"], entry["rows"]) for entry in lab.requests()]
    assert log == [(503, "status", 0), (503, "status", 0), (202, None, 1)]


def test_a_fault_chooses_its_calls(lab: Lab):
    lab.faults(
        {
            "vendor": "attentive",
            "action": "status",
            "status": 400,
            "operation": "post_custom_attributes",
            "method": "POST",
            "path": "custom$",
            "body_contains": "+19148440002",
            "skip": 1,
            "times": None,
            "headers": {"x-reason": "test"},
            "body": {"error": "no"},
        }
    )
    bodies = [BODY, {**BODY, "user": {"phone": "+19148440002"}}]
    answers = [
        lab.attentive("POST", "/v1/attributes/custom", json=body) for body in bodies for _ in "123"
    ]
    assert [a.status_code for a in answers] == [200] * 4 + [400] * 2
    assert answers[-1].headers["x-reason"] == "test"
    assert answers[-1].json() == {"error": "no"}
    lab.call("DELETE", "/_sandbox/faults")
    assert lab.attentive("POST", "/v1/attributes/custom", json=bodies[1]).status_code == 200


@pytest.mark.parametrize(
    "rule",
    [
        {"vendor": "pinterest", "action": "status"},
        {"vendor": "klaviyo", "action": "explode"},
        {"vendor": "klaviyo", "action": "status", "often": 1},
        {"vendor": "klaviyo", "action": "status", "times": 0},
    ],
)
def test_a_misspelt_fault_is_refused(lab: Lab, rule):
    assert lab.call("POST", "/_sandbox/faults", json=[rule]).status_code == 400


def test_a_forced_status_has_the_shape_of_its_vendor(lab: Lab):
    for vendor in ("klaviyo", "attentive", "facebook"):
        lab.faults({"vendor": vendor, "action": "status", "status": 429})
    throttled = lab.klaviyo("GET", "/api/accounts")
    assert throttled.headers["retry-after"] == "1"
    assert throttled.json()["errors"][0]["code"] == "throttled"
    assert "retry-after" not in lab.attentive("GET", "/v1/me").headers
    assert lab.facebook("GET", "/act_42").json()["error"]["code"] == 80003


def test_an_html_page_can_come_instead_of_an_answer(lab: Lab):
    lab.faults({"vendor": "klaviyo", "action": "html"})
    answer = lab.klaviyo("POST", JOBS, json=bulk(row("a@shop.example")))
    assert (answer.status_code, answer.headers["content-type"][:9]) == (403, "text/html")
    assert lab.state()["klaviyo"]["jobs"] == 0


def test_half_an_answer_is_no_json_but_the_call_was_applied(lab: Lab):
    lab.faults({"vendor": "klaviyo", "action": "truncated-json"})
    answer = lab.klaviyo("POST", JOBS, json=bulk(row("a@shop.example")))
    assert answer.status_code == 202
    with pytest.raises(ValueError, match=r"Unterminated|Expecting"):
        answer.json()
    assert lab.state()["klaviyo"]["jobs"] == 1


@pytest.mark.parametrize(
    ("form", "expected"),
    [
        ("pointer", ["/data/attributes/profiles/data/1/attributes/email"]),
        ("no-pointer", [None]),
    ],
)
def test_rows_can_be_refused_with_or_without_a_pointer(lab: Lab, form, expected):
    lab.faults(
        {
            "vendor": "klaviyo",
            "action": "reject-rows",
            "reject_emails": "bad",
            "form": form,
            "times": None,
        }
    )
    rows = [row("a@shop.example"), row("bad@shop.example"), row("c@shop.example")]
    answer = lab.klaviyo("POST", JOBS, json=bulk(*rows))
    assert answer.status_code == 400
    assert [error["source"].get("pointer") for error in answer.json()["errors"]] == expected
    assert run_job(lab, rows[0], rows[2])["completed_count"] == 2


def test_events_can_be_refused_too(lab: Lab):
    lab.faults({"vendor": "klaviyo", "action": "reject-rows", "reject_emails": "bad"})
    event = {
        "properties": {},
        "metric": {"data": {"type": "metric", "attributes": {"name": "Entered"}}},
    }
    blocks = [
        {
            "type": "event-bulk-create",
            "attributes": {
                "profile": {"data": {"type": "profile", "attributes": {"email": email}}},
                "events": {"data": [{"type": "event", "attributes": event}]},
            },
        }
        for email in ("a@shop.example", "bad@shop.example")
    ]
    document = {
        "data": {
            "type": "event-bulk-create-job",
            "attributes": {"events-bulk-create": {"data": blocks}},
        },
    }
    answer = lab.klaviyo("POST", "/api/event-bulk-create-jobs", json=document)
    (error,) = answer.json()["errors"]
    start = "/data/attributes/events-bulk-create/data/1/attributes/"
    assert error["source"]["pointer"].startswith(start)
    assert lab.state()["klaviyo"]["events"] == {}


def test_import_errors_can_lack_a_pointer(lab: Lab):
    lab.faults(
        {
            "vendor": "klaviyo",
            "action": "reject-rows",
            "reject_emails": "bad",
            "form": "import-errors",
            "pointers": False,
        }
    )
    job = run_job(lab, row("a@shop.example"), row("bad@shop.example"))
    assert (job["completed_count"], job["failed_count"]) == (1, 1)
    (error,) = lab.klaviyo("GET", f"{JOBS}/{job['id']}/import-errors").json()["data"]
    assert error["attributes"]["source"] == {}
    assert error["attributes"]["original_payload"] == {"email": "bad@shop.example"}


def test_a_job_can_be_cancelled(lab: Lab):
    lab.faults({"vendor": "klaviyo", "action": "cancel-job", "method": "POST"})
    answer = lab.klaviyo("POST", JOBS, json=bulk(row("a@shop.example")))
    lab.clock.now += 5
    job = lab.klaviyo("GET", f"{JOBS}/{answer.json()['data']['id']}").json()["data"]
    assert job["attributes"]["status"] == "cancelled"
    assert lab.state()["klaviyo"]["profiles"] == 0


def test_in_process_a_hang_up_is_a_connection_error(lab: Lab):
    lab.faults({"vendor": "attentive", "action": "reset"})
    with pytest.raises(ConnectionResetError):
        lab.attentive("GET", "/v1/me")


@pytest.mark.parametrize(
    ("action", "applied"), [("reset", 0), ("drop-after-apply", 1), ("timeout", 0)]
)
def test_a_connection_can_end_without_an_answer(client, action, applied):
    order(client, action=action, operation="post_custom_attributes")
    with pytest.raises(httpx.NetworkError if action == "reset" else httpx.RemoteProtocolError):
        client.post(CUSTOM, json=BODY)
    assert people(client) == applied
    assert client.post(CUSTOM, json=BODY).status_code == 200
    statuses = [entry["status"] for entry in client.get("/_sandbox/requests").json()]
    assert statuses == [None, 200]


@pytest.mark.parametrize(("action", "applied"), [("timeout", 0), ("slow", 1)])
def test_a_call_can_outlast_the_patience_of_its_client(client, action, applied):
    order(client, action=action, delay=1)
    began = time.monotonic()
    with pytest.raises(httpx.ReadTimeout):
        client.post(CUSTOM, json=BODY, timeout=0.1)
    meanwhile = people(client)
    # On a busy machine the question may come after the delay.
    assert meanwhile == 0 or time.monotonic() - began >= 1
    wait_until(
        lambda: any(entry["fault"] == action for entry in client.get("/_sandbox/requests").json())
    )
    assert people(client) == applied


def test_latency_is_added_to_every_vendor_call(client):
    client.post("/_sandbox/config", json={"latency_seconds": 0.1})
    began = time.monotonic()
    assert client.get("/klaviyo/api/accounts", headers=KLAVIYO).status_code == 200
    assert time.monotonic() - began >= 0.1
