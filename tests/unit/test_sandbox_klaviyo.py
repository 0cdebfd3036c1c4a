"""The stand-in of Klaviyo refuses and does what Klaviyo refuses and does: profiles."""

import gzip
import json

import pytest

from tests.support.sandbox_lab import KLAVIYO, Lab, bulk, open_lab, profile, row, run_job

JOBS = "/api/profile-bulk-import-jobs"
ROWS = "/data/attributes/profiles/data"


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    with open_lab(tmp_path_factory.mktemp("home")) as lab:
        yield lab


@pytest.fixture
def lab(opened):
    return opened.fresh()


def problems(answer, status=400):
    assert answer.status_code == status, answer.text
    errors = answer.json()["errors"]
    assert all({"id", "code", "title", "detail", "source"} <= set(error) for error in errors)
    return errors


def pointers(answer, status=400):
    return [error["source"].get("pointer") for error in problems(answer, status)]


@pytest.mark.parametrize(
    ("headers", "status", "code"),
    [
        ({"revision": "2026-07-15"}, 401, "not_authenticated"),
        ({**KLAVIYO, "Authorization": "Bearer pk_test"}, 401, "authentication_failed"),
        ({**KLAVIYO, "Authorization": "Klaviyo-API-Key sk_test"}, 401, "authentication_failed"),
        ({"Authorization": KLAVIYO["Authorization"]}, 400, "invalid"),
        ({**KLAVIYO, "revision": "latest"}, 400, "invalid"),
        ({**KLAVIYO, "revision": "2031-01-15"}, 400, "invalid"),
        (
            {
                **KLAVIYO,
                "revision": "2023-02-22",
                "X-Klaviyo-Revision-Fall-Forward-Opt-Out": "1",
            },
            410,
            "gone",
        ),
    ],
)
def test_a_call_without_valid_headers_is_refused(lab: Lab, headers, status, code):
    answer = lab.klaviyo("GET", "/api/accounts", headers=headers)
    assert [error["code"] for error in problems(answer, status)] == [code]


def test_a_retired_revision_is_served_unless_the_caller_opts_out(lab: Lab):
    headers = {**KLAVIYO, "revision": "2023-02-22"}
    answer = lab.klaviyo("GET", "/api/accounts", headers=headers)
    assert answer.status_code == 200
    assert answer.json()["data"][0]["attributes"]["timezone"] == "America/New_York"
    assert answer.headers["content-type"].startswith("application/vnd.api+json")


def test_unknown_paths_methods_and_media_types_are_refused(lab: Lab):
    assert problems(lab.klaviyo("GET", "/api/nothing"), 404)[0]["code"] == "not_found"
    assert problems(lab.klaviyo("DELETE", "/api/accounts"), 405)
    headers = {**KLAVIYO, "content-type": "text/plain"}
    assert problems(lab.klaviyo("POST", JOBS, headers=headers, content=b"{}"), 415)


