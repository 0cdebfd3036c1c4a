"""Builds a published/segments.duckdb by hand: the published contract without a warehouse."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from dagster_project.history_keys import record_key_changes

AS_OF = date(2026, 11, 21)

_CUSTOMER = """customer_key varchar, customer_ids varchar[], email varchar, phone varchar,
first_name varchar, last_name varchar, country varchar, region varchar, city varchar,
postal_code varchar, email_consent varchar, sms_consent varchar, first_order_on date,
second_order_on date, last_order_on date, order_count bigint, average_order_value decimal(18, 2),
customer_segment varchar, ever_used_discount_code boolean, discount_behavior varchar, as_of date,
email_suppressed boolean, sms_suppressed boolean, ads_suppressed boolean"""

_DEFAULTS: dict[str, Any] = {
    "country": "US",
    "email_consent": "subscribed",
    "sms_consent": "subscribed",
    "email_suppressed": False,
    "sms_suppressed": False,
    "ads_suppressed": False,
}


@dataclass
class Shop:
    """What is published. Change it and publish again: that is another day."""

    customers: list[dict[str, Any]] = field(default_factory=list)
    periods: list[tuple[str, str, date, date | None]] = field(default_factory=list)
    identities: list[tuple[str, str, str]] = field(default_factory=list)
    unavailable: dict[str, str] = field(default_factory=dict)
    censored: dict[str, str] = field(default_factory=dict)
    segments: tuple[str, ...] = ("buyers", "new_multi_buyer", "new_hvc")
    as_of: date = AS_OF
    published: int = 0

    def add(self, key: str, **columns: Any) -> Shop:
        columns.setdefault("email", f"{key}@mail.example")
        self.customers.append({**_DEFAULTS, "customer_key": key, **columns})
        return self

    def member(
        self, segment: str, key: str, entered: date = AS_OF, exited: date | None = None
    ) -> Shop:
        self.periods.append((segment, key, entered, exited))
        return self

    def publish(self, home: Path) -> Path:
        """Write the file as the publish step would, swapped in with one rename."""
        self.published += 1
        target = home / "published" / "segments.duckdb"
        target.parent.mkdir(parents=True, exist_ok=True)
        fresh = target.with_suffix(".fresh")
        fresh.unlink(missing_ok=True)
        con = duckdb.connect()
        con.execute(f"attach '{fresh}' as published")
        con.execute("use published")
        con.execute(f"create table customers ({_CUSTOMER})")
        _insert_json(con, "customers", [{**c, "as_of": self.as_of} for c in self.customers])
        con.execute(
            "create table segment_periods (segment varchar, customer_key varchar, "
            "entered_on date, exited_on date)"
        )
        names = ("segment", "customer_key", "entered_on", "exited_on")
        _insert_json(
            con, "segment_periods", [dict(zip(names, p, strict=True)) for p in self.periods]
        )
        con.execute(
            "create table segment_members as select segment, customer_key, entered_on, "
            "cast($as_of as date) as as_of from segment_periods where entered_on <= $as_of "
            "and (exited_on is null or exited_on > $as_of)",
            {"as_of": self.as_of},
        )
        con.execute(
            "create table segment_catalog (segment varchar, status varchar, reason varchar)"
        )
        _insert_json(
            con,
            "segment_catalog",
            [
                {
                    "segment": s,
                    "status": "unavailable"
                    if s in self.unavailable
                    else "left_censored"
                    if s in self.censored
                    else "available",
                    "reason": self.unavailable.get(s, self.censored.get(s)),
                }
                for s in self.segments
            ],
        )
        con.execute(
            "create table customer_identities (customer_key varchar, id_type varchar, "
            "id_value varchar)"
        )
        names3 = ("customer_key", "id_type", "id_value")
        _insert_json(
            con,
            "customer_identities",
            [dict(zip(names3, i, strict=True)) for i in self.identities],
        )
        con.execute(
            "create table publication as select ? as publication_id, cast(? as date) as as_of, "
            "now() as published_at, 'America/New_York' as shop_timezone, 'USD' as shop_currency",
            [f"publication-{self.published}", self.as_of],
        )
        _record_changes_of_keys(con, target, f"publication-{self.published}", self.as_of)
        con.close()
        fresh.replace(target)
        return target


def _record_changes_of_keys(
    con: duckdb.DuckDBPyConnection, previous: Path, publication_id: str, as_of: date
) -> None:
    """Whose key changed since the file before, as the publish step finds it out."""
    erasures = previous.with_name("erasures.duckdb")
    for name, path in (("previous", previous), ("erasures", erasures)):
        con.execute(
            f"attach '{path}' as {name} (read_only)"
            if path.exists()
            else f"attach ':memory:' as {name}"
        )
    if not previous.exists():
        for table in ("customers", "customer_identities"):
            con.execute(f"create table previous.{table} as from published.{table} where false")
    if not erasures.exists():
        con.execute(
            "create table erasures.erasures as from published.customer_identities where false"
        )
    record_key_changes(con, publication_id=publication_id, as_of=as_of)


def _insert_json(
    con: duckdb.DuckDBPyConnection, table: str, rows: Iterable[Mapping[str, Any]]
) -> None:
    listed = list(rows)
    if not listed:
        return
    text = json.dumps(listed, default=str)
    structure = json.dumps(
        [dict(con.execute(f"select name, type from pragma_table_info('{table}')").fetchall())]
    )
    con.execute(
        f"insert into {table} by name select unnest(from_json(?, ?), recursive := true)",
        [text, structure],
    )
