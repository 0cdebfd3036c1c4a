"""Whose a row is when somebody's key changed: the published changes of keys, over rows of a ledger.

A ledger knows customers by an alias of their key. The publication says which key each earlier one
became and, where one customer turned out to be two, whose each of their contacts is. To follow it
again changes nothing, and it does not matter how many publications a ledger has missed.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Final

import duckdb

from syncs.sql import transaction

_CHANGES: Final = "customer_key_changes"
# Publications of earlier versions say nothing about keys.
_NO_CHANGES: Final = """(select cast(null as varchar) as earlier_key, customer_key, '' as id_type,
    '' as id_value from pub.main.customers where false)"""

REKEYED: Final = "rekeyed"
"""The status of a run that only followed keys."""

# A row that names an address is of whoever has that address now: a person's row is keyed by it, an
# event's by it and the entry, and an audience's holds its hash. (One may hold a phone beside the
# e-mail that it is about, so there a phone tells nothing.)
_IS_OF_CONTACT: Final = """(r.row_key = s.row_key
    or r.row_key = keyed(s.id_value || '|' || r.subject)
    or (s.id_type = 'email' and contains(r.vendor_row, hashed(s.id_value))))"""


def install(con: duckdb.DuckDBPyConnection, tables: Collection[str]) -> None:
    """Make ``successors``: an alias until now, that of today, and the contact it is limited to.

    Args:
        con: the connection of a workspace, with its macros.
        tables: what is published.
    """
    changes = f"pub.main.{_CHANGES}" if _CHANGES in tables else _NO_CHANGES
    con.execute(
        f"""create table successors as
        select alias_of(earlier_key) as earlier, alias_of(customer_key) as customer, id_type,
            id_value, keyed(id_value) as row_key
        from {changes}"""
    )


def under_keys_of_today(con: duckdb.DuckDBPyConnection, rows: str) -> str:
    """SQL of the rows of a ledger, each with the customer of today.

    Args:
        con: a connection that has ``successors``.
        rows: SQL of rows; has sync, row_key, customer, subject and vendor_row.
    """
    stale = con.execute(
        f"select exists (from ({rows}) where customer in (select earlier from successors))"
    ).fetchone()
    if stale != (True,):
        return rows
    return f"""select r.* replace (coalesce(o.customer, r.customer) as customer) from ({rows}) as r
        left join ({_owners(rows)}) as o on o.sync = r.sync and o.row_key = r.row_key"""


def rekey(con: duckdb.DuckDBPyConnection, *, account: str, run_id: str, at: datetime) -> int:
    """Give every row of the attached ledger the customer of today; returns how many changed.

    What changed is a run of its own, so that the results are brought up to date; all or nothing.

    Args:
        con: a connection that has ``successors``, and the ledger for writing.
        account: whose ledger it is.
        run_id: unique for ever.
        at: now, UTC.
    """
    changed = 0
    with transaction(con):
        for table in ("rows", "outbox"):
            row = con.execute(
                f"""update ledger.{table} set customer = o.customer
                from ({_owners(f"from ledger.{table}")}) as o
                where {table}.sync = o.sync and {table}.row_key = o.row_key
                    and {table}.customer <> o.customer"""
            ).fetchone()
            changed += int(row[0]) if row else 0
        if changed:
            con.execute(
                """update ledger.drift set customer = r.customer from ledger.rows as r
                where drift.sync = r.sync and drift.row_key = r.row_key
                    and drift.customer <> r.customer"""
            )
            con.execute(
                """insert into ledger.runs by name select $run_id as run_id,
                $account || '_keys' as sync, $account as destination, true as idempotent,
                $status as status, $at as started_at, $at as finished_at""",
                {"run_id": run_id, "account": account, "status": REKEYED, "at": at},
            )
    return changed


def _owners(rows: str) -> str:
    """SQL of the rows that are known under an earlier key, and whose they are."""
    return f"""select r.sync, r.row_key, coalesce(
            min(s.customer) filter (where s.id_value is not null), min(s.customer)) as customer
        from ({rows}) as r join successors as s on s.earlier = r.customer
        where s.id_value is null or {_IS_OF_CONTACT}
        group by r.sync, r.row_key"""