@pytest.mark.parametrize(
    ("bad", "pointer"),
    [
        (row("nobody"), f"{ROWS}/1/attributes/email"),
        (row("a@b@c.example"), f"{ROWS}/1/attributes/email"),
        (row("user@domain.c"), f"{ROWS}/1/attributes/email"),
        (row("a" * 95 + "@shop.example"), f"{ROWS}/1/attributes/email"),
        (row("a@shop.example", anonymous_id="x"), f"{ROWS}/1/attributes/anonymous_id"),
        (row("a@shop.example", meta={}), f"{ROWS}/1/attributes/meta"),
        (row("a@shop.example", external_id="x" * 256), f"{ROWS}/1/attributes/external_id"),
        (row("a@shop.example", first_name=3), f"{ROWS}/1/attributes/first_name"),
        (row("a@shop.example", location={"town": "x"}), f"{ROWS}/1/attributes/location/town"),
        (row("a@shop.example", properties=[]), f"{ROWS}/1/attributes/properties"),
        (
            row("a@shop.example", properties={"$source": 1}),
            f"{ROWS}/1/attributes/properties/$source",
        ),
        (row(first_name="Ann"), f"{ROWS}/1/attributes"),
        ({"type": "person", "attributes": {"email": "a@shop.example"}}, f"{ROWS}/1/type"),
        ({"type": "profile"}, f"{ROWS}/1/attributes"),
        ({**row("a@shop.example"), "meta": {"unset": "x"}}, f"{ROWS}/1/meta/unset"),
        (
            {**row("a@shop.example"), "meta": {"patch_properties": None}},
            f"{ROWS}/1/meta/patch_properties",
        ),
        (
            {**row("a@shop.example"), "meta": {"patch_properties": {"unset": {"x": 1}}}},
            f"{ROWS}/1/meta/patch_properties/unset",
        ),
    ],
)
def test_one_bad_row_refuses_the_whole_import_and_is_pointed_at(lab: Lab, bad, pointer):
    answer = lab.klaviyo("POST", JOBS, json=bulk(row("good@shop.example"), bad))
    assert pointers(answer) == [pointer]
    assert lab.klaviyo("GET", JOBS).json()["data"] == []
    lab.clock.now += 60
    assert lab.state()["klaviyo"]["profiles"] == 0


def test_every_bad_row_has_its_own_error(lab: Lab):
    rows = [row("x"), row("good@shop.example"), row("y")]
    answer = lab.klaviyo("POST", JOBS, json=bulk(*rows))
    assert pointers(answer) == [f"{ROWS}/0/attributes/email", f"{ROWS}/2/attributes/email"]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b'{"data": [1]}',
        b'{"data": {"type": "profile"}}',
        b'{"data": {"type": "profile-bulk-import-job"}}',
        json.dumps(bulk()).encode(),
        json.dumps(bulk(row("a@shop.example", properties={"x": float("nan")}))).encode(),
    ],
)
def test_a_body_that_is_no_import_is_refused(lab: Lab, body):
    headers = {**KLAVIYO, "content-type": "application/json"}
    assert problems(lab.klaviyo("POST", JOBS, headers=headers, content=body))


def test_an_import_holds_at_most_10000_profiles_and_5_megabytes(lab: Lab):
    rows = [row(f"p{number}@shop.example") for number in range(10_001)]
    assert pointers(lab.klaviyo("POST", JOBS, json=bulk(*rows))) == [ROWS]
    wide = [row(f"p{number}@shop.example", properties={"x": "y" * 9_000}) for number in range(600)]
    content = json.dumps(bulk(*wide)).encode()
    headers = {**KLAVIYO, "content-type": "application/json"}
    answer = lab.klaviyo("POST", JOBS, headers=headers, content=content)
    assert answer.status_code == 413
    assert answer.headers["content-type"].startswith("text/plain")
    packed = {**headers, "content-encoding": "gzip"}
    answer = lab.klaviyo("POST", JOBS, headers=packed, content=gzip.compress(content))
    assert answer.status_code == 413
    assert lab.klaviyo("POST", JOBS, json=bulk(*rows[:-1])).status_code == 202
    lab.clock.now += 5
    assert lab.state()["klaviyo"]["profiles"] == 10_000


def test_naming_a_list_is_refused_as_the_account_has_none(lab: Lab):
    document = bulk(row("a@shop.example"))
    document["data"]["relationships"] = {"lists": {"data": [{"type": "list", "id": "Y6nRLr"}]}}
    assert pointers(lab.klaviyo("POST", JOBS, json=document)) == ["/data"]


