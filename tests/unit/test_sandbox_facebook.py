"""The stand-in of Facebook's custom audiences refuses and does what Facebook refuses and does."""

import hashlib
import hmac
import json

import pytest

from tests.support.sandbox_lab import Lab, open_lab

ACCOUNT = "/act_42"
LISTS = f"{ACCOUNT}/customaudiences"
SCHEMA = ["EXTERN_ID", "EMAIL", "PHONE"]


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    with open_lab(tmp_path_factory.mktemp("home")) as lab:
        yield lab


@pytest.fixture
def lab(opened):
    return opened.fresh()


def hashed(text):
    return hashlib.sha256(text.encode()).hexdigest()


def person(number, *, phone=False):
    return [f"c{number}", hashed(f"e{number}"), hashed(f"p{number}") if phone else ""]


def create(lab, name="Customers", **more):
    values = {"name": name, "subtype": "CUSTOM", "customer_file_source": "USER_PROVIDED_ONLY"}
    answer = lab.facebook("POST", LISTS, json={**values, **more})
    assert answer.status_code == 200, answer.text
    return answer.json()["id"]


def send(lab, method, audience, rows, *, schema=SCHEMA, session=None, edge="users"):
    body = {"payload": {"schema": schema, "is_raw": True, "data": rows}}
    if session is not None:
        body["session"] = session
    return lab.facebook(method, f"/{audience}/{edge}", json=body)


def session(number, sequence=1, *, last=True):
    return {"session_id": number, "batch_seq": sequence, "last_batch_flag": last}


def refusal(answer):
    assert answer.status_code >= 400, answer.text
    error = answer.json()["error"]
    assert error["fbtrace_id"]
    return error["code"], error.get("error_subcode")


def members(lab):
    return {item["name"]: item["members"] for item in lab.state()["facebook"]["audiences"]}


def test_version_and_token_are_needed(lab: Lab):
    old = lab.call("GET", "/facebook/v24.0/act_42", headers={"Authorization": "Bearer t"})
    assert refusal(old) == (2635, None)
    assert refusal(lab.call("GET", "/facebook/act_42")) == (2635, None)
    assert refusal(lab.facebook("GET", ACCOUNT, headers={})) == (104, None)
    as_parameter = lab.facebook("GET", ACCOUNT, headers={}, params={"access_token": "t"})
    assert as_parameter.json() == {"id": "act_42"}
    assert refusal(lab.facebook("GET", "/act_42/ads")) == (100, 33)


@pytest.mark.parametrize("stamp", [None, "1697328000"])
def test_a_proof_is_checked_when_an_app_secret_is_configured(lab: Lab, stamp):
    lab.configure(facebook_app_secret="dummySecret")
    assert refusal(lab.facebook("GET", ACCOUNT))[0] == 100
    message = "token" if stamp is None else f"token|{stamp}"
    proof = hmac.new(b"dummySecret", message.encode(), "sha256").hexdigest()
    params = {"appsecret_proof": proof} | ({} if stamp is None else {"appsecret_time": stamp})
    assert lab.facebook("GET", ACCOUNT, params=params).status_code == 200
    params["appsecret_proof"] = "0" * 64
    assert refusal(lab.facebook("GET", ACCOUNT, params=params))[0] == 100


def test_terms_can_be_asked_for_and_are_needed_to_create(lab: Lab):
    accepted = lab.facebook("GET", ACCOUNT, params={"fields": "tos_accepted"}).json()
    assert accepted["tos_accepted"] == {"custom_audience_tos": 1}
    lab.configure(facebook_terms_accepted=False)
    pending = lab.facebook("GET", ACCOUNT, params={"fields": "tos_accepted"}).json()
    assert pending["tos_accepted"] == {}
    values = {"name": "x", "subtype": "CUSTOM", "customer_file_source": "USER_PROVIDED_ONLY"}
    assert refusal(lab.facebook("POST", LISTS, json=values)) == (200, 1870090)


@pytest.mark.parametrize(
    "change",
    [
        {"name": None},
        {"name": ""},
        {"subtype": "LOOKALIKE"},
        {"customer_file_source": None},
        {"customer_file_source": "SOMEBODY"},
        {"retention_days": 181},
        {"colour": "blue"},
    ],
)
def test_a_wrong_audience_is_not_created(lab: Lab, change):
    values = {"name": "x", "subtype": "CUSTOM", "customer_file_source": "USER_PROVIDED_ONLY"}
    wanted = {k: v for k, v in {**values, **change}.items() if v is not None}
    assert refusal(lab.facebook("POST", LISTS, json=wanted))[0] == 100
    assert lab.facebook("GET", LISTS).json() == {"data": []}


