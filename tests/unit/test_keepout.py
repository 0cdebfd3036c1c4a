from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import duckdb
import pytest

from syncs import SyncError, SyncSettings, install_keep_out
from syncs.errors import LedgerBusyError
from tests.support.forgotten import record_forgotten


@pytest.fixture
def settings(tmp_path: Path) -> SyncSettings:
    return SyncSettings(SEGMENTS_HOME=tmp_path, SHOP_COUNTRY="us")


def asked(settings: SyncSettings, kind: str, *texts: str | None) -> list[object]:
    with duckdb.connect() as con:
        install_keep_out(settings, con)
        return [
            (con.execute(f"select is_forgotten({kind}_identifier(?))", [text]).fetchone() or "?")[0]
            for text in texts
        ]


def test_any_spelling_of_a_forgotten_identifier_is_recognised(settings: SyncSettings):
    record_forgotten(
        settings.home,
        ("email", "erin@mail.example"),
        ("phone", "+12025550123"),
        ("customer_id", "A-1"),
    )
    assert asked(
        settings,
        "email",
        "erin@mail.example",
        " Erin\u200b @ MAIL.example\u00a0",
        "erin@mail.example.org",
        "otto@mail.example",
        "erin",
        "",
        None,
    ) == [True, True, False, False, None, None, None]
    assert asked(
        settings, "phone", "+12025550123", "(202) 555-0123", "'+1 202 555 0123", "555", None
    ) == [True, True, True, None, None]
    # An account id is what it is: capitals may tell two accounts apart.
    assert asked(settings, "customer", "A-1", " A-1 ", "a-1", "", None) == [
        True,
        True,
        False,
        None,
        None,
    ]


def test_an_identifier_is_forgotten_as_what_it_is(settings: SyncSettings):
    record_forgotten(settings.home, ("customer_id", "erin@mail.example"))
    assert asked(settings, "email", "erin@mail.example") == [False]


def test_the_list_has_a_name_that_changes_with_it(settings: SyncSettings):
    names = []
    for identifiers in (
        [("email", "a@mail.example")],
        [("email", "a@mail.example")],
        [("email", "b@mail.example")],
    ):
        record_forgotten(settings.home, *identifiers)
        with duckdb.connect() as con:
            found = install_keep_out(settings, con)
        names.append((found.list_id, found.identifiers))
    assert names[0] == names[1] != names[2]
    assert [count for _, count in names] == [1, 1, 2]


def test_without_the_key_nothing_is_loaded(settings: SyncSettings):
    record_forgotten(settings.home, ("email", "erin@mail.example"))
    (settings.ledgers / "key").unlink()
    with duckdb.connect() as con, pytest.raises(SyncError, match="restore it"):
        install_keep_out(settings, con)
    assert not (settings.ledgers / "key").exists()


def test_a_list_that_is_being_written_is_waited_for(settings: SyncSettings):
    record_forgotten(settings.home, ("email", "erin@mail.example"))
    script = (
        "import sys, duckdb; con = duckdb.connect(sys.argv[1]);"
        "print('open', flush=True); sys.stdin.read()"
    )
    waits: list[float] = []
    with subprocess.Popen(
        [sys.executable, "-c", script, str(settings.ledgers / "erased.duckdb")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        with duckdb.connect() as con, pytest.raises(LedgerBusyError, match="who was forgotten"):
            install_keep_out(settings, con, sleep=waits.append)
        assert sum(waits) == 5

        def until_it_ends(_: float) -> None:
            assert writer.stdin is not None
            writer.stdin.close()
            writer.wait(timeout=20)

        with duckdb.connect() as con:
            assert install_keep_out(settings, con, sleep=until_it_ends).identifiers == 1