def test_a_job_is_queued_then_processing_then_complete_and_expires_after_a_week(lab: Lab):
    lab.configure(klaviyo_job_seconds=40, klaviyo_job_seconds_per_row=0)
    created = lab.klaviyo("POST", JOBS, json=bulk(row("a@shop.example"))).json()["data"]
    assert created["attributes"]["status"] == "queued"
    assert created["attributes"]["total_count"] == 1
    path, seen = f"{JOBS}/{created['id']}", []
    for step in (1, 20, 20):
        lab.clock.now += step
        data = lab.klaviyo("GET", path).json()["data"]["attributes"]
        seen.append((data["status"], data["completed_count"], profile(lab, "a@shop.example")))
    assert [(status, count) for status, count, _ in seen] == [
        ("queued", 0),
        ("processing", 0),
        ("complete", 1),
    ]
    assert [found is not None for *_, found in seen] == [False, False, True]
    lab.clock.now += 7 * 86_400
    assert problems(lab.klaviyo("GET", path), 404)[0]["code"] == "not_found"
    assert problems(lab.klaviyo("GET", f"{path}/import-errors"), 404)


def test_jobs_can_be_listed_by_status(lab: Lab):
    run_job(lab, row("a@shop.example"))
    lab.klaviyo("POST", JOBS, json=bulk(row("b@shop.example")))
    every = lab.klaviyo("GET", JOBS).json()["data"]
    assert [job["attributes"]["status"] for job in every] == ["queued", "complete"]
    done = lab.klaviyo("GET", JOBS, params={"filter": 'equals(status,"complete")'}).json()["data"]
    assert [job["id"] for job in done] == [every[1]["id"]]


def test_a_malformed_phone_is_dropped_without_a_word(lab: Lab):
    job = run_job(lab, row("a@shop.example", phone_number="+1234"))
    assert (job["completed_count"], job["failed_count"]) == (1, 0)
    assert profile(lab, "a@shop.example")["attributes"]["phone_number"] is None


def test_a_row_known_only_by_a_dropped_phone_fails(lab: Lab):
    job = run_job(lab, row(phone_number="12345"), row(phone_number="+19148440001"))
    assert (job["completed_count"], job["failed_count"]) == (1, 1)


def test_bulk_ignores_null_and_unset_removes(lab: Lab):
    run_job(lab, row("a@shop.example", first_name="Ann", properties={"x": 1, "y": 2}))
    changed = row("A@shop.example", first_name=None, properties={"x": None})
    run_job(lab, {**changed, "meta": {"patch_properties": {"unset": ["y"]}}})
    held = profile(lab, "a@shop.example")["attributes"]
    assert (held["first_name"], held["properties"]) == ("Ann", {"x": 1})
    assert lab.state()["klaviyo"]["profiles"] == 1


def test_append_and_unappend_change_a_list(lab: Lab):
    run_job(lab, row("a@shop.example", properties={"tags": ["x", "y"]}))
    patch = {"append": {"tags": ["z"]}, "unappend": {"tags": "x"}}
    run_job(lab, {**row("a@shop.example"), "meta": {"patch_properties": patch}})
    assert profile(lab, "a@shop.example")["attributes"]["properties"] == {"tags": ["y", "z"]}


def test_a_row_of_two_people_and_a_row_over_100_kb_fail_alone(lab: Lab):
    run_job(lab, row("a@shop.example"), row("b@shop.example", external_id="b"))
    job = run_job(
        lab,
        row("a@shop.example", external_id="b"),
        row("big@shop.example", properties={"x": "y" * 100_000}),
        row("c@shop.example"),
    )
    assert (job["completed_count"], job["failed_count"]) == (1, 2)
    errors = lab.klaviyo("GET", f"{JOBS}/{job['id']}/import-errors").json()["data"]
    assert [e["attributes"]["code"] for e in errors] == ["duplicate_profile", "invalid"]
    assert errors[0]["attributes"]["original_payload"]["email"] == "a@shop.example"
    assert profile(lab, "big@shop.example") is None


def test_an_unknown_id_beside_an_email_comes_back_as_a_profile(lab: Lab):
    job = run_job(lab, {**row("a@shop.example"), "id": "01GONE"}, {**row(), "id": "01NOBODY"})
    assert (job["completed_count"], job["failed_count"]) == (1, 1)
    assert profile(lab, "a@shop.example")["id"] == "01GONE"