def test_audiences_are_listed_in_pages_and_without_fields_by_id_only(lab: Lab):
    names = [f"audience {number}" for number in range(60)]
    created = [create(lab, name) for name in names]
    first = lab.facebook("GET", LISTS).json()
    assert first["data"] == [{"id": key} for key in created[:25]]
    found, sizes = [], []
    url: str | None = f"{LISTS}?fields=id,name&access_token=secret"
    while url:
        page = lab.facebook("GET", url).json()
        sizes.append(len(page["data"]))
        found += [(item["id"], item["name"]) for item in page["data"]]
        following = page["paging"].get("next")
        assert following is None or "secret" not in following
        url = following and following.removeprefix("http://sandbox/facebook/v26.0")
    assert sizes == [25, 25, 10]
    assert found == list(zip(created, names, strict=True))
    assert lab.facebook("GET", "/act_43/customaudiences").json() == {"data": []}
    wrong = {"fields": "id,colour"}
    assert refusal(lab.facebook("GET", LISTS, params=wrong))[0] == 100
    by_name = {"filtering": '[{"field":"name","operator":"EQUAL","value":"x"}]'}
    assert refusal(lab.facebook("GET", LISTS, params=by_name))[0] == 100


def test_names_may_repeat_and_the_number_is_capped(lab: Lab):
    first = create(lab)
    assert create(lab) != first
    assert create(lab, enable_fetch_or_create=True) == first
    for number in range(498):
        create(lab, str(number))
    values = {"name": "x", "subtype": "CUSTOM", "customer_file_source": "USER_PROVIDED_ONLY"}
    assert refusal(lab.facebook("POST", LISTS, json=values))[0] == 2654


def test_an_audience_is_described_and_renamed_and_never_deleted(lab: Lab):
    key = create(lab)
    fields = {"fields": "name,operation_status,approximate_count_lower_bound"}
    described = lab.facebook("GET", f"/{key}", params=fields).json()
    assert described["operation_status"]["code"] == 410
    send(lab, "POST", key, [person(1)])
    renamed = lab.facebook("POST", f"/{key}", json={"name": "Buyers"})
    assert renamed.json() == {"success": True}
    described = lab.facebook("GET", f"/{key}", params=fields).json()
    assert (described["name"], described["operation_status"]["code"]) == ("Buyers", 200)
    assert described["approximate_count_lower_bound"] == 1_000
    assert refusal(lab.facebook("DELETE", f"/{key}")) == (100, 33)
    assert refusal(lab.facebook("GET", "/999")) == (100, 33)


def test_membership_is_a_set(lab: Lab):
    key = create(lab)
    for _ in range(2):
        answer = send(lab, "POST", key, [person(n) for n in range(100)])
    body = answer.json()
    assert (body["audience_id"], body["num_received"], body["num_invalid_entries"]) == (key, 100, 0)
    assert members(lab) == {"Customers": 100}
    removed = send(lab, "DELETE", key, [person(n) for n in range(0, 100, 4)])
    assert removed.status_code == 200
    send(lab, "DELETE", key, [person(0)])
    assert members(lab) == {"Customers": 75}
    cells = [hashed("e0"), hashed("e1"), "c2", "c4"]
    body = {"audience_id": key, "cells": cells}
    assert lab.call("POST", "/_sandbox/facebook/contains", json=body).json() == {"found": 2}


def test_a_removal_finds_people_by_email_else_phone_else_own_id(lab: Lab):
    key = create(lab)
    rows = [person(n, phone=True) for n in range(4)]
    send(lab, "POST", key, rows)
    gone = [
        ["", hashed("e0"), ""],
        ["other", "", hashed("p1")],
        ["c2", "", ""],
        ["c3", hashed("somebody else"), hashed("p3")],
    ]
    send(lab, "DELETE", key, gone)
    body = {"audience_id": key, "cells": ["c0", "c1", "c2", "c3"]}
    assert lab.call("POST", "/_sandbox/facebook/contains", json=body).json() == {"found": 1}


