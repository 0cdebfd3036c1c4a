"""Writes ledger/erased.duckdb as the syncs do when every vendor confirmed an erasure."""

from __future__ import annotations

from pathlib import Path

import duckdb

from syncs import identity


def record_forgotten(home: Path, *identifiers: tuple[str, str], day: str = "2026-11-20") -> None:
    """Record identifiers, given as (id_type, id_value) in normal form, as forgotten on `day`."""
    ledgers = home / "ledger"
    with duckdb.connect() as con:
        identity.install(con, key=identity.ledger_key(ledgers))
        hashes = [
            con.execute("select cast(keyed(?) as uuid)", [f"{kind}:{value}"]).fetchone()
            for kind, value in identifiers
        ]
    with duckdb.connect(str(ledgers / "erased.duckdb")) as con:
        con.execute(
            "create table if not exists erased "
            "(identifier uuid, requested_on date, forgotten_on date)"
        )
        for row in hashes:
            assert row is not None
            con.execute(
                "insert into erased (identifier, requested_on, forgotten_on) "
                "select $who, date '2026-11-19', cast($day as date) "
                "where $who not in (select identifier from erased)",
                {"who": row[0], "day": day},
            )
