"""The sandbox as a process: started by need, gone when idle, its state never lost."""

import concurrent.futures
import io
import json
import os
import signal
from pathlib import Path

import httpx
import pytest
from rich.console import Console

from syncs.sandbox import SandboxStartError, describe, ensure_running, render, running, serve
from tests.support.sandbox_lab import (
    ATTENTIVE,
    FACEBOOK,
    KLAVIYO,
    Lab,
    bulk,
    open_lab,
    profile,
    row,
    run_job,
)
from tests.support.waiting import wait_until


@pytest.fixture
def home(tmp_path):
    yield tmp_path
    stop(tmp_path, signal.SIGKILL)


def known(home):
    try:
        return json.loads((home / "sandbox" / "address.json").read_text())
    except FileNotFoundError:
        return None


def gone(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state == "Z"


def stop(home, how):
    address = known(home)
    if address is None or gone(address["pid"]):
        return
    os.kill(address["pid"], how)
    wait_until(lambda: gone(address["pid"]))


def test_a_server_is_started_once_and_found_again(home):
    with concurrent.futures.ThreadPoolExecutor() as pool:
        addresses = {f.result() for f in [pool.submit(ensure_running, home) for _ in range(3)]}
    assert addresses == {f"http://127.0.0.1:{known(home)['port']}"}
    health = httpx.get(f"{addresses.pop()}/_sandbox/health", trust_env=False).json()
    assert health["pid"] == known(home)["pid"] != os.getpid()
    stop(home, signal.SIGTERM)
    assert known(home) is None


def test_state_and_configuration_survive_a_kill_and_accepted_work_is_done_later(home):
    with httpx.Client(base_url=ensure_running(home), trust_env=False) as client:
        client.post("/_sandbox/config", json={"klaviyo_job_seconds": 0.05})
        document = bulk(*(row(f"p{n}@shop.example", properties={"x": True}) for n in range(50)))
        path = "/klaviyo/api/profile-bulk-import-jobs"
        assert client.post(path, headers=KLAVIYO, json=document).status_code == 202
        wait_until(lambda: client.get("/_sandbox/state").json()["klaviyo"]["profiles"] == 50)
        for number in range(20):
            body = {"user": {"phone": f"+1914844{number:04d}"}, "properties": {"VIP": True}}
            answer = client.post("/attentive/v1/attributes/custom", headers=ATTENTIVE, json=body)
            assert answer.status_code == 200
        client.post("/_sandbox/config", json={"klaviyo_job_seconds": 2})
        late = bulk(row("late@shop.example"))
        assert client.post(path, headers=KLAVIYO, json=late).status_code == 202
    first = known(home)
    stop(home, signal.SIGKILL)
    assert known(home) == first
    state = describe(home)
    assert (state.klaviyo.profiles, state.klaviyo.pending_jobs) == (50, 1)
    assert state.attentive.people == 20

    with httpx.Client(base_url=ensure_running(home), trust_env=False) as client:
        assert known(home)["pid"] != first["pid"]
        wait_until(lambda: client.get("/_sandbox/state").json()["klaviyo"]["profiles"] == 51)
        assert client.get("/_sandbox/config").json()["klaviyo_job_seconds"] == 2
        assert client.get("/_sandbox/state").json()["requests"]["attentive"]["writes"] == 20


def test_an_idle_server_stops_and_removes_its_address(home):
    ensure_running(home, idle_seconds=2)
    pid = known(home)["pid"]
    wait_until(lambda: gone(pid))
    assert known(home) is None
    assert (home / "sandbox" / "server.log").read_bytes() == b""


def test_an_address_of_somebody_else_is_not_believed(home):
    with running(home / "other") as other:
        folder = home / "sandbox"
        folder.mkdir()
        port = int(other.rpartition(":")[2])
        stale = {"port": port, "pid": 1, "instance": "x"}
        (folder / "address.json").write_text(json.dumps(stale))
        assert ensure_running(home) != other


def test_a_server_that_cannot_start_says_why(home):
    (home / "sandbox" / "state.sqlite").mkdir(parents=True)
    with pytest.raises(SandboxStartError, match="unable to open database file"):
        ensure_running(home)


def test_a_taken_port_is_an_error(home):
    with running(home / "other") as taken, pytest.raises(OSError, match="in use"):
        serve(home, int(taken.rpartition(":")[2]))
    assert known(home) is None


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    with open_lab(tmp_path_factory.mktemp("home")) as lab:
        yield lab


@pytest.fixture
def lab(opened):
    return opened.fresh()


def test_describe_reads_an_empty_home_without_touching_it(tmp_path):
    state = describe(tmp_path)
    assert (state.klaviyo.profiles, state.attentive.people) == (0, 0)
    assert list(tmp_path.iterdir()) == []


def test_what_is_held_is_described_in_numbers_and_never_in_people(lab: Lab):
    lab.configure(klaviyo_drop_test_domains=False)
    rows = [
        row(
            f"person{n}@shop.example",
            properties={
                "ever_used_discount_code": n % 3 == 0,
                "lifecycle": "active_single" if n < 4 else "lapsed_hvc",
                "days_since_last_order": n * 7,
                "friend": f"friend{n % 2}@shop.example",
                "mobile": "+19148440001",
            },
        )
        for n in range(15)
    ]
    run_job(lab, *rows)
    event = {
        "properties": {},
        "metric": {"data": {"type": "metric", "attributes": {"name": "Segment Entered"}}},
        "profile": {"data": {"type": "profile", "id": profile(lab, "person1@shop.example")["id"]}},
    }
    body = {"data": {"type": "event", "attributes": event}}
    assert lab.klaviyo("POST", "/api/events", json=body).status_code == 202
    wishes = {
        "user": {"email": "person1@shop.example"},
        "properties": {"VIP": True, "tier": "gold"},
    }
    lab.attentive("POST", "/v1/attributes/custom", json=wishes)
    wanted = {"name": "Buyers", "subtype": "CUSTOM", "customer_file_source": "USER_PROVIDED_ONLY"}
    key = lab.facebook("POST", "/act_42/customaudiences", json=wanted).json()["id"]
    payload = {"schema": ["EXTERN_ID", "EMAIL"], "data": [["c1", "a" * 64]]}
    lab.facebook("POST", f"/{key}/users", json={"payload": payload}, headers=FACEBOOK)

    state = describe(lab.home)
    found = {values.name: values for values in state.klaviyo.properties}
    assert found["ever_used_discount_code"].values == (("false", 10), ("true", 5))
    assert found["lifecycle"].values == (("lapsed_hvc", 11), ("active_single", 4))
    assert (found["days_since_last_order"].people, found["days_since_last_order"].values) == (
        15,
        (),
    )
    assert (found["friend"].people, found["friend"].values) == (15, ())
    assert found["mobile"].values == ()
    assert [(e.name, e.total) for e in state.klaviyo.events] == [("Segment Entered", 1)]
    assert [(a.name, a.members) for a in state.facebook.audiences] == [("Buyers", 1)]

    written = io.StringIO()
    Console(file=written, width=120).print(render(state))
    shown = written.getvalue()
    for word in ("15 profiles", "lapsed_hvc: 11", "true: 5", "gold", "Buyers", "Segment Entered"):
        assert word in shown
    log = json.dumps(lab.requests())
    for secret in ("@", "aaaa", "+1914", 'c1"'):
        assert secret not in shown + log


def test_the_request_log_counts_rows_and_narrows(lab: Lab):
    run_job(lab, row("a@shop.example"), row("b@shop.example"))
    lab.attentive("GET", "/v1/me")
    entries = lab.requests()
    assert [(e["vendor"], e["operation"], e["writes"], e["rows"]) for e in entries] == [
        ("klaviyo", "bulk_import_profiles", True, 2),
        ("klaviyo", "get_bulk_import_profiles_job", False, 0),
        ("attentive", "get_me", False, 0),
    ]
    since = lab.call("GET", "/_sandbox/requests", params={"since": entries[0]["id"]}).json()
    assert since == entries[1:]
    narrowed = lab.call("GET", "/_sandbox/requests", params={"vendor": "attentive"}).json()
    assert narrowed == entries[2:]
    counts = lab.state()["requests"]["klaviyo"]
    assert (counts["reads"], counts["writes"], counts["throttled"]) == (1, 1, 0)


def test_reset_empties_everything_and_config_refuses_unknown_names(lab: Lab):
    run_job(lab, row("a@shop.example"))
    assert lab.call("POST", "/_sandbox/config", json={"speed": 1}).status_code == 400
    lab.configure(facebook_minimum_members=5)
    lab.faults({"vendor": "klaviyo", "action": "status"})
    lab.call("POST", "/_sandbox/reset")
    assert lab.call("GET", "/_sandbox/config").json()["facebook_minimum_members"] == 0
    assert lab.klaviyo("GET", "/api/accounts").status_code == 200
    assert lab.state()["klaviyo"]["profiles"] == 0