def test_a_form_body_and_a_method_parameter_work_like_json_and_delete(lab: Lab):
    key = create(lab)
    payload = json.dumps({"schema": SCHEMA, "is_raw": True, "data": [person(1), person(2)]})
    added = lab.facebook("POST", f"/{key}/users", data={"payload": payload})
    assert added.json()["num_received"] == 2
    gone = json.dumps({"schema": SCHEMA, "is_raw": True, "data": [person(1)]})
    form = {"payload": gone, "method": "DELETE", "session": json.dumps(session(5))}
    assert lab.facebook("POST", f"/{key}/users", data=form).status_code == 200
    assert members(lab) == {"Customers": 1}


def test_a_payload_in_the_address_is_cut_off_with_html(lab: Lab):
    key = create(lab)
    payload = json.dumps({"schema": SCHEMA, "data": [person(1)]})
    answer = lab.facebook("DELETE", f"/{key}/users", params={"payload": payload})
    assert answer.status_code == 400
    assert answer.headers["content-type"].startswith("text/html")


@pytest.mark.parametrize(
    ("cells", "invalid"),
    [
        (["c", hashed("x"), ""], 0),
        (["c", "", ""], 0),
        (["c", "ann@shop.example", ""], 1),
        (["c", hashed("x").upper(), ""], 1),
        (["c", hashed("x")[:-1], ""], 1),
        (["c", hashed(""), ""], 1),
        (["c", hashed("x"), "123"], 1),
        (["", "", ""], 1),
    ],
)
def test_a_malformed_cell_is_counted_and_its_row_is_no_member(lab: Lab, cells, invalid):
    key = create(lab)
    answer = send(lab, "POST", key, [person(1), cells]).json()
    assert (answer["num_received"], answer["num_invalid_entries"]) == (2, invalid)
    assert members(lab) == {"Customers": 2 - invalid}


@pytest.mark.parametrize(
    ("payload", "code"),
    [
        (None, 100),
        ({"schema": SCHEMA}, 100),
        ({"schema": SCHEMA, "data": []}, 100),
        ({"schema": SCHEMA, "data": [["c", ""]]}, 100),
        ({"schema": SCHEMA, "data": ["c"]}, 100),
        ({"schema": SCHEMA, "data": [["c", None, ""]]}, 100),
        ({"schema": ["NAME"], "data": [["x"]]}, 100),
        ({"schema": ["EMAIL", "EMAIL"], "data": [["", ""]]}, 100),
        ({"schema": "EMAIL", "data": [[hashed("x")]]}, 100),
        ({"schema": SCHEMA, "data": [person(1)], "colour": 1}, 100),
        ({"schema": SCHEMA, "data": [person(1)], "is_raw": "yes"}, 100),
        ({"schema": [*SCHEMA, "LOOKALIKE_VALUE"], "data": [[*person(1), 1]]}, 100),
        ({"schema": SCHEMA, "data": [person(1)] * 10_001}, 1),
    ],
)
def test_a_malformed_payload_is_refused(lab: Lab, payload, code):
    key = create(lab)
    body = {} if payload is None else {"payload": payload}
    assert refusal(lab.facebook("POST", f"/{key}/users", json=body))[0] == code
    assert members(lab) == {"Customers": 0}


def test_an_audience_keeps_the_style_of_its_first_schema(lab: Lab):
    key = create(lab)
    assert send(lab, "POST", key, [[hashed("x")]], schema=["EMAIL"]).status_code == 200
    flat = send(lab, "POST", key, [hashed("y")], schema="EMAIL_SHA256")
    assert flat.status_code == 200
    assert refusal(send(lab, "POST", key, [person(1)])) == (2650, None)
    assert members(lab) == {"Customers": 2}


def test_batches_of_a_session_are_consecutive_and_counted_together(lab: Lab):
    key = create(lab)
    missing_first = send(lab, "POST", key, [person(1)], session=session(7, 2, last=False))
    assert refusal(missing_first)[0] == 100
    for sequence, total in ((1, 1), (1, 2), (2, 3)):
        row = [person(sequence)]
        answer = send(lab, "POST", key, row, session=session(7, sequence, last=False))
        assert answer.json()["num_received"] == total
    gap = send(lab, "POST", key, [person(4)], session=session(7, 4))
    assert refusal(gap)[0] == 100
    last = send(lab, "POST", key, [person(3)], session=session(7, 3))
    assert last.json()["session_id"] == "7"
    assert send(lab, "POST", key, [person(3)], session=session(7, 3)).status_code == 200
    finished = send(lab, "POST", key, [person(4)], session=session(7, 4))
    assert refusal(finished) == (2650, 1870159)
    assert members(lab) == {"Customers": 3}
    (shown,) = lab.facebook("GET", f"/{key}/sessions", params={"session_id": "7"}).json()["data"]
    assert shown["stage"] == "complete"


