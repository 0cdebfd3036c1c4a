"""Everything the syncs write down, searched for people and credentials."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from syncs import SyncSettings, identity
from tests.contract.test_every_destination import CASES
from tests.support.box import Box
from tests.support.published import Shop
from tests.support.syncing import HEAD

ROOT = Path(__file__).resolve().parents[2]
PEOPLE = 12
CREDENTIALS = {
    "KLAVIYO_API_KEY": "pk_needle0klaviyo0key",
    "ATTENTIVE_API_KEY": "needle0attentive0key",
    "FACEBOOK_ACCESS_TOKEN": "needle0facebook0token",
    "FACEBOOK_APP_SECRET": "needle0facebook0secret",
}
GUARD = "guard: {max_removed: null, max_added: null, min_members: 0}\n"
# An error page that repeats what it was sent, as some do.
ECHO = {
    "errors": [
        {
            "code": "invalid",
            "title": "somebody.1@mail.example is invalid",
            "detail": "+12025550101 and somebody.1@mail.example",
            "source": {"pointer": "/data/attributes/profiles/data/1/attributes/email"},
        }
    ],
    "error": {"code": 100, "message": "somebody.1@mail.example", "error_user_msg": "+12025550101"},
}


def shop() -> Shop:
    made = Shop()
    for i in range(PEOPLE):
        made.add(
            f"c{i}",
            email=f"somebody.{i}@mail.example",
            phone=f"+120255501{i:02d}",
            first_name="Ada",
            ever_used_discount_code=i % 2 == 0,
        ).member("buyers", f"c{i}")
    return made


def hashes(value: str) -> Iterator[bytes]:
    for name in ("sha256", "sha1", "md5"):
        digest = hashlib.new(name, value.encode())
        yield digest.digest()
        yield digest.hexdigest().encode()
        yield digest.hexdigest().upper().encode()


def clear_needles() -> list[bytes]:
    people = [c for i in range(PEOPLE) for c in (f"somebody.{i}@mail.example", f"20255501{i:02d}")]
    return [value.encode() for value in (*people, *CREDENTIALS.values())]


def hashed_needles() -> list[bytes]:
    forms = []
    for i in range(PEOPLE):
        phone = f"120255501{i:02d}"
        forms += [f"somebody.{i}@mail.example", phone, f"+{phone}"]
    return [needle for form in (*forms, *CREDENTIALS.values()) for needle in hashes(form)]


def texts_of(file: Path) -> bytes:
    """All that a DuckDB file says, read through DuckDB: on disk it may be compressed."""
    parts = []
    with duckdb.connect(str(file), read_only=True) as con:
        for (table,) in con.execute("select table_name from duckdb_tables()").fetchall():
            rows = con.execute(f'select cast(t as varchar) from "{table}" as t').fetchall()
            parts += [str(text) for (text,) in rows]
    return "\n".join(parts).encode()


def written(home: Path) -> dict[str, bytes]:
    """Everything below a home but the publication itself, which is people's data on purpose."""
    found = {}
    for file in home.rglob("*"):
        if not file.is_file() or file.name in ("segments.duckdb", "key"):
            continue
        content = file.read_bytes()
        if file.suffix == ".duckdb":
            content += texts_of(file)
        found[str(file.relative_to(home))] = content
    return found


def leaks(home: Path, said: bytes) -> list[str]:
    """Where something was found that must not be anywhere."""
    places = {**written(home), "what was said": said}
    found = []
    for place, content in places.items():
        needles = clear_needles()
        # To remove somebody, Facebook has to be told the hashes it was given.
        if place != "ledger/facebook.duckdb":
            needles += hashed_needles()
        found += [f"{place}: {needle!r}" for needle in needles if needle in content]
    return found


def syncs(*arguments: str) -> bytes:
    ended = subprocess.run(
        [sys.executable, "-m", "syncs", *arguments],
        cwd=ROOT,
        env={**os.environ},
        capture_output=True,
        check=False,
        timeout=120,
    )
    return ended.stdout + ended.stderr


@pytest.fixture
def all_kinds(settings: SyncSettings, box: Box, monkeypatch: pytest.MonkeyPatch) -> SyncSettings:
    for name, value in CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("FACEBOOK_AD_ACCOUNT_ID", "1000000000")
    for case in CASES:
        (settings.specs / f"{case.name}.yml").write_text(
            HEAD.format(name=case.name) + GUARD + case.spec
        )
    shop().publish(settings.home)
    return settings


def test_nothing_written_names_a_person_or_a_credential(all_kinds: SyncSettings, box: Box) -> None:
    said = [syncs("plan"), syncs("plan", "--markdown")]
    (all_kinds.home / "plan.json").write_bytes(syncs("plan", "--json"))
    for vendor in ("klaviyo", "attentive", "facebook"):
        box.fault(vendor, "status", status=400, body=ECHO, times=1)
        box.fault(vendor, "html", status=502, times=1)
        box.fault(vendor, "drop-after-apply", method="POST", times=1)
        box.fault(vendor, "status", status=401, body=ECHO, times=1)
    said += [syncs("apply") for _ in range(4)]
    said += [syncs("status"), syncs("resolve", "attribute_events"), syncs("reconcile")]
    box.heal()
    said.append(syncs("apply"))

    assert leaks(all_kinds.home, b"".join(said)) == []
    # It was searched where something is: every sync has rows.
    assert b"accepted" in b"".join(said)
    assert {"ledger/klaviyo.duckdb", "published/syncs.duckdb", "plan.json"} <= set(
        written(all_kinds.home)
    )


def test_the_search_finds_what_is_there(settings: SyncSettings) -> None:
    settings.ledgers.mkdir()
    with duckdb.connect(str(settings.ledgers / "klaviyo.duckdb")) as con:
        con.execute("create table rows as select 'somebody.3@mail.example' as reason")
    (settings.home / "log").write_bytes(hashlib.md5(b"+12025550104").hexdigest().encode())  # noqa: S324

    found = leaks(settings.home, b"pk_needle0klaviyo0key")

    assert sorted(place.split(":")[0] for place in found) == [
        "ledger/klaviyo.duckdb",
        "log",
        "what was said",
    ]


def test_ledgers_and_their_key_are_for_their_owner_only(all_kinds: SyncSettings, box: Box) -> None:
    syncs("apply")

    assert identity.ledger_key(all_kinds.ledgers)
    assert all_kinds.ledgers.stat().st_mode & 0o077 == 0
    files = [f for f in all_kinds.ledgers.iterdir() if f.is_file()]
    assert {f.name for f in files} >= {"key", "klaviyo.duckdb"}
    assert [f.name for f in files if f.stat().st_mode & 0o077] == []