def test_import_errors_are_paged(lab: Lab):
    lab.faults(
        {
            "vendor": "klaviyo",
            "action": "reject-rows",
            "operation": "bulk_import_profiles",
            "reject_emails": "@shop.example",
            "form": "import-errors",
        }
    )
    rows = [row(f"p{number}@shop.example") for number in range(25)]
    job = run_job(lab, *rows, row("fine@other.example"))
    assert (job["completed_count"], job["failed_count"]) == (1, 25)
    seen, path = [], f"{JOBS}/{job['id']}/import-errors"
    url, sizes = path, []
    while url:
        page = lab.klaviyo("GET", url).json()
        sizes.append(len(page["data"]))
        seen += [e["attributes"]["original_payload"]["email"] for e in page["data"]]
        following = page["links"]["next"]
        url = following and following.removeprefix("http://sandbox/klaviyo")
    assert sizes == [20, 5]
    assert seen == [r["attributes"]["email"] for r in rows]
    one = lab.klaviyo("GET", path, params={"page[size]": "100"}).json()
    assert len(one["data"]) == 25
    assert one["links"]["next"] is None
    assert problems(lab.klaviyo("GET", path, params={"page[size]": "101"}))


def test_profiles_are_found_by_any_identifier_in_pages_with_chosen_fields(lab: Lab):
    run_job(lab, *(row(f"p+{number}@Shop.example") for number in range(30)))
    wanted = ",".join(f'"P+{number}@shop.example"' for number in range(0, 30, 2))
    params = {
        "filter": f"any(email,[{wanted}])",
        "fields[profile]": "email",
        "page[size]": "10",
        "sort": "email",
    }
    first = lab.klaviyo("GET", "/api/profiles", params=params).json()
    assert [set(p["attributes"]) for p in first["data"]] == [{"email"}] * 10
    following = first["links"]["next"].removeprefix("http://sandbox/klaviyo")
    second = lab.klaviyo("GET", following).json()
    found = [p["attributes"]["email"] for p in first["data"] + second["data"]]
    assert sorted(found) == sorted(f"p+{number}@Shop.example" for number in range(0, 30, 2))
    assert second["links"]["next"] is None
    key = first["data"][0]["id"]
    answer = lab.klaviyo("GET", "/api/profiles", params={"filter": f'equals(id,"{key}")'})
    assert [p["id"] for p in answer.json()["data"]] == [key]


@pytest.mark.parametrize(
    "params",
    [
        {"filter": "email=a@shop.example"},
        {"filter": 'contains(email,"a")'},
        {"filter": 'equals(name,"a")'},
        {"filter": "any(email,[1])"},
        {"filter": "any(email,[" + ",".join(['"a@shop.example"'] * 101) + "])"},
        {"page[size]": "101"},
        {"page[size]": "0"},
        {"page[cursor]": "nonsense"},
        {"sort": "name"},
        {"limit": "10"},
    ],
)
def test_a_wrong_query_is_refused(lab: Lab, params):
    assert problems(lab.klaviyo("GET", "/api/profiles", params=params))[0]["source"]["parameter"]


def test_profile_import_creates_then_updates_and_null_clears(lab: Lab):
    data = row("a@shop.example", first_name="Ann", properties={"x": 1, "y": 2})
    created = lab.klaviyo("POST", "/api/profile-import", json={"data": data})
    assert created.status_code == 201
    change = row("a@shop.example", first_name=None, properties={"x": None})
    updated = lab.klaviyo("POST", "/api/profile-import", json={"data": change})
    assert updated.status_code == 200
    assert updated.json()["data"]["id"] == created.json()["data"]["id"]
    held = updated.json()["data"]["attributes"]
    assert (held["first_name"], held["properties"]) == (None, {"y": 2})
    assert problems(lab.klaviyo("POST", "/api/profile-import", json={"data": [data]}))
    bad_phone = {"data": row("a@shop.example", phone_number="+1234")}
    answer = lab.klaviyo("POST", "/api/profile-import", json=bad_phone)
    assert pointers(answer) == ["/data/attributes/phone_number"]
    too_big = {"data": row("a@shop.example", properties={"x": "y" * 100_000})}
    assert pointers(lab.klaviyo("POST", "/api/profile-import", json=too_big)) == ["/data"]