@pytest.mark.parametrize(
    "given",
    [
        {"session_id": 0, "batch_seq": 1},
        {"session_id": 2**63, "batch_seq": 1},
        {"session_id": "x", "batch_seq": 1},
        {"session_id": 1},
        {"session_id": 1, "batch_seq": 0},
        {"session_id": 1, "batch_seq": 1, "last_batch_flag": "yes"},
        {"session_id": 1, "batch_seq": 1, "colour": 1},
        [],
    ],
)
def test_a_malformed_session_is_refused(lab: Lab, given):
    key = create(lab)
    assert refusal(send(lab, "POST", key, [person(1)], session=given))[0] == 100


def test_a_session_belongs_to_one_upload_with_one_schema(lab: Lab):
    one, two = create(lab, "one"), create(lab, "two")
    opened = session(7, 1, last=False)
    send(lab, "POST", one, [person(1)], session=opened)
    following = session(7, 2)
    assert refusal(send(lab, "POST", two, [person(1)], session=following))[0] == 100
    assert refusal(send(lab, "DELETE", one, [person(1)], session=following))[0] == 100
    swapped = [["c1", "", hashed("e1")]]
    schema = ["EXTERN_ID", "PHONE", "EMAIL"]
    assert refusal(send(lab, "POST", one, swapped, schema=schema, session=following))[0] == 100


def test_batches_after_90_minutes_are_dropped_in_silence(lab: Lab):
    key = create(lab)
    send(lab, "POST", key, [person(1)], session=session(7, 1, last=False))
    lab.clock.now += 90 * 60 + 1
    late = send(lab, "POST", key, [person(2)], session=session(7, 2))
    assert late.json()["num_received"] == 1
    assert members(lab) == {"Customers": 1}


def test_a_removal_that_leaves_too_few_is_refused_as_a_whole(lab: Lab):
    key = create(lab)
    send(lab, "POST", key, [person(n) for n in range(10)])
    lab.configure(facebook_minimum_members=8)
    refused = send(lab, "DELETE", key, [person(n) for n in range(3)])
    assert refused.status_code == 403
    assert refusal(refused) == (200, 1870047)
    assert members(lab) == {"Customers": 10}
    assert send(lab, "DELETE", key, [person(n) for n in range(2)]).status_code == 200
    lab.configure(facebook_minimum_members=9)
    assert send(lab, "DELETE", key, [person(99)]).status_code == 200
    assert members(lab) == {"Customers": 8}


@pytest.mark.parametrize(("code", "error"), [(471, (100, 1713230)), (414, (2650, 1870145))])
def test_a_flagged_or_busy_audience_accepts_no_change(lab: Lab, code, error):
    key = create(lab)
    lab.configure(facebook_operation_status={key: code})
    assert refusal(send(lab, "POST", key, [person(1)])) == error
    described = lab.facebook("GET", f"/{key}", params={"fields": "operation_status"}).json()
    assert described["operation_status"]["code"] == code


def test_a_status_can_be_forced_for_a_while(lab: Lab):
    key = create(lab)
    order = {"audience_id": key, "code": 414, "seconds": 60}
    assert lab.call("POST", "/_sandbox/facebook/audiences/status", json=order).status_code == 200
    assert refusal(send(lab, "POST", key, [person(1)])) == (2650, 1870145)
    lab.clock.now += 61
    assert send(lab, "POST", key, [person(1)]).status_code == 200
    assert members(lab) == {"Customers": 1}


def test_sizes_are_blurred_bounds_and_no_count(lab: Lab):
    key = create(lab)
    send(lab, "POST", key, [person(n) for n in range(5_000)])
    fields = {"fields": "approximate_count_lower_bound,approximate_count_upper_bound"}
    shown = lab.facebook("GET", f"/{key}", params=fields).json()
    assert shown["approximate_count_lower_bound"] == 4_800
    assert shown["approximate_count_upper_bound"] == 5_200


