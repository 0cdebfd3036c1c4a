"""``python -m syncs`` as people script against it: output and exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

from syncs import SyncSettings
from syncs.cli import main
from tests.support.box import Box
from tests.support.published import Shop
from tests.support.syncing import AUDIENCE, PROFILE, write

NOTHING, ERROR, CHANGES, REFUSED = 0, 1, 2, 3

# Another process with the file open for writing.
_HOLD = "import duckdb; c = duckdb.connect({file!r}); print('held', flush=True); input()"


@pytest.fixture
def shop(settings: SyncSettings) -> Shop:
    made = Shop()
    for i in range(10):
        made.add(f"c{i}", ever_used_discount_code=True).member("buyers", f"c{i}")
    made.publish(settings.home)
    write(settings, "usage", PROFILE)
    return made


def planned(capsys: pytest.CaptureFixture[str], *names: str) -> tuple[int, Any]:
    capsys.readouterr()
    code = main(["plan", *names, "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_plan_sends_nothing_and_is_the_same_every_time(
    settings: SyncSettings, box: Box, shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    first = planned(capsys)
    second = planned(capsys)

    assert first == second
    assert first[0] == CHANGES
    assert first[1]["plans"][0]["counts"] == {"add:data": 10}
    assert box.requests() == []
    assert not (settings.ledgers / "klaviyo.duckdb").exists()


def test_apply_then_nothing_to_do(
    settings: SyncSettings, box: Box, shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["apply"]) == NOTHING
    assert planned(capsys)[0] == NOTHING


def test_a_guard_refuses_by_its_own_code_and_the_others_run(
    settings: SyncSettings, box: Box, shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    write(settings, "mirror", AUDIENCE.replace("min_members: 0", "min_members: 11"))

    code, document = planned(capsys)
    assert code == REFUSED
    assert [p["sync"] for p in document["plans"] if p["refused"]] == ["mirror"]
    assert main(["apply"]) == REFUSED
    assert box.members("Buyers") == 0
    assert sum(box.property_values("used").values()) == 10


def test_a_mass_removal_is_refused(settings: SyncSettings, box: Box, shop: Shop) -> None:
    write(settings, "mirror", AUDIENCE.replace("max_removed: null", "max_removed: 0.3"))
    assert main(["apply", "mirror"]) == NOTHING
    shop.periods = shop.periods[:6]
    shop.publish(settings.home)

    assert main(["plan", "mirror"]) == REFUSED
    assert main(["apply", "mirror"]) == REFUSED
    assert box.members("Buyers") == 10
    # Three of ten is not more than 0.3.
    shop.member("buyers", "c9").publish(settings.home)
    assert main(["apply", "mirror"]) == NOTHING
    assert box.members("Buyers") == 7


def test_an_empty_segment_never_empties_an_audience(
    settings: SyncSettings, box: Box, shop: Shop
) -> None:
    write(settings, "mirror", AUDIENCE.replace("max_removed: null, min_members: 0", ""))
    main(["apply", "mirror"])
    shop.periods = []
    shop.publish(settings.home)

    assert main(["apply", "mirror"]) == REFUSED
    assert box.members("Buyers") == 10


def test_an_unavailable_segment_is_refused_by_name(
    settings: SyncSettings, box: Box, shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    write(settings, "mirror", AUDIENCE)
    main(["apply", "mirror"])
    shop.unavailable = {"buyers": "table order_discounts is not in the source"}
    shop.periods = []
    shop.publish(settings.home)
    capsys.readouterr()

    assert main(["apply", "mirror"]) == ERROR
    assert "'buyers' is unavailable (table order_discounts" in capsys.readouterr().out
    assert box.members("Buyers") == 10


def test_a_left_censored_segment_is_sent_and_the_plan_says_so_once(
    settings: SyncSettings, box: Box, shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    write(settings, "mirror", AUDIENCE)
    write(settings, "flags", PROFILE.replace("used: ever_used_discount_code", "multi: new_hvc"))
    reason = "orders before 2026-09-23 are missing (60 days are known)"
    shop.censored = {"buyers": reason, "new_hvc": reason}
    shop.publish(settings.home)

    code, document = planned(capsys)
    assert code == CHANGES
    assert {p["sync"]: p["censored"] for p in document["plans"]} == {
        "flags": {reason: ["new_hvc"]},
        "mirror": {reason: ["buyers"]},
        "usage": {},
    }
    for form in ((), ("--markdown",)):
        main(["plan", *form])
        said = capsys.readouterr().out
        assert said.count("left-censored") == 2
        assert (
            f"mirror: left-censored, so who bought before may be wrong: buyers ({reason})" in said
        )
    main(["status"])
    assert capsys.readouterr().out.count("left-censored") == 2
    main(["status", "mirror", "--json"])
    assert json.loads(capsys.readouterr().out)[0]["censored"] == {reason: ["buyers"]}
    assert main(["apply"]) == NOTHING
    assert box.members("Buyers") == 10


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (PROFILE.replace("ever_used_discount_code", "ever_used_discount"), "did you mean"),
        (PROFILE.replace("everyone", "buyer"), "no segment 'buyer' (did you mean 'buyers'?)"),
        (PROFILE.replace("email: email", "email: mail"), "no published column 'mail'"),
    ],
)
def test_a_word_that_is_not_published_is_an_error(
    settings: SyncSettings,
    shop: Shop,
    text: str,
    said: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    write(settings, "usage", text)
    assert main(["plan"]) == ERROR
    assert said in capsys.readouterr().err


def test_exactly_the_plan_or_nothing(
    settings: SyncSettings, box: Box, shop: Shop, tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    file = tmp_path / "plan.json"
    file.write_text(json.dumps(planned(capsys)[1]))
    shop.add("late", ever_used_discount_code=True).publish(settings.home)

    assert main(["apply", "--plan", str(file)]) == REFUSED
    assert box.requests() == []

    file.write_text(json.dumps(planned(capsys)[1]))
    assert main(["apply", "--plan", str(file)]) == NOTHING
    assert sum(box.property_values("used").values()) == 11
    # It ran once; the ledger moved.
    assert main(["apply", "--plan", str(file)]) == REFUSED


def test_a_plan_file_that_is_none(settings: SyncSettings, shop: Shop, tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text("[]")
    assert main(["apply", "--plan", str(tmp_path / "plan.json")]) == ERROR


def test_status_and_published_results_tell_the_truth(
    settings: SyncSettings, box: Box, shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    shop.customers[0]["email"] = "bad@mail.example"
    shop.publish(settings.home)
    box.fault("klaviyo", "reject-rows", reject_emails="bad", form="import-errors", times=None)
    assert main(["apply"]) == ERROR
    capsys.readouterr()
    main(["status", "--json"])
    (standing,) = json.loads(capsys.readouterr().out)

    assert (standing["in_sync"], standing["rejected"], standing["pending"]) == (9, 1, 0)
    assert standing["last_status"] == "partial"
    with duckdb.connect(str(settings.results), read_only=True) as con:
        assert con.execute("select sync, status, accepted, rejected from sync_runs").fetchall() == [
            ("usage", "partial", 9, 1)
        ]
        rows = con.execute(
            "select customer_key, operation, state, attempts from sync_rows order by 1"
        ).fetchall()
    assert rows[0] == ("c0", "upsert", "rejected", 1)
    assert len(rows) == 10
    assert {row[2] for row in rows[1:]} == {"confirmed"}


def test_results_of_other_accounts_stay(settings: SyncSettings, box: Box, shop: Shop) -> None:
    write(settings, "mirror", AUDIENCE)
    main(["apply", "usage"])
    main(["apply", "mirror"])
    with duckdb.connect(str(settings.results), read_only=True) as con:
        counted = con.execute(
            "select sync, count(*) from sync_rows group by all order by all"
        ).fetchall()
    assert counted == [("mirror", 10), ("usage", 10)]


def test_nothing_published_yet_is_a_clear_error(
    settings: SyncSettings, capsys: pytest.CaptureFixture[str]
) -> None:
    write(settings, "usage", PROFILE)
    assert main(["plan"]) == ERROR
    assert "nothing is published yet" in capsys.readouterr().err


def test_a_published_file_held_open_for_writing_does_not_stop_a_run(
    settings: SyncSettings, box: Box, shop: Shop
) -> None:
    import subprocess
    import sys

    published = settings.published
    published.chmod(0o644)
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            _HOLD.format(file=str(published)),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    try:
        assert main(["apply"]) == NOTHING
    finally:
        holder.communicate(b"\n")
    assert sum(box.property_values("used").values()) == 10


def test_a_ledger_in_use_is_a_clear_error(
    settings: SyncSettings, box: Box, shop: Shop, capsys: pytest.CaptureFixture[str]
) -> None:
    import subprocess
    import sys

    assert main(["apply"]) == NOTHING
    ledger = settings.ledgers / "klaviyo.duckdb"
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            _HOLD.format(file=str(ledger)),
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    try:
        assert main(["apply"]) == ERROR
    finally:
        holder.communicate(b"\n")
    assert "another process is writing" in capsys.readouterr().out


def test_a_usage_error_is_no_plan_with_changes(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["plan", "--jsn"])
    assert ended.value.code == ERROR


def test_the_demo_and_production_do_not_share_a_ledger(
    settings: SyncSettings, box: Box, shop: Shop, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    assert main(["apply"]) == NOTHING
    monkeypatch.setenv("SEGMENTS_ENV", "production")
    monkeypatch.setenv("KLAVIYO_API_KEY", "pk_fictitious")
    assert main(["apply"]) == ERROR
    assert "was filled in demo, this is production" in capsys.readouterr().out


def test_an_unknown_environment_is_an_error(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SEGMENTS_ENV", "staging")
    assert main(["plan"]) == ERROR
    assert "SEGMENTS_ENV" in capsys.readouterr().err


def test_production_without_credentials_names_the_variable(
    settings: SyncSettings, shop: Shop, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setenv("SEGMENTS_ENV", "production")
    assert main(["apply"]) == ERROR
    assert "KLAVIYO_API_KEY is not set" in capsys.readouterr().out
