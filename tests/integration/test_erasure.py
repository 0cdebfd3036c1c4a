"""Whoever asks to be forgotten leaves every vendor, the ledger and what is loaded again."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import pytest

from syncs import (
    SyncSettings,
    conclude_erasures,
    erase_account,
    identity,
    install_keep_out,
)
from syncs.keepout import erased_path
from syncs.runner import ledger_path
from tests.support.box import Box
from tests.support.published import Shop
from tests.support.syncing import AUDIENCE, PROFILE, plan, run, write

TODAY = date(2026, 11, 21)
ATTRIBUTE = """destination: attentive_attribute
audience: everyone
identify_by: {phone: phone}
properties: {used: ever_used_discount_code}
guard: {max_removed: null, min_members: 0}
"""
SPECS = {"profiles": PROFILE, "attributes": ATTRIBUTE, "mirror": AUDIENCE}
ACCOUNTS = ("attentive", "facebook", "klaviyo")


def ask(home: Path, people: Sequence[tuple[str, str, str]]) -> None:
    """Publish erasure requests: customer key, kind and value of each identifier."""
    path = home / "published" / "erasures.duckdb"
    path.unlink(missing_ok=True)
    with duckdb.connect(str(path)) as con:
        con.execute(
            "create table erasures (customer_key varchar, requested_on date, id_type varchar, "
            "id_value varchar)"
        )
        for key, kind, value in people:
            con.execute("insert into erasures values (?, ?, ?, ?)", [key, TODAY, kind, value])


def shop(*, forgotten: bool = False) -> Shop:
    made = Shop()
    for i in range(6):
        contact: dict[str, str | None] = {
            "email": f"c{i}@mail.example",
            "phone": f"+1202555010{i}",
        }
        if forgotten and i == 0:
            contact = {"email": None, "phone": None}
        made.add(f"c{i}", first_name="Ada", ever_used_discount_code=True, **contact)
        if not (forgotten and i == 0):
            made.member("buyers", f"c{i}")
    return made


FIRST = [("c0", "email", "c0@mail.example"), ("c0", "phone", "+12025550100")]


@pytest.fixture
def told(settings: SyncSettings, box: Box) -> Box:
    """Everybody is at all three vendors."""
    for name, spec in SPECS.items():
        write(settings, name, spec)
    shop().publish(settings.home)
    for name in SPECS:
        assert run(settings, name).delivered_everything
    return box


def rows_of(settings: SyncSettings, account: str, key: str) -> int:
    secret = identity.ledger_key(settings.ledgers)
    with duckdb.connect(str(ledger_path(settings, account)), read_only=True) as con:
        macros = duckdb.connect()
        identity.install(macros, key=secret)
        alias = macros.execute("select alias_of(?)", [key]).fetchone()
        found = con.execute("select count(*) from rows where customer = ?", alias).fetchone()
    return int(found[0]) if found else 0


def kept_out(settings: SyncSettings) -> int:
    with duckdb.connect() as con:
        return install_keep_out(settings, con).identifiers


def test_nobody_to_forget_means_no_request(settings: SyncSettings, told: Box) -> None:
    before = len(told.requests())

    for account in ACCOUNTS:
        assert erase_account(settings, account).people == 0

    assert len(told.requests()) == before


def test_forgotten_everywhere_and_kept_out(settings: SyncSettings, told: Box) -> None:
    shop(forgotten=True).publish(settings.home)
    ask(settings.home, FIRST)
    told.configure(klaviyo_delete_seconds=0, attentive_delete_seconds=0)

    for name in SPECS:
        run(settings, name)
    for account in ACCOUNTS:
        erase_account(settings, account)
    ended = [erase_account(settings, account) for account in ACCOUNTS]

    assert [(e.people, e.done, e.open) for e in ended] == [(1, 1, 0)] * 3
    assert told.state()["klaviyo"]["profiles"] == 5
    assert told.attribute_values("used") == {"true": 5}
    assert told.members("Buyers") == 5
    assert [rows_of(settings, account, "c0") for account in ACCOUNTS] == [0, 0, 0]
    assert [rows_of(settings, account, "c1") for account in ACCOUNTS] == [1, 1, 1]
    assert conclude_erasures(settings, ACCOUNTS, today=TODAY) == 2
    assert conclude_erasures(settings, ACCOUNTS, today=TODAY) == 0
    assert kept_out(settings) == 2
    with duckdb.connect(str(erased_path(settings)), read_only=True) as con:
        assert con.execute("select distinct forgotten_on from erased").fetchall() == [(TODAY,)]
    assert erased_path(settings).stat().st_mode & 0o077 == 0
    for name in SPECS:
        assert plan(settings, name).changes == 0


def test_nobody_is_kept_out_while_one_vendor_has_not_confirmed(
    settings: SyncSettings, told: Box
) -> None:
    shop(forgotten=True).publish(settings.home)
    ask(settings.home, FIRST)
    told.configure(klaviyo_delete_seconds=0, attentive_delete_seconds=3600)

    ended = {account: erase_account(settings, account) for account in ACCOUNTS}

    assert (ended["attentive"].waiting, ended["attentive"].is_fine) == (1, True)
    assert conclude_erasures(settings, ACCOUNTS, today=TODAY) == 0
    assert kept_out(settings) == 0
    # It is asked after, not asked for again.
    writes = len(told.writes("attentive"))
    assert erase_account(settings, "attentive").waiting == 1
    assert len(told.writes("attentive")) == writes
    # Unless it keeps us waiting for longer than it says it may.
    late = datetime.now(UTC) + timedelta(days=36)
    erase_account(settings, "attentive", clock=lambda: late)
    assert len(told.writes("attentive")) > writes


def test_a_refused_erasure_stays_open_and_is_asked_again(settings: SyncSettings, told: Box) -> None:
    shop(forgotten=True).publish(settings.home)
    ask(settings.home, FIRST)
    told.fault(
        "facebook",
        "status",
        method="DELETE",
        status=400,
        body={"error": {"code": 200, "error_subcode": 1870047}},
        times=None,
    )

    refused = erase_account(settings, "facebook")

    assert (refused.done, refused.open, refused.is_fine) == (0, 1, False)
    assert sum(refused.reasons.values()) == 1
    assert told.members("Buyers") == 6
    assert rows_of(settings, "facebook", "c0") == 1
    told.heal()
    assert erase_account(settings, "facebook").done == 1
    assert told.members("Buyers") == 5


def test_who_shares_a_forgotten_phone_is_sent_again(settings: SyncSettings, box: Box) -> None:
    write(settings, "mirror", AUDIENCE.replace("EMAIL: email", "EMAIL: email, PHONE: phone"))
    made = shop()
    made.customers[1]["phone"] = made.customers[0]["phone"]
    made.publish(settings.home)
    run(settings, "mirror")
    gone = shop(forgotten=True)
    gone.customers[1]["phone"] = "+12025550100"
    gone.publish(settings.home)
    ask(settings.home, FIRST)

    erase_account(settings, "facebook")

    assert plan(settings, "mirror").counts == {"update:retry": 1}
    run(settings, "mirror")
    assert box.members("Buyers") == 5


def test_an_unreachable_vendor_is_no_confirmation(settings: SyncSettings, told: Box) -> None:
    shop(forgotten=True).publish(settings.home)
    ask(settings.home, FIRST)
    told.fault("klaviyo", "status", status=401, times=None)

    ended = erase_account(settings, "klaviyo")

    assert (ended.done, ended.open) == (0, 1)
    assert "c0@mail" not in repr(ended)
    assert rows_of(settings, "klaviyo", "c0") == 1


def test_a_ledger_in_use_does_not_hold_up_the_conclusion(settings: SyncSettings, told: Box) -> None:
    shop(forgotten=True).publish(settings.home)
    ask(settings.home, FIRST)
    told.configure(klaviyo_delete_seconds=0, attentive_delete_seconds=0)
    for account in ACCOUNTS:
        erase_account(settings, account)

    hold = "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('held', flush=True); input()"
    path = str(ledger_path(settings, "klaviyo"))
    with subprocess.Popen(
        [sys.executable, "-c", hold, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == b"held\n"
        assert conclude_erasures(settings, ACCOUNTS, today=TODAY) == 2
        other.communicate(b"\n")
