"""Who was forgotten by every vendor: keyed hashes that keep a person out of what is loaded again.

The source's files may name somebody for months after the erasure. ``ledger/erased.duckdb`` holds
what is left of them here: hashes under this installation's own key, which tell whether an
identifier is one of theirs and nothing else.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb

from syncs import identity
from syncs.errors import LedgerBusyError, SyncError
from syncs.settings import SyncSettings
from syncs.sql import literal

_DATABASE: Final = "keep_out"
_PATIENCE_SECONDS: Final = 5.0
_STEP_SECONDS: Final = 0.25

# What the models call an address, spelling by spelling: an identifier is hashed in the form in
# which customer_identities holds it.
_INVISIBLE: Final = r"[\x{200B}-\x{200F}\x{2060}\x{FEFF}\x{00AD}]"
_OUTER_BLANKS: Final = r"^[\s\x{00A0}]+|[\s\x{00A0}]+$"
_BLANKS_AT: Final = r"[\s\x{00A0}]*@[\s\x{00A0}]*"
_ADDRESS: Final = r'^[^@\s\x{00A0},;<>()"]+@[^@\s\x{00A0},;<>()"]+[.][^@\s\x{00A0}.,;<>()"]{2,}$'


@dataclass(frozen=True)
class KeepOut:
    """Who is kept out.

    Attributes:
        list_id: changes with the list; None when nobody was forgotten.
        identifiers: how many identifiers are on it.
    """

    list_id: str | None
    identifiers: int


def erased_path(settings: SyncSettings) -> Path:
    """The file of forgotten identifiers; it exists once somebody was forgotten."""
    return settings.ledgers / "erased.duckdb"


def install_keep_out(
    settings: SyncSettings,
    con: duckdb.DuckDBPyConnection,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> KeepOut:
    """Let SQL on ``con`` ask who was forgotten; call it once a connection.

    ``email_identifier(text)``, ``phone_identifier(text)`` and ``customer_identifier(text)`` give
    the keyed hash (UUID) of an identifier as somebody wrote it, null when it is none;
    ``is_forgotten(identifier)`` tells about such a hash. ``keep_out.main.forgotten`` has one row
    per hash: identifier, requested_on, forgotten_on. All of it lives in memory and is gone with
    the connection; nothing of it enters the database that is open there.

    When nobody was forgotten nothing is installed.

    Raises:
        LedgerBusyError: a run is recording who was forgotten, and still does after five seconds.
        SyncError: people were forgotten, and the key their hashes were made with is gone.
    """
    path = erased_path(settings)
    if not path.exists() or not path.stat().st_size:
        return KeepOut(None, 0)
    _attach(con, path, sleep)
    try:
        found = con.execute(
            "select count(distinct identifier), left(sha256(string_agg(distinct "
            "cast(identifier as varchar), ',' order by cast(identifier as varchar))), 32) "
            "from erased_ledger.main.erased"
        ).fetchone()
        count, list_id = found or (0, None)
        if not count:
            return KeepOut(None, 0)
        if not (settings.ledgers / "key").exists():
            message = (
                f"{path.name} lists people who were forgotten, but the file key beside it is "
                "gone: restore it from the backup, or they cannot be kept out"
            )
            raise SyncError(message)
        _fill(con, settings)
    finally:
        con.execute("detach erased_ledger")
    return KeepOut(str(list_id), int(count))


def _attach(con: duckdb.DuckDBPyConnection, path: Path, sleep: Callable[[float], None]) -> None:
    waited = 0.0
    while True:
        try:
            con.execute(f"attach {literal(path)} as erased_ledger (read_only)")
        except duckdb.IOException as error:
            if "lock" not in str(error).lower():
                raise
            if waited >= _PATIENCE_SECONDS:
                message = f"{path.name}: another process is recording who was forgotten"
                raise LedgerBusyError(message) from None
            sleep(_STEP_SECONDS)
            waited += _STEP_SECONDS
        else:
            return


def _fill(con: duckdb.DuckDBPyConnection, settings: SyncSettings) -> None:
    # A database of its own: the key is a part of the macros, and where they were made in the open
    # file, it would be stored beside what it protects.
    con.execute(f"attach ':memory:' as {_DATABASE}")
    before = con.execute("select current_database(), current_schema()").fetchone()
    con.execute(f"use {_DATABASE}.main")
    try:
        identity.install(con, key=identity.ledger_key(settings.ledgers))
        con.execute(
            "create table forgotten as select cast(identifier as uuid) as identifier, "
            "min(requested_on) as requested_on, min(forgotten_on) as forgotten_on "
            "from erased_ledger.main.erased group by all"
        )
    finally:
        con.execute('use "{}"."{}"'.format(*before or ("memory", "main")))
    country = literal(settings.shop_country.upper())
    keyed = f"cast({_DATABASE}.main.keyed('{{kind}}:' || {{value}}) as uuid)"
    for macro in (
        rf"""address_of(text) as nullif(regexp_extract(regexp_replace(lower(regexp_replace(
              regexp_replace(text, '{_INVISIBLE}', '', 'g'), '{_OUTER_BLANKS}', '', 'g')),
              '{_BLANKS_AT}', '@', 'g'), '{_ADDRESS}'), '')""",
        f"email_identifier(text) as {keyed.format(kind='email', value='address_of(text)')}",
        "phone_identifier(text) as "
        + keyed.format(kind="phone", value=f"{_DATABASE}.main.phone_of(text, {country})"),
        "customer_identifier(text) as "
        + keyed.format(kind="customer_id", value="nullif(trim(text), '')"),
        f"""is_forgotten(identifier) as identifier in
              (select known.identifier from {_DATABASE}.main.forgotten as known)""",
    ):
        con.execute(f"create temp macro {macro}")
