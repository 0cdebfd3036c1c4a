"""The stand-ins keep the vendors' rate limits in every window."""

import json

import pytest

from syncs.sandbox.limits import Score, TwoWindows
from tests.support.sandbox_lab import START, Lab, open_lab


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    with open_lab(tmp_path_factory.mktemp("home")) as lab:
        yield lab


@pytest.fixture
def lab(opened):
    return opened.fresh()


def test_two_windows_admit_a_burst_each_second_up_to_the_minute():
    limiter = TwoWindows(3, 7)
    admitted = [
        sum(limiter.admit(START + second).admitted for _ in range(5)) for second in range(5)
    ]
    assert admitted == [3, 3, 1, 0, 0]
    assert limiter.admit(START + 59.9).wait_seconds == pytest.approx(0.1)
    assert limiter.admit(START + 60).admitted


def test_fixed_windows_let_two_bursts_pass_around_an_edge():
    limiter = TwoWindows(3, 100)
    around = [START + 0.99] * 3 + [START + 1.0] * 3
    assert all(limiter.admit(at).admitted for at in around)
    assert not limiter.admit(START + 1.5).admitted


def test_a_score_slides_blocks_and_is_prolonged_by_calling():
    score = Score()
    admitted = [score.admit(START, 3, 60, 300).admitted for _ in range(21)]
    assert admitted == [True] * 20 + [False]
    assert not score.admit(START + 299, 1, 60, 300).admitted
    assert score.blocked_for(START + 299) == 300
    assert not score.admit(START + 598, 1, 60, 300).admitted
    assert score.admit(START + 898, 1, 60, 300).admitted


def test_klaviyo_throttles_the_eleventh_import_of_a_second(lab: Lab):
    answers = [lab.klaviyo("GET", "/api/profile-bulk-import-jobs") for _ in range(11)]
    assert [a.status_code for a in answers] == [200] * 10 + [429]
    assert answers[0].headers["ratelimit-limit"] == "10, 10;w=1, 150;w=60"
    assert answers[0].headers["ratelimit-remaining"] == "9"
    throttled = answers[-1]
    assert throttled.headers["retry-after"] == "1"
    assert not [name for name in throttled.headers if name.startswith("ratelimit")]
    assert throttled.json()["errors"][0]["code"] == "throttled"
    assert lab.klaviyo("GET", "/api/metrics").status_code == 200
    lab.clock.now += 1
    assert lab.klaviyo("GET", "/api/profile-bulk-import-jobs").status_code == 200


def test_klaviyo_throttles_the_sixteenth_account_call_of_a_minute(lab: Lab):
    for second in range(15):
        lab.clock.now = START + second
        assert lab.klaviyo("GET", "/api/accounts").status_code == 200
    lab.clock.now = START + 20.5
    answer = lab.klaviyo("GET", "/api/accounts")
    assert (answer.status_code, answer.headers["retry-after"]) == (429, "40")
    lab.clock.now = START + 60
    assert lab.klaviyo("GET", "/api/accounts").status_code == 200
    assert lab.state()["requests"]["klaviyo"]["throttled"] == 1


def test_limits_are_shared_by_all_keys_of_the_account_and_can_be_changed(lab: Lab):
    lab.configure(klaviyo_limits={"get_metrics": [1, 2]})
    keys = [
        {"Authorization": f"Klaviyo-API-Key pk_{n}", "revision": "2026-07-15"} for n in range(2)
    ]
    codes = [lab.klaviyo("GET", "/api/metrics", headers=h).status_code for h in keys]
    assert codes == [200, 429]
    lab.configure(limits=False)
    assert lab.klaviyo("GET", "/api/metrics").status_code == 200


def test_a_refused_call_counts_and_a_call_without_a_key_does_not(lab: Lab):
    lab.configure(klaviyo_limits={"get_profiles": [2, 100]})
    assert lab.klaviyo("GET", "/api/profiles", headers={}).status_code == 401
    assert lab.klaviyo("GET", "/api/profiles?sort=x").status_code == 400
    assert lab.klaviyo("GET", "/api/profiles").status_code == 200
    assert lab.klaviyo("GET", "/api/profiles").status_code == 429


def test_attentive_takes_150_calls_a_second_per_endpoint(lab: Lab):
    body = {"user": {"phone": "+19148440001"}, "properties": {"VIP": True}}
    answers = [lab.attentive("POST", "/v1/attributes/custom", json=body) for _ in range(151)]
    assert [a.status_code for a in answers] == [200] * 150 + [429]
    assert answers[0].headers["x-ratelimit-limit"] == "150"
    assert answers[0].headers["x-ratelimit-remaining"] == "149"
    assert "retry-after" not in answers[-1].headers
    event = {"type": "Entered", "user": {"phone": "+19148440001"}}
    assert lab.attentive("POST", "/v1/events/custom", json=event).status_code == 200
    lab.clock.now += 1
    assert lab.attentive("POST", "/v1/attributes/custom", json=body).status_code == 200


def test_facebook_blocks_a_development_account_after_60_points(lab: Lab):
    lab.configure(facebook_access_tier="development_access")
    fields = {"fields": "tos_accepted"}
    codes = [lab.facebook("GET", "/act_42", params=fields).status_code for _ in range(60)]
    assert set(codes) == {200}
    answer = lab.facebook("GET", "/act_42", params=fields)
    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == 17
    assert answer.json()["error"]["error_subcode"] == 2446079
    assert "retry-after" not in answer.headers
    assert json.loads(answer.headers["x-ad-account-usage"])["reset_time_duration"] == 300
    usage = json.loads(answer.headers["x-business-use-case-usage"])
    assert usage["42"][0]["estimated_time_to_regain_access"] == 5
    assert lab.facebook("GET", "/act_43", params=fields).status_code == 200
    lab.clock.now += 301
    assert lab.facebook("GET", "/act_42", params=fields).status_code == 200
    assert lab.state()["requests"]["facebook"]["throttled"] == 1


def test_a_facebook_write_costs_three_points(lab: Lab):
    lab.configure(facebook_score_ceiling=7, facebook_block_seconds=10)
    values = {"name": "x", "subtype": "CUSTOM", "customer_file_source": "USER_PROVIDED_ONLY"}
    codes = [
        lab.facebook("POST", "/act_42/customaudiences", json=values).status_code for _ in range(3)
    ]
    assert codes == [200, 200, 400]
    lab.clock.now += 10
    assert lab.facebook("GET", "/act_42").status_code == 200