def test_identifiers_of_two_profiles_are_a_conflict(lab: Lab):
    run_job(lab, row("a@shop.example"), row("b@shop.example", external_id="b"))
    split = {"data": row("a@shop.example", external_id="b")}
    error = problems(lab.klaviyo("POST", "/api/profile-import", json=split), 409)[0]
    known = {profile(lab, "a@shop.example")["id"], profile(lab, "b@shop.example")["id"]}
    assert error["code"] == "duplicate_profile"
    assert error["meta"]["duplicate_profile_id"] in known
    taken = {"data": row("a@shop.example")}
    assert problems(lab.klaviyo("POST", "/api/profiles", json=taken), 409)
    fresh = {"data": row("c@shop.example")}
    assert lab.klaviyo("POST", "/api/profiles", json=fresh).status_code == 201


def test_patch_changes_but_never_creates(lab: Lab):
    run_job(lab, row("a@shop.example", properties={"plan": "x", "score": 1}))
    key = profile(lab, "a@shop.example")["id"]
    change = {**row(properties={"score": 8}), "id": key}
    change["meta"] = {"patch_properties": {"unset": "plan"}}
    answer = lab.klaviyo("PATCH", f"/api/profiles/{key}", json={"data": change})
    assert answer.status_code == 200
    assert answer.json()["data"]["attributes"]["properties"] == {"score": 8}
    unknown = {"data": {**row("new@shop.example"), "id": "01NOBODY"}}
    assert problems(lab.klaviyo("PATCH", "/api/profiles/01NOBODY", json=unknown), 404)
    assert pointers(lab.klaviyo("PATCH", f"/api/profiles/{key}", json=unknown)) == ["/data/id"]
    assert lab.state()["klaviyo"]["profiles"] == 1


def deletion(**attributes):
    profile_data = {"data": {"type": "profile", "attributes": attributes}}
    return {
        "data": {
            "type": "data-privacy-deletion-job",
            "attributes": {"profile": profile_data},
        },
    }


def test_deletion_forgets_one_person_once(lab: Lab):
    run_job(lab, row("a@shop.example"), row("b@shop.example"))
    path = "/api/data-privacy-deletion-jobs"
    answer = lab.klaviyo("POST", path, json=deletion(email="A@shop.example"))
    assert (answer.status_code, answer.content) == (202, b"")
    assert profile(lab, "a@shop.example") is not None
    again = lab.klaviyo("POST", path, json=deletion(email="a@shop.example"))
    assert again.status_code == 202
    lab.clock.now += 1
    gone = lab.klaviyo("POST", path, json=deletion(email="a@shop.example"))
    assert problems(gone, 404)[0]["code"] == "not_found"
    two = deletion(email="b@shop.example", phone_number="+19148440001")
    assert problems(lab.klaviyo("POST", path, json=two))
    assert profile(lab, "a@shop.example") is None
    assert profile(lab, "b@shop.example") is not None


def test_whoever_is_written_after_a_deletion_is_somebody_new(lab: Lab):
    run_job(lab, row("a@shop.example", properties={"used": True}))
    path = "/api/data-privacy-deletion-jobs"
    lab.klaviyo("POST", path, json=deletion(email="a@shop.example"))
    lab.clock.now += 1
    run_job(lab, row("a@shop.example"))
    lab.clock.now += 1
    assert profile(lab, "a@shop.example")["attributes"]["properties"] == {}


def test_people_can_be_known_beforehand(lab: Lab):
    emails = [f"p{number}@shop.example" for number in range(500)]
    answer = lab.call("POST", "/_sandbox/klaviyo/profiles", json={"emails": emails})
    assert answer.json() == {"created": 500}
    again = lab.call("POST", "/_sandbox/klaviyo/profiles", json={"emails": emails[:3]})
    assert again.json() == {"created": 0}
    assert lab.state()["klaviyo"]["profiles"] == 500