def test_a_removal_above_the_size_that_was_ordered_meets_a_web_page(lab: Lab):
    key = create(lab)
    send(lab, "POST", key, [person(n) for n in range(5)])
    lab.configure(facebook_most_removed_rows=2)
    large = send(lab, "DELETE", key, [person(n) for n in range(3)])
    assert (large.status_code, large.headers["content-type"]) == (400, "text/html; charset=utf-8")
    assert send(lab, "DELETE", key, [person(n) for n in range(2)]).status_code == 200
    assert send(lab, "POST", key, [person(n) for n in range(5)]).status_code == 200
    assert members(lab) == {"Customers": 5}


def test_a_replacement_wipes_with_batch_1_and_blocks_until_it_is_done(lab: Lab):
    key = create(lab)
    send(lab, "POST", key, [person(n) for n in range(5)])

    def replace(number, sequence, rows, *, last=False):
        given = session(number, sequence, last=last)
        return send(lab, "POST", key, rows, session=given, edge="usersreplace")

    assert refusal(replace(8, 2, [person(1)])) == (2650, 1870147)
    assert refusal(send(lab, "POST", key, [person(1)], edge="usersreplace"))[0] == 100
    assert replace(9, 1, [person(10)]).status_code == 200
    assert members(lab) == {"Customers": 1}
    status = lab.facebook("GET", f"/{key}", params={"fields": "operation_status"}).json()
    assert status["operation_status"]["code"] == 414
    assert refusal(send(lab, "POST", key, [person(1)])) == (2650, 1870145)
    assert refusal(replace(10, 1, [person(1)])) == (2650, 1870145)
    assert replace(9, 7, [person(11)], last=True).status_code == 200
    assert refusal(replace(9, 8, [person(12)])) == (2650, 1870159)
    lab.clock.now += 1
    assert send(lab, "POST", key, [person(12)]).status_code == 200
    assert members(lab) == {"Customers": 3}


def test_an_opt_out_leaves_every_audience_of_the_account(lab: Lab):
    for name in ("one", "two"):
        send(lab, "POST", create(lab, name), [person(1), person(2)])
    body = {"payload": {"schema": SCHEMA, "is_raw": True, "data": [person(1)]}}
    answer = lab.facebook("DELETE", f"{ACCOUNT}/usersofanyaudience", json=body)
    assert answer.json()["num_received"] == 1
    assert members(lab) == {"one": 1, "two": 1}


@pytest.mark.parametrize(("code", "error"), [(471, (100, 1713230)), (414, (2650, 1870145))])
def test_an_opt_out_is_refused_for_one_audience_that_takes_no_change(lab: Lab, code, error):
    for number, name in enumerate(("one", "two")):
        key = create(lab, name)
        send(lab, "POST", key, [person(number), person(9)])
    lab.configure(facebook_operation_status={key: code})

    def opt_out(number):
        body = {"payload": {"schema": SCHEMA, "is_raw": True, "data": [person(number)]}}
        return lab.facebook("DELETE", f"{ACCOUNT}/usersofanyaudience", json=body)

    assert refusal(opt_out(9)) == error
    assert members(lab) == {"one": 2, "two": 2}
    assert opt_out(0).status_code == 200
    assert members(lab) == {"one": 1, "two": 2}


@pytest.mark.parametrize("change", [{"name": ""}, {"name": 7}, {"description": None}, {}])
def test_a_wrong_name_renames_nothing(lab: Lab, change):
    key = create(lab)
    assert refusal(lab.facebook("POST", f"/{key}", json=change))[0] == 100
    assert members(lab) == {"Customers": 0}


def test_usage_headers_name_the_tier(lab: Lab):
    headers = lab.facebook("GET", ACCOUNT).headers
    usage = json.loads(headers["x-business-use-case-usage"])
    assert usage["42"][0]["type"] == "custom_audience"
    account = json.loads(headers["x-ad-account-usage"])
    assert account["ads_api_access_tier"] == "standard_access"
    lab.configure(facebook_access_tier="development_access")
    account = json.loads(lab.facebook("GET", ACCOUNT).headers["x-ad-account-usage"])
    assert account["ads_api_access_tier"] == "development_access"
    assert account["acc_id_util_pct"] == pytest.approx(100 * 2 / 60, abs=0.01)
